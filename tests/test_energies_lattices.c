/* test_energies_lattices.c - the Ising model and the nematic as fields, against the spins that they
 * stand for: by enumeration, dense matrices and transfer matrices. */
#include "tests/lattice.h"

/* ln of the density of the fields given the spins: every component Normal(K c_a, K). */
static double log_normal(const struct lattice *l, const int *spins, const struct boltz_batch *x,
                         size_t row) {
  double log_p = 0, c[SITES_MAX], mean[SITES_MAX];
  for (int a = 0; a < l->components; a++) {
    component_of(l, spins, a, c);
    dense_apply(l->sites, l->K, c, mean);
    for (int i = 0; i < l->sites; i++) c[i] = x->col[l->components * i + a][row] - mean[i];
    log_p -= 0.5 * dense_form(l->sites, l->inverse, c) + 0.5 * l->log_det;
  }
  return log_p;
}

/* exp(-u(phi)) = sum over the spins of exp(-U/T) times the density of phi given them. */
static void check_pointwise(const char *name, const char *json, struct lattice l) {
  enum { N = 4 };
  struct specimen s = specimen_open(name, json, l.T);
  struct boltz_batch x = batch_new(&s, N, s.energy.dim);
  double u[N], *terms = malloc(sizeof(double) * (size_t)state_count(&l));
  for (int j = 0; j < x.dim; j++)
    for (size_t i = 0; i < N; i++) x.col[j][i] = 2 * normal(i, (uint32_t)j);
  evaluate(&s, &x, u);
  for (size_t i = 0; i < N; i++) {
    for (int k = 0; k < state_count(&l); k++) {
      int spins[SITES_MAX];
      state_number(&l, k, spins);
      terms[k] = -lattice_energy(&l, spins) / l.T + log_normal(&l, spins, &x, i);
    }
    CHECK_NEAR(u[i], -log_sum(state_count(&l), terms), 1e-11); /* rounding of ~100 terms of ~100 */
  }
  free(terms);
  lattice_free(&l);
  specimen_close(&s);
}

static void the_ising_field_is_a_sum_over_all_spins_pointwise(void) {
  check_pointwise("ising", "{\"N\": 2, \"J\": 0.4, \"h\": 0.3}",
                  lattice_new("ising", 2, 0.4, 0.3, 4.5, 1.3));
  check_pointwise("ising", "{\"N\": 3, \"J\": 0.7, \"h\": -0.2, \"alpha\": 5}",
                  lattice_new("ising", 3, 0.7, -0.2, 5, 0.8));
}

static void the_nematic_field_is_a_sum_over_all_directors_pointwise(void) {
  check_pointwise("nematic", "{\"N\": 2, \"J\": 0.75}", lattice_new("nematic", 2, 0.75, 0, 6.5, 1));
  check_pointwise("nematic", "{\"N\": 2, \"J\": 0.5, \"h\": 0.4, \"alpha\": 7}",
                  lattice_new("nematic", 2, 0.5, 0.4, 7, 1.4));
}

/* The formula with dense matrices, where spins are too many to enumerate. */
static double dense_reduced(const struct lattice *l, const struct boltz_batch *x, size_t row) {
  double u = 0.5 * l->sites * l->J * l->alpha / l->T, phi[SITES_MAX];
  for (int a = 0; a < l->components; a++) {
    for (int i = 0; i < l->sites; i++) phi[i] = x->col[l->components * i + a][row];
    u += 0.5 * dense_form(l->sites, l->inverse, phi) + 0.5 * l->log_det;
  }
  for (int i = 0; i < l->sites; i++) {
    double terms[3] = {0};
    for (int k = 0; k < l->states; k++)
      for (int a = 0; a < l->components; a++) {
        const double b = a == l->components - 1 ? l->h / l->T : 0;
        terms[k] += value_of(l, k, a) * (x->col[l->components * i + a][row] + b);
      }
    u -= log_sum(l->states, terms);
  }
  return u;
}

