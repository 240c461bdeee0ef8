/* test_energies.c - laws that every energy keeps, and the exact numbers of each. */
#include "boltz/energy.h"
#include "boltz/rng.h"
#include "tests/check.h"
#include "tests/examples.h"

/* An energy of a kind with the settings of its example, in an arena of its own. */
struct specimen {
  struct boltz_arena *arena;
  void *settings;
  struct boltz_energy energy;
};

static struct specimen specimen_open(const struct boltz_energy_kind *kind) {
  struct specimen s = {.arena = boltz_arena_open(0)};
  s.settings = example_settings(s.arena, kind);
  CHECK_MSG(boltz_energy_new(kind, s.settings, 1, s.arena, &s.energy) == BOLTZ_OK, "%s: %s",
            kind->name, boltz_error());
  return s;
}

static void specimen_close(struct specimen *s) {
  boltz_arena_close(s->arena);
}

static struct boltz_batch batch_new(struct specimen *s, size_t n) {
  struct boltz_batch x;
  CHECK_INT(boltz_batch_new(s->arena, n, s->energy.dim, &x), BOLTZ_OK);
  return x;
}

/* Downhill until no energy is so large that differences of it say nothing: particles that were
   thrown on each other part. */
static void relax(struct specimen *s, struct boltz_batch *x) {
  struct boltz_batch g = batch_new(s, x->n);
  double *u = BOLTZ_NEW_ARRAY(s->arena, x->n, double), worst = INFINITY;
  for (int step = 0; step < 3000 && worst > 300; step++) {
    boltz_energy_eval(&s->energy, 1, x, u, &g, s->arena);
    worst = 0;
    for (size_t i = 0; i < x->n; i++) {
      worst = fmax(worst, u[i]);
      if (!(u[i] > 300)) continue;
      for (int j = 0; j < s->energy.dim; j++) {
        const struct boltz_domain *d = &s->energy.domain[j];
        const double to = x->col[j][i] - copysign(fmin(fabs(g.col[j][i]), 0.01), g.col[j][i]);
        const bool leaves = d->type == BOLTZ_INTERVAL && !(to > d->low && to < d->high);
        if (!leaves) x->col[j][i] = to;
      }
    }
    boltz_energy_wrap(&s->energy, x);
  }
}

/* Points inside, well away from the edges: normal in a real coordinate, uniform in another. */
static struct boltz_batch random_inside(struct specimen *s, size_t n) {
  struct boltz_batch x = batch_new(s, n);
  for (int j = 0; j < s->energy.dim; j++) {
    const struct boltz_domain *d = &s->energy.domain[j];
    for (size_t i = 0; i < n; i++) {
      double z[2], u[2];
      boltz_rng_normal(7, BOLTZ_STREAM_TEST, i, (uint32_t)(2 * j), z);
      boltz_rng_uniform(7, BOLTZ_STREAM_TEST, i, (uint32_t)(2 * j + 1), u);
      x.col[j][i] =
          d->type == BOLTZ_REAL ? 1.5 * z[0] : d->low + (d->high - d->low) * (0.01 + 0.98 * u[0]);
    }
  }
  relax(s, &x);
  return x;
}

static void every_energy_is_found_by_its_name(void) {
  int count = 0;
  for (const struct boltz_energy_kind *kind; (kind = boltz_energy_kind_at(count)); count++)
    CHECK_MSG(boltz_energy_kind_find(kind->name) == kind, "%s", kind->name);
  CHECK(count > 0);
  CHECK(!boltz_energy_kind_at(-1));
  CHECK(!boltz_energy_kind_find("no such energy"));
}

static void check_field(const char *owner, const struct boltz_field *fields,
                        const struct boltz_field *f) {
  CHECK_MSG(boltz_field_find(fields, f->name) == f, "%s.%s is there twice", owner, f->name);
  CHECK_MSG(f->doc && *f->doc, "%s.%s has no doc", owner, f->name);
  if (f->required || (f->type != BOLTZ_FIELD_DOUBLE && f->type != BOLTZ_FIELD_INT)) return;
  CHECK_MSG(isfinite(f->low) && isfinite(f->high), "%s.%s is unbounded", owner, f->name);
  bool null = f->nullable && isnan(f->def);
  bool above = f->low_open ? f->def > f->low : f->def >= f->low;
  CHECK_MSG(null || (above && f->def <= f->high), "%s.%s: default out of bounds", owner, f->name);
}

