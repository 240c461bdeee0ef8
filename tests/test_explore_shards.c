/* test_explore_shards.c - replica exchange in shards and parts: on any threads, in any order, the
 * same samples in theirs. */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/chain_world.h"

/* A worker that sweeps over a large lattice is soon free for something else: a part is 64 sites of
   1024, or a place to start from. */
static void a_sweep_over_many_sites_is_done_in_parts(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  const struct boltz_explore_options options = {.seed = 6, .rungs = 2, .steps = 1};
  const struct boltz_energy_kind *kind = boltz_energy_kind_find("ising");
  void *settings = example_settings(arena, kind);
  set_number(kind->fields, settings, "N", 32, arena);
  struct boltz_energy energy = energy_new(arena, kind, settings, 1);
  struct boltz_explore *explore = NULL;
  CHECK_INT(boltz_explore_new(&energy, &options, arena, &explore), BOLTZ_OK);
  CHECK_INT(boltz_explore_shards(explore), 8);
  for (int s = 0; s < 8; s++) {
    int parts = 1;
    while (boltz_explore_step(explore, s, arena)) parts++;
    CHECK_INT(parts, 32 / 2 + 1 + 1024 / 64);
  }
  CHECK_INT(boltz_explore_samples(explore)->n, 64);
  /* 2 rungs, 64 walkers: half of 32 starts, all coordinates, all sites, their sum; an exchange */
  CHECK_INT(boltz_explore_energy_calls(explore), 2 * 64 * (16 + 3 + 1));
  boltz_arena_close(arena);
}

/* Threads that each take the next shard, and make parts of it in turn with those of another. */
struct crew {
  struct boltz_explore *explore;
  atomic_int next;
};

static void *step_shards(void *argument) {
  struct crew *crew = argument;
  struct boltz_arena *scratch = boltz_arena_open(0);
  for (;;) {
    const int a = atomic_fetch_add(&crew->next, 2), b = a + 1;
    if (a >= boltz_explore_shards(crew->explore)) break;
    bool more = true;
    while (more) {
      more = boltz_explore_step(crew->explore, a, scratch);
      if (b < boltz_explore_shards(crew->explore))
        more |= boltz_explore_step(crew->explore, b, scratch);
    }
  }
  boltz_arena_close(scratch);
  return NULL;
}

static void check_on_threads(const char *kind, const struct boltz_explore_options *options) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy = listed_energy(arena, kind, 1);
  struct boltz_explore *alone = explore(arena, &energy, options);
  const struct boltz_batch *expected = boltz_explore_samples(alone);
  for (int threads = 1; threads <= 3; threads++) {
    struct crew crew = {0};
    pthread_t thread[3];
    CHECK_INT(boltz_explore_new(&energy, options, arena, &crew.explore), BOLTZ_OK);
    for (int k = 0; k < threads; k++)
      CHECK_INT(pthread_create(&thread[k], NULL, step_shards, &crew), 0);
    for (int k = 0; k < threads; k++) pthread_join(thread[k], NULL);
    CHECK_INT(boltz_explore_status(crew.explore), BOLTZ_OK);
    const struct boltz_batch *x = boltz_explore_samples(crew.explore);
    CHECK_INT(x->n, expected->n);
    for (int j = 0; j < x->dim; j++)
      CHECK_MSG(memcmp(x->col[j], expected->col[j], x->n * sizeof(double)) == 0,
                "%s: x%d on %d threads", kind, j + 1, threads);
    CHECK_INT(boltz_explore_energy_calls(crew.explore), boltz_explore_energy_calls(alone));
  }
  boltz_arena_close(arena);
}

static void samples_are_the_same_on_any_number_of_threads(void) {
  const struct boltz_explore_options options = {.seed = 9, .burn_in = 30, .steps = 20};
  const struct boltz_explore_options few = {
      .seed = 9, .walkers = 5, .rungs = 3, .burn_in = 20, .steps = 20};
  check_on_threads("double_well", &options); /* a coordinate alone */
  check_on_threads("lj_fluid", &options);    /* sites */
  check_on_threads("ising", &options);       /* sites, and u is not U/T */
  check_on_threads("ising", &few);
}

static void a_scratch_that_is_too_small_is_an_error(void) {
  struct boltz_arena *arena = boltz_arena_open(0), *scratch = boltz_arena_open(4096);
  struct boltz_energy energy = listed_energy(arena, "lj_fluid", 1);
  const struct boltz_explore_options options = {.seed = 1, .steps = 10};
  struct boltz_explore *explore = NULL;
  CHECK_INT(boltz_explore_new(&energy, &options, arena, &explore), BOLTZ_OK);
  CHECK(!boltz_explore_step(explore, 0, scratch));
  CHECK_INT(boltz_explore_status(explore), BOLTZ_NO_MEMORY);
  boltz_arena_close(scratch);
  boltz_arena_close(arena);
}

