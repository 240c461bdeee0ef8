/* nematic.c - directors along x, y or z on a cubic lattice as an exact density of real fields.
 *
 *   U(s) = -J sum over bonds of [s_i = s_j] - h (sites along z), N x N x N sites, periodic
 *   u(phi; T) = sum over a of phi_a^T K^-1 phi_a / 2
 *             - sum over i of ln sum over a of exp(phi_ia + (h/T) [a = z])
 *             + (3/2) ln det(2 pi K) + N^3 J alpha / (2 T), K = (J/T)(A + alpha I)
 *
 * The 3-state Potts model: 3 N^3 bonds, A_ij of them between i and j, two with N = 2. Coordinates
 * are site by site phi_x, phi_y, phi_z. exp(-u) is the sum over all directors of exp(-U/T) times
 * the densities Normal(phi_a; K [s = a], K): its log Z is the lattice's, and given phi the
 * directors are independent, P(s_i = a) = softmax over a of phi_ia + (h/T) [a = z].
 * Source: Wu, Rev. Mod. Phys. 54, 235 (1982); Hubbard, Phys. Rev. Lett. 3, 77 (1959).
 * Golden: N = 2, J = 0.75, T = 1: log Z = 19.391203162, <U> = -16.502188962. */
#include "boltz/energy.h"
#include "boltz/rng.h"
#include "core/base/vmath.h"
#include "core/energy/gaussian_field.h"
#include "core/energy/refuse.h"
#include "core/energy/torus.h"

enum { X, Y, Z, WAYS };

struct nematic {
  int64_t N;
  double J, h, alpha;
  struct boltz_gaussian_field field;
};

static int sites(const void *settings) {
  const struct nematic *s = settings;
  return (int)(s->N * s->N * s->N);
}

static int dim(const void *settings) {
  return WAYS * sites(settings);
}

static int ways(const void *settings) {
  (void)settings;
  return WAYS;
}

static struct boltz_component component(int way) {
  return (struct boltz_component){.first = way, .width = WAYS};
}

static enum boltz_status complete(void *settings, struct boltz_arena *arena) {
  struct nematic *s = settings;
  return boltz_gaussian_field_new((int)s->N, 3, s->alpha, arena, &s->field);
}

/* exp of each of three less the greatest, which is returned. */
BOLTZ_INLINE double exp_of_three(double x, double y, double z, double e[WAYS]) {
  const double greater = x > y ? x : y, greatest = greater > z ? greater : z;
  e[X] = boltz_exp(x - greatest);
  e[Y] = boltz_exp(y - greatest);
  e[Z] = boltz_exp(z - greatest);
  return greatest;
}

/* u += weight ln(exp(x) + exp(y) + exp(z + b)) */
BOLTZ_VECTORISED static void add_log_sum(double weight, double b, size_t n,
                                         double *const columns[WAYS], double *restrict u) {
  const double *restrict x = columns[X], *restrict y = columns[Y], *restrict z = columns[Z];
  for (size_t i = 0; i < n; i++) {
    double e[WAYS];
    const double greatest = exp_of_three(x[i], y[i], z[i] + b, e);
    u[i] += weight * (greatest + boltz_log(e[X] + e[Y] + e[Z]));
  }
}

/* g -= exp(phi + b - log_sum): one way's part of the softmax */
BOLTZ_VECTORISED static void subtract_share(double b, size_t n, const double *restrict phi,
                                            const double *restrict log_sum, double *restrict g) {
  for (size_t i = 0; i < n; i++) g[i] -= boltz_exp(phi[i] + b - log_sum[i]);
}

static void subtract_softmax(double b, size_t n, double *const columns[WAYS], double *log_sum,
                             double *const gradients[WAYS]) {
  for (size_t i = 0; i < n; i++) log_sum[i] = 0;
  add_log_sum(1, b, n, columns, log_sum);
  for (int way = 0; way < WAYS; way++)
    subtract_share(way == Z ? b : 0, n, columns[way], log_sum, gradients[way]);
}

