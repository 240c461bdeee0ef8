/* json.h - a strict reader of JSON: what libraries let pass is refused here. */
#ifndef BOLTZ_JSON_H
#define BOLTZ_JSON_H

#include <stdbool.h>

#include "boltz/arena.h"
#include "boltz/field.h"
#include "boltz/status.h"
#include "boltz/text.h"

enum boltz_json_type {
  BOLTZ_JSON_NULL,
  BOLTZ_JSON_BOOL,
  BOLTZ_JSON_NUMBER,
  BOLTZ_JSON_STRING,
  BOLTZ_JSON_ARRAY,
  BOLTZ_JSON_OBJECT,
};

/** A node. A non-empty array of numbers alone is one leaf: `numbers`, no children. */
struct boltz_json {
  enum boltz_json_type type;
  const char *key;       /* name of a member; NULL otherwise */
  const char *text;      /* STRING: decoded, NUL-ended. NUMBER: its literal, NUL-ended */
  bool truth;            /* BOOL */
  double number;         /* NUMBER; 1e999 reads as an infinity */
  size_t n;              /* ARRAY, OBJECT: how many */
  const double *numbers; /* ARRAY of numbers alone: [n]; else NULL */
  struct boltz_json *child, *next;
};

/**
 * Read `size` bytes of UTF-8 into a tree in the arena.
 * Refused as MALFORMED_JSON, naming the byte: invalid UTF-8, a byte order mark, a raw control
 * character, NUL or \u0000, a lone surrogate, depth over `max_depth`, a number's literal over 64
 * characters, anything RFC 8259 does not allow, anything after the value. A member named twice:
 * DUPLICATE_MEMBER with its pointer. Memory and time are linear in `size`.
 */
enum boltz_status boltz_json_parse(const char *bytes, size_t size, int max_depth,
                                   struct boltz_arena *arena, struct boltz_json **root);

/** The member of an object, or NULL (also when `object` is NULL or no object). */
const struct boltz_json *boltz_json_member(const struct boltz_json *object, const char *key);

/** A copy of a node and all below it, without the node's key and neighbours; NULL: no memory. */
struct boltz_json *boltz_json_copy(const struct boltz_json *node, struct boltz_arena *arena);

/** Append it as compact JSON, numbers in shortest form. */
void boltz_json_print(const struct boltz_json *node, struct boltz_text *text);

/** The node as a settings value. */
struct boltz_value boltz_json_value(const struct boltz_json *node);

/**
 * Fill `settings` from an object through a table: defaults first, then every member. Members named
 * in `others` (NULL-ended, may be NULL) belong to somebody else and are skipped.
 * Errors: WRONG_TYPE (not an object), UNKNOWN_MEMBER (names it), MISSING_MEMBER, and those of
 * boltz_field_set; pointers start at the object.
 */
enum boltz_status boltz_json_fields(const struct boltz_json *object,
                                    const struct boltz_field *fields, const char *const *others,
                                    void *settings, struct boltz_arena *arena);

/**
 * Append `"name":value` for every row of the table, comma-separated, no braces; an absent text is
 * left out.
 */
void boltz_json_print_fields(const struct boltz_field *fields, const void *settings,
                             struct boltz_arena *arena, struct boltz_text *text);

#endif
