/* phi4.c - a scalar field with a quartic potential on an L x L torus.
 *
 *   S(phi) = sum over sites of [m2 phi^2 + lambda phi^4 + phi (4 phi - right - left - up - down)]
 *          = sum over sites of [m2 phi^2 + lambda phi^4 + (right - phi)^2 + (down - phi)^2]
 *
 * and u = S/T; there is no factor 1/2, and with L = 2 right and left are one site that counts
 * twice. The second form is what is computed: its kinetic part cannot cancel.
 * Source: Albergo, Kanwar, Shanahan, Phys. Rev. D 100, 034515 (2019).
 * Golden: L = 2, m2 = -4, T = 1: log Z = 1.173184711 with lambda = 6.975. */
#include "boltz/energy.h"
#include "core/base/vmath.h"
#include "core/energy/torus.h"

struct phi4 {
  int64_t L;
  double m2, lambda;
};

static int dim(const void *settings) {
  const struct phi4 *s = settings;
  return (int)(s->L * s->L);
}

static enum boltz_status complete(void *settings, struct boltz_arena *arena) {
  const struct phi4 *s = settings;
  (void)arena;
  if (s->lambda > 0 || s->m2 > 0) return BOLTZ_OK;
  return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/m2", "m2 = %g is not > 0, as a free field needs",
                       s->m2);
}

/* S += (m2 + lambda phi^2) phi^2, g = (2 m2 + 4 lambda phi^2) phi */
BOLTZ_VECTORISED static void add_potential(double m2, double lambda, size_t n,
                                           const double *restrict phi, double *restrict S,
                                           double *restrict g) {
  for (size_t i = 0; i < n; i++) S[i] += (m2 + lambda * phi[i] * phi[i]) * phi[i] * phi[i];
  if (!g) return;
  for (size_t i = 0; i < n; i++) g[i] = (2 * m2 + 4 * lambda * phi[i] * phi[i]) * phi[i];
}

/* S += (next - phi)^2 */
BOLTZ_VECTORISED static void add_bond(size_t n, const double *restrict phi,
                                      const double *restrict next, double *restrict S) {
  for (size_t i = 0; i < n; i++) S[i] += (next[i] - phi[i]) * (next[i] - phi[i]);
}

/* g += 2 (phi - other) */
BOLTZ_VECTORISED static void add_pull(size_t n, const double *restrict phi,
                                      const double *restrict other, double *restrict g) {
  for (size_t i = 0; i < n; i++) g[i] += 2 * (phi[i] - other[i]);
}

static void neighbours_of(const struct phi4 *s, int site, int neighbours[4]) {
  const int L = (int)s->L;
  neighbours[0] = boltz_torus_next(L, 1, site);
  neighbours[1] = boltz_torus_next(L, L, site);
  neighbours[2] = boltz_torus_previous(L, 1, site);
  neighbours[3] = boltz_torus_previous(L, L, site);
}

static void energy(const void *settings, const struct boltz_batch *x, double *S,
                   struct boltz_batch *gS, struct boltz_arena *scratch) {
  const struct phi4 *s = settings;
  (void)scratch;
  for (size_t i = 0; i < x->n; i++) S[i] = 0;
  for (int site = 0; site < x->dim; site++) {
    const double *phi = x->col[site];
    double *g = gS ? gS->col[site] : NULL;
    int neighbours[4];
    neighbours_of(s, site, neighbours);
    add_potential(s->m2, s->lambda, x->n, phi, S, g);
    for (int k = 0; k < 2; k++) add_bond(x->n, phi, x->col[neighbours[k]], S);
    for (int k = 0; g && k < 4; k++) add_pull(x->n, phi, x->col[neighbours[k]], g);
  }
}

static int one(const void *settings) {
  (void)settings;
  return 1;
}

