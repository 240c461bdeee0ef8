/* lattice.c - the symmetries of a periodic lattice, looked for in an energy. */
#include "core/trait/lattice.h"

#include <math.h>

#include "core/trait/trial.h"

#define SITES_MIN 4

struct search {
  struct boltz_trial trial;
  int64_t sites, width;
};

static enum boltz_status begin(const struct boltz_energy *energy, struct boltz_arena *scratch,
                               struct search *s) {
  s->width = energy->kind->site_width ? energy->kind->site_width(energy->settings) : 1;
  s->sites = energy->dim / s->width;
  return boltz_trial_begin(energy, scratch, &s->trial);
}

/* Every site has the domains of the first. */
static bool sites_are_alike(const struct search *s) {
  const struct boltz_energy *energy = s->trial.energy;
  const struct boltz_domain *domain = energy->domain;
  if (s->sites * s->width != energy->dim) return false;
  for (int j = 0; j < energy->dim; j++)
    if (!boltz_domain_same(&domain[j], &domain[j % s->width])) return false;
  return true;
}

/* One step along the axis whose neighbours lie `stride` sites apart. */
static bool step_is_a_symmetry(struct search *s, int64_t side, int64_t stride) {
  for (int64_t site = 0; site < s->sites; site++) {
    const int64_t at = site / stride % side;
    boltz_trial_site(&s->trial, s->width, site, site + ((at + 1) % side - at) * stride);
  }
  return boltz_trial_same(&s->trial);
}

static bool exchange_is_a_symmetry(struct search *s) {
  for (int64_t site = 0; site < s->sites; site++)
    boltz_trial_site(&s->trial, s->width, site, site == 0 ? 1 : site == 1 ? 0 : site);
  return boltz_trial_same(&s->trial);
}

static bool fits(struct search *s, int64_t a, int64_t b, int64_t c) {
  return (a == 1 || step_is_a_symmetry(s, a, b * c)) && (b == 1 || step_is_a_symmetry(s, b, c)) &&
         step_is_a_symmetry(s, c, 1);
}

static bool try_sides(struct search *s, int64_t a, int64_t b, int64_t c,
                      struct boltz_lattice *lattice) {
  const int64_t side[BOLTZ_AXES_MAX] = {a, b, c};
  if (c < 2 || a * b * c != s->sites || !fits(s, a, b, c)) return false;
  lattice->width = s->width;
  for (int k = 0; k < BOLTZ_AXES_MAX; k++)
    if (side[k] > 1) lattice->side[lattice->axes++] = side[k];
  return true;
}

/* As many axes as there are: a lattice of three has stripes that pass for one of two. Of those of
   equal sides, which most are, a trial or two tell. */
static void look(struct search *s, struct boltz_lattice *lattice) {
  const int64_t n = s->sites, cube = llround(cbrt((double)n)), square = llround(sqrt((double)n));
  if (try_sides(s, cube, cube, cube, lattice)) return;
  if (try_sides(s, 1, square, square, lattice)) return;
  for (int64_t a = 2; a <= n; a++)
    for (int64_t b = 2; n % a == 0 && b <= n / a; b++)
      if (try_sides(s, a, b, n / a / b, lattice)) return;
  for (int64_t b = 2; b <= n; b++)
    if (try_sides(s, 1, b, n / b, lattice)) return;
  try_sides(s, 1, 1, n, lattice);
}

enum boltz_status boltz_lattice_find(const struct boltz_energy *energy, struct boltz_arena *scratch,
                                     struct boltz_lattice *lattice) {
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  struct search s;
  *lattice = (struct boltz_lattice){0};
  enum boltz_status status = begin(energy, scratch, &s);
  if (status == BOLTZ_OK && s.sites >= SITES_MIN && sites_are_alike(&s) &&
      !exchange_is_a_symmetry(&s))
    look(&s, lattice);
  boltz_arena_release(scratch, mark);
  return status;
}
