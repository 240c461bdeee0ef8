/* test_flow.c - a whole flow: sampling, density, gradients, tiles. */
#include "flow_world.h"

#define SMALL                                                                                    \
  "{\"layers\":[{\"type\":\"realnvp\",\"blocks\":2,\"hidden\":[16,16]},{\"type\":\"actnorm\"},"  \
  "{\"type\":\"permute\",\"order\":[2,0,1]},{\"type\":\"interval\",\"coordinates\":[1],\"low\":" \
  "[-1],\"high\":[4]}]}"
#define DIM 3

/* Weights as init makes them, and noise on all, so that nothing is near the identity. */
static struct world new_world(const char *text) {
  struct world world = {.arena = boltz_arena_open(0)};
  CHECK_INT(new_flow(world.arena, text, DIM, &world.flow), BOLTZ_OK);
  CHECK_INT(boltz_weights_new(&world.flow, world.arena, &world.weights), BOLTZ_OK);
  CHECK_INT(boltz_weights_turn(&world.flow, world.arena, &world.weights), BOLTZ_OK);
  boltz_flow_init(&world.flow, 9, &world.weights);
  for (size_t k = 0; k < world.flow.nw; k++) {
    double z[2];
    boltz_rng_normal(31, BOLTZ_STREAM_TEST, k, 0, z);
    world.weights.flat[k] += (float)(0.15 * z[0]);
  }
  boltz_flow_pack(&world.flow, &world.weights);
  return world;
}

static struct boltz_batch batch(struct world *world, size_t n) {
  struct boltz_batch x = {0};
  CHECK_INT(boltz_batch_new(world->arena, n, DIM, &x), BOLTZ_OK);
  return x;
}

static bool same_columns(const struct boltz_batch *a, size_t first, const struct boltz_batch *b) {
  bool same = true;
  for (int j = 0; j < DIM; j++)
    same &= memcmp(a->col[j] + first, b->col[j], b->n * sizeof(double)) == 0;
  return same;
}

static void a_new_flow_is_the_identity(void) {
  struct world world = {.arena = boltz_arena_open(0)};
  const char *text = "{\"layers\":[{\"type\":\"realnvp\",\"blocks\":3},{\"type\":\"actnorm\"}]}";
  double log_q[50];
  CHECK_INT(new_flow(world.arena, text, DIM, &world.flow), BOLTZ_OK);
  CHECK_INT(boltz_weights_new(&world.flow, world.arena, &world.weights), BOLTZ_OK);
  CHECK_INT(boltz_weights_turn(&world.flow, world.arena, &world.weights), BOLTZ_OK);
  boltz_flow_init(&world.flow, 1, &world.weights);
  struct boltz_batch x = batch(&world, 50), z = batch(&world, 50);
  boltz_flow_sample(&world.flow, &world.weights, 1, BOLTZ_STREAM_TEST, 0, &x, &z, log_q,
                    world.arena);
  CHECK(same_columns(&x, 0, &z));
  boltz_arena_close(world.arena);
}

static void equal_seeds_give_equal_weights_and_others_do_not(void) {
  struct world a = new_world(SMALL), b = new_world(SMALL);
  boltz_flow_init(&a.flow, 5, &a.weights);
  boltz_flow_init(&b.flow, 5, &b.weights);
  CHECK(memcmp(a.weights.flat, b.weights.flat, a.flow.nw * sizeof(float)) == 0);
  boltz_flow_init(&b.flow, 6, &b.weights);
  CHECK(memcmp(a.weights.flat, b.weights.flat, a.flow.nw * sizeof(float)) != 0);
  boltz_arena_close(a.arena);
  boltz_arena_close(b.arena);
}

