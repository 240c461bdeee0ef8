/* quality.c - how good a sampler is, in one sentence for a person. */
#include "server/quality.h"

#include <math.h>
#include <string.h>

#include "boltz/stats.h"

#define ADVICE "train longer, or give the job more data"

static bool verdict_is(const struct quality *quality, const char *verdict) {
  const double ess = quality->ess_fraction * quality->n;
  return strcmp(boltz_stats_verdict(quality->pareto_k, ess), verdict) == 0;
}

static bool has_no_weight(const struct quality *quality) {
  return !(quality->ess_fraction > 0);
}

static bool has_lost_a_mode(const struct quality *quality) {
  return quality->ess_fraction_data < QUALITY_LOST * quality->ess_fraction;
}

enum quality_grade quality_grade(const struct quality *quality) {
  if (has_no_weight(quality) || has_lost_a_mode(quality)) return QUALITY_IS_USELESS;
  if (verdict_is(quality, "unreliable") || quality->ess_fraction < QUALITY_FAIR)
    return QUALITY_IS_POOR;
  if (verdict_is(quality, "usable") || quality->ess_fraction < QUALITY_GOOD) return QUALITY_IS_FAIR;
  return QUALITY_IS_GOOD;
}

/* Two digits, three above 99 %. */
static void put_percent(double fraction, struct boltz_text *text) {
  const double percent = 100 * fraction;
  if (percent >= 99)
    boltz_text_printf(text, "%.1f %%", percent);
  else if (percent >= 9.95)
    boltz_text_printf(text, "%.0f %%", percent);
  else
    boltz_text_printf(text, "%.2g %%", percent);
}

/* "91 % of the samples count (ESS fraction 0.91, Pareto k 0.12); " */
static void put_share(const struct quality *quality, struct boltz_text *text) {
  put_percent(quality->ess_fraction, text);
  boltz_text_printf(text, " of the samples count (ESS fraction %.4g, ", quality->ess_fraction);
  if (isfinite(quality->pareto_k))
    boltz_text_printf(text, "Pareto k %.2f); ", quality->pareto_k);
  else
    boltz_text_puts(text, "no Pareto k: too few of them have a weight); ");
}

static void put_error_bars(const struct quality *quality, struct boltz_text *text) {
  const double factor = 1 / sqrt(quality->ess_fraction);
  boltz_text_puts(text, "averages from 10 000 samples have ");
  if (factor < 1.005)
    boltz_text_puts(text, "the error bars of perfect sampling");
  else
    boltz_text_printf(text, "error bars %.3g times those of perfect sampling", factor);
}

static void put_useless(const struct quality *quality, struct boltz_text *text) {
  if (has_no_weight(quality))
    boltz_text_printf(text, "not one of %d samples has a weight; " ADVICE, quality->n);
  else
    boltz_text_printf(text,
                      "the data know a region that the flow hardly ever visits (ESS fraction "
                      "%.2g by the data, %.2g by the flow's own samples): %s",
                      quality->ess_fraction_data, quality->ess_fraction,
                      quality->ess_fraction < QUALITY_FAIR
                          ? "averages may be wrong by more than their error bars; train longer, or "
                            "a larger flow"
                          : "a mode is lost, and averages are wrong without it; train longer, or "
                            "with more weight on ml");
}

static void put_poor(const struct quality *quality, struct boltz_text *text) {
  put_share(quality, text);
  if (verdict_is(quality, "unreliable"))
    boltz_text_puts(text,
                    "a few samples weigh as much as all others, so that averages and their "
                    "error bars cannot be trusted");
  else
    put_error_bars(quality, text);
  boltz_text_puts(text, "; " ADVICE);
}

static void put_fair(const struct quality *quality, struct boltz_text *text) {
  put_share(quality, text);
  put_error_bars(quality, text);
  if (quality->ess_fraction < QUALITY_GOOD)
    boltz_text_printf(text, "; %.2g times as many samples make up for it",
                      1 / quality->ess_fraction);
  if (verdict_is(quality, "usable"))
    boltz_text_puts(text, "; a few samples weigh much, so that error bars settle slowly");
}

void quality_explain(const struct quality *quality, struct boltz_text *text) {
  switch (quality_grade(quality)) {
    case QUALITY_IS_USELESS:
      boltz_text_puts(text, "Do not use: ");
      put_useless(quality, text);
      break;
    case QUALITY_IS_POOR:
      boltz_text_puts(text, "Poor: ");
      put_poor(quality, text);
      break;
    case QUALITY_IS_FAIR:
      boltz_text_puts(text, "Fair: ");
      put_fair(quality, text);
      break;
    case QUALITY_IS_GOOD:
      boltz_text_puts(text, "Good: ");
      put_share(quality, text);
      put_error_bars(quality, text);
  }
  if (isnan(quality->ess_fraction_data) && quality_grade(quality) != QUALITY_IS_USELESS)
    boltz_text_puts(text, "; whether a mode is lost, no data were asked");
  boltz_text_puts(text, ".");
}
