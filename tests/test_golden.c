/* test_golden.c - flows, losses and gradients against PyTorch (tests/golden/make_gradients.py). */
#include "boltz/boltz.h"
#include "check.h"

/* The golden numbers are float64 throughout, ours have float32 conditioners: a conditioner's output
   is some 1e-7 off, relative to its terms; coordinates follow linearly, energies of a quartic at a
   few kT with a slope of ten or so, and sums of 16 rows cancel in part: some 1e-6 in all. */
#define COORDINATE_TOLERANCE 1e-5
#define LOG_Q_TOLERANCE 1e-5
#define LOSS_TOLERANCE 1e-5
#define GRADIENT_TOLERANCE 1e-5 /* of the tensor's norm */

/* Bytes of a file, in the arena. */
static const void *slurp(struct boltz_arena *arena, const char *path, size_t *size) {
  FILE *in = fopen(path, "rb");
  CHECK_MSG(in != NULL, "%s cannot be opened (run from the root of the tree)", path);
  *size = 0;
  if (!in) return "";
  const size_t room = 1 << 20;
  char *bytes = boltz_arena_alloc(arena, 1, room);
  *size = fread(bytes, 1, room, in);
  CHECK(*size < room);
  fclose(in);
  return bytes;
}

struct golden {
  struct boltz_arena *arena;
  struct boltz_checkpoint checkpoint;
  struct boltz_safetensors expected;
};

static bool open_golden(struct golden *golden, const char *name) {
  char path[128];
  size_t size;
  golden->arena = boltz_arena_open(0);
  snprintf(path, sizeof path, "tests/golden/golden_%s.safetensors", name);
  const void *bytes = slurp(golden->arena, path, &size);
  const bool flow =
      boltz_checkpoint_read(bytes, size, golden->arena, &golden->checkpoint) == BOLTZ_OK &&
      boltz_weights_turn(&golden->checkpoint.flow, golden->arena, &golden->checkpoint.weights) ==
          BOLTZ_OK;
  CHECK_MSG(flow, "%s: %s", path, boltz_error());
  snprintf(path, sizeof path, "tests/golden/golden_%s_expected.safetensors", name);
  bytes = slurp(golden->arena, path, &size);
  const bool numbers =
      boltz_safetensors_read(bytes, size, golden->arena, &golden->expected) == BOLTZ_OK;
  CHECK_MSG(numbers, "%s: %s", path, boltz_error());
  return flow && numbers;
}

/* A float64 tensor of the expected file with that many elements, or NULL. */
static const double *expected(const struct golden *golden, const char *name, size_t elements) {
  const struct boltz_safetensor *t = boltz_safetensors_tensor(&golden->expected, name);
  const bool found = t && strcmp(t->dtype, "F64") == 0 && t->size == elements * sizeof(double);
  CHECK_MSG(found, "%s", name);
  return found ? t->data : NULL;
}

/* The batch that the file holds under `name`. */
static struct boltz_batch input(const struct golden *golden, const char *name) {
  struct boltz_batch x = {0};
  const struct boltz_safetensor *t = boltz_safetensors_tensor(&golden->expected, name);
  CHECK(t && t->rank == 2);
  if (!t || t->rank != 2) return x;
  CHECK_INT(boltz_batch_new(golden->arena, t->shape[0], (int)t->shape[1], &x), BOLTZ_OK);
  boltz_batch_from_rows(&x, t->data);
  return x;
}

static void compare(const struct golden *golden, const char *name, const double *found, size_t n,
                    double tolerance) {
  const double *want = expected(golden, name, n);
  for (size_t i = 0; want && i < n; i++)
    CHECK_MSG(fabs(found[i] - want[i]) <= tolerance * (1 + fabs(want[i])),
              "%s[%zu] = %.12g, PyTorch has %.12g", name, i, found[i], want[i]);
}

static void compare_batch(const struct golden *golden, const char *name,
                          const struct boltz_batch *x) {
  const size_t n = x->n * (size_t)x->dim;
  double *rows = BOLTZ_NEW_ARRAY(golden->arena, n, double);
  boltz_batch_to_rows(x, rows);
  compare(golden, name, rows, n, COORDINATE_TOLERANCE);
}

/* ‖gw − golden‖ against ‖golden‖, a tensor at a time. */
static void compare_gradients(const struct golden *golden, const char *prefix, const float *gw) {
  struct boltz_tensor tensor;
  for (int k = 0; boltz_flow_tensor(&golden->checkpoint.flow, k, &tensor); k++) {
    char name[96];
    size_t n = 1;
    for (int r = 0; r < tensor.rank; r++) n *= (size_t)tensor.shape[r];
    snprintf(name, sizeof name, "%s/%s", prefix, tensor.name);
    const double *want = expected(golden, name, n);
    double distance = 0, norm = 0;
    for (size_t i = 0; want && i < n; i++) {
      distance += pow(gw[tensor.offset + i] - want[i], 2);
      norm += want[i] * want[i];
    }
    CHECK_MSG(sqrt(distance) <= GRADIENT_TOLERANCE * sqrt(norm),
              "%s is %.3g off, of a norm of %.3g", name, sqrt(distance), sqrt(norm));
  }
}

