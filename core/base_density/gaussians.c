/* gaussians.c - a mixture of Gaussians held as float numbers.
 *
 *   e_k(z) = ln w_k / sum w + ln det A_k - (dim/2) ln 2 pi - |A_k (z - mean_k)|^2 / 2
 *   log p0 = top + ln sum_k exp(e_k - top),  grad = -sum_k r_k A_k^T A_k (z - mean_k),
 *   r_k = exp(e_k - top) / sum
 *
 * A sample is mean_k + A_k^-1 n, n of the normal's own random numbers. */
#include "core/base_density/gaussians.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "boltz/layer.h"
#include "core/base/vmath.h"
#include "core/linear/lapack.h"

#define NUMBERS_MAX ((size_t)1 << 24)
#define DIM_MAX 1024 /* fits take the third power of it in one piece */
#define TILE 64      /* rows at a time, side by side */

/* Random bits that no normal is made of. */
#define BLOCK (BOLTZ_DIM_MAX / 2)

static const double ln_2pi = 1.8378770664093454836;

enum boltz_status boltz_gaussians_build(struct boltz_base *base, int components,
                                        const char *pointer, struct boltz_arena *arena) {
  const size_t dim = (size_t)base->dim, n = (size_t)components;
  if (base->dim > DIM_MAX)
    return boltz_fail(BOLTZ_OUT_OF_RANGE, "the base %s is for up to %d coordinates, not %d",
                      base->kind->name, DIM_MAX, base->dim);
  base->nw = n * (1 + dim + dim * dim);
  if (base->nw > NUMBERS_MAX)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer,
                         "%zu Gaussians of %zu coordinates are %zu numbers, over %zu: take fewer",
                         n, dim, base->nw, NUMBERS_MAX);
  struct boltz_gaussians *plan = BOLTZ_NEW(arena, struct boltz_gaussians);
  if (!plan) return BOLTZ_NO_MEMORY;
  *plan = (struct boltz_gaussians){.components = components, .dim = base->dim};
  base->plan = plan;
  return BOLTZ_OK;
}

bool boltz_gaussians_tensor(const struct boltz_base *base, int k, struct boltz_tensor *tensor) {
  const struct boltz_gaussians *of = base->plan;
  const size_t n = (size_t)of->components, dim = (size_t)of->dim;
  const struct boltz_tensor tensors[] = {
      {.name = "weight", .rank = 1, .shape = {of->components}},
      {.name = "mean", .rank = 2, .shape = {of->components, of->dim}, .offset = n},
      {.name = "factor",
       .rank = 2,
       .shape = {(int64_t)(n * dim), of->dim},
       .offset = n * (1 + dim)}};
  if (k < 0 || k > 2) return false;
  *tensor = tensors[k];
  return true;
}

/* ---- Numbers ---- */

/* Where the mean and the factor of component k start. */
static size_t mean_at(const struct boltz_gaussians *of, int k) {
  return (size_t)of->components + (size_t)k * (size_t)of->dim;
}

static size_t factor_at(const struct boltz_gaussians *of, int k) {
  const size_t dim = (size_t)of->dim;
  return (size_t)of->components * (1 + dim) + (size_t)k * dim * dim;
}

void boltz_gaussians_clear(const struct boltz_gaussians *of, float *w) {
  const size_t n = (size_t)of->components, dim = (size_t)of->dim;
  memset(w, 0, n * (1 + dim + dim * dim) * sizeof *w);
  for (int k = 0; k < of->components; k++)
    for (size_t j = 0; j < dim; j++) w[factor_at(of, k) + j * dim + j] = 1;
}

void boltz_gaussians_init(const struct boltz_base *base, float *w) {
  boltz_gaussians_clear(base->plan, w);
  w[0] = 1;
}

/* The order of coordinates turned round: a_ij becomes a_(n-1-i)(n-1-j). */
static void turn_round(size_t n, double *a) {
  for (size_t k = 0; k < n * n / 2; k++) {
    const double other = a[n * n - 1 - k];
    a[n * n - 1 - k] = a[k];
    a[k] = other;
  }
}

