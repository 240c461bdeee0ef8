/* pool.c - worker threads that take interactive slices first. */
#include "server/pool.h"

#include <pthread.h>
#include <stdlib.h>

struct queue {
  struct task *first, **last;
  size_t waiting;
  unsigned long long slices;
};

struct pool {
  pthread_mutex_t mutex; /* guards everything down to `closing` */
  pthread_cond_t work;
  struct queue queues[2];
  double credit; /* of a slice, owed to the background queue */
  int asleep;    /* workers */
  bool closing;
  double background_share;
  int nworkers;
  struct member {
    pthread_t thread;
    struct pool *pool;
    struct worker worker;
  } members[];
};

static void push(struct queue *queue, struct task *task) {
  task->next = NULL;
  *queue->last = task;
  queue->last = &task->next;
  queue->waiting++;
}

static struct task *pop(struct queue *queue) {
  struct task *task = queue->first;
  queue->first = task->next;
  if (!queue->first) queue->last = &queue->first;
  queue->waiting--;
  queue->slices++;
  return task;
}

/* The next slice to run, with the mutex held; NULL when there is none. */
static struct task *choose(struct pool *pool) {
  struct queue *interactive = &pool->queues[POOL_INTERACTIVE];
  struct queue *background = &pool->queues[POOL_BACKGROUND];
  if (!background->first) return interactive->first ? pop(interactive) : NULL;
  if (!interactive->first) return pop(background);
  /* Both wait: every slice earns the background its share, a whole one is its turn. */
  pool->credit += pool->background_share;
  if (pool->credit < 1 - 1e-9) return pop(interactive); /* 20 * 0.05 may be less than 1 */
  pool->credit -= 1;
  return pop(background);
}

static void *work(void *argument) {
  struct member *member = argument;
  struct pool *pool = member->pool;
  pthread_mutex_lock(&pool->mutex);
  while (!pool->closing) {
    struct task *task = choose(pool);
    if (!task) {
      pool->asleep++;
      pthread_cond_wait(&pool->work, &pool->mutex);
      pool->asleep--;
      continue;
    }
    enum pool_class class_ = task->class_;
    pthread_mutex_unlock(&pool->mutex);
    struct boltz_mark mark = boltz_arena_mark(member->worker.scratch);
    boltz_arena_exhausted(member->worker.scratch); /* what the slice before ran into is past */
    enum task_next next = task->run(task, &member->worker);
    boltz_arena_release(member->worker.scratch, mark);
    pthread_mutex_lock(&pool->mutex);
    if (next == TASK_AGAIN) push(&pool->queues[class_], task);
  }
  pthread_mutex_unlock(&pool->mutex);
  return NULL;
}

struct pool *pool_open(int workers, double background_share, size_t scratch_limit) {
  struct pool *pool = calloc(1, sizeof *pool + (size_t)workers * sizeof *pool->members);
  if (!pool) return NULL;
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->work, NULL);
  for (int k = 0; k < 2; k++) pool->queues[k].last = &pool->queues[k].first;
  pool->background_share = background_share;
  for (int k = 0; k < workers; k++) {
    struct member *member = &pool->members[k];
    member->pool = pool;
    member->worker = (struct worker){.index = k, .scratch = boltz_arena_open(scratch_limit)};
    if (!member->worker.scratch || pthread_create(&member->thread, NULL, work, member) != 0) {
      boltz_arena_close(member->worker.scratch);
      pool_close(pool);
      return NULL;
    }
    pool->nworkers++;
  }
  return pool;
}

void pool_close(struct pool *pool) {
  if (!pool) return;
  pthread_mutex_lock(&pool->mutex);
  pool->closing = true;
  pthread_cond_broadcast(&pool->work);
  pthread_mutex_unlock(&pool->mutex);
  for (int k = 0; k < pool->nworkers; k++) {
    pthread_join(pool->members[k].thread, NULL);
    boltz_arena_close(pool->members[k].worker.scratch);
  }
  pthread_cond_destroy(&pool->work);
  pthread_mutex_destroy(&pool->mutex);
  free(pool);
}

void pool_submit(struct pool *pool, enum pool_class class_, struct task *task) {
  task->class_ = class_;
  pthread_mutex_lock(&pool->mutex);
  push(&pool->queues[class_], task);
  pthread_cond_signal(&pool->work);
  pthread_mutex_unlock(&pool->mutex);
}

int pool_workers(const struct pool *pool) {
  return pool->nworkers;
}

int pool_idle(struct pool *pool) {
  pthread_mutex_lock(&pool->mutex);
  int idle = pool->asleep - (int)pool->queues[POOL_INTERACTIVE].waiting -
             (int)pool->queues[POOL_BACKGROUND].waiting;
  pthread_mutex_unlock(&pool->mutex);
  return idle > 0 ? idle : 0;
}

size_t pool_waiting(struct pool *pool, enum pool_class class_) {
  pthread_mutex_lock(&pool->mutex);
  size_t waiting = pool->queues[class_].waiting;
  pthread_mutex_unlock(&pool->mutex);
  return waiting;
}

unsigned long long pool_slices(struct pool *pool, enum pool_class class_) {
  pthread_mutex_lock(&pool->mutex);
  unsigned long long slices = pool->queues[class_].slices;
  pthread_mutex_unlock(&pool->mutex);
  return slices;
}
