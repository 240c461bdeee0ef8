/* points.c - points of a domain, for trying an energy that nobody knows yet. */
#include "core/energy/points.h"

#include <math.h>

#include "boltz/rng.h"

void boltz_points_draw(const struct boltz_domain *domain, uint64_t first, struct boltz_batch *x) {
  static const double spread[] = {0.1, 1, 10, 100};
  for (int j = 0; j < x->dim; j++) {
    const struct boltz_domain *place = &domain[j];
    for (size_t i = 0; i < x->n; i++) {
      const uint64_t index = first + i;
      double u[2], z[2];
      boltz_rng_uniform(1, BOLTZ_STREAM_START, index, (uint32_t)j, u);
      boltz_rng_normal(1, BOLTZ_STREAM_START, index, (uint32_t)j, z);
      const double real = spread[index % 4] * (index / 4 % 2 ? fabs(z[0]) : z[0]);
      x->col[j][i] =
          place->type == BOLTZ_REAL ? real : place->low + u[0] * (place->high - place->low);
    }
  }
}
