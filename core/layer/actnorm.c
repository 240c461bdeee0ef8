/* actnorm.c - every coordinate by a scale and a shift of its own.
 *
 *   x_j = z_j exp(log_scale_j) + shift_j,  log_det = sum of log_scale
 *
 * Source: Kingma & Dhariwal 2018 (Glow), sec. 3.1.
 * Golden: log_scale = 0.5, shift = -1, z = 2: x = 2.2974425414002564. */
#include <math.h>

#include "boltz/layer.h"
#include "core/base/vmath.h"

static enum boltz_status build(struct boltz_layer *layer, struct boltz_arena *arena) {
  (void)arena;
  for (int j = 0; j < layer->dim; j++) BOLTZ_TRY(boltz_layer_check_open(layer, j));
  layer->nw = 2 * (size_t)layer->dim; /* log_scale, shift */
  return BOLTZ_OK;
}

static bool tensor(const struct boltz_layer *layer, int k, struct boltz_tensor *tensor) {
  static const struct boltz_tensor names[] = {{.name = "log_scale"}, {.name = "shift"}};
  if (k < 0 || k > 1) return false;
  *tensor = names[k];
  tensor->rank = 1;
  tensor->shape[0] = layer->dim;
  tensor->offset = (size_t)k * (size_t)layer->dim;
  return true;
}

/* The identity. */
static void init(const struct boltz_layer *layer, uint64_t seed, int index, float *w) {
  (void)seed, (void)index;
  for (size_t k = 0; k < layer->nw; k++) w[k] = 0;
}

/* So that z has mean 0 and variance 1; a coordinate that does not vary keeps its scale. */
static void fit(const struct boltz_layer *layer, const struct boltz_batch *x, float *w) {
  if (x->n == 0) return;
  for (int j = 0; j < layer->dim; j++) {
    double mean = 0, square = 0;
    for (size_t i = 0; i < x->n; i++) mean += x->col[j][i] / (double)x->n;
    for (size_t i = 0; i < x->n; i++)
      square += (x->col[j][i] - mean) * (x->col[j][i] - mean) / (double)x->n;
    w[j] = square > 0 && isfinite(square) ? (float)(0.5 * log(square)) : 0;
    w[layer->dim + j] = isfinite(mean) ? (float)mean : 0;
  }
}

/* x = z scale + t, z = (x - t) scale */
BOLTZ_VECTORISED static void move_column(enum boltz_direction direction, double scale, double t,
                                         size_t n, double *x) {
  if (direction == BOLTZ_TO_X)
    for (size_t i = 0; i < n; i++) x[i] = x[i] * scale + t;
  else
    for (size_t i = 0; i < n; i++) x[i] = (x[i] - t) * scale;
}

static void apply(const struct boltz_layer *layer, const struct boltz_weights *w,
                  enum boltz_direction direction, struct boltz_batch *x, double *log_det,
                  void **tape, struct boltz_arena *scratch) {
  const float *log_scale = boltz_layer_flat(layer, w), *shift = log_scale + layer->dim;
  const size_t n = x->n;
  double sum = 0;
  (void)tape, (void)scratch;
  for (int j = 0; j < layer->dim; j++) {
    const double s = log_scale[j], t = shift[j], scale = exp(direction == BOLTZ_TO_X ? s : -s);
    move_column(direction, scale, t, n, x->col[j]);
    sum += direction == BOLTZ_TO_X ? s : -s;
  }
  for (size_t i = 0; i < n; i++) log_det[i] += sum;
}

/* TO_X: gs = sum of g z e^s + glog, gt = sum of g. TO_Z: gs = -(g z + glog), gt = -g e^-s. */
static void backward(const struct boltz_layer *layer, const struct boltz_weights *w,
                     enum boltz_direction direction, void *tape, struct boltz_batch *x,
                     struct boltz_batch *g, const double *glog_det, float *gw,
                     struct boltz_arena *scratch) {
  const float *log_scale = boltz_layer_flat(layer, w), *shift = log_scale + layer->dim;
  const size_t n = x->n;
  (void)tape, (void)scratch;
  for (int j = 0; j < layer->dim; j++) {
    const double s = log_scale[j], t = shift[j], e = exp(s), inverse = exp(-s);
    double *restrict xj = x->col[j], *restrict gj = g->col[j];
    double gs = 0, gt = 0;
    for (size_t i = 0; i < n; i++) {
      if (direction == BOLTZ_TO_X) {
        gs += gj[i] * (xj[i] - t) + glog_det[i];
        gt += gj[i];
        xj[i] = (xj[i] - t) * inverse;
        gj[i] *= e;
      } else {
        gs -= gj[i] * xj[i] + glog_det[i];
        gt -= gj[i] * inverse;
        xj[i] = xj[i] * e + t;
        gj[i] *= inverse;
      }
    }
    gw[j] += (float)gs;
    gw[layer->dim + j] += (float)gt;
  }
}

static double flops(const struct boltz_layer *layer, enum boltz_precision precision) {
  (void)precision;
  return 2.0 * layer->dim;
}

static const struct boltz_field fields[] = {BOLTZ_FIELDS_END};

const struct boltz_layer_kind boltz_layer_actnorm = {
    .name = "actnorm",
    .doc = "x_j = z_j exp(log_scale_j) + shift_j: log_det = sum of log_scale",
    .source = "Kingma & Dhariwal 2018 (Glow), arXiv 1807.03039, sec. 3.1",
    .fields = fields,
    .build = build,
    .tensor = tensor,
    .init = init,
    .fit = fit,
    .apply = apply,
    .backward = backward,
    .flops = flops,
};
