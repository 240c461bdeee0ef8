/* peak.c - the most that this processor can multiply and add, in registers alone.
 *
 * Twelve independent sums hide the latency of the instruction; nothing is loaded. What is measured
 * is the instruction that the kernels use on this processor: without a bfloat16 dot product that is
 * the fused multiply-add (bf16 is emulated), without an 8-bit one the 16-bit vpmaddwd and its
 * addition. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/kernel/kernel.h"
#include "tests/bench/bench.h"

#define SUMS 12
#define ROUNDS 100000

/* One instruction at its best. */
struct peak {
  const char *name;
  double operations; /* of one round of one sum: a multiplication and an addition are two */
  void (*rounds)(void *self);
};

#ifdef __x86_64__

/* clang-format off */
#define REGISTERS "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", \
                  "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"
#define LOOP(name, instruction)                                   \
  static void name(void *self) {                                  \
    long rounds = ROUNDS;                                         \
    (void)self;                                                   \
    __asm__ volatile("vzeroall\n"                                 \
                     "1:\n"                                       \
                     ".irp r,0,1,2,3,4,5,6,7,8,9,10,11\n"         \
                     instruction "\n"                             \
                     ".endr\n"                                    \
                     "dec %0\n"                                   \
                     "jnz 1b\n"                                   \
                     "vzeroupper\n" : "+r"(rounds) : : REGISTERS); \
  }
/* clang-format on */

LOOP(fma_ymm, "vfmadd231ps %%ymm12, %%ymm13, %%ymm\\r")
LOOP(fma_zmm, "vfmadd231ps %%zmm12, %%zmm13, %%zmm\\r")
LOOP(bf16_zmm, "vdpbf16ps %%zmm12, %%zmm13, %%zmm\\r")
LOOP(int8_zmm, "vpdpbusd %%zmm12, %%zmm13, %%zmm\\r")
LOOP(int16_ymm, "vpmaddwd %%ymm12, %%ymm13, %%ymm14\nvpaddd %%ymm14, %%ymm\\r, %%ymm\\r")
LOOP(int16_zmm, "vpmaddwd %%zmm12, %%zmm13, %%zmm14\nvpaddd %%zmm14, %%zmm\\r, %%zmm\\r")

static bool wide(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}

static bool narrow(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static const struct peak fp32_wide = {"vfmadd231ps zmm", 32, fma_zmm};
static const struct peak fp32_narrow = {"vfmadd231ps ymm", 16, fma_ymm};
static const struct peak bf16_wide = {"vdpbf16ps zmm", 64, bf16_zmm};
static const struct peak int8_wide = {"vpdpbusd zmm", 128, int8_zmm};
static const struct peak int16_wide = {"vpmaddwd + vpaddd zmm", 64, int16_zmm};
static const struct peak int16_narrow = {"vpmaddwd + vpaddd ymm", 32, int16_ymm};

#else
static bool wide(void) {
  return false;
}
static bool narrow(void) {
  return false;
}
#endif

/* What a compiler makes of a multiplication and an addition. */
static void plain_rounds(void *self) {
  enum { LANES = 8 };
  float sum[SUMS * LANES] = {0};
  (void)self;
  for (long round = 0; round < ROUNDS; round++) {
    for (int i = 0; i < SUMS * LANES; i++) sum[i] = sum[i] * 0.5f + 1.0f;
    __asm__ volatile("" : : "r"(sum) : "memory");
  }
}

static const struct peak plain = {"multiply and add, compiled", 16, plain_rounds};

static const struct peak *peak_of(enum boltz_precision precision) {
#ifdef __x86_64__
  if (wide()) {
    if (precision == BOLTZ_BF16 && __builtin_cpu_supports("avx512bf16")) return &bf16_wide;
    if (precision == BOLTZ_INT8 && __builtin_cpu_supports("avx512vnni")) return &int8_wide;
    return precision == BOLTZ_INT8 ? &int16_wide : &fp32_wide;
  }
  if (narrow()) return precision == BOLTZ_INT8 ? &int16_narrow : &fp32_narrow;
#endif
  (void)precision, (void)wide, (void)narrow;
  return &plain;
}

int bench_peak(const struct bench_options *options) {
  void **nothing = calloc((size_t)options->threads, sizeof *nothing);
  if (!nothing) return 1;
  printf("{\"kernel\":\"%s\"", boltz_kernel_auto()->name);
  for (int p = BOLTZ_FP32; p <= BOLTZ_INT8; p++) {
    const struct peak *peak = peak_of(p);
    const double per_call = SUMS * (double)ROUNDS * peak->operations;
    printf(",\"%s\":{\"instruction\":\"%s\",\"per_second\":%.6g}", boltz_precision_names[p],
           peak->name,
           per_call * bench_rate(options->threads, peak->rounds, nothing, options->seconds));
  }
  printf("}\n");
  free(nothing);
  return 0;
}
