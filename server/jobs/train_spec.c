/* train_spec.c - a training request into a complete specification, and back into JSON. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "server/jobs/train.h"
#include "server/precision.h"
#include "server/request.h"

#define SPEC(member) offsetof(struct train_spec, member)
#define DATA(member) offsetof(struct train_data, member)

#define STAGES_MAX 64
#define WEIGHTS_MAX ((size_t)1 << 25) /* some 14 times as many floats in memory while it trains */
#define NUMBERS_MAX 134217728.0       /* of the data: 1 GiB */
#define MOVED_MAX 1048576.0           /* coordinates of all walkers on all rungs */

const struct boltz_field train_fields[] = {
    {.name = "seed", .type = BOLTZ_FIELD_SEED, .offset = SPEC(seed), .doc = "of everything random"},
    {.name = "from_version",
     .type = BOLTZ_FIELD_INT,
     .offset = SPEC(from_version),
     .def = 0,
     .low = 0,
     .high = 9e15,
     .doc = "go on from this version's flow and weights; 0: start anew"},
    {.name = "validate_every",
     .type = BOLTZ_FIELD_INT,
     .offset = SPEC(validate_every),
     .def = 250,
     .low = 1,
     .high = 1e8,
     .unit = "steps",
     .doc = "how often ess_fraction is measured on fresh samples"},
    {.name = "checkpoint_every",
     .type = BOLTZ_FIELD_INT,
     .offset = SPEC(checkpoint_every),
     .def = 500,
     .low = 1,
     .high = 1e8,
     .unit = "steps",
     .doc = "how often the state is saved for a restart"},
    {.name = "precision",
     .type = BOLTZ_FIELD_CHOICE,
     .offset = SPEC(precision),
     .def_text = "auto",
     .choices = precision_choices,
     .doc = "of the published version's conditioners; auto: the first of table, int8, bf16, fp32 "
            "whose ess_fraction on 20000 samples is within 0.005 of fp32's; training is fp32"},
    {.name = "serve",
     .type = BOLTZ_FIELD_BOOL,
     .offset = SPEC(serve),
     .def = 1,
     .doc = "let the new version answer requests as soon as it is there"},
    BOLTZ_FIELDS_END};

static const struct boltz_field data_fields[] = {
    {.name = "dataset",
     .type = BOLTZ_FIELD_TEXT,
     .offset = DATA(dataset),
     .high = 64,
     .doc = "a dataset of this dimension; without it a Monte Carlo run by replica exchange"},
    {.name = "walkers",
     .type = BOLTZ_FIELD_INT,
     .offset = DATA(walkers),
     .def = 64,
     .low = 1,
     .high = 65536,
     .doc = "ladders of temperatures side by side"},
    {.name = "rungs",
     .type = BOLTZ_FIELD_INT,
     .offset = DATA(rungs),
     .def = 0,
     .low = 0,
     .high = 64,
     .doc = "temperatures of a ladder; 0: chosen from the dimension"},
    {.name = "hot",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = DATA(hot),
     .def = 32,
     .low = 1,
     .high = 1e6,
     .doc = "highest temperature over the model's"},
    {.name = "burn_in",
     .type = BOLTZ_FIELD_INT,
     .offset = DATA(burn_in),
     .def = 2000,
     .low = 0,
     .high = 1e9,
     .unit = "sweeps",
     .doc = "sweeps before the first configuration is kept"},
    {.name = "steps",
     .type = BOLTZ_FIELD_INT,
     .offset = DATA(steps),
     .def = 20000,
     .low = 0,
     .high = 1e9,
     .unit = "sweeps",
     .doc = "sweeps after burn-in; 0: no data, for what needs none"},
    {.name = "stride",
     .type = BOLTZ_FIELD_INT,
     .offset = DATA(stride),
     .def = 20,
     .low = 1,
     .high = 1e9,
     .unit = "sweeps",
     .doc = "every stride-th sweep is kept"},
    BOLTZ_FIELDS_END};

const struct job_part train_parts[] = {
    {"flow",
     "base and layers; a list of layers that stops short of the model's domains is completed",
     NULL},
    {"data", "what J_ML is trained on", data_fields},
    {"stages",
     "a list: the training goes through them in order; empty where fitting the base is all",
     boltz_stage_fields},
    {0}};

static const char *const others[] = {"kind", "model", "flow", "data", "stages", NULL};

