/* expression.h - formulas that are typed in: a program over columns, and its derivatives.
 *
 *   sum     = term {("+" | "-") term}
 *   term    = sign {("*" | "/") sign}
 *   sign    = ("-" | "+") sign | power
 *   power   = primary ["^" sign]                     binds tighter than a sign, to the right
 *   primary = number | name | function "(" sum {"," sum} ")" | "(" sum ")"
 *
 * Functions: exp log sqrt sin cos tanh abs of one argument, min max of two or more. Constant: pi.
 * A whole power up to 64 is repeated multiplication, any other is that of C's pow. A NaN among its
 * arguments makes min and max one. */
#ifndef BOLTZ_EXPRESSION_H
#define BOLTZ_EXPRESSION_H

#include "boltz/batch.h"

#define BOLTZ_EXPRESSION_CHARACTERS 4096
#define BOLTZ_EXPRESSION_DEPTH 64        /* of parentheses, functions, signs and powers */
#define BOLTZ_EXPRESSION_OPERATIONS 4096 /* once equal ones are one */
#define BOLTZ_EXPRESSION_NAME 63         /* bytes of a name */

/** What names mean in a formula. */
struct boltz_expression_names {
  int nvariables;
  /* Index of the variable of that name, or -1; `of` is handed on. */
  int (*find)(const void *of, const char *name);
  const void *of;

  int nparameters;
  const char *const *parameters;
  const double *values; /* [nparameters] */

  const char *known; /* the names there are, for who mistypes one */
};

struct boltz_expression;

/**
 * Read a formula into the arena. `what` begins every complaint: "u: expected …".
 *
 * Errors: UNKNOWN_NAME; OUT_OF_RANGE (grammar, or a bound above), with the character, counted from
 * 1; NO_MEMORY. No pointer.
 */
enum boltz_status boltz_expression_parse(const char *what, const char *text,
                                         const struct boltz_expression_names *names,
                                         struct boltz_arena *arena,
                                         struct boltz_expression **expression);

/**
 * The formula's value and, unless gradient is NULL, its derivatives.
 *
 *   x         [n, nvariables]  columns of variables that it has not may be NULL
 *   value     [n]              out
 *   gradient  [n, nvariables]  out or NULL
 *
 * At a kink a derivative is that of one side: of abs at 0 the right one, of min and max at equal
 * arguments that of the first of them. Returns false on exhausted scratch: then value is NaN and
 * gradient 0. Scratch is given back. Threads: reads expression only.
 */
bool boltz_expression_eval(const struct boltz_expression *expression, const struct boltz_batch *x,
                           double *value, struct boltz_batch *gradient,
                           struct boltz_arena *scratch);

/** Variable number `index` (from 0) of those that the formula has, ascending; -1 past the last. */
int boltz_expression_variable(const struct boltz_expression *expression, int index);

/** Operations on columns that a value takes. */
int boltz_expression_operations(const struct boltz_expression *expression);

/** Why a variable or a parameter cannot have this name: "is a function"; NULL: it can. */
const char *boltz_expression_refuses(const char *name);

#endif
