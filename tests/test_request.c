/* test_request.c - from the head and the body of a request to what a handler sees, or to the reply
 * that says what is wrong; no daemon is needed. */
#include "boltz/npy.h"
#include "server/config.h"
#include "server/exchange.h"
#include "tests/check.h"

static void nobody_waits(struct exchange *exchange) {
  (void)exchange;
}

static struct config config;
static struct server server = {.config = &config};

/** A request as it comes in; headers are "Name: value", NULL-ended. */
static struct exchange *ask(const char *method, const char *uri, const char *const *headers) {
  struct exchange *exchange = calloc(1, sizeof *exchange);
  exchange->request.server = &server;
  exchange->request.arena = boltz_arena_open(0);
  exchange->answer = nobody_waits;
  exchange->method = method;
  exchange->uri = uri;
  exchange->pattern = "";
  for (; headers && *headers; headers++) {
    struct header *header = BOLTZ_NEW(exchange->request.arena, struct header);
    char *name = boltz_arena_strdup(exchange->request.arena, *headers);
    char *colon = strchr(name, ':');
    *colon = 0;
    *header = (struct header){name, colon + 2, exchange->headers};
    exchange->headers = header;
  }
  return exchange;
}

static void end(struct exchange *exchange) {
  reply_free(&exchange->reply);
  free(exchange->body);
  boltz_arena_close(exchange->request.arena);
  free(exchange);
}

static void give_body(struct exchange *exchange, const void *bytes, size_t size) {
  exchange->body = malloc(size + 1);
  memcpy(exchange->body, bytes, size);
  exchange->body[size] = 0;
  exchange->request.nbytes = size;
}

#define HEADERS(...)      \
  (const char *const[]) { \
    __VA_ARGS__, NULL     \
  }

/* The reply as JSON, in the request's arena; NULL when it is none. */
static const struct boltz_json *reply_of(struct exchange *exchange) {
  struct boltz_json *root = NULL;
  const struct reply *reply = &exchange->reply;
  if (reply->nchunks != 1 || boltz_json_parse(reply->chunks[0].data, reply->chunks[0].size, 8,
                                              exchange->request.arena, &root) != BOLTZ_OK)
    return NULL;
  return root;
}

static const char *text_of(struct exchange *exchange, const char *member) {
  const struct boltz_json *node = boltz_json_member(reply_of(exchange), member);
  return node && node->type == BOLTZ_JSON_STRING ? node->text : "";
}

static const char *pointer_of(struct exchange *exchange) {
  const struct boltz_json *errors = boltz_json_member(reply_of(exchange), "errors");
  const struct boltz_json *pointer =
      errors && errors->child ? boltz_json_member(errors->child, "pointer") : NULL;
  return pointer ? pointer->text : "";
}

static const char *reply_header(const struct exchange *exchange, const char *name) {
  for (const struct header *header = exchange->reply.headers; header; header = header->next)
    if (strcmp(header->name, name) == 0) return header->value;
  return "";
}

/* A head and what is said about it: status 0, it is taken. */
static void check_head(const char *method, const char *uri, const char *const *headers, int status,
                       const char *reason) {
  struct exchange *exchange = ask(method, uri, headers);
  bool good = exchange_head(exchange);
  CHECK_MSG(good == (status == 0) && exchange->reply.status == status, "%s %s %s: %d", method, uri,
            headers ? headers[0] : "", exchange->reply.status);
  if (reason)
    CHECK_MSG(strcmp(text_of(exchange, "reason"), reason) == 0, "%s %s: %s", method, uri,
              text_of(exchange, "detail"));
  end(exchange);
}

static void a_path_leads_to_its_route_with_its_parameters(void) {
  struct exchange *exchange = ask("GET", "/v1/models/my%2Dmodel_1/versions/3?", NULL);
  CHECK(exchange_head(exchange));
  CHECK_TEXT(exchange->request.route->path, "/v1/models/{model}/versions/{version}");
  CHECK_TEXT(exchange->request.parameters[0], "my-model_1");
  CHECK_TEXT(exchange->request.parameters[1], "3");
  end(exchange);
  exchange = ask("HEAD", "/v1/models", NULL);
  CHECK(exchange_head(exchange));
  CHECK_TEXT(exchange->request.route->method, "GET");
  CHECK(exchange->request.head);
  end(exchange);
  check_head("GET", "/", NULL, 0, NULL);
}

