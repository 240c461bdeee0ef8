/* chain.c - Metropolis chains: many walkers that step together under one move. */
#include "boltz/chain.h"

#include <math.h>

#include "core/scatter.h"

#define TRIES 32       /* places looked at by every walker before the best is taken */
#define TRIES_MAX 1024 /* before one that found none gives up */

enum boltz_status boltz_chain_new(const struct boltz_energy *energy, double temperature,
                                  const struct boltz_move_kind *move, const void *move_settings,
                                  uint64_t seed, size_t walkers, struct boltz_arena *arena,
                                  struct boltz_chain *chain) {
  *chain = (struct boltz_chain){
      .energy = energy,
      .temperature = temperature,
      .move = move,
      .move_settings = move_settings,
      .seed = seed,
      .all = walkers,
      .u = BOLTZ_NEW_ARRAY(arena, walkers, double),
      .u_new = BOLTZ_NEW_ARRAY(arena, walkers, double),
      .log_ratio = BOLTZ_NEW_ARRAY(arena, walkers, double),
  };
  if (!chain->u || !chain->u_new || !chain->log_ratio) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(boltz_batch_new(arena, walkers, energy->dim, &chain->x));
  BOLTZ_TRY(boltz_batch_new(arena, walkers, energy->dim, &chain->y));
  for (size_t i = 0; i < walkers; i++) chain->u[i] = INFINITY;
  return BOLTZ_OK;
}

static void evaluate(struct boltz_chain *chain, struct boltz_arena *scratch) {
  boltz_energy_eval(chain->energy, chain->temperature, &chain->y, chain->u_new, NULL, scratch);
  chain->energy_calls += chain->x.n;
}

/* Take y where log_ratio is 1, keep x where it is 0. */
static void take_marked(struct boltz_chain *chain) {
  const double *taken = chain->log_ratio;
  for (int j = 0; j < chain->x.dim; j++) {
    double *x = chain->x.col[j];
    const double *y = chain->y.col[j];
    for (size_t i = 0; i < chain->x.n; i++) x[i] = taken[i] != 0 ? y[i] : x[i];
  }
  for (size_t i = 0; i < chain->x.n; i++)
    chain->u[i] = taken[i] != 0 ? chain->u_new[i] : chain->u[i];
}

bool boltz_chain_try(struct boltz_chain *chain, uint64_t try, struct boltz_arena *scratch) {
  const struct boltz_walkers walkers = {chain->first, chain->all};
  boltz_scatter(chain->energy, chain->seed, try * chain->all + chain->first, walkers, &chain->y);
  boltz_energy_wrap(chain->energy, &chain->y);
  evaluate(chain, scratch);
  size_t lost = 0;
  for (size_t i = 0; i < chain->x.n; i++) {
    const bool better = isfinite(chain->u_new[i]) && chain->u_new[i] < chain->u[i];
    chain->log_ratio[i] = better;
    lost += !better && !isfinite(chain->u[i]);
  }
  take_marked(chain);
  return try + 1 < TRIES || (lost > 0 && try + 1 < TRIES_MAX);
}

enum boltz_status boltz_chain_started(const struct boltz_chain *chains, size_t n) {
  size_t lost = 0;
  for (size_t k = 0; k < n; k++)
    for (size_t i = 0; i < chains[k].x.n; i++) lost += !isfinite(chains[k].u[i]);
  if (lost == 0) return BOLTZ_OK;
  return boltz_fail(BOLTZ_OUT_OF_RANGE,
                    "%zu of %zu walkers found no configuration of finite energy in %d tries each",
                    lost, chains[0].all, TRIES_MAX);
}

enum boltz_status boltz_chain_start(struct boltz_chain *chain, struct boltz_arena *scratch) {
  for (uint64_t try = 0; boltz_chain_try(chain, try, scratch); try++) continue;
  return boltz_chain_started(chain, 1);
}

void boltz_chain_step(struct boltz_chain *chain, struct boltz_arena *scratch) {
  size_t walkers = chain->x.n;
  uint64_t first = chain->step * chain->all + chain->first;
  struct boltz_mark mark = boltz_arena_mark(scratch);

  chain->move->propose(chain->move_settings, chain->energy, chain->temperature, chain->seed, first,
                       &chain->x, chain->u, &chain->y, chain->log_ratio, scratch);
  boltz_energy_wrap(chain->energy, &chain->y);
  evaluate(chain, scratch);

  /* Only a finite u' is taken: NaN, and an infinity of either sign, would trap the walker. */
  uint64_t accepted = 0;
  for (size_t i = 0; i < walkers; i++) {
    double pair[2];
    boltz_rng_uniform(chain->seed, BOLTZ_STREAM_ACCEPT, first + i, 0, pair);
    bool accept = isfinite(chain->u_new[i]) &&
                  log(pair[0]) < chain->u[i] - chain->u_new[i] + chain->log_ratio[i];
    chain->log_ratio[i] = accept;
    accepted += accept;
  }
  take_marked(chain);
  chain->accepted += accepted;
  chain->step++;
  boltz_arena_release(scratch, mark);
}
