/* rq_table.c - the bins of rows whose curves are read from a table, between those of two edges.
 *
 * A curve is its knots u_1 … u_bins, then v_1 … v_bins, then slopes d_0 … d_bins, each part filled
 * up to whole vectors. Row by row all of it is taken between the edges, and its bin counted out:
 * rows lie anywhere in the table, and vectors that gather from everywhere are no faster.
 *
 * Knots are floats, and so is where a row stands when it is compared with them, rounded down: it is
 * no less than a knot if and only if the double is. Widths are differences of floats as doubles,
 * without a rounding: both ways and the slope agree as doubles do.
 *
 * Source and formulas: rq_spline.h.
 * Golden: tests/golden/make_spline.py. */
#include <math.h>

#include "core/base/vmath.h"
#include "core/layer/rq_bins.h"

#define SIDE 8 /* floats that are counted at once */
#define CURVE_MAX (3 * BOLTZ_RQ_BINS_MAX + SIDE)
#define BEYOND 2.0F /* a knot that no row reaches */

static size_t whole(size_t n) {
  return (n + SIDE - 1) / SIDE * SIDE;
}

size_t boltz_rq_table_width(int bins) {
  return 2 * whole((size_t)bins) + whole((size_t)bins + 1);
}

/* The knots above those that bins begin at. */
static void put_knots(int bins, const double *begin, float *knot) {
  for (size_t k = 0; k < whole((size_t)bins); k++)
    knot[k] = (int)k + 1 < bins ? (float)begin[k + 1] : (int)k < bins ? 1 : BEYOND;
}

void boltz_rq_tabulate(const struct boltz_rq_spline *spline, const float *r, float *curve) {
  struct rq_shared shared;
  const int bins = spline->bins;
  const size_t side = whole((size_t)bins);
  boltz_rq_share(spline, r, &shared);
  put_knots(bins, shared.u, curve);
  put_knots(bins, shared.v, curve + side);
  float *slope = curve + 2 * side;
  for (size_t k = 0; k < whole((size_t)bins + 1); k++)
    slope[k] = (int)k < bins ? (float)shared.d0[k] : (float)shared.d1[bins - 1];
}

/* The largest float that is not above x, x >= 0. */
BOLTZ_INLINE float round_down(double x) {
  const float near = (float)x;
  uint32_t bits;
  memcpy(&bits, &near, sizeof bits);
  bits -= (double)near > x ? 1 : 0;
  float below;
  memcpy(&below, &bits, sizeof below);
  return below;
}

/* The lower end and the size of bin k. A branch would be taken at random. */
BOLTZ_INLINE void take_ends(const float *knot, int k, double *low, double *size) {
  const int any = k > 0;
  *low = any * (double)knot[k - any];
  *size = (double)knot[k] - *low;
}

/* The curve [width] between two. */
BOLTZ_INLINE void blend(size_t width, float part, const float *restrict left,
                        const float *restrict right, float *restrict curve) {
  for (size_t k = 0; k < width; k += SIDE)
    for (size_t j = k; j < k + SIDE; j++) curve[j] = fmaf(part, right[j] - left[j], left[j]);
}

/* How many of the knots are not above `at`. */
BOLTZ_INLINE int count(size_t side, const float *knot, float at) {
  int n = 0;
  for (size_t k = 0; k < side; k += SIDE)
    for (size_t j = k; j < k + SIDE; j++) n += knot[j] <= at;
  return n;
}

BOLTZ_VECTORISED void boltz_rq_find_table(const struct boltz_rq_spline *spline,
                                          enum boltz_direction direction, size_t n,
                                          const struct boltz_rq_table *table, const uint32_t *cell,
                                          const float *part, const double *x,
                                          struct rq_found *found) {
  const int bins = spline->bins;
  const size_t side = whole((size_t)bins), width = boltz_rq_table_width(bins);
  const size_t searched = direction == BOLTZ_TO_X ? 0 : side;
  float at[BOLTZ_RQ_ROWS];
  boltz_rq_place(spline, n, x, found);
  for (size_t i = 0; i < n; i++) at[i] = round_down(found->at[i]);
  for (size_t i = 0; i < n; i++) {
    _Alignas(64) float curve[CURVE_MAX];
    const float *left = table->edge + cell[i] * table->stride;
    blend(width, part[i], left, left + table->stride, curve);
    const int above = count(side, curve + searched, at[i]), k = above < bins ? above : bins - 1;
    take_ends(curve, k, &found->u[i], &found->w[i]);
    take_ends(curve + side, k, &found->v[i], &found->h[i]);
    found->d0[i] = (double)curve[2 * side + (size_t)k];
    found->d1[i] = (double)curve[2 * side + (size_t)k + 1];
  }
  for (size_t i = n; i < rq_whole(n); i++) {
    found->u[i] = found->v[i] = 0;
    found->w[i] = found->h[i] = found->d0[i] = found->d1[i] = 1;
  }
}
