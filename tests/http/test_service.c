/* test_service.c - what a client may rely on, on a fresh data directory with the example models. */
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/http/client.h"

static struct daemon server;

#define WELL "/v1/models/example-double-well"
#define PAIR "/v1/models/example-harmonic-pair"

/* Value at [row][column] of a member that is a list of rows. */
static double at(const struct answer *answer, const char *member, size_t row, size_t column) {
  const struct boltz_json *rows = answer_member(answer, member);
  const struct boltz_json *child = rows ? rows->child : NULL;
  for (; child && row > 0; row--) child = child->next;
  return child && child->numbers && column < child->n ? child->numbers[column] : NAN;
}

static double item(const struct answer *answer, const char *member, size_t k) {
  const struct boltz_json *list = answer_member(answer, member);
  return list && list->numbers && k < list->n ? list->numbers[k] : NAN;
}

static size_t length(const struct answer *answer, const char *member) {
  const struct boltz_json *list = answer_member(answer, member);
  return list ? list->n : 0;
}

static void the_daemon_is_alive_ready_and_says_what_it_is(void) {
  struct answer live = call(&server, "GET", "/livez", NULL);
  struct answer ready = call(&server, "GET", "/readyz", NULL);
  struct answer info = call(&server, "GET", "/v1/info", NULL);
  struct answer catalog = call(&server, "GET", "/v1/catalog", NULL);
  CHECK_INT(live.status, 200);
  CHECK_INT(ready.status, 200);
  CHECK(answer_member(&ready, "ready") && answer_member(&ready, "ready")->truth);
  CHECK_TEXT(answer_text(&info, "version"), BOLTZ_VERSION);
  CHECK_INT(answer_number(&info, "limits.samples"), 1000000);
  CHECK_INT(answer_number(&info, "limits.estimate_samples"), 100000000);
  CHECK(length(&catalog, "energies") >= 2);
  CHECK(length(&catalog, "layers") >= 5);
  CHECK(length(&catalog, "bases") >= 1);
  CHECK(length(&catalog, "moves") >= 1);
  CHECK(length(&catalog, "jobs") == 2);
  CHECK(answer_text(&catalog, "energies.0.doc") && answer_text(&catalog, "energies.0.source"));
  answer_free(&live);
  answer_free(&ready);
  answer_free(&info);
  answer_free(&catalog);
}

static void a_new_data_directory_serves_samples_at_once(void) {
  struct daemon fresh;
  daemon_directory(&fresh);
  double start = seconds_now();
  CHECK(daemon_start(&fresh, 2, NULL));
  struct answer sample = call(&fresh, "POST", WELL "/sample", "{\"n\":3}");
  double seconds = seconds_now() - start;
  CHECK_INT(sample.status, 200);
  CHECK_INT(length(&sample, "x"), 3);
  printf("     first sample %.0f ms after the start on an empty directory\n", 1e3 * seconds);
  answer_free(&sample);
  struct answer pair = call(&fresh, "POST", PAIR "/sample", "{\"n\":3}");
  CHECK_INT(pair.status, 200);
  answer_free(&pair);
  daemon_end(&fresh);
}

static void examples_are_not_put_back_once_deleted(void) {
  struct daemon fresh;
  daemon_directory(&fresh);
  CHECK(daemon_start(&fresh, 1, NULL));
  struct answer gone = call(&fresh, "DELETE", PAIR, NULL);
  CHECK_INT(gone.status, 204);
  answer_free(&gone);
  CHECK_INT(daemon_stop(&fresh), 0);
  CHECK(daemon_start(&fresh, 1, NULL));
  struct answer pair = call(&fresh, "GET", PAIR, NULL);
  struct answer well = call(&fresh, "GET", WELL, NULL);
  CHECK_INT(pair.status, 404);
  CHECK_INT(well.status, 200);
  answer_free(&pair);
  answer_free(&well);
  daemon_end(&fresh);
}

