/* test_layers.c - the laws of every layer in the list, and each member's golden numbers. */
#include "boltz/flow.h"
#include "boltz/rng.h"
#include "check.h"

#define DIM 4
#define N 7

#define CIRCLES \
  "{\"type\":\"circular\",\"coordinates\":[1,2,3],\"low\":[-3,-4,-3.5],\"high\":[3.5,3,4]}"

#define TURN "6.283185307179586"
#define TURNS \
  "{\"type\":\"circular\",\"coordinates\":[1,3],\"low\":[0,0],\"high\":[" TURN "," TURN "]}"

#define CIRCLE "{\"type\":\"circular\",\"coordinates\":[1],\"low\":[-3],\"high\":[3.5]}"

/* One example of each kind on four coordinates. Conditioners are smooth here, so that differences
   can be compared with gradients; so are splines but at their knots, where log_det has a kink: few
   bins, and no row within a difference of a knot. A short form has no laws of its own. */
static const struct example {
  const char *kind, *settings;
  double low, high; /* where x lives in every coordinate */
  const char *base;
  bool still;      /* its weights are fitted and not trained */
  double from, to; /* where z lives; 0, 0: from -2 to 2 */
  bool settles;    /* x is what comes out on the way to z: of several that share a latent, one */
} examples[] = {
    {"affine_coupling",
     "\"fixed\":[2,0],\"moved\":[3],\"hidden\":[8,6],\"scale_activation\":\"silu\"", -3, 3},
    {"affine_coupling",
     "\"fixed\":[1],\"moved\":[3,0],\"hidden\":[17],\"scale_activation\":\"tanh\","
     "\"shift_activation\":\"silu\",\"scale_cap\":0",
     -3, 3},
    {"affine_coupling",
     "\"fixed\":[1,2],\"moved\":[0],\"hidden\":[8,6],\"scale_activation\":\"silu\"", -3, 3,
     CIRCLES},
    {"additive_coupling", "\"fixed\":[1,2],\"moved\":[0],\"hidden\":[8,6]", -3, 3, CIRCLES},
    {"additive_coupling", "\"fixed\":[2],\"moved\":[3,0],\"hidden\":[9],\"activation\":\"tanh\"",
     -3, 3},
    {"spline_coupling", "\"fixed\":[2,0],\"moved\":[3,1],\"hidden\":[8,6],\"bins\":3,\"bound\":2",
     -3, 3},
    {"spline_coupling",
     "\"fixed\":[0,2],\"moved\":[3,1],\"hidden\":[8,6],\"bins\":3,\"activation\":\"tanh\"", -3, 3,
     CIRCLES},
    {"spline_coupling", "\"fixed\":[2],\"moved\":[0,1],\"hidden\":[9],\"bins\":2", -3, 3, CIRCLES},
    {"spline_coupling",
     "\"fixed\":[1,3],\"moved\":[2,0],\"hidden\":[9],\"bins\":2,\"bound\":4,\"lattice\":[4]", -3,
     3},
    {"spline_coupling",
     "\"fixed\":[0,2],\"moved\":[1,3],\"hidden\":[8],\"bins\":2,\"bound\":4,\"lattice\":[2],"
     "\"reach\":0",
     -3, 3},
    {"spline_coupling",
     "\"fixed\":[3,1,2],\"moved\":[0],\"hidden\":[8],\"bins\":3,\"lattice\":[2,2]", -3, 3,
     "{\"type\":\"circular\",\"coordinates\":[0,1,2,3],\"low\":[-3,-3,-3,-3],"
     "\"high\":[3.5,3.5,3.5,3.5]}"},
    {"spline", "\"bins\":3,\"bound\":1.5", -3, 3},
    {"spline", "\"coordinates\":[1,0],\"bins\":3,\"bound\":1.7", -3, 3, CIRCLES},
    {"circular_shift", "\"coordinates\":[3,1]", -2.9, 2.9, CIRCLES},
    {"realnvp", "\"blocks\":1,\"hidden\":[5],\"scale_activation\":\"tanh\"", -3, 3},
    {"interval", "\"coordinates\":[0,1,2,3],\"low\":[-3,-3,-3,-3],\"high\":[3,3,3,3]", -2.99, 2.99},
    {"actnorm", NULL, -3, 3},
    {"whitening", NULL, -3, 3, .still = true},
    {"whitening", "\"coordinates\":[3,0]", -3, 3, CIRCLE, .still = true},
    {"linear", NULL, -3, 3},
    {"linear", "\"coordinates\":[3,0,2],\"permutation\":[1,2,0]", -3, 3, CIRCLE},
    {"mean_free", "\"space\":2", -3, 3},
    {"mean_free", "\"space\":1,\"coordinates\":[3,0,2]", -3, 3, CIRCLE},
    {"permute", "\"order\":[2,0,3,1]", -3, 3},
    {"polar", NULL, -3, 3, TURNS, .from = 0.1, .to = 3.1},
    {"polar", "\"coordinates\":[2,1,0,3],\"relative\":false", -3, 3, TURNS, .from = 0.1, .to = 6.2},
    {"polar", "\"coordinates\":[0,3]", -3, 3, TURNS, .from = 0.1, .to = 6.2},
    {"exchange", "\"particles\":[2,0],\"width\":2", -3, 3, .still = true, .settles = true},
    {"exchange", "\"particles\":[3,0,2]", -3, 3, CIRCLE, .still = true, .settles = true},
};
#define EXAMPLES (sizeof examples / sizeof examples[0])

