/* test_flow_spec.c - what a flow is to be, read, printed and completed. */
#include "boltz/checkpoint.h"
#include "check.h"

struct world {
  struct boltz_arena *arena;
  struct boltz_flow_spec spec;
};

static enum boltz_status parse(struct world *world, const char *text, int dim) {
  struct boltz_json *root;
  if (!world->arena) world->arena = boltz_arena_open(0);
  const enum boltz_status status = boltz_json_parse(text, strlen(text), 16, world->arena, &root);
  CHECK_MSG(status == BOLTZ_OK, "%s", boltz_error());
  if (status != BOLTZ_OK) return status;
  return boltz_flow_spec_parse(root, dim, world->arena, &world->spec);
}

/* The text must be refused so, with that pointer and that piece in the sentence. */
static void refuse(const char *text, int dim, enum boltz_status status, const char *pointer,
                   const char *piece) {
  struct world world = {0};
  const enum boltz_status found = parse(&world, text, dim);
  CHECK_MSG(found == status, "%s: %s, not %s", text, boltz_status_name(found),
            boltz_status_name(status));
  if (found == status) {
    CHECK_TEXT(boltz_error_pointer(), pointer);
    CHECK_MSG(strstr(boltz_error(), piece) != NULL, "%s: \"%s\" lacks \"%s\"", text, boltz_error(),
              piece);
  }
  boltz_arena_close(world.arena);
}

static void print(struct world *world, struct boltz_text *text) {
  boltz_flow_spec_print(&world->spec, world->arena, text);
}

#define ACTNORM "{\"type\":\"actnorm\"}"

static void a_spec_prints_as_it_was_read(void) {
  static const char text[] =
      "{\"base\":\"normal\",\"layers\":[" ACTNORM
      ",{\"type\":\"interval\",\"coordinates\":[1],\"low\":[-0.5],\"high\":[4]}]}";
  struct world world = {0};
  struct boltz_text out = {0};
  CHECK_INT(parse(&world, text, 2), BOLTZ_OK);
  CHECK_INT(world.spec.nlayers, 2);
  print(&world, &out);
  CHECK_TEXT(out.data, text);
  boltz_text_free(&out);
  boltz_arena_close(world.arena);
}

static void a_printed_spec_reads_back_to_the_same_text(void) {
  struct world first = {0}, second = {0};
  struct boltz_text a = {0}, b = {0};
  CHECK_INT(
      parse(&first,
            "{\"layers\":[{\"type\":\"realnvp\",\"blocks\":2,\"hidden\":[8,4]}," ACTNORM "]}", 3),
      BOLTZ_OK);
  print(&first, &a);
  CHECK_INT(parse(&second, a.data, 3), BOLTZ_OK);
  print(&second, &b);
  CHECK_TEXT(b.data, a.data);
  CHECK(strstr(a.data, "realnvp") == NULL);
  boltz_text_free(&a);
  boltz_text_free(&b);
  boltz_arena_close(first.arena);
  boltz_arena_close(second.arena);
}

static void realnvp_is_two_couplings_a_block_with_complementary_masks(void) {
  struct world world = {0};
  struct boltz_text out = {0};
  CHECK_INT(parse(&world, "{\"layers\":[{\"type\":\"realnvp\",\"blocks\":3,\"hidden\":[8]}]}", 5),
            BOLTZ_OK);
  CHECK_INT(world.spec.nlayers, 6);
  for (int k = 0; k < world.spec.nlayers; k++)
    CHECK_TEXT(world.spec.layers[k].kind->name, "affine_coupling");
  print(&world, &out);
  /* couplings 0, 2, 4 fix the first ceil(5/2) coordinates, 1, 3, 5 the rest */
  const char *even = strstr(out.data, "\"fixed\":[0,1,2],\"moved\":[3,4]");
  const char *odd = strstr(out.data, "\"fixed\":[3,4],\"moved\":[0,1,2]");
  CHECK(even && odd && even < odd);
  boltz_text_free(&out);
  boltz_arena_close(world.arena);
}

static void an_absent_base_is_the_normal_one(void) {
  struct world world = {0};
  CHECK_INT(parse(&world, "{\"layers\":[" ACTNORM "]}", 2), BOLTZ_OK);
  CHECK_TEXT(world.spec.base->name, "normal");
  CHECK_INT(parse(&world, "{\"base\":{\"type\":\"normal\"},\"layers\":[" ACTNORM "]}", 2),
            BOLTZ_OK);
  CHECK_TEXT(world.spec.base->name, "normal");
  boltz_arena_close(world.arena);
}

