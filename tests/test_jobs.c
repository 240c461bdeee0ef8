/* test_jobs.c - a job's life over pauses, ends, restarts and crashes. */
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boltz/boltz.h"
#include "check.h"
#include "server/clock.h"
#include "server/config.h"
#include "server/job.h"
#include "server/job_state.h"
#include "server/json.h"
#include "server/log.h"
#include "server/metrics.h"

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

static void reopen(void) {
  CHECK_MSG(store_open(&server, dir, &server.store) == BOLTZ_OK, "%s", boltz_error());
  server.pool = pool_open(2, 0.5, 0);
  CHECK_MSG(registry_open(&server, &server.registry) == BOLTZ_OK, "%s", boltz_error());
  CHECK_MSG(jobs_open(&server, &server.jobs) == BOLTZ_OK, "%s", boltz_error());
}

static void shut(void) {
  jobs_close(server.jobs);
  server.jobs = NULL;
  registry_close(server.registry);
  store_close(server.store);
  pool_close(server.pool);
}

static void add_kind(const char *text, const char *name) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_json *root;
  struct boltz_energy energy;
  CHECK_INT(boltz_json_parse(text, strlen(text), 8, arena, &root), BOLTZ_OK);
  CHECK_INT(boltz_energy_parse(root, 1, arena, &energy), BOLTZ_OK);
  CHECK_INT(registry_add_model(server.registry, name, &energy, arena), REGISTRY_CREATED);
}

static void add_model(void *argument) {
  add_kind("{\"kind\":\"double_well\"}", argument);
}

static void add_many_particles(void *argument) {
  add_kind("{\"kind\":\"particle_dimer\",\"n_solvent\":484}", argument);
}

static void on_store(void (*run)(void *argument), void *argument) {
  CHECK(store_post(server.store, run, argument));
  store_flush(server.store);
}

static void new_directory(void) {
  snprintf(dir, sizeof dir, P_tmpdir "/boltz-jobs-XXXXXX");
  CHECK(mkdtemp(dir) != NULL);
}

static void open_new(void) {
  new_directory();
  reopen();
  on_store(add_model, "dw");
}

