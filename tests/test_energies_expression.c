/* test_energies_expression.c - the energy that is typed in: what it is, and what is refused. */
#include "boltz/checkpoint.h"
#include "boltz/energy.h"
#include "boltz/json.h"
#include "boltz/rng.h"
#include "tests/check.h"

static enum boltz_status energy_of(const char *text, double temperature, struct boltz_arena *arena,
                                   struct boltz_energy *energy) {
  struct boltz_json *json;
  CHECK_MSG(boltz_json_parse(text, strlen(text), 9, arena, &json) == BOLTZ_OK, "%s", text);
  return boltz_energy_parse(json, temperature, arena, energy);
}

static void open_energy(const char *text, double temperature, struct boltz_arena *arena,
                        struct boltz_energy *energy) {
  enum boltz_status status = energy_of(text, temperature, arena, energy);
  CHECK_MSG(status == BOLTZ_OK, "%s: %s %s", text, boltz_error_pointer(), boltz_error());
}

static struct boltz_batch new_batch(struct boltz_arena *arena, size_t n, int dim) {
  struct boltz_batch x;
  CHECK_INT(boltz_batch_new(arena, n, dim, &x), BOLTZ_OK);
  return x;
}

#define WELL \
  "{\"kind\":\"expression\",\"variables\":[\"x\",\"y\"],\"u\":\"%s\",\"parameters\":{\"k\":%g}}"

static void check_double_well(const char *formula, double k, const char *settings,
                              double temperature) {
  enum { N = 700 };
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy typed, core;
  char text[300];
  static double u[N], u_core[N];
  snprintf(text, sizeof text, WELL, formula, k);
  open_energy(text, temperature, arena, &typed);
  snprintf(text, sizeof text, "{\"kind\":\"double_well\"%s}", settings);
  open_energy(text, temperature, arena, &core);
  CHECK_INT(typed.dim, 2);
  struct boltz_batch x = new_batch(arena, N, 2), g = new_batch(arena, N, 2),
                     g_core = new_batch(arena, N, 2);
  boltz_rng_normals(5, BOLTZ_STREAM_TEST, 0, &x);
  for (int i = 0; i < N; i++) x.col[0][i] *= 2;
  boltz_energy_eval(&typed, temperature, &x, u, &g, arena);
  boltz_energy_eval(&core, temperature, &x, u_core, &g_core, arena);
  for (int i = 0; i < N; i++) {
    /* eps times what is added up */
    const double a = fabs(x.col[0][i]), b = fabs(x.col[1][i]), T = temperature;
    const double most = (4 * pow(a, 4) + 8 * a * a + a + 2 * b * b + 2 * k * k) / T;
    const double slope = (16 * pow(a, 3) + 16 * a + 1) / T;
    CHECK_NEAR(u[i], u_core[i], 4e-16 * most);
    CHECK_NEAR(g.col[0][i], g_core.col[0][i], 4e-16 * slope);
    CHECK_NEAR(g.col[1][i], g_core.col[1][i], 4e-16 * 4 * b / T);
  }
  boltz_arena_close(arena);
}

static void a_double_well_typed_in_is_the_double_well(void) {
  check_double_well("x^4 - 6*x^2 + x + k*y^2/2", 1, "", 1);
  check_double_well("x^4 - 6*x^2 + x + k*y^2/2", 1, "", 0.7);
  check_double_well("k*x^4 - 6*x*x - -x + (y/2)*y", 1.25, ",\"a\":1.25", 1);
  check_double_well("((x^2 - 6)*x + 1)*x + k*y^2/2", 3.5, ",\"d\":3.5", 2);
  check_double_well("(x^2 - k)^2 - k^2 + x + 0.5*y^2", 3, "", 1);
}

/* ln of the integral of exp(-u) over [-6, 6], Simpson. */
static double log_integral(const struct boltz_energy *energy, double temperature,
                           struct boltz_arena *arena) {
  enum { N = 4001 };
  static double u[N];
  struct boltz_batch x = new_batch(arena, N, 1);
  double least = INFINITY, sum = 0;
  for (int i = 0; i < N; i++) x.col[0][i] = -6 + 12.0 * i / (N - 1);
  boltz_energy_eval(energy, temperature, &x, u, NULL, arena);
  for (int i = 0; i < N; i++) least = fmin(least, u[i]);
  for (int i = 0; i < N; i++) sum += (i == 0 || i == N - 1 ? 1 : i % 2 ? 4 : 2) * exp(least - u[i]);
  return log(sum * 12 / (N - 1) / 3) - least;
}

