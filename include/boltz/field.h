/* field.h - settings tables: one row a setting, from which parsing, range errors, the catalog and
 * the documents follow. */
#ifndef BOLTZ_FIELD_H
#define BOLTZ_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boltz/arena.h"
#include "boltz/status.h"

/** The type of a setting, and the C type of its member. */
enum boltz_field_type {
  BOLTZ_FIELD_DOUBLE,  /* double; with nullable, NaN stands for null */
  BOLTZ_FIELD_INT,     /* int64_t */
  BOLTZ_FIELD_SEED,    /* uint64_t; a number up to 2^53-1 or a decimal string */
  BOLTZ_FIELD_BOOL,    /* bool */
  BOLTZ_FIELD_TEXT,    /* const char *, in the arena; NULL when absent */
  BOLTZ_FIELD_CHOICE,  /* const char *, one of the choices */
  BOLTZ_FIELD_INTS,    /* struct boltz_ints */
  BOLTZ_FIELD_DOUBLES, /* struct boltz_doubles */
  BOLTZ_FIELD_JSON,    /* const struct boltz_json *, what no other type holds: whose setting it is
                          looks into it; NULL when absent */
};

struct boltz_json;

struct boltz_ints {
  size_t n;
  int64_t *v;
};

struct boltz_doubles {
  size_t n;
  double *v;
};

/** `def` of a list: an empty one is refused. */
#define BOLTZ_NOT_EMPTY (-1)

/** One setting. `low` and `high` bound numbers, every element of a list, and a text's length. */
struct boltz_field {
  const char *name;
  enum boltz_field_type type;
  size_t offset;
  double def; /* default of a number or a bool (0/1); of a list, BOLTZ_NOT_EMPTY or 0 */
  double low, high;
  const char *def_text;       /* default of a text or a choice */
  const char *const *choices; /* NULL-ended, for a choice */
  const char *unit;           /* NULL: none */
  const char *doc;
  bool required;
  bool nullable; /* null is a value of its own (DOUBLE only) */
  bool low_open; /* `low` itself is refused */
};

#define BOLTZ_FIELDS_END \
  { 0 }

/** A value on its way into or out of a setting. Lists and texts are views. */
struct boltz_value {
  enum boltz_value_type {
    BOLTZ_VALUE_NULL,
    BOLTZ_VALUE_BOOL,
    BOLTZ_VALUE_NUMBER, /* number; text holds the literal when one is known */
    BOLTZ_VALUE_TEXT,
    BOLTZ_VALUE_NUMBERS, /* list of numbers; also the empty list */
    BOLTZ_VALUE_OTHER,   /* an object, or a list with something else in it */
    BOLTZ_VALUE_JSON,    /* out of a setting only: whatever tree is */
  } type;
  bool truth;
  double number;
  const char *text; /* TEXT: the text; NUMBER: the literal or NULL */
  size_t n;         /* NUMBERS */
  const double *numbers;
  const struct boltz_json *tree; /* what the value was read from; NULL: not from JSON */
  size_t bad; /* OTHER: index of the first list element that is no number; SIZE_MAX: not a list */
};

/** Tables end with a row whose name is NULL. `fields` may be NULL: no settings. */
const struct boltz_field *boltz_field_find(const struct boltz_field *fields, const char *name);

/** Fill `settings` with every default. */
void boltz_field_defaults(const struct boltz_field *fields, void *settings);

/**
 * Check a value and store it; lists and texts are copied to the arena.
 * null stands for "absent" (the default is kept) unless the field is nullable.
 * Errors: WRONG_TYPE, OUT_OF_RANGE, UNKNOWN_NAME (a choice); the pointer is "/<name>" or
 * "/<name>/<index>".
 */
enum boltz_status boltz_field_set(const struct boltz_field *field, void *settings,
                                  const struct boltz_value *value, struct boltz_arena *arena);

/** The value of a setting, as a view; INTS are copied to the arena as doubles. */
enum boltz_status boltz_field_get(const struct boltz_field *field, const void *settings,
                                  struct boltz_arena *arena, struct boltz_value *value);

/** Name of a type as the catalog shows it: "number", "integer", "seed", "boolean", "string", … */
const char *boltz_field_type_name(enum boltz_field_type type);

#endif
