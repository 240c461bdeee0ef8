/* version.c - trained flows of a model: immutable, numbered, counted; read when they are needed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boltz/json.h"
#include "server/json.h"
#include "server/log.h"
#include "server/registry.h"
#include "server/row.h"

#define IDLE_MOST 8 /* versions in memory that serve nobody */

/* ---- in memory ---- */

static void version_free(struct version *version) {
  if (!version) return;
  boltz_arena_close(version->arena);
  free(version);
}

void version_release(struct version *version) {
  if (version && atomic_fetch_sub(&version->references, 1) == 1) version_free(version);
}

enum boltz_status version_read(const void *bytes, size_t size, struct version **out) {
  *out = NULL;
  struct version *version = calloc(1, sizeof *version);
  if (version) version->arena = boltz_arena_open(0);
  if (!version || !version->arena) {
    version_free(version);
    return boltz_fail(BOLTZ_NO_MEMORY, "no memory for a version");
  }
  enum boltz_status status =
      boltz_checkpoint_read(bytes, size, version->arena, &version->checkpoint);
  if (status != BOLTZ_OK) {
    version_free(version);
    return status;
  }
  version->precision = boltz_precision_names[version->checkpoint.weights.precision];
  atomic_init(&version->references, 1);
  *out = version;
  return BOLTZ_OK;
}

void version_entry_free(struct version_entry *entry) {
  if (!entry) return;
  version_release(entry->loaded);
  free(entry->flow);
  free(entry->metrics);
  free(entry->job);
  free(entry);
}

void version_entries_free(struct model_versions *versions) {
  if (!versions) return;
  for (size_t k = 0; k < versions->n; k++) version_entry_free(versions->entries[k]);
  free(versions->entries);
  versions->entries = NULL;
  versions->n = versions->capacity = 0;
}

/* The mutex is held, here and in the next two. */
struct version_entry *version_find(const struct model *model, int64_t number) {
  const struct model_versions *versions = model->versions;
  size_t low = 0, high = versions->n;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (versions->entries[middle]->number < number)
      low = middle + 1;
    else
      high = middle;
  }
  return low < versions->n && versions->entries[low]->number == number ? versions->entries[low]
                                                                       : NULL;
}

static bool is_named(const struct registry *registry, const char *digest) {
  for (size_t k = 0; k < registry->ndatasets; k++)
    if (strcmp(registry->datasets[k]->digest, digest) == 0) return true;
  for (size_t k = 0; k < registry->nmodels; k++) {
    const struct model_versions *versions = registry->models[k]->versions;
    for (size_t v = 0; v < versions->n; v++)
      if (strcmp(versions->entries[v]->digest, digest) == 0) return true;
  }
  return false;
}

/* The one that was asked for longest ago, when too many are idle. */
static struct version_entry *find_idle(struct registry *registry) {
  struct version_entry *oldest = NULL;
  int idle = 0;
  for (size_t k = 0; k < registry->nmodels; k++) {
    const struct model_versions *versions = registry->models[k]->versions;
    for (size_t v = 0; v < versions->n; v++) {
      struct version_entry *entry = versions->entries[v];
      if (!entry->loaded || entry->number == versions->serving) continue;
      idle++;
      if (!oldest || entry->used < oldest->used) oldest = entry;
    }
  }
  return idle > IDLE_MOST ? oldest : NULL;
}

void registry_evict(struct registry *registry) {
  for (;;) {
    pthread_mutex_lock(&registry->mutex);
    struct version_entry *entry = find_idle(registry);
    struct version *version = entry ? entry->loaded : NULL;
    if (entry) entry->loaded = NULL;
    pthread_mutex_unlock(&registry->mutex);
    if (!version) return;
    version_release(version);
  }
}

void registry_remove_unnamed(struct registry *registry, const char *digest) {
  pthread_mutex_lock(&registry->mutex);
  bool named = is_named(registry, digest);
  pthread_mutex_unlock(&registry->mutex);
  if (!named) store_remove_blob(registry->server->store, digest);
}

