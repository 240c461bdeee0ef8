/* narrow_avx2.c - int8 for x86-64 with AVX2: vpmaddubsw adds two products to a sum of 16 bits,
 * which a pair of weights is too small to saturate, and vpmaddwd two of those to one of 32. */
#ifdef __x86_64__
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "core/kernel/lanes_avx2.h"

typedef __m256i sums, operand;
typedef uint8_t element;
typedef int8_t weight;

static inline int32_t load_four(const uint8_t *x) {
  int32_t four;
  memcpy(&four, x, sizeof four);
  return four;
}

/* Sixteen integers in [0, 255] to bytes. Packing works in halves of a register, and leaves the
   fours of a and b in the order a b, a b. */
__attribute__((target("avx2"))) static inline void store_bytes(uint8_t *to, __m256i a, __m256i b) {
  const __m256i words = _mm256_packs_epi32(a, b), bytes = _mm256_packus_epi16(words, words);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 0, 4, 1, 5);
  const __m256i sorted = _mm256_permutevar8x32_epi32(bytes, order);
  _mm_storeu_si128((__m128i *)to, _mm256_castsi256_si128(sorted));
}

#define TARGET __attribute__((target("avx2,fma")))
#define BF16 0
#define GROUP 4
#define FROM_LOW 1
#define SPREAD(x) _mm256_set1_epi32(load_four(x))
#define LOAD(w) _mm256_loadu_si256((const __m256i *)(w))
#define DOT(sum, x, w) \
  _mm256_add_epi32((sum), _mm256_madd_epi16(_mm256_maddubs_epi16((x), (w)), _mm256_set1_epi16(1)))
#define STORE(to, q) store_bytes((to), (__m256i)(q)[0], (__m256i)(q)[1])
#define WIDE(rows) ((rows) == 1 ? 4 : 1)
#define SHAPES(X) \
  X(1, 1)         \
  X(2, 1)         \
  X(3, 1)         \
  X(4, 1) X(5, 1) X(6, 1) X(1, 2) X(2, 2) X(3, 2) X(4, 2) X(5, 2) X(6, 2) X(1, 4) X(1, 6) X(1, 8)

#define NARROW boltz_narrow_int8_avx2
#define NARROW_KERNEL "avx2"
#define NARROW_PRESENT (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
#include "core/kernel/narrow.inc"
#else
typedef int boltz_narrow_avx2_is_for_x86;
#endif
