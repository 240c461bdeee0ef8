/* test_energies_wells.c - the energies with a few wells in the open, and the mixtures of Gaussians:
 * their formulas, far and near, and the settings that are refused. core/exact has their integrals.
 */
#include "boltz/energy.h"
#include "boltz/json.h"
#include "boltz/rng.h"
#include "tests/check.h"

/* An energy of a kind, in an arena of its own. */
struct specimen {
  struct boltz_arena *arena;
  struct boltz_energy energy;
};

static enum boltz_status try_energy(struct boltz_arena *arena, const char *name, const char *text,
                                    struct boltz_energy *energy) {
  const struct boltz_energy_kind *kind = boltz_energy_kind_find(name);
  struct boltz_json *json;
  CHECK_MSG(kind, "%s", name);
  if (!kind) return BOLTZ_UNKNOWN_KIND;
  void *settings = boltz_arena_alloc(arena, 1, kind->settings_size + 1);
  BOLTZ_TRY(boltz_json_parse(text, strlen(text), 9, arena, &json));
  BOLTZ_TRY(boltz_json_fields(json, kind->fields, NULL, settings, arena));
  return boltz_energy_new(kind, settings, 1, arena, energy);
}

static struct specimen specimen_open(const char *name, const char *text) {
  struct specimen s = {.arena = boltz_arena_open(0)};
  CHECK_MSG(try_energy(s.arena, name, text, &s.energy) == BOLTZ_OK, "%s %s: %s", name, text,
            boltz_error());
  return s;
}

static void specimen_close(struct specimen *s) {
  boltz_arena_close(s->arena);
}

static struct boltz_batch batch_new(struct specimen *s, size_t n) {
  struct boltz_batch x;
  CHECK_INT(boltz_batch_new(s->arena, n, s->energy.dim, &x), BOLTZ_OK);
  return x;
}

static void check_refused(const char *name, const char *text, enum boltz_status status,
                          const char *pointer, const char *sentence) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy;
  CHECK_MSG(try_energy(arena, name, text, &energy) == status, "%s %s: %s", name, text,
            boltz_error());
  CHECK_TEXT(boltz_error_pointer(), pointer);
  CHECK_MSG(strstr(boltz_error(), sentence), "%s %s: \"%s\"", name, text, boltz_error());
  boltz_arena_close(arena);
}

/* --- mueller_brown --- */

static void the_mueller_brown_surface_has_its_three_minima(void) {
  const double minimum[3][3] = {{-0.558224, 1.441726, -146.699517},
                                {0.623499, 0.028038, -108.166724},
                                {-0.050011, 0.466694, -80.767818}};
  const double h = 1e-6;
  struct specimen s = specimen_open("mueller_brown", "{\"s\": 1}");
  for (int k = 0; k < 3; k++) {
    struct boltz_batch x = batch_new(&s, 5), g = batch_new(&s, 5);
    double u[5];
    for (int i = 0; i < 5; i++)
      for (int j = 0; j < 2; j++)
        x.col[j][i] = minimum[k][j] + (i / 2 == j ? h : 0) * (i % 2 * 2 - 1);
    x.col[0][4] = minimum[k][0], x.col[1][4] = minimum[k][1];
    boltz_energy_eval(&s.energy, 1, &x, u, &g, s.arena);
    /* six digits; rounding x by 5e-7 at curvatures up to 4000 adds 1e-9 */
    CHECK_NEAR(u[4], minimum[k][2], 6e-7);
    /* Newton's step from the printed point to the minimum is its rounding */
    const double xx = (g.col[0][1] - g.col[0][0]) / (2 * h),
                 yy = (g.col[1][3] - g.col[1][2]) / (2 * h),
                 xy = (g.col[1][1] - g.col[1][0]) / (2 * h), det = xx * yy - xy * xy;
    CHECK(xx > 0 && det > 0);
    CHECK_NEAR((yy * g.col[0][4] - xy * g.col[1][4]) / det, 0, 6e-7);
    CHECK_NEAR((xx * g.col[1][4] - xy * g.col[0][4]) / det, 0, 6e-7);
  }
  specimen_close(&s);
}

