/* energy.c - the list of energies, and what all of them share: temperature and domains. */
#include "boltz/energy.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/vmath.h"

#define BOLTZ_ENERGY(kind) extern const struct boltz_energy_kind boltz_energy_##kind;
#include "core/energy/list.h"
#undef BOLTZ_ENERGY

static const struct boltz_energy_kind *const kinds[] = {
#define BOLTZ_ENERGY(kind) &boltz_energy_##kind,
#include "core/energy/list.h"
#undef BOLTZ_ENERGY
};

#define KINDS ((int)(sizeof(kinds) / sizeof(kinds[0])))

/* What the linker did not know: set before there are threads, constant ever after. The list itself
   is with whoever loaded it. */
static const struct boltz_energy_kind *const *more_kinds;

void boltz_energy_kinds_extend(const struct boltz_energy_kind *const *more) {
  more_kinds = more;
}

const struct boltz_energy_kind *boltz_energy_kind_at(int index) {
  if (index < 0) return NULL;
  if (index < KINDS) return kinds[index];
  const struct boltz_energy_kind *const *kind = more_kinds;
  for (index -= KINDS; kind && *kind && index > 0; index--) kind++;
  return kind ? *kind : NULL;
}

const struct boltz_energy_kind *boltz_energy_kind_find(const char *name) {
  const struct boltz_energy_kind *kind;
  for (int k = 0; (kind = boltz_energy_kind_at(k)); k++)
    if (strcmp(kind->name, name) == 0) return kind;
  return NULL;
}

enum boltz_status boltz_energy_new(const struct boltz_energy_kind *kind, void *settings,
                                   double temperature, struct boltz_arena *arena,
                                   struct boltz_energy *energy) {
  if (!(temperature >= BOLTZ_TEMPERATURE_MIN && temperature <= BOLTZ_TEMPERATURE_MAX))
    return boltz_fail(BOLTZ_OUT_OF_RANGE, "temperature = %g is not in [%g, %g]", temperature,
                      BOLTZ_TEMPERATURE_MIN, BOLTZ_TEMPERATURE_MAX);
  if (kind->complete) BOLTZ_TRY(kind->complete(settings, arena));

  int dim = kind->dim(settings);
  if (dim < 1 || dim > BOLTZ_DIM_MAX)
    return boltz_fail(BOLTZ_OUT_OF_RANGE, "%s with %d coordinates is not in [1, %d]", kind->name,
                      dim, BOLTZ_DIM_MAX);

  struct boltz_domain *domain = BOLTZ_NEW_ARRAY(arena, (size_t)dim, struct boltz_domain);
  if (!domain) return BOLTZ_NO_MEMORY;
  for (int j = 0; j < dim; j++) {
    domain[j].type = BOLTZ_REAL;
    if (kind->domain) kind->domain(settings, j, &domain[j]);
  }
  *energy = (struct boltz_energy){
      .kind = kind,
      .settings = settings,
      .temperature = temperature,
      .dim = dim,
      .domain = domain,
  };
  return BOLTZ_OK;
}

/* The least and the greatest value that a kind's function may be given. */
struct interior {
  double low, high;
};

static struct interior interior_of(const struct boltz_domain *domain) {
  switch (domain->type) {
    case BOLTZ_INTERVAL:
      return (struct interior){nextafter(domain->low, domain->high),
                               nextafter(domain->high, domain->low)};
    case BOLTZ_PERIODIC:
      return (struct interior){domain->low, nextafter(domain->high, domain->low)};
    case BOLTZ_REAL:
      break;
  }
  return (struct interior){-DBL_MAX, DBL_MAX};
}

/* The image of v in [low, high); fmod is exact, so far images lose nothing. NaN for infinity. */
static double wrap_periodic(const struct boltz_domain *domain, double v) {
  double period = domain->high - domain->low;
  double r = fmod(v - domain->low, period);
  if (r < 0) r += period;
  r += domain->low;
  return r >= domain->high ? domain->low : r;
}

/* A value of the closed domain as the kind may see it; NaN for one outside. */
static double admit(const struct boltz_domain *domain, struct interior in, double v) {
  if (v >= in.low && v <= in.high) return v;
  if (domain->type == BOLTZ_PERIODIC) return wrap_periodic(domain, v);
  if (domain->type == BOLTZ_INTERVAL) {
    if (v == domain->low) return in.low;
    if (v == domain->high) return in.high;
  }
  return NAN;
}

/* Are all n of v? Written with selections because those vectorise; NaN compares false. */
BOLTZ_VECTORISED static bool column_is_interior(struct interior in, size_t n, const double *v) {
  int64_t inside = 1;
  for (size_t i = 0; i < n; i++) {
    inside = v[i] >= in.low ? inside : 0;
    inside = v[i] <= in.high ? inside : 0;
  }
  return inside;
}

/* Is every coordinate of the batch such that the kind may be given it as it is? */
static bool all_interior(const struct boltz_energy *energy, const struct boltz_batch *x) {
  for (int j = 0; j < energy->dim; j++)
    if (!column_is_interior(interior_of(&energy->domain[j]), x->n, x->col[j])) return false;
  return true;
}

