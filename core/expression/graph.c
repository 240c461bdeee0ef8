/* graph.c - values as nodes, equal ones once: what is constant is folded, factors and constant
 * terms go into the operations that have room for them. Nothing here changes what a formula rounds
 * to, but for the order of a product's whole powers. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "core/expression/program.h"

#define WHOLE_POWER_MOST 64

enum boltz_status boltz_graph_new(int most, struct boltz_arena *arena, struct boltz_graph *graph) {
  unsigned slots = 64;
  while (slots < 2 * (unsigned)most) slots *= 2;
  *graph = (struct boltz_graph){
      .nodes = boltz_arena_scratch(arena, (size_t)most, sizeof(struct boltz_node)),
      .most = most,
      .table = BOLTZ_NEW_ARRAY(arena, slots, int),
      .mask = slots - 1};
  if (!graph->nodes || !graph->table) return BOLTZ_NO_MEMORY;
  boltz_graph_constant(graph, 0);
  return BOLTZ_OK;
}

int boltz_node_operands(const struct boltz_node *node, int operands[3]) {
  operands[0] = node->a, operands[1] = node->b, operands[2] = node->c;
  switch (node->op) {
    case BOLTZ_OP_CONSTANT:
    case BOLTZ_OP_VARIABLE:
      return 0;
    case BOLTZ_OP_SUM:
    case BOLTZ_OP_MUL:
    case BOLTZ_OP_DIV:
    case BOLTZ_OP_POW:
    case BOLTZ_OP_MIN:
    case BOLTZ_OP_MAX:
    case BOLTZ_OP_CHAIN:
      return 2;
    case BOLTZ_OP_GATE:
      return 3;
    default:
      return 1;
  }
}

/* ---- one of each ---- */

static unsigned hash(const struct boltz_node *node) {
  uint64_t s, t;
  memcpy(&s, &node->s, sizeof s);
  memcpy(&t, &node->t, sizeof t);
  uint64_t h = (uint64_t)node->op;
  const uint64_t parts[] = {(uint64_t)node->a, (uint64_t)node->b, (uint64_t)node->c, s, t};
  for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
    h = (h ^ parts[k]) * UINT64_C(0x9e3779b97f4a7c15);
    h ^= h >> 29;
  }
  return (unsigned)(h >> 16);
}

/* Bit by bit, so that -0 is not 0 and NaN is NaN. */
static bool same(const struct boltz_node *x, const struct boltz_node *y) {
  return x->op == y->op && x->a == y->a && x->b == y->b && x->c == y->c &&
         memcmp(&x->s, &y->s, sizeof x->s) == 0 && memcmp(&x->t, &y->t, sizeof x->t) == 0;
}

static int intern(struct boltz_graph *g, struct boltz_node node) {
  unsigned at = hash(&node) & g->mask;
  for (; g->table[at]; at = (at + 1) & g->mask)
    if (same(&g->nodes[g->table[at] - 1], &node)) return g->table[at] - 1;
  if (g->n == g->most) {
    g->full = true;
    return 0;
  }
  g->nodes[g->n] = node;
  g->table[at] = ++g->n;
  return g->n - 1;
}

static bool is_constant(const struct boltz_graph *g, int a, double *value) {
  *value = g->nodes[a].s;
  return g->nodes[a].op == BOLTZ_OP_CONSTANT;
}

/* By the instruction itself, so that a constant is what a column of it would be. */
static int intern_folded(struct boltz_graph *g, struct boltz_node node) {
  int operands[3], n = boltz_node_operands(&node, operands);
  double value[4] = {0}, *slot[4];
  for (int k = 0; k < 4; k++) slot[k] = &value[k];
  for (int k = 0; k < n; k++)
    if (!is_constant(g, operands[k], &value[1 + k])) return intern(g, node);
  const struct boltz_instruction instruction = {
      .op = node.op, .r = 0, .a = 1, .b = 2, .c = 3, .s = node.s, .t = node.t};
  boltz_program_run(&instruction, 1, slot, 1);
  return boltz_graph_constant(g, value[0]);
}

int boltz_graph_constant(struct boltz_graph *g, double value) {
  return intern(g, (struct boltz_node){.op = BOLTZ_OP_CONSTANT, .s = value});
}

int boltz_graph_variable(struct boltz_graph *g, int variable) {
  return intern(g, (struct boltz_node){.op = BOLTZ_OP_VARIABLE, .a = variable});
}

int boltz_graph_unary(struct boltz_graph *g, enum boltz_op op, int a) {
  return intern_folded(g, (struct boltz_node){.op = op, .a = a});
}

int boltz_graph_binary(struct boltz_graph *g, enum boltz_op op, int a, int b) {
  return intern_folded(g, (struct boltz_node){.op = op, .a = a, .b = b});
}

int boltz_graph_gate(struct boltz_graph *g, int a, int b, int c) {
  return intern_folded(g, (struct boltz_node){.op = BOLTZ_OP_GATE, .a = a, .b = b, .c = c});
}

