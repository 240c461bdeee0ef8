/* plugin.c - energies from shared objects: loaded at start, tried, and added to the list of kinds.
 */
#include "server/plugin.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boltz/json.h"
#define BOLTZ_PLUGIN_LOADER
#include "boltz/plugin.h"
#include "server/log.h"
#include "server/plugin_file.h"

#define KINDS_MOST 64                 /* of one plug-in */
#define TRIAL_BYTES ((size_t)1 << 30) /* for an example and its trial */
#define EXAMPLE_DEPTH 32

struct plugins {
  struct server *server;
  const char *dir;
  struct boltz_arena *arena;
  int fd; /* the directory; -1: not open */
  size_t n;
  struct plugin *list;
  size_t nkinds;
  const struct boltz_energy_kind **kinds; /* of all, NULL-ended */
};

static const struct boltz_host host = {
    .abi = BOLTZ_PLUGIN_ABI,
    .size = sizeof(struct boltz_host),
    .fail = boltz_fail,
    .fail_at = boltz_fail_at,
    .fail_under = boltz_fail_under,
    .arena_alloc = boltz_arena_alloc,
    .arena_scratch = boltz_arena_scratch,
    .arena_strdup = boltz_arena_strdup,
    .arena_mark = boltz_arena_mark,
    .arena_release = boltz_arena_release,
    .batch_new = boltz_batch_new,
    .batch_view = boltz_batch_view,
    .rng_bits = boltz_rng_bits,
    .rng_uniform = boltz_rng_uniform,
    .rng_normal = boltz_rng_normal,
    .rng_uniforms = boltz_rng_uniforms,
    .rng_normals = boltz_rng_normals,
    .json_member = boltz_json_member,
    .json_fields = boltz_json_fields,
};

/* A failure of the parts, as one of the file. */
static enum boltz_status fail_in(const struct plugins *plugins, const struct plugin *plugin,
                                 enum boltz_status status) {
  if (status == BOLTZ_OK) return status;
  char sentence[400];
  snprintf(sentence, sizeof sentence, "%s", boltz_error());
  return boltz_fail(status, "plug-in %s/%s: %s", plugins->dir, plugin->file, sentence);
}

/* ---- tables of another size ---- */

/* Tables grow at their end: what theirs lacks is 0 in ours, what ours lacks must be 0 in theirs. */
static bool copy_table(void *ours, size_t size, const void *theirs, size_t their_size) {
  const unsigned char *bytes = theirs;
  const size_t both = size < their_size ? size : their_size;
  memset(ours, 0, size);
  memcpy(ours, theirs, both);
  for (size_t k = both; k < their_size; k++)
    if (bytes[k]) return false;
  return true;
}

/* What a table had when this ABI began: all of it up to that member. */
#define LEAST(type, member) (offsetof(struct type, member) + sizeof(((struct type *)0)->member))
#define REBUILD "build it again with the include/ of this boltzd"

static enum boltz_status check_table(const struct boltz_plugin *table) {
  if (table->abi != BOLTZ_PLUGIN_ABI)
    return boltz_fail(BOLTZ_IO, "it was built for plug-in ABI %u, and this boltzd has ABI %d: %s",
                      (unsigned)table->abi, BOLTZ_PLUGIN_ABI, REBUILD);
  if (table->size < LEAST(boltz_plugin, energies) ||
      table->energy_size < LEAST(boltz_energy_kind, difference))
    return boltz_fail(BOLTZ_IO,
                      "its tables have %u and %u bytes, and at least %zu and %zu are needed: %s",
                      (unsigned)table->size, (unsigned)table->energy_size,
                      LEAST(boltz_plugin, energies), LEAST(boltz_energy_kind, difference), REBUILD);
  if (table->host_size > sizeof host)
    return boltz_fail(BOLTZ_IO,
                      "it wants a function table of %u bytes, and that of this boltzd has %zu: it "
                      "was built for a newer one; %s",
                      (unsigned)table->host_size, sizeof host, REBUILD);
  return BOLTZ_OK;
}

