/* test_spread.c - J_RC: means of kernels over a coordinate, their entropy, and its gradient. */
#include "boltz/boltz.h"
#include "check.h"

#define KERNELS BOLTZ_SPREAD_KERNELS

struct world {
  struct boltz_arena *arena;
  struct boltz_energy energy;
};

static struct world open_world(const char *energy) {
  struct world world = {.arena = boltz_arena_open(0)};
  struct boltz_json *root;
  CHECK_INT(boltz_json_parse(energy, strlen(energy), 8, world.arena, &root), BOLTZ_OK);
  CHECK_INT(boltz_energy_parse(root, 1, world.arena, &world.energy), BOLTZ_OK);
  return world;
}

static struct boltz_spread *new_spread(struct world *world, const char *of, double low,
                                       double high) {
  struct boltz_spread *spread = NULL;
  CHECK_INT(boltz_spread_new(&world->energy, of, low, high, world->arena, &spread), BOLTZ_OK);
  return spread;
}

static struct boltz_batch new_batch(struct world *world, size_t n) {
  struct boltz_batch x;
  CHECK_INT(boltz_batch_new(world->arena, n, world->energy.dim, &x), BOLTZ_OK);
  return x;
}

/* J_RC of a batch, and the means in h. */
static double loss_of(struct world *world, const struct boltz_spread *spread,
                      const struct boltz_batch *x, double h[KERNELS]) {
  memset(h, 0, KERNELS * sizeof *h);
  const size_t used = boltz_spread_add(spread, x, h, world->arena);
  for (int b = 0; b < KERNELS; b++) h[b] /= (double)used;
  return boltz_spread_loss(h);
}

static void one_place_and_all_places_give_what_they_must(void) {
  struct world world = open_world("{\"kind\":\"double_well\"}");
  struct boltz_spread *spread = new_spread(&world, "x1", 0, 10);
  enum { N = 100001 };
  struct boltz_batch x = new_batch(&world, N);
  double h[KERNELS];
  /* at a centre: exp(-far^2/2) of the others, which are 11/10 widths apart */
  x.n = 1;
  x.col[0][0] = 5;
  double sum = 0, expected = 0, k[KERNELS];
  for (int b = 0; b < KERNELS; b++) sum += k[b] = exp(-1.21 * (b - 5) * (b - 5) / 2);
  for (int b = 0; b < KERNELS; b++) expected += k[b] / sum * log(k[b] / sum);
  CHECK_NEAR(loss_of(&world, spread, &x, h), expected, 1e-14);
  CHECK_NEAR(h[5], 1 / sum, 1e-15);
  CHECK_NEAR(h[2], h[8], 1e-16);
  /* far away: all to the nearest */
  x.col[0][0] = 1e9;
  CHECK_NEAR(loss_of(&world, spread, &x, h), 0, 0);
  CHECK(h[10] == 1);
  /* evenly, half a distance beyond the ends: the outer kernels have 9 % less than the others, their
     neighbours 6 % more, squares of which add up to 2.2e-2: half of that over 11 above -ln 11 */
  x.n = N;
  for (size_t i = 0; i < N; i++) x.col[0][i] = -0.5 + 11 * (double)i / (N - 1);
  const double even = loss_of(&world, spread, &x, h);
  CHECK(even >= -log(11) && even < -log(11) + 2e-3);
  boltz_arena_close(world.arena);
}

static void gradients_match_differences(void) {
  enum { N = 9 };
  struct world world = open_world("{\"kind\":\"particle_dimer\",\"n_solvent\":0}");
  struct boltz_spread *spread = new_spread(&world, "sqrt((x1 - x3)^2 + (x2 - x4)^2)", 0.5, 2.5);
  struct boltz_batch x = new_batch(&world, N), g = new_batch(&world, N);
  double h[KERNELS], other[KERNELS];
  for (int j = 0; j < 4; j++)
    for (int i = 0; i < N; i++) {
      x.col[j][i] = sin(1.7 * i + 2.3 * j);
      g.col[j][i] = 1;
    }
  loss_of(&world, spread, &x, h);
  boltz_spread_gradient(spread, h, 1.0 / N, &x, &g, world.arena);
  for (int j = 0; j < 4; j++)
    for (int i = 0; i < N; i++) {
      const double at = x.col[j][i], step = 1e-5;
      x.col[j][i] = at + step;
      const double up = loss_of(&world, spread, &x, other);
      x.col[j][i] = at - step;
      const double down = loss_of(&world, spread, &x, other);
      x.col[j][i] = at;
      /* roundings 1e-16/step, the third derivative 1e2 times step^2 */
      CHECK_NEAR(g.col[j][i] - 1, (up - down) / (2 * step), 1e-8);
    }
  boltz_arena_close(world.arena);
}

