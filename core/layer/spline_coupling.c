/* spline_coupling.c - some coordinates go through monotone curves that others choose.
 *
 *   a = the fixed coordinates, r = spline(a), one network for all; x_moved = curve(z_moved; r),
 *   log_det = sum of ln curve'; on a lattice the same network for every site, of what is near it
 *
 * The curves are those of rq_spline.h: on a real coordinate [-bound, bound] goes to itself and all
 * else stays; on an interval and on a period these go to themselves. The network is float, and so
 * are sizes and slopes of bins that it makes; curves are double: whatever function the network is,
 * the map is triangular and its log_det exact.
 * Source: Durkan et al. 2019 (neural spline flows), sec. 3; Rezende et al. 2020 (circles).
 * Golden: tests/golden/make_spline.py. */
#include <math.h>
#include <string.h>

#include "core/base/vmath.h"
#include "core/layer/conditioner.h"
#include "core/layer/rq_spline.h"

/* Of a network: weights, tapes and gradients grow with them, several couplings share them. */
#define OUTPUTS_MAX 32768

struct spline_coupling {
  struct boltz_ints fixed, moved, hidden;
  struct conditioner_lattice lattice;
  const char *activation;
  int64_t bins;
  double bound;
};

/* A moved coordinate. */
struct moved {
  int64_t coordinate;
  struct boltz_rq_spline spline;
  size_t site;  /* whose network rows have its parameters, */
  size_t first; /* from this output on */
};

struct plan {
  struct conditioner conditioner;
  struct boltz_mlp net;
  size_t n, outputs;   /* moved coordinates; parameters of a network row */
  struct moved *moved; /* [n] */
};

struct tape {
  struct boltz_mlp_tape net;
  char *curves; /* [moved, boltz_rq_tape(rows)] */
  double *in;   /* [moved, rows] */
};

/* Of one moved coordinate, in the currency of multiply-adds: two exponentials a bin, and the rest.
 */
#define FLOPS_A_BIN 80
#define FLOPS_A_COORDINATE 250

/* Where the parameters of each moved coordinate are. On a lattice the sites' coordinates of one
   rank have the same domain, and so the same curves. */
static enum boltz_status place_parameters(const struct boltz_layer *layer, struct plan *plan,
                                          struct boltz_arena *arena) {
  const struct spline_coupling *s = layer->settings;
  const struct conditioner *c = &plan->conditioner;
  size_t *first = BOLTZ_NEW_ARRAY(arena, c->moved, size_t);
  plan->n = s->moved.n;
  plan->moved = BOLTZ_NEW_ARRAY(arena, plan->n, struct moved);
  if (!first || !plan->moved) return BOLTZ_NO_MEMORY;
  for (size_t rank = 0; rank < c->moved; rank++)
    for (size_t m = 0; m < plan->n; m++) {
      if (c->place[m].rank != rank) continue;
      const struct boltz_rq_spline spline =
          boltz_rq_on(&layer->domain[s->moved.v[m]], (int)s->bins, s->bound);
      first[rank] = plan->outputs;
      plan->outputs += boltz_rq_parameters(spline.ends, spline.bins);
      break;
    }
  for (size_t m = 0; m < plan->n; m++) {
    const int64_t j = s->moved.v[m];
    plan->moved[m] =
        (struct moved){.coordinate = j,
                       .spline = boltz_rq_on(&layer->domain[j], (int)s->bins, s->bound),
                       .site = c->place[m].site,
                       .first = first[c->place[m].rank]};
  }
  return BOLTZ_OK;
}

