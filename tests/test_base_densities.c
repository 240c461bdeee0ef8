/* test_base_densities.c - laws that every base density keeps, and the exact numbers of each. */
#include "boltz/base_density.h"
#include "boltz/json.h"
#include "boltz/layer.h"
#include "tests/check.h"

#define DIM 3
#define N 40000
#define ROWS 10

/* One example of each kind, and more of those that are fitted, on one, two and three coordinates.
   `low` and `high` hold all but 1e-9 of each coordinate. */
static const struct example {
  const char *kind, *settings[DIM];
  double low, high;
} examples[] = {
    {"normal", {"{}", "{}", "{}"}, -6.5, 6.5},
    {"circular",
     {"{\"coordinates\":[0],\"low\":[-1],\"high\":[4]}",
      "{\"coordinates\":[1],\"low\":[0],\"high\":[2]}",
      "{\"coordinates\":[2,0],\"low\":[-1,2],\"high\":[3,4]}"},
     -6.5,
     6.5},
    {"uniform",
     {"{\"low\":[-1],\"high\":[3]}", "{\"low\":[-1,0],\"high\":[3,0.5],\"periodic\":[1]}",
      "{\"low\":[-1,0,2],\"high\":[3,0.5,6]}"},
     -2,
     7},
    {"mixture",
     {"{\"weights\":[0.25,0.75],\"means\":[[-1],[2]],\"stds\":[0.5,1]}",
      "{\"weights\":[0.25,0.75],\"means\":[[-1,1],[2,0]],\"stds\":[0.5,1]}",
      "{\"weights\":[0.2,0,0.8],\"means\":[[-1,0,2],[9,9,9],[2,1,0]],\"stds\":[0.5,1,0.75]}"},
     -6,
     9},
    {"mixture",
     {"{\"components\":3}", "{\"components\":4}", "{\"components\":3,\"iterations\":5}"},
     -14,
     14},
    {"laplace", {"{}", "{\"starts\":16}", "{\"modes\":3}"}, -9, 9},
};
#define EXAMPLES (sizeof examples / sizeof *examples)

struct world {
  struct boltz_arena *arena;
  const struct example *example;
  struct boltz_base base;
  struct boltz_domain domain[DIM];
  float *w;
  struct boltz_batch data;
};

/* Two sheared clouds. */
static void draw_data(struct boltz_batch *z) {
  boltz_rng_normals(17, BOLTZ_STREAM_TEST, 0, z);
  for (size_t i = 0; i < z->n; i++)
    for (int j = z->dim - 1; j >= 0; j--) {
      if (j > 0) z->col[j][i] = 0.5 * z->col[j][i] - 0.6 * z->col[j - 1][i];
      if (i % 3 == 0) z->col[j][i] = 0.5 * z->col[j][i] + 4;
    }
}

/* u = sum of (z_j^2 - 2)^2/2 + z_j/4, and z_j z_(j+1)/2 */
static void energy(void *owner, const struct boltz_batch *z, double *u, struct boltz_batch *g,
                   struct boltz_arena *scratch) {
  (void)owner, (void)scratch;
  CHECK(z->n <= ROWS); /* what a slice may ask for */
  for (size_t i = 0; i < z->n; i++) {
    u[i] = 0;
    for (int j = 0; j < z->dim; j++) {
      const double v = z->col[j][i], next = j + 1 < z->dim ? z->col[j + 1][i] : 0;
      const double before = j > 0 ? z->col[j - 1][i] : 0;
      u[i] += 0.5 * (v * v - 2) * (v * v - 2) + 0.25 * v + 0.5 * v * next;
      g->col[j][i] = 2 * v * (v * v - 2) + 0.25 + 0.5 * (next + before);
    }
  }
}

static enum boltz_status fit(struct world *world, const struct boltz_base_evidence *evidence) {
  void *state;
  bool more = true;
  BOLTZ_TRY(world->base.kind->fit_open(&world->base, evidence, world->w, world->arena, &state));
  while (state && more) BOLTZ_TRY(world->base.kind->fit_step(state, &more, world->arena));
  return BOLTZ_OK;
}

