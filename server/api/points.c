/* points.c - weights, energies and transforms of configurations that the client gives. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "server/api/api.h"

struct points_options {
  int64_t version;
  double temperature;
  bool gradient;
  const char *to;
};

#define AT(member) offsetof(struct points_options, member)

#define VERSION_FIELD                                                                            \
  {                                                                                              \
    .name = "version", .type = BOLTZ_FIELD_INT, .offset = AT(version), .low = 1, .high = 0x1p63, \
    .doc = "version to ask; the serving one when absent"                                         \
  }
#define TEMPERATURE_FIELD                                                                     \
  {                                                                                           \
    .name = "temperature", .type = BOLTZ_FIELD_DOUBLE, .offset = AT(temperature), .def = NAN, \
    .low = BOLTZ_TEMPERATURE_MIN, .high = BOLTZ_TEMPERATURE_MAX, .nullable = true,            \
    .doc = "at which energies are taken; the model's when absent"                             \
  }

const struct boltz_field api_weights_fields[] = {VERSION_FIELD, TEMPERATURE_FIELD,
                                                 BOLTZ_FIELDS_END};

const struct boltz_field api_energy_fields[] = {TEMPERATURE_FIELD,
                                                {.name = "gradient",
                                                 .type = BOLTZ_FIELD_BOOL,
                                                 .offset = AT(gradient),
                                                 .doc = "also the gradient of the reduced energy"},
                                                BOLTZ_FIELDS_END};

static const char *const directions[] = {"x", "z", NULL};

const struct boltz_field api_transform_fields[] = {
    {.name = "to",
     .type = BOLTZ_FIELD_CHOICE,
     .offset = AT(to),
     .choices = directions,
     .required = true,
     .doc = "z: configurations x to latents; x: latents z to configurations"},
    VERSION_FIELD,
    BOLTZ_FIELDS_END};

struct points {
  struct tiles tiles; /* first: a round's pieces point here */
  struct model *model;
  struct version *version; /* NULL for energies alone */
  struct points_options options;
  const double *rows;                 /* [n, dim], with the request */
  double *u, *log_q, *log_w, *weight; /* [n] */
  struct boltz_weight_summary summary;
};

static void release(struct tiles *tiles) {
  struct points *points = (struct points *)tiles;
  version_release(points->version);
  model_release(points->model);
}

static const double *rows_of(const struct points *points, size_t first) {
  return points->rows + first * (size_t)points->model->energy.dim;
}

/* ---- What the three have in common ---- */

/* Points of the model in the path; NULL: the reply is given. */
static struct points *points_new(struct request *request) {
  struct model *model = api_model(request);
  if (!model) return NULL;
  struct points *points = BOLTZ_NEW(request->arena, struct points);
  if (!points) {
    model_release(model);
    reply_status(request, BOLTZ_NO_MEMORY, "");
    return NULL;
  }
  points->model = model;
  points->tiles.request = request;
  points->tiles.release = release;
  return points;
}

static bool take_rows(struct points *points, const char *name) {
  struct request *request = points->tiles.request;
  return request_rows(request, name, points->model->energy.dim, &points->rows, &points->tiles.n);
}

static void set_temperature(struct points *points) {
  if (isnan(points->options.temperature))
    points->options.temperature = points->model->energy.temperature;
}

/* The members that come first. */
static cJSON *head_of(const struct points *points) {
  cJSON *head = cJSON_CreateObject();
  json_add_integer(head, "n", (int64_t)points->tiles.n);
  json_add_integer(head, "dim", points->model->energy.dim);
  if (!points->version) return head;
  json_add_integer(head, "version", points->version->number);
  json_add_text(head, "precision", points->version->precision);
  request_header(points->tiles.request, "Boltz-Version", "%lld",
                 (long long)points->version->number);
  return head;
}

/* ---- Weights ---- */

static bool weigh_tile(struct tiles *tiles, size_t tile, size_t first, size_t n,
                       struct worker *worker) {
  (void)tile;
  struct points *points = (struct points *)tiles;
  const struct boltz_energy *energy = &points->model->energy;
  struct api_drawn drawn;
  size_t bad = 0;
  if (!api_drawn_new(worker->scratch, n, energy->dim, false, &drawn)) return false;
  boltz_batch_from_rows(&drawn.x, rows_of(points, first));
  if (!api_weigh(points->version, energy, points->options.temperature, &drawn, &bad,
                 worker->scratch))
    return false;
  atomic_fetch_add(&tiles->non_finite, bad);
  memcpy(points->u + first, drawn.u, n * sizeof(double));
  memcpy(points->log_q + first, drawn.log_q, n * sizeof(double));
  memcpy(points->log_w + first, drawn.log_w, n * sizeof(double));
  return true;
}

