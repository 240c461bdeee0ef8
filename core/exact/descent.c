/* descent.c - down to a minimum by Barzilai and Borwein's steps, and Helmert's coordinates. */
#include <math.h>

#include "core/exact/routes.h"

#define STEPS 5000
#define FIRST_STEP 1e-4
#define LONGEST_STEP 1e-2

/* One step; the squared size of the gradient before it. g holds the gradient of the last step. */
static double descend_once(const struct boltz_energy *energy, struct boltz_batch *y,
                           struct boltz_batch *g, double *before, double *step, double *u,
                           struct boltz_arena *scratch) {
  double size = 0, change = 0, curvature = 0;
  for (int j = 0; j < energy->dim; j++) before[j] = g->col[j][0];
  boltz_energy_eval(energy, energy->temperature, y, u, g, scratch);
  for (int j = 0; j < energy->dim; j++) {
    const double moved = -*step * before[j], dg = g->col[j][0] - before[j];
    size += g->col[j][0] * g->col[j][0], change += moved * moved, curvature += moved * dg;
  }
  if (curvature > 0) *step = fmin(change / curvature, LONGEST_STEP);
  for (int j = 0; j < energy->dim; j++) y->col[j][0] -= *step * g->col[j][0];
  return size;
}

enum boltz_status boltz_exact_descend(const struct boltz_energy *energy, struct boltz_batch *y,
                                      double *u, struct boltz_arena *scratch) {
  double *before = BOLTZ_NEW_ARRAY(scratch, (size_t)energy->dim, double), step = FIRST_STEP;
  struct boltz_batch g;
  BOLTZ_TRY(boltz_batch_new(scratch, 1, energy->dim, &g));
  if (!before) return BOLTZ_NO_MEMORY;
  for (int j = 0; j < energy->dim; j++) g.col[j][0] = 0;
  for (int k = 0; k < STEPS; k++)
    if (descend_once(energy, y, &g, before, &step, u, scratch) < 1e-16) return BOLTZ_OK;
  return boltz_fail(BOLTZ_OUT_OF_RANGE, "%s: no minimum in %d steps down", energy->kind->name,
                    STEPS);
}

void boltz_exact_helmert(int particles, int space, const double *x, double *y) {
  for (int k = 1; k < particles; k++)
    for (int a = 0; a < space; a++) {
      double sum = -k * x[k * space + a];
      for (int p = 0; p < k; p++) sum += x[p * space + a];
      y[(k - 1) * space + a] = sum / sqrt(k * (k + 1.0));
    }
}
