/* gaussian_field.c - a Gaussian field on a periodic lattice, by transforms along its axes. */
#include "core/energy/gaussian_field.h"

#include <math.h>
#include <string.h>

#include "core/base/vmath.h"
#include "core/energy/torus.h"

/* Samples that are transformed together: their fields stay in the cache. */
enum { TILE = 64 };

static const double pi = 3.14159265358979323846;

/* to = sum over n of h[n] from[n, :], rows of `run` numbers: four at a time, for `to` to be loaded
   and stored less often. */
BOLTZ_VECTORISED static void combine_rows(int N, const double *restrict h, size_t run,
                                          const double *restrict from, double *restrict to) {
  for (size_t i = 0; i < run; i++) to[i] = 0;
  int n = 0;
  for (; n + 4 <= N; n += 4) {
    const double *a = from + n * run, *b = a + run, *c = b + run, *d = c + run;
    const double ha = h[n], hb = h[n + 1], hc = h[n + 2], hd = h[n + 3];
    for (size_t i = 0; i < run; i++) to[i] += ha * a[i] + hb * b[i] + (hc * c[i] + hd * d[i]);
  }
  for (; n < N; n++)
    for (size_t i = 0; i < run; i++) to[i] += h[n] * from[n * run + i];
}

/* to[outer, k, :] = sum over n of basis[k, n] from[outer, n, :], rows of `run` numbers. */
static void transform_axis(int N, const double *basis, size_t outer, size_t run, const double *from,
                           double *to) {
  for (size_t o = 0; o < outer; o++)
    for (int k = 0; k < N; k++)
      combine_rows(N, basis + k * N, run, from + o * N * run, to + (o * N + k) * run);
}

/* Transform [sites, m] along every axis; `from` is spent, the result is where it returns. */
static double *transform(const struct boltz_gaussian_field *field, size_t m, double *from,
                         double *to) {
  size_t outer = 1, inner = (size_t)field->sites / field->N;
  for (int axis = 0; axis < field->axes; axis++) {
    transform_axis(field->N, field->basis, outer, inner * m, from, to);
    double *spent = from;
    from = to;
    to = spent;
    outer *= field->N;
    inner /= field->N;
  }
  return from;
}

/* Angles are taken of the remainder k n mod N, where they are exact multiples. */
static double *hartley_basis(int N, struct boltz_arena *arena) {
  double *basis = BOLTZ_NEW_ARRAY(arena, (size_t)N * N, double);
  if (!basis) return NULL;
  for (int k = 0; k < N; k++)
    for (int n = 0; n < N; n++) {
      const double angle = 2 * pi * (k * n % N) / N;
      basis[k * N + n] = (cos(angle) + sin(angle)) / sqrt(N);
    }
  return basis;
}

/* Eigenvalue of C at mode k = (k_1, k_2, ...), numbered as the sites are. */
static double eigenvalue(int N, int axes, double alpha, int mode) {
  double sum = 0;
  for (int axis = 0; axis < axes; axis++, mode /= N) sum += 2 * cos(2 * pi * (mode % N) / N);
  return sum + alpha;
}

enum boltz_status boltz_gaussian_field_new(int N, int axes, double alpha, struct boltz_arena *arena,
                                           struct boltz_gaussian_field *field) {
  int sites = 1;
  for (int axis = 0; axis < axes; axis++) sites *= N;
  double *basis = hartley_basis(N, arena);
  double *gain = BOLTZ_NEW_ARRAY(arena, (size_t)sites, double);
  double *row = BOLTZ_NEW_ARRAY(arena, (size_t)sites, double);
  double *spare = BOLTZ_NEW_ARRAY(arena, (size_t)sites, double);
  if (!basis || !gain || !row || !spare) return BOLTZ_NO_MEMORY;

  double log_det = 0;
  for (int mode = 0; mode < sites; mode++) {
    const double value = eigenvalue(N, axes, alpha, mode);
    gain[mode] = 1 / value;
    log_det += log(value);
    row[mode] = gain[mode] / sqrt(sites); /* the basis is 1/sqrt(sites) at site 0 */
  }
  *field = (struct boltz_gaussian_field){
      .N = N, .axes = axes, .sites = sites, .basis = basis, .gain = gain, .log_det = log_det};
  field->kernel = transform(field, 1, row, spare);
  return BOLTZ_OK;
}

double boltz_gaussian_field_log_det(const struct boltz_gaussian_field *field, double J,
                                    double temperature) {
  return field->sites * log(2 * pi * J / temperature) + field->log_det;
}

/* u += (weight / 2) field^2, and the field becomes weight * field. */
BOLTZ_VECTORISED static void weigh_mode(double weight, size_t m, double *restrict field,
                                        double *restrict u) {
  for (size_t i = 0; i < m; i++) {
    const double weighted = weight * field[i];
    u[i] += 0.5 * weighted * field[i];
    field[i] = weighted;
  }
}

