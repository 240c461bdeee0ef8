/* test_exchange.c - particles that are all alike: numbers, names, places, and weights that are
 * honest. */
#include "boltz/checkpoint.h"
#include "flow_world.h"

static struct boltz_batch new_batch(struct world *world, size_t n) {
  return normal_rows(world, 31, 0, n);
}

static void the_golden_numbers(void) {
  struct world world = new_layers("{\"type\":\"exchange\",\"particles\":[0,1]}", 2);
  const double rows[4] = {3, 2, 2, 3};
  struct boltz_batch x = new_batch(&world, 2);
  double log_det[2];
  world.weights.flat[0] = -1, world.weights.flat[1] = 1;
  boltz_batch_from_rows(&x, rows);
  boltz_flow_transform(&world.flow, &world.weights, BOLTZ_TO_X, &x, log_det, world.arena);
  CHECK(x.col[0][0] == 3 && x.col[1][0] == 2 && log_det[0] == -INFINITY);
  CHECK(x.col[0][1] == 2 && x.col[1][1] == 3 && log_det[1] == 0);
  boltz_flow_transform(&world.flow, &world.weights, BOLTZ_TO_Z, &x, log_det, world.arena);
  for (int i = 0; i < 2; i++) CHECK(x.col[0][i] == 2 && x.col[1][i] == 3 && log_det[i] == 0);
  CHECK_NEAR(world.flow.log_copies, log(2), 1e-15);
  boltz_arena_close(world.arena);
}

#define CIRCULAR "\"base\":{\"type\":\"circular\",\"coordinates\":[1],\"low\":[0],\"high\":[1]},"
#define INTERVAL "{\"type\":\"interval\",\"coordinates\":[2],\"low\":[0],\"high\":[1]},"
#define EXCHANGE(settings) "\"layers\":[{\"type\":\"exchange\"," settings "}]"

static void settings_are_refused_at_their_place(void) {
  static const struct {
    const char *flow, *pointer, *says;
  } cases[] = {
      {EXCHANGE("\"particles\":[2]"), "/layers/0/particles", "1 particles"},
      {EXCHANGE("\"particles\":[]"), "/layers/0/particles", "0 particles"},
      {EXCHANGE("\"width\":2"), "/layers/0/particles", "particles"},
      {EXCHANGE("\"particles\":[0,2,0]"), "/layers/0/particles/2", "0 is named twice"},
      {EXCHANGE("\"particles\":[0,1],\"width\":2"), "/layers/0/particles/1", "1 is named twice"},
      {EXCHANGE("\"particles\":[0,4]"), "/layers/0/particles/1", "4 is not in [0, 3]"},
      {EXCHANGE("\"particles\":[0,3],\"width\":2"), "/layers/0/particles/1", "4 is not in [0, 3]"},
      {EXCHANGE("\"particles\":[-1,3]"), "/layers/0/particles/0", "-1"},
      {EXCHANGE("\"particles\":[0,2],\"width\":0"), "/layers/0/width", "0"},
      {EXCHANGE("\"particles\":[0,2],\"width\":5"), "/layers/0/particles/0", "not in [0, 3]"},
      {CIRCULAR EXCHANGE("\"particles\":[0,2],\"width\":2"), "/layers/0/particles/0", "x2 is not"},
      {"\"layers\":[" INTERVAL "{\"type\":\"exchange\",\"particles\":[0,2]}]",
       "/layers/1/particles/1", "x3 is not real"},
  };
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    struct world world = {.arena = boltz_arena_open(0)};
    char text[512];
    snprintf(text, sizeof text, "{%s}", cases[c].flow);
    CHECK_MSG(new_flow(world.arena, text, 4, &world.flow) != BOLTZ_OK, "%s", text);
    CHECK_MSG(strcmp(boltz_error_pointer(), cases[c].pointer) == 0, "%s: %s", text,
              boltz_error_pointer());
    CHECK_MSG(strstr(boltz_error(), cases[c].says), "%s: %s", text, boltz_error());
    boltz_arena_close(world.arena);
  }
}

