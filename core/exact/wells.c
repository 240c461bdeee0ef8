/* wells.c - exact numbers of the energies of a few coordinates, by Simpson's rule on the plane.
 *
 * Source: Binagia, Friedowitz, Hou 2019 (double_well, harmonic_pair); Mueller, Brown, Theor. Chim.
 * Acta 53, 75 (1979); Noe, Olsson, Koehler, Wu 2019. Integrals converge to rounding, so tolerances
 * are half a unit of the last digit known, or a little more. */
#include <math.h>

#include "core/exact/routes.h"

/* ---- double_well, and typed in: split at x1 = 0 ---- */

/* log Z, P(x1 > 0), F(right) - F(left), <x1>, <x1^2>, <u> */
static enum boltz_status find_well(const struct boltz_energy *energy,
                                   struct boltz_exact_value *value, struct boltz_arena *scratch) {
  struct boltz_exact_integral left, right;
  struct boltz_exact_plane plane = {.low = {-4, -9}, .high = {0, 9}, .steps = 400, .jacobian = 1};
  BOLTZ_TRY(boltz_exact_integrate(energy, &plane, &left, scratch));
  plane.low[0] = 0, plane.high[0] = 4;
  BOLTZ_TRY(boltz_exact_integrate(energy, &plane, &right, scratch));
  const double Z = left.p + right.p;
  value[0].value = log(Z);
  value[1].value = right.p / Z;
  value[2].value = log(left.p / right.p);
  value[3].value = (left.pa + right.pa) / Z;
  value[4].value = (left.paa + right.paa) / Z;
  value[5].value = (left.pu + right.pu) / Z;
  return BOLTZ_OK;
}

static enum boltz_status find_difference(const struct boltz_energy *energy,
                                         struct boltz_exact_value *value,
                                         struct boltz_arena *scratch) {
  BOLTZ_TRY(find_well(energy, value, scratch));
  value[0] = value[2];
  return BOLTZ_OK;
}

static enum boltz_status find_minimum(const struct boltz_energy *energy, double x1, double x2,
                                      struct boltz_exact_value *value,
                                      struct boltz_arena *scratch) {
  struct boltz_batch x;
  BOLTZ_TRY(boltz_batch_new(scratch, 1, energy->dim, &x));
  for (int j = 0; j < x.dim; j++) x.col[j][0] = 0;
  x.col[0][0] = x1, x.col[1][0] = x2;
  return boltz_exact_descend(energy, &x, &value->value, scratch);
}

static enum boltz_status find_well_minima(const struct boltz_energy *energy,
                                          struct boltz_exact_value *value,
                                          struct boltz_arena *scratch) {
  BOLTZ_TRY(find_minimum(energy, -1.5, 0.3, &value[0], scratch));
  return find_minimum(energy, 1.5, 0.3, &value[1], scratch);
}

/* ---- harmonic_pair: x1 and the spring's x2 - x1 ---- */

static void along_the_spring(double a, double b, double x[2]) {
  x[0] = a, x[1] = a + b;
}

/* log Z, var x1, <u> */
static enum boltz_status find_pair(const struct boltz_energy *energy,
                                   struct boltz_exact_value *value, struct boltz_arena *scratch) {
  const double L = boltz_exact_setting(energy, "L");
  const bool both = energy->domain[1].type == BOLTZ_INTERVAL;
  struct boltz_exact_integral all;
  struct boltz_exact_plane plane = {.low = {0, both ? 0 : -9},
                                    .high = {L, both ? L : 9},
                                    .steps = 600,
                                    .place = both ? NULL : along_the_spring,
                                    .jacobian = 1};
  BOLTZ_TRY(boltz_exact_integrate(energy, &plane, &all, scratch));
  value[0].value = log(all.p);
  value[1].value = all.paa / all.p - all.pa / all.p * all.pa / all.p;
  value[2].value = all.pu / all.p;
  return BOLTZ_OK;
}

/* ---- mueller_brown: r = 0.7 x1 - 0.7 x2 and x1 + x2, so that where r is cut, a side is ---- */

static void from_valley(double r, double t, double x[2]) {
  x[0] = 0.5 * (t + r / 0.7), x[1] = 0.5 * (t - r / 0.7);
}

/* log Z, <u>, P(r < -1), P(r > 0), F(right) - F(left) */
static enum boltz_status find_valleys(const struct boltz_energy *energy,
                                      struct boltz_exact_value *value,
                                      struct boltz_arena *scratch) {
  static const double edge[] = {-3.5, -1, 0, 2.5};
  struct boltz_exact_integral part[3];
  for (int k = 0; k < 3; k++) {
    const struct boltz_exact_plane plane = {.low = {edge[k], -3},
                                            .high = {edge[k + 1], 4},
                                            .steps = 800,
                                            .place = from_valley,
                                            .jacobian = 0.5 / 0.7};
    BOLTZ_TRY(boltz_exact_integrate(energy, &plane, &part[k], scratch));
  }
  const double Z = part[0].p + part[1].p + part[2].p;
  value[0].value = log(Z);
  value[1].value = (part[0].pu + part[1].pu + part[2].pu) / Z;
  value[2].value = part[0].p / Z;
  value[3].value = part[2].p / Z;
  value[4].value = log(part[0].p / part[2].p);
  return BOLTZ_OK;
}

