/* rotation.c - a symmetry of the plane, looked for in an energy. */
#include "core/trait/rotation.h"

#include <math.h>

#include "core/trait/trial.h"

#define PAIRS_MIN 2

/* No two of them make a simple part of a turn. */
static const double angles[] = {0.7, 2.0, -1.3};
#define ANGLES (sizeof angles / sizeof *angles)

static bool is_of_real_pairs(const struct boltz_energy *energy) {
  return boltz_trial_is_real(energy) && energy->dim % 2 == 0 && energy->dim >= 2 * PAIRS_MIN;
}

/* y = x with the pairs from `first` to before `end` turned. */
static void turn(struct boltz_trial *trial, int first, int end, double angle) {
  const double c = cos(angle), sine = sin(angle);
  for (int k = 0; 2 * k < trial->x.dim; k++) {
    const double *x0 = trial->x.col[2 * k], *x1 = trial->x.col[2 * k + 1];
    const bool turns = k >= first && k < end;
    for (size_t i = 0; i < TRIAL_POINTS; i++) {
      trial->y.col[2 * k][i] = turns ? c * x0[i] - sine * x1[i] : x0[i];
      trial->y.col[2 * k + 1][i] = turns ? sine * x0[i] + c * x1[i] : x1[i];
    }
  }
}

static bool is_a_symmetry(struct boltz_trial *trial, int first, int end) {
  for (size_t k = 0; k < ANGLES; k++) {
    turn(trial, first, end, angles[k]);
    if (!boltz_trial_same(trial)) return false;
  }
  return true;
}

enum boltz_status boltz_rotation_find(const struct boltz_energy *energy,
                                      struct boltz_arena *scratch, bool *found) {
  *found = false;
  if (!is_of_real_pairs(energy)) return BOLTZ_OK;
  const int pairs = energy->dim / 2;
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  struct boltz_trial trial;
  enum boltz_status status = boltz_trial_begin(energy, scratch, &trial);
  *found = status == BOLTZ_OK && is_a_symmetry(&trial, 0, pairs);
  for (int k = 0; *found && k < pairs; k++) *found = !is_a_symmetry(&trial, k, k + 1);
  boltz_arena_release(scratch, mark);
  return status;
}
