/* avx2.c - the kernel for x86-64 with AVX2 and FMA: vectors of 8. */
#ifdef __x86_64__
#include <immintrin.h>

#include "core/kernel/lanes_avx2.h"

#define TARGET __attribute__((target("avx2,fma")))

/* Few rows take several panels at once, so that enough sums are under way to fill the pipeline. */
#define WIDE(rows) ((rows) == 1 ? 4 : (rows) <= 3 ? 2 : 1)
#define SHAPES(X) \
  X(1, 1)         \
  X(2, 1)         \
  X(3, 1)         \
  X(4, 1) X(5, 1) X(6, 1) X(1, 2) X(2, 2) X(3, 2) X(4, 2) X(5, 2) X(6, 2) X(1, 8) X(2, 4) X(3, 4)

#define KERNEL boltz_kernel_avx2
#define KERNEL_NAME "avx2"
#define KERNEL_DOC "x86-64 with AVX2 and FMA"
#define KERNEL_PRESENT (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
#define KERNEL_COLUMNS boltz_columns_avx2
#include "core/kernel/linear.inc"
#else
typedef int boltz_kernel_avx2_is_for_x86;
#endif
