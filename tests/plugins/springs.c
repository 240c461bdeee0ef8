/* springs.c - a plug-in of two kinds, nothing wrong with it. */
#include "springs.h"

static const struct boltz_energy_kind springs = {.name = "springs", SPRINGS};
static const struct boltz_energy_kind more_springs = {.name = "more_springs", SPRINGS};

BOLTZ_PLUGIN(&springs, &more_springs)
