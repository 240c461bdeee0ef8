/* rq_rows.c - the bins of rows that each have a curve of their own, from the parameters that a
 * network in float gave them.
 *
 * A curve is no more exact than its parameters, so exponentials, sizes and slopes are floats:
 *
 *   scale = (1 - LEAST bins)/sum of e_k, e_k = exp(r_k - the largest); size_k = LEAST + scale e_k
 *   slope = ln(1 + exp(r + offset)) + a constant that makes it 1 of r = 0
 *
 * A size is then cut to a multiple of 2^-30, so that sums of sizes, the knots, are exact, and knots
 * and widths are doubles without a rounding: both ways and the slope agree as doubles do.
 *
 * Rows go as columns, BOLTZ_RQ_LANES at a time: a vector of floats, or a few. Sums of a row run
 * over its bins in their order, and every recipe is exact: no vector width changes a bit.
 *
 * Source and formulas: rq_spline.h.
 * Golden: tests/golden/make_spline.py. */
#include <math.h>
#include <string.h>

#include "core/base/vmath.h"
#include "core/layer/rq_bins.h"

#define UNITS (1 << 30) /* of sizes in 1 */
#define PARAMETERS_MAX (3 * BOLTZ_RQ_BINS_MAX + 1)

/* ---- Rows to columns ---- */

#define SIDE ((size_t)8)
typedef float eight __attribute__((vector_size(32), aligned(4), may_alias));

/* Eight by eight: neighbours are exchanged, then pairs, then halves. */
BOLTZ_INLINE void turn_square(const float *from, size_t ld_from, float *to, size_t ld_to) {
  eight a[SIDE], b[SIDE];
#define ROW(k) a[k] = *(const eight *)(from + (k)*ld_from)
#define NEXT(i)                                                              \
  b[i] = __builtin_shufflevector(a[i], a[i + 1], 0, 8, 2, 10, 4, 12, 6, 14), \
  b[i + 1] = __builtin_shufflevector(a[i], a[i + 1], 1, 9, 3, 11, 5, 13, 7, 15)
#define PAIR(i)                                                             \
  a[i] = __builtin_shufflevector(b[i], b[i + 2], 0, 1, 8, 9, 4, 5, 12, 13), \
  a[i + 2] = __builtin_shufflevector(b[i], b[i + 2], 2, 3, 10, 11, 6, 7, 14, 15)
#define TO(k) *(eight *)(to + (k)*ld_to)
#define HALF(i)                                                              \
  TO(i) = __builtin_shufflevector(a[i], a[i + 4], 0, 1, 2, 3, 8, 9, 10, 11), \
  TO((i) + 4) = __builtin_shufflevector(a[i], a[i + 4], 4, 5, 6, 7, 12, 13, 14, 15)
  ROW(0), ROW(1), ROW(2), ROW(3), ROW(4), ROW(5), ROW(6), ROW(7);
  NEXT(0), NEXT(2), NEXT(4), NEXT(6);
  PAIR(0), PAIR(1), PAIR(4), PAIR(5);
  HALF(0), HALF(1), HALF(2), HALF(3);
#undef ROW
#undef NEXT
#undef PAIR
#undef TO
#undef HALF
}

/* Where the square after the one at `at` begins: the last one overlaps. */
static size_t next_square(size_t at, size_t n) {
  return at + SIDE < n && at + 2 * SIDE > n ? n - SIDE : at + SIDE;
}

BOLTZ_VECTORISED void boltz_rq_turn(size_t rows, size_t columns, const float *restrict from,
                                    size_t ld_from, float *restrict to, size_t ld_to) {
  if (rows >= SIDE && columns >= SIDE) {
    for (size_t r = 0; r < rows; r = next_square(r, rows))
      for (size_t c = 0; c < columns; c = next_square(c, columns))
        turn_square(from + r * ld_from + c, ld_from, to + c * ld_to + r, ld_to);
    return;
  }
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < columns; c++) to[c * ld_to + r] = from[r * ld_from + c];
}

/* ---- Parameters to a bin ---- */

