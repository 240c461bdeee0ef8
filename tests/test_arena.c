/* test_arena.c - memory that lives and dies together. */
#include "boltz/arena.h"

#include <stdint.h>

#include "boltz/status.h"
#include "check.h"

static void memory_is_zeroed_aligned_and_apart(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  unsigned char *pieces[300];
  for (size_t k = 0; k < 300; k++) {
    pieces[k] = boltz_arena_alloc(arena, k + 1, 37);
    CHECK((uintptr_t)pieces[k] % 64 == 0);
    size_t set = 0;
    for (size_t b = 0; b < (k + 1) * 37; b++) set += pieces[k][b] != 0;
    CHECK_INT(set, 0);
    memset(pieces[k], (int)(k % 255 + 1), (k + 1) * 37);
  }
  for (size_t k = 0; k < 300; k++) {
    size_t changed = 0;
    for (size_t b = 0; b < (k + 1) * 37; b++) changed += pieces[k][b] != k % 255 + 1;
    CHECK_INT(changed, 0);
  }
  boltz_arena_close(arena);
}

static void memory_used_before_is_zeroed_again(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_mark mark = boltz_arena_mark(arena);
  memset(boltz_arena_scratch(arena, 1000, 1), 0xff, 1000);
  boltz_arena_release(arena, mark);
  const unsigned char *again = boltz_arena_alloc(arena, 1000, 1);
  size_t set = 0;
  for (size_t b = 0; b < 1000; b++) set += again[b] != 0;
  CHECK_INT(set, 0);
  boltz_arena_close(arena);
}

static void nothing_asked_for_is_still_a_pointer(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  CHECK(boltz_arena_alloc(arena, 0, 8) != NULL);
  CHECK(boltz_arena_scratch(arena, 8, 0) != NULL);
  boltz_arena_close(arena);
}

static void a_product_that_overflows_is_refused(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  CHECK(boltz_arena_alloc(arena, SIZE_MAX / 2, 3) == NULL);
  CHECK(boltz_arena_alloc(arena, SIZE_MAX, 1) == NULL);
  CHECK(boltz_arena_alloc(arena, SIZE_MAX - 63, 1) == NULL);
  CHECK(boltz_arena_scratch(arena, (size_t)1 << 33, (size_t)1 << 31) == NULL); /* wraps to 0 */
  CHECK(boltz_error()[0] != 0);
  CHECK_INT(boltz_arena_size(arena), 0);
  boltz_arena_close(arena);
}

static void the_limit_holds_and_all_of_it_can_be_used(void) {
  const size_t limit = 1 << 20;
  struct boltz_arena *arena = boltz_arena_open(limit);
  CHECK(boltz_arena_alloc(arena, limit + 1, 1) == NULL);
  CHECK(strstr(boltz_error(), "1048576") != NULL);
  size_t pieces = 0;
  while (boltz_arena_scratch(arena, 64, 1)) pieces++;
  CHECK_INT(pieces, limit / 64);
  CHECK(boltz_arena_size(arena) <= limit);
  boltz_arena_close(arena);
}

static void an_exhausted_arena_serves_again_after_a_release(void) {
  struct boltz_arena *arena = boltz_arena_open(1 << 20);
  struct boltz_mark mark = boltz_arena_mark(arena);
  while (boltz_arena_scratch(arena, 1000, 1)) continue;
  boltz_arena_release(arena, mark);
  CHECK(boltz_arena_scratch(arena, 1000, 1) != NULL);
  boltz_arena_close(arena);
}

static void released_memory_is_used_again_without_asking_the_system(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  char *kept = boltz_arena_strdup(arena, "kept");
  size_t size = 0;
  for (int round = 0; round < 50; round++) {
    struct boltz_mark mark = boltz_arena_mark(arena);
    for (size_t k = 0; k < 100; k++) memset(boltz_arena_scratch(arena, k * 100, 8), 1, k * 800);
    if (round == 0) size = boltz_arena_size(arena);
    boltz_arena_release(arena, mark);
  }
  CHECK_INT(boltz_arena_size(arena), size);
  CHECK_TEXT(kept, "kept");
  boltz_arena_close(arena);
}

static void an_inner_mark_gives_back_only_what_followed_it(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_mark outer = boltz_arena_mark(arena);
  char *mine = boltz_arena_strdup(arena, "mine");
  struct boltz_mark inner = boltz_arena_mark(arena);
  for (int k = 0; k < 10; k++) memset(boltz_arena_scratch(arena, 100000, 1), 'x', 100000);
  boltz_arena_release(arena, inner);
  memset(boltz_arena_scratch(arena, 100, 1), 'y', 100);
  CHECK_TEXT(mine, "mine");
  boltz_arena_release(arena, outer);
  CHECK(boltz_arena_scratch(arena, 5, 1) == (void *)mine);
  boltz_arena_close(arena);
}

static void closing_nothing_is_harmless(void) {
  boltz_arena_close(NULL);
  struct boltz_arena *arena = boltz_arena_open(0);
  CHECK_INT(boltz_arena_size(arena), 0);
  boltz_arena_close(arena);
}

int main(int argc, char **argv) {
  RUN(memory_is_zeroed_aligned_and_apart);
  RUN(memory_used_before_is_zeroed_again);
  RUN(nothing_asked_for_is_still_a_pointer);
  RUN(a_product_that_overflows_is_refused);
  RUN(the_limit_holds_and_all_of_it_can_be_used);
  RUN(an_exhausted_arena_serves_again_after_a_release);
  RUN(released_memory_is_used_again_without_asking_the_system);
  RUN(an_inner_mark_gives_back_only_what_followed_it);
  RUN(closing_nothing_is_harmless);
  return check_report();
}
