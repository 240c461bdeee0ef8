/* exact.h - what the integrals of energies really are, found from the registered energies by ways
 * that share nothing with a flow, beside the numbers that are known: quadrature in one and two
 * dimensions, transfer matrices, enumeration, determinants, descent to a minimum; and draws of a
 * density that is known exactly, which come with a standard error. */
#ifndef BOLTZ_EXACT_EXACT_H
#define BOLTZ_EXACT_EXACT_H

#include <stdbool.h>

#include "boltz/energy.h"

#define BOLTZ_EXACT_QUANTITIES 6

/** A number as it was found. */
struct boltz_exact_value {
  double value, stderr_; /* 0: nothing was drawn */
};

/** A number as it is known, and what rounding of its last digit and the way leave open; what is
 * drawn may miss by another four standard errors. */
struct boltz_exact_quantity {
  const char *name;
  double reference, tolerance;
};

/** An energy, what is asked of it, and how that is found. */
struct boltz_exact_case {
  const char *kind, *settings; /* a JSON object */
  double temperature;

  /* values in the order of the quantities. Errors: NO_MEMORY, OUT_OF_RANGE. */
  enum boltz_status (*find)(const struct boltz_energy *energy, struct boltz_exact_value *value,
                            struct boltz_arena *scratch);
  struct boltz_exact_quantity quantity[BOLTZ_EXACT_QUANTITIES]; /* a NULL name ends them early */
};

/** The list of cases, those of a kind together; NULL when there is none at that index. */
const struct boltz_exact_case *boltz_exact_case_at(int index);

int boltz_exact_quantities(const struct boltz_exact_case *c);

/**
 * Find what is asked of a case: value [BOLTZ_EXACT_QUANTITIES]. A second at most, and 128 MiB of
 * scratch, which is given back. Errors: those of the energy and of the way; NO_MEMORY.
 */
enum boltz_status boltz_exact_find(const struct boltz_exact_case *c,
                                   struct boltz_exact_value *value, struct boltz_arena *scratch);

/** Is it what is known? NaN is not. */
bool boltz_exact_agrees(const struct boltz_exact_quantity *quantity,
                        const struct boltz_exact_value *value);

#endif
