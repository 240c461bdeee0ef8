/* ising.c - the Ising model as an exact density of real fields.
 *
 *   U(s) = -J sum over bonds of s_i s_j - h sum of s_i, s_i = +-1 on an N x N periodic lattice
 *   u(phi; T) = phi^T K^-1 phi / 2 - sum of ln 2cosh(phi_i + h/T) + ln det(2 pi K) / 2
 *             + N^2 J alpha / (2 T), K = (J/T)(A + alpha I), A_ij the bonds between i and j
 *
 * 2 N^2 bonds, so that with N = 2 a pair is joined by two. exp(-u) is the sum over all spins of
 * exp(-U/T) Normal(phi; K s, K): its log Z is the lattice's, and given phi the spins are
 * independent, P(s_i = +1) = 1 / (1 + exp(-2 (phi_i + h/T))).
 * Source: Hubbard, Phys. Rev. Lett. 3, 77 (1959); Zhang, Sutton, Storkey, Ghahramani, NIPS 25
 * (2012).
 * Golden: N = 8, J = 0.8, T = 1: log Z = 103.209050463, <|m|> = 0.996019988. */
#include "boltz/energy.h"
#include "boltz/rng.h"
#include "core/base/vmath.h"
#include "core/energy/gaussian_field.h"
#include "core/energy/refuse.h"
#include "core/energy/torus.h"

struct ising {
  int64_t N;
  double J, h, alpha;
  struct boltz_gaussian_field field;
};

static const struct boltz_component fields_of_sites = {.first = 0, .width = 1};

static int sites(const void *settings) {
  const struct ising *s = settings;
  return (int)(s->N * s->N);
}

static enum boltz_status complete(void *settings, struct boltz_arena *arena) {
  struct ising *s = settings;
  return boltz_gaussian_field_new((int)s->N, 2, s->alpha, arena, &s->field);
}

/* u -= ln 2cosh(phi + b), g -= tanh(phi + b); ln 2cosh z = |z| + ln(1 + exp(-2|z|)). */
BOLTZ_VECTORISED static void subtract_log_cosh(double b, size_t n, const double *restrict phi,
                                               double *restrict u, double *restrict g) {
  for (size_t i = 0; i < n; i++) {
    const double size = fabs(phi[i] + b);
    u[i] -= size + boltz_log(1 + boltz_exp(-2 * size));
  }
  if (!g) return;
  for (size_t i = 0; i < n; i++) g[i] -= boltz_tanh_double(phi[i] + b);
}

/* du = ln 2cosh(x + b) - ln 2cosh(y + b) */
BOLTZ_VECTORISED static void log_cosh_difference(double b, size_t n, const double *restrict x,
                                                 const double *restrict y, double *restrict du) {
  for (size_t i = 0; i < n; i++) {
    const double before = fabs(x[i] + b), after = fabs(y[i] + b);
    const double ratio = (1 + boltz_exp(-2 * before)) / (1 + boltz_exp(-2 * after));
    du[i] = before - after + boltz_log(ratio);
  }
}

static void reduced(const void *settings, double temperature, const struct boltz_batch *x,
                    double *u, struct boltz_batch *gu, struct boltz_arena *scratch) {
  const struct ising *s = settings;
  const double K = s->J / temperature, b = s->h / temperature;
  const double constant = 0.5 * boltz_gaussian_field_log_det(&s->field, s->J, temperature) +
                          0.5 * sites(s) * K * s->alpha;
  for (size_t i = 0; i < x->n; i++) u[i] = constant;
  if (!boltz_gaussian_field_energy(&s->field, 1 / K, fields_of_sites, x, u, gu, scratch)) {
    boltz_energy_refuse(x->n, u, gu);
    return;
  }
  for (int j = 0; j < x->dim; j++) subtract_log_cosh(b, x->n, x->col[j], u, gu ? gu->col[j] : NULL);
}

static int one(const void *settings) {
  (void)settings;
  return 1;
}

static void difference(const void *settings, double temperature, const struct boltz_batch *x,
                       int site, const struct boltz_batch *moved, double *du,
                       struct boltz_arena *scratch) {
  const struct ising *s = settings;
  const double K = s->J / temperature, b = s->h / temperature;
  (void)scratch;
  log_cosh_difference(b, x->n, x->col[site], moved->col[0], du);
  boltz_gaussian_field_difference(&s->field, 1 / K, fields_of_sites, x, site, moved->col[0], du);
}

/* Uniforms become spins. */
BOLTZ_VECTORISED static void draw(double b, size_t n, const double *restrict phi,
                                  double *restrict spin) {
  for (size_t i = 0; i < n; i++)
    spin[i] = spin[i] * (1 + boltz_exp(-2 * (phi[i] + b))) < 1 ? 1 : -1;
}

static void eval_spins(const void *settings, double temperature, uint64_t seed, uint64_t first,
                       const struct boltz_batch *x, struct boltz_batch *value,
                       struct boltz_arena *scratch) {
  const struct ising *s = settings;
  (void)scratch;
  boltz_rng_uniforms(seed, BOLTZ_STREAM_HIDDEN, first, value);
  for (int j = 0; j < x->dim; j++) draw(s->h / temperature, x->n, x->col[j], value->col[j]);
}

