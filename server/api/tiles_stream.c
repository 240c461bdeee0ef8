/* tiles_stream.c - large replies: rows are printed, and where they were too many to keep drawn
 * again, while the client reads.
 *
 * All rows are worked on once before the first byte is sent: Boltz-Ess is a header, most clients
 * never see a trailer, and what goes wrong until then is answered properly. That pass keeps
 * numbers, not text, as far as KEPT_MOST goes, so one million rows of five columns are never worked
 * on twice; what is over is made again by the same each() when its turn comes, to the same bits,
 * because a row depends on its seed and index alone. JSON sends one array after the other, so the
 * arrays of one number a row are kept before all others: the wide ones alone are made again.
 *
 * The reply is a row of segments: a tile in NPY, an array of a tile in JSON. Workers make the next
 * `window` of them and leave; the reader, when it has taken half, puts them on the pool again. A
 * client that reads slowly costs what is kept and its window, and no worker. */
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/tiles_private.h"

#define KEPT_MOST ((size_t)40 << 20)    /* by one reply */
#define KEPT_BY_ALL ((size_t)320 << 20) /* then a reply keeps nothing */
#define WINDOW_BYTES ((size_t)1 << 20)  /* made and not sent */
#define WINDOW_MOST 128                 /* segments */
#define PRINTED_BYTES 20                /* of a number, on average */

struct segment {
  const char *data;
  size_t size;
  void *own; /* freed when it is sent */
};

/* A worker's part: at most one slice at a time. */
struct hand {
  struct task task;
  struct tiles_stream *of;
  bool busy;
};

struct tiles_stream {
  struct stream stream; /* first: the frame knows this part */
  struct tiles *tiles;

  double *kept;          /* [narrow, n] columns, then the blocks of the first `nkept` tiles */
  size_t kept_bytes;     /* its part of the server's kept_bytes */
  size_t narrow;         /* columns that are kept of every tile */
  size_t wide;           /* columns of a block */
  size_t nkept;          /* tiles whose block is kept */
  double **blocks;       /* [count] NPY: rows, JSON: columns; NULL: not there now */
  size_t at[API_ARRAYS]; /* an array's first column, among the narrow ones or in a block */
  bool is_narrow[API_ARRAYS];
  struct boltz_text before, after;
  size_t segments, window;
  int nhands;
  bool released; /* what the work holds is given back: by who makes the last segment, or the end */

  pthread_mutex_t mutex; /* guards what follows */
  struct segment *ring;  /* [window] made, from `sent` on, at their number modulo `window` */
  size_t made, next;     /* segments made; the next one to make */
  size_t sent;           /* segments */
  size_t offset;         /* bytes sent of the segment at hand, or of `before` */
  bool opened;           /* `before` is sent */
  bool failed, closed;
  int running;
  struct hand hands[ROUND_MOST];
};

/* ---- What is kept ---- */

static bool reserve(struct server *server, size_t bytes) {
  size_t taken = atomic_load(&server->kept_bytes);
  do {
    if (bytes > KEPT_BY_ALL - taken) return false;
  } while (!atomic_compare_exchange_weak(&server->kept_bytes, &taken, taken + bytes));
  return true;
}

static void drop_kept(struct tiles_stream *stream) {
  free(stream->kept);
  atomic_fetch_sub(&stream->tiles->request->server->kept_bytes, stream->kept_bytes);
  stream->kept = NULL;
  stream->kept_bytes = 0;
}

/* Memory for as much as may be kept; false: nothing is. */
static bool keep_some(struct tiles_stream *stream) {
  const struct tiles *tiles = stream->tiles;
  size_t all = tiles->n * tiles_columns(tiles) * sizeof(double);
  size_t narrow = tiles->n * stream->narrow * sizeof(double);
  size_t bytes = all < KEPT_MOST ? all : KEPT_MOST;
  if (tiles->held || narrow > bytes || !reserve(tiles->request->server, bytes)) return false;
  stream->kept_bytes = bytes;
  stream->kept = malloc(bytes);
  if (!stream->kept) {
    drop_kept(stream);
    return false;
  }
  size_t block = tiles->rows * stream->wide * sizeof(double);
  stream->nkept = bytes == all ? tiles->count : (bytes - narrow) / block;
  double *blocks = stream->kept + tiles->n * stream->narrow;
  for (size_t tile = 0; tile < stream->nkept; tile++)
    stream->blocks[tile] = blocks + tile * tiles->rows * stream->wide;
  return true;
}

