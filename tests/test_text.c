/* test_text.c - growing text; numbers that read back bit-identical. */
#include "boltz/text.h"

#include <float.h>
#include <stdint.h>

#include "boltz/rng.h"
#include "check.h"

static const char *print(double value) {
  static char out[BOLTZ_NUMBER_SIZE];
  CHECK_INT(boltz_number_print(value, out), strlen(out));
  return out;
}

static void numbers_print_in_their_shortest_form(void) {
  CHECK_TEXT(print(3), "3");
  CHECK_TEXT(print(0.1), "0.1");
  CHECK_TEXT(print(-1.5), "-1.5");
  CHECK_TEXT(print(-0.0), "-0");
  CHECK_TEXT(print(1e20), "1e+20");
  CHECK_TEXT(print(5e-324), "5e-324");
  CHECK_TEXT(print(DBL_MAX), "1.7976931348623157e+308");
  CHECK_TEXT(print(-2.2250738585072014e-308), "-2.2250738585072014e-308");
  CHECK_TEXT(print(0.1 + 0.2), "0.30000000000000004");
}

static void the_form_is_the_shorter_one_and_plain_when_both_are_equal(void) {
  CHECK_TEXT(print(0.001), "0.001");
  CHECK_TEXT(print(0.0001), "1e-04");
  CHECK_TEXT(print(-0.00012), "-0.00012");
  CHECK_TEXT(print(0.000012), "1.2e-05");
  CHECK_TEXT(print(0.00012345678901234567), "0.00012345678901234567");
  CHECK_TEXT(print(10), "10");
  CHECK_TEXT(print(10000), "10000");
  CHECK_TEXT(print(100000), "1e+05");
  CHECK_TEXT(print(120000), "120000");
  CHECK_TEXT(print(99999999), "99999999");
  CHECK_TEXT(print(12345678.5), "12345678.5");
  CHECK_TEXT(print(123456789.25), "123456789.25");
  CHECK_TEXT(print(9007199254740993.0), "9007199254740992");
}

/* 1 … 17 digits, 10^-8 … 10^12: what is usual, where the digits are our own work. */
static void no_fewer_digits_read_back(void) {
  char fewer[40];
  for (uint64_t i = 0; i < 50000; i++) {
    uint32_t bits[4];
    boltz_rng_bits(1, BOLTZ_STREAM_TEST, i, 1, bits);
    int digits = 1 + (int)(bits[0] % 17), power = (int)(bits[1] % 21) - 8;
    double value = ((double)bits[2] + 0x1p-32 * (double)bits[3]) * 0x1p-32 * pow(10, power);
    if (i % 2) value = -value;
    snprintf(fewer, sizeof fewer, "%.*e", digits - 1, value);
    value = strtod(fewer, NULL);
    const char *out = print(value);
    CHECK_MSG(strtod(out, NULL) == value, "%s", out);
    int most = 0; /* digits of the shortest that reads back, by the C library */
    do snprintf(fewer, sizeof fewer, "%.*e", most, value);
    while (strtod(fewer, NULL) != value && ++most < 17);
    size_t length = strcspn(out, "e"), zeros = strspn(out, "-0.");
    int printed = 0;
    for (size_t k = zeros; k < length; k++) printed += out[k] != '.';
    if (!memchr(out, '.', length))
      for (size_t k = length; k > zeros && out[k - 1] == '0'; k--) printed--;
    CHECK_MSG(value == 0 || printed == most + 1, "%s has %d digits, not %d", out, printed,
              most + 1);
  }
}

static void what_is_no_number_prints_as_a_string(void) {
  CHECK_TEXT(print(NAN), "\"NaN\"");
  CHECK_TEXT(print(-NAN), "\"NaN\"");
  CHECK_TEXT(print(INFINITY), "\"Infinity\"");
  CHECK_TEXT(print(-INFINITY), "\"-Infinity\"");
}

static void every_finite_double_reads_back_bit_identical(void) {
  char out[BOLTZ_NUMBER_SIZE];
  size_t finite = 0;
  for (uint64_t i = 0; i < 50000; i++) {
    uint32_t bits[4];
    uint64_t word;
    double value, back;
    boltz_rng_bits(1, BOLTZ_STREAM_TEST, i, 0, bits);
    word = (uint64_t)bits[0] << 32 | bits[1];
    if (i % 8 == 0) word &= UINT64_C(0x800fffffffffffff); /* denormals */
    memcpy(&value, &word, sizeof value);
    if (!isfinite(value)) continue;
    finite++;
    size_t size = boltz_number_print(value, out);
    CHECK(boltz_number_read(out, out + size, &back) == out + size);
    CHECK_MSG(memcmp(&value, &back, sizeof value) == 0, "%s", out);
    CHECK(strtod(out, NULL) == value); /* an independent reader agrees */
  }
  CHECK(finite > 49000);
}

static void reading_rounds_correctly_in_hard_cases(void) {
  static const char *const hard[] = {"9007199254740993",
                                     "9007199254740992.9999999999999999",
                                     "1.00000000000000011102230246251565",
                                     "2.2250738585072011e-308",
                                     "4.9406564584124654e-324",
                                     "1.7976931348623158e308",
                                     "6.631236846766476e-316",
                                     "0.500000000000000166533453693773481063544750213623046875"};
  for (size_t k = 0; k < sizeof hard / sizeof *hard; k++) {
    double value = -1;
    const char *end = hard[k] + strlen(hard[k]);
    CHECK(boltz_number_read(hard[k], end, &value) == end);
    CHECK_MSG(value == strtod(hard[k], NULL), "%s", hard[k]);
  }
}

