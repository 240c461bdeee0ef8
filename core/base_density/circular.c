/* circular.c - periodic coordinates, uniform on their periods, among independent standard normals.
 *
 *   log p0(z) = - sum of z^2/2 + ln(2 pi)/2 over the m normal coordinates - ln V
 *   S(p0) = (m/2) ln(2 pi e) + ln V,  V = product of high - low over the periodic ones
 *
 * Source: Rezende et al. 2020 (flows on tori), sec. 2.
 * Golden: dim 2, coordinate 1 on [0, 2 pi): S = 3.256815599614 = (ln 2 pi + 1)/2 + ln 2 pi. */
#include <math.h>
#include <string.h>

#include "boltz/base_density.h"
#include "boltz/energy.h"
#include "core/base/coordinates.h"
#include "core/base/vmath.h"

struct circular {
  struct boltz_ints coordinates;
  struct boltz_doubles low, high;
};

static const double ln_2pi = 1.8378770664093454836;

/* Blocks of random bits that no normal is made of. */
#define FIRST_BLOCK (BOLTZ_DIM_MAX / 2)

static enum boltz_status build(struct boltz_base *base, struct boltz_domain *domain,
                               struct boltz_arena *arena) {
  const struct circular *s = base->settings;
  const int dim = base->dim;
  const struct boltz_mark mark = boltz_arena_mark(arena);
  bool *seen = BOLTZ_NEW_ARRAY(arena, (size_t)dim, bool);
  if (!seen) return BOLTZ_NO_MEMORY;
  enum boltz_status status = boltz_coordinates_check("coordinates", &s->coordinates, dim, seen);
  boltz_arena_release(arena, mark);
  BOLTZ_TRY(status);
  BOLTZ_TRY(boltz_coordinates_check_ends(&s->coordinates, &s->low, &s->high));
  for (size_t k = 0; k < s->coordinates.n; k++)
    domain[s->coordinates.v[k]] =
        (struct boltz_domain){.type = BOLTZ_PERIODIC, .low = s->low.v[k], .high = s->high.v[k]};
  return BOLTZ_OK;
}

static void sample(const struct boltz_base *base, const float *w, uint64_t seed,
                   enum boltz_stream stream, uint64_t first, struct boltz_batch *z,
                   struct boltz_arena *scratch) {
  const struct circular *s = base->settings;
  (void)w, (void)scratch;
  boltz_rng_normals(seed, stream, first, z);
  for (size_t k = 0; k < s->coordinates.n; k++) {
    const int64_t j = s->coordinates.v[k];
    const double low = s->low.v[k], width = s->high.v[k] - low;
    for (size_t i = 0; i < z->n; i++) {
      double u[2];
      boltz_rng_uniform(seed, stream, first + i, FIRST_BLOCK + (uint32_t)j / 2, u);
      const double at = low + width * u[j % 2];
      z->col[j][i] = at > s->high.v[k] ? s->high.v[k] : at;
    }
  }
}

static double log_widths(const struct circular *s) {
  double sum = 0;
  for (size_t k = 0; k < s->coordinates.n; k++) sum += log(s->high.v[k] - s->low.v[k]);
  return sum;
}

/* log_p -= z^2 / 2, g = -z */
BOLTZ_VECTORISED static void add_normal(size_t n, const double *restrict z, double *restrict log_p,
                                        double *restrict g) {
  for (size_t i = 0; i < n; i++) log_p[i] -= 0.5 * z[i] * z[i];
  for (size_t i = 0; g && i < n; i++) g[i] = -z[i];
}

/* A bit for every coordinate that is periodic. */
struct marks {
  uint64_t bits[BOLTZ_DIM_MAX / 64];
};

static struct marks mark_periodic(const struct circular *s) {
  struct marks marks = {{0}};
  for (size_t k = 0; k < s->coordinates.n; k++)
    marks.bits[s->coordinates.v[k] / 64] |= UINT64_C(1) << s->coordinates.v[k] % 64;
  return marks;
}

static void log_density(const struct boltz_base *base, const float *w, const struct boltz_batch *z,
                        double *log_p, struct boltz_batch *glog_p, struct boltz_arena *scratch) {
  const struct circular *s = base->settings;
  (void)w, (void)scratch;
  const struct marks periodic = mark_periodic(s);
  const double normals = z->dim - (double)s->coordinates.n;
  const double norm = -0.5 * normals * ln_2pi - log_widths(s);
  for (size_t i = 0; i < z->n; i++) log_p[i] = norm;
  for (int j = 0; j < z->dim; j++) {
    double *g = glog_p ? glog_p->col[j] : NULL;
    if (!(periodic.bits[j / 64] >> j % 64 & 1))
      add_normal(z->n, z->col[j], log_p, g);
    else if (g)
      memset(g, 0, z->n * sizeof *g);
  }
}

static double entropy(const struct boltz_base *base, const float *w) {
  const struct circular *s = base->settings;
  (void)w;
  return 0.5 * (base->dim - (double)s->coordinates.n) * (ln_2pi + 1) + log_widths(s);
}

static const struct boltz_field fields[] = {
    BOLTZ_COORDINATES_ROW("coordinates", struct circular, coordinates, true,
                          "coordinates, from 0, that are periodic; the others are normal"),
    BOLTZ_END_ROW("low", struct circular, low, "where the period of each starts"),
    BOLTZ_END_ROW("high", struct circular, high, "where it ends"),
    BOLTZ_FIELDS_END,
};

const struct boltz_base_kind boltz_base_circular = {
    .name = "circular",
    .doc =
        "some coordinates periodic and uniform on [low, high), the others independent standard "
        "normals",
    .source = "Rezende et al. 2020, arXiv 2002.02428, sec. 2",
    .fields = fields,
    .settings_size = sizeof(struct circular),
    .build = build,
    .sample = sample,
    .log_density = log_density,
    .entropy = entropy,
};
