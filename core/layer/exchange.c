/* exchange.c - particles that are all alike: which of them is which says nothing.
 *
 *   x = z where every particle is at its place,  log_det = 0, else -infinity
 *   z = x with the particles in that order,      log_det = 0
 *
 * Of the n! orders of a configuration one is that of the tensor `reference`: the sum of squared
 * distances of particles from their places is least. The layers below need to know that order
 * alone. A sample's particles are dealt their names at random (scatter), so that a configuration
 * has the density q(z)/n!. A latent in another order would be counted twice, for its configuration
 * has one in this order too: its weight is 0, and it counts among the n samples of an average.
 * Coordinate k of particle i is particles[i] + k.
 * Source: Noe, Olsson, Koehler, Wu, Science 365, eaaw1147 (2019), supplement: particles relabelled
 * by a linear assignment.
 * Golden: particles [0, 1], width 1, reference -1, 1: x = (3, 2) gives z = (2, 3); z = (3, 2) has
 * log_det = -infinity. */
#include <math.h>
#include <string.h>

#include "boltz/layer.h"
#include "boltz/rng.h"
#include "core/linear/assignment.h"

#define PARTICLES_MAX 256 /* an assignment takes the third power of it at worst */

/* The reference is fitted to so many rows, fewer where each takes long, from so many of them to
   start with. */
#define FIT_ROWS 512
#define FIT_DISTANCES ((size_t)1 << 22)
#define FIT_STARTS 8
#define FIT_ROUNDS 20

struct exchange {
  struct boltz_ints particles;
  int64_t width;
};

struct sizes {
  size_t n, width;
  const int64_t *first; /* [n] */
};

static struct sizes sizes_of(const struct boltz_layer *layer) {
  const struct exchange *s = layer->settings;
  return (struct sizes){.n = s->particles.n, .width = (size_t)s->width, .first = s->particles.v};
}

static enum boltz_status check_particle(const struct boltz_layer *layer, size_t i, bool *seen) {
  const struct sizes s = sizes_of(layer);
  for (size_t k = 0; k < s.width; k++) {
    const int64_t j = s.first[i] + (int64_t)k;
    if (s.first[i] < 0 || j >= layer->dim)
      return boltz_fail(BOLTZ_OUT_OF_RANGE, "coordinate %lld is not in [0, %d]", (long long)j,
                        layer->dim - 1);
    if (seen[j])
      return boltz_fail(BOLTZ_OUT_OF_RANGE, "coordinate %lld is named twice", (long long)j);
    if (layer->domain[j].type != BOLTZ_REAL)
      return boltz_fail(BOLTZ_OUT_OF_RANGE,
                        "x%lld is not real here, and exchange measures distances: layers that end "
                        "on a domain come after it",
                        (long long)j + 1);
    seen[j] = true;
  }
  return BOLTZ_OK;
}

static enum boltz_status build(struct boltz_layer *layer, struct boltz_arena *arena) {
  const struct sizes s = sizes_of(layer);
  bool *seen = BOLTZ_NEW_ARRAY(arena, (size_t)layer->dim, bool);
  if (!seen) return BOLTZ_NO_MEMORY;
  if (s.n < 2 || s.n > PARTICLES_MAX)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/particles",
                         "%zu particles: 2 to %d can change places", s.n, PARTICLES_MAX);
  for (size_t i = 0; i < s.n; i++) {
    const enum boltz_status status = check_particle(layer, i, seen);
    if (status != BOLTZ_OK) return boltz_fail_under(status, "/particles/%d", (int)i);
  }
  layer->nw = s.n * s.width;
  for (size_t k = 2; k <= s.n; k++) layer->log_copies += log((double)k); /* ln n! */
  return BOLTZ_OK;
}

/* What is real stays real. */
static void domains(const struct boltz_layer *layer, struct boltz_domain *domain) {
  (void)layer, (void)domain;
}

static bool tensor(const struct boltz_layer *layer, int k, struct boltz_tensor *tensor) {
  const struct sizes s = sizes_of(layer);
  if (k != 0) return false;
  *tensor = (struct boltz_tensor){
      .name = "reference", .rank = 2, .shape = {(int64_t)s.n, (int64_t)s.width}};
  return true;
}

