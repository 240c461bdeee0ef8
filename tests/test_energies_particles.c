/* test_energies_particles.c - the exact numbers of the energies of particles that meet in pairs. */
#include "tests/particles.h"

#define PI 3.14159265358979323846

/* Nodes and weights of Gauss and Legendre on [low, high], by Newton's method. */
static void gauss_legendre(int n, double low, double high, double *node, double *weight) {
  for (int k = 0; k < n; k++) {
    double t = cos(PI * (k + 0.75) / (n + 0.5)), slope = 0;
    for (int step = 0; step < 50; step++) {
      double p = 1, before = 0;
      for (int j = 1; j <= n; j++) {
        const double next = ((2 * j - 1) * t * p - (j - 1) * before) / j;
        before = p, p = next;
      }
      slope = n * (t * p - before) / (t * t - 1);
      t -= p / slope;
    }
    node[k] = 0.5 * (low + high) + 0.5 * (high - low) * t;
    weight[k] = (high - low) / ((1 - t * t) * slope * slope);
  }
}

/* What a pair of particles integrates to: Z = sum of w exp(-u), and means under it. */
struct moments {
  double log_z, u, r; /* r: the variable of that name */
};

static double sum_of(size_t n, const double *w, const double *v) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += w[i] * (v ? v[i] : 1);
  return sum;
}

/* Over the points x with weights w; log_factor is what is not integrated. */
static struct moments moments_of(struct specimen *s, double temperature,
                                 const struct boltz_batch *x, double *w, double log_factor) {
  double *u = boltz_arena_alloc(s->arena, x->n, sizeof(double));
  struct boltz_batch r = batch_new(s, x->n, 1);
  boltz_energy_eval(&s->energy, temperature, x, u, NULL, s->arena);
  boltz_variable_eval(&s->energy, boltz_energy_variable(&s->energy, "r"), temperature, 1, 0, x, &r,
                      s->arena);
  for (size_t i = 0; i < x->n; i++) {
    w[i] *= exp(-u[i]);
    if (w[i] == 0) u[i] = 0; /* +inf, whose part is 0 */
  }
  const double z = sum_of(x->n, w, NULL);
  return (struct moments){
      .log_z = log(z) + log_factor,
      .u = sum_of(x->n, w, u) / z,
      .r = sum_of(x->n, w, r.col[0]) / z,
  };
}

/* Two particles in a periodic box of edge 5: the first anywhere (here at 4, so that images count),
 * the second in one of 2^space parts of the box around it, which are mirror images. */
static struct moments pair_in_a_box(const char *name, const char *settings, double temperature,
                                    int nodes) {
  const double L = 5;
  struct specimen s = specimen_open(name, settings);
  const int space = s.energy.dim / 2;
  size_t n = 1;
  for (int k = 0; k < space; k++) n *= (size_t)nodes;
  double *node = boltz_arena_alloc(s.arena, (size_t)nodes, sizeof(double));
  double *weight = boltz_arena_alloc(s.arena, (size_t)nodes, sizeof(double));
  double *w = boltz_arena_alloc(s.arena, n, sizeof(double));
  struct boltz_batch x = batch_new(&s, n, s.energy.dim);
  gauss_legendre(nodes / 2, 0, 1, node, weight); /* the core, and beyond */
  gauss_legendre(nodes / 2, 1, L / 2, node + nodes / 2, weight + nodes / 2);
  for (size_t i = 0; i < n; i++) {
    size_t rest = i;
    w[i] = 1;
    for (int k = 0; k < space; k++, rest /= (size_t)nodes) {
      const size_t at = rest % (size_t)nodes;
      x.col[k][i] = 4;
      x.col[space + k][i] = 4 + node[at];
      w[i] *= weight[at];
    }
  }
  const struct moments m = moments_of(&s, temperature, &x, w, space * log(2 * L));
  specimen_close(&s);
  return m;
}

static void two_particles_of_the_fluid_have_their_log_z(void) {
  /* as many digits as are printed; 80 nodes have converged to 1e-11 */
  const struct moments solid = pair_in_a_box("lj_fluid", "{}", 1, 80);
  CHECK_NEAR(solid.log_z, 9.733504502, 1e-9);
  CHECK_NEAR(solid.u, -0.132643475, 1e-9);
  CHECK_NEAR(pair_in_a_box("lj_fluid", "{\"space\": 2}", 1, 80).log_z, 6.516019256, 1e-9);
}

