/* test_exchange_fit.c - particles that are all alike: places from data, and training in one order.
 */
#include "train_world.h"

static double normal(uint64_t index) {
  double z[2];
  boltz_rng_normal(37, BOLTZ_STREAM_TEST, index, 0, z);
  return z[0];
}

/* n numbers in an order of their own. */
static void shuffle(uint64_t index, int n, int *who) {
  for (int k = 0; k < n; k++) who[k] = k;
  for (int k = n - 1; k > 0; k--) {
    double u[2];
    boltz_rng_uniform(41, BOLTZ_STREAM_TEST, index, (uint32_t)k, u);
    const int other = (int)(u[0] * (k + 1)), swap = who[k];
    who[k] = who[other];
    who[other] = swap;
  }
}

/* ---- Places ---- */

#define FIVE                                                                              \
  "{\"layers\":[{\"type\":\"exchange\",\"particles\":[0,2,4,6,8],\"width\":2}],\"base\":" \
  "\"normal\"}"
#define ANY "{\"kind\":\"double_well\",\"dim\":11}"
#define SPREAD 0.15

static const double places[5][2] = {{-2, 0}, {-0.5, 1}, {0, -1.2}, {1, 0.4}, {2.2, -0.3}};

/* Five particles around their places in the plane, under each other's names; the last coordinate is
   none of theirs. */
static void draw_five(struct boltz_batch *x) {
  for (size_t i = 0; i < x->n; i++) {
    int who[5];
    shuffle(i, 5, who);
    for (int p = 0; p < 5; p++)
      for (int a = 0; a < 2; a++)
        x->col[2 * p + a][i] = places[who[p]][a] + SPREAD * normal(i * 16 + (size_t)(2 * p + a));
    x->col[10][i] = normal(i * 16 + 15);
  }
}

static void moments(const struct boltz_batch *x, int j, double *mean, double *variance) {
  *mean = *variance = 0;
  for (size_t i = 0; i < x->n; i++) *mean += x->col[j][i] / (double)x->n;
  for (size_t i = 0; i < x->n; i++)
    *variance += (x->col[j][i] - *mean) * (x->col[j][i] - *mean) / (double)x->n;
}

static void a_fit_finds_the_places(void) {
  struct world world;
  open_world(&world, ANY, FIVE);
  draw_five(&world.data);
  for (int j = 0; j < 10; j++) world.data.col[j][0] = 0; /* a row that tells no places apart */
  CHECK_INT(boltz_flow_fit(&world.flow, &world.data, &world.weights, world.scratch), BOLTZ_OK);
  const float *reference = world.weights.flat;
  int found[5] = {0};
  for (int p = 0; p < 5; p++)
    for (int k = 0; k < 5; k++) {
      const double dx = reference[2 * p] - places[k][0], dy = reference[2 * p + 1] - places[k][1];
      found[k] += hypot(dx, dy) < 6 * SPREAD / sqrt(512); /* of the rows that are looked at */
    }
  for (int k = 0; k < 5; k++) CHECK_INT(found[k], 1);
  close_world(&world);
}

static void data_come_to_z_in_one_order(void) {
  struct world world;
  struct boltz_batch x;
  double mean, variance, log_det[1000];
  open_world(&world, ANY, FIVE);
  draw_five(&world.data);
  CHECK_INT(boltz_flow_fit(&world.flow, &world.data, &world.weights, world.scratch), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(world.arena, world.data.n, 11, &x), BOLTZ_OK);
  boltz_batch_copy(&x, 0, &world.data, 0, x.n);
  boltz_flow_transform(&world.flow, &world.weights, BOLTZ_TO_Z, &x, log_det, world.scratch);
  for (int j = 0; j < 10; j++) {
    moments(&world.data, j, &mean, &variance);
    CHECK(variance > 0.5);
    moments(&x, j, &mean, &variance);
    CHECK_NEAR(mean, world.weights.flat[j], 6 * SPREAD / sqrt(512));
    CHECK_NEAR(variance / (SPREAD * SPREAD), 1, 6 * sqrt(2.0 / 1000));
  }
  for (size_t i = 0; i < x.n; i++) CHECK(x.col[10][i] == world.data.col[10][i] && log_det[i] == 0);
  close_world(&world);
}

