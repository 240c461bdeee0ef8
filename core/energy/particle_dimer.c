/* particle_dimer.c - a bistable dimer in a bath of repulsive particles, in the plane.
 *
 *   U(x) = sum over pairs but (1, 2) of epsilon (rm/r)^12
 *        + slope d0 - 25 d0^2 + 10 d0^4, d0 = 2 (d - 1.5), d the distance of particles 1 and 2
 *        + 20 (x1 + x2)^2 + 20 (y1^2 + y2^2)
 *        + 200 sum over all coordinates c of max(|c| - 3, 0)^2
 *
 * Coordinates are x1, y1, x2, y2, ...; the dimer points either way along x.
 * Source: Noe, Olsson, Koehler, Wu, Science 365, eaaw1147 (2019), supplement.
 * Golden: n_solvent = 0, slope = 2, T = 1: log Z = 13.058185476, and the open dimer (d >= 1.5) lies
 * 4.441204762 above the closed one. */
#include <math.h>

#include "core/base/vmath.h"
#include "core/energy/pairs.h"

struct particle_dimer {
  int64_t n_solvent;
  double slope, epsilon, rm;
};

static struct boltz_particles particles_of(const struct particle_dimer *s) {
  return (struct boltz_particles){.n = (int)s->n_solvent + 2, .space = 2, .excluded = 2};
}

static int dim(const void *settings) {
  return 2 * particles_of(settings).n;
}

static enum boltz_status complete(void *settings, struct boltz_arena *arena) {
  const struct particle_dimer *s = settings;
  const int64_t side = llround(sqrt((double)s->n_solvent));
  (void)arena;
  if (side * side != s->n_solvent)
    return boltz_fail_at(
        BOLTZ_OUT_OF_RANGE, "/n_solvent",
        "n_solvent = %lld is not a square: 0, 1, 4, 9, 16, 25, 36, ... are allowed",
        (long long)s->n_solvent);
  return BOLTZ_OK;
}

/* U = epsilon (rm/r)^12, f = -12 U/r^2 */
BOLTZ_VECTORISED static void repulsion(const struct particle_dimer *s, size_t n,
                                       const double *restrict r2, double *restrict U,
                                       double *restrict f) {
  const double epsilon = s->epsilon, rm2 = s->rm * s->rm;
  const double touching2 = BOLTZ_PAIR_TOUCHES * BOLTZ_PAIR_TOUCHES * rm2;
  for (size_t i = 0; i < n; i++) {
    const double inverse = 1 / r2[i], s2 = rm2 * inverse, s6 = s2 * s2 * s2;
    const double energy = epsilon * s6 * s6;
    const double force = -12 * energy * inverse;
    U[i] = r2[i] < touching2 ? INFINITY : energy;
    f[i] = r2[i] < touching2 ? 0 : force;
  }
}

static void repulsion_eval(const void *of, size_t n, const double *r2, double *U, double *f) {
  repulsion(of, n, r2, U, f);
}

/* U = slope d0 - 25 d0^2 + 10 d0^4, f = 2 (slope - 50 d0 + 40 d0^3)/d; no force at d = 0, where U
 * has a cusp. */
BOLTZ_VECTORISED static void bond(double slope, size_t n, const double *restrict r2,
                                  double *restrict U, double *restrict f) {
  for (size_t i = 0; i < n; i++) {
    const double d = sqrt(r2[i]), d0 = 2 * (d - 1.5);
    const double force = 2 * (slope + (40 * d0 * d0 - 50) * d0) / d;
    U[i] = (slope + (10 * d0 * d0 - 25) * d0) * d0;
    f[i] = d > 0 ? force : 0;
  }
}

static void bond_eval(const void *of, size_t n, const double *r2, double *U, double *f) {
  bond(((const struct particle_dimer *)of)->slope, n, r2, U, f);
}

/* Add 20 c^2. */
BOLTZ_VECTORISED static void add_hold(size_t n, const double *restrict c, double *restrict U,
                                      double *restrict g) {
  for (size_t i = 0; i < n; i++) U[i] += 20 * c[i] * c[i];
  if (!g) return;
  for (size_t i = 0; i < n; i++) g[i] += 40 * c[i];
}

/* Add 20 (a + b)^2. */
BOLTZ_VECTORISED static void add_hold_sum(size_t n, const double *restrict a,
                                          const double *restrict b, double *restrict U,
                                          double *restrict ga, double *restrict gb) {
  for (size_t i = 0; i < n; i++) U[i] += 20 * (a[i] + b[i]) * (a[i] + b[i]);
  if (!ga) return;
  for (size_t i = 0; i < n; i++) ga[i] += 40 * (a[i] + b[i]);
  for (size_t i = 0; i < n; i++) gb[i] += 40 * (a[i] + b[i]);
}

/* Add 200 max(|c| - 3, 0)^2. */
BOLTZ_VECTORISED static void add_wall(size_t n, const double *restrict c, double *restrict U,
                                      double *restrict g) {
  for (size_t i = 0; i < n; i++) {
    const double out = fabs(c[i]) - 3, beyond = out > 0 ? out : 0;
    U[i] += 200 * beyond * beyond;
  }
  if (!g) return;
  for (size_t i = 0; i < n; i++) {
    const double out = fabs(c[i]) - 3, beyond = out > 0 ? out : 0;
    g[i] += 400 * copysign(beyond, c[i]);
  }
}

