/* parse.c - a formula as a graph, by recursive descent; every complaint names the character. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "boltz/text.h"
#include "core/expression/program.h"

#define NODES_A_CHARACTER 4 /* at most: x^63 is ten */
#define NODES_A_DERIVATIVE 12
#define LITERAL_MOST 64

struct function {
  const char *name;
  enum boltz_op op;
  bool any; /* of two arguments or more, else of one */
};

static const struct function functions[] = {
    {"exp", BOLTZ_OP_EXP, false}, {"log", BOLTZ_OP_LOG, false}, {"sqrt", BOLTZ_OP_SQRT, false},
    {"sin", BOLTZ_OP_SIN, false}, {"cos", BOLTZ_OP_COS, false}, {"tanh", BOLTZ_OP_TANH, false},
    {"abs", BOLTZ_OP_ABS, false}, {"min", BOLTZ_OP_MIN, true},  {"max", BOLTZ_OP_MAX, true},
};
#define FUNCTIONS "exp, log, sqrt, sin, cos, tanh, abs, min, max"

static const struct function *find_function(const char *name) {
  for (size_t k = 0; k < sizeof functions / sizeof *functions; k++)
    if (strcmp(functions[k].name, name) == 0) return &functions[k];
  return NULL;
}

/* ---- characters ---- */

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool starts_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static size_t name_length(const char *at) {
  size_t n = 0;
  if (starts_name(*at))
    while (starts_name(at[n]) || is_digit(at[n])) n++;
  return n;
}

const char *boltz_expression_refuses(const char *name) {
  const size_t n = name_length(name);
  if (n == 0 || name[n]) return "is not a name: letters, digits and _, no digit first";
  if (n > BOLTZ_EXPRESSION_NAME) return "has more than 63 characters";
  if (find_function(name)) return "is the name of a function";
  return strcmp(name, "pi") == 0 ? "is the circle's number" : NULL;
}

/* ---- the parser ---- */

struct parser {
  const char *what, *text, *at; /* `at` is never at a space */
  const struct boltz_expression_names *names;
  struct boltz_graph graph;
  int depth;
  enum boltz_status status; /* the first failure; after it nothing is read */
};

static void skip_spaces(struct parser *p) {
  p->at += strspn(p->at, " \t\r\n");
}

/* Which character it is, from 1; bytes that continue one do not count. */
static size_t character(const struct parser *p, const char *at) {
  size_t n = 1;
  for (const char *c = p->text; c < at; c++) n += ((unsigned char)*c & 0xc0) != 0x80;
  return n;
}

static bool is_failed(const struct parser *p) {
  return p->status != BOLTZ_OK;
}

/* The character at fault is found at p->at. Returns node 0, as all that fails does. */
static int expected(struct parser *p, const char *wanted) {
  int n = 1;
  while (*p->at && ((unsigned char)p->at[n] & 0xc0) == 0x80) n++;
  if (is_failed(p)) return 0;
  if (*p->at)
    p->status = boltz_fail(BOLTZ_OUT_OF_RANGE, "%s: expected %s at character %zu, found '%.*s'",
                           p->what, wanted, character(p, p->at), n, p->at);
  else
    p->status = boltz_fail(BOLTZ_OUT_OF_RANGE, "%s: expected %s at character %zu, found the end",
                           p->what, wanted, character(p, p->at));
  return 0;
}

static int wrong(struct parser *p, const char *at, const char *message) {
  if (!is_failed(p))
    p->status = boltz_fail(BOLTZ_OUT_OF_RANGE, "%s: %s at character %zu", p->what, message,
                           character(p, at));
  return 0;
}

/* A node that was just made of what stands at `at`. */
static int bounded(struct parser *p, const char *at, int node) {
  if (p->graph.n <= BOLTZ_EXPRESSION_OPERATIONS && !p->graph.full) return node;
  return wrong(p, at, "more than 4096 operations");
}

static bool take(struct parser *p, char c) {
  if (is_failed(p) || *p->at != c) return false;
  p->at++;
  skip_spaces(p);
  return true;
}

static int parse_sum(struct parser *p);
static int parse_sign(struct parser *p);

/* One level down, and up again. */
static int nested(struct parser *p, int (*parse)(struct parser *p)) {
  if (is_failed(p)) return 0;
  if (p->depth == BOLTZ_EXPRESSION_DEPTH) return wrong(p, p->at, "more than 64 levels");
  p->depth++;
  const int node = parse(p);
  p->depth--;
  return node;
}

/* ---- numbers and names ---- */

