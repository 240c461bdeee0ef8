/* normal.c - independent standard normals.
 *
 *   log p0(z) = -|z|^2 / 2 - (dim/2) ln 2 pi;  S(p0) = (dim/2) ln(2 pi e)
 *
 * Source: Dinh et al. 2017 (RealNVP), sec. 3.
 * Golden: dim 2: S = 2.837877066409345, log p0(0) = -1.837877066409345. */
#include "boltz/base_density.h"
#include "core/base/vmath.h"

static const double ln_2pi = 1.8378770664093454836;

static void sample(const struct boltz_base *base, const float *w, uint64_t seed,
                   enum boltz_stream stream, uint64_t first, struct boltz_batch *z,
                   struct boltz_arena *scratch) {
  (void)base, (void)w, (void)scratch;
  boltz_rng_normals(seed, stream, first, z);
}

/* log_p -= z^2 / 2, g = -z */
BOLTZ_VECTORISED static void add_column(size_t n, const double *restrict z, double *restrict log_p,
                                        double *restrict g) {
  for (size_t i = 0; i < n; i++) log_p[i] -= 0.5 * z[i] * z[i];
  if (!g) return;
  for (size_t i = 0; i < n; i++) g[i] = -z[i];
}

static void log_density(const struct boltz_base *base, const float *w, const struct boltz_batch *z,
                        double *log_p, struct boltz_batch *glog_p, struct boltz_arena *scratch) {
  double norm = -0.5 * z->dim * ln_2pi;
  (void)base, (void)w, (void)scratch;
  for (size_t i = 0; i < z->n; i++) log_p[i] = norm;
  for (int j = 0; j < z->dim; j++)
    add_column(z->n, z->col[j], log_p, glog_p ? glog_p->col[j] : NULL);
}

static double entropy(const struct boltz_base *base, const float *w) {
  (void)w;
  return 0.5 * base->dim * (ln_2pi + 1);
}

const struct boltz_base_kind boltz_base_normal = {
    .name = "normal",
    .doc = "N(0, I): independent standard normals",
    .source = "Dinh et al. 2017 (RealNVP), arXiv 1605.08803",
    .sample = sample,
    .log_density = log_density,
    .entropy = entropy,
};
