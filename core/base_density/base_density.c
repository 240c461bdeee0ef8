/* base_density.c - the list of base densities. */
#include "boltz/base_density.h"

#include <string.h>

#include "boltz/layer.h"

#define BOLTZ_BASE(kind) extern const struct boltz_base_kind boltz_base_##kind;
#include "core/base_density/list.h"
#undef BOLTZ_BASE

static const struct boltz_base_kind *const kinds[] = {
#define BOLTZ_BASE(kind) &boltz_base_##kind,
#include "core/base_density/list.h"
#undef BOLTZ_BASE
};

#define KINDS ((int)(sizeof(kinds) / sizeof(kinds[0])))

const struct boltz_base_kind *boltz_base_kind_at(int index) {
  return index >= 0 && index < KINDS ? kinds[index] : NULL;
}

const struct boltz_base_kind *boltz_base_kind_find(const char *name) {
  for (int k = 0; k < KINDS; k++)
    if (strcmp(kinds[k]->name, name) == 0) return kinds[k];
  return NULL;
}

enum boltz_status boltz_base_new(const struct boltz_base_kind *kind, const void *settings, int dim,
                                 struct boltz_domain *domain, struct boltz_arena *arena,
                                 struct boltz_base *base) {
  *base = (struct boltz_base){.kind = kind, .settings = settings, .dim = dim};
  for (int j = 0; j < dim; j++) domain[j] = (struct boltz_domain){.type = BOLTZ_REAL};
  if (kind->build) BOLTZ_TRY(kind->build(base, domain, arena));
  struct boltz_tensor tensor;
  while (kind->tensor && kind->tensor(base, base->tensors, &tensor)) base->tensors++;
  return BOLTZ_OK;
}

void boltz_base_sample(const struct boltz_base *base, const float *w, uint64_t seed,
                       enum boltz_stream stream, uint64_t first, struct boltz_batch *z,
                       struct boltz_arena *scratch) {
  base->kind->sample(base, w, seed, stream, first, z, scratch);
}

void boltz_base_log_density(const struct boltz_base *base, const float *w,
                            const struct boltz_batch *z, double *log_p, struct boltz_batch *glog_p,
                            struct boltz_arena *scratch) {
  base->kind->log_density(base, w, z, log_p, glog_p, scratch);
}

double boltz_base_entropy(const struct boltz_base *base, const float *w) {
  return base->kind->entropy(base, w);
}
