/* job_create.c - a job from a request: checked, stored with its Idempotency-Key, queued. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "server/job_state.h"
#include "server/json.h"
#include "server/request.h"
#include "server/row.h"

#define UNFINISHED_MOST 1000
#define KEY_LIFE_MS (24LL * 60 * 60 * 1000)

/* ---- ids ---- */

/* 48 bits of milliseconds and 80 random ones; two of the same millisecond count up. */
static bool next_id(struct jobs *jobs, char id[JOB_ID_SIZE]) {
  static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"; /* Crockford's */
  unsigned char random[10];
  if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
    boltz_fail(BOLTZ_IO, "the system gave no random numbers");
    return false;
  }
  unsigned __int128 value = (unsigned __int128)json_now_ms();
  for (size_t k = 0; k < sizeof random; k++) value = value << 8 | random[k];
  if (value >> 80 <= jobs->last_id >> 80) value = jobs->last_id + 1;
  jobs->last_id = value;
  memcpy(id, "job_", 4);
  for (int k = 0; k < 26; k++) id[4 + k] = digits[(unsigned)(value >> (125 - 5 * k)) & 31];
  id[30] = 0;
  return true;
}

/* ---- Idempotency-Keys ---- */

struct known_key {
  const char *key;
  char digest[STORE_DIGEST_SIZE], job[JOB_ID_SIZE];
  long long created_ms;
};

static void read_key(void *argument, const char *key, const char *body) {
  struct known_key *known = argument;
  struct boltz_json *row;
  struct boltz_arena *arena = strcmp(key, known->key) == 0 ? boltz_arena_open(0) : NULL;
  if (arena && row_parse("Idempotency-Key", key, body, arena, &row) == BOLTZ_OK) {
    snprintf(known->digest, sizeof known->digest, "%s", row_text(row, "digest", ""));
    snprintf(known->job, sizeof known->job, "%s", row_text(row, "job", ""));
    known->created_ms = row_integer(row, "created_ms", 0);
  }
  boltz_arena_close(arena);
}

/* Was the key used lately, for a job that is still there? */
static enum boltz_status find_key(struct jobs *jobs, struct known_key *known, bool *found) {
  *found = false;
  BOLTZ_TRY(store_each(jobs->server->store, STORE_KEYS, known->key, read_key, known));
  if (json_now_ms() - known->created_ms >= KEY_LIFE_MS) return BOLTZ_OK;
  pthread_mutex_lock(&jobs->mutex);
  *found = jobs_find(jobs, known->job) != NULL;
  pthread_mutex_unlock(&jobs->mutex);
  return BOLTZ_OK;
}

static enum boltz_status put_key(struct jobs *jobs, const char *key, const char *digest,
                                 const struct job *job) {
  struct boltz_text row = {0};
  boltz_text_puts(&row, "{");
  row_put_text(&row, "digest", digest);
  row_put_text(&row, "job", job->id);
  row_put_integer(&row, "created_ms", job->state->life.created_ms);
  boltz_text_puts(&row, "}");
  enum boltz_status status = row.failed
                                 ? boltz_fail(BOLTZ_NO_MEMORY, "no memory for an Idempotency-Key")
                                 : store_put(jobs->server->store, STORE_KEYS, key, row.data);
  boltz_text_free(&row);
  return status;
}

struct old_keys {
  long long before_ms;
  struct boltz_arena *arena;
  struct old_key {
    struct old_key *next;
    const char *key;
  } * first;
};

static void note_old(void *argument, const char *key, const char *body) {
  struct old_keys *old = argument;
  struct known_key known = {.key = key};
  read_key(&known, key, body);
  struct old_key *node =
      known.created_ms < old->before_ms ? BOLTZ_NEW(old->arena, struct old_key) : NULL;
  if (!node) return;
  *node = (struct old_key){old->first, boltz_arena_strdup(old->arena, key)};
  if (node->key) old->first = node;
}

void jobs_sweep_keys(struct jobs *jobs) {
  struct old_keys old = {.before_ms = json_now_ms() - KEY_LIFE_MS, .arena = boltz_arena_open(0)};
  if (!old.arena) return;
  store_each(jobs->server->store, STORE_KEYS, "", note_old, &old);
  for (const struct old_key *node = old.first; node; node = node->next)
    store_delete(jobs->server->store, STORE_KEYS, node->key);
  boltz_arena_close(old.arena);
}

/* ---- the body ---- */

static enum boltz_status read_text(const struct boltz_json *body, const char *name,
                                   const char **text) {
  char pointer[16];
  const struct boltz_json *member = boltz_json_member(body, name);
  snprintf(pointer, sizeof pointer, "/%s", name);
  if (!member || member->type == BOLTZ_JSON_NULL)
    return boltz_fail_at(BOLTZ_MISSING_MEMBER, pointer, "%s is missing", name);
  if (member->type != BOLTZ_JSON_STRING)
    return boltz_fail_at(BOLTZ_WRONG_TYPE, pointer, "%s must be a string", name);
  *text = member->text;
  return BOLTZ_OK;
}

static enum boltz_status read_kind(struct job *job, const struct boltz_json *body) {
  const char *name = NULL;
  BOLTZ_TRY(read_text(body, "kind", &name));
  job->kind = job_kind_find(name);
  if (!job->kind)
    return boltz_fail_at(BOLTZ_UNKNOWN_KIND, "/kind",
                         "there is no job kind \"%.64s\"; see jobs in /v1/catalog", name);
  job->state->kind_name = job->kind->name;
  return BOLTZ_OK;
}