enum boltz_status boltz_gaussians_set(const struct boltz_gaussians *of, float *w, int k,
                                      double weight, const double *mean, double *precision) {
  const size_t dim = (size_t)of->dim;
  float *to_mean = w + mean_at(of, k), *factor = w + factor_at(of, k);
  /* J P J = M M^T of the coordinates turned round: P = (J M J) (J M J)^T, of which the second is
     the lower triangle A */
  turn_round(dim, precision);
  BOLTZ_TRY(boltz_cholesky(of->dim, precision));
  turn_round(dim, precision);
  for (size_t j = 0; j < dim; j++) {
    to_mean[j] = (float)mean[j];
    for (size_t l = 0; l < dim; l++) factor[j * dim + l] = (float)precision[l * dim + j];
  }
  w[k] = (float)weight;
  return BOLTZ_OK;
}

void boltz_gaussians_set_isotropic(const struct boltz_gaussians *of, float *w, int k, double weight,
                                   const double *mean, double deviation) {
  const size_t dim = (size_t)of->dim;
  for (size_t j = 0; j < dim; j++) {
    w[mean_at(of, k) + j] = (float)mean[j];
    w[factor_at(of, k) + j * dim + j] = (float)(1 / deviation);
  }
  w[k] = (float)weight;
}

/* ---- Density ---- */

/* Rows first ... first + n - 1 of a batch. */
struct tile {
  size_t first, n;
  double *d;    /* [dim, TILE] z - mean */
  double *y;    /* [dim, TILE] A (z - mean) */
  double *term; /* [components, TILE] e_k, then exp(e_k - top) */
  double top[TILE], sum[TILE];
};

static bool new_tile(const struct boltz_gaussians *of, struct boltz_arena *scratch,
                     struct tile *tile) {
  const size_t column = TILE * sizeof(double);
  tile->first = 0;
  tile->d = boltz_arena_scratch(scratch, (size_t)of->dim, column);
  tile->y = boltz_arena_scratch(scratch, (size_t)of->dim, column);
  tile->term = boltz_arena_scratch(scratch, (size_t)of->components, column);
  return tile->d && tile->y && tile->term;
}

/* d = z - mean, y_j = sum over l <= j of A_jl d_l */
BOLTZ_VECTORISED static void whiten(size_t dim, const float *mean, const float *factor,
                                    const struct boltz_batch *z, struct tile *tile) {
  const size_t n = tile->n;
  for (size_t j = 0; j < dim; j++) {
    const double *restrict zj = z->col[j] + tile->first;
    double *restrict d = tile->d + j * TILE, *restrict y = tile->y + j * TILE;
    const double mu = mean[j];
    for (size_t i = 0; i < n; i++) d[i] = zj[i] - mu;
    for (size_t i = 0; i < n; i++) y[i] = 0;
    for (size_t l = 0; l <= j; l++) {
      const double a = factor[j * dim + l];
      const double *restrict dl = tile->d + l * TILE;
      if (a == 0) continue;
      for (size_t i = 0; i < n; i++) y[i] += a * dl[i];
    }
  }
}

/* e = log_factor - |y|^2 / 2 */
BOLTZ_VECTORISED static void exponent(size_t dim, double log_factor, const struct tile *tile,
                                      double *restrict e) {
  const size_t n = tile->n;
  for (size_t i = 0; i < n; i++) e[i] = 0;
  for (size_t j = 0; j < dim; j++) {
    const double *restrict y = tile->y + j * TILE;
    for (size_t i = 0; i < n; i++) e[i] += y[i] * y[i];
  }
  for (size_t i = 0; i < n; i++) e[i] = log_factor - 0.5 * e[i];
}

static double total_weight(const struct boltz_gaussians *of, const float *w) {
  double sum = 0;
  for (int k = 0; k < of->components; k++) sum += w[k];
  return sum;
}

static double log_det(size_t dim, const float *factor) {
  double sum = 0;
  for (size_t j = 0; j < dim; j++) sum += log(fabs((double)factor[j * dim + j]));
  return sum;
}

