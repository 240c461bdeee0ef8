/* mcmc.c - jobs that run Monte Carlo chains and keep what they visit as a dataset. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boltz/boltz.h"
#include "server/jobs/mcmc.h"
#include "server/json.h"
#include "server/round.h"

#define WORK_A_SLICE 16384           /* coordinates moved before other work is let in */
#define LANES_LEAST 8                /* walkers that are worth a worker of their own */
#define EVENTS 100                   /* progress events of a whole run */
#define SERIES_MAX ((size_t)1 << 18) /* values of a series whose autocorrelation is measured */
#define SAVE_MAX ((size_t)1 << 22)   /* numbers of a resume file while running */
#define SAVES 10                     /* resume files of a whole run */

struct work {
  struct round round;
  struct job *job;
  const struct mcmc_spec *spec;
  struct boltz_arena *arena;
  struct boltz_chain chains[ROUND_MOST]; /* they share the walkers, and are at the same step */
  uint64_t tries[ROUND_MOST];            /* places looked at, of each chain */
  int nchains;
  size_t walkers, dim;
  size_t n;         /* configurations in all */
  double *rows;     /* [n, dim] */
  double *energies; /* [n] */
  uint64_t until;   /* the step that the round at hand ends with */
  uint64_t slice;   /* steps of a round at most */
  double tau;       /* autocorrelation time, at the end */
  size_t series;    /* the next of dim coordinates and the energy to be measured */
  bool started;     /* every walker has a place */
};

/* ---- what the chains have come to ---- */

static uint64_t step_of(const struct work *work) {
  return work->chains[0].step;
}

static uint64_t total_of(const struct work *work) {
  return (uint64_t)work->spec->burn_in + (uint64_t)work->spec->steps;
}

/* Configurations kept until a step. */
static size_t kept_until(const struct work *work, uint64_t step) {
  const uint64_t burn_in = (uint64_t)work->spec->burn_in, stride = (uint64_t)work->spec->stride;
  return step > burn_in ? (size_t)((step - burn_in) / stride) * work->walkers : 0;
}

static size_t kept(const struct work *work) {
  return kept_until(work, step_of(work));
}

static uint64_t accepted(const struct work *work) {
  uint64_t sum = 0;
  for (int k = 0; k < work->nchains; k++) sum += work->chains[k].accepted;
  return sum;
}

static uint64_t energy_calls(const struct work *work) {
  uint64_t sum = 0;
  for (int k = 0; k < work->nchains; k++) sum += work->chains[k].energy_calls;
  return sum;
}

static double acceptance(const struct work *work) {
  const uint64_t step = step_of(work);
  return step ? (double)accepted(work) / ((double)step * (double)work->walkers) : NAN;
}

/* ---- resume files: the walkers, the counters, what was kept ---- */

