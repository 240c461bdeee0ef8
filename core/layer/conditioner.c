/* conditioner.c - the fixed coordinates of a coupling: checked, brought to networks, and back. */
#include "core/layer/conditioner.h"

#include <math.h>

#include "core/base/coordinates.h"
#include "core/base/vmath.h"
#include "core/kernel/kernel.h"
#include "core/layer/period.h"
#include "core/nn/narrow.h"

/* Of all sites of a lattice together. */
#define SEEN_MAX 262144

/* Input number n: coordinate j at its place in the flow. */
static void add_input(const struct boltz_layer *layer, int64_t j, struct conditioner *c) {
  const struct boltz_domain *domain = &layer->domain[j];
  const bool periodic = domain->type == BOLTZ_PERIODIC;
  c->input[c->n++] = (struct conditioner_input){.column = c->width,
                                                .periodic = periodic,
                                                .low = periodic ? domain->low : 0,
                                                .width = domain->high - domain->low};
  c->width += periodic ? 2 : 1;
}

static enum boltz_status see_all(const struct boltz_layer *layer, const struct boltz_ints *fixed,
                                 const struct boltz_ints *moved, struct boltz_arena *arena,
                                 struct conditioner *c) {
  c->sites = 1;
  c->moved = moved->n;
  c->input = BOLTZ_NEW_ARRAY(arena, fixed->n, struct conditioner_input);
  c->coordinate = BOLTZ_NEW_ARRAY(arena, fixed->n, int64_t);
  if (!c->input || !c->coordinate) return BOLTZ_NO_MEMORY;
  for (size_t f = 0; f < fixed->n; f++) {
    c->coordinate[f] = fixed->v[f];
    add_input(layer, fixed->v[f], c);
  }
  for (size_t m = 0; m < moved->n; m++) c->place[m] = (struct conditioner_place){0, m};
  return BOLTZ_OK;
}

/* ---- On a lattice ---- */

struct lattice {
  const struct conditioner_lattice *settings;
  int64_t sites, width; /* of all; coordinates of one */
  bool *fixed;          /* [dim] */
  int64_t *rank;        /* [width] of a component among the moved ones; -1: it is not moved */
  int64_t *number;      /* [sites] among those that have moved coordinates; -1: it has none */
  int64_t *at;          /* [conditioner's sites] the site of each */
  int64_t window;       /* places that a site sees, itself among them */
};

/* Places along a side that are seen: no site twice. */
static int64_t span(const struct lattice *l, size_t axis) {
  const int64_t side = l->settings->sides.v[axis];
  return 2 * l->settings->reach + 1 < side ? 2 * l->settings->reach + 1 : side;
}

static enum boltz_status read_lattice(const struct boltz_layer *layer, struct lattice *l) {
  const struct boltz_ints *sides = &l->settings->sides;
  l->sites = l->window = 1;
  for (size_t axis = 0; axis < sides->n; axis++) {
    if (sides->v[axis] > layer->dim / l->sites)
      l->sites = layer->dim + 1; /* and no overflow */
    else
      l->sites *= sides->v[axis];
    if (l->sites > layer->dim) break;
    l->window *= span(l, axis);
  }
  l->width = layer->dim / l->sites;
  if (l->sites <= layer->dim && l->width * l->sites == layer->dim) return BOLTZ_OK;
  return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/lattice",
                       "%d coordinates do not come in equal parts on the sites of this lattice",
                       layer->dim);
}

/* The site at place number `place` of the window around `site`. */
static int64_t neighbour(const struct lattice *l, int64_t site, int64_t place) {
  const struct boltz_ints *sides = &l->settings->sides;
  int64_t out = 0, stride = 1;
  for (size_t axis = sides->n; axis-- > 0;) {
    const int64_t side = sides->v[axis], n = span(l, axis);
    const int64_t from = n == side ? 0 : -l->settings->reach;
    out += stride * ((site % side + place % n + from + side) % side);
    site /= side;
    place /= n;
    stride *= side;
  }
  return out;
}

/* One network for every site: what is moved of one is moved of all, and lives in the same domain.
 */