/* term_k = e_k of the components that are there, top = max_k e_k */
static void exponents(const struct boltz_gaussians *of, const float *w, const struct boltz_batch *z,
                      struct tile *tile) {
  const size_t dim = (size_t)of->dim;
  const double log_total = log(total_weight(of, w));
  for (size_t i = 0; i < tile->n; i++) tile->top[i] = -DBL_MAX;
  for (int k = 0; k < of->components; k++) {
    const float *factor = w + factor_at(of, k);
    double *e = tile->term + (size_t)k * TILE;
    if (w[k] == 0) continue;
    whiten(dim, w + mean_at(of, k), factor, z, tile);
    exponent(dim, log(w[k]) - log_total + log_det(dim, factor) - 0.5 * (double)dim * ln_2pi, tile,
             e);
    for (size_t i = 0; i < tile->n; i++) tile->top[i] = e[i] > tile->top[i] ? e[i] : tile->top[i];
  }
}

/* term_k = exp(e_k - top), their sum, log p0; where no term is finite, -infinity */
static void sum_terms(const struct boltz_gaussians *of, const float *w, struct tile *tile,
                      double *log_p) {
  const size_t n = tile->n;
  for (size_t i = 0; i < n; i++) tile->sum[i] = 0;
  for (int k = 0; k < of->components; k++) {
    double *term = tile->term + (size_t)k * TILE;
    for (size_t i = 0; i < n; i++) {
      term[i] = w[k] == 0 ? 0 : boltz_exp(term[i] - tile->top[i]);
      tile->sum[i] += term[i];
    }
  }
  for (size_t i = 0; i < n; i++) {
    const bool finite = tile->sum[i] >= 1;
    log_p[i] = finite ? tile->top[i] + log(tile->sum[i]) : -INFINITY;
    if (!finite) tile->sum[i] = INFINITY; /* no component has a share of it */
  }
}

/* g_l -= r sum over j >= l of A_jl y_j */
BOLTZ_VECTORISED static void add_gradient(size_t dim, const float *factor, const double *restrict r,
                                          const struct tile *tile, struct boltz_batch *g) {
  const size_t n = tile->n;
  for (size_t j = 0; j < dim; j++) {
    const double *restrict y = tile->y + j * TILE;
    for (size_t l = 0; l <= j; l++) {
      const double a = factor[j * dim + l];
      double *restrict gl = g->col[l] + tile->first;
      if (a == 0) continue;
      for (size_t i = 0; i < n; i++) gl[i] -= a * (r[i] * y[i]);
    }
  }
}

static void gradient(const struct boltz_gaussians *of, const float *w, const struct boltz_batch *z,
                     struct tile *tile, struct boltz_batch *g) {
  const size_t dim = (size_t)of->dim;
  for (size_t j = 0; j < dim; j++) memset(g->col[j] + tile->first, 0, tile->n * sizeof(double));
  for (int k = 0; k < of->components; k++) {
    const float *factor = w + factor_at(of, k);
    double *r = tile->term + (size_t)k * TILE;
    if (w[k] == 0) continue;
    for (size_t i = 0; i < tile->n; i++) r[i] /= tile->sum[i];
    whiten(dim, w + mean_at(of, k), factor, z, tile);
    add_gradient(dim, factor, r, tile, g);
  }
}

static void fill_nan(struct boltz_batch *z) {
  for (int j = 0; j < z->dim; j++)
    for (size_t i = 0; i < z->n; i++) z->col[j][i] = NAN;
}

void boltz_gaussians_log_density(const struct boltz_base *base, const float *w,
                                 const struct boltz_batch *z, double *log_p,
                                 struct boltz_batch *glog_p, struct boltz_arena *scratch) {
  const struct boltz_gaussians *of = base->plan;
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  struct tile tile;
  if (!new_tile(of, scratch, &tile)) {
    for (size_t i = 0; i < z->n; i++) log_p[i] = NAN;
    if (glog_p) fill_nan(glog_p);
    return;
  }
  for (; tile.first < z->n; tile.first += tile.n) {
    tile.n = z->n - tile.first < TILE ? z->n - tile.first : TILE;
    exponents(of, w, z, &tile);
    sum_terms(of, w, &tile, log_p + tile.first);
    if (glog_p) gradient(of, w, z, &tile, glog_p);
  }
  boltz_arena_release(scratch, mark);
}

