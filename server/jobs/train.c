/* train.c - jobs that train a flow and publish it as a version.
 *
 * The work is a chain of rounds (round.h): data, then for every step shards, reduce, update; now
 * and then validation and a resume file; at the end the final measurement and the checkpoint. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boltz/boltz.h"
#include "server/jobs/train.h"
#include "server/json.h"
#include "server/metrics.h"
#include "server/round.h"

enum {
  SWEEPS_A_SLICE = 8,  /* of replica exchange: 64 ladders of 7 rungs are well under a millisecond */
  VALIDATION = 4096,   /* samples */
  FINAL = 20000,       /* samples behind a version's own metrics */
  DATA_CHECK = 4096,   /* data rows that are asked whether the flow knows them */
  PIECES_IN_PLACE = 4, /* so few pieces of weights are not worth a round of their own */
};

struct work {
  struct round round;
  struct job *job;
  const struct train_spec *spec;
  struct boltz_arena *arena;
  struct boltz_flow flow;
  struct boltz_weights weights;
  struct boltz_explore *explore; /* NULL with a dataset */
  struct boltz_batch data;
  struct boltz_train *train; /* NULL until the data are there */
  int64_t resume_step;
  uint64_t resume_skipped;
  float *resume_moments;
  double *log_w; /* [FINAL] of the measurement at hand */
  size_t measured;
  size_t cursor[BOLTZ_TRAIN_SHARDS]; /* where each piece of the measurement stands */
  double ess_fraction;               /* of the latest validation; NaN before the first */
  double ess_fraction_data;
  char *checkpoint; /* the finished file */
  size_t checkpoint_size;
  char *metrics;
};

static struct work *work_of(struct round *round) {
  return (struct work *)round;
}

/* ---- resume files ---- */

/* The state between two steps as a safetensors file; NULL when memory is exhausted. */
static char *save_state(struct work *work, size_t *size) {
  struct boltz_train_report report;
  boltz_train_report(work->train, &report);
  char step[24], skipped[24];
  snprintf(step, sizeof step, "%lld", (long long)report.step);
  snprintf(skipped, sizeof skipped, "%llu", (unsigned long long)boltz_train_skipped(work->train));
  uint64_t nw = work->flow.nw;
  struct boltz_safetensor tensors[] = {
      {.name = "moments",
       .dtype = "F32",
       .rank = 2,
       .shape = {2, nw},
       .data = boltz_train_moments(work->train),
       .size = 2 * nw * sizeof(float)},
      {.name = "weights",
       .dtype = "F32",
       .rank = 1,
       .shape = {nw},
       .data = work->weights.flat,
       .size = nw * sizeof(float)},
  };
  struct boltz_meta meta[] = {{"format", "boltz-resume"}, {"skipped", skipped}, {"step", step}};
  struct boltz_safetensors file = {.nmeta = 3, .meta = meta, .ntensors = 2, .tensors = tensors};
  struct boltz_text out = {0};
  boltz_safetensors_write(&file, &out);
  if (out.failed) {
    boltz_text_free(&out);
    return NULL;
  }
  *size = out.size;
  return out.data;
}

static enum boltz_status load_state(struct work *work, const void *bytes, size_t size) {
  struct boltz_safetensors file;
  BOLTZ_TRY(boltz_safetensors_read(bytes, size, work->arena, &file));
  const struct boltz_safetensor *moments = boltz_safetensors_tensor(&file, "moments");
  const struct boltz_safetensor *weights = boltz_safetensors_tensor(&file, "weights");
  const char *step = boltz_safetensors_meta(&file, "step");
  const char *skipped = boltz_safetensors_meta(&file, "skipped");
  size_t nw = work->flow.nw;
  if (!moments || !weights || !step || !skipped || moments->size != 2 * nw * sizeof(float) ||
      weights->size != nw * sizeof(float))
    return boltz_fail(BOLTZ_BAD_CHECKPOINT, "the resume file is not of this job's flow");
  memcpy(work->weights.flat, weights->data, weights->size);
  work->resume_moments = BOLTZ_NEW_ARRAY(work->arena, 2 * nw, float);
  if (!work->resume_moments) return BOLTZ_NO_MEMORY;
  memcpy(work->resume_moments, moments->data, moments->size);
  work->resume_step = strtoll(step, NULL, 10);
  work->resume_skipped = strtoull(skipped, NULL, 10);
  boltz_flow_pack(&work->flow, &work->weights);
  return BOLTZ_OK;
}

