/* well.c - the Gaussian that a minimum of an energy stands for.
 *
 *   H = (g(z + h_i e_i) - g(z - h_i e_i)) / 2 h_i for every i, made symmetric
 *
 * first with a small step, then with a thousandth of the width that this shows. One step of Newton
 * ends at the minimum. An eigenvalue is taken for what it is when u has risen by no more than 2 at
 * one standard deviation either way, where a parabola has risen by 1/2. A direction where it is not
 * positive, or has risen more, as where the fourth power rules, is as wide as where u has risen by
 * 1/2, at most the standard deviation of the data along it, or, without data, WIDEST. */
#include "core/base_density/well.h"

#include <math.h>
#include <string.h>

#include "core/linear/lapack.h"

#define FIRST_STEP 1e-5 /* of 1 + |z| */
#define STEP 1e-3       /* of a standard deviation: an error of 1e-6 of it, of fourth derivatives */
#define LONGEST 1e-2    /* of 1 + |z| */
#define RISE 0.5
#define RISE_MOST 2.0
#define NARROWEST 1e-6
#define WIDEST 1e3
#define ROUNDS 14                  /* of bisection: a width is right within a part in 800 */
#define ROWS_OF_DATA 32            /* fewer show no deviation */
#define PRODUCTS ((size_t)2000000) /* of numbers of the data, in one slice */
#define NEWTON_MOST 0.1            /* of a fall that a step of Newton is trusted with */

static const double ln_2pi = 1.8378770664093454836;

enum boltz_status boltz_well_new(int dim, const struct boltz_base_evidence *evidence,
                                 struct boltz_arena *arena, struct boltz_well *well) {
  const size_t n = (size_t)dim;
  *well = (struct boltz_well){.evidence = evidence,
                              .dim = dim,
                              .z = BOLTZ_NEW_ARRAY(arena, 6 * n, double),
                              .precision = BOLTZ_NEW_ARRAY(arena, n * n, double),
                              .vectors = BOLTZ_NEW_ARRAY(arena, n * n, double)};
  if (!well->z || !well->precision || !well->vectors) return BOLTZ_NO_MEMORY;
  well->g = well->z + n;
  well->values = well->z + 2 * n;
  well->step = well->z + 3 * n;
  well->low = well->z + 4 * n;
  well->high = well->z + 5 * n;
  return BOLTZ_OK;
}

static void enter(struct boltz_well *well, int pass) {
  well->pass = pass;
  well->at = 0;
}

void boltz_well_begin(struct boltz_well *well) {
  const size_t n = (size_t)well->dim;
  memset(well->vectors, 0, n * n * sizeof(double));
  for (size_t i = 0; i < n; i++) {
    well->vectors[i * n + i] = 1;
    well->step[i] = FIRST_STEP * (1 + fabs(well->z[i]));
    well->high[i] = 0;
  }
  well->round = 0;
  enter(well, BOLTZ_WELL_SCALES);
}

/* ---- Looking along a direction ------------------------------------------------------------- */

/* What was found at z + step v and z - step v, v direction number i. */
struct look {
  int i;
  double u[2];
  const double *above, *below; /* gradients [dim] */
};

static bool is_finite(const struct boltz_well *well, const struct look *look) {
  bool finite = isfinite(look->u[0]) && isfinite(look->u[1]);
  for (int j = 0; finite && j < well->dim; j++)
    finite = isfinite(look->above[j]) && isfinite(look->below[j]);
  return finite;
}

static void look_for_scale(struct boltz_well *well, const struct look *look) {
  const int i = look->i;
  const double curvature = (look->above[i] - look->below[i]) / (2 * well->step[i]);
  const double longest = LONGEST * (1 + fabs(well->z[i])), step = STEP / sqrt(curvature);
  if (is_finite(well, look) && curvature > 0) well->step[i] = step < longest ? step : longest;
}

static void look_for_hessian(struct boltz_well *well, const struct look *look) {
  double *row = well->precision + (size_t)look->i * (size_t)well->dim;
  const bool finite = is_finite(well, look);
  for (int j = 0; j < well->dim; j++)
    row[j] = finite ? (look->above[j] - look->below[j]) / (2 * well->step[look->i]) : 0;
}

