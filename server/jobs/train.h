/* train.h - what a training job is asked to do. Private to the job kind `train`. */
#ifndef SERVER_JOBS_TRAIN_H
#define SERVER_JOBS_TRAIN_H

#include "boltz/plan.h"
#include "server/job.h"

/** Where the data of a training comes from: a dataset, or a run of replica exchange. */
struct train_data {
  const char *dataset;
  int64_t walkers, rungs, burn_in, steps, stride;
  double hot;
};

struct train_spec {
  uint64_t seed;
  int64_t from_version, validate_every, checkpoint_every;
  const char *precision;
  bool serve;
  struct boltz_flow_spec flow; /* complete to the model's domains */
  struct train_data data;
  size_t nstages;
  struct boltz_stage *stages;
};

extern const struct boltz_field train_fields[];
extern const struct job_part train_parts[];

/** job_kind.parse of `train`. */
enum boltz_status train_parse(struct job *job, const struct boltz_json *body, bool restart,
                              const char **reason);

/** The data's run of replica exchange. */
struct boltz_explore_options train_explore_options(const struct train_spec *spec);

int64_t train_total_steps(const struct job *job);

#endif
