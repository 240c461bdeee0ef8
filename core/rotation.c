/* rotation.c - a symmetry of the plane, looked for in an energy. */
#include "core/rotation.h"

#include <math.h>
#include <string.h>

#include "core/energy/points.h"

#define POINTS 32
#define PAIRS_MIN 2
/* u is a sum of turned numbers: of its last digits some are lost. */
#define TOLERANCE 1e-9

/* No two of them make a simple part of a turn. */
static const double angles[] = {0.7, 2.0, -1.3};
#define ANGLES (sizeof angles / sizeof *angles)

struct search {
  const struct boltz_energy *energy;
  struct boltz_batch x, y; /* [POINTS, dim] */
  double u[POINTS], v[POINTS];
  struct boltz_arena *scratch;
};

static enum boltz_status begin(const struct boltz_energy *energy, struct boltz_arena *scratch,
                               struct search *s) {
  *s = (struct search){.energy = energy, .scratch = scratch};
  BOLTZ_TRY(boltz_batch_new(scratch, POINTS, energy->dim, &s->x));
  BOLTZ_TRY(boltz_batch_new(scratch, POINTS, energy->dim, &s->y));
  boltz_points_draw(energy->domain, 0, &s->x);
  boltz_energy_eval(energy, energy->temperature, &s->x, s->u, NULL, scratch);
  return BOLTZ_OK;
}

static bool is_of_real_pairs(const struct boltz_energy *energy) {
  for (int j = 0; j < energy->dim; j++)
    if (energy->domain[j].type != BOLTZ_REAL) return false;
  return energy->dim % 2 == 0 && energy->dim >= 2 * PAIRS_MIN;
}

/* y = x with the pairs from `first` to before `end` turned. */
static void turn(struct search *s, int first, int end, double angle) {
  const double c = cos(angle), sine = sin(angle);
  for (int k = 0; 2 * k < s->x.dim; k++) {
    const double *x0 = s->x.col[2 * k], *x1 = s->x.col[2 * k + 1];
    const bool turns = k >= first && k < end;
    for (size_t i = 0; i < POINTS; i++) {
      s->y.col[2 * k][i] = turns ? c * x0[i] - sine * x1[i] : x0[i];
      s->y.col[2 * k + 1][i] = turns ? sine * x0[i] + c * x1[i] : x1[i];
    }
  }
}

/* Is u the same at y? Points where it is not finite tell nothing. */
static bool same_energy(struct search *s) {
  int told = 0;
  boltz_energy_eval(s->energy, s->energy->temperature, &s->y, s->v, NULL, s->scratch);
  for (int i = 0; i < POINTS; i++) {
    if (!isfinite(s->u[i]) && !isfinite(s->v[i])) continue;
    if (!(fabs(s->u[i] - s->v[i]) <= TOLERANCE * (1 + fabs(s->u[i])))) return false;
    told++;
  }
  return told > 0;
}

static bool is_a_symmetry(struct search *s, int first, int end) {
  for (size_t k = 0; k < ANGLES; k++) {
    turn(s, first, end, angles[k]);
    if (!same_energy(s)) return false;
  }
  return true;
}

enum boltz_status boltz_rotation_find(const struct boltz_energy *energy,
                                      struct boltz_arena *scratch, bool *found) {
  *found = false;
  if (!is_of_real_pairs(energy)) return BOLTZ_OK;
  const int pairs = energy->dim / 2;
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  struct search s;
  enum boltz_status status = begin(energy, scratch, &s);
  *found = status == BOLTZ_OK && is_a_symmetry(&s, 0, pairs);
  for (int k = 0; *found && k < pairs; k++) *found = !is_a_symmetry(&s, k, k + 1);
  boltz_arena_release(scratch, mark);
  return status;
}
