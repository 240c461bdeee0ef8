/* config.h - one settings table for the file, the environment and the command line. */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include <stdio.h>

#include "boltz/field.h"

/** The effective configuration. A member `keep_jobs` is `--keep-jobs`, `BOLTZD_KEEP_JOBS`, and
 * `keep-jobs = …` in the file. */
struct config {
  const char *data;        /* directory of everything that survives */
  const char *listen;      /* address:port; port 0: any free one */
  int64_t workers;         /* 0: one a core */
  int64_t jobs;            /* training and Monte Carlo jobs that run at once */
  int64_t keep_jobs;       /* days that finished jobs are kept */
  double background_share; /* of tiles that go to background work however long the queue */
  int64_t queue;           /* interactive requests that may wait */
  int64_t connections;
  int64_t body_bytes, header_bytes, json_depth, reply_bytes;
  int64_t samples, estimate_samples; /* most n of one request */
  int64_t request_deadline_ms;
  int64_t drain_ms;       /* how long SIGTERM waits for requests in flight */
  const char *kernel;     /* auto, or one by name */
  const char *plugin_dir; /* energies as shared objects; "": none */
  const char *log_level;  /* debug, info, warn, error */
};

/** Table of the above, for --help, /v1/info and the documents. */
extern const struct boltz_field config_fields[];

enum config_action {
  CONFIG_RUN,
  CONFIG_SHOW,        /* --show-config: print and exit 0 */
  CONFIG_VERSION,     /* --version */
  CONFIG_HELP,        /* --help */
  CONFIG_HEALTHCHECK, /* --healthcheck: ask the daemon at `listen` for /readyz, exit 0 or 1 */
  CONFIG_SELF_CHECK,  /* --self-check: the exact numbers of every kind, exit 0 or 1 */
};

/**
 * Defaults, then `--config FILE` (or BOLTZD_CONFIG), then BOLTZD_…, then flags (`--name value` or
 * `--name=value`). Errors: UNKNOWN_MEMBER, WRONG_TYPE, OUT_OF_RANGE, IO: the sentence names where
 * the value came from ("boltzd.conf:12: …").
 */
enum boltz_status config_load(int argc, char **argv, char **environment, struct boltz_arena *arena,
                              struct config *config, enum config_action *action);

void config_print(const struct config *config, FILE *out);
void config_help(FILE *out);

#endif