static void far_and_lost_rows_do_no_harm(void) {
  struct world world = open_world("{\"kind\":\"double_well\"}");
  struct boltz_spread *spread = new_spread(&world, "log(x1)", 0, 1);
  struct boltz_batch x = new_batch(&world, 4), g = new_batch(&world, 4);
  double h[KERNELS] = {0};
  x.col[0][0] = -1, x.col[0][1] = 0, x.col[0][2] = 2, x.col[0][3] = 1e300;
  CHECK_INT(boltz_spread_add(spread, &x, h, world.arena), 2); /* NaN and -infinity do not count */
  for (int b = 0; b < KERNELS; b++) h[b] /= 2;
  boltz_spread_gradient(spread, h, 0.5, &x, &g, world.arena);
  CHECK(g.col[0][0] == 0 && g.col[0][1] == 0 && isfinite(g.col[0][2]) && g.col[0][2] != 0);
  CHECK(fabs(g.col[0][3]) < 1e-300 && g.col[1][3] == 0);
  /* all in one place: most kernels see nobody, and their logarithms are not asked for */
  x.n = g.n = 1;
  x.col[0][0] = 1e300, g.col[0][0] = 0;
  memset(h, 0, sizeof h);
  CHECK_INT(boltz_spread_add(spread, &x, h, world.arena), 1);
  CHECK(boltz_spread_loss(h) == 0);
  boltz_spread_gradient(spread, h, 1, &x, &g, world.arena);
  CHECK(g.col[0][0] == 0);
  /* nobody counts: there is no J_RC, not the worst there can be */
  x.col[0][0] = -1;
  CHECK(isnan(loss_of(&world, spread, &x, h)));
  /* one row so far away that squares overflow leaves the others theirs */
  spread = new_spread(&world, "exp(100*x1)", 0, 1);
  x.n = g.n = 3;
  x.col[0][0] = -0.01, x.col[0][1] = -0.005, x.col[0][2] = 4;
  for (int i = 0; i < 3; i++) g.col[0][i] = 0;
  CHECK(isfinite(loss_of(&world, spread, &x, h)) && fabs(h[10] - 1.0 / 3) < 0.1);
  boltz_spread_gradient(spread, h, 1, &x, &g, world.arena);
  CHECK(g.col[0][0] != 0 && isfinite(g.col[0][0]) && g.col[0][1] != 0 && g.col[0][2] == 0);
  /* and a range may be narrow */
  spread = new_spread(&world, "x1*1e-170", 0, 1e-170);
  x.col[0][0] = 0.2, x.col[0][1] = 0.3, x.col[0][2] = 0.9;
  loss_of(&world, spread, &x, h);
  for (int i = 0; i < 3; i++) g.col[0][i] = 0;
  boltz_spread_gradient(spread, h, 1, &x, &g, world.arena);
  for (int i = 0; i < 3; i++) CHECK(isfinite(g.col[0][i]) && g.col[0][i] != 0);
  boltz_arena_close(world.arena);
}

static void exhausted_scratch_shows(void) {
  struct world world = open_world("{\"kind\":\"double_well\"}");
  struct boltz_spread *spread = new_spread(&world, "x1", 0, 1);
  struct boltz_arena *small = boltz_arena_open(64);
  struct boltz_batch x = new_batch(&world, 100), g = new_batch(&world, 100);
  double h[KERNELS] = {0};
  CHECK_INT(boltz_spread_add(spread, &x, h, small), 0);
  CHECK(boltz_arena_exhausted(small));
  boltz_spread_gradient(spread, h, 1, &x, &g, small);
  CHECK(isnan(g.col[0][0]) && isnan(g.col[1][99]));
  boltz_arena_close(small);
  boltz_arena_close(world.arena);
}

static void what_is_no_coordinate_is_refused(void) {
  struct world world = open_world("{\"kind\":\"particle_dimer\",\"n_solvent\":0}");
  static const struct {
    const char *of;
    double low, high;
    enum boltz_status status;
    const char *pointer, *says;
  } cases[] = {
      {NULL, 0, 1, BOLTZ_OUT_OF_RANGE, "/rc_of", "rc_of"},
      {"d", 0, 1, BOLTZ_OUT_OF_RANGE, "/rc_of", "no derivative"},
      {"x5", 0, 1, BOLTZ_UNKNOWN_NAME, "/rc_of", "x1 … x4"},
      {"energy", 0, 1, BOLTZ_UNKNOWN_NAME, "/rc_of", "energy"},
      {"x1 +", 0, 1, BOLTZ_OUT_OF_RANGE, "/rc_of", "rc_of"},
      {"x1", 1, 1, BOLTZ_OUT_OF_RANGE, "/rc_high", "rc_low = 1"},
      {"x1", 0, INFINITY, BOLTZ_OUT_OF_RANGE, "/rc_high", "inf"},
      {"x1", 0, 1e-320, BOLTZ_OUT_OF_RANGE, "/rc_high", "rc_low = 0"},
  };
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    struct boltz_spread *spread;
    CHECK_INT(boltz_spread_new(&world.energy, cases[k].of, cases[k].low, cases[k].high, world.arena,
                               &spread),
              cases[k].status);
    CHECK_TEXT(boltz_error_pointer(), cases[k].pointer);
    CHECK_MSG(strstr(boltz_error(), cases[k].says) != NULL, "case %zu: %s", k, boltz_error());
  }
  boltz_arena_close(world.arena);
}

int main(int argc, char **argv) {
  RUN(one_place_and_all_places_give_what_they_must);
  RUN(gradients_match_differences);
  RUN(far_and_lost_rows_do_no_harm);
  RUN(exhausted_scratch_shows);
  RUN(what_is_no_coordinate_is_refused);
  return check_report();
}
