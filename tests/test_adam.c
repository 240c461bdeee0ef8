/* test_adam.c - the optimizer against its own recurrence written out in double. */
#include "boltz/adam.h"
#include "check.h"

#define N 37 /* no multiple of a vector: the loop's tail is tested too */
#define STEPS 50

static float gradient(int i, int step) {
  return (float)sin(1.0 + i + 0.3 * step) * (float)pow(10, i % 7 - 3);
}

static void a_step_follows_kingma_and_ba(void) {
  const struct boltz_adam adam = BOLTZ_ADAM_DEFAULT;
  float w[N], m[N] = {0}, v[N] = {0}, g[N];
  double rw[N], rm[N] = {0}, rv[N] = {0};
  for (int i = 0; i < N; i++) rw[i] = w[i] = (float)i / 8 - 2;
  for (int step = 1; step <= STEPS; step++) {
    for (int i = 0; i < N; i++) g[i] = gradient(i, step);
    boltz_adam_update(&adam, 0.01, 0.5, (uint64_t)step, N, g, w, m, v);
    for (int i = 0; i < N; i++) {
      const double gi = 0.5 * g[i];
      rm[i] = 0.9 * rm[i] + 0.1 * gi;
      rv[i] = 0.999 * rv[i] + 0.001 * gi * gi;
      rw[i] -=
          0.01 * (rm[i] / (1 - pow(0.9, step))) / (sqrt(rv[i] / (1 - pow(0.999, step))) + 1e-8);
    }
  }
  /* 50 float steps of at most 0.01 on |w| < 4: 50 roundings of 2^-23·4, and float moments whose
     relative error of some 1e-6 moves each step by 1e-8 */
  for (int i = 0; i < N; i++) CHECK_NEAR(w[i], rw[i], 3e-5);
}

static void the_first_step_is_the_learning_rate_whatever_the_gradient(void) {
  const struct boltz_adam adam = BOLTZ_ADAM_DEFAULT;
  float w[3] = {0}, m[3] = {0}, v[3] = {0};
  const float g[3] = {1e-3f, -5, 1e4f};
  boltz_adam_update(&adam, 0.25, 1, 1, 3, g, w, m, v);
  /* g/(|g| + 1e-8): 1e-5 off one at worst */
  CHECK_NEAR(w[0], -0.25, 1e-5);
  CHECK_NEAR(w[1], 0.25, 1e-5);
  CHECK_NEAR(w[2], -0.25, 1e-5);
}

static void a_zero_gradient_moves_nothing(void) {
  const struct boltz_adam adam = BOLTZ_ADAM_DEFAULT;
  float w[2] = {1.5f, -2}, m[2] = {0}, v[2] = {0};
  const float g[2] = {0};
  boltz_adam_update(&adam, 0.1, 1, 1, 2, g, w, m, v);
  CHECK(w[0] == 1.5f && w[1] == -2);
}

static void slices_of_the_weights_give_the_bits_of_the_whole(void) {
  const struct boltz_adam adam = BOLTZ_ADAM_DEFAULT;
  float w[2][N], m[2][N] = {{0}}, v[2][N] = {{0}}, g[N];
  for (int i = 0; i < N; i++) w[0][i] = w[1][i] = (float)i / 3;
  for (int step = 1; step <= 5; step++) {
    for (int i = 0; i < N; i++) g[i] = gradient(i, step);
    boltz_adam_update(&adam, 0.01, 0.3, (uint64_t)step, N, g, w[0], m[0], v[0]);
    for (int at = 0; at < N; at += 5) {
      const size_t n = at + 5 < N ? 5 : (size_t)(N - at);
      boltz_adam_update(&adam, 0.01, 0.3, (uint64_t)step, n, g + at, w[1] + at, m[1] + at,
                        v[1] + at);
    }
  }
  CHECK(memcmp(w[0], w[1], sizeof w[0]) == 0);
  CHECK(memcmp(v[0], v[1], sizeof v[0]) == 0);
}

int main(int argc, char **argv) {
  RUN(a_step_follows_kingma_and_ba);
  RUN(the_first_step_is_the_learning_rate_whatever_the_gradient);
  RUN(a_zero_gradient_moves_nothing);
  RUN(slices_of_the_weights_give_the_bits_of_the_whole);
  return check_report();
}
