/* narrow.c - a conditioner network whose maps compute in bf16 or int8: weights are rounded and
 * ranges found here; the arithmetic is core/kernel/narrow.h's. */
#include "core/nn/narrow.h"

#include <math.h>
#include <string.h>

#include "core/kernel/narrow.h"

/* Rows that pass through all maps together. */
#define BLOCK 48

/* Rows on which a kernel is compared with the one that any processor has. */
#define TRIAL_ROWS 7

/* |W0| + |W1| of a pair of weights before they are rounded, which can make 128 of it. */
#define PAIR_STEPS 127

/* Integers of int8 and the least step, by activation: tanh stays in [-1, 1]; silu never falls below
   -0.2785, which 31 steps must hold. */
static const struct {
  float low, high, least;
} integers[] = {
    [BOLTZ_RELU] = {.low = 0, .high = 255, .least = 0},
    [BOLTZ_TANH] = {.low = -127, .high = 127, .least = 1.0f / 127},
    [BOLTZ_SILU] = {.low = -31, .high = 224, .least = 0.2785f / 31},
};

/* Each activation of relu and silu has steps of its own, up to what the samples showed and a
   quarter more: a cut tail costs more effective samples than a coarser step. What the samples
   hardly excited has a 16th of the largest range of its layer, for there they say little. */
#define MARGIN 1.25f
#define SMALLEST_PART 0.0625f

/* A network answers in float what lies farther outside the box of its samples' inputs than this
   part of the box: there its ranges would cut off the activations of one sample in thousands, and a
   few of those would weigh as much as all others. */
#define FAR 0.0625f

struct boltz_narrow {
  const struct boltz_narrow_kernel *kernel;
  float *low, *high; /* [nin] of the inputs that are answered in integers; NULL: all are */
  struct boltz_narrow_map *map; /* [maps], of which 1 ... narrow_maps() are and 0 leads to them */
};

/* All but the first and, unless it is to be, the last. */
static int narrow_maps(const struct boltz_mlp *mlp) {
  return mlp->maps - (mlp->all_narrow ? 1 : 2);
}

/* What a network is made narrow from. */
struct source {
  const struct boltz_mlp *mlp;
  const float *w, *packed;
  size_t rows;
  const float *x;
};

/* Room to work in. */
struct room {
  float *a, *b;   /* [rows, ld] float activations, of this hidden layer and the next */
  float *rounded; /* weights of a map */
  float *work;    /* the same and a column */
  float *step;    /* [ld] of the inputs of a map */
  float *scale;   /* [ld] of its outputs */
};

static size_t more(size_t a, size_t b) {
  return a > b ? a : b;
}

static bool make_room(const struct source *from, struct boltz_arena *scratch, struct room *room) {
  const struct boltz_mlp *mlp = from->mlp;
  size_t in = boltz_kernel_ld(mlp->map[0].out), out = 0; /* of the widest narrow maps */
  for (int k = 1; k <= narrow_maps(mlp); k++) {
    in = more(in, boltz_kernel_ld(mlp->map[k].in));
    out = more(out, boltz_kernel_ld(mlp->map[k].out));
  }
  *room = (struct room){
      .a = boltz_arena_scratch(scratch, from->rows, in * sizeof(float)),
      .b = boltz_arena_scratch(scratch, from->rows, in * sizeof(float)),
      .rounded = boltz_arena_scratch(scratch, in + 1, out * sizeof(float)),
      .work = boltz_arena_scratch(scratch, in + 2, out * sizeof(float)),
      .step = boltz_arena_scratch(scratch, in, sizeof(float)),
      .scale = boltz_arena_scratch(scratch, out, sizeof(float)),
  };
  return room->a && room->b && room->rounded && room->work && room->step && room->scale;
}

/* ---- Rounding ---- */

static float larger(float a, float b) {
  return a > b ? a : b;
}

static void round_bf16(const struct boltz_linear *map, const float *w, float *rounded) {
  const size_t weights = map->out * map->in;
  for (size_t i = 0; i < weights; i++) rounded[i] = boltz_bf16(w[i]);
  for (size_t i = weights; i < weights + map->out; i++) rounded[i] = boltz_bf16_bias(w[i]);
}

