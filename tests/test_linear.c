/* test_linear.c - triangular factors: numbers, and matrices of more rows than a block. */
#include "flow_world.h"

static double normal(uint64_t index) {
  return normal_at(29, index);
}

/* Products of factors of up to 67 rows would grow without end: what is beside their diagonals is
   small. */
static struct world new_world(const char *layer, int dim) {
  struct world world = new_layers(layer, dim);
  CHECK_INT(world.flow.nw, dim * (dim + 2));
  for (size_t k = 0; k < world.flow.nw; k++)
    world.weights.flat[k] = (float)((k < 2 * (size_t)dim ? 0.5 : 0.15) * normal(k));
  return world;
}

static struct boltz_batch new_batch(struct world *world, size_t n) {
  return normal_rows(world, 29, 100000, n);
}

static void the_golden_numbers(void) {
  struct world world = new_world("{\"type\":\"linear\",\"permutation\":[1,0]}", 2);
  const float w[8] = {0.5f, -1, 1, 2, 77, 3, 2, 77}; /* 77 is not read */
  double x[2] = {1, -1};
  memcpy(world.weights.flat, w, sizeof w);
  CHECK_NEAR(move_point(&world, BOLTZ_TO_X, x), -0.5, 0);
  CHECK_NEAR(x[0], -2.070436899771186, 2e-15);
  CHECK_NEAR(x[1], 0.6487212707001282, 1e-15);
  boltz_arena_close(world.arena);
}

static void a_new_layer_is_the_identity_but_for_its_permutation(void) {
  struct world world = new_world("{\"type\":\"linear\",\"permutation\":[2,0,1]}", 3);
  double x[3] = {1, 2, 3};
  boltz_flow_init(&world.flow, 1, &world.weights);
  const double log_det = move_point(&world, BOLTZ_TO_X, x);
  CHECK(x[0] == 3 && x[1] == 1 && x[2] == 2 && log_det == 0);
  boltz_arena_close(world.arena);
}

/* The products as they are written. */
static void slow_to_x(int d, const float *w, const double *z, double *x) {
  const float *m = w + 2 * d;
  double u[67];
  for (int r = 0; r < d; r++) {
    u[r] = exp(w[r]) * z[r];
    for (int j = r + 1; j < d; j++) u[r] += m[r * d + j] * z[j];
  }
  for (int r = 0; r < d; r++) {
    x[r] = u[r] + w[d + r];
    for (int j = 0; j < r; j++) x[r] += m[r * d + j] * u[j];
  }
}

static void blocks_of_rows_are_the_products_as_written(void) {
  enum { N = 75 }; /* more than a tile, and not whole vectors */
  const int dims[] = {1, 7, 8, 9, 21, 67};
  for (size_t k = 0; k < sizeof dims / sizeof *dims; k++) {
    const int d = dims[k];
    struct world world = new_world("{\"type\":\"linear\"}", d);
    struct boltz_batch x = new_batch(&world, N), z = new_batch(&world, N);
    double log_det[N], home[N], row[67], expected[67];
    boltz_flow_transform(&world.flow, &world.weights, BOLTZ_TO_X, &x, log_det, world.arena);
    for (size_t i = 0; i < N; i++) {
      for (int j = 0; j < d; j++) row[j] = z.col[j][i];
      slow_to_x(d, world.weights.flat, row, expected);
      for (int j = 0; j < d; j++)
        CHECK_NEAR(x.col[j][i], expected[j], 1e-13 * (1 + fabs(expected[j])));
    }
    boltz_flow_transform(&world.flow, &world.weights, BOLTZ_TO_Z, &x, home, world.arena);
    for (size_t i = 0; i < N; i++) {
      /* inverses of such triangles grow as 1.15^67 */
      for (int j = 0; j < d; j++) CHECK_NEAR(x.col[j][i], z.col[j][i], d < 30 ? 1e-12 : 1e-10);
      CHECK(home[i] == -log_det[i]);
    }
    boltz_arena_close(world.arena);
  }
}

