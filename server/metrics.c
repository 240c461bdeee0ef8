/* metrics.c - counters and histograms in Prometheus' text form. */
#include "server/metrics.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boltz/boltz.h"
#include "server/http.h"
#include "server/job.h"
#include "server/json.h"
#include "server/model.h"
#include "server/pool.h"
#include "server/store.h"

#define SERIES_MAX 512 /* method, route and status: far more than there are */
#define BUCKETS 12

static const double bounds[BUCKETS] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                       0.1,   0.25,   0.5,   1,    5,     30};

struct series {
  char method[8];
  const char *path; /* a route's pattern, which is static */
  int status;
  uint64_t count;
};

struct metrics {
  pthread_mutex_t mutex; /* guards series and histogram */
  struct series series[SERIES_MAX];
  int nseries;
  uint64_t buckets[BUCKETS + 1], count;
  double sum;
  atomic_ullong counters[METRIC_COUNT];
};

struct metrics *metrics_open(void) {
  struct metrics *metrics = calloc(1, sizeof *metrics);
  if (metrics) pthread_mutex_init(&metrics->mutex, NULL);
  return metrics;
}

void metrics_close(struct metrics *metrics) {
  if (!metrics) return;
  pthread_mutex_destroy(&metrics->mutex);
  free(metrics);
}

void metrics_add(struct metrics *metrics, enum metric metric, uint64_t n) {
  if (metrics) atomic_fetch_add(&metrics->counters[metric], n);
}

static struct series *find(struct metrics *metrics, const char *method, const char *path,
                           int status) {
  for (int k = 0; k < metrics->nseries; k++) {
    struct series *series = &metrics->series[k];
    if (series->status == status && strcmp(series->path, path) == 0 &&
        strcmp(series->method, method) == 0)
      return series;
  }
  if (metrics->nseries == SERIES_MAX) return NULL;
  struct series *series = &metrics->series[metrics->nseries++];
  strcpy(series->method, method);
  series->path = path;
  series->status = status;
  return series;
}

void metrics_request(struct metrics *metrics, const char *method, const char *path, int status,
                     double seconds) {
  static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
  const char *name = "other"; /* a client's word must not become a label */
  for (size_t k = 0; method && k < sizeof known / sizeof *known; k++)
    if (strcmp(known[k], method) == 0) name = known[k];
  pthread_mutex_lock(&metrics->mutex);
  struct series *series = find(metrics, name, path, status);
  if (series) series->count++;
  int bucket = 0;
  while (bucket < BUCKETS && seconds > bounds[bucket]) bucket++;
  metrics->buckets[bucket]++;
  metrics->count++;
  metrics->sum += seconds;
  pthread_mutex_unlock(&metrics->mutex);
}

static void print_requests(struct metrics *metrics, struct boltz_text *out) {
  uint64_t total = 0;
  boltz_text_puts(out,
                  "# HELP boltzd_requests_total Requests answered.\n"
                  "# TYPE boltzd_requests_total counter\n");
  pthread_mutex_lock(&metrics->mutex);
  for (int k = 0; k < metrics->nseries; k++) {
    const struct series *series = &metrics->series[k];
    boltz_text_printf(out, "boltzd_requests_total{method=\"%s\",route=\"%s\",status=\"%d\"} %llu\n",
                      series->method, series->path, series->status,
                      (unsigned long long)series->count);
  }
  boltz_text_puts(out,
                  "# HELP boltzd_request_duration_seconds From a request's first byte to its "
                  "reply's.\n"
                  "# TYPE boltzd_request_duration_seconds histogram\n");
  for (int k = 0; k < BUCKETS; k++) {
    total += metrics->buckets[k];
    boltz_text_printf(out, "boltzd_request_duration_seconds_bucket{le=\"%g\"} %llu\n", bounds[k],
                      (unsigned long long)total);
  }
  boltz_text_printf(out,
                    "boltzd_request_duration_seconds_bucket{le=\"+Inf\"} %llu\n"
                    "boltzd_request_duration_seconds_sum %.6f\n"
                    "boltzd_request_duration_seconds_count %llu\n",
                    (unsigned long long)metrics->count, metrics->sum,
                    (unsigned long long)metrics->count);
  pthread_mutex_unlock(&metrics->mutex);
}

static void gauge(struct boltz_text *out, const char *name, const char *help, double value) {
  boltz_text_printf(out, "# HELP boltzd_%s %s\n# TYPE boltzd_%s gauge\nboltzd_%s %.15g\n", name,
                    help, name, name, value);
}

