/* mixture.c - Gaussians of any covariance, given or fitted to the data's latents.
 *
 *   p0(z) = sum_k w_k N(z; mean_k, C_k);  S(p0): none in closed form, but of one component
 *
 * Source: Bishop, Pattern Recognition and Machine Learning (2006), sections 2.3.9 and 9.2.
 * Golden: weights 0.25 and 0.75, means -1 and 2, deviations 0.5 and 1: log p0(0) =
 * -2.695794981890. */
#include <math.h>
#include <stdio.h>

#include "boltz/energy.h"
#include "boltz/json.h"
#include "core/base_density/em.h"

#define COMPONENTS_MAX 1024
#define NUMBER_MAX 1e6

struct mixture {
  int64_t components, iterations;
  struct boltz_doubles weights, stds;
  const struct boltz_json *means;
};

static bool is_given(const struct mixture *s) {
  return s->weights.n > 0 || s->stds.n > 0 || s->means;
}

/* ---- Numbers that are given ---------------------------------------------------------------- */

static enum boltz_status check_mean(const struct boltz_json *mean, size_t k, size_t dim) {
  char pointer[64];
  snprintf(pointer, sizeof pointer, "/means/%zu", k);
  if (mean->type != BOLTZ_JSON_ARRAY || !mean->numbers || mean->n != dim)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "means[%zu] is not a list of %zu numbers", k,
                         dim);
  for (size_t j = 0; j < dim; j++)
    if (!(fabs(mean->numbers[j]) <= NUMBER_MAX))
      return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "means[%zu][%zu] = %g is not in [%g, %g]",
                           k, j, mean->numbers[j], -NUMBER_MAX, NUMBER_MAX);
  return BOLTZ_OK;
}

static enum boltz_status check_given(const struct mixture *s, size_t dim) {
  const size_t n = s->weights.n;
  double sum = 0;
  if (n == 0 || n > COMPONENTS_MAX)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/weights",
                         "weights has %zu numbers, which is not in [1, %d]; weights, means and "
                         "stds are given together",
                         n, COMPONENTS_MAX);
  for (size_t k = 0; k < n; k++) sum += s->weights.v[k];
  if (!(fabs(sum - 1) <= 1e-9))
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/weights", "weights sum to %.12g, not to 1", sum);
  if (s->stds.n != n)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/stds", "stds has %zu numbers, weights %zu",
                         s->stds.n, n);
  if (!s->means || s->means->type != BOLTZ_JSON_ARRAY || s->means->n != n || s->means->numbers)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/means",
                         "means is not a list of %zu lists of numbers", n);
  size_t k = 0;
  for (const struct boltz_json *mean = s->means->child; mean; mean = mean->next, k++)
    BOLTZ_TRY(check_mean(mean, k, dim));
  return BOLTZ_OK;
}

static enum boltz_status build(struct boltz_base *base, struct boltz_domain *domain,
                               struct boltz_arena *arena) {
  const struct mixture *s = base->settings;
  (void)domain;
  if (!is_given(s)) return boltz_gaussians_build(base, (int)s->components, "/components", arena);
  BOLTZ_TRY(check_given(s, (size_t)base->dim));
  return boltz_gaussians_build(base, (int)s->weights.n, "/weights", arena);
}

/* The numbers that are given; without, a standard normal until fit. */
static void init(const struct boltz_base *base, float *w) {
  const struct mixture *s = base->settings;
  const struct boltz_gaussians *of = base->plan;
  boltz_gaussians_init(base, w);
  if (!is_given(s)) return;
  int k = 0;
  for (const struct boltz_json *mean = s->means->child; mean; mean = mean->next, k++)
    boltz_gaussians_set_isotropic(of, w, k, s->weights.v[k], mean->numbers, s->stds.v[k]);
}

static enum boltz_status fit_open(const struct boltz_base *base,
                                  const struct boltz_base_evidence *evidence, float *w,
                                  struct boltz_arena *arena, void **fit) {
  const struct mixture *s = base->settings;
  *fit = NULL;
  if (is_given(s)) return BOLTZ_OK;
  if (evidence->z.n == 0)
    return boltz_fail(BOLTZ_OUT_OF_RANGE,
                      "the base mixture is fitted to data, and there are none: give data, or "
                      "weights, means and stds");
  return boltz_em_new(base->plan, &evidence->z, evidence->seed, (int)s->iterations, w, arena,
                      (struct boltz_em **)fit);
}

static enum boltz_status fit_step(void *fit, bool *more, struct boltz_arena *scratch) {
  return boltz_em_step(fit, more, scratch);
}

#define OFFSET(member) offsetof(struct mixture, member)
static const struct boltz_field fields[] = {
    {.name = "components",
     .type = BOLTZ_FIELD_INT,
     .offset = OFFSET(components),
     .def = 8,
     .low = 1,
     .high = COMPONENTS_MAX,
     .doc = "Gaussians fitted to the data's latents, at most"},
    {.name = "iterations",
     .type = BOLTZ_FIELD_INT,
     .offset = OFFSET(iterations),
     .def = 100,
     .low = 1,
     .high = 10000,
     .doc = "of expectation and maximisation, at most"},
    {.name = "weights",
     .type = BOLTZ_FIELD_DOUBLES,
     .offset = OFFSET(weights),
     .low = 0,
     .high = 1,
     .doc = "weight of every component, of sum 1; given with means and stds, nothing is fitted"},
    {.name = "means",
     .type = BOLTZ_FIELD_JSON,
     .offset = OFFSET(means),
     .doc = "mean of every component: a list of lists, each of as many numbers as coordinates"},
    {.name = "stds",
     .type = BOLTZ_FIELD_DOUBLES,
     .offset = OFFSET(stds),
     .low = 1e-6,
     .high = 1e6,
     .doc = "standard deviation of every component, the same along every coordinate"},
    BOLTZ_FIELDS_END,
};

const struct boltz_base_kind boltz_base_mixture = {
    .name = "mixture",
    .doc =
        "a mixture of Gaussians of any covariance: fitted to the data's latents before the first "
        "step of a training and fixed from then on, or given; its entropy has no closed form",
    .source = "Bishop, Pattern Recognition and Machine Learning (2006), sections 2.3.9 and 9.2",
    .fields = fields,
    .settings_size = sizeof(struct mixture),
    .build = build,
    .tensor = boltz_gaussians_tensor,
    .init = init,
    .fit_open = fit_open,
    .fit_step = fit_step,
    .sample = boltz_gaussians_sample,
    .log_density = boltz_gaussians_log_density,
    .entropy = boltz_gaussians_entropy,
};
