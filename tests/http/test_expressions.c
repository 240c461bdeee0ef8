/* test_expressions.c - formulas over HTTP: an energy that is typed in, and what is measured of it.
 */
#include "tests/check.h"
#include "tests/http/client.h"

static const char typed[] =
    "{\"name\":\"typed\",\"energy\":{\"kind\":\"expression\",\"variables\":[\"x\",\"y\"],"
    "\"u\":\"x^4 - 6*x^2 + x + k*y^2/2\",\"parameters\":{\"k\":1}}}";

/* Number `i` of a member that is a list; NaN when it is not there, or no number. */
static double item(const struct answer *answer, const char *path, size_t i) {
  const struct boltz_json *list = answer_member(answer, path);
  if (!list || i >= list->n) return NAN;
  if (list->numbers) return list->numbers[i];
  const struct boltz_json *node = list->child;
  while (i-- > 0) node = node->next;
  return node->type == BOLTZ_JSON_NUMBER ? node->number : NAN;
}

static void a_double_well_typed_in_has_the_energies_of_the_double_well(void) {
  static const char points[] =
      "{\"x\":[[-1.772303,0],[0.083528,0.5],[1.688776,-2],[1,1],[-0.3,7]],\"gradient\":true,"
      "\"temperature\":2}";
  struct daemon daemon;
  daemon_begin(&daemon);
  struct answer made = call(&daemon, "POST", "/v1/models", typed);
  CHECK_INT(made.status, 201);
  struct answer mine = call(&daemon, "POST", "/v1/models/typed/energy", points);
  struct answer core = call(&daemon, "POST", "/v1/models/example-double-well/energy", points);
  CHECK_INT(mine.status, 200);
  CHECK_NEAR(item(&mine, "energy", 3), (1 - 6 + 1 + 0.5) / 2, 1e-15);
  for (size_t i = 0; i < 5; i++) {
    char path[20];
    snprintf(path, sizeof path, "gradient.%zu", i);
    CHECK_NEAR(item(&mine, "energy", i), item(&core, "energy", i), 3e-14); /* rounding of 25 */
    for (size_t j = 0; j < 2; j++) CHECK_NEAR(item(&mine, path, j), item(&core, path, j), 3e-14);
  }
  struct answer shown = call(&daemon, "GET", "/v1/models/typed", NULL);
  CHECK_TEXT(answer_text(&shown, "energy.u"), "x^4 - 6*x^2 + x + k*y^2/2");
  CHECK_INT(answer_number(&shown, "energy.parameters.k"), 1);
  answer_free(&made);
  answer_free(&mine);
  answer_free(&core);
  answer_free(&shown);
  daemon_end(&daemon);
}

static void check_average(const struct answer *estimate, int k, const char *of, double exact) {
  char path[40];
  snprintf(path, sizeof path, "averages.%d.stderr", k);
  const double error = answer_number(estimate, path);
  CHECK_MSG(error > 0 && error < 0.05, "%s: %g", of, error);
  snprintf(path, sizeof path, "averages.%d.value", k);
  CHECK_NEAR(answer_number(estimate, path), exact, 4 * error);
  snprintf(path, sizeof path, "averages.%d.of", k);
  CHECK_TEXT(answer_text(estimate, path), of);
}

static void expressions_are_estimated_as_coordinates_are(void) {
  struct daemon daemon;
  daemon_begin(&daemon);
  struct answer estimate = call(
      &daemon, "POST", "/v1/models/example-double-well/estimate",
      "{\"n\":20000,\"seed\":1,\"averages\":[\"x1^2\",\"x1*x2\",\"energy\",\"energy - x2^2/2\","
      "\"+x1\",\"x1\",\"max(0, x2)\"],\"differences\":[{\"coordinate\":\"-x1\",\"a\":[0,"
      "\"Infinity\"],\"b\":[\"-Infinity\",0]}],\"profiles\":[{\"coordinate\":\"-2*x1\","
      "\"low\":3.4,\"high\":3.6,\"bins\":1}]}");
  CHECK_INT(estimate.status, 200);
  check_average(&estimate, 0, "x1^2", 3.048708094);
  check_average(&estimate, 1, "x1*x2", 0); /* independent, and <x2> = 0 */
  check_average(&estimate, 2, "energy", -10.115144061 + 0.5);
  check_average(&estimate, 3, "energy - x2^2/2", -10.115144061);
  check_average(&estimate, 5, "x1", -1.625359705);
  check_average(&estimate, 6, "max(0, x2)", 0.3989422804014327); /* 1/sqrt(2 pi) */
  CHECK(answer_number(&estimate, "averages.4.value") ==
        answer_number(&estimate, "averages.5.value"));
  /* -x1 above 0 is the left well */
  CHECK_NEAR(answer_number(&estimate, "differences.0.value"), 3.379901071,
             4 * answer_number(&estimate, "differences.0.stderr"));
  /* the bin [-1.8, -1.7] of x1, twice as wide */
  CHECK_NEAR(item(&estimate, "profiles.0.free_energy", 0), -0.634420 + log(2),
             4 * item(&estimate, "profiles.0.stderr", 0));
  answer_free(&estimate);

  /* What is not a number in a sample that counts is not a number in the mean. */
  struct answer poisoned = call(&daemon, "POST", "/v1/models/example-double-well/estimate",
                                "{\"n\":2000,\"seed\":1,\"averages\":[\"sqrt(x1)\",\"x1\"]}");
  CHECK_INT(poisoned.status, 200);
  CHECK(answer_member(&poisoned, "averages.0.value") &&
        answer_member(&poisoned, "averages.0.value")->type == BOLTZ_JSON_NULL);
  CHECK(isfinite(answer_number(&poisoned, "averages.1.value")));
  answer_free(&poisoned);
  daemon_end(&daemon);
}

