/* test_jobs.c - jobs over HTTP: their life, their durability, and what runs beside them. */
#include <unistd.h>

#include "tests/check.h"
#include "tests/http/client.h"

static struct daemon server;

#define WELL "/v1/models/example-double-well"

/* A training that is over in a second or so, and one that is not. */
#define SMALL_FLOW                                                                               \
  "\"flow\":{\"layers\":[{\"type\":\"actnorm\"},{\"type\":\"realnvp\",\"blocks\":2,\"hidden\":[" \
  "16,"                                                                                          \
  "16]}]},\"data\":{\"walkers\":16,\"steps\":400,\"stride\":4,\"burn_in\":200}"
#define SHORT_JOB(seed)                                                                            \
  "{\"kind\":\"train\",\"model\":\"example-double-well\",\"serve\":false,\"seed\":" seed           \
  "," SMALL_FLOW                                                                                   \
  ",\"checkpoint_every\":20,\"validate_every\":25,\"stages\":[{\"steps\":60,\"batch\":200,\"ml\":" \
  "1},"                                                                                            \
  "{\"steps\":60,\"batch\":200,\"ml\":1,\"kl\":0.5,\"final_learning_rate\":0.1}]}"
#define LONG_JOB                                                                                 \
  "{\"kind\":\"train\",\"model\":\"example-double-well\",\"serve\":false,\"seed\":3," SMALL_FLOW \
  ",\"checkpoint_every\":50,\"stages\":[{\"steps\":100000,\"batch\":2000,\"ml\":1,\"kl\":1}]}"

static void sleep_ms(int ms) {
  usleep((useconds_t)ms * 1000);
}

static struct answer job_record(const char *id) {
  char path[96];
  snprintf(path, sizeof path, "/v1/jobs/%s", id);
  return call(&server, "GET", path, NULL);
}

static struct answer job_verb(const char *id, const char *verb) {
  char path[96];
  snprintf(path, sizeof path, "/v1/jobs/%s/%s", id, verb);
  return call(&server, "POST", path, NULL);
}

/* Wait until a job's status is `status`, or `seconds` have passed. */
static bool wait_status(const char *id, const char *status, double seconds) {
  double end = seconds_now() + seconds;
  while (seconds_now() < end) {
    struct answer job = job_record(id);
    bool there = answer_text(&job, "status") && strcmp(answer_text(&job, "status"), status) == 0;
    answer_free(&job);
    if (there) return true;
    sleep_ms(20);
  }
  return false;
}

static bool wait_step(const char *id, double step, double seconds) {
  double end = seconds_now() + seconds;
  while (seconds_now() < end) {
    struct answer job = job_record(id);
    bool there = answer_number(&job, "progress.step") >= step;
    answer_free(&job);
    if (there) return true;
    sleep_ms(10);
  }
  return false;
}

static void submit(const char *body, char id[40]) {
  struct answer job = call(&server, "POST", "/v1/jobs", body);
  CHECK_MSG(job.status == 202, "%s", job.body);
  snprintf(id, 40, "%s", answer_text(&job, "id") ? answer_text(&job, "id") : "");
  answer_free(&job);
}

static void digest_of(const struct daemon *daemon, const char *body, char digest[65]) {
  struct answer job = run_job(daemon, body, 120, NULL);
  CHECK_MSG(answer_text(&job, "result.digest") != NULL, "%s", job.body);
  snprintf(digest, 65, "%s",
           answer_text(&job, "result.digest") ? answer_text(&job, "result.digest") : "");
  answer_free(&job);
}

