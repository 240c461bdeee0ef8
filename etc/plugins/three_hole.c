/* three_hole.c - a particle in the plane between two deep holes and a shallow one: an energy as a
 * plug-in of boltzd.
 *
 *   cc -shared -fPIC -O3 -ffp-contract=off -Iinclude -o three_hole.so etc/plugins/three_hole.c -lm
 *
 *   U(x) =   hill exp(-x1^2 - (x2 - 1/3)^2) - hill exp(-x1^2 - (x2 - 5/3)^2)
 *          - hole exp(-(x1 - 1)^2 - x2^2)   - hole exp(-(x1 + 1)^2 - x2^2)
 *          + x1^4/5 + (x2 - 1/3)^4/5
 *
 * From one deep hole to the other there are two ways: over the low saddle between them, or by the
 * shallow hole above. Source: Metzner, Schuette, Vanden-Eijnden, "Illustration of transition path
 * theory on a collection of simple examples", J. Chem. Phys. 125, 084110 (2006), hill = 3, hole
 * = 5. Golden: T = 1: log Z = 4.541392754, <x2> = 0.160552143. */
#include <boltz/plugin.h>
#include <math.h>

struct three_hole {
  double hill, hole;
  /* what follows from them */
  double height[4];
};

/* Where the Gaussians stand: the hill, the shallow hole, the deep ones. */
static const double place[4][2] = {{0, 1.0 / 3}, {0, 5.0 / 3}, {1, 0}, {-1, 0}};

static int dim(const void *settings) {
  (void)settings;
  return 2;
}

static enum boltz_status complete(void *settings, struct boltz_arena *arena) {
  struct three_hole *s = settings;
  (void)arena;
  if (s->hole < s->hill)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/hole",
                         "hole = %g is shallower than hill = %g: the deep holes must be the deeper "
                         "ones",
                         s->hole, s->hill);
  s->height[0] = s->hill;
  s->height[1] = -s->hill;
  s->height[2] = s->height[3] = -s->hole;
  return BOLTZ_OK;
}

/* Samples are the columns' rows: one loop over them. */
static void energy(const void *settings, const struct boltz_batch *x, double *U,
                   struct boltz_batch *gU, struct boltz_arena *scratch) {
  const struct three_hole *s = settings;
  (void)scratch;
  for (size_t i = 0; i < x->n; i++) {
    const double x1 = x->col[0][i], x2 = x->col[1][i], y = x2 - 1.0 / 3;
    double u = 0.2 * (x1 * x1 * x1 * x1 + y * y * y * y);
    double g1 = 0.8 * x1 * x1 * x1, g2 = 0.8 * y * y * y;
    for (int k = 0; k < 4; k++) {
      const double d1 = x1 - place[k][0], d2 = x2 - place[k][1];
      const double gauss = s->height[k] * exp(-d1 * d1 - d2 * d2);
      u += gauss;
      g1 -= 2 * d1 * gauss;
      g2 -= 2 * d2 * gauss;
    }
    U[i] = u;
    if (!gU) continue;
    gU->col[0][i] = g1;
    gU->col[1][i] = g2;
  }
}

/* Around the hill: 0 to the right, pi/2 by the shallow hole. */
static void angle(const void *settings, double temperature, uint64_t seed, uint64_t first,
                  const struct boltz_batch *x, struct boltz_batch *value,
                  struct boltz_arena *scratch) {
  (void)settings, (void)temperature, (void)seed, (void)first, (void)scratch;
  for (size_t i = 0; i < x->n; i++) value->col[0][i] = atan2(x->col[1][i] - 1.0 / 3, x->col[0][i]);
}

static const struct boltz_variable variables[] = {
    {.name = "angle",
     .doc = "direction seen from the hill at (0, 1/3), in (-pi, pi]",
     .eval = angle},
    {0},
};

#define OFFSET(member) offsetof(struct three_hole, member)
static const struct boltz_field fields[] = {
    {.name = "hill",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(hill),
     .def = 3,
     .low = 0,
     .high = 1e3,
     .doc = "height of the hill in the middle, depth of the shallow hole"},
    {.name = "hole",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(hole),
     .def = 5,
     .low = 0,
     .high = 1e3,
     .doc = "depth of the deep holes; at least hill"},
    BOLTZ_FIELDS_END,
};

static const struct boltz_energy_kind three_hole = {
    .name = "three_hole",
    .doc =
        "two deep holes and a shallow one around a hill in the plane, as four Gaussians in a "
        "quartic bowl",
    .source = "Metzner, Schuette, Vanden-Eijnden, J. Chem. Phys. 125, 084110 (2006)",
    .fields = fields,
    .settings_size = sizeof(struct three_hole),
    .dim = dim,
    .complete = complete,
    .energy = energy,
    .variables = variables,
};

BOLTZ_PLUGIN(&three_hole)
