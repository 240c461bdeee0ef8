/* base_density.h - the density p0(z) that a flow starts from. */
#ifndef BOLTZ_BASE_DENSITY_H
#define BOLTZ_BASE_DENSITY_H

#include "boltz/batch.h"
#include "boltz/field.h"
#include "boltz/rng.h"

struct boltz_domain;

/** A kind of base density: the constant table at the end of its file. */
struct boltz_base_kind {
  const char *name;
  const char *doc;
  const char *source;
  const struct boltz_field *fields;
  size_t settings_size;

  /* Check the settings against dim and say where latents live: changes domain [dim], which comes
     all real; NULL: that is so, and nothing is refused. `arena` is for what the checks need. */
  enum boltz_status (*domains)(const void *settings, int dim, struct boltz_domain *domain,
                               struct boltz_arena *arena);

  /* Latents first … first+n-1 of (seed, stream); each depends on its own index only. */
  void (*sample)(const void *settings, uint64_t seed, enum boltz_stream stream, uint64_t first,
                 struct boltz_batch *z);

  /* log p0(z) [n] and, unless glog_p is NULL, its gradient [n, dim]. */
  void (*log_density)(const void *settings, const struct boltz_batch *z, double *log_p,
                      struct boltz_batch *glog_p);

  /* S(p0) [nats], what the floor of J_KL is made of. */
  double (*entropy)(const void *settings, int dim);
};

const struct boltz_base_kind *boltz_base_kind_at(int index);
const struct boltz_base_kind *boltz_base_kind_find(const char *name);

/** Where latents live [dim]. Errors: those of the kind's domains(). */
enum boltz_status boltz_base_domains(const struct boltz_base_kind *kind, const void *settings,
                                     int dim, struct boltz_domain *domain,
                                     struct boltz_arena *arena);

#endif