/* scale_o W_ok = w_ok step_k */
static void round_int8(const struct boltz_linear *map, const float *w, const float *step,
                       float *rounded, float *scale) {
  for (size_t o = 0; o < map->out; o++) {
    const float *row = w + o * map->in;
    float *to = rounded + o * map->in, most = 0;
    for (size_t k = 0; k < map->in; k++) to[k] = row[k] * step[k];
    for (size_t k = 0; k < map->in; k += 2)
      most = larger(most, fabsf(to[k]) + (k + 1 < map->in ? fabsf(to[k + 1]) : 0));
    scale[o] = most / PAIR_STEPS;
    for (size_t k = 0; k < map->in; k++) to[k] = scale[o] > 0 ? boltz_round(to[k] / scale[o]) : 0;
  }
  memcpy(rounded + map->out * map->in, w + map->out * map->in, map->out * sizeof *w);
}

/* The steps of a layer's activations a [rows, ld(width)]. */
static void find_steps(enum boltz_activation activation, size_t width, size_t rows, const float *a,
                       float *restrict step) {
  const size_t ld = boltz_kernel_ld(width);
  const float high = integers[activation].high, least = integers[activation].least;
  float largest = 0;
  for (size_t k = 0; k < width; k++) step[k] = 0;
  for (size_t r = 0; r < rows; r++)
    for (size_t k = 0; k < width; k++) step[k] = larger(step[k], a[r * ld + k]);
  for (size_t k = 0; k < width; k++) largest = larger(largest, step[k]);
  for (size_t k = 0; k < width; k++) {
    const float most = MARGIN * larger(step[k], SMALLEST_PART * largest);
    step[k] = activation == BOLTZ_TANH ? least : larger(most / high, least);
  }
}

static bool find_range(const struct source *from, const struct boltz_linear *map,
                       struct boltz_arena *arena, struct room *room,
                       struct boltz_int8_range *range) {
  const enum boltz_activation activation = from->mlp->activation;
  float *inverse = BOLTZ_NEW_ARRAY(arena, boltz_kernel_ld(map->in), float);
  if (!inverse) return false;
  find_steps(activation, map->in, from->rows, room->a, room->step);
  for (size_t k = 0; k < map->in; k++) inverse[k] = room->step[k] > 0 ? 1 / room->step[k] : 0;
  *range = (struct boltz_int8_range){
      .inverse = inverse, .low = integers[activation].low, .high = integers[activation].high};
  return true;
}

/* ---- Making ---- */

static struct boltz_narrow *new_network(const struct boltz_mlp *mlp,
                                        const struct boltz_narrow_kernel *kernel,
                                        struct boltz_arena *arena) {
  struct boltz_narrow *narrow = BOLTZ_NEW(arena, struct boltz_narrow);
  if (!narrow) return NULL;
  narrow->kernel = kernel;
  narrow->map = BOLTZ_NEW_ARRAY(arena, (size_t)mlp->maps, struct boltz_narrow_map);
  return narrow->map ? narrow : NULL;
}

/* Where integers answer. */
static bool find_box(const struct source *from, struct boltz_arena *arena,
                     struct boltz_narrow *narrow) {
  const size_t nin = from->mlp->map[0].in, ld = boltz_kernel_ld(nin);
  narrow->low = BOLTZ_NEW_ARRAY(arena, nin, float);
  narrow->high = BOLTZ_NEW_ARRAY(arena, nin, float);
  if (!narrow->low || !narrow->high) return false;
  for (size_t k = 0; k < nin; k++) {
    float low = INFINITY, high = -INFINITY;
    for (size_t r = 0; r < from->rows; r++) {
      const float x = from->x[r * ld + k];
      low = x < low ? x : low;
      high = x > high ? x : high;
    }
    narrow->low[k] = low - FAR * (high - low);
    narrow->high[k] = high + FAR * (high - low);
  }
  return true;
}

/* Round the weights of map k; room->a holds its inputs, and for int8 then those of the next. */
static bool round_map(const struct source *from, int k, enum boltz_precision precision,
                      struct boltz_arena *arena, struct room *room,
                      struct boltz_int8_range *range) {
  const struct boltz_mlp *mlp = from->mlp;
  const struct boltz_linear *map = &mlp->map[k];
  const float *w = from->w + mlp->w_offset[k];
  *range = (struct boltz_int8_range){0};
  if (precision == BOLTZ_BF16) {
    round_bf16(map, w, room->rounded);
    return true;
  }
  if (!find_range(from, map, arena, room, range)) return false;
  round_int8(map, w, room->step, room->rounded, room->scale);
  if (k == narrow_maps(mlp)) return true;
  mlp->kernel->linear(map, from->packed + mlp->p_offset[k], from->rows, room->a, room->b);
  float *next = room->b;
  room->b = room->a;
  room->a = next;
  return true;
}