static char *save_state(const struct work *work, size_t *size) {
  uint64_t counters[] = {step_of(work), accepted(work), energy_calls(work), kept(work)};
  uint64_t walkers = work->walkers, dim = work->dim;
  double *x = malloc(walkers * (dim + 1) * sizeof *x), *u = x + walkers * dim;
  if (!x) return NULL;
  for (int k = 0; k < work->nchains; k++) {
    const struct boltz_chain *chain = &work->chains[k];
    boltz_batch_to_rows(&chain->x, x + chain->first * dim);
    memcpy(u + chain->first, chain->u, chain->x.n * sizeof *u);
  }
  struct boltz_safetensor tensors[] = {
      {"counters", "U64", 1, {4}, counters, sizeof counters},
      {"energies", "F64", 1, {counters[3]}, work->energies, counters[3] * sizeof(double)},
      {"rows", "F64", 2, {counters[3], dim}, work->rows, counters[3] * dim * sizeof(double)},
      {"u", "F64", 1, {walkers}, u, walkers * sizeof(double)},
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
  const struct boltz_safetensor *x = boltz_safetensors_tensor(&file, "x");
  const struct boltz_safetensor *u = boltz_safetensors_tensor(&file, "u");
  const struct boltz_safetensor *rows = boltz_safetensors_tensor(&file, "rows");
  const struct boltz_safetensor *energies = boltz_safetensors_tensor(&file, "energies");
  const struct boltz_safetensor *counters = boltz_safetensors_tensor(&file, "counters");
  size_t walkers = work->walkers, dim = work->dim;
  uint64_t count[4] = {0};
  if (counters && counters->size == sizeof count) memcpy(count, counters->data, sizeof count);
  work->chains[0].step = count[0];
  if (!x || !u || !rows || !energies || !counters || counters->size != sizeof count ||
      x->size != walkers * dim * sizeof(double) || u->size != walkers * sizeof(double) ||
      count[0] > total_of(work) || count[3] != kept(work) ||
      rows->size != count[3] * dim * sizeof(double) || energies->size != count[3] * sizeof(double))
    return boltz_fail(BOLTZ_BAD_CHECKPOINT, "the resume file is not of this job's chains");
  for (int k = 0; k < work->nchains; k++) {
    struct boltz_chain *chain = &work->chains[k];
    boltz_batch_from_rows(&chain->x, (const double *)x->data + chain->first * dim);
    memcpy(chain->u, (const double *)u->data + chain->first, chain->x.n * sizeof(double));
    chain->step = count[0];
  }
  memcpy(work->rows, rows->data, rows->size);
  memcpy(work->energies, energies->data, energies->size);
  work->chains[0].accepted = count[1];
  work->chains[0].energy_calls = count[2];
  return BOLTZ_OK;
}

/* ---- running ---- */

static void tell(struct work *work, bool event) {
  struct job_metric metrics[] = {{"acceptance", acceptance(work)}, {"kept", (double)kept(work)}};
  int64_t step = (int64_t)step_of(work);
  job_progress(work->job, step, metrics, 2);
  if (event) job_event_progress(work->job, step, metrics, 2);
}

/* What is due `times` times in all comes every so many steps. */
static uint64_t interval(const struct work *work, uint64_t times) {
  const uint64_t every = total_of(work) / times;
  return every ? every : 1;
}

static bool is_due(const struct work *work, uint64_t times) {
  return step_of(work) % interval(work, times) == 0;
}

/* Copying more than this would keep a worker for too long: such a run begins anew after a crash,
   and ends in the same rows. */
static bool is_light(const struct work *work) {
  return kept(work) * work->dim <= SAVE_MAX;
}

static void rest(struct work *work) {
  size_t size = 0;
  bool keep_it = work->started && job_stopping(work->job) != JOB_STOP_CANCEL;
  char *bytes = keep_it ? save_state(work, &size) : NULL;
  job_rested(work->job, bytes, size);
}

/* The rows of a chain's walkers among those of all, of the step that it has made. */
static void keep(struct work *work, const struct boltz_chain *chain) {
  const size_t row = kept_until(work, chain->step) - work->walkers + chain->first;
  boltz_batch_to_rows(&chain->x, work->rows + row * work->dim);
  memcpy(work->energies + row, chain->u, chain->x.n * sizeof(double));
}

/* All of a chain's steps of a round, a few milliseconds: chains rest at one step. */
static bool run_piece(struct round *round, int index, struct worker *worker) {
  struct work *work = (struct work *)round;
  struct boltz_chain *chain = &work->chains[index];
  while (chain->step < work->until) {
    boltz_chain_step(chain, worker->scratch);
    if (kept_until(work, chain->step) > kept_until(work, chain->step - 1)) keep(work, chain);
  }
  return false;
}

/* The slowest of the energy and the coordinates, in steps of the chain: one series a slice, and of
   a long run the last SERIES_MAX values. */
static bool autocorrelation_piece(struct round *round, int index, struct worker *worker) {
  (void)index;
  struct work *work = (struct work *)round;
  if (job_stopping(work->job) != JOB_GO_ON) return false;
  size_t walkers = work->walkers, dim = work->dim;
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
                           work->n, (int)work->dim, job->id);
  if (outcome == REGISTRY_CONFLICT)
    boltz_fail(BOLTZ_OUT_OF_RANGE, "dataset %s came to be while the job ran", spec->dataset);
  if (outcome != REGISTRY_CREATED && outcome != REGISTRY_SAME) return NULL;
  cJSON *result = cJSON_CreateObject();
  json_add_text(result, "dataset", spec->dataset);
  json_add_integer(result, "n", (int64_t)work->n);
  json_add_number_or_null(result, "acceptance", acceptance(work));
  json_add_number_or_null(result, "autocorrelation_time", work->tau);
  json_add_integer(result, "energy_calls", (int64_t)energy_calls(work));
  return result;
}

static void measured(struct round *round, struct worker *worker) {
  (void)worker;
  struct work *work = (struct work *)round;
  if (job_stopping(work->job) == JOB_GO_ON)
    job_succeeded(work->job, publish);
  else
    rest(work);
}

static void ran(struct round *round, struct worker *worker);

