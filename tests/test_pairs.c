/* test_pairs.c - energies of particles that meet in pairs: the plain formulas, variables, particles
 * on top of each other, and the settings that are refused. */
#include "core/exact/routes.h"
#include "tests/particles.h"

/* The slow, obvious energies. */
static double nearest(double d, double L) {
  return d - L * round(d / L);
}

static double distance(const double *x, int space, int p, int q, double L) {
  double r2 = 0;
  for (int k = 0; k < space; k++) {
    const double d = x[p * space + k] - x[q * space + k], e = L > 0 ? nearest(d, L) : d;
    r2 += e * e;
  }
  return sqrt(r2);
}

static double lennard_jones(double epsilon, double sigma, double r) {
  return 4 * epsilon * (pow(sigma / r, 12) - pow(sigma / r, 6));
}

static double slow_fluid(const double *x) {
  double U = 0;
  for (int p = 0; p < 4; p++)
    for (int q = 0; q < p; q++) {
      const double r = distance(x, 2, p, q, 4.5);
      if (r < 2) U += lennard_jones(1.5, 0.9, r) - lennard_jones(1.5, 0.9, 2);
    }
  return U;
}

static double slow_chain(const double *x) {
  double U = 0;
  for (int p = 0; p < 4; p++)
    for (int q = 0; q < p; q++) {
      const double r = distance(x, 3, p, q, 4);
      U += lennard_jones(0.7, 1.1, r);
      if (p == q + 1) U += 0.5 * 3 * (r - 1.2) * (r - 1.2);
    }
  return U;
}

static double slow_dimer(const double *x) {
  const double d0 = 2 * (distance(x, 2, 0, 1, 0) - 1.5);
  double U = 1.3 * d0 - 25 * d0 * d0 + 10 * pow(d0, 4);
  U += 20 * pow(x[0] + x[2], 2) + 20 * (x[1] * x[1] + x[3] * x[3]);
  for (int j = 0; j < 12; j++) U += 200 * pow(fmax(fabs(x[j]) - 3, 0), 2);
  for (int p = 2; p < 6; p++)
    for (int q = 0; q < p; q++) U += 2 * pow(0.8 / distance(x, 2, p, q, 0), 12);
  return U;
}

static double slow_cluster(const double *x) {
  double U = 0, mean[2] = {0, 0};
  for (int p = 0; p < 5; p++)
    for (int k = 0; k < 2; k++) mean[k] += x[2 * p + k] / 5;
  for (int p = 0; p < 5; p++) {
    for (int k = 0; k < 2; k++) U += 0.5 * 0.8 * pow(x[2 * p + k] - mean[k], 2);
    for (int q = 0; q < p; q++) U += lennard_jones(2, 0.9, distance(x, 2, p, q, 0));
  }
  return U;
}

static double slow_dw4(const double *x) {
  double U = 0;
  for (int p = 0; p < 4; p++)
    for (int q = 0; q < p; q++) {
      const double e = distance(x, 2, p, q, 0) - 4;
      U += 0.9 * pow(e, 4) - 4 * e * e;
    }
  return U;
}

/* Against the slow energy of positions in [low, high]; `space` > 0: coordinates are Helmert's. */
static void check_pointwise(const char *name, const char *settings, double (*slow)(const double *),
                            int space, double low, double high) {
  enum { N = 300 };
  struct specimen s = specimen_open(name, settings);
  const int dim = s.energy.dim, width = dim + space;
  struct boltz_batch x = batch_new(&s, N, dim);
  double *rows = boltz_arena_alloc(s.arena, (size_t)N * dim, sizeof(double)), u[N], U[N];
  double position[64];
  for (int i = 0; i < N; i++) {
    for (int j = 0; j < width; j++) position[j] = low + (high - low) * uniform((uint64_t)i, j);
    U[i] = slow(position);
    if (space)
      boltz_exact_helmert(width / space, space, position, rows + (size_t)i * dim);
    else
      memcpy(rows + (size_t)i * dim, position, (size_t)dim * sizeof(double));
  }
  boltz_batch_from_rows(&x, rows);
  boltz_energy_eval(&s.energy, 1.6, &x, u, NULL, s.arena);
  /* rounding of r is multiplied by 12 or so */
  for (int i = 0; i < N; i++)
    CHECK_MSG(fabs(u[i] - U[i] / 1.6) <= 1e-11 * (1 + fabs(U[i])), "%s %d: %.15g, not %.15g", name,
              i, u[i], U[i] / 1.6);
  specimen_close(&s);
}

