/* rq_gradient.c - the gradient back through monotone rational-quadratic splines.
 *
 * Source and formulas: rq_spline.h. */
#include <math.h>

#include "core/base/vmath.h"
#include "core/layer/rq_bins.h"

#define ROWS BOLTZ_RQ_ROWS

/* dJ/d of a row's bin: lower knot and sizes, and the raw slopes of both ends. */
struct back {
  double u[ROWS], w[ROWS], v[ROWS], h[ROWS], r0[ROWS], r1[ROWS];
};

/* d(softplus)/dr of the slope d = RQ_LEAST + softplus: 1 - exp(-softplus) */
BOLTZ_INLINE double soft_slope(double d) {
  return 1 - boltz_exp(RQ_LEAST - d);
}

/* Of the curve v(u) and L = ln dv/du, both of xi, s, d0, d1: J takes a dv + l dL, where
     TO_X  a = g width,                     l = glog,   and du brings dJ/dx
     TO_Z  a = -(g width - glog L_u)/v_u,   l = -glog,  and dJ/dx = -a
   in units of the curve. Rows that stay where they are have no share. */
BOLTZ_VECTORISED static void back_rows(enum boltz_direction direction, double width, size_t n,
                                       const struct rq_found *restrict found,
                                       const double *restrict glog, double *restrict g,
                                       struct back *restrict back) {
  for (size_t i = 0; i < n; i++) {
    const double w = found->w[i], h = found->h[i], d0 = found->d0[i], d1 = found->d1[i], s = h / w;
    const double xi = (found->at[i] - found->u[i]) / w, rest = 1 - xi, t = xi * rest,
                 bend = 1 - 2 * xi;
    const double above = s * xi * xi + d0 * t, below = s + (d0 + d1 - 2 * s) * t;
    const double p = d1 * xi * xi + 2 * s * t + d0 * rest * rest, q = h / (below * below);

    const double v_xi = q * s * p, v_s = q * (xi * xi * below - above * (1 - 2 * t));
    const double v_d0 = q * t * (below - above), v_d1 = -q * t * above;
    const double l_xi =
        2 * (d1 * xi + s * bend - d0 * rest) / p - 2 * (d0 + d1 - 2 * s) * bend / below;
    const double l_s = 2 / s + 2 * t / p - 2 * (1 - 2 * t) / below;
    const double l_d0 = rest * rest / p - 2 * t / below, l_d1 = xi * xi / p - 2 * t / below;

    const bool in = found->in[i] > 0, to_x = direction == BOLTZ_TO_X;
    const double gv = g[i] * width;
    const double a = to_x ? gv : -(gv * w - glog[i] * l_xi) / v_xi, l = to_x ? glog[i] : -glog[i];
    const double g_xi = a * v_xi + l * l_xi, g_s = a * v_s + l * l_s;
    back->u[i] = in ? -g_xi / w : 0;
    back->w[i] = in ? -(g_xi * xi + g_s * s) / w : 0;
    back->v[i] = in ? a : 0;
    back->h[i] = in ? a * above / below + g_s / w : 0;
    back->r0[i] = in ? (a * v_d0 + l * l_d0) * soft_slope(d0) : 0;
    back->r1[i] = in ? (a * v_d1 + l * l_d1) * soft_slope(d1) : 0;
    g[i] = in ? (to_x ? g_xi / w : -a) / width : g[i];
  }
}

/* Back through sizes and softmax: dJ/d(size) is `knot` before the bin, `size` in it and 0 after it;
   gr_k = part p_k (gsize_k - sum of p gsize), a column each. */
BOLTZ_VECTORISED static void back_softmax(int bins, size_t n, const double *restrict index,
                                          const double *restrict p, const double *restrict knot,
                                          const double *restrict size, float *restrict gr) {
  const double part = 1 - RQ_LEAST * bins;
  double mean[ROWS];
  for (size_t i = 0; i < n; i++) mean[i] = 0;
  for (int k = 0; k < bins; k++)
    for (size_t i = 0; i < n; i++) {
      const double own = index[i] > k ? knot[i] : index[i] == k ? size[i] : 0;
      mean[i] += p[k * ROWS + (int)i] * own;
    }
  for (int k = 0; k < bins; k++)
    for (size_t i = 0; i < n; i++) {
      const double own = index[i] > k ? knot[i] : index[i] == k ? size[i] : 0;
      gr[k * ROWS + (int)i] = (float)(part * p[k * ROWS + (int)i] * (own - mean[i]));
    }
}