struct world {
  struct boltz_arena *arena;
  const struct example *example;
  struct boltz_flow flow;
  struct boltz_weights weights;
  struct boltz_batch x;
};

static double uniform(uint64_t index) {
  double u[2];
  boltz_rng_uniform(23, BOLTZ_STREAM_TEST, index, 0, u);
  return u[0];
}

static enum boltz_status new_flow(struct boltz_arena *arena, const char *text, int dim,
                                  struct boltz_flow *flow) {
  struct boltz_json *root;
  struct boltz_flow_spec spec;
  CHECK_INT(boltz_json_parse(text, strlen(text), 8, arena, &root), BOLTZ_OK);
  BOLTZ_TRY(boltz_flow_spec_parse(root, dim, arena, &spec));
  return boltz_flow_new(&spec, dim, arena, flow);
}

static void new_batch(struct world *world, enum boltz_direction direction) {
  const struct example *example = world->example;
  const bool given = example->from < example->to;
  const double low = direction == BOLTZ_TO_Z ? example->low : given ? example->from : -2;
  const double high = direction == BOLTZ_TO_Z ? example->high : given ? example->to : 2;
  CHECK_INT(boltz_batch_new(world->arena, N, DIM, &world->x), BOLTZ_OK);
  for (int j = 0; j < DIM; j++)
    for (size_t i = 0; i < N; i++)
      world->x.col[j][i] = low + (high - low) * uniform(i * DIM + (size_t)j);
  double log_det[N];
  if (example->settles)
    boltz_flow_transform(&world->flow, &world->weights, BOLTZ_TO_Z, &world->x, log_det,
                         world->arena);
}

/* The example as a flow of one layer, with weights far from the identity. */
static struct world new_world(const struct example *example) {
  struct world world = {.arena = boltz_arena_open(0), .example = example};
  char text[512];
  snprintf(text, sizeof text, "{\"base\":%s,\"layers\":[{\"type\":\"%s\"%s%s}]}",
           example->base ? example->base : "\"normal\"", example->kind,
           example->settings ? "," : "", example->settings ? example->settings : "");
  const enum boltz_status status = new_flow(world.arena, text, DIM, &world.flow);
  CHECK_MSG(status == BOLTZ_OK, "%s: %s", text, boltz_error());
  CHECK_INT(boltz_weights_new(&world.flow, world.arena, &world.weights), BOLTZ_OK);
  CHECK_INT(boltz_weights_turn(&world.flow, world.arena, &world.weights), BOLTZ_OK);
  for (size_t k = 0; k < world.flow.nw; k++)
    world.weights.flat[k] = (float)(uniform(1000 + k) - 0.5);
  boltz_flow_pack(&world.flow, &world.weights);
  return world;
}

