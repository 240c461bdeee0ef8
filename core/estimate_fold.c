/* estimate_fold.c - an estimate made: blocks into totals, totals into values, resampled blocks into
 * errors. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "boltz/rng.h"
#include "core/estimate_blocks.h"

/* ---- totals and values ---- */

static size_t smaller(size_t a, size_t b) {
  return a < b ? a : b;
}

static size_t larger(size_t a, size_t b) {
  return a > b ? a : b;
}

static bool new_scratch(const struct boltz_estimator *e, struct boltz_arena *arena,
                        struct piece_scratch *s) {
  s->scale = boltz_arena_scratch(arena, e->blocks, sizeof *s->scale);
  s->draws = boltz_arena_scratch(arena, e->blocks, sizeof *s->draws);
  s->total = boltz_arena_scratch(arena, e->nlinear, sizeof *s->total);
  return s->scale && s->draws && s->total;
}

/* Find what brings every row to the largest shift of all; −infinity when every weight is 0. */
static void level(const struct boltz_estimator *e, struct piece_scratch *s) {
  s->shift = -INFINITY;
  for (size_t b = 0; b < e->blocks; b++) s->shift = fmax(s->shift, block_row(e, b)[0]);
  if (s->shift == -INFINITY) return;
  for (size_t b = 0; b < e->blocks; b++) s->scale[b] = exp(block_row(e, b)[0] - s->shift);
}

/* total [first … end−1] = Σ over blocks of draws·row */
static void add_blocks(const struct boltz_estimator *e, const struct piece_scratch *s, size_t first,
                       size_t end, double *total) {
  memset(total + first, 0, (end - first) * sizeof *total);
  for (size_t b = 0; b < e->blocks; b++) {
    const double times = (double)s->draws[b], scale = s->scale[b];
    if (times == 0) continue;
    const double *sum = block_row(e, b) + 1;
    for (size_t k = first; k < end; k++) total[k] += times * (sum[k] * scale);
  }
}

/* Sums first … end−1 of the whole sample, linear ones and squares. */
static void add_span(const struct boltz_estimator *e, const double *scale, size_t first, size_t end,
                     double *total) {
  const size_t linear_end = smaller(end, e->nlinear);
  const size_t square = larger(first, e->nlinear);
  memset(total + first, 0, (end - first) * sizeof *total);
  for (size_t b = 0; b < e->blocks; b++) {
    const double *sum = block_row(e, b) + 1, twice = scale[b] * scale[b];
    for (size_t k = first; k < linear_end; k++) total[k] += sum[k] * scale[b];
    for (size_t k = square; k < end; k++) total[k] += sum[k] * twice;
  }
}

/* Samples in the blocks drawn; draws NULL: each block once. */
static double count_samples(const struct boltz_estimator *e, const uint32_t *draws) {
  double n = 0;
  for (size_t b = 0; b < e->blocks; b++)
    n += (draws ? (double)draws[b] : 1) * (double)block_size(e, b);
  return n;
}

/* −ln(part/whole/width), the whole having a weight */
static double free_energy(double part, double whole, double width) {
  return part > 0 ? log(width) - log(part / whole) : NAN;
}

/* What totals over n samples say of log Z, averages and differences. */
static void evaluate(const struct boltz_estimator *e, double shift, const double *total, double n,
                     double *value) {
  const struct boltz_estimate_spec *spec = &e->spec;
  const double w = total[0];
  *value++ = shift + log(w / n);
  for (int k = 0; k < spec->naverages; k++) *value++ = total[1 + k] / w;
  const double *region = total + linear_difference(e, 0);
  for (int k = 0; k < spec->ndifferences; k++, region += 2)
    *value++ = region[0] > 0 && region[1] > 0 ? log(region[0]) - log(region[1]) : NAN;
}

/* What totals say of bins first … end−1, counted through all profiles. */
static void evaluate_bins(const struct boltz_estimator *e, const double *total, size_t first,
                          size_t end, double *value) {
  const double *part = total + linear_bins(e);
  size_t start = 0; /* of the profile */
  value += e->fold.nmeasured;
  for (int p = 0; p < e->spec.nprofiles; p++) {
    const struct boltz_profile_spec *profile = &e->spec.profiles[p];
    const double width = (profile->high - profile->low) / profile->bins;
    const size_t stop = start + (size_t)profile->bins;
    for (size_t k = larger(first, start); k < smaller(end, stop); k++)
      value[k] = free_energy(part[k], total[0], width);
    start = stop;
  }
}

