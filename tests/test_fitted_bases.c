/* test_fitted_bases.c - numbers of a base: fitted to data and to an energy, kept by training and
 * by checkpoints. */
#include "boltz/boltz.h"
#include "tests/check.h"

#define EXPRESSION(variables, u) \
  "{\"kind\":\"expression\",\"variables\":[" variables "],\"u\":\"" u "\"}"
#define REALNVP "{\"type\":\"realnvp\",\"blocks\":1,\"hidden\":[8]}"

struct world {
  struct boltz_arena *arena;
  struct boltz_energy energy;
  struct boltz_flow flow;
  struct boltz_weights weights;
};

static struct boltz_json *json(struct boltz_arena *arena, const char *text) {
  struct boltz_json *root = NULL;
  CHECK_INT(boltz_json_parse(text, strlen(text), 8, arena, &root), BOLTZ_OK);
  return root;
}

/* A flow for an energy, with initial weights. */
static struct world new_world(const char *energy, double temperature, const char *base,
                              const char *layers) {
  struct world world = {.arena = boltz_arena_open(0)};
  struct boltz_flow_spec spec;
  char text[1024];
  enum boltz_status status =
      boltz_energy_parse(json(world.arena, energy), temperature, world.arena, &world.energy);
  CHECK_MSG(status == BOLTZ_OK, "%s", boltz_error());
  snprintf(text, sizeof text, "{\"base\":%s,\"layers\":[%s]}", base, layers);
  status = boltz_flow_spec_parse(json(world.arena, text), world.energy.dim, world.arena, &spec);
  if (status == BOLTZ_OK) status = boltz_flow_spec_complete(&spec, &world.energy, world.arena);
  if (status == BOLTZ_OK)
    status = boltz_flow_new(&spec, world.energy.dim, world.arena, &world.flow);
  CHECK_MSG(status == BOLTZ_OK, "%s", boltz_error());
  CHECK_INT(boltz_weights_new(&world.flow, world.arena, &world.weights), BOLTZ_OK);
  boltz_flow_init(&world.flow, 5, &world.weights);
  return world;
}

static enum boltz_status fit_to(struct world *world, const struct boltz_evidence *evidence) {
  struct boltz_fitting *fitting;
  enum boltz_status status = BOLTZ_OK;
  CHECK_INT(boltz_fitting_open(&world->flow, evidence, &world->weights, &fitting), BOLTZ_OK);
  for (bool more = true; more && status == BOLTZ_OK;)
    status = boltz_fitting_step(fitting, &more, world->arena);
  boltz_fitting_close(fitting);
  return status;
}

static enum boltz_status fit(struct world *world, const struct boltz_batch *data) {
  return fit_to(world, &(struct boltz_evidence){.x = data, .energy = &world->energy, .seed = 7});
}

static const float *tensor(const struct world *world, const char *name) {
  struct boltz_tensor tensor;
  for (int k = 0; boltz_flow_tensor(&world->flow, k, &tensor); k++)
    if (strcmp(tensor.name, name) == 0) return world->weights.flat + tensor.offset;
  CHECK_MSG(false, "no tensor %s", name);
  return world->weights.flat;
}

static struct boltz_weight_summary weigh(struct world *world, size_t n) {
  struct boltz_batch x;
  struct boltz_weight_summary summary;
  double *log_w = BOLTZ_NEW_ARRAY(world->arena, n, double);
  double *u = BOLTZ_NEW_ARRAY(world->arena, n, double);
  CHECK_INT(boltz_batch_new(world->arena, n, world->flow.dim, &x), BOLTZ_OK);
  boltz_flow_sample(&world->flow, &world->weights, 1, BOLTZ_STREAM_TEST, 0, &x, NULL, log_w,
                    world->arena);
  boltz_energy_eval(&world->energy, world->energy.temperature, &x, u, NULL, world->arena);
  for (size_t i = 0; i < n; i++) log_w[i] = -u[i] - log_w[i];
  boltz_stats_weights(log_w, n, &summary);
  return summary;
}

/* ---- laplace ---- */

