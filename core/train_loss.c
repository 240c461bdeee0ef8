/* train_loss.c - one tile of training rows: through the flow, to their losses, and back to dJ/dw,
 * a few layers at a time. */
#include "core/train_loss.h"

#include <math.h>
#include <string.h>

#define DRAWN ((size_t)64) /* rows of the data that are looked up together */

struct boltz_loss_tile {
  enum boltz_loss_part part;
  double factor;
  struct boltz_loss_spread spread;
  struct boltz_batch in;   /* [n, dim] data or latents */
  struct boltz_batch x, g; /* [n, dim] at the layer it stands at; each row's dJ/dx there */
  double *loss, *log_det, *glog_det; /* [n] */

  struct boltz_arena *arena;
  struct boltz_mark mark; /* before the tape */
  struct boltz_tape *tape;
  bool back;  /* on the way back, */
  bool first; /* and the first of its sum to go there */
};

static bool new_tile(size_t n, int dim, struct boltz_loss_tile *tile) {
  tile->loss = BOLTZ_NEW_ARRAY(tile->arena, n, double);
  tile->log_det = BOLTZ_NEW_ARRAY(tile->arena, n, double);
  tile->glog_det = BOLTZ_NEW_ARRAY(tile->arena, n, double);
  return tile->loss && tile->log_det && tile->glog_det &&
         boltz_batch_new(tile->arena, n, dim, &tile->in) == BOLTZ_OK &&
         boltz_batch_new(tile->arena, n, dim, &tile->x) == BOLTZ_OK &&
         boltz_batch_new(tile->arena, n, dim, &tile->g) == BOLTZ_OK;
}

/* A row of the data, uniform, with replacement: a random number of 64 bits times n, the high half.
 */
static size_t draw_row(const struct boltz_loss *loss, uint64_t index) {
  uint32_t bits[4];
  boltz_rng_bits(loss->seed, BOLTZ_STREAM_TRAIN_ROW, index, 0, bits);
  const uint64_t random = (uint64_t)bits[0] << 32 | bits[1];
  return (size_t)((unsigned __int128)random * loss->data.n >> 64);
}

static void draw_latents(const struct boltz_loss *loss, uint64_t index, struct boltz_batch *z,
                         struct boltz_arena *arena) {
  boltz_base_sample(&loss->flow->base, loss->weights->flat, loss->seed, BOLTZ_STREAM_TRAIN_LATENT,
                    index, z, arena);
}

static void draw(const struct boltz_loss *loss, uint64_t index, struct boltz_loss_tile *tile) {
  if (tile->part == BOLTZ_LOSS_KL) {
    draw_latents(loss, index, &tile->in, tile->arena);
    return;
  }
  size_t row[DRAWN];
  for (size_t first = 0, n; first < tile->in.n; first += n) {
    n = tile->in.n - first < DRAWN ? tile->in.n - first : DRAWN;
    for (size_t i = 0; i < n; i++) row[i] = draw_row(loss, index + first + i);
    for (int j = 0; j < tile->in.dim; j++)
      for (size_t i = 0; i < n; i++) tile->in.col[j][first + i] = loss->data.col[j][row[i]];
  }
}

/* J_ML of a row = −log q(x) = −log p0(z) − log|det dz/dx| + ln copies, gradient −∇log p0(z). */
static void loss_ml(const struct boltz_loss *loss, struct boltz_loss_tile *tile) {
  const double copies = loss->flow->log_copies;
  boltz_base_log_density(&loss->flow->base, loss->weights->flat, &tile->x, tile->loss, &tile->g,
                         tile->arena);
  for (size_t i = 0; i < tile->x.n; i++) tile->loss[i] = -tile->loss[i] - tile->log_det[i] + copies;
  for (int j = 0; j < tile->g.dim; j++)
    for (size_t i = 0; i < tile->g.n; i++) tile->g.col[j][i] = -tile->g.col[j][i];
}

static void clear(struct boltz_loss_tile *tile) {
  memset(tile->loss, 0, tile->g.n * sizeof *tile->loss);
  for (int j = 0; j < tile->g.dim; j++)
    memset(tile->g.col[j], 0, tile->g.n * sizeof *tile->g.col[j]);
}

