/* test_json.c - a strict reader: what it takes, what it refuses and where. */
#include "boltz/json.h"

#include <time.h>

#include "check.h"

static struct boltz_arena *arena;

static enum boltz_status parse(const char *bytes, size_t size, struct boltz_json **root) {
  char *copy = malloc(size ? size : 1); /* so that reading beyond the end is seen by a sanitizer */
  memcpy(copy, bytes, size);
  enum boltz_status status = boltz_json_parse(copy, size, 16, arena, root);
  free(copy); /* the tree views nothing of the text */
  return status;
}

static const struct boltz_json *good(const char *text) {
  static const struct boltz_json nothing = {.type = BOLTZ_JSON_NULL};
  struct boltz_json *root = NULL;
  CHECK_MSG(parse(text, strlen(text), &root) == BOLTZ_OK, "%s: %s", text, boltz_error());
  return root ? root : &nothing;
}

static void values_of_every_type_are_read(void) {
  const struct boltz_json *o = good(
      " {\"a\" : null, \"b\":true,\"c\":false,\"d\":-1.5e2,\"e\":\"x\",\"f\":[],\"g\":{}}\r\n\t");
  CHECK_INT(o->type, BOLTZ_JSON_OBJECT);
  CHECK_INT(o->n, 7);
  CHECK_INT(boltz_json_member(o, "a")->type, BOLTZ_JSON_NULL);
  CHECK(boltz_json_member(o, "b")->truth && !boltz_json_member(o, "c")->truth);
  CHECK(boltz_json_member(o, "d")->number == -150);
  CHECK_TEXT(boltz_json_member(o, "d")->text, "-1.5e2");
  CHECK_TEXT(boltz_json_member(o, "e")->text, "x");
  CHECK_INT(boltz_json_member(o, "f")->type, BOLTZ_JSON_ARRAY);
  CHECK_INT(boltz_json_member(o, "f")->n, 0);
  CHECK_INT(boltz_json_member(o, "g")->n, 0);
  CHECK(boltz_json_member(o, "h") == NULL);
  CHECK(boltz_json_member(NULL, "h") == NULL);
  CHECK(boltz_json_member(boltz_json_member(o, "e"), "h") == NULL);
  CHECK_INT(good("null")->type, BOLTZ_JSON_NULL);
  CHECK(isinf(good("1e999")->number));
}

static void a_list_of_numbers_is_one_leaf(void) {
  const struct boltz_json *list = good("[1, -2.5 ,1e3]");
  CHECK_INT(list->n, 3);
  CHECK(list->numbers && list->child == NULL);
  CHECK(list->numbers[0] == 1 && list->numbers[1] == -2.5 && list->numbers[2] == 1000);
}

static void a_mixed_list_has_children_for_all_its_elements(void) {
  const struct boltz_json *list = good("[1,2,\"x\",[3],4]");
  CHECK_INT(list->n, 5);
  CHECK(list->numbers == NULL);
  const struct boltz_json *child = list->child;
  CHECK(child->number == 1 && child->next->number == 2);
  CHECK_TEXT(child->next->text, "2");
  CHECK_TEXT(child->next->next->text, "x");
  CHECK(child->next->next->next->numbers[0] == 3);
  CHECK(child->next->next->next->next->number == 4);
  CHECK(child->next->next->next->next->next == NULL);
}

static void escapes_are_decoded_in_names_and_texts(void) {
  CHECK_TEXT(good("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"")->text, "\"\\/\b\f\n\r\t");
  CHECK_TEXT(good("\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00\"")->text,
             "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  CHECK_TEXT(good("\"\xc3\xa9\xf0\x9f\x98\x80\x7f\"")->text, "\xc3\xa9\xf0\x9f\x98\x80\x7f");
  CHECK(boltz_json_member(good("{\"a\\u0062\":1}"), "ab") != NULL);
}

