/* test_kinds.c - every kind of energy through the daemon: registered, asked, sampled. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/exact/exact.h"
#include "tests/check.h"
#include "tests/http/client.h"

/* Register a model of an energy. */
static void model_of(const struct daemon *daemon, const char *name, const char *energy) {
  struct boltz_text body = {0};
  boltz_text_printf(&body, "{\"name\":\"%s\",\"energy\":%s}", name, energy);
  struct answer answer = call(daemon, "POST", "/v1/models", body.data);
  CHECK_MSG(answer.status == 201, "%s: %s", name, answer.body);
  answer_free(&answer);
  boltz_text_free(&body);
}

/* `"kind":"...", ` before the members of a JSON object. */
static void with_kind(const char *kind, const struct boltz_json *settings,
                      struct boltz_text *energy) {
  struct boltz_text members = {0};
  boltz_json_print(settings, &members);
  boltz_text_printf(energy, "{\"kind\":\"%s\"%s%s", kind, settings->n ? "," : "", members.data + 1);
  boltz_text_free(&members);
}

static double middle_of(const struct boltz_json *coordinate) {
  const struct boltz_json *low = boltz_json_member(coordinate, "low");
  return low ? 0.5 * (low->number + boltz_json_member(coordinate, "high")->number) : 0;
}

/* The energy of a point that differs in every coordinate from the middle of its domain, and what
   the gradient says of a small step from there. */
static void ask_energy(const struct daemon *daemon, const char *name) {
  const double h = 1e-6;
  char path[128];
  snprintf(path, sizeof path, "/v1/models/%s", name);
  struct answer model = call(daemon, "GET", path, NULL);
  const struct boltz_json *coordinates = answer_member(&model, "coordinates");
  struct boltz_text body = {0};
  boltz_text_puts(&body, "{\"gradient\":true,\"x\":[");
  for (int row = 0; row < 2; row++) {
    boltz_text_puts(&body, row ? ",[" : "[");
    int j = 0;
    for (const struct boltz_json *c = coordinates ? coordinates->child : NULL; c;
         c = c->next, j++) {
      if (j) boltz_text_puts(&body, ",");
      boltz_text_number(&body, middle_of(c) + 0.7 * sin(1.7 * j + 0.3) + row * h * cos(j));
    }
    boltz_text_puts(&body, "]");
  }
  boltz_text_puts(&body, "]}");
  snprintf(path, sizeof path, "/v1/models/%s/energy", name);
  struct answer answer = call(daemon, "POST", path, body.data);
  CHECK_MSG(answer.status == 200, "%s: %s", name, answer.body);
  const struct boltz_json *u = answer_member(&answer, "energy");
  const struct boltz_json *rows = answer_member(&answer, "gradient");
  const struct boltz_json *g = rows ? rows->child : NULL;
  CHECK_MSG(u && u->numbers && g && g->numbers, "%s: %s", name, answer.body);
  double slope = 0, size = 0;
  for (size_t j = 0; g && g->numbers && j < g->n; j++) {
    slope += h * cos((double)j) * g->numbers[j];
    size += fabs(h * g->numbers[j]);
  }
  if (u && u->numbers) {
    const double step = u->numbers[1] - u->numbers[0];
    CHECK_MSG(fabs(step - slope) <= 1e-3 * size + 1e-12 * fabs(u->numbers[0]),
              "%s: a step of %g where the gradient says %g", name, step, slope);
  }
  answer_free(&answer);
  answer_free(&model);
  boltz_text_free(&body);
}

static void every_kind_of_the_catalog_registers_and_answers(void) {
  struct daemon daemon;
  daemon_begin(&daemon);
  struct answer catalog = call(&daemon, "GET", "/v1/catalog", NULL);
  const struct boltz_json *energies = answer_member(&catalog, "energies");
  int kinds = 0;
  for (const struct boltz_json *e = energies ? energies->child : NULL; e; e = e->next, kinds++) {
    const char *kind = boltz_json_member(e, "name")->text;
    struct boltz_text energy = {0};
    with_kind(kind, boltz_json_member(e, "example"), &energy);
    model_of(&daemon, kind, energy.data);
    ask_energy(&daemon, kind);
    boltz_text_free(&energy);
  }
  CHECK(kinds >= 2);
  answer_free(&catalog);
  daemon_end(&daemon);
}

