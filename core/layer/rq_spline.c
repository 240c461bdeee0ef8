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
#include "core/layer/period.h"

/* Rows that are worked on together. */
#define ROWS 32

#define LEAST 1e-3 /* of widths, heights and slopes */

/* ln(exp(1 - LEAST) - 1): softplus of it is 1 - LEAST, so that a raw slope of 0 is the slope 1 */
static const double slope_offset = 0.53974241723695208;

/* The bin that each row falls into: lower knot (u, v), width, height, slopes at both ends. */
struct found {
  double index[ROWS], u[ROWS], w[ROWS], v[ROWS], h[ROWS], d0[ROWS], d1[ROWS];
  double at[ROWS]; /* where the row stands, in [0, 1] */
  double in[ROWS]; /* 0: a row of a line that lies beyond the curve; else 1 */
};

/* What a raw slope is of: its knot, counted so that the raw slopes' first is 0. */
struct ends {
  int first; /* raw slope of knot k is number k - first, */
  int count; /* of so many; */
  bool circle;
};

static struct ends ends_of(const struct boltz_rq_spline *spline) {
  const int bins = spline->bins;
  switch (spline->ends) {
    case BOLTZ_RQ_LINE:
      return (struct ends){.first = 1, .count = bins - 1};
    case BOLTZ_RQ_INTERVAL:
      return (struct ends){.first = 0, .count = bins + 1};
    default:
      return (struct ends){.first = 0, .count = bins, .circle = true};
  }
}

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
  return 2 * (size_t)bins + (size_t)ends_of(&spline).count;
}

size_t boltz_rq_work(int bins) {
  return 2 * (size_t)bins * ROWS;
}

/* ---- From parameters to a bin ---- */

/* p [bins, ROWS] = softmax of every row's r [bins] */
BOLTZ_VECTORISED static void softmax(int bins, size_t n, size_t ld, const float *restrict r,
                                     double *restrict p) {
  double most[ROWS], sum[ROWS];
  for (size_t i = 0; i < n; i++) most[i] = r[i * ld];
  for (int k = 1; k < bins; k++)
    for (size_t i = 0; i < n; i++)
      most[i] = r[i * ld + (size_t)k] > most[i] ? r[i * ld + (size_t)k] : most[i];
  for (size_t i = 0; i < n; i++) sum[i] = 0;
  for (int k = 0; k < bins; k++)
    for (size_t i = 0; i < n; i++) {
      const double low = r[i * ld + (size_t)k] - most[i];
      const double e = boltz_exp_within(low < -700 ? -700 : low);
      p[k * ROWS + (int)i] = e;
      sum[i] += e;
    }
  for (size_t i = 0; i < n; i++) sum[i] = 1 / sum[i];
  for (int k = 0; k < bins; k++)
    for (size_t i = 0; i < n; i++) p[k * ROWS + (int)i] *= sum[i];
}

/* The bin of `at` among knots a, that bin's lower end and size, and those of the same bin among
   knots b. Sizes are LEAST + (1 - LEAST bins) p; the last one is what the others leave. */
BOLTZ_VECTORISED static void find(int bins, size_t n, const double *restrict pa,
                                  const double *restrict pb, const double *restrict at,
                                  double *restrict index, double *restrict a, double *restrict wa,
                                  double *restrict b, double *restrict wb) {
  double knot_a[ROWS], knot_b[ROWS];
  const double part = 1 - LEAST * bins;
  for (size_t i = 0; i < n; i++) knot_a[i] = knot_b[i] = index[i] = a[i] = wa[i] = b[i] = wb[i] = 0;
  for (int k = 0; k < bins; k++) {
    const bool last = k + 1 == bins;
    for (size_t i = 0; i < n; i++) {
      const double ka = knot_a[i], kb = knot_b[i];
      const double size_a = last ? 1 - ka : fma(part, pa[k * ROWS + (int)i], LEAST);
      const double size_b = last ? 1 - kb : fma(part, pb[k * ROWS + (int)i], LEAST);
      const bool here = !(at[i] < ka);
      index[i] = here ? k : index[i];
      a[i] = here ? ka : a[i];
      b[i] = here ? kb : b[i];
      wa[i] = here ? size_a : wa[i];
      wb[i] = here ? size_b : wb[i];
      knot_a[i] = ka + size_a;
      knot_b[i] = kb + size_b;
    }
  }
}

