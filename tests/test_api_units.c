/* test_api_units.c - the parts of the resources that need no daemon: what is asked of an estimate,
 * weights of given points, the OpenAPI document. */
#include "server/api/api.h"
#include "server/api/estimate.h"
#include "tests/check.h"

static struct boltz_json *json_of(struct boltz_arena *arena, const char *text) {
  struct boltz_json *root = NULL;
  CHECK(boltz_json_parse(text, strlen(text), 32, arena, &root) == BOLTZ_OK);
  return root;
}

static void energy_of(struct boltz_arena *arena, const char *text, struct boltz_energy *energy) {
  CHECK(boltz_energy_parse(json_of(arena, text), 1, arena, energy) == BOLTZ_OK);
}

/* ---- Estimates ---- */

/* What estimate_parse says to a body, on a double well of two coordinates. */
static enum boltz_status asked(struct boltz_arena *arena, const char *body,
                               struct estimate_request *request) {
  struct boltz_energy energy;
  energy_of(arena, "{\"kind\":\"double_well\"}", &energy);
  return estimate_parse(json_of(arena, body), &energy, arena, request);
}

static void a_full_estimate_is_read_as_written(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct estimate_request request;
  CHECK(asked(arena,
              "{\"n\":100000,\"seed\":7,\"averages\":[\"x1\",\"energy\"],\"differences\":[{"
              "\"coordinate\":\"x1\",\"a\":[\"-Infinity\",0],\"b\":[0,\"Infinity\"]}],\"profiles\":"
              "[{\"coordinate\":\"x2\",\"low\":-2.5,\"high\":2.5,\"bins\":20}]}",
              &request) == BOLTZ_OK);
  CHECK_INT(request.spec.n, 100000);
  CHECK_INT(request.options.seed, 7);
  CHECK_INT(request.nobservables, 3); /* x1, energy, x2: the difference shares x1 */
  CHECK_INT(request.spec.averages[0].column, request.spec.differences[0].column);
  CHECK_INT(request.observables[1].coordinate, -1);
  CHECK_INT(request.observables[request.spec.profiles[0].column].coordinate, 1);
  CHECK(request.spec.differences[0].a[0] == -INFINITY);
  CHECK(request.spec.differences[0].b[1] == INFINITY);
  CHECK_INT(request.spec.profiles[0].bins, 20);
  boltz_arena_close(arena);
}

static void an_estimate_is_refused_where_it_is_wrong(void) {
  static const struct {
    const char *body;
    enum boltz_status status;
    const char *pointer;
  } cases[] = {
      {"{}", BOLTZ_MISSING_MEMBER, "/n"},
      {"{\"n\":0}", BOLTZ_OUT_OF_RANGE, "/n"},
      {"{\"n\":9,\"averages\":[\"x3\"]}", BOLTZ_UNKNOWN_NAME, "/averages/0"},
      {"{\"n\":9,\"averages\":[\"x1\",\"x1\"]}", BOLTZ_OUT_OF_RANGE, "/averages/1"},
      {"{\"n\":9,\"averages\":[1]}", BOLTZ_WRONG_TYPE, "/averages"},
      {"{\"n\":9,\"averages\":[\"x1\",null]}", BOLTZ_WRONG_TYPE, "/averages/1"},
      {"{\"n\":9,\"profiles\":[{\"coordinate\":\"rg\",\"low\":0,\"high\":1}]}", BOLTZ_UNKNOWN_NAME,
       "/profiles/0/coordinate"},
      {"{\"n\":9,\"profiles\":[{\"coordinate\":\"x1\",\"low\":1,\"high\":1}]}", BOLTZ_OUT_OF_RANGE,
       "/profiles/0/low"},
      {"{\"n\":9,\"profiles\":[{\"coordinate\":\"x1\",\"low\":0,\"high\":1e999}]}",
       BOLTZ_OUT_OF_RANGE, "/profiles/0/high"},
      {"{\"n\":9,\"profiles\":[{\"coordinate\":\"x1\",\"low\":0,\"high\":1,\"bins\":10001}]}",
       BOLTZ_OUT_OF_RANGE, "/profiles/0/bins"},
      {"{\"n\":9,\"differences\":[{\"coordinate\":\"x1\",\"a\":[0,1]}]}", BOLTZ_MISSING_MEMBER,
       "/differences/0/b"},
      {"{\"n\":9,\"differences\":[{\"coordinate\":\"x1\",\"a\":[0,1],\"b\":[\"Infinity\",0]}]}",
       BOLTZ_OUT_OF_RANGE, "/differences/0/b"},
      {"{\"n\":9,\"differences\":[{\"coordinate\":\"x1\",\"a\":[0,\"NaN\"],\"b\":[0,1]}]}",
       BOLTZ_WRONG_TYPE, "/differences/0/a"},
      {"{\"n\":9,\"differences\":[{\"coordinate\":\"x1\",\"a\":[0,1,2],\"b\":[0,1]}]}",
       BOLTZ_OUT_OF_RANGE, "/differences/0/a"},
      {"{\"n\":9,\"differences\":[{\"coordinate\":\"x1\",\"a\":[0,1],\"b\":[0,1],\"c\":1}]}",
       BOLTZ_UNKNOWN_MEMBER, "/differences/0/c"},
  };
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    struct estimate_request request;
    enum boltz_status status = asked(arena, cases[k].body, &request);
    CHECK_MSG(status == cases[k].status, "%s gave %s", cases[k].body, boltz_status_name(status));
    CHECK_TEXT(boltz_error_pointer(), cases[k].pointer);
    boltz_arena_close(arena);
  }
}