static void a_training_job_ends_as_a_version(void) {
  struct answer made = call(&server, "POST", "/v1/jobs", SHORT_JOB("1"));
  char location[128] = "", retry[16] = "";
  CHECK_INT(made.status, 202);
  CHECK(answer_header(&made, "Location", location, sizeof location));
  CHECK(answer_header(&made, "Retry-After", retry, sizeof retry));
  CHECK(answer_text(&made, "id") && strstr(location, answer_text(&made, "id")));
  CHECK_TEXT(answer_text(&made, "seed"), "1");
  CHECK_INT(answer_number(&made, "progress.total_steps"), 120);
  CHECK_TEXT(answer_text(&made, "spec.precision"), "auto");
  CHECK_INT(answer_number(&made, "spec.stages.1.batch"), 200);
  CHECK_TEXT(answer_text(&made, "spec.flow.layers.1.type"), "affine_coupling");
  CHECK(answer_member(&made, "result")->type == BOLTZ_JSON_NULL);
  char id[40];
  snprintf(id, sizeof id, "%s", answer_text(&made, "id"));
  answer_free(&made);
  CHECK(wait_status(id, "succeeded", 60));
  struct answer job = job_record(id);
  CHECK_INT(answer_number(&job, "progress.step"), 120);
  CHECK_NEAR(answer_number(&job, "progress.fraction"), 1, 0);
  CHECK(answer_number(&job, "metrics.ess_fraction") > 0);
  CHECK(isfinite(answer_number(&job, "metrics.loss_ml")));
  double number = answer_number(&job, "result.version");
  CHECK(number >= 2);
  char path[128];
  snprintf(path, sizeof path, WELL "/versions/%.0f", number);
  struct answer version = call(&server, "GET", path, NULL);
  CHECK_INT(version.status, 200);
  CHECK_TEXT(answer_text(&version, "job"), id);
  CHECK_TEXT(answer_text(&version, "digest"), answer_text(&job, "result.digest"));
  CHECK(answer_member(&version, "serving") && !answer_member(&version, "serving")->truth);
  snprintf(path, sizeof path, "/v1/jobs/%s/metrics?max_points=10", id);
  struct answer history = call(&server, "GET", path, NULL);
  CHECK_INT(history.status, 200);
  CHECK(answer_member(&history, "step")->n >= 2 && answer_member(&history, "step")->n <= 10);
  CHECK(answer_member(&history, "series.loss")->n == answer_member(&history, "step")->n);
  struct answer cancelled = job_verb(id, "cancel");
  struct answer paused = job_verb(id, "pause");
  CHECK_INT(cancelled.status, 200);
  CHECK_TEXT(answer_text(&cancelled, "status"), "succeeded");
  CHECK_INT(paused.status, 409);
  CHECK_TEXT(answer_text(&paused, "reason"), "JOB_FINISHED");
  snprintf(path, sizeof path, "/v1/jobs/%s", id);
  struct answer gone = call(&server, "DELETE", path, NULL);
  CHECK_INT(gone.status, 204);
  struct answer missing = job_record(id);
  CHECK_INT(missing.status, 404);
  struct answer *all[] = {&job, &version, &history, &cancelled, &paused, &gone, &missing};
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) answer_free(all[k]);
}

static void a_version_is_trained_further_and_its_spec_can_be_sent_again(void) {
  struct answer job =
      run_job(&server,
              "{\"kind\":\"train\",\"model\":\"example-double-well\",\"serve\":false,"
              "\"from_version\":1,\"data\":{\"walkers\":16,\"steps\":400,\"stride\":4,"
              "\"burn_in\":200},\"stages\":[{\"steps\":5,\"batch\":100,"
              "\"learning_rate\":0.0001,\"ml\":1}]}",
              60, NULL);
  CHECK_TEXT(answer_text(&job, "status"), "succeeded");
  /* five small steps leave a good flow good */
  CHECK(answer_number(&job, "result.metrics.ess_fraction") > 0.9);
  const char *spec = strstr(job.body, "\"spec\":{"),
             *end = spec ? strstr(spec, ",\"progress\"") : NULL;
  CHECK(spec && end);
  char *again = spec && end ? strndup(spec + 7, (size_t)(end - spec - 7)) : NULL;
  struct answer second = call(&server, "POST", "/v1/jobs", again);
  CHECK_MSG(second.status == 202, "%s", second.body);
  CHECK(wait_status(answer_text(&second, "id"), "succeeded", 60));
  free(again);
  answer_free(&job);
  answer_free(&second);
  struct answer other = call(&server, "POST", "/v1/jobs",
                             "{\"kind\":\"train\",\"model\":\"example-double-well\","
                             "\"from_version\":1," SMALL_FLOW "}");
  CHECK_INT(other.status, 422);
  CHECK_TEXT(answer_text(&other, "errors.0.pointer"), "/flow");
  answer_free(&other);
}

