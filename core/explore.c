/* explore.c - replica exchange: ladders of temperatures that carry walkers over barriers.
 *
 * A rung is a chain of its own, with a private move whose steps are tuned while burning in and
 * then left alone, so that every kept configuration comes from a chain that keeps its target.
 * A sweep is, on every rung, one step in all coordinates and one in a single coordinate, and then
 * an exchange of neighbours, of even and of odd pairs in turn. Where the energy knows the
 * difference that one site makes, every site moves once a sweep instead of the single coordinate:
 * it costs as much as a few energies, on lattices as dozens, and is done in parts. */
#include <math.h>
#include <string.h>

#include "boltz/chain.h"

#define RUNGS_MAX 64
#define HOT 32 /* temperatures span this much when nothing else is asked for */
#define HOT_MAX 1e6
#define WALKERS 64
#define WALKERS_MAX (1u << 20)
#define SWEEPS_MAX (UINT64_C(1) << 48)
#define ACCEPTANCE 0.4    /* between the optima of one and of many coordinates, 0.44 and 0.23 */
#define WIDTH_LEAST 1e-12 /* a step narrower or wider than these is no step */
#define WIDTH_MOST 1e12
#define PART 4e6 /* coordinates that the sites of one part look at: a few milliseconds */

/* What the private move needs to know: it moves one coordinate, or all of them when there is none
 * of that number. */
struct walk {
  double *width;  /* [dim] standard deviation of a single coordinate's step */
  double all;     /* factor of the widths when all coordinates move */
  int coordinate; /* the one that moves, or -1 */
};

struct rung {
  struct boltz_chain chain;
  struct walk walk;
};

struct boltz_explore {
  const struct boltz_energy *energy;
  struct boltz_explore_options options; /* with every default filled in */
  struct rung *rung;                    /* [rungs], the coldest first */
  double *lower_swapped;                /* [walkers] u of the upper rung's x at the lower's T */
  double *upper_swapped;                /* [walkers] and the other way round */
  uint64_t sweep;
  int at_rung;             /* whose turn it is, */
  int at_site;             /* its next site; 0: it has not moved yet */
  uint64_t exchange_calls; /* configurations evaluated for exchanges */
  uint64_t kept;
  struct boltz_batch samples; /* n grows as they are kept */
};

static void walk_propose(const void *settings, const struct boltz_energy *energy,
                         double temperature, uint64_t seed, uint64_t first,
                         const struct boltz_batch *x, const double *u, struct boltz_batch *y,
                         double *log_ratio, struct boltz_arena *scratch) {
  const struct walk *walk = settings;
  int c = walk->coordinate;
  (void)energy, (void)temperature, (void)u, (void)scratch;
  for (size_t i = 0; i < x->n; i++) log_ratio[i] = 0;

  if (c < 0) {
    boltz_rng_normals(seed, BOLTZ_STREAM_PROPOSE, first, y);
    for (int j = 0; j < x->dim; j++) {
      double width = walk->all * walk->width[j];
      for (size_t i = 0; i < x->n; i++) y->col[j][i] = x->col[j][i] + width * y->col[j][i];
    }
    return;
  }
  boltz_batch_copy(y, 0, x, 0, x->n);
  for (size_t i = 0; i < x->n; i++) {
    double pair[2];
    boltz_rng_normal(seed, BOLTZ_STREAM_PROPOSE, first + i, 0, pair);
    y->col[c][i] += walk->width[c] * pair[0];
  }
}

