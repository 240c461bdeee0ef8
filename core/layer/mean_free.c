/* mean_free.c - particles as their centre and what is left when it is taken away.
 *
 *   x_i = z_1 / sqrt(N) + (sum of c_k z_(k+1), k >= i) - (i - 1) c_(i-1) z_i,  log_det = 0
 *   c_k = 1/sqrt(k (k + 1)), c_0 = 0,  i = 1 ... N, along each of `space` axes
 *
 * An orthonormal map: z_1 is sqrt(N) times the centre of the positions x, the others are Helmert's
 * coordinates, the same for every centre. Coordinate a of particle i is (i - 1) space + a.
 * Source: Helmert, Astron. Nachr. 88, 113 (1876); core/base/helmert.h.
 * Golden: two particles on a line: z = (1, 2) gives x = (3, -1)/sqrt(2). */
#include <math.h>

#include "boltz/layer.h"
#include "core/base/coordinates.h"
#include "core/base/helmert.h"
#include "core/base/vmath.h"

struct mean_free {
  int64_t space;
  struct boltz_ints coordinates;
};

static const struct boltz_ints *coordinates_of(const struct boltz_layer *layer) {
  return layer->plan;
}

static enum boltz_status build(struct boltz_layer *layer, struct boltz_arena *arena) {
  const struct mean_free *s = layer->settings;
  struct boltz_ints *list = BOLTZ_NEW(arena, struct boltz_ints);
  if (!list) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(boltz_coordinates_or_all("coordinates", &s->coordinates, layer->dim, arena, list));
  for (size_t k = 0; k < list->n; k++) BOLTZ_TRY(boltz_layer_check_open(layer, list->v[k]));
  if (list->n % (size_t)s->space != 0 || list->n / (size_t)s->space < 2)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/space",
                         "%zu coordinates are not those of two or more particles in %lld "
                         "dimensions",
                         list->n, (long long)s->space);
  layer->plan = list;
  return BOLTZ_OK;
}

static void domains(const struct boltz_layer *layer, struct boltz_domain *domain) {
  const struct boltz_ints *list = coordinates_of(layer);
  for (size_t k = 0; k < list->n; k++) domain[list->v[k]].type = BOLTZ_REAL;
}

BOLTZ_VECTORISED static void stretch(size_t n, double factor, double *x) {
  for (size_t i = 0; i < n; i++) x[i] *= factor;
}

/* false: scratch is exhausted */
static bool move(const struct boltz_layer *layer, enum boltz_direction direction,
                 struct boltz_batch *x, struct boltz_arena *scratch) {
  const struct boltz_ints *list = coordinates_of(layer);
  const int space = (int)((const struct mean_free *)layer->settings)->space;
  const int particles = (int)list->n / space;
  double **col = boltz_arena_scratch(scratch, list->n, sizeof *col);
  if (!col) return false;
  for (size_t k = 0; k < list->n; k++) col[k] = x->col[list->v[k]];
  if (direction == BOLTZ_TO_Z) boltz_helmert_fold(particles, space, x->n, col);
  for (int a = 0; a < space; a++) stretch(x->n, 1 / sqrt(particles), col[a]);
  if (direction == BOLTZ_TO_X) boltz_helmert_unfold(particles, space, x->n, col);
  return true;
}

static void apply(const struct boltz_layer *layer, const struct boltz_weights *w,
                  enum boltz_direction direction, struct boltz_batch *x, double *log_det,
                  void **tape, struct boltz_arena *scratch) {
  (void)w;
  if (move(layer, direction, x, scratch)) return;
  for (size_t i = 0; i < x->n; i++) log_det[i] = NAN;
  if (tape) *tape = NULL;
}

/* The transpose is the inverse. */
static void backward(const struct boltz_layer *layer, const struct boltz_weights *w,
                     enum boltz_direction direction, void *tape, struct boltz_batch *x,
                     struct boltz_batch *g, const double *glog_det, float *gw,
                     struct boltz_arena *scratch) {
  const enum boltz_direction back = direction == BOLTZ_TO_X ? BOLTZ_TO_Z : BOLTZ_TO_X;
  (void)w, (void)tape, (void)glog_det, (void)gw;
  if (move(layer, back, x, scratch) && move(layer, back, g, scratch)) return;
  for (size_t i = 0; i < g->n; i++) g->col[coordinates_of(layer)->v[0]][i] = NAN;
}

static double flops(const struct boltz_layer *layer, enum boltz_precision precision) {
  (void)precision;
  return 5.0 * (double)coordinates_of(layer)->n;
}

#define OFFSET(member) offsetof(struct mean_free, member)
static const struct boltz_field fields[] = {
    {.name = "space",
     .type = BOLTZ_FIELD_INT,
     .offset = OFFSET(space),
     .def = 1,
     .low = 1,
     .high = BOLTZ_DIM_MAX,
     .required = true,
     .doc = "coordinates of a particle"},
    BOLTZ_COORDINATES_ROW("coordinates", struct mean_free, coordinates, false,
                          "coordinates, from 0, particle after particle; empty: all"),
    BOLTZ_FIELDS_END,
};

const struct boltz_layer_kind boltz_layer_mean_free = {
    .name = "mean_free",
    .doc =
        "x = centre + Helmert's orthonormal combinations of mean 0: the first `space` latents are "
        "sqrt(N) times the centre of N particles, the others do not see it; log_det = 0",
    .source = "Helmert 1876; Lancaster 1965, Am. Stat. 19, 4",
    .fields = fields,
    .settings_size = sizeof(struct mean_free),
    .build = build,
    .domains = domains,
    .apply = apply,
    .backward = backward,
    .flops = flops,
};