static struct boltz_batch copy_of(struct boltz_arena *arena, const struct boltz_batch *x) {
  struct boltz_batch y = {0};
  CHECK_INT(boltz_batch_new(arena, x->n, x->dim, &y), BOLTZ_OK);
  boltz_batch_copy(&y, 0, x, 0, x->n);
  return y;
}

static enum boltz_direction back(enum boltz_direction direction) {
  return direction == BOLTZ_TO_X ? BOLTZ_TO_Z : BOLTZ_TO_X;
}

/* A law of one example in one direction. */
static void for_every_example(void (*law)(struct world *world, enum boltz_direction direction)) {
  for (size_t e = 0; e < EXAMPLES; e++)
    for (int d = BOLTZ_TO_X; d <= BOLTZ_TO_Z; d++) {
      struct world world = new_world(&examples[e]);
      const int before = check_bad;
      new_batch(&world, (enum boltz_direction)d);
      law(&world, (enum boltz_direction)d);
      if (check_bad > before)
        printf("    (example %zu: %s %s)\n", e, examples[e].kind,
               d == BOLTZ_TO_X ? "to x" : "to z");
      boltz_arena_close(world.arena);
    }
}

static void every_kind_of_the_list_has_an_example_here(void) {
  const struct boltz_layer_kind *kind;
  for (int k = 0; (kind = boltz_layer_kind_at(k)) != NULL; k++) {
    bool found = false;
    for (size_t e = 0; e < EXAMPLES; e++) found |= strcmp(examples[e].kind, kind->name) == 0;
    CHECK_MSG(found, "%s", kind->name);
    CHECK(boltz_layer_kind_find(kind->name) == kind);
    CHECK(kind->doc && kind->source && (kind->expand || (kind->apply && kind->backward)));
  }
  CHECK(boltz_layer_kind_find("glow") == NULL);
}

static void inverse(struct world *world, enum boltz_direction direction) {
  struct boltz_batch y = copy_of(world->arena, &world->x);
  double there[N], home[N];
  boltz_flow_transform(&world->flow, &world->weights, direction, &y, there, world->arena);
  boltz_flow_transform(&world->flow, &world->weights, back(direction), &y, home, world->arena);
  for (size_t i = 0; i < N; i++) {
    /* roundings of 1e-16 times scales below e^2; near an interval's end z is 3 times worse */
    for (int j = 0; j < DIM; j++) CHECK_NEAR(y.col[j][i], world->x.col[j][i], 1e-13);
    CHECK_NEAR(there[i], -home[i], 1e-13);
  }
}

static void every_inverse_inverts(void) {
  for_every_example(inverse);
}

/* log|det| of a matrix by Gaussian elimination with row pivots. */
static double log_abs_det(double m[DIM][DIM]) {
  double sum = 0;
  for (int c = 0; c < DIM; c++) {
    int pivot = c;
    for (int r = c + 1; r < DIM; r++)
      if (fabs(m[r][c]) > fabs(m[pivot][c])) pivot = r;
    for (int k = 0; k < DIM; k++) {
      const double swap = m[c][k];
      m[c][k] = m[pivot][k];
      m[pivot][k] = swap;
    }
    sum += log(fabs(m[c][c]));
    for (int r = c + 1; r < DIM; r++) {
      const double factor = m[r][c] / m[c][c];
      for (int k = c; k < DIM; k++) m[r][k] -= factor * m[c][k];
    }
  }
  return sum;
}

