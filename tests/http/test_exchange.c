/* test_exchange.c - a model whose particles are alike, over HTTP: samples, weights, and the way
 * there and back. */
#include "tests/check.h"
#include "tests/http/client.h"

/* Two particles of a dimer and four of a bath, in the plane. */
#define DIM 12
#define PARTICLES 6
#define N 200

static struct daemon server;

static const char model[] =
    "{\"name\":\"bath\",\"energy\":{\"kind\":\"particle_dimer\",\"n_solvent\":4}}";

static const char job[] =
    "{\"kind\":\"train\",\"model\":\"bath\",\"seed\":3,\"data\":{\"burn_in\":1,\"steps\":40},"
    "\"flow\":{\"base\":\"normal\",\"layers\":[{\"type\":\"realnvp\",\"blocks\":1,\"hidden\":[8]},"
    "{\"type\":\"actnorm\"},{\"type\":\"exchange\",\"particles\":[0,2],\"width\":2},"
    "{\"type\":\"exchange\",\"particles\":[4,6,8,10],\"width\":2}]},"
    "\"stages\":[{\"steps\":5,\"batch\":64,\"ml\":1},{\"steps\":3,\"batch\":64,\"ml\":1,\"kl\":0."
    "1}]}";

/* Item k of a list: a number, or what a string says. */
static double item(const struct answer *answer, const char *member, size_t k) {
  const struct boltz_json *list = answer_member(answer, member);
  if (!list || k >= list->n) return NAN;
  if (list->numbers) return list->numbers[k];
  const struct boltz_json *child = list->child;
  for (; child && k > 0; k--) child = child->next;
  if (!child) return NAN;
  if (child->type == BOLTZ_JSON_NUMBER) return child->number;
  if (child->type != BOLTZ_JSON_STRING) return NAN;
  return strcmp(child->text, "Infinity") == 0    ? INFINITY
         : strcmp(child->text, "-Infinity") == 0 ? -INFINITY
                                                 : NAN;
}

/* Rows of a member [N][DIM]. */
static void rows_of(const struct answer *answer, const char *member, double rows[N][DIM]) {
  const struct boltz_json *list = answer_member(answer, member);
  const struct boltz_json *row = list ? list->child : NULL;
  CHECK_MSG(list && list->n == N, "%s: %.200s", member, answer->body);
  for (size_t i = 0; i < N; i++, row = row ? row->next : NULL)
    for (size_t j = 0; j < DIM; j++)
      rows[i][j] = row && row->numbers && row->n == DIM ? row->numbers[j] : NAN;
}

static struct answer post(const char *path, const char *head, double rows[N][DIM]) {
  struct boltz_text body = {0};
  boltz_text_puts(&body, head);
  for (size_t i = 0; i < N; i++)
    for (size_t j = 0; j < DIM; j++) {
      boltz_text_puts(&body, j > 0 ? "," : i > 0 ? "],[" : "[[");
      boltz_text_number(&body, rows[i][j]);
    }
  boltz_text_puts(&body, "]]}");
  struct answer answer = call(&server, "POST", path, body.data);
  CHECK_MSG(answer.status == 200, "%s: %s", path, answer.body);
  boltz_text_free(&body);
  return answer;
}

static struct answer draw(void) {
  char body[128];
  snprintf(body, sizeof body,
           "{\"n\":%d,\"seed\":5,\"include\":[\"energy\",\"log_q\",\"log_weight\"]}", N);
  struct answer sample = call(&server, "POST", "/v1/models/bath/sample", body);
  CHECK_MSG(sample.status == 200, "%s", sample.body);
  return sample;
}

/* ---- Tests ---- */

static void a_flow_that_ends_in_exchange_is_trained_and_served(void) {
  struct answer made = call(&server, "POST", "/v1/models", model);
  CHECK_MSG(made.status == 201, "%s", made.body);
  answer_free(&made);
  struct answer trained = run_job(&server, job, 120, NULL);
  const char *status = answer_text(&trained, "status");
  CHECK_MSG(status && strcmp(status, "succeeded") == 0, "%s", trained.body);
  CHECK_INT(answer_number(&trained, "progress.step"), 8);
  answer_free(&trained);
}

