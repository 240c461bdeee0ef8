/* explore_move.c - random-walk Metropolis on some rungs at once, all coordinates, one, or sites. */
#include "core/explore_move.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "boltz/rng.h"
#include "core/base/vmath.h"
#include "core/scatter.h"

#define ACCEPTANCE 0.4    /* between the optima of one and of many coordinates, 0.44 and 0.23 */
#define WIDTH_LEAST 1e-12 /* a step narrower or wider than these is no step */
#define WIDTH_MOST 1e12
#define ALL_LEAST 1e-9
#define ALL_MOST 1e3
#define TOGETHER 64 /* coordinates of the sites of one part: a few milliseconds at most */
#define REFRESH 16  /* sweeps after which sums of differences are replaced by the energy itself */

/* ---- widths ---- */

/* The widest step that makes sense in a coordinate. */
static double width_limit(const struct boltz_domain *domain) {
  switch (domain->type) {
    case BOLTZ_INTERVAL:
      return domain->high - domain->low;
    case BOLTZ_PERIODIC:
      return 0.5 * (domain->high - domain->low);
    case BOLTZ_REAL:
      break;
  }
  return WIDTH_MOST;
}

void boltz_tile_widths(struct boltz_tile *tile) {
  const int dim = tile->energy->dim;
  for (int r = 0; r < tile->rungs; r++) {
    tile->all[r] = 1 / sqrt(dim);
    for (int j = 0; j < dim; j++)
      tile->width[r * dim + j] = fmin(1, 0.3 * width_limit(&tile->energy->domain[j]));
  }
}

static void tune_width(struct boltz_tile *tile, int rung, int j, double factor) {
  const double limit = width_limit(&tile->energy->domain[j]);
  double *width = &tile->width[rung * tile->energy->dim + j];
  *width = fmin(limit, fmax(WIDTH_LEAST * fmin(1, limit), *width * factor));
}

/* ---- random numbers, proposals, decisions ---- */

/* What the lanes try. */
struct trial {
  struct boltz_batch normals;  /* [lanes, coordinates]; they become proposals */
  struct boltz_batch uniforms; /* [lanes, decisions] */
  double *u, *du;              /* [lanes] u(y), u(y) - u(x) */
  double *barrier;             /* [lanes] infinite for a proposal outside the domain, else 0 */
  double *taken;               /* [lanes] 1 or 0 */
};

static bool trial_new(const struct boltz_tile *tile, uint64_t sweep, int part, int coordinates,
                      int decisions, struct boltz_arena *scratch, struct trial *trial) {
  const size_t n = tile->x.n;
  double *room = BOLTZ_NEW_ARRAY(scratch, 4 * n, double);
  if (!room || boltz_batch_new(scratch, n, coordinates, &trial->normals) != BOLTZ_OK ||
      boltz_batch_new(scratch, n, decisions, &trial->uniforms) != BOLTZ_OK)
    return false;
  trial->u = room;
  trial->du = room + n;
  trial->barrier = room + 2 * n;
  trial->taken = room + 3 * n;
  const uint64_t plane = sweep * (uint64_t)boltz_tile_parts(tile->energy) + (uint64_t)part;
  const uint64_t first = plane * tile->lanes + tile->first;
  boltz_rng_normals(tile->seed, BOLTZ_STREAM_PROPOSE, first, &trial->normals);
  boltz_rng_uniforms(tile->seed, BOLTZ_STREAM_ACCEPT, first, &trial->uniforms);
  return true;
}

/* y = x + width y */
BOLTZ_VECTORISED static void walk(double width, size_t n, const double *restrict x,
                                  double *restrict y) {
  for (size_t i = 0; i < n; i++) y[i] = x[i] + width * y[i];
}

/* Coordinate j of all lanes: y holds normals, then proposals. */
static void propose(const struct boltz_tile *tile, int j, bool all, double *y) {
  for (int r = 0; r < tile->rungs; r++) {
    const double width = tile->width[r * tile->energy->dim + j];
    const size_t at = (size_t)r * tile->walkers;
    walk(all ? tile->all[r] * width : width, tile->walkers, tile->x.col[j] + at, y + at);
  }
}

