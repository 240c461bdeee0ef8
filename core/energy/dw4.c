/* dw4.c - four particles in the plane, every pair in a double well of its distance d.
 *
 *   U(x) = sum over pairs of 0.9 (d - 4)^4 - 4 (d - 4)^2
 *
 * A translation leaves U unchanged, so the coordinates are Helmert's orthonormal combinations of
 * the positions (helmert.h), 6 of them, and log Z is over the subspace of the positions whose mean
 * is 0. Source: Koehler, Klein, Noe, Equivariant Flows, ICML 2020, arXiv:2006.02425 (there over
 * ordered pairs with a factor 1/2: each pair once). Golden: T = 1: log Z = 29.667232233, <U> =
 * -22.541509604. */
#include <math.h>

#include "core/base/vmath.h"
#include "core/energy/helmert.h"

enum { PARTICLES = 4, SPACE = 2 };

static int dim(const void *settings) {
  (void)settings;
  return SPACE * (PARTICLES - 1);
}

/* e = d - 4; U = 0.9 e^4 - 4 e^2, f = (3.6 e^3 - 8 e)/d; no force at d = 0, where U has a cusp. */
BOLTZ_VECTORISED static void well(size_t n, const double *restrict r2, double *restrict U,
                                  double *restrict f) {
  for (size_t i = 0; i < n; i++) {
    const double d = sqrt(r2[i]), e = d - 4;
    const double force = (3.6 * e * e - 8) * e / d;
    U[i] = (0.9 * e * e - 4) * e * e;
    f[i] = d > 0 ? force : 0;
  }
}

static void well_eval(const void *of, size_t n, const double *r2, double *U, double *f) {
  (void)of;
  well(n, r2, U, f);
}

static void energy(const void *settings, const struct boltz_batch *y, double *U,
                   struct boltz_batch *gU, struct boltz_arena *scratch) {
  const struct boltz_particles particles = {.n = PARTICLES, .space = SPACE};
  const struct boltz_radial radial = {.eval = well_eval};
  (void)settings;
  boltz_helmert_pairs(&particles, &radial, y, U, gU, scratch);
}

static void gyration(const void *settings, double temperature, uint64_t seed, uint64_t first,
                     const struct boltz_batch *y, struct boltz_batch *value,
                     struct boltz_arena *scratch) {
  (void)settings, (void)temperature, (void)seed, (void)first, (void)scratch;
  boltz_helmert_length(y, 1.0 / PARTICLES, value->col[0]);
}

static int positions_width(const void *settings) {
  (void)settings;
  return SPACE * PARTICLES;
}

static void positions(const void *settings, double temperature, uint64_t seed, uint64_t first,
                      const struct boltz_batch *y, struct boltz_batch *value,
                      struct boltz_arena *scratch) {
  (void)settings, (void)temperature, (void)seed, (void)first, (void)scratch;
  boltz_helmert_positions(PARTICLES, SPACE, y, value);
}

static const struct boltz_variable variables[] = {
    {.name = "rg", .doc = "radius of gyration", .eval = gyration},
    {.name = "positions",
     .doc = "Cartesian positions of the particles, one after another, with mean 0",
     .width = positions_width,
     .eval = positions},
    {0},
};

static const struct boltz_field fields[] = {BOLTZ_FIELDS_END};

const struct boltz_energy_kind boltz_energy_dw4 = {
    .name = "dw4",
    .doc =
        "sum over pairs of 0.9 (d - 4)^4 - 4 (d - 4)^2: four particles in the plane; coordinates "
        "are the orthonormal (Helmert) combinations y_k = (x_1 + ... + x_k - k x_(k+1)) / sqrt(k "
        "(k + 1)), log Z and averages are over that subspace, where the centre of mass is 0",
    .source = "Koehler, Klein, Noe, Equivariant Flows, ICML 2020, arXiv:2006.02425",
    .fields = fields,
    .dim = dim,
    .energy = energy,
    .variables = variables,
};
