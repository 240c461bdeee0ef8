/* columns.h - vector functions over columns of doubles that a compiler does not find by itself. */
#ifndef BOLTZ_KERNEL_COLUMNS_H
#define BOLTZ_KERNEL_COLUMNS_H

#include <stddef.h>

#include "boltz/rng.h"
#include "core/base/vmath.h"

/** Random numbers that are made together, at most. */
#define BOLTZ_COLUMN_LANES 64

/** Cells of a piecewise linear table, of them on either side those that are so many times as wide
 * as the ones between; see nn/grid.h. */
#define BOLTZ_TABLE_CELLS 640
#define BOLTZ_TABLE_OUTER 64
#define BOLTZ_TABLE_WIDER 32

/** Where the narrow cells begin and end; cell k reaches from k - 1/2 to k + 1/2. */
#define BOLTZ_TABLE_LOW (BOLTZ_TABLE_OUTER - 0.5)
#define BOLTZ_TABLE_HIGH (BOLTZ_TABLE_CELLS - BOLTZ_TABLE_OUTER - 0.5)

/** Where x is among the cells: a = fma(x, per_unit, offset), b = a held in [LOW, HIGH], then
 * fma(a - b, 1/WIDER, b), held in [0, CELLS - 1]. NaN is -Infinity. */
BOLTZ_INLINE double boltz_table_at(double x, double per_unit, double offset) {
  const double a = fma(x, per_unit, offset);
  double b = a > BOLTZ_TABLE_LOW ? a : BOLTZ_TABLE_LOW;
  b = b < BOLTZ_TABLE_HIGH ? b : BOLTZ_TABLE_HIGH;
  double at = fma(a - b, 1.0 / BOLTZ_TABLE_WIDER, b);
  at = at > 0 ? at : 0;
  return at < BOLTZ_TABLE_CELLS - 1 ? at : BOLTZ_TABLE_CELLS - 1;
}

/** One moved coordinate's cells: {s, slope of s, t, slope of t} every `stride` doubles. */
struct boltz_cells {
  double per_unit, offset;
  const double *cell;
  size_t stride;
};

struct boltz_columns {
  /* Uniforms in (0, 1) of indices first … first + n - 1, n a multiple of 4 up to
     BOLTZ_COLUMN_LANES: the pairs u[0][i], u[1][i] that boltz_rng_uniform() gives. */
  void (*uniforms)(uint64_t seed, enum boltz_stream stream, uint64_t first, uint32_t block,
                   size_t n, double u[2][BOLTZ_COLUMN_LANES]);

  /* s [n], t [n] at x [n]: at = boltz_table_at(x), k = at rounded to the nearest even; s = fma(at -
     k, slope, s) of cell k, t likewise. */
  void (*lookup)(const struct boltz_cells *cells, size_t n, const double *x, double *s, double *t);
};

extern const struct boltz_columns boltz_columns_portable;
#ifdef __x86_64__
extern const struct boltz_columns boltz_columns_avx2;
#endif

#endif
