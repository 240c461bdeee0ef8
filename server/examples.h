/* examples.h - trained models that a new data directory starts with. */
#ifndef SERVER_EXAMPLES_H
#define SERVER_EXAMPLES_H

#include "boltz/status.h"
#include "server/server.h"

/** A checkpoint that is part of the program. */
struct example {
  const char *model;
  const unsigned char *bytes, *end;
};

/** Ended by a NULL model. */
extern const struct example examples[];

/** Register and serve every example, once in the life of a data directory: what has been deleted is
 * not put back. Errors: those of the store and of the checkpoints. */
enum boltz_status examples_install(struct server *server, struct registry *registry);

#endif
