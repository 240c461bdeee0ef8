/* test_flow_serve.c - trained flows served in every precision: other numbers, the same physics. */
#include "boltz/boltz.h"
#include "check.h"
#include "core/kernel/kernel.h"
#include "exact.h"

#define ROWS 512 /* of a batch */

static const char *const files[] = {"etc/examples/example-double-well.safetensors",
                                    "etc/examples/example-harmonic-pair.safetensors"};
#define FILES (sizeof files / sizeof *files)

/* A trained flow and a batch on its way through it. */
struct world {
  struct boltz_arena *arena, *scratch;
  struct boltz_checkpoint checkpoint;
  struct boltz_batch x, y;
  double log_q[ROWS], log_det[ROWS], u[ROWS];
};

static void open_world(const char *path, struct world *world) {
  static char bytes[1 << 20];
  FILE *file = fopen(path, "rb");
  CHECK_MSG(file != NULL, "%s: run the tests in the project's folder", path);
  if (!file) exit(1);
  const size_t size = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  world->arena = boltz_arena_open(0);
  world->scratch = boltz_arena_open(0);
  CHECK_INT(boltz_checkpoint_read(bytes, size, world->arena, &world->checkpoint), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(world->arena, ROWS, world->checkpoint.flow.dim, &world->x), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(world->arena, ROWS, world->checkpoint.flow.dim, &world->y), BOLTZ_OK);
}

static void close_world(struct world *world) {
  boltz_arena_close(world->arena);
  boltz_arena_close(world->scratch);
}

static void serve(struct world *world, enum boltz_precision precision) {
  CHECK_INT(boltz_flow_serve(&world->checkpoint.flow, &world->checkpoint.weights, precision,
                             world->arena),
            BOLTZ_OK);
  CHECK_INT(world->checkpoint.weights.precision, precision);
}

/* Samples first ... first + n - 1 into x and log_q. */
static void draw(struct world *world, uint64_t first, size_t n) {
  struct boltz_batch x = world->x;
  x.n = n;
  boltz_flow_sample(&world->checkpoint.flow, &world->checkpoint.weights, 5, BOLTZ_STREAM_TEST,
                    first, &x, NULL, world->log_q, world->scratch);
}

static double exact_log_z(size_t file) {
  return file == 0 ? exact_well(1, 6, 1, 1, 1).log_z : exact_pair_log_z(2, 4, 1);
}

static void log_z_is_exact_in_every_precision(void) {
  enum { BATCHES = 80 };
  for (size_t f = 0; f < FILES; f++) {
    struct world world;
    open_world(files[f], &world);
    const struct boltz_energy *energy = &world.checkpoint.energy;
    const double log_z = exact_log_z(f);
    for (int p = 0; p < BOLTZ_PRECISIONS; p++) {
      double sum = 0, squares = 0, n = (double)BATCHES * ROWS;
      serve(&world, (enum boltz_precision)p);
      for (uint64_t k = 0; k < BATCHES; k++) {
        draw(&world, k * ROWS, ROWS);
        boltz_energy_eval(energy, energy->temperature, &world.x, world.u, NULL, world.scratch);
        for (size_t i = 0; i < ROWS; i++) {
          const double w = exp(-world.u[i] - world.log_q[i] - log_z);
          sum += w;
          squares += w * w;
        }
      }
      const double mean = sum / n, stderr_mean = sqrt((squares / n - mean * mean) / n);
      CHECK_MSG(fabs(mean - 1) <= 4 * stderr_mean, "%s, %s: Z/exact = %.6f +- %.6f", files[f],
                boltz_precision_names[p], mean, stderr_mean);
      /* a precision that ruined the flow would still be exact: it must also be worth using */
      CHECK_MSG(sum * sum / squares / n > 0.97, "%s, %s: ess_fraction %.4f", files[f],
                boltz_precision_names[p], sum * sum / squares / n);
    }
    close_world(&world);
  }
}

/* A conditioner's input may come back rounded to the neighbour of a step; then log q jumps by what
   the step is worth, in about one row of a million. Where log q is nearly flat in x near an edge of
   an interval, x itself holds no more digits. */
