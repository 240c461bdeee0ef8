/* double_well.c - a particle between two wells.
 *
 *   U(x) = a x1^4 - b x1^2 + c x1 + (d/2) (x2^2 + x3^2 + ...)
 *
 * Source: Noe, Olsson, Koehler, Wu, Science 365, eaaw1147 (2019); Binagia, Friedowitz, Hou (2019),
 * whose code and figures use b = 6 where the text prints b = 1, which has one well only.
 * Golden: with the defaults, log Z = 11.020467230188 at T = 1. */
#include "boltz/energy.h"
#include "core/base/vmath.h"

struct double_well {
  double a, b, c, d;
  int64_t dim;
};

static int dim(const void *settings) {
  return (int)((const struct double_well *)settings)->dim;
}

/* u1 = a x^4 - b x^2 + c x, g = 4 a x^3 - 2 b x + c */
BOLTZ_VECTORISED static void quartic(const struct double_well *s, size_t n,
                                     const double *restrict x, double *restrict U,
                                     double *restrict g) {
  double a = s->a, b = s->b, c = s->c;
  for (size_t i = 0; i < n; i++) U[i] = ((a * x[i] * x[i] - b) * x[i] + c) * x[i];
  if (!g) return;
  for (size_t i = 0; i < n; i++) g[i] = (4 * a * x[i] * x[i] - 2 * b) * x[i] + c;
}

/* Add (d/2) x^2, g = d x. */
BOLTZ_VECTORISED static void add_harmonic(double d, size_t n, const double *restrict x,
                                          double *restrict U, double *restrict g) {
  for (size_t i = 0; i < n; i++) U[i] += 0.5 * d * x[i] * x[i];
  if (!g) return;
  for (size_t i = 0; i < n; i++) g[i] = d * x[i];
}

static void energy(const void *settings, const struct boltz_batch *x, double *U,
                   struct boltz_batch *gU, struct boltz_arena *scratch) {
  const struct double_well *s = settings;
  (void)scratch;
  quartic(s, x->n, x->col[0], U, gU ? gU->col[0] : NULL);
  for (int j = 1; j < x->dim; j++) add_harmonic(s->d, x->n, x->col[j], U, gU ? gU->col[j] : NULL);
}

#define OFFSET(member) offsetof(struct double_well, member)
static const struct boltz_field fields[] = {
    {.name = "a",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(a),
     .def = 1,
     .low = 0,
     .high = 1e6,
     .low_open = true,
     .doc = "factor of x1^4"},
    {.name = "b",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(b),
     .def = 6,
     .low = -1e6,
     .high = 1e6,
     .doc = "factor of -x1^2; two wells need b > 0"},
    {.name = "c",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(c),
     .def = 1,
     .low = -1e6,
     .high = 1e6,
     .doc = "factor of x1: the tilt, the left well is lower when c > 0"},
    {.name = "d",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(d),
     .def = 1,
     .low = 0,
     .high = 1e6,
     .low_open = true,
     .doc = "spring constant of every other coordinate"},
    {.name = "dim",
     .type = BOLTZ_FIELD_INT,
     .offset = OFFSET(dim),
     .def = 2,
     .low = 1,
     .high = BOLTZ_DIM_MAX,
     .doc = "number of coordinates; 1: x1 only"},
    BOLTZ_FIELDS_END,
};

const struct boltz_energy_kind boltz_energy_double_well = {
    .name = "double_well",
    .doc =
        "a x1^4 - b x1^2 + c x1 + d/2 (x2^2 + x3^2 + ...): a quartic double well in x1, "
        "harmonic in every other coordinate",
    .source = "Noe et al., Science 365, eaaw1147 (2019); Binagia, Friedowitz, Hou (2019)",
    .fields = fields,
    .settings_size = sizeof(struct double_well),
    .dim = dim,
    .energy = energy,
};
