/* test_stats.c - weights, Pareto k and autocorrelation times against formulas and an independent
 * fit (golden/pareto_k.py). */
#include "boltz/stats.h"

#include <stdint.h>

#include "boltz/rng.h"
#include "check.h"

/* ---- weights ---- */

static void a_summary_of_four_weights_is_what_the_hand_computes(void) {
  /* weights 1, 2, 3, 4 times e^1000, which overflows unless shifted */
  const double log_w[] = {1000, 1000 + log(2), 1000 + log(3), 1000 + log(4)};
  struct boltz_weight_summary s;
  boltz_stats_weights(log_w, 4, &s);
  CHECK_NEAR(s.ess, 100.0 / 30, 1e-12); /* log weights near 1000 round at 1e-13 */
  CHECK_NEAR(s.ess_fraction, 100.0 / 120, 1e-12);
  CHECK_NEAR(s.log_mean, 1000 + log(2.5), 1e-12);
  CHECK_INT(s.non_finite, 0);
}

static void weights_that_are_no_numbers_are_counted_and_weigh_nothing(void) {
  const double log_w[] = {NAN, 0, INFINITY, 0, -INFINITY};
  double weight[5];
  struct boltz_weight_summary s;
  boltz_stats_weights(log_w, 5, &s);
  CHECK_INT(s.non_finite, 2); /* −infinity is an honest 0 */
  CHECK_NEAR(s.ess, 2, 0);
  CHECK_NEAR(s.log_mean, log(2.0 / 5), 1e-15); /* one rounding */
  boltz_stats_normalise(log_w, 5, weight);
  CHECK(weight[0] == 0 && weight[1] == 0.5 && weight[2] == 0 && weight[3] == 0.5 && weight[4] == 0);
}

static void no_weight_at_all_has_no_ess(void) {
  const double log_w[] = {-INFINITY, NAN};
  double weight[2] = {1, 1};
  struct boltz_weight_summary s;
  boltz_stats_weights(log_w, 2, &s);
  CHECK(s.ess == 0 && s.ess_fraction == 0 && s.log_mean == -INFINITY && s.non_finite == 1);
  boltz_stats_normalise(log_w, 2, weight);
  CHECK(weight[0] == 0 && weight[1] == 0);
  boltz_stats_weights(log_w, 0, &s);
  CHECK(s.ess == 0 && s.ess_fraction == 0 && s.log_mean == -INFINITY && s.non_finite == 0);
}

static void equal_weights_are_worth_their_number(void) {
  double log_w[100];
  struct boltz_weight_summary s;
  for (int i = 0; i < 100; i++) log_w[i] = -1e5;
  boltz_stats_weights(log_w, 100, &s);
  CHECK_NEAR(s.ess, 100, 1e-12); /* sums of ones are exact */
  CHECK_NEAR(s.log_mean, -1e5, 0);
}

/* ---- Pareto k ---- */

/* The golden script's generator, started at 2024. */
static double next_uniform(uint64_t *x) {
  *x = *x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return ((double)(*x >> 11) + 0.5) / 9007199254740992.0;
}

static double minus_log(uint64_t *x, double k) {
  return -k * log(next_uniform(x));
}

static double exponential_weight(uint64_t *x, double unused) {
  (void)unused;
  return log(-log(next_uniform(x)));
}

static double uniform_weight(uint64_t *x, double unused) {
  (void)unused;
  return log(next_uniform(x));
}

