/* relative.c - coordinates told from those of others, as displacements from particle to particle.
 *
 *   x_j = z_j + x_to(j), less whole periods where they are periodic;  log_det = 0
 *
 * One after the other: what a coordinate is relative to may itself be relative to one before it, so
 * that a chain is its bonds. The map is a sum of coordinates with a triangle of ones: volumes stay.
 * Source: bond vectors of a chain, Doi & Edwards 1986, sec. 2.1.
 * Golden: coordinates [1, 2] to [0, 1]: z = (1, 2, 3) gives x = (1, 3, 6); periodic on [0, 5),
 * (1, 3, 1). */
#include <math.h>
#include <string.h>

#include "boltz/layer.h"
#include "core/base/coordinates.h"
#include "core/layer/period.h"

struct relative {
  struct boltz_ints coordinates, to;
};

/* The period of both; its width is 0 where they are real. */
static enum boltz_status check_pair(const struct boltz_layer *layer, int64_t j, int64_t to,
                                    struct boltz_period *period) {
  const struct boltz_domain *own = &layer->domain[j], *other = &layer->domain[to];
  const double width = own->high - own->low;
  *period = (struct boltz_period){0};
  if (own->type == BOLTZ_REAL && other->type == BOLTZ_REAL) return BOLTZ_OK;
  *period = (struct boltz_period){own->low, width};
  if (own->type == BOLTZ_PERIODIC && other->type == BOLTZ_PERIODIC &&
      width == other->high - other->low)
    return BOLTZ_OK;
  return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/to",
                       "x%lld and x%lld here are not both real, nor both of the same period",
                       (long long)j + 1, (long long)to + 1);
}

/* A coordinate is told from one that is known by then: from none that comes later in the list. */
static enum boltz_status check_order(const struct relative *s, int dim, struct boltz_arena *arena) {
  bool *waits = BOLTZ_NEW_ARRAY(arena, (size_t)dim, bool);
  if (!waits) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(boltz_coordinates_check("coordinates", &s->coordinates, dim, waits));
  if (s->to.n != s->coordinates.n)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/to", "to has %zu members, coordinates %zu", s->to.n,
                         s->coordinates.n);
  for (size_t k = 0; k < s->to.n; k++) {
    if (s->to.v[k] >= dim)
      return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/to", "to has %lld, which is not in [0, %d]",
                           (long long)s->to.v[k], dim - 1);
    if (waits[s->to.v[k]])
      return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/to",
                           "coordinate %lld is relative to %lld, which must come before it in "
                           "coordinates",
                           (long long)s->coordinates.v[k], (long long)s->to.v[k]);
    waits[s->coordinates.v[k]] = false;
  }
  return BOLTZ_OK;
}

static enum boltz_status build(struct boltz_layer *layer, struct boltz_arena *arena) {
  const struct relative *s = layer->settings;
  struct boltz_period *period = BOLTZ_NEW_ARRAY(arena, s->coordinates.n + 1, struct boltz_period);
  if (!period) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(check_order(s, layer->dim, arena));
  for (size_t k = 0; k < s->to.n; k++)
    BOLTZ_TRY(check_pair(layer, s->coordinates.v[k], s->to.v[k], &period[k]));
  layer->plan = period;
  return BOLTZ_OK;
}

/* A displacement lives where its coordinate does. */
static void domains(const struct boltz_layer *layer, struct boltz_domain *domain) {
  (void)layer, (void)domain;
}

BOLTZ_VECTORISED static void add(double sign, const struct boltz_period *period, size_t n,
                                 const double *restrict to, double *restrict x) {
  const double low = period->low, width = period->width;
  if (width > 0)
    for (size_t i = 0; i < n; i++) x[i] = boltz_wrap(x[i] + sign * to[i], low, width);
  else
    for (size_t i = 0; i < n; i++) x[i] += sign * to[i];
}

static void move(const struct boltz_layer *layer, enum boltz_direction direction,
                 struct boltz_batch *x) {
  const struct relative *s = layer->settings;
  const struct boltz_period *period = layer->plan;
  const bool to_x = direction == BOLTZ_TO_X;
  for (size_t step = 0; step < s->to.n; step++) {
    const size_t k = to_x ? step : s->to.n - 1 - step;
    add(to_x ? 1 : -1, &period[k], x->n, x->col[s->to.v[k]], x->col[s->coordinates.v[k]]);
  }
}

/* The tape is the inputs of the coordinates [coordinates, n]. */
static void apply(const struct boltz_layer *layer, const struct boltz_weights *w,
                  enum boltz_direction direction, struct boltz_batch *x, double *log_det,
                  void **tape, struct boltz_arena *scratch) {
  const struct boltz_ints *list = &((const struct relative *)layer->settings)->coordinates;
  const size_t n = x->n;
  (void)w;
  if (tape) {
    double *in = *tape = boltz_arena_scratch(scratch, list->n, n * sizeof *in);
    for (size_t i = 0; !in && i < n; i++) log_det[i] = NAN;
    if (!in) return;
    for (size_t k = 0; k < list->n; k++) memcpy(in + k * n, x->col[list->v[k]], n * sizeof *in);
  }
  move(layer, direction, x);
}

/* TO_X: what x_j gave, x_to(j) gave too, the last ones first. TO_Z: it took that. */
static void backward(const struct boltz_layer *layer, const struct boltz_weights *w,
                     enum boltz_direction direction, void *tape, struct boltz_batch *x,
                     struct boltz_batch *g, const double *glog_det, float *gw,
                     struct boltz_arena *scratch) {
  static const struct boltz_period none;
  const struct relative *s = layer->settings;
  const bool to_x = direction == BOLTZ_TO_X;
  (void)w, (void)glog_det, (void)gw, (void)scratch;
  for (size_t step = 0; step < s->to.n; step++) {
    const size_t k = to_x ? s->to.n - 1 - step : step;
    const int64_t j = s->coordinates.v[k];
    add(to_x ? 1 : -1, &none, g->n, g->col[j], g->col[s->to.v[k]]);
    memcpy(x->col[j], (const double *)tape + k * x->n, x->n * sizeof(double));
  }
}

static double flops(const struct boltz_layer *layer, enum boltz_precision precision) {
  (void)precision;
  return 8.0 * (double)((const struct relative *)layer->settings)->coordinates.n;
}

static const struct boltz_field fields[] = {
    BOLTZ_COORDINATES_ROW("coordinates", struct relative, coordinates, true,
                          "coordinates, from 0, that are told from others, one after the other"),
    BOLTZ_COORDINATES_ROW("to", struct relative, to, true,
                          "what each of them is relative to: none that comes later in coordinates"),
    BOLTZ_FIELDS_END,
};

const struct boltz_layer_kind boltz_layer_relative = {
    .name = "relative",
    .doc =
        "x_j = z_j + x_to(j), one after the other, less whole periods where they are periodic: "
        "log_det = 0",
    .source = "bond vectors of a chain: Doi, Edwards, The Theory of Polymer Dynamics (1986), 2.1",
    .fields = fields,
    .settings_size = sizeof(struct relative),
    .build = build,
    .domains = domains,
    .apply = apply,
    .backward = backward,
    .flops = flops,
};
