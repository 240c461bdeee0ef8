/* test_expression.c - formulas: what they mean, their derivatives, and what is refused where. */
#include "boltz/expression.h"
#include "boltz/rng.h"
#include "tests/check.h"

static const char *const variables[] = {"x", "y", "z", "x1", "e"};
enum { VARIABLES = sizeof variables / sizeof *variables };

static int find(const void *of, const char *name) {
  (void)of;
  for (int k = 0; k < VARIABLES; k++)
    if (strcmp(variables[k], name) == 0) return k;
  return -1;
}

static enum boltz_status parse(const char *text, struct boltz_arena *arena,
                               struct boltz_expression **expression) {
  static const char *const parameters[] = {"k", "height"};
  static const double values[] = {2.5, -3};
  const struct boltz_expression_names names = {.nvariables = VARIABLES,
                                               .find = find,
                                               .nparameters = 2,
                                               .parameters = parameters,
                                               .values = values,
                                               .known = "x, y, z, x1, e, k, height"};
  return boltz_expression_parse("u", text, &names, arena, expression);
}

/* Values and gradients of a text at n rows of x [n, VARIABLES]; the text must be right. */
static void evaluate(const char *text, size_t n, const double *rows, double *value,
                     double *gradient) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_expression *expression;
  struct boltz_batch x, g;
  double *alone = BOLTZ_NEW_ARRAY(arena, n, double);
  CHECK_MSG(parse(text, arena, &expression) == BOLTZ_OK, "%s", boltz_error());
  CHECK_INT(boltz_batch_new(arena, n, VARIABLES, &x), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(arena, n, VARIABLES, &g), BOLTZ_OK);
  boltz_batch_from_rows(&x, rows);
  for (int j = 0; j < VARIABLES; j++)
    for (size_t i = 0; i < n; i++) g.col[j][i] = 99;
  CHECK(boltz_expression_eval(expression, &x, value, &g, arena));
  CHECK(boltz_expression_eval(expression, &x, alone, NULL, arena));
  for (size_t i = 0; i < n; i++)
    CHECK_MSG(alone[i] == value[i] || (isnan(alone[i]) && isnan(value[i])), "%s: %g, not %g", text,
              alone[i], value[i]);
  boltz_batch_to_rows(&g, gradient);
  boltz_arena_close(arena);
}

/* x = 3, y = -2, z = 0.5, x1 = 7, e = 1. */
static double value_of(const char *text) {
  static const double row[] = {3, -2, 0.5, 7, 1};
  double value, gradient[VARIABLES];
  evaluate(text, 1, row, &value, gradient);
  return value;
}

static void a_formula_means_what_it_says(void) {
  static const struct {
    const char *text;
    double value;
  } cases[] = {{"1", 1},
               {"x", 3},
               {" \t x\n+ y ", 1},
               {"1 - 2 - 3", -4},
               {"24 / 4 / 3", 2},
               {"24 / (4 / 8)", 48},
               {"2 + 3 * 4", 14},
               {"(2 + 3) * 4", 20},
               {"2 * 3 ^ 2", 18},
               {"-x^2", -9},
               {"(-x)^2", 9},
               {"2^3^2", 512},
               {"(2^3)^2", 64},
               {"x^-1", 1. / 3},
               {"2^-3^2", 1. / 512},
               {"-2^-2", -0.25},
               {"--x", 3},
               {"-+-x", 3},
               {"x - -y", 1},
               {"x*-y", 6},
               {"x/-y", 1.5},
               {"y^2", 4},
               {"y^3", -8},
               {"y^4", 16},
               {"y^0", 1},
               {"0^0", 1},
               {"y^-3", -0.125},
               {"y^63", -0x1p63},
               {"y^65", -0x1p65},
               {"y^-70", 0x1p-70},
               {"x^0.5", 1.7320508075688772},
               {"x^z", 1.7320508075688772},
               {"2^x", 8},
               {"y^x", -8},
               {"1e3", 1000},
               {"1.5E-2", 0.015},
               {".5 + 5.", 5.5},
               {"007.250e+1", 72.5},
               {"x1 + e", 8},
               {"2*e", 2},
               {"k*y", -5},
               {"height*k", -7.5},
               {"pi", 3.141592653589793},
               {"exp(0)", 1},
               {"log(exp(1))", 1},
               {"sqrt(16)", 4},
               {"abs(y)", 2},
               {"min(x, y)", -2},
               {"max(x, y)", 3},
               {"min(3, 1, 2)", 1},
               {"max(x, y, x1, z)", 7},
               {"min(max(x, y), 2)", 2},
               {"sin(pi/6)", 0.5},
               {"cos(pi/3)", 0.5},
               {"tanh(log(2))", 0.6},
               {"x/4*4", 3},
               {"x - x", 0},
               {"1/0", INFINITY},
               {"x^4 - 6*x^2 + x + k*y^2/2", 81 - 54 + 3 + 5}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    const double value = value_of(cases[k].text), wanted = cases[k].value;
    CHECK_MSG(value == wanted || fabs(value - wanted) <= 4e-16 * fabs(wanted), "%s = %.17g",
              cases[k].text, value);
  }
}