static void what_is_no_flow_is_refused_by_name_and_place(void) {
  refuse("[]", 2, BOLTZ_WRONG_TYPE, "", "object");
  refuse("{\"base\":\"normal\"}", 2, BOLTZ_MISSING_MEMBER, "/layers", "missing");
  refuse("{\"layers\":[]}", 2, BOLTZ_OUT_OF_RANGE, "/layers", "empty");
  refuse("{\"layers\":{}}", 2, BOLTZ_WRONG_TYPE, "/layers", "list");
  refuse("{\"layers\":[1,2]}", 2, BOLTZ_WRONG_TYPE, "/layers/0", "object");
  refuse("{\"layers\":[" ACTNORM ",7]}", 2, BOLTZ_WRONG_TYPE, "/layers/1", "object");
  refuse("{\"layers\":[" ACTNORM ",{}]}", 2, BOLTZ_MISSING_MEMBER, "/layers/1/type", "type");
  refuse("{\"layers\":[{\"type\":3}]}", 2, BOLTZ_WRONG_TYPE, "/layers/0/type", "string");
  refuse("{\"layers\":[{\"type\":\"glow\"}]}", 2, BOLTZ_UNKNOWN_NAME, "/layers/0/type",
         "affine_coupling");
  refuse("{\"layers\":[{\"type\":\"glow\"}]}", 2, BOLTZ_UNKNOWN_NAME, "/layers/0/type", "glow");
  refuse("{\"base\":\"cauchy\",\"layers\":[" ACTNORM "]}", 2, BOLTZ_UNKNOWN_NAME, "/base",
         "normal");
  refuse("{\"base\":{\"type\":\"cauchy\"},\"layers\":[" ACTNORM "]}", 2, BOLTZ_UNKNOWN_NAME,
         "/base/type", "cauchy");
  refuse("{\"base\":1,\"layers\":[" ACTNORM "]}", 2, BOLTZ_WRONG_TYPE, "/base", "object");
  refuse("{\"deep\":1,\"layers\":[" ACTNORM "]}", 2, BOLTZ_UNKNOWN_MEMBER, "/deep", "deep");
}

static void a_layers_fault_is_found_at_its_place_in_the_list_as_written(void) {
  refuse("{\"layers\":[{\"type\":\"actnorm\",\"depth\":1}]}", 2, BOLTZ_UNKNOWN_MEMBER,
         "/layers/0/depth", "depth");
  refuse("{\"layers\":[" ACTNORM ",{\"type\":\"realnvp\",\"blocks\":0,\"hidden\":[8]}]}", 2,
         BOLTZ_OUT_OF_RANGE, "/layers/1/blocks", "blocks");
  /* after a short form of 8 couplings the third member is still number 2 */
  struct world world = {0};
  CHECK_INT(parse(&world,
                  "{\"layers\":[{\"type\":\"realnvp\"}," ACTNORM
                  ",{\"type\":\"interval\",\"coordinates\":[9],\"low\":[0],\"high\":[1]}]}",
                  2),
            BOLTZ_OUT_OF_RANGE);
  CHECK_MSG(strncmp(boltz_error_pointer(), "/layers/2/coordinates", 21) == 0, "%s",
            boltz_error_pointer());
  boltz_arena_close(world.arena);
}

static void realnvp_on_one_coordinate_is_refused(void) {
  struct world world = {0};
  CHECK_INT(parse(&world, "{\"layers\":[{\"type\":\"realnvp\"}]}", 1), BOLTZ_OUT_OF_RANGE);
  CHECK(strncmp(boltz_error_pointer(), "/layers/0", 9) == 0);
  boltz_arena_close(world.arena);
}

static void more_layers_than_a_flow_may_have_are_refused(void) {
  struct world world = {0};
  struct boltz_text text = {0};
  boltz_text_puts(&text, "{\"layers\":[" ACTNORM);
  for (int k = 1; k < BOLTZ_LAYERS_MAX; k++) boltz_text_puts(&text, "," ACTNORM);
  const size_t full = text.size;
  boltz_text_puts(&text, "]}");
  CHECK_INT(parse(&world, text.data, 2), BOLTZ_OK);
  text.size = full;
  boltz_text_puts(&text, "," ACTNORM "]}");
  CHECK_INT(parse(&world, text.data, 2), BOLTZ_OUT_OF_RANGE);
  CHECK_TEXT(boltz_error_pointer(), "/layers/256");
  boltz_text_free(&text);
  boltz_arena_close(world.arena);
}

