/* test_descent.c - minima from many starts side by side. */
#include "core/linear/descent.h"

#include "boltz/rng.h"
#include "tests/check.h"

#define DIM 4

typedef void (*function)(const struct boltz_batch *x, double *u, struct boltz_batch *g);

/* sum of 100 (x_(j+1) - x_j^2)^2 + (1 - x_j)^2: a bent valley, the minimum at ones. */
static void rosenbrock(const struct boltz_batch *x, double *u, struct boltz_batch *g) {
  for (size_t i = 0; i < x->n; i++) {
    u[i] = 0;
    for (int j = 0; j < x->dim; j++) g->col[j][i] = 0;
    for (int j = 0; j + 1 < x->dim; j++) {
      const double a = x->col[j][i], b = x->col[j + 1][i], d = b - a * a;
      u[i] += 100 * d * d + (1 - a) * (1 - a);
      g->col[j][i] += -400 * a * d - 2 * (1 - a);
      g->col[j + 1][i] += 200 * d;
    }
  }
}

/* Curvatures from 1 to 10^6, minimum at (1, 2, 3, 4). */
static void valley(const struct boltz_batch *x, double *u, struct boltz_batch *g) {
  for (size_t i = 0; i < x->n; i++) {
    u[i] = 0;
    for (int j = 0; j < x->dim; j++) {
      const double k = pow(100, j), d = x->col[j][i] - (j + 1);
      u[i] += 0.5 * k * d * d;
      g->col[j][i] = k * d;
    }
  }
}

/* x - ln x in every coordinate: nothing at and below 0. */
static void walled(const struct boltz_batch *x, double *u, struct boltz_batch *g) {
  for (size_t i = 0; i < x->n; i++) {
    u[i] = 0;
    for (int j = 0; j < x->dim; j++) {
      u[i] += x->col[j][i] - log(x->col[j][i]);
      g->col[j][i] = 1 - 1 / x->col[j][i];
    }
  }
}

static int descend(struct boltz_arena *arena, const struct boltz_batch *x, function f, int most,
                   struct boltz_descent **descent) {
  struct boltz_batch g;
  double u[16];
  int rounds = 0;
  bool more = true;
  CHECK_INT(boltz_batch_new(arena, x->n, x->dim, &g), BOLTZ_OK);
  CHECK_INT(boltz_descent_new(x, arena, descent), BOLTZ_OK);
  for (; more && rounds < most; rounds++) {
    const struct boltz_batch *trial = boltz_descent_trial(*descent);
    g.n = trial->n;
    f(trial, u, &g);
    more = boltz_descent_advance(*descent, u, &g);
  }
  return rounds;
}

static struct boltz_batch starts(struct boltz_arena *arena, size_t n, double scale, double shift) {
  struct boltz_batch x;
  CHECK_INT(boltz_batch_new(arena, n, DIM, &x), BOLTZ_OK);
  boltz_rng_normals(5, BOLTZ_STREAM_TEST, 0, &x);
  for (int j = 0; j < DIM; j++)
    for (size_t i = 0; i < n; i++) x.col[j][i] = scale * x.col[j][i] + shift;
  return x;
}

static void every_start_comes_down_a_narrow_valley(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_descent *descent;
  const struct boltz_batch x = starts(arena, 16, 10, 0);
  CHECK(descend(arena, &x, valley, 300, &descent) < 300);
  for (size_t i = 0; i < x.n; i++) {
    const struct boltz_descent_row row = boltz_descent_row(descent, i);
    CHECK(row.u < 1e-10 && row.fall <= 1e-12);
    for (int j = 0; j < DIM; j++) CHECK_NEAR(row.x[j], j + 1, 1e-5);
  }
  boltz_arena_close(arena);
}

/* The second minimum of four coordinates, near (-0.776, 0.613, 0.382, 0.146), is one, too. */
static void starts_find_the_minima_of_a_bent_valley(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_descent *descent;
  const struct boltz_batch x = starts(arena, 16, 1, 0);
  int first = 0;
  CHECK(descend(arena, &x, rosenbrock, 1000, &descent) < 1000);
  for (size_t i = 0; i < x.n; i++) {
    const struct boltz_descent_row row = boltz_descent_row(descent, i);
    const double there = row.x[0] < 0 ? -0.775659 : 1;
    CHECK_NEAR(row.x[0], there, 1e-5);
    CHECK_NEAR(row.x[3], there < 0 ? 0.382063 * 0.382063 : 1, 1e-5);
    first += there > 0;
  }
  CHECK(first > 0);
  boltz_arena_close(arena);
}

static void a_step_to_where_nothing_is_finite_is_taken_back(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_descent *descent;
  struct boltz_batch x = starts(arena, 8, 0.05, 0.5);
  x.col[2][7] = -1; /* this one starts there */
  CHECK(descend(arena, &x, walled, 300, &descent) < 300);
  for (size_t i = 0; i < 7; i++) {
    CHECK_NEAR(boltz_descent_row(descent, i).u, DIM, 1e-12);
    for (int j = 0; j < DIM; j++) CHECK_NEAR(boltz_descent_row(descent, i).x[j], 1, 1e-5);
  }
  CHECK(boltz_descent_row(descent, 7).u == INFINITY);
  CHECK(boltz_descent_row(descent, 7).fall == INFINITY);
  boltz_arena_close(arena);
}

static void a_row_goes_its_way_whatever_its_company(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_descent *together, *alone;
  const struct boltz_batch x = starts(arena, 16, 1, 0);
  descend(arena, &x, rosenbrock, 50, &together);
  for (size_t i = 0; i < x.n; i += 5) {
    struct boltz_batch one;
    CHECK_INT(boltz_batch_view(arena, &x, i, 1, &one), BOLTZ_OK);
    descend(arena, &one, rosenbrock, 50, &alone);
    const struct boltz_descent_row a = boltz_descent_row(together, i);
    const struct boltz_descent_row b = boltz_descent_row(alone, 0);
    CHECK(a.u == b.u && memcmp(a.x, b.x, DIM * sizeof *a.x) == 0);
  }
  boltz_arena_close(arena);
}

int main(int argc, char **argv) {
  RUN(every_start_comes_down_a_narrow_valley);
  RUN(starts_find_the_minima_of_a_bent_valley);
  RUN(a_step_to_where_nothing_is_finite_is_taken_back);
  RUN(a_row_goes_its_way_whatever_its_company);
  return check_report();
}