static void weights_of_samples_are_those_that_sample_gave(void) {
  struct answer sample =
      call(&server, "POST", WELL "/sample",
           "{\"n\":500,\"seed\":42,\"include\":[\"energy\",\"log_q\",\"log_weight\",\"z\"]}");
  CHECK_INT(sample.status, 200);
  CHECK_TEXT(answer_text(&sample, "seed"), "42");
  CHECK_INT(answer_number(&sample, "version"), 1);
  CHECK_INT(answer_number(&sample, "non_finite"), 0);
  CHECK(answer_text(&sample, "precision") != NULL);
  struct boltz_text body = {0};
  boltz_text_puts(&body, "{\"x\":[");
  for (size_t i = 0; i < 500; i++) {
    boltz_text_puts(&body, i ? ",[" : "[");
    boltz_text_number(&body, at(&sample, "x", i, 0));
    boltz_text_puts(&body, ",");
    boltz_text_number(&body, at(&sample, "x", i, 1));
    boltz_text_puts(&body, "]");
  }
  boltz_text_puts(&body, "]}");
  struct answer weights = call(&server, "POST", WELL "/weights", body.data);
  CHECK_INT(weights.status, 200);
  double sum = 0;
  for (size_t i = 0; i < 500; i++) {
    CHECK_NEAR(item(&weights, "energy", i), item(&sample, "energy", i), 0);
    /* fp64 coupling state: the way back differs by rounding alone */
    CHECK_NEAR(item(&weights, "log_q", i), item(&sample, "log_q", i), 1e-10);
    CHECK_NEAR(item(&weights, "log_weight", i),
               -item(&weights, "energy", i) - item(&weights, "log_q", i), 1e-12);
    double x1 = at(&sample, "x", i, 0), x2 = at(&sample, "x", i, 1);
    double u = x1 * x1 * x1 * x1 - 6 * x1 * x1 + x1 + x2 * x2 / 2; /* SCIENCE: defaults */
    CHECK_NEAR(item(&sample, "energy", i), u, 1e-12 * (1 + fabs(u) * 100));
    sum += item(&weights, "weight", i);
  }
  CHECK_NEAR(sum, 1, 1e-12);
  CHECK_NEAR(answer_number(&weights, "ess"), answer_number(&sample, "ess"), 1e-6);
  CHECK_NEAR(answer_number(&weights, "ess") / 500, answer_number(&weights, "ess_fraction"), 1e-12);
  boltz_text_free(&body);
  answer_free(&sample);
  answer_free(&weights);
}

static void rows_do_not_depend_on_how_they_are_cut(void) {
  struct answer whole =
      call(&server, "POST", WELL "/sample", "{\"n\":1000,\"seed\":\"7\",\"first\":0}");
  static const int cuts[][2] = {{0, 1}, {1, 1}, {500, 10}, {997, 3}, {123, 456}};
  for (size_t c = 0; c < sizeof cuts / sizeof *cuts; c++) {
    char body[96];
    snprintf(body, sizeof body, "{\"n\":%d,\"first\":%d,\"seed\":7}", cuts[c][1], cuts[c][0]);
    struct answer part = call(&server, "POST", WELL "/sample", body);
    for (int i = 0; i < cuts[c][1]; i++) {
      size_t row = (size_t)(cuts[c][0] + i);
      CHECK(at(&part, "x", (size_t)i, 0) == at(&whole, "x", row, 0));
      CHECK(at(&part, "x", (size_t)i, 1) == at(&whole, "x", row, 1));
      CHECK(item(&part, "log_weight", (size_t)i) == item(&whole, "log_weight", row));
    }
    answer_free(&part);
  }
  struct answer edge =
      call(&server, "POST", WELL "/sample", "{\"n\":1,\"first\":9223372036854775807,\"seed\":7}");
  CHECK_INT(edge.status, 200);
  CHECK(strstr(edge.body, "\"first\":9223372036854775807,"));
  answer_free(&edge);
  struct daemon single;
  daemon_directory(&single);
  CHECK(daemon_start(&single, 1, NULL));
  struct answer other = call(&single, "POST", WELL "/sample", "{\"n\":1000,\"seed\":7}");
  CHECK(other.size == whole.size && memcmp(other.body, whole.body, whole.size) == 0);
  answer_free(&other);
  answer_free(&whole);
  daemon_end(&single);
}

/* Every kernel this machine has gives the bits of every other. */
static void rows_do_not_depend_on_the_kernel(void) {
  static const char body[] = "{\"n\":300,\"seed\":8}";
  struct answer here = call(&server, "POST", WELL "/sample", body);
  struct daemon plain;
  daemon_directory(&plain);
  CHECK(daemon_start(&plain, 1, (const char *const[]){"--kernel", "portable", NULL}));
  struct answer info = call(&plain, "GET", "/v1/info", NULL);
  CHECK_TEXT(answer_text(&info, "kernels.linear"), "portable");
  struct answer there = call(&plain, "POST", WELL "/sample", body);
  CHECK(here.size == there.size && memcmp(here.body, there.body, here.size) == 0);
  answer_free(&info);
  answer_free(&here);
  answer_free(&there);
  daemon_end(&plain);
  daemon_directory(&plain);
  CHECK(!daemon_start(&plain, 1, (const char *const[]){"--kernel", "abacus", NULL}));
  daemon_end(&plain);
}

