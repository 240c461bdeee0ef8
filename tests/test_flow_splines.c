/* test_flow_splines.c - flows of spline couplings: whatever the network, weights and precision,
 * their densities are those of their samples and sum to 1. */
#include "boltz/flow.h"
#include "boltz/rng.h"
#include "check.h"

#define SPLINE(fixed, moved)                                              \
  "{\"type\":\"spline_coupling\",\"fixed\":[" fixed "],\"moved\":[" moved \
  "],\"hidden\":[12,10,"                                                  \
  "12]}"

/* Flows of two coordinates on a rectangle that holds all but 1e-9 of them. */
static const struct example {
  const char *name, *text;
  double low[2], high[2];
} examples[] = {
    {"torus",
     "{\"base\":{\"type\":\"circular\",\"coordinates\":[0,1],\"low\":[0,-1],\"high\":[6,3]},"
     "\"layers\":[" SPLINE("0", "1") ",{\"type\":\"circular_shift\",\"coordinates\":[1,0]}," SPLINE(
         "1", "0") "]}",
     {0, -1},
     {6, 3}},
    {"cylinder",
     "{\"base\":{\"type\":\"circular\",\"coordinates\":[1],\"low\":[-1],\"high\":[3]},\"layers\":"
     "[" SPLINE("0", "1") "," SPLINE("1",
                                     "0") ",{\"type\":\"affine_coupling\",\"fixed\":[1],\"moved\":"
                                          "[0],\"hidden\":[8,8]}]}",
     {-20, -1},
     {20, 3}},
    {"strip",
     "{\"layers\":[{\"type\":\"interval\",\"coordinates\":[0],\"low\":[0],\"high\":[4]}," SPLINE(
         "1", "0") "," SPLINE("0", "1") "]}",
     {0, -7},
     {4, 7}},
    {"plane", "{\"layers\":[" SPLINE("1", "0") "," SPLINE("0", "1") "]}", {-7, -7}, {7, 7}},
};
#define EXAMPLES (sizeof examples / sizeof *examples)

struct world {
  struct boltz_arena *arena, *scratch;
  struct boltz_flow flow;
  struct boltz_weights weights;
};

/* Noise on the initial weights, so that curves are far from straight. */
static struct world new_world(const char *text, double noise) {
  struct world world = {.arena = boltz_arena_open(0), .scratch = boltz_arena_open(0)};
  struct boltz_json *root;
  struct boltz_flow_spec spec;
  CHECK_INT(boltz_json_parse(text, strlen(text), 8, world.arena, &root), BOLTZ_OK);
  CHECK_INT(boltz_flow_spec_parse(root, 2, world.arena, &spec), BOLTZ_OK);
  CHECK_INT(boltz_flow_new(&spec, 2, world.arena, &world.flow), BOLTZ_OK);
  CHECK_INT(boltz_weights_new(&world.flow, world.arena, &world.weights), BOLTZ_OK);
  boltz_flow_init(&world.flow, 5, &world.weights);
  for (size_t k = 0; k < world.flow.nw; k++) {
    double z[2];
    boltz_rng_normal(3, BOLTZ_STREAM_TEST, k, 0, z);
    world.weights.flat[k] += (float)(noise * z[0]);
  }
  boltz_flow_pack(&world.flow, &world.weights);
  return world;
}

static void close_world(struct world *world) {
  boltz_arena_close(world->arena);
  boltz_arena_close(world->scratch);
}

static void serve(struct world *world, enum boltz_precision precision) {
  CHECK_INT(boltz_flow_serve(&world->flow, &world->weights, precision, world->arena), BOLTZ_OK);
}

/* The middle sum over cells of the rectangle. */
static double integral(const struct world *world, const struct example *example) {
  enum { cells = 240 };
  double sum = 0, log_q[cells];
  const double area =
      (example->high[0] - example->low[0]) / cells * (example->high[1] - example->low[1]) / cells;
  for (int row = 0; row < cells; row++) {
    const struct boltz_mark mark = boltz_arena_mark(world->scratch);
    struct boltz_batch x;
    CHECK_INT(boltz_batch_new(world->scratch, cells, 2, &x), BOLTZ_OK);
    for (int i = 0; i < cells; i++) {
      const double at[2] = {(row + 0.5) / cells, (i + 0.5) / cells};
      for (int j = 0; j < 2; j++)
        x.col[j][i] = example->low[j] + (example->high[j] - example->low[j]) * at[j];
    }
    boltz_flow_log_density(&world->flow, &world->weights, &x, log_q, world->scratch);
    for (int i = 0; i < cells; i++) sum += exp(log_q[i]) * area;
    boltz_arena_release(world->scratch, mark);
  }
  return sum;
}