/* J_KL of a row = ũ(x) − log|det dx/dz| − ln copies; ũ = u up to e = energy_high, e + ln(1 + u − e)
   above, where the gradient is divided by 1 + u − e. Source: Noé et al. 2019. */
static void loss_kl(const struct boltz_loss *loss, struct boltz_loss_tile *tile) {
  const double high = loss->energy_high;
  if (tile->factor == 0) {
    clear(tile);
    return;
  }
  boltz_energy_eval(loss->energy, loss->energy->temperature, &tile->x, tile->loss, &tile->g,
                    tile->arena);
  for (size_t i = 0; i < tile->x.n; i++) {
    const double u = tile->loss[i];
    if (u > high) {
      tile->loss[i] = high + log1p(u - high);
      for (int j = 0; j < tile->g.dim; j++) tile->g.col[j][i] /= 1 + (u - high);
    }
    tile->loss[i] -= tile->log_det[i] + loss->flow->log_copies;
  }
}

/* Each row's gradient of the whole loss. */
static void weigh(struct boltz_loss_tile *tile) {
  for (int j = 0; j < tile->g.dim; j++)
    for (size_t i = 0; i < tile->g.n; i++) tile->g.col[j][i] *= tile->factor;
  if (!tile->spread.over) return;
  const struct boltz_mark mark = boltz_arena_mark(tile->arena);
  boltz_spread_gradient(tile->spread.over, tile->spread.h, tile->spread.factor, &tile->x, &tile->g,
                        tile->arena);
  boltz_arena_release(tile->arena, mark);
}

static bool row_is_finite(const struct boltz_loss_tile *tile, size_t i) {
  bool finite = isfinite(tile->loss[i]) && isfinite(tile->log_det[i]);
  for (int j = 0; finite && j < tile->g.dim; j++) finite = isfinite(tile->g.col[j][i]);
  return finite;
}

/* Take the rows that are not finite out of tile->in; returns how many are left. */
static size_t keep_finite(struct boltz_loss_tile *tile) {
  size_t kept = 0;
  for (size_t i = 0; i < tile->in.n; i++) {
    if (!row_is_finite(tile, i)) continue;
    if (kept < i) boltz_batch_copy(&tile->in, kept, &tile->in, i, 1);
    kept++;
  }
  return kept;
}

/* Stand before the flow with the rows of tile->in. */
static bool set_out(const struct boltz_loss *loss, struct boltz_loss_tile *tile) {
  tile->x.n = tile->g.n = tile->in.n;
  boltz_batch_copy(&tile->x, 0, &tile->in, 0, tile->in.n);
  tile->tape = boltz_flow_tape(loss->flow, tile->part == BOLTZ_LOSS_ML ? BOLTZ_TO_Z : BOLTZ_TO_X,
                               tile->in.n, tile->log_det, tile->arena);
  return tile->tape != NULL;
}

struct boltz_loss_tile *boltz_loss_begin(const struct boltz_loss *loss, enum boltz_loss_part part,
                                         uint64_t index, size_t n, double factor,
                                         const struct boltz_loss_spread *spread,
                                         struct boltz_arena *arena) {
  struct boltz_loss_tile *tile = BOLTZ_NEW(arena, struct boltz_loss_tile);
  if (!tile) return NULL;
  tile->part = part;
  tile->factor = factor;
  if (spread) tile->spread = *spread;
  tile->arena = arena;
  if (!new_tile(n, loss->flow->dim, tile)) return NULL;
  draw(loss, index, tile);
  tile->mark = boltz_arena_mark(arena);
  return set_out(loss, tile) ? tile : NULL;
}

static void turn_back(struct boltz_loss_tile *tile, struct boltz_loss_sum *sum) {
  tile->back = true;
  tile->first = !sum->begun;
  sum->begun = true;
  for (size_t i = 0; i < tile->g.n; i++) {
    sum->loss[tile->part] += tile->loss[i];
    tile->glog_det[i] = -tile->factor;
  }
  sum->used[tile->part] += tile->g.n;
}

/* No room: the whole step will be skipped, and the report will show it. */
static bool give_up(struct boltz_loss_sum *sum) {
  sum->exhausted = true;
  return false;
}

