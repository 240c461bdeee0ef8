/* body.c - the body of a request: JSON, NPY or bytes into what handlers see. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "boltz/npy.h"
#include "server/config.h"
#include "server/exchange.h"

static const struct boltz_json *empty_object(struct boltz_arena *arena) {
  struct boltz_json *node = BOLTZ_NEW(arena, struct boltz_json);
  if (node) node->type = BOLTZ_JSON_OBJECT;
  return node;
}

static bool parse_json(struct exchange *exchange) {
  struct request *request = &exchange->request;
  struct boltz_json *root = NULL;
  if (request->nbytes == 0) {
    reply_problem(request, 400, "MALFORMED_JSON", NULL,
                  "the body is empty: it must be one JSON object");
    return false;
  }
  enum boltz_status status =
      boltz_json_parse(request->bytes, request->nbytes, (int)request->server->config->json_depth,
                       request->arena, &root);
  if (status == BOLTZ_OK && root->type != BOLTZ_JSON_OBJECT)
    status = boltz_fail(BOLTZ_MALFORMED_JSON, "the body must be one JSON object");
  if (status != BOLTZ_OK) {
    reply_status(request, status, "");
    return false;
  }
  request->json = root;
  return true;
}

/* A query parameter as a member: a JSON literal when it is one, else a string. */
static struct boltz_json *parameter_node(const struct header *parameter,
                                         struct boltz_arena *arena) {
  struct boltz_json *node = NULL;
  const char *value = parameter->value;
  bool literal = *value && (strchr("-0123456789[{", *value) || strcmp(value, "true") == 0 ||
                            strcmp(value, "false") == 0 || strcmp(value, "null") == 0);
  if (!literal || boltz_json_parse(value, strlen(value), 8, arena, &node) != BOLTZ_OK) {
    node = BOLTZ_NEW(arena, struct boltz_json);
    if (!node) return NULL;
    node->type = BOLTZ_JSON_STRING;
    node->text = value;
  }
  node->key = parameter->name;
  return node;
}

static bool parse_npy(struct exchange *exchange) {
  struct request *request = &exchange->request;
  double *rows = NULL;
  struct boltz_json *object = (struct boltz_json *)empty_object(request->arena);
  enum boltz_status status = object
                                 ? boltz_npy_read(request->bytes, request->nbytes, request->arena,
                                                  &rows, &request->nrows, &request->ncols)
                                 : BOLTZ_NO_MEMORY;
  if (status != BOLTZ_OK) {
    reply_status(request, status, "");
    return false;
  }
  request->rows = rows;
  for (const struct header *parameter = exchange->query; parameter; parameter = parameter->next) {
    struct boltz_json *node = parameter_node(parameter, request->arena);
    if (!node) continue;
    node->next = object->child;
    object->child = node;
    object->n++;
  }
  request->json = object;
  return true;
}

/* Bytes must be called so; a safetensors file does not begin with a brace. */
static bool wants_json(const struct exchange *exchange, const char *type) {
  bool bytes = type && strncasecmp(type, "application/octet-stream", 24) == 0;
  return !bytes && exchange->request.nbytes > 0 && exchange->body[0] == '{';
}

bool exchange_body(struct exchange *exchange) {
  struct request *request = &exchange->request;
  const char *type = exchange_header(exchange, "Content-Type");
  request->bytes = request->nbytes ? exchange->body : NULL; /* kept memory may be there */
  switch (request->route->body) {
    case BODY_NONE:
    case BODY_BYTES:
      return true;
    case BODY_BYTES_OR_JSON:
      return wants_json(exchange, type) ? parse_json(exchange) : true;
    case BODY_ARRAY:
      if (exchange->npy) return parse_npy(exchange);
      return parse_json(exchange);
    case BODY_JSON:
      return parse_json(exchange);
  }
  return true;
}

void exchange_handle(struct exchange *exchange) {
  if (exchange_body(exchange)) exchange->request.route->handle(&exchange->request);
}

/* ---- what handlers ask ---- */

bool request_page(struct request *request, int *page_size, const char **page_token) {
  const char *size = request_query(request, "page_size");
  *page_token = request_query(request, "page_token");
  *page_size = 50;
  if (!size) return true;
  const char *number = size + (*size == '-');
  size_t digits = strspn(number, "0123456789");
  if (digits == 0 || number[digits]) {
    reply_problem(request, 400, "WRONG_TYPE", NULL, "page_size = %.32s is not a whole number",
                  size);
    return false;
  }
  *page_size = digits > 4 ? 0 : atoi(size);
  if (*page_size >= 1 && *page_size <= 500) return true;
  reply_problem(request, 422, "OUT_OF_RANGE", NULL, "page_size = %.32s is not in [1, 500]", size);
  return false;
}

