/* stats.h - weights, ESS, Pareto k, log Z, differences, profiles, bootstrap, autocorrelation. */
#ifndef BOLTZ_STATS_H
#define BOLTZ_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "boltz/arena.h"
#include "boltz/status.h"

/** What n log weights say together. */
struct boltz_weight_summary {
  double ess;          /* Kish: (Σw)²/Σw², a count; 0 when every weight is 0 */
  double ess_fraction; /* ess/n */
  double log_mean;     /* ln(Σw/n): the estimate of log Z; −infinity when every weight is 0 */
  size_t non_finite;   /* NaN or +infinity: counted and taken as weight 0 */
};

/** Summary of log_w [n]; −infinity is a weight of 0. Computed by shifted exponentials. */
void boltz_stats_weights(const double *log_w, size_t n, struct boltz_weight_summary *summary);

/** weight [n] = w/Σw; all 0 when every weight is 0. */
void boltz_stats_normalise(const double *log_w, size_t n, double *weight);

/**
 * Pareto k of the weights' tail: the shape of a generalised Pareto distribution fitted to the
 * m = min(0.2 n, 3 √n) largest weights (Zhang & Stephens 2009, with the weak prior of Vehtari et
 * al.). `tail` [m+1] holds the m+1 largest finite log weights in any order and is
 * overwritten; NaN when fewer than 5 of them exceed the smallest; 0 when they are all equal but for
 * rounding (1e-9): such weights have no tail. Source: Vehtari et al., 1507.02646, appendix C.
 */
double boltz_stats_pareto_k(double *tail, size_t count);

/** m for n samples, rounded up. */
size_t boltz_stats_tail_size(uint64_t n);

/** Integrated autocorrelation time of `walkers` series of `steps` values each, value of walker i at
 * step t at series[t*walkers + i], with Sokal's automatic window (c = 5); in steps, from 1 to
 * `steps`, which is what a series that never moves has; NaN when a value is not finite.
 * Source: Sokal 1997; Goodman & Weare 2010. */
double boltz_stats_autocorrelation_time(const double *series, size_t steps, size_t walkers);

/** What an estimate is to measure, in terms of the columns of values that it is fed. */
struct boltz_estimate_spec {
  uint64_t n;    /* samples in all */
  uint64_t seed; /* of the bootstrap */
  int naverages;
  struct boltz_average_spec {
    int column;
  } * averages;
  int ndifferences;
  struct boltz_difference_spec { /* F(b) − F(a) = −ln P(b)/P(a); regions [low, high) */
    int column;
    double a[2], b[2];
  } * differences;
  int nprofiles;
  struct boltz_profile_spec { /* −ln(P(bin)/width), P over all samples; bins [low, high) */
    int column;
    double low, high;
    int bins;
  } * profiles;
};

/** A number with its error; NaN where there is none. `interval` is 95 %, by bootstrap-t, so not
 * symmetric about the value. */
struct boltz_measured {
  double value, stderr_, interval[2];
};

struct boltz_estimate {
  double ess, ess_fraction, pareto_k;
  uint64_t non_finite;
  struct boltz_measured log_z;
  struct boltz_measured *averages, *differences;
  struct boltz_profile {
    int bins;
    double *centers, *free_energy, *stderr_, *ess; /* [bins]; NaN free energy: empty */
  } * profiles;
};

/**
 * An estimate in the making: memory does not grow with n. Samples fall into min(n, 1000) equal
 * blocks; block b belongs to lane b % BOLTZ_ESTIMATE_LANES. Lanes are independent: one thread a
 * lane at a time, in any order between lanes.
 */
struct boltz_estimator;
#define BOLTZ_ESTIMATE_LANES 16

/** Bytes of an arena that holds the estimator and boltz_estimator_finish(), result included;
 * SIZE_MAX when no memory could. */
size_t boltz_estimator_size(const struct boltz_estimate_spec *spec);

enum boltz_status boltz_estimator_new(const struct boltz_estimate_spec *spec,
                                      struct boltz_arena *arena,
                                      struct boltz_estimator **estimator);

/** The next run of samples that a lane wants, at most `most` of them, never across blocks; false
 * when the lane has had them all. */
bool boltz_estimator_next(struct boltz_estimator *estimator, int lane, size_t most, uint64_t *first,
                          size_t *n);

/** Feed the run that boltz_estimator_next() named: log_w [n], columns[c] [n]. */
void boltz_estimator_add(struct boltz_estimator *estimator, int lane, size_t n, const double *log_w,
                         const double *const *columns);

/** How many pieces folding the blocks, and resampling them, is cut into: at least 1. */
size_t boltz_estimator_pieces(const struct boltz_estimator *estimator);

/**
 * Do one piece, of about 4 ms at most, once every lane has had its samples. Pieces are independent:
 * in any order, each by any thread, different ones at once; the result's bits are the same.
 *
 *   scratch   what is taken from it is given back
 *
 * Errors: NO_MEMORY when scratch is exhausted.
 */
enum boltz_status boltz_estimator_fold(struct boltz_estimator *estimator, size_t piece,
                                       struct boltz_arena *scratch);

/**
 * Sum up: values, bootstrap of 200 replicates over the blocks (Efron), Pareto k. Pieces that
 * boltz_estimator_fold() has not done are done here first: all of them, if need be. The
 * result lives in the arena. A value that cannot be had (an empty region or bin, no weight at all)
 * is NaN with stderr NaN; log Z of no weight at all is −infinity; one block has no stderr. A NaN in
 * a column, where the weight is not 0, makes all that is measured in that column NaN.
 */
enum boltz_status boltz_estimator_finish(struct boltz_estimator *estimator,
                                         struct boltz_arena *arena,
                                         struct boltz_estimate *estimate);

/** "good" (k < 0.5), "usable" (k < 0.7) or "unreliable" (else, NaN and ess 0 included). */
const char *boltz_stats_verdict(double pareto_k, double ess);

#endif
