/* job_retry.c - what the store has refused is tried again a second later, unasked. */
#include <errno.h>
#include <time.h>

#include "server/job_state.h"

#define RETRY_S 1

/* ---- on the store thread ---- */

/* The first refusal is enough: it asks for the next time. */
static void retry(void *argument) {
  struct jobs *jobs = argument;
  enum boltz_status status = BOLTZ_OK;
  for (size_t k = 0; k < jobs->n && status == BOLTZ_OK; k++) {
    struct job *job = jobs->list[k]; /* nobody else adds or removes jobs */
    struct job_life same = job->state->life;
    if (job->state->unstored) status = job_store(job, &same);
  }
  jobs_run_next(jobs);
}

/* ---- the thread; the mutex is held ---- */

static void wait_a_while(struct jobs *jobs) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += RETRY_S;
  while (!jobs->closing &&
         pthread_cond_timedwait(&jobs->retry_asked, &jobs->mutex, &until) != ETIMEDOUT)
    continue;
}

static void *retry_when_asked(void *argument) {
  struct jobs *jobs = argument;
  pthread_mutex_lock(&jobs->mutex);
  while (!jobs->closing) {
    if (!jobs->started || !jobs->retry_is_due) {
      pthread_cond_wait(&jobs->retry_asked, &jobs->mutex);
      continue;
    }
    wait_a_while(jobs);
    jobs->retry_is_due = false;
    pthread_mutex_unlock(&jobs->mutex);
    bool posted = store_post(jobs->server->store, retry, jobs);
    pthread_mutex_lock(&jobs->mutex);
    if (!posted) jobs->retry_is_due = true;
  }
  pthread_mutex_unlock(&jobs->mutex);
  return NULL;
}

/* ---- for the others ---- */

void jobs_retry_later(struct jobs *jobs) {
  pthread_mutex_lock(&jobs->mutex);
  jobs->retry_is_due = true;
  pthread_cond_signal(&jobs->retry_asked);
  pthread_mutex_unlock(&jobs->mutex);
}

void jobs_retry_init(struct jobs *jobs) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&jobs->retry_asked, &attributes);
  pthread_condattr_destroy(&attributes);
}

enum boltz_status jobs_retry_open(struct jobs *jobs) {
  jobs->retries = pthread_create(&jobs->retry_thread, NULL, retry_when_asked, jobs) == 0;
  return jobs->retries ? BOLTZ_OK : boltz_fail(BOLTZ_IO, "the system gives no thread for retries");
}

void jobs_retry_close(struct jobs *jobs) {
  pthread_mutex_lock(&jobs->mutex);
  jobs->closing = true;
  pthread_cond_signal(&jobs->retry_asked);
  pthread_mutex_unlock(&jobs->mutex);
  if (jobs->retries) pthread_join(jobs->retry_thread, NULL);
  jobs->retries = false;
}

void jobs_retry_last(struct jobs *jobs) {
  store_post(jobs->server->store, retry, jobs);
  store_flush(jobs->server->store);
}
