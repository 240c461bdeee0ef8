/* linear.c - all coordinates mixed by a matrix that is kept as its triangular factors.
 *
 *   x = P L U z + shift,  log_det = sum of log_scale
 *   (P y)_j = y_permutation[j], L 1 on its diagonal, U exp(log_scale)
 *
 * The tensor `triangles` is L below its diagonal and U above; what stands on it is not read.
 * Source: Kingma & Dhariwal 2018 (Glow), sec. 3.2, eqs. 10-11, all signs positive.
 * Golden: log_scale (0.5, -1), shift (1, 2), triangles ((., 3), (2, .)), permutation [1,0],
 * z = (1, -1): u = (e^0.5 - 3, -e^-1), x = (2 u_1 + u_2 + 1, u_1 + 2)
 * = (-2.070436899771186, 0.6487212707001282). */
#include <math.h>
#include <string.h>

#include "boltz/layer.h"
#include "core/base/coordinates.h"
#include "core/base/vmath.h"
#include "core/layer/dense.h"

#define ROWS DENSE_ROWS
#define BLOCK DENSE_BLOCK

/* Of weights and gradients the second power of it. */
#define COORDINATES_MAX 1024

struct linear {
  struct boltz_ints coordinates, permutation;
};

struct plan {
  struct boltz_ints list;
  const int64_t *order; /* [list.n] */
};

/* A triangular matrix, by what stands beside its diagonal and on it: element (r, j) is at
   w[r row + j column]. Transposed: rows are columns. */
struct triangle {
  const float *w;
  size_t row, column;
  bool lower;
  const double *diagonal, *inverse; /* [d] */
};

/* The factors of a layer and room for a tile of rows. */
struct work {
  size_t d;
  struct triangle lower, upper;
  double *block; /* [d, BLOCK] */
  double *rows;  /* [d, DENSE_TILE] */
};

static enum boltz_status take_order(const struct linear *s, struct plan *plan,
                                    struct boltz_arena *arena) {
  const size_t d = plan->list.n;
  struct boltz_ints order;
  if (s->permutation.n != 0 && s->permutation.n != d)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/permutation",
                         "permutation has %zu of %zu coordinates", s->permutation.n, d);
  BOLTZ_TRY(boltz_coordinates_or_all("permutation", &s->permutation, (int)d, arena, &order));
  plan->order = order.v;
  return BOLTZ_OK;
}

static enum boltz_status build(struct boltz_layer *layer, struct boltz_arena *arena) {
  const struct linear *s = layer->settings;
  struct plan *plan = BOLTZ_NEW(arena, struct plan);
  if (!plan) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(
      boltz_coordinates_or_all("coordinates", &s->coordinates, layer->dim, arena, &plan->list));
  const struct boltz_ints *list = &plan->list;
  for (size_t k = 0; k < list->n; k++) BOLTZ_TRY(boltz_layer_check_open(layer, list->v[k]));
  if (list->n > COORDINATES_MAX)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/coordinates",
                         "%zu coordinates are mixed together, more than %d: several layers can "
                         "share them",
                         list->n, COORDINATES_MAX);
  BOLTZ_TRY(take_order(s, plan, arena));
  layer->plan = plan;
  layer->nw = (list->n + 2) * list->n;
  return BOLTZ_OK;
}

static void domains(const struct boltz_layer *layer, struct boltz_domain *domain) {
  const struct boltz_ints *list = &((const struct plan *)layer->plan)->list;
  for (size_t k = 0; k < list->n; k++) domain[list->v[k]].type = BOLTZ_REAL;
}

static bool tensor(const struct boltz_layer *layer, int k, struct boltz_tensor *tensor) {
  static const struct boltz_tensor names[] = {
      {.name = "log_scale"}, {.name = "shift"}, {.name = "triangles"}};
  const size_t d = ((const struct plan *)layer->plan)->list.n;
  if (k < 0 || k > 2) return false;
  *tensor = names[k];
  tensor->rank = k == 2 ? 2 : 1;
  tensor->shape[0] = tensor->shape[1] = (int64_t)d;
  tensor->offset = (size_t)k * d;
  return true;
}

/* The identity, but for the permutation. */
static void init(const struct boltz_layer *layer, uint64_t seed, int index, float *w) {
  (void)seed, (void)index;
  memset(w, 0, layer->nw * sizeof *w);
}

