/* datasets.c - named arrays of configurations: put, show, read, remove. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/api.h"

#define PRINT_ROWS 512 /* of a tile that only prints */

struct dataset_options {
  const char *model;
};

const struct boltz_field api_dataset_fields[] = {
    {.name = "model",
     .type = BOLTZ_FIELD_TEXT,
     .offset = offsetof(struct dataset_options, model),
     .high = 1e9, /* a name's form is checked by itself */
     .doc = "whose configurations they are; here or as a query parameter"},
    BOLTZ_FIELDS_END};

static void not_found(struct request *request) {
  reply_problem(request, 404, "DATASET_NOT_FOUND", NULL, "there is no dataset %s",
                request->parameters[0]);
}

/* ---- Put ---- */

struct upload {
  struct request *request;
  const char *model;
  int dim;
  const double *rows;
  size_t n;
};

/* A name that an unfinished Monte Carlo job will write is taken already. On the store thread. */
static bool name_is_promised(struct request *request) {
  struct dataset dataset;
  char job[JOB_ID_SIZE];
  const char *name = request->parameters[0];
  if (registry_dataset(request->server->registry, name, &dataset)) return false;
  if (!jobs_using(request->server->jobs, NULL, name, job)) return false;
  reply_problem(request, 409, "IN_USE", NULL, "dataset %s is being made by job %s", name, job);
  return true;
}

/* On the store thread. */
static void add_dataset(void *argument) {
  struct upload *upload = argument;
  struct request *request = upload->request;
  struct registry *registry = request->server->registry;
  const char *name = request->parameters[0];
  if (name_is_promised(request)) return;
  enum registry_outcome outcome = registry_add_dataset(registry, name, upload->model, upload->rows,
                                                       upload->n, upload->dim, NULL);
  if (outcome == REGISTRY_CREATED || outcome == REGISTRY_SAME) {
    request_header(request, "Location", "/v1/datasets/%s", name);
    reply_json(request, outcome == REGISTRY_CREATED ? 201 : 200,
               registry_dataset_record(registry, name));
    return;
  }
  char what[160];
  bool gone = outcome == REGISTRY_NOT_FOUND;
  snprintf(what, sizeof what, gone ? "model %s" : "dataset %s", gone ? upload->model : name);
  api_refused(request, outcome, "MODEL_NOT_FOUND", what);
}

/* The model's name, from the query or the body; NULL: the reply is given. */
static const char *take_model(struct request *request) {
  static const char *const others[] = {"x", NULL};
  struct dataset_options options;
  if (!api_fields(request, api_dataset_fields, others, &options)) return NULL;
  const char *query = request_query(request, "model");
  const char *name = query ? query : options.model;
  if (!name)
    reply_problem(request, 400, "MISSING_MEMBER", "/model",
                  "model is missing, in the body or as ?model=: whose configurations are these?");
  else if (!name_is_well_formed(name))
    reply_problem(request, 400, "BAD_NAME", "/model",
                  "model = \"%.80s\" is not of the form [A-Za-z0-9][A-Za-z0-9._-]{0,63}", name);
  else if (options.model && strcmp(name, options.model) != 0)
    reply_problem(request, 422, "OUT_OF_RANGE", "/model",
                  "model is %.64s here and %.64s in the query", options.model, name);
  else
    return name;
  return NULL;
}

/* The rows, every one a configuration of the model; false: the reply is given. */
static bool take_rows(struct upload *upload, const struct model *model) {
  struct request *request = upload->request;
  upload->dim = model->energy.dim;
  if (!request_rows(request, "x", upload->dim, &upload->rows, &upload->n)) return false;
  size_t bad = api_first_outside(&model->energy, upload->rows, upload->n);
  if (bad == upload->n) return true;
  char pointer[40];
  snprintf(pointer, sizeof pointer, "/x/%zu", bad);
  reply_problem(request, 422, "BAD_ROW", pointer,
                "row %zu of x lies outside the domain of model %s", bad, upload->model);
  return false;
}

static void handle_put(struct request *request) {
  struct upload *upload = BOLTZ_NEW(request->arena, struct upload);
  if (!upload) {
    reply_status(request, BOLTZ_NO_MEMORY, "");
    return;
  }
  upload->request = request;
  upload->model = take_model(request);
  if (!upload->model) return;
  struct model *model = registry_model(request->server->registry, upload->model);
  if (!model) {
    reply_problem(request, 404, "MODEL_NOT_FOUND", "/model", "there is no model %s", upload->model);
    return;
  }
  if (!api_is_served(request, model, "/model")) return;
  bool taken = take_rows(upload, model);
  model_release(model);
  if (taken) api_post(request, add_dataset, upload);
}

/* ---- Show ---- */

static cJSON *dataset_record(struct request *request, const char *name) {
  return registry_dataset_record(request->server->registry, name);
}

static void handle_list(struct request *request) {
  struct api_page *page = api_page_new(request);
  if (!page) return;
  registry_each_dataset(request->server->registry, page->after, page->size, &page->more,
                        api_page_add, page);
  api_page_reply(page, dataset_record);
}

/* ---- Rows ---- */