static void a_point_comes_back_from_the_latent_space(void) {
  static const char *const models[] = {WELL, PAIR};
  for (int m = 0; m < 2; m++) {
    char path[96];
    snprintf(path, sizeof path, "%s/transform", models[m]);
    const char *x = m == 0 ? "[[-1.7,0.3],[1.6,-1.2],[0.1,2.5],[-2.2,-0.4]]"
                           : "[[0.001,0.3],[3.999,4.2],[2,2.5],[1,0]]";
    char body[256];
    snprintf(body, sizeof body, "{\"to\":\"z\",\"x\":%s}", x);
    struct answer to_z = call(&server, "POST", path, body);
    CHECK_INT(to_z.status, 200);
    struct boltz_text back = {0};
    boltz_text_puts(&back, "{\"to\":\"x\",\"z\":[");
    for (size_t i = 0; i < 4; i++) {
      boltz_text_puts(&back, i ? ",[" : "[");
      boltz_text_number(&back, at(&to_z, "z", i, 0));
      boltz_text_puts(&back, ",");
      boltz_text_number(&back, at(&to_z, "z", i, 1));
      boltz_text_puts(&back, "]");
    }
    boltz_text_puts(&back, "]}");
    struct answer to_x = call(&server, "POST", path, back.data);
    CHECK_INT(to_x.status, 200);
    struct boltz_arena *arena = boltz_arena_open(0);
    struct boltz_json *rows = NULL;
    CHECK(boltz_json_parse(x, strlen(x), 8, arena, &rows) == BOLTZ_OK);
    const struct boltz_json *row = rows ? rows->child : NULL;
    for (size_t i = 0; row && i < 4; i++, row = row->next) {
      CHECK_NEAR(at(&to_x, "x", i, 0), row->numbers[0], 1e-9);
      CHECK_NEAR(at(&to_x, "x", i, 1), row->numbers[1], 1e-9);
      CHECK_NEAR(item(&to_x, "log_det", i), -item(&to_z, "log_det", i), 1e-9);
    }
    boltz_arena_close(arena);
    boltz_text_free(&back);
    answer_free(&to_z);
    answer_free(&to_x);
  }
}

static void outside_the_domain_a_weight_is_zero(void) {
  struct answer weights =
      call(&server, "POST", PAIR "/weights", "{\"x\":[[5,5],[2,2],[-1,0],[0,0],[4,4]]}");
  CHECK_INT(weights.status, 200);
  CHECK_TEXT(answer_text(&weights, "energy.0"), "Infinity");
  CHECK_TEXT(answer_text(&weights, "log_q.0"), "-Infinity");
  CHECK_TEXT(answer_text(&weights, "log_weight.0"), "-Infinity");
  CHECK_NEAR(answer_number(&weights, "energy.1"), 0, 0);
  CHECK(isfinite(answer_number(&weights, "log_weight.3"))); /* an edge is inside */
  CHECK(isfinite(answer_number(&weights, "log_weight.4")));
  CHECK_NEAR(item(&weights, "weight", 0), 0, 0);
  CHECK_NEAR(item(&weights, "weight", 2), 0, 0);
  CHECK_INT(answer_number(&weights, "non_finite"), 0);
  answer_free(&weights);
}

static void energies_and_gradients_are_those_of_the_formula(void) {
  struct answer energy = call(&server, "POST", WELL "/energy",
                              "{\"x\":[[-1.772303,0],[0.083528,0],[1,2]],\"gradient\":true}");
  CHECK_INT(energy.status, 200);
  CHECK_NEAR(item(&energy, "energy", 0), -10.752406, 1e-6); /* SCIENCE 3 */
  CHECK_NEAR(item(&energy, "energy", 1), 0.041715, 1e-6);
  CHECK_NEAR(item(&energy, "energy", 2), 1 - 6 + 1 + 2, 1e-14);
  CHECK_NEAR(at(&energy, "gradient", 2, 0), 4 - 12 + 1, 1e-13);
  CHECK_NEAR(at(&energy, "gradient", 2, 1), 2, 1e-14);
  answer_free(&energy);
  struct answer hot = call(&server, "POST", WELL "/energy", "{\"x\":[[1,2]],\"temperature\":2}");
  CHECK_NEAR(item(&hot, "energy", 0), -1, 1e-14);
  CHECK(answer_member(&hot, "gradient") == NULL);
  answer_free(&hot);
}