static void eval_m(const void *settings, double temperature, uint64_t seed, uint64_t first,
                   const struct boltz_batch *x, struct boltz_batch *value,
                   struct boltz_arena *scratch) {
  double *m = value->col[0];
  struct boltz_batch spins;
  boltz_energy_refuse(x->n, m, NULL);
  if (boltz_batch_new(scratch, x->n, x->dim, &spins) != BOLTZ_OK) return;
  eval_spins(settings, temperature, seed, first, x, &spins, scratch);
  for (size_t i = 0; i < x->n; i++) m[i] = 0;
  for (int j = 0; j < x->dim; j++)
    for (size_t i = 0; i < x->n; i++) m[i] += spins.col[j][i];
  for (size_t i = 0; i < x->n; i++) m[i] /= x->dim;
}

static void eval_abs_m(const void *settings, double temperature, uint64_t seed, uint64_t first,
                       const struct boltz_batch *x, struct boltz_batch *value,
                       struct boltz_arena *scratch) {
  eval_m(settings, temperature, seed, first, x, value, scratch);
  for (size_t i = 0; i < x->n; i++) value->col[0][i] = fabs(value->col[0][i]);
}

/* U -= s (J (right + down) + h) */
static void subtract_bonds(const struct ising *s, const struct boltz_batch *spins, int site,
                           double *U) {
  const int N = (int)s->N;
  const double *here = spins->col[site];
  const double *right = spins->col[boltz_torus_next(N, 1, site)];
  const double *down = spins->col[boltz_torus_next(N, N, site)];
  for (size_t i = 0; i < spins->n; i++) U[i] -= here[i] * (s->J * (right[i] + down[i]) + s->h);
}

static void eval_u_per_site(const void *settings, double temperature, uint64_t seed, uint64_t first,
                            const struct boltz_batch *x, struct boltz_batch *value,
                            struct boltz_arena *scratch) {
  double *U = value->col[0];
  struct boltz_batch spins;
  boltz_energy_refuse(x->n, U, NULL);
  if (boltz_batch_new(scratch, x->n, x->dim, &spins) != BOLTZ_OK) return;
  eval_spins(settings, temperature, seed, first, x, &spins, scratch);
  for (size_t i = 0; i < x->n; i++) U[i] = 0;
  for (int site = 0; site < x->dim; site++) subtract_bonds(settings, &spins, site, U);
  for (size_t i = 0; i < x->n; i++) U[i] /= x->dim;
}

static const struct boltz_variable variables[] = {
    {"spins", "N^2 spins, +1 or -1, drawn given the fields", sites, eval_spins},
    {"m", "magnetization: mean of the drawn spins", NULL, eval_m},
    {"abs_m", "|m|", NULL, eval_abs_m},
    {"u_per_site", "U/N^2 of the drawn spins, unreduced", NULL, eval_u_per_site},
    {0},
};

#define OFFSET(member) offsetof(struct ising, member)
static const struct boltz_field fields[] = {
    {.name = "N",
     .type = BOLTZ_FIELD_INT,
     .offset = OFFSET(N),
     .def = 8,
     .low = 2,
     .high = 64,
     .doc = "sites along a side of the square lattice"},
    {.name = "J",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(J),
     .def = 0.4,
     .low = 0,
     .high = 1e6,
     .low_open = true,
     .doc = "coupling: a bond of equal spins has the energy -J"},
    {.name = "h",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(h),
     .def = 0,
     .low = -1e6,
     .high = 1e6,
     .doc = "magnetic field: a spin has the energy -h s"},
    {.name = "alpha",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(alpha),
     .def = 4.5,
     .low = 4,
     .high = 1e6,
     .low_open = true,
     .doc = "what is added to the diagonal of the bonds' matrix, to make it positive definite; the "
            "spins do not depend on it"},
    BOLTZ_FIELDS_END,
};

const struct boltz_energy_kind boltz_energy_ising = {
    .name = "ising",
    .doc =
        "u = phi^T K^-1 phi / 2 - sum of ln 2cosh(phi_i + h/T) + ln det(2 pi K) / 2 + N^2 J "
        "alpha / (2 T), K = (J/T)(A + alpha I): the Ising model U = -J sum over bonds of s_i "
        "s_j - h sum of s_i on an N x N periodic lattice, A_ij the bonds between i and j, as "
        "a density of N^2 real fields with the same log Z",
    .source =
        "Hubbard, Phys. Rev. Lett. 3, 77 (1959); Zhang, Sutton, Storkey, Ghahramani, NIPS 25 "
        "(2012)",
    .fields = fields,
    .settings_size = sizeof(struct ising),
    .example = "{\"N\": 4, \"h\": 0.3}",
    .dim = sites,
    .complete = complete,
    .reduced = reduced,
    .variables = variables,
    .site_width = one,
    .difference = difference,
};