static void remove_all(void) {
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

static void run_creation(void *argument) {
  struct creation *c = argument;
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_json *body;
  CHECK_INT(boltz_json_parse(c->body, strlen(c->body), 16, arena, &body), BOLTZ_OK);
  c->status = jobs_create(server.jobs, body, c->body, strlen(c->body), c->key, c->id, &c->created,
                          &c->reason);
  snprintf(c->pointer, sizeof c->pointer, "%s", boltz_error_pointer());
  boltz_arena_close(arena);
}

static struct creation create(const char *body, const char *key) {
  struct creation c = {.body = body, .key = key};
  on_store(run_creation, &c);
  return c;
}

struct change {
  const char *id;
  enum job_change change;
  enum job_changed changed;
};

static void run_change(void *argument) {
  struct change *c = argument;
  c->changed = jobs_change(server.jobs, c->id, c->change);
}

static enum job_changed change(const char *id, enum job_change what) {
  struct change c = {id, what, JOB_IS_UNKNOWN};
  on_store(run_change, &c);
  return c.changed;
}

struct deletion {
  const char *id;
  enum registry_outcome outcome;
};

static void run_deletion(void *argument) {
  struct deletion *d = argument;
  d->outcome = jobs_delete(server.jobs, d->id);
}

static enum registry_outcome delete_job(const char *id) {
  struct deletion d = {id, REGISTRY_FAILED};
  on_store(run_deletion, &d);
  return d.outcome;
}

/* Text of a member of the record, "/error/reason" being two levels deep; "" when it is null. */
static const char *member(const char *id, const char *path) {
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

static bool is(const char *id, const char *status) {
  return strcmp(member(id, "/status"), status) == 0;
}

static bool comes_to(const char *id, const char *status) {
  for (int k = 0; k < 3000 && !is(id, status); k++) usleep(10000);
  if (!is(id, status)) printf("    %s is %s, not %s\n", id, member(id, "/status"), status);
  return is(id, status);
}

static bool has_advanced(const char *id, double step) {
  for (int k = 0; k < 3000 && atof(member(id, "/progress/step")) <= step; k++) usleep(10000);
  return atof(member(id, "/progress/step")) > step;
}

struct events {
  int n;
  int64_t last;
  bool ascending;
  char states[200];
};

static void note_event(void *argument, int64_t seq, const char *type, long long time_ms,
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

static struct events events_of(const char *id) {
  struct events events = {.ascending = true};
  bool finished;
  jobs_events(server.jobs, id, 0, 100000, &finished, note_event, &events);
  for (char *c = events.states; *c; c++)
    if (*c == '"' || *c == '}') memmove(c, c + 1, strlen(c)), c--;
  return events;
}

static char *rows_of(const char *name, size_t *size) {
  double *rows = NULL;
  size_t n = 0;
  int dim = 0;
  CHECK_MSG(registry_read_dataset(server.registry, name, &rows, &n, &dim) == BOLTZ_OK, "%s",
            boltz_error());
  *size = n * (size_t)dim * sizeof(double);
  return (char *)rows;
}

static bool resume_is_there(const char *id) {
  char path[128];
  snprintf(path, sizeof path, "%s/jobs/%s.resume", dir, id);
  return access(path, F_OK) == 0;
}

/* ---- tests ---- */

static void a_job_runs_to_its_end_and_shows_it(void) {
  open_new();
  jobs_start(server.jobs);
  struct creation c = create(SHORT, NULL);
  CHECK_INT(c.status, BOLTZ_OK);
  CHECK(c.created && strlen(c.id) == 30 && strncmp(c.id, "job_", 4) == 0);
  CHECK(comes_to(c.id, "succeeded"));
  CHECK_TEXT(member(c.id, "/kind"), "mcmc");
  CHECK_TEXT(member(c.id, "/model"), "dw");
  CHECK_TEXT(member(c.id, "/seed"), "0");
  CHECK_TEXT(member(c.id, "/spec/stride"), "10");
  CHECK_TEXT(member(c.id, "/result/dataset"), "short");
  CHECK_TEXT(member(c.id, "/result/n"), "400"); /* 4 walkers, every tenth of 1000 steps */
  CHECK_TEXT(member(c.id, "/progress/step"), "1000");
  CHECK_TEXT(member(c.id, "/progress/total_steps"), "1000");
  CHECK_TEXT(member(c.id, "/progress/fraction"), "1");
  CHECK_TEXT(member(c.id, "/progress/steps_per_second"), "");
  CHECK_TEXT(member(c.id, "/error"), "");
  CHECK_TEXT(member(c.id, "/attempt"), "1");
  CHECK(*member(c.id, "/started_at") && *member(c.id, "/finished_at"));
  CHECK_TEXT(events_of(c.id).states, "queued running succeeded ");
  CHECK(!resume_is_there(c.id));
  struct dataset dataset;
  CHECK(registry_dataset(server.registry, "short", &dataset));
  CHECK_TEXT(dataset.job, c.id);

  /* All of it is there after a restart, events too. */
  struct events before = events_of(c.id);
  char *record = json_take_text(jobs_record(server.jobs, c.id));
  shut();
  reopen();
  char *again = json_take_text(jobs_record(server.jobs, c.id));
  CHECK_TEXT(again, record);
  struct events after = events_of(c.id);
  CHECK(after.n == before.n && after.last == before.last && after.ascending);
  CHECK_TEXT(after.states, before.states);
  free(record);
  free(again);
  remove_all();
}

static void bad_bodies_are_refused_with_their_reason(void) {
  static const struct {
    const char *body;
    enum boltz_status status;
    const char *reason, *pointer;
  } cases[] = {
      {"{}", BOLTZ_MISSING_MEMBER, NULL, "/kind"},
      {"{\"kind\":1}", BOLTZ_WRONG_TYPE, NULL, "/kind"},
      {"{\"kind\":\"bake\",\"model\":\"dw\"}", BOLTZ_UNKNOWN_KIND, NULL, "/kind"},
      {"{\"kind\":\"mcmc\"}", BOLTZ_MISSING_MEMBER, NULL, "/model"},
      {"{\"kind\":\"mcmc\",\"model\":\"a b\"}", BOLTZ_WRONG_TYPE, "BAD_NAME", "/model"},
      {"{\"kind\":\"mcmc\",\"model\":\"no\"}", BOLTZ_OUT_OF_RANGE, "MODEL_NOT_FOUND", "/model"},
      {"{\"kind\":\"mcmc\",\"model\":\"dw\"}", BOLTZ_MISSING_MEMBER, NULL, "/dataset"},
      {MCMC("1", "d", ",\"walk\":1"), BOLTZ_UNKNOWN_MEMBER, NULL, "/walk"},
  };
  open_new();
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    struct creation c = create(cases[k].body, NULL);
    CHECK_INT(c.status, cases[k].status);
    CHECK_TEXT(c.pointer, cases[k].pointer);
    CHECK_TEXT(c.reason ? c.reason : "", cases[k].reason ? cases[k].reason : "");
  }
  int counts[6];
  jobs_counts(server.jobs, counts);
  CHECK_INT(counts[JOB_QUEUED], 0);
  remove_all();
}

static void jobs_run_in_order_of_creation_one_at_a_time(void) {
  open_new();
  struct creation a = create(MCMC("1000", "a", ""), NULL);
  struct creation b = create(LONG, NULL);
  struct creation c = create(MCMC("1000", "c", ""), NULL);
  CHECK(strcmp(a.id, b.id) < 0 && strcmp(b.id, c.id) < 0);
  CHECK(is(a.id, "queued"));
  jobs_start(server.jobs);
  CHECK(comes_to(b.id, "running"));
  CHECK(is(a.id, "succeeded"));
  CHECK(is(c.id, "queued"));
  CHECK_INT(change(b.id, JOB_CHANGE_CANCEL), JOB_CHANGED);
  CHECK(comes_to(c.id, "succeeded"));
  CHECK(is(b.id, "cancelled"));
  int counts[6];
  jobs_counts(server.jobs, counts);
  CHECK(counts[JOB_SUCCEEDED] == 2 && counts[JOB_CANCELLED] == 1 && counts[JOB_RUNNING] == 0);
  remove_all();
}

static void a_queued_job_pauses_resumes_and_is_cancelled_at_once(void) {
  open_new();
  struct creation c = create(SHORT, NULL);
  CHECK_INT(change(c.id, JOB_CHANGE_RESUME), JOB_UNCHANGED);
  CHECK_INT(change(c.id, JOB_CHANGE_PAUSE), JOB_CHANGED);
  CHECK(is(c.id, "paused"));
  CHECK_INT(change(c.id, JOB_CHANGE_PAUSE), JOB_UNCHANGED);
  CHECK_INT(change(c.id, JOB_CHANGE_RESUME), JOB_CHANGED);
  CHECK(is(c.id, "queued"));
  CHECK_INT(delete_job(c.id), REGISTRY_IN_USE);
  CHECK_INT(change(c.id, JOB_CHANGE_CANCEL), JOB_CHANGED);
  CHECK(is(c.id, "cancelled"));
  for (int k = 0; k < 3; k++) CHECK_INT(change(c.id, (enum job_change)k), JOB_IS_FINISHED);
  CHECK_INT(change("job_no", JOB_CHANGE_CANCEL), JOB_IS_UNKNOWN);
  CHECK_TEXT(events_of(c.id).states, "queued paused queued cancelled ");
  CHECK_INT(delete_job(c.id), REGISTRY_CREATED);
  CHECK_INT(delete_job(c.id), REGISTRY_NOT_FOUND);
  CHECK(jobs_record(server.jobs, c.id) == NULL);
  shut();
  reopen();
  CHECK(jobs_record(server.jobs, c.id) == NULL);
  remove_all();
}

static void a_paused_job_stays_paused_over_a_restart_and_then_goes_on(void) {
  open_new();
  jobs_start(server.jobs);
  struct creation c = create(LONG, NULL);
  CHECK(comes_to(c.id, "running") && has_advanced(c.id, 1000));
  CHECK_INT(change(c.id, JOB_CHANGE_PAUSE), JOB_CHANGED);
  CHECK(comes_to(c.id, "paused"));
  CHECK(resume_is_there(c.id));
  double step = atof(member(c.id, "/progress/step"));
  shut();
  reopen();
  jobs_start(server.jobs);
  store_flush(server.store);
  CHECK(is(c.id, "paused"));
  CHECK_INT(change(c.id, JOB_CHANGE_RESUME), JOB_CHANGED);
  CHECK(comes_to(c.id, "running"));
  CHECK(has_advanced(c.id, step));
  CHECK_TEXT(member(c.id, "/attempt"), "1");
  CHECK_INT(change(c.id, JOB_CHANGE_CANCEL), JOB_CHANGED);
  CHECK(comes_to(c.id, "cancelled"));
  CHECK(!resume_is_there(c.id));
  remove_all();
}

struct two_changes {
  const char *id;
  enum job_changed first, second;
};

/* Both in one operation, so that the work cannot come to rest in between. */
static void pause_and_resume(void *argument) {
  struct two_changes *two = argument;
  two->first = jobs_change(server.jobs, two->id, JOB_CHANGE_PAUSE);
  two->second = jobs_change(server.jobs, two->id, JOB_CHANGE_RESUME);
}

static void a_job_resumed_before_it_came_to_rest_goes_on(void) {
  open_new();
  jobs_start(server.jobs);
  struct creation c = create(LONG, NULL);
  CHECK(comes_to(c.id, "running") && has_advanced(c.id, 1000));
  struct two_changes two = {.id = c.id};
  on_store(pause_and_resume, &two);
  CHECK(two.first == JOB_CHANGED && two.second == JOB_CHANGED);
  double step = atof(member(c.id, "/progress/step"));
  CHECK(has_advanced(c.id, step + 100000));
  CHECK(is(c.id, "running"));
  CHECK_INT(change(c.id, JOB_CHANGE_CANCEL), JOB_CHANGED);
  CHECK(comes_to(c.id, "cancelled"));
  remove_all();
}

static void a_drained_job_goes_on_and_ends_with_the_bits_of_an_undisturbed_one(void) {
#define LASTING(name) MCMC("400000", name, ",\"seed\":11")
  open_new();
  jobs_start(server.jobs);
  struct creation whole = create(LASTING("whole"), NULL);
  CHECK(comes_to(whole.id, "succeeded"));
  struct creation parts = create(LASTING("parts"), NULL);
  for (int k = 0; k < 6; k++) { /* more often than a crash may be met */
    if (has_advanced(parts.id, 1000 * (k + 1)) && !is(parts.id, "running")) break;
    shut();
    reopen();
    jobs_start(server.jobs);
  }
  CHECK(comes_to(parts.id, "succeeded"));
  CHECK_TEXT(member(parts.id, "/attempt"), "1");
  size_t size, size2;
  char *a = rows_of("whole", &size), *b = rows_of("parts", &size2);
  CHECK(size == size2 && size > 0 && memcmp(a, b, size) == 0);
  free(a);
  free(b);
  remove_all();
}

/* In a child: open, run what `body` says or what is there, kill oneself after some steps. */
static void run_and_die(const char *body, double step, int out) {
  reopen();
  if (body) on_store(add_model, "dw");
  jobs_start(server.jobs);
  struct creation c = {.body = body};
  if (body) {
    c = create(body, NULL);
  } else {
    ssize_t n = read(out, c.id, JOB_ID_SIZE);
    if (n != JOB_ID_SIZE) _exit(1);
  }
  if (!comes_to(c.id, "running") || !has_advanced(c.id, step)) _exit(1);
  if (body && write(out, c.id, JOB_ID_SIZE) != JOB_ID_SIZE) _exit(1);
  store_flush(server.store); /* a resume file that it came past is there */
  kill(getpid(), SIGKILL);
}

/* Run a child that dies; its job's id is taken from the first and given to the later ones. */
static void crash(const char *body, char id[JOB_ID_SIZE], double step) {
  int ends[2], status;
  CHECK_INT(pipe(ends), 0);
  if (!body) CHECK_INT(write(ends[1], id, JOB_ID_SIZE), JOB_ID_SIZE);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) run_and_die(body, step, body ? ends[1] : ends[0]);
  CHECK_INT(waitpid(child, &status, 0), child);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  close(ends[1]); /* a child that ended too early must not keep the read waiting */
  if (body) CHECK_INT(read(ends[0], id, JOB_ID_SIZE), JOB_ID_SIZE);
  close(ends[0]);
}

static void a_killed_job_goes_on_and_its_attempt_counts(void) {
  char id[JOB_ID_SIZE];
  new_directory();
  crash(MCMC("400000", "parts", ",\"seed\":11"), id, 100000); /* two resume files lie before */
  reopen();
  CHECK(is(id, "queued"));
  CHECK_TEXT(member(id, "/attempt"), "2");
  struct events events = events_of(id);
  CHECK(events.ascending && events.last > 10000); /* numbers that were lost are not given again */
  jobs_start(server.jobs);
  CHECK(comes_to(id, "succeeded"));
  struct creation whole = create(MCMC("400000", "whole", ",\"seed\":11"), NULL);
  CHECK(comes_to(whole.id, "succeeded"));
  size_t size, size2;
  char *a = rows_of("whole", &size), *b = rows_of("parts", &size2);
  CHECK(size == size2 && size > 0 && memcmp(a, b, size) == 0);
  free(a);
  free(b);
  remove_all();
}

static void three_crashes_without_a_resume_file_are_a_crash_loop(void) {
  char id[JOB_ID_SIZE];
  new_directory();
  crash(LONG, id, 1000); /* its first resume file is 10^8 steps away */
  crash(NULL, id, 1000);
  crash(NULL, id, 1000);
  reopen();
  CHECK(is(id, "failed"));
  CHECK_TEXT(member(id, "/error/reason"), "CRASH_LOOP");
  CHECK(strstr(member(id, "/error/detail"), "3 times") != NULL);
  CHECK(*member(id, "/finished_at"));
  jobs_start(server.jobs);
  store_flush(server.store);
  CHECK(is(id, "failed"));
  remove_all();
}

static void a_resume_file_forgives_the_crashes_before_it(void) {
  char id[JOB_ID_SIZE];
  new_directory();
  for (int k = 0; k < 4; k++) /* every one comes past another resume file */
    crash(k ? NULL : MCMC("4000000", "d", ""), id, 450000 * (k + 1));
  reopen();
  CHECK(is(id, "queued"));
  CHECK_TEXT(member(id, "/attempt"), "5");
  remove_all();
}

static void the_same_key_and_body_give_the_same_job(void) {
  open_new();
  struct creation a = create(SHORT, "key-1"), b = create(SHORT, "key-1");
  CHECK(a.created && !b.created);
  CHECK_INT(b.status, BOLTZ_OK);
  CHECK_TEXT(b.id, a.id);
  struct creation c = create(MCMC("1000", "other", ""), "key-1");
  CHECK_INT(c.status, BOLTZ_OUT_OF_RANGE);
  CHECK_TEXT(c.reason, "IDEMPOTENCY_MISMATCH");
  struct creation d = create(MCMC("1000", "other", ""), "key");
  CHECK(d.created);
  shut();
  reopen();
  jobs_start(server.jobs);
  CHECK(comes_to(a.id, "succeeded"));
  struct creation e = create(SHORT, "key-1"); /* though its dataset is there by now */
  CHECK_INT(e.status, BOLTZ_OK);
  CHECK_TEXT(e.id, a.id);
  CHECK_INT(delete_job(a.id), REGISTRY_CREATED);
  struct creation f = create(MCMC("1000", "third", ""), "key-1"); /* its job is gone: it is free */
  CHECK(f.created);
  remove_all();
}

static void a_dataset_or_model_in_use_stays(void) {
  open_new();
  struct creation c = create(SHORT, NULL);
  char id[JOB_ID_SIZE];
  CHECK(jobs_using(server.jobs, "dw", NULL, id));
  CHECK_TEXT(id, c.id);
  CHECK(jobs_using(server.jobs, NULL, "short", id));
  CHECK(!jobs_using(server.jobs, "other", "other", id));
  CHECK_INT(registry_delete_model(server.registry, "dw"), REGISTRY_IN_USE);
  CHECK(strstr(boltz_error(), c.id) != NULL);
  struct creation again = create(SHORT, NULL);
  CHECK_INT(again.status, BOLTZ_OUT_OF_RANGE);
  CHECK_TEXT(again.reason, "ALREADY_EXISTS");
  jobs_start(server.jobs);
  CHECK(comes_to(c.id, "succeeded"));
  CHECK_INT(registry_delete_model(server.registry, "dw"), REGISTRY_CREATED);
  CHECK_INT(registry_delete_dataset(server.registry, "short"), REGISTRY_CREATED);
  remove_all();
}

struct names {
  char text[200];
  int n;
};

static void gather(void *argument, const char *id) {
  struct names *names = argument;
  strcat(strcat(names->text, id), " ");
  names->n++;
}

static void jobs_are_listed_newest_first_by_filter(void) {
  open_new();
  struct creation a = create(MCMC("1000", "a", ""), NULL);
  struct creation b = create(MCMC("1000", "b", ""), NULL);
  struct creation c = create(MCMC("1000", "c", ""), NULL);
  change(b.id, JOB_CHANGE_PAUSE);
  bool more;
  char expected[200];
  struct names page = {{0}, 0};
  jobs_each(server.jobs, NULL, 2, NULL, NULL, NULL, &more, gather, &page);
  snprintf(expected, sizeof expected, "%s %s ", c.id, b.id);
  CHECK_TEXT(page.text, expected);
  CHECK(more);
  page = (struct names){{0}, 0};
  jobs_each(server.jobs, b.id, 2, "dw", "mcmc", NULL, &more, gather, &page);
  snprintf(expected, sizeof expected, "%s ", a.id);
  CHECK_TEXT(page.text, expected);
  CHECK(!more);
  page = (struct names){{0}, 0};
  jobs_each(server.jobs, NULL, 5, NULL, NULL, "paused", &more, gather, &page);
  snprintf(expected, sizeof expected, "%s ", b.id);
  CHECK_TEXT(page.text, expected);
  page = (struct names){{0}, 0};
  jobs_each(server.jobs, NULL, 5, "other", NULL, NULL, &more, gather, &page);
  CHECK_INT(page.n, 0);
  remove_all();
}

static void the_history_is_thinned_and_ends_with_the_last_point(void) {
  open_new();
  jobs_start(server.jobs);
  struct creation c = create(SHORT, NULL);
  CHECK(comes_to(c.id, "succeeded"));
  cJSON *all = jobs_history(server.jobs, c.id, 500), *few = jobs_history(server.jobs, c.id, 7);
  const cJSON *step = cJSON_GetObjectItem(all, "step");
  CHECK_INT(cJSON_GetArraySize(step), 100); /* a hundred events a run */
  const cJSON *series = cJSON_GetObjectItem(all, "series");
  CHECK_INT(cJSON_GetArraySize(cJSON_GetObjectItem(series, "acceptance")), 100);
  int n = cJSON_GetArraySize(cJSON_GetObjectItem(few, "step"));
  CHECK(n > 1 && n <= 7);
  char *text = json_take_text(cJSON_Duplicate(cJSON_GetObjectItem(few, "step"), 1));
  CHECK(text && strstr(text, ",1000]") != NULL);
  free(text);
  cJSON_Delete(all);
  cJSON_Delete(few);
  CHECK(jobs_history(server.jobs, "job_no", 5) == NULL);
  remove_all();
}

static void a_full_disk_fails_the_job_and_publishes_nothing(void) {
  open_new();
  struct rlimit limit;
  getrlimit(RLIMIT_FSIZE, &limit);
  struct rlimit tight = {.rlim_cur = 1 << 17, .rlim_max = limit.rlim_max};
  signal(SIGXFSZ, SIG_IGN);
  /* 2^17 bytes hold the rows of the database, not 4 * 10000 configurations of two doubles */
  struct creation c = create(MCMC("100000", "large", ""), NULL);
  setrlimit(RLIMIT_FSIZE, &tight);
  jobs_start(server.jobs);
  CHECK(comes_to(c.id, "failed"));
  setrlimit(RLIMIT_FSIZE, &limit);
  CHECK_TEXT(member(c.id, "/error/reason"), "STORE");
  struct dataset dataset;
  CHECK(!registry_dataset(server.registry, "large", &dataset));
  struct creation d = create(SHORT, NULL);
  CHECK(comes_to(d.id, "succeeded"));
  shut();
  reopen();
  CHECK(!registry_dataset(server.registry, "large", &dataset));
  CHECK(is(c.id, "failed"));
  remove_all();
}

/* A limit that no write of the store can keep. */
static struct rlimit fill_the_disk(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_FSIZE, &limit);
  struct rlimit tight = {.rlim_cur = 100, .rlim_max = limit.rlim_max};
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &tight);
  return limit;
}

