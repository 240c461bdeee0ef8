/* assignment.h - who goes where at the least cost in all. */
#ifndef LINEAR_ASSIGNMENT_H
#define LINEAR_ASSIGNMENT_H

#include <stddef.h>

#include "boltz/arena.h"
#include "boltz/status.h"

/** Room for assignments of up to `n` rows. */
struct boltz_assignment {
  size_t n;
  double *u, *v;  /* [n] what rows and columns ask for: u_i + v_j <= cost_ij, equal where given */
  double *least;  /* [n] the least that a column costs from the rows that were reached */
  size_t *before; /* [n] the column from which it was reached; n: the row that looks */
  size_t *row;    /* [n] who has a column; n: nobody */
  unsigned char *was; /* [n] reached already */
};

/** Errors: NO_MEMORY. */
enum boltz_status boltz_assignment_new(size_t n, struct boltz_arena *arena,
                                       struct boltz_assignment *room);

/**
 * Give every row a column of its own so that the costs add up to the least there is.
 *
 *   cost    [n, n]  finite
 *   column  [n]     out: whose sum of cost[i n + column[i]] is least
 *
 * Source: Jonker & Volgenant, Computing 38, 325 (1987): columns go to their cheapest rows first,
 * then shortest augmenting paths.
 */
void boltz_assign(const double *cost, struct boltz_assignment *room, size_t *column);

#endif