/* log Z = (dim/2) ln(2 pi T) - ln(det)/2 - u0 of a quadratic energy, whatever its units. */
static void check_quadratic(const char *energy, double temperature, double log_z,
                            const struct boltz_batch *data) {
  struct world world = new_world(energy, temperature, "\"laplace\"", "");
  CHECK_MSG(fit(&world, data) == BOLTZ_OK, "%s", boltz_error());
  const struct boltz_weight_summary summary = weigh(&world, 5000);
  CHECK_MSG(summary.ess_fraction > 1 - 1e-9, "%s: 1 - %g", energy, 1 - summary.ess_fraction);
  CHECK_NEAR(summary.log_mean, log_z, 1e-6); /* floats of the factor */
  const float *weight = tensor(&world, "base.weight");
  for (int k = 1; k < 16; k++) CHECK(weight[k] == 0);
  boltz_arena_close(world.arena);
}

static void a_quadratic_energy_is_sampled_exactly_without_a_training(void) {
  const double ln_2pi = 1.8378770664093454836;
  check_quadratic(EXPRESSION("\"x\",\"y\"", "(2*x^2 - 2*x*y + y^2)/2"), 1, ln_2pi, NULL);
  check_quadratic(EXPRESSION("\"x\",\"y\"", "(2*x^2 - 2*x*y + y^2)/2"), 3, ln_2pi + log(3), NULL);
  /* det = 1e4 1e-4 - 0.25, far from the origin, -7 deep */
  check_quadratic(
      EXPRESSION("\"x\",\"y\"", "(1e4*(x-0.3)^2 + (x-0.3)*(y+40) + 1e-4*(y+40)^2)/2 - 7"), 1,
      ln_2pi - 0.5 * log(0.75) + 7, NULL);
  check_quadratic(
      EXPRESSION("\"a\",\"b\",\"c\"", "a^2 + b^2 + c^2 - a*b - b*c + 0.1*(a + b + c - 3)"), 1,
      1.5 * ln_2pi - 0.5 * log(4.0) + 0.3 + 0.5 * 0.01 * (1.5 + 2 + 1.5), NULL);
}

static void the_laplace_has_its_golden_numbers(void) {
  struct world world =
      new_world(EXPRESSION("\"x\",\"y\"", "(2*x^2 - 2*x*y + y^2)/2"), 1, "\"laplace\"", "");
  CHECK_MSG(fit(&world, NULL) == BOLTZ_OK, "%s", boltz_error());
  CHECK_NEAR(boltz_base_entropy(&world.flow.base, world.weights.flat), 2.837877066409, 1e-6);
  const float *a = tensor(&world, "base.factor"); /* A^T A = {{2, -1}, {-1, 1}}: a float's digits */
  CHECK_NEAR(fabs(a[0]), 1, 1e-6);
  CHECK_NEAR(-a[2] / a[3], 1, 1e-6);
  CHECK(a[1] == 0);
  CHECK_NEAR(fabs(a[3]), 1, 1e-6);
  boltz_arena_close(world.arena);
}

/* A hundred rows show too little, and the Hessian is taken for what it is. */
static void data_change_nothing_about_a_quadratic_energy(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_batch data;
  CHECK_INT(boltz_batch_new(arena, 100, 2, &data), BOLTZ_OK);
  boltz_rng_normals(3, BOLTZ_STREAM_TEST, 0, &data);
  check_quadratic(EXPRESSION("\"x\",\"y\"", "(2*x^2 - 2*x*y + y^2)/2"), 1, 1.8378770664093454836,
                  &data);
  boltz_arena_close(arena);
}

/* x^4 - 6 x^2 - x/2 has minima at -1.7108290 and 1.7525199; many_well of four coordinates has the
   four pairs of them, with z2 = z4 = 0. Its log Z is 4/32 of that of 32 coordinates. */
#define LEFT -1.7108290410295508
#define RIGHT 1.7525198623099465

static double well(double x) {
  return x * x * x * x - 6 * x * x - 0.5 * x;
}

