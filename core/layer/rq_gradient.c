/* rq_gradient.c - the gradient back through monotone rational-quadratic splines.
 *
 * Source and formulas: rq_spline.h. */
#include <math.h>

#include "core/base/vmath.h"
#include "core/layer/rq_bins.h"

#define ROWS BOLTZ_RQ_ROWS

/* dJ/d of a row's bin: lower knot and sizes, and the slopes of both ends. */
struct back {
  double u[ROWS], w[ROWS], v[ROWS], h[ROWS], d0[ROWS], d1[ROWS];
};

/* Of the curve v(u) and L = ln dv/du, both of xi, s, d0, d1: J takes a dv + l dL, where
     TO_X  a = g width,                     l = glog,   and du brings dJ/dx
     TO_Z  a = -(g width - glog L_u)/v_u,   l = -glog,  and dJ/dx = -a
   in units of the curve. Rows that stay where they are have no share. */
BOLTZ_VECTORISED static void back_rows(enum boltz_direction direction, double width, size_t n,
                                       const struct rq_found *restrict found,
                                       const double *restrict glog, double *restrict g,
                                       struct back *restrict back) {
  const double by_width = 1 / width; /* divisions are what takes time here */
  for (size_t i = 0; i < n; i++) {
    const double w = found->w[i], h = found->h[i], d0 = found->d0[i], d1 = found->d1[i];
    const double by_w = 1 / w, by_h = 1 / h, s = h * by_w, by_s = w * by_h;
    const double xi = (found->at[i] - found->u[i]) * by_w, rest = 1 - xi, t = xi * rest;
    const double bend = 1 - 2 * xi, sum = d0 + d1 - 2 * s;
    const double above = s * xi * xi + d0 * t, below = s + sum * t, by_below = 1 / below;
    const double p = d1 * xi * xi + 2 * s * t + d0 * rest * rest, by_p = 1 / p;

    const double q = h * by_below * by_below, v_xi = q * s * p;
    const double v_s = q * (xi * xi * below - above * (1 - 2 * t));
    const double v_d0 = q * t * (below - above), v_d1 = -q * t * above;
    const double l_xi = 2 * (d1 * xi + s * bend - d0 * rest) * by_p - 2 * sum * bend * by_below;
    const double l_s = 2 * by_s + 2 * t * by_p - 2 * (1 - 2 * t) * by_below;
    const double l_d0 = rest * rest * by_p - 2 * t * by_below;
    const double l_d1 = xi * xi * by_p - 2 * t * by_below;

    const bool in = found->in[i] > 0, to_x = direction == BOLTZ_TO_X;
    const double gv = g[i] * width, by_v_xi = below * below * by_p * by_s * by_h;
    const double back_a = -(gv * w - glog[i] * l_xi) * by_v_xi;
    const double a = to_x ? gv : back_a, l = to_x ? glog[i] : -glog[i];
    const double g_xi = a * v_xi + l * l_xi, g_s = a * v_s + l * l_s;
    const double g_in = (to_x ? g_xi * by_w : -a) * by_width, old = g[i];
    back->u[i] = in ? -g_xi * by_w : 0;
    back->w[i] = in ? -(g_xi * xi + g_s * s) * by_w : 0;
    back->v[i] = in ? a : 0;
    back->h[i] = in ? a * above * by_below + g_s * by_w : 0;
    back->d0[i] = in ? a * v_d0 + l * l_d0 : 0;
    back->d1[i] = in ? a * v_d1 + l * l_d1 : 0;
    g[i] = in ? g_in : old;
  }
}

/* Sums over rows by bin: dJ/d of its lower knot and sizes; by knot: of its slope. */
struct sums {
  double u[BOLTZ_RQ_BINS_MAX], w[BOLTZ_RQ_BINS_MAX];
  double v[BOLTZ_RQ_BINS_MAX], h[BOLTZ_RQ_BINS_MAX];
  double d[BOLTZ_RQ_BINS_MAX + 1];
};

static void add_rows(size_t n, const double *index, const struct back *back, struct sums *sums) {
  for (size_t i = 0; i < n; i++) {
    const int k = (int)index[i];
    sums->u[k] += back->u[i];
    sums->w[k] += back->w[i];
    sums->v[k] += back->v[i];
    sums->h[k] += back->h[i];
    sums->d[k] += back->d0[i];
    sums->d[k + 1] += back->d1[i];
  }
}

/* A size bears its own bin's share and the lower knots of all bins after it. */
static void back_sizes(int bins, const double *p, const double *knot, double *size, float *gr) {
  double after = 0, mean = 0;
  for (int k = bins - 1; k >= 0; k--) {
    size[k] += after;
    after += knot[k];
    mean += p[k] * size[k];
  }
  for (int k = 0; k < bins; k++) gr[k] = (float)((1 - RQ_LEAST * bins) * p[k] * (size[k] - mean));
}

/* Of raw slopes: d(softplus)/dr of the slope d = LEAST + softplus is 1 - exp(-softplus). */
static void back_slopes(const struct boltz_rq_spline *spline, const struct rq_shared *shared,
                        double *d, float *gr) {
  const struct rq_ends ends = boltz_rq_ends_of(spline);
  const int bins = spline->bins;
  if (ends.circle) d[0] += d[bins];
  for (int number = 0; number < ends.count; number++) {
    const int k = number + ends.first;
    const double slope = k < bins ? shared->d0[k] : shared->d1[k - 1];
    gr[number] = (float)(d[k] * (1 - boltz_exp(RQ_LEAST - slope)));
  }
}

