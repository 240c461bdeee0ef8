/* test_polar.c - pairs of a radius and an angle: golden numbers, tails, what they make of a base.
 */
#include "boltz/flow.h"
#include "boltz/rng.h"
#include "check.h"

#define TURN 6.28318530717958647693
#define ONE "{\"type\":\"circular\",\"coordinates\":[1],\"low\":[0],\"high\":[6.283185307179586]}"
#define TWO                                                     \
  "{\"type\":\"circular\",\"coordinates\":[1,3],\"low\":[0,0]," \
  "\"high\":[6.283185307179586,6.283185307179586]}"
#define POLAR "{\"type\":\"polar\"}"

struct world {
  struct boltz_arena *arena;
  struct boltz_flow flow;
  struct boltz_weights weights;
};

static enum boltz_status parse(struct boltz_arena *arena, const char *base, const char *layer,
                               int dim, struct boltz_flow_spec *spec) {
  struct boltz_json *root;
  char text[512];
  snprintf(text, sizeof text, "{\"base\":%s,\"layers\":[%s]}", base, layer);
  CHECK_INT(boltz_json_parse(text, strlen(text), 8, arena, &root), BOLTZ_OK);
  return boltz_flow_spec_parse(root, dim, arena, spec);
}

static struct world new_world(const char *base, const char *layer, int dim) {
  struct world world = {.arena = boltz_arena_open(0)};
  struct boltz_flow_spec spec;
  CHECK_INT(parse(world.arena, base, layer, dim, &spec), BOLTZ_OK);
  CHECK_INT(boltz_flow_new(&spec, dim, world.arena, &world.flow), BOLTZ_OK);
  CHECK_INT(boltz_weights_new(&world.flow, world.arena, &world.weights), BOLTZ_OK);
  boltz_flow_init(&world.flow, 1, &world.weights);
  return world;
}

/* One point, in place; returns log_det. */
static double go(struct world *world, enum boltz_direction direction, double *point) {
  struct boltz_batch x;
  double log_det = NAN;
  CHECK_INT(boltz_batch_new(world->arena, 1, world->flow.dim, &x), BOLTZ_OK);
  boltz_batch_from_rows(&x, point);
  boltz_flow_transform(&world->flow, &world->weights, direction, &x, &log_det, world->arena);
  boltz_batch_to_rows(&x, point);
  return log_det;
}

/* r = e^s sqrt(-2 ln(erfc(a/sqrt 2)/2)), ln h = -a^2/2 - ln(2 pi)/2 - ln(erfc(a/sqrt 2)/2) in
   another language's mathematics. */
static void it_has_its_golden_numbers(void) {
  struct world world = new_world(TWO, POLAR, 4);
  const double log_det[2] = {1.4220831118045907, -2.4747950775924386};
  double x[4] = {1, 2, -1.5, 5.5};
  world.weights.flat[0] = 0.5f;
  world.weights.flat[1] = -0.25f;
  CHECK_NEAR(go(&world, BOLTZ_TO_X, x), log_det[0] + log_det[1], 2e-15);
  CHECK_NEAR(x[0], -1.3165528078302193, 2e-15);
  CHECK_NEAR(x[1], 2.8767203671979114, 2e-15);
  CHECK_NEAR(x[2], 0.10038983202037532, 2e-15);
  CHECK_NEAR(x[3], 0.27165627753011673, 2e-15);
  boltz_arena_close(world.arena);
}

static void angles_that_are_not_relative_stand_alone(void) {
  struct world world = new_world(TWO, "{\"type\":\"polar\",\"relative\":false}", 4);
  double x[4] = {1, 2, -1.5, 1.5};
  go(&world, BOLTZ_TO_X, x);
  CHECK_NEAR(atan2(x[1], x[0]), 2, 1e-15);
  CHECK_NEAR(atan2(x[3], x[2]), 1.5, 1e-15);
  boltz_arena_close(world.arena);
}

static void the_first_angle_turns_all(void) {
  struct world world = new_world(TWO, POLAR, 4);
  double x[4] = {0.3, 5.9, -0.7, 2}, y[4] = {0.3, 5.9 + 1.1 - TURN, -0.7, 2};
  const double a = go(&world, BOLTZ_TO_X, x), b = go(&world, BOLTZ_TO_X, y);
  CHECK_NEAR(a, b, 0);
  for (int k = 0; k < 4; k += 2) {
    CHECK_NEAR(y[k], x[k] * cos(1.1) - x[k + 1] * sin(1.1), 2e-15);
    CHECK_NEAR(y[k + 1], x[k] * sin(1.1) + x[k + 1] * cos(1.1), 2e-15);
  }
  boltz_arena_close(world.arena);
}

