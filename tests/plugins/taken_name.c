/* taken_name.c - a plug-in that would take the place of an energy that is built in. */
#include "springs.h"

static const struct boltz_energy_kind kind = {.name = "double_well", SPRINGS};

BOLTZ_PLUGIN(&kind)
