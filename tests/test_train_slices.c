/* test_train_slices.c - the bits of a training do not depend on how its work is cut, nor on being
 * interrupted. */
#include "train_world.h"

/* A step whose pieces run in an order of their own, slices of different shards in turn; returns how
   many slices there were. */
static int step_in_another_order(struct boltz_train *train, struct boltz_arena **tapes) {
  bool more[BOLTZ_TRAIN_SHARDS];
  int left = BOLTZ_TRAIN_SHARDS, slices = 0;
  for (int s = BOLTZ_TRAIN_SHARDS; s-- > 0;)
    while (boltz_train_look(train, s, tapes[s])) slices++;
  memset(more, 1, sizeof more);
  for (int s = 5; left > 0; s = (s + 3) % BOLTZ_TRAIN_SHARDS) {
    if (!more[s]) continue;
    more[s] = boltz_train_shard(train, s, tapes[s]);
    left -= !more[s];
    slices++;
  }
  for (size_t p = boltz_train_pieces(train); p-- > 0;) boltz_train_reduce(train, p);
  for (size_t p = boltz_train_pieces(train); p-- > 0;) boltz_train_update(train, p);
  boltz_train_finish(train);
  return slices;
}

static void the_order_of_the_pieces_does_not_change_a_bit(void) {
  struct world world;
  open_world(&world, "{\"kind\":\"double_well\"}", LAYERS(2, "[256,256,256]"));
  struct boltz_arena *tapes[BOLTZ_TRAIN_SHARDS];
  for (int s = 0; s < BOLTZ_TRAIN_SHARDS; s++) tapes[s] = boltz_arena_open(0);
  struct boltz_weights a = copy_weights(&world), b = copy_weights(&world);
  struct boltz_stage stage = plain;
  stage.batch = 1500; /* more than a tile a shard */
  stage.rc = 2, stage.rc_of = "x1", stage.rc_low = -2, stage.rc_high = 2;
  struct boltz_train *one = new_train(&world, &a, &stage, 1, 10);
  struct boltz_train *other = new_train(&world, &b, &stage, 1, 10);
  CHECK(boltz_train_pieces(one) > 1);
  for (int k = 0; k < 2; k++) {
    boltz_train_step(one, world.scratch);
    /* 1500 rows of two losses are two tiles each in a shard, and each of them several slices */
    CHECK(step_in_another_order(other, tapes) > 2 * 4 * BOLTZ_TRAIN_SHARDS);
  }
  CHECK(same_weights(&world, &a, &b));
  CHECK(!same_weights(&world, &a, &world.weights));
  CHECK(report_of(one).loss == report_of(other).loss);
  for (int s = 0; s < BOLTZ_TRAIN_SHARDS; s++) boltz_arena_close(tapes[s]);
  close_world(&world);
}

static void tapes_are_given_back(void) {
  struct world world;
  open_world(&world, "{\"kind\":\"double_well\"}", LAYERS(2, "[256,256,256]"));
  struct boltz_stage stage = plain;
  stage.batch = 1500;
  struct boltz_train *train = new_train(&world, &world.weights, &stage, 1, 10);
  boltz_train_step(train, world.scratch);
  const size_t held = boltz_arena_size(world.scratch);
  const struct boltz_mark before = boltz_arena_mark(world.scratch);
  for (int k = 0; k < 3; k++) boltz_train_step(train, world.scratch);
  const struct boltz_mark after = boltz_arena_mark(world.scratch);
  CHECK_INT(boltz_arena_size(world.scratch), held);
  CHECK(before.chunk == after.chunk && before.used == after.used);
  close_world(&world);
}

static void the_packed_weights_follow_the_trained_ones(void) {
  static const char *const layers[] = {LAYERS(2, "[256,256,256]"), LAYERS(3, "[6,5]")};
  for (int k = 0; k < 2; k++) { /* layers of several pieces; all layers in one piece */
    struct world world;
    open_world(&world, "{\"kind\":\"double_well\"}", layers[k]);
    struct boltz_train *train = new_train(&world, &world.weights, &plain, 1, 10);
    CHECK((boltz_train_pieces(train) == 1) == (k == 1));
    for (int step = 0; step < 2; step++) {
      boltz_train_step(train, world.scratch);
      struct boltz_weights anew = copy_weights(&world);
      CHECK_INT(boltz_weights_turn(&world.flow, world.arena, &anew), BOLTZ_OK);
      CHECK(memcmp(anew.packed, world.weights.packed, world.flow.npacked * sizeof(float)) == 0);
      CHECK(memcmp(anew.turned, world.weights.turned, world.flow.nturned * sizeof(float)) == 0);
    }
    close_world(&world);
  }
}

/* 125 rows through four couplings of 0.53 MFLOP a row are two slices, and back four more. */
static void a_training_restored_in_the_middle_of_a_tile_begins_the_step_anew(void) {
  struct world world;
  open_world(&world, "{\"kind\":\"double_well\"}", LAYERS(2, "[256,256,256]"));
  struct boltz_stage stage = plain;
  stage.batch = 1000;
  struct boltz_weights a = copy_weights(&world), b = copy_weights(&world);
  struct boltz_train *straight = new_train(&world, &a, &stage, 1, 10);
  struct boltz_train *cut = new_train(&world, &b, &stage, 1, 10);
  float *moments = BOLTZ_NEW_ARRAY(world.arena, 2 * world.flow.nw, float);
  const struct boltz_mark mark = boltz_arena_mark(world.scratch);
  for (int slices = 1; slices <= 3; slices++) {
    for (int k = 0; k < slices; k++) CHECK(boltz_train_shard(cut, 3, world.scratch));
    boltz_train_restore(cut, 0, 0, moments);
    boltz_arena_release(world.scratch, mark);
  }
  boltz_train_step(straight, world.scratch);
  boltz_train_step(cut, world.scratch);
  CHECK(same_weights(&world, &a, &b));
  CHECK(report_of(straight).loss == report_of(cut).loss);
  close_world(&world);
}

