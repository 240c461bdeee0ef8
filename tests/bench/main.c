/* main.c - bench MEASUREMENT [name=value ...]: one measurement, one line of JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

static const struct {
  const char *name, *doc;
  int (*run)(const struct bench_options *options);
} measurements[] = {
    {"peak", "what this machine can do: threads, seconds", bench_peak},
    {"sample", "samples with log q: the flow, n, threads, seconds", bench_sample},
    {"density", "log q of given rows: the flow, n, threads, seconds", bench_density},
    {"train", "steps of maximum likelihood: the flow, n rows a step, threads, seconds",
     bench_train},
    {"write", "a checkpoint of random weights to `file`: the flow, energy, precision", bench_write},
    {"effective", "weighted samples of the checkpoint `file`: of, n, threads, seconds",
     bench_effective},
    {"metropolis", "a random walk with the best step: energy, of, threads, seconds",
     bench_metropolis},
};

static int usage(void) {
  fprintf(stderr, "bench MEASUREMENT [name=value ...]\n");
  for (size_t i = 0; i < sizeof measurements / sizeof *measurements; i++)
    fprintf(stderr, "  %-11s%s\n", measurements[i].name, measurements[i].doc);
  return 2;
}

static bool is(const char *argument, const char *name, const char **value) {
  const size_t length = strlen(name);
  *value = argument + length + 1;
  return strncmp(argument, name, length) == 0 && argument[length] == '=';
}

static bool take(struct bench_options *options, const char *argument) {
  const char *value;
  if (is(argument, "layers", &value)) return (options->layers = value);
  if (is(argument, "dim", &value)) return (options->dim = atoi(value)) > 0;
  if (is(argument, "hidden", &value)) return (options->hidden = atoi(value)) > 0;
  if (is(argument, "blocks", &value)) return (options->blocks = atoi(value)) > 0;
  if (is(argument, "depth", &value)) return (options->depth = atoi(value)) > 0;
  if (is(argument, "n", &value)) return (options->n = strtoul(value, NULL, 10)) > 0;
  if (is(argument, "threads", &value)) return (options->threads = atoi(value)) > 0;
  if (is(argument, "seconds", &value)) return (options->seconds = atof(value)) > 0;
  if (is(argument, "precision", &value)) return boltz_precision_find(value, &options->precision);
  if (is(argument, "file", &value)) return (options->file = value);
  if (is(argument, "energy", &value)) return (options->energy = value);
  if (is(argument, "of", &value)) return (options->of = value);
  return false;
}

int main(int argc, char **argv) {
  struct bench_options options = {.layers = "affine",
                                  .dim = 2,
                                  .hidden = 256,
                                  .blocks = 4,
                                  .depth = 3,
                                  .n = 1000,
                                  .threads = 1,
                                  .seconds = 0.5,
                                  .energy = "double_well",
                                  .of = "energy"};
  for (int i = 2; i < argc; i++) {
    if (take(&options, argv[i])) continue;
    fprintf(stderr, "bench: %s is not understood\n", argv[i]);
    return usage();
  }
  for (size_t i = 0; argc > 1 && i < sizeof measurements / sizeof *measurements; i++)
    if (strcmp(argv[1], measurements[i].name) == 0) return measurements[i].run(&options);
  return usage();
}
