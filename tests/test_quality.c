/* test_quality.c - the sentence that says how good a sampler is: every grade, at its edges. */
#include "server/quality.h"

#include "tests/check.h"

static void check_sentence(struct quality quality, enum quality_grade grade, const char *sentence) {
  struct boltz_text text = {0};
  quality_explain(&quality, &text);
  CHECK_INT(quality_grade(&quality), grade);
  CHECK_TEXT(text.data, sentence);
  boltz_text_free(&text);
}

static enum quality_grade grade_of(double ess_fraction, double pareto_k, double data) {
  struct quality quality = {20000, ess_fraction, pareto_k, data};
  return quality_grade(&quality);
}

static void a_good_sampler_is_called_good(void) {
  check_sentence((struct quality){20000, 0.912, 0.118, 0.9}, QUALITY_IS_GOOD,
                 "Good: 91 % of the samples count (ESS fraction 0.912, Pareto k 0.12); averages "
                 "from 10 000 samples have error bars 1.05 times those of perfect sampling.");
  check_sentence((struct quality){20000, 0.9996, -0.2, 0.9996}, QUALITY_IS_GOOD,
                 "Good: 100.0 % of the samples count (ESS fraction 0.9996, Pareto k -0.20); "
                 "averages from 10 000 samples have the error bars of perfect sampling.");
}

static void a_fair_sampler_says_what_it_takes(void) {
  check_sentence((struct quality){20000, 0.25, 0.3, 0.24}, QUALITY_IS_FAIR,
                 "Fair: 25 % of the samples count (ESS fraction 0.25, Pareto k 0.30); averages "
                 "from 10 000 samples have error bars 2 times those of perfect sampling; 4 times "
                 "as many samples make up for it.");
  check_sentence((struct quality){20000, 0.64, 0.61, 0.5}, QUALITY_IS_FAIR,
                 "Fair: 64 % of the samples count (ESS fraction 0.64, Pareto k 0.61); averages "
                 "from 10 000 samples have error bars 1.25 times those of perfect sampling; a "
                 "few samples weigh much, so that error bars settle slowly.");
}

static void a_fair_sampler_may_be_both(void) {
  check_sentence((struct quality){20000, 0.25, 0.6, 0.24}, QUALITY_IS_FAIR,
                 "Fair: 25 % of the samples count (ESS fraction 0.25, Pareto k 0.60); averages "
                 "from 10 000 samples have error bars 2 times those of perfect sampling; 4 times "
                 "as many samples make up for it; a few samples weigh much, so that error bars "
                 "settle slowly.");
}

static void a_poor_sampler_says_what_to_do(void) {
  check_sentence((struct quality){20000, 0.003, 0.93, 0.003}, QUALITY_IS_POOR,
                 "Poor: 0.3 % of the samples count (ESS fraction 0.003, Pareto k 0.93); a few "
                 "samples weigh as much as all others, so that averages and their error bars "
                 "cannot be trusted; train longer, or give the job more data.");
  check_sentence((struct quality){20000, 0.04, 0.4, 0.04}, QUALITY_IS_POOR,
                 "Poor: 4 % of the samples count (ESS fraction 0.04, Pareto k 0.40); averages "
                 "from 10 000 samples have error bars 5 times those of perfect sampling; train "
                 "longer, or give the job more data.");
  check_sentence((struct quality){20000, 0.00005, NAN, 0.00005}, QUALITY_IS_POOR,
                 "Poor: 0.005 % of the samples count (ESS fraction 5e-05, no Pareto k: too few of "
                 "them have a weight); a few samples weigh as much as all others, so that "
                 "averages and their error bars cannot be trusted; train longer, or give the job "
                 "more data.");
}

static void a_sampler_that_lost_a_mode_is_not_to_be_used(void) {
  check_sentence((struct quality){20000, 0.98, 0.1, 0.012}, QUALITY_IS_USELESS,
                 "Do not use: the data know a region that the flow hardly ever visits (ESS "
                 "fraction 0.012 by the data, 0.98 by the flow's own samples): a mode is lost, "
                 "and averages are wrong without it; train longer, or with more weight on ml.");
}

/* Of few samples that count nobody can say whether they lack a mode or are poor everywhere. */
static void a_sampler_that_is_far_from_its_data_is_not_to_be_used(void) {
  check_sentence((struct quality){20000, 0.01, 0.6, 0.0013}, QUALITY_IS_USELESS,
                 "Do not use: the data know a region that the flow hardly ever visits (ESS "
                 "fraction 0.0013 by the data, 0.01 by the flow's own samples): averages may be "
                 "wrong by more than their error bars; train longer, or a larger flow.");
}

static void a_sampler_without_any_weight_is_not_to_be_used(void) {
  const char *sentence =
      "Do not use: not one of 20000 samples has a weight; train longer, or give the job more "
      "data.";
  check_sentence((struct quality){20000, 0, NAN, 0}, QUALITY_IS_USELESS, sentence);
  check_sentence((struct quality){20000, NAN, NAN, NAN}, QUALITY_IS_USELESS, sentence);
}

static void a_sampler_that_no_data_were_asked_about_says_so(void) {
  check_sentence((struct quality){20000, 0.9, 0.1, NAN}, QUALITY_IS_GOOD,
                 "Good: 90 % of the samples count (ESS fraction 0.9, Pareto k 0.10); averages "
                 "from 10 000 samples have error bars 1.05 times those of perfect sampling; "
                 "whether a mode is lost, no data were asked.");
}

static void grades_change_at_the_thresholds(void) {
  CHECK_INT(grade_of(0.5, 0.499, NAN), QUALITY_IS_GOOD);
  CHECK_INT(grade_of(0.499, 0.1, NAN), QUALITY_IS_FAIR);
  CHECK_INT(grade_of(0.9, 0.5, NAN), QUALITY_IS_FAIR);
  CHECK_INT(grade_of(0.1, 0.1, NAN), QUALITY_IS_FAIR);
  CHECK_INT(grade_of(0.099, 0.1, NAN), QUALITY_IS_POOR);
  CHECK_INT(grade_of(0.9, 0.7, NAN), QUALITY_IS_POOR);
  CHECK_INT(grade_of(0.9, NAN, NAN), QUALITY_IS_POOR);
  CHECK_INT(grade_of(0.9, 0.1, 0.45), QUALITY_IS_GOOD);
  CHECK_INT(grade_of(0.9, 0.1, 0.449), QUALITY_IS_USELESS);
}

int main(int argc, char **argv) {
  RUN(a_good_sampler_is_called_good);
  RUN(a_fair_sampler_says_what_it_takes);
  RUN(a_fair_sampler_may_be_both);
  RUN(a_poor_sampler_says_what_to_do);
  RUN(a_sampler_that_lost_a_mode_is_not_to_be_used);
  RUN(a_sampler_that_is_far_from_its_data_is_not_to_be_used);
  RUN(a_sampler_without_any_weight_is_not_to_be_used);
  RUN(a_sampler_that_no_data_were_asked_about_says_so);
  RUN(grades_change_at_the_thresholds);
  return check_report();
}