/* The bonds' (next - y)^2 - (next - x)^2 are (y - x)(y + x - 2 next). */
static void difference(const void *settings, double temperature, const struct boltz_batch *x,
                       int site, const struct boltz_batch *moved, double *du,
                       struct boltz_arena *scratch) {
  const struct phi4 *s = settings;
  const double *here = x->col[site], *y = moved->col[0];
  int neighbours[4];
  (void)scratch;
  neighbours_of(s, site, neighbours);
  for (size_t i = 0; i < x->n; i++) du[i] = 0;
  add_potential(s->m2, s->lambda, x->n, here, du, NULL);
  for (size_t i = 0; i < x->n; i++) du[i] = -du[i];
  add_potential(s->m2, s->lambda, x->n, y, du, NULL);
  for (int k = 0; k < 4; k++) {
    const double *next = x->col[neighbours[k]];
    for (size_t i = 0; i < x->n; i++) du[i] += (y[i] - here[i]) * (y[i] + here[i] - 2 * next[i]);
  }
  for (size_t i = 0; i < x->n; i++) du[i] /= temperature;
}

static void eval_m(const void *settings, double temperature, uint64_t seed, uint64_t first,
                   const struct boltz_batch *x, struct boltz_batch *value,
                   struct boltz_arena *scratch) {
  double *m = value->col[0];
  (void)settings, (void)temperature, (void)seed, (void)first, (void)scratch;
  for (size_t i = 0; i < x->n; i++) m[i] = 0;
  for (int j = 0; j < x->dim; j++)
    for (size_t i = 0; i < x->n; i++) m[i] += x->col[j][i];
  for (size_t i = 0; i < x->n; i++) m[i] /= x->dim;
}

static void eval_abs_m(const void *settings, double temperature, uint64_t seed, uint64_t first,
                       const struct boltz_batch *x, struct boltz_batch *value,
                       struct boltz_arena *scratch) {
  eval_m(settings, temperature, seed, first, x, value, scratch);
  for (size_t i = 0; i < x->n; i++) value->col[0][i] = fabs(value->col[0][i]);
}

static void eval_u_per_site(const void *settings, double temperature, uint64_t seed, uint64_t first,
                            const struct boltz_batch *x, struct boltz_batch *value,
                            struct boltz_arena *scratch) {
  (void)temperature, (void)seed, (void)first;
  energy(settings, x, value->col[0], NULL, scratch);
  for (size_t i = 0; i < x->n; i++) value->col[0][i] /= x->dim;
}

static const struct boltz_variable variables[] = {
    {"m", "magnetization: mean of the field over the sites", NULL, eval_m},
    {"abs_m", "|m|", NULL, eval_abs_m},
    {"u_per_site", "S/L^2, unreduced", NULL, eval_u_per_site},
    {0},
};

#define OFFSET(member) offsetof(struct phi4, member)
static const struct boltz_field fields[] = {
    {.name = "L",
     .type = BOLTZ_FIELD_INT,
     .offset = OFFSET(L),
     .def = 6,
     .low = 2,
     .high = 64,
     .doc = "sites along a side of the square lattice"},
    {.name = "m2",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(m2),
     .def = -4,
     .low = -1e6,
     .high = 1e6,
     .doc = "factor of phi^2, the square of the mass; > 0 where lambda is 0"},
    {.name = "lambda",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(lambda),
     .def = 6.975,
     .low = 0,
     .high = 1e6,
     .doc = "factor of phi^4"},
    BOLTZ_FIELDS_END,
};

const struct boltz_energy_kind boltz_energy_phi4 = {
    .name = "phi4",
    .doc =
        "sum over sites of m2 phi^2 + lambda phi^4 + phi (4 phi - right - left - up - down): a "
        "scalar field with a quartic potential on an L x L torus",
    .source = "Albergo, Kanwar, Shanahan, Phys. Rev. D 100, 034515 (2019)",
    .fields = fields,
    .settings_size = sizeof(struct phi4),
    .dim = dim,
    .complete = complete,
    .energy = energy,
    .variables = variables,
    .site_width = one,
    .difference = difference,
};
