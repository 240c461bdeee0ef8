/* job.h - a job's life: queued, running, paused, then one of three ends. */
#ifndef SERVER_JOB_H
#define SERVER_JOB_H

#include <stdatomic.h>

#include "boltz/json.h"
#include "server/model.h"
#include "server/pool.h"
#include "server/server.h"

enum job_status { JOB_QUEUED, JOB_RUNNING, JOB_PAUSED, JOB_SUCCEEDED, JOB_FAILED, JOB_CANCELLED };
extern const char *const job_status_names[]; /* NULL-ended */

/** What somebody asked of a running job; its slices look at it. */
enum job_stop { JOB_GO_ON, JOB_STOP_PAUSE, JOB_STOP_CANCEL, JOB_STOP_DRAIN };

#define JOB_ID_SIZE 32

/** Named numbers of a job: NaN ones are shown as null. */
struct job_metric {
  const char *name; /* a literal */
  double value;
};
#define JOB_METRICS 12

/** A job as its kind sees it. What changes while it runs is job.c's, behind the jobs' mutex. */
struct job {
  char id[JOB_ID_SIZE]; /* "job_…", sortable by creation */
  struct server *server;
  const struct job_kind *kind;
  struct boltz_arena *arena; /* holds the spec */
  struct model *model;       /* a reference, held for the job's life in memory; NULL when deleted */
  char model_name[65];
  uint64_t seed;
  void *spec;              /* the kind's, parsed and with every default */
  const char *spec_json;   /* the same as a JSON object, shown to clients and stored */
  const char *dataset;     /* name of a dataset that this job reads or will write; NULL */
  void *work;              /* the kind's running state; NULL unless running */
  atomic_int stop;         /* enum job_stop */
  struct job_state *state; /* job.c's */
};

/** A member of a job's body with settings of its own, for the catalog; ended by a NULL name. */
struct job_part {
  const char *name, *doc;
  const struct boltz_field *fields; /* NULL: those of the family it chooses from */
};

/** A kind of job: the constant table at the end of its file. */
struct job_kind {
  const char *name;
  const char *doc;
  const char *source;
  const struct boltz_field *fields; /* simple members of the body, for the catalog */
  const struct job_part *parts;     /* members that are objects, or lists of them; NULL: none */

  /* Check a body against the model (job->model, job->server are set) and fill job->spec, spec_json,
     seed, dataset in job->arena. Runs again on the stored spec_json after a restart, so it accepts
     what it printed. `others` of boltz_json_fields must include "kind", "model" (job.c reads
     those). A dataset that is missing or taken: set *reason to "DATASET_NOT_FOUND" or
     "ALREADY_EXISTS" and return OUT_OF_RANGE. `restart` is true after a restart: conflicts were
     decided before. */
  enum boltz_status (*parse)(struct job *job, const struct boltz_json *body, bool restart,
                             const char **reason);

  /* On the store thread: make job->work and submit its tasks to the pool. `resume` holds the last
     resume file (NULL: none), valid during the call. Errors fail the job. */
  enum boltz_status (*start)(struct job *job, const void *resume, size_t size);

  /* Free job->work. Called on the store thread after the work has come to rest. */
  void (*free_work)(struct job *job);

  int64_t (*total_steps)(const struct job *job);
};

const struct job_kind *job_kind_at(int index);
const struct job_kind *job_kind_find(const char *name);

/* ---- For kinds, from any thread ---- */

/** Has somebody asked the job to stop? Slices look between tiles and come to rest if so. */
enum job_stop job_stopping(const struct job *job);

/** Steps done, and the latest metrics (kept until the next call). Cheap: memory only. */
void job_progress(struct job *job, int64_t step, const struct job_metric *metrics, int nmetrics);

/** A `progress` event with these metrics (also a point of the job's history); a `log` event. */
void job_event_progress(struct job *job, int64_t step, const struct job_metric *metrics,
                        int nmetrics);
