/* translation.h - particles in a periodic box: does an energy know where they are, or only how far
 * they are from each other? Found by trying, not by its name. */
#ifndef TRAIT_TRANSLATION_H
#define TRAIT_TRANSLATION_H

#include "boltz/energy.h"

struct boltz_translation {
  int64_t width, sites; /* coordinates of a site; sites = 0: it knows */
  int64_t *parent;      /* [sites] of each but site 0 another one; */
  int64_t *order;       /* [sites - 1] those but site 0, each after its parent */
};

/**
 * Does u stay what it is when all sites, the kind's own, move by the same vector? All coordinates
 * are periodic then. Parents make a tree of those pairs of sites whose energies hang together most:
 * in a chain its bonds, unless the box is so crowded that others weigh more. u is compared at
 * points of a fixed sequence. Errors: NO_MEMORY.
 */
enum boltz_status boltz_translation_find(const struct boltz_energy *energy,
                                         struct boltz_arena *arena,
                                         struct boltz_translation *translation);

#endif