static void a_job_that_the_store_refused_to_start_starts_once_there_is_room(void) {
  open_new();
  struct creation c = create(SHORT, NULL);
  struct rlimit limit = fill_the_disk();
  jobs_start(server.jobs);
  store_flush(server.store);
  CHECK(is(c.id, "queued") && !store_healthy(server.store));
  setrlimit(RLIMIT_FSIZE, &limit);
  CHECK(comes_to(c.id, "succeeded")); /* without any request */
  CHECK_TEXT(events_of(c.id).states, "queued running succeeded ");
  remove_all();
}

struct row_search {
  const char *prefix, *part;
  enum store_table table;
  int n, with_part;
};

static void note_row(void *argument, const char *key, const char *body) {
  struct row_search *search = argument;
  (void)key;
  search->n++;
  if (search->part && strstr(body, search->part)) search->with_part++;
}

static void run_search(void *argument) {
  struct row_search *search = argument;
  CHECK_INT(store_each(server.store, search->table, search->prefix, note_row, search), BOLTZ_OK);
}

static bool store_comes_to_hold(enum store_table table, const char *id, const char *part) {
  struct row_search search = {0};
  for (int k = 0; k < 1000 && !search.with_part; k++) {
    search = (struct row_search){id, part, table, 0, 0};
    on_store(run_search, &search);
    usleep(10000);
  }
  return search.with_part > 0;
}

