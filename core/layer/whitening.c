/* whitening.c - coordinates along the principal axes of data, each by its spread.
 *
 *   x = mean + V diag(exp(log_scale)) z,  log_det = sum of log_scale
 *   V = H_1 H_2 ... H_d,  H_k = 1 - 2 v_k v_k^T / |v_k|^2 (v_k = 0: the identity),  d coordinates
 *
 * v_k is row k of the tensor `reflection`; what stands there before coordinate k is not read.
 * Whatever the numbers are, V is orthogonal: the way back is the reflections in the other order.
 * Fitted, never trained: z has mean 0, covariance 1, and its axes come in falling order of their
 * variances; of every axis the largest entry is positive.
 * Source: Hotelling, J. Educ. Psychol. 24, 417 (1933); Householder, J. ACM 5, 339 (1958).
 * Golden: mean (1, 2), log_scale (0.5, -1), v_1 = (1, -1), v_2 = (0, 1), z = (3, 4):
 * x = (1 - 4 e^-1, 2 + 3 e^0.5) = (-0.47151776468576917, 6.946163812100385). */
#include <math.h>
#include <string.h>

#include "boltz/layer.h"
#include "core/base/coordinates.h"
#include "core/base/vmath.h"
#include "core/layer/dense.h"
#include "core/linear/lapack.h"

/* Reflections that pass over rows together. */
#define BLOCK DENSE_BLOCK
#define ROWS DENSE_ROWS

/* A fit takes the third power of it. */
#define COORDINATES_MAX 1024

/* A variance below that part of the largest is none. */
#define LEAST 1e-10

struct whitening {
  struct boltz_ints coordinates;
};

/* What the layer's weights are. */
struct parts {
  const float *mean, *log_scale, *reflection;
};

static const struct boltz_ints *coordinates_of(const struct boltz_layer *layer) {
  return layer->plan;
}

static struct parts parts_of(const struct boltz_layer *layer, const struct boltz_weights *w) {
  const float *flat = boltz_layer_flat(layer, w);
  const size_t d = coordinates_of(layer)->n;
  return (struct parts){.mean = flat, .log_scale = flat + d, .reflection = flat + 2 * d};
}

static enum boltz_status build(struct boltz_layer *layer, struct boltz_arena *arena) {
  const struct whitening *s = layer->settings;
  struct boltz_ints *list = BOLTZ_NEW(arena, struct boltz_ints);
  if (!list) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(boltz_coordinates_or_all("coordinates", &s->coordinates, layer->dim, arena, list));
  for (size_t k = 0; k < list->n; k++) BOLTZ_TRY(boltz_layer_check_open(layer, list->v[k]));
  if (list->n > COORDINATES_MAX)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/coordinates",
                         "%zu coordinates are whitened together, more than %d: several layers can "
                         "share them",
                         list->n, COORDINATES_MAX);
  layer->plan = list;
  layer->nw = (list->n + 2) * list->n;
  return BOLTZ_OK;
}

static void domains(const struct boltz_layer *layer, struct boltz_domain *domain) {
  const struct boltz_ints *list = coordinates_of(layer);
  for (size_t k = 0; k < list->n; k++) domain[list->v[k]].type = BOLTZ_REAL;
}

static bool tensor(const struct boltz_layer *layer, int k, struct boltz_tensor *tensor) {
  static const struct boltz_tensor names[] = {
      {.name = "mean"}, {.name = "log_scale"}, {.name = "reflection"}};
  const size_t d = coordinates_of(layer)->n;
  if (k < 0 || k > 2) return false;
  *tensor = names[k];
  tensor->rank = k == 2 ? 2 : 1;
  tensor->shape[0] = tensor->shape[1] = (int64_t)d;
  tensor->offset = (size_t)k * d;
  return true;
}

/* The identity. */
static void init(const struct boltz_layer *layer, uint64_t seed, int index, float *w) {
  (void)seed, (void)index;
  memset(w, 0, layer->nw * sizeof *w);
}

