/* test_errors.c - bad input gets its documented status, reason and pointer, and the daemon goes on.
 */
#include <unistd.h>

#include "tests/check.h"
#include "tests/http/client.h"

static struct daemon server;

#define WELL "/v1/models/example-double-well"

/** One bad request and what API.md says about it. */
struct bad {
  const char *method, *path, *body;
  long status;
  const char *reason, *pointer; /* pointer NULL: not asked */
};

static void check_problem(const struct bad *bad, const struct answer *answer) {
  char type[128] = "";
  answer_header(answer, "Content-Type", type, sizeof type);
  const char *reason = answer_text(answer, "reason");
  const char *pointer = answer_text(answer, "errors.0.pointer");
  CHECK_MSG(answer->status == bad->status, "%s %s %s: %ld %s", bad->method, bad->path,
            bad->body ? bad->body : "", answer->status, answer->body);
  CHECK_MSG(strncmp(type, "application/problem+json", 24) == 0, "%s %s %s: %s", bad->method,
            bad->path, bad->body ? bad->body : "", type);
  CHECK_MSG(reason && strcmp(reason, bad->reason) == 0, "%s %s %s: %s", bad->method, bad->path,
            bad->body ? bad->body : "", answer->body);
  if (bad->pointer)
    CHECK_MSG(pointer && strcmp(pointer, bad->pointer) == 0, "%s %s %s: %s", bad->method, bad->path,
              bad->body ? bad->body : "", answer->body);
  CHECK_MSG(answer_text(answer, "detail") && answer_text(answer, "title") &&
                answer_number(answer, "status") == (double)bad->status &&
                strcmp(answer_text(answer, "detail"), answer_text(answer, "error")) == 0,
            "%s", answer->body);
}

static void check_all(const struct bad *bad, size_t n) {
  for (size_t k = 0; k < n; k++) {
    struct answer answer = call(&server, bad[k].method, bad[k].path, bad[k].body);
    check_problem(&bad[k], &answer);
    answer_free(&answer);
  }
  struct answer live = call(&server, "GET", "/livez", NULL);
  CHECK_INT(live.status, 200);
  answer_free(&live);
}
#define CHECK_ALL(table) check_all(table, sizeof(table) / sizeof *(table))

static void malformed_bodies_are_400(void) {
  static const struct bad table[] = {
      {"POST", WELL "/sample", "{", 400, "MALFORMED_JSON", NULL},
      {"POST", WELL "/sample", "[1]", 400, "MALFORMED_JSON", NULL},
      {"POST", WELL "/sample", "{\"n\":01}", 400, "MALFORMED_JSON", NULL},
      {"POST", WELL "/sample", "{\"n\":1,}", 400, "MALFORMED_JSON", NULL},
      {"POST", WELL "/sample", "{\"n\":1} x", 400, "MALFORMED_JSON", NULL},
      {"POST", WELL "/sample", "\xef\xbb\xbf{\"n\":1}", 400, "MALFORMED_JSON", NULL},
      {"POST", WELL "/sample", "{\"n\":1,\"seed\":\"\\ud800\"}", 400, "MALFORMED_JSON", NULL},
      {"POST", WELL "/sample", "{\"n\":1,\"seed\":\"\\u0000\"}", 400, "MALFORMED_JSON", NULL},
      {"POST", WELL "/sample", "{\"n\":1,\"seed\":\"\xff\"}", 400, "MALFORMED_JSON", NULL},
      {"POST", WELL "/sample", "{\"n\":1,\"n\":2}", 400, "DUPLICATE_MEMBER", "/n"},
      {"POST", WELL "/sample", "{\"n\":1,\"m\":2}", 400, "UNKNOWN_MEMBER", "/m"},
      {"POST", WELL "/sample", "{}", 400, "MISSING_MEMBER", "/n"},
      {"POST", WELL "/sample", "{\"n\":null}", 400, "MISSING_MEMBER", "/n"},
      {"POST", WELL "/sample", "{\"n\":1.5}", 400, "WRONG_TYPE", "/n"},
      {"POST", WELL "/sample", "{\"n\":\"1\"}", 400, "WRONG_TYPE", "/n"},
      {"POST", WELL "/sample", "{\"n\":1,\"include\":\"z\"}", 400, "WRONG_TYPE", "/include"},
  };
  CHECK_ALL(table);
}

