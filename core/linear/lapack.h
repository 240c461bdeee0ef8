/* lapack.h - the few dense decompositions that fits need, by LAPACK.
 *
 * Matrices are row-major [n, n] in double. For fits and for packing weights, never for a sample:
 * bits may differ between processors, so what comes of these is stored before it is served. */
#ifndef LINEAR_LAPACK_H
#define LINEAR_LAPACK_H

#include "boltz/arena.h"
#include "boltz/status.h"

/**
 * Eigenvalues of a symmetric matrix, ascending, and its eigenvectors.
 *
 *   a       [n, n]  in: the matrix; out: eigenvector k is row k, of length 1
 *   values  [n]     out
 *
 * Errors: OUT_OF_RANGE when it is not finite; NO_MEMORY.
 */
enum boltz_status boltz_eigen(int n, double *a, double *values, struct boltz_arena *scratch);

/**
 * The lower factor L of a symmetric positive matrix, a = L L^T, in place; above the diagonal:
 * zeros. Errors: OUT_OF_RANGE when it is not positive definite.
 */
enum boltz_status boltz_cholesky(int n, double *a);

/**
 * The inverse of a matrix in place, and ln|det| of what it was.
 * Errors: OUT_OF_RANGE when it is singular; NO_MEMORY.
 */
enum boltz_status boltz_invert(int n, double *a, double *log_det, struct boltz_arena *scratch);

#endif
