/* models.c - register, list, show, remove energy models; choose the version that answers. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "server/api/api.h"
#include "server/plugin.h"

#define ENERGY_BYTES ((size_t)1 << 30) /* the largest energy holds a 4096 x 4096 matrix or two */

struct model_options {
  const char *name;
  double temperature;
};

#define AT(member) offsetof(struct model_options, member)

const struct boltz_field api_model_fields[] = {
    {.name = "name",
     .type = BOLTZ_FIELD_TEXT,
     .offset = AT(name),
     .high = 1e9, /* a name's form is checked by itself */
     .required = true,
     .doc = "of the model: [A-Za-z0-9][A-Za-z0-9._-]{0,63}"},
    {.name = "temperature",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = AT(temperature),
     .def = 1,
     .low = BOLTZ_TEMPERATURE_MIN,
     .high = BOLTZ_TEMPERATURE_MAX,
     .doc = "k_B T in the energy's own unit"},
    BOLTZ_FIELDS_END};

const struct boltz_field api_patch_fields[] = {
    {.name = "serving",
     .type = BOLTZ_FIELD_INT,
     .low = 1,
     .high = 0x1p63,
     .doc = "number of the version that answers; null: none"},
    BOLTZ_FIELDS_END};

/* ---- Register ---- */

struct registration {
  struct request *request;
  const char *name;
  struct boltz_arena *arena;
  struct boltz_energy energy;
};

/* On the store thread. */
static void add_model(void *argument) {
  struct registration *new = argument;
  struct request *request = new->request;
  struct registry *registry = request->server->registry;
  enum registry_outcome outcome = registry_add_model(registry, new->name, &new->energy, new->arena);
  if (outcome == REGISTRY_CREATED || outcome == REGISTRY_SAME) {
    request_header(request, "Location", "/v1/models/%s", new->name);
    reply_json(request, outcome == REGISTRY_CREATED ? 201 : 200,
               registry_model_record(registry, new->name));
    return;
  }
  struct model *there = registry_model(registry, new->name);
  if (there && !api_is_served(request, there, NULL)) return;
  model_release(there);
  char what[96];
  snprintf(what, sizeof what, "model %s", new->name);
  api_refused(request, outcome, "MODEL_NOT_FOUND", what);
}

/* The body into a registration; false: the reply is given. */
static bool parse_registration(struct request *request, struct registration *new) {
  static const char *const others[] = {"energy", NULL};
  struct model_options options;
  if (!api_fields(request, api_model_fields, others, &options)) return false;
  if (!name_is_well_formed(options.name)) {
    reply_problem(request, 400, "BAD_NAME", "/name",
                  "name = \"%.80s\" is not of the form [A-Za-z0-9][A-Za-z0-9._-]{0,63}",
                  options.name);
    return false;
  }
  const struct boltz_json *energy = api_member(request->json, "energy");
  if (!energy) {
    reply_problem(request, 400, "MISSING_MEMBER", "/energy", "energy = {\"kind\": …} is missing");
    return false;
  }
  new->name = options.name;
  new->arena = boltz_arena_open(ENERGY_BYTES);
  enum boltz_status status =
      new->arena ? boltz_energy_parse(energy, options.temperature, new->arena, &new->energy)
                 : boltz_fail(BOLTZ_NO_MEMORY, "no memory for an energy");
  /* its example was tried when the plug-in was loaded; these are other settings */
  if (status == BOLTZ_OK && plugins_of(request->server->plugins, new->energy.kind))
    status = boltz_energy_check(&new->energy, new->arena);
  if (status == BOLTZ_OK) return true;
  boltz_arena_close(new->arena);
  reply_status(request, status, "/energy");
  return false;
}

