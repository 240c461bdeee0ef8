/* rotation.h - does an energy of vectors in the plane know directions? Found by trying, not by its
 * name. */
#ifndef TRAIT_ROTATION_H
#define TRAIT_ROTATION_H

#include "boltz/energy.h"

/**
 * Does u stay what it is when all pairs of coordinates (2 k, 2 k + 1) turn by the same angle, but
 * not when one of them turns alone? Where it does that too, the pairs are apart already, and one
 * pair is always alone. u is compared at points of a fixed sequence.
 * Errors: NO_MEMORY.
 */
enum boltz_status boltz_rotation_find(const struct boltz_energy *energy,
                                      struct boltz_arena *scratch, bool *found);

#endif
