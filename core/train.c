/* train.c - losses and the training loop, cut into pieces that any number of threads may take.
 *
 * A step's rows are dealt to BOLTZ_TRAIN_SHARDS sums, each row to the same sum whatever the
 * threads, and the sums are added in a fixed order: the same seed trains the same bits. */
#include "boltz/train.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "core/base/vmath.h"
#include "core/train_loss.h"
#include "core/train_pieces.h"

#define SHARDS BOLTZ_TRAIN_SHARDS
#define BLOCK ((size_t)2048) /* weights whose gradients are summed up together: 8 KiB */
#define SUMS ((size_t)8)     /* of squares, side by side */
#define LINE ((size_t)16)    /* floats that come from memory together */

/* Row i of step t has the index t·2^24 + i in the random streams: never used twice. */
#define BATCH_BITS 24
#define BATCH_MAX ((int64_t)1 << BATCH_BITS)
#define STEPS_MAX ((int64_t)1 << 38)

/* A slice of work is about 4 ms at 60 GFLOP/s, and as many layers of a tile as that pays for. A
   tile is as large as the slowest of them, one way back, fits a slice, so that weights and their
   gradients are read once for many rows; its tape grows with the work of the whole tile. */
#define SLICE_FLOPS 2.5e8
#define TILE_SLICES 16
#define TILE_MOST ((size_t)128)

/* One of the sums that a step's rows are dealt to. */
struct shard {
  struct boltz_loss_sum sum;
  size_t done; /* rows so far: first those of J_ML, then those of J_KL */

  double h[BOLTZ_SPREAD_KERNELS]; /* sums over the latents that were looked at, */
  uint64_t seen;                  /* over so many of them */
  size_t looked;

  struct boltz_loss_tile *tile; /* under way; NULL: none is */
  size_t tile_rows;
  struct boltz_mark mark; /* before it */
};

struct boltz_train {
  struct boltz_loss loss;
  struct boltz_weights *weights;
  struct boltz_stage *stages;    /* [nstages] */
  struct boltz_spread **spreads; /* [nstages] NULL where rc is 0 */
  size_t nstages, nw;
  int64_t total_steps, step;
  size_t tile;
  struct boltz_piece *pieces; /* [npieces] */
  size_t npieces;

  /* of the step at hand */
  const struct boltz_stage *stage; /* NULL: all is done */
  const struct boltz_spread *spread;
  double learning_rate;
  struct shard shards[SHARDS];
  float *g;            /* [nw] the shards' sum */
  double *partial;     /* [npieces] its squared norm, a piece each */
  atomic_int *updated; /* [nlayers] parts of them */

  float *moments; /* [2, nw] */
  uint64_t skipped;
  struct boltz_train_report report;
};

/* ---- Making -------------------------------------------------------------------------------- */

static enum boltz_status check_stage(size_t k, const struct boltz_stage *stage,
                                     const struct boltz_train_options *options) {
#define REFUSE_UNLESS(condition, ...) \
  if (!(condition)) return boltz_fail(BOLTZ_OUT_OF_RANGE, __VA_ARGS__)
  REFUSE_UNLESS(stage->steps >= 1 && stage->steps <= STEPS_MAX,
                "stage %zu: steps = %lld is not in [1, 2^38]", k, (long long)stage->steps);
  REFUSE_UNLESS(stage->batch >= 1 && stage->batch <= BATCH_MAX,
                "stage %zu: batch = %lld is not in [1, 2^24]", k, (long long)stage->batch);
  REFUSE_UNLESS(stage->learning_rate > 0 && stage->learning_rate <= 1,
                "stage %zu: learning_rate = %g is not in (0, 1]", k, stage->learning_rate);
  REFUSE_UNLESS(stage->final_learning_rate >= 0 && stage->final_learning_rate <= 1,
                "stage %zu: final_learning_rate = %g is not in [0, 1]", k,
                stage->final_learning_rate);
  REFUSE_UNLESS(stage->warm_up >= 0 && stage->warm_up <= stage->steps,
                "stage %zu: warm_up = %lld is not in [0, steps]", k, (long long)stage->warm_up);
  const double weights = stage->ml + stage->kl + stage->rc;
  REFUSE_UNLESS(
      stage->ml >= 0 && stage->kl >= 0 && stage->rc >= 0 && isfinite(weights) && weights > 0,
      "stage %zu: ml = %g, kl = %g and rc = %g are not weights of a loss", k, stage->ml, stage->kl,
      stage->rc);
  REFUSE_UNLESS(stage->clip_norm >= 0, "stage %zu: clip_norm = %g is negative", k,
                stage->clip_norm);
  REFUSE_UNLESS(stage->ml == 0 || (options->data && options->data->n > 0),
                "stage %zu: ml = %g needs data", k, stage->ml);
  return BOLTZ_OK;
}

