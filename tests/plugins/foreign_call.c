/* foreign_call.c - a plug-in that calls what it is not given: boltzd exports nothing. */
#include <boltz/plugin.h>

static int dim(const void *settings) {
  (void)settings;
  return boltz_energy_kind_find("double_well") ? 2 : 1;
}

static const struct boltz_energy_kind kind = {
    .name = "caller", .doc = "none", .source = "none", .dim = dim};

BOLTZ_PLUGIN(&kind)
