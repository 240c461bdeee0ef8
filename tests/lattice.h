/* lattice.h - energies on lattices to test, and the lattice models that their fields stand for:
 * bonds, states and dense matrices, independent of the library. */
#ifndef LATTICE_H
#define LATTICE_H

#include "boltz/energy.h"
#include "boltz/json.h"
#include "boltz/rng.h"
#include "tests/check.h"
#include "tests/dense.h"

enum { SITES_MAX = 64, COMPONENTS_MAX = 3 };

static const double pi = 3.14159265358979323846;

struct specimen {
  struct boltz_arena *arena;
  struct boltz_energy energy;
};

/* An energy by its kind and settings; what goes wrong is left in *status. */
static inline struct specimen specimen_try(const char *name, const char *json, double temperature,
                                           enum boltz_status *status) {
  struct specimen s = {.arena = boltz_arena_open(0)};
  const struct boltz_energy_kind *kind = boltz_energy_kind_find(name);
  struct boltz_json *tree;
  void *settings = boltz_arena_alloc(s.arena, 1, kind->settings_size);
  CHECK_INT(boltz_json_parse(json, strlen(json), 9, s.arena, &tree), BOLTZ_OK);
  *status = boltz_json_fields(tree, kind->fields, NULL, settings, s.arena);
  if (*status == BOLTZ_OK)
    *status = boltz_energy_new(kind, settings, temperature, s.arena, &s.energy);
  return s;
}

static inline struct specimen specimen_open(const char *name, const char *json,
                                            double temperature) {
  enum boltz_status status;
  struct specimen s = specimen_try(name, json, temperature, &status);
  CHECK_MSG(status == BOLTZ_OK, "%s %s: %s", name, json, boltz_error());
  return s;
}

static inline void specimen_close(struct specimen *s) {
  boltz_arena_close(s->arena);
}

static inline void check_refused(const char *name, const char *json, const char *pointer) {
  enum boltz_status status;
  struct specimen s = specimen_try(name, json, 1, &status);
  CHECK_MSG(status == BOLTZ_OUT_OF_RANGE, "%s %s: %s", name, json, boltz_status_name(status));
  CHECK_TEXT(boltz_error_pointer(), pointer);
  specimen_close(&s);
}

static inline struct boltz_batch batch_new(struct specimen *s, size_t n, int dim) {
  struct boltz_batch x;
  CHECK_INT(boltz_batch_new(s->arena, n, dim, &x), BOLTZ_OK);
  return x;
}

static inline void evaluate(struct specimen *s, const struct boltz_batch *x, double *u) {
  boltz_energy_eval(&s->energy, s->energy.temperature, x, u, NULL, s->arena);
}

/* One of the energy's variables, all of its columns. */
static inline struct boltz_batch variable(struct specimen *s, const char *name,
                                          const struct boltz_batch *x) {
  const struct boltz_variable *v = boltz_energy_variable(&s->energy, name);
  struct boltz_batch value = batch_new(s, x->n, boltz_variable_width(&s->energy, v));
  boltz_variable_eval(&s->energy, v, s->energy.temperature, 5, 0, x, &value, s->arena);
  return value;
}

static inline double uniform(uint64_t index, uint32_t block) {
  double u[2];
  boltz_rng_uniform(11, BOLTZ_STREAM_TEST, index, block, u);
  return u[0];
}

static inline double normal(uint64_t index, uint32_t block) {
  double z[2];
  boltz_rng_normal(12, BOLTZ_STREAM_TEST, index, block, z);
  return z[0];
}

/* bonds[i, j] of a periodic lattice: one for every site and axis, to the next site along it. */
static inline double *lattice_bonds(int N, int axes, int sites) {
  double *bonds = dense_new(sites);
  for (int i = 0; i < sites; i++)
    for (int axis = 0, stride = 1; axis < axes; axis++, stride *= N) {
      const int j = i / stride % N == N - 1 ? i - (N - 1) * stride : i + stride;
      bonds[i * sites + j]++, bonds[j * sites + i]++;
    }
  return bonds;
}

/* A lattice of `states` states a site, its component a having value(state, a) at a site:
   U = -J/2 sum over a of c_a^T A c_a - h sum of the last component. */
struct lattice {
  int N, sites, states, components;
  double J, h, alpha, T;
  double *bonds, *K, *inverse, *lower;
  double log_det; /* ln det(2 pi K) */
};

static inline double value_of(const struct lattice *l, int state, int a) {
  return l->states == 2 ? 1 - 2 * state : state == a;
}

static inline struct lattice lattice_new(const char *name, int N, double J, double h, double alpha,
                                         double T) {
  const int axes = strcmp(name, "ising") == 0 ? 2 : 3;
  struct lattice l = {.N = N,
                      .sites = axes == 2 ? N * N : N * N * N,
                      .states = axes,
                      .components = axes == 2 ? 1 : 3,
                      .J = J,
                      .h = h,
                      .alpha = alpha,
                      .T = T};
  l.bonds = lattice_bonds(N, axes, l.sites);
  l.K = dense_new(l.sites), l.inverse = dense_new(l.sites), l.lower = dense_new(l.sites);
  for (int k = 0; k < l.sites * l.sites; k++)
    l.K[k] = J / T * (l.bonds[k] + (k % (l.sites + 1) == 0 ? alpha : 0));
  dense_cholesky(l.sites, l.K, l.lower);
  double *spent = dense_new(l.sites);
  memcpy(spent, l.K, (size_t)l.sites * l.sites * sizeof(double));
  l.log_det = dense_invert(l.sites, spent, l.inverse) + l.sites * log(2 * pi);
  free(spent);
  return l;
}

static inline void lattice_free(struct lattice *l) {
  free(l->bonds), free(l->K), free(l->inverse), free(l->lower);
}

static inline void component_of(const struct lattice *l, const int *spins, int a, double *c) {
  for (int i = 0; i < l->sites; i++) c[i] = value_of(l, spins[i], a);
}

static inline double lattice_energy(const struct lattice *l, const int *spins) {
  double U = 0, c[SITES_MAX];
  for (int a = 0; a < l->components; a++) {
    component_of(l, spins, a, c);
    U -= 0.5 * l->J * dense_form(l->sites, l->bonds, c);
  }
  for (int i = 0; i < l->sites; i++) U -= l->h * c[i];
  return U;
}

/* State number k: its digits in base `states`, site 0 the lowest. */
static inline void state_number(const struct lattice *l, int k, int *spins) {
  for (int i = 0; i < l->sites; i++, k /= l->states) spins[i] = k % l->states;
}

static inline int state_count(const struct lattice *l) {
  int count = 1;
  for (int i = 0; i < l->sites; i++) count *= l->states;
  return count;
}

static inline double log_sum(int n, const double *terms) {
  double greatest = -INFINITY, sum = 0;
  for (int k = 0; k < n; k++) greatest = fmax(greatest, terms[k]);
  for (int k = 0; k < n; k++) sum += exp(terms[k] - greatest);
  return greatest + log(sum);
}

#endif
