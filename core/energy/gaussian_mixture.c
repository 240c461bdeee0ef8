/* gaussian_mixture.c - a mixture of Gaussians of one's own, a density of log Z = 0.
 *
 *   U(x) = -ln p, p = sum_k w_k N(x; mu_k, sigma_k^2 I), sum_k w_k = 1
 *
 * Source: Bishop, Pattern Recognition and Machine Learning (2006), section 2.3.9.
 * Golden: one component, T = 1: log Z = 0, -E ln p = (dim/2) ln(2 pi e sigma^2). */
#include <math.h>
#include <stdio.h>

#include "boltz/energy.h"
#include "boltz/json.h"
#include "core/energy/mixture.h"

#define COMPONENTS_MAX 4096
#define MEAN_MAX 1e6

struct gaussian_mixture {
  struct boltz_doubles weights, stds;
  const struct boltz_json *means;
  struct boltz_mixture mixture; /* what the settings say */
};

static int dim(const void *settings) {
  return ((const struct gaussian_mixture *)settings)->mixture.dim;
}

static enum boltz_status check_weights(const struct boltz_doubles *weights) {
  double sum = 0;
  if (weights->n > COMPONENTS_MAX)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/weights", "weights has %zu numbers, at most %d",
                         weights->n, COMPONENTS_MAX);
  for (size_t k = 0; k < weights->n; k++) sum += weights->v[k];
  if (fabs(sum - 1) <= 1e-9) return BOLTZ_OK;
  return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/weights",
                       "weights sum to %.12g, not to 1 within 1e-9: they are not normalised here",
                       sum);
}

static enum boltz_status check_lengths(const struct gaussian_mixture *s) {
  const size_t n = s->weights.n;
  if (s->stds.n != n)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/stds", "stds has %zu numbers, weights %zu",
                         s->stds.n, n);
  if (!s->means || s->means->type != BOLTZ_JSON_ARRAY)
    return boltz_fail_at(BOLTZ_WRONG_TYPE, "/means", "means must be a list of lists of numbers");
  if (s->means->n != n)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/means", "means has %zu members, weights %zu",
                         s->means->n, n);
  return BOLTZ_OK;
}

static enum boltz_status mean_is_no_list(int k) {
  char pointer[64];
  snprintf(pointer, sizeof pointer, "/means/%d", k);
  return boltz_fail_at(BOLTZ_WRONG_TYPE, pointer, "means[%d] must be a list of numbers", k);
}

/* Is the mean of component k a list of as many numbers as there are coordinates? */
static enum boltz_status check_mean(const struct boltz_json *mean, int k, size_t dim) {
  char pointer[64];
  if (mean->type != BOLTZ_JSON_ARRAY) return mean_is_no_list(k);
  if (mean->n && !mean->numbers) {
    const size_t bad = boltz_json_value(mean).bad;
    snprintf(pointer, sizeof pointer, "/means/%d/%zu", k, bad);
    return boltz_fail_at(BOLTZ_WRONG_TYPE, pointer, "means[%d][%zu] must be a number", k, bad);
  }
  snprintf(pointer, sizeof pointer, "/means/%d", k);
  if (mean->n == 0 || mean->n > BOLTZ_DIM_MAX)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "means[%d] has %zu numbers, not 1 to %d", k,
                         mean->n, BOLTZ_DIM_MAX);
  if (mean->n != dim)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "means[%d] has %zu numbers, means[0] %zu", k,
                         mean->n, dim);
  for (size_t j = 0; j < dim; j++) {
    if (fabs(mean->numbers[j]) <= MEAN_MAX) continue;
    snprintf(pointer, sizeof pointer, "/means/%d/%zu", k, j);
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "means[%d][%zu] = %g is not in [%g, %g]", k,
                         j, mean->numbers[j], -MEAN_MAX, MEAN_MAX);
  }
  return BOLTZ_OK;
}

static enum boltz_status complete(void *settings, struct boltz_arena *arena) {
  struct gaussian_mixture *s = settings;
  BOLTZ_TRY(check_weights(&s->weights));
  BOLTZ_TRY(check_lengths(s));
  if (s->means->numbers) return mean_is_no_list(0);

  const struct boltz_json *mean = s->means->child;
  const size_t dim = mean->n;
  int k = 0;
  for (; mean; mean = mean->next) BOLTZ_TRY(check_mean(mean, k++, dim));
  BOLTZ_TRY(boltz_mixture_new(arena, k, (int)dim, &s->mixture));
  k = 0;
  for (mean = s->means->child; mean; mean = mean->next, k++)
    boltz_mixture_set(&s->mixture, k, s->weights.v[k], mean->numbers, s->stds.v[k]);
  return BOLTZ_OK;
}

static void energy(const void *settings, const struct boltz_batch *x, double *U,
                   struct boltz_batch *gU, struct boltz_arena *scratch) {
  boltz_mixture_energy(&((const struct gaussian_mixture *)settings)->mixture, x, U, gU, scratch);
}

#define OFFSET(member) offsetof(struct gaussian_mixture, member)
static const struct boltz_field fields[] = {
    {.name = "weights",
     .type = BOLTZ_FIELD_DOUBLES,
     .offset = OFFSET(weights),
     .def = BOLTZ_NOT_EMPTY,
     .low = 0,
     .high = 1,
     .required = true,
     .doc = "weight of every component; their sum is 1"},
    {.name = "means",
     .type = BOLTZ_FIELD_JSON,
     .offset = OFFSET(means),
     .required = true,
     .doc = "mean of every component: a list of lists, each of as many numbers as coordinates"},
    {.name = "stds",
     .type = BOLTZ_FIELD_DOUBLES,
     .offset = OFFSET(stds),
     .def = BOLTZ_NOT_EMPTY,
     .low = 1e-6,
     .high = 1e6,
     .required = true,
     .doc = "standard deviation of every component, the same along every coordinate"},
    BOLTZ_FIELDS_END,
};

const struct boltz_energy_kind boltz_energy_gaussian_mixture = {
    .name = "gaussian_mixture",
    .doc = "-ln sum_k w_k N(x; mu_k, sigma_k^2 I): log Z = 0 at T = 1",
    .source = "Bishop, Pattern Recognition and Machine Learning (2006), section 2.3.9",
    .fields = fields,
    .settings_size = sizeof(struct gaussian_mixture),
    .example =
        "{\"weights\": [0.3, 0.7], \"means\": [[-1, 0.5, 2], [1.5, 0, -1]], \"stds\": [0.8, 1.2]}",
    .dim = dim,
    .complete = complete,
    .energy = energy,
};
