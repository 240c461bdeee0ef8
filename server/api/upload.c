/* upload.c - a new version from a checkpoint file, or from another version's weights. */
#include <stddef.h>
#include <string.h>

#include "server/api/api.h"

struct copy_options {
  int64_t from_version;
  const char *precision;
};

static const char *const precisions[] = {"auto", "fp32", NULL};

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
     .choices = precisions,
     .doc = "of the new version's conditioners"},
    BOLTZ_FIELDS_END};

/* A version in the making. */
struct upload {
  struct request *request;
  struct model *model;
  struct boltz_arena *arena; /* of the checkpoint that was read; NULL for a copy */
  struct boltz_text copy;    /* the file of a copy */
  struct version_draft draft;
};

/* Give back everything but the request, before the reply. */
static void release(struct upload *upload) {
  boltz_arena_close(upload->arena);
  boltz_text_free(&upload->copy);
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

static enum boltz_status write_copy(struct upload *upload, const struct version *version) {
  struct boltz_checkpoint checkpoint = version->checkpoint;
  checkpoint.weights.precision = BOLTZ_FP32; /* what auto comes to here */
  enum boltz_status status =
      boltz_checkpoint_write(&checkpoint, upload->request->arena, &upload->copy);
  if (status != BOLTZ_OK) return status;
  upload->draft.metrics = boltz_arena_strdup(upload->request->arena, checkpoint.metrics);
  if (!upload->draft.metrics) return BOLTZ_NO_MEMORY;
  upload->draft.bytes = upload->copy.data;
  upload->draft.size = upload->copy.size;
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
  enum boltz_status status = write_copy(upload, version);
  version_release(version);
  if (status == BOLTZ_OK)
    publish(upload);
  else
    refuse(upload, status);
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
