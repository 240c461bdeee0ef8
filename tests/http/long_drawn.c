/* long_drawn.c - kinds of energy at settings drawn at random: default jobs against the exact
 * numbers that core/exact finds for those settings. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/exact/exact.h"
#include "tests/http/long.h"

/* A kind, a setting that is drawn, and what must hold. */
static const struct drawn {
  const char *kind, *settings; /* a format for the number drawn */
  double low, high;
  double seconds, least_ess, log_z_within;
} drawns[] = {
    {"mueller_brown", "{\"s\":%.17g}", 0.06, 0.12, 120, 0.97, 0.005},
    {"particle_dimer", "{\"n_solvent\":0,\"slope\":%.17g}", -1, 2, 120, 0.9, 0.01},
    {"many_well", "{\"dim\":6,\"c\":%.17g}", -1, 1, 120, 0.9, 0.01},
    {"lj_fluid", "{\"N\":2,\"L\":%.17g}", 4, 6, 120, 0, 0.01},
    {"polymer_chain", "{\"N\":2,\"r0\":%.17g}", 1.2, 1.8, 120, 0, 0.01},
    {"ising", "{\"J\":%.17g}", 0.3, 0.45, 300, 0, 0.02},
    {"nematic", "{\"J\":%.17g}", 0.5, 0.9, 300, 0, 0.02},
};

/* log Z of a kind at other settings than those of its case. */
static double exact_log_z(const char *kind, const char *settings) {
  const struct boltz_exact_case *c;
  struct boltz_exact_value value[BOLTZ_EXACT_QUANTITIES] = {{NAN, 0}};
  struct boltz_arena *scratch = boltz_arena_open(0);
  for (int k = 0; (c = boltz_exact_case_at(k)); k++) {
    if (strcmp(c->kind, kind) != 0 || strcmp(c->quantity[0].name, "log Z") != 0) continue;
    struct boltz_exact_case other = *c;
    other.settings = settings;
    other.temperature = 1;
    boltz_exact_find(&other, value, scratch);
    break;
  }
  boltz_arena_close(scratch);
  return value[0].value;
}

static void measure(struct bench *bench, const struct drawn *d, double number, int k) {
  char settings[96], energy[192], system[64], model[64];
  snprintf(settings, sizeof settings, d->settings, number);
  snprintf(energy, sizeof energy, "{\"kind\":\"%s\",%s", d->kind, settings + 1);
  snprintf(system, sizeof system, "drawn %s %.4g", d->kind, number);
  snprintf(model, sizeof model, "drawn-%s-%d", d->kind, k);
  if (!long_train(bench, system, model, energy, 1, "", d->seconds)) return;
  struct answer answer = long_estimate(bench, model, 1000000, "");
  const double miss = answer_number(&answer, "log_z.value") - exact_log_z(d->kind, settings);
  long_figure(bench, system, "ess_fraction", answer_number(&answer, "ess_fraction"), d->least_ess,
              1);
  long_figure(bench, system, "log Z - exact", miss, -d->log_z_within, d->log_z_within);
  long_figure(bench, system, "(log Z - exact)/stderr",
              miss / answer_number(&answer, "log_z.stderr"), -4, 4);
  answer_free(&answer);
}

void long_drawn(struct bench *bench, int draws, uint64_t seed) {
  for (size_t i = 0; i < sizeof drawns / sizeof *drawns; i++) {
    char name[64];
    snprintf(name, sizeof name, "drawn %s", drawns[i].kind);
    for (int k = 0; k < draws && long_wants(bench, name); k++) {
      double u[2];
      boltz_rng_uniform(seed, BOLTZ_STREAM_TEST, (uint64_t)k, (uint32_t)(100 + i), u);
      measure(bench, &drawns[i], drawns[i].low + (drawns[i].high - drawns[i].low) * u[0], k);
    }
  }
}