static void log_det_matches(struct world *world, enum boltz_direction direction) {
  /* The entries that a float conditioner makes noisy lie off the triangle of a coupling, where they
     do not enter the determinant; of two couplings, as in realnvp, they do, hence a larger step. */
  const bool coupled = world->flow.nlayers > 1;
  const double h = coupled ? 3e-3 : 1e-5;
  double log_det[N], scratch[N], jacobian[N][DIM][DIM];
  for (int k = 0; k < DIM; k++) {
    struct boltz_batch above = copy_of(world->arena, &world->x);
    struct boltz_batch below = copy_of(world->arena, &world->x);
    for (size_t i = 0; i < N; i++) {
      above.col[k][i] += h;
      below.col[k][i] -= h;
    }
    boltz_flow_transform(&world->flow, &world->weights, direction, &above, scratch, world->arena);
    boltz_flow_transform(&world->flow, &world->weights, direction, &below, scratch, world->arena);
    for (size_t i = 0; i < N; i++)
      for (int j = 0; j < DIM; j++)
        jacobian[i][j][k] = (above.col[j][i] - below.col[j][i]) / (2 * h);
  }
  boltz_flow_transform(&world->flow, &world->weights, direction, &world->x, log_det, world->arena);
  /* h^2 times third derivatives: up to 1e4 near an interval's end; noise 1e-7/h when coupled */
  for (size_t i = 0; i < N; i++)
    CHECK_NEAR(log_det[i], log_abs_det(jacobian[i]), coupled ? 2e-4 : 1e-6);
}

static void every_log_det_matches_the_numeric_jacobian(void) {
  for_every_example(log_det_matches);
}

/* J = sum over rows of c.out + |out|^2/8 + d log_det, and where asked its gradients. */
static double loss(const struct world *world, enum boltz_direction direction,
                   const struct boltz_batch *x, struct boltz_batch *g, float *gw) {
  struct boltz_batch y = copy_of(world->arena, x);
  double log_det[N], glog_det[N], sum = 0;
  struct boltz_tape *tape =
      boltz_flow_record(&world->flow, &world->weights, direction, &y, log_det, world->arena);
  CHECK(tape != NULL);
  for (size_t i = 0; i < N; i++) {
    glog_det[i] = 2 * uniform(5000 + i) - 1;
    sum += glog_det[i] * log_det[i];
    for (int j = 0; j < DIM; j++) {
      const double c = 2 * uniform(6000 + i * DIM + (size_t)j) - 1, out = y.col[j][i];
      sum += c * out + out * out / 8;
      if (g) g->col[j][i] = c + out / 4;
    }
  }
  if (!g) return sum;
  boltz_flow_backward(&world->flow, &world->weights, tape, &y, g, glog_det, gw, world->arena);
  for (size_t i = 0; i < N; i++)
    for (int j = 0; j < DIM; j++) CHECK_NEAR(y.col[j][i], x->col[j][i], 1e-13);
  return sum;
}

/* Four-point differences: error h^4 J'''''/30; the noise of float conditioners 1e-6/h. */
static double difference(const double v[4], double h) {
  return (8 * (v[2] - v[1]) - (v[3] - v[0])) / (12 * h);
}

static const double steps[4] = {-2, -1, 1, 2};

static void input_gradients_match(struct world *world, enum boltz_direction direction) {
  const bool networks = world->flow.npacked > 0;
  const double h = networks ? 1e-2 : 1e-4;
  struct boltz_batch g = copy_of(world->arena, &world->x);
  float *gw = BOLTZ_NEW_ARRAY(world->arena, world->flow.nw + 1, float);
  loss(world, direction, &world->x, &g, gw);
  for (size_t i = 0; i < N; i++)
    for (int j = 0; j < DIM; j++) {
      const double at = world->x.col[j][i];
      double v[4];
      for (int k = 0; k < 4; k++) {
        world->x.col[j][i] = at + steps[k] * h;
        v[k] = loss(world, direction, &world->x, NULL, NULL);
      }
      world->x.col[j][i] = at;
      /* noise 1e-6/1e-2; without networks 1e-14/1e-4 and h^4, times up to 1e4 near an end */
      CHECK_NEAR(g.col[j][i], difference(v, h), networks ? 1e-4 : 1e-7 * (1 + fabs(g.col[j][i])));
    }
}

static void every_input_gradient_matches_differences(void) {
  for_every_example(input_gradients_match);
}

