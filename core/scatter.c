/* scatter.c - random places to start from, for energies of any scale. */
#include "core/scatter.h"

#include <math.h>

#include "boltz/rng.h"

#define SPREAD_LOW 0.5  /* real coordinates start with a spread from here … */
#define SPREAD_HIGH 8.0 /* … to here, so that some walker suits any energy's scale */

static double spread(struct boltz_walkers walkers, size_t i) {
  const double fraction = ((double)(walkers.first + i) + 0.5) / (double)walkers.all;
  return SPREAD_LOW * pow(SPREAD_HIGH / SPREAD_LOW, fraction);
}

void boltz_scatter(const struct boltz_energy *energy, uint64_t seed, uint64_t index,
                   struct boltz_walkers walkers, struct boltz_batch *y) {
  boltz_rng_normals(seed, BOLTZ_STREAM_START, index, y);
  for (size_t i = 0; i < y->n; i++) {
    const double factor = spread(walkers, i);
    for (int j = 0; j < y->dim; j++) {
      const struct boltz_domain *domain = &energy->domain[j];
      if (domain->type == BOLTZ_REAL) {
        y->col[j][i] *= factor;
        continue;
      }
      /* Blocks past those of the normals, whose bits are spoken for. */
      double pair[2];
      boltz_rng_uniform(seed, BOLTZ_STREAM_START, index + i, (uint32_t)(y->dim + j), pair);
      y->col[j][i] = domain->low + (domain->high - domain->low) * pair[0];
    }
  }
}