static enum boltz_status check_options(const struct boltz_flow *flow,
                                       const struct boltz_energy *energy,
                                       const struct boltz_train_options *options,
                                       int64_t *total_steps) {
  REFUSE_UNLESS(flow->nw > flow->base.nw, "the flow has no weights to train");
  REFUSE_UNLESS(flow->dim == energy->dim, "the flow has dim %d, the energy %d", flow->dim,
                energy->dim);
  REFUSE_UNLESS(!options->data || options->data->dim == flow->dim,
                "the data has dim %d, the flow %d", options->data->dim, flow->dim);
  REFUSE_UNLESS(options->nstages > 0, "there is no stage");
  REFUSE_UNLESS(!isnan(options->energy_high), "energy_high is not a number");
  for (size_t k = 0; k < options->nstages; k++) {
    BOLTZ_TRY(check_stage(k, &options->stages[k], options));
    *total_steps += options->stages[k].steps;
    REFUSE_UNLESS(*total_steps <= STEPS_MAX, "the stages have more than 2^38 steps");
  }
#undef REFUSE_UNLESS
  return BOLTZ_OK;
}

/* Linear growth over `warm_up` steps, then a cosine from learning_rate down towards
   final_learning_rate·learning_rate over the rest; t counts the stage's steps from 0. */
static double learning_rate_at(const struct boltz_stage *stage, int64_t t) {
  if (t < stage->warm_up) return stage->learning_rate * ((double)(t + 1) / (double)stage->warm_up);
  const double phase = (double)(t - stage->warm_up) / (double)(stage->steps - stage->warm_up);
  const double low = stage->final_learning_rate;
  return stage->learning_rate * (low + (1 - low) * 0.5 * (1 + cos(3.14159265358979323846 * phase)));
}

/* Make ready for step number train->step. */
static void begin_step(struct boltz_train *train) {
  int64_t t = train->step;
  size_t k = 0;
  while (k < train->nstages && t >= train->stages[k].steps) t -= train->stages[k++].steps;
  train->stage = k < train->nstages ? &train->stages[k] : NULL;
  train->spread = train->stage ? train->spreads[k] : NULL;
  if (train->stage) train->learning_rate = learning_rate_at(train->stage, t);
  for (int s = 0; s < SHARDS; s++)
    train->shards[s] = (struct shard){.sum = {.g = train->shards[s].sum.g}};
  for (int i = 0; i < train->loss.flow->nlayers; i++) atomic_store(&train->updated[i], 0);
}

static void clear_report(struct boltz_train *train) {
  train->report = (struct boltz_train_report){.step = train->step,
                                              .total_steps = train->total_steps,
                                              .loss = NAN,
                                              .loss_ml = NAN,
                                              .loss_kl = NAN,
                                              .loss_rc = NAN,
                                              .grad_norm = NAN,
                                              .learning_rate = train->learning_rate,
                                              .skipped = train->skipped};
}

static enum boltz_status new_buffers(struct boltz_train *train, struct boltz_arena *arena) {
  const struct boltz_flow *flow = train->loss.flow;
  const size_t nw = train->nw;
  train->stages = BOLTZ_NEW_ARRAY(arena, train->nstages, struct boltz_stage);
  train->spreads = BOLTZ_NEW_ARRAY(arena, train->nstages, struct boltz_spread *);
  train->g = boltz_arena_scratch(arena, nw, sizeof *train->g);
  train->moments = boltz_arena_alloc(arena, nw, 2 * sizeof(float));
  train->pieces = boltz_pieces_cut(flow, arena, &train->npieces);
  train->partial = BOLTZ_NEW_ARRAY(arena, train->npieces, double);
  train->updated = BOLTZ_NEW_ARRAY(arena, (size_t)flow->nlayers, atomic_int);
  if (!train->stages || !train->spreads || !train->g || !train->moments || !train->pieces ||
      !train->partial || !train->updated)
    return BOLTZ_NO_MEMORY;
  for (int s = 0; s < SHARDS; s++) {
    train->shards[s].sum.g = boltz_arena_scratch(arena, nw, sizeof(float));
    if (!train->shards[s].sum.g) return BOLTZ_NO_MEMORY;
  }
  return BOLTZ_OK;
}

