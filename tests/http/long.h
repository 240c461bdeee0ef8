/* long.h - what the long measurements share: a daemon, trainings, estimates, lines of a table. */
#ifndef HTTP_LONG_H
#define HTTP_LONG_H

#include "tests/http/client.h"

struct bench {
  struct daemon daemon;
  const char *wanted; /* measure only what has this in its name; "": all */
  int passed, failed; /* figures */
  int late;           /* trainings over their time */
};

/** Is this among what is wanted? */
bool long_wants(const struct bench *bench, const char *name);

/** One line: a system, what must hold, what was measured; counts it. */
void long_line(struct bench *bench, const char *system, const char *must, const char *measured,
               bool good);

/** A line for a figure that must lie in [low, high]. */
void long_figure(struct bench *bench, const char *system, const char *figure, double value,
                 double low, double high);

/** Register a model, train it by the default job or by `rest` of a body; say how long it took and
 * what the job says of its flow. False, and a line that is short: no version came of it. */
bool long_train(struct bench *bench, const char *system, const char *model, const char *energy,
                double temperature, const char *rest, double seconds);

/** An estimate of n samples, `rest` of its body. */
struct answer long_estimate(struct bench *bench, const char *model, int n, const char *rest);

/** long_wells.c: the double well and the harmonic pair in depth; `draws` settings at random. */
void long_wells(struct bench *bench, int draws, uint64_t seed);

/** long_drawn.c: other kinds at settings drawn at random, against core/exact. */
void long_drawn(struct bench *bench, int draws, uint64_t seed);

#endif
