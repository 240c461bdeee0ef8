/* test_bases.c - bases with numbers of their own over HTTP: versions without a training, and what
 * is measured of them. */
#include "tests/check.h"
#include "tests/http/client.h"

#define TRAIN(model, rest) "{\"kind\":\"train\",\"model\":\"" model "\",\"seed\":3," rest "}"
#define FLOW(base, layers) "\"flow\":{\"base\":" base ",\"layers\":[" layers "]}"
#define NO_DATA ",\"data\":{\"steps\":0}"
#define FEW_DATA ",\"data\":{\"walkers\":16,\"burn_in\":100,\"steps\":400,\"stride\":20}"

static void model_of(const struct daemon *daemon, const char *name, const char *energy) {
  char body[1024];
  snprintf(body, sizeof body, "{\"name\":\"%s\",\"energy\":%s}", name, energy);
  struct answer answer = call(daemon, "POST", "/v1/models", body);
  CHECK_MSG(answer.status == 201, "%s: %s", name, answer.body);
  answer_free(&answer);
}

static struct answer train(const struct daemon *daemon, const char *body) {
  struct answer job = run_job(daemon, body, 60, NULL);
  CHECK_MSG(answer_text(&job, "status") && strcmp(answer_text(&job, "status"), "succeeded") == 0,
            "%s: %s", body, job.body);
  return job;
}

/* det of {{2, -1, 0}, {-1, 2, -1}, {0, -1, 2}} = 4 */
static const char chain[] =
    "{\"kind\":\"expression\",\"variables\":[\"a\",\"b\",\"c\"],\"u\":\"a^2 + b^2 + c^2 - a*b - "
    "b*c + 7\"}";
#define CHAIN_LOG_Z (1.5 * 1.8378770664093454836 - 0.5 * log(4) - 7)

static void check_chain(const struct daemon *daemon, const char *body, bool data) {
  struct answer job = train(daemon, body);
  CHECK(answer_number(&job, "result.metrics.ess_fraction") > 1 - 1e-9);
  CHECK_NEAR(answer_number(&job, "result.metrics.log_z"), CHAIN_LOG_Z, 1e-6); /* floats */
  CHECK_INT(answer_number(&job, "progress.total_steps"), 0);
  const struct boltz_json *of_data = answer_member(&job, "result.metrics.ess_fraction_data");
  if (data)
    CHECK_MSG(of_data && fabs(of_data->number - 1) < 1e-6, "%s", job.body);
  else
    CHECK(!of_data);
  answer_free(&job);
  struct answer estimate =
      call(daemon, "POST", "/v1/models/chain/estimate",
           "{\"n\":20000,\"seed\":5,\"averages\":[\"x1*x2\",\"x2^2\",\"energy\"]}");
  CHECK_INT(estimate.status, 200);
  CHECK_NEAR(answer_number(&estimate, "log_z.value"), CHAIN_LOG_Z, 1e-6);
  CHECK_NEAR(answer_number(&estimate, "averages.0.value"), 0.5,
             4 * answer_number(&estimate, "averages.0.stderr"));
  CHECK_NEAR(answer_number(&estimate, "averages.1.value"), 1,
             4 * answer_number(&estimate, "averages.1.stderr"));
  CHECK_NEAR(answer_number(&estimate, "averages.2.value"), 8.5,
             4 * answer_number(&estimate, "averages.2.stderr"));
  answer_free(&estimate);
}

static void a_quadratic_energy_is_sampled_exactly_by_a_job_without_stages(void) {
  struct daemon daemon;
  daemon_begin(&daemon);
  model_of(&daemon, "chain", chain);
  check_chain(&daemon, TRAIN("chain", FLOW("\"laplace\"", "") NO_DATA), false);
  check_chain(&daemon, TRAIN("chain", FLOW("\"laplace\"", "") FEW_DATA ",\"stages\":[]"), true);
  daemon_end(&daemon);
}

#define RIGHT(x) "max(0, min(1, 1e9*" x "))"

