/* test_pool.c - the order of slices, shares, and what closing waits for. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "server/pool.h"
#include "tests/check.h"

/** What happened, in order; one worker writes. */
struct diary {
  atomic_int n;
  char text[4096];
};

/** A task of `slices` slices that writes its letter once a slice. */
struct letter {
  struct task task;
  struct diary *diary;
  char name;
  int slices;
};

static enum task_next write_letter(struct task *task, struct worker *worker) {
  (void)worker;
  struct letter *letter = (struct letter *)task;
  letter->diary->text[atomic_load(&letter->diary->n)] = letter->name;
  atomic_fetch_add(&letter->diary->n, 1);
  return --letter->slices > 0 ? TASK_AGAIN : TASK_DONE;
}

/** Keeps its worker until it is let go. */
struct gate {
  struct task task;
  atomic_bool inside, open;
};

static enum task_next wait_at_gate(struct task *task, struct worker *worker) {
  (void)worker;
  struct gate *gate = (struct gate *)task;
  atomic_store(&gate->inside, true);
  while (!atomic_load(&gate->open)) usleep(100);
  return TASK_DONE;
}

static void shut(struct pool *pool, struct gate *gate) {
  *gate = (struct gate){.task.run = wait_at_gate};
  pool_submit(pool, POOL_INTERACTIVE, &gate->task);
  while (!atomic_load(&gate->inside)) usleep(100);
}

static void submit(struct pool *pool, enum pool_class class_, struct letter *letter,
                   struct diary *diary, char name, int slices) {
  *letter =
      (struct letter){.task.run = write_letter, .diary = diary, .name = name, .slices = slices};
  pool_submit(pool, class_, &letter->task);
}

static void wait_for(struct diary *diary, int n) {
  for (int k = 0; k < 100000 && atomic_load(&diary->n) < n; k++) usleep(100);
}

static void interactive_slices_go_before_background_ones(void) {
  struct pool *pool = pool_open(1, 0, 0);
  struct diary diary = {0};
  struct gate gate;
  struct letter b, a, c;
  shut(pool, &gate);
  submit(pool, POOL_BACKGROUND, &b, &diary, 'b', 2);
  submit(pool, POOL_INTERACTIVE, &a, &diary, 'a', 1);
  submit(pool, POOL_INTERACTIVE, &c, &diary, 'c', 1);
  CHECK_INT(pool_waiting(pool, POOL_INTERACTIVE), 2);
  CHECK_INT(pool_waiting(pool, POOL_BACKGROUND), 1);
  atomic_store(&gate.open, true);
  wait_for(&diary, 4);
  CHECK_TEXT(diary.text, "acbb");
  CHECK_INT(pool_slices(pool, POOL_INTERACTIVE), 3); /* the gate too */
  CHECK_INT(pool_slices(pool, POOL_BACKGROUND), 2);
  pool_close(pool);
}

static void a_task_with_more_to_do_goes_to_the_end_of_its_queue(void) {
  struct pool *pool = pool_open(1, 0.05, 0);
  struct diary diary = {0};
  struct gate gate;
  struct letter a, b, c;
  shut(pool, &gate);
  submit(pool, POOL_INTERACTIVE, &a, &diary, 'a', 3);
  submit(pool, POOL_INTERACTIVE, &b, &diary, 'b', 1);
  submit(pool, POOL_INTERACTIVE, &c, &diary, 'c', 2);
  atomic_store(&gate.open, true);
  wait_for(&diary, 6);
  CHECK_TEXT(diary.text, "abcaca");
  pool_close(pool);
}

/* With both queues never empty, how many of `n` slices are background ones; and the longest run
   without one. */
