/* laplace.c - the minima of the energy, each by the Gaussian that it stands for.
 *
 *   p0(z) = sum_k w_k N(z; z_k, H_k^-1),  w_k ~ exp(-u_z(z_k)) (2 pi)^(dim/2) / sqrt(det H_k)
 *
 * z_k: minima of u_z(z) = u(F(z)) - log|det dF/dz|, H_k its Hessian there. Of a quadratic energy
 * that is the density itself. Starts are latents of the data, spread over it, and normals about
 * them that are wider; the lowest place that a start has come to makes a component, which takes
 * those within a standard deviation of it along; then the lowest of the others, and so on.
 * Source: Laplace's method: MacKay, Information Theory, Inference, and Learning Algorithms (2003),
 * ch. 27; L-BFGS: Nocedal & Wright (2006), ch. 7.
 * Golden: u = (2 x^2 - 2 x y + y^2)/2: one component, S = 2.837877066409. */
#include <math.h>
#include <string.h>

#include "boltz/energy.h"
#include "core/base_density/gaussians.h"
#include "core/base_density/well.h"
#include "core/linear/descent.h"

/* Standard deviations of the starts that are normals, from the first to the last: without data; and
   with data, in units of theirs. */
#define NARROW 0.5
#define WIDE 8.0
#define WIDER 4.0

/* A start whose next step would change u by more has not arrived, and counts only if none has. */
#define SETTLED 0.01

#define NUMBERS_MAX 1048576       /* of all starts; a descent remembers 19 times as many */
#define INDEX (UINT64_C(1) << 40) /* of the stream that nobody else uses */

struct laplace {
  int64_t modes, starts, steps;
  double least;
};

struct fit {
  const struct laplace *s;
  const struct boltz_gaussians *of;
  const struct boltz_base_evidence *evidence;
  float *w;

  struct boltz_descent *descent;
  int64_t round;
  size_t at;            /* trial points that are looked at */
  double *u;            /* [starts] there */
  struct boltz_batch g; /* [starts, dim] */
  bool descended;

  bool *taken; /* [starts] by a component, or of no use */
  struct boltz_well well;
  bool in_well;
  int modes;          /* components so far */
  double *log_weight; /* [modes] */
};

static enum boltz_status build(struct boltz_base *base, struct boltz_domain *domain,
                               struct boltz_arena *arena) {
  const struct laplace *s = base->settings;
  (void)domain;
  BOLTZ_TRY(boltz_gaussians_build(base, (int)s->modes, "/modes", arena));
  if (s->starts * base->dim <= NUMBERS_MAX) return BOLTZ_OK;
  return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/starts",
                       "%lld starts of %d coordinates are over %d numbers: take fewer",
                       (long long)s->starts, base->dim, NUMBERS_MAX);
}

/* ---- Starts -------------------------------------------------------------------------------- */

static void moments_of(const double *v, size_t n, double *mean, double *deviation) {
  double square = 0;
  *mean = 0;
  for (size_t i = 0; i < n; i++) *mean += v[i] / (double)n;
  for (size_t i = 0; i < n; i++) square += (v[i] - *mean) * (v[i] - *mean) / (double)n;
  *deviation = square > 0 ? sqrt(square) : 1;
}

/* Three of four are latents of the data, if there are any; the others are normals. */
static void put_starts(const struct boltz_base_evidence *evidence, struct boltz_batch *x) {
  const struct boltz_batch *z = &evidence->z;
  const size_t rows = x->n - x->n / 4, known = z->n < rows ? z->n : rows, rest = x->n - known;
  boltz_rng_normals(evidence->seed, BOLTZ_STREAM_START, INDEX, x);
  for (int j = 0; j < x->dim; j++) {
    double mean = 0, deviation = NARROW, widest = WIDE / NARROW;
    if (z->n > 0) {
      moments_of(z->col[j], z->n, &mean, &deviation);
      widest = WIDER;
    }
    for (size_t i = 0; i < known; i++) x->col[j][i] = z->col[j][i * z->n / known];
    for (size_t i = 0; i < rest; i++)
      x->col[j][known + i] =
          mean + deviation * pow(widest, ((double)i + 0.5) / (double)rest) * x->col[j][known + i];
  }
}

