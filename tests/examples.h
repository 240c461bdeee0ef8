/* examples.h - the settings that a kind of energy gives as its example. */
#ifndef EXAMPLES_H
#define EXAMPLES_H

#include <string.h>

#include "boltz/energy.h"
#include "boltz/json.h"
#include "tests/check.h"

static inline void *settings_of(struct boltz_arena *arena, const struct boltz_energy_kind *kind,
                                const char *text) {
  void *settings = boltz_arena_alloc(arena, 1, kind->settings_size + 1);
  struct boltz_json *json;
  CHECK_INT(boltz_json_parse(text, strlen(text), 9, arena, &json), BOLTZ_OK);
  CHECK_MSG(boltz_json_fields(json, kind->fields, NULL, settings, arena) == BOLTZ_OK, "%s: %s",
            kind->name, boltz_error());
  return settings;
}

/* The energy of a registered kind at temperature T; text NULL: of its example. */
static inline struct boltz_energy energy_of(struct boltz_arena *arena, const char *kind,
                                            const char *text, double temperature) {
  const struct boltz_energy_kind *found = boltz_energy_kind_find(kind);
  struct boltz_energy energy = {0};
  if (!text) text = found->example ? found->example : "{}";
  CHECK_INT(boltz_energy_new(found, settings_of(arena, found, text), temperature, arena, &energy),
            BOLTZ_OK);
  return energy;
}

static inline void *example_settings(struct boltz_arena *arena,
                                     const struct boltz_energy_kind *kind) {
  return settings_of(arena, kind, kind->example ? kind->example : "{}");
}

#endif
