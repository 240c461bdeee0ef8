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
  const struct boltz_energy energy = energy_of(arena, kind, json, 1);
  struct boltz_translation translation;
  int at = 0;
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
  static const char *const settings[] = {"{\"N\":2,\"space\":2}", "{\"N\":9}",
                                         "{\"N\":80,\"L\":9}"};
  for (size_t e = 0; e < sizeof settings / sizeof *settings; e++) {
    const struct boltz_energy energy = energy_of(arena, "lj_fluid", settings[e], 1);
    struct boltz_translation t;
    bool known[80] = {true};
    CHECK_INT(boltz_translation_find(&energy, arena, &t), BOLTZ_OK);
    CHECK_INT(t.width, e == 0 ? 2 : 3);
    CHECK_INT(t.sites, energy.dim / t.width);
    for (int64_t k = 0; k + 1 < t.sites; k++) {
      const int64_t site = t.order[k];
      CHECK(!known[site] && known[t.parent[site]]);
      known[site] = true;
    }
  }
  boltz_arena_close(arena);
}

static void a_long_chain_is_its_bonds_too(void) {
  const char *found = find("polymer_chain", "{\"N\":85,\"L\":20}");
  CHECK_MSG(strncmp(found, "1-2 2-3 3-4 4-5 ", 16) == 0, "%s", found);
  CHECK_MSG(strstr(found, " 83-84 84-85") != NULL, "%s", found);
}

/* Rotors on a circle, no two pairs alike; and a wave that holds the first one. */
struct rotors {
  int n;
  double field, waves;
};

static int rotors_dim(const void *settings) {
  return ((const struct rotors *)settings)->n;
}

static void rotors_domain(const void *settings, int j, struct boltz_domain *domain) {
  (void)settings, (void)j;
  *domain = (struct boltz_domain){.type = BOLTZ_PERIODIC, .low = 0, .high = 6.283185307179586};
}

static double rotors_energy(const struct rotors *r, const double *x) {
  double u = r->field * cos(r->waves * x[0]);
  for (int i = 0; i < r->n; i++)
    for (int j = 0; j < i; j++) u -= (1 + 0.1 * i + 0.07 * j * i) * cos(x[i] - x[j]);
  return u;
}

static void rotors_energies(const void *settings, const struct boltz_batch *x, double *U,
                            struct boltz_batch *gU, struct boltz_arena *scratch) {
  double row[8];
  (void)gU, (void)scratch;
  for (size_t i = 0; i < x->n; i++) {
    for (int j = 0; j < x->dim; j++) row[j] = x->col[j][i];
    U[i] = rotors_energy(settings, row);
  }
}

static int one(const void *settings) {
  (void)settings;
  return 1;
}

static void rotors_difference(const void *settings, double temperature, const struct boltz_batch *x,
                              int site, const struct boltz_batch *moved, double *du,
                              struct boltz_arena *scratch) {
  double row[8];
  (void)scratch;
  for (size_t i = 0; i < x->n; i++) {
    for (int j = 0; j < x->dim; j++) row[j] = x->col[j][i];
    const double before = rotors_energy(settings, row);
    row[site] = moved->col[0][i];
    du[i] = (rotors_energy(settings, row) - before) / temperature;
  }
}

static const struct boltz_energy_kind rotors_kind = {.name = "rotors",
                                                     .dim = rotors_dim,
                                                     .domain = rotors_domain,
                                                     .energy = rotors_energies,
                                                     .site_width = one,
                                                     .difference = rotors_difference};

static int64_t sites_found(struct rotors *rotors) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy;
  struct boltz_translation translation;
  CHECK_INT(boltz_energy_new(&rotors_kind, rotors, 1, arena, &energy), BOLTZ_OK);
  CHECK_INT(boltz_translation_find(&energy, arena, &translation), BOLTZ_OK);
  boltz_arena_close(arena);
  return translation.sites;
}

static void a_field_of_any_wave_is_seen(void) {
  for (int waves = 1; waves <= 200; waves++)
    CHECK_INT(sites_found(&(struct rotors){4, 0.5, waves}), 0);
  CHECK_INT(sites_found(&(struct rotors){4, 0, 1}), 4);
}

static void sites_of_one_coordinate_have_a_flow(void) {
  for (int n = 3; n <= 8; n++) {
    struct rotors rotors = {n, 0, 1};
    struct boltz_arena *arena = boltz_arena_open(0);
    struct boltz_energy energy;
    struct boltz_flow_spec spec;
    CHECK_INT(boltz_energy_new(&rotors_kind, &rotors, 1, arena, &energy), BOLTZ_OK);
    CHECK_MSG(boltz_plan_flow(&energy, arena, &spec) == BOLTZ_OK, "%d: %s", n, boltz_error());
    CHECK_TEXT(spec.layers[spec.nlayers - 1].kind->name, "relative");
    boltz_arena_close(arena);
  }
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
  RUN(a_long_chain_is_its_bonds_too);
  RUN(a_fluid_has_a_tree);
  RUN(a_field_of_any_wave_is_seen);
  RUN(sites_of_one_coordinate_have_a_flow);
  RUN(what_knows_places_or_has_no_box_has_none);
  return check_report();
}
