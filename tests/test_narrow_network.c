/* test_narrow_network.c - networks whose maps are narrow: their bits, their definition, their
 * error. */
#include <stdint.h>
#include <stdlib.h>

#include "boltz/arena.h"
#include "check.h"
#include "core/nn/narrow.h"
#include "tests/narrow.h"
#include "tests/sums.h"

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
  boltz_mlp_pack(&net.mlp, net.w, net.packed, NULL);
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
    for (int a = BOLTZ_RELU; a <= 2 * BOLTZ_SILU; a++) {
      const bool all = a > BOLTZ_SILU; /* the last map too */
      const enum boltz_activation own = (enum boltz_activation)(all ? a - BOLTZ_SILU : a);
      setenv("BOLTZ_KERNEL", "portable", 1);
      struct net plain = new_net(own, 4, widths);
      plain.mlp.all_narrow = all;
      const float *expected =
          forward(&plain, new_narrow(&plain, (enum boltz_precision)p), 0, NET_ROWS);
      for (int k = 0; (kernel = boltz_kernel_at(k)) != NULL; k++) {
        if (!kernel->present()) continue;
        setenv("BOLTZ_KERNEL", kernel->name, 1);
        struct net net = new_net(own, 4, widths);
        net.mlp.all_narrow = all;
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
      a[o] = boltz_silu(sum_in_turn(net.w + o * 3, net.x + r * BOLTZ_PANEL, 3, net.w[3 * 37 + o]));
    }
    for (size_t o = 0; o < 64; o++) b[o] = naive_bf16(&hidden, a, o);
    for (size_t o = 0; o < 2; o++) {
      const float *last = net.w + net.mlp.w_offset[2];
      const float sum = sum_of_sixteen(last + o * 64, b, 64, last[2 * 64 + o]);
      CHECK(same(sum, y[r * BOLTZ_PANEL + o]));
    }
  }
  boltz_arena_close(net.arena);
}

/* Of one hidden layer and a narrow map after it, whose outputs are the network's. */
static void a_last_map_in_bf16_is_its_definition(void) {
  struct net net = new_net(BOLTZ_SILU, 1, widths);
  net.mlp.all_narrow = true;
  const float *y = forward(&net, new_narrow(&net, BOLTZ_BF16), 0, NET_ROWS);
  float a[LD_MAX], w[37 * 2 + 2];
  const struct map last = {.shape = net.mlp.map[1], .w = w};
  for (size_t i = 0; i < 37 * 2; i++) w[i] = nearest_bf16(net.w[net.mlp.w_offset[1] + i]);
  memcpy(w + 37 * 2, net.w + net.mlp.w_offset[1] + 37 * 2, 2 * sizeof *w);
  for (size_t r = 0; r < NET_ROWS; r++) {
    for (size_t o = 0; o < 37; o++)
      a[o] = boltz_silu(sum_in_turn(net.w + o * 3, net.x + r * BOLTZ_PANEL, 3, net.w[3 * 37 + o]));
    for (size_t o = 0; o < 2; o++) CHECK(same(naive_bf16(&last, a, o), y[r * BOLTZ_PANEL + o]));
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

/* The same of a last map; its inputs are the first's outputs. */
static void a_last_map_in_int8_is_as_near_to_fp32_as_its_steps_allow(void) {
  for (int a = BOLTZ_RELU; a <= BOLTZ_SILU; a++) {
    struct net net = new_net((enum boltz_activation)a, 1, widths);
    net.mlp.all_narrow = true;
    float *first = BOLTZ_NEW_ARRAY(net.arena, NET_ROWS * LD_MAX, float);
    const float *y = forward(&net, new_narrow(&net, BOLTZ_INT8), 0, NET_ROWS);
    const float *exact = boltz_mlp_forward(&net.mlp, net.packed, NET_ROWS, net.x, NULL, net.arena);
    double far = 0;
    net.mlp.kernel->linear(&net.mlp.map[0], net.packed, NET_ROWS, net.x, first);
    for (size_t o = 0; o < 2; o++) {
      const double sigma = sqrt(variance_of(&net, (enum boltz_activation)a, first, o));
      for (size_t r = 0; r < NET_ROWS; r++) {
        const size_t i = r * BOLTZ_PANEL + o;
        CHECK_NEAR(y[i], exact[i], 6 * sigma);
        far = fmax(far, fabs((double)y[i] - (double)exact[i]) / sigma);
      }
    }
    CHECK_MSG(far > 0.05, "%g standard deviations at most: was it int8?", far);
    boltz_arena_close(net.arena);
  }
}

/* One of the inputs far out, or none, or no number: all in the midst of other rows. */
static void int8_leaves_rows_that_it_was_not_calibrated_by_to_fp32(void) {
  struct net net = new_net(BOLTZ_RELU, 4, widths);
  const struct boltz_narrow *narrow = new_narrow(&net, BOLTZ_INT8);
  for (size_t r = 0; r < NET_ROWS; r++)
    if (r % 5 < 4) net.x[r * BOLTZ_PANEL + r % 3] = r % 5 == 0 ? 9 : r % 5 == 1 ? NAN : -INFINITY;
  const float *y = forward(&net, narrow, 0, NET_ROWS);
  const float *fp32 = boltz_mlp_forward(&net.mlp, net.packed, NET_ROWS, net.x, NULL, net.arena);
  for (size_t r = 0; r < NET_ROWS; r++) {
    const size_t at = r * BOLTZ_PANEL;
    const bool both = same(y[at], fp32[at]) && same(y[at + 1], fp32[at + 1]);
    CHECK_MSG(both == (r % 5 < 4), "row %zu", r);
  }
  boltz_arena_close(net.arena);
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
  RUN(a_network_gives_the_same_bits_on_every_kernel_and_in_every_cut);
  RUN(a_network_in_bf16_is_its_definition);
  RUN(a_last_map_in_bf16_is_its_definition);
  RUN(a_network_in_int8_is_as_near_to_fp32_as_its_steps_allow);
  RUN(a_last_map_in_int8_is_as_near_to_fp32_as_its_steps_allow);
  RUN(int8_leaves_rows_that_it_was_not_calibrated_by_to_fp32);
  RUN(a_network_of_one_hidden_layer_stays_fp32);
  RUN(a_precision_that_is_not_narrow_is_refused);
  RUN(exhausted_memory_is_reported);
  return check_report();
}
