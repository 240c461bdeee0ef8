/* test_energies_sites.c - the lattice models whose coordinates are their own: phi4 as it is usually
 * written, Lebwohl and Lasher's rods by their angles. core/exact has their integrals. */
#include "tests/lattice.h"

/* S as it is usually written, neighbour by neighbour. */
static double action(int L, double m2, double lambda, const struct boltz_batch *x, size_t row) {
  double S = 0;
  for (int r = 0; r < L; r++)
    for (int c = 0; c < L; c++) {
      const double phi = x->col[r * L + c][row];
      const double four = x->col[r * L + (c + 1) % L][row] + x->col[r * L + (c + L - 1) % L][row] +
                          x->col[(r + 1) % L * L + c][row] + x->col[(r + L - 1) % L * L + c][row];
      S += m2 * phi * phi + lambda * pow(phi, 4) + phi * (4 * phi - four);
    }
  return S;
}

static void the_action_is_a_sum_over_four_neighbours(void) {
  const char *json[] = {"{\"L\": 2, \"m2\": -4, \"lambda\": 8}",
                        "{\"L\": 5, \"m2\": -4, \"lambda\": 8}"};
  for (int k = 0; k < 2; k++) {
    enum { ROWS = 10 };
    const int L = k ? 5 : 2;
    struct specimen s = specimen_open("phi4", json[k], 0.5);
    struct boltz_batch x = batch_new(&s, ROWS, s.energy.dim);
    double u[ROWS];
    CHECK_INT(s.energy.dim, L * L);
    for (int j = 0; j < x.dim; j++)
      for (size_t i = 0; i < ROWS; i++) x.col[j][i] = normal(i, (uint32_t)j);
    evaluate(&s, &x, u);
    struct boltz_batch U = variable(&s, "u_per_site", &x), m = variable(&s, "m", &x);
    struct boltz_batch abs_m = variable(&s, "abs_m", &x);
    for (size_t i = 0; i < ROWS; i++) {
      const double S = action(L, -4, 8, &x, i);
      double mean = 0;
      for (int j = 0; j < x.dim; j++) mean += x.col[j][i] / x.dim;
      CHECK_NEAR(u[i], S / 0.5, 1e-12 * (1 + fabs(S)));
      CHECK_NEAR(U.col[0][i], S / (L * L), 1e-12 * (1 + fabs(S)));
      CHECK_NEAR(m.col[0][i], mean, 1e-15);
      CHECK_NEAR(abs_m.col[0][i], fabs(mean), 1e-15);
    }
    specimen_close(&s);
  }
}

static void a_far_field_is_no_finite_action(void) {
  struct specimen s = specimen_open("phi4", "{}", 1);
  struct boltz_batch x = batch_new(&s, 3, s.energy.dim);
  double u[3];
  for (int j = 0; j < x.dim; j++) {
    x.col[j][0] = j == 0 ? 1e160 : 0.1;
    x.col[j][1] = 1e200;
    x.col[j][2] = j % 2 ? 1.7e308 : -1.7e308;
  }
  evaluate(&s, &x, u);
  for (int i = 0; i < 3; i++) CHECK_MSG(!(u[i] < INFINITY), "%g", u[i]);
  specimen_close(&s);
}

/* cos gamma of two sites from their angles, as spherical trigonometry has it. */
static double cos_between(const struct boltz_batch *x, size_t row, int i, int j) {
  const double a = x->col[2 * i][row], b = x->col[2 * j][row];
  return a * b +
         sqrt(1 - a * a) * sqrt(1 - b * b) * cos(x->col[2 * i + 1][row] - x->col[2 * j + 1][row]);
}

static void random_rods(struct boltz_batch *x) {
  for (int j = 0; j < x->dim; j++)
    for (size_t i = 0; i < x->n; i++)
      x->col[j][i] = j % 2 ? 2 * pi * uniform(i, (uint32_t)j) : 2 * uniform(i, (uint32_t)j) - 1;
}

static void rods_have_the_energy_of_their_angles(void) {
  enum { ROWS = 20 };
  for (int N = 2; N <= 4; N++) {
    char json[40];
    snprintf(json, sizeof(json), "{\"N\": %d, \"J\": 1.5}", N);
    struct specimen s = specimen_open("lebwohl_lasher", json, 1.25);
    const int sites = s.energy.dim / 2;
    double bonds[SITES_MAX * SITES_MAX], u[ROWS];
    boltz_lattice_bonds(N, 3, sites, bonds);
    struct boltz_batch x = batch_new(&s, ROWS, s.energy.dim);
    CHECK_INT(sites, N * N * N);
    random_rods(&x);
    evaluate(&s, &x, u);
    struct boltz_batch per_site = variable(&s, "u_per_site", &x);
    for (size_t row = 0; row < ROWS; row++) {
      double U = 0;
      for (int i = 0; i < sites; i++)
        for (int j = 0; j < i; j++)
          U -= 1.5 * bonds[i * sites + j] * (1.5 * pow(cos_between(&x, row, i, j), 2) - 0.5);
      CHECK_NEAR(u[row], U / 1.25, 1e-11); /* the angles' difference rounds, a few hundred bonds */
      CHECK_NEAR(per_site.col[0][row], U / sites, 1e-12);
    }
    specimen_close(&s);
  }
}

