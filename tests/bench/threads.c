/* threads.c - a clock, pinned threads, and calls per second. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "tests/bench/bench.h"

#define THREADS_MAX 64

double bench_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void bench_pin(int k) {
  cpu_set_t allowed, one;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  k %= CPU_COUNT(&allowed);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &allowed) || k-- > 0) continue;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
    return;
  }
}

struct load {
  pthread_t thread;
  int k;
  void (*once)(void *self);
  void *self;
  double seconds, rate;
  pthread_barrier_t *start;
};

static void *work(void *argument) {
  struct load *load = argument;
  bench_pin(load->k);
  load->once(load->self); /* warm: caches, first touch */
  pthread_barrier_wait(load->start);
  const double start = bench_now();
  double now = start;
  for (double calls = 1;; calls++) {
    load->once(load->self);
    now = bench_now();
    load->rate = calls / (now - start);
    if (now - start >= load->seconds) return NULL;
  }
}

double bench_rate(int threads, void (*once)(void *self), void *const *self, double seconds) {
  struct load loads[THREADS_MAX];
  pthread_barrier_t start;
  double rate = 0;
  if (threads > THREADS_MAX) threads = THREADS_MAX;
  pthread_barrier_init(&start, NULL, (unsigned)threads);
  for (int k = 0; k < threads; k++) {
    loads[k] =
        (struct load){.k = k, .once = once, .self = self[k], .seconds = seconds, .start = &start};
    if (pthread_create(&loads[k].thread, NULL, work, &loads[k]) != 0) exit(1);
  }
  for (int k = 0; k < threads; k++) {
    pthread_join(loads[k].thread, NULL);
    rate += loads[k].rate;
  }
  pthread_barrier_destroy(&start);
  return rate;
}