static void the_variable_of_mueller_brown_is_07_x1_minus_07_x2(void) {
  struct specimen s = specimen_open("mueller_brown", "{\"dim\": 3}");
  const struct boltz_variable *r = boltz_energy_variable(&s.energy, "r");
  struct boltz_batch x = batch_new(&s, 2), value;
  CHECK_INT(boltz_batch_new(s.arena, 2, 1, &value), BOLTZ_OK);
  x.col[0][0] = 1, x.col[1][0] = -2, x.col[2][0] = 5;
  x.col[0][1] = -0.5, x.col[1][1] = 1.5;
  CHECK(r);
  if (r) boltz_variable_eval(&s.energy, r, 1, 0, 0, &x, &value, s.arena);
  CHECK_NEAR(value.col[0][0], 2.1, 1e-15); /* products round */
  CHECK_NEAR(value.col[0][1], -1.4, 1e-15);
  specimen_close(&s);
}

static void further_coordinates_of_mueller_brown_are_harmonic_whatever_s_is(void) {
  struct specimen s = specimen_open("mueller_brown", "{\"s\": 7, \"dim\": 4}");
  struct boltz_batch x = batch_new(&s, 2), g = batch_new(&s, 2);
  double u[2];
  x.col[0][0] = x.col[0][1] = 0.3;
  x.col[2][1] = 3, x.col[3][1] = -2;
  boltz_energy_eval(&s.energy, 2, &x, u, &g, s.arena);
  CHECK_NEAR(u[1] - u[0], 0.5 * (9 + 4) / 2, 1e-11); /* u ~ 1e2 rounds */
  CHECK(g.col[2][1] == 1.5 && g.col[3][1] == -1);
  specimen_close(&s);
}

/* One long step of the fourth exponent: 0.7 dx^2 = e at y = 1, where no other term is left. */
static void an_exponent_of_mueller_brown_goes_on_as_a_line_above_50(void) {
  const double exponents[] = {10, 50 - 1e-9, 50 + 1e-9, 80, 1000};
  struct specimen s = specimen_open("mueller_brown", "{\"s\": 0.5}");
  struct boltz_batch x = batch_new(&s, 5), g = batch_new(&s, 5);
  double u[5];
  for (int i = 0; i < 5; i++) x.col[0][i] = -1 - sqrt(exponents[i] / 0.7), x.col[1][i] = 1;
  boltz_energy_eval(&s.energy, 1, &x, u, &g, s.arena);
  for (int i = 0; i < 5; i++) {
    const double e = exponents[i], slope = e < 50 ? exp(e) : exp(50);
    const double value = e < 50 ? exp(e) : exp(50) * (1 + e - 50);
    /* dx^2 rounds, so that e is off by 1e-16 e, and so are the others' exp(-10) at e = 10 */
    CHECK_NEAR(u[i], 7.5 * value, 1e-13 * (1 + e) * 7.5 * value + 1e-2);
    CHECK_NEAR(g.col[0][i] / (-7.5 * slope * 1.4 * sqrt(e / 0.7)), 1, 1e-5);
  }
  x.col[0][0] = 1e160;
  boltz_energy_eval(&s.energy, 1, &x, u, &g, s.arena);
  CHECK(!isfinite(u[0]));
  specimen_close(&s);
}

/* --- the mixtures --- */

/* What two_gaussians() reads. */
#define TWO "{\"weights\": [0.25, 0.75], \"means\": [[1, -2, 0.5], [-1, 3, 2]], \"stds\": [0.5, 2]}"

/* The same by its formula, in long doubles, and its gradient. */
static double two_gaussians(const double x[3], double g[3]) {
  const double w[] = {0.25, 0.75}, mean[2][3] = {{1, -2, 0.5}, {-1, 3, 2}}, std[] = {0.5, 2};
  long double p = 0, dp[3] = {0, 0, 0};
  for (int k = 0; k < 2; k++) {
    const long double v = (long double)std[k] * std[k];
    long double square = 0;
    for (int j = 0; j < 3; j++) square += ((long double)x[j] - mean[k][j]) * (x[j] - mean[k][j]);
    const long double term = w[k] * expl(-square / (2 * v)) / powl(2 * M_PI * v, 1.5L);
    p += term;
    for (int j = 0; j < 3; j++) dp[j] -= term * (x[j] - mean[k][j]) / v;
  }
  for (int j = 0; j < 3; j++) g[j] = (double)(-dp[j] / p);
  return (double)-logl(p);
}

