/* kernel.c - the list of kernels, which one this processor runs, and their layout of weights. */
#include "core/kernel/kernel.h"

#include <stdlib.h>
#include <string.h>

extern const struct boltz_kernel boltz_kernel_portable;
#ifdef __x86_64__
extern const struct boltz_kernel boltz_kernel_avx2, boltz_kernel_avx512;
#endif

static const struct boltz_kernel *const kernels[] = {
#ifdef __x86_64__
    &boltz_kernel_avx512,
    &boltz_kernel_avx2,
#endif
    &boltz_kernel_portable,
};

#define KERNELS ((int)(sizeof(kernels) / sizeof(kernels[0])))

const struct boltz_kernel *boltz_kernel_at(int index) {
  return index >= 0 && index < KERNELS ? kernels[index] : NULL;
}

const struct boltz_kernel *boltz_kernel_find(const char *name) {
  for (int k = 0; k < KERNELS; k++)
    if (strcmp(kernels[k]->name, name) == 0) return kernels[k]->present() ? kernels[k] : NULL;
  return NULL;
}

const struct boltz_kernel *boltz_kernel_auto(void) {
  const char *name = getenv("BOLTZ_KERNEL");
  const struct boltz_kernel *wanted = name ? boltz_kernel_find(name) : NULL;
  if (wanted) return wanted;
  int k = 0;
  while (!kernels[k]->present()) k++; /* the portable one always is */
  return kernels[k];
}

size_t boltz_kernel_packed_size(const struct boltz_linear *map) {
  return boltz_kernel_ld(map->out) * (map->in + 1);
}

size_t boltz_kernel_work_size(const struct boltz_linear *map, size_t rows) {
  const size_t panels = 4 * BOLTZ_PANEL * map->out, tile = boltz_kernel_ld(map->in) * rows;
  return panels > tile ? panels : tile;
}

void boltz_kernel_pack(const struct boltz_linear *map, const float *w, float *packed) {
  const float *bias = w + map->out * map->in;
  for (size_t first = 0; first < map->out; first += BOLTZ_PANEL) {
    const size_t lanes = map->out - first < BOLTZ_PANEL ? map->out - first : BOLTZ_PANEL;
    float *panel = packed + first * (map->in + 1);
    memset(panel, 0, (map->in + 1) * BOLTZ_PANEL * sizeof *panel);
    for (size_t lane = 0; lane < lanes; lane++) {
      const float *row = w + (first + lane) * map->in;
      panel[lane] = bias[first + lane];
      for (size_t k = 0; k < map->in; k++) panel[(k + 1) * BOLTZ_PANEL + lane] = row[k];
    }
  }
}
