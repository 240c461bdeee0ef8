/* request.c - the head of a request: its route, its query, what its headers ask for. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "server/config.h"
#include "server/exchange.h"

#define API(name) extern const struct route api_##name[];
#include "server/api/list.h"
#undef API

static const struct route *const tables[] = {
#define API(name) api_##name,
#include "server/api/list.h"
#undef API
};

#define TABLES (sizeof tables / sizeof *tables)

bool name_is_well_formed(const char *name) {
  size_t n = strlen(name);
  if (n < 1 || n > REQUEST_NAME_MAX || !isalnum((unsigned char)name[0])) return false;
  for (size_t k = 1; k < n; k++)
    if (!isalnum((unsigned char)name[k]) && !strchr("._-", name[k])) return false;
  return true;
}

const char *exchange_header(const struct exchange *exchange, const char *name) {
  for (const struct header *header = exchange->headers; header; header = header->next)
    if (strcasecmp(header->name, name) == 0) return header->value;
  return NULL;
}

static int count_headers(const struct exchange *exchange, const char *name) {
  int n = 0;
  for (const struct header *header = exchange->headers; header; header = header->next)
    n += strcasecmp(header->name, name) == 0;
  return n;
}

/* A token of 1 … 64 of [A-Za-z0-9_-]. */
static bool is_token(const char *text, size_t n) {
  if (n < 1 || n > REQUEST_NAME_MAX) return false;
  for (size_t k = 0; k < n; k++)
    if (!isalnum((unsigned char)text[k]) && text[k] != '_' && text[k] != '-') return false;
  return true;
}

/* ---- percent-decoding and the query ---- */

