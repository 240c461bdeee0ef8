/* columns_portable.c - the column functions for every processor, as plain loops. */
#include "core/kernel/columns.h"

static void uniforms(uint64_t seed, enum boltz_stream stream, uint64_t first, uint32_t block,
                     size_t n, double u[2][BOLTZ_COLUMN_LANES]) {
  for (size_t i = 0; i < n; i++) {
    double two[2];
    boltz_rng_uniform(seed, stream, first + i, block, two);
    u[0][i] = two[0];
    u[1][i] = two[1];
  }
}

static void lookup(const struct boltz_cells *cells, size_t n, const double *x, double *s,
                   double *t) {
  for (size_t i = 0; i < n; i++) {
    const double at = boltz_table_at(x[i], cells->per_unit, cells->offset);
    const double k = (at + BOLTZ_ROUNDER) - BOLTZ_ROUNDER, part = at - k;
    const double *cell = cells->cell + (size_t)k * cells->stride;
    s[i] = fma(part, cell[1], cell[0]);
    t[i] = fma(part, cell[3], cell[2]);
  }
}

const struct boltz_columns boltz_columns_portable = {.uniforms = uniforms, .lookup = lookup};
