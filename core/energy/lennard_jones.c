/* lennard_jones.c - the Lennard-Jones pair energy, cut off and shifted or not.
 *
 *   U(r) = 4 epsilon [(sigma/r)^12 - (sigma/r)^6] - shift for r < cutoff, 0 beyond
 *
 * Source: Jones, Proc. R. Soc. A 106, 463 (1924); Allen, Tildesley, Computer Simulation of Liquids.
 * Golden: the minimum is -epsilon at r = 2^(1/6) sigma. */
#include "core/energy/lennard_jones.h"

#include <math.h>

#include "core/base/vmath.h"

/* s6 = (sigma/r)^6; U = 4 epsilon s6 (s6 - 1), f = U'/r = -24 epsilon s6 (2 s6 - 1)/r^2 */
BOLTZ_VECTORISED static void lennard_jones(const struct boltz_lennard_jones *lj, size_t n,
                                           const double *restrict r2, double *restrict U,
                                           double *restrict f) {
  const double epsilon = lj->epsilon, sigma2 = lj->sigma * lj->sigma, shift = lj->shift;
  const double cutoff2 = lj->cutoff * lj->cutoff;
  const double touching2 = BOLTZ_PAIR_TOUCHES * BOLTZ_PAIR_TOUCHES * sigma2;
  for (size_t i = 0; i < n; i++) {
    const double inverse = 1 / r2[i], s2 = sigma2 * inverse, s6 = s2 * s2 * s2;
    const double energy = 4 * epsilon * s6 * (s6 - 1) - shift;
    const double force = -24 * epsilon * s6 * (2 * s6 - 1) * inverse;
    const double cut_energy = r2[i] >= cutoff2 ? 0 : energy;
    const double cut_force = r2[i] >= cutoff2 ? 0 : force;
    U[i] = r2[i] < touching2 ? INFINITY : cut_energy;
    f[i] = r2[i] < touching2 ? 0 : cut_force;
  }
}

static void eval(const void *of, size_t n, const double *r2, double *U, double *f) {
  lennard_jones(of, n, r2, U, f);
}

double boltz_lennard_jones_at(const struct boltz_lennard_jones *lj, double r) {
  const double s2 = lj->sigma / r * (lj->sigma / r), s6 = s2 * s2 * s2;
  return 4 * lj->epsilon * s6 * (s6 - 1);
}

struct boltz_radial boltz_lennard_jones_radial(const struct boltz_lennard_jones *lj) {
  return (struct boltz_radial){.eval = eval, .of = lj};
}
