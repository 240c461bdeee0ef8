/* flow.h - base density and layers over one flat weight vector: sample, log density. */
#ifndef BOLTZ_FLOW_H
#define BOLTZ_FLOW_H

#include "boltz/base_density.h"
#include "boltz/json.h"
#include "boltz/layer.h"

#define BOLTZ_LAYERS_MAX 256

/** What a flow is to be: kinds and settings, short forms already expanded. */
struct boltz_flow_spec {
  const struct boltz_base_kind *base;
  const void *base_settings;
  const struct boltz_domain *domain; /* [dim] where the layers so far leave the coordinates */
  int nlayers;
  struct {
    const struct boltz_layer_kind *kind;
    const void *settings;
  } layers[BOLTZ_LAYERS_MAX];
};

/** Append a layer to a spec; a short form is expanded. Errors: OUT_OF_RANGE (too many, bad
 * settings). */
enum boltz_status boltz_flow_spec_add(struct boltz_flow_spec *spec,
                                      const struct boltz_layer_kind *kind, const void *settings,
                                      int dim, struct boltz_arena *arena);

/**
 * Read {"base": "normal" | {"type": …}, "layers": [{"type": …, …}, …]}; pointers of errors start at
 * the object. Errors: UNKNOWN_NAME for a base or layer, and those of boltz_json_fields.
 */
enum boltz_status boltz_flow_spec_parse(const struct boltz_json *object, int dim,
                                        struct boltz_arena *arena, struct boltz_flow_spec *spec);

/** Print a spec in that form, every setting filled in. */
void boltz_flow_spec_print(const struct boltz_flow_spec *spec, struct boltz_arena *arena,
                           struct boltz_text *text);

/** Append the layers that end on the energy's domains where the list does not. No layer makes a
 * coordinate periodic: that is the base's part, and said where it is missing. */
enum boltz_status boltz_flow_spec_complete(struct boltz_flow_spec *spec,
                                           const struct boltz_energy *energy,
                                           struct boltz_arena *arena);

/** A flow without its weights. Immutable once made. */
struct boltz_flow {
  struct boltz_flow_spec spec;
  int dim;
  struct boltz_base base; /* its numbers are the first of the weights */
  int nlayers;
  struct boltz_layer *layers; /* [nlayers], in the direction z to x */
  size_t nw, npacked, nturned;
  const struct boltz_domain *domain; /* [dim] where the layers leave the coordinates */
  double flops[BOLTZ_PRECISIONS];    /* of one row, one way */
  double log_copies; /* ln of how many configurations a latent stands for; 0: one alone */
};

/**
 * Make a flow in the arena. Errors: those of the base's build(), pointer "/base/…", and of the
 * layers' build(), pointer "/layers/<i>/…"; NO_MEMORY.
 */
enum boltz_status boltz_flow_new(const struct boltz_flow_spec *spec, int dim,
                                 struct boltz_arena *arena, struct boltz_flow *flow);

/** Zeroed weights for a flow. */
enum boltz_status boltz_weights_new(const struct boltz_flow *flow, struct boltz_arena *arena,
                                    struct boltz_weights *weights);

/** Make room for what the way back reads, and fill it; weights that have it keep it. Errors:
 * NO_MEMORY. */
enum boltz_status boltz_weights_turn(const struct boltz_flow *flow, struct boltz_arena *arena,
                                     struct boltz_weights *weights);

/** Initial weights (near the identity) from a seed; packed too. */
void boltz_flow_init(const struct boltz_flow *flow, uint64_t seed, struct boltz_weights *weights);

/** Bring weights->packed and turned up to date with weights->flat; of all layers, or of layer
 * number i. */
void boltz_flow_pack(const struct boltz_flow *flow, struct boltz_weights *weights);
void boltz_flow_pack_layer(const struct boltz_flow *flow, int i, struct boltz_weights *weights);

/** Can the flow be served in that precision? fp32: always; else it has conditioners, and each can.
 */
bool boltz_flow_has(const struct boltz_flow *flow, enum boltz_precision precision);

/**
 * Fix what answers: sets weights->precision and makes weights->served in the arena, from the packed
 * weights alone (samples of a fixed seed tell what the conditioners will see). Until then, and
 * after training, weights are fp32. Whoever changes the weights afterwards serves them anew.
 * Errors: OUT_OF_RANGE when the flow does not have that precision; NO_MEMORY.
 */
enum boltz_status boltz_flow_serve(const struct boltz_flow *flow, struct boltz_weights *weights,
                                   enum boltz_precision precision, struct boltz_arena *arena);

/**
 * The same for another precision than fp32, a layer at a time, for those who must not be busy for
 * long. step() sets *more while layers are left; after the last one, weights are served. Closing
 * before that leaves them fp32; closing NULL is harmless.
 */
struct boltz_serving;
enum boltz_status boltz_serving_open(const struct boltz_flow *flow, struct boltz_weights *weights,
                                     enum boltz_precision precision, struct boltz_arena *arena,
                                     struct boltz_serving **serving);
enum boltz_status boltz_serving_step(struct boltz_serving *serving, bool *more);
void boltz_serving_close(struct boltz_serving *serving);

/** What initial weights are fitted to. */
struct boltz_evidence {
  const struct boltz_batch *x;       /* data, weighing all the same; NULL: none */
  const struct boltz_energy *energy; /* at its own temperature; NULL: unknown */
  uint64_t seed;
};

/**
 * Fit initial weights, for those who must not be busy for long: x is pushed to z, layers that have
 * a fit() are fitted as it goes, then the base is to the latents and to the energy of latents.
 * step() sets *more while there is more; after the last one, weights are fitted and packed. x is
 * copied; flow, weights and energy live until close(); closing NULL is harmless.
 * Errors: those of the base's fit; NO_MEMORY.
 */
