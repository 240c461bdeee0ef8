/* rq_spline.c - a monotone rational-quadratic spline and its inverse, a column at a time.
 *
 * The way back solves a quadratic equation for xi. With eta = (v - v_k)/h_k, e = d_k (1 - eta) -
 * d_k+1 eta and root = sqrt(e^2 + 4 s^2 eta (1 - eta)):
 *   xi = 2 s eta / (2 s eta + (e + root))
 * where e + root is 4 s^2 eta (1 - eta) / (root - e) if e < 0: nothing cancels.
 * Source and formulas: rq_spline.h.
 * Golden: tests/golden/make_spline.py. */
#include "core/layer/rq_spline.h"

#include <math.h>

#include "core/base/vmath.h"
#include "core/layer/rq_bins.h"

#define ROWS BOLTZ_RQ_ROWS

struct boltz_rq_spline boltz_rq_on(const struct boltz_domain *domain, int bins, double bound) {
  const double low = domain->low, width = domain->high - domain->low;
  switch (domain->type) {
    case BOLTZ_PERIODIC:
      return (struct boltz_rq_spline){BOLTZ_RQ_CIRCLE, bins, low, width};
    case BOLTZ_INTERVAL:
      return (struct boltz_rq_spline){BOLTZ_RQ_INTERVAL, bins, low, width};
    default:
      return (struct boltz_rq_spline){BOLTZ_RQ_LINE, bins, -bound, 2 * bound};
  }
}

size_t boltz_rq_parameters(enum boltz_rq_ends ends, int bins) {
  const struct boltz_rq_spline spline = {.ends = ends, .bins = bins};
  return 2 * (size_t)bins + (size_t)boltz_rq_ends_of(&spline).count;
}

size_t boltz_rq_work(int bins) {
  return 4 * (size_t)bins * ROWS; /* two softmaxes, and the parameters as columns of floats */
}

/* dv/du at xi of a bin of mean slope s */
BOLTZ_INLINE double slope_at(double xi, double s, double d0, double d1) {
  const double back = 1 - xi, t = xi * back, below = s + (d0 + d1 - 2 * s) * t, q = s / below;
  return q * q * (d1 * xi * xi + 2 * s * t + d0 * back * back);
}

BOLTZ_INLINE double to_v(double xi, double s, double d0, double d1) {
  const double t = xi * (1 - xi);
  return (s * xi * xi + d0 * t) / (s + (d0 + d1 - 2 * s) * t);
}

BOLTZ_INLINE double to_xi(double eta, double s, double d0, double d1) {
  const double e = d0 * (1 - eta) - d1 * eta, f = 4 * s * s * eta * (1 - eta);
  const double root = sqrt(e * e + (f < 0 ? 0 : f));
  const double rest = e < 0 ? f / (root - e) : e + root;
  return 2 * s * eta / (2 * s * eta + rest);
}

BOLTZ_VECTORISED static void move(enum boltz_direction direction, size_t n,
                                  const struct rq_found *restrict found, double *restrict out,
                                  double *restrict log_slope) {
  for (size_t i = 0; i < n; i++) {
    const double s = found->h[i] / found->w[i], d0 = found->d0[i], d1 = found->d1[i];
    double xi;
    if (direction == BOLTZ_TO_X) {
      xi = (found->at[i] - found->u[i]) / found->w[i];
      out[i] = fma(found->h[i], to_v(xi, s, d0, d1), found->v[i]);
    } else {
      xi = to_xi((found->at[i] - found->v[i]) / found->h[i], s, d0, d1);
      out[i] = fma(found->w[i], xi, found->u[i]);
    }
    log_slope[i] = boltz_log(slope_at(xi, s, d0, d1));
  }
}

/* Back to the coordinate's own unit. Rounding leads nobody out of [low, low + width]. */
BOLTZ_VECTORISED static void put(const struct boltz_rq_spline *spline,
                                 enum boltz_direction direction, size_t n,
                                 const double *restrict in, const double *restrict at,
                                 const double *restrict log_slope, double *restrict x,
                                 double *restrict log_det) {
  const double low = spline->low, high = spline->low + spline->width, width = spline->width;
  const bool interval = spline->ends == BOLTZ_RQ_INTERVAL;
  const double sign = direction == BOLTZ_TO_X ? 1 : -1;
  for (size_t i = 0; i < n; i++) {
    const double y = fma(width, at[i], low), above = y < low ? low : y;
    const double inside = above > high ? high : above;
    const bool outside = interval && !(x[i] >= low && x[i] <= high);
    const double own = in[i] > 0 ? inside : x[i];
    x[i] = outside ? NAN : own;
    log_det[i] += in[i] > 0 ? sign * log_slope[i] : 0;
  }
}

void boltz_rq_apply(const struct boltz_rq_spline *spline, enum boltz_direction direction, size_t n,
                    size_t ld, const float *r, double *x, double *log_det, double *work) {
  struct rq_shared shared;
  struct rq_found found;
  double out[ROWS], log_slope[ROWS];
  if (ld == 0) boltz_rq_share(spline, r, &shared, work);
  for (size_t first = 0; first < n; first += ROWS) {
    const size_t rows = n - first < ROWS ? n - first : ROWS;
    if (ld == 0)
      boltz_rq_find_shared(spline, direction, rows, &shared, x + first, &found);
    else
      boltz_rq_find(spline, direction, rows, ld, r + first * ld, x + first, work, &found);
    move(direction, rq_whole(rows), &found, out, log_slope);
    put(spline, direction, rows, found.in, out, log_slope, x + first, log_det + first);
  }
}
