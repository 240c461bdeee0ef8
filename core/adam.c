/* adam.c - the optimizer: one plain loop over the weights. */
#include "boltz/adam.h"

#include <math.h>

#include "core/base/vmath.h"

/* m ← β1·m + (1 − β1)·g      v ← β2·v + (1 − β2)·g²
   w ← w − rate·[m / (1 − β1^t)] / (√[v / (1 − β2^t)] + ε)
   The bias corrections are taken in double, once; the loop is float and vectorises. */
BOLTZ_VECTORISED void boltz_adam_update(const struct boltz_adam *adam, double learning_rate,
                                        double scale, uint64_t step, size_t n, const float *g,
                                        float *w, float *m, float *v) {
  const float beta1 = (float)adam->beta1, rest1 = (float)(1 - adam->beta1);
  const float beta2 = (float)adam->beta2, rest2 = (float)(1 - adam->beta2);
  const float rate = (float)(learning_rate / (1 - pow(adam->beta1, (double)step)));
  const float unbias = (float)(1 / (1 - pow(adam->beta2, (double)step)));
  const float epsilon = (float)adam->epsilon, factor = (float)scale;
  const float *restrict gi = g;
  float *restrict wi = w, *restrict mi = m, *restrict vi = v;
  for (size_t i = 0; i < n; i++) {
    const float gradient = gi[i] * factor;
    mi[i] = beta1 * mi[i] + rest1 * gradient;
    vi[i] = beta2 * vi[i] + rest2 * gradient * gradient;
    wi[i] -= rate * mi[i] / (sqrtf(vi[i] * unbias) + epsilon);
  }
}
