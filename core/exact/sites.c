/* sites.c - exact numbers of phi4 by quadrature and a determinant, and of Lebwohl and Lasher's rods
 * by draws on the sphere. */
#include <math.h>
#include <string.h>

#include "boltz/rng.h"
#include "core/exact/routes.h"
#include "core/linear/lapack.h"

/* ---- phi4 with L = 2: midpoints over four fields, of a smooth function that vanishes at the ends;
 * h = 0.1: exp(-lambda x^4) has no frequency left at 2 pi/h; exp(-u) < 1e-20 at the edge ---- */

static enum boltz_status find_four_fields(const struct boltz_energy *energy,
                                          struct boltz_exact_value *value,
                                          struct boltz_arena *scratch) {
  enum { POINTS = 36, ROWS = POINTS * POINTS };
  const double edge = 1.8, h = 2 * edge / POINTS;
  struct boltz_batch x;
  double u[ROWS], sum = 0;
  BOLTZ_TRY(boltz_batch_new(scratch, ROWS, 4, &x));
  for (int i = 0; i < ROWS; i++) {
    x.col[2][i] = (i / POINTS + 0.5) * h - edge;
    x.col[3][i] = (i % POINTS + 0.5) * h - edge;
  }
  for (int outer = 0; outer < ROWS; outer++) {
    for (int i = 0; i < ROWS; i++) {
      x.col[0][i] = x.col[2][outer];
      x.col[1][i] = x.col[3][outer];
    }
    boltz_energy_eval(energy, energy->temperature, &x, u, NULL, scratch);
    for (int i = 0; i < ROWS; i++) sum += exp(-u[i]);
  }
  value[0].value = log(sum) + 4 * log(h);
  return BOLTZ_OK;
}

/* ---- a free field: a Gaussian integral of the quadratic form that u is ---- */

/* Its matrix by second differences: u(e_j + e_k) - u(e_j) - u(e_k), and u(2 e_j) = 4 u(e_j). */
static enum boltz_status hessian_of(const struct boltz_energy *energy, double *hessian,
                                    struct boltz_arena *scratch) {
  const int dim = energy->dim;
  struct boltz_batch x;
  double *u = BOLTZ_NEW_ARRAY(scratch, (size_t)dim * dim, double);
  BOLTZ_TRY(boltz_batch_new(scratch, (size_t)dim * dim, dim, &x));
  if (!u) return BOLTZ_NO_MEMORY;
  for (int j = 0; j < dim; j++) memset(x.col[j], 0, x.n * sizeof(double));
  for (int j = 0; j < dim; j++)
    for (int k = 0; k < dim; k++) x.col[j][j * dim + k]++, x.col[k][j * dim + k]++;
  boltz_energy_eval(energy, energy->temperature, &x, u, NULL, scratch);
  for (int j = 0; j < dim; j++)
    for (int k = 0; k < dim; k++)
      hessian[j * dim + k] = u[j * dim + k] - (u[j * (dim + 1)] + u[k * (dim + 1)]) / 4;
  return BOLTZ_OK;
}

static enum boltz_status find_free_field(const struct boltz_energy *energy,
                                         struct boltz_exact_value *value,
                                         struct boltz_arena *scratch) {
  const int dim = energy->dim;
  double *hessian = BOLTZ_NEW_ARRAY(scratch, (size_t)dim * dim, double);
  if (!hessian) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(hessian_of(energy, hessian, scratch));
  BOLTZ_TRY(boltz_cholesky(dim, hessian));
  value[0].value = 0.5 * dim * log(2 * M_PI);
  for (int j = 0; j < dim; j++) value[0].value -= log(hessian[j * (dim + 1)]);
  return BOLTZ_OK;
}

/* ---- lebwohl_lasher: cos theta and the angle are uniform where u = 0 ---- */

enum { RODS = 20000 };

static enum boltz_status draw_rods(const struct boltz_energy *energy, double *u, double *log_volume,
                                   struct boltz_arena *scratch) {
  struct boltz_batch x;
  BOLTZ_TRY(boltz_batch_new(scratch, RODS, energy->dim, &x));
  *log_volume = 0;
  for (int j = 0; j < x.dim; j++) {
    const struct boltz_domain *d = &energy->domain[j];
    *log_volume += log(d->high - d->low);
    for (size_t i = 0; i < RODS; i++) {
      double r[2];
      boltz_rng_uniform(11, BOLTZ_STREAM_TEST, i, (uint32_t)j, r);
      x.col[j][i] = d->low + (d->high - d->low) * r[0];
    }
  }
  boltz_energy_eval(energy, energy->temperature, &x, u, NULL, scratch);
  return BOLTZ_OK;
}

static enum boltz_status find_area(const struct boltz_energy *energy,
                                   struct boltz_exact_value *value, struct boltz_arena *scratch) {
  double *u = BOLTZ_NEW_ARRAY(scratch, RODS, double), log_volume;
  if (!u) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(draw_rods(energy, u, &log_volume, scratch));
  for (int i = 0; i < RODS; i++) u[i] = log_volume - u[i];
  value[0] = boltz_exact_log_mean(RODS, u);
  return BOLTZ_OK;
}

/* <u>, <u^2> over the sphere: the derivatives of log Z at J = 0 */
static enum boltz_status find_cumulants(const struct boltz_energy *energy,
                                        struct boltz_exact_value *value,
                                        struct boltz_arena *scratch) {
  double *u = BOLTZ_NEW_ARRAY(scratch, RODS, double), log_volume;
  if (!u) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(draw_rods(energy, u, &log_volume, scratch));
  value[0] = boltz_exact_mean(RODS, u);
  for (int i = 0; i < RODS; i++) u[i] *= u[i];
  value[1] = boltz_exact_mean(RODS, u);
  return BOLTZ_OK;
}

const struct boltz_exact_case boltz_exact_sites[] = {
    {"phi4", "{\"L\":2}", 1, find_four_fields, {{"log Z", 1.173184711, 1e-9}}},
    {"phi4", "{\"L\":2,\"lambda\":8}", 1, find_four_fields, {{"log Z", 0.914433978, 1e-9}}},
    {"phi4",
     "{\"L\":4,\"m2\":1,\"lambda\":0}",
     1,
     find_free_field,
     {{"log Z", -2.858131815, 1e-9}}},
    {"phi4",
     "{\"L\":8,\"m2\":1,\"lambda\":0}",
     1,
     find_free_field,
     {{"log Z", -11.622885257, 1e-9}}},
    {"lebwohl_lasher", /* N^3 ln(4 pi) */
     "{\"J\":0}",
     1,
     find_area,
     {{"log Z", 20.248193975754326, 1e-9}}},
    {"lebwohl_lasher", /* twelve double bonds, whose P2 have mean 0 and variance 1/5 */
     "{\"J\":1}",
     1,
     find_cumulants,
     {{"<u> at J = 0", 0, 0}, {"<u^2> at J = 0", 9.6, 0}}},
    {NULL},
};