static int background_of(double share, int n, int *longest) {
  struct pool *pool = pool_open(1, share, 0);
  struct diary diary = {0};
  struct gate gate;
  struct letter a, b;
  shut(pool, &gate);
  submit(pool, POOL_INTERACTIVE, &a, &diary, 'a', n);
  submit(pool, POOL_BACKGROUND, &b, &diary, 'b', n);
  atomic_store(&gate.open, true);
  wait_for(&diary, 2 * n);
  pool_close(pool);
  int count = 0, run = 0;
  *longest = 0;
  for (int k = 0; k < n; k++) {
    count += diary.text[k] == 'b';
    run = diary.text[k] == 'b' ? 0 : run + 1;
    if (run > *longest) *longest = run;
  }
  return count;
}

static void background_work_gets_its_share_and_no_more(void) {
  int longest;
  CHECK_INT(background_of(0.05, 1000, &longest), 50);
  CHECK_INT(longest, 19); /* at least one slice in twenty */
  CHECK_INT(background_of(0.5, 1000, &longest), 500);
  CHECK_INT(background_of(0.75, 1000, &longest), 750);
  CHECK_INT(background_of(0, 1000, &longest), 0);
  CHECK_INT(background_of(1, 1000, &longest), 1000);
}

/** A task whose slices count who is inside. */
struct crowd {
  struct task task;
  atomic_int inside, most, left;
  atomic_int *done;
};

static enum task_next enter(struct task *task, struct worker *worker) {
  (void)worker;
  struct crowd *crowd = (struct crowd *)task;
  int inside = atomic_fetch_add(&crowd->inside, 1) + 1;
  if (inside > atomic_load(&crowd->most)) atomic_store(&crowd->most, inside);
  for (int k = 0; k < 50; k++) sched_yield();
  atomic_fetch_sub(&crowd->inside, 1);
  if (atomic_fetch_sub(&crowd->left, 1) > 1) return TASK_AGAIN;
  atomic_fetch_add(crowd->done, 1);
  return TASK_DONE;
}

static void slices_of_one_task_never_run_at_once_and_all_of_them_run(void) {
  enum { TASKS = 12, SLICES = 200 };
  struct pool *pool = pool_open(4, 0.05, 0);
  struct crowd crowds[TASKS];
  atomic_int done = 0;
  CHECK_INT(pool_workers(pool), 4);
  for (int k = 0; k < TASKS; k++) {
    crowds[k] = (struct crowd){.task.run = enter, .left = SLICES, .done = &done};
    pool_submit(pool, k % 2 ? POOL_BACKGROUND : POOL_INTERACTIVE, &crowds[k].task);
  }
  for (int k = 0; k < 300000 && atomic_load(&done) < TASKS; k++) usleep(100);
  CHECK_INT(atomic_load(&done), TASKS);
  for (int k = 0; k < TASKS; k++) CHECK_INT(atomic_load(&crowds[k].most), 1);
  CHECK_INT(pool_slices(pool, POOL_INTERACTIVE) + pool_slices(pool, POOL_BACKGROUND),
            TASKS * SLICES);
  pool_close(pool);
}

/** A task that goes on until it is let go. */
struct held {
  struct task task;
  atomic_bool go;
};

static enum task_next hold(struct task *task, struct worker *worker) {
  (void)worker;
  return atomic_load(&((struct held *)task)->go) ? TASK_DONE : TASK_AGAIN;
}

static int idle_becomes(struct pool *pool, int wanted) {
  int idle = -1;
  for (int k = 0; k < 100000 && (idle = pool_idle(pool)) != wanted; k++) usleep(100);
  return idle;
}

static void workers_without_a_task_are_idle(void) {
  struct pool *pool = pool_open(3, 0.05, 0);
  struct held held[2] = {{.task.run = hold}, {.task.run = hold}};
  CHECK_INT(idle_becomes(pool, 3), 3);
  pool_submit(pool, POOL_INTERACTIVE, &held[0].task);
  CHECK_INT(idle_becomes(pool, 2), 2);
  pool_submit(pool, POOL_BACKGROUND, &held[1].task);
  CHECK_INT(idle_becomes(pool, 1), 1);
  for (int k = 0; k < 2; k++) atomic_store(&held[k].go, true);
  CHECK_INT(idle_becomes(pool, 3), 3);
  pool_close(pool);
}