static void what_is_no_path_is_404_and_what_is_no_method_405(void) {
  static const char *const none[] = {"/v2",
                                     "//",
                                     "/v1/models/",
                                     "/v1//models",
                                     "/v1/models/a/b",
                                     "",
                                     "*",
                                     "/v1/models/a/sample/",
                                     "/livez/",
                                     "livez",
                                     "/v1/m%6fdels",
                                     "/a/b/c/d/e/f/g/h/i/j"};
  for (size_t k = 0; k < sizeof none / sizeof *none; k++)
    check_head("GET", none[k], NULL, 404, "PATH_NOT_FOUND");
  check_head("TRACE", "/livez", NULL, 405, "METHOD_NOT_ALLOWED");
  check_head("HEAD", "/v1/models/a/sample", NULL, 405, "METHOD_NOT_ALLOWED");
  check_head("get", "/livez", NULL, 405, "METHOD_NOT_ALLOWED");
  struct exchange *exchange = ask("PUT", "/v1/models/a", NULL);
  CHECK(!exchange_head(exchange));
  const char *allow = reply_header(exchange, "Allow");
  CHECK(strstr(allow, "GET, HEAD") && strstr(allow, "DELETE") && strstr(allow, "PATCH") &&
        strstr(allow, "OPTIONS") && !strstr(allow, "PUT"));
  end(exchange);
  exchange = ask("OPTIONS", "/v1/models/a/sample", NULL);
  CHECK(!exchange_head(exchange));
  CHECK_INT(exchange->reply.status, 204);
  CHECK_TEXT(reply_header(exchange, "Allow"), "POST, OPTIONS");
  end(exchange);
}

static void a_name_in_a_path_is_checked(void) {
  char longest[96], over[96];
  snprintf(longest, sizeof longest, "/v1/models/%064d", 0);
  snprintf(over, sizeof over, "/v1/models/%065d", 0);
  check_head("GET", longest, NULL, 0, NULL);
  check_head("GET", over, NULL, 400, "BAD_NAME");
  static const char *const bad[] = {"/v1/models/-a",     "/v1/models/.",     "/v1/models/..",
                                    "/v1/models/a%2fb",  "/v1/models/a%00b", "/v1/models/a%zz",
                                    "/v1/models/a%2",    "/v1/models/a%",    "/v1/models/a%20b",
                                    "/v1/models/%c3%a9", "/v1/models/a+b",   "/v1/jobs/~/events"};
  for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
    check_head("GET", bad[k], NULL, 400, "BAD_NAME");
}

static void query_parameters_are_decoded_and_checked(void) {
  struct exchange *exchange = ask("GET", "/v1/jobs?model=a%2Bb+c&&status=", NULL);
  CHECK(exchange_head(exchange));
  CHECK_TEXT(request_query(&exchange->request, "model"), "a+b c");
  CHECK_TEXT(request_query(&exchange->request, "status"), "");
  CHECK(request_query(&exchange->request, "kind") == NULL);
  end(exchange);
  check_head("GET", "/v1/models?pages=1", NULL, 400, "UNKNOWN_MEMBER");
  check_head("GET", "/v1/models?=1", NULL, 400, "UNKNOWN_MEMBER");
  check_head("GET", "/livez?x", NULL, 400, "UNKNOWN_MEMBER");
  check_head("GET", "/v1/models?page_size=1&page_size=1", NULL, 400, "DUPLICATE_MEMBER");
  check_head("GET", "/v1/models?page_size=%", NULL, 400, NULL);
  check_head("GET", "/v1/models?page_size=%00", NULL, 400, NULL);
}

