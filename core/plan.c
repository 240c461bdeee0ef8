/* plan.c - what to train when nobody said. It sees domains, dimension, energy and temperature,
 * never the kind's name. */
#include "boltz/plan.h"

#include <math.h>
#include <stddef.h>

#define STAGE(member) offsetof(struct boltz_stage, member)

const struct boltz_field boltz_stage_fields[] = {
    {.name = "steps",
     .type = BOLTZ_FIELD_INT,
     .offset = STAGE(steps),
     .def = 2000,
     .low = 1,
     .high = 1e8,
     .doc = "optimizer steps"},
    {.name = "batch",
     .type = BOLTZ_FIELD_INT,
     .offset = STAGE(batch),
     .def = 1000,
     .low = 1,
     .high = 1e6,
     .unit = "samples",
     .doc = "data rows and latents of one step"},
    {.name = "learning_rate",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = STAGE(learning_rate),
     .def = 1e-3,
     .low = 0,
     .high = 1,
     .low_open = true,
     .doc = "highest learning rate of the stage"},
    {.name = "final_learning_rate",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = STAGE(final_learning_rate),
     .def = 1,
     .low = 0,
     .high = 1,
     .doc = "where the cosine from learning_rate ends, as a fraction of it; 1: constant"},
    {.name = "warm_up",
     .type = BOLTZ_FIELD_INT,
     .offset = STAGE(warm_up),
     .def = 0,
     .low = 0,
     .high = 1e8,
     .doc = "steps of linear growth of the learning rate at the start of the stage"},
    {.name = "ml",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = STAGE(ml),
     .def = 0,
     .low = 0,
     .high = 1e6,
     .doc = "weight of J_ML, the negative log likelihood of the data"},
    {.name = "kl",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = STAGE(kl),
     .def = 0,
     .low = 0,
     .high = 1e6,
     .doc = "weight of J_KL, the reverse Kullback-Leibler divergence up to a constant"},
    {.name = "clip_norm",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = STAGE(clip_norm),
     .def = 10,
     .low = 0,
     .high = 1e12,
     .doc = "a gradient longer than this is scaled down to it; 0: never"},
    BOLTZ_FIELDS_END};

/* ---- The flow ---- */

#define COUPLINGS 8

/* A network has 23 outputs for every coordinate that a spline moves. */
#define SPLINES_MOST 256

/* Which coordinates a coupling leaves alone: of two couplings the halves, of the next two every
   second one. */
static bool is_fixed(int dim, int coupling, int j) {
  const bool first = coupling % 4 < 2 ? j < (dim + 1) / 2 : j % 2 == 0;
  return first == (coupling % 2 == 0);
}

static void print_mask(struct boltz_text *text, int dim, int coupling, bool fixed) {
  bool any = false;
  boltz_text_printf(text, "\"%s\":[", fixed ? "fixed" : "moved");
  for (int j = 0; j < dim; j++) {
    if (is_fixed(dim, coupling, j) != fixed) continue;
    boltz_text_printf(text, any ? ",%d" : "%d", j);
    any = true;
  }
  boltz_text_puts(text, "]");
}

/* Of the periodic coordinates: their numbers, or one end of each. */
static void print_periodic(struct boltz_text *text, const struct boltz_energy *energy,
                           const char *member) {
  bool any = false;
  boltz_text_printf(text, "\"%s\":[", member);
  for (int j = 0; j < energy->dim; j++) {
    const struct boltz_domain *domain = &energy->domain[j];
    if (domain->type != BOLTZ_PERIODIC) continue;
    if (any) boltz_text_puts(text, ",");
    boltz_text_number(text, member[0] == 'c' ? j : member[0] == 'l' ? domain->low : domain->high);
    any = true;
  }
  boltz_text_puts(text, "]");
}

