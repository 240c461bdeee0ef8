/* plan.c - what to train when nobody said. It sees domains, dimension, energy and temperature,
 * never the kind's name. */
#include "boltz/plan.h"

#include <math.h>
#include <stddef.h>

#include "boltz/expression.h"

#define STAGE(member) offsetof(struct boltz_stage, member)

const struct boltz_field boltz_stage_fields[] = {
    {.name = "steps",
     .type = BOLTZ_FIELD_INT,
     .offset = STAGE(steps),
     .def = 2000,
     .low = 1,
     .high = 1e8,
     .doc = "optimizer steps"},
    {.name = "batch",
     .type = BOLTZ_FIELD_INT,
     .offset = STAGE(batch),
     .def = 1000,
     .low = 1,
     .high = 1e6,
     .unit = "samples",
     .doc = "data rows and latents of one step"},
    {.name = "learning_rate",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = STAGE(learning_rate),
     .def = 1e-3,
     .low = 0,
     .high = 1,
     .low_open = true,
     .doc = "highest learning rate of the stage"},
    {.name = "final_learning_rate",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = STAGE(final_learning_rate),
     .def = 1,
     .low = 0,
     .high = 1,
     .doc = "where the cosine from learning_rate ends, as a fraction of it; 1: constant"},
    {.name = "warm_up",
     .type = BOLTZ_FIELD_INT,
     .offset = STAGE(warm_up),
     .def = 0,
     .low = 0,
     .high = 1e8,
     .doc = "steps of linear growth of the learning rate at the start of the stage"},
    {.name = "ml",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = STAGE(ml),
     .def = 0,
     .low = 0,
     .high = 1e6,
     .doc = "weight of J_ML, the negative log likelihood of the data"},
    {.name = "kl",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = STAGE(kl),
     .def = 0,
     .low = 0,
     .high = 1e6,
     .doc = "weight of J_KL, the reverse Kullback-Leibler divergence up to a constant"},
    {.name = "rc",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = STAGE(rc),
     .def = 0,
     .low = 0,
     .high = 1e6,
     .doc = "weight of J_RC, which spreads samples over a reaction coordinate: rc_of"},
    {.name = "rc_of",
     .type = BOLTZ_FIELD_TEXT,
     .offset = STAGE(rc_of),
     .high = BOLTZ_EXPRESSION_CHARACTERS,
     .doc = "with rc: the coordinate, x1 …, or a formula of coordinates"},
    {.name = "rc_low",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = STAGE(rc_low),
     .def = 0,
     .low = -1e300,
     .high = 1e300,
     .doc = "lower end of what rc_of is spread over"},
    {.name = "rc_high",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = STAGE(rc_high),
     .def = 0,
     .low = -1e300,
     .high = 1e300,
     .doc = "upper end of what rc_of is spread over"},
    {.name = "clip_norm",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = STAGE(clip_norm),
     .def = 10,
     .low = 0,
     .high = 1e12,
     .doc = "a gradient longer than this is scaled down to it; 0: never"},
    BOLTZ_FIELDS_END};

/* ---- Data and stages ---- */

#define MOVED_MOST 1048576.0 /* coordinates of all walkers at all temperatures */
#define WALKERS_LEAST 2

/* Does one network learn from every site of a row? */
static bool learns_from_sites(const struct boltz_flow *flow) {
  for (int i = 0; i < flow->nlayers; i++)
    if (flow->layers[i].sites > 1) return true;
  return false;
}

/* Are there particles that are all alike? Flows of a crowd are large, and learn data by heart. */
static bool has_copies(const struct boltz_flow *flow) {
  return flow->log_copies > 0;
}

/* What few coordinates cost little: more data leave less of their noise in the flow. Where one
   network learns from all sites, a row of many of them is many rows. Where nothing is trained, they
   are only looked at once more. */
static double data_steps(const struct boltz_flow *flow) {
  if (flow->nw == flow->base.nw) return 1000;
  if (has_copies(flow)) return 60000;
  const double dim = flow->dim;
  return learns_from_sites(flow) ? fmin(fmax(2.6e7 / (dim * dim), 5000), 80000)
                                 : fmin(fmax(1.5e6 / dim, 20000), 80000);
}

void boltz_plan_explore(const struct boltz_energy *energy, const struct boltz_flow *flow,
                        struct boltz_explore_options *options) {
  *options = (struct boltz_explore_options){.walkers = 64,
                                            .rungs = 0,
                                            .hot = 32,
                                            .burn_in = 2000,
                                            .steps = (uint64_t)data_steps(flow) / 20 * 20,
                                            .stride = 20};
  const double one = (double)boltz_explore_rungs(energy->dim, options) * energy->dim;
  while (options->walkers > WALKERS_LEAST && (double)options->walkers * one > MOVED_MOST)
    options->walkers /= 2;
}

static bool has_spline_couplings(const struct boltz_flow *flow) {
  const struct boltz_layer_kind *kind = boltz_layer_kind_find("spline_coupling");
  for (int i = 0; i < flow->nlayers; i++)
    if (flow->layers[i].kind == kind) return true;
  return false;
}

#define SMALL_BATCH 250
#define TRAINING 4e12 /* operations: a minute at 67 GFLOP/s */

/* Splines learn more from many small batches at a high rate; a step is a row's way there, and back
   twice that. */
static int64_t small_steps(const struct boltz_flow *flow) {
  if (has_copies(flow)) return 16000;
  const double step = 3 * SMALL_BATCH * flow->flops[BOLTZ_FP32];
  return (int64_t)fmin(fmax(TRAINING / step, 4000), 12000);
}

/* Affine maps learn more from large batches. In the plane, where nearly every sample counts, half
   the rate leaves the weights a lighter tail. */
void boltz_plan_stages(const struct boltz_flow *flow,
                       struct boltz_stage stages[BOLTZ_PLAN_STAGES]) {
  const bool small = has_spline_couplings(flow);
  stages[0] = (struct boltz_stage){.steps = small ? small_steps(flow) : 4000,
                                   .batch = small ? SMALL_BATCH : 1000,
                                   .learning_rate = small && flow->dim > 2 ? 4e-3 : 2e-3,
                                   .final_learning_rate = 0.003,
                                   .warm_up = 50,
                                   .ml = 1,
                                   .clip_norm = 10};
}

double boltz_plan_energy_high(const struct boltz_energy *energy, const struct boltz_batch *data,
                              struct boltz_arena *scratch) {
  enum { TILE = 256 };
  double u[TILE], high = -INFINITY;
  struct boltz_mark mark = boltz_arena_mark(scratch);
  for (size_t first = 0; first < data->n; first += TILE) {
    size_t n = data->n - first < TILE ? data->n - first : TILE;
    struct boltz_batch view;
    if (boltz_batch_view(scratch, data, first, n, &view) != BOLTZ_OK) break;
    boltz_energy_eval(energy, energy->temperature, &view, u, NULL, scratch);
    for (size_t i = 0; i < n; i++)
      if (isfinite(u[i]) && u[i] > high) high = u[i];
    boltz_arena_release(scratch, mark);
  }
  boltz_arena_release(scratch, mark);
  return isfinite(high) ? high + 20 : 1e4;
}
