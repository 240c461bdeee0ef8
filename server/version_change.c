/* version_change.c - versions that come, go, and take over: staged while a transaction is open,
 * shown once it is committed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/json.h"
#include "server/registry.h"
#include "server/row.h"

#define KEY_SIZE (64 + 22) /* "model/00000003" */

/* ---- a new one ---- */

static void make_key(const char *model, int64_t number, char key[KEY_SIZE]) {
  snprintf(key, KEY_SIZE, "%s/%08" PRId64, model, number);
}

static enum boltz_status put_version(struct registry *registry, const char *model,
                                     const struct version_entry *entry) {
  char key[KEY_SIZE];
  struct boltz_text row = {0};
  make_key(model, entry->number, key);
  boltz_text_puts(&row, "{");
  row_put_text(&row, "digest", entry->digest);
  row_put_integer(&row, "size", (int64_t)entry->size);
  row_put_text(&row, "flow", entry->flow);
  row_put_text(&row, "precision", entry->precision);
  row_put_text(&row, "job", entry->job);
  row_put_text(&row, "metrics", entry->metrics);
  row_put_integer(&row, "created_ms", entry->created_ms);
  boltz_text_puts(&row, "}");
  enum boltz_status status =
      row.failed ? boltz_fail(BOLTZ_NO_MEMORY, "no memory for the row of version %s", key)
                 : store_put(registry->server->store, STORE_VERSIONS, key, row.data);
  boltz_text_free(&row);
  return status;
}

/* The entry of a version that was read; takes it. */
static struct version_entry *entry_new(struct version *version, const struct version_draft *draft,
                                       int64_t number) {
  struct boltz_text flow = {0};
  struct version_entry *entry = calloc(1, sizeof *entry);
  if (!entry) {
    version_release(version);
    return NULL;
  }
  version->number = number;
  boltz_flow_spec_print(&version->checkpoint.flow.spec, version->arena, &flow);
  entry->number = number;
  entry->loaded = version;
  entry->size = draft->size;
  entry->flow = flow.data;
  entry->precision = version->precision;
  entry->metrics = strdup(draft->metrics ? draft->metrics : "{}");
  entry->job = draft->job ? strdup(draft->job) : NULL;
  entry->created_ms = json_now_ms();
  store_digest(draft->bytes, draft->size, entry->digest);
  if (!flow.failed && entry->metrics && (entry->job || !draft->job)) return entry;
  version_entry_free(entry);
  return NULL;
}

/* What the model's counters are once everything staged is shown. */
static void count_staged(const struct registry *registry, const struct model *model,
                         int64_t *serving, int64_t *next) {
  *serving = model->versions->serving;
  *next = model->versions->next;
  bool chosen = false;
  for (const struct staged *staged = registry->staged; staged; staged = staged->next) {
    if (staged->model != model) continue;
    if (staged->entry->number >= *next) *next = staged->entry->number + 1;
    if (staged->serve && !chosen) *serving = staged->entry->number; /* the latest comes first */
    chosen |= staged->serve;
  }
}

static bool reserve(struct registry *registry, struct model_versions *versions) {
  size_t staged = 0;
  for (const struct staged *s = registry->staged; s; s = s->next) staged++;
  pthread_mutex_lock(&registry->mutex);
  void *grown = registry_grow(versions->entries, versions->n + staged, &versions->capacity);
  if (grown) versions->entries = grown;
  pthread_mutex_unlock(&registry->mutex);
  return grown;
}

/* Read, number and stage a version; nothing is written. */
static enum boltz_status stage(struct registry *registry, struct model *model,
                               const struct version_draft *draft) {
  int64_t serving, next;
  struct version *version = NULL;
  BOLTZ_TRY(version_read(draft->bytes, draft->size, &version));
  count_staged(registry, model, &serving, &next);
  struct version_entry *entry = entry_new(version, draft, next);
  struct staged *staged = calloc(1, sizeof *staged);
  if (!entry || !staged || !reserve(registry, model->versions)) {
    version_entry_free(entry);
    free(staged);
    return boltz_fail(BOLTZ_NO_MEMORY, "no memory for version %lld of model %s", (long long)next,
                      model->name);
  }
  atomic_fetch_add(&model->references, 1);
  *staged = (struct staged){.next = registry->staged,
                            .model = model,
                            .entry = entry,
                            .serve = draft->serve || (draft->serve_first && serving == 0)};
  registry->staged = staged;
  return BOLTZ_OK;
}