static void every_energy_has_a_well_formed_settings_table(void) {
  const struct boltz_energy_kind *kind;
  for (int k = 0; (kind = boltz_energy_kind_at(k)); k++) {
    CHECK_MSG(kind->doc && *kind->doc && kind->source && *kind->source, "%s", kind->name);
    CHECK_MSG(!kind->energy != !kind->reduced, "%s: one of energy and reduced", kind->name);
    for (const struct boltz_field *f = kind->fields; f && f->name; f++)
      check_field(kind->name, kind->fields, f);
  }
}

static void check_gradient(struct specimen *s, double temperature) {
  enum { N = 40 };
  const double h = 1e-5;
  struct boltz_batch x = random_inside(s, N), g = batch_new(s, N);
  double u[N], up[N], um[N];
  boltz_energy_eval(&s->energy, temperature, &x, u, &g, s->arena);
  for (int j = 0; j < s->energy.dim; j++) {
    double kept[N];
    memcpy(kept, x.col[j], sizeof(kept));
    for (int i = 0; i < N; i++) x.col[j][i] = kept[i] + h;
    boltz_energy_eval(&s->energy, temperature, &x, up, NULL, s->arena);
    for (int i = 0; i < N; i++) x.col[j][i] = kept[i] - h;
    boltz_energy_eval(&s->energy, temperature, &x, um, NULL, s->arena);
    memcpy(x.col[j], kept, sizeof(kept));
    for (int i = 0; i < N; i++) {
      double difference = (up[i] - um[i]) / (2 * h);
      /* h^2 u'''/6 ~ 1e-10 u''' and rounding ~ 1e-16 |u|/h, each with a thousandfold reserve */
      double tolerance = 1e-7 * (1 + fabs(difference)) + 1e-10 * fabs(u[i]);
      CHECK_MSG(fabs(g.col[j][i] - difference) <= tolerance, "%s, coordinate %d: %.12g, not %.12g",
                s->energy.kind->name, j, g.col[j][i], difference);
    }
  }
}

static void every_energy_gradient_matches_differences(void) {
  const struct boltz_energy_kind *kind;
  for (int k = 0; (kind = boltz_energy_kind_at(k)); k++) {
    struct specimen s = specimen_open(kind);
    check_gradient(&s, 1);
    check_gradient(&s, 0.7);
    specimen_close(&s);
  }
}

/* u of the batch with coordinate j of sample 0 set to v. */
static double u_with(struct specimen *s, struct boltz_batch *x, struct boltz_batch *g, int j,
                     double v) {
  double u[2];
  double kept = x->col[j][0];
  x->col[j][0] = v;
  boltz_energy_eval(&s->energy, 1, x, u, g, s->arena);
  bool same = isnan(v) ? isnan(x->col[j][0]) : x->col[j][0] == v;
  CHECK_MSG(same, "%s changed its x", s->energy.kind->name);
  CHECK_MSG(isfinite(u[1]), "%s: the neighbour suffers", s->energy.kind->name);
  x->col[j][0] = kept;
  return u[0];
}

static void check_refused(struct specimen *s, struct boltz_batch *x, int j, double v) {
  struct boltz_batch g = batch_new(s, 2);
  for (int c = 0; c < s->energy.dim; c++) g.col[c][0] = 99;
  CHECK_MSG(u_with(s, x, &g, j, v) == INFINITY, "%s: coordinate %d at %g is inside",
            s->energy.kind->name, j, v);
  for (int c = 0; c < s->energy.dim; c++) CHECK(g.col[c][0] == 0);
  double kept = x->col[j][0];
  x->col[j][0] = v;
  CHECK(!boltz_energy_inside(&s->energy, x, 0));
  CHECK(boltz_energy_inside(&s->energy, x, 1));
  x->col[j][0] = kept;
}

static void check_interval(struct specimen *s, struct boltz_batch *x, int j) {
  const struct boltz_domain *d = &s->energy.domain[j];
  struct boltz_batch g = batch_new(s, 2);
  check_refused(s, x, j, nextafter(d->low, -INFINITY));
  check_refused(s, x, j, nextafter(d->high, INFINITY));
  for (int end = 0; end < 2; end++) {
    double edge = end ? d->high : d->low, other = end ? d->low : d->high;
    double at_edge = u_with(s, x, &g, j, edge);
    CHECK(isfinite(at_edge) && isfinite(g.col[j][0]));
    CHECK(at_edge == u_with(s, x, NULL, j, nextafter(edge, other)));
  }
}

