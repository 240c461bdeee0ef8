/* alike.c - sites that may change places, looked for in an energy. */
#include "core/trait/alike.h"

#include "core/trait/trial.h"

struct search {
  struct boltz_trial trial;
  int64_t sites, width;
  int64_t *like; /* [sites] the first site that a site is like */
};

static bool domains_are_equal(const struct search *s, int64_t a, int64_t b) {
  const struct boltz_domain *domain = s->trial.energy->domain;
  for (int64_t k = 0; k < s->width; k++)
    if (!boltz_domain_same(&domain[a * s->width + k], &domain[b * s->width + k])) return false;
  return true;
}

/* y is x but for the two, and again afterwards. */
static bool are_alike(struct search *s, int64_t a, int64_t b) {
  if (!domains_are_equal(s, a, b)) return false;
  boltz_trial_site(&s->trial, s->width, a, b);
  boltz_trial_site(&s->trial, s->width, b, a);
  const bool same = boltz_trial_same(&s->trial);
  boltz_trial_site(&s->trial, s->width, a, a);
  boltz_trial_site(&s->trial, s->width, b, b);
  return same;
}

/* A site is tried with the first of every class, and with those that are like none so far: few of
   them, for a system of many kinds of sites is not what is looked for. */
static void look(struct search *s) {
  int64_t first[2 * BOLTZ_ALIKE_MOST];
  int firsts = 0;
  for (int64_t site = 0; site < s->sites; site++) {
    s->like[site] = site;
    for (int k = 0; k < firsts && s->like[site] == site; k++)
      if (are_alike(s, first[k], site)) s->like[site] = first[k];
    if (s->like[site] == site && firsts < 2 * BOLTZ_ALIKE_MOST) first[firsts++] = site;
  }
}

static enum boltz_status take(const struct search *s, struct boltz_arena *arena,
                              struct boltz_alike *alike) {
  for (int64_t first = 0; first < s->sites && alike->classes < BOLTZ_ALIKE_MOST; first++) {
    int64_t n = 0;
    for (int64_t site = first; site < s->sites; site++) n += s->like[site] == first;
    if (n < 2) continue;
    int64_t *list = BOLTZ_NEW_ARRAY(arena, (size_t)n, int64_t);
    if (!list) return BOLTZ_NO_MEMORY;
    n = 0;
    for (int64_t site = first; site < s->sites; site++)
      if (s->like[site] == first) list[n++] = site;
    alike->of[alike->classes].n = n;
    alike->of[alike->classes++].site = list;
  }
  return BOLTZ_OK;
}

enum boltz_status boltz_alike_find(const struct boltz_energy *energy, struct boltz_arena *arena,
                                   struct boltz_alike *alike) {
  struct search s = {0};
  *alike = (struct boltz_alike){0};
  if (!energy->kind->site_width) return BOLTZ_OK;
  alike->width = s.width = energy->kind->site_width(energy->settings);
  s.sites = energy->dim / s.width;
  s.like = BOLTZ_NEW_ARRAY(arena, (size_t)s.sites, int64_t);
  if (!s.like) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(boltz_trial_begin(energy, arena, &s.trial));
  boltz_batch_copy(&s.trial.y, 0, &s.trial.x, 0, TRIAL_POINTS);
  look(&s);
  return take(&s, arena, alike);
}
