/* helmert.h - coordinates of N particles with the centre of mass removed: Helmert's orthonormal
 * combinations y of the positions x,
 *
 *   y_k = (x_1 + ... + x_k - k x_(k+1)) / sqrt(k (k + 1)), k = 1 ... N - 1, along every axis
 *
 * Coordinate a of y_k is column (k - 1) space + a. Lengths are kept: sum |y|^2 is sum |x - mean|^2,
 * and an integral over y is one over the positions whose mean is 0. */
#ifndef BOLTZ_ENERGY_HELMERT_H
#define BOLTZ_ENERGY_HELMERT_H

#include "core/energy/pairs.h"

/** The positions x [n, N space], whose mean is 0, of y [n, (N - 1) space]. */
void boltz_helmert_positions(int particles, int space, const struct boltz_batch *y,
                             struct boltz_batch *x);

/** The coordinates y of positions x with any mean, or the gradient in y of a gradient in x; x is
 * used up. */
void boltz_helmert_coordinates(int particles, int space, struct boltz_batch *x,
                               struct boltz_batch *y);

/** The energy of all pairs: U [n] and, unless NULL, gU [n, (N - 1) space] at y. Errors: none;
 * exhausted scratch shows as NaN. */
void boltz_helmert_pairs(const struct boltz_particles *particles, const struct boltz_radial *radial,
                         const struct boltz_batch *y, double *U, struct boltz_batch *gU,
                         struct boltz_arena *scratch);

/** sqrt(factor sum |y|^2) [n]: the radius of gyration for 1/N, the distance of two for 2. */
void boltz_helmert_length(const struct boltz_batch *y, double factor, double *length);

#endif