/* What is outside stays where it is, and will not be taken. */
BOLTZ_VECTORISED static void hold_interval(double low, double high, size_t n,
                                           const double *restrict x, double *restrict y,
                                           double *restrict barrier) {
  for (size_t i = 0; i < n; i++) {
    const double above = y[i] > low ? 0 : INFINITY, outside = y[i] < high ? above : INFINITY;
    barrier[i] += outside;
    y[i] = outside > 0 ? x[i] : y[i];
  }
}

/* y comes round; what rounds to the end itself is outside. */
BOLTZ_VECTORISED static void hold_periodic(double low, double high, size_t n,
                                           const double *restrict x, double *restrict y,
                                           double *restrict barrier) {
  const double period = high - low;
  for (size_t i = 0; i < n; i++) {
    const double image = y[i] - period * floor((y[i] - low) / period);
    const double above = image >= low ? 0 : INFINITY, outside = image < high ? above : INFINITY;
    barrier[i] += outside;
    y[i] = outside > 0 ? x[i] : image;
  }
}

static void hold(const struct boltz_tile *tile, int j, double *y, double *barrier) {
  const struct boltz_domain *domain = &tile->energy->domain[j];
  if (domain->type == BOLTZ_INTERVAL)
    hold_interval(domain->low, domain->high, tile->x.n, tile->x.col[j], y, barrier);
  else if (domain->type == BOLTZ_PERIODIC)
    hold_periodic(domain->low, domain->high, tile->x.n, tile->x.col[j], y, barrier);
}

/* Accept with min(1, exp(-du)). Only a finite du is: NaN, and an infinity of either sign, would
   trap the walker. */
BOLTZ_VECTORISED static void decide(size_t n, const double *restrict uniform,
                                    const double *restrict du, const double *restrict barrier,
                                    double *restrict taken) {
  for (size_t i = 0; i < n; i++) {
    const double rise = du[i] + barrier[i], low = boltz_log(uniform[i]) < -rise ? 1 : 0;
    taken[i] = rise > -DBL_MAX ? low : 0;
  }
}

/* Take y where it is taken. */
BOLTZ_VECTORISED static void take(size_t n, const double *restrict taken, const double *restrict y,
                                  double *restrict x) {
  for (size_t i = 0; i < n; i++) x[i] = taken[i] > 0 ? y[i] : x[i];
}

BOLTZ_VECTORISED static void take_difference(size_t n, const double *restrict taken,
                                             const double *restrict du, double *restrict u) {
  for (size_t i = 0; i < n; i++) u[i] += taken[i] > 0 ? du[i] : 0;
}

/* How far a rung's fraction of accepted proposals is from what is wanted. */
static double excess(const struct boltz_tile *tile, int rung, const double *taken) {
  double accepted = 0;
  for (size_t i = 0; i < tile->walkers; i++) accepted += taken[(size_t)rung * tile->walkers + i];
  return accepted / (double)tile->walkers - ACCEPTANCE;
}

/* ---- energies ---- */

static void divide(const struct boltz_tile *tile, double *u) {
  for (int r = 0; r < tile->rungs; r++)
    for (size_t i = 0; i < tile->walkers; i++)
      u[(size_t)r * tile->walkers + i] /= tile->temperature[r];
}

/* u of y, every rung at its temperature; NaN without scratch. */
static void evaluate(struct boltz_tile *tile, const struct boltz_batch *y, double *u,
                     struct boltz_arena *scratch) {
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  tile->energy_calls += y->n;
  if (!tile->energy->kind->reduced) {
    boltz_energy_eval(tile->energy, 1, y, u, NULL, scratch);
    divide(tile, u);
    return;
  }
  for (size_t i = 0; i < y->n; i++) u[i] = NAN;
  for (int r = 0; r < tile->rungs; r++) {
    struct boltz_batch view;
    const size_t at = (size_t)r * tile->walkers;
    if (boltz_batch_view(scratch, y, at, tile->walkers, &view) == BOLTZ_OK)
      boltz_energy_eval(tile->energy, tile->temperature[r], &view, u + at, NULL, scratch);
    boltz_arena_release(scratch, mark);
  }
}

void boltz_tile_evaluate(struct boltz_tile *tile, struct boltz_arena *scratch) {
  evaluate(tile, &tile->x, tile->u, scratch);
}

