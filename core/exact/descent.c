/* descent.c - down to a minimum, and Helmert's coordinates. */
#include <math.h>

#include "core/exact/routes.h"
#include "core/linear/descent.h"

#define STEPS 5000

enum boltz_status boltz_exact_descend(const struct boltz_energy *energy, struct boltz_batch *y,
                                      double *u, struct boltz_arena *scratch) {
  struct boltz_descent *descent;
  struct boltz_batch g;
  bool more = true;
  BOLTZ_TRY(boltz_batch_new(scratch, 1, energy->dim, &g));
  BOLTZ_TRY(boltz_descent_new(y, scratch, &descent));
  for (int k = 0; more && k < STEPS; k++) {
    boltz_energy_eval(energy, energy->temperature, boltz_descent_trial(descent), u, &g, scratch);
    more = boltz_descent_advance(descent, u, &g);
  }
  const struct boltz_descent_row found = boltz_descent_row(descent, 0);
  if (more || !isfinite(found.u))
    return boltz_fail(BOLTZ_OUT_OF_RANGE, "%s: no minimum in %d steps down", energy->kind->name,
                      STEPS);
  for (int j = 0; j < energy->dim; j++) y->col[j][0] = found.x[j];
  *u = found.u;
  return BOLTZ_OK;
}

void boltz_exact_helmert(int particles, int space, const double *x, double *y) {
  for (int k = 1; k < particles; k++)
    for (int a = 0; a < space; a++) {
      double sum = -k * x[k * space + a];
      for (int p = 0; p < k; p++) sum += x[p * space + a];
      y[(k - 1) * space + a] = sum / sqrt(k * (k + 1.0));
    }
}
