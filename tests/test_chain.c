/* test_chain.c - walkers accept as Metropolis says, and replica exchange finds every well. */
#include <pthread.h>
#include <stdatomic.h>

#include "boltz/chain.h"
#include "tests/check.h"
#include "tests/examples.h"

/* Kinds of the test's own: a ring whose energy is cos, a half-space that answers NaN or an
 * infinity, a width that grows with T as u = U/T would not have it. */
static int one(const void *settings) {
  (void)settings;
  return 1;
}

static void ring_domain(const void *settings, int j, struct boltz_domain *domain) {
  (void)settings, (void)j;
  *domain = (struct boltz_domain){.type = BOLTZ_PERIODIC, .low = -2, .high = 3};
}

static void ring_energy(const void *settings, const struct boltz_batch *x, double *U,
                        struct boltz_batch *gU, struct boltz_arena *scratch) {
  (void)settings, (void)gU, (void)scratch;
  for (size_t i = 0; i < x->n; i++) U[i] = cos(2 * acos(-1) / 5 * x->col[0][i]);
}

static void broken_energy(const void *settings, const struct boltz_batch *x, double *U,
                          struct boltz_batch *gU, struct boltz_arena *scratch) {
  (void)gU, (void)scratch;
  for (size_t i = 0; i < x->n; i++)
    U[i] = x->col[0][i] > 0 ? *(const double *)settings : 0.5 * x->col[0][i] * x->col[0][i];
}

static void nowhere_energy(const void *settings, const struct boltz_batch *x, double *U,
                           struct boltz_batch *gU, struct boltz_arena *scratch) {
  (void)settings, (void)gU, (void)scratch;
  for (size_t i = 0; i < x->n; i++) U[i] = INFINITY;
}

/* u = x^2 / 2 T^2: the spread is T. */
static void field_reduced(const void *settings, double T, const struct boltz_batch *x, double *u,
                          struct boltz_batch *gu, struct boltz_arena *scratch) {
  (void)settings, (void)gu, (void)scratch;
  for (size_t i = 0; i < x->n; i++) u[i] = 0.5 * x->col[0][i] * x->col[0][i] / (T * T);
}

static const struct boltz_energy_kind ring = {
    .name = "ring", .dim = one, .domain = ring_domain, .energy = ring_energy};
static const struct boltz_energy_kind broken = {
    .name = "broken", .dim = one, .energy = broken_energy};
static const struct boltz_energy_kind nowhere = {
    .name = "nowhere", .dim = one, .energy = nowhere_energy};
static const struct boltz_energy_kind field = {
    .name = "field", .dim = one, .reduced = field_reduced};

static void set_number(const struct boltz_field *fields, void *settings, const char *name,
                       double number, struct boltz_arena *arena) {
  const struct boltz_value value = {.type = BOLTZ_VALUE_NUMBER, .number = number};
  CHECK_INT(boltz_field_set(boltz_field_find(fields, name), settings, &value, arena), BOLTZ_OK);
}

static void *defaults(struct boltz_arena *arena, const struct boltz_field *fields, size_t size) {
  void *settings = boltz_arena_alloc(arena, 1, size + 1);
  boltz_field_defaults(fields, settings);
  return settings;
}

static struct boltz_energy energy_new(struct boltz_arena *arena,
                                      const struct boltz_energy_kind *kind, void *settings,
                                      double T) {
  struct boltz_energy energy;
  CHECK_INT(boltz_energy_new(kind, settings, T, arena, &energy), BOLTZ_OK);
  return energy;
}

static struct boltz_energy listed_energy(struct boltz_arena *arena, const char *name, double T) {
  const struct boltz_energy_kind *kind = boltz_energy_kind_find(name);
  return energy_new(arena, kind, example_settings(arena, kind), T);
}