static void a_page_has_1_to_500_items(void) {
  static const struct {
    const char *uri;
    int status, size;
  } cases[] = {{"/v1/models", 0, 50},
               {"/v1/models?page_size=1", 0, 1},
               {"/v1/models?page_size=500", 0, 500},
               {"/v1/models?page_size=0", 422, 0},
               {"/v1/models?page_size=501", 422, 0},
               {"/v1/models?page_size=99999999999999999999", 422, 0},
               {"/v1/models?page_size=", 400, 0},
               {"/v1/models?page_size=-1", 422, 0},
               {"/v1/models?page_size=5.0", 400, 0}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    struct exchange *exchange = ask("GET", cases[k].uri, NULL);
    int size = 0;
    const char *token;
    CHECK(exchange_head(exchange));
    bool good = request_page(&exchange->request, &size, &token);
    CHECK_MSG(good == (cases[k].status == 0), "%s", cases[k].uri);
    CHECK_INT(exchange->reply.status, cases[k].status);
    if (good) CHECK_INT(size, cases[k].size);
    end(exchange);
  }
}

/* What libmicrohttpd lets pass and two servers may read in two ways. */
static void doubtful_framing_ends_the_connection(void) {
  static const struct {
    const char *headers[3];
    int status;
  } cases[] = {{{"Content-Length: 2", "Transfer-Encoding: chunked"}, 400},
               {{"Content-Length: 2", "Content-Length: 3"}, 400},
               {{"Content-Length: 2", "content-length: 2"}, 400},
               {{"Transfer-Encoding: gzip"}, 400},
               {{"Transfer-Encoding: gzip, chunked"}, 400},
               {{"Content-Length : 2"}, 400},
               {{"Content-Length: -1"}, 400},
               {{"Content-Length: +2"}, 400},
               {{"Content-Length: 2,2"}, 400},
               {{"Content-Length: "}, 400},
               {{"Content-Length: 0x2"}, 400},
               {{"Content-Length: 67108865"}, 413},
               {{"Content-Length: 18446744073709551616"}, 413},
               {{"Content-Length: 99999999999999999999999999"}, 413}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    struct exchange *exchange = ask("POST", "/v1/models", cases[k].headers);
    CHECK(!exchange_head(exchange));
    CHECK_MSG(exchange->reply.status == cases[k].status, "%s: %d", cases[k].headers[0],
              exchange->reply.status);
    CHECK(exchange->reply.close);
    if (cases[k].status == 413) {
      const struct boltz_json *limit = boltz_json_member(reply_of(exchange), "limit");
      CHECK(limit && limit->number == 67108864); /* 64 MiB */
    }
    end(exchange);
  }
  check_head("POST", "/v1/models", HEADERS("Content-Length: 67108864"), 0, NULL);
  check_head("POST", "/v1/models", HEADERS("Transfer-Encoding: Chunked"), 0, NULL);
}

