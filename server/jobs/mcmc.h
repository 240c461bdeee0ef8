/* mcmc.h - jobs of Monte Carlo chains: what they are asked to do. */
#ifndef SERVER_JOBS_MCMC_H
#define SERVER_JOBS_MCMC_H

#include "boltz/move.h"
#include "server/job.h"

struct mcmc_spec {
  uint64_t seed;
  int64_t walkers, burn_in, steps, stride;
  const char *dataset;
  const struct boltz_move_kind *move;
  void *move_settings;
};

extern const struct boltz_field mcmc_fields[];
extern const struct job_part mcmc_parts[];

/** Of the job kind mcmc: see job.h. */
enum boltz_status mcmc_parse(struct job *job, const struct boltz_json *body, bool restart,
                             const char **reason);
int64_t mcmc_total_steps(const struct job *job);

/** How many configurations are kept. */
size_t mcmc_configurations(const struct mcmc_spec *spec);

#endif
