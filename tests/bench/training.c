/* training.c - steps of maximum likelihood a second, a step's pieces shared by the threads. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

#define STEPS_MAX 1000000
#define SPINS 20000 /* before a waiting thread lets others run */

/* Threads that take a step's pieces and meet after every round. */
struct team {
  struct boltz_train *train;
  int threads;
  double seconds;
  double rate;
  atomic_int next, waiting, round;
  atomic_bool stop;
};

struct member {
  pthread_t thread;
  struct team *team;
  int k;
};

/* All are here; the last one to come starts the counter of pieces anew. */
static void meet(struct team *team) {
  const int round = atomic_load(&team->round);
  if (atomic_fetch_add(&team->waiting, 1) + 1 == team->threads) {
    atomic_store(&team->waiting, 0);
    atomic_store(&team->next, 0);
    atomic_store(&team->round, round + 1);
    return;
  }
  for (int spins = 0; atomic_load(&team->round) == round; spins++)
    if (spins > SPINS) sched_yield();
}

static void step(struct team *team, int k, struct boltz_arena *scratch) {
  struct boltz_train *train = team->train;
  const int pieces = (int)boltz_train_pieces(train);
  for (int s; (s = atomic_fetch_add(&team->next, 1)) < BOLTZ_TRAIN_SHARDS;)
    while (boltz_train_shard(train, s, scratch)) continue;
  meet(team);
  for (int p; (p = atomic_fetch_add(&team->next, 1)) < pieces;)
    boltz_train_reduce(train, (size_t)p);
  meet(team);
  for (int p; (p = atomic_fetch_add(&team->next, 1)) < pieces;)
    boltz_train_update(train, (size_t)p);
  meet(team);
  if (k == 0) boltz_train_finish(train);
}

static void *work(void *argument) {
  struct member *member = argument;
  struct team *team = member->team;
  struct boltz_arena *scratch = boltz_arena_open(0);
  if (!scratch) bench_check(BOLTZ_NO_MEMORY);
  bench_pin(member->k);
  double start = bench_now();
  for (int steps = 0;; steps++) {
    if (member->k == 0) {
      const double now = bench_now();
      if (steps == 1) start = now; /* the first step warms up */
      if (steps > 1) team->rate = (steps - 1) / (now - start);
      atomic_store(&team->stop, steps > 3 && now - start >= team->seconds);
    }
    meet(team);
    if (atomic_load(&team->stop)) break;
    step(team, member->k, scratch);
  }
  boltz_arena_close(scratch);
  return NULL;
}

int bench_train(const struct bench_options *options) {
  struct bench_flow flow;
  struct boltz_batch data;
  struct bench_options fp32 = *options;
  fp32.precision = BOLTZ_FP32;
  bench_flow_open(&fp32, &flow);
  struct boltz_checkpoint *checkpoint = &flow.checkpoint;
  bench_check(boltz_batch_new(flow.arena, options->n, checkpoint->flow.dim, &data));
  boltz_rng_normals(1, BOLTZ_STREAM_TEST, 0, &data);
  const struct boltz_stage stage = {.steps = STEPS_MAX,
                                    .batch = (int64_t)options->n,
                                    .learning_rate = 1e-4,
                                    .final_learning_rate = 1,
                                    .ml = 1};
  const struct boltz_train_options training = {
      .seed = 1, .nstages = 1, .stages = &stage, .data = &data, .energy_high = 1e10};
  struct team team = {.threads = options->threads, .seconds = options->seconds};
  bench_check(boltz_train_new(&checkpoint->flow, &checkpoint->energy, &checkpoint->weights,
                              &training, flow.arena, &team.train));

  struct member *members = calloc((size_t)options->threads, sizeof *members);
  if (!members) return 1;
  for (int k = 0; k < options->threads; k++) {
    members[k] = (struct member){.team = &team, .k = k};
    if (pthread_create(&members[k].thread, NULL, work, &members[k]) != 0) return 1;
  }
  for (int k = 0; k < options->threads; k++) pthread_join(members[k].thread, NULL);
  struct boltz_train_report report;
  boltz_train_report(team.train, &report);
  printf("{\"rate\":%.6g,\"flops\":%.6g,\"loss\":%.6g}\n", team.rate,
         3 * bench_flow_flops(&flow) * (double)options->n, report.loss);
  free(members);
  bench_flow_close(&flow);
  return 0;
}
