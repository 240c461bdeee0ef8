/* jobs.c - start, list, poll, steer and remove background work; its history. */
#include <stdio.h>
#include <string.h>

#include "server/api/api.h"

static cJSON *job_record(struct request *request, const char *id) {
  return jobs_record(request->server->jobs, id);
}

static void not_found(struct request *request) {
  reply_problem(request, 404, "JOB_NOT_FOUND", NULL, "there is no job %s", request->parameters[0]);
}

/* ---- Start ---- */

/* HTTP code of a reason that jobs_create() gives beside the statuses of the library. */
static int status_of_reason(const char *reason) {
  static const struct {
    const char *reason;
    int status;
  } others[] = {{"BAD_NAME", 400},   {"ALREADY_EXISTS", 409}, {"IN_USE", 409},
                {"NO_VERSION", 409}, {MODEL_WITHHELD, 409},   {"QUEUE_FULL", 503},
                {"DRAINING", 503},   {"STORE", 503}};
  if (strstr(reason, "_NOT_FOUND")) return 404;
  for (size_t k = 0; k < sizeof others / sizeof *others; k++)
    if (strcmp(reason, others[k].reason) == 0) return others[k].status;
  return 422;
}

/* On the store thread. */
static void create_job(void *argument) {
  struct request *request = argument;
  struct jobs *jobs = request->server->jobs;
  char id[JOB_ID_SIZE];
  bool created = false;
  const char *reason = NULL;
  enum boltz_status status = jobs_create(jobs, request->json, request->bytes, request->nbytes,
                                         request->idempotency_key, id, &created, &reason);
  if (status != BOLTZ_OK) {
    if (reason)
      reply_problem(request, status_of_reason(reason), reason, boltz_error_pointer(), "%s",
                    boltz_error());
    else
      reply_status(request, status, "");
    return;
  }
  request_header(request, "Location", "/v1/jobs/%s", id);
  request_header(request, "Retry-After", "1");
  reply_json(request, 202, jobs_record(jobs, id));
}

static void handle_create(struct request *request) {
  api_post(request, create_job, request);
}

/* ---- Show ---- */

static bool is_status(const char *name) {
  for (int k = 0; job_status_names[k]; k++)
    if (strcmp(name, job_status_names[k]) == 0) return true;
  return false;
}

static void handle_list(struct request *request) {
  const char *model = request_query(request, "model"), *kind = request_query(request, "kind");
  const char *status = request_query(request, "status");
  if (model && !name_is_well_formed(model)) {
    reply_problem(request, 400, "BAD_NAME", NULL, "model = \"%.80s\" is not a name", model);
    return;
  }
  if (kind && !job_kind_find(kind)) {
    reply_problem(request, 422, "UNKNOWN_KIND", NULL, "there is no job kind \"%.64s\"", kind);
    return;
  }
  if (status && !is_status(status)) {
    reply_problem(request, 422, "UNKNOWN_NAME", NULL,
                  "status = \"%.64s\" is none of queued, running, paused, succeeded, failed, "
                  "cancelled",
                  status);
    return;
  }
  struct api_page *page = api_page_new(request);
  if (!page) return;
  jobs_each(request->server->jobs, page->after, page->size, model, kind, status, &page->more,
            api_page_add, page);
  api_page_reply(page, job_record);
}

static void handle_show(struct request *request) {
  cJSON *record = job_record(request, request->parameters[0]);
  if (record)
    reply_json(request, 200, record);
  else
    not_found(request);
}

static void handle_metrics(struct request *request) {
  int64_t most = 0;
  if (!api_query_int(request, "max_points", 2, 10000, 500, &most)) return;
  cJSON *history = jobs_history(request->server->jobs, request->parameters[0], (int)most);
  if (history)
    reply_json(request, 200, history);
  else
    not_found(request);
}

/* ---- Steer ---- */

/* On the store thread. */
static void change_job(struct request *request, enum job_change change) {
  const char *id = request->parameters[0];
  enum job_changed changed = jobs_change(request->server->jobs, id, change);
  if (changed == JOB_IS_FINISHED && change != JOB_CHANGE_CANCEL) {
    reply_problem(request, 409, "JOB_FINISHED", NULL, "job %s has come to its end", id);
    return;
  }
  if (changed == JOB_NOT_CHANGED) {
    reply_problem(request, 503, "STORE", NULL, "%s", boltz_error());
    return;
  }
  cJSON *record = changed == JOB_IS_UNKNOWN ? NULL : job_record(request, id);
  if (record)
    reply_json(request, 200, record);
  else
    not_found(request);
}

static void cancel(void *request) {
  change_job(request, JOB_CHANGE_CANCEL);
}

static void pause_(void *request) {
  change_job(request, JOB_CHANGE_PAUSE);
}

static void resume(void *request) {
  change_job(request, JOB_CHANGE_RESUME);
}

static void handle_cancel(struct request *request) {
  api_post(request, cancel, request);
}

static void handle_pause(struct request *request) {
  api_post(request, pause_, request);
}

static void handle_resume(struct request *request) {
  api_post(request, resume, request);
}

/* On the store thread. */
static void remove_job(void *argument) {
  struct request *request = argument;
  const char *id = request->parameters[0];
  enum registry_outcome outcome = jobs_delete(request->server->jobs, id);
  char what[96];
  snprintf(what, sizeof what, "job %s", id);
  if (outcome == REGISTRY_CREATED || outcome == REGISTRY_SAME)
    reply_empty(request, 204);
  else if (outcome == REGISTRY_IN_USE || outcome == REGISTRY_CONFLICT)
    reply_problem(request, 409, "IN_USE", NULL, "job %s is not finished: cancel it first", id);
  else
    api_refused(request, outcome, "JOB_NOT_FOUND", what);
}

static void handle_delete(struct request *request) {
  api_post(request, remove_job, request);
}

static const char *const list_query[] = {"page_size", "page_token", "model",
                                         "kind",      "status",     NULL};
static const char *const history_query[] = {"max_points", NULL};
static const char *const page_query[] = {"page_size", "page_token", NULL};

const struct route api_jobs[] = {
    {"POST", "/v1/jobs", ROUTE_LATER, BODY_JSON, handle_create, NULL, "Start a job."},
    {"GET", "/v1/jobs", ROUTE_HERE, BODY_NONE, handle_list, list_query,
     "List the jobs, newest first."},
    {"GET", "/v1/jobs/{job}", ROUTE_HERE, BODY_NONE, handle_show, NULL, "Show a job."},
    {"DELETE", "/v1/jobs/{job}", ROUTE_LATER, BODY_NONE, handle_delete, NULL,
     "Remove a finished job."},
    {"POST", "/v1/jobs/{job}/cancel", ROUTE_LATER, BODY_NONE, handle_cancel, NULL,
     "Cancel a job: it publishes nothing."},
    {"POST", "/v1/jobs/{job}/pause", ROUTE_LATER, BODY_NONE, handle_pause, NULL, "Pause a job."},
    {"POST", "/v1/jobs/{job}/resume", ROUTE_LATER, BODY_NONE, handle_resume, NULL,
     "Let a paused job go on."},
    {"GET", "/v1/jobs/{job}/events", ROUTE_HERE, BODY_NONE, api_handle_events, page_query,
     "List a job's events, or follow them as server-sent events."},
    {"GET", "/v1/jobs/{job}/metrics", ROUTE_HERE, BODY_NONE, handle_metrics, history_query,
     "A job's metrics as columns, thinned."},
    {0}};
