/* train.c - jobs that train a flow and publish it as a version.
 *
 * The work is a chain of rounds (round.h): data, then for every step look, shards, reduce, update;
 * now and then validation and a resume file; at the end the final measurement and the checkpoint.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "server/jobs/train_work.h"
#include "server/metrics.h"

/* ---- a step: look, shards, reduce, update ---- */

static size_t metrics_now(const struct work *work, struct job_metric metrics[JOB_METRICS]) {
  struct boltz_train_report report;
  boltz_train_report(work->train, &report);
  const struct job_metric now[] = {
      {"loss", report.loss},
      {"loss_ml", report.loss_ml},
      {"loss_kl", report.loss_kl},
      {"loss_rc", report.loss_rc},
      {"grad_norm", report.grad_norm},
      {"learning_rate", report.learning_rate},
      {"ess_fraction", work->ess_fraction},
      {"skipped", (double)report.skipped},
  };
  memcpy(metrics, now, sizeof now);
  return sizeof now / sizeof *now;
}

static void next_step(struct work *work);

static void note_progress(struct work *work) {
  struct job_metric metrics[JOB_METRICS];
  int n = (int)metrics_now(work, metrics);
  struct boltz_train_report report;
  boltz_train_report(work->train, &report);
  job_progress(work->job, report.step, metrics, n);
  job_event_progress(work->job, report.step, metrics, n);
}

static void validated(struct round *round, struct worker *worker) {
  (void)worker;
  struct work *work = work_of(round);
  if (job_stopping(work->job) == JOB_GO_ON) {
    struct boltz_weight_summary summary;
    boltz_stats_weights(work->log_w, VALIDATION, &summary);
    work->ess_fraction = summary.ess_fraction;
    note_progress(work);
  }
  next_step(work);
}

static void step_finished(struct work *work) {
  boltz_train_finish(work->train);
  struct boltz_train_report report;
  boltz_train_report(work->train, &report);
  struct job_metric metrics[JOB_METRICS];
  int n = (int)metrics_now(work, metrics);
  job_progress(work->job, report.step, metrics, n);
  metrics_add(work->job->server->metrics, METRIC_TRAIN_STEPS, 1);
  const struct train_spec *spec = work->spec;
  if (report.step % spec->checkpoint_every == 0 && !boltz_train_done(work->train)) {
    size_t size = 0;
    char *bytes = train_save_state(work, &size);
    if (bytes) job_save(work->job, bytes, size);
  }
  if (report.step % spec->validate_every == 0)
    train_measure(work, VALIDATION, validated);
  else
    next_step(work);
}

static int side_by_side(const struct work *work) {
  size_t pieces = boltz_train_pieces(work->train);
  return pieces < BOLTZ_TRAIN_SHARDS ? (int)pieces : BOLTZ_TRAIN_SHARDS;
}

/* Share k takes every side_by_side-th piece of the weights, one a slice. */
static bool next_piece(struct work *work, int index,
                       void (*run)(struct boltz_train *train, size_t piece)) {
  run(work->train, work->cursor[index]);
  work->cursor[index] += (size_t)side_by_side(work);
  return work->cursor[index] < boltz_train_pieces(work->train);
}

static void start_pieces(struct work *work, round_piece piece, round_after after) {
  for (int k = 0; k < side_by_side(work); k++) work->cursor[k] = (size_t)k;
  round_start(&work->round, side_by_side(work), piece, after);
}

static bool update_piece(struct round *round, int index, struct worker *worker) {
  (void)worker;
  return next_piece(work_of(round), index, boltz_train_update);
}

static void updated(struct round *round, struct worker *worker) {
  (void)worker;
  step_finished(work_of(round));
}

static bool reduce_piece(struct round *round, int index, struct worker *worker) {
  (void)worker;
  return next_piece(work_of(round), index, boltz_train_reduce);
}

static void reduced(struct round *round, struct worker *worker) {
  (void)worker;
  start_pieces(work_of(round), update_piece, updated);
}

/* A lane works on one shard at a time, so that there are no more tapes than workers; which lane
   takes a shard changes no bit. */
static bool next_shard(struct work *work, struct lane *lane) {
  lane->shard = atomic_fetch_add(&work->next_shard, 1);
  return lane->shard < BOLTZ_TRAIN_SHARDS;
}

