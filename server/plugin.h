/* plugin.h - energies from shared objects: loaded at start, by who may be trusted, and known by the
 * digest of their bytes ever after. */
#ifndef SERVER_PLUGIN_H
#define SERVER_PLUGIN_H

#include "boltz/energy.h"
#include "server/server.h"
#include "server/store.h"

/** A plug-in that is loaded. */
struct plugin {
  const char *file;               /* its name in the directory */
  char sha256[STORE_DIGEST_SIZE]; /* of the bytes that were loaded */
  void *handle;
  int memory; /* where those bytes are */
  size_t nkinds;
  struct boltz_energy_kind *kinds; /* as this boltzd knows them */
};

struct plugins;

/**
 * Load every DIR/….so in order of names and add its energies to the list of kinds; "" loads nothing
 * and gives NULL. Before there are threads. A file or directory that others may write, another ABI,
 * a name that is taken, an energy that fails its trial: nothing is loaded at all.
 * Errors: IO, NO_MEMORY, OUT_OF_RANGE and others of a trial; the sentence names the file.
 */
enum boltz_status plugins_open(struct server *server, const char *dir, struct plugins **plugins);

/** After everything that holds an energy. NULL is harmless. */
void plugins_close(struct plugins *plugins);

/** The plug-in that brought a kind; NULL: none, it is built in. */
const struct plugin *plugins_of(const struct plugins *plugins,
                                const struct boltz_energy_kind *kind);

#endif
