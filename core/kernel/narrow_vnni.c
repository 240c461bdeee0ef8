/* narrow_vnni.c - int8 for x86-64 with AVX-512 VNNI: vpdpbusd adds four products to a sum of 32
 * bits. Its activations have no sign: q - low. */
#ifdef __x86_64__
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "core/kernel/lanes_avx512.h"

/* As the instruction has them: of another type they would go through memory in every step. */
typedef int32_t sums __attribute__((vector_size(64)));
typedef __m512i operand;
typedef uint8_t element;
typedef int8_t weight;

static inline int32_t load_four(const uint8_t *x) {
  int32_t four;
  memcpy(&four, x, sizeof four);
  return four;
}

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma")))
#define BF16 0
#define GROUP 4
#define FROM_LOW 1
#define SPREAD(x) _mm512_set1_epi32(load_four(x))
#define LOAD(w) _mm512_loadu_si512(w)
#define DOT(sum, x, w) ((sums)_mm512_dpbusd_epi32((__m512i)(sum), (x), (w)))
#define STORE(to, q) _mm_storeu_si128((__m128i *)(to), _mm512_cvtepi32_epi8((__m512i)(q)[0]))
#include "core/kernel/narrow_wide.h"

#define NARROW boltz_narrow_int8_vnni
#define NARROW_KERNEL "avx512"
#define NARROW_PRESENT                                                         \
  (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && \
   __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("fma"))
#include "core/kernel/narrow.inc"
#else
typedef int boltz_narrow_vnni_is_for_x86;
#endif
