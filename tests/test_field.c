/* test_field.c - settings tables: defaults, ranges, sentences, views. */
#include "boltz/field.h"

#include "check.h"

struct settings {
  double rate, tolerance, weight;
  int64_t steps;
  uint64_t seed;
  bool on;
  const char *label, *activation;
  struct boltz_ints hidden, lags;
  struct boltz_doubles points;
};

static const char *const activations[] = {"relu", "tanh", "silu", NULL};

static const struct boltz_field fields[] = {
    {"rate", BOLTZ_FIELD_DOUBLE, offsetof(struct settings, rate), .def = 0.5, .low = 0, .high = 1,
     .low_open = true},
    {"tolerance", BOLTZ_FIELD_DOUBLE, offsetof(struct settings, tolerance), .def = NAN, .low = 0,
     .high = 10, .nullable = true},
    {"weight", BOLTZ_FIELD_DOUBLE, offsetof(struct settings, weight), .def = -3},
    {"steps", BOLTZ_FIELD_INT, offsetof(struct settings, steps), .def = 100, .low = 1, .high = 1e9},
    {"seed", BOLTZ_FIELD_SEED, offsetof(struct settings, seed), .def = 7},
    {"on", BOLTZ_FIELD_BOOL, offsetof(struct settings, on), .def = 1},
    {"label", BOLTZ_FIELD_TEXT, offsetof(struct settings, label), .def_text = "none", .high = 8},
    {"activation", BOLTZ_FIELD_CHOICE, offsetof(struct settings, activation), .def_text = "tanh",
     .choices = activations},
    {"hidden", BOLTZ_FIELD_INTS, offsetof(struct settings, hidden), .def = -1, .low = 1,
     .high = 4096},
    {"lags", BOLTZ_FIELD_INTS, offsetof(struct settings, lags)},
    {"points", BOLTZ_FIELD_DOUBLES, offsetof(struct settings, points), .low = -1, .high = 1},
    BOLTZ_FIELDS_END};

static struct boltz_value number(double value) {
  return (struct boltz_value){.type = BOLTZ_VALUE_NUMBER, .number = value};
}

static struct boltz_value text(const char *value) {
  return (struct boltz_value){.type = BOLTZ_VALUE_TEXT, .text = value};
}

static struct boltz_value numbers(size_t n, const double *values) {
  return (struct boltz_value){.type = BOLTZ_VALUE_NUMBERS, .n = n, .numbers = values};
}

static struct boltz_arena *arena;

static enum boltz_status set(struct settings *s, const char *name, struct boltz_value value) {
  return boltz_field_set(boltz_field_find(fields, name), s, &value, arena);
}

/* Setting fails with this status, pointer and sentence, and leaves the settings alone. */
static void refuses(const char *name, struct boltz_value value, enum boltz_status status,
                    const char *pointer, const char *sentence) {
  struct settings s, before;
  memset(&s, 0, sizeof s);
  boltz_field_defaults(fields, &s);
  before = s;
  CHECK_TEXT(boltz_status_name(set(&s, name, value)), boltz_status_name(status));
  CHECK_TEXT(boltz_error_pointer(), pointer);
  if (sentence) CHECK_TEXT(boltz_error(), sentence);
  CHECK(memcmp(&s, &before, sizeof s) == 0);
}

static void defaults_fill_every_member(void) {
  struct settings s;
  memset(&s, 0x55, sizeof s);
  boltz_field_defaults(fields, &s);
  CHECK(s.rate == 0.5 && isnan(s.tolerance) && s.weight == -3);
  CHECK_INT(s.steps, 100);
  CHECK_INT(s.seed, 7);
  CHECK(s.on);
  CHECK_TEXT(s.label, "none");
  CHECK_TEXT(s.activation, "tanh");
  CHECK(s.hidden.n == 0 && s.lags.n == 0 && s.points.n == 0);
}