static enum boltz_status new_spreads(struct boltz_train *train, struct boltz_arena *arena) {
  for (size_t k = 0; k < train->nstages; k++) {
    const struct boltz_stage *stage = &train->stages[k];
    if (stage->rc > 0)
      BOLTZ_TRY(boltz_fail_under(boltz_spread_new(train->loss.energy, stage->rc_of, stage->rc_low,
                                                  stage->rc_high, arena, &train->spreads[k]),
                                 "/stages/%zu", k));
  }
  return BOLTZ_OK;
}

/* Rows of a tile: a multiple of 8 in [8, TILE_MOST], from the flow alone. */
static size_t tile_of(const struct boltz_flow *flow) {
  double slowest = 0;
  for (int i = 0; i < flow->nlayers; i++) {
    const struct boltz_layer *layer = &flow->layers[i];
    if (layer->kind->flops) slowest = fmax(slowest, layer->kind->flops(layer, BOLTZ_FP32));
  }
  /* one way forward, and back twice that */
  const double rows =
      fmin(SLICE_FLOPS / (2 * slowest), TILE_SLICES * SLICE_FLOPS / (3 * flow->flops[BOLTZ_FP32]));
  if (!(rows < TILE_MOST)) return TILE_MOST;
  return rows < 16 ? 8 : (size_t)rows / 8 * 8;
}

enum boltz_status boltz_train_new(const struct boltz_flow *flow, const struct boltz_energy *energy,
                                  struct boltz_weights *weights,
                                  const struct boltz_train_options *options,
                                  struct boltz_arena *arena, struct boltz_train **train) {
  int64_t total_steps = 0;
  BOLTZ_TRY(check_options(flow, energy, options, &total_steps));
  struct boltz_train *t = BOLTZ_NEW(arena, struct boltz_train);
  if (!t) return BOLTZ_NO_MEMORY;
  t->loss = (struct boltz_loss){.flow = flow,
                                .energy = energy,
                                .weights = weights,
                                .seed = options->seed,
                                .energy_high = options->energy_high};
  if (options->data) t->loss.data = *options->data;
  t->weights = weights;
  t->nstages = options->nstages;
  t->nw = flow->nw;
  t->total_steps = total_steps;
  t->tile = tile_of(flow);
  BOLTZ_TRY(boltz_weights_turn(flow, arena, weights));
  BOLTZ_TRY(new_buffers(t, arena));
  memcpy(t->stages, options->stages, t->nstages * sizeof *t->stages);
  BOLTZ_TRY(new_spreads(t, arena));
  begin_step(t);
  clear_report(t);
  *train = t;
  return BOLTZ_OK;
}

/* ---- A step, in four rounds ---------------------------------------------------------------- */

/* The rows of a batch that are dealt to a shard. */
static void rows_of_shard(const struct boltz_stage *stage, int shard, size_t *first, size_t *n) {
  const size_t batch = (size_t)stage->batch;
  *first = (size_t)shard * batch / SHARDS;
  *n = ((size_t)shard + 1) * batch / SHARDS - *first;
}

bool boltz_train_looks(const struct boltz_train *train) {
  return train->spread != NULL;
}

bool boltz_train_look(struct boltz_train *train, int shard, struct boltz_arena *arena) {
  if (!train->spread) return false;
  struct shard *own = &train->shards[shard];
  size_t first, rows;
  rows_of_shard(train->stage, shard, &first, &rows);
  const size_t left = rows - own->looked;
  const size_t most = boltz_flow_tile(train->loss.flow, BOLTZ_FP32, SLICE_FLOPS);
  const size_t n = left < most ? left : most;
  const uint64_t index = ((uint64_t)train->step << BATCH_BITS) + first + own->looked;
  const struct boltz_mark mark = boltz_arena_mark(arena);
  if (!boltz_loss_look(&train->loss, train->spread, index, n, own->h, &own->seen, arena))
    own->sum.exhausted = true;
  boltz_arena_release(arena, mark);
  own->looked += n;
  return own->looked < rows;
}

/* What the shards have seen, together. */
static struct boltz_loss_spread whole_spread(const struct boltz_train *train) {
  struct boltz_loss_spread whole = {.over = train->spread};
  uint64_t seen = 0;
  for (int s = 0; s < SHARDS; s++) {
    seen += train->shards[s].seen;
    for (int b = 0; b < BOLTZ_SPREAD_KERNELS; b++) whole.h[b] += train->shards[s].h[b];
  }
  for (int b = 0; b < BOLTZ_SPREAD_KERNELS; b++) whole.h[b] /= (double)seen;
  whole.factor = train->stage->rc / (double)seen;
  return whole;
}

