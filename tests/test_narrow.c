/* test_narrow.c - maps in bf16 and int8 against the loops that define their arithmetic, bit for
 * bit. */
#include <float.h>
#include <stdint.h>

#include "boltz/arena.h"
#include "boltz/rng.h"
#include "check.h"
#include "tests/narrow.h"
#include "tests/sums.h"

#define ROWS_MAX 61
#define WIDTH_MAX 300

/* ---- Kernels ---- */

struct world {
  struct boltz_arena *arena;
  float *values, *packed_first, *x, *entered, *hidden, *y, *expected, *work;
  struct boltz_linear first;
  struct map a, b;
  void *packed_a, *packed_b, *rows_a, *rows_b;
};

static struct map new_map(struct boltz_arena *arena) {
  return (struct map){.w = BOLTZ_NEW_ARRAY(arena, WIDTH_MAX * (WIDTH_MAX + 1), float),
                      .scale = BOLTZ_NEW_ARRAY(arena, LD_MAX, float),
                      .from.inverse = BOLTZ_NEW_ARRAY(arena, LD_MAX, float)};
}

static struct world new_world(void) {
  struct world world = {.arena = boltz_arena_open(0)};
  const size_t rows = ROWS_MAX * LD_MAX, bytes = 4 * (LD_MAX + 1) * (LD_MAX + 3);
  world.values = BOLTZ_NEW_ARRAY(world.arena, WIDTH_MAX * (WIDTH_MAX + 1), float);
  world.x = BOLTZ_NEW_ARRAY(world.arena, rows, float);
  world.packed_first = BOLTZ_NEW_ARRAY(world.arena, 8 * LD_MAX, float);
  world.entered = BOLTZ_NEW_ARRAY(world.arena, rows, float);
  world.hidden = BOLTZ_NEW_ARRAY(world.arena, rows, float);
  world.y = BOLTZ_NEW_ARRAY(world.arena, rows, float);
  world.expected = BOLTZ_NEW_ARRAY(world.arena, rows, float);
  world.work = BOLTZ_NEW_ARRAY(world.arena, LD_MAX * (LD_MAX + 2), float);
  world.packed_a = boltz_arena_alloc(world.arena, bytes, 1);
  world.packed_b = boltz_arena_alloc(world.arena, bytes, 1);
  world.rows_a = boltz_arena_alloc(world.arena, rows, 4);
  world.rows_b = boltz_arena_alloc(world.arena, rows, 4);
  world.a = new_map(world.arena);
  world.b = new_map(world.arena);
  fill(1, WIDTH_MAX * (WIDTH_MAX + 1), world.values);
  fill(2, rows, world.x);
  return world;
}

/* Ranges as each activation needs them; a few inputs fall outside. */
static struct boltz_int8_range range_of(enum boltz_activation a, size_t width, float *inverse) {
  const float low = a == BOLTZ_RELU ? 0 : a == BOLTZ_SILU ? -31 : -127;
  const float high = a == BOLTZ_RELU ? 255 : a == BOLTZ_SILU ? 224 : 127;
  for (size_t k = 0; k < width; k++) inverse[k] = high * (1.0f + (float)(k % 5) / 16);
  return (struct boltz_int8_range){.inverse = inverse, .low = low, .high = high};
}

static void set_map(enum boltz_precision precision, size_t in, size_t out,
                    enum boltz_activation before, enum boltz_activation after,
                    const struct world *world, struct map *map) {
  const size_t weights = in * out;
  map->shape = (struct boltz_linear){.in = in, .out = out, .activation = after};
  map->from = range_of(before, in, (float *)map->from.inverse);
  for (size_t i = 0; i < weights; i++) {
    const bool second = i % in % 2 == 1; /* of a pair, which has 128 together */
    const double most = second ? fmin(128 - fabs((double)map->w[i - 1]), 127) : 127;
    map->w[i] = precision == BOLTZ_BF16 ? nearest_bf16(world->values[i])
                                        : (float)nearbyint(most * (double)world->values[i]);
  }
  for (size_t o = 0; o < out; o++) {
    map->scale[o] = (0.5f + 0.25f * world->values[o]) / (16 * 127 * 127);
    map->w[weights + o] = 0.125f * world->values[weights + o];
  }
}