static struct boltz_chain chain_new(struct boltz_arena *arena, const struct boltz_energy *energy,
                                    uint64_t seed, size_t walkers) {
  const struct boltz_move_kind *move = boltz_move_kind_find("metropolis");
  const void *settings = defaults(arena, move->fields, move->settings_size);
  struct boltz_chain chain;
  CHECK_INT(
      boltz_chain_new(energy, energy->temperature, move, settings, seed, walkers, arena, &chain),
      BOLTZ_OK);
  return chain;
}

static void every_walker_starts_where_the_energy_is_finite(void) {
  const struct boltz_energy_kind *kind;
  for (int k = 0; (kind = boltz_energy_kind_at(k)); k++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    struct boltz_energy energy = listed_energy(arena, kind->name, 0.5);
    struct boltz_chain chain = chain_new(arena, &energy, 1, 50);
    CHECK_INT(boltz_chain_start(&chain, arena), BOLTZ_OK);
    double u[50];
    boltz_energy_eval(&energy, 0.5, &chain.x, u, NULL, arena);
    for (size_t i = 0; i < 50; i++) {
      CHECK(isfinite(u[i]) && u[i] == chain.u[i] && boltz_energy_inside(&energy, &chain.x, i));
      CHECK(i == 0 || chain.x.col[0][i] != chain.x.col[0][i - 1]);
    }
    CHECK(chain.energy_calls >= 100); /* the best of several */
    boltz_arena_close(arena);
  }
}

static void a_walker_that_finds_no_place_is_an_error(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy = energy_new(arena, &nowhere, NULL, 1);
  struct boltz_chain chain = chain_new(arena, &energy, 1, 3);
  CHECK_INT(boltz_chain_start(&chain, arena), BOLTZ_OUT_OF_RANGE);
  CHECK(strstr(boltz_error(), "1024 tries"));
  /* of ladders, the rungs together */
  struct boltz_explore *explore;
  const struct boltz_explore_options options = {.steps = 1, .walkers = 2, .rungs = 4};
  CHECK_INT(boltz_explore_new(&energy, &options, arena, &explore), BOLTZ_OK);
  for (int s = 0; s < boltz_explore_shards(explore); s++)
    while (boltz_explore_step(explore, s, arena)) continue;
  CHECK_INT(boltz_explore_status(explore), BOLTZ_OUT_OF_RANGE);
  CHECK(strstr(boltz_error(), "2 of 2 walkers") && strstr(boltz_error(), "1024 tries"));
  CHECK_INT(boltz_explore_energy_calls(explore), 2 * 1024);
  boltz_arena_close(arena);
}

/* The slow obvious chain, a walker at a time, beside ours. */
static void a_step_accepts_as_metropolis_says(void) {
  enum { N = 60, STEPS = 40 };
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy = listed_energy(arena, "harmonic_pair", 0.5);
  struct boltz_chain chain = chain_new(arena, &energy, 17, N);
  CHECK_INT(boltz_chain_start(&chain, arena), BOLTZ_OK);
  double x[N][2];
  for (int i = 0; i < N; i++) x[i][0] = chain.x.col[0][i], x[i][1] = chain.x.col[1][i];
  uint64_t accepted = 0, calls = chain.energy_calls;

  for (uint64_t s = 0; s < STEPS; s++) {
    boltz_chain_step(&chain, arena);
    for (int i = 0; i < N; i++) {
      double z[2], r[2], y1, y2, k = 1, L = 4, T = 0.5;
      boltz_rng_normal(17, BOLTZ_STREAM_PROPOSE, s * N + (uint64_t)i, 0, z);
      boltz_rng_uniform(17, BOLTZ_STREAM_ACCEPT, s * N + (uint64_t)i, 0, r);
      y1 = x[i][0] + 0.5 * z[0], y2 = x[i][1] + 0.5 * z[1];
      double before = k * (x[i][1] - x[i][0]) * (x[i][1] - x[i][0]) / T;
      double after = k * (y2 - y1) * (y2 - y1) / T;
      if (y1 >= 0 && y1 <= L && r[0] < exp(before - after)) x[i][0] = y1, x[i][1] = y2, accepted++;
    }
  }

  CHECK_INT(chain.step, STEPS);
  CHECK_INT(chain.accepted, accepted);
  CHECK_INT(chain.energy_calls - calls, N * STEPS);
  CHECK(accepted > 0 && accepted < N * STEPS);
  double u[N];
  boltz_energy_eval(&energy, 0.5, &chain.x, u, NULL, arena);
  for (int i = 0; i < N; i++)
    CHECK(chain.x.col[0][i] == x[i][0] && chain.x.col[1][i] == x[i][1] && chain.u[i] == u[i]);
  boltz_arena_close(arena);
}

