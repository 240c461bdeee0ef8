/* em.c - a Gaussian mixture fitted to rows by expectation and maximisation.
 *
 *   r_ik = the share of component k in row i;  N_k = sum_i r_ik,  mean_k = sum_i r_ik z_i / N_k
 *   C_k = (sum_i r_ik (z_i - mean_k)(z_i - mean_k)^T + V) / (N_k + 1),  V = diag(var z) / K^(2/dim)
 *
 * V is the covariance that one more row would bring: it keeps every C_k positive. Centres to start
 * from are rows drawn one after the other with a probability that grows with the squared distance
 * to the nearest centre before, in units of each coordinate's deviation; of several draws the best.
 * A component with less than two rows is dropped. One thread does one thing after the other: no
 * order is left open.
 *
 * Source: Dempster, Laird, Rubin 1977; Arthur & Vassilvitskii 2007 (k-means++); Fraley & Raftery
 * 2007, sec. 3 (V as a prior). */
#include "core/base_density/em.h"

#include <math.h>
#include <string.h>

#include "core/base/vmath.h"
#include "core/linear/lapack.h"

#define ROWS ((size_t)256)        /* of one slice of shares, at most */
#define PRODUCTS 4.0e6            /* of numbers, in one slice */
#define SUMS ((size_t)8)          /* side by side */
#define ENOUGH 1e-6               /* growth of a row's log likelihood that ends it */
#define TRIALS 8                  /* rows drawn for a centre, of which the best is taken */
#define FEWEST_ROWS 2.0           /* of a component */
#define INDEX (UINT64_C(1) << 40) /* of the stream that nobody else uses */

struct boltz_em {
  const struct boltz_gaussians *of;
  struct boltz_batch z;
  float *w;
  uint64_t seed;
  enum { CENTRES, MOMENTS, SHARES } phase;
  int centres; /* to start from: not more than every fourth row */
  int k;       /* component at work, or centres so far */
  size_t at;   /* row of the covariance, or of the data */
  int iteration, iterations;

  double *variance;          /* [dim] of the data */
  double *nearest;           /* [n] squared distance to the nearest centre */
  int *owner;                /* [n] which that is */
  struct boltz_batch share;  /* K columns of n */
  double *log_p;             /* [n] */
  double last;               /* mean of log_p of the iteration before */
  double *mean, *covariance; /* [dim], [dim, dim] of component k */
  double rows;               /* N_k */
};

static double sum_of(size_t n, const double *v) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += v[i];
  return sum;
}

/* sum of r (a - ma)(b - mb), with sums side by side */
BOLTZ_VECTORISED static double moment(size_t n, const double *restrict r, const double *restrict a,
                                      double ma, const double *restrict b, double mb) {
  double sums[SUMS] = {0}, sum = 0;
  size_t i = 0;
  for (; i + SUMS <= n; i += SUMS)
    for (size_t s = 0; s < SUMS; s++) sums[s] += r[i + s] * (a[i + s] - ma) * (b[i + s] - mb);
  for (; i < n; i++) sum += r[i] * (a[i] - ma) * (b[i] - mb);
  for (size_t s = 0; s < SUMS; s++) sum += sums[s];
  return sum;
}

static void find_variances(struct boltz_em *em) {
  const size_t n = em->z.n;
  for (size_t i = 0; i < n; i++) em->nearest[i] = 1;
  for (int j = 0; j < em->z.dim; j++) {
    const double *v = em->z.col[j], mean = sum_of(n, v) / (double)n;
    const double variance = moment(n, em->nearest, v, mean, v, mean) / (double)n;
    em->variance[j] = variance > 0 ? variance : 1; /* a coordinate that never moves */
  }
  for (size_t i = 0; i < n; i++) em->nearest[i] = INFINITY;
}

enum boltz_status boltz_em_new(const struct boltz_gaussians *of, const struct boltz_batch *z,
                               uint64_t seed, int iterations, float *w, struct boltz_arena *arena,
                               struct boltz_em **out) {
  const size_t n = z->n, dim = (size_t)of->dim;
  struct boltz_em *em = BOLTZ_NEW(arena, struct boltz_em);
  if (!em) return BOLTZ_NO_MEMORY;
  *em = (struct boltz_em){
      .of = of,
      .z = *z,
      .w = w,
      .seed = seed,
      .iterations = iterations,
      .centres = n / 4 < (size_t)of->components ? (int)(n / 4) + (n < 4) : of->components,
      .variance = BOLTZ_NEW_ARRAY(arena, dim, double),
      .nearest = BOLTZ_NEW_ARRAY(arena, n, double),
      .owner = BOLTZ_NEW_ARRAY(arena, n, int),
      .log_p = BOLTZ_NEW_ARRAY(arena, n, double),
      .last = -INFINITY,
      .mean = BOLTZ_NEW_ARRAY(arena, dim, double),
      .covariance = BOLTZ_NEW_ARRAY(arena, dim * dim, double)};
  if (!em->variance || !em->nearest || !em->owner || !em->log_p || !em->mean || !em->covariance)
    return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(boltz_batch_new(arena, n, of->components, &em->share));
  find_variances(em);
  *out = em;
  return BOLTZ_OK;
}

/* ---- Centres ------------------------------------------------------------------------------- */

/* A row, with a probability that grows with its distance; any, before there is a centre. */
static size_t draw_row(const struct boltz_em *em, int trial) {
  const size_t n = em->z.n;
  double u[2], sum = 0;
  boltz_rng_uniform(em->seed, BOLTZ_STREAM_INIT, INDEX + (uint64_t)em->k, (uint32_t)trial, u);
  if (em->k == 0) return (size_t)(u[0] * (double)n);
  const double total = sum_of(n, em->nearest);
  for (size_t i = 0; i < n; i++) {
    sum += em->nearest[i];
    if (u[0] * total < sum) return i;
  }
  return n - 1;
}

