/* draw.c - one tile of configurations, drawn or given, with energies and log weights. */
#include <math.h>

#include "server/api/api.h"

bool api_drawn_new(struct boltz_arena *scratch, size_t n, int dim, bool with_z,
                   struct api_drawn *drawn) {
  *drawn = (struct api_drawn){0};
  if (boltz_batch_new(scratch, n, dim, &drawn->x) != BOLTZ_OK) return false;
  if (with_z && boltz_batch_new(scratch, n, dim, &drawn->z) != BOLTZ_OK) return false;
  drawn->u = boltz_arena_scratch(scratch, n, sizeof(double));
  drawn->log_q = boltz_arena_scratch(scratch, n, sizeof(double));
  drawn->log_w = boltz_arena_scratch(scratch, n, sizeof(double));
  return drawn->u && drawn->log_q && drawn->log_w;
}

bool api_drawn_view(struct boltz_arena *scratch, const struct api_drawn *drawn, size_t first,
                    size_t n, struct api_drawn *view) {
  *view = (struct api_drawn){
      .u = drawn->u + first, .log_q = drawn->log_q + first, .log_w = drawn->log_w + first};
  return boltz_batch_view(scratch, &drawn->x, first, n, &view->x) == BOLTZ_OK &&
         (!drawn->z.col || boltz_batch_view(scratch, &drawn->z, first, n, &view->z) == BOLTZ_OK);
}

/*
 * log_w = -u - log_q. Outside the domain log_q and log_w are -infinity, as they should be; log_q is
 * +infinity where the flow itself gives a draw no weight. Otherwise an energy or a density that is
 * not finite is worth nothing: weight 0, counted.
 */
static size_t log_weights(const struct boltz_energy *energy, struct api_drawn *drawn) {
  size_t non_finite = 0;
  for (size_t i = 0; i < drawn->x.n; i++) {
    if (isfinite(drawn->u[i]) && isfinite(drawn->log_q[i])) {
      drawn->log_w[i] = -drawn->u[i] - drawn->log_q[i];
      continue;
    }
    drawn->log_w[i] = -INFINITY;
    if (!boltz_energy_inside(energy, &drawn->x, i))
      drawn->log_q[i] = -INFINITY;
    else
      non_finite += !(drawn->log_q[i] == INFINITY);
  }
  return non_finite;
}

void api_draw_latents(const struct version *version, uint64_t seed, uint64_t first,
                      struct api_drawn *drawn, struct boltz_arena *scratch) {
  const struct boltz_checkpoint *checkpoint = &version->checkpoint;
  boltz_base_sample(&checkpoint->flow.base, checkpoint->weights.flat, seed, BOLTZ_STREAM_SAMPLE,
                    first, &drawn->x, scratch);
  if (drawn->z.col) boltz_batch_copy(&drawn->z, 0, &drawn->x, 0, drawn->x.n);
}

void api_draw_push(const struct version *version, struct api_drawn *drawn,
                   struct boltz_arena *scratch) {
  const struct boltz_checkpoint *checkpoint = &version->checkpoint;
  boltz_flow_push(&checkpoint->flow, &checkpoint->weights, &drawn->x, drawn->log_q, scratch);
}

size_t api_draw_weigh(const struct boltz_energy *energy, double temperature,
                      struct api_drawn *drawn, struct boltz_arena *scratch) {
  boltz_energy_eval(energy, temperature, &drawn->x, drawn->u, NULL, scratch);
  return log_weights(energy, drawn);
}

size_t api_draw(const struct version *version, const struct boltz_energy *energy,
                double temperature, uint64_t seed, uint64_t first, struct api_drawn *drawn,
                struct boltz_arena *scratch) {
  api_draw_latents(version, seed, first, drawn, scratch);
  api_draw_push(version, drawn, scratch);
  return api_draw_weigh(energy, temperature, drawn, scratch);
}

/* A point that every domain has: its middle, or 0. */
static void put_inside(const struct boltz_energy *energy, struct boltz_batch *x, size_t i) {
  for (int j = 0; j < energy->dim; j++) {
    const struct boltz_domain *domain = &energy->domain[j];
    x->col[j][i] = domain->type == BOLTZ_REAL ? 0 : 0.5 * domain->low + 0.5 * domain->high;
  }
}

bool api_weigh(const struct version *version, const struct boltz_energy *energy, double temperature,
               struct api_drawn *drawn, size_t *non_finite, struct boltz_arena *scratch) {
  const struct boltz_checkpoint *checkpoint = &version->checkpoint;
  size_t n = drawn->x.n;
  struct boltz_batch y;
  if (boltz_batch_new(scratch, n, energy->dim, &y) != BOLTZ_OK) return false;
  boltz_energy_eval(energy, temperature, &drawn->x, drawn->u, NULL, scratch);
  boltz_batch_copy(&y, 0, &drawn->x, 0, n);
  for (size_t i = 0; i < n; i++)
    if (!boltz_energy_inside(energy, &drawn->x, i)) put_inside(energy, &y, i);
  boltz_energy_wrap(energy, &y);
  boltz_flow_log_density(&checkpoint->flow, &checkpoint->weights, &y, drawn->log_q, scratch);
  *non_finite = log_weights(energy, drawn);
  return true;
}

size_t api_first_outside(const struct boltz_energy *energy, const double *rows, size_t n) {
  double *columns[BOLTZ_DIM_MAX]; /* one row seen as a batch: each column has one number */
  struct boltz_batch row = {.n = 1, .dim = energy->dim, .col = columns};
  for (size_t i = 0; i < n; i++) {
    for (int j = 0; j < energy->dim; j++)
      columns[j] = (double *)rows + i * (size_t)energy->dim + (size_t)j;
    if (!boltz_energy_inside(energy, &row, 0)) return i;
  }
  return n;
}

size_t api_flow_tile(const struct version *version) {
  const struct boltz_checkpoint *checkpoint = &version->checkpoint;
  return boltz_flow_tile(&checkpoint->flow, checkpoint->weights.precision, API_TILE_FLOPS);
}

size_t api_energy_tile(int dim) {
  /* A pair energy costs about 3 dim^2 operations a row, gradient included. */
  double rows = API_ENERGY_FLOPS / (3.0 * dim * dim + 100.0 * dim);
  return rows < 1 ? 1 : rows > 512 ? 512 : (size_t)rows;
}