static void no_data_or_data_that_are_no_numbers_change_nothing(void) {
  static const double bad[] = {NAN, INFINITY, 1.2e154, -1.2e154}; /* whose squares overflow */
  struct world world;
  open_world(&world, ANY, FIVE);
  const struct boltz_layer *layer = &world.flow.layers[0];
  const struct boltz_weights before = copy_weights(&world);
  for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
    draw_five(&world.data);
    world.data.col[4][0] = bad[k];
    world.data.col[6][0] = -bad[k];
    CHECK_INT(boltz_flow_fit(&world.flow, &world.data, &world.weights, world.scratch), BOLTZ_OK);
    CHECK(same_weights(&world, &before, &world.weights));
  }
  world.data.n = 0;
  layer->kind->fit(layer, &world.data, world.weights.flat);
  CHECK_INT(boltz_flow_fit(&world.flow, &world.data, &world.weights, world.scratch), BOLTZ_OK);
  CHECK(same_weights(&world, &before, &world.weights));
  close_world(&world);
}

static void data_with_two_particles_in_one_place_change_nothing(void) {
  struct world world;
  open_world(&world, ANY, FIVE);
  const struct boltz_weights before = copy_weights(&world);
  draw_five(&world.data);
  for (size_t i = 0; i < world.data.n; i++)
    for (int j = 0; j < 10; j++) world.data.col[j][i] = j < 8 ? 3 * (j / 4) : 7;
  CHECK_INT(boltz_flow_fit(&world.flow, &world.data, &world.weights, world.scratch), BOLTZ_OK);
  CHECK(same_weights(&world, &before, &world.weights));
  close_world(&world);
}

static void new_places_are_apart_and_give_every_configuration_a_density(void) {
  struct world world;
  double log_q[1000];
  open_world(&world, ANY, FIVE);
  const float *reference = world.weights.flat;
  for (int p = 0; p + 1 < 5; p++) CHECK(reference[2 * p + 2] > reference[2 * p]);
  boltz_flow_log_density(&world.flow, &world.weights, &world.data, log_q, world.scratch);
  for (size_t i = 0; i < world.data.n; i++) CHECK(isfinite(log_q[i]));
  close_world(&world);
}

/* ---- Training ---- */

/* J = sum of c_p z_p: what is at place p got its gradient there, and takes it home. */
static void gradients_go_back_to_the_particles_they_are_of(void) {
  enum { N = 40 };
  struct world world;
  struct boltz_batch x, g;
  double log_det[N], glog_det[N] = {0};
  float gw[11] = {0};
  int moved = 0;
  open_world(&world, ANY, FIVE);
  world.data.n = N;
  draw_five(&world.data);
  CHECK_INT(boltz_batch_new(world.arena, N, 11, &x), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(world.arena, N, 11, &g), BOLTZ_OK);
  boltz_batch_copy(&x, 0, &world.data, 0, N);
  struct boltz_tape *tape =
      boltz_flow_record(&world.flow, &world.weights, BOLTZ_TO_Z, &x, log_det, world.arena);
  for (int j = 0; j < 11; j++)
    for (size_t i = 0; i < N; i++) {
      g.col[j][i] = 100 * x.col[j][i]; /* a gradient that tells whose it is */
      moved += x.col[j][i] != world.data.col[j][i];
    }
  boltz_flow_backward(&world.flow, &world.weights, tape, &x, &g, glog_det, gw, world.arena);
  for (int j = 0; j < 11; j++)
    for (size_t i = 0; i < N; i++) {
      CHECK(x.col[j][i] == world.data.col[j][i]);
      CHECK(g.col[j][i] == 100 * world.data.col[j][i]);
    }
  for (int k = 0; k < 10; k++) CHECK(gw[k] == 0);
  CHECK(moved > 5 * N);
  close_world(&world);
}

#define LINE                                                                                   \
  "{\"kind\":\"expression\",\"variables\":[\"a\",\"b\",\"c\"],\"u\":\"2*(a^2+b^2+c^2)+3*exp(-" \
  "2*(a-b)^2)+3*exp(-2*(b-c)^2)+3*exp(-2*(a-c)^2)\"}"
