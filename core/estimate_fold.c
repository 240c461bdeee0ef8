/* estimate_fold.c - an estimate made: blocks into totals, totals into values, resampled blocks into
 * errors. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "boltz/rng.h"
#include "core/estimate_blocks.h"

enum { replicates = 200 };

/*
 * The values that are resampled, in one row: [0] log Z, averages, differences (these have an
 * interval: `nmeasured`), then the free energy of every bin.
 */
struct fold {
  const struct boltz_estimator *e;
  double shift;             /* of every row */
  size_t nmeasured, nvalue; /* nvalue = nmeasured + bins */
  double *total, *value;    /* [nlinear + nsquare], [nvalue] of the whole sample */
  double *variance;         /* [nmeasured] by the blocks' residuals */

  /* The bootstrap's own. */
  uint32_t *draws;                         /* [blocks] how often a block was drawn */
  double *again_total, *again, *again_var; /* a replicate's total, values, variances */
  double *count, *sum, *square;            /* [nvalue] of the deviations from `value` */
  double *t;                               /* [nmeasured, replicates] studentised deviations */
};

/* ---- totals and values ---- */

/* Bring every row to the largest shift of all; −infinity when every weight is 0. */
static double level(const struct boltz_estimator *e) {
  double shift = -INFINITY;
  for (size_t b = 0; b < e->blocks; b++) shift = fmax(shift, block_row(e, b)[0]);
  if (shift == -INFINITY) return shift;
  for (size_t b = 0; b < e->blocks; b++) {
    double *row = block_row(e, b), *linear = row + 1, *square = linear + e->nlinear;
    const double shrink = exp(row[0] - shift);
    for (size_t k = 0; k < e->nlinear; k++) linear[k] *= shrink;
    for (size_t k = 0; k < e->nsquare; k++) square[k] *= shrink * shrink;
    row[0] = shift;
  }
  return shift;
}

/* Σ over blocks of draws·row for the first `width` sums; draws NULL: each block once. Returns the
 * number of samples. */
static double add_blocks(const struct boltz_estimator *e, const uint32_t *draws, size_t width,
                         double *total) {
  double n = 0;
  memset(total, 0, width * sizeof *total);
  for (size_t b = 0; b < e->blocks; b++) {
    const double times = draws ? (double)draws[b] : 1;
    if (times == 0) continue;
    const double *sum = block_row(e, b) + 1;
    for (size_t k = 0; k < width; k++) total[k] += times * sum[k];
    n += times * (double)block_size(e, b);
  }
  return n;
}

/* −ln(part/whole/width), the whole having a weight */
static double free_energy(double part, double whole, double width) {
  return part > 0 ? log(width) - log(part / whole) : NAN;
}

/* The values that totals over n samples say. */
static void evaluate(const struct fold *f, const double *total, double n, double *value) {
  const struct boltz_estimator *e = f->e;
  const struct boltz_estimate_spec *spec = &e->spec;
  const double w = total[0];
  *value++ = f->shift + log(w / n);
  for (int k = 0; k < spec->naverages; k++) *value++ = total[1 + k] / w;
  const double *region = total + linear_difference(e, 0);
  for (int k = 0; k < spec->ndifferences; k++, region += 2)
    *value++ = region[0] > 0 && region[1] > 0 ? log(region[0]) - log(region[1]) : NAN;
  const double *bin = total + linear_bins(e);
  for (int p = 0; p < spec->nprofiles; p++) {
    const struct boltz_profile_spec *profile = &spec->profiles[p];
    const double width = (profile->high - profile->low) / profile->bins;
    for (int k = 0; k < profile->bins; k++) *value++ = free_energy(*bin++, w, width);
  }
}

/*
 * Variance of log Z, averages and differences by their first-order residuals over the blocks drawn,
 * Σ r_b²:
 *   log Z       r = w_b/w − n_b/n
 *   average A   r = (Σ_b w·f − A·w_b)/w
 *   difference  r = a_b/a − b_b/b
 */
