/* translation.c - a symmetry of a periodic box, looked for in an energy, and what holds its
 * particles together. */
#include "core/trait/translation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/trait/trial.h"

/* Of a period: no wave along an axis has all of them among its own. */
static const double steps[] = {0.17320508075688773, 0.30901699437494745, 0.7320508075688772};
#define STEPS (sizeof steps / sizeof *steps)

struct search {
  struct boltz_trial trial;
  int64_t sites, width;
  struct boltz_batch moved; /* [TRIAL_POINTS, width] */
  double *alone;            /* [sites, TRIAL_POINTS] what u gains when a site leaves */
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
    for (int i = 0; i < TRIAL_POINTS; i++) y[i] = x[i] + step * (domain->high - domain->low);
  }
  boltz_energy_wrap(s->trial.energy, &s->trial.y);
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

/* Where a site goes: where it is at the next point. */
static struct boltz_batch next_of(const struct search *s, int64_t site, double *column[]) {
  for (int64_t k = 0; k < s->width; k++) {
    const double *x = s->trial.x.col[site * s->width + k];
    memcpy(column[k], x + 1, (TRIAL_POINTS - 1) * sizeof *x);
    column[k][TRIAL_POINTS - 1] = x[0];
  }
  return (struct boltz_batch){.n = TRIAL_POINTS, .dim = (int)s->width, .col = column};
}

/* What u gains at y when a site leaves. */
static void leave(const struct search *s, int64_t site, double *du) {
  const struct boltz_energy *energy = s->trial.energy;
  const struct boltz_batch moved = next_of(s, site, s->moved.col);
  const struct boltz_mark mark = boltz_arena_mark(s->trial.scratch);
  energy->kind->difference(energy->settings, energy->temperature, &s->trial.y, (int)site, &moved,
                           du, s->trial.scratch);
  boltz_arena_release(s->trial.scratch, mark);
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* How much more than alone a site changes u now that another has left: the median of its size,
   which two that meet at one point in a hundred do not raise. */
static double hold(const struct search *s, int64_t site) {
  double du[TRIAL_POINTS], size[TRIAL_POINTS];
  int n = 0;
  leave(s, site, du);
  for (int i = 0; i < TRIAL_POINTS; i++) {
    const double more = du[i] - s->alone[site * TRIAL_POINTS + i];
    if (isfinite(more)) size[n++] = fabs(more);
  }
  qsort(size, (size_t)n, sizeof *size, ascending);
  return n > 0 ? size[n / 2] : 0;
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
    next_of(s, last, s->trial.y.col + last * s->width);
    for (int64_t site = 0; site < s->sites; site++) {
      if (in[site]) continue;
      const double held = hold(s, site);
      if (held > best[site]) {
        best[site] = held;
        translation->parent[site] = last;
      }
      if (next < 0 || best[site] > best[next]) next = site;
    }
    boltz_trial_site(&s->trial, s->width, last, last);
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
  BOLTZ_TRY(boltz_batch_new(s->trial.scratch, TRIAL_POINTS, (int)s->width, &s->moved));
  for (int64_t site = 0; site < s->sites; site++) leave(s, site, s->alone + site * TRIAL_POINTS);
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
