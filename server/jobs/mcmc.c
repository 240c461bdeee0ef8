/* mcmc.c - jobs that run Monte Carlo chains and keep what they visit as a dataset. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boltz/boltz.h"
#include "server/job.h"
#include "server/json.h"
#include "server/request.h"
#include "server/round.h"

#define COORDINATES_MAX ((size_t)1 << 27) /* of a dataset made here: 1 GiB */
#define WORK_A_SLICE 16384                /* coordinates moved before other work is let in */
#define EVENTS 100                        /* progress events of a whole run */
#define SERIES_MAX ((size_t)1 << 18)      /* values of a series whose autocorrelation is measured */
#define SAVE_MAX ((size_t)1 << 22)        /* numbers of a resume file while running */
#define SAVES 10                          /* resume files of a whole run */

struct mcmc_spec {
  uint64_t seed;
  int64_t walkers, burn_in, steps, stride;
  const char *dataset;
  const struct boltz_move_kind *move;
  void *move_settings;
};

#define SPEC(member) offsetof(struct mcmc_spec, member)

static const struct boltz_field fields[] = {
    {.name = "seed", .type = BOLTZ_FIELD_SEED, .offset = SPEC(seed), .doc = "of everything random"},
    {.name = "walkers",
     .type = BOLTZ_FIELD_INT,
     .offset = SPEC(walkers),
     .def = 32,
     .low = 1,
     .high = 65536,
     .doc = "independent chains"},
    {.name = "burn_in",
     .type = BOLTZ_FIELD_INT,
     .offset = SPEC(burn_in),
     .def = 1000,
     .low = 0,
     .high = 1e9,
     .unit = "steps",
     .doc = "steps before the first configuration is kept"},
    {.name = "steps",
     .type = BOLTZ_FIELD_INT,
     .offset = SPEC(steps),
     .def = 5000,
     .low = 1,
     .high = 1e9,
     .unit = "steps",
     .doc = "steps after burn-in"},
    {.name = "stride",
     .type = BOLTZ_FIELD_INT,
     .offset = SPEC(stride),
     .def = 10,
     .low = 1,
     .high = 1e9,
     .unit = "steps",
     .doc = "every stride-th step is kept"},
    {.name = "dataset",
     .type = BOLTZ_FIELD_TEXT,
     .offset = SPEC(dataset),
     .high = 64,
     .required = true,
     .doc = "name of the dataset to make"},
    BOLTZ_FIELDS_END};

static const struct job_part parts[] = {{"move", "type and settings of a move", NULL}, {0}};

static const char *const others[] = {"kind", "model", "move", NULL};
static const char *const move_others[] = {"type", NULL};

struct work {
  struct round round;
  struct job *job;
  const struct mcmc_spec *spec;
  struct boltz_arena *arena;
  struct boltz_chain chain;
  size_t kept, n;   /* configurations kept so far, in all */
  double *rows;     /* [n, dim] */
  double *energies; /* [n] */
  uint64_t slice;   /* steps of a slice */
  double tau;       /* autocorrelation time, at the end */
  size_t series;    /* the next of dim coordinates and the energy to be measured */
  bool started;     /* every walker has a place */
  enum boltz_status failed;
  char why[256];
};

static size_t configurations(const struct mcmc_spec *spec) {
  return (size_t)spec->walkers * (size_t)(spec->steps / spec->stride);
}

static enum boltz_status parse_move(struct job *job, const struct boltz_json *node,
                                    struct mcmc_spec *spec) {
  const struct boltz_json *type = boltz_json_member(node, "type");
  if (node && node->type != BOLTZ_JSON_NULL) {
    if (node->type != BOLTZ_JSON_OBJECT)
      return boltz_fail_at(BOLTZ_WRONG_TYPE, "/move", "move must be an object");
    if (!type) return boltz_fail_at(BOLTZ_MISSING_MEMBER, "/move/type", "move has no type");
    if (type->type != BOLTZ_JSON_STRING)
      return boltz_fail_at(BOLTZ_WRONG_TYPE, "/move/type", "type must be a string");
  }
  const char *name = type ? type->text : "metropolis";
  spec->move = boltz_move_kind_find(name);
  if (!spec->move)
    return boltz_fail_at(BOLTZ_UNKNOWN_NAME, "/move/type",
                         "there is no move %s; see moves in /v1/catalog", name);
  spec->move_settings = boltz_arena_alloc(job->arena, 1, spec->move->settings_size);
  if (!spec->move_settings) return BOLTZ_NO_MEMORY;
  if (!type) {
    boltz_field_defaults(spec->move->fields, spec->move_settings);
    return BOLTZ_OK;
  }
  return boltz_fail_under(
      boltz_json_fields(node, spec->move->fields, move_others, spec->move_settings, job->arena),
      "/move");
}

