/* The decompositions against what they are defined by. */
#include <math.h>
#include <string.h>

#include "boltz/rng.h"
#include "check.h"
#include "core/linear/lapack.h"

enum { N = 37 };

static struct boltz_arena *arena;

static void fill(uint64_t seed, double *a) {
  for (int k = 0; k < N * N; k++) {
    double z[2];
    boltz_rng_normal(seed, BOLTZ_STREAM_TEST, (uint64_t)k, 0, z);
    a[k] = z[0];
  }
}

/* a a^T */
static void square(const double *a, double *out) {
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      out[i * N + j] = 0;
      for (int k = 0; k < N; k++) out[i * N + j] += a[i * N + k] * a[j * N + k];
    }
}

static void eigenvectors_are_stretched_by_their_values(void) {
  static double a[N * N], s[N * N], v[N * N], values[N];
  fill(1, a);
  square(a, s);
  memcpy(v, s, sizeof v);
  CHECK_INT(boltz_eigen(N, v, values, arena), BOLTZ_OK);
  for (int k = 0; k < N; k++) {
    CHECK(k == 0 || values[k] >= values[k - 1]);
    double length = 0;
    for (int i = 0; i < N; i++) {
      double sv = 0;
      for (int j = 0; j < N; j++) sv += s[i * N + j] * v[k * N + j];
      CHECK_NEAR(sv, values[k] * v[k * N + i], 1e-11);
      length += v[k * N + i] * v[k * N + i];
    }
    CHECK_NEAR(length, 1, 1e-13);
  }
}

static void a_factor_squares_to_the_matrix(void) {
  static double a[N * N], s[N * N], l[N * N], again[N * N];
  fill(2, a);
  square(a, s);
  memcpy(l, s, sizeof l);
  CHECK_INT(boltz_cholesky(N, l), BOLTZ_OK);
  square(l, again);
  for (int k = 0; k < N * N; k++) CHECK_NEAR(again[k], s[k], 1e-11);
  CHECK(l[1] == 0 && l[0] > 0);
  s[0] = -1;
  CHECK_INT(boltz_cholesky(N, s), BOLTZ_OUT_OF_RANGE);
}

static void an_inverse_undoes_the_matrix(void) {
  static double a[N * N], b[N * N], s[N * N], values[N];
  double log_det = 0, sum = 0;
  fill(3, a);
  memcpy(b, a, sizeof b);
  CHECK_INT(boltz_invert(N, b, &log_det, arena), BOLTZ_OK);
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      double ab = 0;
      for (int k = 0; k < N; k++) ab += a[i * N + k] * b[k * N + j];
      CHECK_NEAR(ab, i == j, 1e-10);
    }
  square(a, s); /* ln|det a|: half of what its square has */
  CHECK_INT(boltz_eigen(N, s, values, arena), BOLTZ_OK);
  for (int k = 0; k < N; k++) sum += 0.5 * log(values[k]);
  CHECK_NEAR(log_det, sum, 1e-9);
}

static void what_has_no_answer_is_refused(void) {
  static double a[N * N], values[N];
  double log_det;
  memset(a, 0, sizeof a);
  CHECK_INT(boltz_invert(N, a, &log_det, arena), BOLTZ_OUT_OF_RANGE);
  a[5] = NAN;
  CHECK_INT(boltz_eigen(N, a, values, arena), BOLTZ_OUT_OF_RANGE);
  CHECK_INT(boltz_invert(N, a, &log_det, arena), BOLTZ_OUT_OF_RANGE);
  CHECK_INT(boltz_cholesky(N, a), BOLTZ_OUT_OF_RANGE);
}

int main(int argc, char **argv) {
  arena = boltz_arena_open(0);
  RUN(eigenvectors_are_stretched_by_their_values);
  RUN(a_factor_squares_to_the_matrix);
  RUN(an_inverse_undoes_the_matrix);
  RUN(what_has_no_answer_is_refused);
  boltz_arena_close(arena);
  return check_report();
}
