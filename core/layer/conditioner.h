/* conditioner.h - what couplings have in common: some coordinates are fixed and seen by networks,
 * the others moved.
 *
 * A fixed coordinate enters a network as it is, in float; one that is periodic here enters as cos
 * and sin of 2 pi (x - low)/(high - low), one after the other, so that no network sees a seam. */
#ifndef LAYER_CONDITIONER_H
#define LAYER_CONDITIONER_H

#include "boltz/layer.h"

/** A fixed coordinate on its way into a network. */
struct conditioner_input {
  int64_t coordinate;
  size_t column; /* of the network's inputs; a periodic coordinate has the next one too */
  bool periodic;
  double low, width; /* of a periodic one */
};

struct conditioner {
  size_t n;
  struct conditioner_input *input; /* [n] */
  size_t width;                    /* inputs of a network */
};

/**
 * Check the lists of a coupling at its place in a flow and work out what networks see.
 * Errors: OUT_OF_RANGE, pointers into "/fixed" and "/moved"; NO_MEMORY.
 */
enum boltz_status boltz_conditioner_new(const struct boltz_layer *layer,
                                        const struct boltz_ints *fixed,
                                        const struct boltz_ints *moved, struct boltz_arena *arena,
                                        struct conditioner *conditioner);

/** The fixed coordinates as rows [n, ld(width)]; NULL: scratch is exhausted. */
const float *boltz_conditioner_gather(const struct conditioner *conditioner,
                                      const struct boltz_batch *x, struct boltz_arena *scratch);

/** Add to g what dJ/d(rows), ga [n, ld(width)], means for the fixed coordinates of x. */
void boltz_conditioner_back(const struct conditioner *conditioner, const struct boltz_batch *x,
                            const float *ga, struct boltz_batch *g);

#endif
