/* energy_json.c - an energy to and from {"kind": …, settings …}. */
#include "boltz/checkpoint.h"
#include "boltz/json.h"

static enum boltz_status find_kind(const struct boltz_json *object,
                                   const struct boltz_energy_kind **kind) {
  if (!object || object->type != BOLTZ_JSON_OBJECT)
    return boltz_fail(BOLTZ_WRONG_TYPE, "an energy is an object with the member kind");
  const struct boltz_json *name = boltz_json_member(object, "kind");
  if (!name) return boltz_fail_at(BOLTZ_MISSING_MEMBER, "/kind", "kind is missing");
  if (name->type != BOLTZ_JSON_STRING)
    return boltz_fail_at(BOLTZ_WRONG_TYPE, "/kind", "kind is not a string");
  *kind = boltz_energy_kind_find(name->text);
  if (!*kind)
    return boltz_fail_at(BOLTZ_UNKNOWN_KIND, "/kind", "there is no energy of the kind \"%.64s\"",
                         name->text);
  return BOLTZ_OK;
}

enum boltz_status boltz_energy_parse(const struct boltz_json *object, double temperature,
                                     struct boltz_arena *arena, struct boltz_energy *energy) {
  static const char *const others[] = {"kind", NULL};
  const struct boltz_energy_kind *kind;
  BOLTZ_TRY(find_kind(object, &kind));
  void *settings = boltz_arena_alloc(arena, 1, kind->settings_size ? kind->settings_size : 1);
  if (!settings) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(boltz_json_fields(object, kind->fields, others, settings, arena));
  return boltz_energy_new(kind, settings, temperature, arena, energy);
}

void boltz_energy_print(const struct boltz_energy *energy, struct boltz_arena *arena,
                        struct boltz_text *text) {
  boltz_text_puts(text, "{\"kind\":");
  boltz_text_quoted(text, energy->kind->name);
  if (energy->kind->fields && energy->kind->fields->name) {
    boltz_text_puts(text, ",");
    boltz_json_print_fields(energy->kind->fields, energy->settings, arena, text);
  }
  boltz_text_puts(text, "}");
}