static enum boltz_status find_valley_floors(const struct boltz_energy *energy,
                                            struct boltz_exact_value *value,
                                            struct boltz_arena *scratch) {
  BOLTZ_TRY(find_minimum(energy, -0.55, 1.45, &value[0], scratch));
  BOLTZ_TRY(find_minimum(energy, 0.62, 0.03, &value[1], scratch));
  return find_minimum(energy, -0.05, 0.47, &value[2], scratch);
}

/* ---- many_well: U is a sum over coordinates, and 0 at 0 ---- */

/* The integral of exp(-u) over x_j in [low, high], every other coordinate being 0. */
static enum boltz_status along(const struct boltz_energy *energy, int j, double low, double high,
                               double *integral, struct boltz_arena *scratch) {
  enum { NODES = 200 };
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  double node[NODES], weight[NODES], u[NODES];
  struct boltz_batch x;
  BOLTZ_TRY(boltz_batch_new(scratch, NODES, energy->dim, &x));
  for (int k = 0; k < energy->dim; k++)
    for (int i = 0; i < NODES; i++) x.col[k][i] = 0;
  boltz_exact_gauss(NODES, low, high, node, weight);
  for (int i = 0; i < NODES; i++) x.col[j][i] = node[i];
  boltz_energy_eval(energy, energy->temperature, &x, u, NULL, scratch);
  *integral = 0;
  for (int i = 0; i < NODES; i++) *integral += weight[i] * exp(-u[i]);
  boltz_arena_release(scratch, mark);
  return BOLTZ_OK;
}

/* log Z, P(x1 > 0), F(right) - F(left) */
static enum boltz_status find_many(const struct boltz_energy *energy,
                                   struct boltz_exact_value *value, struct boltz_arena *scratch) {
  double left = 0, right = 0, log_z = 0;
  for (int j = energy->dim - 1; j >= 0; j--) {
    const double reach = j % 2 ? 12 : 5;
    BOLTZ_TRY(along(energy, j, -reach, 0, &left, scratch));
    BOLTZ_TRY(along(energy, j, 0, reach, &right, scratch));
    log_z += log(left + right);
  }
  value[0].value = log_z;
  value[1].value = right / (left + right);
  value[2].value = log(left / right);
  return BOLTZ_OK;
}

#define TYPED(b)                                   \
  "{\"variables\":[\"x\",\"y\"],\"u\":\"x^4 - " #b \
  "*x^2 + x + "                                    \
  "k*y^2/2\",\"parameters\":{\"k\":1}}"
#define WELL_NUMBERS                                                             \
  {"log Z", 11.020467230188, 1e-11}, {"P(x1 > 0)", 0.032929545, 6e-10},          \
      {"F(right) - F(left)", 3.379901071, 6e-10}, {"<x1>", -1.625359705, 6e-10}, \
      {"<x1^2>", 3.048708094, 6e-10}, {                                          \
    "<u>", -9.615144061, 6e-10                                                   \
  } /* that of x1, and 1/2 */

const struct boltz_exact_case boltz_exact_wells[] = {
    {"double_well", "{}", 1, find_well, {WELL_NUMBERS}},
    {"double_well", "{}", 0.5, find_difference, {{"F(right) - F(left)", 6.849401339, 6e-10}}},
    {"double_well", "{\"b\":1}", 1, find_well, {{"log Z", 2.183577848, 6e-10}}},
    {"double_well",
     "{}",
     1,
     find_well_minima,
     {{"U at the left minimum", -10.752406, 6e-7}, {"U at the right minimum", -7.289309, 6e-7}}},
    {"expression", TYPED(6), 1, find_well, {WELL_NUMBERS}},
    {"harmonic_pair",
     "{\"k\":2}",
     1,
     find_pair,
     {{"log Z", 1.612085714, 6e-10}, {"var x1", 16.0 / 12, 1e-9}, {"<u>", 0.5, 1e-9}}},
    {"harmonic_pair", "{}", 1, find_pair, {{"log Z", 1.958659304, 6e-10}}},
    {"harmonic_pair",
     "{\"confine_both\":true}",
     1,
     find_pair,
     {{"log Z", 1.806617770, 1e-9}}}, /* ln[L sqrt(pi) erf(L) - (1 - exp(-L^2))] */
    {"mueller_brown",
     "{}",
     1,
     find_valleys,
     {{"log Z", 11.729591, 6e-7},
      {"<u>", -13.493404, 6e-7},
      {"P(r < -1)", 0.974379895, 6e-10},
      {"P(r > 0)", 0.022143520, 6e-10},
      {"F(right) - F(left)", 3.784256373, 6e-10}}},
    {"mueller_brown",
     "{\"s\":1}",
     1,
     find_valley_floors,
     {{"U at the left minimum", -146.699517, 6e-7},
      {"U at the right minimum", -108.166724, 6e-7},
      {"U at the middle minimum", -80.767818, 6e-7}}},
    {"many_well",
     "{\"dim\":2}",
     1,
     find_many,
     {{"log Z", 10.293479707, 1e-9},
      {"P(x1 > 0)", 0.844307096, 1e-9},
      {"F(right) - F(left)", -1.690630785, 1e-9}}},
    {"many_well", "{\"dim\":32}", 1, find_many, {{"log Z", 164.695675313, 1e-9}}},
    {NULL},
};