/* A decimal literal of C's, without a leading or trailing bare point: as JSON has it. */
static const char *literal(const char *at, char out[LITERAL_MOST + 4], bool *fits) {
  size_t n = 0, whole = strspn(at, "0123456789"), zeros = strspn(at, "0"), fraction = 0, power = 0;
  const char *digits = at + whole;
  if (*digits == '.') fraction = 1 + strspn(digits + 1, "0123456789");
  const char *e = digits + fraction;
  if (*e == 'e' || *e == 'E') {
    const size_t sign = e[1] == '-' || e[1] == '+';
    const size_t figures = strspn(e + 1 + sign, "0123456789");
    power = figures ? 1 + sign + figures : 0;
  }
  if (zeros == whole && zeros > 0) zeros--;
  *fits = whole - zeros + fraction + power <= LITERAL_MOST;
  if (!*fits) return e + power;
  if (whole == 0) out[n++] = '0';
  memcpy(out + n, at + zeros, whole - zeros), n += whole - zeros;
  memcpy(out + n, digits, fraction > 1 ? fraction : 0), n += fraction > 1 ? fraction : 0;
  memcpy(out + n, e, power), n += power;
  out[n] = 0;
  return e + power;
}

static int parse_number(struct parser *p) {
  const char *at = p->at;
  char text[LITERAL_MOST + 4];
  bool fits;
  double value = INFINITY;
  p->at = literal(at, text, &fits);
  if (!fits) return wrong(p, at, "a number of more than 64 characters");
  boltz_number_read(text, text + strlen(text), &value);
  if (!isfinite(value)) return wrong(p, at, "a number too large");
  skip_spaces(p);
  return bounded(p, at, boltz_graph_constant(&p->graph, value));
}

static int unknown(struct parser *p, const char *at, const char *name, bool called) {
  if (is_failed(p)) return 0;
  const char *known = p->names->known ? p->names->known : "";
  if (called)
    p->status = boltz_fail(BOLTZ_UNKNOWN_NAME,
                           "%s: \"%s\" at character %zu is no function; known: " FUNCTIONS, p->what,
                           name, character(p, at));
  else
    p->status = boltz_fail(BOLTZ_UNKNOWN_NAME,
                           "%s: \"%s\" at character %zu is unknown; known: %s%spi and the "
                           "functions " FUNCTIONS,
                           p->what, name, character(p, at), known, *known ? ", " : "");
  return 0;
}

/* Its arguments, the parenthesis being open. min and max are taken from left to right. */
static int parse_arguments(struct parser *p, const struct function *function, const char *at) {
  int node = nested(p, parse_sum), n = 1;
  for (; take(p, ','); n++) {
    const int other = nested(p, parse_sum);
    if (function->any && !is_failed(p))
      node = bounded(p, at, boltz_graph_binary(&p->graph, function->op, node, other));
  }
  if (!take(p, ')')) return expected(p, "an operator, ',' or ')'");
  if (function->any && n >= 2) return node;
  if (!function->any && n == 1)
    return bounded(p, at, boltz_graph_unary(&p->graph, function->op, node));
  char message[80];
  snprintf(message, sizeof message, "%s takes %s, not %d,", function->name,
           function->any ? "two arguments or more" : "one argument", n);
  return wrong(p, at, message);
}

static int parse_name(struct parser *p) {
  const char *at = p->at;
  char name[BOLTZ_EXPRESSION_NAME + 1];
  const size_t n = name_length(at);
  if (n >= sizeof name) return wrong(p, at, "a name of more than 63 characters");
  memcpy(name, at, n);
  name[n] = 0;
  p->at += n;
  skip_spaces(p);

  const struct function *function = find_function(name);
  if (function) return take(p, '(') ? parse_arguments(p, function, at) : expected(p, "'('");
  if (*p->at == '(') return unknown(p, at, name, true);
  if (strcmp(name, "pi") == 0) return bounded(p, at, boltz_graph_constant(&p->graph, M_PI));
  for (int k = 0; k < p->names->nparameters; k++)
    if (strcmp(p->names->parameters[k], name) == 0)
      return bounded(p, at, boltz_graph_constant(&p->graph, p->names->values[k]));
  const int variable = p->names->find ? p->names->find(p->names->of, name) : -1;
  if (variable < 0) return unknown(p, at, name, false);
  return bounded(p, at, boltz_graph_variable(&p->graph, variable));
}

/* ---- the grammar, from what binds most ---- */

static int parse_primary(struct parser *p) {
  if (is_failed(p)) return 0;
  if (is_digit(*p->at) || (*p->at == '.' && is_digit(p->at[1]))) return parse_number(p);
  if (starts_name(*p->at)) return parse_name(p);
  if (!take(p, '(')) return expected(p, "a number, a name or '('");
  const int node = nested(p, parse_sum);
  return take(p, ')') ? node : expected(p, "an operator or ')'");
}