void job_event_log(struct job *job, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Keep a resume file (malloc'ed bytes are taken; one that still waits to be written is replaced).
 * A failure is logged, and the job goes on. */
void job_save(struct job *job, char *bytes, size_t size);

/**
 * The work has come to rest, no task of the job will run again. Exactly one of these per start():
 *   job_rested    because of job_stopping(); `bytes` (malloc'ed, taken, may be NULL) is a resume
 * file job_failed    `reason` is UPPER_SNAKE job_succeeded `commit` runs on the store thread in the
 * transaction that ends the job: it adds the version or dataset and returns the result as a cJSON
 * object; NULL with boltz_error() set fails the job
 */
void job_rested(struct job *job, char *bytes, size_t size);
void job_failed(struct job *job, const char *reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void job_succeeded(struct job *job, struct cJSON *(*commit)(struct job *job));

/* ---- For the API ---- */

/** Load rows; jobs that were running or queued go on: attempt is written first, and after 3
 * attempts without a new resume file a job fails CRASH_LOOP. jobs_start begins to run them. */
enum boltz_status jobs_open(struct server *server, struct jobs **jobs);
void jobs_start(struct jobs *jobs);

/** Stop running jobs at their next slice with a resume file; waits. They stay `running` in the
 * store and go on at the next start. */
void jobs_drain(struct jobs *jobs);
void jobs_close(struct jobs *jobs);

/** [store] Create a job from a body: validates, stores, queues. On failure returns the status with
 * *reason set when it is not the status's own name ("MODEL_NOT_FOUND", …, "IDEMPOTENCY_MISMATCH").
 * `key` is an Idempotency-Key or NULL: the same key and body give the same job, *created false. */
enum boltz_status jobs_create(struct jobs *jobs, const struct boltz_json *body,
                              const char *body_bytes, size_t body_size, const char *key,
                              char id[JOB_ID_SIZE], bool *created, const char **reason);

enum job_change { JOB_CHANGE_CANCEL, JOB_CHANGE_PAUSE, JOB_CHANGE_RESUME };
enum job_changed {
  JOB_CHANGED,
  JOB_UNCHANGED,
  JOB_IS_FINISHED,
  JOB_IS_UNKNOWN,
  JOB_NOT_CHANGED /* the store refused: boltz_error() */
};
/** [store] A running job that is to pause or to end is told so, and shown as running until it has
 * come to rest. */
enum job_changed jobs_change(struct jobs *jobs, const char *id, enum job_change change);

/** [store] Remove a finished job with its events: CREATED stands for removed. */
enum registry_outcome jobs_delete(struct jobs *jobs, const char *id);

/** [store] Names of an unfinished job that uses this model or dataset; false when none does. */
bool jobs_using(struct jobs *jobs, const char *model, const char *dataset, char id[JOB_ID_SIZE]);

/** The record as API.md shows it; NULL when unknown. */
struct cJSON *jobs_record(struct jobs *jobs, const char *id);

/** Newest first; filters may be NULL. */
void jobs_each(struct jobs *jobs, const char *token, int most, const char *model, const char *kind,
               const char *status, bool *more, void (*each)(void *argument, const char *id),
               void *argument);

/** Events after sequence number `after`, as they are kept: each(argument, seq, type, data). Sets
 * *finished when the job is at its end. false: unknown job. */
bool jobs_events(struct jobs *jobs, const char *id, int64_t after, int most, bool *finished,
                 void (*each)(void *argument, int64_t seq, const char *type, long long time_ms,
                              const char *data),
                 void *argument);

/** Call stream_wake() on every new event of a job until forgotten (NULL id: none). */
struct stream;
bool jobs_watch(struct jobs *jobs, const char *id, struct stream *stream);
void jobs_unwatch(struct jobs *jobs, struct stream *stream);

/** {"step": […], "series": {"loss": […]}} from the progress events, thinned. */
struct cJSON *jobs_history(struct jobs *jobs, const char *id, int max_points);

/** How many jobs are in each status [6], for metrics. */
void jobs_counts(struct jobs *jobs, int counts[6]);

#endif
