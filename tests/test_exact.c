/* test_exact.c - the exact numbers of every kind of energy, and the table that shows them. */
#include "core/exact/exact.h"

#include "server/self_check.h"
#include "tests/check.h"

/* What was written to a file, NUL-ended; free() it. */
static char *contents(FILE *file) {
  const long size = ftell(file);
  char *text = calloc(1, (size_t)size + 1);
  rewind(file);
  CHECK(fread(text, 1, (size_t)size, file) == (size_t)size);
  fclose(file);
  return text;
}

static void every_exact_number_is_what_is_known(void) {
  FILE *table = tmpfile(), *progress = tmpfile();
  const int status = self_check(table, progress);
  char *lines = contents(table), *kinds = contents(progress);
  CHECK_MSG(status == 0, "\n%s", lines);
  CHECK(!strstr(lines, "WRONG") && strstr(lines, "numbers agree"));
  CHECK(strstr(kinds, "nematic: ") && strstr(kinds, "expression: "));
  free(lines), free(kinds);
}

static bool has_case(const char *kind) {
  const struct boltz_exact_case *c;
  for (int k = 0; (c = boltz_exact_case_at(k)); k++)
    if (strcmp(c->kind, kind) == 0) return true;
  return false;
}

static void every_kind_of_energy_has_an_exact_number(void) {
  const struct boltz_energy_kind *kind;
  for (int k = 0; (kind = boltz_energy_kind_at(k)); k++)
    CHECK_MSG(has_case(kind->name), "%s has none", kind->name);
}

static void every_case_asks_something_and_those_of_a_kind_are_together(void) {
  const struct boltz_exact_case *c;
  CHECK(!boltz_exact_case_at(-1));
  for (int k = 0; (c = boltz_exact_case_at(k)); k++) {
    CHECK_MSG(boltz_energy_kind_find(c->kind), "%s", c->kind);
    CHECK_MSG(boltz_exact_quantities(c) > 0, "%s", c->kind);
    for (int l = 0; l + 1 < k; l++)
      CHECK_MSG(strcmp(boltz_exact_case_at(l)->kind, c->kind) != 0 ||
                    strcmp(boltz_exact_case_at(k - 1)->kind, c->kind) == 0,
                "%s is there twice", c->kind);
  }
}

static void a_number_agrees_within_its_tolerance_and_four_standard_errors(void) {
  const struct boltz_exact_quantity q = {"q", 2, 0.25};
  CHECK(boltz_exact_agrees(&q, &(struct boltz_exact_value){2.25, 0}));
  CHECK(!boltz_exact_agrees(&q, &(struct boltz_exact_value){1.7, 0}));
  CHECK(boltz_exact_agrees(&q, &(struct boltz_exact_value){1.5, 0.0625}));
  CHECK(!boltz_exact_agrees(&q, &(struct boltz_exact_value){1.4, 0.0625}));
  CHECK(!boltz_exact_agrees(&q, &(struct boltz_exact_value){NAN, 0}));
  CHECK(!boltz_exact_agrees(&q, &(struct boltz_exact_value){2, NAN}));
}

/* One case, with its first number off, in its table; how many are wrong. */
static int table_of(struct boltz_exact_case c, double off, size_t scratch_limit, char **lines) {
  FILE *table = tmpfile();
  struct boltz_arena *scratch = boltz_arena_open(scratch_limit);
  c.quantity[0].reference += off;
  const int wrong = self_check_case(&c, table, scratch);
  boltz_arena_close(scratch);
  *lines = contents(table);
  return wrong;
}

static void a_number_that_is_off_is_told(void) {
  const struct boltz_exact_case *c;
  for (int k = 0; (c = boltz_exact_case_at(k)); k++) {
    if (strcmp(c->kind, "many_well") != 0) continue;
    char *lines;
    CHECK_INT(table_of(*c, 0, 0, &lines), 0);
    CHECK(!strstr(lines, "WRONG"));
    free(lines);
    CHECK_INT(table_of(*c, 1e-8, 0, &lines), 1);
    CHECK(strstr(lines, "WRONG"));
    free(lines);
  }
}

static void what_cannot_be_found_is_wrong(void) {
  const struct boltz_exact_case *c;
  for (int k = 0; (c = boltz_exact_case_at(k)); k++) {
    char *lines;
    CHECK_MSG(table_of(*c, 0, 256, &lines) == boltz_exact_quantities(c), "%s", c->kind);
    free(lines);
  }
  struct boltz_exact_case bad = *boltz_exact_case_at(0);
  char *lines;
  bad.settings = "{\"a\":-1}";
  CHECK_INT(table_of(bad, 0, 0, &lines), boltz_exact_quantities(&bad));
  CHECK_MSG(strstr(lines, "a = -1"), "%s", lines);
  free(lines);
}

int main(int argc, char **argv) {
  RUN(every_exact_number_is_what_is_known);
  RUN(every_kind_of_energy_has_an_exact_number);
  RUN(every_case_asks_something_and_those_of_a_kind_are_together);
  RUN(a_number_agrees_within_its_tolerance_and_four_standard_errors);
  RUN(a_number_that_is_off_is_told);
  RUN(what_cannot_be_found_is_wrong);
  return check_report();
}