static enum boltz_status fit_open(const struct boltz_base *base,
                                  const struct boltz_base_evidence *evidence, float *w,
                                  struct boltz_arena *arena, void **out) {
  const struct laplace *s = base->settings;
  const size_t starts = (size_t)s->starts;
  struct boltz_batch x;
  if (!evidence->energy)
    return boltz_fail(BOLTZ_OUT_OF_RANGE, "the base laplace is fitted to an energy: none is known");
  struct fit *fit = BOLTZ_NEW(arena, struct fit);
  if (!fit) return BOLTZ_NO_MEMORY;
  *fit = (struct fit){.s = s,
                      .of = base->plan,
                      .evidence = evidence,
                      .w = w,
                      .u = BOLTZ_NEW_ARRAY(arena, starts, double),
                      .taken = BOLTZ_NEW_ARRAY(arena, starts, bool),
                      .log_weight = BOLTZ_NEW_ARRAY(arena, (size_t)s->modes, double)};
  if (!fit->u || !fit->taken || !fit->log_weight) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(boltz_batch_new(arena, starts, base->dim, &x));
  BOLTZ_TRY(boltz_batch_new(arena, starts, base->dim, &fit->g));
  BOLTZ_TRY(boltz_well_new(base->dim, evidence, arena, &fit->well));
  put_starts(evidence, &x);
  boltz_gaussians_clear(fit->of, w);
  *out = fit;
  return boltz_descent_new(&x, arena, &fit->descent);
}

/* ---- Descent ------------------------------------------------------------------------------- */

/* Starts that have come nowhere are of no use; those that still fall, while others have settled. */
static enum boltz_status settle(struct fit *fit) {
  const size_t starts = (size_t)fit->s->starts;
  size_t finite = 0, settled = 0;
  for (size_t i = 0; i < starts; i++) {
    const struct boltz_descent_row row = boltz_descent_row(fit->descent, i);
    finite += isfinite(row.u);
    settled += isfinite(row.u) && row.fall <= SETTLED;
  }
  for (size_t i = 0; i < starts; i++) {
    const struct boltz_descent_row row = boltz_descent_row(fit->descent, i);
    fit->taken[i] = !isfinite(row.u) || (settled > 0 && !(row.fall <= SETTLED));
  }
  fit->descended = true;
  if (finite > 0) return BOLTZ_OK;
  return boltz_fail(BOLTZ_OUT_OF_RANGE,
                    "the base laplace found no place of finite energy from %zu starts", starts);
}

/* Some trial points of a round; after the last, every start takes its step. */
static enum boltz_status descend(struct fit *fit, struct boltz_arena *scratch) {
  const struct boltz_base_evidence *evidence = fit->evidence;
  const struct boltz_batch *trial = boltz_descent_trial(fit->descent);
  const size_t left = trial->n - fit->at, n = left < evidence->rows ? left : evidence->rows;
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  struct boltz_batch z, g;
  BOLTZ_TRY(boltz_batch_view(scratch, trial, fit->at, n, &z));
  BOLTZ_TRY(boltz_batch_view(scratch, &fit->g, fit->at, n, &g));
  evidence->energy(evidence->owner, &z, fit->u + fit->at, &g, scratch);
  boltz_arena_release(scratch, mark);
  fit->at += n;
  if (fit->at < trial->n) return BOLTZ_OK;
  fit->at = 0;
  const bool more = boltz_descent_advance(fit->descent, fit->u, &fit->g);
  return more && ++fit->round < fit->s->steps ? BOLTZ_OK : settle(fit);
}

/* ---- Components ---------------------------------------------------------------------------- */

/* The lowest place that no component has; false: there is none. */
static bool next_place(struct fit *fit) {
  const size_t starts = (size_t)fit->s->starts;
  size_t lowest = starts;
  double u = INFINITY;
  for (size_t i = 0; i < starts; i++) {
    const struct boltz_descent_row row = boltz_descent_row(fit->descent, i);
    if (fit->taken[i] || !(row.u < u)) continue;
    u = row.u;
    lowest = i;
  }
  if (lowest == starts || fit->modes == fit->of->components) return false;
  const struct boltz_descent_row row = boltz_descent_row(fit->descent, lowest);
  fit->taken[lowest] = true;
  memcpy(fit->well.z, row.x, (size_t)fit->of->dim * sizeof(double));
  memcpy(fit->well.g, row.g, (size_t)fit->of->dim * sizeof(double));
  fit->well.u = row.u;
  boltz_well_begin(&fit->well);
  return true;
}

