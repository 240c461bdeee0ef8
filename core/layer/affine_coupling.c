/* affine_coupling.c - some coordinates are scaled and shifted by functions of others.
 *
 *   a = the fixed coordinates, r = scale(a), t = shift(a), s = c tanh(r/c) (s = r if c = 0)
 *   x_moved = z_moved exp(s) + t,  log_det = sum of s
 *
 * scale and shift are networks in float, the rest is double: for whatever functions they are, the
 * map is triangular and its log_det exact.
 * Source: Dinh et al. 2017 (RealNVP), eqs. 7-8; the cap: Kingma & Dhariwal 2018 and after.
 * Golden: with weights that make r = 0.5 and t = -1, and c = 1: s = tanh 0.5 = 0.46211715726000976,
 * x = z 1.587431271429835 - 1. */
#include <math.h>
#include <string.h>

#include "core/base/vmath.h"
#include "core/layer/conditioner.h"
#include "core/layer/coupling.h"
#include "core/nn/narrow.h"
#include "core/nn/table.h"

struct plan {
  const struct affine_coupling *settings;
  struct conditioner conditioner;
  struct boltz_mlp scale, shift; /* weights: scale's, then shift's */
};

struct tape {
  struct boltz_mlp_tape scale, shift;
  double *s, *in; /* [moved, n] */
};

/* exp and tanh of one moved coordinate, in the currency of multiply-adds. */
#define FLOPS_A_COORDINATE 100

static enum boltz_status build(struct boltz_layer *layer, struct boltz_arena *arena) {
  const struct affine_coupling *s = layer->settings;
  struct plan *plan = BOLTZ_NEW(arena, struct plan);
  if (!plan) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(boltz_conditioner_new(layer, &s->fixed, &s->moved, NULL, arena, &plan->conditioner));
  for (size_t m = 0; m < s->moved.n; m++) BOLTZ_TRY(boltz_layer_check_open(layer, s->moved.v[m]));
  plan->settings = s;
  BOLTZ_TRY(boltz_mlp_new(plan->conditioner.width, &s->nets.hidden, s->moved.n,
                          boltz_activation_of(s->nets.scale_activation), arena, &plan->scale));
  BOLTZ_TRY(boltz_mlp_new(plan->conditioner.width, &s->nets.hidden, s->moved.n,
                          boltz_activation_of(s->nets.shift_activation), arena, &plan->shift));
  layer->plan = plan;
  layer->nw = plan->scale.nw + plan->shift.nw;
  layer->npacked = plan->scale.npacked + plan->shift.npacked;
  layer->nturned = plan->scale.nturned + plan->shift.nturned;
  return BOLTZ_OK;
}

static void domains(const struct boltz_layer *layer, struct boltz_domain *domain) {
  const struct affine_coupling *s = layer->settings;
  for (size_t m = 0; m < s->moved.n; m++) domain[s->moved.v[m]].type = BOLTZ_REAL;
}

static bool tensor(const struct boltz_layer *layer, int k, struct boltz_tensor *tensor) {
  const struct plan *plan = layer->plan;
  if (boltz_mlp_tensor(&plan->scale, "scale", k, tensor)) return true;
  if (!boltz_mlp_tensor(&plan->shift, "shift", k - 2 * plan->scale.maps, tensor)) return false;
  tensor->offset += plan->scale.nw;
  return true;
}

static void init(const struct boltz_layer *layer, uint64_t seed, int index, float *w) {
  const struct plan *plan = layer->plan;
  const uint64_t first = (uint64_t)index << 32;
  boltz_mlp_init(&plan->scale, seed, first, w);
  boltz_mlp_init(&plan->shift, seed, first + plan->scale.nw, w + plan->scale.nw);
}

static void pack(const struct boltz_layer *layer, const float *w, float *packed, float *turned) {
  const struct plan *plan = layer->plan;
  boltz_mlp_pack(&plan->scale, w, packed, turned);
  boltz_mlp_pack(&plan->shift, w + plan->scale.nw, packed + plan->scale.npacked,
                 turned ? turned + plan->scale.nturned : NULL);
}

/* ---- Serving ---- */

