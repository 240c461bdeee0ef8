/* check.h - the few words that every test is written in. A test is a function whose name is a
 * sentence that can be false; main() runs them and the last line counts them. */
#ifndef CHECK_H
#define CHECK_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_passed, check_failed, check_skipped, check_bad, check_skip;

/** Fail the running test, saying where and what, unless `condition` holds. */
#define CHECK(condition)                                                   \
  do {                                                                     \
    if (!(condition)) {                                                    \
      printf("    %s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      check_bad++;                                                         \
    }                                                                      \
  } while (0)

/** The same with a message in printf's form. */
#define CHECK_MSG(condition, ...)                                          \
  do {                                                                     \
    if (!(condition)) {                                                    \
      printf("    %s:%d: not true: %s: ", __FILE__, __LINE__, #condition); \
      printf(__VA_ARGS__);                                                 \
      putchar('\n');                                                       \
      check_bad++;                                                         \
    }                                                                      \
  } while (0)

/** |a − b| ≤ tolerance; NaN fails. */
#define CHECK_NEAR(a, b, tolerance)                                                            \
  do {                                                                                         \
    double check_a_ = (a), check_b_ = (b), check_t_ = (tolerance);                             \
    if (!(fabs(check_a_ - check_b_) <= check_t_)) {                                            \
      printf("    %s:%d: %s = %.17g is not within %g of %s = %.17g\n", __FILE__, __LINE__, #a, \
             check_a_, check_t_, #b, check_b_);                                                \
      check_bad++;                                                                             \
    }                                                                                          \
  } while (0)

#define CHECK_INT(a, b)                                                                       \
  do {                                                                                        \
    long long check_a_ = (long long)(a), check_b_ = (long long)(b);                           \
    if (check_a_ != check_b_) {                                                               \
      printf("    %s:%d: %s = %lld is not %s = %lld\n", __FILE__, __LINE__, #a, check_a_, #b, \
             check_b_);                                                                       \
      check_bad++;                                                                            \
    }                                                                                         \
  } while (0)

#define CHECK_TEXT(a, b)                                                       \
  do {                                                                         \
    const char *check_a_ = (a), *check_b_ = (b);                               \
    if (!check_a_ || strcmp(check_a_, check_b_) != 0) {                        \
      printf("    %s:%d: %s = \"%s\" is not \"%s\"\n", __FILE__, __LINE__, #a, \
             check_a_ ? check_a_ : "(null)", check_b_);                        \
      check_bad++;                                                             \
    }                                                                          \
  } while (0)

/** Leave the running test, which cannot be done here, saying why. */
#define SKIP(why)             \
  do {                        \
    printf("skip %s\n", why); \
    check_skip = 1;           \
    return;                   \
  } while (0)

/** Run one test. With an argument, main runs only the tests whose name contains it. */
#define RUN(test)                                   \
  do {                                              \
    if (argc > 1 && !strstr(#test, argv[1])) break; \
    int check_before_ = check_bad;                  \
    check_skip = 0;                                 \
    fflush(stdout);                                 \
    test();                                         \
    if (check_skip && check_bad == check_before_) { \
      check_skipped++;                              \
    } else if (check_bad == check_before_) {        \
      check_passed++;                               \
      printf("ok   %s\n", #test);                   \
    } else {                                        \
      check_failed++;                               \
      printf("FAIL %s\n", #test);                   \
    }                                               \
  } while (0)

static inline int check_report(void) {
  printf("%d passed, %d failed, %d skipped\n", check_passed, check_failed, check_skipped);
  return check_failed != 0;
}

#endif
