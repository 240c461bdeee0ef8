/* coordinates.h - lists of coordinates in settings. */
#ifndef BOLTZ_BASE_COORDINATES_H
#define BOLTZ_BASE_COORDINATES_H

#include "boltz/field.h"

/** A row of a settings table: a list of coordinates, member `member` of the settings `owner`. */
#define BOLTZ_COORDINATES_ROW(setting, owner, member, must, text)                               \
  {                                                                                             \
    .name = setting, .type = BOLTZ_FIELD_INTS, .offset = offsetof(owner, member),               \
    .def = (must) ? BOLTZ_NOT_EMPTY : 0, .low = 0, .high = BOLTZ_DIM_MAX - 1, .required = must, \
    .doc = text                                                                                 \
  }

/** The same of their ends on one side: member `member`, a list of numbers. */
#define BOLTZ_END_ROW(setting, owner, member, text)                                     \
  {                                                                                     \
    .name = setting, .type = BOLTZ_FIELD_DOUBLES, .offset = offsetof(owner, member),    \
    .def = BOLTZ_NOT_EMPTY, .low = -1e300, .high = 1e300, .required = true, .doc = text \
  }

/**
 * Every coordinate of the list is one of dim, and none was seen before; those that are become so.
 *
 *   name   the setting, which the pointer of an error names
 *   seen   [dim]
 *
 * Errors: OUT_OF_RANGE, pointer "/<name>" for an empty list or "/<name>/<index>".
 */
enum boltz_status boltz_coordinates_check(const char *name, const struct boltz_ints *list, int dim,
                                          bool *seen);

/** The list, checked so, or every coordinate of dim when it is empty. Errors: OUT_OF_RANGE,
 * NO_MEMORY.
 */
enum boltz_status boltz_coordinates_or_all(const char *name, const struct boltz_ints *list, int dim,
                                           struct boltz_arena *arena, struct boltz_ints *named);

/** Ends `low` and `high`, settings of these names, are as many as the coordinates, and each high
 * one lies well above its low one. Errors: OUT_OF_RANGE. */
enum boltz_status boltz_coordinates_check_ends(const struct boltz_ints *coordinates,
                                               const struct boltz_doubles *low,
                                               const struct boltz_doubles *high);

#endif