/* The flow of the version to go on from, copied through its JSON into the job's arena. */
static enum boltz_status flow_of_version(struct job *job, int64_t number,
                                         struct boltz_flow_spec *spec, const char **reason) {
  struct registry *registry = job->server->registry;
  struct version *version = NULL;
  enum version_found found = registry_version(registry, job->model, number, &version);
  if (found == VERSION_NOT_LOADED) {
    BOLTZ_TRY(registry_load(registry, job->model, number));
    found = registry_version(registry, job->model, number, &version);
  }
  if (found != VERSION_READY) {
    *reason = "VERSION_NOT_FOUND";
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/from_version", "model %s has no version %lld",
                         job->model_name, (long long)number);
  }
  struct boltz_text text = {0};
  struct boltz_json *object = NULL;
  boltz_flow_spec_print(&version->checkpoint.flow.spec, job->arena, &text);
  enum boltz_status status =
      text.failed ? boltz_fail(BOLTZ_NO_MEMORY, "no memory to copy the flow of version %lld",
                               (long long)number)
                  : boltz_json_parse(text.data, text.size, 32, job->arena, &object);
  if (status == BOLTZ_OK)
    status = boltz_flow_spec_parse(object, job->model->energy.dim, job->arena, spec);
  boltz_text_free(&text);
  version_release(version);
  return status;
}

/* {} and {"layers": null}: everything is left to the defaults. */
static bool asks_nothing(const struct boltz_json *flow) {
  if (flow->type != BOLTZ_JSON_OBJECT) return false;
  for (const struct boltz_json *child = flow->child; child; child = child->next)
    if (child->type != BOLTZ_JSON_NULL || strcmp(child->key, "layers") != 0) return false;
  return true;
}

static enum boltz_status given_flow(struct job *job, const struct boltz_json *node,
                                    struct boltz_flow_spec *flow) {
  const struct boltz_energy *energy = &job->model->energy;
  BOLTZ_TRY(boltz_fail_under(boltz_flow_spec_parse(node, energy->dim, job->arena, flow), "/flow"));
  return boltz_fail_under(boltz_flow_spec_complete(flow, energy, job->arena), "/flow");
}

static bool same_flow(struct job *job, const struct boltz_flow_spec *a,
                      const struct boltz_flow_spec *b) {
  struct boltz_text one = {0}, other = {0};
  boltz_flow_spec_print(a, job->arena, &one);
  boltz_flow_spec_print(b, job->arena, &other);
  bool same = !one.failed && !other.failed && strcmp(one.data, other.data) == 0;
  boltz_text_free(&one);
  boltz_text_free(&other);
  return same;
}

/* A version's flow, which a job's own spec may name again. */
static enum boltz_status old_flow(struct job *job, const struct boltz_json *node,
                                  struct train_spec *spec, const char **reason) {
  struct boltz_flow_spec given;
  BOLTZ_TRY(flow_of_version(job, spec->from_version, &spec->flow, reason));
  if (!node) return BOLTZ_OK;
  BOLTZ_TRY(given_flow(job, node, &given));
  if (same_flow(job, &given, &spec->flow)) return BOLTZ_OK;
  return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/flow",
                       "flow is not that of version %lld: leave it out, or leave from_version out",
                       (long long)spec->from_version);
}

static enum boltz_status new_flow(struct job *job, struct boltz_flow_spec *flow) {
  enum boltz_status status = boltz_plan_flow(&job->model->energy, job->arena, flow);
  if (status == BOLTZ_OK) return status;
  char why[300];
  snprintf(why, sizeof why, "%s", boltz_error()); /* its place is not in the request */
  return boltz_fail(status, "no default flow for model %s: %s", job->model_name, why);
}

static enum boltz_status parse_flow(struct job *job, const struct boltz_json *node, bool restart,
                                    struct train_spec *spec, const char **reason) {
  if (node && (node->type == BOLTZ_JSON_NULL || asks_nothing(node))) node = NULL;
  if (spec->from_version && !restart) return old_flow(job, node, spec, reason);
  return node ? given_flow(job, node, &spec->flow) : new_flow(job, &spec->flow);
}

