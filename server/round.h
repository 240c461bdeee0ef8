/* round.h - pieces of work that run side by side, and what comes after the last of them. */
#ifndef SERVER_ROUND_H
#define SERVER_ROUND_H

#include <stdatomic.h>

#include "server/pool.h"

#define ROUND_MOST 16

struct round;

/** One slice of piece `index`; true while the piece has more. */
typedef bool (*round_piece)(struct round *round, int index, struct worker *worker);

/** Called once, by the worker that finished the last piece. It may start the next round, or end the
 * work altogether: the round is not touched after it. */
typedef void (*round_after)(struct round *round, struct worker *worker);

/** Embed it as the first member of what the work needs. Reused for one round after another. */
struct round {
  struct pool *pool;
  enum pool_class class_;
  round_piece piece;
  round_after after;
  atomic_int left;
  struct round_task {
    struct task task;
    struct round *round;
    int index;
  } tasks[ROUND_MOST];
};

/** Put 1 … ROUND_MOST pieces on the pool. */
void round_start(struct round *round, int pieces, round_piece piece, round_after after);

#endif
