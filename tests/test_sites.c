/* test_sites.c - couplings whose one network serves every site of a lattice do not know where on it
 * they are. */
#include "boltz/boltz.h"
#include "tests/check.h"

#define SIDE 4
#define SITES (SIDE * SIDE)
#define WIDTH 2
#define DIM (SITES * WIDTH)
#define N 5

/* Coordinates of every second site, or of the others. */
static void print_half(struct boltz_text *text, const char *name, int odd) {
  bool any = false;
  boltz_text_printf(text, "\"%s\":[", name);
  for (int j = 0; j < DIM; j++) {
    const int site = j / WIDTH;
    if ((site / SIDE + site % SIDE) % 2 != odd) continue;
    boltz_text_printf(text, any ? ",%d" : "%d", j);
    any = true;
  }
  boltz_text_puts(text, "],");
}

static void new_flow(struct boltz_arena *arena, struct boltz_flow *flow,
                     struct boltz_weights *weights) {
  struct boltz_text text = {0};
  struct boltz_json *root;
  struct boltz_flow_spec spec;
  boltz_text_puts(&text, "{\"layers\":[");
  for (int k = 0; k < 2; k++) {
    boltz_text_puts(&text,
                    k ? ",{\"type\":\"spline_coupling\"," : "{\"type\":\"spline_coupling\",");
    print_half(&text, "fixed", k);
    print_half(&text, "moved", 1 - k);
    boltz_text_puts(&text, "\"lattice\":[4,4],\"hidden\":[7]}");
  }
  boltz_text_puts(&text, "]}");
  CHECK_INT(boltz_json_parse(text.data, text.size, 8, arena, &root), BOLTZ_OK);
  CHECK_MSG(boltz_flow_spec_parse(root, DIM, arena, &spec) == BOLTZ_OK, "%s", boltz_error());
  CHECK_INT(boltz_flow_new(&spec, DIM, arena, flow), BOLTZ_OK);
  CHECK_INT(boltz_weights_new(flow, arena, weights), BOLTZ_OK);
  for (size_t i = 0; i < flow->nw; i++) weights->flat[i] = (float)(0.4 * sin(1.7 * (double)i));
  boltz_flow_pack(flow, weights);
  boltz_text_free(&text);
}

/* y = x moved by one site along both axes: every second site comes to every second site. */
static void shift(const struct boltz_batch *x, struct boltz_batch *y) {
  for (int j = 0; j < DIM; j++) {
    const int site = j / WIDTH, row = (site / SIDE + 1) % SIDE, column = (site % SIDE + 1) % SIDE;
    const int to = (row * SIDE + column) * WIDTH + j % WIDTH;
    memcpy(y->col[to], x->col[j], N * sizeof(double));
  }
}

static void a_shifted_configuration_goes_where_the_shifted_image_is(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_flow flow;
  struct boltz_weights weights;
  struct boltz_batch x, moved, image;
  double log_det[N], again[N];
  new_flow(arena, &flow, &weights);
  CHECK_INT(boltz_batch_new(arena, N, DIM, &x), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(arena, N, DIM, &moved), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(arena, N, DIM, &image), BOLTZ_OK);
  boltz_rng_normals(3, BOLTZ_STREAM_TEST, 0, &x);
  for (int d = BOLTZ_TO_X; d <= BOLTZ_TO_Z; d++) {
    shift(&x, &moved);
    boltz_flow_transform(&flow, &weights, (enum boltz_direction)d, &x, log_det, arena);
    boltz_flow_transform(&flow, &weights, (enum boltz_direction)d, &moved, again, arena);
    shift(&x, &image);
    for (size_t i = 0; i < N; i++) {
      CHECK(fabs(log_det[i]) > 1e-3);
      CHECK_NEAR(again[i], log_det[i], 1e-12);
      for (int j = 0; j < DIM; j++) CHECK_NEAR(moved.col[j][i], image.col[j][i], 1e-12);
    }
  }
  boltz_arena_close(arena);
}

/* The network of a site is a function of what is near it, whatever the size of the lattice. */
static void what_is_out_of_reach_moves_nothing(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_flow flow;
  struct boltz_weights weights;
  struct boltz_batch x, y;
  double log_det[N] = {0};
  new_flow(arena, &flow, &weights);
  CHECK_INT(boltz_batch_new(arena, N, DIM, &x), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(arena, N, DIM, &y), BOLTZ_OK);
  boltz_rng_normals(4, BOLTZ_STREAM_TEST, 0, &x);
  boltz_batch_copy(&y, 0, &x, 0, N);
  /* the first coupling moves odd sites; the site at (0, 1) does not see that at (2, 2) */
  for (size_t i = 0; i < N; i++) y.col[(2 * SIDE + 2) * WIDTH][i] += 0.7;
  flow.layers[0].kind->apply(&flow.layers[0], &weights, BOLTZ_TO_X, &x, log_det, NULL, arena);
  flow.layers[0].kind->apply(&flow.layers[0], &weights, BOLTZ_TO_X, &y, log_det, NULL, arena);
  for (size_t i = 0; i < N; i++)
    for (int k = 0; k < WIDTH; k++) {
      CHECK(x.col[1 * WIDTH + k][i] == y.col[1 * WIDTH + k][i]);
      CHECK(x.col[(2 * SIDE + 1) * WIDTH + k][i] != y.col[(2 * SIDE + 1) * WIDTH + k][i]);
    }
  boltz_arena_close(arena);
}

int main(int argc, char **argv) {
  RUN(a_shifted_configuration_goes_where_the_shifted_image_is);
  RUN(what_is_out_of_reach_moves_nothing);
  return check_report();
}
