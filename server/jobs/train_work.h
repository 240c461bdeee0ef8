/* train_work.h - a training at work: what the files of the job kind `train` share. */
#ifndef SERVER_JOBS_TRAIN_WORK_H
#define SERVER_JOBS_TRAIN_WORK_H

#include "boltz/boltz.h"
#include "server/jobs/train.h"
#include "server/precision.h"
#include "server/round.h"

#define TAPE_LIMIT ((size_t)2 << 30) /* bytes of one lane's tape */

enum {
  VALIDATION = 4096,    /* samples */
  DATA_CHECK = 4096,    /* data rows that are asked whether the flow knows them */
  FIT_ROWS = 4096,      /* data rows that initial weights are fitted to */
  EXPLORE_SLICE = 4000, /* microseconds of replica exchange before other work is let in */
  PIECES_IN_PLACE = 4,  /* so few pieces of weights are not worth a round of their own */
};

struct work {
  struct round round;
  struct job *job;
  const struct train_spec *spec;
  struct boltz_arena *arena;
  struct boltz_flow flow;
  struct boltz_weights weights;
  struct boltz_explore *explore; /* NULL with a dataset */
  struct boltz_batch data;       /* n = 0: none */
  struct boltz_fitting *fitting; /* of initial weights, while it lasts */
  struct boltz_train *train;     /* NULL until the data are there, and without stages */
  struct lane { /* as many as there are workers: each takes one shard after another */
    struct boltz_arena *tape;
    int shard;
  } lanes[BOLTZ_TRAIN_SHARDS];
  int nlanes;
  atomic_int next_shard;
  int64_t resume_step;
  uint64_t resume_skipped;
  float *resume_moments;
  double *log_w; /* [PRECISION_SAMPLES] of the measurement at hand */
  struct measure measure;
  round_after after_measure;
  size_t cursor[BOLTZ_TRAIN_SHARDS]; /* the next piece of the weights of each share */
  double ess_fraction;               /* of the latest validation; NaN before the first */
  struct precision_choice choice;    /* what the version will serve in */
  double ess_fraction_data;
  enum boltz_status failed; /* of the exploration, and why */
  char why[256];
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

/** train_end.c: log weights of n fixed-seed samples into work->log_w, then after(&work->round). */
void train_measure(struct work *work, size_t n, round_after after);

/** What the version serves in, how good it is, the checkpoint, and the end of the job. */
void train_conclude(struct work *work);

#endif
