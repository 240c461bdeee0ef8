/* test_explore.c - replica exchange finds every well, and has the moments of the energy. */
#include "tests/chain_world.h"

static double first(const struct boltz_batch *x, size_t i) {
  return x->col[0][i];
}

static double first_square(const struct boltz_batch *x, size_t i) {
  return x->col[0][i] * x->col[0][i];
}

static double second_square(const struct boltz_batch *x, size_t i) {
  return x->col[1][i] * x->col[1][i];
}

static double first_spread(const struct boltz_batch *x, size_t i) {
  return (x->col[0][i] - 2) * (x->col[0][i] - 2);
}

static double second_spread(const struct boltz_batch *x, size_t i) {
  return (x->col[1][i] - 2) * (x->col[1][i] - 2);
}

static double is_right(const struct boltz_batch *x, size_t i) {
  return x->col[0][i] > 0;
}

/* P(x1 > 0) of the double well's quartic, by sums on a grid: the ends carry nothing. */
static double right_population(double a, double b, double c, double T) {
  double right = 0, all = 0, h = 1e-4, least = b * b / (4 * a);
  for (int i = -80000; i <= 80000; i++) {
    double x = h * i, p = exp((-least - (a * x * x * x * x - b * x * x + c * x)) / T);
    all += p;
    right += i > 0 ? p : i == 0 ? 0.5 * p : 0;
  }
  return right / all;
}

static void check_double_well(double a, double b, double c, double T, double dim) {
  struct boltz_arena *arena = boltz_arena_open(0);
  const struct boltz_energy_kind *kind = boltz_energy_kind_find("double_well");
  void *settings = defaults(arena, kind->fields, kind->settings_size);
  set_number(kind->fields, settings, "a", a, arena);
  set_number(kind->fields, settings, "b", b, arena);
  set_number(kind->fields, settings, "c", c, arena);
  set_number(kind->fields, settings, "dim", dim, arena);
  struct boltz_energy energy = energy_new(arena, kind, settings, T);
  const struct boltz_explore_options options = {
      .seed = 42, .burn_in = 500, .steps = 4000, .stride = 4};
  const struct boltz_batch *x = boltz_explore_samples(explore(arena, &energy, &options));
  CHECK_INT(x->n, 64 * 1000);
  char what[80];
  snprintf(what, sizeof(what), "a %g b %g c %g T %g dim %g", a, b, c, T, dim);
  check_mean(what, x, 64, is_right, right_population(a, b, c, T), 0);
  if (dim > 1) check_mean(what, x, 64, second_square, T, 0); /* d = 1 */
  boltz_arena_close(arena);
}

static void replica_exchange_finds_both_wells(void) {
  check_double_well(0.7, 7, 0, 0.8, 2); /* barrier b^2 / 4a = 22 kT */
  check_double_well(1, 6, 1, 1, 2);
  check_double_well(1, 6, 1, 1, 1);
  check_double_well(1, 6, -0.5, 1, 2);
  check_double_well(0.7, 7, 0.2, 0.8, 8);
}

static void replica_exchange_has_the_moments_of_the_harmonic_pair(void) {
  const double ks[] = {1, 30};
  for (int k = 0; k < 2; k++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    const struct boltz_energy_kind *kind = boltz_energy_kind_find("harmonic_pair");
    void *settings = defaults(arena, kind->fields, kind->settings_size);
    set_number(kind->fields, settings, "k", ks[k], arena);
    struct boltz_energy energy = energy_new(arena, kind, settings, 1.3);
    const struct boltz_explore_options options = {
        .seed = 7, .burn_in = 300, .steps = 3000, .stride = 3};
    const struct boltz_batch *x = boltz_explore_samples(explore(arena, &energy, &options));
    check_mean("x1", x, 64, first, 2, 0);
    check_mean("var x1", x, 64, first_spread, 16.0 / 12, 0);
    check_mean("var x2", x, 64, second_spread, 16.0 / 12 + 1.3 / (2 * ks[k]), 0);
    boltz_arena_close(arena);
  }
}

