/* examples.c - trained models that a new data directory starts with. */
#include "server/examples.h"

#include "boltz/checkpoint.h"
#include "server/model.h"

#define ROW "examples"

static void note_row(void *argument, const char *key, const char *body) {
  (void)key, (void)body;
  *(bool *)argument = true;
}

/* The energy of a checkpoint, in an arena of its own, as a model of that name. */
static enum boltz_status register_model(struct registry *registry, const struct example *example,
                                        const char **metrics, struct boltz_arena *arena) {
  struct boltz_checkpoint checkpoint;
  struct boltz_arena *own = boltz_arena_open(0);
  if (!own) return boltz_fail(BOLTZ_NO_MEMORY, "no memory for an example");
  enum boltz_status status = boltz_checkpoint_read(
      example->bytes, (size_t)(example->end - example->bytes), own, &checkpoint);
  if (status == BOLTZ_OK) {
    *metrics = boltz_arena_strdup(arena, checkpoint.metrics);
    if (!*metrics) status = BOLTZ_NO_MEMORY;
  }
  if (status != BOLTZ_OK) {
    boltz_arena_close(own);
    return status;
  }
  enum registry_outcome outcome =
      registry_add_model(registry, example->model, &checkpoint.energy, own);
  return outcome == REGISTRY_CREATED || outcome == REGISTRY_SAME ? BOLTZ_OK : BOLTZ_IO;
}

static void note_version(void *argument, int64_t number) {
  *(int64_t *)argument = number;
}

static enum boltz_status install(struct registry *registry, const struct example *example,
                                 struct boltz_arena *arena) {
  bool more;
  int64_t number = 0;
  struct version_draft draft = {
      .bytes = example->bytes, .size = (size_t)(example->end - example->bytes), .serve = true};
  BOLTZ_TRY(register_model(registry, example, &draft.metrics, arena));
  /* A start that was cut short may have come as far as this before. */
  registry_each_version(registry, example->model, 0, 1, &more, note_version, &number);
  if (number) return BOLTZ_OK;
  return registry_add_version(registry, example->model, &draft, &number) == REGISTRY_CREATED
             ? BOLTZ_OK
             : BOLTZ_IO;
}

enum boltz_status examples_install(struct server *server, struct registry *registry) {
  bool done = false;
  BOLTZ_TRY(store_each(server->store, STORE_META, ROW, note_row, &done));
  if (done) return BOLTZ_OK;
  struct boltz_arena *arena = boltz_arena_open(0);
  if (!arena) return boltz_fail(BOLTZ_NO_MEMORY, "no memory for the examples");
  enum boltz_status status = BOLTZ_OK;
  for (const struct example *example = examples; example->model && status == BOLTZ_OK; example++)
    status = install(registry, example, arena);
  boltz_arena_close(arena);
  if (status == BOLTZ_OK)
    status = store_put(server->store, STORE_META, ROW, "{\"installed\":true}");
  return status;
}
