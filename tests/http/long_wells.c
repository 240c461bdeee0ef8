/* long_wells.c - the double well and the harmonic pair in depth: profiles, every precision, the
 * perfect map, architecture R, and settings drawn at random, against quadrature. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/exact.h"
#include "tests/http/long.h"

static void check_ess(struct bench *bench, const char *what, const char *name, double least) {
  struct answer fresh = long_estimate(bench, name, 100000, "");
  long_figure(bench, what, "ess_fraction, n = 100 000", answer_number(&fresh, "ess_fraction"),
              least, 1);
  answer_free(&fresh);
}

/* The profile's worst bin, as a multiple of what is allowed: 0.05 + 3 stderr. */
static double worst_bin(const struct answer *answer, const struct exact_well *well) {
  const struct boltz_json *values = answer_member(answer, "profiles.0.free_energy");
  const struct boltz_json *errors = answer_member(answer, "profiles.0.stderr");
  double lowest = INFINITY, worst = 0, exact[50];
  for (int k = 0; k < 50; k++) {
    exact[k] = exact_bin(well, -2.5 + 0.1 * k, -2.5 + 0.1 * (k + 1));
    lowest = fmin(lowest, exact[k]);
  }
  const struct boltz_json *value = values ? values->child : NULL;
  const struct boltz_json *error = errors ? errors->child : NULL;
  if (!values || !errors) return NAN;
  for (int k = 0; k < 50; k++) {
    double v = values->numbers                    ? values->numbers[k]
               : value->type == BOLTZ_JSON_NUMBER ? value->number
                                                  : NAN;
    double e = errors->numbers                    ? errors->numbers[k]
               : error->type == BOLTZ_JSON_NUMBER ? error->number
                                                  : NAN;
    if (value) value = value->next;
    if (error) error = error->next;
    if (!(exact[k] - lowest < 8)) continue;
    double ratio = fabs(v - exact[k]) / (0.05 + 3 * e);
    if (!(ratio <= worst)) worst = ratio;
  }
  return worst;
}

static void check_well(struct bench *bench, const char *what, const char *name,
                       const struct exact_well *well, double least_ess, double counting) {
  check_ess(bench, what, name, least_ess);
  struct answer answer =
      long_estimate(bench, name, 1000000,
                    ",\"averages\":[\"x1\"],\"differences\":[{\"coordinate\":\"x1\","
                    "\"a\":[\"-Infinity\",0],\"b\":[0,"
                    "\"Infinity\"]}],\"profiles\":[{\"coordinate\":\"x1\",\"low\":-2."
                    "5,\"high\":2.5,\"bins\":50}]");
  double log_z = answer_number(&answer, "log_z.value") - well->log_z;
  double difference = answer_number(&answer, "differences.0.value") - exact_difference(well);
  double error = answer_number(&answer, "differences.0.stderr");
  long_figure(bench, what, "log Z - exact", log_z, -0.005, 0.005);
  long_figure(bench, what, "dF - exact", difference, -fmax(0.02, counting), fmax(0.02, counting));
  long_figure(bench, what, "(dF - exact)/stderr", difference / error, -3, 3);
  long_figure(bench, what, "worst bin/(0.05 + 3 stderr)", worst_bin(&answer, well), 0, 1);
  answer_free(&answer);
}

/* No sample may leave [0, L]: the extremes of 100 000, through NPY. */
static void check_inside(struct bench *bench, const char *what, const char *name, double L) {
  char path[128];
  snprintf(path, sizeof path, "/v1/models/%s/sample", name);
  static const char body[] = "{\"n\":100000,\"seed\":5,\"include\":[]}";
  const char *const npy[] = {"Content-Type: application/json", "Accept: application/x-npy", NULL};
  struct answer answer = call_with(&bench->daemon, "POST", path, body, sizeof body - 1, npy);
  struct boltz_arena *arena = boltz_arena_open(0);
  double *rows = NULL, outside = NAN;
  size_t n = 0, dim = 0;
  if (boltz_npy_read(answer.body, answer.size, arena, &rows, &n, &dim) == BOLTZ_OK) {
    outside = 0;
    for (size_t i = 0; i < n; i++) outside += !(rows[i * dim] >= 0 && rows[i * dim] <= L);
  }
  long_figure(bench, what, "samples outside [0, L]", outside, 0, 0);
  boltz_arena_close(arena);
  answer_free(&answer);
}

