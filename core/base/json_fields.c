/* json_fields.c - JSON objects into settings through a table, and back. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "boltz/json.h"

#include "core/base/pointer.h"

struct boltz_value boltz_json_value(const struct boltz_json *node) {
  struct boltz_value value = {.type = BOLTZ_VALUE_OTHER, .tree = node, .bad = SIZE_MAX};
  switch (node->type) {
    case BOLTZ_JSON_NULL:
      value.type = BOLTZ_VALUE_NULL;
      break;
    case BOLTZ_JSON_BOOL:
      value.type = BOLTZ_VALUE_BOOL;
      value.truth = node->truth;
      break;
    case BOLTZ_JSON_NUMBER:
      value.type = BOLTZ_VALUE_NUMBER;
      value.number = node->number;
      value.text = node->text;
      break;
    case BOLTZ_JSON_STRING:
      value.type = BOLTZ_VALUE_TEXT;
      value.text = node->text;
      break;
    case BOLTZ_JSON_ARRAY:
      if (node->numbers || node->n == 0) {
        value.type = BOLTZ_VALUE_NUMBERS;
        value.n = node->n;
        value.numbers = node->numbers;
        break;
      }
      value.bad = 0;
      for (const struct boltz_json *child = node->child; child && child->type == BOLTZ_JSON_NUMBER;
           child = child->next)
        value.bad++;
      break;
    case BOLTZ_JSON_OBJECT:
      break;
  }
  return value;
}

static bool is_listed(const char *const *names, const char *name) {
  for (; names && *names; names++)
    if (strcmp(*names, name) == 0) return true;
  return false;
}

static enum boltz_status unknown_member(const struct boltz_field *fields, const char *const *others,
                                        const char *key) {
  char pointer[256], known[512] = "";
  pointer_to(key, pointer, sizeof pointer);
  size_t used = 0;
  for (; fields && fields->name && used < sizeof known - 1; fields++)
    used +=
        (size_t)snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", fields->name);
  for (; others && *others && used < sizeof known - 1; others++)
    used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", *others);
  return boltz_fail_at(BOLTZ_UNKNOWN_MEMBER, pointer, "\"%.64s\" is not a member here; known: %s",
                       key, known[0] ? known : "none");
}

enum boltz_status boltz_json_fields(const struct boltz_json *object,
                                    const struct boltz_field *fields, const char *const *others,
                                    void *settings, struct boltz_arena *arena) {
  if (!object || object->type != BOLTZ_JSON_OBJECT)
    return boltz_fail(BOLTZ_WRONG_TYPE, "this must be an object");
  boltz_field_defaults(fields, settings);
  for (const struct boltz_json *child = object->child; child; child = child->next) {
    const struct boltz_field *field = boltz_field_find(fields, child->key);
    if (!field && is_listed(others, child->key)) continue;
    if (!field) return unknown_member(fields, others, child->key);
    struct boltz_value value = boltz_json_value(child);
    BOLTZ_TRY(boltz_field_set(field, settings, &value, arena));
  }
  for (const struct boltz_field *field = fields; field && field->name; field++) {
    if (!field->required) continue;
    const struct boltz_json *child = boltz_json_member(object, field->name);
    if (child && child->type != BOLTZ_JSON_NULL) continue;
    char pointer[128];
    snprintf(pointer, sizeof pointer, "/%s", field->name);
    return boltz_fail_at(BOLTZ_MISSING_MEMBER, pointer, "%s is missing", field->name);
  }
  return BOLTZ_OK;
}

static void print_number(double number, bool integer, struct boltz_text *text) {
  if (integer)
    boltz_text_printf(text, "%.0f", number);
  else
    boltz_text_number(text, number);
}

static void print_value(const struct boltz_value *value, bool integer, struct boltz_text *text) {
  switch (value->type) {
    case BOLTZ_VALUE_BOOL:
      boltz_text_puts(text, value->truth ? "true" : "false");
      break;
    case BOLTZ_VALUE_NUMBER:
      print_number(value->number, integer, text);
      break;
    case BOLTZ_VALUE_TEXT:
      boltz_text_quoted(text, value->text);
      break;
    case BOLTZ_VALUE_NUMBERS:
      boltz_text_puts(text, "[");
      for (size_t k = 0; k < value->n; k++) {
        if (k) boltz_text_puts(text, ",");
        print_number(value->numbers[k], integer, text);
      }
      boltz_text_puts(text, "]");
      break;
    case BOLTZ_VALUE_JSON:
      boltz_json_print(value->tree, text);
      break;
    default:
      boltz_text_puts(text, "null");
  }
}

void boltz_json_print_fields(const struct boltz_field *fields, const void *settings,
                             struct boltz_arena *arena, struct boltz_text *text) {
  bool first = true;
  for (const struct boltz_field *field = fields; field && field->name; field++) {
    struct boltz_value value;
    if (boltz_field_get(field, settings, arena, &value) != BOLTZ_OK) {
      text->failed = 1;
      return;
    }
    if (value.type == BOLTZ_VALUE_NULL && !field->nullable) continue; /* an absent text */
    if (!first) boltz_text_puts(text, ",");
    first = false;
    boltz_text_quoted(text, field->name);
    boltz_text_puts(text, ":");
    bool integer = field->type == BOLTZ_FIELD_INT || field->type == BOLTZ_FIELD_INTS;
    print_value(&value, integer, text);
  }
}