static void a_polymer_of_two_has_its_log_z_and_bond_length(void) {
  const struct moments cold = pair_in_a_box("polymer_chain", "{}", 1, 80);
  CHECK_NEAR(cold.log_z, 8.609704439, 1e-9);
  CHECK_NEAR(cold.r, 1.673971175, 1e-9);
  CHECK_NEAR(pair_in_a_box("polymer_chain", "{}", 2.5, 80).r, 1.956064728, 1e-9);
}

static void a_cluster_of_two_has_its_log_z(void) {
  /* y is a vector in space: 4 pi times the integral of y^2 along one direction. */
  enum { N = 300 };
  struct specimen s = specimen_open("lj_cluster", "{}");
  struct boltz_batch y = batch_new(&s, N, 3);
  double node[N], w[N];
  gauss_legendre(N, 0, 9, node, w); /* exp(-81/2) is lost */
  const double direction[3] = {2 / 7.0, -3 / 7.0, 6 / 7.0};
  for (int i = 0; i < N; i++) {
    for (int k = 0; k < 3; k++) y.col[k][i] = node[i] * direction[k];
    w[i] *= node[i] * node[i];
  }
  CHECK_NEAR(moments_of(&s, 1, &y, w, log(4 * PI)).log_z, 2.861365290, 1e-9);
  specimen_close(&s);
}

/* The dimer in vacuum: centre and separation are independent but for the walls, which the weights
 * exp(-80 X^2) and exp(-40 Y^2) of the centre keep out of reach. */
static double dimer_weight(struct specimen *s, double temperature, double low, double high) {
  enum { LENGTHS = 160, ANGLES = 128, N = LENGTHS * ANGLES };
  struct boltz_mark mark = boltz_arena_mark(s->arena);
  struct boltz_batch x = batch_new(s, N, 4);
  double *u = boltz_arena_alloc(s->arena, N, sizeof(double)), node[LENGTHS], weight[LENGTHS];
  gauss_legendre(LENGTHS, low, high, node, weight);
  for (int i = 0; i < N; i++) {
    const double d = node[i / ANGLES], angle = 2 * PI * (i % ANGLES) / ANGLES;
    x.col[0][i] = -0.5 * d * cos(angle), x.col[1][i] = -0.5 * d * sin(angle);
    x.col[2][i] = +0.5 * d * cos(angle), x.col[3][i] = +0.5 * d * sin(angle);
  }
  boltz_energy_eval(&s->energy, temperature, &x, u, NULL, s->arena);
  double sum = 0;
  for (int i = 0; i < N; i++)
    sum += weight[i / ANGLES] * node[i / ANGLES] * (2 * PI / ANGLES) * exp(-u[i]);
  boltz_arena_release(s->arena, mark);
  return sum;
}

/* u at centre (X, Y) less u at 0 is (80 X^2 + 40 Y^2)/T at any separation. */
static void check_that_the_centre_is_independent(struct specimen *s, double temperature) {
  enum { N = 200 };
  struct boltz_batch x = scattered(s, N, -1.2, 1.2), there = batch_new(s, N, 4);
  double u[N], v[N];
  for (int i = 0; i < N; i++) {
    const double X = 0.5 * (x.col[0][i] + x.col[2][i]), Y = 0.5 * (x.col[1][i] + x.col[3][i]);
    for (int j = 0; j < 4; j++) there.col[j][i] = x.col[j][i] - (j % 2 ? Y : X);
  }
  boltz_energy_eval(&s->energy, temperature, &x, u, NULL, s->arena);
  boltz_energy_eval(&s->energy, temperature, &there, v, NULL, s->arena);
  for (int i = 0; i < N; i++) {
    const double X = 0.5 * (x.col[0][i] + x.col[2][i]), Y = 0.5 * (x.col[1][i] + x.col[3][i]);
    CHECK_NEAR(u[i] - v[i], (80 * X * X + 40 * Y * Y) / temperature, 1e-11 * (1 + fabs(u[i])));
  }
}

