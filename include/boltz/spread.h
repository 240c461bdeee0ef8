/* spread.h - how evenly configurations lie over a reaction coordinate.
 *
 *   k_b(s) = exp(-(s - c_b)^2/(2 w^2)) / sum of these over all b,  h_b = mean of k_b(s(x))
 *   J_RC = sum of h_b ln h_b
 *
 * over 11 kernels, c_b evenly from low to high, w = (high - low)/11. It is least, -ln 11, where all
 * h_b are the same. Source: Noe et al. 2019, Science 365, eaaw1147, supplement. */
#ifndef BOLTZ_SPREAD_H
#define BOLTZ_SPREAD_H

#include "boltz/energy.h"

#define BOLTZ_SPREAD_KERNELS 11

struct boltz_spread;

/**
 * Of the coordinate `of`: x1 … or a formula of them, on [low, high].
 * Errors: UNKNOWN_NAME, OUT_OF_RANGE, NO_MEMORY, with a pointer from the stage that has members
 * rc_of, rc_low and rc_high.
 */
enum boltz_status boltz_spread_new(const struct boltz_energy *energy, const char *of, double low,
                                   double high, struct boltz_arena *arena,
                                   struct boltz_spread **spread);

/** Add the kernels of each row of x to h; rows whose coordinate is not finite do not count. Returns
 * how many do. Errors: exhausted scratch shows in boltz_arena_exhausted(). Threads: writes h. */
size_t boltz_spread_add(const struct boltz_spread *spread, const struct boltz_batch *x,
                        double h[BOLTZ_SPREAD_KERNELS], struct boltz_arena *scratch);

/** J_RC of these means; NaN of no rows'. */
double boltz_spread_loss(const double h[BOLTZ_SPREAD_KERNELS]);

/** Add factor d(sum of k_b(s(x)) ln h_b)/dx of each row that counts to g [n, dim]: with factor
 * 1/rows it is dJ_RC/dx, h the means over these rows. Errors: exhausted scratch leaves NaN.
 * Threads: writes g.
 */
void boltz_spread_gradient(const struct boltz_spread *spread, const double h[BOLTZ_SPREAD_KERNELS],
                           double factor, const struct boltz_batch *x, struct boltz_batch *g,
                           struct boltz_arena *scratch);

#endif
