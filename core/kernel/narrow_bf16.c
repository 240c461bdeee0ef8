/* narrow_bf16.c - bf16 for x86-64 with AVX-512 BF16: vdpbf16ps adds the odd, then the even product
 * of a pair. */
#ifdef __x86_64__
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "core/kernel/lanes_avx512.h"

typedef __m512 sums;
typedef __m512bh operand;
typedef uint16_t element, weight;

static inline int32_t load_pair(const uint16_t *x) {
  int32_t pair;
  memcpy(&pair, x, sizeof pair);
  return pair;
}

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16,avx2,fma")))
#define BF16 1
#define GROUP 2
#define FROM_LOW 0
#define SPREAD(x) ((__m512bh)_mm512_set1_epi32(load_pair(x)))
#define LOAD(w) ((__m512bh)_mm512_loadu_si512(w))
#define DOT(sum, x, w) _mm512_dpbf16_ps((sum), (x), (w))
#define STORE(to, q) _mm256_storeu_si256((__m256i *)(to), _mm512_cvtepi32_epi16((__m512i)(q)[0]))
#include "core/kernel/narrow_wide.h"

#define NARROW boltz_narrow_bf16_avx512
#define NARROW_KERNEL "avx512"
#define NARROW_PRESENT                                                         \
  (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && \
   __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("fma"))
#include "core/kernel/narrow.inc"
#else
typedef int boltz_narrow_bf16_is_for_x86;
#endif
