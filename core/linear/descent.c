/* descent.c - L-BFGS from many starts side by side, with one evaluation of every row a round.
 *
 *   d = -H g, H from the last pairs s = x' - x, y = g' - g by the two-loop recursion;
 *   a step t d is taken when u' <= u + 1e-4 t g·d, else t shrinks by a parabola's minimum
 *
 * Source: Nocedal & Wright, Numerical Optimization (2006), algorithms 7.4 and 3.1. */
#include "core/linear/descent.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define PAIRS 8
#define DECREASE 1e-4  /* of what the slope promises, at least */
#define FALL 1e-12     /* a row whose next step would fall by less has arrived */
#define SHORTEST 1e-12 /* of a step, against its direction */

struct row {
  double *x, *g, *d;  /* [dim] */
  double *s, *y;      /* [PAIRS, dim] */
  double rho[PAIRS];  /* 1 / s·y */
  size_t pairs;       /* ever kept */
  double u, t, slope; /* slope = g·d */
  bool begun, arrived;
};

struct boltz_descent {
  size_t n, dim;
  struct row *rows;         /* [n] */
  size_t *moving;           /* [trial.n] rows at trial points */
  struct boltz_batch trial; /* [moving, dim] */
};

static double dot(size_t n, const double *a, const double *b) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

/* a += factor b */
static void add(size_t n, double factor, const double *b, double *a) {
  for (size_t i = 0; i < n; i++) a[i] += factor * b[i];
}

static void put_trials(struct boltz_descent *descent) {
  size_t m = 0;
  for (size_t i = 0; i < descent->n; i++) {
    const struct row *row = &descent->rows[i];
    if (row->arrived) continue;
    for (size_t j = 0; j < descent->dim; j++)
      descent->trial.col[j][m] = row->x[j] + row->t * row->d[j];
    descent->moving[m++] = i;
  }
  descent->trial.n = m;
}

enum boltz_status boltz_descent_new(const struct boltz_batch *x, struct boltz_arena *arena,
                                    struct boltz_descent **out) {
  const size_t dim = (size_t)x->dim;
  struct boltz_descent *descent = BOLTZ_NEW(arena, struct boltz_descent);
  if (!descent) return BOLTZ_NO_MEMORY;
  *descent = (struct boltz_descent){.n = x->n,
                                    .dim = dim,
                                    .rows = BOLTZ_NEW_ARRAY(arena, x->n, struct row),
                                    .moving = BOLTZ_NEW_ARRAY(arena, x->n, size_t)};
  if (!descent->rows || !descent->moving) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(boltz_batch_new(arena, x->n, x->dim, &descent->trial));
  for (size_t i = 0; i < x->n; i++) {
    struct row *row = &descent->rows[i];
    double *numbers = BOLTZ_NEW_ARRAY(arena, (3 + 2 * PAIRS) * dim, double);
    if (!numbers) return BOLTZ_NO_MEMORY;
    *row = (struct row){.x = numbers,
                        .g = numbers + dim,
                        .d = numbers + 2 * dim,
                        .s = numbers + 3 * dim,
                        .y = numbers + (3 + PAIRS) * dim,
                        .u = INFINITY};
    for (size_t j = 0; j < dim; j++) row->x[j] = x->col[j][i];
  }
  put_trials(descent);
  *out = descent;
  return BOLTZ_OK;
}

const struct boltz_batch *boltz_descent_trial(const struct boltz_descent *descent) {
  return &descent->trial;
}

