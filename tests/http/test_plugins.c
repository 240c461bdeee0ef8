/* test_plugins.c - the life of an energy that comes as a plug-in: registered, trained, sampled,
 * changed, lost, and back again. */
#include <unistd.h>

#include "tests/check.h"
#include "tests/http/client.h"

static char build[256]; /* where the plug-ins are built */
static struct daemon server;
static char plugins[300]; /* its --plugin-dir */

#define MODEL "/v1/models/holes"
static const char holes[] =
    "{\"name\":\"holes\",\"energy\":{\"kind\":\"three_hole\",\"hole\":5},\"temperature\":1}";

static void shell(const char *format, const char *a, const char *b, const char *c) {
  char command[1024];
  snprintf(command, sizeof command, format, a, b, c);
  CHECK_MSG(system(command) == 0, "%s", command);
}

static bool start(const char *directory) {
  const char *const with[] = {"--plugin-dir", directory, NULL};
  return daemon_start(&server, 2, with);
}

static void restart(const char *directory) {
  CHECK_INT(daemon_stop(&server), 0);
  CHECK(start(directory));
}

static void put_plugin(void) {
  shell("cp %s/plugins/three_hole.so %s && chmod 644 %s/three_hole.so", build, plugins, plugins);
}

static void begin(void) {
  daemon_directory(&server);
  snprintf(plugins, sizeof plugins, "%s/plugins", server.data);
  shell("install -d -m 755 %s%s%s", plugins, "", "");
  put_plugin();
  shell("install -m 644 %s/tests/plugins/fickle.so %s%s", build, plugins, "");
  if (start(plugins)) return;
  printf("the daemon does not start; see %s/log\n", server.data);
  exit(1);
}

static void read_digest(char digest[65]) {
  char command[400];
  snprintf(command, sizeof command, "sha256sum %s/three_hole.so", plugins);
  FILE *sum = popen(command, "r");
  digest[0] = 0;
  CHECK(sum && fscanf(sum, "%64s", digest) == 1);
  if (sum) pclose(sum);
}

/* Status and reason of one call. */
static void check(const char *method, const char *path, const char *body, long status,
                  const char *reason) {
  struct answer answer = call(&server, method, path, body);
  CHECK_MSG(answer.status == status, "%s %s: %ld %s", method, path, answer.status, answer.body);
  if (reason) CHECK_TEXT(answer_text(&answer, "reason"), reason);
  answer_free(&answer);
}

/* ---- the energy, from its paper ---- */

static double three_hole(double x, double y) {
  const double a = y - 1.0 / 3, b = y - 5.0 / 3;
  return 3 * exp(-x * x - a * a) - 3 * exp(-x * x - b * b) - 5 * exp(-pow(x - 1, 2) - y * y) -
         5 * exp(-pow(x + 1, 2) - y * y) + 0.2 * pow(x, 4) + 0.2 * pow(a, 4);
}

/* By midpoints: the integrand is smooth and below 1e-30 at the edges. */
static double log_integral(void) {
  const double h = 0.02;
  double sum = 0;
  for (int i = -250; i < 250; i++)
    for (int j = -250; j < 250; j++) sum += exp(-three_hole((i + 0.5) * h, (j + 0.5) * h));
  return log(sum * h * h);
}

static const double *row(const struct answer *answer, const char *path) {
  const struct boltz_json *list = answer_member(answer, path);
  static const double none[2] = {NAN, NAN};
  return list && list->numbers && list->n >= 2 ? list->numbers : none;
}

/* ---- the life ---- */

static void the_catalog_says_where_an_energy_is_from(void) {
  char digest[65];
  int found = 0;
  struct answer catalog = call(&server, "GET", "/v1/catalog", NULL);
  const struct boltz_json *energy = answer_member(&catalog, "energies");
  read_digest(digest);
  for (energy = energy ? energy->child : NULL; energy; energy = energy->next) {
    const struct boltz_json *plugin = boltz_json_member(energy, "plugin");
    const char *name = boltz_json_member(energy, "name")->text;
    if (strcmp(name, "three_hole") != 0) {
      CHECK_MSG(!plugin == (strcmp(name, "fickle") != 0), "%s", name);
      continue;
    }
    found++;
    CHECK_TEXT(boltz_json_member(plugin, "file")->text, "three_hole.so");
    CHECK_TEXT(boltz_json_member(plugin, "sha256")->text, digest);
    CHECK_INT(boltz_json_member(energy, "settings")->n, 2);
  }
  CHECK_INT(found, 1);
  answer_free(&catalog);
  struct answer openapi = call(&server, "GET", "/openapi.json", NULL);
  CHECK(strstr(openapi.body, "three_hole"));
  answer_free(&openapi);
}

