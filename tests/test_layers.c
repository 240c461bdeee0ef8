/* test_layers.c - the laws of every layer in the list. */
#include "flow_world.h"

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
    {"relative", "\"coordinates\":[3,1,2],\"to\":[0,3,3]", -3, 3},
    {"relative", "\"coordinates\":[3,0,1],\"to\":[2,3,3]", -2.9, 2.9,
     "{\"type\":\"circular\",\"coordinates\":[0,1,2,3],\"low\":[-3,-3,-3,-3],"
     "\"high\":[3.5,3.5,3.5,3.5]}"},
    {"exchange", "\"particles\":[2,0],\"width\":2", -3, 3, .still = true, .settles = true},
    {"exchange", "\"particles\":[3,0,2]", -3, 3, CIRCLE, .still = true, .settles = true},
};
#define EXAMPLES (sizeof examples / sizeof examples[0])

struct trial {
  struct boltz_arena *arena;
  const struct example *example;
  struct boltz_flow flow;
  struct boltz_weights weights;
  struct boltz_batch x;
};

static double uniform(uint64_t index) {
  return uniform_at(23, index);
}

static void new_batch(struct trial *trial, enum boltz_direction direction) {
  const struct example *example = trial->example;
  const bool given = example->from < example->to;
  const double low = direction == BOLTZ_TO_Z ? example->low : given ? example->from : -2;
  const double high = direction == BOLTZ_TO_Z ? example->high : given ? example->to : 2;
  CHECK_INT(boltz_batch_new(trial->arena, N, DIM, &trial->x), BOLTZ_OK);
  for (int j = 0; j < DIM; j++)
    for (size_t i = 0; i < N; i++)
      trial->x.col[j][i] = low + (high - low) * uniform(i * DIM + (size_t)j);
  double log_det[N];
  if (example->settles)
    boltz_flow_transform(&trial->flow, &trial->weights, BOLTZ_TO_Z, &trial->x, log_det,
                         trial->arena);
}

