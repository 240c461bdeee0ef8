/* checkpoint.h - a flow to and from a safetensors file. */
#ifndef BOLTZ_CHECKPOINT_H
#define BOLTZ_CHECKPOINT_H

#include "boltz/flow.h"
#include "boltz/safetensors.h"

/** What a checkpoint says beside its weights. Texts live in the arena or with the caller. */
struct boltz_checkpoint {
  const char *model;
  struct boltz_energy energy;
  struct boltz_flow flow;
  struct boltz_weights weights; /* after reading: packed, and served in their precision */
  int64_t step;
  uint64_t seed;
  const char *producer; /* "boltzd 1.0.0" */
  const char *metrics;  /* a JSON object */
};

/** The file as bytes. Equal content gives equal bytes. Errors: NO_MEMORY. */
enum boltz_status boltz_checkpoint_write(const struct boltz_checkpoint *checkpoint,
                                         struct boltz_arena *scratch, struct boltz_text *out);

/**
 * Read one: energy, flow and weights are made in the arena.
 * Errors: BAD_CHECKPOINT for anything that is not as documented: format, version, a tensor that is
 * missing, extra or of another shape, a weight that is not finite; NO_MEMORY.
 */
enum boltz_status boltz_checkpoint_read(const void *bytes, size_t size, struct boltz_arena *arena,
                                        struct boltz_checkpoint *checkpoint);

/**
 * Draw a few rows: they must have a density and come back from their latents. A version passes
 * before it is published. Errors: BAD_CHECKPOINT, NO_MEMORY.
 */
enum boltz_status boltz_checkpoint_self_test(const struct boltz_checkpoint *checkpoint,
                                             struct boltz_arena *scratch);

/** An energy from {"kind": …, settings …}; pointers of errors start at the object.
 * Errors: UNKNOWN_KIND and those of the settings. */
enum boltz_status boltz_energy_parse(const struct boltz_json *object, double temperature,
                                     struct boltz_arena *arena, struct boltz_energy *energy);

/** Print {"kind": …, every setting}. */
void boltz_energy_print(const struct boltz_energy *energy, struct boltz_arena *arena,
                        struct boltz_text *text);

#endif