static void arrays_travel_as_npy_in_both_directions(void) {
  const char *const wants[] = {"Accept: application/x-npy", "Content-Type: application/json", NULL};
  static const char body[] = "{\"n\":5,\"seed\":3,\"include\":[\"z\",\"log_weight\"]}";
  struct answer npy = call_with(&server, "POST", WELL "/sample", body, sizeof body - 1, wants);
  struct answer json = call(&server, "POST", WELL "/sample", body);
  char columns[128] = "", seed[32] = "";
  CHECK_INT(npy.status, 200);
  CHECK(answer_header(&npy, "Boltz-Columns", columns, sizeof columns));
  CHECK(answer_header(&npy, "Boltz-Seed", seed, sizeof seed));
  CHECK_TEXT(columns, "x1,x2,z1,z2,log_weight");
  CHECK_TEXT(seed, "3");
  struct boltz_arena *arena = boltz_arena_open(0);
  double *rows = NULL;
  size_t n = 0, dim = 0;
  CHECK(boltz_npy_read(npy.body, npy.size, arena, &rows, &n, &dim) == BOLTZ_OK);
  CHECK_INT(n, 5);
  CHECK_INT(dim, 5);
  char x[BOLTZ_NPY_HEADER + 5 * 2 * 8];
  size_t head = boltz_npy_header(5, 2, x);
  for (size_t i = 0; rows && i < 5; i++) {
    CHECK(rows[i * 5] == at(&json, "x", i, 0));
    CHECK(rows[i * 5 + 3] == at(&json, "z", i, 1));
    CHECK(rows[i * 5 + 4] == item(&json, "log_weight", i));
    memcpy(x + head + i * 16, rows + i * 5, 16);
  }
  const char *const sends[] = {"Content-Type: application/x-npy", NULL};
  struct answer weights =
      call_with(&server, "POST", WELL "/weights?version=1", x, head + 5 * 16, sends);
  CHECK_INT(weights.status, 200);
  CHECK_INT(answer_number(&weights, "n"), 5);
  for (size_t i = 0; i < 5; i++)
    CHECK_NEAR(item(&weights, "log_weight", i), item(&json, "log_weight", i), 1e-10);
  boltz_arena_close(arena);
  answer_free(&npy);
  answer_free(&json);
  answer_free(&weights);
}

static void an_estimate_agrees_with_the_exact_numbers(void) {
  struct answer estimate = call(
      &server, "POST", WELL "/estimate",
      "{\"n\":100000,\"seed\":1,\"averages\":[\"x1\",\"energy\"],\"differences\":[{\"coordinate\":"
      "\"x1\",\"a\":[\"-Infinity\",0],\"b\":[0,\"Infinity\"]}],\"profiles\":[{\"coordinate\":"
      "\"x1\",\"low\":-2.5,\"high\":2.5,\"bins\":50}]}");
  CHECK_INT(estimate.status, 200);
  /* SCIENCE 3; 5 standard errors fail once in a million, and must themselves be small */
  double log_z_error = answer_number(&estimate, "log_z.stderr");
  CHECK(log_z_error > 0 && log_z_error < 0.003);
  CHECK_NEAR(answer_number(&estimate, "log_z.value"), 11.020467230188, 5 * log_z_error);
  double x1_error = answer_number(&estimate, "averages.0.stderr");
  CHECK(x1_error > 0 && x1_error < 0.01);
  CHECK_NEAR(answer_number(&estimate, "averages.0.value"), -1.625359705, 5 * x1_error);
  double u_error = answer_number(&estimate, "averages.1.stderr");
  CHECK_NEAR(answer_number(&estimate, "averages.1.value"), -10.115144061 + 0.5, 5 * u_error);
  double d_error = answer_number(&estimate, "differences.0.stderr");
  CHECK(d_error > 0 && d_error < 0.05);
  CHECK_NEAR(answer_number(&estimate, "differences.0.value"), 3.379901071, 5 * d_error);
  CHECK_INT(length(&estimate, "profiles.0.free_energy"), 50);
  CHECK_NEAR(item(&estimate, "profiles.0.centers", 0), -2.45, 1e-12);
  CHECK_TEXT(answer_text(&estimate, "verdict"), "good");
  answer_free(&estimate);
  struct answer again = call(&server, "POST", WELL "/estimate", "{\"n\":2000,\"seed\":1}");
  struct answer sample = call(&server, "POST", WELL "/sample", "{\"n\":2000,\"seed\":1}");
  CHECK_NEAR(answer_number(&again, "ess"), answer_number(&sample, "ess"),
             1e-9 * 2000); /* the same rows, summed in another order */
  answer_free(&again);
  answer_free(&sample);
}