static enum boltz_status write_staged(struct registry *registry, struct model *model,
                                      const struct version_draft *draft) {
  int64_t serving, next;
  char digest[STORE_DIGEST_SIZE];
  count_staged(registry, model, &serving, &next);
  BOLTZ_TRY(store_write_blob(registry->server->store, draft->bytes, draft->size, digest));
  BOLTZ_TRY(put_version(registry, model->name, registry->staged->entry));
  return registry_put_model(registry, model, serving, next);
}

static enum boltz_status add_in_transaction(struct registry *registry, struct model *model,
                                            const struct version_draft *draft, int64_t *number) {
  BOLTZ_TRY(stage(registry, model, draft));
  *number = registry->staged->entry->number;
  return write_staged(registry, model, draft);
}

static enum boltz_status add(struct registry *registry, struct model *model,
                             const struct version_draft *draft, int64_t *number) {
  struct store *store = registry->server->store;
  if (store_in_transaction(store)) return add_in_transaction(registry, model, draft, number);
  BOLTZ_TRY(store_begin(store));
  enum boltz_status status = add_in_transaction(registry, model, draft, number);
  if (status == BOLTZ_OK)
    status = store_commit(store);
  else
    store_rollback(store);
  if (status == BOLTZ_OK)
    registry_publish(registry);
  else
    registry_discard(registry);
  return status;
}

enum registry_outcome registry_add_version(struct registry *registry, const char *name,
                                           const struct version_draft *draft, int64_t *number) {
  struct model *model = registry_model(registry, name);
  if (!model) {
    boltz_fail(BOLTZ_OUT_OF_RANGE, "there is no model %s", name);
    return REGISTRY_NOT_FOUND;
  }
  enum boltz_status status = add(registry, model, draft, number);
  model_release(model);
  return status == BOLTZ_OK ? REGISTRY_CREATED : REGISTRY_FAILED;
}

/* ---- what is staged ---- */

/* Staged last comes first: turn the list round, so that versions are shown in order. */
static struct staged *take_staged(struct registry *registry) {
  struct staged *list = NULL;
  for (struct staged *next, *staged = registry->staged; staged; staged = next) {
    next = staged->next;
    staged->next = list;
    list = staged;
  }
  registry->staged = NULL;
  return list;
}

static void show_version(struct registry *registry, struct staged *staged) {
  pthread_mutex_lock(&registry->mutex);
  struct model_versions *versions = staged->model->versions;
  staged->entry->used = ++registry->clock;
  versions->entries[versions->n++] = staged->entry;
  versions->next = staged->entry->number + 1;
  if (staged->serve) versions->serving = staged->entry->number;
  pthread_mutex_unlock(&registry->mutex);
  model_release(staged->model);
}

void registry_publish(struct registry *registry) {
  for (struct staged *next, *staged = take_staged(registry); staged; staged = next) {
    next = staged->next;
    if (staged->entry) show_version(registry, staged);
    if (staged->dataset) registry_show_dataset(registry, staged->dataset);
    free(staged);
  }
  registry_evict(registry);
}

void registry_discard(struct registry *registry) {
  for (struct staged *next, *staged = take_staged(registry); staged; staged = next) {
    next = staged->next;
    registry_remove_unnamed(registry,
                            staged->entry ? staged->entry->digest : staged->dataset->digest);
    model_release(staged->model);
    version_entry_free(staged->entry);
    free(staged->dataset);
    free(staged);
  }
}

/* ---- changes ---- */

/* What is there; 0 when the number is not. */
static bool look_up(struct registry *registry, const struct model *model, int64_t number,
                    int64_t *serving) {
  pthread_mutex_lock(&registry->mutex);
  *serving = model->versions->serving;
  bool there = version_find(model, number) != NULL;
  pthread_mutex_unlock(&registry->mutex);
  return there;
}

