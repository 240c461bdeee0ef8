/* grid.h - the cells of a line over which functions of one coordinate are tabulated. */
#ifndef BOLTZ_NN_GRID_H
#define BOLTZ_NN_GRID_H

#include <stddef.h>
#include <stdint.h>

#include "core/kernel/columns.h"

/**
 * BOLTZ_TABLE_CELLS cells. Where samples come they are narrow; the outer ones, BOLTZ_TABLE_WIDER
 * times as wide, are for one in millions, which would weigh as much as thousands if it found
 * nothing there. x per_unit + offset is k in the middle of narrow cell k.
 */
struct boltz_grid {
  double per_unit, offset;
};

/** Edges of the cells. */
#define BOLTZ_GRID_EDGES (BOLTZ_TABLE_CELLS + 1)

/** Narrow cells from low to high. */
struct boltz_grid boltz_grid_between(double low, double high);

/** Narrow cells over the range that x [n] covers and half as much again on either side, wide ones
 * over four times that on either side of it. */
struct boltz_grid boltz_grid_around(size_t n, const double *x);

/** Where edge e is, which stands between cells e - 1 and e. */
double boltz_grid_edge(const struct boltz_grid *grid, size_t e);

/** The cell of each x [n], and where it is between that one's edges, in [0, 1]. What lies in the
 * outer halves of the first and the last cell, and beyond, is taken to their middles; NaN is
 * looked up as -Infinity. */
void boltz_grid_find(const struct boltz_grid *grid, size_t n, const double *x, uint32_t *cell,
                     float *part);

#endif