static void energies_are_those_of_the_plain_formulas(void) {
  check_pointwise("lj_fluid",
                  "{\"N\": 4, \"space\": 2, \"L\": 4.5, \"epsilon\": 1.5, \"sigma\": 0.9, "
                  "\"cutoff\": 2, \"shift\": true}",
                  slow_fluid, 0, 0, 4.4999);
  check_pointwise("polymer_chain",
                  "{\"N\": 4, \"L\": 4, \"k\": 3, \"r0\": 1.2, \"epsilon\": 0.7, \"sigma\": 1.1}",
                  slow_chain, 0, 0, 3.9999);
  check_pointwise("particle_dimer",
                  "{\"n_solvent\": 4, \"slope\": 1.3, \"epsilon\": 2, \"rm\": 0.8}", slow_dimer, 0,
                  -3.5, 3.5);
  check_pointwise("lj_cluster",
                  "{\"N\": 5, \"space\": 2, \"epsilon\": 2, \"sigma\": 0.9, \"k\": 0.8}",
                  slow_cluster, 2, -2, 2);
  check_pointwise("dw4", "{}", slow_dw4, 2, -4, 4);
}

/* u with coordinate j of every sample moved by h. */
static void u_beside(struct specimen *s, struct boltz_batch *x, int j, double h, double *u) {
  double kept[1000];
  memcpy(kept, x->col[j], x->n * sizeof(double));
  for (size_t i = 0; i < x->n; i++) x->col[j][i] += h;
  boltz_energy_eval(&s->energy, 1, x, u, NULL, s->arena);
  memcpy(x->col[j], kept, x->n * sizeof(double));
}

/* Differences of the fourth order, at points where no particles are so close that they fail. */
static void check_gradient(const char *name, const char *settings, double low, double high) {
  enum { N = 200 };
  const double h = 1e-4;
  struct specimen s = specimen_open(name, settings);
  struct boltz_batch x = scattered(&s, N, low, high), g = batch_new(&s, N, s.energy.dim);
  double u[N], u1[N], u2[N], d1[N], d2[N];
  int seen = 0;
  boltz_energy_eval(&s.energy, 1, &x, u, &g, s.arena);
  for (int j = 0; j < x.dim; j++) {
    u_beside(&s, &x, j, -2 * h, d2), u_beside(&s, &x, j, -h, d1);
    u_beside(&s, &x, j, h, u1), u_beside(&s, &x, j, 2 * h, u2);
    for (int i = 0; i < N; i++) {
      if (!(u[i] < 1e4)) continue;
      const double difference = (8 * (u1[i] - d1[i]) - (u2[i] - d2[i])) / (12 * h);
      /* the fifth derivative is 17!/11!/r^5 u or less, r > 0.45: h^4/30 of that is 4e-9 u */
      const double tolerance = 1e-8 * (1 + fabs(u[i]));
      CHECK_MSG(fabs(g.col[j][i] - difference) <= tolerance, "%s %d: %.12g, not %.12g", name, j,
                g.col[j][i], difference);
      seen++;
    }
  }
  CHECK_MSG(seen > 10 * x.dim, "%s: %d", name, seen);
  specimen_close(&s);
}

static void gradients_match_fine_differences(void) {
  check_gradient("lj_fluid", "{\"N\": 4, \"L\": 6}", 0, 6);
  check_gradient("lj_cluster", "{\"N\": 4, \"space\": 2}", -4, 4);
  check_gradient("polymer_chain", "{\"N\": 4, \"L\": 6}", 0, 6);
  check_gradient("particle_dimer", "{\"n_solvent\": 4}", -3.2, 3.2);
  check_gradient("dw4", "{}", -4, 5);
}

