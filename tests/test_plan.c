/* test_plan.c - what is trained when nobody said, for every kind of energy. */
#include "boltz/boltz.h"
#include "tests/check.h"
#include "tests/examples.h"

/* The planned flow ends where the energy lives, and moves and sees every coordinate. */
static void every_energy_has_a_flow_that_ends_on_its_domains(void) {
  const struct boltz_energy_kind *kind;
  for (int k = 0; (kind = boltz_energy_kind_at(k)); k++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    struct boltz_energy energy;
    struct boltz_flow_spec spec;
    struct boltz_flow flow;
    CHECK_INT(boltz_energy_new(kind, example_settings(arena, kind), 1, arena, &energy), BOLTZ_OK);
    CHECK_MSG(boltz_plan_flow(&energy, arena, &spec) == BOLTZ_OK, "%s: %s", kind->name,
              boltz_error());
    CHECK_MSG(boltz_flow_new(&spec, energy.dim, arena, &flow) == BOLTZ_OK, "%s: %s", kind->name,
              boltz_error());
    for (int j = 0; j < energy.dim; j++) {
      const struct boltz_domain *wanted = &energy.domain[j], *there = &flow.domain[j];
      CHECK_MSG(there->type == wanted->type, "%s, x%d", kind->name, j + 1);
      if (wanted->type == BOLTZ_REAL) continue;
      CHECK_MSG(there->low == wanted->low && there->high == wanted->high, "%s, x%d", kind->name,
                j + 1);
    }
    boltz_arena_close(arena);
  }
}

static void every_coordinate_of_a_planned_flow_is_moved(void) {
  enum { N = 3 };
  const struct boltz_energy_kind *kind;
  for (int k = 0; (kind = boltz_energy_kind_at(k)); k++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    struct boltz_energy energy;
    struct boltz_flow_spec spec;
    struct boltz_flow flow;
    struct boltz_weights weights;
    struct boltz_batch x, z;
    double log_q[N];
    CHECK_INT(boltz_energy_new(kind, example_settings(arena, kind), 1, arena, &energy), BOLTZ_OK);
    CHECK_INT(boltz_plan_flow(&energy, arena, &spec), BOLTZ_OK);
    CHECK_INT(boltz_flow_new(&spec, energy.dim, arena, &flow), BOLTZ_OK);
    CHECK_INT(boltz_weights_new(&flow, arena, &weights), BOLTZ_OK);
    CHECK_INT(boltz_batch_new(arena, N, energy.dim, &x), BOLTZ_OK);
    CHECK_INT(boltz_batch_new(arena, N, energy.dim, &z), BOLTZ_OK);
    for (size_t i = 0; i < flow.nw; i++) weights.flat[i] = (float)(0.1 * sin((double)i));
    boltz_flow_pack(&flow, &weights);
    boltz_flow_sample(&flow, &weights, 1, BOLTZ_STREAM_TEST, 0, &x, &z, log_q, arena);
    for (size_t i = 0; i < N; i++) {
      CHECK_MSG(isfinite(log_q[i]), "%s", kind->name);
      CHECK_MSG(boltz_energy_inside(&energy, &x, i), "%s", kind->name);
      for (int j = 0; j < energy.dim; j++)
        CHECK_MSG(x.col[j][i] != z.col[j][i], "%s: x%d is its latent", kind->name, j + 1);
    }
    boltz_arena_close(arena);
  }
}

static void few_coordinates_get_more_data(void) {
  const struct {
    const char *kind;
    uint64_t steps;
  } cases[] = {{"double_well", 80000}, {"dw4", 53320}, {"phi4", 20000}};
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    struct boltz_energy energy;
    struct boltz_explore_options options;
    const struct boltz_energy_kind *kind = boltz_energy_kind_find(cases[c].kind);
    CHECK_INT(boltz_energy_new(kind, example_settings(arena, kind), 1, arena, &energy), BOLTZ_OK);
    boltz_plan_explore(&energy, &options);
    CHECK_INT(options.steps, cases[c].steps);
    CHECK_INT(options.steps % options.stride, 0);
    boltz_arena_close(arena);
  }
}

int main(int argc, char **argv) {
  RUN(every_energy_has_a_flow_that_ends_on_its_domains);
  RUN(every_coordinate_of_a_planned_flow_is_moved);
  RUN(few_coordinates_get_more_data);
  return check_report();
}
