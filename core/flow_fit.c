/* flow_fit.c - initial weights from data and from the energy, a little at a time.
 *
 * Rows of the data go x to z through layer after layer, each fitted to what reaches it; the base is
 * fitted to the latents that come out and to the energy that latents have. */
#include <math.h>

#include "boltz/flow.h"

#define SLICE_FLOPS 1.0e8 /* of one slice of work, of one core: some milliseconds */
#define ROWS_MOST 256

struct boltz_fitting {
  const struct boltz_flow *flow;
  const struct boltz_energy *energy; /* NULL: unknown */
  struct boltz_weights *weights;
  struct boltz_arena *arena;
  struct boltz_batch x; /* [n, dim] where the rows stand */
  double *log_det;
  size_t rows; /* of a slice, through all layers and back */

  int step;  /* the next layer, on the way to z */
  size_t at; /* rows of it that are done */
  int last;  /* beyond it nothing looks at the rows */

  struct boltz_base_evidence evidence;
  void *base;  /* what is worked on; NULL: nothing */
  bool based;  /* the base's fit was opened */
  bool turned; /* weights were made ready for the way back here */
  float *gw;   /* [nw] gradients that nobody asked for */
};

/* Rows whose energies, and way through the flow and back, are a slice. */
static size_t rows_of_slice(const struct boltz_flow *flow) {
  const double dim = flow->dim;
  const double rows = SLICE_FLOPS / (3 * flow->flops[BOLTZ_FP32] + 3 * dim * dim + 100 * dim);
  return rows < 1 ? 1 : rows > ROWS_MOST ? ROWS_MOST : (size_t)rows;
}

static const struct boltz_layer *layer_of(const struct boltz_fitting *fitting) {
  const struct boltz_flow *flow = fitting->flow;
  return &flow->layers[flow->nlayers - 1 - fitting->step];
}

static int last_layer(const struct boltz_flow *flow) {
  if (flow->base.kind->fit_open) return flow->nlayers - 1;
  for (int i = 0; i < flow->nlayers; i++)
    if (flow->layers[i].kind->fit) return flow->nlayers - 1 - i;
  return -1;
}

static enum boltz_status copy_rows(struct boltz_fitting *fitting, const struct boltz_batch *x) {
  const size_t n = x ? x->n : 0;
  fitting->log_det = BOLTZ_NEW_ARRAY(fitting->arena, n + 1, double);
  if (!fitting->log_det) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(boltz_batch_new(fitting->arena, n, fitting->flow->dim, &fitting->x));
  if (n > 0) boltz_batch_copy(&fitting->x, 0, x, 0, n);
  return BOLTZ_OK;
}

enum boltz_status boltz_fitting_open(const struct boltz_flow *flow,
                                     const struct boltz_evidence *evidence,
                                     struct boltz_weights *weights, struct boltz_fitting **out) {
  *out = NULL;
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_fitting *fitting = arena ? BOLTZ_NEW(arena, struct boltz_fitting) : NULL;
  if (!fitting) {
    boltz_arena_close(arena);
    return BOLTZ_NO_MEMORY;
  }
  *fitting = (struct boltz_fitting){.flow = flow,
                                    .energy = evidence->energy,
                                    .weights = weights,
                                    .arena = arena,
                                    .rows = rows_of_slice(flow),
                                    .last = last_layer(flow),
                                    .evidence = {.seed = evidence->seed}};
  const enum boltz_status status = copy_rows(fitting, evidence->x);
  if (status == BOLTZ_OK)
    *out = fitting;
  else
    boltz_fitting_close(fitting);
  return status;
}

/* Some rows through the layer at hand, which is fitted before the first of them. */
static enum boltz_status pass_layer(struct boltz_fitting *fitting, struct boltz_arena *scratch) {
  const struct boltz_layer *layer = layer_of(fitting);
  struct boltz_weights *weights = fitting->weights;
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  if (fitting->at == 0 && layer->kind->fit) {
    layer->kind->fit(layer, &fitting->x, weights->flat + layer->w_offset);
    boltz_flow_pack_layer(fitting->flow, layer->index, weights);
  }
  const size_t left = fitting->x.n - fitting->at, n = left < ROWS_MOST ? left : ROWS_MOST;
  struct boltz_batch rows;
  BOLTZ_TRY(boltz_batch_view(scratch, &fitting->x, fitting->at, n, &rows));
  layer->kind->apply(layer, weights, BOLTZ_TO_Z, &rows, fitting->log_det + fitting->at, NULL,
                     scratch);
  boltz_arena_release(scratch, mark);
  fitting->at += n;
  if (fitting->at < fitting->x.n) return BOLTZ_OK;
  fitting->at = 0;
  fitting->step++;
  return BOLTZ_OK;
}