/* Without a shift, pairs keep their energy up to the cut-off and have none from there on. */
static void the_cutoff_counts_from_its_own_distance(void) {
  struct specimen s = specimen_open("lj_fluid", "{\"cutoff\": 2.5, \"space\": 2}");
  struct boltz_batch x = batch_new(&s, 3, 4), g = batch_new(&s, 3, 4);
  const double r[3] = {2.4375, 2.5, 1.5};
  double u[3];
  for (int i = 0; i < 3; i++) x.col[0][i] = 4, x.col[2][i] = fmod(4 + r[i], 5);
  boltz_energy_eval(&s.energy, 1, &x, u, &g, s.arena);
  CHECK_NEAR(u[0], lennard_jones(1, 1, r[0]), 1e-14);
  CHECK(u[1] == 0 && g.col[0][1] == 0);
  CHECK_NEAR(u[2], lennard_jones(1, 1, r[2]), 1e-14);
  specimen_close(&s);
}

/* The positions of a Helmert kind: their mean is 0, lengths are those of y, and they go back to y.
 */
static void check_positions(const char *name, const char *settings, int particles, int space) {
  enum { N = 50 };
  struct specimen s = specimen_open(name, settings);
  const struct boltz_variable *positions = boltz_energy_variable(&s.energy, "positions");
  struct boltz_batch y = scattered(&s, N, -2, 2), x = batch_new(&s, N, particles * space);
  struct boltz_batch rg = batch_new(&s, N, 1);
  CHECK_INT(boltz_variable_width(&s.energy, positions), particles * space);
  boltz_variable_eval(&s.energy, positions, 1, 1, 0, &y, &x, s.arena);
  boltz_variable_eval(&s.energy, boltz_energy_variable(&s.energy, "rg"), 1, 1, 0, &y, &rg, s.arena);
  double *rows = boltz_arena_alloc(s.arena, (size_t)N * x.dim, sizeof(double)), back[64];
  boltz_batch_to_rows(&x, rows);
  for (int i = 0; i < N; i++) {
    const double *row = rows + (size_t)i * x.dim;
    double mean[3] = {0}, squares = 0;
    for (int j = 0; j < x.dim; j++) mean[j % space] += row[j] / particles;
    for (int j = 0; j < x.dim; j++) squares += row[j] * row[j];
    for (int a = 0; a < space; a++) CHECK_NEAR(mean[a], 0, 1e-14);
    CHECK_NEAR(rg.col[0][i], sqrt(squares / particles), 1e-14);
    boltz_exact_helmert(particles, space, row, back);
    for (int j = 0; j < y.dim; j++) CHECK_NEAR(back[j], y.col[j][i], 1e-13);
  }
  specimen_close(&s);
}

static void positions_without_their_centre_are_the_coordinates(void) {
  check_positions("lj_cluster", "{\"N\": 13}", 13, 3);
  check_positions("lj_cluster", "{\"N\": 2, \"space\": 2}", 2, 2);
  check_positions("dw4", "{}", 4, 2);
}

static double variable_at(struct specimen *s, const char *name, const double *row) {
  struct boltz_batch x = batch_new(s, 1, s->energy.dim), value = batch_new(s, 1, 1);
  const struct boltz_variable *variable = boltz_energy_variable(&s->energy, name);
  CHECK_MSG(variable, "%s", name);
  if (!variable) return NAN;
  boltz_batch_from_rows(&x, row);
  boltz_variable_eval(&s->energy, variable, 1, 1, 0, &x, &value, s->arena);
  return value.col[0][0];
}