static void check_periodic(struct specimen *s, struct boltz_batch *x, int j) {
  const struct boltz_domain *d = &s->energy.domain[j];
  double u = u_with(s, x, NULL, j, x->col[j][0]);
  double image = u_with(s, x, NULL, j, x->col[j][0] - 3 * (d->high - d->low));
  CHECK_NEAR(image, u, 1e-9 * (1 + fabs(u))); /* x - 3L rounds, u' of that follows */
  CHECK(u_with(s, x, NULL, j, d->high) == u_with(s, x, NULL, j, d->low));
}

static void every_energy_keeps_its_domain(void) {
  const struct boltz_energy_kind *kind;
  for (int k = 0; (kind = boltz_energy_kind_at(k)); k++) {
    struct specimen s = specimen_open(kind);
    struct boltz_batch x = random_inside(&s, 2);
    for (int j = 0; j < s.energy.dim; j++) {
      CHECK(isfinite(u_with(&s, &x, NULL, j, x.col[j][0])));
      check_refused(&s, &x, j, NAN);
      check_refused(&s, &x, j, INFINITY);
      if (s.energy.domain[j].type == BOLTZ_INTERVAL) check_interval(&s, &x, j);
      if (s.energy.domain[j].type == BOLTZ_PERIODIC) check_periodic(&s, &x, j);
    }
    specimen_close(&s);
  }
}

/* A variable of all rows, and of some of them alone: what is drawn belongs to the row. */
static void check_variable(struct specimen *s, const struct boltz_variable *v,
                           const struct boltz_batch *x) {
  enum { FIRST = 5, SOME = 3 };
  const int width = boltz_variable_width(&s->energy, v);
  struct boltz_batch some, all_values, values;
  CHECK(v->doc && *v->doc);
  CHECK_INT(boltz_batch_new(s->arena, x->n, width, &all_values), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(s->arena, SOME, width, &values), BOLTZ_OK);
  CHECK_INT(boltz_batch_view(s->arena, x, FIRST, SOME, &some), BOLTZ_OK);
  boltz_variable_eval(&s->energy, v, 1, 3, 100, x, &all_values, s->arena);
  boltz_variable_eval(&s->energy, v, 1, 3, 100 + FIRST, &some, &values, s->arena);
  for (int j = 0; j < width; j++) {
    for (size_t i = 0; i < x->n; i++)
      CHECK_MSG(isfinite(all_values.col[j][i]), "%s %s", s->energy.kind->name, v->name);
    for (size_t i = 0; i < SOME; i++)
      CHECK_MSG(values.col[j][i] == all_values.col[j][FIRST + i], "%s %s", s->energy.kind->name,
                v->name);
  }
}

static void every_variable_is_finite_inside(void) {
  enum { N = 20 };
  const struct boltz_energy_kind *kind;
  for (int k = 0; (kind = boltz_energy_kind_at(k)); k++) {
    struct specimen s = specimen_open(kind);
    struct boltz_batch x = random_inside(&s, N);
    const struct boltz_variable *v;
    for (int at = 0; (v = boltz_energy_variable_at(&s.energy, at)); at++) {
      CHECK(boltz_energy_variable(&s.energy, v->name) == v);
      check_variable(&s, v, &x);
    }
    CHECK(!boltz_energy_variable(&s.energy, "no such variable"));
    specimen_close(&s);
  }
}