static void every_mode_of_many_wells_is_found_with_its_harmonic_weight(void) {
  struct world world = new_world("{\"kind\":\"many_well\",\"dim\":4}", 1, "\"laplace\"", "");
  CHECK_MSG(fit(&world, NULL) == BOLTZ_OK, "%s", boltz_error());
  const float *weight = tensor(&world, "base.weight"), *mean = tensor(&world, "base.mean");
  double sum = 0, right = 0;
  bool seen[2][2] = {{false}};
  for (int k = 0; k < 16; k++) {
    if (weight[k] == 0) continue;
    const float *m = mean + 4 * k;
    for (int j = 0; j < 4; j += 2) {
      CHECK_NEAR(m[j], m[j] < 0 ? LEFT : RIGHT, 1e-6);
      CHECK_NEAR(m[j + 1], 0, 1e-6);
    }
    CHECK_MSG(!seen[m[0] > 0][m[2] > 0], "twice");
    seen[m[0] > 0][m[2] > 0] = true;
    sum += weight[k];
    right += m[0] > 0 ? weight[k] : 0;
  }
  for (int k = 0; k < 4; k++) CHECK(seen[k / 2][k % 2]);
  /* u'' = 12 x^2 - 12 at the minima */
  const double rise = well(LEFT) - well(RIGHT);
  const double ratio = exp(rise) * sqrt((12 * LEFT * LEFT - 12) / (12 * RIGHT * RIGHT - 12));
  CHECK_NEAR(right / sum, ratio / (1 + ratio), 1e-5);
  const struct boltz_weight_summary summary = weigh(&world, 20000);
  CHECK_MSG(summary.ess_fraction > 0.7, "%g", summary.ess_fraction);
  CHECK_NEAR(summary.log_mean, 164.695675313 / 8, 5 * sqrt(0.25 / 20000));
  boltz_arena_close(world.arena);
}

static void a_direction_without_curvature_is_as_wide_as_u_rises(void) {
  /* x^4 has risen by 1/2 at 2^(-1/4) = 0.8409; its deviation is 0.5814 */
  struct world world =
      new_world(EXPRESSION("\"x\",\"y\"", "(x+2*y)^4 + (2*x-y)^2"), 1, "\"laplace\"", "");
  CHECK_MSG(fit(&world, NULL) == BOLTZ_OK, "%s", boltz_error());
  const struct boltz_weight_summary summary = weigh(&world, 20000);
  CHECK_MSG(summary.ess_fraction > 0.6, "%g", summary.ess_fraction);
  /* log Z: of (x+2y)/sqrt 5 = t: 25 t^4: 2 Gamma(5/4) / sqrt 5; of 5 s^2: sqrt(pi/5) */
  CHECK_NEAR(summary.log_mean, log(2 * tgamma(1.25) / sqrt(5)) + 0.5 * log(M_PI / 5), 0.03);
  boltz_arena_close(world.arena);
}

static void data_bound_a_direction_along_which_u_never_rises(void) {
  struct boltz_batch data;
  struct world world = new_world(EXPRESSION("\"x\",\"y\"", "x^2/2 + 0*y"), 1, "\"laplace\"", "");
  CHECK_INT(boltz_batch_new(world.arena, 400, 2, &data), BOLTZ_OK);
  boltz_rng_normals(3, BOLTZ_STREAM_TEST, 0, &data);
  for (size_t i = 0; i < data.n; i++) data.col[1][i] *= 5;
  CHECK_MSG(fit(&world, &data) == BOLTZ_OK, "%s", boltz_error());
  const float *factor = tensor(&world, "base.factor");
  CHECK_NEAR(fabs(factor[0]), 1, 1e-3);
  CHECK_NEAR(1 / fabs(factor[3]), 5, 5 * 5 / sqrt(2 * 400));
  CHECK_MSG(fit(&world, NULL) == BOLTZ_OK, "%s", boltz_error()); /* a thousand, else */
  CHECK_NEAR(1 / fabs(factor[3]), 1000, 10);
  boltz_arena_close(world.arena);
}

