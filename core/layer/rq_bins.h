/* rq_bins.h - from the parameters of a curve to the bin that a row falls into; rq_spline.c and
 * rq_gradient.c stand on it.
 *
 * Rows go together, BOLTZ_RQ_ROWS at most. Their parameters are turned to columns first, so that
 * all that follows is plain loops over rows; every row's sums run over its bins in their order. */
#ifndef LAYER_RQ_BINS_H
#define LAYER_RQ_BINS_H

#include <stdbool.h>

#include "core/layer/rq_spline.h"

#define RQ_LEAST 1e-3 /* of widths, heights and slopes */

/** The bin of each row: lower knot (u, v), width, height, slopes at both ends. */
struct rq_found {
  double index[BOLTZ_RQ_ROWS], u[BOLTZ_RQ_ROWS], w[BOLTZ_RQ_ROWS], v[BOLTZ_RQ_ROWS];
  double h[BOLTZ_RQ_ROWS], d0[BOLTZ_RQ_ROWS], d1[BOLTZ_RQ_ROWS];
  double at[BOLTZ_RQ_ROWS]; /* where the row stands, in [0, 1] */
  double in[BOLTZ_RQ_ROWS]; /* 0: a row of a line that lies beyond the curve; else 1 */
};

/** What a raw slope is of: its knot, counted so that the raw slopes' first is 0. */
struct rq_ends {
  int first; /* raw slope of knot k is number k - first, */
  int count; /* of so many; */
  bool circle;
};

/** The bins of a curve that all rows share, and the softmaxes that made their sizes. */
struct rq_shared {
  double u[BOLTZ_RQ_BINS_MAX], w[BOLTZ_RQ_BINS_MAX], v[BOLTZ_RQ_BINS_MAX], h[BOLTZ_RQ_BINS_MAX];
  double d0[BOLTZ_RQ_BINS_MAX], d1[BOLTZ_RQ_BINS_MAX];
  double pw[BOLTZ_RQ_BINS_MAX], ph[BOLTZ_RQ_BINS_MAX];
};

struct rq_ends boltz_rq_ends_of(const struct boltz_rq_spline *spline);

/** The number of the raw slope that knot k has; -1: none, its slope is 1. */
static inline int rq_raw_slope(const struct rq_ends *ends, int k) {
  const int number = ends->circle && k == ends->count ? 0 : k - ends->first;
  return number < ends->count ? number : -1;
}

/** Rows that are worked on instead of n: vectors of up to 8 take no longer whole than in part; a
 * single row does. */
static inline size_t rq_whole(size_t n) {
  return n == 1 ? 1 : (n + 7) / 8 * 8;
}

/** to [columns, ld_to] = from [rows, ld_from], turned */
void boltz_rq_turn(size_t rows, size_t columns, const float *from, size_t ld_from, float *to,
                   size_t ld_to);

/** The bins of n <= BOLTZ_RQ_ROWS rows; work [2, bins, BOLTZ_RQ_ROWS] keeps the softmaxes of widths
 * and heights. */
void boltz_rq_find(const struct boltz_rq_spline *spline, enum boltz_direction direction, size_t n,
                   size_t ld, const float *r, const double *x, double *work,
                   struct rq_found *found);

/** The curve of one set of parameters, and the bins of n <= BOLTZ_RQ_ROWS rows on it. */
void boltz_rq_share(const struct boltz_rq_spline *spline, const float *r, struct rq_shared *shared,
                    double *work);
void boltz_rq_find_shared(const struct boltz_rq_spline *spline, enum boltz_direction direction,
                          size_t n, const struct rq_shared *shared, const double *x,
                          struct rq_found *found);

#endif
