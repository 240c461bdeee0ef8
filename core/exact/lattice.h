/* lattice.h - lattice models as they are, spin by spin: bonds, states, energies, and the dense
 * matrix of the Gaussian field that stands for them. Slow and obvious.
 *
 * A site has one of `states` states, in which its component a is 1 or -1 (two states, ising) or 1
 * for a = state and else 0 (three, nematic); with A_ij the bonds between i and j and c_a the
 * components, U = -J/2 sum over a of c_a^T A c_a - h sum of the last component. K = (J/T)(A +
 * alpha I); given the spins the fields' component a is Normal(K c_a, K). */
#ifndef BOLTZ_EXACT_LATTICE_H
#define BOLTZ_EXACT_LATTICE_H

#include "boltz/arena.h"
#include "boltz/status.h"

#define BOLTZ_LATTICE_SITES 64 /* at most */

struct boltz_lattice {
  int N, axes, sites, states, components;
  double J, h, alpha, T;
  double *bonds, *K, *lower; /* [sites, sites]; K = lower lower^T */
  double log_det;            /* ln det(2 pi K) */
};

/** axes 2: ising; 3: nematic. Errors: OUT_OF_RANGE (sites; alpha too small), NO_MEMORY. */
enum boltz_status boltz_lattice_new(int N, int axes, double J, double h, double alpha, double T,
                                    struct boltz_arena *arena, struct boltz_lattice *lattice);

/** bonds [sites, sites] of a periodic lattice: one for every site and axis, to the next along it.
 */
void boltz_lattice_bonds(int N, int axes, int sites, double *bonds);

/** Component a of a state; that of all sites, c [sites]. */
double boltz_lattice_value(const struct boltz_lattice *lattice, int state, int a);
void boltz_lattice_component(const struct boltz_lattice *lattice, const int *spins, int a,
                             double *c);

/** U, unreduced. */
double boltz_lattice_energy(const struct boltz_lattice *lattice, const int *spins);

/** State number k: its digits in base `states`, site 0 the lowest; and how many there are. */
void boltz_lattice_state(const struct boltz_lattice *lattice, int k, int *spins);
int boltz_lattice_count(const struct boltz_lattice *lattice);

/** to = a v, a [n, n]. */
void boltz_lattice_apply(int n, const double *a, const double *v, double *to);

#endif