/*
 * Variance of log Z, averages and differences by their first-order residuals over the blocks drawn,
 * Σ r_b²:
 *   log Z       r = w_b/w − n_b/n
 *   average A   r = (Σ_b w·f − A·w_b)/w
 *   difference  r = a_b/a − b_b/b
 */
static void residuals(const struct boltz_estimator *e, const double *scale, const uint32_t *draws,
                      const double *total, const double *value, double *variance) {
  const double n = count_samples(e, draws);
  memset(variance, 0, e->fold.nmeasured * sizeof *variance);
  for (size_t b = 0; b < e->blocks; b++) {
    const double times = draws ? (double)draws[b] : 1;
    if (times == 0) continue;
    const double *sum = block_row(e, b) + 1;
    const double share = sum[0] * scale[b] / total[0];
    double *v = variance;
    double r = share - (double)block_size(e, b) / n;
    *v++ += times * r * r;
    for (int k = 1; k <= e->spec.naverages; k++) {
      r = sum[k] * scale[b] / total[0] - value[k] * share;
      *v++ += times * r * r;
    }
    for (size_t k = linear_difference(e, 0); k < linear_bins(e); k += 2) {
      r = sum[k] * scale[b] / total[k] - sum[k + 1] * scale[b] / total[k + 1];
      *v++ += times * r * r;
    }
  }
}

/* ---- the bootstrap ---- */

/* As many blocks as there are, drawn with replacement. A block's chance is off by at most
 * 1000/2^32. */
static void draw_blocks(const struct boltz_estimator *e, uint64_t replicate, uint32_t *draws) {
  uint32_t bits[4];
  memset(draws, 0, e->blocks * sizeof *draws);
  for (size_t b = 0; b < e->blocks; b++) {
    if (b % 4 == 0)
      boltz_rng_bits(e->spec.seed, BOLTZ_STREAM_BOOTSTRAP, replicate, (uint32_t)(b / 4), bits);
    draws[(bits[b % 4] * (uint64_t)e->blocks) >> 32]++;
  }
}

/* One strip of a replicate. Of the others it needs the whole weight. */
static void replicate(struct boltz_estimator *e, struct piece_scratch *s, size_t replicate_,
                      size_t strip) {
  const struct fold *f = &e->fold;
  const size_t first = strip * f->strip, end = smaller(first + f->strip, e->nlinear);
  double *value = f->again + replicate_ * f->nvalue;
  draw_blocks(e, replicate_, s->draws);
  add_blocks(e, s, first, end, s->total);
  if (first > 0) {
    add_blocks(e, s, 0, 1, s->total);
  } else {
    evaluate(e, s->shift, s->total, count_samples(e, s->draws), value);
    residuals(e, s->scale, s->draws, s->total, value,
              f->again_variance + replicate_ * f->nmeasured);
  }
  evaluate_bins(e, s->total, larger(first, linear_bins(e)) - linear_bins(e), end - linear_bins(e),
                value);
}

/* ---- pieces ---- */

size_t boltz_estimator_pieces(const struct boltz_estimator *e) {
  return e->fold.npieces;
}

static bool is_fed(const struct boltz_estimator *e) {
  for (int lane = 0; lane < BOLTZ_ESTIMATE_LANES; lane++)
    if (e->lanes[lane].block < e->blocks) return false;
  return true;
}

/* First the pieces of the total, then those of the replicates. */
static void fold_piece(struct boltz_estimator *e, size_t piece, struct piece_scratch *s) {
  struct fold *f = &e->fold;
  if (s->shift > -INFINITY && piece < f->ntotals) {
    const size_t first = piece * f->span;
    add_span(e, s->scale, first, smaller(first + f->span, e->nlinear + e->nsquare), f->total);
  } else if (s->shift > -INFINITY) {
    const size_t of_replicates = piece - f->ntotals, strip = of_replicates % f->nstrips;
    const size_t first = of_replicates / f->nstrips * f->each;
    const size_t end = smaller(first + f->each, bootstrap_replicates);
    for (size_t r = first; r < end; r++) replicate(e, s, r, strip);
  }
  f->done[piece] = true;
}

enum boltz_status boltz_estimator_fold(struct boltz_estimator *e, size_t piece,
                                       struct boltz_arena *scratch) {
  assert(is_fed(e) && piece < e->fold.npieces);
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  struct piece_scratch s;
  const bool room = new_scratch(e, scratch, &s);
  if (room) {
    level(e, &s);
    fold_piece(e, piece, &s);
  }
  boltz_arena_release(scratch, mark);
  return room ? BOLTZ_OK : BOLTZ_NO_MEMORY;
}

