/* number.cc - numbers as text and back, by the C++ library's shortest round-trip conversions. */
#include <charconv>
#include <cstring>
#include <system_error>

extern "C" {
#include "boltz/text.h"
}

extern "C" size_t boltz_number_print(double value, char out[BOLTZ_NUMBER_SIZE]) {
  if (!__builtin_isfinite(value)) {
    const char *name = __builtin_isnan(value) ? "\"NaN\""
                       : value > 0            ? "\"Infinity\""
                                              : "\"-Infinity\"";
    std::strcpy(out, name);
    return std::strlen(name);
  }
  std::to_chars_result result = std::to_chars(out, out + BOLTZ_NUMBER_SIZE - 1, value);
  *result.ptr = 0;
  return static_cast<size_t>(result.ptr - out);
}

static const char *digits(const char *text, const char *end) {
  while (text < end && *text >= '0' && *text <= '9') text++;
  return text;
}

/* The end of a number by RFC 8259's grammar, or null. */
static const char *grammar(const char *text, const char *end) {
  if (text < end && *text == '-') text++;
  const char *whole = digits(text, end);
  if (whole == text || (*text == '0' && whole - text > 1)) return nullptr;
  text = whole;
  if (text < end && *text == '.') {
    const char *fraction = digits(text + 1, end);
    if (fraction == text + 1) return nullptr;
    text = fraction;
  }
  if (text < end && (*text == 'e' || *text == 'E')) {
    text++;
    if (text < end && (*text == '+' || *text == '-')) text++;
    const char *exponent = digits(text, end);
    if (exponent == text) return nullptr;
    text = exponent;
  }
  return text;
}

/* from_chars leaves the value alone out of range: was it too large or too small? The decimal
   exponent of the first digit that is not zero tells. */
static bool overflows(const char *text, const char *end) {
  long magnitude = 0, exponent = 0;
  bool point = false, seen = false, negative = false;
  for (; text < end && *text != 'e' && *text != 'E'; text++) {
    if (*text == '.') point = true;
    if (*text < '0' || *text > '9') continue;
    seen = seen || *text != '0';
    if (seen && !point) magnitude++;
    if (!seen && point) magnitude--;
  }
  if (text < end) text++;
  if (text < end && (*text == '+' || *text == '-')) negative = *text++ == '-';
  for (; text < end && exponent < 100000; text++) exponent = exponent * 10 + (*text - '0');
  return magnitude + (negative ? -exponent : exponent) > 0;
}

extern "C" const char *boltz_number_read(const char *text, const char *end, double *value) {
  const char *stop = grammar(text, end);
  if (!stop) return nullptr;
  std::from_chars_result result = std::from_chars(text, stop, *value);
  if (result.ec == std::errc::result_out_of_range) {
    double size = overflows(text, stop) ? __builtin_huge_val() : 0.0;
    *value = *text == '-' ? -size : size;
  }
  return stop;
}
