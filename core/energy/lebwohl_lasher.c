/* lebwohl_lasher.c - rods on a cubic lattice that turn freely: a nematic liquid crystal.
 *
 *   U = -J sum over bonds of P2(v_i . v_j), P2(c) = (3 c^2 - 1)/2, v_i unit vectors
 *
 * N x N x N sites, periodic, 3 N^3 bonds; with N = 2 neighbours are joined by two. Coordinates are
 * site by site cos(theta) and the angle around z: the measure is the sphere's area, log Z = N^3 ln
 * 4 pi at J = 0.
 * Source: Lebwohl, Lasher, Phys. Rev. A 6, 426 (1972).
 * Golden: all vectors parallel: U = -3 N^3 J. */
#include <string.h>

#include "boltz/energy.h"
#include "core/base/vmath.h"
#include "core/energy/refuse.h"
#include "core/energy/torus.h"

struct lebwohl_lasher {
  int64_t N;
  double J;
};

enum { X, Y, Z, SPACE };
enum { COS_THETA, ANGLE, WIDTH };

static const double two_pi = 6.28318530717958647692;

static int sites(const void *settings) {
  const struct lebwohl_lasher *s = settings;
  return (int)(s->N * s->N * s->N);
}

static int dim(const void *settings) {
  return WIDTH * sites(settings);
}

static int width(const void *settings) {
  (void)settings;
  return WIDTH;
}

static void domain(const void *settings, int j, struct boltz_domain *domain) {
  (void)settings;
  if (j % WIDTH == COS_THETA)
    *domain = (struct boltz_domain){.type = BOLTZ_INTERVAL, .low = -1, .high = 1};
  else
    *domain = (struct boltz_domain){.type = BOLTZ_PERIODIC, .low = 0, .high = two_pi};
}

/* v = (sqrt(1 - c^2) cos a, sqrt(1 - c^2) sin a, c) */
BOLTZ_VECTORISED static void unit_vector(size_t n, double *const coordinates[WIDTH],
                                         double *const vector[SPACE]) {
  const double *restrict c = coordinates[COS_THETA], *restrict angle = coordinates[ANGLE];
  double *restrict x = vector[X], *restrict y = vector[Y], *restrict z = vector[Z];
  for (size_t i = 0; i < n; i++) {
    const double turns = angle[i] / two_pi;
    double cosine, sine;
    boltz_cos_sin_turn(turns - floor(turns), &cosine, &sine);
    const double s = sqrt((1 - c[i]) * (1 + c[i]));
    x[i] = s * cosine;
    y[i] = s * sine;
    z[i] = c[i];
  }
}

static enum boltz_status unit_vectors(const struct boltz_batch *x, struct boltz_arena *scratch,
                                      struct boltz_batch *v) {
  const int count = x->dim / WIDTH;
  BOLTZ_TRY(boltz_batch_new(scratch, x->n, SPACE * count, v));
  for (int site = 0; site < count; site++)
    unit_vector(x->n, x->col + WIDTH * site, v->col + SPACE * site);
  return BOLTZ_OK;
}

/* U += weight P2(v . w) */
BOLTZ_VECTORISED static void add_bond(double weight, size_t n, double *const v[SPACE],
                                      double *const w[SPACE], double *restrict U) {
  const double *restrict vx = v[X], *restrict vy = v[Y], *restrict vz = v[Z];
  const double *restrict wx = w[X], *restrict wy = w[Y], *restrict wz = w[Z];
  for (size_t i = 0; i < n; i++) {
    const double c = vx[i] * wx[i] + vy[i] * wy[i] + vz[i] * wz[i];
    U[i] += weight * (1.5 * c * c - 0.5);
  }
}

/* cosine = v . w */
BOLTZ_VECTORISED static void scalar_product(size_t n, double *const v[SPACE],
                                            double *const w[SPACE], double *restrict cosine) {
  const double *restrict vx = v[X], *restrict vy = v[Y], *restrict vz = v[Z];
  const double *restrict wx = w[X], *restrict wy = w[Y], *restrict wz = w[Z];
  for (size_t i = 0; i < n; i++) cosine[i] = vx[i] * wx[i] + vy[i] * wy[i] + vz[i] * wz[i];
}

/* g += weight cosine w, of one component */
BOLTZ_VECTORISED static void add_weighted(double weight, size_t n, const double *restrict cosine,
                                          const double *restrict w, double *restrict g) {
  for (size_t i = 0; i < n; i++) g[i] += weight * cosine[i] * w[i];
}