static void a_sample_is_its_latent_transformed_and_log_q_follows(void) {
  enum { n = 200 };
  struct world world = new_world(SMALL);
  struct boltz_batch x = batch(&world, n), z = batch(&world, n), latent = batch(&world, n);
  double log_q[n], log_det[n];
  boltz_flow_sample(&world.flow, &world.weights, 42, BOLTZ_STREAM_TEST, 7, &x, &z, log_q,
                    world.arena);
  boltz_rng_normals(42, BOLTZ_STREAM_TEST, 7, &latent);
  CHECK(same_columns(&z, 0, &latent));
  boltz_flow_transform(&world.flow, &world.weights, BOLTZ_TO_X, &z, log_det, world.arena);
  CHECK(same_columns(&z, 0, &x));
  for (size_t i = 0; i < n; i++) {
    double log_p = -1.5 * log(2 * M_PI);
    for (int j = 0; j < DIM; j++) log_p -= 0.5 * latent.col[j][i] * latent.col[j][i];
    CHECK_NEAR(log_q[i], log_p - log_det[i], 1e-13);
    CHECK(x.col[1][i] >= -1 && x.col[1][i] <= 4);
  }
  boltz_arena_close(world.arena);
}

static void the_density_of_a_sample_is_its_log_q_and_x_comes_back(void) {
  enum { n = 300 };
  struct world world = new_world(SMALL);
  struct boltz_batch x = batch(&world, n), z = batch(&world, n), y = batch(&world, n);
  double log_q[n], again[n], log_det[n];
  boltz_flow_sample(&world.flow, &world.weights, 3, BOLTZ_STREAM_TEST, 0, &x, &z, log_q,
                    world.arena);
  boltz_batch_copy(&y, 0, &x, 0, n);
  boltz_flow_log_density(&world.flow, &world.weights, &y, again, world.arena);
  for (size_t i = 0; i < n; i++) {
    /* roundings of 1e-16, some 100 times larger where the interval is flat, through 4 layers; that
       a conditioner's input rounds to the next float happens once in 1e8 rows */
    CHECK_NEAR(again[i], log_q[i], 1e-12);
    for (int j = 0; j < DIM; j++) CHECK_NEAR(y.col[j][i], z.col[j][i], 1e-12);
  }
  boltz_flow_transform(&world.flow, &world.weights, BOLTZ_TO_X, &y, log_det, world.arena);
  for (size_t i = 0; i < n; i++)
    for (int j = 0; j < DIM; j++) CHECK_NEAR(y.col[j][i], x.col[j][i], 1e-9);
  boltz_arena_close(world.arena);
}

static void sample_i_is_the_same_bits_whatever_the_batch(void) {
  enum { n = 250 };
  struct world world = new_world(SMALL);
  struct boltz_batch x = batch(&world, n);
  double log_q[n], part_q[n];
  boltz_flow_sample(&world.flow, &world.weights, 8, BOLTZ_STREAM_TEST, 0, &x, NULL, log_q,
                    world.arena);
  static const size_t cuts[] = {0, 1, 2, 9, 100, 197, 250};
  for (size_t c = 0; c + 1 < sizeof cuts / sizeof cuts[0]; c++) {
    struct boltz_batch part = batch(&world, cuts[c + 1] - cuts[c]);
    boltz_flow_sample(&world.flow, &world.weights, 8, BOLTZ_STREAM_TEST, cuts[c], &part, NULL,
                      part_q, world.arena);
    CHECK(same_columns(&x, cuts[c], &part));
    CHECK(memcmp(log_q + cuts[c], part_q, part.n * sizeof(double)) == 0);
  }
  boltz_arena_close(world.arena);
}

static void every_kernel_gives_the_same_samples(void) {
  enum { n = 40 };
  double log_q[n], other_q[n];
  setenv("BOLTZ_KERNEL", "portable", 1);
  struct world plain = new_world(SMALL);
  unsetenv("BOLTZ_KERNEL");
  struct world fast = new_world(SMALL);
  struct boltz_batch x = batch(&plain, n), y = batch(&fast, n);
  boltz_flow_sample(&plain.flow, &plain.weights, 8, BOLTZ_STREAM_TEST, 0, &x, NULL, log_q,
                    plain.arena);
  boltz_flow_sample(&fast.flow, &fast.weights, 8, BOLTZ_STREAM_TEST, 0, &y, NULL, other_q,
                    fast.arena);
  CHECK(same_columns(&x, 0, &y));
  CHECK(memcmp(log_q, other_q, sizeof log_q) == 0);
  boltz_arena_close(plain.arena);
  boltz_arena_close(fast.arena);
}

