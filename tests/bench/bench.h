/* bench.h - what the measuring programs share: options, flows, pinned threads, a clock.
 *
 * The program makes one measurement and prints it as one JSON object on a line; bench.py decides
 * what is measured, how often, and beside what. */
#ifndef BENCH_H
#define BENCH_H

#include "boltz/boltz.h"

/** name=value on the command line; what is left out has a default. */
struct bench_options {
  const char *layers;             /* "affine": architecture R; "spline": curves in its place */
  int dim, hidden, blocks, depth; /* R: dim 2, hidden 256, blocks 4, depth 3 */
  size_t n;                       /* rows a call */
  int threads;
  double seconds;
  enum boltz_precision precision;
  const char *file;   /* a checkpoint, read or written */
  const char *energy; /* a kind, with its default settings */
  const char *of;     /* "difference": F(x1 > 0) - F(x1 < 0); "energy": the mean of u */
};

/** Something to sample from. */
struct bench_flow {
  struct boltz_arena *arena;
  struct boltz_checkpoint checkpoint;
};

/** The checkpoint of options->file, or random weights as PyTorch draws them, served in the
 * precision that the options ask for. Exits with a sentence when it cannot. */
void bench_flow_open(const struct bench_options *options, struct bench_flow *flow);
void bench_flow_close(struct bench_flow *flow);

/** Multiplications and additions of its networks for a row, counted from their shapes. */
double bench_flow_flops(const struct bench_flow *flow);

/** Exit with boltz_error() unless the status is good. */
void bench_check(enum boltz_status status);

/** Wall clock in seconds, monotonic. */
double bench_now(void);

/** Keep this thread on the k-th processor that the process may use. */
void bench_pin(int k);

/** Call once(self[k]) on `threads` pinned threads until `seconds` have passed; calls per second,
 * all threads together. */
double bench_rate(int threads, void (*once)(void *self), void *const *self, double seconds);

/** The measurements. */
int bench_peak(const struct bench_options *options);
int bench_sample(const struct bench_options *options);
int bench_density(const struct bench_options *options);
int bench_train(const struct bench_options *options);
int bench_write(const struct bench_options *options);
int bench_effective(const struct bench_options *options);
int bench_metropolis(const struct bench_options *options);

#endif