/* u(y) - u(x) where the site moves; rung [rungs] are views of x, for energies that are not U/T. */
static void difference(const struct boltz_tile *tile, const struct boltz_batch *rung, int site,
                       const struct boltz_batch *moved, double *du, struct boltz_arena *scratch) {
  const struct boltz_energy_kind *kind = tile->energy->kind;
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  if (!kind->reduced) {
    kind->difference(tile->energy->settings, 1, &tile->x, site, moved, du, scratch);
    divide(tile, du);
  }
  for (int r = 0; kind->reduced && r < tile->rungs; r++) {
    struct boltz_batch view;
    const size_t at = (size_t)r * tile->walkers;
    for (size_t i = 0; i < tile->walkers; i++) du[at + i] = NAN;
    if (boltz_batch_view(scratch, moved, at, tile->walkers, &view) == BOLTZ_OK)
      kind->difference(tile->energy->settings, tile->temperature[r], &rung[r], site, &view, du + at,
                       scratch);
    boltz_arena_release(scratch, mark);
  }
  boltz_arena_release(scratch, mark);
}

/* ---- moves ---- */

void boltz_tile_try(struct boltz_tile *tile, uint64_t try, struct boltz_arena *scratch) {
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  const struct boltz_walkers lanes = {tile->first, tile->lanes};
  struct boltz_batch y;
  double *u = BOLTZ_NEW_ARRAY(scratch, tile->x.n, double);
  double *better = BOLTZ_NEW_ARRAY(scratch, tile->x.n, double);
  if (u && better && boltz_batch_new(scratch, tile->x.n, tile->x.dim, &y) == BOLTZ_OK) {
    boltz_scatter(tile->energy, tile->seed, try * tile->lanes + tile->first, lanes, &y);
    boltz_energy_wrap(tile->energy, &y);
    evaluate(tile, &y, u, scratch);
    for (size_t i = 0; i < y.n; i++) better[i] = isfinite(u[i]) && u[i] < tile->u[i];
    for (int j = 0; j < y.dim; j++) take(y.n, better, y.col[j], tile->x.col[j]);
    take(y.n, better, u, tile->u);
  }
  boltz_arena_release(scratch, mark);
}

/* Decide between u(x) and trial->u. */
static void compare(struct boltz_tile *tile, struct trial *trial) {
  const size_t n = tile->x.n;
  for (size_t i = 0; i < n; i++) trial->du[i] = trial->u[i] - tile->u[i];
  decide(n, trial->uniforms.col[0], trial->du, trial->barrier, trial->taken);
  take(n, trial->taken, trial->u, tile->u);
}

static void move_all(struct boltz_tile *tile, uint64_t sweep, double gain,
                     struct boltz_arena *scratch) {
  struct trial trial;
  struct boltz_batch *y = &trial.normals;
  if (!trial_new(tile, sweep, 0, tile->x.dim, 1, scratch, &trial)) return;
  for (int j = 0; j < y->dim; j++) {
    propose(tile, j, true, y->col[j]);
    hold(tile, j, y->col[j], trial.barrier);
  }
  evaluate(tile, y, trial.u, scratch);
  compare(tile, &trial);
  for (int j = 0; j < y->dim; j++) take(y->n, trial.taken, y->col[j], tile->x.col[j]);
  for (int r = 0; gain > 0 && r < tile->rungs; r++) {
    const double all = tile->all[r] * exp(gain * excess(tile, r, trial.taken));
    tile->all[r] = fmin(ALL_MOST, fmax(ALL_LEAST, all));
  }
}

/* One coordinate's acceptance says most about its own width and a little about all others'. */
static void tune_one(struct boltz_tile *tile, int moved, double gain, const double *taken) {
  for (int r = 0; r < tile->rungs; r++) {
    const double change = gain * excess(tile, r, taken);
    const double own = exp(change), other = exp(0.3 * change);
    for (int j = 0; j < tile->x.dim; j++) tune_width(tile, r, j, j == moved ? own : other);
  }
}

