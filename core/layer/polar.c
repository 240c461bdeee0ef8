/* polar.c - pairs of a radius, told by a normal latent, and an angle, as points of the plane.
 *
 *   t = -ln Phi(-a),  r = scale sqrt(2 t),  x = (r cos alpha, r sin alpha)
 *   alpha = theta, of the pairs after the first theta + theta_1 where they are relative
 *   log_det = sum over pairs of ln h(a) + 2 ln scale,  h = phi/Phi(-a), the hazard rate
 *   ln scale of each pair: the tensor `log_scale`
 *
 * Of a standard normal a and a uniform theta it makes a normal pair with that scale: smooth about
 * the origin, and a Gaussian far out. dt = h da, dx dy = scale^2 dt dalpha. Relative angles turn
 * all pairs together with the first. h - a = d ln h/da. A pair nearer to the origin than 1e-150
 * scale counts as that far out, so that a is finite there. Source: Box & Muller, Ann. Math. Stat.
 * 29, 610 (1958); h(a): core/base/normal.h. Golden: log_scale 0.5, a = 1, theta = 2: x =
 * (-1.3165572545637263, 2.8767291962098037), log_det = 1.4220831118045907. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "boltz/layer.h"
#include "core/base/coordinates.h"
#include "core/base/normal.h"
#include "core/layer/period.h"

#define TURN 6.28318530717958647693

/* Of the scale: its square is a normal number. */
#define RADIUS_MIN 1e-150

/* Operations of one pair, the way back. */
#define FLOPS_A_PAIR 400

struct polar {
  struct boltz_ints coordinates;
  bool relative;
};

/* Where the pairs are: coordinates 2 k and 2 k + 1 of the list. */
struct plan {
  struct boltz_ints list;
  size_t pairs;
};

static bool is_turn(const struct boltz_domain *domain) {
  return domain->type == BOLTZ_PERIODIC && domain->low == 0 &&
         fabs(domain->high - TURN) <= 4 * 0x1p-52 * TURN;
}

/* "1,3,5": every second coordinate of the list; "..." where there are too many. */
static const char *print_angles(const struct boltz_ints *list, char *out, size_t size) {
  size_t used = 0;
  out[0] = '\0';
  for (size_t k = 1; k < list->n && used + 32 < size; k += 2)
    used +=
        (size_t)snprintf(out + used, size - used, k > 1 ? ",%lld" : "%lld", (long long)list->v[k]);
  if (used + 32 >= size) snprintf(out + used, size - used, ",...");
  return out;
}

static enum boltz_status check_domains(const struct boltz_layer *layer,
                                       const struct boltz_ints *list) {
  char angles[200];
  for (size_t k = 0; k < list->n; k++) {
    const struct boltz_domain *domain = &layer->domain[list->v[k]];
    if (k % 2 == 0 ? domain->type == BOLTZ_REAL : is_turn(domain)) continue;
    return boltz_fail(BOLTZ_OUT_OF_RANGE,
                      "x%lld is not %s here: polar takes a real latent and an angle for every "
                      "pair, as the base \"circular\" has them with coordinates [%s], low 0 and "
                      "high 6.283185307179586 of each",
                      (long long)list->v[k] + 1, k % 2 == 0 ? "real" : "periodic on [0, 2 pi)",
                      print_angles(list, angles, sizeof angles));
  }
  return BOLTZ_OK;
}

static enum boltz_status build(struct boltz_layer *layer, struct boltz_arena *arena) {
  const struct polar *s = layer->settings;
  struct plan *plan = BOLTZ_NEW(arena, struct plan);
  if (!plan) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(
      boltz_coordinates_or_all("coordinates", &s->coordinates, layer->dim, arena, &plan->list));
  if (plan->list.n % 2 != 0)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/coordinates", "%zu coordinates do not come in pairs",
                         plan->list.n);
  BOLTZ_TRY(check_domains(layer, &plan->list));
  plan->pairs = plan->list.n / 2;
  layer->plan = plan;
  layer->nw = plan->pairs;
  return BOLTZ_OK;
}