/* The two networks in another precision. */
struct served {
  struct boltz_narrow *scale, *shift; /* bf16, int8 */
  struct boltz_table *table;
};

static bool has(const struct boltz_layer *layer, enum boltz_precision precision) {
  const struct plan *plan = layer->plan;
  return precision != BOLTZ_TABLE || boltz_conditioner_sees_one(&plan->conditioner);
}

static enum boltz_status tabulate(const struct plan *plan, const float *packed,
                                  const struct boltz_batch *x, struct boltz_arena *arena,
                                  struct boltz_arena *scratch, struct boltz_table **table) {
  struct boltz_grid grid;
  const float *a = boltz_conditioner_edges(&plan->conditioner, x, &grid, scratch);
  if (!a) return BOLTZ_NO_MEMORY;
  return boltz_table_new(&plan->scale, &plan->shift, packed, plan->settings->nets.scale_cap, &grid,
                         a, arena, scratch, table);
}

static enum boltz_status serve(const struct boltz_layer *layer, const struct boltz_weights *w,
                               enum boltz_precision precision, const struct boltz_batch *x,
                               struct boltz_arena *arena, struct boltz_arena *scratch, void **out) {
  const struct plan *plan = layer->plan;
  const float *flat = boltz_layer_flat(layer, w), *packed = boltz_layer_packed(layer, w);
  struct served *served = BOLTZ_NEW(arena, struct served);
  if (!served) return BOLTZ_NO_MEMORY;
  *out = served;
  if (precision == BOLTZ_TABLE) return tabulate(plan, packed, x, arena, scratch, &served->table);
  const float *a = boltz_conditioner_gather(&plan->conditioner, x, scratch);
  if (!a) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(boltz_narrow_new(&plan->scale, flat, packed, precision, x->n, a, arena, scratch,
                             &served->scale));
  return boltz_narrow_new(&plan->shift, flat + plan->scale.nw, packed + plan->scale.npacked,
                          precision, x->n, a, arena, scratch, &served->shift);
}

/* ---- Both ways ---- */

/* What the networks say of a batch: rows of r and t; or a table, which is asked by column. */
struct answer {
  const struct boltz_table *table;
  const double *seen; /* [n] where it is asked */
  const float *r, *t; /* [n, ld(moved)] */
};

/* false: scratch is exhausted */
static bool ask(const struct boltz_layer *layer, const struct boltz_weights *w,
                const struct boltz_batch *x, struct tape *tape, struct boltz_arena *scratch,
                struct answer *answer) {
  const struct plan *plan = layer->plan;
  const struct served *served = boltz_layer_served(layer, w);
  const float *packed = boltz_layer_packed(layer, w), *packed_shift = packed + plan->scale.npacked;
  *answer = (struct answer){.table = served ? served->table : NULL};
  if (answer->table) {
    answer->seen = boltz_conditioner_seen(&plan->conditioner, x, scratch);
    return answer->seen;
  }
  const float *a = boltz_conditioner_gather(&plan->conditioner, x, scratch);
  if (!a) return false;
  if (served) {
    answer->r = boltz_narrow_forward(&plan->scale, served->scale, packed, x->n, a, scratch);
    answer->t = boltz_narrow_forward(&plan->shift, served->shift, packed_shift, x->n, a, scratch);
  } else {
    answer->r =
        boltz_mlp_forward(&plan->scale, packed, x->n, a, tape ? &tape->scale : NULL, scratch);
    answer->t =
        boltz_mlp_forward(&plan->shift, packed_shift, x->n, a, tape ? &tape->shift : NULL, scratch);
  }
  return answer->r && answer->t;
}

/* s and t of the rows of one moved coordinate. */
BOLTZ_VECTORISED static void take_column(double c, size_t n, size_t ld, const float *restrict r,
                                         const float *restrict t, double *restrict s,
                                         double *restrict shift) {
  for (size_t i = 0; i < n; i++) s[i] = r[i * ld];
  for (size_t i = 0; i < n; i++) shift[i] = t[i * ld];
  if (!(c > 0)) return;
  for (size_t i = 0; i < n; i++) s[i] = c * boltz_tanh_double(s[i] / c);
}