/* J = sum of c x + d log_det; with g, its gradients. */
static double loss(struct world *world, enum boltz_direction direction, const struct boltz_batch *x,
                   struct boltz_batch *g, float *gw) {
  const struct boltz_mark mark = boltz_arena_mark(world->arena);
  struct boltz_batch y = new_batch(world, x->n);
  double log_det[70], glog[70], sum = 0;
  boltz_batch_copy(&y, 0, x, 0, x->n);
  struct boltz_tape *tape =
      boltz_flow_record(&world->flow, &world->weights, direction, &y, log_det, world->arena);
  for (size_t i = 0; i < x->n; i++) {
    glog[i] = normal(300000 + i);
    sum += glog[i] * log_det[i];
    for (int j = 0; j < x->dim; j++) {
      const double c = normal(400000 + i * (size_t)x->dim + (size_t)j);
      sum += c * y.col[j][i];
      if (g) g->col[j][i] = c;
    }
  }
  if (g) boltz_flow_backward(&world->flow, &world->weights, tape, &y, g, glog, gw, world->arena);
  boltz_arena_release(world->arena, mark);
  return sum;
}

static double difference(const double v[4], double h) {
  return (8 * (v[2] - v[1]) - (v[3] - v[0])) / (12 * h);
}

static void gradients_over_several_blocks_and_tiles_match_differences(void) {
  enum { D = 19, N = 70 };
  static const double steps[4] = {-2, -1, 1, 2};
  const double h = 0x1p-7;
  for (int d = BOLTZ_TO_X; d <= BOLTZ_TO_Z; d++) {
    struct world world = new_world(
        "{\"type\":\"linear\",\"permutation\":[4,5,6,7,8,9,10,0,1,2,3,18,17,16,11,12,13,14,15]}",
        D);
    struct boltz_batch x = new_batch(&world, N), g = new_batch(&world, N);
    float gw[D * (D + 2)] = {0};
    double v[4];
    loss(&world, (enum boltz_direction)d, &x, &g, gw);
    for (size_t k = 0; k < world.flow.nw; k += 3) {
      const float at = world.weights.flat[k];
      for (int s = 0; s < 4; s++) {
        world.weights.flat[k] = (float)(at + steps[s] * h);
        v[s] = loss(&world, (enum boltz_direction)d, &x, NULL, NULL);
      }
      world.weights.flat[k] = at;
      /* gw is a float; weights that differ by h but for a rounding of 1e-8 */
      CHECK_NEAR(gw[k], difference(v, h), 2e-5 * (1 + fabs(gw[k])));
    }
    for (size_t i = 0; i < N; i += 23)
      for (int j = 0; j < D; j++) {
        const double at = x.col[j][i];
        for (int s = 0; s < 4; s++) {
          x.col[j][i] = at + steps[s] * h;
          v[s] = loss(&world, (enum boltz_direction)d, &x, NULL, NULL);
        }
        x.col[j][i] = at;
        CHECK_NEAR(g.col[j][i], difference(v, h), 1e-10 * (1 + fabs(g.col[j][i])));
      }
    boltz_arena_close(world.arena);
  }
}

static void exhausted_scratch_shows_as_nan_and_a_missing_tape(void) {
  struct world world = new_world("{\"type\":\"linear\"}", 3);
  struct boltz_batch x = new_batch(&world, 5);
  check_exhausted_scratch(&world, &x);
  boltz_arena_close(world.arena);
}

int main(int argc, char **argv) {
  RUN(the_golden_numbers);
  RUN(a_new_layer_is_the_identity_but_for_its_permutation);
  RUN(blocks_of_rows_are_the_products_as_written);
  RUN(gradients_over_several_blocks_and_tiles_match_differences);
  RUN(exhausted_scratch_shows_as_nan_and_a_missing_tape);
  return check_report();
}
