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

void boltz_layer_domains(const struct boltz_layer *layer, struct boltz_domain *domain) {
  if (layer->kind->domains) {
    layer->kind->domains(layer, domain);
    return;
  }
  for (int j = 0; j < layer->dim; j++) domain[j].type = BOLTZ_REAL;
}
