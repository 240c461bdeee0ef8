/* test_gather.c - small work that waits together is done together: what a slice takes, in which
 * order, by how many workers; and that rows drawn side by side have the bits they have alone. */
#include "server/gather.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "server/api/api.h"
#include "tests/check.h"

/* ---- The queue ---- */

/** What the slices held: "ab|c|" is two slices. One worker writes. */
struct diary {
  atomic_int pieces;
  int used;
  char text[256];
};

struct letter {
  struct piece piece; /* first */
  struct diary *diary;
  char name;
};

static void write_letters(struct piece *first, size_t rows, struct worker *worker) {
  (void)worker;
  struct diary *diary = ((struct letter *)first)->diary;
  size_t sum = 0;
  int n = 0;
  for (struct piece *piece = first; piece; piece = piece->next, n++) {
    diary->text[diary->used++] = ((struct letter *)piece)->name;
    sum += piece->rows;
  }
  CHECK_INT(sum, rows);
  diary->text[diary->used++] = '|';
  atomic_fetch_add(&diary->pieces, n);
}

/** Keeps its worker until it is let go. */
struct gate {
  struct task task;
  struct piece piece;
  atomic_bool inside, open;
};

static void wait_here(struct gate *gate) {
  atomic_store(&gate->inside, true);
  while (!atomic_load(&gate->open)) usleep(100);
}

static enum task_next wait_in_task(struct task *task, struct worker *worker) {
  (void)worker;
  wait_here((struct gate *)task);
  return TASK_DONE;
}

static void wait_in_piece(struct piece *first, size_t rows, struct worker *worker) {
  (void)rows;
  (void)worker;
  wait_here((struct gate *)((char *)first - offsetof(struct gate, piece)));
}

static void enter(struct gate *gate) {
  for (int k = 0; k < 100000 && !atomic_load(&gate->inside); k++) usleep(100);
  CHECK(atomic_load(&gate->inside));
}

/* Every letter of `names` waits behind a busy worker: a capital is of another kind; `rows` each. */
static void check_slices(const char *names, size_t rows, size_t most, const char *expected) {
  struct pool *pool = pool_open(1, 0, 0);
  struct gather *gather = gather_open(pool);
  struct gate gate = {.task.run = wait_in_task};
  struct diary diary = {0};
  struct letter letters[32];
  int n = (int)strlen(names);
  pool_submit(pool, POOL_INTERACTIVE, &gate.task);
  enter(&gate);
  for (int k = 0; k < n; k++) {
    letters[k] = (struct letter){.piece = {.run = write_letters,
                                           .kind = names[k] < 'a' ? "capital" : "small",
                                           .rows = rows,
                                           .most = most},
                                 .diary = &diary,
                                 .name = names[k]};
    gather_add(gather, &letters[k].piece);
  }
  CHECK_INT(pool_waiting(pool, POOL_INTERACTIVE), 1); /* one task for all of them */
  atomic_store(&gate.open, true);
  for (int k = 0; k < 100000 && atomic_load(&diary.pieces) < n; k++) usleep(100);
  CHECK_TEXT(diary.text, expected);
  pool_close(pool);
  gather_close(gather);
}

static void what_waits_is_done_in_one_slice(void) {
  check_slices("a", 1, 8, "a|");
  check_slices("abcde", 1, 8, "abcde|");
}

static void a_slice_has_one_kind_and_who_came_first_is_in_the_next_one(void) {
  check_slices("aBcDe", 1, 8, "ace|BD|");
  check_slices("AbbbbC", 1, 2, "AC|bb|bb|");
}

static void a_slice_has_no_more_rows_than_it_may(void) {
  check_slices("abcde", 1, 2, "ab|cd|e|");
  check_slices("abcde", 3, 8, "ab|cd|e|");
  check_slices("abc", 8, 8, "a|b|c|");
}