static enum boltz_status print_spec(struct job *job, const struct mcmc_spec *spec) {
  struct boltz_text text = {0};
  boltz_text_puts(&text, "{\"kind\":\"mcmc\",\"model\":");
  boltz_text_quoted(&text, job->model_name);
  boltz_text_puts(&text, ",");
  boltz_json_print_fields(fields, spec, job->arena, &text);
  boltz_text_printf(&text, ",\"move\":{\"type\":\"%s\",", spec->move->name);
  boltz_json_print_fields(spec->move->fields, spec->move_settings, job->arena, &text);
  boltz_text_puts(&text, "}}");
  if (!text.failed) job->spec_json = boltz_arena_strdup(job->arena, text.data);
  boltz_text_free(&text);
  return job->spec_json ? BOLTZ_OK : boltz_fail(BOLTZ_NO_MEMORY, "no memory for the job's spec");
}

static enum boltz_status check(const struct job *job, const struct mcmc_spec *spec, bool restart,
                               const char **reason) {
  if (spec->stride > spec->steps)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/stride", "stride = %lld is over steps = %lld",
                         (long long)spec->stride, (long long)spec->steps);
  if (configurations(spec) > COORDINATES_MAX / (size_t)job->model->energy.dim)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/steps",
                         "walkers × steps/stride = %zu configurations of dim %d are over %zu "
                         "numbers: take a larger stride",
                         configurations(spec), job->model->energy.dim, COORDINATES_MAX);
  if (!name_is_well_formed(spec->dataset)) {
    *reason = "BAD_NAME";
    return boltz_fail_at(BOLTZ_WRONG_TYPE, "/dataset",
                         "\"%s\" is not a name: letters, digits, . _ -, at most 64, beginning with "
                         "a letter or digit",
                         spec->dataset);
  }
  struct dataset dataset;
  if (!restart && registry_dataset(job->server->registry, spec->dataset, &dataset)) {
    *reason = "ALREADY_EXISTS";
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/dataset",
                         "dataset %s is there already: take another name or delete it",
                         spec->dataset);
  }
  return BOLTZ_OK;
}

static enum boltz_status mcmc_parse(struct job *job, const struct boltz_json *body, bool restart,
                                    const char **reason) {
  struct mcmc_spec *spec = BOLTZ_NEW(job->arena, struct mcmc_spec);
  if (!spec) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(boltz_json_fields(body, fields, others, spec, job->arena));
  BOLTZ_TRY(parse_move(job, boltz_json_member(body, "move"), spec));
  BOLTZ_TRY(check(job, spec, restart, reason));
  job->seed = spec->seed;
  job->dataset = spec->dataset;
  job->spec = spec;
  return print_spec(job, spec);
}

static int64_t mcmc_total_steps(const struct job *job) {
  const struct mcmc_spec *spec = job->spec;
  return spec->burn_in + spec->steps;
}

/* ---- resume files: the walkers, the counters, what was kept ---- */

static char *save_state(const struct work *work, size_t *size) {
  const struct boltz_chain *chain = &work->chain;
  uint64_t counters[] = {chain->step, chain->accepted, chain->energy_calls, work->kept};
  uint64_t walkers = chain->x.n, dim = (uint64_t)chain->x.dim;
  double *x = malloc(walkers * dim * sizeof *x);
  if (!x) return NULL;
  boltz_batch_to_rows(&chain->x, x);
  struct boltz_safetensor tensors[] = {
      {"counters", "U64", 1, {4}, counters, sizeof counters},
      {"energies", "F64", 1, {work->kept}, work->energies, work->kept * sizeof(double)},
      {"rows", "F64", 2, {work->kept, dim}, work->rows, work->kept * dim * sizeof(double)},
      {"u", "F64", 1, {walkers}, chain->u, walkers * sizeof(double)},
      {"x", "F64", 2, {walkers, dim}, x, walkers * dim * sizeof(double)},
  };
  struct boltz_meta meta[] = {{"format", "boltz-resume"}};
  struct boltz_safetensors file = {1, meta, sizeof tensors / sizeof *tensors, tensors};
  struct boltz_text out = {0};
  boltz_safetensors_write(&file, &out);
  free(x);
  if (out.failed) {
    boltz_text_free(&out);
    return NULL;
  }
  *size = out.size;
  return out.data;
}

