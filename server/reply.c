/* reply.c - the ways to answer a request. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/utf8.h"
#include "server/config.h"
#include "server/exchange.h"
#include "server/json.h"
#include "server/metrics.h"

static const char *title_of(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    default:
      return "Error";
  }
}

static void add_header(struct exchange *exchange, const char *name, const char *value) {
  struct header *header = BOLTZ_NEW(exchange->request.arena, struct header);
  char *copy = header ? boltz_arena_strdup(exchange->request.arena, value) : NULL;
  if (!copy) return;
  *header = (struct header){.name = name, .value = copy, .next = exchange->reply.headers};
  exchange->reply.headers = header;
}

void request_header(struct request *request, const char *name, const char *format, ...) {
  char value[128], *longer = NULL;
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  int n = vsnprintf(value, sizeof value, format, arguments);
  if (n >= (int)sizeof value && (longer = boltz_arena_scratch(request->arena, (size_t)n + 1, 1)))
    vsnprintf(longer, (size_t)n + 1, format, again);
  if (n >= 0 && (n < (int)sizeof value || longer))
    add_header(exchange_of(request), name, longer ? longer : value);
  va_end(again);
  va_end(arguments);
}

void reply_chunks(struct request *request, int status, const char *content_type,
                  struct chunk *chunks, size_t nchunks) {
  struct exchange *exchange = exchange_of(request);
  assert(exchange->reply.status == 0);
  exchange->reply.status = status;
  exchange->reply.content_type = content_type;
  exchange->reply.chunks = chunks;
  exchange->reply.nchunks = nchunks;
  if (status == 429 || status == 503) add_header(exchange, "Retry-After", "1");
  if (status == 500) metrics_add(request->server->metrics, METRIC_INTERNAL_ERRORS, 1);
  exchange->answer(exchange);
}

/* One chunk of malloc'ed data, which may be NULL. */
static void reply_data(struct request *request, int status, const char *content_type, char *data,
                       size_t size) {
  struct chunk *chunk = data ? malloc(sizeof *chunk) : NULL;
  if (!chunk) {
    free(data);
    reply_chunks(request, data ? 503 : status, NULL, NULL, 0);
    return;
  }
  *chunk = (struct chunk){.data = data, .size = size};
  reply_chunks(request, status, content_type, chunk, 1);
}

void reply_empty(struct request *request, int status) {
  reply_chunks(request, status, NULL, NULL, 0);
}

void reply_text(struct request *request, int status, const char *content_type, const char *text) {
  char *copy = strdup(text);
  reply_data(request, copy ? status : 503, content_type, copy, strlen(text));
}

void reply_json(struct request *request, int status, struct cJSON *body) {
  char *text = body ? json_take_text(body) : NULL;
  if (!text) {
    reply_chunks(request, 500, NULL, NULL, 0);
    return;
  }
  reply_data(request, status, "application/json", text, strlen(text));
}

/* A sentence may quote what a client sent, and be cut within a character: what is no UTF-8 becomes
   a question mark. */
static void make_utf8(char *text) {
  const unsigned char *end = (unsigned char *)text + strlen(text);
  for (int n; *text; text += n) {
    n = utf8_length((unsigned char *)text, end);
    if (n > 0) continue;
    *text = '?';
    n = 1;
  }
}

/* `limit` < 0: the problem has none. */
static void problem(struct request *request, int status, const char *reason, const char *pointer,
                    int64_t limit, char *detail) {
  make_utf8(detail);
  cJSON *body = cJSON_CreateObject();
  cJSON_AddStringToObject(body, "type", "about:blank");
  cJSON_AddStringToObject(body, "title", title_of(status));
  json_add_integer(body, "status", status);
  cJSON_AddStringToObject(body, "detail", detail);
  cJSON_AddStringToObject(body, "reason", reason);
  cJSON_AddStringToObject(body, "error", detail);
  if (limit >= 0) json_add_integer(body, "limit", limit);
  if (pointer && *pointer) {
    cJSON *error = cJSON_CreateObject();
    cJSON_AddStringToObject(error, "pointer", pointer);
    cJSON_AddStringToObject(error, "detail", detail);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(body, "errors"), error);
  }
  char *text = json_take_text(body);
  reply_data(request, text ? status : 503, "application/problem+json", text,
             text ? strlen(text) : 0);
}

void reply_problem(struct request *request, int status, const char *reason, const char *pointer,
                   const char *format, ...) {
  char detail[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(detail, sizeof detail, format, arguments);
  va_end(arguments);
  problem(request, status, reason, pointer, -1, detail);
}

void reply_too_large(struct request *request, const char *pointer, int64_t limit,
                     const char *format, ...) {
  char detail[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(detail, sizeof detail, format, arguments);
  va_end(arguments);
  problem(request, 413, "TOO_LARGE", pointer, limit, detail);
}

void reply_status(struct request *request, enum boltz_status status, const char *prefix) {
  static const struct {
    int http;
    const char *reason; /* NULL: the status's own name */
  } table[] = {
      [BOLTZ_OK] = {500, "INTERNAL"},
      [BOLTZ_NO_MEMORY] = {413, "TOO_LARGE"},
      [BOLTZ_MALFORMED_JSON] = {400, NULL},
      [BOLTZ_MALFORMED_NPY] = {400, NULL},
      [BOLTZ_UNKNOWN_MEMBER] = {400, NULL},
      [BOLTZ_MISSING_MEMBER] = {400, NULL},
      [BOLTZ_DUPLICATE_MEMBER] = {400, NULL},
      [BOLTZ_WRONG_TYPE] = {400, NULL},
      [BOLTZ_OUT_OF_RANGE] = {422, NULL},
      [BOLTZ_UNKNOWN_KIND] = {422, NULL},
      [BOLTZ_UNKNOWN_NAME] = {422, NULL},
      [BOLTZ_BAD_ROW] = {422, NULL},
      [BOLTZ_OUT_OF_DOMAIN] = {422, NULL},
      [BOLTZ_BAD_CHECKPOINT] = {422, NULL},
      [BOLTZ_IO] = {503, "STORE"},
  };
  char pointer[600], detail[1024];
  snprintf(pointer, sizeof pointer, "%s%s", prefix, boltz_error_pointer());
  snprintf(detail, sizeof detail, "%s", boltz_error());
  make_utf8(pointer);
  problem(request, table[status].http,
          table[status].reason ? table[status].reason : boltz_status_name(status), pointer, -1,
          detail);
}

void reply_stream(struct request *request, int status, const char *content_type,
                  struct stream *stream) {
  struct exchange *exchange = exchange_of(request);
  assert(exchange->reply.status == 0);
  stream->request = request;
  exchange->reply.status = status;
  exchange->reply.content_type = content_type;
  exchange->reply.stream = stream;
  exchange->answer(exchange);
}

void reply_free(struct reply *reply) {
  for (size_t k = 0; k < reply->nchunks; k++) free(reply->chunks[k].data);
  free(reply->chunks);
  reply->chunks = NULL;
  reply->nchunks = 0;
}