/* Give a network its map k. */
static bool add_map(const struct boltz_mlp *mlp, int k, const struct boltz_int8_range *range,
                    const struct room *room, struct boltz_arena *arena,
                    struct boltz_narrow *narrow) {
  const struct boltz_linear *map = &mlp->map[k];
  void *panels = boltz_arena_alloc(arena, narrow->kernel->packed_size(map), 1);
  if (!panels) return false;
  narrow->kernel->pack(map, room->rounded, room->scale, range->low, panels, room->work);
  narrow->map[k] = (struct boltz_narrow_map){.map = *map, .kernel = mlp->kernel, .packed = panels};
  narrow->map[k - 1].range = *range;
  return true;
}

/* Fill a network in the arena, and a trial, unless it is NULL, in scratch. */
static bool fill(const struct source *from, struct boltz_arena *arena, struct boltz_arena *scratch,
                 struct boltz_narrow *narrow, struct boltz_narrow *trial) {
  const struct boltz_mlp *mlp = from->mlp;
  struct room room;
  if (narrow_maps(mlp) < 1) return true;
  if (!make_room(from, scratch, &room)) return false;
  if (narrow->kernel->precision == BOLTZ_INT8) {
    if (!find_box(from, arena, narrow)) return false;
    if (trial) trial->low = narrow->low, trial->high = narrow->high;
  }
  mlp->kernel->linear(&mlp->map[0], from->packed + mlp->p_offset[0], from->rows, from->x, room.a);
  for (int k = 1; k <= narrow_maps(mlp); k++) {
    struct boltz_int8_range range;
    if (!round_map(from, k, narrow->kernel->precision, arena, &room, &range)) return false;
    if (!add_map(mlp, k, &range, &room, arena, narrow)) return false;
    if (trial && !add_map(mlp, k, &range, &room, scratch, trial)) return false;
  }
  return true;
}

/* Do both give the same bits for the first rows? */
static enum boltz_status compare(const struct source *from, const struct boltz_narrow *a,
                                 const struct boltz_narrow *b, struct boltz_arena *scratch,
                                 bool *same) {
  const struct boltz_mlp *mlp = from->mlp;
  const size_t rows = from->rows < TRIAL_ROWS ? from->rows : TRIAL_ROWS;
  const size_t width = mlp->map[mlp->maps - 1].out, ld = boltz_kernel_ld(width);
  const float *ya = boltz_narrow_forward(mlp, a, from->packed, rows, from->x, scratch);
  const float *yb = boltz_narrow_forward(mlp, b, from->packed, rows, from->x, scratch);
  if (!ya || !yb) return BOLTZ_NO_MEMORY;
  *same = true;
  for (size_t r = 0; r < rows; r++)
    if (memcmp(ya + r * ld, yb + r * ld, width * sizeof *ya) != 0) *same = false;
  return BOLTZ_OK;
}

enum boltz_status boltz_narrow_new(const struct boltz_mlp *mlp, const float *w, const float *packed,
                                   enum boltz_precision precision, size_t rows, const float *x,
                                   struct boltz_arena *arena, struct boltz_arena *scratch,
                                   struct boltz_narrow **out) {
  const struct boltz_narrow_kernel *kernel = boltz_narrow_kernel_find(mlp->kernel, precision);
  const struct boltz_narrow_kernel *any = boltz_narrow_kernel_any(precision);
  const struct source from = {.mlp = mlp, .w = w, .packed = packed, .rows = rows, .x = x};
  if (!kernel) return boltz_fail(BOLTZ_OUT_OF_RANGE, "a network can be narrow in bf16 and int8");
  struct boltz_narrow *narrow = *out = new_network(mlp, kernel, arena);
  struct boltz_narrow *trial = kernel == any ? NULL : new_network(mlp, any, scratch);
  if (!narrow || (kernel != any && !trial)) return BOLTZ_NO_MEMORY;
  if (!fill(&from, arena, scratch, narrow, trial)) return BOLTZ_NO_MEMORY;
  if (!trial) return BOLTZ_OK;

  /* Bits are part of what a version is: a kernel that has others is not used. */
  bool same;
  BOLTZ_TRY(compare(&from, narrow, trial, scratch, &same));
  if (same) return BOLTZ_OK;
  narrow->kernel = any;
  return fill(&from, arena, scratch, narrow, NULL) ? BOLTZ_OK : BOLTZ_NO_MEMORY;
}

