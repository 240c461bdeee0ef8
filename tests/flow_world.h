/* flow_world.h - a flow from its text, its weights and some rows, for the tests of layers. */
#ifndef TESTS_FLOW_WORLD_H
#define TESTS_FLOW_WORLD_H

#include "boltz/flow.h"
#include "boltz/rng.h"
#include "check.h"

struct world {
  struct boltz_arena *arena;
  struct boltz_flow flow;
  struct boltz_weights weights;
};

static inline enum boltz_status new_flow(struct boltz_arena *arena, const char *text, int dim,
                                         struct boltz_flow *flow) {
  struct boltz_json *root;
  struct boltz_flow_spec spec;
  CHECK_INT(boltz_json_parse(text, strlen(text), 8, arena, &root), BOLTZ_OK);
  BOLTZ_TRY(boltz_flow_spec_parse(root, dim, arena, &spec));
  return boltz_flow_new(&spec, dim, arena, flow);
}

/* Layers alone, with the weights that a training starts from. */
static inline struct world new_layers(const char *layers, int dim) {
  struct world world = {.arena = boltz_arena_open(0)};
  char text[512];
  snprintf(text, sizeof text, "{\"layers\":[%s]}", layers);
  const enum boltz_status status = new_flow(world.arena, text, dim, &world.flow);
  CHECK_MSG(status == BOLTZ_OK, "%s", boltz_error());
  CHECK_INT(boltz_weights_new(&world.flow, world.arena, &world.weights), BOLTZ_OK);
  boltz_flow_init(&world.flow, 4, &world.weights);
  return world;
}

/* Number `index` of a seed, in (0, 1) or normal. */
static inline double uniform_at(uint64_t seed, uint64_t index) {
  double u[2];
  boltz_rng_uniform(seed, BOLTZ_STREAM_TEST, index, 0, u);
  return u[0];
}

static inline double normal_at(uint64_t seed, uint64_t index) {
  double z[2];
  boltz_rng_normal(seed, BOLTZ_STREAM_TEST, index, 0, z);
  return z[0];
}

static inline struct boltz_batch new_rows(struct world *world, size_t n) {
  struct boltz_batch x = {0};
  CHECK_INT(boltz_batch_new(world->arena, n, world->flow.dim, &x), BOLTZ_OK);
  return x;
}

/* Rows of a seed's normals from `first` on. */
static inline struct boltz_batch normal_rows(struct world *world, uint64_t seed, uint64_t first,
                                             size_t n) {
  struct boltz_batch x = new_rows(world, n);
  for (int j = 0; j < x.dim; j++)
    for (size_t i = 0; i < n; i++)
      x.col[j][i] = normal_at(seed, first + i * (size_t)x.dim + (size_t)j);
  return x;
}

/* One point, in place; its log_det. */
static inline double move_point(struct world *world, enum boltz_direction direction,
                                double *point) {
  struct boltz_batch x = new_rows(world, 1);
  double log_det = NAN;
  boltz_batch_from_rows(&x, point);
  boltz_flow_transform(&world->flow, &world->weights, direction, &x, &log_det, world->arena);
  boltz_batch_to_rows(&x, point);
  return log_det;
}

/* Too little scratch for x makes every log_det NaN, and no tape. */
static inline void check_exhausted_scratch(struct world *world, struct boltz_batch *x) {
  struct boltz_arena *small = boltz_arena_open(600);
  double *log_det = BOLTZ_NEW_ARRAY(world->arena, x->n, double);
  boltz_flow_transform(&world->flow, &world->weights, BOLTZ_TO_X, x, log_det, small);
  for (size_t i = 0; i < x->n; i++) CHECK(isnan(log_det[i]));
  CHECK(!boltz_flow_record(&world->flow, &world->weights, BOLTZ_TO_X, x, log_det, small));
  boltz_arena_close(small);
}

#endif
