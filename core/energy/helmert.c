/* helmert.c - Helmert's coordinates: N particles with the centre of mass removed.
 *
 * Source: Helmert, Astron. Nachr. 88, 113 (1876); Lancaster, Am. Stat. 19, 4 (1965). */
#include "core/energy/helmert.h"

#include <math.h>
#include <string.h>

#include "core/base/vmath.h"

/* With k particles before it, particle k + 1 is at (suffix sum) - k c y; the sum then takes c y. */
BOLTZ_VECTORISED static void unfold(size_t n, double c, double k, const double *restrict y,
                                    double *restrict sum, double *restrict x) {
  for (size_t i = 0; i < n; i++) {
    const double v = c * y[i];
    x[i] = sum[i] - k * v;
    sum[i] += v;
  }
}

/* y = c (sum - k x); x then becomes the sum with itself. */
BOLTZ_VECTORISED static void fold(size_t n, double c, double k, const double *restrict sum,
                                  double *restrict x, double *restrict y) {
  for (size_t i = 0; i < n; i++) {
    y[i] = c * (sum[i] - k * x[i]);
    x[i] += sum[i];
  }
}

static double norm(double k) {
  return 1 / sqrt(k * (k + 1));
}

void boltz_helmert_positions(int particles, int space, const struct boltz_batch *y,
                             struct boltz_batch *x) {
  /* The first particle's place is the sum over all k: its column is where the sum is kept. */
  for (int a = 0; a < space; a++) {
    memset(x->col[a], 0, y->n * sizeof(double));
    for (int k = particles - 1; k >= 1; k--)
      unfold(y->n, norm(k), k, y->col[(k - 1) * space + a], x->col[a], x->col[k * space + a]);
  }
}

void boltz_helmert_coordinates(int particles, int space, struct boltz_batch *x,
                               struct boltz_batch *y) {
  for (int a = 0; a < space; a++)
    for (int k = 1; k < particles; k++)
      fold(x->n, norm(k), k, x->col[(k - 1) * space + a], x->col[k * space + a],
           y->col[(k - 1) * space + a]);
}

void boltz_helmert_pairs(const struct boltz_particles *particles, const struct boltz_radial *radial,
                         const struct boltz_batch *y, double *U, struct boltz_batch *gU,
                         struct boltz_arena *scratch) {
  const int n = particles->n, space = particles->space;
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  struct boltz_batch x, gx;
  boltz_pairs_clear(y->n, U, gU);
  if (boltz_batch_new(scratch, y->n, n * space, &x) != BOLTZ_OK ||
      (gU && boltz_batch_new(scratch, y->n, n * space, &gx) != BOLTZ_OK)) {
    for (size_t i = 0; i < y->n; i++) U[i] = NAN;
    boltz_arena_release(scratch, mark);
    return;
  }
  boltz_helmert_positions(n, space, y, &x);
  boltz_pairs_add(particles, radial, &x, U, gU ? &gx : NULL);
  if (gU) boltz_helmert_coordinates(n, space, &gx, gU);
  boltz_arena_release(scratch, mark);
}

BOLTZ_VECTORISED static void add_squares(size_t n, const double *restrict y, double *restrict sum) {
  for (size_t i = 0; i < n; i++) sum[i] += y[i] * y[i];
}

void boltz_helmert_length(const struct boltz_batch *y, double factor, double *length) {
  memset(length, 0, y->n * sizeof(double));
  for (int j = 0; j < y->dim; j++) add_squares(y->n, y->col[j], length);
  for (size_t i = 0; i < y->n; i++) length[i] = sqrt(factor * length[i]);
}