static bool print_weights(struct tiles *tiles, size_t tile, size_t first, size_t n,
                          struct worker *worker) {
  (void)worker;
  struct points *points = (struct points *)tiles;
  const struct api_columns columns[] = {{.column = points->u + first},
                                        {.column = points->log_q + first},
                                        {.column = points->log_w + first},
                                        {.column = points->weight + first}};
  return api_tiles_print(tiles, tile, n, columns);
}

static void weights_done(struct tiles *tiles, struct worker *worker) {
  (void)worker;
  struct points *points = (struct points *)tiles;
  struct request *request = tiles->request;
  char ess[BOLTZ_NUMBER_SIZE];
  boltz_number_print(points->summary.ess, ess);
  request_header(request, "Boltz-Ess", "%s", ess);
  metrics_add(request->server->metrics, METRIC_DENSITIES, tiles->n);
  cJSON *tail = cJSON_CreateObject();
  json_add_number(tail, "ess", points->summary.ess);
  json_add_number(tail, "ess_fraction", points->summary.ess_fraction);
  json_add_integer(tail, "non_finite", (int64_t)atomic_load(&tiles->non_finite));
  api_tiles_reply(tiles, head_of(points), tail);
}

/* A weight needs all log weights: another pass prints. */
static void weights_known(struct tiles *tiles, struct worker *worker) {
  (void)worker;
  struct points *points = (struct points *)tiles;
  boltz_stats_weights(points->log_w, tiles->n, &points->summary);
  boltz_stats_normalise(points->log_w, tiles->n, points->weight);
  tiles->each = print_weights;
  tiles->held = true;
  tiles->end = weights_done;
  api_tiles_start(tiles);
}

static bool weights_prepare(struct points *points) {
  struct request *request = points->tiles.request;
  api_tiles_array(&points->tiles, "energy", NULL, 0);
  api_tiles_array(&points->tiles, "log_q", NULL, 0);
  api_tiles_array(&points->tiles, "log_weight", NULL, 0);
  api_tiles_array(&points->tiles, "weight", NULL, 0);
  if (!api_tiles_fit(&points->tiles)) return false;
  double **columns[] = {&points->u, &points->log_q, &points->log_w, &points->weight};
  for (int k = 0; k < 4; k++) {
    *columns[k] = boltz_arena_scratch(request->arena, points->tiles.n, sizeof(double));
    if (*columns[k]) continue;
    reply_status(request, BOLTZ_NO_MEMORY, "");
    return false;
  }
  return true;
}

static void handle_weights(struct request *request) {
  static const char *const others[] = {"x", NULL};
  struct points *points = points_new(request);
  if (!points) return;
  struct model *model = points->model;
  struct version *version = NULL;
  if (!api_fields(request, api_weights_fields, others, &points->options) ||
      !take_rows(points, "x") || !api_version(request, model, points->options.version, &version)) {
    model_release(model);
    return;
  }
  set_temperature(points);
  points->version = version;
  points->tiles.rows = api_flow_tile(version);
  points->tiles.each = weigh_tile;
  points->tiles.end = weights_known;
  if (weights_prepare(points)) {
    api_tiles_start(&points->tiles);
    return;
  }
  version_release(version);
  model_release(model);
}

/* ---- Energy ---- */

static bool energy_tile(struct tiles *tiles, size_t tile, size_t first, size_t n,
                        struct worker *worker) {
  struct points *points = (struct points *)tiles;
  const struct boltz_energy *energy = &points->model->energy;
  struct boltz_arena *scratch = worker->scratch;
  struct boltz_batch x, gradient;
  double *u = boltz_arena_scratch(scratch, n, sizeof *u);
  if (!u || boltz_batch_new(scratch, n, energy->dim, &x) != BOLTZ_OK) return false;
  if (points->options.gradient && boltz_batch_new(scratch, n, energy->dim, &gradient) != BOLTZ_OK)
    return false;
  boltz_batch_from_rows(&x, rows_of(points, first));
  boltz_energy_eval(energy, points->options.temperature, &x, u,
                    points->options.gradient ? &gradient : NULL, scratch);
  size_t bad = 0;
  for (size_t i = 0; i < n; i++) bad += !isfinite(u[i]) && boltz_energy_inside(energy, &x, i);
  atomic_fetch_add(&tiles->non_finite, bad);
  const struct api_columns columns[] = {{.column = u}, {.batch = &gradient}};
  return api_tiles_print(tiles, tile, n, columns);
}

static void energy_done(struct tiles *tiles, struct worker *worker) {
  (void)worker;
  struct points *points = (struct points *)tiles;
  metrics_add(tiles->request->server->metrics, METRIC_ENERGY_CALLS, tiles->n);
  cJSON *tail = cJSON_CreateObject();
  json_add_integer(tail, "non_finite", (int64_t)atomic_load(&tiles->non_finite));
  api_tiles_reply(tiles, head_of(points), tail);
}

static bool energy_prepare(struct points *points) {
  api_tiles_array(&points->tiles, "energy", NULL, 0);
  if (points->options.gradient)
    api_tiles_array(&points->tiles, "gradient", "gradient", points->model->energy.dim);
  return api_tiles_fit(&points->tiles);
}

