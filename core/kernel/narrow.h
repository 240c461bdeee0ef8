/* narrow.h - maps of conditioner networks in bf16 and in int8, as exact recipes.
 *
 * bf16: inputs and weights are rounded to bfloat16, sums are float. An output starts at its bias;
 * then come the pairs of inputs 0 1, 2 3, ..., of each first the odd product and then the even one,
 * each added by one fused multiply-add; an odd number of inputs is completed by a zero. That is
 * what the instruction vdpbf16ps does, but that it takes denormal numbers for zero. None occur:
 * boltz_bf16() makes 0 of what is below 2^-56, so that inputs and weights are multiples of 2^-63;
 * biases below 2^-100 become 0, so that they are multiples of 2^-123; hence every product and every
 * sum is a multiple of 2^-126, the smallest normal number.
 *
 * int8: q = round(x inverse), cut to a range of at most 255 steps, W = round(w/scale) in
 * [-127, 127], so scaled that every pair of inputs 0 1, 2 3, ... has |W0| + |W1| <= 128; an output
 * is fma(sum of W q, scale, bias). The sum is an integer, whose order does not matter: a pair gives
 * at most 255 128 < 2^15, what vpmaddubsw can hold, and 4096 inputs 2^26; it becomes a float by one
 * rounding.
 *
 * After either comes the activation, as activation.h has it; but for int8, which cannot tell, tanh
 * is boltz_tanh_coarse(). So all kernels agree in every bit, and a row does not depend on its
 * neighbours. */
#ifndef BOLTZ_KERNEL_NARROW_H
#define BOLTZ_KERNEL_NARROW_H

#include <stdint.h>
#include <string.h>

#include "boltz/precision.h"
#include "core/kernel/kernel.h"

/** How activations become integers, each with steps of its own. */
struct boltz_int8_range {
  const float *inverse; /* [ld(width)] 1/step */
  float low, high;      /* of the integers: low in [-255, 0], high - low <= 255 */
};

/** A map of a narrow network. The first one's inputs are floats, and so are its packed weights,
 * which are as kernel.h has them; those of the others are narrow. */
struct boltz_narrow_map {
  struct boltz_linear map;
  const struct boltz_kernel *kernel; /* of float products: the first map's, and those of bf16 that
                                        is emulated */
  const void *packed;
  struct boltz_int8_range range; /* int8: of the outputs, where they are narrow too */
};

/** One arithmetic on one kind of processor. Its rows of activations are its own affair: ld(width)
 * elements each. */
struct boltz_narrow_kernel {
  const char *kernel; /* name of the kernel it belongs to; NULL: to any */
  enum boltz_precision precision;
  size_t element; /* bytes of an activation */

  bool (*present)(void);

  /* Bytes of a packed map. */
  size_t (*packed_size)(const struct boltz_linear *map);

  /* w [out, in] bfloat16 or W, and then bias [out]; int8: scale [out], and low of the inputs'
     range; work [out (in + 2)] */
  void (*pack)(const struct boltz_linear *map, const float *w, const float *scale, float low,
               void *packed, float *work);

  /* y = activation(x W^T + b) of the first map: x [rows, ld(in)] floats, y narrow rows */
  void (*enter)(const struct boltz_narrow_map *map, size_t rows, const float *x, void *y);

  /* y = activation(x W^T + b): narrow rows */
  void (*through)(const struct boltz_narrow_map *map, size_t rows, const void *x, void *y);

  /* the same, not narrowed again: y [rows, ld(out)] */
  void (*leave)(const struct boltz_narrow_map *map, size_t rows, const void *x, float *y);
};

/** Number `index` of all, of each precision the fastest first; NULL past the last. */
const struct boltz_narrow_kernel *boltz_narrow_kernel_at(int index);

/** The fastest that this processor has among those of `kernel` and of slower ones: who forces a
 * kernel forces this too. NULL: no such precision. */
const struct boltz_narrow_kernel *boltz_narrow_kernel_find(const struct boltz_kernel *kernel,
                                                           enum boltz_precision precision);

/** The one of that precision that any processor has. */
const struct boltz_narrow_kernel *boltz_narrow_kernel_any(enum boltz_precision precision);

/** x rounded to bfloat16, to even; 0 below 2^-56. */
static inline float boltz_bf16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  const uint32_t size = bits & 0x7fffffff;
  const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
  const uint32_t nan = bits | 0x00400000; /* rounding could make an infinity of one */
  bits = size > 0x7f800000 ? nan & 0xffff0000 : size < 0x23800000 ? 0 : rounded;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/** A bias of bf16: 0 below 2^-100. */
static inline float boltz_bf16_bias(float b) {
  return fabsf(b) < 0x1p-100f ? 0 : b;
}

/** The upper half of x rounded to bfloat16, which says all of it. */
static inline uint16_t boltz_bf16_bits(float x) {
  uint32_t bits;
  x = boltz_bf16(x);
  memcpy(&bits, &x, sizeof bits);
  return (uint16_t)(bits >> 16);
}

/* tanh(y) = y p(y^2)/q(y^2) for |y| <= 5, within 5e-5: a hundredth of half a step of int8. Highest
 * powers first. Found by iteratively reweighted least squares (Lawson) for the largest error. */
#define BOLTZ_COARSE_LIMIT 5.0f
#define BOLTZ_COARSE 3
static const float boltz_coarse_p[BOLTZ_COARSE] = {0.00065494451f, 0.101723164f, 0.999810159f};
static const float boltz_coarse_q[BOLTZ_COARSE] = {0.0126391873f, 0.434504092f, 1};

static inline float boltz_tanh_coarse(float x) {
  const float limit = BOLTZ_COARSE_LIMIT;
  const float low = -limit > x ? -limit : x;
  const float y = limit < low ? limit : low;
  const float y2 = y * y;
  float p = boltz_coarse_p[0], q = boltz_coarse_q[0];
  for (int k = 1; k < BOLTZ_COARSE; k++) {
    p = fmaf(y2, p, boltz_coarse_p[k]);
    q = fmaf(y2, q, boltz_coarse_q[k]);
  }
  return y * p / q;
}

/* Where floats are whole numbers. */
#define BOLTZ_ROUNDING 0x1.8p23f

/** x rounded to an integer, to even; |x| <= 2^22. */
static inline float boltz_round(float x) {
  return (x + BOLTZ_ROUNDING) - BOLTZ_ROUNDING;
}

/** q of x; NaN becomes low. */
static inline int32_t boltz_int8(float x, float inverse, float low, float high) {
  const float v = x * inverse;
  const float cut = v > low ? v : low;
  return (int32_t)boltz_round(cut < high ? cut : high);
}

#endif
