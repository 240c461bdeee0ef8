/* explore.c - replica exchange: ladders of temperatures that carry walkers over barriers.
 *
 * A rung's walkers are a chain of their own, with steps that are tuned while burning in and then
 * left alone, so that every kept configuration comes from a chain that keeps its target. A sweep
 * is, on every rung, one step in all coordinates and one in a single coordinate, and then an
 * exchange of neighbours, of even and of odd pairs in turn. Where the energy knows the difference
 * that one site makes, every site moves once a sweep instead of the single coordinate: it costs as
 * much as a few energies, on lattices as dozens, and is done in parts.
 *
 * Ladders know nothing of each other but by the tuning. So they are cut into shards, as many
 * whatever the machine, that tune for themselves: threads may step them side by side, and the
 * numbers are the same on any number of threads. */
#include <math.h>

#include "boltz/chain.h"
#include "core/explore_move.h"

#define RUNGS_MAX 64
#define HOT 32 /* temperatures span this much when nothing else is asked for */
#define HOT_MAX 1e6
#define WALKERS 64
#define WALKERS_MAX (1u << 20)
#define SWEEPS_MAX (UINT64_C(1) << 48)
#define TRIES 32           /* places that a ladder looks at, its rungs together, to start from; */
#define TRIES_MAX 1024     /* after so many one that found none gives up */
#define TILE_LANES 64      /* walkers that move together, unless a rung has more: loops are long */
#define TILE_NUMBERS 65536 /* and their coordinates, for them to stay in the cache */

/* Some of the ladders. Walker i of rung r is lane r walkers + i. */
struct shard {
  size_t first, walkers;
  double *temperature; /* [rungs] */
  struct boltz_batch x;
  double *u;
  struct boltz_tile *tile; /* [tiles] some rungs each */
  int tiles;
  double *lower_swapped; /* [walkers] u of the upper rung's x at the lower's T */
  double *upper_swapped; /* [walkers] and the other way round */
  uint64_t try;          /* places looked at by every lane */
  bool started;          /* every walker has one, */
  size_t lost;           /* or so many have none and never will */
  bool exhausted;        /* scratch was */
  uint64_t sweep;
  int at_tile, at_part;    /* whose turn it is, and what it does next */
  uint64_t exchange_calls; /* configurations evaluated for exchanges */
  uint64_t kept;
};

struct boltz_explore {
  const struct boltz_energy *energy;
  struct boltz_explore_options options; /* with every default filled in */
  int parts;                            /* of a tile's sweep */
  struct shard shard[BOLTZ_EXPLORE_SHARDS];
  int shards;
  struct boltz_batch samples;
};

/* Neighbours T and (1 + 1.5/sqrt(dim)) T of a system with dim coordinates overlap well enough that
 * about half of their exchanges are taken. */
static int choose_rungs(int dim, double hot) {
  double rungs = 1 + ceil(log(hot) / log(1 + 1.5 / sqrt(dim)));
  return rungs < 2 ? 2 : rungs > RUNGS_MAX ? RUNGS_MAX : (int)rungs;
}

int boltz_explore_rungs(int dim, const struct boltz_explore_options *options) {
  return options->rungs ? options->rungs : choose_rungs(dim, options->hot ? options->hot : HOT);
}

