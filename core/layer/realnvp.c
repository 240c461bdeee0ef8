/* realnvp.c - short for a stack of affine couplings.
 *
 * `blocks` times two couplings; couplings 0, 2, 4, ... fix the first half of the coordinates,
 * rounded up, 1, 3, 5, ... the rest.
 * Source: Dinh et al. 2017 (RealNVP), sec. 3.4-3.5.
 * Golden: dim 3 and one block: fixed [0,1] moved [2], then fixed [2] moved [0,1]. */
#include "boltz/flow.h"
#include "core/nn/mlp.h"

#define BLOCKS_MAX 64

struct realnvp {
  int64_t blocks;
  struct boltz_ints hidden;
  const char *scale_activation, *shift_activation;
  double scale_cap;
};

static enum boltz_status set(const struct boltz_layer_kind *kind, void *settings, const char *name,
                             struct boltz_value value, struct boltz_arena *arena) {
  return boltz_field_set(boltz_field_find(kind->fields, name), settings, &value, arena);
}

/* A list first, first + 1, ... of n coordinates. */
static enum boltz_status set_range(const struct boltz_layer_kind *kind, void *settings,
                                   const char *name, size_t first, size_t n,
                                   struct boltz_arena *arena) {
  double *numbers = BOLTZ_NEW_ARRAY(arena, n, double);
  if (!numbers) return BOLTZ_NO_MEMORY;
  for (size_t k = 0; k < n; k++) numbers[k] = (double)(first + k);
  return set(kind, settings, name,
             (struct boltz_value){.type = BOLTZ_VALUE_NUMBERS, .n = n, .numbers = numbers}, arena);
}

/* The settings that the couplings share. */
static enum boltz_status set_networks(const struct boltz_layer_kind *kind, void *settings,
                                      const struct realnvp *s, struct boltz_arena *arena) {
  static const double two_layers[] = {64, 64};
  struct boltz_value hidden = {.type = BOLTZ_VALUE_NUMBERS, .n = 2, .numbers = two_layers};
  if (s->hidden.n > 0) {
    double *widths = BOLTZ_NEW_ARRAY(arena, s->hidden.n, double);
    if (!widths) return BOLTZ_NO_MEMORY;
    for (size_t k = 0; k < s->hidden.n; k++) widths[k] = (double)s->hidden.v[k];
    hidden.n = s->hidden.n;
    hidden.numbers = widths;
  }
  BOLTZ_TRY(set(kind, settings, "hidden", hidden, arena));
  BOLTZ_TRY(set(kind, settings, "scale_activation",
                (struct boltz_value){.type = BOLTZ_VALUE_TEXT, .text = s->scale_activation},
                arena));
  BOLTZ_TRY(set(kind, settings, "shift_activation",
                (struct boltz_value){.type = BOLTZ_VALUE_TEXT, .text = s->shift_activation},
                arena));
  return set(kind, settings, "scale_cap",
             (struct boltz_value){.type = BOLTZ_VALUE_NUMBER, .number = s->scale_cap}, arena);
}

static enum boltz_status expand(const void *settings, int dim, struct boltz_flow_spec *spec,
                                struct boltz_arena *arena) {
  const struct realnvp *s = settings;
  const struct boltz_layer_kind *kind = boltz_layer_kind_find("affine_coupling");
  if (dim < 2)
    return boltz_fail(BOLTZ_OUT_OF_RANGE,
                      "realnvp fixes some coordinates to move others: dim = %d is too small", dim);
  const size_t head = ((size_t)dim + 1) / 2, tail = (size_t)dim - head;
  for (int64_t k = 0; k < 2 * s->blocks; k++) {
    void *coupling = boltz_arena_alloc(arena, 1, kind->settings_size);
    if (!coupling) return BOLTZ_NO_MEMORY;
    boltz_field_defaults(kind->fields, coupling);
    const char *first = k % 2 == 0 ? "fixed" : "moved", *rest = k % 2 == 0 ? "moved" : "fixed";
    BOLTZ_TRY(set_range(kind, coupling, first, 0, head, arena));
    BOLTZ_TRY(set_range(kind, coupling, rest, head, tail, arena));
    BOLTZ_TRY(set_networks(kind, coupling, s, arena));
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
    {.name = "hidden",
     .type = BOLTZ_FIELD_INTS,
     .offset = OFFSET(hidden),
     .def = -1,
     .low = 1,
     .high = BOLTZ_WIDTH_MAX,
     .doc = "widths of the hidden layers of each network, 1 to 64 of them; absent: 64, 64"},
    {.name = "scale_activation",
     .type = BOLTZ_FIELD_CHOICE,
     .offset = OFFSET(scale_activation),
     .def_text = "relu",
     .choices = boltz_activation_names,
     .doc = "activation of the scale networks"},
    {.name = "shift_activation",
     .type = BOLTZ_FIELD_CHOICE,
     .offset = OFFSET(shift_activation),
     .def_text = "tanh",
     .choices = boltz_activation_names,
     .doc = "activation of the shift networks"},
    {.name = "scale_cap",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(scale_cap),
     .def = 1,
     .low = 0,
     .high = 1e3,
     .doc = "|s| stays below it; 0: no cap"},
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