static void overflow_is_infinite_and_underflow_is_zero(void) {
  static const struct {
    const char *text;
    double value;
  } cases[] = {{"1e999", INFINITY},
               {"-1e999", -INFINITY},
               {"1e-999", 0.0},
               {"-1e-999", -0.0},
               {"1e309", INFINITY},
               {"0.000001e400", INFINITY},
               {"123456e-400", 0.0},
               {"1e99999999999999999999", INFINITY},
               {"0e99999", 0.0},
               {"1e-99999999999999999999", 0.0},
               {"1.7976931348623159e308", INFINITY},
               {"1e-324", 0.0}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    double value = 7;
    CHECK(boltz_number_read(cases[k].text, cases[k].text + strlen(cases[k].text), &value) != NULL);
    CHECK_MSG(value == cases[k].value && signbit(value) == signbit(cases[k].value), "%s",
              cases[k].text);
  }
}

static void only_json_numbers_are_read(void) {
  static const char *const refused[] = {
      "",   "-",   "+1",  "01",       "-01", "00",   ".5", "1.",  "1.e5", "1e",   "1e+",
      "e5", "inf", "nan", "Infinity", "NaN", "-inf", " 1", "--1", "-.5",  "1.5e", "x"};
  for (size_t k = 0; k < sizeof refused / sizeof *refused; k++) {
    double value;
    CHECK_MSG(!boltz_number_read(refused[k], refused[k] + strlen(refused[k]), &value), "%s",
              refused[k]);
  }
}

static void reading_stops_where_the_number_or_the_text_ends(void) {
  double value;
  const char *text = "12.5,13";
  CHECK(boltz_number_read(text, text + 7, &value) == text + 4 && value == 12.5);
  CHECK(boltz_number_read(text, text + 2, &value) == text + 2 && value == 12);
  text = "0x10";
  CHECK(boltz_number_read(text, text + 4, &value) == text + 1 && value == 0);
  text = "1E+2]";
  CHECK(boltz_number_read(text, text + 5, &value) == text + 4 && value == 100);
}

static void pieces_are_appended_in_order(void) {
  struct boltz_text text = {0};
  boltz_text_puts(&text, "a");
  boltz_text_bytes(&text, "bcd", 2);
  boltz_text_printf(&text, "%d-%s", 7, "x");
  boltz_text_number(&text, 0.5);
  boltz_text_bytes(&text, NULL, 0);
  CHECK_TEXT(text.data, "abc7-x0.5");
  CHECK_INT(text.size, 9);
  CHECK(!text.failed);
  boltz_text_free(&text);
  CHECK(text.data == NULL && text.size == 0);
}

static void text_grows_without_losing_a_byte(void) {
  struct boltz_text text = {0};
  for (int k = 0; k < 20000; k++) boltz_text_printf(&text, "%05d", k);
  CHECK_INT(text.size, 100000);
  CHECK(strncmp(text.data + 5 * 12345, "12345", 5) == 0);
  CHECK_INT(text.data[text.size], 0);
  boltz_text_free(&text);
}

static void what_is_printed_is_whole_however_long_it_is(void) {
  char expected[1032], piece[1024];
  for (int n = 0; n < 1000; n++) {
    struct boltz_text text = {0};
    for (int k = 0; k < n; k++) piece[k] = (char)('a' + k % 26);
    piece[n] = 0;
    boltz_text_puts(&text, "<");
    boltz_text_printf(&text, "%s", piece);
    boltz_text_puts(&text, ">");
    snprintf(expected, sizeof expected, "<%s>", piece);
    CHECK_TEXT(text.data, expected);
    CHECK_INT(text.size, n + 2);
    boltz_text_free(&text);
  }
}

static void what_is_written_into_the_room_belongs_to_the_text(void) {
  struct boltz_text text = {0};
  for (int k = 0; k < 300; k++) {
    char *at = boltz_text_room(&text, 5);
    CHECK(at && at == text.data + text.size);
    for (int i = 0; i < k % 6; i++) *at++ = (char)('0' + i);
    boltz_text_grow(&text, at);
  }
  CHECK_INT(text.size, 50 * 15);
  CHECK_INT(strlen(text.data), text.size);
  CHECK(memcmp(text.data + text.size - 9, "012301234", 9) == 0);
  boltz_text_free(&text);
}

static void quoted_text_is_escaped(void) {
  struct boltz_text text = {0};
  boltz_text_quoted(&text, "a\"b\\c\n\x01\xc3\xa9");
  CHECK_TEXT(text.data, "\"a\\\"b\\\\c\\u000a\\u0001\xc3\xa9\"");
  boltz_text_free(&text);
}

static void a_failed_text_stays_failed(void) {
  struct boltz_text text = {0};
  boltz_text_puts(&text, "a");
  boltz_text_bytes(&text, "b", SIZE_MAX - 1);
  CHECK(text.failed);
  boltz_text_puts(&text, "c");
  CHECK_TEXT(text.data, "a");
  boltz_text_free(&text);
}

int main(int argc, char **argv) {
  RUN(numbers_print_in_their_shortest_form);
  RUN(the_form_is_the_shorter_one_and_plain_when_both_are_equal);
  RUN(no_fewer_digits_read_back);
  RUN(what_is_no_number_prints_as_a_string);
  RUN(every_finite_double_reads_back_bit_identical);
  RUN(reading_rounds_correctly_in_hard_cases);
  RUN(overflow_is_infinite_and_underflow_is_zero);
  RUN(only_json_numbers_are_read);
  RUN(reading_stops_where_the_number_or_the_text_ends);
  RUN(pieces_are_appended_in_order);
  RUN(text_grows_without_losing_a_byte);
  RUN(what_is_printed_is_whole_however_long_it_is);
  RUN(what_is_written_into_the_room_belongs_to_the_text);
  RUN(quoted_text_is_escaped);
  RUN(a_failed_text_stays_failed);
  return check_report();
}