/* false: scratch is exhausted */
static bool new_work(size_t d, const float *w, struct boltz_arena *scratch, struct work *work) {
  double *numbers = boltz_arena_scratch(scratch, 3 * d, sizeof *numbers);
  const float *triangles = w + 2 * d;
  *work = (struct work){.d = d,
                        .block = boltz_arena_scratch(scratch, d * BLOCK, sizeof(double)),
                        .rows = boltz_arena_scratch(scratch, d * DENSE_TILE, sizeof(double)),
                        .lower = {triangles, d, 1, true, numbers, numbers},
                        .upper = {triangles, d, 1, false, numbers + d, numbers + 2 * d}};
  if (!numbers || !work->block || !work->rows) return false;
  for (size_t k = 0; k < d; k++) {
    numbers[k] = 1;
    numbers[d + k] = exp(w[k]);
    numbers[2 * d + k] = exp(-w[k]);
  }
  return true;
}

static struct triangle transposed(struct triangle t) {
  return (struct triangle){t.w, t.column, t.row, !t.lower, t.diagonal, t.inverse};
}

/* ---- Triangles and tiles ---- */

enum action { MULTIPLY, SOLVE };

/* The rows `first` ... first + n - 1 of a triangle: what they have to do with the coordinates
   outside of the block, side by side in `a` [outside, BLOCK], and with each other. */
struct block {
  size_t first, n;
  size_t from, outside; /* coordinates from ... from + outside - 1 */
  double *a;
  double own[BLOCK][BLOCK]; /* zeros on the diagonal and beyond the triangle */
};

static void take_block(const struct triangle *t, size_t d, size_t first, struct block *block) {
  const size_t n = block->n = d - first < BLOCK ? d - first : BLOCK;
  block->first = first;
  block->from = t->lower ? 0 : first + n;
  block->outside = t->lower ? first : d - first - n;
  for (size_t j = 0; j < block->outside; j++)
    for (size_t r = 0; r < BLOCK; r++)
      block->a[j * BLOCK + r] =
          r < n ? (double)t->w[(first + r) * t->row + (block->from + j) * t->column] : 0;
  for (size_t r = 0; r < n; r++)
    for (size_t j = 0; j < n; j++)
      block->own[r][j] = (t->lower ? j < r : j > r)
                             ? (double)t->w[(first + r) * t->row + (first + j) * t->column]
                             : 0;
}

/* On x [d, ROWS] in place: x_r = diagonal_r x_r + sum, or (x_r - sum)/diagonal_r. */
BOLTZ_VECTORISED static void run_block(const struct triangle *t, enum action action,
                                       const struct block *block, double *restrict x) {
  double sum[BLOCK][ROWS] = {0};
  if (block->outside > 0)
    boltz_dense_multiply(block->outside, block->a, x + block->from * ROWS, sum);
  const bool rising = t->lower == (action == SOLVE);
  for (size_t step = 0; step < block->n; step++) {
    const size_t r = rising ? step : block->n - 1 - step;
    double *own = x + (block->first + r) * ROWS;
    for (size_t j = t->lower ? 0 : r + 1; j < (t->lower ? r : block->n); j++)
      for (int i = 0; i < ROWS; i++)
        sum[r][i] = fma(block->own[r][j], x[(block->first + j) * ROWS + (size_t)i], sum[r][i]);
    const double diagonal = t->diagonal[block->first + r], inverse = t->inverse[block->first + r];
    for (int i = 0; i < ROWS; i++)
      own[i] =
          action == MULTIPLY ? fma(diagonal, own[i], sum[r][i]) : (own[i] - sum[r][i]) * inverse;
  }
}

/* A triangle, or its inverse, on rows [chunks, d, ROWS] in place. */
static void run(const struct work *work, const struct triangle *t, enum action action,
                size_t chunks, double *rows) {
  const size_t d = work->d, blocks = (d + BLOCK - 1) / BLOCK;
  const bool rising = t->lower == (action == SOLVE);
  struct block block = {.a = work->block};
  for (size_t b = 0; b < blocks; b++) {
    take_block(t, d, BLOCK * (rising ? b : blocks - 1 - b), &block);
    for (size_t c = 0; c < chunks; c++) run_block(t, action, &block, rows + c * d * ROWS);
  }
}

/* Coordinates of the list, in order where one is given, less `shift` where one is given. */
static void gather(const struct plan *plan, const int64_t *order, const float *shift,
                   const struct boltz_batch *x, size_t first, size_t n, double *rows) {
  const size_t d = plan->list.n;
  for (size_t k = 0; k < d; k++)
    boltz_dense_gather(d, order ? (size_t)order[k] : k, shift ? (double)shift[k] : 0, 1, n,
                       x->col[plan->list.v[k]] + first, rows);
}

static void scatter(const struct plan *plan, const int64_t *order, const float *shift,
                    struct boltz_batch *x, size_t first, size_t n, const double *rows) {
  const size_t d = plan->list.n;
  for (size_t k = 0; k < d; k++)
    boltz_dense_scatter(d, order ? (size_t)order[k] : k, shift ? (double)shift[k] : 0, 1, n, rows,
                        x->col[plan->list.v[k]] + first);
}

