/* lennard_jones.h - the Lennard-Jones pair energy, U(r) = 4 epsilon [(sigma/r)^12 - (sigma/r)^6].
 */
#ifndef BOLTZ_ENERGY_LENNARD_JONES_H
#define BOLTZ_ENERGY_LENNARD_JONES_H

#include "core/energy/pairs.h"

struct boltz_lennard_jones {
  double epsilon, sigma;
  double cutoff; /* pairs at this distance and beyond give 0; infinity: none do */
  double shift;  /* taken from every other pair */
};

/** U(r), without cut-off and shift. */
double boltz_lennard_jones_at(const struct boltz_lennard_jones *lj, double r);

/** As a function of the distance; lj is kept by reference. */
struct boltz_radial boltz_lennard_jones_radial(const struct boltz_lennard_jones *lj);

/* The rows of a settings table; they fill the member lj of the kind's struct `owner`. */
#define BOLTZ_LENNARD_JONES_FIELDS(owner)                                                       \
  {.name = "epsilon",                                                                           \
   .type = BOLTZ_FIELD_DOUBLE,                                                                  \
   .offset = offsetof(owner, lj.epsilon),                                                       \
   .def = 1,                                                                                    \
   .low = 0,                                                                                    \
   .high = 1e6,                                                                                 \
   .low_open = true,                                                                            \
   .doc = "depth of the pair energy"},                                                          \
  {                                                                                             \
    .name = "sigma", .type = BOLTZ_FIELD_DOUBLE, .offset = offsetof(owner, lj.sigma), .def = 1, \
    .low = 1e-3, .high = 1e3,                                                                   \
    .doc = "distance at which the pair energy is 0; its minimum is at 2^(1/6) sigma"            \
  }

#endif
