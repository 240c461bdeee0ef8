/* quality.h - how good a sampler is, in one sentence for a person. */
#ifndef SERVER_QUALITY_H
#define SERVER_QUALITY_H

#include "boltz/text.h"

/** The thresholds, all of them, beside those of Pareto k (boltz_stats_verdict: 0.5 and 0.7). */
#define QUALITY_GOOD 0.5 /* of ess_fraction: error bars at most 1.4 times those of the target */
#define QUALITY_FAIR 0.1 /* of ess_fraction: at most 3.2 times */
#define QUALITY_LOST 0.5 /* of ess_fraction by the data over that by the flow's own samples */

/** What was measured of a sampler. */
struct quality {
  int n;                    /* samples of its own that were measured */
  double ess_fraction;      /* by them; 0: none has a weight */
  double pareto_k;          /* NaN: it cannot be had */
  double ess_fraction_data; /* by samples of the target; NaN: nobody asked them */
};

/**
 * GOOD: use it. FAIR: use it, and draw more. POOR: averages or their error bars are not to be
 * trusted. USELESS: samples of the target say that the flow lacks a part of it, or no sample has a
 * weight.
 */
enum quality_grade { QUALITY_IS_GOOD, QUALITY_IS_FAIR, QUALITY_IS_POOR, QUALITY_IS_USELESS };

enum quality_grade quality_grade(const struct quality *quality);

/** "Good: 91 % of the samples count (ESS fraction 0.91, Pareto k 0.12); averages from …" */
void quality_explain(const struct quality *quality, struct boltz_text *text);

#endif
