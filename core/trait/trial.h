/* trial.h - an energy tried at points of a fixed sequence, for those who look for what it is like.
 */
#ifndef TRAIT_TRIAL_H
#define TRAIT_TRIAL_H

#include "boltz/energy.h"

#define TRIAL_POINTS 32

struct boltz_trial {
  const struct boltz_energy *energy;
  struct boltz_batch x, y; /* [TRIAL_POINTS, dim] points, and what a symmetry makes of them */
  double u[TRIAL_POINTS];  /* at x */
  struct boltz_arena *scratch;
};

/** Points and their energies, in scratch. Errors: NO_MEMORY. */
enum boltz_status boltz_trial_begin(const struct boltz_energy *energy, struct boltz_arena *scratch,
                                    struct boltz_trial *trial);

/** Site `to` of y becomes site `from` of x; sites have `width` coordinates. */
void boltz_trial_site(struct boltz_trial *trial, int64_t width, int64_t to, int64_t from);

/** Is u at y what it is at x? Points where it is finite at neither tell nothing. */
bool boltz_trial_same(const struct boltz_trial *trial);

/** Is every coordinate real? */
bool boltz_trial_is_real(const struct boltz_energy *energy);

#endif
