/* field.c - settings tables: defaults, checks, values in and out. */
#include "boltz/field.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boltz/json.h"
#include "boltz/text.h"

const struct boltz_field *boltz_field_find(const struct boltz_field *fields, const char *name) {
  for (; fields && fields->name; fields++)
    if (strcmp(fields->name, name) == 0) return fields;
  return NULL;
}

const char *boltz_field_type_name(enum boltz_field_type type) {
  static const char *const names[] = {"number", "integer",  "seed",    "boolean", "string",
                                      "choice", "integers", "numbers", "json"};
  return names[type];
}

void boltz_field_defaults(const struct boltz_field *fields, void *settings) {
  for (const struct boltz_field *field = fields; field && field->name; field++) {
    void *at = (char *)settings + field->offset;
    switch (field->type) {
      case BOLTZ_FIELD_DOUBLE:
        *(double *)at = field->def;
        break;
      case BOLTZ_FIELD_INT:
        *(int64_t *)at = (int64_t)field->def;
        break;
      case BOLTZ_FIELD_SEED:
        *(uint64_t *)at = (uint64_t)field->def;
        break;
      case BOLTZ_FIELD_BOOL:
        *(bool *)at = field->def != 0;
        break;
      case BOLTZ_FIELD_TEXT:
      case BOLTZ_FIELD_CHOICE:
        *(const char **)at = field->def_text;
        break;
      case BOLTZ_FIELD_INTS:
        *(struct boltz_ints *)at = (struct boltz_ints){0};
        break;
      case BOLTZ_FIELD_DOUBLES:
        *(struct boltz_doubles *)at = (struct boltz_doubles){0};
        break;
      case BOLTZ_FIELD_JSON:
        *(const struct boltz_json **)at = NULL;
        break;
    }
  }
}

static const char *found(const struct boltz_value *value) {
  static const char *const names[] = {"null", "a boolean", "a number", "a string", "a list"};
  if (value->type == BOLTZ_VALUE_OTHER) return value->bad == SIZE_MAX ? "an object" : "a list";
  return names[value->type];
}

static enum boltz_status wrong_type(const struct boltz_field *field,
                                    const struct boltz_value *value) {
  static const char *const wanted[] = {
      "a number",           "an integer",        "an integer or a string of digits",
      "true or false",      "a string",          "a string",
      "a list of integers", "a list of numbers", "JSON"};
  char pointer[128];
  bool element =
      value->type == BOLTZ_VALUE_OTHER && value->bad != SIZE_MAX && field->type >= BOLTZ_FIELD_INTS;
  if (element) {
    snprintf(pointer, sizeof pointer, "/%s/%zu", field->name, value->bad);
    return boltz_fail_at(BOLTZ_WRONG_TYPE, pointer, "%s[%zu] must be a number", field->name,
                         value->bad);
  }
  snprintf(pointer, sizeof pointer, "/%s", field->name);
  return boltz_fail_at(BOLTZ_WRONG_TYPE, pointer, "%s must be %s, not %s", field->name,
                       wanted[field->type], found(value));
}

/* A number as a sentence shows it: integers in full, no quotes around infinities. */
static void say(double number, char out[BOLTZ_NUMBER_SIZE]) {
  if (number == floor(number) && fabs(number) < 0x1p53)
    snprintf(out, BOLTZ_NUMBER_SIZE, "%.0f", number);
  else if (isfinite(number))
    boltz_number_print(number, out);
  else
    snprintf(out, BOLTZ_NUMBER_SIZE, "%s",
             isnan(number) ? "NaN"
             : number > 0  ? "Infinity"
                           : "-Infinity");
}

/* Check one number against the field's range. `index` < 0: the value is no list. */
static enum boltz_status check_range(const struct boltz_field *field, double number, long index) {
  bool integer = field->type == BOLTZ_FIELD_INT || field->type == BOLTZ_FIELD_INTS;
  bool bounded = field->low < field->high;
  char pointer[128], name[96], value[BOLTZ_NUMBER_SIZE], low[BOLTZ_NUMBER_SIZE],
      high[BOLTZ_NUMBER_SIZE];
  if (index < 0) {
    snprintf(pointer, sizeof pointer, "/%s", field->name);
    snprintf(name, sizeof name, "%s", field->name);
  } else {
    snprintf(pointer, sizeof pointer, "/%s/%ld", field->name, index);
    snprintf(name, sizeof name, "%s[%ld]", field->name, index);
  }
  say(number, value);
  if (!isfinite(number))
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "%s = %s is not a finite number", name,
                         value);
  if (integer && number != floor(number))
    return boltz_fail_at(BOLTZ_WRONG_TYPE, pointer, "%s must be an integer, not %s", name, value);
  if (integer && !(fabs(number) < 0x1p63))
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "%s = %s does not fit 64 bits", name, value);
  if (!bounded) return BOLTZ_OK;
  if (number >= field->low && number <= field->high && !(field->low_open && number == field->low))
    return BOLTZ_OK;
  say(field->low, low);
  say(field->high, high);
  return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "%s = %s is not in %c%s, %s]", name, value,
                       field->low_open ? '(' : '[', low, high);
}

