/* clusters.c - exact numbers of more particles: minima of Lennard-Jones clusters from the
 * icosahedra that they are (Wales, Doye, J. Phys. Chem. A 101, 5111 (1997)), and dw4's integrals.
 */
#include <math.h>
#include <string.h>

#include "boltz/rng.h"
#include "core/exact/routes.h"

/* ---- lj_cluster ---- */

enum { CLUSTER_MOST = 55 };

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
static void mackay(int shells, double radius, double (*x)[3]) {
  double corner[12][3];
  int n = 1;
  icosahedron(corner);
  memset(x[0], 0, sizeof x[0]);
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
}

static enum boltz_status find_minimum(const struct boltz_energy *energy,
                                      struct boltz_exact_value *value,
                                      struct boltz_arena *scratch) {
  const int particles = energy->dim / 3 + 1;
  double x[CLUSTER_MOST][3], coordinates[3 * CLUSTER_MOST];
  struct boltz_batch y;
  BOLTZ_TRY(boltz_batch_new(scratch, 1, energy->dim, &y));
  mackay(particles == 13 ? 1 : 2, 1.09, x);
  boltz_exact_helmert(particles, 3, x[0], coordinates);
  boltz_batch_from_rows(&y, coordinates);
  return boltz_exact_descend(energy, &y, &value->value, scratch);
}

/* ---- dw4 ----
 *
 * Z = (1/4) 2 pi int rho exp(-v(rho)) sum over c, d of w(c) w(d) exp(-v(|c - d|)), w(c) =
 * exp(-v(|c|) - v(|c - (rho, 0)|)). Particle 1 is at 0, 2 at (rho, 0), c and d are 3 and 4; the
 * 1/4 turns these places into Helmert's coordinates: N^(space/2). Trapezia: everything is smooth
 * and vanishes at the ends, so they converge like exp(-1/h^2). */

enum { REACH = 56, SIDE = 2 * REACH + 1 };
#define STEP 0.14

static double pair_distance(const double *x, int p, int q) {
  return hypot(x[2 * p] - x[2 * q], x[2 * p + 1] - x[2 * q + 1]);
}

/* v [n] at distances d [n] from the energy itself: particles in two pairs at two places have the
 * energy 2 v(0) + 4 v(d), and all at one place 6 v(0). */
static enum boltz_status pair_energies(const struct boltz_energy *energy, size_t n, const double *d,
                                       double *v, struct boltz_arena *scratch) {
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  double *u = BOLTZ_NEW_ARRAY(scratch, n + 1, double);
  struct boltz_batch y;
  BOLTZ_TRY(boltz_batch_new(scratch, n + 1, energy->dim, &y));
  if (!u) return BOLTZ_NO_MEMORY;
  for (size_t i = 0; i <= n; i++) {
    const double far = i < n ? d[i] : 0, x[8] = {0, 0, 0, 0, far, 0, far, 0};
    double coordinates[6];
    boltz_exact_helmert(4, 2, x, coordinates);
    for (int j = 0; j < 6; j++) y.col[j][i] = coordinates[j];
  }
  boltz_energy_eval(energy, energy->temperature, &y, u, NULL, scratch);
  for (size_t i = 0; i < n; i++) v[i] = 0.25 * (u[i] - u[n] / 3);
  boltz_arena_release(scratch, mark);
  return BOLTZ_OK;
}

/* The worst |u - sum of v over pairs| of random places, beside 1 + |u|. */
static enum boltz_status pair_additivity(const struct boltz_energy *energy, double *worst,
                                         struct boltz_arena *scratch) {
  enum { N = 100 };
  double d[6 * N], v[6 * N], u[N];
  struct boltz_batch y;
  BOLTZ_TRY(boltz_batch_new(scratch, N, 6, &y));
  for (size_t i = 0; i < N; i++) {
    double x[8], coordinates[6];
    for (uint32_t j = 0; j < 4; j++) boltz_rng_normal(12, BOLTZ_STREAM_TEST, i, j, x + 2 * j);
    for (int j = 0; j < 8; j++) x[j] *= 2.5;
    boltz_exact_helmert(4, 2, x, coordinates);
    for (int j = 0; j < 6; j++) y.col[j][i] = coordinates[j];
    for (int p = 0, k = 0; p < 4; p++)
      for (int q = 0; q < p; q++, k++) d[6 * i + k] = pair_distance(x, p, q);
  }
  BOLTZ_TRY(pair_energies(energy, 6 * N, d, v, scratch));
  boltz_energy_eval(energy, energy->temperature, &y, u, NULL, scratch);
  *worst = 0;
  for (int i = 0; i < N; i++) {
    double sum = 0;
    for (int k = 0; k < 6; k++) sum += v[6 * i + k];
    const double miss = fabs(u[i] - sum) / (1 + fabs(u[i]));
    if (!(miss <= *worst)) *worst = miss;
  }
  return BOLTZ_OK;
}

