/* rng.h - counter-based random numbers: (seed, stream, index) gives the same bits, always. */
#ifndef BOLTZ_RNG_H
#define BOLTZ_RNG_H

#include <stdint.h>

#include "boltz/batch.h"

/** What a random number is for. Equal seeds in different streams have nothing in common. */
enum boltz_stream {
  BOLTZ_STREAM_SAMPLE = 1,   /* latents of served samples */
  BOLTZ_STREAM_INIT,         /* initial weights */
  BOLTZ_STREAM_TRAIN_LATENT, /* latents of training batches */
  BOLTZ_STREAM_TRAIN_ROW,    /* which data rows a training batch takes */
  BOLTZ_STREAM_VALIDATE,     /* latents of validation */
  BOLTZ_STREAM_START,        /* where walkers start */
  BOLTZ_STREAM_PROPOSE,      /* a move's proposal */
  BOLTZ_STREAM_ACCEPT,       /* its acceptance */
  BOLTZ_STREAM_EXCHANGE,     /* replica exchange */
  BOLTZ_STREAM_BOOTSTRAP,    /* resampled blocks */
  BOLTZ_STREAM_CALIBRATE,    /* latents that tell what a narrow conditioner will see */
  BOLTZ_STREAM_TEST,         /* tests only */
  BOLTZ_STREAM_HIDDEN,       /* what a configuration leaves open: the spins of a field */
  BOLTZ_STREAM_NAME,         /* which of particles that are all alike is which */
};

/**
 * 128 random bits: block `block` of (seed, stream, index). Source: Philox4x32-10, Salmon et al.
 * 2011, by Random123.
 */
void boltz_rng_bits(uint64_t seed, enum boltz_stream stream, uint64_t index, uint32_t block,
                    uint32_t bits[4]);

/** Two uniforms in the open interval (0, 1), 52 bits each. */
void boltz_rng_uniform(uint64_t seed, enum boltz_stream stream, uint64_t index, uint32_t block,
                       double u[2]);

/** Two independent normals (Box-Muller). */
void boltz_rng_normal(uint64_t seed, enum boltz_stream stream, uint64_t index, uint32_t block,
                      double z[2]);

/**
 * Fill a batch with normals: sample i is drawn from (seed, stream, first + i) alone, coordinate j
 * from its block j/2.
 */
void boltz_rng_normals(uint64_t seed, enum boltz_stream stream, uint64_t first,
                       struct boltz_batch *z);

/** The same with uniforms in (0, 1). */
void boltz_rng_uniforms(uint64_t seed, enum boltz_stream stream, uint64_t first,
                        struct boltz_batch *u);

#endif