static void check_refused(const struct daemon *daemon, const char *path, const char *body,
                          const char *reason, const char *pointer, const char *says) {
  struct answer answer = call(daemon, "POST", path, body);
  CHECK_MSG(answer.status == 422, "%s gave %ld", body, answer.status);
  CHECK_TEXT(answer_text(&answer, "reason"), reason);
  CHECK_TEXT(answer_text(&answer, "errors.0.pointer"), pointer);
  CHECK_MSG(strstr(answer.body, says), "%s", answer.body);
  answer_free(&answer);
}

static void wrong_expressions_are_refused_with_their_character(void) {
  static const char estimate[] = "/v1/models/example-double-well/estimate";
  static const struct {
    const char *path, *body, *reason, *pointer, *says;
  } cases[] = {
      {"/v1/models",
       "{\"name\":\"m\",\"energy\":{\"kind\":\"expression\",\"variables\":[\"x\"],\"u\":\"x**2\"}}",
       "OUT_OF_RANGE", "/energy/u",
       "u: expected a number, a name or '(' at character 3, found '*'"},
      {"/v1/models",
       "{\"name\":\"m\",\"energy\":{\"kind\":\"expression\",\"variables\":[\"x\"],\"u\":\"x+y\"}}",
       "UNKNOWN_NAME", "/energy/u", "at character 3 is unknown; known: x, pi"},
      {"/v1/models",
       "{\"name\":\"m\",\"energy\":{\"kind\":\"expression\",\"variables\":[\"x\",\"sin\"],"
       "\"u\":\"x^2\"}}",
       "OUT_OF_RANGE", "/energy/variables/1", "is the name of a function"},
      {"/v1/models",
       "{\"name\":\"m\",\"energy\":{\"kind\":\"expression\",\"variables\":[\"x\"],\"u\":\"x^2\","
       "\"domain\":{\"x\":{\"low\":1,\"high\":0}}}}",
       "OUT_OF_RANGE", "/energy/domain/x/high", "not above low"},
      {"/v1/models",
       "{\"name\":\"m\",\"energy\":{\"kind\":\"expression\",\"variables\":[\"x\"],"
       "\"u\":\"log(-x^2)\"}}",
       "OUT_OF_RANGE", "/energy/u", "not finite at any of 1024 points"},
      {estimate, "{\"n\":10,\"averages\":[\"x1\",\"x1 +\"]}", "OUT_OF_RANGE", "/averages/1",
       "expected a number, a name or '(' at character 5, found the end"},
      {estimate, "{\"n\":10,\"averages\":[\"x1*x3\"]}", "UNKNOWN_NAME", "/averages/0",
       "at character 4 is unknown; known: x1, x2, energy, pi"},
      {estimate, "{\"n\":10,\"averages\":[\"\"]}", "OUT_OF_RANGE", "/averages/0",
       "at character 1, found the end"},
      {estimate, "{\"n\":10,\"averages\":[\"x1^2\",\"x1^2\"]}", "OUT_OF_RANGE", "/averages/1",
       "twice"},
      {estimate,
       "{\"n\":10,\"profiles\":[{\"coordinate\":\"(x1\",\"low\":0,\"high\":1,\"bins\":2}]}",
       "OUT_OF_RANGE", "/profiles/0/coordinate", "expected an operator or ')' at character 4"},
      {estimate, "{\"n\":10,\"differences\":[{\"coordinate\":\"ln(x1)\",\"a\":[0,1],\"b\":[1,2]}]}",
       "UNKNOWN_NAME", "/differences/0/coordinate", "is no function; known: exp"}};
  struct daemon daemon;
  daemon_begin(&daemon);
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
    check_refused(&daemon, cases[k].path, cases[k].body, cases[k].reason, cases[k].pointer,
                  cases[k].says);
  daemon_end(&daemon);
}

