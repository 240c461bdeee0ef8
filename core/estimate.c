/* estimate.c - reweighted estimates in the making: samples fall into blocks, blocks into sums. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/estimate_blocks.h"

/* min(n, 1000) blocks: enough for the error of an error, few enough to resample. */
static const uint64_t most_blocks = 1000;

static enum boltz_status check_spec(const struct boltz_estimate_spec *spec) {
  if (spec->n == 0) return boltz_fail(BOLTZ_OUT_OF_RANGE, "n = 0 is not at least 1");
  for (int p = 0; p < spec->nprofiles; p++) {
    const struct boltz_profile_spec *profile = &spec->profiles[p];
    if (profile->bins < 1)
      return boltz_fail(BOLTZ_OUT_OF_RANGE, "bins = %d is not at least 1", profile->bins);
    if (!(profile->low < profile->high && isfinite(profile->high - profile->low)))
      return boltz_fail(BOLTZ_OUT_OF_RANGE, "a profile's [%g, %g) is not a finite interval",
                        profile->low, profile->high);
  }
  return BOLTZ_OK;
}

/* A copy of `count` objects in the arena; NULL when it is exhausted, never for a count of 0. */
static void *copy(struct boltz_arena *arena, const void *source, int count, size_t size) {
  void *target = boltz_arena_scratch(arena, count > 0 ? (size_t)count : 1, size);
  if (target && count > 0) memcpy(target, source, (size_t)count * size);
  return target;
}

static enum boltz_status copy_spec(const struct boltz_estimate_spec *spec,
                                   struct boltz_arena *arena, struct boltz_estimate_spec *own) {
  *own = *spec;
  own->averages = copy(arena, spec->averages, spec->naverages, sizeof *spec->averages);
  own->differences = copy(arena, spec->differences, spec->ndifferences, sizeof *spec->differences);
  own->profiles = copy(arena, spec->profiles, spec->nprofiles, sizeof *spec->profiles);
  return own->averages && own->differences && own->profiles ? BOLTZ_OK : BOLTZ_NO_MEMORY;
}

/* How wide a row is; false when the sum of the widths overflows. */
static bool lay_out(struct boltz_estimator *e) {
  size_t bins = 0, width;
  for (int p = 0; p < e->spec.nprofiles; p++)
    if (__builtin_add_overflow(bins, (size_t)e->spec.profiles[p].bins, &bins)) return false;
  e->bins = bins;
  e->nsquare = 1 + bins;
  if (__builtin_add_overflow(linear_bins(e), bins, &e->nlinear) ||
      __builtin_add_overflow(e->nlinear, e->nsquare, &width) ||
      __builtin_add_overflow(width, 1 + 7, &width))
    return false;
  e->width = width / 8 * 8;
  return !__builtin_mul_overflow(e->width, sizeof(double), &width);
}

enum boltz_status boltz_estimator_new(const struct boltz_estimate_spec *spec,
                                      struct boltz_arena *arena,
                                      struct boltz_estimator **estimator) {
  BOLTZ_TRY(check_spec(spec));
  struct boltz_estimator *e = BOLTZ_NEW(arena, struct boltz_estimator);
  if (!e) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(copy_spec(spec, arena, &e->spec));
  e->blocks = spec->n < most_blocks ? (size_t)spec->n : (size_t)most_blocks;
  if (!lay_out(e))
    return boltz_fail(BOLTZ_NO_MEMORY, "an estimate of %zu bins does not fit in memory", e->bins);
  e->rows = boltz_arena_alloc(arena, e->blocks, e->width * sizeof(double));
  if (!e->rows) return BOLTZ_NO_MEMORY;
  for (size_t b = 0; b < e->blocks; b++) block_row(e, b)[0] = -INFINITY;

  /* Any lane may hold the whole tail, so merging them is exact. */
  const size_t limit = boltz_stats_tail_size(spec->n) + 1;
  for (int lane = 0; lane < BOLTZ_ESTIMATE_LANES; lane++) {
    double *log_w = boltz_arena_scratch(arena, limit, sizeof(double));
    if (!log_w) return BOLTZ_NO_MEMORY;
    e->lanes[lane].block = (uint64_t)lane;
    e->lanes[lane].tail = (struct tail){.log_w = log_w, .limit = limit};
  }
  *estimator = e;
  return BOLTZ_OK;
}

