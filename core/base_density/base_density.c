/* base_density.c - the list of base densities. */
#include "boltz/base_density.h"

#include <string.h>

#include "boltz/energy.h"

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

enum boltz_status boltz_base_domains(const struct boltz_base_kind *kind, const void *settings,
                                     int dim, struct boltz_domain *domain,
                                     struct boltz_arena *arena) {
  for (int j = 0; j < dim; j++) domain[j] = (struct boltz_domain){.type = BOLTZ_REAL};
  return kind->domains ? kind->domains(settings, dim, domain, arena) : BOLTZ_OK;
}