/* A version of a model, hardly trained: it is there to be weighed. */
static void train_a_little(const struct daemon *daemon, const char *model) {
  char body[400];
  snprintf(
      body, sizeof body,
      "{\"kind\":\"train\",\"model\":\"%s\",\"flow\":{\"layers\":[{\"type\":\"actnorm\"}]},"
      "\"data\":{\"walkers\":16,\"steps\":200},\"stages\":[{\"steps\":20,\"batch\":100,\"ml\":1}"
      "]}",
      model);
  struct answer job = run_job(daemon, body, 60, NULL);
  CHECK_MSG(answer_text(&job, "status") && strcmp(answer_text(&job, "status"), "succeeded") == 0,
            "%s", job.body);
  answer_free(&job);
}

/* r is 0.7 x1 - 0.7 x2 by definition: sample by sample, so on average. */
static void expressions_may_have_the_model_s_variables(void) {
  struct daemon daemon;
  daemon_begin(&daemon);
  struct answer made =
      call(&daemon, "POST", "/v1/models",
           "{\"name\":\"valleys\",\"energy\":{\"kind\":\"mueller_brown\"},\"temperature\":1}");
  CHECK_MSG(made.status == 201, "%s", made.body);
  train_a_little(&daemon, "valleys");
  struct answer estimate = call(&daemon, "POST", "/v1/models/valleys/estimate",
                                "{\"n\":3000,\"seed\":2,\"averages\":[\"r\",\"r*2\",\"7*x1/10 - "
                                "0.7*x2\",\"r - (x1 - x2)*0.7 + energy\",\"energy\"]}");
  CHECK_MSG(estimate.status == 200, "%s", estimate.body);
  double value[5];
  for (int k = 0; k < 5; k++) {
    char path[32];
    snprintf(path, sizeof path, "averages.%d.value", k);
    value[k] = answer_number(&estimate, path);
  }
  CHECK(isfinite(value[0]) && value[0] != 0);
  CHECK_NEAR(value[1], 2 * value[0], 1e-14 * fabs(value[0]));
  CHECK_NEAR(value[2], value[0], 1e-14);
  CHECK_NEAR(value[3], value[4], 1e-12);
  check_refused(&daemon, "/v1/models/valleys/estimate", "{\"n\":10,\"averages\":[\"2*d\"]}",
                "UNKNOWN_NAME", "/averages/0", "known: x1, x2, energy, r, pi");
  answer_free(&made);
  answer_free(&estimate);
  daemon_end(&daemon);
}

/* From the formula to samples: their energies are the formula's. */
static void a_model_typed_in_is_trained_and_sampled(void) {
  struct daemon daemon;
  daemon_begin(&daemon);
  struct answer made = call(&daemon, "POST", "/v1/models",
                            "{\"name\":\"bowl\",\"energy\":{\"kind\":\"expression\",\"variables\":["
                            "\"r\",\"s\"],\"u\":\"(r - 1)^2 + s^2 - log(s)\"}}");
  CHECK_MSG(made.status == 201, "%s", made.body);
  train_a_little(&daemon, "bowl");
  struct answer sample = call(&daemon, "POST", "/v1/models/bowl/sample", "{\"n\":400,\"seed\":1}");
  CHECK_MSG(sample.status == 200, "%s", sample.body);
  int outside = 0;
  for (size_t i = 0; i < 400; i++) {
    char path[16];
    snprintf(path, sizeof path, "x.%zu", i);
    const double r = item(&sample, path, 0), s = item(&sample, path, 1);
    const double u = (r - 1) * (r - 1) + s * s - log(s);
    outside += !(s > 0);
    if (s > 0)
      CHECK_NEAR(item(&sample, "energy", i), u, 1e-14 * (1 + r * r + s * s + fabs(log(s))));
  }
  /* log of what is not above 0: weight 0, and told */
  CHECK(outside > 0 && outside < 200);
  CHECK_INT(answer_number(&sample, "non_finite"), outside);
  struct answer whole = call(&daemon, "POST", "/v1/models/bowl/energy",
                             "{\"x\":[[1,1],[1,-1],[2,0]],\"gradient\":true}");
  CHECK_MSG(strstr(whole.body, "[1,\"Infinity\",\"Infinity\"]"), "%s", whole.body);
  CHECK_NEAR(item(&whole, "gradient.0", 1), 1, 1e-15);
  CHECK(item(&whole, "gradient.1", 1) == 0);
  answer_free(&made);
  answer_free(&sample);
  answer_free(&whole);
  daemon_end(&daemon);
}

int main(int argc, char **argv) {
  RUN(a_double_well_typed_in_has_the_energies_of_the_double_well);
  RUN(expressions_are_estimated_as_coordinates_are);
  RUN(wrong_expressions_are_refused_with_their_character);
  RUN(expressions_may_have_the_model_s_variables);
  RUN(a_model_typed_in_is_trained_and_sampled);
  return check_report();
}
