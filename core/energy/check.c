/* check.c - does an energy that no test of ours has seen keep the laws of energies?
 *
 *   g_j(x) = du/dx_j ~ (u(x + h e_j) - u(x - h e_j)) / 2h
 *
 * Asked where it costs little: a kind that a plug-in brings is tried on its example when it is
 * loaded, and a model of it when it is registered. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "boltz/energy.h"
#include "core/energy/points.h"

enum {
  POINTS = 1024, /* among which one must be finite */
  TILE = 64,     /* that are drawn together */
  ROWS_LEAST = 8,
  COORDINATES = 64,   /* up to which each of them is asked … */
  COORDINATES_FEW = 8 /* … and how many of more */
};

/* A batch under trial, with what the energy says of it. */
struct trial {
  const struct boltz_energy *energy;
  struct boltz_arena *scratch;
  struct boltz_batch x, gu;
  double u[TILE];
};

static enum boltz_status bad(const struct trial *t, const char *sentence) {
  return boltz_fail(BOLTZ_OUT_OF_RANGE, "energy kind %.64s: %s", t->energy->kind->name, sentence);
}

static void eval(const struct trial *t, const struct boltz_batch *x, double *u,
                 struct boltz_batch *gu) {
  boltz_energy_eval(t->energy, t->energy->temperature, x, u, gu, t->scratch);
}

/* ---- domains ---- */

static enum boltz_status check_domains(const struct trial *t) {
  for (int j = 0; j < t->energy->dim; j++) {
    const struct boltz_domain *d = &t->energy->domain[j];
    if (d->type == BOLTZ_REAL) continue;
    const bool known = d->type == BOLTZ_INTERVAL || d->type == BOLTZ_PERIODIC;
    if (!known || !(d->low < d->high && isfinite(d->high - d->low)))
      return boltz_fail(BOLTZ_OUT_OF_RANGE,
                        "energy kind %.64s: the domain of x%d is no interval: type %d, low = %g, "
                        "high = %g",
                        t->energy->kind->name, j + 1, (int)d->type, d->low, d->high);
  }
  return BOLTZ_OK;
}

/* ---- finite somewhere: then u of that tile is kept ---- */

static enum boltz_status find_finite(struct trial *t) {
  const size_t n = t->x.n;
  for (uint64_t first = 0; first < POINTS; first += n) {
    boltz_points_draw(t->energy->domain, first, &t->x);
    eval(t, &t->x, t->u, &t->gu);
    for (size_t i = 0; i < n; i++)
      if (isfinite(t->u[i])) return BOLTZ_OK;
  }
  return boltz_fail(BOLTZ_OUT_OF_RANGE,
                    "energy kind %.64s: u is not finite at any of %d points of its domain: no "
                    "configuration has a weight",
                    t->energy->kind->name, POINTS);
}

/* ---- the same whatever the company ---- */

static bool same_bits(double a, double b) {
  return memcmp(&a, &b, sizeof a) == 0 || (a != a && b != b);
}

static enum boltz_status check_alone(struct trial *t) {
  struct boltz_batch drawn, one;
  BOLTZ_TRY(boltz_batch_new(t->scratch, t->x.n, t->x.dim, &drawn));
  boltz_points_draw(t->energy->domain, 0, &drawn);
  eval(t, &drawn, t->u, NULL);
  boltz_points_draw(t->energy->domain, 0, &t->x);
  for (int j = 0; j < t->x.dim; j++)
    if (memcmp(drawn.col[j], t->x.col[j], t->x.n * sizeof(double)) != 0)
      return bad(t, "energy() changed the x that it was given");
  for (size_t i = 0; i < t->x.n; i += 7) {
    double u;
    BOLTZ_TRY(boltz_batch_view(t->scratch, &t->x, i, 1, &one));
    eval(t, &one, &u, NULL);
    if (same_bits(u, t->u[i])) continue;
    return boltz_fail(BOLTZ_OUT_OF_RANGE,
                      "energy kind %.64s: u of one point is %.17g alone and %.17g in a batch of "
                      "%zu: it must depend on the point only, to the last bit; build without "
                      "-ffast-math",
                      t->energy->kind->name, u, t->u[i], t->x.n);
  }
  return BOLTZ_OK;
}

/* ---- the gradient ---- */

/* A step that the coordinate does not notice and rounding does not drown. */
static double step_at(const struct boltz_domain *domain, double x) {
  const double of_domain = domain->type == BOLTZ_REAL ? INFINITY : domain->high - domain->low;
  return 1e-5 * fmin(fmax(1, fabs(x)), of_domain);
}

/* du [n]: differences along coordinate j with steps of `factor` h. */
static void differences(struct trial *t, int j, double factor, double *du) {
  const struct boltz_domain *domain = &t->energy->domain[j];
  double kept[TILE], up[TILE], um[TILE], *x = t->x.col[j];
  const size_t n = t->x.n;
  memcpy(kept, x, n * sizeof(double));
  for (size_t i = 0; i < n; i++) x[i] = kept[i] + factor * step_at(domain, kept[i]);
  eval(t, &t->x, up, NULL);
  for (size_t i = 0; i < n; i++) du[i] = x[i];
  for (size_t i = 0; i < n; i++) x[i] = kept[i] - factor * step_at(domain, kept[i]);
  eval(t, &t->x, um, NULL);
  for (size_t i = 0; i < n; i++) du[i] = (up[i] - um[i]) / (du[i] - x[i]);
  memcpy(x, kept, n * sizeof(double));
}

