/* test_models.c - models, versions and datasets over HTTP: put, shown, given back, removed. */
#include "tests/http/answers.h"

static struct daemon server;

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
  put_rows(&sample, "x", 300, &text);
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

int main(int argc, char **argv) {
  daemon_begin(&server);
  RUN(models_live_from_registration_to_removal);
  RUN(a_checkpoint_goes_down_and_up_and_answers_the_same);
  RUN(a_version_is_made_of_another_one_in_every_precision);
  RUN(datasets_go_up_and_come_down_bit_for_bit);
  daemon_end(&server);
  return check_report();
}
