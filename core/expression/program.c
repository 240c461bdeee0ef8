/* program.c - a graph as instructions: what outputs need, in few columns. */
#include "core/expression/program.h"

/* What is known of the graph's nodes on the way. */
struct layout {
  const struct boltz_graph *graph;
  struct boltz_program *program;
  int *last; /* [n] who reads a node last, itself where nobody does; -1: it is not needed */
  int *slot; /* [n] where it is */
  int *free; /* temporaries that are free */
  int nfree;
};

static enum boltz_status new_layout(const struct boltz_graph *graph, struct boltz_program *program,
                                    struct boltz_arena *scratch, struct layout *l) {
  const size_t n = (size_t)graph->n;
  *l = (struct layout){.graph = graph,
                       .program = program,
                       .last = boltz_arena_scratch(scratch, n, sizeof(int)),
                       .slot = boltz_arena_scratch(scratch, n, sizeof(int)),
                       .free = boltz_arena_scratch(scratch, n, sizeof(int))};
  return l->last && l->slot && l->free ? BOLTZ_OK : BOLTZ_NO_MEMORY;
}

/* Who is needed, and until when; the sizes of the program follow. */
static void mark(struct layout *l, const int *outputs) {
  struct boltz_program *p = l->program;
  const struct boltz_node *nodes = l->graph->nodes;
  for (int k = 0; k < l->graph->n; k++) l->last[k] = -1;
  for (int k = 0; k < p->noutputs; k++) l->last[outputs[k]] = outputs[k];
  for (int k = l->graph->n - 1; k >= 0; k--) {
    int operands[3], n = boltz_node_operands(&nodes[k], operands);
    if (l->last[k] < 0) continue;
    p->nvariables += nodes[k].op == BOLTZ_OP_VARIABLE;
    p->nconstants += nodes[k].op == BOLTZ_OP_CONSTANT;
    p->ninstructions += n > 0;
    for (int o = 0; o < n; o++)
      if (l->last[operands[o]] <= operands[o]) l->last[operands[o]] = k;
  }
}

/* Slots of variables in ascending order of their numbers, and of constants. */
static void place_leaves(struct layout *l) {
  struct boltz_program *p = l->program;
  const struct boltz_node *nodes = l->graph->nodes;
  int constants = 0, variables = 0;
  for (int k = 0; k < l->graph->n; k++) {
    if (l->last[k] < 0) continue;
    if (nodes[k].op == BOLTZ_OP_CONSTANT) {
      l->slot[k] = p->noutputs + p->nvariables + constants;
      p->constants[constants++] = nodes[k].s;
    } else if (nodes[k].op == BOLTZ_OP_VARIABLE) {
      int at = variables++;
      for (; at > 0 && p->variables[at - 1] > nodes[k].a; at--)
        p->variables[at] = p->variables[at - 1];
      p->variables[at] = nodes[k].a;
    }
  }
  for (int k = 0; k < l->graph->n; k++) {
    if (l->last[k] < 0 || nodes[k].op != BOLTZ_OP_VARIABLE) continue;
    int at = 0;
    while (p->variables[at] != nodes[k].a) at++;
    l->slot[k] = p->noutputs + at;
  }
}

/* The column that node k is written to: an output's own where there is one. */
static int take_slot(struct layout *l, const int *outputs, int k) {
  struct boltz_program *p = l->program;
  for (int o = 0; o < p->noutputs; o++)
    if (outputs[o] == k) return o;
  if (l->nfree > 0) return l->free[--l->nfree];
  return p->noutputs + p->nvariables + p->nconstants + p->ntemporaries++;
}

static void place_instructions(struct layout *l, const int *outputs) {
  struct boltz_program *p = l->program;
  const int first_temporary = p->noutputs + p->nvariables + p->nconstants;
  struct boltz_instruction *instruction = p->instructions;
  for (int k = 0; k < l->graph->n; k++) {
    const struct boltz_node *node = &l->graph->nodes[k];
    int operands[3], n = boltz_node_operands(node, operands);
    if (l->last[k] < 0 || n == 0) continue;
    l->slot[k] = take_slot(l, outputs, k);
    *instruction++ = (struct boltz_instruction){.op = node->op,
                                                .r = l->slot[k],
                                                .a = l->slot[operands[0]],
                                                .b = n > 1 ? l->slot[operands[1]] : 0,
                                                .c = n > 2 ? l->slot[operands[2]] : 0,
                                                .s = node->s,
                                                .t = node->t};
    for (int o = 0; o < n; o++) {
      if (l->last[operands[o]] != k) continue;
      l->last[operands[o]] = operands[o]; /* once, though it be read twice */
      if (l->slot[operands[o]] >= first_temporary) l->free[l->nfree++] = l->slot[operands[o]];
    }
  }
}

enum boltz_status boltz_program_new(const struct boltz_graph *graph, int noutputs,
                                    const int *outputs, struct boltz_arena *arena,
                                    struct boltz_program *program) {
  struct boltz_arena *scratch = boltz_arena_open(0);
  struct layout l;
  enum boltz_status status = scratch ? BOLTZ_OK : BOLTZ_NO_MEMORY;
  *program = (struct boltz_program){.noutputs = noutputs};
  if (status == BOLTZ_OK) status = new_layout(graph, program, scratch, &l);
  if (status == BOLTZ_OK) {
    mark(&l, outputs);
    program->from = BOLTZ_NEW_ARRAY(arena, (size_t)noutputs, int);
    program->variables = BOLTZ_NEW_ARRAY(arena, (size_t)program->nvariables + 1, int);
    program->constants = BOLTZ_NEW_ARRAY(arena, (size_t)program->nconstants + 1, double);
    program->instructions =
        BOLTZ_NEW_ARRAY(arena, (size_t)program->ninstructions + 1, struct boltz_instruction);
    if (!program->from || !program->variables || !program->constants || !program->instructions)
      status = BOLTZ_NO_MEMORY;
  }
  if (status == BOLTZ_OK) {
    place_leaves(&l);
    place_instructions(&l, outputs);
    for (int o = 0; o < noutputs; o++) program->from[o] = l.slot[outputs[o]];
  }
  boltz_arena_close(scratch);
  return status;
}
