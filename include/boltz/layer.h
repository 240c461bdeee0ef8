/* layer.h - an invertible map and its gradients. */
#ifndef BOLTZ_LAYER_H
#define BOLTZ_LAYER_H

#include <stdbool.h>
#include <stdint.h>

#include "boltz/batch.h"
#include "boltz/energy.h"
#include "boltz/field.h"
#include "boltz/precision.h"

/** Which way a batch goes: latents to configurations, or back. */
enum boltz_direction { BOLTZ_TO_X, BOLTZ_TO_Z };

/** A named piece of the flat weight vector: row-major `shape`, float32. */
struct boltz_tensor {
  char name[64]; /* within its layer: "scale.0.weight" */
  int rank;
  int64_t shape[2];
  size_t offset; /* from the start of the layer's weights */
};

/** The trainable numbers of a flow: as the checkpoint holds them, and as the kernels read them. */
struct boltz_weights {
  float *flat;   /* [nw]      what is trained and stored; tensors are row-major pieces of it */
  float *packed; /* [npacked] the same, laid out for the kernels by boltz_flow_pack() */
  float *turned; /* [nturned] the same for the way back; NULL: these weights are not trained */
  enum boltz_precision precision; /* what answers */
  void **served; /* [nlayers] what boltz_flow_serve() made of them; NULL: precision is fp32 */
};

struct boltz_layer;
struct boltz_flow_spec;

/** A kind of layer: the constant table at the end of its file. */
struct boltz_layer_kind {
  const char *name;
  const char *doc; /* the formula, direction z to x */
  const char *source;
  const struct boltz_field *fields;
  size_t settings_size;

  /* A short form is replaced by other layers, and has none of the functions below. */
  enum boltz_status (*expand)(const void *settings, int dim, struct boltz_flow_spec *spec,
                              struct boltz_arena *arena);

  /* Check the settings against layer->dim and layer->domain; set plan, nw, npacked and nturned. */
  enum boltz_status (*build)(struct boltz_layer *layer, struct boltz_arena *arena);

  /* Which domains coordinates are left in, direction z to x: changes domain[dim] in place; NULL: it
     leaves every coordinate real and refuses none. */
  void (*domains)(const struct boltz_layer *layer, struct boltz_domain *domain);

  /* Tensor number k, false past the last. NULL: no weights. */
  bool (*tensor)(const struct boltz_layer *layer, int k, struct boltz_tensor *tensor);

  /* Initial weights [nw]: near the identity, from (seed, index of the layer in its flow). */
  void (*init)(const struct boltz_layer *layer, uint64_t seed, int index, float *w);

  /* Initial weights from data, going x to z (actnorm). NULL: none. */
  void (*fit)(const struct boltz_layer *layer, const struct boltz_batch *x, float *w);

  /* Weights into the kernels' layouts; turned may be NULL. NULL: nothing is packed. */
  void (*pack)(const struct boltz_layer *layer, const float *w, float *packed, float *turned);

  /* Can the layer's conditioners be served in a precision other than fp32? NULL: it has none. */
  bool (*has)(const struct boltz_layer *layer, enum boltz_precision precision);

  /* Make in `arena` what apply() takes from w->served[layer->index] in that precision, from the
     weights and from x [n, dim]: inputs of the layer, direction z to x, as samples bring them.
     NULL where has() is. */
  enum boltz_status (*serve)(const struct boltz_layer *layer, const struct boltz_weights *w,
                             enum boltz_precision precision, const struct boltz_batch *x,
                             struct boltz_arena *arena, struct boltz_arena *scratch, void **served);

  /* Map the batch in place and add log|det d(out)/d(in)| to log_det [n]. When `tape` is not NULL,
     what backward() needs is allocated in `scratch` and left in *tape. */
  void (*apply)(const struct boltz_layer *layer, const struct boltz_weights *w,
                enum boltz_direction direction, struct boltz_batch *x, double *log_det, void **tape,
                struct boltz_arena *scratch);

  /* The gradient back through apply(): g [n, dim] holds dJ/d(out) and becomes dJ/d(in);
     glog_det [n] is dJ/d(log_det); dJ/dw is added to gw [nw of this layer]. x [n, dim] holds the
     layer's outputs and becomes its inputs. */
  void (*backward)(const struct boltz_layer *layer, const struct boltz_weights *w,
                   enum boltz_direction direction, void *tape, struct boltz_batch *x,
                   struct boltz_batch *g, const double *glog_det, float *gw,
                   struct boltz_arena *scratch);

  /* Samples alone: put each row of x, as apply() left it on the way to x, among its copies by
     random numbers of key[n]. False: scratch is exhausted. NULL where log_copies is 0. */
  bool (*scatter)(const struct boltz_layer *layer, const uint64_t *key, struct boltz_batch *x,
                  struct boltz_arena *scratch);

  /* Floating point operations of one row, one way, served in that precision. NULL: next to nothing.
   */
  double (*flops)(const struct boltz_layer *layer, enum boltz_precision precision);
};

/** A layer at its place in a flow. `w` given to its functions is the whole flow's: a layer adds its
 * own offsets (boltz_layer_flat, boltz_layer_packed). */
struct boltz_layer {
  const struct boltz_layer_kind *kind;
  const void *settings;
  int index; /* in its flow, direction z to x */
  int dim;
  const struct boltz_domain *domain; /* [dim] of the latents that reach it; during build() alone */
  void *plan;                        /* what build() worked out */
  size_t w_offset, nw;               /* its share of weights.flat */
  size_t p_offset, npacked;          /* its share of weights.packed */
  size_t t_offset, nturned;          /* its share of weights.turned */
  int tensors;                       /* how many it has */
  size_t sites;                      /* of a lattice that one network serves; 0: none */
  double log_copies; /* ln of how many configurations a latent stands for, all of equal density */
};

static inline const float *boltz_layer_flat(const struct boltz_layer *layer,
                                            const struct boltz_weights *w) {
  return w->flat + layer->w_offset;
}

static inline const float *boltz_layer_packed(const struct boltz_layer *layer,
                                              const struct boltz_weights *w) {
  return w->packed + layer->p_offset;
}

/** What serve() made; NULL: fp32. */
static inline void *boltz_layer_served(const struct boltz_layer *layer,
                                       const struct boltz_weights *w) {
  return w->served ? w->served[layer->index] : NULL;
}

const struct boltz_layer_kind *boltz_layer_kind_at(int index);
const struct boltz_layer_kind *boltz_layer_kind_find(const char *name);

/**
 * Build a layer where latents have these domains [dim], and take them through it, direction z to x.
 * Errors: those of build().
 */
enum boltz_status boltz_layer_build(struct boltz_layer *layer, struct boltz_domain *domain,
                                    struct boltz_arena *arena);

/** For build(): coordinate j is not periodic at the layer's place. Errors: OUT_OF_RANGE. */
enum boltz_status boltz_layer_check_open(const struct boltz_layer *layer, int64_t j);

#endif
