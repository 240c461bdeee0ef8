/* particles.c - exact numbers of two particles: their separation by the nodes of Gauss and
 * Legendre, their centre by hand. 80 nodes a side have converged to 1e-11. */
#include <math.h>
#include <stdint.h>

#include "boltz/rng.h"
#include "core/exact/routes.h"

/* log Z, <u>, <r> over the points x with weights w, which are spent; log_factor is what is not
 * integrated. */
static enum boltz_status find_moments(const struct boltz_energy *energy,
                                      const struct boltz_batch *x, double *w, double log_factor,
                                      struct boltz_exact_value *value,
                                      struct boltz_arena *scratch) {
  double *u = BOLTZ_NEW_ARRAY(scratch, x->n, double), sum = 0, sum_u = 0, sum_r = 0;
  struct boltz_batch r;
  BOLTZ_TRY(boltz_batch_new(scratch, x->n, 1, &r));
  if (!u) return BOLTZ_NO_MEMORY;
  boltz_energy_eval(energy, energy->temperature, x, u, NULL, scratch);
  boltz_variable_eval(energy, boltz_energy_variable(energy, "r"), energy->temperature, 1, 0, x, &r,
                      scratch);
  for (size_t i = 0; i < x->n; i++) {
    const double p = w[i] * exp(-u[i]);
    if (p == 0) continue; /* of +inf, too */
    sum += p, sum_u += p * u[i], sum_r += p * r.col[0][i];
  }
  value[0].value = log(sum) + log_factor;
  value[1].value = sum_u / sum;
  value[2].value = sum_r / sum;
  return BOLTZ_OK;
}

/* ---- two in a periodic box: the first anywhere (here at 4, so that images count), the second in
 * one of the 2^space parts of the box around it, which are mirror images ---- */

enum { NODES = 80 };

static void fill_box(const struct boltz_batch *x, int space, double L, double *w) {
  double node[NODES], weight[NODES];
  boltz_exact_gauss(NODES / 2, 0, 1, node, weight); /* the core, and beyond */
  boltz_exact_gauss(NODES / 2, 1, L / 2, node + NODES / 2, weight + NODES / 2);
  for (size_t i = 0; i < x->n; i++) {
    size_t rest = i;
    w[i] = 1;
    for (int k = 0; k < space; k++, rest /= NODES) {
      x->col[k][i] = 4;
      x->col[space + k][i] = 4 + node[rest % NODES];
      w[i] *= weight[rest % NODES];
    }
  }
}

static enum boltz_status find_box(const struct boltz_energy *energy,
                                  struct boltz_exact_value *value, struct boltz_arena *scratch) {
  const double L = boltz_exact_setting(energy, "L");
  const int space = energy->dim / 2;
  const size_t n = space == 2 ? NODES * NODES : (size_t)NODES * NODES * NODES;
  double *w = BOLTZ_NEW_ARRAY(scratch, n, double);
  struct boltz_batch x;
  BOLTZ_TRY(boltz_batch_new(scratch, n, energy->dim, &x));
  if (!w) return BOLTZ_NO_MEMORY;
  fill_box(&x, space, L, w);
  return find_moments(energy, &x, w, space * log(2 * L), value, scratch);
}

/* log Z, <r> */
static enum boltz_status find_bond(const struct boltz_energy *energy,
                                   struct boltz_exact_value *value, struct boltz_arena *scratch) {
  BOLTZ_TRY(find_box(energy, value, scratch));
  value[1] = value[2];
  return BOLTZ_OK;
}

static enum boltz_status find_bond_length(const struct boltz_energy *energy,
                                          struct boltz_exact_value *value,
                                          struct boltz_arena *scratch) {
  BOLTZ_TRY(find_box(energy, value, scratch));
  value[0] = value[2];
  return BOLTZ_OK;
}

/* ---- a cluster of two: 4 pi times the integral of y^2 along one direction ---- */

static enum boltz_status find_cluster(const struct boltz_energy *energy,
                                      struct boltz_exact_value *value,
                                      struct boltz_arena *scratch) {
  enum { N = 300 };
  static const double direction[3] = {2 / 7.0, -3 / 7.0, 6 / 7.0};
  double node[N], w[N];
  struct boltz_batch y;
  BOLTZ_TRY(boltz_batch_new(scratch, N, 3, &y));
  boltz_exact_gauss(N, 0, 9, node, w); /* exp(-81/2) is lost */
  for (int i = 0; i < N; i++) {
    for (int k = 0; k < 3; k++) y.col[k][i] = node[i] * direction[k];
    w[i] *= node[i] * node[i];
  }
  return find_moments(energy, &y, w, log(4 * M_PI), value, scratch);
}

/* ---- the dimer in vacuum: centre and separation are independent but for the walls, which the
 * weights exp(-80 X^2/T) and exp(-40 Y^2/T) of the centre keep out of reach ---- */