/* ---- kinds ---- */

static const struct plugin *find_name(const struct plugins *plugins, const char *name) {
  for (size_t p = 0; p < plugins->n; p++)
    for (size_t k = 0; k < plugins->list[p].nkinds; k++)
      if (strcmp(plugins->list[p].kinds[k].name, name) == 0) return &plugins->list[p];
  return NULL;
}

static enum boltz_status check_name(const struct plugins *plugins, const char *name) {
  if (boltz_energy_kind_find(name))
    return boltz_fail(BOLTZ_OUT_OF_RANGE,
                      "its energy kind %s has the name of one that is built in: give it another",
                      name);
  const struct plugin *other = find_name(plugins, name);
  if (!other) return BOLTZ_OK;
  return boltz_fail(BOLTZ_OUT_OF_RANGE,
                    "its energy kind %s is there already, from plug-in %s: give it another name, "
                    "or take one of the two away",
                    name, other->file);
}

/* The kind at its example, as a model of it would be made. */
static enum boltz_status try_example(const struct boltz_energy_kind *kind,
                                     struct boltz_arena *arena) {
  const char *text = kind->example ? kind->example : "{}";
  struct boltz_json *example;
  struct boltz_energy energy;
  void *settings = boltz_arena_alloc(arena, 1, kind->settings_size + 1);
  if (!settings) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(boltz_json_parse(text, strlen(text), EXAMPLE_DEPTH, arena, &example));
  BOLTZ_TRY(boltz_json_fields(example, kind->fields, NULL, settings, arena));
  BOLTZ_TRY(boltz_energy_new(kind, settings, 1, arena, &energy));
  return boltz_energy_check(&energy, arena);
}

static enum boltz_status try_kind(const struct boltz_energy_kind *kind) {
  struct boltz_arena *arena = boltz_arena_open(TRIAL_BYTES);
  if (!arena) return boltz_fail(BOLTZ_NO_MEMORY, "no memory to try it");
  enum boltz_status status = try_example(kind, arena);
  boltz_arena_close(arena);
  return status;
}

static enum boltz_status take_kind(struct plugins *plugins, struct plugin *plugin,
                                   const struct boltz_plugin *table, size_t k) {
  struct boltz_energy_kind *kind = &plugin->kinds[k];
  if (!copy_table(kind, sizeof *kind, table->energies[k], table->energy_size))
    return boltz_fail(BOLTZ_IO,
                      "its energy kind number %zu uses what this boltzd does not know yet: %s", k,
                      REBUILD);
  BOLTZ_TRY(boltz_energy_kind_check(kind));
  BOLTZ_TRY(check_name(plugins, kind->name));
  BOLTZ_TRY(try_kind(kind));
  plugin->nkinds++;
  plugins->kinds[plugins->nkinds++] = kind;
  return BOLTZ_OK;
}

static enum boltz_status take_kinds(struct plugins *plugins, struct plugin *plugin,
                                    const struct boltz_plugin *theirs) {
  struct boltz_plugin table;
  BOLTZ_TRY(check_table(theirs));
  if (!copy_table(&table, sizeof table, theirs, theirs->size))
    return boltz_fail(BOLTZ_IO, "its table uses what this boltzd does not know yet: %s", REBUILD);
  size_t n = 0;
  while (table.energies && n <= KINDS_MOST && table.energies[n]) n++;
  if (n < 1 || n > KINDS_MOST || !table.open)
    return boltz_fail(BOLTZ_IO, "it brings %s energies: 1 to %d are allowed, and open()",
                      n < 1 ? "no" : "too many", KINDS_MOST);
  plugin->kinds = BOLTZ_NEW_ARRAY(plugins->arena, n, struct boltz_energy_kind);
  if (!plugin->kinds) return BOLTZ_NO_MEMORY;
  table.open(&host);
  for (size_t k = 0; k < n; k++) BOLTZ_TRY(take_kind(plugins, plugin, &table, k));
  return BOLTZ_OK;
}

