/* precision.h - what a conditioner network computes in while it serves.
 *
 * A coupling's log_det is exact for any deterministic function of the fixed coordinates, so a
 * narrower conditioner costs effective samples at most, never bias. The same weights give another
 * function in another precision: precision is part of a version. Training is fp32. */
#ifndef BOLTZ_PRECISION_H
#define BOLTZ_PRECISION_H

#include <stdbool.h>

/** From the widest to the cheapest. */
enum boltz_precision {
  BOLTZ_FP32,
  BOLTZ_BF16,  /* maps of bfloat16 inputs and weights, float sums */
  BOLTZ_INT8,  /* maps of integers of 8 bits, scaled per output */
  BOLTZ_TABLE, /* piecewise linear tables, where a conditioner sees one coordinate */
};

#define BOLTZ_PRECISIONS 4

/** Parameters of a spline coupling that has a table, at most: with more it would leave the caches.
 */
#define BOLTZ_TABULATED_MAX 256

/** "fp32", "bf16", "int8", "table", NULL: the names, in the order of the enum. */
extern const char *const boltz_precision_names[];

/** The precision of that name; false: there is none. */
bool boltz_precision_find(const char *name, enum boltz_precision *precision);

#endif
