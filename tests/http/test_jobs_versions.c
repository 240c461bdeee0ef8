/* test_jobs_versions.c - what a training leaves: a version, in its precision, and in service. */
#include "tests/http/jobs.h"

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

int main(int argc, char **argv) {
  daemon_begin(&server);
  RUN(a_training_job_ends_as_a_version);
  RUN(a_version_is_trained_further_and_its_spec_can_be_sent_again);
  RUN(what_is_trained_does_not_depend_on_the_precision_that_serves);
  RUN(a_precision_that_the_flow_cannot_have_is_refused_at_submission);
  RUN(an_upload_in_a_precision_that_its_flow_cannot_have_is_a_bad_checkpoint);
  RUN(a_new_version_is_swapped_in_without_a_dropped_request);
  daemon_end(&server);
  return check_report();
}