/* ---- opening and closing ---- */

static enum boltz_status take_bytes(struct plugins *plugins, struct plugin *plugin,
                                    const void *bytes, size_t size) {
  store_digest(bytes, size, plugin->sha256);
  /* said before its code runs: if that crashes, this is the last line */
  log_event(plugins->server->log, LOG_INFO, "plug-in", "s:file", plugin->file, "s:sha256",
            plugin->sha256, NULL);
  BOLTZ_TRY(plugin_load(plugin->file, bytes, size, &plugin->memory, &plugin->handle));
  const struct boltz_plugin *table = dlsym(plugin->handle, "boltz_plugin");
  if (!table)
    return boltz_fail(BOLTZ_IO,
                      "it exports no boltz_plugin, so it is no plug-in: end its source in "
                      "BOLTZ_PLUGIN(…), or take it out of the directory");
  return take_kinds(plugins, plugin, table);
}

static enum boltz_status open_one(struct plugins *plugins, const char *name) {
  void *bytes = NULL;
  size_t size = 0;
  BOLTZ_TRY(plugin_read(plugins->fd, plugins->dir, name, &bytes, &size));
  struct plugin *plugin = &plugins->list[plugins->n++];
  *plugin = (struct plugin){.file = name, .memory = -1};
  enum boltz_status status = take_bytes(plugins, plugin, bytes, size);
  free(bytes);
  return fail_in(plugins, plugin, status);
}

static enum boltz_status open_all(struct plugins *plugins) {
  const char *const *names;
  size_t n;
  BOLTZ_TRY(plugin_list(plugins->dir, plugins->arena, &plugins->fd, &names, &n));
  plugins->list = BOLTZ_NEW_ARRAY(plugins->arena, n + 1, struct plugin);
  plugins->kinds =
      BOLTZ_NEW_ARRAY(plugins->arena, n * KINDS_MOST + 1, const struct boltz_energy_kind *);
  if (!plugins->list || !plugins->kinds) return BOLTZ_NO_MEMORY;
  for (size_t k = 0; k < n; k++) BOLTZ_TRY(open_one(plugins, names[k]));
  boltz_energy_kinds_extend(plugins->kinds);
  return BOLTZ_OK;
}

enum boltz_status plugins_open(struct server *server, const char *dir, struct plugins **out) {
  *out = NULL;
  if (!*dir) return BOLTZ_OK;
  struct boltz_arena *arena = boltz_arena_open(0);
  struct plugins *plugins = arena ? BOLTZ_NEW(arena, struct plugins) : NULL;
  if (!plugins) {
    boltz_arena_close(arena);
    return boltz_fail(BOLTZ_NO_MEMORY, "no memory for plug-ins");
  }
  *plugins = (struct plugins){.server = server, .dir = dir, .arena = arena, .fd = -1};
  enum boltz_status status = open_all(plugins);
  if (status == BOLTZ_OK)
    *out = plugins;
  else
    plugins_close(plugins);
  return status;
}

void plugins_close(struct plugins *plugins) {
  if (!plugins) return;
  boltz_energy_kinds_extend(NULL);
  for (size_t k = plugins->n; k-- > 0;) {
    struct plugin *plugin = &plugins->list[k];
    if (plugin->handle) dlclose(plugin->handle);
    if (plugin->memory >= 0) close(plugin->memory);
  }
  if (plugins->fd >= 0) close(plugins->fd);
  boltz_arena_close(plugins->arena);
}

const struct plugin *plugins_of(const struct plugins *plugins,
                                const struct boltz_energy_kind *kind) {
  for (size_t p = 0; plugins && p < plugins->n; p++)
    for (size_t k = 0; k < plugins->list[p].nkinds; k++)
      if (&plugins->list[p].kinds[k] == kind) return &plugins->list[p];
  return NULL;
}
