/* exact.c - the list of cases, and how one is found and judged. */
#include "core/exact/exact.h"

#include <math.h>
#include <string.h>

#include "boltz/json.h"
#include "core/exact/routes.h"

const struct boltz_exact_case *boltz_exact_case_at(int index) {
  static const struct boltz_exact_case *const lists[] = {
      boltz_exact_wells,    boltz_exact_mixtures, boltz_exact_particles,
      boltz_exact_clusters, boltz_exact_spins,    boltz_exact_sites};
  if (index < 0) return NULL;
  for (size_t k = 0; k < sizeof lists / sizeof *lists; k++)
    for (const struct boltz_exact_case *c = lists[k]; c->kind; c++)
      if (index-- == 0) return c;
  return NULL;
}

int boltz_exact_quantities(const struct boltz_exact_case *c) {
  int n = 0;
  while (n < BOLTZ_EXACT_QUANTITIES && c->quantity[n].name) n++;
  return n;
}

static enum boltz_status open_energy(const struct boltz_exact_case *c, struct boltz_arena *arena,
                                     struct boltz_energy *energy) {
  const struct boltz_energy_kind *kind = boltz_energy_kind_find(c->kind);
  struct boltz_json *json;
  if (!kind) return boltz_fail(BOLTZ_UNKNOWN_KIND, "there is no energy of the kind %s", c->kind);
  void *settings = boltz_arena_alloc(arena, 1, kind->settings_size + 1);
  if (!settings) return boltz_fail(BOLTZ_NO_MEMORY, "no memory for an energy");
  BOLTZ_TRY(boltz_json_parse(c->settings, strlen(c->settings), 9, arena, &json));
  BOLTZ_TRY(boltz_json_fields(json, kind->fields, NULL, settings, arena));
  return boltz_energy_new(kind, settings, c->temperature, arena, energy);
}

enum boltz_status boltz_exact_find(const struct boltz_exact_case *c,
                                   struct boltz_exact_value *value, struct boltz_arena *scratch) {
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  struct boltz_energy energy;
  for (int k = 0; k < BOLTZ_EXACT_QUANTITIES; k++) value[k] = (struct boltz_exact_value){NAN, 0};
  enum boltz_status status = open_energy(c, scratch, &energy);
  if (status == BOLTZ_OK) status = c->find(&energy, value, scratch);
  if (status == BOLTZ_NO_MEMORY)
    boltz_fail(BOLTZ_NO_MEMORY, "no memory for the exact numbers of %s", c->kind);
  boltz_arena_release(scratch, mark);
  return status;
}

bool boltz_exact_agrees(const struct boltz_exact_quantity *quantity,
                        const struct boltz_exact_value *value) {
  return fabs(value->value - quantity->reference) <= quantity->tolerance + 4 * value->stderr_;
}

double boltz_exact_setting(const struct boltz_energy *energy, const char *name) {
  const struct boltz_field *field = boltz_field_find(energy->kind->fields, name);
  const void *at = field ? (const char *)energy->settings + field->offset : NULL;
  if (!field) return NAN;
  return field->type == BOLTZ_FIELD_INT ? (double)*(const int64_t *)at : *(const double *)at;
}

struct boltz_exact_value boltz_exact_mean(size_t n, const double *value) {
  double sum = 0, squares = 0;
  for (size_t i = 0; i < n; i++) sum += value[i];
  const double mean = sum / (double)n;
  for (size_t i = 0; i < n; i++) squares += (value[i] - mean) * (value[i] - mean);
  return (struct boltz_exact_value){mean, sqrt(squares / (double)n / ((double)n - 1))};
}

struct boltz_exact_value boltz_exact_log_mean(size_t n, const double *log_w) {
  double greatest = -INFINITY, sum = 0, squares = 0;
  for (size_t i = 0; i < n; i++) greatest = fmax(greatest, log_w[i]);
  for (size_t i = 0; i < n; i++) sum += exp(log_w[i] - greatest);
  const double mean = sum / (double)n;
  for (size_t i = 0; i < n; i++) {
    const double d = exp(log_w[i] - greatest) - mean;
    squares += d * d;
  }
  return (struct boltz_exact_value){greatest + log(mean),
                                    sqrt(squares / (double)n / ((double)n - 1)) / mean};
}
