/* layer.c - the list of layers. */
#include "boltz/layer.h"

#include <string.h>

#define BOLTZ_LAYER(kind) extern const struct boltz_layer_kind boltz_layer_##kind;
#include "core/layer/list.h"
#undef BOLTZ_LAYER

static const struct boltz_layer_kind *const kinds[] = {
#define BOLTZ_LAYER(kind) &boltz_layer_##kind,
#include "core/layer/list.h"
#undef BOLTZ_LAYER
};

#define KINDS ((int)(sizeof(kinds) / sizeof(kinds[0])))

const struct boltz_layer_kind *boltz_layer_kind_at(int index) {
  return index >= 0 && index < KINDS ? kinds[index] : NULL;
}

const struct boltz_layer_kind *boltz_layer_kind_find(const char *name) {
  for (int k = 0; k < KINDS; k++)
    if (strcmp(kinds[k]->name, name) == 0) return kinds[k];
  return NULL;
}

static void pass_domains(const struct boltz_layer *layer, struct boltz_domain *domain) {
  if (layer->kind->domains) {
    layer->kind->domains(layer, domain);
    return;
  }
  for (int j = 0; j < layer->dim; j++) domain[j].type = BOLTZ_REAL;
}

enum boltz_status boltz_layer_build(struct boltz_layer *layer, struct boltz_domain *domain,
                                    struct boltz_arena *arena) {
  layer->domain = domain;
  const enum boltz_status status = layer->kind->build ? layer->kind->build(layer, arena) : BOLTZ_OK;
  layer->domain = NULL;
  if (status == BOLTZ_OK) pass_domains(layer, domain);
  return status;
}

enum boltz_status boltz_layer_check_open(const struct boltz_layer *layer, int64_t j) {
  if (layer->domain[j].type != BOLTZ_PERIODIC) return BOLTZ_OK;
  return boltz_fail(BOLTZ_OUT_OF_RANGE,
                    "x%lld is periodic here, and %s would tear its ends apart: spline_coupling, "
                    "spline and circular_shift move periodic coordinates",
                    (long long)j + 1, layer->kind->name);
}
