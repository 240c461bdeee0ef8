/* translation.c - a symmetry of a periodic box, looked for in an energy, and what holds its
 * particles together. */
#include "core/trait/translation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/trait/trial.h"

#define SITES_MOST 64 /* every pair of them is tried; of more, all have site 0 as their parent */

/* No two of them make a simple part of a period. */
static const double steps[] = {0.17, 0.31, 0.73};
#define STEPS (sizeof steps / sizeof *steps)

struct search {
  struct boltz_trial trial;
  int64_t sites, width;
  double *alone; /* [sites, TRIAL_POINTS] u where a site has left */
};

static bool is_in_a_box(const struct search *s) {
  const struct boltz_domain *domain = s->trial.energy->domain;
  for (int j = 0; j < s->trial.energy->dim; j++)
    if (domain[j].type != BOLTZ_PERIODIC || !boltz_domain_same(&domain[j], &domain[j % s->width]))
      return false;
  return s->sites > 1;
}

/* y = x but for component k of every site, which is some of a period further. */
static void shift(struct search *s, int64_t k, double step) {
  const struct boltz_domain *domain = &s->trial.energy->domain[k];
  for (int64_t site = 0; site < s->sites; site++) {
    const double *x = s->trial.x.col[site * s->width + k];
    double *y = s->trial.y.col[site * s->width + k];
    for (int i = 0; i < TRIAL_POINTS; i++) {
      y[i] = x[i] + step * (domain->high - domain->low);
      if (y[i] >= domain->high) y[i] -= domain->high - domain->low;
    }
  }
}

static bool is_a_symmetry(struct search *s) {
  boltz_batch_copy(&s->trial.y, 0, &s->trial.x, 0, TRIAL_POINTS);
  for (int64_t k = 0; k < s->width; k++) {
    for (size_t step = 0; step < STEPS; step++) {
      shift(s, k, steps[step]);
      if (!boltz_trial_same(&s->trial)) return false;
    }
    boltz_batch_copy(&s->trial.y, 0, &s->trial.x, 0, TRIAL_POINTS);
  }
  return true;
}

/* A site of y is where it is at the next point. */
static void leave(struct search *s, int64_t site) {
  for (int64_t j = site * s->width; j < (site + 1) * s->width; j++) {
    memcpy(s->trial.y.col[j], s->trial.x.col[j] + 1, (TRIAL_POINTS - 1) * sizeof(double));
    s->trial.y.col[j][TRIAL_POINTS - 1] = s->trial.x.col[j][0];
  }
}

static void evaluate(struct search *s, double *u) {
  const struct boltz_energy *energy = s->trial.energy;
  boltz_energy_eval(energy, energy->temperature, &s->trial.y, u, NULL, s->trial.scratch);
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* How much more than each alone two sites change u when both leave: the median of its size, which
   two that meet at one point in a hundred do not raise. */
static double hold(struct search *s, int64_t a, int64_t b) {
  double u[TRIAL_POINTS], size[TRIAL_POINTS];
  int n = 0;
  leave(s, a);
  leave(s, b);
  evaluate(s, u);
  boltz_trial_site(&s->trial, s->width, a, a);
  boltz_trial_site(&s->trial, s->width, b, b);
  for (int i = 0; i < TRIAL_POINTS; i++) {
    const double more =
        u[i] - s->alone[a * TRIAL_POINTS + i] - s->alone[b * TRIAL_POINTS + i] + s->trial.u[i];
    if (isfinite(more)) size[n++] = fabs(more);
  }
  qsort(size, (size_t)n, sizeof *size, ascending);
  return n > 0 ? size[n / 2] : 0;
}

static void leave_each(struct search *s) {
  for (int64_t site = 0; site < s->sites; site++) {
    leave(s, site);
    evaluate(s, s->alone + site * TRIAL_POINTS);
    boltz_trial_site(&s->trial, s->width, site, site);
  }
}

/* The tree of the strongest holds, from site 0 on (Prim). */
static enum boltz_status grow(struct search *s, struct boltz_translation *translation) {
  double *best = boltz_arena_scratch(s->trial.scratch, (size_t)s->sites, sizeof *best);
  bool *in = BOLTZ_NEW_ARRAY(s->trial.scratch, (size_t)s->sites, bool);
  if (!best || !in) return BOLTZ_NO_MEMORY;
  for (int64_t site = 0; site < s->sites; site++) best[site] = -1;
  int64_t last = 0;
  for (int64_t n = 0; n < s->sites - 1; n++) {
    int64_t next = -1;
    in[last] = true;
    for (int64_t site = 0; site < s->sites; site++) {
      if (in[site]) continue;
      const double held = s->sites > SITES_MOST ? 0 : hold(s, last, site);
      if (held > best[site]) {
        best[site] = held;
        translation->parent[site] = last;
      }
      if (next < 0 || best[site] > best[next]) next = site;
    }
    translation->order[n] = last = next;
  }
  return BOLTZ_OK;
}

static enum boltz_status look(struct search *s, struct boltz_translation *translation,
                              struct boltz_arena *arena) {
  BOLTZ_TRY(boltz_trial_begin(s->trial.energy, s->trial.scratch, &s->trial));
  if (!is_a_symmetry(s)) return BOLTZ_OK;
  s->alone =
      boltz_arena_scratch(s->trial.scratch, (size_t)s->sites, TRIAL_POINTS * sizeof *s->alone);
  translation->parent = BOLTZ_NEW_ARRAY(arena, (size_t)s->sites, int64_t);
  translation->order = BOLTZ_NEW_ARRAY(arena, (size_t)s->sites, int64_t);
  if (!s->alone || !translation->parent || !translation->order) return BOLTZ_NO_MEMORY;
  leave_each(s);
  BOLTZ_TRY(grow(s, translation));
  translation->sites = s->sites;
  return BOLTZ_OK;
}

enum boltz_status boltz_translation_find(const struct boltz_energy *energy,
                                         struct boltz_arena *arena,
                                         struct boltz_translation *translation) {
  struct search s = {.trial = {.energy = energy}};
  *translation = (struct boltz_translation){0};
  if (!energy->kind->site_width) return BOLTZ_OK;
  translation->width = s.width = energy->kind->site_width(energy->settings);
  s.sites = energy->dim / s.width;
  if (!is_in_a_box(&s)) return BOLTZ_OK;
  struct boltz_arena *scratch = boltz_arena_open(0);
  if (!scratch) return BOLTZ_NO_MEMORY;
  s.trial.scratch = scratch;
  const enum boltz_status status = look(&s, translation, arena);
  boltz_arena_close(scratch);
  return status;
}
