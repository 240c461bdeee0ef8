/* uniform.c - independent coordinates, each uniform between two ends.
 *
 *   log p0(z) = -ln V inside, -infinity outside;  S(p0) = ln V,  V = product of high - low
 *
 * Source: Durkan et al. 2019 (neural spline flows), sec. 3: splines on an interval.
 * Golden: [0, 2) x [-1, 3): S = 2.0794415416798357 = ln 8. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "boltz/base_density.h"
#include "boltz/energy.h"
#include "core/base/coordinates.h"

struct uniform {
  struct boltz_doubles low, high;
  struct boltz_ints periodic;
};

static enum boltz_status check_length(const char *name, const struct boltz_doubles *ends, int dim) {
  char pointer[16];
  if (ends->n == (size_t)dim) return BOLTZ_OK;
  snprintf(pointer, sizeof pointer, "/%s", name);
  return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer,
                       "%s has %zu numbers, and there are %d coordinates", name, ends->n, dim);
}

static enum boltz_status build(struct boltz_base *base, struct boltz_domain *domain,
                               struct boltz_arena *arena) {
  const struct uniform *s = base->settings;
  const struct boltz_mark mark = boltz_arena_mark(arena);
  struct boltz_ints all = {.n = (size_t)base->dim};
  BOLTZ_TRY(check_length("low", &s->low, base->dim));
  BOLTZ_TRY(check_length("high", &s->high, base->dim));
  BOLTZ_TRY(boltz_coordinates_check_ends(&all, &s->low, &s->high));
  bool *seen = BOLTZ_NEW_ARRAY(arena, (size_t)base->dim, bool);
  if (!seen) return BOLTZ_NO_MEMORY;
  if (s->periodic.n > 0)
    BOLTZ_TRY(boltz_coordinates_check("periodic", &s->periodic, base->dim, seen));
  for (int j = 0; j < base->dim; j++)
    domain[j] = (struct boltz_domain){.type = seen[j] ? BOLTZ_PERIODIC : BOLTZ_INTERVAL,
                                      .low = s->low.v[j],
                                      .high = s->high.v[j]};
  boltz_arena_release(arena, mark);
  return BOLTZ_OK;
}

static void sample(const struct boltz_base *base, const float *w, uint64_t seed,
                   enum boltz_stream stream, uint64_t first, struct boltz_batch *z,
                   struct boltz_arena *scratch) {
  const struct uniform *s = base->settings;
  (void)w, (void)scratch;
  boltz_rng_uniforms(seed, stream, first, z);
  for (int j = 0; j < z->dim; j++) {
    const double low = s->low.v[j], high = s->high.v[j];
    const double least = nextafter(low, high), most = nextafter(high, low);
    for (size_t i = 0; i < z->n; i++) {
      const double at = low + (high - low) * z->col[j][i];
      z->col[j][i] = at < least ? least : at > most ? most : at; /* never on an end */
    }
  }
}

static double log_volume(const struct uniform *s) {
  double sum = 0;
  for (size_t j = 0; j < s->low.n; j++) sum += log(s->high.v[j] - s->low.v[j]);
  return sum;
}

static void log_density(const struct boltz_base *base, const float *w, const struct boltz_batch *z,
                        double *log_p, struct boltz_batch *glog_p, struct boltz_arena *scratch) {
  const struct uniform *s = base->settings;
  const double inside = -log_volume(s);
  (void)w, (void)scratch;
  for (size_t i = 0; i < z->n; i++) log_p[i] = inside;
  for (int j = 0; j < z->dim; j++) {
    const double low = s->low.v[j], high = s->high.v[j], *v = z->col[j];
    for (size_t i = 0; i < z->n; i++) log_p[i] = v[i] >= low && v[i] <= high ? log_p[i] : -INFINITY;
    if (glog_p) memset(glog_p->col[j], 0, z->n * sizeof(double));
  }
}

static double entropy(const struct boltz_base *base, const float *w) {
  (void)w;
  return log_volume(base->settings);
}

static const struct boltz_field fields[] = {
    BOLTZ_END_ROW("low", struct uniform, low, "where the interval of every coordinate starts"),
    BOLTZ_END_ROW("high", struct uniform, high, "where it ends"),
    BOLTZ_COORDINATES_ROW("periodic", struct uniform, periodic, false,
                          "coordinates, from 0, whose interval is a period"),
    BOLTZ_FIELDS_END,
};

const struct boltz_base_kind boltz_base_uniform = {
    .name = "uniform",
    .doc = "independent coordinates, each uniform on [low, high): an interval, or a period",
    .source = "Durkan et al. 2019, arXiv 1906.04032, sec. 3",
    .fields = fields,
    .settings_size = sizeof(struct uniform),
    .build = build,
    .sample = sample,
    .log_density = log_density,
    .entropy = entropy,
};
