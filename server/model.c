/* model.c - the registry in memory: registered energy models. */
#include "server/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boltz/json.h"
#include "server/examples.h"
#include "server/job.h"
#include "server/json.h"
#include "server/registry.h"
#include "server/row.h"

void *registry_grow(void *array, size_t n, size_t *capacity) {
  if (n < *capacity) return array;
  size_t more = *capacity ? *capacity : 8;
  while (more <= n) more *= 2;
  void *grown = realloc(array, more * sizeof(void *));
  if (grown) *capacity = more;
  return grown;
}

/* ---- references ---- */

static void model_free(struct model *model) {
  if (!model) return;
  version_entries_free(model->versions);
  if (model->versions) free(model->versions->energy_json);
  free(model->versions);
  boltz_arena_close(model->arena);
  free(model);
}

void model_release(struct model *model) {
  if (model && atomic_fetch_sub(&model->references, 1) == 1) model_free(model);
}

size_t registry_model_index(const struct registry *registry, const char *name, bool *found) {
  size_t low = 0, high = registry->nmodels;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (strcmp(registry->models[middle]->name, name) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  *found = low < registry->nmodels && strcmp(registry->models[low]->name, name) == 0;
  return low;
}

struct model *registry_model(struct registry *registry, const char *name) {
  bool found;
  pthread_mutex_lock(&registry->mutex);
  size_t k = registry_model_index(registry, name, &found);
  struct model *model = found ? registry->models[k] : NULL;
  if (model) atomic_fetch_add(&model->references, 1);
  pthread_mutex_unlock(&registry->mutex);
  return model;
}

/* ---- making one ---- */

/* Takes the arena; NULL: no memory, and the arena is closed. */
static struct model *model_new(const char *name, const struct boltz_energy *energy,
                               struct boltz_arena *arena) {
  struct boltz_text text = {0};
  struct model *model = calloc(1, sizeof *model);
  if (!model) {
    boltz_arena_close(arena);
    return NULL;
  }
  snprintf(model->name, sizeof model->name, "%s", name);
  model->arena = arena;
  model->energy = *energy;
  atomic_init(&model->references, 1);
  model->versions = calloc(1, sizeof *model->versions);
  boltz_energy_print(energy, arena, &text);
  if (!model->versions || text.failed) {
    boltz_text_free(&text);
    model_free(model);
    return NULL;
  }
  model->versions->energy_json = text.data;
  model->versions->next = 1;
  return model;
}

/* Show a model; there is room. */
static void insert(struct registry *registry, struct model *model) {
  bool found;
  pthread_mutex_lock(&registry->mutex);
  size_t k = registry_model_index(registry, model->name, &found);
  memmove(registry->models + k + 1, registry->models + k,
          (registry->nmodels - k) * sizeof *registry->models);
  registry->models[k] = model;
  registry->nmodels++;
  pthread_mutex_unlock(&registry->mutex);
}

static bool reserve(struct registry *registry) {
  pthread_mutex_lock(&registry->mutex);
  void *grown = registry_grow(registry->models, registry->nmodels, &registry->models_capacity);
  if (grown) registry->models = grown;
  pthread_mutex_unlock(&registry->mutex);
  return grown;
}

enum boltz_status registry_put_model(struct registry *registry, const struct model *model,
                                     int64_t serving, int64_t next) {
  struct boltz_text row = {0};
  boltz_text_puts(&row, "{\"energy\":");
  boltz_text_puts(&row, model->versions->energy_json);
  boltz_text_puts(&row, ",\"temperature\":");
  boltz_text_number(&row, model->energy.temperature);
  row_put_integer(&row, "serving", serving);
  row_put_integer(&row, "next_version", next);
  row_put_integer(&row, "created_ms", model->created_ms);
  boltz_text_puts(&row, "}");
  enum boltz_status status =
      row.failed ? boltz_fail(BOLTZ_NO_MEMORY, "no memory for the row of model %s", model->name)
                 : store_put(registry->server->store, STORE_MODELS, model->name, row.data);
  boltz_text_free(&row);
  return status;
}

static enum registry_outcome add_new(struct registry *registry, const char *name,
                                     const struct boltz_energy *energy, struct boltz_arena *arena) {
  struct model *model = model_new(name, energy, arena);
  if (!model || !reserve(registry)) {
    model_release(model);
    boltz_fail(BOLTZ_NO_MEMORY, "no memory for model %s", name);
    return REGISTRY_FAILED;
  }
  model->created_ms = json_now_ms();
  if (registry_put_model(registry, model, 0, 1) != BOLTZ_OK) {
    model_release(model);
    return REGISTRY_FAILED;
  }
  insert(registry, model);
  return REGISTRY_CREATED;
}

/* The same energy, setting by setting, at the same temperature, bit by bit? */
static bool is_same(const struct model *model, const struct boltz_energy *energy,
                    struct boltz_arena *scratch) {
  struct boltz_text text = {0};
  boltz_energy_print(energy, scratch, &text);
  bool same = !text.failed && strcmp(text.data, model->versions->energy_json) == 0 &&
              memcmp(&energy->temperature, &model->energy.temperature, sizeof(double)) == 0;
  boltz_text_free(&text);
  return same;
}

enum registry_outcome registry_add_model(struct registry *registry, const char *name,
                                         const struct boltz_energy *energy,
                                         struct boltz_arena *arena) {
  struct model *there = registry_model(registry, name);
  if (!there) return add_new(registry, name, energy, arena);
  enum registry_outcome outcome = is_same(there, energy, arena) ? REGISTRY_SAME : REGISTRY_CONFLICT;
  model_release(there);
  boltz_arena_close(arena);
  return outcome;
}

/* ---- removing one ---- */

static enum boltz_status delete_rows(struct store *store, const char *name) {
  char prefix[80];
  snprintf(prefix, sizeof prefix, "%s/", name);
  BOLTZ_TRY(store_begin(store));
  enum boltz_status status = store_delete(store, STORE_MODELS, name);
  if (status == BOLTZ_OK) status = store_delete_prefix(store, STORE_VERSIONS, prefix);
  if (status == BOLTZ_OK) return store_commit(store);
  store_rollback(store);
  return status;
}

/* Hide a model with its versions, and give what they were. Holders of the model see it empty. */
static struct model_versions hide(struct registry *registry, struct model *model) {
  bool found;
  pthread_mutex_lock(&registry->mutex);
  size_t k = registry_model_index(registry, model->name, &found);
  registry->nmodels--;
  memmove(registry->models + k, registry->models + k + 1,
          (registry->nmodels - k) * sizeof *registry->models);
  struct model_versions *versions = model->versions, were = *versions;
  versions->serving = 0;
  versions->entries = NULL;
  versions->n = versions->capacity = 0;
  pthread_mutex_unlock(&registry->mutex);
  return were;
}

enum registry_outcome registry_delete_model(struct registry *registry, const char *name) {
  char job[JOB_ID_SIZE];
  struct model *model = registry_model(registry, name);
  if (!model) return REGISTRY_NOT_FOUND;
  enum registry_outcome outcome = REGISTRY_CREATED;
  if (registry->server->jobs && jobs_using(registry->server->jobs, name, NULL, job)) {
    boltz_fail(BOLTZ_OUT_OF_RANGE, "model %s is used by job %s: cancel it first", name, job);
    outcome = REGISTRY_IN_USE;
  } else if (delete_rows(registry->server->store, name) != BOLTZ_OK) {
    outcome = REGISTRY_FAILED;
  } else {
    struct model_versions were = hide(registry, model);
    model_release(model); /* the registry's own */
    for (size_t k = 0; k < were.n; k++) registry_remove_unnamed(registry, were.entries[k]->digest);
    version_entries_free(&were);
  }
  model_release(model);
  return outcome;
}

/* ---- showing ---- */

static void add_coordinates(cJSON *record, const struct boltz_energy *energy) {
  static const char *const domains[] = {
      [BOLTZ_REAL] = "real", [BOLTZ_INTERVAL] = "interval", [BOLTZ_PERIODIC] = "periodic"};
  cJSON *list = cJSON_AddArrayToObject(record, "coordinates");
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
}

static void add_variables(cJSON *record, const struct boltz_energy *energy) {
  cJSON *list = cJSON_AddArrayToObject(record, "variables");
  const struct boltz_variable *variable;
  for (int k = 0; (variable = boltz_energy_variable_at(energy, k)); k++) {
    cJSON *item = cJSON_CreateObject();
    json_add_text(item, "name", variable->name);
    json_add_integer(item, "width", boltz_variable_width(energy, variable));
    json_add_text(item, "doc", variable->doc);
    cJSON_AddItemToArray(list, item);
  }
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
  json_add_raw(record, "energy", model->versions->energy_json);
  json_add_number(record, "temperature", model->energy.temperature);
  json_add_integer(record, "dim", model->energy.dim);
  add_coordinates(record, &model->energy);
  add_variables(record, &model->energy);
  add_versions(record, registry, model);
  json_add_text(record, "created_at", time);
  model_release(model);
  return record;
}

void registry_each_model(struct registry *registry, const char *token, int most, bool *more,
                         void (*each)(void *argument, const char *name), void *argument) {
  bool found = false;
  pthread_mutex_lock(&registry->mutex);
  size_t first = token ? registry_model_index(registry, token, &found) : 0;
  if (found) first++;
  size_t end = first + (size_t)most < registry->nmodels ? first + (size_t)most : registry->nmodels;
  for (size_t k = first; k < end; k++) each(argument, registry->models[k]->name);
  *more = end < registry->nmodels;
  pthread_mutex_unlock(&registry->mutex);
}

void registry_counts(struct registry *registry, struct registry_counts *counts) {
  *counts = (struct registry_counts){0};
  pthread_mutex_lock(&registry->mutex);
  counts->models = (int)registry->nmodels;
  counts->datasets = (int)registry->ndatasets;
  for (size_t k = 0; k < registry->nmodels; k++) {
    const struct model_versions *versions = registry->models[k]->versions;
    counts->versions += (int)versions->n;
    for (size_t v = 0; v < versions->n; v++) {
      const struct version *version = versions->entries[v]->loaded;
      if (version) counts->loaded[version->checkpoint.weights.precision]++;
    }
  }
  pthread_mutex_unlock(&registry->mutex);
}

/* ---- opening ---- */

struct loading {
  struct registry *registry;
  enum boltz_status status;
};

static enum boltz_status parse_model(const char *name, const char *body, struct boltz_arena *arena,
                                     struct boltz_energy *energy, struct boltz_json **row) {
  BOLTZ_TRY(row_parse("model", name, body, arena, row));
  const struct boltz_json *temperature = boltz_json_member(*row, "temperature");
  enum boltz_status status = boltz_energy_parse(
      boltz_json_member(*row, "energy"), temperature ? temperature->number : 0, arena, energy);
  if (status == BOLTZ_OK) return status;
  char sentence[400];
  snprintf(sentence, sizeof sentence, "%s", boltz_error());
  return boltz_fail(BOLTZ_IO, "model %s cannot be read by this boltzd: %s", name, sentence);
}

static enum boltz_status load_model(struct registry *registry, const char *name, const char *body) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy;
  struct boltz_json *row = NULL;
  if (!arena) return boltz_fail(BOLTZ_NO_MEMORY, "no memory for model %s", name);
  enum boltz_status status = parse_model(name, body, arena, &energy, &row);
  if (status != BOLTZ_OK) {
    boltz_arena_close(arena);
    return status;
  }
  struct model *model = model_new(name, &energy, arena);
  if (!model || !reserve(registry)) {
    model_release(model);
    return boltz_fail(BOLTZ_NO_MEMORY, "no memory for model %s", name);
  }
  model->created_ms = row_integer(row, "created_ms", 0);
  model->versions->serving = row_integer(row, "serving", 0);
  model->versions->next = row_integer(row, "next_version", 1);
  insert(registry, model);
  return BOLTZ_OK;
}

