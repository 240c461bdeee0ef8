/* harmonic_pair.c - two particles on a line joined by a spring, the first confined.
 *
 *   U(x) = k (x2 - x1)^2, 0 <= x1 <= L; x2 is free, or confined too with confine_both
 *
 * No factor 1/2. log Z = ln(pi L^2 T / k) / 2; with confine_both, kappa = k / T:
 * log Z = ln[L sqrt(pi/kappa) erf(L sqrt(kappa)) - (1 - exp(-kappa L^2)) / kappa].
 * Source: Binagia, Friedowitz, Hou, "Efficient Sampling of Equilibrium States using Boltzmann
 * Generators" (2019).
 * Golden: k = 2, L = 4, T = 1: log Z = 1.612085714. */
#include "boltz/energy.h"

struct harmonic_pair {
  double k, L;
  bool confine_both;
};

static int dim(const void *settings) {
  (void)settings;
  return 2;
}

static void domain(const void *settings, int j, struct boltz_domain *domain) {
  const struct harmonic_pair *s = settings;
  if (j == 0 || s->confine_both)
    *domain = (struct boltz_domain){.type = BOLTZ_INTERVAL, .low = 0, .high = s->L};
}

static void energy(const void *settings, const struct boltz_batch *x, double *U,
                   struct boltz_batch *gU, struct boltz_arena *scratch) {
  const struct harmonic_pair *s = settings;
  const double *x1 = x->col[0], *x2 = x->col[1];
  double k = s->k;
  (void)scratch;
  for (size_t i = 0; i < x->n; i++) U[i] = k * (x2[i] - x1[i]) * (x2[i] - x1[i]);
  if (!gU) return;
  double *g1 = gU->col[0], *g2 = gU->col[1];
  for (size_t i = 0; i < x->n; i++) {
    double g = 2 * k * (x2[i] - x1[i]);
    g1[i] = -g;
    g2[i] = g;
  }
}

#define OFFSET(member) offsetof(struct harmonic_pair, member)
static const struct boltz_field fields[] = {
    {.name = "k",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(k),
     .def = 1,
     .low = 0,
     .high = 1e6,
     .low_open = true,
     .doc = "spring constant"},
    {.name = "L",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(L),
     .def = 4,
     .low = 0,
     .high = 1e6,
     .low_open = true,
     .doc = "length of the interval that confines x1"},
    {.name = "confine_both",
     .type = BOLTZ_FIELD_BOOL,
     .offset = OFFSET(confine_both),
     .def = 0,
     .high = 1,
     .doc = "confine x2 to the same interval"},
    BOLTZ_FIELDS_END,
};

const struct boltz_energy_kind boltz_energy_harmonic_pair = {
    .name = "harmonic_pair",
    .doc =
        "k (x2 - x1)^2 with 0 <= x1 <= L: two particles on a line joined by a spring, the first "
        "confined",
    .source =
        "Binagia, Friedowitz, Hou, Efficient Sampling of Equilibrium States using Boltzmann "
        "Generators (2019)",
    .fields = fields,
    .settings_size = sizeof(struct harmonic_pair),
    .dim = dim,
    .domain = domain,
    .energy = energy,
};
