/* estimate.c - log Z, averages, free-energy differences and profiles, with error bars. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/estimate.h"

#define ESTIMATE_BYTES ((size_t)512 << 20) /* holds the most bins and the longest tails */
#define SERVER_BYTES ((size_t)1 << 30)     /* of all estimates under way */
#define RUN_LEAST 64

_Static_assert(BOLTZ_ESTIMATE_LANES <= ROUND_MOST, "a lane is a piece of a round");

struct estimate {
  struct round round; /* first: its pieces point here */
  struct request *request;
  struct model *model;
  struct version *version;
  size_t bytes;              /* its part of the server's estimate_bytes */
  struct boltz_arena *arena; /* of the estimator and its result */
  struct estimate_request asked;
  struct boltz_estimator *estimator;
  size_t tile;
  atomic_size_t piece; /* the next one to fold */
  atomic_size_t non_finite;
  atomic_bool stopped, starved;
};

/* ---- One run of samples ---- */

/* A run of samples, and what may be asked of it: made when it is first asked for. */
struct run {
  const struct estimate *estimate;
  uint64_t first;
  const struct api_drawn *drawn;
  struct boltz_batch variables; /* what expressions see; a column that nobody asked for is NULL */
  struct boltz_arena *scratch;
};

/* NULL: no memory. */
static double *variable_column(struct run *run, const struct boltz_variable *variable) {
  const struct estimate_options *options = &run->estimate->asked.options;
  struct boltz_batch value;
  if (boltz_batch_new(run->scratch, run->drawn->x.n, 1, &value) != BOLTZ_OK) return NULL;
  boltz_variable_eval(&run->estimate->model->energy, variable, options->temperature, options->seed,
                      run->first, &run->drawn->x, &value, run->scratch);
  return value.col[0];
}

static bool open_variables(struct run *run) {
  const struct boltz_energy *energy = &run->estimate->model->energy;
  const int n = estimate_variables(energy);
  run->variables = (struct boltz_batch){.n = run->drawn->x.n, .dim = n};
  run->variables.col = BOLTZ_NEW_ARRAY(run->scratch, (size_t)n, double *);
  if (!run->variables.col) return false;
  memcpy(run->variables.col, run->drawn->x.col, (size_t)energy->dim * sizeof(double *));
  run->variables.col[energy->dim] = run->drawn->u;
  return true;
}

static double *expression_column(struct run *run, const struct boltz_expression *expression) {
  const struct boltz_energy *energy = &run->estimate->model->energy;
  double *value = boltz_arena_scratch(run->scratch, run->drawn->x.n, sizeof *value);
  if (!value || (!run->variables.col && !open_variables(run))) return NULL;
  double **columns = run->variables.col;
  for (int k = 0, j; (j = boltz_expression_variable(expression, k)) >= 0; k++) {
    if (!columns[j])
      columns[j] = variable_column(run, boltz_energy_variable_at(energy, j - energy->dim - 1));
    if (!columns[j]) return NULL;
  }
  return boltz_expression_eval(expression, &run->variables, value, NULL, run->scratch) ? value
                                                                                       : NULL;
}

/* The columns that are measured, as views where they are there already. */
static bool observe(struct run *run, const double **columns) {
  const struct estimate_request *asked = &run->estimate->asked;
  for (int c = 0; c < asked->nobservables; c++) {
    const struct observable *observable = &asked->observables[c];
    if (observable->coordinate >= 0)
      columns[c] = run->drawn->x.col[observable->coordinate];
    else if (observable->variable)
      columns[c] = variable_column(run, observable->variable);
    else if (observable->expression)
      columns[c] = expression_column(run, observable->expression);
    else
      columns[c] = run->drawn->u;
    if (!columns[c]) return false;
  }
  return true;
}