/* A few steps: what is asked for is there, good or bad. */
static void train_a_little(struct daemon *daemon, const char *name) {
  char body[512];
  snprintf(body, sizeof body,
           "{\"kind\":\"train\",\"model\":\"%s\",\"flow\":{\"base\":\"normal\",\"layers\":[{"
           "\"type\":\"realnvp\",\"blocks\":1,\"hidden\":[8]}]},\"data\":{\"burn_in\":1,\"steps\":"
           "20},\"stages\":[{\"steps\":5,\"batch\":"
           "32,\"kl\":1}],\"precision\":\"fp32\"}",
           name);
  struct answer job = run_job(daemon, body, 60, NULL);
  CHECK_MSG(answer_text(&job, "status") && strcmp(answer_text(&job, "status"), "succeeded") == 0,
            "%s", job.body);
  answer_free(&job);
}

static double at(const struct answer *answer, const char *array, int row, int column) {
  const struct boltz_json *rows = answer_member(answer, array);
  if (!rows) return NAN;
  if (rows->numbers) return rows->numbers[row];
  const struct boltz_json *one = rows->child;
  for (int k = 0; one && k < row; k++) one = one->next;
  return one && one->numbers ? one->numbers[column] : NAN;
}

/* The spins of a field belong to the sample: their magnetisation is the variable's, in any cut of
   the stream, and it is what an estimate averages. */
static void spins_are_drawn_with_the_sample(void) {
  enum { N = 64 };
  struct daemon daemon;
  daemon_begin(&daemon);
  model_of(&daemon, "ising", "{\"kind\":\"ising\",\"N\":3,\"J\":0.2}");
  train_a_little(&daemon, "ising");
  struct answer all = call(&daemon, "POST", "/v1/models/ising/sample",
                           "{\"n\":64,\"seed\":5,\"include\":[\"spins\",\"m\",\"log_weight\"]}");
  struct answer some = call(&daemon, "POST", "/v1/models/ising/sample",
                            "{\"n\":3,\"first\":40,\"seed\":5,\"include\":[\"spins\"]}");
  CHECK_MSG(all.status == 200, "%s", all.body);
  double sum = 0, weights = 0;
  for (int i = 0; i < N; i++) {
    double m = 0;
    for (int k = 0; k < 9; k++) {
      const double spin = at(&all, "spins", i, k);
      CHECK(spin == 1 || spin == -1);
      m += spin / 9;
    }
    CHECK_NEAR(at(&all, "m", i, 0), m, 1e-15);
    const double w = exp(at(&all, "log_weight", i, 0));
    sum += w * m;
    weights += w;
  }
  for (int i = 0; i < 3; i++)
    for (int k = 0; k < 9; k++) CHECK(at(&some, "spins", i, k) == at(&all, "spins", 40 + i, k));
  struct answer estimate = call(&daemon, "POST", "/v1/models/ising/estimate",
                                "{\"n\":64,\"seed\":5,\"averages\":[\"m\"]}");
  CHECK_NEAR(answer_number(&estimate, "averages.0.value"), sum / weights, 1e-12);
  struct answer wide =
      call(&daemon, "POST", "/v1/models/ising/estimate", "{\"n\":64,\"averages\":[\"spins\"]}");
  CHECK_INT(wide.status, 422);
  answer_free(&all);
  answer_free(&some);
  answer_free(&estimate);
  answer_free(&wide);
  daemon_end(&daemon);
}