static void the_density_of_a_sample_is_that_it_was_drawn_with(void) {
  enum { BATCHES = 40 };
  for (size_t f = 0; f < FILES; f++) {
    struct world world;
    open_world(files[f], &world);
    for (int p = 0; p < BOLTZ_PRECISIONS; p++) {
      int off = 0;
      double worst = 0, back = 0, log_q[ROWS];
      serve(&world, (enum boltz_precision)p);
      for (uint64_t k = 0; k < BATCHES; k++) {
        draw(&world, k * ROWS, ROWS);
        boltz_batch_copy(&world.y, 0, &world.x, 0, ROWS);
        boltz_flow_log_density(&world.checkpoint.flow, &world.checkpoint.weights, &world.y, log_q,
                               world.scratch);
        boltz_flow_transform(&world.checkpoint.flow, &world.checkpoint.weights, BOLTZ_TO_X,
                             &world.y, world.log_det, world.scratch);
        for (size_t i = 0; i < ROWS; i++) {
          const double d = fabs(log_q[i] - world.log_q[i]);
          off += !(d <= 1e-12);
          worst = fmax(worst, d);
          for (int j = 0; j < world.x.dim; j++)
            back = fmax(back, fabs(world.y.col[j][i] - world.x.col[j][i]));
        }
      }
      CHECK_MSG(off <= 1 && worst <= 0.1, "%s, %s: %d of %d rows are off by more than 1e-12, by %g",
                files[f], boltz_precision_names[p], off, BATCHES * ROWS, worst);
      CHECK_MSG(back <= 1e-9, "%s, %s: x -> z -> x misses by %g", files[f],
                boltz_precision_names[p], back);
    }
    close_world(&world);
  }
}

/* Log weights, log Z taken off, of two rings of latents that are one in 25 000 and in 4 million. */
static void weigh_far_samples(struct world *world, double log_z, double *log_w) {
  const struct boltz_energy *energy = &world->checkpoint.energy;
  for (size_t i = 0; i < ROWS; i++) {
    const double angle = M_PI / 128 * (double)i, radius = i < ROWS / 2 ? 4.5 : 5.5;
    world->x.col[0][i] = radius * cos(angle);
    world->x.col[1][i] = radius * sin(angle);
  }
  boltz_flow_push(&world->checkpoint.flow, &world->checkpoint.weights, &world->x, log_w,
                  world->scratch);
  boltz_energy_eval(energy, energy->temperature, &world->x, world->u, NULL, world->scratch);
  for (size_t i = 0; i < ROWS; i++) log_w[i] = -world->u[i] - log_w[i] - log_z;
}

/* One sample in millions that weighs as much as thousands spoils the average of all: no precision
   may lose the flow where calibration saw nothing. */
static void far_samples_weigh_no_more_than_in_fp32(void) {
  for (size_t f = 0; f < FILES; f++) {
    struct world world;
    double fp32[ROWS], log_w[ROWS];
    open_world(files[f], &world);
    serve(&world, BOLTZ_FP32);
    weigh_far_samples(&world, exact_log_z(f), fp32);
    for (int p = 0; p < BOLTZ_PRECISIONS; p++) {
      double worst = -INFINITY;
      serve(&world, (enum boltz_precision)p);
      weigh_far_samples(&world, exact_log_z(f), log_w);
      for (size_t i = 0; i < ROWS; i++) worst = fmax(worst, log_w[i] - fmax(fp32[i], 0));
      CHECK_MSG(worst < log(5), "%s, %s: a weight is %g times fp32's", files[f],
                boltz_precision_names[p], exp(worst));
    }
    close_world(&world);
  }
}

/* The pair's first coordinate within 1e-6 of the interval's upper end, where a last digit of x is
   worth 1e-11 of log q and more: what is given is the density of x as it is given. */
static void the_density_near_an_end_is_that_of_the_rounded_sample(void) {
  struct world world;
  open_world(files[1], &world);
  for (int p = 0; p < BOLTZ_PRECISIONS; p++) {
    double log_q[ROWS], worst = 0, nearest = INFINITY;
    serve(&world, (enum boltz_precision)p);
    for (size_t i = 0; i < ROWS; i++) {
      const double far = 4.6 + 3.0 * (double)i / ROWS;
      world.x.col[0][i] = i % 2 ? far : -far;
      world.x.col[1][i] = sin((double)i);
    }
    boltz_flow_push(&world.checkpoint.flow, &world.checkpoint.weights, &world.x, world.log_q,
                    world.scratch);
    boltz_batch_copy(&world.y, 0, &world.x, 0, ROWS);
    boltz_flow_log_density(&world.checkpoint.flow, &world.checkpoint.weights, &world.y, log_q,
                           world.scratch);
    for (size_t i = 0; i < ROWS; i++) {
      worst = fmax(worst, fabs(log_q[i] - world.log_q[i]));
      nearest = fmin(nearest, 4 - world.x.col[0][i]);
    }
    CHECK(nearest < 1e-6);
    CHECK_MSG(worst <= 1e-12, "%s: log q is off by %g", boltz_precision_names[p], worst);
  }
  close_world(&world);
}