/* A literal of digits alone is taken to the last one, where a double would round. */
static bool exact_int(const char *literal, int64_t *integer) {
  if (!literal || !literal[literal[0] == '-'] ||
      literal[(literal[0] == '-') + strspn(literal + (literal[0] == '-'), "0123456789")])
    return false;
  errno = 0;
  *integer = strtoll(literal, NULL, 10);
  return errno == 0;
}

static enum boltz_status set_int(const struct boltz_field *field, const struct boltz_value *value,
                                 int64_t *at) {
  static const double largest = 0x1.fffffffffffffp62; /* double below 2^63 */
  int64_t exact;
  bool is_exact = exact_int(value->text, &exact);
  double number = is_exact && value->number > largest ? largest : value->number;
  BOLTZ_TRY(check_range(field, number, -1));
  *at = is_exact ? exact : (int64_t)number;
  return BOLTZ_OK;
}

static enum boltz_status set_seed(const struct boltz_field *field, const struct boltz_value *value,
                                  uint64_t *seed) {
  char pointer[128];
  snprintf(pointer, sizeof pointer, "/%s", field->name);
  if (value->type == BOLTZ_VALUE_NUMBER) {
    if (isfinite(value->number) && value->number != floor(value->number))
      return boltz_fail_at(BOLTZ_WRONG_TYPE, pointer, "%s must be an integer", field->name);
    if (!(value->number >= 0 && value->number < 0x1p53))
      return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer,
                           "%s must be in [0, 2^53-1] as a number, or a string of digits up to "
                           "2^64-1",
                           field->name);
    *seed = (uint64_t)value->number;
    return BOLTZ_OK;
  }
  uint64_t number = 0;
  const char *digit = value->text;
  for (; *digit >= '0' && *digit <= '9'; digit++)
    if (__builtin_mul_overflow(number, 10, &number) ||
        __builtin_add_overflow(number, (uint64_t)(*digit - '0'), &number))
      break;
  if (*digit || digit == value->text)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer,
                         "%s = \"%.40s\" is not a string of digits up to 18446744073709551615",
                         field->name, value->text);
  *seed = number;
  return BOLTZ_OK;
}

static enum boltz_status set_text(const struct boltz_field *field, const char *text, void *at,
                                  struct boltz_arena *arena) {
  char pointer[128], known[256] = "";
  snprintf(pointer, sizeof pointer, "/%s", field->name);
  if (field->type == BOLTZ_FIELD_CHOICE) {
    for (const char *const *choice = field->choices; *choice; choice++) {
      if (strcmp(*choice, text) == 0) {
        *(const char **)at = *choice;
        return BOLTZ_OK;
      }
      size_t used = strlen(known);
      snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", *choice);
    }
    return boltz_fail_at(BOLTZ_UNKNOWN_NAME, pointer, "%s = \"%.64s\" is none of %s", field->name,
                         text, known);
  }
  if (field->high > 0 && (double)strlen(text) > field->high)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "%s has %zu bytes, at most %.0f are allowed",
                         field->name, strlen(text), field->high);
  char *copy = boltz_arena_strdup(arena, text);
  if (!copy) return BOLTZ_NO_MEMORY;
  *(const char **)at = copy;
  return BOLTZ_OK;
}

static enum boltz_status set_list(const struct boltz_field *field, const struct boltz_value *value,
                                  void *at, struct boltz_arena *arena) {
  char pointer[128];
  snprintf(pointer, sizeof pointer, "/%s", field->name);
  if (value->n == 0 && field->def == BOLTZ_NOT_EMPTY)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "%s is empty", field->name);
  for (size_t k = 0; k < value->n; k++) BOLTZ_TRY(check_range(field, value->numbers[k], (long)k));
  if (field->type == BOLTZ_FIELD_INTS) {
    struct boltz_ints list = {.n = value->n, .v = BOLTZ_NEW_ARRAY(arena, value->n, int64_t)};
    if (!list.v) return BOLTZ_NO_MEMORY;
    for (size_t k = 0; k < list.n; k++) list.v[k] = (int64_t)value->numbers[k];
    *(struct boltz_ints *)at = list;
  } else {
    struct boltz_doubles list = {.n = value->n, .v = BOLTZ_NEW_ARRAY(arena, value->n, double)};
    if (!list.v) return BOLTZ_NO_MEMORY;
    if (list.n) memcpy(list.v, value->numbers, list.n * sizeof(double));
    *(struct boltz_doubles *)at = list;
  }
  return BOLTZ_OK;
}

