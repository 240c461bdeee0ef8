/* polymer_chain.c - a chain of particles with springs for bonds in a periodic box.
 *
 *   U(x) = sum over bonds (i, i + 1) of (k/2) (r - r0)^2
 *        + sum over all pairs, bonded ones included, of 4 epsilon [(sigma/r)^12 - (sigma/r)^6]
 *
 * r is the distance of the nearest images everywhere; no cut-off.
 * Source: Binagia, Friedowitz, Hou, "Efficient Sampling of Equilibrium States using Boltzmann
 * Generators" (2019).
 * Golden: N = 2, T = 1, the defaults: log Z = 8.609704439, <r> = 1.673971175. */
#include <math.h>
#include <string.h>

#include "core/base/vmath.h"
#include "core/energy/lennard_jones.h"

enum { SPACE = 3 };

struct polymer_chain {
  int64_t N;
  double k, r0, L;
  struct boltz_lennard_jones lj;
};

static struct boltz_particles particles_of(const struct polymer_chain *s) {
  return (struct boltz_particles){.n = (int)s->N, .space = SPACE, .period = s->L};
}

static int dim(const void *settings) {
  return SPACE * (int)((const struct polymer_chain *)settings)->N;
}

static enum boltz_status complete(void *settings, struct boltz_arena *arena) {
  struct polymer_chain *s = settings;
  (void)arena;
  s->lj.cutoff = INFINITY;
  s->lj.shift = 0;
  return BOLTZ_OK;
}

static void domain(const void *settings, int j, struct boltz_domain *domain) {
  const struct polymer_chain *s = settings;
  (void)j;
  *domain = (struct boltz_domain){.type = BOLTZ_PERIODIC, .low = 0, .high = s->L};
}

/* U = (k/2) (r - r0)^2, f = k (r - r0)/r; no force at r = 0, where U has a cusp. */
BOLTZ_VECTORISED static void bond(const struct polymer_chain *s, size_t n,
                                  const double *restrict r2, double *restrict U,
                                  double *restrict f) {
  const double k = s->k, r0 = s->r0;
  for (size_t i = 0; i < n; i++) {
    const double r = sqrt(r2[i]), stretch = r - r0;
    const double force = k * stretch / r;
    U[i] = 0.5 * k * stretch * stretch;
    f[i] = r > 0 ? force : 0;
  }
}

static void bond_eval(const void *of, size_t n, const double *r2, double *U, double *f) {
  bond(of, n, r2, U, f);
}

static void energy(const void *settings, const struct boltz_batch *x, double *U,
                   struct boltz_batch *gU, struct boltz_arena *scratch) {
  const struct polymer_chain *s = settings;
  const struct boltz_particles particles = particles_of(s);
  const struct boltz_radial radial = boltz_lennard_jones_radial(&s->lj), bonding = {bond_eval, s};
  (void)scratch;
  boltz_pairs_clear(x->n, U, gU);
  boltz_pairs_add(&particles, &radial, x, U, gU);
  for (int p = 0; p + 1 < particles.n; p++)
    boltz_pair_add(&particles, &bonding, p, p + 1, x, U, gU);
}

static int site_width(const void *settings) {
  (void)settings;
  return SPACE;
}

static void add_site(const void *settings, const struct boltz_batch *x, int site,
                     const struct boltz_batch *at, double *U) {
  const struct polymer_chain *s = settings;
  const struct boltz_particles particles = particles_of(s);
  const struct boltz_radial radial = boltz_lennard_jones_radial(&s->lj), bonding = {bond_eval, s};
  boltz_pairs_add_site(&particles, &radial, x, site, at, U);
  if (site > 0) boltz_pair_add_site(&particles, &bonding, x, site - 1, at, U);
  if (site + 1 < particles.n) boltz_pair_add_site(&particles, &bonding, x, site + 1, at, U);
}

static void difference(const void *settings, double temperature, const struct boltz_batch *x,
                       int site, const struct boltz_batch *moved, double *du,
                       struct boltz_arena *scratch) {
  const struct boltz_site_energy site_energy = {add_site, settings};
  boltz_site_difference(&site_energy, temperature, x, site, moved, du, scratch);
}

