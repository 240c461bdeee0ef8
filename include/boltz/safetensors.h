/* safetensors.h - named tensors and strings in one file. */
#ifndef BOLTZ_SAFETENSORS_H
#define BOLTZ_SAFETENSORS_H

#include <stdbool.h>
#include <stdint.h>

#include "boltz/arena.h"
#include "boltz/status.h"
#include "boltz/text.h"

/** A tensor as it lies in a file. Dtypes: F32, F64, U64, U8, …; data is little-endian. */
struct boltz_safetensor {
  const char *name;
  const char *dtype;
  int rank;
  uint64_t shape[8];
  const void *data;
  size_t size; /* bytes */
};

struct boltz_safetensors {
  size_t nmeta;
  struct boltz_meta {
    const char *key, *value;
  } * meta;
  size_t ntensors;
  struct boltz_safetensor *tensors;
};

/** Append a whole file to `out`: metadata and tensors in the order given; the header is padded with
 * spaces so that data starts on a multiple of 8. Equal input gives equal bytes. */
void boltz_safetensors_write(const struct boltz_safetensors *file, struct boltz_text *out);

/**
 * Read a file: a view of `bytes`, which must outlive it; F32 and F64 data is copied to the arena
 * where it is not aligned. Holes, overlaps, bytes left over, duplicate names, wrong sizes, unknown
 * members: BAD_CHECKPOINT, naming the tensor or the byte.
 * Source: huggingface/safetensors, README and tensor.rs.
 */
enum boltz_status boltz_safetensors_read(const void *bytes, size_t size, struct boltz_arena *arena,
                                         struct boltz_safetensors *file);

const char *boltz_safetensors_meta(const struct boltz_safetensors *file, const char *key);
const struct boltz_safetensor *boltz_safetensors_tensor(const struct boltz_safetensors *file,
                                                        const char *name);

#endif
