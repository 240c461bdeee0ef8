/* self_check.h - `boltzd --self-check`: the exact numbers of every kind of energy as a table. */
#ifndef SERVER_SELF_CHECK_H
#define SERVER_SELF_CHECK_H

#include <stdio.h>

#include "core/exact/exact.h"

/** Find every number and print it beside what is known; a line for every kind goes to `progress`
 * when it is done. 0: all agree. 1: not. */
int self_check(FILE *table, FILE *progress);

/** The lines of one case; how many of its numbers do not agree. */
int self_check_case(const struct boltz_exact_case *c, FILE *table, struct boltz_arena *scratch);

#endif
