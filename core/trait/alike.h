/* alike.h - which sites of an energy are all alike? Found by trying, not by their names. */
#ifndef TRAIT_ALIKE_H
#define TRAIT_ALIKE_H

#include "boltz/energy.h"

#define BOLTZ_ALIKE_MOST 4 /* classes */

/** Classes of two or more sites; what is like no other is in none. */
struct boltz_alike {
  int64_t width; /* coordinates of a site */
  int classes;
  struct {
    int64_t n;
    int64_t *site; /* [n], ascending */
  } of[BOLTZ_ALIKE_MOST];
};

/**
 * Sites, the kind's own, whose exchange leaves u what it is. A kind that has no sites has no class.
 * Errors: NO_MEMORY.
 */
enum boltz_status boltz_alike_find(const struct boltz_energy *energy, struct boltz_arena *arena,
                                   struct boltz_alike *alike);

#endif
