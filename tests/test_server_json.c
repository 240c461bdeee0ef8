/* test_server_json.c - replies read back as what was put in. */
#include "server/json.h"
#include "tests/check.h"

/* The tree printed, and read by the strict reader. */
static const struct boltz_json *read_back(struct boltz_arena *arena, cJSON *tree) {
  struct boltz_json *root = NULL;
  char *text = json_take_text(tree);
  CHECK(text && boltz_json_parse(text, strlen(text), 16, arena, &root) == BOLTZ_OK);
  free(text);
  return root;
}

static void every_double_reads_back_bit_for_bit(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  double values[2000] = {0, -0.0, 0.1, 1e21, 5e-324, 1.7976931348623157e308, 9007199254740993.0};
  uint64_t bits = 88172645463325252u; /* xorshift64: any bit pattern */
  for (size_t k = 7; k < 2000; k++) {
    do {
      bits ^= bits << 13, bits ^= bits >> 7, bits ^= bits << 17;
      memcpy(&values[k], &bits, sizeof bits);
    } while (!isfinite(values[k]));
  }
  cJSON *tree = cJSON_CreateArray();
  for (size_t k = 0; k < 2000; k++) cJSON_AddItemToArray(tree, json_number(values[k]));
  const struct boltz_json *root = read_back(arena, tree);
  CHECK(root && root->numbers && root->n == 2000 &&
        memcmp(root->numbers, values, sizeof values) == 0);
  boltz_arena_close(arena);
}

static void what_is_not_finite_is_a_word_or_null(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  cJSON *tree = cJSON_CreateObject();
  json_add_number(tree, "nan", NAN);
  json_add_number(tree, "low", -INFINITY);
  json_add_number_or_null(tree, "null", NAN);
  json_add_number_or_null(tree, "high", INFINITY);
  json_add_text(tree, "none", NULL);
  json_add_raw(tree, "raw", NULL);
  const struct boltz_json *root = read_back(arena, tree);
  CHECK_TEXT(boltz_json_member(root, "nan")->text, "NaN");
  CHECK_TEXT(boltz_json_member(root, "low")->text, "-Infinity");
  CHECK_TEXT(boltz_json_member(root, "high")->text, "Infinity");
  CHECK_INT(boltz_json_member(root, "null")->type, BOLTZ_JSON_NULL);
  CHECK_INT(boltz_json_member(root, "none")->type, BOLTZ_JSON_NULL);
  CHECK_INT(boltz_json_member(root, "raw")->type, BOLTZ_JSON_NULL);
  boltz_arena_close(arena);
}

static void integers_and_seeds_keep_all_their_digits(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  cJSON *tree = cJSON_CreateObject();
  json_add_integer(tree, "most", INT64_MAX);
  json_add_integer(tree, "least", INT64_MIN);
  json_add_seed(tree, "seed", UINT64_MAX);
  json_add_raw(tree, "raw", "{\"a\":[1]}");
  const struct boltz_json *root = read_back(arena, tree);
  CHECK_TEXT(boltz_json_member(root, "most")->text, "9223372036854775807");
  CHECK_TEXT(boltz_json_member(root, "least")->text, "-9223372036854775808");
  CHECK_TEXT(boltz_json_member(root, "seed")->text, "18446744073709551615");
  CHECK_INT(boltz_json_member(boltz_json_member(root, "raw"), "a")->n, 1);
  boltz_arena_close(arena);
}

struct settings {
  double scale, maybe;
  int64_t count;
  uint64_t seed;
  bool on;
  const char *mode;
  struct boltz_ints sizes;
};

static const char *const modes[] = {"slow", "fast", NULL};

