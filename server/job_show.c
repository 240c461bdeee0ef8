/* job_show.c - jobs as clients see them: records, lists, histories, counts. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/job_state.h"
#include "server/json.h"

#define SPEED_MS 200 /* a shorter stretch says little about the speed */

/* ---- a record; the mutex is held ---- */

/* Over the latest seconds; NaN when it is not known. */
static double steps_per_second(const struct job_state *state) {
  if (state->life.status != JOB_RUNNING || state->nmoments == 0) return NAN;
  int64_t ms = monotonic_ms() - state->moments[0].ms;
  return ms >= SPEED_MS ? (double)(state->step - state->moments[0].step) * 1000 / (double)ms : NAN;
}

static void add_progress(cJSON *record, const struct job_state *state) {
  double speed = steps_per_second(state);
  double left = (double)(state->total_steps - state->step);
  double total = (double)state->total_steps;
  cJSON *progress = cJSON_AddObjectToObject(record, "progress");
  json_add_integer(progress, "step", state->step);
  json_add_integer(progress, "total_steps", state->total_steps);
  json_add_number(progress, "fraction", total > 0 ? (double)state->step / total : 0);
  json_add_number_or_null(progress, "steps_per_second", speed);
  json_add_number_or_null(progress, "eta_seconds", speed > 0 ? left / speed : NAN);
}

static void add_metrics(cJSON *record, const struct job_state *state) {
  cJSON *metrics = cJSON_AddObjectToObject(record, "metrics");
  for (int k = 0; k < state->nmetrics; k++)
    json_add_number_or_null(metrics, state->metrics[k].name, state->metrics[k].value);
}

static void add_error(cJSON *record, const struct job_life *life) {
  if (life->status != JOB_FAILED) {
    json_add_text(record, "error", NULL);
    return;
  }
  cJSON *error = cJSON_AddObjectToObject(record, "error");
  json_add_text(error, "reason", life->reason);
  json_add_text(error, "detail", life->detail);
}

static void add_time(cJSON *record, const char *name, long long ms) {
  char time[JSON_TIME_SIZE];
  if (ms) json_time(ms, time);
  json_add_text(record, name, ms ? time : NULL);
}

static cJSON *print(const struct job *job) {
  const struct job_state *state = job->state;
  const struct job_life *life = &state->life;
  cJSON *record = cJSON_CreateObject();
  json_add_text(record, "id", job->id);
  json_add_text(record, "kind", state->kind_name);
  json_add_text(record, "status", job_status_names[life->status]);
  json_add_text(record, "model", job->model_name);
  json_add_seed(record, "seed", job->seed);
  json_add_raw(record, "spec", job->spec_json);
  add_progress(record, state);
  add_metrics(record, state);
  json_add_raw(record, "result", life->result);
  add_error(record, life);
  json_add_integer(record, "attempt", life->attempt);
  add_time(record, "created_at", life->created_ms);
  add_time(record, "started_at", life->started_ms);
  add_time(record, "finished_at", life->finished_ms);
  return record;
}

struct cJSON *jobs_record(struct jobs *jobs, const char *id) {
  pthread_mutex_lock(&jobs->mutex);
  const struct job *job = jobs_find(jobs, id);
  cJSON *record = job ? print(job) : NULL;
  pthread_mutex_unlock(&jobs->mutex);
  return record;
}

/* ---- lists ---- */

static bool is_wanted(const struct job *job, const char *model, const char *kind,
                      const char *status) {
  return (!model || strcmp(job->model_name, model) == 0) &&
         (!kind || strcmp(job->state->kind_name, kind) == 0) &&
         (!status || strcmp(job_status_names[job->state->life.status], status) == 0);
}

void jobs_each(struct jobs *jobs, const char *token, int most, const char *model, const char *kind,
               const char *status, bool *more, void (*each)(void *argument, const char *id),
               void *argument) {
  *more = false;
  pthread_mutex_lock(&jobs->mutex);
  for (size_t k = jobs->n; k-- > 0 && !*more;) {
    const struct job *job = jobs->list[k];
    if (token && strcmp(job->id, token) >= 0) continue;
    if (!is_wanted(job, model, kind, status)) continue;
    if (most-- > 0)
      each(argument, job->id);
    else
      *more = true;
  }
  pthread_mutex_unlock(&jobs->mutex);
}