static void run(const struct boltz_narrow_kernel *narrow, const struct boltz_kernel *kernel,
                size_t rows, const float *x, const struct world *world, float *y) {
  const struct map *a = &world->a, *b = &world->b;
  const struct boltz_narrow_map first = {
      .map = a->shape, .kernel = kernel, .packed = world->packed_a, .range = b->from};
  const struct boltz_narrow_map second = {
      .map = b->shape, .kernel = kernel, .packed = world->packed_b};
  const struct boltz_narrow_map before = {
      .map = world->first, .kernel = kernel, .packed = world->packed_first, .range = a->from};
  narrow->enter(&before, rows, x, world->rows_a);
  narrow->through(&first, rows, world->rows_a, world->rows_b);
  narrow->leave(&second, rows, world->rows_b, y);
}

/* The float map that leads to the narrow ones; its weights are the last of the values. */
static void naive_first(enum boltz_precision precision, size_t rows, const struct world *world) {
  const struct boltz_linear *map = &world->first;
  const size_t ldx = boltz_kernel_ld(map->in), ldy = boltz_kernel_ld(map->out);
  const float *w = world->values;
  for (size_t r = 0; r < rows; r++)
    for (size_t o = 0; o < map->out; o++)
      world->entered[r * ldy + o] = activation(
          precision, map->activation,
          sum_in_turn(w + o * map->in, world->x + r * ldx, map->in, w[map->in * map->out + o]));
}

/* A float map and two narrow ones, few or some -> in -> mid -> out, so that narrowing between them
   counts too. */
static void compare(const struct boltz_narrow_kernel *narrow, const struct boltz_kernel *kernel,
                    struct world *world, size_t rows, size_t in, size_t mid, size_t out,
                    enum boltz_activation a) {
  const enum boltz_precision precision = narrow->precision;
  set_map(precision, in, mid, BOLTZ_TANH, a, world, &world->a);
  set_map(precision, mid, out, a, a, world, &world->b);
  narrow->pack(&world->a.shape, world->a.w, world->a.scale, world->a.from.low, world->packed_a,
               world->work);
  narrow->pack(&world->b.shape, world->b.w, world->b.scale, world->b.from.low, world->packed_b,
               world->work);
  world->first = (struct boltz_linear){.in = 1 + (in + mid) % 7, .out = in, .activation = a};
  boltz_kernel_pack(&world->first, world->values, world->packed_first);
  run(narrow, kernel, rows, world->x, world, world->y);
  naive_first(precision, rows, world);
  naive(precision, &world->a, rows, world->entered, world->hidden);
  naive(precision, &world->b, rows, world->hidden, world->expected);
  const size_t wrong = differ(rows, out, world->y, world->expected);
  CHECK_MSG(wrong == 0, "%s on %s: %zu x %zu -> %zu -> %zu, activation %d: %zu outputs differ",
            boltz_precision_names[precision], kernel->name, rows, in, mid, out, a, wrong);

  /* the last row alone */
  const size_t ldx = boltz_kernel_ld(world->first.in), ldy = boltz_kernel_ld(out);
  run(narrow, kernel, 1, world->x + (rows - 1) * ldx, world, world->y);
  CHECK(differ(1, out, world->y, world->expected + (rows - 1) * ldy) == 0);
}

/* Every narrow kernel of this processor with every kernel whose float products it may use. */
static void for_every_kernel(void (*test)(const struct boltz_narrow_kernel *,
                                          const struct boltz_kernel *, struct world *)) {
  struct world world = new_world();
  const struct boltz_narrow_kernel *narrow;
  const struct boltz_kernel *kernel;
  for (int n = 0; (narrow = boltz_narrow_kernel_at(n)) != NULL; n++) {
    if (!narrow->present()) continue;
    for (int k = 0; (kernel = boltz_kernel_at(k)) != NULL; k++)
      if (kernel->present()) test(narrow, kernel, &world);
  }
  boltz_arena_close(world.arena);
}