static void many_wells_have_all_their_modes_with_the_right_weights(void) {
  struct daemon daemon;
  daemon_begin(&daemon);
  model_of(&daemon, "wells", "{\"kind\":\"many_well\",\"dim\":4}");
  struct answer job = train(&daemon, TRAIN("wells", FLOW("\"laplace\"", "") FEW_DATA));
  CHECK_MSG(answer_number(&job, "result.metrics.ess_fraction") > 0.7, "%s", job.body);
  answer_free(&job);
  struct answer estimate = call(&daemon, "POST", "/v1/models/wells/estimate",
                                "{\"n\":50000,\"seed\":1,\"averages\":[\"" RIGHT("x1") "*" RIGHT(
                                    "x3") "\",\"" RIGHT("x1") "*" RIGHT("-x3") "\",\"" RIGHT(
                                    "-x1") "*" RIGHT("x3") "\",\"" RIGHT("-x1") "*" RIGHT("-x3")
                                    "\"]}");
  CHECK_MSG(estimate.status == 200, "%s", estimate.body);
  CHECK_NEAR(answer_number(&estimate, "log_z.value"), 164.695675313 / 8,
             4 * answer_number(&estimate, "log_z.stderr"));
  const double p = 0.844307096; /* of SCIENCE: P(x1 > 0) */
  const double exact[4] = {p * p, p * (1 - p), p * (1 - p), (1 - p) * (1 - p)};
  for (int k = 0; k < 4; k++) {
    char path[40];
    snprintf(path, sizeof path, "averages.%d.stderr", k);
    const double error = answer_number(&estimate, path);
    CHECK(error > 0 && error < 0.005);
    snprintf(path, sizeof path, "averages.%d.value", k);
    CHECK_NEAR(answer_number(&estimate, path), exact[k], 4 * error);
  }
  answer_free(&estimate);
  daemon_end(&daemon);
}

/* An energy that is the mixture itself. */
#define CLOUDS "\"weights\":[0.3,0.7],\"means\":[[-1,0.5],[1.5,0]],\"stds\":[0.5,1]"

static void a_mixture_that_is_given_is_the_density_it_says(void) {
  struct daemon daemon;
  daemon_begin(&daemon);
  model_of(&daemon, "clouds", "{\"kind\":\"gaussian_mixture\"," CLOUDS "}");
  struct answer job =
      train(&daemon, TRAIN("clouds", FLOW("{\"type\":\"mixture\"," CLOUDS "}", "") NO_DATA));
  CHECK(answer_number(&job, "result.metrics.ess_fraction") > 1 - 1e-9);
  CHECK_NEAR(answer_number(&job, "result.metrics.log_z"), 0, 1e-6);
  answer_free(&job);
  daemon_end(&daemon);
}

#define SAMPLE "{\"n\":50,\"seed\":9,\"include\":[\"z\",\"log_q\"]}"

static void a_fitted_base_trains_with_layers_and_comes_back_after_a_restart(void) {
  struct daemon daemon;
  daemon_begin(&daemon);
  daemon.keep_data = true;
  model_of(&daemon, "wells", "{\"kind\":\"many_well\",\"dim\":2}");
  static const char *const bases[] = {
      TRAIN("wells", FLOW("\"laplace\"", "{\"type\":\"realnvp\",\"blocks\":1,\"hidden\":[8]}")
                         NO_DATA ",\"stages\":[{\"steps\":20,\"batch\":64,\"kl\":1}]"),
      TRAIN("wells", FLOW("{\"type\":\"mixture\",\"components\":2}",
                          "{\"type\":\"realnvp\",\"blocks\":1,\"hidden\":[8]}") FEW_DATA
            ",\"stages\":[{\"steps\":20,\"batch\":64,\"ml\":1,\"kl\":1}]")};
  for (int b = 0; b < 2; b++) {
    struct answer job = train(&daemon, bases[b]);
    CHECK(answer_number(&job, "result.metrics.ess_fraction") > 0.5);
    CHECK_INT(answer_number(&job, "progress.step"), 20);
    answer_free(&job);
    struct answer before = call(&daemon, "POST", "/v1/models/wells/sample", SAMPLE);
    CHECK_MSG(before.status == 200, "%s", before.body);
    CHECK_INT(daemon_stop(&daemon), 0);
    CHECK(daemon_start(&daemon, 2, NULL));
    struct answer after = call(&daemon, "POST", "/v1/models/wells/sample", SAMPLE);
    CHECK(before.size == after.size && memcmp(before.body, after.body, after.size) == 0);
    answer_free(&before);
    answer_free(&after);
  }
  daemon.keep_data = false;
  daemon_end(&daemon);
}

static void a_uniform_base_may_have_periods(void) {
  struct daemon daemon;
  daemon_begin(&daemon);
  model_of(&daemon, "ring",
           "{\"kind\":\"expression\",\"variables\":[\"t\"],\"u\":\"cos(t)/2\",\"domain\":{\"t\":{"
           "\"low\":0,\"high\":6.283185307179586,\"periodic\":true}}}");
  struct answer job =
      train(&daemon, TRAIN("ring", FLOW("{\"type\":\"uniform\",\"low\":[0],\"high\":["
                                        "6.283185307179586],\"periodic\":[0]}",
                                        "{\"type\":\"circular_shift\",\"coordinates\":[0]}") NO_DATA
                           ",\"stages\":[{\"steps\":2,\"batch\":8,\"kl\":1}]"));
  /* 2 pi I0(1/2); ESS I0(1/2)^2 / I0(1) */
  CHECK_NEAR(answer_number(&job, "result.metrics.log_z"), log(2 * M_PI * 1.0634833707413236),
             5 * 0.36 / sqrt(20000));
  CHECK_NEAR(answer_number(&job, "result.metrics.ess_fraction"), 0.8933, 0.01);
  answer_free(&job);
  daemon_end(&daemon);
}

