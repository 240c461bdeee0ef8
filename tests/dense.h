/* dense.h - small dense matrices, row by row: the slow obvious way, independent of the library. */
#ifndef DENSE_H
#define DENSE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

/** Zeroed [n, n]; free() it. */
static inline double *dense_new(int n) {
  return calloc((size_t)n * n, sizeof(double));
}

/** inverse = a^-1 by Gauss and Jordan with pivots; returns ln |det a|. `a` is spent. */
static inline double dense_invert(int n, double *a, double *inverse) {
  double log_det = 0;
  for (int k = 0; k < n * n; k++) inverse[k] = k % (n + 1) == 0;
  for (int k = 0; k < n; k++) {
    int pivot = k;
    for (int r = k + 1; r < n; r++)
      if (fabs(a[r * n + k]) > fabs(a[pivot * n + k])) pivot = r;
    for (int c = 0; c < n; c++) {
      double swap = a[k * n + c];
      a[k * n + c] = a[pivot * n + c], a[pivot * n + c] = swap;
      swap = inverse[k * n + c];
      inverse[k * n + c] = inverse[pivot * n + c], inverse[pivot * n + c] = swap;
    }
    const double scale = 1 / a[k * n + k];
    log_det -= log(fabs(scale));
    for (int c = 0; c < n; c++) a[k * n + c] *= scale, inverse[k * n + c] *= scale;
    for (int r = 0; r < n; r++) {
      const double factor = r == k ? 0 : a[r * n + k];
      for (int c = 0; factor != 0 && c < n; c++) {
        a[r * n + c] -= factor * a[k * n + c];
        inverse[r * n + c] -= factor * inverse[k * n + c];
      }
    }
  }
  return log_det;
}

/** lower [n, n] with lower lower^T = a, which is positive definite. */
static inline void dense_cholesky(int n, const double *a, double *lower) {
  memset(lower, 0, (size_t)n * n * sizeof(double));
  for (int r = 0; r < n; r++)
    for (int c = 0; c <= r; c++) {
      double sum = a[r * n + c];
      for (int k = 0; k < c; k++) sum -= lower[r * n + k] * lower[c * n + k];
      lower[r * n + c] = r == c ? sqrt(sum) : sum / lower[c * n + c];
    }
}

/** to = a v */
static inline void dense_apply(int n, const double *a, const double *v, double *to) {
  for (int r = 0; r < n; r++) {
    to[r] = 0;
    for (int c = 0; c < n; c++) to[r] += a[r * n + c] * v[c];
  }
}

/** v^T a v */
static inline double dense_form(int n, const double *a, const double *v) {
  double sum = 0;
  for (int r = 0; r < n; r++)
    for (int c = 0; c < n; c++) sum += v[r] * a[r * n + c] * v[c];
  return sum;
}

/** c = a b */
static inline void dense_product(int n, const double *a, const double *b, double *c) {
  memset(c, 0, (size_t)n * n * sizeof(double));
  for (int r = 0; r < n; r++)
    for (int k = 0; k < n; k++)
      for (int j = 0; j < n; j++) c[r * n + j] += a[r * n + k] * b[k * n + j];
}

#endif