static enum boltz_status number_sites(const struct boltz_layer *layer,
                                      const struct boltz_ints *moved, struct lattice *l,
                                      struct conditioner *c) {
  for (int64_t j = 0; j < layer->dim; j++)
    if (!boltz_domain_same(&layer->domain[j], &layer->domain[j % l->width]))
      return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/lattice",
                           "x%lld has another domain than x%lld at the first site",
                           (long long)j + 1, (long long)(j % l->width) + 1);
  for (int64_t k = 0; k < l->width; k++) l->rank[k] = -1;
  for (int64_t s = 0; s < l->sites; s++) l->number[s] = -1;
  for (size_t m = 0; m < moved->n; m++) l->rank[moved->v[m] % l->width] = 0;
  for (int64_t k = 0; k < l->width; k++)
    if (l->rank[k] == 0) l->rank[k] = (int64_t)c->moved++;
  for (size_t m = 0; m < moved->n; m++) {
    const int64_t site = moved->v[m] / l->width;
    if (l->number[site] < 0) {
      l->at[c->sites] = site;
      l->number[site] = (int64_t)c->sites++;
    }
    c->place[m] = (struct conditioner_place){(size_t)l->number[site],
                                             (size_t)l->rank[moved->v[m] % l->width]};
  }
  if (c->sites * c->moved == moved->n) return BOLTZ_OK;
  return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/moved",
                       "not the same coordinates are moved of every site that has one: %zu are "
                       "moved on %zu sites",
                       moved->n, c->sites);
}

/* What site number `s` of the conditioner sees as component k at a place; -1: nothing fixed. */
static int64_t seen_at(const struct lattice *l, size_t s, int64_t place, int64_t k) {
  const int64_t j = neighbour(l, l->at[s], place) * l->width + k;
  return l->fixed[j] ? j : -1;
}

/* A place is an input when any site sees something there. */
static void see_near(const struct boltz_layer *layer, const struct lattice *l,
                     struct conditioner *c) {
  const size_t most = (size_t)(l->window * l->width);
  for (int64_t place = 0; place < l->window; place++)
    for (int64_t k = 0; k < l->width; k++) {
      bool any = false;
      for (size_t s = 0; s < c->sites; s++) {
        const int64_t j = seen_at(l, s, place, k);
        c->coordinate[s * most + c->n] = j;
        any |= j >= 0;
      }
      if (any) add_input(layer, k, c);
    }
  for (size_t s = 0; s < c->sites; s++) /* rows close up to the inputs there are */
    for (size_t f = 0; f < c->n; f++) c->coordinate[s * c->n + f] = c->coordinate[s * most + f];
}

static enum boltz_status see_sites(const struct boltz_layer *layer, const struct boltz_ints *fixed,
                                   const struct boltz_ints *moved,
                                   const struct conditioner_lattice *settings,
                                   struct boltz_arena *arena, struct conditioner *c) {
  struct lattice l = {.settings = settings};
  BOLTZ_TRY(read_lattice(layer, &l));
  l.fixed = BOLTZ_NEW_ARRAY(arena, (size_t)layer->dim, bool);
  l.rank = BOLTZ_NEW_ARRAY(arena, (size_t)l.width, int64_t);
  l.number = BOLTZ_NEW_ARRAY(arena, (size_t)l.sites, int64_t);
  l.at = BOLTZ_NEW_ARRAY(arena, (size_t)l.sites, int64_t);
  if (!l.fixed || !l.rank || !l.number || !l.at) return BOLTZ_NO_MEMORY;
  for (size_t f = 0; f < fixed->n; f++) l.fixed[fixed->v[f]] = true;
  BOLTZ_TRY(number_sites(layer, moved, &l, c));
  const size_t most = (size_t)(l.window * l.width);
  if (most * c->sites > SEEN_MAX)
    return boltz_fail_at(
        BOLTZ_OUT_OF_RANGE, "/reach",
        "%zu sites that see %zu coordinates each are more than %d: reach = %lld is "
        "too far",
        c->sites, most, SEEN_MAX, (long long)settings->reach);
  c->input = BOLTZ_NEW_ARRAY(arena, most, struct conditioner_input);
  c->coordinate = BOLTZ_NEW_ARRAY(arena, c->sites * most, int64_t);
  if (!c->input || !c->coordinate) return BOLTZ_NO_MEMORY;
  see_near(layer, &l, c);
  if (c->n > 0) return BOLTZ_OK;
  return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/lattice",
                       "no fixed coordinate is within reach (%lld) of a moved one",
                       (long long)settings->reach);
}