#define SMALL                                                                             \
  "{\"layers\":[{\"type\":\"affine_coupling\",\"fixed\":[0],\"moved\":[1,2],\"hidden\":[" \
  "8]},{\"type\":\"actnorm\"},{\"type\":\"exchange\",\"particles\":[0,1,2]}]}"

/* Around -1, 0 and 1.2, the last two leaning on the first; names shuffled. */
static void draw_three(struct boltz_batch *x) {
  for (size_t i = 0; i < x->n; i++) {
    const double lean = normal(4 * i);
    const double at[3] = {-1 + 0.2 * lean, 0.15 * lean + 0.1 * normal(4 * i + 1),
                          1.2 - 0.1 * lean + 0.1 * normal(4 * i + 2)};
    int who[3];
    shuffle(i, 3, who);
    for (int p = 0; p < 3; p++) x->col[p][i] = at[who[p]];
  }
}

static double mean_log_q(struct world *world, const struct boltz_weights *weights) {
  struct boltz_batch x;
  double log_q[1000], sum = 0;
  const struct boltz_mark mark = boltz_arena_mark(world->scratch);
  CHECK_INT(boltz_batch_new(world->scratch, world->data.n, 3, &x), BOLTZ_OK);
  boltz_batch_copy(&x, 0, &world->data, 0, x.n);
  boltz_flow_log_density(&world->flow, weights, &x, log_q, world->scratch);
  for (size_t i = 0; i < x.n; i++) sum += log_q[i] / (double)x.n;
  boltz_arena_release(world->scratch, mark);
  return sum;
}

/* Entropy of three normals of spreads 0.2, 0.1, 0.1, that of the last two over the first's lean,
   and ln 3! of names: particles are so far apart that no two are mistaken. */
static void training_learns_the_one_order_and_leaves_the_places(void) {
  struct world world;
  open_world(&world, LINE, SMALL);
  draw_three(&world.data);
  struct boltz_stage stages[2] = {plain, plain};
  stages[0].steps = 300, stages[0].batch = 64, stages[0].learning_rate = 0.02, stages[0].kl = 0;
  stages[1].batch = 64, stages[1].learning_rate = 1e-4, stages[1].kl = 0.1;
  const struct boltz_weights start = copy_weights(&world);
  struct boltz_weights weights = copy_weights(&world);
  struct boltz_train *train = new_train(&world, &weights, stages, 2, 1e4);
  const double before = mean_log_q(&world, &weights);
  double first = NAN, last = NAN;
  while (!boltz_train_done(train)) {
    boltz_train_step(train, world.scratch);
    const struct boltz_train_report report = report_of(train);
    if (report.step == 1) first = report.loss_ml;
    if (report.step == 300) last = report.loss_ml;
    CHECK(isfinite(report.loss_ml) && isfinite(report.loss) && isfinite(report.grad_norm));
    CHECK(isfinite(report.loss_kl) == (report.step > 300));
  }
  const double floor = 1.5 * log(2 * M_PI * M_E) + log(0.2 * 0.1 * 0.1) + log(6);
  const double after = mean_log_q(&world, &weights);
  CHECK_MSG(-before > floor + 3 && -after < floor + 0.5 && -after > floor - 0.2,
            "%g to %g, floor %g", -before, -after, floor);
  CHECK_MSG(last < first - 2, "%g to %g", first, last);
  const struct boltz_layer *layer = &world.flow.layers[2];
  CHECK(memcmp(weights.flat + layer->w_offset, start.flat + layer->w_offset,
               layer->nw * sizeof(float)) == 0);
  CHECK(!same_weights(&world, &start, &weights));
  close_world(&world);
}

int main(int argc, char **argv) {
  RUN(a_fit_finds_the_places);
  RUN(data_come_to_z_in_one_order);
  RUN(no_data_or_data_that_are_no_numbers_change_nothing);
  RUN(data_with_two_particles_in_one_place_change_nothing);
  RUN(new_places_are_apart_and_give_every_configuration_a_density);
  RUN(gradients_go_back_to_the_particles_they_are_of);
  RUN(training_learns_the_one_order_and_leaves_the_places);
  return check_report();
}
