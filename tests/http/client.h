/* client.h - a daemon of one's own, and HTTP to it: for scenarios and the demo. */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "boltz/boltz.h"

/** A running boltzd. */
struct daemon {
  pid_t pid;
  char data[256];   /* its data directory */
  char address[64]; /* "127.0.0.1:38211" */
  char url[96];     /* "http://127.0.0.1:38211" */
  int workers;      /* what it was started with */
  bool keep_data;
  long patience; /* seconds that an answer may take; 0: 300 */
};

/** Make an empty data directory under TMPDIR; exits on failure. */
void daemon_directory(struct daemon *daemon);

/** Start the binary named by $BOLTZD (build/boltzd by default) on a free port and wait for its
 * ready line; further arguments follow, NULL-ended. False when it exits instead. */
bool daemon_start(struct daemon *daemon, int workers, const char *const *arguments);

/** A fresh directory and a daemon of two workers on it; exits, saying where its log is, when it
 * does not start. */
void daemon_begin(struct daemon *daemon);

/** SIGTERM and wait; the exit status, or -1 when it had to be killed after 30 s. */
int daemon_stop(struct daemon *daemon);

/** SIGKILL and wait. */
void daemon_kill(struct daemon *daemon);

/** Stop if it runs, remove its data directory. */
void daemon_end(struct daemon *daemon);

/** An answer. body is NUL-ended; json its tree when it is JSON. Free with answer_free. */
struct answer {
  long status; /* 0: no answer */
  char *headers, *body;
  size_t size;
  double seconds;
  struct boltz_arena *arena;
  struct boltz_json *json;
};

/** One request. `body` may be NULL; `headers` are "Name: value" lines, NULL-ended, may be NULL.
 * JSON is the default type of a body. Threads: one handle each; any thread. */
struct answer call(const struct daemon *daemon, const char *method, const char *path,
                   const char *body);
struct answer call_with(const struct daemon *daemon, const char *method, const char *path,
                        const void *body, size_t size, const char *const *headers);
void answer_free(struct answer *answer);

/** The value of a reply header (case-insensitive) into `value`; false when absent. */
bool answer_header(const struct answer *answer, const char *name, char *value, size_t size);

/** A member by a dotted path ("progress.step", "profiles.0.free_energy"), NULL when absent; number
 * (NaN) and text (NULL). */
const struct boltz_json *answer_member(const struct answer *answer, const char *path);
double answer_number(const struct answer *answer, const char *path);
const char *answer_text(const struct answer *answer, const char *path);

/** Submit a job from a body and wait until it has ended; its last record. `tick` (may be NULL) is
 * called with every record that was polled. */
struct answer run_job(const struct daemon *daemon, const char *body, double seconds,
                      void (*tick)(const struct answer *job));

/** A socket connected to the daemon's port; -1: it is not. */
int call_connect(const struct daemon *daemon);

/** Raw bytes to the daemon's port, and what comes back before it closes or `ms` pass. */
size_t call_raw(const struct daemon *daemon, const void *bytes, size_t size, char *reply,
                size_t reply_size, int ms);

/** Wall clock in seconds, monotonic. */
double seconds_now(void);

#endif