/* Coordinates that are periodic stay so, beside the particles. */
static void other_coordinates_keep_their_domains(void) {
  struct world world = {.arena = boltz_arena_open(0)};
  const char *text = "{" CIRCULAR EXCHANGE("\"particles\":[0,2]") "}";
  CHECK_INT(new_flow(world.arena, text, 4, &world.flow), BOLTZ_OK);
  CHECK_INT(world.flow.domain[1].type, BOLTZ_PERIODIC);
  CHECK_INT(world.flow.domain[0].type, BOLTZ_REAL);
  boltz_arena_close(world.arena);
}

/* ---- Weights ---- */

/* Three particles, on a line or in the plane: normals around places, which are the references. */
#define PLACED(particles) "{\"type\":\"actnorm\"},{\"type\":\"exchange\"," particles "}"
static const struct system {
  const char *layers;
  int dim, width;
  double place[6], spread;
  int first[3];
} systems[] = {
    {PLACED("\"particles\":[0,1,2]"), 3, 1, {-1, 0.1, 0.9}, 1.2, {0, 1, 2}},
    {PLACED("\"particles\":[4,0,2],\"width\":2"),
     6,
     2,
     {0.8, 0, -0.4, 0.7, -0.4, -0.7},
     1.1,
     {4, 0, 2}},
};

static const struct boltz_layer *layer_of(const struct world *world, int i) {
  return &world->flow.layers[i];
}

/* actnorm: x = e^scale z + shift. */
static struct world new_system(const struct system *s) {
  struct world world = new_layers(s->layers, s->dim);
  float *reference = world.weights.flat + layer_of(&world, 1)->w_offset;
  struct boltz_tensor tensor;
  for (int k = 0; boltz_flow_tensor(&world.flow, k, &tensor); k++) {
    float *w = world.weights.flat + tensor.offset;
    const bool scale = strstr(tensor.name, "scale") != NULL, shift = strstr(tensor.name, "shift");
    CHECK(scale || shift || w == reference);
    for (int p = 0; p < 3; p++)
      for (int a = 0; a < s->width; a++) {
        if (scale) w[s->first[p] + a] = (float)log(s->spread);
        if (shift) w[s->first[p] + a] = (float)s->place[p * s->width + a];
      }
  }
  for (int k = 0; k < s->dim; k++) reference[k] = (float)s->place[k];
  boltz_flow_pack(&world.flow, &world.weights);
  return world;
}

#define PULL 0.2

/* u = sum of x^2/2 + PULL times the sum over pairs of x y, along every axis: all particles alike,
   Z = (2 pi)^(dim/2) / ((1 - PULL)^2 (1 + 2 PULL))^(width/2). */
static double energy(const struct system *s, const struct boltz_batch *x, size_t i) {
  double u = 0;
  for (int a = 0; a < s->width; a++) {
    double sum = 0, squares = 0;
    for (int p = 0; p < 3; p++) {
      const double c = x->col[s->first[p] + a][i];
      sum += c;
      squares += c * c;
    }
    u += squares / 2 + PULL * (sum * sum - squares) / 2;
  }
  return u;
}

static double exact_z(const struct system *s) {
  const double determinant = (1 - PULL) * (1 - PULL) * (1 + 2 * PULL);
  return pow(2 * M_PI, 0.5 * s->dim) / pow(determinant, 0.5 * s->width);
}

/* Where particle p stands among the six orders of three: which one is first, and whether the others
   follow in their order. */
static int order_of(const struct system *s, const struct boltz_batch *x,
                    const struct boltz_batch *from, size_t i) {
  int who[3] = {-1, -1, -1};
  for (int p = 0; p < 3; p++)
    for (int q = 0; q < 3; q++)
      if (x->col[s->first[p]][i] == from->col[s->first[q]][i]) who[p] = q;
  CHECK(who[0] >= 0 && who[1] >= 0 && who[2] >= 0 && who[0] != who[1] && who[1] != who[2]);
  return 2 * who[0] + (who[1] > who[2]);
}

struct tally {
  double n, in_order, sum, squares;
  double mean[3], square[3];   /* of the particles' first coordinates */
  double orders[6], placed[6]; /* of all draws, and of those that have a weight */
};

