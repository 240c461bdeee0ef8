/* mixture.h - minus the logarithm of a weighted sum of isotropic Gaussians, with its gradient: what
 * the energies that are densities share. */
#ifndef BOLTZ_ENERGY_MIXTURE_H
#define BOLTZ_ENERGY_MIXTURE_H

#include "boltz/batch.h"

struct boltz_mixture {
  int components, dim;
  double *mean;       /* [components, dim] */
  double *log_factor; /* [components] ln of w (2 pi sigma^2)^(-dim/2) */
  double *precision;  /* [components] 1/sigma^2 */
};

/** Room for that many components in the arena; set every one. Errors: NO_MEMORY. */
enum boltz_status boltz_mixture_new(struct boltz_arena *arena, int components, int dim,
                                    struct boltz_mixture *mixture);

/** Component k: weight >= 0, mean [dim], standard deviation > 0. */
void boltz_mixture_set(struct boltz_mixture *mixture, int k, double weight, const double *mean,
                       double deviation);

/**
 * U(x) = -ln sum_k w_k N(x; mean_k, sigma_k^2 I) and, unless gU is NULL, its gradient.
 *
 *   x    [n, dim]
 *   U    [n]       out: finite however far x is, until |x - mean|^2 overflows: then +infinity
 *   gU   [n, dim]  out or NULL: 0 where U is infinite
 *
 * Errors: none; exhausted scratch shows as NaN. Scratch is given back.
 */
void boltz_mixture_energy(const struct boltz_mixture *mixture, const struct boltz_batch *x,
                          double *U, struct boltz_batch *gU, struct boltz_arena *scratch);

#endif
