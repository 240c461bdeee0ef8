/* job.c - a job's life: queued, running, paused, then one of three ends; on the store thread. */
#include "server/job.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/config.h"
#include "server/job_state.h"
#include "server/json.h"
#include "server/log.h"

#define HOUR_MS (60LL * 60 * 1000)

const char *const job_status_names[] = {"queued", "running",   "paused", "succeeded",
                                        "failed", "cancelled", NULL};

#define JOB(name) extern const struct job_kind job_##name;
#include "server/jobs/list.h"
#undef JOB

static const struct job_kind *const kinds[] = {
#define JOB(name) &job_##name,
#include "server/jobs/list.h"
#undef JOB
};

const struct job_kind *job_kind_at(int index) {
  return index >= 0 && index < (int)(sizeof kinds / sizeof *kinds) ? kinds[index] : NULL;
}

const struct job_kind *job_kind_find(const char *name) {
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
    if (strcmp(kinds[k]->name, name) == 0) return kinds[k];
  return NULL;
}

/* Only the store thread, which asks, adds and removes jobs. */
static struct job *find(struct jobs *jobs, const char *id) {
  pthread_mutex_lock(&jobs->mutex);
  struct job *job = jobs_find(jobs, id);
  pthread_mutex_unlock(&jobs->mutex);
  return job;
}

/* ---- ends ---- */

/* What only an unfinished job needs. */
static void release(struct job *job) {
  store_remove_resume(job->server->store, job->id);
  model_release(job->model);
  job->model = NULL;
}

void job_end(struct job *job, enum job_status status, const char *reason, const char *detail) {
  struct job_life next = job->state->life;
  next.status = status;
  next.asked = JOB_GO_ON;
  next.finished_ms = json_now_ms();
  next.reason = reason ? strdup(reason) : NULL;
  next.detail = detail ? strdup(detail) : NULL;
  if (job_store(job, &next) != BOLTZ_OK) job_written(job, &next);
  release(job);
  log_event(job->server->log, status == JOB_FAILED ? LOG_WARN : LOG_INFO, "job ended", "s:job",
            job->id, "s:status", job_status_names[status], "s:reason", reason, "s:detail", detail,
            NULL);
}

/* The sentence at hand is the library's: keep it while others speak. */
static void end_failed(struct job *job, const char *reason) {
  char detail[512];
  snprintf(detail, sizeof detail, "%s", boltz_error());
  job_end(job, JOB_FAILED, reason, detail);
}

/* Result, version or dataset, and the job's end are one transaction. */
static bool write_success(struct job *job, struct cJSON *result, struct job_life *next) {
  next->result = json_take_text(result);
  if (!next->result) {
    boltz_fail(BOLTZ_NO_MEMORY, "no memory for the job's result");
    return false;
  }
  return job_write(job, next) == BOLTZ_OK && store_commit(job->server->store) == BOLTZ_OK;
}

static void end_succeeded(struct job *job) {
  struct store *store = job->server->store;
  struct job_life next = job->state->life;
  next.status = JOB_SUCCEEDED;
  next.asked = JOB_GO_ON;
  next.finished_ms = json_now_ms();
  if (store_begin(store) != BOLTZ_OK) {
    end_failed(job, "STORE");
    return;
  }
  struct cJSON *result = job->state->ending.commit(job);
  if (result && write_success(job, result, &next)) {
    registry_publish(job->server->registry);
    job_written(job, &next);
    release(job);
    log_event(job->server->log, LOG_INFO, "job ended", "s:job", job->id, "s:status", "succeeded",
              NULL);
    return;
  }
  free(next.result);
  if (store_in_transaction(store)) store_rollback(store);
  job_unwritten(job);
  end_failed(job, store_healthy(store) ? "NOT_PUBLISHED" : "STORE");
  registry_discard(job->server->registry);
}

/* ---- running ---- */

static void set_running(struct jobs *jobs, int more) {
  pthread_mutex_lock(&jobs->mutex);
  jobs->running += more;
  pthread_cond_broadcast(&jobs->rested);
  pthread_mutex_unlock(&jobs->mutex);
}

static enum boltz_status start_work(struct job *job) {
  void *resume;
  size_t size;
  BOLTZ_TRY(store_read_resume(job->server->store, job->id, &resume, &size));
  enum boltz_status status = job->kind->start(job, resume, size);
  free(resume);
  return status;
}

