/* table.h - a coupling's two networks of one input as piecewise linear tables. */
#ifndef BOLTZ_NN_TABLE_H
#define BOLTZ_NN_TABLE_H

#include "core/nn/mlp.h"

/**
 * s and t of `moved` coordinates on nodes that lie evenly on [low, low + CELLS/per_unit]; beyond
 * the ends they stay what they are there. A cell holds, for every moved coordinate, s at its left
 * node, its slope in cells, t, its slope.
 */
struct boltz_table {
  double low, per_unit;
  size_t moved;
  float *cells; /* [CELLS, moved, 4] */
};

/**
 * Tabulate scale and shift over the range that x [n] covers and half as much again on either side.
 *
 *   cap   the table's s is cap·tanh(scale/cap), or scale when cap is 0
 *
 * Errors: NO_MEMORY.
 */
enum boltz_status boltz_table_new(const struct boltz_mlp *scale, const struct boltz_mlp *shift,
                                  const float *packed, double cap, size_t n, const double *x,
                                  struct boltz_arena *arena, struct boltz_arena *scratch,
                                  struct boltz_table **table);

/** s [n] and t [n] of moved coordinate number m at x [n]. */
void boltz_table_eval(const struct boltz_table *table, size_t m, size_t n, const double *x,
                      double *s, double *t);

#endif