static enum boltz_status fill_options(struct boltz_explore_options *o, int dim) {
  if (o->walkers == 0) o->walkers = WALKERS;
  if (o->hot == 0) o->hot = HOT;
  if (o->stride == 0) o->stride = 1;
  if (!(o->hot >= 1 && o->hot <= HOT_MAX))
    return boltz_fail(BOLTZ_OUT_OF_RANGE, "hot = %g is not in [1, %g]", o->hot, HOT_MAX);
  o->rungs = boltz_explore_rungs(dim, o);
  if (o->rungs < 1 || o->rungs > RUNGS_MAX)
    return boltz_fail(BOLTZ_OUT_OF_RANGE, "rungs = %d is not in [1, %d]", o->rungs, RUNGS_MAX);
  if (o->walkers > WALKERS_MAX)
    return boltz_fail(BOLTZ_OUT_OF_RANGE, "walkers = %zu is not in [1, %u]", o->walkers,
                      WALKERS_MAX);
  if (o->burn_in > SWEEPS_MAX || o->steps > SWEEPS_MAX)
    return boltz_fail(BOLTZ_OUT_OF_RANGE, "burn_in = %llu or steps = %llu is more than %llu",
                      (unsigned long long)o->burn_in, (unsigned long long)o->steps,
                      (unsigned long long)SWEEPS_MAX);
  if (o->steps < o->stride)
    return boltz_fail(BOLTZ_OUT_OF_RANGE, "stride = %llu keeps none of steps = %llu",
                      (unsigned long long)o->stride, (unsigned long long)o->steps);
  return BOLTZ_OK;
}

/* ---- making ---- */

/* How many rungs move together. */
static int rungs_together(const struct shard *shard, int dim, int rungs) {
  const size_t lanes =
      TILE_NUMBERS / (size_t)dim < TILE_LANES ? TILE_NUMBERS / (size_t)dim : TILE_LANES;
  const size_t together = lanes / shard->walkers;
  return together < 1 ? 1 : together < (size_t)rungs ? (int)together : rungs;
}

static enum boltz_status open_tile(const struct boltz_explore *explore, const struct shard *shard,
                                   int first_rung, int rungs, struct boltz_arena *arena,
                                   struct boltz_tile *tile) {
  const struct boltz_explore_options *o = &explore->options;
  const size_t at = (size_t)first_rung * shard->walkers, lanes = (size_t)rungs * shard->walkers;
  *tile = (struct boltz_tile){
      .energy = explore->energy,
      .seed = o->seed,
      .first = shard->first * (size_t)o->rungs + at,
      .lanes = o->walkers * (size_t)o->rungs,
      .rungs = rungs,
      .walkers = shard->walkers,
      .temperature = shard->temperature + first_rung,
      .u = shard->u + at,
      .width = BOLTZ_NEW_ARRAY(arena, (size_t)rungs * (size_t)explore->energy->dim, double),
      .all = BOLTZ_NEW_ARRAY(arena, (size_t)rungs, double),
  };
  if (!tile->width || !tile->all) return BOLTZ_NO_MEMORY;
  boltz_tile_widths(tile);
  return boltz_batch_view(arena, &shard->x, at, lanes, &tile->x);
}

static enum boltz_status open_tiles(const struct boltz_explore *explore, struct shard *shard,
                                    struct boltz_arena *arena) {
  const int rungs = explore->options.rungs;
  const int together = rungs_together(shard, explore->energy->dim, rungs);
  shard->tiles = (rungs + together - 1) / together;
  shard->tile = BOLTZ_NEW_ARRAY(arena, (size_t)shard->tiles, struct boltz_tile);
  if (!shard->tile) return BOLTZ_NO_MEMORY;
  for (int k = 0; k < shard->tiles; k++) {
    const int first = k * together, left = rungs - first;
    BOLTZ_TRY(open_tile(explore, shard, first, left < together ? left : together, arena,
                        &shard->tile[k]));
  }
  return BOLTZ_OK;
}

/* An odd number of cache lines a column: with a power of two, those of a rung in all columns would
 * share a few places of the cache. */
static size_t column_room(size_t lanes) {
  const size_t lines = (lanes + 7) / 8;
  return 8 * (lines + 1 - lines % 2);
}