static const struct daemon *paused_on;
static int pauses;

/* Pause the job three times, and let it go on. */
static void pause_and_resume(const struct answer *job) {
  const char *status = answer_text(job, "status");
  char path[96];
  const bool running = status && strcmp(status, "running") == 0;
  if (!status || (running && pauses == 3) || (!running && strcmp(status, "paused") != 0)) return;
  pauses += running;
  snprintf(path, sizeof path, "/v1/jobs/%s/%s", answer_text(job, "id"),
           running ? "pause" : "resume");
  struct answer answer = call(paused_on, "POST", path, NULL);
  answer_free(&answer);
}

static void a_fit_that_is_interrupted_ends_in_the_same_bytes(void) {
  struct daemon daemon;
  daemon_begin(&daemon);
  model_of(&daemon, "wells", "{\"kind\":\"many_well\",\"dim\":6}");
  static const char body[] = TRAIN(
      "wells", FLOW("{\"type\":\"mixture\",\"components\":8,\"iterations\":40}",
                    "") ",\"data\":{\"walkers\":64,\"burn_in\":100,\"steps\":1300,\"stride\":20}");
  struct answer whole = train(&daemon, body);
  paused_on = &daemon;
  pauses = 0;
  struct answer parts = run_job(&daemon, body, 60, pause_and_resume);
  CHECK(pauses > 0);
  CHECK_MSG(answer_text(&parts, "result.digest") != NULL, "%s", parts.body);
  CHECK_TEXT(answer_text(&whole, "result.digest"), answer_text(&parts, "result.digest"));
  answer_free(&whole);
  answer_free(&parts);
  daemon_end(&daemon);
}

static void refuse(const struct daemon *daemon, const char *body, const char *pointer,
                   const char *piece) {
  struct answer answer = call(daemon, "POST", "/v1/jobs", body);
  CHECK_MSG(answer.status == 422, "%s: %s", body, answer.body);
  CHECK_MSG(strstr(answer.body, pointer) && strstr(answer.body, piece), "%s: %s", body,
            answer.body);
  answer_free(&answer);
}

static void a_job_that_has_nothing_to_do_is_refused_at_its_place(void) {
  struct daemon daemon;
  daemon_begin(&daemon);
#define WELL(rest) TRAIN("example-double-well", rest)
#define REALNVP "{\"type\":\"realnvp\",\"blocks\":1,\"hidden\":[8]}"
  refuse(&daemon, WELL(FLOW("\"normal\"", "") ""), "/flow/layers", "empty");
  refuse(&daemon, WELL(FLOW("\"normal\"", REALNVP) ",\"stages\":[]"), "/stages", "[1, 64]");
  refuse(&daemon, WELL(FLOW("\"laplace\"", "") ",\"stages\":[{\"kl\":1}]"), "/stages", "no layer");
  refuse(&daemon, WELL(FLOW("\"laplace\"", REALNVP) NO_DATA ",\"stages\":[{\"ml\":1}]"),
         "/data/steps", "needs data");
  refuse(&daemon, WELL(FLOW("{\"type\":\"laplace\",\"starts\":0}", "") ""), "/flow/base/starts",
         "starts");
  /* a fit that cannot be is the job's failure */
  struct answer job = run_job(&daemon, WELL(FLOW("\"mixture\"", "") NO_DATA), 60, NULL);
  CHECK_TEXT(answer_text(&job, "status"), "failed");
  CHECK_MSG(strstr(job.body, "there are none"), "%s", job.body);
  answer_free(&job);
  daemon_end(&daemon);
}

int main(int argc, char **argv) {
  RUN(a_quadratic_energy_is_sampled_exactly_by_a_job_without_stages);
  RUN(many_wells_have_all_their_modes_with_the_right_weights);
  RUN(a_mixture_that_is_given_is_the_density_it_says);
  RUN(a_fitted_base_trains_with_layers_and_comes_back_after_a_restart);
  RUN(a_uniform_base_may_have_periods);
  RUN(a_fit_that_is_interrupted_ends_in_the_same_bytes);
  RUN(a_job_that_has_nothing_to_do_is_refused_at_its_place);
  return check_report();
}
