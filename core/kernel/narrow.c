/* narrow.c - the list of narrow kernels, and bf16 for every processor: the float product of any
 * kernel adds input after input, so that with the inputs of a pair exchanged it adds the odd one
 * first. */
#include "core/kernel/narrow.h"
#include "core/base/vmath.h"

static size_t even(size_t in) {
  return in + in % 2;
}

static bool present(void) {
  return true;
}

static struct boltz_linear exchanged(const struct boltz_linear *map) {
  return (struct boltz_linear){.in = even(map->in), .out = map->out, .activation = map->activation};
}

static size_t packed_size(const struct boltz_linear *map) {
  const struct boltz_linear pairs = exchanged(map);
  return boltz_kernel_packed_size(&pairs) * sizeof(float);
}

static void pack(const struct boltz_linear *map, const float *w, const float *scale, float low,
                 void *packed, float *work) {
  const struct boltz_linear pairs = exchanged(map);
  (void)scale, (void)low;
  for (size_t o = 0; o < map->out; o++)
    for (size_t k = 0; k < pairs.in; k++)
      work[o * pairs.in + k] = (k ^ 1) < map->in ? w[o * map->in + (k ^ 1)] : 0;
  memcpy(work + map->out * pairs.in, w + map->out * map->in, map->out * sizeof *w);
  boltz_kernel_pack(&pairs, work, packed);
}

/* The pairs of rows rounded and exchanged; y may be x. */
BOLTZ_VECTORISED static void round_rows(size_t width, size_t rows, const float *x, float *y) {
  const size_t ld = boltz_kernel_ld(width);
  for (size_t r = 0; r < rows; r++, x += ld, y += ld) {
    for (size_t k = 0; k + 1 < width; k += 2) {
      const float first = boltz_bf16(x[k]), second = boltz_bf16(x[k + 1]);
      y[k] = second;
      y[k + 1] = first;
    }
    if (width % 2 == 0) continue;
    y[width] = boltz_bf16(x[width - 1]);
    y[width - 1] = 0;
  }
}

static void enter(const struct boltz_narrow_map *map, size_t rows, const float *x, void *y) {
  map->kernel->linear(&map->map, map->packed, rows, x, y);
  round_rows(map->map.out, rows, y, y);
}

static void leave(const struct boltz_narrow_map *map, size_t rows, const void *x, float *y) {
  const struct boltz_linear pairs = exchanged(&map->map);
  map->kernel->linear(&pairs, map->packed, rows, x, y);
}

static void through(const struct boltz_narrow_map *map, size_t rows, const void *x, void *y) {
  leave(map, rows, x, y);
  round_rows(map->map.out, rows, y, y);
}

static const struct boltz_narrow_kernel bf16_any = {
    .kernel = NULL,
    .precision = BOLTZ_BF16,
    .element = sizeof(float),
    .present = present,
    .packed_size = packed_size,
    .pack = pack,
    .enter = enter,
    .through = through,
    .leave = leave,
};

extern const struct boltz_narrow_kernel boltz_narrow_int8_portable;
#ifdef __x86_64__
extern const struct boltz_narrow_kernel boltz_narrow_bf16_avx512, boltz_narrow_int8_vnni,
    boltz_narrow_int8_avx2;
#endif

static const struct boltz_narrow_kernel *const kernels[] = {
#ifdef __x86_64__
    &boltz_narrow_bf16_avx512,
    &boltz_narrow_int8_vnni,
    &boltz_narrow_int8_avx2,
#endif
    &bf16_any,
    &boltz_narrow_int8_portable,
};

#define KERNELS ((int)(sizeof(kernels) / sizeof(kernels[0])))

const struct boltz_narrow_kernel *boltz_narrow_kernel_at(int index) {
  return index >= 0 && index < KERNELS ? kernels[index] : NULL;
}

/* Does a narrow kernel belong to `kernel` or to a slower one? */
static bool belongs(const struct boltz_narrow_kernel *narrow, const struct boltz_kernel *kernel) {
  if (!narrow->kernel) return true;
  int k = 0;
  while (boltz_kernel_at(k) && boltz_kernel_at(k) != kernel) k++;
  for (; boltz_kernel_at(k); k++)
    if (strcmp(boltz_kernel_at(k)->name, narrow->kernel) == 0) return true;
  return false;
}

const struct boltz_narrow_kernel *boltz_narrow_kernel_find(const struct boltz_kernel *kernel,
                                                           enum boltz_precision precision) {
  for (int k = 0; k < KERNELS; k++)
    if (kernels[k]->precision == precision && kernels[k]->present() && belongs(kernels[k], kernel))
      return kernels[k];
  return NULL;
}

const struct boltz_narrow_kernel *boltz_narrow_kernel_any(enum boltz_precision precision) {
  for (int k = 0; k < KERNELS; k++)
    if (kernels[k]->precision == precision && !kernels[k]->kernel) return kernels[k];
  return NULL;
}
