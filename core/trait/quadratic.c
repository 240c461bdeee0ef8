/* quadratic.c - a gradient that is linear, looked for in an energy. */
#include "core/trait/quadratic.h"

#include <math.h>

#include "core/trait/trial.h"

#define TOLERANCE 1e-9 /* of the largest that a coordinate's gradient is */

/* y_i half way between x_i and x_i+1. */
static void go_half_way(struct boltz_trial *trial) {
  for (int j = 0; j < trial->x.dim; j++)
    for (size_t i = 0; i < TRIAL_POINTS; i++)
      trial->y.col[j][i] = 0.5 * (trial->x.col[j][i] + trial->x.col[j][(i + 1) % TRIAL_POINTS]);
}

static bool is_linear(const double *at_x, const double *at_y) {
  double most = 0;
  for (size_t i = 0; i < TRIAL_POINTS; i++) most = fmax(most, fabs(at_x[i]));
  for (size_t i = 0; i < TRIAL_POINTS; i++) {
    const double mean = 0.5 * (at_x[i] + at_x[(i + 1) % TRIAL_POINTS]);
    if (!(fabs(at_y[i] - mean) <= TOLERANCE * most)) return false;
  }
  return true;
}

static enum boltz_status look(struct boltz_trial *trial, bool *found) {
  const struct boltz_energy *energy = trial->energy;
  struct boltz_batch at_x, at_y;
  double u[TRIAL_POINTS];
  BOLTZ_TRY(boltz_batch_new(trial->scratch, TRIAL_POINTS, energy->dim, &at_x));
  BOLTZ_TRY(boltz_batch_new(trial->scratch, TRIAL_POINTS, energy->dim, &at_y));
  go_half_way(trial);
  boltz_energy_eval(energy, energy->temperature, &trial->x, u, &at_x, trial->scratch);
  boltz_energy_eval(energy, energy->temperature, &trial->y, u, &at_y, trial->scratch);
  *found = true;
  for (int j = 0; *found && j < energy->dim; j++) *found = is_linear(at_x.col[j], at_y.col[j]);
  return BOLTZ_OK;
}

enum boltz_status boltz_quadratic_find(const struct boltz_energy *energy,
                                       struct boltz_arena *scratch, bool *found) {
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  struct boltz_trial trial;
  *found = false;
  if (!boltz_trial_is_real(energy)) return BOLTZ_OK;
  enum boltz_status status = boltz_trial_begin(energy, scratch, &trial);
  if (status == BOLTZ_OK) status = look(&trial, found);
  boltz_arena_release(scratch, mark);
  return status;
}
