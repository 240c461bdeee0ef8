/* number.cc - numbers as text and back: the shortest digits that read back. Dragonbox finds the
   digits of what is usual, the C++ library prints the rest and reads. */
#include <cassert>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <limits>
#include <system_error>
#include <type_traits>

extern "C" {
#include "boltz/text.h"
}

/* Templates of its own, so that the library exports none of them; what it includes is above. */
namespace {
#include <dragonbox/dragonbox.h>
}

static const uint64_t powers[] = {1,
                                  10,
                                  100,
                                  1000,
                                  10000,
                                  100000,
                                  1000000,
                                  10000000,
                                  100000000,
                                  1000000000,
                                  10000000000,
                                  100000000000,
                                  1000000000000,
                                  10000000000000,
                                  100000000000000,
                                  1000000000000000,
                                  10000000000000000,
                                  100000000000000000};

/* Decimal digits of 1 <= value < 10^17. */
static int count_digits(uint64_t value) {
  int below = (64 - __builtin_clzll(value)) * 1233 >> 12; /* log10(2) = 1233 / 4096 */
  return below + (value >= powers[below]);
}

static void put_2(char *out, uint32_t value) {
  static const char pairs[] =
      "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546"
      "4748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293"
      "949596979899";
  std::memcpy(out, pairs + 2 * value, 2);
}

static void put_8(char *out, uint32_t value) {
  uint32_t high = value / 10000, low = value % 10000;
  put_2(out, high / 100);
  put_2(out + 2, high % 100);
  put_2(out + 4, low / 100);
  put_2(out + 6, low % 100);
}

/*
 * What is shortest without an exponent and has at most 8 digits before the point; 0: it is not. The
 * digits are laid out once, then copied by fixed sizes that may go beyond what counts: random
 * numbers have random lengths, and a wrong guess costs the processor more than the copy.
 */
static size_t print_plain(double value, char out[BOLTZ_NUMBER_SIZE]) {
  if (value == 0) return 0;
  auto decimal = jkj::dragonbox::to_decimal(value, jkj::dragonbox::policy::sign::ignore);
  int n = count_digits(decimal.significand), whole = n + decimal.exponent;
  int low = n == 1 ? -3 : -(n + 3); /* below, the form with an exponent is shorter */
  if (decimal.exponent > 0 || decimal.exponent < low || whole > 8) return 0;

  char digits[40] = "0000"; /* zeros before the 17 digits, and room for the copies' ends */
  uint64_t shifted = decimal.significand * powers[17 - n], high = shifted / powers[8];
  uint32_t first = static_cast<uint32_t>(high / powers[8]);
  digits[4] = static_cast<char>('0' + first);
  put_8(digits + 5, static_cast<uint32_t>(high - first * powers[8]));
  put_8(digits + 13, static_cast<uint32_t>(shifted - high * powers[8]));

  int zeros = whole > 0 ? 0 : 1 - whole;
  const char *from = digits + 4 - zeros;
  char *at = out;
  *at = '-';
  at += value < 0;
  whole += zeros;
  std::memcpy(at, from, 8);
  at += whole;
  *at = '.';
  std::memcpy(at + 1, from + whole, 20);
  at += decimal.exponent < 0 ? 1 - decimal.exponent : 0;
  *at = 0;
  return static_cast<size_t>(at - out);
}

extern "C" size_t boltz_number_print(double value, char out[BOLTZ_NUMBER_SIZE]) {
  if (!__builtin_isfinite(value)) {
    const char *name = __builtin_isnan(value) ? "\"NaN\""
                       : value > 0            ? "\"Infinity\""
                                              : "\"-Infinity\"";
    std::strcpy(out, name);
    return std::strlen(name);
  }
  size_t size = print_plain(value, out);
  if (size) return size;
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