static void reduced(const void *settings, double temperature, const struct boltz_batch *x,
                    double *u, struct boltz_batch *gu, struct boltz_arena *scratch) {
  const struct nematic *s = settings;
  const double K = s->J / temperature, b = s->h / temperature;
  const double constant = 1.5 * boltz_gaussian_field_log_det(&s->field, s->J, temperature) +
                          0.5 * sites(s) * K * s->alpha;
  double *log_sum = boltz_arena_scratch(scratch, x->n, sizeof(double));
  bool held = log_sum;
  for (size_t i = 0; i < x->n; i++) u[i] = constant;
  for (int way = 0; way < WAYS && held; way++)
    held = boltz_gaussian_field_energy(&s->field, 1 / K, component(way), x, u, gu, scratch);
  if (!held) {
    boltz_energy_refuse(x->n, u, gu);
    return;
  }
  for (int j = 0; j < x->dim; j += WAYS) {
    add_log_sum(-1, b, x->n, x->col + j, u);
    if (gu) subtract_softmax(b, x->n, x->col + j, log_sum, gu->col + j);
  }
}

static void difference(const void *settings, double temperature, const struct boltz_batch *x,
                       int site, const struct boltz_batch *moved, double *du,
                       struct boltz_arena *scratch) {
  const struct nematic *s = settings;
  const double K = s->J / temperature, b = s->h / temperature;
  (void)scratch;
  for (size_t i = 0; i < x->n; i++) du[i] = 0;
  add_log_sum(1, b, x->n, x->col + WAYS * site, du);
  add_log_sum(-1, b, x->n, moved->col, du);
  for (int way = 0; way < WAYS; way++)
    boltz_gaussian_field_difference(&s->field, 1 / K, component(way), x, site, moved->col[way], du);
}

/* Uniforms become directors: 1, 2, 3 for x, y, z. */
BOLTZ_VECTORISED static void draw(double b, size_t n, double *const columns[WAYS],
                                  double *restrict director) {
  const double *restrict x = columns[X], *restrict y = columns[Y], *restrict z = columns[Z];
  for (size_t i = 0; i < n; i++) {
    double e[WAYS];
    exp_of_three(x[i], y[i], z[i] + b, e);
    const double at = director[i] * (e[X] + e[Y] + e[Z]);
    director[i] = at < e[X] ? 1 : at < e[X] + e[Y] ? 2 : 3;
  }
}

static void eval_spins(const void *settings, double temperature, uint64_t seed, uint64_t first,
                       const struct boltz_batch *x, struct boltz_batch *value,
                       struct boltz_arena *scratch) {
  const struct nematic *s = settings;
  (void)scratch;
  boltz_rng_uniforms(seed, BOLTZ_STREAM_HIDDEN, first, value);
  for (int site = 0; site < value->dim; site++)
    draw(s->h / temperature, x->n, x->col + WAYS * site, value->col[site]);
}

/* Sites along one way. */
static void count_along(const struct boltz_batch *spins, int way, double *count) {
  for (size_t i = 0; i < spins->n; i++) count[i] = 0;
  for (int site = 0; site < spins->dim; site++)
    for (size_t i = 0; i < spins->n; i++) count[i] += spins->col[site][i] == way + 1 ? 1 : 0;
}

/* Q's eigenvalues are (3/2)(f_a - 1/3) where f_a is the fraction of sites along a. */
static void eval_s(const void *settings, double temperature, uint64_t seed, uint64_t first,
                   const struct boltz_batch *x, struct boltz_batch *value,
                   struct boltz_arena *scratch) {
  double *order = value->col[0];
  struct boltz_batch spins;
  boltz_energy_refuse(x->n, order, NULL);
  double *count = boltz_arena_scratch(scratch, x->n, sizeof(double));
  if (!count || boltz_batch_new(scratch, x->n, sites(settings), &spins) != BOLTZ_OK) return;
  eval_spins(settings, temperature, seed, first, x, &spins, scratch);
  for (size_t i = 0; i < x->n; i++) order[i] = 0;
  for (int way = 0; way < WAYS; way++) {
    count_along(&spins, way, count);
    for (size_t i = 0; i < x->n; i++) order[i] = fmax(order[i], 1.5 * (count[i] / spins.dim) - 0.5);
  }
}

