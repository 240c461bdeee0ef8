/* table.c - a coupling's two networks of one input as piecewise linear tables. */
#include "core/nn/table.h"

#include <math.h>
#include <string.h>

#include "core/base/vmath.h"

#define CELLS 2048
#define NODES_AT_ONCE 256

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

/* Both networks at nodes first ... first + n - 1; false: scratch is exhausted. */
static bool add_nodes(const struct boltz_table *table, const struct boltz_mlp *scale,
                      const struct boltz_mlp *shift, const float *packed, double cap, size_t first,
                      size_t n, struct boltz_arena *scratch, float *nodes) {
  const size_t moved = table->moved, ld_in = boltz_kernel_ld(1), ld = boltz_kernel_ld(moved);
  float *a = boltz_arena_scratch(scratch, n, ld_in * sizeof *a);
  if (!a) return false;
  for (size_t i = 0; i < n; i++)
    a[i * ld_in] = (float)(table->low + (double)(first + i) / table->per_unit);
  const float *r = boltz_mlp_forward(scale, packed, n, a, NULL, scratch);
  const float *t = boltz_mlp_forward(shift, packed + scale->npacked, n, a, NULL, scratch);
  if (!r || !t) return false;
  for (size_t i = 0; i < n; i++)
    for (size_t m = 0; m < moved; m++) {
      float *node = nodes + 2 * ((first + i) * moved + m);
      const double s = r[i * ld + m];
      node[0] = (float)(cap > 0 ? cap * boltz_tanh_double(s / cap) : s);
      node[1] = t[i * ld + m];
    }
  return true;
}

enum boltz_status boltz_table_new(const struct boltz_mlp *scale, const struct boltz_mlp *shift,
                                  const float *packed, double cap, size_t n, const double *x,
                                  struct boltz_arena *arena, struct boltz_arena *scratch,
                                  struct boltz_table **out) {
  const size_t moved = scale->map[scale->maps - 1].out;
  struct boltz_table *table = *out = BOLTZ_NEW(arena, struct boltz_table);
  float *nodes = boltz_arena_scratch(scratch, CELLS + 1, moved * 2 * sizeof *nodes);
  if (!table || !nodes) return BOLTZ_NO_MEMORY;
  double high;
  table->moved = moved;
  table->cells = boltz_arena_alloc(arena, CELLS, moved * 4 * sizeof *table->cells);
  if (!table->cells) return BOLTZ_NO_MEMORY;
  find_range(n, x, &table->low, &high);
  table->per_unit = CELLS / (high - table->low);

  for (size_t first = 0; first <= CELLS; first += NODES_AT_ONCE) {
    const size_t left = CELLS + 1 - first;
    const struct boltz_mark mark = boltz_arena_mark(scratch);
    const bool added = add_nodes(table, scale, shift, packed, cap, first,
                                 left < NODES_AT_ONCE ? left : NODES_AT_ONCE, scratch, nodes);
    boltz_arena_release(scratch, mark);
    if (!added) return BOLTZ_NO_MEMORY;
  }
  for (size_t k = 0; k < CELLS * moved; k++) {
    const float *left = nodes + 2 * k, *right = left + 2 * moved;
    float *cell = table->cells + 4 * k;
    cell[0] = left[0];
    cell[1] = right[0] - left[0];
    cell[2] = left[1];
    cell[3] = right[1] - left[1];
  }
  return BOLTZ_OK;
}

BOLTZ_VECTORISED
void boltz_table_eval(const struct boltz_table *table, size_t m, size_t n, const double *x,
                      double *s, double *t) {
  const double low = table->low, per_unit = table->per_unit;
  const float *cells = table->cells + 4 * m;
  const size_t stride = 4 * table->moved;
  for (size_t i = 0; i < n; i++) {
    /* NaN, too, stays within the table; its row is NaN by x itself */
    double at = (x[i] - low) * per_unit;
    at = at > 0 ? at : 0;
    at = at < CELLS ? at : CELLS;
    size_t k = (size_t)at;
    k = k < CELLS ? k : CELLS - 1;
    const double part = at - (double)k;
    const float *cell = cells + k * stride;
    s[i] = fma(part, cell[1], cell[0]);
    t[i] = fma(part, cell[3], cell[2]);
  }
}