static void check_dimer(const char *settings, double temperature, double log_z, double difference) {
  struct specimen s = specimen_open("particle_dimer", settings);
  CHECK_INT(s.energy.dim, 4);
  check_that_the_centre_is_independent(&s, temperature);
  const double closed = dimer_weight(&s, temperature, 0, 1.5);
  const double open = dimer_weight(&s, temperature, 1.5, 4);
  const double centre = sqrt(PI * temperature / 80) * sqrt(PI * temperature / 40);
  CHECK_NEAR(log((closed + open) * centre), log_z, 1e-9); /* as many digits as are printed */
  CHECK_NEAR(log(closed / open), difference, 1e-9);
  specimen_close(&s);
}

static void the_dimer_in_vacuum_has_its_log_z_and_differences(void) {
  check_dimer("{\"n_solvent\": 0, \"slope\": 2}", 1, 13.058185476, 4.441204762);
  check_dimer("{\"n_solvent\": 0, \"slope\": 2}", 2, 5.653305268, 2.239237719);
  check_dimer("{\"n_solvent\": 0}", 1, 11.636899141, -1.077388678);
}

/* The 12 corners of an icosahedron of radius 1. */
static void icosahedron(double corner[12][3]) {
  const double golden = (1 + sqrt(5)) / 2, scale = 1 / sqrt(1 + golden * golden);
  for (int k = 0; k < 12; k++) {
    const double one = k & 1 ? scale : -scale, other = (k & 2 ? scale : -scale) * golden;
    const int axis = k / 4;
    corner[k][axis] = 0;
    corner[k][(axis + 1) % 3] = one;
    corner[k][(axis + 2) % 3] = other;
  }
}

/* Shells about one particle: corners; and corners twice as far with the middles of their edges. */
static int mackay(int shells, double radius, double (*x)[3]) {
  double corner[12][3];
  int n = 1;
  icosahedron(corner);
  memset(x[0], 0, sizeof(x[0]));
  for (int shell = 1; shell <= shells; shell++)
    for (int k = 0; k < 12; k++, n++)
      for (int a = 0; a < 3; a++) x[n][a] = shell * radius * corner[k][a];
  for (int k = 0; k < 12 && shells == 2; k++)
    for (int l = 0; l < k; l++) {
      double dot = 0;
      for (int a = 0; a < 3; a++) dot += corner[k][a] * corner[l][a];
      if (dot < 0.4) continue; /* neighbours' is 1/sqrt(5) */
      for (int a = 0; a < 3; a++) x[n][a] = radius * (corner[k][a] + corner[l][a]);
      n++;
    }
  return n;
}

/* Downhill by Barzilai and Borwein's steps. */
static double relax(struct specimen *s, struct boltz_batch *y) {
  const int dim = s->energy.dim;
  double *before = boltz_arena_alloc(s->arena, (size_t)dim, sizeof(double));
  struct boltz_batch g = batch_new(s, 1, dim);
  double u = 0, step = 1e-4;
  for (int k = 0; k < 2000; k++) {
    double size = 0, change = 0, curvature = 0;
    for (int j = 0; j < dim; j++) before[j] = g.col[j][0];
    boltz_energy_eval(&s->energy, 1, y, &u, &g, s->arena);
    for (int j = 0; j < dim; j++) {
      const double moved = -step * before[j], dg = g.col[j][0] - before[j];
      size += g.col[j][0] * g.col[j][0], change += moved * moved, curvature += moved * dg;
    }
    if (size < 1e-16) return u;
    if (curvature > 0) step = fmin(change / curvature, 1e-2);
    for (int j = 0; j < dim; j++) y->col[j][0] -= step * g.col[j][0];
  }
  CHECK_MSG(false, "no minimum in 2000 steps");
  return u;
}

static void check_minimum(const char *settings, int shells, double minimum) {
  struct specimen s = specimen_open("lj_cluster", settings);
  struct boltz_batch y = batch_new(&s, 1, s.energy.dim);
  double x[55][3], coordinates[54 * 3];
  const int n = mackay(shells, 1.09, x);
  CHECK_INT(3 * (n - 1), s.energy.dim);
  helmert(n, 3, x[0], coordinates);
  boltz_batch_from_rows(&y, coordinates);
  CHECK_NEAR(relax(&s, &y), minimum, 5.1e-7); /* six digits printed */
  specimen_close(&s);
}