/* The coordinate whose turn it is. y are the columns of x but for that. */
static void move_one(struct boltz_tile *tile, uint64_t sweep, double gain,
                     struct boltz_arena *scratch) {
  const int j = (int)(sweep % (uint64_t)tile->x.dim);
  struct trial trial;
  struct boltz_batch y;
  if (!trial_new(tile, sweep, 1, 1, 1, scratch, &trial)) return;
  if (boltz_batch_view(scratch, &tile->x, 0, tile->x.n, &y) != BOLTZ_OK) return;
  y.col[j] = trial.normals.col[0];
  propose(tile, j, false, y.col[j]);
  hold(tile, j, y.col[j], trial.barrier);
  evaluate(tile, &y, trial.u, scratch);
  compare(tile, &trial);
  take(y.n, trial.taken, y.col[j], tile->x.col[j]);
  if (gain > 0) tune_one(tile, j, gain, trial.taken);
}

/* moved [lanes, width] holds normals, then where the site would be. */
static void move_site(struct boltz_tile *tile, const struct boltz_batch *rung, int site,
                      const struct boltz_batch *moved, const double *uniform, double gain,
                      struct trial *trial, struct boltz_arena *scratch) {
  const size_t n = tile->x.n;
  const int width = moved->dim;
  memset(trial->barrier, 0, n * sizeof(double));
  for (int k = 0; k < width; k++) {
    propose(tile, site * width + k, false, moved->col[k]);
    hold(tile, site * width + k, moved->col[k], trial->barrier);
  }
  difference(tile, rung, site, moved, trial->du, scratch);
  decide(n, uniform, trial->du, trial->barrier, trial->taken);
  for (int k = 0; k < width; k++)
    take(n, trial->taken, moved->col[k], tile->x.col[site * width + k]);
  take_difference(n, trial->taken, trial->du, tile->u);
  for (int r = 0; gain > 0 && r < tile->rungs; r++) {
    const double factor = exp(gain * excess(tile, r, trial->taken));
    for (int k = 0; k < width; k++) tune_width(tile, r, site * width + k, factor);
  }
}

/* Sites of one part. */
static int sites_together(const struct boltz_energy *energy) {
  const int width = energy->kind->site_width(energy->settings);
  return width < TOGETHER ? TOGETHER / width : 1;
}

/* Part 1 moves the first sites, part 2 the next, ... */
static void move_sites(struct boltz_tile *tile, uint64_t sweep, int part, double gain,
                       struct boltz_arena *scratch) {
  const struct boltz_energy *energy = tile->energy;
  const int width = energy->kind->site_width(energy->settings), sites = energy->dim / width;
  const int first = (part - 1) * sites_together(energy), left = sites - first;
  const int count = left < sites_together(energy) ? left : sites_together(energy);
  struct trial trial;
  if (!trial_new(tile, sweep, part, count * width, count, scratch, &trial)) return;
  struct boltz_batch *rung = BOLTZ_NEW_ARRAY(scratch, (size_t)tile->rungs, struct boltz_batch);
  if (!rung) return;
  for (int r = 0; energy->kind->reduced && r < tile->rungs; r++)
    if (boltz_batch_view(scratch, &tile->x, (size_t)r * tile->walkers, tile->walkers, &rung[r]) !=
        BOLTZ_OK)
      return;
  for (int k = 0; k < count; k++) {
    const struct boltz_batch moved = {tile->x.n, width, trial.normals.col + k * width};
    move_site(tile, rung, first + k, &moved, trial.uniforms.col[k], gain, &trial, scratch);
  }
  if (first + count < sites) return;
  tile->energy_calls += tile->x.n;
  if (sweep % REFRESH == 0) boltz_tile_evaluate(tile, scratch);
}

int boltz_tile_parts(const struct boltz_energy *energy) {
  if (!energy->kind->difference) return 2;
  const int width = energy->kind->site_width(energy->settings), sites = energy->dim / width;
  const int together = sites_together(energy);
  return 1 + (sites + together - 1) / together;
}

void boltz_tile_move(struct boltz_tile *tile, uint64_t sweep, int part, double gain,
                     struct boltz_arena *scratch) {
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  if (part == 0)
    move_all(tile, sweep, gain, scratch);
  else if (tile->energy->kind->difference)
    move_sites(tile, sweep, part, gain, scratch);
  else
    move_one(tile, sweep, gain, scratch);
  boltz_arena_release(scratch, mark);
}