enum boltz_status boltz_conditioner_new(const struct boltz_layer *layer,
                                        const struct boltz_ints *fixed,
                                        const struct boltz_ints *moved,
                                        const struct conditioner_lattice *lattice,
                                        struct boltz_arena *arena, struct conditioner *c) {
  bool *seen = BOLTZ_NEW_ARRAY(arena, (size_t)layer->dim, bool);
  *c =
      (struct conditioner){.place = BOLTZ_NEW_ARRAY(arena, moved->n + 1, struct conditioner_place)};
  if (!seen || !c->place) return BOLTZ_NO_MEMORY;
  if (layer->dim < 2)
    return boltz_fail(BOLTZ_OUT_OF_RANGE,
                      "a coupling needs a coordinate to fix and one to move: dim = %d is too small",
                      layer->dim);
  BOLTZ_TRY(boltz_coordinates_check("fixed", fixed, layer->dim, seen));
  BOLTZ_TRY(boltz_coordinates_check("moved", moved, layer->dim, seen));
  if (lattice && lattice->sides.n > 0) return see_sites(layer, fixed, moved, lattice, arena, c);
  return see_all(layer, fixed, moved, arena, c);
}

/* cos and sin of 2 pi (x - low)/width */
BOLTZ_INLINE void turn(double x, double low, double width, double *cosine, double *sine) {
  const double u = (boltz_wrap(x, low, width) - low) / width;
  boltz_cos_sin_turn(u, cosine, sine);
}

BOLTZ_VECTORISED static void gather_turns(double low, double width, size_t n, size_t ld,
                                          const double *restrict x, float *restrict a) {
  for (size_t i = 0; i < n; i++) {
    double cosine, sine;
    turn(x[i], low, width, &cosine, &sine);
    a[i * ld] = (float)cosine;
    a[i * ld + 1] = (float)sine;
  }
}

static void gather_input(const struct conditioner_input *in, size_t n, size_t ld, const double *x,
                         float *a) {
  if (in->periodic)
    gather_turns(in->low, in->width, n, ld, x, a);
  else
    for (size_t i = 0; i < n; i++) a[i * ld] = (float)x[i];
}

static void gather_nothing(const struct conditioner_input *in, size_t n, size_t ld, float *a) {
  for (size_t i = 0; i < n; i++) {
    a[i * ld] = 0;
    if (in->periodic) a[i * ld + 1] = 0;
  }
}

const float *boltz_conditioner_gather(const struct conditioner *c, const struct boltz_batch *x,
                                      struct boltz_arena *scratch) {
  const size_t ld = boltz_kernel_ld(c->width);
  float *a = boltz_arena_scratch(scratch, x->n, c->sites * ld * sizeof *a);
  for (size_t s = 0; a && s < c->sites; s++)
    for (size_t f = 0; f < c->n; f++) {
      const int64_t j = c->coordinate[s * c->n + f];
      float *to = a + s * x->n * ld + c->input[f].column;
      if (j >= 0)
        gather_input(&c->input[f], x->n, ld, x->col[j], to);
      else
        gather_nothing(&c->input[f], x->n, ld, to);
    }
  return a;
}

/* d cos/dx = -(2 pi/width) sin, d sin/dx = (2 pi/width) cos */
BOLTZ_VECTORISED static void back_turns(double low, double width, size_t n, size_t ld,
                                        const double *restrict x, const float *restrict ga,
                                        double *restrict g) {
  const double rate = 6.283185307179586477 / width;
  for (size_t i = 0; i < n; i++) {
    double cosine, sine;
    turn(x[i], low, width, &cosine, &sine);
    g[i] += rate * (cosine * (double)ga[i * ld + 1] - sine * (double)ga[i * ld]);
  }
}

