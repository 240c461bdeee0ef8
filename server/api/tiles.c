/* tiles.c - rows worked on tile by tile by several workers. */
#include <stdlib.h>
#include <string.h>

#include "server/api/tiles_private.h"

#define JSON_NUMBER_BYTES 25 /* "-1.2345678901234567e-300," */
#define ARRAY_OPENING 32     /* more than `],"log_weight":[` */
#define SMALL_REPLY 1048576  /* is printed before it is sent */

void api_tiles_array(struct tiles *tiles, const char *name, const char *symbol, int width) {
  tiles->arrays[tiles->narrays++] = (struct api_array){name, symbol, width};
}

bool tiles_are_npy(const struct tiles *tiles) {
  return tiles->request->accept == ACCEPT_NPY;
}

size_t tiles_columns(const struct tiles *tiles) {
  size_t columns = 0;
  for (int k = 0; k < tiles->narrays; k++)
    columns += tiles->arrays[k].width ? (size_t)tiles->arrays[k].width : 1;
  return columns;
}

size_t tiles_rows(const struct tiles *tiles, size_t tile) {
  size_t left = tiles->n - tile * tiles->rows;
  return left < tiles->rows ? left : tiles->rows;
}

static size_t row_bytes(const struct tiles *tiles) {
  return tiles_columns(tiles) * (tiles_are_npy(tiles) ? sizeof(double) : JSON_NUMBER_BYTES);
}

bool api_tiles_fit(struct tiles *tiles) {
  int64_t limit = tiles->request->server->config->reply_bytes;
  size_t bytes;
  if (!__builtin_mul_overflow(tiles->n, row_bytes(tiles), &bytes) && bytes <= (size_t)limit)
    return true;
  reply_too_large(tiles->request, NULL, limit,
                  "%zu rows of %zu numbers may take more than the %lld bytes of one reply: ask for "
                  "fewer rows at a time%s",
                  tiles->n, tiles_columns(tiles), (long long)limit,
                  tiles_are_npy(tiles) ? "" : ", or for application/x-npy");
  return false;
}

static size_t texts_of(const struct tiles *tiles) {
  return tiles->count * (tiles_are_npy(tiles) ? 1 : (size_t)tiles->narrays);
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
  if (tiles->stream) tiles_stream_drop(tiles);
  if (tiles->release) tiles->release(tiles);
  if (starved)
    reply_problem(request, 503, "QUEUE_FULL", NULL,
                  "memory for %zu rows is exhausted: try again, or ask for fewer at a time", rows);
  else
    reply_problem(request, 503, "DEADLINE", NULL,
                  "the request took longer than request_deadline_ms = %lld allows",
                  (long long)request->server->config->request_deadline_ms);
}

static void starve(struct tiles *tiles) {
  atomic_store(&tiles->starved, true);
  give_up(tiles);
}

static bool next_tile(struct round *round, int index, struct worker *worker) {
  (void)index;
  struct tiles *tiles = (struct tiles *)round;
  if (atomic_load(&tiles->request->cancelled)) atomic_store(&tiles->stopped, true);
  if (atomic_load(&tiles->stopped) || atomic_load(&tiles->starved)) return false;
  size_t tile = atomic_fetch_add(&tiles->next, 1);
  if (tile >= tiles->count) return false;
  size_t first = tile * tiles->rows, n = tiles_rows(tiles, tile);
  if (!tiles->each(tiles, tile, first, n, worker) || boltz_arena_exhausted(worker->scratch))
    atomic_store(&tiles->starved, true);
  return tile + 1 < tiles->count;
}

void api_tiles_finish(struct tiles *tiles, struct worker *worker) {
  if (atomic_load(&tiles->stopped) || atomic_load(&tiles->starved))
    give_up(tiles);
  else
    tiles->end(tiles, worker);
}

static void after_tiles(struct round *round, struct worker *worker) {
  api_tiles_finish((struct tiles *)round, worker);
}

/* Where the numbers go. HEAD must know the length of what it does not send. */
static bool make_room(struct tiles *tiles) {
  if (tiles->texts || tiles->stream) return true;
  if (tiles->n * row_bytes(tiles) > SMALL_REPLY && !tiles->request->head)
    return tiles_stream_open(tiles);
  tiles->texts = BOLTZ_NEW_ARRAY(tiles->request->arena, texts_of(tiles) + 1, struct boltz_text);
  return tiles->texts != NULL;
}

bool api_tiles_prepare(struct tiles *tiles) {
  tiles->count = tiles->n / tiles->rows + (tiles->n % tiles->rows != 0);
  atomic_store(&tiles->next, 0);
  tiles->round.pool = tiles->request->server->pool;
  tiles->round.class_ = POOL_INTERACTIVE;
  if (make_room(tiles)) return true;
  starve(tiles);
  return false;
}

void api_tiles_start(struct tiles *tiles) {
  if (!api_tiles_prepare(tiles)) return;
  size_t pieces = (size_t)pool_workers(tiles->round.pool);
  if (pieces > ROUND_MOST) pieces = ROUND_MOST;
  if (pieces > tiles->count) pieces = tiles->count ? tiles->count : 1;
  round_start(&tiles->round, (int)pieces, next_tile, after_tiles);
}

/* ---- The reply ---- */

