/* rq_bins.c - from the parameters of a curve to the bin that a row falls into.
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

#define ROWS BOLTZ_RQ_ROWS

/* ln(exp(1 - LEAST) - 1): softplus of it is 1 - LEAST, so that a raw slope of 0 is the slope 1 */
static const double slope_offset = 0.53974241723695208;

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

/* ---- Rows to columns ---- */

typedef float four __attribute__((vector_size(16), aligned(4), may_alias));

/* Four by four, in registers. */
BOLTZ_INLINE void turn_square(const float *from, size_t ld_from, float *to, size_t ld_to) {
  const four a = *(const four *)from, b = *(const four *)(from + ld_from);
  const four c = *(const four *)(from + 2 * ld_from), d = *(const four *)(from + 3 * ld_from);
  const four ac = __builtin_shufflevector(a, c, 0, 4, 1, 5);
  const four bd = __builtin_shufflevector(b, d, 0, 4, 1, 5);
  const four ca = __builtin_shufflevector(a, c, 2, 6, 3, 7);
  const four db = __builtin_shufflevector(b, d, 2, 6, 3, 7);
  *(four *)to = __builtin_shufflevector(ac, bd, 0, 4, 1, 5);
  *(four *)(to + ld_to) = __builtin_shufflevector(ac, bd, 2, 6, 3, 7);
  *(four *)(to + 2 * ld_to) = __builtin_shufflevector(ca, db, 0, 4, 1, 5);
  *(four *)(to + 3 * ld_to) = __builtin_shufflevector(ca, db, 2, 6, 3, 7);
}

void boltz_rq_turn(size_t rows, size_t columns, const float *restrict from, size_t ld_from,
                   float *restrict to, size_t ld_to) {
  const size_t whole_rows = rows / 4 * 4, whole_columns = columns / 4 * 4;
  for (size_t r = 0; r < whole_rows; r += 4) {
    for (size_t c = 0; c < whole_columns; c += 4)
      turn_square(from + r * ld_from + c, ld_from, to + c * ld_to + r, ld_to);
    for (size_t c = whole_columns; c < columns; c++)
      for (size_t k = r; k < r + 4; k++) to[c * ld_to + k] = from[k * ld_from + c];
  }
  for (size_t r = whole_rows; r < rows; r++)
    for (size_t c = 0; c < columns; c++) to[c * ld_to + r] = from[r * ld_from + c];
}

/* ---- Parameters to a bin ---- */

/* p [bins, ROWS] = softmax of every row's parameters; those are columns, `ld` apart */
BOLTZ_VECTORISED static void softmax(int bins, size_t n, size_t ld, const float *restrict r,
                                     double *restrict p) {
  float most[ROWS];
  double sum[ROWS];
  for (size_t i = 0; i < n; i++) most[i] = r[i];
  for (size_t k = 1; k < (size_t)bins; k++)
    for (size_t i = 0; i < n; i++) most[i] = r[k * ld + i] > most[i] ? r[k * ld + i] : most[i];
  for (size_t i = 0; i < n; i++) sum[i] = 0;
  for (size_t k = 0; k < (size_t)bins; k++)
    for (size_t i = 0; i < n; i++) {
      const double low = (double)r[k * ld + i] - (double)most[i];
      const double e = boltz_exp_within(low < -700 ? -700 : low);
      p[k * ROWS + i] = e;
      sum[i] += e;
    }
  for (size_t i = 0; i < n; i++) sum[i] = 1 / sum[i];
  for (size_t k = 0; k < (size_t)bins; k++)
    for (size_t i = 0; i < n; i++) p[k * ROWS + i] *= sum[i];
}

/* The bin of `at` among knots a, that bin's lower end and size, and those of the same bin among
   knots b; the last size is what the others leave. */