static void what_has_no_value_is_not_a_number(void) {
  static const char *const texts[] = {"y^0.5",          "y^z",
                                      "(-8)^(1/3)",     "log(y)",
                                      "sqrt(y)",        "0/0",
                                      "min(log(y), 1)", "max(1, log(y))",
                                      "max(log(y), 1)", "min(1, log(y))",
                                      "sin(1/0)"};
  for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
    CHECK_MSG(isnan(value_of(texts[k])), "%s = %g", texts[k], value_of(texts[k]));
}

/* Columns of functions against the C library's, far beyond where energies live. */
static void check_function(const char *name, double (*function)(double), double relative,
                           double absolute) {
  enum { N = 3000 };
  static double rows[N * VARIABLES], value[N], gradient[N * VARIABLES];
  static const double special[] = {0,    -0.0,  1e-310, -1e-310, INFINITY, -INFINITY, NAN,  1e300,
                                   1e22, -1e22, 1e16,   0x1p50,  710,      -745,      -800, 1};
  for (int i = 0; i < N; i++) {
    double z[2];
    boltz_rng_normal(3, BOLTZ_STREAM_TEST, (uint64_t)i, 0, z);
    rows[i * VARIABLES] = i < 16 ? special[i] : z[0] * pow(10, i % 12 - 4);
  }
  char text[16];
  snprintf(text, sizeof text, "%s(x)", name);
  evaluate(text, N, rows, value, gradient);
  for (int i = 0; i < N; i++) {
    const double x = rows[i * VARIABLES], wanted = function(x);
    const bool equal = value[i] == wanted || (isnan(value[i]) && isnan(wanted));
    CHECK_MSG(equal || fabs(value[i] - wanted) <= relative * fabs(wanted) + absolute,
              "%s(%.17g) = %.17g, not %.17g", name, x, value[i], wanted);
  }
}

static void functions_agree_with_the_c_library(void) {
  check_function("exp", exp, 7e-16, 1e-323); /* the last bits of a subnormal */
  check_function("log", log, 7e-16, 0);
  check_function("sqrt", sqrt, 7e-16, 0);
  check_function("sin", sin, 7e-16, 1e-323);
  check_function("cos", cos, 7e-16, 0);
  check_function("tanh", tanh, 3e-15, 0); /* two roundings of numbers up to 2, from 1/8 on */
  check_function("abs", fabs, 7e-16, 0);
}

/* ---- derivatives ---- */

static double random_at(uint64_t seed, uint64_t index) {
  double u[2];
  boltz_rng_uniform(seed, BOLTZ_STREAM_TEST, index, 0, u);
  return u[0];
}

