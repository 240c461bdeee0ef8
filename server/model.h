/* model.h - the registry in memory: models, versions, datasets, reference counts, hot swap.
 *
 * Readers on any thread take references under one mutex; changes are made on the store thread only,
 * by the registry_… functions marked [store]. */
#ifndef SERVER_MODEL_H
#define SERVER_MODEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "boltz/checkpoint.h"
#include "server/store.h"

struct cJSON;

/** What a request, or a job, for a withheld model is refused with. */
#define MODEL_WITHHELD "PLUGIN_CHANGED"

/** A registered energy model. Immutable but for the registry's own members. */
struct model {
  char name[65];
  struct boltz_arena *arena;
  struct boltz_energy energy; /* of a withheld one: temperature and dim alone */

  /* The plug-in that its energy was of when it was registered; NULL: it was built in. */
  const char *plugin_file, *plugin_sha256;
  const char *coordinates, *variables; /* JSON: what is shown of a plug-in's energy without it */

  /* Why it is shown but not served, a sentence: its energy is not there, or is another program than
     it was registered with. NULL: it is served. Known at start, and the same until the end. */
  const char *withheld;
  long long created_ms;
  atomic_int references;
  struct model_versions *versions; /* the registry's */
};

/** A version's flow in memory: immutable, counted, served while anybody holds it. */
struct version {
  int64_t number;
  struct boltz_arena *arena;
  struct boltz_checkpoint checkpoint; /* flow and weights, served in their precision */
  const char *precision;              /* its name */
  atomic_int references;
};

struct registry;

/** Load every row; then read the serving versions' files. Errors: IO. */
enum boltz_status registry_open(struct server *server, struct registry **registry);
void registry_close(struct registry *registry);

/** The model of that name with a reference, or NULL; give it back with model_release. */
struct model *registry_model(struct registry *registry, const char *name);
void model_release(struct model *model);

enum version_found {
  VERSION_READY,      /* *version holds a reference */
  VERSION_NOT_FOUND,  /* no such number */
  VERSION_NONE,       /* nothing serves (number 0) */
  VERSION_NOT_LOADED, /* its file must be read first: registry_load on the store thread */
};

/** Version `number` of a model; 0: the one that serves. */
enum version_found registry_version(struct registry *registry, struct model *model, int64_t number,
                                    struct version **version);
void version_release(struct version *version);

/** [store] Read a version's file (0: of the one that serves), check its digest, keep it for a
 * while. When there is no such version nothing is done: registry_version says so.
 * Errors: IO, BAD_CHECKPOINT, NO_MEMORY. */
enum boltz_status registry_load(struct registry *registry, struct model *model, int64_t number);

/** [store] Outcome of a change that may meet what is there already. */
enum registry_outcome {
  REGISTRY_CREATED,
  REGISTRY_SAME,     /* the same content was there already */
  REGISTRY_CONFLICT, /* other content was there */
  REGISTRY_NOT_FOUND,
  REGISTRY_IN_USE, /* boltz_error() names what uses it */
  REGISTRY_FAILED, /* the store refused: boltz_error() */
};

/** [store] Register a model: takes `arena`, in which the energy lives (closed unless CREATED). */
enum registry_outcome registry_add_model(struct registry *registry, const char *name,
                                         const struct boltz_energy *energy,
                                         struct boltz_arena *arena);
/** [store] Remove a model, its versions and their files. */
enum registry_outcome registry_delete_model(struct registry *registry, const char *name);

/** [store] What a new version is made of. */
struct version_draft {
  const void *bytes; /* the checkpoint file */
  size_t size;
  const char *job;     /* id or NULL */
  const char *metrics; /* JSON object */
  bool serve;          /* at once */
  bool serve_first;    /* when no other version serves */
};
/** [store] Write file and row, give it the next number, load it, swap it in. The file was checked
 * against the model by checkpoint_fits_model. Inside the caller's transaction when one is open:
 * then it is shown by registry_publish. */
enum registry_outcome registry_add_version(struct registry *registry, const char *model,
                                           const struct version_draft *draft, int64_t *number);
/** [store] After the caller's transaction: show what registry_add_version and registry_add_dataset
 * wrote in it, once it is committed; or forget it, once it is rolled back. */
void registry_publish(struct registry *registry);
void registry_discard(struct registry *registry);
enum registry_outcome registry_delete_version(struct registry *registry, const char *model,
                                              int64_t number);
/** [store] Which version answers; 0: none. */
enum registry_outcome registry_serve(struct registry *registry, const char *model, int64_t number);

/** Does a checkpoint belong to a model: energy kind, settings, temperature, dim? BAD_CHECKPOINT
 * says what differs. */
enum boltz_status checkpoint_fits_model(const struct boltz_checkpoint *checkpoint,
                                        const struct model *model);

/** Records as API.md shows them; NULL when not found. List in order of names or numbers. */
struct cJSON *registry_model_record(struct registry *registry, const char *name);
struct cJSON *registry_version_record(struct registry *registry, const char *model, int64_t number);

/** A page of names after `token` (NULL: from the start), at most `most`: each(argument, name). Sets
 * *more when something is left. */
void registry_each_model(struct registry *registry, const char *token, int most, bool *more,
                         void (*each)(void *argument, const char *name), void *argument);
void registry_each_version(struct registry *registry, const char *model, int64_t after, int most,
                           bool *more, void (*each)(void *argument, int64_t number),
                           void *argument);

/** The digest of a version's file; false when there is no such version. */
bool registry_version_digest(struct registry *registry, const char *model, int64_t number,
                             char digest[STORE_DIGEST_SIZE], size_t *size);

/** A dataset: rows in a blob (NPY <f8), its record here. */
struct dataset {
  char name[65], model[65];
  size_t n;
  int dim;
  char digest[STORE_DIGEST_SIZE]; /* of the NPY file */
  char job[40];                   /* or "" */
  long long created_ms;
};
bool registry_dataset(struct registry *registry, const char *name, struct dataset *dataset);
struct cJSON *registry_dataset_record(struct registry *registry, const char *name);
void registry_each_dataset(struct registry *registry, const char *token, int most, bool *more,
                           void (*each)(void *argument, const char *name), void *argument);
/** [store] Write rows [n, dim] as a dataset. Inside the caller's transaction when one is open: then
 * it is shown by registry_publish. NOT_FOUND: no such model. */
enum registry_outcome registry_add_dataset(struct registry *registry, const char *name,
                                           const char *model, const double *rows, size_t n, int dim,
                                           const char *job);
enum registry_outcome registry_delete_dataset(struct registry *registry, const char *name);
/** [store] The rows of a dataset, malloc'ed [n, dim]. Errors: IO, NO_MEMORY. */
enum boltz_status registry_read_dataset(struct registry *registry, const char *name, double **rows,
                                        size_t *n, int *dim);

/** The digests that versions and datasets name, unsorted, valid until the next change; free() the
 * array, which is NULL when memory is exhausted. Returns how many. */
size_t registry_digests(struct registry *registry, const char ***digests);

/** How many there are, for metrics. */
struct registry_counts {
  int models, versions, datasets;
  int loaded[BOLTZ_PRECISIONS]; /* versions in memory, by precision */
};
void registry_counts(struct registry *registry, struct registry_counts *counts);

#endif
