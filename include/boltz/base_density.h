/* base_density.h - the density p0(z) that a flow starts from. */
#ifndef BOLTZ_BASE_DENSITY_H
#define BOLTZ_BASE_DENSITY_H

#include "boltz/batch.h"
#include "boltz/field.h"
#include "boltz/rng.h"

struct boltz_domain;
struct boltz_tensor;
struct boltz_base;

/** What numbers of a base are fitted to; its kind takes what it needs. */
struct boltz_base_evidence {
  struct boltz_batch z; /* latents of the data; n = 0: there are none */
  uint64_t seed;

  /* The energy of latents, u_z(z) = u(F(z)) - log|det dF/dz| [n], and its gradient [n, dim];
     `rows` of them are work for a slice. NULL: no energy is known. */
  void (*energy)(void *owner, const struct boltz_batch *z, double *u, struct boltz_batch *g,
                 struct boltz_arena *scratch);
  void *owner;
  size_t rows;
};

/** A kind of base density: the constant table at the end of its file. */
struct boltz_base_kind {
  const char *name;
  const char *doc;
  const char *source;
  const struct boltz_field *fields;
  size_t settings_size;

  /* Check the settings against base->dim; set plan and nw, and say where latents live: changes
     domain [dim], which comes all real. NULL: no numbers, latents are real, nothing is refused. */
  enum boltz_status (*build)(struct boltz_base *base, struct boltz_domain *domain,
                             struct boltz_arena *arena);

  /* Tensor number k, false past the last. NULL: no numbers. */
  bool (*tensor)(const struct boltz_base *base, int k, struct boltz_tensor *tensor);

  /* Numbers [nw] that are a density already. NULL: none. */
  void (*init)(const struct boltz_base *base, float *w);

  /* Numbers by evidence, in slices of a few milliseconds: fit_open() makes in the arena what is
     being worked on, *fit NULL when nothing is; fit_step() sets *more while there is more, and
     after the last step w is fitted. evidence, w and arena live until then. Never trained
     afterwards. NULL: never fitted; one that is fitted may be all of a flow. */
  enum boltz_status (*fit_open)(const struct boltz_base *base,
                                const struct boltz_base_evidence *evidence, float *w,
                                struct boltz_arena *arena, void **fit);
  enum boltz_status (*fit_step)(void *fit, bool *more, struct boltz_arena *scratch);

  /* Latents first … first+n-1 of (seed, stream); each depends on its own index only. */
  void (*sample)(const struct boltz_base *base, const float *w, uint64_t seed,
                 enum boltz_stream stream, uint64_t first, struct boltz_batch *z,
                 struct boltz_arena *scratch);

  /* log p0(z) [n] and, unless glog_p is NULL, its gradient [n, dim]. */
  void (*log_density)(const struct boltz_base *base, const float *w, const struct boltz_batch *z,
                      double *log_p, struct boltz_batch *glog_p, struct boltz_arena *scratch);

  /* S(p0) [nats], what the floor of J_KL is made of; NaN: it has no closed form. */
  double (*entropy)(const struct boltz_base *base, const float *w);
};

/** A base at work. Its numbers, as a layer's, are a part of the flow's weights: the first nw. */
struct boltz_base {
  const struct boltz_base_kind *kind;
  const void *settings;
  int dim;
  void *plan; /* what build() worked out */
  size_t nw;
  int tensors; /* how many its numbers are */
};

const struct boltz_base_kind *boltz_base_kind_at(int index);
const struct boltz_base_kind *boltz_base_kind_find(const char *name);

/** Make a base in the arena, and say where its latents live [dim]. Errors: those of build(). */
enum boltz_status boltz_base_new(const struct boltz_base_kind *kind, const void *settings, int dim,
                                 struct boltz_domain *domain, struct boltz_arena *arena,
                                 struct boltz_base *base);

/** The functions of its kind; exhausted scratch shows as NaN in every row. */
void boltz_base_sample(const struct boltz_base *base, const float *w, uint64_t seed,
                       enum boltz_stream stream, uint64_t first, struct boltz_batch *z,
                       struct boltz_arena *scratch);
void boltz_base_log_density(const struct boltz_base *base, const float *w,
                            const struct boltz_batch *z, double *log_p, struct boltz_batch *glog_p,
                            struct boltz_arena *scratch);
double boltz_base_entropy(const struct boltz_base *base, const float *w);

#endif