static void models_live_from_registration_to_removal(void) {
  static const char body[] =
      "{\"name\":\"dw\",\"energy\":{\"kind\":\"double_well\",\"b\":5},\"temperature\":2}";
  struct answer made = call(&server, "POST", "/v1/models", body);
  CHECK_INT(made.status, 201);
  CHECK_NEAR(answer_number(&made, "energy.a"), 1, 0);
  CHECK_NEAR(answer_number(&made, "energy.b"), 5, 0);
  CHECK_NEAR(answer_number(&made, "temperature"), 2, 0);
  CHECK_TEXT(answer_text(&made, "coordinates.1.domain"), "real");
  CHECK(answer_member(&made, "serving")->type == BOLTZ_JSON_NULL);
  struct answer again = call(&server, "POST", "/v1/models", body);
  CHECK_INT(again.status, 200);
  struct answer none = call(&server, "POST", "/v1/models/dw/sample", "{\"n\":1}");
  CHECK_INT(none.status, 409);
  CHECK_TEXT(answer_text(&none, "reason"), "NO_VERSION");
  struct answer energy = call(&server, "POST", "/v1/models/dw/energy", "{\"x\":[[1,1]]}");
  CHECK_INT(energy.status, 200);
  struct answer list = call(&server, "GET", "/v1/models?page_size=1", NULL);
  CHECK_INT(length(&list, "items"), 1);
  const char *token = answer_text(&list, "next_page_token");
  CHECK(token != NULL);
  char path[256];
  snprintf(path, sizeof path, "/v1/models?page_token=%s", token ? token : "");
  struct answer rest = call(&server, "GET", path, NULL);
  CHECK_INT(length(&rest, "items"), 2);
  CHECK(answer_member(&rest, "next_page_token")->type == BOLTZ_JSON_NULL);
  struct answer gone = call(&server, "DELETE", "/v1/models/dw", NULL);
  CHECK_INT(gone.status, 204);
  struct answer missing = call(&server, "GET", "/v1/models/dw", NULL);
  CHECK_INT(missing.status, 404);
  struct answer *all[] = {&made, &again, &none, &energy, &list, &rest, &gone, &missing};
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) answer_free(all[k]);
}

static void a_checkpoint_goes_down_and_up_and_answers_the_same(void) {
  struct answer file = call(&server, "GET", WELL "/versions/1/checkpoint", NULL);
  CHECK_INT(file.status, 200);
  struct answer record = call(&server, "GET", WELL "/versions/1", NULL);
  CHECK_INT(answer_number(&record, "size"), (long long)file.size);
  CHECK(answer_text(&record, "digest") && strlen(answer_text(&record, "digest")) == 64);
  CHECK_MSG(file.size < 1000000, "%zu bytes", file.size);
  struct answer model = call(&server, "POST", "/v1/models",
                             "{\"name\":\"copy\",\"energy\":{\"kind\":\"double_well\"}}");
  const char *const bytes[] = {"Content-Type: application/octet-stream", NULL};
  struct answer up =
      call_with(&server, "POST", "/v1/models/copy/versions", file.body, file.size, bytes);
  CHECK_INT(up.status, 201);
  CHECK_TEXT(answer_text(&up, "digest"), answer_text(&record, "digest"));
  struct answer a = call(&server, "POST", WELL "/sample", "{\"n\":20,\"seed\":5}");
  struct answer b = call(&server, "POST", "/v1/models/copy/sample", "{\"n\":20,\"seed\":5}");
  CHECK_INT(b.status, 200);
  for (size_t i = 0; i < 20; i++) CHECK(at(&a, "x", i, 0) == at(&b, "x", i, 0));
  file.body[file.size - 1] ^= 0x7f; /* the top of a float: NaN or huge */
  file.body[file.size - 2] |= (char)0x80;
  struct answer bad =
      call_with(&server, "POST", "/v1/models/copy/versions", file.body, file.size - 4, bytes);
  CHECK_INT(bad.status, 422);
  CHECK_TEXT(answer_text(&bad, "reason"), "BAD_CHECKPOINT");
  struct answer wrong = call_with(&server, "POST", PAIR "/versions", file.body, file.size, bytes);
  CHECK_INT(wrong.status, 422);
  struct answer gone = call(&server, "DELETE", "/v1/models/copy", NULL);
  CHECK_INT(gone.status, 204);
  struct answer still = call(&server, "GET", WELL "/versions/1/checkpoint", NULL);
  CHECK_INT(still.status, 200);
  struct answer *all[] = {&file, &record, &model, &up, &a, &b, &bad, &wrong, &gone, &still};
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) answer_free(all[k]);
}