static void what_is_not_json_is_refused_at_its_byte(void) {
  static const struct {
    const char *text;
    int byte;
  } cases[] = {{"", 0},
               {" ", 1},
               {"tru", 0},
               {"True", 0},
               {"nul", 0},
               {"nan", 0},
               {"Infinity", 0},
               {"01", 0},
               {"+1", 0},
               {"1.", 0},
               {".5", 0},
               {"-", 0},
               {"0x10", 1},
               {"1 2", 2},
               {"{} x", 3},
               {"[1,]", 3},
               {"[,1]", 1},
               {"[1 2]", 3},
               {"[1", 2},
               {"[", 1},
               {"[1}", 2},
               {"[\"a\",]", 5},
               {"{\"a\":1,}", 7},
               {"{\"a\" 1}", 5},
               {"{a:1}", 1},
               {"{\"a\":}", 5},
               {"{\"a\":1", 6},
               {"{1:2}", 1},
               {"{'a':1}", 1},
               {"\"abc", 4},
               {"\"a\nb\"", 2},
               {"\"\\x41\"", 2},
               {"\"\\u12g4\"", 3},
               {"\"\\u0000\"", 3},
               {"\"\\ud800\"", 7},
               {"\"\\udc00\"", 3},
               {"\"\\ud800\\u0041\"", 7},
               {"\"\\ud800x\"", 7},
               {"\"\\", 2},
               {"\"\\\"", 3},
               {"\xef\xbb\xbf{}", 0},
               {"\"\xff\"", 1},
               {"\"\xc0\x80\"", 1},
               {"\"\xed\xa0\x80\"", 1},
               {"\"\xe0\x80\x80\"", 1},
               {"\"\xf4\x90\x80\x80\"", 1},
               {"\"\xf0\x80\x80\x80\"", 1},
               {"\"\xc3\"", 1},
               {"\"\x80\"", 1},
               {"// x\n1", 0},
               {"[1,/**/2]", 3},
               {"\x0b"
                "1",
                0},
               {"\xc2\xa0"
                "1",
                0},
               {"}", 0},
               {"]", 0},
               {"[1]]", 3}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    struct boltz_json *root = NULL;
    char where[32];
    snprintf(where, sizeof where, "byte %d: ", cases[k].byte);
    CHECK_MSG(parse(cases[k].text, strlen(cases[k].text), &root) == BOLTZ_MALFORMED_JSON, "%s",
              cases[k].text);
    CHECK_MSG(strncmp(boltz_error(), where, strlen(where)) == 0, "%s: %s", cases[k].text,
              boltz_error());
  }
}

static void a_nul_byte_is_refused_everywhere(void) {
  struct boltz_json *root;
  CHECK_INT(parse("1\0", 2, &root), BOLTZ_MALFORMED_JSON);
  CHECK_INT(parse("\0", 1, &root), BOLTZ_MALFORMED_JSON);
  CHECK_INT(parse("\"a\0b\"", 5, &root), BOLTZ_MALFORMED_JSON);
  CHECK_INT(parse("\"a\\\0b\"", 6, &root), BOLTZ_MALFORMED_JSON);
}

static void a_name_given_twice_is_refused_with_its_pointer(void) {
  struct boltz_json *root;
  const char *text = "{\"a\":[{\"x\":0},{\"b/c\":1,\"d\":2,\"b\\u002fc\":3}]}";
  CHECK_INT(parse(text, strlen(text), &root), BOLTZ_DUPLICATE_MEMBER);
  CHECK_TEXT(boltz_error_pointer(), "/a/1/b~1c");
  CHECK(strstr(boltz_error(), "b/c") != NULL);
}

static void depth_is_bounded_and_a_million_brackets_are_harmless(void) {
  struct boltz_json *root;
  char *deep = malloc(1000000);
  memset(deep, '[', 1000000);
  CHECK_INT(parse(deep, 1000000, &root), BOLTZ_MALFORMED_JSON);
  free(deep);
  CHECK_INT(boltz_json_parse("[[{\"a\":[1]}]]", 13, 4, arena, &root), BOLTZ_OK);
  CHECK_INT(boltz_json_parse("[[{\"a\":[1]}]]", 13, 3, arena, &root), BOLTZ_MALFORMED_JSON);
  CHECK_INT(boltz_json_parse("[[1],[2],[\"a\"],[],{}]", 21, 2, arena, &root), BOLTZ_OK);
}

static void a_number_has_at_most_64_characters(void) {
  struct boltz_json *root;
  char text[80] = "0.";
  memset(text + 2, '1', 62);
  CHECK_INT(parse(text, 64, &root), BOLTZ_OK);
  text[64] = '1';
  CHECK_INT(parse(text, 65, &root), BOLTZ_MALFORMED_JSON);
}

/* Grammar alone: a prefix of a closed text is never a text. */
static void every_truncation_is_refused(void) {
  const char *text = "{\"a\":[1,2.5e3,\"\\u00e9\\ud83d\\ude00\",null,true],\"b\":{\"c\":[-1,2]}}";
  struct boltz_json *root;
  CHECK_INT(parse(text, strlen(text), &root), BOLTZ_OK);
  for (size_t size = 0; size < strlen(text); size++)
    CHECK_MSG(parse(text, size, &root) == BOLTZ_MALFORMED_JSON, "%zu bytes", size);
}