static void weight_gradients_match(struct world *world, enum boltz_direction direction) {
  struct boltz_batch g = copy_of(world->arena, &world->x);
  float *gw = BOLTZ_NEW_ARRAY(world->arena, world->flow.nw + 1, float);
  const float once = 0.25f; /* what is there already must stay */
  for (size_t k = 0; k < world->flow.nw; k++) gw[k] = once;
  loss(world, direction, &world->x, &g, gw);
  for (size_t k = 0; k < world->flow.nw; k++) {
    if (world->example->still) CHECK(gw[k] == once);
    if (world->example->still) continue;
    const float at = world->weights.flat[k];
    const double h = 0.0078125; /* a power of 2: at + h is exact but for its last bits */
    double v[4];
    for (int s = 0; s < 4; s++) {
      world->weights.flat[k] = (float)(at + steps[s] * h);
      boltz_flow_pack(&world->flow, &world->weights);
      v[s] = loss(world, direction, &world->x, NULL, NULL);
    }
    world->weights.flat[k] = at;
    /* noise of 7 rows, 2e-6/h; float sums, 1e-7 of the terms */
    CHECK_NEAR(gw[k] - once, difference(v, h), 3e-4 * (1 + fabs(gw[k])));
  }
}

static void every_weight_gradient_matches_differences(void) {
  for_every_example(weight_gradients_match);
}

static void cutting_changes_nothing(struct world *world, enum boltz_direction direction) {
  struct boltz_batch whole = copy_of(world->arena, &world->x),
                     parts = copy_of(world->arena, &world->x);
  double log_det[N], piece[N];
  boltz_flow_transform(&world->flow, &world->weights, direction, &whole, log_det, world->arena);
  for (size_t first = 0, n; first < N; first += n) {
    struct boltz_batch view;
    n = first == 0 ? 1 : first == 1 ? 4 : N - first;
    CHECK_INT(boltz_batch_view(world->arena, &parts, first, n, &view), BOLTZ_OK);
    boltz_flow_transform(&world->flow, &world->weights, direction, &view, piece + first,
                         world->arena);
  }
  CHECK(memcmp(log_det, piece, sizeof piece) == 0);
  for (int j = 0; j < DIM; j++) CHECK(memcmp(whole.col[j], parts.col[j], N * sizeof(double)) == 0);
}

static void a_batch_cut_in_pieces_gives_the_same_bits(void) {
  for_every_example(cutting_changes_nothing);
}

static void a_tape_changes_no_bit(struct world *world, enum boltz_direction direction) {
  struct boltz_batch x = copy_of(world->arena, &world->x), y = copy_of(world->arena, &world->x);
  double a[N], b[N];
  boltz_flow_transform(&world->flow, &world->weights, direction, &x, a, world->arena);
  CHECK(boltz_flow_record(&world->flow, &world->weights, direction, &y, b, world->arena) != NULL);
  CHECK(memcmp(a, b, sizeof a) == 0);
  for (int j = 0; j < DIM; j++) CHECK(memcmp(x.col[j], y.col[j], N * sizeof(double)) == 0);
}

static void recording_a_tape_changes_no_bit(void) {
  for_every_example(a_tape_changes_no_bit);
}

/* Golden numbers. */
static void refuse(const char *layer, int dim, const char *pointer) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_flow flow;
  char text[512];
  snprintf(text, sizeof text, "{\"layers\":[%s]}", layer);
  CHECK_MSG(new_flow(arena, text, dim, &flow) == BOLTZ_OUT_OF_RANGE, "%s", layer);
  CHECK_TEXT(boltz_error_pointer(), pointer);
  boltz_arena_close(arena);
}

/* A checkpoint and a job say what a layer is by what is printed. */
static void every_spec_prints_and_reads_back(void) {
  for (size_t e = 0; e < EXAMPLES; e++) {
    struct world world = new_world(&examples[e]);
    struct boltz_text text = {0}, again = {0};
    struct boltz_json *root;
    struct boltz_flow_spec spec;
    boltz_flow_spec_print(&world.flow.spec, world.arena, &text);
    CHECK_INT(boltz_json_parse(text.data, text.size, 8, world.arena, &root), BOLTZ_OK);
    CHECK_MSG(boltz_flow_spec_parse(root, DIM, world.arena, &spec) == BOLTZ_OK, "%s: %s", text.data,
              boltz_error());
    boltz_flow_spec_print(&spec, world.arena, &again);
    CHECK(strcmp(text.data, again.data) == 0);
    boltz_text_free(&text);
    boltz_text_free(&again);
    boltz_arena_close(world.arena);
  }
}

