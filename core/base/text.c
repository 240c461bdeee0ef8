/* text.c - a growing piece of text; numbers in it read back bit-identical. */
#include "boltz/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRINT_SIZE 64 /* of most of what is printed: then it is printed once */

/* Room for `more` bytes and a NUL; false once memory ran out. */
static int make_room(struct boltz_text *text, size_t more) {
  if (text->failed) return 0;
  size_t need;
  if (__builtin_add_overflow(text->size, more, &need) || need >= SIZE_MAX / 2) {
    text->failed = 1;
    return 0;
  }
  if (need + 1 <= text->capacity) return 1;
  size_t capacity = text->capacity ? text->capacity : 256;
  while (capacity < need + 1) capacity *= 2;
  char *data = realloc(text->data, capacity);
  if (!data) {
    text->failed = 1;
    return 0;
  }
  text->data = data;
  text->capacity = capacity;
  return 1;
}

char *boltz_text_room(struct boltz_text *text, size_t more) {
  return make_room(text, more) ? text->data + text->size : NULL;
}

void boltz_text_grow(struct boltz_text *text, const char *end) {
  text->size = (size_t)(end - text->data);
  text->data[text->size] = 0;
}

void boltz_text_bytes(struct boltz_text *text, const void *bytes, size_t size) {
  if (!make_room(text, size)) return;
  if (size) memcpy(text->data + text->size, bytes, size);
  text->size += size;
  text->data[text->size] = 0;
}

void boltz_text_puts(struct boltz_text *text, const char *string) {
  boltz_text_bytes(text, string, strlen(string));
}

void boltz_text_printf(struct boltz_text *text, const char *format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  if (make_room(text, PRINT_SIZE)) {
    size_t room = text->capacity - text->size;
    int n = vsnprintf(text->data + text->size, room, format, arguments);
    if (n >= 0 && (size_t)n >= room && make_room(text, (size_t)n))
      vsnprintf(text->data + text->size, (size_t)n + 1, format, again);
    if (n >= 0 && !text->failed) text->size += (size_t)n;
    if (text->data) text->data[text->size] = 0;
  }
  va_end(again);
  va_end(arguments);
}

void boltz_text_number(struct boltz_text *text, double value) {
  if (!make_room(text, BOLTZ_NUMBER_SIZE)) return;
  text->size += boltz_number_print(value, text->data + text->size);
}

void boltz_text_quoted(struct boltz_text *text, const char *string) {
  boltz_text_bytes(text, "\"", 1);
  for (const unsigned char *c = (const unsigned char *)string; *c; c++) {
    if (*c == '"' || *c == '\\')
      boltz_text_printf(text, "\\%c", *c);
    else if (*c < 0x20 || *c == 0x7f)
      boltz_text_printf(text, "\\u%04x", *c);
    else
      boltz_text_bytes(text, c, 1);
  }
  boltz_text_bytes(text, "\"", 1);
}

void boltz_text_free(struct boltz_text *text) {
  free(text->data);
  *text = (struct boltz_text){0};
}
