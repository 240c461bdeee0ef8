/* test_moves.c - laws that every move keeps, and the exact numbers of each. */
#include "boltz/chain.h"
#include "tests/check.h"

#define WALKERS 40000
#define STEPS 30

static void *default_settings(struct boltz_arena *arena, const struct boltz_field *fields,
                              size_t size) {
  void *settings = boltz_arena_alloc(arena, 1, size + 1);
  boltz_field_defaults(fields, settings);
  return settings;
}

static struct boltz_energy energy_of(struct boltz_arena *arena, const char *name, double T) {
  const struct boltz_energy_kind *kind = boltz_energy_kind_find(name);
  void *settings = default_settings(arena, kind->fields, kind->settings_size);
  struct boltz_energy energy;
  CHECK_INT(boltz_energy_new(kind, settings, T, arena, &energy), BOLTZ_OK);
  return energy;
}

static void every_move_is_found_by_its_name(void) {
  int count = 0;
  for (const struct boltz_move_kind *kind; (kind = boltz_move_kind_at(count)); count++) {
    CHECK_MSG(boltz_move_kind_find(kind->name) == kind, "%s", kind->name);
    CHECK_MSG(kind->doc && *kind->doc && kind->source && *kind->source, "%s", kind->name);
    for (const struct boltz_field *f = kind->fields; f && f->name; f++)
      CHECK_MSG(boltz_field_find(kind->fields, f->name) == f && f->doc && *f->doc, "%s", f->name);
  }
  CHECK(count > 0);
  CHECK(!boltz_move_kind_at(-1));
  CHECK(!boltz_move_kind_find("no such move"));
}

/* Exact samples of the default harmonic pair (k = 1, L = 4), by its perfect map:
 * x1 = L u, x2 = x1 + sqrt(T / 2k) z. */
static void place_exactly(struct boltz_chain *chain, struct boltz_arena *scratch) {
  for (size_t i = 0; i < chain->x.n; i++) {
    double u[2], z[2];
    boltz_rng_uniform(99, BOLTZ_STREAM_TEST, i, 0, u);
    boltz_rng_normal(99, BOLTZ_STREAM_TEST, i, 1, z);
    chain->x.col[0][i] = 4 * u[0];
    chain->x.col[1][i] = 4 * u[0] + sqrt(chain->temperature / 2) * z[0];
  }
  boltz_energy_eval(chain->energy, chain->temperature, &chain->x, chain->u, NULL, scratch);
}

/* The mean of a function of each walker is what it should be, within five standard errors. */
static void check_mean(const char *what, const double *value, double expected) {
  double mean = 0, square = 0;
  for (int i = 0; i < WALKERS; i++) mean += value[i] / WALKERS;
  for (int i = 0; i < WALKERS; i++) square += (value[i] - mean) * (value[i] - mean) / WALKERS;
  double error = sqrt(square / WALKERS);
  CHECK_MSG(fabs(mean - expected) <= 5 * error, "%s: %g +- %g is not %g", what, mean, error,
            expected);
}

static void check_harmonic_pair(const struct boltz_chain *chain, const char *what,
                                struct boltz_arena *arena) {
  double *value = boltz_arena_alloc(arena, WALKERS, sizeof(double));
  const double *x1 = chain->x.col[0], *x2 = chain->x.col[1];
  double T = chain->temperature;
  for (int i = 0; i < WALKERS; i++) value[i] = x1[i];
  check_mean(what, value, 2);
  for (int i = 0; i < WALKERS; i++) value[i] = (x1[i] - 2) * (x1[i] - 2);
  check_mean(what, value, 16.0 / 12);
  for (int i = 0; i < WALKERS; i++) value[i] = pow(x1[i] - 2, 4);
  check_mean(what, value, 16.0 / 5); /* of the uniform density: (L/2)^4 / 5 */
  for (int i = 0; i < WALKERS; i++) value[i] = (x2[i] - 2) * (x2[i] - 2);
  check_mean(what, value, 16.0 / 12 + T / 2);
  for (int i = 0; i < WALKERS; i++) value[i] = (x2[i] - x1[i]) * (x1[i] - 2);
  check_mean(what, value, 0);
  check_mean(what, chain->u, 0.5);
}

