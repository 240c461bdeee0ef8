/* estimate_spec.c - what to estimate: averages, differences and profiles out of a body. */
#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "server/api/estimate.h"

#define OBSERVABLES_MAX 64 /* of each of averages, differences, profiles */
#define BINS_MAX 10000     /* of all profiles together: 18 MB for every 1000 */

#define OPTION(member) offsetof(struct estimate_options, member)

const struct boltz_field api_estimate_fields[] = {
    {.name = "n",
     .type = BOLTZ_FIELD_INT,
     .offset = OPTION(n),
     .low = 1,
     .high = 0x1p63,
     .required = true,
     .doc = "samples to measure over"},
    {.name = "seed",
     .type = BOLTZ_FIELD_SEED,
     .offset = OPTION(seed),
     .doc = "of the samples and of the bootstrap; picked by the daemon when absent"},
    {.name = "version",
     .type = BOLTZ_FIELD_INT,
     .offset = OPTION(version),
     .low = 1,
     .high = 0x1p63,
     .doc = "version to draw from; the serving one when absent"},
    {.name = "temperature",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = OPTION(temperature),
     .def = NAN,
     .low = BOLTZ_TEMPERATURE_MIN,
     .high = BOLTZ_TEMPERATURE_MAX,
     .nullable = true,
     .doc = "at which everything is estimated; the model's when absent"},
    BOLTZ_FIELDS_END};

/* The members of a difference and of a profile that tables can read. */
struct measured_of {
  const char *coordinate;
  double low, high;
  int64_t bins;
};

#define OF(member) offsetof(struct measured_of, member)

#define COORDINATE_FIELD                                                                         \
  {                                                                                              \
    .name = "coordinate", .type = BOLTZ_FIELD_TEXT, .offset = OF(coordinate), .high = 1e9,       \
    .required = true,                                                                            \
    .doc =                                                                                       \
        "x1 …, a collective variable of the model, energy, or an expression of them, such as " \
        "x1^2 + x2^2: + - * / ^, parentheses, numbers, pi, exp log sqrt sin cos tanh abs min "   \
        "max"                                                                                    \
  }

const struct boltz_field api_difference_fields[] = {COORDINATE_FIELD, BOLTZ_FIELDS_END};

const struct boltz_field api_profile_fields[] = {COORDINATE_FIELD,
                                                 {.name = "low",
                                                  .type = BOLTZ_FIELD_DOUBLE,
                                                  .offset = OF(low),
                                                  .low = -DBL_MAX,
                                                  .high = DBL_MAX,
                                                  .required = true,
                                                  .doc = "where the first bin starts"},
                                                 {.name = "high",
                                                  .type = BOLTZ_FIELD_DOUBLE,
                                                  .offset = OF(high),
                                                  .low = -DBL_MAX,
                                                  .high = DBL_MAX,
                                                  .required = true,
                                                  .doc = "where the last bin ends"},
                                                 {.name = "bins",
                                                  .type = BOLTZ_FIELD_INT,
                                                  .offset = OF(bins),
                                                  .def = 50,
                                                  .low = 1,
                                                  .high = 10000,
                                                  .doc = "how many bins of equal width"},
                                                 BOLTZ_FIELDS_END};

/* What the parts of the body are read with. */
struct parse {
  const struct boltz_energy *energy;
  struct boltz_arena *arena;
  struct estimate_request *request;
  int operations; /* of all expressions so far */
};

/* ---- expressions ---- */

int estimate_variables(const struct boltz_energy *energy) {
  int n = energy->dim + 1;
  for (int k = 0; boltz_energy_variable_at(energy, k); k++) n++;
  return n;
}

/* What a name in an expression is, as estimate_variables() counts; -1: nothing. */
static int find_name(const void *of, const char *name) {
  const struct boltz_energy *energy = of;
  const int coordinate = boltz_energy_coordinate(energy, name);
  if (coordinate >= 0) return coordinate;
  if (strcmp(name, "energy") == 0) return energy->dim;
  const struct boltz_variable *variable;
  for (int k = 0; (variable = boltz_energy_variable_at(energy, k)); k++)
    if (boltz_variable_width(energy, variable) == 1 && strcmp(variable->name, name) == 0)
      return energy->dim + 1 + k;
  return -1;
}

/* "x1 … x76, energy, d" */
static void list_names(const struct boltz_energy *energy, char *out, size_t size) {
  size_t used = boltz_energy_list_coordinates(energy, out, size);
  used += (size_t)snprintf(out + used, size - used, ", energy");
  const struct boltz_variable *variable;
  for (int k = 0; (variable = boltz_energy_variable_at(energy, k)) && used < size; k++)
    if (boltz_variable_width(energy, variable) == 1)
      used += (size_t)snprintf(out + used, size - used, ", %s", variable->name);
}