static bool is_non_finite_word(const char *text) {
  return strcmp(text, "NaN") == 0 || strcmp(text, "Infinity") == 0 ||
         strcmp(text, "-Infinity") == 0;
}

/* Why a node is no row of `dim` finite numbers; the reply is given. */
static void refuse_row(struct request *request, const char *name, size_t i, int dim,
                       const struct boltz_json *node) {
  char pointer[96];
  snprintf(pointer, sizeof pointer, "/%.64s/%zu", name, i);
  if (node->type != BOLTZ_JSON_ARRAY) {
    reply_problem(request, 400, "WRONG_TYPE", pointer, "%s[%zu] must be a list of %d numbers", name,
                  i, dim);
    return;
  }
  int j = 0;
  for (const struct boltz_json *child = node->child; child; child = child->next, j++) {
    bool word = child->type == BOLTZ_JSON_STRING && is_non_finite_word(child->text);
    if (child->type == BOLTZ_JSON_NUMBER || word) continue;
    reply_problem(request, 400, "WRONG_TYPE", pointer, "%s[%zu][%d] must be a number", name, i, j);
    return;
  }
  if (node->n != (size_t)dim)
    reply_problem(request, 422, "BAD_ROW", pointer, "%s[%zu] has %zu numbers, the model has dim %d",
                  name, i, node->n, dim);
  else
    reply_problem(request, 422, "BAD_ROW", pointer, "%s[%zu] has a number that is not finite", name,
                  i);
}

static bool is_finite_row(const double *row, size_t dim) {
  for (size_t j = 0; j < dim; j++)
    if (!isfinite(row[j])) return false;
  return true;
}

static bool npy_rows(struct request *request, const char *name, int dim, const double **rows,
                     size_t *n) {
  size_t width = (size_t)dim;
  if (boltz_json_member(request->json, name)) {
    reply_problem(request, 400, "UNKNOWN_MEMBER", NULL, "%s is the NPY body itself", name);
    return false;
  }
  if (request->nrows && request->ncols != width) {
    char pointer[96];
    snprintf(pointer, sizeof pointer, "/%.64s/0", name);
    reply_problem(request, 422, "BAD_ROW", pointer,
                  "the rows have %zu numbers, the model has dim %d", request->ncols, dim);
    return false;
  }
  for (size_t i = 0; i < request->nrows; i++) {
    if (is_finite_row(request->rows + i * width, width)) continue;
    char pointer[96];
    snprintf(pointer, sizeof pointer, "/%.64s/%zu", name, i);
    reply_problem(request, 422, "BAD_ROW", pointer, "%s[%zu] has a number that is not finite", name,
                  i);
    return false;
  }
  *rows = request->rows;
  *n = request->nrows;
  return true;
}

static bool json_rows(struct request *request, const char *name, int dim, const double **rows,
                      size_t *n) {
  const struct boltz_json *list = boltz_json_member(request->json, name);
  char pointer[80];
  snprintf(pointer, sizeof pointer, "/%.64s", name);
  if (!list || list->type == BOLTZ_JSON_NULL) {
    reply_problem(request, 400, "MISSING_MEMBER", pointer, "%s is missing", name);
    return false;
  }
  if (list->type != BOLTZ_JSON_ARRAY || list->numbers) {
    reply_problem(request, 400, "WRONG_TYPE", pointer, "%s must be a list of rows of %d numbers",
                  name, dim);
    return false;
  }
  double *all = boltz_arena_scratch(request->arena, list->n * (size_t)dim, sizeof *all);
  if (!all) {
    reply_status(request, BOLTZ_NO_MEMORY, "");
    return false;
  }
  size_t i = 0;
  for (const struct boltz_json *node = list->child; node; node = node->next, i++) {
    bool good = node->type == BOLTZ_JSON_ARRAY && node->numbers && node->n == (size_t)dim &&
                is_finite_row(node->numbers, node->n);
    if (!good) {
      refuse_row(request, name, i, dim, node);
      return false;
    }
    memcpy(all + i * (size_t)dim, node->numbers, (size_t)dim * sizeof *all);
  }
  *rows = all;
  *n = list->n;
  return true;
}

bool request_rows(struct request *request, const char *name, int dim, const double **rows,
                  size_t *n) {
  bool good = request->rows ? npy_rows(request, name, dim, rows, n)
                            : json_rows(request, name, dim, rows, n);
  if (!good || *n > 0) return good;
  char pointer[80];
  snprintf(pointer, sizeof pointer, "/%.64s", name);
  reply_problem(request, 422, "OUT_OF_RANGE", pointer, "%s is empty", name);
  return false;
}