/* ---- coming to rest ---- */

static void rest(struct work *work) {
  size_t size = 0;
  char *bytes = NULL;
  if (work->train && job_stopping(work->job) != JOB_STOP_CANCEL) bytes = save_state(work, &size);
  job_rested(work->job, bytes, size);
}

/* ---- measuring: log weights of fixed-seed samples ---- */

static size_t metrics_now(const struct work *work, struct job_metric metrics[JOB_METRICS]) {
  struct boltz_train_report report;
  boltz_train_report(work->train, &report);
  const struct job_metric now[] = {
      {"loss", report.loss},
      {"loss_ml", report.loss_ml},
      {"loss_kl", report.loss_kl},
      {"grad_norm", report.grad_norm},
      {"learning_rate", report.learning_rate},
      {"ess_fraction", work->ess_fraction},
      {"skipped", (double)report.skipped},
  };
  memcpy(metrics, now, sizeof now);
  return sizeof now / sizeof *now;
}

/* Piece k measures the k-th eighth of the samples, a tile a slice. */
static bool measure_piece(struct round *round, int index, struct worker *worker) {
  struct work *work = work_of(round);
  if (job_stopping(work->job) != JOB_GO_ON) return false;
  const struct boltz_energy *energy = &work->job->model->energy;
  size_t tile = boltz_flow_tile(&work->flow, 1, 1e8);
  size_t first = work->cursor[index];
  size_t last = work->measured * ((size_t)index + 1) / BOLTZ_TRAIN_SHARDS;
  size_t n = last - first < tile ? last - first : tile;
  work->cursor[index] += n;
  struct boltz_batch x;
  double *log_q = BOLTZ_NEW_ARRAY(worker->scratch, n, double);
  double *u = BOLTZ_NEW_ARRAY(worker->scratch, n, double);
  if (!log_q || !u || boltz_batch_new(worker->scratch, n, work->flow.dim, &x) != BOLTZ_OK) {
    for (size_t i = 0; i < n; i++) work->log_w[first + i] = -INFINITY;
    return true;
  }
  boltz_flow_sample(&work->flow, &work->weights, work->spec->seed, BOLTZ_STREAM_VALIDATE, first, &x,
                    NULL, log_q, worker->scratch);
  boltz_energy_eval(energy, energy->temperature, &x, u, NULL, worker->scratch);
  for (size_t i = 0; i < n; i++) work->log_w[first + i] = -u[i] - log_q[i];
  return first + n < last;
}

static void measure(struct work *work, size_t n, round_after after) {
  work->measured = n;
  for (size_t k = 0; k < BOLTZ_TRAIN_SHARDS; k++) work->cursor[k] = n * k / BOLTZ_TRAIN_SHARDS;
  round_start(&work->round, BOLTZ_TRAIN_SHARDS, measure_piece, after);
}

/* ---- the end ---- */

/* Would samples of the target be found by the flow? 1/(mean(1/w)·mean(w)) over target samples is
   the ESS fraction as they see it; a mode that the flow has lost drags it down, which the flow's
   own samples cannot show. */
