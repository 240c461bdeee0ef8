/* descent.h - minima of a function by descent from many starts side by side.
 *
 * Who descends evaluates: boltz_descent_trial() says where, boltz_descent_advance() is told what
 * was found there. */
#ifndef LINEAR_DESCENT_H
#define LINEAR_DESCENT_H

#include "boltz/batch.h"

struct boltz_descent;

/** Rows start at x [n, dim]. Errors: NO_MEMORY. */
enum boltz_status boltz_descent_new(const struct boltz_batch *x, struct boltz_arena *arena,
                                    struct boltz_descent **descent);

/** Points to look at [m, dim]: one for every row that still moves. */
const struct boltz_batch *boltz_descent_trial(const struct boltz_descent *descent);

/** u [m] and its gradient g [m, dim] at the trial points; false once no row moves. A u that is not
 * finite is a step too far. */
bool boltz_descent_advance(struct boltz_descent *descent, const double *u,
                           const struct boltz_batch *g);

/** Where row i stands, of what was found so far. */
struct boltz_descent_row {
  const double *x, *g; /* [dim] */
  double u;            /* +infinity: nothing finite was found */
  double fall;         /* what the next step would change u by, >= 0 */
};
struct boltz_descent_row boltz_descent_row(const struct boltz_descent *descent, size_t i);

#endif
