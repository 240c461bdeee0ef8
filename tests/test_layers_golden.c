/* test_layers_golden.c - each layer's golden numbers, and settings that make none. */
#include "flow_world.h"

static void refuse(const char *layer, int dim, const char *pointer) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_flow flow;
  char text[512];
  snprintf(text, sizeof text, "{\"layers\":[%s]}", layer);
  CHECK_MSG(new_flow(arena, text, dim, &flow) == BOLTZ_OUT_OF_RANGE, "%s", layer);
  CHECK_TEXT(boltz_error_pointer(), pointer);
  boltz_arena_close(arena);
}

static void settings_that_make_no_layer_are_refused_at_their_place(void) {
#define COUPLING(lists) "{\"type\":\"affine_coupling\",\"hidden\":[4]," lists "}"
  refuse(COUPLING("\"fixed\":[0],\"moved\":[0]"), 2, "/layers/0/moved/0");
  refuse(COUPLING("\"fixed\":[0,0],\"moved\":[1]"), 2, "/layers/0/fixed/1");
  refuse(COUPLING("\"fixed\":[0],\"moved\":[2]"), 2, "/layers/0/moved/0");
  refuse(COUPLING("\"fixed\":[],\"moved\":[1]"), 2, "/layers/0/fixed");
  refuse(COUPLING("\"fixed\":[0],\"moved\":[0]"), 1, "/layers/0");
  refuse("{\"type\":\"affine_coupling\",\"fixed\":[0],\"moved\":[1],\"hidden\":[]}", 2,
         "/layers/0/hidden");
#define CURVES(more) "{\"type\":\"spline_coupling\",\"hidden\":[4]," more "}"
  refuse(CURVES("\"fixed\":[0],\"moved\":[0]"), 2, "/layers/0/moved/0");
  refuse(CURVES("\"fixed\":[2],\"moved\":[0]"), 2, "/layers/0/fixed/0");
  refuse(CURVES("\"fixed\":[0],\"moved\":[1],\"bins\":1"), 2, "/layers/0/bins");
  refuse(CURVES("\"fixed\":[0],\"moved\":[1],\"bins\":65"), 2, "/layers/0/bins");
  refuse(CURVES("\"fixed\":[0],\"moved\":[1],\"bound\":0"), 2, "/layers/0/bound");
  refuse(CURVES("\"fixed\":[0],\"moved\":[1],\"lattice\":[3]"), 4, "/layers/0/lattice");
  refuse(CURVES("\"fixed\":[0],\"moved\":[1],\"lattice\":[2,4]"), 4, "/layers/0/lattice");
  refuse(CURVES("\"fixed\":[0],\"moved\":[1],\"lattice\":[0]"), 4, "/layers/0/lattice/0");
  refuse(CURVES("\"fixed\":[0],\"moved\":[1,2,3],\"lattice\":[2]"), 4, "/layers/0/moved");
  refuse(CURVES("\"fixed\":[0],\"moved\":[2],\"lattice\":[4],\"reach\":1"), 4, "/layers/0/lattice");
  refuse(CURVES("\"fixed\":[0],\"moved\":[2],\"lattice\":[4],\"reach\":-1"), 4, "/layers/0/reach");
  refuse("{\"type\":\"circular_shift\",\"coordinates\":[]}", 2, "/layers/0/coordinates");
  refuse("{\"type\":\"realnvp\"}", 1, "/layers/0");
  refuse("{\"type\":\"realnvp\",\"hidden\":[]}", 2, "/layers/0/hidden");
  refuse("{\"type\":\"interval\",\"coordinates\":[0],\"low\":[0,1],\"high\":[1]}", 2,
         "/layers/0/low");
  refuse("{\"type\":\"interval\",\"coordinates\":[0],\"low\":[1],\"high\":[1]}", 2,
         "/layers/0/high/0");
  refuse("{\"type\":\"interval\",\"coordinates\":[1,1],\"low\":[0,0],\"high\":[1,1]}", 2,
         "/layers/0/coordinates/1");
  refuse("{\"type\":\"polar\"}", 3, "/layers/0/coordinates");
  refuse("{\"type\":\"polar\"}", 2, "/layers/0");
  refuse("{\"type\":\"polar\",\"coordinates\":[0,1,2,1]}", 4, "/layers/0/coordinates/3");
  refuse("{\"type\":\"permute\",\"order\":[0]}", 2, "/layers/0/order");
  refuse("{\"type\":\"permute\",\"order\":[0,0]}", 2, "/layers/0/order/1");
  refuse("{\"type\":\"permute\",\"order\":[0,2]}", 2, "/layers/0/order/1");
}

/* A flow of one layer at one point with weights w; returns log_det. */
static double at_point(const char *layer, int dim, const float *w, enum boltz_direction direction,
                       double *point) {
  struct world world = new_layers(layer, dim);
  CHECK_INT(boltz_weights_turn(&world.flow, world.arena, &world.weights), BOLTZ_OK);
  if (w) memcpy(world.weights.flat, w, world.flow.nw * sizeof *w);
  boltz_flow_pack(&world.flow, &world.weights);
  const double log_det = move_point(&world, direction, point);
  boltz_arena_close(world.arena);
  return log_det;
}

static void the_coupling_gives_its_golden_numbers(void) {
  /* scale: 1 -> 1 -> 1 with last bias 0.5; shift: last bias -1 */
  const float w[8] = {0, 0, 0, 0.5f, 0, 0, 0, -1};
  double x[2] = {7, 2};
  const double log_det =
      at_point("{\"type\":\"affine_coupling\",\"fixed\":[0],\"moved\":[1],\"hidden\":[1]}", 2, w,
               BOLTZ_TO_X, x);
  CHECK_NEAR(log_det, 0.46211715726000976, 1e-15); /* tanh 0.5 */
  CHECK(x[0] == 7);
  CHECK_NEAR(x[1], 2 * 1.587431271429835 - 1, 1e-14);
}