static bool work_on_shard(struct work *work, int index,
                          bool (*run)(struct boltz_train *train, int shard,
                                      struct boltz_arena *arena)) {
  struct lane *lane = &work->lanes[index];
  if (job_stopping(work->job) != JOB_GO_ON) return false;
  if (lane->shard >= BOLTZ_TRAIN_SHARDS) return false;
  return run(work->train, lane->shard, lane->tape) || next_shard(work, lane);
}

static bool look_piece(struct round *round, int index, struct worker *worker) {
  (void)worker;
  return work_on_shard(work_of(round), index, boltz_train_look);
}

static bool shard_piece(struct round *round, int index, struct worker *worker) {
  (void)worker;
  return work_on_shard(work_of(round), index, boltz_train_shard);
}

static void start_shards(struct work *work, round_piece piece, round_after after) {
  atomic_store(&work->next_shard, 0);
  for (int k = 0; k < work->nlanes; k++) next_shard(work, &work->lanes[k]);
  round_start(&work->round, work->nlanes, piece, after);
}

static void sharded(struct round *round, struct worker *worker) {
  (void)worker;
  struct work *work = work_of(round);
  size_t pieces = boltz_train_pieces(work->train);
  if (job_stopping(work->job) != JOB_GO_ON) { /* the step was not made: it is begun anew */
    train_rest(work);
    return;
  }
  if (pieces > PIECES_IN_PLACE) {
    start_pieces(work, reduce_piece, reduced);
    return;
  }
  for (size_t p = 0; p < pieces; p++) boltz_train_reduce(work->train, p);
  for (size_t p = 0; p < pieces; p++) boltz_train_update(work->train, p);
  step_finished(work);
}

static void looked(struct round *round, struct worker *worker) {
  (void)worker;
  start_shards(work_of(round), shard_piece, sharded);
}

static void next_step(struct work *work) {
  if (job_stopping(work->job) != JOB_GO_ON)
    train_rest(work);
  else if (boltz_train_done(work->train))
    train_conclude(work);
  else if (boltz_train_looks(work->train))
    start_shards(work, look_piece, looked);
  else
    start_shards(work, shard_piece, sharded);
}

/* ---- from data to the first step ---- */

/* Rows from all over the data, for what needs no more of them. */
static enum boltz_status some_rows(struct work *work, struct boltz_arena *scratch,
                                   struct boltz_batch *rows) {
  size_t n = work->data.n < FIT_ROWS ? work->data.n : FIT_ROWS;
  size_t stride = n > 0 ? work->data.n / n : 0;
  BOLTZ_TRY(boltz_batch_new(scratch, n, work->flow.dim, rows));
  for (size_t i = 0; i < n; i++) boltz_batch_copy(rows, i, &work->data, i * stride, 1);
  return BOLTZ_OK;
}

static enum boltz_status make_train(struct work *work, struct boltz_arena *scratch) {
  const struct boltz_energy *energy = &work->job->model->energy;
  const struct train_spec *spec = work->spec;
  struct boltz_batch rows;
  BOLTZ_TRY(some_rows(work, scratch, &rows));
  struct boltz_train_options options = {
      .seed = spec->seed,
      .nstages = spec->nstages,
      .stages = spec->stages,
      .data = work->data.n > 0 ? &work->data : NULL,
      .energy_high = boltz_plan_energy_high(energy, &rows, scratch)};
  BOLTZ_TRY(
      boltz_train_new(&work->flow, energy, &work->weights, &options, work->arena, &work->train));
  if (work->resume_moments)
    boltz_train_restore(work->train, work->resume_step, work->resume_skipped, work->resume_moments);
  return BOLTZ_OK;
}

/* Weights are fitted. Without stages that was all. */
static void begin_steps(struct work *work, struct worker *worker) {
  if (work->spec->nstages == 0) {
    train_conclude(work);
    return;
  }
  enum boltz_status status = make_train(work, worker->scratch);
  if (status != BOLTZ_OK)
    job_failed(work->job, boltz_status_name(status), "%s", boltz_error());
  else
    next_step(work);
}

/* ---- initial weights ---- */

static enum boltz_status open_fitting(struct work *work, struct boltz_arena *scratch) {
  struct boltz_batch rows;
  BOLTZ_TRY(some_rows(work, scratch, &rows));
  const struct boltz_evidence evidence = {
      .x = &rows, .energy = &work->job->model->energy, .seed = work->spec->seed};
  return boltz_fitting_open(&work->flow, &evidence, &work->weights, &work->fitting);
}

