/* tiles.c - rows worked on tile by tile by several workers, printed where they were made. */
#include <stdlib.h>
#include <string.h>

#include "server/api/api.h"

#define JSON_NUMBER_BYTES 25 /* "-1.2345678901234567e-300," */
#define MERGE_BYTES 65536

void api_tiles_array(struct tiles *tiles, const char *name, const char *symbol, int width) {
  tiles->arrays[tiles->narrays++] = (struct api_array){name, symbol, width};
}

static bool is_npy(const struct tiles *tiles) {
  return tiles->request->accept == ACCEPT_NPY;
}

static size_t columns_of(const struct tiles *tiles) {
  size_t columns = 0;
  for (int k = 0; k < tiles->narrays; k++)
    columns += tiles->arrays[k].width ? (size_t)tiles->arrays[k].width : 1;
  return columns;
}

bool api_tiles_fit(struct tiles *tiles) {
  int64_t limit = tiles->request->server->config->reply_bytes;
  size_t row = columns_of(tiles) * (is_npy(tiles) ? sizeof(double) : JSON_NUMBER_BYTES);
  size_t bytes;
  if (!__builtin_mul_overflow(tiles->n, row, &bytes) && bytes <= (size_t)limit) return true;
  reply_too_large(tiles->request, NULL, limit,
                  "%zu rows of %zu numbers may take more than the %lld bytes of one reply: ask for "
                  "fewer rows at a time%s",
                  tiles->n, columns_of(tiles), (long long)limit,
                  is_npy(tiles) ? "" : ", or for application/x-npy");
  return false;
}

static size_t texts_of(const struct tiles *tiles) {
  return tiles->count * (is_npy(tiles) ? 1 : (size_t)tiles->narrays);
}

static void free_texts(struct tiles *tiles) {
  for (size_t i = 0; tiles->texts && i < texts_of(tiles); i++) boltz_text_free(&tiles->texts[i]);
}

/* The work ended early: answer why. */
static void give_up(struct tiles *tiles) {
  struct request *request = tiles->request;
  bool starved = atomic_load(&tiles->starved);
  size_t rows = tiles->n;
  free_texts(tiles);
  if (tiles->release) tiles->release(tiles);
  if (starved)
    reply_problem(request, 503, "QUEUE_FULL", NULL,
                  "memory for %zu rows is exhausted: try again, or ask for fewer at a time", rows);
  else
    reply_problem(request, 503, "DEADLINE", NULL,
                  "the request took longer than request_deadline_ms = %lld allows",
                  (long long)request->server->config->request_deadline_ms);
}

static bool next_tile(struct round *round, int index, struct worker *worker) {
  (void)index;
  struct tiles *tiles = (struct tiles *)round;
  if (atomic_load(&tiles->request->cancelled)) atomic_store(&tiles->stopped, true);
  if (atomic_load(&tiles->stopped) || atomic_load(&tiles->starved)) return false;
  size_t tile = atomic_fetch_add(&tiles->next, 1);
  if (tile >= tiles->count) return false;
  size_t first = tile * tiles->rows;
  size_t n = tiles->n - first < tiles->rows ? tiles->n - first : tiles->rows;
  if (!tiles->each(tiles, tile, first, n, worker) || boltz_arena_exhausted(worker->scratch))
    atomic_store(&tiles->starved, true);
  return tile + 1 < tiles->count;
}

static void after_tiles(struct round *round, struct worker *worker) {
  struct tiles *tiles = (struct tiles *)round;
  if (atomic_load(&tiles->stopped) || atomic_load(&tiles->starved))
    give_up(tiles);
  else
    tiles->end(tiles, worker);
}