/* Squared distances [n] of the rows to one of them, no more than to the nearest centre before. */
static void find_distances(const struct boltz_em *em, size_t centre, double *distance) {
  const size_t n = em->z.n;
  memset(distance, 0, n * sizeof *distance);
  for (int j = 0; j < em->z.dim; j++) {
    const double *v = em->z.col[j], at = v[centre], scale = 1 / em->variance[j];
    for (size_t i = 0; i < n; i++) distance[i] += scale * (v[i] - at) * (v[i] - at);
  }
  for (size_t i = 0; i < n; i++) distance[i] = fmin(distance[i], em->nearest[i]);
}

/* One more centre, of some that are drawn the one that leaves least distance; after the last, every
   row is wholly that of its nearest. */
static void add_centre(struct boltz_em *em) {
  const size_t n = em->z.n;
  double *distance = em->log_p, least = INFINITY;
  size_t best = 0;
  for (int trial = 0; trial < TRIALS; trial++) {
    const size_t centre = draw_row(em, trial);
    find_distances(em, centre, distance);
    const double left = sum_of(n, distance);
    if (left < least) least = left, best = centre;
  }
  find_distances(em, best, distance);
  for (size_t i = 0; i < n; i++) {
    if (distance[i] < em->nearest[i]) em->owner[i] = em->k;
    em->nearest[i] = distance[i];
  }
  if (++em->k < em->centres) return;
  for (size_t i = 0; i < n; i++) em->share.col[em->owner[i]][i] = 1;
  em->phase = MOMENTS;
  em->k = 0;
}

/* ---- Maximisation -------------------------------------------------------------------------- */

static void find_mean(struct boltz_em *em) {
  const double *share = em->share.col[em->k];
  em->rows = sum_of(em->z.n, share);
  for (int j = 0; j < em->z.dim; j++) {
    double sum = 0;
    for (size_t i = 0; i < em->z.n; i++) sum += share[i] * em->z.col[j][i];
    em->mean[j] = sum / em->rows;
  }
}

/* Some rows of the covariance; true: that was the last. */
static bool find_covariance(struct boltz_em *em) {
  const size_t n = em->z.n, dim = (size_t)em->z.dim;
  const double prior = pow(em->of->components, -2 / (double)dim);
  double products = 0;
  for (; em->at < dim && products < PRODUCTS; em->at++) {
    const size_t j = em->at;
    for (size_t l = 0; l <= j; l++) {
      double c =
          moment(n, em->share.col[em->k], em->z.col[j], em->mean[j], em->z.col[l], em->mean[l]);
      if (l == j) c += prior * em->variance[j];
      em->covariance[j * dim + l] = em->covariance[l * dim + j] = c / (em->rows + 1);
    }
    products += (double)(j + 1) * (double)n;
  }
  return em->at == dim;
}

static enum boltz_status set_component(struct boltz_em *em, struct boltz_arena *scratch) {
  double log_det;
  BOLTZ_TRY(boltz_invert(em->of->dim, em->covariance, &log_det, scratch));
  return boltz_gaussians_set(em->of, em->w, em->k, em->rows / (double)em->z.n, em->mean,
                             em->covariance);
}

static enum boltz_status maximise(struct boltz_em *em, struct boltz_arena *scratch) {
  if (em->k == 0 && em->at == 0) boltz_gaussians_clear(em->of, em->w);
  if (em->at == 0) find_mean(em);
  if (em->rows >= fmin(FEWEST_ROWS, 0.5 * (double)em->z.n)) {
    if (!find_covariance(em)) return BOLTZ_OK;
    BOLTZ_TRY(set_component(em, scratch));
  }
  em->at = 0;
  if (++em->k < em->of->components) return BOLTZ_OK;
  em->phase = SHARES;
  return BOLTZ_OK;
}

/* ---- Expectation --------------------------------------------------------------------------- */

static size_t rows_of_slice(const struct boltz_gaussians *of) {
  const double dim = of->dim, rows = PRODUCTS / (of->components * (8 + 0.5 * dim * dim));
  return rows < 8 ? 8 : rows > (double)ROWS ? ROWS : (size_t)rows;
}

static enum boltz_status find_shares(struct boltz_em *em, bool *more, struct boltz_arena *scratch) {
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  const size_t left = em->z.n - em->at, most = rows_of_slice(em->of);
  const size_t n = left < most ? left : most;
  struct boltz_batch z, share;
  BOLTZ_TRY(boltz_batch_view(scratch, &em->z, em->at, n, &z));
  BOLTZ_TRY(boltz_batch_view(scratch, &em->share, em->at, n, &share));
  boltz_gaussians_share(em->of, em->w, &z, em->log_p + em->at, &share, scratch);
  boltz_arena_release(scratch, mark);
  em->at += n;
  if (em->at < em->z.n) return BOLTZ_OK;
  const double mean = sum_of(em->z.n, em->log_p) / (double)em->z.n;
  *more = ++em->iteration < em->iterations && !(mean - em->last < ENOUGH);
  em->last = mean;
  em->phase = MOMENTS;
  em->at = 0;
  em->k = 0;
  return BOLTZ_OK;
}

enum boltz_status boltz_em_step(struct boltz_em *em, bool *more, struct boltz_arena *scratch) {
  *more = true;
  if (em->phase == CENTRES) {
    add_centre(em);
    return BOLTZ_OK;
  }
  return em->phase == MOMENTS ? maximise(em, scratch) : find_shares(em, more, scratch);
}