static enum boltz_status set_json(const struct boltz_field *field, const struct boltz_value *value,
                                  void *at, struct boltz_arena *arena) {
  if (!value->tree) return wrong_type(field, value);
  const struct boltz_json *copy = boltz_json_copy(value->tree, arena);
  if (!copy) return BOLTZ_NO_MEMORY;
  *(const struct boltz_json **)at = copy;
  return BOLTZ_OK;
}

enum boltz_status boltz_field_set(const struct boltz_field *field, void *settings,
                                  const struct boltz_value *value, struct boltz_arena *arena) {
  static const enum boltz_value_type takes[] = {
      BOLTZ_VALUE_NUMBER, BOLTZ_VALUE_NUMBER, BOLTZ_VALUE_NUMBER,  BOLTZ_VALUE_BOOL,
      BOLTZ_VALUE_TEXT,   BOLTZ_VALUE_TEXT,   BOLTZ_VALUE_NUMBERS, BOLTZ_VALUE_NUMBERS};
  void *at = (char *)settings + field->offset;
  if (value->type == BOLTZ_VALUE_NULL) {
    if (field->nullable) *(double *)at = NAN;
    return BOLTZ_OK;
  }
  if (field->type == BOLTZ_FIELD_JSON) return set_json(field, value, at, arena);
  bool fits = value->type == takes[field->type] ||
              (field->type == BOLTZ_FIELD_SEED && value->type == BOLTZ_VALUE_TEXT);
  if (!fits) return wrong_type(field, value);
  switch (field->type) {
    case BOLTZ_FIELD_DOUBLE:
      BOLTZ_TRY(check_range(field, value->number, -1));
      *(double *)at = value->number;
      return BOLTZ_OK;
    case BOLTZ_FIELD_INT:
      return set_int(field, value, at);
    case BOLTZ_FIELD_SEED:
      return set_seed(field, value, at);
    case BOLTZ_FIELD_BOOL:
      *(bool *)at = value->truth;
      return BOLTZ_OK;
    case BOLTZ_FIELD_TEXT:
    case BOLTZ_FIELD_CHOICE:
      return set_text(field, value->text, at, arena);
    default:
      return set_list(field, value, at, arena);
  }
}

enum boltz_status boltz_field_get(const struct boltz_field *field, const void *settings,
                                  struct boltz_arena *arena, struct boltz_value *value) {
  const void *at = (const char *)settings + field->offset;
  *value = (struct boltz_value){.type = BOLTZ_VALUE_NUMBER};
  switch (field->type) {
    case BOLTZ_FIELD_DOUBLE:
      value->number = *(const double *)at;
      if (field->nullable && isnan(value->number)) value->type = BOLTZ_VALUE_NULL;
      return BOLTZ_OK;
    case BOLTZ_FIELD_INT:
      value->number = (double)*(const int64_t *)at;
      return BOLTZ_OK;
    case BOLTZ_FIELD_SEED: {
      char text[24];
      snprintf(text, sizeof text, "%llu", (unsigned long long)*(const uint64_t *)at);
      value->type = BOLTZ_VALUE_TEXT;
      value->text = boltz_arena_strdup(arena, text);
      return value->text ? BOLTZ_OK : BOLTZ_NO_MEMORY;
    }
    case BOLTZ_FIELD_BOOL:
      value->type = BOLTZ_VALUE_BOOL;
      value->truth = *(const bool *)at;
      return BOLTZ_OK;
    case BOLTZ_FIELD_TEXT:
    case BOLTZ_FIELD_CHOICE:
      value->text = *(const char *const *)at;
      value->type = value->text ? BOLTZ_VALUE_TEXT : BOLTZ_VALUE_NULL;
      return BOLTZ_OK;
    case BOLTZ_FIELD_JSON:
      value->tree = *(const struct boltz_json *const *)at;
      value->type = value->tree ? BOLTZ_VALUE_JSON : BOLTZ_VALUE_NULL;
      return BOLTZ_OK;
    case BOLTZ_FIELD_DOUBLES: {
      const struct boltz_doubles *list = at;
      *value = (struct boltz_value){.type = BOLTZ_VALUE_NUMBERS, .n = list->n, .numbers = list->v};
      return BOLTZ_OK;
    }
    default: {
      const struct boltz_ints *list = at;
      double *numbers = BOLTZ_NEW_ARRAY(arena, list->n, double);
      if (!numbers) return BOLTZ_NO_MEMORY;
      for (size_t k = 0; k < list->n; k++) numbers[k] = (double)list->v[k];
      *value = (struct boltz_value){.type = BOLTZ_VALUE_NUMBERS, .n = list->n, .numbers = numbers};
      return BOLTZ_OK;
    }
  }
}
