/* scatter.h - random places to start from, for energies of any scale. */
#ifndef CORE_SCATTER_H
#define CORE_SCATTER_H

#include "boltz/energy.h"

/** Some walkers out of many. */
struct boltz_walkers {
  size_t first, all;
};

/**
 * Fill y [n, dim] with places of walkers first … first + n - 1 out of `all`, walker first + i by
 * the random numbers (seed, BOLTZ_STREAM_START, index + i): an interval or periodic coordinate
 * uniform in its domain, a real one normal with a spread that differs between walkers, 0.5 … 8.
 */
void boltz_scatter(const struct boltz_energy *energy, uint64_t seed, uint64_t index,
                   struct boltz_walkers walkers, struct boltz_batch *y);

#endif