static void load_row(void *argument, const char *key, const char *body) {
  struct loading *loading = argument;
  if (loading->status == BOLTZ_OK) loading->status = load_model(loading->registry, key, body);
}

static enum boltz_status load_everything(struct registry *registry) {
  struct loading loading = {registry, BOLTZ_OK};
  BOLTZ_TRY(store_each(registry->server->store, STORE_MODELS, "", load_row, &loading));
  BOLTZ_TRY(loading.status);
  BOLTZ_TRY(registry_open_versions(registry));
  BOLTZ_TRY(registry_open_datasets(registry));
  registry_load_serving(registry);
  return examples_install(registry->server, registry);
}

enum boltz_status registry_open(struct server *server, struct registry **out) {
  *out = NULL;
  struct registry *registry = calloc(1, sizeof *registry);
  if (!registry) return boltz_fail(BOLTZ_NO_MEMORY, "no memory for the registry");
  registry->server = server;
  pthread_mutex_init(&registry->mutex, NULL);
  enum boltz_status status = load_everything(registry);
  if (status == BOLTZ_OK)
    *out = registry;
  else
    registry_close(registry);
  return status;
}

void registry_close(struct registry *registry) {
  if (!registry) return;
  registry_discard(registry);
  for (size_t k = 0; k < registry->nmodels; k++) model_release(registry->models[k]);
  for (size_t k = 0; k < registry->ndatasets; k++) free(registry->datasets[k]);
  free(registry->models);
  free(registry->datasets);
  pthread_mutex_destroy(&registry->mutex);
  free(registry);
}
