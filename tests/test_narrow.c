/* test_narrow.c - bf16 and int8 against the loops that define their arithmetic, bit for bit. */
#include <float.h>
#include <stdint.h>

#include "boltz/arena.h"
#include "boltz/rng.h"
#include "check.h"
#include "core/kernel/narrow.h"
#include "core/nn/narrow.h"

#define ROWS_MAX 61
#define WIDTH_MAX 300
#define LD_MAX 304

/* Deterministic floats in (-1, 1). */
static void fill(uint64_t index, size_t n, float *out) {
  for (size_t i = 0; i < n; i++) {
    double u[2];
    boltz_rng_uniform(5, BOLTZ_STREAM_TEST, index << 32 | i, 0, u);
    out[i] = (float)(2 * u[0] - 1);
  }
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

static float of_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* ---- The definitions, once more ---- */

/* The nearest of the two neighbours that end in 16 zero bits; of two equally near the even one. The
   one after the largest is 2^128, which stands for infinity. */
static float nearest_bf16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  const uint32_t below = bits & 0xffff0000, above = below + 0x10000;
  if (!(fabs((double)x) >= ldexp(1, -56))) return 0;
  if (isinf(x)) return x;
  const double far = isinf(of_bits(above)) ? copysign(ldexp(1, 128), x) : (double)of_bits(above);
  const double left = fabs((double)x - (double)of_bits(below)), right = fabs(far - (double)x);
  const bool up = right < left || (right == left && (below & 0x10000));
  return of_bits(up ? above : below);
}

static int nearest_int8(float x, float inverse, float low, float high) {
  const float v = x * inverse;
  return (int)nearbyint(fmin(fmax((double)v, (double)low), (double)high));
}

/* A map in either arithmetic: what a kernel is given, and the loop over it. */
struct map {
  struct boltz_linear shape;
  float *w, *scale;             /* [out, in] and [out] rounded; [out] */
  struct boltz_int8_range from; /* of the inputs */
};

static float naive_bf16(const struct map *map, const float *x, size_t o) {
  const size_t in = map->shape.in;
  const float *w = map->w + o * in;
  float sum = map->w[map->shape.out * in + o];
  for (size_t k = 0; k < in; k += 2) {
    sum = k + 1 < in ? fmaf(nearest_bf16(x[k + 1]), w[k + 1], sum) : sum + 0.0f;
    sum = fmaf(nearest_bf16(x[k]), w[k], sum);
  }
  return activation(map->shape.activation, sum);
}

static float naive_int8(const struct map *map, const float *x, size_t o) {
  const size_t in = map->shape.in;
  int64_t sum = 0;
  for (size_t k = 0; k < in; k++)
    sum += (int)map->w[o * in + k] *
           nearest_int8(x[k], map->from.inverse[k], map->from.low, map->from.high);
  return activation(map->shape.activation,
                    fmaf((float)sum, map->scale[o], map->w[map->shape.out * in + o]));
}

static void naive(enum boltz_precision precision, const struct map *map, size_t rows,
                  const float *x, float *y) {
  const size_t ldx = boltz_kernel_ld(map->shape.in), ldy = boltz_kernel_ld(map->shape.out);
  for (size_t r = 0; r < rows; r++)
    for (size_t o = 0; o < map->shape.out; o++)
      y[r * ldy + o] = precision == BOLTZ_BF16 ? naive_bf16(map, x + r * ldx, o)
                                               : naive_int8(map, x + r * ldx, o);
}

/* ---- Kernels ---- */

struct world {
  struct boltz_arena *arena;
  float *values, *x, *hidden, *y, *expected, *work;
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
  narrow->enter(&a->from, a->shape.in, rows, x, world->rows_a);
  narrow->through(&first, rows, world->rows_a, world->rows_b);
  narrow->leave(&second, rows, world->rows_b, y);
}

static size_t differ(size_t rows, size_t width, const float *a, const float *b) {
  const size_t ld = boltz_kernel_ld(width);
  size_t wrong = 0;
  for (size_t r = 0; r < rows; r++)
    for (size_t o = 0; o < width; o++) wrong += !same(a[r * ld + o], b[r * ld + o]);
  return wrong;
}