/* tests/golden/make_mills.py */
static void both_tails_keep_their_digits(void) {
  static const struct {
    double a, r, log_h;
  } golden[] = {
      {-38, 2.4022607519038331e-158, -722.91893853320471},
      {-37, 3.3839536706416584e-150, -685.41893853320471},
      {-20, 7.4210836386692663e-45, -200.91893853320468},
      {-8, 3.5273107530445303e-08, -32.918938533204674},
      {-3, 0.051977109668549168, -5.417587723239925},
      {-0.125, 1.0939040807241054, -0.32843796429224775},
      {0, 1.1774100225154747, -0.22579135264472744},
      {8, 8.368206159018138, 2.0944986267098771},
      {38, 38.119738089835302, 3.6382774856154572},
      {200, 200.03108398895503, 5.2983423649857295},
      {1e8, 100000000.00000019, 18.420680743952367},
  };
  struct world world = new_world(ONE, POLAR, 2);
  for (size_t k = 0; k < sizeof golden / sizeof *golden; k++) {
    const double a = golden[k].a;
    double x[2] = {a, 0};
    CHECK_NEAR(go(&world, BOLTZ_TO_X, x), golden[k].log_h, 4e-16 * (1 + fabs(golden[k].log_h)));
    /* p is as exact as a^2/2 is; below 1e-308 it has few digits */
    CHECK_NEAR(x[0] / golden[k].r, 1, a == -38 ? 1e-7 : a < 0 ? (a * a + 10) * 1e-16 : 1e-15);
    CHECK(x[1] == 0);
    if (a < -37) continue;
    CHECK_NEAR(go(&world, BOLTZ_TO_Z, x), -golden[k].log_h, 2e-15 * (1 + fabs(golden[k].log_h)));
    CHECK_NEAR(x[0], a, 1e-15 * (1 + fabs(a)));
  }
  double beyond[2] = {-60, 1};
  CHECK_NEAR(go(&world, BOLTZ_TO_X, beyond), -1800.918938533204673, 1e-12);
  CHECK(beyond[0] == 0 && beyond[1] == 0);
  boltz_arena_close(world.arena);
}

static void the_origin_has_a_finite_latent_and_finite_gradients(void) {
  struct world world = new_world(ONE, POLAR, 2);
  struct boltz_batch x, g;
  double log_det = 0, glog_det = 1;
  float gw[1] = {0};
  CHECK_INT(boltz_weights_turn(&world.flow, world.arena, &world.weights), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(world.arena, 1, 2, &x), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(world.arena, 1, 2, &g), BOLTZ_OK);
  x.col[0][0] = x.col[1][0] = 0;
  g.col[0][0] = g.col[1][0] = 1;
  struct boltz_tape *tape =
      boltz_flow_record(&world.flow, &world.weights, BOLTZ_TO_Z, &x, &log_det, world.arena);
  CHECK(tape && isfinite(log_det));
  CHECK_NEAR(x.col[0][0], -37.0658, 1e-4); /* Phi(a) = 5e-301 */
  boltz_flow_backward(&world.flow, &world.weights, tape, &x, &g, &glog_det, gw, world.arena);
  CHECK(isfinite(g.col[0][0]) && isfinite(g.col[1][0]) && isfinite(gw[0]));
  CHECK(x.col[0][0] == 0 && x.col[1][0] == 0);
  boltz_arena_close(world.arena);
}

/* log q of a point of the plane. */
static double log_density(struct world *world, double x, double y) {
  double z[2] = {x, y};
  const double log_det = go(world, BOLTZ_TO_Z, z);
  CHECK(z[1] >= 0 && z[1] <= TURN);
  return -0.5 * z[0] * z[0] - 0.5 * log(TURN) - log(TURN) + log_det;
}

static void a_normal_latent_and_a_uniform_angle_are_a_normal_pair(void) {
  struct world world = new_world(ONE, POLAR, 2);
  world.weights.flat[0] = -0.5f;
  const double square = exp(-1);
  for (int k = 0; k < 300; k++) {
    double x[2];
    boltz_rng_normal(5, BOLTZ_STREAM_TEST, (uint64_t)k, 0, x);
    const double spread = pow(10, (k % 30 - 25) / 10.0); /* 0.003 to 2.5 */
    x[0] *= spread;
    x[1] *= spread;
    const double exact = -(x[0] * x[0] + x[1] * x[1]) / (2 * square) - log(TURN * square);
    CHECK_NEAR(log_density(&world, x[0], x[1]), exact, 1e-14 * (10 + fabs(exact)));
  }
  boltz_arena_close(world.arena);
}

/* A spline before it that leaves a < -2, which is r < 0.2, and a sum over a grid: h = 0.04 of a
   density with bends. */
