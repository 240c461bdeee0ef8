/* train_loss.c - one tile of training rows: through the flow, to their losses, and back to dJ/dw.
 */
#include "core/train_loss.h"

#include <math.h>

/* Rows on their way. */
struct tile {
  enum boltz_loss_part part;
  struct boltz_batch in;   /* [n, dim] data or latents */
  struct boltz_batch x, g; /* [n, dim] at the far end of the flow; each row's dJ/dx there */
  double *loss, *log_det, *glog_det; /* [n] */
};

static bool new_tile(enum boltz_loss_part part, size_t n, int dim, struct boltz_arena *scratch,
                     struct tile *tile) {
  tile->part = part;
  tile->loss = BOLTZ_NEW_ARRAY(scratch, n, double);
  tile->log_det = BOLTZ_NEW_ARRAY(scratch, n, double);
  tile->glog_det = BOLTZ_NEW_ARRAY(scratch, n, double);
  return tile->loss && tile->log_det && tile->glog_det &&
         boltz_batch_new(scratch, n, dim, &tile->in) == BOLTZ_OK &&
         boltz_batch_new(scratch, n, dim, &tile->x) == BOLTZ_OK &&
         boltz_batch_new(scratch, n, dim, &tile->g) == BOLTZ_OK;
}

/* A row of the data, uniform, with replacement: a random number of 64 bits times n, the high half.
 */
static size_t draw_row(const struct boltz_loss *loss, uint64_t index) {
  uint32_t bits[4];
  boltz_rng_bits(loss->seed, BOLTZ_STREAM_TRAIN_ROW, index, 0, bits);
  const uint64_t random = (uint64_t)bits[0] << 32 | bits[1];
  return (size_t)((unsigned __int128)random * loss->data.n >> 64);
}

static void draw(const struct boltz_loss *loss, uint64_t index, struct tile *tile) {
  if (tile->part == BOLTZ_LOSS_KL) {
    const struct boltz_flow_spec *spec = &loss->flow->spec;
    spec->base->sample(spec->base_settings, loss->seed, BOLTZ_STREAM_TRAIN_LATENT, index,
                       &tile->in);
    return;
  }
  for (size_t i = 0; i < tile->in.n; i++)
    boltz_batch_copy(&tile->in, i, &loss->data, draw_row(loss, index + i), 1);
}

/* J_ML of a row = −log p0(z) − log|det dz/dx|, gradient −∇log p0(z). */
static void loss_ml(const struct boltz_loss *loss, struct tile *tile) {
  const struct boltz_flow_spec *spec = &loss->flow->spec;
  spec->base->log_density(spec->base_settings, &tile->x, tile->loss, &tile->g);
  for (size_t i = 0; i < tile->x.n; i++) tile->loss[i] = -tile->loss[i] - tile->log_det[i];
  for (int j = 0; j < tile->g.dim; j++)
    for (size_t i = 0; i < tile->g.n; i++) tile->g.col[j][i] = -tile->g.col[j][i];
}

/* J_KL of a row = ũ(x) − log|det dx/dz|; ũ = u up to e = energy_high, e + ln(1 + u − e) above,
   where the gradient is divided by 1 + u − e. Source: Noé et al. 2019. */
static void loss_kl(const struct boltz_loss *loss, struct tile *tile, struct boltz_arena *scratch) {
  const double high = loss->energy_high;
  boltz_energy_eval(loss->energy, loss->energy->temperature, &tile->x, tile->loss, &tile->g,
                    scratch);
  for (size_t i = 0; i < tile->x.n; i++) {
    const double u = tile->loss[i];
    if (u > high) {
      tile->loss[i] = high + log1p(u - high);
      for (int j = 0; j < tile->g.dim; j++) tile->g.col[j][i] /= 1 + (u - high);
    }
    tile->loss[i] -= tile->log_det[i];
  }
}

/* Push tile->in through the flow; losses and gradients of its rows. NULL: scratch is exhausted. */
static struct boltz_tape *forward(const struct boltz_loss *loss, struct tile *tile,
                                  struct boltz_arena *scratch) {
  const bool ml = tile->part == BOLTZ_LOSS_ML;
  tile->x.n = tile->g.n = tile->in.n;
  boltz_batch_copy(&tile->x, 0, &tile->in, 0, tile->in.n);
  struct boltz_tape *tape = boltz_flow_record(
      loss->flow, loss->weights, ml ? BOLTZ_TO_Z : BOLTZ_TO_X, &tile->x, tile->log_det, scratch);
  if (!tape) return NULL;
  if (ml)
    loss_ml(loss, tile);
  else
    loss_kl(loss, tile, scratch);
  return tape;
}

static bool row_is_finite(const struct tile *tile, size_t i) {
  bool finite = isfinite(tile->loss[i]) && isfinite(tile->log_det[i]);
  for (int j = 0; finite && j < tile->g.dim; j++) finite = isfinite(tile->g.col[j][i]);
  return finite;
}

/* Take the rows that are not finite out of tile->in; returns how many are left. */
static size_t keep_finite(struct tile *tile) {
  size_t kept = 0;
  for (size_t i = 0; i < tile->in.n; i++) {
    if (!row_is_finite(tile, i)) continue;
    if (kept < i) boltz_batch_copy(&tile->in, kept, &tile->in, i, 1);
    kept++;
  }
  return kept;
}

static void backward(const struct boltz_loss *loss, struct tile *tile, struct boltz_tape *tape,
                     double factor, struct boltz_loss_sum *sum, struct boltz_arena *scratch) {
  for (size_t i = 0; i < tile->g.n; i++) {
    sum->loss[tile->part] += tile->loss[i];
    tile->glog_det[i] = -factor;
  }
  for (int j = 0; j < tile->g.dim; j++)
    for (size_t i = 0; i < tile->g.n; i++) tile->g.col[j][i] *= factor;
  sum->used[tile->part] += tile->g.n;
  boltz_flow_backward(loss->flow, loss->weights, tape, &tile->x, &tile->g, tile->glog_det, sum->g,
                      scratch);
}

void boltz_loss_tile(const struct boltz_loss *loss, enum boltz_loss_part part, uint64_t index,
                     size_t n, double factor, struct boltz_loss_sum *sum,
                     struct boltz_arena *scratch) {
  struct tile tile;
  struct boltz_tape *tape = NULL;
  const bool room = new_tile(part, n, loss->flow->dim, scratch, &tile);
  if (room) draw(loss, index, &tile);

  /* When rows turn out not to be finite, the others go again without them, so that none of their
     infinities meets a zero on the way back. A row's numbers do not depend on its company. */
  for (size_t kept = 0; room; tile.in.n = kept) {
    const struct boltz_mark mark = boltz_arena_mark(scratch);
    if (tile.in.n == 0) return;
    tape = forward(loss, &tile, scratch);
    kept = tape ? keep_finite(&tile) : tile.in.n;
    if (kept == tile.in.n) break;
    sum->skipped += tile.in.n - kept;
    boltz_arena_release(scratch, mark);
  }

  if (tape)
    backward(loss, &tile, tape, factor, sum, scratch);
  else
    sum->g[0] = NAN; /* no room: the whole step will be skipped, and the report will show it */
}
