/* test_energies_lattices.c - the Ising model and the nematic as fields, against the spins that they
 * stand for: by enumeration and dense matrices. core/exact has their log Z and means. */
#include "tests/lattice.h"

/* ln of the density of the fields given the spins: every component Normal(K c_a, K). */
static double log_normal(const struct boltz_lattice *l, const int *spins,
                         const struct boltz_batch *x, size_t row) {
  double log_p = 0, c[SITES_MAX], mean[SITES_MAX];
  for (int a = 0; a < l->components; a++) {
    boltz_lattice_component(l, spins, a, c);
    boltz_lattice_apply(l->sites, l->K, c, mean);
    for (int i = 0; i < l->sites; i++) c[i] = x->col[l->components * i + a][row] - mean[i];
    log_p -= 0.5 * inverse_form(l, c) + 0.5 * l->log_det;
  }
  return log_p;
}

/* exp(-u(phi)) = sum over the spins of exp(-U/T) times the density of phi given them. */
static void check_pointwise(const char *name, const char *json, double T, int side, double J,
                            double h, double alpha) {
  enum { N = 4 };
  struct specimen s = specimen_open(name, json, T);
  const struct boltz_lattice l = lattice_of(&s, side, J, h, alpha);
  struct boltz_batch x = batch_new(&s, N, s.energy.dim);
  double u[N], *terms = malloc(sizeof(double) * (size_t)boltz_lattice_count(&l));
  for (int j = 0; j < x.dim; j++)
    for (size_t i = 0; i < N; i++) x.col[j][i] = 2 * normal(i, (uint32_t)j);
  evaluate(&s, &x, u);
  for (size_t i = 0; i < N; i++) {
    for (int k = 0; k < boltz_lattice_count(&l); k++) {
      int spins[SITES_MAX];
      boltz_lattice_state(&l, k, spins);
      terms[k] = -boltz_lattice_energy(&l, spins) / l.T + log_normal(&l, spins, &x, i);
    }
    CHECK_NEAR(u[i], -log_sum(boltz_lattice_count(&l), terms),
               1e-11); /* rounding of ~100 terms of ~100 */
  }
  free(terms);
  specimen_close(&s);
}

static void the_ising_field_is_a_sum_over_all_spins_pointwise(void) {
  check_pointwise("ising", "{\"N\": 2, \"J\": 0.4, \"h\": 0.3}", 1.3, 2, 0.4, 0.3, 4.5);
  check_pointwise("ising", "{\"N\": 3, \"J\": 0.7, \"h\": -0.2, \"alpha\": 5}", 0.8, 3, 0.7, -0.2,
                  5);
}

static void the_nematic_field_is_a_sum_over_all_directors_pointwise(void) {
  check_pointwise("nematic", "{\"N\": 2, \"J\": 0.75}", 1, 2, 0.75, 0, 6.5);
  check_pointwise("nematic", "{\"N\": 2, \"J\": 0.5, \"h\": 0.4, \"alpha\": 7}", 1.4, 2, 0.5, 0.4,
                  7);
}

/* The formula with dense matrices, where spins are too many to enumerate. */
static double dense_reduced(const struct boltz_lattice *l, const struct boltz_batch *x,
                            size_t row) {
  double u = 0.5 * l->sites * l->J * l->alpha / l->T, phi[SITES_MAX];
  for (int a = 0; a < l->components; a++) {
    for (int i = 0; i < l->sites; i++) phi[i] = x->col[l->components * i + a][row];
    u += 0.5 * inverse_form(l, phi) + 0.5 * l->log_det;
  }
  for (int i = 0; i < l->sites; i++) {
    double terms[3] = {0};
    for (int k = 0; k < l->states; k++)
      for (int a = 0; a < l->components; a++) {
        const double b = a == l->components - 1 ? l->h / l->T : 0;
        terms[k] += boltz_lattice_value(l, k, a) * (x->col[l->components * i + a][row] + b);
      }
    u -= log_sum(l->states, terms);
  }
  return u;
}

static void check_dense(const char *name, int N, double alpha) {
  enum { ROWS = 67 }; /* more than are transformed together, and no multiple of them */
  char json[80];
  snprintf(json, sizeof(json), "{\"N\": %d, \"J\": 0.6, \"h\": 0.2, \"alpha\": %g}", N, alpha);
  struct specimen s = specimen_open(name, json, 1.2);
  const struct boltz_lattice l = lattice_of(&s, N, 0.6, 0.2, alpha);
  struct boltz_batch x = batch_new(&s, ROWS, s.energy.dim);
  double u[ROWS];
  for (int j = 0; j < x.dim; j++)
    for (size_t i = 0; i < ROWS; i++) x.col[j][i] = 2 * normal(i, (uint32_t)j);
  evaluate(&s, &x, u);
  for (size_t i = 0; i < ROWS; i++) {
    const double expected = dense_reduced(&l, &x, i);
    CHECK_NEAR(u[i], expected, 1e-12 * (1 + fabs(expected)));
  }
  specimen_close(&s);
}