static void a_quartic_typed_in_has_its_log_z(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy;
  open_energy("{\"kind\":\"expression\",\"variables\":[\"x\"],\"u\":\"x^4 - 6*x^2 + x\"}", 1, arena,
              &energy);
  CHECK_NEAR(log_integral(&energy, 1, arena), 10.101528696983, 1e-11); /* as printed */
  open_energy("{\"kind\":\"expression\",\"variables\":[\"q\"],\"u\":\"q^4 - q^2 + q\"}", 1, arena,
              &energy);
  CHECK_NEAR(log_integral(&energy, 1, arena) + 0.5 * log(2 * acos(-1)), 2.183577848, 1e-9);
  boltz_arena_close(arena);
}

static void coordinates_live_where_the_domain_says(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy;
  open_energy(
      "{\"kind\":\"expression\",\"variables\":[\"r\",\"a\",\"b\"],\"u\":\"r + cos(a) + b^2\","
      "\"domain\":{\"a\":{\"low\":-1,\"high\":4,\"periodic\":true},\"r\":{\"low\":0,\"high\":2}}}",
      1, arena, &energy);
  CHECK_INT(energy.domain[0].type, BOLTZ_INTERVAL);
  CHECK(energy.domain[0].low == 0 && energy.domain[0].high == 2);
  CHECK_INT(energy.domain[1].type, BOLTZ_PERIODIC);
  CHECK(energy.domain[1].low == -1 && energy.domain[1].high == 4);
  CHECK_INT(energy.domain[2].type, BOLTZ_REAL);
  struct boltz_batch x = new_batch(arena, 3, 3), g = new_batch(arena, 3, 3);
  const double rows[] = {1, 3.5, 2, 2.5, 0, 0, 1, 8.5, 2};
  double u[3];
  boltz_batch_from_rows(&x, rows);
  boltz_energy_eval(&energy, 1, &x, u, &g, arena);
  CHECK_NEAR(u[0], 1 + cos(3.5) + 4, 1e-15);
  CHECK(u[1] == INFINITY && g.col[0][1] == 0);
  CHECK(u[2] == u[0] && g.col[1][2] == g.col[1][0]);
  boltz_arena_close(arena);
}

static void what_is_not_a_number_is_infinite(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy;
  open_energy(
      "{\"kind\":\"expression\",\"variables\":[\"x\",\"y\"],\"u\":\"x - log(x) + exp(y^2)\"}", 1,
      arena, &energy);
  struct boltz_batch x = new_batch(arena, 4, 2), g = new_batch(arena, 4, 2);
  const double rows[] = {2, 0, -1, 0, 0, 0, 1, 40};
  double u[4], alone[4];
  boltz_batch_from_rows(&x, rows);
  boltz_energy_eval(&energy, 1, &x, u, &g, arena);
  boltz_energy_eval(&energy, 1, &x, alone, NULL, arena);
  CHECK_NEAR(u[0], 3 - log(2), 1e-15);
  CHECK_NEAR(g.col[0][0], 0.5, 1e-15);
  for (int i = 1; i < 4; i++) { /* log of what is below 0, of 0, and an overflow */
    CHECK(u[i] == INFINITY && alone[i] == INFINITY);
    CHECK(g.col[0][i] == 0 && g.col[1][i] == 0);
    CHECK(boltz_energy_inside(&energy, &x, (size_t)i));
  }
  boltz_arena_close(arena);
}

static void exhausted_scratch_is_not_taken_for_an_infinite_energy(void) {
  struct boltz_arena *arena = boltz_arena_open(0), *small = boltz_arena_open(64);
  struct boltz_energy energy;
  open_energy("{\"kind\":\"expression\",\"variables\":[\"x\"],\"u\":\"x^2 + exp(x)\"}", 1, arena,
              &energy);
  struct boltz_batch x = new_batch(arena, 2, 1), g = new_batch(arena, 2, 1);
  double u[2];
  boltz_energy_eval(&energy, 1, &x, u, &g, small);
  CHECK(isnan(u[0]) && isnan(u[1]) && g.col[0][0] == 0);
  CHECK(boltz_arena_exhausted(small));
  boltz_arena_close(small);
  boltz_arena_close(arena);
}

