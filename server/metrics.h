/* metrics.h - counters and histograms in Prometheus' text form. */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include <stdint.h>

#include "boltz/text.h"

struct metrics;
struct server;

struct metrics *metrics_open(void);
void metrics_close(struct metrics *metrics);

/** One request answered: its route's path pattern ("" when none matched), status and duration. */
void metrics_request(struct metrics *metrics, const char *method, const char *path, int status,
                     double seconds);

enum metric {
  METRIC_SAMPLES,      /* configurations drawn */
  METRIC_DENSITIES,    /* log densities of given configurations */
  METRIC_ENERGY_CALLS, /* configurations evaluated for a client */
  METRIC_TRAIN_STEPS,
  METRIC_INTERNAL_ERRORS, /* answered 500 */
  METRIC_STORE_ERRORS,
  METRIC_COUNT
};
void metrics_add(struct metrics *metrics, enum metric metric, uint64_t n);

/** Everything, with gauges read from the server's parts. */
void metrics_print(struct server *server, struct boltz_text *out);

#endif
