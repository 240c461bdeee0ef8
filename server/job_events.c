/* job_events.c - what happens to a job, numbered: in memory, in the store, and told to watchers. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/job_state.h"
#include "server/json.h"
#include "server/request.h"
#include "server/row.h"

#define EVENTS_MOST 4096  /* of a type; then the older ones are thinned */
#define EVENTS_WHOLE 1024 /* the latest, which are not */
#define FLUSH_MS 1000     /* at most so often while a job runs … */
#define PENDING_MOST 1024 /* … unless so many wait */
#define MESSAGE_MOST 1024 /* bytes of a log event */
#define KEY_SIZE (JOB_ID_SIZE + 24)

static const char *const type_names[] = {"state", "progress", "log"};

/* ---- in memory; the mutex is held ---- */

/* Drop every second of a type's older events. */
static void thin(struct job_state *state, enum job_event_type type) {
  size_t kept = 0, seen = 0, old = state->counts[type] - EVENTS_WHOLE;
  for (size_t k = 0; k < state->nevents; k++) {
    struct job_event *event = &state->events[k];
    bool drop = event->type == type && seen < old && seen % 2 == 1;
    if (event->type == type) seen++;
    if (!drop) {
      state->events[kept++] = *event;
      continue;
    }
    free(event->data);
    state->counts[type]--;
    if (event->seq <= state->stored || event->seq <= state->writing) state->thinned = true;
  }
  state->nevents = kept;
}

/* Takes the data; false: no memory, and it is freed. */
static bool append(struct job_state *state, struct job_event event) {
  if (state->counts[event.type] >= EVENTS_MOST) thin(state, event.type);
  if (state->nevents == state->capacity) {
    size_t capacity = state->capacity ? 2 * state->capacity : 16;
    struct job_event *events = realloc(state->events, capacity * sizeof *events);
    if (!events) {
      free(event.data);
      return false;
    }
    state->events = events;
    state->capacity = capacity;
  }
  state->events[state->nevents++] = event;
  state->counts[event.type]++;
  state->last_seq = event.seq;
  return true;
}

void job_events_free(struct job *job) {
  for (size_t k = 0; k < job->state->nevents; k++) free(job->state->events[k].data);
  free(job->state->events);
}

