/* test_estimate_blocks.c - however an estimate is cut into lanes, pieces and blocks, its bits are
 * the same, in no more room than it told. */
#include "estimate_world.h"

/* ---- lanes and pieces ---- */

static void bits_equal(const double *a, const double *b, size_t n) {
  CHECK(memcmp(a, b, n * sizeof *a) == 0);
}

static void the_cut_and_the_order_of_lanes_leave_the_bits_alone(void) {
  const size_t cuts[] = {1, 7, 100, 1000000};
  const struct sample s = draw(3, 12345, 0.5);
  struct boltz_arena *arena = boltz_arena_open(0);
  const struct boltz_estimate want = estimate(arena, &s, 13, 1);
  for (int k = 0; k < 8; k++) {
    const struct boltz_estimate r = estimate(arena, &s, cuts[k / 2], k % 2 ? 1 : -1);
    bits_equal(&r.log_z.value, &want.log_z.value, 4);
    bits_equal(&r.averages[0].value, &want.averages[0].value, 8);
    bits_equal(&r.differences[0].value, &want.differences[0].value, 4);
    bits_equal(r.profiles[0].free_energy, want.profiles[0].free_energy, bins);
    bits_equal(r.profiles[0].stderr_, want.profiles[0].stderr_, bins);
    bits_equal(r.profiles[0].ess, want.profiles[0].ess, bins);
    bits_equal(&r.pareto_k, &want.pareto_k, 1);
    bits_equal(&r.ess, &want.ess, 1);
  }
  discard(s);
  boltz_arena_close(arena);
}

/* Every value of an estimate in one row. */
enum { row_length = 3 + 4 + 8 + 8 + 4 * bins };

static void flatten(const struct boltz_estimate *r, double row[row_length]) {
  const double head[] = {r->ess, r->ess_fraction, r->pareto_k};
  const struct boltz_profile *p = &r->profiles[0];
  const double *const column[] = {p->centers, p->free_energy, p->stderr_, p->ess};
  memcpy(row, head, sizeof head);
  memcpy(row + 3, &r->log_z, 4 * sizeof(double));
  memcpy(row + 7, r->averages, 8 * sizeof(double));
  memcpy(row + 15, r->differences, 8 * sizeof(double));
  for (int c = 0; c < 4; c++) memcpy(row + 23 + c * bins, column[c], bins * sizeof(double));
}

/* Done first: pieces first, first + step, … before `end`; finish has the others to do. */
static void estimate_in_pieces(const struct sample *s, long first, long step, long end,
                               double row[row_length]) {
  struct boltz_estimate_spec spec = spec_of(s->n);
  struct boltz_arena *arena = boltz_arena_open(0), *scratch = boltz_arena_open(0);
  struct boltz_estimator *e = NULL;
  struct boltz_estimate result = {0};
  CHECK_INT(boltz_estimator_new(&spec, arena, &e), BOLTZ_OK);
  for (int lane = 0; lane < BOLTZ_ESTIMATE_LANES; lane++) feed_lane(e, lane, 1000, s);
  const long pieces = (long)boltz_estimator_pieces(e);
  CHECK(pieces >= 3); /* or there is no order to speak of */
  for (long k = first < 0 ? pieces - 1 : first; k >= 0 && k < pieces && k < end; k += step)
    CHECK_INT(boltz_estimator_fold(e, (size_t)k, scratch), BOLTZ_OK);
  CHECK_INT(boltz_estimator_finish(e, arena, &result), BOLTZ_OK);
  flatten(&result, row);
  boltz_arena_close(scratch);
  boltz_arena_close(arena);
}

static void pieces_in_any_order_leave_the_bits_alone(void) {
  const struct sample s = draw(4, 12345, 0.5);
  double want[row_length], row[row_length];
  estimate_in_pieces(&s, 0, 1, 0, want); /* all by finish */
  const long first[] = {0, -1, 1, 0}, step[] = {1, -1, 2, 1}, end[] = {1000, 1000, 1000, 2};
  for (int k = 0; k < 4; k++) {
    estimate_in_pieces(&s, first[k], step[k], end[k], row);
    bits_equal(row, want, row_length);
  }
  discard(s);
}