struct full_disk {
  const char *id;
  struct rlimit limit;
};

/* The pause is stored; that the work has come to rest cannot be. */
static void pause_and_fill_the_disk(void *argument) {
  struct full_disk *full = argument;
  CHECK_INT(jobs_change(server.jobs, full->id, JOB_CHANGE_PAUSE), JOB_CHANGED);
  full->limit = fill_the_disk();
}

static void what_the_store_refused_is_stored_once_there_is_room(void) {
  open_new();
  jobs_start(server.jobs);
  struct creation c = create(LONG, NULL);
  CHECK(comes_to(c.id, "running") && has_advanced(c.id, 1000));
  struct full_disk full = {.id = c.id};
  on_store(pause_and_fill_the_disk, &full);
  CHECK(comes_to(c.id, "paused"));
  setrlimit(RLIMIT_FSIZE, &full.limit);
  CHECK(store_comes_to_hold(STORE_JOBS, c.id, "\"status\":\"paused\""));
  CHECK(store_comes_to_hold(STORE_EVENTS, c.id, "paused"));
  struct events before = events_of(c.id);
  shut();
  reopen();
  CHECK(is(c.id, "paused"));
  struct events after = events_of(c.id);
  CHECK(after.n == before.n && after.last == before.last);
  CHECK_TEXT(after.states, "queued running paused ");
  remove_all();
}