static void rods_that_are_not_coupled_have_no_energy(void) {
  struct specimen s = specimen_open("lebwohl_lasher", "{\"N\": 3, \"J\": 0}", 1);
  struct boltz_batch x = batch_new(&s, 5, s.energy.dim);
  double u[5];
  random_rods(&x);
  evaluate(&s, &x, u);
  for (int i = 0; i < 5; i++) CHECK(u[i] == 0);
  CHECK_INT(s.energy.domain[0].type, BOLTZ_INTERVAL);
  CHECK_INT(s.energy.domain[1].type, BOLTZ_PERIODIC);
  specimen_close(&s);
}

static void rods_at_the_poles_have_finite_gradients(void) {
  struct specimen s = specimen_open("lebwohl_lasher", "{\"N\": 2, \"J\": 1}", 1);
  struct boltz_batch x = batch_new(&s, 3, 16), g = batch_new(&s, 3, 16);
  double u[3];
  for (int j = 0; j < 16; j++)
    for (int i = 0; i < 3; i++)
      x.col[j][i] = j % 2 ? 0.3 * j : i == 2 && j != 4 ? 0.4 : (i == 1 && j > 7 ? -1 : 1);
  boltz_energy_eval(&s.energy, 1, &x, u, &g, s.arena);
  for (int j = 0; j < 16; j++)
    for (int i = 0; i < 3; i++) CHECK_MSG(isfinite(g.col[j][i]), "%d, %d", j, i);
  CHECK_NEAR(u[0], -24, 1e-6); /* one ulp from the pole a rod is 1.5e-8 off it */
  CHECK_NEAR(u[1], -24, 1e-6); /* head and tail are one */
  specimen_close(&s);
}

static void rods_that_all_turn_keep_their_energy(void) {
  struct specimen s = specimen_open("lebwohl_lasher", "{\"N\": 3}", 1);
  struct boltz_batch x = batch_new(&s, 4, s.energy.dim), y = batch_new(&s, 4, s.energy.dim);
  double u[4], v[4];
  random_rods(&x);
  for (int j = 0; j < x.dim; j++)
    for (int i = 0; i < 4; i++) y.col[j][i] = x.col[j][i] + (j % 2 ? 2.5 : 0);
  evaluate(&s, &x, u);
  evaluate(&s, &y, v);
  struct boltz_batch before = variable(&s, "s", &x), after = variable(&s, "s", &y);
  for (int i = 0; i < 4; i++) {
    CHECK_NEAR(v[i], u[i], 1e-12);
    CHECK_NEAR(after.col[0][i], before.col[0][i], 1e-12);
  }
  specimen_close(&s);
}

/* Q of parallel rods, of half along x and half along y, of a cube's diagonals. */
static void the_order_is_the_largest_eigenvalue_of_Q(void) {
  struct specimen s = specimen_open("lebwohl_lasher", "{\"N\": 2}", 1);
  struct boltz_batch x = batch_new(&s, 4, 16);
  for (int site = 0; site < 8; site++) {
    double *const c[] = {x.col[2 * site], x.col[2 * site + 1]};
    c[0][0] = site % 2 ? 0.6 : -0.6, c[1][0] = site % 2 ? 1 : 1 + pi;
    c[0][1] = 0, c[1][1] = site % 2 ? pi / 2 : pi;
    c[0][2] = (site & 1 ? 1 : -1) / sqrt(3), c[1][2] = (2 * (site >> 1) + 1) * pi / 4;
    c[0][3] = site < 6 ? 0 : 1 - 1e-12, c[1][3] = site * pi / 3;
  }
  const double *order = variable(&s, "s", &x).col[0];
  CHECK_NEAR(order[0], 1, 1e-12);
  CHECK_NEAR(order[1], 0.25, 1e-12);
  CHECK_NEAR(order[2], 0, 1e-12);
  CHECK_NEAR(order[3], 1.5 * 3 / 8 - 0.5, 1e-6); /* six in the plane of x and y: 3/8 along each */
  specimen_close(&s);
}

static void rods_without_scratch_have_no_energy(void) {
  struct specimen s = specimen_open("lebwohl_lasher", "{}", 1);
  struct boltz_batch x = batch_new(&s, 1, s.energy.dim), g = batch_new(&s, 1, s.energy.dim);
  struct boltz_arena *none = boltz_arena_open(1);
  double u = 0;
  for (int j = 0; j < x.dim; j++) g.col[j][0] = 99;
  boltz_energy_eval(&s.energy, 1, &x, &u, &g, none);
  CHECK(isnan(u));
  for (int j = 0; j < x.dim; j++) CHECK(g.col[j][0] == 0);
  boltz_arena_close(none);
  specimen_close(&s);
}

static void settings_without_a_density_are_refused(void) {
  check_refused("phi4", "{\"lambda\": 0, \"m2\": -1}", "/m2");
  check_refused("phi4", "{\"lambda\": 0, \"m2\": 0}", "/m2");
  check_refused("phi4", "{\"lambda\": -1}", "/lambda");
  check_refused("phi4", "{\"L\": 1}", "/L");
  check_refused("lebwohl_lasher", "{\"N\": 1}", "/N");
  check_refused("lebwohl_lasher", "{\"N\": 13}", "/N");
}

int main(int argc, char **argv) {
  RUN(the_action_is_a_sum_over_four_neighbours);
  RUN(a_far_field_is_no_finite_action);
  RUN(rods_have_the_energy_of_their_angles);
  RUN(rods_that_are_not_coupled_have_no_energy);
  RUN(rods_at_the_poles_have_finite_gradients);
  RUN(rods_that_all_turn_keep_their_energy);
  RUN(the_order_is_the_largest_eigenvalue_of_Q);
  RUN(rods_without_scratch_have_no_energy);
  RUN(settings_without_a_density_are_refused);
  return check_report();
}