BOLTZ_VECTORISED static void find(int bins, size_t n, const double *restrict pa,
                                  const double *restrict pb, const double *restrict at,
                                  double *restrict index, double *restrict a, double *restrict wa,
                                  double *restrict b, double *restrict wb) {
  double knot_a[ROWS], knot_b[ROWS];
  const double part = 1 - RQ_LEAST * bins;
  for (size_t i = 0; i < n; i++) knot_a[i] = knot_b[i] = index[i] = a[i] = wa[i] = b[i] = wb[i] = 0;
  for (int k = 0; k < bins; k++, pa += ROWS, pb += ROWS) {
    const bool last = k + 1 == bins;
    for (size_t i = 0; i < n; i++) {
      const double ka = knot_a[i], kb = knot_b[i];
      const double size_a = last ? 1 - ka : fma(part, pa[i], RQ_LEAST);
      const double size_b = last ? 1 - kb : fma(part, pb[i], RQ_LEAST);
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

/* d = LEAST + softplus(d + offset) */
BOLTZ_VECTORISED static void soften(size_t n, double *restrict d) {
  for (size_t i = 0; i < n; i++) {
    const double r = d[i] + slope_offset, size = r < 0 ? -r : r;
    const double above = 0 > r ? 0 : r; /* NaN stays NaN */
    d[i] = RQ_LEAST + above + boltz_log(1 + boltz_exp_within(size > 700 ? -700 : -size));
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

/* The raw slope of knot k among the slopes r. */
static double slope_of(const struct rq_ends *ends, const float *r, int k) {
  const int number = rq_raw_slope(ends, k);
  return number >= 0 ? r[number] : 0;
}

static void find_slopes(const struct boltz_rq_spline *spline, size_t n, size_t ld, const float *r,
                        struct rq_found *found) {
  const struct rq_ends ends = boltz_rq_ends_of(spline);
  for (size_t i = 0; i < n; i++) {
    const float *slopes = r + i * ld + 2 * spline->bins;
    const int k = (int)found->index[i];
    found->d0[i] = slope_of(&ends, slopes, k);
    found->d1[i] = slope_of(&ends, slopes, k + 1);
  }
}

/* Rows from n to `whole` stand at 0, */
static void fill_up(size_t n, size_t whole, struct rq_found *found) {
  for (size_t i = n; i < whole; i++) found->at[i] = found->in[i] = found->d0[i] = found->d1[i] = 0;
}

/* on curves of zeros. */
static void fill_up_columns(size_t n, size_t whole, size_t columns, float *column) {
  for (size_t c = 0; c < columns; c++)
    for (size_t i = n; i < whole; i++) column[c * ROWS + i] = 0;
}

void boltz_rq_find(const struct boltz_rq_spline *spline, enum boltz_direction direction, size_t n,
                   size_t ld, const float *r, const double *x, double *work,
                   struct rq_found *found) {
  const size_t bins = (size_t)spline->bins, whole = rq_whole(n);
  double *pw = work, *ph = pw + bins * ROWS;
  float *w = (float *)(ph + bins * ROWS), *h = w + bins * ROWS;
  place(spline, n, x, found->at, found->in);
  fill_up(n, whole, found);
  boltz_rq_turn(n, 2 * bins, r, ld, w, ROWS);
  fill_up_columns(n, whole, 2 * bins, w);
  softmax(spline->bins, whole, ROWS, w, pw);
  softmax(spline->bins, whole, ROWS, h, ph);
  if (direction == BOLTZ_TO_X)
    find(spline->bins, whole, pw, ph, found->at, found->index, found->u, found->w, found->v,
         found->h);
  else
    find(spline->bins, whole, ph, pw, found->at, found->index, found->v, found->h, found->u,
         found->w);
  find_slopes(spline, n, ld, r, found);
  soften(whole, found->d0);
  soften(whole, found->d1);
}

/* ---- One curve for all rows ---- */

/* Lower ends and sizes as find() has them. */
static void share_sizes(int bins, const float *r, double *p, double *knot, double *size,
                        double *work) {
  const double part = 1 - RQ_LEAST * bins;
  double at = 0;
  softmax(bins, 1, 1, r, work);
  for (int k = 0; k < bins; k++) {
    p[k] = work[k * ROWS];
    knot[k] = at;
    size[k] = k + 1 == bins ? 1 - at : fma(part, p[k], RQ_LEAST);
    at += size[k];
  }
}

void boltz_rq_share(const struct boltz_rq_spline *spline, const float *r, struct rq_shared *shared,
                    double *work) {
  const struct rq_ends ends = boltz_rq_ends_of(spline);
  const int bins = spline->bins;
  share_sizes(bins, r, shared->pw, shared->u, shared->w, work);
  share_sizes(bins, r + bins, shared->ph, shared->v, shared->h, work);
  for (int k = 0; k < bins; k++) {
    shared->d0[k] = slope_of(&ends, r + 2 * bins, k);
    shared->d1[k] = slope_of(&ends, r + 2 * bins, k + 1);
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

void boltz_rq_find_shared(const struct boltz_rq_spline *spline, enum boltz_direction direction,
                          size_t n, const struct rq_shared *shared, const double *x,
                          struct rq_found *found) {
  const size_t whole = rq_whole(n);
  place(spline, n, x, found->at, found->in);
  fill_up(n, whole, found);
  count_knots(spline->bins, whole, direction == BOLTZ_TO_X ? shared->u : shared->v, found->at,
              found->index);
  for (size_t i = 0; i < whole; i++) {
    const int k = (int)found->index[i];
    found->u[i] = shared->u[k];
    found->w[i] = shared->w[k];
    found->v[i] = shared->v[k];
    found->h[i] = shared->h[k];
    found->d0[i] = shared->d0[k];
    found->d1[i] = shared->d1[k];
  }
}
