/* normal.h - the tails of the standard normal distribution as exact recipes of arithmetic
 * (vmath.h).
 *
 *   R(x) = Phi(-x)/phi(x) (Mills' ratio),  ln Phi(-x) = ln R(x) - x^2/2 - ln(2 pi)/2,  x >= 0
 *
 * (x + 2) R(x) is a polynomial in (x - 5)/(x + 5): R neither overflows nor cancels, however far
 * out. Source: Mills, Biometrika 18, 395 (1926); the form: Shepherd & Laframboise, Math. Comp. 36,
 * 249 (1981); coefficients: tests/golden/make_mills.py. */
#ifndef BOLTZ_BASE_NORMAL_H
#define BOLTZ_BASE_NORMAL_H

#include "core/base/vmath.h"

#define BOLTZ_HALF_LOG_2PI 0.91893853320467274178

/** R(x) within 1e-15 of it, for x >= 0. */
BOLTZ_INLINE double boltz_mills(double x) {
  const double u = (x - 5) / (x + 5);
  double p = -0x1.b83c4a8c13facp-31;
  p = fma(p, u, -0x1.192176b3f2c44p-30);
  p = fma(p, u, 0x1.37ab565d33de4p-27);
  p = fma(p, u, 0x1.b20531c222fadp-27);
  p = fma(p, u, -0x1.0c99bbedbc70ep-24);
  p = fma(p, u, -0x1.89b2456dc520fp-24);
  p = fma(p, u, 0x1.a62943b448f59p-22);
  p = fma(p, u, 0x1.12e76bab43c27p-21);
  p = fma(p, u, -0x1.65f4d340c03adp-19);
  p = fma(p, u, -0x1.f545d73ce63f3p-20);
  p = fma(p, u, 0x1.47971f1966066p-16);
  p = fma(p, u, -0x1.11825069702edp-17);
  p = fma(p, u, -0x1.14bff7be8adc9p-13);
  p = fma(p, u, 0x1.406b1d15ace3bp-12);
  p = fma(p, u, 0x1.75694b2547fc0p-12);
  p = fma(p, u, -0x1.de89d4aed363bp-9);
  p = fma(p, u, 0x1.544ea738ab8f1p-7);
  p = fma(p, u, -0x1.fb8787a853df3p-7);
  p = fma(p, u, 0x1.70fb1c3e3db49p-9);
  p = fma(p, u, 0x1.b88c9848168b8p-5);
  p = fma(p, u, -0x1.6be027893bb7dp-3);
  p = fma(p, u, 0x1.7992834805291p-2);
  p = fma(p, u, -0x1.2d9c320fa98bdp-1);
  return fma(p, u, 0x1.59831a8917989p+0) / (x + 2);
}

/** Phi(-x), for x >= 0: relative to it within (x^2 + 10) 1e-16. */
BOLTZ_INLINE double boltz_normal_tail(double x) {
  return boltz_mills(x) * boltz_exp(-0.5 * x * x - BOLTZ_HALF_LOG_2PI);
}

/* One step of Halley towards ln Phi(-x) = log_tail: the third power of the error is left. With f' =
   -1/R and f'' = (x R - 1)/R^2 the step is f/f' / (1 - f f''/(2 f'^2)). */
BOLTZ_INLINE double boltz_normal_step(double x, double log_tail) {
  const double mills = boltz_mills(x);
  const double f = boltz_log(mills) - 0.5 * x * x - BOLTZ_HALF_LOG_2PI - log_tail;
  return x + f * mills / (1 - 0.5 * f * (x * mills - 1));
}

/**
 * x >= 0 of ln Phi(-x) = log_tail, for log_tail <= -ln 2; NaN of -infinity.
 * Source: a guess good to 4.5e-4 by Hastings 1955, in Abramowitz & Stegun 26.2.23.
 */
BOLTZ_INLINE double boltz_normal_quantile(double log_tail) {
  const double s = sqrt(-2 * log_tail);
  const double above = fma(fma(0.010328, s, 0.802853), s, 2.515517);
  const double below = fma(fma(fma(0.001308, s, 0.189269), s, 1.432788), s, 1);
  const double guess = s - above / below;
  return boltz_normal_step(boltz_normal_step(guess, log_tail), log_tail);
}

#endif
