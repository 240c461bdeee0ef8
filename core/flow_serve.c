/* flow_serve.c - a flow made ready to answer in another precision than it was trained in. */
#include "boltz/flow.h"

/* Samples of a fixed seed, from which a layer learns what its conditioners will see. */
#define SEED 0
#define ROWS 1024

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
static enum boltz_status serve_layers(const struct boltz_flow *flow,
                                      const struct boltz_weights *fp32,
                                      enum boltz_precision precision, void **served,
                                      struct boltz_arena *arena, struct boltz_arena *scratch) {
  struct boltz_batch x;
  double *log_det = BOLTZ_NEW_ARRAY(scratch, ROWS, double);
  if (!log_det) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(boltz_batch_new(scratch, ROWS, flow->dim, &x));
  flow->spec.base->sample(flow->spec.base_settings, SEED, BOLTZ_STREAM_CALIBRATE, 0, &x);
  for (int i = 0; i < flow->nlayers; i++) {
    const struct boltz_layer *layer = &flow->layers[i];
    const struct boltz_mark mark = boltz_arena_mark(scratch);
    if (layer->kind->serve)
      BOLTZ_TRY(layer->kind->serve(layer, fp32, precision, &x, arena, scratch, &served[i]));
    layer->kind->apply(layer, fp32, BOLTZ_TO_X, &x, log_det, NULL, scratch);
    boltz_arena_release(scratch, mark);
  }
  return BOLTZ_OK;
}

enum boltz_status boltz_flow_serve(const struct boltz_flow *flow, struct boltz_weights *weights,
                                   enum boltz_precision precision, struct boltz_arena *arena) {
  weights->precision = BOLTZ_FP32;
  weights->served = NULL;
  if (precision == BOLTZ_FP32) return BOLTZ_OK;
  if (!boltz_flow_has(flow, precision))
    return boltz_fail(
        BOLTZ_OUT_OF_RANGE, "the flow cannot be served in %s%s", boltz_precision_names[precision],
        precision == BOLTZ_TABLE ? ": that needs couplings of which each sees one coordinate"
                                 : ": it has no conditioner");
  void **served = BOLTZ_NEW_ARRAY(arena, (size_t)flow->nlayers, void *);
  struct boltz_arena *scratch = boltz_arena_open(0);
  if (!served || !scratch) {
    boltz_arena_close(scratch);
    return BOLTZ_NO_MEMORY;
  }
  const enum boltz_status status = serve_layers(flow, weights, precision, served, arena, scratch);
  boltz_arena_close(scratch);
  BOLTZ_TRY(status);
  weights->served = served;
  weights->precision = precision;
  return BOLTZ_OK;
}
