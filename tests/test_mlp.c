/* test_mlp.c - conditioner networks against the same formulas in double. */
#include "boltz/rng.h"
#include "check.h"
#include "core/nn/mlp.h"

#define ROWS 11
#define NIN 3
#define NOUT 5

static double uniform(uint64_t index) {
  double u[2];
  boltz_rng_uniform(17, BOLTZ_STREAM_TEST, index, 0, u);
  return 2 * u[0] - 1;
}

struct world {
  struct boltz_arena *arena;
  struct boltz_mlp mlp;
  float *w, *packed, *turned, *x; /* x [ROWS, 16] */
};

static struct world new_world(enum boltz_activation activation) {
  static int64_t widths[] = {20, 7};
  const struct boltz_ints hidden = {.n = 2, .v = widths};
  struct world world = {.arena = boltz_arena_open(0)};
  CHECK_INT(boltz_mlp_new(NIN, &hidden, NOUT, activation, world.arena, &world.mlp), BOLTZ_OK);
  world.w = BOLTZ_NEW_ARRAY(world.arena, world.mlp.nw, float);
  world.packed = BOLTZ_NEW_ARRAY(world.arena, world.mlp.npacked, float);
  world.turned = BOLTZ_NEW_ARRAY(world.arena, world.mlp.nturned, float);
  world.x = BOLTZ_NEW_ARRAY(world.arena, ROWS * BOLTZ_PANEL, float);
  for (size_t i = 0; i < world.mlp.nw; i++) world.w[i] = (float)(0.6 * uniform(i));
  for (size_t i = 0; i < ROWS * BOLTZ_PANEL; i++) world.x[i] = (float)(2 * uniform(1000000 + i));
  boltz_mlp_pack(&world.mlp, world.w, world.packed, world.turned);
  return world;
}

static double act(enum boltz_activation a, double x) {
  return a == BOLTZ_RELU ? fmax(x, 0) : a == BOLTZ_TANH ? tanh(x) : x / (1 + exp(-x));
}

/* The network of one row in double. */
static void naive(const struct boltz_mlp *mlp, const double *w, const double *x, double *y) {
  double in[64], out[64];
  memcpy(in, x, NIN * sizeof *in);
  for (int k = 0; k < mlp->maps; k++) {
    const struct boltz_linear *map = &mlp->map[k];
    const double *weight = w + mlp->w_offset[k], *bias = weight + map->out * map->in;
    for (size_t o = 0; o < map->out; o++) {
      out[o] = bias[o];
      for (size_t i = 0; i < map->in; i++) out[o] += weight[o * map->in + i] * in[i];
      if (k + 1 < mlp->maps) out[o] = act(mlp->activation, out[o]);
    }
    memcpy(in, out, sizeof in);
  }
  memcpy(y, in, NOUT * sizeof *y);
}

/* J = sum of c y + y^2/2, c some fixed numbers. */
static double factor(size_t r, size_t o) {
  return uniform(2000000 + r * NOUT + o);
}

static double naive_loss(const struct boltz_mlp *mlp, const double *w, const double *x) {
  double loss = 0, y[NOUT];
  for (size_t r = 0; r < ROWS; r++) {
    naive(mlp, w, x + r * NIN, y);
    for (size_t o = 0; o < NOUT; o++) loss += factor(r, o) * y[o] + 0.5 * y[o] * y[o];
  }
  return loss;
}

/* Central difference of the naive loss in one of its arguments. */
static double slope(const struct boltz_mlp *mlp, const double *w, const double *x, double *at) {
  const double h = 1e-6, middle = *at;
  *at = middle + h;
  const double above = naive_loss(mlp, w, x);
  *at = middle - h;
  const double below = naive_loss(mlp, w, x);
  *at = middle;
  return (above - below) / (2 * h);
}

static void outputs_match(enum boltz_activation a) {
  struct world world = new_world(a);
  double w[1024], x[NIN], y[NOUT];
  for (size_t i = 0; i < world.mlp.nw; i++) w[i] = world.w[i];
  const float *out = boltz_mlp_forward(&world.mlp, world.packed, ROWS, world.x, NULL, world.arena);
  for (size_t r = 0; r < ROWS; r++) {
    for (size_t i = 0; i < NIN; i++) x[i] = world.x[r * BOLTZ_PANEL + i];
    naive(&world.mlp, w, x, y);
    /* some 30 roundings of 6e-8 and tanh's 5e-7, through sums of terms below 1 */
    for (size_t o = 0; o < NOUT; o++) CHECK_NEAR(out[r * BOLTZ_PANEL + o], y[o], 1e-5);
  }
  boltz_arena_close(world.arena);
}

static void outputs_match_the_formula_in_double(void) {
  outputs_match(BOLTZ_RELU);
  outputs_match(BOLTZ_TANH);
  outputs_match(BOLTZ_SILU);
}

