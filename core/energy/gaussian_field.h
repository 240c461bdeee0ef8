/* gaussian_field.h - the Gaussian part of a lattice model turned into one of real fields.
 *
 *   exp(s^T K s / 2) = integral of exp(-phi^T K^-1 phi / 2 + phi^T s) / sqrt(det 2 pi K),
 *   K = (J/T) C, C = A + alpha I
 *
 * A_ij counts the bonds between i and j on a periodic lattice of N^axes sites, two with N = 2.
 * Hartley's basis of the ring, cas(2 pi k n / N) / sqrt(N) with cas = cos + sin, along every axis
 * makes C diagonal: alpha + sum over axes of 2 cos(2 pi k / N). It is symmetric and its own
 * inverse, so a product with C^-1 costs two transforms of O(axes N^(axes + 1)).
 * Source: Hubbard, Phys. Rev. Lett. 3, 77 (1959); Bracewell, J. Opt. Soc. Am. 73, 1832 (1983). */
#ifndef BOLTZ_ENERGY_GAUSSIAN_FIELD_H
#define BOLTZ_ENERGY_GAUSSIAN_FIELD_H

#include <stdbool.h>

#include "boltz/batch.h"

struct boltz_gaussian_field {
  int N, axes, sites;
  const double *basis;  /* [N, N] Hartley's, orthonormal */
  const double *gain;   /* [sites] eigenvalues of C^-1 */
  const double *kernel; /* [sites] row 0 of C^-1: element (i, j) is that of the step from i to j */
  double log_det;       /* ln det C */
};

/** Fields of a batch that are coordinates first, first + width, ... : one a site. */
struct boltz_component {
  int first, width;
};

/** Errors: NO_MEMORY. C is positive definite when alpha > 2 axes: for the caller to see to. */
enum boltz_status boltz_gaussian_field_new(int N, int axes, double alpha, struct boltz_arena *arena,
                                           struct boltz_gaussian_field *field);

/** ln det(2 pi K). */
double boltz_gaussian_field_log_det(const struct boltz_gaussian_field *field, double J,
                                    double temperature);

/**
 * Add phi^T K^-1 phi / 2 to u [n], K^-1 = scale C^-1, and write K^-1 phi to the component's
 * columns of gu unless that is NULL. False when scratch is exhausted, nothing is changed then.
 */
bool boltz_gaussian_field_energy(const struct boltz_gaussian_field *field, double scale,
                                 struct boltz_component component, const struct boltz_batch *x,
                                 double *u, struct boltz_batch *gu, struct boltz_arena *scratch);

/** Add to du [n] what phi^T K^-1 phi / 2 changes by when the field at a site becomes `moved` [n].
 */
void boltz_gaussian_field_difference(const struct boltz_gaussian_field *field, double scale,
                                     struct boltz_component component, const struct boltz_batch *x,
                                     int site, const double *moved, double *du);

#endif