/* The next particle's place on the chain, from the last one's, and its part of the sums. */
BOLTZ_VECTORISED static void follow(double period, size_t n, const double *restrict from,
                                    const double *restrict to, double *restrict place,
                                    double *restrict sum, double *restrict squares) {
  const double inverse = 1 / period;
  for (size_t i = 0; i < n; i++) {
    const double s = to[i] - from[i], images = (s * inverse + BOLTZ_ROUNDER) - BOLTZ_ROUNDER;
    place[i] += s - period * images;
    sum[i] += place[i];
    squares[i] += place[i] * place[i];
  }
}

/* rg^2 = mean of |x|^2 - |mean of x|^2, of places that follow each other along the bonds. */
static void gyration(const void *settings, double temperature, uint64_t seed, uint64_t first,
                     const struct boltz_batch *x, struct boltz_batch *value,
                     struct boltz_arena *scratch) {
  const struct polymer_chain *s = settings;
  const double share = 1 / (double)s->N;
  struct boltz_batch along; /* place, sum, squares */
  double *rg = value->col[0];
  (void)temperature, (void)seed, (void)first;
  memset(rg, 0, x->n * sizeof(double));
  for (int a = 0; a < SPACE; a++) {
    const struct boltz_mark mark = boltz_arena_mark(scratch);
    if (boltz_batch_new(scratch, x->n, 3, &along) != BOLTZ_OK) {
      for (size_t i = 0; i < x->n; i++) rg[i] = NAN;
      return;
    }
    double **c = along.col;
    for (int p = 0; p + 1 < (int)s->N; p++)
      follow(s->L, x->n, x->col[p * SPACE + a], x->col[(p + 1) * SPACE + a], c[0], c[1], c[2]);
    for (size_t i = 0; i < x->n; i++)
      rg[i] += share * c[2][i] - share * c[1][i] * (share * c[1][i]);
    boltz_arena_release(scratch, mark);
  }
  for (size_t i = 0; i < x->n; i++) rg[i] = sqrt(rg[i] > 0 ? rg[i] : 0);
}

static int one_of_a_pair(const void *settings) {
  return ((const struct polymer_chain *)settings)->N == 2;
}

static void distance(const void *settings, double temperature, uint64_t seed, uint64_t first,
                     const struct boltz_batch *x, struct boltz_batch *value,
                     struct boltz_arena *scratch) {
  const struct boltz_particles particles = particles_of(settings);
  (void)temperature, (void)seed, (void)first, (void)scratch;
  boltz_pair_distance(&particles, 0, 1, x, value->col[0]);
}

static const struct boltz_variable variables[] = {
    {.name = "rg",
     .doc =
         "radius of gyration of the chain followed along its bonds, out of the box where it goes",
     .eval = gyration},
    {.name = "r",
     .doc = "length of the bond to the nearest image; for N = 2",
     .width = one_of_a_pair,
     .eval = distance},
    {0},
};

#define OFFSET(member) offsetof(struct polymer_chain, member)
static const struct boltz_field fields[] = {
    {.name = "N",
     .type = BOLTZ_FIELD_INT,
     .offset = OFFSET(N),
     .def = 2,
     .low = 2,
     .high = BOLTZ_DIM_MAX / SPACE,
     .doc = "number of particles"},
    {.name = "k",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(k),
     .def = 5,
     .low = 0,
     .high = 1e6,
     .doc = "spring constant of a bond"},
    {.name = "r0",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(r0),
     .def = 1.5,
     .low = 0,
     .high = 1e6,
     .doc = "length of a relaxed bond"},
    {.name = "L",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(L),
     .def = 5,
     .low = 1e-3,
     .high = 1e6,
     .doc = "edge of the periodic box"},
    BOLTZ_LENNARD_JONES_FIELDS(struct polymer_chain),
    BOLTZ_FIELDS_END,
};

const struct boltz_energy_kind boltz_energy_polymer_chain = {
    .name = "polymer_chain",
    .doc =
        "k/2 (r - r0)^2 between consecutive particles + 4 epsilon [(sigma/r)^12 - (sigma/r)^6] "
        "between all pairs, bonded ones included, r to the nearest image: a chain in a periodic "
        "box in space",
    .source =
        "Binagia, Friedowitz, Hou, Efficient Sampling of Equilibrium States using Boltzmann "
        "Generators (2019)",
    .fields = fields,
    .settings_size = sizeof(struct polymer_chain),
    .example = "{\"N\": 5}",
    .dim = dim,
    .complete = complete,
    .domain = domain,
    .energy = energy,
    .variables = variables,
    .site_width = site_width,
    .difference = difference,
};
