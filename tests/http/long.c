/* long.c - the full figures as a table: what the default jobs reach, over HTTP, beside what must
 * hold. Usage: [ROW=part of a name] long [settings drawn at random of each kind, default 2] [seed]
 *
 * Every system is trained by a job that names kind, model and seed alone; then one estimate of a
 * million samples is asked. A figure that is short is said, and the next one measured. Exit status
 * 1: something is short. A training over its time is said apart: the machine may be busy. */
#include "tests/http/long.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SAMPLES = 1000000, CHAIN = 100000 };

/* ---- lines ---- */

bool long_wants(const struct bench *bench, const char *name) {
  return strstr(name, bench->wanted) != NULL;
}

static void print_line(const char *system, const char *must, const char *measured,
                       const char *verdict) {
  printf("%-40s %-46s %-36s %s\n", system, must, measured, verdict);
  fflush(stdout);
}

void long_line(struct bench *bench, const char *system, const char *must, const char *measured,
               bool good) {
  good ? bench->passed++ : bench->failed++;
  print_line(system, must, measured, good ? "ok" : "SHORT");
}

void long_figure(struct bench *bench, const char *system, const char *figure, double value,
                 double low, double high) {
  char must[96], measured[32];
  snprintf(must, sizeof must, "%s in [%.6g, %.6g]", figure, low, high);
  snprintf(measured, sizeof measured, "%.6f", value);
  long_line(bench, system, must, measured, value >= low && value <= high);
}

/* ---- trainings and estimates ---- */

static bool register_model(struct bench *bench, const char *model, const char *energy,
                           double temperature, const char *system) {
  struct boltz_text body = {0};
  boltz_text_printf(&body, "{\"name\":\"%s\",\"energy\":%s,\"temperature\":%.17g}", model, energy,
                    temperature);
  struct answer answer = call(&bench->daemon, "POST", "/v1/models", body.data);
  const bool good = answer.status == 201 || answer.status == 200;
  if (!good) long_line(bench, system, "registers", answer.body, false);
  answer_free(&answer);
  boltz_text_free(&body);
  return good;
}

static void say_time(struct bench *bench, const char *system, double took, double limit) {
  char must[48], measured[32];
  snprintf(must, sizeof must, "trains within %g s", limit);
  snprintf(measured, sizeof measured, "%.1f s", took);
  bench->late += took > limit;
  print_line(system, must, measured, took > limit ? "LATE" : "in time");
}

/* One that still runs would slow down the next. */
static void cancel(struct bench *bench, const struct answer *job) {
  char path[96];
  const char *id = answer_text(job, "id");
  if (!id) return;
  snprintf(path, sizeof path, "/v1/jobs/%s/cancel", id);
  struct answer answer = call(&bench->daemon, "POST", path, NULL);
  answer_free(&answer);
}

bool long_train(struct bench *bench, const char *system, const char *model, const char *energy,
                double temperature, const char *rest, double seconds) {
  if (!register_model(bench, model, energy, temperature, system)) return false;
  struct boltz_text body = {0};
  boltz_text_printf(&body, "{\"kind\":\"train\",\"model\":\"%s\",\"seed\":1%s}", model, rest);
  const double start = seconds_now();
  /* how late it is shall be seen, up to a point */
  struct answer job = run_job(&bench->daemon, body.data, 3 * seconds + 60, NULL);
  const double took = seconds_now() - start;
  const char *status = answer_text(&job, "status"), *summary;
  const bool good = status && strcmp(status, "succeeded") == 0;
  say_time(bench, system, took, seconds);
  if (!good) {
    const char *why = answer_text(&job, "error.detail");
    long_line(bench, system, "the job succeeds", why ? why : status ? status : job.body, false);
    cancel(bench, &job);
  } else if ((summary = answer_text(&job, "result.metrics.summary"))) {
    printf("%-40s %s\n", system, summary);
  }
  answer_free(&job);
  boltz_text_free(&body);
  return good;
}

struct answer long_estimate(struct bench *bench, const char *model, int n, const char *rest) {
  char path[128];
  struct boltz_text body = {0};
  snprintf(path, sizeof path, "/v1/models/%s/estimate", model);
  boltz_text_printf(&body, "{\"n\":%d,\"seed\":7%s}", n, rest);
  struct answer answer = call(&bench->daemon, "POST", path, body.data);
  boltz_text_free(&body);
  return answer;
}

