/* conditioner.h - what couplings have in common: some coordinates are fixed and seen by networks,
 * the others moved.
 *
 * A fixed coordinate enters a network as it is, in float; one that is periodic here enters as cos
 * and sin of 2 pi (x - low)/(high - low), one after the other, so that no network sees a seam.
 *
 * Inputs come in the order of the list `fixed`, outputs in that of `moved`.
 *
 * Where the coordinates are those of the sites of a periodic lattice, one network may serve every
 * site that has moved coordinates: it sees the fixed coordinates near the site by their place
 * relative to it, and its rows are the batch once for every such site. Places are steps of -reach
 * ... reach along each axis, row-major, and the coordinates of the site there in their order; along
 * a side of no more sites than that, steps 0 ... side - 1. For a coordinate that is not fixed zeros
 * enter; one that is fixed there for no site is no input. Outputs are for the site's moved
 * coordinates in their order. */
#ifndef LAYER_CONDITIONER_H
#define LAYER_CONDITIONER_H

#include <math.h>

#include "boltz/layer.h"
#include "core/base/coordinates.h"
#include "core/nn/grid.h"
#include "core/nn/mlp.h"

/** Sites in row-major order, periodic in every direction, the same number of coordinates each. */
struct conditioner_lattice {
  struct boltz_ints sides; /* empty: no lattice, one network row a row */
  int64_t reach;           /* steps along each axis that a network sees */
};

/** An input of a network, or two. */
struct conditioner_input {
  size_t column; /* of the network's inputs; a periodic coordinate has the next one too */
  bool periodic;
  double low, width; /* of a periodic one */
};

/** Where the network's outputs for a moved coordinate are. */
struct conditioner_place {
  size_t site; /* among those of the conditioner */
  size_t rank; /* among the moved coordinates of that site */
};

struct conditioner {
  size_t n;
  struct conditioner_input *input; /* [n] */
  size_t width;                    /* inputs of a network */
  size_t sites;                    /* network rows a row; 1 without a lattice */
  int64_t *coordinate;             /* [sites, n] what enters; -1: nothing, a zero */
  size_t moved;                    /* coordinates that a network row has outputs for */
  struct conditioner_place *place; /* [moved->n] in the order of the list */
};

/**
 * Check the lists of a coupling at its place in a flow and work out what networks see. `lattice`
 * may be NULL: none.
 * Errors: OUT_OF_RANGE, pointers into "/fixed", "/moved" and "/lattice"; NO_MEMORY.
 */
enum boltz_status boltz_conditioner_new(const struct boltz_layer *layer,
                                        const struct boltz_ints *fixed,
                                        const struct boltz_ints *moved,
                                        const struct conditioner_lattice *lattice,
                                        struct boltz_arena *arena, struct conditioner *conditioner);

/** The fixed coordinates as network rows [sites n, ld(width)], those of a site together; NULL:
 * scratch is exhausted. */
const float *boltz_conditioner_gather(const struct conditioner *conditioner,
                                      const struct boltz_batch *x, struct boltz_arena *scratch);

/** Add to g what dJ/d(rows), ga [sites n, ld(width)], means for the fixed coordinates of x. */
void boltz_conditioner_back(const struct conditioner *conditioner, const struct boltz_batch *x,
                            const float *ga, struct boltz_batch *g);

/* ---- What is seen is one coordinate, which networks can be tabulated over ---- */

/** Is it? */
static inline bool boltz_conditioner_sees_one(const struct conditioner *conditioner) {
  return conditioner->n == 1 && conditioner->sites == 1;
}

/** A grid over the coordinate's period, or around where it is in x, and what a network sees at its
 * edges [BOLTZ_GRID_EDGES, ld(width)]; NULL: scratch is exhausted. */
const float *boltz_conditioner_edges(const struct conditioner *conditioner,
                                     const struct boltz_batch *x, struct boltz_grid *grid,
                                     struct boltz_arena *scratch);

/** The coordinate [n] as the grid has it, a periodic one within its period; NULL: scratch is
 * exhausted. */
const double *boltz_conditioner_seen(const struct conditioner *conditioner,
                                     const struct boltz_batch *x, struct boltz_arena *scratch);

/* ---- A layer whose only network sees what the conditioner gathers ---- */

/** The layer's serve(), in bf16 and int8. */
enum boltz_status boltz_conditioner_serve(const struct conditioner *conditioner,
                                          const struct boltz_mlp *net,
                                          const struct boltz_layer *layer,
                                          const struct boltz_weights *w,
                                          enum boltz_precision precision,
                                          const struct boltz_batch *x, struct boltz_arena *arena,
                                          struct boltz_arena *scratch, void **served);

/** What the network says [sites n, ld(outputs)], as it is served; with a tape, in float. NULL:
 * scratch is exhausted. */
const float *boltz_conditioner_ask(const struct conditioner *conditioner,
                                   const struct boltz_mlp *net, const struct boltz_layer *layer,
                                   const struct boltz_weights *w, const struct boltz_batch *x,
                                   struct boltz_mlp_tape *tape, struct boltz_arena *scratch);

/** From gy [sites n, ld(outputs)], NULL where scratch was exhausted, to the weights' gradient gw
 * and that of x, added to g. Exhausted scratch leaves NaN in gw. */
void boltz_conditioner_learn(const struct conditioner *conditioner, const struct boltz_mlp *net,
                             const struct boltz_layer *layer, const struct boltz_weights *w,
                             const struct boltz_mlp_tape *tape, const float *gy,
                             const struct boltz_batch *x, struct boltz_batch *g, float *gw,
                             struct boltz_arena *scratch);

/* ---- What layers with conditioners have in common ---- */

/** An exhausted scratch: no log_det, no tape. */
static inline void boltz_conditioner_fail(const struct boltz_batch *x, double *log_det,
                                          void **tape) {
  for (size_t i = 0; i < x->n; i++) log_det[i] = NAN;
  if (tape) *tape = NULL;
}

/** Rows of a settings table: hidden widths of networks, and an activation. */
#define CONDITIONER_HIDDEN_ROW(owner, member, must, text)                                    \
  {                                                                                          \
    .name = "hidden", .type = BOLTZ_FIELD_INTS, .offset = offsetof(owner, member),           \
    .def = BOLTZ_NOT_EMPTY, .low = 1, .high = BOLTZ_WIDTH_MAX, .required = must, .doc = text \
  }
#define CONDITIONER_ACTIVATION_ROW(setting, owner, member, standard, text)          \
  {                                                                                 \
    .name = setting, .type = BOLTZ_FIELD_CHOICE, .offset = offsetof(owner, member), \
    .def_text = standard, .choices = boltz_activation_names, .doc = text            \
  }

#endif
