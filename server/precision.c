/* precision.c - which precision a new version is served in. */
#include "server/precision.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/quality.h"

#define TOLERANCE 0.005                  /* of ess_fraction, against fp32's */
#define SERVED_BYTES ((size_t)128 << 20) /* of tables and narrow copies, beside the weights */

const char *const precision_choices[] = {"auto", "fp32", "bf16", "int8", "table", NULL};

/* What auto tries, in this order, before it stays with fp32. */
static const enum boltz_precision candidates[] = {BOLTZ_TABLE, BOLTZ_INT8, BOLTZ_BF16};
#define CANDIDATES (int)(sizeof candidates / sizeof *candidates)

/* fp32 for "auto", too: it is what any other is compared with. */
static enum boltz_precision asked_for(const char *asked) {
  enum boltz_precision precision = BOLTZ_FP32;
  boltz_precision_find(asked, &precision);
  return precision;
}

enum boltz_status precision_check(const struct boltz_flow *flow, const char *asked) {
  enum boltz_precision precision = asked_for(asked);
  if (boltz_flow_has(flow, precision)) return BOLTZ_OK;
  char possible[64] = "auto";
  size_t used = strlen(possible);
  for (int k = 0; k < BOLTZ_PRECISIONS; k++)
    if (boltz_flow_has(flow, (enum boltz_precision)k))
      used += (size_t)snprintf(possible + used, sizeof possible - used, ", %s",
                               boltz_precision_names[k]);
  bool conditioners = boltz_flow_has(flow, BOLTZ_BF16); /* every network has that one */
  return boltz_fail_at(
      BOLTZ_OUT_OF_RANGE, "/precision",
      "precision = %s is impossible for this flow, which has %s; possible are %s", asked,
      conditioners
          ? "a conditioner that sees several coordinates or gives more parameters than a table has"
          : "no conditioner",
      possible);
}

/* ---- Trying ---- */

static struct precision_choice *choice_of(struct round *round) {
  return (struct precision_choice *)round;
}

static bool has_stopped(const struct precision_choice *choice) {
  return choice->measure.stopped(choice->measure.owner);
}

static bool is_auto(const struct precision_choice *choice) {
  return strcmp(choice->asked, "auto") == 0;
}

/* NaN goes last. */
static int descending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  if (isnan(x) || isnan(y)) return isnan(x) - isnan(y);
  return (x < y) - (x > y);
}

static void judge(struct precision_choice *choice) {
  double *log_w = choice->measure.log_w;
  struct precision_quality *quality = &choice->quality[choice->precision];
  quality->measured = true;
  boltz_stats_weights(log_w, PRECISION_SAMPLES, &quality->summary);
  qsort(log_w, PRECISION_SAMPLES, sizeof(double), descending);
  quality->pareto_k = boltz_stats_pareto_k(log_w, boltz_stats_tail_size(PRECISION_SAMPLES) + 1);
}

/* Back to fp32; what the one that was tried is served by goes. */
static void take_back(struct precision_choice *choice) {
  boltz_arena_close(choice->arena);
  choice->arena = NULL;
  choice->weights.precision = choice->precision = BOLTZ_FP32;
  choice->weights.served = NULL;
}

/* Is the one just measured it? */
static bool is_chosen(const struct precision_choice *choice) {
  if (!is_auto(choice)) return choice->precision == asked_for(choice->asked);
  return choice->precision != BOLTZ_FP32 &&
         choice->quality[choice->precision].summary.ess_fraction >=
             choice->quality[BOLTZ_FP32].summary.ess_fraction - TOLERANCE;
}

/* The next one to try; false: none is left. */
static bool next_candidate(struct precision_choice *choice) {
  if (!is_auto(choice)) {
    choice->precision = asked_for(choice->asked);
    return true;
  }
  while (choice->tried < CANDIDATES) {
    choice->precision = candidates[choice->tried++];
    if (boltz_flow_has(choice->measure.flow, choice->precision)) return true;
  }
  choice->precision = BOLTZ_FP32;
  return false;
}

static bool serve_piece(struct round *round, int index, struct worker *worker);
static void served(struct round *round, struct worker *worker);

static void go_on(struct precision_choice *choice, struct worker *worker) {
  take_back(choice);
  if (next_candidate(choice))
    round_start(&choice->measure.round, 1, serve_piece, served);
  else
    choice->chosen(choice, worker);
}

static void measured(struct round *round, struct worker *worker) {
  struct precision_choice *choice = choice_of(round);
  if (!has_stopped(choice)) judge(choice);
  if (has_stopped(choice) || is_chosen(choice))
    choice->chosen(choice, worker);
  else
    go_on(choice, worker);
}