static enum registry_outcome serve(struct registry *registry, struct model *model, int64_t number) {
  int64_t serving;
  if (!look_up(registry, model, number, &serving) && number) return REGISTRY_NOT_FOUND;
  if (serving == number) return REGISTRY_SAME;
  if (number && registry_load(registry, model, number) != BOLTZ_OK) return REGISTRY_FAILED;
  if (registry_put_model(registry, model, number, model->versions->next) != BOLTZ_OK)
    return REGISTRY_FAILED;
  pthread_mutex_lock(&registry->mutex);
  model->versions->serving = number;
  pthread_mutex_unlock(&registry->mutex);
  registry_evict(registry);
  return REGISTRY_CREATED;
}

enum registry_outcome registry_serve(struct registry *registry, const char *name, int64_t number) {
  struct model *model = registry_model(registry, name);
  if (!model) return REGISTRY_NOT_FOUND;
  enum registry_outcome outcome = serve(registry, model, number);
  model_release(model);
  return outcome;
}

static struct version_entry *hide(struct registry *registry, struct model *model, int64_t number) {
  pthread_mutex_lock(&registry->mutex);
  struct model_versions *versions = model->versions;
  struct version_entry *entry = version_find(model, number);
  size_t k = 0;
  while (versions->entries[k] != entry) k++;
  versions->n--;
  memmove(versions->entries + k, versions->entries + k + 1,
          (versions->n - k) * sizeof(struct version_entry *));
  pthread_mutex_unlock(&registry->mutex);
  return entry;
}

static enum registry_outcome delete_version(struct registry *registry, struct model *model,
                                            int64_t number) {
  int64_t serving;
  char key[KEY_SIZE];
  if (!look_up(registry, model, number, &serving)) return REGISTRY_NOT_FOUND;
  if (serving == number) {
    boltz_fail(BOLTZ_OUT_OF_RANGE,
               "version %lld is the one that serves model %s: let another one serve first",
               (long long)number, model->name);
    return REGISTRY_IN_USE;
  }
  make_key(model->name, number, key);
  if (store_delete(registry->server->store, STORE_VERSIONS, key) != BOLTZ_OK)
    return REGISTRY_FAILED;
  struct version_entry *entry = hide(registry, model, number);
  registry_remove_unnamed(registry, entry->digest);
  version_entry_free(entry);
  return REGISTRY_CREATED;
}

enum registry_outcome registry_delete_version(struct registry *registry, const char *name,
                                              int64_t number) {
  struct model *model = registry_model(registry, name);
  if (!model) return REGISTRY_NOT_FOUND;
  enum registry_outcome outcome = delete_version(registry, model, number);
  model_release(model);
  return outcome;
}

static enum boltz_status differs(const char *what) {
  return boltz_fail(BOLTZ_BAD_CHECKPOINT, "the checkpoint's %s is not the model's", what);
}

enum boltz_status checkpoint_fits_model(const struct boltz_checkpoint *checkpoint,
                                        const struct model *model) {
  const struct boltz_energy *energy = &checkpoint->energy;
  if (energy->kind != model->energy.kind) return differs("energy kind");
  if (energy->dim != model->energy.dim) return differs("dim");
  if (memcmp(&energy->temperature, &model->energy.temperature, sizeof(double)) != 0)
    return differs("temperature");
  struct boltz_arena *scratch = boltz_arena_open(0);
  struct boltz_text text = {0};
  if (!scratch) return boltz_fail(BOLTZ_NO_MEMORY, "no memory to compare energies");
  boltz_energy_print(energy, scratch, &text);
  enum boltz_status status = BOLTZ_OK;
  if (text.failed)
    status = boltz_fail(BOLTZ_NO_MEMORY, "no memory to compare energies");
  else if (strcmp(text.data, model->versions->energy_json) != 0)
    status = differs("energy, with its settings,");
  boltz_text_free(&text);
  boltz_arena_close(scratch);
  return status;
}