/* An energy whose coordinates live where the test says. */
static struct boltz_energy energy_with(int dim, const struct boltz_domain *domain) {
  return (struct boltz_energy){.temperature = 1, .dim = dim, .domain = domain};
}

#define REAL \
  { .type = BOLTZ_REAL }
#define INTERVAL(l, h) \
  { .type = BOLTZ_INTERVAL, .low = (l), .high = (h) }

static void completion_adds_one_interval_layer_for_what_is_still_real(void) {
  static const struct boltz_domain domain[] = {INTERVAL(0, 4), REAL, INTERVAL(-1, 2)};
  const struct boltz_energy energy = energy_with(3, domain);
  struct world world = {0};
  struct boltz_text out = {0};
  CHECK_INT(parse(&world, "{\"layers\":[" ACTNORM "]}", 3), BOLTZ_OK);
  CHECK_INT(boltz_flow_spec_complete(&world.spec, &energy, world.arena), BOLTZ_OK);
  print(&world, &out);
  CHECK_TEXT(out.data,
             "{\"base\":\"normal\",\"layers\":[" ACTNORM
             ",{\"type\":\"interval\",\"coordinates\":[0,2],\"low\":[0,-1],\"high\":[4,2]}]}");

  /* complete already: nothing more is added */
  CHECK_INT(boltz_flow_spec_complete(&world.spec, &energy, world.arena), BOLTZ_OK);
  CHECK_INT(world.spec.nlayers, 2);
  boltz_text_free(&out);
  boltz_arena_close(world.arena);
}

static void completion_leaves_a_real_energy_alone(void) {
  static const struct boltz_domain domain[] = {REAL, REAL};
  const struct boltz_energy energy = energy_with(2, domain);
  struct world world = {0};
  CHECK_INT(parse(&world, "{\"layers\":[" ACTNORM "]}", 2), BOLTZ_OK);
  CHECK_INT(boltz_flow_spec_complete(&world.spec, &energy, world.arena), BOLTZ_OK);
  CHECK_INT(world.spec.nlayers, 1);
  boltz_arena_close(world.arena);
}

static void layers_that_end_elsewhere_than_the_energy_are_refused(void) {
  static const struct boltz_domain real[] = {REAL, REAL}, other[] = {INTERVAL(0, 3), REAL},
                                   periodic[] = {REAL, {BOLTZ_PERIODIC, 0, 5}};
  static const char ends[] =
      "{\"layers\":[" ACTNORM
      ",{\"type\":\"interval\",\"coordinates\":[0],\"low\":[0],\"high\":[4]}]}";
  const struct boltz_domain *const refused[] = {real, other, periodic};
  static const char *const words[] = {"real", "[0, 3]", "periodic"};
  for (int k = 0; k < 3; k++) {
    const struct boltz_energy energy = energy_with(2, refused[k]);
    struct world world = {0};
    CHECK_INT(parse(&world, k < 2 ? ends : "{\"layers\":[" ACTNORM "]}", 2), BOLTZ_OK);
    CHECK_INT(boltz_flow_spec_complete(&world.spec, &energy, world.arena), BOLTZ_OUT_OF_RANGE);
    CHECK_MSG(strstr(boltz_error(), words[k]) != NULL, "%s", boltz_error());
    boltz_arena_close(world.arena);
  }
}

int main(int argc, char **argv) {
  RUN(a_spec_prints_as_it_was_read);
  RUN(a_printed_spec_reads_back_to_the_same_text);
  RUN(realnvp_is_two_couplings_a_block_with_complementary_masks);
  RUN(an_absent_base_is_the_normal_one);
  RUN(what_is_no_flow_is_refused_by_name_and_place);
  RUN(a_layers_fault_is_found_at_its_place_in_the_list_as_written);
  RUN(realnvp_on_one_coordinate_is_refused);
  RUN(more_layers_than_a_flow_may_have_are_refused);
  RUN(completion_adds_one_interval_layer_for_what_is_still_real);
  RUN(completion_leaves_a_real_energy_alone);
  RUN(layers_that_end_elsewhere_than_the_energy_are_refused);
  return check_report();
}