static void print_counters(struct metrics *metrics, struct boltz_text *out) {
  static const struct {
    const char *name, *help;
  } names[METRIC_COUNT] = {
      [METRIC_SAMPLES] = {"samples_total", "Configurations drawn."},
      [METRIC_DENSITIES] = {"densities_total", "Log densities of given configurations."},
      [METRIC_ENERGY_CALLS] = {"energy_calls_total", "Configurations evaluated for a client."},
      [METRIC_TRAIN_STEPS] = {"train_steps_total", "Optimizer steps."},
      [METRIC_INTERNAL_ERRORS] = {"internal_errors_total", "Requests answered 500."},
      [METRIC_STORE_ERRORS] = {"store_errors_total", "Failed writes of the store."},
  };
  for (int k = 0; k < METRIC_COUNT; k++)
    boltz_text_printf(out, "# HELP boltzd_%s %s\n# TYPE boltzd_%s counter\nboltzd_%s %llu\n",
                      names[k].name, names[k].help, names[k].name, names[k].name,
                      (unsigned long long)atomic_load(&metrics->counters[k]));
}

static double resident_bytes(void) {
  long total = 0, resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file && fscanf(file, "%ld %ld", &total, &resident) != 2) resident = 0;
  if (file) fclose(file);
  return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static double open_files(void) {
  DIR *dir = opendir("/proc/self/fd");
  double n = -3; /* . and .. and the directory itself */
  while (dir && readdir(dir)) n++;
  if (dir) closedir(dir);
  return n;
}

static void print_parts(struct server *server, struct boltz_text *out) {
  struct registry_counts counts;
  int jobs[6];
  registry_counts(server->registry, &counts);
  jobs_counts(server->jobs, jobs);
  gauge(out, "models", "Registered models.", counts.models);
  gauge(out, "versions", "Versions of all models.", counts.versions);
  gauge(out, "datasets", "Datasets.", counts.datasets);
  boltz_text_puts(out,
                  "# HELP boltzd_versions_loaded Versions in memory, by what they are served in.\n"
                  "# TYPE boltzd_versions_loaded gauge\n");
  for (int k = 0; k < BOLTZ_PRECISIONS; k++)
    boltz_text_printf(out, "boltzd_versions_loaded{precision=\"%s\"} %d\n",
                      boltz_precision_names[k], counts.loaded[k]);
  boltz_text_puts(out, "# HELP boltzd_jobs Jobs by status.\n# TYPE boltzd_jobs gauge\n");
  for (int k = 0; job_status_names[k]; k++)
    boltz_text_printf(out, "boltzd_jobs{status=\"%s\"} %d\n", job_status_names[k], jobs[k]);
  boltz_text_puts(out,
                  "# HELP boltzd_tasks_waiting Tasks in the queues of the workers.\n"
                  "# TYPE boltzd_tasks_waiting gauge\n");
  boltz_text_printf(out,
                    "boltzd_tasks_waiting{class=\"interactive\"} %zu\n"
                    "boltzd_tasks_waiting{class=\"background\"} %zu\n",
                    pool_waiting(server->pool, POOL_INTERACTIVE),
                    pool_waiting(server->pool, POOL_BACKGROUND));
  boltz_text_puts(out,
                  "# HELP boltzd_slices_total Slices of work run.\n"
                  "# TYPE boltzd_slices_total counter\n");
  boltz_text_printf(out,
                    "boltzd_slices_total{class=\"interactive\"} %llu\n"
                    "boltzd_slices_total{class=\"background\"} %llu\n",
                    pool_slices(server->pool, POOL_INTERACTIVE),
                    pool_slices(server->pool, POOL_BACKGROUND));
}

void metrics_print(struct server *server, struct boltz_text *out) {
  print_requests(server->metrics, out);
  print_counters(server->metrics, out);
  print_parts(server, out);
  gauge(out, "workers", "Worker threads.", pool_workers(server->pool));
  gauge(out, "requests_in_flight", "Requests without their reply yet.",
        http_in_flight(server->http));
  gauge(out, "store_healthy", "1 while writes succeed.", store_healthy(server->store));
  gauge(out, "uptime_seconds", "Since the start.",
        1e-3 * (double)(json_now_ms() - server->started_ms));
  gauge(out, "resident_memory_bytes", "Resident memory.", resident_bytes());
  gauge(out, "open_fds", "Open file descriptors.", open_files());
  boltz_text_puts(out,
                  "# HELP boltzd_build_info Version of the daemon.\n"
                  "# TYPE boltzd_build_info gauge\n"
                  "boltzd_build_info{version=\"" BOLTZ_VERSION "\"} 1\n");
}
