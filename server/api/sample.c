/* sample.c - draw independent configurations, with their energies and weights. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "server/api/api.h"
#include "server/gather.h"

#define SMALL 32         /* rows of a request that is answered together with others */
#define QUICK_FLOPS 2e5  /* of a request that the HTTP thread answers: some 20 microseconds */
#define SHARED_FLOPS 4e6 /* of one that is worth waking several workers for */
#define SHARE 2 /* rows that a worker must be given: reading weights takes as long as one */

struct sample_options {
  int64_t n, first, version;
  uint64_t seed;
  double temperature;
};

#define AT(member) offsetof(struct sample_options, member)

const struct boltz_field api_sample_fields[] = {
    {.name = "n",
     .type = BOLTZ_FIELD_INT,
     .offset = AT(n),
     .low = 1,
     .high = 0x1p63,
     .required = true,
     .doc = "configurations to draw"},
    {.name = "seed",
     .type = BOLTZ_FIELD_SEED,
     .offset = AT(seed),
     .doc = "of the random stream; picked by the daemon when absent"},
    {.name = "first",
     .type = BOLTZ_FIELD_INT,
     .offset = AT(first),
     .high = 0x1p63,
     .doc = "index of the first configuration in the stream"},
    {.name = "version",
     .type = BOLTZ_FIELD_INT,
     .offset = AT(version),
     .low = 1,
     .high = 0x1p63,
     .doc = "version to draw from; the serving one when absent"},
    {.name = "temperature",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = AT(temperature),
     .def = NAN,
     .low = BOLTZ_TEMPERATURE_MIN,
     .high = BOLTZ_TEMPERATURE_MAX,
     .nullable = true,
     .doc = "of energy and weights; the model's when absent"},
    BOLTZ_FIELDS_END};

/* What `include` may name: these, and the variables of the energy. */
enum column { ENERGY, LOG_Q, LOG_WEIGHT, LATENTS, COLUMNS, VARIABLE = COLUMNS };
static const char *const column_names[COLUMNS] = {"energy", "log_q", "log_weight", "z"};

struct include {
  enum column column;
  const struct boltz_variable *variable;
};

#define INCLUDES (API_ARRAYS - 1) /* beside x */

struct sample {
  struct tiles tiles; /* first: a round's pieces point here */
  struct piece piece; /* of a small request */
  struct model *model;
  struct version *version;
  struct sample_options options;
  int nincludes;
  struct include includes[INCLUDES];
  double *log_w; /* [n] */
};

static bool find_include(const struct boltz_energy *energy, const char *name,
                         struct include *include) {
  *include = (struct include){0};
  while (include->column < COLUMNS && strcmp(name, column_names[include->column]) != 0)
    include->column++;
  if (include->column == VARIABLE) include->variable = boltz_energy_variable(energy, name);
  return include->column != VARIABLE || include->variable;
}

static enum boltz_status unknown_include(const struct boltz_energy *energy, const char *name,
                                         const char *pointer) {
  char known[256] = "";
  const struct boltz_variable *variable;
  for (int k = 0; (variable = boltz_energy_variable_at(energy, k)); k++) {
    const size_t used = strlen(known);
    snprintf(known + used, sizeof known - used, ", %s", variable->name);
  }
  return boltz_fail_at(BOLTZ_UNKNOWN_NAME, pointer,
                       "include names \"%.64s\", which is none of energy, log_q, log_weight, z%s%s",
                       name, known, strcmp(name, "x") == 0 ? "; x is always there" : "");
}

static enum boltz_status add_include(struct sample *sample, const struct boltz_json *node, int at) {
  char pointer[32];
  snprintf(pointer, sizeof pointer, "/include/%d", at);
  if (node->type != BOLTZ_JSON_STRING)
    return boltz_fail_at(BOLTZ_WRONG_TYPE, pointer, "include must be a list of names");
  const struct boltz_energy *energy = &sample->model->energy;
  struct include include;
  if (!find_include(energy, node->text, &include))
    return unknown_include(energy, node->text, pointer);
  for (int k = 0; k < sample->nincludes; k++)
    if (sample->includes[k].column == include.column &&
        sample->includes[k].variable == include.variable)
      return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "include names %s twice", node->text);
  if (sample->nincludes == INCLUDES)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "include names more than %d", INCLUDES);
  sample->includes[sample->nincludes++] = include;
  return BOLTZ_OK;
}