/* The sum of (a - ma)(b - mb), in eight sums that are added at the end. */
BOLTZ_VECTORISED static double dot(size_t n, double ma, const double *a, double mb,
                                   const double *b) {
  double sum[ROWS] = {0}, all = 0;
  size_t i = 0;
  for (; i + ROWS <= n; i += ROWS)
    for (int r = 0; r < ROWS; r++)
      sum[r] = fma(a[i + (size_t)r] - ma, b[i + (size_t)r] - mb, sum[r]);
  for (; i < n; i++) all = fma(a[i] - ma, b[i] - mb, all);
  for (int r = 0; r < ROWS; r++) all += sum[r];
  return all;
}

/* ---- From data ---- */

/* covariance [d, d] and mean [d] of the coordinates; false: not finite */
static bool take_moments(const struct boltz_ints *list, const struct boltz_batch *x, double *mean,
                         double *covariance) {
  const size_t n = x->n, d = list->n;
  const double each = 1 / (double)n;
  bool finite = true;
  for (size_t j = 0; j < d; j++) {
    mean[j] = 0;
    for (size_t i = 0; i < n; i++) mean[j] += x->col[list->v[j]][i] * each;
  }
  for (size_t j = 0; j < d; j++)
    for (size_t k = 0; k <= j; k++) {
      const double c = dot(n, mean[j], x->col[list->v[j]], mean[k], x->col[list->v[k]]) * each;
      covariance[j * d + k] = covariance[k * d + j] = c;
      finite &= isfinite(c) != 0;
    }
  return finite;
}

/* The largest entry becomes positive. */
static void fix_sign(size_t d, double *axis) {
  double most = 0;
  for (size_t j = 0; j < d; j++)
    if (fabs(axis[j]) > fabs(most)) most = axis[j];
  for (size_t j = 0; most < 0 && j < d; j++) axis[j] = -axis[j];
}

/* Householder's way: reflection k takes axis k, as those before it left it, to the unit vector k.
   axes [d, d]: axis k is row k from the last, and is used up. */
static void factor(size_t d, double *axes, float *reflection, double *v) {
  for (size_t k = 0; k < d; k++) {
    const double *axis = axes + (d - 1 - k) * d;
    const double rest = dot(d - k - 1, 0, axis + k + 1, 0, axis + k + 1);
    const double size = sqrt(axis[k] * axis[k] + rest);
    float *to = reflection + k * d;
    to[k] = (float)(axis[k] > 0 ? -rest / (axis[k] + size) : axis[k] - size);
    for (size_t j = k + 1; j < d; j++) to[j] = (float)axis[j];
    for (size_t j = k; j < d; j++) v[j] = (double)to[j];
    const double square = dot(d - k, 0, v + k, 0, v + k);
    for (size_t m = k + 1; square > 0 && m < d; m++) {
      double *other = axes + (d - 1 - m) * d;
      const double c = 2 * dot(d - k, 0, v + k, 0, other + k) / square;
      for (size_t j = k; j < d; j++) other[j] -= c * v[j];
    }
  }
}

/* An axis along which data do not vary keeps its scale. Data that are not finite change nothing. */
static void fit(const struct boltz_layer *layer, const struct boltz_batch *x, float *w) {
  const struct boltz_ints *list = coordinates_of(layer);
  const size_t d = list->n;
  struct boltz_arena *arena = boltz_arena_open(0);
  double *mean = arena ? boltz_arena_scratch(arena, 3 * d, sizeof *mean) : NULL;
  double *axes = mean ? boltz_arena_scratch(arena, d * d, sizeof *axes) : NULL;
  double *variance = mean + d, *v = variance + d;
  if (!axes) w[0] = NAN; /* nothing can be made of such weights */
  if (axes && x->n > 0 && take_moments(list, x, mean, axes) &&
      boltz_eigen((int)d, axes, variance, arena) == BOLTZ_OK) {
    for (size_t k = 0; k < d; k++) {
      const double own = variance[d - 1 - k];
      w[k] = (float)mean[k];
      w[d + k] = own > LEAST * variance[d - 1] ? (float)(0.5 * log(own)) : 0;
      fix_sign(d, axes + k * d);
    }
    factor(d, axes, w + 2 * d, v);
  }
  boltz_arena_close(arena);
}