/* The file of a job's version, and what the job ended with. */
static struct answer train_in(const char *precision, struct answer *job) {
  char body[1024], path[96];
  snprintf(body, sizeof body,
           "{\"kind\":\"train\",\"model\":\"example-double-well\",\"serve\":false,\"seed\":21,"
           "\"precision\":\"%s\"," SMALL_FLOW
           ",\"stages\":[{\"steps\":40,\"batch\":100,\"ml\":1}]}",
           precision);
  *job = run_job(&server, body, 60, NULL);
  CHECK_MSG(strcmp(answer_text(job, "status"), "succeeded") == 0, "%s", job->body);
  snprintf(path, sizeof path, WELL "/versions/%.0f/checkpoint",
           answer_number(job, "result.version"));
  return call(&server, "GET", path, NULL);
}

static bool same_tensors(const struct answer *a, const struct answer *b) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_safetensors one, other;
  bool same = boltz_safetensors_read(a->body, a->size, arena, &one) == BOLTZ_OK &&
              boltz_safetensors_read(b->body, b->size, arena, &other) == BOLTZ_OK &&
              one.ntensors > 0 && one.ntensors == other.ntensors;
  for (size_t k = 0; same && k < one.ntensors; k++) {
    const struct boltz_safetensor *tensor = boltz_safetensors_tensor(&other, one.tensors[k].name);
    same = tensor && tensor->size == one.tensors[k].size &&
           memcmp(tensor->data, one.tensors[k].data, tensor->size) == 0;
  }
  boltz_arena_close(arena);
  return same;
}

static void what_is_trained_does_not_depend_on_the_precision_that_serves(void) {
  static const char *const precisions[] = {"fp32", "bf16", "int8", "table", "auto"};
  struct answer jobs[5], files[5];
  for (int k = 0; k < 5; k++) {
    files[k] = train_in(precisions[k], &jobs[k]);
    char path[96], said[64];
    const char *named = k < 4 ? precisions[k] : "table"; /* two coordinates: the first candidate */
    snprintf(path, sizeof path, WELL "/versions/%.0f", answer_number(&jobs[k], "result.version"));
    struct answer version = call(&server, "GET", path, NULL);
    CHECK_TEXT(answer_text(&version, "precision"), named);
    CHECK_TEXT(answer_text(&jobs[k], "spec.precision"), precisions[k]);
    /* its own figures beside those of fp32 */
    CHECK_NEAR(answer_number(&version, "metrics.ess_fraction_fp32"),
               answer_number(&jobs[0], "result.metrics.ess_fraction"), 0);
    CHECK(answer_number(&version, "metrics.ess_fraction") > 0);
    snprintf(path, sizeof path, "/v1/jobs/%s/events", answer_text(&jobs[k], "id"));
    snprintf(said, sizeof said, "serves in %s: ess_fraction 0.", named);
    struct answer events = call(&server, "GET", path, NULL);
    CHECK_MSG(strstr(events.body, said), "%s", events.body);
    /* the last words are the version's summary */
    const char *summary = answer_text(&version, "metrics.summary");
    const char *words = summary ? strstr(events.body, summary) : NULL;
    CHECK_MSG(words && !strstr(words, "\"log\""), "%s: %s", summary, events.body);
    answer_free(&version);
    answer_free(&events);
    CHECK(same_tensors(&files[0], &files[k]));
  }
  /* asked for or found out, it is the same file; any other precision is another one */
  CHECK_TEXT(answer_text(&jobs[4], "result.digest"), answer_text(&jobs[3], "result.digest"));
  for (int k = 0; k < 4; k++)
    for (int l = 0; l < k; l++)
      CHECK(strcmp(answer_text(&jobs[k], "result.digest"), answer_text(&jobs[l], "result.digest")));
  for (int k = 0; k < 5; k++) answer_free(&jobs[k]);
  for (int k = 0; k < 5; k++) answer_free(&files[k]);
}