static void ask_the_data(struct work *work, struct boltz_arena *scratch) {
  size_t n = work->data.n < DATA_CHECK ? work->data.n : DATA_CHECK;
  size_t stride = work->data.n / n;
  const struct boltz_energy *energy = &work->job->model->energy;
  struct boltz_batch x;
  double *log_q = BOLTZ_NEW_ARRAY(scratch, n, double);
  double *log_w = BOLTZ_NEW_ARRAY(scratch, n, double);
  double *inverse = BOLTZ_NEW_ARRAY(scratch, n, double);
  if (!log_q || !log_w || !inverse || boltz_batch_new(scratch, n, work->flow.dim, &x) != BOLTZ_OK)
    return;
  for (size_t i = 0; i < n; i++) boltz_batch_copy(&x, i, &work->data, i * stride, 1);
  boltz_energy_wrap(energy, &x);
  boltz_energy_eval(energy, energy->temperature, &x, log_w, NULL, scratch);
  boltz_flow_log_density(&work->flow, &work->weights, &x, log_q, scratch);
  for (size_t i = 0; i < n; i++) {
    log_w[i] = -log_w[i] - log_q[i];
    inverse[i] = -log_w[i];
  }
  struct boltz_weight_summary forward, backward;
  boltz_stats_weights(log_w, n, &forward);
  boltz_stats_weights(inverse, n, &backward);
  work->ess_fraction_data = exp(-forward.log_mean - backward.log_mean);
}

static struct cJSON *publish(struct job *job) {
  struct work *work = job->work;
  const struct train_spec *spec = work->spec;
  struct version_draft draft = {.bytes = work->checkpoint,
                                .size = work->checkpoint_size,
                                .job = job->id,
                                .metrics = work->metrics,
                                .serve = spec->serve};
  int64_t number = 0;
  enum registry_outcome outcome =
      registry_add_version(job->server->registry, job->model_name, &draft, &number);
  if (outcome == REGISTRY_NOT_FOUND)
    boltz_fail(BOLTZ_OUT_OF_RANGE, "model %s was removed while the job ran", job->model_name);
  if (outcome != REGISTRY_CREATED) return NULL;
  char digest[STORE_DIGEST_SIZE];
  store_digest(work->checkpoint, work->checkpoint_size, digest);
  cJSON *result = cJSON_CreateObject();
  json_add_integer(result, "version", number);
  json_add_text(result, "digest", digest);
  json_add_raw(result, "metrics", work->metrics);
  return result;
}

static void say_how_good(struct work *work, double ess_fraction, double pareto_k) {
  struct job *job = work->job;
  job_event_log(job,
                "of %d fresh samples %.1f %% count as independent draws of the target; Pareto k "
                "%.2f: %s",
                FINAL, 100 * ess_fraction, pareto_k,
                boltz_stats_verdict(pareto_k, ess_fraction * FINAL));
  if (work->ess_fraction_data < 0.5 * ess_fraction)
    job_event_log(job,
                  "warning: configurations of the training data are rare among the flow's samples "
                  "(ess_fraction_data %.3f, ess_fraction %.3f): a mode may be lost; train longer, "
                  "or with more weight on ml",
                  work->ess_fraction_data, ess_fraction);
}

/* NaN goes last. */
static int descending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  if (isnan(x) || isnan(y)) return isnan(x) - isnan(y);
  return (x < y) - (x > y);
}

