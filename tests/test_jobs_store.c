/* test_jobs_store.c - jobs and their rows in the store: a disk that is full, and room again. */
#include "full_disk.h"
#include "jobs_world.h"
#include "server/job_state.h"

static void a_full_disk_fails_the_job_and_publishes_nothing(void) {
  open_new();
  /* 2^17 bytes hold the rows of the database, not 4 * 10000 configurations of two doubles */
  struct creation c = create(MCMC("100000", "large", ""), NULL);
  struct rlimit limit = limit_files(1 << 17);
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

int main(int argc, char **argv) {
  server.log = log_open(LOG_ERROR);
  RUN(a_full_disk_fails_the_job_and_publishes_nothing);
  RUN(a_job_that_the_store_refused_to_start_starts_once_there_is_room);
  RUN(what_the_store_refused_is_stored_once_there_is_room);
  RUN(events_thinned_while_they_are_written_leave_the_store);
  log_close(server.log);
  return check_report();
}
