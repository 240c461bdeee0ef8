/* flow.c - base density and layers over one flat weight vector. */
#include "boltz/flow.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/vmath.h"

/* Rows that go through all layers together. With networks their activations stay in the L2 cache (a
   multiple of the kernels' 6 rows); with tables the columns stay in the L1 cache beside a table,
   which many rows share. */
#define ROWS_OF_NETWORKS 48
#define ROWS_OF_TABLES 512

struct boltz_tape {
  enum boltz_direction direction;
  int recorded;   /* layers on it */
  void *layers[]; /* [nlayers] */
};

static const float *weights_of(const struct boltz_layer *layer,
                               const struct boltz_weights *weights) {
  return boltz_layer_flat(layer, weights);
}

/* Layer number `step` on the way in that direction. */
static int layer_at(const struct boltz_flow *flow, enum boltz_direction direction, int step) {
  return direction == BOLTZ_TO_X ? step : flow->nlayers - 1 - step;
}

static int count_tensors(const struct boltz_layer *layer) {
  struct boltz_tensor tensor;
  int k = 0;
  while (layer->kind->tensor && layer->kind->tensor(layer, k, &tensor)) k++;
  return k;
}

enum boltz_status boltz_flow_new(const struct boltz_flow_spec *spec, int dim,
                                 struct boltz_arena *arena, struct boltz_flow *flow) {
  *flow = (struct boltz_flow){.spec = *spec, .dim = dim, .nlayers = spec->nlayers};
  flow->layers = BOLTZ_NEW_ARRAY(arena, (size_t)spec->nlayers + 1, struct boltz_layer);
  struct boltz_domain *domain = BOLTZ_NEW_ARRAY(arena, (size_t)dim, struct boltz_domain);
  if (!flow->layers || !domain) return BOLTZ_NO_MEMORY;
  const enum boltz_status based =
      boltz_base_new(spec->base, spec->base_settings, dim, domain, arena, &flow->base);
  if (based != BOLTZ_OK) return boltz_fail_under(based, "/base");
  flow->domain = domain;
  flow->nw = flow->base.nw;
  for (int p = 0; p < BOLTZ_PRECISIONS; p++) flow->flops[p] = 2 * (double)flow->base.nw;
  for (int i = 0; i < flow->nlayers; i++) {
    struct boltz_layer *layer = &flow->layers[i];
    *layer = (struct boltz_layer){.kind = spec->layers[i].kind,
                                  .settings = spec->layers[i].settings,
                                  .index = i,
                                  .dim = dim,
                                  .w_offset = flow->nw,
                                  .p_offset = flow->npacked,
                                  .t_offset = flow->nturned};
    const enum boltz_status status = boltz_layer_build(layer, domain, arena);
    if (status != BOLTZ_OK) return boltz_fail_under(status, "/layers/%d", i);
    layer->tensors = count_tensors(layer);
    flow->log_copies += layer->log_copies;
    flow->nw += layer->nw;
    flow->npacked += layer->npacked;
    flow->nturned += layer->nturned;
    for (int p = 0; layer->kind->flops && p < BOLTZ_PRECISIONS; p++)
      flow->flops[p] += layer->kind->flops(layer, (enum boltz_precision)p);
  }
  return BOLTZ_OK;
}

enum boltz_status boltz_weights_new(const struct boltz_flow *flow, struct boltz_arena *arena,
                                    struct boltz_weights *weights) {
  *weights = (struct boltz_weights){0};
  weights->flat = BOLTZ_NEW_ARRAY(arena, flow->nw ? flow->nw : 1, float);
  weights->packed = BOLTZ_NEW_ARRAY(arena, flow->npacked ? flow->npacked : 1, float);
  return weights->flat && weights->packed ? BOLTZ_OK : BOLTZ_NO_MEMORY;
}

void boltz_flow_pack_layer(const struct boltz_flow *flow, int i, struct boltz_weights *weights) {
  const struct boltz_layer *layer = &flow->layers[i];
  if (layer->kind->pack)
    layer->kind->pack(layer, weights_of(layer, weights), weights->packed + layer->p_offset,
                      weights->turned ? weights->turned + layer->t_offset : NULL);
}

void boltz_flow_pack(const struct boltz_flow *flow, struct boltz_weights *weights) {
  for (int i = 0; i < flow->nlayers; i++) boltz_flow_pack_layer(flow, i, weights);
}

