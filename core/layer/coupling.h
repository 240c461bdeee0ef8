/* coupling.h - the settings of an affine coupling, which its short form fills in, and the rows of
 * the settings tables that both show. */
#ifndef LAYER_COUPLING_H
#define LAYER_COUPLING_H

#include "core/layer/conditioner.h"

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
  CONDITIONER_HIDDEN_ROW(owner, nets.hidden, must, hidden_doc),                                 \
      CONDITIONER_ACTIVATION_ROW("scale_activation", owner, nets.scale_activation, "relu",      \
                                 "activation of the network of r"),                             \
      CONDITIONER_ACTIVATION_ROW("shift_activation", owner, nets.shift_activation, "tanh",      \
                                 "activation of the network of t"),                             \
  {                                                                                             \
    .name = "scale_cap", .type = BOLTZ_FIELD_DOUBLE, .offset = offsetof(owner, nets.scale_cap), \
    .def = 1, .low = 0, .high = 1e3, .doc = "c: |s| stays below it; 0: no cap"                  \
  }

#endif
