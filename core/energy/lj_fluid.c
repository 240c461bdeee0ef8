/* lj_fluid.c - Lennard-Jones particles in a periodic box, in the plane or in space.
 *
 *   U(x) = sum over pairs of 4 epsilon [(sigma/r)^12 - (sigma/r)^6]
 *
 * r is the distance of the nearest images: each component d of a separation is d - L round(d/L),
 * and without a cut-off that image interacts however far it is. No tail correction.
 * Source: Allen, Tildesley, Computer Simulation of Liquids, 2nd ed., sections 1.6 and 5.3.
 * Golden: N = 2, L = 5, T = 1: log Z = 9.733504502 in space, 6.516019256 in the plane. */
#include <math.h>

#include "core/energy/lennard_jones.h"

struct lj_fluid {
  int64_t N, space;
  double L;
  double cutoff; /* NaN: none */
  bool shift;
  struct boltz_lennard_jones lj;
};

static struct boltz_particles particles_of(const struct lj_fluid *s) {
  return (struct boltz_particles){.n = (int)s->N, .space = (int)s->space, .period = s->L};
}

static int dim(const void *settings) {
  const struct lj_fluid *s = settings;
  return (int)(s->N * s->space);
}

static enum boltz_status check_cutoff(const struct lj_fluid *s) {
  if (isnan(s->cutoff) && s->shift)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/shift",
                         "shift = true needs a cutoff: the energy there is what is subtracted");
  if (s->cutoff > s->L / 2)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/cutoff",
                         "cutoff = %g is over L/2 = %g: only the nearest image interacts, so at "
                         "most L/2 is allowed, or null for none",
                         s->cutoff, s->L / 2);
  return BOLTZ_OK;
}

static enum boltz_status complete(void *settings, struct boltz_arena *arena) {
  struct lj_fluid *s = settings;
  (void)arena;
  if (s->N * s->space > BOLTZ_DIM_MAX)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/N",
                         "N = %lld with space = %lld has more than %d coordinates: at most %lld",
                         (long long)s->N, (long long)s->space, BOLTZ_DIM_MAX,
                         (long long)(BOLTZ_DIM_MAX / s->space));
  BOLTZ_TRY(check_cutoff(s));
  s->lj.cutoff = isnan(s->cutoff) ? INFINITY : s->cutoff;
  s->lj.shift = s->shift ? boltz_lennard_jones_at(&s->lj, s->cutoff) : 0;
  return BOLTZ_OK;
}

static void domain(const void *settings, int j, struct boltz_domain *domain) {
  const struct lj_fluid *s = settings;
  (void)j;
  *domain = (struct boltz_domain){.type = BOLTZ_PERIODIC, .low = 0, .high = s->L};
}

static void energy(const void *settings, const struct boltz_batch *x, double *U,
                   struct boltz_batch *gU, struct boltz_arena *scratch) {
  const struct lj_fluid *s = settings;
  const struct boltz_particles particles = particles_of(s);
  const struct boltz_radial radial = boltz_lennard_jones_radial(&s->lj);
  (void)scratch;
  boltz_pairs_clear(x->n, U, gU);
  boltz_pairs_add(&particles, &radial, x, U, gU);
}

static int site_width(const void *settings) {
  return (int)((const struct lj_fluid *)settings)->space;
}

static void add_site(const void *settings, const struct boltz_batch *x, int site,
                     const struct boltz_batch *at, double *U) {
  const struct lj_fluid *s = settings;
  const struct boltz_particles particles = particles_of(s);
  const struct boltz_radial radial = boltz_lennard_jones_radial(&s->lj);
  boltz_pairs_add_site(&particles, &radial, x, site, at, U);
}

static void difference(const void *settings, double temperature, const struct boltz_batch *x,
                       int site, const struct boltz_batch *moved, double *du,
                       struct boltz_arena *scratch) {
  const struct boltz_site_energy site_energy = {add_site, settings};
  boltz_site_difference(&site_energy, temperature, x, site, moved, du, scratch);
}

static void gyration(const void *settings, double temperature, uint64_t seed, uint64_t first,
                     const struct boltz_batch *x, struct boltz_batch *value,
                     struct boltz_arena *scratch) {
  const struct boltz_particles particles = particles_of(settings);
  (void)temperature, (void)seed, (void)first, (void)scratch;
  boltz_pairs_gyration(&particles, x, value->col[0]);
}

static int one_of_a_pair(const void *settings) {
  return ((const struct lj_fluid *)settings)->N == 2;
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
         "radius of gyration by the nearest images of all pairs: the square root of the sum of r^2 "
         "over pairs / N^2",
     .eval = gyration},
    {.name = "r",
     .doc = "distance of the nearest images of the two particles; for N = 2",
     .width = one_of_a_pair,
     .eval = distance},
    {0},
};

#define OFFSET(member) offsetof(struct lj_fluid, member)
static const struct boltz_field fields[] = {
    {.name = "N",
     .type = BOLTZ_FIELD_INT,
     .offset = OFFSET(N),
     .def = 2,
     .low = 2,
     .high = BOLTZ_DIM_MAX / 2,
     .doc = "number of particles"},
    {.name = "space",
     .type = BOLTZ_FIELD_INT,
     .offset = OFFSET(space),
     .def = 3,
     .low = 2,
     .high = 3,
     .doc = "2: in the plane, 3: in space"},
    {.name = "L",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(L),
     .def = 5,
     .low = 1e-3,
     .high = 1e6,
     .doc = "edge of the periodic box"},
    BOLTZ_LENNARD_JONES_FIELDS(struct lj_fluid),
    {.name = "cutoff",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(cutoff),
     .def = NAN,
     .low = 0,
     .high = 5e5,
     .low_open = true,
     .nullable = true,
     .doc = "pairs at this distance and beyond give 0, at most L/2; null: no cut-off"},
    {.name = "shift",
     .type = BOLTZ_FIELD_BOOL,
     .offset = OFFSET(shift),
     .def = 0,
     .high = 1,
     .doc = "subtract the pair energy at the cut-off from every pair within it"},
    BOLTZ_FIELDS_END,
};

const struct boltz_energy_kind boltz_energy_lj_fluid = {
    .name = "lj_fluid",
    .doc =
        "sum over pairs of 4 epsilon [(sigma/r)^12 - (sigma/r)^6], r to the nearest image: "
        "Lennard-Jones particles in a periodic box; log Z is over all N positions in it, with no "
        "1/N!",
    .source = "Allen, Tildesley, Computer Simulation of Liquids, 2nd ed. (2017)",
    .fields = fields,
    .settings_size = sizeof(struct lj_fluid),
    .example = "{\"N\": 5}",
    .dim = dim,
    .complete = complete,
    .domain = domain,
    .energy = energy,
    .variables = variables,
    .site_width = site_width,
    .difference = difference,
};