/* The gradient is wrong where it contradicts two differences that agree with each other; at a kink
   they do not. One contradiction may be the energy's own noise: a third of the points are not. */
static enum boltz_status check_coordinate(struct trial *t, int j) {
  double coarse[TILE], fine[TILE];
  size_t compared = 0, wrong = 0, example = 0;
  differences(t, j, 1, coarse);
  differences(t, j, 0.5, fine);
  for (size_t i = 0; i < t->x.n; i++) {
    if (!isfinite(t->u[i]) || !isfinite(coarse[i]) || !isfinite(fine[i])) continue;
    /* the step's error is a third of what halving it changed; rounding is ~ 1e-16 |u| / 1e-5 */
    const double tolerance =
        1e-3 * fabs(fine[i]) + 10 * fabs(coarse[i] - fine[i]) + 1e-7 * (1 + fabs(t->u[i]));
    compared++;
    if (fabs(t->gu.col[j][i] - fine[i]) <= tolerance) continue;
    if (wrong++ == 0) example = i;
  }
  if (wrong < 2 || 3 * wrong < compared) return BOLTZ_OK;
  return boltz_fail(BOLTZ_OUT_OF_RANGE,
                    "energy kind %.64s: its gradient is wrong at %zu of %zu points: where x%d = "
                    "%.9g and u = %.9g, du/dx%d is given as %.9g, and differences of u say %.9g",
                    t->energy->kind->name, wrong, compared, j + 1, t->x.col[j][example],
                    t->u[example], j + 1, t->gu.col[j][example], fine[example]);
}

static enum boltz_status check_gradient(struct trial *t) {
  const int dim = t->energy->dim, most = dim <= COORDINATES ? dim : COORDINATES_FEW;
  for (int k = 0; k < most; k++)
    BOLTZ_TRY(check_coordinate(t, (int)((int64_t)k * (dim - 1) / (most > 1 ? most - 1 : 1))));
  return BOLTZ_OK;
}

/* ---- the difference of one site ---- */

static enum boltz_status check_site(struct trial *t, int width, int site) {
  struct boltz_batch y, moved;
  double du[TILE], u[TILE];
  const size_t n = t->x.n;
  BOLTZ_TRY(boltz_batch_new(t->scratch, n, t->x.dim, &y));
  BOLTZ_TRY(boltz_batch_new(t->scratch, n, width, &moved));
  boltz_batch_copy(&y, 0, &t->x, 0, n);
  for (int c = 0; c < width; c++) /* where the next point has that site */
    for (size_t i = 0; i < n; i++) {
      moved.col[c][i] = t->x.col[site * width + c][(i + 1) % n];
      y.col[site * width + c][i] = moved.col[c][i];
    }
  eval(t, &y, u, NULL);
  t->energy->kind->difference(t->energy->settings, t->energy->temperature, &t->x, site, &moved, du,
                              t->scratch);
  for (size_t i = 0; i < n; i++) {
    /* each u is a sum that rounds: 1e-9 of it is a millionfold reserve */
    const double whole = u[i] - t->u[i], tolerance = 1e-9 * (1 + fabs(u[i]) + fabs(t->u[i]));
    if (!isfinite(whole) || fabs(du[i] - whole) <= tolerance) continue;
    return boltz_fail(BOLTZ_OUT_OF_RANGE,
                      "energy kind %.64s: difference() of site %d says %.9g where u(y) - u(x) is "
                      "%.9g",
                      t->energy->kind->name, site, du[i], whole);
  }
  return BOLTZ_OK;
}

static enum boltz_status check_sites(struct trial *t) {
  const struct boltz_energy_kind *kind = t->energy->kind;
  const int width = kind->site_width ? kind->site_width(t->energy->settings) : 0;
  if (width == 0) return BOLTZ_OK;
  if (width < 0 || width > t->energy->dim || t->energy->dim % width != 0)
    return boltz_fail(BOLTZ_OUT_OF_RANGE,
                      "energy kind %.64s: its %d coordinates are no whole number of sites of width "
                      "%d",
                      kind->name, t->energy->dim, width);
  const int sites = t->energy->dim / width;
  BOLTZ_TRY(check_site(t, width, 0));
  BOLTZ_TRY(check_site(t, width, sites / 2));
  return check_site(t, width, sites - 1);
}

/* ---- all of it ---- */

static enum boltz_status check(struct trial *t) {
  const int dim = t->energy->dim;
  const size_t rows = dim <= COORDINATES ? TILE : ROWS_LEAST; /* an energy may cost dim^2 */
  BOLTZ_TRY(check_domains(t));
  BOLTZ_TRY(boltz_batch_new(t->scratch, rows, dim, &t->x));
  BOLTZ_TRY(boltz_batch_new(t->scratch, rows, dim, &t->gu));
  BOLTZ_TRY(check_alone(t));
  BOLTZ_TRY(find_finite(t));
  BOLTZ_TRY(check_gradient(t));
  return check_sites(t);
}

enum boltz_status boltz_energy_check(const struct boltz_energy *energy,
                                     struct boltz_arena *scratch) {
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  struct trial trial = {.energy = energy, .scratch = scratch};
  boltz_arena_exhausted(scratch); /* what was refused before is not ours */
  enum boltz_status status = check(&trial);
  /* exhausted scratch shows as a wrong number */
  if (boltz_arena_exhausted(scratch)) status = BOLTZ_NO_MEMORY;
  if (status == BOLTZ_NO_MEMORY)
    boltz_fail(status, "no memory to try the energy kind %.64s", energy->kind->name);
  boltz_arena_release(scratch, mark);
  return status;
}
