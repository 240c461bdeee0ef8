/* vmath.h - exp, log, tanh, sine, cosine and angles of doubles as exact recipes of arithmetic; exp
 * and log(1 + y) of floats.
 *
 * No branch, no table, no call: a loop over them is vectorised by the compiler, and every
 * vector width gives the same bits. Coefficients are those of FreeBSD's msun (e_log.c, k_sin.c,
 * k_cos.c, s_atan.c). */
#ifndef BOLTZ_BASE_VMATH_H
#define BOLTZ_BASE_VMATH_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* A function of loops that is compiled once more for AVX2 and FMA and for AVX-512, and chosen when
   the program is loaded. Sanitizers are not ready that early: their builds are for processors that
   have both. */
#if !defined(__x86_64__) || defined(__clang__)
#define BOLTZ_VECTORISED
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BOLTZ_VECTORISED __attribute__((target("arch=x86-64-v3")))
#else
#define BOLTZ_VECTORISED \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif

#define BOLTZ_INLINE static inline __attribute__((always_inline))

BOLTZ_INLINE double boltz_of_bits(uint64_t bits) {
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

BOLTZ_INLINE uint64_t boltz_bits_of(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

/* Added to a double below 2^51 and taken away again, it rounds to the nearest whole number; the
   sum's low bits are that number. */
#define BOLTZ_ROUNDER 0x1.8p52

/** 2^n for a whole n in [-1022, 1023] that stands in the low bits of n + BOLTZ_ROUNDER. */
BOLTZ_INLINE double boltz_power_of_two(double n) {
  return boltz_of_bits((boltz_bits_of(n + BOLTZ_ROUNDER) + 1023) << 52);
}

/* exp(r) for |r| <= ln(2)/2: 1 + r + r^2/2 + r^3 q(r), q of degree 8 through Chebyshev's nodes. */
BOLTZ_INLINE double boltz_exp_reduced(double r) {
  double q = 0x1.af2360e48b4ffp-26;
  q = fma(q, r, 0x1.28803928d2558p-22);
  q = fma(q, r, 0x1.71de17e795273p-19);
  q = fma(q, r, 0x1.a019c9ab1fc2ep-16);
  q = fma(q, r, 0x1.a01a01a4b26e5p-13);
  q = fma(q, r, 0x1.6c16c1738ecfbp-10);
  q = fma(q, r, 0x1.1111111110e6bp-7);
  q = fma(q, r, 0x1.5555555554cb8p-5);
  q = fma(q, r, 0x1.5555555555555p-3);
  q = fma(q, r, 0.5);
  q = fma(q, r, 1);
  return fma(q, r, 1);
}

/* x = n ln 2 + r; r is returned, n + BOLTZ_ROUNDER left in *rounded. */
BOLTZ_INLINE double boltz_exp_reduce(double x, double *rounded) {
  *rounded = fma(x, 0x1.71547652b82fep0, BOLTZ_ROUNDER);
  const double n = *rounded - BOLTZ_ROUNDER;
  return fma(n, -0x1.abc9e3b39803fp-56, fma(n, -0x1.62e42fefa39efp-1, x));
}

/** exp(x) within 1 ulp for |x| <= 700; garbage beyond. */
BOLTZ_INLINE double boltz_exp_within(double x) {
  double rounded;
  const double r = boltz_exp_reduce(x, &rounded);
  return boltz_exp_reduced(r) * boltz_of_bits((boltz_bits_of(rounded) + 1023) << 52);
}

/** exp(x) within 1 ulp; 0 and infinity where they belong, NaN of NaN. */
BOLTZ_INLINE double boltz_exp(double x) {
  const double low = x < -800 ? -800 : x, y = low > 800 ? 800 : low;
  double rounded;
  const double r = boltz_exp_reduce(y, &rounded);
  /* in two steps: 2^n alone leaves the range of doubles before the product does */
  const double half = fma(rounded - BOLTZ_ROUNDER, 0.5, BOLTZ_ROUNDER) - BOLTZ_ROUNDER;
  const double rest = (rounded - BOLTZ_ROUNDER) - half;
  return boltz_exp_reduced(r) * boltz_power_of_two(half) * boltz_power_of_two(rest);
}

/** log(x) within 1 ulp, for normal x > 0 only. */
BOLTZ_INLINE double boltz_log(double x) {
  /* x = 2^k m, m in [sqrt(1/2), sqrt(2)) */
  const uint64_t shifted = boltz_bits_of(x) - boltz_bits_of(0x1.6a09e667f3bcdp-1);
  const uint64_t exponent = (uint64_t)((int64_t)shifted >> 52);
  const double m = boltz_of_bits(boltz_bits_of(x) - (exponent << 52));
  const double k = boltz_of_bits(boltz_bits_of(BOLTZ_ROUNDER) + exponent) - BOLTZ_ROUNDER;
  const double f = m - 1, s = f / (2 + f), z = s * s, w = z * z, half = 0.5 * f * f;
  const double even = w * fma(w, fma(w, 1.531383769920937332e-01, 2.222219843214978396e-01),
                              3.999999999940941908e-01);
  const double odd = z * fma(w,
                             fma(w, fma(w, 1.479819860511658591e-01, 1.818357216161805012e-01),
                                 2.857142874366239149e-01),
                             6.666666666666735130e-01);
  const double tail = fma(s, half + (even + odd), k * 1.90821492927058770002e-10);
  return fma(k, 6.93147180369123816490e-01, f - (half - tail));
}

/** exp(x) within 1e-7 of it for x in [-80, 80], exp(-80) below; garbage above, NaN of NaN. */
BOLTZ_INLINE float boltz_exp_float(float x) {
  const float above = -80.0f > x ? -80.0f : x;
  const float rounded = fmaf(above, 0x1.715476p0f, 0x1.8p23f), n = rounded - 0x1.8p23f;
  const float r = fmaf(n, 0x1.05c61p-29f, fmaf(n, -0x1.62e43p-1f, above));
  float q = 0x1.6d113cp-10f; /* (exp(r) - 1 - r)/r^2 through Chebyshev's nodes */
  q = fmaf(q, r, 0x1.120ba2p-7f);
  q = fmaf(q, r, 0x1.55551ap-5f);
  q = fmaf(q, r, 0x1.5554dcp-3f);
  q = fmaf(q, r, 0.5f);
  q = fmaf(q, r, 1.0f);
  q = fmaf(q, r, 1.0f);
  uint32_t bits;
  float power;
  memcpy(&bits, &rounded, sizeof bits);
  bits = (bits + 127) << 23;
  memcpy(&power, &bits, sizeof power);
  return q * power;
}

/** log(1 + y) within 2e-7 of it for y in [0, 1]: y p(y), p of degree 9 through Chebyshev's nodes.
 */
BOLTZ_INLINE float boltz_log1p_float(float y) {
  float p = -0.00317605701f;
  p = fmaf(p, y, 0.0195425265f);
  p = fmaf(p, y, -0.0563736111f);
  p = fmaf(p, y, 0.105436236f);
  p = fmaf(p, y, -0.152696669f);
  p = fmaf(p, y, 0.196632743f);
  p = fmaf(p, y, -0.249516159f);
  p = fmaf(p, y, 0.333297104f);
  p = fmaf(p, y, -0.499998927f);
  return y * fmaf(p, y, 1.0f);
}

/** tanh(x) within 3e-16 of it. */
BOLTZ_INLINE double boltz_tanh_double(double x) {
  return 1 - 2 / (boltz_exp(2 * x) + 1);
}

/** cos(2 pi u) and sin(2 pi u) within 2e-16, for u in [0, 1]. */
BOLTZ_INLINE void boltz_cos_sin_turn(double u, double *cosine, double *sine) {
  const double rounded = fma(u, 4, BOLTZ_ROUNDER);
  const uint64_t quarter = boltz_bits_of(rounded); /* the low two bits count */
  const double x = 6.283185307179586477 * (u - (rounded - BOLTZ_ROUNDER) * 0.25), z = x * x;
  double p = 1.58969099521155010221e-10;
  p = fma(p, z, -2.50507602534068634195e-08);
  p = fma(p, z, 2.75573137070700676789e-06);
  p = fma(p, z, -1.98412698298579493134e-04);
  p = fma(p, z, 8.33333333332248946124e-03);
  p = fma(p, z, -1.66666666666666324348e-01);
  const double s = fma(x * z, p, x);
  double q = -1.13596475577881948265e-11;
  q = fma(q, z, 2.08757232129817482790e-09);
  q = fma(q, z, -2.75573143513906633035e-07);
  q = fma(q, z, 2.48015872894767294178e-05);
  q = fma(q, z, -1.38888888888741095749e-03);
  q = fma(q, z, 4.16666666666666019037e-02);
  const double c = fma(z * z, q, fma(z, -0.5, 1));
  const double even = quarter & 1 ? s : c, other = quarter & 1 ? c : s;
  /* quarters 1 and 2: the cosine is negative; 2 and 3: the sine */
  *cosine = boltz_of_bits(boltz_bits_of(even) ^ ((quarter + 1) & 2) << 62);
  *sine = boltz_of_bits(boltz_bits_of(other) ^ (quarter & 2) << 62);
}

/* atan(v) for |v| <= 7/16 */
BOLTZ_INLINE double boltz_atan_reduced(double v) {
  const double z = v * v, w = z * z;
  double even = 1.62858201153657823623e-02, odd = -3.65315727442169155270e-02;
  even = fma(even, w, 4.97687799461593236017e-02);
  even = fma(even, w, 6.66107313738753120669e-02);
  even = fma(even, w, 9.09088713343650656196e-02);
  even = fma(even, w, 1.42857142725034663711e-01);
  even = fma(even, w, 3.33333333333329318027e-01);
  odd = fma(odd, w, -5.83357013379057348645e-02);
  odd = fma(odd, w, -7.69187620504482999495e-02);
  odd = fma(odd, w, -1.11111104054623557880e-01);
  odd = fma(odd, w, -1.99999999998764832476e-01);
  return v - v * (z * even + w * odd);
}

/** The angle of (x, y) in [0, 2 pi] within 1e-15, 2 pi for one that rounds to it; 0 of (0, 0). */
BOLTZ_INLINE double boltz_angle(double x, double y) {
  const double across = x < 0 ? -x : x, up = y < 0 ? -y : y;
  const double most = across >= up ? across : up, least = across >= up ? up : across;
  const double slope = most > 0 ? least / most : 0;
  const bool steep = slope > 0.41421356237309504880; /* tan(pi/8) */
  const double from_0 = boltz_atan_reduced(steep ? (slope - 1) / (slope + 1) : slope);
  const double eighth = steep ? 7.85398163397448278999e-01 + from_0 : from_0;
  const double quarter = across >= up ? eighth : 1.57079632679489655800 - eighth;
  const double half = x < 0 ? 3.14159265358979311600 - quarter : quarter;
  return y < 0 ? 6.28318530717958623200 - half : half;
}

#endif