static enum boltz_status load_state(struct work *work, const void *bytes, size_t size,
                                    struct boltz_arena *arena) {
  struct boltz_safetensors file;
  BOLTZ_TRY(boltz_safetensors_read(bytes, size, arena, &file));
  struct boltz_chain *chain = &work->chain;
  const struct boltz_safetensor *x = boltz_safetensors_tensor(&file, "x");
  const struct boltz_safetensor *u = boltz_safetensors_tensor(&file, "u");
  const struct boltz_safetensor *rows = boltz_safetensors_tensor(&file, "rows");
  const struct boltz_safetensor *energies = boltz_safetensors_tensor(&file, "energies");
  const struct boltz_safetensor *counters = boltz_safetensors_tensor(&file, "counters");
  size_t walkers = chain->x.n, dim = (size_t)chain->x.dim;
  uint64_t count[4] = {0};
  if (counters && counters->size == sizeof count) memcpy(count, counters->data, sizeof count);
  if (!x || !u || !rows || !energies || !counters || counters->size != sizeof count ||
      x->size != walkers * dim * sizeof(double) || u->size != walkers * sizeof(double) ||
      count[3] > work->n || rows->size != count[3] * dim * sizeof(double) ||
      energies->size != count[3] * sizeof(double))
    return boltz_fail(BOLTZ_BAD_CHECKPOINT, "the resume file is not of this job's chains");
  boltz_batch_from_rows(&chain->x, x->data);
  memcpy(chain->u, u->data, u->size);
  memcpy(work->rows, rows->data, rows->size);
  memcpy(work->energies, energies->data, energies->size);
  chain->step = count[0];
  chain->accepted = count[1];
  chain->energy_calls = count[2];
  work->kept = count[3];
  return BOLTZ_OK;
}

/* ---- running ---- */

static double acceptance(const struct boltz_chain *chain) {
  return chain->step ? (double)chain->accepted / ((double)chain->step * (double)chain->x.n) : NAN;
}

static void keep(struct work *work) {
  struct boltz_chain *chain = &work->chain;
  size_t dim = (size_t)chain->x.dim;
  boltz_batch_to_rows(&chain->x, work->rows + work->kept * dim);
  memcpy(work->energies + work->kept, chain->u, chain->x.n * sizeof(double));
  work->kept += chain->x.n;
}

static void tell(struct work *work, bool event) {
  struct job_metric metrics[] = {{"acceptance", acceptance(&work->chain)},
                                 {"kept", (double)work->kept}};
  int64_t step = (int64_t)work->chain.step;
  job_progress(work->job, step, metrics, 2);
  if (event) job_event_progress(work->job, step, metrics, 2);
}

static bool is_due(uint64_t step, uint64_t total, uint64_t times) {
  uint64_t every = total / times ? total / times : 1;
  return step % every == 0;
}

/* Copying more than this would keep a worker for too long: such a run begins anew after a crash,
   and ends in the same rows. */
static bool is_light(const struct work *work) {
  return work->kept * (size_t)work->chain.x.dim <= SAVE_MAX;
}

static bool run_slice(struct round *round, int index, struct worker *worker) {
  (void)index;
  struct work *work = (struct work *)round;
  const struct mcmc_spec *spec = work->spec;
  struct boltz_chain *chain = &work->chain;
  uint64_t burn_in = (uint64_t)spec->burn_in, total = burn_in + (uint64_t)spec->steps;
  if (job_stopping(work->job) != JOB_GO_ON) return false;
  if (!work->started) { /* finding places to start is work, too */
    work->failed = boltz_chain_start(chain, worker->scratch);
    work->started = work->failed == BOLTZ_OK;
    if (!work->started) snprintf(work->why, sizeof work->why, "%s", boltz_error());
    return work->started;
  }
  for (uint64_t k = 0; k < work->slice && chain->step < total; k++) {
    boltz_chain_step(chain, worker->scratch);
    if (chain->step > burn_in && (chain->step - burn_in) % (uint64_t)spec->stride == 0) keep(work);
    tell(work, is_due(chain->step, total, EVENTS));
    size_t size = 0;
    char *bytes = chain->step < total && is_due(chain->step, total, SAVES) && is_light(work)
                      ? save_state(work, &size)
                      : NULL;
    if (bytes) job_save(work->job, bytes, size);
  }
  return chain->step < total;
}

/* The slowest of the energy and the coordinates, in steps of the chain: one series a slice, and of
   a long run the last SERIES_MAX values. */
static bool autocorrelation_piece(struct round *round, int index, struct worker *worker) {
  (void)index;
  struct work *work = (struct work *)round;
  if (job_stopping(work->job) != JOB_GO_ON) return false;
  size_t walkers = work->chain.x.n, dim = (size_t)work->chain.x.dim;
  size_t length = work->n / walkers, most = SERIES_MAX / walkers;
  if (length > most && most > 0) length = most;
  size_t n = length * walkers, first = work->n - n;
  double *series = boltz_arena_scratch(worker->scratch, n, sizeof *series);
  if (!series) return false;
  for (size_t i = 0; i < n; i++)
    series[i] = work->series == dim ? work->energies[first + i]
                                    : work->rows[(first + i) * dim + work->series];
  double tau = boltz_stats_autocorrelation_time(series, length, walkers);
  work->tau = fmax(work->tau, tau * (double)work->spec->stride);
  return ++work->series <= dim;
}