static void check_keeps_target(const struct boltz_move_kind *kind, double T) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy = energy_of(arena, "harmonic_pair", T);
  void *settings = default_settings(arena, kind->fields, kind->settings_size);
  struct boltz_chain chain;
  CHECK_INT(boltz_chain_new(&energy, T, kind, settings, 5, WALKERS, arena, &chain), BOLTZ_OK);
  place_exactly(&chain, arena);
  struct boltz_batch start;
  CHECK_INT(boltz_batch_new(arena, WALKERS, 2, &start), BOLTZ_OK);
  boltz_batch_copy(&start, 0, &chain.x, 0, WALKERS);

  for (int s = 0; s < STEPS; s++) boltz_chain_step(&chain, arena);

  check_harmonic_pair(&chain, kind->name, arena);
  double moved = 0;
  for (int i = 0; i < WALKERS; i++) moved += fabs(chain.x.col[0][i] - start.col[0][i]) / WALKERS;
  /* Independent draws of x1 are L/3 apart; a move that does its work comes a fair part of it. */
  CHECK_MSG(moved > 0.2, "%s moves x1 by %g", kind->name, moved);
  CHECK(chain.accepted > 0 && chain.accepted <= (uint64_t)WALKERS * STEPS);
  boltz_arena_close(arena);
}

static void every_move_keeps_the_target(void) {
  const struct boltz_move_kind *kind;
  for (int k = 0; (kind = boltz_move_kind_at(k)); k++) {
    check_keeps_target(kind, 1);
    check_keeps_target(kind, 0.6);
  }
}

static void every_walker_uses_its_own_random_numbers_only(void) {
  const struct boltz_move_kind *kind;
  for (int k = 0; (kind = boltz_move_kind_at(k)); k++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    struct boltz_energy energy = energy_of(arena, "double_well", 1);
    void *settings = default_settings(arena, kind->fields, kind->settings_size);
    struct boltz_batch x, y, view, part;
    double u[10], ratio[10], part_ratio[4];
    CHECK_INT(boltz_batch_new(arena, 10, 2, &x), BOLTZ_OK);
    CHECK_INT(boltz_batch_new(arena, 10, 2, &y), BOLTZ_OK);
    CHECK_INT(boltz_batch_new(arena, 4, 2, &part), BOLTZ_OK);
    CHECK_INT(boltz_batch_view(arena, &x, 6, 4, &view), BOLTZ_OK);
    boltz_rng_normals(1, BOLTZ_STREAM_TEST, 0, &x);
    boltz_energy_eval(&energy, 1, &x, u, NULL, arena);
    kind->propose(settings, &energy, 1, 9, 500, &x, u, &y, ratio, arena);
    kind->propose(settings, &energy, 1, 9, 506, &view, u + 6, &part, part_ratio, arena);
    for (int j = 0; j < 2; j++) {
      CHECK(memcmp(part.col[j], y.col[j] + 6, sizeof(part_ratio)) == 0);
      CHECK(y.col[j][0] - x.col[j][0] != y.col[j][1] - x.col[j][1]);
    }
    CHECK(memcmp(part_ratio, ratio + 6, sizeof(part_ratio)) == 0);
    boltz_arena_close(arena);
  }
}

static void a_metropolis_step_has_its_length(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  const struct boltz_move_kind *kind = boltz_move_kind_find("metropolis");
  struct boltz_energy energy = energy_of(arena, "double_well", 1);
  void *settings = default_settings(arena, kind->fields, kind->settings_size);
  const struct boltz_value value = {.type = BOLTZ_VALUE_NUMBER, .number = 0.3};
  CHECK_INT(boltz_field_set(boltz_field_find(kind->fields, "step"), settings, &value, arena),
            BOLTZ_OK);
  struct boltz_batch x, y;
  double *u = boltz_arena_alloc(arena, WALKERS, sizeof(double));
  double *ratio = boltz_arena_alloc(arena, WALKERS, sizeof(double));
  CHECK_INT(boltz_batch_new(arena, WALKERS, 2, &x), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(arena, WALKERS, 2, &y), BOLTZ_OK);
  for (int i = 0; i < WALKERS; i++) x.col[0][i] = 1, x.col[1][i] = -2, ratio[i] = 7;
  kind->propose(settings, &energy, 1, 9, 0, &x, u, &y, ratio, arena);
  double square = 0;
  for (int i = 0; i < WALKERS; i++) {
    square += pow(y.col[0][i] - 1, 2) + pow(y.col[1][i] + 2, 2);
    CHECK(ratio[i] == 0);
  }
  /* five standard errors of a chi-square mean */
  CHECK_NEAR(square / WALKERS, 2 * 0.09, 5 * 0.09 * sqrt(2 * 2.0 / WALKERS));

  const struct boltz_value zero = {.type = BOLTZ_VALUE_NUMBER, .number = 0};
  CHECK_INT(boltz_field_set(boltz_field_find(kind->fields, "step"), settings, &zero, arena),
            BOLTZ_OUT_OF_RANGE);
  boltz_arena_close(arena);
}

int main(int argc, char **argv) {
  RUN(every_move_is_found_by_its_name);
  RUN(every_move_keeps_the_target);
  RUN(every_walker_uses_its_own_random_numbers_only);
  RUN(a_metropolis_step_has_its_length);
  return check_report();
}