static void no_precision_depends_on_how_a_batch_is_cut(void) {
  for (size_t f = 0; f < FILES; f++) {
    struct world world;
    open_world(files[f], &world);
    for (int p = 0; p < BOLTZ_PRECISIONS; p++) {
      double first[2][ROWS], log_q[ROWS];
      int wrong = 0;
      serve(&world, (enum boltz_precision)p);
      draw(&world, 0, ROWS);
      memcpy(log_q, world.log_q, sizeof log_q);
      for (int j = 0; j < 2; j++) memcpy(first[j], world.x.col[j], sizeof first[j]);
      for (size_t at = 0, n = 1; at + n <= ROWS; at += n, n = n % 13 + 1) {
        draw(&world, at, n);
        for (size_t i = 0; i < n; i++)
          wrong += world.log_q[i] != log_q[at + i] || world.x.col[0][i] != first[0][at + i] ||
                   world.x.col[1][i] != first[1][at + i];
      }
      CHECK_MSG(wrong == 0, "%s, %s: %d rows", files[f], boltz_precision_names[p], wrong);
    }
    close_world(&world);
  }
}

static void every_kernel_serves_the_same_bits(void) {
  for (int p = 0; p < BOLTZ_PRECISIONS; p++) {
    double x[2][ROWS], log_q[ROWS];
    int kernels = 0;
    for (int k = 0; boltz_kernel_at(k); k++) {
      struct world world;
      int wrong = 0;
      if (!boltz_kernel_at(k)->present()) continue;
      setenv("BOLTZ_KERNEL", boltz_kernel_at(k)->name, 1);
      open_world(files[0], &world);
      serve(&world, (enum boltz_precision)p);
      draw(&world, 0, ROWS);
      for (size_t i = 0; kernels && i < ROWS; i++)
        wrong += world.log_q[i] != log_q[i] || world.x.col[0][i] != x[0][i] ||
                 world.x.col[1][i] != x[1][i];
      CHECK_MSG(wrong == 0, "%s, kernel %s: %d rows", boltz_precision_names[p],
                boltz_kernel_at(k)->name, wrong);
      memcpy(log_q, world.log_q, sizeof log_q);
      for (int j = 0; j < 2; j++) memcpy(x[j], world.x.col[j], sizeof x[j]);
      kernels++;
      close_world(&world);
      unsetenv("BOLTZ_KERNEL");
    }
    CHECK(kernels >= 1);
  }
}

static void a_table_needs_one_coordinate_and_a_precision_a_conditioner(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  static const char wide[] =
      "{\"base\":\"normal\",\"layers\":[{\"type\":\"realnvp\",\"blocks\":1,\"hidden\":[8]}]}";
  static const char plain[] = "{\"base\":\"normal\",\"layers\":[{\"type\":\"actnorm\"}]}";
  const struct {
    const char *flow;
    int dim;
    bool has[BOLTZ_PRECISIONS];
  } cases[] = {{wide, 4, {true, true, true, false}},
               {wide, 3, {true, true, true, false}},
               {wide, 2, {true, true, true, true}},
               {plain, 2, {true, false, false, false}}};
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    struct boltz_json *root;
    struct boltz_flow_spec spec;
    struct boltz_flow flow;
    struct boltz_weights weights;
    CHECK_INT(boltz_json_parse(cases[c].flow, strlen(cases[c].flow), 9, arena, &root), BOLTZ_OK);
    CHECK_INT(boltz_flow_spec_parse(root, cases[c].dim, arena, &spec), BOLTZ_OK);
    CHECK_INT(boltz_flow_new(&spec, cases[c].dim, arena, &flow), BOLTZ_OK);
    CHECK_INT(boltz_weights_new(&flow, arena, &weights), BOLTZ_OK);
    boltz_flow_init(&flow, 1, &weights);
    for (int p = 0; p < BOLTZ_PRECISIONS; p++) {
      const bool has = boltz_flow_has(&flow, (enum boltz_precision)p);
      CHECK_MSG(has == cases[c].has[p], "case %zu, %s", c, boltz_precision_names[p]);
      CHECK_INT(boltz_flow_serve(&flow, &weights, (enum boltz_precision)p, arena),
                has ? BOLTZ_OK : BOLTZ_OUT_OF_RANGE);
    }
  }
  boltz_arena_close(arena);
}

int main(int argc, char **argv) {
  RUN(log_z_is_exact_in_every_precision);
  RUN(the_density_of_a_sample_is_that_it_was_drawn_with);
  RUN(far_samples_weigh_no_more_than_in_fp32);
  RUN(the_density_near_an_end_is_that_of_the_rounded_sample);
  RUN(no_precision_depends_on_how_a_batch_is_cut);
  RUN(every_kernel_serves_the_same_bits);
  RUN(a_table_needs_one_coordinate_and_a_precision_a_conditioner);
  return check_report();
}
