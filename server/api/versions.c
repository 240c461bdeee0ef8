/* versions.c - list, show, remove and download a model's versions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/api.h"

static void not_found(struct request *request, int64_t number) {
  reply_problem(request, 404, "VERSION_NOT_FOUND", NULL, "model %s has no version %lld",
                request->parameters[0], (long long)number);
}

/* Is there such a model? false: the reply is given. */
static bool model_exists(struct request *request) {
  struct model *model = api_shown_model(request);
  if (!model) return false;
  model_release(model);
  return true;
}

static cJSON *version_record(struct request *request, const char *number) {
  return registry_version_record(request->server->registry, request->parameters[0], atoll(number));
}

static void add_number(void *page, int64_t number) {
  char name[24];
  snprintf(name, sizeof name, "%lld", (long long)number);
  api_page_add(page, name);
}

static void handle_list(struct request *request) {
  if (!model_exists(request)) return;
  struct api_page *page = api_page_new(request);
  if (!page) return;
  registry_each_version(request->server->registry, request->parameters[0],
                        page->after ? atoll(page->after) : 0, page->size, &page->more, add_number,
                        page);
  api_page_reply(page, version_record);
}

static void handle_show(struct request *request) {
  int64_t number = 0;
  if (!model_exists(request) || !api_version_number(request, &number)) return;
  cJSON *record =
      registry_version_record(request->server->registry, request->parameters[0], number);
  if (record)
    reply_json(request, 200, record);
  else
    not_found(request, number);
}

/* A named version, for an operation on the store thread. */
struct choice {
  struct request *request;
  int64_t number;
};

static void post(struct request *request, void (*run)(void *argument)) {
  struct choice *choice = BOLTZ_NEW(request->arena, struct choice);
  int64_t number = 0;
  if (!choice) {
    reply_status(request, BOLTZ_NO_MEMORY, "");
    return;
  }
  if (!model_exists(request) || !api_version_number(request, &number)) return;
  *choice = (struct choice){request, number};
  api_post(request, run, choice);
}

/* On the store thread. */
static void remove_version(void *argument) {
  struct choice *choice = argument;
  struct request *request = choice->request;
  enum registry_outcome outcome =
      registry_delete_version(request->server->registry, request->parameters[0], choice->number);
  char what[128];
  snprintf(what, sizeof what, "version %lld of model %s", (long long)choice->number,
           request->parameters[0]);
  if (outcome == REGISTRY_CREATED || outcome == REGISTRY_SAME)
    reply_empty(request, 204);
  else
    api_refused(request, outcome, "VERSION_NOT_FOUND", what);
}

static void handle_delete(struct request *request) {
  post(request, remove_version);
}

/* On the store thread. */
static void send_checkpoint(void *argument) {
  struct choice *choice = argument;
  struct request *request = choice->request;
  char digest[STORE_DIGEST_SIZE];
  size_t size = 0;
  void *bytes = NULL;
  if (!registry_version_digest(request->server->registry, request->parameters[0], choice->number,
                               digest, &size)) {
    not_found(request, choice->number);
    return;
  }
  if (store_read_blob(request->server->store, digest, &bytes, &size) != BOLTZ_OK) {
    reply_problem(request, 503, "STORE", NULL, "%s", boltz_error());
    return;
  }
  struct chunk *chunk = malloc(sizeof *chunk);
  if (!chunk) {
    free(bytes);
    reply_status(request, boltz_fail(BOLTZ_NO_MEMORY, "no memory for a reply"), "");
    return;
  }
  *chunk = (struct chunk){bytes, size};
  request_header(request, "Content-Disposition", "attachment; filename=\"%s-%lld.safetensors\"",
                 request->parameters[0], (long long)choice->number);
  request_header(request, "ETag", "\"%s\"", digest);
  reply_chunks(request, 200, "application/octet-stream", chunk, 1);
}

static void handle_checkpoint(struct request *request) {
  post(request, send_checkpoint);
}

static const char *const page_query[] = {"page_size", "page_token", NULL};
static const char *const upload_query[] = {"serve", NULL};

const struct route api_versions[] = {
    {"GET", "/v1/models/{model}/versions", ROUTE_HERE, BODY_NONE, handle_list, page_query,
     "List a model's versions."},
    {"POST", "/v1/models/{model}/versions", ROUTE_LATER, BODY_BYTES_OR_JSON, api_handle_upload,
     upload_query, "Upload a checkpoint, or make a version of another one's weights."},
    {"GET", "/v1/models/{model}/versions/{version}", ROUTE_HERE, BODY_NONE, handle_show, NULL,
     "Show a version."},
    {"DELETE", "/v1/models/{model}/versions/{version}", ROUTE_LATER, BODY_NONE, handle_delete, NULL,
     "Remove a version that does not serve."},
    {"GET", "/v1/models/{model}/versions/{version}/checkpoint", ROUTE_LATER, BODY_NONE,
     handle_checkpoint, NULL, "Download a version's safetensors file."},
    {0}};
