/* additive_coupling.c - some coordinates are shifted by a function of others.
 *
 *   a = the fixed coordinates, t = shift(a): x_moved = z_moved + t,  log_det = 0
 *
 * The network is float, the sum double: for whatever function it is, volumes stay exactly.
 * Source: Dinh et al. 2015 (NICE), sec. 3.2.
 * Golden: with weights that make t = -1.25: z = 2 gives x = 0.75. */
#include <math.h>

#include "core/layer/conditioner.h"
#include "core/nn/table.h"

struct additive_coupling {
  struct boltz_ints fixed, moved, hidden;
  const char *activation;
};

struct plan {
  const struct boltz_ints *moved;
  struct conditioner conditioner;
  struct boltz_mlp shift;
};

struct tape {
  struct boltz_mlp_tape shift;
  const float *t; /* [n, ld(moved)] */
};

static enum boltz_status build(struct boltz_layer *layer, struct boltz_arena *arena) {
  const struct additive_coupling *s = layer->settings;
  struct plan *plan = BOLTZ_NEW(arena, struct plan);
  if (!plan) return BOLTZ_NO_MEMORY;
  plan->moved = &s->moved;
  BOLTZ_TRY(boltz_conditioner_new(layer, &s->fixed, &s->moved, NULL, arena, &plan->conditioner));
  for (size_t m = 0; m < s->moved.n; m++) BOLTZ_TRY(boltz_layer_check_open(layer, s->moved.v[m]));
  BOLTZ_TRY(boltz_mlp_new(plan->conditioner.width, &s->hidden, s->moved.n,
                          boltz_activation_of(s->activation), arena, &plan->shift));
  layer->plan = plan;
  layer->nw = plan->shift.nw;
  layer->npacked = plan->shift.npacked;
  layer->nturned = plan->shift.nturned;
  return BOLTZ_OK;
}

static void domains(const struct boltz_layer *layer, struct boltz_domain *domain) {
  const struct boltz_ints *moved = ((const struct plan *)layer->plan)->moved;
  for (size_t m = 0; m < moved->n; m++) domain[moved->v[m]].type = BOLTZ_REAL;
}

static bool tensor(const struct boltz_layer *layer, int k, struct boltz_tensor *tensor) {
  return boltz_mlp_tensor(&((const struct plan *)layer->plan)->shift, "shift", k, tensor);
}

/* The identity, for a network of zeros has it. */
static void init(const struct boltz_layer *layer, uint64_t seed, int index, float *w) {
  boltz_mlp_init(&((const struct plan *)layer->plan)->shift, seed, (uint64_t)index << 32, w);
}

static void pack(const struct boltz_layer *layer, const float *w, float *packed, float *turned) {
  boltz_mlp_pack(&((const struct plan *)layer->plan)->shift, w, packed, turned);
}

/* ---- Serving ---- */

static bool has(const struct boltz_layer *layer, enum boltz_precision precision) {
  const struct plan *plan = layer->plan;
  return precision != BOLTZ_TABLE || boltz_conditioner_sees_one(&plan->conditioner);
}

static enum boltz_status serve(const struct boltz_layer *layer, const struct boltz_weights *w,
                               enum boltz_precision precision, const struct boltz_batch *x,
                               struct boltz_arena *arena, struct boltz_arena *scratch, void **out) {
  const struct plan *plan = layer->plan;
  const struct conditioner *c = &plan->conditioner;
  if (precision != BOLTZ_TABLE)
    return boltz_conditioner_serve(c, &plan->shift, layer, w, precision, x, arena, scratch, out);
  struct boltz_grid grid;
  const float *a = boltz_conditioner_edges(c, x, &grid, scratch);
  struct boltz_table *table = NULL;
  if (!a) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(boltz_table_new(NULL, &plan->shift, boltz_layer_packed(layer, w), 0, &grid, a, arena,
                            scratch, &table));
  *out = table;
  return BOLTZ_OK;
}

/* ---- Both ways ---- */

/* t [n, ld(moved)]; NULL: scratch is exhausted. */
static const float *ask(const struct boltz_layer *layer, const struct boltz_weights *w,
                        const struct boltz_batch *x, struct tape *tape,
                        struct boltz_arena *scratch) {
  const struct plan *plan = layer->plan;
  return boltz_conditioner_ask(&plan->conditioner, &plan->shift, layer, w, x,
                               tape ? &tape->shift : NULL, scratch);
}

static void shift_columns(const struct boltz_ints *moved, enum boltz_direction direction,
                          const float *t, struct boltz_batch *x) {
  const size_t ld = boltz_kernel_ld(moved->n);
  const double sign = direction == BOLTZ_TO_X ? 1 : -1;
  for (size_t m = 0; m < moved->n; m++) {
    double *column = x->col[moved->v[m]];
    for (size_t i = 0; i < x->n; i++) column[i] += sign * (double)t[i * ld + m];
  }
}

