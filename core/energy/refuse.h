/* refuse.h - what an energy answers when scratch is exhausted: no number. */
#ifndef BOLTZ_ENERGY_REFUSE_H
#define BOLTZ_ENERGY_REFUSE_H

#include <math.h>
#include <string.h>

#include "boltz/batch.h"

/** u [n] = NaN and, unless gu is NULL, gu [n, dim] = 0. */
static inline void boltz_energy_refuse(size_t n, double *u, struct boltz_batch *gu) {
  for (size_t i = 0; i < n; i++) u[i] = NAN;
  for (int j = 0; gu && j < gu->dim; j++) memset(gu->col[j], 0, n * sizeof(double));
}

#endif