static void a_job_that_ran_when_the_daemon_died_goes_on_though_the_disk_was_full(void) {
  char id[JOB_ID_SIZE];
  new_directory();
  crash(MCMC("400000", "d", ""), id, 100000);
  /* The store opens, and takes nothing when the jobs are loaded. */
  CHECK_INT(store_open(&server, dir, &server.store), BOLTZ_OK);
  server.pool = pool_open(2, 0.5, 0);
  CHECK_INT(registry_open(&server, &server.registry), BOLTZ_OK);
  struct rlimit limit = fill_the_disk();
  CHECK_INT(jobs_open(&server, &server.jobs), BOLTZ_OK);
  CHECK(is(id, "queued"));
  CHECK_TEXT(member(id, "/attempt"), "2");
  jobs_start(server.jobs);
  store_flush(server.store);
  CHECK(is(id, "queued"));
  setrlimit(RLIMIT_FSIZE, &limit);
  CHECK(comes_to(id, "succeeded"));
  CHECK_TEXT(member(id, "/attempt"), "2");
  remove_all();
}

/* What happens when a worker logs while the store thread writes, made to happen. */
static void log_while_writing(void *argument) {
  pthread_mutex_lock(&server.jobs->mutex);
  struct job *job = jobs_find(server.jobs, argument);
  pthread_mutex_unlock(&server.jobs->mutex);
  struct job_life same = job->state->life;
  for (int k = 0; k < 4000; k++) job_event_log(job, "before");
  CHECK_INT(store_begin(server.store), BOLTZ_OK);
  CHECK_INT(job_write(job, &same), BOLTZ_OK);
  for (int k = 0; k < 200; k++) job_event_log(job, "meanwhile"); /* from 4096 on they are thinned */
  CHECK_INT(store_commit(server.store), BOLTZ_OK);
  job_written(job, &same);
}