/* In a row along the first axis. */
static void init(const struct boltz_layer *layer, uint64_t seed, int index, float *w) {
  const struct sizes s = sizes_of(layer);
  (void)seed, (void)index;
  memset(w, 0, layer->nw * sizeof *w);
  for (size_t i = 0; i < s.n; i++)
    w[i * s.width] = (float)(2 * ((double)i + 0.5) / (double)s.n - 1);
}

/* ---- Which particle belongs to which place ---- */

#define APART 1e-6 /* of the largest coordinate: far above the rounding of distances */

/* Where two places are one, several orders of a configuration are the nearest, and would all be
   taken for its only one. What is not finite is not apart. */
static bool are_apart(const struct sizes *s, const double *reference) {
  double largest = 0, least = INFINITY;
  for (size_t j = 0; j < s->n * s->width; j++) {
    if (!isfinite(reference[j])) return false;
    largest = fmax(largest, fabs(reference[j]));
  }
  for (size_t p = 1; p < s->n; p++)
    for (size_t q = 0; q < p; q++) {
      double far = 0;
      for (size_t k = 0; k < s->width; k++)
        far = fmax(far, fabs(reference[p * s->width + k] - reference[q * s->width + k]));
      least = fmin(least, far);
    }
  return least > APART * largest;
}

struct matching {
  struct boltz_assignment room;
  double *cost;     /* [n, n] */
  size_t *particle; /* [n] whose place it is */
};

static bool new_matching(const struct sizes *s, struct boltz_arena *arena, struct matching *m) {
  m->cost = boltz_arena_scratch(arena, s->n * s->n, sizeof *m->cost);
  m->particle = BOLTZ_NEW_ARRAY(arena, s->n, size_t);
  return m->cost && m->particle && boltz_assignment_new(s->n, arena, &m->room) == BOLTZ_OK;
}

/* Row i of x; returns the sum of squared distances. A row that is not finite, or whose distances
   are not, is left as it is. */
static double match(const struct sizes *s, const double *reference, const struct boltz_batch *x,
                    size_t i, struct matching *m) {
  double all = 0, sum = 0;
  memset(m->cost, 0, s->n * s->n * sizeof *m->cost);
  for (size_t place = 0; place < s->n; place++)
    for (size_t k = 0; k < s->width; k++) {
      const double at = reference[place * s->width + k];
      for (size_t p = 0; p < s->n; p++) {
        const double d = x->col[(size_t)s->first[p] + k][i] - at;
        m->cost[place * s->n + p] += d * d;
      }
    }
  for (size_t p = 0; p < s->n; p++) m->particle[p] = p;
  for (size_t k = 0; k < s->n * s->n; k++) all += m->cost[k];
  if (!isfinite(all)) return all;
  boltz_assign(m->cost, &m->room, m->particle);
  for (size_t place = 0; place < s->n; place++) sum += m->cost[place * s->n + m->particle[place]];
  return sum;
}

/* ---- The reference, from data ---- */

struct fit {
  struct sizes s;
  const struct boltz_batch *x;
  size_t rows;
  struct matching m;
  double *reference, *next; /* [n, width] */
};

static size_t row_of(const struct fit *f, size_t k, size_t of) {
  return f->x->n * k / of;
}

/* Means of matched particles in `next`; returns the sum of squared distances before. */
static double average(struct fit *f) {
  const struct sizes *s = &f->s;
  double sum = 0;
  memset(f->next, 0, s->n * s->width * sizeof *f->next);
  for (size_t r = 0; r < f->rows; r++) {
    const size_t i = row_of(f, r, f->rows);
    sum += match(s, f->reference, f->x, i, &f->m);
    for (size_t place = 0; place < s->n; place++)
      for (size_t k = 0; k < s->width; k++)
        f->next[place * s->width + k] +=
            f->x->col[(size_t)s->first[f->m.particle[place]] + k][i] / (double)f->rows;
  }
  return sum;
}

