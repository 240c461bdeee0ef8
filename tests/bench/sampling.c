/* sampling.c - samples with log q a second, or log q of given rows; each thread has its own. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

struct sampler {
  const struct boltz_checkpoint *checkpoint;
  struct boltz_arena *arena, *scratch;
  uint64_t seed, first;
  struct boltz_batch x, given;
  double *log_q;
};

static void *sampler_open(const struct boltz_checkpoint *checkpoint, size_t n, int k) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct sampler *sampler = BOLTZ_NEW(arena, struct sampler);
  if (!sampler) bench_check(BOLTZ_NO_MEMORY);
  *sampler = (struct sampler){.checkpoint = checkpoint,
                              .arena = arena,
                              .scratch = boltz_arena_open(0),
                              .seed = (uint64_t)k,
                              .log_q = BOLTZ_NEW_ARRAY(arena, n, double)};
  if (!sampler->scratch || !sampler->log_q) bench_check(BOLTZ_NO_MEMORY);
  bench_check(boltz_batch_new(arena, n, checkpoint->flow.dim, &sampler->x));
  bench_check(boltz_batch_new(arena, n, checkpoint->flow.dim, &sampler->given));
  boltz_rng_normals(sampler->seed, BOLTZ_STREAM_TEST, 0, &sampler->given);
  return sampler;
}

static void sampler_close(struct sampler *sampler) {
  boltz_arena_close(sampler->scratch);
  boltz_arena_close(sampler->arena);
}

static void draw(void *self) {
  struct sampler *s = self;
  boltz_flow_sample(&s->checkpoint->flow, &s->checkpoint->weights, s->seed, BOLTZ_STREAM_SAMPLE,
                    s->first, &s->x, NULL, s->log_q, s->scratch);
  s->first += s->x.n;
}

static void look_up(void *self) {
  struct sampler *s = self;
  boltz_batch_copy(&s->x, 0, &s->given, 0, s->x.n);
  boltz_flow_log_density(&s->checkpoint->flow, &s->checkpoint->weights, &s->x, s->log_q,
                         s->scratch);
}

static int measure(const struct bench_options *options, void (*once)(void *self)) {
  struct bench_flow flow;
  bench_flow_open(options, &flow);
  void **samplers = calloc((size_t)options->threads, sizeof *samplers);
  if (!samplers) return 1;
  for (int k = 0; k < options->threads; k++)
    samplers[k] = sampler_open(&flow.checkpoint, options->n, k);
  const double calls = bench_rate(options->threads, once, samplers, options->seconds);
  const double last = ((struct sampler *)samplers[0])->log_q[options->n - 1];
  printf("{\"rate\":%.6g,\"seconds_a_call\":%.6g,\"flops\":%.6g,\"log_q\":%.6g}\n",
         calls * (double)options->n, options->threads / calls, bench_flow_flops(&flow), last);
  for (int k = 0; k < options->threads; k++) sampler_close(samplers[k]);
  free(samplers);
  bench_flow_close(&flow);
  return 0;
}

int bench_sample(const struct bench_options *options) {
  return measure(options, draw);
}

int bench_density(const struct bench_options *options) {
  return measure(options, look_up);
}