/* u(y) - u(x) with one site moved, at every site. */
static void check_differences(struct specimen *s) {
  enum { N = 12 };
  const struct boltz_energy_kind *kind = s->energy.kind;
  const int width = kind->site_width(s->settings);
  const double temperature = 0.8;
  struct boltz_batch x = random_inside(s, N), y = batch_new(s, N), moved;
  double u[N], v[N], du[N];
  CHECK(width >= 1 && s->energy.dim % width == 0);
  CHECK_INT(boltz_batch_new(s->arena, N, width, &moved), BOLTZ_OK);
  boltz_energy_eval(&s->energy, temperature, &x, u, NULL, s->arena);
  for (int site = 0; site < s->energy.dim / width; site++) {
    boltz_batch_copy(&y, 0, &x, 0, N);
    for (int k = 0; k < width; k++)
      for (size_t i = 0; i < N; i++) {
        double z[2];
        boltz_rng_normal(8, BOLTZ_STREAM_TEST, i, (uint32_t)(site * width + k), z);
        y.col[site * width + k][i] += 0.02 * z[0];
      }
    boltz_energy_wrap(&s->energy, &y);
    for (int k = 0; k < width; k++)
      memcpy(moved.col[k], y.col[site * width + k], N * sizeof(double));
    boltz_energy_eval(&s->energy, temperature, &y, v, NULL, s->arena);
    kind->difference(s->settings, temperature, &x, site, &moved, du, s->arena);
    for (int i = 0; i < N; i++)
      CHECK_MSG(
          !isfinite(v[i]) || fabs(du[i] - (v[i] - u[i])) <= 1e-11 * (1 + fabs(u[i]) + fabs(v[i])),
          "%s, site %d: %.15g, not %.15g", kind->name, site, du[i], v[i] - u[i]);
  }
}

static void a_difference_is_that_of_the_energies_at_every_site(void) {
  const struct boltz_energy_kind *kind;
  for (int k = 0; (kind = boltz_energy_kind_at(k)); k++) {
    CHECK_MSG(!kind->site_width == !kind->difference, "%s", kind->name);
    if (!kind->difference) continue;
    struct specimen s = specimen_open(kind);
    check_differences(&s);
    specimen_close(&s);
  }
}

static void coordinates_have_names_from_x1(void) {
  struct specimen s = specimen_open(boltz_energy_kind_find("double_well"));
  CHECK_INT(boltz_energy_coordinate(&s.energy, "x1"), 0);
  CHECK_INT(boltz_energy_coordinate(&s.energy, "x2"), 1);
  const char *wrong[] = {"x3", "x0", "x01", "x", "y1", "x1 ", "x-1", "x99999999999999999999", ""};
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
    CHECK_MSG(boltz_energy_coordinate(&s.energy, wrong[i]) == -1, "\"%s\"", wrong[i]);
  specimen_close(&s);
}

/* A kind of the test's own: U = cos(2 pi x / 5) on a ring, for what no listed kind may have. */
static int ring_dim(const void *settings) {
  return *(const int *)settings;
}

static void ring_domain(const void *settings, int j, struct boltz_domain *domain) {
  (void)settings, (void)j;
  *domain = (struct boltz_domain){.type = BOLTZ_PERIODIC, .low = -2, .high = 3};
}

static void ring_energy(const void *settings, const struct boltz_batch *x, double *U,
                        struct boltz_batch *gU, struct boltz_arena *scratch) {
  double k = 2 * acos(-1) / 5;
  (void)settings, (void)scratch;
  for (size_t i = 0; i < x->n; i++) {
    CHECK(x->col[0][i] >= -2 && x->col[0][i] < 3);
    U[i] = cos(k * x->col[0][i]);
    if (gU) gU->col[0][i] = -k * sin(k * x->col[0][i]);
  }
}

static const struct boltz_energy_kind ring = {.name = "ring",
                                              .settings_size = sizeof(int),
                                              .dim = ring_dim,
                                              .domain = ring_domain,
                                              .energy = ring_energy};

static void periodic_coordinates_are_wrapped_first(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  int dim = 1;
  struct boltz_energy energy;
  CHECK_INT(boltz_energy_new(&ring, &dim, 2, arena, &energy), BOLTZ_OK);
  struct boltz_batch x, g;
  CHECK_INT(boltz_batch_new(arena, 5, 1, &x), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(arena, 5, 1, &g), BOLTZ_OK);
  const double images[] = {1.25, 6.25, -3.75, 1.25 + 5 * 1048576.0, 1.25 - 5 * 1048576.0};
  memcpy(x.col[0], images, sizeof(images));
  double u[5], k = 2 * acos(-1) / 5;
  boltz_energy_eval(&energy, energy.temperature, &x, u, &g, arena);
  for (int i = 0; i < 5; i++) {
    CHECK_NEAR(u[i], cos(k * 1.25) / 2, 1e-15); /* images are exact, cos rounds */
    CHECK_NEAR(g.col[0][i], -k * sin(k * 1.25) / 2, 1e-15);
    CHECK(x.col[0][i] == images[i]);
  }
  x.col[0][0] = 3, x.col[0][1] = nextafter(-2, -3);
  boltz_energy_wrap(&energy, &x);
  CHECK(x.col[0][0] == -2);
  CHECK(x.col[0][1] >= -2 && x.col[0][1] < 3);
  for (int i = 2; i < 5; i++) CHECK(x.col[0][i] == 1.25);
  boltz_arena_close(arena);
}

