/* job_store.c - a job's row: written before anything is shown, read again at the next start. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/job_state.h"
#include "server/json.h"
#include "server/log.h"
#include "server/row.h"

#define ATTEMPTS_MOST 3
/* Numbers of events that may have been seen before a crash and were not stored: not given again. */
#define LOST_EVENTS 10000

static const char *const stop_names[] = {"go_on", "pause", "cancel"};

/* ---- writing ---- */

static void print_life(struct boltz_text *row, const struct job_life *life) {
  row_put_text(row, "status", job_status_names[life->status]);
  row_put_text(row, "asked", stop_names[life->asked]);
  row_put_integer(row, "drained", life->drained);
  row_put_integer(row, "attempt", life->attempt);
  row_put_integer(row, "since_resume", life->since_resume);
  row_put_integer(row, "created_ms", life->created_ms);
  row_put_integer(row, "started_ms", life->started_ms);
  row_put_integer(row, "finished_ms", life->finished_ms);
  row_put_text(row, "result", life->result);
  row_put_text(row, "reason", life->reason);
  row_put_text(row, "detail", life->detail);
}

/* Parts that are JSON themselves are kept as texts, so that they come back to the byte. */
static void print_row(struct job *job, const struct job_life *life, struct boltz_text *row) {
  struct job_state *state = job->state;
  struct job_metric metrics[JOB_METRICS];
  char seed[24];
  pthread_mutex_lock(&state->jobs->mutex);
  int nmetrics = state->nmetrics;
  int64_t step = state->step;
  memcpy(metrics, state->metrics, sizeof metrics);
  pthread_mutex_unlock(&state->jobs->mutex);
  struct boltz_text text = {0};
  boltz_text_puts(&text, "{");
  job_print_metrics(&text, metrics, nmetrics);
  boltz_text_puts(&text, "}");
  snprintf(seed, sizeof seed, "%" PRIu64, job->seed);
  boltz_text_puts(row, "{");
  row_put_text(row, "kind", state->kind_name);
  row_put_text(row, "model", job->model_name);
  row_put_text(row, "dataset", job->dataset);
  row_put_text(row, "seed", seed);
  row_put_text(row, "spec", job->spec_json);
  row_put_integer(row, "step", step);
  row_put_integer(row, "total_steps", state->total_steps);
  row_put_text(row, "metrics", text.failed ? "{}" : text.data);
  print_life(row, life);
  boltz_text_puts(row, "}");
  boltz_text_free(&text);
}

static const char *new_status(const struct job *job, const struct job_life *next) {
  /* The first event of a job, when nothing is stored yet, says that it is queued. */
  bool changed = next->status != job->state->life.status || job->state->stored == 0;
  return changed ? job_status_names[next->status] : NULL;
}

enum boltz_status job_write(struct job *job, const struct job_life *next) {
  struct boltz_text row = {0};
  print_row(job, next, &row);
  enum boltz_status status =
      row.failed ? boltz_fail(BOLTZ_NO_MEMORY, "no memory for the row of job %s", job->id)
                 : store_put(job->server->store, STORE_JOBS, job->id, row.data);
  boltz_text_free(&row);
  BOLTZ_TRY(status);
  return job_events_write(job, new_status(job, next));
}

void job_written(struct job *job, const struct job_life *next) {
  struct job_state *state = job->state;
  const char *status = new_status(job, next);
  pthread_mutex_lock(&state->jobs->mutex);
  job_events_written(job, status);
  if (status) state->nmoments = 0;
  state->life = *next;
  pthread_mutex_unlock(&state->jobs->mutex);
  if (status) jobs_wake(state->jobs, job->id);
}

void job_unwritten(struct job *job) {
  job_events_unwritten(job);
}

static enum boltz_status write_alone(struct job *job, const struct job_life *next) {
  struct store *store = job->server->store;
  BOLTZ_TRY(store_begin(store));
  enum boltz_status status = job_write(job, next);
  if (status == BOLTZ_OK) return store_commit(store);
  store_rollback(store);
  return status;
}

