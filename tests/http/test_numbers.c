/* test_numbers.c - what is answered of the example models: samples, weights, energies and estimates
 * that agree with each other and with formulas. */
#include "tests/http/answers.h"

static struct daemon server;

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
  put_rows(&sample, "x", 500, &body);
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
    put_rows(&to_z, "z", 4, &back);
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

int main(int argc, char **argv) {
  daemon_begin(&server);
  RUN(weights_of_samples_are_those_that_sample_gave);
  RUN(rows_do_not_depend_on_how_they_are_cut);
  RUN(rows_do_not_depend_on_the_kernel);
  RUN(a_point_comes_back_from_the_latent_space);
  RUN(outside_the_domain_a_weight_is_zero);
  RUN(energies_and_gradients_are_those_of_the_formula);
  RUN(arrays_travel_as_npy_in_both_directions);
  RUN(an_estimate_agrees_with_the_exact_numbers);
  daemon_end(&server);
  return check_report();
}