static void check_pair(struct bench *bench, const char *what, const char *name, double k, double L,
                       double T) {
  check_ess(bench, what, name, 0.98);
  struct answer answer = long_estimate(bench, name, 1000000, ",\"averages\":[\"energy\"]");
  long_figure(bench, what, "log Z - exact",
              answer_number(&answer, "log_z.value") - exact_pair_log_z(k, L, T), -0.005, 0.005);
  long_figure(bench, what, "<u> - 1/2", answer_number(&answer, "averages.0.value") - 0.5, -0.005,
              0.005);
  answer_free(&answer);
  check_inside(bench, what, name, L);
}

/* Rows [n, columns] of an answer in NPY, in the arena; NULL: it is not one. */
static double *npy_rows(const struct answer *answer, size_t n, size_t columns,
                        struct boltz_arena *arena) {
  double *rows = NULL;
  size_t found = 0, width = 0;
  if (boltz_npy_read(answer->body, answer->size, arena, &rows, &found, &width) != BOLTZ_OK)
    return NULL;
  return found == n && width == columns ? rows : NULL;
}

static const char *const npy_back[] = {"Content-Type: application/json",
                                       "Accept: application/x-npy", NULL};
static const char *const npy_both[] = {"Content-Type: application/x-npy",
                                       "Accept: application/x-npy", NULL};

/* log_q [n] of x [n, 2], in the arena; NULL: no answer. */
static double *density(struct bench *bench, const char *name, int version, size_t n,
                       const double *x, struct boltz_arena *arena) {
  char path[128], *given = malloc(BOLTZ_NPY_HEADER + n * 2 * sizeof(double));
  const size_t head = boltz_npy_header(n, 2, given);
  memcpy(given + head, x, n * 2 * sizeof(double));
  snprintf(path, sizeof path, "/v1/models/%s/weights?version=%d", name, version);
  struct answer answer =
      call_with(&bench->daemon, "POST", path, given, head + n * 2 * sizeof(double), npy_both);
  double *rows = npy_rows(&answer, n, 4, arena);
  for (size_t i = 0; rows && i < n; i++) rows[i] = rows[4 * i + 1];
  free(given);
  answer_free(&answer);
  return rows;
}

/* Draw rows first ... first + n - 1 of a version, and ask for the density of what came: how many of
   them miss by more than 1e-12, and the worst. */
static void recompute(struct bench *bench, const char *name, int version, size_t first, size_t n,
                      double *off, double *worst) {
  struct boltz_arena *arena = boltz_arena_open(0);
  char path[128], body[192];
  snprintf(path, sizeof path, "/v1/models/%s/sample", name);
  const int size =
      snprintf(body, sizeof body,
               "{\"n\":%zu,\"first\":%zu,\"seed\":9,\"version\":%d,\"include\":[\"log_q\"]}", n,
               first, version);
  struct answer drawn = call_with(&bench->daemon, "POST", path, body, (size_t)size, npy_back);
  double *rows = npy_rows(&drawn, n, 3, arena), *x = calloc(n, 2 * sizeof *x);
  for (size_t i = 0; rows && i < n; i++) memcpy(x + 2 * i, rows + 3 * i, 2 * sizeof *x);
  const double *log_q = density(bench, name, version, n, x, arena);
  for (size_t i = 0; i < n; i++) {
    const double miss = rows && log_q ? fabs(rows[3 * i + 2] - log_q[i]) : NAN;
    *off += !(miss <= 1e-12);
    if (!(miss <= *worst)) *worst = miss;
  }
  free(x);
  answer_free(&drawn);
  boltz_arena_close(arena);
}

