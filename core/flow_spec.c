/* flow_spec.c - what a flow is to be: read, printed, and completed to end on an energy's domains.
 */
#include <stdio.h>
#include <string.h>

#include "boltz/flow.h"

static void *new_settings(struct boltz_arena *arena, size_t size) {
  return boltz_arena_alloc(arena, 1, size ? size : 1);
}

/* Where the base of a spec has the coordinates. */
static enum boltz_status start_domains(struct boltz_flow_spec *spec, int dim,
                                       struct boltz_arena *arena) {
  struct boltz_domain *domain = BOLTZ_NEW_ARRAY(arena, (size_t)dim, struct boltz_domain);
  if (!domain) return BOLTZ_NO_MEMORY;
  spec->domain = domain;
  const struct boltz_mark mark = boltz_arena_mark(arena);
  struct boltz_base base; /* for its checks alone */
  const enum boltz_status status =
      boltz_base_new(spec->base, spec->base_settings, dim, domain, arena, &base);
  boltz_arena_release(arena, mark);
  return status;
}

static bool same_domains(int dim, const struct boltz_domain *a, const struct boltz_domain *b) {
  for (int j = 0; j < dim; j++) {
    if (a[j].type != b[j].type) return false;
    if (a[j].type != BOLTZ_REAL && (a[j].low != b[j].low || a[j].high != b[j].high)) return false;
  }
  return true;
}

/* Build a layer for its checks alone, at the end of a spec: what it allocates is given back, the
   spec's domains are taken through it. */
static enum boltz_status try_layer(const struct boltz_layer_kind *kind, const void *settings,
                                   int dim, struct boltz_flow_spec *spec,
                                   struct boltz_arena *arena) {
  struct boltz_layer layer = {.kind = kind, .settings = settings, .dim = dim};
  const struct boltz_mark before = boltz_arena_mark(arena);
  struct boltz_domain *domain = BOLTZ_NEW_ARRAY(arena, (size_t)dim, struct boltz_domain);
  const struct boltz_mark after = boltz_arena_mark(arena);
  if (!domain) return BOLTZ_NO_MEMORY;
  memcpy(domain, spec->domain, (size_t)dim * sizeof *domain);
  const enum boltz_status status = boltz_layer_build(&layer, domain, arena);
  const bool unchanged = status != BOLTZ_OK || same_domains(dim, domain, spec->domain);
  if (!unchanged) spec->domain = domain;
  boltz_arena_release(arena, unchanged ? before : after);
  return status;
}

enum boltz_status boltz_flow_spec_add(struct boltz_flow_spec *spec,
                                      const struct boltz_layer_kind *kind, const void *settings,
                                      int dim, struct boltz_arena *arena) {
  if (kind->expand) return kind->expand(settings, dim, spec, arena);
  if (spec->nlayers >= BOLTZ_LAYERS_MAX)
    return boltz_fail(BOLTZ_OUT_OF_RANGE,
                      "the flow has more than %d layers once its short forms are expanded",
                      BOLTZ_LAYERS_MAX);
  BOLTZ_TRY(try_layer(kind, settings, dim, spec, arena));
  spec->layers[spec->nlayers].kind = kind;
  spec->layers[spec->nlayers].settings = settings;
  spec->nlayers++;
  return BOLTZ_OK;
}

/* "normal, uniform": the names of a family, for the sentence about one that is not among them. */
static const char *known_bases(char *out, size_t size) {
  out[0] = '\0';
  const struct boltz_base_kind *kind;
  for (int k = 0; (kind = boltz_base_kind_at(k)) != NULL; k++) {
    if (k > 0) strncat(out, ", ", size - strlen(out) - 1);
    strncat(out, kind->name, size - strlen(out) - 1);
  }
  return out;
}

static const char *known_layers(char *out, size_t size) {
  out[0] = '\0';
  const struct boltz_layer_kind *kind;
  for (int k = 0; (kind = boltz_layer_kind_at(k)) != NULL; k++) {
    if (k > 0) strncat(out, ", ", size - strlen(out) - 1);
    strncat(out, kind->name, size - strlen(out) - 1);
  }
  return out;
}

/* The member "type" of a layer or base. */
static enum boltz_status read_type(const struct boltz_json *object, const char **type) {
  if (object->type != BOLTZ_JSON_OBJECT)
    return boltz_fail(BOLTZ_WRONG_TYPE, "this is not an object with the member type");
  const struct boltz_json *member = boltz_json_member(object, "type");
  if (!member) return boltz_fail_at(BOLTZ_MISSING_MEMBER, "/type", "type is missing");
  if (member->type != BOLTZ_JSON_STRING)
    return boltz_fail_at(BOLTZ_WRONG_TYPE, "/type", "type is not a string");
  *type = member->text;
  return BOLTZ_OK;
}