static double rise_of(const struct boltz_well *well, const struct look *look) {
  const double rise = 0.5 * (look->u[0] - well->u) + 0.5 * (look->u[1] - well->u);
  return isnan(rise) ? INFINITY : rise;
}

static void look_for_rise(struct boltz_well *well, const struct look *look) {
  const int i = look->i;
  if (well->values[i] > 0 && rise_of(well, look) <= RISE_MOST) return;
  well->low[i] = NARROWEST;
  well->high[i] = WIDEST;
}

/* The standard deviation of the data's latents along a direction; WIDEST: there are too few. */
static double deviation_of_data(const struct boltz_well *well, int i) {
  const struct boltz_batch *z = &well->evidence->z;
  const double *v = well->vectors + (size_t)i * (size_t)well->dim;
  double mean = 0, square = 0;
  if (z->n < ROWS_OF_DATA) return WIDEST;
  for (size_t row = 0; row < z->n; row++) {
    double along = 0;
    for (int j = 0; j < z->dim; j++) along += v[j] * (z->col[j][row] - well->z[j]);
    mean += along / (double)z->n;
    square += along * along / (double)z->n;
  }
  const double deviation = sqrt(square - mean * mean);
  return deviation > NARROWEST ? deviation : WIDEST;
}

static void look_for_width(struct boltz_well *well, const struct look *look) {
  const int i = look->i;
  if (rise_of(well, look) > RISE)
    well->high[i] = well->step[i];
  else
    well->low[i] = well->step[i];
  if (well->round < ROUNDS) return;
  const double width = fmin(well->high[i], deviation_of_data(well, i));
  well->values[i] = 1 / (width * width);
}

static void put_points(const struct boltz_well *well, int i, struct boltz_batch *x, size_t row) {
  const double *v = well->vectors + (size_t)i * (size_t)well->dim;
  for (int j = 0; j < well->dim; j++) {
    x->col[j][row] = well->z[j] + well->step[i] * v[j];
    x->col[j][row + 1] = well->z[j] - well->step[i] * v[j];
  }
}

/* Directions that this pass looks along: all, but for widths only where there is none. */
static bool is_asked(const struct boltz_well *well, int i) {
  return well->pass != BOLTZ_WELL_WIDTHS || well->high[i] > 0;
}

typedef void (*looker)(struct boltz_well *well, const struct look *look);
static const looker lookers[] = {look_for_scale, look_for_hessian, look_for_rise, look_for_width};

/* Points of a slice, two of each direction; where the data are asked of it, they take the time. */
static size_t points_of_slice(const struct boltz_well *well) {
  const struct boltz_batch *data = &well->evidence->z;
  size_t directions = well->evidence->rows / 2;
  if (well->round == ROUNDS && data->n * (size_t)well->dim > 0) {
    const size_t of_data = PRODUCTS / (data->n * (size_t)well->dim);
    directions = directions < of_data ? directions : of_data;
  }
  return directions < 1 ? 2 : 2 * directions;
}

/* Some directions of a pass, as many as are a slice. */
static enum boltz_status look_on(struct boltz_well *well, struct boltz_arena *scratch) {
  const struct boltz_base_evidence *evidence = well->evidence;
  const size_t most = points_of_slice(well), dim = (size_t)well->dim;
  struct boltz_batch x, g;
  double *u = BOLTZ_NEW_ARRAY(scratch, most, double);
  double *rows = BOLTZ_NEW_ARRAY(scratch, 2 * dim, double);
  int *direction = BOLTZ_NEW_ARRAY(scratch, most, int);
  if (!u || !rows || !direction) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(boltz_batch_new(scratch, most, well->dim, &x));
  BOLTZ_TRY(boltz_batch_new(scratch, most, well->dim, &g));
  size_t n = 0;
  for (; well->at < well->dim && n < most; well->at++) {
    if (!is_asked(well, well->at)) continue;
    direction[n / 2] = well->at;
    put_points(well, well->at, &x, n);
    n += 2;
  }
  x.n = g.n = n;
  if (n > 0) evidence->energy(evidence->owner, &x, u, &g, scratch);
  for (size_t k = 0; k < n; k += 2) {
    for (size_t j = 0; j < dim; j++) rows[j] = g.col[j][k], rows[dim + j] = g.col[j][k + 1];
    lookers[well->pass](well, &(struct look){direction[k / 2], {u[k], u[k + 1]}, rows, rows + dim});
  }
  return BOLTZ_OK;
}