static void energy(const void *settings, const struct boltz_batch *x, double *U,
                   struct boltz_batch *gU, struct boltz_arena *scratch) {
  const struct boltz_particles particles = particles_of(settings);
  const struct boltz_radial repelling = {repulsion_eval, settings}, bonding = {bond_eval, settings};
  double **c = x->col, **g = gU ? gU->col : NULL;
  (void)scratch;
  boltz_pairs_clear(x->n, U, gU);
  boltz_pairs_add(&particles, &repelling, x, U, gU);
  boltz_pair_add(&particles, &bonding, 0, 1, x, U, gU);
  add_hold_sum(x->n, c[0], c[2], U, g ? g[0] : NULL, g ? g[2] : NULL);
  add_hold(x->n, c[1], U, g ? g[1] : NULL);
  add_hold(x->n, c[3], U, g ? g[3] : NULL);
  for (int j = 0; j < x->dim; j++) add_wall(x->n, c[j], U, g ? g[j] : NULL);
}

static int site_width(const void *settings) {
  (void)settings;
  return 2;
}

static void add_site(const void *settings, const struct boltz_batch *x, int site,
                     const struct boltz_batch *at, double *U) {
  const struct boltz_particles particles = particles_of(settings);
  const struct boltz_radial repelling = {repulsion_eval, settings}, bonding = {bond_eval, settings};
  boltz_pairs_add_site(&particles, &repelling, x, site, at, U);
  if (site < 2) {
    const int other = 1 - site;
    boltz_pair_add_site(&particles, &bonding, x, other, at, U);
    add_hold_sum(x->n, at->col[0], x->col[2 * other], U, NULL, NULL);
    add_hold(x->n, at->col[1], U, NULL);
  }
  for (int k = 0; k < 2; k++) add_wall(x->n, at->col[k], U, NULL);
}

static void difference(const void *settings, double temperature, const struct boltz_batch *x,
                       int site, const struct boltz_batch *moved, double *du,
                       struct boltz_arena *scratch) {
  const struct boltz_site_energy site_energy = {add_site, settings};
  boltz_site_difference(&site_energy, temperature, x, site, moved, du, scratch);
}

static void length(const void *settings, double temperature, uint64_t seed, uint64_t first,
                   const struct boltz_batch *x, struct boltz_batch *value,
                   struct boltz_arena *scratch) {
  const struct boltz_particles particles = particles_of(settings);
  (void)temperature, (void)seed, (void)first, (void)scratch;
  boltz_pair_distance(&particles, 0, 1, x, value->col[0]);
}

static void gyration(const void *settings, double temperature, uint64_t seed, uint64_t first,
                     const struct boltz_batch *x, struct boltz_batch *value,
                     struct boltz_arena *scratch) {
  const struct boltz_particles particles = particles_of(settings);
  (void)temperature, (void)seed, (void)first, (void)scratch;
  boltz_pairs_gyration(&particles, x, value->col[0]);
}

static const struct boltz_variable variables[] = {
    {.name = "d", .doc = "length of the dimer; closed below 1.5, open above", .eval = length},
    {.name = "rg",
     .doc = "radius of gyration of all particles, the solvent's included",
     .eval = gyration},
    {0},
};

#define OFFSET(member) offsetof(struct particle_dimer, member)
static const struct boltz_field fields[] = {
    {.name = "n_solvent",
     .type = BOLTZ_FIELD_INT,
     .offset = OFFSET(n_solvent),
     .def = 36,
     .low = 0,
     .high = 2025,
     .doc = "number of solvent particles, a square; 0: the dimer in vacuum"},
    {.name = "slope",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(slope),
     .def = -0.5,
     .low = -1e6,
     .high = 1e6,
     .doc = "tilt of the dimer's double well; the closed dimer is lower when slope > 0"},
    {.name = "epsilon",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(epsilon),
     .def = 1,
     .low = 0,
     .high = 1e6,
     .low_open = true,
     .doc = "energy of a repulsive pair at the distance rm"},
    {.name = "rm",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(rm),
     .def = 1.1,
     .low = 1e-3,
     .high = 1e3,
     .doc = "distance at which a repulsive pair has the energy epsilon"},
    BOLTZ_FIELDS_END,
};

const struct boltz_energy_kind boltz_energy_particle_dimer = {
    .name = "particle_dimer",
    .doc =
        "slope d0 - 25 d0^2 + 10 d0^4 of the dimer's length d, d0 = 2 (d - 1.5), epsilon (rm/r)^12 "
        "for every other pair, 20 (x1 + x2)^2 + 20 (y1^2 + y2^2), and 200 max(|c| - 3, 0)^2 for "
        "every coordinate c: a bistable dimer, particles 1 and 2, in a bath in the plane; "
        "coordinates are x1, y1, x2, y2, ...",
    .source = "Noe, Olsson, Koehler, Wu, Science 365, eaaw1147 (2019)",
    .fields = fields,
    .settings_size = sizeof(struct particle_dimer),
    .example = "{\"n_solvent\": 1}",
    .dim = dim,
    .complete = complete,
    .energy = energy,
    .variables = variables,
    .site_width = site_width,
    .difference = difference,
};