static void count(const struct system *s, const struct boltz_batch *x,
                  const struct boltz_batch *from, const double *log_q, struct tally *t) {
  for (size_t i = 0; i < x->n; i++) {
    const bool in_order = log_q[i] != INFINITY;
    const double weight = exp(-energy(s, x, i) - log_q[i]);
    const int order = order_of(s, x, from, i);
    CHECK(isfinite(log_q[i]) || log_q[i] == INFINITY);
    t->n += 1;
    t->in_order += in_order;
    t->sum += weight;
    t->squares += weight * weight;
    t->orders[order] += 1;
    t->placed[order] += in_order;
    for (int p = 0; p < 3; p++) {
      const double c = x->col[s->first[p]][i];
      t->mean[p] += c;
      t->square[p] += c * c;
    }
  }
}

static struct tally draw(const struct system *s, size_t n) {
  enum { ROWS = 1000 };
  struct world world = new_system(s);
  struct boltz_batch x = new_batch(&world, ROWS), z = new_batch(&world, ROWS);
  struct boltz_arena *scratch = boltz_arena_open(0);
  struct tally t = {0};
  double log_q[ROWS], log_det[ROWS];
  for (size_t at = 0; at < n; at += ROWS) {
    const struct boltz_mark mark = boltz_arena_mark(scratch);
    boltz_flow_sample(&world.flow, &world.weights, 6, BOLTZ_STREAM_SAMPLE, at, &x, &z, log_q,
                      scratch);
    boltz_flow_transform(&world.flow, &world.weights, BOLTZ_TO_X, &z, log_det, scratch);
    for (size_t i = 0; i < ROWS; i++) CHECK((log_det[i] == -INFINITY) == (log_q[i] == INFINITY));
    count(s, &x, &z, log_q, &t);
    boltz_arena_release(scratch, mark);
  }
  boltz_arena_close(scratch);
  boltz_arena_close(world.arena);
  return t;
}

/* Five degrees of freedom: above 25 once in 7000. */
static void check_even(const double counts[6], double n) {
  double chi2 = 0;
  for (int k = 0; k < 6; k++) chi2 += (counts[k] - n / 6) * (counts[k] - n / 6) / (n / 6);
  CHECK_MSG(chi2 < 25, "chi^2 = %g of %g", chi2, n);
}

/* The mean weight is Z when draws without a weight count as such; not when they are skipped, nor
   when a latent's n! configurations are forgotten. */
static void weights_are_honest_and_names_are_dealt_evenly(void) {
  for (size_t k = 0; k < sizeof systems / sizeof *systems; k++) {
    const struct system *s = &systems[k];
    const struct tally t = draw(s, 200000);
    const double z = exact_z(s), mean = t.sum / t.n;
    const double error = sqrt((t.squares / t.n - mean * mean) / t.n);
    CHECK_NEAR(mean, z, 5 * error);
    CHECK_MSG(error < 0.01 * z, "%g of %g", error, z);
    CHECK(fabs(t.sum / t.in_order - z) > 0.2 * z && fabs(mean / 6 - z) > 0.2 * z);
    CHECK_MSG(t.in_order > 0.2 * t.n && t.in_order < 0.8 * t.n, "%g of %g", t.in_order, t.n);
    check_even(t.orders, t.n);
    check_even(t.placed, t.in_order);
    const double all = (t.mean[0] + t.mean[1] + t.mean[2]) / 3 / t.n;
    for (int p = 0; p < 3; p++) {
      const double m = t.mean[p] / t.n;
      CHECK_NEAR(m, all, 5 * sqrt((t.square[p] / t.n - m * m) / t.n));
    }
  }
}

static void swap_particles(const struct system *s, int p, int q, struct boltz_batch *x) {
  for (int a = 0; a < s->width; a++) {
    double *swap = x->col[s->first[p] + a];
    x->col[s->first[p] + a] = x->col[s->first[q] + a];
    x->col[s->first[q] + a] = swap;
  }
}

