/* table.c - a coupling's two networks of one input as piecewise linear tables. */
#include "core/nn/table.h"

#include <math.h>

#include "core/base/vmath.h"

#define CELLS ((size_t)BOLTZ_TABLE_CELLS)
#define EDGES_AT_ONCE 256
#define S_MOST 700 /* exp of it is finite, and so is its inverse */

/* The least and the largest x, and half their distance more. */
static void find_range(size_t n, const double *x, double *low, double *high) {
  *low = *high = n ? x[0] : 0;
  for (size_t i = 1; i < n; i++) {
    if (x[i] < *low) *low = x[i];
    if (x[i] > *high) *high = x[i];
  }
  const double more = 0.5 * (*high - *low);
  *low -= more;
  *high += more;
  /* A coordinate that does not vary, or a flow that is not finite: any range will do. */
  if (!(*high - *low > 0 && isfinite(*high - *low))) *low = -1, *high = 1;
}

static double capped(double cap, double r) {
  const double s = cap > 0 ? cap * boltz_tanh_double(r / cap) : r;
  return s > S_MOST ? S_MOST : s < -S_MOST ? -S_MOST : s;
}

/* Where x is at edge e, which stands between cells e - 1 and e. */
static double edge_at(const struct boltz_table *table, size_t e) {
  const double at = (double)e - 0.5;
  const double inner = fmin(fmax(at, BOLTZ_TABLE_LOW), BOLTZ_TABLE_HIGH);
  return (inner + BOLTZ_TABLE_WIDER * (at - inner) - table->offset) / table->per_unit;
}

/* s and t at the edges of cells, number first ... first + n - 1. false: scratch is exhausted. */
static bool add_edges(const struct boltz_table *table, const struct boltz_mlp *scale,
                      const struct boltz_mlp *shift, const float *packed, double cap, size_t first,
                      size_t n, struct boltz_arena *scratch, double *edges) {
  const size_t moved = table->moved, ld_in = boltz_kernel_ld(1), ld = boltz_kernel_ld(moved);
  float *a = boltz_arena_scratch(scratch, n, ld_in * sizeof *a);
  if (!a) return false;
  for (size_t i = 0; i < n; i++) a[i * ld_in] = (float)edge_at(table, first + i);
  const float *r = boltz_mlp_forward(scale, packed, n, a, NULL, scratch);
  const float *t = boltz_mlp_forward(shift, packed + scale->npacked, n, a, NULL, scratch);
  if (!r || !t) return false;
  for (size_t i = 0; i < n; i++)
    for (size_t m = 0; m < moved; m++) {
      double *edge = edges + 2 * ((first + i) * moved + m);
      edge[0] = capped(cap, r[i * ld + m]);
      edge[1] = t[i * ld + m];
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
                                  const float *packed, double cap, size_t n, const double *x,
                                  struct boltz_arena *arena, struct boltz_arena *scratch,
                                  struct boltz_table **out) {
  const size_t moved = scale->map[scale->maps - 1].out;
  struct boltz_table *table = *out = BOLTZ_NEW(arena, struct boltz_table);
  double *edges = boltz_arena_scratch(scratch, CELLS + 1, moved * 2 * sizeof *edges);
  if (!table || !edges) return BOLTZ_NO_MEMORY;
  double low, high;
  find_range(n, x, &low, &high);
  const double per_unit = (BOLTZ_TABLE_HIGH - BOLTZ_TABLE_LOW) / (high - low);
  *table = (struct boltz_table){
      .kernel = scale->kernel,
      .per_unit = per_unit,
      .offset = BOLTZ_TABLE_LOW - low * per_unit,
      .moved = moved,
      .cells = boltz_arena_alloc(arena, CELLS, moved * 4 * sizeof *table->cells),
  };
  if (!table->cells) return BOLTZ_NO_MEMORY;

  for (size_t first = 0; first <= CELLS; first += EDGES_AT_ONCE) {
    const size_t left = CELLS + 1 - first;
    const struct boltz_mark mark = boltz_arena_mark(scratch);
    const bool added = add_edges(table, scale, shift, packed, cap, first,
                                 left < EDGES_AT_ONCE ? left : EDGES_AT_ONCE, scratch, edges);
    boltz_arena_release(scratch, mark);
    if (!added) return BOLTZ_NO_MEMORY;
  }
  join_edges(table, edges);
  return BOLTZ_OK;
}

void boltz_table_eval(const struct boltz_table *table, size_t m, size_t n, const double *x,
                      double *s, double *t) {
  const struct boltz_cells cells = {.per_unit = table->per_unit,
                                    .offset = table->offset,
                                    .cell = table->cells + 4 * m,
                                    .stride = 4 * table->moved};
  table->kernel->columns->lookup(&cells, n, x, s, t);
}