static void impossible_values_are_422(void) {
  static const struct bad table[] = {
      {"POST", WELL "/sample", "{\"n\":0}", 422, "OUT_OF_RANGE", "/n"},
      {"POST", WELL "/sample", "{\"n\":-1}", 422, "OUT_OF_RANGE", "/n"},
      {"POST", WELL "/sample", "{\"n\":1e999}", 422, "OUT_OF_RANGE", "/n"},
      {"POST", WELL "/sample", "{\"n\":9223372036854775808}", 422, "OUT_OF_RANGE", "/n"},
      {"POST", WELL "/sample", "{\"n\":1,\"seed\":-1}", 422, "OUT_OF_RANGE", "/seed"},
      {"POST", WELL "/sample", "{\"n\":1,\"seed\":\"18446744073709551616\"}", 422, "OUT_OF_RANGE",
       "/seed"},
      {"POST", WELL "/sample", "{\"n\":2,\"first\":9223372036854775807}", 422, "OUT_OF_RANGE",
       "/first"},
      {"POST", WELL "/sample", "{\"n\":1,\"temperature\":0}", 422, "OUT_OF_RANGE", "/temperature"},
      {"POST", WELL "/sample", "{\"n\":1,\"include\":[\"x\"]}", 422, "UNKNOWN_NAME", "/include/0"},
      {"POST", WELL "/sample", "{\"n\":1,\"include\":[\"w\"]}", 422, "UNKNOWN_NAME", "/include/0"},
      {"POST", WELL "/sample", "{\"n\":1,\"include\":[\"z\",\"z\"]}", 422, "OUT_OF_RANGE",
       "/include/1"},
      {"POST", WELL "/weights", "{\"x\":[]}", 422, "OUT_OF_RANGE", "/x"},
      {"POST", WELL "/weights", "{\"x\":[[1,2],[1]]}", 422, "BAD_ROW", "/x/1"},
      {"POST", WELL "/weights", "{\"x\":[[1,2],[1e999,0]]}", 422, "BAD_ROW", "/x/1"},
      {"POST", WELL "/weights", "{\"x\":[[1,2],[\"NaN\",0]]}", 422, "BAD_ROW", "/x/1"},
      {"POST", WELL "/weights", "{\"x\":[[1,2],[\"one\",0]]}", 400, "WRONG_TYPE", NULL},
      {"POST", WELL "/transform", "{\"to\":\"y\",\"x\":[[1,2]]}", 422, "UNKNOWN_NAME", "/to"},
      {"POST", "/v1/models/example-harmonic-pair/transform", "{\"to\":\"z\",\"x\":[[2,2],[5,2]]}",
       422, "OUT_OF_DOMAIN", "/x/1"},
      {"POST", WELL "/estimate", "{}", 400, "MISSING_MEMBER", "/n"},
      {"POST", WELL "/estimate", "{\"n\":10,\"averages\":[\"x3\"]}", 422, "UNKNOWN_NAME",
       "/averages/0"},
      {"POST", WELL "/estimate", "{\"n\":10,\"averages\":[\"x1\",\"x1\"]}", 422, "OUT_OF_RANGE",
       "/averages/1"},
      {"POST", WELL "/estimate",
       "{\"n\":10,\"profiles\":[{\"coordinate\":\"q\",\"low\":0,\"high\":1,\"bins\":2}]}", 422,
       "UNKNOWN_NAME", "/profiles/0/coordinate"},
      {"POST", WELL "/estimate",
       "{\"n\":10,\"profiles\":[{\"coordinate\":\"x1\",\"low\":1,\"high\":1,\"bins\":2}]}", 422,
       "OUT_OF_RANGE", NULL},
      {"POST", WELL "/estimate",
       "{\"n\":10,\"differences\":[{\"coordinate\":\"x1\",\"a\":[1,0],\"b\":[0,1]}]}", 422,
       "OUT_OF_RANGE", NULL},
  };
  CHECK_ALL(table);
}

static void things_that_are_not_there_are_404(void) {
  static const struct bad table[] = {
      {"GET", "/v2", NULL, 404, "PATH_NOT_FOUND", NULL},
      {"GET", "/v1/models/none", NULL, 404, "MODEL_NOT_FOUND", NULL},
      {"DELETE", "/v1/models/none", NULL, 404, "MODEL_NOT_FOUND", NULL},
      {"POST", "/v1/models/none/sample", "{\"n\":1}", 404, "MODEL_NOT_FOUND", NULL},
      {"POST", WELL "/sample", "{\"n\":1,\"version\":99}", 404, "VERSION_NOT_FOUND", NULL},
      {"GET", WELL "/versions/99", NULL, 404, "VERSION_NOT_FOUND", NULL},
      {"PATCH", WELL, "{\"serving\":99}", 404, "VERSION_NOT_FOUND", NULL},
      {"GET", "/v1/jobs/none", NULL, 404, "JOB_NOT_FOUND", NULL},
      {"POST", "/v1/jobs/none/cancel", NULL, 404, "JOB_NOT_FOUND", NULL},
      {"GET", "/v1/jobs/none/events", NULL, 404, "JOB_NOT_FOUND", NULL},
      {"GET", "/v1/datasets/none", NULL, 404, "DATASET_NOT_FOUND", NULL},
      {"POST", "/v1/jobs", "{\"kind\":\"train\",\"model\":\"none\"}", 404, "MODEL_NOT_FOUND", NULL},
      {"POST", "/v1/jobs",
       "{\"kind\":\"train\",\"model\":\"example-double-well\",\"data\":{\"dataset\":\"none\"}}",
       404, "DATASET_NOT_FOUND", NULL},
  };
  CHECK_ALL(table);
}