/* Two maps in a row, in -> mid -> out, so that narrowing between them counts too. */
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
  run(narrow, kernel, rows, world->x, world, world->y);
  naive(precision, &world->a, rows, world->x, world->hidden);
  naive(precision, &world->b, rows, world->hidden, world->expected);
  const size_t wrong = differ(rows, out, world->y, world->expected);
  CHECK_MSG(wrong == 0, "%s on %s: %zu x %zu -> %zu -> %zu, activation %d: %zu outputs differ",
            boltz_precision_names[precision], kernel->name, rows, in, mid, out, a, wrong);

  /* the last row alone */
  const size_t ldx = boltz_kernel_ld(in), ldy = boltz_kernel_ld(out);
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

/* 4096 inputs at the ends of their range with the largest weights: 66 846 720 is even as a float.
 */
static void the_largest_sum_of_int8_does_not_overflow(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  const size_t in = 4096;
  float *w = BOLTZ_NEW_ARRAY(arena, 2 * (in + 1), float), *x = BOLTZ_NEW_ARRAY(arena, in, float);
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
        x[k] = side ? -1e30f : 1e30f;
        inverse[k] = 1;
        w[k] = k % 4 < 2 ? 64 : k % 2 ? 127 : 1;
        w[in + k] = -w[k];
      }
      void *packed = boltz_arena_alloc(arena, narrow->packed_size(&shape), 1);
      void *rows = boltz_arena_alloc(arena, in, narrow->element);
      narrow->pack(&shape, w, scale, range.low, packed, work);
      const struct boltz_narrow_map map = {
          .map = shape, .kernel = boltz_kernel_auto(), .packed = packed};
      narrow->enter(&range, in, 1, x, rows);
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

/* ---- Networks ---- */

#define NET_ROWS 200

struct net {
  struct boltz_arena *arena;
  struct boltz_mlp mlp;
  float *w, *packed, *x;
};

static struct net new_net(enum boltz_activation a, size_t hidden, const int64_t *widths) {
  struct net net = {.arena = boltz_arena_open(0)};
  const struct boltz_ints list = {.n = hidden, .v = (int64_t *)widths};
  CHECK(boltz_mlp_new(3, &list, 2, a, net.arena, &net.mlp) == BOLTZ_OK);
  const size_t last = net.mlp.w_offset[net.mlp.maps - 1];
  net.w = BOLTZ_NEW_ARRAY(net.arena, net.mlp.nw, float);
  net.packed = BOLTZ_NEW_ARRAY(net.arena, net.mlp.npacked, float);
  net.x = BOLTZ_NEW_ARRAY(net.arena, NET_ROWS * BOLTZ_PANEL, float);
  boltz_mlp_init(&net.mlp, 17, 0, net.w);
  fill(8, net.mlp.nw - last, net.w + last);
  boltz_mlp_pack(&net.mlp, net.w, net.packed);
  fill(9, NET_ROWS * BOLTZ_PANEL, net.x);
  for (size_t i = 0; i < NET_ROWS * BOLTZ_PANEL; i++) net.x[i] *= 2;
  return net;
}

static struct boltz_narrow *new_narrow(const struct net *net, enum boltz_precision precision) {
  struct boltz_narrow *narrow = NULL;
  CHECK(boltz_narrow_new(&net->mlp, net->w, net->packed, precision, NET_ROWS, net->x, net->arena,
                         net->arena, &narrow) == BOLTZ_OK);
  return narrow;
}

static const float *forward(const struct net *net, const struct boltz_narrow *narrow, size_t first,
                            size_t rows) {
  return boltz_narrow_forward(&net->mlp, narrow, net->packed, rows, net->x + first * BOLTZ_PANEL,
                              net->arena);
}

static const int64_t widths[] = {37, 64, 100, 21};

/* As a flow is served: the kernels' names are forced through the environment. */
static void a_network_gives_the_same_bits_on_every_kernel_and_in_every_cut(void) {
  const struct boltz_kernel *kernel;
  for (int p = BOLTZ_BF16; p <= BOLTZ_INT8; p++)
    for (int a = BOLTZ_RELU; a <= BOLTZ_SILU; a++) {
      setenv("BOLTZ_KERNEL", "portable", 1);
      struct net plain = new_net((enum boltz_activation)a, 4, widths);
      const float *expected =
          forward(&plain, new_narrow(&plain, (enum boltz_precision)p), 0, NET_ROWS);
      for (int k = 0; (kernel = boltz_kernel_at(k)) != NULL; k++) {
        if (!kernel->present()) continue;
        setenv("BOLTZ_KERNEL", kernel->name, 1);
        struct net net = new_net((enum boltz_activation)a, 4, widths);
        const struct boltz_narrow *narrow = new_narrow(&net, (enum boltz_precision)p);
        for (size_t first = 0, rows = 1; first < NET_ROWS; first += rows, rows++) {
          if (rows > NET_ROWS - first) rows = NET_ROWS - first;
          CHECK(differ(rows, 2, forward(&net, narrow, first, rows),
                       expected + first * BOLTZ_PANEL) == 0);
        }
        boltz_arena_close(net.arena);
      }
      boltz_arena_close(plain.arena);
    }
  unsetenv("BOLTZ_KERNEL");
}