/* x = z e^s + t, log_det += s; or back. */
BOLTZ_VECTORISED static void move_any(enum boltz_direction direction, size_t n,
                                      const double *restrict s, const double *restrict t,
                                      double *restrict x, double *restrict log_det) {
  if (direction == BOLTZ_TO_X)
    for (size_t i = 0; i < n; i++) {
      x[i] = fma(x[i], boltz_exp(s[i]), t[i]);
      log_det[i] += s[i];
    }
  else
    for (size_t i = 0; i < n; i++) {
      x[i] = (x[i] - t[i]) * boltz_exp(-s[i]);
      log_det[i] -= s[i];
    }
}

/* The same for |s| <= 700. */
BOLTZ_VECTORISED static void move_within(enum boltz_direction direction, size_t n,
                                         const double *restrict s, const double *restrict t,
                                         double *restrict x, double *restrict log_det) {
  if (direction == BOLTZ_TO_X)
    for (size_t i = 0; i < n; i++) {
      x[i] = fma(x[i], boltz_exp_within(s[i]), t[i]);
      log_det[i] += s[i];
    }
  else
    for (size_t i = 0; i < n; i++) {
      x[i] = (x[i] - t[i]) * boltz_exp_within(-s[i]);
      log_det[i] -= s[i];
    }
}

static struct tape *new_tape(const struct affine_coupling *s, size_t n,
                             struct boltz_arena *scratch) {
  struct tape *tape = BOLTZ_NEW(scratch, struct tape);
  if (!tape) return NULL;
  tape->s = boltz_arena_scratch(scratch, s->moved.n, n * sizeof(double));
  tape->in = boltz_arena_scratch(scratch, s->moved.n, n * sizeof(double));
  return tape->s && tape->in ? tape : NULL;
}

static void apply(const struct boltz_layer *layer, const struct boltz_weights *w,
                  enum boltz_direction direction, struct boltz_batch *x, double *log_det,
                  void **tape_out, struct boltz_arena *scratch) {
  const struct affine_coupling *settings = ((const struct plan *)layer->plan)->settings;
  const size_t n = x->n, ld = boltz_kernel_ld(settings->moved.n);
  struct tape *tape = NULL;
  struct answer answer;
  if (n == 0) return;
  if (tape_out) {
    *tape_out = tape = new_tape(settings, n, scratch);
    if (!tape) return boltz_conditioner_fail(x, log_det, tape_out);
  }
  double *columns = boltz_arena_scratch(scratch, n, 2 * sizeof *columns);
  if (!columns || !ask(layer, w, x, tape, scratch, &answer))
    return boltz_conditioner_fail(x, log_det, tape_out);

  const double c = settings->nets.scale_cap;
  const bool within = answer.table || (c > 0 && c <= 700);
  for (size_t m = 0; m < settings->moved.n; m++) {
    double *column = x->col[settings->moved.v[m]], *t = columns + n;
    double *s = tape ? tape->s + m * n : columns;
    if (answer.table)
      boltz_table_eval(answer.table, m, n, answer.seen, s, t);
    else
      take_column(c, n, ld, answer.r + m, answer.t + m, s, t);
    if (tape) memcpy(tape->in + m * n, column, n * sizeof *column);
    (within ? move_within : move_any)(direction, n, s, t, column, log_det);
  }
}

/* Back through one moved coordinate:
     TO_X  out = in e^s + t,     log_det += s:  gs = g in e^s + glog,  gt = g
     TO_Z  out = (in - t) e^-s,  log_det -= s:  gs = -g out - glog,    gt = -g e^-s
   and gr = gs ds/dr, ds/dr = 1 - (s/c)^2. */
BOLTZ_VECTORISED static void back_column(enum boltz_direction direction, double c, size_t n,
                                         size_t ld, const double *s, const double *out, double *g,
                                         const double *in, const double *glog_det, float *gr,
                                         float *gt) {
  for (size_t i = 0; i < n; i++) {
    const double slope = c > 0 ? (1 - s[i] / c) * (1 + s[i] / c) : 1;
    const double scale = boltz_exp(direction == BOLTZ_TO_X ? s[i] : -s[i]);
    if (direction == BOLTZ_TO_X) {
      gr[i * ld] = (float)((g[i] * in[i] * scale + glog_det[i]) * slope);
      gt[i * ld] = (float)g[i];
    } else {
      gr[i * ld] = (float)(-(g[i] * out[i] + glog_det[i]) * slope);
      gt[i * ld] = (float)(-g[i] * scale);
    }
    g[i] *= scale;
  }
}