struct reading {
  struct tiles tiles; /* first: a round's pieces point here */
  struct dataset dataset;
  size_t first;
  double *rows; /* [dataset.n, dim], malloc'ed */
};

static void release(struct tiles *tiles) {
  free(((struct reading *)tiles)->rows);
}

static bool print_tile(struct tiles *tiles, size_t tile, size_t first, size_t n,
                       struct worker *worker) {
  struct reading *reading = (struct reading *)tiles;
  int dim = reading->dataset.dim;
  struct boltz_batch x;
  if (boltz_batch_new(worker->scratch, n, dim, &x) != BOLTZ_OK) return false;
  boltz_batch_from_rows(&x, reading->rows + (reading->first + first) * (size_t)dim);
  const struct api_columns columns[] = {{.batch = &x}};
  return api_tiles_print(tiles, tile, n, columns);
}

static void printed(struct tiles *tiles, struct worker *worker) {
  (void)worker;
  struct reading *reading = (struct reading *)tiles;
  cJSON *head = cJSON_CreateObject();
  json_add_text(head, "name", reading->dataset.name);
  json_add_text(head, "model", reading->dataset.model);
  json_add_integer(head, "first", (int64_t)reading->first);
  json_add_integer(head, "n", (int64_t)tiles->n);
  json_add_integer(head, "dim", reading->dataset.dim);
  api_tiles_reply(tiles, head, cJSON_CreateObject());
}

/* On the store thread. */
static void read_rows(void *argument) {
  struct reading *reading = argument;
  struct request *request = reading->tiles.request;
  size_t n = 0;
  int dim = 0;
  struct dataset now; /* removed since, or made anew with other rows? */
  if (!registry_dataset(request->server->registry, reading->dataset.name, &now) ||
      strcmp(now.digest, reading->dataset.digest) != 0) {
    not_found(request);
    return;
  }
  enum boltz_status status = registry_read_dataset(request->server->registry, reading->dataset.name,
                                                   &reading->rows, &n, &dim);
  if (status != BOLTZ_OK)
    reply_problem(request, 503, "STORE", NULL, "%s", boltz_error());
  else
    api_tiles_start(&reading->tiles);
}

static void handle_rows(struct request *request, const struct dataset *dataset) {
  struct reading *reading = BOLTZ_NEW(request->arena, struct reading);
  int64_t n = 0, first = 0;
  if (!reading) {
    reply_status(request, BOLTZ_NO_MEMORY, "");
    return;
  }
  if (!api_query_int(request, "n", 1, INT64_MAX, (int64_t)dataset->n, &n) ||
      !api_query_int(request, "first", 0, INT64_MAX, 0, &first))
    return;
  size_t left = (uint64_t)first < dataset->n ? dataset->n - (size_t)first : 0;
  reading->dataset = *dataset;
  reading->first = (size_t)first;
  reading->tiles.request = request;
  reading->tiles.n = (uint64_t)n < left ? (size_t)n : left;
  reading->tiles.rows = PRINT_ROWS;
  reading->tiles.held = true;
  reading->tiles.each = print_tile;
  reading->tiles.end = printed;
  reading->tiles.release = release;
  api_tiles_array(&reading->tiles, "x", "x", dataset->dim);
  if (api_tiles_fit(&reading->tiles)) api_post(request, read_rows, reading);
}

static void handle_show(struct request *request) {
  struct dataset dataset;
  if (!registry_dataset(request->server->registry, request->parameters[0], &dataset))
    not_found(request);
  else if (request_query(request, "n") || request_query(request, "first") ||
           request->accept == ACCEPT_NPY)
    handle_rows(request, &dataset);
  else
    reply_json(request, 200, dataset_record(request, dataset.name));
}

/* ---- Remove ---- */

/* On the store thread. */
static void remove_dataset(void *argument) {
  struct request *request = argument;
  const char *name = request->parameters[0];
  char what[96];
  enum registry_outcome outcome = registry_delete_dataset(request->server->registry, name);
  snprintf(what, sizeof what, "dataset %s", name);
  if (outcome == REGISTRY_CREATED || outcome == REGISTRY_SAME)
    reply_empty(request, 204);
  else
    api_refused(request, outcome, "DATASET_NOT_FOUND", what);
}

static void handle_delete(struct request *request) {
  api_post(request, remove_dataset, request);
}

static const char *const page_query[] = {"page_size", "page_token", NULL};
static const char *const put_query[] = {"model", NULL};
static const char *const rows_query[] = {"n", "first", NULL};

const struct route api_datasets[] = {
    {"GET", "/v1/datasets", ROUTE_HERE, BODY_NONE, handle_list, page_query, "List the datasets."},
    {"PUT", "/v1/datasets/{dataset}", ROUTE_LATER, BODY_ARRAY, handle_put, put_query,
     "Upload a dataset."},
    {"GET", "/v1/datasets/{dataset}", ROUTE_LATER, BODY_NONE, handle_show, rows_query,
     "Show a dataset, or with n its rows."},
    {"DELETE", "/v1/datasets/{dataset}", ROUTE_LATER, BODY_NONE, handle_delete, NULL,
     "Remove a dataset."},
    {0}};