static void a_piece_without_room_says_so_and_can_be_done_again(void) {
  const struct sample s = draw(4, 5000, 0.5);
  struct boltz_estimate_spec spec = spec_of(s.n);
  struct boltz_arena *arena = boltz_arena_open(0), *narrow = boltz_arena_open(1000);
  struct boltz_estimator *e = NULL;
  struct boltz_estimate result = {0};
  double want[row_length], row[row_length];
  CHECK_INT(boltz_estimator_new(&spec, arena, &e), BOLTZ_OK);
  for (int lane = 0; lane < BOLTZ_ESTIMATE_LANES; lane++) feed_lane(e, lane, 1000, &s);
  CHECK_INT(boltz_estimator_fold(e, 0, narrow), BOLTZ_NO_MEMORY);
  CHECK_INT(boltz_estimator_finish(e, arena, &result), BOLTZ_OK);
  flatten(&result, row);
  estimate_in_pieces(&s, 0, 1, 1000, want);
  bits_equal(row, want, row_length);
  boltz_arena_close(narrow);
  boltz_arena_close(arena);
  discard(s);
}

/* 5000 bins before them push the other profile's into later pieces of every replicate. */
static void bins_are_the_same_beside_thousands_of_others(void) {
  const struct sample s = draw(4, 200, 0.5);
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_profile_spec both[] = {{.column = 1, .low = 0, .high = 9, .bins = 5000},
                                      profiles[0]};
  struct boltz_estimate_spec spec = spec_of(s.n);
  struct boltz_estimator *e = NULL;
  struct boltz_estimate r = {0};
  const struct boltz_estimate want = estimate(arena, &s, 100, 1);
  spec.nprofiles = 2;
  spec.profiles = both;
  CHECK_INT(boltz_estimator_new(&spec, arena, &e), BOLTZ_OK);
  for (int lane = 0; lane < BOLTZ_ESTIMATE_LANES; lane++) feed_lane(e, lane, 100, &s);
  CHECK_INT(boltz_estimator_finish(e, arena, &r), BOLTZ_OK);
  bits_equal(&r.log_z.value, &want.log_z.value, 4);
  bits_equal(r.profiles[1].free_energy, want.profiles[0].free_energy, bins);
  bits_equal(r.profiles[1].stderr_, want.profiles[0].stderr_, bins);
  bits_equal(r.profiles[1].ess, want.profiles[0].ess, bins);
  discard(s);
  boltz_arena_close(arena);
}

/* ---- blocks ---- */

static void blocks_cover_every_sample_once_and_runs_never_cross_them(void) {
  const uint64_t sizes[] = {1, 10, 999, 1000, 1001, 12345};
  for (int k = 0; k < 6; k++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    struct boltz_estimate_spec spec = {.n = sizes[k]};
    struct boltz_estimator *e = NULL;
    CHECK_INT(boltz_estimator_new(&spec, arena, &e), BOLTZ_OK);
    const uint64_t blocks = sizes[k] < 1000 ? sizes[k] : 1000;
    unsigned char *seen = calloc(sizes[k], 1);
    const double log_w[100] = {0};
    uint64_t first;
    size_t n;
    for (int lane = 0; lane < BOLTZ_ESTIMATE_LANES; lane++)
      while (boltz_estimator_next(e, lane, 5, &first, &n)) {
        CHECK(n >= 1 && n <= 5);
        /* block b = samples [b·n/B, (b+1)·n/B) */
        const uint64_t block = ((first + 1) * blocks - 1) / sizes[k];
        CHECK_INT(block % BOLTZ_ESTIMATE_LANES, lane);
        CHECK(first + n <= (block + 1) * sizes[k] / blocks);
        for (size_t i = 0; i < n; i++) seen[first + i]++;
        boltz_estimator_add(e, lane, n, log_w, NULL);
      }
    for (uint64_t i = 0; i < sizes[k]; i++) CHECK(seen[i] == 1);
    free(seen);
    boltz_arena_close(arena);
  }
}

