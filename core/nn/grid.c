/* grid.c - the cells of a line over which functions of one coordinate are tabulated. */
#include "core/nn/grid.h"

#include <math.h>

struct boltz_grid boltz_grid_between(double low, double high) {
  const double per_unit = (BOLTZ_TABLE_HIGH - BOLTZ_TABLE_LOW) / (high - low);
  return (struct boltz_grid){per_unit, BOLTZ_TABLE_LOW - low * per_unit};
}

struct boltz_grid boltz_grid_around(size_t n, const double *x) {
  double low = n ? x[0] : 0, high = low;
  for (size_t i = 1; i < n; i++) {
    if (x[i] < low) low = x[i];
    if (x[i] > high) high = x[i];
  }
  const double more = 0.5 * (high - low);
  low -= more;
  high += more;
  /* A coordinate that does not vary, or a flow that is not finite: any range will do. */
  return high - low > 0 && isfinite(high - low) ? boltz_grid_between(low, high)
                                                : boltz_grid_between(-1, 1);
}

double boltz_grid_edge(const struct boltz_grid *grid, size_t e) {
  const double at = (double)e - 0.5;
  const double inner = fmin(fmax(at, BOLTZ_TABLE_LOW), BOLTZ_TABLE_HIGH);
  return (inner + BOLTZ_TABLE_WIDER * (at - inner) - grid->offset) / grid->per_unit;
}

BOLTZ_VECTORISED void boltz_grid_find(const struct boltz_grid *grid, size_t n,
                                      const double *restrict x, uint32_t *restrict cell,
                                      float *restrict part) {
  for (size_t i = 0; i < n; i++) {
    const double at = boltz_table_at(x[i], grid->per_unit, grid->offset);
    const double k = (at + BOLTZ_ROUNDER) - BOLTZ_ROUNDER;
    cell[i] = (uint32_t)(int32_t)k;
    part[i] = (float)(at - k + 0.5);
  }
}