/* Where each array lies; `some`: those of one number a row are kept apart. */
static void lay_out(struct tiles_stream *stream, bool some) {
  const struct tiles *tiles = stream->tiles;
  stream->narrow = stream->wide = 0;
  for (int k = 0; k < tiles->narrays; k++) {
    int width = tiles->arrays[k].width;
    stream->is_narrow[k] = some && !width;
    size_t *columns = stream->is_narrow[k] ? &stream->narrow : &stream->wide;
    stream->at[k] = *columns;
    *columns += width ? (size_t)width : 1;
  }
}

/* Segments in the window: enough for all hands, few enough that no tile is there twice. */
static size_t window_of(const struct tiles_stream *stream) {
  const struct tiles *tiles = stream->tiles;
  size_t widest = 1;
  for (int k = 0; k < tiles->narrays; k++)
    if ((size_t)tiles->arrays[k].width > widest) widest = (size_t)tiles->arrays[k].width;
  size_t bytes =
      tiles->rows * (tiles_are_npy(tiles) ? stream->wide * sizeof(double) : widest * PRINTED_BYTES);
  size_t window = WINDOW_BYTES / bytes, least = 2 * (size_t)stream->nhands;
  if (window > WINDOW_MOST) window = WINDOW_MOST;
  if (window < least) window = least;
  return window < tiles->count ? window : tiles->count;
}

bool tiles_stream_open(struct tiles *tiles) {
  struct boltz_arena *arena = tiles->request->arena;
  struct tiles_stream *stream = BOLTZ_NEW(arena, struct tiles_stream);
  if (!stream) return false;
  stream->tiles = tiles;
  stream->blocks = BOLTZ_NEW_ARRAY(arena, tiles->count, double *);
  if (!stream->blocks) return false;
  lay_out(stream, !tiles_are_npy(tiles));
  if (!keep_some(stream)) lay_out(stream, false);
  int workers = pool_workers(tiles->request->server->pool);
  stream->nhands = workers < ROUND_MOST ? workers : ROUND_MOST;
  stream->segments = tiles->count * (tiles_are_npy(tiles) ? 1 : (size_t)tiles->narrays);
  stream->window = window_of(stream);
  stream->ring = BOLTZ_NEW_ARRAY(arena, stream->window, struct segment);
  tiles->stream = stream; /* from here on its end is tiles_stream_drop() or the reply's */
  return stream->ring != NULL;
}

void tiles_stream_drop(struct tiles *tiles) {
  drop_kept(tiles->stream);
}

static double *narrow_column(const struct tiles_stream *stream, int array, size_t tile) {
  const struct tiles *tiles = stream->tiles;
  return stream->kept + stream->at[array] * tiles->n + tile * tiles->rows;
}

void tiles_stream_keep(struct tiles *tiles, size_t tile, size_t n,
                       const struct api_columns *columns) {
  struct tiles_stream *stream = tiles->stream;
  double *block = stream->blocks[tile];
  if (tiles_are_npy(tiles)) {
    if (block) tiles_copy_rows(block, tiles, columns, n);
    return;
  }
  for (int k = 0; k < tiles->narrays; k++) {
    if (stream->is_narrow[k]) {
      memcpy(narrow_column(stream, k, tile), columns[k].column, n * sizeof(double));
    } else if (block) {
      double *to = block + stream->at[k] * n;
      int width = tiles->arrays[k].width;
      if (!width) memcpy(to, columns[k].column, n * sizeof(double));
      for (int j = 0; j < width; j++)
        memcpy(to + (size_t)j * n, columns[k].batch->col[j], n * sizeof(double));
    }
  }
}

/* ---- Segments ---- */