static void it_is_registered_and_evaluated_like_any_other(void) {
  char digest[65];
  read_digest(digest);
  struct answer made = call(&server, "POST", "/v1/models", holes);
  CHECK_MSG(made.status == 201, "%s", made.body);
  CHECK_TEXT(answer_text(&made, "plugin.sha256"), digest);
  CHECK_TEXT(answer_text(&made, "plugin.file"), "three_hole.so");
  CHECK(!answer_member(&made, "error"));
  CHECK_NEAR(answer_number(&made, "energy.hill"), 3, 0);
  CHECK_TEXT(answer_text(&made, "variables.0.name"), "angle");
  answer_free(&made);
  check("POST", "/v1/models", holes, 200, NULL);
  struct answer energy =
      call(&server, "POST", MODEL "/energy", "{\"x\":[[0.3,-0.7],[-1,0.1]],\"gradient\":true}");
  const double h = 1e-5, *u = row(&energy, "energy"), *g = row(&energy, "gradient.0");
  CHECK_NEAR(u[0], three_hole(0.3, -0.7), 1e-13);
  CHECK_NEAR(u[1], three_hole(-1, 0.1), 1e-13);
  /* error ~ h^2 */
  CHECK_NEAR(g[0], (three_hole(0.3 + h, -0.7) - three_hole(0.3 - h, -0.7)) / (2 * h), 1e-8);
  CHECK_NEAR(g[1], (three_hole(0.3, -0.7 + h) - three_hole(0.3, -0.7 - h)) / (2 * h), 1e-8);
  answer_free(&energy);
  struct answer pair = call(&server, "GET", "/v1/models/example-harmonic-pair", NULL);
  CHECK(!answer_member(&pair, "plugin"));
  answer_free(&pair);
}

static void its_settings_are_refused_as_others_are(void) {
  struct answer shallow =
      call(&server, "POST", "/v1/models",
           "{\"name\":\"flat\",\"energy\":{\"kind\":\"three_hole\",\"hole\":1}}");
  CHECK_INT(shallow.status, 422);
  CHECK_TEXT(answer_text(&shallow, "reason"), "OUT_OF_RANGE");
  CHECK_TEXT(answer_text(&shallow, "errors.0.pointer"), "/energy/hole");
  CHECK(strstr(shallow.body, "hole = 1 is shallower than hill = 3"));
  answer_free(&shallow);
  check("POST", "/v1/models", "{\"name\":\"deep\",\"energy\":{\"kind\":\"three_hole\",\"deep\":1}}",
        400, "UNKNOWN_MEMBER");
}

/* Its example was tried at start; a model may have other settings. */
static void a_model_is_tried_at_its_own_settings(void) {
  check("POST", "/v1/models", "{\"name\":\"one\",\"energy\":{\"kind\":\"fickle\"}}", 201, NULL);
  struct answer wrong = call(&server, "POST", "/v1/models",
                             "{\"name\":\"two\",\"energy\":{\"kind\":\"fickle\",\"factor\":1.5}}");
  CHECK_INT(wrong.status, 422);
  CHECK_TEXT(answer_text(&wrong, "reason"), "OUT_OF_RANGE");
  CHECK_TEXT(answer_text(&wrong, "errors.0.pointer"), "/energy");
  CHECK_MSG(strstr(wrong.body, "its gradient is wrong") && strstr(wrong.body, "du/dx2"), "%s",
            wrong.body);
  answer_free(&wrong);
}

static void it_is_trained_sampled_and_estimated(void) {
  struct answer job = run_job(
      &server,
      "{\"kind\":\"train\",\"model\":\"holes\",\"seed\":1,\"flow\":{\"layers\":[{\"type\":"
      "\"realnvp\",\"blocks\":3,\"hidden\":[24,24]}]},\"stages\":[{\"steps\":200,\"batch\":256,"
      "\"learning_rate\":0.005,\"ml\":1}]}",
      200, NULL);
  CHECK_MSG(answer_text(&job, "status") && strcmp(answer_text(&job, "status"), "succeeded") == 0,
            "%s", job.body);
  answer_free(&job);
  struct answer estimate = call(&server, "POST", MODEL "/estimate",
                                "{\"n\":200000,\"seed\":3,\"averages\":[\"angle\",\"x2\"]}");
  CHECK_MSG(estimate.status == 200, "%s", estimate.body);
  printf("     ess_fraction %.3f, log Z %.4f +- %.4f, exact %.4f\n",
         answer_number(&estimate, "ess_fraction"), answer_number(&estimate, "log_z.value"),
         answer_number(&estimate, "log_z.stderr"), log_integral());
  /* 5 standard errors: once in 10^6 */
  CHECK_NEAR(answer_number(&estimate, "log_z.value"), log_integral(),
             5 * answer_number(&estimate, "log_z.stderr"));
  CHECK_NEAR(answer_number(&estimate, "averages.1.value"), 0.160552143,
             5 * answer_number(&estimate, "averages.1.stderr"));
  CHECK(answer_number(&estimate, "log_z.stderr") < 0.05);
  answer_free(&estimate);
}