static void densities_sum_to_1_in_every_precision(void) {
  for (size_t e = 0; e < EXAMPLES; e++) {
    struct world world = new_world(examples[e].text, 0.2);
    for (int p = BOLTZ_FP32; p < BOLTZ_PRECISIONS; p++) {
      serve(&world, (enum boltz_precision)p);
      const double sum = integral(&world, &examples[e]);
      /* cells of 1/240, densities with kinks along some 40 lines; 960 cells give 2e-5 */
      CHECK_MSG(fabs(sum - 1) < 4e-4, "%s, %s: %.6f", examples[e].name, boltz_precision_names[p],
                sum);
    }
    close_world(&world);
  }
}

/* In the narrow precisions a coordinate that comes back rounded to the next float may fall on the
   other side of a step. */
static void the_density_of_a_sample_is_that_it_was_drawn_with(void) {
  enum { n = 2000 };
  for (size_t e = 0; e < EXAMPLES; e++) {
    struct world world = new_world(examples[e].text, 0.4);
    for (int p = BOLTZ_FP32; p < BOLTZ_PRECISIONS; p++) {
      struct boltz_batch x, y, z;
      double log_q[n], again[n];
      int off = 0, lost = 0;
      serve(&world, (enum boltz_precision)p);
      CHECK_INT(boltz_batch_new(world.arena, n, 2, &x), BOLTZ_OK);
      CHECK_INT(boltz_batch_new(world.arena, n, 2, &y), BOLTZ_OK);
      CHECK_INT(boltz_batch_new(world.arena, n, 2, &z), BOLTZ_OK);
      boltz_flow_sample(&world.flow, &world.weights, 6, BOLTZ_STREAM_TEST, 0, &x, &z, log_q,
                        world.scratch);
      boltz_batch_copy(&y, 0, &x, 0, n);
      boltz_flow_log_density(&world.flow, &world.weights, &y, again, world.scratch);
      for (size_t i = 0; i < n; i++) {
        off += !(fabs(again[i] - log_q[i]) < 1e-10);
        for (int j = 0; j < 2; j++) lost += !(fabs(y.col[j][i] - z.col[j][i]) < 1e-10);
      }
      CHECK_MSG(off <= 1 && lost <= 2, "%s, %s: %d of %d rows, %d coordinates", examples[e].name,
                boltz_precision_names[p], off, n, lost);
    }
    close_world(&world);
  }
}

static void a_new_flow_is_the_identity_but_for_roundings(void) {
  enum { n = 300 };
  for (size_t e = 0; e < EXAMPLES; e++) {
    if (strcmp(examples[e].name, "strip") == 0) continue;
    struct world world = new_world(examples[e].text, 0);
    struct boltz_batch x, z;
    double log_q[n], base[n];
    CHECK_INT(boltz_batch_new(world.arena, n, 2, &x), BOLTZ_OK);
    CHECK_INT(boltz_batch_new(world.arena, n, 2, &z), BOLTZ_OK);
    boltz_flow_sample(&world.flow, &world.weights, 6, BOLTZ_STREAM_TEST, 0, &x, &z, log_q,
                      world.scratch);
    boltz_base_log_density(&world.flow.base, world.weights.flat, &z, base, NULL, world.scratch);
    for (size_t i = 0; i < n; i++) {
      for (int j = 0; j < 2; j++) CHECK_NEAR(x.col[j][i], z.col[j][i], 1e-14 * 10);
      CHECK_NEAR(log_q[i], base[i], 1e-13);
    }
    close_world(&world);
  }
}

static void densities_on_a_circle_have_no_seam(void) {
  struct world world = new_world(examples[0].text, 0.4);
  struct boltz_batch x;
  double log_q[4];
  CHECK_INT(boltz_batch_new(world.arena, 4, 2, &x), BOLTZ_OK);
  for (int k = 0; k < 20; k++) {
    const double at[2] = {0.3 * k, -1 + 0.2 * k};
    for (int i = 0; i < 4; i++) x.col[0][i] = at[0], x.col[1][i] = at[1];
    x.col[0][0] = 0, x.col[0][1] = nextafter(6, 0);
    x.col[1][2] = -1, x.col[1][3] = nextafter(3, 0);
    for (int p = BOLTZ_FP32; p <= BOLTZ_TABLE; p += BOLTZ_TABLE) {
      serve(&world, (enum boltz_precision)p);
      boltz_flow_log_density(&world.flow, &world.weights, &x, log_q, world.scratch);
      /* cos and sin are floats, and continuous; slopes of ln q up to 1e2 */
      CHECK_NEAR(log_q[0], log_q[1], 1e-5);
      CHECK_NEAR(log_q[2], log_q[3], 1e-5);
    }
  }
  close_world(&world);
}

