/* test_jobs.c - jobs over HTTP: their life, their events, and what runs beside them. */
#include "tests/http/jobs.h"

static void jobs_are_paused_resumed_and_cancelled(void) {
  char id[40], path[96];
  submit(LONG_JOB, id);
  CHECK(wait_step(id, 5, 30));
  struct answer paused = job_verb(id, "pause");
  CHECK_INT(paused.status, 200);
  answer_free(&paused);
  CHECK(wait_status(id, "paused", 10));
  struct answer rest = job_record(id);
  double step = answer_number(&rest, "progress.step");
  answer_free(&rest);
  snprintf(path, sizeof path, "/v1/jobs/%s", id);
  struct answer refused = call(&server, "DELETE", path, NULL);
  CHECK_INT(refused.status, 409);
  CHECK_TEXT(answer_text(&refused, "reason"), "IN_USE");
  answer_free(&refused);
  struct answer model = call(&server, "DELETE", WELL, NULL);
  CHECK_INT(model.status, 409);
  CHECK(strstr(model.body, id) != NULL);
  answer_free(&model);
  struct answer resumed = job_verb(id, "resume");
  CHECK_INT(resumed.status, 200);
  answer_free(&resumed);
  CHECK(wait_step(id, step + 3, 30));
  struct answer cancelled = job_verb(id, "cancel");
  CHECK_INT(cancelled.status, 200);
  answer_free(&cancelled);
  CHECK(wait_status(id, "cancelled", 10));
  struct answer job = job_record(id);
  CHECK(answer_member(&job, "result")->type == BOLTZ_JSON_NULL);
  CHECK(answer_text(&job, "finished_at") != NULL);
  answer_free(&job);
}

static void a_queued_job_waits_its_turn_and_lists_are_filtered(void) {
  char first[40], second[40];
  submit(LONG_JOB, first);
  submit(LONG_JOB, second);
  CHECK(wait_status(first, "running", 10));
  struct answer job = job_record(second);
  CHECK_TEXT(answer_text(&job, "status"), "queued");
  answer_free(&job);
  struct answer list = call(&server, "GET", "/v1/jobs?status=queued&kind=train", NULL);
  CHECK_INT(answer_member(&list, "items")->n, 1);
  CHECK_TEXT(answer_text(&list, "items.0.id"), second);
  answer_free(&list);
  struct answer newest = call(&server, "GET", "/v1/jobs?page_size=1", NULL);
  CHECK_TEXT(answer_text(&newest, "items.0.id"), second);
  CHECK(answer_text(&newest, "next_page_token") != NULL);
  answer_free(&newest);
  struct answer a = job_verb(second, "cancel"), b = job_verb(first, "cancel");
  CHECK_TEXT(answer_text(&a, "status"), "cancelled");
  answer_free(&a);
  answer_free(&b);
  CHECK(wait_status(first, "cancelled", 10));
}

static void an_idempotency_key_gives_the_same_job(void) {
  const char *const key[] = {"Content-Type: application/json", "Idempotency-Key: \"once-1\"", NULL};
  static const char body[] = SHORT_JOB("77"), other[] = SHORT_JOB("78");
  struct answer a = call_with(&server, "POST", "/v1/jobs", body, sizeof body - 1, key);
  struct answer b = call_with(&server, "POST", "/v1/jobs", body, sizeof body - 1, key);
  struct answer c = call_with(&server, "POST", "/v1/jobs", other, sizeof other - 1, key);
  CHECK_INT(a.status, 202);
  CHECK_INT(b.status, 202);
  CHECK(answer_text(&a, "id") && answer_text(&b, "id"));
  CHECK_TEXT(answer_text(&a, "id"), answer_text(&b, "id"));
  CHECK_INT(c.status, 422);
  CHECK_TEXT(answer_text(&c, "reason"), "IDEMPOTENCY_MISMATCH");
  CHECK(wait_status(answer_text(&a, "id"), "succeeded", 60));
  answer_free(&a);
  answer_free(&b);
  answer_free(&c);
}

static void events_are_listed_and_streamed_to_the_end(void) {
  char id[40], path[128];
  submit(SHORT_JOB("5"), id);
  snprintf(path, sizeof path, "/v1/jobs/%s/events", id);
  const char *const stream[] = {"Accept: text/event-stream", NULL};
  struct answer events = call_with(&server, "GET", path, NULL, 0, stream); /* until the job's end */
  char type[64] = "";
  CHECK_INT(events.status, 200);
  CHECK(answer_header(&events, "Content-Type", type, sizeof type));
  CHECK(strncmp(type, "text/event-stream", 17) == 0);
  CHECK(strstr(events.body, "event: state"));
  CHECK(strstr(events.body, "event: progress"));
  CHECK(strstr(events.body, "\"succeeded\""));
  CHECK(strstr(events.body, "id: 1\n"));
  const char *const later[] = {"Accept: text/event-stream", "Last-Event-ID: 2", NULL};
  struct answer rest = call_with(&server, "GET", path, NULL, 0, later);
  CHECK(!strstr(rest.body, "id: 2\n") && strstr(rest.body, "id: 3\n"));
  struct answer list = call(&server, "GET", path, NULL);
  CHECK(answer_member(&list, "items") && answer_member(&list, "items")->n >= 3);
  answer_free(&events);
  answer_free(&rest);
  answer_free(&list);
}