static void rows_are_found_by_name_alone(void) {
  CHECK(boltz_field_find(fields, "steps") == &fields[3]);
  CHECK(boltz_field_find(fields, "step") == NULL);
  CHECK(boltz_field_find(NULL, "steps") == NULL);
}

static void good_values_are_stored(void) {
  struct settings s;
  const double list[] = {1, 4096, 2};
  char changing[] = "mine";
  boltz_field_defaults(fields, &s);
  CHECK_INT(set(&s, "rate", number(1)), BOLTZ_OK);
  CHECK_INT(set(&s, "weight", number(-1e300)), BOLTZ_OK); /* no bounds */
  CHECK_INT(set(&s, "steps", number(1e3)), BOLTZ_OK);
  CHECK_INT(set(&s, "on", (struct boltz_value){.type = BOLTZ_VALUE_BOOL}), BOLTZ_OK);
  CHECK_INT(set(&s, "label", text(changing)), BOLTZ_OK);
  CHECK_INT(set(&s, "activation", text("silu")), BOLTZ_OK);
  CHECK_INT(set(&s, "hidden", numbers(3, list)), BOLTZ_OK);
  CHECK_INT(set(&s, "lags", numbers(0, NULL)), BOLTZ_OK);
  changing[0] = 'X';
  CHECK(s.rate == 1 && s.weight == -1e300 && !s.on);
  CHECK_INT(s.steps, 1000);
  CHECK_TEXT(s.label, "mine"); /* a copy */
  CHECK_TEXT(s.activation, "silu");
  CHECK(s.hidden.n == 3 && s.hidden.v[1] == 4096 && s.hidden.v[2] == 2);
}

static void numbers_out_of_range_are_refused_by_name_value_and_bounds(void) {
  const double list[] = {64, 64, 0}, points[] = {0.5, -1.5};
  refuses("steps", number(0), BOLTZ_OUT_OF_RANGE, "/steps", "steps = 0 is not in [1, 1000000000]");
  refuses("rate", number(0), BOLTZ_OUT_OF_RANGE, "/rate", "rate = 0 is not in (0, 1]");
  refuses("rate", number(1.25), BOLTZ_OUT_OF_RANGE, "/rate", "rate = 1.25 is not in (0, 1]");
  refuses("hidden", numbers(3, list), BOLTZ_OUT_OF_RANGE, "/hidden/2",
          "hidden[2] = 0 is not in [1, 4096]");
  refuses("points", numbers(2, points), BOLTZ_OUT_OF_RANGE, "/points/1",
          "points[1] = -1.5 is not in [-1, 1]");
  refuses("hidden", numbers(0, NULL), BOLTZ_OUT_OF_RANGE, "/hidden", "hidden is empty");
}

static void numbers_that_no_setting_holds_are_out_of_range(void) {
  const double list[] = {1, 0x1p63};
  refuses("weight", number(INFINITY), BOLTZ_OUT_OF_RANGE, "/weight",
          "weight = Infinity is not a finite number");
  refuses("weight", number(NAN), BOLTZ_OUT_OF_RANGE, "/weight", NULL);
  refuses("steps", number(NAN), BOLTZ_OUT_OF_RANGE, "/steps", NULL);
  refuses("steps", number(INFINITY), BOLTZ_OUT_OF_RANGE, "/steps", NULL);
  refuses("steps", number(0x1p63), BOLTZ_OUT_OF_RANGE, "/steps", NULL);
  refuses("lags", numbers(2, list), BOLTZ_OUT_OF_RANGE, "/lags/1", NULL);
}

