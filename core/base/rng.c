/* rng.c - counter-based random numbers by Random123's Philox4x32-10. */
#include "boltz/rng.h"

#include <Random123/philox.h>
#include "core/base/vmath.h"

void boltz_rng_bits(uint64_t seed, enum boltz_stream stream, uint64_t index, uint32_t block,
                    uint32_t bits[4]) {
  philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
  philox4x32_ctr_t counter = {{(uint32_t)index, (uint32_t)(index >> 32), (uint32_t)stream, block}};
  philox4x32_ctr_t out = philox4x32(counter, key);
  for (int k = 0; k < 4; k++) bits[k] = out.v[k];
}

/* (k + 1/2)/2^52, k the upper 52 bits: never 0, never 1. As 1 + k/2^52, from which what is too much
   is taken: both steps are exact. */
BOLTZ_INLINE double open_uniform(uint32_t low, uint32_t high) {
  const uint64_t k = ((uint64_t)high << 32 | low) >> 12;
  return boltz_of_bits(k | 0x3ff0000000000000) - (1 - 0x1p-53);
}

/* Box & Muller 1958 */
BOLTZ_INLINE void box_muller(double u, double v, double z[2]) {
  double cosine, sine;
  const double radius = sqrt(-2 * boltz_log(u));
  boltz_cos_sin_turn(v, &cosine, &sine);
  z[0] = radius * cosine;
  z[1] = radius * sine;
}

void boltz_rng_uniform(uint64_t seed, enum boltz_stream stream, uint64_t index, uint32_t block,
                       double u[2]) {
  uint32_t bits[4];
  boltz_rng_bits(seed, stream, index, block, bits);
  u[0] = open_uniform(bits[0], bits[1]);
  u[1] = open_uniform(bits[2], bits[3]);
}

BOLTZ_VECTORISED
void boltz_rng_normal(uint64_t seed, enum boltz_stream stream, uint64_t index, uint32_t block,
                      double z[2]) {
  double u[2];
  boltz_rng_uniform(seed, stream, index, block, u);
  box_muller(u[0], u[1], z);
}