static void settings_that_make_no_layer_are_refused_at_their_place(void) {
#define COUPLING(lists) "{\"type\":\"affine_coupling\",\"hidden\":[4]," lists "}"
  refuse(COUPLING("\"fixed\":[0],\"moved\":[0]"), 2, "/layers/0/moved/0");
  refuse(COUPLING("\"fixed\":[0,0],\"moved\":[1]"), 2, "/layers/0/fixed/1");
  refuse(COUPLING("\"fixed\":[0],\"moved\":[2]"), 2, "/layers/0/moved/0");
  refuse(COUPLING("\"fixed\":[],\"moved\":[1]"), 2, "/layers/0/fixed");
  refuse(COUPLING("\"fixed\":[0],\"moved\":[0]"), 1, "/layers/0");
  refuse("{\"type\":\"affine_coupling\",\"fixed\":[0],\"moved\":[1],\"hidden\":[]}", 2,
         "/layers/0/hidden");
#define CURVES(more) "{\"type\":\"spline_coupling\",\"hidden\":[4]," more "}"
  refuse(CURVES("\"fixed\":[0],\"moved\":[0]"), 2, "/layers/0/moved/0");
  refuse(CURVES("\"fixed\":[2],\"moved\":[0]"), 2, "/layers/0/fixed/0");
  refuse(CURVES("\"fixed\":[0],\"moved\":[1],\"bins\":1"), 2, "/layers/0/bins");
  refuse(CURVES("\"fixed\":[0],\"moved\":[1],\"bins\":65"), 2, "/layers/0/bins");
  refuse(CURVES("\"fixed\":[0],\"moved\":[1],\"bound\":0"), 2, "/layers/0/bound");
  refuse(CURVES("\"fixed\":[0],\"moved\":[1],\"lattice\":[3]"), 4, "/layers/0/lattice");
  refuse(CURVES("\"fixed\":[0],\"moved\":[1],\"lattice\":[2,4]"), 4, "/layers/0/lattice");
  refuse(CURVES("\"fixed\":[0],\"moved\":[1],\"lattice\":[0]"), 4, "/layers/0/lattice/0");
  refuse(CURVES("\"fixed\":[0],\"moved\":[1,2,3],\"lattice\":[2]"), 4, "/layers/0/moved");
  refuse(CURVES("\"fixed\":[0],\"moved\":[2],\"lattice\":[4],\"reach\":1"), 4, "/layers/0/lattice");
  refuse(CURVES("\"fixed\":[0],\"moved\":[2],\"lattice\":[4],\"reach\":-1"), 4, "/layers/0/reach");
  refuse("{\"type\":\"circular_shift\",\"coordinates\":[]}", 2, "/layers/0/coordinates");
  refuse("{\"type\":\"realnvp\"}", 1, "/layers/0");
  refuse("{\"type\":\"realnvp\",\"hidden\":[]}", 2, "/layers/0/hidden");
  refuse("{\"type\":\"interval\",\"coordinates\":[0],\"low\":[0,1],\"high\":[1]}", 2,
         "/layers/0/low");
  refuse("{\"type\":\"interval\",\"coordinates\":[0],\"low\":[1],\"high\":[1]}", 2,
         "/layers/0/high/0");
  refuse("{\"type\":\"interval\",\"coordinates\":[1,1],\"low\":[0,0],\"high\":[1,1]}", 2,
         "/layers/0/coordinates/1");
  refuse("{\"type\":\"polar\"}", 3, "/layers/0/coordinates");
  refuse("{\"type\":\"polar\"}", 2, "/layers/0");
  refuse("{\"type\":\"polar\",\"coordinates\":[0,1,2,1]}", 4, "/layers/0/coordinates/3");
  refuse("{\"type\":\"permute\",\"order\":[0]}", 2, "/layers/0/order");
  refuse("{\"type\":\"permute\",\"order\":[0,0]}", 2, "/layers/0/order/1");
  refuse("{\"type\":\"permute\",\"order\":[0,2]}", 2, "/layers/0/order/1");
}