/* e and scale of rows whose parameters are columns r [bins, LANES]. */
BOLTZ_INLINE void exponentials(int bins, const float *restrict r, float *restrict e,
                               float *restrict scale) {
  float most[LANES], sum[LANES];
  const float part = (float)(1 - RQ_LEAST * bins);
  EACH_LANE most[i] = r[i], sum[i] = 0;
  for (int k = 1; k < bins; k++)
    EACH_LANE most[i] = r[k * LANES + i] > most[i] ? r[k * LANES + i] : most[i];
  for (int k = 0; k < bins; k++) EACH_LANE {
      const float own = boltz_exp_float(r[k * LANES + i] - most[i]);
      e[k * LANES + i] = own;
      sum[i] += own;
    }
  EACH_LANE scale[i] = part * (1 / sum[i]);
}

/* Raw slopes of knots 0 … bins, columns each; 1 is the slope of an end that has none. */
struct slopes {
  struct rq_ends ends;
  const float *raw; /* [ends.count, LANES] */
};

static const float none[LANES];

BOLTZ_INLINE const float *slope_of(const struct slopes *slopes, int knot) {
  const struct rq_ends *ends = &slopes->ends;
  const int number = ends->circle && knot == ends->count ? 0 : knot - ends->first;
  return number >= 0 && number < ends->count ? slopes->raw + number * LANES : none;
}

/* Sizes of all bins in units; 0 of NaN, which the scale shows. */
BOLTZ_INLINE void sizes_of(int bins, const float *restrict e, const float *restrict scale,
                           int32_t *restrict size) {
  for (int k = 0; k < bins; k++) EACH_LANE {
      const float own = UNITS * fmaf(scale[i], e[k * LANES + i], (float)RQ_LEAST);
      size[k * LANES + i] = (int32_t)(own > 0 ? own : 0);
    }
}

/* Lanes as one vector, which stays in registers from bin to bin. */
typedef int32_t many __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
#define CHOOSE(mask, yes, no) (((yes) & (mask)) | ((no) & ~(mask)))
#define AT(p) (*(many *)(p))

/* A size for each bin; where to put the knots of the one that is found. */
struct sizes {
  int32_t size[BOLTZ_RQ_BINS_MAX * LANES];
  int32_t *low, *high;
};

/* The bin of `at` among the knots of a: its ends there and among those of b, raw slopes there. The
   last bin is what the others leave. */
BOLTZ_INLINE void find(int bins, const int32_t *at, const struct sizes *a, const struct sizes *b,
                       const struct slopes *slopes, int32_t *index, float *raw0, float *raw1) {
  many last_a = {0}, last_b = {0}, number = {0}, first = {0}, second = {0};
  many low_a = {0}, high_a = {0}, low_b = {0}, high_b = {0};
  for (int k = 0; k < bins; k++) {
    many next_a = last_a + AT(a->size + k * LANES), next_b = last_b + AT(b->size + k * LANES);
    if (k + 1 == bins) next_a = next_b = (many){0} + UNITS;
    const many here = AT(at) >= last_a;
    number = CHOOSE(here, (many){0} + k, number);
    low_a = CHOOSE(here, last_a, low_a);
    high_a = CHOOSE(here, next_a, high_a);
    low_b = CHOOSE(here, last_b, low_b);
    high_b = CHOOSE(here, next_b, high_b);
    first = CHOOSE(here, AT(slope_of(slopes, k)), first);
    second = CHOOSE(here, AT(slope_of(slopes, k + 1)), second);
    last_a = next_a;
    last_b = next_b;
  }
  AT(index) = number;
  AT(raw0) = first;
  AT(raw1) = second;
  AT(a->low) = low_a;
  AT(a->high) = high_a;
  AT(b->low) = low_b;
  AT(b->high) = high_b;
}

/* ln(1 + exp(raw + offset)) */
BOLTZ_INLINE float soften(float raw) {
  const float r = raw + (float)RQ_SLOPE_OFFSET, size = r < 0 ? -r : r;
  const float above = 0 > r ? 0 : r; /* NaN stays NaN */
  return above + boltz_log1p_float(boltz_exp_float(-size));
}