static void fill(double *out, size_t n, double value) {
  for (size_t i = 0; i < n; i++) out[i] = value;
}

/* u_z(z) = u(F(z)) - log|det dF/dz| and its gradient, through the flow and back. */
static void latent_energy(void *owner, const struct boltz_batch *z, double *u,
                          struct boltz_batch *g, struct boltz_arena *scratch) {
  const struct boltz_fitting *fitting = owner;
  const struct boltz_flow *flow = fitting->flow;
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  struct boltz_batch x;
  struct boltz_tape *tape = NULL;
  double *log_det = BOLTZ_NEW_ARRAY(scratch, z->n, double);
  double *glog_det = BOLTZ_NEW_ARRAY(scratch, z->n, double);
  fill(u, z->n, NAN);
  if (log_det && glog_det && boltz_batch_new(scratch, z->n, z->dim, &x) == BOLTZ_OK) {
    boltz_batch_copy(&x, 0, z, 0, z->n);
    tape = boltz_flow_record(flow, fitting->weights, BOLTZ_TO_X, &x, log_det, scratch);
  }
  if (tape) {
    boltz_energy_eval(fitting->energy, fitting->energy->temperature, &x, u, g, scratch);
    for (size_t i = 0; i < z->n; i++) u[i] -= log_det[i];
    fill(glog_det, z->n, -1);
    boltz_flow_backward(flow, fitting->weights, tape, &x, g, glog_det, fitting->gw, scratch);
  }
  boltz_arena_release(scratch, mark);
}

/* A row that the flow cannot take to z says nothing. */
static size_t keep_finite(struct boltz_batch *z) {
  size_t kept = 0;
  for (size_t i = 0; i < z->n; i++) {
    bool finite = true;
    for (int j = 0; finite && j < z->dim; j++) finite = isfinite(z->col[j][i]);
    if (!finite) continue;
    if (kept < i) boltz_batch_copy(z, kept, z, i, 1);
    kept++;
  }
  return kept;
}

static enum boltz_status open_base(struct boltz_fitting *fitting) {
  const struct boltz_flow *flow = fitting->flow;
  struct boltz_weights *weights = fitting->weights;
  struct boltz_base_evidence *evidence = &fitting->evidence;
  fitting->x.n = keep_finite(&fitting->x);
  evidence->z = fitting->x;
  if (fitting->energy) {
    fitting->gw = BOLTZ_NEW_ARRAY(fitting->arena, flow->nw + 1, float);
    if (!fitting->gw) return BOLTZ_NO_MEMORY;
    if (!weights->turned) {
      BOLTZ_TRY(boltz_weights_turn(flow, fitting->arena, weights));
      fitting->turned = true;
    }
    evidence->energy = latent_energy;
    evidence->owner = fitting;
    evidence->rows = fitting->rows;
  }
  return flow->base.kind->fit_open(&flow->base, evidence, weights->flat, fitting->arena,
                                   &fitting->base);
}

enum boltz_status boltz_fitting_step(struct boltz_fitting *fitting, bool *more,
                                     struct boltz_arena *scratch) {
  const struct boltz_base_kind *kind = fitting->flow->base.kind;
  *more = true;
  if (fitting->step <= fitting->last && fitting->x.n > 0) return pass_layer(fitting, scratch);
  if (kind->fit_open && !fitting->based) {
    fitting->based = true;
    BOLTZ_TRY(open_base(fitting));
  } else if (fitting->base) {
    return kind->fit_step(fitting->base, more, scratch);
  }
  *more = fitting->base != NULL;
  return BOLTZ_OK;
}

void boltz_fitting_close(struct boltz_fitting *fitting) {
  if (!fitting) return;
  if (fitting->turned) fitting->weights->turned = NULL;
  boltz_arena_close(fitting->arena);
}

enum boltz_status boltz_flow_fit(const struct boltz_flow *flow, const struct boltz_batch *x,
                                 struct boltz_weights *weights, struct boltz_arena *scratch) {
  struct boltz_fitting *fitting;
  BOLTZ_TRY(boltz_fitting_open(flow, &(struct boltz_evidence){.x = x}, weights, &fitting));
  enum boltz_status status = BOLTZ_OK;
  for (bool more = true; more && status == BOLTZ_OK;)
    status = boltz_fitting_step(fitting, &more, scratch);
  boltz_fitting_close(fitting);
  return status;
}
