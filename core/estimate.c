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

/* ---- layout ---- */

/* Pieces of one block of memory, or only their sizes where there is none (base NULL). */
struct carving {
  char *base;
  size_t used; /* SIZE_MAX: it does not fit in any memory */
};

static void *carve(struct carving *carving, size_t count, size_t size) {
  const size_t at = carving->used;
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes) || __builtin_add_overflow(bytes, 63, &bytes) ||
      __builtin_add_overflow(at, bytes / 64 * 64, &carving->used)) {
    carving->used = SIZE_MAX;
    return NULL;
  }
  return carving->base ? carving->base + at : NULL;
}

static double *carve_doubles(struct carving *carving, size_t rows, size_t columns) {
  size_t bytes;
  if (__builtin_mul_overflow(columns, sizeof(double), &bytes)) bytes = SIZE_MAX;
  return carve(carving, rows, bytes);
}

/* How wide a row is; false when the sum of the widths overflows. */
static bool measure_row(struct boltz_estimator *e) {
  size_t bins = 0, width;
  for (int p = 0; p < e->spec.nprofiles; p++)
    if (__builtin_add_overflow(bins, (size_t)e->spec.profiles[p].bins, &bins)) return false;
  e->bins = bins;
  if (__builtin_add_overflow(bins, 1, &e->nsquare) ||
      __builtin_add_overflow(linear_bins(e), bins, &e->nlinear) ||
      __builtin_add_overflow(e->nlinear, e->nsquare, &width) ||
      __builtin_add_overflow(width, 1 + 7, &width))
    return false;
  e->width = width / 8 * 8;
  return true;
}

/* A piece of about 4 ms, at 1 … 2 ns a sum: the rows of many bins come from main memory. */
static const size_t piece_sums = (size_t)1 << 21;

/* Where a replicate itself is too much for a piece; all but bins are in its first strip. */
static const size_t widest_strip = 4096;

/* A replicate of few sums is still drawn, its residuals have divisions, and its values logarithms.
 */
static size_t replicate_cost(const struct boltz_estimator *e) {
  return e->blocks * (e->nlinear + 8 * e->fold.nmeasured + 32) + 32 * e->fold.nvalue;
}

static size_t at_least_1(size_t n) {
  return n > 1 ? n : 1;
}

static void cut_pieces(struct boltz_estimator *e) {
  struct fold *f = &e->fold;
  f->span = at_least_1(piece_sums / e->blocks);
  f->ntotals = (e->nlinear + e->nsquare - 1) / f->span + 1;
  f->strip = linear_bins(e) > widest_strip ? linear_bins(e) : widest_strip;
  f->nstrips = (e->nlinear - 1) / f->strip + 1;
  f->each = at_least_1(piece_sums / (replicate_cost(e) / f->nstrips + 1));
  f->npieces = f->ntotals + ((bootstrap_replicates - 1) / f->each + 1) * f->nstrips;
}

static void carve_fold(struct boltz_estimator *e, struct carving *c) {
  struct fold *f = &e->fold;
  f->nmeasured = 1 + (size_t)e->spec.naverages + (size_t)e->spec.ndifferences;
  f->nvalue = f->nmeasured + e->bins;
  cut_pieces(e);
  f->done = carve(c, f->npieces, sizeof *f->done);
  f->total = carve_doubles(c, 1, e->nlinear + e->nsquare);
  f->again = carve_doubles(c, bootstrap_replicates, f->nvalue);
  f->again_variance = carve_doubles(c, bootstrap_replicates, f->nmeasured);
  f->value = carve_doubles(c, 1, f->nvalue);
  f->variance = carve_doubles(c, 1, f->nmeasured);
  f->count = carve_doubles(c, 1, f->nvalue);
  f->sum = carve_doubles(c, 1, f->nvalue);
  f->square = carve_doubles(c, 1, f->nvalue);
  f->t = carve_doubles(c, f->nmeasured, bootstrap_replicates);
}

