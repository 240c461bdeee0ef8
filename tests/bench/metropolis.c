/* metropolis.c - the plain alternative: a random walk with the step that remembers least.
 *
 * Every step of a list is tried; the one of the shortest autocorrelation time of what is averaged
 * (the side of the well, or the energy) is measured. That is kinder to the walk than the usual rule
 * of an acceptance between 0.2 and 0.5, whose walkers hardly ever cross a barrier. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

#define WALKERS 64
#define BURN_IN 4000
#define TRIAL 8000
#define SERIES 40000

static const double steps[] = {0.1, 0.25, 0.5, 1, 1.5, 2, 2.5, 3, 4, 6};

struct walk {
  struct boltz_arena *arena, *scratch;
  bool difference;
  struct boltz_chain chain;
};

static struct boltz_json *parse(const char *text, struct boltz_arena *arena) {
  struct boltz_json *root = NULL;
  bench_check(boltz_json_parse(text, strlen(text), 4, arena, &root));
  return root;
}

static void walk_open(struct walk *walk, const struct bench_options *options, double step,
                      uint64_t seed) {
  char text[128];
  *walk = (struct walk){.arena = boltz_arena_open(0),
                        .scratch = boltz_arena_open(0),
                        .difference = strcmp(options->of, "difference") == 0};
  if (!walk->arena || !walk->scratch) bench_check(BOLTZ_NO_MEMORY);
  struct boltz_energy *energy = BOLTZ_NEW(walk->arena, struct boltz_energy);
  const struct boltz_move_kind *move = boltz_move_kind_find("metropolis");
  void *settings = boltz_arena_alloc(walk->arena, 1, move->settings_size);
  if (!energy || !settings) bench_check(BOLTZ_NO_MEMORY);
  snprintf(text, sizeof text, "{\"kind\":\"%s\"}", options->energy);
  bench_check(boltz_energy_parse(parse(text, walk->arena), 1, walk->arena, energy));
  snprintf(text, sizeof text, "{\"step\":%g}", step);
  bench_check(
      boltz_json_fields(parse(text, walk->arena), move->fields, NULL, settings, walk->arena));
  bench_check(boltz_chain_new(energy, 1, move, settings, seed, WALKERS, walk->arena, &walk->chain));
  bench_check(boltz_chain_start(&walk->chain, walk->scratch));
  for (int t = 0; t < BURN_IN; t++) boltz_chain_step(&walk->chain, walk->scratch);
  walk->chain.accepted = 0;
}

static void walk_close(struct walk *walk) {
  boltz_arena_close(walk->scratch);
  boltz_arena_close(walk->arena);
}

/* Autocorrelation time, in steps, of what is averaged. */
static double memory(struct walk *walk, size_t length) {
  const struct boltz_chain *chain = &walk->chain;
  const struct boltz_mark mark = boltz_arena_mark(walk->scratch);
  double *series = boltz_arena_scratch(walk->scratch, length * WALKERS, sizeof *series);
  if (!series) bench_check(BOLTZ_NO_MEMORY);
  for (size_t t = 0; t < length; t++) {
    boltz_chain_step(&walk->chain, walk->scratch);
    for (size_t i = 0; i < WALKERS; i++)
      series[t * WALKERS + i] = walk->difference ? chain->x.col[0][i] > 0 : chain->u[i];
  }
  const double tau = boltz_stats_autocorrelation_time(series, length, WALKERS);
  boltz_arena_release(walk->scratch, mark);
  return tau;
}

static double best_step(const struct bench_options *options) {
  double best = steps[0], shortest = INFINITY;
  for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
    struct walk walk;
    walk_open(&walk, options, steps[k], 1);
    const double tau = memory(&walk, TRIAL);
    if (tau < shortest) best = steps[k], shortest = tau;
    walk_close(&walk);
  }
  return best;
}

static void step_once(void *self) {
  struct walk *walk = self;
  boltz_chain_step(&walk->chain, walk->scratch);
}

int bench_metropolis(const struct bench_options *options) {
  const double step = best_step(options);
  struct walk *walks = calloc((size_t)options->threads, sizeof *walks);
  void **threads = calloc((size_t)options->threads, sizeof *threads);
  if (!walks || !threads) return 1;
  for (int k = 0; k < options->threads; k++) {
    walk_open(&walks[k], options, step, (uint64_t)k + 2);
    threads[k] = &walks[k];
  }
  const double tau = memory(&walks[0], SERIES);
  const double acceptance = (double)walks[0].chain.accepted / (SERIES * (double)WALKERS);
  const double rate = WALKERS * bench_rate(options->threads, step_once, threads, options->seconds);
  printf("{\"rate\":%.6g,\"autocorrelation_time\":%.6g,\"step\":%g,\"acceptance\":%.3g}\n", rate,
         tau, step, acceptance);
  for (int k = 0; k < options->threads; k++) walk_close(&walks[k]);
  free(threads);
  free(walks);
  return 0;
}