/* dU/dc = gz - (c / s^2)(gx vx + gy vy), s^2 = 1 - c^2 */
BOLTZ_VECTORISED static void polar_slope(size_t n, double *const v[SPACE], double *const g[SPACE],
                                         double *restrict slope) {
  const double *restrict x = v[X], *restrict y = v[Y], *restrict c = v[Z];
  const double *restrict gx = g[X], *restrict gy = g[Y], *restrict gz = g[Z];
  for (size_t i = 0; i < n; i++) {
    const double ratio = c[i] / ((1 - c[i]) * (1 + c[i]));
    slope[i] = gz[i] - ratio * (gx[i] * x[i] + gy[i] * y[i]);
  }
}

/* dU/da = gy vx - gx vy */
BOLTZ_VECTORISED static void azimuth_slope(size_t n, double *const v[SPACE], double *const g[SPACE],
                                           double *restrict slope) {
  const double *restrict x = v[X], *restrict y = v[Y], *restrict gx = g[X], *restrict gy = g[Y];
  for (size_t i = 0; i < n; i++) slope[i] = gy[i] * x[i] - gx[i] * y[i];
}

static void neighbours_of(const struct lebwohl_lasher *s, int site, int neighbours[6]) {
  const int N = (int)s->N, strides[] = {1, N, N * N};
  for (int axis = 0; axis < 3; axis++) {
    neighbours[axis] = boltz_torus_next(N, strides[axis], site);
    neighbours[3 + axis] = boltz_torus_previous(N, strides[axis], site);
  }
}

/* The gradient in both coordinates of a site; spare has a column for each of space, and one. */
static void gradient_at(const struct lebwohl_lasher *s, const struct boltz_batch *v, int site,
                        const struct boltz_batch *spare, double *const to[WIDTH]) {
  double **here = v->col + SPACE * site, **g = spare->col, *cosine = spare->col[SPACE];
  int neighbours[6];
  neighbours_of(s, site, neighbours);
  for (int k = 0; k < SPACE; k++) memset(g[k], 0, v->n * sizeof(double));
  for (int k = 0; k < 6; k++) { /* P2'(c) = 3 c */
    double **next = v->col + SPACE * neighbours[k];
    scalar_product(v->n, here, next, cosine);
    for (int a = 0; a < SPACE; a++) add_weighted(-3 * s->J, v->n, cosine, next[a], g[a]);
  }
  polar_slope(v->n, here, g, to[COS_THETA]);
  azimuth_slope(v->n, here, g, to[ANGLE]);
}

static void energy(const void *settings, const struct boltz_batch *x, double *U,
                   struct boltz_batch *gU, struct boltz_arena *scratch) {
  const struct lebwohl_lasher *s = settings;
  struct boltz_batch v, spare;
  if (unit_vectors(x, scratch, &v) != BOLTZ_OK ||
      (gU && boltz_batch_new(scratch, x->n, SPACE + 1, &spare) != BOLTZ_OK)) {
    boltz_energy_refuse(x->n, U, gU);
    return;
  }
  for (size_t i = 0; i < x->n; i++) U[i] = 0;
  for (int site = 0; site < sites(s); site++) {
    int neighbours[6];
    neighbours_of(s, site, neighbours);
    for (int k = 0; k < 3; k++)
      add_bond(-s->J, x->n, v.col + SPACE * site, v.col + SPACE * neighbours[k], U);
    if (gU) gradient_at(s, &v, site, &spare, gU->col + WIDTH * site);
  }
}

static void difference(const void *settings, double temperature, const struct boltz_batch *x,
                       int site, const struct boltz_batch *moved, double *du,
                       struct boltz_arena *scratch) {
  const struct lebwohl_lasher *s = settings;
  const int met = s->N == 2 ? 3 : 6; /* with N = 2 both neighbours along an axis are one */
  const double J = 6.0 / met * s->J / temperature;
  int neighbours[6];
  struct boltz_batch v;
  if (boltz_batch_new(scratch, x->n, 3 * SPACE, &v) != BOLTZ_OK) {
    boltz_energy_refuse(x->n, du, NULL);
    return;
  }
  double **before = v.col, **after = v.col + SPACE, **other = v.col + 2 * SPACE;
  unit_vector(x->n, x->col + WIDTH * site, before);
  unit_vector(x->n, moved->col, after);
  neighbours_of(s, site, neighbours);
  for (size_t i = 0; i < x->n; i++) du[i] = 0;
  for (int k = 0; k < met; k++) {
    unit_vector(x->n, x->col + WIDTH * neighbours[k], other);
    add_bond(J, x->n, before, other, du);
    add_bond(-J, x->n, after, other, du);
  }
}