static enum boltz_status integrate_lengths(const struct boltz_energy *energy, double low,
                                           double high, double *integral,
                                           struct boltz_arena *scratch) {
  enum { LENGTHS = 160, ANGLES = 128, N = LENGTHS * ANGLES };
  double *u = BOLTZ_NEW_ARRAY(scratch, N, double), node[LENGTHS], weight[LENGTHS];
  struct boltz_batch x;
  BOLTZ_TRY(boltz_batch_new(scratch, N, 4, &x));
  if (!u) return BOLTZ_NO_MEMORY;
  boltz_exact_gauss(LENGTHS, low, high, node, weight);
  for (int i = 0; i < N; i++) {
    const double d = node[i / ANGLES], angle = 2 * M_PI * (i % ANGLES) / ANGLES;
    x.col[0][i] = -0.5 * d * cos(angle), x.col[1][i] = -0.5 * d * sin(angle);
    x.col[2][i] = +0.5 * d * cos(angle), x.col[3][i] = +0.5 * d * sin(angle);
  }
  boltz_energy_eval(energy, energy->temperature, &x, u, NULL, scratch);
  *integral = 0;
  for (int i = 0; i < N; i++)
    *integral += weight[i / ANGLES] * node[i / ANGLES] * (2 * M_PI / ANGLES) * exp(-u[i]);
  return BOLTZ_OK;
}

/* The worst |u at (X, Y) - u at 0 - (80 X^2 + 40 Y^2)/T| at random separations, beside 1 + |u|. */
static enum boltz_status centre_dependence(const struct boltz_energy *energy, double *worst,
                                           struct boltz_arena *scratch) {
  enum { N = 200 };
  struct boltz_batch x, there;
  double u[N], v[N];
  BOLTZ_TRY(boltz_batch_new(scratch, N, 4, &x));
  BOLTZ_TRY(boltz_batch_new(scratch, N, 4, &there));
  for (size_t i = 0; i < N; i++)
    for (int j = 0; j < 4; j++) {
      double r[2];
      boltz_rng_uniform(11, BOLTZ_STREAM_TEST, i, (uint32_t)j, r);
      x.col[j][i] = 2.4 * r[0] - 1.2;
    }
  for (int i = 0; i < N; i++)
    for (int j = 0; j < 4; j++)
      there.col[j][i] = x.col[j][i] - 0.5 * (x.col[j % 2][i] + x.col[j % 2 + 2][i]);
  boltz_energy_eval(energy, energy->temperature, &x, u, NULL, scratch);
  boltz_energy_eval(energy, energy->temperature, &there, v, NULL, scratch);
  *worst = 0;
  for (int i = 0; i < N; i++) {
    const double X = 0.5 * (x.col[0][i] + x.col[2][i]), Y = 0.5 * (x.col[1][i] + x.col[3][i]);
    const double expected = (80 * X * X + 40 * Y * Y) / energy->temperature;
    const double miss = fabs(u[i] - v[i] - expected) / (1 + fabs(u[i]));
    if (!(miss <= *worst)) *worst = miss;
  }
  return BOLTZ_OK;
}

/* log Z, F(open) - F(closed), the centre's dependence */
static enum boltz_status find_dimer(const struct boltz_energy *energy,
                                    struct boltz_exact_value *value, struct boltz_arena *scratch) {
  double closed, open;
  BOLTZ_TRY(integrate_lengths(energy, 0, 1.5, &closed, scratch));
  BOLTZ_TRY(integrate_lengths(energy, 1.5, 4, &open, scratch));
  const double T = energy->temperature, centre = sqrt(M_PI * T / 80) * sqrt(M_PI * T / 40);
  value[0].value = log((closed + open) * centre);
  value[1].value = log(closed / open);
  return centre_dependence(energy, &value[2].value, scratch);
}

#define CENTRE \
  { "centre is independent", 0, 1e-11 }

const struct boltz_exact_case boltz_exact_particles[] = {
    {"particle_dimer",
     "{\"n_solvent\":0,\"slope\":2}",
     1,
     find_dimer,
     {{"log Z", 13.058185476, 1e-9}, {"F(open) - F(closed)", 4.441204762, 1e-9}, CENTRE}},
    {"particle_dimer",
     "{\"n_solvent\":0,\"slope\":2}",
     2,
     find_dimer,
     {{"log Z", 5.653305268, 1e-9}, {"F(open) - F(closed)", 2.239237719, 1e-9}, CENTRE}},
    {"particle_dimer",
     "{\"n_solvent\":0}",
     1,
     find_dimer,
     {{"log Z", 11.636899141, 1e-9}, {"F(open) - F(closed)", -1.077388678, 1e-9}, CENTRE}},
    {"lj_fluid", "{}", 1, find_box, {{"log Z", 9.733504502, 1e-9}, {"<u>", -0.132643475, 1e-9}}},
    {"lj_fluid", "{\"space\":2}", 1, find_box, {{"log Z", 6.516019256, 1e-9}}},
    {"polymer_chain",
     "{}",
     1,
     find_bond,
     {{"log Z", 8.609704439, 1e-9}, {"<r>", 1.673971175, 1e-9}}},
    {"polymer_chain", "{}", 2.5, find_bond_length, {{"<r>", 1.956064728, 1e-9}}},
    {"lj_cluster", "{}", 1, find_cluster, {{"log Z", 2.861365290, 1e-9}}},
    {NULL},
};