static void a_latent_in_another_order_is_a_sample_without_weight(void) {
  struct answer sample = draw();
  size_t without = 0;
  for (size_t i = 0; i < N; i++) {
    const double u = item(&sample, "energy", i), log_q = item(&sample, "log_q", i);
    const double log_weight = item(&sample, "log_weight", i);
    CHECK(isfinite(u));
    if (log_q == INFINITY) {
      CHECK(log_weight == -INFINITY);
      without++;
    } else {
      CHECK(isfinite(log_q));
      CHECK_NEAR(log_weight, -u - log_q, 1e-12 * (1 + fabs(u)));
    }
  }
  CHECK_INT(answer_number(&sample, "non_finite"), 0);
  CHECK_MSG(without > 0 && without < N, "%zu of %d", without, N);
  CHECK(strstr(sample.body, "\"Infinity\"") && strstr(sample.body, "\"-Infinity\""));
  answer_free(&sample);
}

static void every_configuration_has_a_density_of_its_own(void) {
  static double x[N][DIM];
  struct answer sample = draw();
  rows_of(&sample, "x", x);
  struct answer weights = post("/v1/models/bath/weights", "{\"x\":", x);
  for (size_t i = 0; i < N; i++) {
    const double drawn = item(&sample, "log_q", i), given = item(&weights, "log_q", i);
    CHECK(isfinite(given));
    /* the way back differs by rounding */
    if (drawn != INFINITY) CHECK_NEAR(given, drawn, 1e-9 * (1 + fabs(drawn)));
    CHECK(item(&weights, "energy", i) == item(&sample, "energy", i));
  }
  CHECK_INT(answer_number(&weights, "non_finite"), 0);
  answer_free(&weights);
  answer_free(&sample);
}

/* Which of the particles first ... first + n - 1 of y is at particle p of x; -1: none. */
static int find(const double *x, const double *y, int p, int first, int n) {
  for (int q = first; q < first + n; q++)
    if (hypot(x[2 * p] - y[2 * q], x[2 * p + 1] - y[2 * q + 1]) < 1e-8) return q;
  return -1;
}

/* Every particle is found once, among its own kind. */
static int renamed(const double *x, const double *y) {
  int moved = 0;
  unsigned found = 0;
  for (int p = 0; p < PARTICLES; p++) {
    const int q = p < 2 ? find(x, y, p, 0, 2) : find(x, y, p, 2, 4);
    if (q < 0) return -1;
    found |= 1u << q;
    moved += q != p;
  }
  return found == (1u << PARTICLES) - 1 ? moved : -1;
}

static void there_and_back_is_the_same_particles_under_other_names(void) {
  static double x[N][DIM], z[N][DIM], back[N][DIM];
  int moved = 0;
  struct answer sample = draw();
  rows_of(&sample, "x", x);
  struct answer to_z = post("/v1/models/bath/transform", "{\"to\":\"z\",\"x\":", x);
  rows_of(&to_z, "z", z);
  struct answer to_x = post("/v1/models/bath/transform", "{\"to\":\"x\",\"z\":", z);
  rows_of(&to_x, "x", back);
  for (size_t i = 0; i < N; i++) {
    const int others = renamed(x[i], back[i]);
    CHECK_MSG(others >= 0, "row %zu", i);
    moved += others > 0;
    CHECK_NEAR(item(&to_z, "log_det", i), -item(&to_x, "log_det", i), 1e-9);
  }
  CHECK_MSG(moved > N / 2, "%d", moved); /* one of 2! 4! has its names by chance */
  answer_free(&to_x);
  answer_free(&to_z);
  answer_free(&sample);
}

static void rows_are_the_same_bits_wherever_they_are_asked_for(void) {
  static double x[N][DIM];
  struct answer sample = draw();
  rows_of(&sample, "x", x);
  struct answer one = call(&server, "POST", "/v1/models/bath/sample",
                           "{\"n\":2,\"first\":57,\"seed\":5,\"include\":[\"log_q\"]}");
  const struct boltz_json *rows = answer_member(&one, "x");
  CHECK_MSG(one.status == 200 && rows && rows->child && rows->child->numbers, "%s", one.body);
  for (size_t j = 0; j < DIM && rows && rows->child && rows->child->numbers; j++)
    CHECK(rows->child->numbers[j] == x[57][j]);
  for (size_t i = 0; i < 2; i++) CHECK(item(&one, "log_q", i) == item(&sample, "log_q", 57 + i));
  answer_free(&one);
  answer_free(&sample);
}

int main(int argc, char **argv) {
  daemon_begin(&server);
  RUN(a_flow_that_ends_in_exchange_is_trained_and_served);
  RUN(a_latent_in_another_order_is_a_sample_without_weight);
  RUN(every_configuration_has_a_density_of_its_own);
  RUN(there_and_back_is_the_same_particles_under_other_names);
  RUN(rows_are_the_same_bits_wherever_they_are_asked_for);
  daemon_end(&server);
  return check_report();
}