static void a_precision_that_the_flow_cannot_have_is_refused_at_submission(void) {
  struct answer model = call(&server, "POST", "/v1/models",
                             "{\"name\":\"wide\",\"energy\":{\"kind\":\"double_well\",\"dim\":4}}");
  CHECK_INT(model.status, 201);
  answer_free(&model);
  struct answer job = call(&server, "POST", "/v1/jobs",
                           "{\"kind\":\"train\",\"model\":\"wide\",\"precision\":\"table\"}");
  CHECK_INT(job.status, 422);
  CHECK_TEXT(answer_text(&job, "reason"), "OUT_OF_RANGE");
  CHECK_TEXT(answer_text(&job, "errors.0.pointer"), "/precision");
  CHECK_MSG(strstr(job.body, "several coordinates") && strstr(job.body, "auto, fp32, bf16, int8"),
            "%s", job.body);
  answer_free(&job);
  struct answer gone = call(&server, "DELETE", "/v1/models/wide", NULL);
  CHECK_INT(gone.status, 204); /* no job holds it */
  answer_free(&gone);
}

static void an_upload_in_a_precision_that_its_flow_cannot_have_is_a_bad_checkpoint(void) {
  struct answer job =
      run_job(&server,
              "{\"kind\":\"train\",\"model\":\"example-double-well\",\"serve\":false,\"flow\":{"
              "\"layers\":[{\"type\":\"actnorm\"}]},\"data\":{\"walkers\":16,\"steps\":40},"
              "\"stages\":[{\"steps\":2,\"batch\":100,\"ml\":1}]}",
              60, NULL);
  char path[96];
  snprintf(path, sizeof path, WELL "/versions/%.0f/checkpoint",
           answer_number(&job, "result.version"));
  struct answer file = call(&server, "GET", path, NULL);
  char *word = memmem(file.body, file.size, "\"fp32\"", 6); /* all that auto can come to */
  CHECK_MSG(word != NULL, "%s", job.body);
  if (word) memcpy(word, "\"int8\"", 6);
  const char *const bytes[] = {"Content-Type: application/octet-stream", NULL};
  struct answer up =
      call_with(&server, "POST", WELL "/versions?serve=false", file.body, file.size, bytes);
  CHECK_INT(up.status, 422);
  CHECK_TEXT(answer_text(&up, "reason"), "BAD_CHECKPOINT");
  CHECK_MSG(strstr(up.body, "precision"), "%s", up.body);
  answer_free(&job);
  answer_free(&file);
  answer_free(&up);
}

static void a_new_version_is_swapped_in_without_a_dropped_request(void) {
  char id[40];
  submit("{\"kind\":\"train\",\"model\":\"example-double-well\",\"seed\":9," SMALL_FLOW
         ",\"stages\":[{\"steps\":100,\"batch\":100,\"ml\":1}]}",
         id);
  double first = 0, last = 0, end = seconds_now() + 60;
  int bad = 0;
  bool done = false;
  while (seconds_now() < end && !done) {
    struct answer sample = call(&server, "POST", WELL "/sample", "{\"n\":10}");
    if (sample.status != 200) bad++;
    last = answer_number(&sample, "version");
    if (first == 0) first = last;
    done = last != first;
    answer_free(&sample);
  }
  CHECK_INT(bad, 0);
  CHECK_MSG(last > first, "version %g, then %g", first, last);
  struct answer back = call(&server, "PATCH", WELL, "{\"serving\":1}");
  CHECK_INT(back.status, 200);
  CHECK_INT(answer_number(&back, "serving"), 1);
  answer_free(&back);
}

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

/* Data by replica exchange are part of it. */
static void any_number_of_workers_trains_the_same_bytes(void) {
  char two[65], other[65];
  digest_of(&server, SHORT_JOB("11"), two);
  digest_of(&server, SHORT_JOB("12"), other);
  CHECK(strcmp(other, two) != 0);
  for (int workers = 1; workers <= 3; workers += 2) {
    struct daemon mine;
    char digest[65];
    daemon_directory(&mine);
    CHECK(daemon_start(&mine, workers, NULL));
    digest_of(&mine, SHORT_JOB("11"), digest);
    CHECK_TEXT(digest, two);
    daemon_end(&mine);
  }
}

