/* spline.c - every coordinate goes through a monotone curve of its own.
 *
 *   x_j = curve(z_j; r_j),  log_det = sum of ln curve'
 *
 * The curves are those of rq_spline.h and stay where spline_coupling's do: on [-bound, bound], on
 * the coordinate's interval or on its period. That is where the base or a layer `interval` has put
 * it; an affine or additive coupling, actnorm or a matrix makes what it moves real. r_j is a row of
 * the tensor `curve`; of its 3 bins + 1 numbers a real coordinate's last two and a periodic one's
 * last are not read.
 * Source: Durkan et al. 2019 (neural spline flows), sec. 3.1.
 * Golden: tests/golden/make_spline.py. */
#include <math.h>
#include <string.h>

#include "core/base/coordinates.h"
#include "core/layer/rq_spline.h"

struct spline {
  struct boltz_ints coordinates;
  int64_t bins;
  double bound;
};

struct plan {
  struct boltz_ints list;
  struct boltz_rq_spline *curve; /* [list.n] */
  size_t width;                  /* of a row of parameters */
};

/* Of one coordinate, in the currency of multiply-adds: comparisons of a bin, and the rest. */
#define FLOPS_A_BIN 10
#define FLOPS_A_COORDINATE 250

static enum boltz_status build(struct boltz_layer *layer, struct boltz_arena *arena) {
  const struct spline *s = layer->settings;
  struct plan *plan = BOLTZ_NEW(arena, struct plan);
  if (!plan) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(
      boltz_coordinates_or_all("coordinates", &s->coordinates, layer->dim, arena, &plan->list));
  plan->curve = BOLTZ_NEW_ARRAY(arena, plan->list.n, struct boltz_rq_spline);
  if (!plan->curve) return BOLTZ_NO_MEMORY;
  for (size_t k = 0; k < plan->list.n; k++)
    plan->curve[k] = boltz_rq_on(&layer->domain[plan->list.v[k]], (int)s->bins, s->bound);
  plan->width = boltz_rq_parameters(BOLTZ_RQ_INTERVAL, (int)s->bins);
  layer->plan = plan;
  layer->nw = plan->list.n * plan->width;
  return BOLTZ_OK;
}

/* Every coordinate stays in its own. */
static void domains(const struct boltz_layer *layer, struct boltz_domain *domain) {
  (void)layer, (void)domain;
}

static bool tensor(const struct boltz_layer *layer, int k, struct boltz_tensor *tensor) {
  const struct plan *plan = layer->plan;
  if (k != 0) return false;
  *tensor = (struct boltz_tensor){
      .name = "curve", .rank = 2, .shape = {(int64_t)plan->list.n, (int64_t)plan->width}};
  return true;
}

/* The identity. */
static void init(const struct boltz_layer *layer, uint64_t seed, int index, float *w) {
  (void)seed, (void)index;
  memset(w, 0, layer->nw * sizeof *w);
}

/* The tape is the inputs [coordinates, n]. */
static void apply(const struct boltz_layer *layer, const struct boltz_weights *w,
                  enum boltz_direction direction, struct boltz_batch *x, double *log_det,
                  void **tape, struct boltz_arena *scratch) {
  const struct plan *plan = layer->plan;
  const float *r = boltz_layer_flat(layer, w);
  const size_t n = x->n;
  double *in = NULL;
  if (tape) *tape = in = boltz_arena_scratch(scratch, plan->list.n, n * sizeof *in);
  const bool room = in || !tape;
  for (size_t i = 0; !room && i < n; i++) log_det[i] = NAN;
  for (size_t k = 0; room && k < plan->list.n; k++) {
    double *column = x->col[plan->list.v[k]];
    if (in) memcpy(in + k * n, column, n * sizeof *in);
    boltz_rq_apply(&plan->curve[k], direction, n, r + k * plan->width, column, log_det);
  }
}

static void backward(const struct boltz_layer *layer, const struct boltz_weights *w,
                     enum boltz_direction direction, void *tape, struct boltz_batch *x,
                     struct boltz_batch *g, const double *glog_det, float *gw,
                     struct boltz_arena *scratch) {
  const struct plan *plan = layer->plan;
  const float *r = boltz_layer_flat(layer, w);
  const size_t n = x->n;
  float *gr = boltz_arena_scratch(scratch, plan->width, sizeof *gr);
  if (!gr) gw[0] = NAN;
  for (size_t k = 0; gr && k < plan->list.n; k++) {
    const struct boltz_rq_spline *curve = &plan->curve[k];
    const double *in = (const double *)tape + k * n;
    double *column = x->col[plan->list.v[k]];
    boltz_rq_backward(curve, direction, n, r + k * plan->width,
                      direction == BOLTZ_TO_X ? in : column, glog_det, g->col[plan->list.v[k]], gr);
    for (size_t p = 0; p < boltz_rq_parameters(curve->ends, curve->bins); p++)
      gw[k * plan->width + p] += gr[p];
    memcpy(column, in, n * sizeof *column);
  }
}

static double flops(const struct boltz_layer *layer, enum boltz_precision precision) {
  const struct plan *plan = layer->plan;
  (void)precision;
  return (FLOPS_A_COORDINATE + FLOPS_A_BIN * (double)plan->curve[0].bins) * (double)plan->list.n;
}

#define OFFSET(member) offsetof(struct spline, member)
static const struct boltz_field fields[] = {
    BOLTZ_COORDINATES_ROW("coordinates", struct spline, coordinates, false,
                          "coordinates, from 0, that go through curves; empty: all"),
    {.name = "bins",
     .type = BOLTZ_FIELD_INT,
     .offset = OFFSET(bins),
     .def = 8,
     .low = BOLTZ_RQ_BINS_MIN,
     .high = BOLTZ_RQ_BINS_MAX,
     .doc = "pieces of a curve"},
    {.name = "bound",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(bound),
     .def = 5,
     .low = 1e-3,
     .high = 1e6,
     .doc = "curves of real coordinates take [-bound, bound] to itself and leave all else"},
    BOLTZ_FIELDS_END,
};

const struct boltz_layer_kind boltz_layer_spline = {
    .name = "spline",
    .doc =
        "x_j = curve(z_j), a monotone rational-quadratic spline of its own for every coordinate, "
        "on [-bound, bound], on the coordinate's interval or on its period; log_det = sum of ln "
        "curve'",
    .source = "Durkan et al. 2019, arXiv 1906.04032, sec. 3.1",
    .fields = fields,
    .settings_size = sizeof(struct spline),
    .build = build,
    .domains = domains,
    .tensor = tensor,
    .init = init,
    .apply = apply,
    .backward = backward,
    .flops = flops,
};
