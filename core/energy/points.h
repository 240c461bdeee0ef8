/* points.h - points of a domain, for trying an energy that nobody knows yet. */
#ifndef BOLTZ_ENERGY_POINTS_H
#define BOLTZ_ENERGY_POINTS_H

#include "boltz/energy.h"

/** Points first … of a fixed sequence into x [n, dim]: uniform in a bounded domain; normal, of four
 * spreads and every other time positive, where there is none. */
void boltz_points_draw(const struct boltz_domain *domain, uint64_t first, struct boltz_batch *x);

#endif
