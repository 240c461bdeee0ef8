/* test_kernel.c - every kernel against the loops that define its arithmetic, bit for bit. */
#include <cblas.h>
#include <stdint.h>

#include "boltz/arena.h"
#include "boltz/rng.h"
#include "check.h"
#include "core/kernel/kernel.h"
#include "tests/sums.h"

#define ROWS_MAX 97
#define WIDTH_MAX 300

/* Deterministic floats in (-1, 1). */
static void fill(uint64_t index, size_t n, float *out) {
  for (size_t i = 0; i < n; i++) {
    double u[2];
    boltz_rng_uniform(5, BOLTZ_STREAM_TEST, index << 32 | i, 0, u);
    out[i] = (float)(2 * u[0] - 1);
  }
}

struct world {
  struct boltz_arena *arena;
  float *w, *packed, *x, *y, *gx, *gw, *gw_naive, *work;
};

static struct world new_world(void) {
  struct world world = {.arena = boltz_arena_open(0)};
  const struct boltz_linear largest = {.in = WIDTH_MAX, .out = WIDTH_MAX};
  const size_t rows = ROWS_MAX * boltz_kernel_ld(WIDTH_MAX), weights = WIDTH_MAX * (WIDTH_MAX + 1);
  world.w = BOLTZ_NEW_ARRAY(world.arena, weights, float);
  world.gw = BOLTZ_NEW_ARRAY(world.arena, weights, float);
  world.gw_naive = BOLTZ_NEW_ARRAY(world.arena, weights, float);
  world.packed = BOLTZ_NEW_ARRAY(world.arena, boltz_kernel_packed_size(&largest), float);
  world.x = BOLTZ_NEW_ARRAY(world.arena, rows, float);
  world.y = BOLTZ_NEW_ARRAY(world.arena, rows, float);
  world.gx = BOLTZ_NEW_ARRAY(world.arena, rows, float);
  world.work = BOLTZ_NEW_ARRAY(world.arena, boltz_kernel_work_size(&largest, ROWS_MAX), float);
  fill(1, weights, world.w);
  fill(2, rows, world.x);
  fill(3, rows, world.y);
  return world;
}

static float activation(enum boltz_activation a, float x) {
  return a == BOLTZ_RELU   ? boltz_relu(x)
         : a == BOLTZ_TANH ? boltz_tanh(x)
         : a == BOLTZ_SILU ? boltz_silu(x)
                           : x;
}

static bool same(float a, float b) {
  return memcmp(&a, &b, sizeof a) == 0;
}

/* Forward of one shape; returns how many outputs differ from the naive loop. */
static size_t wrong_outputs(const struct boltz_kernel *kernel, const struct boltz_linear *map,
                            size_t rows, const struct world *world) {
  const size_t ldx = boltz_kernel_ld(map->in), ldy = boltz_kernel_ld(map->out);
  const float *bias = world->w + map->out * map->in;
  float *y = world->gx;
  size_t wrong = 0;
  boltz_kernel_pack(map, world->w, world->packed);
  kernel->linear(map, world->packed, rows, world->x, y);
  for (size_t r = 0; r < rows; r++)
    for (size_t o = 0; o < map->out; o++) {
      const float sum = (map->few ? sum_of_sixteen : sum_in_turn)(
          world->w + o * map->in, world->x + r * ldx, map->in, bias[o]);
      wrong += !same(y[r * ldy + o], activation(map->activation, sum));
    }
  return wrong;
}

/* dJ/dx = dJ/dy W, summed over outputs in their order. */
static size_t wrong_input_gradients(const struct boltz_kernel *kernel,
                                    const struct boltz_linear *map, size_t rows,
                                    const struct world *world) {
  const size_t ldx = boltz_kernel_ld(map->in), ldy = boltz_kernel_ld(map->out);
  size_t wrong = 0;
  boltz_kernel_turn(map, world->w, world->packed);
  kernel->back_input(map, world->packed, rows, world->y, world->gx);
  for (size_t r = 0; r < rows; r++)
    for (size_t k = 0; k < map->in; k++) {
      float sum = 0;
      for (size_t o = 0; o < map->out; o++)
        sum = fmaf(world->y[r * ldy + o], world->w[o * map->in + k], sum);
      wrong += !same(world->gx[r * ldx + k], sum);
    }
  return wrong;
}