/* From one row on, places and orders in turn. */
static double settle(struct fit *f, size_t start) {
  const struct sizes *s = &f->s;
  double least = INFINITY;
  for (size_t p = 0; p < s->n; p++)
    for (size_t k = 0; k < s->width; k++)
      f->reference[p * s->width + k] = f->x->col[(size_t)s->first[p] + k][start];
  for (int round = 0; round < FIT_ROUNDS; round++) {
    const double sum = average(f);
    if (!(sum < least)) break;
    least = sum;
    memcpy(f->reference, f->next, s->n * s->width * sizeof *f->next);
  }
  return least;
}

/* Where the particles are when each is given the place that it is nearest to, all told: of several
   answers the one with the least distances. Data that are not finite, or that have two particles in
   one place, change nothing. */
static void fit(const struct boltz_layer *layer, const struct boltz_batch *x, float *w) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct fit f = {.s = sizes_of(layer), .x = x};
  const size_t most = FIT_DISTANCES / (f.s.n * f.s.n);
  double least = INFINITY;
  f.rows = most < FIT_ROWS ? most : FIT_ROWS;
  if (x->n < f.rows) f.rows = x->n;
  if (arena) {
    f.reference = BOLTZ_NEW_ARRAY(arena, layer->nw, double);
    f.next = BOLTZ_NEW_ARRAY(arena, layer->nw, double);
  }
  const bool room = arena && f.reference && f.next && new_matching(&f.s, arena, &f.m);
  if (!room) w[0] = NAN; /* nothing can be made of such weights */
  for (size_t k = 0; room && x->n > 0 && k < FIT_STARTS; k++) {
    const double sum = settle(&f, row_of(&f, k, FIT_STARTS));
    for (size_t j = 0; j < layer->nw; j++) f.reference[j] = (double)(float)f.reference[j];
    if (!(sum < least && are_apart(&f.s, f.reference))) continue;
    least = sum;
    for (size_t j = 0; j < layer->nw; j++) w[j] = (float)f.reference[j];
  }
  boltz_arena_close(arena);
}

/* ---- Both ways ---- */

/* Particles of row i in the order of `particle`, or back from it; room [n]. */
static void order(const struct sizes *s, const uint32_t *particle, bool back, struct boltz_batch *x,
                  size_t i, double *room) {
  for (size_t k = 0; k < s->width; k++) {
    for (size_t p = 0; p < s->n; p++) room[p] = x->col[(size_t)s->first[p] + k][i];
    for (size_t p = 0; p < s->n; p++)
      x->col[(size_t)s->first[back ? particle[p] : p] + k][i] = room[back ? p : particle[p]];
  }
}

static bool is_in_order(const struct sizes *s, const uint32_t *particle) {
  for (size_t p = 0; p < s->n; p++)
    if (particle[p] != p) return false;
  return true;
}

/* The tape: whose place it is, of every row [rows, n]. */
static void apply(const struct boltz_layer *layer, const struct boltz_weights *w,
                  enum boltz_direction direction, struct boltz_batch *x, double *log_det,
                  void **tape, struct boltz_arena *scratch) {
  const struct sizes s = sizes_of(layer);
  const float *flat = boltz_layer_flat(layer, w);
  struct matching m;
  uint32_t *places = BOLTZ_NEW_ARRAY(scratch, x->n * s.n, uint32_t);
  double *reference = BOLTZ_NEW_ARRAY(scratch, layer->nw, double);
  double *room = BOLTZ_NEW_ARRAY(scratch, s.n, double);
  for (size_t j = 0; reference && j < layer->nw; j++) reference[j] = (double)flat[j];
  const bool ready =
      places && reference && room && new_matching(&s, scratch, &m) && are_apart(&s, reference);
  if (tape) *tape = ready ? places : NULL;
  for (size_t i = 0; i < x->n && !ready; i++) log_det[i] = NAN;
  for (size_t i = 0; i < x->n && ready; i++) {
    uint32_t *particle = places + i * s.n;
    match(&s, reference, x, i, &m);
    for (size_t p = 0; p < s.n; p++) particle[p] = (uint32_t)m.particle[p];
    if (is_in_order(&s, particle)) continue;
    if (direction == BOLTZ_TO_X)
      log_det[i] -= INFINITY; /* what is no number stays none */
    else
      order(&s, particle, false, x, i, room);
  }
}