static void fields_of_every_side_agree_with_dense_matrices(void) {
  for (int N = 2; N <= 8; N++) check_dense("ising", N, 4.25);
  for (int N = 2; N <= 4; N++) check_dense("nematic", N, 6.5);
}

/* Fields so far out that exp would overflow: one mode, its eigenvalue known, and |phi|. */
static void far_fields_have_finite_energies(void) {
  struct specimen s = specimen_open("ising", "{\"N\": 4, \"J\": 0.5, \"alpha\": 5}", 1);
  struct boltz_batch x = batch_new(&s, 3, 16), g = batch_new(&s, 3, 16);
  double u[3];
  for (int j = 0; j < 16; j++) {
    x.col[j][0] = 0;
    x.col[j][1] = 1e5;
    x.col[j][2] = (j / 4 + j % 4) % 2 ? 1e5 : -1e5;
  }
  boltz_energy_eval(&s.energy, 1, &x, u, &g, s.arena);
  CHECK_NEAR(u[1] - u[0], 16 * (1e10 / 2 / (0.5 * 9) - 1e5 + log(2)), 1e-4); /* 1e-15 of 1e10 */
  CHECK_NEAR(u[2] - u[0], 16 * (1e10 / 2 / (0.5 * 1) - 1e5 + log(2)), 1e-3);
  CHECK_NEAR(g.col[3][1], 1e5 / (0.5 * 9) - 1, 1e-9);
  CHECK_NEAR(g.col[0][2], -1e5 / 0.5 + 1, 1e-8);
  specimen_close(&s);
}

static void an_overflow_is_no_finite_energy(void) {
  const char *names[] = {"ising", "nematic"};
  for (int k = 0; k < 2; k++) {
    struct specimen s = specimen_open(names[k], "{}", 1);
    struct boltz_batch x = batch_new(&s, 3, s.energy.dim);
    double u[3];
    for (int j = 0; j < x.dim; j++) {
      x.col[j][0] = j == 0 ? 1e160 : 0.1;
      x.col[j][1] = 1e200;
      x.col[j][2] = j % 2 ? 1.7e308 : -1.7e308;
    }
    evaluate(&s, &x, u);
    for (int i = 0; i < 3; i++) CHECK_MSG(!(u[i] < INFINITY), "%s: %g", names[k], u[i]);
    specimen_close(&s);
  }
}

static void exhausted_scratch_is_no_number(void) {
  const char *names[] = {"ising", "nematic"};
  for (int k = 0; k < 2; k++) {
    struct specimen s = specimen_open(names[k], "{}", 1);
    struct boltz_batch x = batch_new(&s, 2, s.energy.dim), g = batch_new(&s, 2, s.energy.dim);
    struct boltz_arena *none = boltz_arena_open(1);
    double u[2] = {0, 0};
    for (int j = 0; j < x.dim; j++) g.col[j][0] = g.col[j][1] = 99;
    boltz_energy_eval(&s.energy, 1, &x, u, &g, none);
    CHECK_MSG(isnan(u[0]) && isnan(u[1]), "%s", names[k]);
    for (int j = 0; j < x.dim; j++) CHECK(g.col[j][0] == 0 && g.col[j][1] == 0);
    boltz_arena_close(none);
    specimen_close(&s);
  }
}

/* Fields of +-50 leave the spins no choice. Row k of the batch is state number k. */
static struct boltz_batch certain_fields(struct specimen *s, const struct boltz_lattice *l) {
  const int count = boltz_lattice_count(l);
  struct boltz_batch x = batch_new(s, (size_t)count, s->energy.dim);
  for (int k = 0; k < count; k++) {
    int spins[SITES_MAX];
    boltz_lattice_state(l, k, spins);
    for (int i = 0; i < l->sites; i++)
      for (int a = 0; a < l->components; a++)
        x.col[l->components * i + a][k] = 50 * (boltz_lattice_value(l, spins[i], a) > 0 ? 1 : -1);
  }
  return x;
}

static void check_certain(const char *name, const char *json, double T, int side, double J,
                          double h) {
  struct specimen s = specimen_open(name, json, T);
  const struct boltz_lattice l = lattice_of(&s, side, J, h, 6.5); /* fields of any alpha will do */
  struct boltz_batch x = certain_fields(&s, &l), drawn = variable(&s, "spins", &x);
  struct boltz_batch U = variable(&s, "u_per_site", &x);
  CHECK_INT(drawn.dim, l.sites);
  for (int k = 0; k < boltz_lattice_count(&l); k++) {
    int spins[SITES_MAX];
    boltz_lattice_state(&l, k, spins);
    for (int i = 0; i < l.sites; i++)
      CHECK(drawn.col[i][k] == (l.states == 2 ? 1 - 2 * spins[i] : spins[i] + 1));
    CHECK_NEAR(U.col[0][k], boltz_lattice_energy(&l, spins) / l.sites,
               1e-13); /* sums of 24 bonds */
  }
  specimen_close(&s);
}