static struct world new_world(const struct example *example, int dim) {
  struct world world = {.arena = boltz_arena_open(0), .example = example};
  const struct boltz_base_kind *kind = boltz_base_kind_find(example->kind);
  const char *text = example->settings[dim - 1];
  void *settings = boltz_arena_alloc(world.arena, 1, kind->settings_size + 1);
  struct boltz_json *json;
  CHECK_INT(boltz_json_parse(text, strlen(text), 8, world.arena, &json), BOLTZ_OK);
  CHECK_INT(boltz_json_fields(json, kind->fields, NULL, settings, world.arena), BOLTZ_OK);
  const enum boltz_status status =
      boltz_base_new(kind, settings, dim, world.domain, world.arena, &world.base);
  CHECK_MSG(status == BOLTZ_OK, "%s %s: %s", example->kind, text, boltz_error());
  world.w = BOLTZ_NEW_ARRAY(world.arena, world.base.nw + 1, float);
  if (kind->init) kind->init(&world.base, world.w);
  CHECK_INT(boltz_batch_new(world.arena, 1000, dim, &world.data), BOLTZ_OK);
  draw_data(&world.data);
  const struct boltz_base_evidence evidence = {
      .z = world.data, .seed = 3, .energy = energy, .rows = ROWS};
  if (kind->fit_open) CHECK_MSG(fit(&world, &evidence) == BOLTZ_OK, "%s", boltz_error());
  return world;
}

static void sample(const struct world *world, uint64_t seed, uint64_t first,
                   struct boltz_batch *z) {
  boltz_base_sample(&world->base, world->w, seed, BOLTZ_STREAM_TEST, first, z, world->arena);
}

static void log_density(const struct world *world, const struct boltz_batch *z, double *log_p,
                        struct boltz_batch *g) {
  boltz_base_log_density(&world->base, world->w, z, log_p, g, world->arena);
}

static void for_every_example(int low, int high, void (*law)(struct world *world)) {
  for (size_t e = 0; e < EXAMPLES; e++)
    for (int dim = low; dim <= high; dim++) {
      struct world world = new_world(&examples[e], dim);
      const int before = check_bad;
      law(&world);
      if (check_bad > before)
        printf("    (%s %s)\n", examples[e].kind, examples[e].settings[dim - 1]);
      boltz_arena_close(world.arena);
    }
}

static void every_base_is_found_by_its_name_and_has_an_example_here(void) {
  int count = 0;
  for (const struct boltz_base_kind *kind; (kind = boltz_base_kind_at(count)); count++) {
    bool found = false;
    for (size_t e = 0; e < EXAMPLES; e++) found |= strcmp(examples[e].kind, kind->name) == 0;
    CHECK_MSG(found && boltz_base_kind_find(kind->name) == kind, "%s", kind->name);
    CHECK_MSG(kind->doc && *kind->doc && kind->source && *kind->source, "%s", kind->name);
    for (const struct boltz_field *f = kind->fields; f && f->name; f++)
      CHECK_MSG(boltz_field_find(kind->fields, f->name) == f && f->doc && *f->doc, "%s", f->name);
  }
  CHECK(count > 0);
  CHECK(!boltz_base_kind_at(-1));
  CHECK(!boltz_base_kind_find("no such base"));
}

static void tensors_cover_the_numbers(struct world *world) {
  struct boltz_tensor tensor;
  size_t at = 0;
  for (int k = 0; k < world->base.tensors; k++) {
    CHECK(world->base.kind->tensor(&world->base, k, &tensor));
    CHECK_INT(tensor.offset, at);
    at += (size_t)(tensor.shape[0] * (tensor.rank > 1 ? tensor.shape[1] : 1));
  }
  CHECK_INT(at, world->base.nw);
  for (size_t k = 0; k < world->base.nw; k++) CHECK(isfinite(world->w[k]));
}

static void every_number_of_a_base_is_in_one_of_its_tensors(void) {
  for_every_example(1, DIM, tensors_cover_the_numbers);
}