/* A formula at random, defined and smooth wherever |x| < 2, of `depth` levels at most. */
static void write_random(uint64_t seed, uint64_t *index, int depth, char *out, size_t size) {
  static const char *const shapes[] = {"(%s + %s)",
                                       "(%s - %s)",
                                       "%s * %s",
                                       "%s / (1.5 + abs(%s))",
                                       "exp(-(%s)^2) * %s",
                                       "log(1 + (%s)^2) - 2*%s",
                                       "sqrt(1.25 + (%s)^2)/4 + %s",
                                       "sin(%s) - %s/3",
                                       "3*cos(%s) * %s",
                                       "tanh(%s) + %s^3",
                                       "(2 + cos(%s))^tanh(%s)",
                                       "(1 + (%s)^2)^-1.5 + %s",
                                       "max(%s, %s)",
                                       "min(%s, 0.3, %s)",
                                       "-(%s)^2*%s",
                                       "(3 + sin(%s))^-3 * %s"};
  static const char *const leaves[] = {"x", "y", "z", "x1", "e", "0.7", "k", "height", "x*y"};
  if (depth == 0) {
    snprintf(out, size, "%s", leaves[(int)(random_at(seed, (*index)++) * 9)]);
    return;
  }
  char a[600], b[600];
  const char *shape = shapes[(int)(random_at(seed, (*index)++) * 16)];
  write_random(seed, index, depth - 1, a, sizeof a);
  write_random(seed, index, random_at(seed, (*index)++) < 0.3 ? 0 : depth - 1, b, sizeof b);
  const char *second = strstr(strstr(shape, "%s") + 2, "%s");
  const char *first = strstr(shape, "%s");
  const int n = snprintf(out, size, "%.*s(%s)%.*s(%s)%s", (int)(first - shape), shape, a,
                         (int)(second - first - 2), first + 2, b, second + 2);
  CHECK(n < (int)size);
}

static void gradients_match_differences_of_random_formulas(void) {
  enum { FORMULAS = 300, N = 12 };
  const double h = 1e-5;
  int compared = 0, kinks = 0;
  for (uint64_t seed = 0; seed < FORMULAS; seed++) {
    char text[2000];
    uint64_t index = 0;
    double rows[N * VARIABLES], moved[N * VARIABLES], u[N], g[N * VARIABLES], up[N], um[N],
        other[N * VARIABLES];
    write_random(seed, &index, 3, text, sizeof text);
    for (int i = 0; i < N * VARIABLES; i++) rows[i] = 4 * random_at(seed, 1000 + (uint64_t)i) - 2;
    evaluate(text, N, rows, u, g);
    for (int j = 0; j < VARIABLES; j++) {
      for (int i = 0; i < N * VARIABLES; i++) moved[i] = rows[i] + (i % VARIABLES == j ? h : 0);
      evaluate(text, N, moved, up, other);
      for (int i = 0; i < N * VARIABLES; i++) moved[i] = rows[i] - (i % VARIABLES == j ? h : 0);
      evaluate(text, N, moved, um, other);
      for (int i = 0; i < N; i++) {
        const double difference = (up[i] - um[i]) / (2 * h), mine = g[i * VARIABLES + j];
        /* h^2 u'''/6 and rounding 1e-16 |u|/h, with a reserve for large third derivatives */
        const double tolerance = 1e-6 * (1 + fabs(difference)) + 1e-9 * fabs(u[i]);
        if (!(fabs(u[i]) < 1e4)) continue;
        compared++;
        if (fabs(mine - difference) <= tolerance) continue;
        /* a kink between x - h and x + h: the second difference is not of the order of h */
        if (fabs(up[i] - 2 * u[i] + um[i]) / h > 1e-3 * (1 + fabs(difference))) {
          kinks++;
          continue;
        }
        CHECK_MSG(false, "%s by %s: %.12g, not %.12g", text, variables[j], mine, difference);
      }
    }
  }
  CHECK_MSG(compared > 10000, "%d", compared);
  CHECK_MSG(kinks < 20, "%d", kinks);
}

/* By hand: where differences would not see it. */
static void gradients_are_one_sided_at_kinks(void) {
  static const struct {
    const char *text;
    double x, y, gx, gy;
  } cases[] = {{"abs(x)", 0, 0, 1, 0},
               {"abs(x)", -1e-300, 0, -1, 0},
               {"min(x, y)", 1, 1, 1, 0},
               {"max(x, y)", 1, 1, 1, 0},
               {"max(0, x)", 0, 0, 0, 0},
               {"max(x, 0)", 0, 0, 1, 0},
               {"min(1, 1/x)", 0, 0, 0, 0}, /* what is not taken has an infinite slope */
               {"max(y^2, log(x))", 0, 3, 0, 6},
               {"sqrt(max(x, 0)) + x^2", -1, 0, -2, 0}, /* nor does one behind the choice count */
               {"sqrt(max(0, x)) + x^2", -1, 0, -2, 0},
               {"max(0, x)^y", -1, 0.5, 0, 0},
               {"log(min(x, y))", 3, 2, 0, 0.5},
               {"sqrt(max(0, x)*y)", -1, 3, 0, 0},
               {"sqrt(x^2 + y^2)", 0, 0, 0, 0},
               {"x*sqrt(y)", 0, 0, 0, 0},
               {"x^y", 0, 2, 0, 0},
               {"y^x", 0, 1, 0, 0},
               {"x^2", 0, 0, 0, 0},
               {"sqrt(x)", 0, 0, INFINITY, 0},
               {"1/x", 2, 0, -0.25, 0},
               {"y/x", 2, 8, -2, 0.5},
               {"x^-2", 2, 0, -0.25, 0},
               {"x^100", 1, 0, 100, 0},
               {"k", 1, 1, 0, 0},
               {"x", 1, 1, 1, 0},
               {"x + x", 1, 1, 2, 0},
               {"y*0", 1, 1, 0, 0}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    const double row[VARIABLES] = {cases[k].x, cases[k].y};
    double value, g[VARIABLES];
    evaluate(cases[k].text, 1, row, &value, g);
    CHECK_MSG(g[0] == cases[k].gx && g[1] == cases[k].gy && g[2] == 0, "%s: %.17g %.17g",
              cases[k].text, g[0], g[1]);
  }
}

