/* flows.c - the flows that are measured: architecture R or a spline flow with random weights, or a
 * checkpoint. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

#define SEED 1
#define FILE_MAX ((size_t)1 << 28)

void bench_check(enum boltz_status status) {
  if (status == BOLTZ_OK) return;
  fprintf(stderr, "bench: %s\n", boltz_error());
  exit(1);
}

static struct boltz_json *parse(const char *text, struct boltz_arena *arena) {
  struct boltz_json *root = NULL;
  bench_check(boltz_json_parse(text, strlen(text), 16, arena, &root));
  return root;
}

/* Uniform in ±1/√(inputs), weights and biases alike: what torch.nn.Linear starts with. Samples of
   such a flow are finite, and its conditioners are no constants. */
static void fill_weights(const struct boltz_flow *flow, struct boltz_weights *weights) {
  struct boltz_tensor tensor;
  double bound = 1;
  uint64_t drawn = 0;
  for (int k = 0; boltz_flow_tensor(flow, k, &tensor); k++) {
    size_t count = 1;
    for (int r = 0; r < tensor.rank; r++) count *= (size_t)tensor.shape[r];
    if (tensor.rank == 2) bound = 1 / sqrt((double)tensor.shape[1]);
    for (size_t i = 0; i < count; i++) {
      double u[2];
      boltz_rng_uniform(SEED, BOLTZ_STREAM_INIT, drawn++, 0, u);
      weights->flat[tensor.offset + i] = (float)(bound * (2 * u[0] - 1));
    }
  }
  boltz_flow_pack(flow, weights);
}

/* The numbers from `first` on, below `end`. */
static void write_list(const char *name, int first, int end, struct boltz_text *text) {
  boltz_text_printf(text, "\"%s\":[", name);
  for (int k = first; k < end; k++) boltz_text_printf(text, "%s%d", k > first ? "," : "", k);
  boltz_text_puts(text, "],");
}

static void write_hidden(const struct bench_options *options, struct boltz_text *text) {
  boltz_text_puts(text, "\"hidden\":[");
  for (int k = 0; k < options->depth; k++)
    boltz_text_printf(text, "%s%d", k ? "," : "", options->hidden);
  boltz_text_puts(text, "],");
}

static void write_affine(const struct bench_options *options, struct boltz_text *text) {
  boltz_text_printf(text, "{\"layers\":[{\"type\":\"realnvp\",\"blocks\":%d,", options->blocks);
  write_hidden(options, text);
  boltz_text_puts(text, "\"scale_activation\":\"relu\",\"shift_activation\":\"tanh\"}]}");
}

/* As many couplings as R has; halves of the coordinates take turns. */
static void write_splines(const struct bench_options *options, struct boltz_text *text) {
  const int half = (options->dim + 1) / 2;
  boltz_text_puts(text, "{\"layers\":[");
  for (int k = 0; k < 2 * options->blocks; k++) {
    const bool even = k % 2 == 0;
    boltz_text_printf(text, "%s{\"type\":\"spline_coupling\",", k ? "," : "");
    write_list(even ? "fixed" : "moved", 0, half, text);
    write_list(even ? "moved" : "fixed", half, options->dim, text);
    write_hidden(options, text);
    boltz_text_puts(text, "\"activation\":\"relu\",\"bins\":8,\"bound\":5}");
  }
  boltz_text_puts(text, "]}");
}

static void make_random(const struct bench_options *options, struct bench_flow *flow) {
  struct boltz_checkpoint *checkpoint = &flow->checkpoint;
  struct boltz_text text = {0};
  (strcmp(options->layers, "spline") == 0 ? write_splines : write_affine)(options, &text);
  struct boltz_flow_spec *spec = BOLTZ_NEW(flow->arena, struct boltz_flow_spec);
  if (!spec || text.failed) bench_check(BOLTZ_NO_MEMORY);
  bench_check(
      boltz_flow_spec_parse(parse(text.data, flow->arena), options->dim, flow->arena, spec));
  boltz_text_free(&text);

  char energy[200];
  snprintf(energy, sizeof energy,
           strcmp(options->energy, "double_well") == 0 ? "{\"kind\":\"%s\",\"dim\":%d}"
                                                       : "{\"kind\":\"%s\"}",
           options->energy, options->dim);
  bench_check(boltz_energy_parse(parse(energy, flow->arena), 1, flow->arena, &checkpoint->energy));
  bench_check(boltz_flow_new(spec, options->dim, flow->arena, &checkpoint->flow));
  bench_check(boltz_weights_new(&checkpoint->flow, flow->arena, &checkpoint->weights));
  fill_weights(&checkpoint->flow, &checkpoint->weights);
  checkpoint->model = "bench";
  checkpoint->producer = "bench";
  checkpoint->metrics = "{}";
}

static void read_file(const char *path, struct bench_flow *flow) {
  FILE *file = fopen(path, "rb");
  char *bytes = boltz_arena_scratch(flow->arena, FILE_MAX, 1);
  const size_t size = file && bytes ? fread(bytes, 1, FILE_MAX, file) : 0;
  if (file) fclose(file);
  if (size == 0) {
    fprintf(stderr, "bench: cannot read %s\n", path);
    exit(1);
  }
  bench_check(boltz_checkpoint_read(bytes, size, flow->arena, &flow->checkpoint));
}

void bench_flow_open(const struct bench_options *options, struct bench_flow *flow) {
  *flow = (struct bench_flow){.arena = boltz_arena_open(0)};
  if (!flow->arena) bench_check(BOLTZ_NO_MEMORY);
  if (options->file)
    read_file(options->file, flow);
  else
    make_random(options, flow);
  struct boltz_checkpoint *checkpoint = &flow->checkpoint;
  bench_check(
      boltz_flow_serve(&checkpoint->flow, &checkpoint->weights, options->precision, flow->arena));
}

void bench_flow_close(struct bench_flow *flow) {
  boltz_arena_close(flow->arena);
}

double bench_flow_flops(const struct bench_flow *flow) {
  struct boltz_tensor tensor;
  double flops = 0;
  for (int k = 0; boltz_flow_tensor(&flow->checkpoint.flow, k, &tensor); k++)
    if (tensor.rank == 2) flops += 2.0 * (double)tensor.shape[0] * (double)tensor.shape[1];
  return flops;
}

int bench_write(const struct bench_options *options) {
  struct bench_options random = *options;
  struct bench_flow flow;
  struct boltz_text text = {0};
  random.file = NULL;
  bench_flow_open(&random, &flow);
  bench_check(boltz_checkpoint_write(&flow.checkpoint, flow.arena, &text));
  FILE *file = options->file ? fopen(options->file, "wb") : NULL;
  const bool written = file && fwrite(text.data, 1, text.size, file) == text.size;
  if (!file || fclose(file) != 0 || !written) {
    fprintf(stderr, "bench: cannot write file=%s\n", options->file ? options->file : "");
    return 1;
  }
  printf("{\"bytes\":%zu,\"flops\":%.0f}\n", text.size, bench_flow_flops(&flow));
  boltz_text_free(&text);
  bench_flow_close(&flow);
  return 0;
}