/* ---- Both ways ---- */

/* Some reflections that follow each other, from coordinate `first` on, the vectors side by side:
   v [n, BLOCK], zeros where there is none. */
struct block {
  size_t first, n;
  double *v;
  double product[BLOCK][BLOCK], twice[BLOCK]; /* v_r.v_s, 2/|v_r|^2 */
};

static void take_block(size_t d, const float *reflection, size_t first, struct block *block) {
  const size_t n = block->n = d - first;
  const float *from = reflection + first * d + first;
  block->first = first;
  for (size_t j = 0; j < n; j++)
    for (size_t r = 0; r < BLOCK; r++)
      block->v[j * BLOCK + r] = r <= j ? (double)from[r * d + j] : 0;
  boltz_dense_multiply(n, block->v, block->v, block->product);
  for (int r = 0; r < BLOCK; r++)
    block->twice[r] = block->product[r][r] == 0 ? 0 : 2 / block->product[r][r];
}

/* The reflections of a block, one after the other, on x [n, ROWS] in two passes: a later one's
   product with x is that with what came in, less what the earlier ones took away. */
BOLTZ_VECTORISED static void reflect(const struct block *block, enum boltz_direction direction,
                                     double *x) {
  double c[BLOCK][ROWS];
  boltz_dense_multiply(block->n, block->v, x, c);
  for (int step = 0; step < BLOCK; step++) {
    const int r = direction == BOLTZ_TO_X ? BLOCK - 1 - step : step;
    for (int before = 0; before < step; before++) {
      const int s = direction == BOLTZ_TO_X ? BLOCK - 1 - before : before;
      for (int i = 0; i < ROWS; i++) c[r][i] = fma(-block->product[r][s], c[s][i], c[r][i]);
    }
    for (int i = 0; i < ROWS; i++) c[r][i] *= block->twice[r];
  }
  boltz_dense_take_away(block->n, block->v, c, x);
}

/* V, TO_X, or its inverse on rows that lie in memory as [chunks, d, ROWS]. */
static void turn(size_t d, const float *reflection, enum boltz_direction direction, size_t chunks,
                 double *rows, double *v) {
  const size_t blocks = (d + BLOCK - 1) / BLOCK;
  struct block block = {.v = v};
  for (size_t b = 0; b < blocks; b++) {
    take_block(d, reflection, BLOCK * (direction == BOLTZ_TO_X ? blocks - 1 - b : b), &block);
    for (size_t c = 0; c < chunks; c++)
      reflect(&block, direction, rows + (c * d + block.first) * ROWS);
  }
}

/* What becomes of a row: out_shift + out_scale turn((row - in_shift) in_scale); each [d]. */
struct way {
  enum boltz_direction turn;
  double *in_shift, *in_scale, *out_scale, *out_shift;
  double *rows, *v; /* room */
};

/* The way that leaves every row, but for its reflections; false: scratch is exhausted. */
static bool new_way(size_t d, enum boltz_direction direction, struct boltz_arena *scratch,
                    struct way *way) {
  double *numbers = boltz_arena_alloc(scratch, 4 * d, sizeof *numbers);
  *way = (struct way){.turn = direction,
                      .rows = boltz_arena_scratch(scratch, d * DENSE_TILE, sizeof(double)),
                      .v = boltz_arena_scratch(scratch, d * BLOCK, sizeof(double))};
  if (!numbers || !way->rows || !way->v) return false;
  way->in_shift = numbers;
  way->out_shift = numbers + d;
  way->in_scale = numbers + 2 * d;
  way->out_scale = numbers + 3 * d;
  for (size_t k = 0; k < d; k++) way->in_scale[k] = way->out_scale[k] = 1;
  return true;
}