enum boltz_status boltz_weights_turn(const struct boltz_flow *flow, struct boltz_arena *arena,
                                     struct boltz_weights *weights) {
  if (weights->turned) return BOLTZ_OK;
  weights->turned = BOLTZ_NEW_ARRAY(arena, flow->nturned ? flow->nturned : 1, float);
  if (!weights->turned) return BOLTZ_NO_MEMORY;
  boltz_flow_pack(flow, weights);
  return BOLTZ_OK;
}

void boltz_flow_init(const struct boltz_flow *flow, uint64_t seed, struct boltz_weights *weights) {
  if (flow->base.kind->init) flow->base.kind->init(&flow->base, weights->flat);
  for (int i = 0; i < flow->nlayers; i++) {
    const struct boltz_layer *layer = &flow->layers[i];
    if (layer->kind->init) layer->kind->init(layer, seed, i, weights->flat + layer->w_offset);
  }
  boltz_flow_pack(flow, weights);
}

bool boltz_flow_tensor(const struct boltz_flow *flow, int k, struct boltz_tensor *tensor) {
  struct boltz_tensor inner;
  if (k >= 0 && k < flow->base.tensors) {
    flow->base.kind->tensor(&flow->base, k, &inner);
    *tensor = inner;
    snprintf(tensor->name, sizeof tensor->name, "base.%.40s", inner.name);
    return true;
  }
  k -= flow->base.tensors;
  for (int i = 0; k >= 0 && i < flow->nlayers; i++) {
    const struct boltz_layer *layer = &flow->layers[i];
    if (k >= layer->tensors) {
      k -= layer->tensors;
      continue;
    }
    layer->kind->tensor(layer, k, &inner);
    *tensor = inner;
    tensor->offset += layer->w_offset;
    snprintf(tensor->name, sizeof tensor->name, "layers.%d.%.40s", i, inner.name);
    return true;
  }
  return false;
}

BOLTZ_VECTORISED static void fill(double *out, size_t n, double value) {
  for (size_t i = 0; i < n; i++) out[i] = value;
}

/* a += factor b */
BOLTZ_VECTORISED static void add(size_t n, double factor, const double *restrict b,
                                 double *restrict a) {
  for (size_t i = 0; i < n; i++) a[i] += factor * b[i];
}

/* Take the copies off. +infinity says that a latent has no weight, where there are copies; else it
   is an overflow. */
BOLTZ_VECTORISED static void share(size_t n, double log_copies, double *log_q) {
  const double infinite = log_copies > 0 ? INFINITY : NAN;
  for (size_t i = 0; i < n; i++) log_q[i] = log_q[i] == INFINITY ? infinite : log_q[i] - log_copies;
}

/* A coordinate that overflowed may have left log_det finite: 0·inf is NaN. */
static void spoil_overflows(const struct boltz_batch *x, double *log_det) {
  for (int j = 0; j < x->dim; j++) add(x->n, 0, x->col[j], log_det);
}

static bool pass(const struct boltz_layer *layer, const struct boltz_weights *weights,
                 enum boltz_direction direction, const uint64_t *key, struct boltz_batch *x,
                 double *log_det, struct boltz_arena *scratch) {
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  layer->kind->apply(layer, weights, direction, x, log_det, NULL, scratch);
  const bool done = !key || !layer->kind->scatter || layer->kind->scatter(layer, key, x, scratch);
  boltz_arena_release(scratch, mark);
  return done;
}

/* All layers on the way, some rows at a time; log_det is added to. With a key [n], rows go among
   their copies. */
static void push_rows(const struct boltz_flow *flow, const struct boltz_weights *weights,
                      enum boltz_direction direction, const uint64_t *key, struct boltz_batch *x,
                      double *log_det, struct boltz_arena *scratch) {
  const size_t together = weights->precision == BOLTZ_TABLE ? ROWS_OF_TABLES : ROWS_OF_NETWORKS;
  for (size_t at = 0; at < x->n; at += together) {
    const struct boltz_mark mark = boltz_arena_mark(scratch);
    struct boltz_batch rows;
    const size_t n = x->n - at < together ? x->n - at : together;
    bool room = boltz_batch_view(scratch, x, at, n, &rows) == BOLTZ_OK;
    for (int step = 0; room && step < flow->nlayers; step++)
      room = pass(&flow->layers[layer_at(flow, direction, step)], weights, direction,
                  key ? key + at : NULL, &rows, log_det + at, scratch);
    if (!room) fill(log_det + at, n, NAN);
    boltz_arena_release(scratch, mark);
  }
}