/* dJ/dw and dJ/db, added to what is there, summed over rows in their order. */
static size_t wrong_weight_gradients(const struct boltz_kernel *kernel,
                                     const struct boltz_linear *map, size_t rows,
                                     const struct world *world) {
  const size_t ldx = boltz_kernel_ld(map->in), ldy = boltz_kernel_ld(map->out);
  const size_t weights = map->out * (map->in + 1);
  memcpy(world->gw, world->w, weights * sizeof(float));
  memcpy(world->gw_naive, world->w, weights * sizeof(float));
  kernel->back_weights(map, rows, world->y, world->x, world->gw, world->work);
  for (size_t r = 0; r < rows; r++)
    for (size_t o = 0; o < map->out; o++) {
      const float g = world->y[r * ldy + o];
      for (size_t k = 0; k < map->in; k++) {
        float *gw = &world->gw_naive[o * map->in + k];
        *gw = fmaf(g, world->x[r * ldx + k], *gw);
      }
      world->gw_naive[map->out * map->in + o] += g;
    }
  size_t wrong = 0;
  for (size_t i = 0; i < weights; i++) wrong += !same(world->gw[i], world->gw_naive[i]);
  return wrong;
}

static void compare(const struct boltz_kernel *kernel, const struct world *world, size_t rows,
                    size_t out, size_t in, enum boltz_activation a) {
  const struct boltz_linear map = {.in = in, .out = out, .activation = a};
  const struct boltz_linear last = {.in = in, .out = out, .few = out <= BOLTZ_FEW};
  const size_t forward = wrong_outputs(kernel, &map, rows, world) +
                         (last.few ? wrong_outputs(kernel, &last, rows, world) : 0);
  CHECK_MSG(forward == 0, "%s: %zu x %zu -> %zu, activation %d: %zu outputs differ", kernel->name,
            rows, in, out, a, forward);
  if (a != BOLTZ_LINEAR) return;
  const size_t gx = wrong_input_gradients(kernel, &map, rows, world);
  CHECK_MSG(gx == 0, "%s: %zu x %zu <- %zu: %zu of dJ/dx differ", kernel->name, rows, in, out, gx);
  const size_t gw = wrong_weight_gradients(kernel, &map, rows, world);
  CHECK_MSG(gw == 0, "%s: %zu x %zu <- %zu: %zu of dJ/dw differ", kernel->name, rows, in, out, gw);
}

static void every_kernel_equals_the_naive_loop_in_every_bit(void) {
  struct world world = new_world();
  const struct boltz_kernel *kernel;
  int present = 0;
  for (int k = 0; (kernel = boltz_kernel_at(k)) != NULL; k++) {
    if (!kernel->present()) continue;
    present++;
    for (size_t rows = 1; rows <= 13; rows++)
      for (size_t out = 1; out <= 40; out++)
        for (size_t in = 1; in <= 40; in += in < 18 ? 1 : 11)
          compare(kernel, &world, rows, out, in, BOLTZ_LINEAR);
  }
  CHECK(present > 0);
  boltz_arena_close(world.arena);
}

/* Every width up to 300 as outputs and as inputs, each with every height of a register tile, and
   the 48 rows that a flow takes together. */
static void every_width_up_to_300_gives_the_naive_bits_at_every_height(void) {
  struct world world = new_world();
  const struct boltz_kernel *kernel;
  for (int k = 0; (kernel = boltz_kernel_at(k)) != NULL; k++) {
    if (!kernel->present()) continue;
    for (size_t height = 1; height <= 14; height++)
      for (size_t width = 1; width <= WIDTH_MAX; width++) {
        const size_t rows = height < 14 ? height : 48, few = 1 + width % 3;
        compare(kernel, &world, rows, width, few, BOLTZ_RELU);
        compare(kernel, &world, rows, few, width, BOLTZ_RELU);
      }
    for (size_t width = 1; width <= WIDTH_MAX; width++)
      compare(kernel, &world, 1 + width % 13, width, WIDTH_MAX + 1 - width, BOLTZ_RELU);
  }
  boltz_arena_close(world.arena);
}