/* Particles in a periodic box: the flow is the planned one, its base and its splines circular. */
static void a_periodic_energy_trains_by_default(void) {
  struct daemon daemon;
  daemon_begin(&daemon);
  model_of(&daemon, "fluid", "{\"kind\":\"lj_fluid\",\"N\":2,\"space\":2,\"L\":5}");
  struct answer job =
      run_job(&daemon,
              "{\"kind\":\"train\",\"model\":\"fluid\",\"data\":{\"walkers\":64,\"burn_in\":100,"
              "\"steps\":400,\"stride\":4},\"stages\":[{\"steps\":60,\"batch\":200,\"ml\":1}]}",
              60, NULL);
  CHECK_MSG(answer_text(&job, "status") && strcmp(answer_text(&job, "status"), "succeeded") == 0,
            "%s", job.body);
  struct answer estimate = call(&daemon, "POST", "/v1/models/fluid/estimate",
                                "{\"n\":20000,\"seed\":5,\"averages\":[\"r\"]}");
  const double log_z = answer_number(&estimate, "log_z.value");
  const double error = answer_number(&estimate, "log_z.stderr");
  CHECK_MSG(fabs(log_z - 6.516019256) <= 5 * error && error < 0.1, "log Z %g +- %g", log_z, error);
  answer_free(&job);
  answer_free(&estimate);
  daemon_end(&daemon);
}

/* The default flow, little data and few steps: weights make its log Z right all the same. */
static const struct little {
  const char *kind, *settings;
  int steps;                 /* of 200 rows each */
  double temperature, log_z; /* NaN: what core/exact finds; infinite: nobody knows */
  const char *average;       /* what is averaged, and what it is; NULL: nothing */
  double mean;
} littles[] = {
    {"double_well", "{}", 200, 1, 11.020467230, "x1", -1.625359705},
    {"expression", "{\"variables\":[\"x\",\"y\"],\"u\":\"x^4 - 6*x^2 + x + y^2/2\"}", 200, 1,
     11.020467230, "x1^2", 3.048708094},
    {"harmonic_pair", "{}", 100, 1, 1.958659304, "energy", 0.5},
    {"mueller_brown", "{}", 200, 1, 11.729591, "energy", -13.493404},
    {"particle_dimer", "{\"n_solvent\":0,\"slope\":2}", 150, 2, 5.653305268, NULL, 0},
    {"ising", "{\"N\":3,\"J\":0.3}", 60, 1, 7.346915903, "abs_m", 0.636502270},
    {"lj_fluid", "{\"N\":2,\"L\":5}", 60, 1, 9.733504502, "energy", -0.132643475},
    {"lj_cluster", "{\"N\":2}", 60, 1, 2.861365290, NULL, 0},
    {"polymer_chain", "{\"N\":2}", 60, 1, 8.609704439, "r", 1.673971175},
    {"nematic", "{\"N\":2,\"J\":0.2}", 25, 1, NAN, NULL, 0},
    {"crescents", "{}", 100, 1, 0, "x1", 0.5},
    {"gaussian_mixture", "{\"weights\":[0.25,0.75],\"means\":[[1,-2],[-1,3]],\"stds\":[0.5,1.2]}",
     100, 1, 0, "x1", -0.5},
    {"many_well", "{\"dim\":4}", 150, 1, 20.586959414, NULL, 0},
    {"dw4", "{}", 400, 1, 29.667232233, "energy", -22.541509604},
    {"phi4", "{\"L\":2}", 60, 1, 1.173184711, "m", 0},
    {"lebwohl_lasher", "{\"N\":2}", 20, 1, INFINITY, NULL, 0},
    {"lj_fluid", "{\"N\":4,\"L\":5}", 10, 1, INFINITY, NULL, 0},
    {"polymer_chain", "{\"N\":4}", 10, 1, INFINITY, NULL, 0},
    {"particle_dimer", "{\"n_solvent\":4}", 20, 1, INFINITY, NULL, 0},
};

/* log Z of a kind at settings of our own, by the way of its first case that begins with it. */
static double exact_log_z(const struct little *little) {
  const struct boltz_exact_case *c;
  struct boltz_exact_value value[BOLTZ_EXACT_QUANTITIES] = {{NAN, 0}};
  struct boltz_arena *scratch = boltz_arena_open(0);
  for (int k = 0; (c = boltz_exact_case_at(k)); k++) {
    struct boltz_exact_case other = *c;
    if (strcmp(c->kind, little->kind) != 0 || strcmp(c->quantity[0].name, "log Z") != 0) continue;
    other.settings = little->settings, other.temperature = little->temperature;
    CHECK_MSG(boltz_exact_find(&other, value, scratch) == BOLTZ_OK, "%s", boltz_error());
    break;
  }
  boltz_arena_close(scratch);
  return value[0].value;
}

