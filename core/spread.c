/* spread.c - how evenly configurations lie over a reaction coordinate.
 *
 * With f = sum of k_b ln h_b and c = sum of k_b c_b, both of one row:
 *   df/ds = sum of k_b ln h_b (c_b - c)/w^2
 * Places are told in ranges, u = (s - low)/(high - low). Far outside of [low, high] the nearest
 * kernel has all, and df/ds is 0. Source and formulas: boltz/spread.h. Golden: a row at every
 * centre gives the same h_b at equal distances from the middle; tests/test_spread.c against
 * differences. */
#include "boltz/spread.h"

#include <math.h>

#include "boltz/expression.h"

#define KERNELS BOLTZ_SPREAD_KERNELS
#define BEYOND 1e3 /* ranges from an end, where the others' kernels are 0 */

struct boltz_spread {
  const struct boltz_expression *of;
  double low, high;
};

static int find_name(const void *energy, const char *name) {
  return boltz_energy_coordinate(energy, name);
}

enum boltz_status boltz_spread_new(const struct boltz_energy *energy, const char *of, double low,
                                   double high, struct boltz_arena *arena,
                                   struct boltz_spread **out) {
  struct boltz_expression *expression;
  char known[40];
  if (!of)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/rc_of",
                         "rc needs a coordinate to spread samples over: rc_of, with rc_low and "
                         "rc_high");
  if (boltz_energy_variable(energy, of))
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/rc_of",
                         "%s has no derivative: rc_of takes a coordinate, x1 …, or a formula of "
                         "them, such as sqrt((x1 - x3)^2 + (x2 - x4)^2)",
                         of);
  if (!(low < high && isfinite(high - low) && isfinite(1 / (high - low))))
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/rc_high", "rc_high = %g is not over rc_low = %g",
                         high, low);
  boltz_energy_list_coordinates(energy, known, sizeof known);
  const struct boltz_expression_names names = {
      .nvariables = energy->dim, .find = find_name, .of = energy, .known = known};
  BOLTZ_TRY(
      boltz_fail_under(boltz_expression_parse("rc_of", of, &names, arena, &expression), "/rc_of"));
  struct boltz_spread *spread = *out = BOLTZ_NEW(arena, struct boltz_spread);
  if (!spread) return BOLTZ_NO_MEMORY;
  *spread = (struct boltz_spread){expression, low, high};
  return BOLTZ_OK;
}

/* c_b, of a range of length 1. */
static double centre(int b) {
  return (double)b / (KERNELS - 1);
}

/* k_b at s. Far beyond an end the nearest kernel has all, and squares stay finite. */
static void kernels_at(const struct boltz_spread *spread, double s, double k[KERNELS]) {
  const double u = (s - spread->low) / (spread->high - spread->low);
  const double at = u < -BEYOND ? -BEYOND : u > 1 + BEYOND ? 1 + BEYOND : u;
  double sum = 0, nearest = INFINITY;
  for (int b = 0; b < KERNELS; b++) {
    const double far = KERNELS * (at - centre(b));
    k[b] = far * far;
    nearest = fmin(nearest, k[b]);
  }
  for (int b = 0; b < KERNELS; b++) {
    k[b] = exp(-0.5 * (k[b] - nearest));
    sum += k[b];
  }
  for (int b = 0; b < KERNELS; b++) k[b] /= sum;
}

size_t boltz_spread_add(const struct boltz_spread *spread, const struct boltz_batch *x,
                        double h[KERNELS], struct boltz_arena *scratch) {
  double *s = boltz_arena_scratch(scratch, x->n, sizeof *s), k[KERNELS];
  size_t used = 0;
  if (!s || !boltz_expression_eval(spread->of, x, s, NULL, scratch)) return 0;
  for (size_t i = 0; i < x->n; i++) {
    if (!isfinite(s[i])) continue;
    kernels_at(spread, s[i], k);
    for (int b = 0; b < KERNELS; b++) h[b] += k[b];
    used++;
  }
  return used;
}

double boltz_spread_loss(const double h[KERNELS]) {
  double sum = 0;
  for (int b = 0; b < KERNELS; b++) sum += h[b] == 0 ? 0 : h[b] * log(h[b]);
  return sum;
}

/* df/ds; where h_b is 0 so is every k_b. */
static double slope_at(const struct boltz_spread *spread, const double log_h[KERNELS], double s) {
  double k[KERNELS], mean = 0, slope = 0;
  kernels_at(spread, s, k);
  for (int b = 0; b < KERNELS; b++) mean += k[b] * centre(b);
  for (int b = 0; b < KERNELS; b++) slope += k[b] * log_h[b] * (centre(b) - mean);
  return slope * KERNELS * KERNELS / (spread->high - spread->low);
}

void boltz_spread_gradient(const struct boltz_spread *spread, const double h[KERNELS],
                           double factor, const struct boltz_batch *x, struct boltz_batch *g,
                           struct boltz_arena *scratch) {
  double *s = boltz_arena_scratch(scratch, x->n, sizeof *s), log_h[KERNELS];
  struct boltz_batch ds;
  bool room = s && boltz_batch_new(scratch, x->n, x->dim, &ds) == BOLTZ_OK &&
              boltz_expression_eval(spread->of, x, s, &ds, scratch);
  for (int b = 0; b < KERNELS; b++) log_h[b] = h[b] == 0 ? 0 : log(h[b]);
  for (size_t i = 0; i < x->n; i++) {
    if (room && !isfinite(s[i])) continue;
    const double slope = room ? factor * slope_at(spread, log_h, s[i]) : NAN;
    for (int j = 0; j < x->dim; j++) g->col[j][i] += room ? slope * ds.col[j][i] : NAN;
  }
}