/* A layer a slice. */
static enum boltz_status serve_more(struct precision_choice *choice, bool *more) {
  const struct boltz_flow *flow = choice->measure.flow;
  if (choice->serving) return boltz_serving_step(choice->serving, more);
  choice->arena = boltz_arena_open(SERVED_BYTES + 4 * flow->nw * sizeof(float));
  if (!choice->arena) return BOLTZ_NO_MEMORY;
  *more = true;
  return boltz_serving_open(flow, &choice->weights, choice->precision, choice->arena,
                            &choice->serving);
}

static bool serve_piece(struct round *round, int index, struct worker *worker) {
  (void)index, (void)worker;
  struct precision_choice *choice = choice_of(round);
  bool more = false;
  if (has_stopped(choice)) return false;
  choice->status = serve_more(choice, &more);
  if (choice->status == BOLTZ_OK) return more;
  snprintf(choice->why, sizeof choice->why, "serving in %s: %s",
           boltz_precision_names[choice->precision], boltz_error());
  return false;
}

static void served(struct round *round, struct worker *worker) {
  struct precision_choice *choice = choice_of(round);
  boltz_serving_close(choice->serving);
  choice->serving = NULL;
  if (has_stopped(choice) || (choice->status != BOLTZ_OK && !is_auto(choice))) {
    choice->chosen(choice, worker);
  } else if (choice->status != BOLTZ_OK) { /* a candidate that takes too much memory has lost */
    choice->status = BOLTZ_OK;
    go_on(choice, worker);
  } else {
    measure_start(&choice->measure, measured);
  }
}

void precision_start(struct precision_choice *choice) {
  choice->precision = choice->weights.precision = BOLTZ_FP32;
  choice->weights.served = NULL;
  choice->tried = 0;
  choice->status = BOLTZ_OK;
  memset(choice->quality, 0, sizeof choice->quality);
  choice->measure.weights = &choice->weights;
  choice->measure.data = NULL;
  choice->measure.n = PRECISION_SAMPLES;
  measure_start(&choice->measure, measured);
}

void precision_release(struct precision_choice *choice) {
  boltz_arena_close(choice->arena);
  choice->arena = NULL;
}

/* ---- Showing ---- */

const struct precision_quality *precision_quality(const struct precision_choice *choice) {
  return &choice->quality[choice->precision];
}

void precision_explain(const struct precision_choice *choice, struct boltz_text *text) {
  boltz_text_printf(text, "serves in %s: ess_fraction %.4f",
                    boltz_precision_names[choice->precision],
                    precision_quality(choice)->summary.ess_fraction);
  for (int k = 0; k < BOLTZ_PRECISIONS; k++)
    if (choice->quality[k].measured && k != (int)choice->precision)
      boltz_text_printf(text, ", %.4f in %s", choice->quality[k].summary.ess_fraction,
                        boltz_precision_names[k]);
}

void precision_explain_quality(const struct precision_choice *choice,
                               const double *ess_fraction_data, struct boltz_text *text) {
  const struct precision_quality *measured = precision_quality(choice);
  const struct quality quality = {
      .n = PRECISION_SAMPLES,
      .ess_fraction = measured->summary.ess_fraction,
      .pareto_k = measured->pareto_k,
      .ess_fraction_data = ess_fraction_data ? *ess_fraction_data : NAN};
  quality_explain(&quality, text);
}

void precision_print_metrics(const struct precision_choice *choice, const double *ess_fraction_data,
                             struct boltz_text *text) {
  const struct precision_quality *quality = precision_quality(choice);
  const struct {
    const char *name;
    const double *value; /* NULL: left out */
  } numbers[] = {{"ess_fraction", &quality->summary.ess_fraction},
                 {"ess_fraction_data", ess_fraction_data},
                 {"ess_fraction_fp32", &choice->quality[BOLTZ_FP32].summary.ess_fraction},
                 {"log_z", &quality->summary.log_mean},
                 {"pareto_k", &quality->pareto_k}};
  boltz_text_puts(text, "{");
  for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
    if (!numbers[k].value) continue;
    boltz_text_printf(text, "\"%s\":", numbers[k].name);
    boltz_text_number(text, *numbers[k].value);
    boltz_text_puts(text, ",");
  }
  boltz_text_printf(text, "\"verdict\":\"%s\",\"samples\":%d,\"summary\":",
                    boltz_stats_verdict(quality->pareto_k, quality->summary.ess),
                    PRECISION_SAMPLES);
  struct boltz_text summary = {0};
  precision_explain_quality(choice, ess_fraction_data, &summary);
  boltz_text_quoted(text, summary.failed ? "" : summary.data);
  text->failed |= summary.failed;
  boltz_text_free(&summary);
  boltz_text_puts(text, "}");
}
