/* test_rotation.c - whether an energy knows directions is found by trying, whatever it is called.
 */
#include "boltz/boltz.h"
#include "core/trait/rotation.h"
#include "tests/check.h"
#include "tests/examples.h"

static bool find(const char *kind, const char *json) {
  struct boltz_arena *arena = boltz_arena_open(0);
  const struct boltz_energy energy = energy_of(arena, kind, json, 1);
  bool rotation = false;
  CHECK_INT(boltz_rotation_find(&energy, arena, &rotation), BOLTZ_OK);
  boltz_arena_close(arena);
  return rotation;
}

#define EXPRESSION(u) "{\"variables\":[\"a\",\"b\",\"c\",\"d\"],\"u\":\"" u "\"}"

static void particles_in_the_plane_are_found(void) {
  static const struct {
    const char *kind, *settings;
  } cases[] = {
      {"dw4", NULL},
      {"lj_cluster", "{\"N\":3,\"space\":2}"},
      {"lj_cluster", "{\"N\":7,\"space\":2}"},
      {"expression", EXPRESSION("a^2+b^2+c^2+d^2+(a-c)^2+(b-d)^2")},
      {"expression", EXPRESSION("(a^2+b^2-1)^2+c^2+d^2+(a*d-b*c)^2")},
  };
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
    CHECK_MSG(find(cases[c].kind, cases[c].settings), "%s %s", cases[c].kind,
              cases[c].settings ? cases[c].settings : "");
}

/* Walls, lattices and wells know directions; in space the pairs are no vectors; one pair is alone,
   and vectors that turn one by one are apart. */
static void what_knows_directions_is_not_taken_for_one_that_does_not(void) {
  static const struct {
    const char *kind, *settings;
  } cases[] = {
      {"double_well", NULL},
      {"double_well", "{\"dim\":4}"},
      {"many_well", "{\"dim\":8}"},
      {"gmm40", NULL},
      {"gaussian_mixture", "{\"weights\":[1],\"means\":[[0,0,0,0]],\"stds\":[1]}"},
      {"particle_dimer", "{\"n_solvent\":4}"},
      {"phi4", "{\"L\":2}"},
      {"ising", "{\"N\":4}"},
      {"lj_fluid", "{\"N\":8,\"space\":2}"},
      {"polymer_chain", "{\"N\":8}"},
      {"lj_cluster", "{\"N\":2,\"space\":2}"},
      {"lj_cluster", "{\"N\":3,\"space\":3}"},
      {"lj_cluster", "{\"N\":5,\"space\":3}"},
      {"expression", EXPRESSION("a^2+b^2+c^2+d^2")},
      {"expression", EXPRESSION("(a^2+b^2-1)^2+c^2+d^2")},
      {"expression", EXPRESSION("a^2+b^2+c^2+d^2+(a-c)^2+2*(b-d)^2")},
      {"expression", "{\"variables\":[\"a\",\"b\"],\"u\":\"(a^2+b^2-1)^2\"}"},
  };
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
    CHECK_MSG(!find(cases[c].kind, cases[c].settings), "%s %s", cases[c].kind,
              cases[c].settings ? cases[c].settings : "");
}

int main(int argc, char **argv) {
  RUN(particles_in_the_plane_are_found);
  RUN(what_knows_directions_is_not_taken_for_one_that_does_not);
  return check_report();
}