static const struct boltz_move_kind walk_move = {
    .name = "walk",
    .doc = "random walk with a width for each coordinate",
    .source = "Metropolis et al., J. Chem. Phys. 21, 1087 (1953)",
    .settings_size = sizeof(struct walk),
    .propose = walk_propose,
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

static enum boltz_status open_rung(struct boltz_explore *explore, int k, struct boltz_arena *arena,
                                   struct rung *rung) {
  const struct boltz_energy *energy = explore->energy;
  const struct boltz_explore_options *o = &explore->options;
  double rise = o->rungs > 1 ? (double)k / (o->rungs - 1) : 0;

  /* Every rung has its own random numbers, by a seed of its own: exchanges never reach an index
     so high. */
  uint32_t bits[4];
  boltz_rng_bits(o->seed, BOLTZ_STREAM_EXCHANGE, UINT64_MAX - (uint64_t)k, 0, bits);
  uint64_t seed = (uint64_t)bits[0] << 32 | bits[1];

  rung->walk = (struct walk){
      .width = BOLTZ_NEW_ARRAY(arena, (size_t)energy->dim, double),
      .all = 1 / sqrt(energy->dim),
      .coordinate = -1,
  };
  if (!rung->walk.width) return BOLTZ_NO_MEMORY;
  for (int j = 0; j < energy->dim; j++)
    rung->walk.width[j] = fmin(1, 0.3 * width_limit(&energy->domain[j]));

  BOLTZ_TRY(boltz_chain_new(energy, energy->temperature * pow(o->hot, rise), &walk_move,
                            &rung->walk, seed, o->walkers, arena, &rung->chain));
  struct boltz_mark mark = boltz_arena_mark(arena);
  enum boltz_status status = boltz_chain_start(&rung->chain, arena);
  boltz_arena_release(arena, mark);
  return status;
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
  explore->samples.n = 0;

  explore->rung = BOLTZ_NEW_ARRAY(arena, (size_t)o->rungs, struct rung);
  explore->lower_swapped = BOLTZ_NEW_ARRAY(arena, o->walkers, double);
  explore->upper_swapped = BOLTZ_NEW_ARRAY(arena, o->walkers, double);
  if (!explore->rung || !explore->lower_swapped || !explore->upper_swapped) return BOLTZ_NO_MEMORY;
  for (int k = 0; k < o->rungs; k++) BOLTZ_TRY(open_rung(explore, k, arena, &explore->rung[k]));
  *out = explore;
  return BOLTZ_OK;
}

/* A gain that falls with time (Robbins & Monro 1951) but never so low that a late change goes
 * unseen. */
static double gain_at(uint64_t sweep) {
  return fmax(0.1, 1 / sqrt(1 + (double)sweep / 10));
}

/* Fraction of the last step's proposals that were accepted, less what is wanted. */
static double correction(const struct boltz_chain *chain, uint64_t accepted_before,
                         uint64_t sweep) {
  double accepted = (double)(chain->accepted - accepted_before) / (double)chain->x.n;
  return gain_at(sweep) * (accepted - ACCEPTANCE);
}

static void tune_width(const struct boltz_energy *energy, struct walk *walk, int j, double change) {
  double limit = width_limit(&energy->domain[j]);
  walk->width[j] = fmin(limit, fmax(WIDTH_LEAST * fmin(1, limit), walk->width[j] * exp(change)));
}

/* One coordinate's acceptance says most about its own width and a little about all others'. */
static void tune_widths(const struct boltz_energy *energy, struct walk *walk, double change) {
  for (int j = 0; j < energy->dim; j++)
    tune_width(energy, walk, j, j == walk->coordinate ? change : 0.3 * change);
}

/* ---- Sites that move alone ---- */

/* Sums of differences are replaced by the energy itself every so many sweeps. */
#define REFRESH 16

/* A step of one coordinate of all walkers into `to`; those that leave the domain are marked. */
static void propose_coordinate(const struct boltz_chain *chain, double width, int j, uint64_t first,
                               double *to, bool *outside) {
  const struct boltz_domain *domain = &chain->energy->domain[j];
  const double *x = chain->x.col[j], period = domain->high - domain->low;
  for (size_t i = 0; i < chain->x.n; i++) {
    double pair[2];
    /* blocks past those that a step in all coordinates takes */
    boltz_rng_normal(chain->seed, BOLTZ_STREAM_PROPOSE, first + i,
                     (uint32_t)(chain->energy->dim + j), pair);
    to[i] = x[i] + width * pair[0];
    if (domain->type == BOLTZ_PERIODIC) {
      to[i] -= period * floor((to[i] - domain->low) / period);
      outside[i] |= !(to[i] >= domain->low && to[i] < domain->high);
    } else if (domain->type == BOLTZ_INTERVAL) {
      outside[i] |= !(to[i] > domain->low && to[i] < domain->high);
    }
  }
}

/* One site of every walker; how many accept. */
static size_t step_site(struct rung *rung, int site, int width, uint64_t first,
                        struct boltz_batch *moved, double *du, bool *outside,
                        struct boltz_arena *scratch) {
  struct boltz_chain *chain = &rung->chain;
  const struct boltz_energy *energy = chain->energy;
  size_t accepted = 0;
  memset(outside, 0, chain->x.n * sizeof *outside);
  for (int k = 0; k < width; k++) {
    const int j = site * width + k;
    propose_coordinate(chain, rung->walk.width[j], j, first, moved->col[k], outside);
  }
  energy->kind->difference(energy->settings, chain->temperature, &chain->x, site, moved, du,
                           scratch);
  for (size_t i = 0; i < chain->x.n; i++) {
    double pair[2];
    boltz_rng_uniform(chain->seed, BOLTZ_STREAM_ACCEPT, first + i, 1 + (uint32_t)site, pair);
    if (outside[i] || !(isfinite(du[i]) && log(pair[0]) < -du[i])) continue;
    for (int k = 0; k < width; k++) chain->x.col[site * width + k][i] = moved->col[k][i];
    chain->u[i] += du[i];
    accepted++;
  }
  return accepted;
}

/* Sites that move in one part of a sweep: a difference looks at no more than all coordinates. */
static int sites_at_once(const struct boltz_chain *chain) {
  const double cost = (double)chain->x.n * chain->x.dim;
  return cost < PART ? (int)fmin(PART / cost, chain->x.dim) : 1;
}

/* The next sites of every walker; true when all have moved. Without room for it none does. */
static bool step_sites(struct boltz_explore *explore, struct rung *rung, bool tuning,
                       struct boltz_arena *scratch) {
  struct boltz_chain *chain = &rung->chain;
  const struct boltz_energy *energy = explore->energy;
  const int width = energy->kind->site_width(energy->settings), sites = energy->dim / width;
  const int left = sites - explore->at_site, most = sites_at_once(chain);
  const int end = explore->at_site + (left < most ? left : most);
  const size_t n = chain->x.n;
  const uint64_t first = chain->step * n;
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  struct boltz_batch moved;
  double *du = boltz_arena_scratch(scratch, n, sizeof *du);
  bool *outside = boltz_arena_scratch(scratch, n, sizeof *outside);
  const bool room = du && outside && boltz_batch_new(scratch, n, width, &moved) == BOLTZ_OK;
  for (int site = explore->at_site; room && site < end; site++) {
    const size_t accepted = step_site(rung, site, width, first, &moved, du, outside, scratch);
    const double change = gain_at(explore->sweep) * ((double)accepted / (double)n - ACCEPTANCE);
    for (int k = 0; tuning && k < width; k++)
      tune_width(energy, &rung->walk, site * width + k, change);
  }
  boltz_arena_release(scratch, mark);
  explore->at_site = end;
  return end == sites;
}

/* All sites have moved. */
static void end_sites(struct boltz_explore *explore, struct boltz_chain *chain,
                      struct boltz_arena *scratch) {
  explore->at_site = 0;
  chain->energy_calls += chain->x.n;
  chain->step++;
  if (explore->sweep % REFRESH != 0) return;
  boltz_energy_eval(explore->energy, chain->temperature, &chain->x, chain->u, NULL, scratch);
  chain->energy_calls += chain->x.n;
}

/* ---- A sweep ---- */

static void step_all(const struct boltz_explore *explore, struct rung *rung, bool tuning,
                     struct boltz_arena *scratch) {
  struct walk *walk = &rung->walk;
  const uint64_t before = rung->chain.accepted;
  walk->coordinate = -1;
  boltz_chain_step(&rung->chain, scratch);
  if (tuning)
    walk->all =
        fmin(1e3, fmax(1e-9, walk->all * exp(correction(&rung->chain, before, explore->sweep))));
}

static void step_one(const struct boltz_explore *explore, struct rung *rung, bool tuning,
                     struct boltz_arena *scratch) {
  struct walk *walk = &rung->walk;
  const uint64_t before = rung->chain.accepted;
  walk->coordinate = (int)(explore->sweep % (uint64_t)explore->energy->dim);
  boltz_chain_step(&rung->chain, scratch);
  if (tuning) tune_widths(explore->energy, walk, correction(&rung->chain, before, explore->sweep));
}

/* A part of a rung's sweep; true when it was the last. */
static bool step_rung(struct boltz_explore *explore, struct rung *rung,
                      struct boltz_arena *scratch) {
  const bool tuning = explore->sweep < explore->options.burn_in;
  if (explore->at_site == 0) step_all(explore, rung, tuning, scratch);
  if (!explore->energy->kind->difference) {
    step_one(explore, rung, tuning, scratch);
    return true;
  }
  if (!step_sites(explore, rung, tuning, scratch)) return false;
  end_sites(explore, &rung->chain, scratch);
  return true;
}

/* u of `from`'s configurations at the temperature of `at`; u = U/T needs no evaluation. */
static void energies_at(struct boltz_explore *explore, const struct boltz_chain *from,
                        const struct boltz_chain *at, double *u, struct boltz_arena *scratch) {
  if (explore->energy->kind->reduced) {
    boltz_energy_eval(explore->energy, at->temperature, &from->x, u, NULL, scratch);
    explore->exchange_calls += from->x.n;
    return;
  }
  double ratio = from->temperature / at->temperature;
  for (size_t i = 0; i < from->x.n; i++) u[i] = from->u[i] * ratio;
}

static void swap_walkers(struct boltz_chain *a, struct boltz_chain *b, size_t i) {
  for (int j = 0; j < a->x.dim; j++) {
    double x = a->x.col[j][i];
    a->x.col[j][i] = b->x.col[j][i];
    b->x.col[j][i] = x;
  }
}

/* Exchange rungs k and k+1 of every ladder with probability
 * min(1, exp[u_a(x_a) + u_b(x_b) - u_a(x_b) - u_b(x_a)]). */
static void exchange(struct boltz_explore *explore, int k, struct boltz_arena *scratch) {
  struct boltz_chain *a = &explore->rung[k].chain, *b = &explore->rung[k + 1].chain;
  double *ua = explore->lower_swapped, *ub = explore->upper_swapped;
  size_t walkers = explore->options.walkers;
  uint64_t first = (explore->sweep * (uint64_t)explore->options.rungs + (uint64_t)k) * walkers;
  energies_at(explore, b, a, ua, scratch);
  energies_at(explore, a, b, ub, scratch);
  for (size_t i = 0; i < walkers; i++) {
    double pair[2];
    boltz_rng_uniform(explore->options.seed, BOLTZ_STREAM_EXCHANGE, first + i, 0, pair);
    if (!(isfinite(ua[i]) && isfinite(ub[i]))) continue;
    if (!(log(pair[0]) < a->u[i] + b->u[i] - ua[i] - ub[i])) continue;
    swap_walkers(a, b, i);
    a->u[i] = ua[i];
    b->u[i] = ub[i];
  }
}

/* Sample k of walker i goes to row k * walkers + i. */
static void keep(struct boltz_explore *explore) {
  size_t walkers = explore->options.walkers;
  size_t row = (size_t)explore->kept * walkers;
  explore->samples.n = row + walkers;
  boltz_batch_copy(&explore->samples, row, &explore->rung[0].chain.x, 0, walkers);
  explore->kept++;
}

bool boltz_explore_step(struct boltz_explore *explore, struct boltz_arena *scratch) {
  const struct boltz_explore_options *o = &explore->options;
  const int k = explore->at_rung;
  uint64_t end = o->burn_in + o->steps;
  if (explore->sweep >= end) return false;

  if (!step_rung(explore, &explore->rung[k], scratch)) return true;
  if (k > 0 && (uint64_t)(k - 1) % 2 == explore->sweep % 2) exchange(explore, k - 1, scratch);
  explore->at_rung = (k + 1) % o->rungs;
  if (explore->at_rung > 0) return true;

  explore->sweep++;
  if (explore->sweep > o->burn_in && (explore->sweep - o->burn_in) % o->stride == 0) keep(explore);
  return explore->sweep < end;
}

const struct boltz_batch *boltz_explore_samples(const struct boltz_explore *explore) {
  return &explore->samples;
}

uint64_t boltz_explore_energy_calls(const struct boltz_explore *explore) {
  uint64_t calls = explore->exchange_calls;
  for (int k = 0; k < explore->options.rungs; k++) calls += explore->rung[k].chain.energy_calls;
  return calls;
}
