/* row.h - the body of a stored row: read member by member, and written as JSON. */
#ifndef SERVER_ROW_H
#define SERVER_ROW_H

#include <stdint.h>

#include "boltz/json.h"

/** Read a row's body. Errors: IO, naming the row: we wrote it, so it is damage. */
enum boltz_status row_parse(const char *what, const char *key, const char *body,
                            struct boltz_arena *arena, struct boltz_json **row);

/** A member, or what stands for an absent one (also null, also of another type). */
int64_t row_integer(const struct boltz_json *row, const char *name, int64_t absent);
const char *row_text(const struct boltz_json *row, const char *name, const char *absent);

/** Append `,"name":"text"`, null for NULL; the comma is left out after a `{`. */
void row_put_text(struct boltz_text *row, const char *name, const char *text);
void row_put_integer(struct boltz_text *row, const char *name, int64_t value);

#endif
