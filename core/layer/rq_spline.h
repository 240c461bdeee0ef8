/* rq_spline.h - a monotone curve of one coordinate, of pieces that are ratios of two quadratics.
 *
 * With u = (x - low)/width in [0, 1] and bins between knots (u_k, v_k) of slopes d_k:
 *   xi = (u - u_k)/w_k,  s = h_k/w_k,  t = xi (1 - xi)
 *   v = v_k + h_k (s xi^2 + d_k t) / (s + (d_k + d_k+1 - 2 s) t)
 * Of a row's parameters r the first `bins` make the widths w, the next the heights h, the rest the
 * slopes d from knot to knot, none of them below LEAST = 1e-3:
 *   w_k = LEAST + (1 - LEAST bins) softmax(r)_k,  u_k = w_0 + ... + w_k-1,  h and v likewise
 *   d_k = LEAST + ln(1 + exp(r + c)),  c = ln(exp(1 - LEAST) - 1): all zero is the identity
 * On a line the first and the last slope are 1 and have no parameter, on a circle they are one.
 * Source: Durkan et al. 2019, arXiv 1906.04032, sec. 3.1; on circles: Rezende et al. 2020, arXiv
 * 2002.02428, sec. 2.3. */
#ifndef LAYER_RQ_SPLINE_H
#define LAYER_RQ_SPLINE_H

#include <stdint.h>

#include "boltz/layer.h"

#define BOLTZ_RQ_BINS_MIN 2
#define BOLTZ_RQ_BINS_MAX 64

/** Rows that are worked on together, and those that a tape has side by side. */
#define BOLTZ_RQ_ROWS 64
#define BOLTZ_RQ_LANES 16

/** What happens at the ends of [low, low + width]. */
enum boltz_rq_ends {
  BOLTZ_RQ_LINE,     /* slope 1, and the identity beyond */
  BOLTZ_RQ_INTERVAL, /* a slope for each, and nothing beyond: NaN */
  BOLTZ_RQ_CIRCLE,   /* they are one point with one slope; what lies beyond is wrapped */
};

struct boltz_rq_spline {
  enum boltz_rq_ends ends;
  int bins;
  double low, width;
};

/** The curve of a coordinate that lives there; a real one's is on [-bound, bound]. */
struct boltz_rq_spline boltz_rq_on(const struct boltz_domain *domain, int bins, double bound);

/** Parameters of a row: 3 bins - 1, 3 bins + 1, 3 bins. */
size_t boltz_rq_parameters(enum boltz_rq_ends ends, int bins);

/**
 * Take a column through one curve and add the log slopes of that to log_det.
 *
 *   r   [parameters]
 *   x   [n]           in and out
 *
 * Errors: none; parameters that overflow leave NaN.
 */
void boltz_rq_apply(const struct boltz_rq_spline *spline, enum boltz_direction direction, size_t n,
                    const float *r, double *x, double *log_det);

/**
 * The gradient back through it.
 *
 *   z     [n]           the coordinate on the side of the latents
 *   glog  [n]           dJ/d(log_det)
 *   g     [n]           dJ/d(out), becomes dJ/d(in)
 *   gr    [parameters]  out: dJ/dr, the sum over rows
 */
void boltz_rq_backward(const struct boltz_rq_spline *spline, enum boltz_direction direction,
                       size_t n, const float *r, const double *z, const double *glog, double *g,
                       float *gr);

/* ---- A curve for each row ----
 *
 * Of parameters that are right to a float; so are the curves, but they are inverted, and their
 * slopes are told, as those above. */

/** Bytes of a tape of n rows. */
size_t boltz_rq_tape(int bins, size_t n);

/** The same of every row by itself: r [n, ld], row i's parameters from r + i ld on; the tape
 * [boltz_rq_tape()] may be NULL. */
void boltz_rq_apply_rows(const struct boltz_rq_spline *spline, enum boltz_direction direction,
                         size_t n, size_t ld, const float *r, double *x, double *log_det,
                         void *tape);

/** And back: gr [n, ld]. */
void boltz_rq_backward_rows(const struct boltz_rq_spline *spline, enum boltz_direction direction,
                            size_t n, size_t ld, const void *tape, const double *z,
                            const double *glog, double *g, float *gr);

/* ---- A curve for every place between edges of a grid ----
 *
 * At an edge stands what a network's parameters make of it: knots and slopes, rounded to floats.
 * Between two edges knots and slopes are between theirs, in proportion: a monotone curve again, and
 * no exponential to take. */

struct boltz_rq_table {
  const float *edge; /* [edges, stride], from the first edge's curve on */
  size_t stride;
};

/** Floats of a curve. */
size_t boltz_rq_table_width(int bins);

/** The curve [boltz_rq_table_width()] of parameters r. */
void boltz_rq_tabulate(const struct boltz_rq_spline *spline, const float *r, float *curve);

/** boltz_rq_apply_rows() with row i's curve between edges cell[i] and cell[i] + 1, part[i] of the
 * way, which is in [0, 1]. */
void boltz_rq_apply_table(const struct boltz_rq_spline *spline, enum boltz_direction direction,
                          size_t n, const struct boltz_rq_table *table, const uint32_t *cell,
                          const float *part, double *x, double *log_det);

#endif