/* The example as a flow of one layer, with weights far from the identity. */
static struct trial new_trial(const struct example *example) {
  struct trial trial = {.arena = boltz_arena_open(0), .example = example};
  char text[512];
  snprintf(text, sizeof text, "{\"base\":%s,\"layers\":[{\"type\":\"%s\"%s%s}]}",
           example->base ? example->base : "\"normal\"", example->kind,
           example->settings ? "," : "", example->settings ? example->settings : "");
  const enum boltz_status status = new_flow(trial.arena, text, DIM, &trial.flow);
  CHECK_MSG(status == BOLTZ_OK, "%s: %s", text, boltz_error());
  CHECK_INT(boltz_weights_new(&trial.flow, trial.arena, &trial.weights), BOLTZ_OK);
  CHECK_INT(boltz_weights_turn(&trial.flow, trial.arena, &trial.weights), BOLTZ_OK);
  for (size_t k = 0; k < trial.flow.nw; k++)
    trial.weights.flat[k] = (float)(uniform(1000 + k) - 0.5);
  boltz_flow_pack(&trial.flow, &trial.weights);
  return trial;
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
static void for_every_example(void (*law)(struct trial *trial, enum boltz_direction direction)) {
  for (size_t e = 0; e < EXAMPLES; e++)
    for (int d = BOLTZ_TO_X; d <= BOLTZ_TO_Z; d++) {
      struct trial trial = new_trial(&examples[e]);
      const int before = check_bad;
      new_batch(&trial, (enum boltz_direction)d);
      law(&trial, (enum boltz_direction)d);
      if (check_bad > before)
        printf("    (example %zu: %s %s)\n", e, examples[e].kind,
               d == BOLTZ_TO_X ? "to x" : "to z");
      boltz_arena_close(trial.arena);
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

static void inverse(struct trial *trial, enum boltz_direction direction) {
  struct boltz_batch y = copy_of(trial->arena, &trial->x);
  double there[N], home[N];
  boltz_flow_transform(&trial->flow, &trial->weights, direction, &y, there, trial->arena);
  boltz_flow_transform(&trial->flow, &trial->weights, back(direction), &y, home, trial->arena);
  for (size_t i = 0; i < N; i++) {
    /* roundings of 1e-16 times scales below e^2; near an interval's end z is 3 times worse */
    for (int j = 0; j < DIM; j++) CHECK_NEAR(y.col[j][i], trial->x.col[j][i], 1e-13);
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

static void log_det_matches(struct trial *trial, enum boltz_direction direction) {
  /* The entries that a float conditioner makes noisy lie off the triangle of a coupling, where they
     do not enter the determinant; of two couplings, as in realnvp, they do, hence a larger step. */
  const bool coupled = trial->flow.nlayers > 1;
  const double h = coupled ? 3e-3 : 1e-5;
  double log_det[N], scratch[N], jacobian[N][DIM][DIM];
  for (int k = 0; k < DIM; k++) {
    struct boltz_batch above = copy_of(trial->arena, &trial->x);
    struct boltz_batch below = copy_of(trial->arena, &trial->x);
    for (size_t i = 0; i < N; i++) {
      above.col[k][i] += h;
      below.col[k][i] -= h;
    }
    boltz_flow_transform(&trial->flow, &trial->weights, direction, &above, scratch, trial->arena);
    boltz_flow_transform(&trial->flow, &trial->weights, direction, &below, scratch, trial->arena);
    for (size_t i = 0; i < N; i++)
      for (int j = 0; j < DIM; j++)
        jacobian[i][j][k] = (above.col[j][i] - below.col[j][i]) / (2 * h);
  }
  boltz_flow_transform(&trial->flow, &trial->weights, direction, &trial->x, log_det, trial->arena);
  /* h^2 times third derivatives: up to 1e4 near an interval's end; noise 1e-7/h when coupled */
  for (size_t i = 0; i < N; i++)
    CHECK_NEAR(log_det[i], log_abs_det(jacobian[i]), coupled ? 2e-4 : 1e-6);
}

static void every_log_det_matches_the_numeric_jacobian(void) {
  for_every_example(log_det_matches);
}

/* J = sum over rows of c.out + |out|^2/8 + d log_det, and where asked its gradients. */
static double loss(const struct trial *trial, enum boltz_direction direction,
                   const struct boltz_batch *x, struct boltz_batch *g, float *gw) {
  struct boltz_batch y = copy_of(trial->arena, x);
  double log_det[N], glog_det[N], sum = 0;
  struct boltz_tape *tape =
      boltz_flow_record(&trial->flow, &trial->weights, direction, &y, log_det, trial->arena);
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
  boltz_flow_backward(&trial->flow, &trial->weights, tape, &y, g, glog_det, gw, trial->arena);
  for (size_t i = 0; i < N; i++)
    for (int j = 0; j < DIM; j++) CHECK_NEAR(y.col[j][i], x->col[j][i], 1e-13);
  return sum;
}

/* Four-point differences: error h^4 J'''''/30; the noise of float conditioners 1e-6/h. */
static double difference(const double v[4], double h) {
  return (8 * (v[2] - v[1]) - (v[3] - v[0])) / (12 * h);
}

static const double steps[4] = {-2, -1, 1, 2};

static void input_gradients_match(struct trial *trial, enum boltz_direction direction) {
  const bool networks = trial->flow.npacked > 0;
  const double h = networks ? 1e-2 : 1e-4;
  struct boltz_batch g = copy_of(trial->arena, &trial->x);
  float *gw = BOLTZ_NEW_ARRAY(trial->arena, trial->flow.nw + 1, float);
  loss(trial, direction, &trial->x, &g, gw);
  for (size_t i = 0; i < N; i++)
    for (int j = 0; j < DIM; j++) {
      const double at = trial->x.col[j][i];
      double v[4];
      for (int k = 0; k < 4; k++) {
        trial->x.col[j][i] = at + steps[k] * h;
        v[k] = loss(trial, direction, &trial->x, NULL, NULL);
      }
      trial->x.col[j][i] = at;
      /* noise 1e-6/1e-2; without networks 1e-14/1e-4 and h^4, times up to 1e4 near an end */
      CHECK_NEAR(g.col[j][i], difference(v, h), networks ? 1e-4 : 1e-7 * (1 + fabs(g.col[j][i])));
    }
}

static void every_input_gradient_matches_differences(void) {
  for_every_example(input_gradients_match);
}

static void weight_gradients_match(struct trial *trial, enum boltz_direction direction) {
  struct boltz_batch g = copy_of(trial->arena, &trial->x);
  float *gw = BOLTZ_NEW_ARRAY(trial->arena, trial->flow.nw + 1, float);
  const float once = 0.25f; /* what is there already must stay */
  for (size_t k = 0; k < trial->flow.nw; k++) gw[k] = once;
  loss(trial, direction, &trial->x, &g, gw);
  for (size_t k = 0; k < trial->flow.nw; k++) {
    if (trial->example->still) CHECK(gw[k] == once);
    if (trial->example->still) continue;
    const float at = trial->weights.flat[k];
    const double h = 0.0078125; /* a power of 2: at + h is exact but for its last bits */
    double v[4];
    for (int s = 0; s < 4; s++) {
      trial->weights.flat[k] = (float)(at + steps[s] * h);
      boltz_flow_pack(&trial->flow, &trial->weights);
      v[s] = loss(trial, direction, &trial->x, NULL, NULL);
    }
    trial->weights.flat[k] = at;
    /* noise of 7 rows, 2e-6/h; float sums, 1e-7 of the terms */
    CHECK_NEAR(gw[k] - once, difference(v, h), 3e-4 * (1 + fabs(gw[k])));
  }
}

static void every_weight_gradient_matches_differences(void) {
  for_every_example(weight_gradients_match);
}

static void cutting_changes_nothing(struct trial *trial, enum boltz_direction direction) {
  struct boltz_batch whole = copy_of(trial->arena, &trial->x),
                     parts = copy_of(trial->arena, &trial->x);
  double log_det[N], piece[N];
  boltz_flow_transform(&trial->flow, &trial->weights, direction, &whole, log_det, trial->arena);
  for (size_t first = 0, n; first < N; first += n) {
    struct boltz_batch view;
    n = first == 0 ? 1 : first == 1 ? 4 : N - first;
    CHECK_INT(boltz_batch_view(trial->arena, &parts, first, n, &view), BOLTZ_OK);
    boltz_flow_transform(&trial->flow, &trial->weights, direction, &view, piece + first,
                         trial->arena);
  }
  CHECK(memcmp(log_det, piece, sizeof piece) == 0);
  for (int j = 0; j < DIM; j++) CHECK(memcmp(whole.col[j], parts.col[j], N * sizeof(double)) == 0);
}

static void a_batch_cut_in_pieces_gives_the_same_bits(void) {
  for_every_example(cutting_changes_nothing);
}

static void a_tape_changes_no_bit(struct trial *trial, enum boltz_direction direction) {
  struct boltz_batch x = copy_of(trial->arena, &trial->x), y = copy_of(trial->arena, &trial->x);
  double a[N], b[N];
  boltz_flow_transform(&trial->flow, &trial->weights, direction, &x, a, trial->arena);
  CHECK(boltz_flow_record(&trial->flow, &trial->weights, direction, &y, b, trial->arena) != NULL);
  CHECK(memcmp(a, b, sizeof a) == 0);
  for (int j = 0; j < DIM; j++) CHECK(memcmp(x.col[j], y.col[j], N * sizeof(double)) == 0);
}

static void recording_a_tape_changes_no_bit(void) {
  for_every_example(a_tape_changes_no_bit);
}

/* A checkpoint and a job say what a layer is by what is printed. */
static void every_spec_prints_and_reads_back(void) {
  for (size_t e = 0; e < EXAMPLES; e++) {
    struct trial trial = new_trial(&examples[e]);
    struct boltz_text text = {0}, again = {0};
    struct boltz_json *root;
    struct boltz_flow_spec spec;
    boltz_flow_spec_print(&trial.flow.spec, trial.arena, &text);
    CHECK_INT(boltz_json_parse(text.data, text.size, 8, trial.arena, &root), BOLTZ_OK);
    CHECK_MSG(boltz_flow_spec_parse(root, DIM, trial.arena, &spec) == BOLTZ_OK, "%s: %s", text.data,
              boltz_error());
    boltz_flow_spec_print(&spec, trial.arena, &again);
    CHECK(strcmp(text.data, again.data) == 0);
    boltz_text_free(&text);
    boltz_text_free(&again);
    boltz_arena_close(trial.arena);
  }
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
  return check_report();
}