/* ---- Points ---- */

static void a_row_outside_the_domain_is_found(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy; /* 0 <= x1 <= 4, x2 free */
  energy_of(arena, "{\"kind\":\"harmonic_pair\",\"L\":4}", &energy);
  const double rows[] = {0, -9, 4, 9, 2, 100, 4.5, 0, -1, 0};
  CHECK_INT(api_first_outside(&energy, rows, 3), 3); /* edges are inside */
  CHECK_INT(api_first_outside(&energy, rows, 5), 3);
  boltz_arena_close(arena);
}

/* A version whose flow is one interval layer on x1 under a normal base: q = U(0, 4) N(0, 1). */
static void interval_version(struct boltz_arena *arena, struct version *version) {
  struct boltz_flow_spec spec;
  struct boltz_checkpoint *checkpoint = &version->checkpoint;
  const struct boltz_json *object =
      json_of(arena,
              "{\"base\":\"normal\",\"layers\":[{\"type\":\"interval\",\"coordinates\":[0],"
              "\"low\":[0],\"high\":[4]}]}");
  CHECK(boltz_flow_spec_parse(object, 2, arena, &spec) == BOLTZ_OK);
  CHECK(boltz_flow_new(&spec, 2, arena, &checkpoint->flow) == BOLTZ_OK);
  CHECK(boltz_weights_new(&checkpoint->flow, arena, &checkpoint->weights) == BOLTZ_OK);
}

/* log q of the version above. */
static double log_q_of(double x2) {
  return -log(4) - 0.5 * log(2 * acos(-1)) - 0.5 * x2 * x2;
}

static void weights_of_given_points_are_minus_u_minus_log_q(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy;
  struct version version = {0};
  struct api_drawn drawn;
  size_t non_finite = 99;
  energy_of(arena, "{\"kind\":\"harmonic_pair\",\"k\":1,\"L\":4}", &energy);
  interval_version(arena, &version);
  const double rows[] = {1, 0.5, 5, 0.5, 4, 4, 3, 1e300};
  CHECK(api_drawn_new(arena, 4, 2, false, &drawn));
  boltz_batch_from_rows(&drawn.x, rows);
  CHECK(api_weigh(&version, &energy, 1, &drawn, &non_finite, arena));

  /* inside: U = (x2 - x1)^2 */
  CHECK_NEAR(drawn.u[0], 0.25, 1e-15);
  /* the interval layer's quantile function costs a few ulps of log q ~ 2 */
  CHECK_NEAR(drawn.log_q[0], log_q_of(0.5), 1e-12);
  CHECK_NEAR(drawn.log_w[0], -0.25 - log_q_of(0.5), 1e-12);
  /* outside */
  CHECK(drawn.u[1] == INFINITY);
  CHECK(drawn.log_q[1] == -INFINITY);
  CHECK(drawn.log_w[1] == -INFINITY);
  /* on the edge: one ulp inside, so z1 is at 8 sigma and log q less exact */
  CHECK(drawn.log_w[2] > -INFINITY);
  CHECK_NEAR(drawn.log_q[2], log_q_of(4), 1e-6);
  /* an energy that overflows inside is counted */
  CHECK(drawn.log_w[3] == -INFINITY);
  CHECK_INT(non_finite, 1);
  boltz_arena_close(arena);
}

