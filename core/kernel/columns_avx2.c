/* columns_avx2.c - the column functions with AVX2 and FMA, four doubles at a time. */
#ifdef __x86_64__
#include <immintrin.h>

#include "core/base/vmath.h"
#include "core/kernel/columns.h"

#define TARGET __attribute__((target("avx2,fma")))

/* Philox4x32-10, Salmon et al. 2011: multipliers and the steps of the key. */
#define MULTIPLIER_0 0xD2511F53
#define MULTIPLIER_1 0xCD9E8D57
#define STEP_0 0x9E3779B9
#define STEP_1 0xBB67AE85

/* (k + 1/2)/2^52, k the upper 52 bits of two words: as 1 + k/2^52, less what is too much. */
TARGET static inline __m256d open_uniform(__m256i low, __m256i high) {
  const __m256i word = _mm256_set1_epi64x(0xffffffff);
  const __m256i bits = _mm256_or_si256(_mm256_slli_epi64(high, 32), _mm256_and_si256(low, word));
  const __m256i one = _mm256_set1_epi64x(0x3ff0000000000000);
  const __m256d wide = _mm256_castsi256_pd(_mm256_or_si256(_mm256_srli_epi64(bits, 12), one));
  return _mm256_sub_pd(wide, _mm256_set1_pd(1 - 0x1p-53));
}

/* Four counters side by side, each word in the low half of 64 bits: the product reads no more, so
   what is left in the upper half does no harm. */
TARGET static void uniforms(uint64_t seed, enum boltz_stream stream, uint64_t first, uint32_t block,
                            size_t n, double u[2][BOLTZ_COLUMN_LANES]) {
  const __m256i m0 = _mm256_set1_epi64x(MULTIPLIER_0), m1 = _mm256_set1_epi64x(MULTIPLIER_1);
  for (size_t i = 0; i < n; i += 4) {
    const __m256i index =
        _mm256_add_epi64(_mm256_set1_epi64x((int64_t)(first + i)), _mm256_setr_epi64x(0, 1, 2, 3));
    __m256i c0 = index, c1 = _mm256_srli_epi64(index, 32), c2 = _mm256_set1_epi64x(stream),
            c3 = _mm256_set1_epi64x(block);
    uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
#pragma GCC unroll 10
    for (int round = 0; round < 10; round++, key0 += STEP_0, key1 += STEP_1) {
      const __m256i a = _mm256_mul_epu32(m0, c0), b = _mm256_mul_epu32(m1, c2);
      const __m256i k0 = _mm256_set1_epi64x(key0), k1 = _mm256_set1_epi64x(key1);
      c0 = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(b, 32), c1), k0);
      c2 = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(a, 32), c3), k1);
      c1 = b;
      c3 = a;
    }
    _mm256_storeu_pd(&u[0][i], open_uniform(c0, c1));
    _mm256_storeu_pd(&u[1][i], open_uniform(c2, c3));
  }
}

/* Halves of two cells, side by side. */
TARGET static inline __m256d pair(const double *low, const double *high) {
  return _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(low)), _mm_loadu_pd(high), 1);
}

TARGET static void lookup(const struct boltz_cells *cells, size_t n, const double *x, double *s,
                          double *t) {
  const __m256d per_unit = _mm256_set1_pd(cells->per_unit), zero = _mm256_setzero_pd();
  const __m256d offset = _mm256_set1_pd(cells->offset);
  const __m256d low = _mm256_set1_pd(BOLTZ_TABLE_LOW), high = _mm256_set1_pd(BOLTZ_TABLE_HIGH);
  const __m256d narrower = _mm256_set1_pd(1.0 / BOLTZ_TABLE_WIDER);
  const __m256d last = _mm256_set1_pd(BOLTZ_TABLE_CELLS - 1);
  const __m256d rounder = _mm256_set1_pd(BOLTZ_ROUNDER);
  const double *cell = cells->cell;
  const size_t whole = n / 4 * 4, stride = cells->stride;
  for (size_t i = 0; i < whole; i += 4) {
    /* the second operand of max is taken when the first is NaN */
    const __m256d a = _mm256_fmadd_pd(_mm256_loadu_pd(x + i), per_unit, offset);
    const __m256d b = _mm256_min_pd(_mm256_max_pd(a, low), high);
    __m256d at = _mm256_fmadd_pd(_mm256_sub_pd(a, b), narrower, b);
    at = _mm256_min_pd(_mm256_max_pd(at, zero), last);
    const __m256d rounded = _mm256_add_pd(at, rounder);
    const __m256d part = _mm256_sub_pd(at, _mm256_sub_pd(rounded, rounder));
    const __m256i bits = _mm256_castpd_si256(rounded); /* k in the low half of each */
    const __m128i left = _mm256_castsi256_si128(bits), right = _mm256_extracti128_si256(bits, 1);
    const double *c0 = cell + (uint32_t)_mm_cvtsi128_si32(left) * stride;
    const double *c1 = cell + (uint32_t)_mm_extract_epi32(left, 2) * stride;
    const double *c2 = cell + (uint32_t)_mm_cvtsi128_si32(right) * stride;
    const double *c3 = cell + (uint32_t)_mm_extract_epi32(right, 2) * stride;
    const __m256d sa = pair(c0, c2), sb = pair(c1, c3), ta = pair(c0 + 2, c2 + 2),
                  tb = pair(c1 + 2, c3 + 2);
    _mm256_storeu_pd(s + i,
                     _mm256_fmadd_pd(part, _mm256_unpackhi_pd(sa, sb), _mm256_unpacklo_pd(sa, sb)));
    _mm256_storeu_pd(t + i,
                     _mm256_fmadd_pd(part, _mm256_unpackhi_pd(ta, tb), _mm256_unpacklo_pd(ta, tb)));
  }
  boltz_columns_portable.lookup(cells, n - whole, x + whole, s + whole, t + whole);
}

const struct boltz_columns boltz_columns_avx2 = {.uniforms = uniforms, .lookup = lookup};
#else
typedef int boltz_columns_avx2_is_for_x86;
#endif
