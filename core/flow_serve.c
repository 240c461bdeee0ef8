/* flow_serve.c - a flow made ready to answer in another precision than it was trained in. */
#include "boltz/flow.h"

/* Samples of a fixed seed, from which a layer learns what its conditioners will see. */
#define SEED 0
#define ROWS 1024

/* bf16 learns nothing from them: they show only that the kernels agree. */
#define ROWS_OF_BF16 16

bool boltz_flow_has(const struct boltz_flow *flow, enum boltz_precision precision) {
  if (precision == BOLTZ_FP32) return true;
  bool any = false;
  for (int i = 0; i < flow->nlayers; i++) {
    const struct boltz_layer *layer = &flow->layers[i];
    if (!layer->kind->has) continue;
    if (!layer->kind->has(layer, precision)) return false;
    any = true;
  }
  return any;
}

/* Samples go through layer after layer in fp32; each is served by what reaches it. */
struct boltz_serving {
  const struct boltz_flow *flow;
  struct boltz_weights *weights; /* fp32 until the last layer is served */
  enum boltz_precision precision;
  struct boltz_arena *arena, *scratch;
  struct boltz_batch x;
  double *log_det;
  void **served;
  int layer; /* the next one */
};

static enum boltz_status draw(struct boltz_serving *serving) {
  const struct boltz_flow *flow = serving->flow;
  serving->served = BOLTZ_NEW_ARRAY(serving->arena, (size_t)flow->nlayers, void *);
  const size_t rows = serving->precision == BOLTZ_BF16 ? ROWS_OF_BF16 : ROWS;
  serving->log_det = BOLTZ_NEW_ARRAY(serving->scratch, rows, double);
  if (!serving->served || !serving->log_det) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(boltz_batch_new(serving->scratch, rows, flow->dim, &serving->x));
  boltz_base_sample(&flow->base, serving->weights->flat, SEED, BOLTZ_STREAM_CALIBRATE, 0,
                    &serving->x, serving->scratch);
  return BOLTZ_OK;
}

enum boltz_status boltz_serving_open(const struct boltz_flow *flow, struct boltz_weights *weights,
                                     enum boltz_precision precision, struct boltz_arena *arena,
                                     struct boltz_serving **out) {
  *out = NULL;
  weights->precision = BOLTZ_FP32;
  weights->served = NULL;
  if (!boltz_flow_has(flow, precision))
    return precision == BOLTZ_TABLE
               ? boltz_fail(
                     BOLTZ_OUT_OF_RANGE,
                     "the flow cannot be served in table: that needs couplings of which each "
                     "sees one coordinate, and splines of at most %d parameters",
                     BOLTZ_TABULATED_MAX)
               : boltz_fail(BOLTZ_OUT_OF_RANGE,
                            "the flow cannot be served in %s: it has no conditioner",
                            boltz_precision_names[precision]);
  struct boltz_arena *scratch = boltz_arena_open(0);
  struct boltz_serving *serving = scratch ? BOLTZ_NEW(scratch, struct boltz_serving) : NULL;
  if (!serving) {
    boltz_arena_close(scratch);
    return BOLTZ_NO_MEMORY;
  }
  *serving = (struct boltz_serving){
      .flow = flow, .weights = weights, .precision = precision, .arena = arena, .scratch = scratch};
  const enum boltz_status status = draw(serving);
  if (status == BOLTZ_OK)
    *out = serving;
  else
    boltz_serving_close(serving);
  return status;
}

enum boltz_status boltz_serving_step(struct boltz_serving *serving, bool *more) {
  const struct boltz_layer *layer = &serving->flow->layers[serving->layer];
  const struct boltz_weights *fp32 = serving->weights;
  struct boltz_arena *scratch = serving->scratch;
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  *more = false;
  if (layer->kind->serve)
    BOLTZ_TRY(layer->kind->serve(layer, fp32, serving->precision, &serving->x, serving->arena,
                                 scratch, &serving->served[serving->layer]));
  layer->kind->apply(layer, fp32, BOLTZ_TO_X, &serving->x, serving->log_det, NULL, scratch);
  boltz_arena_release(scratch, mark);
  *more = ++serving->layer < serving->flow->nlayers;
  if (*more) return BOLTZ_OK;
  serving->weights->served = serving->served;
  serving->weights->precision = serving->precision;
  return BOLTZ_OK;
}

void boltz_serving_close(struct boltz_serving *serving) {
  if (serving) boltz_arena_close(serving->scratch);
}

enum boltz_status boltz_flow_serve(const struct boltz_flow *flow, struct boltz_weights *weights,
                                   enum boltz_precision precision, struct boltz_arena *arena) {
  weights->precision = BOLTZ_FP32;
  weights->served = NULL;
  if (precision == BOLTZ_FP32) return BOLTZ_OK;
  struct boltz_serving *serving;
  BOLTZ_TRY(boltz_serving_open(flow, weights, precision, arena, &serving));
  enum boltz_status status = BOLTZ_OK;
  for (bool more = true; more && status == BOLTZ_OK;) status = boltz_serving_step(serving, &more);
  boltz_serving_close(serving);
  return status;
}
