/* quadratic.h - is an energy a quadratic form? Found by trying, not by its name. */
#ifndef TRAIT_QUADRATIC_H
#define TRAIT_QUADRATIC_H

#include "boltz/energy.h"

/**
 * Is the gradient of u linear, of coordinates that are all real? Half way between two points of a
 * fixed sequence it must be the mean of what it is at them.
 * Errors: NO_MEMORY.
 */
enum boltz_status boltz_quadratic_find(const struct boltz_energy *energy,
                                       struct boltz_arena *scratch, bool *found);

#endif
