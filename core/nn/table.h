/* table.h - a coupling's two networks of one input as piecewise linear tables. */
#ifndef BOLTZ_NN_TABLE_H
#define BOLTZ_NN_TABLE_H

#include "core/nn/mlp.h"

/**
 * s and t of `moved` coordinates over BOLTZ_TABLE_CELLS cells, linear within each. Where samples
 * come cells are narrow; the outer ones, BOLTZ_TABLE_WIDER times as wide, are for one in millions,
 * which would weigh as much as thousands if it found nothing there. In the outer halves of the
 * first and the last cell, and beyond, s and t stay what they are. A cell holds, for every moved
 * coordinate, s at its middle, what s gains over the cell, t, what t gains.
 */
struct boltz_table {
  const struct boltz_kernel *kernel;
  double per_unit, offset; /* x per_unit + offset is k in the middle of narrow cell k */
  size_t moved;
  double *cells; /* [BOLTZ_TABLE_CELLS, moved, 4] */
};

/**
 * Tabulate scale and shift: in narrow cells over the range that x [n] covers and half as much again
 * on either side, in wide ones over four times that on either side of it.
 *
 *   cap   the table's s is cap·tanh(scale/cap), or scale when cap is 0; beyond 700 it is held there
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