/* A place on the grid, a from the middle of particles 1 and 2 along them, b across. */
struct place {
  int a, b;
  double w;
};

/* Room for SIDE^2 places and twice as many distances and energies. */
struct room {
  struct place *place;
  double *d, *v;
  const double *pair; /* [SIDE, SIDE] exp(-v) at the distance of a separation on the grid */
};

static enum boltz_status places_beside(const struct boltz_energy *energy, double rho,
                                       struct room *room, int *n, struct boltz_arena *scratch) {
  int k = 0;
  for (int a = -REACH; a <= REACH; a++)
    for (int b = -REACH; b <= REACH; b++, k += 2) {
      room->d[k] = hypot(STEP * a + 0.5 * rho, STEP * b);
      room->d[k + 1] = hypot(STEP * a - 0.5 * rho, STEP * b);
    }
  BOLTZ_TRY(pair_energies(energy, (size_t)k, room->d, room->v, scratch));
  *n = k = 0;
  for (int a = -REACH; a <= REACH; a++)
    for (int b = -REACH; b <= REACH; b++, k += 2) {
      const double w = exp(-room->v[k] - room->v[k + 1]);
      if (w > 1e-8) room->place[(*n)++] = (struct place){a, b, w}; /* 1e-12 of the greatest */
    }
  return BOLTZ_OK;
}

/* The sum over c and d. All is the same after a -> -a, and after b -> -b: a quarter of the places
 * will do for c. */
static double two_more_particles(const struct room *room, int n) {
  double sum = 0;
  for (int k = 0; k < n; k++) {
    const struct place c = room->place[k];
    if (c.a < 0 || c.b < 0) continue;
    double inner = 0;
    for (int l = 0; l < n; l++) {
      const int a = c.a - room->place[l].a, b = c.b - room->place[l].b;
      inner += room->place[l].w * room->pair[(a < 0 ? -a : a) * SIDE + (b < 0 ? -b : b)];
    }
    sum += (c.a ? 2 : 1) * (c.b ? 2 : 1) * c.w * inner;
  }
  return sum * STEP * STEP * STEP * STEP;
}

static enum boltz_status open_room(const struct boltz_energy *energy, struct room *room,
                                   struct boltz_arena *scratch) {
  double *pair = BOLTZ_NEW_ARRAY(scratch, SIDE * SIDE, double);
  *room = (struct room){.place = BOLTZ_NEW_ARRAY(scratch, SIDE * SIDE, struct place),
                        .d = BOLTZ_NEW_ARRAY(scratch, 2 * SIDE * SIDE, double),
                        .v = BOLTZ_NEW_ARRAY(scratch, 2 * SIDE * SIDE, double),
                        .pair = pair};
  if (!pair || !room->place || !room->d || !room->v) return BOLTZ_NO_MEMORY;
  for (int k = 0; k < SIDE * SIDE; k++) room->d[k] = STEP * hypot(k / SIDE, k % SIDE);
  BOLTZ_TRY(pair_energies(energy, SIDE * SIDE, room->d, room->v, scratch));
  for (int k = 0; k < SIDE * SIDE; k++) pair[k] = exp(-room->v[k]);
  return BOLTZ_OK;
}

/* log Z, <U>, that U is a sum over pairs */
static enum boltz_status find_four(const struct boltz_energy *energy,
                                   struct boltz_exact_value *value, struct boltz_arena *scratch) {
  struct room room;
  double z = 0, zv = 0;
  BOLTZ_TRY(open_room(energy, &room, scratch));
  for (double rho = 0.9; rho < 7.2; rho += STEP) {
    double v;
    int n;
    BOLTZ_TRY(places_beside(energy, rho, &room, &n, scratch));
    BOLTZ_TRY(pair_energies(energy, 1, &rho, &v, scratch));
    const double weight = rho * exp(-v) * two_more_particles(&room, n);
    z += weight, zv += weight * v;
  }
  value[0].value = log(0.25 * 2 * M_PI * STEP * z);
  value[1].value = 6 * zv / z; /* six pairs, all alike */
  return pair_additivity(energy, &value[2].value, scratch);
}

const struct boltz_exact_case boltz_exact_clusters[] = {
    {"lj_cluster", "{\"N\":13,\"k\":0}", 1, find_minimum, {{"U at the minimum", -44.326801, 6e-7}}},
    {"lj_cluster",
     "{\"N\":55,\"k\":0}",
     1,
     find_minimum,
     {{"U at the minimum", -279.248470, 6e-7}}},
    {"dw4",
     "{}",
     1,
     find_four,
     {{"log Z", 29.667232233, 1e-9},
      {"<U>", -22.541509604, 1e-8},
      {"U is a sum over pairs", 0, 1e-12}}},
    {NULL},
};
