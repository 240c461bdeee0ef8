/* test_relative.c - coordinates told from others: chains, boxes, and what is refused. */
#include "check.h"
#include "flow_world.h"

#define BOX3 "{\"type\":\"circular\",\"coordinates\":[0,1,2],\"low\":[0,0,0],\"high\":[5,5,5]}"
#define RELATIVE(lists) "{\"type\":\"relative\"," lists "}"

static struct world new_box(const char *base, const char *layer, int dim) {
  struct world world = {.arena = boltz_arena_open(0)};
  char text[512];
  snprintf(text, sizeof text, "{\"base\":%s,\"layers\":[%s]}", base, layer);
  CHECK_INT(new_flow(world.arena, text, dim, &world.flow), BOLTZ_OK);
  CHECK_INT(boltz_weights_new(&world.flow, world.arena, &world.weights), BOLTZ_OK);
  return world;
}

static void check_golden(const char *base, const double *z, const double *x) {
  struct world world = new_box(base, RELATIVE("\"coordinates\":[1,2],\"to\":[0,1]"), 3);
  double point[3] = {z[0], z[1], z[2]};
  CHECK(move_point(&world, BOLTZ_TO_X, point) == 0);
  for (int j = 0; j < 3; j++) CHECK_NEAR(point[j], x[j], 1e-15);
  CHECK(move_point(&world, BOLTZ_TO_Z, point) == 0);
  for (int j = 0; j < 3; j++) CHECK_NEAR(point[j], z[j], 1e-15);
  boltz_arena_close(world.arena);
}

static void chains_give_their_golden_numbers(void) {
  static const double z[3] = {1, 2, 3}, open[3] = {1, 3, 6}, boxed[3] = {1, 3, 1};
  check_golden("\"normal\"", z, open);
  check_golden(BOX3, z, boxed);
}

/* Three particles in a box: the same everywhere in it, and nothing but the first one tells where.
 */
static void latents_but_the_first_do_not_know_where_all_are(void) {
  struct world world = new_box(BOX3, RELATIVE("\"coordinates\":[2,1],\"to\":[0,2]"), 3);
  const double x[3] = {0.5, 4.75, 3.25};
  double first[3];
  for (int k = 0; k < 40; k++) {
    double z[3];
    for (int j = 0; j < 3; j++) z[j] = fmod(x[j] + 0.125 * k, 5);
    move_point(&world, BOLTZ_TO_Z, z);
    if (k == 0) memcpy(first, z, sizeof z);
    CHECK_NEAR(z[0], fmod(x[0] + 0.125 * k, 5), 0);
    for (int j = 1; j < 3; j++) CHECK_NEAR(z[j], first[j], 1e-15 * 5);
  }
  CHECK_NEAR(first[2], 2.75, 1e-15);    /* 3.25 - 0.5 */
  CHECK_NEAR(first[1], 1.5, 1e-15 * 2); /* 4.75 - 3.25 */
  boltz_arena_close(world.arena);
}

static void what_cannot_be_told_is_refused(void) {
#define PART "{\"type\":\"circular\",\"coordinates\":[0,1],\"low\":[0,0],\"high\":[5,4]}"
  static const struct {
    const char *base, *layers, *pointer, *says;
  } cases[] = {
      {BOX3, RELATIVE("\"coordinates\":[1,2],\"to\":[0]"), "/layers/0/to", "to has 1 members"},
      {BOX3, RELATIVE("\"coordinates\":[1,1],\"to\":[0,0]"), "/layers/0/coordinates/1", "1"},
      {BOX3, RELATIVE("\"coordinates\":[1],\"to\":[3]"), "/layers/0/to",
       "3, which is not in [0, 2]"},
      {BOX3, RELATIVE("\"coordinates\":[1],\"to\":[1]"), "/layers/0/to", "relative to 1"},
      {BOX3, RELATIVE("\"coordinates\":[1,2],\"to\":[2,0]"), "/layers/0/to", "must come before"},
      {PART, RELATIVE("\"coordinates\":[1],\"to\":[0]"), "/layers/0/to", "same period"},
      {PART, RELATIVE("\"coordinates\":[2],\"to\":[0]"), "/layers/0/to", "x3 and x1"},
      {"\"normal\"",
       "{\"type\":\"interval\",\"coordinates\":[0],\"low\":[0],\"high\":[1]}," RELATIVE(
           "\"coordinates\":[1],\"to\":[0]"),
       "/layers/1/to", "x2 and x1"},
  };
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    struct boltz_flow flow;
    char text[512];
    snprintf(text, sizeof text, "{\"base\":%s,\"layers\":[%s]}", cases[k].base, cases[k].layers);
    CHECK_MSG(new_flow(arena, text, 3, &flow) == BOLTZ_OUT_OF_RANGE, "%s", text);
    CHECK_TEXT(boltz_error_pointer(), cases[k].pointer);
    CHECK_MSG(strstr(boltz_error(), cases[k].says) != NULL, "%s: %s", text, boltz_error());
    boltz_arena_close(arena);
  }
}

int main(int argc, char **argv) {
  RUN(chains_give_their_golden_numbers);
  RUN(latents_but_the_first_do_not_know_where_all_are);
  RUN(what_cannot_be_told_is_refused);
  return check_report();
}
