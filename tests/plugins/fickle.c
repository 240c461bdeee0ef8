/* fickle.c - a plug-in whose gradient is right at its example, and wrong at other settings. */
#include "springs.h"

struct fickle {
  double factor;
};

static void energy(const void *settings, const struct boltz_batch *x, double *U,
                   struct boltz_batch *gU, struct boltz_arena *scratch) {
  const struct fickle *s = settings;
  springs_energy(NULL, x, U, gU, scratch);
  for (size_t i = 0; gU && i < x->n; i++) gU->col[1][i] *= s->factor;
}

static const struct boltz_field fields[] = {
    {.name = "factor",
     .type = BOLTZ_FIELD_DOUBLE,
     .def = 1,
     .high = 2,
     .doc = "of g2; only 1 is right"},
    BOLTZ_FIELDS_END,
};

static const struct boltz_energy_kind fickle = {
    .name = "fickle",
    .doc = "springs",
    .source = "none",
    .fields = fields,
    .settings_size = sizeof(struct fickle),
    .dim = springs_dim,
    .energy = energy,
};

BOLTZ_PLUGIN(&fickle)
