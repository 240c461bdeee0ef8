/* well.h - the Gaussian that a minimum of an energy stands for, found in slices. */
#ifndef BASE_DENSITY_WELL_H
#define BASE_DENSITY_WELL_H

#include "boltz/base_density.h"

/** Where a row has descended to, and what becomes of it. */
struct boltz_well {
  const struct boltz_base_evidence *evidence;
  int dim;
  double *z, *g;     /* [dim] in: the place and the gradient there; out: the minimum */
  double u;          /* in: at that place; out: at the minimum */
  double *precision; /* [dim, dim] out: the Hessian H, no direction of which is infinitely wide */
  double log_weight; /* out: ln of exp(-u) (2 pi)^(dim/2) / sqrt(det H) */

  enum { BOLTZ_WELL_SCALES, BOLTZ_WELL_HESSIAN, BOLTZ_WELL_RISES, BOLTZ_WELL_WIDTHS } pass;
  int at, round;            /* direction, and which of the passes for widths */
  double *vectors, *values; /* [dim, dim], [dim] eigenvectors in rows, eigenvalues */
  double *step;             /* [dim] how far along each direction is looked */
  double *low, *high;       /* [dim] between which a width lies; high 0: the Hessian's will do */
};

/** Room for a well. Errors: NO_MEMORY. */
enum boltz_status boltz_well_new(int dim, const struct boltz_base_evidence *evidence,
                                 struct boltz_arena *arena, struct boltz_well *well);

/** Begin anew, z, g and u being set. */
void boltz_well_begin(struct boltz_well *well);

/** Some more of it; *more: not yet the end. Errors: OUT_OF_RANGE (no finite Hessian), NO_MEMORY. */
enum boltz_status boltz_well_step(struct boltz_well *well, bool *more, struct boltz_arena *scratch);

#endif
