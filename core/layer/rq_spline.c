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

size_t boltz_rq_tape(int bins, size_t n) {
  return (n + BOLTZ_RQ_LANES - 1) / BOLTZ_RQ_LANES * rq_lanes_size(bins);
}

/* The bin's v/h and ln dv/du at xi, of a mean slope s. */
BOLTZ_INLINE double to_v(double xi, double s, double d0, double d1, double *log_slope) {
  const double rest = 1 - xi, t = xi * rest, by_below = 1 / (s + (d0 + d1 - 2 * s) * t);
  const double q = s * by_below;
  *log_slope = boltz_log(q * q * (d1 * xi * xi + 2 * s * t + d0 * rest * rest));
  return (s * xi * xi + d0 * t) * by_below;
}

BOLTZ_INLINE double to_xi(double eta, double s, double d0, double d1) {
  const double e = d0 * (1 - eta) - d1 * eta, f = 4 * s * s * eta * (1 - eta);
  const double root = sqrt(e * e + (f < 0 ? 0 : f)), a = 2 * s * eta, b = root - e;
  const double above = e < 0 ? a * b : a, rest = e < 0 ? f : e + root;
  return above / (above + rest);
}

BOLTZ_VECTORISED static void move_to_x(size_t n, const struct rq_found *restrict found,
                                       double *restrict out, double *restrict log_slope) {
  for (size_t i = 0; i < n; i++) {
    const double by_w = 1 / found->w[i], s = found->h[i] * by_w;
    const double xi = (found->at[i] - found->u[i]) * by_w;
    const double part = to_v(xi, s, found->d0[i], found->d1[i], &log_slope[i]);
    out[i] = fma(found->h[i], part, found->v[i]);
  }
}

BOLTZ_VECTORISED static void move_to_z(size_t n, const struct rq_found *restrict found,
                                       double *restrict out, double *restrict log_slope) {
  for (size_t i = 0; i < n; i++) {
    const double s = found->h[i] / found->w[i], d0 = found->d0[i], d1 = found->d1[i];
    const double xi = to_xi((found->at[i] - found->v[i]) / found->h[i], s, d0, d1);
    to_v(xi, s, d0, d1, &log_slope[i]);
    out[i] = fma(found->w[i], xi, found->u[i]);
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

/* Rows go from where they stand to where their bins take them. */
static void go(const struct boltz_rq_spline *spline, enum boltz_direction direction, size_t n,
               const struct rq_found *found, double *x, double *log_det) {
  double out[ROWS], log_slope[ROWS];
  (direction == BOLTZ_TO_X ? move_to_x : move_to_z)(rq_whole(n), found, out, log_slope);
  put(spline, direction, n, found->in, out, log_slope, x, log_det);
}

static size_t rows_from(size_t first, size_t n) {
  return n - first < ROWS ? n - first : ROWS;
}

void boltz_rq_apply(const struct boltz_rq_spline *spline, enum boltz_direction direction, size_t n,
                    const float *r, double *x, double *log_det) {
  struct rq_shared shared;
  struct rq_found found;
  double index[ROWS];
  boltz_rq_share(spline, r, &shared);
  for (size_t first = 0; first < n; first += ROWS) {
    const size_t rows = rows_from(first, n);
    boltz_rq_find_shared(spline, direction, rows, &shared, x + first, index, &found);
    go(spline, direction, rows, &found, x + first, log_det + first);
  }
}

void boltz_rq_apply_rows(const struct boltz_rq_spline *spline, enum boltz_direction direction,
                         size_t n, size_t ld, const float *r, double *x, double *log_det,
                         void *tape) {
  struct rq_found found;
  for (size_t first = 0; first < n; first += ROWS) {
    const size_t rows = rows_from(first, n);
    void *own = tape ? (char *)tape + boltz_rq_tape(spline->bins, first) : NULL;
    boltz_rq_find_rows(spline, direction, rows, ld, r + first * ld, x + first, own, &found);
    go(spline, direction, rows, &found, x + first, log_det + first);
  }
}

void boltz_rq_apply_table(const struct boltz_rq_spline *spline, enum boltz_direction direction,
                          size_t n, const struct boltz_rq_table *table, const uint32_t *cell,
                          const float *part, double *x, double *log_det) {
  struct rq_found found;
  for (size_t first = 0; first < n; first += ROWS) {
    const size_t rows = rows_from(first, n);
    boltz_rq_find_table(spline, direction, rows, table, cell + first, part + first, x + first,
                        &found);
    go(spline, direction, rows, &found, x + first, log_det + first);
  }
}