/* false: scratch is exhausted */
static bool shift_by_table(const struct plan *plan, const struct boltz_table *table,
                           enum boltz_direction direction, struct boltz_batch *x,
                           struct boltz_arena *scratch) {
  const double *seen = boltz_conditioner_seen(&plan->conditioner, x, scratch);
  double *t = boltz_arena_scratch(scratch, x->n, sizeof *t);
  double *none = boltz_arena_scratch(scratch, x->n, sizeof *none);
  if (!seen || !t || !none) return false;
  const double sign = direction == BOLTZ_TO_X ? 1 : -1;
  for (size_t m = 0; m < plan->moved->n; m++) {
    double *column = x->col[plan->moved->v[m]];
    boltz_table_eval(table, m, x->n, seen, none, t);
    for (size_t i = 0; i < x->n; i++) column[i] += sign * t[i];
  }
  return true;
}

static void apply(const struct boltz_layer *layer, const struct boltz_weights *w,
                  enum boltz_direction direction, struct boltz_batch *x, double *log_det,
                  void **tape_out, struct boltz_arena *scratch) {
  const struct plan *plan = layer->plan;
  struct tape *tape = NULL;
  if (x->n == 0) return;
  if (w->precision == BOLTZ_TABLE) {
    if (!shift_by_table(plan, boltz_layer_served(layer, w), direction, x, scratch))
      boltz_conditioner_fail(x, log_det, tape_out);
    return;
  }
  if (tape_out) *tape_out = tape = BOLTZ_NEW(scratch, struct tape);
  const float *t = tape || !tape_out ? ask(layer, w, x, tape, scratch) : NULL;
  if (!t) return boltz_conditioner_fail(x, log_det, tape_out);
  if (tape) tape->t = t;
  shift_columns(plan->moved, direction, t, x);
}

/* TO_X: out = in + t, gt = g. TO_Z: out = in - t, gt = -g. */
static void backward(const struct boltz_layer *layer, const struct boltz_weights *w,
                     enum boltz_direction direction, void *tape_in, struct boltz_batch *x,
                     struct boltz_batch *g, const double *glog_det, float *gw,
                     struct boltz_arena *scratch) {
  const struct plan *plan = layer->plan;
  const struct tape *tape = tape_in;
  const size_t n = x->n, ld = boltz_kernel_ld(plan->moved->n);
  const enum boltz_direction back = direction == BOLTZ_TO_X ? BOLTZ_TO_Z : BOLTZ_TO_X;
  (void)glog_det;
  if (n == 0) return;
  float *gt = boltz_arena_scratch(scratch, n, ld * sizeof *gt);
  for (size_t m = 0; gt && m < plan->moved->n; m++) {
    const double *column = g->col[plan->moved->v[m]];
    for (size_t i = 0; i < n; i++)
      gt[i * ld + m] = (float)(direction == BOLTZ_TO_X ? column[i] : -column[i]);
  }
  shift_columns(plan->moved, back, tape->t, x);
  boltz_conditioner_learn(&plan->conditioner, &plan->shift, layer, w, &tape->shift, gt, x, g, gw,
                          scratch);
}

static double flops(const struct boltz_layer *layer, enum boltz_precision precision) {
  return precision == BOLTZ_TABLE ? 0 : boltz_mlp_flops(&((const struct plan *)layer->plan)->shift);
}

#define OFFSET(member) offsetof(struct additive_coupling, member)
static const struct boltz_field fields[] = {
    BOLTZ_COORDINATES_ROW("fixed", struct additive_coupling, fixed, true,
                          "coordinates, from 0, that the network sees"),
    BOLTZ_COORDINATES_ROW("moved", struct additive_coupling, moved, true,
                          "coordinates that are shifted"),
    CONDITIONER_HIDDEN_ROW(struct additive_coupling, hidden, true,
                           "widths of the hidden layers of the network, 1 to 64 of them"),
    CONDITIONER_ACTIVATION_ROW("activation", struct additive_coupling, activation, "silu",
                               "activation of the network"),
    BOLTZ_FIELDS_END,
};

const struct boltz_layer_kind boltz_layer_additive_coupling = {
    .name = "additive_coupling",
    .doc =
        "a = fixed coordinates, cos and sin of those that are periodic, t = shift(a): "
        "x_moved = z_moved + t, log_det = 0",
    .source = "Dinh et al. 2015 (NICE), arXiv 1410.8516, sec. 3.2",
    .fields = fields,
    .settings_size = sizeof(struct additive_coupling),
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