static void drawn_weights_agree_with_those_of_the_same_points(void) {
  enum { N = 100 };
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy;
  struct version version = {0};
  struct api_drawn drawn, given;
  size_t non_finite = 99;
  energy_of(arena, "{\"kind\":\"harmonic_pair\",\"k\":1,\"L\":4}", &energy);
  interval_version(arena, &version);
  CHECK(api_drawn_new(arena, N, 2, true, &drawn) && api_drawn_new(arena, N, 2, false, &given));
  CHECK_INT(api_draw(&version, &energy, 2, 5, 0, &drawn, arena), 0);
  boltz_batch_copy(&given.x, 0, &drawn.x, 0, N);
  CHECK(api_weigh(&version, &energy, 2, &given, &non_finite, arena));
  for (size_t i = 0; i < N; i++) {
    CHECK(drawn.u[i] == given.u[i]);
    CHECK_NEAR(drawn.u[i], pow(drawn.x.col[1][i] - drawn.x.col[0][i], 2) / 2, 1e-13);
    /* there and back through the quantile function, within 4 sigma */
    CHECK_NEAR(drawn.log_w[i], given.log_w[i], 1e-9);
    CHECK(drawn.z.col[1][i] == drawn.x.col[1][i]);
  }
  boltz_arena_close(arena);
}

/* ---- The OpenAPI document ---- */

/* Does "#/components/…" lead somewhere? */
static bool leads_somewhere(const cJSON *document, const char *reference) {
  char part[64];
  const cJSON *at = document;
  if (strncmp(reference, "#/", 2) != 0) return false;
  for (const char *from = reference + 2; at && *from;) {
    size_t size = strcspn(from, "/");
    snprintf(part, sizeof part, "%.*s", (int)size, from);
    at = cJSON_GetObjectItemCaseSensitive(at, part);
    from += size + (from[size] == '/');
  }
  return at != NULL;
}

static void check_references(const cJSON *document, const cJSON *node) {
  for (const cJSON *child = node->child; child; child = child->next) {
    if (child->string && strcmp(child->string, "$ref") == 0)
      CHECK_MSG(leads_somewhere(document, child->valuestring), "%s", child->valuestring);
    check_references(document, child);
  }
}

static void every_reference_of_the_document_leads_somewhere(void) {
  cJSON *document = api_openapi();
  CHECK_TEXT(cJSON_GetObjectItem(document, "openapi")->valuestring, "3.1.0");
  check_references(document, document);
  cJSON_Delete(document);
}

/* Names of an operation's path parameters that the path does not hold, and the other way round. */
static int mismatched_parameters(const char *path, const cJSON *operation) {
  int braces = 0, declared = 0;
  for (const char *c = path; *c; c++) braces += *c == '{';
  const cJSON *parameter;
  cJSON_ArrayForEach(parameter, cJSON_GetObjectItem(operation, "parameters")) {
    char braced[70];
    if (strcmp(cJSON_GetObjectItem(parameter, "in")->valuestring, "path") != 0) continue;
    snprintf(braced, sizeof braced, "{%s}", cJSON_GetObjectItem(parameter, "name")->valuestring);
    if (!strstr(path, braced)) return 1;
    declared++;
  }
  return braces - declared;
}

static void every_operation_is_named_once_and_declares_its_parameters(void) {
  cJSON *document = api_openapi(), *ids = cJSON_CreateObject();
  const cJSON *path, *operation;
  cJSON_ArrayForEach(path, cJSON_GetObjectItem(document, "paths")) {
    cJSON_ArrayForEach(operation, path) {
      const char *id = cJSON_GetObjectItem(operation, "operationId")->valuestring;
      CHECK_MSG(!cJSON_GetObjectItemCaseSensitive(ids, id), "%s stands twice", id);
      cJSON_AddTrueToObject(ids, id);
      CHECK_INT(mismatched_parameters(path->string, operation), 0);
      CHECK(cJSON_GetObjectItem(operation, "responses")->child != NULL);
    }
  }
  CHECK(cJSON_GetArraySize(ids) >= 35); /* every line of the contract's table of endpoints */
  cJSON_Delete(ids);
  cJSON_Delete(document);
}

int main(int argc, char **argv) {
  RUN(a_full_estimate_is_read_as_written);
  RUN(an_estimate_is_refused_where_it_is_wrong);
  RUN(a_row_outside_the_domain_is_found);
  RUN(weights_of_given_points_are_minus_u_minus_log_q);
  RUN(drawn_weights_agree_with_those_of_the_same_points);
  RUN(every_reference_of_the_document_leads_somewhere);
  RUN(every_operation_is_named_once_and_declares_its_parameters);
  return check_report();
}