static void fill_normal(struct boltz_batch *x, double deviation) {
  for (int j = 0; j < x->dim; j++)
    for (size_t i = 0; i < x->n; i++) {
      double z[2];
      boltz_rng_normal(11, BOLTZ_STREAM_TEST, i, (uint32_t)j, z);
      x->col[j][i] = deviation * z[0];
    }
}

static void a_gaussian_mixture_is_its_formula_near_and_far(void) {
  enum { N = 150 }; /* more than a tile, and no multiple of one */
  struct specimen s = specimen_open("gaussian_mixture", TWO);
  CHECK_INT(s.energy.dim, 3);
  for (double deviation = 1; deviation < 50; deviation *= 3) { /* a long double holds exp(-11000) */
    struct boltz_batch x = batch_new(&s, N), g = batch_new(&s, N);
    double u[N], alone[N], expected[3];
    fill_normal(&x, deviation);
    boltz_energy_eval(&s.energy, 1, &x, u, &g, s.arena);
    boltz_energy_eval(&s.energy, 1, &x, alone, NULL, s.arena);
    for (int i = 0; i < N; i++) {
      const double point[] = {x.col[0][i], x.col[1][i], x.col[2][i]};
      const double U = two_gaussians(point, expected);
      CHECK_NEAR(u[i], U, 1e-14 * (10 + fabs(U))); /* sums of ten terms round */
      CHECK(alone[i] == u[i]);
      for (int j = 0; j < 3; j++)
        /* an exponent rounds by 1e-16 |e|, and a share of a component by as much */
        CHECK_NEAR(g.col[j][i], expected[j], 1e-13 * (1 + fabs(U)) * (1 + fabs(expected[j])));
    }
  }
  specimen_close(&s);
}

static void a_far_point_of_a_mixture_has_an_energy_and_a_gradient(void) {
  struct specimen s = specimen_open("gaussian_mixture", TWO);
  const double far[] = {1e3, 1e8, 1e100, 1e153};
  struct boltz_batch x = batch_new(&s, 5), g = batch_new(&s, 5);
  double u[5];
  for (int i = 0; i < 4; i++) x.col[0][i] = -far[i];
  x.col[0][4] = 1e200;
  boltz_energy_eval(&s.energy, 1, &x, u, &g, s.arena);
  for (int i = 0; i < 4; i++) {
    /* the wide component alone: |x - mean|^2 / 8 + 3 ln 2 + (3/2) ln 2 pi - ln 0.75 */
    const double square = (1 - far[i]) * (1 - far[i]) + 13;
    CHECK_NEAR(u[i] / (square / 8 + 1.5 * log(8 * M_PI) - log(0.75)), 1, 1e-15);
    CHECK_NEAR(g.col[0][i] / ((1 - far[i]) / 4), 1, 1e-15);
    CHECK_NEAR(g.col[1][i], -0.75, 1e-15);
  }
  CHECK(u[4] == INFINITY && g.col[0][4] == 0);
  specimen_close(&s);
}

static void a_component_of_no_weight_changes_nothing(void) {
  struct specimen one = specimen_open("gaussian_mixture",
                                      "{\"weights\": [1], \"means\": [[3, -1]], \"stds\": [0.4]}");
  struct specimen two =
      specimen_open("gaussian_mixture",
                    "{\"weights\": [0, 1], \"means\": [[0, 0], [3, -1]], \"stds\": [9, 0.4]}");
  struct boltz_batch x = batch_new(&one, 20), g1 = batch_new(&one, 20), g2 = batch_new(&one, 20);
  double u1[20], u2[20];
  fill_normal(&x, 30);
  boltz_energy_eval(&one.energy, 1, &x, u1, &g1, one.arena);
  boltz_energy_eval(&two.energy, 1, &x, u2, &g2, two.arena);
  for (int i = 0; i < 20; i++)
    CHECK(u1[i] == u2[i] && g1.col[0][i] == g2.col[0][i] && g1.col[1][i] == g2.col[1][i]);
  specimen_close(&one), specimen_close(&two);
}

