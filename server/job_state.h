/* job_state.h - the inside of the jobs, for the job_….c files alone. */
#ifndef SERVER_JOB_STATE_H
#define SERVER_JOB_STATE_H

#include <pthread.h>

#include "server/clock.h"
#include "server/job.h"
#include "server/store.h"

/** What changes in steps, each of them stored before it is shown. Written by the store thread. */
struct job_life {
  enum job_status status;
  enum job_stop asked;  /* of a running job: to pause, or to be cancelled */
  bool drained;         /* it came to rest because the daemon stopped */
  int64_t attempt;      /* 1, and one more for each restart after a crash */
  int64_t since_resume; /* restarts after crashes since the last resume file */
  long long created_ms, started_ms, finished_ms; /* 0: not yet */
  char *result;                                  /* JSON, malloc'ed, or NULL */
  char *reason, *detail;                         /* why it failed, malloc'ed, or NULL */
};

enum job_event_type { JOB_EVENT_STATE, JOB_EVENT_PROGRESS, JOB_EVENT_LOG, JOB_EVENT_TYPES };

struct job_event {
  int64_t seq;
  enum job_event_type type;
  long long time_ms;
  char *data; /* JSON, malloc'ed */
};

/** Where a job stood at some moments, for its speed. */
#define JOB_WINDOW 16
struct job_moment {
  int64_t ms, step;
};

/** How the work came to rest, until the store thread takes note. */
struct job_ending {
  enum { JOB_ENDS_RESTED, JOB_ENDS_FAILED, JOB_ENDS_SUCCEEDED } how;
  char *bytes; /* resume file, or NULL */
  size_t size;
  char *reason, *detail;
  struct cJSON *(*commit)(struct job *job);
};

struct job_state {
  struct jobs *jobs;
  const char *kind_name; /* of a kind that this build may lack */
  struct job_life life;
  int64_t step, total_steps;
  int nmetrics;
  struct job_metric metrics[JOB_METRICS];
  int nmoments; /* the latest last */
  struct job_moment moments[JOB_WINDOW];
  struct job_ending ending;

  /* Events, in order. Those after `stored` are not in the store yet. */
  struct job_event *events;
  size_t nevents, capacity, counts[JOB_EVENT_TYPES];
  int64_t last_seq, stored;
  bool thinned; /* some of the store's are no longer here: it is written anew */
  bool flush_posted;
  int64_t flushed_ms;

  /* A resume file that waits to be written. */
  char *resume;
  size_t resume_size;
  bool resume_posted;

  /* The store thread's own: what is shown is not what it holds, so it is to be written again. */
  bool unstored;

  /* The store thread's, while it writes; the mutex guards `writing`. */
  int64_t writing; /* up to this event; -1: what was written is gone */
  long long writing_ms;
  bool writing_thinned;
};

struct job_watcher {
  struct job_watcher *next;
  struct stream *stream;
  char id[JOB_ID_SIZE];
  int waking; /* threads inside stream_wake() of it: it stays until they have left */
};

struct jobs {
  struct server *server;
  unsigned __int128 last_id; /* the store thread's, with the next one */
  long long swept_ms;
  pthread_mutex_t mutex; /* guards what is below, and every job's state */
  pthread_cond_t rested; /* a running job has come to rest */
  pthread_cond_t woken;  /* a watcher has been woken */
  pthread_cond_t retry_asked;
  size_t n, capacity;
  struct job **list; /* by id */
  int running;
  bool started, draining, closing;
  bool retry_is_due, retries; /* there is a thread for it */
  pthread_t retry_thread;
  struct job_watcher *watchers;
};

static inline bool job_is_finished(enum job_status status) {
  return status >= JOB_SUCCEEDED;
}

/* ---- job_list.c ---- */

/** The mutex is held: NULL when unknown. */
struct job *jobs_find(const struct jobs *jobs, const char *id);

/** Show a job that is stored, for which jobs_reserve() made room; hide it. */
bool jobs_reserve(struct jobs *jobs);
void jobs_insert(struct jobs *jobs, struct job *job);
void jobs_remove(struct jobs *jobs, const struct job *job);

/** A job without a kind, a model, a spec; NULL: no memory. */
struct job *job_new(struct jobs *jobs, const char *id);
void job_free(struct job *job);

/* ---- job.c ---- */

/** Start what may run now. */
void jobs_run_next(struct jobs *jobs);

/** Hourly: remove what is too old. */
void jobs_sweep(struct jobs *jobs);

/** End a job that does not run; the texts are copied. What cannot be stored is shown all the same.
 */
void job_end(struct job *job, enum job_status status, const char *reason, const char *detail);

/* ---- job_store.c ---- */

/** Write row and events, and a state event when the status changes, in the open transaction; then
 * show it after its commit, or forget it after its rollback. */
enum boltz_status job_write(struct job *job, const struct job_life *next);
void job_written(struct job *job, const struct job_life *next);
void job_unwritten(struct job *job);

/** All of that in a transaction of its own. A failure is logged, and the job as it is shown then is
 * stored a little later. */
enum boltz_status job_store(struct job *job, const struct job_life *next);

/** Load every row. */
enum boltz_status jobs_load(struct jobs *jobs);

/* ---- job_events.c ---- */

/** The events that are not stored yet, and a state event with the number after them. */
enum boltz_status job_events_write(struct job *job, const char *status);
void job_events_written(struct job *job, const char *status);
void job_events_unwritten(struct job *job);

/** Put back a stored event; they come in order. */
enum boltz_status job_event_load(struct job *job, const char *key, const char *body);
void job_events_free(struct job *job);

/** Append `,"loss":0.5` for each metric, the comma only between members. */
void job_print_metrics(struct boltz_text *text, const struct job_metric *metrics, int nmetrics);

void jobs_wake(struct jobs *jobs, const char *id);

/* ---- job_retry.c ---- */

/** Store what is unstored, and start what may run, in a second: once jobs have started to run. */
void jobs_retry_later(struct jobs *jobs);

/** Its condition; its thread, once everything is loaded. Errors: IO. */
void jobs_retry_init(struct jobs *jobs);
enum boltz_status jobs_retry_open(struct jobs *jobs);

/** End the thread (there may be none); then, when no job runs any more, try at once. */
void jobs_retry_close(struct jobs *jobs);
void jobs_retry_last(struct jobs *jobs);

/* ---- job_create.c ---- */

/** Remove Idempotency-Keys of more than a day ago. */
void jobs_sweep_keys(struct jobs *jobs);

#endif
