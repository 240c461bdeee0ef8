/* catalog.c - what this daemon is, and the members of its families with their settings. */
#include "core/kernel/kernel.h"
#include "server/api/api.h"
#include "server/plugin.h"

/* ---- The catalog ---- */

static cJSON *entry(const char *name, const char *doc, const char *source,
                    const struct boltz_field *fields) {
  cJSON *object = cJSON_CreateObject();
  json_add_text(object, "name", name);
  json_add_text(object, "doc", doc);
  json_add_text(object, "source", source);
  cJSON_AddItemToObject(object, "settings", fields ? json_field_rows(fields) : cJSON_CreateArray());
  return object;
}

/* Every family has an at(index), and kinds with name, doc, source and fields. */
#define ADD_FAMILY(body, family, at)                                                          \
  do {                                                                                        \
    cJSON *family_ = cJSON_AddArrayToObject((body), (family));                                \
    for (int k_ = 0; at(k_); k_++)                                                            \
      cJSON_AddItemToArray(family_,                                                           \
                           entry(at(k_)->name, at(k_)->doc, at(k_)->source, at(k_)->fields)); \
  } while (0)

/* Where its code is from, unless it is built in. */
static void add_plugin(cJSON *energy, const struct plugin *plugin) {
  if (!plugin) return;
  cJSON *object = cJSON_AddObjectToObject(energy, "plugin");
  json_add_text(object, "file", plugin->file);
  json_add_text(object, "sha256", plugin->sha256);
}

/* What an energy has beside its settings. */
static void add_rest_of_energies(const struct plugins *plugins, cJSON *energies) {
  int k = 0;
  cJSON *energy;
  cJSON_ArrayForEach(energy, energies) {
    const struct boltz_energy_kind *kind = boltz_energy_kind_at(k++);
    const struct boltz_variable *variable = kind->variables;
    json_add_raw(energy, "example", kind->example ? kind->example : "{}");
    add_plugin(energy, plugins_of(plugins, kind));
    cJSON *list = cJSON_AddArrayToObject(energy, "variables");
    for (; variable && variable->name; variable++) {
      cJSON *item = cJSON_CreateObject();
      json_add_text(item, "name", variable->name);
      json_add_text(item, "doc", variable->doc);
      cJSON_AddItemToArray(list, item);
    }
  }
}

/* Members of a job's body that have settings of their own. */
static void add_parts(cJSON *jobs) {
  for (int k = 0; job_kind_at(k); k++) {
    cJSON *list = cJSON_AddArrayToObject(cJSON_GetArrayItem(jobs, k), "parts");
    for (const struct job_part *part = job_kind_at(k)->parts; part && part->name; part++) {
      cJSON *item = cJSON_CreateObject();
      json_add_text(item, "name", part->name);
      json_add_text(item, "doc", part->doc);
      cJSON_AddItemToObject(item, "settings", json_field_rows(part->fields));
      cJSON_AddItemToArray(list, item);
    }
  }
}

static void handle_catalog(struct request *request) {
  cJSON *body = cJSON_CreateObject();
  ADD_FAMILY(body, "energies", boltz_energy_kind_at);
  ADD_FAMILY(body, "layers", boltz_layer_kind_at);
  ADD_FAMILY(body, "bases", boltz_base_kind_at);
  ADD_FAMILY(body, "moves", boltz_move_kind_at);
  ADD_FAMILY(body, "jobs", job_kind_at);
  add_rest_of_energies(request->server->plugins,
                       cJSON_GetObjectItemCaseSensitive(body, "energies"));
  add_parts(cJSON_GetObjectItemCaseSensitive(body, "jobs"));
  reply_json(request, 200, body);
}

/* ---- The daemon ---- */

static cJSON *limits(const struct config *config) {
  cJSON *object = cJSON_CreateObject();
  json_add_integer(object, "request_deadline_ms", config->request_deadline_ms);
  json_add_integer(object, "body_bytes", config->body_bytes);
  json_add_integer(object, "header_bytes", config->header_bytes);
  json_add_integer(object, "json_depth", config->json_depth);
  json_add_integer(object, "samples", config->samples);
  json_add_integer(object, "estimate_samples", config->estimate_samples);
  json_add_integer(object, "reply_bytes", config->reply_bytes);
  json_add_integer(object, "connections", config->connections);
  json_add_integer(object, "queue", config->queue);
  return object;
}

static void handle_info(struct request *request) {
  const struct server *server = request->server;
  cJSON *body = cJSON_CreateObject();
  json_add_text(body, "version", BOLTZ_VERSION);
  cJSON_AddItemToObject(body, "limits", limits(server->config));
  cJSON *kernels = cJSON_AddObjectToObject(body, "kernels");
  json_add_text(kernels, "linear", boltz_kernel_auto()->name);
  cJSON *present = cJSON_AddArrayToObject(kernels, "present");
  for (int k = 0; boltz_kernel_at(k); k++)
    if (boltz_kernel_at(k)->present())
      cJSON_AddItemToArray(present, cJSON_CreateString(boltz_kernel_at(k)->name));
  json_add_integer(body, "workers", pool_workers(server->pool));
  json_add_number(body, "uptime_seconds", 1e-3 * (double)(json_now_ms() - server->started_ms));
  cJSON *config = cJSON_AddObjectToObject(body, "config");
  json_add_fields(config, config_fields, server->config);
  reply_json(request, 200, body);
}

const struct route api_catalog[] = {
    {"GET", "/v1/info", ROUTE_HERE, BODY_NONE, handle_info, NULL,
     "Version, limits, kernels in use, uptime and effective configuration."},
    {"GET", "/v1/catalog", ROUTE_HERE, BODY_NONE, handle_catalog, NULL,
     "Energies, layers, bases, moves and job kinds with their settings."},
    {0}};