/* Back through one network: gy [n, ld(moved)] is dJ/d(output), dJ/d(fixed) is added to g. false:
   scratch is exhausted. */
static bool back_network(const struct plan *plan, const struct boltz_mlp *mlp, const float *turned,
                         const struct boltz_mlp_tape *tape, const struct boltz_batch *x,
                         const float *gy, struct boltz_batch *g, float *gw,
                         struct boltz_arena *scratch) {
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  const float *ga = boltz_mlp_backward(mlp, turned, tape, gy, gw, scratch);
  if (ga) boltz_conditioner_back(&plan->conditioner, x, ga, g);
  boltz_arena_release(scratch, mark);
  return ga != NULL;
}

static void backward(const struct boltz_layer *layer, const struct boltz_weights *w,
                     enum boltz_direction direction, void *tape_in, struct boltz_batch *x,
                     struct boltz_batch *g, const double *glog_det, float *gw,
                     struct boltz_arena *scratch) {
  const struct plan *plan = layer->plan;
  const struct affine_coupling *settings = plan->settings;
  const float *turned = w->turned + layer->t_offset;
  const size_t n = x->n, ld = boltz_kernel_ld(settings->moved.n);
  const struct tape *tape = tape_in;
  if (n == 0) return;

  float *gr = boltz_arena_scratch(scratch, n, ld * sizeof *gr);
  float *gt = boltz_arena_scratch(scratch, n, ld * sizeof *gt);
  for (size_t m = 0; gr && gt && m < settings->moved.n; m++) {
    double *column = x->col[settings->moved.v[m]];
    const double *in = tape->in + m * n;
    back_column(direction, settings->nets.scale_cap, n, ld, tape->s + m * n, column,
                g->col[settings->moved.v[m]], in, glog_det, gr + m, gt + m);
    for (size_t i = 0; i < n; i++) column[i] = in[i];
  }
  const bool done = gr && gt &&
                    back_network(plan, &plan->scale, turned, &tape->scale, x, gr, g, gw, scratch) &&
                    back_network(plan, &plan->shift, turned + plan->scale.nturned, &tape->shift, x,
                                 gt, g, gw + plan->scale.nw, scratch);
  if (!done) gw[0] = NAN;
}

static double flops(const struct boltz_layer *layer, enum boltz_precision precision) {
  const struct plan *plan = layer->plan;
  const double networks = boltz_mlp_flops(&plan->scale) + boltz_mlp_flops(&plan->shift);
  return (precision == BOLTZ_TABLE ? 0 : networks) +
         FLOPS_A_COORDINATE * (double)plan->settings->moved.n;
}

static const struct boltz_field fields[] = {
    BOLTZ_COORDINATES_ROW("fixed", struct affine_coupling, fixed, true,
                          "coordinates, from 0, that the networks see"),
    BOLTZ_COORDINATES_ROW("moved", struct affine_coupling, moved, true,
                          "coordinates that are scaled and shifted"),
    COUPLING_NETS_ROWS(struct affine_coupling, true,
                       "widths of the hidden layers of each network, 1 to 64 of them"),
    BOLTZ_FIELDS_END,
};

const struct boltz_layer_kind boltz_layer_affine_coupling = {
    .name = "affine_coupling",
    .doc =
        "a = fixed coordinates, cos and sin of those that are periodic, r = scale(a), t = "
        "shift(a), s = c tanh(r/c) (s = r if c = 0): "
        "x_moved = z_moved exp(s) + t, log_det = sum of s",
    .source = "Dinh et al. 2017 (RealNVP), arXiv 1605.08803, eqs. 7-8",
    .fields = fields,
    .settings_size = sizeof(struct affine_coupling),
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