/* u = x^2 / 2 T^2: the spread is T, as u = U/T would not have it. */
static void field_reduced(const void *settings, double T, const struct boltz_batch *x, double *u,
                          struct boltz_batch *gu, struct boltz_arena *scratch) {
  (void)settings, (void)gu, (void)scratch;
  for (size_t i = 0; i < x->n; i++) u[i] = 0.5 * x->col[0][i] * x->col[0][i] / (T * T);
}

static const struct boltz_energy_kind field = {
    .name = "field", .dim = one, .reduced = field_reduced};

static void replica_exchange_knows_energies_that_are_not_U_over_T(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy = energy_new(arena, &field, NULL, 2);
  const struct boltz_explore_options options = {.seed = 1, .burn_in = 200, .steps = 2000};
  struct boltz_explore *e = explore(arena, &energy, &options);
  check_mean("spread", boltz_explore_samples(e), 64, first_square, 4, 0);
  boltz_arena_close(arena);
}

static void replica_exchange_works_on_a_ring(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy = energy_new(arena, &ring, NULL, 1);
  const struct boltz_explore_options options = {.seed = 1, .burn_in = 200, .steps = 1000};
  const struct boltz_batch *x = boltz_explore_samples(explore(arena, &energy, &options));
  check_mean("cos", x, 64, ring_cos, -0.565159103992485 / 1.266065877752008, 0);
  boltz_arena_close(arena);
}

static double site_square(const struct boltz_batch *x, size_t i) {
  double sum = 0;
  for (int j = 0; j < x->dim; j++) sum += x->col[j][i] * x->col[j][i] / x->dim;
  return sum;
}

static double polar_square(const struct boltz_batch *x, size_t i) {
  return x->col[2][i] * x->col[2][i];
}

static double azimuth_cosine(const struct boltz_batch *x, size_t i) {
  return cos(2 * x->col[3][i] - 1);
}

/* Where sites move alone: a free field, whose covariance is half the inverse of a matrix with the
   eigenvalues m2 + 4 - 2 cos kx - 2 cos ky, and directors that do not see each other. */
static void replica_exchange_moves_sites_as_the_energy_says(void) {
  enum { L = 3 };
  struct boltz_arena *arena = boltz_arena_open(0);
  const struct boltz_explore_options options = {
      .seed = 4, .burn_in = 300, .steps = 3000, .stride = 3};
  const struct boltz_energy_kind *kind = boltz_energy_kind_find("phi4");
  void *settings = example_settings(arena, kind);
  set_number(kind->fields, settings, "L", L, arena);
  set_number(kind->fields, settings, "m2", 1, arena);
  set_number(kind->fields, settings, "lambda", 0, arena);
  struct boltz_energy field_of_sites = energy_new(arena, kind, settings, 0.7);
  double square = 0;
  for (int k = 0; k < L * L; k++)
    square += 0.7 / (L * L) / 2 /
              (1 + 4 - 2 * cos(2 * M_PI * (k % L) / L) - 2 * cos(2 * M_PI * (k / L) / L));
  check_mean("phi^2", boltz_explore_samples(explore(arena, &field_of_sites, &options)), 64,
             site_square, square, 0);

  kind = boltz_energy_kind_find("lebwohl_lasher");
  settings = example_settings(arena, kind);
  set_number(kind->fields, settings, "N", 2, arena);
  set_number(kind->fields, settings, "J", 0, arena);
  struct boltz_energy directors = energy_new(arena, kind, settings, 1);
  const struct boltz_batch *x = boltz_explore_samples(explore(arena, &directors, &options));
  check_mean("cos^2 theta", x, 64, polar_square, 1.0 / 3, 0);
  check_mean("cos 2 phi", x, 64, azimuth_cosine, 0, 0);
  boltz_arena_close(arena);
}

