/* common.c - lookups that answer for themselves, lists, operations on the store. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/api.h"

struct model *api_shown_model(struct request *request) {
  const char *name = request->parameters[0];
  struct model *model = registry_model(request->server->registry, name);
  if (!model) reply_problem(request, 404, "MODEL_NOT_FOUND", NULL, "there is no model %s", name);
  return model;
}

bool api_is_served(struct request *request, struct model *model, const char *pointer) {
  if (!model->withheld) return true;
  reply_problem(request, 409, MODEL_WITHHELD, pointer, "%s", model->withheld);
  model_release(model);
  return false;
}

struct model *api_model(struct request *request) {
  struct model *model = api_shown_model(request);
  return model && api_is_served(request, model, NULL) ? model : NULL;
}

/* A request that waits for a version's file, then starts anew. */
struct reload {
  struct task task;
  struct request *request;
  struct model *model;
  int64_t number;
};

static enum task_next handle_again(struct task *task, struct worker *worker) {
  (void)worker;
  struct request *request = ((struct reload *)task)->request;
  request->route->handle(request);
  return TASK_DONE;
}

static void load_version(void *argument) {
  struct reload *reload = argument;
  struct request *request = reload->request;
  enum boltz_status status =
      registry_load(request->server->registry, reload->model, reload->number);
  model_release(reload->model);
  if (status != BOLTZ_OK) {
    reply_problem(request, 503, "STORE", NULL, "%s", boltz_error());
    return;
  }
  reload->task.run = handle_again;
  pool_submit(request->server->pool, POOL_INTERACTIVE, &reload->task);
}

static void wait_for_version(struct request *request, int64_t number) {
  struct reload *reload = BOLTZ_NEW(request->arena, struct reload);
  if (!reload) {
    reply_status(request, BOLTZ_NO_MEMORY, "");
    return;
  }
  *reload = (struct reload){.request = request, .model = api_model(request), .number = number};
  if (!reload->model) return;
  struct model *model = reload->model;
  request_later(request);
  if (!api_post(request, load_version, reload)) model_release(model);
}

bool api_version(struct request *request, struct model *model, int64_t number,
                 struct version **version) {
  switch (registry_version(request->server->registry, model, number, version)) {
    case VERSION_READY:
      return true;
    case VERSION_NONE:
      reply_problem(request, 409, "NO_VERSION", NULL,
                    "model %s has no serving version: train one (POST /v1/jobs "
                    "{\"kind\":\"train\",\"model\":\"%s\"}) or choose one (PATCH /v1/models/%s "
                    "{\"serving\":1})",
                    model->name, model->name, model->name);
      return false;
    case VERSION_NOT_FOUND:
      reply_problem(request, 404, "VERSION_NOT_FOUND", NULL, "model %s has no version %lld",
                    model->name, (long long)number);
      return false;
    case VERSION_NOT_LOADED:
      break;
  }
  wait_for_version(request, number);
  return false;
}

bool api_version_number(struct request *request, int64_t *number) {
  const char *text = request->parameters[1];
  size_t digits = strspn(text, "0123456789");
  *number = digits && digits < 19 && !text[digits] && text[0] != '0' ? atoll(text) : 0;
  if (*number) return true;
  reply_problem(request, 404, "VERSION_NOT_FOUND", NULL,
                "model %s has no version %s: versions are numbered 1, 2, 3, …",
                request->parameters[0], text);
  return false;
}

bool api_fields(struct request *request, const struct boltz_field *fields,
                const char *const *others, void *settings) {
  enum boltz_status status =
      boltz_json_fields(request->json, fields, others, settings, request->arena);
  if (status != BOLTZ_OK) reply_status(request, status, "");
  return status == BOLTZ_OK;
}

bool api_query_int(struct request *request, const char *name, int64_t low, int64_t high,
                   int64_t def, int64_t *value) {
  const char *text = request_query(request, name);
  *value = def;
  if (!text) return true;
  const char *number = text + (*text == '-');
  size_t digits = strspn(number, "0123456789");
  if (!digits || number[digits]) {
    reply_problem(request, 400, "WRONG_TYPE", NULL, "%s = %.64s is not a whole number", name, text);
    return false;
  }
  errno = 0;
  *value = strtoll(text, NULL, 10);
  if (!errno && *value >= low && *value <= high) return true;
  reply_problem(request, 422, "OUT_OF_RANGE", NULL, "%s = %.64s is not in [%lld, %lld]", name, text,
                (long long)low, (long long)high);
  return false;
}

const struct boltz_json *api_member(const struct boltz_json *object, const char *name) {
  const struct boltz_json *member = boltz_json_member(object, name);
  return member && member->type != BOLTZ_JSON_NULL ? member : NULL;
}

