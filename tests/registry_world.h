/* registry_world.h - a registry on a directory of its own, with small models and versions. */
#ifndef TESTS_REGISTRY_WORLD_H
#define TESTS_REGISTRY_WORLD_H

#include <unistd.h>

#include "boltz/boltz.h"
#include "check.h"
#include "server/json.h"
#include "server/log.h"
#include "server/model.h"

#define DW "{\"kind\":\"double_well\"}"
#define FLOW "{\"base\":\"normal\",\"layers\":[{\"type\":\"realnvp\",\"blocks\":1,\"hidden\":[4]}]}"

static char dir[64];
static struct server server;

static inline struct registry *reopen(void) {
  struct registry *registry = NULL;
  CHECK_MSG(store_open(&server, dir, &server.store) == BOLTZ_OK, "%s", boltz_error());
  CHECK_MSG(registry_open(&server, &registry) == BOLTZ_OK, "%s", boltz_error());
  return registry;
}

static inline void new_directory(void) {
  snprintf(dir, sizeof dir, P_tmpdir "/boltz-registry-XXXXXX");
  CHECK(mkdtemp(dir) != NULL);
}

/* A directory that has had its examples: they are not there. */
static inline struct registry *open_new(void) {
  new_directory();
  CHECK_INT(store_open(&server, dir, &server.store), BOLTZ_OK);
  CHECK_INT(store_put(server.store, STORE_META, "examples", "{}"), BOLTZ_OK);
  store_close(server.store);
  return reopen();
}

static inline void shut(struct registry *registry) {
  registry_close(registry);
  store_close(server.store);
}

static inline void remove_all(struct registry *registry) {
  char command[100];
  shut(registry);
  snprintf(command, sizeof command, "rm -rf %s", dir);
  CHECK_INT(system(command), 0);
}

static inline struct boltz_json *json(const char *text, struct boltz_arena *arena) {
  struct boltz_json *root = NULL;
  CHECK_INT(boltz_json_parse(text, strlen(text), 16, arena, &root), BOLTZ_OK);
  return root;
}

static inline enum registry_outcome add_model(struct registry *registry, const char *name,
                                              const char *energy, double temperature) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy made;
  CHECK_INT(boltz_energy_parse(json(energy, arena), temperature, arena, &made), BOLTZ_OK);
  return registry_add_model(registry, name, &made, arena);
}

/* A checkpoint of a small flow for an energy at T = 1. */
static inline struct boltz_text make_checkpoint_in(const char *energy, uint64_t seed,
                                                   enum boltz_precision precision) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_checkpoint c = {
      .model = "any", .seed = seed, .producer = "test", .metrics = "{\"ess_fraction\":0.5}"};
  struct boltz_flow_spec spec;
  struct boltz_text out = {0};
  CHECK_INT(boltz_energy_parse(json(energy, arena), 1, arena, &c.energy), BOLTZ_OK);
  CHECK_INT(boltz_flow_spec_parse(json(FLOW, arena), c.energy.dim, arena, &spec), BOLTZ_OK);
  CHECK_INT(boltz_flow_new(&spec, c.energy.dim, arena, &c.flow), BOLTZ_OK);
  CHECK_INT(boltz_weights_new(&c.flow, arena, &c.weights), BOLTZ_OK);
  boltz_flow_init(&c.flow, seed, &c.weights);
  c.weights.precision = precision;
  CHECK_INT(boltz_checkpoint_write(&c, arena, &out), BOLTZ_OK);
  boltz_arena_close(arena);
  return out;
}

static inline struct boltz_text make_checkpoint(const char *energy, uint64_t seed) {
  return make_checkpoint_in(energy, seed, BOLTZ_FP32);
}

static inline enum registry_outcome add_version_in(struct registry *registry, const char *model,
                                                   uint64_t seed, enum boltz_precision precision,
                                                   bool serve, int64_t *number) {
  struct boltz_text file = make_checkpoint_in(DW, seed, precision);
  struct version_draft draft = {.bytes = file.data,
                                .size = file.size,
                                .job = "job_1",
                                .metrics = "{\"ess_fraction\":0.25}",
                                .serve = serve,
                                .serve_first = true};
  enum registry_outcome outcome = registry_add_version(registry, model, &draft, number);
  boltz_text_free(&file);
  return outcome;
}

static inline enum registry_outcome add_version(struct registry *registry, const char *model,
                                                uint64_t seed, bool serve, int64_t *number) {
  return add_version_in(registry, model, seed, BOLTZ_FP32, serve, number);
}

static inline bool record_has(struct cJSON *record, const char *part) {
  char *text = record ? json_take_text(record) : NULL;
  bool has = text && strstr(text, part);
  if (!has) printf("    %s lacks %s\n", text ? text : "(no record)", part);
  free(text);
  return has;
}

static inline int64_t serving(struct registry *registry, const char *name) {
  struct version *version;
  struct model *model = registry_model(registry, name);
  int64_t number =
      registry_version(registry, model, 0, &version) == VERSION_READY ? version->number : 0;
  version_release(version);
  model_release(model);
  return number;
}

#endif
