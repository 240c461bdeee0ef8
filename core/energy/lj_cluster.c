/* lj_cluster.c - a cluster of Lennard-Jones particles, held together by springs to its centre.
 *
 *   U(x) = sum over pairs of 4 epsilon [(sigma/r)^12 - (sigma/r)^6] + (k/2) sum |x_i - mean|^2
 *
 * A translation leaves U unchanged, so the coordinates are Helmert's orthonormal combinations y of
 * the positions (helmert.h), space (N - 1) of them, and log Z = ln of the integral over y: over the
 * subspace of the positions whose mean is 0. There the springs are (k/2) |y|^2; log Z is finite for
 * k > 0 only.
 * Source: Wales, Doye, J. Phys. Chem. A 101, 5111 (1997).
 * Golden: N = 2, epsilon = sigma = k = 1, in space, T = 1: log Z = 2.861365290; k = 0: the minimum
 * is -44.326801 for N = 13, -279.248470 for N = 55. */
#include <math.h>

#include "core/base/vmath.h"
#include "core/energy/helmert.h"
#include "core/energy/lennard_jones.h"

struct lj_cluster {
  int64_t N, space;
  double k;
  struct boltz_lennard_jones lj;
};

static int dim(const void *settings) {
  const struct lj_cluster *s = settings;
  return (int)(s->space * (s->N - 1));
}

static enum boltz_status complete(void *settings, struct boltz_arena *arena) {
  struct lj_cluster *s = settings;
  (void)arena;
  if (s->N * s->space > BOLTZ_DIM_MAX)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/N",
                         "N = %lld with space = %lld has more than %d coordinates: at most %lld",
                         (long long)s->N, (long long)s->space, BOLTZ_DIM_MAX,
                         (long long)(BOLTZ_DIM_MAX / s->space));
  s->lj.cutoff = INFINITY;
  s->lj.shift = 0;
  return BOLTZ_OK;
}

/* Add (k/2) y^2. */
BOLTZ_VECTORISED static void add_spring(double k, size_t n, const double *restrict y,
                                        double *restrict U, double *restrict g) {
  for (size_t i = 0; i < n; i++) U[i] += 0.5 * k * y[i] * y[i];
  if (!g) return;
  for (size_t i = 0; i < n; i++) g[i] += k * y[i];
}

static void energy(const void *settings, const struct boltz_batch *y, double *U,
                   struct boltz_batch *gU, struct boltz_arena *scratch) {
  const struct lj_cluster *s = settings;
  const struct boltz_particles particles = {.n = (int)s->N, .space = (int)s->space};
  const struct boltz_radial radial = boltz_lennard_jones_radial(&s->lj);
  boltz_helmert_pairs(&particles, &radial, y, U, gU, scratch);
  for (int j = 0; j < y->dim; j++) add_spring(s->k, y->n, y->col[j], U, gU ? gU->col[j] : NULL);
}

static void gyration(const void *settings, double temperature, uint64_t seed, uint64_t first,
                     const struct boltz_batch *y, struct boltz_batch *value,
                     struct boltz_arena *scratch) {
  (void)temperature, (void)seed, (void)first, (void)scratch;
  boltz_helmert_length(y, 1.0 / (double)((const struct lj_cluster *)settings)->N, value->col[0]);
}

static int one_of_a_pair(const void *settings) {
  return ((const struct lj_cluster *)settings)->N == 2;
}

static void distance(const void *settings, double temperature, uint64_t seed, uint64_t first,
                     const struct boltz_batch *y, struct boltz_batch *value,
                     struct boltz_arena *scratch) {
  (void)settings, (void)temperature, (void)seed, (void)first, (void)scratch;
  boltz_helmert_length(y, 2, value->col[0]);
}

static int positions_width(const void *settings) {
  const struct lj_cluster *s = settings;
  return (int)(s->N * s->space);
}

static void positions(const void *settings, double temperature, uint64_t seed, uint64_t first,
                      const struct boltz_batch *y, struct boltz_batch *value,
                      struct boltz_arena *scratch) {
  const struct lj_cluster *s = settings;
  (void)temperature, (void)seed, (void)first, (void)scratch;
  boltz_helmert_positions((int)s->N, (int)s->space, y, value);
}

static const struct boltz_variable variables[] = {
    {.name = "rg", .doc = "radius of gyration", .eval = gyration},
    {.name = "r",
     .doc = "distance of the two particles; for N = 2",
     .width = one_of_a_pair,
     .eval = distance},
    {.name = "positions",
     .doc = "Cartesian positions of the particles, one after another, with mean 0",
     .width = positions_width,
     .eval = positions},
    {0},
};

#define OFFSET(member) offsetof(struct lj_cluster, member)
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
    BOLTZ_LENNARD_JONES_FIELDS(struct lj_cluster),
    {.name = "k",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(k),
     .def = 1,
     .low = 0,
     .high = 1e6,
     .doc = "spring constant to the centre of mass; 0: none, particles may evaporate and log Z is "
            "infinite"},
    BOLTZ_FIELDS_END,
};

const struct boltz_energy_kind boltz_energy_lj_cluster = {
    .name = "lj_cluster",
    .doc =
        "sum over pairs of 4 epsilon [(sigma/r)^12 - (sigma/r)^6] + k/2 sum |x_i - mean|^2: a "
        "cluster of Lennard-Jones particles; coordinates are the orthonormal (Helmert) "
        "combinations y_k = (x_1 + ... + x_k - k x_(k+1)) / sqrt(k (k + 1)), log Z and averages "
        "are over that subspace, where the centre of mass is 0",
    .source = "Wales, Doye, J. Phys. Chem. A 101, 5111 (1997)",
    .fields = fields,
    .settings_size = sizeof(struct lj_cluster),
    .example = "{\"N\": 5}",
    .dim = dim,
    .complete = complete,
    .energy = energy,
    .variables = variables,
};
