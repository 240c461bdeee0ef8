/* test_plan.c - what is trained when nobody said, for every kind of energy. */
#include "boltz/boltz.h"
#include "core/trait/translation.h"
#include "tests/check.h"
#include "tests/examples.h"

/* An energy and the flow that is planned for it. */
struct planned {
  struct boltz_arena *arena;
  const char *name;
  struct boltz_energy energy;
  struct boltz_flow_spec spec;
  struct boltz_flow flow;
  struct boltz_weights weights;
};

/* settings NULL: those that the kind gives as its example. */
static struct planned plan(const struct boltz_energy_kind *kind, const char *settings) {
  struct planned p = {.arena = boltz_arena_open(0), .name = kind->name};
  void *read = settings ? settings_of(p.arena, kind, settings) : example_settings(p.arena, kind);
  CHECK_INT(boltz_energy_new(kind, read, 1, p.arena, &p.energy), BOLTZ_OK);
  CHECK_MSG(boltz_plan_flow(&p.energy, p.arena, &p.spec) == BOLTZ_OK, "%s: %s", kind->name,
            boltz_error());
  CHECK_MSG(boltz_flow_new(&p.spec, p.energy.dim, p.arena, &p.flow) == BOLTZ_OK, "%s: %s",
            kind->name, boltz_error());
  return p;
}

static struct planned plan_named(const char *const kind_and_settings[2]) {
  return plan(boltz_energy_kind_find(kind_and_settings[0]), kind_and_settings[1]);
}

/* n samples with weights far from the identity, and their latents. */
static void sample(struct planned *p, double size, size_t n, struct boltz_batch *x,
                   struct boltz_batch *z, double *log_q) {
  CHECK_INT(boltz_weights_new(&p->flow, p->arena, &p->weights), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(p->arena, n, p->energy.dim, x), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(p->arena, n, p->energy.dim, z), BOLTZ_OK);
  for (size_t i = 0; i < p->flow.nw; i++) p->weights.flat[i] = (float)(size * sin((double)(i * i)));
  boltz_flow_pack(&p->flow, &p->weights);
  boltz_flow_sample(&p->flow, &p->weights, 1, BOLTZ_STREAM_TEST, 0, x, z, log_q, p->arena);
}

/* The planned flow ends where the energy lives, and moves and sees every coordinate. */
static void every_energy_has_a_flow_that_ends_on_its_domains(void) {
  const struct boltz_energy_kind *kind;
  for (int k = 0; (kind = boltz_energy_kind_at(k)); k++) {
    struct planned p = plan(kind, NULL);
    for (int j = 0; j < p.energy.dim; j++) {
      const struct boltz_domain *wanted = &p.energy.domain[j], *there = &p.flow.domain[j];
      CHECK_MSG(there->type == wanted->type, "%s, x%d", kind->name, j + 1);
      if (wanted->type == BOLTZ_REAL) continue;
      CHECK_MSG(there->low == wanted->low && there->high == wanted->high, "%s, x%d", kind->name,
                j + 1);
    }
    boltz_arena_close(p.arena);
  }
}

/* Coordinates of a box's first particle, which is anywhere. */
static int anywhere(const struct planned *p) {
  struct boltz_translation translation;
  CHECK_INT(boltz_translation_find(&p->energy, p->arena, &translation), BOLTZ_OK);
  return translation.sites > 0 ? (int)translation.width : 0;
}

static void every_coordinate_of_a_planned_flow_is_moved(void) {
  enum { N = 3 };
  const struct boltz_energy_kind *kind;
  for (int k = 0; (kind = boltz_energy_kind_at(k)); k++) {
    struct planned p = plan(kind, NULL);
    struct boltz_batch x, z;
    double log_q[N];
    sample(&p, 0.1, N, &x, &z, log_q);
    for (size_t i = 0; i < N; i++) {
      CHECK_MSG(isfinite(log_q[i]), "%s", kind->name);
      CHECK_MSG(boltz_energy_inside(&p.energy, &x, i), "%s", kind->name);
      for (int j = anywhere(&p); j < p.energy.dim; j++)
        CHECK_MSG(x.col[j][i] != z.col[j][i], "%s: x%d is its latent", kind->name, j + 1);
    }
    boltz_arena_close(p.arena);
  }
}