static int hex(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

/* `n` bytes decoded into the arena; NULL for a bad escape, a NUL, or exhausted memory. */
static char *decode(struct boltz_arena *arena, const char *text, size_t n, bool plus) {
  char *out = boltz_arena_scratch(arena, n + 1, 1);
  size_t used = 0;
  if (!out) return NULL;
  for (size_t k = 0; k < n; k++) {
    int byte = (unsigned char)text[k];
    if (text[k] == '%') {
      if (k + 2 >= n || hex(text[k + 1]) < 0 || hex(text[k + 2]) < 0) return NULL;
      byte = hex(text[k + 1]) * 16 + hex(text[k + 2]);
      k += 2;
    } else if (plus && text[k] == '+') {
      byte = ' ';
    }
    if (byte == 0) return NULL;
    out[used++] = (char)byte;
  }
  out[used] = 0;
  return out;
}

static bool parse_query(struct exchange *exchange, const char *query) {
  struct request *request = &exchange->request;
  while (query && *query) {
    size_t n = strcspn(query, "&");
    size_t key = strcspn(query, "=&");
    struct header *parameter = BOLTZ_NEW(request->arena, struct header);
    const char *value = key < n ? query + key + 1 : query + n;
    if (!parameter) break;
    parameter->name = decode(request->arena, query, key, true);
    parameter->value = decode(request->arena, value, (size_t)(query + n - value), true);
    if (!parameter->name || !parameter->value) {
      reply_problem(request, 400, "WRONG_TYPE", NULL, "the query has a malformed percent-escape");
      return false;
    }
    if (request_query(request, parameter->name)) {
      reply_problem(request, 400, "DUPLICATE_MEMBER", NULL,
                    "the query parameter %.64s is given twice", parameter->name);
      return false;
    }
    if (n) {
      parameter->next = exchange->query;
      exchange->query = parameter;
    }
    query += n + (query[n] == '&');
  }
  return true;
}

const char *request_query(const struct request *request, const char *name) {
  const struct exchange *exchange = (const struct exchange *)request;
  for (const struct header *parameter = exchange->query; parameter; parameter = parameter->next)
    if (strcmp(parameter->name, name) == 0) return parameter->value;
  return NULL;
}

static bool check_query(struct exchange *exchange) {
  struct request *request = &exchange->request;
  const char *const *known = request->route->query;
  if (exchange->npy && request->route->body == BODY_ARRAY) return true;
  /* beside a JSON body the other members are in it, but for a dataset's model */
  static const char *const beside_json[] = {"model", NULL};
  if (request->route->body == BODY_ARRAY)
    known = strcmp(request->route->method, "PUT") == 0 ? beside_json : NULL;
  for (const struct header *parameter = exchange->query; parameter; parameter = parameter->next) {
    const char *const *name = known;
    while (name && *name && strcmp(*name, parameter->name) != 0) name++;
    if (name && *name) continue;
    char list[256] = "";
    for (name = known; name && *name; name++) {
      size_t used = strlen(list);
      snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", *name);
    }
    reply_problem(request, 400, "UNKNOWN_MEMBER", NULL,
                  "%.64s is not a query parameter here; known: %s", parameter->name,
                  *list ? list : "none");
    return false;
  }
  return true;
}

/* ---- routes ---- */

struct segments {
  int n;
  struct {
    const char *text;
    size_t size;
  } at[8];
};

static bool split(const char *path, size_t size, struct segments *segments) {
  segments->n = 0;
  if (size == 0 || path[0] != '/') return false;
  for (size_t k = 1; k < size || size == 1;) {
    size_t end = k;
    while (end < size && path[end] != '/') end++;
    if (size == 1) return true;
    if (segments->n == 8) return false;
    segments->at[segments->n].text = path + k;
    segments->at[segments->n++].size = end - k;
    k = end + 1;
    if (end == size - 1 && path[end] == '/') return false; /* a trailing slash is another path */
  }
  return true;
}

static bool matches(const char *pattern, const struct segments *path) {
  struct segments wanted;
  if (!split(pattern, strlen(pattern), &wanted) || wanted.n != path->n) return false;
  for (int k = 0; k < wanted.n; k++) {
    if (wanted.at[k].text[0] == '{') continue;
    if (wanted.at[k].size != path->at[k].size ||
        memcmp(wanted.at[k].text, path->at[k].text, path->at[k].size) != 0)
      return false;
  }
  return true;
}

/* The route of method and path; the path's methods into `allow` when it has others only. */
static const struct route *find_route(struct exchange *exchange, const struct segments *path,
                                      char *allow, size_t size) {
  const char *method = exchange->request.head ? "GET" : exchange->method;
  allow[0] = 0;
  for (size_t t = 0; t < TABLES; t++)
    for (const struct route *route = tables[t]; route->method; route++) {
      if (!matches(route->path, path)) continue;
      exchange->pattern = route->path;
      if (strcmp(route->method, method) == 0) return route;
      size_t used = strlen(allow);
      snprintf(allow + used, size - used, "%s%s", used ? ", " : "", route->method);
      if (strcmp(route->method, "GET") == 0 && used + 10 < size) strcat(allow, ", HEAD");
    }
  if (*allow) strncat(allow, ", OPTIONS", size - strlen(allow) - 1);
  return NULL;
}

static bool take_parameters(struct exchange *exchange, const struct segments *path) {
  struct request *request = &exchange->request;
  struct segments wanted;
  int n = 0;
  split(request->route->path, strlen(request->route->path), &wanted);
  for (int k = 0; k < wanted.n; k++) {
    if (wanted.at[k].text[0] != '{') continue;
    const char *name = decode(request->arena, path->at[k].text, path->at[k].size, false);
    if (!name || !name_is_well_formed(name)) {
      reply_problem(request, 400, "BAD_NAME", NULL,
                    "\"%.*s\" in the path is not a name: letters, digits, . _ -, at most 64, "
                    "beginning with a letter or digit",
                    (int)(path->at[k].size < 80 ? path->at[k].size : 80), path->at[k].text);
      return false;
    }
    request->parameters[n++] = name;
  }
  return true;
}

static bool choose_route(struct exchange *exchange) {
  struct request *request = &exchange->request;
  struct segments path;
  char allow[128];
  size_t size = strcspn(exchange->uri, "?");
  bool good = split(exchange->uri, size, &path);
  if (good) request->route = find_route(exchange, &path, allow, sizeof allow);
  if (request->route) return take_parameters(exchange, &path);
  if (!good || !*allow) {
    reply_problem(request, 404, "PATH_NOT_FOUND", NULL, "there is no path %.*s; see /openapi.json",
                  (int)(size < 200 ? size : 200), exchange->uri);
    return false;
  }
  request_header(request, "Allow", "%s", allow);
  if (strcmp(exchange->method, "OPTIONS") == 0)
    reply_empty(request, 204);
  else
    reply_problem(request, 405, "METHOD_NOT_ALLOWED", NULL,
                  "%.16s is not allowed here; allowed: %s", exchange->method, allow);
  return false;
}

/* ---- what the headers say ---- */

static bool refuse_framing(struct exchange *exchange, const char *why) {
  exchange->reply.close = true;
  reply_problem(&exchange->request, 400, "WRONG_TYPE", NULL, "%s", why);
  return false;
}

static bool check_framing(struct exchange *exchange) {
  const char *length = exchange_header(exchange, "Content-Length");
  const char *coding = exchange_header(exchange, "Transfer-Encoding");
  int64_t limit = exchange->request.server->config->body_bytes;
  for (const struct header *header = exchange->headers; header; header = header->next)
    if (strpbrk(header->name, " \t"))
      return refuse_framing(exchange, "a header's name has a space in it");
  if (coding && length)
    return refuse_framing(exchange, "Content-Length and Transfer-Encoding are both given");
  if (coding && strcasecmp(coding, "chunked") != 0)
    return refuse_framing(exchange, "the only Transfer-Encoding that is read is chunked");
  if (count_headers(exchange, "Content-Length") > 1)
    return refuse_framing(exchange, "Content-Length is given more than once");
  exchange->content_length = -1;
  if (!length) return true;
  size_t digits = strspn(length, "0123456789");
  if (digits == 0 || length[digits])
    return refuse_framing(exchange, "Content-Length is not a number");
  exchange->content_length = digits > 18 ? INT64_MAX : atoll(length);
  if (exchange->content_length <= limit) return true;
  exchange->reply.close = true;
  reply_too_large(&exchange->request, NULL, limit, "a body of %s bytes is over the limit of %lld",
                  length, (long long)limit);
  return false;
}

static bool media_is(const char *header, const char *type) {
  size_t n = strlen(type);
  if (strncasecmp(header, type, n) != 0) return false;
  header += n + strspn(header + n, " \t");
  return *header == 0 || *header == ';';
}

static bool check_content(struct exchange *exchange) {
  struct request *request = &exchange->request;
  const char *type = exchange_header(exchange, "Content-Type");
  const char *coding = exchange_header(exchange, "Content-Encoding");
  enum body_kind body = request->route->body;
  bool bytes = body == BODY_BYTES || body == BODY_BYTES_OR_JSON;
  if (coding) {
    reply_problem(request, 415, "UNSUPPORTED_MEDIA_TYPE", NULL,
                  "Content-Encoding %.32s is not read: send the body as it is", coding);
    return false;
  }
  if (body == BODY_NONE || !type) return true;
  exchange->npy = body == BODY_ARRAY && media_is(type, "application/x-npy");
  if (exchange->npy || (bytes && media_is(type, "application/octet-stream"))) return true;
  if (body != BODY_BYTES && media_is(type, "application/json")) return true;
  /* what curl -d says when nobody said anything */
  if (body != BODY_BYTES && media_is(type, "application/x-www-form-urlencoded")) return true;
  reply_problem(request, 415, "UNSUPPORTED_MEDIA_TYPE", NULL,
                "Content-Type %.64s is not read here; read: %s", type,
                body == BODY_JSON            ? "application/json"
                : body == BODY_ARRAY         ? "application/json, application/x-npy"
                : body == BODY_BYTES_OR_JSON ? "application/octet-stream, application/json"
                                             : "application/octet-stream");
  return false;
}

/* q of a media type in an Accept header: the most specific range that fits counts; -1: none. */
static double quality(const char *accept, const char *type) {
  double best = -1;
  int best_rank = -1;
  for (const char *at = accept; *at;) {
    size_t n = strcspn(at, ",");
    const char *range = at + strspn(at, " \t");
    size_t size = strcspn(range, ";, \t");
    const char *slash = strchr(type, '/');
    int rank = -1;
    if (size == 3 && memcmp(range, "*/*", 3) == 0)
      rank = 0;
    else if (size == (size_t)(slash - type) + 2 && range[size - 1] == '*' &&
             strncasecmp(range, type, size - 1) == 0)
      rank = 1;
    else if (size == strlen(type) && strncasecmp(range, type, size) == 0)
      rank = 2;
    if (rank > best_rank) {
      const char *q = range + size;
      double value = 1;
      while (q < at + n && (*q == ' ' || *q == '\t' || *q == ';')) q++;
      if (q + 2 < at + n && (*q == 'q' || *q == 'Q') && q[1] == '=') value = strtod(q + 2, NULL);
      best = value;
      best_rank = rank;
    }
    at += n + (at[n] == ',');
  }
  return best;
}

static bool ends_with(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n >= m && strcmp(text + n - m, end) == 0;
}

/* The type that a route answers with beside JSON, and what it means for the handler. */
static const char *other_type(const struct route *route, enum accept *accept) {
  *accept = ACCEPT_JSON;
  if (ends_with(route->path, "/events")) {
    *accept = ACCEPT_EVENTS;
    return "text/event-stream";
  }
  if (ends_with(route->path, "/checkpoint")) return "application/octet-stream";
  if (strcmp(route->path, "/") == 0) return "text/html";
  bool rows = route->body == BODY_ARRAY || ends_with(route->path, "/sample") ||
              (strcmp(route->method, "GET") == 0 && strncmp(route->path, "/v1/datasets/", 13) == 0);
  if (!rows || strcmp(route->method, "PUT") == 0) return NULL;
  *accept = ACCEPT_NPY;
  return "application/x-npy";
}

static bool is_health(const char *path) {
  return strcmp(path, "/livez") == 0 || strcmp(path, "/readyz") == 0 ||
         strcmp(path, "/metrics") == 0;
}

static bool choose_accept(struct exchange *exchange) {
  struct request *request = &exchange->request;
  const char *header = exchange_header(exchange, "Accept");
  enum accept accept;
  const char *other = other_type(request->route, &accept);
  if (!header || !*header || is_health(request->route->path)) return true;
  double json = quality(header, "application/json");
  double problem = quality(header, "application/problem+json");
  double wanted = other ? quality(header, other) : -1;
  if (wanted > 0 && wanted > json) request->accept = accept;
  if (wanted > 0 || json > 0 || problem > 0) return true;
  reply_problem(request, 406, "NOT_ACCEPTABLE", NULL,
                "nothing that is offered is in Accept: %.64s; offered: application/json%s%s",
                header, other ? ", " : "", other ? other : "");
  return false;
}

static bool take_idempotency_key(struct exchange *exchange) {
  const char *key = exchange_header(exchange, "Idempotency-Key");
  if (!key) return true;
  size_t n = strlen(key);
  if (n >= 2 && key[0] == '"' && key[n - 1] == '"') {
    key++;
    n -= 2;
  }
  if (!is_token(key, n)) {
    reply_problem(&exchange->request, 400, "WRONG_TYPE", NULL,
                  "Idempotency-Key must be 1 to 64 of A-Z a-z 0-9 _ -");
    return false;
  }
  char *copy = boltz_arena_alloc(exchange->request.arena, n + 1, 1);
  if (copy) memcpy(copy, key, n);
  exchange->request.idempotency_key = copy;
  return true;
}

bool request_random(struct request *request, void *bytes, size_t size) {
  struct entropy *entropy = &exchange_of(request)->entropy;
  if (entropy->left < size) {
    /* A read of up to 256 bytes is neither short nor interrupted. */
    ssize_t n = getrandom(entropy->bytes, sizeof entropy->bytes, 0);
    entropy->left = n == (ssize_t)sizeof entropy->bytes ? sizeof entropy->bytes : 0;
    if (entropy->left < size) return false;
  }
  entropy->left -= size;
  memcpy(bytes, entropy->bytes + entropy->left, size);
  return true;
}

static void take_id(struct exchange *exchange) {
  const char *id = exchange_header(exchange, "X-Request-Id");
  struct request *request = &exchange->request;
  if (id && is_token(id, strlen(id))) {
    strcpy(request->id, id);
    return;
  }
  unsigned char bytes[16] = {0};
  if (!request_random(request, bytes, sizeof bytes))
    snprintf((char *)bytes, sizeof bytes, "%lld", (long long)monotonic_ms());
  char *digit = request->id;
  for (size_t k = 0; k < sizeof bytes; k++) {
    *digit++ = "0123456789abcdef"[bytes[k] >> 4];
    *digit++ = "0123456789abcdef"[bytes[k] & 15];
  }
  *digit = 0;
}

bool exchange_head(struct exchange *exchange) {
  struct request *request = &exchange->request;
  const char *query = strchr(exchange->uri, '?');
  request->head = strcmp(exchange->method, "HEAD") == 0;
  take_id(exchange);
  request->last_event_id = exchange_header(exchange, "Last-Event-ID");
  return check_framing(exchange) && choose_route(exchange) && check_content(exchange) &&
         parse_query(exchange, query ? query + 1 : NULL) && check_query(exchange) &&
         choose_accept(exchange) && take_idempotency_key(exchange);
}