static void domains(const struct boltz_layer *layer, struct boltz_domain *domain) {
  const struct boltz_ints *list = &((const struct plan *)layer->plan)->list;
  for (size_t k = 0; k < list->n; k++)
    domain[list->v[k]] = (struct boltz_domain){.type = BOLTZ_REAL};
}

static bool tensor(const struct boltz_layer *layer, int k, struct boltz_tensor *tensor) {
  if (k != 0) return false;
  *tensor = (struct boltz_tensor){.name = "log_scale", .rank = 1, .shape = {(int64_t)layer->nw}};
  return true;
}

/* The scale 1. */
static void init(const struct boltz_layer *layer, uint64_t seed, int index, float *w) {
  (void)seed, (void)index;
  memset(w, 0, layer->nw * sizeof *w);
}

/* So that t has mean 1; a pair that is never off the origin keeps its scale. */
static void fit(const struct boltz_layer *layer, const struct boltz_batch *x, float *w) {
  const struct plan *plan = layer->plan;
  for (size_t k = 0; k < plan->pairs; k++) {
    const double *c = x->col[plan->list.v[2 * k]], *s = x->col[plan->list.v[2 * k + 1]];
    double half_square = 0;
    for (size_t i = 0; i < x->n; i++)
      half_square += (c[i] * c[i] + s[i] * s[i]) / (2 * (double)x->n);
    if (half_square > 0 && isfinite(half_square)) w[k] = (float)(0.5 * log(half_square));
  }
}

/* ---- One pair ---- */

/* What a says, for the scale 1: sqrt(2 t), and ln h. */
struct radius {
  double r, log_h;
};

/* Where a < 0, p = Phi(a) is at most 1/2, and t = -log(1 - p), with what 1 - p loses of p put back
   as a factor; elsewhere t = -ln R(a) - ln phi(a). */
BOLTZ_INLINE struct radius radius_of(double a) {
  const double size = a < 0 ? -a : a, mills = boltz_mills(size);
  const double log_phi = -0.5 * size * size - BOLTZ_HALF_LOG_2PI;
  const double p = mills * boltz_exp(log_phi), rest = 1 - p;
  const double log_part = boltz_log(a < 0 ? rest : mills);
  const double near = rest == 1 ? p : -log_part * (p / (1 - rest));
  const double t = a < 0 ? near : -log_part - log_phi;
  return (struct radius){sqrt(2 * t), a < 0 ? log_phi + t : -log_part};
}

/* The inverse. Phi(a) = 1 - exp(-t) for t < ln 2 in the same way. */
BOLTZ_INLINE double latent_of(double r) {
  const double t = 0.5 * r * r, rest = boltz_exp(-t);
  const bool near = t < 0.69314718055994530942;
  const double p = rest == 1 ? t : (1 - rest) * (t / -boltz_log(rest));
  const double size = boltz_normal_quantile(near ? boltz_log(p) : -t);
  return near ? -size : size;
}

/* cos and sin of theta, or of theta + first */
BOLTZ_INLINE void direction_of(double theta, double first, double *cosine, double *sine) {
  boltz_cos_sin_turn(boltz_wrap(theta + first, 0, TURN) / TURN, cosine, sine);
}

/* A pair's columns; `first` [n] is theta_1 of the others, or zeros. */
struct columns {
  size_t n;
  double log_scale;
  double *a, *b; /* a, theta; or x, y */
  const double *first;
};

BOLTZ_VECTORISED static void to_x(const struct columns *p, double *restrict log_det) {
  const double scale = boltz_exp(p->log_scale), twice = 2 * p->log_scale;
  for (size_t i = 0; i < p->n; i++) {
    double cosine, sine;
    const struct radius radius = radius_of(p->a[i]);
    direction_of(p->b[i], p->first[i], &cosine, &sine);
    p->a[i] = scale * radius.r * cosine;
    p->b[i] = scale * radius.r * sine;
    log_det[i] += radius.log_h + twice;
  }
}

BOLTZ_INLINE double radius_at(double x, double y) {
  return sqrt(x * x + y * y);
}

