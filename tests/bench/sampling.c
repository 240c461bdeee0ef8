/* sampling.c - samples with log q a second, each thread with rows of its own. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

struct sampler {
  const struct boltz_checkpoint *checkpoint;
  struct boltz_arena *arena, *scratch;
  uint64_t seed, first;
  struct boltz_batch x;
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

int bench_sample(const struct bench_options *options) {
  struct bench_flow flow;
  bench_flow_open(options, &flow);
  void **samplers = calloc((size_t)options->threads, sizeof *samplers);
  if (!samplers) return 1;
  for (int k = 0; k < options->threads; k++)
    samplers[k] = sampler_open(&flow.checkpoint, options->n, k);
  const double calls = bench_rate(options->threads, draw, samplers, options->seconds);
  const double last = ((struct sampler *)samplers[0])->log_q[options->n - 1];
  printf("{\"rate\":%.6g,\"seconds_a_call\":%.6g,\"flops\":%.6g,\"log_q\":%.6g}\n",
         calls * (double)options->n, options->threads / calls,
         flow.checkpoint.flow.flops[BOLTZ_FP32], last);
  for (int k = 0; k < options->threads; k++) sampler_close(samplers[k]);
  free(samplers);
  bench_flow_close(&flow);
  return 0;
}
