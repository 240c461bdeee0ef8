/* train_end.c - how good is the flow: measuring it on the way, and the end of a training. */
#include <math.h>
#include <string.h>

#include "server/jobs/train_work.h"
#include "server/json.h"

/* ---- measuring on the way ---- */

static bool is_stopping(void *owner) {
  const struct work *work = owner;
  return job_stopping(work->job) != JOB_GO_ON;
}

/* What every measurement of this training has in common. */
static struct measure measure_of(struct work *work) {
  return (struct measure){.round = {.pool = work->round.pool, .class_ = work->round.class_},
                          .owner = work,
                          .flow = &work->flow,
                          .energy = &work->job->model->energy,
                          .seed = work->spec->seed,
                          .log_w = work->log_w,
                          .stopped = is_stopping};
}

static void measured(struct round *round, struct worker *worker) {
  struct work *work = ((struct measure *)round)->owner;
  work->after_measure(&work->round, worker);
}

void train_measure(struct work *work, size_t n, round_after after) {
  work->after_measure = after;
  work->measure = measure_of(work);
  work->measure.weights = &work->weights;
  work->measure.n = n;
  measure_start(&work->measure, measured);
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

/* What the data say; NULL: there are none. */
static const double *asked_data(const struct work *work) {
  return work->data.n > 0 ? &work->ess_fraction_data : NULL;
}

/* What it serves in; and last, in one sentence, what it is good for. */
static void say_how_good(struct work *work) {
  struct boltz_text precision = {0}, quality = {0};
  precision_explain(&work->choice, &precision);
  precision_explain_quality(&work->choice, asked_data(work), &quality);
  if (!precision.failed) job_event_log(work->job, "%s", precision.data);
  if (!quality.failed) job_event_log(work->job, "%s", quality.data);
  boltz_text_free(&precision);
  boltz_text_free(&quality);
}

static void publish_checkpoint(struct round *round, struct worker *worker);

/* Do the data agree? Asked of what will serve. */
static void precision_chosen(struct precision_choice *choice, struct worker *worker) {
  (void)worker;
  struct work *work = choice->measure.owner;
  if (is_stopping(work)) {
    train_rest(work);
    return;
  }
  if (choice->status != BOLTZ_OK) {
    job_failed(work->job, boltz_status_name(choice->status), "%s", choice->why);
    return;
  }
  work->measure = measure_of(work);
  work->measure.weights = &choice->weights;
  work->measure.data = &work->data;
  work->measure.n = work->data.n < DATA_CHECK ? work->data.n : DATA_CHECK;
  measure_start(&work->measure, publish_checkpoint);
}

void train_conclude(struct work *work) {
  precision_release(&work->choice);
  work->choice = (struct precision_choice){.measure = measure_of(work),
                                           .asked = work->spec->precision,
                                           .weights = work->weights,
                                           .chosen = precision_chosen};
  precision_start(&work->choice);
}

static bool print_metrics(struct work *work) {
  struct boltz_text text = {0};
  precision_print_metrics(&work->choice, asked_data(work), &text);
  work->metrics = text.data;
  return !text.failed;
}

static void publish_checkpoint(struct round *round, struct worker *worker) {
  struct measure *measure = (struct measure *)round;
  struct work *work = measure->owner;
  struct job *job = work->job;
  if (is_stopping(work)) {
    train_rest(work);
    return;
  }
  if (work->data.n > 0) work->ess_fraction_data = ess_fraction_of_data(measure->log_w, measure->n);
  bool printed = print_metrics(work);
  struct boltz_text file = {0};
  struct boltz_checkpoint checkpoint = {.model = job->model_name,
                                        .energy = job->model->energy,
                                        .flow = work->flow,
                                        .weights = work->choice.weights,
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