/* The shard's next tile; without room for it, its rows are done all the same. */
static void begin_tile(struct boltz_train *train, int shard, struct boltz_arena *arena) {
  const struct boltz_stage *stage = train->stage;
  struct shard *own = &train->shards[shard];
  size_t first, rows;
  rows_of_shard(stage, shard, &first, &rows);
  const bool ml = stage->ml > 0 && own->done < rows;
  const size_t at = own->done < rows ? own->done : own->done - rows;
  const uint64_t index = ((uint64_t)train->step << BATCH_BITS) + first + at;
  own->tile_rows = rows - at < train->tile ? rows - at : train->tile;
  own->mark = boltz_arena_mark(arena);
  struct boltz_loss_spread spread = {0};
  if (train->spread && !ml) spread = whole_spread(train);
  own->tile =
      boltz_loss_begin(&train->loss, ml ? BOLTZ_LOSS_ML : BOLTZ_LOSS_KL, index, own->tile_rows,
                       (ml ? stage->ml : stage->kl) / (double)stage->batch, &spread, arena);
  if (!own->tile) own->sum.exhausted = true;
}

static size_t work_of_shard(const struct boltz_stage *stage, int shard) {
  size_t first, rows;
  rows_of_shard(stage, shard, &first, &rows);
  return (stage->ml > 0 ? rows : 0) + (stage->kl > 0 || stage->rc > 0 ? rows : 0);
}

bool boltz_train_shard(struct boltz_train *train, int shard, struct boltz_arena *arena) {
  if (!train->stage) return false;
  struct shard *own = &train->shards[shard];
  const size_t rows = work_of_shard(train->stage, shard);
  struct boltz_loss_budget budget = {.flops = SLICE_FLOPS};
  while (own->done < rows) {
    if (!own->tile) begin_tile(train, shard, arena);
    if (own->tile && boltz_loss_advance(&train->loss, own->tile, &own->sum, &budget)) return true;
    if (boltz_arena_exhausted(arena)) own->sum.exhausted = true;
    boltz_arena_release(arena, own->mark);
    own->tile = NULL;
    own->done += own->tile_rows;
  }
  return false;
}

size_t boltz_train_pieces(const struct boltz_train *train) {
  return train->npieces;
}

/* g = the sum of the parts in their order; returns its squared norm. In blocks that stay in the L1
   cache, and with sums side by side, so that a processor with wide vectors can use them. */
BOLTZ_VECTORISED static double add_up(size_t parts, const float *const *part, size_t n,
                                      float *restrict g) {
  double squares[SUMS] = {0}, sum = 0;
  for (size_t at = 0; at < n; at += BLOCK) {
    const size_t here = n - at < BLOCK ? n - at : BLOCK;
    float *restrict block = g + at;
    for (size_t k = 0; k < here; k++) block[k] = parts > 0 ? part[0][at + k] : 0;
    for (size_t p = 1; p < parts; p++) {
      /* the next part's block, or the first part's next one: past the end it does no harm */
      const float *next = p + 1 < parts ? part[p + 1] + at : part[0] + at + BLOCK;
      for (size_t k = 0; k < BLOCK; k += LINE) __builtin_prefetch(next + k, 0, 2);
      for (size_t k = 0; k < here; k++) block[k] += part[p][at + k];
    }
    size_t k = 0;
    for (; k + SUMS <= here; k += SUMS)
      for (size_t i = 0; i < SUMS; i++) squares[i] += (double)block[k + i] * block[k + i];
    for (; k < here; k++) sum += (double)block[k] * block[k];
  }
  for (size_t i = 0; i < SUMS; i++) sum += squares[i];
  return sum;
}

void boltz_train_reduce(struct boltz_train *train, size_t piece) {
  const struct boltz_piece *own = &train->pieces[piece];
  const float *part[SHARDS];
  size_t parts = 0;
  for (int s = 0; s < SHARDS; s++)
    if (train->shards[s].sum.begun) part[parts++] = train->shards[s].sum.g + own->at;
  train->partial[piece] = add_up(parts, part, own->n, train->g + own->at);
}

static double gradient_norm(const struct boltz_train *train) {
  double squares = 0;
  for (int s = 0; s < SHARDS; s++)
    if (train->shards[s].sum.exhausted) return NAN;
  for (size_t p = 0; p < train->npieces; p++) squares += train->partial[p];
  return sqrt(squares);
}