static enum boltz_status parse_expression(struct parse *parse, const char *text,
                                          struct observable *observable) {
  struct boltz_expression *expression;
  char known[200];
  list_names(parse->energy, known, sizeof known);
  const struct boltz_expression_names names = {.nvariables = estimate_variables(parse->energy),
                                               .find = find_name,
                                               .of = parse->energy,
                                               .known = known};
  BOLTZ_TRY(boltz_expression_parse("expression", text, &names, parse->arena, &expression));
  parse->operations += boltz_expression_operations(expression);
  if (parse->operations > BOLTZ_EXPRESSION_OPERATIONS)
    return boltz_fail(BOLTZ_OUT_OF_RANGE,
                      "the expressions of an estimate have more than %d operations together",
                      BOLTZ_EXPRESSION_OPERATIONS);
  observable->expression = expression;
  return BOLTZ_OK;
}

/* ---- observables ---- */

/* The column of an observable, new or already there. */
static enum boltz_status column_of(struct parse *parse, const char *name, const char *pointer,
                                   int *column) {
  struct estimate_request *request = parse->request;
  for (int c = 0; c < request->nobservables; c++)
    if (strcmp(request->observables[c].name, name) == 0) {
      *column = c;
      return BOLTZ_OK;
    }
  struct observable observable = {.name = name};
  observable.coordinate = boltz_energy_coordinate(parse->energy, name);
  observable.variable = boltz_energy_variable(parse->energy, name);
  if (observable.variable && boltz_variable_width(parse->energy, observable.variable) != 1)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer,
                         "%s is %d numbers a configuration, of which an estimate takes one", name,
                         boltz_variable_width(parse->energy, observable.variable));
  if (observable.coordinate < 0 && !observable.variable && strcmp(name, "energy") != 0)
    BOLTZ_TRY(boltz_fail_under(parse_expression(parse, name, &observable), "%s", pointer));
  *column = request->nobservables++;
  request->observables[*column] = observable;
  return BOLTZ_OK;
}

/* A list of at most OBSERVABLES_MAX members; *n is 0 when it is absent or empty. */
static enum boltz_status take_list(const struct boltz_json *body, const char *name,
                                   const struct boltz_json **first, int *n) {
  const struct boltz_json *list = api_member(body, name);
  char pointer[32];
  snprintf(pointer, sizeof pointer, "/%s", name);
  *n = 0;
  *first = NULL;
  if (!list) return BOLTZ_OK;
  if (list->type != BOLTZ_JSON_ARRAY || list->numbers)
    return boltz_fail_at(BOLTZ_WRONG_TYPE, pointer, "%s must be a list of %s", name,
                         strcmp(name, "averages") == 0 ? "names" : "objects");
  if (list->n > OBSERVABLES_MAX)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "%s has %zu members, at most %d can be asked",
                         name, list->n, OBSERVABLES_MAX);
  *n = (int)list->n;
  *first = list->child;
  return BOLTZ_OK;
}

static enum boltz_status parse_averages(struct parse *parse, const struct boltz_json *body) {
  struct boltz_estimate_spec *spec = &parse->request->spec;
  const struct boltz_json *node = NULL;
  int n = 0;
  BOLTZ_TRY(take_list(body, "averages", &node, &n));
  spec->averages = BOLTZ_NEW_ARRAY(parse->arena, (size_t)n + 1, struct boltz_average_spec);
  if (!spec->averages) return BOLTZ_NO_MEMORY;
  for (int k = 0; node; node = node->next, k++) {
    char pointer[32];
    snprintf(pointer, sizeof pointer, "/averages/%d", k);
    if (node->type != BOLTZ_JSON_STRING)
      return boltz_fail_at(BOLTZ_WRONG_TYPE, pointer, "averages must be a list of names");
    int column = 0;
    BOLTZ_TRY(column_of(parse, node->text, pointer, &column));
    for (int other = 0; other < k; other++)
      if (spec->averages[other].column == column)
        return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "averages names %s twice", node->text);
    spec->averages[spec->naverages++].column = column;
  }
  return BOLTZ_OK;
}

/* One end of a region: a number, or an infinity as a string. */
static bool read_bound(const struct boltz_json *node, double *bound) {
  if (node->type == BOLTZ_JSON_NUMBER) {
    *bound = node->number;
    return isfinite(*bound);
  }
  if (node->type != BOLTZ_JSON_STRING) return false;
  bool minus = node->text[0] == '-';
  *bound = minus ? -INFINITY : INFINITY;
  return strcmp(node->text + minus, "Infinity") == 0;
}

