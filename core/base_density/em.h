/* em.h - a Gaussian mixture fitted to rows by expectation and maximisation, in slices. */
#ifndef BASE_DENSITY_EM_H
#define BASE_DENSITY_EM_H

#include "core/base_density/gaussians.h"

/**
 * Begin to fit w to z [n, dim], n > 0, from centres drawn by the seed; z and w live until the last
 * step. The same z and seed give the same numbers. Errors: NO_MEMORY.
 *
 *   iterations   at most; it ends before when a row's likelihood hardly grows
 */
struct boltz_em;
enum boltz_status boltz_em_new(const struct boltz_gaussians *of, const struct boltz_batch *z,
                               uint64_t seed, int iterations, float *w, struct boltz_arena *arena,
                               struct boltz_em **em);

/** Some more of it; *more: not yet the end. Errors: OUT_OF_RANGE, NO_MEMORY. */
enum boltz_status boltz_em_step(struct boltz_em *em, bool *more, struct boltz_arena *scratch);

#endif