static enum boltz_status build(struct boltz_layer *layer, struct boltz_arena *arena) {
  const struct spline_coupling *s = layer->settings;
  struct plan *plan = BOLTZ_NEW(arena, struct plan);
  if (!plan) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(
      boltz_conditioner_new(layer, &s->fixed, &s->moved, &s->lattice, arena, &plan->conditioner));
  BOLTZ_TRY(place_parameters(layer, plan, arena));
  if (plan->outputs > OUTPUTS_MAX)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/moved",
                         "%zu moved coordinates of %lld bins have %zu parameters, more than %d: "
                         "several couplings can share them",
                         plan->n, (long long)s->bins, plan->outputs, OUTPUTS_MAX);
  BOLTZ_TRY(boltz_mlp_new(plan->conditioner.width, &s->hidden, plan->outputs,
                          boltz_activation_of(s->activation), arena, &plan->net));
  plan->net.all_narrow = true; /* parameters, not coordinates, and most of the network's products */
  layer->plan = plan;
  layer->sites = s->lattice.sides.n > 0 ? plan->conditioner.sites : 0;
  layer->nw = plan->net.nw;
  layer->npacked = plan->net.npacked;
  layer->nturned = plan->net.nturned;
  return BOLTZ_OK;
}

/* Every coordinate stays in its own. */
static void domains(const struct boltz_layer *layer, struct boltz_domain *domain) {
  (void)layer, (void)domain;
}

static bool tensor(const struct boltz_layer *layer, int k, struct boltz_tensor *tensor) {
  return boltz_mlp_tensor(&((const struct plan *)layer->plan)->net, "spline", k, tensor);
}

/* The identity, for a network of zeros has it. */
static void init(const struct boltz_layer *layer, uint64_t seed, int index, float *w) {
  boltz_mlp_init(&((const struct plan *)layer->plan)->net, seed, (uint64_t)index << 32, w);
}

static void pack(const struct boltz_layer *layer, const float *w, float *packed, float *turned) {
  boltz_mlp_pack(&((const struct plan *)layer->plan)->net, w, packed, turned);
}

/* ---- Serving ---- */

/* The curves of all moved coordinates over a grid. */
struct curves {
  struct boltz_grid grid;
  size_t width;      /* floats of a curve */
  const float *edge; /* [BOLTZ_GRID_EDGES, moved, width] */
};

static bool has(const struct boltz_layer *layer, enum boltz_precision precision) {
  const struct plan *plan = layer->plan;
  return precision != BOLTZ_TABLE ||
         (boltz_conditioner_sees_one(&plan->conditioner) && plan->outputs <= BOLTZ_TABULATED_MAX);
}

static enum boltz_status tabulate(const struct boltz_layer *layer, const struct boltz_weights *w,
                                  const struct boltz_batch *x, struct boltz_arena *arena,
                                  struct boltz_arena *scratch, void **out) {
  const struct plan *plan = layer->plan;
  const size_t ld = boltz_kernel_ld(plan->outputs);
  struct curves *curves = *out = BOLTZ_NEW(arena, struct curves);
  if (!curves) return BOLTZ_NO_MEMORY;
  curves->width = boltz_rq_table_width(plan->moved[0].spline.bins);
  float *edge = boltz_arena_alloc(arena, BOLTZ_GRID_EDGES, plan->n * curves->width * sizeof *edge);
  const float *a = boltz_conditioner_edges(&plan->conditioner, x, &curves->grid, scratch);
  const float *r = edge && a ? boltz_mlp_forward(&plan->net, boltz_layer_packed(layer, w),
                                                 BOLTZ_GRID_EDGES, a, NULL, scratch)
                             : NULL;
  if (!r) return BOLTZ_NO_MEMORY;
  curves->edge = edge;
  for (size_t e = 0; e < BOLTZ_GRID_EDGES; e++)
    for (size_t m = 0; m < plan->n; m++, edge += curves->width)
      boltz_rq_tabulate(&plan->moved[m].spline, r + e * ld + plan->moved[m].first, edge);
  return BOLTZ_OK;
}

static enum boltz_status serve(const struct boltz_layer *layer, const struct boltz_weights *w,
                               enum boltz_precision precision, const struct boltz_batch *x,
                               struct boltz_arena *arena, struct boltz_arena *scratch, void **out) {
  const struct plan *plan = layer->plan;
  if (precision == BOLTZ_TABLE) return tabulate(layer, w, x, arena, scratch, out);
  return boltz_conditioner_serve(&plan->conditioner, &plan->net, layer, w, precision, x, arena,
                                 scratch, out);
}