static void variables_measure_across_the_edge_of_the_box(void) {
  struct specimen pair = specimen_open("lj_fluid", "{\"space\": 2}");
  CHECK_NEAR(variable_at(&pair, "r", (double[]){4.8, 1, 0.2, 4.7}), hypot(0.4, 1.3), 1e-15);
  CHECK_NEAR(variable_at(&pair, "rg", (double[]){4.8, 1, 0.2, 4.7}), hypot(0.4, 1.3) / 2, 1e-15);
  specimen_close(&pair);

  /* A straight chain along x, 1.25 apart: places 0, 1.25, ... 6.25, more than the box is long. */
  struct specimen chain = specimen_open("polymer_chain", "{\"N\": 6}");
  double row[18];
  for (int p = 0; p < 6; p++)
    row[3 * p] = fmod(3 + 1.25 * p, 5), row[3 * p + 1] = row[3 * p + 2] = 1;
  CHECK_NEAR(variable_at(&chain, "rg", row), 1.25 * sqrt(35.0 / 12), 1e-14); /* (6^2 - 1)/12 */
  CHECK(!boltz_energy_variable(&chain.energy, "r"));
  specimen_close(&chain);

  struct specimen dimer = specimen_open("particle_dimer", "{\"n_solvent\": 1}");
  CHECK_NEAR(variable_at(&dimer, "d", (double[]){-0.6, 0, 0.6, 0.5, 9, 9}), 1.3, 1e-15);
  CHECK_NEAR(variable_at(&dimer, "rg", (double[]){-1, 0, 1, 0, 0, 3}), sqrt(8.0 / 3), 1e-15);
  specimen_close(&dimer);

  struct specimen cluster = specimen_open("lj_cluster", "{\"space\": 2}");
  CHECK_NEAR(variable_at(&cluster, "r", (double[]){0.3, 0.4}), 0.5 * sqrt(2), 1e-15);
  specimen_close(&cluster);
}

/* All coordinates 0: every particle on every other. */
static void check_collapse(const char *name, const char *settings, double expected) {
  struct specimen s = specimen_open(name, settings);
  struct boltz_batch x = batch_new(&s, 1, s.energy.dim), g = batch_new(&s, 1, s.energy.dim);
  double u, near;
  boltz_energy_eval(&s.energy, 1, &x, &u, &g, s.arena);
  if (isfinite(expected)) CHECK_NEAR(u, expected, 1e-12 * expected);
  if (!isfinite(expected)) CHECK_MSG(u == expected, "%s: %g", name, u);
  for (int j = 0; j < x.dim; j++) CHECK_MSG(isfinite(g.col[j][0]), "%s %d", name, j);
  /* and closer and closer, as far as numbers go, no NaN and nothing low */
  for (double r = 0.1; expected == INFINITY && r > 0; r /= 8) {
    x.col[0][0] = r;
    boltz_energy_eval(&s.energy, 1, &x, &near, &g, s.arena);
    CHECK_MSG(near > 1e6, "%s at %g: %g", name, r, near);
    for (int j = 0; j < x.dim; j++) CHECK_MSG(isfinite(g.col[j][0]), "%s %d at %g", name, j, r);
  }
  specimen_close(&s);
}

static void particles_on_top_of_each_other_are_impossible(void) {
  check_collapse("lj_fluid", "{\"N\": 3}", INFINITY);
  check_collapse("lj_fluid", "{\"N\": 3, \"cutoff\": 2, \"shift\": true}", INFINITY);
  check_collapse("lj_cluster", "{\"N\": 3}", INFINITY);
  check_collapse("polymer_chain", "{\"N\": 3}", INFINITY);
  check_collapse("particle_dimer", "{\"n_solvent\": 1}", INFINITY);
  /* what does not repel at 0 has the energy of its formula there */
  check_collapse("particle_dimer", "{\"n_solvent\": 0, \"slope\": 2}", 10 * 81 - 25 * 9 - 3 * 2);
  check_collapse("dw4", "{}", 6 * (0.9 * 256 - 4 * 16));
}

static void a_move_onto_another_particle_costs_infinity(void) {
  struct specimen s = specimen_open("lj_fluid", "{\"N\": 3, \"space\": 2}");
  struct boltz_batch x = scattered(&s, 1, 0, 5), moved = batch_new(&s, 1, 2);
  double du;
  for (int k = 0; k < 2; k++) moved.col[k][0] = x.col[4 + k][0];
  s.energy.kind->difference(s.energy.settings, 1, &x, 0, &moved, &du, s.arena);
  CHECK(du == INFINITY);
  specimen_close(&s);
}

