/* precision.h - which precision a new version is served in: the one that was asked for or, for
 * "auto", the cheapest that costs no effective samples to speak of. */
#ifndef SERVER_PRECISION_H
#define SERVER_PRECISION_H

#include "server/measure.h"

/** Fixed-seed samples that a precision is judged by. */
#define PRECISION_SAMPLES 20000

/** "auto" and the names of boltz/precision.h, NULL-ended: the choices of a settings table. */
extern const char *const precision_choices[];

/** Can the flow be served in what is asked? Errors: OUT_OF_RANGE at "/precision", saying why not
 * and what is possible. */
enum boltz_status precision_check(const struct boltz_flow *flow, const char *asked);

/** A choice being made. Its result depends on flow, weights, energy, seed and what is asked alone.
 */
struct precision_choice {
  /* From the owner: round.pool and class_, owner, flow, energy, seed, stopped, and log_w with room
     for PRECISION_SAMPLES. */
  struct measure measure;
  const char *asked;
  struct boltz_weights weights; /* in: fp32; out: served in `precision` */
  /* Called once, on a worker; look at stopped() first, then at `status`. */
  void (*chosen)(struct precision_choice *choice, struct worker *worker);

  enum boltz_precision precision; /* being tried; at the end, chosen */
  int tried;                      /* of the candidates for auto */
  struct boltz_arena *arena;      /* holds what `weights` is served by */
  struct boltz_serving *serving;  /* under way */
  enum boltz_status status;
  char why[200];
  struct precision_quality {
    bool measured;
    struct boltz_weight_summary summary;
    double pareto_k;
  } quality[BOLTZ_PRECISIONS];
};

/** Measure fp32, then what is asked for or the candidates of auto, until one is chosen. */
void precision_start(struct precision_choice *choice);

/** Give back what the choice holds; one that never started holds nothing. */
void precision_release(struct precision_choice *choice);

/** What was measured in the chosen precision, which is never unmeasured. */
const struct precision_quality *precision_quality(const struct precision_choice *choice);

/** "serves in table: ess_fraction 0.9875, 0.9877 in fp32". */
void precision_explain(const struct precision_choice *choice, struct boltz_text *text);

/** The sentence of quality.h; ess_fraction_data NULL: no data were asked. */
void precision_explain_quality(const struct precision_choice *choice,
                               const double *ess_fraction_data, struct boltz_text *text);

/** The `metrics` of a version, that sentence as `summary` among them. */
void precision_print_metrics(const struct precision_choice *choice, const double *ess_fraction_data,
                             struct boltz_text *text);

#endif