static void sizes_around_the_number_of_blocks_are_estimated_alike(void) {
  const size_t sizes[] = {10, 999, 1000, 1001};
  const double a = 0.3;
  for (int k = 0; k < 4; k++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    const struct sample s = draw(5, sizes[k], a);
    const struct boltz_estimate r = estimate(arena, &s, 64, 1);
    CHECK_NEAR(r.log_z.value, a * a / 2, 4 * r.log_z.stderr_);
    CHECK_NEAR(r.averages[0].value, a, 4 * r.averages[0].stderr_);
    /* The error of ln Σw is sqrt((e^{a²} − 1)/n); n = 10 knows its own error to a factor 2, the
     * others to 10 % (200 replicates: 5 %, the sample's own variance: 4 %). */
    const double expected = sqrt(expm1(a * a) / (double)sizes[k]);
    const double factor = sizes[k] == 10 ? 2 : 1.15;
    CHECK(r.log_z.stderr_ > expected / factor && r.log_z.stderr_ < expected * factor);
    CHECK(r.log_z.interval[0] < r.log_z.value && r.log_z.interval[1] > r.log_z.value);
    discard(s);
    boltz_arena_close(arena);
  }
}

/* ---- room ---- */

static void memory_does_not_grow_with_n_but_by_its_root(void) {
  size_t size[2];
  for (int k = 0; k < 2; k++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    struct boltz_estimate_spec spec = spec_of(k == 0 ? 1000000 : 100000000);
    struct boltz_estimator *e = NULL;
    CHECK_INT(boltz_estimator_new(&spec, arena, &e), BOLTZ_OK);
    size[k] = boltz_arena_size(arena);
    boltz_arena_close(arena);
  }
  CHECK_MSG(size[1] < 12 * size[0], "%zu, %zu", size[0], size[1]); /* 10 times, and whole chunks */
}

static void an_arena_of_the_size_that_was_told_is_enough_and_not_wasteful(void) {
  const size_t sizes[] = {1, 3, 100, 1000, 20000};
  const struct sample s = draw(4, 20000, 0.5);
  for (int k = 0; k < 5; k++) {
    struct boltz_estimate_spec spec = spec_of(sizes[k]);
    const size_t size = boltz_estimator_size(&spec);
    struct boltz_arena *arena = boltz_arena_open(size);
    struct boltz_estimator *e = NULL;
    struct boltz_estimate result = {0};
    CHECK_INT(boltz_estimator_new(&spec, arena, &e), BOLTZ_OK);
    for (int lane = 0; lane < BOLTZ_ESTIMATE_LANES; lane++) feed_lane(e, lane, 1000, &s);
    CHECK_INT(boltz_estimator_finish(e, arena, &result), BOLTZ_OK);
    /* 8 bytes for each of 1 + 7 + 20 + 21 sums a block, 25 values a replicate, 17 tails of 3√n, and
     * half as much again for the small ones, but for some 20 kB. */
    const double blocks = sizes[k] < 1000 ? (double)sizes[k] : 1000;
    const double bytes = 8 * (49 * blocks + 25 * 200 + 17 * 3 * sqrt((double)sizes[k]));
    CHECK_MSG((double)size < 1.5 * bytes + 20000, "%zu, %g", size, bytes);
    boltz_arena_close(arena);
  }
  struct boltz_profile_spec wide[] = {{.low = 0, .high = 1, .bins = INT32_MAX}};
  struct boltz_estimate_spec spec = {.n = 1000, .nprofiles = 1, .profiles = wide};
  CHECK(boltz_estimator_size(&spec) > (size_t)INT32_MAX * 16000); /* 2 sums a bin and block */
  discard(s);
}

int main(int argc, char **argv) {
  RUN(the_cut_and_the_order_of_lanes_leave_the_bits_alone);
  RUN(pieces_in_any_order_leave_the_bits_alone);
  RUN(a_piece_without_room_says_so_and_can_be_done_again);
  RUN(bins_are_the_same_beside_thousands_of_others);
  RUN(blocks_cover_every_sample_once_and_runs_never_cross_them);
  RUN(sizes_around_the_number_of_blocks_are_estimated_alike);
  RUN(memory_does_not_grow_with_n_but_by_its_root);
  RUN(an_arena_of_the_size_that_was_told_is_enough_and_not_wasteful);
  return check_report();
}
