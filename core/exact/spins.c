/* spins.c - exact numbers of the ising model and the nematic through their fields.
 *
 * Spins are drawn exactly, P(s) = w(s)/Z with w(s) = exp(-U(s)/T): by a transfer matrix, or from
 * the list of all states. Fields follow, phi | s ~ Normal(K s, K). The energy is said to obey
 * exp(-u(phi)) P(s | phi) = w(s) N(phi; K s, K) for all phi and s, P(s | phi) = prod of exp(e_i
 * s_i)/sum of exp, so
 *
 *   log Z = ln mean of exp(-u(phi)) P(s | phi) Z/(w(s) N(phi; K s, K)) over the draws,
 *
 * whatever u is; and if it is right, no draw differs from another but by rounding. Means over the
 * fields need no weights.
 * Source: Onsager, Phys. Rev. 65, 117 (1944); Hubbard, Phys. Rev. Lett. 3, 77 (1959). */
#include <math.h>
#include <string.h>

#include "boltz/rng.h"
#include "core/exact/lattice.h"
#include "core/exact/routes.h"

enum { DRAWS = 20000 };

/* How spins are drawn: of number `index`, and ln Z of what they are drawn of. */
struct source {
  double log_z;
  void (*draw)(const struct source *source, uint64_t index, int *spins);
  const struct boltz_lattice *lattice;
  double **powers;        /* of a transfer matrix [k] = [states, states], k = 1 ... N */
  const double *sum_of_p; /* of all states [count] */
};