static void u_per_site_is_that_of_the_drawn_spins(void) {
  check_certain("ising", "{\"N\": 2, \"J\": 0.4, \"h\": 0.3}", 1.3, 2, 0.4, 0.3);
  check_certain("ising", "{\"N\": 3, \"J\": 0.7, \"h\": -0.2}", 0.8, 3, 0.7, -0.2);
  check_certain("nematic", "{\"N\": 2, \"J\": 0.75, \"h\": 0.4}", 1, 2, 0.75, 0.4);
}

/* Delta U = 2 s_i (J sum of four neighbours + h): bonds are counted once, and whole. */
static void a_flipped_spin_costs_its_four_bonds(void) {
  const double J = 0.7, h = 0.25;
  struct specimen s = specimen_open("ising", "{\"N\": 3, \"J\": 0.7, \"h\": 0.25}", 1);
  const struct boltz_lattice l = lattice_of(&s, 3, J, h, 4.5);
  struct boltz_batch x = certain_fields(&s, &l), spins = variable(&s, "spins", &x);
  struct boltz_batch U = variable(&s, "u_per_site", &x);
  for (int k = 0; k < 512; k++)
    for (int i = 0; i < 9; i++) {
      const int row = i / 3 * 3, c = i % 3;
      const double four = spins.col[row + (c + 1) % 3][k] + spins.col[row + (c + 2) % 3][k] +
                          spins.col[(row + 3) % 9 + c][k] + spins.col[(row + 6) % 9 + c][k];
      const double cost = 2 * spins.col[i][k] * (J * four + h);
      CHECK_NEAR(9 * (U.col[0][k ^ 1 << i] - U.col[0][k]), cost, 1e-13);
    }
  specimen_close(&s);
}

static void orders_are_those_of_the_drawn_spins(void) {
  struct specimen s = specimen_open("ising", "{\"N\": 4}", 1);
  struct boltz_batch x = batch_new(&s, 2, 16);
  for (int j = 0; j < 16; j++) x.col[j][0] = j < 4 ? 50 : -50, x.col[j][1] = -50;
  CHECK(variable(&s, "m", &x).col[0][0] == -0.5 && variable(&s, "m", &x).col[0][1] == -1);
  CHECK(variable(&s, "abs_m", &x).col[0][0] == 0.5 && variable(&s, "abs_m", &x).col[0][1] == 1);
  specimen_close(&s);

  s = specimen_open("nematic", "{\"N\": 3}", 1);
  x = batch_new(&s, 3, 81);
  for (int j = 0; j < 81; j++) { /* all along y; a third along each; 18 of 27 along z */
    x.col[j][0] = j % 3 == 1 ? 50 : -50;
    x.col[j][1] = j % 3 == j / 27 ? 50 : -50;
    x.col[j][2] = j % 3 == (j < 54 ? 2 : 0) ? 50 : -50;
  }
  CHECK_NEAR(variable(&s, "s", &x).col[0][0], 1, 1e-15);
  CHECK_NEAR(variable(&s, "s", &x).col[0][1], 0, 1e-15);
  CHECK_NEAR(variable(&s, "s", &x).col[0][2], 0.5, 1e-15);
  specimen_close(&s);
}

static void settings_without_a_field_are_refused(void) {
  check_refused("ising", "{\"alpha\": 4}", "/alpha");
  check_refused("ising", "{\"J\": 0}", "/J");
  check_refused("ising", "{\"J\": -1}", "/J");
  check_refused("ising", "{\"N\": 1}", "/N");
  check_refused("ising", "{\"N\": 65}", "/N");
  check_refused("nematic", "{\"alpha\": 6}", "/alpha");
  check_refused("nematic", "{\"N\": 12}", "/N");
  check_refused("nematic", "{\"J\": 0}", "/J");
}

int main(int argc, char **argv) {
  RUN(the_ising_field_is_a_sum_over_all_spins_pointwise);
  RUN(the_nematic_field_is_a_sum_over_all_directors_pointwise);
  RUN(fields_of_every_side_agree_with_dense_matrices);
  RUN(far_fields_have_finite_energies);
  RUN(an_overflow_is_no_finite_energy);
  RUN(exhausted_scratch_is_no_number);
  RUN(u_per_site_is_that_of_the_drawn_spins);
  RUN(a_flipped_spin_costs_its_four_bonds);
  RUN(orders_are_those_of_the_drawn_spins);
  RUN(settings_without_a_field_are_refused);
  return check_report();
}