static bool fit_piece(struct round *round, int index, struct worker *worker) {
  (void)index;
  struct work *work = work_of(round);
  bool more = true;
  if (job_stopping(work->job) != JOB_GO_ON) return false;
  work->failed = work->fitting ? boltz_fitting_step(work->fitting, &more, worker->scratch)
                               : open_fitting(work, worker->scratch);
  if (work->failed == BOLTZ_OK) return more;
  snprintf(work->why, sizeof work->why, "%s", boltz_error());
  return false;
}

static void fitted(struct round *round, struct worker *worker) {
  struct work *work = work_of(round);
  boltz_fitting_close(work->fitting);
  work->fitting = NULL;
  if (job_stopping(work->job) != JOB_GO_ON)
    train_rest(work);
  else if (work->failed != BOLTZ_OK)
    job_failed(work->job, boltz_status_name(work->failed), "%s", work->why);
  else
    begin_steps(work, worker);
}

/* ---- the beginning: data ---- */

/* Data are there, or never will be. */
static void have_data(struct work *work, struct worker *worker) {
  if (job_stopping(work->job) != JOB_GO_ON)
    train_rest(work);
  else if (work->failed != BOLTZ_OK)
    job_failed(work->job, boltz_status_name(work->failed), "%s", work->why);
  else if (work->resume_moments || work->spec->from_version)
    begin_steps(work, worker);
  else
    round_start(&work->round, 1, fit_piece, fitted);
}

static void note_failure(struct work *work, enum boltz_status status) {
  work->failed = status;
  if (status != BOLTZ_OK) snprintf(work->why, sizeof work->why, "%s", boltz_error());
}

/* Ladders know nothing of each other: which worker moves a shard changes no bit. */
static bool explore_piece(struct round *round, int index, struct worker *worker) {
  struct work *work = work_of(round);
  const int64_t until = monotonic_us() + EXPLORE_SLICE;
  do {
    if (job_stopping(work->job) != JOB_GO_ON) return false;
    if (!boltz_explore_step(work->explore, index, worker->scratch)) return false;
  } while (monotonic_us() < until);
  return true;
}

static void explored(struct round *round, struct worker *worker) {
  struct work *work = work_of(round);
  note_failure(work, boltz_explore_status(work->explore));
  work->data = *boltz_explore_samples(work->explore);
  if (job_stopping(work->job) == JOB_GO_ON && work->failed == BOLTZ_OK)
    job_event_log(work->job, "%zu configurations by replica exchange, %llu energy calls",
                  work->data.n, (unsigned long long)boltz_explore_energy_calls(work->explore));
  have_data(work, worker);
}

static bool open_piece(struct round *round, int index, struct worker *worker) {
  (void)index, (void)worker;
  struct work *work = work_of(round);
  const struct boltz_explore_options options = train_explore_options(work->spec);
  if (work->spec->data.dataset || work->spec->data.steps == 0) return false;
  note_failure(work,
               boltz_explore_new(&work->job->model->energy, &options, work->arena, &work->explore));
  return false;
}

static void opened(struct round *round, struct worker *worker) {
  struct work *work = work_of(round);
  if (work->explore)
    round_start(&work->round, boltz_explore_shards(work->explore), explore_piece, explored);
  else
    have_data(work, worker);
}

static enum boltz_status open_data(struct work *work) {
  const struct train_data *data = &work->spec->data;
  const struct boltz_energy *energy = &work->job->model->energy;
  if (!data->dataset) return BOLTZ_OK;
  double *rows = NULL;
  size_t n = 0;
  int dim = 0;
  BOLTZ_TRY(registry_read_dataset(work->job->server->registry, data->dataset, &rows, &n, &dim));
  enum boltz_status status = BOLTZ_OK;
  if (dim != energy->dim)
    status = boltz_fail(BOLTZ_OUT_OF_RANGE, "dataset %s has dim %d, model %s has dim %d",
                        data->dataset, dim, work->job->model_name, energy->dim);
  else
    status = boltz_batch_new(work->arena, n, dim, &work->data);
  if (status == BOLTZ_OK) {
    boltz_batch_from_rows(&work->data, rows);
    for (size_t i = 0; i < n && status == BOLTZ_OK; i++)
      if (!boltz_energy_inside(energy, &work->data, i))
        status =
            boltz_fail(BOLTZ_OUT_OF_DOMAIN, "row %zu of dataset %s is outside the domain of %s", i,
                       data->dataset, work->job->model_name);
    boltz_energy_wrap(energy, &work->data);
  }
  free(rows);
  return status;
}