static enum boltz_status read_model(struct job *job, const struct boltz_json *body,
                                    const char **reason) {
  const char *name = NULL;
  BOLTZ_TRY(read_text(body, "model", &name));
  if (!name_is_well_formed(name)) {
    *reason = "BAD_NAME";
    return boltz_fail_at(BOLTZ_WRONG_TYPE, "/model",
                         "\"%.80s\" is not a name: letters, digits, . _ -, at most 64, beginning "
                         "with a letter or digit",
                         name);
  }
  job->model = registry_model(job->server->registry, name);
  if (!job->model) {
    *reason = "MODEL_NOT_FOUND";
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/model", "there is no model %s", name);
  }
  if (job->model->withheld) {
    *reason = MODEL_WITHHELD;
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/model", "%s", job->model->withheld);
  }
  snprintf(job->model_name, sizeof job->model_name, "%s", name);
  return BOLTZ_OK;
}

/* A dataset that is not there yet, and that another job is to make, is taken. */
static enum boltz_status check_dataset(struct job *job, const char **reason) {
  struct dataset dataset;
  char other[JOB_ID_SIZE];
  if (!job->dataset || registry_dataset(job->server->registry, job->dataset, &dataset) ||
      !jobs_using(job->state->jobs, NULL, job->dataset, other))
    return BOLTZ_OK;
  *reason = "ALREADY_EXISTS";
  return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/dataset", "dataset %s is being made by job %s",
                       job->dataset, other);
}

static enum boltz_status fill(struct job *job, const struct boltz_json *body, const char **reason) {
  BOLTZ_TRY(read_kind(job, body));
  BOLTZ_TRY(read_model(job, body, reason));
  BOLTZ_TRY(job->kind->parse(job, body, false, reason));
  BOLTZ_TRY(check_dataset(job, reason));
  job->state->total_steps = job->kind->total_steps(job);
  job->state->life.created_ms = json_now_ms();
  return BOLTZ_OK;
}

/* ---- creating ---- */

static enum boltz_status write_new(struct job *job, const char *key, const char *digest) {
  struct jobs *jobs = job->state->jobs;
  struct store *store = job->server->store;
  struct job_life life = job->state->life;
  BOLTZ_TRY(store_begin(store));
  enum boltz_status status = key ? put_key(jobs, key, digest, job) : BOLTZ_OK;
  if (status == BOLTZ_OK) status = job_write(job, &life);
  if (status == BOLTZ_OK)
    status = store_commit(store);
  else
    store_rollback(store);
  if (status == BOLTZ_OK) job_written(job, &life);
  return status;
}

static enum boltz_status check_room(struct jobs *jobs, const char **reason) {
  size_t unfinished = 0;
  pthread_mutex_lock(&jobs->mutex);
  for (size_t k = 0; k < jobs->n; k++)
    unfinished += !job_is_finished(jobs->list[k]->state->life.status);
  pthread_mutex_unlock(&jobs->mutex);
  if (jobs->draining) {
    *reason = "DRAINING";
    return boltz_fail(BOLTZ_IO, "the daemon is stopping");
  }
  if (unfinished < UNFINISHED_MOST) return BOLTZ_OK;
  *reason = "QUEUE_FULL";
  return boltz_fail(BOLTZ_OUT_OF_RANGE, "%zu jobs are not finished: no more are taken", unfinished);
}

static enum boltz_status create(struct jobs *jobs, const struct boltz_json *body, const char *key,
                                const char *digest, char id[JOB_ID_SIZE], const char **reason) {
  BOLTZ_TRY(check_room(jobs, reason));
  if (!next_id(jobs, id)) return BOLTZ_IO;
  struct job *job = job_new(jobs, id);
  if (!job || !jobs_reserve(jobs)) {
    job_free(job);
    return boltz_fail(BOLTZ_NO_MEMORY, "no memory for a job");
  }
  enum boltz_status status = fill(job, body, reason);
  if (status == BOLTZ_OK) {
    status = write_new(job, key, digest);
    if (status == BOLTZ_IO) *reason = "STORE";
  }
  if (status == BOLTZ_OK)
    jobs_insert(jobs, job);
  else
    job_free(job);
  return status;
}

enum boltz_status jobs_create(struct jobs *jobs, const struct boltz_json *body,
                              const char *body_bytes, size_t body_size, const char *key,
                              char id[JOB_ID_SIZE], bool *created, const char **reason) {
  char digest[STORE_DIGEST_SIZE];
  struct known_key known = {.key = key};
  bool found = false;
  *created = false;
  *reason = NULL;
  store_digest(body_bytes, body_size, digest);
  enum boltz_status status = key ? find_key(jobs, &known, &found) : BOLTZ_OK;
  if (status != BOLTZ_OK) {
    *reason = "STORE";
    return status;
  }
  if (found) {
    memcpy(id, known.job, JOB_ID_SIZE);
    if (strcmp(known.digest, digest) == 0) return BOLTZ_OK;
    *reason = "IDEMPOTENCY_MISMATCH";
    return boltz_fail(BOLTZ_OUT_OF_RANGE,
                      "Idempotency-Key %s came with another body before, for job %s", key,
                      known.job);
  }
  BOLTZ_TRY(create(jobs, body, key, digest, id, reason));
  *created = true;
  jobs_sweep(jobs);
  jobs_run_next(jobs);
  return BOLTZ_OK;
}
