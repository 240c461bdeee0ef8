/* test_vmath.c - the recipes against the C library's long double functions. */
#include <float.h>

#include "boltz/rng.h"
#include "check.h"
#include "core/base/vmath.h"

#define POINTS 200000

/* A point of (low, high). */
static double point(uint64_t index, double low, double high) {
  double u[2];
  boltz_rng_uniform(11, BOLTZ_STREAM_TEST, index, 0, u);
  return low + (high - low) * u[0];
}

static double relative(double value, long double exact) {
  return (double)fabsl((value - exact) / exact);
}

/* One unit in the last place is at most 2.2e-16 of a number. */
static void exp_is_within_one_ulp(void) {
  double worst = 0, worst_within = 0;
  for (uint64_t i = 0; i < POINTS; i++) {
    const double x = point(i, -700, 700), y = point(i, -2, 2);
    worst = fmax(worst, fmax(relative(boltz_exp(x), expl(x)), relative(boltz_exp(y), expl(y))));
    worst_within = fmax(worst_within, relative(boltz_exp_within(x), expl(x)));
    worst_within = fmax(worst_within, relative(boltz_exp_within(y), expl(y)));
  }
  CHECK_NEAR(worst, 0, DBL_EPSILON);
  CHECK_NEAR(worst_within, 0, DBL_EPSILON);
}

static void exp_keeps_its_ends(void) {
  CHECK(boltz_exp(0) == 1);
  CHECK(boltz_exp_within(0) == 1);
  CHECK(boltz_exp(710) == INFINITY);
  CHECK(boltz_exp(INFINITY) == INFINITY);
  CHECK(boltz_exp(-1e300) == 0);
  CHECK(boltz_exp(-INFINITY) == 0);
  CHECK(isnan(boltz_exp(NAN)));
  CHECK_NEAR(boltz_exp(-740) / DBL_TRUE_MIN, (double)(expl(-740) / DBL_TRUE_MIN), 1);
  CHECK_NEAR(relative(boltz_exp(709.7), expl(709.7L)), 0, 2e-13); /* 709.7 itself is rounded */
}

static void log_is_within_one_ulp(void) {
  double worst = 0;
  for (uint64_t i = 0; i < POINTS; i++) {
    const double x = ldexp(point(i, 1, 2), (int)(i % 120) - 60);
    if (x != 1) worst = fmax(worst, relative(boltz_log(x), logl(x)));
  }
  CHECK_NEAR(worst, 0, DBL_EPSILON);
  CHECK(boltz_log(1) == 0);
  CHECK_NEAR(relative(boltz_log(DBL_MIN), logl(DBL_MIN)), 0, DBL_EPSILON);
  CHECK_NEAR(relative(boltz_log(1 - 0x1p-53), logl(1 - 0x1p-53L)), 0, DBL_EPSILON);
}

static void tanh_is_within_its_bound(void) {
  double worst = 0;
  for (uint64_t i = 0; i < POINTS; i++) {
    const double x = point(i, -20, 20);
    worst = fmax(worst, (double)fabsl(boltz_tanh_double(x) - tanhl(x)));
  }
  CHECK_NEAR(worst, 0, 4e-16); /* 1 - 2/(e + 1): two roundings of numbers up to 2 */
  CHECK(boltz_tanh_double(INFINITY) == 1);
  CHECK(boltz_tanh_double(-INFINITY) == -1);
  CHECK(isnan(boltz_tanh_double(NAN)));
}

static void cosine_and_sine_of_a_turn_are_within_their_bound(void) {
  const long double turn = 6.283185307179586476925286766559005768L;
  double worst = 0;
  for (uint64_t i = 0; i < POINTS; i++) {
    const double u = point(i, 0, 1);
    double cosine, sine;
    boltz_cos_sin_turn(u, &cosine, &sine);
    worst = fmax(worst, (double)fabsl(cosine - cosl(turn * u)));
    worst = fmax(worst, (double)fabsl(sine - sinl(turn * u)));
  }
  CHECK_NEAR(worst, 0, DBL_EPSILON);
  for (int k = 0; k <= 4; k++) {
    double cosine, sine;
    boltz_cos_sin_turn(0.25 * k, &cosine, &sine);
    CHECK(cosine == (k == 0 || k == 4) - (k == 2));
    CHECK(sine == (k == 1) - (k == 3));
  }
}

static void angles_are_those_of_atan2(void) {
  double worst = 0;
  for (uint64_t i = 0; i < POINTS; i++) {
    const double y = point(2 * i, -1, 1),
                 x = point(2 * i + 1, -1, 1) * ldexp(1, (int)(i % 40) - 20);
    const long double exact = atan2l(y, x), angle = exact < 0 ? exact + 2 * acosl(-1) : exact;
    worst = fmax(worst, fabs((double)(boltz_angle(x, y) - angle)));
    worst =
        fmax(worst, i % 9 == 0 ? fabs((double)(boltz_angle(x, x) - (x < 0 ? 5 : 1) * M_PI_4)) : 0);
  }
  CHECK_NEAR(worst, 0, 1e-15);
  CHECK(boltz_angle(0, 0) == 0 && boltz_angle(3, 0) == 0 && boltz_angle(-3, 0) == M_PI);
  CHECK(boltz_angle(0, 2) == M_PI_2 && boltz_angle(0, -2) == 3 * M_PI_2);
  CHECK(boltz_angle(1, 1e-300) == 1e-300 && boltz_angle(1, -1e-300) == 2 * M_PI);
}

/* A few roundings of 6e-8. */
static void exp_and_log_of_floats_are_within_their_bounds(void) {
  double worst_exp = 0, worst_log = 0;
  for (uint64_t i = 0; i < POINTS; i++) {
    const float x = (float)point(i, -80, i % 2 ? 0 : 80), y = (float)point(i, 0, 1);
    worst_exp = fmax(worst_exp, relative(boltz_exp_float(x), expl(x)));
    worst_log = fmax(worst_log, relative(boltz_log1p_float(y), log1pl(y)));
  }
  CHECK_NEAR(worst_exp, 0, 1.5e-7);
  CHECK_NEAR(worst_log, 0, 2e-7);
  CHECK(boltz_exp_float(0) == 1 && boltz_log1p_float(0) == 0);
  CHECK(boltz_exp_float(-INFINITY) == boltz_exp_float(-80) && isnan(boltz_exp_float(NAN)));
}

int main(int argc, char **argv) {
  RUN(exp_is_within_one_ulp);
  RUN(exp_keeps_its_ends);
  RUN(log_is_within_one_ulp);
  RUN(tanh_is_within_its_bound);
  RUN(cosine_and_sine_of_a_turn_are_within_their_bound);
  RUN(angles_are_those_of_atan2);
  RUN(exp_and_log_of_floats_are_within_their_bounds);
  return check_report();
}