static bool measure(struct estimate *estimate, int lane, uint64_t first, size_t n,
                    struct boltz_arena *scratch) {
  const struct boltz_energy *energy = &estimate->model->energy;
  const struct estimate_options *options = &estimate->asked.options;
  struct api_drawn drawn;
  const double **columns =
      boltz_arena_scratch(scratch, (size_t)estimate->asked.nobservables + 1, sizeof *columns);
  if (!columns || !api_drawn_new(scratch, n, energy->dim, false, &drawn)) return false;
  size_t bad = api_draw(estimate->version, energy, options->temperature, options->seed, first,
                        &drawn, scratch);
  atomic_fetch_add(&estimate->non_finite, bad);
  struct run run = {.estimate = estimate, .first = first, .drawn = &drawn, .scratch = scratch};
  if (!observe(&run, columns) || boltz_arena_exhausted(scratch)) return false;
  boltz_estimator_add(estimate->estimator, lane, n, drawn.log_w, columns);
  return true;
}

/* ---- The slices ---- */

static bool halted(struct estimate *estimate) {
  if (atomic_load(&estimate->request->cancelled)) atomic_store(&estimate->stopped, true);
  return atomic_load(&estimate->stopped) || atomic_load(&estimate->starved);
}

static bool make_estimator(struct round *round, int index, struct worker *worker) {
  (void)index, (void)worker;
  struct estimate *estimate = (struct estimate *)round;
  if (halted(estimate)) return false;
  estimate->arena = boltz_arena_open(estimate->bytes);
  if (!estimate->arena ||
      boltz_estimator_new(&estimate->asked.spec, estimate->arena, &estimate->estimator) != BOLTZ_OK)
    atomic_store(&estimate->starved, true);
  return false;
}

/* A tile of samples. It may be many short runs, which cost as much as RUN_LEAST samples each. */
static bool next_runs(struct round *round, int lane, struct worker *worker) {
  struct estimate *estimate = (struct estimate *)round;
  const struct boltz_mark mark = boltz_arena_mark(worker->scratch);
  size_t n = 0;
  for (size_t cost = 0; cost<estimate->tile; cost += n> RUN_LEAST ? n : RUN_LEAST) {
    uint64_t first = 0;
    if (halted(estimate)) return false;
    if (!boltz_estimator_next(estimate->estimator, lane, estimate->tile, &first, &n)) return false;
    if (!measure(estimate, lane, first, n, worker->scratch)) atomic_store(&estimate->starved, true);
    boltz_arena_release(worker->scratch, mark);
  }
  return true;
}

static bool next_piece(struct round *round, int index, struct worker *worker) {
  (void)index;
  struct estimate *estimate = (struct estimate *)round;
  if (halted(estimate)) return false;
  size_t piece = atomic_fetch_add(&estimate->piece, 1);
  if (piece >= boltz_estimator_pieces(estimate->estimator)) return false;
  if (boltz_estimator_fold(estimate->estimator, piece, worker->scratch) != BOLTZ_OK)
    atomic_store(&estimate->starved, true);
  return true;
}

/* ---- The reply ---- */

static void add_interval(cJSON *object, const double interval[2]) {
  cJSON *list = cJSON_AddArrayToObject(object, "interval");
  for (int k = 0; k < 2; k++)
    cJSON_AddItemToArray(list, isnan(interval[k]) ? cJSON_CreateNull() : json_number(interval[k]));
}

static cJSON *measured(const char *key, const char *name, const struct boltz_measured *measure_) {
  cJSON *object = cJSON_CreateObject();
  if (key) json_add_text(object, key, name);
  json_add_number_or_null(object, "value", measure_->value);
  json_add_number_or_null(object, "stderr", measure_->stderr_);
  add_interval(object, measure_->interval);
  return object;
}

static void add_column(cJSON *object, const char *name, const double *values, int n) {
  cJSON *list = cJSON_AddArrayToObject(object, name);
  for (int k = 0; k < n; k++)
    cJSON_AddItemToArray(list, isnan(values[k]) ? cJSON_CreateNull() : json_number(values[k]));
}

