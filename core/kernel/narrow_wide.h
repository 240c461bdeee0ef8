/* narrow_wide.h - the register tiles of 32 registers of 16 sums: up to 6 rows by 4 panels. */
#ifndef BOLTZ_KERNEL_NARROW_WIDE_H
#define BOLTZ_KERNEL_NARROW_WIDE_H

#define WIDE(rows) ((void)(rows), 4)
#define FOUR(X, r) X(r, 1) X(r, 2) X(r, 3) X(r, 4)
#define SHAPES(X) FOUR(X, 1) FOUR(X, 2) FOUR(X, 3) FOUR(X, 4) FOUR(X, 5) FOUR(X, 6)

#endif
