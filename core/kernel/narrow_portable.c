/* narrow_portable.c - int8 for every processor: plain vectors of 4. */
#include <stdint.h>

typedef int32_t vec __attribute__((vector_size(16)));
typedef int8_t bytes __attribute__((vector_size(4), aligned(1), may_alias));
typedef vec operand;
typedef int16_t element;
typedef int8_t weight;

#define TARGET
#define BF16 0
#define GROUP 1
#define LANES 4
#define FROM_LOW 0
#define SPREAD(x) ((vec){*(x), *(x), *(x), *(x)})
#define LOAD(w) __builtin_convertvector(*(const bytes *)(w), vec)
#define DOT(sum, x, w) ((sum) + (x) * (w))
#define WIDE(rows) ((void)(rows), 1)
#define SHAPES(X) X(1, 4) X(2, 4) X(3, 4) X(4, 4) X(5, 4) X(6, 4)

#define NARROW boltz_narrow_int8_portable
#define NARROW_KERNEL NULL
#define NARROW_PRESENT true
#include "core/kernel/narrow.inc"