/* Vectors in the plane, of an energy that does not know where it is turned. */
static void a_planned_flow_of_vectors_does_not_know_directions(void) {
  enum { N = 5 };
  static const char *const cases[][2] = {{"dw4", "{}"},
                                         {"lj_cluster", "{\"N\":3,\"space\":2}"},
                                         {"lj_cluster", "{\"N\":6,\"space\":2}"}};
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    struct planned p = plan_named(cases[c]);
    struct boltz_batch x, z;
    double log_q[N], turned[N];
    sample(&p, 0.1, N, &x, &z, log_q);
    for (int j = 0; j < p.energy.dim; j += 2)
      for (size_t i = 0; i < N; i++) {
        const double a = x.col[j][i], b = x.col[j + 1][i];
        x.col[j][i] = cos(1.3) * a - sin(1.3) * b;
        x.col[j + 1][i] = sin(1.3) * a + cos(1.3) * b;
      }
    boltz_flow_log_density(&p.flow, &p.weights, &x, turned, p.arena);
    for (size_t i = 0; i < N; i++) CHECK_NEAR(turned[i], log_q[i], 1e-4); /* networks of floats */
    boltz_arena_close(p.arena);
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
    struct planned p = plan_named(cases[c]);
    struct boltz_batch x, z;
    double log_q[N], moved[N], alone[N];
    sample(&p, 0.3, N, &x, &z, log_q);
    const int width = anywhere(&p), dim = p.energy.dim;
    for (int j = 0; j < dim; j++)
      for (size_t i = 0; i < N; i++) x.col[j][i] += 1.25 * (j % width + 1);
    boltz_energy_wrap(&p.energy, &x);
    boltz_batch_copy(&z, 0, &x, 0, N);
    boltz_flow_log_density(&p.flow, &p.weights, &z, moved, p.arena);
    for (size_t i = 0; i < N; i++) x.col[dim - 1][i] += 0.3;
    boltz_energy_wrap(&p.energy, &x);
    boltz_flow_log_density(&p.flow, &p.weights, &x, alone, p.arena);
    for (size_t i = 0; i < N; i++) {
      /* networks see floats: a displacement that is 1e-15 off may be the next one, 6e-8 away */
      CHECK_NEAR(moved[i], log_q[i], 1e-4);
      CHECK_MSG(fabs(alone[i] - log_q[i]) > 1e-2, "%s", p.name);
    }
    boltz_arena_close(p.arena);
  }
}

static void models_of_many_coordinates_have_a_flow(void) {
  static const char *const cases[][2] = {{"phi4", "{\"L\":64}"},
                                         {"nematic", "{\"N\":6}"},
                                         {"lebwohl_lasher", "{\"N\":8}"},
                                         {"lj_fluid", "{\"N\":1300,\"L\":20}"},
                                         {"many_well", "{\"dim\":4096}"}};
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    struct planned p = plan_named(cases[c]);
    CHECK(p.flow.nw < 1 << 25);
    struct boltz_explore_options options;
    boltz_plan_explore(&p.energy, &p.flow, &options);
    CHECK(options.walkers >= 2);
    CHECK(options.walkers * (size_t)boltz_explore_rungs(p.energy.dim, &options) *
              (size_t)p.energy.dim <=
          1048576);
    boltz_arena_close(p.arena);
  }
}

static void a_quadratic_form_needs_no_training(void) {
  struct planned p = plan_named((const char *const[2]){"phi4", "{\"L\":4,\"m2\":1,\"lambda\":0}"});
  CHECK(strcmp(p.spec.base->name, "laplace") == 0);
  CHECK_INT(p.spec.nlayers, 0);
  boltz_arena_close(p.arena);
}