static const char twelve[] = "{\"n\":12,\"seed\":8,\"include\":[\"energy\",\"log_q\"]}";
static char *before; /* what that request was answered */

/* A job that is under way when the daemon goes, and what it has become. */
static char long_job[96];

static void leave_a_job_running(void) {
  struct answer job = call(&server, "POST", "/v1/jobs",
                           "{\"kind\":\"mcmc\",\"model\":\"holes\",\"seed\":1,\"walkers\":32,"
                           "\"steps\":20000000,\"stride\":20000,\"dataset\":\"never\"}");
  CHECK_MSG(job.status == 202, "%s", job.body);
  snprintf(long_job, sizeof long_job, "/v1/jobs/%s", answer_text(&job, "id"));
  answer_free(&job);
}

static void check_job_failed(void) {
  struct answer job = call(&server, "GET", long_job, NULL);
  CHECK_TEXT(answer_text(&job, "status"), "failed");
  CHECK_TEXT(answer_text(&job, "error.reason"), "PLUGIN_CHANGED");
  CHECK(answer_text(&job, "error.detail") && strstr(answer_text(&job, "error.detail"), "SHA-256"));
  answer_free(&job);
}

/* All that a client may ask of a model that is not served. */
static void check_withheld(void) {
  check("POST", MODEL "/sample", "{\"n\":1}", 409, "PLUGIN_CHANGED");
  check("POST", MODEL "/energy", "{\"x\":[[0,0]]}", 409, "PLUGIN_CHANGED");
  check("POST", MODEL "/weights", "{\"x\":[[0,0]]}", 409, "PLUGIN_CHANGED");
  check("POST", MODEL "/transform", "{\"to\":\"z\",\"x\":[[0,0]]}", 409, "PLUGIN_CHANGED");
  check("POST", MODEL "/estimate", "{\"n\":10}", 409, "PLUGIN_CHANGED");
  check("POST", MODEL "/versions", "{\"from_version\":1,\"precision\":\"fp32\"}", 409,
        "PLUGIN_CHANGED");
  check("PATCH", MODEL, "{\"serving\":1}", 409, "PLUGIN_CHANGED");
  check("POST", "/v1/jobs", "{\"kind\":\"train\",\"model\":\"holes\"}", 409, "PLUGIN_CHANGED");
  check("PUT", "/v1/datasets/two?model=holes", "{\"x\":[[0,0]]}", 409, "PLUGIN_CHANGED");
  check("GET", MODEL "/versions", NULL, 200, NULL);
  check("GET", MODEL "/versions/1", NULL, 200, NULL);
  check("GET", MODEL "/versions/1/checkpoint", NULL, 200, NULL);
  check("POST", "/v1/models/example-double-well/sample", "{\"n\":1}", 200, NULL);
}

/* The record as it was, with the reason why it is not served. */
static void check_shown(const char *then, const char *words) {
  struct answer model = call(&server, "GET", MODEL, NULL);
  CHECK_INT(model.status, 200);
  CHECK_TEXT(answer_text(&model, "plugin.sha256"), then);
  CHECK_TEXT(answer_text(&model, "energy.kind"), "three_hole");
  CHECK_NEAR(answer_number(&model, "energy.hole"), 5, 0);
  CHECK_INT(answer_number(&model, "dim"), 2);
  CHECK_TEXT(answer_text(&model, "coordinates.1.name"), "x2");
  CHECK_TEXT(answer_text(&model, "variables.0.name"), "angle");
  CHECK_INT(answer_number(&model, "serving"), 1);
  CHECK_TEXT(answer_text(&model, "error.reason"), "PLUGIN_CHANGED");
  const char *detail = answer_text(&model, "error.detail");
  CHECK_MSG(detail && strstr(detail, then) && strstr(detail, words), "%s", model.body);
  answer_free(&model);
  struct answer list = call(&server, "GET", "/v1/models", NULL);
  CHECK(strstr(list.body, "\"holes\""));
  answer_free(&list);
}

/* The new energy under another name, with the weights that were trained: they are weighed anew. */
static void check_moves_on(void) {
  struct answer file = call(&server, "GET", MODEL "/versions/1/checkpoint", NULL);
  check("POST", "/v1/models", "{\"name\":\"new\",\"energy\":{\"kind\":\"three_hole\"}}", 201, NULL);
  const char *const headers[] = {"Content-Type: application/octet-stream", NULL};
  struct answer sent =
      call_with(&server, "POST", "/v1/models/new/versions", file.body, file.size, headers);
  CHECK_MSG(sent.status == 201, "%s", sent.body);
  check("POST", "/v1/models/new/sample", "{\"n\":1}", 200, NULL);
  answer_free(&file);
  answer_free(&sent);
}