static void any_number_of_workers_runs_the_same_chains(void) {
  static const char body[] =
      "{\"kind\":\"mcmc\",\"model\":\"example-harmonic-pair\",\"seed\":6,\"walkers\":29,"
      "\"burn_in\":30,\"steps\":700,\"stride\":7,\"dataset\":\"pair-by-many\"}";
  char digests[3][65];
  for (int workers = 1; workers <= 3; workers++) {
    struct daemon mine;
    daemon_directory(&mine);
    CHECK(daemon_start(&mine, workers, NULL));
    struct answer job = run_job(&mine, body, 60, NULL);
    CHECK_TEXT(answer_text(&job, "status"), "succeeded");
    CHECK_INT(answer_number(&job, "result.energy_calls"), 29 * (730 + 32));
    answer_free(&job);
    struct answer rows = call(&mine, "GET", "/v1/datasets/pair-by-many", NULL);
    const char *digest = answer_text(&rows, "digest");
    snprintf(digests[workers - 1], 65, "%s", digest ? digest : "none");
    answer_free(&rows);
    daemon_end(&mine);
  }
  CHECK_INT(strlen(digests[0]), 64);
  CHECK_TEXT(digests[1], digests[0]);
  CHECK_TEXT(digests[2], digests[0]);
}

/* Kill -9 somewhere in the middle, twice; the digest is that of a quiet run. */
static void a_killed_training_goes_on_to_the_same_bytes(void) {
  static const char body[] =
      "{\"kind\":\"train\",\"model\":\"example-double-well\",\"serve\":false,\"seed\":"
      "21," SMALL_FLOW
      ",\"checkpoint_every\":40,\"stages\":[{\"steps\":400,\"batch\":1000,\"ml\":1,\"kl\":1}]}";
  char quiet[65], id[40], path[96];
  digest_of(&server, body, quiet);
  struct daemon victim;
  daemon_directory(&victim);
  CHECK(daemon_start(&victim, 2, NULL));
  struct answer job = call(&victim, "POST", "/v1/jobs", body);
  CHECK_INT(job.status, 202);
  snprintf(id, sizeof id, "%s", answer_text(&job, "id"));
  snprintf(path, sizeof path, "/v1/jobs/%s", id);
  answer_free(&job);
  static const double steps[] = {60, 210};
  for (int k = 0; k < 2; k++) {
    double end = seconds_now() + 60, step = 0;
    while (seconds_now() < end && !(step >= steps[k])) {
      job = call(&victim, "GET", path, NULL);
      step = answer_number(&job, "progress.step");
      answer_free(&job);
    }
    daemon_kill(&victim);
    CHECK(daemon_start(&victim, 2, NULL));
  }
  double end = seconds_now() + 120;
  bool finished = false;
  char digest[65] = "";
  while (seconds_now() < end && !finished) {
    job = call(&victim, "GET", path, NULL);
    CHECK_INT(job.status, 200);
    finished = answer_text(&job, "result.digest") != NULL;
    if (finished) {
      snprintf(digest, sizeof digest, "%s", answer_text(&job, "result.digest"));
      CHECK(answer_number(&job, "attempt") >= 2);
    }
    answer_free(&job);
    sleep_ms(50);
  }
  CHECK_TEXT(digest, quiet);
  daemon_end(&victim);
}

