/* upload.c - a new version from a checkpoint file, or from another version's weights. */
#include <stddef.h>
#include <string.h>

#include "server/api/api.h"
#include "server/precision.h"

struct copy_options {
  int64_t from_version;
  const char *precision;
};

const struct boltz_field api_copy_fields[] = {
    {.name = "from_version",
     .type = BOLTZ_FIELD_INT,
     .offset = offsetof(struct copy_options, from_version),
     .low = 1,
     .high = 0x1p63,
     .required = true,
     .doc = "version whose weights are taken"},
    {.name = "precision",
     .type = BOLTZ_FIELD_CHOICE,
     .offset = offsetof(struct copy_options, precision),
     .def_text = "auto",
     .choices = precision_choices,
     .doc = "of the new version's conditioners; auto: the first of table, int8, bf16, fp32 whose "
            "ess_fraction on 20000 samples is within 0.005 of fp32's"},
    BOLTZ_FIELDS_END};

/* A version in the making. */
struct upload {
  struct request *request;
  struct model *model;
  struct boltz_arena *arena; /* of the checkpoint that was read, or of the choice */
  struct version *version;   /* whose weights are taken, or NULL */
  struct precision_choice choice;
  struct boltz_text copy, metrics; /* the file of a copy */
  struct version_draft draft;
};

/* Give back everything but the request, before the reply. */
static void release(struct upload *upload) {
  precision_release(&upload->choice);
  boltz_arena_close(upload->arena);
  boltz_text_free(&upload->copy);
  boltz_text_free(&upload->metrics);
  version_release(upload->version);
  model_release(upload->model);
}

static void refuse(struct upload *upload, enum boltz_status status) {
  struct request *request = upload->request;
  release(upload);
  reply_status(request, status, "");
}

/* On the store thread. */
static void add_version(void *argument) {
  struct upload *upload = argument;
  struct request *request = upload->request;
  struct registry *registry = request->server->registry;
  const char *name = request->parameters[0];
  int64_t number = 0;
  /* The file was checked against this model, which may have been removed and another be there. */
  struct model *now = registry_model(registry, name);
  enum registry_outcome outcome =
      now == upload->model ? registry_add_version(registry, name, &upload->draft, &number)
                           : REGISTRY_NOT_FOUND;
  model_release(now);
  release(upload);
  if (outcome != REGISTRY_CREATED && outcome != REGISTRY_SAME) {
    api_refused(request, outcome, "MODEL_NOT_FOUND", "model of that name any more");
    return;
  }
  request_header(request, "Location", "/v1/models/%s/versions/%lld", name, (long long)number);
  reply_json(request, 201, registry_version_record(registry, name, number));
}

/* After it, the upload belongs to the store thread, or the reply is given. */
static void publish(struct upload *upload) {
  struct request *request = upload->request;
  struct upload held = *upload;
  if (!api_post(request, add_version, upload)) release(&held);
}

/* ---- A checkpoint file ---- */

static enum boltz_status check_file(struct upload *upload) {
  struct request *request = upload->request;
  struct boltz_checkpoint checkpoint;
  /* The weights flat and packed, and a header that is at most the file. */
  upload->arena = boltz_arena_open(((size_t)256 << 20) + 16 * request->nbytes);
  if (!upload->arena) return boltz_fail(BOLTZ_NO_MEMORY, "no memory for a checkpoint");
  BOLTZ_TRY(boltz_checkpoint_read(request->bytes, request->nbytes, upload->arena, &checkpoint));
  BOLTZ_TRY(checkpoint_fits_model(&checkpoint, upload->model));
  BOLTZ_TRY(boltz_checkpoint_self_test(&checkpoint, upload->arena));
  upload->draft.bytes = request->bytes;
  upload->draft.size = request->nbytes;
  upload->draft.metrics = checkpoint.metrics;
  return BOLTZ_OK;
}

/* ---- Another version's weights ---- */

/* The file; what serves already keeps what is known of it. */
static enum boltz_status write_copy(struct upload *upload) {
  struct boltz_checkpoint checkpoint = upload->version->checkpoint;
  const struct precision_choice *choice = &upload->choice;
  if (choice->precision != checkpoint.weights.precision) {
    precision_print_metrics(choice, NULL, &upload->metrics);
    if (upload->metrics.failed) return boltz_fail(BOLTZ_NO_MEMORY, "no memory for a version");
    checkpoint.metrics = upload->metrics.data;
    checkpoint.weights = choice->weights;
  }
  BOLTZ_TRY(boltz_checkpoint_self_test(&checkpoint, upload->arena));
  BOLTZ_TRY(boltz_checkpoint_write(&checkpoint, upload->arena, &upload->copy));
  upload->draft.metrics = boltz_arena_strdup(upload->request->arena, checkpoint.metrics);
  if (!upload->draft.metrics) return BOLTZ_NO_MEMORY;
  upload->draft.bytes = upload->copy.data;
  upload->draft.size = upload->copy.size;
  return BOLTZ_OK;
}

