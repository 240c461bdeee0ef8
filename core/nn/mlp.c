/* mlp.c - the conditioner networks: their shapes, weights, forward and backward passes. */
#include "core/nn/mlp.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "boltz/rng.h"

const char *const boltz_activation_names[] = {"relu", "tanh", "silu", NULL};

enum boltz_activation boltz_activation_of(const char *name) {
  if (strcmp(name, "tanh") == 0) return BOLTZ_TANH;
  return strcmp(name, "silu") == 0 ? BOLTZ_SILU : BOLTZ_RELU;
}

static size_t larger(size_t a, size_t b) {
  return a > b ? a : b;
}

enum boltz_status boltz_mlp_new(size_t nin, const struct boltz_ints *hidden, size_t nout,
                                enum boltz_activation activation, struct boltz_arena *arena,
                                struct boltz_mlp *mlp) {
  if (!(hidden->n >= 1 && hidden->n <= BOLTZ_HIDDEN_MAX))
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/hidden",
                         "hidden names %zu layers, which is not in [1, %d]", hidden->n,
                         BOLTZ_HIDDEN_MAX);
  const size_t maps = hidden->n + 1;
  *mlp = (struct boltz_mlp){
      .kernel = boltz_kernel_auto(),
      .activation = activation,
      .maps = (int)maps,
      .map = BOLTZ_NEW_ARRAY(arena, maps, struct boltz_linear),
      .w_offset = BOLTZ_NEW_ARRAY(arena, maps, size_t),
      .p_offset = BOLTZ_NEW_ARRAY(arena, maps, size_t),
      .t_offset = BOLTZ_NEW_ARRAY(arena, maps, size_t),
      .ld_max = boltz_kernel_ld(nin),
  };
  if (!mlp->map || !mlp->w_offset || !mlp->p_offset || !mlp->t_offset) return BOLTZ_NO_MEMORY;

  /* Widths are at most 4096, and maps 65: the sums below stay far from overflow. */
  for (size_t k = 0; k < maps; k++) {
    mlp->map[k] = (struct boltz_linear){
        .in = k == 0 ? nin : (size_t)hidden->v[k - 1],
        .out = k + 1 == maps ? nout : (size_t)hidden->v[k],
        .activation = k + 1 == maps ? BOLTZ_LINEAR : activation,
        .few = k + 1 == maps && nout <= BOLTZ_FEW,
    };
    mlp->w_offset[k] = mlp->nw;
    mlp->p_offset[k] = mlp->npacked;
    mlp->nw += mlp->map[k].out * (mlp->map[k].in + 1);
    mlp->t_offset[k] = mlp->nturned;
    mlp->npacked += boltz_kernel_packed_size(&mlp->map[k]);
    mlp->nturned += boltz_kernel_turned_size(&mlp->map[k]);
    mlp->ld_max = larger(mlp->ld_max, boltz_kernel_ld(mlp->map[k].out));
  }
  return BOLTZ_OK;
}

bool boltz_mlp_tensor(const struct boltz_mlp *mlp, const char *net, int k,
                      struct boltz_tensor *tensor) {
  if (k < 0 || k / 2 >= mlp->maps) return false;
  const struct boltz_linear *map = &mlp->map[k / 2];
  const size_t offset = mlp->w_offset[k / 2];
  const bool bias = k % 2 == 1;
  *tensor = (struct boltz_tensor){
      .rank = bias ? 1 : 2,
      .shape = {(int64_t)map->out, bias ? 0 : (int64_t)map->in},
      .offset = bias ? offset + map->out * map->in : offset,
  };
  snprintf(tensor->name, sizeof tensor->name, "%s.%d.%s", net, k / 2, bias ? "bias" : "weight");
  return true;
}

/* n normals times sigma: number i of them has index first + i/2 of the stream, half i%2. */
static void fill(uint64_t seed, uint64_t first, double sigma, size_t n, float *w) {
  double z[2] = {0};
  for (size_t i = 0; i < n; i++) {
    if (i % 2 == 0) boltz_rng_normal(seed, BOLTZ_STREAM_INIT, first + i / 2, 0, z);
    w[i] = (float)(sigma * z[i % 2]);
  }
}

void boltz_mlp_init(const struct boltz_mlp *mlp, uint64_t seed, uint64_t first, float *w) {
  const double gain = mlp->activation == BOLTZ_RELU ? 2 : 1; /* He et al. 2015; Glorot 2010 */
  memset(w, 0, mlp->nw * sizeof *w);
  for (int k = 0; k + 1 < mlp->maps; k++) {
    const struct boltz_linear *map = &mlp->map[k];
    const size_t weights = map->out * map->in, at = mlp->w_offset[k];
    fill(seed, first + at, sqrt(gain / (double)map->in), weights, w + at);
    /* With biases of zero every kink of a network of one input would stand at 0. */
    if (k == 0) fill(seed, first + at + weights, 0.5, map->out, w + at + weights);
  }
}