/* ---- From one pass to the next ------------------------------------------------------------- */

static enum boltz_status find_eigenvalues(struct boltz_well *well, struct boltz_arena *scratch) {
  const size_t n = (size_t)well->dim;
  double *h = well->precision;
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < i; j++)
      h[i * n + j] = h[j * n + i] = 0.5 * (h[i * n + j] + h[j * n + i]);
  memcpy(well->vectors, h, n * n * sizeof *h);
  BOLTZ_TRY(boltz_eigen(well->dim, well->vectors, well->values, scratch));
  for (size_t i = 0; i < n; i++)
    well->step[i] = well->values[i] > 0 ? 1 / sqrt(well->values[i]) : 1;
  return BOLTZ_OK;
}

/* Is a width to be looked for, and where next? */
static bool next_widths(struct boltz_well *well) {
  bool any = false;
  for (int i = 0; i < well->dim; i++) {
    if (!(well->high[i] > 0)) continue;
    well->step[i] = sqrt(well->low[i] * well->high[i]);
    any = true;
  }
  return any && well->round++ < ROUNDS;
}

/* H from eigenvalues, some of which are not the Hessian's. */
static void put_precision(struct boltz_well *well) {
  const size_t n = (size_t)well->dim;
  memset(well->precision, 0, n * n * sizeof(double));
  for (size_t k = 0; k < n; k++) {
    const double *v = well->vectors + k * n;
    for (size_t i = 0; i < n; i++)
      for (size_t j = 0; j < n; j++) well->precision[i * n + j] += well->values[k] * v[i] * v[j];
  }
}

/* z -= H^-1 g, u -= g H^-1 g / 2: along directions that are parabolas. */
static void step_to_minimum(struct boltz_well *well) {
  const size_t n = (size_t)well->dim;
  double *along = well->step, fall = 0;
  for (size_t k = 0; k < n; k++) {
    const double *v = well->vectors + k * n;
    along[k] = 0;
    for (size_t j = 0; well->high[k] == 0 && j < n; j++) along[k] += v[j] * well->g[j];
    fall += 0.5 * along[k] * along[k] / well->values[k];
  }
  if (!(fall < NEWTON_MOST)) return;
  for (size_t k = 0; k < n; k++)
    for (size_t j = 0; j < n; j++)
      well->z[j] -= along[k] / well->values[k] * well->vectors[k * n + j];
  well->u -= fall;
}

static void finish(struct boltz_well *well) {
  bool changed = false;
  for (int i = 0; i < well->dim; i++) changed |= well->high[i] > 0;
  if (changed) put_precision(well);
  step_to_minimum(well);
  well->log_weight = -well->u + 0.5 * well->dim * ln_2pi;
  for (int i = 0; i < well->dim; i++) well->log_weight -= 0.5 * log(well->values[i]);
}

enum boltz_status boltz_well_step(struct boltz_well *well, bool *more,
                                  struct boltz_arena *scratch) {
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  const enum boltz_status status = look_on(well, scratch);
  boltz_arena_release(scratch, mark);
  *more = true;
  if (status != BOLTZ_OK || well->at < well->dim) return status;
  if (well->pass == BOLTZ_WELL_SCALES) {
    enter(well, BOLTZ_WELL_HESSIAN);
  } else if (well->pass == BOLTZ_WELL_HESSIAN) {
    BOLTZ_TRY(find_eigenvalues(well, scratch));
    enter(well, BOLTZ_WELL_RISES);
  } else if (next_widths(well)) {
    enter(well, BOLTZ_WELL_WIDTHS);
  } else {
    finish(well);
    *more = false;
  }
  return BOLTZ_OK;
}