void boltz_flow_transform(const struct boltz_flow *flow, const struct boltz_weights *weights,
                          enum boltz_direction direction, struct boltz_batch *x, double *log_det,
                          struct boltz_arena *scratch) {
  fill(log_det, x->n, 0);
  push_rows(flow, weights, direction, NULL, x, log_det, scratch);
  spoil_overflows(x, log_det);
}

/* Random bits of a row: its latents' own, mixed. */
static void take_keys(const struct boltz_batch *z, uint64_t *key) {
  memset(key, 0, z->n * sizeof *key);
  for (int j = 0; j < z->dim; j++)
    for (size_t i = 0; i < z->n; i++) {
      uint64_t bits;
      memcpy(&bits, &z->col[j][i], sizeof bits);
      key[i] = (key[i] ^ bits) * UINT64_C(0x9e3779b97f4a7c15);
      key[i] ^= key[i] >> 29;
    }
}

void boltz_flow_sample(const struct boltz_flow *flow, const struct boltz_weights *weights,
                       uint64_t seed, enum boltz_stream stream, uint64_t first,
                       struct boltz_batch *x, struct boltz_batch *z, double *log_q,
                       struct boltz_arena *scratch) {
  boltz_base_sample(&flow->base, weights->flat, seed, stream, first, x, scratch);
  if (z) boltz_batch_copy(z, 0, x, 0, x->n);
  boltz_flow_push(flow, weights, x, log_q, scratch);
}

/* Near an end of an interval the last digit of x may be much of its distance to the end: then x
   stands for another latent than the one that it was made of. */
#define COARSE 1e-12

static bool is_coarse(const struct boltz_flow *flow, const struct boltz_batch *x,
                      const double *log_q, size_t i) {
  if (log_q[i] == INFINITY) return false; /* it has no weight */
  for (int j = 0; j < x->dim; j++) {
    const struct boltz_domain *domain = &flow->domain[j];
    if (domain->type != BOLTZ_INTERVAL) continue;
    const double v = x->col[j][i], to_end = fmin(v - domain->low, domain->high - v);
    if (fabs(v) * DBL_EPSILON > COARSE * to_end) return true;
  }
  return false;
}

/* The density of those rows is taken at x as it is, not as it was meant. */
static void look_again(const struct boltz_flow *flow, const struct boltz_weights *weights,
                       const struct boltz_batch *x, double *log_q, struct boltz_arena *scratch) {
  struct boltz_batch rows;
  size_t n = 0, at = 0;
  bool ends = false;
  for (int j = 0; j < x->dim; j++) ends |= flow->domain[j].type == BOLTZ_INTERVAL;
  for (size_t i = 0; ends && i < x->n; i++) n += is_coarse(flow, x, log_q, i);
  if (n == 0) return;
  double *again = boltz_arena_scratch(scratch, n, sizeof *again);
  const bool room = again && boltz_batch_new(scratch, n, x->dim, &rows) == BOLTZ_OK;
  for (size_t i = 0; room && i < x->n; i++)
    if (is_coarse(flow, x, log_q, i)) boltz_batch_copy(&rows, at++, x, i, 1);
  if (room) boltz_flow_log_density(flow, weights, &rows, again, scratch);
  at = 0;
  for (size_t i = 0; i < x->n; i++)
    if (is_coarse(flow, x, log_q, i)) log_q[i] = room ? again[at++] : NAN;
}

void boltz_flow_push(const struct boltz_flow *flow, const struct boltz_weights *weights,
                     struct boltz_batch *x, double *log_q, struct boltz_arena *scratch) {
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  double *log_det = boltz_arena_alloc(scratch, x->n, sizeof *log_det);
  uint64_t *key = NULL;
  if (log_det && flow->log_copies > 0) key = boltz_arena_scratch(scratch, x->n, sizeof *key);
  if (!log_det || (flow->log_copies > 0 && !key)) return fill(log_q, x->n, NAN);
  if (key) take_keys(x, key);

  /* log q(x) = log p0(z) - log|det dx/dz| - ln copies */
  boltz_base_log_density(&flow->base, weights->flat, x, log_q, NULL, scratch);
  push_rows(flow, weights, BOLTZ_TO_X, key, x, log_det, scratch);
  spoil_overflows(x, log_det);
  add(x->n, -1, log_det, log_q);
  share(x->n, flow->log_copies, log_q);
  look_again(flow, weights, x, log_q, scratch);
  boltz_arena_release(scratch, mark);
}