static size_t tile_at(size_t n, size_t first) {
  return n - first < DENSE_TILE ? n - first : DENSE_TILE;
}

/* ---- Both ways ---- */

static void apply(const struct boltz_layer *layer, const struct boltz_weights *w,
                  enum boltz_direction direction, struct boltz_batch *x, double *log_det,
                  void **tape, struct boltz_arena *scratch) {
  const struct plan *plan = layer->plan;
  const size_t d = plan->list.n;
  const float *log_scale = boltz_layer_flat(layer, w), *shift = log_scale + d;
  struct work work;
  double sum = 0;
  const bool room = new_work(d, log_scale, scratch, &work);
  if (!room && tape) *tape = NULL;
  for (size_t first = 0; room && first < x->n; first += DENSE_TILE) {
    const size_t n = tile_at(x->n, first), chunks = boltz_dense_chunks(n);
    if (direction == BOLTZ_TO_X) {
      gather(plan, NULL, NULL, x, first, n, work.rows);
      run(&work, &work.upper, MULTIPLY, chunks, work.rows);
      run(&work, &work.lower, MULTIPLY, chunks, work.rows);
      scatter(plan, plan->order, shift, x, first, n, work.rows);
    } else {
      gather(plan, plan->order, shift, x, first, n, work.rows);
      run(&work, &work.lower, SOLVE, chunks, work.rows);
      run(&work, &work.upper, SOLVE, chunks, work.rows);
      scatter(plan, NULL, NULL, x, first, n, work.rows);
    }
  }
  for (size_t k = 0; k < d; k++) sum += log_scale[k];
  if (!room) sum = NAN;
  for (size_t i = 0; i < x->n; i++) log_det[i] += direction == BOLTZ_TO_X ? sum : -sum;
}

/* ---- Gradients ---- */

/* A tile's latents z, what U made of them u, its gradients g; sums [d, d] over all tiles: g_y u^T
   below the diagonal, g_u z^T on it and above. */
struct gradient {
  double *z, *u, *g, *sums;
};

static bool new_gradient(size_t d, struct boltz_arena *scratch, struct gradient *gradient) {
  *gradient = (struct gradient){.z = boltz_arena_scratch(scratch, d * DENSE_TILE, sizeof(double)),
                                .u = boltz_arena_scratch(scratch, d * DENSE_TILE, sizeof(double)),
                                .g = boltz_arena_scratch(scratch, d * DENSE_TILE, sizeof(double)),
                                .sums = boltz_arena_alloc(scratch, d * d, sizeof(double))};
  return gradient->z && gradient->u && gradient->g && gradient->sums;
}

/* The sum over rows of a b, in eight sums that are added at the end. */
BOLTZ_VECTORISED static double over_rows(size_t chunks, size_t stride, const double *restrict a,
                                         const double *restrict b) {
  double sum[ROWS] = {0}, all = 0;
  for (size_t c = 0; c < chunks; c++)
    for (size_t i = 0; i < ROWS; i++) sum[i] = fma(a[c * stride + i], b[c * stride + i], sum[i]);
  for (int i = 0; i < ROWS; i++) all += sum[i];
  return all;
}

/* sums_rj += g_r v_j below the diagonal, or else on it and above. */
static void add_products(size_t d, bool below, size_t chunks, const double *g, const double *v,
                         double *sums) {
  for (size_t r = 0; r < d; r++)
    for (size_t j = below ? 0 : r; j < (below ? r : d); j++)
      sums[r * d + j] += over_rows(chunks, d * ROWS, g + r * ROWS, v + j * ROWS);
}

/* A tile of outputs becomes one of inputs; z and u are left behind. */
static void back_rows(const struct plan *plan, const struct work *work, const float *shift,
                      enum boltz_direction direction, struct boltz_batch *x, size_t first, size_t n,
                      const struct gradient *to) {
  const size_t d = work->d, chunks = boltz_dense_chunks(n);
  const size_t size = chunks * d * ROWS * sizeof(double);
  if (direction == BOLTZ_TO_X) {
    gather(plan, plan->order, shift, x, first, n, to->u);
    run(work, &work->lower, SOLVE, chunks, to->u);
    memcpy(to->z, to->u, size);
    run(work, &work->upper, SOLVE, chunks, to->z);
    scatter(plan, NULL, NULL, x, first, n, to->z);
  } else {
    gather(plan, NULL, NULL, x, first, n, to->z);
    memcpy(to->u, to->z, size);
    run(work, &work->upper, MULTIPLY, chunks, to->u);
    memcpy(work->rows, to->u, size);
    run(work, &work->lower, MULTIPLY, chunks, work->rows);
    scatter(plan, plan->order, shift, x, first, n, work->rows);
  }
}