static void no_changed_byte_does_more_than_fail(void) {
  const char *text = "{\"a\":[1,2.5e3,\"\\u00e9\",null],\"b\":{\"c\":[-1,2]},\"d\":\"\xc3\xa9\"}";
  size_t size = strlen(text), read = 0;
  struct boltz_mark mark = boltz_arena_mark(arena);
  for (size_t k = 0; k < size; k++)
    for (int byte = 0; byte < 256; byte++) {
      char changed[128];
      struct boltz_json *root = NULL;
      memcpy(changed, text, size);
      changed[k] = (char)byte;
      enum boltz_status status = parse(changed, size, &root);
      CHECK(status == BOLTZ_OK || status == BOLTZ_MALFORMED_JSON ||
            status == BOLTZ_DUPLICATE_MEMBER);
      CHECK((status == BOLTZ_OK) == (root != NULL));
      read += status == BOLTZ_OK;
      boltz_arena_release(arena, mark);
    }
  CHECK(read > size); /* at least the unchanged text, once a byte */
}

static double seconds_for_members(size_t n) {
  struct boltz_text text = {0};
  struct boltz_arena *own = boltz_arena_open(0);
  struct boltz_json *root;
  for (size_t k = 0; k < n; k++) boltz_text_printf(&text, "%c\"%zu\":0", k ? ',' : '{', k);
  boltz_text_puts(&text, "}");
  struct timespec a, b;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
  CHECK_INT(boltz_json_parse(text.data, text.size, 4, own, &root), BOLTZ_OK);
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
  CHECK_INT(root->n, n);
  boltz_arena_close(own);
  boltz_text_free(&text);
  return (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
}

static void many_members_take_linear_time(void) {
  double few = seconds_for_members(20000), many = seconds_for_members(320000);
  /* 16 times the members: 16 log-ish when linear, 256 when quadratic; 100 leaves room for noise */
  CHECK_MSG(many < 100 * few + 0.05, "%g s against %g s", many, few);
}

static void memory_is_bounded_by_the_arena(void) {
  struct boltz_arena *small = boltz_arena_open(64 << 10);
  struct boltz_text text = {0};
  struct boltz_json *root;
  boltz_text_puts(&text, "[[]");
  for (int k = 0; k < 10000; k++) boltz_text_puts(&text, ",[]");
  boltz_text_puts(&text, "]");
  CHECK_INT(boltz_json_parse(text.data, text.size, 4, small, &root), BOLTZ_NO_MEMORY);
  CHECK(boltz_arena_size(small) <= 64 << 10);
  boltz_text_free(&text);
  boltz_arena_close(small);
}

static void nodes_are_values(void) {
  const struct boltz_json *o =
      good("{\"a\":[1,2],\"b\":[],\"c\":[1,2,\"x\"],\"d\":{},\"e\":\"t\"}");
  struct boltz_value value = boltz_json_value(boltz_json_member(o, "a"));
  CHECK(value.type == BOLTZ_VALUE_NUMBERS && value.n == 2 && value.numbers[1] == 2);
  value = boltz_json_value(boltz_json_member(o, "b"));
  CHECK(value.type == BOLTZ_VALUE_NUMBERS && value.n == 0);
  value = boltz_json_value(boltz_json_member(o, "c"));
  CHECK(value.type == BOLTZ_VALUE_OTHER && value.bad == 2);
  value = boltz_json_value(boltz_json_member(o, "d"));
  CHECK(value.type == BOLTZ_VALUE_OTHER && value.bad == SIZE_MAX);
  value = boltz_json_value(boltz_json_member(o, "e"));
  CHECK(value.type == BOLTZ_VALUE_TEXT && strcmp(value.text, "t") == 0);
}

struct settings {
  int64_t steps;
  double rate;
  uint64_t seed;
  const char *note;
  struct boltz_ints hidden;
};

static const struct boltz_field fields[] = {
    {"steps", BOLTZ_FIELD_INT, offsetof(struct settings, steps), .required = true, .low = 1,
     .high = 1e9},
    {"rate", BOLTZ_FIELD_DOUBLE, offsetof(struct settings, rate), .def = NAN, .nullable = true},
    {"seed", BOLTZ_FIELD_SEED, offsetof(struct settings, seed), .def = 3},
    {"note", BOLTZ_FIELD_TEXT, offsetof(struct settings, note)},
    {"hidden", BOLTZ_FIELD_INTS, offsetof(struct settings, hidden)},
    BOLTZ_FIELDS_END};

static enum boltz_status fill(const char *text, struct settings *s) {
  static const char *const others[] = {"kind", NULL};
  return boltz_json_fields(good(text), fields, others, s, arena);
}

static void an_object_fills_settings(void) {
  struct settings s;
  CHECK_INT(fill("{\"steps\":100000,\"kind\":[1],\"hidden\":[1,100000],\"note\":\"n\"}", &s),
            BOLTZ_OK);
  CHECK(s.steps == 100000 && isnan(s.rate) && s.seed == 3 && s.hidden.v[1] == 100000);
  CHECK_TEXT(s.note, "n");
}

static void members_unknown_missing_or_wrong_are_named(void) {
  struct settings s;
  CHECK_INT(fill("{\"steps\":1,\"st~ep/s\":2}", &s), BOLTZ_UNKNOWN_MEMBER);
  CHECK_TEXT(boltz_error_pointer(), "/st~0ep~1s");
  CHECK(strstr(boltz_error(), "st~ep/s") && strstr(boltz_error(), "hidden"));
  CHECK_INT(fill("{}", &s), BOLTZ_MISSING_MEMBER);
  CHECK_TEXT(boltz_error_pointer(), "/steps");
  CHECK_INT(fill("{\"steps\":null}", &s), BOLTZ_MISSING_MEMBER);
  CHECK_INT(fill("{\"steps\":0}", &s), BOLTZ_OUT_OF_RANGE);
  CHECK_INT(fill("{\"steps\":1,\"hidden\":[1,{}]}", &s), BOLTZ_WRONG_TYPE);
  CHECK_TEXT(boltz_error_pointer(), "/hidden/1");
  CHECK_INT(fill("[1]", &s), BOLTZ_WRONG_TYPE);
  CHECK_INT(boltz_json_fields(NULL, fields, NULL, &s, arena), BOLTZ_WRONG_TYPE);
}

static void settings_print_and_read_back_equal(void) {
  struct settings s, again;
  struct boltz_text text = {0};
  CHECK_INT(
      fill("{\"steps\":1000000,\"seed\":\"18446744073709551615\",\"hidden\":[64,1000000]}", &s),
      BOLTZ_OK);
  boltz_text_puts(&text, "{");
  boltz_json_print_fields(fields, &s, arena, &text);
  boltz_text_puts(&text, "}");
  CHECK_TEXT(text.data,
             "{\"steps\":1000000,\"rate\":null,\"seed\":\"18446744073709551615\","
             "\"hidden\":[64,1000000]}");
  CHECK_INT(fill(text.data, &again), BOLTZ_OK);
  CHECK(again.steps == s.steps && again.seed == UINT64_MAX && again.hidden.v[1] == 1000000);
  boltz_text_free(&text);
}

static void no_settings_are_an_empty_object(void) {
  struct boltz_text text = {0};
  CHECK_INT(boltz_json_fields(good("{}"), NULL, NULL, NULL, arena), BOLTZ_OK);
  CHECK_INT(boltz_json_fields(good("{\"a\":1}"), NULL, NULL, NULL, arena), BOLTZ_UNKNOWN_MEMBER);
  boltz_json_print_fields(NULL, NULL, arena, &text);
  CHECK_INT(text.size, 0);
  boltz_text_free(&text);
}

int main(int argc, char **argv) {
  arena = boltz_arena_open(0);
  RUN(values_of_every_type_are_read);
  RUN(a_list_of_numbers_is_one_leaf);
  RUN(a_mixed_list_has_children_for_all_its_elements);
  RUN(escapes_are_decoded_in_names_and_texts);
  RUN(what_is_not_json_is_refused_at_its_byte);
  RUN(a_nul_byte_is_refused_everywhere);
  RUN(a_name_given_twice_is_refused_with_its_pointer);
  RUN(depth_is_bounded_and_a_million_brackets_are_harmless);
  RUN(a_number_has_at_most_64_characters);
  RUN(every_truncation_is_refused);
  RUN(no_changed_byte_does_more_than_fail);
  RUN(many_members_take_linear_time);
  RUN(memory_is_bounded_by_the_arena);
  RUN(nodes_are_values);
  RUN(an_object_fills_settings);
  RUN(members_unknown_missing_or_wrong_are_named);
  RUN(settings_print_and_read_back_equal);
  RUN(no_settings_are_an_empty_object);
  boltz_arena_close(arena);
  return check_report();
}