static enum boltz_status open_shard(const struct boltz_explore *explore, int s,
                                    struct boltz_arena *arena, struct shard *shard) {
  const struct boltz_explore_options *o = &explore->options;
  const struct boltz_energy *energy = explore->energy;
  const size_t shards = (size_t)explore->shards, first = o->walkers * (size_t)s / shards;
  const size_t walkers = o->walkers * (size_t)(s + 1) / shards - first;
  const size_t lanes = walkers * (size_t)o->rungs;
  *shard = (struct shard){
      .first = first,
      .walkers = walkers,
      .temperature = BOLTZ_NEW_ARRAY(arena, (size_t)o->rungs, double),
      .u = BOLTZ_NEW_ARRAY(arena, lanes, double),
      .lower_swapped = BOLTZ_NEW_ARRAY(arena, walkers, double),
      .upper_swapped = BOLTZ_NEW_ARRAY(arena, walkers, double),
  };
  if (!shard->temperature || !shard->u || !shard->lower_swapped || !shard->upper_swapped)
    return BOLTZ_NO_MEMORY;
  for (int k = 0; k < o->rungs; k++)
    shard->temperature[k] =
        energy->temperature * pow(o->hot, o->rungs > 1 ? (double)k / (o->rungs - 1) : 0);
  for (size_t i = 0; i < lanes; i++) shard->u[i] = INFINITY;
  BOLTZ_TRY(boltz_batch_new(arena, column_room(lanes), energy->dim, &shard->x));
  shard->x.n = lanes;
  return open_tiles(explore, shard, arena);
}

enum boltz_status boltz_explore_new(const struct boltz_energy *energy,
                                    const struct boltz_explore_options *options,
                                    struct boltz_arena *arena, struct boltz_explore **out) {
  struct boltz_explore *explore = BOLTZ_NEW(arena, struct boltz_explore);
  if (!explore) return BOLTZ_NO_MEMORY;
  explore->energy = energy;
  explore->options = *options;
  struct boltz_explore_options *o = &explore->options;
  BOLTZ_TRY(fill_options(o, energy->dim));

  size_t rows;
  if (__builtin_mul_overflow(o->walkers, o->steps / o->stride, &rows))
    return boltz_fail(BOLTZ_NO_MEMORY, "%zu walkers keep too many configurations", o->walkers);
  BOLTZ_TRY(boltz_batch_new(arena, rows, energy->dim, &explore->samples));

  explore->parts = boltz_tile_parts(energy);
  explore->shards = o->walkers < BOLTZ_EXPLORE_SHARDS ? (int)o->walkers : BOLTZ_EXPLORE_SHARDS;
  for (int s = 0; s < explore->shards; s++)
    BOLTZ_TRY(open_shard(explore, s, arena, &explore->shard[s]));
  *out = explore;
  return BOLTZ_OK;
}

/* ---- places to start from ---- */

/* The rung nearest to `rung` where the walker has a place, or -1. */
static int nearest_place(const struct shard *shard, int rungs, int rung, size_t walker) {
  for (int away = 0; away < rungs; away++)
    for (int side = -1; side <= 1; side += 2) {
      const int r = rung + side * away;
      if (r >= 0 && r < rungs && isfinite(shard->u[(size_t)r * shard->walkers + walker])) return r;
    }
  return -1;
}

/* Lanes of a tile without a place take that of the nearest rung. */
static void share_places(struct shard *shard, int rungs, struct boltz_tile *tile, int first_rung,
                         struct boltz_arena *scratch) {
  bool any = false;
  for (int r = first_rung; r < first_rung + tile->rungs; r++)
    for (size_t i = 0; i < shard->walkers; i++) {
      const size_t lane = (size_t)r * shard->walkers + i;
      const int from = isfinite(shard->u[lane]) ? -1 : nearest_place(shard, rungs, r, i);
      if (from < 0) continue;
      boltz_batch_copy(&shard->x, lane, &shard->x, (size_t)from * shard->walkers + i, 1);
      any = true;
    }
  if (any) boltz_tile_evaluate(tile, scratch);
}