static void rows_keep_their_bits(struct world *world) {
  enum { ALL = 200, CUT = 41, PART = 7 };
  struct boltz_batch all, part, g, g_part;
  double log_p[ALL], log_p_part[PART];
  const int dim = world->base.dim;
  CHECK_INT(boltz_batch_new(world->arena, ALL, dim, &all), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(world->arena, PART, dim, &part), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(world->arena, ALL, dim, &g), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(world->arena, PART, dim, &g_part), BOLTZ_OK);
  for (int first = 0; first < ALL - PART; first += CUT) {
    sample(world, 3, 1000, &all);
    sample(world, 3, (uint64_t)(1000 + first), &part);
    log_density(world, &all, log_p, &g);
    log_density(world, &part, log_p_part, &g_part);
    CHECK(memcmp(log_p_part, log_p + first, sizeof log_p_part) == 0);
    log_density(world, &part, log_p_part, NULL);
    CHECK(memcmp(log_p_part, log_p + first, sizeof log_p_part) == 0);
    for (int j = 0; j < dim; j++) {
      CHECK(memcmp(part.col[j], all.col[j] + first, PART * sizeof(double)) == 0);
      CHECK(memcmp(g_part.col[j], g.col[j] + first, PART * sizeof(double)) == 0);
      CHECK(all.col[j][0] != all.col[j][1]);
    }
  }
}

static void every_row_has_the_same_bits_in_any_tile(void) {
  for_every_example(1, DIM, rows_keep_their_bits);
}

static void gradient_matches_differences(struct world *world) {
  struct boltz_batch z, g;
  double log_p[20], above[20], below[20], h = 1e-5;
  const int dim = world->base.dim;
  CHECK_INT(boltz_batch_new(world->arena, 20, dim, &z), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(world->arena, 20, dim, &g), BOLTZ_OK);
  sample(world, 5, 0, &z);
  log_density(world, &z, log_p, &g);
  for (int j = 0; j < dim; j++) {
    for (int i = 0; i < 20; i++) z.col[j][i] += h;
    log_density(world, &z, above, NULL);
    for (int i = 0; i < 20; i++) z.col[j][i] -= 2 * h;
    log_density(world, &z, below, NULL);
    for (int i = 0; i < 20; i++) z.col[j][i] += h;
    for (int i = 0; i < 20; i++) /* h^2 by third derivatives below 50 */
      CHECK_NEAR(g.col[j][i], (above[i] - below[i]) / (2 * h), 1e-8);
  }
}

static void every_base_gradient_matches_differences(void) {
  for_every_example(1, DIM, gradient_matches_differences);
}

/* -E log p0 = S(p0), when samples and density are of one and the same p0. */
static void entropy_is_that_of_samples(struct world *world) {
  double *log_p = boltz_arena_alloc(world->arena, N, sizeof(double)), sum = 0, squares = 0;
  struct boltz_batch z;
  CHECK_INT(boltz_batch_new(world->arena, N, world->base.dim, &z), BOLTZ_OK);
  sample(world, 11, 0, &z);
  log_density(world, &z, log_p, NULL);
  for (int i = 0; i < N; i++) sum += log_p[i], squares += log_p[i] * log_p[i];
  const double stderr_ = sqrt(fmax(squares / N - sum / N * sum / N, 0) / N);
  const double entropy = boltz_base_entropy(&world->base, world->w);
  CHECK(isfinite(sum));
  if (isnan(entropy)) /* said to have no closed form */
    CHECK(world->base.kind->fit_open != NULL);
  else
    CHECK_NEAR(-sum / N, entropy, 5 * stderr_ + 1e-12);
}

static void every_base_has_the_entropy_of_its_samples_or_none(void) {
  for_every_example(1, DIM, entropy_is_that_of_samples);
}

/* Cells of one or two coordinates: the middles of a fine grid in each, and how many samples. */
#define CELLS 24
#define FINE 24

/* Where coordinate j is cut into cells. */
static void ends(const struct world *world, int j, double *low, double *high) {
  const struct boltz_domain *domain = &world->domain[j];
  *low = domain->type == BOLTZ_REAL ? world->example->low : domain->low;
  *high = domain->type == BOLTZ_REAL ? world->example->high : domain->high;
}

static int cell_of(const struct world *world, int j, double v) {
  double low, high;
  ends(world, j, &low, &high);
  const int cell = (int)floor((v - low) / (high - low) * CELLS);
  return cell < 0 ? 0 : cell >= CELLS ? CELLS - 1 : cell;
}

