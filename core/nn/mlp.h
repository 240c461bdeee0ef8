/* mlp.h - the conditioner networks: linear maps with an activation after every one but the last. */
#ifndef BOLTZ_NN_MLP_H
#define BOLTZ_NN_MLP_H

#include <stdint.h>

#include "boltz/arena.h"
#include "boltz/field.h"
#include "boltz/layer.h"
#include "core/kernel/kernel.h"

#define BOLTZ_HIDDEN_MAX 64
#define BOLTZ_WIDTH_MAX 4096

/** Names of the activations, NULL-ended, for a settings table; and the activation of a name. */
extern const char *const boltz_activation_names[];
enum boltz_activation boltz_activation_of(const char *name);

/** A network without its weights; rows of activations are laid out as kernel.h says. */
struct boltz_mlp {
  const struct boltz_kernel *kernel;
  enum boltz_activation activation; /* after every map but the last */
  int maps;
  bool all_narrow;          /* in bf16 and int8 the last map is narrow too; its user's to set */
  struct boltz_linear *map; /* [maps] */
  size_t *w_offset;         /* [maps] where a map's weights start; its bias follows them */
  size_t *p_offset;         /* [maps] the same in the packed weights, */
  size_t *t_offset;         /* [maps] and in the turned ones */
  size_t nw, npacked, nturned;
  size_t ld_max;
};

/** What backward needs of a forward pass. */
struct boltz_mlp_tape {
  size_t rows;
  const float **x;           /* [maps] the inputs of every map */
  const float **at;          /* [maps - 1] what the activations' slopes are taken from */
  struct boltz_mark outputs; /* before the outputs, which come last; backward can do without */
};

/**
 * A network of nin inputs and nout outputs in the arena.
 * Errors: OUT_OF_RANGE, pointer "/hidden", unless there are 1 to 64 hidden widths; NO_MEMORY.
 */
enum boltz_status boltz_mlp_new(size_t nin, const struct boltz_ints *hidden, size_t nout,
                                enum boltz_activation activation, struct boltz_arena *arena,
                                struct boltz_mlp *mlp);

/** Tensor number k ("<net>.0.weight", "<net>.0.bias", …), its offset from the network's weights;
 * false past the last. */
bool boltz_mlp_tensor(const struct boltz_mlp *mlp, const char *net, int k,
                      struct boltz_tensor *tensor);

/** Normal weights of variance gain/inputs from (seed, first, first + 1, …), biases zero but in the
 * first map; the last map is zero, so that the network starts as the constant 0. */
void boltz_mlp_init(const struct boltz_mlp *mlp, uint64_t seed, uint64_t first, float *w);

/** For both ways. */
/** Weights as the way forward reads them and, unless turned is NULL, as the way back does. */
void boltz_mlp_pack(const struct boltz_mlp *mlp, const float *w, float *packed, float *turned);

/**
 * The outputs [rows, ld(nout)] of inputs x [rows, ld(nin)], in scratch; with a tape, x must live as
 * long as it. NULL: scratch is exhausted.
 */
const float *boltz_mlp_forward(const struct boltz_mlp *mlp, const float *packed, size_t rows,
                               const float *x, struct boltz_mlp_tape *tape,
                               struct boltz_arena *scratch);

/**
 * Add dJ/dw to gw; returns dJ/dx [rows, ld(nin)] in scratch. gy [rows, ld(nout)] is
 * dJ/d(output). NULL: scratch is exhausted.
 */
const float *boltz_mlp_backward(const struct boltz_mlp *mlp, const float *turned,
                                const struct boltz_mlp_tape *tape, const float *gy, float *gw,
                                struct boltz_arena *scratch);

/** Floating point operations of a row, two a multiply-add. */
double boltz_mlp_flops(const struct boltz_mlp *mlp);

#endif
