/* answers.h - the example models, and numbers out of answers. */
#ifndef HTTP_ANSWERS_H
#define HTTP_ANSWERS_H

#include "tests/check.h"
#include "tests/http/client.h"

#define WELL "/v1/models/example-double-well"
#define PAIR "/v1/models/example-harmonic-pair"

/* Value at [row][column] of a member that is a list of rows. */
static inline double at(const struct answer *answer, const char *member, size_t row,
                        size_t column) {
  const struct boltz_json *rows = answer_member(answer, member);
  const struct boltz_json *child = rows ? rows->child : NULL;
  for (; child && row > 0; row--) child = child->next;
  return child && child->numbers && column < child->n ? child->numbers[column] : NAN;
}

static inline double item(const struct answer *answer, const char *member, size_t k) {
  const struct boltz_json *list = answer_member(answer, member);
  return list && list->numbers && k < list->n ? list->numbers[k] : NAN;
}

static inline size_t length(const struct answer *answer, const char *member) {
  const struct boltz_json *list = answer_member(answer, member);
  return list ? list->n : 0;
}

/* Rows of two columns as a body has them: "[…,…],[…,…]". */
static inline void put_rows(const struct answer *answer, const char *member, size_t n,
                            struct boltz_text *out) {
  for (size_t i = 0; i < n; i++) {
    boltz_text_puts(out, i ? ",[" : "[");
    boltz_text_number(out, at(answer, member, i, 0));
    boltz_text_puts(out, ",");
    boltz_text_number(out, at(answer, member, i, 1));
    boltz_text_puts(out, "]");
  }
}

#endif