static void wrong_settings_are_refused_where_they_are_wrong(void) {
  static const struct {
    const char *settings;
    enum boltz_status status;
    const char *pointer, *says;
  } cases[] = {
      {"\"u\":\"x\"", BOLTZ_MISSING_MEMBER, "/variables", "missing"},
      {"\"variables\":[\"x\"]", BOLTZ_MISSING_MEMBER, "/u", "missing"},
      {"\"variables\":\"x\",\"u\":\"x\"", BOLTZ_WRONG_TYPE, "/variables", "list of names"},
      {"\"variables\":[],\"u\":\"1\"", BOLTZ_OUT_OF_RANGE, "/variables", "0 names"},
      {"\"variables\":[1,2],\"u\":\"1\"", BOLTZ_WRONG_TYPE, "/variables/0", "list of names"},
      {"\"variables\":[\"x\",2],\"u\":\"x\"", BOLTZ_WRONG_TYPE, "/variables/1", "list of names"},
      {"\"variables\":[\"x\",\"2y\"],\"u\":\"x\"", BOLTZ_OUT_OF_RANGE, "/variables/1",
       "not a name"},
      {"\"variables\":[\"x\",\"exp\"],\"u\":\"x\"", BOLTZ_OUT_OF_RANGE, "/variables/1", "function"},
      {"\"variables\":[\"pi\"],\"u\":\"1\"", BOLTZ_OUT_OF_RANGE, "/variables/0", "pi"},
      {"\"variables\":[\"x\",\"y\",\"x\"],\"u\":\"x\"", BOLTZ_OUT_OF_RANGE, "/variables/2",
       "x twice"},
      {"\"variables\":[\"x0\",\"x1\"],\"u\":\"x1\"", BOLTZ_OUT_OF_RANGE, "/variables/1",
       "variable 2 is the coordinate x2 and cannot be called x1"},
      {"\"variables\":[\"x\"],\"u\":3", BOLTZ_WRONG_TYPE, "/u", "string"},
      {"\"variables\":[\"x\"],\"u\":\"x +* 2\"", BOLTZ_OUT_OF_RANGE, "/u",
       "u: expected a number, a name or '(' at character 4, found '*'"},
      {"\"variables\":[\"x\",\"q\"],\"u\":\"x + y\",\"parameters\":{\"k\":1}", BOLTZ_UNKNOWN_NAME,
       "/u", "u: \"y\" at character 5 is unknown; known: x, q, k, pi and the functions exp"},
      {"\"variables\":[\"x\"],\"u\":\"x^2\",\"parameters\":[1]", BOLTZ_WRONG_TYPE, "/parameters",
       "object of numbers"},
      {"\"variables\":[\"x\"],\"u\":\"x^2\",\"parameters\":{\"k\":\"1\"}", BOLTZ_WRONG_TYPE,
       "/parameters/k", "number"},
      {"\"variables\":[\"x\"],\"u\":\"x^2\",\"parameters\":{\"k\":1e999}", BOLTZ_OUT_OF_RANGE,
       "/parameters/k", "too large"},
      {"\"variables\":[\"x\"],\"u\":\"x^2\",\"parameters\":{\"x\":1}", BOLTZ_OUT_OF_RANGE,
       "/parameters/x", "variable"},
      {"\"variables\":[\"x\"],\"u\":\"x^2\",\"parameters\":{\"a/b\":1}", BOLTZ_OUT_OF_RANGE,
       "/parameters/a~1b", "not a name"},
      {"\"variables\":[\"x\"],\"u\":\"x^2\",\"domain\":[0,1]", BOLTZ_WRONG_TYPE, "/domain",
       "object"},
      {"\"variables\":[\"x\"],\"u\":\"x^2\",\"domain\":{\"y\":{\"low\":0,\"high\":1}}",
       BOLTZ_UNKNOWN_NAME, "/domain/y", "none of the variables"},
      {"\"variables\":[\"x\"],\"u\":\"x^2\",\"domain\":{\"x\":[0,1]}", BOLTZ_WRONG_TYPE,
       "/domain/x", "object"},
      {"\"variables\":[\"x\"],\"u\":\"x^2\",\"domain\":{\"x\":{\"low\":0}}", BOLTZ_MISSING_MEMBER,
       "/domain/x/high", "missing"},
      {"\"variables\":[\"x\"],\"u\":\"x^2\",\"domain\":{\"x\":{\"low\":0,\"high\":\"1\"}}",
       BOLTZ_WRONG_TYPE, "/domain/x/high", "number"},
      {"\"variables\":[\"x\"],\"u\":\"x^2\",\"domain\":{\"x\":{\"low\":2,\"high\":2}}",
       BOLTZ_OUT_OF_RANGE, "/domain/x/high", "above"},
      {"\"variables\":[\"x\"],\"u\":\"x^2\",\"domain\":{\"x\":{\"low\":-1e308,\"high\":1e308}}",
       BOLTZ_OUT_OF_RANGE, "/domain/x/high", "finite"},
      {"\"variables\":[\"x\"],\"u\":\"x^2\",\"domain\":{\"x\":{\"low\":0,\"high\":1,\"wide\":1}}",
       BOLTZ_UNKNOWN_MEMBER, "/domain/x/wide", "wide"},
      {"\"variables\":[\"x\"],\"u\":\"sqrt(-1 - x^2)\"", BOLTZ_OUT_OF_RANGE, "/u",
       "not finite at any"},
      {"\"variables\":[\"x\"],\"u\":\"log(x)\",\"domain\":{\"x\":{\"low\":-2,\"high\":-1}}",
       BOLTZ_OUT_OF_RANGE, "/u", "not finite at any"},
      {"\"variables\":[\"x\"],\"u\":\"x^2 + 1/0\"", BOLTZ_OUT_OF_RANGE, "/u", "not finite at any"},
  };
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    struct boltz_energy energy;
    char text[400];
    snprintf(text, sizeof text, "{\"kind\":\"expression\",%s}", cases[k].settings);
    enum boltz_status status = energy_of(text, 1, arena, &energy);
    CHECK_MSG(status == cases[k].status, "%s gave %s", text, boltz_status_name(status));
    CHECK_TEXT(boltz_error_pointer(), cases[k].pointer);
    CHECK_MSG(strstr(boltz_error(), cases[k].says), "%s: %s", text, boltz_error());
    boltz_arena_close(arena);
  }
}

