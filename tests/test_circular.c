/* test_circular.c - periodic coordinates: the base that has them, the layers that keep them, and
 * what is refused. */
#include "boltz/flow.h"
#include "check.h"

#define BASE(lists) "{\"type\":\"circular\"," lists "}"
#define TORUS BASE("\"coordinates\":[2,0],\"low\":[-1,0],\"high\":[3,5]")
#define SPLINE(lists) "{\"type\":\"spline_coupling\",\"hidden\":[4]," lists "}"

static enum boltz_status parse(struct boltz_arena *arena, const char *base, const char *layers,
                               int dim, struct boltz_flow_spec *spec) {
  char text[1024];
  struct boltz_json *root;
  snprintf(text, sizeof text, "{\"base\":%s,\"layers\":[%s]}", base, layers);
  CHECK_INT(boltz_json_parse(text, strlen(text), 8, arena, &root), BOLTZ_OK);
  return boltz_flow_spec_parse(root, dim, arena, spec);
}

/* Latents n of the base; the batch is [n, dim]. */
static struct boltz_base base(struct boltz_arena *arena, const char *text, int dim, size_t n,
                              struct boltz_batch *z) {
  struct boltz_flow_spec spec = {0};
  struct boltz_flow flow = {0};
  CHECK_INT(parse(arena, text, "{\"type\":\"permute\",\"order\":[1,0,2]}", dim, &spec), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(arena, n, dim, z), BOLTZ_OK);
  CHECK_INT(boltz_flow_new(&spec, dim, arena, &flow), BOLTZ_OK);
  boltz_base_sample(&flow.base, NULL, 4, BOLTZ_STREAM_TEST, 0, z, arena);
  return flow.base;
}

static void the_base_has_its_golden_numbers(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_batch z, g;
  double log_p[2];
  const struct boltz_base torus = base(arena, TORUS, 3, 2, &z);
  CHECK_INT(boltz_batch_new(arena, 2, 3, &g), BOLTZ_OK);
  z.col[0][0] = 4.5, z.col[1][0] = -1.5, z.col[2][0] = 2;
  boltz_base_log_density(&torus, NULL, &z, log_p, &g, arena);
  /* -1.5^2/2 - ln(2 pi)/2 - ln 5 - ln 4 */
  CHECK_NEAR(log_p[0], -1.125 - 0.918938533204672742 - log(20), 1e-15 * 8);
  CHECK(g.col[0][0] == 0 && g.col[1][0] == 1.5 && g.col[2][0] == 0);
  CHECK_NEAR(boltz_base_entropy(&torus, NULL), 1.418938533204672742 + log(20), 1e-15 * 8);
  boltz_arena_close(arena);
}

static void its_periodic_latents_are_uniform_and_the_others_those_of_the_normal(void) {
  enum { n = 40000 };
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_batch z, normal, part;
  const struct boltz_base torus = base(arena, TORUS, 3, n, &z);
  CHECK_INT(boltz_batch_new(arena, n, 3, &normal), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(arena, 9, 3, &part), BOLTZ_OK);
  boltz_rng_normals(4, BOLTZ_STREAM_TEST, 0, &normal);
  CHECK(memcmp(z.col[1], normal.col[1], n * sizeof(double)) == 0);
  double mean[3] = {0}, square[3] = {0}, cross[3] = {0}, spread[3] = {0};
  for (size_t i = 0; i < n; i++) {
    CHECK(z.col[0][i] >= 0 && z.col[0][i] < 5 && z.col[2][i] >= -1 && z.col[2][i] < 3);
    const double u[3] = {(z.col[0][i] - 2.5) / 5, z.col[1][i], (z.col[2][i] - 1) / 4};
    for (int j = 0; j < 3; j++) {
      mean[j] += u[j] / n;
      square[j] += u[j] * u[j] / n;
      cross[j] += u[j] * u[(j + 1) % 3] / n;
      spread[j] += u[j] * (u[1] * u[1] - 1) / n; /* of a uniform, with the normal's size */
    }
  }
  for (int j = 0; j < 3; j++) {
    CHECK_NEAR(mean[j], 0, 5 / sqrt(n)); /* five standard errors and more */
    CHECK_NEAR(square[j], j == 1 ? 1 : 1.0 / 12,
               5 * (j == 1 ? sqrt(2) : sqrt(1.0 / 180)) / sqrt(n));
    CHECK_NEAR(cross[j], 0, 5 / sqrt(12.0 * n));
    if (j != 1) CHECK_NEAR(spread[j], 0, 5 / sqrt(6.0 * n));
  }
  boltz_base_sample(&torus, NULL, 4, BOLTZ_STREAM_TEST, 777, &part, arena);
  for (int j = 0; j < 3; j++) CHECK(memcmp(part.col[j], z.col[j] + 777, 9 * sizeof(double)) == 0);
  boltz_arena_close(arena);
}

