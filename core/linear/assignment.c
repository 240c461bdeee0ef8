/* assignment.c - shortest augmenting paths. */
#include "core/linear/assignment.h"

#include <math.h>
#include <string.h>

enum boltz_status boltz_assignment_new(size_t n, struct boltz_arena *arena,
                                       struct boltz_assignment *room) {
  *room = (struct boltz_assignment){.n = n,
                                    .u = BOLTZ_NEW_ARRAY(arena, n, double),
                                    .v = BOLTZ_NEW_ARRAY(arena, n, double),
                                    .least = BOLTZ_NEW_ARRAY(arena, n, double),
                                    .before = BOLTZ_NEW_ARRAY(arena, n, size_t),
                                    .row = BOLTZ_NEW_ARRAY(arena, n, size_t),
                                    .was = BOLTZ_NEW_ARRAY(arena, n, unsigned char)};
  const bool made = room->u && room->v && room->least && room->before && room->row && room->was;
  return made ? BOLTZ_OK : BOLTZ_NO_MEMORY;
}

/* Every column asks what its cheapest row costs, and goes to that row while it has none. */
static void begin(const double *cost, struct boltz_assignment *a, size_t *column) {
  const size_t n = a->n;
  memcpy(a->v, cost, n * sizeof *cost);
  for (size_t j = 0; j < n; j++) a->row[j] = 0;
  for (size_t i = 0; i < n; i++) {
    a->u[i] = 0;
    column[i] = n;
    for (size_t j = 0; i > 0 && j < n; j++)
      if (cost[i * n + j] < a->v[j]) a->v[j] = cost[i * n + j], a->row[j] = i;
  }
  for (size_t j = 0; j < n; j++) {
    const size_t i = a->row[j];
    if (column[i] == n)
      column[i] = j;
    else
      a->row[j] = n;
  }
}

/* The columns that row i leads to for less than was known. */
static void look(const double *cost, size_t i, size_t from, struct boltz_assignment *a) {
  const size_t n = a->n;
  for (size_t j = 0; j < n; j++) {
    const double c = cost[i * n + j] - a->u[i] - a->v[j];
    if (a->was[j] || !(c < a->least[j])) continue;
    a->least[j] = c;
    a->before[j] = from;
  }
}

/* Of the columns that were not reached, the cheapest. */
static size_t cheapest(const struct boltz_assignment *a) {
  size_t best = a->n;
  for (size_t j = 0; j < a->n; j++)
    if (!a->was[j] && (best == a->n || a->least[j] < a->least[best])) best = j;
  return best;
}

/* What was reached asks for so much less, and what leads there pays it. */
static void raise(size_t start, double by, struct boltz_assignment *a) {
  a->u[start] += by;
  for (size_t j = 0; j < a->n; j++) {
    if (a->was[j]) {
      a->u[a->row[j]] += by;
      a->v[j] -= by;
    } else {
      a->least[j] -= by;
    }
  }
}

/* From row `start` to a column that nobody has; whoever stands on the way moves on. */
static void augment(const double *cost, size_t start, struct boltz_assignment *a, size_t *column) {
  const size_t n = a->n;
  for (size_t j = 0; j < n; j++) a->least[j] = INFINITY;
  memset(a->was, 0, n);
  size_t at = n;
  do {
    look(cost, at == n ? start : a->row[at], at, a);
    at = cheapest(a);
    raise(start, a->least[at], a);
    a->was[at] = 1;
  } while (a->row[at] != n);
  while (at != n) {
    const size_t from = a->before[at];
    a->row[at] = from == n ? start : a->row[from];
    column[a->row[at]] = at;
    at = from;
  }
}

void boltz_assign(const double *cost, struct boltz_assignment *room, size_t *column) {
  begin(cost, room, column);
  for (size_t i = 0; i < room->n; i++)
    if (column[i] == room->n) augment(cost, i, room, column);
}
