/* particles.h - what the tests of particles share: an energy to look at, and points. */
#ifndef PARTICLES_H
#define PARTICLES_H

#include "boltz/energy.h"
#include "boltz/json.h"
#include "boltz/rng.h"
#include "tests/check.h"

/* An energy of a kind, in an arena of its own. */
struct specimen {
  struct boltz_arena *arena;
  struct boltz_energy energy;
};

static inline enum boltz_status try_energy(struct boltz_arena *arena, const char *name,
                                           const char *text, struct boltz_energy *energy) {
  const struct boltz_energy_kind *kind = boltz_energy_kind_find(name);
  struct boltz_json *json;
  CHECK_MSG(kind, "%s", name);
  if (!kind) return BOLTZ_UNKNOWN_KIND;
  void *settings = boltz_arena_alloc(arena, 1, kind->settings_size + 1);
  BOLTZ_TRY(boltz_json_parse(text, strlen(text), 9, arena, &json));
  BOLTZ_TRY(boltz_json_fields(json, kind->fields, NULL, settings, arena));
  return boltz_energy_new(kind, settings, 1, arena, energy);
}

static inline struct specimen specimen_open(const char *name, const char *text) {
  struct specimen s = {.arena = boltz_arena_open(0)};
  CHECK_MSG(try_energy(s.arena, name, text, &s.energy) == BOLTZ_OK, "%s %s: %s", name, text,
            boltz_error());
  return s;
}

static inline void specimen_close(struct specimen *s) {
  boltz_arena_close(s->arena);
}

static inline struct boltz_batch batch_new(struct specimen *s, size_t n, int dim) {
  struct boltz_batch x;
  CHECK_INT(boltz_batch_new(s->arena, n, dim, &x), BOLTZ_OK);
  return x;
}

static inline double uniform(uint64_t i, int j) {
  double u[2];
  boltz_rng_uniform(11, BOLTZ_STREAM_TEST, i, (uint32_t)j, u);
  return u[0];
}

/* n points, every coordinate uniform in [low, high]. */
static inline struct boltz_batch scattered(struct specimen *s, size_t n, double low, double high) {
  struct boltz_batch x = batch_new(s, n, s->energy.dim);
  for (int j = 0; j < x.dim; j++)
    for (size_t i = 0; i < n; i++) x.col[j][i] = low + (high - low) * uniform(i, j);
  return x;
}

#endif
