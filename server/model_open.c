/* model_open.c - the registry at start: every row is read; a model whose energy is another program
 * now than when it was registered is shown, and not served. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boltz/json.h"
#include "server/examples.h"
#include "server/log.h"
#include "server/plugin.h"
#include "server/registry.h"
#include "server/row.h"

struct loading {
  struct registry *registry;
  enum boltz_status status;
};

/* ---- is its energy the one that it was registered with? ---- */

/* The stored row, and what is there now. */
struct stored {
  const char *name, *kind;   /* of the model, of its energy */
  const char *file, *sha256; /* the plug-in then; NULL: it was built in */
  const struct boltz_energy_kind *now;
  const struct plugin *plugin; /* of that kind now */
};

static struct stored stored_of(const struct registry *registry, const char *name,
                               const struct boltz_json *row) {
  const struct boltz_json *plugin = boltz_json_member(row, "plugin");
  struct stored stored = {.name = name,
                          .kind = row_text(boltz_json_member(row, "energy"), "kind", ""),
                          .file = row_text(plugin, "file", ""),
                          .sha256 = row_text(plugin, "sha256", NULL)};
  stored.now = boltz_energy_kind_find(stored.kind);
  stored.plugin = plugins_of(registry->server->plugins, stored.now);
  return stored;
}

static bool is_unchanged(const struct stored *stored) {
  if (!*stored->kind) return true; /* damage, which is found when it is parsed */
  if (!stored->now) return false;
  if (!stored->sha256 || !stored->plugin) return !stored->sha256 && !stored->plugin;
  return strcmp(stored->sha256, stored->plugin->sha256) == 0;
}

static const char *remedy(const struct stored *stored) {
  if (!stored->sha256)
    return stored->plugin ? "register a model with it under another name"
                          : "start a boltzd that has it";
  if (!stored->now) return "put that file into plugin_dir and start boltzd again";
  if (!stored->plugin) return "register a model with it under another name";
  return "put the former file into plugin_dir and start boltzd again, or register a model with "
         "the new one under another name";
}

/* The sentence of PLUGIN_CHANGED: what it was, what is there, what to do. */
static const char *say_withheld(const struct stored *stored, struct boltz_arena *arena) {
  struct boltz_text text = {0};
  boltz_text_printf(&text, "the energy %.64s of model %s was ", stored->kind, stored->name);
  if (stored->sha256)
    boltz_text_printf(&text, "of plug-in %.64s with SHA-256 %.64s", stored->file, stored->sha256);
  else
    boltz_text_puts(&text, "built in");
  if (stored->plugin)
    boltz_text_printf(&text, ", and is now of %.64s with SHA-256 %s", stored->plugin->file,
                      stored->plugin->sha256);
  else
    boltz_text_puts(&text, stored->now ? ", and is now built in" : ", and is not loaded now");
  boltz_text_printf(&text, ": %s", remedy(stored));
  const char *sentence = text.failed ? NULL : boltz_arena_strdup(arena, text.data);
  boltz_text_free(&text);
  return sentence;
}

/* ---- models ---- */

static enum boltz_status parse_energy(const char *name, const struct boltz_json *row,
                                      struct boltz_arena *arena, struct boltz_energy *energy) {
  const struct boltz_json *temperature = boltz_json_member(row, "temperature");
  enum boltz_status status = boltz_energy_parse(
      boltz_json_member(row, "energy"), temperature ? temperature->number : 0, arena, energy);
  if (status == BOLTZ_OK) return status;
  char sentence[400];
  snprintf(sentence, sizeof sentence, "%s", boltz_error());
  return boltz_fail(BOLTZ_IO, "model %s cannot be read by this boltzd: %s", name, sentence);
}

/* As JSON in the arena; an absent list is empty. */
static const char *printed(const struct boltz_json *node, struct boltz_arena *arena) {
  struct boltz_text text = {0};
  if (node)
    boltz_json_print(node, &text);
  else
    boltz_text_puts(&text, "[]");
  const char *copy = text.failed ? NULL : boltz_arena_strdup(arena, text.data);
  boltz_text_free(&text);
  return copy;
}

