/* helmert.c - Helmert's coordinates by a recurrence over the particles. */
#include "core/base/helmert.h"

#include "core/base/vmath.h"

/* With k particles before it, particle k + 1 is at (suffix sum) - k c y; the sum then takes c y. */
BOLTZ_VECTORISED static void unfold(size_t n, double c, double k, double *restrict sum,
                                    double *restrict v) {
  for (size_t i = 0; i < n; i++) {
    const double part = c * v[i];
    v[i] = sum[i] - k * part;
    sum[i] += part;
  }
}

/* y = c (sum - k x); the sum then takes x. */
BOLTZ_VECTORISED static void fold(size_t n, double c, double k, double *restrict sum,
                                  double *restrict v) {
  for (size_t i = 0; i < n; i++) {
    const double x = v[i];
    v[i] = c * (sum[i] - k * x);
    sum[i] += x;
  }
}

static double norm(double k) {
  return 1 / sqrt(k * (k + 1));
}

void boltz_helmert_unfold(int particles, int space, size_t n, double *const *col) {
  for (int a = 0; a < space; a++)
    for (int k = particles - 1; k >= 1; k--) unfold(n, norm(k), k, col[a], col[k * space + a]);
}

void boltz_helmert_fold(int particles, int space, size_t n, double *const *col) {
  for (int a = 0; a < space; a++)
    for (int k = 1; k < particles; k++) fold(n, norm(k), k, col[a], col[k * space + a]);
}