static enum boltz_status parse_data(struct job *job, const struct boltz_json *node, bool restart,
                                    const struct boltz_flow *flow, struct train_data *data,
                                    const char **reason) {
  struct boltz_explore_options plan;
  if (!node || node->type == BOLTZ_JSON_NULL) {
    boltz_plan_explore(&job->model->energy, flow, &plan);
    *data = (struct train_data){.walkers = (int64_t)plan.walkers,
                                .rungs = plan.rungs,
                                .hot = plan.hot,
                                .burn_in = (int64_t)plan.burn_in,
                                .steps = (int64_t)plan.steps,
                                .stride = (int64_t)plan.stride};
    return BOLTZ_OK;
  }
  BOLTZ_TRY(
      boltz_fail_under(boltz_json_fields(node, data_fields, NULL, data, job->arena), "/data"));
  if (data->steps > 0 && data->stride > data->steps)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/data/stride", "stride = %lld is over steps = %lld",
                         (long long)data->stride, (long long)data->steps);
  if (!data->dataset || restart) return BOLTZ_OK;
  if (!name_is_well_formed(data->dataset)) {
    *reason = "BAD_NAME";
    return boltz_fail_at(BOLTZ_WRONG_TYPE, "/data/dataset", "\"%s\" is not a name", data->dataset);
  }
  struct dataset dataset;
  if (!registry_dataset(job->server->registry, data->dataset, &dataset)) {
    *reason = "DATASET_NOT_FOUND";
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/data/dataset", "there is no dataset %s",
                         data->dataset);
  }
  if (dataset.dim != job->model->energy.dim)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/data/dataset",
                         "dataset %s has dim %d, model %s has dim %d", data->dataset, dataset.dim,
                         job->model_name, job->model->energy.dim);
  return BOLTZ_OK;
}

static bool is_given(const struct boltz_json *object, const char *name) {
  const struct boltz_json *member = boltz_json_member(object, name);
  return member && member->type != BOLTZ_JSON_NULL;
}

static enum boltz_status parse_stage(const struct boltz_json *node,
                                     const struct boltz_energy *energy, struct boltz_arena *arena,
                                     struct boltz_stage *stage) {
  struct boltz_spread *spread;
  BOLTZ_TRY(boltz_json_fields(node, boltz_stage_fields, NULL, stage, arena));
  if (!is_given(node, "ml") && !is_given(node, "kl")) stage->ml = stage->kl = 1;
  if (stage->ml == 0 && stage->kl == 0 && stage->rc == 0)
    return boltz_fail(BOLTZ_OUT_OF_RANGE, "ml, kl and rc are all 0: one of them must be positive");
  if (stage->rc == 0 && stage->rc_of)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/rc",
                         "rc is 0: nothing would spread samples over rc_of = \"%s\"", stage->rc_of);
  if (stage->rc > 0)
    BOLTZ_TRY(
        boltz_spread_new(energy, stage->rc_of, stage->rc_low, stage->rc_high, arena, &spread));
  if (stage->warm_up > stage->steps)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/warm_up", "warm_up = %lld is over steps = %lld",
                         (long long)stage->warm_up, (long long)stage->steps);
  return BOLTZ_OK;
}

static bool is_trained(const struct boltz_flow *flow) {
  return flow->nw > flow->base.nw;
}

/* A fitted base may do without a training; and a flow without layers to train can have none. */
static enum boltz_status check_number_of_stages(size_t n, const struct boltz_flow *flow) {
  const bool fitted = flow->base.kind->fit_open != NULL;
  if (n > STAGES_MAX || (n == 0 && !fitted))
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/stages",
                         "stages has %zu members, which is not in [%d, %d]", n, fitted ? 0 : 1,
                         STAGES_MAX);
  if (n > 0 && !is_trained(flow))
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/stages",
                         "stages has %zu members, but no layer of the flow is trained: leave "
                         "stages out",
                         n);
  return BOLTZ_OK;
}

static enum boltz_status parse_stages(struct job *job, const struct boltz_json *node,
                                      const struct boltz_flow *flow, struct train_spec *spec) {
  if (!node || node->type == BOLTZ_JSON_NULL) {
    if (!is_trained(flow)) return BOLTZ_OK;
    spec->nstages = BOLTZ_PLAN_STAGES;
    spec->stages = BOLTZ_NEW_ARRAY(job->arena, BOLTZ_PLAN_STAGES, struct boltz_stage);
    if (!spec->stages) return BOLTZ_NO_MEMORY;
    boltz_plan_stages(flow, spec->stages);
    return BOLTZ_OK;
  }
  if (node->type != BOLTZ_JSON_ARRAY || node->numbers)
    return boltz_fail_at(BOLTZ_WRONG_TYPE, "/stages", "stages must be a list of objects");
  BOLTZ_TRY(check_number_of_stages(node->n, flow));
  spec->nstages = node->n;
  spec->stages = BOLTZ_NEW_ARRAY(job->arena, node->n + 1, struct boltz_stage);
  if (!spec->stages) return BOLTZ_NO_MEMORY;
  int k = 0;
  for (const struct boltz_json *stage = node->child; stage; stage = stage->next, k++)
    BOLTZ_TRY(boltz_fail_under(
        parse_stage(stage, &job->model->energy, job->arena, &spec->stages[k]), "/stages/%d", k));
  return BOLTZ_OK;
}