static void another_worker_is_called_for_much_work_and_not_for_little(void) {
  struct pool *pool = pool_open(2, 0, 0);
  struct gather *gather = gather_open(pool);
  struct diary diary = {0};
  struct gate much = {.piece = {.run = wait_in_piece, .kind = &much, .rows = 1, .most = 8}};
  struct gate little = {.piece = {.run = wait_in_piece, .kind = &little, .rows = 1, .most = 512}};
  struct letter a = {.piece = {.run = write_letters, .rows = 1, .most = 512}, .diary = &diary};
  struct letter b = a;
  a.name = 'a';
  b.name = 'b';
  gather_add(gather, &little.piece);
  enter(&little);
  gather_add(gather, &a.piece);
  CHECK_INT(pool_slices(pool, POOL_INTERACTIVE) + pool_waiting(pool, POOL_INTERACTIVE), 1);
  atomic_store(&little.open, true);
  for (int k = 0; k < 100000 && atomic_load(&diary.pieces) < 1; k++) usleep(100);
  CHECK_TEXT(diary.text, "a|");
  gather_add(gather, &much.piece);
  enter(&much);
  gather_add(gather, &b.piece); /* done while the other worker is still inside */
  for (int k = 0; k < 100000 && atomic_load(&diary.pieces) < 2; k++) usleep(100);
  CHECK_TEXT(diary.text, "a|b|");
  atomic_store(&much.open, true);
  pool_close(pool);
  gather_close(gather);
}

enum { THREADS = 4, EACH = 5000 };

struct crowd {
  struct gather *gather;
  struct counted {
    struct piece piece; /* first */
    atomic_int *done;
    atomic_int runs;
  } pieces[EACH];
};

static void count(struct piece *first, size_t rows, struct worker *worker) {
  (void)rows;
  (void)worker;
  for (struct piece *piece = first, *next; piece; piece = next) {
    struct counted *counted = (struct counted *)piece;
    next = piece->next;
    atomic_fetch_add(&counted->runs, 1);
    atomic_fetch_add(counted->done, 1);
  }
}

static void *add_all(void *argument) {
  struct crowd *crowd = argument;
  for (int k = 0; k < EACH; k++) gather_add(crowd->gather, &crowd->pieces[k].piece);
  return NULL;
}

static void every_piece_is_run_once_however_many_add_them(void) {
  struct pool *pool = pool_open(3, 0, 0);
  struct gather *gather = gather_open(pool);
  struct crowd *crowds = calloc(THREADS, sizeof *crowds);
  pthread_t threads[THREADS];
  atomic_int done = 0;
  for (int t = 0; t < THREADS; t++) {
    crowds[t].gather = gather;
    for (int k = 0; k < EACH; k++)
      crowds[t].pieces[k] = (struct counted){
          .piece = {.run = count, .kind = k % 3 ? gather : NULL, .rows = 1, .most = k % 3 ? 8 : 64},
          .done = &done};
    CHECK_INT(pthread_create(&threads[t], NULL, add_all, &crowds[t]), 0);
  }
  for (int t = 0; t < THREADS; t++) pthread_join(threads[t], NULL);
  for (int k = 0; k < 200000 && atomic_load(&done) < THREADS * EACH; k++) usleep(100);
  int wrong = 0;
  for (int t = 0; t < THREADS; t++)
    for (int k = 0; k < EACH; k++) wrong += atomic_load(&crowds[t].pieces[k].runs) != 1;
  CHECK_INT(wrong, 0);
  pool_close(pool);
  gather_close(gather);
  free(crowds);
}

/* ---- The numbers ---- */

static struct boltz_json *json_of(struct boltz_arena *arena, const char *text) {
  struct boltz_json *root = NULL;
  CHECK(boltz_json_parse(text, strlen(text), 32, arena, &root) == BOLTZ_OK);
  return root;
}