static void a_density_is_that_of_its_sample_whatever_the_names(void) {
  enum { N = 500 };
  for (size_t k = 0; k < sizeof systems / sizeof *systems; k++) {
    const struct system *s = &systems[k];
    struct world world = new_system(s);
    struct boltz_batch x = new_batch(&world, N), y = new_batch(&world, N);
    double log_q[N], again[N];
    boltz_flow_sample(&world.flow, &world.weights, 8, BOLTZ_STREAM_SAMPLE, 0, &x, NULL, log_q,
                      world.arena);
    for (int order = 0; order < 6; order++) {
      swap_particles(s, order % 2, 2, &x); /* six times in turn: every order */
      boltz_batch_copy(&y, 0, &x, 0, N);
      boltz_flow_log_density(&world.flow, &world.weights, &y, again, world.arena);
      for (size_t i = 0; i < N; i++) {
        CHECK(isfinite(again[i]));
        if (log_q[i] != INFINITY) CHECK_NEAR(again[i], log_q[i], 1e-10);
      }
    }
    boltz_arena_close(world.arena);
  }
}

static void samples_are_the_same_bits_whatever_the_cut(void) {
  enum { N = 150 };
  static const size_t cuts[] = {1, 7, 48, 49, 149};
  struct world world = new_system(&systems[1]);
  struct boltz_batch x = new_batch(&world, N);
  double log_q[N], part_q[N];
  boltz_flow_sample(&world.flow, &world.weights, 2, BOLTZ_STREAM_SAMPLE, 0, &x, NULL, log_q,
                    world.arena);
  for (size_t c = 0; c < sizeof cuts / sizeof *cuts; c++)
    for (size_t at = 0; at < N; at += cuts[c]) {
      const size_t n = N - at < cuts[c] ? N - at : cuts[c];
      struct boltz_batch part = new_batch(&world, n);
      boltz_flow_sample(&world.flow, &world.weights, 2, BOLTZ_STREAM_SAMPLE, at, &part, NULL,
                        part_q, world.arena);
      for (size_t i = 0; i < n; i++) {
        CHECK(part_q[i] == log_q[at + i]);
        for (int j = 0; j < x.dim; j++) CHECK(part.col[j][i] == x.col[j][at + i]);
      }
    }
  boltz_arena_close(world.arena);
}

/* Two layers, of particles of two kinds: 2! 3! copies, in orders that do not know of each other. */
static void classes_of_particles_are_dealt_their_names_apart(void) {
  enum { N = 60000 };
  struct world world = new_layers(
      "{\"type\":\"exchange\",\"particles\":[0,1]},{\"type\":\"exchange\",\"particles\":[2,3,4]}",
      5);
  struct boltz_batch x = new_batch(&world, N), z = new_batch(&world, N);
  double *log_q = BOLTZ_NEW_ARRAY(world.arena, N, double), cells[12] = {0}, chi2 = 0;
  const struct system last = {.width = 1, .first = {2, 3, 4}};
  CHECK_NEAR(world.flow.log_copies, log(12), 1e-14);
  boltz_flow_sample(&world.flow, &world.weights, 3, BOLTZ_STREAM_SAMPLE, 0, &x, &z, log_q,
                    world.arena);
  for (size_t i = 0; i < N; i++) {
    const bool kept = x.col[0][i] == z.col[0][i];
    CHECK(kept || x.col[0][i] == z.col[1][i]);
    cells[2 * order_of(&last, &x, &z, i) + kept] += 1;
    const bool in_order = z.col[0][i] < z.col[1][i] && z.col[2][i] < z.col[3][i] &&
                          z.col[3][i] < z.col[4][i]; /* the references are in a row */
    CHECK(in_order == (log_q[i] != INFINITY));
    double log_p = -2.5 * log(2 * M_PI) - log(12);
    for (int j = 0; j < 5; j++) log_p -= z.col[j][i] * z.col[j][i] / 2;
    if (in_order) CHECK_NEAR(log_q[i], log_p, 1e-12);
  }
  for (int k = 0; k < 12; k++) chi2 += (cells[k] - N / 12.0) * (cells[k] - N / 12.0) * 12 / N;
  CHECK_MSG(chi2 < 37, "chi^2 = %g", chi2); /* eleven degrees of freedom: once in 8000 */
  boltz_arena_close(world.arena);
}

/* ---- What cannot be ---- */

