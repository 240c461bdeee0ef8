/* train.h - losses and the training loop, one step at a time, in pieces that any number of threads
 * may take. */
#ifndef BOLTZ_TRAIN_H
#define BOLTZ_TRAIN_H

#include "boltz/adam.h"
#include "boltz/flow.h"
#include "boltz/spread.h"

/** A stage: `steps` steps of the loss ml·J_ML + kl·J_KL + rc·J_RC (SCIENCE: J_ML = −mean log
 * q(data), J_KL = mean over latents of u(F(z)) − log|det|, J_RC of the same latents: spread.h). */
struct boltz_stage {
  int64_t steps, batch;
  double learning_rate;       /* the highest of the stage */
  double final_learning_rate; /* as a fraction of it: where the cosine ends */
  int64_t warm_up;            /* steps of linear growth at the start */
  double ml, kl, rc;
  const char *rc_of; /* with rc > 0: the coordinate that J_RC spreads samples over, */
  double rc_low, rc_high;
  double clip_norm; /* the gradient is scaled down to this norm; 0: never */
};

struct boltz_train_options {
  uint64_t seed;
  size_t nstages;
  const struct boltz_stage *stages;
  const struct boltz_batch *data; /* NULL when no stage has ml > 0 */
  double energy_high; /* in the KL loss u grows linearly up to here, then as a logarithm */
};

/** Gradient shards: rows are dealt to a fixed number of sums, added in a fixed order. */
#define BOLTZ_TRAIN_SHARDS 8

struct boltz_train;

/**
 * A training of `weights` (in place; the caller keeps them alive).
 * Errors: OUT_OF_RANGE, NO_MEMORY.
 */
enum boltz_status boltz_train_new(const struct boltz_flow *flow, const struct boltz_energy *energy,
                                  struct boltz_weights *weights,
                                  const struct boltz_train_options *options,
                                  struct boltz_arena *arena, struct boltz_train **train);

/**
 * One step is four rounds, each of independent pieces; a round starts when the one before it is
 * wholly done.
 *   1. look(s), s in [0, BOLTZ_TRAIN_SHARDS), where boltz_train_looks(), for J_RC: where the
 *      latents' samples are, some rows a call, true while the shard has more
 *   2. shard(s), s in [0, BOLTZ_TRAIN_SHARDS): some layers of a tile a call, true while the shard
 *      has more; until then what it is working on stays in the arena, which is its own meanwhile
 *   3. reduce(p), p in [0, pieces): adds the shards up, one piece of the weights a call
 *   4. update(p), p in [0, pieces): clipping, Adam, packing; and once, after all of them, finish()
 */
bool boltz_train_looks(const struct boltz_train *train);
bool boltz_train_look(struct boltz_train *train, int shard, struct boltz_arena *arena);
bool boltz_train_shard(struct boltz_train *train, int shard, struct boltz_arena *arena);
size_t boltz_train_pieces(const struct boltz_train *train);
void boltz_train_reduce(struct boltz_train *train, size_t piece);
void boltz_train_update(struct boltz_train *train, size_t piece);
void boltz_train_finish(struct boltz_train *train);

/** All of a step in this thread. */
void boltz_train_step(struct boltz_train *train, struct boltz_arena *scratch);

/** What the last finished step showed. */
struct boltz_train_report {
  int64_t step, total_steps;              /* steps finished */
  double loss, loss_ml, loss_kl, loss_rc; /* NaN where the stage has none */
  double grad_norm, learning_rate;
  uint64_t skipped; /* samples so far whose loss or gradient was not finite, as that of latents
                       without weight never is */
};
void boltz_train_report(const struct boltz_train *train, struct boltz_train_report *report);
bool boltz_train_done(const struct boltz_train *train);

/**
 * The state between two steps, for a resume file: Adam's moments [2, nw] and counters. The weights
 * are the caller's. restore() with the same flow, options and weights goes on bit for bit.
 */
const float *boltz_train_moments(const struct boltz_train *train);
uint64_t boltz_train_skipped(const struct boltz_train *train);
void boltz_train_restore(struct boltz_train *train, int64_t step, uint64_t skipped,
                         const float *moments);

#endif
