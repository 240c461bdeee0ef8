/* test_train.c - losses, gradients and schedules of the training loop. */
#include "train_world.h"

/* The loss of the first step at weights + h·direction. */
static double loss_at(struct world *world, const struct boltz_stage *stage, double energy_high,
                      const double *direction, double h) {
  struct boltz_weights moved = copy_weights(world);
  for (size_t k = 0; k < world->flow.nw; k++) moved.flat[k] += (float)(h * direction[k]);
  boltz_flow_pack(&world->flow, &moved);
  struct boltz_train *train = new_train(world, &moved, stage, 1, energy_high);
  boltz_train_step(train, world->scratch);
  return report_of(train).loss;
}

static void check_gradient(struct world *world, const struct boltz_stage *stage,
                           double energy_high) {
  const size_t nw = world->flow.nw;
  struct boltz_weights weights = copy_weights(world);
  struct boltz_train *train = new_train(world, &weights, stage, 1, energy_high);
  boltz_train_step(train, world->scratch);
  const float *m = boltz_train_moments(train); /* after one step: a tenth of the gradient */
  const double norm = report_of(train).grad_norm;
  double *direction = BOLTZ_NEW_ARRAY(world->arena, nw, double);
  double squares = 0;
  for (size_t k = 0; k < nw; k++) squares += 100.0 * m[k] * m[k];
  CHECK_NEAR(sqrt(squares), norm, 1e-5 * norm); /* moments are float */

  for (int trial = 0; trial < 5; trial++) {
    double slope = 0, length = 0;
    for (size_t k = 0; k < nw; k++) { /* the gradient's own direction first, then random ones */
      double z[2];
      boltz_rng_normal(7, BOLTZ_STREAM_TEST, k, (uint32_t)trial, z);
      direction[k] = trial == 0 ? m[k] : z[0];
      length += direction[k] * direction[k];
    }
    for (size_t k = 0; k < nw; k++) {
      direction[k] /= sqrt(length);
      slope += 10.0 * m[k] * direction[k];
    }
    /* float weights of order 1 make h uncertain by 1e-7 a weight and conditioners 1e-7 off: about
       1e-6/h in the slope; the third derivative, some 10 to 100 times the slope's scale, gives h²
     */
    const double h = 2e-3;
    const double up = loss_at(world, stage, energy_high, direction, h);
    const double down = loss_at(world, stage, energy_high, direction, -h);
    CHECK_NEAR((up - down) / (2 * h), slope, 3e-4 * norm);
  }
}

static void the_gradient_of_each_loss_matches_differences(void) {
  struct world world;
  open_world(&world, "{\"kind\":\"double_well\"}", LAYERS(1, "[6,5]"));
  for (size_t k = 0; k < world.flow.nw; k++)
    world.weights.flat[k] += 0.1f * (float)sin(3.0 * (double)k);
  boltz_flow_pack(&world.flow, &world.weights);
  struct boltz_stage stage = plain;
  stage.kl = 0;
  check_gradient(&world, &stage, INFINITY);
  stage.kl = 1, stage.ml = 0;
  check_gradient(&world, &stage, INFINITY);
  check_gradient(&world, &stage, -1); /* most rows are above it: the logarithm's gradient */
  stage.kl = 0.7, stage.ml = 1.3;
  check_gradient(&world, &stage, 2);
  stage.batch = 3; /* fewer rows than shards */
  check_gradient(&world, &stage, 2);
  stage.batch = 37;
  stage.rc = 3, stage.rc_of = "x1 - 0.3*x2^2", stage.rc_low = -2, stage.rc_high = 2;
  check_gradient(&world, &stage, 2);
  stage.kl = stage.ml = 0; /* the latents are asked for J_RC alone */
  check_gradient(&world, &stage, 2);
  close_world(&world);
}

