/* quadrature.c - Simpson's rule on a plane; nodes of Gauss and Legendre. */
#include <math.h>

#include "core/exact/routes.h"

static double simpson(int k, int steps) {
  return (k == 0 || k == steps ? 1 : k % 2 ? 4 : 2) / 3.0;
}

/* Row k of the rectangle: a is the same. */
static void fill_row(const struct boltz_exact_plane *plane, double a, double h,
                     struct boltz_batch *x) {
  for (int i = 0; i <= plane->steps; i++) {
    double point[2] = {a, plane->low[1] + i * h};
    if (plane->place) plane->place(point[0], point[1], point);
    x->col[0][i] = point[0], x->col[1][i] = point[1];
  }
}

enum boltz_status boltz_exact_integrate(const struct boltz_energy *energy,
                                        const struct boltz_exact_plane *plane,
                                        struct boltz_exact_integral *integral,
                                        struct boltz_arena *scratch) {
  const int steps = plane->steps;
  const double h[2] = {(plane->high[0] - plane->low[0]) / steps,
                       (plane->high[1] - plane->low[1]) / steps};
  const double area = h[0] * h[1] * plane->jacobian;
  struct boltz_batch x;
  double *u = BOLTZ_NEW_ARRAY(scratch, (size_t)steps + 1, double);
  BOLTZ_TRY(boltz_batch_new(scratch, (size_t)steps + 1, energy->dim, &x));
  if (!u) return BOLTZ_NO_MEMORY;
  *integral = (struct boltz_exact_integral){0};
  for (int row = 0; row <= steps; row++) {
    const double a = plane->low[0] + row * h[0];
    fill_row(plane, a, h[1], &x);
    boltz_energy_eval(energy, energy->temperature, &x, u, NULL, scratch);
    for (int i = 0; i <= steps; i++) {
      if (u[i] >= 700) continue; /* NaN is not */
      const double p = area * exp(-u[i]) * simpson(row, steps) * simpson(i, steps);
      integral->p += p, integral->pa += p * a, integral->paa += p * a * a;
      integral->pu += p * u[i];
    }
  }
  return BOLTZ_OK;
}

/* Newton's method from Tricomi's first guess of a node. */
void boltz_exact_gauss(int n, double low, double high, double *node, double *weight) {
  for (int k = 0; k < n; k++) {
    double t = cos(M_PI * (k + 0.75) / (n + 0.5)), slope = 0, moved = 1;
    for (int step = 0; step < 50 && fabs(moved) > 1e-15; step++) {
      double p = 1, before = 0;
      for (int j = 1; j <= n; j++) {
        const double next = ((2 * j - 1) * t * p - (j - 1) * before) / j;
        before = p, p = next;
      }
      slope = n * (t * p - before) / (t * t - 1);
      moved = p / slope;
      t -= moved;
    }
    node[k] = 0.5 * (low + high) + 0.5 * (high - low) * t;
    weight[k] = (high - low) / ((1 - t * t) * slope * slope);
  }
}
