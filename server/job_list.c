/* job_list.c - jobs in memory, in order of creation. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/job_state.h"

/* Index of a job or of the place it would have. */
static size_t place(const struct jobs *jobs, const char *id) {
  size_t low = 0, high = jobs->n;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (strcmp(jobs->list[middle]->id, id) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

struct job *jobs_find(const struct jobs *jobs, const char *id) {
  size_t k = place(jobs, id);
  return k < jobs->n && strcmp(jobs->list[k]->id, id) == 0 ? jobs->list[k] : NULL;
}

bool jobs_reserve(struct jobs *jobs) {
  pthread_mutex_lock(&jobs->mutex);
  bool room = jobs->n < jobs->capacity;
  size_t capacity = jobs->capacity ? 2 * jobs->capacity : 64;
  struct job **list = room ? NULL : realloc(jobs->list, capacity * sizeof *list);
  if (list) {
    jobs->list = list;
    jobs->capacity = capacity;
  }
  pthread_mutex_unlock(&jobs->mutex);
  return room || list;
}

void jobs_insert(struct jobs *jobs, struct job *job) {
  pthread_mutex_lock(&jobs->mutex);
  size_t k = place(jobs, job->id);
  memmove(jobs->list + k + 1, jobs->list + k, (jobs->n - k) * sizeof *jobs->list);
  jobs->list[k] = job;
  jobs->n++;
  pthread_mutex_unlock(&jobs->mutex);
}

void jobs_remove(struct jobs *jobs, const struct job *job) {
  pthread_mutex_lock(&jobs->mutex);
  size_t k = place(jobs, job->id);
  jobs->n--;
  memmove(jobs->list + k, jobs->list + k + 1, (jobs->n - k) * sizeof *jobs->list);
  pthread_mutex_unlock(&jobs->mutex);
}

struct job *job_new(struct jobs *jobs, const char *id) {
  struct job *job = calloc(1, sizeof *job);
  if (!job) return NULL;
  job->arena = boltz_arena_open(0);
  job->state = calloc(1, sizeof *job->state);
  if (!job->arena || !job->state) {
    job_free(job);
    return NULL;
  }
  snprintf(job->id, sizeof job->id, "%s", id);
  job->server = jobs->server;
  job->state->jobs = jobs;
  job->state->life.attempt = 1;
  atomic_init(&job->stop, JOB_GO_ON);
  return job;
}

void job_free(struct job *job) {
  if (!job) return;
  if (job->work) job->kind->free_work(job);
  if (job->state) {
    job_events_free(job);
    free(job->state->life.result);
    free(job->state->life.reason);
    free(job->state->life.detail);
    free(job->state->resume);
  }
  free(job->state);
  model_release(job->model);
  boltz_arena_close(job->arena);
  free(job);
}