BOLTZ_VECTORISED static void to_z(const struct columns *p, double *restrict log_det) {
  const double inverse = boltz_exp(-p->log_scale), twice = 2 * p->log_scale;
  for (size_t i = 0; i < p->n; i++) {
    const double x = p->a[i], y = p->b[i], r = inverse * radius_at(x, y);
    p->a[i] = latent_of(r < RADIUS_MIN ? RADIUS_MIN : r);
    p->b[i] = boltz_wrap(boltz_angle(x, y) - p->first[i], 0, TURN);
    log_det[i] -= radius_of(p->a[i]).log_h + twice;
  }
}

/* A pair's gradients: of x and y they become those of a and theta, or the other way. */
struct gradients {
  double *a, *b;
  const double *log_det;
  double log_scale; /* the sum */
};

/* dr/da = scale h / r, dx/dtheta = -y, dy/dtheta = x, dr/dlog_scale = r */
BOLTZ_VECTORISED static void back_to_x(const struct columns *in, struct gradients *g) {
  const double scale = boltz_exp(in->log_scale);
  double sum = 0;
  for (size_t i = 0; i < in->n; i++) {
    double cosine, sine;
    const double gx = g->a[i], gy = g->b[i], a = in->a[i];
    const struct radius radius = radius_of(a);
    const double h = boltz_exp(radius.log_h), slope = radius.r > 0 ? scale * h / radius.r : 0;
    direction_of(in->b[i], in->first[i], &cosine, &sine);
    const double gr = gx * cosine + gy * sine, r = scale * radius.r;
    g->a[i] = gr * slope + g->log_det[i] * (h - a);
    g->b[i] = r * (gy * cosine - gx * sine);
    sum += gr * r + 2 * g->log_det[i];
  }
  g->log_scale = sum;
}

/* The same the other way: da/dr = r / (scale h), with r for the scale 1; da/dlog_scale = -r^2/h */
BOLTZ_VECTORISED static void back_to_z(const struct columns *in, const double *restrict out,
                                       struct gradients *g) {
  const double inverse = boltz_exp(-in->log_scale);
  double sum = 0;
  for (size_t i = 0; i < in->n; i++) {
    const double x = in->a[i], y = in->b[i], a = out[i], at = inverse * radius_at(x, y);
    const double r = at < RADIUS_MIN ? RADIUS_MIN : at;
    const double h = boltz_exp(radius_of(a).log_h), slope = r / h;
    const double cosine = x * inverse / r, sine = y * inverse / r;
    const double ga = (g->a[i] - g->log_det[i] * (h - a)) * slope, gtheta = g->b[i] / r;
    g->a[i] = inverse * (ga * cosine - gtheta * sine);
    g->b[i] = inverse * (ga * sine + gtheta * cosine);
    sum -= ga * r + 2 * g->log_det[i];
  }
  g->log_scale = sum;
}

/* ---- All pairs ---- */

/* Columns of pair k of a batch. */
static struct columns pair_of(const struct boltz_layer *layer, const struct boltz_weights *w,
                              size_t k, const struct boltz_batch *x) {
  const int64_t *list = ((const struct plan *)layer->plan)->list.v;
  return (struct columns){.n = x->n,
                          .log_scale = (double)boltz_layer_flat(layer, w)[k],
                          .a = x->col[list[2 * k]],
                          .b = x->col[list[2 * k + 1]]};
}

/* What the angles of pair k are measured from. */
static const double *first_of(const struct boltz_layer *layer, size_t k, const double *first,
                              const double *zeros) {
  return k > 0 && ((const struct polar *)layer->settings)->relative ? first : zeros;
}

/* To x the first pair comes last, to z it comes first: its theta is what the others need. */
static size_t in_turn(size_t pairs, enum boltz_direction direction, size_t step) {
  return direction == BOLTZ_TO_X ? pairs - 1 - step : step;
}

