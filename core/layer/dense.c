/* dense.c - dense products over columns, as loops that the compiler keeps in registers. */
#include "core/layer/dense.h"

#include "core/base/vmath.h"

BOLTZ_VECTORISED void boltz_dense_gather(size_t d, size_t k, double shift, double scale, size_t n,
                                         const double *restrict x, double *restrict rows) {
  double *restrict to = rows + k * DENSE_ROWS;
  for (; n >= DENSE_ROWS; n -= DENSE_ROWS, x += DENSE_ROWS, to += d * DENSE_ROWS)
    for (int i = 0; i < DENSE_ROWS; i++) to[i] = (x[i] - shift) * scale;
  for (size_t i = 0; n > 0 && i < DENSE_ROWS; i++) to[i] = i < n ? (x[i] - shift) * scale : 0;
}

BOLTZ_VECTORISED void boltz_dense_scatter(size_t d, size_t k, double shift, double scale, size_t n,
                                          const double *restrict rows, double *restrict x) {
  const double *restrict from = rows + k * DENSE_ROWS;
  for (; n >= DENSE_ROWS; n -= DENSE_ROWS, x += DENSE_ROWS, from += d * DENSE_ROWS)
    for (int i = 0; i < DENSE_ROWS; i++) x[i] = fma(from[i], scale, shift);
  for (size_t i = 0; i < n; i++) x[i] = fma(from[i], scale, shift);
}

/* Eight sums for each row, and the rows side by side: the outer loop is the vector. A compiler sees
   that where the inner one is not tested before its first turn. */
BOLTZ_VECTORISED void boltz_dense_multiply(size_t n, const double *restrict a,
                                           const double *restrict x,
                                           double c[restrict DENSE_BLOCK][DENSE_ROWS]) {
  for (size_t i = 0; i < DENSE_ROWS; i++) {
    double c0 = 0, c1 = 0, c2 = 0, c3 = 0, c4 = 0, c5 = 0, c6 = 0, c7 = 0;
    size_t j = 0;
    do {
      const double *r = a + j * DENSE_BLOCK, at = x[j * DENSE_ROWS + i];
      c0 = fma(r[0], at, c0), c1 = fma(r[1], at, c1), c2 = fma(r[2], at, c2);
      c3 = fma(r[3], at, c3), c4 = fma(r[4], at, c4), c5 = fma(r[5], at, c5);
      c6 = fma(r[6], at, c6), c7 = fma(r[7], at, c7);
    } while (++j < n);
    c[0][i] = c0, c[1][i] = c1, c[2][i] = c2, c[3][i] = c3;
    c[4][i] = c4, c[5][i] = c5, c[6][i] = c6, c[7][i] = c7;
  }
}

/* In two halves that do not wait for each other. */
BOLTZ_VECTORISED void boltz_dense_take_away(size_t n, const double *restrict a,
                                            double c[restrict DENSE_BLOCK][DENSE_ROWS],
                                            double *restrict x) {
  for (size_t i = 0; i < DENSE_ROWS; i++) {
    const double c0 = -c[0][i], c1 = -c[1][i], c2 = -c[2][i], c3 = -c[3][i];
    const double c4 = -c[4][i], c5 = -c[5][i], c6 = -c[6][i], c7 = -c[7][i];
    for (size_t j = 0; j < n; j++) {
      const double *r = a + j * DENSE_BLOCK, at = x[j * DENSE_ROWS + i];
      const double half = fma(r[0], c0, fma(r[1], c1, fma(r[2], c2, fma(r[3], c3, at))));
      const double rest = fma(r[4], c4, fma(r[5], c5, fma(r[6], c6, r[7] * c7)));
      x[j * DENSE_ROWS + i] = half + rest;
    }
  }
}
