/* chain.h - many walkers under one move: Metropolis chains, and replica exchange to explore. */
#ifndef BOLTZ_CHAIN_H
#define BOLTZ_CHAIN_H

#include "boltz/move.h"

/** Walkers that step together. x and u are the present state; the rest counts. */
struct boltz_chain {
  const struct boltz_energy *energy;
  double temperature;
  const struct boltz_move_kind *move;
  const void *move_settings;
  uint64_t seed;
  struct boltz_batch x; /* [walkers, dim] */
  double *u;            /* [walkers] */
  struct boltz_batch y; /* proposals */
  double *u_new, *log_ratio;
  uint64_t step;         /* steps made; with seed and walker it indexes the random numbers */
  uint64_t accepted;     /* proposals accepted, all walkers */
  uint64_t energy_calls; /* configurations evaluated */
};

/** Walkers without a place yet. Errors: NO_MEMORY. */
enum boltz_status boltz_chain_new(const struct boltz_energy *energy, double temperature,
                                  const struct boltz_move_kind *move, const void *move_settings,
                                  uint64_t seed, size_t walkers, struct boltz_arena *arena,
                                  struct boltz_chain *chain);

/**
 * Put every walker somewhere of finite energy: an interval or periodic coordinate uniformly in its
 * domain, a real one normal with a spread of 0.5 … 8 that differs between walkers; the best of
 * several tries. Errors: OUT_OF_RANGE when a walker finds no finite energy, naming the tries.
 */
enum boltz_status boltz_chain_start(struct boltz_chain *chain, struct boltz_arena *scratch);

/** One step of every walker: propose, evaluate, accept with min(1, exp(u − u′) g(x|y)/g(y|x)). */
void boltz_chain_step(struct boltz_chain *chain, struct boltz_arena *scratch);

/**
 * Replica exchange: `walkers` ladders of `rungs` temperatures from the energy's own up to `hot`
 * times it, geometric; random-walk steps tuned per rung and coordinate while burning in. One call
 * of boltz_explore_step() is a part of a sweep. It needs nothing but the energy, so it finds wells
 * that barriers hide from a plain chain.
 * Source: Swendsen & Wang 1986; Hukushima & Nemoto 1996.
 */
struct boltz_explore;
struct boltz_explore_options {
  uint64_t seed;
  size_t walkers;                  /* ladders; 64 by default */
  int rungs;                       /* 0: chosen from dim */
  double hot;                      /* highest temperature over the energy's own; 0: 32 */
  uint64_t burn_in, steps, stride; /* sweeps; every stride-th after burn-in is kept */
};
/** How many temperatures the options come to in `dim` coordinates. */
int boltz_explore_rungs(int dim, const struct boltz_explore_options *options);

enum boltz_status boltz_explore_new(const struct boltz_energy *energy,
                                    const struct boltz_explore_options *options,
                                    struct boltz_arena *arena, struct boltz_explore **explore);
/** The next part of a sweep, which is one temperature's or, where single sites move, of some of its
 * sites: a few milliseconds. True while there are more to come. */
bool boltz_explore_step(struct boltz_explore *explore, struct boltz_arena *scratch);
/** The kept configurations at the energy's temperature, [walkers·steps/stride, dim], and the number
 * of configurations evaluated so far; a sweep over the sites counts as one of each. */
const struct boltz_batch *boltz_explore_samples(const struct boltz_explore *explore);
uint64_t boltz_explore_energy_calls(const struct boltz_explore *explore);

#endif