static struct cJSON *publish(struct job *job) {
  struct work *work = job->work;
  const struct mcmc_spec *spec = work->spec;
  enum registry_outcome outcome =
      registry_add_dataset(job->server->registry, spec->dataset, job->model_name, work->rows,
                           work->n, work->chain.x.dim, job->id);
  if (outcome == REGISTRY_CONFLICT)
    boltz_fail(BOLTZ_OUT_OF_RANGE, "dataset %s came to be while the job ran", spec->dataset);
  if (outcome != REGISTRY_CREATED && outcome != REGISTRY_SAME) return NULL;
  cJSON *result = cJSON_CreateObject();
  json_add_text(result, "dataset", spec->dataset);
  json_add_integer(result, "n", (int64_t)work->n);
  json_add_number_or_null(result, "acceptance", acceptance(&work->chain));
  json_add_number_or_null(result, "autocorrelation_time", work->tau);
  json_add_integer(result, "energy_calls", (int64_t)work->chain.energy_calls);
  return result;
}

static void rest(struct work *work) {
  size_t size = 0;
  bool keep_it = work->started && job_stopping(work->job) != JOB_STOP_CANCEL;
  char *bytes = keep_it ? save_state(work, &size) : NULL;
  job_rested(work->job, bytes, size);
}

static void measured(struct round *round, struct worker *worker) {
  (void)worker;
  struct work *work = (struct work *)round;
  if (job_stopping(work->job) == JOB_GO_ON)
    job_succeeded(work->job, publish);
  else
    rest(work);
}

static void finished(struct round *round, struct worker *worker) {
  (void)worker;
  struct work *work = (struct work *)round;
  if (work->failed != BOLTZ_OK)
    job_failed(work->job, boltz_status_name(work->failed), "%s", work->why);
  else if (job_stopping(work->job) == JOB_GO_ON)
    round_start(round, 1, autocorrelation_piece, measured);
  else
    rest(work);
}

static void mcmc_free_work(struct job *job) {
  struct work *work = job->work;
  if (!work) return;
  job->work = NULL;
  boltz_arena_close(work->arena);
  free(work);
}

static enum boltz_status open_work(struct work *work, const void *resume, size_t size) {
  const struct mcmc_spec *spec = work->spec;
  const struct boltz_energy *energy = &work->job->model->energy;
  work->arena = boltz_arena_open(0);
  if (!work->arena) return boltz_fail(BOLTZ_NO_MEMORY, "no memory for the chains");
  work->n = configurations(spec);
  work->rows = boltz_arena_scratch(work->arena, work->n * (size_t)energy->dim, sizeof(double));
  work->energies = BOLTZ_NEW_ARRAY(work->arena, work->n, double);
  if (!work->rows || !work->energies) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(boltz_chain_new(energy, energy->temperature, spec->move, spec->move_settings,
                            spec->seed, (size_t)spec->walkers, work->arena, &work->chain));
  size_t moved = work->chain.x.n * (size_t)energy->dim;
  work->slice = moved < WORK_A_SLICE ? WORK_A_SLICE / moved : 1;
  if (!resume) return BOLTZ_OK;
  work->started = true;
  return load_state(work, resume, size, work->arena);
}

static enum boltz_status mcmc_start(struct job *job, const void *resume, size_t size) {
  struct work *work = calloc(1, sizeof *work);
  if (!work) return boltz_fail(BOLTZ_NO_MEMORY, "no memory for the chains");
  *work = (struct work){.round = {.pool = job->server->pool, .class_ = POOL_BACKGROUND},
                        .job = job,
                        .spec = job->spec};
  job->work = work;
  enum boltz_status status = open_work(work, resume, size);
  if (status != BOLTZ_OK) {
    mcmc_free_work(job);
    return status;
  }
  round_start(&work->round, 1, run_slice, finished);
  return BOLTZ_OK;
}

const struct job_kind job_mcmc = {
    .name = "mcmc",
    .doc =
        "runs Monte Carlo chains on the model's energy and keeps their configurations as a "
        "dataset; the result names the slowest autocorrelation time in steps",
    .source = "Metropolis et al. 1953; Hastings 1970",
    .fields = fields,
    .parts = parts,
    .parse = mcmc_parse,
    .start = mcmc_start,
    .free_work = mcmc_free_work,
    .total_steps = mcmc_total_steps,
};
