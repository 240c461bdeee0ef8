/* kernel.c - the list of kernels, which one this processor runs, and their layout of weights. */
#include "core/kernel/kernel.h"

#include <stdatomic.h>
#include <stdint.h>
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

/* Some 40 microseconds of trial: whole and part panels, several at once, one output; one row and
   uneven tiles. Any width times its panels' inputs stays below the trial's width squared. */
#define TRIAL_ROWS 7
#define TRIAL_WIDTH 96
static const struct boltz_linear trials[] = {
    {.in = 5, .out = 83, .activation = BOLTZ_TANH},
    {.in = 9, .out = 40, .activation = BOLTZ_SILU},
    {.in = 33, .out = 1, .activation = BOLTZ_RELU},
    {.in = 70, .out = 2, .few = true},
};

/* Some floats in [-1, 1) that need no generator. */
static void fill(size_t n, float *out) {
  uint32_t bits = 1;
  for (size_t i = 0; i < n; i++) {
    bits = bits * 1664525 + 1013904223; /* Numerical Recipes */
    out[i] = (float)(bits >> 8) * 0x1p-23f - 1;
  }
}

/* Does it give the portable kernel's bits? */
static bool right(const struct boltz_kernel *kernel, const struct boltz_linear *map, size_t rows) {
  float w[TRIAL_WIDTH * TRIAL_WIDTH], packed[TRIAL_WIDTH * TRIAL_WIDTH];
  float x[TRIAL_ROWS * TRIAL_WIDTH], y[2][TRIAL_ROWS * TRIAL_WIDTH];
  const size_t ldy = boltz_kernel_ld(map->out);
  fill(map->out * (map->in + 1), w);
  fill(TRIAL_ROWS * TRIAL_WIDTH, x);
  boltz_kernel_pack(map, w, packed);
  kernel->linear(map, packed, rows, x, y[0]);
  boltz_kernel_portable.linear(map, packed, rows, x, y[1]);
  for (size_t r = 0; r < rows; r++)
    if (memcmp(y[0] + r * ldy, y[1] + r * ldy, map->out * sizeof(float)) != 0) return false;
  return true;
}

static bool passes(const struct boltz_kernel *kernel) {
  if (!kernel->present()) return false;
  if (kernel == &boltz_kernel_portable) return true;
  for (size_t t = 0; t < sizeof trials / sizeof trials[0]; t++)
    if (!right(kernel, &trials[t], 1) || !right(kernel, &trials[t], TRIAL_ROWS)) return false;
  return true;
}

/* The trial's outcome is a fact about the processor, so remembering it is no state: whichever
   thread asks first writes what every other would. */
static bool trusted(int k) {
  enum { UNKNOWN, RIGHT, WRONG };
  static atomic_int outcome[KERNELS];
  int known = atomic_load_explicit(&outcome[k], memory_order_relaxed);
  if (known == UNKNOWN) {
    known = passes(kernels[k]) ? RIGHT : WRONG;
    atomic_store_explicit(&outcome[k], known, memory_order_relaxed);
  }
  return known == RIGHT;
}

const struct boltz_kernel *boltz_kernel_auto(void) {
  const char *name = getenv("BOLTZ_KERNEL");
  const struct boltz_kernel *wanted = name ? boltz_kernel_find(name) : NULL;
  if (wanted) return wanted;
  int k = 0;
  while (!trusted(k)) k++; /* the portable one always is */
  return kernels[k];
}

size_t boltz_kernel_packed_size(const struct boltz_linear *map) {
  if (map->few) return BOLTZ_PANEL + map->out * boltz_kernel_ld(map->in);
  return boltz_kernel_ld(map->out) * (map->in + 1);
}

size_t boltz_kernel_work_size(const struct boltz_linear *map, size_t rows) {
  return boltz_kernel_ld(map->in) * rows;
}

static void pack_few(const struct boltz_linear *map, const float *w, float *packed) {
  float *row = packed + BOLTZ_PANEL;
  memset(packed, 0, boltz_kernel_packed_size(map) * sizeof *packed);
  memcpy(packed, w + map->out * map->in, map->out * sizeof *packed);
  for (size_t o = 0; o < map->out; o++, row += boltz_kernel_ld(map->in))
    memcpy(row, w + o * map->in, map->in * sizeof *row);
}

void boltz_kernel_pack(const struct boltz_linear *map, const float *w, float *packed) {
  const float *bias = w + map->out * map->in;
  if (map->few) return pack_few(map, w, packed);
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

size_t boltz_kernel_turned_size(const struct boltz_linear *map) {
  return boltz_kernel_ld(map->in) * map->out;
}

void boltz_kernel_turn(const struct boltz_linear *map, const float *w, float *turned) {
  for (size_t o = 0; o < map->out; o++)
    for (size_t first = 0; first < map->in; first += BOLTZ_PANEL) {
      const size_t lanes = map->in - first < BOLTZ_PANEL ? map->in - first : BOLTZ_PANEL;
      float *to = turned + first * map->out + o * BOLTZ_PANEL;
      memset(to, 0, BOLTZ_PANEL * sizeof *to);
      memcpy(to, w + o * map->in + first, lanes * sizeof *to);
    }
}