static void exhausted_scratch_shows_as_nan_and_a_missing_tape(void) {
  enum { n = 64 };
  for (size_t e = 0; e < EXAMPLES; e++)
    for (size_t limit = 256; limit <= 16384; limit *= 4) {
      struct world world = new_world(examples[e].text, 0.4);
      struct boltz_arena *scratch = boltz_arena_open(limit);
      struct boltz_batch x;
      double log_q[n];
      CHECK_INT(boltz_batch_new(world.arena, n, 2, &x), BOLTZ_OK);
      boltz_flow_sample(&world.flow, &world.weights, 1, BOLTZ_STREAM_TEST, 0, &x, NULL, log_q,
                        scratch);
      if (limit <= 4096)
        for (size_t i = 0; i < n; i++) CHECK(isnan(log_q[i]));
      CHECK(boltz_flow_record(&world.flow, &world.weights, BOLTZ_TO_X, &x, log_q, scratch) == NULL);
      boltz_arena_close(scratch);
      close_world(&world);
    }
}

/* A table asks for less: of no size does it say half of the truth. */
static void exhausted_scratch_beside_a_table_shows_as_nan(void) {
  enum { n = 64 };
  for (size_t e = 0; e < EXAMPLES; e++) {
    struct world world = new_world(examples[e].text, 0.4);
    struct boltz_batch x;
    double log_q[n], whole[n];
    int lost = 0, kept = 0;
    serve(&world, BOLTZ_TABLE);
    CHECK_INT(boltz_batch_new(world.arena, n, 2, &x), BOLTZ_OK);
    boltz_flow_sample(&world.flow, &world.weights, 1, BOLTZ_STREAM_TEST, 0, &x, NULL, whole,
                      world.scratch);
    for (size_t limit = 64; limit <= 4096; limit += 64) {
      struct boltz_arena *scratch = boltz_arena_open(limit);
      boltz_flow_sample(&world.flow, &world.weights, 1, BOLTZ_STREAM_TEST, 0, &x, NULL, log_q,
                        scratch);
      lost += isnan(log_q[0]);
      kept += memcmp(log_q, whole, sizeof whole) == 0;
      for (size_t i = 0; i < n; i++) CHECK(isnan(log_q[i]) == isnan(log_q[0]));
      boltz_arena_close(scratch);
    }
    CHECK_MSG(lost > 0 && kept > 0 && lost + kept == 64, "%s: %d, %d", examples[e].name, lost,
              kept);
    close_world(&world);
  }
}

static void sample_i_is_the_same_bits_whatever_the_batch(void) {
  enum { n = 150 };
  for (size_t e = 0; e < EXAMPLES; e++)
    for (int p = BOLTZ_FP32; p < BOLTZ_PRECISIONS; p++) {
      struct world world = new_world(examples[e].text, 0.4);
      struct boltz_batch x, part;
      double log_q[n], again[n];
      serve(&world, (enum boltz_precision)p);
      CHECK_INT(boltz_batch_new(world.arena, n, 2, &x), BOLTZ_OK);
      boltz_flow_sample(&world.flow, &world.weights, 1, BOLTZ_STREAM_TEST, 0, &x, NULL, log_q,
                        world.scratch);
      for (size_t first = 0, some = 1; first < n; first += some, some = some % 37 + 9) {
        if (some > n - first) some = n - first;
        CHECK_INT(boltz_batch_new(world.arena, some, 2, &part), BOLTZ_OK);
        boltz_flow_sample(&world.flow, &world.weights, 1, BOLTZ_STREAM_TEST, first, &part, NULL,
                          again + first, world.scratch);
        for (int j = 0; j < 2; j++)
          CHECK(memcmp(part.col[j], x.col[j] + first, some * sizeof(double)) == 0);
      }
      CHECK_MSG(memcmp(log_q, again, sizeof log_q) == 0, "%s, %s", examples[e].name,
                boltz_precision_names[p]);
      close_world(&world);
    }
}

static void every_kernel_gives_the_same_bits(void) {
  enum { n = 100 };
  for (size_t e = 0; e < EXAMPLES; e++)
    for (int p = BOLTZ_FP32; p < BOLTZ_PRECISIONS; p++) {
      double log_q[2][n];
      for (int k = 0; k < 2; k++) {
        if (k == 0) setenv("BOLTZ_KERNEL", "portable", 1);
        struct world world = new_world(examples[e].text, 0.4);
        unsetenv("BOLTZ_KERNEL");
        struct boltz_batch x;
        serve(&world, (enum boltz_precision)p);
        CHECK_INT(boltz_batch_new(world.arena, n, 2, &x), BOLTZ_OK);
        boltz_flow_sample(&world.flow, &world.weights, 1, BOLTZ_STREAM_TEST, 0, &x, NULL, log_q[k],
                          world.scratch);
        close_world(&world);
      }
      CHECK_MSG(memcmp(log_q[0], log_q[1], sizeof log_q[0]) == 0, "%s, %s", examples[e].name,
                boltz_precision_names[p]);
    }
}