/* At the far end. When rows turn out not to be finite, the others go again without them, so that
   none of their infinities meets a zero on the way back. A row's numbers do not depend on its
   company. False: no row is left, or no room. */
static bool arrive(const struct boltz_loss *loss, struct boltz_loss_tile *tile,
                   struct boltz_loss_sum *sum) {
  if (tile->part == BOLTZ_LOSS_ML)
    loss_ml(loss, tile);
  else
    loss_kl(loss, tile);
  weigh(tile);
  const size_t kept = keep_finite(tile);
  if (kept == tile->in.n) {
    turn_back(tile, sum);
    return true;
  }
  sum->skipped += tile->in.n - kept;
  tile->in.n = kept;
  boltz_arena_release(tile->arena, tile->mark);
  if (kept == 0) return false;
  return set_out(loss, tile) || give_up(sum);
}

/* Is there room in the slice for that much more? */
static bool afford(struct boltz_loss_budget *budget, double flops) {
  if (budget->begun && flops > budget->flops) return false;
  budget->begun = true;
  budget->flops -= flops;
  return true;
}

static bool go_back(const struct boltz_loss *loss, struct boltz_loss_tile *tile,
                    struct boltz_loss_sum *sum) {
  const struct boltz_layer *layer = boltz_flow_backward_next(loss->flow, tile->tape);
  /* only now: what is cleared is still in the cache when it is added to */
  if (tile->first && layer) memset(sum->g + layer->w_offset, 0, layer->nw * sizeof *sum->g);
  return boltz_flow_backward_layer(loss->flow, loss->weights, tile->tape, &tile->x, &tile->g,
                                   tile->glog_det, sum->g, tile->arena);
}

static bool go_on(const struct boltz_loss *loss, struct boltz_loss_tile *tile,
                  struct boltz_loss_sum *sum) {
  const struct boltz_flow *flow = loss->flow;
  if (tile->back) return go_back(loss, tile, sum);
  if (boltz_flow_record_layer(flow, loss->weights, tile->tape, &tile->x, tile->log_det,
                              tile->arena))
    return true;
  return boltz_flow_recorded(flow, tile->tape) ? arrive(loss, tile, sum) : give_up(sum);
}

/* Of the layer that comes next: one way forward, and back twice that. */
static double next_flops(const struct boltz_loss *loss, const struct boltz_loss_tile *tile) {
  const struct boltz_layer *layer = tile->back ? boltz_flow_backward_next(loss->flow, tile->tape)
                                               : boltz_flow_record_next(loss->flow, tile->tape);
  if (!layer || !layer->kind->flops) return 0;
  return (tile->back ? 2 : 1) * layer->kind->flops(layer, BOLTZ_FP32) * (double)tile->in.n;
}

bool boltz_loss_advance(const struct boltz_loss *loss, struct boltz_loss_tile *tile,
                        struct boltz_loss_sum *sum, struct boltz_loss_budget *budget) {
  for (;;) {
    if (!afford(budget, next_flops(loss, tile))) return true;
    if (!go_on(loss, tile, sum)) return false;
  }
}

bool boltz_loss_look(const struct boltz_loss *loss, const struct boltz_spread *over, uint64_t index,
                     size_t n, double h[BOLTZ_SPREAD_KERNELS], uint64_t *used,
                     struct boltz_arena *arena) {
  struct boltz_batch x;
  double *log_det = boltz_arena_scratch(arena, n, sizeof *log_det);
  if (!log_det || boltz_batch_new(arena, n, loss->flow->dim, &x) != BOLTZ_OK) return false;
  draw_latents(loss, index, &x, arena);
  boltz_flow_transform(loss->flow, loss->weights, BOLTZ_TO_X, &x, log_det, arena);
  size_t kept = 0;
  for (size_t i = 0; i < n; i++) {
    if (!isfinite(log_det[i])) continue;
    if (kept < i) boltz_batch_copy(&x, kept, &x, i, 1);
    kept++;
  }
  x.n = kept;
  *used += boltz_spread_add(over, &x, h, arena);
  return !boltz_arena_exhausted(arena);
}