void boltz_gaussians_share(const struct boltz_gaussians *of, const float *w,
                           const struct boltz_batch *z, double *log_p, struct boltz_batch *share,
                           struct boltz_arena *scratch) {
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  struct tile tile;
  if (!new_tile(of, scratch, &tile)) {
    fill_nan(share);
    return;
  }
  for (; tile.first < z->n; tile.first += tile.n) {
    tile.n = z->n - tile.first < TILE ? z->n - tile.first : TILE;
    exponents(of, w, z, &tile);
    sum_terms(of, w, &tile, log_p + tile.first);
    for (int k = 0; k < of->components; k++)
      for (size_t i = 0; i < tile.n; i++)
        share->col[k][tile.first + i] = tile.term[(size_t)k * TILE + i] / tile.sum[i];
  }
  boltz_arena_release(scratch, mark);
}

double boltz_gaussians_entropy(const struct boltz_base *base, const float *w) {
  const struct boltz_gaussians *of = base->plan;
  int there = 0, only = 0;
  for (int k = 0; k < of->components; k++)
    if (w[k] > 0) there++, only = k;
  if (there != 1) return NAN;
  return 0.5 * of->dim * (ln_2pi + 1) - log_det((size_t)of->dim, w + factor_at(of, only));
}

/* ---- Samples ---- */

/* The component whose share of the weights u in (0, 1) falls into. */
static int choose(const struct boltz_gaussians *of, const float *w, double total, double u) {
  double sum = 0;
  int last = 0;
  for (int k = 0; k < of->components; k++) {
    if (!(w[k] > 0)) continue;
    sum += w[k];
    last = k;
    if (u * total < sum) break;
  }
  return last;
}

/* v = A^-1 v, in place: v_j = (v_j - sum over l < j of A_jl v_l) / A_jj */
BOLTZ_VECTORISED static void solve(size_t dim, const float *factor, size_t n, double *v) {
  for (size_t j = 0; j < dim; j++) {
    double *restrict vj = v + j * TILE;
    for (size_t l = 0; l < j; l++) {
      const double a = factor[j * dim + l];
      const double *restrict vl = v + l * TILE;
      if (a == 0) continue;
      for (size_t i = 0; i < n; i++) vj[i] -= a * vl[i];
    }
    const double diagonal = factor[j * dim + j];
    for (size_t i = 0; i < n; i++) vj[i] /= diagonal;
  }
}

/* The rows of a tile that are of component k stand side by side in v on their way. */
static void move_rows(const struct boltz_gaussians *of, const float *w, int k, const int *chosen,
                      size_t first, size_t n, double *v, struct boltz_batch *z) {
  const size_t dim = (size_t)of->dim;
  const float *mean = w + mean_at(of, k);
  size_t rows[TILE], m = 0;
  for (size_t i = 0; i < n; i++)
    if (chosen[i] == k) rows[m++] = first + i;
  if (m == 0) return;
  for (size_t j = 0; j < dim; j++)
    for (size_t i = 0; i < m; i++) v[j * TILE + i] = z->col[j][rows[i]];
  solve(dim, w + factor_at(of, k), m, v);
  for (size_t j = 0; j < dim; j++)
    for (size_t i = 0; i < m; i++) z->col[j][rows[i]] = mean[j] + v[j * TILE + i];
}

void boltz_gaussians_sample(const struct boltz_base *base, const float *w, uint64_t seed,
                            enum boltz_stream stream, uint64_t first, struct boltz_batch *z,
                            struct boltz_arena *scratch) {
  const struct boltz_gaussians *of = base->plan;
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  const double total = total_weight(of, w);
  double *v = boltz_arena_scratch(scratch, (size_t)of->dim, TILE * sizeof *v);
  int chosen[TILE];
  if (!v) return fill_nan(z);
  boltz_rng_normals(seed, stream, first, z);
  for (size_t at = 0, n; at < z->n; at += n) {
    n = z->n - at < TILE ? z->n - at : TILE;
    for (size_t i = 0; i < n; i++) {
      double u[2];
      boltz_rng_uniform(seed, stream, first + at + i, BLOCK, u);
      chosen[i] = choose(of, w, total, u[0]);
    }
    for (int k = 0; k < of->components; k++) move_rows(of, w, k, chosen, at, n, v, z);
  }
  boltz_arena_release(scratch, mark);
}
