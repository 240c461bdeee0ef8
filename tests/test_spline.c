/* test_spline.c - curves of their own for every coordinate: numbers, and a flow of one coordinate.
 */
#include "core/layer/rq_spline.h"
#include "train_world.h"

static double normal(uint64_t index) {
  double z[2];
  boltz_rng_normal(31, BOLTZ_STREAM_TEST, index, 0, z);
  return z[0];
}

/* Row k of the tensor is the curve of coordinate k of the list, whose numbers test_rq_spline.c has.
 */
static void every_coordinate_goes_through_the_curve_of_its_row(void) {
  enum { DIM = 4, BINS = 5, WIDTH = 3 * BINS + 1, N = 50 };
  struct world world;
  double log_det[N], expected[N] = {0};
  struct boltz_batch x, y;
  open_world(&world, "{\"kind\":\"double_well\",\"dim\":4}",
             "{\"base\":{\"type\":\"circular\",\"coordinates\":[1],\"low\":[-4],\"high\":[5]},"
             "\"layers\":[{\"type\":\"interval\",\"coordinates\":[3],\"low\":[-9],\"high\":[9]},"
             "{\"type\":\"spline\",\"coordinates\":[3,1,0],\"bins\":5,\"bound\":2}]}");
  CHECK_INT(world.flow.nw, 3 * WIDTH);
  for (size_t k = 0; k < world.flow.nw; k++) world.weights.flat[k] = (float)normal(k);
  CHECK_INT(boltz_batch_new(world.arena, N, DIM, &x), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(world.arena, N, DIM, &y), BOLTZ_OK);
  boltz_rng_normals(1, BOLTZ_STREAM_TEST, 0, &x);
  boltz_batch_copy(&y, 0, &x, 0, N);

  boltz_flow_transform(&world.flow, &world.weights, BOLTZ_TO_Z, &x, log_det, world.scratch);
  const struct boltz_rq_spline curves[3] = {{BOLTZ_RQ_INTERVAL, BINS, -9, 18},
                                            {BOLTZ_RQ_CIRCLE, BINS, -4, 9},
                                            {BOLTZ_RQ_LINE, BINS, -2, 4}};
  const int order[3] = {3, 1, 0};
  for (int k = 0; k < 3; k++)
    boltz_rq_apply(&curves[k], BOLTZ_TO_Z, N, world.weights.flat + k * WIDTH, y.col[order[k]],
                   expected);
  const struct boltz_layer *interval = &world.flow.layers[0];
  interval->kind->apply(interval, &world.weights, BOLTZ_TO_Z, &y, expected, NULL, world.scratch);
  CHECK(memcmp(log_det, expected, sizeof log_det) == 0);
  for (int j = 0; j < DIM; j++) CHECK(memcmp(x.col[j], y.col[j], N * sizeof(double)) == 0);
  close_world(&world);
}

/* (sum w)^2 / (n sum w^2) of samples weighted to the energy. */
static double effective_part(struct world *world, size_t n) {
  struct boltz_batch x;
  double *log_q = BOLTZ_NEW_ARRAY(world->arena, n, double);
  double *u = BOLTZ_NEW_ARRAY(world->arena, n, double), sum = 0, squares = 0;
  CHECK_INT(boltz_batch_new(world->arena, n, world->flow.dim, &x), BOLTZ_OK);
  boltz_flow_sample(&world->flow, &world->weights, 8, BOLTZ_STREAM_TEST, 0, &x, NULL, log_q,
                    world->scratch);
  boltz_energy_eval(&world->energy, 1, &x, u, NULL, world->scratch);
  for (size_t i = 0; i < n; i++) {
    const double w = exp(-u[i] - log_q[i] - 8);
    sum += w;
    squares += w * w;
  }
  return sum * sum / ((double)n * squares);
}

static void one_coordinate_learns_the_double_well(void) {
  struct world world;
  open_world(&world, "{\"kind\":\"double_well\",\"dim\":1}",
             "{\"layers\":[{\"type\":\"spline\",\"bins\":24},{\"type\":\"actnorm\"}]}");
  CHECK_INT(boltz_flow_fit(&world.flow, &world.data, &world.weights, world.scratch), BOLTZ_OK);
  const double before = effective_part(&world, 20000);
  const struct boltz_stage stages[2] = {
      {.steps = 300, .batch = 256, .learning_rate = 0.03, .final_learning_rate = 0.1, .ml = 1},
      {.steps = 2000,
       .batch = 256,
       .learning_rate = 0.01,
       .final_learning_rate = 0.01,
       .ml = 1,
       .kl = 1}};
  struct boltz_train *train = new_train(&world, &world.weights, stages, 2, 1e4);
  while (!boltz_train_done(train)) boltz_train_step(train, world.scratch);
  const double after = effective_part(&world, 20000);
  CHECK_MSG(before < 0.5, "%g", before); /* one normal hill over two wells */
  CHECK_MSG(after > 0.95, "%g", after);
  CHECK_INT(boltz_train_skipped(train), 0);
  close_world(&world);
}

int main(int argc, char **argv) {
  RUN(every_coordinate_goes_through_the_curve_of_its_row);
  RUN(one_coordinate_learns_the_double_well);
  return check_report();
}