/* A flow of one layer at one point with weights w; returns log_det. */
static double at_point(const char *layer, int dim, const float *w, enum boltz_direction direction,
                       double *point) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_flow flow;
  struct boltz_weights weights;
  struct boltz_batch x;
  char text[256];
  double log_det = NAN;
  snprintf(text, sizeof text, "{\"layers\":[%s]}", layer);
  CHECK_INT(new_flow(arena, text, dim, &flow), BOLTZ_OK);
  CHECK_INT(boltz_weights_new(&flow, arena, &weights), BOLTZ_OK);
  CHECK_INT(boltz_weights_turn(&flow, arena, &weights), BOLTZ_OK);
  if (w) memcpy(weights.flat, w, flow.nw * sizeof *w);
  boltz_flow_pack(&flow, &weights);
  CHECK_INT(boltz_batch_new(arena, 1, dim, &x), BOLTZ_OK);
  boltz_batch_from_rows(&x, point);
  boltz_flow_transform(&flow, &weights, direction, &x, &log_det, arena);
  boltz_batch_to_rows(&x, point);
  boltz_arena_close(arena);
  return log_det;
}

static void the_coupling_gives_its_golden_numbers(void) {
  /* scale: 1 -> 1 -> 1 with last bias 0.5; shift: last bias -1 */
  const float w[8] = {0, 0, 0, 0.5f, 0, 0, 0, -1};
  double x[2] = {7, 2};
  const double log_det =
      at_point("{\"type\":\"affine_coupling\",\"fixed\":[0],\"moved\":[1],\"hidden\":[1]}", 2, w,
               BOLTZ_TO_X, x);
  CHECK_NEAR(log_det, 0.46211715726000976, 1e-15); /* tanh 0.5 */
  CHECK(x[0] == 7);
  CHECK_NEAR(x[1], 2 * 1.587431271429835 - 1, 1e-14);
}

static void actnorm_and_permute_give_their_golden_numbers(void) {
  const float w[2] = {0.5f, -1};
  double x[3] = {2, 0, 0};
  CHECK_NEAR(at_point("{\"type\":\"actnorm\"}", 1, w, BOLTZ_TO_X, x), 0.5, 0);
  CHECK_NEAR(x[0], 2.2974425414002564, 1e-15);
  double y[3] = {1, 2, 3};
  CHECK_NEAR(at_point("{\"type\":\"permute\",\"order\":[2,0,1]}", 3, NULL, BOLTZ_TO_X, y), 0, 0);
  CHECK(y[0] == 3 && y[1] == 1 && y[2] == 2);
}

#define INTERVAL(low, high) \
  "{\"type\":\"interval\",\"coordinates\":[0],\"low\":[" low "],\"high\":[" high "]}"

static void interval_gives_its_golden_numbers_and_stays_inside(void) {
  double x[1] = {1};
  CHECK_NEAR(at_point(INTERVAL("0", "4"), 1, NULL, BOLTZ_TO_X, x), -0.032644172084782141, 1e-15);
  CHECK_NEAR(x[0], 3.3653789842741718, 1e-15 * 4);
  for (double z = -60; z <= 60; z += 0.37) {
    x[0] = z;
    at_point(INTERVAL("-1.3", "2.9"), 1, NULL, BOLTZ_TO_X, x);
    CHECK(x[0] >= -1.3 && x[0] <= 2.9);
  }
}