/* false: the store does not take it, so it stays queued until that is tried again. */
static bool start(struct job *job) {
  struct jobs *jobs = job->state->jobs;
  struct job_life next = job->state->life;
  next.status = JOB_RUNNING;
  next.asked = JOB_GO_ON;
  next.drained = false;
  if (!next.started_ms) next.started_ms = json_now_ms();
  if (job_store(job, &next) != BOLTZ_OK) return false;
  atomic_store(&job->stop, JOB_GO_ON);
  set_running(jobs, 1);
  log_event(job->server->log, LOG_INFO, "job started", "s:job", job->id, "s:kind", job->kind->name,
            "s:model", job->model_name, "i:attempt", (long long)next.attempt, NULL);
  enum boltz_status status = start_work(job);
  if (status == BOLTZ_OK) return true;
  end_failed(job, boltz_status_name(status));
  set_running(jobs, -1);
  return true;
}

/* The next job in order of creation, when one may run. */
static struct job *next_queued(struct jobs *jobs) {
  struct job *next = NULL;
  pthread_mutex_lock(&jobs->mutex);
  if (jobs->started && !jobs->draining && jobs->running < jobs->server->config->jobs)
    for (size_t k = 0; k < jobs->n && !next; k++)
      if (jobs->list[k]->state->life.status == JOB_QUEUED) next = jobs->list[k];
  pthread_mutex_unlock(&jobs->mutex);
  return next;
}

void jobs_run_next(struct jobs *jobs) {
  for (struct job *job; (job = next_queued(jobs));)
    if (!start(job)) return;
}

/* ---- coming to rest ---- */

static void rest(struct job *job) {
  struct job_ending *ending = &job->state->ending;
  struct job_life next = job->state->life;
  if (next.asked == JOB_STOP_CANCEL) {
    job_end(job, JOB_CANCELLED, NULL, NULL);
    return;
  }
  if (ending->bytes &&
      store_write_resume(job->server->store, job->id, ending->bytes, ending->size) == BOLTZ_OK)
    next.since_resume = 0;
  if (next.asked == JOB_STOP_PAUSE)
    next.status = JOB_PAUSED;
  else if (job->state->jobs->draining)
    next.drained = true;
  else
    next.status = JOB_QUEUED; /* it was to pause, and then to go on */
  next.asked = JOB_GO_ON;
  if (job_store(job, &next) != BOLTZ_OK) job_written(job, &next);
}

static void come_to_rest(void *argument) {
  struct job *job = argument;
  struct jobs *jobs = job->state->jobs;
  struct job_ending *ending = &job->state->ending;
  bool cancelled = job->state->life.asked == JOB_STOP_CANCEL;
  if (ending->how == JOB_ENDS_SUCCEEDED && !cancelled)
    end_succeeded(job);
  else if (ending->how == JOB_ENDS_FAILED && !cancelled)
    job_end(job, JOB_FAILED, ending->reason, ending->detail);
  else
    rest(job);
  job->kind->free_work(job);
  free(ending->bytes);
  free(ending->reason);
  free(ending->detail);
  *ending = (struct job_ending){0};
  set_running(jobs, -1);
  jobs_sweep(jobs);
  jobs_run_next(jobs);
}

/* The store thread reads `ending` after this: the queue's mutex lies between. */
static void post_ending(struct job *job, struct job_ending ending) {
  job->state->ending = ending;
  if (store_post(job->server->store, come_to_rest, job)) return;
  log_event(job->server->log, LOG_ERROR, "job end lost", "s:job", job->id, NULL);
}

void job_rested(struct job *job, char *bytes, size_t size) {
  post_ending(job, (struct job_ending){.how = JOB_ENDS_RESTED, .bytes = bytes, .size = size});
}

void job_failed(struct job *job, const char *reason, const char *format, ...) {
  struct job_ending ending = {.how = JOB_ENDS_FAILED, .reason = strdup(reason)};
  va_list arguments;
  va_start(arguments, format);
  if (vasprintf(&ending.detail, format, arguments) < 0) ending.detail = NULL;
  va_end(arguments);
  post_ending(job, ending);
}

void job_succeeded(struct job *job, struct cJSON *(*commit)(struct job *job)) {
  post_ending(job, (struct job_ending){.how = JOB_ENDS_SUCCEEDED, .commit = commit});
}