/* ---- what must hold ---- */

struct figure;

/* What was measured of a system. */
struct seen {
  struct bench *bench;
  const char *model;
  const struct answer *estimate;
  char measured[96]; /* of the figure at hand, as text */
};

struct figure {
  const char *must; /* NULL ends a list */
  bool (*holds)(const struct figure *figure, struct seen *seen);
  const char *path; /* into the estimate */
  double value, within;
  const double *modes; /* [n] probabilities of the bins of a profile */
  int n;
};

static double number_of(const struct seen *seen, const char *path, const char *member) {
  char whole[64];
  snprintf(whole, sizeof whole, "%s%s", path, member);
  return answer_number(seen->estimate, whole);
}

static bool at_least(const struct figure *figure, struct seen *seen) {
  const double value = answer_number(seen->estimate, figure->path);
  snprintf(seen->measured, sizeof seen->measured, "%.5g", value);
  return value >= figure->within;
}

/* A measured number, and what it is off by unless nobody knows: "9.73361 +- 0.00021 (+0.00011)". */
static double off_by(const struct figure *figure, struct seen *seen) {
  const double value = number_of(seen, figure->path, ".value"), off = value - figure->value;
  char beside[24] = "";
  if (!isnan(figure->value)) snprintf(beside, sizeof beside, " (%+.2g)", off);
  snprintf(seen->measured, sizeof seen->measured, "%.6g +- %.2g%s", value,
           number_of(seen, figure->path, ".stderr"), beside);
  return fabs(off);
}

static bool near(const struct figure *figure, struct seen *seen) {
  return off_by(figure, seen) <= figure->within;
}

static bool near_in_errors(const struct figure *figure, struct seen *seen) {
  return off_by(figure, seen) <= 3 * number_of(seen, figure->path, ".stderr");
}

/* It is there, with an error bar; what is known of it is shown, and asks for nothing. */
static bool is_there(const struct figure *figure, struct seen *seen) {
  off_by(figure, seen);
  return isfinite(number_of(seen, figure->path, ".value")) &&
         isfinite(number_of(seen, figure->path, ".stderr"));
}

/* Number k of an array of numbers and nulls; NaN: null. */
static double element(const struct answer *answer, const char *path, int k) {
  const struct boltz_json *array = answer_member(answer, path);
  if (!array) return NAN;
  if (array->numbers) return k < (int)array->n ? array->numbers[k] : NAN;
  const struct boltz_json *one = array->child;
  while (one && k-- > 0) one = one->next;
  return one && one->type == BOLTZ_JSON_NUMBER ? one->number : NAN;
}

/* Every bin of the first profile has its share of the samples: the worst |ln(P/exact)|. */
static bool modes_are_present(const struct figure *figure, struct seen *seen) {
  double worst = 0;
  for (int k = 0; k < figure->n; k++) {
    const double width = element(seen->estimate, "profiles.0.centers", 1) -
                         element(seen->estimate, "profiles.0.centers", 0);
    const double p = width * exp(-element(seen->estimate, "profiles.0.free_energy", k));
    const double off = fabs(log(p / figure->modes[k]));
    if (!(off <= worst)) worst = off;
  }
  snprintf(seen->measured, sizeof seen->measured, "%d modes, worst |ln(P/exact)| %.4f", figure->n,
           worst);
  return worst <= figure->within;
}

/* Bins of the first profile about d = 1 and d = 2 have a free energy and an error bar. */
static bool wells_are_profiled(const struct figure *figure, struct seen *seen) {
  double low[2] = {INFINITY, INFINITY}, error[2] = {NAN, NAN};
  (void)figure;
  for (int k = 0; k < 50; k++) {
    const double d = element(seen->estimate, "profiles.0.centers", k);
    const double f = element(seen->estimate, "profiles.0.free_energy", k);
    const int well = fabs(d - 1) < 0.25 ? 0 : fabs(d - 2) < 0.25 ? 1 : -1;
    if (well < 0 || !(f < low[well])) continue;
    low[well] = f, error[well] = element(seen->estimate, "profiles.0.stderr", k);
  }
  snprintf(seen->measured, sizeof seen->measured, "floors %.2f +- %.2g, %.2f +- %.2g", low[0],
           error[0], low[1], error[1]);
  return isfinite(error[0]) && isfinite(error[1]);
}

