/* train_pieces.h - the weights cut into pieces that threads sum up and update; train.c stands on
 * it. */
#ifndef CORE_TRAIN_PIECES_H
#define CORE_TRAIN_PIECES_H

#include "boltz/flow.h"

/** Some whole layers, or one part of a large one. */
struct boltz_piece {
  size_t at, n;      /* its weights */
  int layer, layers; /* the first it has weights of, and how many */
  int of;            /* parts that its layer is cut into; 1: its layers are whole */
};

/** Cut the weights of a flow, all of them, in their order; *n: how many pieces.
 * Errors: NULL when the arena is exhausted. */
struct boltz_piece *boltz_pieces_cut(const struct boltz_flow *flow, struct boltz_arena *arena,
                                     size_t *n);

#endif
