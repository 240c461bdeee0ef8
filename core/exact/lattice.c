/* lattice.c - lattice models as they are, spin by spin. */
#include "core/exact/lattice.h"

#include <math.h>
#include <string.h>

#include "core/linear/lapack.h"

void boltz_lattice_bonds(int N, int axes, int sites, double *bonds) {
  memset(bonds, 0, (size_t)sites * sites * sizeof *bonds);
  for (int i = 0; i < sites; i++)
    for (int axis = 0, stride = 1; axis < axes; axis++, stride *= N) {
      const int j = i / stride % N == N - 1 ? i - (N - 1) * stride : i + stride;
      bonds[i * sites + j]++, bonds[j * sites + i]++;
    }
}

enum boltz_status boltz_lattice_new(int N, int axes, double J, double h, double alpha, double T,
                                    struct boltz_arena *arena, struct boltz_lattice *lattice) {
  const int sites = axes == 2 ? N * N : N * N * N;
  if (sites > BOLTZ_LATTICE_SITES)
    return boltz_fail(BOLTZ_OUT_OF_RANGE, "%d sites are more than %d", sites, BOLTZ_LATTICE_SITES);
  const size_t n = (size_t)sites * sites;
  *lattice = (struct boltz_lattice){.N = N,
                                    .axes = axes,
                                    .sites = sites,
                                    .states = axes,
                                    .components = axes == 2 ? 1 : 3,
                                    .J = J,
                                    .h = h,
                                    .alpha = alpha,
                                    .T = T,
                                    .bonds = BOLTZ_NEW_ARRAY(arena, n, double),
                                    .K = BOLTZ_NEW_ARRAY(arena, n, double),
                                    .lower = BOLTZ_NEW_ARRAY(arena, n, double)};
  if (!lattice->bonds || !lattice->K || !lattice->lower) return BOLTZ_NO_MEMORY;
  boltz_lattice_bonds(N, axes, sites, lattice->bonds);
  for (int i = 0; i < sites; i++)
    for (int j = 0; j < sites; j++)
      lattice->K[i * sites + j] = J / T * (lattice->bonds[i * sites + j] + (i == j ? alpha : 0));
  memcpy(lattice->lower, lattice->K, n * sizeof(double));
  BOLTZ_TRY(boltz_cholesky(sites, lattice->lower));
  lattice->log_det = sites * log(2 * M_PI);
  for (int i = 0; i < sites; i++) lattice->log_det += 2 * log(lattice->lower[i * (sites + 1)]);
  return BOLTZ_OK;
}

double boltz_lattice_value(const struct boltz_lattice *lattice, int state, int a) {
  return lattice->states == 2 ? 1 - 2 * state : state == a;
}

void boltz_lattice_component(const struct boltz_lattice *lattice, const int *spins, int a,
                             double *c) {
  for (int i = 0; i < lattice->sites; i++) c[i] = boltz_lattice_value(lattice, spins[i], a);
}

void boltz_lattice_apply(int n, const double *a, const double *v, double *to) {
  for (int r = 0; r < n; r++) {
    to[r] = 0;
    for (int c = 0; c < n; c++) to[r] += a[r * n + c] * v[c];
  }
}

double boltz_lattice_energy(const struct boltz_lattice *lattice, const int *spins) {
  double U = 0, c[BOLTZ_LATTICE_SITES], around[BOLTZ_LATTICE_SITES];
  for (int a = 0; a < lattice->components; a++) {
    boltz_lattice_component(lattice, spins, a, c);
    boltz_lattice_apply(lattice->sites, lattice->bonds, c, around);
    for (int i = 0; i < lattice->sites; i++) U -= 0.5 * lattice->J * c[i] * around[i];
  }
  for (int i = 0; i < lattice->sites; i++) U -= lattice->h * c[i];
  return U;
}

void boltz_lattice_state(const struct boltz_lattice *lattice, int k, int *spins) {
  for (int i = 0; i < lattice->sites; i++, k /= lattice->states) spins[i] = k % lattice->states;
}

int boltz_lattice_count(const struct boltz_lattice *lattice) {
  int count = 1;
  for (int i = 0; i < lattice->sites; i++) count *= lattice->states;
  return count;
}
