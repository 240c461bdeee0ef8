/* mixtures.c - densities that are energies: that they integrate to 1, and their entropies, by
 * Simpson's rule on the plane. */
#include <math.h>

#include "core/exact/routes.h"

/* log Z, -E ln p, <x1>, <x1^2> */
static enum boltz_status find_density(const struct boltz_energy *energy,
                                      const struct boltz_exact_plane *plane,
                                      struct boltz_exact_value *value,
                                      struct boltz_arena *scratch) {
  struct boltz_exact_integral all;
  BOLTZ_TRY(boltz_exact_integrate(energy, plane, &all, scratch));
  value[0].value = log(all.p);
  value[1].value = all.pu;
  value[2].value = all.pa;
  value[3].value = all.paa;
  return BOLTZ_OK;
}

static enum boltz_status find_crescents(const struct boltz_energy *energy,
                                        struct boltz_exact_value *value,
                                        struct boltz_arena *scratch) {
  static const struct boltz_exact_plane plane = {
      .low = {-1.8, -1.3}, .high = {2.8, 1.8}, .steps = 300, .jacobian = 1};
  return find_density(energy, &plane, value, scratch);
}

static enum boltz_status find_forty(const struct boltz_energy *energy,
                                    struct boltz_exact_value *value, struct boltz_arena *scratch) {
  static const struct boltz_exact_plane plane = {
      .low = {-50, -50}, .high = {50, 50}, .steps = 500, .jacobian = 1};
  return find_density(energy, &plane, value, scratch);
}

/* log Z, <x1>, <x1^2>, -E ln p */
static enum boltz_status find_few(const struct boltz_energy *energy,
                                  struct boltz_exact_value *value, struct boltz_arena *scratch) {
  static const struct boltz_exact_plane plane = {
      .low = {-12, -12}, .high = {12, 12}, .steps = 500, .jacobian = 1};
  BOLTZ_TRY(find_density(energy, &plane, value, scratch));
  const struct boltz_exact_value entropy = value[1];
  value[1] = value[2], value[2] = value[3], value[3] = entropy;
  return BOLTZ_OK;
}

#define ENTROPY "-E ln p"

const struct boltz_exact_case boltz_exact_mixtures[] = {
    {"crescents", "{}", 1, find_crescents, {{"log Z", 0, 1e-9}, {ENTROPY, 1.007371471, 1e-9}}},
    {"gaussian_mixture", /* moments: sum of w mu, and of w (mu^2 + sigma^2) */
     "{\"weights\":[0.25,0.75],\"means\":[[1,-2],[-1,3]],\"stds\":[0.5,1.2]}",
     1,
     find_few,
     {{"log Z", 0, 1e-9}, {"<x1>", -0.5, 1e-9}, {"<x1^2>", 2.1425, 1e-9}}},
    {"gaussian_mixture", /* and ln(2 pi e sigma^2) */
     "{\"weights\":[1],\"means\":[[3,-1]],\"stds\":[0.4]}",
     1,
     find_few,
     {{"log Z", 0, 1e-9},
      {"<x1>", 3, 1e-9},
      {"<x1^2>", 9.16, 1e-9},
      {ENTROPY, 1.005295602661035, 1e-9}}},
    {"gmm40", "{}", 1, find_forty, {{"log Z", 0, 1e-9}, {ENTROPY, 6.859467353, 1e-9}}},
    {NULL},
};
