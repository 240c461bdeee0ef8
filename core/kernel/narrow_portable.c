/* narrow_portable.c - int8 for every processor: plain vectors of 4. */
#include <stdint.h>

#include "core/kernel/lanes_portable.h"

typedef int32_t sums __attribute__((vector_size(16), may_alias));
typedef int8_t bytes __attribute__((vector_size(4), aligned(1), may_alias));
typedef sums operand;
typedef int16_t element;
typedef int8_t weight;

#define TARGET
#define BF16 0
#define GROUP 1
#define FROM_LOW 0
#define SPREAD(x) ((sums){*(x), *(x), *(x), *(x)})
#define LOAD(w) __builtin_convertvector(*(const bytes *)(w), sums)
#define DOT(sum, x, w) ((sum) + (x) * (w))
#define STORE(to, q) \
  for (int i = 0; i < BOLTZ_PANEL; i++) (to)[i] = (int16_t)(q)[i / LANES][i % LANES]
#define WIDE(rows) ((void)(rows), 1)
#define SHAPES(X) X(1, 4) X(2, 4) X(3, 4) X(4, 4) X(5, 4) X(6, 4)

#define NARROW boltz_narrow_int8_portable
#define NARROW_KERNEL NULL
#define NARROW_PRESENT true
#include "core/kernel/narrow.inc"