/* J_KL over the golden latents: mean of u(x) − log|det dx/dz|. */
static void check_kl(struct golden *golden) {
  const struct boltz_checkpoint *c = &golden->checkpoint;
  struct boltz_arena *arena = golden->arena;
  struct boltz_batch x = input(golden, "z"), z = input(golden, "z"), g;
  const size_t n = x.n;
  double *log_det = BOLTZ_NEW_ARRAY(arena, n, double), *u = BOLTZ_NEW_ARRAY(arena, n, double);
  double *log_q = BOLTZ_NEW_ARRAY(arena, n, double), *glog = BOLTZ_NEW_ARRAY(arena, n, double);
  float *gw = BOLTZ_NEW_ARRAY(arena, c->flow.nw, float);
  CHECK_INT(boltz_batch_new(arena, n, x.dim, &g), BOLTZ_OK);

  struct boltz_tape *tape =
      boltz_flow_record(&c->flow, &c->weights, BOLTZ_TO_X, &x, log_det, arena);
  CHECK(tape != NULL);
  if (!tape) return;
  compare_batch(golden, "x_of_z", &x);
  boltz_base_log_density(&c->flow.base, c->weights.flat, &z, log_q, NULL, arena);
  boltz_energy_eval(&c->energy, c->energy.temperature, &x, u, &g, arena);
  double loss = 0;
  for (size_t i = 0; i < n; i++) {
    log_q[i] -= log_det[i];
    loss += (u[i] - log_det[i]) / (double)n;
    glog[i] = -1 / (double)n;
    for (int j = 0; j < g.dim; j++) g.col[j][i] /= (double)n;
  }
  compare(golden, "log_q_of_z", log_q, n, LOG_Q_TOLERANCE);
  compare(golden, "u_of_z", u, n, LOSS_TOLERANCE);
  compare(golden, "j_kl", &loss, 1, LOSS_TOLERANCE);
  boltz_flow_backward(&c->flow, &c->weights, tape, &x, &g, glog, gw, arena);
  compare_gradients(golden, "kl", gw);
  compare_batch(golden, "z", &x); /* backward leaves the inputs */
}

/* J_ML over the golden data: −mean of log p0(z) + log|det dz/dx|. */
static void check_ml(struct golden *golden) {
  const struct boltz_checkpoint *c = &golden->checkpoint;
  struct boltz_arena *arena = golden->arena;
  struct boltz_batch x = input(golden, "x"), g;
  const size_t n = x.n;
  double *log_det = BOLTZ_NEW_ARRAY(arena, n, double);
  double *log_q = BOLTZ_NEW_ARRAY(arena, n, double), *glog = BOLTZ_NEW_ARRAY(arena, n, double);
  float *gw = BOLTZ_NEW_ARRAY(arena, c->flow.nw, float);
  CHECK_INT(boltz_batch_new(arena, n, x.dim, &g), BOLTZ_OK);

  struct boltz_tape *tape =
      boltz_flow_record(&c->flow, &c->weights, BOLTZ_TO_Z, &x, log_det, arena);
  CHECK(tape != NULL);
  if (!tape) return;
  compare_batch(golden, "z_of_x", &x);
  boltz_base_log_density(&c->flow.base, c->weights.flat, &x, log_q, &g, arena);
  double loss = 0;
  for (size_t i = 0; i < n; i++) {
    log_q[i] += log_det[i];
    loss -= log_q[i] / (double)n;
    glog[i] = -1 / (double)n;
    for (int j = 0; j < g.dim; j++) g.col[j][i] /= -(double)n;
  }
  compare(golden, "log_q_of_x", log_q, n, LOG_Q_TOLERANCE);
  compare(golden, "j_ml", &loss, 1, LOSS_TOLERANCE);
  boltz_flow_backward(&c->flow, &c->weights, tape, &x, &g, glog, gw, arena);
  compare_gradients(golden, "ml", gw);
  compare_batch(golden, "x", &x);
}

static void run(const char *name, void (*check)(struct golden *golden)) {
  struct golden golden;
  if (open_golden(&golden, name)) check(&golden);
  boltz_arena_close(golden.arena);
}

static void the_pair_flow_and_its_kl_gradient_are_those_of_pytorch(void) {
  run("pair", check_kl);
}

static void the_pair_flow_and_its_ml_gradient_are_those_of_pytorch(void) {
  run("pair", check_ml);
}

static void the_well_flow_and_its_kl_gradient_are_those_of_pytorch(void) {
  run("well", check_kl);
}

static void the_well_flow_and_its_ml_gradient_are_those_of_pytorch(void) {
  run("well", check_ml);
}

int main(int argc, char **argv) {
  RUN(the_pair_flow_and_its_kl_gradient_are_those_of_pytorch);
  RUN(the_pair_flow_and_its_ml_gradient_are_those_of_pytorch);
  RUN(the_well_flow_and_its_kl_gradient_are_those_of_pytorch);
  RUN(the_well_flow_and_its_ml_gradient_are_those_of_pytorch);
  return check_report();
}
