/* test_quadratic.c - a quadratic form is found by trying, whatever the energy is called. */
#include "boltz/boltz.h"
#include "core/trait/quadratic.h"
#include "tests/check.h"
#include "tests/examples.h"

static bool is_quadratic(const char *kind, const char *json) {
  struct boltz_arena *arena = boltz_arena_open(0);
  const struct boltz_energy energy = energy_of(arena, kind, json, 1.5);
  bool quadratic = false;
  CHECK_INT(boltz_quadratic_find(&energy, arena, &quadratic), BOLTZ_OK);
  boltz_arena_close(arena);
  return quadratic;
}

static void quadratic_forms_are_found(void) {
  CHECK(is_quadratic("expression",
                     "{\"variables\":[\"x\",\"y\"],\"u\":\"3*x^2 - x*y + y^2 + 7*x - 2\"}"));
  CHECK(is_quadratic("phi4", "{\"L\":3,\"m2\":1,\"lambda\":0}"));
  CHECK(is_quadratic("gaussian_mixture", "{\"weights\":[1],\"means\":[[1,2]],\"stds\":[0.01]}"));
}

static void nothing_else_is_taken_for_one(void) {
  const struct boltz_energy_kind *kind;
  for (int k = 0; (kind = boltz_energy_kind_at(k)); k++)
    CHECK_MSG(!is_quadratic(kind->name, NULL), "%s", kind->name);
  CHECK(!is_quadratic("phi4", "{\"L\":3,\"m2\":1,\"lambda\":1e-3}"));
  CHECK(!is_quadratic("expression",
                      "{\"variables\":[\"x\",\"y\"],\"u\":\"x^2 + y^2\",\"domain\":{"
                      "\"x\":{\"low\":-3,\"high\":3}}}"));
  CHECK(!is_quadratic("expression", "{\"variables\":[\"x\"],\"u\":\"x^2 + 0.01*sin(x)\"}"));
}

int main(int argc, char **argv) {
  RUN(quadratic_forms_are_found);
  RUN(nothing_else_is_taken_for_one);
  return check_report();
}
