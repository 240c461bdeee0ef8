/* train_world.h - a small training for the tests of train.c: a flow, an energy, weights and data.
 */
#ifndef TESTS_TRAIN_WORLD_H
#define TESTS_TRAIN_WORLD_H

#include "boltz/boltz.h"
#include "check.h"

/* A flow, its energy, its weights, some data; `scratch` for the steps. */
struct world {
  struct boltz_arena *arena, *scratch;
  struct boltz_energy energy;
  struct boltz_flow flow;
  struct boltz_weights weights;
  struct boltz_batch data;
};

#define LAYERS(blocks, hidden)                                                   \
  "{\"layers\":[{\"type\":\"realnvp\",\"blocks\":" #blocks ",\"hidden\":" hidden \
  ",\"scale_activation\":\"tanh\",\"shift_activation\":\"tanh\"},{\"type\":\"actnorm\"}]}"

static inline struct boltz_json *json(const char *text, struct boltz_arena *arena) {
  struct boltz_json *root = NULL;
  CHECK_INT(boltz_json_parse(text, strlen(text), 16, arena, &root), BOLTZ_OK);
  return root;
}

/* x1 of the double well by inversion of its distribution on a grid, the rest normal. */
static inline void draw_double_well(struct boltz_batch *x) {
  enum { GRID = 4000 };
  static double sum[GRID + 1];
  for (int k = 0; k < GRID; k++) {
    const double t = -3 + 6 * (k + 0.5) / GRID;
    sum[k + 1] = sum[k] + exp(-(t * t * t * t - 6 * t * t + t) - 10);
  }
  boltz_rng_normals(99, BOLTZ_STREAM_TEST, 0, x);
  for (size_t i = 0; i < x->n; i++) {
    double u[2];
    int k = 0;
    boltz_rng_uniform(99, BOLTZ_STREAM_TEST, x->n + i, 0, u);
    while (k < GRID - 1 && sum[k + 1] < u[0] * sum[GRID]) k++;
    x->col[0][i] = -3 + 6 * (k + u[1]) / GRID;
  }
}

static inline void open_world(struct world *world, const char *energy, const char *layers) {
  struct boltz_flow_spec spec;
  *world = (struct world){.arena = boltz_arena_open(0), .scratch = boltz_arena_open(0)};
  struct boltz_arena *arena = world->arena;
  CHECK_INT(boltz_energy_parse(json(energy, arena), 1, arena, &world->energy), BOLTZ_OK);
  const int dim = world->energy.dim;
  CHECK_INT(boltz_flow_spec_parse(json(layers, arena), dim, arena, &spec), BOLTZ_OK);
  CHECK_INT(boltz_flow_new(&spec, dim, arena, &world->flow), BOLTZ_OK);
  CHECK_INT(boltz_weights_new(&world->flow, arena, &world->weights), BOLTZ_OK);
  boltz_flow_init(&world->flow, 5, &world->weights);
  CHECK_INT(boltz_batch_new(arena, 1000, dim, &world->data), BOLTZ_OK);
  draw_double_well(&world->data);
}

static inline void close_world(struct world *world) {
  boltz_arena_close(world->arena);
  boltz_arena_close(world->scratch);
}

static const struct boltz_stage plain = {
    .steps = 20, .batch = 37, .learning_rate = 0.003, .final_learning_rate = 1, .ml = 1, .kl = 1};

static inline struct boltz_train *new_train(struct world *world, struct boltz_weights *weights,
                                            const struct boltz_stage *stages, size_t nstages,
                                            double energy_high) {
  struct boltz_train *train = NULL;
  const struct boltz_train_options options = {.seed = 3,
                                              .nstages = nstages,
                                              .stages = stages,
                                              .data = &world->data,
                                              .energy_high = energy_high};
  const enum boltz_status status =
      boltz_train_new(&world->flow, &world->energy, weights, &options, world->arena, &train);
  CHECK_MSG(status == BOLTZ_OK, "%s", boltz_error());
  if (status != BOLTZ_OK) exit(1);
  return train;
}

static inline struct boltz_weights copy_weights(struct world *world) {
  struct boltz_weights copy = {0};
  CHECK_INT(boltz_weights_new(&world->flow, world->arena, &copy), BOLTZ_OK);
  memcpy(copy.flat, world->weights.flat, world->flow.nw * sizeof(float));
  boltz_flow_pack(&world->flow, &copy);
  return copy;
}

static inline bool same_weights(const struct world *world, const struct boltz_weights *a,
                                const struct boltz_weights *b) {
  return memcmp(a->flat, b->flat, world->flow.nw * sizeof(float)) == 0;
}

static inline struct boltz_train_report report_of(const struct boltz_train *train) {
  struct boltz_train_report report;
  boltz_train_report(train, &report);
  return report;
}

#endif
