/* mueller_brown.c - three wells in the plane, joined by a bent valley.
 *
 *   U(x) = s sum_i A_i exp(e_i) + (x3^2 + x4^2 + ...)/2
 *   e_i = a_i (x1 - X_i)^2 + b_i (x1 - X_i)(x2 - Y_i) + c_i (x2 - Y_i)^2
 *
 * The fourth exponent grows without bound: above 50, exp(e) is taken as exp(50) (1 + e - 50).
 * Source: Mueller, Brown, Theor. Chim. Acta 53, 75 (1979).
 * Golden: s = 1: minimum -146.699517 at (-0.558224, 1.441726); s = 0.1, T = 1:
 * log Z = 11.729591. */
#include <string.h>

#include "boltz/energy.h"
#include "core/base/vmath.h"

#define STEEPEST 50

struct mueller_brown {
  double s;
  int64_t dim;
};

static const struct term {
  double A, a, b, c, X, Y;
} terms[] = {
    {-200, -1, 0, -10, 1, 0},
    {-100, -1, 0, -10, 0, 0.5},
    {-170, -6.5, 11, -6.5, -0.5, 1.5},
    {15, 0.7, 0.6, 0.7, -1, 1},
};

static int dim(const void *settings) {
  return (int)((const struct mueller_brown *)settings)->dim;
}

/* Add A exp(e) of one term, A in units of the energy. */
BOLTZ_VECTORISED static void add_value(const struct term *term, double A, size_t n,
                                       const double *restrict x, const double *restrict y,
                                       double *restrict U) {
  const double a = term->a, b = term->b, c = term->c, top = exp(STEEPEST);
  for (size_t i = 0; i < n; i++) {
    const double dx = x[i] - term->X, dy = y[i] - term->Y;
    const double e = a * dx * dx + b * dx * dy + c * dy * dy;
    U[i] += A * (e <= STEEPEST ? boltz_exp(e) : top * (1 + e - STEEPEST));
  }
}

/* Add its gradient A exp(e) de/dx; above 50 the slope of exp stays exp(50). */
BOLTZ_VECTORISED static void add_gradient(const struct term *term, double A, size_t n,
                                          const double *restrict x, const double *restrict y,
                                          double *restrict gx, double *restrict gy) {
  const double a = term->a, b = term->b, c = term->c, top = exp(STEEPEST);
  for (size_t i = 0; i < n; i++) {
    const double dx = x[i] - term->X, dy = y[i] - term->Y;
    const double e = a * dx * dx + b * dx * dy + c * dy * dy;
    const double slope = A * (e <= STEEPEST ? boltz_exp(e) : top);
    gx[i] += slope * (2 * a * dx + b * dy);
    gy[i] += slope * (b * dx + 2 * c * dy);
  }
}

/* Add x^2/2, g = x. */
BOLTZ_VECTORISED static void add_harmonic(size_t n, const double *restrict x, double *restrict U,
                                          double *restrict g) {
  for (size_t i = 0; i < n; i++) U[i] += 0.5 * x[i] * x[i];
  if (!g) return;
  for (size_t i = 0; i < n; i++) g[i] = x[i];
}

static void energy(const void *settings, const struct boltz_batch *x, double *U,
                   struct boltz_batch *gU, struct boltz_arena *scratch) {
  const struct mueller_brown *s = settings;
  const size_t n = x->n;
  (void)scratch;
  memset(U, 0, n * sizeof(double));
  for (int j = 0; gU && j < 2; j++) memset(gU->col[j], 0, n * sizeof(double));
  for (const struct term *term = terms; term < terms + sizeof(terms) / sizeof(terms[0]); term++) {
    const double A = s->s * term->A;
    add_value(term, A, n, x->col[0], x->col[1], U);
    if (gU) add_gradient(term, A, n, x->col[0], x->col[1], gU->col[0], gU->col[1]);
  }
  for (int j = 2; j < x->dim; j++) add_harmonic(n, x->col[j], U, gU ? gU->col[j] : NULL);
}

static void valley(const void *settings, double temperature, uint64_t seed, uint64_t first,
                   const struct boltz_batch *x, struct boltz_batch *value,
                   struct boltz_arena *scratch) {
  (void)settings, (void)temperature, (void)seed, (void)first, (void)scratch;
  for (size_t i = 0; i < x->n; i++) value->col[0][i] = 0.7 * x->col[0][i] - 0.7 * x->col[1][i];
}

static const struct boltz_variable variables[] = {
    {.name = "r",
     .doc = "0.7 x1 - 0.7 x2, along the valley: below -1 in the deepest well, above 0 in the other",
     .eval = valley},
    {0},
};

#define OFFSET(member) offsetof(struct mueller_brown, member)
static const struct boltz_field fields[] = {
    {.name = "s",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(s),
     .def = 0.1,
     .low = 0,
     .high = 1e6,
     .low_open = true,
     .doc = "factor of the energy of x1 and x2; 1 is the published surface"},
    {.name = "dim",
     .type = BOLTZ_FIELD_INT,
     .offset = OFFSET(dim),
     .def = 2,
     .low = 2,
     .high = BOLTZ_DIM_MAX,
     .doc = "number of coordinates; those after x2 are harmonic"},
    BOLTZ_FIELDS_END,
};

const struct boltz_energy_kind boltz_energy_mueller_brown = {
    .name = "mueller_brown",
    .doc =
        "s (sum of four Gaussian terms in x1, x2) + (x3^2 + x4^2 + ...)/2: three wells in the "
        "plane, joined by a bent valley",
    .source = "Mueller, Brown, Theor. Chim. Acta 53, 75 (1979)",
    .fields = fields,
    .settings_size = sizeof(struct mueller_brown),
    .dim = dim,
    .energy = energy,
    .variables = variables,
};