/* A network of one narrow map from its definition: first and last map in float. */
static void a_network_in_bf16_is_its_definition(void) {
  struct net net = new_net(BOLTZ_SILU, 2, widths);
  const struct boltz_linear *map = net.mlp.map;
  const float *y = forward(&net, new_narrow(&net, BOLTZ_BF16), 0, NET_ROWS);
  float a[LD_MAX], b[LD_MAX], w[37 * 64 + 64];
  const struct map hidden = {.shape = map[1], .w = w};
  for (size_t i = 0; i < 37 * 64; i++) w[i] = nearest_bf16(net.w[net.mlp.w_offset[1] + i]);
  memcpy(w + 37 * 64, net.w + net.mlp.w_offset[1] + 37 * 64, 64 * sizeof *w);
  for (size_t r = 0; r < NET_ROWS; r++) {
    for (size_t o = 0; o < 37; o++) {
      a[o] = net.w[3 * 37 + o];
      for (size_t k = 0; k < 3; k++)
        a[o] = fmaf(net.x[r * BOLTZ_PANEL + k], net.w[o * 3 + k], a[o]);
      a[o] = boltz_silu(a[o]);
    }
    for (size_t o = 0; o < 64; o++) b[o] = naive_bf16(&hidden, a, o);
    for (size_t o = 0; o < 2; o++) {
      const float *last = net.w + net.mlp.w_offset[2];
      float sum = last[2 * 64 + o];
      for (size_t k = 0; k < 64; k++) sum = fmaf(b[k], last[o * 64 + k], sum);
      CHECK(same(sum, y[r * BOLTZ_PANEL + o]));
    }
  }
  boltz_arena_close(net.arena);
}

/* Rounding to steps of size h leaves an error of variance h^2/12; errors of different inputs,
   weights and outputs are as good as independent, so that variances add up. Slopes are at most 1,
   silu's 1.1. Inputs have 1/127 of [-1, 1] in tanh; else 5/4 of the largest activation of the layer
   is an upper bound of what 224 steps span, and the smallest step is 1/16 of it or, in silu, 0.009.
   Weights have 1/127 of their row's largest sum of a pair of weights times steps. */
static double variance_of(const struct net *net, enum boltz_activation a, const float *x,
                          size_t o) {
  const size_t in = net->mlp.map[1].in;
  const float *w = net->w + net->mlp.w_offset[1] + o * in;
  double step[LD_MAX], inputs = 0, weights = 0, most = 0, largest = 0;
  for (size_t k = 0; k < in; k++) {
    double top = 0;
    for (size_t r = 0; r < NET_ROWS; r++) top = fmax(top, (double)x[r * boltz_kernel_ld(in) + k]);
    step[k] = top;
    largest = fmax(largest, top);
  }
  for (size_t k = 0; k < in; k++) {
    step[k] = a == BOLTZ_TANH ? 1.0 / 127 : fmax(1.25 * fmax(step[k], largest / 16) / 224, 0.009);
    const double before = k % 2 ? fabs((double)w[k - 1]) * step[k - 1] : 0;
    most = fmax(most, before + fabs((double)w[k]) * step[k]);
    inputs += (double)w[k] * step[k] * (double)w[k] * step[k] / 12;
  }
  for (size_t k = 0; k < in; k++) weights += most / 127 * 255 * most / 127 * 255 / 12;
  return (inputs + weights) * 1.21;
}

