/* round.c - pieces of work that run side by side, and what comes after the last of them. */
#include "server/round.h"

#include <assert.h>

static enum task_next run_piece(struct task *task, struct worker *worker) {
  struct round_task *mine = (struct round_task *)task;
  struct round *round = mine->round;
  if (round->piece(round, mine->index, worker)) return TASK_AGAIN;
  if (atomic_fetch_sub(&round->left, 1) == 1) round->after(round, worker);
  return TASK_DONE;
}

void round_start(struct round *round, int pieces, round_piece piece, round_after after) {
  assert(pieces >= 1 && pieces <= ROUND_MOST);
  round->piece = piece;
  round->after = after;
  atomic_store(&round->left, pieces);
  for (int i = 0; i < pieces; i++) {
    round->tasks[i] = (struct round_task){.task = {.run = run_piece}, .round = round, .index = i};
    pool_submit(round->pool, round->class_, &round->tasks[i].task);
  }
}
