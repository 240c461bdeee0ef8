/* table.h - a coupling's two networks of one coordinate as piecewise linear tables. */
#ifndef BOLTZ_NN_TABLE_H
#define BOLTZ_NN_TABLE_H

#include "core/nn/grid.h"
#include "core/nn/mlp.h"

/**
 * s and t of `moved` coordinates over the cells of a grid, linear within each; in the outer halves
 * of the first and the last cell, and beyond, they stay what they are. A cell holds, for every
 * moved coordinate, s at its middle, what s gains over the cell, t, what t gains.
 */
struct boltz_table {
  const struct boltz_kernel *kernel;
  struct boltz_grid grid;
  size_t moved;
  double *cells; /* [BOLTZ_TABLE_CELLS, moved, 4] */
};

/**
 * Tabulate scale and shift.
 *
 *   scale   NULL: s is 0
 *   packed  the weights of scale, if there is one, then shift's
 *   cap     the table's s is cap·tanh(scale/cap), or scale when cap is 0; beyond 700 it is held
 *   a       what the networks see at the grid's edges [BOLTZ_GRID_EDGES, ld(in)]
 *
 * Errors: NO_MEMORY.
 */
enum boltz_status boltz_table_new(const struct boltz_mlp *scale, const struct boltz_mlp *shift,
                                  const float *packed, double cap, const struct boltz_grid *grid,
                                  const float *a, struct boltz_arena *arena,
                                  struct boltz_arena *scratch, struct boltz_table **table);

/** s [n] and t [n] of moved coordinate number m at x [n]. */
void boltz_table_eval(const struct boltz_table *table, size_t m, size_t n, const double *x,
                      double *s, double *t);

#endif
