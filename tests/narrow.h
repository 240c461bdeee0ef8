/* narrow.h - the arithmetic of bf16 and int8 once more, as the loops that define it. */
#ifndef NARROW_H
#define NARROW_H

#include <stdint.h>

#include "boltz/rng.h"
#include "core/kernel/narrow.h"

#define LD_MAX 304

/* Deterministic floats in (-1, 1). */
static inline void fill(uint64_t index, size_t n, float *out) {
  for (size_t i = 0; i < n; i++) {
    double u[2];
    boltz_rng_uniform(5, BOLTZ_STREAM_TEST, index << 32 | i, 0, u);
    out[i] = (float)(2 * u[0] - 1);
  }
}

static inline float activation(enum boltz_precision precision, enum boltz_activation a, float x) {
  return a == BOLTZ_RELU   ? boltz_relu(x)
         : a == BOLTZ_TANH ? precision == BOLTZ_INT8 ? boltz_tanh_coarse(x) : boltz_tanh(x)
         : a == BOLTZ_SILU ? boltz_silu(x)
                           : x;
}

static inline bool same(float a, float b) {
  return memcmp(&a, &b, sizeof a) == 0;
}

static inline float of_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* The nearest of the two neighbours that end in 16 zero bits; of two equally near the even one. The
   one after the largest is 2^128, which stands for infinity. */
static inline float nearest_bf16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  const uint32_t below = bits & 0xffff0000, above = below + 0x10000;
  if (!(fabs((double)x) >= ldexp(1, -56))) return 0;
  if (isinf(x)) return x;
  const double far = isinf(of_bits(above)) ? copysign(ldexp(1, 128), x) : (double)of_bits(above);
  const double left = fabs((double)x - (double)of_bits(below)), right = fabs(far - (double)x);
  const bool up = right < left || (right == left && (below & 0x10000));
  return of_bits(up ? above : below);
}

static inline int nearest_int8(float x, float inverse, float low, float high) {
  const float v = x * inverse;
  return (int)nearbyint(fmin(fmax((double)v, (double)low), (double)high));
}

/* A map in either arithmetic: what a kernel is given, and the loop over it. */
struct map {
  struct boltz_linear shape;
  float *w, *scale;             /* [out, in] and [out] rounded; [out] */
  struct boltz_int8_range from; /* of the inputs */
};

static inline float naive_bf16(const struct map *map, const float *x, size_t o) {
  const size_t in = map->shape.in;
  const float *w = map->w + o * in;
  float sum = map->w[map->shape.out * in + o];
  for (size_t k = 0; k < in; k += 2) {
    sum = k + 1 < in ? fmaf(nearest_bf16(x[k + 1]), w[k + 1], sum) : sum + 0.0f;
    sum = fmaf(nearest_bf16(x[k]), w[k], sum);
  }
  return activation(BOLTZ_BF16, map->shape.activation, sum);
}

static inline float naive_int8(const struct map *map, const float *x, size_t o) {
  const size_t in = map->shape.in;
  int64_t sum = 0;
  for (size_t k = 0; k < in; k++)
    sum += (int)map->w[o * in + k] *
           nearest_int8(x[k], map->from.inverse[k], map->from.low, map->from.high);
  return activation(BOLTZ_INT8, map->shape.activation,
                    fmaf((float)sum, map->scale[o], map->w[map->shape.out * in + o]));
}

static inline void naive(enum boltz_precision precision, const struct map *map, size_t rows,
                         const float *x, float *y) {
  const size_t ldx = boltz_kernel_ld(map->shape.in), ldy = boltz_kernel_ld(map->shape.out);
  for (size_t r = 0; r < rows; r++)
    for (size_t o = 0; o < map->shape.out; o++)
      y[r * ldy + o] = precision == BOLTZ_BF16 ? naive_bf16(map, x + r * ldx, o)
                                               : naive_int8(map, x + r * ldx, o);
}

/* How many of rows [rows, width] have other bits. */
static inline size_t differ(size_t rows, size_t width, const float *a, const float *b) {
  const size_t ld = boltz_kernel_ld(width);
  size_t wrong = 0;
  for (size_t r = 0; r < rows; r++)
    for (size_t o = 0; o < width; o++) wrong += !same(a[r * ld + o], b[r * ld + o]);
  return wrong;
}

#endif
