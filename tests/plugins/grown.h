/* grown.h - a plug-in built with a longer struct boltz_energy_kind, whose new member is MORE. */
#include "springs.h"

static void open_(const struct boltz_host *host) {
  (void)host;
}

static const struct grown {
  struct boltz_energy_kind kind;
  void (*more)(const struct boltz_host *host);
} grown = {{.name = "grown", SPRINGS}, MORE};

static const struct boltz_energy_kind *const energies[] = {&grown.kind, NULL};

extern const struct boltz_plugin boltz_plugin;
const struct boltz_plugin boltz_plugin = {.abi = BOLTZ_PLUGIN_ABI,
                                          .size = sizeof(struct boltz_plugin),
                                          .host_size = sizeof(struct boltz_host),
                                          .energy_size = sizeof(struct grown),
                                          .open = open_,
                                          .energies = energies};