static enum boltz_status parse_include(struct sample *sample, const struct boltz_json *node) {
  if (!node) {
    sample->nincludes = 3;
    for (int k = 0; k < 3; k++) sample->includes[k] = (struct include){.column = (enum column)k};
    return BOLTZ_OK;
  }
  if (node->type != BOLTZ_JSON_ARRAY || node->numbers)
    return boltz_fail_at(BOLTZ_WRONG_TYPE, "/include", "include must be a list of names");
  int at = 0;
  for (const struct boltz_json *name = node->child; name; name = name->next)
    BOLTZ_TRY(add_include(sample, name, at++));
  return BOLTZ_OK;
}

/* The options, checked; false: the reply is given. */
static bool parse_options(struct request *request, struct sample *sample) {
  static const char *const others[] = {"include", NULL};
  struct sample_options *options = &sample->options;
  int64_t most = request->server->config->samples;
  if (!api_fields(request, api_sample_fields, others, options)) return false;
  enum boltz_status status = parse_include(sample, api_member(request->json, "include"));
  if (status != BOLTZ_OK) {
    reply_status(request, status, "");
    return false;
  }
  if (options->n > most) {
    reply_too_large(request, "/n", most, "n = %lld is over the %lld samples of one request",
                    (long long)options->n, (long long)most);
    return false;
  }
  /* first + n <= 2^63 */
  if ((uint64_t)options->first + (uint64_t)options->n > (uint64_t)1 << 63) {
    reply_problem(request, 422, "OUT_OF_RANGE", "/first",
                  "first = %lld and n = %lld go beyond the 2^63 samples of a stream",
                  (long long)options->first, (long long)options->n);
    return false;
  }
  return api_seed(request, options->seed, &options->seed);
}

static void release(struct tiles *tiles) {
  struct sample *sample = (struct sample *)tiles;
  version_release(sample->version);
  model_release(sample->model);
}

static bool wants_latents(const struct sample *sample) {
  for (int k = 0; k < sample->nincludes; k++)
    if (sample->includes[k].column == LATENTS) return true;
  return false;
}

static int width_of(const struct sample *sample, const struct include *include) {
  const struct boltz_energy *energy = &sample->model->energy;
  if (include->variable) return boltz_variable_width(energy, include->variable);
  return include->column == LATENTS ? energy->dim : 1;
}

/* The values of a variable at rows first … of the request; false: no memory. */
static bool eval_variable(const struct sample *sample, const struct boltz_variable *variable,
                          size_t first, const struct boltz_batch *x, struct boltz_batch *value,
                          struct boltz_arena *scratch) {
  const struct boltz_energy *energy = &sample->model->energy;
  const struct sample_options *options = &sample->options;
  if (boltz_batch_new(scratch, x->n, boltz_variable_width(energy, variable), value) != BOLTZ_OK)
    return false;
  boltz_variable_eval(energy, variable, options->temperature, options->seed,
                      (uint64_t)options->first + first, x, value, scratch);
  return true;
}

/* Keep and print rows first … of the request. */
static bool print(struct sample *sample, size_t tile, size_t first, const struct api_drawn *drawn,
                  struct boltz_arena *scratch) {
  size_t n = drawn->x.n;
  memcpy(sample->log_w + first, drawn->log_w, n * sizeof(double));
  struct boltz_batch values[INCLUDES];
  struct api_columns columns[API_ARRAYS] = {{.batch = &drawn->x}};
  const struct api_columns all[COLUMNS] = {{.column = drawn->u},
                                           {.column = drawn->log_q},
                                           {.column = drawn->log_w},
                                           {.batch = &drawn->z}};
  for (int k = 0; k < sample->nincludes; k++) {
    const struct include *include = &sample->includes[k];
    if (!include->variable) {
      columns[1 + k] = all[include->column];
      continue;
    }
    if (!eval_variable(sample, include->variable, first, &drawn->x, &values[k], scratch))
      return false;
    columns[1 + k] = width_of(sample, include) == 1
                         ? (struct api_columns){.column = values[k].col[0]}
                         : (struct api_columns){.batch = &values[k]};
  }
  return api_tiles_print(&sample->tiles, tile, n, columns);
}

static bool draw_tile(struct tiles *tiles, size_t tile, size_t first, size_t n,
                      struct worker *worker) {
  struct sample *sample = (struct sample *)tiles;
  const struct sample_options *options = &sample->options;
  const struct boltz_energy *energy = &sample->model->energy;
  struct api_drawn drawn;
  if (!api_drawn_new(worker->scratch, n, energy->dim, wants_latents(sample), &drawn)) return false;
  size_t bad = api_draw(sample->version, energy, options->temperature, options->seed,
                        (uint64_t)options->first + first, &drawn, worker->scratch);
  atomic_fetch_add(&tiles->non_finite, bad);
  return print(sample, tile, first, &drawn, worker->scratch);
}