static void the_seed_decides_the_bits(void) {
  struct world world;
  open_world(&world, "{\"kind\":\"double_well\"}", LAYERS(1, "[6,5]"));
  struct boltz_weights w[3];
  for (int k = 0; k < 3; k++) {
    w[k] = copy_weights(&world);
    struct boltz_train *train;
    const struct boltz_train_options options = {.seed = k < 2 ? 11 : 12,
                                                .nstages = 1,
                                                .stages = &plain,
                                                .data = &world.data,
                                                .energy_high = 10};
    CHECK_INT(boltz_train_new(&world.flow, &world.energy, &w[k], &options, world.arena, &train),
              BOLTZ_OK);
    while (!boltz_train_done(train)) boltz_train_step(train, world.scratch);
  }
  CHECK(same_weights(&world, &w[0], &w[1]));
  CHECK(!same_weights(&world, &w[0], &w[2]));
  close_world(&world);
}

static void a_restored_training_goes_on_bit_for_bit(void) {
  struct world world;
  open_world(&world, "{\"kind\":\"double_well\"}", LAYERS(1, "[6,5]"));
  struct boltz_stage stages[2] = {plain, plain};
  stages[0].steps = 8, stages[0].kl = 0, stages[0].warm_up = 3;
  stages[1].steps = 12, stages[1].batch = 50, stages[1].final_learning_rate = 0.1;
  stages[1].rc = 2, stages[1].rc_of = "x1", stages[1].rc_low = -2, stages[1].rc_high = 2;
  struct boltz_weights straight = copy_weights(&world), first = copy_weights(&world);
  struct boltz_train *train = new_train(&world, &straight, stages, 2, 10);
  for (int k = 0; k < 20; k++) boltz_train_step(train, world.scratch);
  CHECK(boltz_train_done(train));

  struct boltz_train *half = new_train(&world, &first, stages, 2, 10);
  for (int k = 0; k < 11; k++) boltz_train_step(half, world.scratch);
  float *moments = BOLTZ_NEW_ARRAY(world.arena, 2 * world.flow.nw, float);
  memcpy(moments, boltz_train_moments(half), 2 * world.flow.nw * sizeof *moments);
  boltz_train_look(half, 2, world.scratch);
  boltz_train_shard(half, 2, world.scratch); /* killed in the middle of a step */
  world.weights = first;
  struct boltz_weights second = copy_weights(&world);
  struct boltz_train *rest = new_train(&world, &second, stages, 2, 10);
  boltz_train_restore(rest, 11, boltz_train_skipped(half), moments);
  CHECK_INT(report_of(rest).step, 11);
  for (int k = 0; k < 9; k++) {
    CHECK(!boltz_train_done(rest));
    boltz_train_step(rest, world.scratch);
  }
  CHECK(boltz_train_done(rest));
  CHECK(same_weights(&world, &straight, &second));
  CHECK(report_of(train).loss == report_of(rest).loss);
  CHECK(memcmp(boltz_train_moments(train), boltz_train_moments(rest),
               2 * world.flow.nw * sizeof(float)) == 0);

  /* the trainer that was killed, restored itself, forgets what its broken step had summed up */
  boltz_train_restore(half, 11, 0, moments);
  for (int k = 0; k < 9; k++) boltz_train_step(half, world.scratch);
  CHECK(same_weights(&world, &straight, &first));
  close_world(&world);
}

static void run_out_of_scratch(struct boltz_stage stage) {
  struct world world;
  open_world(&world, "{\"kind\":\"double_well\"}", LAYERS(1, "[6,5]"));
  struct boltz_weights trained = copy_weights(&world);
  stage.batch = 5000, stage.steps = 1000;
  struct boltz_train *train = new_train(&world, &trained, &stage, 1, 10);
  uint64_t skipped = 0;
  for (size_t limit = 2048;; limit += limit / 16) { /* it runs out at one place after another */
    struct boltz_arena *small = boltz_arena_open(limit);
    boltz_train_step(train, small);
    boltz_arena_close(small);
    if (isfinite(report_of(train).grad_norm)) break; /* as if nothing had been */
    skipped += 10000;                                /* 5000 rows of each loss */
    CHECK(same_weights(&world, &trained, &world.weights));
  }
  CHECK(skipped > 10 * 10000);
  CHECK_INT(boltz_train_skipped(train), skipped);
  CHECK(!same_weights(&world, &trained, &world.weights));
  for (size_t i = 0; i < world.flow.nw; i++) CHECK(isfinite(trained.flat[i]));
  close_world(&world);
}

static void a_step_that_runs_out_of_scratch_leaves_the_weights_and_shows(void) {
  struct boltz_stage stage = plain;
  run_out_of_scratch(stage);
  stage.rc = 2, stage.rc_of = "x1", stage.rc_low = -2, stage.rc_high = 2;
  run_out_of_scratch(stage);
}

int main(int argc, char **argv) {
  RUN(the_order_of_the_pieces_does_not_change_a_bit);
  RUN(tapes_are_given_back);
  RUN(the_packed_weights_follow_the_trained_ones);
  RUN(a_training_restored_in_the_middle_of_a_tile_begins_the_step_anew);
  RUN(the_seed_decides_the_bits);
  RUN(a_restored_training_goes_on_bit_for_bit);
  RUN(a_step_that_runs_out_of_scratch_leaves_the_weights_and_shows);
  return check_report();
}
