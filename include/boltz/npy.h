/* npy.h - arrays to and from NPY. */
#ifndef BOLTZ_NPY_H
#define BOLTZ_NPY_H

#include <stddef.h>

#include "boltz/arena.h"
#include "boltz/status.h"

/** Longest header written, the magic included. */
#define BOLTZ_NPY_HEADER 128

/** Write the NPY v1.0 header of a C-ordered <f8 array [n, dim]; returns its length, a multiple
 * of 64. */
size_t boltz_npy_header(size_t n, size_t dim, char header[BOLTZ_NPY_HEADER]);

/**
 * Read a 1-D or 2-D array: version 1.0 or 2.0, <f8 or <f4, C order; a 1-D array of n is [n, 1].
 * rows [n, dim] lies in the arena. Errors: MALFORMED_NPY, naming what was found and what is read.
 */
enum boltz_status boltz_npy_read(const void *bytes, size_t size, struct boltz_arena *arena,
                                 double **rows, size_t *n, size_t *dim);

#endif