/* ---- Both ways ---- */

/* The parameters [sites rows, ld(outputs)]; NULL: scratch is exhausted. */
static const float *ask(const struct boltz_layer *layer, const struct boltz_weights *w,
                        const struct boltz_batch *x, struct tape *tape,
                        struct boltz_arena *scratch) {
  const struct plan *plan = layer->plan;
  return boltz_conditioner_ask(&plan->conditioner, &plan->net, layer, w, x,
                               tape ? &tape->net : NULL, scratch);
}

/* Where the parameters of a moved coordinate start among [sites n, ld(outputs)]. */
static size_t at(const struct plan *plan, const struct moved *moved, size_t n) {
  return moved->site * n * boltz_kernel_ld(plan->outputs) + moved->first;
}

/* Bytes of the tape of a moved coordinate's curves. */
static size_t tape_of(const struct plan *plan, size_t n) {
  return boltz_rq_tape(plan->moved[0].spline.bins, n);
}

static struct tape *new_tape(const struct plan *plan, size_t n, struct boltz_arena *scratch) {
  struct tape *tape = BOLTZ_NEW(scratch, struct tape);
  if (!tape) return NULL;
  tape->in = boltz_arena_scratch(scratch, plan->n, n * sizeof(double));
  tape->curves = boltz_arena_scratch(scratch, plan->n, tape_of(plan, n));
  return tape->in && tape->curves ? tape : NULL;
}

/* false: scratch is exhausted */
static bool apply_table(const struct plan *plan, const struct curves *curves,
                        enum boltz_direction direction, struct boltz_batch *x, double *log_det,
                        struct boltz_arena *scratch) {
  const double *seen = boltz_conditioner_seen(&plan->conditioner, x, scratch);
  uint32_t *cell = boltz_arena_scratch(scratch, x->n, sizeof *cell);
  float *part = boltz_arena_scratch(scratch, x->n, sizeof *part);
  if (!seen || !cell || !part) return false;
  boltz_grid_find(&curves->grid, x->n, seen, cell, part);
  for (size_t m = 0; m < plan->n; m++) {
    const struct boltz_rq_table table = {curves->edge + m * curves->width, plan->n * curves->width};
    boltz_rq_apply_table(&plan->moved[m].spline, direction, x->n, &table, cell, part,
                         x->col[plan->moved[m].coordinate], log_det);
  }
  return true;
}

static void apply(const struct boltz_layer *layer, const struct boltz_weights *w,
                  enum boltz_direction direction, struct boltz_batch *x, double *log_det,
                  void **tape_out, struct boltz_arena *scratch) {
  const struct plan *plan = layer->plan;
  const size_t n = x->n, ld = boltz_kernel_ld(plan->outputs);
  struct tape *tape = NULL;
  if (n == 0) return;
  if (w->precision == BOLTZ_TABLE) {
    if (!apply_table(plan, boltz_layer_served(layer, w), direction, x, log_det, scratch))
      boltz_conditioner_fail(x, log_det, tape_out);
    return;
  }
  if (tape_out) {
    *tape_out = tape = new_tape(plan, n, scratch);
    if (!tape) return boltz_conditioner_fail(x, log_det, tape_out);
  }
  const float *r = ask(layer, w, x, tape, scratch);
  if (!r) return boltz_conditioner_fail(x, log_det, tape_out);
  for (size_t m = 0; m < plan->n; m++) {
    const struct moved *moved = &plan->moved[m];
    double *column = x->col[moved->coordinate];
    if (tape) memcpy(tape->in + m * n, column, n * sizeof *column);
    boltz_rq_apply_rows(&moved->spline, direction, n, ld, r + at(plan, moved, n), column, log_det,
                        tape ? tape->curves + m * tape_of(plan, n) : NULL);
  }
  /* the curves' tape is all that is needed of the parameters */
  if (tape) boltz_arena_release(scratch, tape->net.outputs);
}

