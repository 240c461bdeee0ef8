/* test_plan.c - what is trained when nobody said, for every kind of energy. */
#include "boltz/boltz.h"
#include "core/trait/translation.h"
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

/* Coordinates of a box's first particle, which is anywhere. */
static int anywhere(const struct boltz_energy *energy, struct boltz_arena *arena) {
  struct boltz_translation translation;
  CHECK_INT(boltz_translation_find(energy, arena, &translation), BOLTZ_OK);
  return translation.sites > 0 ? (int)translation.width : 0;
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
      for (int j = anywhere(&energy, arena); j < energy.dim; j++)
        CHECK_MSG(x.col[j][i] != z.col[j][i], "%s: x%d is its latent", kind->name, j + 1);
    }
    boltz_arena_close(arena);
  }
}

/* Vectors in the plane, of an energy that does not know where it is turned. */
static void a_planned_flow_of_vectors_does_not_know_directions(void) {
  enum { N = 5 };
  static const char *const cases[][2] = {{"dw4", "{}"},
                                         {"lj_cluster", "{\"N\":3,\"space\":2}"},
                                         {"lj_cluster", "{\"N\":6,\"space\":2}"}};
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    const struct boltz_energy_kind *kind = boltz_energy_kind_find(cases[c][0]);
    struct boltz_energy energy;
    struct boltz_flow_spec spec;
    struct boltz_flow flow;
    struct boltz_weights weights;
    struct boltz_batch x, z;
    double log_q[N], turned[N];
    CHECK_INT(boltz_energy_new(kind, settings_of(arena, kind, cases[c][1]), 1, arena, &energy),
              BOLTZ_OK);
    CHECK_INT(boltz_plan_flow(&energy, arena, &spec), BOLTZ_OK);
    CHECK_INT(boltz_flow_new(&spec, energy.dim, arena, &flow), BOLTZ_OK);
    CHECK_INT(boltz_weights_new(&flow, arena, &weights), BOLTZ_OK);
    CHECK_INT(boltz_batch_new(arena, N, energy.dim, &x), BOLTZ_OK);
    CHECK_INT(boltz_batch_new(arena, N, energy.dim, &z), BOLTZ_OK);
    for (size_t i = 0; i < flow.nw; i++) weights.flat[i] = (float)(0.1 * sin((double)i));
    boltz_flow_pack(&flow, &weights);
    boltz_flow_sample(&flow, &weights, 1, BOLTZ_STREAM_TEST, 0, &x, &z, log_q, arena);
    for (int j = 0; j < energy.dim; j += 2)
      for (size_t i = 0; i < N; i++) {
        const double a = x.col[j][i], b = x.col[j + 1][i];
        x.col[j][i] = cos(1.3) * a - sin(1.3) * b;
        x.col[j + 1][i] = sin(1.3) * a + cos(1.3) * b;
      }
    boltz_flow_log_density(&flow, &weights, &x, turned, arena);
    for (size_t i = 0; i < N; i++) CHECK_NEAR(turned[i], log_q[i], 1e-4); /* networks of floats */
    boltz_arena_close(arena);
  }
}

/* Particles in a box, of an energy that does not know where they all are. */
static void a_planned_flow_of_a_box_knows_distances_alone(void) {
  enum { N = 6 };
  static const char *const cases[][2] = {{"lj_fluid", "{\"N\":2,\"space\":2}"},
                                         {"lj_fluid", "{\"N\":3}"},
                                         {"polymer_chain", "{\"N\":2}"},
                                         {"polymer_chain", "{\"N\":7,\"L\":6}"}};
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    const struct boltz_energy_kind *kind = boltz_energy_kind_find(cases[c][0]);
    struct boltz_energy energy;
    struct boltz_flow_spec spec;
    struct boltz_flow flow;
    struct boltz_weights weights;
    struct boltz_batch x;
    double log_q[N], moved[N], alone[N];
    CHECK_INT(boltz_energy_new(kind, settings_of(arena, kind, cases[c][1]), 1, arena, &energy),
              BOLTZ_OK);
    CHECK_INT(boltz_plan_flow(&energy, arena, &spec), BOLTZ_OK);
    CHECK_INT(boltz_flow_new(&spec, energy.dim, arena, &flow), BOLTZ_OK);
    CHECK_INT(boltz_weights_new(&flow, arena, &weights), BOLTZ_OK);
    CHECK_INT(boltz_batch_new(arena, N, energy.dim, &x), BOLTZ_OK);
    for (size_t i = 0; i < flow.nw; i++) weights.flat[i] = (float)(0.3 * sin((double)(i * i)));
    boltz_flow_pack(&flow, &weights);
    boltz_flow_sample(&flow, &weights, 1, BOLTZ_STREAM_TEST, 0, &x, NULL, log_q, arena);
    const int width = anywhere(&energy, arena);
    for (int j = 0; j < energy.dim; j++)
      for (size_t i = 0; i < N; i++) x.col[j][i] += 1.25 * (j % width + 1);
    boltz_energy_wrap(&energy, &x);
    boltz_flow_log_density(&flow, &weights, &x, moved, arena);
    for (size_t i = 0; i < N; i++) x.col[energy.dim - 1][i] += 0.3;
    boltz_energy_wrap(&energy, &x);
    boltz_flow_log_density(&flow, &weights, &x, alone, arena);
    for (size_t i = 0; i < N; i++) {
      /* networks see floats: a displacement that is 1e-15 off may be the next one, 6e-8 away */
      CHECK_NEAR(moved[i], log_q[i], 1e-4);
      CHECK_MSG(fabs(alone[i] - log_q[i]) > 1e-2, "%s", kind->name);
    }
    boltz_arena_close(arena);
  }
}