/* The values at which a vector's comparisons could part from the recipe's. */
static void activations_keep_zeros_limits_and_infinities(void) {
  const float odd[] = {
      0.0f,   -0.0f,   7.99881172180175781f, -7.99881172180175781f, 8, -8, 1e-40f, 1e-45f, 1e30f,
      -1e30f, INFINITY};
  enum { N = sizeof odd / sizeof odd[0] };
  const struct boltz_kernel *kernel;
  for (int k = 0; (kernel = boltz_kernel_at(k)) != NULL; k++) {
    if (!kernel->present()) continue;
    for (int a = BOLTZ_LINEAR; a <= BOLTZ_SILU; a++) {
      float y[N];
      memcpy(y, odd, sizeof y);
      kernel->activate((enum boltz_activation)a, N, y);
      for (int i = 0; i < N; i++)
        CHECK_MSG(same(y[i], activation((enum boltz_activation)a, odd[i])),
                  "%s, activation %d of %g is %g", kernel->name, a, (double)odd[i], (double)y[i]);
    }
  }
}

static void every_kernel_equals_the_naive_loop_at_random_sizes(void) {
  struct world world = new_world();
  const struct boltz_kernel *kernel;
  for (int k = 0; (kernel = boltz_kernel_at(k)) != NULL; k++) {
    if (!kernel->present()) continue;
    for (uint64_t i = 0; i < 40; i++) {
      uint32_t bits[4];
      boltz_rng_bits(11, BOLTZ_STREAM_TEST, i, 0, bits);
      compare(kernel, &world, 1 + bits[0] % ROWS_MAX, 1 + bits[1] % WIDTH_MAX,
              1 + bits[2] % WIDTH_MAX, (enum boltz_activation)(bits[3] % 4));
    }
  }
  boltz_arena_close(world.arena);
}

static void every_activation_is_the_same_inside_a_product_and_alone(void) {
  struct world world = new_world();
  const struct boltz_kernel *kernel;
  for (int k = 0; (kernel = boltz_kernel_at(k)) != NULL; k++) {
    if (!kernel->present()) continue;
    for (int a = BOLTZ_LINEAR; a <= BOLTZ_SILU; a++) {
      for (size_t rows = 1; rows <= 13; rows++)
        compare(kernel, &world, rows, 3 + 5 * rows, 7, (enum boltz_activation)a);
      memcpy(world.gx, world.x, 37 * sizeof(float));
      kernel->activate((enum boltz_activation)a, 37, world.gx);
      for (size_t i = 0; i < 37; i++)
        CHECK(same(world.gx[i], activation((enum boltz_activation)a, world.x[i])));
    }
  }
  boltz_arena_close(world.arena);
}

static void every_slope_is_the_derivative_of_its_activation(void) {
  const struct boltz_kernel *kernel;
  for (int k = 0; (kernel = boltz_kernel_at(k)) != NULL; k++) {
    if (!kernel->present()) continue;
    for (int i = -90; i <= 90; i++) {
      if (i == 0) continue;
      const double x = 0.1 * i, t = tanh(x), s = 1 / (1 + exp(-x));
      float at[3] = {boltz_relu((float)x), boltz_tanh((float)x), (float)x}, g[3] = {2, 2, 2};
      kernel->slope(BOLTZ_RELU, 1, at, g);
      kernel->slope(BOLTZ_TANH, 1, at + 1, g + 1);
      kernel->slope(BOLTZ_SILU, 1, at + 2, g + 2);
      /* errors of tanh, 5e-7, times 2 for the factor g, 2 for the square, and |x|/2 in silu */
      CHECK_NEAR(g[0], x > 0 ? 2 : 0, 0);
      CHECK_NEAR(g[1], 2 * (1 - t * t), 3e-6);
      CHECK_NEAR(g[2], 2 * (s + x * s * (1 - s)), 1e-5);
    }
  }
}

static void tanh_is_within_5e_7_and_never_beyond_one(void) {
  double worst = 0, largest = 0;
  for (int i = -1200000; i <= 1200000; i++) {
    const float x = (float)i * 1e-5f;
    const double error = fabs((double)boltz_tanh(x) - tanh((double)x));
    if (!(error <= worst)) worst = error;
    if (fabs((double)boltz_tanh(x)) > largest) largest = fabs((double)boltz_tanh(x));
  }
  CHECK_MSG(worst < 5e-7, "worst error %g", worst);
  CHECK_MSG(largest <= 1, "%.9g", largest);
  CHECK(boltz_tanh(1e30f) == 1 && boltz_tanh(-INFINITY) == -1);
  CHECK(boltz_silu(-1e30f) == 0 && boltz_silu(1e30f) == 1e30f);
}