/* A raw slope has the share of the bin that begins at its knot, or that ends there. */
BOLTZ_VECTORISED static void back_slopes(const struct rq_ends *ends, size_t n,
                                         const double *restrict index,
                                         const struct back *restrict back, float *restrict gr) {
  for (int number = 0; number < ends->count; number++) {
    const int k = number + ends->first, end = ends->circle && k == 0 ? ends->count : k;
    for (size_t i = 0; i < n; i++) {
      const double own = index[i] == k ? back->r0[i] : 0;
      gr[number * ROWS + (int)i] = (float)(index[i] + 1 == end ? back->r1[i] : own);
    }
  }
}

static void back_each(const struct boltz_rq_spline *spline, enum boltz_direction direction,
                      size_t n, size_t ld, const float *r, const double *z, const double *glog,
                      double *g, float *gr, double *work) {
  const struct rq_ends ends = boltz_rq_ends_of(spline);
  const int bins = spline->bins;
  const double *pw = work, *ph = pw + bins * ROWS;
  float *gw = (float *)(work + 2 * bins * ROWS), *gh = gw + bins * ROWS, *gd = gh + bins * ROWS;
  struct rq_found found;
  struct back back;
  for (size_t first = 0; first < n; first += ROWS) {
    const size_t rows = n - first < ROWS ? n - first : ROWS;
    boltz_rq_find(spline, BOLTZ_TO_X, rows, ld, r + first * ld, z + first, work, &found);
    back_rows(direction, spline->width, rows, &found, glog + first, g + first, &back);
    back_softmax(bins, rows, found.index, pw, back.u, back.w, gw);
    back_softmax(bins, rows, found.index, ph, back.v, back.h, gh);
    back_slopes(&ends, rows, found.index, &back, gd);
    boltz_rq_turn(2 * (size_t)bins + (size_t)ends.count, rows, gw, ROWS, gr + first * ld, ld);
  }
}

/* Sums over rows by bin: dJ/d of its lower knot and sizes; by knot: of its raw slope. */
struct sums {
  double u[BOLTZ_RQ_BINS_MAX], w[BOLTZ_RQ_BINS_MAX];
  double v[BOLTZ_RQ_BINS_MAX], h[BOLTZ_RQ_BINS_MAX];
  double r[BOLTZ_RQ_BINS_MAX + 1];
};

static void add_rows(size_t n, const double *index, const struct back *back, struct sums *sums) {
  for (size_t i = 0; i < n; i++) {
    const int k = (int)index[i];
    sums->u[k] += back->u[i];
    sums->w[k] += back->w[i];
    sums->v[k] += back->v[i];
    sums->h[k] += back->h[i];
    sums->r[k] += back->r0[i];
    sums->r[k + 1] += back->r1[i];
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

static void back_shared(const struct boltz_rq_spline *spline, enum boltz_direction direction,
                        size_t n, const float *r, const double *z, const double *glog, double *g,
                        float *gr, double *work) {
  const int bins = spline->bins;
  const struct rq_ends ends = boltz_rq_ends_of(spline);
  struct sums sums = {0};
  struct rq_shared shared;
  struct rq_found found;
  struct back back;
  boltz_rq_share(spline, r, &shared, work);
  for (size_t first = 0; first < n; first += ROWS) {
    const size_t rows = n - first < ROWS ? n - first : ROWS;
    boltz_rq_find_shared(spline, BOLTZ_TO_X, rows, &shared, z + first, &found);
    back_rows(direction, spline->width, rows, &found, glog + first, g + first, &back);
    add_rows(rows, found.index, &back, &sums);
  }
  back_sizes(bins, shared.pw, sums.u, sums.w, gr);
  back_sizes(bins, shared.ph, sums.v, sums.h, gr + bins);
  if (ends.circle) sums.r[0] += sums.r[bins];
  for (int k = 0; k < ends.count; k++) gr[2 * bins + k] = (float)sums.r[k + ends.first];
}

void boltz_rq_backward(const struct boltz_rq_spline *spline, enum boltz_direction direction,
                       size_t n, size_t ld, const float *r, const double *z, const double *glog,
                       double *g, float *gr, double *work) {
  if (ld > 0)
    back_each(spline, direction, n, ld, r, z, glog, g, gr, work);
  else
    back_shared(spline, direction, n, r, z, glog, g, gr, work);
}