/* The raw slope of knot k; 0, which is the slope 1, at the ends of a line. */
static double raw_slope(const struct ends *ends, const float *r, int k) {
  const int number = ends->circle && k == ends->count ? 0 : k - ends->first;
  return number >= 0 && number < ends->count ? r[number] : 0;
}

/* d = LEAST + softplus(d + offset) */
BOLTZ_VECTORISED static void soften(size_t n, double *restrict d) {
  for (size_t i = 0; i < n; i++) {
    const double r = d[i] + slope_offset, size = r < 0 ? -r : r;
    const double above = 0 > r ? 0 : r; /* NaN stays NaN */
    d[i] = LEAST + above + boltz_log(1 + boltz_exp_within(size > 700 ? -700 : -size));
  }
}

/* Where rows stand. On a line and an interval what lies beyond the ends counts as there. */
BOLTZ_VECTORISED static void place(const struct boltz_rq_spline *spline, size_t n,
                                   const double *restrict x, double *restrict at,
                                   double *restrict in) {
  const double low = spline->low, width = spline->width;
  const bool circle = spline->ends == BOLTZ_RQ_CIRCLE, line = spline->ends == BOLTZ_RQ_LINE;
  for (size_t i = 0; i < n; i++) {
    const double inside = circle ? boltz_wrap(x[i], low, width) : x[i];
    const double u = (inside - low) / width, above = u < 0 ? 0 : u;
    at[i] = above > 1 ? 1 : above;
    in[i] = !line || (x[i] >= low && x[i] <= low + width) ? 1 : 0;
  }
}

static void find_slopes(const struct boltz_rq_spline *spline, size_t n, size_t ld, const float *r,
                        struct found *bin) {
  const struct ends ends = ends_of(spline);
  for (size_t i = 0; i < n; i++) {
    const float *slopes = r + i * ld + 2 * spline->bins;
    bin->d0[i] = raw_slope(&ends, slopes, (int)bin->index[i]);
    bin->d1[i] = raw_slope(&ends, slopes, (int)bin->index[i] + 1);
  }
  soften(n, bin->d0);
  soften(n, bin->d1);
}

/* The bins of n <= ROWS rows; p [2, bins, ROWS] gets the softmaxes. */
static void find_bins(const struct boltz_rq_spline *spline, enum boltz_direction direction,
                      size_t n, size_t ld, const float *r, const double *x, double *p,
                      struct found *bin) {
  const int bins = spline->bins;
  double *pw = p, *ph = p + (size_t)bins * ROWS;
  place(spline, n, x, bin->at, bin->in);
  softmax(bins, n, ld, r, pw);
  softmax(bins, n, ld, r + bins, ph);
  if (direction == BOLTZ_TO_X)
    find(bins, n, pw, ph, bin->at, bin->index, bin->u, bin->w, bin->v, bin->h);
  else
    find(bins, n, ph, pw, bin->at, bin->index, bin->v, bin->h, bin->u, bin->w);
  find_slopes(spline, n, ld, r, bin);
}

/* The bins of a curve that all rows share, and the softmaxes that made their sizes. */
struct shared {
  double u[BOLTZ_RQ_BINS_MAX], w[BOLTZ_RQ_BINS_MAX], v[BOLTZ_RQ_BINS_MAX], h[BOLTZ_RQ_BINS_MAX];
  double d0[BOLTZ_RQ_BINS_MAX], d1[BOLTZ_RQ_BINS_MAX];
  double pw[BOLTZ_RQ_BINS_MAX], ph[BOLTZ_RQ_BINS_MAX];
};

/* Lower ends and sizes as find() has them. */
static void share_sizes(int bins, const float *r, double *p, double *knot, double *size,
                        double *work) {
  const double part = 1 - LEAST * bins;
  double at = 0;
  softmax(bins, 1, 0, r, work);
  for (int k = 0; k < bins; k++) {
    p[k] = work[k * ROWS];
    knot[k] = at;
    size[k] = k + 1 == bins ? 1 - at : fma(part, p[k], LEAST);
    at += size[k];
  }
}