static const char *const type_only[] = {"type", NULL};

static enum boltz_status parse_base(const struct boltz_json *node, int dim,
                                    struct boltz_arena *arena, struct boltz_flow_spec *spec) {
  static const struct boltz_json empty = {.type = BOLTZ_JSON_OBJECT};
  const char *type = "normal", *pointer = "";
  const struct boltz_json *settings = &empty;
  if (node && node->type == BOLTZ_JSON_STRING) {
    type = node->text;
  } else if (node && node->type != BOLTZ_JSON_NULL) {
    BOLTZ_TRY(read_type(node, &type));
    settings = node;
    pointer = "/type";
  }
  char names[512];
  spec->base = boltz_base_kind_find(type);
  if (!spec->base)
    return boltz_fail_at(BOLTZ_UNKNOWN_NAME, pointer,
                         "there is no base density \"%.64s\"; there are: %s", type,
                         known_bases(names, sizeof names));
  void *out = new_settings(arena, spec->base->settings_size);
  if (!out) return BOLTZ_NO_MEMORY;
  spec->base_settings = out;
  BOLTZ_TRY(boltz_json_fields(settings, spec->base->fields, type_only, out, arena));
  return start_domains(spec, dim, arena);
}

static enum boltz_status parse_layer(const struct boltz_json *node, int dim,
                                     struct boltz_arena *arena, struct boltz_flow_spec *spec) {
  const char *type = NULL;
  BOLTZ_TRY(read_type(node, &type));
  char names[512];
  const struct boltz_layer_kind *kind = boltz_layer_kind_find(type);
  if (!kind)
    return boltz_fail_at(BOLTZ_UNKNOWN_NAME, "/type", "there is no layer \"%.64s\"; there are: %s",
                         type, known_layers(names, sizeof names));
  void *settings = new_settings(arena, kind->settings_size);
  if (!settings) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(boltz_json_fields(node, kind->fields, type_only, settings, arena));
  return boltz_flow_spec_add(spec, kind, settings, dim, arena);
}

static enum boltz_status parse_layers(const struct boltz_json *list, int dim,
                                      struct boltz_arena *arena, struct boltz_flow_spec *spec) {
  if (!list) return boltz_fail_at(BOLTZ_MISSING_MEMBER, "/layers", "layers is missing");
  if (list->type != BOLTZ_JSON_ARRAY)
    return boltz_fail_at(BOLTZ_WRONG_TYPE, "/layers", "layers is not a list");
  if (list->n == 0 && !spec->base->fit_open)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/layers",
                         "layers is empty: of a flow with the base %s layers are all that is "
                         "trained or fitted",
                         spec->base->name);
  if (list->numbers)
    return boltz_fail_at(BOLTZ_WRONG_TYPE, "/layers/0",
                         "this is not an object with the member type");
  int i = 0;
  for (const struct boltz_json *node = list->child; node; node = node->next, i++) {
    const enum boltz_status status = parse_layer(node, dim, arena, spec);
    if (status != BOLTZ_OK) return boltz_fail_under(status, "/layers/%d", i);
  }
  return BOLTZ_OK;
}

enum boltz_status boltz_flow_spec_parse(const struct boltz_json *object, int dim,
                                        struct boltz_arena *arena, struct boltz_flow_spec *spec) {
  static const char *const members[] = {"base", "layers", NULL};
  memset(spec, 0, sizeof *spec);
  if (!object || object->type != BOLTZ_JSON_OBJECT)
    return boltz_fail(BOLTZ_WRONG_TYPE, "a flow is an object with the members base and layers");
  BOLTZ_TRY(boltz_json_fields(object, NULL, members, NULL, arena));
  const enum boltz_status status = parse_base(boltz_json_member(object, "base"), dim, arena, spec);
  if (status != BOLTZ_OK) return boltz_fail_under(status, "/base");
  return parse_layers(boltz_json_member(object, "layers"), dim, arena, spec);
}

static bool has_settings(const struct boltz_field *fields) {
  return fields && fields->name;
}

static void print_typed(const char *type, const struct boltz_field *fields, const void *settings,
                        struct boltz_arena *arena, struct boltz_text *text) {
  boltz_text_puts(text, "{\"type\":");
  boltz_text_quoted(text, type);
  if (has_settings(fields)) {
    boltz_text_puts(text, ",");
    boltz_json_print_fields(fields, settings, arena, text);
  }
  boltz_text_puts(text, "}");
}