static void events_thinned_while_they_are_written_leave_the_store(void) {
  open_new();
  struct creation c = create(SHORT, NULL);
  on_store(log_while_writing, c.id);
  store_flush(server.store); /* the events' own flush, posted by the first of them */
  struct events events = events_of(c.id);
  CHECK(events.n < 4000);
  struct row_search search = {c.id, NULL, STORE_EVENTS, 0, 0};
  on_store(run_search, &search);
  CHECK_INT(search.n, events.n);
  remove_all();
}

static void finished_jobs_go_after_their_time(void) {
  open_new();
  jobs_start(server.jobs);
  struct creation c = create(SHORT, NULL), p = create(LONG, NULL);
  CHECK(comes_to(c.id, "succeeded"));
  change(p.id, JOB_CHANGE_PAUSE);
  CHECK(comes_to(p.id, "paused"));
  shut();
  config.keep_jobs = 0;
  reopen();
  jobs_start(server.jobs);
  store_flush(server.store);
  CHECK(jobs_record(server.jobs, c.id) == NULL);
  CHECK(is(p.id, "paused"));
  config.keep_jobs = 90;
  remove_all();
}

static void a_training_publishes_a_version_that_serves(void) {
  static const char body[] =
      "{\"kind\":\"train\",\"model\":\"dw\",\"flow\":{\"base\":\"normal\",\"layers\":[{\"type\":"
      "\"realnvp\",\"blocks\":1,\"hidden\":[4]}]},\"data\":{\"walkers\":4,\"burn_in\":10,"
      "\"steps\":100,\"stride\":10},\"stages\":[{\"steps\":5,\"batch\":64}]}";
  open_new();
  jobs_start(server.jobs);
  struct creation c = create(body, NULL);
  CHECK_INT(c.status, BOLTZ_OK);
  CHECK(comes_to(c.id, "succeeded"));
  CHECK_TEXT(member(c.id, "/result/version"), "1");
  struct model *model = registry_model(server.registry, "dw");
  struct version *version;
  CHECK_INT(registry_version(server.registry, model, 0, &version), VERSION_READY);
  CHECK_INT(version->checkpoint.step, 5);
  version_release(version);
  model_release(model);
  remove_all();
}

