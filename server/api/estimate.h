/* estimate.h - what a request for estimates asks. Private to estimate.c and estimate_spec.c. */
#ifndef SERVER_API_ESTIMATE_H
#define SERVER_API_ESTIMATE_H

#include "boltz/expression.h"
#include "server/api/api.h"

struct estimate_options {
  int64_t n, version;
  uint64_t seed;
  double temperature;
};

/** A function of a configuration that something is measured of. */
struct observable {
  const char *name;
  int coordinate;                            /* 0-based, or -1 */
  const struct boltz_variable *variable;     /* or NULL */
  const struct boltz_expression *expression; /* or NULL; none of these: the energy */
};

struct estimate_request {
  struct estimate_options options;
  struct boltz_estimate_spec spec;
  int nobservables; /* distinct ones: columns of the estimator */
  struct observable *observables;
};

/** Variables of an expression: the coordinates, the energy, then the model's variables in the order
 * of boltz_energy_variable_at(). */
int estimate_variables(const struct boltz_energy *energy);

/** Read the body; pointers of errors start at it. Errors: those of boltz_json_fields, UNKNOWN_NAME,
 * OUT_OF_RANGE. */
enum boltz_status estimate_parse(const struct boltz_json *body, const struct boltz_energy *energy,
                                 struct boltz_arena *arena, struct estimate_request *request);

#endif