static void methods_names_and_queries_are_checked(void) {
  static const struct bad table[] = {
      {"DELETE", "/livez", NULL, 405, "METHOD_NOT_ALLOWED", NULL},
      {"PUT", WELL, "{}", 405, "METHOD_NOT_ALLOWED", NULL},
      {"TRACE", WELL, NULL, 405, "METHOD_NOT_ALLOWED", NULL},
      {"GET", "/v1/models/-x", NULL, 400, "BAD_NAME", NULL},
      {"GET", "/v1/models/a%2fb", NULL, 400, "BAD_NAME", NULL},
      {"GET", "/v1/models?pages=2", NULL, 400, "UNKNOWN_MEMBER", NULL},
      {"GET", "/v1/models?page_size=2&page_size=3", NULL, 400, "DUPLICATE_MEMBER", NULL},
      {"GET", "/v1/models?page_size=0", NULL, 422, "OUT_OF_RANGE", NULL},
      {"GET", "/v1/models?page_size=501", NULL, 422, "OUT_OF_RANGE", NULL},
      {"GET", "/v1/models?page_size=x", NULL, 400, "WRONG_TYPE", NULL},
      {"GET", "/v1/models?page_token=!", NULL, 400, "BAD_PAGE_TOKEN", NULL},
      {"GET", "/v1/jobs?status=done", NULL, 422, NULL, NULL},
      {"PATCH", WELL, "{\"name\":\"x\"}", 400, "UNKNOWN_MEMBER", "/name"},
      {"DELETE", WELL "/versions/1", NULL, 409, "IN_USE", NULL},
  };
  for (size_t k = 0; k < sizeof table / sizeof *table; k++) {
    struct bad bad = table[k];
    struct answer answer = call(&server, bad.method, bad.path, bad.body);
    if (!bad.reason) bad.reason = answer_text(&answer, "reason");
    if (bad.reason)
      check_problem(&bad, &answer);
    else
      CHECK_MSG(answer.status == bad.status, "%s %s: %ld", bad.method, bad.path, answer.status);
    answer_free(&answer);
  }
  struct answer answer = call(&server, "DELETE", "/livez", NULL);
  char allow[64] = "";
  CHECK(answer_header(&answer, "Allow", allow, sizeof allow) && strstr(allow, "GET"));
  answer_free(&answer);
}

static void bad_models_are_refused(void) {
  static const struct bad table[] = {
      {"POST", "/v1/models", "{\"energy\":{\"kind\":\"double_well\"}}", 400, "MISSING_MEMBER",
       "/name"},
      {"POST", "/v1/models", "{\"name\":\"a b\",\"energy\":{\"kind\":\"double_well\"}}", 400,
       "BAD_NAME", "/name"},
      {"POST", "/v1/models", "{\"name\":\"m\"}", 400, "MISSING_MEMBER", "/energy"},
      {"POST", "/v1/models", "{\"name\":\"m\",\"energy\":{\"kind\":\"tripel_well\"}}", 422,
       "UNKNOWN_KIND", "/energy/kind"},
      {"POST", "/v1/models", "{\"name\":\"m\",\"energy\":{\"kind\":\"double_well\",\"q\":1}}", 400,
       "UNKNOWN_MEMBER", "/energy/q"},
      {"POST", "/v1/models", "{\"name\":\"m\",\"energy\":{\"kind\":\"double_well\",\"a\":-1}}", 422,
       "OUT_OF_RANGE", "/energy/a"},
      {"POST", "/v1/models", "{\"name\":\"m\",\"energy\":{\"kind\":\"double_well\",\"a\":\"1\"}}",
       400, "WRONG_TYPE", "/energy/a"},
      {"POST", "/v1/models",
       "{\"name\":\"m\",\"energy\":{\"kind\":\"double_well\"},\"temperature\":0}", 422,
       "OUT_OF_RANGE", "/temperature"},
      {"POST", "/v1/models",
       "{\"name\":\"example-double-well\",\"energy\":{\"kind\":\"double_well\",\"b\":5}}", 409,
       "ALREADY_EXISTS", NULL},
  };
  CHECK_ALL(table);
}