static void integrate(const struct world *world, double probability[CELLS][CELLS]) {
  const int dim = world->base.dim, grid = CELLS * FINE;
  double low[2] = {0}, high[2] = {0}, volume = 1;
  struct boltz_batch z;
  double *log_p = boltz_arena_alloc(world->arena, (size_t)grid, sizeof(double));
  CHECK_INT(boltz_batch_new(world->arena, (size_t)grid, dim, &z), BOLTZ_OK);
  for (int j = 0; j < dim; j++) {
    ends(world, j, &low[j], &high[j]);
    volume *= (high[j] - low[j]) / grid;
  }
  for (int b = 0; b < (dim > 1 ? grid : 1); b++) {
    for (int a = 0; a < grid; a++) {
      z.col[0][a] = low[0] + (a + 0.5) * (high[0] - low[0]) / grid;
      if (dim > 1) z.col[1][a] = low[1] + (b + 0.5) * (high[1] - low[1]) / grid;
    }
    log_density(world, &z, log_p, NULL);
    for (int a = 0; a < grid; a++) probability[b / FINE][a / FINE] += exp(log_p[a]) * volume;
  }
}

/* Chi squared of samples in cells, in standard deviations above its mean. */
static void samples_fall_as_the_density_says(struct world *world) {
  static double probability[CELLS][CELLS], count[CELLS][CELLS];
  const int dim = world->base.dim;
  double sum = 0, chi = 0;
  int cells = 0;
  struct boltz_batch z;
  memset(probability, 0, sizeof probability);
  memset(count, 0, sizeof count);
  integrate(world, probability);
  CHECK_INT(boltz_batch_new(world->arena, N, dim, &z), BOLTZ_OK);
  sample(world, 29, 0, &z);
  for (size_t i = 0; i < N; i++)
    count[dim > 1 ? cell_of(world, 1, z.col[1][i]) : 0][cell_of(world, 0, z.col[0][i])]++;
  for (int b = 0; b < CELLS; b++)
    for (int a = 0; a < CELLS; a++) {
      const double expected = N * probability[b][a];
      sum += probability[b][a];
      if (expected < 5) continue;
      chi += (count[b][a] - expected) * (count[b][a] - expected) / expected;
      cells++;
    }
  CHECK_NEAR(sum, 1, 1e-6); /* the middle rule converges faster than any power of the step */
  CHECK_MSG(chi < cells + 6 * sqrt(2 * cells), "%g of %d cells", chi, cells);
}

static void every_density_is_normalised_and_that_of_its_samples(void) {
  for_every_example(1, 2, samples_fall_as_the_density_says);
}

static void the_normal_has_its_golden_numbers(void) {
  struct world world = new_world(&examples[0], 2);
  double z1[] = {0, 1, -2}, z2[] = {0, 3, 0.5}, g1[3], g2[3], log_p[3];
  double *zc[] = {z1, z2}, *gc[] = {g1, g2};
  struct boltz_batch z = {.n = 3, .dim = 2, .col = zc}, g = {.n = 3, .dim = 2, .col = gc};
  log_density(&world, &z, log_p, &g);
  const double ln_2pi = 1.837877066409345, entropy = boltz_base_entropy(&world.base, NULL);
  CHECK_NEAR(log_p[0], -ln_2pi, 1e-15); /* rounding */
  CHECK_NEAR(log_p[1], -ln_2pi - 5, 1e-14);
  CHECK_NEAR(log_p[2], -ln_2pi - 2.125, 1e-14);
  for (int i = 0; i < 3; i++) CHECK(g1[i] == -z1[i] && g2[i] == -z2[i]);
  CHECK_NEAR(entropy, 2.837877066409345, 1e-15);
  /* The floors of J_KL: S(p0) - log Z of the double well and of the harmonic pair, k = 2. */
  CHECK_NEAR(entropy - 11.020467230188, -8.182590164, 1e-9);
  CHECK_NEAR(entropy - 1.612085714, 1.225791353, 1e-9);
  boltz_arena_close(world.arena);
}

static void the_normal_has_normal_moments(void) {
  struct world world = new_world(&examples[0], 2);
  struct boltz_batch z;
  CHECK_INT(boltz_batch_new(world.arena, N, 2, &z), BOLTZ_OK);
  sample(&world, 1, 0, &z);
  double m[2] = {0}, v[2] = {0}, cross = 0;
  for (int i = 0; i < N; i++) {
    for (int j = 0; j < 2; j++) m[j] += z.col[j][i] / N, v[j] += z.col[j][i] * z.col[j][i] / N;
    cross += z.col[0][i] * z.col[1][i] / N;
  }
  for (int j = 0; j < 2; j++) {
    CHECK_NEAR(m[j], 0, 5 / sqrt(N)); /* five standard errors */
    CHECK_NEAR(v[j], 1, 5 * sqrt(2.0 / N));
  }
  CHECK_NEAR(cross, 0, 5 / sqrt(N));
  boltz_arena_close(world.arena);
}