/* A model without its energy: what is shown of it is in the row. Takes the arena. */
static struct model *load_withheld(const struct stored *stored, const struct boltz_json *row,
                                   struct boltz_arena *arena) {
  const struct boltz_json *temperature = boltz_json_member(row, "temperature");
  struct boltz_text energy = {0};
  struct model *model = model_alloc(stored->name, arena);
  if (!model) return NULL;
  model->energy = (struct boltz_energy){.temperature = temperature ? temperature->number : 0,
                                        .dim = (int)row_integer(row, "dim", 0)};
  if (stored->sha256) {
    model->plugin_file = stored->file;
    model->plugin_sha256 = stored->sha256;
  }
  model->coordinates = printed(boltz_json_member(row, "coordinates"), arena);
  model->variables = printed(boltz_json_member(row, "variables"), arena);
  model->withheld = say_withheld(stored, arena);
  boltz_json_print(boltz_json_member(row, "energy"), &energy);
  model->versions->energy_json = energy.data;
  if (!energy.failed && model->coordinates && model->variables && model->withheld) return model;
  model_release(model);
  return NULL;
}

/* Takes the arena. */
static enum boltz_status make_model(struct registry *registry, const char *name,
                                    const struct boltz_json *row, struct boltz_arena *arena,
                                    struct model **model) {
  const struct stored stored = stored_of(registry, name, row);
  struct boltz_energy energy;
  if (is_unchanged(&stored)) {
    enum boltz_status status = parse_energy(name, row, arena, &energy);
    if (status != BOLTZ_OK) {
      boltz_arena_close(arena);
      return status;
    }
    *model = model_new(registry, name, &energy, arena);
  } else {
    *model = load_withheld(&stored, row, arena);
  }
  if (!*model) return boltz_fail(BOLTZ_NO_MEMORY, "no memory for model %s", name);
  if ((*model)->withheld)
    log_event(registry->server->log, LOG_WARN, "model not served", "s:model", name, "s:reason",
              MODEL_WITHHELD, "s:detail", (*model)->withheld, NULL);
  return BOLTZ_OK;
}

static enum boltz_status load_model(struct registry *registry, const char *name, const char *body) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct model *model = NULL;
  struct boltz_json *row = NULL;
  if (!arena) return boltz_fail(BOLTZ_NO_MEMORY, "no memory for model %s", name);
  enum boltz_status status = row_parse("model", name, body, arena, &row);
  if (status != BOLTZ_OK) {
    boltz_arena_close(arena);
    return status;
  }
  BOLTZ_TRY(make_model(registry, name, row, arena, &model));
  if (!registry_reserve(registry)) {
    model_release(model);
    return boltz_fail(BOLTZ_NO_MEMORY, "no memory for model %s", name);
  }
  model->created_ms = row_integer(row, "created_ms", 0);
  model->versions->serving = row_integer(row, "serving", 0);
  model->versions->next = row_integer(row, "next_version", 1);
  registry_insert(registry, model);
  return BOLTZ_OK;
}

static void load_row(void *argument, const char *key, const char *body) {
  struct loading *loading = argument;
  if (loading->status == BOLTZ_OK) loading->status = load_model(loading->registry, key, body);
}

static enum boltz_status load_everything(struct registry *registry) {
  struct loading loading = {registry, BOLTZ_OK};
  BOLTZ_TRY(store_each(registry->server->store, STORE_MODELS, "", load_row, &loading));
  BOLTZ_TRY(loading.status);
  BOLTZ_TRY(registry_open_versions(registry));
  BOLTZ_TRY(registry_open_datasets(registry));
  registry_load_serving(registry);
  return examples_install(registry->server, registry);
}

enum boltz_status registry_open(struct server *server, struct registry **out) {
  *out = NULL;
  struct registry *registry = calloc(1, sizeof *registry);
  if (!registry) return boltz_fail(BOLTZ_NO_MEMORY, "no memory for the registry");
  registry->server = server;
  pthread_mutex_init(&registry->mutex, NULL);
  enum boltz_status status = load_everything(registry);
  if (status == BOLTZ_OK)
    *out = registry;
  else
    registry_close(registry);
  return status;
}