static void a_row_does_not_depend_on_its_neighbours(void) {
  enum { N = 1500 };
  static double rows[N * VARIABLES], value[N], g[N * VARIABLES];
  const char *text = "exp(-x*y) + sin(z)*max(x, y, x1)/(2 + e^2) - tanh(x1)^3*log(1 + e^2)";
  for (int i = 0; i < N * VARIABLES; i++) rows[i] = 3 * random_at(77, (uint64_t)i) - 1.5;
  evaluate(text, N, rows, value, g);
  for (int i = 0; i < N; i += 37) {
    double alone, galone[VARIABLES];
    evaluate(text, 1, rows + i * VARIABLES, &alone, galone);
    CHECK(alone == value[i] && memcmp(galone, g + i * VARIABLES, sizeof galone) == 0);
  }
}

/* ---- what is refused ---- */

static void every_error_names_its_character(void) {
  static const struct {
    const char *text;
    enum boltz_status status;
    const char *says;
  } cases[] = {
      {"", BOLTZ_OUT_OF_RANGE, "u: expected a number, a name or '(' at character 1, found the end"},
      {"x + 3*  ", BOLTZ_OUT_OF_RANGE,
       "u: expected a number, a name or '(' at character 9, found the end"},
      {"x + y **2", BOLTZ_OUT_OF_RANGE,
       "u: expected a number, a name or '(' at character 8, found '*'"},
      {"2x", BOLTZ_OUT_OF_RANGE, "u: expected an operator or the end at character 2, found 'x'"},
      {"1e", BOLTZ_OUT_OF_RANGE, "u: expected an operator or the end at character 2, found 'e'"},
      {"1.2.3", BOLTZ_OUT_OF_RANGE, "u: expected an operator or the end at character 4, found '.'"},
      {".", BOLTZ_OUT_OF_RANGE, "u: expected a number, a name or '(' at character 1, found '.'"},
      {"x)", BOLTZ_OUT_OF_RANGE, "u: expected an operator or the end at character 2, found ')'"},
      {"(x", BOLTZ_OUT_OF_RANGE, "u: expected an operator or ')' at character 3, found the end"},
      {"(x, y)", BOLTZ_OUT_OF_RANGE, "u: expected an operator or ')' at character 3, found ','"},
      {"min(x; y)", BOLTZ_OUT_OF_RANGE,
       "u: expected an operator, ',' or ')' at character 6, found ';'"},
      {"()", BOLTZ_OUT_OF_RANGE, "u: expected a number, a name or '(' at character 2, found ')'"},
      {"exp()", BOLTZ_OUT_OF_RANGE,
       "u: expected a number, a name or '(' at character 5, found ')'"},
      {"1 + exp x", BOLTZ_OUT_OF_RANGE, "u: expected '(' at character 9, found 'x'"},
      {"1 + exp(x, y)", BOLTZ_OUT_OF_RANGE, "u: exp takes one argument, not 2, at character 5"},
      {"min(x)", BOLTZ_OUT_OF_RANGE, "u: min takes two arguments or more, not 1, at character 1"},
      {"x^", BOLTZ_OUT_OF_RANGE,
       "u: expected a number, a name or '(' at character 3, found the end"},
      {"\u03c0*x", BOLTZ_OUT_OF_RANGE,
       "u: expected a number, a name or '(' at character 1, found '\u03c0'"},
      {"x \u00b7 y", BOLTZ_OUT_OF_RANGE,
       "u: expected an operator or the end at character 3, found '\u00b7'"},
      {"1e400", BOLTZ_OUT_OF_RANGE, "u: a number too large at character 1"},
      {"x+w", BOLTZ_UNKNOWN_NAME,
       "u: \"w\" at character 3 is unknown; known: x, y, z, x1, e, k, height, pi and the functions "
       "exp, log, sqrt, sin, cos, tanh, abs, min, max"},
      {"X", BOLTZ_UNKNOWN_NAME,
       "u: \"X\" at character 1 is unknown; known: x, y, z, x1, e, k, height, pi and the functions "
       "exp, log, sqrt, sin, cos, tanh, abs, min, max"},
      {"ln(x)", BOLTZ_UNKNOWN_NAME,
       "u: \"ln\" at character 1 is no function; known: exp, log, sqrt, sin, cos, tanh, abs, min, "
       "max"},
      {"x(y)", BOLTZ_UNKNOWN_NAME,
       "u: \"x\" at character 1 is no function; known: exp, log, sqrt, sin, cos, tanh, abs, min, "
       "max"}};
  struct boltz_arena *arena = boltz_arena_open(0);
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    struct boltz_expression *expression;
    CHECK_INT(parse(cases[k].text, arena, &expression), cases[k].status);
    CHECK_TEXT(boltz_error(), cases[k].says);
    CHECK_TEXT(boltz_error_pointer(), "");
  }
  boltz_arena_close(arena);
}

