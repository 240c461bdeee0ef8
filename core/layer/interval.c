/* interval.c - from the real line onto intervals, by the normal distribution function.
 *
 *   x = low + (high - low) Phi(z),  log_det = log(high - low) + log phi(z)
 *
 * Phi is taken from the nearer end, so that z is as exact as x near both.
 * Source: Phi^-1 by Wichura 1988 (AS 241, PPND16), and one step of Halley.
 * Golden: low 0, high 4: z = 1 gives x = 3.3653789842741717, log_det = -0.0326441720847821. */
#include <float.h>
#include <math.h>

#include "boltz/layer.h"
#include "core/base/coordinates.h"

struct interval {
  struct boltz_ints coordinates;
  struct boltz_doubles low, high;
};

/* Operations of erfc and exp, or of the inverse. */
#define FLOPS_A_COORDINATE 200

static const double half_log_2pi = 0.91893853320467274178;

static double phi(double z) {
  return exp(-0.5 * z * z - half_log_2pi);
}

/* Phi(z), with full relative precision for z <= 0. */
static double lower_tail(double z) {
  return 0.5 * erfc(-z * M_SQRT1_2);
}

static double ratio(const double a[8], const double b[8], double r) {
  double p = a[7], q = b[7];
  for (int k = 6; k >= 0; k--) {
    p = p * r + a[k];
    q = q * r + b[k];
  }
  return p / q;
}

/* z of Phi(z) = p for p in (0, 1/2]; NaN elsewhere. */
static double quantile(double p) {
  static const double a[] = {3.3871328727963666080e0, 1.3314166789178437745e2,
                             1.9715909503065514427e3, 1.3731693765509461125e4,
                             4.5921953931549871457e4, 6.7265770927008700853e4,
                             3.3430575583588128105e4, 2.5090809287301226727e3};
  static const double b[] = {1,
                             4.2313330701600911252e1,
                             6.8718700749205790830e2,
                             5.3941960214247511077e3,
                             2.1213794301586595867e4,
                             3.9307895800092710610e4,
                             2.8729085735721942674e4,
                             5.2264952788528545610e3};
  static const double c[] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                             5.76949722146069140550e0,  3.64784832476320460504e0,
                             1.27045825245236838258e0,  2.41780725177450611770e-1,
                             2.27238449892691845833e-2, 7.74545014278341407640e-4};
  static const double d[] = {1,
                             2.05319162663775882187e0,
                             1.67638483018380384940e0,
                             6.89767334985100004550e-1,
                             1.48103976427480074590e-1,
                             1.51986665636164571966e-2,
                             5.47593808499534494600e-4,
                             1.05075007164441684324e-9};
  static const double e[] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                             1.78482653991729133580e0,  2.96560571828504891230e-1,
                             2.65321895265761230930e-2, 1.24266094738807843860e-3,
                             2.71155556874348757815e-5, 2.01033439929228813265e-7};
  static const double f[] = {1,
                             5.99832206555887937690e-1,
                             1.36929880922735805310e-1,
                             1.48753612908506148525e-2,
                             7.86869131145613259100e-4,
                             1.84631831751005468180e-5,
                             1.42151175831644588870e-7,
                             2.04426310338993978564e-15};
  if (!(p > 0 && p <= 0.5)) return NAN;
  const double q = p - 0.5, r = sqrt(-log(p));
  double z = -q <= 0.425 ? q * ratio(a, b, 0.180625 - q * q)
             : r <= 5    ? -ratio(c, d, r - 1.6)
                         : -ratio(e, f, r - 5);
  if (p < 1e-300) return z; /* phi(z) nears the end of the numbers */
  const double error = (lower_tail(z) - p) / phi(z);
  return z - error / (1 + 0.5 * z * error);
}

/* Results are held inside, where a rounded sum could leave. */
static double to_x(double low, double high, double z) {
  const double width = high - low;
  const double x = z <= 0 ? low + width * lower_tail(z) : high - width * lower_tail(-z);
  return x < low ? low : x > high ? high : x;
}

/* An edge counts as one ulp inside; beyond it is NaN. A quotient that underflows is the least. */
static double to_z(double low, double high, double x) {
  if (x == low) x = nextafter(low, high);
  if (x == high) x = nextafter(high, low);
  const double below = (x - low) / (high - low), above = (high - x) / (high - low);
  if (x > low && below == 0) return quantile(DBL_TRUE_MIN);
  if (x < high && above == 0) return -quantile(DBL_TRUE_MIN);
  return below <= above ? quantile(below) : -quantile(above);
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

/* log_det is taken at z, whichever way z was come by. */
static void map_column(enum boltz_direction direction, double low, double high, size_t n, double *x,
                       double *log_det) {
  const double log_width = log(high - low) - half_log_2pi;
  for (size_t i = 0; i < n; i++) {
    const double z = direction == BOLTZ_TO_X ? x[i] : to_z(low, high, x[i]);
    const double log_slope = log_width - 0.5 * z * z;
    log_det[i] += direction == BOLTZ_TO_X ? log_slope : -log_slope;
    x[i] = direction == BOLTZ_TO_X ? to_x(low, high, z) : z;
  }
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
    map_column(direction, s->low.v[k], s->high.v[k], n, column, log_det);
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

#define OFFSET(member) offsetof(struct interval, member)
static const struct boltz_field fields[] = {
    {.name = "coordinates",
     .type = BOLTZ_FIELD_INTS,
     .offset = OFFSET(coordinates),
     .def = -1,
     .low = 0,
     .high = BOLTZ_DIM_MAX - 1,
     .required = true,
     .doc = "coordinates, from 0, that come to live in an interval"},
    {.name = "low",
     .type = BOLTZ_FIELD_DOUBLES,
     .offset = OFFSET(low),
     .def = -1,
     .low = -1e300,
     .high = 1e300,
     .required = true,
     .doc = "lower end of each"},
    {.name = "high",
     .type = BOLTZ_FIELD_DOUBLES,
     .offset = OFFSET(high),
     .def = -1,
     .low = -1e300,
     .high = 1e300,
     .required = true,
     .doc = "upper end of each"},
    BOLTZ_FIELDS_END,
};

const struct boltz_layer_kind boltz_layer_interval = {
    .name = "interval",
    .doc =
        "x = low + (high - low) Phi(z), Phi the normal distribution function: "
        "log_det = log(high - low) + log phi(z)",
    .source = "the probability integral transform; Phi^-1: Wichura 1988, AS 241",
    .fields = fields,
    .settings_size = sizeof(struct interval),
    .build = build,
    .domains = domains,
    .apply = apply,
    .backward = backward,
    .flops = flops,
};