enum job_stop job_stopping(const struct job *job) {
  return (enum job_stop)atomic_load(&job->stop);
}

/* ---- resume files ---- */

static void write_resume(void *argument) {
  struct job *job = argument;
  struct job_state *state = job->state;
  pthread_mutex_lock(&state->jobs->mutex);
  char *bytes = state->resume;
  size_t size = state->resume_size;
  state->resume = NULL;
  state->resume_posted = false;
  pthread_mutex_unlock(&state->jobs->mutex);
  enum boltz_status status = store_write_resume(job->server->store, job->id, bytes, size);
  free(bytes);
  if (status == BOLTZ_OK && state->life.since_resume > 0) {
    struct job_life next = state->life;
    next.since_resume = 0;
    job_store(job, &next); /* if this is lost, a crash counts once too often */
  }
}

void job_save(struct job *job, char *bytes, size_t size) {
  struct job_state *state = job->state;
  pthread_mutex_lock(&state->jobs->mutex);
  char *replaced = state->resume;
  bool post = !state->resume_posted;
  state->resume = bytes;
  state->resume_size = size;
  state->resume_posted = true;
  pthread_mutex_unlock(&state->jobs->mutex);
  free(replaced);
  if (post) store_post(job->server->store, write_resume, job);
}

/* ---- changes that a client asks for ---- */

/* Once raised, `stop` stays raised until the work has come to rest: its pieces look at different
   times, and must not see it come and go. What was asked last is in `life`. */
static void tell(struct job *job, enum job_stop stop) {
  atomic_store(&job->stop, stop);
}

static enum job_changed change_running(struct job *job, enum job_stop asked) {
  struct job_life next = job->state->life;
  if (next.asked == asked || next.asked == JOB_STOP_CANCEL) return JOB_UNCHANGED;
  next.asked = asked;
  if (job_store(job, &next) != BOLTZ_OK) return JOB_NOT_CHANGED;
  if (asked != JOB_GO_ON) tell(job, asked);
  return JOB_CHANGED;
}

static enum job_changed change_idle(struct job *job, enum job_status status) {
  struct job_life next = job->state->life;
  if (next.status == status) return JOB_UNCHANGED;
  next.status = status;
  if (status == JOB_CANCELLED) next.finished_ms = json_now_ms();
  if (job_store(job, &next) != BOLTZ_OK) return JOB_NOT_CHANGED;
  if (status == JOB_CANCELLED) release(job);
  return JOB_CHANGED;
}

enum job_changed jobs_change(struct jobs *jobs, const char *id, enum job_change change) {
  static const enum job_stop stops[] = {[JOB_CHANGE_CANCEL] = JOB_STOP_CANCEL,
                                        [JOB_CHANGE_PAUSE] = JOB_STOP_PAUSE,
                                        [JOB_CHANGE_RESUME] = JOB_GO_ON};
  static const enum job_status ends[] = {[JOB_CHANGE_CANCEL] = JOB_CANCELLED,
                                         [JOB_CHANGE_PAUSE] = JOB_PAUSED,
                                         [JOB_CHANGE_RESUME] = JOB_QUEUED};
  struct job *job = find(jobs, id);
  if (!job) return JOB_IS_UNKNOWN;
  if (job_is_finished(job->state->life.status)) return JOB_IS_FINISHED;
  enum job_changed changed = job->state->life.status == JOB_RUNNING
                                 ? change_running(job, stops[change])
                                 : change_idle(job, ends[change]);
  jobs_sweep(jobs);
  jobs_run_next(jobs);
  return changed;
}

/* ---- removing ---- */

static enum boltz_status delete_rows(struct store *store, const char *id) {
  char prefix[JOB_ID_SIZE + 1];
  snprintf(prefix, sizeof prefix, "%s/", id);
  BOLTZ_TRY(store_begin(store));
  enum boltz_status status = store_delete(store, STORE_JOBS, id);
  if (status == BOLTZ_OK) status = store_delete_prefix(store, STORE_EVENTS, prefix);
  if (status == BOLTZ_OK) return store_commit(store);
  store_rollback(store);
  return status;
}

