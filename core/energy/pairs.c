/* pairs.c - sums over pairs of particles, a block of samples at a time. */
#include "core/energy/pairs.h"

#include <math.h>
#include <string.h>

#include "core/base/vmath.h"

/* Samples of a pair that are looked at together: what a pair needs stays in the L1 cache, a call
   through a pointer is a small part of its work. */
enum { BLOCK = 128 };

struct block {
  size_t first, n;
  double d[3][BLOCK]; /* separation, from the first particle to the second */
  double r2[BLOCK], U[BLOCK], f[BLOCK];
};

/* The block of samples that begins at `first`. */
static void block_begin(struct block *block, size_t first, size_t n) {
  block->first = first;
  block->n = n - first < BLOCK ? n - first : BLOCK;
}

/* d = b - a of the nearest images, r2 + d^2. */
BOLTZ_INLINE void separate(double period, size_t n, const double *restrict a,
                           const double *restrict b, double *restrict d, double *restrict r2) {
  if (period == 0) {
    for (size_t i = 0; i < n; i++) d[i] = b[i] - a[i];
  } else {
    const double inverse = 1 / period;
    for (size_t i = 0; i < n; i++) {
      const double s = b[i] - a[i], images = (s * inverse + BOLTZ_ROUNDER) - BOLTZ_ROUNDER;
      d[i] = s - period * images;
    }
  }
  for (size_t i = 0; i < n; i++) r2[i] += d[i] * d[i];
}

/* d and r2 of the particles whose columns begin at `a` and at `b`. */
BOLTZ_VECTORISED static void separations(const struct boltz_particles *particles, double *const *a,
                                         double *const *b, struct block *block) {
  memset(block->r2, 0, block->n * sizeof(double));
  for (int k = 0; k < particles->space; k++)
    separate(particles->period, block->n, a[k] + block->first, b[k] + block->first, block->d[k],
             block->r2);
}

BOLTZ_INLINE void push(size_t n, const double *restrict f, const double *restrict d,
                       double *restrict ga, double *restrict gb) {
  for (size_t i = 0; i < n; i++) {
    const double g = f[i] * d[i];
    ga[i] -= g;
    gb[i] += g;
  }
}

/* Add the block's energies to U, and its gradients to the columns at `ga` and `gb` unless NULL. */
BOLTZ_VECTORISED static void collect(int space, const struct block *block, double *restrict U,
                                     double *const *ga, double *const *gb) {
  for (size_t i = 0; i < block->n; i++) U[block->first + i] += block->U[i];
  for (int k = 0; ga && k < space; k++)
    push(block->n, block->f, block->d[k], ga[k] + block->first, gb[k] + block->first);
}

/* The pair (p, q) of a block. */
static void add_pair(const struct boltz_particles *particles, const struct boltz_radial *radial,
                     int p, int q, const struct boltz_batch *x, struct block *block, double *U,
                     struct boltz_batch *gU) {
  const int space = particles->space;
  separations(particles, x->col + p * space, x->col + q * space, block);
  radial->eval(radial->of, block->n, block->r2, block->U, block->f);
  collect(space, block, U, gU ? gU->col + p * space : NULL, gU ? gU->col + q * space : NULL);
}

void boltz_pairs_clear(size_t n, double *U, struct boltz_batch *gU) {
  memset(U, 0, n * sizeof(double));
  for (int j = 0; gU && j < gU->dim; j++) memset(gU->col[j], 0, n * sizeof(double));
}

void boltz_pairs_add(const struct boltz_particles *particles, const struct boltz_radial *radial,
                     const struct boltz_batch *x, double *U, struct boltz_batch *gU) {
  struct block block;
  for (size_t first = 0; first < x->n; first += BLOCK) {
    block_begin(&block, first, x->n);
    for (int p = 0; p < particles->n; p++)
      for (int q = p + 1; q < particles->n; q++)
        if (q >= particles->excluded) add_pair(particles, radial, p, q, x, &block, U, gU);
  }
}