static const struct boltz_field fields[] = {{.name = "scale",
                                             .type = BOLTZ_FIELD_DOUBLE,
                                             .offset = offsetof(struct settings, scale),
                                             .def = 0.1,
                                             .low = 0,
                                             .high = 2,
                                             .unit = "1",
                                             .doc = "a number"},
                                            {.name = "maybe",
                                             .type = BOLTZ_FIELD_DOUBLE,
                                             .offset = offsetof(struct settings, maybe),
                                             .def = NAN,
                                             .nullable = true,
                                             .low = 0,
                                             .high = 1,
                                             .doc = "or null"},
                                            {.name = "count",
                                             .type = BOLTZ_FIELD_INT,
                                             .offset = offsetof(struct settings, count),
                                             .low = 0,
                                             .high = 1e9,
                                             .required = true,
                                             .doc = "an integer"},
                                            {.name = "seed",
                                             .type = BOLTZ_FIELD_SEED,
                                             .offset = offsetof(struct settings, seed),
                                             .doc = "a seed"},
                                            {.name = "on",
                                             .type = BOLTZ_FIELD_BOOL,
                                             .offset = offsetof(struct settings, on),
                                             .def = 1,
                                             .doc = "a switch"},
                                            {.name = "mode",
                                             .type = BOLTZ_FIELD_CHOICE,
                                             .offset = offsetof(struct settings, mode),
                                             .def_text = "fast",
                                             .choices = modes,
                                             .doc = "a choice"},
                                            {.name = "sizes",
                                             .type = BOLTZ_FIELD_INTS,
                                             .offset = offsetof(struct settings, sizes),
                                             .low = 1,
                                             .high = 99,
                                             .doc = "a list"},
                                            BOLTZ_FIELDS_END};

static void settings_that_were_printed_are_read_back_equal(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  int64_t sizes[] = {3, 99};
  struct settings out = {.scale = 0.30000000000000004,
                         .maybe = NAN,
                         .count = 100000,
                         .seed = UINT64_MAX,
                         .on = true,
                         .mode = "slow",
                         .sizes = {2, sizes}},
                  in;
  cJSON *tree = cJSON_CreateObject();
  json_add_fields(tree, fields, &out);
  const struct boltz_json *root = read_back(arena, tree);
  CHECK(boltz_json_fields(root, fields, NULL, &in, arena) == BOLTZ_OK);
  CHECK(in.scale == out.scale && isnan(in.maybe) && in.on);
  CHECK_INT(in.count, 100000);
  CHECK(in.seed == UINT64_MAX);
  CHECK_TEXT(in.mode, "slow");
  CHECK(in.sizes.n == 2 && in.sizes.v[0] == 3 && in.sizes.v[1] == 99);
  boltz_arena_close(arena);
}

static void a_table_is_shown_row_by_row(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  const struct boltz_json *row = read_back(arena, json_field_rows(fields))->child;
  CHECK_TEXT(boltz_json_member(row, "name")->text, "scale");
  CHECK_TEXT(boltz_json_member(row, "type")->text, "number");
  CHECK_TEXT(boltz_json_member(row, "unit")->text, "1");
  CHECK(boltz_json_member(row, "default")->number == 0.1);
  CHECK(boltz_json_member(row, "high")->number == 2);
  row = row->next;
  CHECK_INT(boltz_json_member(row, "default")->type, BOLTZ_JSON_NULL);
  CHECK_INT(boltz_json_member(row, "unit")->type, BOLTZ_JSON_NULL);
  row = row->next;
  CHECK(boltz_json_member(row, "required")->truth);
  CHECK_INT(boltz_json_member(row, "default")->type, BOLTZ_JSON_NULL);
  row = row->next;
  CHECK_TEXT(boltz_json_member(row, "default")->text, "0");
  CHECK_INT(boltz_json_member(row, "low")->type, BOLTZ_JSON_NULL);
  row = row->next;
  CHECK(boltz_json_member(row, "default")->truth);
  row = row->next;
  CHECK_TEXT(boltz_json_member(row, "default")->text, "fast");
  CHECK_INT(boltz_json_member(row, "choices")->n, 2);
  boltz_arena_close(arena);
}

static void times_are_rfc_3339_in_utc(void) {
  char text[JSON_TIME_SIZE];
  json_time(0, text);
  CHECK_TEXT(text, "1970-01-01T00:00:00.000Z");
  json_time(951782400123, text); /* date -u -d @951782400: 29 February 2000 */
  CHECK_TEXT(text, "2000-02-29T00:00:00.123Z");
  json_time(4102444799999, text);
  CHECK_TEXT(text, "2099-12-31T23:59:59.999Z");
}

int main(int argc, char **argv) {
  RUN(every_double_reads_back_bit_for_bit);
  RUN(what_is_not_finite_is_a_word_or_null);
  RUN(integers_and_seeds_keep_all_their_digits);
  RUN(settings_that_were_printed_are_read_back_equal);
  RUN(a_table_is_shown_row_by_row);
  RUN(times_are_rfc_3339_in_utc);
  return check_report();
}