enum registry_outcome jobs_delete(struct jobs *jobs, const char *id) {
  struct job *job = find(jobs, id);
  if (!job) return REGISTRY_NOT_FOUND;
  if (!job_is_finished(job->state->life.status)) {
    boltz_fail(BOLTZ_OUT_OF_RANGE, "job %s is %s: cancel it first", id,
               job_status_names[job->state->life.status]);
    return REGISTRY_IN_USE;
  }
  if (delete_rows(jobs->server->store, id) != BOLTZ_OK) return REGISTRY_FAILED;
  jobs_remove(jobs, job);
  jobs_wake(jobs, job->id);
  job_free(job);
  return REGISTRY_CREATED;
}

static bool find_old(struct jobs *jobs, long long before_ms, char id[JOB_ID_SIZE]) {
  bool found = false;
  pthread_mutex_lock(&jobs->mutex);
  for (size_t k = 0; k < jobs->n && !found; k++) {
    const struct job_life *life = &jobs->list[k]->state->life;
    found = job_is_finished(life->status) && life->finished_ms < before_ms;
    if (found) memcpy(id, jobs->list[k]->id, JOB_ID_SIZE);
  }
  pthread_mutex_unlock(&jobs->mutex);
  return found;
}

void jobs_sweep(struct jobs *jobs) {
  char id[JOB_ID_SIZE];
  long long now = json_now_ms();
  if (now - jobs->swept_ms < HOUR_MS) return;
  jobs->swept_ms = now;
  while (find_old(jobs, now - jobs->server->config->keep_jobs * 24 * HOUR_MS, id))
    if (jobs_delete(jobs, id) != REGISTRY_CREATED) return;
  jobs_sweep_keys(jobs);
}

/* ---- opening and closing ---- */

enum boltz_status jobs_open(struct server *server, struct jobs **out) {
  *out = NULL;
  struct jobs *jobs = calloc(1, sizeof *jobs);
  if (!jobs) return boltz_fail(BOLTZ_NO_MEMORY, "no memory for the jobs");
  jobs->server = server;
  pthread_mutex_init(&jobs->mutex, NULL);
  pthread_cond_init(&jobs->rested, NULL);
  pthread_cond_init(&jobs->woken, NULL);
  jobs_retry_init(jobs);
  enum boltz_status status = jobs_load(jobs);
  if (status == BOLTZ_OK) status = jobs_retry_open(jobs);
  if (status == BOLTZ_OK)
    *out = jobs;
  else
    jobs_close(jobs);
  return status;
}

static void begin(void *argument) {
  struct jobs *jobs = argument;
  pthread_mutex_lock(&jobs->mutex);
  jobs->started = true;
  pthread_cond_signal(&jobs->retry_asked);
  pthread_mutex_unlock(&jobs->mutex);
  jobs_sweep(jobs);
  jobs_run_next(jobs);
}

void jobs_start(struct jobs *jobs) {
  store_post(jobs->server->store, begin, jobs);
}

static void drain(void *argument) {
  struct jobs *jobs = argument;
  pthread_mutex_lock(&jobs->mutex);
  jobs->draining = true;
  for (size_t k = 0; k < jobs->n; k++)
    if (jobs->list[k]->state->life.status == JOB_RUNNING) tell(jobs->list[k], JOB_STOP_DRAIN);
  pthread_mutex_unlock(&jobs->mutex);
}

void jobs_drain(struct jobs *jobs) {
  if (!jobs || !store_post(jobs->server->store, drain, jobs)) return;
  store_flush(jobs->server->store);
  pthread_mutex_lock(&jobs->mutex);
  while (jobs->running > 0) pthread_cond_wait(&jobs->rested, &jobs->mutex);
  pthread_mutex_unlock(&jobs->mutex);
}

void jobs_close(struct jobs *jobs) {
  if (!jobs) return;
  jobs_retry_close(jobs);
  jobs_drain(jobs);
  jobs_retry_last(jobs);
  for (size_t k = 0; k < jobs->n; k++) job_free(jobs->list[k]);
  for (struct job_watcher *next, *watcher = jobs->watchers; watcher; watcher = next) {
    next = watcher->next;
    free(watcher);
  }
  free(jobs->list);
  pthread_cond_destroy(&jobs->rested);
  pthread_cond_destroy(&jobs->woken);
  pthread_cond_destroy(&jobs->retry_asked);
  pthread_mutex_destroy(&jobs->mutex);
  free(jobs);
}
