/* test_lattice.c - the lattice of an energy is found by trying, whatever the energy is called. */
#include "boltz/boltz.h"
#include "core/trait/lattice.h"
#include "tests/check.h"
#include "tests/examples.h"

static struct boltz_lattice find(const char *kind, const char *json) {
  struct boltz_arena *arena = boltz_arena_open(0);
  const struct boltz_energy energy = energy_of(arena, kind, json, 1);
  struct boltz_lattice lattice;
  CHECK_INT(boltz_lattice_find(&energy, arena, &lattice), BOLTZ_OK);
  boltz_arena_close(arena);
  return lattice;
}

static void lattices_are_found_with_their_sides(void) {
  const struct {
    const char *kind, *settings;
    int axes;
    int64_t side, width;
  } cases[] = {
      {"phi4", "{\"L\":2}", 2, 2, 1},
      {"phi4", "{\"L\":5}", 2, 5, 1},
      {"phi4", "{\"L\":8}", 2, 8, 1},
      {"ising", "{\"N\":3,\"J\":0.4,\"h\":0.2}", 2, 3, 1},
      {"ising", "{\"N\":8,\"J\":0.4}", 2, 8, 1},
      {"nematic", "{\"N\":2,\"h\":0.1}", 3, 2, 3},
      {"nematic", "{\"N\":3}", 3, 3, 3},
      {"lebwohl_lasher", "{\"N\":2}", 3, 2, 2},
      {"expression",
       "{\"variables\":[\"a\",\"b\",\"c\",\"d\",\"e\"],"
       "\"u\":\"a^4+b^4+c^4+d^4+e^4+(a-b)^2+(b-c)^2+(c-d)^2+(d-e)^2+(e-a)^2\"}",
       1, 5, 1},
  };
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    const struct boltz_lattice lattice = find(cases[c].kind, cases[c].settings);
    CHECK_MSG(lattice.axes == cases[c].axes, "%s %s: %d axes", cases[c].kind, cases[c].settings,
              lattice.axes);
    CHECK_INT(lattice.width, cases[c].width);
    for (int axis = 0; axis < lattice.axes; axis++) CHECK_INT(lattice.side[axis], cases[c].side);
  }
}

/* Particles that are all alike, coordinates that differ, and a ring with one stiff bond. */
static void what_is_no_lattice_is_not_taken_for_one(void) {
  const struct {
    const char *kind, *settings;
  } cases[] = {
      {"double_well", NULL},
      {"dw4", NULL},
      {"gmm40", NULL},
      {"many_well", "{\"dim\":8}"},
      {"lj_fluid", "{\"N\":8}"},
      {"lj_cluster", "{\"N\":5}"},
      {"polymer_chain", "{\"N\":8}"},
      {"particle_dimer", "{\"n_solvent\":4}"},
      {"expression",
       "{\"variables\":[\"a\",\"b\",\"c\",\"d\"],"
       "\"u\":\"a^4+b^4+c^4+d^4+(a-b)^2+(b-c)^2+(c-d)^2+2*(d-a)^2\"}"},
      {"expression", "{\"variables\":[\"a\",\"b\",\"c\",\"d\"],\"u\":\"a^2+b^2+c^2+d^2\"}"},
  };
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
    CHECK_MSG(find(cases[c].kind, cases[c].settings).axes == 0, "%s %s", cases[c].kind,
              cases[c].settings ? cases[c].settings : "");
}

int main(int argc, char **argv) {
  RUN(lattices_are_found_with_their_sides);
  RUN(what_is_no_lattice_is_not_taken_for_one);
  return check_report();
}