static void models_of_many_coordinates_have_a_flow(void) {
  static const char *const cases[][2] = {{"phi4", "{\"L\":64}"},
                                         {"nematic", "{\"N\":6}"},
                                         {"lebwohl_lasher", "{\"N\":8}"},
                                         {"lj_fluid", "{\"N\":1300,\"L\":20}"},
                                         {"many_well", "{\"dim\":4096}"}};
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    const struct boltz_energy_kind *kind = boltz_energy_kind_find(cases[c][0]);
    struct boltz_energy energy;
    struct boltz_flow_spec spec;
    struct boltz_flow flow;
    void *settings = settings_of(arena, kind, cases[c][1]);
    CHECK_INT(boltz_energy_new(kind, settings, 1, arena, &energy), BOLTZ_OK);
    CHECK_MSG(boltz_plan_flow(&energy, arena, &spec) == BOLTZ_OK, "%s: %s", kind->name,
              boltz_error());
    CHECK_INT(boltz_flow_new(&spec, energy.dim, arena, &flow), BOLTZ_OK);
    CHECK(flow.nw < 1 << 25);
    struct boltz_explore_options options;
    boltz_plan_explore(&energy, &flow, &options);
    CHECK(options.walkers >= 2);
    CHECK(options.walkers * (size_t)boltz_explore_rungs(energy.dim, &options) *
              (size_t)energy.dim <=
          1048576);
    boltz_arena_close(arena);
  }
}

static void a_quadratic_form_needs_no_training(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  const struct boltz_energy_kind *kind = boltz_energy_kind_find("phi4");
  struct boltz_energy energy;
  struct boltz_flow_spec spec;
  void *settings = settings_of(arena, kind, "{\"L\":4,\"m2\":1,\"lambda\":0}");
  CHECK_INT(boltz_energy_new(kind, settings, 1, arena, &energy), BOLTZ_OK);
  CHECK_INT(boltz_plan_flow(&energy, arena, &spec), BOLTZ_OK);
  CHECK(strcmp(spec.base->name, "laplace") == 0);
  CHECK_INT(spec.nlayers, 0);
  boltz_arena_close(arena);
}

/* Each class of particles that are alike comes in one order, of two or of n!, once there are three
   of a class; every coupling moves some coordinates and sees others. */
static void a_crowd_of_particles_comes_in_one_order(void) {
  static const struct {
    const char *kind, *settings;
    double log_copies;
  } cases[] = {{"particle_dimer", "{\"n_solvent\":0}", 0},
               {"particle_dimer", "{\"n_solvent\":1}", 0},
               {"particle_dimer", "{\"n_solvent\":4}", 3.8712010109078907}, /* ln 2! 4! */
               {"particle_dimer", "{\"n_solvent\":36}", 96.41284172270315}, /* ln 2! 36! */
               {"lj_fluid", "{\"N\":4,\"L\":5}", 0},                        /* periodic */
               {"many_well", "{\"dim\":8}", 0}};                            /* no particles */
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    struct boltz_energy energy;
    struct boltz_flow_spec spec;
    struct boltz_flow flow;
    const struct boltz_energy_kind *kind = boltz_energy_kind_find(cases[c].kind);
    void *settings = settings_of(arena, kind, cases[c].settings);
    CHECK_INT(boltz_energy_new(kind, settings, 1, arena, &energy), BOLTZ_OK);
    CHECK_INT(boltz_plan_flow(&energy, arena, &spec), BOLTZ_OK);
    CHECK_MSG(boltz_flow_new(&spec, energy.dim, arena, &flow) == BOLTZ_OK, "%s", boltz_error());
    CHECK_NEAR(flow.log_copies, cases[c].log_copies, 1e-12);
    boltz_arena_close(arena);
  }
}