/* What a walker does depends on its number alone. */
static void chains_that_share_walkers_do_what_one_does(void) {
  enum { N = 29, CUT = 10 };
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy = listed_energy(arena, "lj_fluid", 1);
  struct boltz_chain one = chain_new(arena, &energy, 8, N);
  struct boltz_chain some[] = {chain_new(arena, &energy, 8, CUT),
                               chain_new(arena, &energy, 8, N - CUT)};
  some[0].all = some[1].all = N;
  some[1].first = CUT;
  CHECK_INT(boltz_chain_start(&one, arena), BOLTZ_OK);
  for (int k = 0; k < 2; k++) CHECK_INT(boltz_chain_start(&some[k], arena), BOLTZ_OK);
  CHECK_INT(boltz_chain_started(some, 2), BOLTZ_OK);
  for (int s = 0; s < 30; s++) {
    boltz_chain_step(&one, arena);
    for (int k = 0; k < 2; k++) boltz_chain_step(&some[k], arena);
  }
  CHECK_INT(some[0].accepted + some[1].accepted, one.accepted);
  CHECK(one.accepted > 0);
  for (size_t i = 0; i < N; i++)
    for (int j = 0; j < one.x.dim; j++)
      CHECK(one.x.col[j][i] == some[i >= CUT].x.col[j][i - some[i >= CUT].first]);
  boltz_arena_close(arena);
}

static void a_walker_never_enters_what_is_not_finite(void) {
  double answers[] = {NAN, INFINITY, -INFINITY};
  for (int a = 0; a < 3; a++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    struct boltz_energy energy = energy_new(arena, &broken, &answers[a], 1);
    struct boltz_chain chain = chain_new(arena, &energy, 2, 20);
    CHECK_INT(boltz_chain_start(&chain, arena), BOLTZ_OK);
    for (int s = 0; s < 200; s++) boltz_chain_step(&chain, arena);
    for (int i = 0; i < 20; i++) CHECK(chain.x.col[0][i] <= 0 && isfinite(chain.u[i]));
    CHECK(chain.accepted > 0);
    boltz_arena_close(arena);
  }
}

/* Mean over samples of a function of a coordinate, and its error from the ladders or walkers,
 * which know nothing of each other. */
static void check_mean(const char *what, const struct boltz_batch *x, size_t walkers,
                       double (*f)(const struct boltz_batch *, size_t), double expected,
                       double relative) {
  double sum = 0, squares = 0;
  size_t kept = x->n / walkers;
  for (size_t i = 0; i < walkers; i++) {
    double mean = 0;
    for (size_t k = 0; k < kept; k++) mean += f(x, k * walkers + i) / (double)kept;
    sum += mean, squares += mean * mean;
  }
  double n = (double)walkers, mean = sum / n;
  double error = sqrt((squares / n - mean * mean) / (n - 1));
  CHECK_MSG(fabs(mean - expected) <= fmax(5 * error, relative * fabs(expected)),
            "%s: %g +- %g is not %g", what, mean, error, expected);
  /* An error bar so wide that anything passes proves nothing. */
  CHECK_MSG(error < 0.2 * (fabs(expected) + 0.1), "%s: error %g", what, error);
}