bool api_tiles_print(struct tiles *tiles, size_t tile, size_t n,
                     const struct api_columns *columns) {
  if (tiles->stream) {
    tiles_stream_keep(tiles, tile, n, columns);
    return true;
  }
  if (tiles_are_npy(tiles)) {
    size_t size = n * tiles_columns(tiles) * sizeof(double);
    char *data = malloc(size + 1);
    if (!data) return false;
    tiles_copy_rows((double *)data, tiles, columns, n);
    tiles->texts[tile] = (struct boltz_text){.data = data, .size = size, .capacity = size + 1};
    return true;
  }
  bool failed = false;
  for (int k = 0; k < tiles->narrays; k++) {
    struct boltz_text *text = &tiles->texts[tile * (size_t)tiles->narrays + (size_t)k];
    if (tile) boltz_text_bytes(text, ",", 1);
    tiles_print_array(text, &tiles->arrays[k], &columns[k], n);
    failed |= text->failed != 0;
  }
  return !failed;
}

/* Append members, and a comma on one side if there are any. */
static void add_members(struct boltz_text *text, const char *before,
                        const struct boltz_text *members, const char *after) {
  text->failed |= members->failed;
  if (!members->size) return;
  boltz_text_puts(text, before);
  boltz_text_bytes(text, members->data, members->size);
  boltz_text_puts(text, after);
}

static void name_columns(struct tiles *tiles, struct boltz_text *names) {
  for (int k = 0; k < tiles->narrays; k++) {
    const struct api_array *array = &tiles->arrays[k];
    if (!array->width) boltz_text_printf(names, "%s%s", names->size ? "," : "", array->name);
    for (int j = 1; j <= array->width; j++)
      boltz_text_printf(names, "%s%s%d", names->size ? "," : "", array->symbol, j);
  }
  if (!names->failed) request_header(tiles->request, "Boltz-Columns", "%s", names->data);
}

/* What comes before the arrays and after them. */
static void frame(struct tiles *tiles, const struct boltz_text *head, const struct boltz_text *tail,
                  struct boltz_text *before, struct boltz_text *after) {
  if (tiles_are_npy(tiles)) {
    char header[BOLTZ_NPY_HEADER];
    struct boltz_text names = {0};
    boltz_text_bytes(before, header, boltz_npy_header(tiles->n, tiles_columns(tiles), header));
    name_columns(tiles, &names);
    before->failed |= names.failed;
    boltz_text_free(&names);
    return;
  }
  boltz_text_puts(before, "{");
  add_members(before, "", head, ",");
  boltz_text_puts(after, "]");
  add_members(after, ",", tail, "");
  boltz_text_puts(after, "}");
}

/* Append all texts to `whole` in the order they are sent. */
static void join(struct tiles *tiles, struct boltz_text *whole) {
  size_t arrays = tiles_are_npy(tiles) ? 1 : (size_t)tiles->narrays;
  for (size_t k = 0; k < arrays; k++) {
    if (!tiles_are_npy(tiles)) tiles_open_array(whole, tiles, (int)k);
    for (size_t tile = 0; tile < tiles->count; tile++) {
      struct boltz_text *text = &tiles->texts[tile * arrays + k];
      boltz_text_bytes(whole, text->data, text->size);
      boltz_text_free(text);
      *text = (struct boltz_text){0};
    }
  }
}

/* A small reply, in one piece. */
static void send_texts(struct tiles *tiles, struct boltz_text *whole, struct boltz_text *after) {
  size_t size = after->size + API_ARRAYS * ARRAY_OPENING;
  for (size_t i = 0; i < texts_of(tiles); i++) size += tiles->texts[i].size;
  boltz_text_room(whole, size);
  join(tiles, whole);
  boltz_text_bytes(whole, after->data, after->size);
  struct chunk *chunk = whole->failed ? NULL : malloc(sizeof *chunk);
  boltz_text_free(after);
  if (!chunk) {
    boltz_text_free(whole);
    starve(tiles);
    return;
  }
  *chunk = (struct chunk){whole->data, whole->size};
  if (tiles->release) tiles->release(tiles);
  reply_chunks(tiles->request, 200, tiles_are_npy(tiles) ? "application/x-npy" : "application/json",
               chunk, 1);
}

void api_tiles_reply_text(struct tiles *tiles, struct boltz_text *head, struct boltz_text *tail) {
  struct boltz_text before = {0}, after = {0};
  frame(tiles, head, tail, &before, &after);
  boltz_text_free(head);
  boltz_text_free(tail);
  if (before.failed || after.failed) {
    boltz_text_free(&before);
    boltz_text_free(&after);
    starve(tiles);
  } else if (tiles->stream) {
    tiles_stream_reply(tiles, &before, &after);
  } else {
    send_texts(tiles, &before, &after);
  }
}

/* An object's members without its braces; takes it. */
static struct boltz_text members_of(cJSON *object) {
  struct boltz_text text = {0};
  char *printed = json_take_text(object);
  if (printed)
    boltz_text_bytes(&text, printed + 1, strlen(printed) - 2);
  else
    text.failed = 1;
  free(printed);
  return text;
}

void api_tiles_reply(struct tiles *tiles, cJSON *head, cJSON *tail) {
  struct boltz_text before = members_of(head), after = members_of(tail);
  api_tiles_reply_text(tiles, &before, &after);
}