static void an_impossible_energy_is_refused(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy;
  int dim = 1;
  const double temperatures[] = {0, -1, NAN, INFINITY, 1e7};
  for (int i = 0; i < 5; i++)
    CHECK_INT(boltz_energy_new(&ring, &dim, temperatures[i], arena, &energy), BOLTZ_OUT_OF_RANGE);
  dim = 0;
  CHECK_INT(boltz_energy_new(&ring, &dim, 1, arena, &energy), BOLTZ_OUT_OF_RANGE);
  dim = BOLTZ_DIM_MAX + 1;
  CHECK_INT(boltz_energy_new(&ring, &dim, 1, arena, &energy), BOLTZ_OUT_OF_RANGE);
  boltz_arena_close(arena);
}

static void set_number(struct specimen *s, const char *name, double value) {
  const struct boltz_value v = {.type = BOLTZ_VALUE_NUMBER, .number = value};
  const struct boltz_field *field = boltz_field_find(s->energy.kind->fields, name);
  CHECK_INT(boltz_field_set(field, s->settings, &v, s->arena), BOLTZ_OK);
}

/* The same energy with other settings. */
static void remake(struct specimen *s) {
  CHECK_INT(boltz_energy_new(s->energy.kind, s->settings, 1, s->arena, &s->energy), BOLTZ_OK);
}

/* ln of the integral of exp(-u) over coordinate j in [low, high], the others at `rest`. Simpson. */
static double log_integral(struct specimen *s, double temperature, int j, double low, double high,
                           double rest) {
  enum { N = 4001 };
  struct boltz_mark mark = boltz_arena_mark(s->arena);
  struct boltz_batch x = batch_new(s, N);
  double *u = boltz_arena_alloc(s->arena, N, sizeof(double));
  for (int c = 0; c < s->energy.dim; c++)
    for (int i = 0; i < N; i++) x.col[c][i] = c == j ? low + (high - low) * i / (N - 1) : rest;
  boltz_energy_eval(&s->energy, temperature, &x, u, NULL, s->arena);
  double least = INFINITY, sum = 0;
  for (int i = 0; i < N; i++) least = fmin(least, u[i]);
  for (int i = 0; i < N; i++) sum += (i == 0 || i == N - 1 ? 1 : i % 2 ? 4 : 2) * exp(least - u[i]);
  boltz_arena_release(s->arena, mark);
  return log(sum * (high - low) / (N - 1) / 3) - least;
}

/* The double well is a sum over coordinates with u(0) = 0, so its log Z is one too. */
static double double_well_log_z(struct specimen *s, double temperature) {
  double log_z = log_integral(s, temperature, 0, -6, 6, 0);
  for (int j = 1; j < s->energy.dim; j++) log_z += log_integral(s, temperature, j, -12, 12, 0);
  return log_z;
}

static void the_double_well_has_its_stationary_points(void) {
  struct specimen s = specimen_open(boltz_energy_kind_find("double_well"));
  const double x1[] = {-1.772303, 0.083528, 1.688776};
  const double U[] = {-10.752406, 0.041715, -7.289309};
  struct boltz_batch x = batch_new(&s, 3), g = batch_new(&s, 3);
  double u[3];
  memcpy(x.col[0], x1, sizeof(x1));
  boltz_energy_eval(&s.energy, 1, &x, u, &g, s.arena);
  for (int i = 0; i < 3; i++) {
    CHECK_NEAR(u[i], U[i], 6e-7);          /* six digits printed */
    CHECK_NEAR(g.col[0][i], 0, 27 * 6e-7); /* U'' <= 27 times the rounding of x1 */
    CHECK(g.col[1][i] == 0);
  }
  specimen_close(&s);
}

