/* test_assignment.c - least costs against all permutations, prices, and an order that is known. */
#include "boltz/rng.h"
#include "check.h"
#include "core/linear/assignment.h"

#define MOST 100

static double cost[MOST * MOST];
static size_t column[MOST];

static double uniform(uint64_t seed, uint64_t index) {
  double u[2];
  boltz_rng_uniform(seed, BOLTZ_STREAM_TEST, index, 0, u);
  return u[0];
}

static struct boltz_assignment new_room(size_t n, struct boltz_arena *arena) {
  struct boltz_assignment room = {0};
  CHECK_INT(boltz_assignment_new(n, arena, &room), BOLTZ_OK);
  return room;
}

static double total(size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += cost[i * n + column[i]];
  return sum;
}

static bool is_permutation(size_t n) {
  bool seen[MOST] = {false};
  for (size_t i = 0; i < n; i++) {
    if (column[i] >= n || seen[column[i]]) return false;
    seen[column[i]] = true;
  }
  return true;
}

/* The least of rows `row` and on, in the columns that are left. */
static double least_of_all(size_t n, size_t row, unsigned taken) {
  double least = row == n ? 0 : INFINITY;
  for (size_t j = 0; row < n && j < n; j++)
    if (!(taken >> j & 1))
      least = fmin(least, cost[row * n + j] + least_of_all(n, row + 1, taken | 1u << j));
  return least;
}

static double any(double u) {
  return u;
}

static double of_either_sign(double u) {
  return 20 * u - 15;
}

static double integer(double u) {
  return floor(3 * u);
}

static double integer_of_either_sign(double u) {
  return floor(5 * u) - 2;
}

static double all_alike(double u) {
  (void)u;
  return 4;
}

static void it_costs_the_least_of_all_permutations(void) {
  static double (*const kinds[])(double) = {any, of_either_sign, integer, integer_of_either_sign,
                                            all_alike};
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
    for (size_t n = 1; n <= 7; n++) {
      struct boltz_arena *arena = boltz_arena_open(0);
      struct boltz_assignment room = new_room(n, arena); /* one for all: nothing is left in it */
      for (uint64_t trial = 0; trial < 30; trial++) {
        for (size_t c = 0; c < n * n; c++) cost[c] = kinds[k](uniform(trial, 100 * n + c));
        boltz_assign(cost, &room, column);
        CHECK(is_permutation(n));
        CHECK_NEAR(total(n), least_of_all(n, 0, 0), 1e-13); /* seven numbers up to 15 */
      }
      boltz_arena_close(arena);
    }
}

/* Prices u, v with u_i + v_j <= cost_ij, equal where given, prove it: whatever the permutation, it
   costs no less than the sum of all prices. */
static void prices_prove_that_nothing_is_cheaper(void) {
  enum { N = 40 };
  static double (*const kinds[])(double) = {any, of_either_sign, integer_of_either_sign};
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    struct boltz_assignment room = new_room(N, arena);
    for (uint64_t trial = 0; trial < 5; trial++) {
      double sum = 0;
      for (size_t c = 0; c < N * N; c++) cost[c] = kinds[k](uniform(70 + trial, c));
      boltz_assign(cost, &room, column);
      CHECK(is_permutation(N));
      /* sums along paths of up to 40 numbers up to 15 */
      for (size_t i = 0; i < N; i++) {
        sum += room.u[i] + room.v[i];
        for (size_t j = 0; j < N; j++) CHECK(room.u[i] + room.v[j] <= cost[i * N + j] + 1e-12);
        CHECK_NEAR(room.u[i] + room.v[column[i]], cost[i * N + column[i]], 1e-12);
        CHECK_INT(room.row[column[i]], i);
      }
      CHECK_NEAR(sum, total(N), 1e-11);
    }
    boltz_arena_close(arena);
  }
}

/* Squared distances on a line are least in the order of size. */
static void points_on_a_line_go_in_their_order(void) {
  enum { N = MOST };
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_assignment room = new_room(N, arena);
  double a[N], b[N];
  for (size_t i = 0; i < N; i++) a[i] = uniform(1, i), b[i] = 3 * uniform(2, i) - 5;
  for (size_t i = 0; i < N; i++)
    for (size_t j = 0; j < N; j++) cost[i * N + j] = (a[i] - b[j]) * (a[i] - b[j]);
  boltz_assign(cost, &room, column);
  CHECK(is_permutation(N));
  for (size_t i = 0; i < N; i++) {
    size_t of_a = 0, of_b = 0;
    for (size_t k = 0; k < N; k++) of_a += a[k] < a[i], of_b += b[k] < b[column[i]];
    CHECK_INT(of_a, of_b);
  }
  boltz_arena_close(arena);
}

static void no_room_is_said(void) {
  struct boltz_arena *small = boltz_arena_open(600);
  struct boltz_assignment room;
  CHECK_INT(boltz_assignment_new(MOST, small, &room), BOLTZ_NO_MEMORY);
  boltz_arena_close(small);
}

int main(int argc, char **argv) {
  RUN(it_costs_the_least_of_all_permutations);
  RUN(prices_prove_that_nothing_is_cheaper);
  RUN(points_on_a_line_go_in_their_order);
  RUN(no_room_is_said);
  return check_report();
}