/* On an interval x = 4 Phi(z), and u_z = (x - 1)^2/8 + z^2/2 + a constant. */
static void minima_are_those_of_latents_behind_the_layers(void) {
  struct world world = new_world(
      "{\"kind\":\"expression\",\"variables\":[\"x\"],\"u\":\"(x - 1)^2/8\",\"domain\":{\"x\":"
      "{\"low\":0,\"high\":4}}}",
      1, "\"laplace\"", "");
  CHECK_INT(world.flow.nlayers, 1);
  CHECK_MSG(fit(&world, NULL) == BOLTZ_OK, "%s", boltz_error());
  CHECK(!world.weights.turned); /* what the fit made for itself is gone */
  const double z = tensor(&world, "base.mean")[0], a = tensor(&world, "base.factor")[0];
  const double x = 2 * erfc(-z * M_SQRT1_2), slope = 4 * exp(-0.5 * z * z) / sqrt(2 * M_PI);
  CHECK_NEAR((x - 1) / 4 * slope + z, 0, 1e-6);
  CHECK_NEAR(a * a, 0.25 * slope * slope - (x - 1) / 4 * slope * z + 1, 1e-5);
  const struct boltz_weight_summary summary = weigh(&world, 20000);
  CHECK_MSG(summary.ess_fraction > 0.9, "%g", summary.ess_fraction);
  CHECK_NEAR(summary.log_mean, log(0.5 * sqrt(8 * M_PI) * (erf(3 / sqrt(8)) + erf(1 / sqrt(8)))),
             5 * sqrt(0.1 / 20000));
  boltz_arena_close(world.arena);
}

static void only_as_many_modes_as_asked_and_the_lowest(void) {
  struct world world =
      new_world("{\"kind\":\"many_well\",\"dim\":4}", 1, "{\"type\":\"laplace\",\"modes\":1}", "");
  CHECK_MSG(fit(&world, NULL) == BOLTZ_OK, "%s", boltz_error());
  const float *mean = tensor(&world, "base.mean");
  CHECK(mean[0] > 0 && mean[2] > 0);
  CHECK_INT(world.flow.base.nw, 1 + 4 + 16);
  boltz_arena_close(world.arena);
}

/* ---- mixture ---- */

/* Three sheared clouds of 3:2:1 rows, at (0, 0), (6, 0), (0, 9). */
static void draw_clouds(struct boltz_batch *x) {
  boltz_rng_normals(11, BOLTZ_STREAM_TEST, 0, x);
  for (size_t i = 0; i < x->n; i++) {
    const int cloud = i % 6 < 3 ? 0 : i % 6 < 5 ? 1 : 2;
    x->col[1][i] = 0.6 * x->col[0][i] + 0.3 * x->col[1][i] + (cloud == 2 ? 9 : 0);
    x->col[0][i] += cloud == 1 ? 6 : 0;
  }
}

static void a_mixture_finds_the_clouds_of_the_data(void) {
  struct boltz_batch x;
  struct world world = new_world(EXPRESSION("\"x\",\"y\"", "x^2 + y^2"), 1,
                                 "{\"type\":\"mixture\",\"components\":3}", "");
  CHECK_INT(boltz_batch_new(world.arena, 3000, 2, &x), BOLTZ_OK);
  draw_clouds(&x);
  CHECK_MSG(fit(&world, &x) == BOLTZ_OK, "%s", boltz_error());
  const float *weight = tensor(&world, "base.weight"), *mean = tensor(&world, "base.mean");
  const float *factor = tensor(&world, "base.factor");
  for (int k = 0; k < 3; k++) {
    const float *m = mean + 2 * k, *a = factor + 4 * k;
    const int cloud = m[0] > 3 ? 1 : m[1] > 4 ? 2 : 0;
    CHECK_NEAR(weight[k], cloud == 0 ? 0.5 : cloud == 1 ? 1.0 / 3 : 1.0 / 6, 0.003);
    CHECK_NEAR(m[0], cloud == 1 ? 6 : 0, 5 / sqrt(500));
    CHECK_NEAR(m[1], cloud == 2 ? 9 : 0, 5 * 0.67 / sqrt(500));
    /* conditional deviation of y: 0.3; slope 0.6; marginal deviation of x: 1 */
    CHECK(a[1] == 0);
    CHECK_NEAR(1 / fabs(a[3]), 0.3, 0.05);
    CHECK_NEAR(-a[2] / a[3], 0.6, 0.05);
    CHECK_NEAR(1 / fabs(a[0]), 1, 0.15);
  }
  boltz_arena_close(world.arena);
}

