/* test_energy_check.c - the trial of energies that nobody knows: it passes every energy of ours,
 * and refuses what is wrong with those of others. */
#include <float.h>

#include "boltz/energy.h"
#include "tests/check.h"
#include "tests/examples.h"

/* ---- a plane of springs, u = (x1^2 + x2^2) / 2, and what may be wrong with it ---- */

static int two(const void *settings) {
  (void)settings;
  return 2;
}

static void springs(const struct boltz_batch *x, double *U, struct boltz_batch *gU) {
  for (size_t i = 0; i < x->n; i++)
    U[i] = 0.5 * (x->col[0][i] * x->col[0][i] + x->col[1][i] * x->col[1][i]);
  for (int j = 0; gU && j < 2; j++) memcpy(gU->col[j], x->col[j], x->n * sizeof(double));
}

#define ENERGY(name)                                                             \
  static void name(const void *settings, const struct boltz_batch *x, double *U, \
                   struct boltz_batch *gU, struct boltz_arena *scratch)
#define UNUSED (void)settings, (void)scratch

ENERGY(right) {
  UNUSED;
  springs(x, U, gU);
}

ENERGY(wrong_sign) {
  UNUSED;
  springs(x, U, gU);
  for (size_t i = 0; gU && i < x->n; i++) gU->col[1][i] = -gU->col[1][i];
}

/* by 1 % in one coordinate of two */
ENERGY(slightly_wrong) {
  UNUSED;
  springs(x, U, gU);
  for (size_t i = 0; gU && i < x->n; i++) gU->col[0][i] *= 1.01;
}

ENERGY(no_gradient) {
  UNUSED;
  springs(x, U, gU);
  for (size_t i = 0; gU && i < x->n; i++) gU->col[0][i] = NAN;
}

ENERGY(nowhere) {
  UNUSED;
  springs(x, U, gU);
  for (size_t i = 0; i < x->n; i++) U[i] = INFINITY;
}

ENERGY(of_its_batch) {
  UNUSED;
  springs(x, U, gU);
  for (size_t i = 0; i < x->n; i++) U[i] += x->n > 1 ? DBL_EPSILON * (1 + U[i]) : 0;
}

ENERGY(writes_x) {
  UNUSED;
  x->col[0][0] += 1;
  springs(x, U, gU);
}

/* |x1| + a wall: kinks and infinities are no errors */
ENERGY(kinked) {
  UNUSED;
  springs(x, U, gU);
  for (size_t i = 0; i < x->n; i++) {
    U[i] = x->col[1][i] > 0.5 ? INFINITY : U[i] + fabs(x->col[0][i]);
    if (gU) gU->col[0][i] += copysign(1, x->col[0][i]);
  }
}

/* single precision: its differences are noise, its gradient is right */
ENERGY(noisy) {
  UNUSED;
  springs(x, U, gU);
  for (size_t i = 0; i < x->n; i++) U[i] = (float)U[i];
}

static int one(const void *settings) {
  (void)settings;
  return 1;
}

static void difference(double factor, const struct boltz_batch *x, int site,
                       const struct boltz_batch *moved, double *du) {
  for (size_t i = 0; i < x->n; i++)
    du[i] =
        factor * 0.5 * (moved->col[0][i] * moved->col[0][i] - x->col[site][i] * x->col[site][i]);
}

static void right_difference(const void *settings, double temperature, const struct boltz_batch *x,
                             int site, const struct boltz_batch *moved, double *du,
                             struct boltz_arena *scratch) {
  UNUSED;
  difference(1 / temperature, x, site, moved, du);
}

/* that forgets the temperature */
static void hot_difference(const void *settings, double temperature, const struct boltz_batch *x,
                           int site, const struct boltz_batch *moved, double *du,
                           struct boltz_arena *scratch) {
  UNUSED, (void)temperature;
  difference(1, x, site, moved, du);
}

static void empty_domain(const void *settings, int j, struct boltz_domain *domain) {
  (void)settings;
  if (j == 1) *domain = (struct boltz_domain){.type = BOLTZ_INTERVAL, .low = 1, .high = 1};
}

/* ---- the trial ---- */

static enum boltz_status try_kind(const struct boltz_energy_kind *kind) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy;
  void *settings = example_settings(arena, kind);
  CHECK_INT(boltz_energy_new(kind, settings, 0.7, arena, &energy), BOLTZ_OK);
  const size_t before = boltz_arena_mark(arena).used;
  const enum boltz_status status = boltz_energy_check(&energy, arena);
  CHECK(boltz_arena_mark(arena).used == before);
  boltz_arena_close(arena);
  return status;
}

static void every_energy_of_ours_passes(void) {
  const struct boltz_energy_kind *kind;
  for (int k = 0; (kind = boltz_energy_kind_at(k)); k++) {
    CHECK_MSG(boltz_energy_kind_check(kind) == BOLTZ_OK, "%s", boltz_error());
    CHECK_MSG(try_kind(kind) == BOLTZ_OK, "%s", boltz_error());
  }
}

#define SPRINGS .name = "springs", .doc = "springs", .source = "none", .dim = two

static void kinks_walls_and_noise_are_no_errors(void) {
  static const struct boltz_energy_kind kinds[] = {
      {SPRINGS, .energy = right},
      {SPRINGS, .energy = kinked},
      {SPRINGS, .energy = noisy},
      {SPRINGS, .energy = right, .site_width = one, .difference = right_difference},
  };
  for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
    CHECK_INT(boltz_energy_kind_check(&kinds[k]), BOLTZ_OK);
    CHECK_MSG(try_kind(&kinds[k]) == BOLTZ_OK, "kind %zu: %s", k, boltz_error());
  }
}

