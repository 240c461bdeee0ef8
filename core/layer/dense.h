/* dense.h - products of dense matrices with rows of a batch, in double and in registers.
 *
 * A tile of rows lies in memory as [chunks, d, DENSE_ROWS]: a chunk is so many rows side by side,
 * coordinate after coordinate. A block of a matrix is so many of its rows side by side: [n,
 * DENSE_BLOCK]. Sums run in one order whatever the batch and the processor are. */
#ifndef LAYER_DENSE_H
#define LAYER_DENSE_H

#include <stddef.h>

#define DENSE_ROWS 8
#define DENSE_BLOCK 8
#define DENSE_TILE 64 /* rows, in the cache together */

static inline size_t boltz_dense_chunks(size_t rows) {
  return (rows + DENSE_ROWS - 1) / DENSE_ROWS;
}

/** Coordinate k of n <= DENSE_TILE rows, (x - shift) scale, to `rows` of the first chunk; rows past
 * the last are zeros. */
void boltz_dense_gather(size_t d, size_t k, double shift, double scale, size_t n, const double *x,
                        double *rows);

/** x = coordinate k scale + shift of n rows. */
void boltz_dense_scatter(size_t d, size_t k, double shift, double scale, size_t n,
                         const double *rows, double *x);

/** c = a x, for a block a of n >= 1 columns and x [n, DENSE_ROWS]. */
void boltz_dense_multiply(size_t n, const double *a, const double *x,
                          double c[DENSE_BLOCK][DENSE_ROWS]);

/** x -= a^T c. */
void boltz_dense_take_away(size_t n, const double *a, double c[DENSE_BLOCK][DENSE_ROWS], double *x);

#endif
