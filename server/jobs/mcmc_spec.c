/* mcmc_spec.c - what a job of Monte Carlo chains is asked to do. */
#include "boltz/boltz.h"
#include "server/jobs/mcmc.h"
#include "server/json.h"
#include "server/request.h"

#define COORDINATES_MAX ((size_t)1 << 27) /* of a dataset made here: 1 GiB */

#define SPEC(member) offsetof(struct mcmc_spec, member)

const struct boltz_field mcmc_fields[] = {
    {.name = "seed", .type = BOLTZ_FIELD_SEED, .offset = SPEC(seed), .doc = "of everything random"},
    {.name = "walkers",
     .type = BOLTZ_FIELD_INT,
     .offset = SPEC(walkers),
     .def = 32,
     .low = 1,
     .high = 65536,
     .doc = "independent chains"},
    {.name = "burn_in",
     .type = BOLTZ_FIELD_INT,
     .offset = SPEC(burn_in),
     .def = 1000,
     .low = 0,
     .high = 1e9,
     .unit = "steps",
     .doc = "steps before the first configuration is kept"},
    {.name = "steps",
     .type = BOLTZ_FIELD_INT,
     .offset = SPEC(steps),
     .def = 5000,
     .low = 1,
     .high = 1e9,
     .unit = "steps",
     .doc = "steps after burn-in"},
    {.name = "stride",
     .type = BOLTZ_FIELD_INT,
     .offset = SPEC(stride),
     .def = 10,
     .low = 1,
     .high = 1e9,
     .unit = "steps",
     .doc = "every stride-th step is kept"},
    {.name = "dataset",
     .type = BOLTZ_FIELD_TEXT,
     .offset = SPEC(dataset),
     .high = 64,
     .required = true,
     .doc = "name of the dataset to make"},
    BOLTZ_FIELDS_END};

const struct job_part mcmc_parts[] = {{"move", "type and settings of a move", NULL}, {0}};

static const char *const others[] = {"kind", "model", "move", NULL};
static const char *const move_others[] = {"type", NULL};

size_t mcmc_configurations(const struct mcmc_spec *spec) {
  return (size_t)spec->walkers * (size_t)(spec->steps / spec->stride);
}

static enum boltz_status parse_move(struct job *job, const struct boltz_json *node,
                                    struct mcmc_spec *spec) {
  const struct boltz_json *type = boltz_json_member(node, "type");
  if (node && node->type != BOLTZ_JSON_NULL) {
    if (node->type != BOLTZ_JSON_OBJECT)
      return boltz_fail_at(BOLTZ_WRONG_TYPE, "/move", "move must be an object");
    if (!type) return boltz_fail_at(BOLTZ_MISSING_MEMBER, "/move/type", "move has no type");
    if (type->type != BOLTZ_JSON_STRING)
      return boltz_fail_at(BOLTZ_WRONG_TYPE, "/move/type", "type must be a string");
  }
  const char *name = type ? type->text : "metropolis";
  spec->move = boltz_move_kind_find(name);
  if (!spec->move)
    return boltz_fail_at(BOLTZ_UNKNOWN_NAME, "/move/type",
                         "there is no move %s; see moves in /v1/catalog", name);
  spec->move_settings = boltz_arena_alloc(job->arena, 1, spec->move->settings_size);
  if (!spec->move_settings) return BOLTZ_NO_MEMORY;
  if (!type) {
    boltz_field_defaults(spec->move->fields, spec->move_settings);
    return BOLTZ_OK;
  }
  return boltz_fail_under(
      boltz_json_fields(node, spec->move->fields, move_others, spec->move_settings, job->arena),
      "/move");
}

static enum boltz_status print_spec(struct job *job, const struct mcmc_spec *spec) {
  struct boltz_text text = {0};
  boltz_text_puts(&text, "{\"kind\":\"mcmc\",\"model\":");
  boltz_text_quoted(&text, job->model_name);
  boltz_text_puts(&text, ",");
  boltz_json_print_fields(mcmc_fields, spec, job->arena, &text);
  boltz_text_printf(&text, ",\"move\":{\"type\":\"%s\",", spec->move->name);
  boltz_json_print_fields(spec->move->fields, spec->move_settings, job->arena, &text);
  boltz_text_puts(&text, "}}");
  if (!text.failed) job->spec_json = boltz_arena_strdup(job->arena, text.data);
  boltz_text_free(&text);
  return job->spec_json ? BOLTZ_OK : boltz_fail(BOLTZ_NO_MEMORY, "no memory for the job's spec");
}

static enum boltz_status check(const struct job *job, const struct mcmc_spec *spec, bool restart,
                               const char **reason) {
  if (spec->stride > spec->steps)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/stride", "stride = %lld is over steps = %lld",
                         (long long)spec->stride, (long long)spec->steps);
  if (mcmc_configurations(spec) > COORDINATES_MAX / (size_t)job->model->energy.dim)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/steps",
                         "walkers × steps/stride = %zu configurations of dim %d are over %zu "
                         "numbers: take a larger stride",
                         mcmc_configurations(spec), job->model->energy.dim, COORDINATES_MAX);
  if (!name_is_well_formed(spec->dataset)) {
    *reason = "BAD_NAME";
    return boltz_fail_at(BOLTZ_WRONG_TYPE, "/dataset",
                         "\"%s\" is not a name: letters, digits, . _ -, at most 64, beginning with "
                         "a letter or digit",
                         spec->dataset);
  }
  struct dataset dataset;
  if (!restart && registry_dataset(job->server->registry, spec->dataset, &dataset)) {
    *reason = "ALREADY_EXISTS";
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/dataset",
                         "dataset %s is there already: take another name or delete it",
                         spec->dataset);
  }
  return BOLTZ_OK;
}

enum boltz_status mcmc_parse(struct job *job, const struct boltz_json *body, bool restart,
                             const char **reason) {
  struct mcmc_spec *spec = BOLTZ_NEW(job->arena, struct mcmc_spec);
  if (!spec) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(boltz_json_fields(body, mcmc_fields, others, spec, job->arena));
  BOLTZ_TRY(parse_move(job, boltz_json_member(body, "move"), spec));
  BOLTZ_TRY(check(job, spec, restart, reason));
  job->seed = spec->seed;
  job->dataset = spec->dataset;
  job->spec = spec;
  return print_spec(job, spec);
}

int64_t mcmc_total_steps(const struct job *job) {
  const struct mcmc_spec *spec = job->spec;
  return spec->burn_in + spec->steps;
}
