/* coupling.h - the settings of an affine coupling, which its short form fills in, and the rows of
 * the settings tables that both show. */
#ifndef LAYER_COUPLING_H
#define LAYER_COUPLING_H

#include "core/nn/mlp.h"

/** The two networks of a coupling. */
struct coupling_nets {
  struct boltz_ints hidden;
  const char *scale_activation, *shift_activation;
  double scale_cap;
};

struct affine_coupling {
  struct boltz_ints fixed, moved;
  struct coupling_nets nets;
};

/** Rows for the member `nets` of a settings struct; `must`: hidden is required. */
#define COUPLING_NETS_ROWS(owner, must, hidden_doc)                                             \
  {.name = "hidden",                                                                            \
   .type = BOLTZ_FIELD_INTS,                                                                    \
   .offset = offsetof(owner, nets.hidden),                                                      \
   .def = -1,                                                                                   \
   .low = 1,                                                                                    \
   .high = BOLTZ_WIDTH_MAX,                                                                     \
   .required = must,                                                                            \
   .doc = hidden_doc},                                                                          \
      {.name = "scale_activation",                                                              \
       .type = BOLTZ_FIELD_CHOICE,                                                              \
       .offset = offsetof(owner, nets.scale_activation),                                        \
       .def_text = "relu",                                                                      \
       .choices = boltz_activation_names,                                                       \
       .doc = "activation of the network of r"},                                                \
      {.name = "shift_activation",                                                              \
       .type = BOLTZ_FIELD_CHOICE,                                                              \
       .offset = offsetof(owner, nets.shift_activation),                                        \
       .def_text = "tanh",                                                                      \
       .choices = boltz_activation_names,                                                       \
       .doc = "activation of the network of t"},                                                \
  {                                                                                             \
    .name = "scale_cap", .type = BOLTZ_FIELD_DOUBLE, .offset = offsetof(owner, nets.scale_cap), \
    .def = 1, .low = 0, .high = 1e3, .doc = "c: |s| stays below it; 0: no cap"                  \
  }

#endif
