/* plan.h - what to train when nobody said: flow, data and stages from an energy's domains, its
 * dimension and what trying it tells, never from its name. */
#ifndef BOLTZ_PLAN_H
#define BOLTZ_PLAN_H

#include "boltz/chain.h"
#include "boltz/flow.h"
#include "boltz/train.h"

/** The flow that suits an energy, complete to its domains. Errors: OUT_OF_RANGE (no layer of this
 * build can serve it), NO_MEMORY. */
enum boltz_status boltz_plan_flow(const struct boltz_energy *energy, struct boltz_arena *arena,
                                  struct boltz_flow_spec *spec);

/** A Monte Carlo run by replica exchange that makes the training data of a flow. */
void boltz_plan_explore(const struct boltz_energy *energy, const struct boltz_flow *flow,
                        struct boltz_explore_options *options);

#define BOLTZ_PLAN_STAGES 1

/** Stages that train a flow well on two cores within minutes: maximum likelihood on data of
 * replica exchange, which covers every well that was found; J_KL is for who has no such data. */
void boltz_plan_stages(const struct boltz_flow *flow, struct boltz_stage stages[BOLTZ_PLAN_STAGES]);

/** Table of a stage's settings, with defaults that make sense alone. */
extern const struct boltz_field boltz_stage_fields[];

/**
 * Where the training loss stops trusting energies: the highest of the data's energies plus 20 kT
 * (fixed), so that no configuration the data knows is touched.
 */
double boltz_plan_energy_high(const struct boltz_energy *energy, const struct boltz_batch *data,
                              struct boltz_arena *scratch);

#endif