/* `open` n times, then x, then `close` n times. */
static char *repeated(struct boltz_arena *arena, int n, const char *open, const char *close) {
  char *text = boltz_arena_alloc(arena, (size_t)n * (strlen(open) + strlen(close)) + 2, 1);
  for (int k = 0; k < n; k++) strcat(text, open);
  strcat(text, "x");
  for (int k = 0; k < n; k++) strcat(text, close);
  return text;
}

static void check_depth(struct boltz_arena *arena, const char *open, const char *close) {
  struct boltz_expression *expression;
  CHECK_MSG(
      parse(repeated(arena, BOLTZ_EXPRESSION_DEPTH, open, close), arena, &expression) == BOLTZ_OK,
      "%s", boltz_error());
  CHECK_INT(parse(repeated(arena, BOLTZ_EXPRESSION_DEPTH + 1, open, close), arena, &expression),
            BOLTZ_OUT_OF_RANGE);
  char says[80];
  snprintf(says, sizeof says, "u: more than 64 levels at character %zu",
           (size_t)(BOLTZ_EXPRESSION_DEPTH + 1) * strlen(open) + 1);
  CHECK_TEXT(boltz_error(), says);
}

static void size_and_depth_are_bounded(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_expression *expression;
  check_depth(arena, "(", ")");
  check_depth(arena, "sin(", ")");
  check_depth(arena, "-", "");
  check_depth(arena, "+", "");
  check_depth(arena, "2^", "");

  char *spaces = repeated(arena, BOLTZ_EXPRESSION_CHARACTERS - 1, " ", "");
  CHECK_INT(parse(spaces, arena, &expression), BOLTZ_OK);
  spaces = repeated(arena, BOLTZ_EXPRESSION_CHARACTERS, " ", "");
  CHECK_INT(parse(spaces, arena, &expression), BOLTZ_OUT_OF_RANGE);
  CHECK_TEXT(boltz_error(), "u has 4097 characters, at most 4096 are allowed");

  char name[70];
  memset(name, 'a', sizeof name);
  name[64] = 0;
  CHECK_INT(parse(name, arena, &expression), BOLTZ_OUT_OF_RANGE);
  CHECK_TEXT(boltz_error(), "u: a name of more than 63 characters at character 1");
  memset(name, '1', 65);
  name[65] = 0;
  CHECK_INT(parse(name, arena, &expression), BOLTZ_OUT_OF_RANGE);
  CHECK_TEXT(boltz_error(), "u: a number of more than 64 characters at character 1");
  boltz_arena_close(arena);
}