/* Splines bend where affine maps only stretch: of many coordinates they need fewer layers. */
static void print_splines(struct boltz_text *text, const struct boltz_energy *energy,
                          bool periodic) {
  if (periodic) {
    boltz_text_puts(text, "{\"base\":{\"type\":\"circular\",");
    print_periodic(text, energy, "coordinates");
    boltz_text_puts(text, ",");
    print_periodic(text, energy, "low");
    boltz_text_puts(text, ",");
    print_periodic(text, energy, "high");
    boltz_text_puts(text, "},\"layers\":[");
  } else {
    boltz_text_puts(text, "{\"base\":\"normal\",\"layers\":[");
  }
  for (int k = 0; k < COUPLINGS; k++) {
    boltz_text_puts(text, k ? ",{\"type\":\"spline_coupling\"," : "{\"type\":\"spline_coupling\",");
    print_mask(text, energy->dim, k, true);
    boltz_text_puts(text, ",");
    print_mask(text, energy->dim, k, false);
    boltz_text_puts(text, ",\"hidden\":[64,64]}");
    if (!periodic || k % 2 == 0) continue;
    boltz_text_puts(text, ",{\"type\":\"circular_shift\",");
    print_periodic(text, energy, "coordinates");
    boltz_text_puts(text, "}");
  }
  boltz_text_puts(text, periodic ? "]}" : ",{\"type\":\"actnorm\"}]}");
}

/* In the plane a coupling sees one coordinate: affine ones are served from tables. */
static const char affine[] =
    "{\"base\":\"normal\",\"layers\":["
    "{\"type\":\"realnvp\",\"blocks\":4,\"hidden\":[64,64],\"scale_cap\":2},"
    "{\"type\":\"actnorm\"}]}";

enum boltz_status boltz_plan_flow(const struct boltz_energy *energy, struct boltz_arena *arena,
                                  struct boltz_flow_spec *spec) {
  struct boltz_text text = {0};
  struct boltz_json *object;
  bool periodic = false;
  for (int j = 0; j < energy->dim; j++) periodic |= energy->domain[j].type == BOLTZ_PERIODIC;
  if (!periodic && (energy->dim <= 2 || energy->dim > SPLINES_MOST))
    boltz_text_puts(&text, affine);
  else
    print_splines(&text, energy, periodic);
  enum boltz_status status = text.failed ? BOLTZ_NO_MEMORY : BOLTZ_OK;
  if (status == BOLTZ_OK) status = boltz_json_parse(text.data, text.size, 8, arena, &object);
  boltz_text_free(&text);
  BOLTZ_TRY(status);
  BOLTZ_TRY(boltz_flow_spec_parse(object, energy->dim, arena, spec));
  return boltz_flow_spec_complete(spec, energy, arena);
}

/* ---- Data and stages ---- */

void boltz_plan_explore(const struct boltz_energy *energy, struct boltz_explore_options *options) {
  /* What few coordinates cost little: more data leave less of their noise in the flow. */
  const double steps = 320000.0 / energy->dim;
  *options = (struct boltz_explore_options){.walkers = 64,
                                            .rungs = 0,
                                            .hot = 32,
                                            .burn_in = 2000,
                                            .steps = steps > 80000   ? 80000
                                                     : steps < 20000 ? 20000
                                                                     : (uint64_t)steps / 20 * 20,
                                            .stride = 20};
}

void boltz_plan_stages(const struct boltz_energy *energy,
                       struct boltz_stage stages[BOLTZ_PLAN_STAGES]) {
  (void)energy;
  stages[0] = (struct boltz_stage){.steps = 4000,
                                   .batch = 1000,
                                   .learning_rate = 2e-3,
                                   .final_learning_rate = 0.003,
                                   .warm_up = 50,
                                   .ml = 1,
                                   .clip_norm = 10};
}

double boltz_plan_energy_high(const struct boltz_energy *energy, const struct boltz_batch *data,
                              struct boltz_arena *scratch) {
  enum { TILE = 256 };
  double u[TILE], high = -INFINITY;
  struct boltz_mark mark = boltz_arena_mark(scratch);
  for (size_t first = 0; first < data->n; first += TILE) {
    size_t n = data->n - first < TILE ? data->n - first : TILE;
    struct boltz_batch view;
    if (boltz_batch_view(scratch, data, first, n, &view) != BOLTZ_OK) break;
    boltz_energy_eval(energy, energy->temperature, &view, u, NULL, scratch);
    for (size_t i = 0; i < n; i++)
      if (isfinite(u[i]) && u[i] > high) high = u[i];
    boltz_arena_release(scratch, mark);
  }
  boltz_arena_release(scratch, mark);
  return isfinite(high) ? high + 20 : 1e4;
}