/* To the next step that something is due at, at most; at the end, to what is measured there. */
static void run_on(struct work *work) {
  const uint64_t times[] = {1, EVENTS, SAVES}, step = step_of(work);
  if (step >= total_of(work)) {
    round_start(&work->round, 1, autocorrelation_piece, measured);
    return;
  }
  work->until = step + work->slice;
  for (size_t k = 0; k < sizeof times / sizeof *times; k++) {
    const uint64_t every = interval(work, times[k]), next = (step / every + 1) * every;
    if (next < work->until) work->until = next;
  }
  round_start(&work->round, work->nchains, run_piece, ran);
}

static void ran(struct round *round, struct worker *worker) {
  (void)worker;
  struct work *work = (struct work *)round;
  const bool more = step_of(work) < total_of(work);
  tell(work, is_due(work, EVENTS));
  size_t size = 0;
  char *bytes = more && is_due(work, SAVES) && is_light(work) ? save_state(work, &size) : NULL;
  if (bytes) job_save(work->job, bytes, size);
  if (job_stopping(work->job) != JOB_GO_ON)
    rest(work);
  else
    run_on(work);
}

/* A place more to start from, for a chain's walkers. */
static bool start_piece(struct round *round, int index, struct worker *worker) {
  struct work *work = (struct work *)round;
  return job_stopping(work->job) == JOB_GO_ON &&
         boltz_chain_try(&work->chains[index], work->tries[index]++, worker->scratch);
}

static void started(struct round *round, struct worker *worker) {
  (void)worker;
  struct work *work = (struct work *)round;
  if (job_stopping(work->job) != JOB_GO_ON) {
    rest(work);
    return;
  }
  const enum boltz_status status = boltz_chain_started(work->chains, (size_t)work->nchains);
  work->started = status == BOLTZ_OK;
  if (work->started)
    run_on(work);
  else
    job_failed(work->job, boltz_status_name(status), "%s", boltz_error());
}

static void mcmc_free_work(struct job *job) {
  struct work *work = job->work;
  if (!work) return;
  job->work = NULL;
  boltz_arena_close(work->arena);
  free(work);
}

/* A chain for every worker, and more when a step of that would keep it for too long; how many
   changes no bit. */
static int chains_of(const struct work *work) {
  const size_t workers = (size_t)pool_workers(work->job->server->pool);
  const size_t slices = work->walkers * work->dim / WORK_A_SLICE;
  size_t chains = workers > slices ? workers : slices;
  if (chains > work->walkers / LANES_LEAST) chains = work->walkers / LANES_LEAST;
  if (chains > ROUND_MOST) chains = ROUND_MOST;
  return chains > 1 ? (int)chains : 1;
}

static enum boltz_status open_chains(struct work *work) {
  const struct mcmc_spec *spec = work->spec;
  const struct boltz_energy *energy = &work->job->model->energy;
  work->nchains = chains_of(work);
  for (size_t k = 0, n = (size_t)work->nchains; k < n; k++) {
    const size_t first = work->walkers * k / n, end = work->walkers * (k + 1) / n;
    BOLTZ_TRY(boltz_chain_new(energy, energy->temperature, spec->move, spec->move_settings,
                              spec->seed, end - first, work->arena, &work->chains[k]));
    work->chains[k].first = first;
    work->chains[k].all = work->walkers;
  }
  return BOLTZ_OK;
}

static enum boltz_status open_work(struct work *work, const void *resume, size_t size) {
  work->arena = boltz_arena_open(0);
  if (!work->arena) return boltz_fail(BOLTZ_NO_MEMORY, "no memory for the chains");
  work->walkers = (size_t)work->spec->walkers;
  work->dim = (size_t)work->job->model->energy.dim;
  work->n = mcmc_configurations(work->spec);
  work->rows = boltz_arena_scratch(work->arena, work->n * work->dim, sizeof(double));
  work->energies = BOLTZ_NEW_ARRAY(work->arena, work->n, double);
  if (!work->rows || !work->energies) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(open_chains(work));
  const size_t moved = work->chains[0].x.n * work->dim;
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
  if (!work->started)
    round_start(&work->round, work->nchains, start_piece, started);
  else
    run_on(work);
  return BOLTZ_OK;
}

const struct job_kind job_mcmc = {
    .name = "mcmc",
    .doc =
        "runs Monte Carlo chains on the model's energy and keeps their configurations as a "
        "dataset; the result names the slowest autocorrelation time in steps",
    .source = "Metropolis et al. 1953; Hastings 1970",
    .fields = mcmc_fields,
    .parts = mcmc_parts,
    .parse = mcmc_parse,
    .start = mcmc_start,
    .free_work = mcmc_free_work,
    .total_steps = mcmc_total_steps,
};