static void domains_follow_the_base_through_the_layers(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_flow_spec spec;
  struct boltz_flow flow;
  CHECK_INT(parse(arena, TORUS,
                  "{\"type\":\"permute\",\"order\":[1,2,0]},"
                  "{\"type\":\"circular_shift\",\"coordinates\":[1]}," SPLINE(
                      "\"fixed\":[1],\"moved\":[2,0]") "," SPLINE("\"fixed\":[0,2],\"moved\":[1]"),
                  3, &spec),
            BOLTZ_OK);
  CHECK_INT(boltz_flow_new(&spec, 3, arena, &flow), BOLTZ_OK);
  const struct boltz_domain *const ends[] = {spec.domain, flow.domain};
  for (int k = 0; k < 2; k++) {
    CHECK(ends[k][0].type == BOLTZ_REAL);
    CHECK(ends[k][1].type == BOLTZ_PERIODIC && ends[k][1].low == -1 && ends[k][1].high == 3);
    CHECK(ends[k][2].type == BOLTZ_PERIODIC && ends[k][2].low == 0 && ends[k][2].high == 5);
  }
  /* one fixed period: two inputs; a period has 24 parameters, a line 23 */
  struct boltz_tensor tensor;
  CHECK(boltz_flow_tensor(&flow, 0, &tensor));
  CHECK_TEXT(tensor.name, "layers.1.shift");
  CHECK(boltz_flow_tensor(&flow, 1, &tensor));
  CHECK_TEXT(tensor.name, "layers.2.spline.0.weight");
  CHECK_INT(tensor.shape[1], 2);
  CHECK(boltz_flow_tensor(&flow, 3, &tensor));
  CHECK_INT(tensor.shape[0], 24 + 23);
  CHECK(boltz_flow_tensor(&flow, 5, &tensor));
  CHECK_TEXT(tensor.name, "layers.3.spline.0.weight");
  CHECK_INT(tensor.shape[1], 3);
  boltz_arena_close(arena);
}

static void the_base_prints_as_it_was_read(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_flow_spec spec;
  struct boltz_text out = {0};
  static const char shift[] = "{\"type\":\"circular_shift\",\"coordinates\":[0]}";
  CHECK_INT(parse(arena, TORUS, shift, 3, &spec), BOLTZ_OK);
  boltz_flow_spec_print(&spec, arena, &out);
  CHECK(strncmp(out.data, "{\"base\":" TORUS, strlen("{\"base\":" TORUS)) == 0);
  CHECK(strstr(out.data, shift) != NULL);
  boltz_text_free(&out);
  boltz_arena_close(arena);
}

