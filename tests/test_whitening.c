/* test_whitening.c - principal axes: what a fit finds, and maps of more coordinates than a block.
 */
#include "flow_world.h"

static double normal(uint64_t index) {
  return normal_at(17, index);
}

static struct boltz_batch new_batch(struct world *world, size_t n) {
  return normal_rows(world, 17, 0, n);
}

static void the_golden_numbers(void) {
  struct world world = new_layers("{\"type\":\"whitening\"}", 2);
  const float w[8] = {1, 2, 0.5f, -1, 1, -1, 7, 1}; /* 7 is not read */
  double x[2] = {3, 4};
  memcpy(world.weights.flat, w, sizeof w);
  CHECK_NEAR(move_point(&world, BOLTZ_TO_X, x), -0.5, 0);
  CHECK_NEAR(x[0], -0.47151776468576928, 1e-15);
  CHECK_NEAR(x[1], 6.946163812100384, 4e-15);
  boltz_arena_close(world.arena);
}

/* One reflection after the other, as the formula has it. */
static void slow_to_x(int d, const float *w, double *z) {
  for (int k = 0; k < d; k++) z[k] *= exp(w[d + k]);
  for (int k = d - 1; k >= 0; k--) {
    const float *v = w + 2 * d + k * d;
    double product = 0, square = 0;
    for (int j = k; j < d; j++) {
      product += z[j] * v[j];
      square += (double)v[j] * v[j];
    }
    for (int j = k; square > 0 && j < d; j++) z[j] -= 2 * product / square * v[j];
  }
  for (int k = 0; k < d; k++) z[k] += w[k];
}

static void blocks_of_reflections_are_reflections_one_after_the_other(void) {
  enum { N = 75 }; /* more than a tile, and not whole vectors */
  const int dims[] = {1, 7, 8, 9, 21, 67};
  for (size_t k = 0; k < sizeof dims / sizeof *dims; k++) {
    const int d = dims[k];
    struct world world = new_layers("{\"type\":\"whitening\"}", d);
    struct boltz_batch x = new_batch(&world, N), z = new_batch(&world, N);
    double log_det[N], home[N], row[67];
    for (size_t m = 0; m < world.flow.nw; m++) world.weights.flat[m] = (float)normal(90000 + m);
    memset(world.weights.flat + 2 * d + d * (d / 2), 0,
           (size_t)d * sizeof(float)); /* one of none */
    boltz_flow_transform(&world.flow, &world.weights, BOLTZ_TO_X, &x, log_det, world.arena);
    for (size_t i = 0; i < N; i++) {
      for (int j = 0; j < d; j++) row[j] = z.col[j][i];
      slow_to_x(d, world.weights.flat, row);
      /* up to 67 reflections of numbers up to e^3 times 3 */
      for (int j = 0; j < d; j++) CHECK_NEAR(x.col[j][i], row[j], 1e-12);
    }
    boltz_flow_transform(&world.flow, &world.weights, BOLTZ_TO_Z, &x, home, world.arena);
    for (size_t i = 0; i < N; i++) {
      for (int j = 0; j < d; j++) CHECK_NEAR(x.col[j][i], z.col[j][i], 1e-12);
      CHECK(home[i] == -log_det[i]);
    }
    boltz_arena_close(world.arena);
  }
}

/* Data that are mixed, shifted and of very different spreads. */
static struct boltz_batch new_data(struct world *world, size_t n) {
  struct boltz_batch x = new_batch(world, n);
  for (size_t i = 0; i < n; i++)
    for (int j = 0; j < x.dim; j++) {
      const double before = j > 0 ? x.col[j - 1][i] : 0;
      x.col[j][i] = 3 * j + 0.9 * before + x.col[j][i] * pow(0.5, j % 5);
    }
  return x;
}

static void a_fit_makes_latents_of_mean_0_and_covariance_1(void) {
  enum { D = 19, N = 900 };
  struct world world = new_layers("{\"type\":\"whitening\"}", D);
  struct boltz_batch x = new_data(&world, N);
  double log_det[N];
  CHECK_INT(boltz_flow_fit(&world.flow, &x, &world.weights, world.arena), BOLTZ_OK);
  boltz_flow_transform(&world.flow, &world.weights, BOLTZ_TO_Z, &x, log_det, world.arena);
  for (int j = 0; j < D; j++)
    for (int k = 0; k < D; k++) {
      double mean = 0, product = 0;
      for (size_t i = 0; i < N; i++) {
        mean += x.col[j][i] / N;
        product += x.col[j][i] * x.col[k][i] / N;
      }
      /* weights are floats: 6e-8 of means up to 60 over spreads of 0.05, and of the widest spread,
         some hundred times the least */
      CHECK_NEAR(mean, 0, 1e-4);
      CHECK_NEAR(product, j == k, 1e-4);
    }
  for (int k = 1; k < D; k++)
    CHECK(world.weights.flat[D + k] <= world.weights.flat[D + k - 1]); /* falling variances */
  boltz_arena_close(world.arena);
}