void boltz_flow_log_density(const struct boltz_flow *flow, const struct boltz_weights *weights,
                            struct boltz_batch *x, double *log_q, struct boltz_arena *scratch) {
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  double *log_det = boltz_arena_scratch(scratch, x->n, sizeof *log_det);
  if (!log_det) return fill(log_q, x->n, NAN);

  /* log q(x) = log p0(z) + log|det dz/dx| - ln copies */
  boltz_flow_transform(flow, weights, BOLTZ_TO_Z, x, log_det, scratch);
  boltz_base_log_density(&flow->base, weights->flat, x, log_q, NULL, scratch);
  add(x->n, 1, log_det, log_q);
  share(x->n, flow->log_copies, log_q);
  boltz_arena_release(scratch, mark);
}

struct boltz_tape *boltz_flow_tape(const struct boltz_flow *flow, enum boltz_direction direction,
                                   size_t n, double *log_det, struct boltz_arena *scratch) {
  struct boltz_tape *tape =
      boltz_arena_alloc(scratch, 1, sizeof *tape + (size_t)flow->nlayers * sizeof tape->layers[0]);
  if (!tape) return NULL;
  tape->direction = direction;
  fill(log_det, n, 0);
  return tape;
}

bool boltz_flow_recorded(const struct boltz_flow *flow, const struct boltz_tape *tape) {
  return tape->recorded == flow->nlayers;
}

bool boltz_flow_record_layer(const struct boltz_flow *flow, const struct boltz_weights *weights,
                             struct boltz_tape *tape, struct boltz_batch *x, double *log_det,
                             struct boltz_arena *scratch) {
  static const char nothing = 0; /* stands for the tape of a layer that needs none */
  if (!boltz_flow_recorded(flow, tape)) {
    const int i = layer_at(flow, tape->direction, tape->recorded);
    const struct boltz_layer *layer = &flow->layers[i];
    tape->layers[i] = (void *)&nothing;
    layer->kind->apply(layer, weights, tape->direction, x, log_det, &tape->layers[i], scratch);
    if (!tape->layers[i]) return false;
    tape->recorded++;
  }
  if (!boltz_flow_recorded(flow, tape)) return true;
  spoil_overflows(x, log_det);
  return false;
}

bool boltz_flow_backward_layer(const struct boltz_flow *flow, const struct boltz_weights *weights,
                               struct boltz_tape *tape, struct boltz_batch *x,
                               struct boltz_batch *g, const double *glog_det, float *gw,
                               struct boltz_arena *scratch) {
  if (tape->recorded == 0) return false;
  const int i = layer_at(flow, tape->direction, --tape->recorded);
  const struct boltz_layer *layer = &flow->layers[i];
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  layer->kind->backward(layer, weights, tape->direction, tape->layers[i], x, g, glog_det,
                        gw + layer->w_offset, scratch);
  boltz_arena_release(scratch, mark);
  return tape->recorded > 0;
}

const struct boltz_layer *boltz_flow_record_next(const struct boltz_flow *flow,
                                                 const struct boltz_tape *tape) {
  if (boltz_flow_recorded(flow, tape)) return NULL;
  return &flow->layers[layer_at(flow, tape->direction, tape->recorded)];
}

const struct boltz_layer *boltz_flow_backward_next(const struct boltz_flow *flow,
                                                   const struct boltz_tape *tape) {
  if (tape->recorded == 0) return NULL;
  return &flow->layers[layer_at(flow, tape->direction, tape->recorded - 1)];
}

struct boltz_tape *boltz_flow_record(const struct boltz_flow *flow,
                                     const struct boltz_weights *weights,
                                     enum boltz_direction direction, struct boltz_batch *x,
                                     double *log_det, struct boltz_arena *scratch) {
  struct boltz_tape *tape = boltz_flow_tape(flow, direction, x->n, log_det, scratch);
  if (!tape) return NULL;
  while (boltz_flow_record_layer(flow, weights, tape, x, log_det, scratch)) continue;
  return boltz_flow_recorded(flow, tape) ? tape : NULL;
}

void boltz_flow_backward(const struct boltz_flow *flow, const struct boltz_weights *weights,
                         struct boltz_tape *tape, struct boltz_batch *x, struct boltz_batch *g,
                         const double *glog_det, float *gw, struct boltz_arena *scratch) {
  while (boltz_flow_backward_layer(flow, weights, tape, x, g, glog_det, gw, scratch)) continue;
}

size_t boltz_flow_tile(const struct boltz_flow *flow, enum boltz_precision precision,
                       double flops) {
  const double rows = flops / flow->flops[precision];
  if (!(rows < 512)) return 512;
  return rows < 16 ? 8 : (size_t)rows / 8 * 8;
}
