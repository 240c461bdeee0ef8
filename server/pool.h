/* pool.h - worker threads that take interactive slices first. */
#ifndef SERVER_POOL_H
#define SERVER_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "boltz/arena.h"

enum pool_class { POOL_INTERACTIVE, POOL_BACKGROUND };

/** What a slice of work says when it returns. */
enum task_next {
  TASK_DONE, /* the pool forgets the task; run() may have freed it */
  TASK_AGAIN /* there is more: put it at the end of its queue */
};

/** A worker as a task sees it. */
struct worker {
  int index;
  struct boltz_arena *scratch; /* released by the pool after each slice */
};

/**
 * A task is a sequence of short slices (at most a few milliseconds each); slices of one task never
 * run at once. Embed it as the first member of what the work needs.
 */
struct task {
  enum task_next (*run)(struct task *task, struct worker *worker);
  struct task *next; /* the pool's */
  enum pool_class class_;
};

struct pool;

/** `scratch_limit`: bytes of scratch a worker may hold. NULL when threads or memory are refused. */
struct pool *pool_open(int workers, double background_share, size_t scratch_limit);

/** Refuse nothing, run no new slice of background tasks, wait for the slice at hand, join. Tasks
 * that still wait are dropped: callers drain before they close. NULL is harmless. */
void pool_close(struct pool *pool);

/** Put a task on its queue. Never blocks. Threads: any, workers included. */
void pool_submit(struct pool *pool, enum pool_class class_, struct task *task);

int pool_workers(const struct pool *pool);

/** Workers that sleep, less the tasks that will wake them. */
int pool_idle(struct pool *pool);

/** Tasks that wait in a queue now (not those running). */
size_t pool_waiting(struct pool *pool, enum pool_class class_);

/** Slices run so far, per class, for the metrics. */
unsigned long long pool_slices(struct pool *pool, enum pool_class class_);

#endif