/* Index of the first of n rising sums above u times the last. */
static int pick(double u, int n, const double *sum) {
  int low = 0, high = n - 1;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (sum[middle] > u * sum[n - 1])
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

static double uniform(uint64_t index, uint32_t block) {
  double u[2];
  boltz_rng_uniform(1, BOLTZ_STREAM_TEST, index, block, u);
  return u[0];
}

/* ---- ising by rows: T[s, t] = exp(bonds in s and of s to t), Z = trace of T^N, h = 0 ---- */

enum { ROWS_MOST = 256 }; /* of eight spins */

/* Of N bonds: those that are satisfied less those that are not. */
static int aligned(int N, int bits) {
  return N - 2 * __builtin_popcount((unsigned)bits);
}

/* powers[k] = T^k/exp(2 N k J/T): T's greatest element is 1. */
static enum boltz_status transfer_powers(const struct boltz_lattice *l, double **powers,
                                         struct boltz_arena *arena) {
  const int N = l->N, n = 1 << N;
  for (int k = 1; k <= N; k++) {
    powers[k] = boltz_arena_alloc(arena, (size_t)n * n, sizeof(double));
    if (!powers[k]) return BOLTZ_NO_MEMORY;
  }
  for (int s = 0; s < n; s++)
    for (int t = 0; t < n; t++) {
      const int turned = (s >> 1 | s << (N - 1)) & (n - 1);
      powers[1][s * n + t] =
          exp(l->J / l->T * (aligned(N, s ^ turned) + aligned(N, s ^ t) - 2 * N));
    }
  for (int k = 2; k <= N; k++) {
    memset(powers[k], 0, (size_t)n * n * sizeof(double));
    for (int r = 0; r < n; r++)
      for (int m = 0; m < n; m++)
        for (int c = 0; c < n; c++)
          powers[k][r * n + c] += powers[k - 1][r * n + m] * powers[1][m * n + c];
  }
  return BOLTZ_OK;
}

/* Row by row, each given the one before and that the last joins the first. */
static void draw_rows(const struct source *source, uint64_t index, int *spins) {
  const int N = source->lattice->N, n = 1 << N;
  double sum[ROWS_MOST];
  int first = 0, row = 0;
  for (int r = 0; r < N; r++) {
    double total = 0;
    for (int t = 0; t < n; t++) {
      total += r == 0 ? source->powers[N][t * (n + 1)]
                      : source->powers[1][row * n + t] * source->powers[N - r][t * n + first];
      sum[t] = total;
    }
    row = pick(uniform(index, (uint32_t)r), n, sum);
    if (r == 0) first = row;
    for (int c = 0; c < N; c++) spins[N * r + c] = row >> c & 1;
  }
}

static enum boltz_status open_rows(const struct boltz_lattice *l, double **powers,
                                   struct source *source, struct boltz_arena *arena) {
  const int N = l->N, n = 1 << N;
  if (n > ROWS_MOST || l->h != 0)
    return boltz_fail(BOLTZ_OUT_OF_RANGE, "rows of %d spins in a field of %g", N, l->h);
  BOLTZ_TRY(transfer_powers(l, powers, arena));
  double trace = 0;
  for (int s = 0; s < n; s++) trace += powers[N][s * (n + 1)];
  *source = (struct source){.log_z = log(trace) + 2.0 * N * N * l->J / l->T,
                            .draw = draw_rows,
                            .lattice = l,
                            .powers = powers};
  return BOLTZ_OK;
}

/* ---- all states, one by one ---- */

static void draw_state(const struct source *source, uint64_t index, int *spins) {
  const int count = boltz_lattice_count(source->lattice);
  boltz_lattice_state(source->lattice, pick(uniform(index, 0), count, source->sum_of_p), spins);
}

static enum boltz_status open_states(const struct boltz_lattice *l, struct source *source,
                                     struct boltz_arena *arena) {
  const int count = boltz_lattice_count(l);
  int spins[BOLTZ_LATTICE_SITES];
  double *sum = BOLTZ_NEW_ARRAY(arena, (size_t)count, double), total = 0;
  if (!sum) return BOLTZ_NO_MEMORY;
  boltz_lattice_state(l, 0, spins); /* all alike: the lowest energy when h >= 0 is small */
  const double least = boltz_lattice_energy(l, spins);
  for (int k = 0; k < count; k++) {
    boltz_lattice_state(l, k, spins);
    total += exp((least - boltz_lattice_energy(l, spins)) / l->T);
    sum[k] = total;
  }
  *source = (struct source){
      .log_z = log(total) - least / l->T, .draw = draw_state, .lattice = l, .sum_of_p = sum};
  return BOLTZ_OK;
}

/* ---- fields for spins ---- */

/* Draw the fields of sample i given its spins; ln of their density. */
static double draw_fields(const struct boltz_lattice *l, const int *spins, size_t i,
                          struct boltz_batch *phi) {
  double c[BOLTZ_LATTICE_SITES], z[2 * BOLTZ_LATTICE_SITES], mean[BOLTZ_LATTICE_SITES],
      noise[BOLTZ_LATTICE_SITES], log_p = 0;
  for (int a = 0; a < l->components; a++) {
    boltz_lattice_component(l, spins, a, c);
    for (int k = 0; k < l->sites; k += 2) /* two a block */
      boltz_rng_normal(2, BOLTZ_STREAM_TEST, i, (uint32_t)(l->sites * a + k), z + k);
    boltz_lattice_apply(l->sites, l->K, c, mean);
    boltz_lattice_apply(l->sites, l->lower, z, noise);
    log_p -= 0.5 * l->log_det;
    for (int k = 0; k < l->sites; k++) {
      phi->col[l->components * k + a][i] = mean[k] + noise[k];
      log_p -= 0.5 * z[k] * z[k];
    }
  }
  return log_p;
}

/* ln P(s | phi): independent, site by site. */
static double log_spins_given_fields(const struct boltz_lattice *l, const int *spins, size_t i,
                                     const struct boltz_batch *phi) {
  double log_p = 0;
  for (int k = 0; k < l->sites; k++) {
    double e[3] = {0}, greatest = -INFINITY, sum = 0;
    for (int s = 0; s < l->states; s++) {
      for (int a = 0; a < l->components; a++) {
        const double b = a == l->components - 1 ? l->h / l->T : 0;
        e[s] += boltz_lattice_value(l, s, a) * (phi->col[l->components * k + a][i] + b);
      }
      greatest = fmax(greatest, e[s]);
    }
    for (int s = 0; s < l->states; s++) sum += exp(e[s] - greatest);
    log_p += e[spins[k]] - greatest - log(sum);
  }
  return log_p;
}

/* log Z by the identity above; the fields stay in phi. */
static enum boltz_status find_log_z(const struct boltz_energy *energy, const struct source *source,
                                    struct boltz_batch *phi, struct boltz_exact_value *value,
                                    struct boltz_arena *scratch) {
  const struct boltz_lattice *l = source->lattice;
  double *u = BOLTZ_NEW_ARRAY(scratch, DRAWS, double);
  double *log_w = BOLTZ_NEW_ARRAY(scratch, DRAWS, double);
  if (!u || !log_w) return BOLTZ_NO_MEMORY;
  for (size_t i = 0; i < DRAWS; i++) {
    int spins[BOLTZ_LATTICE_SITES];
    source->draw(source, i, spins);
    const double log_joint = draw_fields(l, spins, i, phi) - boltz_lattice_energy(l, spins) / l->T;
    log_w[i] = log_spins_given_fields(l, spins, i, phi) - log_joint + source->log_z;
  }
  boltz_energy_eval(energy, energy->temperature, phi, u, NULL, scratch);
  for (size_t i = 0; i < DRAWS; i++) log_w[i] -= u[i];
  *value = boltz_exact_log_mean(DRAWS, log_w);
  return BOLTZ_OK;
}

/* The mean of one of the energy's own variables, times a factor. */
static enum boltz_status find_mean(const struct boltz_energy *energy, const char *name,
                                   double factor, const struct boltz_batch *phi,
                                   struct boltz_exact_value *value, struct boltz_arena *scratch) {
  struct boltz_batch of;
  BOLTZ_TRY(boltz_batch_new(scratch, phi->n, 1, &of));
  boltz_variable_eval(energy, boltz_energy_variable(energy, name), energy->temperature, 3, 0, phi,
                      &of, scratch);
  *value = boltz_exact_mean(phi->n, of.col[0]);
  value->value *= factor, value->stderr_ *= factor;
  return BOLTZ_OK;
}

static enum boltz_status open_lattice(const struct boltz_energy *energy, int axes,
                                      struct boltz_lattice *l, struct boltz_arena *arena) {
  return boltz_lattice_new((int)boltz_exact_setting(energy, "N"), axes,
                           boltz_exact_setting(energy, "J"), boltz_exact_setting(energy, "h"),
                           boltz_exact_setting(energy, "alpha"), energy->temperature, arena, l);
}

/* log Z, <|m|>, <U>/N^2 */
static enum boltz_status find_ising(const struct boltz_energy *energy,
                                    struct boltz_exact_value *value, struct boltz_arena *scratch) {
  struct boltz_lattice l;
  struct source source;
  struct boltz_batch phi;
  double *powers[BOLTZ_LATTICE_SITES + 1];
  BOLTZ_TRY(open_lattice(energy, 2, &l, scratch));
  BOLTZ_TRY(open_rows(&l, powers, &source, scratch));
  BOLTZ_TRY(boltz_batch_new(scratch, DRAWS, energy->dim, &phi));
  BOLTZ_TRY(find_log_z(energy, &source, &phi, &value[0], scratch));
  BOLTZ_TRY(find_mean(energy, "abs_m", 1, &phi, &value[1], scratch));
  return find_mean(energy, "u_per_site", 1, &phi, &value[2], scratch);
}

/* log Z, <U> */
static enum boltz_status find_nematic(const struct boltz_energy *energy,
                                      struct boltz_exact_value *value,
                                      struct boltz_arena *scratch) {
  struct boltz_lattice l;
  struct source source;
  struct boltz_batch phi;
  BOLTZ_TRY(open_lattice(energy, 3, &l, scratch));
  BOLTZ_TRY(open_states(&l, &source, scratch));
  BOLTZ_TRY(boltz_batch_new(scratch, DRAWS, energy->dim, &phi));
  BOLTZ_TRY(find_log_z(energy, &source, &phi, &value[0], scratch));
  return find_mean(energy, "u_per_site", l.sites, &phi, &value[1], scratch);
}

const struct boltz_exact_case boltz_exact_spins[] = {
    {"ising",
     "{\"J\":0.8}",
     1,
     find_ising,
     {{"log Z", 103.209050463, 1e-9}, {"<|m|>", 0.996019988, 0}, {"<U>/N^2", -1.587881061, 0}}},
    {"ising",
     "{\"J\":0.4}",
     1,
     find_ising,
     {{"log Z", 56.599388760, 1e-9}, {"<|m|>", 0.603128979, 0}, {"<U>/N^2", -0.488928257, 0}}},
    {"ising", /* critical: ln(1 + sqrt 2)/2 */
     "{\"J\":0.44068679350977151}",
     1,
     find_ising,
     {{"log Z", 60.141780789, 1e-9}}},
    {"nematic",
     "{\"J\":0.75}",
     1,
     find_nematic,
     {{"log Z", 19.391203162, 1e-9}, {"<U>", -16.502188962, 0}}},
    {NULL},
};