/* What is defined in a corner alone is no energy that is refused. */
static void an_energy_that_is_finite_somewhere_is_taken(void) {
  static const char *const settings[] = {
      "\"variables\":[\"x\",\"y\",\"z\"],\"u\":\"log(x) + log(y) + log(z) + x + y + z\"",
      "\"variables\":[\"x\"],\"u\":\"sqrt(x - 50)\"",
      "\"variables\":[\"x\"],\"u\":\"sqrt(0.01 - x^2)\"",
      "\"variables\":[\"x\",\"y\"],\"u\":\"x^2 + y^2\",\"parameters\":{},\"domain\":{}",
      "\"variables\":[\"x\"],\"u\":\"0\",\"domain\":{\"x\":{\"low\":0,\"high\":1}}"};
  for (size_t k = 0; k < sizeof settings / sizeof *settings; k++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    struct boltz_energy energy;
    char text[300];
    snprintf(text, sizeof text, "{\"kind\":\"expression\",%s}", settings[k]);
    open_energy(text, 1, arena, &energy);
    boltz_arena_close(arena);
  }
}

/* As a checkpoint keeps it. */
static void an_energy_reads_back_as_it_was_printed(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy, again;
  struct boltz_text text = {0}, second = {0};
  const char *settings = boltz_energy_kind_find("expression")->example;
  char whole[400];
  snprintf(whole, sizeof whole, "{\"kind\":\"expression\",%s", settings + 1);
  open_energy(whole, 1, arena, &energy);
  boltz_energy_print(&energy, arena, &text);
  open_energy(text.data, 1, arena, &again);
  boltz_energy_print(&again, arena, &second);
  CHECK_TEXT(second.data, text.data);
  CHECK_INT(again.dim, 2);
  CHECK(again.domain[1].high == 6.28 && again.domain[1].type == BOLTZ_PERIODIC);
  boltz_text_free(&text);
  boltz_text_free(&second);
  boltz_arena_close(arena);
}

int main(int argc, char **argv) {
  RUN(a_double_well_typed_in_is_the_double_well);
  RUN(a_quartic_typed_in_has_its_log_z);
  RUN(coordinates_live_where_the_domain_says);
  RUN(what_is_not_a_number_is_infinite);
  RUN(exhausted_scratch_is_not_taken_for_an_infinite_energy);
  RUN(wrong_settings_are_refused_where_they_are_wrong);
  RUN(an_energy_that_is_finite_somewhere_is_taken);
  RUN(an_energy_reads_back_as_it_was_printed);
  return check_report();
}
