/* sums.h - how a map's output is summed, as the loops that define it. */
#ifndef SUMS_H
#define SUMS_H

#include <math.h>
#include <stddef.h>

static inline float sum_in_turn(const float *w, const float *x, size_t n, float bias) {
  float sum = bias;
  for (size_t k = 0; k < n; k++) sum = fmaf(x[k], w[k], sum);
  return sum;
}

/** Of a map of few outputs. */
static inline float sum_of_sixteen(const float *w, const float *x, size_t n, float bias) {
  float sum[16] = {0};
  for (size_t k = 0; k < n; k++) sum[k % 16] = fmaf(x[k], w[k], sum[k % 16]);
  for (int half = 8; half >= 1; half /= 2)
    for (int j = 0; j < half; j++) sum[j] += sum[j + half];
  return bias + sum[0];
}

#endif