/* 128 walkers look at 32 places each, and 118 000 pairs of particles in each of them. */
static void a_search_for_places_to_start_from_is_cancelled_within_a_second(void) {
  static const char *const bodies[] = {
      "{\"kind\":\"train\",\"model\":\"bath\",\"flow\":{\"base\":\"normal\",\"layers\":[{\"type\":"
      "\"realnvp\",\"blocks\":1,\"hidden\":[4]}]},\"data\":{\"walkers\":128,\"rungs\":1,\"burn_"
      "in\":0,"
      "\"steps\":100000,\"stride\":100000},\"stages\":[{\"steps\":5,\"batch\":64}]}",
      "{\"kind\":\"mcmc\",\"model\":\"bath\",\"walkers\":128,\"burn_in\":0,\"steps\":100000,"
      "\"stride\":100000,\"dataset\":\"bath\"}"};
  open_new();
  on_store(add_many_particles, "bath");
  jobs_start(server.jobs);
  for (int k = 0; k < 2; k++) {
    struct creation c = create(bodies[k], NULL);
    CHECK_MSG(c.status == BOLTZ_OK, "%s", boltz_error());
    CHECK(comes_to(c.id, "running"));
    usleep(100000);
    CHECK_INT(atoi(member(c.id, "/progress/step")), 0);
    const int64_t before = monotonic_ms();
    CHECK_INT(change(c.id, JOB_CHANGE_CANCEL), JOB_CHANGED);
    CHECK(comes_to(c.id, "cancelled"));
    CHECK_MSG(monotonic_ms() - before < 1000, "%lld ms", (long long)(monotonic_ms() - before));
  }
  remove_all();
}