/* 6 standard deviations; one in 500 million is beyond. */
static void a_network_in_int8_is_as_near_to_fp32_as_its_steps_allow(void) {
  for (int a = BOLTZ_RELU; a <= BOLTZ_SILU; a++) {
    struct net net = new_net((enum boltz_activation)a, 2, widths);
    const size_t maps = (size_t)net.mlp.maps, hidden = net.mlp.map[maps - 1].in;
    const float *last = net.w + net.mlp.w_offset[maps - 1];
    float *first = BOLTZ_NEW_ARRAY(net.arena, NET_ROWS * LD_MAX, float);
    double far = 0;
    const float *y = forward(&net, new_narrow(&net, BOLTZ_INT8), 0, NET_ROWS);
    const float *exact = boltz_mlp_forward(&net.mlp, net.packed, NET_ROWS, net.x, NULL, net.arena);
    net.mlp.kernel->linear(&net.mlp.map[0], net.packed, NET_ROWS, net.x, first);
    for (size_t o = 0; o < 2; o++) {
      double variance = 0;
      for (size_t k = 0; k < hidden; k++)
        variance += (double)last[o * hidden + k] * (double)last[o * hidden + k] *
                    variance_of(&net, (enum boltz_activation)a, first, k);
      for (size_t r = 0; r < NET_ROWS; r++) {
        const size_t i = r * BOLTZ_PANEL + o;
        CHECK_NEAR(y[i], exact[i], 6 * sqrt(variance));
        far = fmax(far, fabs((double)y[i] - (double)exact[i]) / sqrt(variance));
      }
    }
    CHECK_MSG(far > 0.05, "%g standard deviations at most: was it int8?", far);
    boltz_arena_close(net.arena);
  }
}

static void a_network_of_one_hidden_layer_stays_fp32(void) {
  struct net net = new_net(BOLTZ_TANH, 1, widths);
  const float *exact = boltz_mlp_forward(&net.mlp, net.packed, NET_ROWS, net.x, NULL, net.arena);
  for (int p = BOLTZ_BF16; p <= BOLTZ_INT8; p++)
    CHECK(differ(NET_ROWS, 2, exact,
                 forward(&net, new_narrow(&net, (enum boltz_precision)p), 0, NET_ROWS)) == 0);
  boltz_arena_close(net.arena);
}

static void a_precision_that_is_not_narrow_is_refused(void) {
  struct net net = new_net(BOLTZ_RELU, 2, widths);
  struct boltz_narrow *narrow;
  CHECK(boltz_narrow_new(&net.mlp, net.w, net.packed, BOLTZ_FP32, NET_ROWS, net.x, net.arena,
                         net.arena, &narrow) == BOLTZ_OUT_OF_RANGE);
  boltz_arena_close(net.arena);
}

static void exhausted_memory_is_reported(void) {
  struct net net = new_net(BOLTZ_RELU, 4, widths);
  struct boltz_narrow *narrow = new_narrow(&net, BOLTZ_INT8), *other;
  for (size_t limit = 1; limit < 400000; limit += 3977) {
    struct boltz_arena *small = boltz_arena_open(limit), *large = boltz_arena_open(0);
    const enum boltz_status first = boltz_narrow_new(&net.mlp, net.w, net.packed, BOLTZ_INT8,
                                                     NET_ROWS, net.x, small, large, &other);
    CHECK(first == BOLTZ_OK || first == BOLTZ_NO_MEMORY);
    const enum boltz_status second = boltz_narrow_new(&net.mlp, net.w, net.packed, BOLTZ_INT8,
                                                      NET_ROWS, net.x, large, small, &other);
    CHECK(second == BOLTZ_OK || second == BOLTZ_NO_MEMORY);
    CHECK(limit > 1 || (first == BOLTZ_NO_MEMORY && second == BOLTZ_NO_MEMORY));
    boltz_arena_close(small);
    boltz_arena_close(large);
  }
  struct boltz_arena *none = boltz_arena_open(1);
  CHECK(!boltz_narrow_forward(&net.mlp, narrow, net.packed, NET_ROWS, net.x, none));
  boltz_arena_close(none);
  boltz_arena_close(net.arena);
}

int main(int argc, char **argv) {
  RUN(bfloat16_is_the_nearest_and_of_two_the_even);
  RUN(int8_is_the_nearest_and_of_two_the_even);
  RUN(no_sum_of_bf16_is_denormal);
  RUN(every_kernel_equals_the_naive_loop_at_all_widths);
  RUN(every_kernel_equals_the_naive_loop_at_all_numbers_of_rows);
  RUN(the_largest_sum_of_int8_does_not_overflow);
  RUN(a_network_gives_the_same_bits_on_every_kernel_and_in_every_cut);
  RUN(a_network_in_bf16_is_its_definition);
  RUN(a_network_in_int8_is_as_near_to_fp32_as_its_steps_allow);
  RUN(a_network_of_one_hidden_layer_stays_fp32);
  RUN(a_precision_that_is_not_narrow_is_refused);
  RUN(exhausted_memory_is_reported);
  return check_report();
}