/* Noise on all weights, so that nothing is near the identity. */
static void make_version(struct boltz_arena *arena, enum boltz_precision precision,
                         struct version *version) {
  struct boltz_flow_spec spec;
  struct boltz_checkpoint *checkpoint = &version->checkpoint;
  const char *text =
      "{\"base\":\"normal\",\"layers\":[{\"type\":\"realnvp\",\"blocks\":3,\"hidden\":[24,17]},"
      "{\"type\":\"actnorm\"},{\"type\":\"interval\",\"coordinates\":[0],\"low\":[0],\"high\":[4]}]"
      "}";
  CHECK(boltz_flow_spec_parse(json_of(arena, text), 2, arena, &spec) == BOLTZ_OK);
  CHECK(boltz_flow_new(&spec, 2, arena, &checkpoint->flow) == BOLTZ_OK);
  CHECK(boltz_weights_new(&checkpoint->flow, arena, &checkpoint->weights) == BOLTZ_OK);
  boltz_flow_init(&checkpoint->flow, 9, &checkpoint->weights);
  for (size_t k = 0; k < checkpoint->flow.nw; k++) {
    double z[2];
    boltz_rng_normal(31, BOLTZ_STREAM_TEST, k, 0, z);
    checkpoint->weights.flat[k] += (float)(0.15 * z[0]);
  }
  boltz_flow_pack(&checkpoint->flow, &checkpoint->weights);
  CHECK(boltz_flow_serve(&checkpoint->flow, &checkpoint->weights, precision, arena) == BOLTZ_OK);
}

static bool same(const double *a, const double *b, size_t n) {
  return memcmp(a, b, n * sizeof *a) == 0;
}

static bool same_rows(const struct api_drawn *a, const struct api_drawn *b) {
  size_t n = a->x.n;
  bool equal = same(a->u, b->u, n) && same(a->log_q, b->log_q, n) && same(a->log_w, b->log_w, n);
  for (int j = 0; j < a->x.dim; j++)
    equal &= same(a->x.col[j], b->x.col[j], n) && same(a->z.col[j], b->z.col[j], n);
  return equal;
}

static void check_side_by_side(enum boltz_precision precision) {
  static const struct {
    size_t n;
    uint64_t seed, first;
    double temperature;
  } asked[] = {{1, 1, 0, 1},  {1, 1, 1, 1},         {7, 2, 0, 0.5}, {32, UINT64_MAX, 5, 3},
               {1, 3, 90, 1}, {5, 1, 1ul << 62, 1}, {1, 1, 0, 2}};
  enum { REQUESTS = sizeof asked / sizeof *asked, ROWS = 48 };
  struct boltz_arena *arena = boltz_arena_open(0);
  struct version version = {0};
  struct boltz_energy energy;
  struct api_drawn all, views[REQUESTS];
  CHECK(boltz_energy_parse(json_of(arena, "{\"kind\":\"harmonic_pair\",\"L\":4}"), 1, arena,
                           &energy) == BOLTZ_OK);
  make_version(arena, precision, &version);
  CHECK(api_drawn_new(arena, ROWS, 2, true, &all));
  size_t at = 0;
  for (int k = 0; k < REQUESTS; at += asked[k++].n) {
    CHECK(api_drawn_view(arena, &all, at, asked[k].n, &views[k]));
    api_draw_latents(&version, asked[k].seed, asked[k].first, &views[k], arena);
  }
  CHECK_INT(at, ROWS);
  api_draw_push(&version, &all, arena);
  for (int k = 0; k < REQUESTS; k++) {
    struct api_drawn alone;
    CHECK(api_drawn_new(arena, asked[k].n, 2, true, &alone));
    size_t bad = api_draw_weigh(&energy, asked[k].temperature, &views[k], arena);
    CHECK_INT(api_draw(&version, &energy, asked[k].temperature, asked[k].seed, asked[k].first,
                       &alone, arena),
              bad);
    CHECK_MSG(same_rows(&views[k], &alone), "%s, request %d", boltz_precision_names[precision], k);
  }
  CHECK(!same(views[0].log_w, views[6].log_w, 1)); /* their temperatures differ */
  boltz_arena_close(arena);
}

static void rows_side_by_side_have_the_bits_they_have_alone(void) {
  check_side_by_side(BOLTZ_FP32);
  check_side_by_side(BOLTZ_TABLE);
}

int main(int argc, char **argv) {
  RUN(what_waits_is_done_in_one_slice);
  RUN(a_slice_has_one_kind_and_who_came_first_is_in_the_next_one);
  RUN(a_slice_has_no_more_rows_than_it_may);
  RUN(another_worker_is_called_for_much_work_and_not_for_little);
  RUN(every_piece_is_run_once_however_many_add_them);
  RUN(rows_side_by_side_have_the_bits_they_have_alone);
  return check_report();
}
