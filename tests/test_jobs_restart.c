/* test_jobs_restart.c - jobs over the ends of their daemon: drained, killed, again and again. */
#include <signal.h>
#include <sys/wait.h>

#include "full_disk.h"
#include "jobs_world.h"

static char *rows_of(const char *name, size_t *size) {
  double *rows = NULL;
  size_t n = 0;
  int dim = 0;
  CHECK_MSG(registry_read_dataset(server.registry, name, &rows, &n, &dim) == BOLTZ_OK, "%s",
            boltz_error());
  *size = n * (size_t)dim * sizeof(double);
  return (char *)rows;
}

static void check_same_rows(const char *one, const char *other) {
  size_t size, size2;
  char *a = rows_of(one, &size), *b = rows_of(other, &size2);
  CHECK(size == size2 && size > 0 && memcmp(a, b, size) == 0);
  free(a);
  free(b);
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

/* ---- killed ---- */

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
  check_same_rows("whole", "parts");
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

/* ---- drained ---- */

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
  check_same_rows("whole", "parts");
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

int main(int argc, char **argv) {
  server.log = log_open(LOG_ERROR);
  /* First those that fork: a child of a process with threads is no place to start anything. */
  RUN(a_killed_job_goes_on_and_its_attempt_counts);
  RUN(three_crashes_without_a_resume_file_are_a_crash_loop);
  RUN(a_resume_file_forgives_the_crashes_before_it);
  RUN(a_job_that_ran_when_the_daemon_died_goes_on_though_the_disk_was_full);
  RUN(a_paused_job_stays_paused_over_a_restart_and_then_goes_on);
  RUN(a_drained_job_goes_on_and_ends_with_the_bits_of_an_undisturbed_one);
  RUN(finished_jobs_go_after_their_time);
  log_close(server.log);
  return check_report();
}