/* ---- Forward ---- */

/* Activations of a block of rows: they stay in the cache from map to map. */
struct block {
  float *a;
  void *in, *out;
};

static void block_forward(const struct boltz_mlp *mlp, const struct boltz_narrow *narrow,
                          const float *packed, size_t rows, const float *x,
                          const struct block *block, float *y) {
  const struct boltz_narrow_kernel *kernel = narrow->kernel;
  const int last = mlp->maps - 1;
  void *in = block->in, *out = block->out;
  const struct boltz_narrow_map first = {.map = mlp->map[0],
                                         .kernel = mlp->kernel,
                                         .packed = packed + mlp->p_offset[0],
                                         .range = narrow->map[0].range};
  kernel->enter(&first, rows, x, in);
  for (int k = 1; k < narrow_maps(mlp); k++) {
    kernel->through(&narrow->map[k], rows, in, out);
    void *next = out;
    out = in;
    in = next;
  }
  kernel->leave(&narrow->map[narrow_maps(mlp)], rows, in, mlp->all_narrow ? y : block->a);
  if (mlp->all_narrow) return;
  mlp->kernel->linear(&mlp->map[last], packed + mlp->p_offset[last], rows, block->a, y);
}

/* Which of the rows lie outside the box; how many. A NaN does. */
static size_t find_far(const struct boltz_narrow *narrow, size_t nin, size_t rows, const float *x,
                       size_t *far) {
  const size_t ld = boltz_kernel_ld(nin);
  size_t n = 0;
  for (size_t r = 0; r < rows && narrow->low; r++) {
    bool inside = true;
    for (size_t k = 0; k < nin; k++)
      inside &= x[r * ld + k] >= narrow->low[k] && x[r * ld + k] <= narrow->high[k];
    far[n] = r;
    n += !inside;
  }
  return n;
}

/* Answer those rows in float. false: scratch is exhausted. */
static bool answer_far(const struct boltz_mlp *mlp, const float *packed, size_t n,
                       const size_t *far, const float *x, float *y, struct boltz_arena *scratch) {
  const size_t ldx = boltz_kernel_ld(mlp->map[0].in);
  const size_t ldy = boltz_kernel_ld(mlp->map[mlp->maps - 1].out);
  float *some = boltz_arena_scratch(scratch, n, ldx * sizeof *some);
  for (size_t i = 0; some && i < n; i++)
    memcpy(some + i * ldx, x + far[i] * ldx, ldx * sizeof *some);
  const float *answer = some ? boltz_mlp_forward(mlp, packed, n, some, NULL, scratch) : NULL;
  for (size_t i = 0; answer && i < n; i++)
    memcpy(y + far[i] * ldy, answer + i * ldy, ldy * sizeof *y);
  return answer != NULL;
}

const float *boltz_narrow_forward(const struct boltz_mlp *mlp, const struct boltz_narrow *narrow,
                                  const float *packed, size_t rows, const float *x,
                                  struct boltz_arena *scratch) {
  const size_t ldx = boltz_kernel_ld(mlp->map[0].in);
  const size_t ldy = boltz_kernel_ld(mlp->map[mlp->maps - 1].out);
  const size_t row = mlp->ld_max * narrow->kernel->element;
  if (narrow_maps(mlp) < 1) return boltz_mlp_forward(mlp, packed, rows, x, NULL, scratch);
  const struct block block = {.a = boltz_arena_scratch(scratch, BLOCK, mlp->ld_max * sizeof(float)),
                              .in = boltz_arena_scratch(scratch, BLOCK, row),
                              .out = boltz_arena_scratch(scratch, BLOCK, row)};
  float *y = boltz_arena_scratch(scratch, rows, ldy * sizeof *y);
  if (!block.a || !block.in || !block.out || !y) return NULL;
  for (size_t r = 0; r < rows; r += BLOCK) {
    const size_t n = rows - r < BLOCK ? rows - r : BLOCK;
    size_t far[BLOCK + 1];
    block_forward(mlp, narrow, packed, n, x + r * ldx, &block, y + r * ldy);
    const size_t nfar = find_far(narrow, mlp->map[0].in, n, x + r * ldx, far);
    if (nfar == 0) continue;
    const struct boltz_mark mark = boltz_arena_mark(scratch);
    const bool answered = answer_far(mlp, packed, nfar, far, x + r * ldx, y + r * ldy, scratch);
    boltz_arena_release(scratch, mark);
    if (!answered) return NULL;
  }
  return y;
}
