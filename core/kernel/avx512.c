/* avx512.c - the kernel for x86-64 with AVX-512: vectors of 16. */
#ifdef __x86_64__
#include <immintrin.h>

#include "core/kernel/lanes_avx512.h"

#define TARGET __attribute__((target("avx512f,avx2,fma")))
#define WIDE(rows) ((void)(rows), 4)
#define SHAPES(X) \
  X(1, 1)         \
  X(2, 1) X(3, 1) X(4, 1) X(5, 1) X(6, 1) X(1, 4) X(2, 4) X(3, 4) X(4, 4) X(5, 4) X(6, 4)

#define KERNEL boltz_kernel_avx512
#define KERNEL_NAME "avx512"
#define KERNEL_DOC "x86-64 with AVX-512F"
#define KERNEL_PRESENT (__builtin_cpu_supports("avx512f"))
#define KERNEL_COLUMNS boltz_columns_avx2
#include "core/kernel/linear.inc"
#else
typedef int boltz_kernel_avx512_is_for_x86;
#endif
