/* helmert.h - positions of N particles as their centre and Helmert's orthonormal combinations,
 *
 *   y_k = (x_1 + ... + x_k - k x_(k+1)) / sqrt(k (k + 1)), k = 1 ... N - 1, along every axis
 *
 * Source: Helmert, Astron. Nachr. 88, 113 (1876); Lancaster, Am. Stat. 19, 4 (1965). */
#ifndef BOLTZ_BASE_HELMERT_H
#define BOLTZ_BASE_HELMERT_H

#include <stddef.h>

/**
 * In place, from the particles' centre and y to their positions, and from positions to their sum
 * and y.
 *
 *   col   [particles space] columns of n: axis a of particle k + 1, or of y_k, is k space + a; the
 *         centre, or the sum, is where particle 1 is
 */
void boltz_helmert_unfold(int particles, int space, size_t n, double *const *col);
void boltz_helmert_fold(int particles, int space, size_t n, double *const *col);

#endif
