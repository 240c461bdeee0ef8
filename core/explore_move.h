/* explore_move.h - how the walkers of some neighbouring rungs move together; explore.c stands on
 * it. */
#ifndef CORE_EXPLORE_MOVE_H
#define CORE_EXPLORE_MOVE_H

#include "boltz/energy.h"

/** Rungs side by side: their walkers are the lanes of one batch, so that loops over samples are
 * long even where a rung has few. Lane r walkers + i is walker i of rung r. */
struct boltz_tile {
  const struct boltz_energy *energy;
  uint64_t seed;
  uint64_t first, lanes; /* the number of the first lane, out of so many of the exploration */
  int rungs;
  size_t walkers;            /* on each of the rungs */
  const double *temperature; /* [rungs] */
  struct boltz_batch x;      /* [rungs walkers, dim] */
  double *u;                 /* [rungs walkers] at the rung's temperature */
  double *width;             /* [rungs, dim] standard deviation of a single coordinate's step */
  double *all;               /* [rungs] factor of the widths when all coordinates move */
  uint64_t energy_calls;
};

/** Widths to begin with. */
void boltz_tile_widths(struct boltz_tile *tile);

/** Go to another random place, the try's own, where u is less: a lane without a place has an
 * infinite u. */
void boltz_tile_try(struct boltz_tile *tile, uint64_t try, struct boltz_arena *scratch);

/** u of x. */
void boltz_tile_evaluate(struct boltz_tile *tile, struct boltz_arena *scratch);

/** A sweep is so many parts: all coordinates at once, and then one of them or, where the energy
 * knows the difference that a site makes, every site, some of them a part. */
int boltz_tile_parts(const struct boltz_energy *energy);

/**
 * Part number `part` of a sweep. With a gain above 0 the steps are tuned for the acceptance:
 * log width += gain (accepted - wanted), rung by rung. Without scratch nothing moves.
 */
void boltz_tile_move(struct boltz_tile *tile, uint64_t sweep, int part, double gain,
                     struct boltz_arena *scratch);

#endif