/* Samples first ... first + m - 1, between two buffers [sites, m]. */
static void energy_of_tile(const struct boltz_gaussian_field *field, double scale,
                           struct boltz_component component, const struct boltz_batch *x,
                           size_t first, size_t m, double *buffers[2], double *u,
                           struct boltz_batch *gu) {
  for (int site = 0; site < field->sites; site++)
    memcpy(buffers[0] + (size_t)site * m, x->col[component.first + component.width * site] + first,
           m * sizeof(double));

  double *modes = transform(field, m, buffers[0], buffers[1]);
  for (int k = 0; k < field->sites; k++)
    weigh_mode(scale * field->gain[k], m, modes + (size_t)k * m, u + first);
  if (!gu) return;

  double *other = modes == buffers[0] ? buffers[1] : buffers[0];
  const double *g = transform(field, m, modes, other);
  for (int site = 0; site < field->sites; site++)
    memcpy(gu->col[component.first + component.width * site] + first, g + (size_t)site * m,
           m * sizeof(double));
}

bool boltz_gaussian_field_energy(const struct boltz_gaussian_field *field, double scale,
                                 struct boltz_component component, const struct boltz_batch *x,
                                 double *u, struct boltz_batch *gu, struct boltz_arena *scratch) {
  const size_t n = x->n, sites = (size_t)field->sites, most = n < TILE ? n : TILE;
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  double *buffer = boltz_arena_scratch(scratch, 2 * sites * most, sizeof(double));
  if (!buffer) return false;
  double *buffers[2] = {buffer, buffer + sites * most};
  for (size_t first = 0; first < n; first += TILE) {
    const size_t m = n - first < TILE ? n - first : TILE;
    energy_of_tile(field, scale, component, x, first, m, buffers, u, gu);
  }
  boltz_arena_release(scratch, mark);
  return true;
}

/* Samples whose sums stay in registers; arithmetic of such vectors is that of their numbers. */
enum { FOUR = 4, BLOCK = 2 * FOUR };
typedef double four __attribute__((vector_size(FOUR * sizeof(double)), aligned(8), may_alias));

/* Sums over even and over odd terms. */
struct sums {
  four even[2], odd[2];
};

/* sum += h column, m <= BLOCK samples; those beyond are 0. */
BOLTZ_INLINE void add_term(double h, const double *column, size_t m, four sum[2]) {
  double few[BLOCK] = {0};
  if (m < BLOCK) memcpy(few, column, m * sizeof(double));
  const four *samples = (const four *)(m < BLOCK ? few : column);
  sum[0] += h * samples[0];
  sum[1] += h * samples[1];
}

/* sums += h[0] x_0 + h[1] x_1 + ... of `count` sites. */
BOLTZ_INLINE void add_run(int count, const double *h, double *const *col, int width, size_t first,
                          size_t m, struct sums *sums) {
  int n = 0;
  for (; n + 2 <= count; n += 2) {
    add_term(h[n], col[n * width] + first, m, sums->even);
    add_term(h[n + 1], col[(n + 1) * width] + first, m, sums->odd);
  }
  if (n < count) add_term(h[n], col[n * width] + first, m, sums->even);
}

/* How far a row of N sites lies from another, as the number of the site 0 of such a row. */
static int separation(const struct boltz_gaussian_field *field, int from, int to) {
  const int N = field->N;
  int number = 0, stride = N;
  for (int axis = 1; axis < field->axes; axis++, stride *= N, from /= N, to /= N)
    number += (to % N - from % N + N) % N * stride;
  return number;
}

/* du += scale (y - x) (C^-1 x + C^-1_00 (y - x)/2), m samples: of a row of sites those from the
   site's own column on come first, then, around the end, those before it. */
BOLTZ_INLINE void add_block(const struct boltz_gaussian_field *field, double scale,
                            struct boltz_component component, const struct boltz_batch *x, int site,
                            const double *moved, size_t first, size_t m, double *du) {
  const int N = field->N, at = site % N;
  struct sums sums = {0};
  for (int row = 0; row < field->sites / N; row++) {
    const double *h = field->kernel + separation(field, site / N, row);
    double **col = x->col + component.first + (size_t)component.width * row * N;
    add_run(N - at, h, col + component.width * at, component.width, first, m, &sums);
    add_run(at, h + N - at, col, component.width, first, m, &sums);
  }
  const double *here = x->col[component.first + component.width * site];
  for (size_t i = 0; i < m; i++) {
    const double sum = sums.even[i / FOUR][i % FOUR] + sums.odd[i / FOUR][i % FOUR];
    const double step = moved[first + i] - here[first + i];
    du[first + i] += scale * step * (sum + 0.5 * field->kernel[0] * step);
  }
}

BOLTZ_VECTORISED void boltz_gaussian_field_difference(const struct boltz_gaussian_field *field,
                                                      double scale,
                                                      struct boltz_component component,
                                                      const struct boltz_batch *x, int site,
                                                      const double *moved, double *du) {
  size_t first = 0;
  for (; first + BLOCK <= x->n; first += BLOCK)
    add_block(field, scale, component, x, site, moved, first, BLOCK, du);
  if (first < x->n) add_block(field, scale, component, x, site, moved, first, x->n - first, du);
}