static void carve_tail(struct tail *tail, uint64_t n, struct carving *c) {
  *tail = (struct tail){.limit = boltz_stats_tail_size(n) + 1};
  tail->log_w = carve_doubles(c, 1, tail->limit);
}

/* Everything but the contents, the estimator itself at the start. */
static void lay_out(struct boltz_estimator *e, const struct boltz_estimate_spec *spec,
                    struct carving *c) {
  *e = (struct boltz_estimator){.spec = *spec};
  c->used = sizeof *e;
  e->blocks = spec->n < most_blocks ? (size_t)spec->n : (size_t)most_blocks;
  if (!measure_row(e)) {
    c->used = SIZE_MAX;
    return;
  }
  e->spec.averages = carve(c, (size_t)spec->naverages, sizeof *spec->averages);
  e->spec.differences = carve(c, (size_t)spec->ndifferences, sizeof *spec->differences);
  e->spec.profiles = carve(c, (size_t)spec->nprofiles, sizeof *spec->profiles);
  e->rows = carve_doubles(c, e->blocks, e->width);
  carve_fold(e, c);
  /* Any lane may hold the whole tail, so merging them is exact. */
  for (int lane = 0; lane < BOLTZ_ESTIMATE_LANES; lane++) {
    e->lanes[lane].block = (uint64_t)lane;
    carve_tail(&e->lanes[lane].tail, spec->n, c);
  }
  carve_tail(&e->fold.tail, spec->n, c);
}

size_t boltz_estimator_size(const struct boltz_estimate_spec *spec) {
  struct boltz_estimator e;
  struct carving c = {0};
  if (spec->n == 0) return sizeof e;
  lay_out(&e, spec, &c);
  /* The result, as finish makes it, */
  carve(&c, (size_t)spec->naverages + 1, sizeof(struct boltz_measured));
  carve(&c, (size_t)spec->ndifferences + 1, sizeof(struct boltz_measured));
  carve(&c, (size_t)spec->nprofiles + 1, sizeof(struct boltz_profile));
  for (int p = 0; p < spec->nprofiles; p++)
    for (int column = 0; column < 4; column++) carve_doubles(&c, 1, (size_t)spec->profiles[p].bins);
  /* and one piece's scratch. */
  carve_doubles(&c, 1, e.blocks);
  carve(&c, e.blocks, sizeof(uint32_t));
  carve_doubles(&c, 1, e.nlinear);
  return c.used;
}

static void copy(void *target, const void *source, int count, size_t size) {
  if (count > 0) memcpy(target, source, (size_t)count * size);
}

enum boltz_status boltz_estimator_new(const struct boltz_estimate_spec *spec,
                                      struct boltz_arena *arena,
                                      struct boltz_estimator **estimator) {
  BOLTZ_TRY(check_spec(spec));
  struct boltz_estimator sketch;
  struct carving c = {0};
  lay_out(&sketch, spec, &c);
  if (c.used == SIZE_MAX)
    return boltz_fail(BOLTZ_NO_MEMORY, "an estimate of %zu bins does not fit in memory",
                      sketch.bins);
  c.base = boltz_arena_scratch(arena, 1, c.used);
  if (!c.base) return BOLTZ_NO_MEMORY;
  struct boltz_estimator *e = (struct boltz_estimator *)c.base;
  lay_out(e, spec, &c);
  copy(e->spec.averages, spec->averages, spec->naverages, sizeof *spec->averages);
  copy(e->spec.differences, spec->differences, spec->ndifferences, sizeof *spec->differences);
  copy(e->spec.profiles, spec->profiles, spec->nprofiles, sizeof *spec->profiles);
  memset(e->fold.done, 0, e->fold.npieces * sizeof *e->fold.done);
  *estimator = e;
  return BOLTZ_OK;
}

/* ---- samples ---- */

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
  if (n > 0 && l->done == 0) {
    memset(row, 0, e->width * sizeof *row);
    row[0] = -INFINITY;
  }
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
