/* estimate_world.h - x ~ N(0, 1) with weights e^{ax}, so that the target is N(a, 1) and log Z =
 * a²/2, averages, differences and profiles are known. */
#ifndef TESTS_ESTIMATE_WORLD_H
#define TESTS_ESTIMATE_WORLD_H

#include <stdint.h>

#include "boltz/rng.h"
#include "boltz/stats.h"
#include "check.h"

enum { columns = 2, bins = 20 };

/* Samples 0 … n−1: column 0 is x, column 1 is x². */
struct sample {
  size_t n;
  double *log_w, *column[columns];
};

static inline struct sample draw(uint64_t seed, size_t n, double a) {
  struct sample s = {.n = n, .log_w = malloc(n * sizeof(double))};
  for (int c = 0; c < columns; c++) s.column[c] = malloc(n * sizeof(double));
  for (size_t i = 0; i < n; i++) {
    double z[2];
    boltz_rng_normal(seed, BOLTZ_STREAM_TEST, i, 0, z);
    s.log_w[i] = a * z[0];
    s.column[0][i] = z[0];
    s.column[1][i] = z[0] * z[0];
  }
  return s;
}

static inline void discard(struct sample s) {
  free(s.log_w);
  for (int c = 0; c < columns; c++) free(s.column[c]);
}

/* ⟨x⟩, ⟨x²⟩, F(x ≥ 0) − F(x < 0), F(x ≥ 50) − F(x < 0): never reached; 20 bins on [−2, 3) */
static struct boltz_average_spec averages[] = {{0}, {1}};
static struct boltz_difference_spec differences[] = {
    {.column = 0, .a = {-INFINITY, 0}, .b = {0, INFINITY}},
    {.column = 0, .a = {-INFINITY, 0}, .b = {50, INFINITY}},
};
static struct boltz_profile_spec profiles[] = {{.column = 0, .low = -2, .high = 3, .bins = bins}};

static inline struct boltz_estimate_spec spec_of(uint64_t n) {
  return (struct boltz_estimate_spec){.n = n,
                                      .seed = 7,
                                      .naverages = 2,
                                      .averages = averages,
                                      .ndifferences = 2,
                                      .differences = differences,
                                      .nprofiles = 1,
                                      .profiles = profiles};
}

static inline void feed_lane(struct boltz_estimator *e, int lane, size_t most,
                             const struct sample *s) {
  uint64_t first;
  size_t n;
  while (boltz_estimator_next(e, lane, most, &first, &n)) {
    const double *at[columns];
    for (int c = 0; c < columns; c++) at[c] = s->column[c] + first;
    boltz_estimator_add(e, lane, n, s->log_w + first, at);
  }
}

/* Lanes are fed one after the other, from the last to the first when step is −1. */
static inline struct boltz_estimate estimate(struct boltz_arena *arena, const struct sample *s,
                                             size_t most, int step) {
  struct boltz_estimate_spec spec = spec_of(s->n);
  struct boltz_estimator *e = NULL;
  struct boltz_estimate result = {0};
  CHECK_INT(boltz_estimator_new(&spec, arena, &e), BOLTZ_OK);
  for (int k = 0; k < BOLTZ_ESTIMATE_LANES; k++)
    feed_lane(e, step > 0 ? k : BOLTZ_ESTIMATE_LANES - 1 - k, most, s);
  CHECK_INT(boltz_estimator_finish(e, arena, &result), BOLTZ_OK);
  return result;
}

#endif