/* The largest eigenvalue of a symmetric matrix of trace 0, by its invariants; Smith, Commun. ACM 4,
   168 (1961). */
static double largest_eigenvalue(double xx, double yy, double zz, double xy, double xz, double yz) {
  const double p2 = (xx * xx + yy * yy + zz * zz + 2 * (xy * xy + xz * xz + yz * yz)) / 6;
  const double p = sqrt(p2);
  if (!(p > 0)) return p;
  const double det = xx * (yy * zz - yz * yz) - xy * (xy * zz - yz * xz) + xz * (xy * yz - yy * xz);
  const double r = fmax(-1, fmin(1, det / (2 * p * p2)));
  return 2 * p * cos(acos(r) / 3);
}

/* q += v_a v_b */
static void add_product(size_t n, const double *a, const double *b, double *restrict q) {
  for (size_t i = 0; i < n; i++) q[i] += a[i] * b[i];
}

static void eval_s(const void *settings, double temperature, uint64_t seed, uint64_t first,
                   const struct boltz_batch *x, struct boltz_batch *value,
                   struct boltz_arena *scratch) {
  static const int pairs[6][2] = {{X, X}, {Y, Y}, {Z, Z}, {X, Y}, {X, Z}, {Y, Z}};
  const int count = sites(settings);
  struct boltz_batch v, q;
  (void)temperature, (void)seed, (void)first;
  if (unit_vectors(x, scratch, &v) != BOLTZ_OK ||
      boltz_batch_new(scratch, x->n, 6, &q) != BOLTZ_OK) {
    boltz_energy_refuse(x->n, value->col[0], NULL);
    return;
  }
  for (int site = 0; site < count; site++)
    for (int k = 0; k < 6; k++)
      add_product(x->n, v.col[SPACE * site + pairs[k][0]], v.col[SPACE * site + pairs[k][1]],
                  q.col[k]);
  for (int k = 0; k < 6; k++)
    for (size_t i = 0; i < x->n; i++)
      q.col[k][i] = 1.5 * q.col[k][i] / count - (k < SPACE ? 0.5 : 0);
  for (size_t i = 0; i < x->n; i++)
    value->col[0][i] = largest_eigenvalue(q.col[0][i], q.col[1][i], q.col[2][i], q.col[3][i],
                                          q.col[4][i], q.col[5][i]);
}

static void eval_u_per_site(const void *settings, double temperature, uint64_t seed, uint64_t first,
                            const struct boltz_batch *x, struct boltz_batch *value,
                            struct boltz_arena *scratch) {
  const int count = sites(settings);
  (void)temperature, (void)seed, (void)first;
  energy(settings, x, value->col[0], NULL, scratch);
  for (size_t i = 0; i < x->n; i++) value->col[0][i] /= count;
}

static const struct boltz_variable variables[] = {
    {"s", "nematic order: the largest eigenvalue of Q = mean over sites of (3 v v^T - 1)/2", NULL,
     eval_s},
    {"u_per_site", "U/N^3, unreduced", NULL, eval_u_per_site},
    {0},
};

#define OFFSET(member) offsetof(struct lebwohl_lasher, member)
static const struct boltz_field fields[] = {
    {.name = "N",
     .type = BOLTZ_FIELD_INT,
     .offset = OFFSET(N),
     .def = 2,
     .low = 2,
     .high = 12,
     .doc = "sites along a side of the cubic lattice"},
    {.name = "J",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(J),
     .def = 1,
     .low = 0,
     .high = 1e6,
     .doc = "coupling: a bond of parallel vectors has the energy -J"},
    BOLTZ_FIELDS_END,
};

const struct boltz_energy_kind boltz_energy_lebwohl_lasher = {
    .name = "lebwohl_lasher",
    .doc =
        "-J sum over bonds of P2(v_i . v_j): unit vectors on an N x N x N periodic lattice, "
        "each as cos(theta) and the angle around z, site by site",
    .source = "Lebwohl, Lasher, Phys. Rev. A 6, 426 (1972)",
    .fields = fields,
    .settings_size = sizeof(struct lebwohl_lasher),
    .example = "{\"N\": 3}",
    .dim = dim,
    .domain = domain,
    .energy = energy,
    .variables = variables,
    .site_width = width,
    .difference = difference,
};