static double ring_cos(const struct boltz_batch *x, size_t i) {
  return cos(2 * acos(-1) / 5 * x->col[0][i]);
}

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

static void a_periodic_walker_goes_round(void) {
  enum { N = 20000 };
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy = energy_new(arena, &ring, NULL, 1);
  struct boltz_chain chain = chain_new(arena, &energy, 3, N);
  CHECK_INT(boltz_chain_start(&chain, arena), BOLTZ_OK);
  for (int s = 0; s < 200; s++) boltz_chain_step(&chain, arena); /* steps of 0.5 in 5 */
  for (int i = 0; i < N; i++) CHECK(chain.x.col[0][i] >= -2 && chain.x.col[0][i] < 3);
  /* <cos> = -I1(1) / I0(1) */
  check_mean("cos on a ring", &chain.x, N, ring_cos, -0.565159103992485 / 1.266065877752008, 0);
  boltz_arena_close(arena);
}

/* Run replica exchange to its end. */
static struct boltz_explore *explore(struct boltz_arena *arena, const struct boltz_energy *energy,
                                     const struct boltz_explore_options *options) {
  struct boltz_explore *explore = NULL;
  CHECK_INT(boltz_explore_new(energy, options, arena, &explore), BOLTZ_OK);
  for (int s = 0; s < boltz_explore_shards(explore); s++)
    while (boltz_explore_step(explore, s, arena)) continue;
  CHECK_MSG(boltz_explore_status(explore) == BOLTZ_OK, "%s", boltz_error());
  return explore;
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

/* A worker that sweeps over a large lattice is soon free for something else: a part is 64 sites of
   1024, or a place to start from. */
static void a_sweep_over_many_sites_is_done_in_parts(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  const struct boltz_explore_options options = {.seed = 6, .rungs = 2, .steps = 1};
  const struct boltz_energy_kind *kind = boltz_energy_kind_find("ising");
  void *settings = example_settings(arena, kind);
  set_number(kind->fields, settings, "N", 32, arena);
  struct boltz_energy energy = energy_new(arena, kind, settings, 1);
  struct boltz_explore *explore = NULL;
  CHECK_INT(boltz_explore_new(&energy, &options, arena, &explore), BOLTZ_OK);
  CHECK_INT(boltz_explore_shards(explore), 8);
  for (int s = 0; s < 8; s++) {
    int parts = 1;
    while (boltz_explore_step(explore, s, arena)) parts++;
    CHECK_INT(parts, 32 / 2 + 1 + 1024 / 64);
  }
  CHECK_INT(boltz_explore_samples(explore)->n, 64);
  /* 2 rungs, 64 walkers: half of 32 starts, all coordinates, all sites, their sum; an exchange */
  CHECK_INT(boltz_explore_energy_calls(explore), 2 * 64 * (16 + 3 + 1));
  boltz_arena_close(arena);
}

/* Threads that each take the next shard, and make parts of it in turn with those of another. */
struct crew {
  struct boltz_explore *explore;
  atomic_int next;
};

static void *step_shards(void *argument) {
  struct crew *crew = argument;
  struct boltz_arena *scratch = boltz_arena_open(0);
  for (;;) {
    const int a = atomic_fetch_add(&crew->next, 2), b = a + 1;
    if (a >= boltz_explore_shards(crew->explore)) break;
    bool more = true;
    while (more) {
      more = boltz_explore_step(crew->explore, a, scratch);
      if (b < boltz_explore_shards(crew->explore))
        more |= boltz_explore_step(crew->explore, b, scratch);
    }
  }
  boltz_arena_close(scratch);
  return NULL;
}

static void check_on_threads(const char *kind, const struct boltz_explore_options *options) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy = listed_energy(arena, kind, 1);
  struct boltz_explore *alone = explore(arena, &energy, options);
  const struct boltz_batch *expected = boltz_explore_samples(alone);
  for (int threads = 1; threads <= 3; threads++) {
    struct crew crew = {0};
    pthread_t thread[3];
    CHECK_INT(boltz_explore_new(&energy, options, arena, &crew.explore), BOLTZ_OK);
    for (int k = 0; k < threads; k++)
      CHECK_INT(pthread_create(&thread[k], NULL, step_shards, &crew), 0);
    for (int k = 0; k < threads; k++) pthread_join(thread[k], NULL);
    CHECK_INT(boltz_explore_status(crew.explore), BOLTZ_OK);
    const struct boltz_batch *x = boltz_explore_samples(crew.explore);
    CHECK_INT(x->n, expected->n);
    for (int j = 0; j < x->dim; j++)
      CHECK_MSG(memcmp(x->col[j], expected->col[j], x->n * sizeof(double)) == 0,
                "%s: x%d on %d threads", kind, j + 1, threads);
    CHECK_INT(boltz_explore_energy_calls(crew.explore), boltz_explore_energy_calls(alone));
  }
  boltz_arena_close(arena);
}

