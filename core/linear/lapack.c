/* lapack.c - row-major matrices through LAPACK's column-major routines.
 *
 * A symmetric matrix is its own transpose, and the inverse of the transpose is the transpose of the
 * inverse: nothing is turned. */
#include "core/linear/lapack.h"

#include <math.h>

/* gfortran passes the length of every character argument after the others. */
extern void dsyev_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda,
                   double *w, double *work, const int *lwork, int *info, size_t, size_t);
extern void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t);
extern void dgetrf_(const int *m, const int *n, double *a, const int *lda, int *ipiv, int *info);
extern void dgetri_(const int *n, double *a, const int *lda, const int *ipiv, double *work,
                    const int *lwork, int *info);

static enum boltz_status check_finite(int n, const double *a) {
  for (size_t k = 0; k < (size_t)n * (size_t)n; k++)
    if (!isfinite(a[k])) return boltz_fail(BOLTZ_OUT_OF_RANGE, "a matrix has a number not finite");
  return BOLTZ_OK;
}

enum boltz_status boltz_eigen(int n, double *a, double *values, struct boltz_arena *scratch) {
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  const int lwork = 34 * n; /* its blocks are 32 wide */
  double *work = boltz_arena_scratch(scratch, (size_t)lwork, sizeof *work);
  int info = 0;
  if (!work) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(check_finite(n, a));
  dsyev_("V", "U", &n, a, &n, values, work, &lwork, &info, 1, 1);
  boltz_arena_release(scratch, mark);
  if (info == 0) return BOLTZ_OK;
  return boltz_fail(BOLTZ_OUT_OF_RANGE, "the eigenvalues of a matrix do not converge");
}

enum boltz_status boltz_cholesky(int n, double *a) {
  int info = 0;
  BOLTZ_TRY(check_finite(n, a));
  dpotrf_("U", &n, a, &n, &info, 1); /* the upper half by columns is the lower half by rows */
  if (info != 0) return boltz_fail(BOLTZ_OUT_OF_RANGE, "a matrix is not positive definite");
  for (int i = 0; i < n; i++)
    for (int j = i + 1; j < n; j++) a[i * n + j] = 0;
  return BOLTZ_OK;
}

enum boltz_status boltz_invert(int n, double *a, double *log_det, struct boltz_arena *scratch) {
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  const int lwork = 64 * n;
  double *work = boltz_arena_scratch(scratch, (size_t)lwork, sizeof *work);
  int *pivots = boltz_arena_scratch(scratch, (size_t)n, sizeof *pivots);
  int info = 0;
  if (!work || !pivots) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(check_finite(n, a));
  dgetrf_(&n, &n, a, &n, pivots, &info);
  *log_det = 0;
  for (int i = 0; i < n; i++) *log_det += log(fabs(a[i * n + i]));
  if (info == 0) dgetri_(&n, a, &n, pivots, work, &lwork, &info);
  boltz_arena_release(scratch, mark);
  if (info == 0) return BOLTZ_OK;
  return boltz_fail(BOLTZ_OUT_OF_RANGE, "a matrix is singular");
}