static void the_ml_loss_is_minus_the_mean_log_density_of_the_data(void) {
  struct world world;
  open_world(&world, "{\"kind\":\"double_well\"}", LAYERS(1, "[6,5]"));
  world.data.n = 1; /* every row that is drawn is this one */
  double log_q;
  struct boltz_batch x;
  CHECK_INT(boltz_batch_new(world.arena, 1, 2, &x), BOLTZ_OK);
  boltz_batch_copy(&x, 0, &world.data, 0, 1);
  boltz_flow_log_density(&world.flow, &world.weights, &x, &log_q, world.scratch);
  struct boltz_train *train = new_train(&world, &world.weights, &plain, 1, INFINITY);
  boltz_train_step(train, world.scratch);
  CHECK_NEAR(report_of(train).loss_ml, -log_q, 1e-12 * (1 + fabs(log_q))); /* a sum of 37 doubles */
  close_world(&world);
}

static void the_kl_loss_is_that_of_the_latents_of_its_stream(void) {
  struct world world;
  enum { N = 37 };
  double log_q[N], log_p[N], u[N], sum = 0;
  struct boltz_batch x, z;
  open_world(&world, "{\"kind\":\"double_well\"}", LAYERS(1, "[6,5]"));
  CHECK_INT(boltz_batch_new(world.arena, N, 2, &x), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(world.arena, N, 2, &z), BOLTZ_OK);
  boltz_flow_sample(&world.flow, &world.weights, 3, BOLTZ_STREAM_TRAIN_LATENT, 0, &x, &z, log_q,
                    world.scratch);
  boltz_base_log_density(&world.flow.base, world.weights.flat, &z, log_p, NULL, world.scratch);
  boltz_energy_eval(&world.energy, 1, &x, u, NULL, world.scratch);
  for (int i = 0; i < N; i++) sum += u[i] + log_q[i] - log_p[i];
  struct boltz_train *train = new_train(&world, &world.weights, &plain, 1, INFINITY);
  boltz_train_step(train, world.scratch);
  CHECK_NEAR(report_of(train).loss_kl, sum / N, 1e-11); /* sums of 37 doubles of order 10 */
  close_world(&world);
}

/* h_b written out: 11 kernels, centres evenly on [low, high], widths (high - low)/11. */
static double spread_of(const double *s, int n, double low, double high) {
  double h[11] = {0}, sum = 0;
  for (int i = 0; i < n; i++) {
    double k[11], all = 0;
    for (int b = 0; b < 11; b++) {
      const double far = (s[i] - (low + (high - low) * b / 10)) / ((high - low) / 11);
      k[b] = exp(-far * far / 2);
      all += k[b];
    }
    for (int b = 0; b < 11; b++) h[b] += k[b] / all / n;
  }
  for (int b = 0; b < 11; b++) sum += h[b] * log(h[b]);
  return sum;
}

static void the_rc_loss_is_that_of_the_whole_batch_of_latents(void) {
  struct world world;
  enum { N = 37 };
  double log_q[N], s[N];
  struct boltz_batch x;
  open_world(&world, "{\"kind\":\"double_well\"}", LAYERS(1, "[6,5]"));
  CHECK_INT(boltz_batch_new(world.arena, N, 2, &x), BOLTZ_OK);
  boltz_flow_sample(&world.flow, &world.weights, 3, BOLTZ_STREAM_TRAIN_LATENT, 0, &x, NULL, log_q,
                    world.scratch);
  for (int i = 0; i < N; i++) s[i] = x.col[0][i] - 2 * x.col[1][i];
  struct boltz_stage stage = plain;
  stage.rc = 2, stage.rc_of = "x1 - 2*x2", stage.rc_low = -1, stage.rc_high = 4;
  struct boltz_weights weights = copy_weights(&world);
  struct boltz_train *train = new_train(&world, &weights, &stage, 1, INFINITY);
  CHECK(boltz_train_looks(train));
  boltz_train_step(train, world.scratch);
  const struct boltz_train_report report = report_of(train);
  CHECK_NEAR(report.loss_rc, spread_of(s, N, -1, 4), 1e-13);
  CHECK_NEAR(report.loss, report.loss_ml + report.loss_kl + 2 * report.loss_rc, 1e-12);
  stage.rc = 0;
  CHECK(!boltz_train_looks(new_train(&world, &weights, &stage, 1, INFINITY)));
  close_world(&world);
}

