/* many_well.c - pairs of coordinates, one in a double well and one harmonic: 2^(dim/2) modes.
 *
 *   U(x) = sum over pairs (x, y) = (x1, x2), (x3, x4), ... of a x^4 - b x^2 + c x + (d/2) y^2
 *
 * log Z is dim/2 times that of a pair.
 * Source: Noe et al., Science 365, eaaw1147 (2019), eq. of the double well; as a benchmark of 32
 * coordinates: Midgley et al., "Flow Annealed Importance Sampling Bootstrap", 2208.01893.
 * Golden: with the defaults, T = 1: log Z = 164.695675313, P(x1 > 0) = 0.844307096. */
#include <string.h>

#include "boltz/energy.h"
#include "core/base/vmath.h"

struct many_well {
  double a, b, c, d;
  int64_t dim;
};

static int dim(const void *settings) {
  return (int)((const struct many_well *)settings)->dim;
}

static enum boltz_status complete(void *settings, struct boltz_arena *arena) {
  const struct many_well *s = settings;
  (void)arena;
  if (s->dim % 2 == 0) return BOLTZ_OK;
  return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/dim", "dim = %d is odd, but coordinates come in pairs",
                       (int)s->dim);
}

BOLTZ_VECTORISED static void add_pair(const struct many_well *s, size_t n, const double *restrict x,
                                      const double *restrict y, double *restrict U) {
  const double a = s->a, b = s->b, c = s->c, half = 0.5 * s->d;
  for (size_t i = 0; i < n; i++)
    U[i] += ((a * x[i] * x[i] - b) * x[i] + c) * x[i] + half * y[i] * y[i];
}

/* gx = 4 a x^3 - 2 b x + c, gy = d y */
BOLTZ_VECTORISED static void pair_gradient(const struct many_well *s, size_t n,
                                           const double *restrict x, const double *restrict y,
                                           double *restrict gx, double *restrict gy) {
  const double a = s->a, b = s->b, c = s->c, d = s->d;
  for (size_t i = 0; i < n; i++) {
    gx[i] = (4 * a * x[i] * x[i] - 2 * b) * x[i] + c;
    gy[i] = d * y[i];
  }
}

static void energy(const void *settings, const struct boltz_batch *x, double *U,
                   struct boltz_batch *gU, struct boltz_arena *scratch) {
  const struct many_well *s = settings;
  (void)scratch;
  memset(U, 0, x->n * sizeof(double));
  for (int j = 0; j < x->dim; j += 2) {
    add_pair(s, x->n, x->col[j], x->col[j + 1], U);
    if (gU) pair_gradient(s, x->n, x->col[j], x->col[j + 1], gU->col[j], gU->col[j + 1]);
  }
}

#define OFFSET(member) offsetof(struct many_well, member)
static const struct boltz_field fields[] = {
    {.name = "dim",
     .type = BOLTZ_FIELD_INT,
     .offset = OFFSET(dim),
     .def = 32,
     .low = 2,
     .high = BOLTZ_DIM_MAX,
     .doc = "number of coordinates, even"},
    {.name = "a",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(a),
     .def = 1,
     .low = 0,
     .high = 1e6,
     .low_open = true,
     .doc = "factor of x^4, x the first of a pair"},
    {.name = "b",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(b),
     .def = 6,
     .low = -1e6,
     .high = 1e6,
     .doc = "factor of -x^2; two wells need b > 0"},
    {.name = "c",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(c),
     .def = -0.5,
     .low = -1e6,
     .high = 1e6,
     .doc = "factor of x: the tilt, the right well is lower when c < 0"},
    {.name = "d",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(d),
     .def = 1,
     .low = 0,
     .high = 1e6,
     .low_open = true,
     .doc = "spring constant of the second of a pair"},
    BOLTZ_FIELDS_END,
};

const struct boltz_energy_kind boltz_energy_many_well = {
    .name = "many_well",
    .doc =
        "sum over pairs (x, y) of a x^4 - b x^2 + c x + d/2 y^2: independent double wells, "
        "2^(dim/2) modes",
    .source =
        "Noe et al., Science 365, eaaw1147 (2019); Midgley et al., Flow Annealed Importance "
        "Sampling Bootstrap, 2208.01893",
    .fields = fields,
    .settings_size = sizeof(struct many_well),
    .dim = dim,
    .complete = complete,
    .energy = energy,
};