/* Each class of particles that are alike comes in one order, of two or of n!, once there are three
   of a class; every coupling moves some coordinates and sees others. */
static void a_crowd_of_particles_comes_in_one_order(void) {
  static const struct {
    const char *kind[2];
    double log_copies;
  } cases[] = {{{"particle_dimer", "{\"n_solvent\":0}"}, 0},
               {{"particle_dimer", "{\"n_solvent\":1}"}, 0},
               {{"particle_dimer", "{\"n_solvent\":4}"}, 3.8712010109078907}, /* ln 2! 4! */
               {{"particle_dimer", "{\"n_solvent\":36}"}, 96.41284172270315}, /* ln 2! 36! */
               {{"lj_fluid", "{\"N\":4,\"L\":5}"}, 0},                        /* periodic */
               {{"many_well", "{\"dim\":8}"}, 0}};                            /* no particles */
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    struct planned p = plan_named(cases[c].kind);
    CHECK_NEAR(p.flow.log_copies, cases[c].log_copies, 1e-12);
    boltz_arena_close(p.arena);
  }
}

/* Defaults of data and stages follow from the flow that is trained, whoever chose it. */
static void data_and_batches_are_those_of_the_flow(void) {
  static const char own[] =
      "{\"layers\":[{\"type\":\"realnvp\",\"blocks\":1,\"hidden\":[4]},{\"type\":\"actnorm\"}]}";
  const struct {
    const char *kind[2], *flow; /* NULL: the planned one */
    uint64_t steps;
    int64_t batch, rounds; /* 0: nothing is trained; rounds -1: as many as may be */
  } cases[] = {{{"double_well", "{}"}, NULL, 80000, 250, 12000},
               {{"lj_fluid", "{\"N\":8}"}, NULL, 62500, 250, -1},
               {{"particle_dimer", "{\"n_solvent\":36}"}, NULL, 60000, 250, 16000},
               {{"phi4", "{\"L\":4}"}, NULL, 80000, 250, 12000},
               {{"phi4", "{\"L\":6}"}, NULL, 20060, 250, -1},
               {{"phi4", "{\"L\":6}"}, own, 41660, 1000, 4000},
               {{"phi4", "{\"L\":2,\"m2\":1,\"lambda\":0}"}, NULL, 1000, 0, 0},
               {{"phi4", "{\"L\":2,\"m2\":1,\"lambda\":0}"}, own, 80000, 1000, 4000}};
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    struct planned p = plan_named(cases[c].kind);
    struct boltz_explore_options options;
    struct boltz_stage stages[BOLTZ_PLAN_STAGES];
    struct boltz_json *json;
    if (cases[c].flow) {
      CHECK_INT(boltz_json_parse(own, sizeof own - 1, 8, p.arena, &json), BOLTZ_OK);
      CHECK_INT(boltz_flow_spec_parse(json, p.energy.dim, p.arena, &p.spec), BOLTZ_OK);
      CHECK_INT(boltz_flow_new(&p.spec, p.energy.dim, p.arena, &p.flow), BOLTZ_OK);
    }
    boltz_plan_explore(&p.energy, &p.flow, &options);
    CHECK_INT(options.steps, cases[c].steps);
    CHECK_INT(options.steps % options.stride, 0);
    boltz_plan_stages(&p.flow, stages);
    if (cases[c].batch) {
      CHECK_INT(stages[0].batch, cases[c].batch);
      /* a minute at 67 GFLOP/s, which is between 4000 and 12000 steps here */
      const double step = 3 * 250 * p.flow.flops[BOLTZ_FP32];
      const int64_t steps = cases[c].rounds < 0 ? (int64_t)(4e12 / step) : cases[c].rounds;
      CHECK_INT(stages[0].steps, steps);
      CHECK(steps >= 4000 && (cases[c].rounds > 0 || steps < 12000));
    } else {
      CHECK_INT(p.flow.nw, p.flow.base.nw);
    }
    boltz_arena_close(p.arena);
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