static void the_uniform_has_its_golden_numbers(void) {
  static const struct example example = {
      "uniform", {NULL, "{\"low\":[0,-1],\"high\":[2,3],\"periodic\":[1]}"}, 0, 0};
  struct world world = new_world(&example, 2);
  double z1[] = {1, -0.1, 1}, z2[] = {0, 0, 3.5}, g1[3], g2[3], log_p[3];
  double *zc[] = {z1, z2}, *gc[] = {g1, g2};
  struct boltz_batch z = {.n = 3, .dim = 2, .col = zc}, g = {.n = 3, .dim = 2, .col = gc}, x;
  log_density(&world, &z, log_p, &g);
  CHECK_NEAR(log_p[0], -2.0794415416798357, 1e-15); /* ln 8 */
  CHECK(log_p[1] == -INFINITY && log_p[2] == -INFINITY && g1[0] == 0 && g2[0] == 0);
  CHECK_NEAR(boltz_base_entropy(&world.base, NULL), 2.0794415416798357, 1e-15);
  CHECK(world.domain[0].type == BOLTZ_INTERVAL && world.domain[0].high == 2);
  CHECK(world.domain[1].type == BOLTZ_PERIODIC && world.domain[1].low == -1);
  CHECK_INT(boltz_batch_new(world.arena, N, 2, &x), BOLTZ_OK);
  sample(&world, 2, 0, &x);
  double mean[2] = {0}, square[2] = {0}, cross = 0;
  for (int i = 0; i < N; i++) {
    const double u[2] = {x.col[0][i] / 2 - 0.5, x.col[1][i] / 4 - 0.25};
    CHECK(fabs(u[0]) < 0.5 && fabs(u[1]) < 0.5);
    for (int j = 0; j < 2; j++) mean[j] += u[j] / N, square[j] += u[j] * u[j] / N;
    cross += u[0] * u[1] / N;
  }
  for (int j = 0; j < 2; j++) {
    CHECK_NEAR(mean[j], 0, 5 / sqrt(12.0 * N)); /* five standard errors */
    CHECK_NEAR(square[j], 1.0 / 12, 5 / sqrt(180.0 * N));
  }
  CHECK_NEAR(cross, 0, 5.0 / 12 / sqrt(N));
  boltz_arena_close(world.arena);
}

static void the_mixture_has_its_golden_numbers(void) {
  struct world world = new_world(&examples[3], 1);
  double z1[] = {0, 1e200}, g1[2], log_p[2], *zc[] = {z1}, *gc[] = {g1};
  struct boltz_batch z = {.n = 2, .dim = 1, .col = zc}, g = {.n = 2, .dim = 1, .col = gc};
  log_density(&world, &z, log_p, &g);
  CHECK_NEAR(log_p[0], -2.695794981890, 1e-12);
  /* shares a, b of exp(-2)/4/0.5 and 3 exp(-2)/4: 2/5 and 3/5; -a (0+1)/0.25 - b (0-2) */
  CHECK_NEAR(g1[0], -0.4 * 4 + 0.6 * 2, 1e-14);
  CHECK(log_p[1] == -INFINITY && !isnan(g1[1])); /* its square overflows */
  CHECK(isnan(boltz_base_entropy(&world.base, world.w)));
  boltz_arena_close(world.arena);
}

int main(int argc, char **argv) {
  RUN(every_base_is_found_by_its_name_and_has_an_example_here);
  RUN(every_number_of_a_base_is_in_one_of_its_tensors);
  RUN(every_row_has_the_same_bits_in_any_tile);
  RUN(every_base_gradient_matches_differences);
  RUN(every_base_has_the_entropy_of_its_samples_or_none);
  RUN(every_density_is_normalised_and_that_of_its_samples);
  RUN(the_normal_has_its_golden_numbers);
  RUN(the_normal_has_normal_moments);
  RUN(the_uniform_has_its_golden_numbers);
  RUN(the_mixture_has_its_golden_numbers);
  return check_report();
}
