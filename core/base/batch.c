/* batch.c - n samples by dim coordinates, one contiguous column a coordinate. */
#include "boltz/batch.h"

#include <string.h>

enum boltz_status boltz_batch_new(struct boltz_arena *arena, size_t n, int dim,
                                  struct boltz_batch *batch) {
  size_t stride;
  if (dim < 0 || __builtin_add_overflow(n, (size_t)7, &stride))
    return boltz_fail(BOLTZ_NO_MEMORY, "a batch of %zu samples by %d coordinates cannot be held", n,
                      dim);
  stride &= ~(size_t)7; /* columns start on cache lines */
  size_t total;
  if (__builtin_mul_overflow(stride, (size_t)dim, &total))
    return boltz_fail(BOLTZ_NO_MEMORY, "a batch of %zu samples by %d coordinates cannot be held", n,
                      dim);
  double **col = BOLTZ_NEW_ARRAY(arena, (size_t)dim, double *);
  double *values = BOLTZ_NEW_ARRAY(arena, total, double);
  if (!col || !values) return BOLTZ_NO_MEMORY;
  for (int j = 0; j < dim; j++) col[j] = values + (size_t)j * stride;
  *batch = (struct boltz_batch){.n = n, .dim = dim, .col = col};
  return BOLTZ_OK;
}

enum boltz_status boltz_batch_view(struct boltz_arena *arena, const struct boltz_batch *batch,
                                   size_t first, size_t n, struct boltz_batch *view) {
  double **col = BOLTZ_NEW_ARRAY(arena, (size_t)batch->dim, double *);
  if (!col) return BOLTZ_NO_MEMORY;
  for (int j = 0; j < batch->dim; j++) col[j] = batch->col[j] + first;
  *view = (struct boltz_batch){.n = n, .dim = batch->dim, .col = col};
  return BOLTZ_OK;
}

void boltz_batch_from_rows(struct boltz_batch *batch, const double *rows) {
  size_t dim = (size_t)batch->dim;
  for (size_t j = 0; j < dim; j++)
    for (size_t i = 0; i < batch->n; i++) batch->col[j][i] = rows[i * dim + j];
}

void boltz_batch_to_rows(const struct boltz_batch *batch, double *rows) {
  size_t dim = (size_t)batch->dim;
  for (size_t j = 0; j < dim; j++)
    for (size_t i = 0; i < batch->n; i++) rows[i * dim + j] = batch->col[j][i];
}

void boltz_batch_copy(struct boltz_batch *to, size_t to_first, const struct boltz_batch *from,
                      size_t from_first, size_t n) {
  for (int j = 0; j < to->dim; j++)
    memmove(to->col[j] + to_first, from->col[j] + from_first, n * sizeof(double));
}