/* How often a chain that proposes the flow's samples one after another goes there: the independence
   Metropolis of Albergo et al. 2019. */
static double chain_acceptance(size_t n, const double *log_w) {
  double here = log_w[0];
  size_t accepted = 0;
  for (size_t i = 1; i < n; i++) {
    double u[2];
    boltz_rng_uniform(3, BOLTZ_STREAM_TEST, i, 0, u);
    if (!(log(u[0]) < log_w[i] - here)) continue;
    here = log_w[i];
    accepted++;
  }
  return (double)accepted / (double)(n - 1);
}

static bool accepts(const struct figure *figure, struct seen *seen) {
  static const char *const npy[] = {"Content-Type: application/json", "Accept: application/x-npy",
                                    NULL};
  char path[128], body[96];
  snprintf(path, sizeof path, "/v1/models/%s/sample", seen->model);
  const int size =
      snprintf(body, sizeof body, "{\"n\":%d,\"seed\":11,\"include\":[\"log_weight\"]}", CHAIN);
  struct answer answer = call_with(&seen->bench->daemon, "POST", path, body, (size_t)size, npy);
  struct boltz_arena *arena = boltz_arena_open(0);
  double *rows = NULL, acceptance = NAN;
  size_t n = 0, width = 0;
  if (boltz_npy_read(answer.body, answer.size, arena, &rows, &n, &width) == BOLTZ_OK && n > 1) {
    for (size_t i = 0; i < n; i++) rows[i] = rows[i * width + width - 1];
    acceptance = chain_acceptance(n, rows);
  }
  snprintf(seen->measured, sizeof seen->measured, "%.4f", acceptance);
  boltz_arena_close(arena);
  answer_free(&answer);
  return acceptance >= figure->within;
}

/* ---- the systems ---- */