struct boltz_fitting;
enum boltz_status boltz_fitting_open(const struct boltz_flow *flow,
                                     const struct boltz_evidence *evidence,
                                     struct boltz_weights *weights, struct boltz_fitting **fitting);
enum boltz_status boltz_fitting_step(struct boltz_fitting *fitting, bool *more,
                                     struct boltz_arena *scratch);
void boltz_fitting_close(struct boltz_fitting *fitting);

/** All of a fitting to data alone. */
enum boltz_status boltz_flow_fit(const struct boltz_flow *flow, const struct boltz_batch *x,
                                 struct boltz_weights *weights, struct boltz_arena *scratch);

/** Tensor number k of the flow with its full name ("base.mean", "layers.0.scale.0.weight") and its
 * offset from the start of weights.flat; false past the last. */
bool boltz_flow_tensor(const struct boltz_flow *flow, int k, struct boltz_tensor *tensor);

/**
 * Push a batch through every layer, in place.
 *
 *   x        [n, dim]  in and out
 *   log_det  [n]       out: log|det d(output)/d(input)|; -infinity: a latent without weight. The
 *                      flow's log_copies is not in it
 *
 * Errors: none; an overflow, or exhausted scratch, shows as a non-finite log_det.
 * Threads: reads flow and weights only.
 */
void boltz_flow_transform(const struct boltz_flow *flow, const struct boltz_weights *weights,
                          enum boltz_direction direction, struct boltz_batch *x, double *log_det,
                          struct boltz_arena *scratch);

/**
 * Draw latents and push them through every layer.
 *
 *   first   index of the first sample: sample i depends on (seed, first + i) only
 *   x       [n, dim]   out: configurations, in the energy's own length unit
 *   z       [n, dim]   out or NULL: the latents
 *   log_q   [n]        out: log density at x [nats]; +infinity: a latent without weight
 *
 * Errors: none; an overflow shows as a non-finite log_q.
 * Threads: reads flow and weights only.
 * Source: Dinh et al. 2017 (RealNVP), eqs. 7-8.
 */
void boltz_flow_sample(const struct boltz_flow *flow, const struct boltz_weights *weights,
                       uint64_t seed, enum boltz_stream stream, uint64_t first,
                       struct boltz_batch *x, struct boltz_batch *z, double *log_q,
                       struct boltz_arena *scratch);

/**
 * The same for latents that are there already: x [n, dim] holds them and becomes the
 * configurations. Rows of several requests may stand side by side.
 */
void boltz_flow_push(const struct boltz_flow *flow, const struct boltz_weights *weights,
                     struct boltz_batch *x, double *log_q, struct boltz_arena *scratch);

/** log q(x) [n] of given configurations, all inside the domain; x becomes z. */
void boltz_flow_log_density(const struct boltz_flow *flow, const struct boltz_weights *weights,
                            struct boltz_batch *x, double *log_q, struct boltz_arena *scratch);

/**
 * Forward with a tape, then back.
 * boltz_flow_record() is boltz_flow_transform() that leaves a tape in scratch;
 * boltz_flow_backward() takes g = dJ/d(output) [n, dim] and glog_det = dJ/d(log_det) [n], turns g
 * into dJ/d(input) and x back into the inputs, and adds dJ/dw to gw [nw]. The tape lives until
 * scratch is released. record returns NULL when scratch is exhausted. The weights are served in
 * fp32: nothing else has gradients.
 */
struct boltz_tape;
struct boltz_tape *boltz_flow_record(const struct boltz_flow *flow,
                                     const struct boltz_weights *weights,
                                     enum boltz_direction direction, struct boltz_batch *x,
                                     double *log_det, struct boltz_arena *scratch);
void boltz_flow_backward(const struct boltz_flow *flow, const struct boltz_weights *weights,
                         struct boltz_tape *tape, struct boltz_batch *x, struct boltz_batch *g,
                         const double *glog_det, float *gw, struct boltz_arena *scratch);

/**
 * The same a layer at a time, for who must stop in between: an empty tape, then a layer on with
 * every record_layer(), then back a layer with every backward_layer(). Both return true while there
 * is a layer left; record_layer() is false at once, and boltz_flow_recorded() stays false, when
 * scratch is exhausted.
 */
struct boltz_tape *boltz_flow_tape(const struct boltz_flow *flow, enum boltz_direction direction,
                                   size_t n, double *log_det, struct boltz_arena *scratch);
bool boltz_flow_record_layer(const struct boltz_flow *flow, const struct boltz_weights *weights,
                             struct boltz_tape *tape, struct boltz_batch *x, double *log_det,
                             struct boltz_arena *scratch);
bool boltz_flow_recorded(const struct boltz_flow *flow, const struct boltz_tape *tape);
bool boltz_flow_backward_layer(const struct boltz_flow *flow, const struct boltz_weights *weights,
                               struct boltz_tape *tape, struct boltz_batch *x,
                               struct boltz_batch *g, const double *glog_det, float *gw,
                               struct boltz_arena *scratch);

/** The layer that record_layer() takes next, or that backward_layer() does; NULL at the end. */
const struct boltz_layer *boltz_flow_record_next(const struct boltz_flow *flow,
                                                 const struct boltz_tape *tape);
const struct boltz_layer *boltz_flow_backward_next(const struct boltz_flow *flow,
                                                   const struct boltz_tape *tape);

/** Rows of a tile whose work of one pass in that precision stays near `flops` operations: a
 * multiple of 8 in [8, 512], from the flow alone, so that no result depends on the machine. */
size_t boltz_flow_tile(const struct boltz_flow *flow, enum boltz_precision precision, double flops);

#endif
