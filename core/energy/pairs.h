/* pairs.h - particles that meet in pairs: sums over the pairs of a function of their distance. */
#ifndef BOLTZ_ENERGY_PAIRS_H
#define BOLTZ_ENERGY_PAIRS_H

#include "boltz/energy.h"

/** Closer than this, in units of its own length, a repulsive pair is on top of each other: +inf.
 * There (sigma/r)^12 is 1e240: nothing that follows overflows before it is cut off. */
#define BOLTZ_PAIR_TOUCHES 1e-20

/** N particles in a plane or in space. Coordinate k of particle p is column p space + k. */
struct boltz_particles {
  int n, space;  /* space is at most 3 */
  double period; /* edge of the periodic box, separations are to the nearest image; 0: no box */
  int excluded;  /* the first so many have no pairs among each other; 0: every pair counts */
};

/** A pair's energy as a function of its distance. */
struct boltz_radial {
  /* Of n pairs at r^2: U(r) and f = U'(r)/r, which times the separation is the gradient. f is
     finite, 0 where U is not. */
  void (*eval)(const void *of, size_t n, const double *r2, double *U, double *f);
  const void *of;
};

/** U = 0 [n] and, unless NULL, gU = 0: what the sums below are added to. */
void boltz_pairs_clear(size_t n, double *U, struct boltz_batch *gU);

/**
 * Add the energy of all pairs, in a fixed order.
 *
 *   x   [n, N space] positions, in a periodic box less than 2^50 edges from each other
 *   U   [n]          in and out
 *   gU  [n, N space] in and out, or NULL
 */
void boltz_pairs_add(const struct boltz_particles *particles, const struct boltz_radial *radial,
                     const struct boltz_batch *x, double *U, struct boltz_batch *gU);

/** The same for the one pair (p, q), excluded or not. */
void boltz_pair_add(const struct boltz_particles *particles, const struct boltz_radial *radial,
                    int p, int q, const struct boltz_batch *x, double *U, struct boltz_batch *gU);

/** Add the energy of particle p's pairs, were it at `at` [n, space]. */
void boltz_pairs_add_site(const struct boltz_particles *particles,
                          const struct boltz_radial *radial, const struct boltz_batch *x, int p,
                          const struct boltz_batch *at, double *U);

/** The same for a particle at `at` and particle q alone. */
void boltz_pair_add_site(const struct boltz_particles *particles, const struct boltz_radial *radial,
                         const struct boltz_batch *x, int q, const struct boltz_batch *at,
                         double *U);

/** Add what in U(x) depends on the coordinates of a site, were they `at` [n, width]. */
struct boltz_site_energy {
  void (*add)(const void *settings, const struct boltz_batch *x, int site,
              const struct boltz_batch *at, double *U);
  const void *settings;
};

/** The difference() of a kind: [U(site moved) - U(site where it is)]/T. */
void boltz_site_difference(const struct boltz_site_energy *energy, double temperature,
                           const struct boltz_batch *x, int site, const struct boltz_batch *moved,
                           double *du, struct boltz_arena *scratch);

/** The distance [n] of particles p and q. */
void boltz_pair_distance(const struct boltz_particles *particles, int p, int q,
                         const struct boltz_batch *x, double *r);

/** The radius of gyration [n] of all particles: Rg^2 = sum over all pairs of r^2 / N^2, which is
 * the mean square distance from the centre of mass where there is no box. */
void boltz_pairs_gyration(const struct boltz_particles *particles, const struct boltz_batch *x,
                          double *rg);

#endif
