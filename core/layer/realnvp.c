/* realnvp.c - short for a stack of affine couplings.
 *
 * `blocks` times two couplings; couplings 0, 2, 4, ... fix the first half of the coordinates,
 * rounded up, 1, 3, 5, ... the rest.
 * Source: Dinh et al. 2017 (RealNVP), sec. 3.4-3.5.
 * Golden: dim 3 and one block: fixed [0,1] moved [2], then fixed [2] moved [0,1]. */
#include "boltz/flow.h"
#include "core/layer/coupling.h"

#define BLOCKS_MAX 64

struct realnvp {
  int64_t blocks;
  struct coupling_nets nets;
};

/* The list first, first + 1, ... of n coordinates. */
static enum boltz_status set_range(struct boltz_ints *list, size_t first, size_t n,
                                   struct boltz_arena *arena) {
  *list = (struct boltz_ints){.n = n, .v = BOLTZ_NEW_ARRAY(arena, n, int64_t)};
  if (!list->v) return BOLTZ_NO_MEMORY;
  for (size_t k = 0; k < n; k++) list->v[k] = (int64_t)(first + k);
  return BOLTZ_OK;
}

/* The default of `hidden`. */
static enum boltz_status two_layers(struct boltz_ints *list, struct boltz_arena *arena) {
  *list = (struct boltz_ints){.n = 2, .v = BOLTZ_NEW_ARRAY(arena, 2, int64_t)};
  if (!list->v) return BOLTZ_NO_MEMORY;
  list->v[0] = list->v[1] = 64;
  return BOLTZ_OK;
}

static enum boltz_status expand(const void *settings, int dim, struct boltz_flow_spec *spec,
                                struct boltz_arena *arena) {
  const struct realnvp *s = settings;
  const struct boltz_layer_kind *kind = boltz_layer_kind_find("affine_coupling");
  if (dim < 2)
    return boltz_fail(BOLTZ_OUT_OF_RANGE,
                      "realnvp fixes some coordinates to move others: dim = %d is too small", dim);
  struct coupling_nets nets = s->nets;
  if (nets.hidden.n == 0) BOLTZ_TRY(two_layers(&nets.hidden, arena));
  const size_t head = ((size_t)dim + 1) / 2, tail = (size_t)dim - head;
  for (int64_t k = 0; k < 2 * s->blocks; k++) {
    struct affine_coupling *coupling = BOLTZ_NEW(arena, struct affine_coupling);
    if (!coupling) return BOLTZ_NO_MEMORY;
    coupling->nets = nets;
    BOLTZ_TRY(set_range(k % 2 == 0 ? &coupling->fixed : &coupling->moved, 0, head, arena));
    BOLTZ_TRY(set_range(k % 2 == 0 ? &coupling->moved : &coupling->fixed, head, tail, arena));
    BOLTZ_TRY(boltz_flow_spec_add(spec, kind, coupling, dim, arena));
  }
  return BOLTZ_OK;
}

#define OFFSET(member) offsetof(struct realnvp, member)
static const struct boltz_field fields[] = {
    {.name = "blocks",
     .type = BOLTZ_FIELD_INT,
     .offset = OFFSET(blocks),
     .def = 4,
     .low = 1,
     .high = BLOCKS_MAX,
     .doc = "pairs of couplings"},
    COUPLING_NETS_ROWS(
        struct realnvp, false,
        "widths of the hidden layers of each network, 1 to 64 of them; absent: 64, 64"),
    BOLTZ_FIELDS_END,
};

const struct boltz_layer_kind boltz_layer_realnvp = {
    .name = "realnvp",
    .doc =
        "short for blocks times two affine_coupling: couplings 0, 2, 4, ... fix the first half of "
        "the coordinates, rounded up, 1, 3, 5, ... the rest",
    .source = "Dinh et al. 2017 (RealNVP), arXiv 1605.08803",
    .fields = fields,
    .settings_size = sizeof(struct realnvp),
    .expand = expand,
};
