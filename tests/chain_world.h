/* chain_world.h - energies for walkers, and means of where they were. */
#ifndef TESTS_CHAIN_WORLD_H
#define TESTS_CHAIN_WORLD_H

#include "boltz/chain.h"
#include "tests/check.h"
#include "tests/examples.h"

static inline int one(const void *settings) {
  (void)settings;
  return 1;
}

/* A ring whose energy is cos. */
static inline void ring_domain(const void *settings, int j, struct boltz_domain *domain) {
  (void)settings, (void)j;
  *domain = (struct boltz_domain){.type = BOLTZ_PERIODIC, .low = -2, .high = 3};
}

static inline void ring_energy(const void *settings, const struct boltz_batch *x, double *U,
                               struct boltz_batch *gU, struct boltz_arena *scratch) {
  (void)settings, (void)gU, (void)scratch;
  for (size_t i = 0; i < x->n; i++) U[i] = cos(2 * acos(-1) / 5 * x->col[0][i]);
}

static const struct boltz_energy_kind ring = {
    .name = "ring", .dim = one, .domain = ring_domain, .energy = ring_energy};

static inline void set_number(const struct boltz_field *fields, void *settings, const char *name,
                              double number, struct boltz_arena *arena) {
  const struct boltz_value value = {.type = BOLTZ_VALUE_NUMBER, .number = number};
  CHECK_INT(boltz_field_set(boltz_field_find(fields, name), settings, &value, arena), BOLTZ_OK);
}

static inline void *defaults(struct boltz_arena *arena, const struct boltz_field *fields,
                             size_t size) {
  void *settings = boltz_arena_alloc(arena, 1, size + 1);
  boltz_field_defaults(fields, settings);
  return settings;
}

static inline struct boltz_energy energy_new(struct boltz_arena *arena,
                                             const struct boltz_energy_kind *kind, void *settings,
                                             double T) {
  struct boltz_energy energy;
  CHECK_INT(boltz_energy_new(kind, settings, T, arena, &energy), BOLTZ_OK);
  return energy;
}

static inline struct boltz_energy listed_energy(struct boltz_arena *arena, const char *name,
                                                double T) {
  const struct boltz_energy_kind *kind = boltz_energy_kind_find(name);
  return energy_new(arena, kind, example_settings(arena, kind), T);
}

/* Run replica exchange to its end. */
static inline struct boltz_explore *explore(struct boltz_arena *arena,
                                            const struct boltz_energy *energy,
                                            const struct boltz_explore_options *options) {
  struct boltz_explore *explore = NULL;
  CHECK_INT(boltz_explore_new(energy, options, arena, &explore), BOLTZ_OK);
  for (int s = 0; s < boltz_explore_shards(explore); s++)
    while (boltz_explore_step(explore, s, arena)) continue;
  CHECK_MSG(boltz_explore_status(explore) == BOLTZ_OK, "%s", boltz_error());
  return explore;
}

/* Mean over samples of a function of a coordinate, and its error from the ladders or walkers,
 * which know nothing of each other. */
static inline void check_mean(const char *what, const struct boltz_batch *x, size_t walkers,
                              double (*f)(const struct boltz_batch *, size_t), double expected,
                              double relative) {
  double sum = 0, squares = 0;
  size_t kept = x->n / walkers;
  for (size_t i = 0; i < walkers; i++) {
    double mean = 0;
    for (size_t k = 0; k < kept; k++) mean += f(x, k * walkers + i) / (double)kept;
    sum += mean, squares += mean * mean;
  }
  double n = (double)walkers, mean = sum / n;
  double error = sqrt((squares / n - mean * mean) / (n - 1));
  CHECK_MSG(fabs(mean - expected) <= fmax(5 * error, relative * fabs(expected)),
            "%s: %g +- %g is not %g", what, mean, error, expected);
  /* An error bar so wide that anything passes proves nothing. */
  CHECK_MSG(error < 0.2 * (fabs(expected) + 0.1), "%s: error %g", what, error);
}

static inline double ring_cos(const struct boltz_batch *x, size_t i) {
  return cos(2 * acos(-1) / 5 * x->col[0][i]);
}

#endif