/* As many different operations as 4096 characters hold: refused, or right. */
static void the_largest_formulas_are_right_or_refused(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_expression *expression;
  char text[BOLTZ_EXPRESSION_CHARACTERS + 64] = "";
  int n = 0;
  while (strlen(text) + 16 < BOLTZ_EXPRESSION_CHARACTERS)
    snprintf(text + strlen(text), 40, "+(x+%d)^63", n++);
  enum boltz_status status = parse(text, arena, &expression);
  CHECK_INT(status, BOLTZ_OUT_OF_RANGE);
  CHECK_MSG(strstr(boltz_error(), "more than 4096 operations at character "), "%s", boltz_error());

  *text = 0;
  for (n = 0; strlen(text) + 16 < BOLTZ_EXPRESSION_CHARACTERS; n++)
    snprintf(text + strlen(text), 40, "%s(x+%d)^3", n ? "+" : "", n);
  const double row[VARIABLES] = {0.5};
  double value, g[VARIABLES], sum = 0, slope = 0;
  for (int k = 0; k < n; k++) sum += pow(0.5 + k, 3), slope += 3 * pow(0.5 + k, 2);
  evaluate(text, 1, row, &value, g);
  CHECK_NEAR(value, sum, 1e-12 * sum);
  CHECK_NEAR(g[0], slope, 1e-12 * slope);
  boltz_arena_close(arena);
}

static void names_that_mean_something_are_refused(void) {
  static const char *const refused[] = {"",   "1x", "a b", "x-y", "exp", "min",
                                        "pi", "é",  " x",  "x ",  "a.b"};
  static const char *const fine[] = {"x", "_", "X1", "e", "expo", "Pi", "a_b"};
  for (size_t k = 0; k < sizeof refused / sizeof *refused; k++)
    CHECK_MSG(boltz_expression_refuses(refused[k]), "\"%s\"", refused[k]);
  for (size_t k = 0; k < sizeof fine / sizeof *fine; k++)
    CHECK_MSG(!boltz_expression_refuses(fine[k]), "\"%s\"", fine[k]);
}

static void what_a_formula_has_is_told(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_expression *expression;
  CHECK_INT(parse("x1^2 + y + x1*y", arena, &expression), BOLTZ_OK);
  CHECK_INT(boltz_expression_variable(expression, 0), 1);
  CHECK_INT(boltz_expression_variable(expression, 1), 3);
  CHECK_INT(boltz_expression_variable(expression, 2), -1);
  CHECK_INT(boltz_expression_operations(expression), 4); /* square, product, two sums */
  CHECK_INT(parse("(x - y)^2 + (x - y)^4 + exp((x - y)^2)", arena, &expression), BOLTZ_OK);
  CHECK_INT(boltz_expression_operations(expression), 6); /* what is written thrice is done once */
  CHECK_INT(parse("2*pi*k^2", arena, &expression), BOLTZ_OK);
  CHECK_INT(boltz_expression_operations(expression), 0);
  CHECK_INT(boltz_expression_variable(expression, 0), -1);
  boltz_arena_close(arena);
}

static void exhausted_scratch_shows(void) {
  struct boltz_arena *arena = boltz_arena_open(0), *small = boltz_arena_open(64);
  struct boltz_expression *expression;
  struct boltz_batch x, g;
  double value[3] = {1, 1, 1};
  CHECK_INT(parse("x^2 + y", arena, &expression), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(arena, 3, VARIABLES, &x), BOLTZ_OK);
  CHECK_INT(boltz_batch_new(arena, 3, VARIABLES, &g), BOLTZ_OK);
  g.col[0][1] = 5;
  CHECK(!boltz_expression_eval(expression, &x, value, &g, small));
  for (int i = 0; i < 3; i++) CHECK(isnan(value[i]) && g.col[0][i] == 0 && g.col[1][i] == 0);
  boltz_arena_close(small);
  boltz_arena_close(arena);
}

int main(int argc, char **argv) {
  RUN(a_formula_means_what_it_says);
  RUN(what_has_no_value_is_not_a_number);
  RUN(functions_agree_with_the_c_library);
  RUN(gradients_match_differences_of_random_formulas);
  RUN(gradients_are_one_sided_at_kinks);
  RUN(a_row_does_not_depend_on_its_neighbours);
  RUN(every_error_names_its_character);
  RUN(size_and_depth_are_bounded);
  RUN(the_largest_formulas_are_right_or_refused);
  RUN(names_that_mean_something_are_refused);
  RUN(what_a_formula_has_is_told);
  RUN(exhausted_scratch_shows);
  return check_report();
}