/* ---- s a + t and a + s b ---- */

static int affine(struct boltz_graph *g, int a, double s, double t) {
  return intern_folded(g, (struct boltz_node){.op = BOLTZ_OP_AFFINE, .a = a, .s = s, .t = t});
}

/* Is it s a and no more? */
static bool is_scale(const struct boltz_node *node) {
  return node->op == BOLTZ_OP_AFFINE && node->t == 0;
}

static bool is_power_of_two(double s) {
  int exponent;
  return isnormal(s) && fabs(frexp(s, &exponent)) == 0.5;
}

int boltz_graph_scale(struct boltz_graph *g, int a, double s) {
  const struct boltz_node from = g->nodes[a];
  if (s == 1) return a;
  if (from.op == BOLTZ_OP_AFFINE && s == -1)
    return is_scale(&from) ? boltz_graph_scale(g, from.a, -from.s)
                           : affine(g, from.a, -from.s, -from.t);
  const bool exact = (is_power_of_two(s) || is_power_of_two(from.s)) && isnormal(s * from.s);
  if (is_scale(&from) && exact) return boltz_graph_scale(g, from.a, s * from.s);
  return affine(g, a, s, -0.0);
}

/* s a + t of the node a or, where that is a factor times another, of the other. */
static int shift(struct boltz_graph *g, int a, double s, double t) {
  const struct boltz_node from = g->nodes[a];
  if (t == 0) return boltz_graph_scale(g, a, s);
  return is_scale(&from) ? affine(g, from.a, s * from.s, t) : affine(g, a, s, t);
}

/* a + s b, s = 1 or -1. */
static int sum(struct boltz_graph *g, int a, int b, double s) {
  double value;
  if (is_constant(g, b, &value)) return shift(g, a, 1, s * value);
  if (is_constant(g, a, &value)) return shift(g, b, s, value);
  const struct boltz_node from_a = g->nodes[a], from_b = g->nodes[b];
  if (is_scale(&from_b)) {
    b = from_b.a, s *= from_b.s;
  } else if (is_scale(&from_a) && s == 1) {
    s = from_a.s, a = b, b = from_a.a;
  }
  if (s == 1 && a == b) return boltz_graph_scale(g, a, 2);
  if (s == 1 && a > b) {
    const int other = a;
    a = b, b = other;
  }
  return intern_folded(g, (struct boltz_node){.op = BOLTZ_OP_SUM, .a = a, .b = b, .s = s});
}

int boltz_graph_add(struct boltz_graph *g, int a, int b) {
  return sum(g, a, b, 1);
}

int boltz_graph_subtract(struct boltz_graph *g, int a, int b) {
  return sum(g, a, b, -1);
}

/* ---- products and powers ---- */

int boltz_graph_multiply(struct boltz_graph *g, int a, int b) {
  double value;
  if (is_constant(g, a, &value)) return boltz_graph_scale(g, b, value);
  if (is_constant(g, b, &value)) return boltz_graph_scale(g, a, value);
  if (a == b) return boltz_graph_unary(g, BOLTZ_OP_SQUARE, a);
  return boltz_graph_binary(g, BOLTZ_OP_MUL, a < b ? a : b, a < b ? b : a);
}

int boltz_graph_divide(struct boltz_graph *g, int a, int b) {
  double value;
  if (is_constant(g, b, &value) && is_power_of_two(value) && isnormal(1 / value))
    return boltz_graph_scale(g, a, 1 / value);
  return boltz_graph_binary(g, BOLTZ_OP_DIV, a, b);
}

static int whole_power(struct boltz_graph *g, int a, int n) {
  if (n == 0) return boltz_graph_constant(g, 1);
  if (n == 1) return a;
  if (n % 2) return boltz_graph_multiply(g, a, whole_power(g, a, n - 1));
  return boltz_graph_unary(g, BOLTZ_OP_SQUARE, whole_power(g, a, n / 2));
}

int boltz_graph_power(struct boltz_graph *g, int a, int b) {
  double value;
  if (!is_constant(g, b, &value)) return boltz_graph_binary(g, BOLTZ_OP_POW, a, b);
  if (value == floor(value) && fabs(value) <= WHOLE_POWER_MOST) {
    const int power = whole_power(g, a, (int)fabs(value));
    return value >= 0 ? power : boltz_graph_divide(g, boltz_graph_constant(g, 1), power);
  }
  return boltz_graph_binary(g, BOLTZ_OP_POW, a, b);
}

int boltz_graph_chain(struct boltz_graph *g, int adjoint, int derivative) {
  double value;
  if (is_constant(g, adjoint, &value) && isfinite(value))
    return value == 0 ? adjoint : boltz_graph_scale(g, derivative, value);
  if (is_constant(g, derivative, &value) && isfinite(value))
    return value == 0 ? derivative : boltz_graph_scale(g, adjoint, value);
  return boltz_graph_binary(g, BOLTZ_OP_CHAIN, adjoint, derivative);
}
