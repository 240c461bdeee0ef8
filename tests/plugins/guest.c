/* guest.c - a plug-in that calls every function that it is given. */
#include <math.h>

#include "springs.h"

struct guest {
  const struct boltz_json *table; /* {"k": 2} */
  double k;
  const char *note;
  struct boltz_batch noise; /* [2, 2], what should be the same every time */
};

struct entry {
  double k;
};

static const struct boltz_field entry_fields[] = {
    {.name = "k", .type = BOLTZ_FIELD_DOUBLE, .def = 1, .low = 0.5, .high = 10, .doc = "stiffness"},
    BOLTZ_FIELDS_END,
};

static enum boltz_status complete(void *settings, struct boltz_arena *arena) {
  struct guest *s = settings;
  struct entry entry = {.k = 1};
  uint32_t bits[4];
  double pair[2];
  if (s->table) {
    const enum boltz_status status = boltz_json_fields(s->table, entry_fields, NULL, &entry, arena);
    BOLTZ_TRY(boltz_fail_under(status, "/table"));
    if (!boltz_json_member(s->table, "k"))
      return boltz_fail_at(BOLTZ_MISSING_MEMBER, "/table/k", "k is missing");
  }
  if (entry.k == 7) return boltz_fail(BOLTZ_OUT_OF_RANGE, "k = %g is not wanted", entry.k);
  s->k = entry.k;
  s->note = boltz_arena_strdup(arena, "noted");
  double *room = boltz_arena_alloc(arena, 2, sizeof(double));
  if (!s->note || !room) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(boltz_batch_new(arena, 2, 2, &s->noise));
  boltz_rng_normals(1, BOLTZ_STREAM_START, 0, &s->noise);
  boltz_rng_bits(1, BOLTZ_STREAM_START, 0, 0, bits);
  boltz_rng_normal(1, BOLTZ_STREAM_START, 0, 0, room);
  boltz_rng_uniform(1, BOLTZ_STREAM_START, 0, 0, pair);
  if (room[0] != s->noise.col[0][0] || !(pair[0] > 0 && pair[0] < 1))
    return boltz_fail(BOLTZ_OUT_OF_RANGE, "the generator does not repeat itself");
  return BOLTZ_OK;
}

/* The springs, k times as stiff, on scratch and through a view. */
static void energy(const void *settings, const struct boltz_batch *x, double *U,
                   struct boltz_batch *gU, struct boltz_arena *scratch) {
  const struct guest *s = settings;
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  struct boltz_batch view;
  double *room = boltz_arena_scratch(scratch, x->n, sizeof(double));
  if (room && boltz_batch_view(scratch, x, 0, x->n, &view) == BOLTZ_OK) {
    springs_energy(settings, &view, room, gU, scratch);
    for (size_t i = 0; i < x->n; i++) U[i] = s->k * room[i];
    for (int j = 0; gU && j < 2; j++)
      for (size_t i = 0; i < x->n; i++) gU->col[j][i] *= s->k;
  } else {
    for (size_t i = 0; i < x->n; i++) U[i] = NAN;
  }
  boltz_arena_release(scratch, mark);
}

/* Drawn of (seed, row) alone. */
static void coin(const void *settings, double temperature, uint64_t seed, uint64_t first,
                 const struct boltz_batch *x, struct boltz_batch *value,
                 struct boltz_arena *scratch) {
  (void)settings, (void)temperature, (void)x, (void)scratch;
  boltz_rng_uniforms(seed, BOLTZ_STREAM_HIDDEN, first, value);
}

static const struct boltz_variable variables[] = {
    {.name = "coin", .doc = "uniform in (0, 1)", .eval = coin}, {0}};

static const struct boltz_field fields[] = {
    {.name = "table",
     .type = BOLTZ_FIELD_JSON,
     .offset = offsetof(struct guest, table),
     .doc = "object with k"},
    BOLTZ_FIELDS_END,
};

static const struct boltz_energy_kind guest = {
    .name = "guest",
    .doc = "k springs",
    .source = "none",
    .fields = fields,
    .settings_size = sizeof(struct guest),
    .example = "{\"table\":{\"k\":2}}",
    .dim = springs_dim,
    .complete = complete,
    .energy = energy,
    .variables = variables,
};

BOLTZ_PLUGIN(&guest)