static void monte_carlo_makes_a_dataset_that_training_can_use(void) {
  static const char body[] =
      "{\"kind\":\"mcmc\",\"model\":\"example-harmonic-pair\",\"seed\":1,\"walkers\":16,"
      "\"burn_in\":200,\"steps\":2000,\"stride\":10,\"dataset\":\"pair-mc\"}";
  struct answer job = run_job(&server, body, 60, NULL);
  CHECK_TEXT(answer_text(&job, "status"), "succeeded");
  CHECK_INT(answer_number(&job, "result.n"), 3200);
  CHECK(answer_number(&job, "result.acceptance") > 0.1);
  CHECK(answer_number(&job, "result.autocorrelation_time") >= 1);
  /* a call a step and walker, and those that found a place to start */
  CHECK(answer_number(&job, "result.energy_calls") > 16 * 2200);
  CHECK(answer_number(&job, "result.energy_calls") <= 16 * 2200 + 16 * 64);
  answer_free(&job);
  struct answer rows = call(&server, "GET", "/v1/datasets/pair-mc?n=3200", NULL);
  double sum = 0;
  const struct boltz_json *row = answer_member(&rows, "x");
  CHECK(row && row->n == 3200);
  for (row = row ? row->child : NULL; row; row = row->next) sum += row->numbers[0];
  /* <x1> = L/2 = 2; sd L/sqrt(12) = 1.15, a few hundred independent draws */
  CHECK_NEAR(sum / 3200, 2, 0.4);
  answer_free(&rows);
  struct answer taken = call(&server, "POST", "/v1/jobs", body);
  CHECK_INT(taken.status, 409);
  CHECK_TEXT(answer_text(&taken, "reason"), "ALREADY_EXISTS");
  answer_free(&taken);
  struct answer wrong = call(&server, "POST", "/v1/jobs",
                             "{\"kind\":\"train\",\"model\":\"example-harmonic-pair\",\"serve\":"
                             "false,\"data\":{\"dataset\":\"pair-mc\"},\"flow\":{\"layers\":[{"
                             "\"type\":\"realnvp\",\"blocks\":1,\"hidden\":[8]}]},\"stages\":[{"
                             "\"steps\":20,\"batch\":100,\"ml\":1}]}");
  CHECK_MSG(wrong.status == 202, "%s", wrong.body);
  /* completed to the model's domains */
  CHECK_TEXT(answer_text(&wrong, "spec.flow.layers.2.type"), "interval");
  CHECK(wait_status(answer_text(&wrong, "id"), "succeeded", 60));
  answer_free(&wrong);
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void samples_are_answered_beside_a_training(void) {
  char id[40];
  submit(LONG_JOB, id);
  CHECK(wait_step(id, 3, 30));
  struct answer before = job_record(id);
  enum { N = 1000 };
  static double seconds[N];
  int bad = 0;
  for (int k = 0; k < N; k++) {
    struct answer sample = call(&server, "POST", WELL "/sample", "{\"n\":1}");
    bad += sample.status != 200;
    seconds[k] = sample.seconds;
    answer_free(&sample);
  }
  struct answer after = job_record(id);
  qsort(seconds, N, sizeof *seconds, by_size);
  printf("     n=1 beside a training: median %.2f ms, p99 %.2f ms\n", 1e3 * seconds[N / 2],
         1e3 * seconds[N * 99 / 100]);
  CHECK_INT(bad, 0);
  CHECK(answer_number(&after, "progress.step") > answer_number(&before, "progress.step"));
  answer_free(&before);
  answer_free(&after);
  struct answer cancelled = job_verb(id, "cancel");
  answer_free(&cancelled);
  CHECK(wait_status(id, "cancelled", 10));
}

int main(int argc, char **argv) {
  daemon_begin(&server);
  RUN(jobs_are_paused_resumed_and_cancelled);
  RUN(a_queued_job_waits_its_turn_and_lists_are_filtered);
  RUN(an_idempotency_key_gives_the_same_job);
  RUN(events_are_listed_and_streamed_to_the_end);
  RUN(monte_carlo_makes_a_dataset_that_training_can_use);
  RUN(samples_are_answered_beside_a_training);
  daemon_end(&server);
  return check_report();
}
