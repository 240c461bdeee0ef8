/* gather.c - small pieces of work that wait together and are done together.
 *
 * A drain is a task that takes what waits: the first piece, and all of its kind that fit beside it
 * into one slice. Waking a worker costs more than a piece of little work, so a second drain is
 * called only when there is enough for two. */
#include "server/gather.h"

#include <pthread.h>
#include <stdlib.h>

#define SLICE 512 /* the cost of a slice that is full, whatever its kind */
#define ENOUGH 16 /* cost at work or waiting from which another worker is worth waking */

struct drain {
  struct task task;
  struct gather *gather;
  struct drain *next; /* of those that are idle */
};

struct gather {
  struct pool *pool;
  pthread_mutex_t mutex; /* guards all that follows */
  struct piece *first, **last;
  size_t cost;      /* of what waits or is at work */
  int busy, called; /* drains on the pool; of them, those that have not begun */
  struct drain *idle;
  struct drain drains[];
};

static size_t cost_of(const struct piece *piece) {
  size_t cost = piece->rows * SLICE / piece->most;
  return cost ? cost : 1;
}

/* The first piece and those of its kind that fit, out of the queue; their rows. */
static struct piece *take(struct gather *gather, size_t *rows) {
  struct piece *taken = NULL, **end = &taken;
  struct piece **link = &gather->first;
  *rows = 0;
  while (*link) {
    struct piece *piece = *link;
    bool fits = !taken || (piece->kind == taken->kind && piece->run == taken->run &&
                           *rows + piece->rows <= taken->most);
    if (fits) {
      *link = piece->next;
      *end = piece;
      end = &piece->next;
      *rows += piece->rows;
    } else {
      link = &piece->next;
    }
    if (*rows == taken->most) break;
  }
  *end = NULL;
  if (!*link) gather->last = link;
  return taken;
}

/* A drain to put on the pool, if one is worth it; the mutex is held. */
static struct drain *call(struct gather *gather) {
  struct drain *drain = gather->idle;
  if (!gather->first || !drain || gather->called) return NULL;
  if (gather->busy && gather->cost < ENOUGH) return NULL;
  gather->idle = drain->next;
  gather->busy++;
  gather->called++;
  return drain;
}

static void submit(struct drain *drain) {
  if (drain) pool_submit(drain->gather->pool, POOL_INTERACTIVE, &drain->task);
}

static enum task_next run_drain(struct task *task, struct worker *worker) {
  struct drain *drain = (struct drain *)task;
  struct gather *gather = drain->gather;
  size_t rows, cost = 0;
  pthread_mutex_lock(&gather->mutex);
  gather->called--;
  struct piece *taken = take(gather, &rows);
  struct drain *other = call(gather);
  pthread_mutex_unlock(&gather->mutex);
  submit(other);
  if (taken) {
    for (struct piece *piece = taken; piece; piece = piece->next) cost += cost_of(piece);
    taken->run(taken, rows, worker);
  }

  pthread_mutex_lock(&gather->mutex);
  gather->cost -= cost;
  bool again = gather->first && !gather->called;
  if (again) {
    gather->called++;
  } else {
    gather->busy--;
    drain->next = gather->idle;
    gather->idle = drain;
  }
  pthread_mutex_unlock(&gather->mutex);
  return again ? TASK_AGAIN : TASK_DONE;
}

void gather_add(struct gather *gather, struct piece *piece) {
  piece->next = NULL;
  pthread_mutex_lock(&gather->mutex);
  *gather->last = piece;
  gather->last = &piece->next;
  gather->cost += cost_of(piece);
  struct drain *drain = call(gather);
  pthread_mutex_unlock(&gather->mutex);
  submit(drain);
}

struct gather *gather_open(struct pool *pool) {
  int workers = pool_workers(pool);
  struct gather *gather = calloc(1, sizeof *gather + (size_t)workers * sizeof gather->drains[0]);
  if (!gather) return NULL;
  gather->pool = pool;
  pthread_mutex_init(&gather->mutex, NULL);
  gather->last = &gather->first;
  for (int k = 0; k < workers; k++) {
    struct drain *drain = &gather->drains[k];
    *drain = (struct drain){.task.run = run_drain, .gather = gather, .next = gather->idle};
    gather->idle = drain;
  }
  return gather;
}

void gather_close(struct gather *gather) {
  if (!gather) return;
  pthread_mutex_destroy(&gather->mutex);
  free(gather);
}