static cJSON *profile(const char *name, const struct boltz_profile *result) {
  cJSON *object = cJSON_CreateObject();
  json_add_text(object, "coordinate", name);
  add_column(object, "centers", result->centers, result->bins);
  add_column(object, "free_energy", result->free_energy, result->bins);
  add_column(object, "stderr", result->stderr_, result->bins);
  add_column(object, "ess", result->ess, result->bins);
  return object;
}

static void add_observables(cJSON *body, const struct estimate_request *asked,
                            const struct boltz_estimate *result) {
  const struct boltz_estimate_spec *spec = &asked->spec;
  const struct observable *of = asked->observables;
  cJSON *averages = cJSON_AddArrayToObject(body, "averages");
  for (int k = 0; k < spec->naverages; k++)
    cJSON_AddItemToArray(averages,
                         measured("of", of[spec->averages[k].column].name, &result->averages[k]));
  cJSON *differences = cJSON_AddArrayToObject(body, "differences");
  for (int k = 0; k < spec->ndifferences; k++)
    cJSON_AddItemToArray(differences, measured("coordinate", of[spec->differences[k].column].name,
                                               &result->differences[k]));
  cJSON *profiles = cJSON_AddArrayToObject(body, "profiles");
  for (int k = 0; k < spec->nprofiles; k++)
    cJSON_AddItemToArray(profiles,
                         profile(of[spec->profiles[k].column].name, &result->profiles[k]));
}

static cJSON *reply_of(const struct estimate *estimate, const struct boltz_estimate *result) {
  const struct estimate_options *options = &estimate->asked.options;
  cJSON *body = cJSON_CreateObject();
  json_add_integer(body, "n", options->n);
  json_add_seed(body, "seed", options->seed);
  json_add_integer(body, "version", estimate->version->number);
  json_add_text(body, "precision", estimate->version->precision);
  json_add_number(body, "ess", result->ess);
  json_add_number(body, "ess_fraction", result->ess_fraction);
  json_add_number_or_null(body, "pareto_k", result->pareto_k);
  json_add_text(body, "verdict", boltz_stats_verdict(result->pareto_k, result->ess));
  json_add_integer(body, "non_finite", (int64_t)atomic_load(&estimate->non_finite));
  cJSON_AddItemToObject(body, "log_z", measured(NULL, NULL, &result->log_z));
  add_observables(body, &estimate->asked, result);
  return body;
}

/* ---- Start and end ---- */

/* Take the estimate's bytes from what all may have; false: they are spent. */
static bool reserve(struct server *server, size_t bytes) {
  size_t taken = atomic_load(&server->estimate_bytes);
  do {
    if (bytes > SERVER_BYTES - taken) return false;
  } while (!atomic_compare_exchange_weak(&server->estimate_bytes, &taken, taken + bytes));
  return true;
}

/* Give back everything but the request. */
static void release(struct estimate *estimate) {
  boltz_arena_close(estimate->arena);
  atomic_fetch_sub(&estimate->request->server->estimate_bytes, estimate->bytes);
  version_release(estimate->version);
  model_release(estimate->model);
}

/* Did the work end early? Then the reply is given. */
static bool ended_early(struct estimate *estimate) {
  struct request *request = estimate->request;
  if (!halted(estimate)) return false;
  bool starved = atomic_load(&estimate->starved);
  release(estimate);
  if (starved)
    reply_status(request, boltz_fail(BOLTZ_NO_MEMORY, "memory for the estimate is exhausted"), "");
  else
    reply_problem(request, 503, "DEADLINE", NULL,
                  "the request took longer than request_deadline_ms = %lld allows",
                  (long long)request->server->config->request_deadline_ms);
  return true;
}