static void all_shapes(const struct boltz_narrow_kernel *narrow, const struct boltz_kernel *kernel,
                       struct world *world) {
  enum boltz_activation a = BOLTZ_RELU;
  for (size_t n = 1; n <= WIDTH_MAX; n++, a = a == BOLTZ_SILU ? BOLTZ_RELU : a + 1) {
    compare(narrow, kernel, world, 1 + n % 13, n, 5, 1 + n % 3, a);
    compare(narrow, kernel, world, 1 + n % 13, 1 + n % 7, n, 3, a);
    compare(narrow, kernel, world, 1 + n % 13, 4, 1 + n % 5, n, a);
  }
}

static void every_kernel_equals_the_naive_loop_at_all_widths(void) {
  for_every_kernel(all_shapes);
}

static void all_rows(const struct boltz_narrow_kernel *narrow, const struct boltz_kernel *kernel,
                     struct world *world) {
  for (size_t rows = 1; rows <= 13; rows++)
    for (int a = BOLTZ_LINEAR; a <= BOLTZ_SILU; a++) {
      compare(narrow, kernel, world, rows, 33, 70, 25, (enum boltz_activation)a);
      compare(narrow, kernel, world, rows, 64, 48, 87, (enum boltz_activation)a);
    }
  compare(narrow, kernel, world, ROWS_MAX, 256, 300, 257, BOLTZ_RELU);
}

static void every_kernel_equals_the_naive_loop_at_all_numbers_of_rows(void) {
  for_every_kernel(all_rows);
}

static void odd_inputs(const struct boltz_narrow_kernel *narrow, const struct boltz_kernel *kernel,
                       struct world *world) {
  static const float odd[] = {NAN, INFINITY, -INFINITY, 1e30f, -1e30f};
  if (narrow->precision != BOLTZ_INT8) return;
  for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) world->x[7 * i] = odd[i];
  for (int a = BOLTZ_RELU; a <= BOLTZ_SILU; a++)
    compare(narrow, kernel, world, 3, 40, 19, 5, (enum boltz_activation)a);
}

static void int8_cuts_what_is_no_finite_number_as_the_naive_loop_does(void) {
  for_every_kernel(odd_inputs);
}

/* 4096 inputs at the ends of their range with the largest weights: 66 846 720 is even as a float.
 */
static void the_largest_sum_of_int8_does_not_overflow(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  const size_t in = 4096;
  float *w = BOLTZ_NEW_ARRAY(arena, 2 * (in + 1), float);
  float *x = BOLTZ_NEW_ARRAY(arena, 2 * in, float),
        *entering = BOLTZ_NEW_ARRAY(arena, 2 * in, float);
  float *work = BOLTZ_NEW_ARRAY(arena, 2 * (in + 2), float), y[BOLTZ_PANEL];
  float *inverse = BOLTZ_NEW_ARRAY(arena, in, float);
  const float scale[2] = {1, 1};
  const struct boltz_linear shape = {.in = in, .out = 2, .activation = BOLTZ_LINEAR};
  const struct boltz_narrow_kernel *narrow;
  for (int n = 0; (narrow = boltz_narrow_kernel_at(n)) != NULL; n++)
    for (int side = 0; side < 2; side++) {
      if (narrow->precision != BOLTZ_INT8 || !narrow->present()) continue;
      const struct boltz_int8_range range = {
          .inverse = inverse, .low = side ? -255 : 0, .high = side ? 0 : 255};
      for (size_t k = 0; k < in; k++) {
        x[in + k] = side ? -1e30f : 1e30f;
        inverse[k] = 1;
        w[k] = k % 4 < 2 ? 64 : k % 2 ? 127 : 1;
        w[in + k] = -w[k];
      }
      void *packed = boltz_arena_alloc(arena, narrow->packed_size(&shape), 1);
      void *rows = boltz_arena_alloc(arena, in, narrow->element);
      narrow->pack(&shape, w, scale, range.low, packed, work);
      const struct boltz_narrow_map map = {
          .map = shape, .kernel = boltz_kernel_auto(), .packed = packed};
      /* one input of 0: x is the bias */
      const struct boltz_linear first = {.in = 1, .out = in};
      float nought[BOLTZ_PANEL] = {0};
      boltz_kernel_pack(&first, x, entering);
      const struct boltz_narrow_map before = {
          .map = first, .kernel = boltz_kernel_auto(), .packed = entering, .range = range};
      narrow->enter(&before, 1, nought, rows);
      narrow->leave(&map, 1, rows, y);
      CHECK_NEAR(y[0], side ? -66846720 : 66846720, 0);
      CHECK_NEAR(y[1], side ? 66846720 : -66846720, 0);
    }
  boltz_arena_close(arena);
}

