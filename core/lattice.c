/* lattice.c - the symmetries of a periodic lattice, looked for in an energy. */
#include "core/lattice.h"

#include <math.h>
#include <string.h>

#include "core/energy/points.h"

#define POINTS 32
#define SITES_MIN 4
/* u is a sum in another order after a step: of its last digits some are lost. */
#define TOLERANCE 1e-9

struct search {
  const struct boltz_energy *energy;
  struct boltz_batch x, y; /* [POINTS, dim] */
  double u[POINTS], v[POINTS];
  int64_t sites, width;
  struct boltz_arena *scratch;
};

static enum boltz_status begin(const struct boltz_energy *energy, struct boltz_arena *scratch,
                               struct search *s) {
  *s = (struct search){.energy = energy, .scratch = scratch};
  s->width = energy->kind->site_width ? energy->kind->site_width(energy->settings) : 1;
  s->sites = energy->dim / s->width;
  BOLTZ_TRY(boltz_batch_new(scratch, POINTS, energy->dim, &s->x));
  BOLTZ_TRY(boltz_batch_new(scratch, POINTS, energy->dim, &s->y));
  boltz_points_draw(energy->domain, 0, &s->x);
  boltz_energy_eval(energy, energy->temperature, &s->x, s->u, NULL, scratch);
  return BOLTZ_OK;
}

/* Every site has the domains of the first. */
static bool sites_are_alike(const struct search *s) {
  const struct boltz_domain *domain = s->energy->domain;
  if (s->sites * s->width != s->energy->dim) return false;
  for (int j = 0; j < s->energy->dim; j++) {
    const struct boltz_domain *a = &domain[j], *b = &domain[j % s->width];
    if (a->type != b->type) return false;
    if (a->type != BOLTZ_REAL && (a->low != b->low || a->high != b->high)) return false;
  }
  return true;
}

static void copy_site(const struct search *s, int64_t to, int64_t from) {
  for (int64_t k = 0; k < s->width; k++)
    memcpy(s->y.col[to * s->width + k], s->x.col[from * s->width + k], POINTS * sizeof(double));
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

/* One step along the axis whose neighbours lie `stride` sites apart. */
static bool step_is_a_symmetry(struct search *s, int64_t side, int64_t stride) {
  for (int64_t site = 0; site < s->sites; site++) {
    const int64_t at = site / stride % side;
    copy_site(s, site, site + ((at + 1) % side - at) * stride);
  }
  return same_energy(s);
}

static bool exchange_is_a_symmetry(struct search *s) {
  for (int64_t site = 0; site < s->sites; site++)
    copy_site(s, site, site == 0 ? 1 : site == 1 ? 0 : site);
  return same_energy(s);
}

static bool fits(struct search *s, int64_t a, int64_t b, int64_t c) {
  return (a == 1 || step_is_a_symmetry(s, a, b * c)) && (b == 1 || step_is_a_symmetry(s, b, c)) &&
         step_is_a_symmetry(s, c, 1);
}

static void set_sides(struct boltz_lattice *lattice, int64_t width, int64_t a, int64_t b,
                      int64_t c) {
  *lattice = (struct boltz_lattice){.width = width};
  const int64_t side[BOLTZ_AXES_MAX] = {a, b, c};
  for (int k = 0; k < BOLTZ_AXES_MAX; k++)
    if (side[k] > 1) lattice->side[lattice->axes++] = side[k];
}

/* As many axes as there are: a lattice of three has stripes that pass for one of two. */
static void look(struct search *s, struct boltz_lattice *lattice) {
  const int64_t n = s->sites;
  for (int axes = BOLTZ_AXES_MAX; axes >= 1; axes--)
    for (int64_t a = axes == 3 ? 2 : 1; a <= (axes == 3 ? n : 1); a++)
      for (int64_t b = axes >= 2 ? 2 : 1; n % a == 0 && b <= (axes >= 2 ? n / a : 1); b++) {
        const int64_t c = n / a / b;
        if (c < 2 || a * b * c != n || !fits(s, a, b, c)) continue;
        set_sides(lattice, s->width, a, b, c);
        return;
      }
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
