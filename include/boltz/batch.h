/* batch.h - n samples by dim coordinates, one contiguous column a coordinate. */
#ifndef BOLTZ_BATCH_H
#define BOLTZ_BATCH_H

#include <stddef.h>

#include "boltz/arena.h"
#include "boltz/status.h"

/** x.col[j][i] is coordinate j of sample i. A batch may be a view into another one's columns. */
struct boltz_batch {
  size_t n;
  int dim;
  double **col; /* [dim] pointers to n doubles each */
};

/** A zeroed batch in the arena. */
enum boltz_status boltz_batch_new(struct boltz_arena *arena, size_t n, int dim,
                                  struct boltz_batch *batch);

/** A view of samples first … first+n-1; its table of columns lives in the arena. */
enum boltz_status boltz_batch_view(struct boltz_arena *arena, const struct boltz_batch *batch,
                                   size_t first, size_t n, struct boltz_batch *view);

/** From and to row-major [n, dim]. */
void boltz_batch_from_rows(struct boltz_batch *batch, const double *rows);
void boltz_batch_to_rows(const struct boltz_batch *batch, double *rows);

/** Copy n samples of `from`, starting at `from_first`, to `to` starting at `to_first`. Same dim. */
void boltz_batch_copy(struct boltz_batch *to, size_t to_first, const struct boltz_batch *from,
                      size_t from_first, size_t n);

#endif
