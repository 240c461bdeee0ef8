/* measure.h - log weights of a flow's own samples, or of given configurations, in slices on the
 * pool. */
#ifndef SERVER_MEASURE_H
#define SERVER_MEASURE_H

#include "boltz/boltz.h"
#include "server/round.h"

#define MEASURE_PIECES 8

/** What is measured; embed it as the first member, or set `owner`. */
struct measure {
  struct round round; /* first; its pool and class are the owner's to set */
  void *owner;
  const struct boltz_flow *flow;
  const struct boltz_weights *weights; /* in the precision that is measured */
  const struct boltz_energy *energy;
  uint64_t seed;                  /* of the samples */
  const struct boltz_batch *data; /* rows spread over it, instead of samples; or NULL */
  size_t n;                       /* rows: at most those of the data */
  double *log_w;                  /* [n] out; NaN where memory ran out */

  /* Looked at before every slice; once true, always true. */
  bool (*stopped)(void *owner);
  size_t cursor[MEASURE_PIECES];
};

/** Fill log_w, then after(): also when the owner has stopped, and then log_w says nothing. */
void measure_start(struct measure *measure, round_after after);

#endif
