/* test_chain.c - walkers start where they may, and accept as Metropolis says. */
#include "tests/chain_world.h"

/* A half-space that answers NaN or an infinity. */
static void broken_energy(const void *settings, const struct boltz_batch *x, double *U,
                          struct boltz_batch *gU, struct boltz_arena *scratch) {
  (void)gU, (void)scratch;
  for (size_t i = 0; i < x->n; i++)
    U[i] = x->col[0][i] > 0 ? *(const double *)settings : 0.5 * x->col[0][i] * x->col[0][i];
}

static void nowhere_energy(const void *settings, const struct boltz_batch *x, double *U,
                           struct boltz_batch *gU, struct boltz_arena *scratch) {
  (void)settings, (void)gU, (void)scratch;
  for (size_t i = 0; i < x->n; i++) U[i] = INFINITY;
}

static const struct boltz_energy_kind broken = {
    .name = "broken", .dim = one, .energy = broken_energy};
static const struct boltz_energy_kind nowhere = {
    .name = "nowhere", .dim = one, .energy = nowhere_energy};

static struct boltz_chain chain_new(struct boltz_arena *arena, const struct boltz_energy *energy,
                                    uint64_t seed, size_t walkers) {
  const struct boltz_move_kind *move = boltz_move_kind_find("metropolis");
  const void *settings = defaults(arena, move->fields, move->settings_size);
  struct boltz_chain chain;
  CHECK_INT(
      boltz_chain_new(energy, energy->temperature, move, settings, seed, walkers, arena, &chain),
      BOLTZ_OK);
  return chain;
}

static void every_walker_starts_where_the_energy_is_finite(void) {
  const struct boltz_energy_kind *kind;
  for (int k = 0; (kind = boltz_energy_kind_at(k)); k++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    struct boltz_energy energy = listed_energy(arena, kind->name, 0.5);
    struct boltz_chain chain = chain_new(arena, &energy, 1, 50);
    CHECK_INT(boltz_chain_start(&chain, arena), BOLTZ_OK);
    double u[50];
    boltz_energy_eval(&energy, 0.5, &chain.x, u, NULL, arena);
    for (size_t i = 0; i < 50; i++) {
      CHECK(isfinite(u[i]) && u[i] == chain.u[i] && boltz_energy_inside(&energy, &chain.x, i));
      CHECK(i == 0 || chain.x.col[0][i] != chain.x.col[0][i - 1]);
    }
    CHECK(chain.energy_calls >= 100); /* the best of several */
    boltz_arena_close(arena);
  }
}

static void a_walker_that_finds_no_place_is_an_error(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy = energy_new(arena, &nowhere, NULL, 1);
  struct boltz_chain chain = chain_new(arena, &energy, 1, 3);
  CHECK_INT(boltz_chain_start(&chain, arena), BOLTZ_OUT_OF_RANGE);
  CHECK(strstr(boltz_error(), "1024 tries"));
  /* of ladders, the rungs together */
  struct boltz_explore *explore;
  const struct boltz_explore_options options = {.steps = 1, .walkers = 2, .rungs = 4};
  CHECK_INT(boltz_explore_new(&energy, &options, arena, &explore), BOLTZ_OK);
  for (int s = 0; s < boltz_explore_shards(explore); s++)
    while (boltz_explore_step(explore, s, arena)) continue;
  CHECK_INT(boltz_explore_status(explore), BOLTZ_OUT_OF_RANGE);
  CHECK(strstr(boltz_error(), "2 of 2 walkers") && strstr(boltz_error(), "1024 tries"));
  CHECK_INT(boltz_explore_energy_calls(explore), 2 * 1024);
  boltz_arena_close(arena);
}

