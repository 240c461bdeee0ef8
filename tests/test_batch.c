/* test_batch.c - columns, views, rows. */
#include "boltz/batch.h"

#include <limits.h>
#include <stdint.h>

#include "check.h"

/* x[i][j] = 100 i + j */
static struct boltz_batch numbered(struct boltz_arena *arena, size_t n, int dim) {
  struct boltz_batch batch;
  CHECK_INT(boltz_batch_new(arena, n, dim, &batch), BOLTZ_OK);
  for (int j = 0; j < dim; j++)
    for (size_t i = 0; i < n; i++) batch.col[j][i] = 100.0 * (double)i + j;
  return batch;
}

static void a_new_batch_is_zero_and_aligned(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_batch batch;
  CHECK_INT(boltz_batch_new(arena, 11, 3, &batch), BOLTZ_OK);
  CHECK_INT(batch.n, 11);
  CHECK_INT(batch.dim, 3);
  for (int j = 0; j < 3; j++) {
    CHECK((uintptr_t)batch.col[j] % 64 == 0);
    for (size_t i = 0; i < 11; i++) CHECK(batch.col[j][i] == 0);
  }
  boltz_arena_close(arena);
}

static void an_impossible_batch_is_refused(void) {
  struct boltz_arena *arena = boltz_arena_open(1 << 20);
  struct boltz_batch batch;
  CHECK_INT(boltz_batch_new(arena, SIZE_MAX, 1, &batch), BOLTZ_NO_MEMORY);
  CHECK_INT(boltz_batch_new(arena, SIZE_MAX / 8, INT_MAX, &batch), BOLTZ_NO_MEMORY);
  CHECK_INT(boltz_batch_new(arena, (size_t)1 << 61, 8, &batch), BOLTZ_NO_MEMORY);
  CHECK_INT(boltz_batch_new(arena, 1000000, 2, &batch), BOLTZ_NO_MEMORY);
  CHECK_INT(boltz_batch_new(arena, 1, -1, &batch), BOLTZ_NO_MEMORY);
  boltz_arena_close(arena);
}

static void a_view_shares_the_memory_of_its_batch(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_batch batch = numbered(arena, 10, 2), view;
  CHECK_INT(boltz_batch_view(arena, &batch, 4, 3, &view), BOLTZ_OK);
  CHECK_INT(view.n, 3);
  CHECK(view.col[1][2] == 601);
  view.col[0][0] = -1;
  CHECK(batch.col[0][4] == -1);
  boltz_arena_close(arena);
}

static void rows_go_in_and_out_in_row_major_order(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  const double rows[] = {0, 1, 2, 100, 101, 102};
  double back[6];
  struct boltz_batch batch;
  CHECK_INT(boltz_batch_new(arena, 2, 3, &batch), BOLTZ_OK);
  boltz_batch_from_rows(&batch, rows);
  CHECK(batch.col[2][1] == 102 && batch.col[0][1] == 100 && batch.col[1][0] == 1);
  boltz_batch_to_rows(&batch, back);
  CHECK(memcmp(rows, back, sizeof rows) == 0);
  boltz_arena_close(arena);
}

static void a_copy_moves_the_samples_named_and_no_others(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_batch from = numbered(arena, 10, 3), to;
  CHECK_INT(boltz_batch_new(arena, 6, 3, &to), BOLTZ_OK);
  boltz_batch_copy(&to, 1, &from, 5, 4);
  for (int j = 0; j < 3; j++) {
    CHECK(to.col[j][0] == 0 && to.col[j][5] == 0);
    for (size_t i = 0; i < 4; i++) CHECK(to.col[j][1 + i] == from.col[j][5 + i]);
  }
  boltz_arena_close(arena);
}

static void an_empty_batch_is_a_batch(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_batch batch;
  double rows[1] = {7};
  CHECK_INT(boltz_batch_new(arena, 0, 3, &batch), BOLTZ_OK);
  CHECK_INT(batch.n, 0);
  boltz_batch_to_rows(&batch, rows);
  CHECK(rows[0] == 7);
  boltz_arena_close(arena);
}

int main(int argc, char **argv) {
  RUN(a_new_batch_is_zero_and_aligned);
  RUN(an_impossible_batch_is_refused);
  RUN(a_view_shares_the_memory_of_its_batch);
  RUN(rows_go_in_and_out_in_row_major_order);
  RUN(a_copy_moves_the_samples_named_and_no_others);
  RUN(an_empty_batch_is_a_batch);
  return check_report();
}