static void share(const struct boltz_rq_spline *spline, const float *r, struct shared *shared,
                  double *work) {
  const struct ends ends = ends_of(spline);
  const int bins = spline->bins;
  share_sizes(bins, r, shared->pw, shared->u, shared->w, work);
  share_sizes(bins, r + bins, shared->ph, shared->v, shared->h, work);
  for (int k = 0; k < bins; k++) {
    shared->d0[k] = raw_slope(&ends, r + 2 * bins, k);
    shared->d1[k] = raw_slope(&ends, r + 2 * bins, k + 1);
  }
  soften((size_t)bins, shared->d0);
  soften((size_t)bins, shared->d1);
}

/* The number of knots that do not lie above `at`, the first left out. */
BOLTZ_VECTORISED static void count_knots(int bins, size_t n, const double *restrict knot,
                                         const double *restrict at, double *restrict index) {
  for (size_t i = 0; i < n; i++) index[i] = 0;
  for (int k = 1; k < bins; k++)
    for (size_t i = 0; i < n; i++) index[i] += at[i] < knot[k] ? 0 : 1;
}

static void find_shared(const struct boltz_rq_spline *spline, enum boltz_direction direction,
                        size_t n, const struct shared *shared, const double *x, struct found *bin) {
  place(spline, n, x, bin->at, bin->in);
  count_knots(spline->bins, n, direction == BOLTZ_TO_X ? shared->u : shared->v, bin->at,
              bin->index);
  for (size_t i = 0; i < n; i++) {
    const int k = (int)bin->index[i];
    bin->u[i] = shared->u[k];
    bin->w[i] = shared->w[k];
    bin->v[i] = shared->v[k];
    bin->h[i] = shared->h[k];
    bin->d0[i] = shared->d0[k];
    bin->d1[i] = shared->d1[k];
  }
}