void boltz_pair_add(const struct boltz_particles *particles, const struct boltz_radial *radial,
                    int p, int q, const struct boltz_batch *x, double *U, struct boltz_batch *gU) {
  struct block block;
  for (size_t first = 0; first < x->n; first += BLOCK) {
    block_begin(&block, first, x->n);
    add_pair(particles, radial, p, q, x, &block, U, gU);
  }
}

/* The pair of particle q with one at `at`, in a block. */
static void add_site(const struct boltz_particles *particles, const struct boltz_radial *radial,
                     const struct boltz_batch *x, const struct boltz_batch *at, int q,
                     struct block *block, double *U) {
  separations(particles, at->col, x->col + q * particles->space, block);
  radial->eval(radial->of, block->n, block->r2, block->U, block->f);
  collect(particles->space, block, U, NULL, NULL);
}

void boltz_pairs_add_site(const struct boltz_particles *particles,
                          const struct boltz_radial *radial, const struct boltz_batch *x, int p,
                          const struct boltz_batch *at, double *U) {
  const int first_met = p < particles->excluded ? particles->excluded : 0;
  struct block block;
  for (size_t first = 0; first < x->n; first += BLOCK) {
    block_begin(&block, first, x->n);
    for (int q = first_met; q < particles->n; q++)
      if (q != p) add_site(particles, radial, x, at, q, &block, U);
  }
}

void boltz_pair_add_site(const struct boltz_particles *particles, const struct boltz_radial *radial,
                         const struct boltz_batch *x, int q, const struct boltz_batch *at,
                         double *U) {
  struct block block;
  for (size_t first = 0; first < x->n; first += BLOCK) {
    block_begin(&block, first, x->n);
    add_site(particles, radial, x, at, q, &block, U);
  }
}

BOLTZ_VECTORISED static void reduce_difference(size_t n, double temperature,
                                               const double *restrict before, double *restrict du) {
  for (size_t i = 0; i < n; i++) du[i] = (du[i] - before[i]) / temperature;
}

void boltz_site_difference(const struct boltz_site_energy *energy, double temperature,
                           const struct boltz_batch *x, int site, const struct boltz_batch *moved,
                           double *du, struct boltz_arena *scratch) {
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  const struct boltz_batch here = {.n = x->n, .dim = moved->dim, .col = x->col + site * moved->dim};
  double *before = BOLTZ_NEW_ARRAY(scratch, x->n, double);
  if (!before) {
    for (size_t i = 0; i < x->n; i++) du[i] = NAN;
    boltz_arena_release(scratch, mark);
    return;
  }
  boltz_pairs_clear(x->n, du, NULL);
  energy->add(energy->settings, x, site, moved, du);
  energy->add(energy->settings, x, site, &here, before);
  reduce_difference(x->n, temperature, before, du);
  boltz_arena_release(scratch, mark);
}

BOLTZ_VECTORISED static void root(size_t n, double factor, double *restrict v) {
  for (size_t i = 0; i < n; i++) v[i] = sqrt(factor * v[i]);
}

static void square(const void *of, size_t n, const double *r2, double *U, double *f) {
  (void)of;
  memcpy(U, r2, n * sizeof(double));
  for (size_t i = 0; i < n; i++) f[i] = 2;
}

void boltz_pair_distance(const struct boltz_particles *particles, int p, int q,
                         const struct boltz_batch *x, double *r) {
  const struct boltz_radial squared = {.eval = square};
  boltz_pairs_clear(x->n, r, NULL);
  boltz_pair_add(particles, &squared, p, q, x, r, NULL);
  root(x->n, 1, r);
}

void boltz_pairs_gyration(const struct boltz_particles *particles, const struct boltz_batch *x,
                          double *rg) {
  const struct boltz_radial squared = {.eval = square};
  struct boltz_particles all = *particles;
  all.excluded = 0;
  boltz_pairs_clear(x->n, rg, NULL);
  boltz_pairs_add(&all, &squared, x, rg, NULL);
  root(x->n, 1 / ((double)all.n * all.n), rg);
}