/* The specification as JSON, every default filled in; train_parse() reads it again. */
static enum boltz_status print_spec(struct job *job, const struct train_spec *spec) {
  struct boltz_text text = {0};
  boltz_text_puts(&text, "{\"kind\":\"train\",\"model\":");
  boltz_text_quoted(&text, job->model_name);
  boltz_text_puts(&text, ",");
  boltz_json_print_fields(train_fields, spec, job->arena, &text);
  boltz_text_puts(&text, ",\"flow\":");
  boltz_flow_spec_print(&spec->flow, job->arena, &text);
  boltz_text_puts(&text, ",\"data\":{");
  boltz_json_print_fields(data_fields, &spec->data, job->arena, &text);
  boltz_text_puts(&text, "},\"stages\":[");
  for (size_t k = 0; k < spec->nstages; k++) {
    boltz_text_puts(&text, k ? ",{" : "{");
    boltz_json_print_fields(boltz_stage_fields, &spec->stages[k], job->arena, &text);
    boltz_text_puts(&text, "}");
  }
  boltz_text_puts(&text, "]}");
  if (!text.failed) job->spec_json = boltz_arena_strdup(job->arena, text.data);
  boltz_text_free(&text);
  return job->spec_json ? BOLTZ_OK : boltz_fail(BOLTZ_NO_MEMORY, "no memory for the job's spec");
}

/* What the job will hold in memory is bounded here and below, before anything is queued. */
static enum boltz_status check_flow(struct job *job, const struct train_spec *spec,
                                    struct boltz_flow *flow) {
  int dim = job->model->energy.dim;
  BOLTZ_TRY(boltz_fail_under(boltz_flow_new(&spec->flow, dim, job->arena, flow), "/flow"));
  if (flow->nw < 1 || flow->nw > WEIGHTS_MAX)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/flow",
                         "the flow has %zu weights, which is not in [1, %zu]", flow->nw,
                         (size_t)WEIGHTS_MAX);
  return precision_check(flow, spec->precision);
}

static enum boltz_status check_needs(const struct train_spec *spec) {
  for (size_t k = 0; k < spec->nstages; k++)
    if (spec->stages[k].ml > 0)
      return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/data/steps",
                           "stage %zu has ml = %g, which needs data: steps = 0 brings none", k,
                           spec->stages[k].ml);
  return BOLTZ_OK;
}

static enum boltz_status check_data(struct job *job, const struct train_spec *spec) {
  int dim = job->model->energy.dim;
  if (spec->data.dataset) return BOLTZ_OK;
  if (spec->data.steps == 0) return check_needs(spec);
  struct boltz_explore_options options = train_explore_options(spec);
  double kept = (double)options.walkers * (double)(options.steps / options.stride) * dim;
  double moved = (double)options.walkers * boltz_explore_rungs(dim, &options) * dim;
  if (kept > NUMBERS_MAX)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/data/steps",
                         "walkers × steps/stride × dim = %.0f numbers are over %.0f: take a larger "
                         "stride",
                         kept, NUMBERS_MAX);
  if (moved > MOVED_MAX)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/data/walkers",
                         "walkers × rungs × dim = %.0f coordinates at work are over %.0f", moved,
                         MOVED_MAX);
  return BOLTZ_OK;
}

enum boltz_status train_parse(struct job *job, const struct boltz_json *body, bool restart,
                              const char **reason) {
  struct train_spec *spec = BOLTZ_NEW(job->arena, struct train_spec);
  if (!spec) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(boltz_json_fields(body, train_fields, others, spec, job->arena));
  struct boltz_flow flow;
  BOLTZ_TRY(parse_flow(job, boltz_json_member(body, "flow"), restart, spec, reason));
  BOLTZ_TRY(check_flow(job, spec, &flow));
  BOLTZ_TRY(parse_data(job, boltz_json_member(body, "data"), restart, &flow, &spec->data, reason));
  BOLTZ_TRY(parse_stages(job, boltz_json_member(body, "stages"), &flow, spec));
  BOLTZ_TRY(check_data(job, spec));
  job->seed = spec->seed;
  job->dataset = spec->data.dataset;
  job->spec = spec;
  return print_spec(job, spec);
}

struct boltz_explore_options train_explore_options(const struct train_spec *spec) {
  const struct train_data *data = &spec->data;
  return (struct boltz_explore_options){.seed = spec->seed,
                                        .walkers = (size_t)data->walkers,
                                        .rungs = (int)data->rungs,
                                        .hot = data->hot,
                                        .burn_in = (uint64_t)data->burn_in,
                                        .steps = (uint64_t)data->steps,
                                        .stride = (uint64_t)data->stride};
}

int64_t train_total_steps(const struct job *job) {
  const struct train_spec *spec = job->spec;
  int64_t total = 0;
  for (size_t k = 0; k < spec->nstages; k++) total += spec->stages[k].steps;
  return total;
}