void boltz_mlp_pack(const struct boltz_mlp *mlp, const float *w, float *packed, float *turned) {
  for (int k = 0; k < mlp->maps; k++) {
    boltz_kernel_pack(&mlp->map[k], w + mlp->w_offset[k], packed + mlp->p_offset[k]);
    if (turned) boltz_kernel_turn(&mlp->map[k], w + mlp->w_offset[k], turned + mlp->t_offset[k]);
  }
}

static float *new_rows(struct boltz_arena *scratch, size_t rows, size_t ld) {
  /* rows of at most 4096 floats: only `rows` can be absurd, and the arena checks that product */
  return boltz_arena_scratch(scratch, rows, ld * sizeof(float));
}

/* Forward alone: two buffers in turn. */
static const float *forward(const struct boltz_mlp *mlp, const float *packed, size_t rows,
                            const float *x, struct boltz_arena *scratch) {
  float *buffer[2] = {new_rows(scratch, rows, mlp->ld_max), new_rows(scratch, rows, mlp->ld_max)};
  if (!buffer[0] || !buffer[1]) return NULL;
  for (int k = 0; k < mlp->maps; k++) {
    float *y = buffer[k % 2];
    mlp->kernel->linear(&mlp->map[k], packed + mlp->p_offset[k], rows, x, y);
    x = y;
  }
  return x;
}

static bool new_tape(const struct boltz_mlp *mlp, size_t rows, struct boltz_mlp_tape *tape,
                     struct boltz_arena *scratch) {
  const size_t maps = (size_t)mlp->maps;
  *tape = (struct boltz_mlp_tape){.rows = rows,
                                  .x = BOLTZ_NEW_ARRAY(scratch, maps, const float *),
                                  .at = BOLTZ_NEW_ARRAY(scratch, maps, const float *)};
  return tape->x && tape->at;
}

/* Forward with everything kept. The slope of silu is taken from its input, so that map and
   activation go one after the other: the same operations as when they are one. */
static const float *record(const struct boltz_mlp *mlp, const float *packed, size_t rows,
                           const float *x, struct boltz_mlp_tape *tape,
                           struct boltz_arena *scratch) {
  if (!new_tape(mlp, rows, tape, scratch)) return NULL;
  for (int k = 0; k < mlp->maps; k++) {
    struct boltz_linear map = mlp->map[k];
    const size_t ld = boltz_kernel_ld(map.out);
    const bool apart = map.activation == BOLTZ_SILU;
    if (apart) map.activation = BOLTZ_LINEAR;
    tape->outputs = boltz_arena_mark(scratch);
    float *y = new_rows(scratch, rows, ld);
    if (!y) return NULL;
    mlp->kernel->linear(&map, packed + mlp->p_offset[k], rows, x, y);
    tape->x[k] = x;
    tape->at[k] = y;
    x = y;
    if (!apart) continue;
    float *active = new_rows(scratch, rows, ld);
    if (!active) return NULL;
    memcpy(active, y, rows * ld * sizeof *y);
    mlp->kernel->activate(BOLTZ_SILU, rows * ld, active);
    x = active;
  }
  return x;
}

const float *boltz_mlp_forward(const struct boltz_mlp *mlp, const float *packed, size_t rows,
                               const float *x, struct boltz_mlp_tape *tape,
                               struct boltz_arena *scratch) {
  return tape ? record(mlp, packed, rows, x, tape, scratch)
              : forward(mlp, packed, rows, x, scratch);
}

static float *new_work(const struct boltz_mlp *mlp, size_t rows, struct boltz_arena *scratch) {
  size_t most = 0;
  for (int k = 0; k < mlp->maps; k++)
    most = larger(most, boltz_kernel_work_size(&mlp->map[k], rows));
  return boltz_arena_scratch(scratch, most, sizeof(float));
}

const float *boltz_mlp_backward(const struct boltz_mlp *mlp, const float *turned,
                                const struct boltz_mlp_tape *tape, const float *gy, float *gw,
                                struct boltz_arena *scratch) {
  const size_t rows = tape->rows;
  float *buffer[2] = {new_rows(scratch, rows, mlp->ld_max), new_rows(scratch, rows, mlp->ld_max)};
  float *work = new_work(mlp, rows, scratch);
  if (!buffer[0] || !buffer[1] || !work) return NULL;
  for (int k = mlp->maps - 1; k >= 0; k--) {
    const struct boltz_linear *map = &mlp->map[k];
    float *gx = buffer[k % 2];
    mlp->kernel->back_weights(map, rows, gy, tape->x[k], gw + mlp->w_offset[k], work);
    mlp->kernel->back_input(map, turned + mlp->t_offset[k], rows, gy, gx);
    if (k > 0)
      mlp->kernel->slope(map[-1].activation, rows * boltz_kernel_ld(map->in), tape->at[k - 1], gx);
    gy = gx;
  }
  return gy;
}

double boltz_mlp_flops(const struct boltz_mlp *mlp) {
  double flops = 0;
  for (int k = 0; k < mlp->maps; k++)
    flops += 2.0 * (double)mlp->map[k].in * (double)mlp->map[k].out;
  return flops;
}