/* ---- many threads ---- */

static void *look_all_the_time(void *argument) {
  atomic_bool *stop = argument;
  while (!atomic_load(stop)) {
    struct names names = {{0}, 0};
    bool more, finished;
    jobs_each(server.jobs, NULL, 1, NULL, NULL, NULL, &more, gather, &names);
    char *end = strchr(names.text, ' ');
    if (!end) continue;
    *end = 0;
    struct events events = {.ascending = true};
    cJSON_Delete(jobs_record(server.jobs, names.text));
    cJSON_Delete(jobs_history(server.jobs, names.text, 20));
    jobs_events(server.jobs, names.text, 0, 50, &finished, note_event, &events);
    int counts[6];
    jobs_counts(server.jobs, counts);
  }
  return NULL;
}

static void clients_may_look_while_jobs_come_and_go(void) {
  open_new();
  config.jobs = 3;
  atomic_bool stop = false;
  pthread_t threads[2];
  for (int k = 0; k < 2; k++) pthread_create(&threads[k], NULL, look_all_the_time, &stop);
  jobs_start(server.jobs);
  char body[300], ids[12][JOB_ID_SIZE];
  for (int k = 0; k < 12; k++) {
    snprintf(body, sizeof body, MCMC("3000", "d%d", ""), k);
    struct creation c = create(body, NULL);
    CHECK_INT(c.status, BOLTZ_OK);
    memcpy(ids[k], c.id, JOB_ID_SIZE);
    if (k % 3 == 0) change(c.id, JOB_CHANGE_PAUSE);
  }
  for (int k = 0; k < 12; k += 3) change(ids[k], JOB_CHANGE_RESUME);
  for (int k = 0; k < 12; k++) CHECK(comes_to(ids[k], "succeeded"));
  for (int k = 0; k < 12; k++) CHECK_INT(delete_job(ids[k]), REGISTRY_CREATED);
  atomic_store(&stop, true);
  for (int k = 0; k < 2; k++) pthread_join(threads[k], NULL);
  config.jobs = 1;
  remove_all();
}

int main(int argc, char **argv) {
  server.log = log_open(LOG_ERROR);
  /* First those that fork: a child of a process with threads is no place to start anything. */
  RUN(a_killed_job_goes_on_and_its_attempt_counts);
  RUN(three_crashes_without_a_resume_file_are_a_crash_loop);
  RUN(a_resume_file_forgives_the_crashes_before_it);
  RUN(a_job_that_ran_when_the_daemon_died_goes_on_though_the_disk_was_full);
  RUN(a_job_runs_to_its_end_and_shows_it);
  RUN(bad_bodies_are_refused_with_their_reason);
  RUN(jobs_run_in_order_of_creation_one_at_a_time);
  RUN(a_queued_job_pauses_resumes_and_is_cancelled_at_once);
  RUN(a_paused_job_stays_paused_over_a_restart_and_then_goes_on);
  RUN(a_job_resumed_before_it_came_to_rest_goes_on);
  RUN(a_drained_job_goes_on_and_ends_with_the_bits_of_an_undisturbed_one);
  RUN(the_same_key_and_body_give_the_same_job);
  RUN(a_dataset_or_model_in_use_stays);
  RUN(jobs_are_listed_newest_first_by_filter);
  RUN(the_history_is_thinned_and_ends_with_the_last_point);
  RUN(a_full_disk_fails_the_job_and_publishes_nothing);
  RUN(a_job_that_the_store_refused_to_start_starts_once_there_is_room);
  RUN(what_the_store_refused_is_stored_once_there_is_room);
  RUN(events_thinned_while_they_are_written_leave_the_store);
  RUN(finished_jobs_go_after_their_time);
  RUN(a_training_publishes_a_version_that_serves);
  RUN(a_search_for_places_to_start_from_is_cancelled_within_a_second);
  RUN(clients_may_look_while_jobs_come_and_go);
  log_close(server.log);
  return check_report();
}
