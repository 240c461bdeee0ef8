/* train_end.c - how good is the flow: measuring it on the way, and the end of a training. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/jobs/train_work.h"
#include "server/json.h"

/* ---- measuring: log weights of fixed-seed samples ---- */

/* Log weights of rows first … first+n-1: fixed-seed samples, or target configurations of the data.
 */
static bool weigh_tile(struct work *work, size_t first, size_t n, struct boltz_arena *scratch) {
  const struct boltz_energy *energy = &work->job->model->energy;
  struct boltz_batch x;
  double *log_q = BOLTZ_NEW_ARRAY(scratch, n, double);
  double *u = BOLTZ_NEW_ARRAY(scratch, n, double);
  if (!log_q || !u || boltz_batch_new(scratch, n, work->flow.dim, &x) != BOLTZ_OK) return false;
  if (work->measured_data) {
    size_t stride = work->data.n / work->measured;
    for (size_t i = 0; i < n; i++) boltz_batch_copy(&x, i, &work->data, (first + i) * stride, 1);
    boltz_energy_eval(energy, energy->temperature, &x, u, NULL, scratch);
    boltz_flow_log_density(&work->flow, &work->weights, &x, log_q, scratch);
  } else {
    boltz_flow_sample(&work->flow, &work->weights, work->spec->seed, BOLTZ_STREAM_VALIDATE, first,
                      &x, NULL, log_q, scratch);
    boltz_energy_eval(energy, energy->temperature, &x, u, NULL, scratch);
  }
  for (size_t i = 0; i < n; i++) work->log_w[first + i] = -u[i] - log_q[i];
  return true;
}

/* Piece k measures the k-th eighth of the rows, a tile a slice. */
static bool measure_piece(struct round *round, int index, struct worker *worker) {
  struct work *work = work_of(round);
  if (job_stopping(work->job) != JOB_GO_ON) return false;
  size_t tile = boltz_flow_tile(&work->flow, 1, SLICE_FLOPS);
  size_t first = work->cursor[index];
  size_t last = work->measured * ((size_t)index + 1) / BOLTZ_TRAIN_SHARDS;
  size_t n = last - first < tile ? last - first : tile;
  work->cursor[index] += n;
  if (!weigh_tile(work, first, n, worker->scratch))
    for (size_t i = 0; i < n; i++) work->log_w[first + i] = NAN; /* counted as not finite */
  return first + n < last;
}

static void measure(struct work *work, size_t n, bool data, round_after after) {
  work->measured = n;
  work->measured_data = data;
  for (size_t k = 0; k < BOLTZ_TRAIN_SHARDS; k++) work->cursor[k] = n * k / BOLTZ_TRAIN_SHARDS;
  round_start(&work->round, BOLTZ_TRAIN_SHARDS, measure_piece, after);
}

void train_measure(struct work *work, size_t n, round_after after) {
  measure(work, n, false, after);
}

/* ---- the end ---- */

/* Would samples of the target be found by the flow? 1/(mean(1/w)·mean(w)) over target samples is
   the ESS fraction as they see it; a mode that the flow has lost drags it down, which the flow's
   own samples cannot show. log_w [n] is negated. */
static double ess_fraction_of_data(double *log_w, size_t n) {
  struct boltz_weight_summary forward, backward;
  boltz_stats_weights(log_w, n, &forward);
  for (size_t i = 0; i < n; i++) log_w[i] = -log_w[i];
  boltz_stats_weights(log_w, n, &backward);
  return exp(-forward.log_mean - backward.log_mean);
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

static void say_how_good(struct work *work) {
  struct job *job = work->job;
  double ess_fraction = work->final.ess_fraction;
  job_event_log(job,
                "of %d fresh samples %.1f %% count as independent draws of the target; Pareto k "
                "%.2f: %s",
                FINAL, 100 * ess_fraction, work->pareto_k,
                boltz_stats_verdict(work->pareto_k, work->final.ess));
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

static void publish_checkpoint(struct round *round, struct worker *worker);

void train_conclude(struct round *round, struct worker *worker) {
  (void)worker;
  struct work *work = work_of(round);
  if (job_stopping(work->job) != JOB_GO_ON) {
    train_rest(work);
    return;
  }
  boltz_stats_weights(work->log_w, FINAL, &work->final);
  qsort(work->log_w, FINAL, sizeof(double), descending);
  work->pareto_k = boltz_stats_pareto_k(work->log_w, boltz_stats_tail_size(FINAL) + 1);
  measure(work, work->data.n < DATA_CHECK ? work->data.n : DATA_CHECK, true, publish_checkpoint);
}

static bool print_metrics(struct work *work) {
  struct boltz_text text = {0};
  const struct {
    const char *name;
    double value;
  } numbers[] = {{"ess_fraction", work->final.ess_fraction},
                 {"ess_fraction_data", work->ess_fraction_data},
                 {"log_z", work->final.log_mean},
                 {"pareto_k", work->pareto_k}};
  boltz_text_puts(&text, "{");
  for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
    boltz_text_printf(&text, "\"%s\":", numbers[k].name);
    boltz_text_number(&text, numbers[k].value);
    boltz_text_puts(&text, ",");
  }
  boltz_text_printf(&text, "\"verdict\":\"%s\",\"samples\":%d}",
                    boltz_stats_verdict(work->pareto_k, work->final.ess), FINAL);
  work->metrics = text.data;
  return !text.failed;
}

static void publish_checkpoint(struct round *round, struct worker *worker) {
  struct work *work = work_of(round);
  struct job *job = work->job;
  if (job_stopping(job) != JOB_GO_ON) {
    train_rest(work);
    return;
  }
  work->ess_fraction_data = ess_fraction_of_data(work->log_w, work->measured);
  bool printed = print_metrics(work);
  struct boltz_text file = {0};
  struct boltz_checkpoint checkpoint = {.model = job->model_name,
                                        .energy = job->model->energy,
                                        .flow = work->flow,
                                        .weights = work->weights,
                                        .step = train_total_steps(job),
                                        .seed = work->spec->seed,
                                        .producer = "boltzd " BOLTZ_VERSION,
                                        .metrics = work->metrics};
  enum boltz_status status = printed ? boltz_checkpoint_self_test(&checkpoint, worker->scratch)
                                     : boltz_fail(BOLTZ_NO_MEMORY, "no memory for the checkpoint");
  if (status == BOLTZ_OK) status = boltz_checkpoint_write(&checkpoint, worker->scratch, &file);
  work->checkpoint = file.data;
  work->checkpoint_size = file.size;
  if (status != BOLTZ_OK) {
    job_failed(job, boltz_status_name(status), "%s", boltz_error());
    return;
  }
  say_how_good(work);
  job_succeeded(job, publish);
}
