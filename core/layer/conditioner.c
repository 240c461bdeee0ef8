/* conditioner.c - the fixed coordinates of a coupling: checked, brought to networks, and back. */
#include "core/layer/conditioner.h"

#include "core/base/coordinates.h"
#include "core/base/vmath.h"
#include "core/kernel/kernel.h"
#include "core/layer/period.h"

enum boltz_status boltz_conditioner_new(const struct boltz_layer *layer,
                                        const struct boltz_ints *fixed,
                                        const struct boltz_ints *moved, struct boltz_arena *arena,
                                        struct conditioner *conditioner) {
  bool *seen = BOLTZ_NEW_ARRAY(arena, (size_t)layer->dim, bool);
  if (!seen) return BOLTZ_NO_MEMORY;
  if (layer->dim < 2)
    return boltz_fail(BOLTZ_OUT_OF_RANGE,
                      "a coupling needs a coordinate to fix and one to move: dim = %d is too small",
                      layer->dim);
  BOLTZ_TRY(boltz_coordinates_check("fixed", fixed, layer->dim, seen));
  BOLTZ_TRY(boltz_coordinates_check("moved", moved, layer->dim, seen));
  *conditioner = (struct conditioner){
      .n = fixed->n, .input = BOLTZ_NEW_ARRAY(arena, fixed->n, struct conditioner_input)};
  if (!conditioner->input) return BOLTZ_NO_MEMORY;
  for (size_t f = 0; f < fixed->n; f++) {
    const struct boltz_domain *domain = &layer->domain[fixed->v[f]];
    const bool periodic = domain->type == BOLTZ_PERIODIC;
    conditioner->input[f] = (struct conditioner_input){.coordinate = fixed->v[f],
                                                       .column = conditioner->width,
                                                       .periodic = periodic,
                                                       .low = periodic ? domain->low : 0,
                                                       .width = domain->high - domain->low};
    conditioner->width += periodic ? 2 : 1;
  }
  return BOLTZ_OK;
}

/* cos and sin of 2 pi (x - low)/width */
BOLTZ_INLINE void turn(double x, double low, double width, double *cosine, double *sine) {
  const double u = (boltz_wrap(x, low, width) - low) / width;
  boltz_cos_sin_turn(u, cosine, sine);
}

BOLTZ_VECTORISED static void gather_turns(double low, double width, size_t n, size_t ld,
                                          const double *restrict x, float *restrict a) {
  for (size_t i = 0; i < n; i++) {
    double cosine, sine;
    turn(x[i], low, width, &cosine, &sine);
    a[i * ld] = (float)cosine;
    a[i * ld + 1] = (float)sine;
  }
}

const float *boltz_conditioner_gather(const struct conditioner *conditioner,
                                      const struct boltz_batch *x, struct boltz_arena *scratch) {
  const size_t ld = boltz_kernel_ld(conditioner->width);
  float *a = boltz_arena_scratch(scratch, x->n, ld * sizeof *a);
  for (size_t f = 0; a && f < conditioner->n; f++) {
    const struct conditioner_input *in = &conditioner->input[f];
    const double *column = x->col[in->coordinate];
    float *to = a + in->column;
    if (in->periodic)
      gather_turns(in->low, in->width, x->n, ld, column, to);
    else
      for (size_t i = 0; i < x->n; i++) to[i * ld] = (float)column[i];
  }
  return a;
}

/* d cos/dx = -(2 pi/width) sin, d sin/dx = (2 pi/width) cos */
BOLTZ_VECTORISED static void back_turns(double low, double width, size_t n, size_t ld,
                                        const double *restrict x, const float *restrict ga,
                                        double *restrict g) {
  const double rate = 6.283185307179586477 / width;
  for (size_t i = 0; i < n; i++) {
    double cosine, sine;
    turn(x[i], low, width, &cosine, &sine);
    g[i] += rate * (cosine * (double)ga[i * ld + 1] - sine * (double)ga[i * ld]);
  }
}

void boltz_conditioner_back(const struct conditioner *conditioner, const struct boltz_batch *x,
                            const float *ga, struct boltz_batch *g) {
  const size_t ld = boltz_kernel_ld(conditioner->width);
  for (size_t f = 0; f < conditioner->n; f++) {
    const struct conditioner_input *in = &conditioner->input[f];
    double *column = g->col[in->coordinate];
    const float *from = ga + in->column;
    if (in->periodic)
      back_turns(in->low, in->width, g->n, ld, x->col[in->coordinate], from, column);
    else
      for (size_t i = 0; i < g->n; i++) column[i] += (double)from[i * ld];
  }
}
