/* energy.h - an energy u(x; T) and its gradient over a batch, its coordinates' domains, its
 * collective variables. */
#ifndef BOLTZ_ENERGY_H
#define BOLTZ_ENERGY_H

#include "boltz/batch.h"
#include "boltz/field.h"

enum boltz_domain_type { BOLTZ_REAL, BOLTZ_INTERVAL, BOLTZ_PERIODIC };

/** Where a coordinate lives. `low` and `high` mean nothing for BOLTZ_REAL. */
struct boltz_domain {
  enum boltz_domain_type type;
  double low, high;
};

/** A collective variable: a function of a configuration, by name. */
struct boltz_variable {
  const char *name;
  const char *doc;
  /* x [n, dim] in, value [n] out */
  void (*eval)(const void *settings, const struct boltz_batch *x, double *value);
};

/** A kind of energy: the constant table at the end of its file. */
struct boltz_energy_kind {
  const char *name;
  const char *doc;    /* the formula and what it is */
  const char *source; /* where it comes from */
  const struct boltz_field *fields;
  size_t settings_size;

  /* Number of coordinates. */
  int (*dim)(const void *settings);

  /* Checks between settings; NULL: none are needed. */
  enum boltz_status (*check)(const void *settings);

  /* Domain of coordinate j (0-based); NULL: every coordinate is real. */
  void (*domain)(const void *settings, int j, struct boltz_domain *domain);

  /* U(x), unreduced, and its gradient unless gU is NULL; u = U/T follows. Points are inside. */
  void (*energy)(const void *settings, const struct boltz_batch *x, double *U,
                 struct boltz_batch *gU, struct boltz_arena *scratch);

  /* Instead of `energy`, for kinds whose u(x; T) is not U/T. */
  void (*reduced)(const void *settings, double temperature, const struct boltz_batch *x, double *u,
                  struct boltz_batch *gu, struct boltz_arena *scratch);

  const struct boltz_variable *variables; /* ends with a NULL name; NULL: none */
};

/** An energy at work: a kind, its settings, a temperature. Immutable once made. */
struct boltz_energy {
  const struct boltz_energy_kind *kind;
  const void *settings;
  double temperature;
  int dim;
  const struct boltz_domain *domain; /* [dim] */
};

/** The list of kinds; NULL when there is none at that index, or of that name. */
const struct boltz_energy_kind *boltz_energy_kind_at(int index);
const struct boltz_energy_kind *boltz_energy_kind_find(const char *name);

#define BOLTZ_DIM_MAX 4096
#define BOLTZ_TEMPERATURE_MIN 1e-6
#define BOLTZ_TEMPERATURE_MAX 1e6

/**
 * Make an energy in the arena; `settings` was filled through the kind's fields and is kept by
 * reference. Errors: OUT_OF_RANGE (temperature, dim, the kind's own check), NO_MEMORY.
 */
enum boltz_status boltz_energy_new(const struct boltz_energy_kind *kind, const void *settings,
                                   double temperature, struct boltz_arena *arena,
                                   struct boltz_energy *energy);

/**
 * The reduced energy u(x; temperature) and, unless gu is NULL, its gradient.
 *
 *   temperature   the T' at which u is taken, usually energy->temperature
 *   x    [n, dim] configurations
 *   u    [n]      out: +infinity outside the domain; an edge counts as one ulp inside
 *   gu   [n, dim] out or NULL: 0 outside the domain
 *
 * Periodic coordinates are wrapped first. x that is not finite is outside. Errors: none; an
 * overflow or exhausted scratch shows as a non-finite u.
 * Threads: reads energy only. Scratch is given back.
 */
void boltz_energy_eval(const struct boltz_energy *energy, double temperature,
                       const struct boltz_batch *x, double *u, struct boltz_batch *gu,
                       struct boltz_arena *scratch);

/** Is sample i of x inside the domain (edges included)? NaN is not. */
bool boltz_energy_inside(const struct boltz_energy *energy, const struct boltz_batch *x, size_t i);

/**
 * Move a point of the closed domain into its interior: an interval coordinate at an edge goes one
 * ulp inside, a periodic one is wrapped. In place.
 */
void boltz_energy_wrap(const struct boltz_energy *energy, struct boltz_batch *x);

/** Index of the coordinate "x<j>" (0-based), or -1. */
int boltz_energy_coordinate(const struct boltz_energy *energy, const char *name);

/** The collective variable of that name, or NULL. "energy" is not among them: callers have it. */
const struct boltz_variable *boltz_energy_variable(const struct boltz_energy *energy,
                                                   const char *name);

#endif
