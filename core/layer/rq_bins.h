/* rq_bins.h - from the parameters of curves to the bins that rows fall into; rq_spline.c and
 * rq_gradient.c stand on it. Rows go together, BOLTZ_RQ_ROWS at most. */
#ifndef LAYER_RQ_BINS_H
#define LAYER_RQ_BINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/layer/rq_spline.h"

#define RQ_LEAST 1e-3 /* of widths, heights and slopes */

/* ln(exp(1 - LEAST) - 1): softplus of it is 1 - LEAST, so that a raw slope of 0 is the slope 1 */
#define RQ_SLOPE_OFFSET 0.53974241723695208

/** The bin of each row: lower knot (u, v), width, height, slopes at both ends. */
struct rq_found {
  double u[BOLTZ_RQ_ROWS], w[BOLTZ_RQ_ROWS], v[BOLTZ_RQ_ROWS], h[BOLTZ_RQ_ROWS];
  double d0[BOLTZ_RQ_ROWS], d1[BOLTZ_RQ_ROWS];
  double at[BOLTZ_RQ_ROWS]; /* where the row stands, in [0, 1] */
  double in[BOLTZ_RQ_ROWS]; /* 0: a row of a line that lies beyond the curve; else 1 */
};

/** What a raw slope is of: its knot, counted so that the raw slopes' first is 0. */
struct rq_ends {
  int first; /* raw slope of knot k is number k - first, */
  int count; /* of so many; */
  bool circle;
};

struct rq_ends boltz_rq_ends_of(const struct boltz_rq_spline *spline);

/** Rows that are worked on instead of n: whole vectors take no longer. */
static inline size_t rq_whole(size_t n) {
  return (n + BOLTZ_RQ_LANES - 1) / BOLTZ_RQ_LANES * BOLTZ_RQ_LANES;
}

/** Where n rows stand, and the rest of rq_whole(n): at 0, not on the curve. On a line and an
 * interval what lies beyond the ends counts as there. */
void boltz_rq_place(const struct boltz_rq_spline *spline, size_t n, const double *x,
                    struct rq_found *found);

/* ---- One curve for all rows ---- */

/** The bins of a curve that all rows share, and the softmaxes that made their sizes. */
struct rq_shared {
  double u[BOLTZ_RQ_BINS_MAX], w[BOLTZ_RQ_BINS_MAX], v[BOLTZ_RQ_BINS_MAX], h[BOLTZ_RQ_BINS_MAX];
  double d0[BOLTZ_RQ_BINS_MAX], d1[BOLTZ_RQ_BINS_MAX];
  double pw[BOLTZ_RQ_BINS_MAX], ph[BOLTZ_RQ_BINS_MAX];
};

void boltz_rq_share(const struct boltz_rq_spline *spline, const float *r, struct rq_shared *shared);

/** `index` [rq_whole(n)] says which bin. */
void boltz_rq_find_shared(const struct boltz_rq_spline *spline, enum boltz_direction direction,
                          size_t n, const struct rq_shared *shared, const double *x, double *index,
                          struct rq_found *found);

/* ---- A curve for every place between edges of a grid ---- */

/** The bins of n <= BOLTZ_RQ_ROWS rows. */
void boltz_rq_find_table(const struct boltz_rq_spline *spline, enum boltz_direction direction,
                         size_t n, const struct boltz_rq_table *table, const uint32_t *cell,
                         const float *part, const double *x, struct rq_found *found);

/* ---- A curve for each row ---- */

/* A loop over lanes i, which must not be undone before it can become vectors. */
#define LANES BOLTZ_RQ_LANES
#ifdef __clang__
#define EACH_LANE for (int i = 0; i < LANES; i++)
#else
#define EACH_LANE _Pragma("GCC unroll 1") for (int i = 0; i < LANES; i++)
#endif

/** The bins of some rows side by side, and what they were found by. A tape has one after the other,
 * each cut off behind the bins that there are: rq_lanes_size(). Sizes are LEAST + scale e. */
struct rq_lanes {
  int32_t index[LANES];
  int32_t u[2][LANES], v[2][LANES]; /* knots at both ends, in units */
  float soft[2][LANES];             /* slopes there: softplus */
  float scale[2][LANES];            /* of widths and heights */
  float e[2 * BOLTZ_RQ_BINS_MAX * LANES];
};

static inline size_t rq_lanes_size(int bins) {
  return offsetof(struct rq_lanes, e) + 2 * (size_t)bins * LANES * sizeof(float);
}

/** to [columns, ld_to] = from [rows, ld_from], turned */
void boltz_rq_turn(size_t rows, size_t columns, const float *from, size_t ld_from, float *to,
                   size_t ld_to);

/** The bins of n <= BOLTZ_RQ_ROWS rows; tape as boltz_rq_apply_rows() has it. */
void boltz_rq_find_rows(const struct boltz_rq_spline *spline, enum boltz_direction direction,
                        size_t n, size_t ld, const float *r, const double *x, void *tape,
                        struct rq_found *found);

/** The same, from a tape. */
void boltz_rq_recall_rows(const struct boltz_rq_spline *spline, size_t n, const void *tape,
                          const double *x, struct rq_found *found);

#endif
