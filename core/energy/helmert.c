/* helmert.c - N particles with the centre of mass removed. */
#include "core/energy/helmert.h"

#include <math.h>
#include <string.h>

#include "core/base/helmert.h"
#include "core/base/vmath.h"

void boltz_helmert_positions(int particles, int space, const struct boltz_batch *y,
                             struct boltz_batch *x) {
  for (int a = 0; a < space; a++) memset(x->col[a], 0, y->n * sizeof(double));
  for (int j = 0; j < y->dim; j++) memcpy(x->col[j + space], y->col[j], y->n * sizeof(double));
  boltz_helmert_unfold(particles, space, y->n, x->col);
}

void boltz_helmert_coordinates(int particles, int space, struct boltz_batch *x,
                               struct boltz_batch *y) {
  boltz_helmert_fold(particles, space, x->n, x->col);
  for (int j = 0; j < y->dim; j++) memcpy(y->col[j], x->col[j + space], x->n * sizeof(double));
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
