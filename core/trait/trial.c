/* trial.c - an energy at points of a fixed sequence. */
#include "core/trait/trial.h"

#include <math.h>
#include <string.h>

#include "core/energy/points.h"

/* u may be a sum in another order, or of turned numbers: of its last digits some are lost. */
#define TOLERANCE 1e-9

enum boltz_status boltz_trial_begin(const struct boltz_energy *energy, struct boltz_arena *scratch,
                                    struct boltz_trial *trial) {
  *trial = (struct boltz_trial){.energy = energy, .scratch = scratch};
  BOLTZ_TRY(boltz_batch_new(scratch, TRIAL_POINTS, energy->dim, &trial->x));
  BOLTZ_TRY(boltz_batch_new(scratch, TRIAL_POINTS, energy->dim, &trial->y));
  boltz_points_draw(energy->domain, 0, &trial->x);
  boltz_energy_eval(energy, energy->temperature, &trial->x, trial->u, NULL, scratch);
  return BOLTZ_OK;
}

void boltz_trial_site(struct boltz_trial *trial, int64_t width, int64_t to, int64_t from) {
  for (int64_t k = 0; k < width; k++)
    memcpy(trial->y.col[to * width + k], trial->x.col[from * width + k],
           TRIAL_POINTS * sizeof(double));
}

bool boltz_trial_same(const struct boltz_trial *trial) {
  int told = 0;
  double v[TRIAL_POINTS];
  boltz_energy_eval(trial->energy, trial->energy->temperature, &trial->y, v, NULL, trial->scratch);
  for (int i = 0; i < TRIAL_POINTS; i++) {
    const double u = trial->u[i];
    if (!isfinite(u) && !isfinite(v[i])) continue;
    if (!(fabs(u - v[i]) <= TOLERANCE * (1 + fabs(u)))) return false;
    told++;
  }
  return told > 0;
}

bool boltz_trial_is_real(const struct boltz_energy *energy) {
  for (int j = 0; j < energy->dim; j++)
    if (energy->domain[j].type != BOLTZ_REAL) return false;
  return true;
}
