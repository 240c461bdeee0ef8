/* self_check.c - `boltzd --self-check`: the exact numbers of every kind of energy as a table. */
#include "server/self_check.h"

#include <math.h>
#include <string.h>

#include "server/clock.h"

#define SCRATCH_LIMIT ((size_t)256 << 20)

static void print_line(const struct boltz_exact_case *c, const struct boltz_exact_quantity *q,
                       const struct boltz_exact_value *v, bool good, FILE *table) {
  char settings[64], error[24] = "";
  const char *dots = strlen(c->settings) > 40 ? "..." : "";
  snprintf(settings, sizeof settings, "%.*s%s T=%g", *dots ? 37 : 40, c->settings, dots,
           c->temperature);
  if (v->stderr_ > 1e-9) snprintf(error, sizeof error, "+-%.2g", v->stderr_);
  fprintf(table, "%-17s %-46s %-24s %18.9f %-9s %18.9f %10.2g  %s\n", c->kind, settings, q->name,
          v->value, error, q->reference, v->value - q->reference, good ? "ok" : "WRONG");
}

int self_check_case(const struct boltz_exact_case *c, FILE *table, struct boltz_arena *scratch) {
  struct boltz_exact_value value[BOLTZ_EXACT_QUANTITIES];
  const int n = boltz_exact_quantities(c);
  int wrong = 0;
  if (boltz_exact_find(c, value, scratch) != BOLTZ_OK) {
    fprintf(table, "%-17s %s: %s\n", c->kind, c->settings, boltz_error());
    return n;
  }
  for (int k = 0; k < n; k++) {
    const bool good = boltz_exact_agrees(&c->quantity[k], &value[k]);
    print_line(c, &c->quantity[k], &value[k], good, table);
    wrong += !good;
  }
  fflush(table);
  return wrong;
}

static void report(const char *kind, int64_t since_ms, FILE *progress) {
  fprintf(progress, "%s: %.1f s\n", kind, (double)(monotonic_ms() - since_ms) / 1000);
}

int self_check(FILE *table, FILE *progress) {
  struct boltz_arena *scratch = boltz_arena_open(SCRATCH_LIMIT);
  const struct boltz_exact_case *c;
  int numbers = 0, wrong = 0;
  int64_t start = monotonic_ms(), since = start;
  if (!scratch) {
    fputs("no memory for a self-check\n", table);
    return 1;
  }
  fprintf(table, "%-17s %-46s %-24s %18s %-9s %18s %10s\n", "kind", "settings", "quantity",
          "computed", "", "reference", "difference");
  for (int k = 0; (c = boltz_exact_case_at(k)); k++) {
    const struct boltz_exact_case *next = boltz_exact_case_at(k + 1);
    numbers += boltz_exact_quantities(c);
    wrong += self_check_case(c, table, scratch);
    if (next && strcmp(next->kind, c->kind) == 0) continue;
    report(c->kind, since, progress);
    since = monotonic_ms();
  }
  fprintf(table, "%d of %d numbers agree, %.1f s\n", numbers - wrong, numbers,
          (double)(monotonic_ms() - start) / 1000);
  boltz_arena_close(scratch);
  return wrong != 0;
}