static void clusters_of_13_and_55_have_their_icosahedral_minima(void) {
  check_minimum("{\"N\": 13, \"k\": 0}", 1, -44.326801);
  check_minimum("{\"N\": 55, \"k\": 0}", 2, -279.248470);
}

/* dw4: Z = (1/4) 2 pi int rho exp(-v(rho)) sum over c, d of w(c) w(d) exp(-v(|c - d|)), w(c) =
 * exp(-v(|c|) - v(|c - (rho, 0)|)). Particle 1 is at 0, 2 at (rho, 0), c and d are 3 and 4; the
 * 1/4 turns these places into Helmert's coordinates: N^(space/2). Trapezia: everything is smooth
 * and vanishes at the ends, so they converge like exp(-1/h^2). */
enum { REACH = 56 };
#define STEP 0.14

static double pair_well(double d) {
  return 0.9 * pow(d - 4, 4) - 4 * (d - 4) * (d - 4);
}

/* A place on the grid, a from the middle of particles 1 and 2 along them, b across. */
struct place {
  int a, b;
  double w;
};

static int places_beside(double rho, struct place *place) {
  int n = 0;
  for (int a = -REACH; a <= REACH; a++)
    for (int b = -REACH; b <= REACH; b++) {
      const double one = hypot(STEP * a + 0.5 * rho, STEP * b);
      const double two = hypot(STEP * a - 0.5 * rho, STEP * b);
      const double w = exp(-pair_well(one) - pair_well(two));
      if (w > 1e-8) place[n++] = (struct place){a, b, w}; /* 1e-12 of the greatest */
    }
  return n;
}

/* The sum over c and d; `pair` is exp(-v) at the distance of a grid separation. All is the same
 * after a -> -a, and after b -> -b: a quarter of the places will do for c. */
static double two_more_particles(double rho, double (*pair)[2 * REACH + 1]) {
  struct place place[(2 * REACH + 1) * (2 * REACH + 1)];
  const int n = places_beside(rho, place);
  double sum = 0;
  for (int k = 0; k < n; k++) {
    const struct place c = place[k];
    if (c.a < 0 || c.b < 0) continue;
    double inner = 0;
    for (int l = 0; l < n; l++)
      inner += place[l].w * pair[abs(c.a - place[l].a)][abs(c.b - place[l].b)];
    sum += (c.a ? 2 : 1) * (c.b ? 2 : 1) * c.w * inner;
  }
  return sum * STEP * STEP * STEP * STEP;
}

/* With test_pairs.c's plain formulas, this makes the printed numbers dw4's. */
static void dw4_has_its_log_z_and_mean_energy(void) {
  static double pair[2 * REACH + 1][2 * REACH + 1];
  for (int i = 0; i <= 2 * REACH; i++)
    for (int j = 0; j <= 2 * REACH; j++) pair[i][j] = exp(-pair_well(STEP * hypot(i, j)));
  double z = 0, v = 0;
  for (double rho = 0.9; rho < 7.2; rho += STEP) {
    const double weight = rho * exp(-pair_well(rho)) * two_more_particles(rho, pair);
    z += weight, v += weight * pair_well(rho);
  }
  CHECK_NEAR(log(0.25 * 2 * PI * STEP * z), 29.667232233, 1e-9);
  CHECK_NEAR(6 * v / z, -22.541509604, 1e-8); /* six pairs, all alike */
}

int main(int argc, char **argv) {
  RUN(two_particles_of_the_fluid_have_their_log_z);
  RUN(a_polymer_of_two_has_its_log_z_and_bond_length);
  RUN(a_cluster_of_two_has_its_log_z);
  RUN(the_dimer_in_vacuum_has_its_log_z_and_differences);
  RUN(clusters_of_13_and_55_have_their_icosahedral_minima);
  RUN(dw4_has_its_log_z_and_mean_energy);
  return check_report();
}