static void gradients_match(enum boltz_activation a) {
  struct world world = new_world(a);
  double w[1024], x[ROWS * NIN];
  float gw[1024] = {0};
  for (size_t i = 0; i < world.mlp.nw; i++) w[i] = world.w[i];
  for (size_t r = 0; r < ROWS; r++)
    for (size_t i = 0; i < NIN; i++) x[r * NIN + i] = world.x[r * BOLTZ_PANEL + i];

  struct boltz_mlp_tape tape;
  const float *y = boltz_mlp_forward(&world.mlp, world.packed, ROWS, world.x, &tape, world.arena);
  float gy[ROWS * BOLTZ_PANEL] = {0};
  for (size_t r = 0; r < ROWS; r++)
    for (size_t o = 0; o < NOUT; o++)
      gy[r * BOLTZ_PANEL + o] = (float)factor(r, o) + y[r * BOLTZ_PANEL + o];
  const float *gx = boltz_mlp_backward(&world.mlp, world.turned, &tape, gy, gw, world.arena);

  /* float sums of 11 rows with terms of order 1; the difference itself is good to 1e-8 */
  for (size_t i = 0; i < world.mlp.nw; i++) CHECK_NEAR(gw[i], slope(&world.mlp, w, x, &w[i]), 3e-5);
  for (size_t r = 0; r < ROWS; r++)
    for (size_t i = 0; i < NIN; i++)
      CHECK_NEAR(gx[r * BOLTZ_PANEL + i], slope(&world.mlp, w, x, &x[r * NIN + i]), 3e-5);
  boltz_arena_close(world.arena);
}

static void gradients_match_differences_of_the_formula_in_double(void) {
  gradients_match(BOLTZ_RELU);
  gradients_match(BOLTZ_TANH);
  gradients_match(BOLTZ_SILU);
}

static void a_tape_changes_no_bit_of_the_outputs(void) {
  for (int a = BOLTZ_RELU; a <= BOLTZ_SILU; a++) {
    struct world world = new_world((enum boltz_activation)a);
    struct boltz_mlp_tape tape;
    const float *y = boltz_mlp_forward(&world.mlp, world.packed, ROWS, world.x, NULL, world.arena);
    const float *z = boltz_mlp_forward(&world.mlp, world.packed, ROWS, world.x, &tape, world.arena);
    for (size_t r = 0; r < ROWS; r++)
      CHECK(memcmp(y + r * BOLTZ_PANEL, z + r * BOLTZ_PANEL, NOUT * sizeof *y) == 0);
    boltz_arena_close(world.arena);
  }
}

static void a_network_starts_as_the_constant_zero_with_spread_weights(void) {
  static int64_t widths[] = {256, 256};
  const struct boltz_ints hidden = {.n = 2, .v = widths};
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_mlp mlp;
  CHECK_INT(boltz_mlp_new(1, &hidden, 2, BOLTZ_TANH, arena, &mlp), BOLTZ_OK);
  float *w = BOLTZ_NEW_ARRAY(arena, mlp.nw, float);
  boltz_mlp_init(&mlp, 3, (uint64_t)2 << 32, w);
  double square = 0;
  for (size_t i = 0; i < 256 * 256; i++)
    square += (double)w[mlp.w_offset[1] + i] * w[mlp.w_offset[1] + i];
  CHECK_NEAR(square / 256, 1, 0.03); /* 65536 normals of variance 1/256: sigma of the sum 0.0055 */
  for (size_t i = mlp.w_offset[2]; i < mlp.nw; i++) CHECK(w[i] == 0);
  double bias = 0;
  for (size_t i = 256; i < 512; i++) bias += (double)w[i] * w[i] / 256;
  CHECK_NEAR(bias, 0.25, 0.09); /* 4 sigma of a mean of 256 squares of variance 1/4 */
  boltz_arena_close(arena);
}

static void no_hidden_layer_or_too_many_are_refused(void) {
  static int64_t widths[BOLTZ_HIDDEN_MAX + 1];
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_mlp mlp;
  for (int k = 0; k <= BOLTZ_HIDDEN_MAX; k++) widths[k] = 2;
  for (size_t n = 0; n <= BOLTZ_HIDDEN_MAX + 1; n++) {
    const struct boltz_ints hidden = {.n = n, .v = widths};
    const bool good = n >= 1 && n <= BOLTZ_HIDDEN_MAX;
    CHECK_INT(boltz_mlp_new(1, &hidden, 1, BOLTZ_RELU, arena, &mlp),
              good ? BOLTZ_OK : BOLTZ_OUT_OF_RANGE);
    if (!good) CHECK_TEXT(boltz_error_pointer(), "/hidden");
  }
  boltz_arena_close(arena);
}

int main(int argc, char **argv) {
  RUN(outputs_match_the_formula_in_double);
  RUN(gradients_match_differences_of_the_formula_in_double);
  RUN(a_tape_changes_no_bit_of_the_outputs);
  RUN(a_network_starts_as_the_constant_zero_with_spread_weights);
  RUN(no_hidden_layer_or_too_many_are_refused);
  return check_report();
}