static void a_shift_turns_and_comes_back(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_flow_spec spec;
  struct boltz_flow flow;
  struct boltz_weights weights;
  struct boltz_batch x;
  double log_det[4];
  CHECK_INT(parse(arena, BASE("\"coordinates\":[0],\"low\":[-1],\"high\":[3]"),
                  "{\"type\":\"circular_shift\",\"coordinates\":[0]}", 1, &spec),
            BOLTZ_OK);
  CHECK_INT(boltz_flow_new(&spec, 1, arena, &flow), BOLTZ_OK);
  CHECK_INT(boltz_weights_new(&flow, arena, &weights), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(arena, 4, 1, &x), BOLTZ_OK);
  static const double z[4] = {2.75, 1, -1, 10.25}, moved[4] = {-0.75, 1.5, -0.5, 2.75};
  weights.flat[0] = 0.5;
  memcpy(x.col[0], z, sizeof z);
  boltz_flow_transform(&flow, &weights, BOLTZ_TO_X, &x, log_det, arena);
  for (int i = 0; i < 4; i++) CHECK(x.col[0][i] == moved[i] && log_det[i] == 0);
  boltz_flow_transform(&flow, &weights, BOLTZ_TO_Z, &x, log_det, arena);
  for (int i = 0; i < 3; i++) CHECK(x.col[0][i] == z[i]);
  CHECK(x.col[0][3] == 2.25); /* less two periods */
  boltz_arena_close(arena);
}

static void refuse(const char *base, const char *layers, int dim, enum boltz_status status,
                   const char *pointer, const char *piece) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_flow_spec spec;
  const enum boltz_status found = parse(arena, base, layers, dim, &spec);
  CHECK_MSG(found == status, "%s, %s: %s", base, layers, boltz_status_name(found));
  if (found == status) CHECK_TEXT(boltz_error_pointer(), pointer);
  if (found == status)
    CHECK_MSG(strstr(boltz_error(), piece) != NULL, "\"%s\" lacks \"%s\"", boltz_error(), piece);
  boltz_arena_close(arena);
}

static void a_base_that_makes_no_periods_is_refused_at_its_place(void) {
  static const char layer[] = SPLINE("\"fixed\":[0],\"moved\":[1]");
  refuse("\"circular\"", layer, 2, BOLTZ_MISSING_MEMBER, "/base/coordinates", "coordinates");
  refuse(BASE("\"coordinates\":[2],\"low\":[0],\"high\":[1]"), layer, 2, BOLTZ_OUT_OF_RANGE,
         "/base/coordinates/0", "[0, 1]");
  refuse(BASE("\"coordinates\":[0,0],\"low\":[0,0],\"high\":[1,1]"), layer, 2, BOLTZ_OUT_OF_RANGE,
         "/base/coordinates/1", "twice");
  refuse(BASE("\"coordinates\":[0],\"low\":[0,1],\"high\":[1]"), layer, 2, BOLTZ_OUT_OF_RANGE,
         "/base/low", "2 low");
  refuse(BASE("\"coordinates\":[0],\"low\":[1],\"high\":[1]"), layer, 2, BOLTZ_OUT_OF_RANGE,
         "/base/high/0", "above");
}

static void layers_that_would_tear_a_period_are_refused(void) {
#define LAYER(type, rest) "{\"type\":\"" type "\"" rest "}"
  static const char *const torn[] = {
      LAYER("affine_coupling", ",\"fixed\":[1],\"moved\":[2],\"hidden\":[4]"),
      LAYER("realnvp", ""),
      LAYER("additive_coupling", ",\"fixed\":[1],\"moved\":[2],\"hidden\":[4]"),
      LAYER("actnorm", ""),
      LAYER("whitening", ""),
      LAYER("linear", ",\"coordinates\":[2]"),
      LAYER("mean_free", ",\"space\":1"),
      LAYER("interval", ",\"coordinates\":[0],\"low\":[0],\"high\":[5]"),
  };
  for (size_t k = 0; k < sizeof torn / sizeof *torn; k++)
    refuse(TORUS, torn[k], 3, BOLTZ_OUT_OF_RANGE, "/layers/0", "spline_coupling");
  /* after a permutation it is another coordinate that is periodic */
  refuse(TORUS,
         "{\"type\":\"permute\",\"order\":[1,0,2]}," LAYER(
             "affine_coupling", ",\"fixed\":[0],\"moved\":[1],\"hidden\":[4]"),
         3, BOLTZ_OUT_OF_RANGE, "/layers/1", "x2");
  refuse(TORUS, LAYER("circular_shift", ",\"coordinates\":[1]"), 3, BOLTZ_OUT_OF_RANGE, "/layers/0",
         "x2 is not periodic");
  refuse("\"normal\"", LAYER("circular_shift", ",\"coordinates\":[1]"), 3, BOLTZ_OUT_OF_RANGE,
         "/layers/0", "circular");
}

