/* table.c - a coupling's two networks of one coordinate as piecewise linear tables. */
#include "core/nn/table.h"

#define CELLS ((size_t)BOLTZ_TABLE_CELLS)
#define S_MOST 700 /* exp of it is finite, and so is its inverse */

static double capped(double cap, double r) {
  const double s = cap > 0 ? cap * boltz_tanh_double(r / cap) : r;
  return s > S_MOST ? S_MOST : s < -S_MOST ? -S_MOST : s;
}

/* s and t at the edges of cells [edges, moved, 2] that a [edges, ld(in)] is seen at. */
static bool add_edges(const struct boltz_mlp *scale, const struct boltz_mlp *shift,
                      const float *packed, double cap, const float *a, struct boltz_arena *scratch,
                      double *edges) {
  const size_t moved = shift->map[shift->maps - 1].out, ld = boltz_kernel_ld(moved);
  const float *r =
      scale ? boltz_mlp_forward(scale, packed, BOLTZ_GRID_EDGES, a, NULL, scratch) : NULL;
  const float *t = boltz_mlp_forward(shift, packed + (scale ? scale->npacked : 0), BOLTZ_GRID_EDGES,
                                     a, NULL, scratch);
  if ((scale && !r) || !t) return false;
  for (size_t e = 0; e < BOLTZ_GRID_EDGES; e++)
    for (size_t m = 0; m < moved; m++) {
      *edges++ = r ? capped(cap, r[e * ld + m]) : 0;
      *edges++ = t[e * ld + m];
    }
  return true;
}

/* Cells between edges [CELLS + 1, moved, 2]. */
static void join_edges(const struct boltz_table *table, const double *edges) {
  const size_t moved = table->moved;
  for (size_t k = 0; k < CELLS * moved; k++) {
    const double *left = edges + 2 * k, *right = left + 2 * moved;
    double *cell = table->cells + 4 * k;
    for (int which = 0; which < 2; which++) {
      cell[2 * which] = 0.5 * (left[which] + right[which]);
      cell[2 * which + 1] = right[which] - left[which];
    }
  }
}

enum boltz_status boltz_table_new(const struct boltz_mlp *scale, const struct boltz_mlp *shift,
                                  const float *packed, double cap, const struct boltz_grid *grid,
                                  const float *a, struct boltz_arena *arena,
                                  struct boltz_arena *scratch, struct boltz_table **out) {
  const size_t moved = shift->map[shift->maps - 1].out;
  struct boltz_table *table = *out = BOLTZ_NEW(arena, struct boltz_table);
  double *edges = boltz_arena_scratch(scratch, BOLTZ_GRID_EDGES, moved * 2 * sizeof *edges);
  if (!table || !edges) return BOLTZ_NO_MEMORY;
  *table = (struct boltz_table){
      .kernel = shift->kernel,
      .grid = *grid,
      .moved = moved,
      .cells = boltz_arena_alloc(arena, CELLS, moved * 4 * sizeof *table->cells),
  };
  if (!table->cells || !add_edges(scale, shift, packed, cap, a, scratch, edges))
    return BOLTZ_NO_MEMORY;
  join_edges(table, edges);
  return BOLTZ_OK;
}

void boltz_table_eval(const struct boltz_table *table, size_t m, size_t n, const double *x,
                      double *s, double *t) {
  const struct boltz_cells cells = {.per_unit = table->grid.per_unit,
                                    .offset = table->grid.offset,
                                    .cell = table->cells + 4 * m,
                                    .stride = 4 * table->moved};
  table->kernel->columns->lookup(&cells, n, x, s, t);
}