/* The slow obvious chain, a walker at a time, beside ours. */
static void a_step_accepts_as_metropolis_says(void) {
  enum { N = 60, STEPS = 40 };
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy = listed_energy(arena, "harmonic_pair", 0.5);
  struct boltz_chain chain = chain_new(arena, &energy, 17, N);
  CHECK_INT(boltz_chain_start(&chain, arena), BOLTZ_OK);
  double x[N][2];
  for (int i = 0; i < N; i++) x[i][0] = chain.x.col[0][i], x[i][1] = chain.x.col[1][i];
  uint64_t accepted = 0, calls = chain.energy_calls;

  for (uint64_t s = 0; s < STEPS; s++) {
    boltz_chain_step(&chain, arena);
    for (int i = 0; i < N; i++) {
      double z[2], r[2], y1, y2, k = 1, L = 4, T = 0.5;
      boltz_rng_normal(17, BOLTZ_STREAM_PROPOSE, s * N + (uint64_t)i, 0, z);
      boltz_rng_uniform(17, BOLTZ_STREAM_ACCEPT, s * N + (uint64_t)i, 0, r);
      y1 = x[i][0] + 0.5 * z[0], y2 = x[i][1] + 0.5 * z[1];
      double before = k * (x[i][1] - x[i][0]) * (x[i][1] - x[i][0]) / T;
      double after = k * (y2 - y1) * (y2 - y1) / T;
      if (y1 >= 0 && y1 <= L && r[0] < exp(before - after)) x[i][0] = y1, x[i][1] = y2, accepted++;
    }
  }

  CHECK_INT(chain.step, STEPS);
  CHECK_INT(chain.accepted, accepted);
  CHECK_INT(chain.energy_calls - calls, N * STEPS);
  CHECK(accepted > 0 && accepted < N * STEPS);
  double u[N];
  boltz_energy_eval(&energy, 0.5, &chain.x, u, NULL, arena);
  for (int i = 0; i < N; i++)
    CHECK(chain.x.col[0][i] == x[i][0] && chain.x.col[1][i] == x[i][1] && chain.u[i] == u[i]);
  boltz_arena_close(arena);
}

/* What a walker does depends on its number alone. */
static void chains_that_share_walkers_do_what_one_does(void) {
  enum { N = 29, CUT = 10 };
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy = listed_energy(arena, "lj_fluid", 1);
  struct boltz_chain one = chain_new(arena, &energy, 8, N);
  struct boltz_chain some[] = {chain_new(arena, &energy, 8, CUT),
                               chain_new(arena, &energy, 8, N - CUT)};
  some[0].all = some[1].all = N;
  some[1].first = CUT;
  CHECK_INT(boltz_chain_start(&one, arena), BOLTZ_OK);
  for (int k = 0; k < 2; k++) CHECK_INT(boltz_chain_start(&some[k], arena), BOLTZ_OK);
  CHECK_INT(boltz_chain_started(some, 2), BOLTZ_OK);
  for (int s = 0; s < 30; s++) {
    boltz_chain_step(&one, arena);
    for (int k = 0; k < 2; k++) boltz_chain_step(&some[k], arena);
  }
  CHECK_INT(some[0].accepted + some[1].accepted, one.accepted);
  CHECK(one.accepted > 0);
  for (size_t i = 0; i < N; i++)
    for (int j = 0; j < one.x.dim; j++)
      CHECK(one.x.col[j][i] == some[i >= CUT].x.col[j][i - some[i >= CUT].first]);
  boltz_arena_close(arena);
}

static void a_walker_never_enters_what_is_not_finite(void) {
  double answers[] = {NAN, INFINITY, -INFINITY};
  for (int a = 0; a < 3; a++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    struct boltz_energy energy = energy_new(arena, &broken, &answers[a], 1);
    struct boltz_chain chain = chain_new(arena, &energy, 2, 20);
    CHECK_INT(boltz_chain_start(&chain, arena), BOLTZ_OK);
    for (int s = 0; s < 200; s++) boltz_chain_step(&chain, arena);
    for (int i = 0; i < 20; i++) CHECK(chain.x.col[0][i] <= 0 && isfinite(chain.u[i]));
    CHECK(chain.accepted > 0);
    boltz_arena_close(arena);
  }
}

static void a_periodic_walker_goes_round(void) {
  enum { N = 20000 };
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy = energy_new(arena, &ring, NULL, 1);
  struct boltz_chain chain = chain_new(arena, &energy, 3, N);
  CHECK_INT(boltz_chain_start(&chain, arena), BOLTZ_OK);
  for (int s = 0; s < 200; s++) boltz_chain_step(&chain, arena); /* steps of 0.5 in 5 */
  for (int i = 0; i < N; i++) CHECK(chain.x.col[0][i] >= -2 && chain.x.col[0][i] < 3);
  /* <cos> = -I1(1) / I0(1) */
  check_mean("cos on a ring", &chain.x, N, ring_cos, -0.565159103992485 / 1.266065877752008, 0);
  boltz_arena_close(arena);
}

int main(int argc, char **argv) {
  RUN(every_walker_starts_where_the_energy_is_finite);
  RUN(a_walker_that_finds_no_place_is_an_error);
  RUN(a_step_accepts_as_metropolis_says);
  RUN(chains_that_share_walkers_do_what_one_does);
  RUN(a_walker_never_enters_what_is_not_finite);
  RUN(a_periodic_walker_goes_round);
  return check_report();
}