/* TO_X: g_y = P^T g, gL = g_y u^T, g_u = L^T g_y, gU = g_u z^T, g_z = U^T g_u.
   TO_Z: g_u = U^-T g, gU = -g_u z^T, g_y = L^-T g_u, gL = -g_y u^T, g_x = P g_y. */
static void back_gradients(const struct plan *plan, const struct work *work,
                           enum boltz_direction direction, struct boltz_batch *g, size_t first,
                           size_t n, const struct gradient *to) {
  const struct triangle lower = transposed(work->lower), upper = transposed(work->upper);
  const size_t d = work->d, chunks = boltz_dense_chunks(n);
  if (direction == BOLTZ_TO_X) {
    gather(plan, plan->order, NULL, g, first, n, to->g);
    add_products(d, true, chunks, to->g, to->u, to->sums);
    run(work, &lower, MULTIPLY, chunks, to->g);
    add_products(d, false, chunks, to->g, to->z, to->sums);
    run(work, &upper, MULTIPLY, chunks, to->g);
    scatter(plan, NULL, NULL, g, first, n, to->g);
  } else {
    gather(plan, NULL, NULL, g, first, n, to->g);
    run(work, &upper, SOLVE, chunks, to->g);
    add_products(d, false, chunks, to->g, to->z, to->sums);
    run(work, &lower, SOLVE, chunks, to->g);
    add_products(d, true, chunks, to->g, to->u, to->sums);
    scatter(plan, plan->order, NULL, g, first, n, to->g);
  }
}

static double sum_of(size_t n, const double *v) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += v[i];
  return sum;
}

/* The sign of every gradient in w; shift_k sees the gradient of x, whichever side that is. */
static void backward(const struct boltz_layer *layer, const struct boltz_weights *w,
                     enum boltz_direction direction, void *tape, struct boltz_batch *x,
                     struct boltz_batch *g, const double *glog_det, float *gw,
                     struct boltz_arena *scratch) {
  const struct plan *plan = layer->plan;
  const size_t d = plan->list.n, n = x->n;
  const float *log_scale = boltz_layer_flat(layer, w);
  const double sign = direction == BOLTZ_TO_X ? 1 : -1, glog = sum_of(n, glog_det);
  struct work work;
  struct gradient to;
  (void)tape;
  if (!new_work(d, log_scale, scratch, &work) || !new_gradient(d, scratch, &to)) {
    gw[0] = NAN;
    return;
  }
  for (size_t k = 0; direction == BOLTZ_TO_X && k < d; k++)
    gw[d + k] += (float)sum_of(n, g->col[plan->list.v[k]]);
  for (size_t first = 0; first < n; first += DENSE_TILE) {
    back_rows(plan, &work, log_scale + d, direction, x, first, tile_at(n, first), &to);
    back_gradients(plan, &work, direction, g, first, tile_at(n, first), &to);
  }
  for (size_t k = 0; direction == BOLTZ_TO_Z && k < d; k++)
    gw[d + k] -= (float)sum_of(n, g->col[plan->list.v[k]]);
  for (size_t k = 0; k < d; k++)
    gw[k] += (float)(sign * (work.upper.diagonal[k] * to.sums[k * d + k] + glog));
  for (size_t k = 0; k < d * d; k++)
    if (k % (d + 1) != 0) gw[2 * d + k] += (float)(sign * to.sums[k]);
}

/* Multiply-adds in double, which are half as fast. */
static double flops(const struct boltz_layer *layer, enum boltz_precision precision) {
  const double d = (double)((const struct plan *)layer->plan)->list.n;
  (void)precision;
  return 4 * d * d;
}

static const struct boltz_field fields[] = {
    BOLTZ_COORDINATES_ROW("coordinates", struct linear, coordinates, false,
                          "coordinates, from 0, that are mixed; empty: all"),
    BOLTZ_COORDINATES_ROW(
        "permutation", struct linear, permutation, false,
        "P: which of the mixed coordinates, from 0, comes to each place; empty: its own"),
    BOLTZ_FIELDS_END,
};

const struct boltz_layer_kind boltz_layer_linear = {
    .name = "linear",
    .doc =
        "x = P L U z + shift, L lower triangular with 1 on its diagonal, U upper triangular with "
        "exp(log_scale): log_det = sum of log_scale",
    .source = "Kingma & Dhariwal 2018 (Glow), arXiv 1807.03039, sec. 3.2",
    .fields = fields,
    .settings_size = sizeof(struct linear),
    .build = build,
    .domains = domains,
    .tensor = tensor,
    .init = init,
    .apply = apply,
    .backward = backward,
    .flops = flops,
};