enum boltz_status job_store(struct job *job, const struct job_life *next) {
  enum boltz_status status = write_alone(job, next);
  job->state->unstored = status != BOLTZ_OK;
  if (status == BOLTZ_OK) {
    job_written(job, next);
    return status;
  }
  job_unwritten(job);
  log_event(job->server->log, LOG_WARN, "job not stored", "s:job", job->id, "s:error",
            boltz_error(), NULL);
  jobs_retry_later(job->state->jobs);
  return status;
}

/* ---- reading ---- */

static int index_of(const char *const *names, int n, const char *name) {
  for (int k = 0; k < n; k++)
    if (strcmp(names[k], name) == 0) return k;
  return 0;
}

static char *copy(const char *text) {
  return text ? strdup(text) : NULL;
}

static void read_life(const struct boltz_json *row, struct job_life *life) {
  life->status = (enum job_status)index_of(job_status_names, 6, row_text(row, "status", "queued"));
  life->asked = (enum job_stop)index_of(stop_names, 3, row_text(row, "asked", "go_on"));
  life->drained = row_integer(row, "drained", 0);
  life->attempt = row_integer(row, "attempt", 1);
  life->since_resume = row_integer(row, "since_resume", 0);
  life->created_ms = row_integer(row, "created_ms", 0);
  life->started_ms = row_integer(row, "started_ms", 0);
  life->finished_ms = row_integer(row, "finished_ms", 0);
  life->result = copy(row_text(row, "result", NULL));
  life->reason = copy(row_text(row, "reason", NULL));
  life->detail = copy(row_text(row, "detail", NULL));
}

static double metric_value(const struct boltz_json *member) {
  if (member->type == BOLTZ_JSON_NUMBER) return member->number;
  if (member->type != BOLTZ_JSON_STRING) return NAN;
  return strcmp(member->text, "Infinity") == 0    ? INFINITY
         : strcmp(member->text, "-Infinity") == 0 ? -INFINITY
                                                  : NAN;
}

static enum boltz_status read_metrics(struct job *job, const char *text) {
  struct boltz_json *metrics;
  struct job_state *state = job->state;
  BOLTZ_TRY(row_parse("the metrics of job", job->id, text, job->arena, &metrics));
  for (const struct boltz_json *member = metrics->child; member; member = member->next)
    if (state->nmetrics < JOB_METRICS)
      state->metrics[state->nmetrics++] = (struct job_metric){member->key, metric_value(member)};
  return BOLTZ_OK;
}

static enum boltz_status read_row(struct job *job, const char *body) {
  struct boltz_json *row;
  struct job_state *state = job->state;
  BOLTZ_TRY(row_parse("job", job->id, body, job->arena, &row));
  state->kind_name = row_text(row, "kind", "");
  job->kind = job_kind_find(state->kind_name);
  snprintf(job->model_name, sizeof job->model_name, "%s", row_text(row, "model", ""));
  job->dataset = row_text(row, "dataset", NULL);
  job->seed = strtoull(row_text(row, "seed", "0"), NULL, 10);
  job->spec_json = row_text(row, "spec", "{}");
  state->step = row_integer(row, "step", 0);
  state->total_steps = row_integer(row, "total_steps", 0);
  read_life(row, &state->life);
  return read_metrics(job, row_text(row, "metrics", "{}"));
}

/* What a job needs to run: its kind, its model, its spec. */
static enum boltz_status make_ready(struct job *job, const char **reason) {
  struct boltz_json *spec;
  if (!job->kind) {
    *reason = "UNKNOWN_KIND";
    return boltz_fail(BOLTZ_UNKNOWN_KIND, "this boltzd has no job kind \"%.64s\"",
                      job->state->kind_name);
  }
  job->model = registry_model(job->server->registry, job->model_name);
  if (!job->model) {
    *reason = "MODEL_NOT_FOUND";
    return boltz_fail(BOLTZ_OUT_OF_RANGE, "there is no model %s", job->model_name);
  }
  if (job->model->withheld) {
    *reason = MODEL_WITHHELD;
    return boltz_fail(BOLTZ_OUT_OF_RANGE, "%s", job->model->withheld);
  }
  BOLTZ_TRY(row_parse("the spec of job", job->id, job->spec_json, job->arena, &spec));
  return job->kind->parse(job, spec, true, reason);
}