/* The same for chains: the dataset is that of a quiet run. */
static void a_killed_monte_carlo_goes_on_to_the_same_rows(void) {
  static const char body[] =
      "{\"kind\":\"mcmc\",\"model\":\"example-harmonic-pair\",\"seed\":4,\"walkers\":32,\"burn_"
      "in\":0,"
      "\"steps\":200000,\"stride\":1000,\"dataset\":\"long-mc\"}";
  struct answer job = run_job(&server, body, 120, NULL);
  CHECK_TEXT(answer_text(&job, "status"), "succeeded");
  answer_free(&job);
  struct answer quiet = call(&server, "GET", "/v1/datasets/long-mc", NULL);
  struct daemon victim;
  daemon_directory(&victim);
  CHECK(daemon_start(&victim, 2, NULL));
  job = call(&victim, "POST", "/v1/jobs", body);
  char path[96];
  snprintf(path, sizeof path, "/v1/jobs/%s", answer_text(&job, "id"));
  double step = 0, end = seconds_now() + 60;
  while (seconds_now() < end && !(step >= 50000)) {
    answer_free(&job);
    job = call(&victim, "GET", path, NULL);
    step = answer_number(&job, "progress.step");
  }
  CHECK_MSG(step < 200000, "killed too late, at step %g", step);
  daemon_kill(&victim);
  CHECK(daemon_start(&victim, 2, NULL));
  end = seconds_now() + 120;
  do {
    sleep_ms(20);
    answer_free(&job);
    job = call(&victim, "GET", path, NULL);
  } while (seconds_now() < end && answer_member(&job, "result") &&
           answer_member(&job, "result")->type == BOLTZ_JSON_NULL);
  struct answer resumed = call(&victim, "GET", "/v1/datasets/long-mc", NULL);
  CHECK(answer_text(&quiet, "digest") && answer_text(&resumed, "digest"));
  CHECK_TEXT(answer_text(&resumed, "digest"), answer_text(&quiet, "digest"));
  CHECK_INT(answer_number(&job, "attempt"), 2);
  answer_free(&job);
  answer_free(&quiet);
  answer_free(&resumed);
  daemon_end(&victim);
}

static void a_terminated_daemon_goes_on_with_its_job(void) {
  struct daemon mine;
  daemon_directory(&mine);
  CHECK(daemon_start(&mine, 2, NULL));
  struct answer job = call(&mine, "POST", "/v1/jobs", LONG_JOB);
  char path[96];
  snprintf(path, sizeof path, "/v1/jobs/%s", answer_text(&job, "id"));
  answer_free(&job);
  double step = 0, end = seconds_now() + 30;
  while (!(step >= 20) && seconds_now() < end) {
    job = call(&mine, "GET", path, NULL);
    step = answer_number(&job, "progress.step");
    answer_free(&job);
  }
  CHECK_INT(daemon_stop(&mine), 0);
  CHECK(daemon_start(&mine, 2, NULL));
  double after = 0;
  end = seconds_now() + 30;
  while (!(after > step) && seconds_now() < end) {
    job = call(&mine, "GET", path, NULL);
    after = answer_number(&job, "progress.step");
    answer_free(&job);
  }
  CHECK_MSG(after > step, "%g after %g", after, step);
  daemon_end(&mine);
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
  RUN(a_training_job_ends_as_a_version);
  RUN(a_version_is_trained_further_and_its_spec_can_be_sent_again);
  RUN(what_is_trained_does_not_depend_on_the_precision_that_serves);
  RUN(a_precision_that_the_flow_cannot_have_is_refused_at_submission);
  RUN(an_upload_in_a_precision_that_its_flow_cannot_have_is_a_bad_checkpoint);
  RUN(a_new_version_is_swapped_in_without_a_dropped_request);
  RUN(jobs_are_paused_resumed_and_cancelled);
  RUN(a_queued_job_waits_its_turn_and_lists_are_filtered);
  RUN(an_idempotency_key_gives_the_same_job);
  RUN(events_are_listed_and_streamed_to_the_end);
  RUN(monte_carlo_makes_a_dataset_that_training_can_use);
  RUN(any_number_of_workers_trains_the_same_bytes);
  RUN(any_number_of_workers_runs_the_same_chains);
  RUN(a_killed_training_goes_on_to_the_same_bytes);
  RUN(a_killed_monte_carlo_goes_on_to_the_same_rows);
  RUN(a_terminated_daemon_goes_on_with_its_job);
  RUN(samples_are_answered_beside_a_training);
  daemon_end(&server);
  return check_report();
}