static void bad_jobs_are_refused(void) {
#define TRAIN "{\"kind\":\"train\",\"model\":\"example-double-well\","
#define MCMC "{\"kind\":\"mcmc\",\"model\":\"example-double-well\","
  static const struct bad table[] = {
      {"POST", "/v1/jobs", "{}", 400, "MISSING_MEMBER", "/kind"},
      {"POST", "/v1/jobs", "{\"kind\":\"dance\",\"model\":\"example-double-well\"}", 422,
       "UNKNOWN_KIND", "/kind"},
      {"POST", "/v1/jobs", TRAIN "\"stages\":[]}", 422, "OUT_OF_RANGE", "/stages"},
      {"POST", "/v1/jobs", TRAIN "\"stages\":[{\"steps\":0,\"ml\":1}]}", 422, "OUT_OF_RANGE",
       "/stages/0/steps"},
      {"POST", "/v1/jobs", TRAIN "\"stages\":[{\"steps\":1,\"batch\":0,\"ml\":1}]}", 422,
       "OUT_OF_RANGE", "/stages/0/batch"},
      {"POST", "/v1/jobs", TRAIN "\"stages\":[{\"ml\":0,\"kl\":0}]}", 422, "OUT_OF_RANGE",
       "/stages/0"},
      {"POST", "/v1/jobs", TRAIN "\"stages\":[{\"kl\":1},{\"rc\":1}]}", 422, "OUT_OF_RANGE",
       "/stages/1/rc_of"},
      {"POST", "/v1/jobs", TRAIN "\"stages\":[{\"rc\":1,\"rc_of\":\"y\",\"rc_high\":1}]}", 422,
       "UNKNOWN_NAME", "/stages/0/rc_of"},
      {"POST", "/v1/jobs", TRAIN "\"stages\":[{\"ml\":1,\"rc_of\":\"x1\"}]}", 422, "OUT_OF_RANGE",
       "/stages/0/rc"},
      {"POST", "/v1/jobs", TRAIN "\"stages\":[{\"rc\":1,\"rc_of\":\"x1\"}]}", 422, "OUT_OF_RANGE",
       "/stages/0/rc_high"},
      {"POST", "/v1/jobs", TRAIN "\"stages\":[{\"learning_rate\":0,\"ml\":1}]}", 422,
       "OUT_OF_RANGE", "/stages/0/learning_rate"},
      {"POST", "/v1/jobs", TRAIN "\"stages\":[{\"learning_rate\":1.5,\"ml\":1}]}", 422,
       "OUT_OF_RANGE", "/stages/0/learning_rate"},
      {"POST", "/v1/jobs", TRAIN "\"flow\":{\"layers\":[]}}", 422, "OUT_OF_RANGE", "/flow/layers"},
      {"POST", "/v1/jobs", TRAIN "\"flow\":{\"layers\":[{\"type\":\"magic\"}]}}", 422,
       "UNKNOWN_NAME", "/flow/layers/0/type"},
      {"POST", "/v1/jobs", TRAIN "\"flow\":{\"layers\":[{\"type\":\"realnvp\",\"hidden\":[]}]}}",
       422, "OUT_OF_RANGE", "/flow/layers/0/hidden"},
      {"POST", "/v1/jobs",
       TRAIN "\"flow\":{\"layers\":[{\"type\":\"realnvp\",\"hidden\":[8],\"shift_activation\":"
             "\"sinus\"}]}}",
       422, "UNKNOWN_NAME", "/flow/layers/0/shift_activation"},
      {"POST", "/v1/jobs",
       TRAIN "\"flow\":{\"layers\":[{\"type\":\"affine_coupling\",\"fixed\":[0],\"moved\":[0],"
             "\"hidden\":[8]}]}}",
       422, "OUT_OF_RANGE", NULL},
      {"POST", "/v1/jobs", TRAIN "\"precision\":\"fp16\"}", 422, "UNKNOWN_NAME", "/precision"},
      {"POST", "/v1/jobs", TRAIN "\"precision\":8}", 400, "WRONG_TYPE", "/precision"},
      {"POST", "/v1/jobs",
       TRAIN "\"precision\":\"int8\",\"flow\":{\"layers\":[{\"type\":\"actnorm\"}]}}", 422,
       "OUT_OF_RANGE", "/precision"},
      {"POST", WELL "/versions", "{\"from_version\":1,\"precision\":\"fp16\"}", 422, "UNKNOWN_NAME",
       "/precision"},
      {"POST", WELL "/versions", "{\"from_version\":99,\"precision\":\"table\"}", 404,
       "VERSION_NOT_FOUND", NULL},
      {"POST", "/v1/jobs", MCMC "\"steps\":10}", 400, "MISSING_MEMBER", "/dataset"},
      {"POST", "/v1/jobs", MCMC "\"dataset\":\"d\",\"steps\":10,\"stride\":11}", 422,
       "OUT_OF_RANGE", "/stride"},
      {"POST", "/v1/jobs", MCMC "\"dataset\":\"d\",\"move\":{\"type\":\"teleport\"}}", 422,
       "UNKNOWN_NAME", "/move/type"},
  };
  CHECK_ALL(table);
}