static void nan_in_is_nan_out(void) {
  const struct boltz_kernel *kernel;
  for (int k = 0; (kernel = boltz_kernel_at(k)) != NULL; k++) {
    if (!kernel->present()) continue;
    for (int a = BOLTZ_LINEAR; a <= BOLTZ_SILU; a++) {
      float y[21];
      for (int i = 0; i < 21; i++) y[i] = NAN;
      kernel->activate((enum boltz_activation)a, 21, y);
      for (int i = 0; i < 21; i++) CHECK(isnan(y[i]));
    }
  }
}

static void a_kernel_is_found_by_name_where_it_can_run(void) {
  CHECK(boltz_kernel_find("portable") != NULL);
  CHECK(boltz_kernel_find("abacus") == NULL);
  setenv("BOLTZ_KERNEL", "portable", 1);
  CHECK(boltz_kernel_auto() == boltz_kernel_find("portable"));
  setenv("BOLTZ_KERNEL", "abacus", 1);
  CHECK(boltz_kernel_auto()->present());
  unsetenv("BOLTZ_KERNEL");
  CHECK(boltz_kernel_auto()->present());
}

/* The three products against OpenBLAS, which sums in an order of its own: |error| of a sum of 300
   terms below 1 each is about 300 * 6e-8. */
static void the_products_agree_with_openblas(void) {
  struct world world = new_world();
  const struct boltz_linear map = {.in = 253, .out = 260, .activation = BOLTZ_LINEAR};
  const size_t rows = 61, ldx = boltz_kernel_ld(map.in), ldy = boltz_kernel_ld(map.out);
  const struct boltz_kernel *kernel = boltz_kernel_auto();
  float *y = BOLTZ_NEW_ARRAY(world.arena, rows * ldy, float);
  float *ours = BOLTZ_NEW_ARRAY(world.arena, rows * ldx, float);
  boltz_kernel_pack(&map, world.w, world.packed);
  kernel->linear(&map, world.packed, rows, world.x, y);
  float *theirs = BOLTZ_NEW_ARRAY(world.arena, rows * ldy, float);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)map.out, (int)map.in, 1,
              world.x, (int)ldx, world.w, (int)map.in, 0, theirs, (int)ldy);
  for (size_t i = 0; i < rows; i++)
    for (size_t o = 0; o < map.out; o++)
      CHECK_NEAR(y[i * ldy + o], theirs[i * ldy + o] + world.w[map.out * map.in + o], 5e-5);
  boltz_kernel_turn(&map, world.w, world.packed);
  kernel->back_input(&map, world.packed, rows, world.y, ours);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)map.in, (int)map.out, 1,
              world.y, (int)ldy, world.w, (int)map.in, 0, theirs, (int)ldx);
  for (size_t i = 0; i < rows; i++)
    for (size_t k = 0; k < map.in; k++) CHECK_NEAR(ours[i * ldx + k], theirs[i * ldx + k], 5e-5);
  kernel->back_weights(&map, rows, world.y, world.x, world.gw, world.work);
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)map.out, (int)map.in, (int)rows, 1,
              world.y, (int)ldy, world.x, (int)ldx, 0, world.gw_naive, (int)map.in);
  for (size_t k = 0; k < map.out * map.in; k++) CHECK_NEAR(world.gw[k], world.gw_naive[k], 5e-5);
  boltz_arena_close(world.arena);
}

int main(int argc, char **argv) {
  RUN(every_kernel_equals_the_naive_loop_in_every_bit);
  RUN(every_width_up_to_300_gives_the_naive_bits_at_every_height);
  RUN(activations_keep_zeros_limits_and_infinities);
  RUN(every_kernel_equals_the_naive_loop_at_random_sizes);
  RUN(the_products_agree_with_openblas);
  RUN(every_activation_is_the_same_inside_a_product_and_alone);
  RUN(every_slope_is_the_derivative_of_its_activation);
  RUN(tanh_is_within_5e_7_and_never_beyond_one);
  RUN(nan_in_is_nan_out);
  RUN(a_kernel_is_found_by_name_where_it_can_run);
  return check_report();
}