/* Along (3, 4)/5 a spread of 10, along (-4, 3)/5 one of 1. */
static void axes_fall_in_variance_and_point_to_their_largest_entry(void) {
  enum { N = 4 };
  struct world world = new_layers("{\"type\":\"whitening\"}", 2);
  struct boltz_batch x = new_batch(&world, N), z = new_batch(&world, 3);
  double log_det[N];
  for (int i = 0; i < N; i++) {
    const double a = i < 2 ? 10 : -10, b = i % 2 ? 1 : -1;
    x.col[0][i] = 5 + (3 * a - 4 * b) / 5;
    x.col[1][i] = -7 + (4 * a + 3 * b) / 5;
  }
  CHECK_INT(boltz_flow_fit(&world.flow, &x, &world.weights, world.arena), BOLTZ_OK);
  const double rows[6] = {0, 0, 1, 0, 0, 1};
  boltz_batch_from_rows(&z, rows);
  boltz_flow_transform(&world.flow, &world.weights, BOLTZ_TO_X, &z, log_det, world.arena);
  const double expected[6] = {5, -7, 5 + 6, -7 + 8, 5 + 0.8, -7 - 0.6};
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 2; j++) CHECK_NEAR(z.col[j][i], expected[2 * i + j], 3e-6); /* floats */
  CHECK_NEAR(log_det[0], log(10), 3e-7);
  boltz_arena_close(world.arena);
}

static void an_axis_without_variance_keeps_its_scale(void) {
  enum { N = 50 };
  struct world world = new_layers("{\"type\":\"whitening\"}", 3);
  struct boltz_batch x = new_batch(&world, N), y = new_batch(&world, N);
  double log_det[N];
  for (size_t i = 0; i < N; i++) {
    x.col[2][i] = x.col[0][i] + 2; /* x3 - x1 does not vary */
    for (int j = 0; j < 3; j++) y.col[j][i] = x.col[j][i];
  }
  CHECK_INT(boltz_flow_fit(&world.flow, &x, &world.weights, world.arena), BOLTZ_OK);
  CHECK(world.weights.flat[3 + 2] == 0);
  boltz_flow_transform(&world.flow, &world.weights, BOLTZ_TO_Z, &x, log_det, world.arena);
  for (size_t i = 0; i < N; i++) CHECK_NEAR(x.col[2][i], 0, 1e-6);
  boltz_flow_transform(&world.flow, &world.weights, BOLTZ_TO_X, &x, log_det, world.arena);
  for (size_t i = 0; i < N; i++)
    for (int j = 0; j < 3; j++) CHECK_NEAR(x.col[j][i], y.col[j][i], 1e-14);
  boltz_arena_close(world.arena);
}

static void a_fit_to_no_rows_or_to_constants_is_harmless(void) {
  struct world world = new_layers("{\"type\":\"whitening\"}", 3);
  struct boltz_batch none = new_batch(&world, 0), same = new_batch(&world, 5);
  CHECK_INT(boltz_flow_fit(&world.flow, &none, &world.weights, world.arena), BOLTZ_OK);
  for (size_t k = 0; k < world.flow.nw; k++) CHECK(world.weights.flat[k] == 0);
  for (int j = 0; j < 3; j++)
    for (int i = 0; i < 5; i++) same.col[j][i] = j;
  CHECK_INT(boltz_flow_fit(&world.flow, &same, &world.weights, world.arena), BOLTZ_OK);
  for (int j = 0; j < 3; j++)
    CHECK(world.weights.flat[j] == (float)j && world.weights.flat[3 + j] == 0);
  same.col[0][0] = NAN;
  boltz_flow_init(&world.flow, 0, &world.weights);
  CHECK_INT(boltz_flow_fit(&world.flow, &same, &world.weights, world.arena), BOLTZ_OK);
  for (size_t k = 0; k < world.flow.nw; k++) CHECK(world.weights.flat[k] == 0);
  boltz_arena_close(world.arena);
}

static void coordinates_that_are_not_named_stay(void) {
  enum { N = 40 };
  struct world world = new_layers("{\"type\":\"whitening\",\"coordinates\":[3,1]}", 4);
  struct boltz_batch x = new_data(&world, N), y = new_data(&world, N);
  double log_det[N], product = 0;
  CHECK_INT(boltz_flow_fit(&world.flow, &x, &world.weights, world.arena), BOLTZ_OK);
  CHECK_INT(world.flow.nw, 2 + 2 + 4);
  boltz_flow_transform(&world.flow, &world.weights, BOLTZ_TO_Z, &x, log_det, world.arena);
  for (size_t i = 0; i < N; i++) {
    CHECK(x.col[0][i] == y.col[0][i] && x.col[2][i] == y.col[2][i]);
    product += x.col[3][i] * x.col[1][i] / N;
  }
  CHECK_NEAR(product, 0, 1e-5);
  boltz_arena_close(world.arena);
}

static void exhausted_scratch_shows_as_nan_and_a_missing_tape(void) {
  struct world world = new_layers("{\"type\":\"whitening\"}", 3);
  struct boltz_batch x = new_batch(&world, 5);
  check_exhausted_scratch(&world, &x);
  boltz_arena_close(world.arena);
}

int main(int argc, char **argv) {
  RUN(the_golden_numbers);
  RUN(blocks_of_reflections_are_reflections_one_after_the_other);
  RUN(a_fit_makes_latents_of_mean_0_and_covariance_1);
  RUN(axes_fall_in_variance_and_point_to_their_largest_entry);
  RUN(an_axis_without_variance_keeps_its_scale);
  RUN(a_fit_to_no_rows_or_to_constants_is_harmless);
  RUN(coordinates_that_are_not_named_stay);
  RUN(exhausted_scratch_shows_as_nan_and_a_missing_tape);
  return check_report();
}