bool api_seed(struct request *request, uint64_t given, uint64_t *seed) {
  *seed = given;
  if (api_member(request->json, "seed")) return true;
  if (!request_random(request, seed, sizeof *seed)) {
    reply_problem(request, 500, "INTERNAL", NULL, "the system gave no random numbers");
    return false;
  }
  *seed >>= 64 - 53;
  return true;
}

/* A page token is the last name of its page in hexadecimal: opaque, and safe in a URL. */
static const char *token_of(const char *name, struct boltz_arena *arena) {
  size_t n = strlen(name);
  char *token = boltz_arena_alloc(arena, 2 * n + 1, 1);
  if (!token) return NULL;
  for (size_t i = 0; i < n; i++) {
    token[2 * i] = "0123456789abcdef"[(unsigned char)name[i] >> 4];
    token[2 * i + 1] = "0123456789abcdef"[(unsigned char)name[i] & 15];
  }
  return token;
}

static const char *name_of(const char *token, struct boltz_arena *arena) {
  size_t n = strlen(token);
  if (n == 0 || n % 2 || n > 2 * REQUEST_NAME_MAX || strspn(token, "0123456789abcdef") != n)
    return NULL;
  char *name = boltz_arena_alloc(arena, n / 2 + 1, 1);
  for (size_t i = 0; name && i < n; i++) {
    int digit = token[i] <= '9' ? token[i] - '0' : token[i] - 'a' + 10;
    name[i / 2] = (char)(name[i / 2] << 4 | digit);
  }
  return name && name_is_well_formed(name) ? name : NULL;
}

struct api_page *api_page_new(struct request *request) {
  const char *token = NULL;
  int size = 0;
  if (!request_page(request, &size, &token)) return NULL;
  struct api_page *page = BOLTZ_NEW(request->arena, struct api_page);
  if (!page) {
    reply_status(request, BOLTZ_NO_MEMORY, "");
    return NULL;
  }
  page->request = request;
  page->size = size;
  if (!token) return page;
  page->after = name_of(token, request->arena);
  if (page->after) return page;
  reply_problem(request, 400, "BAD_PAGE_TOKEN", NULL,
                "page_token is not one that a list gave as next_page_token");
  return NULL;
}

void api_page_add(void *argument, const char *name) {
  struct api_page *page = argument;
  const char *copy = boltz_arena_strdup(page->request->arena, name);
  if (copy && page->n < API_PAGE_MOST) page->names[page->n++] = copy;
}

void api_page_reply(struct api_page *page,
                    cJSON *(*record)(struct request *request, const char *name)) {
  struct request *request = page->request;
  cJSON *body = cJSON_CreateObject();
  cJSON *items = cJSON_AddArrayToObject(body, "items");
  for (size_t i = 0; i < page->n; i++) {
    cJSON *item = record(request, page->names[i]);
    if (item) cJSON_AddItemToArray(items, item);
  }
  const char *token =
      page->more && page->n ? token_of(page->names[page->n - 1], request->arena) : NULL;
  json_add_text(body, "next_page_token", token);
  reply_json(request, 200, body);
}

bool api_post(struct request *request, void (*run)(void *argument), void *argument) {
  if (store_post(request->server->store, run, argument)) return true;
  reply_problem(request, 503, "DRAINING", NULL, "the daemon is stopping");
  return false;
}

struct errand {
  struct task task;
  struct request *request;
  void (*run)(struct request *request);
};

static enum task_next run_errand(struct task *task, struct worker *worker) {
  (void)worker;
  struct errand *errand = (struct errand *)task;
  errand->run(errand->request);
  return TASK_DONE;
}

void api_on_worker(struct request *request, void (*run)(struct request *request)) {
  struct errand *errand = BOLTZ_NEW(request->arena, struct errand);
  if (!errand) {
    reply_status(request, BOLTZ_NO_MEMORY, "");
    return;
  }
  *errand = (struct errand){.task.run = run_errand, .request = request, .run = run};
  pool_submit(request->server->pool, POOL_INTERACTIVE, &errand->task);
}

void api_refused(struct request *request, enum registry_outcome outcome, const char *not_found,
                 const char *what) {
  switch (outcome) {
    case REGISTRY_CONFLICT:
      reply_problem(request, 409, "ALREADY_EXISTS", NULL, "%s exists with other content", what);
      return;
    case REGISTRY_NOT_FOUND:
      reply_problem(request, 404, not_found, NULL, "there is no %s", what);
      return;
    case REGISTRY_IN_USE:
      reply_problem(request, 409, "IN_USE", NULL, "%s", boltz_error());
      return;
    default:
      reply_problem(request, 503, "STORE", NULL, "%s", boltz_error());
  }
}
