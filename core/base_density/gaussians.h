/* gaussians.h - a mixture of Gaussians held as float numbers: what the bases made of one share.
 *
 * Its tensors, in their order: weight [K], of any sum, 0 for a component that is not there; mean
 * [K, dim]; factor [K dim, dim], of every component a lower triangle A with A^T A the inverse of
 * its covariance. These floats define the density exactly: all arithmetic on them is double. */
#ifndef BASE_DENSITY_GAUSSIANS_H
#define BASE_DENSITY_GAUSSIANS_H

#include "boltz/base_density.h"

/** Its size; what a base of this sort has as its plan. */
struct boltz_gaussians {
  int components, dim;
};

/** For build(): that many components are base->plan, their numbers base->nw. Errors: OUT_OF_RANGE
 * (too many numbers) at `pointer`, NO_MEMORY. */
enum boltz_status boltz_gaussians_build(struct boltz_base *base, int components,
                                        const char *pointer, struct boltz_arena *arena);

/** kind->tensor, init (the first component a standard normal, and the only one), sample,
 * log_density and entropy. */
bool boltz_gaussians_tensor(const struct boltz_base *base, int k, struct boltz_tensor *tensor);
void boltz_gaussians_init(const struct boltz_base *base, float *w);
void boltz_gaussians_sample(const struct boltz_base *base, const float *w, uint64_t seed,
                            enum boltz_stream stream, uint64_t first, struct boltz_batch *z,
                            struct boltz_arena *scratch);
void boltz_gaussians_log_density(const struct boltz_base *base, const float *w,
                                 const struct boltz_batch *z, double *log_p,
                                 struct boltz_batch *glog_p, struct boltz_arena *scratch);
double boltz_gaussians_entropy(const struct boltz_base *base, const float *w);

/** The probability of each component [K columns of n] at z [n, dim], and log p0(z) [n]. */
void boltz_gaussians_share(const struct boltz_gaussians *of, const float *w,
                           const struct boltz_batch *z, double *log_p, struct boltz_batch *share,
                           struct boltz_arena *scratch);

/** Take every component away. */
void boltz_gaussians_clear(const struct boltz_gaussians *of, float *w);

/**
 * Set component k: weight >= 0, mean [dim] and the inverse of its covariance [dim, dim], which is
 * destroyed. Errors: OUT_OF_RANGE when that is not positive definite.
 */
enum boltz_status boltz_gaussians_set(const struct boltz_gaussians *of, float *w, int k,
                                      double weight, const double *mean, double *precision);

/** The same of an isotropic one, of that standard deviation. */
void boltz_gaussians_set_isotropic(const struct boltz_gaussians *of, float *w, int k, double weight,
                                   const double *mean, double deviation);

#endif