/* ---- Both ways ---- */

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
                                  const struct found *restrict bin, double *restrict out,
                                  double *restrict log_slope) {
  for (size_t i = 0; i < n; i++) {
    const double s = bin->h[i] / bin->w[i], d0 = bin->d0[i], d1 = bin->d1[i];
    double xi;
    if (direction == BOLTZ_TO_X) {
      xi = (bin->at[i] - bin->u[i]) / bin->w[i];
      out[i] = fma(bin->h[i], to_v(xi, s, d0, d1), bin->v[i]);
    } else {
      xi = to_xi((bin->at[i] - bin->v[i]) / bin->h[i], s, d0, d1);
      out[i] = fma(bin->w[i], xi, bin->u[i]);
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
  struct shared shared;
  struct found bin;
  double out[ROWS], log_slope[ROWS];
  if (ld == 0) share(spline, r, &shared, work);
  for (size_t first = 0; first < n; first += ROWS) {
    const size_t rows = n - first < ROWS ? n - first : ROWS;
    if (ld == 0)
      find_shared(spline, direction, rows, &shared, x + first, &bin);
    else
      find_bins(spline, direction, rows, ld, r + first * ld, x + first, work, &bin);
    move(direction, rows, &bin, out, log_slope);
    put(spline, direction, rows, bin.in, out, log_slope, x + first, log_det + first);
  }
}

/* ---- Gradients ---- */

/* dJ/d of a row's bin: lower knot and sizes, and the raw slopes of both ends. */
struct back {
  double u[ROWS], w[ROWS], v[ROWS], h[ROWS], r0[ROWS], r1[ROWS];
};

/* d(softplus)/dr of the slope d = LEAST + softplus: 1 - exp(-softplus) */
BOLTZ_INLINE double soft_slope(double d) {
  return 1 - boltz_exp(LEAST - d);
}

/* Of the curve v(u) and L = ln dv/du, both of xi, s, d0, d1: J takes a dv + l dL, where
     TO_X  a = g width,                     l = glog,   and du brings dJ/dx
     TO_Z  a = -(g width - glog L_u)/v_u,   l = -glog,  and dJ/dx = -a
   in units of the curve. Rows that stay where they are have no share. */
BOLTZ_VECTORISED static void back_rows(enum boltz_direction direction, double width, size_t n,
                                       const struct found *restrict bin,
                                       const double *restrict glog, double *restrict g,
                                       struct back *restrict back) {
  for (size_t i = 0; i < n; i++) {
    const double w = bin->w[i], h = bin->h[i], d0 = bin->d0[i], d1 = bin->d1[i], s = h / w;
    const double xi = (bin->at[i] - bin->u[i]) / w, rest = 1 - xi, t = xi * rest, bend = 1 - 2 * xi;
    const double above = s * xi * xi + d0 * t, below = s + (d0 + d1 - 2 * s) * t;
    const double p = d1 * xi * xi + 2 * s * t + d0 * rest * rest, q = h / (below * below);

    const double v_xi = q * s * p, v_s = q * (xi * xi * below - above * (1 - 2 * t));
    const double v_d0 = q * t * (below - above), v_d1 = -q * t * above;
    const double l_xi =
        2 * (d1 * xi + s * bend - d0 * rest) / p - 2 * (d0 + d1 - 2 * s) * bend / below;
    const double l_s = 2 / s + 2 * t / p - 2 * (1 - 2 * t) / below;
    const double l_d0 = rest * rest / p - 2 * t / below, l_d1 = xi * xi / p - 2 * t / below;

    const bool in = bin->in[i] > 0, to_x = direction == BOLTZ_TO_X;
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
   gr_k = part p_k (gsize_k - sum of p gsize). */
BOLTZ_VECTORISED static void back_softmax(int bins, size_t n, size_t ld,
                                          const double *restrict index, const double *restrict p,
                                          const double *restrict knot, const double *restrict size,
                                          float *restrict gr) {
  const double part = 1 - LEAST * bins;
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
      gr[i * ld + (size_t)k] = (float)(part * p[k * ROWS + (int)i] * (own - mean[i]));
    }
}

/* Add what the knot of a row's bin has to its raw slope. */
static void back_slope(const struct ends *ends, int k, double gradient, float *gr) {
  const int number = ends->circle && k == ends->count ? 0 : k - ends->first;
  if (number >= 0 && number < ends->count) gr[number] += (float)gradient;
}

static void back_slopes(const struct boltz_rq_spline *spline, size_t n, size_t ld,
                        const double *index, const struct back *back, float *gr) {
  const struct ends ends = ends_of(spline);
  for (size_t i = 0; i < n; i++) {
    float *slopes = gr + i * ld + 2 * spline->bins;
    for (int k = 0; k < ends.count; k++) slopes[k] = 0;
    back_slope(&ends, (int)index[i], back->r0[i], slopes);
    back_slope(&ends, (int)index[i] + 1, back->r1[i], slopes);
  }
}

static void back_each(const struct boltz_rq_spline *spline, enum boltz_direction direction,
                      size_t n, size_t ld, const float *r, const double *z, const double *glog,
                      double *g, float *gr, double *work) {
  const int bins = spline->bins;
  const double *pw = work, *ph = work + (size_t)bins * ROWS;
  struct found bin;
  struct back back;
  for (size_t first = 0; first < n; first += ROWS) {
    const size_t rows = n - first < ROWS ? n - first : ROWS;
    float *to = gr + first * ld;
    find_bins(spline, BOLTZ_TO_X, rows, ld, r + first * ld, z + first, work, &bin);
    back_rows(direction, spline->width, rows, &bin, glog + first, g + first, &back);
    back_softmax(bins, rows, ld, bin.index, pw, back.u, back.w, to);
    back_softmax(bins, rows, ld, bin.index, ph, back.v, back.h, to + bins);
    back_slopes(spline, rows, ld, bin.index, &back, to);
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
  for (int k = 0; k < bins; k++) gr[k] = (float)((1 - LEAST * bins) * p[k] * (size[k] - mean));
}

static void back_shared(const struct boltz_rq_spline *spline, enum boltz_direction direction,
                        size_t n, const float *r, const double *z, const double *glog, double *g,
                        float *gr, double *work) {
  const int bins = spline->bins;
  const struct ends ends = ends_of(spline);
  struct sums sums = {0};
  struct shared shared;
  struct found bin;
  struct back back;
  share(spline, r, &shared, work);
  for (size_t first = 0; first < n; first += ROWS) {
    const size_t rows = n - first < ROWS ? n - first : ROWS;
    find_shared(spline, BOLTZ_TO_X, rows, &shared, z + first, &bin);
    back_rows(direction, spline->width, rows, &bin, glog + first, g + first, &back);
    add_rows(rows, bin.index, &back, &sums);
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