/* A byte more at the end is the same program to the linker, and another file. */
static void a_model_whose_plug_in_changed_is_shown_but_not_served(void) {
  char then[65], now[65];
  struct answer sample = call(&server, "POST", MODEL "/sample", twelve);
  CHECK_INT(sample.status, 200);
  before = strdup(sample.body);
  answer_free(&sample);
  leave_a_job_running();
  read_digest(then);
  shell("echo >> %s/three_hole.so %s%s", plugins, "", "");
  read_digest(now);
  check("POST", MODEL "/sample", twelve, 200, NULL); /* it is read at start alone */
  restart(plugins);
  check_shown(then, now);
  check_withheld();
  check_job_failed();
  check("POST", "/v1/models", holes, 409, "PLUGIN_CHANGED");
  check_moves_on();
}

static void a_model_whose_plug_in_is_gone_is_shown_but_not_served(void) {
  struct answer model = call(&server, "GET", MODEL, NULL);
  char then[65];
  snprintf(then, sizeof then, "%s", answer_text(&model, "plugin.sha256"));
  answer_free(&model);
  restart("");
  check_shown(then, "is not loaded now");
  check_withheld();
  check("POST", "/v1/models", holes, 422, "UNKNOWN_KIND");
  check("DELETE", "/v1/models/new", NULL, 204, NULL); /* withheld, too */
  check("PATCH", MODEL, "{\"serving\":null}", 200, NULL);
}

static void it_serves_again_once_its_plug_in_is_back(void) {
  put_plugin();
  restart(plugins);
  check("PATCH", MODEL, "{\"serving\":1}", 200, NULL);
  struct answer model = call(&server, "GET", MODEL, NULL);
  CHECK(!answer_member(&model, "error"));
  answer_free(&model);
  struct answer sample = call(&server, "POST", MODEL "/sample", twelve);
  CHECK_TEXT(sample.body, before);
  answer_free(&sample);
  check("POST", "/v1/models", holes, 200, NULL);
  free(before);
}

/* ---- starts that are refused ---- */

/* The daemon's last line says so. */
static void check_no_start(const char *words) {
  char command[700];
  CHECK(!start(plugins));
  snprintf(command, sizeof command, "tail -n 1 %s/log | grep '\"event\":\"failed\"' | grep -q '%s'",
           server.data, words);
  CHECK_MSG(system(command) == 0, "%s", command);
}

static void a_plug_in_that_cannot_be_trusted_stops_the_start(void) {
  CHECK_INT(daemon_stop(&server), 0);
  shell("chmod o+w %s%s%s", plugins, "", "");
  check_no_start("plugin_dir .* may be written by others.*chmod go-w");
  shell("chmod 755 %s && chmod g+w %s/three_hole.so%s", plugins, plugins, "");
  check_no_start("three_hole.so may be written by others.*chmod go-w");
  shell("chmod go-w %s/three_hole.so%s%s", plugins, "", "");
  static const char *const bad[][2] = {{"wrong_abi", "ABI 77, and this boltzd has ABI 1"},
                                       {"taken_name", "double_well has the name"},
                                       {"wrong_gradient", "its gradient is wrong"}};
  for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
    shell("cp %s/tests/plugins/%s.so %s/x.so", build, bad[k][0], plugins);
    shell("chmod 644 %s/x.so%s%s", plugins, "", "");
    check_no_start(bad[k][1]);
  }
  shell("echo text > %s/x.so%s%s", plugins, "", "");
  check_no_start("x.so: the dynamic linker refuses it");
  shell("rm %s/x.so%s%s", plugins, "", "");
  CHECK(start(plugins));
  check("POST", MODEL "/sample", "{\"n\":1}", 200, NULL);
}

int main(int argc, char **argv) {
  char self[256];
  snprintf(self, sizeof self, "%s", argv[0]);
  for (int up = 0; up < 3 && strrchr(self, '/'); up++) *strrchr(self, '/') = 0;
  snprintf(build, sizeof build, "%s", self);
  begin();
  RUN(the_catalog_says_where_an_energy_is_from);
  RUN(it_is_registered_and_evaluated_like_any_other);
  RUN(its_settings_are_refused_as_others_are);
  RUN(a_model_is_tried_at_its_own_settings);
  RUN(it_is_trained_sampled_and_estimated);
  RUN(a_model_whose_plug_in_changed_is_shown_but_not_served);
  RUN(a_model_whose_plug_in_is_gone_is_shown_but_not_served);
  RUN(it_serves_again_once_its_plug_in_is_back);
  RUN(a_plug_in_that_cannot_be_trusted_stops_the_start);
  daemon_end(&server);
  return check_report();
}
