/* test_columns.c - every kernel's column functions against the loops that define them. */
#include "boltz/arena.h"
#include "check.h"
#include "core/kernel/kernel.h"

#define LANES BOLTZ_COLUMN_LANES

/* Every kernel that this processor can run. */
#define EACH_KERNEL(kernel)                                                                       \
  for (int k_ = 0; boltz_kernel_at(k_); k_++)                                                     \
    for (const struct boltz_kernel *kernel = boltz_kernel_at(k_)->present() ? boltz_kernel_at(k_) \
                                                                            : NULL;               \
         kernel; kernel = NULL)

static void uniforms_are_those_of_one_index_at_a_time(void) {
  static const struct {
    uint64_t seed, first;
    uint32_t block;
  } cases[] = {{0, 0, 0}, {1, 0xffffffe0, 3}, {UINT64_MAX, (uint64_t)1 << 62, UINT32_MAX}};
  EACH_KERNEL(kernel) {
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
      double u[2][LANES];
      int wrong = 0;
      kernel->columns->uniforms(cases[c].seed, BOLTZ_STREAM_TEST, cases[c].first, cases[c].block,
                                LANES, u);
      for (size_t i = 0; i < LANES; i++) {
        double two[2];
        boltz_rng_uniform(cases[c].seed, BOLTZ_STREAM_TEST, cases[c].first + i, cases[c].block,
                          two);
        wrong += u[0][i] != two[0] || u[1][i] != two[1];
      }
      CHECK_MSG(wrong == 0, "%s, case %zu: %d of %d", kernel->name, c, wrong, LANES);
    }
  }
}

static void normals_of_a_batch_are_those_of_one_index_at_a_time(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_batch z;
  CHECK_INT(boltz_batch_new(arena, LANES + 3, 3, &z), BOLTZ_OK);
  boltz_rng_normals(4, BOLTZ_STREAM_TEST, 77, &z);
  int wrong = 0;
  for (size_t i = 0; i < z.n; i++)
    for (int j = 0; j < z.dim; j++) {
      double two[2];
      boltz_rng_normal(4, BOLTZ_STREAM_TEST, 77 + i, (uint32_t)j / 2, two);
      wrong += z.col[j][i] != two[j % 2];
    }
  CHECK_INT(wrong, 0);
  boltz_arena_close(arena);
}

/* By the definition in columns.h, with the C library's rounding. */
static void look_up(const struct boltz_cells *cells, double x, double *s, double *t) {
  const double a = fma(x, cells->per_unit, cells->offset);
  const double first = BOLTZ_TABLE_OUTER - 0.5, last = BOLTZ_TABLE_CELLS - first - 1;
  double at = !(a > first) ? first + (a - first) / BOLTZ_TABLE_WIDER
              : a > last   ? last + (a - last) / BOLTZ_TABLE_WIDER
                           : a;
  if (!(at > 0)) at = 0;
  if (at > BOLTZ_TABLE_CELLS - 1) at = BOLTZ_TABLE_CELLS - 1;
  const double k = nearbyint(at);
  const double *cell = cells->cell + (size_t)k * cells->stride;
  *s = fma(at - k, cell[1], cell[0]);
  *t = fma(at - k, cell[3], cell[2]);
}

static void a_lookup_follows_its_definition(void) {
  enum { N = 23, STRIDE = 12 };
  static double cell[BOLTZ_TABLE_CELLS * STRIDE];
  for (size_t k = 0; k < BOLTZ_TABLE_CELLS * STRIDE; k++) {
    double u[2];
    boltz_rng_uniform(3, BOLTZ_STREAM_TEST, k, 0, u);
    cell[k] = u[0] - 0.5;
  }
  const double far[] = {NAN,  INFINITY, -INFINITY, 1e300, -1e300, -3,    3,   0,
                        -0.0, 1e-320,   2.999,     -26.9, 25,     -3.01, 27.1};
  double x[N], s[N], t[N];
  for (size_t i = 0; i < N; i++) {
    double u[2];
    boltz_rng_uniform(3, BOLTZ_STREAM_TEST, i, 1, u);
    x[i] = i < sizeof far / sizeof *far ? far[i] : 8 * u[0] - 4;
  }
  /* narrow cells up to 3, wide ones up to 27 */
  const struct boltz_cells cells = {.per_unit = 512 / 6.0,
                                    .offset = BOLTZ_TABLE_CELLS / 2.0 - 0.5,
                                    .cell = cell + 4,
                                    .stride = STRIDE};
  EACH_KERNEL(kernel) {
    for (size_t n = 0; n <= N; n++) { /* every remainder */
      int wrong = 0;
      memset(s, 0, sizeof s);
      memset(t, 0, sizeof t);
      kernel->columns->lookup(&cells, n, x, s, t);
      for (size_t i = 0; i < N; i++) {
        double si = 0, ti = 0;
        if (i < n) look_up(&cells, x[i], &si, &ti);
        wrong += s[i] != si || t[i] != ti;
      }
      CHECK_MSG(wrong == 0, "%s, n = %zu: %d rows", kernel->name, n, wrong);
    }
  }
}

int main(int argc, char **argv) {
  RUN(uniforms_are_those_of_one_index_at_a_time);
  RUN(normals_of_a_batch_are_those_of_one_index_at_a_time);
  RUN(a_lookup_follows_its_definition);
  return check_report();
}