/* ---- Small requests of one version: one tile for all of them ---- */

static struct sample *sample_of(struct piece *piece) {
  return (struct sample *)((char *)piece - offsetof(struct sample, piece));
}

/* Give up those that nobody waits for any more; the others stay, with their rows. */
static struct piece *drop_cancelled(struct piece *pieces, size_t *rows, struct worker *worker) {
  struct piece *kept = NULL, **end = &kept;
  for (struct piece *piece = pieces, *next; piece; piece = next) {
    struct tiles *tiles = &sample_of(piece)->tiles;
    next = piece->next;
    if (!atomic_load(&tiles->request->cancelled)) {
      *end = piece;
      end = &piece->next;
      continue;
    }
    *rows -= piece->rows;
    atomic_store(&tiles->stopped, true);
    api_tiles_finish(tiles, worker);
  }
  *end = NULL;
  return kept;
}

/* The rows of all pieces side by side: x, z and log_q. */
static bool draw_side_by_side(struct piece *pieces, struct api_drawn *drawn,
                              struct worker *worker) {
  struct api_drawn own;
  size_t at = 0;
  for (struct piece *piece = pieces; piece; at += piece->rows, piece = piece->next) {
    struct sample *sample = sample_of(piece);
    if (!api_drawn_view(worker->scratch, drawn, at, piece->rows, &own)) return false;
    api_draw_latents(sample->version, sample->options.seed, (uint64_t)sample->options.first, &own,
                     worker->scratch);
  }
  api_draw_push(sample_of(pieces)->version, drawn, worker->scratch);
  return !boltz_arena_exhausted(worker->scratch);
}

/* What is a request's own: energies at its temperature, weights, its print. */
static bool weigh_and_print(struct sample *sample, const struct api_drawn *drawn, size_t at,
                            struct worker *worker) {
  struct api_drawn own;
  if (!api_drawn_view(worker->scratch, drawn, at, sample->tiles.n, &own)) return false;
  size_t bad =
      api_draw_weigh(&sample->model->energy, sample->options.temperature, &own, worker->scratch);
  atomic_store(&sample->tiles.non_finite, bad);
  return print(sample, 0, 0, &own, worker->scratch) && !boltz_arena_exhausted(worker->scratch);
}

static void draw_together(struct piece *pieces, size_t rows, struct worker *worker) {
  pieces = drop_cancelled(pieces, &rows, worker);
  if (!pieces) return;
  int dim = sample_of(pieces)->model->energy.dim;
  bool with_z = false;
  for (struct piece *piece = pieces; piece; piece = piece->next)
    with_z |= wants_latents(sample_of(piece));
  struct api_drawn drawn;
  bool room = api_drawn_new(worker->scratch, rows, dim, with_z, &drawn) &&
              draw_side_by_side(pieces, &drawn, worker);
  size_t at = 0;
  for (struct piece *piece = pieces, *next; piece; piece = next) {
    struct sample *sample = sample_of(piece);
    next = piece->next;
    if (!room || !weigh_and_print(sample, &drawn, at, worker))
      atomic_store(&sample->tiles.starved, true);
    at += piece->rows;
    api_tiles_finish(&sample->tiles, worker); /* the request, and the piece in it, is gone */
  }
}

/* ---- The reply ---- */

static void finish(struct tiles *tiles, struct worker *worker) {
  (void)worker;
  struct sample *sample = (struct sample *)tiles;
  struct request *request = tiles->request;
  struct boltz_weight_summary summary;
  boltz_stats_weights(sample->log_w, tiles->n, &summary);
  metrics_add(request->server->metrics, METRIC_SAMPLES, tiles->n);

  char ess[BOLTZ_NUMBER_SIZE];
  boltz_number_print(summary.ess, ess);
  request_header(request, "Boltz-Seed", "%llu", (unsigned long long)sample->options.seed);
  request_header(request, "Boltz-Version", "%lld", (long long)sample->version->number);
  request_header(request, "Boltz-Ess", "%s", ess);

  struct boltz_text head = {0}, tail = {0}; /* a model's name has nothing to escape */
  boltz_text_printf(&head,
                    "\"model\":\"%s\",\"version\":%lld,\"precision\":\"%s\",\"seed\":\"%llu\","
                    "\"first\":%lld,\"n\":%zu,\"dim\":%d",
                    sample->model->name, (long long)sample->version->number,
                    sample->version->precision, (unsigned long long)sample->options.seed,
                    (long long)sample->options.first, tiles->n, sample->model->energy.dim);
  boltz_text_printf(&tail, "\"ess\":%s,\"ess_fraction\":", ess);
  boltz_text_number(&tail, summary.ess_fraction);
  boltz_text_printf(&tail, ",\"non_finite\":%zu", atomic_load(&tiles->non_finite));
  api_tiles_reply_text(tiles, &head, &tail);
}

