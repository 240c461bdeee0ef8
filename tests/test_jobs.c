/* test_jobs.c - a job's life: how it is asked for, shown, changed, listed and removed. */
#include <pthread.h>

#include "jobs_world.h"
#include "server/clock.h"

static void add_many_particles(void *argument) {
  add_kind("{\"kind\":\"particle_dimer\",\"n_solvent\":484}", argument);
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
  RUN(a_job_runs_to_its_end_and_shows_it);
  RUN(bad_bodies_are_refused_with_their_reason);
  RUN(jobs_run_in_order_of_creation_one_at_a_time);
  RUN(a_queued_job_pauses_resumes_and_is_cancelled_at_once);
  RUN(a_job_resumed_before_it_came_to_rest_goes_on);
  RUN(the_same_key_and_body_give_the_same_job);
  RUN(a_dataset_or_model_in_use_stays);
  RUN(jobs_are_listed_newest_first_by_filter);
  RUN(the_history_is_thinned_and_ends_with_the_last_point);
  RUN(a_training_publishes_a_version_that_serves);
  RUN(a_search_for_places_to_start_from_is_cancelled_within_a_second);
  RUN(clients_may_look_while_jobs_come_and_go);
  log_close(server.log);
  return check_report();
}
