/* chain.h - many walkers under one move: Metropolis chains, and replica exchange to explore. */
#ifndef BOLTZ_CHAIN_H
#define BOLTZ_CHAIN_H

#include "boltz/move.h"

/** Walkers that step together. x and u are the present state; the rest counts. What a walker does
 * depends on its number alone: chains that share many walkers do what one with all of them does. */
struct boltz_chain {
  const struct boltz_energy *energy;
  double temperature;
  const struct boltz_move_kind *move;
  const void *move_settings;
  uint64_t seed;
  size_t first, all;    /* its walkers are first, first + 1, … out of so many; new: all */
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

/** The same in parts: try number 0, 1, … while it returns true; and what that came to for n chains
 * that share the walkers. */
bool boltz_chain_try(struct boltz_chain *chain, uint64_t try, struct boltz_arena *scratch);
enum boltz_status boltz_chain_started(const struct boltz_chain *chains, size_t n);

/** One step of every walker: propose, evaluate, accept with min(1, exp(u − u′) g(x|y)/g(y|x)). */
void boltz_chain_step(struct boltz_chain *chain, struct boltz_arena *scratch);

/**
 * Replica exchange: `walkers` ladders of `rungs` temperatures from the energy's own up to `hot`
 * times it, geometric; random-walk steps tuned per rung and coordinate while burning in. It needs
 * nothing but the energy, so it finds wells that barriers hide from a plain chain. The ladders are
 * cut into shards, as many on every machine, that know nothing of each other.
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

/** Walkers without a place yet. Errors: OUT_OF_RANGE (options), NO_MEMORY. */
enum boltz_status boltz_explore_new(const struct boltz_energy *energy,
                                    const struct boltz_explore_options *options,
                                    struct boltz_arena *arena, struct boltz_explore **explore);

#define BOLTZ_EXPLORE_SHARDS 8 /* at most: no more than walkers */
int boltz_explore_shards(const struct boltz_explore *explore);

/**
 * The next part of a shard's work: a place to start from, or a part of a sweep, of some rungs: a
 * few milliseconds at most, but for large energies. True while there is more to come.
 * Threads: one a shard at a time; different shards side by side.
 */
bool boltz_explore_step(struct boltz_explore *explore, int shard, struct boltz_arena *scratch);

/** When no shard has more to do. Errors: OUT_OF_RANGE when a walker found no configuration of
 * finite energy, naming the tries; NO_MEMORY when scratch was exhausted. */
enum boltz_status boltz_explore_status(const struct boltz_explore *explore);

/** The kept configurations at the energy's temperature, [walkers·steps/stride, dim], in the order
 * of time, then walker, once no shard has more to do; and the number of configurations evaluated,
 * of which a sweep over the sites counts as one of each. */
const struct boltz_batch *boltz_explore_samples(const struct boltz_explore *explore);
uint64_t boltz_explore_energy_calls(const struct boltz_explore *explore);

#endif
