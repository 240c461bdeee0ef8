/* newer_host.c - a plug-in built for a boltzd that gives more functions. */
#include "springs.h"

static void open_(const struct boltz_host *host) {
  (void)host;
}

static const struct boltz_energy_kind kind = {.name = "springs", SPRINGS};
static const struct boltz_energy_kind *const energies[] = {&kind, NULL};

extern const struct boltz_plugin boltz_plugin;
const struct boltz_plugin boltz_plugin = {.abi = BOLTZ_PLUGIN_ABI,
                                          .size = sizeof(struct boltz_plugin),
                                          .host_size = sizeof(struct boltz_host) + 8,
                                          .energy_size = sizeof(struct boltz_energy_kind),
                                          .open = open_,
                                          .energies = energies};
