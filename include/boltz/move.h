/* move.h - one Monte Carlo move: how a chain proposes. */
#ifndef BOLTZ_MOVE_H
#define BOLTZ_MOVE_H

#include "boltz/energy.h"
#include "boltz/rng.h"

/** A kind of move: the constant table at the end of its file. */
struct boltz_move_kind {
  const char *name;
  const char *doc;
  const char *source;
  const struct boltz_field *fields;
  size_t settings_size;

  /* Propose y [n, dim] from x [n, dim] (walker i uses the random numbers of (seed,
     BOLTZ_STREAM_PROPOSE, first + i) only) and write log of g(x|y)/g(y|x) to log_ratio [n], g the
     proposal density. `temperature` is the chain's, u [n] the energies at x. */
  void (*propose)(const void *settings, const struct boltz_energy *energy, double temperature,
                  uint64_t seed, uint64_t first, const struct boltz_batch *x, const double *u,
                  struct boltz_batch *y, double *log_ratio, struct boltz_arena *scratch);
};

const struct boltz_move_kind *boltz_move_kind_at(int index);
const struct boltz_move_kind *boltz_move_kind_find(const char *name);

#endif