static void an_overflow_shows_as_a_log_q_that_is_not_finite(void) {
  struct world world = new_world(SMALL);
  for (int d = BOLTZ_TO_X; d <= BOLTZ_TO_Z; d++)
    for (int j = 0; j < DIM; j++)
      for (int k = 0; k < 2; k++) {
        struct boltz_batch x = batch(&world, 2);
        double log_det[2];
        x.col[j][0] = k == 0 ? NAN : INFINITY;
        boltz_flow_transform(&world.flow, &world.weights, (enum boltz_direction)d, &x, log_det,
                             world.arena);
        CHECK(!isfinite(log_det[0]));
        CHECK(isfinite(log_det[1]));
      }
  boltz_arena_close(world.arena);
}

static void exhausted_scratch_shows_as_nan_and_a_missing_tape(void) {
  struct world world = new_world(SMALL);
  for (size_t limit = 64; limit <= 32768; limit *= 4) {
    struct boltz_arena *scratch = boltz_arena_open(limit);
    struct boltz_batch x = batch(&world, 64);
    double log_q[64], log_det[64];
    boltz_flow_sample(&world.flow, &world.weights, 1, BOLTZ_STREAM_TEST, 0, &x, NULL, log_q,
                      scratch);
    if (limit <= 4096)
      for (size_t i = 0; i < 64; i++) CHECK(isnan(log_q[i]));
    CHECK(boltz_flow_record(&world.flow, &world.weights, BOLTZ_TO_X, &x, log_det, scratch) == NULL);
    boltz_arena_close(scratch);
  }
  boltz_arena_close(world.arena);
}

/* J = sum of c.out + |out|^2/8 + d log_det over the rows, with its gradients. */
static double loss(struct world *world, enum boltz_direction direction, const struct boltz_batch *x,
                   struct boltz_batch *g, float *gw) {
  const struct boltz_mark mark = boltz_arena_mark(world->arena);
  struct boltz_batch y = batch(world, x->n);
  double log_det[16], glog_det[16], sum = 0;
  boltz_batch_copy(&y, 0, x, 0, x->n);
  struct boltz_tape *tape =
      boltz_flow_record(&world->flow, &world->weights, direction, &y, log_det, world->arena);
  for (size_t i = 0; i < x->n; i++) {
    glog_det[i] = 0.3 - 0.1 * (double)i;
    sum += glog_det[i] * log_det[i];
    for (int j = 0; j < DIM; j++) {
      const double out = y.col[j][i], c = sin((double)(i * DIM) + j);
      sum += c * out + out * out / 8;
      if (g) g->col[j][i] = c + out / 4;
    }
  }
  if (g)
    boltz_flow_backward(&world->flow, &world->weights, tape, &y, g, glog_det, gw, world->arena);
  boltz_arena_release(world->arena, mark);
  return sum;
}

static void gradients_match(enum boltz_direction direction) {
  struct world world = new_world(
      "{\"layers\":[{\"type\":\"realnvp\",\"blocks\":1,\"hidden\":[9],\"scale_activation\":"
      "\"silu\"},"
      "{\"type\":\"actnorm\"},{\"type\":\"permute\",\"order\":[2,0,1]},"
      "{\"type\":\"interval\",\"coordinates\":[1],\"low\":[-1],\"high\":[4]}]}");
  struct boltz_batch x = batch(&world, 5), g = batch(&world, 5);
  float *gw = BOLTZ_NEW_ARRAY(world.arena, world.flow.nw, float);
  boltz_rng_uniforms(4, BOLTZ_STREAM_TEST, 0, &x);
  loss(&world, direction, &x, &g, gw);
  static const double steps[4] = {-2, -1, 1, 2};
  const double h = 0.0078125; /* large, for conditioners are floats: noise 1e-6/h, error h^4 */
  double v[4];
  for (size_t k = 0; k < world.flow.nw; k++) {
    const float at = world.weights.flat[k];
    for (int s = 0; s < 4; s++) {
      world.weights.flat[k] = (float)(at + steps[s] * h);
      boltz_flow_pack(&world.flow, &world.weights);
      v[s] = loss(&world, direction, &x, NULL, NULL);
    }
    world.weights.flat[k] = at;
    CHECK_NEAR(gw[k], (8 * (v[2] - v[1]) - (v[3] - v[0])) / (12 * h), 3e-4 * (1 + fabs(gw[k])));
  }
  boltz_flow_pack(&world.flow, &world.weights);
  for (int j = 0; j < DIM; j++)
    for (size_t i = 0; i < x.n; i++) {
      const double at = x.col[j][i];
      for (int s = 0; s < 4; s++) {
        x.col[j][i] = at + steps[s] * h;
        v[s] = loss(&world, direction, &x, NULL, NULL);
      }
      x.col[j][i] = at;
      CHECK_NEAR(g.col[j][i], (8 * (v[2] - v[1]) - (v[3] - v[0])) / (12 * h),
                 3e-4 * (1 + fabs(g.col[j][i])));
    }
  boltz_arena_close(world.arena);
}

