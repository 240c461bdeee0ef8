/* run.c - a program over columns: every instruction a loop over a block of samples, whose columns
 * stay in the first-level cache. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/base/vmath.h"
#include "core/expression/program.h"

#define BLOCK_DOUBLES 3072 /* 24 KiB of the 32 that the cache has */
#define BLOCK_LEAST 32
#define BLOCK_MOST 512
#define TURN_MOST 0x1p50 /* as far as two words of pi/2 tell the quarter */

/* log(x) of all x: subnormal ones are scaled, the rest of what boltz_log refuses is chosen. */
BOLTZ_INLINE double log_of(double x) {
  const bool small = x < DBL_MIN;
  const double y = boltz_log(small ? x * 0x1p54 : x) - (small ? 54 * M_LN2 : 0);
  const double finite = x < INFINITY ? y : x;
  const double not_above = x == 0 ? -INFINITY : NAN;
  return x > 0 ? finite : not_above;
}

/* x = k pi/2 + r, |r| <= pi/4: those of r, turned by k quarters. For |x| <= TURN_MOST. */
BOLTZ_INLINE void cos_sin(double x, double *cosine, double *sine) {
  const double rounded = fma(x, 0x1.45f306dc9c883p-1, BOLTZ_ROUNDER), k = rounded - BOLTZ_ROUNDER;
  const double r = fma(k, -0x1.1a62633145c07p-54, fma(k, -0x1.921fb54442d18p0, x));
  const uint64_t quarter = boltz_bits_of(rounded);
  double c, s;
  boltz_cos_sin_turn(r * 0x1.45f306dc9c883p-3, &c, &s);
  const double even = quarter & 1 ? s : c, other = quarter & 1 ? c : s;
  *cosine = boltz_of_bits(boltz_bits_of(even) ^ ((quarter + 1) & 2) << 62);
  *sine = boltz_of_bits(boltz_bits_of(other) ^ (quarter & 2) << 62);
}

BOLTZ_INLINE double cos_of(double x) {
  double cosine, sine;
  cos_sin(x, &cosine, &sine);
  return cosine;
}

BOLTZ_INLINE double sin_of(double x) {
  double cosine, sine;
  cos_sin(x, &cosine, &sine);
  return sine;
}

/* tanh(x): its series near 0, where a difference from 1 has no figures left. */
BOLTZ_INLINE double tanh_of(double x) {
  const double z = x * x;
  double p = 21844.0 / 6081075;
  p = fma(p, z, -1382.0 / 155925);
  p = fma(p, z, 62.0 / 2835);
  p = fma(p, z, -17.0 / 315);
  p = fma(p, z, 2.0 / 15);
  p = fma(p, z, -1.0 / 3);
  return fabs(x) < 0.125 ? fma(x * z, p, x) : boltz_tanh_double(x);
}

/* One at a time where an angle is too large, infinite or none. */
BOLTZ_INLINE void far_angles(enum boltz_op op, size_t n, const double *a, double *r) {
  int64_t near = 1;
  for (size_t i = 0; i < n; i++) near = fabs(a[i]) <= TURN_MOST ? near : 0;
  if (near) return;
  for (size_t i = 0; i < n; i++)
    if (!(fabs(a[i]) <= TURN_MOST)) r[i] = op == BOLTZ_OP_SIN ? sin(a[i]) : cos(a[i]);
}

#define EACH(formula)                                 \
  for (size_t i = 0; i < n; i++) column[i] = formula; \
  break

BOLTZ_VECTORISED void boltz_program_run(const struct boltz_instruction *instructions, int count,
                                        double *const *slot, size_t n) {
  for (const struct boltz_instruction *at = instructions; at < instructions + count; at++) {
    double *restrict column = slot[at->r];
    const double *a = slot[at->a], *b = slot[at->b], *c = slot[at->c];
    const double s = at->s, t = at->t;
    switch (at->op) {
      case BOLTZ_OP_CONSTANT:
      case BOLTZ_OP_VARIABLE:
        break;
      case BOLTZ_OP_SUM:
        EACH(a[i] + s * b[i]);
      case BOLTZ_OP_AFFINE:
        EACH(s * a[i] + t);
      case BOLTZ_OP_MUL:
        EACH(a[i] * b[i]);
      case BOLTZ_OP_SQUARE:
        EACH(a[i] * a[i]);
      case BOLTZ_OP_DIV:
        EACH(a[i] / b[i]);
      case BOLTZ_OP_POW:
        EACH(pow(a[i], b[i]));
      case BOLTZ_OP_EXP:
        EACH(boltz_exp(a[i]));
      case BOLTZ_OP_LOG:
        EACH(log_of(a[i]));
      case BOLTZ_OP_SQRT:
        EACH(sqrt(a[i]));
      case BOLTZ_OP_SIN:
        for (size_t i = 0; i < n; i++) column[i] = sin_of(a[i]);
        far_angles(at->op, n, a, column);
        break;
      case BOLTZ_OP_COS:
        for (size_t i = 0; i < n; i++) column[i] = cos_of(a[i]);
        far_angles(at->op, n, a, column);
        break;
      case BOLTZ_OP_TANH:
        EACH(tanh_of(a[i]));
      case BOLTZ_OP_ABS:
        EACH(fabs(a[i]));
      case BOLTZ_OP_MIN:
        EACH(a[i] <= b[i] ? a[i] : a[i] != a[i] ? a[i] : b[i]);
      case BOLTZ_OP_MAX:
        EACH(a[i] >= b[i] ? a[i] : a[i] != a[i] ? a[i] : b[i]);
      case BOLTZ_OP_SIGN:
        EACH(a[i] < 0 ? -1.0 : 1.0);
      case BOLTZ_OP_GATE:
        EACH(a[i] <= b[i] ? c[i] : 0);
      case BOLTZ_OP_CHAIN:
        EACH(a[i] == 0 ? 0 : b[i] == 0 ? 0 : a[i] * b[i]);
    }
  }
}