static void interval_keeps_points_near_both_ends(void) {
  for (int k = 0; k < 300; k++) {
    double low[1] = {pow(10, -k)}, high[1] = {1 - pow(10, -k * 0.05)};
    if (k == 0) low[0] = 0.5, high[0] = 0.5;
    const double a = low[0], b = high[0];
    at_point(INTERVAL("0", "1"), 1, NULL, BOLTZ_TO_Z, low);
    at_point(INTERVAL("0", "1"), 1, NULL, BOLTZ_TO_Z, high);
    at_point(INTERVAL("0", "1"), 1, NULL, BOLTZ_TO_X, low);
    at_point(INTERVAL("0", "1"), 1, NULL, BOLTZ_TO_X, high);
    /* a rounding of z is z^2 roundings of a tail: 1400 at 1e-300 */
    CHECK_MSG(fabs(low[0] / a - 1) < 1e-12, "%g", a);
    CHECK_NEAR(high[0], b, 1e-15);
  }
}

static void interval_takes_an_edge_one_ulp_inside_and_nothing_beyond(void) {
  double edge[1] = {4}, inside[1] = {nextafter(4, 0)}, outside[1] = {4.5};
  const double a = at_point(INTERVAL("0", "4"), 1, NULL, BOLTZ_TO_Z, edge);
  const double b = at_point(INTERVAL("0", "4"), 1, NULL, BOLTZ_TO_Z, inside);
  CHECK(edge[0] == inside[0] && a == b && isfinite(a));
  double zero[1] = {0};
  CHECK(isfinite(at_point(INTERVAL("0", "4"), 1, NULL, BOLTZ_TO_Z, zero)));
  CHECK(zero[0] < -30);
  CHECK(isnan(at_point(INTERVAL("0", "4"), 1, NULL, BOLTZ_TO_Z, outside)));
}

static void fitting_makes_latents_of_mean_0_and_variance_1(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_flow flow;
  struct boltz_weights weights;
  struct boltz_batch x;
  double log_det[500];
  CHECK_INT(
      new_flow(arena, "{\"layers\":[{\"type\":\"actnorm\"},{\"type\":\"realnvp\",\"blocks\":1}]}",
               2, &flow),
      BOLTZ_OK);
  CHECK_INT(boltz_weights_new(&flow, arena, &weights), BOLTZ_OK);
  CHECK_INT(boltz_weights_turn(&flow, arena, &weights), BOLTZ_OK);
  boltz_flow_init(&flow, 4, &weights);
  CHECK_INT(boltz_batch_new(arena, 500, 2, &x), BOLTZ_OK);
  for (size_t i = 0; i < x.n; i++) {
    x.col[0][i] = 5 + 3 * uniform(i);
    x.col[1][i] = -100 * uniform(i + 1000);
  }
  CHECK_INT(boltz_flow_fit(&flow, &x, &weights, arena), BOLTZ_OK);
  boltz_flow_transform(&flow, &weights, BOLTZ_TO_Z, &x, log_det, arena);
  for (int j = 0; j < 2; j++) {
    double mean = 0, square = 0;
    for (size_t i = 0; i < x.n; i++) {
      mean += x.col[j][i] / (double)x.n;
      square += x.col[j][i] * x.col[j][i] / (double)x.n;
    }
    CHECK_NEAR(mean, 0, 1e-6); /* the weights are floats */
    CHECK_NEAR(square, 1, 1e-6);
  }
  boltz_arena_close(arena);
}

int main(int argc, char **argv) {
  RUN(every_kind_of_the_list_has_an_example_here);
  RUN(every_inverse_inverts);
  RUN(every_log_det_matches_the_numeric_jacobian);
  RUN(every_input_gradient_matches_differences);
  RUN(every_weight_gradient_matches_differences);
  RUN(a_batch_cut_in_pieces_gives_the_same_bits);
  RUN(recording_a_tape_changes_no_bit);
  RUN(every_spec_prints_and_reads_back);
  RUN(settings_that_make_no_layer_are_refused_at_their_place);
  RUN(the_coupling_gives_its_golden_numbers);
  RUN(actnorm_and_permute_give_their_golden_numbers);
  RUN(interval_gives_its_golden_numbers_and_stays_inside);
  RUN(interval_keeps_points_near_both_ends);
  RUN(interval_takes_an_edge_one_ulp_inside_and_nothing_beyond);
  RUN(fitting_makes_latents_of_mean_0_and_variance_1);
  return check_report();
}
