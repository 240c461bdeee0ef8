/* test_translation.c - a box whose energy knows distances alone is found by trying, and its
 * particles' bonds, whatever the energy is called. */
#include "boltz/boltz.h"
#include "core/trait/translation.h"
#include "tests/check.h"
#include "tests/examples.h"

/* Bonds as text, sites from 1, in the order in which they are told: "1-2 2-3"; "": it knows where
   they are. */
static const char *find(const char *kind, const char *json) {
  static char text[1024];
  struct boltz_arena *arena = boltz_arena_open(0);
  const struct boltz_energy_kind *found = boltz_energy_kind_find(kind);
  struct boltz_energy energy;
  struct boltz_translation translation;
  int at = 0;
  CHECK_INT(boltz_energy_new(found, settings_of(arena, found, json), 1, arena, &energy), BOLTZ_OK);
  CHECK_INT(boltz_translation_find(&energy, arena, &translation), BOLTZ_OK);
  text[0] = 0;
  for (int64_t k = 0; k + 1 < translation.sites; k++) {
    const int64_t site = translation.order[k];
    at += snprintf(text + at, sizeof text - (size_t)at, "%s%lld-%lld", k > 0 ? " " : "",
                   (long long)translation.parent[site] + 1, (long long)site + 1);
  }
  boltz_arena_close(arena);
  return text;
}

static void check(const char *kind, const char *settings, const char *bonds) {
  const char *found = find(kind, settings);
  CHECK_MSG(strcmp(found, bonds) == 0, "%s %s: \"%s\" is not \"%s\"", kind, settings, found, bonds);
}

static void a_chain_is_its_bonds(void) {
  check("polymer_chain", "{\"N\":2}", "1-2");
  check("polymer_chain", "{\"N\":4}", "1-2 2-3 3-4");
  check("polymer_chain", "{\"N\":8}", "1-2 2-3 3-4 4-5 5-6 6-7 7-8");
  check("polymer_chain", "{\"N\":20,\"L\":10}",
        "1-2 2-3 3-4 4-5 5-6 6-7 7-8 8-9 9-10 10-11 11-12 12-13 13-14 14-15 15-16 16-17 17-18 "
        "18-19 19-20");
}

/* Of particles that are all alike any tree will do: each is told after its parent. */
static void a_fluid_has_a_tree(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  const struct boltz_energy_kind *found = boltz_energy_kind_find("lj_fluid");
  static const char *const settings[] = {"{\"N\":2,\"space\":2}", "{\"N\":9}",
                                         "{\"N\":80,\"L\":9}"};
  for (size_t e = 0; e < sizeof settings / sizeof *settings; e++) {
    struct boltz_energy energy;
    struct boltz_translation t;
    bool known[80] = {true};
    CHECK_INT(boltz_energy_new(found, settings_of(arena, found, settings[e]), 1, arena, &energy),
              BOLTZ_OK);
    CHECK_INT(boltz_translation_find(&energy, arena, &t), BOLTZ_OK);
    CHECK_INT(t.width, e == 0 ? 2 : 3);
    CHECK_INT(t.sites, energy.dim / t.width);
    for (int64_t k = 0; k + 1 < t.sites; k++) {
      const int64_t site = t.order[k];
      CHECK(!known[site] && known[t.parent[site]]);
      known[site] = true;
      if (t.sites > 64) CHECK_INT(t.parent[site], 0);
    }
  }
  boltz_arena_close(arena);
}

static void what_knows_places_or_has_no_box_has_none(void) {
  check("lj_cluster", "{\"N\":3}", "");
  check("particle_dimer", "{\"n_solvent\":4}", "");
  check("phi4", "{\"L\":4}", "");
  check("lebwohl_lasher", "{\"N\":2}", "");
  check("double_well", "{}", "");
}

int main(int argc, char **argv) {
  RUN(a_chain_is_its_bonds);
  RUN(a_fluid_has_a_tree);
  RUN(what_knows_places_or_has_no_box_has_none);
  return check_report();
}