/* A region [low, high) of a difference. */
static enum boltz_status parse_region(const struct boltz_json *object, const char *name,
                                      double region[2]) {
  const struct boltz_json *node = api_member(object, name);
  char pointer[8];
  snprintf(pointer, sizeof pointer, "/%s", name);
  if (!node)
    return boltz_fail_at(BOLTZ_MISSING_MEMBER, pointer, "%s = [low, high] is missing", name);
  if (node->type != BOLTZ_JSON_ARRAY)
    return boltz_fail_at(BOLTZ_WRONG_TYPE, pointer, "%s must be a list [low, high]", name);
  if (node->n != 2)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "%s has %zu members, not 2: [low, high]",
                         name, node->n);
  if (node->numbers) {
    memcpy(region, node->numbers, 2 * sizeof(double));
    if (!isfinite(region[0]) || !isfinite(region[1]))
      return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "a bound of %s is too large a number",
                           name);
  } else if (!read_bound(node->child, &region[0]) || !read_bound(node->child->next, &region[1])) {
    bool number = node->child->type == BOLTZ_JSON_NUMBER && !isfinite(node->child->number);
    number |= node->child->next->type == BOLTZ_JSON_NUMBER && !isfinite(node->child->next->number);
    return boltz_fail_at(number ? BOLTZ_OUT_OF_RANGE : BOLTZ_WRONG_TYPE, pointer,
                         "a bound of %s is neither a number nor \"-Infinity\" or \"Infinity\"",
                         name);
  }
  if (region[0] < region[1]) return BOLTZ_OK;
  return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "%s = [%g, %g] has no low < high", name,
                       region[0], region[1]);
}

static enum boltz_status parse_difference(struct parse *parse, const struct boltz_json *node,
                                          struct boltz_difference_spec *difference) {
  static const char *const regions[] = {"a", "b", NULL};
  struct measured_of of;
  BOLTZ_TRY(boltz_json_fields(node, api_difference_fields, regions, &of, parse->arena));
  BOLTZ_TRY(column_of(parse, of.coordinate, "/coordinate", &difference->column));
  BOLTZ_TRY(parse_region(node, "a", difference->a));
  return parse_region(node, "b", difference->b);
}

static enum boltz_status parse_differences(struct parse *parse, const struct boltz_json *body) {
  struct boltz_estimate_spec *spec = &parse->request->spec;
  const struct boltz_json *node = NULL;
  int n = 0;
  BOLTZ_TRY(take_list(body, "differences", &node, &n));
  spec->differences = BOLTZ_NEW_ARRAY(parse->arena, (size_t)n + 1, struct boltz_difference_spec);
  if (!spec->differences) return BOLTZ_NO_MEMORY;
  for (; node; node = node->next, spec->ndifferences++)
    BOLTZ_TRY(
        boltz_fail_under(parse_difference(parse, node, &spec->differences[spec->ndifferences]),
                         "/differences/%d", spec->ndifferences));
  return BOLTZ_OK;
}

static enum boltz_status parse_profile(struct parse *parse, const struct boltz_json *node,
                                       struct boltz_profile_spec *profile) {
  struct measured_of of;
  BOLTZ_TRY(boltz_json_fields(node, api_profile_fields, NULL, &of, parse->arena));
  BOLTZ_TRY(column_of(parse, of.coordinate, "/coordinate", &profile->column));
  if (!(of.low < of.high && isfinite(of.high - of.low)))
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/low", "low = %g is not below high = %g", of.low,
                         of.high);
  profile->low = of.low;
  profile->high = of.high;
  profile->bins = (int)of.bins;
  return BOLTZ_OK;
}

static enum boltz_status parse_profiles(struct parse *parse, const struct boltz_json *body) {
  struct boltz_estimate_spec *spec = &parse->request->spec;
  const struct boltz_json *node = NULL;
  int n = 0, bins = 0;
  BOLTZ_TRY(take_list(body, "profiles", &node, &n));
  spec->profiles = BOLTZ_NEW_ARRAY(parse->arena, (size_t)n + 1, struct boltz_profile_spec);
  if (!spec->profiles) return BOLTZ_NO_MEMORY;
  for (; node; node = node->next, spec->nprofiles++) {
    BOLTZ_TRY(boltz_fail_under(parse_profile(parse, node, &spec->profiles[spec->nprofiles]),
                               "/profiles/%d", spec->nprofiles));
    bins += spec->profiles[spec->nprofiles].bins;
  }
  if (bins <= BINS_MAX) return BOLTZ_OK;
  return boltz_fail_at(BOLTZ_OUT_OF_RANGE, "/profiles",
                       "the profiles have %d bins together, at most %d can be asked", bins,
                       BINS_MAX);
}

enum boltz_status estimate_parse(const struct boltz_json *body, const struct boltz_energy *energy,
                                 struct boltz_arena *arena, struct estimate_request *request) {
  static const char *const others[] = {"averages", "differences", "profiles", NULL};
  struct parse parse = {.energy = energy, .arena = arena, .request = request};
  *request = (struct estimate_request){0};
  BOLTZ_TRY(boltz_json_fields(body, api_estimate_fields, others, &request->options, arena));
  request->observables = BOLTZ_NEW_ARRAY(arena, 3 * OBSERVABLES_MAX, struct observable);
  if (!request->observables) return BOLTZ_NO_MEMORY;
  BOLTZ_TRY(parse_averages(&parse, body));
  BOLTZ_TRY(parse_differences(&parse, body));
  BOLTZ_TRY(parse_profiles(&parse, body));
  request->spec.n = (uint64_t)request->options.n;
  return BOLTZ_OK;
}
