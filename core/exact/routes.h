/* routes.h - what the ways to an exact number share, and their lists. Private to core/exact. */
#ifndef BOLTZ_EXACT_ROUTES_H
#define BOLTZ_EXACT_ROUTES_H

#include "core/exact/exact.h"

/** The cases of each file; a NULL kind ends a list. */
extern const struct boltz_exact_case boltz_exact_wells[], boltz_exact_mixtures[],
    boltz_exact_particles[], boltz_exact_clusters[], boltz_exact_spins[], boltz_exact_sites[];

/** A number among an energy's settings. */
double boltz_exact_setting(const struct boltz_energy *energy, const char *name);

/* ---- quadrature.c ---- */

/** A rectangle of two numbers a, b that are turned into x1, x2 (NULL: that they are), every other
 * coordinate being 0; Simpson's rule with `steps` intervals a side. */
struct boltz_exact_plane {
  double low[2], high[2];
  int steps; /* even */
  void (*place)(double a, double b, double x[2]);
  double jacobian; /* dx1 dx2 / da db */
};

/** Integrals of p, p u, p a, p a^2 over a rectangle, p = exp(-u). */
struct boltz_exact_integral {
  double p, pu, pa, paa;
};

enum boltz_status boltz_exact_integrate(const struct boltz_energy *energy,
                                        const struct boltz_exact_plane *plane,
                                        struct boltz_exact_integral *integral,
                                        struct boltz_arena *scratch);

/** Nodes and weights [n] of Gauss and Legendre on [low, high]. */
void boltz_exact_gauss(int n, double low, double high, double *node, double *weight);

/* ---- descent.c ---- */

/** Go down from y [1, dim] to a minimum, in place. Errors: OUT_OF_RANGE when 5000 steps do not get
 * there; NO_MEMORY. */
enum boltz_status boltz_exact_descend(const struct boltz_energy *energy, struct boltz_batch *y,
                                      double *u, struct boltz_arena *scratch);

/** Helmert's coordinates y [(particles - 1) space] of positions x, by their definition. */
void boltz_exact_helmert(int particles, int space, const double *x, double *y);

/* ---- draws ---- */

/** The mean of independent values [n]. */
struct boltz_exact_value boltz_exact_mean(size_t n, const double *value);

/** ln of the mean of exp(log_w) [n]. */
struct boltz_exact_value boltz_exact_log_mean(size_t n, const double *log_w);

#endif