static void components_without_rows_are_dropped_and_few_rows_are_enough(void) {
  static const size_t rows[] = {1, 2, 3, 9, 40};
  for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
    struct boltz_batch x;
    struct world world = new_world(EXPRESSION("\"x\",\"y\"", "x^2 + y^2"), 1,
                                   "{\"type\":\"mixture\",\"components\":30}", "");
    CHECK_INT(boltz_batch_new(world.arena, rows[r], 2, &x), BOLTZ_OK);
    boltz_rng_normals(11, BOLTZ_STREAM_TEST, 0, &x);
    CHECK_MSG(fit(&world, &x) == BOLTZ_OK, "%s", boltz_error());
    const float *weight = tensor(&world, "base.weight");
    double sum = 0;
    int there = 0;
    for (int k = 0; k < 30; k++) sum += weight[k], there += weight[k] > 0;
    CHECK(sum > 0.5 && there >= 1 && (size_t)there <= (rows[r] < 4 ? 1 : rows[r] / 4));
    for (size_t k = 0; k < world.flow.nw; k++) CHECK(isfinite(world.weights.flat[k]));
    boltz_arena_close(world.arena);
  }
}

static void a_fit_gives_the_same_numbers_again(void) {
  static const char *const bases[] = {"\"mixture\"", "\"laplace\""};
  for (int b = 0; b < 2; b++) {
    struct boltz_batch x;
    struct world world = new_world("{\"kind\":\"many_well\",\"dim\":2}", 1, bases[b], REALNVP);
    CHECK_INT(boltz_batch_new(world.arena, 500, 2, &x), BOLTZ_OK);
    draw_clouds(&x);
    const size_t size = world.flow.base.nw * sizeof(float);
    float *first = boltz_arena_alloc(world.arena, 1, size);
    CHECK_INT(fit(&world, &x), BOLTZ_OK);
    memcpy(first, world.weights.flat, size);
    CHECK_INT(fit(&world, &x), BOLTZ_OK);
    CHECK(memcmp(first, world.weights.flat, size) == 0);
    boltz_arena_close(world.arena);
  }
}

/* ---- Training and checkpoints ---- */

static void training_moves_the_layers_and_never_the_base(void) {
  static const struct boltz_stage stage = {
      .steps = 5, .batch = 40, .learning_rate = 0.01, .ml = 1, .kl = 1, .clip_norm = 10};
  struct boltz_batch x;
  struct boltz_train *train;
  struct world world = new_world("{\"kind\":\"many_well\",\"dim\":2}", 1, "\"mixture\"",
                                 REALNVP ",{\"type\":\"actnorm\"}");
  CHECK_INT(boltz_batch_new(world.arena, 300, 2, &x), BOLTZ_OK);
  draw_clouds(&x);
  CHECK_INT(fit(&world, &x), BOLTZ_OK);
  const size_t nb = world.flow.base.nw, nw = world.flow.nw;
  float *before = boltz_arena_alloc(world.arena, nw, sizeof *before);
  memcpy(before, world.weights.flat, nw * sizeof *before);
  CHECK(nb > 0 && world.flow.layers[0].w_offset == nb);
  const struct boltz_train_options options = {
      .seed = 2, .nstages = 1, .stages = &stage, .data = &x, .energy_high = 100};
  CHECK_INT(
      boltz_train_new(&world.flow, &world.energy, &world.weights, &options, world.arena, &train),
      BOLTZ_OK);
  while (!boltz_train_done(train)) boltz_train_step(train, world.arena);
  CHECK(memcmp(before, world.weights.flat, nb * sizeof *before) == 0);
  size_t moved = 0;
  for (size_t k = nb; k < nw; k++) moved += before[k] != world.weights.flat[k];
  CHECK(moved > (nw - nb) / 2);
  struct boltz_train_report report;
  boltz_train_report(train, &report);
  CHECK_INT(report.skipped, 0);
  CHECK(isfinite(report.loss_ml) && isfinite(report.loss_kl));
  boltz_arena_close(world.arena);
}

static void a_flow_with_nothing_to_train_is_not_trained(void) {
  static const struct boltz_stage stage = {.steps = 5, .batch = 40, .learning_rate = 0.01, .kl = 1};
  struct boltz_train *train;
  struct world world = new_world("{\"kind\":\"many_well\",\"dim\":2}", 1, "\"laplace\"", "");
  const struct boltz_train_options options = {.nstages = 1, .stages = &stage};
  CHECK_INT(
      boltz_train_new(&world.flow, &world.energy, &world.weights, &options, world.arena, &train),
      BOLTZ_OUT_OF_RANGE);
  boltz_arena_close(world.arena);
}