#define ESS(least) \
  { "ess_fraction >= " #least, at_least, "ess_fraction", .within = (least) }
#define NEAR(name, at, exact, tolerance) \
  { name " within " #tolerance " of " #exact, near, at, .value = (exact), .within = (tolerance) }
#define LOG_Z(exact, tolerance) NEAR("log Z", "log_z", exact, tolerance)
#define LOG_Z_IN_ERRORS(exact) \
  { "log Z within 3 stderr of " #exact, near_in_errors, "log_z", .value = (exact) }
#define ESTIMATES \
  { "is estimated", is_there, "log_z", .value = NAN }
#define ACCEPTANCE(least) \
  { "independence acceptance >= " #least, accepts, .within = (least) }
#define MODES(p) \
  { "every mode within 10 %", modes_are_present, .within = 0.1, .modes = (p), .n = sizeof(p) / 8 }
#define AVERAGE(of) ",\"averages\":[\"" of "\"]"
#define SIGNS(expression, low, high, bins)                                           \
  ",\"profiles\":[{\"coordinate\":\"" expression "\",\"low\":" low ",\"high\":" high \
  ",\"bins\":" bins "}]"
#define WELL_FIGURES \
  { ESS(0.995), LOG_Z(11.020467230, 0.002) }

/* Signs of x1, x3, x5: P(> 0) = 0.844307096 each, the first the fastest. */
#define UP 0.844307096
#define DOWN (1 - UP)
static const double many_modes[] = {DOWN * DOWN * DOWN, UP *DOWN *DOWN, DOWN *UP *DOWN,
                                    UP *UP *DOWN,       DOWN *DOWN *UP, UP *DOWN *UP,
                                    DOWN *UP *UP,       UP *UP *UP};
/* Signs of x1 and x2 of the four components below, which are 6 standard deviations from the axes.
 */
static const double mixture_modes[] = {0.1, 0.2, 0.3, 0.4};

static const struct system {
  const char *name, *energy;
  double temperature, seconds;
  const char *ask; /* more members of the estimate */
  struct figure figures[4];
} systems[] = {
    {"double_well", "{\"kind\":\"double_well\"}", 1, 60, "", WELL_FIGURES},
    {"harmonic_pair",
     "{\"kind\":\"harmonic_pair\"}",
     1,
     60,
     "",
     {ESS(0.995), LOG_Z(1.958659304, 0.002)}},
    {"mueller_brown",
     "{\"kind\":\"mueller_brown\"}",
     1,
     120,
     ",\"differences\":[{\"coordinate\":\"r\",\"a\":[\"-Infinity\",-1],\"b\":[0,\"Infinity\"]}]",
     {ESS(0.97), LOG_Z(11.729591, 0.005),
      NEAR("F(r > 0) - F(r < -1)", "differences.0", 3.784256373, 0.03)}},
    {"particle_dimer in vacuum, slope 2",
     "{\"kind\":\"particle_dimer\",\"n_solvent\":0,\"slope\":2}",
     1,
     120,
     ",\"differences\":[{\"coordinate\":\"d\",\"a\":[0,1.5],\"b\":[1.5,\"Infinity\"]}]",
     {ESS(0.9), NEAR("F(open) - F(closed)", "differences.0", 4.441204762, 0.05)}},
    {"particle_dimer, 38 particles",
     "{\"kind\":\"particle_dimer\",\"n_solvent\":36}",
     1,
     1800,
     ",\"differences\":[{\"coordinate\":\"d\",\"a\":[0,1.5],\"b\":[1.5,\"Infinity\"]}],"
     "\"profiles\":[{\"coordinate\":\"d\",\"low\":0.5,\"high\":2.5,\"bins\":50}]",
     {ESTIMATES,
      {"both wells in a profile along d", wells_are_profiled},
      {"F(open) - F(closed), Monte Carlo: 1.10", is_there, "differences.0", .value = 1.10}}},
    {"ising 8x8, J = 0.4",
     "{\"kind\":\"ising\",\"N\":8,\"J\":0.4}",
     1,
     300,
     AVERAGE("abs_m"),
     {LOG_Z(56.599388760, 0.02), LOG_Z_IN_ERRORS(56.599388760),
      NEAR("<|m|>", "averages.0", 0.603128979, 0.01)}},
    {"ising 8x8, critical",
     "{\"kind\":\"ising\",\"N\":8,\"J\":0.44068679350977151}",
     1,
     300,
     AVERAGE("abs_m"), /* <|m|>: tests/golden/ising_abs_m.py */
     {LOG_Z(60.141780789, 0.02), LOG_Z_IN_ERRORS(60.141780789),
      NEAR("<|m|>", "averages.0", 0.777331093, 0.01)}},
    {"lj_fluid N=2",
     "{\"kind\":\"lj_fluid\",\"N\":2,\"L\":5}",
     1,
     120,
     AVERAGE("energy"),
     {LOG_Z(9.733504502, 0.01), NEAR("<u>", "averages.0", -0.132643475, 0.01)}},
    {"polymer_chain N=2",
     "{\"kind\":\"polymer_chain\",\"N\":2}",
     1,
     120,
     AVERAGE("r"),
     {LOG_Z(8.609704439, 0.01), NEAR("<r>", "averages.0", 1.673971175, 0.01)}},
    {"lj_fluid N=8", "{\"kind\":\"lj_fluid\",\"N\":8,\"L\":5}", 1, 120, "", {ESTIMATES}},
    {"polymer_chain N=8", "{\"kind\":\"polymer_chain\",\"N\":8}", 1, 120, "", {ESTIMATES}},
    {"nematic 2x2x2",
     "{\"kind\":\"nematic\",\"N\":2,\"J\":0.75}",
     1,
     300,
     "",
     {LOG_Z(19.391203162, 0.02)}},
    {"lebwohl_lasher 2x2x2", "{\"kind\":\"lebwohl_lasher\",\"N\":2}", 1, 300, "", {ESTIMATES}},
    {"gaussian_mixture",
     "{\"kind\":\"gaussian_mixture\",\"weights\":[0.1,0.2,0.3,0.4],\"means\":[[-4,-4],[4,-4],[-4,4]"
     ",[4,4]],\"stds\":[0.5,0.65,0.4,0.6]}",
     1,
     120,
     SIGNS("x1/abs(x1) + 2*x2/abs(x2)", "-4", "4", "4"),
     {ESS(0.9), MODES(mixture_modes)}},
    {"crescents",
     "{\"kind\":\"crescents\"}",
     1,
     120,
     ",\"differences\":[{\"coordinate\":\"x2\",\"a\":[0.6,\"Infinity\"],\"b\":[\"-Infinity\",-0.1]}"
     "]",
     {ESS(0.9), NEAR("F(lower) - F(upper)", "differences.0", 0, 0.1)}},
    {"many_well-6",
     "{\"kind\":\"many_well\",\"dim\":6}",
     1,
     120,
     SIGNS("x1/abs(x1) + 2*x3/abs(x3) + 4*x5/abs(x5)", "-8", "8", "8"),
     {ESS(0.9), MODES(many_modes)}},
    {"dw4",
     "{\"kind\":\"dw4\"}",
     1,
     600,
     AVERAGE("energy"),
     {ESS(0.5), NEAR("<u>", "averages.0", -22.541509604, 0.05)}},
    {"phi4 4x4",
     "{\"kind\":\"phi4\",\"L\":4,\"m2\":-4,\"lambda\":6.975}",
     1,
     900,
     "",
     {ACCEPTANCE(0.7)}},
    {"phi4 6x6",
     "{\"kind\":\"phi4\",\"L\":6,\"m2\":-4,\"lambda\":6.975}",
     1,
     900,
     "",
     {ACCEPTANCE(0.7)}},
    {"expression, the double well",
     "{\"kind\":\"expression\",\"variables\":[\"x\",\"y\"],\"u\":\"x^4 - 6*x^2 + x + k*y^2/2\","
     "\"parameters\":{\"k\":1}}",
     1, 60, "", WELL_FIGURES},
};

static void measure(struct bench *bench, const struct system *system, int number) {
  char model[32];
  snprintf(model, sizeof model, "system-%d", number);
  if (!long_train(bench, system->name, model, system->energy, system->temperature, "",
                  system->seconds))
    return;
  struct answer answer = long_estimate(bench, model, SAMPLES, system->ask);
  struct seen seen = {.bench = bench, .model = model, .estimate = &answer};
  if (answer.status != 200)
    long_line(bench, system->name, "is estimated", answer.body ? answer.body : "", false);
  for (int k = 0; answer.status == 200 && k < 4 && system->figures[k].must; k++) {
    const struct figure *figure = &system->figures[k];
    const bool good = figure->holds(figure, &seen);
    long_line(bench, system->name, figure->must, seen.measured, good);
  }
  if (answer.status == 200)
    printf("%-40s ess_fraction %.4g, Pareto k %.2f, log Z %.6g +- %.2g, estimated in %.1f s\n",
           system->name, answer_number(&answer, "ess_fraction"), answer_number(&answer, "pareto_k"),
           answer_number(&answer, "log_z.value"), answer_number(&answer, "log_z.stderr"),
           answer.seconds);
  answer_free(&answer);
}

int main(int argc, char **argv) {
  const int draws = argc > 1 ? atoi(argv[1]) : 2;
  const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  struct bench bench = {.wanted = getenv("ROW") ? getenv("ROW") : ""};
  daemon_directory(&bench.daemon);
  bench.daemon.patience = 3600;
  static const char *const patient[] = {"--request-deadline-ms", "3600000", NULL};
  if (!daemon_start(&bench.daemon, (int)sysconf(_SC_NPROCESSORS_ONLN), patient)) {
    printf("the daemon does not start; see %s/log\n", bench.daemon.data);
    return 1;
  }
  print_line("system", "what must hold", "measured", "");
  for (size_t k = 0; k < sizeof systems / sizeof *systems; k++)
    if (long_wants(&bench, systems[k].name)) measure(&bench, &systems[k], (int)k);
  long_drawn(&bench, draws, seed);
  long_wells(&bench, draws, seed);
  daemon_end(&bench.daemon);
  printf("%d trainings over their time\n", bench.late);
  printf("%d passed, %d failed, 0 skipped\n", bench.passed, bench.failed);
  if (bench.passed + bench.failed == 0) printf("nothing has \"%s\" in its name\n", bench.wanted);
  return bench.failed != 0 || bench.passed == 0;
}