static void a_body_of_another_kind_is_415(void) {
  static const struct {
    const char *path, *header;
    int status;
  } cases[] = {{"/v1/models", "Content-Type: application/json", 0},
               {"/v1/models", "Content-Type: Application/JSON ; charset=utf-8", 0},
               {"/v1/models", "Content-Type: application/jsonx", 415},
               {"/v1/models", "Content-Type: text/xml", 415},
               {"/v1/models", "Content-Type: application/x-npy", 415},
               {"/v1/models", "Content-Encoding: identity", 415},
               {"/v1/models", "Content-Encoding: gzip", 415},
               {"/v1/models/a/weights", "Content-Type: application/x-npy", 0},
               {"/v1/models/a/sample", "Content-Type: application/x-npy", 415},
               {"/v1/models/a/versions", "Content-Type: application/octet-stream", 0},
               {"/v1/models/a/versions", "Content-Type: image/png", 415}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
    check_head("POST", cases[k].path, HEADERS(cases[k].header), cases[k].status,
               cases[k].status ? "UNSUPPORTED_MEDIA_TYPE" : NULL);
}

static void the_reply_is_of_the_kind_that_is_accepted(void) {
  static const struct {
    const char *method, *path, *header;
    int accept; /* enum accept; -1: 406 */
  } cases[] = {
      {"POST", "/v1/models/a/sample", "Accept: */*", ACCEPT_JSON},
      {"POST", "/v1/models/a/sample", "Accept: ", ACCEPT_JSON},
      {"POST", "/v1/models/a/sample", "Accept: application/*", ACCEPT_JSON},
      {"POST", "/v1/models/a/sample", "Accept: application/x-npy", ACCEPT_NPY},
      {"POST", "/v1/models/a/sample", "Accept: application/X-NPY;q=0.5, */*;q=0.1", ACCEPT_NPY},
      {"POST", "/v1/models/a/sample", "Accept: application/x-npy;q=0.5, application/json",
       ACCEPT_JSON},
      {"POST", "/v1/models/a/sample", "Accept: application/x-npy;q=0", -1},
      {"POST", "/v1/models/a/sample", "Accept: text/html", -1},
      {"POST", "/v1/models/a/sample", "Accept: application/jsonp", -1},
      {"POST", "/v1/models/a/weights", "Accept: application/x-npy", ACCEPT_NPY},
      {"POST", "/v1/models/a/estimate", "Accept: application/x-npy", -1},
      {"GET", "/v1/models", "Accept: application/x-npy", -1},
      {"GET", "/v1/models", "Accept: application/problem+json", ACCEPT_JSON},
      {"GET", "/v1/models", "Accept: */*;q=0", -1},
      {"GET", "/v1/datasets/d?n=1", "Accept: application/x-npy", ACCEPT_NPY},
      {"GET", "/v1/jobs/j/events", "Accept: text/event-stream", ACCEPT_EVENTS},
      {"GET", "/v1/jobs/j/events", "Accept: application/json", ACCEPT_JSON},
      {"GET", "/livez", "Accept: image/png", ACCEPT_JSON},
      {"GET", "/metrics", "Accept: text/plain", ACCEPT_JSON},
      {"GET", "/", "Accept: text/html,application/xhtml+xml,*/*;q=0.8", -2},
      {"GET", "/v1/models/a/versions/1/checkpoint", "Accept: application/octet-stream", -2},
  };
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    struct exchange *exchange = ask(cases[k].method, cases[k].path, HEADERS(cases[k].header));
    bool good = exchange_head(exchange);
    CHECK_MSG(good == (cases[k].accept != -1), "%s %s", cases[k].path, cases[k].header);
    if (cases[k].accept == -1)
      CHECK_INT(exchange->reply.status, 406);
    else if (cases[k].accept >= 0)
      CHECK_MSG((int)exchange->request.accept == cases[k].accept, "%s %s", cases[k].path,
                cases[k].header);
    end(exchange);
  }
}

static void ids_and_keys_are_kept_when_they_are_well_formed(void) {
  struct exchange *exchange =
      ask("POST", "/v1/jobs", HEADERS("X-Request-Id: my-id_1", "Idempotency-Key: \"k-1\""));
  CHECK(exchange_head(exchange));
  CHECK_TEXT(exchange->request.id, "my-id_1");
  CHECK_TEXT(exchange->request.idempotency_key, "k-1");
  end(exchange);
  static const char *const bad[] = {
      "a b", "", "é", "a\"b",
      "12345678901234567890123456789012345678901234567890123456789012345"}; /* 65 */
  for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
    char id[96], key[96];
    snprintf(id, sizeof id, "X-Request-Id: %s", bad[k]);
    snprintf(key, sizeof key, "Idempotency-Key: %s", bad[k]);
    exchange = ask("GET", "/livez", HEADERS(id));
    CHECK(exchange_head(exchange));
    CHECK_INT(strspn(exchange->request.id, "0123456789abcdef"), 32); /* one of our own */
    end(exchange);
    check_head("POST", "/v1/jobs", HEADERS(key), 400, NULL);
  }
}

/* Head and body of a POST; true when both are taken. */
static bool post(struct exchange *exchange, const void *bytes, size_t size) {
  if (!exchange_head(exchange)) return false;
  give_body(exchange, bytes, size);
  return exchange_body(exchange);
}

static void a_json_body_is_one_object_or_400(void) {
  static const struct {
    const char *body, *reason, *pointer;
  } cases[] = {
      {"[1]", "MALFORMED_JSON", ""},         {"1", "MALFORMED_JSON", ""},
      {" ", "MALFORMED_JSON", ""},           {"{", "MALFORMED_JSON", ""},
      {"{}{}", "MALFORMED_JSON", ""},        {"\xef\xbb\xbf{}", "MALFORMED_JSON", ""},
      {"{\"a\":NaN}", "MALFORMED_JSON", ""}, {"{\"a\":1,\"a\":1}", "DUPLICATE_MEMBER", "/a"}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    struct exchange *exchange = ask("POST", "/v1/models", NULL);
    CHECK(!post(exchange, cases[k].body, strlen(cases[k].body)));
    CHECK_INT(exchange->reply.status, 400);
    CHECK_TEXT(text_of(exchange, "reason"), cases[k].reason);
    CHECK_TEXT(text_of(exchange, "title"), "Bad Request");
    CHECK_TEXT(text_of(exchange, "error"), text_of(exchange, "detail"));
    CHECK_TEXT(pointer_of(exchange), cases[k].pointer);
    end(exchange);
  }
  struct exchange *exchange = ask("POST", "/v1/models", NULL);
  CHECK(!post(exchange, "", 0));
  CHECK_TEXT(text_of(exchange, "reason"), "MALFORMED_JSON");
  end(exchange);
}