bool boltz_estimator_next(struct boltz_estimator *e, int lane, size_t most, uint64_t *first,
                          size_t *n) {
  const struct lane *l = &e->lanes[lane];
  if (l->block >= e->blocks) return false;
  const uint64_t left = block_size(e, l->block) - l->done;
  *first = block_first(e, l->block) + l->done;
  *n = left < most ? (size_t)left : most;
  return true;
}

/* Move a full heap's root, or the last leaf of one that grows, to its place. */
static void sift_down(double *heap, size_t count, double value) {
  size_t hole = 0;
  for (size_t child; (child = 2 * hole + 1) < count; hole = child) {
    if (child + 1 < count && heap[child + 1] < heap[child]) child++;
    if (heap[child] >= value) break;
    heap[hole] = heap[child];
  }
  heap[hole] = value;
}

static void sift_up(double *heap, size_t hole, double value) {
  for (; hole > 0 && heap[(hole - 1) / 2] > value; hole = (hole - 1) / 2)
    heap[hole] = heap[(hole - 1) / 2];
  heap[hole] = value;
}

void boltz_tail_push(struct tail *tail, double log_w) {
  if (tail->count < tail->limit)
    sift_up(tail->log_w, tail->count++, log_w);
  else if (log_w > tail->log_w[0])
    sift_down(tail->log_w, tail->count, log_w);
}

/* A new largest log weight: bring all sums of the row to it. */
static void raise_shift(const struct boltz_estimator *e, double *row, double log_w) {
  const double shrink = exp(row[0] - log_w);
  double *linear = row + 1, *square = linear + e->nlinear;
  for (size_t k = 0; k < e->nlinear; k++) linear[k] *= shrink;
  for (size_t k = 0; k < e->nsquare; k++) square[k] *= shrink * shrink;
  row[0] = log_w;
}

/* A value that is not a number belongs to no region and no bin, and poisons them all: it must not
 * leave quietly. */
static void add_difference(const struct boltz_difference_spec *d, double x, double w, double *sum) {
  if ((x >= d->a[0] && x < d->a[1]) || isnan(x)) sum[0] += isnan(x) ? x : w;
  if ((x >= d->b[0] && x < d->b[1]) || isnan(x)) sum[1] += isnan(x) ? x : w;
}

static void add_profile(const struct boltz_profile_spec *p, double x, double w, double *sum,
                        double *square) {
  if (isnan(x))
    for (int bin = 0; bin < p->bins; bin++) sum[bin] = x;
  if (!(x >= p->low && x < p->high)) return;
  int bin = (int)((x - p->low) / (p->high - p->low) * p->bins);
  if (bin >= p->bins) bin = p->bins - 1; /* rounded up, just below high */
  sum[bin] += w;
  square[bin] += w * w;
}

static void add_sample(const struct boltz_estimator *e, double *row, double log_w, size_t i,
                       const double *const *columns) {
  const struct boltz_estimate_spec *spec = &e->spec;
  if (log_w > row[0]) raise_shift(e, row, log_w);
  const double w = exp(log_w - row[0]);
  double *linear = row + 1, *square = linear + e->nlinear;
  linear[0] += w;
  square[0] += w * w;
  for (int k = 0; k < spec->naverages; k++)
    linear[1 + k] += w * columns[spec->averages[k].column][i];
  for (int k = 0; k < spec->ndifferences; k++)
    add_difference(&spec->differences[k], columns[spec->differences[k].column][i], w,
                   linear + linear_difference(e, k));
  size_t bin = 0;
  for (int k = 0; k < spec->nprofiles; bin += (size_t)spec->profiles[k++].bins)
    add_profile(&spec->profiles[k], columns[spec->profiles[k].column][i], w,
                linear + linear_bins(e) + bin, square + 1 + bin);
}

void boltz_estimator_add(struct boltz_estimator *e, int lane, size_t n, const double *log_w,
                         const double *const *columns) {
  struct lane *l = &e->lanes[lane];
  assert(n == 0 || (l->block < e->blocks && n <= block_size(e, l->block) - l->done));
  double *row = n > 0 ? block_row(e, l->block) : NULL;
  for (size_t i = 0; i < n; i++) {
    /* A weight of 0 is skipped altogether: its energy may be infinite, and 0·∞ poisons. */
    if (!isfinite(log_w[i])) {
      l->non_finite += !(log_w[i] == -INFINITY);
      continue;
    }
    boltz_tail_push(&l->tail, log_w[i]);
    add_sample(e, row, log_w[i], i, columns);
  }
  l->done += n;
  if (n > 0 && l->done == block_size(e, l->block)) {
    l->block += BOLTZ_ESTIMATE_LANES;
    l->done = 0;
  }
}