/* d = -H g by the two-loop recursion. */
static void find_direction(struct row *row, size_t dim) {
  const size_t kept = row->pairs < PAIRS ? row->pairs : PAIRS;
  double alpha[PAIRS];
  for (size_t j = 0; j < dim; j++) row->d[j] = -row->g[j];
  for (size_t k = 0; k < kept; k++) {
    const size_t at = (row->pairs - 1 - k) % PAIRS;
    alpha[at] = row->rho[at] * dot(dim, row->s + at * dim, row->d);
    add(dim, -alpha[at], row->y + at * dim, row->d);
  }
  if (kept > 0) {
    const size_t at = (row->pairs - 1) % PAIRS;
    const double scale = 1 / (row->rho[at] * dot(dim, row->y + at * dim, row->y + at * dim));
    for (size_t j = 0; j < dim; j++) row->d[j] *= scale;
  }
  for (size_t k = kept; k-- > 0;) {
    const size_t at = (row->pairs - 1 - k) % PAIRS;
    const double beta = row->rho[at] * dot(dim, row->y + at * dim, row->d);
    add(dim, alpha[at] - beta, row->s + at * dim, row->d);
  }
}

/* Straight down, without memory. */
static void steepest(struct row *row, size_t dim) {
  row->pairs = 0;
  for (size_t j = 0; j < dim; j++) row->d[j] = -row->g[j];
  row->slope = -dot(dim, row->g, row->g);
  row->t = row->slope < -1 ? 1 / sqrt(-row->slope) : 1;
}

static void set_out(struct row *row, size_t dim) {
  find_direction(row, dim);
  row->slope = dot(dim, row->g, row->d);
  row->t = 1;
  if (row->pairs == 0 || !(row->slope < 0)) steepest(row, dim);
  row->arrived = !(-row->slope > FALL);
}

/* x' = x + t d is better: remember the pair. */
static void step(struct row *row, size_t dim, double u, const struct boltz_batch *g, size_t at) {
  double *s = row->s + row->pairs % PAIRS * dim, *y = row->y + row->pairs % PAIRS * dim;
  for (size_t j = 0; j < dim; j++) {
    s[j] = row->t * row->d[j];
    y[j] = g->col[j][at] - row->g[j];
    row->x[j] += s[j];
    row->g[j] = g->col[j][at];
  }
  const double sy = dot(dim, s, y);
  if (row->begun && sy > 1e-10 * sqrt(dot(dim, s, s) * dot(dim, y, y))) {
    row->rho[row->pairs % PAIRS] = 1 / sy;
    row->pairs++;
  }
  row->begun = true;
  row->u = u;
}

/* t where the parabola through u, its slope and u' is lowest, within bounds. */
static void shorten(struct row *row, size_t dim, double u) {
  const double t = row->t, over = u - row->u - row->slope * t;
  const double lowest = isfinite(over) && over > 0 ? -row->slope * t * t / (2 * over) : 0;
  row->t = lowest < 0.1 * t ? 0.1 * t : lowest > 0.5 * t ? 0.5 * t : lowest;
  if (row->t > SHORTEST) return;
  if (row->pairs > 0)
    steepest(row, dim);
  else
    row->arrived = true;
}

static bool is_finite_row(const struct boltz_batch *g, size_t at) {
  for (int j = 0; j < g->dim; j++)
    if (!isfinite(g->col[j][at])) return false;
  return true;
}

static void advance_row(struct row *row, size_t dim, double u, const struct boltz_batch *g,
                        size_t at) {
  const bool finite = isfinite(u) && is_finite_row(g, at);
  const double noise = 4 * DBL_EPSILON * fabs(row->u);
  if (!row->begun && !finite) {
    row->arrived = true;
  } else if (!row->begun || (finite && u <= row->u + DECREASE * row->t * row->slope + noise)) {
    step(row, dim, u, g, at);
    set_out(row, dim);
  } else {
    shorten(row, dim, finite ? u : INFINITY);
  }
}

bool boltz_descent_advance(struct boltz_descent *descent, const double *u,
                           const struct boltz_batch *g) {
  for (size_t m = 0; m < descent->trial.n; m++)
    advance_row(&descent->rows[descent->moving[m]], descent->dim, u[m], g, m);
  put_trials(descent);
  return descent->trial.n > 0;
}

struct boltz_descent_row boltz_descent_row(const struct boltz_descent *descent, size_t i) {
  const struct row *row = &descent->rows[i];
  return (struct boltz_descent_row){
      .x = row->x, .g = row->g, .u = row->u, .fall = row->begun ? -row->slope : INFINITY};
}
