/* test_volume_layers.c - layers that keep volumes: additive_coupling and mean_free. */
#include "flow_world.h"

static struct boltz_batch new_batch(struct world *world, size_t n) {
  struct boltz_batch x = new_rows(world, n);
  boltz_rng_normals(6, BOLTZ_STREAM_TEST, 0, &x);
  return x;
}

static void the_additive_coupling_gives_its_golden_number(void) {
  const float w[4] = {0, 0, 0, -1.25f}; /* 1 -> 1 -> 1 with last bias -1.25 */
  struct world world =
      new_layers("{\"type\":\"additive_coupling\",\"fixed\":[0],\"moved\":[1],\"hidden\":[1]}", 2);
  double x[2] = {7, 2};
  memcpy(world.weights.flat, w, sizeof w);
  boltz_flow_pack(&world.flow, &world.weights);
  const double log_det = move_point(&world, BOLTZ_TO_X, x);
  CHECK(x[0] == 7 && x[1] == 0.75 && log_det == 0);
  boltz_arena_close(world.arena);
}

static void check_volumes(const char *coupling, bool has_table) {
  enum { N = 100 };
  struct world world = new_layers(coupling, 4);
  for (size_t k = 0; k < world.flow.nw; k++) {
    world.weights.flat[k] += (float)(0.3 * normal_at(2, k));
  }
  boltz_flow_pack(&world.flow, &world.weights);
  double fp32[N], log_det[N];
  for (int p = BOLTZ_FP32; p < BOLTZ_PRECISIONS; p++) {
    const enum boltz_precision precision = (enum boltz_precision)p;
    struct boltz_batch x = new_batch(&world, N), z = new_batch(&world, N);
    CHECK(boltz_flow_has(&world.flow, precision) == (p != BOLTZ_TABLE || has_table));
    if (!boltz_flow_has(&world.flow, precision)) continue;
    CHECK_INT(boltz_flow_serve(&world.flow, &world.weights, precision, world.arena), BOLTZ_OK);
    boltz_flow_transform(&world.flow, &world.weights, BOLTZ_TO_X, &x, log_det, world.arena);
    double moved = 0, apart = 0;
    for (size_t i = 0; i < N; i++) {
      CHECK(log_det[i] == 0);
      moved += fabs(x.col[1][i] - z.col[1][i]) / N;
      if (p == BOLTZ_FP32) fp32[i] = x.col[1][i];
      apart += fabs(x.col[1][i] - fp32[i]) / N;
    }
    CHECK(moved > 0.1);
    CHECK_MSG((p == BOLTZ_FP32) == (apart == 0) && apart < 0.1 * moved, "%d: %g", p, apart);
    boltz_flow_transform(&world.flow, &world.weights, BOLTZ_TO_Z, &x, log_det, world.arena);
    for (size_t i = 0; i < N; i++)
      for (int j = 0; j < 4; j++) CHECK_NEAR(x.col[j][i], z.col[j][i], 1e-15 * 16);
  }
  boltz_arena_close(world.arena);
}

static void an_additive_coupling_keeps_volumes_in_every_precision_it_has(void) {
#define ADDITIVE(lists) "{\"type\":\"additive_coupling\"," lists ",\"hidden\":[16,16]}"
  check_volumes(ADDITIVE("\"fixed\":[0,2],\"moved\":[1,3]"), false);
  check_volumes(ADDITIVE("\"fixed\":[2],\"moved\":[1,3]"), true);
}

static void mean_free_gives_its_golden_numbers(void) {
  struct world world = new_layers("{\"type\":\"mean_free\",\"space\":1}", 2);
  double x[2] = {1, 2};
  CHECK(move_point(&world, BOLTZ_TO_X, x) == 0);
  CHECK_NEAR(x[0], 3 * sqrt(0.5), 1e-15);
  CHECK_NEAR(x[1], -sqrt(0.5), 1e-15);
  boltz_arena_close(world.arena);
}