static void a_mixture_says_so_when_scratch_is_exhausted(void) {
  struct specimen s = specimen_open("gmm40", "{}");
  struct boltz_arena *none = boltz_arena_open(64);
  struct boltz_batch x = batch_new(&s, 2), g = batch_new(&s, 2);
  double u[2] = {1, 1};
  g.col[0][1] = g.col[1][1] = 5;
  boltz_energy_eval(&s.energy, 1, &x, u, &g, none);
  CHECK(isnan(u[0]) && isnan(u[1]));
  CHECK(g.col[0][1] == 0 && g.col[1][1] == 0);
  boltz_arena_close(none);
  specimen_close(&s);
}

static void bad_settings_of_a_gaussian_mixture_are_refused_where_they_are(void) {
  static const struct {
    const char *text;
    enum boltz_status status;
    const char *pointer, *sentence;
  } bad[] = {
      {"{}", BOLTZ_MISSING_MEMBER, "/weights", "weights is missing"},
      {"{\"weights\": [1], \"stds\": [1]}", BOLTZ_MISSING_MEMBER, "/means", "means is missing"},
      {"{\"weights\": [1], \"means\": [[0]]}", BOLTZ_MISSING_MEMBER, "/stds", "stds is missing"},
      {"{\"weights\": [0.5, 0.4], \"means\": [[0], [1]], \"stds\": [1, 1]}", BOLTZ_OUT_OF_RANGE,
       "/weights", "sum to 0.9"},
      {"{\"weights\": [0.5, 0.500000002], \"means\": [[0], [1]], \"stds\": [1, 1]}",
       BOLTZ_OUT_OF_RANGE, "/weights", "sum to 1.000000002"},
      {"{\"weights\": [1.5, -0.5], \"means\": [[0], [1]], \"stds\": [1, 1]}", BOLTZ_OUT_OF_RANGE,
       "/weights/0", "weights[0] = 1.5"},
      {"{\"weights\": [], \"means\": [], \"stds\": []}", BOLTZ_OUT_OF_RANGE, "/weights",
       "weights is empty"},
      {"{\"weights\": [0.5, 0.5], \"means\": [[0], [1]], \"stds\": [1]}", BOLTZ_OUT_OF_RANGE,
       "/stds", "stds has 1 numbers, weights 2"},
      {"{\"weights\": [0.5, 0.5], \"means\": [[0], [1]], \"stds\": [1, 0]}", BOLTZ_OUT_OF_RANGE,
       "/stds/1", "stds[1] = 0"},
      {"{\"weights\": [0.5, 0.5], \"means\": [[0]], \"stds\": [1, 1]}", BOLTZ_OUT_OF_RANGE,
       "/means", "means has 1 members, weights 2"},
      {"{\"weights\": [0.5, 0.5], \"means\": [[0, 1], [1]], \"stds\": [1, 1]}", BOLTZ_OUT_OF_RANGE,
       "/means/1", "means[1] has 1 numbers, means[0] 2"},
      {"{\"weights\": [1], \"means\": [[]], \"stds\": [1]}", BOLTZ_OUT_OF_RANGE, "/means/0",
       "means[0] has 0 numbers"},
      {"{\"weights\": [1], \"means\": [[0, 1e999]], \"stds\": [1]}", BOLTZ_OUT_OF_RANGE,
       "/means/0/1", "means[0][1] = inf"},
      {"{\"weights\": [1], \"means\": [[0, 1, true]], \"stds\": [1]}", BOLTZ_WRONG_TYPE,
       "/means/0/2", "means[0][2] must be a number"},
      {"{\"weights\": [0.5, 0.5], \"means\": [0, 1], \"stds\": [1, 1]}", BOLTZ_WRONG_TYPE,
       "/means/0", "means[0] must be a list of numbers"},
      {"{\"weights\": [0.5, 0.5], \"means\": [[0], \"1\"], \"stds\": [1, 1]}", BOLTZ_WRONG_TYPE,
       "/means/1", "means[1] must be a list of numbers"},
      {"{\"weights\": [1], \"means\": {\"a\": [0]}, \"stds\": [1]}", BOLTZ_WRONG_TYPE, "/means",
       "means must be a list of lists"},
      {"{\"weights\": 1, \"means\": [[0]], \"stds\": [1]}", BOLTZ_WRONG_TYPE, "/weights",
       "weights must be a list of numbers"},
  };
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
    check_refused("gaussian_mixture", bad[i].text, bad[i].status, bad[i].pointer, bad[i].sentence);
}

