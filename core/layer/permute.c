/* permute.c - coordinates in another order.
 *
 *   x_j = z_order[j],  log_det = 0
 *
 * Source: Dinh et al. 2015 (NICE), sec. 3.
 * Golden: order [2,0,1] takes (1, 2, 3) to (3, 1, 2). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "boltz/layer.h"
#include "core/base/coordinates.h"

struct permute {
  struct boltz_ints order;
};

static enum boltz_status build(struct boltz_layer *layer, struct boltz_arena *arena) {
  const struct boltz_ints *order = &((const struct permute *)layer->settings)->order;
  bool *seen = BOLTZ_NEW_ARRAY(arena, (size_t)layer->dim, bool);
  if (!seen) return BOLTZ_NO_MEMORY;
  if (order->n != (size_t)layer->dim)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/order", "order has %zu of %d coordinates", order->n,
                         layer->dim);
  for (size_t k = 0; k < order->n; k++) {
    char pointer[64];
    snprintf(pointer, sizeof pointer, "/order/%zu", k);
    if (!(order->v[k] >= 0 && order->v[k] < layer->dim))
      return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "coordinate %lld is not in [0, %d]",
                           (long long)order->v[k], layer->dim - 1);
    if (seen[order->v[k]])
      return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "coordinate %lld is named twice",
                           (long long)order->v[k]);
    seen[order->v[k]] = true;
  }
  return BOLTZ_OK;
}

/* The least coordinate of the cycle that j is on. */
static int64_t cycle_start(const struct boltz_ints *order, int64_t j) {
  int64_t least = j;
  for (int64_t k = order->v[j]; k != j; k = order->v[k])
    if (k < least) least = k;
  return least;
}

/* In place, one cycle of the order after the other. */
static void domains(const struct boltz_layer *layer, struct boltz_domain *domain) {
  const struct boltz_ints *order = &((const struct permute *)layer->settings)->order;
  for (int64_t start = 0; start < layer->dim; start++) {
    if (cycle_start(order, start) != start) continue;
    const struct boltz_domain first = domain[start];
    int64_t k = start;
    for (; order->v[k] != start; k = order->v[k]) domain[k] = domain[order->v[k]];
    domain[k] = first;
  }
}

/* room [dim, n] */
static void reorder(const struct boltz_ints *order, enum boltz_direction direction,
                    struct boltz_batch *x, double *room) {
  const size_t n = x->n;
  for (size_t j = 0; j < order->n; j++) memcpy(room + j * n, x->col[j], n * sizeof *room);
  for (size_t j = 0; j < order->n; j++) {
    const size_t k = (size_t)order->v[j];
    if (direction == BOLTZ_TO_X)
      memcpy(x->col[j], room + k * n, n * sizeof *room);
    else
      memcpy(x->col[k], room + j * n, n * sizeof *room);
  }
}

/* The tape is room for the way back. */
static void apply(const struct boltz_layer *layer, const struct boltz_weights *w,
                  enum boltz_direction direction, struct boltz_batch *x, double *log_det,
                  void **tape, struct boltz_arena *scratch) {
  const struct boltz_ints *order = &((const struct permute *)layer->settings)->order;
  double *room = boltz_arena_scratch(scratch, order->n, x->n * sizeof *room);
  (void)w;
  if (tape) *tape = room;
  if (room) return reorder(order, direction, x, room);
  for (size_t i = 0; i < x->n; i++) log_det[i] = NAN;
}

static void backward(const struct boltz_layer *layer, const struct boltz_weights *w,
                     enum boltz_direction direction, void *tape, struct boltz_batch *x,
                     struct boltz_batch *g, const double *glog_det, float *gw,
                     struct boltz_arena *scratch) {
  const struct boltz_ints *order = &((const struct permute *)layer->settings)->order;
  const enum boltz_direction back = direction == BOLTZ_TO_X ? BOLTZ_TO_Z : BOLTZ_TO_X;
  (void)w, (void)glog_det, (void)gw, (void)scratch;
  reorder(order, back, x, tape);
  reorder(order, back, g, tape);
}

static const struct boltz_field fields[] = {
    BOLTZ_COORDINATES_ROW("order", struct permute, order, true,
                          "which coordinate, from 0, comes to each place; all of them"),
    BOLTZ_FIELDS_END,
};

const struct boltz_layer_kind boltz_layer_permute = {
    .name = "permute",
    .doc = "x_j = z_order[j]: log_det = 0",
    .source = "Dinh et al. 2015 (NICE), arXiv 1410.8516",
    .fields = fields,
    .settings_size = sizeof(struct permute),
    .build = build,
    .domains = domains,
    .apply = apply,
    .backward = backward,
};