/* The arrays of the reply, and room for the weights; false: the reply is given. */
static bool prepare(struct sample *sample) {
  struct tiles *tiles = &sample->tiles;
  int dim = sample->model->energy.dim;
  api_tiles_array(tiles, "x", "x", dim);
  for (int k = 0; k < sample->nincludes; k++) {
    const struct include *include = &sample->includes[k];
    const int width = width_of(sample, include);
    const bool wide = width > 1 || include->column == LATENTS;
    const char *name = include->variable ? include->variable->name : column_names[include->column];
    api_tiles_array(tiles, name, name, wide ? width : 0);
  }
  if (!api_tiles_fit(tiles)) return false;
  sample->log_w = boltz_arena_scratch(tiles->request->arena, tiles->n, sizeof(double));
  if (!sample->log_w) reply_status(tiles->request, BOLTZ_NO_MEMORY, "");
  return sample->log_w != NULL;
}

static double flops_of(const struct sample *sample) {
  const struct boltz_checkpoint *checkpoint = &sample->version->checkpoint;
  double flow = checkpoint->flow.flops[checkpoint->weights.precision];
  double energy = API_ENERGY_FLOPS / (double)api_energy_tile(sample->model->energy.dim);
  return (double)sample->tiles.n * (flow + energy);
}

/* Among how many workers that have nothing else to do its rows are worth being shared. */
static size_t sharers(const struct sample *sample) {
  size_t n = sample->tiles.n;
  if (n < 2 * SHARE || flops_of(sample) < SHARED_FLOPS) return 1;
  size_t idle = (size_t)pool_idle(sample->tiles.request->server->pool);
  return idle < n / SHARE ? idle : n / SHARE;
}

/* The quickest are drawn here; a small request joins those that wait, unless nobody works; the
   tiles of a large one are the pool's. */
static void begin(struct sample *sample) {
  struct tiles *tiles = &sample->tiles;
  bool large = tiles->n > SMALL || tiles->n > tiles->rows;
  size_t workers = large ? 1 : sharers(sample);
  if (large || workers > 1) {
    if (!large) tiles->rows = (tiles->n + workers - 1) / workers;
    request_later(tiles->request);
    api_tiles_start(tiles);
    return;
  }
  bool quick = flops_of(sample) <= QUICK_FLOPS;
  if (!quick) request_later(tiles->request);
  if (!api_tiles_prepare(tiles)) return;
  sample->piece = (struct piece){
      .run = draw_together, .kind = sample->version, .rows = tiles->n, .most = tiles->rows};
  if (quick)
    draw_together(&sample->piece, tiles->n, &(struct worker){.scratch = tiles->request->arena});
  else
    gather_add(tiles->request->server->gather, &sample->piece);
}

/* Once the reply is given, `sample` is gone with the request: what must be released is held here.
 */
static void start(struct request *request, struct sample *sample, struct model *model) {
  struct version *version = NULL;
  sample->model = model;
  if (!parse_options(request, sample) ||
      !api_version(request, model, sample->options.version, &version)) {
    model_release(model);
    return;
  }
  sample->version = version;
  if (isnan(sample->options.temperature)) sample->options.temperature = model->energy.temperature;
  sample->tiles.request = request;
  sample->tiles.n = (size_t)sample->options.n;
  sample->tiles.rows = api_flow_tile(version);
  sample->tiles.each = draw_tile;
  sample->tiles.end = finish;
  sample->tiles.release = release;
  if (prepare(sample)) {
    begin(sample);
    return;
  }
  version_release(version);
  model_release(model);
}

static void handle_sample(struct request *request) {
  struct model *model = api_model(request);
  if (!model) return;
  struct sample *sample = BOLTZ_NEW(request->arena, struct sample);
  if (sample) {
    start(request, sample, model);
    return;
  }
  model_release(model);
  reply_status(request, BOLTZ_NO_MEMORY, "");
}

const struct route api_sample[] = {
    {"POST", "/v1/models/{model}/sample", ROUTE_EITHER, BODY_JSON, handle_sample, NULL,
     "Draw independent configurations from a version, with energies and weights."},
    {0}};