bool jobs_using(struct jobs *jobs, const char *model, const char *dataset, char id[JOB_ID_SIZE]) {
  bool found = false;
  pthread_mutex_lock(&jobs->mutex);
  for (size_t k = 0; k < jobs->n && !found; k++) {
    const struct job *job = jobs->list[k];
    if (job_is_finished(job->state->life.status)) continue;
    found = (model && strcmp(job->model_name, model) == 0) ||
            (dataset && job->dataset && strcmp(job->dataset, dataset) == 0);
    if (found) memcpy(id, job->id, JOB_ID_SIZE);
  }
  pthread_mutex_unlock(&jobs->mutex);
  return found;
}

void jobs_counts(struct jobs *jobs, int counts[6]) {
  memset(counts, 0, 6 * sizeof *counts);
  pthread_mutex_lock(&jobs->mutex);
  for (size_t k = 0; k < jobs->n; k++) counts[jobs->list[k]->state->life.status]++;
  pthread_mutex_unlock(&jobs->mutex);
}

/* ---- history ---- */

struct points {
  size_t n;
  cJSON **data; /* the progress events' objects */
};

/* Texts of at most `most` progress events, evenly spaced, the last one among them. */
static char **pick(const struct job_state *state, size_t most, size_t *n) {
  size_t all = state->counts[JOB_EVENT_PROGRESS], seen = 0;
  size_t stride = all > most ? (all + most - 1) / most : 1;
  char **texts = calloc(all / stride + 1, sizeof *texts);
  *n = 0;
  for (size_t k = 0; texts && k < state->nevents; k++) {
    if (state->events[k].type != JOB_EVENT_PROGRESS) continue;
    seen++;
    if ((all - seen) % stride == 0) texts[(*n)++] = strdup(state->events[k].data);
  }
  return texts;
}

static cJSON *value_of(const cJSON *member) {
  if (cJSON_IsNumber(member)) return json_number(member->valuedouble);
  return cJSON_IsString(member) ? cJSON_Duplicate(member, 0) : cJSON_CreateNull();
}

static cJSON *column(const struct points *points, const char *name) {
  cJSON *array = cJSON_CreateArray();
  for (size_t k = 0; k < points->n; k++)
    cJSON_AddItemToArray(array, value_of(cJSON_GetObjectItemCaseSensitive(points->data[k], name)));
  return array;
}

static cJSON *make_history(const struct points *points) {
  cJSON *history = cJSON_CreateObject();
  cJSON_AddItemToObject(history, "step", column(points, "step"));
  cJSON *series = cJSON_AddObjectToObject(history, "series");
  for (size_t k = 0; k < points->n; k++) {
    const cJSON *member;
    cJSON_ArrayForEach(member, points->data[k]) {
      const char *name = member->string;
      if (strcmp(name, "step") != 0 && !cJSON_GetObjectItemCaseSensitive(series, name))
        cJSON_AddItemToObject(series, name, column(points, name));
    }
  }
  return history;
}

struct cJSON *jobs_history(struct jobs *jobs, const char *id, int max_points) {
  size_t n = 0;
  char **texts = NULL;
  pthread_mutex_lock(&jobs->mutex);
  const struct job *job = jobs_find(jobs, id);
  if (job) texts = pick(job->state, max_points > 0 ? (size_t)max_points : 1, &n);
  pthread_mutex_unlock(&jobs->mutex);
  if (!texts) return NULL;
  struct points points = {0, calloc(n + 1, sizeof(cJSON *))};
  for (size_t k = 0; k < n; k++) {
    cJSON *data = points.data && texts[k] ? cJSON_Parse(texts[k]) : NULL;
    if (data) points.data[points.n++] = data;
    free(texts[k]);
  }
  free(texts);
  cJSON *history = make_history(&points);
  for (size_t k = 0; k < points.n; k++) cJSON_Delete(points.data[k]);
  free(points.data);
  return history;
}