void boltz_flow_spec_print(const struct boltz_flow_spec *spec, struct boltz_arena *arena,
                           struct boltz_text *text) {
  boltz_text_puts(text, "{\"base\":");
  if (has_settings(spec->base->fields))
    print_typed(spec->base->name, spec->base->fields, spec->base_settings, arena, text);
  else
    boltz_text_quoted(text, spec->base->name);
  boltz_text_puts(text, ",\"layers\":[");
  for (int k = 0; k < spec->nlayers; k++) {
    const struct boltz_layer_kind *kind = spec->layers[k].kind;
    if (k > 0) boltz_text_puts(text, ",");
    print_typed(kind->name, kind->fields, spec->layers[k].settings, arena, text);
  }
  boltz_text_puts(text, "]}");
}

/* "real", or "periodic on [0, 5]" */
static const char *describe(const struct boltz_domain *domain, char *out, size_t size) {
  static const char *const words[] = {
      [BOLTZ_REAL] = "real", [BOLTZ_INTERVAL] = "in", [BOLTZ_PERIODIC] = "periodic on"};
  const char *word = words[domain->type];
  if (domain->type == BOLTZ_REAL)
    snprintf(out, size, "%s", word);
  else
    snprintf(out, size, "%s [%g, %g]", word, domain->low, domain->high);
  return out;
}

/* Can coordinate j, left in `end`, be brought to `wanted` by one more layer, or is it there? */
static enum boltz_status check_domain(int j, const struct boltz_domain *end,
                                      const struct boltz_domain *wanted) {
  char is[128], must[128];
  describe(end, is, sizeof is);
  describe(wanted, must, sizeof must);
  if (wanted->type == BOLTZ_PERIODIC && end->type == BOLTZ_REAL)
    return boltz_fail_at(
        BOLTZ_OUT_OF_RANGE, "/base",
        "the energy has x%d %s, which no layer makes of the real line: the base "
        "\"circular\" does, with %d among its coordinates, low %.17g and high %.17g",
        j + 1, must, j, wanted->low, wanted->high);
  if (end->type == BOLTZ_REAL) return BOLTZ_OK;
  if (end->type != wanted->type ||
      (end->type != BOLTZ_REAL && (end->low != wanted->low || end->high != wanted->high)))
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/layers",
                         "the layers leave x%d %s; the energy has it %s", j + 1, is, must);
  return BOLTZ_OK;
}

static enum boltz_status set_list(const struct boltz_layer_kind *kind, void *settings,
                                  const char *name, size_t n, const double *numbers,
                                  struct boltz_arena *arena) {
  const struct boltz_value value = {.type = BOLTZ_VALUE_NUMBERS, .n = n, .numbers = numbers};
  return boltz_field_set(boltz_field_find(kind->fields, name), settings, &value, arena);
}

/* One `interval` layer for n coordinates. */
static enum boltz_status add_interval(struct boltz_flow_spec *spec, int dim, size_t n,
                                      const double *coordinates, const double *low,
                                      const double *high, struct boltz_arena *arena) {
  const struct boltz_layer_kind *kind = boltz_layer_kind_find("interval");
  void *settings = new_settings(arena, kind->settings_size);
  if (!settings) return BOLTZ_NO_MEMORY;
  boltz_field_defaults(kind->fields, settings);
  BOLTZ_TRY(set_list(kind, settings, "coordinates", n, coordinates, arena));
  BOLTZ_TRY(set_list(kind, settings, "low", n, low, arena));
  BOLTZ_TRY(set_list(kind, settings, "high", n, high, arena));
  return boltz_flow_spec_add(spec, kind, settings, dim, arena);
}

enum boltz_status boltz_flow_spec_complete(struct boltz_flow_spec *spec,
                                           const struct boltz_energy *energy,
                                           struct boltz_arena *arena) {
  const int dim = energy->dim;
  double *coordinates = BOLTZ_NEW_ARRAY(arena, (size_t)dim, double);
  double *low = BOLTZ_NEW_ARRAY(arena, (size_t)dim, double);
  double *high = BOLTZ_NEW_ARRAY(arena, (size_t)dim, double);
  if (!coordinates || !low || !high) return BOLTZ_NO_MEMORY;
  const struct boltz_domain *end = spec->domain;
  size_t n = 0;
  for (int j = 0; j < dim; j++) {
    const struct boltz_domain *wanted = &energy->domain[j];
    BOLTZ_TRY(check_domain(j, &end[j], wanted));
    if (wanted->type != BOLTZ_INTERVAL || end[j].type == BOLTZ_INTERVAL) continue;
    coordinates[n] = j;
    low[n] = wanted->low;
    high[n++] = wanted->high;
  }
  return n > 0 ? add_interval(spec, dim, n, coordinates, low, high, arena) : BOLTZ_OK;
}
