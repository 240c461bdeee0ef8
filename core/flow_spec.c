/* flow_spec.c - what a flow is to be: read, printed, and completed to end on an energy's domains.
 */
#include <string.h>

#include "boltz/flow.h"

static void *new_settings(struct boltz_arena *arena, size_t size) {
  return boltz_arena_alloc(arena, 1, size ? size : 1);
}

/* Build a layer for its checks alone: what it allocates is given back. When `domain` is not NULL it
   is taken through the layer, direction z to x. */
static enum boltz_status try_layer(const struct boltz_layer_kind *kind, const void *settings,
                                   int dim, struct boltz_domain *domain,
                                   struct boltz_arena *arena) {
  struct boltz_layer layer = {.kind = kind, .settings = settings, .dim = dim};
  const struct boltz_mark mark = boltz_arena_mark(arena);
  const enum boltz_status status = kind->build ? kind->build(&layer, arena) : BOLTZ_OK;
  if (status == BOLTZ_OK && domain) boltz_layer_domains(&layer, domain);
  boltz_arena_release(arena, mark);
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
  BOLTZ_TRY(try_layer(kind, settings, dim, NULL, arena));
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

static enum boltz_status parse_base(const struct boltz_json *node, struct boltz_arena *arena,
                                    struct boltz_flow_spec *spec) {
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
  return boltz_json_fields(settings, spec->base->fields, type_only, out, arena);
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
  if (list->n == 0) return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/layers", "layers is empty");
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
  const enum boltz_status status = parse_base(boltz_json_member(object, "base"), arena, spec);
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

/* Where the layers of a spec leave the coordinates. */
static enum boltz_status end_domains(const struct boltz_flow_spec *spec, int dim,
                                     struct boltz_domain *domain, struct boltz_arena *arena) {
  for (int j = 0; j < dim; j++) domain[j] = (struct boltz_domain){.type = BOLTZ_REAL};
  for (int k = 0; k < spec->nlayers; k++) {
    const enum boltz_status status =
        try_layer(spec->layers[k].kind, spec->layers[k].settings, dim, domain, arena);
    if (status != BOLTZ_OK) return boltz_fail_under(status, "/layers/%d", k);
  }
  return BOLTZ_OK;
}

/* Can coordinate j, left in `end`, be brought to `wanted` by one more layer, or is it there? */
static enum boltz_status check_domain(int j, const struct boltz_domain *end,
                                      const struct boltz_domain *wanted) {
  if (wanted->type == BOLTZ_PERIODIC && end->type != BOLTZ_PERIODIC)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/layers",
                         "x%d is periodic: no layer in this build ends on a periodic coordinate",
                         j + 1);
  if (end->type == BOLTZ_REAL) return BOLTZ_OK;
  if (wanted->type == BOLTZ_REAL)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/layers",
                         "the layers leave x%d in [%g, %g]; the energy has it real", j + 1,
                         end->low, end->high);
  if (end->type != wanted->type || end->low != wanted->low || end->high != wanted->high)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/layers",
                         "the layers leave x%d in [%g, %g]; the energy has it in [%g, %g]", j + 1,
                         end->low, end->high, wanted->low, wanted->high);
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
  struct boltz_domain *end = BOLTZ_NEW_ARRAY(arena, (size_t)dim, struct boltz_domain);
  double *coordinates = BOLTZ_NEW_ARRAY(arena, (size_t)dim, double);
  double *low = BOLTZ_NEW_ARRAY(arena, (size_t)dim, double);
  double *high = BOLTZ_NEW_ARRAY(arena, (size_t)dim, double);
  if (!end || !coordinates || !low || !high) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(end_domains(spec, dim, end, arena));
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