static void what_is_wrong_with_an_energy_is_said(void) {
  static const struct {
    struct boltz_energy_kind kind;
    const char *words;
  } cases[] = {
      {{SPRINGS, .energy = wrong_sign}, "du/dx2"},
      {{SPRINGS, .energy = slightly_wrong}, "du/dx1"},
      {{SPRINGS, .energy = no_gradient}, "du/dx1"},
      {{SPRINGS, .energy = nowhere}, "not finite at any of 1024"},
      {{SPRINGS, .energy = of_its_batch}, "in a batch of 64"},
      {{SPRINGS, .energy = writes_x}, "changed the x"},
      {{SPRINGS, .energy = right, .domain = empty_domain}, "domain of x2"},
      {{SPRINGS, .energy = right, .site_width = one, .difference = hot_difference}, "site 0"},
  };
  for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
    CHECK_MSG(try_kind(&cases[k].kind) == BOLTZ_OUT_OF_RANGE, "case %zu", k);
    CHECK_MSG(strstr(boltz_error(), cases[k].words), "case %zu: %s", k, boltz_error());
    CHECK_MSG(strstr(boltz_error(), "springs"), "case %zu: %s", k, boltz_error());
  }
}

/* ---- tables ---- */

static void eval(const void *settings, double temperature, uint64_t seed, uint64_t first,
                 const struct boltz_batch *x, struct boltz_batch *value,
                 struct boltz_arena *scratch) {
  UNUSED, (void)temperature, (void)seed, (void)first, (void)x, (void)value;
}

#define FIELD(...)               \
  (const struct boltz_field[]) { \
    {__VA_ARGS__}, {             \
      0                          \
    }                            \
  }
#define NUMBER .type = BOLTZ_FIELD_DOUBLE, .low = 1, .high = 2, .doc = "k"
#define WITH .energy = right, .settings_size = 8

static void what_is_wrong_with_a_table_is_said(void) {
  static const struct boltz_variable twice[] = {
      {.name = "r", .doc = "r", .eval = eval}, {.name = "r", .doc = "r", .eval = eval}, {0}};
  static const struct boltz_variable x3[] = {{.name = "x3", .doc = "r", .eval = eval}, {0}};
  static const struct boltz_variable idle[] = {{.name = "r", .doc = "r"}, {0}};
  static const char *const none[] = {NULL};
  const struct {
    struct boltz_energy_kind kind;
    const char *words;
  } cases[] = {
      {{.name = NULL}, "name"},
      {{.name = "a b", .doc = "d", .source = "s", .dim = two, .energy = right}, "name"},
      {{.name = "k", .source = "s", .dim = two, .energy = right}, "doc is missing"},
      {{.name = "k", .doc = "d", .dim = two, .energy = right}, "source is missing"},
      {{.name = "k", .doc = "d", .source = "s", .energy = right}, "dim()"},
      {{SPRINGS}, "energy() and reduced()"},
      {{SPRINGS, .energy = right, .site_width = one}, "difference()"},
      {{SPRINGS, WITH, .fields = FIELD(.name = "kind", .def = 1, NUMBER)}, "not kind"},
      {{SPRINGS, WITH, .fields = FIELD(.name = "k", .def = 3, NUMBER)}, "k has a default"},
      {{SPRINGS, WITH, .fields = FIELD(.name = "k", .def = 1, .offset = 1, NUMBER)}, "outside"},
      {{SPRINGS, .energy = right, .fields = FIELD(.name = "k", .def = 1, NUMBER)}, "outside"},
      {{SPRINGS, WITH, .fields = FIELD(.name = "k", .def = 1)}, "k has no doc"},
      {{SPRINGS, WITH,
        .fields = FIELD(.name = "k", .type = BOLTZ_FIELD_CHOICE, .choices = none, .doc = "k")},
       "k has no choices"},
      {{SPRINGS, WITH, .fields = FIELD(.name = "k", .type = (enum boltz_field_type)77, .doc = "k")},
       "type"},
      {{SPRINGS, .energy = right, .variables = twice}, "r is there twice"},
      {{SPRINGS, .energy = right, .variables = x3}, "variable x3"},
      {{SPRINGS, .energy = right, .variables = idle}, "eval()"},
  };
  for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
    CHECK_MSG(boltz_energy_kind_check(&cases[k].kind) == BOLTZ_OUT_OF_RANGE, "case %zu", k);
    CHECK_MSG(strstr(boltz_error(), cases[k].words), "case %zu: %s", k, boltz_error());
  }
}

static void further_kinds_stand_behind_the_library_s_own(void) {
  static const struct boltz_energy_kind springs_kind = {SPRINGS, .energy = right};
  static const struct boltz_energy_kind *const more[] = {&springs_kind, NULL};
  int count = 0;
  while (boltz_energy_kind_at(count)) count++;
  CHECK(!boltz_energy_kind_find("springs"));
  boltz_energy_kinds_extend(more);
  CHECK(boltz_energy_kind_at(count) == &springs_kind && !boltz_energy_kind_at(count + 1));
  CHECK(!boltz_energy_kind_at(count + 2) && !boltz_energy_kind_at(-1));
  CHECK(boltz_energy_kind_find("springs") == &springs_kind);
  CHECK(boltz_energy_kind_find("double_well") != NULL);
  boltz_energy_kinds_extend(NULL);
  CHECK(!boltz_energy_kind_find("springs") && !boltz_energy_kind_at(count));
}

int main(int argc, char **argv) {
  RUN(every_energy_of_ours_passes);
  RUN(kinks_walls_and_noise_are_no_errors);
  RUN(what_is_wrong_with_an_energy_is_said);
  RUN(what_is_wrong_with_a_table_is_said);
  RUN(further_kinds_stand_behind_the_library_s_own);
  return check_report();
}