/* By J_KL alone a flow that starts in one well of two that are deep stays there. */
static void the_rc_loss_brings_samples_into_a_well_that_has_none(void) {
  enum { N = 2000 };
  for (int with = 0; with < 2; with++) {
    struct world world;
    double log_q[N];
    struct boltz_batch x;
    open_world(&world, "{\"kind\":\"double_well\",\"c\":0}", LAYERS(3, "[16,16]"));
    const struct boltz_stage stages[2] = {
        {.steps = 200, .batch = 128, .learning_rate = 0.01, .final_learning_rate = 1, .ml = 1},
        {.steps = 400,
         .batch = 128,
         .learning_rate = 0.005,
         .final_learning_rate = 0.1,
         .kl = 1,
         .rc = with ? 20 : 0,
         .rc_of = "x1",
         .rc_low = -2,
         .rc_high = 2,
         .clip_norm = 100}};
    for (size_t i = 0; i < world.data.n; i++) world.data.col[0][i] = -fabs(world.data.col[0][i]);
    struct boltz_train *train = new_train(&world, &world.weights, stages, 2, 1e4);
    while (!boltz_train_done(train)) {
      boltz_train_step(train, world.scratch);
      CHECK(isnan(report_of(train).loss_rc) == (report_of(train).step <= 200 || !with));
    }
    CHECK_INT(boltz_batch_new(world.arena, N, 2, &x), BOLTZ_OK);
    boltz_flow_sample(&world.flow, &world.weights, 8, BOLTZ_STREAM_TEST, 0, &x, NULL, log_q,
                      world.scratch);
    double right = 0;
    for (int i = 0; i < N; i++) right += (x.col[0][i] > 1) / (double)N;
    CHECK_MSG(with ? right > 0.2 && right < 0.8 : right < 0.05, "rc %d: %g on the right", with,
              right);
    close_world(&world);
  }
}

static void training_brings_the_double_well_near_its_floors(void) {
  struct world world;
  open_world(&world, "{\"kind\":\"double_well\"}", LAYERS(3, "[16,16]"));
  const struct boltz_stage stages[2] = {
      {.steps = 300, .batch = 128, .learning_rate = 0.005, .final_learning_rate = 1, .ml = 1},
      {.steps = 300,
       .batch = 128,
       .learning_rate = 0.005,
       .final_learning_rate = 0.1,
       .ml = 1,
       .kl = 1,
       .clip_norm = 100}};
  struct boltz_train *train = new_train(&world, &world.weights, stages, 2, 1e4);
  double ml = 0, kl = 0;
  while (!boltz_train_done(train)) {
    boltz_train_step(train, world.scratch);
    const struct boltz_train_report report = report_of(train);
    CHECK(isnan(report.loss_kl) == (report.step <= 300));
    if (report.step > 500) ml += report.loss_ml / 100, kl += report.loss_kl / 100;
  }
  CHECK_INT(report_of(train).step, 600);
  /* The floors are −0.432553897 + ln 2π = 1.405 and −8.183; the identity starts at about 3.86 and
     −2.5. Nine tenths of the way is what 600 steps must bring; the mean of 100 batches of 128 is
     not below a floor by more than its noise, some 0.02 and, as the data is one set of 1000 rows,
     0.1. */
  CHECK_MSG(ml < 1.405 + 0.25 && ml > 1.405 - 0.15, "J_ML = %g", ml);
  CHECK_MSG(kl < -8.183 + 0.57 && kl > -8.183 - 0.05, "J_KL = %g", kl);
  CHECK_INT(boltz_train_skipped(train), 0);
  close_world(&world);
}

/* u = x1² where x1 < 0; elsewhere a wall, whose value is the settings. */
static int two(const void *settings) {
  (void)settings;
  return 2;
}

