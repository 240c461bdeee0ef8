/* lattice.h - does an energy live on a periodic lattice? Found by trying, not by its name. */
#ifndef TRAIT_LATTICE_H
#define TRAIT_LATTICE_H

#include "boltz/energy.h"

#define BOLTZ_AXES_MAX 3

/** Sites in row-major order, each with `width` coordinates. */
struct boltz_lattice {
  int axes; /* 0: none was found */
  int64_t side[BOLTZ_AXES_MAX];
  int64_t width;
};

/**
 * Sides of a lattice on which u stays what it is when all sites move one step along any axis, but
 * not when two sites change places: those of particles that are all alike are no lattice.
 * Sites are the kind's, or single coordinates. u is compared at points of a fixed sequence.
 * Errors: NO_MEMORY.
 */
enum boltz_status boltz_lattice_find(const struct boltz_energy *energy, struct boltz_arena *scratch,
                                     struct boltz_lattice *lattice);

#endif