static void a_sum_of_weights_that_only_rounds_is_accepted(void) {
  struct specimen s = specimen_open("gaussian_mixture",
                                    "{\"weights\": [0.3333333333, 0.3333333333, 0.3333333333], "
                                    "\"means\": [[0], [1], [2]], \"stds\": [1, 1, 1]}");
  specimen_close(&s);
}

/* --- many_well --- */

static void the_many_wells_are_a_sum_over_pairs(void) {
  struct specimen s =
      specimen_open("many_well", "{\"dim\": 6, \"a\": 2, \"b\": 3, \"c\": -5, \"d\": 7}");
  struct boltz_batch x = batch_new(&s, 7);
  double u[7], expected = 0;
  fill_normal(&x, 1.5);
  boltz_energy_eval(&s.energy, 2, &x, u, NULL, s.arena);
  for (int j = 0; j < 6; j += 2) {
    const double v = x.col[j][6], w = x.col[j + 1][6];
    expected += 2 * pow(v, 4) - 3 * v * v - 5 * v + 0.5 * 7 * w * w;
  }
  CHECK_NEAR(u[6], expected / 2, 1e-13 * fabs(expected)); /* sums of twelve terms round */
  specimen_close(&s);
}

static void bad_settings_of_the_wells_are_refused_where_they_are(void) {
  check_refused("many_well", "{\"dim\": 7}", BOLTZ_OUT_OF_RANGE, "/dim", "dim = 7 is odd");
  check_refused("many_well", "{\"dim\": 0}", BOLTZ_OUT_OF_RANGE, "/dim", "dim = 0");
  check_refused("many_well", "{\"a\": 0}", BOLTZ_OUT_OF_RANGE, "/a", "a = 0");
  check_refused("mueller_brown", "{\"dim\": 1}", BOLTZ_OUT_OF_RANGE, "/dim", "dim = 1");
  check_refused("mueller_brown", "{\"s\": 0}", BOLTZ_OUT_OF_RANGE, "/s", "s = 0");
  check_refused("crescents", "{\"noise\": 0}", BOLTZ_OUT_OF_RANGE, "/noise", "noise = 0");
  check_refused("gmm40", "{\"dim\": 2}", BOLTZ_UNKNOWN_MEMBER, "/dim", "\"dim\"");
}

int main(int argc, char **argv) {
  RUN(the_mueller_brown_surface_has_its_three_minima);
  RUN(the_variable_of_mueller_brown_is_07_x1_minus_07_x2);
  RUN(further_coordinates_of_mueller_brown_are_harmonic_whatever_s_is);
  RUN(an_exponent_of_mueller_brown_goes_on_as_a_line_above_50);
  RUN(a_gaussian_mixture_is_its_formula_near_and_far);
  RUN(a_far_point_of_a_mixture_has_an_energy_and_a_gradient);
  RUN(a_component_of_no_weight_changes_nothing);
  RUN(a_mixture_says_so_when_scratch_is_exhausted);
  RUN(bad_settings_of_a_gaussian_mixture_are_refused_where_they_are);
  RUN(a_sum_of_weights_that_only_rounds_is_accepted);
  RUN(the_many_wells_are_a_sum_over_pairs);
  RUN(bad_settings_of_the_wells_are_refused_where_they_are);
  return check_report();
}
