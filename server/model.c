/* model.c - the registry in memory: registered energy models, how they come and go. */
#include "server/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boltz/json.h"
#include "server/job.h"
#include "server/json.h"
#include "server/plugin.h"
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

/* Without energy; takes the arena, which is closed when there is no memory: NULL. */
struct model *model_alloc(const char *name, struct boltz_arena *arena) {
  struct model *model = calloc(1, sizeof *model);
  if (!model) {
    boltz_arena_close(arena);
    return NULL;
  }
  snprintf(model->name, sizeof model->name, "%s", name);
  model->arena = arena;
  atomic_init(&model->references, 1);
  model->versions = calloc(1, sizeof *model->versions);
  if (!model->versions) {
    model_free(model);
    return NULL;
  }
  model->versions->next = 1;
  return model;
}

/* Of a plug-in's energy: which bytes it is, and what is shown of it when they are there no more. */
static bool identify(const struct registry *registry, struct model *model) {
  const struct plugin *plugin = plugins_of(registry->server->plugins, model->energy.kind);
  if (!plugin) return true;
  model->plugin_file = boltz_arena_strdup(model->arena, plugin->file);
  model->plugin_sha256 = boltz_arena_strdup(model->arena, plugin->sha256);
  model_describe(model);
  return model->plugin_file && model->plugin_sha256 && model->coordinates && model->variables;
}

struct model *model_new(const struct registry *registry, const char *name,
                        const struct boltz_energy *energy, struct boltz_arena *arena) {
  struct boltz_text text = {0};
  struct model *model = model_alloc(name, arena);
  if (!model) return NULL;
  model->energy = *energy;
  boltz_energy_print(energy, arena, &text);
  model->versions->energy_json = text.data;
  if (!text.failed && identify(registry, model)) return model;
  model_free(model);
  return NULL;
}

void registry_insert(struct registry *registry, struct model *model) {
  bool found;
  pthread_mutex_lock(&registry->mutex);
  size_t k = registry_model_index(registry, model->name, &found);
  memmove(registry->models + k + 1, registry->models + k,
          (registry->nmodels - k) * sizeof *registry->models);
  registry->models[k] = model;
  registry->nmodels++;
  pthread_mutex_unlock(&registry->mutex);
}

bool registry_reserve(struct registry *registry) {
  pthread_mutex_lock(&registry->mutex);
  void *grown = registry_grow(registry->models, registry->nmodels, &registry->models_capacity);
  if (grown) registry->models = grown;
  pthread_mutex_unlock(&registry->mutex);
  return grown;
}

/* What load_model needs of an energy that may not be there then. */
static void put_plugin(struct boltz_text *row, const struct model *model) {
  if (!model->plugin_sha256) return;
  boltz_text_puts(row, ",\"plugin\":{");
  row_put_text(row, "file", model->plugin_file);
  row_put_text(row, "sha256", model->plugin_sha256);
  boltz_text_puts(row, "}");
  row_put_integer(row, "dim", model->energy.dim);
  boltz_text_puts(row, ",\"coordinates\":");
  boltz_text_puts(row, model->coordinates);
  boltz_text_puts(row, ",\"variables\":");
  boltz_text_puts(row, model->variables);
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
  put_plugin(&row, model);
  boltz_text_puts(&row, "}");
  enum boltz_status status =
      row.failed ? boltz_fail(BOLTZ_NO_MEMORY, "no memory for the row of model %s", model->name)
                 : store_put(registry->server->store, STORE_MODELS, model->name, row.data);
  boltz_text_free(&row);
  return status;
}

static enum registry_outcome add_new(struct registry *registry, const char *name,
                                     const struct boltz_energy *energy, struct boltz_arena *arena) {
  struct model *model = model_new(registry, name, energy, arena);
  if (!model || !registry_reserve(registry)) {
    model_release(model);
    boltz_fail(BOLTZ_NO_MEMORY, "no memory for model %s", name);
    return REGISTRY_FAILED;
  }
  model->created_ms = json_now_ms();
  if (registry_put_model(registry, model, 0, 1) != BOLTZ_OK) {
    model_release(model);
    return REGISTRY_FAILED;
  }
  registry_insert(registry, model);
  return REGISTRY_CREATED;
}

/* The same code, whichever file it is in? */
static bool is_same_plugin(const struct registry *registry, const struct model *model,
                           const struct boltz_energy *energy) {
  const struct plugin *plugin = plugins_of(registry->server->plugins, energy->kind);
  if (!plugin || !model->plugin_sha256) return !plugin && !model->plugin_sha256;
  return strcmp(plugin->sha256, model->plugin_sha256) == 0;
}

/* The same energy, setting by setting, at the same temperature, bit by bit? */
static bool is_same(const struct registry *registry, const struct model *model,
                    const struct boltz_energy *energy, struct boltz_arena *scratch) {
  if (model->withheld || !is_same_plugin(registry, model, energy)) return false;
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
  enum registry_outcome outcome =
      is_same(registry, there, energy, arena) ? REGISTRY_SAME : REGISTRY_CONFLICT;
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

/* ---- lists ---- */

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

/* ---- closing ---- */

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
