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

static inline bool boltz_domain_same(const struct boltz_domain *a, const struct boltz_domain *b) {
  return a->type == b->type && (a->type == BOLTZ_REAL || (a->low == b->low && a->high == b->high));
}

/** A function of a configuration, by name: a collective variable if it is one number, else
 * something that a configuration stands for, such as the spins of a field. */
struct boltz_variable {
  const char *name;
  const char *doc;

  /* Numbers a configuration; 0: it does not exist with these settings. NULL: 1. */
  int (*width)(const void *settings);

  /* value [n, width] of x [n, dim]. What is drawn is drawn of (seed, BOLTZ_STREAM_HIDDEN, first +
     i) alone: all variables of a configuration see the same. */
  void (*eval)(const void *settings, double temperature, uint64_t seed, uint64_t first,
               const struct boltz_batch *x, struct boltz_batch *value, struct boltz_arena *scratch);
};

/** A kind of energy: the constant table at the end of its file. It may grow at its end alone: a
 * plug-in (plugin.h) says how much of it it knows, and what it does not know is 0. */
struct boltz_energy_kind {
  const char *name;
  const char *doc;    /* the formula and what it is */
  const char *source; /* where it comes from */
  const struct boltz_field *fields;
  size_t settings_size;
  const char *example; /* settings to try it with, a JSON object; NULL: the defaults will do */

  /* Number of coordinates. */
  int (*dim)(const void *settings);

  /* Check settings against each other and add what follows from them; NULL: nothing does. */
  enum boltz_status (*complete)(void *settings, struct boltz_arena *arena);

  /* Domain of coordinate j (0-based); NULL: every coordinate is real. */
  void (*domain)(const void *settings, int j, struct boltz_domain *domain);

  /* U(x), unreduced, and its gradient unless gU is NULL; u = U/T follows. Points are inside. */
  void (*energy)(const void *settings, const struct boltz_batch *x, double *U,
                 struct boltz_batch *gU, struct boltz_arena *scratch);

  /* Instead of `energy`, for kinds whose u(x; T) is not U/T. */
  void (*reduced)(const void *settings, double temperature, const struct boltz_batch *x, double *u,
                  struct boltz_batch *gu, struct boltz_arena *scratch);

  const struct boltz_variable *variables; /* ends with a NULL name; NULL: none */

  /* Particles, spins, fields that move alone: site k has the coordinates k width, k width + 1, ...
     NULL: there are none. */
  int (*site_width)(const void *settings);

  /* u(y; T) - u(x; T) [n], y being x but for the coordinates of one site, which are moved [n,
     width]; both are inside. For less than the whole energy costs; goes with site_width. */
  void (*difference)(const void *settings, double temperature, const struct boltz_batch *x,
                     int site, const struct boltz_batch *moved, double *du,
                     struct boltz_arena *scratch);
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

/**
 * More kinds, behind the library's own: NULL-ended, of names that are not there yet. The list stays
 * the caller's; NULL takes it away again. Threads: while there is no other, so that everybody sees
 * one list that never changes, as if it had been linked in.
 */
void boltz_energy_kinds_extend(const struct boltz_energy_kind *const *kinds);

/**
 * Is the table of a kind well-formed: name, documents, functions, settings, variables? For kinds
 * that no test of ours has seen. Errors: OUT_OF_RANGE, a sentence about the kind.
 */
enum boltz_status boltz_energy_kind_check(const struct boltz_energy_kind *kind);

#define BOLTZ_DIM_MAX 4096
#define BOLTZ_TEMPERATURE_MIN 1e-6
#define BOLTZ_TEMPERATURE_MAX 1e6

/**
 * Make an energy in the arena; `settings` was filled through the kind's fields, is completed and
 * kept by reference. Errors: OUT_OF_RANGE (temperature, dim), those of the kind's complete(),
 * NO_MEMORY.
 */
enum boltz_status boltz_energy_new(const struct boltz_energy_kind *kind, void *settings,
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

/**
 * Try an energy that no test of ours has seen on points of its domain: u is finite somewhere, a
 * point's u does not depend on its batch, x is left as it is, the gradient matches differences of u
 * where it is smooth, and so does the difference of a single site.
 * Errors: OUT_OF_RANGE, a sentence with the point's numbers; NO_MEMORY. Scratch is given back.
 */
enum boltz_status boltz_energy_check(const struct boltz_energy *energy,
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

/** The coordinates' names for who mistyped one: "x1", "x1, x2", "x1 … x76". Returns the length. */
size_t boltz_energy_list_coordinates(const struct boltz_energy *energy, char *text, size_t size);

/** The variable of that name, NULL when the energy has none. "energy" is not among them: callers
 * have it. */
const struct boltz_variable *boltz_energy_variable(const struct boltz_energy *energy,
                                                   const char *name);

/** Variable number `index` of those that this energy has; NULL past the last. */
const struct boltz_variable *boltz_energy_variable_at(const struct boltz_energy *energy, int index);

int boltz_variable_width(const struct boltz_energy *energy, const struct boltz_variable *variable);

/** Its value [n, width] at x [n, dim]; row i is sample first + i of the seed. Scratch is given
 * back.
 */
void boltz_variable_eval(const struct boltz_energy *energy, const struct boltz_variable *variable,
                         double temperature, uint64_t seed, uint64_t first,
                         const struct boltz_batch *x, struct boltz_batch *value,
                         struct boltz_arena *scratch);

#endif
