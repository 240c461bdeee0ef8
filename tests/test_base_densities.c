/* test_base_densities.c - laws that every base density keeps, and the exact numbers of each. */
#include "boltz/base_density.h"
#include "tests/check.h"

#define DIM 3
#define N 40000

static void *default_settings(struct boltz_arena *arena, const struct boltz_base_kind *kind) {
  void *settings = boltz_arena_alloc(arena, 1, kind->settings_size + 1);
  boltz_field_defaults(kind->fields, settings);
  return settings;
}

static void every_base_is_found_by_its_name(void) {
  int count = 0;
  for (const struct boltz_base_kind *kind; (kind = boltz_base_kind_at(count)); count++) {
    CHECK_MSG(boltz_base_kind_find(kind->name) == kind, "%s", kind->name);
    CHECK_MSG(kind->doc && *kind->doc && kind->source && *kind->source, "%s", kind->name);
    for (const struct boltz_field *f = kind->fields; f && f->name; f++)
      CHECK_MSG(boltz_field_find(kind->fields, f->name) == f && f->doc && *f->doc, "%s", f->name);
  }
  CHECK(count > 0);
  CHECK(!boltz_base_kind_at(-1));
  CHECK(!boltz_base_kind_find("no such base"));
}

static void every_sample_depends_on_its_own_index_only(void) {
  const struct boltz_base_kind *kind;
  for (int k = 0; (kind = boltz_base_kind_at(k)); k++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    void *settings = default_settings(arena, kind);
    struct boltz_batch all, part;
    CHECK_INT(boltz_batch_new(arena, 100, DIM, &all), BOLTZ_OK);
    CHECK_INT(boltz_batch_new(arena, 7, DIM, &part), BOLTZ_OK);
    kind->sample(settings, 3, BOLTZ_STREAM_SAMPLE, 1000, &all);
    kind->sample(settings, 3, BOLTZ_STREAM_SAMPLE, 1041, &part);
    for (int j = 0; j < DIM; j++) {
      CHECK(memcmp(part.col[j], all.col[j] + 41, 7 * sizeof(double)) == 0);
      CHECK(all.col[j][0] != all.col[j][1]);
    }
    boltz_arena_close(arena);
  }
}

static void every_base_gradient_matches_differences(void) {
  const struct boltz_base_kind *kind;
  for (int k = 0; (kind = boltz_base_kind_at(k)); k++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    void *settings = default_settings(arena, kind);
    struct boltz_batch z, g;
    double log_p[20], above[20], below[20], h = 1e-5;
    CHECK_INT(boltz_batch_new(arena, 20, DIM, &z), BOLTZ_OK);
    CHECK_INT(boltz_batch_new(arena, 20, DIM, &g), BOLTZ_OK);
    kind->sample(settings, 5, BOLTZ_STREAM_TEST, 0, &z);
    kind->log_density(settings, &z, log_p, &g);
    for (int j = 0; j < DIM; j++) {
      for (int i = 0; i < 20; i++) z.col[j][i] += h;
      kind->log_density(settings, &z, above, NULL);
      for (int i = 0; i < 20; i++) z.col[j][i] -= 2 * h;
      kind->log_density(settings, &z, below, NULL);
      for (int i = 0; i < 20; i++) z.col[j][i] += h;
      for (int i = 0; i < 20; i++) /* h^2 and 1e-16 |log p| / h, with a reserve */
        CHECK_NEAR(g.col[j][i], (above[i] - below[i]) / (2 * h), 1e-8);
    }
    boltz_arena_close(arena);
  }
}

/* -E log p0 = S(p0), when samples and density are of one and the same p0. */
static void every_base_has_the_entropy_of_its_samples(void) {
  const struct boltz_base_kind *kind;
  for (int k = 0; (kind = boltz_base_kind_at(k)); k++) {
    struct boltz_arena *arena = boltz_arena_open(0);
    void *settings = default_settings(arena, kind);
    double *log_p = boltz_arena_alloc(arena, N, sizeof(double)), sum = 0, squares = 0;
    struct boltz_batch z;
    CHECK_INT(boltz_batch_new(arena, N, DIM, &z), BOLTZ_OK);
    kind->sample(settings, 11, BOLTZ_STREAM_TEST, 0, &z);
    kind->log_density(settings, &z, log_p, NULL);
    for (int i = 0; i < N; i++) sum += log_p[i], squares += log_p[i] * log_p[i];
    double stderr_ = sqrt((squares / N - sum / N * sum / N) / N);
    CHECK_NEAR(-sum / N, kind->entropy(settings, DIM), 5 * stderr_);
    boltz_arena_close(arena);
  }
}

static void the_normal_has_its_golden_numbers(void) {
  const struct boltz_base_kind *kind = boltz_base_kind_find("normal");
  double z1[] = {0, 1, -2}, z2[] = {0, 3, 0.5}, g1[3], g2[3], log_p[3];
  double *zc[] = {z1, z2}, *gc[] = {g1, g2};
  struct boltz_batch z = {.n = 3, .dim = 2, .col = zc}, g = {.n = 3, .dim = 2, .col = gc};
  kind->log_density(NULL, &z, log_p, &g);
  const double ln_2pi = 1.837877066409345;
  CHECK_NEAR(log_p[0], -ln_2pi, 1e-15); /* rounding */
  CHECK_NEAR(log_p[1], -ln_2pi - 5, 1e-14);
  CHECK_NEAR(log_p[2], -ln_2pi - 2.125, 1e-14);
  for (int i = 0; i < 3; i++) CHECK(g1[i] == -z1[i] && g2[i] == -z2[i]);
  CHECK_NEAR(kind->entropy(NULL, 2), 2.837877066409345, 1e-15);
  /* The floors of J_KL: S(p0) - log Z of the double well and of the harmonic pair, k = 2. */
  CHECK_NEAR(kind->entropy(NULL, 2) - 11.020467230188, -8.182590164, 1e-9);
  CHECK_NEAR(kind->entropy(NULL, 2) - 1.612085714, 1.225791353, 1e-9);
}

static void the_normal_has_normal_moments(void) {
  const struct boltz_base_kind *kind = boltz_base_kind_find("normal");
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_batch z;
  CHECK_INT(boltz_batch_new(arena, N, 2, &z), BOLTZ_OK);
  kind->sample(NULL, 1, BOLTZ_STREAM_TEST, 0, &z);
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
  boltz_arena_close(arena);
}

int main(int argc, char **argv) {
  RUN(every_base_is_found_by_its_name);
  RUN(every_sample_depends_on_its_own_index_only);
  RUN(every_base_gradient_matches_differences);
  RUN(every_base_has_the_entropy_of_its_samples);
  RUN(the_normal_has_its_golden_numbers);
  RUN(the_normal_has_normal_moments);
  return check_report();
}