/* The tape is the inputs [coordinates, n]. */
static void apply(const struct boltz_layer *layer, const struct boltz_weights *w,
                  enum boltz_direction direction, struct boltz_batch *x, double *log_det,
                  void **tape, struct boltz_arena *scratch) {
  const struct plan *plan = layer->plan;
  const size_t n = x->n;
  double *zeros = boltz_arena_alloc(scratch, n + 1, sizeof *zeros);
  double *in = tape ? boltz_arena_scratch(scratch, plan->list.n, n * sizeof *in) : NULL;
  if (tape) *tape = in;
  if (!zeros || (tape && !in)) {
    for (size_t i = 0; i < n; i++) log_det[i] = NAN;
    return;
  }
  for (size_t k = 0; in && k < plan->list.n; k++)
    memcpy(in + k * n, x->col[plan->list.v[k]], n * sizeof *in);
  for (size_t step = 0; step < plan->pairs; step++) {
    const size_t k = in_turn(plan->pairs, direction, step);
    struct columns pair = pair_of(layer, w, k, x);
    pair.first = first_of(layer, k, x->col[plan->list.v[1]], zeros);
    if (direction == BOLTZ_TO_X)
      to_x(&pair, log_det);
    else
      to_z(&pair, log_det);
  }
}

/* g_theta_1 += sign g_theta of a later pair */
static void add_to_first(size_t n, double sign, const double *g, double *first) {
  for (size_t i = 0; i < n; i++) first[i] += sign * g[i];
}

/* The other way round: to x the first pair's gradient is made first, and those of the others are
   added; to z they are taken away from what comes to it. */
static void backward(const struct boltz_layer *layer, const struct boltz_weights *w,
                     enum boltz_direction direction, void *tape, struct boltz_batch *x,
                     struct boltz_batch *g, const double *glog_det, float *gw,
                     struct boltz_arena *scratch) {
  const struct plan *plan = layer->plan;
  const size_t n = x->n;
  double *in = tape, *zeros = boltz_arena_alloc(scratch, n + 1, sizeof *zeros);
  double *gfirst = g->col[plan->list.v[1]];
  if (!zeros) gw[0] = NAN;
  for (size_t step = 0; zeros && step < plan->pairs; step++) {
    const size_t k = plan->pairs - 1 - in_turn(plan->pairs, direction, step);
    const struct columns out = pair_of(layer, w, k, x), grow = pair_of(layer, w, k, g);
    const double *first = first_of(layer, k, in + n, zeros);
    const struct columns pair = {n, out.log_scale, in + 2 * k * n, in + (2 * k + 1) * n, first};
    struct gradients gradients = {.a = grow.a, .b = grow.b, .log_det = glog_det};
    if (direction == BOLTZ_TO_X) {
      back_to_x(&pair, &gradients);
      if (first != zeros) add_to_first(n, 1, grow.b, gfirst);
    } else {
      if (first != zeros) add_to_first(n, -1, grow.b, gfirst);
      back_to_z(&pair, out.a, &gradients);
    }
    gw[k] += (float)gradients.log_scale;
    memcpy(out.a, pair.a, n * sizeof(double));
    memcpy(out.b, pair.b, n * sizeof(double));
  }
}

static double flops(const struct boltz_layer *layer, enum boltz_precision precision) {
  (void)precision;
  return FLOPS_A_PAIR * (double)layer->nw;
}

#define OFFSET(member) offsetof(struct polar, member)
static const struct boltz_field fields[] = {
    BOLTZ_COORDINATES_ROW(
        "coordinates", struct polar, coordinates, false,
        "coordinates, from 0, in pairs of a radius' latent and an angle; empty: all"),
    {.name = "relative",
     .type = BOLTZ_FIELD_BOOL,
     .offset = OFFSET(relative),
     .def = 1,
     .doc = "angles of the later pairs are measured from that of the first, which then turns all"},
    BOLTZ_FIELDS_END,
};

const struct boltz_layer_kind boltz_layer_polar = {
    .name = "polar",
    .doc =
        "pairs a, theta with theta on [0, 2 pi): r = scale sqrt(-2 ln Phi(-a)), alpha = theta "
        "(+ theta_1 of the later pairs if relative), x = (r cos alpha, r sin alpha): log_det = sum "
        "of ln phi(a) - ln Phi(-a) + 2 log_scale",
    .source = "Box & Muller, Ann. Math. Stat. 29, 610 (1958)",
    .fields = fields,
    .settings_size = sizeof(struct polar),
    .build = build,
    .domains = domains,
    .tensor = tensor,
    .init = init,
    .fit = fit,
    .apply = apply,
    .backward = backward,
    .flops = flops,
};