static void conclude(struct round *round, struct worker *worker) {
  struct work *work = work_of(round);
  struct job *job = work->job;
  if (job_stopping(job) != JOB_GO_ON) {
    rest(work);
    return;
  }
  struct boltz_weight_summary summary;
  boltz_stats_weights(work->log_w, FINAL, &summary);
  ask_the_data(work, worker->scratch);
  qsort(work->log_w, FINAL, sizeof(double), descending);
  double pareto_k = boltz_stats_pareto_k(work->log_w, boltz_stats_tail_size(FINAL) + 1);
  struct boltz_text metrics = {0}, file = {0};
  boltz_text_puts(&metrics, "{\"ess_fraction\":");
  boltz_text_number(&metrics, summary.ess_fraction);
  boltz_text_puts(&metrics, ",\"ess_fraction_data\":");
  boltz_text_number(&metrics, work->ess_fraction_data);
  boltz_text_puts(&metrics, ",\"log_z\":");
  boltz_text_number(&metrics, summary.log_mean);
  boltz_text_puts(&metrics, ",\"pareto_k\":");
  boltz_text_number(&metrics, pareto_k);
  boltz_text_printf(&metrics, ",\"verdict\":\"%s\",\"samples\":%d}",
                    boltz_stats_verdict(pareto_k, summary.ess), FINAL);
  work->metrics = metrics.data;
  struct boltz_checkpoint checkpoint = {.model = job->model_name,
                                        .energy = job->model->energy,
                                        .flow = work->flow,
                                        .weights = work->weights,
                                        .precision = "fp32",
                                        .step = train_total_steps(job),
                                        .seed = work->spec->seed,
                                        .producer = "boltzd " BOLTZ_VERSION,
                                        .metrics = work->metrics};
  enum boltz_status status = metrics.failed
                                 ? boltz_fail(BOLTZ_NO_MEMORY, "no memory for the checkpoint")
                                 : boltz_checkpoint_write(&checkpoint, worker->scratch, &file);
  work->checkpoint = file.data;
  work->checkpoint_size = file.size;
  if (status != BOLTZ_OK) {
    job_failed(job, boltz_status_name(status), "%s", boltz_error());
    return;
  }
  say_how_good(work, summary.ess_fraction, pareto_k);
  job_succeeded(job, publish);
}

/* ---- a step: shards, reduce, update ---- */

static void next_step(struct work *work);

static void note_progress(struct work *work) {
  struct job_metric metrics[JOB_METRICS];
  int n = (int)metrics_now(work, metrics);
  struct boltz_train_report report;
  boltz_train_report(work->train, &report);
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
    char *bytes = save_state(work, &size);
    if (bytes) job_save(work->job, bytes, size, NULL);
  }
  if (report.step % spec->validate_every == 0)
    measure(work, VALIDATION, validated);
  else
    next_step(work);
}

static int side_by_side(const struct work *work) {
  size_t pieces = boltz_train_pieces(work->train);
  return pieces < BOLTZ_TRAIN_SHARDS ? (int)pieces : BOLTZ_TRAIN_SHARDS;
}

static bool update_piece(struct round *round, int index, struct worker *worker) {
  (void)worker;
  struct work *work = work_of(round);
  size_t pieces = boltz_train_pieces(work->train), step = (size_t)side_by_side(work);
  for (size_t p = (size_t)index; p < pieces; p += step) boltz_train_update(work->train, p);
  return false;
}

static void updated(struct round *round, struct worker *worker) {
  (void)worker;
  step_finished(work_of(round));
}

static bool reduce_piece(struct round *round, int index, struct worker *worker) {
  (void)worker;
  struct work *work = work_of(round);
  size_t pieces = boltz_train_pieces(work->train), step = (size_t)side_by_side(work);
  for (size_t p = (size_t)index; p < pieces; p += step) boltz_train_reduce(work->train, p);
  return false;
}

static void reduced(struct round *round, struct worker *worker) {
  (void)worker;
  struct work *work = work_of(round);
  round_start(round, side_by_side(work), update_piece, updated);
}

static bool shard_piece(struct round *round, int index, struct worker *worker) {
  return boltz_train_shard(work_of(round)->train, index, worker->scratch);
}

static void sharded(struct round *round, struct worker *worker) {
  (void)worker;
  struct work *work = work_of(round);
  size_t pieces = boltz_train_pieces(work->train);
  if (pieces > PIECES_IN_PLACE) {
    round_start(round, side_by_side(work), reduce_piece, reduced);
    return;
  }
  for (size_t p = 0; p < pieces; p++) boltz_train_reduce(work->train, p);
  for (size_t p = 0; p < pieces; p++) boltz_train_update(work->train, p);
  step_finished(work);
}

static void next_step(struct work *work) {
  if (job_stopping(work->job) != JOB_GO_ON)
    rest(work);
  else if (boltz_train_done(work->train))
    measure(work, FINAL, conclude);
  else
    round_start(&work->round, BOLTZ_TRAIN_SHARDS, shard_piece, sharded);
}

/* ---- the beginning: data ---- */

