/* train_loss.h - the losses of a training, one tile of rows at a time; train.c stands on it. */
#ifndef CORE_TRAIN_LOSS_H
#define CORE_TRAIN_LOSS_H

#include "boltz/flow.h"

/** The two losses that a stage weighs. */
enum boltz_loss_part { BOLTZ_LOSS_ML, BOLTZ_LOSS_KL, BOLTZ_LOSS_PARTS };

/** What the losses are of; the same for a whole training. */
struct boltz_loss {
  const struct boltz_flow *flow;
  const struct boltz_energy *energy;
  const struct boltz_weights *weights;
  struct boltz_batch data; /* n = 0: none */
  uint64_t seed;
  double energy_high;
};

/** What rows have added up to. */
struct boltz_loss_sum {
  float *g; /* [nw] dJ/dw */
  double loss[BOLTZ_LOSS_PARTS];
  uint64_t used[BOLTZ_LOSS_PARTS]; /* rows */
  uint64_t skipped;                /* rows whose loss or gradient was not finite */
};

/**
 * Add n rows to a sum.
 *   index    of the first row in its random stream
 *   factor   what each row's gradient is multiplied by
 * Errors: none; exhausted scratch leaves a NaN in sum->g. Threads: writes `sum` only.
 */
void boltz_loss_tile(const struct boltz_loss *loss, enum boltz_loss_part part, uint64_t index,
                     size_t n, double factor, struct boltz_loss_sum *sum,
                     struct boltz_arena *scratch);

#endif
