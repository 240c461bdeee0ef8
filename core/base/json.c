/* json.c - a strict reader of JSON: one pass, bounded depth, a tree in an arena. */
#include "boltz/json.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/pointer.h"
#include "core/base/utf8.h"

#define LITERAL_MAX 64

struct reader {
  const char *start, *at, *end;
  int depth, max_depth;
  struct boltz_arena *arena;
  double *numbers; /* of the array of numbers at hand, malloc'ed, reused */
  size_t capacity;
};

static enum boltz_status malformed(const struct reader *r, const char *what) {
  return boltz_fail(BOLTZ_MALFORMED_JSON, "byte %zu: %s", (size_t)(r->at - r->start), what);
}

static void skip_space(struct reader *r) {
  while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
    r->at++;
}

/* ---- strings ---- */

static int hex4(const char *s, const char *end) {
  int value = 0;
  if (end - s < 4) return -1;
  for (int k = 0; k < 4; k++) {
    char c = s[k];
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

static char *put_utf8(char *out, int code) {
  if (code < 0x80) {
    *out++ = (char)code;
  } else if (code < 0x800) {
    *out++ = (char)(0xc0 | code >> 6);
    *out++ = (char)(0x80 | (code & 63));
  } else if (code < 0x10000) {
    *out++ = (char)(0xe0 | code >> 12);
    *out++ = (char)(0x80 | (code >> 6 & 63));
    *out++ = (char)(0x80 | (code & 63));
  } else {
    *out++ = (char)(0xf0 | code >> 18);
    *out++ = (char)(0x80 | (code >> 12 & 63));
    *out++ = (char)(0x80 | (code >> 6 & 63));
    *out++ = (char)(0x80 | (code & 63));
  }
  return out;
}

/* After "\u": one code point, surrogates joined. */
static enum boltz_status unicode_escape(struct reader *r, char **out) {
  int code = hex4(r->at, r->end);
  if (code < 0) return malformed(r, "\\u needs four hexadecimal digits");
  if (code == 0) return malformed(r, "\\u0000 is not allowed");
  if (code >= 0xdc00 && code < 0xe000) return malformed(r, "a lone surrogate");
  r->at += 4;
  if (code >= 0xd800 && code < 0xdc00) {
    int low =
        r->end - r->at >= 6 && r->at[0] == '\\' && r->at[1] == 'u' ? hex4(r->at + 2, r->end) : -1;
    if (low < 0xdc00 || low >= 0xe000) return malformed(r, "a lone surrogate");
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    r->at += 6;
  }
  *out = put_utf8(*out, code);
  return BOLTZ_OK;
}

static enum boltz_status escape(struct reader *r, char **out) {
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  if (r->at >= r->end) return malformed(r, "the text ends inside a string");
  char c = *r->at++;
  if (c == 'u') return unicode_escape(r, out);
  const char *known = c ? strchr(from, c) : NULL;
  if (!known) {
    r->at--;
    return malformed(r, "an unknown escape");
  }
  *(*out)++ = to[known - from];
  return BOLTZ_OK;
}

static enum boltz_status read_string(struct reader *r, const char **text) {
  const char *close = ++r->at;
  while (close < r->end && *close != '"') close += *close == '\\' && close + 1 < r->end ? 2 : 1;
  char *out = boltz_arena_scratch(r->arena, (size_t)(close - r->at) + 1, 1);
  if (!out) return BOLTZ_NO_MEMORY;
  *text = out;
  while (r->at < r->end && *r->at != '"') {
    const unsigned char *s = (const unsigned char *)r->at;
    if (*s < 0x20) return malformed(r, "a raw control character in a string");
    if (*s == '\\') {
      r->at++;
      BOLTZ_TRY(escape(r, &out));
      continue;
    }
    int n = utf8_length(s, (const unsigned char *)r->end);
    if (n == 0) return malformed(r, "not UTF-8");
    memcpy(out, s, (size_t)n);
    out += n;
    r->at += n;
  }
  if (r->at >= r->end) return malformed(r, "the text ends inside a string");
  r->at++;
  *out = 0;
  return BOLTZ_OK;
}

/* ---- numbers ---- */

static enum boltz_status read_number(struct reader *r, double *number) {
  const char *stop = boltz_number_read(r->at, r->end, number);
  if (!stop) return malformed(r, "this is no JSON value");
  if (stop - r->at > LITERAL_MAX) return malformed(r, "a number of more than 64 characters");
  r->at = stop;
  return BOLTZ_OK;
}

static enum boltz_status number_node(struct reader *r, struct boltz_json *node) {
  const char *literal = r->at;
  BOLTZ_TRY(read_number(r, &node->number));
  size_t length = (size_t)(r->at - literal);
  char *copy = boltz_arena_scratch(r->arena, length + 1, 1);
  if (!copy) return BOLTZ_NO_MEMORY;
  memcpy(copy, literal, length);
  copy[length] = 0;
  node->type = BOLTZ_JSON_NUMBER;
  node->text = copy;
  return BOLTZ_OK;
}

/* ---- arrays and objects ---- */

static enum boltz_status read_value(struct reader *r, struct boltz_json *node);

static enum boltz_status enter(struct reader *r) {
  if (r->depth >= r->max_depth) return malformed(r, "nested too deeply");
  r->depth++;
  r->at++;
  skip_space(r);
  return BOLTZ_OK;
}

/* After a member: a comma (true in *more) or the closing bracket. */
static enum boltz_status separator(struct reader *r, char close, bool *more) {
  skip_space(r);
  if (r->at >= r->end) return malformed(r, "the text ends inside a list or object");
  if (*r->at != ',' && *r->at != close)
    return malformed(r, "a comma or a closing bracket is missing");
  *more = *r->at++ == ',';
  if (*more)
    skip_space(r);
  else
    r->depth--;
  return BOLTZ_OK;
}

static bool starts_number(const struct reader *r) {
  return r->at < r->end && (*r->at == '-' || (*r->at >= '0' && *r->at <= '9'));
}

static enum boltz_status keep_number(struct reader *r, size_t n, double number) {
  if (n == r->capacity) {
    size_t capacity = r->capacity ? r->capacity * 2 : 64;
    double *numbers = realloc(r->numbers, capacity * sizeof *numbers);
    if (!numbers) return boltz_fail(BOLTZ_NO_MEMORY, "no memory for a list of numbers");
    r->numbers = numbers;
    r->capacity = capacity;
  }
  r->numbers[n] = number;
  return BOLTZ_OK;
}

/* Read numbers as long as nothing else comes: *all says whether the list has ended that way. */
static enum boltz_status read_numbers(struct reader *r, struct boltz_json *node, bool *all) {
  size_t n = 0;
  bool more = true;
  *all = false;
  while (more) {
    double number;
    if (!starts_number(r)) return BOLTZ_OK;
    BOLTZ_TRY(read_number(r, &number));
    BOLTZ_TRY(keep_number(r, n++, number));
    BOLTZ_TRY(separator(r, ']', &more));
  }
  double *numbers = boltz_arena_scratch(r->arena, n, sizeof *numbers);
  if (!numbers) return BOLTZ_NO_MEMORY;
  memcpy(numbers, r->numbers, n * sizeof *numbers);
  node->n = n;
  node->numbers = numbers;
  *all = true;
  return BOLTZ_OK;
}

static enum boltz_status read_array(struct reader *r, struct boltz_json *node) {
  node->type = BOLTZ_JSON_ARRAY;
  BOLTZ_TRY(enter(r));
  if (r->at < r->end && *r->at == ']') {
    r->at++;
    r->depth--;
    return BOLTZ_OK;
  }
  const char *first = r->at;
  if (starts_number(r)) {
    bool all;
    BOLTZ_TRY(read_numbers(r, node, &all));
    if (all) return BOLTZ_OK;
    r->at = first; /* something else follows: children from the start */
  }
  struct boltz_json **tail = &node->child;
  for (bool more = true; more;) {
    struct boltz_json *child = BOLTZ_NEW(r->arena, struct boltz_json);
    if (!child) return BOLTZ_NO_MEMORY;
    enum boltz_status status = read_value(r, child);
    if (status == BOLTZ_DUPLICATE_MEMBER) return boltz_fail_under(status, "/%zu", node->n);
    BOLTZ_TRY(status);
    *tail = child;
    tail = &child->next;
    node->n++;
    BOLTZ_TRY(separator(r, ']', &more));
  }
  return BOLTZ_OK;
}

static int by_key(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum boltz_status refuse_twins(const struct boltz_json *node) {
  if (node->n < 2) return BOLTZ_OK;
  const char **keys = malloc(node->n * sizeof *keys);
  if (!keys) return boltz_fail(BOLTZ_NO_MEMORY, "no memory for an object of %zu members", node->n);
  size_t n = 0;
  for (const struct boltz_json *child = node->child; child; child = child->next)
    keys[n++] = child->key;
  qsort(keys, n, sizeof *keys, by_key);
  const char *twin = NULL;
  for (size_t k = 1; k < n && !twin; k++)
    if (strcmp(keys[k - 1], keys[k]) == 0) twin = keys[k];
  free(keys);
  if (!twin) return BOLTZ_OK;
  char pointer[256];
  pointer_to(twin, pointer, sizeof pointer);
  return boltz_fail_at(BOLTZ_DUPLICATE_MEMBER, pointer, "%.64s is given twice", twin);
}

static enum boltz_status read_member(struct reader *r, struct boltz_json *child) {
  if (r->at >= r->end || *r->at != '"') return malformed(r, "a member's name is missing");
  BOLTZ_TRY(read_string(r, &child->key));
  skip_space(r);
  if (r->at >= r->end || *r->at != ':') return malformed(r, "a colon is missing");
  r->at++;
  skip_space(r);
  enum boltz_status status = read_value(r, child);
  if (status == BOLTZ_DUPLICATE_MEMBER) {
    char pointer[256];
    pointer_to(child->key, pointer, sizeof pointer);
    return boltz_fail_under(status, "%s", pointer);
  }
  return status;
}

static enum boltz_status read_object(struct reader *r, struct boltz_json *node) {
  node->type = BOLTZ_JSON_OBJECT;
  BOLTZ_TRY(enter(r));
  if (r->at < r->end && *r->at == '}') {
    r->at++;
    r->depth--;
    return BOLTZ_OK;
  }
  struct boltz_json **tail = &node->child;
  for (bool more = true; more;) {
    struct boltz_json *child = BOLTZ_NEW(r->arena, struct boltz_json);
    if (!child) return BOLTZ_NO_MEMORY;
    BOLTZ_TRY(read_member(r, child));
    *tail = child;
    tail = &child->next;
    node->n++;
    BOLTZ_TRY(separator(r, '}', &more));
  }
  return refuse_twins(node);
}

static bool word(struct reader *r, const char *text) {
  size_t n = strlen(text);
  if ((size_t)(r->end - r->at) < n || memcmp(r->at, text, n) != 0) return false;
  r->at += n;
  return true;
}

static enum boltz_status read_value(struct reader *r, struct boltz_json *node) {
  if (r->at >= r->end) return malformed(r, "a value is missing");
  switch (*r->at) {
    case '{':
      return read_object(r, node);
    case '[':
      return read_array(r, node);
    case '"':
      node->type = BOLTZ_JSON_STRING;
      return read_string(r, &node->text);
    case 't':
    case 'f':
      node->type = BOLTZ_JSON_BOOL;
      node->truth = *r->at == 't';
      return word(r, node->truth ? "true" : "false") ? BOLTZ_OK
                                                     : malformed(r, "this is no JSON value");
    case 'n':
      node->type = BOLTZ_JSON_NULL;
      return word(r, "null") ? BOLTZ_OK : malformed(r, "this is no JSON value");
    default:
      return number_node(r, node);
  }
}

enum boltz_status boltz_json_parse(const char *bytes, size_t size, int max_depth,
                                   struct boltz_arena *arena, struct boltz_json **root) {
  struct reader r = {
      .start = bytes, .at = bytes, .end = bytes + size, .max_depth = max_depth, .arena = arena};
  struct boltz_json *node = BOLTZ_NEW(arena, struct boltz_json);
  if (!node) return BOLTZ_NO_MEMORY;
  if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
    return malformed(&r, "a byte order mark is not allowed");
  skip_space(&r);
  enum boltz_status status = read_value(&r, node);
  free(r.numbers);
  if (status != BOLTZ_OK) return status;
  skip_space(&r);
  if (r.at < r.end) return malformed(&r, "something follows the value");
  *root = node;
  return BOLTZ_OK;
}

const struct boltz_json *boltz_json_member(const struct boltz_json *object, const char *key) {
  if (!object || object->type != BOLTZ_JSON_OBJECT) return NULL;
  for (const struct boltz_json *child = object->child; child; child = child->next)
    if (strcmp(child->key, key) == 0) return child;
  return NULL;
}