static enum boltz_status open_weights(struct work *work) {
  const struct train_spec *spec = work->spec;
  boltz_flow_init(&work->flow, spec->seed, &work->weights);
  if (!spec->from_version) return BOLTZ_OK;
  struct registry *registry = work->job->server->registry;
  struct version *version = NULL;
  BOLTZ_TRY(registry_load(registry, work->job->model, spec->from_version));
  if (registry_version(registry, work->job->model, spec->from_version, &version) != VERSION_READY)
    return boltz_fail(BOLTZ_OUT_OF_RANGE, "version %lld of model %s is gone",
                      (long long)spec->from_version, work->job->model_name);
  enum boltz_status status = BOLTZ_OK;
  if (version->checkpoint.flow.nw == work->flow.nw)
    memcpy(work->weights.flat, version->checkpoint.weights.flat, work->flow.nw * sizeof(float));
  else
    status = boltz_fail(BOLTZ_OUT_OF_RANGE, "version %lld has another flow than the job's spec",
                        (long long)spec->from_version);
  version_release(version);
  boltz_flow_pack(&work->flow, &work->weights);
  return status;
}

static void train_free_work(struct job *job) {
  struct work *work = job->work;
  if (!work) return;
  job->work = NULL;
  boltz_fitting_close(work->fitting);
  free(work->checkpoint);
  free(work->metrics);
  precision_release(&work->choice);
  for (int k = 0; k < work->nlanes; k++) boltz_arena_close(work->lanes[k].tape);
  boltz_arena_close(work->arena);
  free(work);
}

static enum boltz_status open_lanes(struct work *work) {
  int workers = pool_workers(work->job->server->pool);
  int lanes = workers < BOLTZ_TRAIN_SHARDS ? workers : BOLTZ_TRAIN_SHARDS;
  for (int k = 0; k < lanes; k++) {
    work->lanes[k].tape = boltz_arena_open(TAPE_LIMIT);
    if (!work->lanes[k].tape) return boltz_fail(BOLTZ_NO_MEMORY, "no memory for the training");
    work->nlanes++;
  }
  return BOLTZ_OK;
}

static enum boltz_status open_work(struct work *work, const void *resume, size_t size) {
  const struct boltz_energy *energy = &work->job->model->energy;
  work->arena = boltz_arena_open(0);
  if (!work->arena) return boltz_fail(BOLTZ_NO_MEMORY, "no memory for the training");
  BOLTZ_TRY(open_lanes(work));
  BOLTZ_TRY(boltz_flow_new(&work->spec->flow, energy->dim, work->arena, &work->flow));
  BOLTZ_TRY(boltz_weights_new(&work->flow, work->arena, &work->weights));
  work->log_w = BOLTZ_NEW_ARRAY(work->arena, PRECISION_SAMPLES, double);
  if (!work->log_w) return BOLTZ_NO_MEMORY;
  if (resume)
    BOLTZ_TRY(train_load_state(work, resume, size));
  else
    BOLTZ_TRY(open_weights(work));
  return open_data(work);
}

static enum boltz_status train_start(struct job *job, const void *resume, size_t size) {
  struct work *work = calloc(1, sizeof *work);
  if (!work) return boltz_fail(BOLTZ_NO_MEMORY, "no memory for the training");
  *work = (struct work){.round = {.pool = job->server->pool, .class_ = POOL_BACKGROUND},
                        .job = job,
                        .spec = job->spec,
                        .ess_fraction = NAN,
                        .ess_fraction_data = NAN};
  job->work = work;
  enum boltz_status status = open_work(work, resume, size);
  if (status != BOLTZ_OK) {
    train_free_work(job);
    return status;
  }
  round_start(&work->round, 1, open_piece, opened);
  return BOLTZ_OK;
}

const struct job_kind job_train = {
    .name = "train",
    .doc =
        "trains a flow on the model's energy by ml·J_ML + kl·J_KL + rc·J_RC, stage by stage, and "
        "publishes it as a version",
    .source = "Noé, Olsson, Köhler, Wu, Science 365, eaaw1147 (2019)",
    .fields = train_fields,
    .parts = train_parts,
    .parse = train_parse,
    .start = train_start,
    .free_work = train_free_work,
    .total_steps = train_total_steps,
};