static void a_checkpoint_keeps_the_numbers_of_the_base(void) {
  static const char *const layers[] = {"", REALNVP};
  for (int l = 0; l < 2; l++) {
    struct boltz_text file = {0};
    struct boltz_checkpoint back;
    struct world world =
        new_world("{\"kind\":\"many_well\",\"dim\":2}", 1, "\"laplace\"", layers[l]);
    CHECK_INT(fit(&world, NULL), BOLTZ_OK);
    const struct boltz_checkpoint checkpoint = {.model = "wells",
                                                .energy = world.energy,
                                                .flow = world.flow,
                                                .weights = world.weights,
                                                .producer = "test",
                                                .metrics = "{}"};
    CHECK_INT(boltz_checkpoint_self_test(&checkpoint, world.arena), BOLTZ_OK);
    CHECK_INT(boltz_checkpoint_write(&checkpoint, world.arena, &file), BOLTZ_OK);
    const enum boltz_status status =
        boltz_checkpoint_read(file.data, file.size, world.arena, &back);
    CHECK_MSG(status == BOLTZ_OK, "%s", boltz_error());
    CHECK_INT(back.flow.nw, world.flow.nw);
    CHECK(memcmp(back.weights.flat, world.weights.flat, world.flow.nw * sizeof(float)) == 0);
    struct boltz_tensor first;
    CHECK(boltz_flow_tensor(&back.flow, 0, &first));
    CHECK_TEXT(first.name, "base.weight");
    boltz_text_free(&file);
    boltz_arena_close(world.arena);
  }
}

/* ---- What is refused ---- */

static void refuse(const char *base, const char *layers, int dim, const char *pointer,
                   const char *piece) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_flow_spec spec;
  char text[1024];
  snprintf(text, sizeof text, "{\"base\":%s,\"layers\":[%s]}", base, layers);
  const enum boltz_status status = boltz_flow_spec_parse(json(arena, text), dim, arena, &spec);
  CHECK_MSG(status != BOLTZ_OK, "%s", text);
  if (status != BOLTZ_OK) CHECK_TEXT(boltz_error_pointer(), pointer);
  if (status != BOLTZ_OK) CHECK_MSG(strstr(boltz_error(), piece), "%s: %s", text, boltz_error());
  boltz_arena_close(arena);
}

static void settings_that_make_no_base_are_refused_at_their_place(void) {
#define BASE(type, settings) "{\"type\":\"" type "\"," settings "}"
  refuse(BASE("uniform", "\"low\":[0],\"high\":[1,1]"), REALNVP, 2, "/base/low", "2 coordinates");
  refuse(BASE("uniform", "\"low\":[0,1],\"high\":[1,1]"), REALNVP, 2, "/base/high/1", "above");
  refuse(BASE("uniform", "\"low\":[0,0],\"high\":[1,1],\"periodic\":[2]"), REALNVP, 2,
         "/base/periodic/0", "[0, 1]");
  refuse(BASE("uniform", "\"low\":[0,0],\"high\":[1,1]"), "", 2, "/layers", "empty");
  refuse("\"normal\"", "", 2, "/layers", "empty");
#define GIVEN(w, m, s) BASE("mixture", "\"weights\":" w ",\"means\":" m ",\"stds\":" s)
  refuse(GIVEN("[0.5,0.6]", "[[0,0],[1,1]]", "[1,1]"), "", 2, "/base/weights", "1.1");
  refuse(GIVEN("[0.5,0.5]", "[[0,0],[1,1]]", "[1]"), "", 2, "/base/stds", "stds");
  refuse(GIVEN("[0.5,0.5]", "[[0,0],[1]]", "[1,1]"), "", 2, "/base/means/1", "2 numbers");
  refuse(GIVEN("[0.5,0.5]", "[0,1]", "[1,1]"), "", 2, "/base/means", "lists");
  refuse(GIVEN("[1]", "[[0,1e9]]", "[1]"), "", 2, "/base/means/0", "1e+09");
  refuse(BASE("mixture", "\"stds\":[1,1]"), "", 2, "/base/weights", "together");
  refuse(BASE("mixture", "\"components\":1024"), "", 200, "/base/components", "fewer");
  refuse(BASE("laplace", "\"modes\":1024"), "", 200, "/base/modes", "fewer");
  refuse(BASE("laplace", "\"starts\":4096"), "", 512, "/base/starts", "fewer");
  refuse("\"laplace\"", "", 1025, "/base", "1024 coordinates");
}

