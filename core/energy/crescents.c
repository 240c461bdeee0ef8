/* crescents.c - two interleaved half circles of Gaussians in the plane, a density of log Z = 0.
 *
 *   U(x) = -ln p, p = (1/2M) sum_{k=1..M} [N(x; c_k, s^2 I) + N(x; c'_k, s^2 I)], s = noise
 *   c_k = (cos t_k, sin t_k), c'_k = (1 - cos t_k, 1/2 - sin t_k), t_k = (k - 1/2) pi/M, M = 100
 *
 * Source: the two moons of Pedregosa et al., "Scikit-learn: Machine Learning in Python", JMLR 12,
 * 2825 (2011), make_moons, as a density.
 * Golden: noise = 0.1, T = 1: log Z = 0, -E ln p = 1.007371471. */
#include <math.h>

#include "boltz/energy.h"
#include "core/energy/mixture.h"

#define M 100

struct crescents {
  double noise;
  struct boltz_mixture mixture;
};

static int dim(const void *settings) {
  (void)settings;
  return 2;
}

static enum boltz_status complete(void *settings, struct boltz_arena *arena) {
  struct crescents *s = settings;
  BOLTZ_TRY(boltz_mixture_new(arena, 2 * M, 2, &s->mixture));
  for (int k = 0; k < M; k++) {
    const double t = (k + 0.5) * M_PI / M;
    const double upper[] = {cos(t), sin(t)}, lower[] = {1 - cos(t), 0.5 - sin(t)};
    boltz_mixture_set(&s->mixture, 2 * k, 0.5 / M, upper, s->noise);
    boltz_mixture_set(&s->mixture, 2 * k + 1, 0.5 / M, lower, s->noise);
  }
  return BOLTZ_OK;
}

static void energy(const void *settings, const struct boltz_batch *x, double *U,
                   struct boltz_batch *gU, struct boltz_arena *scratch) {
  boltz_mixture_energy(&((const struct crescents *)settings)->mixture, x, U, gU, scratch);
}

static const struct boltz_field fields[] = {
    {.name = "noise",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = offsetof(struct crescents, noise),
     .def = 0.1,
     .low = 1e-6,
     .high = 1e6,
     .doc = "standard deviation of every Gaussian; the half circles have radius 1"},
    BOLTZ_FIELDS_END,
};

const struct boltz_energy_kind boltz_energy_crescents = {
    .name = "crescents",
    .doc =
        "-ln p, p a mixture of 200 equal Gaussians in the plane on two interleaved half circles: "
        "log Z = 0 at T = 1",
    .source = "make_moons of Pedregosa et al., JMLR 12, 2825 (2011), as a density",
    .fields = fields,
    .settings_size = sizeof(struct crescents),
    .dim = dim,
    .complete = complete,
    .energy = energy,
};
