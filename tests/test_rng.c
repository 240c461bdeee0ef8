/* test_rng.c - Philox's published answers, moments, independence of how a batch is cut. */
#include "boltz/rng.h"

#include "check.h"

#define N 200000

/* Random123's kat_vectors, "philox4x32 10". */
static void the_bits_are_those_of_philox4x32_10(void) {
  static const struct {
    uint64_t index;
    uint32_t stream, block;
    uint64_t seed;
    uint32_t bits[4];
  } known[] = {
      {0, 0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {UINT64_MAX,
       UINT32_MAX,
       UINT32_MAX,
       UINT64_MAX,
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {0x85a308d3243f6a88,
       0x13198a2e,
       0x03707344,
       0x299f31d0a4093822,
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
    uint32_t bits[4];
    boltz_rng_bits(known[k].seed, (enum boltz_stream)known[k].stream, known[k].index,
                   known[k].block, bits);
    CHECK(memcmp(bits, known[k].bits, sizeof bits) == 0);
  }
}

/* ((bits >> 12) + 1/2) 2^-52 of the first and second 64 bits, the low word first. */
static void uniforms_follow_their_formula(void) {
  uint32_t b[4];
  double u[2];
  boltz_rng_bits(42, BOLTZ_STREAM_TEST, 7, 3, b);
  boltz_rng_uniform(42, BOLTZ_STREAM_TEST, 7, 3, u);
  for (int k = 0; k < 2; k++) {
    uint64_t bits = ((uint64_t)b[2 * k + 1] << 32 | b[2 * k]) >> 12;
    CHECK(u[k] == ldexp((double)bits + 0.5, -52));
  }
  CHECK(ldexp(0.5, -52) > 0 && ldexp((double)((UINT64_C(1) << 52) - 1) + 0.5, -52) < 1);
}

static void uniforms_are_uniform(void) {
  size_t bins[20] = {0};
  for (uint64_t i = 0; i < N / 2; i++) {
    double u[2];
    boltz_rng_uniform(1, BOLTZ_STREAM_TEST, i, 0, u);
    CHECK(u[0] > 0 && u[0] < 1 && u[1] > 0 && u[1] < 1);
    bins[(int)(u[0] * 20)]++;
    bins[(int)(u[1] * 20)]++;
  }
  double chi2 = 0, expected = N / 20.0;
  for (int k = 0; k < 20; k++)
    chi2 += ((double)bins[k] - expected) * ((double)bins[k] - expected) / expected;
  /* 19 degrees of freedom: mean 19, sd sqrt(38) = 6.2; 60 is beyond p = 1e-5 */
  CHECK_MSG(chi2 < 60 && chi2 > 2, "chi2 = %g", chi2);
}

static void normals_have_the_moments_of_a_normal(void) {
  double m[5] = {0}, cross = 0, tail = 0;
  for (uint64_t i = 0; i < N / 2; i++) {
    double z[2];
    boltz_rng_normal(9, BOLTZ_STREAM_TEST, i, 1, z);
    cross += z[0] * z[1];
    for (int k = 0; k < 2; k++) {
      double power = 1;
      for (int p = 1; p <= 4; p++) m[p] += power *= z[k];
      tail += fabs(z[k]) > 1.959963984540054;
    }
  }
  /* each within 5 standard errors: var z = 1, var z^2 = 2, var z^3 = 15, var z^4 = 96 */
  CHECK_NEAR(m[1] / N, 0, 5 * sqrt(1.0 / N));
  CHECK_NEAR(m[2] / N, 1, 5 * sqrt(2.0 / N));
  CHECK_NEAR(m[3] / N, 0, 5 * sqrt(15.0 / N));
  CHECK_NEAR(m[4] / N, 3, 5 * sqrt(96.0 / N));
  CHECK_NEAR(cross / (N / 2.0), 0, 5 * sqrt(2.0 / N));
  CHECK_NEAR(tail / N, 0.05, 5 * sqrt(0.05 * 0.95 / N));
}

/* z0 = r cos, z1 = r sin with r^2 = -2 log u0 and angle 2 pi u1 */
static void normals_follow_box_and_muller(void) {
  for (uint64_t i = 0; i < 1000; i++) {
    double u[2], z[2];
    boltz_rng_uniform(3, BOLTZ_STREAM_TEST, i, 0, u);
    boltz_rng_normal(3, BOLTZ_STREAM_TEST, i, 0, z);
    /* a few roundings of numbers below 10 */
    CHECK_NEAR(z[0] * z[0] + z[1] * z[1], -2 * log(u[0]), 1e-13);
    double angle = atan2(z[1], z[0]) / 6.283185307179586;
    CHECK_NEAR(angle < 0 ? angle + 1 : angle, u[1], 1e-14);
  }
}

static void a_sample_does_not_depend_on_how_the_batch_is_cut(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  static const size_t cuts[] = {0, 1, 8, 23, 64, 100};
  for (int dim = 1; dim <= 5; dim++) {
    struct boltz_batch whole, part;
    CHECK_INT(boltz_batch_new(arena, 100, dim, &whole), BOLTZ_OK);
    boltz_rng_normals(5, BOLTZ_STREAM_TEST, 1000, &whole);
    for (size_t k = 0; k + 1 < sizeof cuts / sizeof *cuts; k++) {
      size_t n = cuts[k + 1] - cuts[k];
      CHECK_INT(boltz_batch_new(arena, n, dim, &part), BOLTZ_OK);
      boltz_rng_normals(5, BOLTZ_STREAM_TEST, 1000 + cuts[k], &part);
      for (int j = 0; j < dim; j++)
        CHECK(memcmp(part.col[j], whole.col[j] + cuts[k], n * sizeof(double)) == 0);
    }
  }
  boltz_arena_close(arena);
}

static void coordinate_j_comes_from_block_j_over_2(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_batch z, u;
  CHECK_INT(boltz_batch_new(arena, 4, 5, &z), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(arena, 4, 5, &u), BOLTZ_OK);
  boltz_rng_normals(5, BOLTZ_STREAM_TEST, 10, &z);
  boltz_rng_uniforms(5, BOLTZ_STREAM_TEST, 10, &u);
  for (int j = 0; j < 5; j++)
    for (size_t i = 0; i < 4; i++) {
      double normal[2], uniform[2];
      boltz_rng_normal(5, BOLTZ_STREAM_TEST, 10 + i, (uint32_t)j / 2, normal);
      boltz_rng_uniform(5, BOLTZ_STREAM_TEST, 10 + i, (uint32_t)j / 2, uniform);
      CHECK(z.col[j][i] == normal[j % 2]);
      CHECK(u.col[j][i] == uniform[j % 2]);
    }
  boltz_arena_close(arena);
}

static void seeds_streams_indices_and_blocks_are_uncorrelated(void) {
  double sum[4] = {0};
  for (uint64_t i = 0; i < N; i++) {
    double z[2], other[4][2];
    boltz_rng_normal(5, BOLTZ_STREAM_TEST, i, 0, z);
    boltz_rng_normal(6, BOLTZ_STREAM_TEST, i, 0, other[0]);
    boltz_rng_normal(5, BOLTZ_STREAM_SAMPLE, i, 0, other[1]);
    boltz_rng_normal(5, BOLTZ_STREAM_TEST, i + 1, 0, other[2]);
    boltz_rng_normal(5, BOLTZ_STREAM_TEST, i, 1, other[3]);
    for (int k = 0; k < 4; k++) sum[k] += z[0] * other[k][0];
  }
  for (int k = 0; k < 4; k++) CHECK_NEAR(sum[k] / N, 0, 5 / sqrt(N)); /* 5 standard errors */
}

static void the_upper_half_of_seed_and_index_counts(void) {
  uint32_t a[4], b[4], c[4];
  boltz_rng_bits(1, BOLTZ_STREAM_TEST, 1, 0, a);
  boltz_rng_bits(1 | UINT64_C(1) << 40, BOLTZ_STREAM_TEST, 1, 0, b);
  boltz_rng_bits(1, BOLTZ_STREAM_TEST, 1 | UINT64_C(1) << 40, 0, c);
  CHECK(memcmp(a, b, sizeof a) != 0);
  CHECK(memcmp(a, c, sizeof a) != 0);
}

int main(int argc, char **argv) {
  RUN(the_bits_are_those_of_philox4x32_10);
  RUN(uniforms_follow_their_formula);
  RUN(uniforms_are_uniform);
  RUN(normals_have_the_moments_of_a_normal);
  RUN(normals_follow_box_and_muller);
  RUN(a_sample_does_not_depend_on_how_the_batch_is_cut);
  RUN(coordinate_j_comes_from_block_j_over_2);
  RUN(seeds_streams_indices_and_blocks_are_uncorrelated);
  RUN(the_upper_half_of_seed_and_index_counts);
  return check_report();
}
