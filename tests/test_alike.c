/* test_alike.c - which sites may change places is found by trying, whatever the energy is called.
 */
#include "boltz/boltz.h"
#include "core/trait/alike.h"
#include "tests/check.h"
#include "tests/examples.h"

/* Classes as text, sites from 1: "1 2; 3 4 5 6". */
static const char *find(const char *kind, const char *json, int64_t *width) {
  static char text[256];
  struct boltz_arena *arena = boltz_arena_open(0);
  const struct boltz_energy energy = energy_of(arena, kind, json, 1);
  struct boltz_alike alike;
  int at = 0;
  CHECK_INT(boltz_alike_find(&energy, arena, &alike), BOLTZ_OK);
  text[0] = 0;
  for (int c = 0; c < alike.classes; c++)
    for (int64_t k = 0; k < alike.of[c].n; k++)
      at += snprintf(text + at, sizeof text - (size_t)at, "%s%lld",
                     k > 0   ? " "
                     : c > 0 ? "; "
                             : "",
                     (long long)alike.of[c].site[k] + 1);
  *width = alike.width;
  boltz_arena_close(arena);
  return text;
}

static const struct example {
  const char *kind, *settings, *classes;
  int width;
} particles[] = {
    {"particle_dimer", "{\"n_solvent\":0}", "1 2", 2},
    {"particle_dimer", "{\"n_solvent\":1}", "1 2", 2}, /* one is like no other */
    {"particle_dimer", "{\"n_solvent\":4}", "1 2; 3 4 5 6", 2},
    {"lj_fluid", "{\"N\":5,\"space\":2,\"L\":4,\"cutoff\":2}", "1 2 3 4 5", 2},
    {"lj_fluid", "{\"N\":3,\"space\":3,\"L\":4,\"cutoff\":2}", "1 2 3", 3},
    /* Bonds (1, 2), ..., (N - 1, N): the two of a pair have one bond alike, the ends of three both
       hang on the middle one; of four, (1, 2), (2, 3), (3, 4), every exchange of two breaks a bond,
       and the chain the other way round is two exchanges. Without springs bonds are nothing. */
    {"polymer_chain", "{\"N\":2}", "1 2", 3},
    {"polymer_chain", "{\"N\":3}", "1 3", 3},
    {"polymer_chain", "{\"N\":4}", "", 3},
    {"polymer_chain", "{\"N\":4,\"k\":0}", "1 2 3 4", 3},
};

/* Neighbours hold sites in their places, but on a torus of 2 x 2, whose opposite corners have the
   same two neighbours, and twice each. */
static const struct example lattices[] = {
    {"phi4", "{\"L\":4}", "", 1},         {"phi4", "{\"L\":3}", "", 1},
    {"phi4", "{\"L\":2}", "1 4; 2 3", 1}, {"ising", "{\"N\":4}", "", 1},
    {"nematic", "{\"N\":4}", "", 3},
};

static void check(const struct example *e) {
  int64_t width;
  const char *classes = find(e->kind, e->settings, &width);
  CHECK_MSG(strcmp(classes, e->classes) == 0, "%s %s: \"%s\" is not \"%s\"", e->kind, e->settings,
            classes, e->classes);
  CHECK_MSG(width == e->width, "%s %s: width %d", e->kind, e->settings, (int)width);
}

static void particles_are_alike_where_the_formula_says_so(void) {
  for (size_t k = 0; k < sizeof particles / sizeof *particles; k++) check(&particles[k]);
}

static void sites_of_a_lattice_are_not_alike(void) {
  for (size_t k = 0; k < sizeof lattices / sizeof *lattices; k++) check(&lattices[k]);
}

static void an_energy_without_sites_has_no_classes(void) {
  int64_t width;
  CHECK_TEXT(find("double_well", "{}", &width), "");
  CHECK_INT(width, 0);
  CHECK_TEXT(find("expression", "{\"variables\":[\"a\",\"b\"],\"u\":\"a^2+b^2\"}", &width), "");
}

static void no_room_is_said(void) {
  struct boltz_arena *arena = boltz_arena_open(0), *small = boltz_arena_open(600);
  const struct boltz_energy_kind *found = boltz_energy_kind_find("particle_dimer");
  struct boltz_energy energy;
  struct boltz_alike alike;
  CHECK_INT(boltz_energy_new(found, example_settings(arena, found), 1, arena, &energy), BOLTZ_OK);
  CHECK_INT(boltz_alike_find(&energy, small, &alike), BOLTZ_NO_MEMORY);
  CHECK_INT(alike.classes, 0);
  boltz_arena_close(small);
  boltz_arena_close(arena);
}

int main(int argc, char **argv) {
  RUN(particles_are_alike_where_the_formula_says_so);
  RUN(sites_of_a_lattice_are_not_alike);
  RUN(an_energy_without_sites_has_no_classes);
  RUN(no_room_is_said);
  return check_report();
}
