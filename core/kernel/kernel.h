/* kernel.h - matrix products of conditioner networks: the only code with fast paths.
 *
 * A kernel is one way to compute them on one kind of processor; linear.inc is the code of all, each
 * file gives it a vector width. The arithmetic is defined, not left to a kernel: an output starts
 * at its bias and adds weight*input for k = 0, 1, 2, ... by one fused multiply-add each, then
 * activation.h. A map of few outputs, such as a network's last one, is cut along its inputs
 * instead: sixteen sums, from 0, of every sixteenth input k = j, j + 16, ...; then sum j takes sum
 * j + 8, j + 4, j + 2, j + 1, and the bias is added. So every kernel, batch and tile gives the same
 * bits; so do the products of the gradient, whose sums run in the order of rows and outputs.
 *
 * Rows of activations are row-major, padded to boltz_kernel_ld(width) floats; what stands in the
 * padding means nothing. Weights are [out, in] row-major with the bias [out] after them, and are
 * packed into panels of 16 outputs: 16 biases, then for every input its 16 weights; of a map of few
 * outputs: 16 places for biases, then for every output its weights and zeros up to ld(in). For the
 * way back they are turned into panels of 16 inputs: for every output its 16 weights. */
#ifndef BOLTZ_KERNEL_KERNEL_H
#define BOLTZ_KERNEL_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/kernel/activation.h"
#include "core/kernel/columns.h"

#define BOLTZ_PANEL 16

/** Outputs that are few. */
#define BOLTZ_FEW 4

/** One linear map with the activation after it; one of few outputs has none. */
struct boltz_linear {
  size_t in, out;
  enum boltz_activation activation;
  bool few;
};

struct boltz_kernel {
  const char *name;
  const char *doc;

  /* Can this processor run it? */
  bool (*present)(void);

  const struct boltz_columns *columns;

  /* y [rows, out] = activation(x [rows, in] W^T + b) */
  void (*linear)(const struct boltz_linear *map, const float *packed, size_t rows, const float *x,
                 float *y);

  /* y [n] = activation(y) */
  void (*activate)(enum boltz_activation activation, size_t n, float *y);

  /* g [n] *= activation'; at [n] is the activation's output, but for silu its input. */
  void (*slope)(enum boltz_activation activation, size_t n, const float *at, float *g);

  /* gx [rows, in] = gy [rows, out] W */
  void (*back_input)(const struct boltz_linear *map, const float *turned, size_t rows,
                     const float *gy, float *gx);

  /* gw += gy^T x and, after it, gb += sum of gy's rows */
  void (*back_weights)(const struct boltz_linear *map, size_t rows, const float *gy, const float *x,
                       float *gw, float *work);
};

/** The kernel of that name, NULL when there is none or this processor cannot run it. */
const struct boltz_kernel *boltz_kernel_find(const char *name);

/** Kernel number `index`, fastest first, those of other processors included; NULL past the last. */
const struct boltz_kernel *boltz_kernel_at(int index);

/**
 * The kernel that the environment's BOLTZ_KERNEL names, if this processor can run it; else the
 * fastest that it can and whose forward products, tried here on a few small maps, have the portable
 * one's bits. Never NULL. Which one it is changes no result.
 */
const struct boltz_kernel *boltz_kernel_auto(void);

/** Row length in memory of `width` activations. */
static inline size_t boltz_kernel_ld(size_t width) {
  return (width + BOLTZ_PANEL - 1) / BOLTZ_PANEL * BOLTZ_PANEL;
}

/** Floats that `work` of back_weights needs for that many rows. */
size_t boltz_kernel_work_size(const struct boltz_linear *map, size_t rows);

/** Floats of a packed map, and packing itself; outputs of the padding are zero. */
size_t boltz_kernel_packed_size(const struct boltz_linear *map);
void boltz_kernel_pack(const struct boltz_linear *map, const float *w, float *packed);

/** The same for the way back; inputs of the padding have weights of zero. */
size_t boltz_kernel_turned_size(const struct boltz_linear *map);
void boltz_kernel_turn(const struct boltz_linear *map, const float *w, float *turned);

#endif
