/* gmm40.c - the mixture of 40 Gaussians that samplers are compared on, a density of log Z = 0.
 *
 *   U(x) = -ln sum_{k=1..40} N(x; mean_k, sigma^2 I) / 40, sigma = 1.313261688 = ln(1 + e)
 *
 * Source: Midgley et al., "Flow Annealed Importance Sampling Bootstrap", 2208.01893: means drawn
 * uniformly from [-40, 40]^2, kept here to the digits given.
 * Golden: T = 1: log Z = 0, -E ln p = 6.859467353. */
#include "boltz/energy.h"
#include "core/energy/mixture.h"

#define COMPONENTS 40
#define SIGMA 1.313261688

static const double means[COMPONENTS][2] = {
    {-0.2995, 21.4577},   {-32.9218, -29.4376}, {-15.4062, 10.7263},  {-0.7925, 31.7156},
    {-3.5498, 10.5845},   {-12.0885, -7.8626},  {-38.2139, -26.4913}, {-16.4889, 1.4817},
    {15.8134, 24.0009},   {-27.1176, -17.4185}, {14.5287, 33.2155},   {-8.232, 29.9325},
    {-6.4473, 4.2326},    {36.219, -37.1068},   {-25.1815, -10.1266}, {-15.592, 34.56},
    {-25.9272, -18.4133}, {-27.9456, -37.4624}, {-23.3496, 34.3839},  {17.8487, 19.3869},
    {2.1037, -20.5073},   {6.7674, -37.3478},   {-28.9026, -20.6212}, {25.2375, 23.4528},
    {-17.7398, -1.4433},  {25.5824, 39.7653},   {15.8753, 5.4037},    {26.8195, -23.5521},
    {7.4538, -31.0122},   {-27.7234, -20.6633}, {18.0989, 16.0864},   {-23.6941, 12.0843},
    {21.9589, -5.0487},   {1.5273, 9.2682},     {24.8151, 38.4078},   {-30.8249, -14.6588},
    {15.7204, 33.142},    {34.8083, 35.2943},   {7.9606, -34.7833},   {3.6797, -25.0242},
};

struct gmm40 {
  struct boltz_mixture mixture;
};

static int dim(const void *settings) {
  (void)settings;
  return 2;
}

static enum boltz_status complete(void *settings, struct boltz_arena *arena) {
  struct gmm40 *s = settings;
  BOLTZ_TRY(boltz_mixture_new(arena, COMPONENTS, 2, &s->mixture));
  for (int k = 0; k < COMPONENTS; k++)
    boltz_mixture_set(&s->mixture, k, 1.0 / COMPONENTS, means[k], SIGMA);
  return BOLTZ_OK;
}

static void energy(const void *settings, const struct boltz_batch *x, double *U,
                   struct boltz_batch *gU, struct boltz_arena *scratch) {
  boltz_mixture_energy(&((const struct gmm40 *)settings)->mixture, x, U, gU, scratch);
}

static const struct boltz_field fields[] = {BOLTZ_FIELDS_END};

const struct boltz_energy_kind boltz_energy_gmm40 = {
    .name = "gmm40",
    .doc =
        "-ln p, p a mixture of 40 equal Gaussians in the plane, their means spread over [-40, 40]: "
        "log Z = 0 at T = 1",
    .source = "Midgley et al., Flow Annealed Importance Sampling Bootstrap, 2208.01893",
    .fields = fields,
    .settings_size = sizeof(struct gmm40),
    .dim = dim,
    .complete = complete,
    .energy = energy,
};