enum version_found registry_version(struct registry *registry, struct model *model, int64_t number,
                                    struct version **version) {
  *version = NULL;
  pthread_mutex_lock(&registry->mutex);
  bool any = number || model->versions->serving;
  struct version_entry *entry = version_find(model, number ? number : model->versions->serving);
  if (entry && entry->loaded) {
    entry->used = ++registry->clock;
    *version = entry->loaded;
    atomic_fetch_add(&(*version)->references, 1);
  }
  pthread_mutex_unlock(&registry->mutex);
  if (!any) return VERSION_NONE;
  if (!entry) return VERSION_NOT_FOUND;
  return *version ? VERSION_READY : VERSION_NOT_LOADED;
}

/* Does the file have to be read? Only this thread changes entries, so what is found stays. */
static struct version_entry *to_load(struct registry *registry, struct model *model,
                                     int64_t number) {
  pthread_mutex_lock(&registry->mutex);
  struct version_entry *entry = version_find(model, number ? number : model->versions->serving);
  if (entry) entry->used = ++registry->clock;
  if (entry && entry->loaded) entry = NULL;
  pthread_mutex_unlock(&registry->mutex);
  return entry;
}

enum boltz_status registry_load(struct registry *registry, struct model *model, int64_t number) {
  void *bytes = NULL;
  size_t size = 0;
  struct version *version = NULL;
  struct version_entry *entry = to_load(registry, model, number);
  if (!entry) return BOLTZ_OK;
  BOLTZ_TRY(store_read_blob(registry->server->store, entry->digest, &bytes, &size));
  enum boltz_status status = version_read(bytes, size, &version);
  free(bytes);
  BOLTZ_TRY(status);
  version->number = entry->number;
  pthread_mutex_lock(&registry->mutex);
  entry->loaded = version;
  pthread_mutex_unlock(&registry->mutex);
  registry_evict(registry);
  return BOLTZ_OK;
}

/* ---- showing ---- */

static cJSON *print(const char *model, const struct version_entry *entry, bool serving) {
  char time[JSON_TIME_SIZE];
  json_time(entry->created_ms, time);
  cJSON *record = cJSON_CreateObject();
  json_add_text(record, "model", model);
  json_add_integer(record, "version", entry->number);
  json_add_text(record, "digest", entry->digest);
  json_add_integer(record, "size", (int64_t)entry->size);
  json_add_raw(record, "flow", entry->flow);
  json_add_text(record, "precision", entry->precision);
  json_add_text(record, "job", entry->job);
  json_add_raw(record, "metrics", entry->metrics);
  cJSON_AddBoolToObject(record, "serving", serving);
  json_add_text(record, "created_at", time);
  return record;
}

struct cJSON *registry_version_record(struct registry *registry, const char *name, int64_t number) {
  cJSON *record = NULL;
  struct model *model = registry_model(registry, name);
  if (!model) return NULL;
  pthread_mutex_lock(&registry->mutex);
  const struct version_entry *entry = version_find(model, number);
  if (entry) record = print(name, entry, model->versions->serving == number);
  pthread_mutex_unlock(&registry->mutex);
  model_release(model);
  return record;
}

bool registry_version_digest(struct registry *registry, const char *name, int64_t number,
                             char digest[STORE_DIGEST_SIZE], size_t *size) {
  struct model *model = registry_model(registry, name);
  if (!model) return false;
  pthread_mutex_lock(&registry->mutex);
  const struct version_entry *entry = version_find(model, number);
  if (entry) {
    memcpy(digest, entry->digest, STORE_DIGEST_SIZE);
    *size = entry->size;
  }
  pthread_mutex_unlock(&registry->mutex);
  model_release(model);
  return entry != NULL;
}

void registry_each_version(struct registry *registry, const char *name, int64_t after, int most,
                           bool *more, void (*each)(void *argument, int64_t number),
                           void *argument) {
  *more = false;
  struct model *model = registry_model(registry, name);
  if (!model) return;
  pthread_mutex_lock(&registry->mutex);
  const struct model_versions *versions = model->versions;
  size_t k = 0;
  while (k < versions->n && versions->entries[k]->number <= after) k++;
  for (; k < versions->n && most > 0; k++, most--) each(argument, versions->entries[k]->number);
  *more = k < versions->n;
  pthread_mutex_unlock(&registry->mutex);
  model_release(model);
}

