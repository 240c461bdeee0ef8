/* request.h - a request, its route, and the ways to answer it. http.c makes them; handlers see
 * nothing of libmicrohttpd. */
#ifndef SERVER_REQUEST_H
#define SERVER_REQUEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "boltz/json.h"
#include "server/pool.h"
#include "server/server.h"

struct cJSON;
struct request;

/** What a route takes as its body. */
enum body_kind {
  BODY_NONE,          /* a body is ignored */
  BODY_JSON,          /* one JSON object */
  BODY_ARRAY,         /* a JSON object, or NPY with the other members as query parameters */
  BODY_BYTES,         /* application/octet-stream, handed over as it is */
  BODY_BYTES_OR_JSON, /* either, by Content-Type: request->json is NULL when bytes came */
};

/** Where handle() runs. */
enum route_place {
  ROUTE_HERE,   /* on the HTTP thread, before anything is suspended: memory only, microseconds */
  ROUTE_EITHER, /* as ROUTE_LATER for a large body; else handle() answers on the HTTP thread, in
                   microseconds, or calls request_later() before anyone else may answer */
  ROUTE_LATER,  /* connection suspended first; a small body is parsed on the HTTP thread, a large
                   one on a worker; handle() is called where the body was parsed and must not block
                 */
};

/** One row of an api file's table. `{name}` in a path matches one segment, kept as a parameter. */
struct route {
  const char *method; /* "GET" (HEAD follows), "POST", … */
  const char *path;   /* "/v1/models/{model}/sample" */
  enum route_place place;
  enum body_kind body;
  void (*handle)(struct request *request);
  const char *const *query; /* names of allowed query parameters, NULL-ended; NULL: none */
  const char *summary;      /* one sentence for openapi.json */
};

/** A resource file ends in `const struct route api_<name>[]`, closed by a NULL method; api/list.h
 * names them. */

enum accept { ACCEPT_JSON, ACCEPT_NPY, ACCEPT_EVENTS };

#define REQUEST_PARAMETERS 3
#define REQUEST_NAME_MAX 64

/** A piece of a reply's body, in malloc'ed memory that the reply takes. */
struct chunk {
  char *data;
  size_t size;
};

struct request {
  struct server *server;
  const struct route *route;
  char id[REQUEST_NAME_MAX + 1];              /* X-Request-Id */
  const char *parameters[REQUEST_PARAMETERS]; /* in the order of the path; well-formed names */
  struct boltz_arena *arena;                  /* dies with the request; its limit bounds it */

  /* Body, as the route asked for it. */
  const struct boltz_json *json; /* BODY_JSON, BODY_ARRAY: an object (empty body: an empty one).
                                    With NPY it is made of the query parameters. */
  const double *rows;            /* BODY_ARRAY with an NPY body: row-major; else NULL */
  size_t nrows, ncols;
  const char *bytes; /* the raw body */
  size_t nbytes;

  enum accept accept;          /* what the client wants back */
  const char *idempotency_key; /* well-formed, or NULL */
  const char *last_event_id;   /* as sent, or NULL */
  bool head;                   /* HEAD */

  atomic_bool cancelled; /* the client has gone, or the deadline has passed: stop computing */
  int64_t deadline_ms;   /* monotonic */
};

/** Others answer this request, or will: the connection is suspended. Again: harmless. */
void request_later(struct request *request);

/** Bytes from the system's generator, at most 32. false: it gave none. */
bool request_random(struct request *request, void *bytes, size_t size);

/** A query parameter of this request, percent-decoded; NULL when absent. */
const char *request_query(const struct request *request, const char *name);

/** page_size and page_token. false: the reply is given. */
bool request_page(struct request *request, int *page_size, const char **page_token);

/**
 * The array `name` of the body as row-major [n, dim], from JSON or NPY; empty is 422, a row of the
 * wrong length or a non-finite number is 422 BAD_ROW with "/name/i", a string in a row 400
 * WRONG_TYPE. false: the reply is given.
 */
bool request_rows(struct request *request, const char *name, int dim, const double **rows,
                  size_t *n);

/* Every handler ends in exactly one reply_… call, from any thread. After it the request must not
 * be touched. */

/** A cJSON tree; the reply takes it (also when it is NULL: 500). Numbers were made by json.h. */
void reply_json(struct request *request, int status, struct cJSON *body);

/** 204, or any status without a body. */
void reply_empty(struct request *request, int status);

/** Text of a kind; the text is copied. */
void reply_text(struct request *request, int status, const char *content_type, const char *text);

/** A body in pieces, sent in order; the reply takes the array and every chunk's data (malloc'ed).
 */
void reply_chunks(struct request *request, int status, const char *content_type,
                  struct chunk *chunks, size_t nchunks);

/** problem+json. `pointer` may be NULL or "". */
void reply_problem(struct request *request, int status, const char *reason, const char *pointer,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));

/**
 * problem+json of the thread's last library failure: status to HTTP code by one table, the sentence
 * of boltz_error(), its pointer under `prefix` (printf not applied; "" for the body itself).
 */
void reply_status(struct request *request, enum boltz_status status, const char *prefix);

/** 413 TOO_LARGE, with the `limit` that was passed as a member of the problem. */
void reply_too_large(struct request *request, const char *pointer, int64_t limit,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

/** Add a header to the reply to come; before the reply_… call. */
void request_header(struct request *request, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define STREAM_END (-1)
#define STREAM_CUT (-2)

/**
 * A body made while it is sent. read() is called on an HTTP thread: it fills at most `max` bytes
 * and returns how many, 0 when there is nothing yet, STREAM_END at the end, STREAM_CUT when it
 * cannot go on: the client sees a broken connection. After a 0 it is called again once
 * stream_wake() was called (any thread, any number of times), and at least every five seconds.
 * close() is called once; the request may be held beyond it.
 */
struct stream {
  ssize_t (*read)(struct stream *stream, char *buffer, size_t max);
  void (*close)(struct stream *stream);
  struct request *request; /* set by reply_stream */
  uint64_t size;           /* bytes in all; 0: not known */
  bool whole; /* half of it is worth nothing: a drain waits for its end, and who must end it before
                 cuts it; the client has request_deadline_ms for every MiB */
};
void reply_stream(struct request *request, int status, const char *content_type,
                  struct stream *stream);
void stream_wake(struct stream *stream);

/** Keep the request's memory after its reply has ended, until as many releases. Threads: any. */
void request_hold(struct request *request);
void request_release(struct request *request);

/** A name of API.md's form? */
bool name_is_well_formed(const char *name);

#endif
