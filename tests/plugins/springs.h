/* springs.h - the energy of the plug-ins that tests load: U = (x1^2 + x2^2) / 2. */
#ifndef SPRINGS_H
#define SPRINGS_H

#include <boltz/plugin.h>
#include <string.h>

static int springs_dim(const void *settings) {
  (void)settings;
  return 2;
}

static void springs_energy(const void *settings, const struct boltz_batch *x, double *U,
                           struct boltz_batch *gU, struct boltz_arena *scratch) {
  (void)settings, (void)scratch;
  for (size_t i = 0; i < x->n; i++)
    U[i] = 0.5 * (x->col[0][i] * x->col[0][i] + x->col[1][i] * x->col[1][i]);
  for (int j = 0; gU && j < 2; j++) memcpy(gU->col[j], x->col[j], x->n * sizeof(double));
}

#define SPRINGS .doc = "springs", .source = "none", .dim = springs_dim, .energy = springs_energy

#endif