/* ---- the bootstrap summed up ---- */

/* (θ* − θ)/s*: 0 where nothing varies */
static double studentise(double deviation, double variance) {
  return deviation == 0 ? 0 : deviation / sqrt(variance);
}

/* One replicate: a value that it cannot have (an empty region) is left out. */
static void take_replicate(struct fold *f, size_t replicate_) {
  const double *again = f->again + replicate_ * f->nvalue;
  const double *variance = f->again_variance + replicate_ * f->nmeasured;
  for (size_t k = 0; k < f->nvalue; k++) {
    const double deviation = again[k] - f->value[k];
    if (!isfinite(deviation)) continue;
    if (k < f->nmeasured)
      f->t[k * bootstrap_replicates + (size_t)f->count[k]] = studentise(deviation, variance[k]);
    f->count[k] += 1;
    f->sum[k] += deviation;
    f->square[k] += deviation * deviation;
  }
}

/* Standard deviation over the replicates, times sqrt(B/(B−1)): resampling B blocks understates
 * their variance by (B−1)/B. One block has no error: NaN. */
static double stderr_of(const struct boltz_estimator *e, size_t k) {
  const struct fold *f = &e->fold;
  const double count = f->count[k], blocks = (double)e->blocks;
  if (!(count >= bootstrap_replicates / 2) || e->blocks < 2) return NAN;
  const double square = f->square[k] - f->sum[k] * f->sum[k] / count;
  return sqrt((square < 0 ? 0 : square) / (count - 1) * blocks / (blocks - 1));
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Quantile p of x [n], sorted, between the neighbours of position p(n + 1). */
static double quantile(const double *x, size_t n, double p) {
  const double at = p * (double)(n + 1) - 1;
  const size_t i = (size_t)at;
  return x[i] + (at - (double)i) * (x[i + 1] - x[i]);
}

/*
 * The 95 % interval is the bootstrap-t one (Efron & Tibshirani 1993, ch. 12), of
 * t = (θ* − θ)/s*, s by the residuals: [θ − t(0.975)·s, θ − t(0.025)·s]. Importance weights are
 * skewed to the right, and an estimate that came out low has a standard error that came out low
 * too; only studentising sees that. On lognormal weights of σ = 1.5, n = 1000, it covers an average
 * in 92 % of experiments, value ± 1.96 stderr in 88 %, the percentile and basic intervals in 87 %;
 * on light weights all are near 95 %. Where t has no finite quantiles (a handful of samples, or
 * weights that do not vary) the normal interval stands in.
 */
static struct boltz_measured measured(const struct boltz_estimator *e, size_t k) {
  const struct fold *f = &e->fold;
  const double value = f->value[k], error = stderr_of(e, k);
  struct boltz_measured m = {value, error, {NAN, NAN}};
  if (isnan(error)) return m;
  double *t = f->t + k * bootstrap_replicates;
  const size_t n = (size_t)f->count[k];
  qsort(t, n, sizeof *t, by_value);
  const double s = sqrt(f->variance[k]);
  m.interval[0] = value - quantile(t, n, 0.975) * s;
  m.interval[1] = value - quantile(t, n, 0.025) * s;
  if (!isfinite(m.interval[0]) || !isfinite(m.interval[1])) {
    m.interval[0] = value - 1.96 * error;
    m.interval[1] = value + 1.96 * error;
  }
  return m;
}

/* ---- the result ---- */

static enum boltz_status new_result(const struct boltz_estimate_spec *spec,
                                    struct boltz_arena *arena, struct boltz_estimate *estimate) {
  *estimate = (struct boltz_estimate){
      .averages = BOLTZ_NEW_ARRAY(arena, (size_t)spec->naverages + 1, struct boltz_measured),
      .differences = BOLTZ_NEW_ARRAY(arena, (size_t)spec->ndifferences + 1, struct boltz_measured),
      .profiles = BOLTZ_NEW_ARRAY(arena, (size_t)spec->nprofiles + 1, struct boltz_profile),
  };
  if (!estimate->averages || !estimate->differences || !estimate->profiles) return BOLTZ_NO_MEMORY;
  for (int p = 0; p < spec->nprofiles; p++) {
    const struct boltz_profile_spec *want = &spec->profiles[p];
    const size_t bins = (size_t)want->bins;
    struct boltz_profile *profile = &estimate->profiles[p];
    *profile = (struct boltz_profile){
        .bins = want->bins,
        .centers = BOLTZ_NEW_ARRAY(arena, bins, double),
        .free_energy = BOLTZ_NEW_ARRAY(arena, bins, double),
        .stderr_ = BOLTZ_NEW_ARRAY(arena, bins, double),
        .ess = BOLTZ_NEW_ARRAY(arena, bins, double),
    };
    if (!profile->centers || !profile->free_energy || !profile->stderr_ || !profile->ess)
      return BOLTZ_NO_MEMORY;
    for (int k = 0; k < want->bins; k++)
      profile->centers[k] = want->low + (k + 0.5) * ((want->high - want->low) / want->bins);
  }
  return BOLTZ_OK;
}

/* The exact tail of all samples from the tails of the lanes. */
static double fold_tails(struct boltz_estimator *e) {
  struct tail *all = &e->fold.tail;
  all->count = 0;
  for (int lane = 0; lane < BOLTZ_ESTIMATE_LANES; lane++) {
    const struct tail *tail = &e->lanes[lane].tail;
    for (size_t i = 0; i < tail->count; i++) boltz_tail_push(all, tail->log_w[i]);
  }
  return boltz_stats_pareto_k(all->log_w, all->count);
}

static double kish(double sum, double square) {
  return square > 0 ? sum * sum / square : 0;
}

static void report(const struct boltz_estimator *e, struct boltz_estimate *estimate) {
  const struct boltz_estimate_spec *spec = &e->spec;
  size_t k = 0;
  estimate->log_z = measured(e, k++);
  for (int i = 0; i < spec->naverages; i++) estimate->averages[i] = measured(e, k++);
  for (int i = 0; i < spec->ndifferences; i++) estimate->differences[i] = measured(e, k++);

  const double *linear = e->fold.total, *square = linear + e->nlinear;
  estimate->ess = kish(linear[0], square[0]);
  estimate->ess_fraction = estimate->ess / (double)spec->n;
  linear += linear_bins(e);
  square += 1;
  for (int p = 0; p < spec->nprofiles; p++) {
    struct boltz_profile *profile = &estimate->profiles[p];
    for (int bin = 0; bin < profile->bins; bin++, k++) {
      profile->free_energy[bin] = e->fold.value[k];
      profile->stderr_[bin] = stderr_of(e, k);
      profile->ess[bin] = kish(*linear++, *square++);
    }
  }
}

/* The values and what the replicates say of them. */
static void sum_up(struct boltz_estimator *e, const struct piece_scratch *s) {
  struct fold *f = &e->fold;
  memset(f->count, 0, f->nvalue * sizeof *f->count);
  memset(f->sum, 0, f->nvalue * sizeof *f->sum);
  memset(f->square, 0, f->nvalue * sizeof *f->square);
  if (s->shift == -INFINITY) {
    /* Every weight is 0: nothing is known but that. */
    memset(f->total, 0, (e->nlinear + e->nsquare) * sizeof *f->total);
    for (size_t k = 0; k < f->nvalue; k++) f->value[k] = k == 0 ? -INFINITY : NAN;
    return;
  }
  evaluate(e, s->shift, f->total, count_samples(e, NULL), f->value);
  evaluate_bins(e, f->total, 0, e->bins, f->value);
  residuals(e, s->scale, NULL, f->total, f->value, f->variance);
  for (size_t r = 0; r < bootstrap_replicates; r++) take_replicate(f, r);
}

enum boltz_status boltz_estimator_finish(struct boltz_estimator *e, struct boltz_arena *arena,
                                         struct boltz_estimate *estimate) {
  assert(is_fed(e));
  BOLTZ_TRY(new_result(&e->spec, arena, estimate));
  const struct boltz_mark mark = boltz_arena_mark(arena);
  struct piece_scratch s;
  const bool room = new_scratch(e, arena, &s);
  if (room) {
    level(e, &s);
    for (size_t piece = 0; piece < e->fold.npieces; piece++)
      if (!e->fold.done[piece]) fold_piece(e, piece, &s);
    sum_up(e, &s);
    estimate->pareto_k = fold_tails(e);
    for (int lane = 0; lane < BOLTZ_ESTIMATE_LANES; lane++)
      estimate->non_finite += e->lanes[lane].non_finite;
    report(e, estimate);
  }
  boltz_arena_release(arena, mark);
  return room ? BOLTZ_OK : BOLTZ_NO_MEMORY;
}
