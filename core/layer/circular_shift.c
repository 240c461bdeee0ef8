/* circular_shift.c - periodic coordinates turned by a learned amount.
 *
 *   x_j = z_j + shift_j, less whole periods;  log_det = 0
 *
 * Source: Rezende et al. 2020 (flows on tori), sec. 2.3.
 * Golden: on [-1, 3), shift 0.5: z = 2.75 gives x = -0.75. */
#include <math.h>
#include <string.h>

#include "boltz/layer.h"
#include "core/base/coordinates.h"
#include "core/layer/period.h"

struct circular_shift {
  struct boltz_ints coordinates;
};

static enum boltz_status build(struct boltz_layer *layer, struct boltz_arena *arena) {
  const struct boltz_ints *list = &((const struct circular_shift *)layer->settings)->coordinates;
  bool *seen = BOLTZ_NEW_ARRAY(arena, (size_t)layer->dim, bool);
  struct boltz_period *period = BOLTZ_NEW_ARRAY(arena, list->n + 1, struct boltz_period);
  if (!seen || !period) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(boltz_coordinates_check("coordinates", list, layer->dim, seen));
  for (size_t k = 0; k < list->n; k++) {
    const struct boltz_domain *domain = &layer->domain[list->v[k]];
    if (domain->type != BOLTZ_PERIODIC)
      return boltz_fail(BOLTZ_OUT_OF_RANGE,
                        "x%lld is not periodic here: the base \"circular\" makes coordinates so",
                        (long long)list->v[k] + 1);
    period[k] = (struct boltz_period){domain->low, domain->high - domain->low};
  }
  layer->plan = period;
  layer->nw = list->n;
  return BOLTZ_OK;
}

/* Periods stay. */
static void domains(const struct boltz_layer *layer, struct boltz_domain *domain) {
  (void)layer, (void)domain;
}

static bool tensor(const struct boltz_layer *layer, int k, struct boltz_tensor *tensor) {
  if (k != 0) return false;
  *tensor = (struct boltz_tensor){.name = "shift", .rank = 1, .shape = {(int64_t)layer->nw}};
  return true;
}

/* The identity. */
static void init(const struct boltz_layer *layer, uint64_t seed, int index, float *w) {
  (void)seed, (void)index;
  memset(w, 0, layer->nw * sizeof *w);
}

BOLTZ_VECTORISED static void turn_column(double shift, double low, double width, size_t n,
                                         double *x) {
  for (size_t i = 0; i < n; i++) x[i] = boltz_wrap(x[i] + shift, low, width);
}

/* The tape is the inputs [coordinates, n]. */
static void apply(const struct boltz_layer *layer, const struct boltz_weights *w,
                  enum boltz_direction direction, struct boltz_batch *x, double *log_det,
                  void **tape, struct boltz_arena *scratch) {
  const struct boltz_ints *list = &((const struct circular_shift *)layer->settings)->coordinates;
  const struct boltz_period *period = layer->plan;
  const float *shift = boltz_layer_flat(layer, w);
  const size_t n = x->n;
  double *in = NULL;
  if (tape) {
    *tape = in = boltz_arena_scratch(scratch, list->n, n * sizeof *in);
    for (size_t i = 0; !in && i < n; i++) log_det[i] = NAN;
    if (!in) return;
  }
  for (size_t k = 0; k < list->n; k++) {
    double *column = x->col[list->v[k]];
    const double by = direction == BOLTZ_TO_X ? shift[k] : -shift[k];
    if (in) memcpy(in + k * n, column, n * sizeof *in);
    turn_column(by, period[k].low, period[k].width, n, column);
  }
}

/* gshift is the sum of g, or of -g. */
static void backward(const struct boltz_layer *layer, const struct boltz_weights *w,
                     enum boltz_direction direction, void *tape, struct boltz_batch *x,
                     struct boltz_batch *g, const double *glog_det, float *gw,
                     struct boltz_arena *scratch) {
  const struct boltz_ints *list = &((const struct circular_shift *)layer->settings)->coordinates;
  const size_t n = x->n;
  (void)w, (void)glog_det, (void)scratch;
  for (size_t k = 0; k < list->n; k++) {
    const double *gj = g->col[list->v[k]];
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += gj[i];
    gw[k] += (float)(direction == BOLTZ_TO_X ? sum : -sum);
    memcpy(x->col[list->v[k]], (const double *)tape + k * n, n * sizeof(double));
  }
}

static double flops(const struct boltz_layer *layer, enum boltz_precision precision) {
  (void)precision;
  return 8.0 * (double)layer->nw;
}

static const struct boltz_field fields[] = {
    BOLTZ_COORDINATES_ROW("coordinates", struct circular_shift, coordinates, true,
                          "periodic coordinates, from 0, that are turned"),
    BOLTZ_FIELDS_END,
};

const struct boltz_layer_kind boltz_layer_circular_shift = {
    .name = "circular_shift",
    .doc = "x_j = z_j + shift_j less whole periods: log_det = 0",
    .source = "Rezende et al. 2020, arXiv 2002.02428, sec. 2.3",
    .fields = fields,
    .settings_size = sizeof(struct circular_shift),
    .build = build,
    .domains = domains,
    .tensor = tensor,
    .init = init,
    .apply = apply,
    .backward = backward,
    .flops = flops,
};
