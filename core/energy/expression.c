/* expression.c - a formula in variables of one's own, typed in.
 *
 *   U(x) = the formula; what is not a number counts as +infinity
 *
 * The grammar is that of boltz/expression.h.
 * Golden: x^4 - 6*x^2 + x + k*y^2/2, k = 1, both real, is the double well: log Z = 11.020467230188
 * at T = 1. */
#include "boltz/expression.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "boltz/energy.h"
#include "boltz/json.h"
#include "core/base/pointer.h"
#include "core/base/vmath.h"
#include "core/energy/points.h"

#define VARIABLES_MOST 1024
#define PARAMETERS_MOST 1024
#define POINTERS 256 /* bytes of one */

struct expression {
  const struct boltz_json *variables, *parameters, *domain;
  const char *u;
  /* what follows from them */
  int dim;
  const char **names;          /* [dim] */
  struct boltz_domain *places; /* [dim] */
  struct boltz_expression *formula;
};

static int dim(const void *settings) {
  return ((const struct expression *)settings)->dim;
}

static void domain(const void *settings, int j, struct boltz_domain *place) {
  *place = ((const struct expression *)settings)->places[j];
}

/* ---- the energy ---- */

/* NaN becomes +infinity; returns whether all of u is finite. */
BOLTZ_VECTORISED static bool settle(size_t n, double *restrict u) {
  int64_t finite = 1;
  for (size_t i = 0; i < n; i++) {
    u[i] = u[i] == u[i] ? u[i] : INFINITY;
    finite = fabs(u[i]) < INFINITY ? finite : 0;
  }
  return finite;
}

static void energy(const void *settings, const struct boltz_batch *x, double *U,
                   struct boltz_batch *gU, struct boltz_arena *scratch) {
  const struct expression *s = settings;
  if (!boltz_expression_eval(s->formula, x, U, gU, scratch)) return;
  if (settle(x->n, U) || !gU) return;
  for (int j = 0; j < x->dim; j++)
    for (size_t i = 0; i < x->n; i++)
      if (!isfinite(U[i])) gU->col[j][i] = 0;
}

/* ---- settings ---- */

static int find_variable(const void *settings, const char *name) {
  const struct expression *s = settings;
  for (int j = 0; j < s->dim; j++)
    if (strcmp(s->names[j], name) == 0) return j;
  return -1;
}

/* Samples and estimates call coordinates by their place, x1, x2, ...: is the name that of another
 * than variable j of n? */
static bool is_of_another(const char *name, size_t j, size_t n) {
  const int number = boltz_energy_coordinate(&(struct boltz_energy){.dim = (int)n}, name);
  return number >= 0 && (size_t)number != j;
}

static enum boltz_status complete_variables(struct expression *s, struct boltz_arena *arena) {
  const struct boltz_json *list = s->variables;
  char pointer[POINTERS] = "/variables";
  if (!list || list->type != BOLTZ_JSON_ARRAY)
    return boltz_fail_at(BOLTZ_WRONG_TYPE, pointer, "variables must be a list of names");
  if (list->n < 1 || list->n > VARIABLES_MOST)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "variables has %zu names, not 1 to %d",
                         list->n, VARIABLES_MOST);
  s->names = BOLTZ_NEW_ARRAY(arena, list->n, const char *);
  if (!s->names) return BOLTZ_NO_MEMORY;
  s->dim = 0;
  const struct boltz_json *node = list->child;
  for (size_t j = 0; j < list->n; j++, node = node->next) {
    snprintf(pointer, sizeof pointer, "/variables/%zu", j);
    if (list->numbers || node->type != BOLTZ_JSON_STRING)
      return boltz_fail_at(BOLTZ_WRONG_TYPE, pointer, "variables must be a list of names");
    const char *refused = boltz_expression_refuses(node->text);
    if (refused)
      return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "variable \"%.64s\" %s", node->text,
                           refused);
    if (find_variable(s, node->text) >= 0)
      return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "variables names %s twice", node->text);
    if (is_of_another(node->text, j, list->n))
      return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer,
                           "variable %zu is the coordinate x%zu and cannot be called %s", j + 1,
                           j + 1, node->text);
    s->names[s->dim++] = node->text;
  }
  return BOLTZ_OK;
}

