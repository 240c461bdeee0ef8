/* mixture.c - minus the logarithm of a weighted sum of isotropic Gaussians.
 *
 *   e_k(x) = ln w_k - (dim/2) ln(2 pi sigma_k^2) - |x - mean_k|^2 / (2 sigma_k^2)
 *   U(x) = -ln sum_k exp(e_k) = -top - ln sum_k exp(e_k - top), top = max_k e_k
 *   dU/dx = sum_k exp(e_k - top) (x - mean_k) / sigma_k^2 / sum_k exp(e_k - top)
 *
 * Shifted by the greatest exponent the sum is at least 1, so that a point far from every mean has
 * its energy and its gradient as well. */
#include "core/energy/mixture.h"

#include <float.h>
#include <stdbool.h>
#include <string.h>

#include "core/base/vmath.h"

/* Samples at a time: the terms of 40 components are 20 KiB, those of 200 stay in the second cache.
 */
#define TILE 64

/* Samples first ... first + n - 1 of a batch. */
struct tile {
  size_t first, n;
  double *term; /* [components, TILE] e_k, then exp(e_k - top) */
  double top[TILE], sum[TILE];
};

enum boltz_status boltz_mixture_new(struct boltz_arena *arena, int components, int dim,
                                    struct boltz_mixture *mixture) {
  const size_t n = (size_t)components;
  *mixture = (struct boltz_mixture){
      .components = components,
      .dim = dim,
      .mean = BOLTZ_NEW_ARRAY(arena, n * (size_t)dim, double),
      .log_factor = BOLTZ_NEW_ARRAY(arena, n, double),
      .precision = BOLTZ_NEW_ARRAY(arena, n, double),
  };
  return mixture->mean && mixture->log_factor && mixture->precision ? BOLTZ_OK : BOLTZ_NO_MEMORY;
}

void boltz_mixture_set(struct boltz_mixture *mixture, int k, double weight, const double *mean,
                       double deviation) {
  const double log_norm = 0.5 * log(2 * M_PI) + log(deviation);
  memcpy(mixture->mean + (size_t)k * (size_t)mixture->dim, mean,
         (size_t)mixture->dim * sizeof(double));
  mixture->log_factor[k] = log(weight) - mixture->dim * log_norm;
  mixture->precision[k] = 1 / (deviation * deviation);
}

/* term_k = e_k, top = max_k e_k */
BOLTZ_VECTORISED static void exponents(const struct boltz_mixture *mixture,
                                       const struct boltz_batch *x, struct tile *tile) {
  const size_t n = tile->n;
  double *restrict top = tile->top;
  for (size_t i = 0; i < n; i++) top[i] = -DBL_MAX; /* where no term is finite U is +infinity */
  for (int k = 0; k < mixture->components; k++) {
    double *restrict e = tile->term + (size_t)k * TILE;
    const double *mean = mixture->mean + (size_t)k * (size_t)mixture->dim;
    const double log_factor = mixture->log_factor[k], half = 0.5 * mixture->precision[k];
    for (size_t i = 0; i < n; i++) e[i] = 0;
    for (int j = 0; j < mixture->dim; j++) {
      const double *restrict xj = x->col[j] + tile->first;
      const double mu = mean[j];
      for (size_t i = 0; i < n; i++) e[i] += (xj[i] - mu) * (xj[i] - mu);
    }
    for (size_t i = 0; i < n; i++) {
      e[i] = log_factor - half * e[i];
      top[i] = e[i] > top[i] ? e[i] : top[i];
    }
  }
}

/* term_k = exp(e_k - top), their sum, U */
BOLTZ_VECTORISED static void sum_terms(int components, struct tile *tile, double *restrict U) {
  const size_t n = tile->n;
  const double *restrict top = tile->top;
  double *restrict sum = tile->sum;
  for (size_t i = 0; i < n; i++) sum[i] = 0;
  for (int k = 0; k < components; k++) {
    double *restrict term = tile->term + (size_t)k * TILE;
    for (size_t i = 0; i < n; i++) {
      term[i] = boltz_exp(term[i] - top[i]);
      sum[i] += term[i];
    }
  }
  for (size_t i = 0; i < n; i++) {
    const bool finite = sum[i] >= 1;
    sum[i] = finite ? sum[i] : 1;
    U[i] = finite ? -top[i] - boltz_log(sum[i]) : INFINITY;
  }
}

/* g_j = sum_k term_k (x_j - mean_kj) / sigma_k^2 / sum */
BOLTZ_VECTORISED static void gradient(const struct boltz_mixture *mixture,
                                      const struct boltz_batch *x, const struct tile *tile,
                                      struct boltz_batch *gU) {
  const size_t n = tile->n;
  const double *restrict sum = tile->sum;
  for (int j = 0; j < mixture->dim; j++) {
    const double *restrict xj = x->col[j] + tile->first;
    double *restrict g = gU->col[j] + tile->first;
    for (size_t i = 0; i < n; i++) g[i] = 0;
    for (int k = 0; k < mixture->components; k++) {
      const double *restrict term = tile->term + (size_t)k * TILE;
      const double mu = mixture->mean[(size_t)k * (size_t)mixture->dim + (size_t)j];
      const double precision = mixture->precision[k];
      for (size_t i = 0; i < n; i++) g[i] += term[i] * precision * (xj[i] - mu);
    }
    for (size_t i = 0; i < n; i++) g[i] /= sum[i];
  }
}

void boltz_mixture_energy(const struct boltz_mixture *mixture, const struct boltz_batch *x,
                          double *U, struct boltz_batch *gU, struct boltz_arena *scratch) {
  struct boltz_mark mark = boltz_arena_mark(scratch);
  struct tile tile = {
      .term = boltz_arena_scratch(scratch, (size_t)mixture->components, TILE * sizeof(double))};
  if (!tile.term) {
    for (size_t i = 0; i < x->n; i++) U[i] = NAN;
    for (int j = 0; gU && j < x->dim; j++) memset(gU->col[j], 0, x->n * sizeof(double));
    return;
  }
  for (; tile.first < x->n; tile.first += tile.n) {
    tile.n = x->n - tile.first < TILE ? x->n - tile.first : TILE;
    exponents(mixture, x, &tile);
    sum_terms(mixture->components, &tile, U + tile.first);
    if (gU) gradient(mixture, x, &tile, gU);
  }
  boltz_arena_release(scratch, mark);
}
