/* text.h - a growing piece of text; numbers in it read back bit-identical. */
#ifndef BOLTZ_TEXT_H
#define BOLTZ_TEXT_H

#include <stddef.h>

/** Zero-initialise, append, free with boltz_text_free(). `failed` stays set once memory ran out. */
struct boltz_text {
  char *data; /* NUL-ended after the first append */
  size_t size, capacity;
  int failed;
};

void boltz_text_bytes(struct boltz_text *text, const void *bytes, size_t size);

/** Room for `more` bytes where the text ends, NULL once memory ran out; and that they are written,
 * up to `end`. */
char *boltz_text_room(struct boltz_text *text, size_t more);
void boltz_text_grow(struct boltz_text *text, const char *end);

void boltz_text_puts(struct boltz_text *text, const char *string);
void boltz_text_printf(struct boltz_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** A double in its shortest form that reads back; NaN and infinities as the strings "NaN", …. */
void boltz_text_number(struct boltz_text *text, double value);

/** A JSON string, quoted and escaped. */
void boltz_text_quoted(struct boltz_text *text, const char *string);

void boltz_text_free(struct boltz_text *text);

/** Longest output of boltz_number_print, its NUL included. */
#define BOLTZ_NUMBER_SIZE 32

/** Print as boltz_text_number does; returns the length. Threads: pure. */
size_t boltz_number_print(double value, char out[BOLTZ_NUMBER_SIZE]);

/**
 * Read a JSON number at `text` (not beyond `end`), correctly rounded, whatever the locale; an
 * overflow reads as an infinity. Returns the end of the number, or NULL when none starts there.
 */
const char *boltz_number_read(const char *text, const char *end, double *value);

#endif
