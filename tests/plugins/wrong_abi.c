/* wrong_abi.c - a plug-in of another time. */
#include <boltz/plugin.h>

extern const struct boltz_plugin boltz_plugin;
const struct boltz_plugin boltz_plugin = {.abi = 77};
