/* activation.h - the activations of conditioner networks, as exact recipes of float operations.
 *
 * Every kernel computes these very operations in this order, so all of them agree in every bit. The
 * comparisons are written so that NaN stays NaN. */
#ifndef BOLTZ_KERNEL_ACTIVATION_H
#define BOLTZ_KERNEL_ACTIVATION_H

#include <math.h>

enum boltz_activation { BOLTZ_LINEAR, BOLTZ_RELU, BOLTZ_TANH, BOLTZ_SILU };

/** max(x, 0); -0 stays -0. */
static inline float boltz_relu(float x) {
  return 0.0f > x ? 0.0f : x;
}

/* tanh(y) = y p(y^2)/q(y^2) for |y| <= the limit; highest powers first.
 * Source: Eigen, MathFunctionsImpl.h, generic_fast_tanh_float. */
#define BOLTZ_TANH_LIMIT 7.99881172180175781f
#define BOLTZ_TANH_P 7
#define BOLTZ_TANH_Q 4
static const float boltz_tanh_p[BOLTZ_TANH_P] = {
    -2.76076847742355e-16f, 2.00018790482477e-13f, -8.60467152213735e-11f, 5.12229709037114e-08f,
    1.48572235717979e-05f,  6.37261928875436e-04f, 4.89352455891786e-03f};
static const float boltz_tanh_q[BOLTZ_TANH_Q] = {1.19825839466702e-06f, 1.18534705686654e-04f,
                                                 2.26843463243900e-03f, 4.89352518554385e-03f};

/** tanh(x) within 5e-7, and exactly +-1 from |x| = 7.9988 on: a rational of degree 13/6. */
static inline float boltz_tanh(float x) {
  const float limit = BOLTZ_TANH_LIMIT;
  const float low = -limit > x ? -limit : x;
  const float y = limit < low ? limit : low;
  const float y2 = y * y;
  float p = boltz_tanh_p[0], q = boltz_tanh_q[0];
  for (int k = 1; k < BOLTZ_TANH_P; k++) p = fmaf(y2, p, boltz_tanh_p[k]);
  for (int k = 1; k < BOLTZ_TANH_Q; k++) q = fmaf(y2, q, boltz_tanh_q[k]);
  return y * p / q;
}

/** 1/(1 + exp(-x)) */
static inline float boltz_sigmoid(float x) {
  return fmaf(0.5f, boltz_tanh(0.5f * x), 0.5f);
}

/** x/(1 + exp(-x)) */
static inline float boltz_silu(float x) {
  return x * boltz_sigmoid(x);
}

/** silu'(x) = sigma + x sigma (1 - sigma) */
static inline float boltz_silu_slope(float x) {
  const float sigma = boltz_sigmoid(x);
  return fmaf(x * sigma, 1.0f - sigma, sigma);
}

#endif