static int parse_power(struct parser *p) {
  const int base = parse_primary(p);
  const char *at = p->at;
  if (!take(p, '^')) return base;
  const int exponent = nested(p, parse_sign);
  return is_failed(p) ? 0 : bounded(p, at, boltz_graph_power(&p->graph, base, exponent));
}

static int parse_sign(struct parser *p) {
  const char *at = p->at;
  if (take(p, '+')) return nested(p, parse_sign);
  if (!take(p, '-')) return parse_power(p);
  const int node = nested(p, parse_sign);
  return is_failed(p) ? 0 : bounded(p, at, boltz_graph_scale(&p->graph, node, -1));
}

static int parse_term(struct parser *p) {
  int node = parse_sign(p);
  while (!is_failed(p) && (*p->at == '*' || *p->at == '/')) {
    const char *at = p->at;
    const bool times = take(p, '*');
    if (!times) take(p, '/');
    const int other = parse_sign(p);
    if (is_failed(p)) return 0;
    node = bounded(p, at,
                   times ? boltz_graph_multiply(&p->graph, node, other)
                         : boltz_graph_divide(&p->graph, node, other));
  }
  return node;
}

static int parse_sum(struct parser *p) {
  int node = parse_term(p);
  while (!is_failed(p) && (*p->at == '+' || *p->at == '-')) {
    const char *at = p->at;
    const bool plus = take(p, '+');
    if (!plus) take(p, '-');
    const int other = parse_term(p);
    if (is_failed(p)) return 0;
    node = bounded(p, at,
                   plus ? boltz_graph_add(&p->graph, node, other)
                        : boltz_graph_subtract(&p->graph, node, other));
  }
  return node;
}

/* ---- the whole ---- */

/* The programs of a graph whose root is the value. */
static enum boltz_status compile(struct boltz_graph *graph, int root, struct boltz_arena *scratch,
                                 struct boltz_arena *arena, struct boltz_expression *expression) {
  BOLTZ_TRY(boltz_program_new(graph, 1, &root, arena, &expression->value));
  const struct boltz_program *value = &expression->value;
  const size_t most = (size_t)graph->most;
  int *derivative = boltz_arena_scratch(scratch, most, sizeof(int));
  int *outputs = BOLTZ_NEW_ARRAY(scratch, (size_t)value->nvariables + 1, int);
  if (!derivative || !outputs) return BOLTZ_NO_MEMORY;
  boltz_graph_differentiate(graph, root, derivative);
  outputs[0] = root;
  for (int k = 0; k < value->nvariables; k++) {
    const int variable = boltz_graph_variable(graph, value->variables[k]);
    outputs[1 + k] = derivative[variable] < 0 ? 0 : derivative[variable];
  }
  if (graph->full)
    return boltz_fail(BOLTZ_OUT_OF_RANGE, "the formula's derivatives are too many operations");
  return boltz_program_new(graph, value->nvariables + 1, outputs, arena, &expression->all);
}

static enum boltz_status parse(struct parser *p, struct boltz_arena *scratch,
                               struct boltz_arena *arena, struct boltz_expression *expression) {
  const size_t size = strlen(p->text);
  if (size > BOLTZ_EXPRESSION_CHARACTERS)
    return boltz_fail(BOLTZ_OUT_OF_RANGE, "%s has %zu characters, at most %d are allowed", p->what,
                      size, BOLTZ_EXPRESSION_CHARACTERS);
  int nodes = NODES_A_CHARACTER * (int)size + 16;
  if (nodes > BOLTZ_EXPRESSION_OPERATIONS + 16) nodes = BOLTZ_EXPRESSION_OPERATIONS + 16;
  BOLTZ_TRY(boltz_graph_new(NODES_A_DERIVATIVE * nodes, scratch, &p->graph));
  skip_spaces(p);
  const int root = parse_sum(p);
  if (*p->at) expected(p, "an operator or the end");
  if (is_failed(p)) return p->status;
  return compile(&p->graph, root, scratch, arena, expression);
}

enum boltz_status boltz_expression_parse(const char *what, const char *text,
                                         const struct boltz_expression_names *names,
                                         struct boltz_arena *arena,
                                         struct boltz_expression **expression) {
  struct parser parser = {.what = what, .text = text, .at = text, .names = names};
  struct boltz_arena *scratch = boltz_arena_open(0);
  *expression = BOLTZ_NEW(arena, struct boltz_expression);
  enum boltz_status status = scratch && *expression ? BOLTZ_OK : BOLTZ_NO_MEMORY;
  if (status == BOLTZ_OK) {
    (*expression)->nvariables = names->nvariables;
    status = parse(&parser, scratch, arena, *expression);
  }
  boltz_arena_close(scratch);
  return status;
}
