/* narrow.h - a conditioner network whose maps compute in bf16 or int8.
 *
 * The first map, whose inputs are coordinates, is fp32 as in mlp.h. So is the last, whose outputs
 * are the network's, unless the network is all_narrow: that is for outputs by the hundred that are
 * not coordinates themselves. A network of one hidden layer has no other maps. In int8 all maps of
 * a row are fp32 whose inputs lie far outside those of the samples that it was calibrated by. */
#ifndef BOLTZ_NN_NARROW_H
#define BOLTZ_NN_NARROW_H

#include "boltz/precision.h"
#include "core/nn/mlp.h"

struct boltz_narrow;

/**
 * Make the narrow maps of a network in `arena`.
 *
 *   w     [mlp->nw]            weights as stored
 *   x     [rows, ld(nin)]      inputs as samples bring them; what int8 is calibrated by
 *
 * Errors: OUT_OF_RANGE for a precision that is neither bf16 nor int8; NO_MEMORY.
 */
enum boltz_status boltz_narrow_new(const struct boltz_mlp *mlp, const float *w, const float *packed,
                                   enum boltz_precision precision, size_t rows, const float *x,
                                   struct boltz_arena *arena, struct boltz_arena *scratch,
                                   struct boltz_narrow **narrow);

/** As boltz_mlp_forward() without a tape; packed: the fp32 weights. */
const float *boltz_narrow_forward(const struct boltz_mlp *mlp, const struct boltz_narrow *narrow,
                                  const float *packed, size_t rows, const float *x,
                                  struct boltz_arena *scratch);

#endif