static struct answer make_version(const char *precision) {
  char body[64];
  snprintf(body, sizeof body, "{\"from_version\":1,\"precision\":\"%s\"}", precision);
  return call(&server, "POST", WELL "/versions", body);
}

/* Every way to ask names the precision, and rows of a sample have the density that sample gave. */
static void check_answers(double number, const char *precision) {
  char body[128];
  snprintf(body, sizeof body, "{\"n\":300,\"seed\":4,\"version\":%.0f}", number);
  struct answer sample = call(&server, "POST", WELL "/sample", body);
  struct answer estimate = call(&server, "POST", WELL "/estimate", body);
  struct boltz_text text = {0};
  boltz_text_printf(&text, "{\"version\":%.0f,\"x\":[", number);
  for (size_t i = 0; i < 300; i++) {
    boltz_text_puts(&text, i ? ",[" : "[");
    boltz_text_number(&text, at(&sample, "x", i, 0));
    boltz_text_puts(&text, ",");
    boltz_text_number(&text, at(&sample, "x", i, 1));
    boltz_text_puts(&text, "]");
  }
  boltz_text_puts(&text, "]}");
  struct answer weights = call(&server, "POST", WELL "/weights", text.data);
  text.size = 0;
  boltz_text_printf(&text, "{\"version\":%.0f,\"to\":\"z\",\"x\":[[-1.7,0.3]]}", number);
  struct answer to_z = call(&server, "POST", WELL "/transform", text.data);
  snprintf(body, sizeof body, "{\"n\":7,\"first\":131,\"seed\":4,\"version\":%.0f}", number);
  struct answer cut = call(&server, "POST", WELL "/sample", body);
  struct answer *all[] = {&sample, &estimate, &weights, &to_z, &cut};
  for (size_t k = 0; k < sizeof all / sizeof *all; k++)
    CHECK_TEXT(answer_text(all[k], "precision"), precision);
  for (size_t i = 0; i < 300; i++) /* double coupling state, stretched by the flow */
    CHECK_NEAR(item(&weights, "log_q", i), item(&sample, "log_q", i), 1e-9);
  for (size_t i = 0; i < 7; i++) {
    CHECK(at(&cut, "x", i, 0) == at(&sample, "x", 131 + i, 0));
    CHECK(at(&cut, "x", i, 1) == at(&sample, "x", 131 + i, 1));
    CHECK(item(&cut, "log_q", i) == item(&sample, "log_q", 131 + i));
  }
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) answer_free(all[k]);
  boltz_text_free(&text);
}

