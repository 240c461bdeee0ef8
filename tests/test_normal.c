/* test_normal.c - tails of the normal distribution against the C library's erfc, and numbers of
 * tests/golden/make_mills.py beyond it. */
#include "core/base/normal.h"

#include "check.h"

static const struct golden {
  double x, mills, log_tail;
} golden[] = {
    {0, 1.2533141373155003, -0.69314718055994529},
    {0.125, 1.1374909212036046, -0.79792614275302409},
    {1, 0.65567954241879844, -1.8410216450092636},
    {3, 0.30459029871010329, -6.6077262215103492},
    {8, 0.1231319632579323, -35.013437159914552},
    {20, 0.049875925981836787, -203.91715537109727},
    {38, 0.026297602974252963, -726.5572160188201},
    {200, 0.0049998750093738281, -20006.217280898189},
    {1e8, 9.9999999999999986e-09, -5000000000000019.0},
};
#define GOLDEN (sizeof golden / sizeof golden[0])

static void mills_ratio_has_its_golden_numbers(void) {
  for (size_t k = 0; k < GOLDEN; k++)
    CHECK_NEAR(boltz_mills(golden[k].x) / golden[k].mills, 1, 1e-15);
  CHECK_NEAR(boltz_mills(1e300) * 1e300, 1, 1e-15);
  CHECK(isnan(boltz_mills(NAN)));
}

/* erfc has its relative precision to the end of the numbers. */
static void the_tail_is_that_of_erfc(void) {
  for (double x = 0; x < 37.5; x += 0.0137)
    CHECK_NEAR(boltz_normal_tail(x) / ((double)(0.5L * erfcl(x * sqrtl(0.5L)))), 1,
               (x * x + 10) * 1e-16);
  CHECK(boltz_normal_tail(40) == 0);
}

static void the_quantile_has_the_golden_tails(void) {
  for (size_t k = 0; k < GOLDEN; k++)
    CHECK_NEAR(boltz_normal_quantile(golden[k].log_tail), golden[k].x, (golden[k].x + 1) * 4e-16);
}

/* A tail may be as thin as numbers go. */
static void the_quantile_inverts_the_tail(void) {
  for (double x = 0; x < 1e100; x = x < 50 ? x + 0.0173 : 1.7 * x) {
    const double log_tail = log(boltz_mills(x)) - 0.5 * x * x - BOLTZ_HALF_LOG_2PI;
    CHECK_NEAR(boltz_normal_quantile(log_tail), x, (x + 1) * 4e-16);
  }
  CHECK(isnan(boltz_normal_quantile(NAN)));
}

int main(int argc, char **argv) {
  RUN(mills_ratio_has_its_golden_numbers);
  RUN(the_tail_is_that_of_erfc);
  RUN(the_quantile_has_the_golden_tails);
  RUN(the_quantile_inverts_the_tail);
  return check_report();
}
