/* measure.c - log weights of a flow's own samples, or of given configurations, in slices on the
 * pool. */
#include "server/measure.h"

#include <math.h>

#define SLICE_FLOPS 2.0e8 /* of one slice of work: about 4 ms of one core */

_Static_assert(MEASURE_PIECES <= ROUND_MOST, "a piece is one of a round");

/* Rows first … first+n-1; false: scratch is exhausted. */
static bool weigh_tile(const struct measure *m, size_t first, size_t n,
                       struct boltz_arena *scratch) {
  const struct boltz_energy *energy = m->energy;
  struct boltz_batch x;
  double *log_q = BOLTZ_NEW_ARRAY(scratch, n, double);
  double *u = BOLTZ_NEW_ARRAY(scratch, n, double);
  if (!log_q || !u || boltz_batch_new(scratch, n, m->flow->dim, &x) != BOLTZ_OK) return false;
  if (m->data) {
    size_t stride = m->n > 0 ? m->data->n / m->n : 0;
    for (size_t i = 0; i < n; i++) boltz_batch_copy(&x, i, m->data, (first + i) * stride, 1);
    boltz_energy_eval(energy, energy->temperature, &x, u, NULL, scratch);
    boltz_flow_log_density(m->flow, m->weights, &x, log_q, scratch);
  } else {
    boltz_flow_sample(m->flow, m->weights, m->seed, BOLTZ_STREAM_VALIDATE, first, &x, NULL, log_q,
                      scratch);
    boltz_energy_eval(energy, energy->temperature, &x, u, NULL, scratch);
  }
  for (size_t i = 0; i < n; i++) m->log_w[first + i] = -u[i] - log_q[i];
  return true;
}

/* Piece k measures the k-th part of the rows, a tile a slice. */
static bool measure_piece(struct round *round, int index, struct worker *worker) {
  struct measure *m = (struct measure *)round;
  if (m->stopped(m->owner)) return false;
  size_t tile = boltz_flow_tile(m->flow, m->weights->precision, SLICE_FLOPS);
  size_t first = m->cursor[index];
  size_t last = m->n * ((size_t)index + 1) / MEASURE_PIECES;
  size_t n = last - first < tile ? last - first : tile;
  m->cursor[index] += n;
  if (!weigh_tile(m, first, n, worker->scratch))
    for (size_t i = 0; i < n; i++) m->log_w[first + i] = NAN; /* counted as not finite */
  return first + n < last;
}

void measure_start(struct measure *measure, round_after after) {
  for (size_t k = 0; k < MEASURE_PIECES; k++) measure->cursor[k] = measure->n * k / MEASURE_PIECES;
  round_start(&measure->round, MEASURE_PIECES, measure_piece, after);
}
