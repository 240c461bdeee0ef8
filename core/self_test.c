/* self_test.c - what a flow must do before anybody is served by it. */
#include <math.h>

#include "boltz/checkpoint.h"

#define ROWS 16
#define SEED 1
/* x -> z -> x in double arithmetic: rounding, times how much a layer may stretch it */
#define TOLERANCE 1e-6

/* How far a row went on its way to z and back, in units of its size; NaN is far. */
static double distance(const struct boltz_batch *x, const struct boltz_batch *back, size_t i) {
  double far = 0;
  for (int j = 0; j < x->dim; j++) {
    double d = fabs(x->col[j][i] - back->col[j][i]) / (1 + fabs(x->col[j][i]));
    if (!(d <= far)) far = d;
  }
  return far;
}

static enum boltz_status check_rows(const struct boltz_batch *x, const struct boltz_batch *back,
                                    const double *log_q) {
  for (size_t i = 0; i < ROWS; i++) {
    if (!isfinite(log_q[i]) && log_q[i] != INFINITY) /* that is a latent without weight */
      return boltz_fail(BOLTZ_BAD_CHECKPOINT, "self-test: sample %zu has no finite density", i);
    if (!(distance(x, back, i) <= TOLERANCE))
      return boltz_fail(BOLTZ_BAD_CHECKPOINT,
                        "self-test: sample %zu comes back from its latents %g away", i,
                        distance(x, back, i));
  }
  return BOLTZ_OK;
}

enum boltz_status boltz_checkpoint_self_test(const struct boltz_checkpoint *checkpoint,
                                             struct boltz_arena *scratch) {
  struct boltz_mark mark = boltz_arena_mark(scratch);
  struct boltz_batch x, y;
  double log_q[ROWS], log_det[ROWS];
  const struct boltz_flow *flow = &checkpoint->flow;
  const struct boltz_weights *weights = &checkpoint->weights;
  enum boltz_status status = boltz_batch_new(scratch, ROWS, flow->dim, &x);
  if (status == BOLTZ_OK) status = boltz_batch_new(scratch, ROWS, flow->dim, &y);
  if (status == BOLTZ_OK) {
    boltz_flow_sample(flow, weights, SEED, BOLTZ_STREAM_VALIDATE, 0, &x, NULL, log_q, scratch);
    if (flow->log_copies > 0) { /* of the copies that share a latent, the one that comes back */
      boltz_flow_transform(flow, weights, BOLTZ_TO_Z, &x, log_det, scratch);
      boltz_flow_transform(flow, weights, BOLTZ_TO_X, &x, log_det, scratch);
    }
    boltz_batch_copy(&y, 0, &x, 0, ROWS);
    boltz_flow_transform(flow, weights, BOLTZ_TO_Z, &y, log_det, scratch);
    boltz_flow_transform(flow, weights, BOLTZ_TO_X, &y, log_det, scratch);
    status = check_rows(&x, &y, log_q);
  }
  boltz_arena_release(scratch, mark);
  return status;
}
