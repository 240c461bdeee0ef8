/* random.c - whole batches of random numbers. */
#include <string.h>

#include "core/base/vmath.h"
#include "core/kernel/kernel.h"

#define LANES BOLTZ_COLUMN_LANES

/* Box & Muller 1958, as boltz_rng_normal() does it. */
BOLTZ_VECTORISED static void normals_of_uniforms(size_t n, double u[2][LANES]) {
  for (size_t i = 0; i < n; i++) {
    double cosine, sine;
    const double radius = sqrt(-2 * boltz_log(u[0][i]));
    boltz_cos_sin_turn(u[1][i], &cosine, &sine);
    u[0][i] = radius * cosine;
    u[1][i] = radius * sine;
  }
}

static void fill(void (*transform)(size_t n, double u[2][LANES]), uint64_t seed,
                 enum boltz_stream stream, uint64_t first, struct boltz_batch *x) {
  const struct boltz_columns *columns = boltz_kernel_auto()->columns;
  double u[2][LANES];
  for (size_t at = 0; at < x->n; at += LANES) {
    const size_t n = x->n - at < LANES ? x->n - at : LANES;
    const size_t made = (n + 3) / 4 * 4;
    for (int j = 0; j < x->dim; j += 2) {
      columns->uniforms(seed, stream, first + at, (uint32_t)j / 2, made, u);
      if (transform) transform(made, u);
      memcpy(x->col[j] + at, u[0], n * sizeof(double));
      if (j + 1 < x->dim) memcpy(x->col[j + 1] + at, u[1], n * sizeof(double));
    }
  }
}

void boltz_rng_normals(uint64_t seed, enum boltz_stream stream, uint64_t first,
                       struct boltz_batch *z) {
  fill(normals_of_uniforms, seed, stream, first, z);
}

void boltz_rng_uniforms(uint64_t seed, enum boltz_stream stream, uint64_t first,
                        struct boltz_batch *u) {
  fill(NULL, seed, stream, first, u);
}