static void gradients_of_a_whole_flow_match_differences(void) {
  gradients_match(BOLTZ_TO_X);
  gradients_match(BOLTZ_TO_Z);
}

static void tensors_cover_the_weights_and_are_named_by_layer(void) {
  struct world world = new_world(SMALL);
  struct boltz_tensor tensor;
  size_t next = 0;
  int k = 0;
  for (; boltz_flow_tensor(&world.flow, k, &tensor); k++) {
    CHECK_INT(tensor.offset, next);
    next += (size_t)tensor.shape[0] * (tensor.rank == 2 ? (size_t)tensor.shape[1] : 1);
    if (k == 0) CHECK_TEXT(tensor.name, "layers.0.scale.0.weight");
    if (k == 11) CHECK_TEXT(tensor.name, "layers.0.shift.2.bias");
    if (k == 12) CHECK_TEXT(tensor.name, "layers.1.scale.0.weight");
    if (k == 12) CHECK(tensor.shape[0] == 16 && tensor.shape[1] == 1); /* fixes one, moves two */
    if (k == 49) CHECK_TEXT(tensor.name, "layers.4.shift");
  }
  CHECK_INT(k, 4 * 12 + 2);
  CHECK_INT(next, world.flow.nw);
  CHECK(!boltz_flow_tensor(&world.flow, -1, &tensor));
  boltz_arena_close(world.arena);
}

static void the_reference_flow_has_4_21_mflop_and_tiles_follow_from_it(void) {
  struct world world = {.arena = boltz_arena_open(0)};
  CHECK_INT(new_flow(world.arena, "{\"layers\":[{\"type\":\"realnvp\",\"hidden\":[256,256,256]}]}",
                     2, &world.flow),
            BOLTZ_OK);
  CHECK_NEAR(world.flow.flops[BOLTZ_FP32], 4.21e6, 0.01e6);
  CHECK_INT(boltz_flow_tile(&world.flow, BOLTZ_FP32, 2e8),
            40); /* 47.5 rows, down to a multiple of 8 */
  CHECK_INT(boltz_flow_tile(&world.flow, BOLTZ_INT8, 7e7), 16);
  CHECK_INT(boltz_flow_tile(&world.flow, BOLTZ_BF16, 1), 8);
  CHECK_INT(boltz_flow_tile(&world.flow, BOLTZ_TABLE, 2e6), 512); /* a table multiplies little */
  CHECK_INT(boltz_flow_tile(&world.flow, BOLTZ_FP32, 1e12), 512);
  boltz_arena_close(world.arena);
}

int main(int argc, char **argv) {
  RUN(a_new_flow_is_the_identity);
  RUN(equal_seeds_give_equal_weights_and_others_do_not);
  RUN(a_sample_is_its_latent_transformed_and_log_q_follows);
  RUN(the_density_of_a_sample_is_its_log_q_and_x_comes_back);
  RUN(sample_i_is_the_same_bits_whatever_the_batch);
  RUN(every_kernel_gives_the_same_samples);
  RUN(an_overflow_shows_as_a_log_q_that_is_not_finite);
  RUN(exhausted_scratch_shows_as_nan_and_a_missing_tape);
  RUN(gradients_of_a_whole_flow_match_differences);
  RUN(tensors_cover_the_weights_and_are_named_by_layer);
  RUN(the_reference_flow_has_4_21_mflop_and_tiles_follow_from_it);
  return check_report();
}
