/* effective.c - what a user gets: effective samples a second, and how many samples an error bar
 * costs.
 *
 * A flow's samples carry weights w = exp(-u - log q), the walker's carry a memory. With v what is
 * averaged and V = Σwv/Σw, n samples leave
 *   var V = mean(w²(v - V)²)/mean(w)² / n        by weights (delta method)
 *   var V = var_π(v) τ / n                       by a chain of autocorrelation time τ
 * v is the energy, or 1 where x1 > 0; then F(right) - F(left) = -ln V/(1 - V), and the error of V
 * is divided by V(1 - V). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

/* Weighted sums, and the buffers of one thread. */
struct sums {
  const struct boltz_checkpoint *checkpoint;
  struct boltz_arena *arena, *scratch;
  bool difference;
  uint64_t seed, first;
  double shift; /* taken off every log weight */
  struct boltz_batch x;
  double *log_q, *u;
  double n, w, wv, wvv, ww, wwv, wwvv;
};

static void draw(struct sums *s) {
  boltz_flow_sample(&s->checkpoint->flow, &s->checkpoint->weights, s->seed, BOLTZ_STREAM_SAMPLE,
                    s->first, &s->x, NULL, s->log_q, s->scratch);
  boltz_energy_eval(&s->checkpoint->energy, s->checkpoint->energy.temperature, &s->x, s->u, NULL,
                    s->scratch);
  s->first += s->x.n;
}

static void add(void *self) {
  struct sums *s = self;
  const double *x1 = s->x.col[0];
  draw(s);
  for (size_t i = 0; i < s->x.n; i++) {
    const double w = exp(-s->u[i] - s->log_q[i] - s->shift);
    if (!(w > 0 && isfinite(w))) continue; /* of weight 0 */
    const double v = s->difference ? x1[i] > 0 : s->u[i];
    s->w += w;
    s->wv += w * v;
    s->wvv += w * v * v;
    s->ww += w * w;
    s->wwv += w * w * v;
    s->wwvv += w * w * v * v;
  }
  s->n += (double)s->x.n;
}

static void *sums_open(const struct boltz_checkpoint *checkpoint,
                       const struct bench_options *options, int k) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct sums *s = BOLTZ_NEW(arena, struct sums);
  if (!s) bench_check(BOLTZ_NO_MEMORY);
  *s = (struct sums){.checkpoint = checkpoint,
                     .arena = arena,
                     .scratch = boltz_arena_open(0),
                     .difference = strcmp(options->of, "difference") == 0,
                     .seed = (uint64_t)k,
                     .log_q = BOLTZ_NEW_ARRAY(arena, options->n, double),
                     .u = BOLTZ_NEW_ARRAY(arena, options->n, double)};
  if (!s->scratch || !s->log_q || !s->u) bench_check(BOLTZ_NO_MEMORY);
  bench_check(boltz_batch_new(arena, options->n, checkpoint->flow.dim, &s->x));
  return s;
}

/* A shift that keeps all weights near 1: log Z by the first rows. */
static double log_z(struct sums *s) {
  struct boltz_weight_summary summary;
  draw(s);
  for (size_t i = 0; i < s->x.n; i++) s->log_q[i] = -s->u[i] - s->log_q[i];
  boltz_stats_weights(s->log_q, s->x.n, &summary);
  return summary.log_mean;
}

static void pool(struct sums *all, const struct sums *s) {
  all->n += s->n;
  all->w += s->w;
  all->wv += s->wv;
  all->wvv += s->wvv;
  all->ww += s->ww;
  all->wwv += s->wwv;
  all->wwvv += s->wwvv;
}

static void report(const struct sums *all, double rate) {
  const double n = all->n, mean = all->wv / all->w;
  const double slope = all->difference ? 1 / (mean * (1 - mean)) : 1; /* of the quantity by V */
  const double weighted = (all->wwvv - 2 * mean * all->wwv + mean * mean * all->ww) * n /
                          (all->w * all->w) * slope * slope;
  const double independent = (all->wvv / all->w - mean * mean) * slope * slope;
  const double value = all->difference ? -log(mean / (1 - mean)) : mean;
  printf(
      "{\"rate\":%.6g,\"ess_fraction\":%.6g,\"n\":%.0f,\"value\":%.8g,\"stderr\":%.3g,"
      "\"variance\":%.6g,\"variance_independent\":%.6g}\n",
      rate, all->w * all->w / all->ww / n, n, value, sqrt(weighted / n), weighted, independent);
}

int bench_effective(const struct bench_options *options) {
  struct bench_flow flow;
  struct sums all = {.difference = strcmp(options->of, "difference") == 0};
  void **threads = calloc((size_t)options->threads, sizeof *threads);
  if (!threads) return 1;
  bench_flow_open(options, &flow);
  for (int k = 0; k < options->threads; k++) {
    threads[k] = sums_open(&flow.checkpoint, options, k);
    ((struct sums *)threads[k])->shift = log_z(threads[0]);
  }
  const double calls = bench_rate(options->threads, add, threads, options->seconds);
  for (int k = 0; k < options->threads; k++) {
    struct sums *s = threads[k];
    pool(&all, s);
    boltz_arena_close(s->scratch);
    boltz_arena_close(s->arena);
  }
  report(&all, calls * (double)options->n);
  free(threads);
  bench_flow_close(&flow);
  return 0;
}