static void kept_samples_are_in_the_order_of_time_then_walker(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy = listed_energy(arena, "double_well", 1);
  struct boltz_explore_options options = {
      .seed = 5, .walkers = 6, .rungs = 3, .hot = 8, .burn_in = 50, .steps = 60, .stride = 1};
  struct boltz_explore *every = explore(arena, &energy, &options);
  options.stride = 7;
  struct boltz_explore *some = explore(arena, &energy, &options);
  const struct boltz_batch *a = boltz_explore_samples(every), *b = boltz_explore_samples(some);
  CHECK_INT(a->n, 6 * 60);
  CHECK_INT(b->n, 6 * 8);
  /* The same chain, looked at every seventh time. */
  for (size_t k = 0; k < 8; k++)
    for (size_t i = 0; i < 6; i++) CHECK(b->col[0][6 * k + i] == a->col[0][6 * (7 * k + 6) + i]);
  /* A walker that stays shows where its next row is; no two walkers are ever at one place. */
  int stays = 0;
  for (size_t row = 0; row + 6 < a->n; row++) {
    stays += a->col[0][row] == a->col[0][row + 6];
    CHECK(a->col[0][row] != a->col[0][row + 1]);
  }
  CHECK(stays > 0);
  CHECK_INT(boltz_explore_energy_calls(every), boltz_explore_energy_calls(some));
  /* 3 rungs, 6 walkers: a third of 32 starts, and 110 sweeps of two steps */
  CHECK_INT(boltz_explore_energy_calls(every), 3 * 6 * (11 + 2 * 110));
  CHECK(!boltz_explore_step(every, 0, arena));
  CHECK_INT(boltz_explore_samples(every)->n, 6 * 60);
  boltz_arena_close(arena);
}

static void another_seed_explores_otherwise(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy = listed_energy(arena, "double_well", 1);
  struct boltz_explore_options options = {.seed = 5, .walkers = 4, .burn_in = 20, .steps = 20};
  const struct boltz_batch *a = boltz_explore_samples(explore(arena, &energy, &options));
  const struct boltz_batch *same = boltz_explore_samples(explore(arena, &energy, &options));
  options.seed = 6;
  const struct boltz_batch *other = boltz_explore_samples(explore(arena, &energy, &options));
  for (int j = 0; j < 2; j++) {
    CHECK(memcmp(a->col[j], same->col[j], a->n * sizeof(double)) == 0);
    CHECK(memcmp(a->col[j], other->col[j], a->n * sizeof(double)) != 0);
  }
  boltz_arena_close(arena);
}

static void impossible_explorations_are_refused(void) {
  struct boltz_arena *arena = boltz_arena_open(1 << 20);
  struct boltz_energy energy = listed_energy(arena, "double_well", 1);
  struct boltz_explore *e;
  struct boltz_explore_options options = {.steps = 10, .hot = 0.5};
  CHECK_INT(boltz_explore_new(&energy, &options, arena, &e), BOLTZ_OUT_OF_RANGE);
  options = (struct boltz_explore_options){.steps = 10, .hot = NAN};
  CHECK_INT(boltz_explore_new(&energy, &options, arena, &e), BOLTZ_OUT_OF_RANGE);
  options = (struct boltz_explore_options){.steps = 10, .rungs = 65};
  CHECK_INT(boltz_explore_new(&energy, &options, arena, &e), BOLTZ_OUT_OF_RANGE);
  options = (struct boltz_explore_options){.steps = 10, .stride = 11};
  CHECK_INT(boltz_explore_new(&energy, &options, arena, &e), BOLTZ_OUT_OF_RANGE);
  options = (struct boltz_explore_options){.steps = UINT64_MAX, .burn_in = 2};
  CHECK_INT(boltz_explore_new(&energy, &options, arena, &e), BOLTZ_OUT_OF_RANGE);
  options = (struct boltz_explore_options){.steps = UINT64_C(1) << 48, .walkers = 1 << 20};
  CHECK_INT(boltz_explore_new(&energy, &options, arena, &e), BOLTZ_NO_MEMORY);
  options = (struct boltz_explore_options){.steps = 100000};
  CHECK_INT(boltz_explore_new(&energy, &options, arena, &e), BOLTZ_NO_MEMORY);
  boltz_arena_close(arena);
}

int main(int argc, char **argv) {
  RUN(a_sweep_over_many_sites_is_done_in_parts);
  RUN(samples_are_the_same_on_any_number_of_threads);
  RUN(a_scratch_that_is_too_small_is_an_error);
  RUN(kept_samples_are_in_the_order_of_time_then_walker);
  RUN(another_seed_explores_otherwise);
  RUN(impossible_explorations_are_refused);
  return check_report();
}