static void handle_energy(struct request *request) {
  static const char *const others[] = {"x", NULL};
  struct points *points = points_new(request);
  if (!points) return;
  struct model *model = points->model;
  if (!api_fields(request, api_energy_fields, others, &points->options) ||
      !take_rows(points, "x") || !energy_prepare(points)) {
    model_release(model);
    return;
  }
  set_temperature(points);
  points->tiles.rows = api_energy_tile(model->energy.dim);
  points->tiles.each = energy_tile;
  points->tiles.end = energy_done;
  api_tiles_start(&points->tiles);
}

/* ---- Transform ---- */

static bool is_to_z(const struct points *points) {
  return points->options.to[0] == 'z';
}

static bool transform_tile(struct tiles *tiles, size_t tile, size_t first, size_t n,
                           struct worker *worker) {
  struct points *points = (struct points *)tiles;
  const struct boltz_checkpoint *checkpoint = &points->version->checkpoint;
  struct boltz_arena *scratch = worker->scratch;
  struct boltz_batch x;
  double *log_det = boltz_arena_scratch(scratch, n, sizeof *log_det);
  if (!log_det || boltz_batch_new(scratch, n, points->model->energy.dim, &x) != BOLTZ_OK)
    return false;
  boltz_batch_from_rows(&x, rows_of(points, first));
  if (is_to_z(points)) boltz_energy_wrap(&points->model->energy, &x);
  boltz_flow_transform(&checkpoint->flow, &checkpoint->weights,
                       is_to_z(points) ? BOLTZ_TO_Z : BOLTZ_TO_X, &x, log_det, scratch);
  const struct api_columns columns[] = {{.batch = &x}, {.column = log_det}};
  return api_tiles_print(tiles, tile, n, columns);
}

static void transform_done(struct tiles *tiles, struct worker *worker) {
  (void)worker;
  struct points *points = (struct points *)tiles;
  metrics_add(tiles->request->server->metrics, METRIC_DENSITIES, tiles->n);
  api_tiles_reply(tiles, head_of(points), cJSON_CreateObject());
}

/* Is every row a configuration of the model? */
static bool rows_are_inside(const struct points *points) {
  struct request *request = points->tiles.request;
  size_t bad = api_first_outside(&points->model->energy, points->rows, points->tiles.n);
  if (bad == points->tiles.n) return true;
  char pointer[40];
  snprintf(pointer, sizeof pointer, "/x/%zu", bad);
  reply_problem(request, 422, "OUT_OF_DOMAIN", pointer,
                "row %zu of x lies outside the domain of model %s: it has no latents", bad,
                points->model->name);
  return false;
}

/* The direction, the array that goes with it, the version. */
static bool transform_parse(struct points *points, struct version **version) {
  static const char *const with_x[] = {"x", NULL}, *const with_z[] = {"z", NULL};
  static const char *const with_both[] = {"x", "z", NULL};
  struct request *request = points->tiles.request;
  if (!api_fields(request, api_transform_fields, with_both, &points->options)) return false;
  const char *input = is_to_z(points) ? "x" : "z";
  if (!api_fields(request, api_transform_fields, is_to_z(points) ? with_x : with_z,
                  &points->options) ||
      !take_rows(points, input))
    return false;
  if (is_to_z(points) && !rows_are_inside(points)) return false;
  api_tiles_array(&points->tiles, points->options.to, points->options.to,
                  points->model->energy.dim);
  api_tiles_array(&points->tiles, "log_det", NULL, 0);
  return api_tiles_fit(&points->tiles) &&
         api_version(request, points->model, points->options.version, version);
}

static void handle_transform(struct request *request) {
  struct points *points = points_new(request);
  if (!points) return;
  struct model *model = points->model;
  struct version *version = NULL;
  if (!transform_parse(points, &version)) {
    model_release(model);
    return;
  }
  points->version = version;
  points->tiles.rows = api_flow_tile(version);
  points->tiles.each = transform_tile;
  points->tiles.end = transform_done;
  api_tiles_start(&points->tiles);
}

static const char *const weights_query[] = {"version", "temperature", NULL};
static const char *const energy_query[] = {"temperature", "gradient", NULL};
static const char *const transform_query[] = {"to", "version", NULL};

const struct route api_points[] = {
    {"POST", "/v1/models/{model}/weights", ROUTE_LATER, BODY_ARRAY, handle_weights, weights_query,
     "Importance weights of given configurations."},
    {"POST", "/v1/models/{model}/energy", ROUTE_LATER, BODY_ARRAY, handle_energy, energy_query,
     "Energies, and gradients on request, of given configurations."},
    {"POST", "/v1/models/{model}/transform", ROUTE_LATER, BODY_ARRAY, handle_transform,
     transform_query, "Push points through the flow, either way."},
    {0}};
