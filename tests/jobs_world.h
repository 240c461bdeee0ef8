/* jobs_world.h - a daemon without its network, and what clients do to its jobs. */
#ifndef TESTS_JOBS_WORLD_H
#define TESTS_JOBS_WORLD_H

#include <unistd.h>

#include "boltz/boltz.h"
#include "check.h"
#include "server/config.h"
#include "server/job.h"
#include "server/json.h"
#include "server/log.h"

#define CHAINS(steps, stride, dataset, more)                                         \
  "{\"kind\":\"mcmc\",\"model\":\"dw\",\"walkers\":4,\"burn_in\":0,\"steps\":" steps \
  ",\"stride\":" stride ",\"dataset\":\"" dataset "\"" more "}"
#define MCMC(steps, dataset, more) CHAINS(steps, "10", dataset, more)
#define SHORT MCMC("1000", "short", "")
#define LONG CHAINS("1000000000", "1000000", "long", ",\"seed\":5")

static char dir[64];
static struct config config = {.jobs = 1, .keep_jobs = 90};
static struct server server = {.config = &config};

/* ---- a daemon without its network ---- */

static inline void reopen(void) {
  CHECK_MSG(store_open(&server, dir, &server.store) == BOLTZ_OK, "%s", boltz_error());
  server.pool = pool_open(2, 0.5, 0);
  CHECK_MSG(registry_open(&server, &server.registry) == BOLTZ_OK, "%s", boltz_error());
  CHECK_MSG(jobs_open(&server, &server.jobs) == BOLTZ_OK, "%s", boltz_error());
}

static inline void shut(void) {
  jobs_close(server.jobs);
  server.jobs = NULL;
  registry_close(server.registry);
  store_close(server.store);
  pool_close(server.pool);
}

static inline void add_kind(const char *text, const char *name) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_json *root;
  struct boltz_energy energy;
  CHECK_INT(boltz_json_parse(text, strlen(text), 8, arena, &root), BOLTZ_OK);
  CHECK_INT(boltz_energy_parse(root, 1, arena, &energy), BOLTZ_OK);
  CHECK_INT(registry_add_model(server.registry, name, &energy, arena), REGISTRY_CREATED);
}

static inline void add_model(void *argument) {
  add_kind("{\"kind\":\"double_well\"}", argument);
}

static inline void on_store(void (*run)(void *argument), void *argument) {
  CHECK(store_post(server.store, run, argument));
  store_flush(server.store);
}

static inline void new_directory(void) {
  snprintf(dir, sizeof dir, P_tmpdir "/boltz-jobs-XXXXXX");
  CHECK(mkdtemp(dir) != NULL);
}

static inline void open_new(void) {
  new_directory();
  reopen();
  on_store(add_model, "dw");
}

static inline void remove_all(void) {
  char command[100];
  shut();
  snprintf(command, sizeof command, "rm -rf %s", dir);
  CHECK_INT(system(command), 0);
}

/* ---- what clients do ---- */

struct creation {
  const char *body, *key, *reason;
  char id[JOB_ID_SIZE], pointer[64];
  bool created;
  enum boltz_status status;
};

static inline void run_creation(void *argument) {
  struct creation *c = argument;
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_json *body;
  CHECK_INT(boltz_json_parse(c->body, strlen(c->body), 16, arena, &body), BOLTZ_OK);
  c->status = jobs_create(server.jobs, body, c->body, strlen(c->body), c->key, c->id, &c->created,
                          &c->reason);
  snprintf(c->pointer, sizeof c->pointer, "%s", boltz_error_pointer());
  boltz_arena_close(arena);
}

static inline struct creation create(const char *body, const char *key) {
  struct creation c = {.body = body, .key = key};
  on_store(run_creation, &c);
  return c;
}

struct change {
  const char *id;
  enum job_change change;
  enum job_changed changed;
};

static inline void run_change(void *argument) {
  struct change *c = argument;
  c->changed = jobs_change(server.jobs, c->id, c->change);
}

static inline enum job_changed change(const char *id, enum job_change what) {
  struct change c = {id, what, JOB_IS_UNKNOWN};
  on_store(run_change, &c);
  return c.changed;
}

/* Text of a member of the record, "/error/reason" being two levels deep; "" when it is null. */
static inline const char *member(const char *id, const char *path) {
  static char text[8][512];
  static int turn;
  char name[32], *out = text[turn++ % 8];
  *out = 0;
  char *whole = json_take_text(jobs_record(server.jobs, id));
  cJSON *record = cJSON_Parse(whole ? whole : "null"); /* some members are printed as they lie */
  const cJSON *at = record;
  free(whole);
  while (at && *path == '/') {
    size_t n = strcspn(++path, "/");
    snprintf(name, sizeof name, "%.*s", (int)n, path);
    at = cJSON_GetObjectItemCaseSensitive(at, name);
    path += n;
  }
  if (cJSON_IsString(at))
    snprintf(out, 512, "%s", at->valuestring);
  else if (at && !cJSON_IsNull(at))
    cJSON_PrintPreallocated((cJSON *)at, out, 512, 0);
  cJSON_Delete(record);
  return out;
}

static inline bool is(const char *id, const char *status) {
  return strcmp(member(id, "/status"), status) == 0;
}

static inline bool comes_to(const char *id, const char *status) {
  for (int k = 0; k < 3000 && !is(id, status); k++) usleep(10000);
  if (!is(id, status)) printf("    %s is %s, not %s\n", id, member(id, "/status"), status);
  return is(id, status);
}

static inline bool has_advanced(const char *id, double step) {
  for (int k = 0; k < 3000 && atof(member(id, "/progress/step")) <= step; k++) usleep(10000);
  return atof(member(id, "/progress/step")) > step;
}

struct events {
  int n;
  int64_t last;
  bool ascending;
  char states[200];
};

static inline void note_event(void *argument, int64_t seq, const char *type, long long time_ms,
                              const char *data) {
  struct events *events = argument;
  if (events->n++ && seq <= events->last) events->ascending = false;
  events->last = seq;
  if (time_ms < 1600000000000) events->ascending = false;
  size_t n = strlen(events->states);
  if (strcmp(type, "state") == 0)
    snprintf(events->states + n, sizeof events->states - n, "%.10s ",
             data + strlen("{\"status\":\""));
}

static inline struct events events_of(const char *id) {
  struct events events = {.ascending = true};
  bool finished;
  jobs_events(server.jobs, id, 0, 100000, &finished, note_event, &events);
  for (char *c = events.states; *c; c++)
    if (*c == '"' || *c == '}') memmove(c, c + 1, strlen(c)), c--;
  return events;
}

static inline bool resume_is_there(const char *id) {
  char path[128];
  snprintf(path, sizeof path, "%s/jobs/%s.resume", dir, id);
  return access(path, F_OK) == 0;
}

#endif
