/* status.c - what can go wrong, and the one sentence that says how. */
#include "boltz/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/utf8.h"

static _Thread_local char sentence[512];
static _Thread_local char place[512];

const char *boltz_status_name(enum boltz_status status) {
  static const char *const names[] = {
#define X(name, doc) [BOLTZ_##name] = #name,
      BOLTZ_STATUSES(X)
#undef X
  };
  size_t index = (size_t)status;
  return index < sizeof names / sizeof *names ? names[index] : "UNKNOWN_STATUS";
}

/* Sentences quote what clients sent, cut at a byte: what is no text becomes "?". */
static void make_text(char *text) {
  unsigned char *s = (unsigned char *)text, *end = s + strlen(text);
  while (s < end) {
    int n = utf8_length(s, end);
    if (n == 0 || *s < 0x20 || *s == 0x7f) *s = '?';
    s += n ? n : 1;
  }
}

/* Both arguments may quote the failure that they replace, so it is overwritten last. */
static void leave(const char *pointer, const char *format, va_list arguments) {
  char new_sentence[sizeof sentence], new_place[sizeof place];
  vsnprintf(new_sentence, sizeof new_sentence, format, arguments);
  snprintf(new_place, sizeof new_place, "%s", pointer);
  make_text(new_sentence);
  make_text(new_place);
  memcpy(sentence, new_sentence, sizeof sentence);
  memcpy(place, new_place, sizeof place);
}

enum boltz_status boltz_fail(enum boltz_status status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  leave("", format, arguments);
  va_end(arguments);
  return status;
}

enum boltz_status boltz_fail_at(enum boltz_status status, const char *pointer, const char *format,
                                ...) {
  va_list arguments;
  va_start(arguments, format);
  leave(pointer, format, arguments);
  va_end(arguments);
  return status;
}

enum boltz_status boltz_fail_under(enum boltz_status status, const char *format, ...) {
  if (status == BOLTZ_OK) return status;
  char before[sizeof place];
  va_list arguments;
  va_start(arguments, format);
  int n = vsnprintf(before, sizeof before, format, arguments);
  va_end(arguments);
  if (n < 0 || (size_t)n + strlen(place) >= sizeof place) return status;
  memmove(place + n, place, strlen(place) + 1);
  memcpy(place, before, (size_t)n);
  make_text(place);
  return status;
}

const char *boltz_error(void) {
  return sentence;
}

const char *boltz_error_pointer(void) {
  return place;
}