static void wrong_types_are_refused_by_what_was_found(void) {
  const double half[] = {1, 1.5};
  struct boltz_value object = {.type = BOLTZ_VALUE_OTHER, .bad = SIZE_MAX},
                     mixed = {.type = BOLTZ_VALUE_OTHER, .bad = 3},
                     truth = {.type = BOLTZ_VALUE_BOOL, .truth = true};
  refuses("steps", text("5"), BOLTZ_WRONG_TYPE, "/steps", "steps must be an integer, not a string");
  refuses("steps", number(1.5), BOLTZ_WRONG_TYPE, "/steps", "steps must be an integer, not 1.5");
  refuses("rate", truth, BOLTZ_WRONG_TYPE, "/rate", "rate must be a number, not a boolean");
  refuses("on", number(1), BOLTZ_WRONG_TYPE, "/on", "on must be true or false, not a number");
  refuses("label", object, BOLTZ_WRONG_TYPE, "/label", "label must be a string, not an object");
  refuses("rate", numbers(2, half), BOLTZ_WRONG_TYPE, "/rate", "rate must be a number, not a list");
  refuses("hidden", number(64), BOLTZ_WRONG_TYPE, "/hidden",
          "hidden must be a list of integers, not a number");
  refuses("hidden", numbers(2, half), BOLTZ_WRONG_TYPE, "/hidden/1", NULL);
  refuses("points", mixed, BOLTZ_WRONG_TYPE, "/points/3", NULL);
  refuses("points", object, BOLTZ_WRONG_TYPE, "/points", NULL);
  refuses("rate", mixed, BOLTZ_WRONG_TYPE, "/rate", NULL);
}

static void a_choice_names_what_there_is(void) {
  refuses("activation", text("foo"), BOLTZ_UNKNOWN_NAME, "/activation",
          "activation = \"foo\" is none of relu, tanh, silu");
  refuses("activation", text(""), BOLTZ_UNKNOWN_NAME, "/activation", NULL);
}

static void a_text_is_no_longer_than_its_bound(void) {
  struct settings s;
  CHECK_INT(set(&s, "label", text("12345678")), BOLTZ_OK);
  refuses("label", text("123456789"), BOLTZ_OUT_OF_RANGE, "/label", NULL);
}

static void seeds_are_exact_over_all_64_bits(void) {
  struct settings s;
  CHECK_INT(set(&s, "seed", number(0x1p53 - 1)), BOLTZ_OK);
  CHECK(s.seed == UINT64_C(9007199254740991));
  CHECK_INT(set(&s, "seed", text("18446744073709551615")), BOLTZ_OK);
  CHECK(s.seed == UINT64_MAX);
  CHECK_INT(set(&s, "seed", text("0")), BOLTZ_OK);
  CHECK(s.seed == 0);
  refuses("seed", number(0x1p53), BOLTZ_OUT_OF_RANGE, "/seed", NULL);
  refuses("seed", number(-1), BOLTZ_OUT_OF_RANGE, "/seed", NULL);
  refuses("seed", number(NAN), BOLTZ_OUT_OF_RANGE, "/seed", NULL);
  refuses("seed", number(1.5), BOLTZ_WRONG_TYPE, "/seed", NULL);
  refuses("seed", text("18446744073709551616"), BOLTZ_OUT_OF_RANGE, "/seed", NULL);
  refuses("seed", text("99999999999999999999999"), BOLTZ_OUT_OF_RANGE, "/seed", NULL);
  refuses("seed", text("-1"), BOLTZ_OUT_OF_RANGE, "/seed", NULL);
  refuses("seed", text(""), BOLTZ_OUT_OF_RANGE, "/seed", NULL);
  refuses("seed", text("12a"), BOLTZ_OUT_OF_RANGE, "/seed", NULL);
}

static void null_keeps_the_default_unless_it_is_a_value(void) {
  struct settings s;
  struct boltz_value null = {.type = BOLTZ_VALUE_NULL};
  boltz_field_defaults(fields, &s);
  CHECK_INT(set(&s, "steps", null), BOLTZ_OK);
  CHECK_INT(s.steps, 100);
  CHECK_INT(set(&s, "tolerance", number(2)), BOLTZ_OK);
  CHECK(s.tolerance == 2);
  CHECK_INT(set(&s, "tolerance", null), BOLTZ_OK);
  CHECK(isnan(s.tolerance));
}