/* On a worker: some energies take their time to be made. */
static void register_model(struct request *request) {
  struct registration *new = BOLTZ_NEW(request->arena, struct registration);
  if (!new) {
    reply_status(request, BOLTZ_NO_MEMORY, "");
    return;
  }
  new->request = request;
  if (!parse_registration(request, new)) return;
  struct boltz_arena *arena = new->arena;
  if (!api_post(request, add_model, new)) boltz_arena_close(arena);
}

static void handle_register(struct request *request) {
  api_on_worker(request, register_model);
}

/* ---- Show ---- */

static cJSON *model_record(struct request *request, const char *name) {
  return registry_model_record(request->server->registry, name);
}

static void handle_list(struct request *request) {
  struct api_page *page = api_page_new(request);
  if (!page) return;
  registry_each_model(request->server->registry, page->after, page->size, &page->more, api_page_add,
                      page);
  api_page_reply(page, model_record);
}

static void handle_show(struct request *request) {
  const char *name = request->parameters[0];
  cJSON *record = model_record(request, name);
  if (record)
    reply_json(request, 200, record);
  else
    reply_problem(request, 404, "MODEL_NOT_FOUND", NULL, "there is no model %s", name);
}

/* ---- Change ---- */

struct serving {
  struct request *request;
  bool given;
  int64_t number; /* 0: none */
};

/* On the store thread. */
static void serve(void *argument) {
  struct serving *serving = argument;
  struct request *request = serving->request;
  struct registry *registry = request->server->registry;
  const char *name = request->parameters[0];
  struct model *model = api_shown_model(request);
  if (!model) return;
  if (serving->number && !api_is_served(request, model, "/serving")) return;
  model_release(model);
  enum registry_outcome outcome =
      serving->given ? registry_serve(registry, name, serving->number) : REGISTRY_SAME;
  if (outcome == REGISTRY_CREATED || outcome == REGISTRY_SAME) {
    reply_json(request, 200, model_record(request, name));
    return;
  }
  char what[128];
  snprintf(what, sizeof what, "version %lld of model %s", (long long)serving->number, name);
  api_refused(request, outcome, "VERSION_NOT_FOUND", what);
}

static void handle_patch(struct request *request) {
  struct serving *serving = BOLTZ_NEW(request->arena, struct serving);
  if (!serving) {
    reply_status(request, BOLTZ_NO_MEMORY, "");
    return;
  }
  /* Unlike elsewhere a null says something here: null and an absent member both leave number 0. */
  if (!api_fields(request, api_patch_fields, NULL, &serving->number)) return;
  serving->request = request;
  serving->given = boltz_json_member(request->json, "serving") != NULL;
  api_post(request, serve, serving);
}

/* On the store thread. */
static void remove_model(void *argument) {
  struct request *request = argument;
  const char *name = request->parameters[0];
  char what[96];
  enum registry_outcome outcome = registry_delete_model(request->server->registry, name);
  snprintf(what, sizeof what, "model %s", name);
  if (outcome == REGISTRY_CREATED || outcome == REGISTRY_SAME)
    reply_empty(request, 204);
  else
    api_refused(request, outcome, "MODEL_NOT_FOUND", what);
}

static void handle_delete(struct request *request) {
  api_post(request, remove_model, request);
}

static const char *const page_query[] = {"page_size", "page_token", NULL};

const struct route api_models[] = {
    {"POST", "/v1/models", ROUTE_LATER, BODY_JSON, handle_register, NULL,
     "Register an energy model."},
    {"GET", "/v1/models", ROUTE_HERE, BODY_NONE, handle_list, page_query, "List the models."},
    {"GET", "/v1/models/{model}", ROUTE_HERE, BODY_NONE, handle_show, NULL, "Show a model."},
    {"PATCH", "/v1/models/{model}", ROUTE_LATER, BODY_JSON, handle_patch, NULL,
     "Choose which version answers."},
    {"DELETE", "/v1/models/{model}", ROUTE_LATER, BODY_NONE, handle_delete, NULL,
     "Remove a model with its versions."},
    {0}};