static void after_pieces(struct round *round, struct worker *worker) {
  (void)worker;
  struct estimate *estimate = (struct estimate *)round;
  struct request *request = estimate->request;
  struct boltz_estimate result;
  if (ended_early(estimate)) return;
  if (boltz_estimator_finish(estimate->estimator, estimate->arena, &result) != BOLTZ_OK) {
    atomic_store(&estimate->starved, true);
    ended_early(estimate);
    return;
  }
  cJSON *body = reply_of(estimate, &result);
  metrics_add(request->server->metrics, METRIC_SAMPLES, estimate->asked.spec.n);
  release(estimate);
  reply_json(request, 200, body);
}

static void after_runs(struct round *round, struct worker *worker) {
  (void)worker;
  if (ended_early((struct estimate *)round)) return;
  /* No more of them wait in the queue than can run: others' slices come between. */
  int workers = pool_workers(round->pool);
  round_start(round, workers < ROUND_MOST ? workers : ROUND_MOST, next_piece, after_pieces);
}

static void after_make(struct round *round, struct worker *worker) {
  (void)worker;
  if (ended_early((struct estimate *)round)) return;
  round_start(round, BOLTZ_ESTIMATE_LANES, next_runs, after_runs);
}

/* The body, checked; false: the reply is given. */
static bool parse(struct request *request, const struct model *model,
                  struct estimate_request *asked) {
  int64_t most = request->server->config->estimate_samples;
  enum boltz_status status = estimate_parse(request->json, &model->energy, request->arena, asked);
  if (status != BOLTZ_OK) {
    reply_status(request, status, "");
    return false;
  }
  if (asked->options.n > most) {
    reply_too_large(request, "/n", most, "n = %lld is over the %lld samples of one estimate",
                    (long long)asked->options.n, (long long)most);
    return false;
  }
  if (!api_seed(request, asked->options.seed, &asked->options.seed)) return false;
  asked->spec.seed = asked->options.seed;
  if (isnan(asked->options.temperature)) asked->options.temperature = model->energy.temperature;
  return true;
}

/* Is there memory for it? false: the reply is given. */
static bool admit(struct request *request, struct estimate *estimate) {
  size_t bytes = boltz_estimator_size(&estimate->asked.spec);
  if (bytes > ESTIMATE_BYTES) {
    reply_status(request,
                 boltz_fail(BOLTZ_NO_MEMORY, "an estimate of %lld samples needs too much memory",
                            (long long)estimate->asked.options.n),
                 "");
    return false;
  }
  if (!reserve(request->server, bytes)) {
    reply_problem(request, 503, "QUEUE_FULL", NULL,
                  "the estimates under way take the %zu MiB that all may: try again in a second",
                  SERVER_BYTES >> 20);
    return false;
  }
  estimate->bytes = bytes;
  return true;
}

static void start(struct request *request, struct estimate *estimate, struct model *model) {
  struct version *version = NULL;
  if (!parse(request, model, &estimate->asked) ||
      !api_version(request, model, estimate->asked.options.version, &version)) {
    model_release(model);
    return;
  }
  if (!admit(request, estimate)) {
    version_release(version);
    model_release(model);
    return;
  }
  estimate->request = request;
  estimate->model = model;
  estimate->version = version;
  estimate->tile = api_flow_tile(version);
  estimate->round.pool = request->server->pool;
  estimate->round.class_ = POOL_INTERACTIVE;
  round_start(&estimate->round, 1, make_estimator, after_make);
}

static void handle_estimate(struct request *request) {
  struct model *model = api_model(request);
  if (!model) return;
  struct estimate *estimate = BOLTZ_NEW(request->arena, struct estimate);
  if (estimate) {
    start(request, estimate, model);
    return;
  }
  model_release(model);
  reply_status(request, BOLTZ_NO_MEMORY, "");
}

const struct route api_estimate[] = {
    {"POST", "/v1/models/{model}/estimate", ROUTE_LATER, BODY_JSON, handle_estimate, NULL,
     "Estimate log Z, averages, free-energy differences and profiles, with error bars."},
    {0}};