/* Index of the first event after a number. */
static size_t first_after(const struct job_state *state, int64_t after) {
  size_t low = 0, high = state->nevents;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (state->events[middle].seq <= after)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* ---- in the store ---- */

static char *state_data(const char *status) {
  struct boltz_text data = {0};
  boltz_text_printf(&data, "{\"status\":\"%s\"}", status);
  return data.data;
}

static enum boltz_status put(struct job *job, const struct job_event *event) {
  char key[KEY_SIZE];
  struct boltz_text row = {0};
  snprintf(key, sizeof key, "%s/%08" PRId64, job->id, event->seq);
  boltz_text_puts(&row, "{");
  row_put_text(&row, "type", type_names[event->type]);
  row_put_integer(&row, "time_ms", event->time_ms);
  row_put_text(&row, "data", event->data);
  boltz_text_puts(&row, "}");
  enum boltz_status status = row.failed
                                 ? boltz_fail(BOLTZ_NO_MEMORY, "no memory for an event's row")
                                 : store_put(job->server->store, STORE_EVENTS, key, row.data);
  boltz_text_free(&row);
  return status;
}

/* Copies of the events after a number, so that the mutex is not held while they are used. */
static struct job_event *copy_events(const struct job_state *state, int64_t after, size_t most,
                                     size_t *n) {
  size_t first = first_after(state, after);
  *n = state->nevents - first < most ? state->nevents - first : most;
  struct job_event *copies = calloc(*n ? *n : 1, sizeof *copies);
  for (size_t k = 0; copies && k < *n; k++) {
    copies[k] = state->events[first + k];
    copies[k].data = strdup(copies[k].data);
  }
  return copies;
}

static void free_copies(struct job_event *copies, size_t n) {
  for (size_t k = 0; copies && k < n; k++) free(copies[k].data);
  free(copies);
}

static enum boltz_status put_all(struct job *job, const struct job_event *events, size_t n) {
  if (!events) return boltz_fail(BOLTZ_NO_MEMORY, "no memory for a job's events");
  for (size_t k = 0; k < n; k++) {
    if (!events[k].data) return boltz_fail(BOLTZ_NO_MEMORY, "no memory for a job's events");
    BOLTZ_TRY(put(job, &events[k]));
  }
  return BOLTZ_OK;
}

enum boltz_status job_events_write(struct job *job, const char *status) {
  struct job_state *state = job->state;
  size_t n;
  pthread_mutex_lock(&state->jobs->mutex);
  state->writing = state->last_seq;
  state->writing_ms = json_now_ms();
  state->writing_thinned = state->thinned;
  state->thinned = false;
  int64_t after = state->writing_thinned ? 0 : state->stored;
  struct job_event *events = copy_events(state, after, SIZE_MAX, &n);
  pthread_mutex_unlock(&state->jobs->mutex);
  enum boltz_status result = BOLTZ_OK;
  if (state->writing_thinned) {
    char prefix[JOB_ID_SIZE + 1];
    snprintf(prefix, sizeof prefix, "%s/", job->id);
    result = store_delete_prefix(job->server->store, STORE_EVENTS, prefix);
  }
  if (result == BOLTZ_OK) result = put_all(job, events, n);
  free_copies(events, n);
  if (result != BOLTZ_OK || !status) return result;
  struct job_event event = {.seq = state->writing + 1,
                            .type = JOB_EVENT_STATE,
                            .time_ms = state->writing_ms,
                            .data = state_data(status)};
  result = put_all(job, &event, 1);
  free(event.data);
  return result;
}

/* No worker has the job while its status changes, so the number after `writing` is still free. The
   mutex is held. */
void job_events_written(struct job *job, const char *status) {
  struct job_state *state = job->state;
  if (state->writing > state->stored) state->stored = state->writing;
  state->writing_thinned = false;
  if (!status) return;
  struct job_event event = {.seq = state->last_seq + 1,
                            .type = JOB_EVENT_STATE,
                            .time_ms = state->writing_ms,
                            .data = state_data(status)};
  if (event.data && append(state, event) && state->writing == event.seq - 1)
    state->stored = event.seq;
}

void job_events_unwritten(struct job *job) {
  struct job_state *state = job->state;
  pthread_mutex_lock(&state->jobs->mutex);
  state->thinned |= state->writing_thinned;
  state->writing_thinned = false;
  state->writing = -1;
  pthread_mutex_unlock(&state->jobs->mutex);
}

enum boltz_status job_event_load(struct job *job, const char *key, const char *body) {
  const char *slash = strchr(key, '/');
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_json *row = NULL;
  enum boltz_status status = arena ? row_parse("event", key, body, arena, &row)
                                   : boltz_fail(BOLTZ_NO_MEMORY, "no memory for event %s", key);
  if (status == BOLTZ_OK) {
    const char *type = row_text(row, "type", "log");
    struct job_event event = {.seq = slash ? strtoll(slash + 1, NULL, 10) : 0,
                              .type = JOB_EVENT_LOG,
                              .time_ms = row_integer(row, "time_ms", 0),
                              .data = strdup(row_text(row, "data", "{}"))};
    for (int k = 0; k < JOB_EVENT_TYPES; k++)
      if (strcmp(type, type_names[k]) == 0) event.type = (enum job_event_type)k;
    if (!event.data || !append(job->state, event))
      status = boltz_fail(BOLTZ_NO_MEMORY, "no memory for event %s", key);
    job->state->stored = job->state->last_seq;
  }
  boltz_arena_close(arena);
  return status;
}

/* ---- from workers ---- */

static void flush(void *argument) {
  struct job *job = argument;
  struct job_life same = job->state->life;
  pthread_mutex_lock(&job->state->jobs->mutex);
  job->state->flush_posted = false;
  job->state->flushed_ms = monotonic_ms();
  pthread_mutex_unlock(&job->state->jobs->mutex);
  job_store(job, &same); /* after a failure the events wait for the next time */
}

static bool flush_is_due(struct job_state *state, int64_t now) {
  if (state->flush_posted) return false;
  if (now - state->flushed_ms < FLUSH_MS && state->last_seq - state->stored < PENDING_MOST)
    return false;
  state->flush_posted = true;
  return true;
}

static void add(struct job *job, enum job_event_type type, char *data) {
  struct job_state *state = job->state;
  if (!data) return;
  int64_t now = monotonic_ms();
  struct job_event event = {.type = type, .time_ms = json_now_ms(), .data = data};
  pthread_mutex_lock(&state->jobs->mutex);
  event.seq = state->last_seq + 1;
  append(state, event);
  bool due = flush_is_due(state, now);
  pthread_mutex_unlock(&state->jobs->mutex);
  if (due) store_post(job->server->store, flush, job);
  jobs_wake(state->jobs, job->id);
}

/* The latest moments, a quarter of a second apart at least. */
static void note_moment(struct job_state *state, int64_t now, int64_t step) {
  int n = state->nmoments;
  if (n > 0 && now - state->moments[n - 1].ms < 250) return;
  if (n == JOB_WINDOW) {
    memmove(state->moments, state->moments + 1, (JOB_WINDOW - 1) * sizeof *state->moments);
    n--;
  }
  state->moments[n] = (struct job_moment){now, step};
  state->nmoments = n + 1;
}

void job_progress(struct job *job, int64_t step, const struct job_metric *metrics, int nmetrics) {
  struct job_state *state = job->state;
  int64_t now = monotonic_ms();
  if (nmetrics > JOB_METRICS) nmetrics = JOB_METRICS;
  pthread_mutex_lock(&state->jobs->mutex);
  state->step = step;
  state->nmetrics = nmetrics;
  memcpy(state->metrics, metrics, (size_t)nmetrics * sizeof *metrics);
  note_moment(state, now, step);
  pthread_mutex_unlock(&state->jobs->mutex);
}

void job_print_metrics(struct boltz_text *text, const struct job_metric *metrics, int nmetrics) {
  for (int k = 0; k < nmetrics; k++) {
    if (text->size && text->data[text->size - 1] != '{') boltz_text_puts(text, ",");
    boltz_text_quoted(text, metrics[k].name);
    boltz_text_puts(text, ":");
    if (isnan(metrics[k].value))
      boltz_text_puts(text, "null");
    else
      boltz_text_number(text, metrics[k].value);
  }
}

/* The text, or NULL when memory ran out. */
static char *taken(struct boltz_text *text) {
  if (!text->failed) return text->data;
  boltz_text_free(text);
  return NULL;
}

void job_event_progress(struct job *job, int64_t step, const struct job_metric *metrics,
                        int nmetrics) {
  struct boltz_text data = {0};
  boltz_text_printf(&data, "{\"step\":%" PRId64, step);
  job_print_metrics(&data, metrics, nmetrics);
  boltz_text_puts(&data, "}");
  add(job, JOB_EVENT_PROGRESS, taken(&data));
}

void job_event_log(struct job *job, const char *format, ...) {
  char message[MESSAGE_MOST];
  struct boltz_text data = {0};
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  boltz_text_puts(&data, "{\"message\":");
  boltz_text_quoted(&data, message);
  boltz_text_puts(&data, "}");
  add(job, JOB_EVENT_LOG, taken(&data));
}

/* ---- for the API ---- */

bool jobs_events(struct jobs *jobs, const char *id, int64_t after, int most, bool *finished,
                 void (*each)(void *argument, int64_t seq, const char *type, long long time_ms,
                              const char *data),
                 void *argument) {
  size_t n = 0;
  struct job_event *events = NULL;
  pthread_mutex_lock(&jobs->mutex);
  const struct job *job = jobs_find(jobs, id);
  if (job) {
    *finished = job_is_finished(job->state->life.status);
    events = copy_events(job->state, after, most > 0 ? (size_t)most : 0, &n);
  }
  pthread_mutex_unlock(&jobs->mutex);
  for (size_t k = 0; events && k < n && events[k].data; k++)
    each(argument, events[k].seq, type_names[events[k].type], events[k].time_ms, events[k].data);
  free_copies(events, n);
  return job != NULL;
}

bool jobs_watch(struct jobs *jobs, const char *id, struct stream *stream) {
  struct job_watcher *watcher = calloc(1, sizeof *watcher);
  if (!watcher) return false;
  watcher->stream = stream;
  snprintf(watcher->id, sizeof watcher->id, "%s", id ? id : "");
  pthread_mutex_lock(&jobs->mutex);
  bool known = id && jobs_find(jobs, id);
  if (known) {
    watcher->next = jobs->watchers;
    jobs->watchers = watcher;
  }
  pthread_mutex_unlock(&jobs->mutex);
  if (!known) free(watcher);
  return known;
}

static struct job_watcher **find_watcher(struct jobs *jobs, const struct stream *stream) {
  struct job_watcher **at = &jobs->watchers;
  while (*at && (*at)->stream != stream) at = &(*at)->next;
  return at;
}

/* When this returns nobody is inside stream_wake() of the stream, nor will be. */
void jobs_unwatch(struct jobs *jobs, struct stream *stream) {
  pthread_mutex_lock(&jobs->mutex);
  struct job_watcher *watcher = *find_watcher(jobs, stream);
  while (watcher && watcher->waking) pthread_cond_wait(&jobs->woken, &jobs->mutex);
  if (watcher) *find_watcher(jobs, stream) = watcher->next;
  pthread_mutex_unlock(&jobs->mutex);
  free(watcher);
}

void jobs_wake(struct jobs *jobs, const char *id) {
  pthread_mutex_lock(&jobs->mutex);
  for (struct job_watcher *watcher = jobs->watchers; watcher; watcher = watcher->next) {
    if (strcmp(watcher->id, id) != 0) continue;
    watcher->waking++; /* so it stays in the list while the mutex is free */
    pthread_mutex_unlock(&jobs->mutex);
    stream_wake(watcher->stream);
    pthread_mutex_lock(&jobs->mutex);
    watcher->waking--;
    pthread_cond_broadcast(&jobs->woken);
  }
  pthread_mutex_unlock(&jobs->mutex);
}
