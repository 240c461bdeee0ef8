/* jobs.h - a daemon, jobs of a second or so, and waiting for them. */
#ifndef HTTP_JOBS_H
#define HTTP_JOBS_H

#include <unistd.h>

#include "tests/check.h"
#include "tests/http/client.h"

static struct daemon server;

#define WELL "/v1/models/example-double-well"

/* A training that is over in a second or so, and one that is not. */
#define SMALL_FLOW                                                                               \
  "\"flow\":{\"layers\":[{\"type\":\"actnorm\"},{\"type\":\"realnvp\",\"blocks\":2,\"hidden\":[" \
  "16,"                                                                                          \
  "16]}]},\"data\":{\"walkers\":16,\"steps\":400,\"stride\":4,\"burn_in\":200}"
#define SHORT_JOB(seed)                                                                            \
  "{\"kind\":\"train\",\"model\":\"example-double-well\",\"serve\":false,\"seed\":" seed           \
  "," SMALL_FLOW                                                                                   \
  ",\"checkpoint_every\":20,\"validate_every\":25,\"stages\":[{\"steps\":60,\"batch\":200,\"ml\":" \
  "1},"                                                                                            \
  "{\"steps\":60,\"batch\":200,\"ml\":1,\"kl\":0.5,\"final_learning_rate\":0.1}]}"
#define LONG_JOB                                                                                 \
  "{\"kind\":\"train\",\"model\":\"example-double-well\",\"serve\":false,\"seed\":3," SMALL_FLOW \
  ",\"checkpoint_every\":50,\"stages\":[{\"steps\":100000,\"batch\":2000,\"ml\":1,\"kl\":1}]}"

static inline void sleep_ms(int ms) {
  usleep((useconds_t)ms * 1000);
}

static inline struct answer job_record(const char *id) {
  char path[96];
  snprintf(path, sizeof path, "/v1/jobs/%s", id);
  return call(&server, "GET", path, NULL);
}

static inline struct answer job_verb(const char *id, const char *verb) {
  char path[96];
  snprintf(path, sizeof path, "/v1/jobs/%s/%s", id, verb);
  return call(&server, "POST", path, NULL);
}

/* Wait until a job's status is `status`, or `seconds` have passed. */
static inline bool wait_status(const char *id, const char *status, double seconds) {
  double end = seconds_now() + seconds;
  while (seconds_now() < end) {
    struct answer job = job_record(id);
    bool there = answer_text(&job, "status") && strcmp(answer_text(&job, "status"), status) == 0;
    answer_free(&job);
    if (there) return true;
    sleep_ms(20);
  }
  return false;
}

static inline bool wait_step(const char *id, double step, double seconds) {
  double end = seconds_now() + seconds;
  while (seconds_now() < end) {
    struct answer job = job_record(id);
    bool there = answer_number(&job, "progress.step") >= step;
    answer_free(&job);
    if (there) return true;
    sleep_ms(10);
  }
  return false;
}

static inline void submit(const char *body, char id[40]) {
  struct answer job = call(&server, "POST", "/v1/jobs", body);
  CHECK_MSG(job.status == 202, "%s", job.body);
  snprintf(id, 40, "%s", answer_text(&job, "id") ? answer_text(&job, "id") : "");
  answer_free(&job);
}

#endif