static void samples_are_the_same_on_any_number_of_threads(void) {
  const struct boltz_explore_options options = {.seed = 9, .burn_in = 30, .steps = 20};
  const struct boltz_explore_options few = {
      .seed = 9, .walkers = 5, .rungs = 3, .burn_in = 20, .steps = 20};
  check_on_threads("double_well", &options); /* a coordinate alone */
  check_on_threads("lj_fluid", &options);    /* sites */
  check_on_threads("ising", &options);       /* sites, and u is not U/T */
  check_on_threads("ising", &few);
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

static void a_scratch_that_is_too_small_is_an_error(void) {
  struct boltz_arena *arena = boltz_arena_open(0), *scratch = boltz_arena_open(4096);
  struct boltz_energy energy = listed_energy(arena, "lj_fluid", 1);
  const struct boltz_explore_options options = {.seed = 1, .steps = 10};
  struct boltz_explore *explore = NULL;
  CHECK_INT(boltz_explore_new(&energy, &options, arena, &explore), BOLTZ_OK);
  CHECK(!boltz_explore_step(explore, 0, scratch));
  CHECK_INT(boltz_explore_status(explore), BOLTZ_NO_MEMORY);
  boltz_arena_close(scratch);
  boltz_arena_close(arena);
}

static void kept_samples_are_in_the_order_of_time_then_walker(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy = listed_energy(arena, "double_well", 1);
  struct boltz_explore_options options = {
      .seed = 5, .walkers = 6, .rungs = 3, .hot = 8, .burn_in = 50, .steps = 60, .stride = 1};
  struct boltz_explore *every = explore(arena, &energy, &options);
  options.stride = 7;
  struct boltz_explore *some = explore(arena, &energy, &options);
  const struct boltz_batch *a = boltz_explore_samples(every), *b = boltz_explore_samples(some);
  CHECK_INT(a->n, 6 * 60);
  CHECK_INT(b->n, 6 * 8);
  /* The same chain, looked at every seventh time. */
  for (size_t k = 0; k < 8; k++)
    for (size_t i = 0; i < 6; i++) CHECK(b->col[0][6 * k + i] == a->col[0][6 * (7 * k + 6) + i]);
  /* A walker that stays shows where its next row is; no two walkers are ever at one place. */
  int stays = 0;
  for (size_t row = 0; row + 6 < a->n; row++) {
    stays += a->col[0][row] == a->col[0][row + 6];
    CHECK(a->col[0][row] != a->col[0][row + 1]);
  }
  CHECK(stays > 0);
  CHECK_INT(boltz_explore_energy_calls(every), boltz_explore_energy_calls(some));
  /* 3 rungs, 6 walkers: a third of 32 starts, and 110 sweeps of two steps */
  CHECK_INT(boltz_explore_energy_calls(every), 3 * 6 * (11 + 2 * 110));
  CHECK(!boltz_explore_step(every, 0, arena));
  CHECK_INT(boltz_explore_samples(every)->n, 6 * 60);
  boltz_arena_close(arena);
}

static void another_seed_explores_otherwise(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy = listed_energy(arena, "double_well", 1);
  struct boltz_explore_options options = {.seed = 5, .walkers = 4, .burn_in = 20, .steps = 20};
  const struct boltz_batch *a = boltz_explore_samples(explore(arena, &energy, &options));
  const struct boltz_batch *same = boltz_explore_samples(explore(arena, &energy, &options));
  options.seed = 6;
  const struct boltz_batch *other = boltz_explore_samples(explore(arena, &energy, &options));
  for (int j = 0; j < 2; j++) {
    CHECK(memcmp(a->col[j], same->col[j], a->n * sizeof(double)) == 0);
    CHECK(memcmp(a->col[j], other->col[j], a->n * sizeof(double)) != 0);
  }
  boltz_arena_close(arena);
}

static void impossible_explorations_are_refused(void) {
  struct boltz_arena *arena = boltz_arena_open(1 << 20);
  struct boltz_energy energy = listed_energy(arena, "double_well", 1);
  struct boltz_explore *e;
  struct boltz_explore_options options = {.steps = 10, .hot = 0.5};
  CHECK_INT(boltz_explore_new(&energy, &options, arena, &e), BOLTZ_OUT_OF_RANGE);
  options = (struct boltz_explore_options){.steps = 10, .hot = NAN};
  CHECK_INT(boltz_explore_new(&energy, &options, arena, &e), BOLTZ_OUT_OF_RANGE);
  options = (struct boltz_explore_options){.steps = 10, .rungs = 65};
  CHECK_INT(boltz_explore_new(&energy, &options, arena, &e), BOLTZ_OUT_OF_RANGE);
  options = (struct boltz_explore_options){.steps = 10, .stride = 11};
  CHECK_INT(boltz_explore_new(&energy, &options, arena, &e), BOLTZ_OUT_OF_RANGE);
  options = (struct boltz_explore_options){.steps = UINT64_MAX, .burn_in = 2};
  CHECK_INT(boltz_explore_new(&energy, &options, arena, &e), BOLTZ_OUT_OF_RANGE);
  options = (struct boltz_explore_options){.steps = UINT64_C(1) << 48, .walkers = 1 << 20};
  CHECK_INT(boltz_explore_new(&energy, &options, arena, &e), BOLTZ_NO_MEMORY);
  options = (struct boltz_explore_options){.steps = 100000};
  CHECK_INT(boltz_explore_new(&energy, &options, arena, &e), BOLTZ_NO_MEMORY);
  boltz_arena_close(arena);
}

int main(int argc, char **argv) {
  RUN(every_walker_starts_where_the_energy_is_finite);
  RUN(a_walker_that_finds_no_place_is_an_error);
  RUN(a_step_accepts_as_metropolis_says);
  RUN(chains_that_share_walkers_do_what_one_does);
  RUN(a_walker_never_enters_what_is_not_finite);
  RUN(a_periodic_walker_goes_round);
  RUN(replica_exchange_finds_both_wells);
  RUN(replica_exchange_has_the_moments_of_the_harmonic_pair);
  RUN(replica_exchange_knows_energies_that_are_not_U_over_T);
  RUN(replica_exchange_works_on_a_ring);
  RUN(replica_exchange_moves_sites_as_the_energy_says);
  RUN(replica_exchange_has_the_moments_of_an_ising_model);
  RUN(a_sweep_over_many_sites_is_done_in_parts);
  RUN(samples_are_the_same_on_any_number_of_threads);
  RUN(a_ladder_starts_where_any_of_its_rungs_found_a_place);
  RUN(a_scratch_that_is_too_small_is_an_error);
  RUN(kept_samples_are_in_the_order_of_time_then_walker);
  RUN(another_seed_explores_otherwise);
  RUN(impossible_explorations_are_refused);
  return check_report();
}
