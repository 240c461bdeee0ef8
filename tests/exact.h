/* exact.h - what the energies' integrals really are: by quadrature, independent of the library. */
#ifndef EXACT_H
#define EXACT_H

#include <math.h>

/** The double well's x1 part: u1(x) = (a x^4 - b x^2 + c x)/T. */
struct exact_well {
  double a, b, c, d, T;
  double shift;   /* lowest u1 on the grid */
  double log_z1;  /* ln of the integral of exp(-u1) */
  double log_z;   /* with x2: + ln(2 pi T/d)/2 */
  double p_right; /* P(x1 > 0) */
  double mean;    /* <x1> */
};

static inline double exact_u1(const struct exact_well *w, double x) {
  return (w->a * x * x * x * x - w->b * x * x + w->c * x) / w->T;
}

/** Integral of x^power exp(shift - u1) on [low, high]: composite Simpson, smooth, error < 1e-12. */
static inline double exact_integral(const struct exact_well *w, double low, double high,
                                    int power) {
  enum { N = 20000 };
  double h = (high - low) / N, sum = 0;
  for (int k = 0; k <= N; k++) {
    double x = low + k * h, weight = k == 0 || k == N ? 1 : k % 2 ? 4 : 2;
    sum += weight * (power ? x : 1) * exp(w->shift - exact_u1(w, x));
  }
  return sum * h / 3;
}

static inline struct exact_well exact_well(double a, double b, double c, double d, double T) {
  struct exact_well w = {.a = a, .b = b, .c = c, .d = d, .T = T, .shift = INFINITY};
  for (int k = -8000; k <= 8000; k++) w.shift = fmin(w.shift, exact_u1(&w, k * 1e-3));
  double left = exact_integral(&w, -8, 0, 0), right = exact_integral(&w, 0, 8, 0);
  w.log_z1 = log(left + right) - w.shift;
  w.log_z = w.log_z1 + 0.5 * log(2 * M_PI * T / d);
  w.p_right = right / (left + right);
  w.mean = (exact_integral(&w, -8, 0, 1) + exact_integral(&w, 0, 8, 1)) / (left + right);
  return w;
}

/** F(right) - F(left), split at 0, in kT. */
static inline double exact_difference(const struct exact_well *w) {
  return -log(w->p_right / (1 - w->p_right));
}

/** Bin average of a profile: -ln(P(bin)/width). */
static inline double exact_bin(const struct exact_well *w, double low, double high) {
  double p = exact_integral(w, low, high, 0) * exp(-w->shift - w->log_z1);
  return -log(p / (high - low));
}

/** log Z of the harmonic pair: ln sqrt(pi L^2 T/k). */
static inline double exact_pair_log_z(double k, double L, double T) {
  return 0.5 * log(M_PI * L * L * T / k);
}

#endif