/* The same weights in every precision: 20 000 000 samples against quadrature. */
static void every_precision(struct bench *bench, const char *name, double exact_log_z) {
  static const char *const precisions[] = {"fp32", "bf16", "int8", "table"};
  enum { ROWS = 100000, BATCHES = 10 };
  for (size_t p = 0; p < 4; p++) {
    char what[96], path[128], body[128];
    snprintf(what, sizeof what, "%s in %s", name, precisions[p]);
    snprintf(path, sizeof path, "/v1/models/%s/versions", name);
    snprintf(body, sizeof body, "{\"from_version\":1,\"precision\":\"%s\"}", precisions[p]);
    struct answer made = call(&bench->daemon, "POST", path, body);
    const int version = (int)answer_number(&made, "version");
    answer_free(&made);
    snprintf(body, sizeof body, ",\"version\":%d", version);
    const double start = seconds_now();
    struct answer answer = long_estimate(bench, name, 20000000, body);
    long_figure(bench, what, "M samples/s in an estimate", 20 / (seconds_now() - start), 0,
                INFINITY);
    long_figure(bench, what, "(log Z - exact)/stderr, n = 2e7",
                (answer_number(&answer, "log_z.value") - exact_log_z) /
                    answer_number(&answer, "log_z.stderr"),
                -3, 3);
    long_figure(bench, what, "ess_fraction", answer_number(&answer, "ess_fraction"), 0.97, 1);
    answer_free(&answer);
    double off = 0, worst = 0;
    for (size_t k = 0; k < BATCHES; k++)
      recompute(bench, name, version, k * ROWS, ROWS, &off, &worst);
    long_figure(bench, what, "rows of 1e6: log_q off by 1e-12", off, 0, 1);
    long_figure(bench, what, "worst log_q from x, in 1e-12", 1e12 * worst, 0, 0.1 * 1e12);
  }
}

/* The numbers are those of the default job. */
static void well_in_depth(struct bench *bench) {
  struct exact_well well = exact_well(1, 6, 1, 1, 1);
  if (!long_train(bench, "well in depth", "well", "{\"kind\":\"double_well\"}", 1, "", 180)) return;
  check_well(bench, "well in depth", "well", &well, 0.97, 0);
  every_precision(bench, "well", well.log_z);
}

static void pair_in_depth(struct bench *bench) {
  static const char energy[] = "{\"kind\":\"harmonic_pair\",\"k\":2,\"L\":4}";
  if (!long_train(bench, "pair in depth", "pair", energy, 1, "", 180)) return;
  check_pair(bench, "pair in depth", "pair", 2, 4, 1);
  every_precision(bench, "pair", exact_pair_log_z(2, 4, 1));
}

static double uniform(uint64_t seed, int k, double low, double high) {
  double u[2];
  boltz_rng_uniform(seed, BOLTZ_STREAM_TEST, (uint64_t)k, 0, u);
  return low + (high - low) * u[0];
}

static void drawn_well(struct bench *bench, uint64_t seed, int k) {
  char what[96], name[32], energy[192];
  double a = uniform(seed, 10 * k, 0.7, 1.5), b = uniform(seed, 10 * k + 1, 3, 7);
  double c = uniform(seed, 10 * k + 2, -1, 1), d = uniform(seed, 10 * k + 3, 0.5, 4);
  double T = uniform(seed, 10 * k + 4, 0.8, 2);
  struct exact_well well = exact_well(a, b, c, d, T);
  snprintf(what, sizeof what, "drawn well a=%.2f b=%.2f c=%.2f d=%.2f T=%.2f", a, b, c, d, T);
  snprintf(name, sizeof name, "well-%d", k);
  snprintf(energy, sizeof energy,
           "{\"kind\":\"double_well\",\"a\":%.17g,\"b\":%.17g,\"c\":%.17g,\"d\":%.17g}", a, b, c,
           d);
  double rare = fmin(well.p_right, 1 - well.p_right);
  /* no tolerance below 3 of the exact counting error of 1 000 000 samples */
  double counting = 3 / sqrt(1e6 * rare * (1 - rare));
  if (long_train(bench, what, name, energy, T, "", 180))
    check_well(bench, what, name, &well, 0.97, counting);
}

static void drawn_pair(struct bench *bench, uint64_t seed, int n) {
  char what[96], name[32], energy[128];
  double k = uniform(seed, 10 * n + 5, 0.5, 5), L = uniform(seed, 10 * n + 6, 1, 6);
  snprintf(what, sizeof what, "drawn pair k=%.2f L=%.2f", k, L);
  snprintf(name, sizeof name, "pair-%d", n);
  snprintf(energy, sizeof energy, "{\"kind\":\"harmonic_pair\",\"k\":%.17g,\"L\":%.17g}", k, L);
  if (long_train(bench, what, name, energy, 1, "", 180)) check_pair(bench, what, name, k, L, 1);
}