static void backward(const struct boltz_layer *layer, const struct boltz_weights *w,
                     enum boltz_direction direction, void *tape, struct boltz_batch *x,
                     struct boltz_batch *g, const double *glog_det, float *gw,
                     struct boltz_arena *scratch) {
  const struct sizes s = sizes_of(layer);
  double *room = BOLTZ_NEW_ARRAY(scratch, s.n, double);
  (void)w, (void)glog_det, (void)gw;
  for (size_t i = 0; direction == BOLTZ_TO_Z && i < x->n; i++) {
    const uint32_t *particle = (const uint32_t *)tape + i * s.n;
    if (!room) {
      g->col[0][i] = NAN;
      continue;
    }
    order(&s, particle, true, x, i, room);
    order(&s, particle, true, g, i, room);
  }
}

/* ---- Names ---- */

/* Fisher and Yates; a remainder of 32 random bits is uneven by less than n 2^-32. */
static void shuffle(const struct sizes *s, uint64_t key, uint32_t *particle) {
  uint32_t bits[4] = {0};
  for (size_t p = 0; p < s->n; p++) particle[p] = (uint32_t)p;
  for (size_t p = s->n - 1; p > 0; p--) {
    const size_t draw = s->n - 1 - p;
    if (draw % 4 == 0) boltz_rng_bits(key, BOLTZ_STREAM_NAME, 0, (uint32_t)(draw / 4), bits);
    const size_t other = (size_t)((uint64_t)bits[draw % 4] * (p + 1) >> 32);
    const uint32_t swap = particle[p];
    particle[p] = particle[other];
    particle[other] = swap;
  }
}

static bool scatter(const struct boltz_layer *layer, const uint64_t *key, struct boltz_batch *x,
                    struct boltz_arena *scratch) {
  const struct sizes s = sizes_of(layer);
  uint32_t *particle = BOLTZ_NEW_ARRAY(scratch, s.n, uint32_t);
  double *room = BOLTZ_NEW_ARRAY(scratch, s.n, double);
  for (size_t i = 0; particle && room && i < x->n; i++) {
    shuffle(&s, key[i] + (uint64_t)layer->index, particle);
    order(&s, particle, false, x, i, room);
  }
  return particle && room;
}

/* Distances, and a few paths. */
static double flops(const struct boltz_layer *layer, enum boltz_precision precision) {
  const struct sizes s = sizes_of(layer);
  (void)precision;
  return (3.0 * (double)s.width + 20) * (double)(s.n * s.n);
}

static const struct boltz_field fields[] = {
    {.name = "particles",
     .type = BOLTZ_FIELD_INTS,
     .offset = offsetof(struct exchange, particles),
     .low = 0,
     .high = BOLTZ_DIM_MAX - 1,
     .required = true,
     .doc = "the first coordinate of each of the particles that are alike, from 0"},
    {.name = "width",
     .type = BOLTZ_FIELD_INT,
     .offset = offsetof(struct exchange, width),
     .def = 1,
     .low = 1,
     .high = BOLTZ_DIM_MAX,
     .doc = "coordinates of a particle, which follow each other"},
    BOLTZ_FIELDS_END,
};

const struct boltz_layer_kind boltz_layer_exchange = {
    .name = "exchange",
    .doc =
        "particles that are all alike: a configuration is taken in that order, of n!, which "
        "brings them nearest to their reference places, and its density is q(z)/n!; names are "
        "dealt at random, a latent in another order has log_q = Infinity and weight 0",
    .source = "Noe, Olsson, Koehler, Wu, Science 365, eaaw1147 (2019)",
    .fields = fields,
    .settings_size = sizeof(struct exchange),
    .build = build,
    .domains = domains,
    .tensor = tensor,
    .init = init,
    .fit = fit,
    .apply = apply,
    .backward = backward,
    .scatter = scatter,
    .flops = flops,
};