/* A setting that is an object, or none. */
static enum boltz_status check_object(const struct boltz_json *node, const char *pointer,
                                      const char *of) {
  if (!node || node->type == BOLTZ_JSON_OBJECT) return BOLTZ_OK;
  return boltz_fail_at(BOLTZ_WRONG_TYPE, pointer, "%s must be an object of %s", pointer + 1, of);
}

static enum boltz_status check_parameter(const struct expression *s,
                                         const struct boltz_json *node) {
  char pointer[POINTERS];
  pointer_to(node->key, pointer, sizeof pointer);
  const char *refused = boltz_expression_refuses(node->key);
  if (!refused && find_variable(s, node->key) >= 0) refused = "is the name of a variable";
  if (refused)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "parameter \"%.64s\" %s", node->key, refused);
  if (node->type != BOLTZ_JSON_NUMBER)
    return boltz_fail_at(BOLTZ_WRONG_TYPE, pointer, "parameter %s must be a number", node->key);
  if (isfinite(node->number)) return BOLTZ_OK;
  return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "parameter %s is too large a number",
                       node->key);
}

/* Parameters as the parser wants them. */
static enum boltz_status complete_parameters(const struct expression *s, struct boltz_arena *arena,
                                             struct boltz_expression_names *names) {
  BOLTZ_TRY(check_object(s->parameters, "/parameters", "numbers"));
  const size_t n = s->parameters ? s->parameters->n : 0;
  if (n > PARAMETERS_MOST)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/parameters", "parameters has %zu members, over %d",
                         n, PARAMETERS_MOST);
  const char **texts = BOLTZ_NEW_ARRAY(arena, n + 1, const char *);
  double *values = BOLTZ_NEW_ARRAY(arena, n + 1, double);
  if (!texts || !values) return BOLTZ_NO_MEMORY;
  const struct boltz_json *node = n ? s->parameters->child : NULL;
  for (; node; node = node->next) {
    BOLTZ_TRY(boltz_fail_under(check_parameter(s, node), "/parameters"));
    texts[names->nparameters] = node->key;
    values[names->nparameters++] = node->number;
  }
  names->parameters = texts;
  names->values = values;
  return BOLTZ_OK;
}

/* Where a variable lives, as it is written. */
struct place {
  double low, high;
  bool periodic;
};

#define OF_PLACE(member) offsetof(struct place, member)
static const struct boltz_field place_fields[] = {
    {.name = "low",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OF_PLACE(low),
     .required = true,
     .doc = "least value"},
    {.name = "high",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OF_PLACE(high),
     .required = true,
     .doc = "greatest value"},
    {.name = "periodic",
     .type = BOLTZ_FIELD_BOOL,
     .offset = OF_PLACE(periodic),
     .doc = "low and high are one point"},
    BOLTZ_FIELDS_END,
};

static enum boltz_status complete_place(const struct expression *s, const struct boltz_json *node,
                                        struct boltz_arena *arena) {
  const int j = find_variable(s, node->key);
  struct place place;
  if (j < 0)
    return boltz_fail(BOLTZ_UNKNOWN_NAME, "domain: \"%.64s\" is none of the variables", node->key);
  BOLTZ_TRY(boltz_json_fields(node, place_fields, NULL, &place, arena));
  if (!(place.low < place.high && isfinite(place.high - place.low)))
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/high",
                         "domain of %s: high = %g is not above low = %g, by a finite length",
                         node->key, place.high, place.low);
  s->places[j] = (struct boltz_domain){.type = place.periodic ? BOLTZ_PERIODIC : BOLTZ_INTERVAL,
                                       .low = place.low,
                                       .high = place.high};
  return BOLTZ_OK;
}

static enum boltz_status complete_domain(struct expression *s, struct boltz_arena *arena) {
  BOLTZ_TRY(check_object(s->domain, "/domain", "objects with low and high"));
  s->places = BOLTZ_NEW_ARRAY(arena, (size_t)s->dim, struct boltz_domain);
  if (!s->places) return BOLTZ_NO_MEMORY;
  for (int j = 0; j < s->dim; j++) s->places[j].type = BOLTZ_REAL;
  const struct boltz_json *node = s->domain && s->domain->n ? s->domain->child : NULL;
  for (; node; node = node->next) {
    char pointer[POINTERS];
    pointer_to(node->key, pointer, sizeof pointer);
    BOLTZ_TRY(boltz_fail_under(complete_place(s, node, arena), "/domain%s", pointer));
  }
  return BOLTZ_OK;
}