/* The flow that holds the perfect map of the pair: RMS |z - z_perfect| over exact samples. */
static void perfect_map(struct bench *bench) {
  static const char what[] = "perfect map of the pair";
  if (!long_train(
          bench, what, "map", "{\"kind\":\"harmonic_pair\",\"k\":2,\"L\":4}", 1,
          ",\"flow\":{\"layers\":[{\"type\":\"actnorm\"},{\"type\":\"affine_coupling\",\"fixed\":["
          "0],"
          "\"moved\":[1],\"hidden\":[64,64],\"scale_activation\":\"tanh\"},{\"type\":\"interval\","
          "\"coordinates\":[0],\"low\":[0],\"high\":[4]}]}",
          180))
    return;
  enum { N = 10000 };
  struct boltz_text body = {0};
  static double z[N][2];
  boltz_text_puts(&body, "{\"to\":\"z\",\"x\":[");
  for (int i = 0; i < N; i++) {
    boltz_rng_normal(99, BOLTZ_STREAM_TEST, (uint64_t)i, 0, z[i]);
    double x1 = 4 * 0.5 * erfc(-z[i][0] / M_SQRT2);
    boltz_text_puts(&body, i ? ",[" : "[");
    boltz_text_number(&body, x1);
    boltz_text_puts(&body, ",");
    boltz_text_number(&body, x1 + z[i][1] / sqrt(2 * 2));
    boltz_text_puts(&body, "]");
  }
  boltz_text_puts(&body, "]}");
  struct answer answer = call(&bench->daemon, "POST", "/v1/models/map/transform", body.data);
  double cross[2] = {0}, square = 0;
  const struct boltz_json *rows = answer_member(&answer, "z");
  int i = 0;
  for (const struct boltz_json *r = rows ? rows->child : NULL; r; r = r->next, i++)
    for (int j = 0; j < 2; j++) cross[j] += r->numbers[j] * z[i][j];
  i = 0;
  for (const struct boltz_json *r = rows ? rows->child : NULL; r; r = r->next, i++)
    for (int j = 0; j < 2; j++) {
      double miss = copysign(1, cross[j]) * r->numbers[j] - z[i][j];
      square += miss * miss;
    }
  long_figure(bench, what, "RMS |z - z_perfect|", i == N ? sqrt(square / N) : NAN, 0, 0.02);
  boltz_text_free(&body);
  answer_free(&answer);
}

/* Architecture R: four RealNVP blocks, three hidden layers of 256. */
static void reference_architecture(struct bench *bench) {
  static const char what[] = "architecture R, double well";
  if (long_train(
          bench, what, "reference", "{\"kind\":\"double_well\"}", 1,
          ",\"flow\":{\"layers\":[{\"type\":\"realnvp\",\"blocks\":4,\"hidden\":[256,256,256],"
          "\"scale_activation\":\"relu\",\"shift_activation\":\"tanh\"}]},"
          "\"stages\":[{\"steps\":300,\"batch\":500,\"learning_rate\":0.001,\"warm_up\":30,"
          "\"ml\":1},"
          "{\"steps\":2500,\"batch\":500,\"learning_rate\":0.001,\"final_learning_rate\":0.005,"
          "\"ml\":1}]",
          1800))
    check_ess(bench, what, "reference", 0.95);
}

void long_wells(struct bench *bench, int draws, uint64_t seed) {
  if (long_wants(bench, "well in depth")) well_in_depth(bench);
  if (long_wants(bench, "pair in depth")) pair_in_depth(bench);
  if (long_wants(bench, "perfect map of the pair")) perfect_map(bench);
  for (int k = 0; k < draws && long_wants(bench, "drawn well"); k++) drawn_well(bench, seed, k);
  for (int k = 0; k < draws && long_wants(bench, "drawn pair"); k++) drawn_pair(bench, seed, k);
  if (long_wants(bench, "architecture R")) reference_architecture(bench);
}