static bool print(struct tiles_stream *stream, size_t number, struct segment *segment) {
  const struct tiles *tiles = stream->tiles;
  size_t tile = number % tiles->count, n = tiles_rows(tiles, tile);
  int k = (int)(number / tiles->count);
  double *from = stream->is_narrow[k] ? narrow_column(stream, k, tile)
                                      : stream->blocks[tile] + stream->at[k] * n;
  double *columns[BOLTZ_DIM_MAX];
  struct boltz_batch batch = {.n = n, .dim = tiles->arrays[k].width, .col = columns};
  for (int j = 0; j < batch.dim; j++) columns[j] = from + (size_t)j * n;
  struct boltz_text text = {0};
  if (tile == 0)
    tiles_open_array(&text, tiles, k);
  else
    boltz_text_bytes(&text, ",", 1);
  tiles_print_array(&text, &tiles->arrays[k], &(struct api_columns){&batch, from}, n);
  if (number + 1 == stream->segments)
    boltz_text_bytes(&text, stream->after.data, stream->after.size);
  *segment = (struct segment){text.data, text.size, text.data};
  return !text.failed;
}

/* A tile is in the window once at most, so its block has one user. */
static bool make(struct tiles_stream *stream, size_t number, struct worker *worker,
                 struct segment *segment) {
  struct tiles *tiles = stream->tiles;
  bool npy = tiles_are_npy(tiles);
  size_t tile = number % tiles->count, n = tiles_rows(tiles, tile);
  if (stream->blocks[tile] || (!npy && stream->is_narrow[number / tiles->count]))
    return print(stream, number, segment);
  size_t size = n * stream->wide * sizeof(double);
  double *block = malloc(size);
  if (!block) return false;
  stream->blocks[tile] = block;
  bool done = tiles->each(tiles, tile, tile * tiles->rows, n, worker) &&
              !boltz_arena_exhausted(worker->scratch);
  if (npy)
    *segment = (struct segment){(char *)block, size, block};
  else if (done)
    done = print(stream, number, segment);
  stream->blocks[tile] = NULL;
  if (!npy) free(block);
  return done;
}

/* The segment to send next, NULL data when it is not made; kept NPY lies there as it is sent. */
static struct segment at_hand(const struct tiles_stream *stream) {
  const struct tiles *tiles = stream->tiles;
  if (!tiles_are_npy(tiles) || stream->sent >= stream->nkept)
    return stream->ring[stream->sent % stream->window];
  size_t size = tiles_rows(tiles, stream->sent) * stream->wide * sizeof(double);
  return (struct segment){.data = (const char *)stream->blocks[stream->sent], .size = size};
}

/* ---- Workers ---- */

/* Segments that the window has room for. */
static size_t room(const struct tiles_stream *stream) {
  size_t from = stream->sent, left = stream->segments - stream->next;
  if (tiles_are_npy(stream->tiles) && from < stream->nkept) from = stream->nkept;
  size_t empty = from + stream->window - stream->next;
  return empty < left ? empty : left;
}

static void release(struct tiles_stream *stream) {
  if (stream->tiles->release && !stream->released) stream->tiles->release(stream->tiles);
  stream->released = true;
}

/* Nobody reads and nobody works. */
static void end(struct tiles_stream *stream) {
  for (size_t k = 0; k < stream->window; k++) free(stream->ring[k].own);
  boltz_text_free(&stream->before);
  boltz_text_free(&stream->after);
  pthread_mutex_destroy(&stream->mutex);
  drop_kept(stream);
  release(stream);
  request_release(stream->tiles->request);
}

/* Take the number of a segment to make; false: there is none now. */
static bool take(struct tiles_stream *stream, size_t *number) {
  bool more = !stream->closed && !stream->failed && room(stream) > 0;
  if (more) *number = stream->next++;
  return more;
}

static enum task_next leave(struct hand *hand) {
  struct tiles_stream *stream = hand->of;
  hand->busy = false;
  bool last = --stream->running == 0 && stream->closed;
  pthread_mutex_unlock(&stream->mutex);
  if (last) end(stream);
  return TASK_DONE;
}

static enum task_next work(struct task *task, struct worker *worker) {
  struct hand *hand = (struct hand *)task;
  struct tiles_stream *stream = hand->of;
  size_t number;
  pthread_mutex_lock(&stream->mutex);
  if (!take(stream, &number)) return leave(hand);
  pthread_mutex_unlock(&stream->mutex);