/* Of five particles in three dimensions: the first latents are sqrt(N) times the centre, the
   others are those of the same cluster elsewhere, and lengths are kept. */
static void mean_free_keeps_lengths_and_sees_the_centre_in_its_first_latents(void) {
  enum { N = 50, PARTICLES = 5, SPACE = 3, DIM = PARTICLES * SPACE };
  struct world world = new_layers("{\"type\":\"mean_free\",\"space\":3}", DIM);
  struct boltz_batch x = new_batch(&world, N), z = new_batch(&world, N),
                     there = new_batch(&world, N);
  double log_det[N];
  for (size_t i = 0; i < N; i++)
    for (int j = 0; j < DIM; j++) there.col[j][i] += j % SPACE == 1 ? 3 : 0;
  boltz_flow_transform(&world.flow, &world.weights, BOLTZ_TO_Z, &z, log_det, world.arena);
  boltz_flow_transform(&world.flow, &world.weights, BOLTZ_TO_Z, &there, log_det, world.arena);
  for (size_t i = 0; i < N; i++) {
    double before = 0, after = 0;
    for (int j = 0; j < DIM; j++) {
      before += x.col[j][i] * x.col[j][i];
      after += z.col[j][i] * z.col[j][i];
      CHECK_NEAR(there.col[j][i] - z.col[j][i], j == 1 ? 3 * sqrt(PARTICLES) : 0, 1e-14);
    }
    CHECK_NEAR(after, before, 1e-13);
    for (int a = 0; a < SPACE; a++) {
      double sum = 0;
      for (int k = 0; k < PARTICLES; k++) sum += x.col[k * SPACE + a][i];
      CHECK_NEAR(z.col[a][i], sum / sqrt(PARTICLES), 1e-14);
    }
  }
  boltz_arena_close(world.arena);
}

static void refuse(const char *layer, int dim, const char *pointer) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_json *root;
  struct boltz_flow_spec spec;
  char text[512];
  snprintf(text, sizeof text, "{\"layers\":[%s]}", layer);
  CHECK_INT(boltz_json_parse(text, strlen(text), 8, arena, &root), BOLTZ_OK);
  CHECK_MSG(boltz_flow_spec_parse(root, dim, arena, &spec) == BOLTZ_OUT_OF_RANGE, "%s", layer);
  CHECK_TEXT(boltz_error_pointer(), pointer);
  boltz_arena_close(arena);
}

static void coordinates_that_are_no_particles_are_refused(void) {
  refuse("{\"type\":\"mean_free\",\"space\":3}", 8, "/layers/0/space");
  refuse("{\"type\":\"mean_free\",\"space\":3}", 3, "/layers/0/space"); /* one has no inside */
  refuse("{\"type\":\"mean_free\",\"space\":0}", 4, "/layers/0/space");
  refuse("{\"type\":\"mean_free\",\"space\":2,\"coordinates\":[0,1,2,2]}", 4,
         "/layers/0/coordinates/3");
  refuse("{\"type\":\"linear\",\"permutation\":[1,0]}", 3, "/layers/0/permutation");
  refuse("{\"type\":\"linear\",\"permutation\":[1,3,0]}", 3, "/layers/0/permutation/1");
  refuse("{\"type\":\"linear\",\"coordinates\":[3]}", 3, "/layers/0/coordinates/0");
  refuse("{\"type\":\"whitening\"}", 1025, "/layers/0/coordinates");
  refuse("{\"type\":\"spline\",\"bins\":1}", 1, "/layers/0/bins");
}

int main(int argc, char **argv) {
  RUN(the_additive_coupling_gives_its_golden_number);
  RUN(an_additive_coupling_keeps_volumes_in_every_precision_it_has);
  RUN(mean_free_gives_its_golden_numbers);
  RUN(mean_free_keeps_lengths_and_sees_the_centre_in_its_first_latents);
  RUN(coordinates_that_are_no_particles_are_refused);
  return check_report();
}
