/* registry.h - the inside of the registry, for model….c, version….c and dataset.c alone. */
#ifndef SERVER_REGISTRY_H
#define SERVER_REGISTRY_H

#include <pthread.h>

#include "boltz/text.h"
#include "server/model.h"

/** A version's record. Its flow is in memory when `loaded` is set: one of the references. */
struct version_entry {
  int64_t number;
  char digest[STORE_DIGEST_SIZE];
  size_t size;
  char *flow, *metrics; /* JSON */
  char *job;            /* or NULL */
  const char *precision;
  long long created_ms;
  struct version *loaded;
  uint64_t used; /* registry->clock when it was last asked for */
};

struct model_versions {
  char *energy_json; /* immutable */
  int64_t serving;   /* 0: none */
  int64_t next;      /* number of the next version; numbers are never given again */
  size_t n, capacity;
  struct version_entry **entries; /* by number */
};

/** Written to the store in a transaction that is still open; shown once it is committed. */
struct staged {
  struct staged *next;
  struct model *model; /* a reference; of the entry */
  struct version_entry *entry;
  bool serve;
  struct dataset *dataset;
};

struct registry {
  struct server *server;
  struct staged *staged; /* the store thread's */
  pthread_mutex_t mutex; /* guards what is below, and every model's versions */
  size_t nmodels, models_capacity;
  struct model **models; /* by name */
  size_t ndatasets, datasets_capacity;
  struct dataset **datasets; /* by name */
  uint64_t clock;
};

/** An array of pointers with room for element n: itself, or grown; NULL: no memory, and it is as it
 * was. */
void *registry_grow(void *array, size_t n, size_t *capacity);

/** A model without energy; with one, as it is registered now. Both take the arena, and close it
 * when memory is exhausted: NULL. */
struct model *model_alloc(const char *name, struct boltz_arena *arena);
struct model *model_new(const struct registry *registry, const char *name,
                        const struct boltz_energy *energy, struct boltz_arena *arena);

/** Set `coordinates` and `variables` from its energy; NULL when memory is exhausted. */
void model_describe(struct model *model);

/** Make room for one more model; show one, for which there is room. */
bool registry_reserve(struct registry *registry);
void registry_insert(struct registry *registry, struct model *model);

/** Index of a model or of the place it would have; the mutex is held. */
size_t registry_model_index(const struct registry *registry, const char *name, bool *found);

/** Write a model's row with these counters. */
enum boltz_status registry_put_model(struct registry *registry, const struct model *model,
                                     int64_t serving, int64_t next);

/** Load the rows of versions, of datasets. */
enum boltz_status registry_open_versions(struct registry *registry);
enum boltz_status registry_open_datasets(struct registry *registry);

/** Read the serving versions' files; what cannot be read is logged. */
void registry_load_serving(struct registry *registry);

/** A checkpoint in memory, with one reference. Errors: BAD_CHECKPOINT, NO_MEMORY. */
enum boltz_status version_read(const void *bytes, size_t size, struct version **version);

/** A model's entry of that number, or NULL; the mutex is held. */
struct version_entry *version_find(const struct model *model, int64_t number);

/** Free one; free a model's. */
void version_entry_free(struct version_entry *entry);
void version_entries_free(struct model_versions *versions);

/** Unload what serves nobody and was not asked for lately. */
void registry_evict(struct registry *registry);

/** Remove a blob unless a version or a dataset names it. */
void registry_remove_unnamed(struct registry *registry, const char *digest);

/** Show, or take back, one staged dataset. */
void registry_show_dataset(struct registry *registry, struct dataset *dataset);

#endif