static void check_refused(const char *name, const char *text, const char *pointer,
                          const char *sentence) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy;
  CHECK_MSG(try_energy(arena, name, text, &energy) == BOLTZ_OUT_OF_RANGE, "%s %s: %s", name, text,
            boltz_error());
  CHECK_TEXT(boltz_error_pointer(), pointer);
  CHECK_MSG(strstr(boltz_error(), sentence), "%s %s: \"%s\"", name, text, boltz_error());
  boltz_arena_close(arena);
}

static void settings_that_make_no_sense_are_refused(void) {
  check_refused("particle_dimer", "{\"n_solvent\": 3}", "/n_solvent",
                "n_solvent = 3 is not a square");
  check_refused("particle_dimer", "{\"n_solvent\": 2026}", "/n_solvent", "2026");
  check_refused("particle_dimer", "{\"rm\": 0}", "/rm", "rm");
  check_refused("lj_fluid", "{\"cutoff\": 2.6}", "/cutoff", "cutoff = 2.6 is over L/2 = 2.5");
  check_refused("lj_fluid", "{\"cutoff\": 0}", "/cutoff", "cutoff");
  check_refused("lj_fluid", "{\"shift\": true}", "/shift", "needs a cutoff");
  check_refused("lj_fluid", "{\"N\": 1366}", "/N", "at most 1365");
  check_refused("lj_fluid", "{\"space\": 1}", "/space", "space");
  check_refused("lj_cluster", "{\"N\": 1366}", "/N", "at most 1365");
  check_refused("lj_cluster", "{\"N\": 1}", "/N", "N");
  check_refused("lj_cluster", "{\"epsilon\": 0}", "/epsilon", "epsilon");
  check_refused("polymer_chain", "{\"N\": 1366}", "/N", "N");
  check_refused("polymer_chain", "{\"L\": -5}", "/L", "L");
}

static void as_many_particles_as_coordinates_allow_are_accepted(void) {
  const char *const all[][2] = {{"particle_dimer", "{\"n_solvent\": 2025}"},
                                {"lj_fluid", "{\"N\": 2048, \"space\": 2, \"cutoff\": 2.5}"},
                                {"lj_cluster", "{\"N\": 1365}"},
                                {"polymer_chain", "{\"N\": 1365}"}};
  for (int k = 0; k < 4; k++) {
    struct specimen s = specimen_open(all[k][0], all[k][1]);
    CHECK(s.energy.dim <= BOLTZ_DIM_MAX);
    specimen_close(&s);
  }
}

static void exhausted_scratch_shows_as_nan(void) {
  struct specimen s = specimen_open("lj_cluster", "{\"N\": 13}");
  struct boltz_arena *small = boltz_arena_open(4096);
  struct boltz_batch y = scattered(&s, 1000, -2, 2), g = batch_new(&s, 1000, s.energy.dim);
  double *u = boltz_arena_alloc(s.arena, 1000, sizeof(double));
  boltz_energy_eval(&s.energy, 1, &y, u, &g, small);
  for (int i = 0; i < 1000; i++) CHECK(isnan(u[i]));
  boltz_arena_close(small);
  specimen_close(&s);
}

int main(int argc, char **argv) {
  RUN(energies_are_those_of_the_plain_formulas);
  RUN(gradients_match_fine_differences);
  RUN(the_cutoff_counts_from_its_own_distance);
  RUN(positions_without_their_centre_are_the_coordinates);
  RUN(variables_measure_across_the_edge_of_the_box);
  RUN(particles_on_top_of_each_other_are_impossible);
  RUN(a_move_onto_another_particle_costs_infinity);
  RUN(settings_that_make_no_sense_are_refused);
  RUN(as_many_particles_as_coordinates_allow_are_accepted);
  RUN(exhausted_scratch_shows_as_nan);
  return check_report();
}