static void go(const struct way *way, const struct boltz_ints *list, const float *reflection,
               struct boltz_batch *x) {
  const size_t d = list->n;
  for (size_t first = 0; first < x->n; first += DENSE_TILE) {
    const size_t n = x->n - first < DENSE_TILE ? x->n - first : DENSE_TILE;
    for (size_t k = 0; k < d; k++)
      boltz_dense_gather(d, k, way->in_shift[k], way->in_scale[k], n, x->col[list->v[k]] + first,
                         way->rows);
    turn(d, reflection, way->turn, boltz_dense_chunks(n), way->rows, way->v);
    for (size_t k = 0; k < d; k++)
      boltz_dense_scatter(d, k, way->out_shift[k], way->out_scale[k], n, way->rows,
                          x->col[list->v[k]] + first);
  }
}

/* false: scratch is exhausted */
static bool map(const struct boltz_ints *list, const struct parts *parts,
                enum boltz_direction direction, struct boltz_batch *x,
                struct boltz_arena *scratch) {
  struct way way;
  if (!new_way(list->n, direction, scratch, &way)) return false;
  for (size_t k = 0; k < list->n; k++)
    if (direction == BOLTZ_TO_X) {
      way.in_scale[k] = exp(parts->log_scale[k]);
      way.out_shift[k] = parts->mean[k];
    } else {
      way.in_shift[k] = parts->mean[k];
      way.out_scale[k] = exp(-parts->log_scale[k]);
    }
  go(&way, list, parts->reflection, x);
  return true;
}

static void apply(const struct boltz_layer *layer, const struct boltz_weights *w,
                  enum boltz_direction direction, struct boltz_batch *x, double *log_det,
                  void **tape, struct boltz_arena *scratch) {
  const struct boltz_ints *list = coordinates_of(layer);
  const struct parts parts = parts_of(layer, w);
  double sum = 0;
  for (size_t k = 0; k < list->n; k++) sum += parts.log_scale[k];
  if (!map(list, &parts, direction, x, scratch)) {
    sum = NAN;
    if (tape) *tape = NULL;
  }
  for (size_t i = 0; i < x->n; i++) log_det[i] += direction == BOLTZ_TO_X ? sum : -sum;
}

/* TO_X: gz = diag(e^s) V^T g. TO_Z: gx = V diag(e^-s) g. Nothing is added to gw. */
static void backward(const struct boltz_layer *layer, const struct boltz_weights *w,
                     enum boltz_direction direction, void *tape, struct boltz_batch *x,
                     struct boltz_batch *g, const double *glog_det, float *gw,
                     struct boltz_arena *scratch) {
  const struct boltz_ints *list = coordinates_of(layer);
  const struct parts parts = parts_of(layer, w);
  const enum boltz_direction back = direction == BOLTZ_TO_X ? BOLTZ_TO_Z : BOLTZ_TO_X;
  struct way way;
  (void)tape, (void)glog_det;
  if (!map(list, &parts, back, x, scratch) || !new_way(list->n, back, scratch, &way)) {
    gw[0] = NAN;
    return;
  }
  for (size_t k = 0; k < list->n; k++)
    if (direction == BOLTZ_TO_X)
      way.out_scale[k] = exp(parts.log_scale[k]);
    else
      way.in_scale[k] = exp(-parts.log_scale[k]);
  go(&way, list, parts.reflection, g);
}

/* Multiply-adds in double, which are half as fast. */
static double flops(const struct boltz_layer *layer, enum boltz_precision precision) {
  const double d = (double)coordinates_of(layer)->n;
  (void)precision;
  return 4 * d * d;
}

static const struct boltz_field fields[] = {
    BOLTZ_COORDINATES_ROW("coordinates", struct whitening, coordinates, false,
                          "coordinates, from 0, that are whitened together; empty: all"),
    BOLTZ_FIELDS_END,
};

const struct boltz_layer_kind boltz_layer_whitening = {
    .name = "whitening",
    .doc =
        "x = mean + V diag(exp(log_scale)) z, the principal axes of the data by their spreads, in "
        "falling order: log_det = sum of log_scale; fitted before the first step of a training and "
        "never trained; an axis without variance keeps its scale",
    .source = "Hotelling 1933; V as a product of reflections: Householder 1958",
    .fields = fields,
    .settings_size = sizeof(struct whitening),
    .build = build,
    .domains = domains,
    .tensor = tensor,
    .init = init,
    .fit = fit,
    .apply = apply,
    .backward = backward,
    .flops = flops,
};
