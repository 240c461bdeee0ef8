/* portable.c - the kernel for every processor: fmaf() lane by lane. */
#define TARGET
#define LANES 4
#define FMA(a, b, c)                                                                               \
  ((vec){fmaf((a)[0], (b)[0], (c)[0]), fmaf((a)[1], (b)[1], (c)[1]), fmaf((a)[2], (b)[2], (c)[2]), \
         fmaf((a)[3], (b)[3], (c)[3])})
#define LARGER(a, b) ((a) > (b) ? (a) : (b))
#define SMALLER(a, b) ((a) < (b) ? (a) : (b))
#define LANEWISE(f, a, b) \
  ((vec){f((a)[0], (b)[0]), f((a)[1], (b)[1]), f((a)[2], (b)[2]), f((a)[3], (b)[3])})
#define MAX(a, b) LANEWISE(LARGER, a, b)
#define MIN(a, b) LANEWISE(SMALLER, a, b)
#define BROADCAST(x) ((vec){(x), (x), (x), (x)})
#define WIDE(rows) ((void)(rows), 1)
#define SHAPES(X) X(1, 4) X(2, 4) X(3, 4) X(4, 4) X(5, 4) X(6, 4)

#define KERNEL boltz_kernel_portable
#define KERNEL_NAME "portable"
#define KERNEL_DOC "any processor"
#define KERNEL_PRESENT true
#define KERNEL_COLUMNS boltz_columns_portable
#include "core/kernel/linear.inc"
