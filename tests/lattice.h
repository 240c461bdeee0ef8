/* lattice.h - energies on lattices to test, beside the lattice models that their fields stand for.
 */
#ifndef LATTICE_H
#define LATTICE_H

#include "boltz/energy.h"
#include "boltz/json.h"
#include "boltz/rng.h"
#include "core/exact/lattice.h"
#include "tests/check.h"

enum { SITES_MAX = BOLTZ_LATTICE_SITES };

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

/* The lattice that a field of that kind stands for, in the specimen's arena. */
static inline struct boltz_lattice lattice_of(struct specimen *s, int N, double J, double h,
                                              double alpha) {
  const int axes = strcmp(s->energy.kind->name, "ising") == 0 ? 2 : 3;
  struct boltz_lattice lattice;
  CHECK_INT(boltz_lattice_new(N, axes, J, h, alpha, s->energy.temperature, s->arena, &lattice),
            BOLTZ_OK);
  return lattice;
}

/* v^T K^-1 v = |w|^2 with lower w = v. */
static inline double inverse_form(const struct boltz_lattice *l, const double *v) {
  double w[SITES_MAX], sum = 0;
  for (int r = 0; r < l->sites; r++) {
    w[r] = v[r];
    for (int c = 0; c < r; c++) w[r] -= l->lower[r * l->sites + c] * w[c];
    w[r] /= l->lower[r * (l->sites + 1)];
    sum += w[r] * w[r];
  }
  return sum;
}

static inline double log_sum(int n, const double *terms) {
  double greatest = -INFINITY, sum = 0;
  for (int k = 0; k < n; k++) greatest = fmax(greatest, terms[k]);
  for (int k = 0; k < n; k++) sum += exp(terms[k] - greatest);
  return greatest + log(sum);
}

#endif