void api_tiles_start(struct tiles *tiles) {
  tiles->count = tiles->n / tiles->rows + (tiles->n % tiles->rows != 0);
  atomic_store(&tiles->next, 0);
  if (!tiles->texts)
    tiles->texts = BOLTZ_NEW_ARRAY(tiles->request->arena, texts_of(tiles) + 1, struct boltz_text);
  if (!tiles->texts) {
    atomic_store(&tiles->starved, true);
    give_up(tiles);
    return;
  }
  struct pool *pool = tiles->request->server->pool;
  size_t pieces = (size_t)pool_workers(pool);
  if (pieces > ROUND_MOST) pieces = ROUND_MOST;
  if (pieces > tiles->count) pieces = tiles->count ? tiles->count : 1;
  tiles->round.pool = pool;
  tiles->round.class_ = POOL_INTERACTIVE;
  round_start(&tiles->round, (int)pieces, next_tile, after_tiles);
}

static void print_rows(struct boltz_text *text, const struct boltz_batch *batch, size_t n) {
  char number[BOLTZ_NUMBER_SIZE];
  for (size_t i = 0; i < n; i++) {
    boltz_text_bytes(text, i ? ",[" : "[", i ? 2 : 1);
    for (int j = 0; j < batch->dim; j++) {
      size_t size = boltz_number_print(batch->col[j][i], number);
      if (j) boltz_text_bytes(text, ",", 1);
      boltz_text_bytes(text, number, size);
    }
    boltz_text_bytes(text, "]", 1);
  }
}

static void print_column(struct boltz_text *text, const double *column, size_t n) {
  char number[BOLTZ_NUMBER_SIZE];
  for (size_t i = 0; i < n; i++) {
    size_t size = boltz_number_print(column[i], number);
    if (i) boltz_text_bytes(text, ",", 1);
    boltz_text_bytes(text, number, size);
  }
}

static bool print_json(struct tiles *tiles, size_t tile, size_t n,
                       const struct api_columns *columns) {
  bool failed = false;
  for (int k = 0; k < tiles->narrays; k++) {
    struct boltz_text *text = &tiles->texts[tile * (size_t)tiles->narrays + (size_t)k];
    if (tile) boltz_text_bytes(text, ",", 1);
    if (tiles->arrays[k].width)
      print_rows(text, columns[k].batch, n);
    else
      print_column(text, columns[k].column, n);
    failed |= text->failed != 0;
  }
  return !failed;
}

/* One row after the other, all arrays side by side, in the byte order of every machine we run on:
 * little-endian doubles. */
static bool print_npy(struct tiles *tiles, size_t tile, size_t n,
                      const struct api_columns *columns) {
  struct boltz_text *text = &tiles->texts[tile];
  for (size_t i = 0; i < n; i++)
    for (int k = 0; k < tiles->narrays; k++) {
      if (!tiles->arrays[k].width) boltz_text_bytes(text, &columns[k].column[i], sizeof(double));
      for (int j = 0; j < tiles->arrays[k].width; j++)
        boltz_text_bytes(text, &columns[k].batch->col[j][i], sizeof(double));
    }
  return !text->failed;
}

bool api_tiles_print(struct tiles *tiles, size_t tile, size_t n,
                     const struct api_columns *columns) {
  return is_npy(tiles) ? print_npy(tiles, tile, n, columns) : print_json(tiles, tile, n, columns);
}

/* The pieces of a reply in the order they are sent. */
struct pieces {
  struct chunk *chunks;
  size_t n;
  bool failed;
};

static void add_copy(struct pieces *pieces, const void *bytes, size_t size) {
  char *data = malloc(size ? size : 1);
  if (!data) {
    pieces->failed = true;
    return;
  }
  memcpy(data, bytes, size);
  pieces->chunks[pieces->n++] = (struct chunk){data, size};
}

static void add_text(struct pieces *pieces, struct boltz_text *text) {
  if (!text->data) return;
  char *fitted = realloc(text->data, text->size);
  pieces->chunks[pieces->n++] = (struct chunk){fitted ? fitted : text->data, text->size};
  *text = (struct boltz_text){0};
}