  struct segment segment = {0};
  bool done = make(stream, number, worker, &segment);
  pthread_mutex_lock(&stream->mutex);
  stream->ring[number % stream->window] = segment;
  stream->failed |= !done;
  bool wake = !done || number == stream->sent;
  bool last = ++stream->made == stream->segments;
  pthread_mutex_unlock(&stream->mutex);
  if (last) release(stream);
  if (wake) stream_wake(&stream->stream);
  return TASK_AGAIN;
}

/* Choose the hands that should work again: when half of the window is empty, not at each segment.
 * They are put on the pool with the mutex released. */
static int call_hands(struct tiles_stream *stream, struct task *called[ROUND_MOST]) {
  int n = 0;
  size_t empty = room(stream), left = stream->segments - stream->next;
  if (stream->failed || empty == 0 || (empty < left && empty < (stream->window + 1) / 2)) return 0;
  for (int k = 0; k < stream->nhands; k++) {
    if (stream->hands[k].busy) continue;
    stream->hands[k] = (struct hand){.task = {.run = work}, .of = stream, .busy = true};
    called[n++] = &stream->hands[k].task;
  }
  stream->running += n;
  return n;
}

/* ---- The reader ---- */

static size_t copy(char *buffer, size_t max, const char *data, size_t size, size_t *offset) {
  size_t n = size - *offset < max ? size - *offset : max;
  memcpy(buffer, data + *offset, n);
  *offset += n;
  return n;
}

/* Bytes that are there, at most `max`. */
static size_t fill(struct tiles_stream *stream, char *buffer, size_t max) {
  size_t used = 0;
  if (!stream->opened) {
    used = copy(buffer, max, stream->before.data, stream->before.size, &stream->offset);
    stream->opened = stream->offset == stream->before.size;
    if (stream->opened) stream->offset = 0;
  }
  while (used < max && stream->opened && stream->sent < stream->segments) {
    struct segment segment = at_hand(stream);
    if (!segment.data) break;
    used += copy(buffer + used, max - used, segment.data, segment.size, &stream->offset);
    if (stream->offset < segment.size) break;
    if (segment.own) {
      free(segment.own);
      stream->ring[stream->sent % stream->window] = (struct segment){0};
    }
    stream->sent++;
    stream->offset = 0;
  }
  return used;
}

static ssize_t read_tiles(struct stream *base, char *buffer, size_t max) {
  struct tiles_stream *stream = (struct tiles_stream *)base;
  struct task *called[ROUND_MOST];
  pthread_mutex_lock(&stream->mutex);
  size_t used = stream->failed ? 0 : fill(stream, buffer, max);
  ssize_t n = stream->failed                     ? STREAM_CUT
              : used                             ? (ssize_t)used
              : stream->sent == stream->segments ? STREAM_END
                                                 : 0;
  int ncalled = call_hands(stream, called);
  pthread_mutex_unlock(&stream->mutex);
  for (int k = 0; k < ncalled; k++)
    pool_submit(stream->tiles->request->server->pool, POOL_INTERACTIVE, called[k]);
  return n;
}

static void close_tiles(struct stream *base) {
  struct tiles_stream *stream = (struct tiles_stream *)base;
  pthread_mutex_lock(&stream->mutex);
  stream->closed = true;
  bool last = stream->running == 0;
  pthread_mutex_unlock(&stream->mutex);
  if (last) end(stream);
}

void tiles_stream_reply(struct tiles *tiles, struct boltz_text *before, struct boltz_text *after) {
  struct request *request = tiles->request;
  struct tiles_stream *stream = tiles->stream;
  bool npy = tiles_are_npy(tiles);
  size_t size = before->size + tiles->n * tiles_columns(tiles) * sizeof(double);
  stream->stream = (struct stream){
      .read = read_tiles, .close = close_tiles, .size = npy ? size : 0, .whole = true};
  stream->before = *before;
  stream->after = *after;
  stream->next = npy ? stream->nkept : 0;
  stream->made = stream->next;
  pthread_mutex_init(&stream->mutex, NULL);
  if (stream->nkept == tiles->count) release(stream);
  request_hold(request);
  reply_stream(request, 200, npy ? "application/x-npy" : "application/json", &stream->stream);
}
