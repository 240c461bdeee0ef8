/* portable.c - the kernel for every processor: fmaf() lane by lane. */
#define TARGET
#define LANES 4
#define FMA(a, b, c)                                                                               \
  ((vec){fmaf((a)[0], (b)[0], (c)[0]), fmaf((a)[1], (b)[1], (c)[1]), fmaf((a)[2], (b)[2], (c)[2]), \
         fmaf((a)[3], (b)[3], (c)[3])})
#define BROADCAST(x) ((vec){(x), (x), (x), (x)})
#define WIDE(rows) ((void)(rows), 1)
#define SHAPES(X) X(1, 4) X(2, 4) X(3, 4) X(4, 4) X(5, 4) X(6, 4)

#define KERNEL boltz_kernel_portable
#define KERNEL_NAME "portable"
#define KERNEL_DOC "any processor"
#define KERNEL_PRESENT true
#include "core/kernel/linear.inc"