/* Append the members of an object without its braces; takes it. */
static void add_members(struct pieces *pieces, cJSON *object, const char *before,
                        const char *after) {
  struct boltz_text text = {0};
  char *printed = json_take_text(object);
  size_t size = printed ? strlen(printed) : 0;
  bool empty = size <= 2;
  boltz_text_puts(&text, empty ? "" : before);
  if (!empty) boltz_text_bytes(&text, printed + 1, size - 2);
  boltz_text_puts(&text, after);
  pieces->failed |= !printed || text.failed;
  free(printed);
  if (!pieces->failed && text.size) add_text(pieces, &text);
  boltz_text_free(&text);
}

static void assemble_json(struct tiles *tiles, struct pieces *pieces, cJSON *head, cJSON *tail) {
  add_copy(pieces, "{", 1);
  add_members(pieces, head, "", ",");
  for (int k = 0; k < tiles->narrays; k++) {
    struct boltz_text open = {0};
    boltz_text_printf(&open, "%s\"%s\":[", k ? "]," : "", tiles->arrays[k].name);
    pieces->failed |= open.failed != 0;
    if (!open.failed) add_text(pieces, &open);
    boltz_text_free(&open);
    for (size_t tile = 0; tile < tiles->count; tile++)
      add_text(pieces, &tiles->texts[tile * (size_t)tiles->narrays + (size_t)k]);
  }
  add_copy(pieces, "]", 1);
  add_members(pieces, tail, ",", "}");
}

static void assemble_npy(struct tiles *tiles, struct pieces *pieces) {
  char header[BOLTZ_NPY_HEADER];
  size_t size = boltz_npy_header(tiles->n, columns_of(tiles), header);
  add_copy(pieces, header, size);
  for (size_t tile = 0; tile < tiles->count; tile++) add_text(pieces, &tiles->texts[tile]);
}

static bool name_columns(struct tiles *tiles) {
  struct boltz_text names = {0};
  for (int k = 0; k < tiles->narrays; k++) {
    const struct api_array *array = &tiles->arrays[k];
    if (!array->width) boltz_text_printf(&names, "%s%s", names.size ? "," : "", array->name);
    for (int j = 1; j <= array->width; j++)
      boltz_text_printf(&names, "%s%s%d", names.size ? "," : "", array->symbol, j);
  }
  bool done = !names.failed;
  if (done) request_header(tiles->request, "Boltz-Columns", "%s", names.data);
  boltz_text_free(&names);
  return done;
}

/* Small replies leave in one piece: that is cheaper than a few bytes saved from being copied. */
static void merge(struct pieces *pieces) {
  size_t total = 0, used = 0;
  for (size_t i = 0; i < pieces->n; i++) total += pieces->chunks[i].size;
  char *data = total <= MERGE_BYTES ? malloc(total) : NULL;
  if (!data) return;
  for (size_t i = 0; i < pieces->n; i++) {
    memcpy(data + used, pieces->chunks[i].data, pieces->chunks[i].size);
    used += pieces->chunks[i].size;
    free(pieces->chunks[i].data);
  }
  pieces->chunks[0] = (struct chunk){data, total};
  pieces->n = 1;
}

void api_tiles_reply(struct tiles *tiles, cJSON *head, cJSON *tail) {
  struct request *request = tiles->request;
  bool npy = is_npy(tiles);
  struct pieces pieces = {.chunks = calloc(texts_of(tiles) + API_ARRAYS + 5, sizeof(struct chunk))};
  if (!pieces.chunks) pieces.failed = true;
  if (npy || pieces.failed) {
    cJSON_Delete(head);
    cJSON_Delete(tail);
  }
  if (npy && !pieces.failed) {
    pieces.failed = !name_columns(tiles);
    assemble_npy(tiles, &pieces);
  } else if (!pieces.failed) {
    assemble_json(tiles, &pieces, head, tail);
  }
  if (pieces.failed) {
    for (size_t i = 0; i < pieces.n; i++) free(pieces.chunks[i].data);
    free(pieces.chunks);
    atomic_store(&tiles->starved, true);
    give_up(tiles);
    return;
  }
  merge(&pieces);
  if (tiles->release) tiles->release(tiles);
  reply_chunks(request, 200, npy ? "application/x-npy" : "application/json", pieces.chunks,
               pieces.n);
}
