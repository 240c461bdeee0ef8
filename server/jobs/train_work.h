/* train_work.h - a training at work: what the files of the job kind `train` share. */
#ifndef SERVER_JOBS_TRAIN_WORK_H
#define SERVER_JOBS_TRAIN_WORK_H

#include "boltz/boltz.h"
#include "server/jobs/train.h"
#include "server/round.h"

#define SLICE_FLOPS 2.0e8 /* of one slice of work: about 4 ms of one core */

enum {
  VALIDATION = 4096,   /* samples */
  FINAL = 20000,       /* samples behind a version's own metrics */
  DATA_CHECK = 4096,   /* data rows that are asked whether the flow knows them */
  FIT_ROWS = 4096,     /* data rows that initial weights are fitted to */
  PIECES_IN_PLACE = 4, /* so few pieces of weights are not worth a round of their own */
};

struct work {
  struct round round;
  struct job *job;
  const struct train_spec *spec;
  struct boltz_arena *arena;
  struct boltz_flow flow;
  struct boltz_weights weights;
  struct boltz_explore *explore; /* NULL with a dataset */
  struct boltz_batch data;
  struct boltz_train *train; /* NULL until the data are there */
  int64_t resume_step;
  uint64_t resume_skipped;
  float *resume_moments;
  double *log_w;                     /* [FINAL] of the measurement at hand */
  size_t measured;                   /* rows of it */
  bool measured_data;                /* they are rows of the data, not samples */
  size_t cursor[BOLTZ_TRAIN_SHARDS]; /* where each piece of the measurement stands */
  double ess_fraction;               /* of the latest validation; NaN before the first */
  struct boltz_weight_summary final; /* of the last measurement of samples */
  double pareto_k, ess_fraction_data;
  enum boltz_status failed; /* of the exploration, and why */
  char why[256];
  int sweeps;       /* of replica exchange in one slice */
  char *checkpoint; /* the finished file */
  size_t checkpoint_size;
  char *metrics;
};

static inline struct work *work_of(struct round *round) {
  return (struct work *)round;
}

/** train_state.c: the state between two steps as a resume file (malloc'ed; NULL when memory is
 * exhausted), and back. */
char *train_save_state(const struct work *work, size_t *size);
enum boltz_status train_load_state(struct work *work, const void *bytes, size_t size);

/** Come to rest because somebody asked the job to stop. */
void train_rest(struct work *work);

/** train_end.c: log weights of n fixed-seed samples into work->log_w, then after(). */
void train_measure(struct work *work, size_t n, round_after after);

/** What the last measurement says, the checkpoint, and the end of the job. */
void train_conclude(struct round *round, struct worker *worker);

#endif