/** Submits the next of a chain, from its worker; frees itself. */
struct link {
  struct task task;
  struct pool *pool;
  int left;
  atomic_int *ran;
};

static enum task_next pull(struct task *task, struct worker *worker) {
  (void)worker;
  struct link *link = (struct link *)task, *next = link->left ? malloc(sizeof *next) : NULL;
  if (next) {
    *next = *link;
    next->left--;
    pool_submit(link->pool, POOL_INTERACTIVE, &next->task);
  }
  atomic_fetch_add(link->ran, 1);
  free(link);
  return TASK_DONE;
}

static void a_slice_may_submit_others_and_free_its_task(void) {
  struct pool *pool = pool_open(3, 0.05, 0);
  atomic_int ran = 0;
  for (int k = 0; k < 4; k++) {
    struct link *link = malloc(sizeof *link);
    *link = (struct link){.task.run = pull, .pool = pool, .left = 249, .ran = &ran};
    pool_submit(pool, POOL_INTERACTIVE, &link->task);
  }
  for (int k = 0; k < 100000 && atomic_load(&ran) < 1000; k++) usleep(100);
  CHECK_INT(atomic_load(&ran), 1000);
  pool_close(pool);
}

/** Takes scratch and says how much its worker's arena holds. */
struct hungry {
  struct task task;
  int slices;
  size_t held, refused;
  atomic_bool done;
};

static enum task_next eat(struct task *task, struct worker *worker) {
  struct hungry *hungry = (struct hungry *)task;
  if (!boltz_arena_scratch(worker->scratch, 1, 600000)) hungry->refused++;
  hungry->held = boltz_arena_size(worker->scratch);
  if (--hungry->slices > 0) return TASK_AGAIN;
  atomic_store(&hungry->done, true);
  return TASK_DONE;
}

static void scratch_is_given_back_after_each_slice(void) {
  struct pool *pool = pool_open(1, 0.05, 1 << 20);
  struct hungry hungry = {.task.run = eat, .slices = 50};
  pool_submit(pool, POOL_INTERACTIVE, &hungry.task);
  while (!atomic_load(&hungry.done)) usleep(100);
  pool_close(pool);
  CHECK_INT(hungry.refused, 0); /* two of them would be over the limit */
  CHECK(hungry.held <= 1 << 20);
}

static void *open_later(void *argument) {
  usleep(300000); /* until the closing has begun */
  atomic_store(&((struct gate *)argument)->open, true);
  return NULL;
}

static void closing_waits_for_the_slice_at_hand_and_starts_no_other(void) {
  struct pool *pool = pool_open(1, 0.05, 0);
  struct diary diary = {0};
  struct gate gate;
  struct letter a, b;
  pthread_t opener;
  shut(pool, &gate);
  submit(pool, POOL_INTERACTIVE, &a, &diary, 'a', 1);
  submit(pool, POOL_BACKGROUND, &b, &diary, 'b', 1);
  CHECK_INT(pthread_create(&opener, NULL, open_later, &gate), 0);
  pool_close(pool);
  CHECK(atomic_load(&gate.open)); /* it was waited for */
  CHECK_INT(atomic_load(&diary.n), 0);
  pthread_join(opener, NULL);
  pool_close(NULL);
}

int main(int argc, char **argv) {
  RUN(interactive_slices_go_before_background_ones);
  RUN(a_task_with_more_to_do_goes_to_the_end_of_its_queue);
  RUN(background_work_gets_its_share_and_no_more);
  RUN(slices_of_one_task_never_run_at_once_and_all_of_them_run);
  RUN(workers_without_a_task_are_idle);
  RUN(a_slice_may_submit_others_and_free_its_task);
  RUN(scratch_is_given_back_after_each_slice);
  RUN(closing_waits_for_the_slice_at_hand_and_starts_no_other);
  return check_report();
}
