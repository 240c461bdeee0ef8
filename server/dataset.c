/* dataset.c - named arrays of configurations: an NPY file each, by digest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boltz/npy.h"
#include "server/job.h"
#include "server/json.h"
#include "server/registry.h"
#include "server/row.h"

/* Index of a dataset or of the place it would have; the mutex is held. */
static size_t find(const struct registry *registry, const char *name, bool *found) {
  size_t low = 0, high = registry->ndatasets;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (strcmp(registry->datasets[middle]->name, name) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  *found = low < registry->ndatasets && strcmp(registry->datasets[low]->name, name) == 0;
  return low;
}

bool registry_dataset(struct registry *registry, const char *name, struct dataset *dataset) {
  bool found;
  pthread_mutex_lock(&registry->mutex);
  size_t k = find(registry, name, &found);
  if (found) *dataset = *registry->datasets[k];
  pthread_mutex_unlock(&registry->mutex);
  return found;
}

struct cJSON *registry_dataset_record(struct registry *registry, const char *name) {
  struct dataset dataset;
  char time[JSON_TIME_SIZE];
  if (!registry_dataset(registry, name, &dataset)) return NULL;
  json_time(dataset.created_ms, time);
  cJSON *record = cJSON_CreateObject();
  json_add_text(record, "name", dataset.name);
  json_add_text(record, "model", dataset.model);
  json_add_integer(record, "n", (int64_t)dataset.n);
  json_add_integer(record, "dim", dataset.dim);
  json_add_text(record, "digest", dataset.digest);
  json_add_text(record, "job", *dataset.job ? dataset.job : NULL);
  json_add_text(record, "created_at", time);
  return record;
}

void registry_each_dataset(struct registry *registry, const char *token, int most, bool *more,
                           void (*each)(void *argument, const char *name), void *argument) {
  bool found = false;
  pthread_mutex_lock(&registry->mutex);
  size_t k = token ? find(registry, token, &found) : 0;
  if (found) k++;
  for (; k < registry->ndatasets && most > 0; k++, most--)
    each(argument, registry->datasets[k]->name);
  *more = k < registry->ndatasets;
  pthread_mutex_unlock(&registry->mutex);
}

/* ---- adding ---- */

/* The rows as an NPY file, malloc'ed. */
static enum boltz_status make_file(const double *rows, size_t n, int dim, char **bytes,
                                   size_t *size) {
  char header[BOLTZ_NPY_HEADER];
  size_t length = boltz_npy_header(n, (size_t)dim, header), data;
  *bytes = NULL;
  if (__builtin_mul_overflow(n, (size_t)dim * sizeof *rows, &data) ||
      __builtin_add_overflow(data, length, size) || !(*bytes = malloc(*size)))
    return boltz_fail(BOLTZ_NO_MEMORY, "no memory for a dataset of %zu rows of %d", n, dim);
  memcpy(*bytes, header, length);
  memcpy(*bytes + length, rows, data);
  return BOLTZ_OK;
}

static enum boltz_status put(struct registry *registry, const struct dataset *dataset) {
  struct boltz_text row = {0};
  boltz_text_puts(&row, "{");
  row_put_text(&row, "model", dataset->model);
  row_put_integer(&row, "n", (int64_t)dataset->n);
  row_put_integer(&row, "dim", dataset->dim);
  row_put_text(&row, "digest", dataset->digest);
  row_put_text(&row, "job", dataset->job);
  row_put_integer(&row, "created_ms", dataset->created_ms);
  boltz_text_puts(&row, "}");
  enum boltz_status status =
      row.failed ? boltz_fail(BOLTZ_NO_MEMORY, "no memory for the row of dataset %s", dataset->name)
                 : store_put(registry->server->store, STORE_DATASETS, dataset->name, row.data);
  boltz_text_free(&row);
  return status;
}

static bool reserve(struct registry *registry) {
  size_t staged = 0;
  for (const struct staged *s = registry->staged; s; s = s->next) staged++;
  pthread_mutex_lock(&registry->mutex);
  void *grown =
      registry_grow(registry->datasets, registry->ndatasets + staged, &registry->datasets_capacity);
  if (grown) registry->datasets = grown;
  pthread_mutex_unlock(&registry->mutex);
  return grown;
}

static enum boltz_status stage(struct registry *registry, const struct dataset *dataset) {
  struct staged *staged = calloc(1, sizeof *staged);
  struct dataset *copy = malloc(sizeof *copy);
  if (!staged || !copy || !reserve(registry)) {
    free(staged);
    free(copy);
    return boltz_fail(BOLTZ_NO_MEMORY, "no memory for dataset %s", dataset->name);
  }
  *copy = *dataset;
  *staged = (struct staged){.next = registry->staged, .dataset = copy};
  registry->staged = staged;
  return BOLTZ_OK;
}

void registry_show_dataset(struct registry *registry, struct dataset *dataset) {
  bool found;
  pthread_mutex_lock(&registry->mutex);
  size_t k = find(registry, dataset->name, &found);
  memmove(registry->datasets + k + 1, registry->datasets + k,
          (registry->ndatasets - k) * sizeof *registry->datasets);
  registry->datasets[k] = dataset;
  registry->ndatasets++;
  pthread_mutex_unlock(&registry->mutex);
}

static enum boltz_status write_dataset(struct registry *registry, struct dataset *dataset,
                                       const void *bytes, size_t size) {
  BOLTZ_TRY(stage(registry, dataset));
  BOLTZ_TRY(store_write_blob(registry->server->store, bytes, size, dataset->digest));
  return put(registry, dataset);
}

/* One row needs no transaction of its own: a single write commits by itself. */
static enum registry_outcome add(struct registry *registry, struct dataset *dataset,
                                 const void *bytes, size_t size) {
  bool own = !store_in_transaction(registry->server->store);
  if (write_dataset(registry, dataset, bytes, size) == BOLTZ_OK) {
    if (own) registry_publish(registry);
    return REGISTRY_CREATED;
  }
  if (own) registry_discard(registry);
  return REGISTRY_FAILED;
}

static bool model_exists(struct registry *registry, const char *name) {
  struct model *model = registry_model(registry, name);
  if (!model) boltz_fail(BOLTZ_OUT_OF_RANGE, "there is no model %s", name);
  model_release(model);
  return model != NULL;
}

enum registry_outcome registry_add_dataset(struct registry *registry, const char *name,
                                           const char *model, const double *rows, size_t n, int dim,
                                           const char *job) {
  char *bytes;
  size_t size = 0;
  struct dataset there, dataset = {.n = n, .dim = dim, .created_ms = json_now_ms()};
  if (!model_exists(registry, model)) return REGISTRY_NOT_FOUND;
  if (make_file(rows, n, dim, &bytes, &size) != BOLTZ_OK) return REGISTRY_FAILED;
  snprintf(dataset.name, sizeof dataset.name, "%s", name);
  snprintf(dataset.model, sizeof dataset.model, "%s", model);
  snprintf(dataset.job, sizeof dataset.job, "%s", job ? job : "");
  store_digest(bytes, size, dataset.digest);
  enum registry_outcome outcome;
  if (!registry_dataset(registry, name, &there))
    outcome = add(registry, &dataset, bytes, size);
  else
    outcome = strcmp(there.digest, dataset.digest) == 0 && strcmp(there.model, model) == 0
                  ? REGISTRY_SAME
                  : REGISTRY_CONFLICT;
  free(bytes);
  return outcome;
}

/* ---- removing ---- */

static struct dataset *hide(struct registry *registry, const char *name) {
  bool found;
  pthread_mutex_lock(&registry->mutex);
  size_t k = find(registry, name, &found);
  struct dataset *dataset = registry->datasets[k];
  registry->ndatasets--;
  memmove(registry->datasets + k, registry->datasets + k + 1,
          (registry->ndatasets - k) * sizeof *registry->datasets);
  pthread_mutex_unlock(&registry->mutex);
  return dataset;
}

enum registry_outcome registry_delete_dataset(struct registry *registry, const char *name) {
  struct dataset there;
  char job[JOB_ID_SIZE];
  struct server *server = registry->server;
  if (!registry_dataset(registry, name, &there)) return REGISTRY_NOT_FOUND;
  if (server->jobs && jobs_using(server->jobs, NULL, name, job)) {
    boltz_fail(BOLTZ_OUT_OF_RANGE, "dataset %s is used by job %s: cancel it first", name, job);
    return REGISTRY_IN_USE;
  }
  if (store_delete(server->store, STORE_DATASETS, name) != BOLTZ_OK) return REGISTRY_FAILED;
  free(hide(registry, name));
  registry_remove_unnamed(registry, there.digest);
  return REGISTRY_CREATED;
}

/* ---- reading ---- */

/* What we wrote is what we read: the header of this n and dim, then the numbers. */
enum boltz_status registry_read_dataset(struct registry *registry, const char *name, double **rows,
                                        size_t *n, int *dim) {
  struct dataset dataset;
  char header[BOLTZ_NPY_HEADER];
  void *bytes;
  size_t size;
  *rows = NULL;
  if (!registry_dataset(registry, name, &dataset))
    return boltz_fail(BOLTZ_IO, "there is no dataset %s any more", name);
  BOLTZ_TRY(store_read_blob(registry->server->store, dataset.digest, &bytes, &size));
  size_t length = boltz_npy_header(dataset.n, (size_t)dataset.dim, header);
  size_t data = dataset.n * (size_t)dataset.dim * sizeof(double);
  if (size != length + data || memcmp(bytes, header, length) != 0) {
    free(bytes);
    return boltz_fail(BOLTZ_IO, "the file of dataset %s is not of its record's shape", name);
  }
  memmove(bytes, (char *)bytes + length, data);
  *rows = bytes;
  *n = dataset.n;
  *dim = dataset.dim;
  return BOLTZ_OK;
}

/* ---- opening ---- */

struct loading {
  struct registry *registry;
  enum boltz_status status;
};

static enum boltz_status load(struct registry *registry, const char *name, const char *body) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_json *row = NULL;
  struct dataset *dataset = calloc(1, sizeof *dataset);
  enum boltz_status status = arena && dataset && reserve(registry)
                                 ? row_parse("dataset", name, body, arena, &row)
                                 : boltz_fail(BOLTZ_NO_MEMORY, "no memory for dataset %s", name);
  if (status == BOLTZ_OK) {
    snprintf(dataset->name, sizeof dataset->name, "%s", name);
    snprintf(dataset->model, sizeof dataset->model, "%s", row_text(row, "model", ""));
    snprintf(dataset->digest, sizeof dataset->digest, "%s", row_text(row, "digest", ""));
    snprintf(dataset->job, sizeof dataset->job, "%s", row_text(row, "job", ""));
    dataset->n = (size_t)row_integer(row, "n", 0);
    dataset->dim = (int)row_integer(row, "dim", 0);
    dataset->created_ms = row_integer(row, "created_ms", 0);
    registry_show_dataset(registry, dataset);
  } else {
    free(dataset);
  }
  boltz_arena_close(arena);
  return status;
}

static void load_row(void *argument, const char *key, const char *body) {
  struct loading *loading = argument;
  if (loading->status == BOLTZ_OK) loading->status = load(loading->registry, key, body);
}

enum boltz_status registry_open_datasets(struct registry *registry) {
  struct loading loading = {registry, BOLTZ_OK};
  BOLTZ_TRY(store_each(registry->server->store, STORE_DATASETS, "", load_row, &loading));
  return loading.status;
}
