/* demo.c - the whole story in one run: a model, Monte Carlo data, training, samples, and what they
 * say beside the exact values. Exits 0 only if they agree. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/exact.h"
#include "tests/http/client.h"

enum { BINS = 50, WIDTH = 72, HEIGHT = 18 };

static int wrong;

static void agree(const char *what, double got, double error, double exact, double tolerance) {
  bool good = fabs(got - exact) <= tolerance;
  printf("  %-22s %10.5f ± %.5f   exact %10.5f   %s\n", what, got, error, exact,
         good ? "agrees" : "DISAGREES");
  if (!good) wrong++;
}

static void expect(const struct answer *answer, long status, const char *what) {
  if (answer->status == status) return;
  printf("%s: status %ld\n%s\n", what, answer->status, answer->body);
  exit(1);
}

static void bar(const struct answer *job) {
  double fraction = answer_number(job, "progress.fraction");
  double ess = answer_number(job, "metrics.ess_fraction");
  double eta = answer_number(job, "progress.eta_seconds");
  int filled = isfinite(fraction) ? (int)(40 * fraction) : 0;
  if (!isatty(1) && filled < 40) return;
  printf("\r  training [%.*s%.*s] %3.0f %%", filled, "########################################",
         40 - filled, "........................................", 100 * fraction);
  if (isfinite(ess)) printf("  ESS %5.1f %%", 100 * ess);
  if (isfinite(eta)) printf("  %3.0f s left ", eta);
  fflush(stdout);
}

static void picture(const struct answer *estimate, const struct exact_well *well) {
  const struct boltz_json *values = answer_member(estimate, "profiles.0.free_energy");
  static char canvas[HEIGHT][WIDTH + 1];
  memset(canvas, ' ', sizeof canvas);
  double lowest = INFINITY;
  for (int k = 0; k < BINS; k++)
    lowest = fmin(lowest, exact_bin(well, -2.5 + 0.1 * k, -2.4 + 0.1 * k));
  for (int column = 0; column < WIDTH; column++) {
    double x = -2.5 + 5.0 * (column + 0.5) / WIDTH;
    int row = (int)floor(exact_u1(well, x) + well->log_z1 - lowest + 0.5);
    if (row >= 0 && row < HEIGHT) canvas[row][column] = '.';
  }
  const struct boltz_json *child = values->child;
  for (int k = 0; k < BINS; k++) {
    double value = values->numbers ? values->numbers[k] : child->number;
    bool known = values->numbers || child->type == BOLTZ_JSON_NUMBER;
    if (!values->numbers) child = child->next;
    int row = known ? (int)floor(value - lowest + 0.5) : -1;
    if (row >= 0 && row < HEIGHT) canvas[row][(int)((k + 0.5) * WIDTH / BINS)] = 'o';
  }
  printf("\n  free energy along x1 [kT]      o estimated   . exact\n");
  for (int row = HEIGHT - 1; row >= 0; row--) printf("  %4d |%.*s\n", row, WIDTH, canvas[row]);
  printf("       +%.*s\n       -2.5%*s2.5\n\n", WIDTH,
         "------------------------------------------------------------------------------",
         WIDTH - 7, "");
}

static void compare(const struct answer *estimate, const struct exact_well *well) {
  agree("log Z", answer_number(estimate, "log_z.value"), answer_number(estimate, "log_z.stderr"),
        well->log_z, 0.005);
  agree("F(right) - F(left)", answer_number(estimate, "differences.0.value"),
        answer_number(estimate, "differences.0.stderr"), exact_difference(well), 0.02);
  agree("<x1>", answer_number(estimate, "averages.0.value"),
        answer_number(estimate, "averages.0.stderr"), well->mean, 0.01);
  double ess = answer_number(estimate, "ess_fraction");
  printf("  %-22s %10.5f             of 1: every sample independent, verdict %s\n", "ESS/n", ess,
         answer_text(estimate, "verdict"));
  if (!(ess >= 0.9)) wrong++;
}

int main(void) {
  struct daemon daemon;
  struct exact_well well = exact_well(1, 6, 1, 1, 1);
  daemon_directory(&daemon);
  if (!daemon_start(&daemon, (int)sysconf(_SC_NPROCESSORS_ONLN), NULL)) {
    printf("the daemon does not start; see %s/log\n", daemon.data);
    return 1;
  }
  printf("boltzd %s answers at %s\n\n", BOLTZ_VERSION, daemon.url);

  printf("1. register: U = x1^4 - 6 x1^2 + x1 + x2^2/2 at T = 1\n");
  struct answer model = call(&daemon, "POST", "/v1/models",
                             "{\"name\":\"dw\",\"energy\":{\"kind\":\"double_well\"}}");
  expect(&model, 201, "register");

  printf("2. Monte Carlo: 256 walkers by Metropolis\n");
  struct answer chain = run_job(&daemon,
                                "{\"kind\":\"mcmc\",\"model\":\"dw\",\"seed\":1,\"walkers\":256,"
                                "\"dataset\":\"dw-mc\"}",
                                120, NULL);
  printf(
      "   %.0f configurations, acceptance %.2f, autocorrelation time %.0f steps: chains stay in "
      "the well they start in\n",
      answer_number(&chain, "result.n"), answer_number(&chain, "result.acceptance"),
      answer_number(&chain, "result.autocorrelation_time"));

  printf("3. train: the default job (replica exchange, then maximum likelihood and KL)\n");
  double start = seconds_now();
  struct answer job =
      run_job(&daemon, "{\"kind\":\"train\",\"model\":\"dw\",\"seed\":1}", 600, bar);
  if (!answer_text(&job, "status") || strcmp(answer_text(&job, "status"), "succeeded") != 0) {
    printf("\nthe job has not succeeded: %s\n", job.body);
    return 1;
  }
  printf("\n   version %.0f after %.0f s\n", answer_number(&job, "result.version"),
         seconds_now() - start);

  printf("4. estimate from 1 000 000 independent samples\n");
  start = seconds_now();
  struct answer estimate = call(&daemon, "POST", "/v1/models/dw/estimate",
                                "{\"n\":1000000,\"seed\":7,\"averages\":[\"x1\"],\"differences\":[{"
                                "\"coordinate\":\"x1\",\"a\":"
                                "[\"-Infinity\",0],\"b\":[0,\"Infinity\"]}],\"profiles\":[{"
                                "\"coordinate\":\"x1\",\"low\":-2.5,"
                                "\"high\":2.5,\"bins\":50}]}");
  expect(&estimate, 200, "estimate");
  printf("   %.1f s\n\n", seconds_now() - start);
  compare(&estimate, &well);
  picture(&estimate, &well);
  if (wrong)
    printf("%d figures disagree\n", wrong);
  else
    printf("all figures agree\n");
  answer_free(&model);
  answer_free(&chain);
  answer_free(&job);
  answer_free(&estimate);
  daemon_end(&daemon);
  return wrong != 0;
}
