/* train_loss.h - the losses of a training, one tile of rows at a time; train.c stands on it. */
#ifndef CORE_TRAIN_LOSS_H
#define CORE_TRAIN_LOSS_H

#include "boltz/flow.h"
#include "boltz/spread.h"

/** The losses that are sums over rows; J_RC is of a whole batch, see below. */
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
  float *g;       /* [nw] dJ/dw, of the tiles that have gone back; */
  bool begun;     /* until the first does, g means nothing */
  bool exhausted; /* there was no room for a tile */
  double loss[BOLTZ_LOSS_PARTS];
  uint64_t used[BOLTZ_LOSS_PARTS]; /* rows */
  uint64_t skipped;                /* rows whose loss or gradient was not finite */
};

/** J_RC of the latents' samples, beside or instead of J_KL. */
struct boltz_loss_spread {
  const struct boltz_spread *over; /* NULL: none */
  double h[BOLTZ_SPREAD_KERNELS];  /* means over the whole batch */
  double factor;                   /* what each row's gradient is multiplied by */
};

/** A tile of rows on its way through the flow and back, in an arena that is its own until then. */
struct boltz_loss_tile;

/** What a slice of work may still cost. From operation counts, never a clock: where a tile is cut
 * does not depend on the machine. */
struct boltz_loss_budget {
  double flops;
  bool begun; /* the first layer is taken whatever it costs */
};

/**
 * n rows, the first of which has that index in its random stream.
 *   factor   what each row's gradient is multiplied by; 0: of J_KL nothing is asked
 *   spread   for J_KL's rows; NULL: none
 * Errors: NULL when the arena is exhausted.
 */
struct boltz_loss_tile *boltz_loss_begin(const struct boltz_loss *loss, enum boltz_loss_part part,
                                         uint64_t index, size_t n, double factor,
                                         const struct boltz_loss_spread *spread,
                                         struct boltz_arena *arena);

/** Add the kernels of n latents' samples to h, and to *used how many count. Errors: false when the
 * arena is exhausted. Threads: writes h and used. */
bool boltz_loss_look(const struct boltz_loss *loss, const struct boltz_spread *over, uint64_t index,
                     size_t n, double h[BOLTZ_SPREAD_KERNELS], uint64_t *used,
                     struct boltz_arena *arena);

/**
 * Take the tile some layers further; false once it is done, and its rows are in the sum.
 * Errors: none; an exhausted arena shows in sum->exhausted or as a NaN in sum->g. Threads: writes
 * tile and sum only.
 */
bool boltz_loss_advance(const struct boltz_loss *loss, struct boltz_loss_tile *tile,
                        struct boltz_loss_sum *sum, struct boltz_loss_budget *budget);

#endif
