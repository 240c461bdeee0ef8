/* program.h - what a formula is made of: a graph while it is read, a program when it is done.
 * Private to core/expression. */
#ifndef EXPRESSION_PROGRAM_H
#define EXPRESSION_PROGRAM_H

#include "boltz/expression.h"

/* Operations. The last ones are not typed but come of derivatives. */
enum boltz_op {
  BOLTZ_OP_CONSTANT, /* s */
  BOLTZ_OP_VARIABLE, /* number a */
  BOLTZ_OP_SUM,      /* a + s b */
  BOLTZ_OP_AFFINE,   /* s a + t; t = -0 adds nothing, not even to a zero's sign */
  BOLTZ_OP_MUL,
  BOLTZ_OP_SQUARE,
  BOLTZ_OP_DIV,
  BOLTZ_OP_POW,
  BOLTZ_OP_EXP,
  BOLTZ_OP_LOG,
  BOLTZ_OP_SQRT,
  BOLTZ_OP_SIN,
  BOLTZ_OP_COS,
  BOLTZ_OP_TANH,
  BOLTZ_OP_ABS,
  BOLTZ_OP_MIN,
  BOLTZ_OP_MAX,
  BOLTZ_OP_SIGN,  /* -1 below 0, else 1 */
  BOLTZ_OP_GATE,  /* c where a <= b, else 0 */
  BOLTZ_OP_CHAIN, /* a b, and 0 where either is, whatever the other */
};

/* ---- the graph: every value once, operands before who reads them ---- */

struct boltz_node {
  enum boltz_op op;
  int a, b, c; /* nodes, those that the operation has; else 0 */
  double s, t;
};

struct boltz_graph {
  struct boltz_node *nodes; /* [most]; number 0 is the constant 0 */
  int n, most;
  int *table; /* [mask + 1] node + 1 by its hash, 0: free */
  unsigned mask;
  bool full; /* a node was refused: what it would be is 0 */
};

enum boltz_status boltz_graph_new(int most, struct boltz_arena *arena, struct boltz_graph *graph);

/* Each returns the node of a value, folded where it is constant. */
int boltz_graph_constant(struct boltz_graph *graph, double value);
int boltz_graph_variable(struct boltz_graph *graph, int variable);
int boltz_graph_unary(struct boltz_graph *graph, enum boltz_op op, int a);
int boltz_graph_binary(struct boltz_graph *graph, enum boltz_op op, int a, int b);
int boltz_graph_gate(struct boltz_graph *graph, int a, int b, int c);
int boltz_graph_add(struct boltz_graph *graph, int a, int b);
int boltz_graph_subtract(struct boltz_graph *graph, int a, int b);
int boltz_graph_multiply(struct boltz_graph *graph, int a, int b);
int boltz_graph_divide(struct boltz_graph *graph, int a, int b);
int boltz_graph_power(struct boltz_graph *graph, int a, int b);
int boltz_graph_scale(struct boltz_graph *graph, int a, double s);
int boltz_graph_chain(struct boltz_graph *graph, int adjoint, int derivative);

/* Nodes that a node reads; returns how many. */
int boltz_node_operands(const struct boltz_node *node, int operands[3]);

/* Derivatives of a node by all below it: derivative[k] is the node of d root / d node k, -1 where
   there is none, for k <= root. */
void boltz_graph_differentiate(struct boltz_graph *graph, int root, int *derivative);

/* ---- the program: instructions over slots, which are columns ---- */

struct boltz_instruction {
  enum boltz_op op;
  int r, a, b, c; /* slots */
  double s, t;
};

/* Slots are outputs, variables, constants and temporaries, in this order. */
struct boltz_program {
  int noutputs, nvariables, nconstants, ntemporaries, ninstructions;
  int *from;         /* [noutputs] slot that an output is copied from; its own: it is written */
  int *variables;    /* [nvariables] which, ascending */
  double *constants; /* [nconstants] */
  struct boltz_instruction *instructions;
};

enum boltz_status boltz_program_new(const struct boltz_graph *graph, int noutputs,
                                    const int *outputs, struct boltz_arena *arena,
                                    struct boltz_program *program);

/* Instructions on n samples. */
void boltz_program_run(const struct boltz_instruction *instructions, int count, double *const *slot,
                       size_t n);

struct boltz_expression {
  int nvariables;
  struct boltz_program value;
  struct boltz_program all; /* the value and its derivatives by value.variables */
};

#endif
