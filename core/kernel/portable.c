/* portable.c - the kernel for every processor: plain vectors of 4. */
#include "core/kernel/lanes_portable.h"

#define TARGET
#define WIDE(rows) ((void)(rows), 1)
#define SHAPES(X) X(1, 4) X(2, 4) X(3, 4) X(4, 4) X(5, 4) X(6, 4)

#define KERNEL boltz_kernel_portable
#define KERNEL_NAME "portable"
#define KERNEL_DOC "any processor"
#define KERNEL_PRESENT true
#define KERNEL_COLUMNS boltz_columns_portable
#include "core/kernel/linear.inc"