/* ---- blocks ---- */

/* The columns of a program at work. */
struct columns {
  double **slot;
  double *own; /* constants and temporaries, [block] each */
  size_t block;
};

/* Samples a block: as equal as the most that fit allows, whole vectors. */
static size_t block_size(size_t n, int slots) {
  size_t most = BLOCK_DOUBLES / (size_t)slots / 8 * 8;
  most = most < BLOCK_LEAST ? BLOCK_LEAST : most > BLOCK_MOST ? BLOCK_MOST : most;
  const size_t blocks = n > most ? (n + most - 1) / most : 1;
  return ((n + blocks - 1) / blocks + 7) / 8 * 8;
}

static bool new_columns(const struct boltz_program *p, size_t n, struct boltz_arena *scratch,
                        struct columns *columns) {
  const int own = p->nconstants + p->ntemporaries, slots = p->noutputs + p->nvariables + own;
  columns->block = block_size(n, slots);
  columns->slot = boltz_arena_scratch(scratch, (size_t)slots, sizeof(double *));
  columns->own = boltz_arena_scratch(scratch, (size_t)own + 1, columns->block * sizeof(double));
  if (!columns->slot || !columns->own) return false;
  for (int k = 0; k < own; k++) {
    double *column = columns->own + (size_t)k * columns->block;
    columns->slot[slots - own + k] = column;
    for (size_t i = 0; k < p->nconstants && i < columns->block; i++) column[i] = p->constants[k];
  }
  return true;
}

static bool run(const struct boltz_program *p, const struct boltz_batch *x, double *const *outputs,
                struct boltz_arena *scratch) {
  struct columns columns;
  double **slot;
  if (!new_columns(p, x->n, scratch, &columns)) return false;
  slot = columns.slot;
  for (size_t first = 0; first < x->n; first += columns.block) {
    const size_t n = x->n - first < columns.block ? x->n - first : columns.block;
    for (int k = 0; k < p->noutputs; k++) slot[k] = outputs[k] + first;
    for (int k = 0; k < p->nvariables; k++) slot[p->noutputs + k] = x->col[p->variables[k]] + first;
    boltz_program_run(p->instructions, p->ninstructions, slot, n);
    for (int k = 0; k < p->noutputs; k++)
      if (p->from[k] != k) memcpy(slot[k], slot[p->from[k]], n * sizeof(double));
  }
  return true;
}

/* The value and the derivatives by every variable that the formula has. */
static bool run_all(const struct boltz_expression *expression, const struct boltz_batch *x,
                    double *value, struct boltz_batch *gradient, struct boltz_arena *scratch) {
  const struct boltz_program *p = &expression->all;
  double **outputs = boltz_arena_scratch(scratch, (size_t)p->noutputs, sizeof(double *));
  if (!outputs) return false;
  outputs[0] = value;
  for (int k = 1; k < p->noutputs; k++) outputs[k] = gradient->col[p->variables[k - 1]];
  return run(p, x, outputs, scratch);
}

static void clear(struct boltz_batch *gradient) {
  for (int j = 0; j < gradient->dim; j++) memset(gradient->col[j], 0, gradient->n * sizeof(double));
}

bool boltz_expression_eval(const struct boltz_expression *expression, const struct boltz_batch *x,
                           double *value, struct boltz_batch *gradient,
                           struct boltz_arena *scratch) {
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  if (gradient && expression->value.nvariables < expression->nvariables) clear(gradient);
  const bool room = gradient ? run_all(expression, x, value, gradient, scratch)
                             : run(&expression->value, x, &value, scratch);
  if (!room) {
    for (size_t i = 0; i < x->n; i++) value[i] = NAN;
    if (gradient) clear(gradient);
  }
  boltz_arena_release(scratch, mark);
  return room;
}

int boltz_expression_variable(const struct boltz_expression *expression, int index) {
  return index < expression->value.nvariables ? expression->value.variables[index] : -1;
}

int boltz_expression_operations(const struct boltz_expression *expression) {
  return expression->value.ninstructions;
}