static size_t walkers_lost(const struct shard *shard, size_t rungs) {
  size_t lost = 0;
  for (size_t i = 0; i < shard->walkers; i++) {
    bool everywhere = true;
    for (size_t r = 0; r < rungs; r++) everywhere &= isfinite(shard->u[r * shard->walkers + i]);
    lost += !everywhere;
  }
  return lost;
}

/* A place more for the lanes of a tile. */
static void start_part(const struct boltz_explore *explore, struct shard *shard,
                       struct boltz_arena *scratch) {
  const int rungs = explore->options.rungs;
  boltz_tile_try(&shard->tile[shard->at_tile], shard->try, scratch);
  shard->at_tile = (shard->at_tile + 1) % shard->tiles;
  if (shard->at_tile > 0) return;
  const uint64_t tries = ++shard->try * (uint64_t)rungs;
  if (tries < TRIES) return;
  for (int k = 0, first = 0; k < shard->tiles; first += shard->tile[k++].rungs)
    share_places(shard, rungs, &shard->tile[k], first, scratch);
  const size_t lost = walkers_lost(shard, (size_t)rungs);
  shard->started = lost == 0;
  if (tries >= TRIES_MAX) shard->lost = lost;
}

/* ---- a sweep ---- */

/* A gain that falls with time (Robbins & Monro 1951) but never so low that a late change goes
 * unseen; 0 when the burn-in is over. */
static double gain_at(const struct boltz_explore_options *options, uint64_t sweep) {
  return sweep < options->burn_in ? fmax(0.1, 1 / sqrt(1 + (double)sweep / 10)) : 0;
}

/* u of rung `from` at the temperature of rung `at`; u = U/T needs no evaluation. */
static void energies_at(const struct boltz_explore *explore, struct shard *shard, int from, int at,
                        double *u, struct boltz_arena *scratch) {
  const size_t n = shard->walkers, first = (size_t)from * n;
  if (!explore->energy->kind->reduced) {
    const double ratio = shard->temperature[from] / shard->temperature[at];
    for (size_t i = 0; i < n; i++) u[i] = shard->u[first + i] * ratio;
    return;
  }
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  struct boltz_batch view;
  for (size_t i = 0; i < n; i++) u[i] = NAN;
  if (boltz_batch_view(scratch, &shard->x, first, n, &view) == BOLTZ_OK)
    boltz_energy_eval(explore->energy, shard->temperature[at], &view, u, NULL, scratch);
  shard->exchange_calls += n;
  boltz_arena_release(scratch, mark);
}

static void swap_lanes(struct boltz_batch *x, size_t a, size_t b) {
  for (int j = 0; j < x->dim; j++) {
    const double moved = x->col[j][a];
    x->col[j][a] = x->col[j][b];
    x->col[j][b] = moved;
  }
}

/* Exchange rungs k and k+1 of every ladder with probability
 * min(1, exp[u_a(x_a) + u_b(x_b) - u_a(x_b) - u_b(x_a)]). */
static void exchange(const struct boltz_explore *explore, struct shard *shard, int k,
                     const double *uniform, struct boltz_arena *scratch) {
  const double *ua = shard->lower_swapped, *ub = shard->upper_swapped;
  energies_at(explore, shard, k + 1, k, shard->lower_swapped, scratch);
  energies_at(explore, shard, k, k + 1, shard->upper_swapped, scratch);
  for (size_t i = 0; i < shard->walkers; i++) {
    const size_t a = (size_t)k * shard->walkers + i, b = a + shard->walkers;
    const double fall = shard->u[a] + shard->u[b] - ua[i] - ub[i];
    if (!(isfinite(ua[i]) && isfinite(ub[i]))) continue;
    if (!(fall >= 0 || log(uniform[a]) < fall)) continue;
    swap_lanes(&shard->x, a, b);
    shard->u[a] = ua[i];
    shard->u[b] = ub[i];
  }
}