/* "x, y, k", as far as it goes. */
static void list_names(const struct expression *s, const struct boltz_expression_names *names,
                       char *out, size_t size) {
  size_t used = 0;
  for (int k = 0; k < s->dim + names->nparameters; k++) {
    const char *name = k < s->dim ? s->names[k] : names->parameters[k - s->dim];
    if (used + strlen(name) + 8 > size) {
      snprintf(out + used, size - used, ", …");
      return;
    }
    used += (size_t)snprintf(out + used, size - used, "%s%s", k ? ", " : "", name);
  }
}

/* ---- is it an energy at all? ---- */

static enum boltz_status check_finite_somewhere(const struct expression *s,
                                                struct boltz_arena *arena) {
  enum { POINTS = 1024, TILE = 64 };
  const struct boltz_mark mark = boltz_arena_mark(arena);
  struct boltz_batch x;
  double U[TILE];
  bool found = false;
  enum boltz_status status = boltz_batch_new(arena, TILE, s->dim, &x);
  for (uint64_t first = 0; status == BOLTZ_OK && !found && first < POINTS; first += TILE) {
    boltz_points_draw(s->places, first, &x);
    if (!boltz_expression_eval(s->formula, &x, U, NULL, arena)) status = BOLTZ_NO_MEMORY;
    for (int i = 0; i < TILE; i++) found |= isfinite(U[i]);
  }
  boltz_arena_release(arena, mark);
  if (status != BOLTZ_OK || found) return status;
  return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/u",
                       "u is not finite at any of %d points of its domain: no configuration has a "
                       "weight; restrict the variables with domain",
                       POINTS);
}

static enum boltz_status complete(void *settings, struct boltz_arena *arena) {
  struct expression *s = settings;
  struct boltz_expression_names names = {.find = find_variable, .of = s};
  char known[256] = "";
  BOLTZ_TRY(complete_variables(s, arena));
  BOLTZ_TRY(complete_parameters(s, arena, &names));
  BOLTZ_TRY(complete_domain(s, arena));
  list_names(s, &names, known, sizeof known);
  names.nvariables = s->dim;
  names.known = known;
  BOLTZ_TRY(boltz_fail_under(boltz_expression_parse("u", s->u, &names, arena, &s->formula), "/u"));
  return check_finite_somewhere(s, arena);
}

#define OFFSET(member) offsetof(struct expression, member)
static const struct boltz_field fields[] = {
    {.name = "variables",
     .type = BOLTZ_FIELD_JSON,
     .offset = OFFSET(variables),
     .required = true,
     .doc = "list of names, letters, digits and _: the first is the coordinate x1, and so on; only "
            "that one can be named x1"},
    {.name = "u",
     .type = BOLTZ_FIELD_TEXT,
     .offset = OFFSET(u),
     .high = BOLTZ_EXPRESSION_CHARACTERS,
     .required = true,
     .doc = "formula of U: + - * / ^, parentheses, numbers, variables, parameters, pi, and exp log "
            "sqrt sin cos tanh abs min max; not a number counts as infinite"},
    {.name = "parameters",
     .type = BOLTZ_FIELD_JSON,
     .offset = OFFSET(parameters),
     .doc = "object of names and numbers that the formula may use"},
    {.name = "domain",
     .type = BOLTZ_FIELD_JSON,
     .offset = OFFSET(domain),
     .doc = "object of variables and {\"low\", \"high\", \"periodic\" (false)}; one left out is "
            "real"},
    BOLTZ_FIELDS_END,
};

const struct boltz_energy_kind boltz_energy_expression = {
    .name = "expression",
    .doc = "a formula that you type in, in variables of your own; its gradient follows by itself",
    .source = "Griewank, Walther, Evaluating Derivatives (2008), for the gradient",
    .fields = fields,
    .settings_size = sizeof(struct expression),
    .example =
        "{\"variables\":[\"x\",\"y\"],\"u\":\"x^4 - 6*x^2 + x + k*y^2/2\","
        "\"parameters\":{\"k\":1},\"domain\":{\"x\":{\"low\":-3,\"high\":3},"
        "\"y\":{\"low\":0,\"high\":6.28,\"periodic\":true}}}",
    .dim = dim,
    .complete = complete,
    .domain = domain,
    .energy = energy,
};