/* (x - z) H (x - z) */
static double distance(const struct boltz_well *well, const double *x) {
  const size_t n = (size_t)well->dim;
  double sum = 0;
  for (size_t i = 0; i < n; i++) {
    double along = 0;
    for (size_t j = 0; j < n; j++) along += well->precision[i * n + j] * (x[j] - well->z[j]);
    sum += along * (x[i] - well->z[i]);
  }
  return sum;
}

static enum boltz_status add_component(struct fit *fit) {
  for (size_t i = 0; i < (size_t)fit->s->starts; i++)
    if (!fit->taken[i] && distance(&fit->well, boltz_descent_row(fit->descent, i).x) < 1)
      fit->taken[i] = true;
  BOLTZ_TRY(boltz_gaussians_set(fit->of, fit->w, fit->modes, 1, fit->well.z, fit->well.precision));
  fit->log_weight[fit->modes++] = fit->well.log_weight;
  return BOLTZ_OK;
}

static void put_weights(struct fit *fit) {
  double top = -INFINITY;
  for (int k = 0; k < fit->modes; k++) top = fmax(top, fit->log_weight[k]);
  for (int k = 0; k < fit->modes; k++)
    fit->w[k] = (float)fmax(exp(fit->log_weight[k] - top), fit->s->least);
}

static enum boltz_status fit_step(void *state, bool *more, struct boltz_arena *scratch) {
  struct fit *fit = state;
  *more = true;
  if (!fit->descended) return descend(fit, scratch);
  if (fit->in_well) {
    BOLTZ_TRY(boltz_well_step(&fit->well, &fit->in_well, scratch));
    return fit->in_well ? BOLTZ_OK : add_component(fit);
  }
  fit->in_well = next_place(fit);
  if (fit->in_well) return BOLTZ_OK;
  put_weights(fit);
  *more = false;
  return BOLTZ_OK;
}

#define OFFSET(member) offsetof(struct laplace, member)
static const struct boltz_field fields[] = {
    {.name = "modes",
     .type = BOLTZ_FIELD_INT,
     .offset = OFFSET(modes),
     .def = 16,
     .low = 1,
     .high = 1024,
     .doc = "minima that become components, at most: the lowest ones"},
    {.name = "starts",
     .type = BOLTZ_FIELD_INT,
     .offset = OFFSET(starts),
     .def = 128,
     .low = 1,
     .high = 4096,
     .doc = "descents that look for them"},
    {.name = "steps",
     .type = BOLTZ_FIELD_INT,
     .offset = OFFSET(steps),
     .def = 500,
     .low = 1,
     .high = 100000,
     .doc = "evaluations of the energy in one descent, at most"},
    {.name = "least",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OFFSET(least),
     .def = 1e-4,
     .low = 0,
     .high = 1,
     .doc = "a minimum's weight against the heaviest's, at least"},
    BOLTZ_FIELDS_END,
};

const struct boltz_base_kind boltz_base_laplace = {
    .name = "laplace",
    .doc =
        "a Gaussian for every minimum of the energy that descents find, with its Hessian and its "
        "harmonic weight: of a quadratic energy the density itself, without a training; fixed "
        "before the first step; latents are real; the entropy has no closed form but of one "
        "minimum",
    .source = "MacKay, Information Theory, Inference, and Learning Algorithms (2003), ch. 27",
    .fields = fields,
    .settings_size = sizeof(struct laplace),
    .build = build,
    .tensor = boltz_gaussians_tensor,
    .init = boltz_gaussians_init,
    .fit_open = fit_open,
    .fit_step = fit_step,
    .sample = boltz_gaussians_sample,
    .log_density = boltz_gaussians_log_density,
    .entropy = boltz_gaussians_entropy,
};
