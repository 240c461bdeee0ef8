/* metropolis.c - a random walk in all coordinates at once.
 *
 *   y = x + step n, n standard normal;  g(x|y) / g(y|x) = 1
 *
 * Source: Metropolis, Rosenbluth, Rosenbluth, Teller, Teller, J. Chem. Phys. 21, 1087 (1953).
 * Golden: on a density that is flat as far as a step goes, mean |y - x|^2 = dim step^2. */
#include "boltz/move.h"

struct metropolis {
  double step;
};

/* y holds normals on entry */
static void walk(double step, size_t n, const double *restrict x, double *restrict y) {
  for (size_t i = 0; i < n; i++) y[i] = x[i] + step * y[i];
}

static void propose(const void *settings, const struct boltz_energy *energy, double temperature,
                    uint64_t seed, uint64_t first, const struct boltz_batch *x, const double *u,
                    struct boltz_batch *y, double *log_ratio, struct boltz_arena *scratch) {
  const struct metropolis *s = settings;
  (void)energy, (void)temperature, (void)u, (void)scratch;
  boltz_rng_normals(seed, BOLTZ_STREAM_PROPOSE, first, y);
  for (int j = 0; j < x->dim; j++) walk(s->step, x->n, x->col[j], y->col[j]);
  for (size_t i = 0; i < x->n; i++) log_ratio[i] = 0;
}

static const struct boltz_field fields[] = {
    {.name = "step",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = offsetof(struct metropolis, step),
     .def = 0.5,
     .low = 0,
     .high = 1e6,
     .low_open = true,
     .unit = "length",
     .doc = "standard deviation of a step in each coordinate"},
    BOLTZ_FIELDS_END,
};

const struct boltz_move_kind boltz_move_metropolis = {
    .name = "metropolis",
    .doc = "random walk: every coordinate moves by a normal step",
    .source = "Metropolis et al., J. Chem. Phys. 21, 1087 (1953)",
    .fields = fields,
    .settings_size = sizeof(struct metropolis),
    .propose = propose,
};