/* u(x; T) of points that are all inside. */
static void eval_interior(const struct boltz_energy *energy, double temperature,
                          const struct boltz_batch *x, double *u, struct boltz_batch *gu,
                          struct boltz_arena *scratch) {
  const struct boltz_energy_kind *kind = energy->kind;
  if (kind->reduced) {
    kind->reduced(energy->settings, temperature, x, u, gu, scratch);
    return;
  }
  kind->energy(energy->settings, x, u, gu, scratch);
  if (temperature == 1) return;
  for (size_t i = 0; i < x->n; i++) u[i] /= temperature;
  if (!gu) return;
  for (int j = 0; j < energy->dim; j++) {
    double *g = gu->col[j];
    for (size_t i = 0; i < x->n; i++) g[i] /= temperature;
  }
}

/* A harmless stand-in for a coordinate that is outside; its energy is overwritten. */
static double stand_in(const struct boltz_domain *domain) {
  return domain->type == BOLTZ_REAL ? 0 : domain->low + 0.5 * (domain->high - domain->low);
}

/* The same for a batch that needs wrapping, nudging or refusing: on copies. */
static void eval_mixed(const struct boltz_energy *energy, double temperature,
                       const struct boltz_batch *x, double *u, struct boltz_batch *gu,
                       struct boltz_arena *scratch) {
  struct boltz_batch inside;
  unsigned char *refused = boltz_arena_alloc(scratch, x->n, 1);
  if (!refused || boltz_batch_new(scratch, x->n, energy->dim, &inside) != BOLTZ_OK) {
    for (size_t i = 0; i < x->n; i++) u[i] = NAN;
    for (int j = 0; gu && j < energy->dim; j++) memset(gu->col[j], 0, x->n * sizeof(double));
    return;
  }
  for (int j = 0; j < energy->dim; j++) {
    const struct boltz_domain *domain = &energy->domain[j];
    struct interior in = interior_of(domain);
    double spare = stand_in(domain);
    for (size_t i = 0; i < x->n; i++) {
      double v = admit(domain, in, x->col[j][i]);
      refused[i] |= v != v;
      inside.col[j][i] = v == v ? v : spare;
    }
  }

  eval_interior(energy, temperature, &inside, u, gu, scratch);

  for (size_t i = 0; i < x->n; i++) {
    if (!refused[i]) continue;
    u[i] = INFINITY;
    for (int j = 0; gu && j < energy->dim; j++) gu->col[j][i] = 0;
  }
}

void boltz_energy_eval(const struct boltz_energy *energy, double temperature,
                       const struct boltz_batch *x, double *u, struct boltz_batch *gu,
                       struct boltz_arena *scratch) {
  struct boltz_mark mark = boltz_arena_mark(scratch);
  if (all_interior(energy, x))
    eval_interior(energy, temperature, x, u, gu, scratch);
  else
    eval_mixed(energy, temperature, x, u, gu, scratch);
  boltz_arena_release(scratch, mark);
}

bool boltz_energy_inside(const struct boltz_energy *energy, const struct boltz_batch *x, size_t i) {
  for (int j = 0; j < energy->dim; j++) {
    const struct boltz_domain *domain = &energy->domain[j];
    double v = admit(domain, interior_of(domain), x->col[j][i]);
    if (v != v) return false;
  }
  return true;
}

void boltz_energy_wrap(const struct boltz_energy *energy, struct boltz_batch *x) {
  for (int j = 0; j < energy->dim; j++) {
    const struct boltz_domain *domain = &energy->domain[j];
    if (domain->type == BOLTZ_REAL) continue;
    struct interior in = interior_of(domain);
    double *v = x->col[j];
    for (size_t i = 0; i < x->n; i++) {
      double moved = admit(domain, in, v[i]);
      if (moved == moved) v[i] = moved;
    }
  }
}

int boltz_energy_coordinate(const struct boltz_energy *energy, const char *name) {
  if (name[0] != 'x' || name[1] < '1' || name[1] > '9') return -1;
  int number = 0;
  for (const char *c = name + 1; *c; c++) {
    if (*c < '0' || *c > '9') return -1;
    number = 10 * number + (*c - '0');
    if (number > energy->dim) return -1;
  }
  return number - 1;
}

size_t boltz_energy_list_coordinates(const struct boltz_energy *energy, char *text, size_t size) {
  const char *form = energy->dim == 1 ? "x1" : energy->dim == 2 ? "x1, x2" : "x1 … x%d";
  const int n = snprintf(text, size, form, energy->dim);
  return (size_t)n < size ? (size_t)n : size - 1;
}

int boltz_variable_width(const struct boltz_energy *energy, const struct boltz_variable *variable) {
  return variable->width ? variable->width(energy->settings) : 1;
}

const struct boltz_variable *boltz_energy_variable_at(const struct boltz_energy *energy,
                                                      int index) {
  const struct boltz_variable *variable = energy->kind->variables;
  for (; variable && variable->name; variable++)
    if (boltz_variable_width(energy, variable) > 0 && index-- == 0) return variable;
  return NULL;
}

const struct boltz_variable *boltz_energy_variable(const struct boltz_energy *energy,
                                                   const char *name) {
  const struct boltz_variable *variable;
  for (int k = 0; (variable = boltz_energy_variable_at(energy, k)); k++)
    if (strcmp(variable->name, name) == 0) return variable;
  return NULL;
}

void boltz_variable_eval(const struct boltz_energy *energy, const struct boltz_variable *variable,
                         double temperature, uint64_t seed, uint64_t first,
                         const struct boltz_batch *x, struct boltz_batch *value,
                         struct boltz_arena *scratch) {
  struct boltz_mark mark = boltz_arena_mark(scratch);
  variable->eval(energy->settings, temperature, seed, first, x, value, scratch);
  boltz_arena_release(scratch, mark);
}
