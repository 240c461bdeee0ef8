/* adam.h - the optimizer. */
#ifndef BOLTZ_ADAM_H
#define BOLTZ_ADAM_H

#include <stddef.h>
#include <stdint.h>

/** Settings of one update; the moments m and v belong to the caller. */
struct boltz_adam {
  double beta1, beta2, epsilon; /* 0.9, 0.999, 1e-8 */
};

#define BOLTZ_ADAM_DEFAULT ((struct boltz_adam){.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8})

/**
 * One Adam step on n weights, step counting from 1.
 *   w, m, v  [n] in and out     g [n] gradient, multiplied by `scale` first (clipping)
 * Source: Kingma & Ba 2015, algorithm 1.
 */
void boltz_adam_update(const struct boltz_adam *adam, double learning_rate, double scale,
                       uint64_t step, size_t n, const float *g, float *w, float *m, float *v);

#endif