#define PERIODIC(l, h) \
  { .type = BOLTZ_PERIODIC, .low = (l), .high = (h) }

/* What completion says of a flow on coordinates of these domains; "" if it has nothing to say. */
static const char *complete(struct boltz_arena *arena, const char *base, const char *layer,
                            const struct boltz_domain domain[3], int *nlayers) {
  struct boltz_flow_spec spec;
  const struct boltz_energy energy = {.temperature = 1, .dim = 3, .domain = domain};
  CHECK_INT(parse(arena, base, layer, 3, &spec), BOLTZ_OK);
  const enum boltz_status status = boltz_flow_spec_complete(&spec, &energy, arena);
  *nlayers = spec.nlayers;
  return status == BOLTZ_OK ? "" : boltz_error();
}

static void a_flow_for_a_periodic_energy_starts_from_periods_or_says_so(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  static const char layer[] = SPLINE("\"fixed\":[0],\"moved\":[1,2]");
  static const struct boltz_domain torus[] = {PERIODIC(0, 5), {BOLTZ_REAL}, PERIODIC(-1, 3)},
                                   half[] = {PERIODIC(0, 5),
                                             {BOLTZ_INTERVAL, 0, 1},
                                             PERIODIC(-1, 3)},
                                   longer[] = {PERIODIC(0, 6), {BOLTZ_REAL}, PERIODIC(-1, 3)},
                                   straight[] = {
                                       PERIODIC(0, 5), {BOLTZ_REAL}, {BOLTZ_INTERVAL, -1, 3}};
  int n;
  CHECK_TEXT(complete(arena, TORUS, layer, torus, &n), "");
  CHECK_INT(n, 1);
  CHECK_TEXT(complete(arena, TORUS, layer, half, &n), "");
  CHECK_INT(n, 2); /* an interval layer for the one that is real */
  const char *said = complete(arena, "\"normal\"", layer, torus, &n);
  CHECK_MSG(strstr(said, "circular") && strstr(said, "x1") && strstr(said, "[0, 5]"), "%s", said);
  CHECK_TEXT(boltz_error_pointer(), "/base");
  said = complete(arena, TORUS, layer, longer, &n);
  CHECK_MSG(strstr(said, "[0, 5]") && strstr(said, "[0, 6]"), "%s", said);
  said = complete(arena, TORUS, layer, straight, &n);
  CHECK_MSG(strstr(said, "x3 periodic on [-1, 3]") && strstr(said, "in [-1, 3]"), "%s", said);
  boltz_arena_close(arena);
}

int main(int argc, char **argv) {
  RUN(the_base_has_its_golden_numbers);
  RUN(its_periodic_latents_are_uniform_and_the_others_those_of_the_normal);
  RUN(domains_follow_the_base_through_the_layers);
  RUN(the_base_prints_as_it_was_read);
  RUN(a_shift_turns_and_comes_back);
  RUN(a_base_that_makes_no_periods_is_refused_at_its_place);
  RUN(layers_that_would_tear_a_period_are_refused);
  RUN(a_flow_for_a_periodic_energy_starts_from_periods_or_says_so);
  return check_report();
}