static void a_version_is_made_of_another_one_in_every_precision(void) {
  char digests[BOLTZ_PRECISIONS][65];
  for (int k = 0; k < BOLTZ_PRECISIONS; k++) {
    const char *precision = boltz_precision_names[k];
    struct answer made = make_version(precision), again = make_version(precision);
    CHECK_MSG(made.status == 201, "%s", made.body);
    CHECK_TEXT(answer_text(&made, "precision"), precision);
    CHECK_TEXT(answer_text(&made, "digest"), answer_text(&again, "digest"));
    snprintf(digests[k], 65, "%s", answer_text(&made, "digest"));
    for (int l = 0; l < k; l++) CHECK(strcmp(digests[k], digests[l]) != 0);
    check_answers(answer_number(&made, "version"), precision);
    /* up again, as anybody's file */
    char path[96];
    const char *const bytes[] = {"Content-Type: application/octet-stream", NULL};
    snprintf(path, sizeof path, WELL "/versions/%.0f/checkpoint", answer_number(&made, "version"));
    struct answer file = call(&server, "GET", path, NULL);
    struct answer up =
        call_with(&server, "POST", WELL "/versions?serve=false", file.body, file.size, bytes);
    CHECK_MSG(up.status == 201, "%s", up.body);
    CHECK_TEXT(answer_text(&up, "precision"), precision);
    CHECK_TEXT(answer_text(&up, "digest"), digests[k]);
    struct answer *all[] = {&made, &again, &file, &up};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) answer_free(all[i]);
  }
  /* fp32 of fp32 is the version itself */
  struct answer first = call(&server, "GET", WELL "/versions/1", NULL);
  CHECK_TEXT(answer_text(&first, "digest"), digests[BOLTZ_FP32]);
  /* of two coordinates a table loses nothing: auto takes it */
  struct answer chosen = make_version("auto");
  CHECK_TEXT(answer_text(&chosen, "precision"), "table");
  CHECK_TEXT(answer_text(&chosen, "digest"), digests[BOLTZ_TABLE]);
  CHECK(answer_number(&chosen, "metrics.ess_fraction") >=
        answer_number(&chosen, "metrics.ess_fraction_fp32") - 0.005);
  answer_free(&first);
  answer_free(&chosen);
  struct answer metrics = call(&server, "GET", "/metrics", NULL);
  CHECK(strstr(metrics.body, "boltzd_versions_loaded{precision=\"table\"}"));
  CHECK(!strstr(metrics.body, "boltzd_versions_loaded{precision=\"table\"} 0"));
  answer_free(&metrics);
}

static void datasets_go_up_and_come_down_bit_for_bit(void) {
  static const char body[] =
      "{\"model\":\"example-double-well\",\"x\":[[0.1,-0],[1e-300,3],[-1.7,0.30000000000000004]]}";
  struct answer up = call(&server, "PUT", "/v1/datasets/points", body);
  CHECK_INT(up.status, 201);
  struct answer same = call(&server, "PUT", "/v1/datasets/points", body);
  CHECK_INT(same.status, 200);
  struct answer other = call(&server, "PUT", "/v1/datasets/points",
                             "{\"model\":\"example-double-well\",\"x\":[[1,2]]}");
  CHECK_INT(other.status, 409);
  struct answer rows = call(&server, "GET", "/v1/datasets/points?n=2&first=1", NULL);
  CHECK_INT(rows.status, 200);
  CHECK(at(&rows, "x", 0, 0) == 1e-300);
  CHECK(at(&rows, "x", 1, 1) == 0.30000000000000004);
  struct answer record = call(&server, "GET", "/v1/datasets/points", NULL);
  CHECK_INT(answer_number(&record, "n"), 3);
  CHECK_INT(answer_number(&record, "dim"), 2);
  struct answer gone = call(&server, "DELETE", "/v1/datasets/points", NULL);
  CHECK_INT(gone.status, 204);
  struct answer *all[] = {&up, &same, &other, &rows, &record, &gone};
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) answer_free(all[k]);
}

static void head_options_and_request_ids_work(void) {
  const char *const id[] = {"X-Request-Id: my-id_1", NULL};
  struct answer head = call_with(&server, "HEAD", "/v1/info", NULL, 0, id);
  char value[128] = "";
  CHECK_INT(head.status, 200);
  CHECK_INT(head.size, 0);
  CHECK(answer_header(&head, "X-Request-Id", value, sizeof value));
  CHECK_TEXT(value, "my-id_1");
  struct answer options = call(&server, "OPTIONS", WELL, NULL);
  CHECK_INT(options.status, 204);
  CHECK(answer_header(&options, "Allow", value, sizeof value) && strstr(value, "PATCH"));
  const char *const bad[] = {"X-Request-Id: not good!", NULL};
  struct answer replaced = call_with(&server, "GET", "/livez", NULL, 0, bad);
  CHECK(answer_header(&replaced, "X-Request-Id", value, sizeof value) && !strchr(value, ' '));
  answer_free(&head);
  answer_free(&options);
  answer_free(&replaced);
}