static double normal_log_weight(uint64_t *x, double sigma) {
  double sum = 0;
  for (int i = 0; i < 12; i++) sum += next_uniform(x);
  return sigma * (sum - 6);
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* k of all of log_w [n]: the tail is cut off a sorted copy, in falling order. */
static double pareto_k(const double *log_w, size_t n) {
  const size_t count = boltz_stats_tail_size(n) + 1;
  double *sorted = malloc(n * sizeof *sorted), *tail = malloc(count * sizeof *tail);
  memcpy(sorted, log_w, n * sizeof *sorted);
  qsort(sorted, n, sizeof *sorted, by_value);
  for (size_t i = 0; i < count; i++) tail[i] = sorted[n - 1 - i];
  const double k = boltz_stats_pareto_k(tail, count);
  free(sorted);
  free(tail);
  return k;
}

static void pareto_k_equals_the_independent_fit(void) {
  /* Expected values: golden/pareto_k.py, kept in golden/pareto_k.txt. */
  static const struct {
    const char *name;
    double (*draw)(uint64_t *x, double parameter);
    double parameter;
    size_t n;
    double k;
  } sets[] = {
      {"pareto 0.7", minus_log, 0.7, 2000, 0.330027119737124},
      {"pareto 0.4", minus_log, 0.4, 40, 0.276322782652228},
      {"exponential weights", exponential_weight, 0, 1000, -0.262824493666471},
      {"uniform weights", uniform_weight, 0, 500, -0.694781005331443},
      {"normal log weights", normal_log_weight, 2, 5000, 0.583372061120149},
  };
  for (size_t s = 0; s < sizeof sets / sizeof sets[0]; s++) {
    uint64_t x = 2024;
    double *log_w = malloc(sets[s].n * sizeof *log_w);
    for (size_t i = 0; i < sets[s].n; i++) log_w[i] = sets[s].draw(&x, sets[s].parameter);
    const double k = pareto_k(log_w, sets[s].n);
    /* The excesses over the threshold round at 1e-16 of weights of order 1; k averages logs. */
    CHECK_MSG(fabs(k - sets[s].k) <= 1e-10, "%s: %.15f, not %.15f", sets[s].name, k, sets[s].k);
    free(log_w);
  }
}

static void pareto_k_recovers_the_shape_of_a_pareto_tail(void) {
  enum { n = 20000, sets = 25 };
  const double shapes[] = {0.3, 0.6, 0.9};
  double *log_w = malloc(n * sizeof *log_w);
  for (int s = 0; s < 3; s++) {
    double mean = 0;
    for (uint64_t set = 0; set < sets; set++) {
      for (uint64_t i = 0; i < n; i++) {
        double u[2];
        boltz_rng_uniform(set, BOLTZ_STREAM_TEST, i, 0, u);
        log_w[i] = -shapes[s] * log(u[0]);
      }
      mean += pareto_k(log_w, n) / sets;
    }
    /* A fit's standard deviation is (1 + k)/√m; the prior draws by 10/(m + 10) towards 1/2. */
    const double m = (double)boltz_stats_tail_size(n);
    CHECK_NEAR(mean, shapes[s],
               4 * (1 + shapes[s]) / sqrt(m * sets) + 10 / (m + 10) * fabs(0.5 - shapes[s]));
  }
  free(log_w);
}

static void a_tail_is_a_fifth_or_three_roots_whichever_is_less(void) {
  CHECK_INT(boltz_stats_tail_size(100), 20);
  CHECK_INT(boltz_stats_tail_size(101), 21); /* rounded up */
  CHECK_INT(boltz_stats_tail_size(225), 45); /* both */
  CHECK_INT(boltz_stats_tail_size(10000), 300);
  CHECK_INT(boltz_stats_tail_size(100000000), 30000);
}

static void a_tail_too_small_or_too_flat_to_fit_is_told_apart(void) {
  double few[] = {1, 2, 3, 4, 5};
  CHECK(isnan(boltz_stats_pareto_k(few, 5)));
  CHECK(isnan(boltz_stats_pareto_k(few, 0)));
  double enough[] = {1, 2, 3, 4, 5, 6};
  CHECK(isfinite(boltz_stats_pareto_k(enough, 6)));
  double tied[] = {0, 0, 0, 0, 0, 0, 0, 1, 2, 3};
  CHECK(isnan(boltz_stats_pareto_k(tied, 10))); /* 3 excesses only */
  double equal[] = {7, 7, 7, 7 + 1e-13, 7, 7, 7, 7};
  CHECK(boltz_stats_pareto_k(equal, 8) == 0);
  double one_rules[] = {0, 1, 2, 3, 4, 5, 6, 7, 10000};
  CHECK(isnan(boltz_stats_pareto_k(one_rules, 9))); /* the others vanish beside it */
}

static void a_verdict_follows_k_and_ess(void) {
  CHECK_TEXT(boltz_stats_verdict(-0.2, 10), "good");
  CHECK_TEXT(boltz_stats_verdict(0.4999, 10), "good");
  CHECK_TEXT(boltz_stats_verdict(0.5, 10), "usable");
  CHECK_TEXT(boltz_stats_verdict(0.6999, 10), "usable");
  CHECK_TEXT(boltz_stats_verdict(0.7, 10), "unreliable");
  CHECK_TEXT(boltz_stats_verdict(NAN, 10), "unreliable");
  CHECK_TEXT(boltz_stats_verdict(0.1, 0), "unreliable");
  CHECK_TEXT(boltz_stats_verdict(0.1, NAN), "unreliable");
}

/* ---- autocorrelation ---- */

/* walkers of x(t+1) = rho·x(t) + sqrt(1 − rho²)·normal, started in the stationary state */
static double *autoregression(double rho, size_t steps, size_t walkers) {
  double *x = malloc(steps * walkers * sizeof *x);
  for (size_t i = 0; i < walkers; i++)
    for (size_t t = 0; t < steps; t++) {
      double z[2];
      boltz_rng_normal(i, BOLTZ_STREAM_TEST, t, 0, z);
      x[t * walkers + i] =
          t == 0 ? z[0] : rho * x[(t - 1) * walkers + i] + sqrt(1 - rho * rho) * z[0];
    }
  return x;
}

static void an_autoregression_has_its_own_time(void) {
  const double rhos[] = {0, 0.5, 0.9};
  const size_t steps = 20000, walkers = 8;
  for (int k = 0; k < 3; k++) {
    const double tau = (1 + rhos[k]) / (1 - rhos[k]);
    double *x = autoregression(rhos[k], steps, walkers);
    /* Sokal: the relative deviation is sqrt(2(2M + 1)/n), M = 5 tau; 4 of them. */
    const double deviation = sqrt(2 * (10 * tau + 1) / (double)(steps * walkers));
    CHECK_NEAR(boltz_stats_autocorrelation_time(x, steps, walkers), tau, 4 * deviation * tau);
    free(x);
  }
}

/* The slow obvious version: every lag, one walker after the other. */
static double slow_time(const double *x, size_t steps, size_t walkers) {
  double mean = 0, c0 = 0, tau = 1;
  for (size_t i = 0; i < steps * walkers; i++) mean += x[i] / (double)(steps * walkers);
  for (size_t t = 0; t < steps; t++) {
    double c = 0;
    for (size_t i = 0; i < walkers; i++)
      for (size_t s = 0; s + t < steps; s++)
        c += (x[s * walkers + i] - mean) * (x[(s + t) * walkers + i] - mean);
    if (t == 0) c0 = c;
    if (t > 0) tau += 2 * c / c0;
    if (t > 0 && (double)t >= 5 * tau) break;
  }
  return tau;
}

static void thinned_lags_give_the_time_of_every_lag(void) {
  const size_t steps = 30000, walkers = 3;
  double *x = autoregression(0.5, steps, walkers);
  const double fast = slow_time(x, steps, walkers);
  CHECK_NEAR(boltz_stats_autocorrelation_time(x, steps, walkers), fast, 1e-9); /* rounding */
  free(x);
  x = autoregression(0.98, steps, walkers);
  const double slow = slow_time(x, steps, walkers);
  /* Lags above 128 by the trapezoid rule, 2 to 8 apart on a decay of length 50: (8/50)²/12 and the
   * noise of the last lags. */
  CHECK_NEAR(boltz_stats_autocorrelation_time(x, steps, walkers), slow, 0.02 * slow);
  free(x);
}

static void walkers_that_never_move_take_all_steps(void) {
  double x[300];
  for (int i = 0; i < 300; i++) x[i] = 0.1;
  CHECK_NEAR(boltz_stats_autocorrelation_time(x, 100, 3), 100, 0);
  for (int i = 0; i < 300; i++) x[i] = i % 3;
  CHECK_NEAR(boltz_stats_autocorrelation_time(x, 100, 3), 100, 1e-9); /* 1 + 2 Σ(1 − t/100) */
}

static void a_time_is_never_below_one_and_not_a_number_for_nan(void) {
  double x[400];
  for (int i = 0; i < 400; i++) x[i] = i / 2 % 2; /* every step turns back */
  CHECK(boltz_stats_autocorrelation_time(x, 200, 2) == 1);
  x[17] = NAN;
  CHECK(isnan(boltz_stats_autocorrelation_time(x, 200, 2)));
}

int main(int argc, char **argv) {
  RUN(a_summary_of_four_weights_is_what_the_hand_computes);
  RUN(weights_that_are_no_numbers_are_counted_and_weigh_nothing);
  RUN(no_weight_at_all_has_no_ess);
  RUN(equal_weights_are_worth_their_number);
  RUN(pareto_k_equals_the_independent_fit);
  RUN(pareto_k_recovers_the_shape_of_a_pareto_tail);
  RUN(a_tail_is_a_fifth_or_three_roots_whichever_is_less);
  RUN(a_tail_too_small_or_too_flat_to_fit_is_told_apart);
  RUN(a_verdict_follows_k_and_ess);
  RUN(an_autoregression_has_its_own_time);
  RUN(thinned_lags_give_the_time_of_every_lag);
  RUN(walkers_that_never_move_take_all_steps);
  RUN(a_time_is_never_below_one_and_not_a_number_for_nan);
  return check_report();
}