/* Every other pair of neighbours. */
static void exchange_all(const struct boltz_explore *explore, struct shard *shard,
                         struct boltz_arena *scratch) {
  const struct boltz_explore_options *o = &explore->options;
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  struct boltz_batch uniform;
  if (boltz_batch_new(scratch, shard->x.n, 1, &uniform) == BOLTZ_OK) {
    const uint64_t first = (shard->sweep * o->walkers + shard->first) * (uint64_t)o->rungs;
    boltz_rng_uniforms(o->seed, BOLTZ_STREAM_EXCHANGE, first, &uniform);
    for (int k = (int)(shard->sweep % 2); k + 1 < o->rungs; k += 2)
      exchange(explore, shard, k, uniform.col[0], scratch);
  }
  boltz_arena_release(scratch, mark);
}

/* Sample k of walker i goes to row k * walkers + i. */
static void keep(struct boltz_explore *explore, struct shard *shard) {
  const size_t row = (size_t)shard->kept * explore->options.walkers + shard->first;
  boltz_batch_copy(&explore->samples, row, &shard->x, 0, shard->walkers);
  shard->kept++;
}

/* A part of a tile's sweep; after the last of all tiles, what ends a sweep. */
static void sweep_part(struct boltz_explore *explore, struct shard *shard,
                       struct boltz_arena *scratch) {
  const struct boltz_explore_options *o = &explore->options;
  boltz_tile_move(&shard->tile[shard->at_tile], shard->sweep, shard->at_part,
                  gain_at(o, shard->sweep), scratch);
  shard->at_part = (shard->at_part + 1) % explore->parts;
  if (shard->at_part > 0) return;
  shard->at_tile = (shard->at_tile + 1) % shard->tiles;
  if (shard->at_tile > 0) return;

  exchange_all(explore, shard, scratch);
  const uint64_t done = ++shard->sweep;
  if (done > o->burn_in && (done - o->burn_in) % o->stride == 0) keep(explore, shard);
}

/* ---- for everybody ---- */

int boltz_explore_shards(const struct boltz_explore *explore) {
  return explore->shards;
}

static bool goes_on(const struct boltz_explore *explore, const struct shard *shard) {
  return shard->sweep < explore->options.burn_in + explore->options.steps && shard->lost == 0 &&
         !shard->exhausted;
}

bool boltz_explore_step(struct boltz_explore *explore, int s, struct boltz_arena *scratch) {
  struct shard *shard = &explore->shard[s];
  if (!goes_on(explore, shard)) return false;
  boltz_arena_exhausted(scratch); /* what others asked of it */
  if (shard->started)
    sweep_part(explore, shard, scratch);
  else
    start_part(explore, shard, scratch);
  shard->exhausted = boltz_arena_exhausted(scratch);
  return goes_on(explore, shard);
}

enum boltz_status boltz_explore_status(const struct boltz_explore *explore) {
  size_t lost = 0;
  for (int s = 0; s < explore->shards; s++) {
    lost += explore->shard[s].lost;
    if (explore->shard[s].exhausted)
      return boltz_fail(BOLTZ_NO_MEMORY, "no memory to move %zu walkers in %d coordinates",
                        explore->options.walkers, explore->energy->dim);
  }
  if (lost == 0) return BOLTZ_OK;
  return boltz_fail(BOLTZ_OUT_OF_RANGE,
                    "%zu of %zu walkers found no configuration of finite energy in %d tries each",
                    lost, explore->options.walkers, TRIES_MAX);
}

const struct boltz_batch *boltz_explore_samples(const struct boltz_explore *explore) {
  return &explore->samples;
}

uint64_t boltz_explore_energy_calls(const struct boltz_explore *explore) {
  uint64_t calls = 0;
  for (int s = 0; s < explore->shards; s++) {
    const struct shard *shard = &explore->shard[s];
    calls += shard->exchange_calls;
    for (int k = 0; k < shard->tiles; k++) calls += shard->tile[k].energy_calls;
  }
  return calls;
}
