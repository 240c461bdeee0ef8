/* rng.c - counter-based random numbers by Random123's Philox4x32-10. */
#include "boltz/rng.h"

#include <Random123/philox.h>
#include <math.h>

#define TWO_PI 6.283185307179586476925286766559

void boltz_rng_bits(uint64_t seed, enum boltz_stream stream, uint64_t index, uint32_t block,
                    uint32_t bits[4]) {
  philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
  philox4x32_ctr_t counter = {{(uint32_t)index, (uint32_t)(index >> 32), (uint32_t)stream, block}};
  philox4x32_ctr_t out = philox4x32(counter, key);
  for (int k = 0; k < 4; k++) bits[k] = out.v[k];
}

/* (k + 1/2)/2^52, k the upper 52 bits: never 0, never 1. */
static double open_uniform(uint32_t low, uint32_t high) {
  uint64_t bits = (uint64_t)high << 32 | low;
  return ((double)(bits >> 12) + 0.5) * 0x1p-52;
}

void boltz_rng_uniform(uint64_t seed, enum boltz_stream stream, uint64_t index, uint32_t block,
                       double u[2]) {
  uint32_t bits[4];
  boltz_rng_bits(seed, stream, index, block, bits);
  u[0] = open_uniform(bits[0], bits[1]);
  u[1] = open_uniform(bits[2], bits[3]);
}

void boltz_rng_normal(uint64_t seed, enum boltz_stream stream, uint64_t index, uint32_t block,
                      double z[2]) {
  double u[2];
  boltz_rng_uniform(seed, stream, index, block, u);
  double radius = sqrt(-2 * log(u[0]));
  z[0] = radius * cos(TWO_PI * u[1]);
  z[1] = radius * sin(TWO_PI * u[1]);
}

/* What a block of two numbers is filled by. */
typedef void (*draw)(uint64_t, enum boltz_stream, uint64_t, uint32_t, double[2]);

static void fill(draw pair, uint64_t seed, enum boltz_stream stream, uint64_t first,
                 struct boltz_batch *x) {
  for (int j = 0; j < x->dim; j += 2) {
    double *a = x->col[j], *b = j + 1 < x->dim ? x->col[j + 1] : NULL;
    for (size_t i = 0; i < x->n; i++) {
      double two[2];
      pair(seed, stream, first + i, (uint32_t)j / 2, two);
      a[i] = two[0];
      if (b) b[i] = two[1];
    }
  }
}

void boltz_rng_normals(uint64_t seed, enum boltz_stream stream, uint64_t first,
                       struct boltz_batch *z) {
  fill(boltz_rng_normal, seed, stream, first, z);
}

void boltz_rng_uniforms(uint64_t seed, enum boltz_stream stream, uint64_t first,
                        struct boltz_batch *u) {
  fill(boltz_rng_uniform, seed, stream, first, u);
}
