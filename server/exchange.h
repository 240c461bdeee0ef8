/* exchange.h - a request on its way and the reply to it: between http.c, request.c and reply.c. */
#ifndef SERVER_EXCHANGE_H
#define SERVER_EXCHANGE_H

#include "server/clock.h"
#include "server/request.h"

/** A header of the request or of the reply. */
struct header {
  const char *name, *value;
  struct header *next;
};

/** What reply_… made. */
struct reply {
  int status; /* 0: none yet */
  const char *content_type;
  struct chunk *chunks;
  size_t nchunks;
  struct stream *stream;
  struct header *headers;
  bool close; /* the connection cannot go on */
};

/** Random bytes that nobody has used yet: the last `left` of them. */
struct entropy {
  unsigned char bytes[256];
  size_t left;
};

/** A request and its reply; `request` is first, so that a handler's pointer leads back here. */
struct exchange {
  struct request request;
  struct reply reply;
  /* The reply is complete: called once, from any thread; the exchange is not touched afterwards. */
  void (*answer)(struct exchange *exchange);
  const char *method, *uri; /* as sent; uri with its query */
  struct header *headers;   /* of the request */
  struct header *query;     /* decoded parameters */
  const char *pattern;      /* the route's path, "" when none matched */
  char *body;               /* malloc'ed */
  size_t body_capacity;
  int64_t content_length; /* -1: chunked or none */
  bool npy;               /* the body is NPY */
  int64_t started_us;     /* monotonic */
  struct entropy entropy;
};

static inline struct exchange *exchange_of(struct request *request) {
  return (struct exchange *)request;
}

/** Largest body that the route takes before a worker must parse it. */
#define EXCHANGE_SMALL_BODY 65536

/**
 * Look at method, path, query and headers: find the route, fill what handlers see. false: the reply
 * is given (404, 405, 406, 413, 415, 400 …), and reply.close says whether the body may still be
 * read.
 */
bool exchange_head(struct exchange *exchange);

/** Parse the body as the route wants it. false: the reply is given. */
bool exchange_body(struct exchange *exchange);

/** Parse and handle: what comes after the body is complete. */
void exchange_handle(struct exchange *exchange);

/** A header of the request, NULL when absent. */
const char *exchange_header(const struct exchange *exchange, const char *name);

/** Free the reply's body. */
void reply_free(struct reply *reply);

#endif