size_t registry_digests(struct registry *registry, const char ***digests) {
  pthread_mutex_lock(&registry->mutex);
  size_t n = 0, most = registry->ndatasets;
  for (size_t k = 0; k < registry->nmodels; k++) most += registry->models[k]->versions->n;
  *digests = malloc((most ? most : 1) * sizeof **digests);
  for (size_t k = 0; *digests && k < registry->ndatasets; k++)
    (*digests)[n++] = registry->datasets[k]->digest;
  for (size_t k = 0; *digests && k < registry->nmodels; k++) {
    const struct model_versions *versions = registry->models[k]->versions;
    for (size_t v = 0; v < versions->n; v++) (*digests)[n++] = versions->entries[v]->digest;
  }
  pthread_mutex_unlock(&registry->mutex);
  return n;
}

/* ---- opening ---- */

struct loading {
  struct registry *registry;
  enum boltz_status status;
};

static enum boltz_status fill_entry(struct version_entry *entry, const struct boltz_json *row) {
  const char *job = row_text(row, "job", NULL), *named = row_text(row, "precision", "fp32");
  enum boltz_precision precision;
  if (!boltz_precision_find(named, &precision))
    return boltz_fail(BOLTZ_IO, "a version is in precision %.64s, which this boltzd lacks", named);
  snprintf(entry->digest, sizeof entry->digest, "%s", row_text(row, "digest", ""));
  entry->size = (size_t)row_integer(row, "size", 0);
  entry->flow = strdup(row_text(row, "flow", "null"));
  entry->metrics = strdup(row_text(row, "metrics", "{}"));
  entry->job = job ? strdup(job) : NULL;
  entry->precision = boltz_precision_names[precision];
  entry->created_ms = row_integer(row, "created_ms", 0);
  if (entry->flow && entry->metrics && (entry->job || !job)) return BOLTZ_OK;
  return boltz_fail(BOLTZ_NO_MEMORY, "no memory for a version");
}

/* Rows come in order of model and number. */
static enum boltz_status load_version(struct registry *registry, const char *key,
                                      const char *body) {
  char name[65];
  bool found = false;
  const char *slash = strchr(key, '/');
  snprintf(name, sizeof name, "%.*s", slash ? (int)(slash - key) : 0, key);
  size_t k = registry_model_index(registry, name, &found);
  if (!found) return boltz_fail(BOLTZ_IO, "version %s has no model", key);
  struct model_versions *versions = registry->models[k]->versions;
  struct version_entry *entry = calloc(1, sizeof *entry);
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_json *row = NULL;
  void *grown = registry_grow(versions->entries, versions->n, &versions->capacity);
  if (grown) versions->entries = grown;
  enum boltz_status status = entry && arena && grown
                                 ? row_parse("version", key, body, arena, &row)
                                 : boltz_fail(BOLTZ_NO_MEMORY, "no memory for version %s", key);
  if (status == BOLTZ_OK) status = fill_entry(entry, row);
  boltz_arena_close(arena);
  if (status != BOLTZ_OK) {
    version_entry_free(entry);
    return status;
  }
  entry->number = strtoll(slash + 1, NULL, 10);
  versions->entries[versions->n++] = entry;
  return BOLTZ_OK;
}

static void load_row(void *argument, const char *key, const char *body) {
  struct loading *loading = argument;
  if (loading->status == BOLTZ_OK) loading->status = load_version(loading->registry, key, body);
}

enum boltz_status registry_open_versions(struct registry *registry) {
  struct loading loading = {registry, BOLTZ_OK};
  BOLTZ_TRY(store_each(registry->server->store, STORE_VERSIONS, "", load_row, &loading));
  return loading.status;
}

void registry_load_serving(struct registry *registry) {
  for (size_t k = 0; k < registry->nmodels; k++) {
    struct model *model = registry->models[k];
    if (model->withheld || !model->versions->serving) continue;
    if (registry_load(registry, model, 0) == BOLTZ_OK) continue;
    log_event(registry->server->log, LOG_ERROR, "version not loaded", "s:model", model->name,
              "s:error", boltz_error(), NULL);
  }
}