static void finish_copy(struct upload *upload) {
  enum boltz_status status = write_copy(upload);
  if (status == BOLTZ_OK)
    publish(upload);
  else
    refuse(upload, status);
}

static bool is_cancelled(void *owner) {
  const struct upload *upload = owner;
  return atomic_load(&upload->request->cancelled);
}

static void precision_chosen(struct precision_choice *choice, struct worker *worker) {
  (void)worker;
  struct upload *upload = choice->measure.owner;
  struct request *request = upload->request;
  if (is_cancelled(upload)) {
    release(upload);
    reply_problem(request, 503, "DEADLINE", NULL,
                  "the request took longer than request_deadline_ms = %lld allows",
                  (long long)request->server->config->request_deadline_ms);
  } else if (choice->status != BOLTZ_OK) {
    refuse(upload, boltz_fail(choice->status, "%s", choice->why));
  } else {
    finish_copy(upload);
  }
}

/* A client waits: the measuring stands beside other requests, a tile a slice. */
static enum boltz_status choose_precision(struct upload *upload, const char *asked) {
  const struct boltz_checkpoint *checkpoint = &upload->version->checkpoint;
  struct request *request = upload->request;
  BOLTZ_TRY(precision_check(&checkpoint->flow, asked));
  double *log_w = BOLTZ_NEW_ARRAY(upload->arena, PRECISION_SAMPLES, double);
  if (!log_w) return BOLTZ_NO_MEMORY;
  upload->choice = (struct precision_choice){
      .measure = {.round = {.pool = request->server->pool, .class_ = POOL_INTERACTIVE},
                  .owner = upload,
                  .flow = &checkpoint->flow,
                  .energy = &checkpoint->energy,
                  .seed = checkpoint->seed,
                  .log_w = log_w,
                  .stopped = is_cancelled},
      .asked = asked,
      .weights = checkpoint->weights,
      .chosen = precision_chosen};
  precision_start(&upload->choice);
  return BOLTZ_OK;
}

static void copy_version(struct upload *upload) {
  struct request *request = upload->request;
  struct model *model = upload->model;
  struct copy_options options;
  struct version *version = NULL;
  if (!api_fields(request, api_copy_fields, NULL, &options) ||
      !api_version(request, model, options.from_version, &version)) {
    model_release(model);
    return;
  }
  upload->version = version;
  upload->choice.precision = version->checkpoint.weights.precision;
  upload->arena = boltz_arena_open((size_t)256 << 20);
  enum boltz_status status = upload->arena ? BOLTZ_OK : BOLTZ_NO_MEMORY;
  bool there = strcmp(options.precision, version->precision) == 0; /* nothing to measure */
  if (status == BOLTZ_OK && !there) status = choose_precision(upload, options.precision);
  if (status != BOLTZ_OK)
    refuse(upload, status);
  else if (there)
    finish_copy(upload);
}

/* ---- Both ---- */

/* ?serve=true|false; false: the reply is given. */
static bool take_serve(struct request *request, struct version_draft *draft) {
  const char *text = request_query(request, "serve");
  draft->serve = text && strcmp(text, "true") == 0;
  draft->serve_first = !text;
  if (!text || draft->serve || strcmp(text, "false") == 0) return true;
  reply_problem(request, 400, "WRONG_TYPE", NULL, "serve = %.64s is neither true nor false", text);
  return false;
}

/* On a worker. */
static void take(struct request *request) {
  struct version_draft draft = {0};
  if (!take_serve(request, &draft)) return;
  struct upload *upload = BOLTZ_NEW(request->arena, struct upload);
  if (!upload) {
    reply_status(request, BOLTZ_NO_MEMORY, "");
    return;
  }
  struct model *model = api_model(request);
  if (!model) return;
  *upload = (struct upload){.request = request, .model = model, .draft = draft};
  if (request->json) {
    copy_version(upload);
    return;
  }
  enum boltz_status status = check_file(upload);
  if (status == BOLTZ_OK)
    publish(upload);
  else
    refuse(upload, status);
}

void api_handle_upload(struct request *request) {
  api_on_worker(request, take);
}
