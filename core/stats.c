/* stats.c - what a set of weights, or the path of a chain, is worth. */
#include "boltz/stats.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

/* The largest log weight that is a number; −infinity when there is none. */
static double largest(const double *log_w, size_t n) {
  double max = -INFINITY;
  for (size_t i = 0; i < n; i++)
    if (isfinite(log_w[i]) && log_w[i] > max) max = log_w[i];
  return max;
}

void boltz_stats_weights(const double *log_w, size_t n, struct boltz_weight_summary *summary) {
  const double max = largest(log_w, n);
  double sum = 0, square = 0;
  size_t non_finite = 0;
  for (size_t i = 0; i < n; i++) {
    if (!isfinite(log_w[i])) {
      non_finite += !(log_w[i] == -INFINITY);
      continue;
    }
    const double w = exp(log_w[i] - max);
    sum += w;
    square += w * w;
  }
  const double ess = square > 0 ? sum * sum / square : 0;
  *summary = (struct boltz_weight_summary){
      .ess = ess,
      .ess_fraction = n > 0 ? ess / (double)n : 0,
      .log_mean = square > 0 ? max + log(sum / (double)n) : -INFINITY,
      .non_finite = non_finite,
  };
}

void boltz_stats_normalise(const double *log_w, size_t n, double *weight) {
  const double max = largest(log_w, n);
  double sum = 0;
  for (size_t i = 0; i < n; i++) {
    weight[i] = isfinite(log_w[i]) ? exp(log_w[i] - max) : 0;
    sum += weight[i];
  }
  if (!(sum > 0)) return;
  for (size_t i = 0; i < n; i++) weight[i] /= sum;
}

size_t boltz_stats_tail_size(uint64_t n) {
  return (size_t)ceil(fmin(0.2 * (double)n, 3 * sqrt((double)n)));
}

/* mean of ln(1 − b·y): the shape that goes with b = −k/σ */
static double mean_log1p(const double *y, size_t n, double b) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += log1p(-b * y[i]);
  return sum / (double)n;
}

/*
 * Shape of a generalised Pareto distribution from its values y [n] in rising order: the posterior
 * mean of b = −k/σ over a grid of m values, each weighted with its profile likelihood
 *   b_i = 1/y_n + (1 − sqrt(m/(i − ½)))/(3 y_quartile),   l(b) = n·(ln(−b/k(b)) − k(b) − 1),
 * then k(b), drawn towards ½ with the weight of ten values.
 */
static double pareto_shape(const double *y, size_t n) {
  const double prior_scale = 3, prior_k = 0.5, prior_n = 10;
  const size_t m = 30 + (size_t)sqrt((double)n);
  const double quartile = y[(size_t)((double)n / 4 + 0.5) - 1];
  double max = -INFINITY, sum = 0, sum_b = 0;
  for (size_t i = 1; i <= m; i++) {
    const double b =
        1 / y[n - 1] + (1 - sqrt((double)m / ((double)i - 0.5))) / (prior_scale * quartile);
    const double k = mean_log1p(y, n, b);
    const double likelihood = (double)n * (log(-b / k) - k - 1);
    if (!isfinite(likelihood)) continue;
    if (likelihood > max) {
      const double shrink = exp(max - likelihood);
      sum *= shrink;
      sum_b *= shrink;
      max = likelihood;
    }
    const double weight = exp(likelihood - max);
    sum += weight;
    sum_b += weight * b;
  }
  const double k = mean_log1p(y, n, sum_b / sum);
  return ((double)n * k + prior_n * prior_k) / ((double)n + prior_n);
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

double boltz_stats_pareto_k(double *tail, size_t count) {
  const size_t fewest = 5;
  const double rounding = 1e-9; /* of log weights made from energies up to about 1e6 */
  if (count < fewest + 1) return NAN;
  qsort(tail, count, sizeof(double), by_value);
  const double max = tail[count - 1];
  if (max - tail[0] <= rounding) return 0;

  /* Only values above the smallest are exceedances: ties with it are not part of the tail, nor is
   * what vanishes beside the largest weight. They are written over the tail from the front, which
   * is safe because the writer never overtakes the reader. */
  const double threshold = fmax(tail[0] - max, log(DBL_MIN));
  size_t n = 0;
  for (size_t i = 1; i < count; i++) {
    const double shifted = tail[i] - max;
    if (shifted > threshold) tail[n++] = exp(threshold) * expm1(shifted - threshold);
  }
  if (n < fewest) return NAN;
  const double k = pareto_shape(tail, n);
  return isfinite(k) ? k : NAN;
}

/* Σ of (x − mean)(x′ − mean) over the n values, x′ the value `shift` further on: every walker in
 * one loop where shift = lag·walkers. */
static double autocovariance(const double *x, size_t n, double mean, size_t shift) {
  double sum = 0;
  for (size_t i = 0; i + shift < n; i++) sum += (x[i] - mean) * (x[i + shift] - mean);
  return sum;
}

/*
 * tau = 1 + 2 Σ_{t=1..M} C(t)/C(0), M the first lag with M ≥ 5 tau. Every lag is taken up to 128,
 * then every t/64-th with the trapezoid rule: C varies slowly there, and a chain that never reaches
 * its window costs steps·log(steps), not steps². C(t) is divided by `steps` at every lag, so that
 * walkers that never move have tau = steps.
 */
double boltz_stats_autocorrelation_time(const double *series, size_t steps, size_t walkers) {
  const double window = 5;
  const size_t n = steps * walkers;
  if (n == 0) return 1;
  double spread = 0;
  bool constant = true;
  for (size_t i = 0; i < n; i++) {
    spread += series[i] - series[0];
    constant = constant && series[i] == series[0];
  }
  if (constant) return (double)steps;
  const double mean = series[0] + spread / (double)n;
  const double variance = autocovariance(series, n, mean, 0);
  if (!isfinite(variance)) return NAN;

  double tau = 1, previous = 1;
  for (size_t t = 1, stride = 1; t < steps; t += stride) {
    const double rho = autocovariance(series, n, mean, t * walkers) / variance;
    tau += (double)stride * (previous + rho) + (rho - previous); /* 2 rho where stride is 1 */
    previous = rho;
    if ((double)t >= window * tau) break;
    stride = t < 128 ? 1 : t / 64;
  }
  return fmax(tau, 1);
}

const char *boltz_stats_verdict(double pareto_k, double ess) {
  if (!(ess > 0) || !(pareto_k < 0.7)) return "unreliable";
  return pareto_k < 0.5 ? "good" : "usable";
}