static void residuals(const struct fold *f, const uint32_t *draws, const double *total, double n,
                      const double *value, double *variance) {
  const struct boltz_estimator *e = f->e;
  memset(variance, 0, f->nmeasured * sizeof *variance);
  for (size_t b = 0; b < e->blocks; b++) {
    const double times = draws ? (double)draws[b] : 1;
    if (times == 0) continue;
    const double *sum = block_row(e, b) + 1;
    const double share = sum[0] / total[0];
    double *v = variance;
    double r = share - (double)block_size(e, b) / n;
    *v++ += times * r * r;
    for (int k = 1; k <= e->spec.naverages; k++) {
      r = sum[k] / total[0] - value[k] * share;
      *v++ += times * r * r;
    }
    for (size_t k = linear_difference(e, 0); k < linear_bins(e); k += 2) {
      r = sum[k] / total[k] - sum[k + 1] / total[k + 1];
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

/* (θ* − θ)/s*: 0 where nothing varies */
static double studentise(double deviation, double variance) {
  return deviation == 0 ? 0 : deviation / sqrt(variance);
}

/* One replicate: a value that it cannot have (an empty region) is left out. */
static void replicate_once(struct fold *f, uint64_t replicate) {
  draw_blocks(f->e, replicate, f->draws);
  const double n = add_blocks(f->e, f->draws, f->e->nlinear, f->again_total);
  evaluate(f, f->again_total, n, f->again);
  residuals(f, f->draws, f->again_total, n, f->again, f->again_var);
  for (size_t k = 0; k < f->nvalue; k++) {
    const double deviation = f->again[k] - f->value[k];
    if (!isfinite(deviation)) continue;
    if (k < f->nmeasured)
      f->t[k * replicates + (size_t)f->count[k]] = studentise(deviation, f->again_var[k]);
    f->count[k] += 1;
    f->sum[k] += deviation;
    f->square[k] += deviation * deviation;
  }
}

/* Standard deviation over the replicates, times sqrt(B/(B−1)): resampling B blocks understates
 * their variance by (B−1)/B. One block has no error: NaN. */
static double stderr_of(const struct fold *f, size_t k) {
  const double count = f->count[k], blocks = (double)f->e->blocks;
  if (!(count >= replicates / 2) || f->e->blocks < 2) return NAN;
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
static struct boltz_measured measured(const struct fold *f, size_t k) {
  const double value = f->value[k], error = stderr_of(f, k);
  struct boltz_measured m = {value, error, {NAN, NAN}};
  if (isnan(error)) return m;
  double *t = f->t + k * replicates;
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

static enum boltz_status new_fold(struct boltz_estimator *e, struct boltz_arena *arena,
                                  struct fold *f) {
  const size_t nmeasured = 1 + (size_t)e->spec.naverages + (size_t)e->spec.ndifferences;
  const size_t nvalue = nmeasured + e->bins;
  *f = (struct fold){
      .e = e,
      .nmeasured = nmeasured,
      .nvalue = nvalue,
      .total = BOLTZ_NEW_ARRAY(arena, e->nlinear + e->nsquare, double),
      .value = BOLTZ_NEW_ARRAY(arena, nvalue, double),
      .variance = BOLTZ_NEW_ARRAY(arena, nmeasured, double),
      .draws = BOLTZ_NEW_ARRAY(arena, e->blocks, uint32_t),
      .again_total = BOLTZ_NEW_ARRAY(arena, e->nlinear, double),
      .again = BOLTZ_NEW_ARRAY(arena, nvalue, double),
      .again_var = BOLTZ_NEW_ARRAY(arena, nmeasured, double),
      .count = BOLTZ_NEW_ARRAY(arena, nvalue, double),
      .sum = BOLTZ_NEW_ARRAY(arena, nvalue, double),
      .square = BOLTZ_NEW_ARRAY(arena, nvalue, double),
      .t = boltz_arena_scratch(arena, nmeasured, replicates * sizeof(double)),
  };
  const bool all = f->total && f->value && f->variance && f->draws && f->again_total && f->again &&
                   f->again_var && f->count && f->sum && f->square && f->t;
  return all ? BOLTZ_OK : BOLTZ_NO_MEMORY;
}

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
static enum boltz_status fold_tails(const struct boltz_estimator *e, struct boltz_arena *arena,
                                    double *pareto_k) {
  const size_t limit = e->lanes[0].tail.limit;
  struct tail all = {.log_w = boltz_arena_scratch(arena, limit, sizeof(double)), .limit = limit};
  if (!all.log_w) return BOLTZ_NO_MEMORY;
  for (int lane = 0; lane < BOLTZ_ESTIMATE_LANES; lane++) {
    const struct tail *tail = &e->lanes[lane].tail;
    for (size_t i = 0; i < tail->count; i++) boltz_tail_push(&all, tail->log_w[i]);
  }
  *pareto_k = boltz_stats_pareto_k(all.log_w, all.count);
  return BOLTZ_OK;
}

static double kish(double sum, double square) {
  return square > 0 ? sum * sum / square : 0;
}

static void report(const struct fold *f, struct boltz_estimate *estimate) {
  const struct boltz_estimate_spec *spec = &f->e->spec;
  size_t k = 0;
  estimate->log_z = measured(f, k++);
  for (int i = 0; i < spec->naverages; i++) estimate->averages[i] = measured(f, k++);
  for (int i = 0; i < spec->ndifferences; i++) estimate->differences[i] = measured(f, k++);

  const double *linear = f->total, *square = linear + f->e->nlinear;
  estimate->ess = kish(linear[0], square[0]);
  estimate->ess_fraction = estimate->ess / (double)spec->n;
  linear += linear_bins(f->e);
  square += 1;
  for (int p = 0; p < spec->nprofiles; p++) {
    struct boltz_profile *profile = &estimate->profiles[p];
    for (int bin = 0; bin < profile->bins; bin++, k++) {
      profile->free_energy[bin] = f->value[k];
      profile->stderr_[bin] = stderr_of(f, k);
      profile->ess[bin] = kish(*linear++, *square++);
    }
  }
}

static enum boltz_status fold(struct boltz_estimator *e, struct boltz_arena *scratch,
                              struct boltz_estimate *estimate) {
  struct fold f;
  BOLTZ_TRY(fold_tails(e, scratch, &estimate->pareto_k));
  BOLTZ_TRY(new_fold(e, scratch, &f));
  for (int lane = 0; lane < BOLTZ_ESTIMATE_LANES; lane++)
    estimate->non_finite += e->lanes[lane].non_finite;

  f.shift = level(e);
  if (f.shift == -INFINITY) {
    /* Every weight is 0: nothing is known but that. */
    for (size_t k = 0; k < f.nvalue; k++) f.value[k] = k == 0 ? -INFINITY : NAN;
  } else {
    const double n = add_blocks(e, NULL, e->nlinear + e->nsquare, f.total);
    evaluate(&f, f.total, n, f.value);
    residuals(&f, NULL, f.total, n, f.value, f.variance);
    for (uint64_t r = 0; r < replicates; r++) replicate_once(&f, r);
  }
  report(&f, estimate);
  return BOLTZ_OK;
}

enum boltz_status boltz_estimator_finish(struct boltz_estimator *e, struct boltz_arena *arena,
                                         struct boltz_estimate *estimate) {
  BOLTZ_TRY(new_result(&e->spec, arena, estimate));
  const struct boltz_mark mark = boltz_arena_mark(arena);
  const enum boltz_status status = fold(e, arena, estimate);
  boltz_arena_release(arena, mark);
  return status;
}