static void an_npy_body_takes_its_other_members_from_the_query(void) {
  char npy[BOLTZ_NPY_HEADER + 48];
  const double values[] = {1, 2, 3, 4, 5, -0.0};
  size_t head = boltz_npy_header(3, 2, npy), n = 0;
  memcpy(npy + head, values, sizeof values);
  const char *const headers[] = {"Content-Type: application/x-npy", NULL};
  struct exchange *exchange = ask(
      "POST", "/v1/models/a/transform?to=z&version=3&gradient=true&t=1e3&u=3x&l=[1,2]", headers);
  CHECK(post(exchange, npy, head + sizeof values));
  const struct boltz_json *json = exchange->request.json;
  CHECK_INT(json->n, 6);
  CHECK_TEXT(boltz_json_member(json, "to")->text, "z");
  CHECK(boltz_json_member(json, "version")->number == 3);
  CHECK(boltz_json_member(json, "gradient")->truth);
  CHECK(boltz_json_member(json, "t")->number == 1000);
  CHECK_INT(boltz_json_member(json, "u")->type, BOLTZ_JSON_STRING);
  CHECK_INT(boltz_json_member(json, "l")->n, 2);
  const double *rows = NULL;
  CHECK(request_rows(&exchange->request, "x", 2, &rows, &n));
  CHECK_INT(n, 3);
  CHECK(rows && rows[4] == 5 && signbit(rows[5]));
  CHECK(!request_rows(&exchange->request, "x", 3, &rows, &n));
  CHECK_INT(exchange->reply.status, 422);
  CHECK_TEXT(text_of(exchange, "reason"), "BAD_ROW");
  end(exchange);
  exchange = ask("POST", "/v1/models/a/weights", headers);
  CHECK(!post(exchange, npy, head + 8));
  CHECK_TEXT(text_of(exchange, "reason"), "MALFORMED_NPY");
  end(exchange);
}

static void rows_are_read_or_the_bad_one_is_named(void) {
  static const struct {
    const char *body;
    int status;
    const char *reason, *pointer;
  } cases[] = {{"{\"x\":[[1,2],[3,4.5e-300]]}", 0, "", ""},
               {"{}", 400, "MISSING_MEMBER", "/x"},
               {"{\"x\":null}", 400, "MISSING_MEMBER", "/x"},
               {"{\"x\":[]}", 422, "OUT_OF_RANGE", "/x"},
               {"{\"x\":[1,2]}", 400, "WRONG_TYPE", "/x"},
               {"{\"x\":{}}", 400, "WRONG_TYPE", "/x"},
               {"{\"x\":[[1,2],3]}", 400, "WRONG_TYPE", "/x/1"},
               {"{\"x\":[[1,2],[1,\"2\"]]}", 400, "WRONG_TYPE", "/x/1"},
               {"{\"x\":[[1,2],[1,null]]}", 400, "WRONG_TYPE", "/x/1"},
               {"{\"x\":[[1,2],[]]}", 422, "BAD_ROW", "/x/1"},
               {"{\"x\":[[1,2],[1]]}", 422, "BAD_ROW", "/x/1"},
               {"{\"x\":[[1,2],[1,2,3]]}", 422, "BAD_ROW", "/x/1"},
               {"{\"x\":[[1e999,2]]}", 422, "BAD_ROW", "/x/0"},
               {"{\"x\":[[\"NaN\",2]]}", 422, "BAD_ROW", "/x/0"},
               {"{\"x\":[[1,\"-Infinity\"]]}", 422, "BAD_ROW", "/x/0"}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    struct exchange *exchange = ask("POST", "/v1/models/a/weights", NULL);
    const double *rows = NULL;
    size_t n = 0;
    CHECK(post(exchange, cases[k].body, strlen(cases[k].body)));
    bool good = request_rows(&exchange->request, "x", 2, &rows, &n);
    CHECK_MSG(good == (cases[k].status == 0), "%s", cases[k].body);
    CHECK_INT(exchange->reply.status, cases[k].status);
    if (good)
      CHECK(n == 2 && rows[0] == 1 && rows[3] == 4.5e-300);
    else
      CHECK_MSG(strcmp(text_of(exchange, "reason"), cases[k].reason) == 0 &&
                    strcmp(pointer_of(exchange), cases[k].pointer) == 0,
                "%s: %s %s", cases[k].body, text_of(exchange, "reason"), pointer_of(exchange));
    end(exchange);
  }
}