/* 9 spins and their fields: given spins s the field is normal around K s with the covariance K =
   (J/T)(A + alpha), so that <phi> = <(K s)_i> and <phi^2> = K_ii + <(K s)_i^2>, sums over spins. */
static void replica_exchange_has_the_moments_of_an_ising_model(void) {
  enum { N = 3, SITES = N * N, STATES = 1 << SITES };
  const double J = 0.4, h = 0.3, alpha = 4.5, T = 1.2; /* the example's */
  double all = 0, mean = 0, square = 0;
  for (int state = 0; state < STATES; state++) {
    double U = 0, around = 0;
    for (int k = 0; k < SITES; k++) {
      const int right = k / N * N + (k + 1) % N, down = (k + N) % SITES;
      const int s = state >> k & 1 ? 1 : -1;
      U -= J * s * ((state >> right & 1 ? 1 : -1) + (state >> down & 1 ? 1 : -1)) + h * s;
      around += (k == 1 || k == 2 || k == 3 || k == 6) ? s : k == 0 ? alpha * s : 0;
    }
    const double p = exp(-U / T), shift = J / T * around;
    all += p;
    mean += p * shift;
    square += p * (J / T * alpha + shift * shift);
  }
  struct boltz_arena *arena = boltz_arena_open(0);
  const struct boltz_energy_kind *kind = boltz_energy_kind_find("ising");
  void *settings = example_settings(arena, kind);
  set_number(kind->fields, settings, "N", N, arena);
  struct boltz_energy energy = energy_new(arena, kind, settings, T);
  const struct boltz_explore_options options = {
      .seed = 3, .walkers = 60, .burn_in = 200, .steps = 3000, .stride = 3};
  const struct boltz_batch *x = boltz_explore_samples(explore(arena, &energy, &options));
  check_mean("phi", x, 60, first, mean / all, 0);
  check_mean("phi^2", x, 60, first_square, square / all, 0);
  boltz_arena_close(arena);
}

/* Finite where |x| < 0.1 alone, which a try finds once in 100 where its spread is 8: too seldom for
   the few tries of each of many rungs, often enough for all of a ladder. */
static void narrow_energy(const void *settings, const struct boltz_batch *x, double *U,
                          struct boltz_batch *gU, struct boltz_arena *scratch) {
  (void)settings, (void)gU, (void)scratch;
  for (size_t i = 0; i < x->n; i++) U[i] = fabs(x->col[0][i]) < 0.1 ? 0 : INFINITY;
}

static const struct boltz_energy_kind narrow = {
    .name = "narrow", .dim = one, .energy = narrow_energy};

static void a_ladder_starts_where_any_of_its_rungs_found_a_place(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy = energy_new(arena, &narrow, NULL, 1);
  const struct boltz_explore_options options = {.seed = 1, .rungs = 64, .burn_in = 50, .steps = 50};
  const struct boltz_batch *x = boltz_explore_samples(explore(arena, &energy, &options));
  CHECK_INT(x->n, 64 * 50);
  for (size_t i = 0; i < x->n; i++) CHECK(fabs(x->col[0][i]) < 0.1);
  check_mean("x^2", x, 64, first_square, 0.01 / 3, 0);
  boltz_arena_close(arena);
}

int main(int argc, char **argv) {
  RUN(replica_exchange_finds_both_wells);
  RUN(replica_exchange_has_the_moments_of_the_harmonic_pair);
  RUN(replica_exchange_knows_energies_that_are_not_U_over_T);
  RUN(replica_exchange_works_on_a_ring);
  RUN(replica_exchange_moves_sites_as_the_energy_says);
  RUN(replica_exchange_has_the_moments_of_an_ising_model);
  RUN(a_ladder_starts_where_any_of_its_rungs_found_a_place);
  return check_report();
}