static void a_periodic_energy_is_refused_for_bases_on_the_line(void) {
  static const char *const bases[] = {"\"laplace\"", "\"mixture\""};
  for (int b = 0; b < 2; b++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    struct boltz_flow_spec spec;
    struct boltz_energy energy;
    char text[200];
    CHECK_INT(
        boltz_energy_parse(
            json(arena,
                 "{\"kind\":\"expression\",\"variables\":[\"t\"],\"u\":\"cos(t)\",\"domain\":{"
                 "\"t\":{\"low\":0,\"high\":6.283185307179586,\"periodic\":true}}}"),
            1, arena, &energy),
        BOLTZ_OK);
    snprintf(text, sizeof text, "{\"base\":%s,\"layers\":[]}", bases[b]);
    CHECK_INT(boltz_flow_spec_parse(json(arena, text), 1, arena, &spec), BOLTZ_OK);
    CHECK_INT(boltz_flow_spec_complete(&spec, &energy, arena), BOLTZ_OUT_OF_RANGE);
    CHECK_TEXT(boltz_error_pointer(), "/base");
    CHECK_MSG(strstr(boltz_error(), "x1 periodic"), "%s", boltz_error());
    boltz_arena_close(arena);
  }
}

static void not_a_number(const void *settings, const struct boltz_batch *x, double *U,
                         struct boltz_batch *gU, struct boltz_arena *scratch) {
  (void)settings, (void)gU, (void)scratch;
  for (size_t i = 0; i < x->n; i++) U[i] = NAN;
}

static void a_fit_without_what_it_needs_says_so(void) {
  struct world world = new_world("{\"kind\":\"many_well\",\"dim\":2}", 1, "\"mixture\"", REALNVP);
  CHECK_INT(fit(&world, NULL), BOLTZ_OUT_OF_RANGE);
  CHECK_MSG(strstr(boltz_error(), "data"), "%s", boltz_error());
  boltz_arena_close(world.arena);
  world = new_world("{\"kind\":\"many_well\",\"dim\":2}", 1, "\"laplace\"", REALNVP);
  CHECK_INT(fit_to(&world, &(struct boltz_evidence){.seed = 1}), BOLTZ_OUT_OF_RANGE);
  CHECK_MSG(strstr(boltz_error(), "energy"), "%s", boltz_error());
  boltz_arena_close(world.arena);
  world = new_world("{\"kind\":\"many_well\",\"dim\":2}", 1, "\"laplace\"", "");
  struct boltz_energy_kind nowhere = *world.energy.kind;
  nowhere.energy = not_a_number;
  world.energy.kind = &nowhere;
  CHECK_INT(fit(&world, NULL), BOLTZ_OUT_OF_RANGE);
  CHECK_MSG(strstr(boltz_error(), "finite"), "%s", boltz_error());
  boltz_arena_close(world.arena);
}

int main(int argc, char **argv) {
  RUN(a_quadratic_energy_is_sampled_exactly_without_a_training);
  RUN(the_laplace_has_its_golden_numbers);
  RUN(data_change_nothing_about_a_quadratic_energy);
  RUN(every_mode_of_many_wells_is_found_with_its_harmonic_weight);
  RUN(a_direction_without_curvature_is_as_wide_as_u_rises);
  RUN(data_bound_a_direction_along_which_u_never_rises);
  RUN(minima_are_those_of_latents_behind_the_layers);
  RUN(only_as_many_modes_as_asked_and_the_lowest);
  RUN(a_mixture_finds_the_clouds_of_the_data);
  RUN(components_without_rows_are_dropped_and_few_rows_are_enough);
  RUN(a_fit_gives_the_same_numbers_again);
  RUN(training_moves_the_layers_and_never_the_base);
  RUN(a_flow_with_nothing_to_train_is_not_trained);
  RUN(a_checkpoint_keeps_the_numbers_of_the_base);
  RUN(settings_that_make_no_base_are_refused_at_their_place);
  RUN(a_periodic_energy_is_refused_for_bases_on_the_line);
  RUN(a_fit_without_what_it_needs_says_so);
  return check_report();
}