static void walled(const void *settings, const struct boltz_batch *x, double *U,
                   struct boltz_batch *gU, struct boltz_arena *scratch) {
  (void)scratch;
  const double wall = *(const double *)settings;
  for (size_t i = 0; i < x->n; i++) {
    const double a = x->col[0][i];
    U[i] = a < 0 ? a * a : wall;
    if (gU) gU->col[0][i] = 2 * a, gU->col[1][i] = 0;
  }
}

static const struct boltz_energy_kind walled_kind = {
    .name = "walled", .dim = two, .energy = walled};

static void samples_that_are_not_finite_are_skipped_and_counted(void) {
  enum { N = 500 };
  double log_q[N];
  static double walls[] = {INFINITY, NAN};
  for (int k = 0; k < 2; k++) {
    struct world world;
    struct boltz_batch x;
    open_world(&world, "{\"kind\":\"double_well\"}", LAYERS(1, "[6,5]"));
    CHECK_INT(boltz_energy_new(&walled_kind, &walls[k], 1, world.arena, &world.energy), BOLTZ_OK);
    CHECK_INT(boltz_batch_new(world.arena, N, 2, &x), BOLTZ_OK);
    boltz_flow_sample(&world.flow, &world.weights, 3, BOLTZ_STREAM_TRAIN_LATENT, 0, &x, NULL, log_q,
                      world.scratch);
    uint64_t beyond = 0;
    for (size_t i = 0; i < N; i++) beyond += !(x.col[0][i] < 0);
    CHECK(beyond > N / 4 && beyond < 3 * N / 4);

    struct boltz_stage stage = plain;
    stage.ml = 0, stage.batch = N;
    struct boltz_weights trained = copy_weights(&world);
    struct boltz_train *train = new_train(&world, &trained, &stage, 1, 10);
    boltz_train_step(train, world.scratch);
    CHECK_INT(boltz_train_skipped(train), beyond);
    CHECK(isfinite(report_of(train).loss) && report_of(train).grad_norm > 0);
    CHECK(!same_weights(&world, &trained, &world.weights));
    for (size_t i = 0; i < world.flow.nw; i++) CHECK(isfinite(trained.flat[i]));
    close_world(&world);
  }
}

static void a_step_without_a_finite_sample_leaves_the_weights(void) {
  struct world world;
  open_world(&world, "{\"kind\":\"double_well\"}", LAYERS(1, "[6,5]"));
  for (size_t i = 0; i < world.data.n; i++) world.data.col[0][i] = 1e200; /* z² overflows */
  struct boltz_stage stage = plain;
  stage.kl = 0;
  struct boltz_weights trained = copy_weights(&world);
  struct boltz_train *train = new_train(&world, &trained, &stage, 1, 10);
  boltz_train_step(train, world.scratch);
  CHECK_INT(boltz_train_skipped(train), 37);
  CHECK(isnan(report_of(train).loss));
  CHECK(same_weights(&world, &trained, &world.weights));
  close_world(&world);
}

static void the_learning_rate_warms_up_and_follows_the_cosine(void) {
  struct world world;
  open_world(&world, "{\"kind\":\"double_well\"}", LAYERS(1, "[6,5]"));
  struct boltz_stage stages[2] = {plain, plain};
  stages[0].steps = 14, stages[0].warm_up = 4;
  stages[0].learning_rate = 0.01, stages[0].final_learning_rate = 0.1;
  stages[1].steps = 2, stages[1].learning_rate = 0.02, stages[1].final_learning_rate = 1;
  struct boltz_train *train = new_train(&world, &world.weights, stages, 2, 10);
  double rate[16];
  for (int k = 0; k < 16; k++) {
    boltz_train_step(train, world.scratch);
    rate[k] = report_of(train).learning_rate;
  }
  const double exact = 1e-15; /* a few roundings of 0.02 */
  CHECK_NEAR(rate[0], 0.0025, exact);
  CHECK_NEAR(rate[2], 0.0075, exact);
  CHECK_NEAR(rate[3], 0.01, exact);
  CHECK_NEAR(rate[4], 0.01, exact);
  CHECK_NEAR(rate[9], 0.01 * (0.1 + 0.9 * 0.5), exact); /* half of the ten steps: cos(π/2) */
  CHECK_NEAR(rate[13], 0.01 * (0.1 + 0.9 * 0.5 * (1 - 0.9510565162951535721)), exact); /* cos 18° */
  CHECK_NEAR(rate[14], 0.02, exact);
  CHECK_NEAR(rate[15], 0.02, exact);
  close_world(&world);
}

