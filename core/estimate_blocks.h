/* estimate_blocks.h - how the two halves of an estimate, the feeding of blocks (estimate.c) and
 * their folding (estimate_fold.c), lay out what they share. */
#ifndef CORE_ESTIMATE_BLOCKS_H
#define CORE_ESTIMATE_BLOCKS_H

#include "boltz/stats.h"

enum { bootstrap_replicates = 200 };

/* The largest log weights so far: a heap with its smallest at the root. */
struct tail {
  double *log_w; /* [limit] */
  size_t count, limit;
};

void boltz_tail_push(struct tail *tail, double log_w);

/* What one thread writes at a time; a cache line of its own. */
struct lane {
  _Alignas(64) uint64_t block; /* the block being fed; ≥ blocks when done */
  uint64_t done;               /* samples of it already fed */
  uint64_t non_finite;
  struct tail tail;
};

/*
 * What the pieces leave, each in its own place, and what is summed up from it. The values that are
 * resampled stand in one row: [0] log Z, averages, differences (these have an interval:
 * `nmeasured`), then the free energy of every bin.
 */
struct fold {
  size_t nmeasured, nvalue; /* nvalue = nmeasured + bins */
  size_t span, ntotals;     /* sums of the total that a piece makes, pieces of that kind */
  size_t strip, nstrips;    /* linear sums that a piece of a replicate makes, such pieces */
  size_t each, npieces;     /* replicates that a piece is of, pieces in all */
  bool *done;               /* [npieces] */
  double *total;            /* [nlinear + nsquare] of the whole sample */
  double *again;            /* [replicates, nvalue] what each replicate says */
  double *again_variance;   /* [replicates, nmeasured] */

  double *value, *variance;     /* [nvalue], [nmeasured] of the whole sample */
  double *count, *sum, *square; /* [nvalue] of the replicates' deviations from `value` */
  double *t;                    /* [nmeasured, replicates] studentised deviations */
  struct tail tail;             /* of all lanes */
};

/*
 * One row of doubles a block, every sum over its samples shifted by the row's own largest log
 * weight (w = exp(log_w − shift)):
 *   [0]              shift
 *   [1 …] linear     Σw | Σw·f an average | Σw in a, Σw in b a difference | Σw a bin
 *   then squares     Σw² | Σw² a bin
 */
struct boltz_estimator {
  struct boltz_estimate_spec spec;
  size_t blocks, bins;            /* bins of all profiles together */
  size_t nlinear, nsquare, width; /* width of a row in doubles, whole cache lines */
  double *rows;                   /* [blocks, width]; a row is zeroed by its first sample */
  struct fold fold;
  struct lane lanes[BOLTZ_ESTIMATE_LANES];
};

static inline double *block_row(const struct boltz_estimator *e, size_t block) {
  return e->rows + block * e->width;
}

static inline size_t linear_difference(const struct boltz_estimator *e, int k) {
  return 1 + (size_t)e->spec.naverages + 2 * (size_t)k;
}

static inline size_t linear_bins(const struct boltz_estimator *e) {
  return linear_difference(e, e->spec.ndifferences);
}

/* First sample of a block: floor(block·n/blocks) without the product, which may overflow. */
static inline uint64_t block_first(const struct boltz_estimator *e, uint64_t block) {
  const uint64_t n = e->spec.n, blocks = e->blocks;
  return block * (n / blocks) + block * (n % blocks) / blocks;
}

static inline uint64_t block_size(const struct boltz_estimator *e, uint64_t block) {
  return block_first(e, block + 1) - block_first(e, block);
}

/* What a piece needs for itself. */
struct piece_scratch {
  double shift;    /* the largest of all rows */
  double *scale;   /* [blocks] what brings a row to it */
  uint32_t *draws; /* [blocks] how often a block was drawn */
  double *total;   /* [nlinear] of a replicate */
};

#endif
