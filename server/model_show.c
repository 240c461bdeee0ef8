/* model_show.c - a model's record, as clients see it. */
#include <stdio.h>
#include <stdlib.h>

#include "server/json.h"
#include "server/registry.h"

static cJSON *list_coordinates(const struct boltz_energy *energy) {
  static const char *const domains[] = {
      [BOLTZ_REAL] = "real", [BOLTZ_INTERVAL] = "interval", [BOLTZ_PERIODIC] = "periodic"};
  cJSON *list = cJSON_CreateArray();
  for (int j = 0; j < energy->dim; j++) {
    char name[16];
    snprintf(name, sizeof name, "x%d", j + 1);
    cJSON *coordinate = cJSON_CreateObject();
    json_add_text(coordinate, "name", name);
    json_add_text(coordinate, "domain", domains[energy->domain[j].type]);
    if (energy->domain[j].type != BOLTZ_REAL) {
      json_add_number(coordinate, "low", energy->domain[j].low);
      json_add_number(coordinate, "high", energy->domain[j].high);
    }
    cJSON_AddItemToArray(list, coordinate);
  }
  return list;
}

static cJSON *list_variables(const struct boltz_energy *energy) {
  cJSON *list = cJSON_CreateArray();
  const struct boltz_variable *variable;
  for (int k = 0; (variable = boltz_energy_variable_at(energy, k)); k++) {
    cJSON *item = cJSON_CreateObject();
    json_add_text(item, "name", variable->name);
    json_add_integer(item, "width", boltz_variable_width(energy, variable));
    json_add_text(item, "doc", variable->doc);
    cJSON_AddItemToArray(list, item);
  }
  return list;
}

static const char *text_of(cJSON *list, struct boltz_arena *arena) {
  char *text = json_take_text(list);
  const char *copy = text ? boltz_arena_strdup(arena, text) : NULL;
  free(text);
  return copy;
}

void model_describe(struct model *model) {
  model->coordinates = text_of(list_coordinates(&model->energy), model->arena);
  model->variables = text_of(list_variables(&model->energy), model->arena);
}

/* A withheld model's energy is not there: what it was when the model was registered is. */
static void add_energy(cJSON *record, const struct model *model) {
  json_add_raw(record, "energy", model->versions->energy_json);
  json_add_number(record, "temperature", model->energy.temperature);
  if (model->energy.dim)
    json_add_integer(record, "dim", model->energy.dim);
  else
    json_add_text(record, "dim", NULL);
  if (model->withheld) {
    json_add_raw(record, "coordinates", model->coordinates);
    json_add_raw(record, "variables", model->variables);
    return;
  }
  cJSON_AddItemToObject(record, "coordinates", list_coordinates(&model->energy));
  cJSON_AddItemToObject(record, "variables", list_variables(&model->energy));
}

static void add_plugin(cJSON *record, const struct model *model) {
  if (!model->plugin_sha256) return;
  cJSON *plugin = cJSON_AddObjectToObject(record, "plugin");
  json_add_text(plugin, "file", model->plugin_file);
  json_add_text(plugin, "sha256", model->plugin_sha256);
}

/* Why it is not served, as a failed job says it. */
static void add_error(cJSON *record, const struct model *model) {
  if (!model->withheld) return;
  cJSON *error = cJSON_AddObjectToObject(record, "error");
  json_add_text(error, "reason", MODEL_WITHHELD);
  json_add_text(error, "detail", model->withheld);
}

static void add_versions(cJSON *record, struct registry *registry, const struct model *model) {
  cJSON *numbers = cJSON_CreateArray();
  pthread_mutex_lock(&registry->mutex);
  int64_t serving = model->versions->serving;
  for (size_t k = 0; k < model->versions->n; k++)
    cJSON_AddItemToArray(numbers, json_number((double)model->versions->entries[k]->number));
  pthread_mutex_unlock(&registry->mutex);
  if (serving)
    json_add_integer(record, "serving", serving);
  else
    json_add_text(record, "serving", NULL);
  cJSON_AddItemToObject(record, "versions", numbers);
}

struct cJSON *registry_model_record(struct registry *registry, const char *name) {
  struct model *model = registry_model(registry, name);
  if (!model) return NULL;
  char time[JSON_TIME_SIZE];
  json_time(model->created_ms, time);
  cJSON *record = cJSON_CreateObject();
  json_add_text(record, "name", model->name);
  add_energy(record, model);
  add_plugin(record, model);
  add_versions(record, registry, model);
  add_error(record, model);
  json_add_text(record, "created_at", time);
  model_release(model);
  return record;
}