static void types_that_are_not_taken_are_415_and_406(void) {
  const char *const xml[] = {"Content-Type: application/xml", NULL};
  const char *const gzip[] = {"Content-Type: application/json", "Content-Encoding: gzip", NULL};
  const char *const html[] = {"Content-Type: application/json", "Accept: text/html", NULL};
  const struct {
    const char *const *headers;
    struct bad bad;
  } table[] = {
      {xml, {"POST", WELL "/sample", "{\"n\":1}", 415, "UNSUPPORTED_MEDIA_TYPE", NULL}},
      {gzip, {"POST", WELL "/sample", "{\"n\":1}", 415, "UNSUPPORTED_MEDIA_TYPE", NULL}},
      {html, {"POST", WELL "/sample", "{\"n\":1}", 406, "NOT_ACCEPTABLE", NULL}},
  };
  for (size_t k = 0; k < sizeof table / sizeof *table; k++) {
    const struct bad *bad = &table[k].bad;
    struct answer answer =
        call_with(&server, bad->method, bad->path, bad->body, strlen(bad->body), table[k].headers);
    check_problem(bad, &answer);
    answer_free(&answer);
  }
}

static void what_is_too_large_is_413_and_names_the_limit(void) {
  static const struct bad table[] = {
      {"POST", WELL "/sample", "{\"n\":1000001}", 413, "TOO_LARGE", NULL},
      {"POST", WELL "/estimate", "{\"n\":100000001}", 413, "TOO_LARGE", NULL},
  };
  CHECK_ALL(table);
  struct answer answer = call(&server, "POST", WELL "/sample", "{\"n\":1000001}");
  CHECK_INT(answer_number(&answer, "limit"), 1000000);
  answer_free(&answer);
  char reply[4096];
  static const char huge[] =
      "POST " WELL "/sample HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n";
  call_raw(&server, huge, sizeof huge - 1, reply, sizeof reply, 3000);
  CHECK_MSG(strstr(reply, " 413 "), "%s", reply);
}

static void bytes_that_are_not_http_never_get_a_2xx(void) {
  static const char *const table[] = {
      "\r\n\r\n\r\n",
      "GET\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
      "GET / HTTP/9.9\r\n\r\n",
      "POST " WELL
      "/sample HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\nTransfer-Encoding: "
      "chunked\r\n\r\n0\r\n\r\n",
      "POST " WELL
      "/sample HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\nContent-Length: "
      "8\r\n\r\n{\"n\":1}",
      "POST " WELL "/sample HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
      "GET /v1/models/%00 HTTP/1.1\r\nHost: x\r\n\r\n",
  };
  for (size_t k = 0; k < sizeof table / sizeof *table; k++) {
    char reply[8192];
    call_raw(&server, table[k], strlen(table[k]), reply, sizeof reply, 500);
    CHECK_MSG(!strstr(reply, "HTTP/1.1 2") && !strstr(reply, "HTTP/1.0 2"), "%zu: %s", k, reply);
  }
  struct answer live = call(&server, "GET", "/livez", NULL);
  CHECK_INT(live.status, 200);
  answer_free(&live);
}

int main(int argc, char **argv) {
  daemon_begin(&server);
  RUN(malformed_bodies_are_400);
  RUN(impossible_values_are_422);
  RUN(things_that_are_not_there_are_404);
  RUN(methods_names_and_queries_are_checked);
  RUN(bad_models_are_refused);
  RUN(bad_jobs_are_refused);
  RUN(types_that_are_not_taken_are_415_and_406);
  RUN(what_is_too_large_is_413_and_names_the_limit);
  RUN(bytes_that_are_not_http_never_get_a_2xx);
  daemon_end(&server);
  return check_report();
}