static void the_density_has_the_integral_1(void) {
  struct world world = new_world(
      ONE,
      "{\"type\":\"spline\",\"coordinates\":[0,1],\"bins\":4,\"bound\":2},{\"type\":\"polar\"}", 2);
  for (size_t k = 0; k < world.flow.nw; k++)
    world.weights.flat[k] = (float)(0.4 * sin(2.3 * (double)k + 1));
  enum { SIDE = 400 };
  const double reach = 8, h = 2 * reach / SIDE;
  struct boltz_batch x;
  double sum = 0, log_det[SIDE];
  CHECK_INT(boltz_batch_new(world.arena, SIDE, 2, &x), BOLTZ_OK);
  for (int i = 0; i < SIDE; i++) {
    for (int j = 0; j < SIDE; j++) {
      x.col[0][j] = -reach + h * (i + 0.5);
      x.col[1][j] = -reach + h * (j + 0.5);
    }
    boltz_flow_transform(&world.flow, &world.weights, BOLTZ_TO_Z, &x, log_det, world.arena);
    for (int j = 0; j < SIDE; j++)
      sum += h * h * exp(log_det[j] - 0.5 * x.col[0][j] * x.col[0][j] - 1.5 * log(TURN));
  }
  CHECK_NEAR(sum, 1, 2e-3);
  boltz_arena_close(world.arena);
}

/* <r^2>/2 = scale^2, of each pair */
static void fitting_finds_the_scale_of_each_pair(void) {
  enum { N = 1000 };
  struct world world = new_world(TWO, POLAR, 4);
  struct boltz_batch x;
  double half_square[2] = {0};
  CHECK_INT(boltz_batch_new(world.arena, N, 4, &x), BOLTZ_OK);
  boltz_rng_normals(3, BOLTZ_STREAM_TEST, 0, &x);
  for (size_t i = 0; i < N; i++)
    for (int j = 0; j < 4; j++) {
      x.col[j][i] = x.col[j][i] * (j < 2 ? 30 : 0.01) + (j == 0 ? 20 : 0);
      half_square[j / 2] += x.col[j][i] * x.col[j][i] / (2 * N);
    }
  CHECK_INT(boltz_flow_fit(&world.flow, &x, &world.weights, world.arena), BOLTZ_OK);
  for (int k = 0; k < 2; k++)
    CHECK_NEAR(world.weights.flat[k], 0.5 * log(half_square[k]), 1e-6); /* a float */
  for (int j = 0; j < 4; j++)
    for (size_t i = 0; i < N; i++) x.col[j][i] = j < 2 ? 0 : NAN;
  CHECK_INT(boltz_flow_fit(&world.flow, &x, &world.weights, world.arena), BOLTZ_OK);
  CHECK_NEAR(world.weights.flat[0], 0.5 * log(half_square[0]), 1e-6); /* no radius: it is kept */
  boltz_arena_close(world.arena);
}

static void latents_that_are_no_pairs_are_refused_by_name(void) {
  static const struct {
    const char *base, *says;
  } cases[] = {
      {"\"normal\"", "x2 is not periodic on [0, 2 pi) here"},
      {"{\"type\":\"circular\",\"coordinates\":[1,2],\"low\":[0,0],\"high\":[6.283185307179586,1]}",
       "x3 is not real here"},
      {"{\"type\":\"circular\",\"coordinates\":[1,3],\"low\":[0,0],\"high\":[6.283185307179586,6]}",
       "x4 is not periodic on [0, 2 pi) here"},
      {"{\"type\":\"circular\",\"coordinates\":[1,3],\"low\":[0,-1],\"high\":[6.283185307179586,"
       "5.283185307179586]}",
       "x4 is not periodic on [0, 2 pi) here"},
  };
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    struct boltz_flow_spec spec;
    CHECK_INT(parse(arena, cases[c].base, POLAR, 4, &spec), BOLTZ_OUT_OF_RANGE);
    CHECK_MSG(strstr(boltz_error(), cases[c].says) != NULL, "%s", boltz_error());
    CHECK(strstr(boltz_error(), "the base \"circular\" has them with coordinates [1,3]") != NULL);
    boltz_arena_close(arena);
  }
}

static void a_long_list_of_angles_is_cut(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_flow_spec spec;
  CHECK_INT(parse(arena, "\"normal\"", POLAR, 1024, &spec), BOLTZ_OUT_OF_RANGE);
  CHECK_MSG(strstr(boltz_error(), ",7,9,") && strstr(boltz_error(), ",...]"), "%s", boltz_error());
  boltz_arena_close(arena);
}

/* What is left of an angle is real for the layers after it. */
static void pairs_leave_the_circle(void) {
  struct world world = new_world(TWO, POLAR ",{\"type\":\"actnorm\"}", 4);
  for (int j = 0; j < 4; j++) CHECK(world.flow.domain[j].type == BOLTZ_REAL);
  boltz_arena_close(world.arena);
}

int main(int argc, char **argv) {
  RUN(it_has_its_golden_numbers);
  RUN(angles_that_are_not_relative_stand_alone);
  RUN(the_first_angle_turns_all);
  RUN(both_tails_keep_their_digits);
  RUN(the_origin_has_a_finite_latent_and_finite_gradients);
  RUN(a_normal_latent_and_a_uniform_angle_are_a_normal_pair);
  RUN(the_density_has_the_integral_1);
  RUN(fitting_finds_the_scale_of_each_pair);
  RUN(latents_that_are_no_pairs_are_refused_by_name);
  RUN(a_long_list_of_angles_is_cut);
  RUN(pairs_leave_the_circle);
  return check_report();
}
