/* interval.c - from the real line onto intervals, by the normal distribution function.
 *
 *   x = low + (high - low) Phi(z),  log_det = log(high - low) + log phi(z)
 *
 * Phi is taken from the nearer end, so that z is as exact as x near both.
 * Source: the probability integral transform; Phi and its inverse: core/base/normal.h.
 * Golden: low 0, high 4: z = 1 gives x = 3.3653789842741717, log_det = -0.0326441720847821. */
#include <float.h>
#include <math.h>

#include "boltz/layer.h"
#include "core/base/coordinates.h"
#include "core/base/normal.h"

struct interval {
  struct boltz_ints coordinates;
  struct boltz_doubles low, high;
};

/* Operations of a tail, or of the inverse. */
#define FLOPS_A_COORDINATE 200

static double phi(double z) {
  return exp(-0.5 * z * z - BOLTZ_HALF_LOG_2PI);
}

/* The interval of a column: low, high and what lies one ulp inside of each. */
struct ends {
  double low, high, least, most;
};

static struct ends ends_of(const struct interval *s, size_t k) {
  const double low = s->low.v[k], high = s->high.v[k];
  return (struct ends){low, high, nextafter(low, high), nextafter(high, low)};
}

/* Results are held inside, where a rounded sum could leave. */
BOLTZ_VECTORISED static void to_x(const struct ends *ends, size_t n, double *restrict x) {
  const double low = ends->low, high = ends->high, width = high - low;
  for (size_t i = 0; i < n; i++) {
    const double z = x[i], part = width * boltz_normal_tail(z < 0 ? -z : z);
    const double at = z <= 0 ? low + part : high - part;
    x[i] = at < low ? low : at > high ? high : at;
  }
}

/* ln p, of subnormal p too; of 0 that of the least p; NaN of p < 0. */
BOLTZ_INLINE double log_of(double p) {
  const double least = p < DBL_TRUE_MIN ? DBL_TRUE_MIN : p;
  const bool small = least < DBL_MIN;
  const double log_p = boltz_log(small ? least * 0x1p60 : least) - (small ? 60 * M_LN2 : 0);
  return p >= 0 ? log_p : NAN;
}

/* An edge counts as one ulp inside; beyond it is NaN. */
BOLTZ_VECTORISED static void to_z(const struct ends *ends, size_t n, double *restrict x) {
  const double low = ends->low, high = ends->high, width = high - low;
  const double least = ends->least, most = ends->most;
  for (size_t i = 0; i < n; i++) {
    const double at = x[i] == low ? least : x[i] == high ? most : x[i];
    const double below = (at - low) / width, above = (high - at) / width;
    const double z = boltz_normal_quantile(log_of(below <= above ? below : above));
    x[i] = below <= above ? -z : z;
  }
}

static enum boltz_status build(struct boltz_layer *layer, struct boltz_arena *arena) {
  const struct interval *s = layer->settings;
  bool *seen = BOLTZ_NEW_ARRAY(arena, (size_t)layer->dim, bool);
  if (!seen) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(boltz_coordinates_check("coordinates", &s->coordinates, layer->dim, seen));
  for (size_t k = 0; k < s->coordinates.n; k++)
    BOLTZ_TRY(boltz_layer_check_open(layer, s->coordinates.v[k]));
  return boltz_coordinates_check_ends(&s->coordinates, &s->low, &s->high);
}

static void domains(const struct boltz_layer *layer, struct boltz_domain *domain) {
  const struct interval *s = layer->settings;
  for (size_t k = 0; k < s->coordinates.n; k++)
    domain[s->coordinates.v[k]] =
        (struct boltz_domain){.type = BOLTZ_INTERVAL, .low = s->low.v[k], .high = s->high.v[k]};
}

/* log_det of z to x is taken at z, whichever way z was come by. */
static void map_column(enum boltz_direction direction, const struct ends *ends, size_t n, double *x,
                       double *log_det) {
  const double log_width = log(ends->high - ends->low) - BOLTZ_HALF_LOG_2PI;
  if (direction == BOLTZ_TO_Z) to_z(ends, n, x);
  for (size_t i = 0; i < n; i++) {
    const double log_slope = log_width - 0.5 * x[i] * x[i];
    log_det[i] += direction == BOLTZ_TO_X ? log_slope : -log_slope;
  }
  if (direction == BOLTZ_TO_X) to_x(ends, n, x);
}

/* The tape is the inputs [coordinates, n]. */
static void apply(const struct boltz_layer *layer, const struct boltz_weights *w,
                  enum boltz_direction direction, struct boltz_batch *x, double *log_det,
                  void **tape, struct boltz_arena *scratch) {
  const struct interval *s = layer->settings;
  const size_t n = x->n;
  double *in = NULL;
  (void)w;
  if (tape) {
    *tape = in = boltz_arena_scratch(scratch, s->coordinates.n, n * sizeof *in);
    for (size_t i = 0; !in && i < n; i++) log_det[i] = NAN;
    if (!in) return;
  }
  for (size_t k = 0; k < s->coordinates.n; k++) {
    double *column = x->col[s->coordinates.v[k]];
    for (size_t i = 0; in && i < n; i++) in[k * n + i] = column[i];
    const struct ends ends = ends_of(s, k);
    map_column(direction, &ends, n, column, log_det);
  }
}

/* TO_X: dx/dz = width phi, d log_det/dz = -z. TO_Z: the inverse of it, d log_det/dz = z. */
static void backward(const struct boltz_layer *layer, const struct boltz_weights *w,
                     enum boltz_direction direction, void *tape, struct boltz_batch *x,
                     struct boltz_batch *g, const double *glog_det, float *gw,
                     struct boltz_arena *scratch) {
  const struct interval *s = layer->settings;
  const size_t n = x->n;
  const double *in = tape;
  (void)w, (void)gw, (void)scratch;
  for (size_t k = 0; k < s->coordinates.n; k++) {
    const int64_t j = s->coordinates.v[k];
    const double width = s->high.v[k] - s->low.v[k];
    double *gj = g->col[j], *xj = x->col[j];
    for (size_t i = 0; i < n; i++) {
      const double z = direction == BOLTZ_TO_X ? in[k * n + i] : xj[i];
      gj[i] = direction == BOLTZ_TO_X ? gj[i] * width * phi(z) - glog_det[i] * z
                                      : (gj[i] + glog_det[i] * z) / (width * phi(z));
      xj[i] = in[k * n + i];
    }
  }
}

static double flops(const struct boltz_layer *layer, enum boltz_precision precision) {
  (void)precision;
  return FLOPS_A_COORDINATE * (double)((const struct interval *)layer->settings)->coordinates.n;
}

static const struct boltz_field fields[] = {
    BOLTZ_COORDINATES_ROW("coordinates", struct interval, coordinates, true,
                          "coordinates, from 0, that come to live in an interval"),
    BOLTZ_END_ROW("low", struct interval, low, "lower end of each"),
    BOLTZ_END_ROW("high", struct interval, high, "upper end of each"),
    BOLTZ_FIELDS_END,
};

const struct boltz_layer_kind boltz_layer_interval = {
    .name = "interval",
    .doc =
        "x = low + (high - low) Phi(z), Phi the normal distribution function: "
        "log_det = log(high - low) + log phi(z)",
    .source = "the probability integral transform",
    .fields = fields,
    .settings_size = sizeof(struct interval),
    .build = build,
    .domains = domains,
    .apply = apply,
    .backward = backward,
    .flops = flops,
};