static void backward(const struct boltz_layer *layer, const struct boltz_weights *w,
                     enum boltz_direction direction, void *tape_in, struct boltz_batch *x,
                     struct boltz_batch *g, const double *glog_det, float *gw,
                     struct boltz_arena *scratch) {
  const struct plan *plan = layer->plan;
  const struct tape *tape = tape_in;
  const size_t n = x->n, ld = boltz_kernel_ld(plan->outputs);
  if (n == 0) return;
  float *gr = boltz_arena_scratch(scratch, n, plan->conditioner.sites * ld * sizeof *gr);
  for (size_t m = 0; gr && m < plan->n; m++) {
    const struct moved *moved = &plan->moved[m];
    double *column = x->col[moved->coordinate];
    const double *in = tape->in + m * n, *z = direction == BOLTZ_TO_X ? in : column;
    boltz_rq_backward_rows(&moved->spline, direction, n, ld, tape->curves + m * tape_of(plan, n), z,
                           glog_det, g->col[moved->coordinate], gr + at(plan, moved, n));
    memcpy(column, in, n * sizeof *column);
  }
  boltz_conditioner_learn(&plan->conditioner, &plan->net, layer, w, &tape->net, gr, x, g, gw,
                          scratch);
}

static double flops(const struct boltz_layer *layer, enum boltz_precision precision) {
  const struct plan *plan = layer->plan;
  const double curves = FLOPS_A_COORDINATE * (double)plan->n;
  if (precision == BOLTZ_TABLE) return curves;
  return boltz_mlp_flops(&plan->net) * (double)plan->conditioner.sites + curves +
         FLOPS_A_BIN * (double)plan->moved[0].spline.bins * (double)plan->n;
}

#define OFFSET(member) offsetof(struct spline_coupling, member)
static const struct boltz_field fields[] = {
    BOLTZ_COORDINATES_ROW("fixed", struct spline_coupling, fixed, true,
                          "coordinates, from 0, that the network sees"),
    BOLTZ_COORDINATES_ROW("moved", struct spline_coupling, moved, true,
                          "coordinates that go through curves"),
    CONDITIONER_HIDDEN_ROW(struct spline_coupling, hidden, true,
                           "widths of the hidden layers of the network, 1 to 64 of them"),
    {.name = "lattice",
     .type = BOLTZ_FIELD_INTS,
     .offset = OFFSET(lattice.sides),
     .low = 1,
     .high = BOLTZ_DIM_MAX,
     .doc = "sides of a periodic lattice whose sites, row-major, have the coordinates in equal "
            "parts: the network is then one site's, of the fixed coordinates near it; empty: none"},
    {.name = "reach",
     .type = BOLTZ_FIELD_INT,
     .offset = OFFSET(lattice.reach),
     .def = 1,
     .low = 0,
     .high = BOLTZ_DIM_MAX,
     .unit = "sites",
     .doc = "on a lattice: how far along each axis a site's network sees"},
    CONDITIONER_ACTIVATION_ROW("activation", struct spline_coupling, activation, "silu",
                               "activation of the network"),
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

const struct boltz_layer_kind boltz_layer_spline_coupling = {
    .name = "spline_coupling",
    .doc =
        "a = fixed coordinates, cos and sin of those that are periodic, r = spline(a): x_moved = "
        "curve(z_moved; r), a monotone rational-quadratic spline on [-bound, bound], on the "
        "coordinate's interval or on its period; log_det = sum of ln curve'",
    .source = "Durkan et al. 2019, arXiv 1906.04032, sec. 3; Rezende et al. 2020, arXiv 2002.02428",
    .fields = fields,
    .settings_size = sizeof(struct spline_coupling),
    .build = build,
    .domains = domains,
    .tensor = tensor,
    .init = init,
    .pack = pack,
    .has = has,
    .serve = serve,
    .apply = apply,
    .backward = backward,
    .flops = flops,
};