/* Defaults of data and stages follow from the flow that is trained, whoever chose it. */
static void data_and_batches_are_those_of_the_flow(void) {
  static const char own[] =
      "{\"layers\":[{\"type\":\"realnvp\",\"blocks\":1,\"hidden\":[4]},{\"type\":\"actnorm\"}]}";
  const struct {
    const char *kind, *settings, *flow; /* NULL: the planned one */
    uint64_t steps;
    int64_t batch, rounds; /* 0: nothing is trained; rounds -1: as many as may be */
  } cases[] = {{"double_well", "{}", NULL, 80000, 250, 12000},
               {"lj_fluid", "{\"N\":8}", NULL, 62500, 250, -1},
               {"particle_dimer", "{\"n_solvent\":36}", NULL, 60000, 250, 16000},
               {"phi4", "{\"L\":4}", NULL, 80000, 250, 12000},
               {"phi4", "{\"L\":6}", NULL, 20060, 250, -1},
               {"phi4", "{\"L\":6}", own, 41660, 1000, 4000},
               {"phi4", "{\"L\":2,\"m2\":1,\"lambda\":0}", NULL, 1000, 0, 0},
               {"phi4", "{\"L\":2,\"m2\":1,\"lambda\":0}", own, 80000, 1000, 4000}};
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    struct boltz_energy energy;
    struct boltz_explore_options options;
    struct boltz_stage stages[BOLTZ_PLAN_STAGES];
    struct boltz_flow_spec spec;
    struct boltz_flow flow;
    struct boltz_json *json;
    const struct boltz_energy_kind *kind = boltz_energy_kind_find(cases[c].kind);
    void *settings = settings_of(arena, kind, cases[c].settings);
    CHECK_INT(boltz_energy_new(kind, settings, 1, arena, &energy), BOLTZ_OK);
    if (cases[c].flow) {
      CHECK_INT(boltz_json_parse(own, sizeof own - 1, 8, arena, &json), BOLTZ_OK);
      CHECK_INT(boltz_flow_spec_parse(json, energy.dim, arena, &spec), BOLTZ_OK);
    } else {
      CHECK_INT(boltz_plan_flow(&energy, arena, &spec), BOLTZ_OK);
    }
    CHECK_INT(boltz_flow_new(&spec, energy.dim, arena, &flow), BOLTZ_OK);
    boltz_plan_explore(&energy, &flow, &options);
    CHECK_INT(options.steps, cases[c].steps);
    CHECK_INT(options.steps % options.stride, 0);
    boltz_plan_stages(&flow, stages);
    if (cases[c].batch) {
      CHECK_INT(stages[0].batch, cases[c].batch);
      /* a minute at 67 GFLOP/s, which is between 4000 and 12000 steps here */
      const double step = 3 * 250 * flow.flops[BOLTZ_FP32];
      const int64_t steps = cases[c].rounds < 0 ? (int64_t)(4e12 / step) : cases[c].rounds;
      CHECK_INT(stages[0].steps, steps);
      CHECK(steps >= 4000 && (cases[c].rounds > 0 || steps < 12000));
    } else {
      CHECK_INT(flow.nw, flow.base.nw);
    }
    boltz_arena_close(arena);
  }
}

int main(int argc, char **argv) {
  RUN(every_energy_has_a_flow_that_ends_on_its_domains);
  RUN(every_coordinate_of_a_planned_flow_is_moved);
  RUN(a_planned_flow_of_vectors_does_not_know_directions);
  RUN(a_planned_flow_of_a_box_knows_distances_alone);
  RUN(models_of_many_coordinates_have_a_flow);
  RUN(a_quadratic_form_needs_no_training);
  RUN(a_crowd_of_particles_comes_in_one_order);
  RUN(data_and_batches_are_those_of_the_flow);
  return check_report();
}