/* ---- Rounding ---- */

static void bfloat16_is_the_nearest_and_of_two_the_even(void) {
  static const uint32_t lower[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff, 0x1234, 0xedcb};
  size_t wrong = 0;
  for (uint32_t upper = 0; upper < 0x10000; upper++)
    for (size_t k = 0; k < sizeof lower / sizeof lower[0]; k++) {
      const float x = of_bits(upper << 16 | lower[k]);
      if (isnan(x))
        wrong += !isnan(boltz_bf16(x)) || !isnan(of_bits((uint32_t)boltz_bf16_bits(x) << 16));
      else
        wrong += !same(boltz_bf16(x), nearest_bf16(x)) ||
                 !same(of_bits((uint32_t)boltz_bf16_bits(x) << 16), nearest_bf16(x));
    }
  CHECK_MSG(wrong == 0, "%zu are not", wrong);
}

static void int8_is_the_nearest_and_of_two_the_even(void) {
  size_t wrong = 0;
  for (int i = -3000; i <= 3000; i++)
    for (int low = -255; low <= 0; low += 51) {
      const float x = (float)i / 8, below = (float)low, above = (float)(low + 255);
      wrong += boltz_int8(x, 1, below, above) != nearest_int8(x, 1, below, above);
    }
  CHECK_MSG(wrong == 0, "%zu are not", wrong);
  CHECK_INT(boltz_int8(NAN, 1, -31, 224), -31);
  CHECK_INT(boltz_int8(INFINITY, 1, -31, 224), 224);
}

static void tanh_of_int8_is_within_5e_5(void) {
  double worst = 0;
  for (int i = -120000; i <= 120000; i++) {
    const float x = (float)i * 1e-4f;
    const double error = fabs((double)boltz_tanh_coarse(x) - tanh((double)x));
    if (!(error <= worst)) worst = error;
  }
  CHECK_MSG(worst < 5e-5, "worst error %g", worst);
  CHECK(boltz_tanh_coarse(1e30f) == boltz_tanh_coarse(5) && isnan(boltz_tanh_coarse(NAN)));
}

/* The smallest inputs, weights and biases that are not 0, with every last bit set or not. */
static void no_sum_of_bf16_is_denormal(void) {
  size_t denormal = 0;
  for (uint64_t i = 0; i < 200000; i++) {
    uint32_t bits[4];
    boltz_rng_bits(3, BOLTZ_STREAM_TEST, i, 0, bits);
    float sum =
        boltz_bf16_bias(ldexpf((float)(bits[0] >> 8) * 0x1p-23f, -99 - (int)(bits[1] % 40)));
    for (int k = 0; k < 4; k++) {
      const float x =
          ldexpf(1 + (float)(bits[2] >> (8 * k) & 127) / 128, -57 + (int)(bits[1] >> (4 + k) & 1));
      const float w =
          ldexpf(1 + (float)(bits[3] >> (8 * k) & 127) / 128, -57 + (int)(bits[1] >> (8 + k) & 1));
      sum = fmaf(boltz_bf16(x), (bits[1] >> (12 + k) & 1) ? boltz_bf16(w) : -boltz_bf16(w), sum);
      denormal += sum != 0 && fabsf(sum) < FLT_MIN;
    }
  }
  CHECK_MSG(denormal == 0, "%zu are", denormal);
}

int main(int argc, char **argv) {
  RUN(bfloat16_is_the_nearest_and_of_two_the_even);
  RUN(int8_is_the_nearest_and_of_two_the_even);
  RUN(tanh_of_int8_is_within_5e_5);
  RUN(no_sum_of_bf16_is_denormal);
  RUN(every_kernel_equals_the_naive_loop_at_all_widths);
  RUN(every_kernel_equals_the_naive_loop_at_all_numbers_of_rows);
  RUN(int8_cuts_what_is_no_finite_number_as_the_naive_loop_does);
  RUN(the_largest_sum_of_int8_does_not_overflow);
  return check_report();
}