void boltz_rq_backward(const struct boltz_rq_spline *spline, enum boltz_direction direction,
                       size_t n, const float *r, const double *z, const double *glog, double *g,
                       float *gr) {
  const int bins = spline->bins;
  struct sums sums = {0};
  struct rq_shared shared;
  struct rq_found found;
  struct back back;
  double index[ROWS];
  boltz_rq_share(spline, r, &shared);
  for (size_t first = 0; first < n; first += ROWS) {
    const size_t rows = n - first < ROWS ? n - first : ROWS;
    boltz_rq_find_shared(spline, BOLTZ_TO_X, rows, &shared, z + first, index, &found);
    back_rows(direction, spline->width, rows, &found, glog + first, g + first, &back);
    add_rows(rows, index, &back, &sums);
  }
  back_sizes(bins, shared.pw, sums.u, sums.w, gr);
  back_sizes(bins, shared.ph, sums.v, sums.h, gr + bins);
  back_slopes(spline, &shared, sums.d, gr + 2 * bins);
}

/* ---- A curve for each row ---- */

/* Back through sizes and softmax: dJ/d(size) is `knot` before the bin, `size` in it and 0 after it;
   with p = scale e/part, gr_k = scale e_k (gsize_k - sum of p gsize), a column each. */
BOLTZ_INLINE void back_softmax(int bins, const int32_t *restrict index, const float *restrict e,
                               const float *restrict scale, const double *restrict knot,
                               const double *restrict size, float *restrict gr) {
  const float part = (float)(1 - RQ_LEAST * bins);
  float before[LANES], here[LANES], sum[LANES];
  EACH_LANE {
    before[i] = (float)knot[i];
    here[i] = (float)size[i];
    sum[i] = 0;
  }
  for (int k = 0; k < bins; k++) EACH_LANE {
      const float early = before[i], now = here[i];
      const float later = index[i] > k ? early : 0, own = index[i] == k ? now : later;
      gr[k * LANES + i] = own;
      sum[i] = fmaf(e[k * LANES + i], own, sum[i]);
    }
  EACH_LANE sum[i] *= scale[i] / part;
  for (int k = 0; k < bins; k++)
    EACH_LANE gr[k * LANES + i] = scale[i] * e[k * LANES + i] * (gr[k * LANES + i] - sum[i]);
}

/* A raw slope has the share of the bin that begins at its knot, or that ends there. */
BOLTZ_INLINE void back_soften(const struct rq_ends *ends, const struct rq_lanes *lanes,
                              const double *restrict d0, const double *restrict d1,
                              float *restrict gr) {
  float first[LANES], last[LANES];
  EACH_LANE {
    first[i] = (float)d0[i] * (1 - boltz_exp_float(-lanes->soft[0][i]));
    last[i] = (float)d1[i] * (1 - boltz_exp_float(-lanes->soft[1][i]));
  }
  for (int number = 0; number < ends->count; number++) {
    const int knot = number + ends->first;
    const int end = ends->circle && knot == 0 ? ends->count : knot;
    EACH_LANE {
      const float own = lanes->index[i] == knot ? first[i] : 0, ends_there = last[i];
      gr[number * LANES + i] = lanes->index[i] + 1 == end ? ends_there : own;
    }
  }
}

/* Columns gr [parameters, LANES] of rows from `at` on. */
BOLTZ_VECTORISED static void back_lanes(int bins, const struct rq_ends *ends,
                                        const struct rq_lanes *restrict lanes, size_t at,
                                        const struct back *restrict back, float *restrict gr) {
  const float *ew = lanes->e, *eh = ew + bins * LANES;
  back_softmax(bins, lanes->index, ew, lanes->scale[0], back->u + at, back->w + at, gr);
  back_softmax(bins, lanes->index, eh, lanes->scale[1], back->v + at, back->h + at,
               gr + bins * LANES);
  back_soften(ends, lanes, back->d0 + at, back->d1 + at, gr + 2 * bins * LANES);
}

/* Ask for a tape that is needed next, which comes from far away: past its end it does no harm. */
static void prefetch(const char *tape, size_t size) {
  for (size_t at = 0; at < size; at += 64) __builtin_prefetch(tape + at, 0, 2);
}

void boltz_rq_backward_rows(const struct boltz_rq_spline *spline, enum boltz_direction direction,
                            size_t n, size_t ld, const void *tape, const double *z,
                            const double *glog, double *g, float *gr) {
  _Alignas(64) float columns[(3 * BOLTZ_RQ_BINS_MAX + 1) * LANES];
  const struct rq_ends ends = boltz_rq_ends_of(spline);
  const size_t parameters = 2 * (size_t)spline->bins + (size_t)ends.count;
  const size_t group = boltz_rq_tape(spline->bins, n < ROWS ? n : ROWS);
  struct rq_found found;
  struct back back = {0};
  for (size_t first = 0; first < n; first += ROWS) {
    const size_t rows = n - first < ROWS ? n - first : ROWS;
    prefetch((const char *)tape + boltz_rq_tape(spline->bins, rows), group);
    boltz_rq_recall_rows(spline, rows, tape, z + first, &found);
    back_rows(direction, spline->width, rows, &found, glog + first, g + first, &back);
    for (size_t at = 0; at < rows; at += LANES) {
      const size_t some = rows - at < LANES ? rows - at : LANES;
      back_lanes(spline->bins, &ends, tape, at, &back, columns);
      boltz_rq_turn(parameters, some, columns, LANES, gr + (first + at) * ld, ld);
      tape = (const char *)tape + rq_lanes_size(spline->bins);
    }
  }
}
