/* test_jobs_same_bytes.c - what a job makes is the same, whatever the workers and the ends of its
 * daemon. */
#include "tests/http/jobs.h"

static void digest_of(const struct daemon *daemon, const char *body, char digest[65]) {
  struct answer job = run_job(daemon, body, 120, NULL);
  CHECK_MSG(answer_text(&job, "result.digest") != NULL, "%s", job.body);
  snprintf(digest, 65, "%s",
           answer_text(&job, "result.digest") ? answer_text(&job, "result.digest") : "");
  answer_free(&job);
}

/* J_RC is of the whole batch, which every worker sees a part of. */
#define SPREAD "\"rc\":1,\"rc_of\":\"x1\",\"rc_low\":-2,\"rc_high\":2"
#define SPREADING_JOB                                                                            \
  "{\"kind\":\"train\",\"model\":\"example-double-well\",\"serve\":false,\"seed\":3," SMALL_FLOW \
  ",\"stages\":[{\"steps\":60,\"batch\":300,\"ml\":0,\"kl\":1," SPREAD "}]}"

/* Data by replica exchange are part of it. */
static void any_number_of_workers_trains_the_same_bytes(void) {
  char two[65], other[65], spread[65];
  digest_of(&server, SHORT_JOB("11"), two);
  digest_of(&server, SHORT_JOB("12"), other);
  digest_of(&server, SPREADING_JOB, spread);
  CHECK(strcmp(other, two) != 0);
  for (int workers = 1; workers <= 3; workers += 2) {
    struct daemon mine;
    char digest[65];
    daemon_directory(&mine);
    CHECK(daemon_start(&mine, workers, NULL));
    digest_of(&mine, SHORT_JOB("11"), digest);
    CHECK_TEXT(digest, two);
    digest_of(&mine, SPREADING_JOB, digest);
    CHECK_TEXT(digest, spread);
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
      ",\"checkpoint_every\":40,\"stages\":[{\"steps\":400,\"batch\":1000,\"ml\":1,\"kl\":1," SPREAD
      "}]}";
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

int main(int argc, char **argv) {
  daemon_begin(&server);
  RUN(any_number_of_workers_trains_the_same_bytes);
  RUN(any_number_of_workers_runs_the_same_chains);
  RUN(a_killed_training_goes_on_to_the_same_bytes);
  RUN(a_killed_monte_carlo_goes_on_to_the_same_rows);
  RUN(a_terminated_daemon_goes_on_with_its_job);
  daemon_end(&server);
  return check_report();
}