static void check_dense(const char *name, int N, double alpha) {
  enum { ROWS = 67 }; /* more than are transformed together, and no multiple of them */
  char json[80];
  snprintf(json, sizeof(json), "{\"N\": %d, \"J\": 0.6, \"h\": 0.2, \"alpha\": %g}", N, alpha);
  struct lattice l = lattice_new(name, N, 0.6, 0.2, alpha, 1.2);
  struct specimen s = specimen_open(name, json, l.T);
  struct boltz_batch x = batch_new(&s, ROWS, s.energy.dim);
  double u[ROWS];
  for (int j = 0; j < x.dim; j++)
    for (size_t i = 0; i < ROWS; i++) x.col[j][i] = 2 * normal(i, (uint32_t)j);
  evaluate(&s, &x, u);
  for (size_t i = 0; i < ROWS; i++) {
    const double expected = dense_reduced(&l, &x, i);
    CHECK_NEAR(u[i], expected, 1e-12 * (1 + fabs(expected)));
  }
  lattice_free(&l);
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
static struct boltz_batch certain_fields(struct specimen *s, const struct lattice *l) {
  const int count = state_count(l);
  struct boltz_batch x = batch_new(s, (size_t)count, s->energy.dim);
  for (int k = 0; k < count; k++) {
    int spins[SITES_MAX];
    state_number(l, k, spins);
    for (int i = 0; i < l->sites; i++)
      for (int a = 0; a < l->components; a++)
        x.col[l->components * i + a][k] = 50 * (value_of(l, spins[i], a) > 0 ? 1 : -1);
  }
  return x;
}

static void check_certain(const char *name, const char *json, struct lattice l) {
  struct specimen s = specimen_open(name, json, l.T);
  struct boltz_batch x = certain_fields(&s, &l), drawn = variable(&s, "spins", &x);
  struct boltz_batch U = variable(&s, "u_per_site", &x);
  CHECK_INT(drawn.dim, l.sites);
  for (int k = 0; k < state_count(&l); k++) {
    int spins[SITES_MAX];
    state_number(&l, k, spins);
    for (int i = 0; i < l.sites; i++)
      CHECK(drawn.col[i][k] == (l.states == 2 ? 1 - 2 * spins[i] : spins[i] + 1));
    CHECK_NEAR(U.col[0][k], lattice_energy(&l, spins) / l.sites, 1e-13); /* sums of 24 bonds */
  }
  lattice_free(&l);
  specimen_close(&s);
}

static void u_per_site_is_that_of_the_drawn_spins(void) {
  check_certain("ising", "{\"N\": 2, \"J\": 0.4, \"h\": 0.3}",
                lattice_new("ising", 2, 0.4, 0.3, 4.5, 1.3));
  check_certain("ising", "{\"N\": 3, \"J\": 0.7, \"h\": -0.2}",
                lattice_new("ising", 3, 0.7, -0.2, 4.5, 0.8));
  check_certain("nematic", "{\"N\": 2, \"J\": 0.75, \"h\": 0.4}",
                lattice_new("nematic", 2, 0.75, 0.4, 6.5, 1));
}

/* Delta U = 2 s_i (J sum of four neighbours + h): bonds are counted once, and whole. */
static void a_flipped_spin_costs_its_four_bonds(void) {
  const double J = 0.7, h = 0.25;
  struct lattice l = lattice_new("ising", 3, J, h, 4.5, 1);
  struct specimen s = specimen_open("ising", "{\"N\": 3, \"J\": 0.7, \"h\": 0.25}", 1);
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
  lattice_free(&l);
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

/* 8 x 8 Ising by rows: T[s, t] = exp(bonds in s and of s to t), Z = trace of T^8. */
enum { SIDE = 8, ROWS_OF_SPINS = 256 };

static int aligned(
    int bits) { /* of eight bonds: those that are satisfied less those that are not */
  return SIDE - 2 * __builtin_popcount((unsigned)bits);
}

/* powers[k] = T^k for k = 1 ... 8, each 256 x 256 and divided by exp(16 J k): T's greatest. */
static void transfer_powers(double J, double *powers[SIDE + 1]) {
  for (int k = 1; k <= SIDE; k++) powers[k] = dense_new(ROWS_OF_SPINS);
  for (int s = 0; s < ROWS_OF_SPINS; s++)
    for (int t = 0; t < ROWS_OF_SPINS; t++) {
      const int turned = (s >> 1 | s << (SIDE - 1)) & (ROWS_OF_SPINS - 1);
      powers[1][s * ROWS_OF_SPINS + t] = exp(J * (aligned(s ^ turned) + aligned(s ^ t) - 16));
    }
  for (int k = 2; k <= SIDE; k++) dense_product(ROWS_OF_SPINS, powers[k - 1], powers[1], powers[k]);
}

static double transfer_log_z(double J, double *powers[SIDE + 1]) {
  double trace = 0;
  for (int s = 0; s < ROWS_OF_SPINS; s++) trace += powers[SIDE][s * (ROWS_OF_SPINS + 1)];
  return log(trace) + SIDE * 16 * J;
}

static int pick(double u, int n, const double *weight) {
  double sum = 0;
  for (int k = 0; k < n; k++) sum += weight[k];
  double rest = u * sum;
  for (int k = 0; k < n; k++)
    if ((rest -= weight[k]) < 0) return k;
  return n - 1;
}

/* Exact spins: row by row, each given the one before and that the last joins the first. */
static void exact_spins(double *powers[SIDE + 1], uint64_t index, int *spins) {
  double weight[ROWS_OF_SPINS];
  int first = 0, row = 0;
  for (int r = 0; r < SIDE; r++) {
    for (int t = 0; t < ROWS_OF_SPINS; t++)
      weight[t] =
          r == 0 ? powers[SIDE][t * (ROWS_OF_SPINS + 1)]
                 : powers[1][row * ROWS_OF_SPINS + t] * powers[SIDE - r][t * ROWS_OF_SPINS + first];
    row = pick(uniform(index, (uint32_t)r), ROWS_OF_SPINS, weight);
    if (r == 0) first = row;
    for (int c = 0; c < SIDE; c++) spins[SIDE * r + c] = row >> c & 1;
  }
}

/* phi_a = K c_a + lower z: exact fields given the spins, in row i of x. */
static void exact_fields(const struct lattice *l, const int *spins, size_t i,
                         struct boltz_batch *x) {
  double c[SITES_MAX], z[SITES_MAX], mean[SITES_MAX], noise[SITES_MAX];
  for (int a = 0; a < l->components; a++) {
    component_of(l, spins, a, c);
    for (int k = 0; k < l->sites; k++) z[k] = normal(i, (uint32_t)(l->components * k + a));
    dense_apply(l->sites, l->K, c, mean);
    dense_apply(l->sites, l->lower, z, noise);
    for (int k = 0; k < l->sites; k++) x->col[l->components * k + a][i] = mean[k] + noise[k];
  }
}

/* The mean of independent values is within five of its standard errors. */
static void check_mean(const char *what, size_t n, const double *value, double expected) {
  double sum = 0, squares = 0;
  for (size_t i = 0; i < n; i++) sum += value[i];
  for (size_t i = 0; i < n; i++) squares += (value[i] - sum / n) * (value[i] - sum / n);
  const double error = sqrt(squares / n / (n - 1));
  CHECK_MSG(fabs(sum / n - expected) <= 5 * error, "%s: %.6f +- %.6f, not %.6f", what, sum / n,
            error, expected);
}

/* 1/Z = mean over exact fields of q(phi)/exp(-u(phi)) for any density q; with the two ordered
   states' q it is bounded where they are most of Z. */
static double bridged_log_z(struct specimen *s, const struct lattice *l,
                            const struct boltz_batch *x) {
  double *u = malloc(x->n * sizeof(double)), *terms = malloc(x->n * sizeof(double));
  evaluate(s, x, u);
  for (size_t i = 0; i < x->n; i++) {
    int up[SITES_MAX] = {0}, down[SITES_MAX];
    for (int k = 0; k < l->sites; k++) down[k] = 1;
    const double both[] = {log_normal(l, up, x, i), log_normal(l, down, x, i)};
    terms[i] = log_sum(2, both) - log(2) + u[i];
  }
  const double log_z = log((double)x->n) - log_sum((int)x->n, terms);
  free(u), free(terms);
  return log_z;
}

static void check_ising_8(const char *json, double J, double log_z, double abs_m, double U) {
  enum { ROWS = 1000 };
  double *powers[SIDE + 1];
  struct lattice l = lattice_new("ising", SIDE, J, 0, 4.5, 1);
  struct specimen s = specimen_open("ising", json, 1);
  struct boltz_batch x = batch_new(&s, ROWS, s.energy.dim);
  transfer_powers(J, powers);
  CHECK_NEAR(transfer_log_z(J, powers), log_z, 1e-9); /* as many digits as are known */
  for (size_t i = 0; i < ROWS && abs_m > 0; i++) {
    int spins[SITES_MAX];
    exact_spins(powers, i, spins);
    exact_fields(&l, spins, i, &x);
  }
  if (abs_m > 0) {
    check_mean("|m|", ROWS, variable(&s, "abs_m", &x).col[0], abs_m);
    check_mean("U/N^2", ROWS, variable(&s, "u_per_site", &x).col[0], U);
  }
  if (abs_m > 0.9) CHECK_NEAR(bridged_log_z(&s, &l, &x), log_z, 0.05); /* sigma 0.35/sqrt(1000) */
  for (int k = 1; k <= SIDE; k++) free(powers[k]);
  lattice_free(&l);
  specimen_close(&s);
}

static void ising_8_by_8_has_its_log_z_and_means(void) {
  check_ising_8("{\"N\": 8, \"J\": 0.8}", 0.8, 103.209050463, 0.996019988, -1.587881061);
  check_ising_8("{\"N\": 8, \"J\": 0.4}", 0.4, 56.599388760, 0.603128979, -0.488928257);
  check_ising_8("{}", log(1 + sqrt(2)) / 2, 60.141780789, 0, 0);
}

static void nematic_2_by_2_by_2_has_its_log_z_and_mean(void) {
  enum { STATES = 6561, ROWS = 2000 };
  struct lattice l = lattice_new("nematic", 2, 0.75, 0, 6.5, 1);
  struct specimen s = specimen_open("nematic", "{\"N\": 2, \"J\": 0.75}", 1);
  struct boltz_batch x = batch_new(&s, ROWS, s.energy.dim);
  double minus_u[STATES], weight[STATES], mean = 0;
  int spins[SITES_MAX];
  for (int k = 0; k < STATES; k++) {
    state_number(&l, k, spins);
    minus_u[k] = -lattice_energy(&l, spins);
  }
  const double log_z = log_sum(STATES, minus_u);
  for (int k = 0; k < STATES; k++) {
    weight[k] = exp(minus_u[k] - log_z);
    mean -= weight[k] * minus_u[k];
  }
  CHECK_NEAR(log_z, 19.391203162, 1e-9);
  CHECK_NEAR(mean, -16.502188962, 1e-9);

  for (size_t i = 0; i < ROWS; i++) {
    state_number(&l, pick(uniform(i, 0), STATES, weight), spins);
    exact_fields(&l, spins, i, &x);
  }
  check_mean("U/N^3", ROWS, variable(&s, "u_per_site", &x).col[0], mean / 8);
  lattice_free(&l);
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
  RUN(ising_8_by_8_has_its_log_z_and_means);
  RUN(nematic_2_by_2_by_2_has_its_log_z_and_mean);
  RUN(settings_without_a_field_are_refused);
  return check_report();
}