static void what_was_set_is_got(void) {
  struct settings s, again;
  const double list[] = {1, 2, 3}, points[] = {0.25};
  memset(&s, 0, sizeof s);
  boltz_field_defaults(fields, &s);
  CHECK_INT(set(&s, "steps", number(12345)), BOLTZ_OK);
  CHECK_INT(set(&s, "seed", text("18446744073709551615")), BOLTZ_OK);
  CHECK_INT(set(&s, "hidden", numbers(3, list)), BOLTZ_OK);
  CHECK_INT(set(&s, "points", numbers(1, points)), BOLTZ_OK);
  boltz_field_defaults(fields, &again);
  for (const struct boltz_field *field = fields; field->name; field++) {
    struct boltz_value value;
    CHECK_INT(boltz_field_get(field, &s, arena, &value), BOLTZ_OK);
    CHECK_INT(boltz_field_set(field, &again, &value, arena), BOLTZ_OK);
  }
  CHECK(again.steps == 12345 && again.seed == UINT64_MAX && isnan(again.tolerance) && again.on);
  CHECK(again.hidden.n == 3 && again.hidden.v[2] == 3 && again.points.v[0] == 0.25);
  CHECK_TEXT(again.label, "none");
}

static void an_absent_text_is_null(void) {
  struct settings s = {.label = NULL};
  struct boltz_value value;
  CHECK_INT(boltz_field_get(boltz_field_find(fields, "label"), &s, arena, &value), BOLTZ_OK);
  CHECK_INT(value.type, BOLTZ_VALUE_NULL);
}

static void a_list_too_long_for_the_arena_is_no_memory(void) {
  static const double many[10000];
  struct boltz_arena *small = boltz_arena_open(4096);
  struct settings s;
  struct boltz_value value = numbers(10000, many);
  CHECK_INT(boltz_field_set(boltz_field_find(fields, "points"), &s, &value, small),
            BOLTZ_NO_MEMORY);
  boltz_arena_close(small);
}

static void every_type_has_its_own_name(void) {
  CHECK_TEXT(boltz_field_type_name(BOLTZ_FIELD_DOUBLE), "number");
  CHECK_TEXT(boltz_field_type_name(BOLTZ_FIELD_INT), "integer");
  CHECK_TEXT(boltz_field_type_name(BOLTZ_FIELD_SEED), "seed");
  CHECK_TEXT(boltz_field_type_name(BOLTZ_FIELD_BOOL), "boolean");
  CHECK_TEXT(boltz_field_type_name(BOLTZ_FIELD_TEXT), "string");
  for (int a = BOLTZ_FIELD_DOUBLE; a <= BOLTZ_FIELD_DOUBLES; a++)
    for (int b = BOLTZ_FIELD_DOUBLE; b < a; b++)
      CHECK(strcmp(boltz_field_type_name((enum boltz_field_type)a),
                   boltz_field_type_name((enum boltz_field_type)b)) != 0);
}

int main(int argc, char **argv) {
  arena = boltz_arena_open(0);
  RUN(defaults_fill_every_member);
  RUN(rows_are_found_by_name_alone);
  RUN(good_values_are_stored);
  RUN(numbers_out_of_range_are_refused_by_name_value_and_bounds);
  RUN(numbers_that_no_setting_holds_are_out_of_range);
  RUN(wrong_types_are_refused_by_what_was_found);
  RUN(a_choice_names_what_there_is);
  RUN(a_text_is_no_longer_than_its_bound);
  RUN(seeds_are_exact_over_all_64_bits);
  RUN(null_keeps_the_default_unless_it_is_a_value);
  RUN(what_was_set_is_got);
  RUN(an_absent_text_is_null);
  RUN(a_list_too_long_for_the_arena_is_no_memory);
  RUN(every_type_has_its_own_name);
  boltz_arena_close(arena);
  return check_report();
}
