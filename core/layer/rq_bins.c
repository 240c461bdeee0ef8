/* rq_bins.c - where rows stand, and the bins of a curve that all of them share, in double.
 *
 *   size_k = LEAST + (1 - LEAST bins) softmax(r)_k, knot_k = size_0 + … + size_k-1
 *   slope  = LEAST + ln(1 + exp(r + offset))
 *
 * Source and formulas: rq_spline.h.
 * Golden: tests/golden/make_spline.py. */
#include "core/layer/rq_bins.h"

#include <math.h>

#include "core/base/vmath.h"
#include "core/layer/period.h"

struct rq_ends boltz_rq_ends_of(const struct boltz_rq_spline *spline) {
  const int bins = spline->bins;
  switch (spline->ends) {
    case BOLTZ_RQ_LINE:
      return (struct rq_ends){.first = 1, .count = bins - 1};
    case BOLTZ_RQ_INTERVAL:
      return (struct rq_ends){.first = 0, .count = bins + 1};
    default:
      return (struct rq_ends){.first = 0, .count = bins, .circle = true};
  }
}

BOLTZ_VECTORISED void boltz_rq_place(const struct boltz_rq_spline *spline, size_t n,
                                     const double *restrict x, struct rq_found *restrict found) {
  const double low = spline->low, width = spline->width;
  const bool circle = spline->ends == BOLTZ_RQ_CIRCLE, line = spline->ends == BOLTZ_RQ_LINE;
  for (size_t i = 0; i < n; i++) {
    const double inside = circle ? boltz_wrap(x[i], low, width) : x[i];
    const double u = (inside - low) / width, above = u < 0 ? 0 : u;
    found->at[i] = above > 1 ? 1 : above;
    found->in[i] = !line || (x[i] >= low && x[i] <= low + width) ? 1 : 0;
  }
  for (size_t i = n; i < rq_whole(n); i++) found->at[i] = found->in[i] = 0;
}

/* p = softmax(r) */
static void softmax(int bins, const float *r, double *p) {
  float most = r[0];
  double sum = 0;
  for (int k = 1; k < bins; k++) most = r[k] > most ? r[k] : most;
  for (int k = 0; k < bins; k++) {
    const double low = (double)r[k] - (double)most;
    p[k] = boltz_exp_within(low < -700 ? -700 : low);
    sum += p[k];
  }
  for (int k = 0; k < bins; k++) p[k] /= sum;
}

/* Lower ends and sizes; the last size is what the others leave. */
static void share_sizes(int bins, const float *r, double *p, double *knot, double *size) {
  const double part = 1 - RQ_LEAST * bins;
  double at = 0;
  softmax(bins, r, p);
  for (int k = 0; k < bins; k++) {
    knot[k] = at;
    size[k] = k + 1 == bins ? 1 - at : fma(part, p[k], RQ_LEAST);
    at += size[k];
  }
}

/* The slope of knot k, of raw slopes r. */
static double slope_of(const struct rq_ends *ends, const float *r, int k) {
  const int turned = ends->circle && k == ends->count ? 0 : k - ends->first;
  const double own = turned >= 0 && turned < ends->count ? (double)r[turned] : 0;
  const double raw = own + RQ_SLOPE_OFFSET, size = raw < 0 ? -raw : raw;
  const double above = 0 > raw ? 0 : raw; /* NaN stays NaN */
  return RQ_LEAST + above + boltz_log(1 + boltz_exp_within(size > 700 ? -700 : -size));
}

void boltz_rq_share(const struct boltz_rq_spline *spline, const float *r,
                    struct rq_shared *shared) {
  const struct rq_ends ends = boltz_rq_ends_of(spline);
  const int bins = spline->bins;
  share_sizes(bins, r, shared->pw, shared->u, shared->w);
  share_sizes(bins, r + bins, shared->ph, shared->v, shared->h);
  for (int k = 0; k < bins; k++) {
    shared->d0[k] = slope_of(&ends, r + 2 * bins, k);
    shared->d1[k] = slope_of(&ends, r + 2 * bins, k + 1);
  }
}

/* The number of knots that do not lie above `at`, the first left out. */
BOLTZ_VECTORISED static void count_knots(int bins, size_t n, const double *restrict knot,
                                         const double *restrict at, double *restrict index) {
  for (size_t i = 0; i < n; i++) index[i] = 0;
  for (int k = 1; k < bins; k++)
    for (size_t i = 0; i < n; i++) index[i] += at[i] < knot[k] ? 0 : 1;
}

void boltz_rq_find_shared(const struct boltz_rq_spline *spline, enum boltz_direction direction,
                          size_t n, const struct rq_shared *shared, const double *x, double *index,
                          struct rq_found *found) {
  const size_t whole = rq_whole(n);
  boltz_rq_place(spline, n, x, found);
  count_knots(spline->bins, whole, direction == BOLTZ_TO_X ? shared->u : shared->v, found->at,
              index);
  for (size_t i = 0; i < whole; i++) {
    const int k = (int)index[i];
    found->u[i] = shared->u[k];
    found->w[i] = shared->w[k];
    found->v[i] = shared->v[k];
    found->h[i] = shared->h[k];
    found->d0[i] = shared->d0[k];
    found->d1[i] = shared->d1[k];
  }
}