/* A job that ran when the daemon died, or stopped. */
static void settle_running(struct job *job) {
  struct job_life next = job->state->life;
  if (next.asked == JOB_STOP_CANCEL) {
    job_end(job, JOB_CANCELLED, NULL, NULL);
    return;
  }
  if (!next.drained) {
    job->state->last_seq += LOST_EVENTS;
    next.since_resume++;
    next.attempt++;
  }
  if (next.since_resume >= ATTEMPTS_MOST) {
    char detail[160];
    snprintf(detail, sizeof detail,
             "the daemon died %d times while the job ran, without a new resume file in between",
             ATTEMPTS_MOST);
    job_end(job, JOB_FAILED, "CRASH_LOOP", detail);
    return;
  }
  next.status = next.asked == JOB_STOP_PAUSE ? JOB_PAUSED : JOB_QUEUED;
  next.asked = JOB_GO_ON;
  next.drained = false;
  /* It cannot run before its row is written: the crash is counted then at the latest. */
  if (job_store(job, &next) != BOLTZ_OK) job_written(job, &next);
}

static void settle(struct job *job) {
  const char *reason = NULL;
  if (job_is_finished(job->state->life.status)) return;
  enum boltz_status status = make_ready(job, &reason);
  if (status != BOLTZ_OK) {
    char detail[512];
    snprintf(detail, sizeof detail, "%s", boltz_error());
    job_end(job, JOB_FAILED, reason ? reason : boltz_status_name(status), detail);
  } else if (job->state->life.status == JOB_RUNNING) {
    settle_running(job);
  }
}

struct loading {
  struct jobs *jobs;
  enum boltz_status status;
};

static enum boltz_status load_job(struct jobs *jobs, const char *id, const char *body) {
  struct job *job = job_new(jobs, id);
  if (!job || !jobs_reserve(jobs)) {
    job_free(job);
    return boltz_fail(BOLTZ_NO_MEMORY, "no memory for job %s", id);
  }
  enum boltz_status status = read_row(job, body);
  if (status == BOLTZ_OK)
    jobs_insert(jobs, job);
  else
    job_free(job);
  return status;
}

static void load_row(void *argument, const char *key, const char *body) {
  struct loading *loading = argument;
  if (loading->status == BOLTZ_OK) loading->status = load_job(loading->jobs, key, body);
}

static void load_event(void *argument, const char *key, const char *body) {
  struct loading *loading = argument;
  char id[JOB_ID_SIZE];
  const char *slash = strchr(key, '/');
  snprintf(id, sizeof id, "%.*s", slash ? (int)(slash - key) : 0, key);
  struct job *job = jobs_find(loading->jobs, id);
  if (job && loading->status == BOLTZ_OK) loading->status = job_event_load(job, key, body);
}

static int compare_texts(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Files that nothing names: blobs of transactions that were cut short, resume files of finished
   jobs. */
static void sweep_files(struct jobs *jobs) {
  const char **digests, **ids = malloc((jobs->n ? jobs->n : 1) * sizeof *ids);
  size_t ndigests = registry_digests(jobs->server->registry, &digests), nids = 0;
  if (digests && ids) {
    for (size_t k = 0; k < jobs->n; k++)
      if (!job_is_finished(jobs->list[k]->state->life.status)) ids[nids++] = jobs->list[k]->id;
    qsort(digests, ndigests, sizeof *digests, compare_texts);
    store_sweep(jobs->server->store, digests, ndigests, ids, nids);
  }
  free(digests);
  free(ids);
}

enum boltz_status jobs_load(struct jobs *jobs) {
  struct store *store = jobs->server->store;
  struct loading loading = {jobs, BOLTZ_OK};
  BOLTZ_TRY(store_each(store, STORE_JOBS, "", load_row, &loading));
  BOLTZ_TRY(loading.status);
  BOLTZ_TRY(store_each(store, STORE_EVENTS, "", load_event, &loading));
  BOLTZ_TRY(loading.status);
  for (size_t k = 0; k < jobs->n; k++) settle(jobs->list[k]);
  sweep_files(jobs);
  return BOLTZ_OK;
}
