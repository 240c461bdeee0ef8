/* differentiate.c - derivatives of a graph as more nodes of it, from the root down.
 *
 * The adjoint of a node is d root / d node; a node hands its own, times d node / d operand, to each
 * operand. Products go through boltz_graph_chain(): what does not count (adjoint 0) counts for
 * nothing even where its own derivative is infinite, nor does what changes nothing (derivative 0)
 * where the adjoint is: sqrt(x^2 + y^2) has no slope at 0.
 * Source: Griewank, Walther, "Evaluating Derivatives" (2008), ch. 3. */
#include "core/expression/program.h"

struct reverse {
  struct boltz_graph *graph;
  int *adjoint;
};

static void push(struct reverse *r, int operand, int contribution) {
  int *adjoint = &r->adjoint[operand];
  if (r->graph->nodes[operand].op == BOLTZ_OP_CONSTANT) return;
  *adjoint = *adjoint < 0 ? contribution : boltz_graph_add(r->graph, *adjoint, contribution);
}

/* y = a / b: v / b and -v y / b */
static void push_quotient(struct reverse *r, const struct boltz_node *node, int y, int v) {
  struct boltz_graph *g = r->graph;
  if (g->nodes[node->b].op == BOLTZ_OP_CONSTANT) {
    push(r, node->a, boltz_graph_divide(g, v, node->b));
    return;
  }
  const int inverse = boltz_graph_divide(g, boltz_graph_constant(g, 1), node->b);
  const int part = boltz_graph_chain(g, v, inverse);
  push(r, node->a, part);
  push(r, node->b, boltz_graph_scale(g, boltz_graph_chain(g, part, y), -1));
}

/* y = a^b: v b a^(b - 1) and v y log a */
static void push_power(struct reverse *r, const struct boltz_node *node, int y, int v) {
  struct boltz_graph *g = r->graph;
  const bool a_varies = g->nodes[node->a].op != BOLTZ_OP_CONSTANT;
  const bool b_varies = g->nodes[node->b].op != BOLTZ_OP_CONSTANT;
  if (a_varies) {
    const int less = boltz_graph_subtract(g, node->b, boltz_graph_constant(g, 1));
    const int slope = boltz_graph_multiply(g, node->b, boltz_graph_power(g, node->a, less));
    push(r, node->a, boltz_graph_chain(g, v, slope));
  }
  if (b_varies) {
    const int log_a = boltz_graph_unary(g, BOLTZ_OP_LOG, node->a);
    push(r, node->b, boltz_graph_chain(g, v, boltz_graph_chain(g, y, log_a)));
  }
}

/* min: v where a <= b; max: v where b <= a; to the other what is left, and 0 of an infinite v */
static void push_choice(struct reverse *r, const struct boltz_node *node, int v) {
  struct boltz_graph *g = r->graph;
  const bool least = node->op == BOLTZ_OP_MIN;
  const int one = boltz_graph_constant(g, 1);
  const int first = boltz_graph_gate(g, least ? node->a : node->b, least ? node->b : node->a, one);
  push(r, node->a, boltz_graph_chain(g, first, v));
  push(r, node->b, boltz_graph_chain(g, boltz_graph_subtract(g, one, first), v));
}

/* d y / d a of a function y of a */
static int slope_of(struct boltz_graph *g, const struct boltz_node *node, int y) {
  const int one = boltz_graph_constant(g, 1);
  switch (node->op) {
    case BOLTZ_OP_EXP:
      return y;
    case BOLTZ_OP_LOG:
      return boltz_graph_divide(g, one, node->a);
    case BOLTZ_OP_SQRT:
      return boltz_graph_divide(g, boltz_graph_constant(g, 0.5), y);
    case BOLTZ_OP_SIN:
      return boltz_graph_unary(g, BOLTZ_OP_COS, node->a);
    case BOLTZ_OP_COS:
      return boltz_graph_scale(g, boltz_graph_unary(g, BOLTZ_OP_SIN, node->a), -1);
    case BOLTZ_OP_TANH:
      return boltz_graph_subtract(g, one, boltz_graph_unary(g, BOLTZ_OP_SQUARE, y));
    default:
      return boltz_graph_unary(g, BOLTZ_OP_SIGN, node->a);
  }
}

static void push_operands(struct reverse *r, int y) {
  struct boltz_graph *g = r->graph;
  const struct boltz_node node = g->nodes[y];
  const int v = r->adjoint[y];
  switch (node.op) {
    case BOLTZ_OP_CONSTANT:
    case BOLTZ_OP_VARIABLE:
      return;
    case BOLTZ_OP_SUM:
      push(r, node.a, v);
      push(r, node.b, boltz_graph_scale(g, v, node.s));
      return;
    case BOLTZ_OP_AFFINE:
      push(r, node.a, boltz_graph_scale(g, v, node.s));
      return;
    case BOLTZ_OP_MUL:
      push(r, node.a, boltz_graph_chain(g, v, node.b));
      push(r, node.b, boltz_graph_chain(g, v, node.a));
      return;
    case BOLTZ_OP_SQUARE:
      push(r, node.a, boltz_graph_scale(g, boltz_graph_chain(g, v, node.a), 2));
      return;
    case BOLTZ_OP_DIV:
      push_quotient(r, &node, y, v);
      return;
    case BOLTZ_OP_POW:
      push_power(r, &node, y, v);
      return;
    case BOLTZ_OP_MIN:
    case BOLTZ_OP_MAX:
      push_choice(r, &node, v);
      return;
    default:
      push(r, node.a, boltz_graph_chain(g, v, slope_of(g, &node, y)));
  }
}

void boltz_graph_differentiate(struct boltz_graph *graph, int root, int *derivative) {
  struct reverse r = {.graph = graph, .adjoint = derivative};
  for (int k = 0; k <= root; k++) derivative[k] = -1;
  derivative[root] = boltz_graph_constant(graph, 1);
  for (int k = root; k > 0; k--)
    if (derivative[k] >= 0) push_operands(&r, k);
}