static void a_problem_is_json_whatever_the_client_sent(void) {
  static const char *const uris[] = {"/v1/models?%ff%fe=1", "/v1/models?%22%0a%5c=1",
                                     "/\xff\xc0\x80", "/v1/models?%ed%a0%80=1"};
  for (size_t k = 0; k < sizeof uris / sizeof *uris; k++) {
    struct exchange *exchange = ask("GET", uris[k], NULL);
    CHECK(!exchange_head(exchange));
    CHECK_MSG(reply_of(exchange) != NULL, "%s", uris[k]);
    CHECK_TEXT(exchange->reply.content_type, "application/problem+json");
    end(exchange);
  }
}

static void every_status_of_the_library_has_its_code(void) {
  static const struct {
    enum boltz_status status;
    int code;
    const char *reason;
  } cases[] = {
      {BOLTZ_MALFORMED_JSON, 400, "MALFORMED_JSON"}, {BOLTZ_UNKNOWN_MEMBER, 400, "UNKNOWN_MEMBER"},
      {BOLTZ_WRONG_TYPE, 400, "WRONG_TYPE"},         {BOLTZ_OUT_OF_RANGE, 422, "OUT_OF_RANGE"},
      {BOLTZ_UNKNOWN_KIND, 422, "UNKNOWN_KIND"},     {BOLTZ_BAD_ROW, 422, "BAD_ROW"},
      {BOLTZ_OUT_OF_DOMAIN, 422, "OUT_OF_DOMAIN"},   {BOLTZ_BAD_CHECKPOINT, 422, "BAD_CHECKPOINT"},
      {BOLTZ_NO_MEMORY, 413, "TOO_LARGE"},           {BOLTZ_IO, 503, "STORE"}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    struct exchange *exchange = ask("POST", "/v1/models", NULL);
    CHECK(exchange_head(exchange));
    boltz_fail_at(cases[k].status, "/b", "the value of b is wrong");
    reply_status(&exchange->request, cases[k].status, "/a");
    CHECK_INT(exchange->reply.status, cases[k].code);
    CHECK_TEXT(text_of(exchange, "reason"), cases[k].reason);
    CHECK_TEXT(text_of(exchange, "detail"), "the value of b is wrong");
    CHECK_TEXT(pointer_of(exchange), "/a/b");
    CHECK_TEXT(reply_header(exchange, "Retry-After"), cases[k].code == 503 ? "1" : "");
    end(exchange);
  }
}

int main(int argc, char **argv) {
  boltz_field_defaults(config_fields, &config);
  RUN(a_path_leads_to_its_route_with_its_parameters);
  RUN(what_is_no_path_is_404_and_what_is_no_method_405);
  RUN(a_name_in_a_path_is_checked);
  RUN(query_parameters_are_decoded_and_checked);
  RUN(a_page_has_1_to_500_items);
  RUN(doubtful_framing_ends_the_connection);
  RUN(a_body_of_another_kind_is_415);
  RUN(the_reply_is_of_the_kind_that_is_accepted);
  RUN(ids_and_keys_are_kept_when_they_are_well_formed);
  RUN(a_json_body_is_one_object_or_400);
  RUN(an_npy_body_takes_its_other_members_from_the_query);
  RUN(rows_are_read_or_the_bad_one_is_named);
  RUN(a_problem_is_json_whatever_the_client_sent);
  RUN(every_status_of_the_library_has_its_code);
  return check_report();
}
