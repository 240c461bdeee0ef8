/* row.c - the body of a stored row: read member by member, and written as JSON. */
#include "server/row.h"

#include <inttypes.h>
#include <string.h>

#define DEPTH 64

enum boltz_status row_parse(const char *what, const char *key, const char *body,
                            struct boltz_arena *arena, struct boltz_json **row) {
  enum boltz_status status = boltz_json_parse(body, strlen(body), DEPTH, arena, row);
  if (status == BOLTZ_OK && (*row)->type == BOLTZ_JSON_OBJECT) return BOLTZ_OK;
  if (status == BOLTZ_NO_MEMORY) return status;
  return boltz_fail(BOLTZ_IO, "the row of %s %s is damaged: restore the database from a copy", what,
                    key);
}

int64_t row_integer(const struct boltz_json *row, const char *name, int64_t absent) {
  const struct boltz_json *member = boltz_json_member(row, name);
  if (!member || member->type != BOLTZ_JSON_NUMBER) return absent;
  return member->number >= -0x1p63 && member->number < 0x1p63 ? (int64_t)member->number : absent;
}

const char *row_text(const struct boltz_json *row, const char *name, const char *absent) {
  const struct boltz_json *member = boltz_json_member(row, name);
  return member && member->type == BOLTZ_JSON_STRING ? member->text : absent;
}

static void put_name(struct boltz_text *row, const char *name) {
  if (row->size && row->data[row->size - 1] != '{') boltz_text_puts(row, ",");
  boltz_text_quoted(row, name);
  boltz_text_puts(row, ":");
}

void row_put_text(struct boltz_text *row, const char *name, const char *text) {
  put_name(row, name);
  if (text)
    boltz_text_quoted(row, text);
  else
    boltz_text_puts(row, "null");
}

void row_put_integer(struct boltz_text *row, const char *name, int64_t value) {
  put_name(row, name);
  boltz_text_printf(row, "%" PRId64, value);
}