/* U -= J [s_i = s_j] */
static void subtract_bond(double J, size_t n, const double *restrict here,
                          const double *restrict next, double *restrict U) {
  for (size_t i = 0; i < n; i++) U[i] -= here[i] == next[i] ? J : 0;
}

static void eval_u_per_site(const void *settings, double temperature, uint64_t seed, uint64_t first,
                            const struct boltz_batch *x, struct boltz_batch *value,
                            struct boltz_arena *scratch) {
  const struct nematic *s = settings;
  const int N = (int)s->N, strides[] = {1, N, N * N};
  double *U = value->col[0];
  struct boltz_batch spins;
  boltz_energy_refuse(x->n, U, NULL);
  if (boltz_batch_new(scratch, x->n, sites(s), &spins) != BOLTZ_OK) return;
  eval_spins(settings, temperature, seed, first, x, &spins, scratch);
  count_along(&spins, Z, U);
  for (size_t i = 0; i < x->n; i++) U[i] *= -s->h;
  for (int site = 0; site < spins.dim; site++)
    for (int axis = 0; axis < 3; axis++)
      subtract_bond(s->J, x->n, spins.col[site],
                    spins.col[boltz_torus_next(N, strides[axis], site)], U);
  for (size_t i = 0; i < x->n; i++) U[i] /= spins.dim;
}

static const struct boltz_variable variables[] = {
    {"spins", "N^3 directors drawn given the fields: 1, 2, 3 for x, y, z", sites, eval_spins},
    {"s",
     "nematic order of the drawn directors, the largest eigenvalue of Q = mean of (3 d d^T - 1)/2: "
     "(3 f - 1)/2, f the greatest fraction of sites along one axis; 0 without order, 1 with all",
     NULL, eval_s},
    {"u_per_site", "U/N^3 of the drawn directors, unreduced", NULL, eval_u_per_site},
    {0},
};

#define OFFSET(member) offsetof(struct nematic, member)
static const struct boltz_field fields[] = {
    {.name = "N",
     .type = BOLTZ_FIELD_INT,
     .offset = OFFSET(N),
     .def = 2,
     .low = 2,
     .high = 11,
     .doc = "sites along a side of the cubic lattice"},
    {.name = "J",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(J),
     .def = 0.75,
     .low = 0,
     .high = 1e6,
     .low_open = true,
     .doc = "coupling: a bond of equal directors has the energy -J"},
    {.name = "h",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(h),
     .def = 0,
     .low = -1e6,
     .high = 1e6,
     .doc = "field along z: a site along z has the energy -h"},
    {.name = "alpha",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(alpha),
     .def = 6.5,
     .low = 6,
     .high = 1e6,
     .low_open = true,
     .doc = "what is added to the diagonal of the bonds' matrix, to make it positive definite; the "
            "directors do not depend on it"},
    BOLTZ_FIELDS_END,
};

const struct boltz_energy_kind boltz_energy_nematic = {
    .name = "nematic",
    .doc =
        "u = sum over a of phi_a^T K^-1 phi_a / 2 - sum of ln sum over a of exp(phi_ia + (h/T) "
        "[a = z]) + (3/2) ln det(2 pi K) + N^3 J alpha / (2 T), K = (J/T)(A + alpha I): "
        "directors along x, y or z, U = -J sum over bonds of [s_i = s_j] - h (sites along z) "
        "on an N x N x N periodic lattice, A_ij the bonds between i and j, as a density of 3 "
        "N^3 real fields, x, y, z site by site, with the same log Z",
    .source =
        "Wu, Rev. Mod. Phys. 54, 235 (1982), the 3-state Potts model; Hubbard, Phys. Rev. "
        "Lett. 3, 77 (1959)",
    .fields = fields,
    .settings_size = sizeof(struct nematic),
    .example = "{\"N\": 3, \"h\": 0.3}",
    .dim = dim,
    .complete = complete,
    .reduced = reduced,
    .variables = variables,
    .site_width = ways,
    .difference = difference,
};