static void metrics_openapi_and_the_page_are_served(void) {
  struct answer metrics = call(&server, "GET", "/metrics", NULL);
  CHECK_INT(metrics.status, 200);
  CHECK(strstr(metrics.body, "# TYPE boltzd_requests_total counter"));
  CHECK(strstr(metrics.body, "boltzd_samples_total"));
  struct answer openapi = call(&server, "GET", "/openapi.json", NULL);
  CHECK_INT(openapi.status, 200);
  CHECK(answer_text(&openapi, "openapi") &&
        strncmp(answer_text(&openapi, "openapi"), "3.1", 3) == 0);
  const struct boltz_json *paths = answer_member(&openapi, "paths");
  CHECK(boltz_json_member(paths, "/v1/models/{model}/sample") != NULL);
  struct answer page = call(&server, "GET", "/", NULL);
  CHECK_INT(page.status, 200);
  CHECK(strstr(page.body, "<html"));
  answer_free(&metrics);
  answer_free(&openapi);
  answer_free(&page);
}

static void a_signal_drains_and_exits_with_0(void) {
  struct daemon fresh;
  daemon_directory(&fresh);
  CHECK(daemon_start(&fresh, 1, NULL));
  struct answer sample = call(&fresh, "POST", WELL "/sample", "{\"n\":10}");
  CHECK_INT(sample.status, 200);
  answer_free(&sample);
  CHECK_INT(daemon_stop(&fresh), 0);
  daemon_end(&fresh);
}

static int healthcheck_of(const char *listen) {
  char command[512];
  const char *binary = getenv("BOLTZD") ? getenv("BOLTZD") : "build/boltzd";
  snprintf(command, sizeof command, "BOLTZD_LISTEN=%s %s --healthcheck >/dev/null", listen, binary);
  return system(command);
}

static void the_health_check_of_the_binary_tells_ready_from_gone(void) {
  CHECK_INT(healthcheck_of(server.address), 0);
  CHECK(healthcheck_of("127.0.0.1:1") != 0);
}

/* What a service manager hears (sd_notify). */
static void the_service_manager_hears_of_start_and_stop(void) {
  struct daemon fresh;
  daemon_directory(&fresh);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%.90s/notify", fresh.data);
  int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
  setenv("NOTIFY_SOCKET", address.sun_path, 1);
  CHECK(daemon_start(&fresh, 1, NULL));
  unsetenv("NOTIFY_SOCKET");
  CHECK_INT(daemon_stop(&fresh), 0);
  char said[64] = "";
  CHECK(recv(fd, said, sizeof said - 1, MSG_DONTWAIT) > 0);
  CHECK(strncmp(said, "READY=1", 7) == 0);
  memset(said, 0, sizeof said);
  CHECK(recv(fd, said, sizeof said - 1, MSG_DONTWAIT) > 0);
  CHECK(strncmp(said, "STOPPING=1", 10) == 0);
  close(fd);
  daemon_end(&fresh);
}

static void a_second_daemon_on_the_same_data_is_refused(void) {
  struct daemon second = server;
  CHECK(!daemon_start(&second, 1, NULL));
  struct answer live = call(&server, "GET", "/livez", NULL);
  CHECK_INT(live.status, 200);
  answer_free(&live);
}

int main(int argc, char **argv) {
  daemon_begin(&server);
  RUN(the_daemon_is_alive_ready_and_says_what_it_is);
  RUN(a_new_data_directory_serves_samples_at_once);
  RUN(examples_are_not_put_back_once_deleted);
  RUN(weights_of_samples_are_those_that_sample_gave);
  RUN(rows_do_not_depend_on_how_they_are_cut);
  RUN(rows_do_not_depend_on_the_kernel);
  RUN(a_point_comes_back_from_the_latent_space);
  RUN(outside_the_domain_a_weight_is_zero);
  RUN(energies_and_gradients_are_those_of_the_formula);
  RUN(arrays_travel_as_npy_in_both_directions);
  RUN(an_estimate_agrees_with_the_exact_numbers);
  RUN(models_live_from_registration_to_removal);
  RUN(a_checkpoint_goes_down_and_up_and_answers_the_same);
  RUN(a_version_is_made_of_another_one_in_every_precision);
  RUN(datasets_go_up_and_come_down_bit_for_bit);
  RUN(head_options_and_request_ids_work);
  RUN(metrics_openapi_and_the_page_are_served);
  RUN(a_signal_drains_and_exits_with_0);
  RUN(the_health_check_of_the_binary_tells_ready_from_gone);
  RUN(the_service_manager_hears_of_start_and_stop);
  RUN(a_second_daemon_on_the_same_data_is_refused);
  daemon_end(&server);
  return check_report();
}