static enum boltz_status make_train(struct work *work, struct boltz_arena *scratch) {
  const struct boltz_energy *energy = &work->job->model->energy;
  const struct train_spec *spec = work->spec;
  struct boltz_train_options options = {
      .seed = spec->seed,
      .nstages = spec->nstages,
      .stages = spec->stages,
      .data = &work->data,
      .energy_high = boltz_plan_energy_high(energy, &work->data, scratch)};
  if (!work->resume_moments && !spec->from_version)
    BOLTZ_TRY(boltz_flow_fit(&work->flow, &work->data, &work->weights, scratch));
  BOLTZ_TRY(
      boltz_train_new(&work->flow, energy, &work->weights, &options, work->arena, &work->train));
  if (work->resume_moments)
    boltz_train_restore(work->train, work->resume_step, work->resume_skipped, work->resume_moments);
  return BOLTZ_OK;
}

static bool explore_piece(struct round *round, int index, struct worker *worker) {
  (void)index;
  struct work *work = work_of(round);
  if (!work->explore || job_stopping(work->job) != JOB_GO_ON) return false;
  for (int k = 0; k < SWEEPS_A_SLICE; k++)
    if (!boltz_explore_step(work->explore, worker->scratch)) return false;
  return true;
}

static void explored(struct round *round, struct worker *worker) {
  struct work *work = work_of(round);
  if (job_stopping(work->job) != JOB_GO_ON) {
    rest(work);
    return;
  }
  if (work->explore) {
    work->data = *boltz_explore_samples(work->explore);
    job_event_log(work->job, "%zu configurations by replica exchange, %llu energy calls",
                  work->data.n, (unsigned long long)boltz_explore_energy_calls(work->explore));
  }
  enum boltz_status status = make_train(work, worker->scratch);
  if (status != BOLTZ_OK)
    job_failed(work->job, boltz_status_name(status), "%s", boltz_error());
  else
    next_step(work);
}

static enum boltz_status open_data(struct work *work) {
  const struct train_data *data = &work->spec->data;
  const struct boltz_energy *energy = &work->job->model->energy;
  if (!data->dataset) {
    struct boltz_explore_options options = {.seed = work->spec->seed,
                                            .walkers = (size_t)data->walkers,
                                            .rungs = (int)data->rungs,
                                            .hot = data->hot,
                                            .burn_in = (uint64_t)data->burn_in,
                                            .steps = (uint64_t)data->steps,
                                            .stride = (uint64_t)data->stride};
    return boltz_explore_new(energy, &options, work->arena, &work->explore);
  }
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
  free(work->checkpoint);
  free(work->metrics);
  boltz_arena_close(work->arena);
  free(work);
}

static enum boltz_status open_work(struct work *work, const void *resume, size_t size) {
  const struct boltz_energy *energy = &work->job->model->energy;
  work->arena = boltz_arena_open(0);
  if (!work->arena) return boltz_fail(BOLTZ_NO_MEMORY, "no memory for the training");
  BOLTZ_TRY(boltz_flow_new(&work->spec->flow, energy->dim, work->arena, &work->flow));
  BOLTZ_TRY(boltz_weights_new(&work->flow, work->arena, &work->weights));
  work->log_w = BOLTZ_NEW_ARRAY(work->arena, FINAL, double);
  if (!work->log_w) return BOLTZ_NO_MEMORY;
  if (resume)
    BOLTZ_TRY(load_state(work, resume, size));
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
  round_start(&work->round, 1, explore_piece, explored);
  return BOLTZ_OK;
}

const struct job_kind job_train = {
    .name = "train",
    .doc =
        "trains a flow on the model's energy by ml·J_ML + kl·J_KL, stage by stage, and publishes "
        "it as a version",
    .source = "Noé, Olsson, Köhler, Wu, Science 365, eaaw1147 (2019)",
    .fields = train_fields,
    .parse = train_parse,
    .start = train_start,
    .free_work = train_free_work,
    .total_steps = train_total_steps,
};