static void whole_periods_change_no_density(void) {
  struct world world = new_world(examples[0].text, 0.4);
  struct boltz_batch x;
  double log_q[3];
  CHECK_INT(boltz_batch_new(world.arena, 3, 2, &x), BOLTZ_OK);
  for (int k = 0; k < 20; k++) {
    for (int i = 0; i < 3; i++) {
      x.col[0][i] = 0.25 * k + 6 * (i == 1) - 600 * (i == 2);
      x.col[1][i] = -1 + 0.125 * k - 4 * (i == 1) + 4000 * (i == 2);
    }
    for (int p = BOLTZ_FP32; p <= BOLTZ_TABLE; p += BOLTZ_TABLE) {
      serve(&world, (enum boltz_precision)p);
      boltz_flow_log_density(&world.flow, &world.weights, &x, log_q, world.scratch);
      CHECK_NEAR(log_q[1], log_q[0], 1e-12);
      CHECK_NEAR(log_q[2], log_q[0], 1e-12);
    }
  }
  close_world(&world);
}

static void more_parameters_than_a_network_may_have_are_refused(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_json *root;
  struct boltz_flow_spec spec;
  struct boltz_text text = {0};
  boltz_text_puts(&text,
                  "{\"layers\":[{\"type\":\"spline_coupling\",\"hidden\":[1],\"fixed\":[0],"
                  "\"moved\":[1");
  for (int j = 2; j <= 1425; j++) {
    char word[16];
    snprintf(word, sizeof word, ",%d", j);
    boltz_text_puts(&text, word);
  }
  boltz_text_puts(&text, "]}]}"); /* 1425 times 23 is 32775 */
  CHECK_INT(boltz_json_parse(text.data, text.size, 8, arena, &root), BOLTZ_OK);
  CHECK_INT(boltz_flow_spec_parse(root, 1426, arena, &spec), BOLTZ_OUT_OF_RANGE);
  CHECK_TEXT(boltz_error_pointer(), "/layers/0/moved");
  CHECK(strstr(boltz_error(), "32775") != NULL);
  boltz_text_free(&text);
  boltz_arena_close(arena);
}

static void a_table_is_of_one_coordinate_and_of_so_many_parameters(void) {
  static const struct {
    const char *coupling;
    bool has;
  } cases[] = {
      {"\"fixed\":[0],\"moved\":[1]", true},
      {"\"fixed\":[2],\"moved\":[1,0]", true},
      {"\"fixed\":[0],\"moved\":[1,2],\"bins\":42", true},
      {"\"fixed\":[0],\"moved\":[1,2],\"bins\":43",
       false}, /* 257 parameters, and 256 are the most */
      {"\"fixed\":[0,1],\"moved\":[2]", false},
      {"\"fixed\":[0,2],\"moved\":[1]", false},
  };
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    struct boltz_flow flow;
    char text[300];
    snprintf(text, sizeof text,
             "{\"base\":{\"type\":\"circular\",\"coordinates\":[2],\"low\":[0],\"high\":[1]},"
             "\"layers\":[{\"type\":\"spline_coupling\",\"hidden\":[8],%s}]}",
             cases[k].coupling);
    struct boltz_json *root;
    struct boltz_flow_spec spec;
    CHECK_INT(boltz_json_parse(text, strlen(text), 8, arena, &root), BOLTZ_OK);
    CHECK_INT(boltz_flow_spec_parse(root, 3, arena, &spec), BOLTZ_OK);
    CHECK_INT(boltz_flow_new(&spec, 3, arena, &flow), BOLTZ_OK);
    CHECK_MSG(boltz_flow_has(&flow, BOLTZ_TABLE) == cases[k].has, "%s", cases[k].coupling);
    CHECK(boltz_flow_has(&flow, BOLTZ_INT8) && boltz_flow_has(&flow, BOLTZ_BF16));
    boltz_arena_close(arena);
  }
}

int main(int argc, char **argv) {
  RUN(densities_sum_to_1_in_every_precision);
  RUN(the_density_of_a_sample_is_that_it_was_drawn_with);
  RUN(a_new_flow_is_the_identity_but_for_roundings);
  RUN(densities_on_a_circle_have_no_seam);
  RUN(exhausted_scratch_shows_as_nan_and_a_missing_tape);
  RUN(exhausted_scratch_beside_a_table_shows_as_nan);
  RUN(sample_i_is_the_same_bits_whatever_the_batch);
  RUN(every_kernel_gives_the_same_bits);
  RUN(whole_periods_change_no_density);
  RUN(more_parameters_than_a_network_may_have_are_refused);
  RUN(a_table_is_of_one_coordinate_and_of_so_many_parameters);
  return check_report();
}