static void what_is_no_number_is_not_taken_for_an_order(void) {
  struct world world = new_system(&systems[0]);
  struct boltz_batch x = new_batch(&world, 3), y = new_batch(&world, 3);
  double log_det[3] = {NAN, 0, 0};
  const struct boltz_layer *layer = layer_of(&world, 1);
  for (int j = 0; j < 3; j++)
    for (int i = 0; i < 3; i++) x.col[j][i] = 1 - j; /* in another order */
  layer->kind->apply(layer, &world.weights, BOLTZ_TO_X, &x, log_det, NULL, world.arena);
  CHECK(isnan(log_det[0]) && log_det[1] == -INFINITY);
  world.weights.flat[layer->w_offset + 1] = NAN;
  boltz_flow_transform(&world.flow, &world.weights, BOLTZ_TO_Z, &x, log_det, world.arena);
  for (int i = 0; i < 3; i++) CHECK(isnan(log_det[i]));
  const struct boltz_checkpoint broken = {.flow = world.flow, .weights = world.weights};
  CHECK_INT(boltz_checkpoint_self_test(&broken, world.arena), BOLTZ_BAD_CHECKPOINT);
  world.weights.flat[layer->w_offset + 1] = 0;
  y.col[0][0] = NAN, y.col[1][1] = INFINITY, y.col[2][2] = 1e300; /* whose square is infinite */
  boltz_flow_transform(&world.flow, &world.weights, BOLTZ_TO_Z, &y, log_det, world.arena);
  CHECK(isnan(log_det[0]) && isnan(log_det[1]) && isfinite(log_det[2]));
  CHECK(y.col[2][2] > 1e299);
  boltz_arena_close(world.arena);
}

/* Two places that are one: both orders are the nearest, and no density is the right one. */
static void places_that_are_not_apart_give_no_density(void) {
  static const float bad[][3] = {{-1, 0.5f, 0.5f}, {0, 0, 0}, {1e-30f, 0, 1}};
  struct world world = new_system(&systems[0]);
  const struct boltz_checkpoint checkpoint = {.flow = world.flow, .weights = world.weights};
  float *reference = world.weights.flat + layer_of(&world, 1)->w_offset;
  for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
    struct boltz_batch x = new_batch(&world, 20);
    double log_q[20];
    memcpy(reference, bad[k], sizeof bad[k]);
    boltz_flow_sample(&world.flow, &world.weights, 1, BOLTZ_STREAM_SAMPLE, 0, &x, NULL, log_q,
                      world.arena);
    for (int i = 0; i < 20; i++) CHECK(isnan(log_q[i]));
    x = new_batch(&world, 20);
    boltz_flow_log_density(&world.flow, &world.weights, &x, log_q, world.arena);
    for (int i = 0; i < 20; i++) CHECK(isnan(log_q[i]));
    CHECK_INT(boltz_checkpoint_self_test(&checkpoint, world.arena), BOLTZ_BAD_CHECKPOINT);
  }
  boltz_arena_close(world.arena);
}

static void exhausted_scratch_shows_as_nan_and_a_missing_tape(void) {
  struct world world = new_layers("{\"type\":\"exchange\",\"particles\":[0,1,2]}", 3);
  struct boltz_batch x = new_batch(&world, 5);
  check_exhausted_scratch(&world, &x);
  boltz_arena_close(world.arena);
}

static void a_flow_with_exchange_passes_the_self_test(void) {
  for (size_t k = 0; k < sizeof systems / sizeof *systems; k++) {
    struct world world = new_system(&systems[k]);
    const struct boltz_checkpoint checkpoint = {.flow = world.flow, .weights = world.weights};
    const enum boltz_status status = boltz_checkpoint_self_test(&checkpoint, world.arena);
    CHECK_MSG(status == BOLTZ_OK, "%s", boltz_error());
    boltz_arena_close(world.arena);
  }
}

int main(int argc, char **argv) {
  RUN(the_golden_numbers);
  RUN(settings_are_refused_at_their_place);
  RUN(other_coordinates_keep_their_domains);
  RUN(weights_are_honest_and_names_are_dealt_evenly);
  RUN(a_density_is_that_of_its_sample_whatever_the_names);
  RUN(samples_are_the_same_bits_whatever_the_cut);
  RUN(classes_of_particles_are_dealt_their_names_apart);
  RUN(what_is_no_number_is_not_taken_for_an_order);
  RUN(places_that_are_not_apart_give_no_density);
  RUN(exhausted_scratch_shows_as_nan_and_a_missing_tape);
  RUN(a_flow_with_exchange_passes_the_self_test);
  return check_report();
}