/* Each layer is packed by whoever updates the last part of it. */
static void pack(struct boltz_train *train, const struct boltz_piece *piece) {
  for (int i = piece->layer; i < piece->layer + piece->layers; i++)
    if (atomic_fetch_add(&train->updated[i], 1) + 1 == piece->of)
      boltz_flow_pack_layer(train->loss.flow, i, train->weights);
}

void boltz_train_update(struct boltz_train *train, size_t piece) {
  if (!train->stage) return;
  const double norm = gradient_norm(train), clip = train->stage->clip_norm;
  if (!isfinite(norm)) return;
  const struct boltz_piece *own = &train->pieces[piece];
  boltz_adam_update(&BOLTZ_ADAM_DEFAULT, train->learning_rate,
                    clip > 0 && norm > clip ? clip / norm : 1, (uint64_t)train->step + 1, own->n,
                    train->g + own->at, train->weights->flat + own->at, train->moments + own->at,
                    train->moments + train->nw + own->at);
  pack(train, own);
}

/* The mean of a part's losses over the rows that were used; NaN when there is none. */
static double mean_loss(const struct boltz_train *train, enum boltz_loss_part part) {
  double sum = 0;
  uint64_t used = 0;
  for (int s = 0; s < SHARDS; s++) {
    sum += train->shards[s].sum.loss[part];
    used += train->shards[s].sum.used[part];
  }
  return used > 0 ? sum / (double)used : NAN;
}

/* Samples of this step that did not count: those that were not finite; all, when their gradient
   was not. */
static uint64_t step_skipped(const struct boltz_train *train, double norm) {
  uint64_t skipped = 0, all = 0;
  for (int s = 0; s < SHARDS; s++) {
    skipped += train->shards[s].sum.skipped;
    all += train->shards[s].done;
  }
  return isfinite(norm) ? skipped : all;
}

static double spread_loss(const struct boltz_train *train) {
  const struct boltz_loss_spread whole = whole_spread(train);
  return boltz_spread_loss(whole.h);
}

void boltz_train_finish(struct boltz_train *train) {
  const struct boltz_stage *stage = train->stage;
  if (!stage) return;
  const double norm = gradient_norm(train);
  const double ml = mean_loss(train, BOLTZ_LOSS_ML);
  const double kl = stage->kl > 0 ? mean_loss(train, BOLTZ_LOSS_KL) : NAN;
  const double rc = stage->rc > 0 ? spread_loss(train) : NAN;
  train->skipped += step_skipped(train, norm);
  train->step++;
  train->report = (struct boltz_train_report){.step = train->step,
                                              .total_steps = train->total_steps,
                                              .loss = (stage->ml > 0 ? stage->ml * ml : 0) +
                                                      (stage->kl > 0 ? stage->kl * kl : 0) +
                                                      (stage->rc > 0 ? stage->rc * rc : 0),
                                              .loss_ml = ml,
                                              .loss_kl = kl,
                                              .loss_rc = rc,
                                              .grad_norm = norm,
                                              .learning_rate = train->learning_rate,
                                              .skipped = train->skipped};
  begin_step(train);
}

void boltz_train_step(struct boltz_train *train, struct boltz_arena *scratch) {
  for (int s = 0; s < SHARDS; s++)
    while (boltz_train_look(train, s, scratch)) continue;
  for (int s = 0; s < SHARDS; s++)
    while (boltz_train_shard(train, s, scratch)) continue;
  for (size_t p = 0; p < train->npieces; p++) boltz_train_reduce(train, p);
  for (size_t p = 0; p < train->npieces; p++) boltz_train_update(train, p);
  boltz_train_finish(train);
}

/* ---- Between two steps --------------------------------------------------------------------- */

void boltz_train_report(const struct boltz_train *train, struct boltz_train_report *report) {
  *report = train->report;
}

bool boltz_train_done(const struct boltz_train *train) {
  return train->step >= train->total_steps;
}

const float *boltz_train_moments(const struct boltz_train *train) {
  return train->moments;
}

uint64_t boltz_train_skipped(const struct boltz_train *train) {
  return train->skipped;
}

void boltz_train_restore(struct boltz_train *train, int64_t step, uint64_t skipped,
                         const float *moments) {
  const size_t nw = train->nw;
  train->step = step;
  train->skipped = skipped;
  memcpy(train->moments, moments, 2 * nw * sizeof *moments);
  begin_step(train);
  clear_report(train);
}