static void the_double_well_has_its_log_z(void) {
  struct specimen s = specimen_open(boltz_energy_kind_find("double_well"));
  /* Simpson's h = 0.003 is converged to rounding; as many digits as are printed */
  CHECK_NEAR(double_well_log_z(&s, 1), 11.020467230188, 1e-11);
  CHECK_NEAR(log_integral(&s, 1, 0, -6, 6, 0), 10.101528696983, 1e-11);
  double right = log_integral(&s, 1, 0, 0, 6, 0), all = log_integral(&s, 1, 0, -6, 6, 0);
  CHECK_NEAR(exp(right - all), 0.032929545, 1e-9);
  CHECK_NEAR(log_integral(&s, 1, 0, -6, 0, 0) - right, 3.379901071, 1e-9);
  CHECK_NEAR(log_integral(&s, 0.5, 0, -6, 0, 0) - log_integral(&s, 0.5, 0, 0, 6, 0), 6.849401339,
             1e-9);

  set_number(&s, "dim", 1);
  remake(&s);
  CHECK_INT(s.energy.dim, 1);
  CHECK_NEAR(double_well_log_z(&s, 1), 10.101528696983, 1e-11);

  set_number(&s, "dim", 2), set_number(&s, "b", 1);
  remake(&s);
  CHECK_NEAR(double_well_log_z(&s, 1), 2.183577848, 1e-9);

  /* Every further coordinate adds ln(2 pi T / d) / 2. */
  set_number(&s, "dim", 5), set_number(&s, "d", 4);
  remake(&s);
  double quartic = log_integral(&s, 2, 0, -6, 6, 0);
  CHECK_NEAR(double_well_log_z(&s, 2) - quartic, 2 * log(2 * acos(-1) * 2 / 4), 1e-11);
  specimen_close(&s);
}

/* x2's integral for every x1 on a grid, then x1's: midpoints in x1, whose ends are no smooth ends
 * with confine_both. */
static double harmonic_pair_log_z(struct specimen *s, double temperature, double L, double low2,
                                  double high2) {
  enum { N = 4000 };
  double sum = 0;
  for (int i = 0; i < N; i++)
    sum += exp(log_integral(s, temperature, 1, low2, high2, L * (i + 0.5) / N));
  return log(sum * L / N);
}

static void the_harmonic_pair_has_its_log_z(void) {
  struct specimen s = specimen_open(boltz_energy_kind_find("harmonic_pair"));
  /* x2 reaches 6 beyond the interval: exp(-36 k) is lost; as many digits as are printed */
  CHECK_NEAR(harmonic_pair_log_z(&s, 1, 4, -6, 10), 1.958659304, 1e-9);
  set_number(&s, "k", 2);
  CHECK_NEAR(harmonic_pair_log_z(&s, 1, 4, -6, 10), 1.612085714, 1e-9);

  set_number(&s, "k", 3), set_number(&s, "L", 2.5), set_number(&s, "k", 3);
  const struct boltz_value yes = {.type = BOLTZ_VALUE_BOOL, .truth = true};
  const struct boltz_field *both = boltz_field_find(s.energy.kind->fields, "confine_both");
  CHECK_INT(boltz_field_set(both, s.settings, &yes, s.arena), BOLTZ_OK);
  remake(&s);
  double T = 1.5, kappa = 3 / T, L = 2.5;
  double expected =
      log(L * sqrt(acos(-1) / kappa) * erf(L * sqrt(kappa)) - (1 - exp(-kappa * L * L)) / kappa);
  /* midpoints: (L/N)^2 / 24 (f'(L) - f'(0)) / Z ~ 1e-8 */
  CHECK_NEAR(harmonic_pair_log_z(&s, T, L, 0, L), expected, 1e-7);
  specimen_close(&s);
}

int main(int argc, char **argv) {
  RUN(every_energy_is_found_by_its_name);
  RUN(every_energy_has_a_well_formed_settings_table);
  RUN(every_energy_gradient_matches_differences);
  RUN(every_energy_keeps_its_domain);
  RUN(every_variable_is_finite_inside);
  RUN(a_difference_is_that_of_the_energies_at_every_site);
  RUN(coordinates_have_names_from_x1);
  RUN(periodic_coordinates_are_wrapped_first);
  RUN(an_impossible_energy_is_refused);
  RUN(the_double_well_has_its_stationary_points);
  RUN(the_double_well_has_its_log_z);
  RUN(the_harmonic_pair_has_its_log_z);
  return check_report();
}