void boltz_conditioner_back(const struct conditioner *c, const struct boltz_batch *x,
                            const float *ga, struct boltz_batch *g) {
  const size_t ld = boltz_kernel_ld(c->width);
  for (size_t s = 0; s < c->sites; s++)
    for (size_t f = 0; f < c->n; f++) {
      const int64_t j = c->coordinate[s * c->n + f];
      if (j < 0) continue;
      const struct conditioner_input *in = &c->input[f];
      const float *from = ga + s * g->n * ld + in->column;
      if (in->periodic)
        back_turns(in->low, in->width, g->n, ld, x->col[j], from, g->col[j]);
      else
        for (size_t i = 0; i < g->n; i++) g->col[j][i] += (double)from[i * ld];
    }
}

/* ---- One coordinate ---- */

const float *boltz_conditioner_edges(const struct conditioner *c, const struct boltz_batch *x,
                                     struct boltz_grid *grid, struct boltz_arena *scratch) {
  const struct conditioner_input *in = &c->input[0];
  const size_t ld = boltz_kernel_ld(c->width);
  double *edge = boltz_arena_scratch(scratch, BOLTZ_GRID_EDGES, sizeof *edge);
  float *a = boltz_arena_scratch(scratch, BOLTZ_GRID_EDGES, ld * sizeof *a);
  if (!edge || !a) return NULL;
  *grid = in->periodic ? boltz_grid_between(in->low, in->low + in->width)
                       : boltz_grid_around(x->n, x->col[c->coordinate[0]]);
  for (size_t e = 0; e < BOLTZ_GRID_EDGES; e++) edge[e] = boltz_grid_edge(grid, e);
  gather_input(in, BOLTZ_GRID_EDGES, ld, edge, a);
  return a;
}

BOLTZ_VECTORISED static void wrap(double low, double width, size_t n, const double *restrict x,
                                  double *restrict wrapped) {
  for (size_t i = 0; i < n; i++) wrapped[i] = boltz_wrap(x[i], low, width);
}

const double *boltz_conditioner_seen(const struct conditioner *c, const struct boltz_batch *x,
                                     struct boltz_arena *scratch) {
  const struct conditioner_input *in = &c->input[0];
  const double *column = x->col[c->coordinate[0]];
  if (!in->periodic) return column;
  double *wrapped = boltz_arena_scratch(scratch, x->n, sizeof *wrapped);
  if (wrapped) wrap(in->low, in->width, x->n, column, wrapped);
  return wrapped;
}

/* ---- One network ---- */

enum boltz_status boltz_conditioner_serve(const struct conditioner *c, const struct boltz_mlp *net,
                                          const struct boltz_layer *layer,
                                          const struct boltz_weights *w,
                                          enum boltz_precision precision,
                                          const struct boltz_batch *x, struct boltz_arena *arena,
                                          struct boltz_arena *scratch, void **served) {
  const float *a = boltz_conditioner_gather(c, x, scratch);
  struct boltz_narrow *narrow = NULL;
  if (!a) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(boltz_narrow_new(net, boltz_layer_flat(layer, w), boltz_layer_packed(layer, w),
                             precision, c->sites * x->n, a, arena, scratch, &narrow));
  *served = narrow;
  return BOLTZ_OK;
}

const float *boltz_conditioner_ask(const struct conditioner *c, const struct boltz_mlp *net,
                                   const struct boltz_layer *layer, const struct boltz_weights *w,
                                   const struct boltz_batch *x, struct boltz_mlp_tape *tape,
                                   struct boltz_arena *scratch) {
  const struct boltz_narrow *served = boltz_layer_served(layer, w);
  const float *packed = boltz_layer_packed(layer, w);
  const size_t rows = c->sites * x->n;
  const float *a = boltz_conditioner_gather(c, x, scratch);
  if (!a) return NULL;
  if (served) return boltz_narrow_forward(net, served, packed, rows, a, scratch);
  return boltz_mlp_forward(net, packed, rows, a, tape, scratch);
}

void boltz_conditioner_learn(const struct conditioner *c, const struct boltz_mlp *net,
                             const struct boltz_layer *layer, const struct boltz_weights *w,
                             const struct boltz_mlp_tape *tape, const float *gy,
                             const struct boltz_batch *x, struct boltz_batch *g, float *gw,
                             struct boltz_arena *scratch) {
  const float *ga =
      gy ? boltz_mlp_backward(net, w->turned + layer->t_offset, tape, gy, gw, scratch) : NULL;
  if (ga)
    boltz_conditioner_back(c, x, ga, g);
  else
    gw[0] = NAN;
}