static bool trains_little(const struct daemon *daemon, const char *name, int steps) {
  char body[320];
  snprintf(
      body, sizeof body,
      "{\"kind\":\"train\",\"model\":\"%s\",\"data\":{\"walkers\":64,\"burn_in\":100,\"steps\":"
      "400,\"stride\":4},\"stages\":[{\"steps\":%d,\"batch\":200,\"ml\":1}],\"precision\":"
      "\"fp32\"}",
      name, steps);
  struct answer job = run_job(daemon, body, 100, NULL);
  const bool good =
      answer_text(&job, "status") && !strcmp(answer_text(&job, "status"), "succeeded");
  CHECK_MSG(good, "%s: %s", name, job.body);
  answer_free(&job);
  return good;
}

static void check_little(const struct daemon *daemon, const char *name,
                         const struct little *little) {
  char path[96], body[96];
  if (!trains_little(daemon, name, little->steps)) return;
  snprintf(path, sizeof path, "/v1/models/%s/estimate", name);
  snprintf(body, sizeof body, "{\"n\":20000,\"seed\":5,\"averages\":[\"%s\"]}",
           little->average ? little->average : "energy");
  struct answer estimate = call(daemon, "POST", path, body);
  const double exact = isnan(little->log_z) ? exact_log_z(little) : little->log_z;
  const double log_z = answer_number(&estimate, "log_z.value");
  const double error = answer_number(&estimate, "log_z.stderr");
  const double mean = answer_number(&estimate, "averages.0.value");
  const double mean_error = answer_number(&estimate, "averages.0.stderr");
  const double ess_fraction = answer_number(&estimate, "ess_fraction");
  if (isinf(exact))
    CHECK_MSG(isfinite(log_z) && isfinite(error), "%s: log Z %g +- %g", name, log_z, error);
  else
    CHECK_MSG(fabs(log_z - exact) <= 5 * error && error < 0.2,
              "%s: log Z %g +- %g, not %g; ESS fraction %g", name, log_z, error, exact,
              ess_fraction);
  if (little->average)
    CHECK_MSG(fabs(mean - little->mean) <= 5 * mean_error, "%s: <%s> %g +- %g, not %g", name,
              little->average, mean, mean_error, little->mean);
  answer_free(&estimate);
}

static void every_kind_trains_a_little_and_has_its_log_z(void) {
  struct daemon daemon;
  daemon_begin(&daemon);
  for (size_t k = 0; k < sizeof littles / sizeof *littles; k++) {
    const struct little *little = &littles[k];
    struct boltz_text body = {0};
    char name[64];
    snprintf(name, sizeof name, "%s-%zu", little->kind, k);
    boltz_text_printf(&body, "{\"name\":\"%s\",\"temperature\":%g,\"energy\":{\"kind\":\"%s\"%s%s}",
                      name, little->temperature, little->kind,
                      little->settings[1] == '}' ? "" : ",", little->settings + 1);
    struct answer model = call(&daemon, "POST", "/v1/models", body.data);
    CHECK_MSG(model.status == 201, "%s", model.body);
    check_little(&daemon, name, little);
    answer_free(&model);
    boltz_text_free(&body);
  }
  daemon_end(&daemon);
}

static void an_include_that_the_energy_does_not_have_is_refused(void) {
  struct daemon daemon;
  daemon_begin(&daemon);
  struct answer answer = call(&daemon, "POST", "/v1/models/example-double-well/sample",
                              "{\"n\":1,\"include\":[\"spins\"]}");
  CHECK_INT(answer.status, 422);
  CHECK_TEXT(answer_text(&answer, "reason"), "UNKNOWN_NAME");
  answer_free(&answer);
  daemon_end(&daemon);
}

int main(int argc, char **argv) {
  RUN(every_kind_of_the_catalog_registers_and_answers);
  RUN(spins_are_drawn_with_the_sample);
  RUN(a_periodic_energy_trains_by_default);
  RUN(every_kind_trains_a_little_and_has_its_log_z);
  RUN(an_include_that_the_energy_does_not_have_is_refused);
  return check_report();
}
