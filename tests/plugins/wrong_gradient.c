/* wrong_gradient.c - a plug-in whose author has lost a sign. */
#include "springs.h"

static void energy(const void *settings, const struct boltz_batch *x, double *U,
                   struct boltz_batch *gU, struct boltz_arena *scratch) {
  springs_energy(settings, x, U, gU, scratch);
  for (size_t i = 0; gU && i < x->n; i++) gU->col[1][i] = -gU->col[1][i];
}

static const struct boltz_energy_kind kind = {
    .name = "lost_sign", .doc = "springs", .source = "none", .dim = springs_dim, .energy = energy};

BOLTZ_PLUGIN(&kind)