static void clipping_scales_the_gradient_to_its_norm(void) {
  struct world world;
  open_world(&world, "{\"kind\":\"double_well\"}", LAYERS(1, "[6,5]"));
  const size_t nw = world.flow.nw;
  for (int k = 0; k < 2; k++) {
    struct boltz_stage stage = plain;
    stage.clip_norm = k == 0 ? 0.25 : 1e6;
    struct boltz_weights weights = copy_weights(&world);
    struct boltz_train *train = new_train(&world, &weights, &stage, 1, INFINITY);
    boltz_train_step(train, world.scratch);
    const float *m = boltz_train_moments(train);
    const double norm = report_of(train).grad_norm;
    double squares = 0;
    for (size_t i = 0; i < nw; i++) squares += 100.0 * m[i] * m[i];
    CHECK(norm > 0.25);
    CHECK_NEAR(sqrt(squares), k == 0 ? 0.25 : norm, 1e-5 * norm); /* moments are float */
  }
  close_world(&world);
}

static void options_that_make_no_training_are_refused(void) {
  struct world world;
  open_world(&world, "{\"kind\":\"double_well\"}", LAYERS(1, "[6,5]"));
  struct boltz_stage bad[12];
  for (int k = 0; k < 12; k++) bad[k] = plain;
  bad[0].steps = 0;
  bad[1].batch = 0;
  bad[2].batch = ((int64_t)1 << 24) + 1;
  bad[3].learning_rate = 0;
  bad[4].learning_rate = NAN;
  bad[5].ml = bad[5].kl = 0;
  bad[6].kl = -1;
  bad[7].clip_norm = NAN;
  bad[8].warm_up = 21;
  bad[9].final_learning_rate = 1.5;
  bad[10].rc = -1;
  bad[11].rc = 1; /* of nothing */
  struct boltz_train *train;
  struct boltz_train_options options = {.nstages = 1, .data = &world.data, .energy_high = 10};
  for (int k = 0; k < 12; k++) {
    options.stages = &bad[k];
    CHECK_INT(
        boltz_train_new(&world.flow, &world.energy, &world.weights, &options, world.arena, &train),
        BOLTZ_OUT_OF_RANGE);
  }
  options.stages = &plain;
  options.data = NULL;
  CHECK_INT(
      boltz_train_new(&world.flow, &world.energy, &world.weights, &options, world.arena, &train),
      BOLTZ_OUT_OF_RANGE);
  close_world(&world);
}

int main(int argc, char **argv) {
  RUN(the_gradient_of_each_loss_matches_differences);
  RUN(the_ml_loss_is_minus_the_mean_log_density_of_the_data);
  RUN(the_kl_loss_is_that_of_the_latents_of_its_stream);
  RUN(the_rc_loss_is_that_of_the_whole_batch_of_latents);
  RUN(the_rc_loss_brings_samples_into_a_well_that_has_none);
  RUN(training_brings_the_double_well_near_its_floors);
  RUN(samples_that_are_not_finite_are_skipped_and_counted);
  RUN(a_step_without_a_finite_sample_leaves_the_weights);
  RUN(the_learning_rate_warms_up_and_follows_the_cosine);
  RUN(clipping_scales_the_gradient_to_its_norm);
  RUN(options_that_make_no_training_are_refused);
  return check_report();
}