/* Parameters are columns r [parameters, LANES]. */
BOLTZ_VECTORISED static void find_lanes(const struct boltz_rq_spline *spline,
                                        const struct rq_ends *ends, enum boltz_direction direction,
                                        const float *restrict r, const double *restrict at,
                                        struct rq_lanes *restrict lanes) {
  const int bins = spline->bins;
  int32_t units[LANES];
  float *ew = lanes->e, *eh = ew + bins * LANES, raw0[LANES], raw1[LANES];
  struct sizes w, h;
  const struct slopes slopes = {*ends, r + 2 * bins * LANES};
  const bool to_x = direction == BOLTZ_TO_X;
  exponentials(bins, r, ew, lanes->scale[0]);
  exponentials(bins, r + bins * LANES, eh, lanes->scale[1]);
  sizes_of(bins, ew, lanes->scale[0], w.size);
  sizes_of(bins, eh, lanes->scale[1], h.size);
  w.low = lanes->u[0], w.high = lanes->u[1];
  h.low = lanes->v[0], h.high = lanes->v[1];
  EACH_LANE units[i] = (int32_t)(UNITS * (at[i] > 0 ? at[i] : 0));
  find(bins, units, to_x ? &w : &h, to_x ? &h : &w, &slopes, lanes->index, raw0, raw1);
  EACH_LANE {
    lanes->soft[0][i] = soften(raw0[i]);
    lanes->soft[1][i] = soften(raw1[i]);
  }
}

/* Of rows from `first` on. */
BOLTZ_VECTORISED static void widen(const struct rq_lanes *restrict lanes, size_t first,
                                   struct rq_found *restrict found) {
  const double rest = 1 - (double)soften(0), unit = 1.0 / UNITS;
  EACH_LANE {
    const size_t to = first + (size_t)i;
    const double bad_w = (double)lanes->scale[0][i] - (double)lanes->scale[0][i]; /* 0 or NaN */
    const double bad_h = (double)lanes->scale[1][i] - (double)lanes->scale[1][i];
    found->u[to] = lanes->u[0][i] * unit;
    found->w[to] = (lanes->u[1][i] - lanes->u[0][i]) * unit + bad_w;
    found->v[to] = lanes->v[0][i] * unit;
    found->h[to] = (lanes->v[1][i] - lanes->v[0][i]) * unit + bad_h;
    found->d0[to] = (double)lanes->soft[0][i] + rest;
    found->d1[to] = (double)lanes->soft[1][i] + rest;
  }
}

void boltz_rq_find_rows(const struct boltz_rq_spline *spline, enum boltz_direction direction,
                        size_t n, size_t ld, const float *r, const double *x, void *tape,
                        struct rq_found *found) {
  _Alignas(64) float columns[PARAMETERS_MAX * LANES];
  struct rq_lanes own;
  const struct rq_ends ends = boltz_rq_ends_of(spline);
  const size_t parameters = 2 * (size_t)spline->bins + (size_t)ends.count;
  boltz_rq_place(spline, n, x, found);
  for (size_t first = 0; first < n; first += LANES) {
    const size_t rows = n - first < LANES ? n - first : LANES;
    struct rq_lanes *lanes = tape ? tape : &own;
    if (rows < LANES) memset(columns, 0, parameters * LANES * sizeof *columns);
    boltz_rq_turn(rows, parameters, r + first * ld, ld, columns, LANES);
    find_lanes(spline, &ends, direction, columns, found->at + first, lanes);
    widen(lanes, first, found);
    if (tape) tape = (char *)tape + rq_lanes_size(spline->bins);
  }
}

void boltz_rq_recall_rows(const struct boltz_rq_spline *spline, size_t n, const void *tape,
                          const double *x, struct rq_found *found) {
  boltz_rq_place(spline, n, x, found);
  for (size_t first = 0; first < n; first += LANES) {
    widen(tape, first, found);
    tape = (const char *)tape + rq_lanes_size(spline->bins);
  }
}