static void actnorm_and_permute_give_their_golden_numbers(void) {
  const float w[2] = {0.5f, -1};
  double x[3] = {2, 0, 0};
  CHECK_NEAR(at_point("{\"type\":\"actnorm\"}", 1, w, BOLTZ_TO_X, x), 0.5, 0);
  CHECK_NEAR(x[0], 2.2974425414002564, 1e-15);
  double y[3] = {1, 2, 3};
  CHECK_NEAR(at_point("{\"type\":\"permute\",\"order\":[2,0,1]}", 3, NULL, BOLTZ_TO_X, y), 0, 0);
  CHECK(y[0] == 3 && y[1] == 1 && y[2] == 2);
}

#define INTERVAL(low, high) \
  "{\"type\":\"interval\",\"coordinates\":[0],\"low\":[" low "],\"high\":[" high "]}"

static void interval_gives_its_golden_numbers_and_stays_inside(void) {
  double x[1] = {1};
  CHECK_NEAR(at_point(INTERVAL("0", "4"), 1, NULL, BOLTZ_TO_X, x), -0.032644172084782141, 1e-15);
  CHECK_NEAR(x[0], 3.3653789842741718, 1e-15 * 4);
  for (double z = -60; z <= 60; z += 0.37) {
    x[0] = z;
    at_point(INTERVAL("-1.3", "2.9"), 1, NULL, BOLTZ_TO_X, x);
    CHECK(x[0] >= -1.3 && x[0] <= 2.9);
  }
}

static void interval_keeps_points_near_both_ends(void) {
  for (int k = 0; k < 300; k++) {
    double low[1] = {pow(10, -k)}, high[1] = {1 - pow(10, -k * 0.05)};
    if (k == 0) low[0] = 0.5, high[0] = 0.5;
    const double a = low[0], b = high[0];
    at_point(INTERVAL("0", "1"), 1, NULL, BOLTZ_TO_Z, low);
    at_point(INTERVAL("0", "1"), 1, NULL, BOLTZ_TO_Z, high);
    at_point(INTERVAL("0", "1"), 1, NULL, BOLTZ_TO_X, low);
    at_point(INTERVAL("0", "1"), 1, NULL, BOLTZ_TO_X, high);
    /* a rounding of z is z^2 roundings of a tail: 1400 at 1e-300 */
    CHECK_MSG(fabs(low[0] / a - 1) < 1e-12, "%g", a);
    CHECK_NEAR(high[0], b, 1e-15);
  }
}

static void interval_takes_an_edge_one_ulp_inside_and_nothing_beyond(void) {
  double edge[1] = {4}, inside[1] = {nextafter(4, 0)}, outside[1] = {4.5};
  const double a = at_point(INTERVAL("0", "4"), 1, NULL, BOLTZ_TO_Z, edge);
  const double b = at_point(INTERVAL("0", "4"), 1, NULL, BOLTZ_TO_Z, inside);
  CHECK(edge[0] == inside[0] && a == b && isfinite(a));
  double zero[1] = {0};
  CHECK(isfinite(at_point(INTERVAL("0", "4"), 1, NULL, BOLTZ_TO_Z, zero)));
  CHECK(zero[0] < -30);
  CHECK(isnan(at_point(INTERVAL("0", "4"), 1, NULL, BOLTZ_TO_Z, outside)));
}

static double uniform(uint64_t index) {
  return uniform_at(23, index);
}

static void fitting_makes_latents_of_mean_0_and_variance_1(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_flow flow;
  struct boltz_weights weights;
  struct boltz_batch x;
  double log_det[500];
  CHECK_INT(
      new_flow(arena, "{\"layers\":[{\"type\":\"actnorm\"},{\"type\":\"realnvp\",\"blocks\":1}]}",
               2, &flow),
      BOLTZ_OK);
  CHECK_INT(boltz_weights_new(&flow, arena, &weights), BOLTZ_OK);
  CHECK_INT(boltz_weights_turn(&flow, arena, &weights), BOLTZ_OK);
  boltz_flow_init(&flow, 4, &weights);
  CHECK_INT(boltz_batch_new(arena, 500, 2, &x), BOLTZ_OK);
  for (size_t i = 0; i < x.n; i++) {
    x.col[0][i] = 5 + 3 * uniform(i);
    x.col[1][i] = -100 * uniform(i + 1000);
  }
  CHECK_INT(boltz_flow_fit(&flow, &x, &weights, arena), BOLTZ_OK);
  boltz_flow_transform(&flow, &weights, BOLTZ_TO_Z, &x, log_det, arena);
  for (int j = 0; j < 2; j++) {
    double mean = 0, square = 0;
    for (size_t i = 0; i < x.n; i++) {
      mean += x.col[j][i] / (double)x.n;
      square += x.col[j][i] * x.col[j][i] / (double)x.n;
    }
    CHECK_NEAR(mean, 0, 1e-6); /* the weights are floats */
    CHECK_NEAR(square, 1, 1e-6);
  }
  boltz_arena_close(arena);
}

int main(int argc, char **argv) {
  RUN(settings_that_make_no_layer_are_refused_at_their_place);
  RUN(the_coupling_gives_its_golden_numbers);
  RUN(actnorm_and_permute_give_their_golden_numbers);
  RUN(interval_gives_its_golden_numbers_and_stays_inside);
  RUN(interval_keeps_points_near_both_ends);
  RUN(interval_takes_an_edge_one_ulp_inside_and_nothing_beyond);
  RUN(fitting_makes_latents_of_mean_0_and_variance_1);
  return check_report();
}
