/* http_private.h - what the http files share. Only they include microhttpd.h. */
#ifndef SERVER_HTTP_PRIVATE_H
#define SERVER_HTTP_PRIVATE_H

#include <microhttpd.h>
#include <pthread.h>

#include "server/exchange.h"
#include "server/http.h"
#include "server/listen.h"

/** A connection from accept to close. Guarded by the watch's mutex. */
struct connection {
  struct connection *next, **link;
  int fd;
  int64_t since_ms; /* accept, a request line, a reply's start or a MiB of a stream: what follows
                       has a deadline */
  struct call *suspended; /* the request that waits, NULL: none */
};

/** Where a request stands with libmicrohttpd. */
enum phase { PHASE_HEAD, PHASE_BODY, PHASE_WORK, PHASE_ANSWERED };

/** An exchange and its connection; `exchange` is first. */
struct call {
  struct exchange exchange;
  struct http *http;
  struct MHD_Connection *mhd;
  struct connection *connection;
  enum phase phase;
  bool refused;         /* the reply is there before the body is */
  size_t dropped;       /* bytes of a refused body */
  bool counted;         /* among those in flight */
  bool suspended;       /* handed over: who answers resumes */
  atomic_bool answered; /* while suspended: the reply is complete, the HTTP thread may look */
  struct task parse;
  atomic_int holders; /* the HTTP thread, and request_hold() */

  bool streaming;        /* the reply is a stream; set before the watch learns of it */
  pthread_mutex_t mutex; /* guards the three below, of a streamed reply */
  bool asleep, woken, ended;

  struct call *spare; /* the next one, while it is kept */
};

struct http {
  struct server *server;
  struct MHD_Daemon *daemon;
  char address[LISTEN_ADDRESS_SIZE];
  int listen_fd;
  pthread_t acceptor;
  atomic_int open; /* connections */
  atomic_bool draining;
  atomic_bool closing;  /* no stream goes to sleep any more */
  atomic_int in_flight; /* requests without their whole reply; endless streams do not count */
  atomic_int waiting;   /* suspended requests */
  atomic_int streams;   /* streamed replies on their way */
  atomic_int calls;     /* in memory */

  pthread_mutex_t spare_mutex; /* guards the two below */
  struct call *spares;
  int nspares;

  pthread_t watch;
  pthread_mutex_t mutex; /* guards the connections and `stopping` */
  pthread_cond_t stop;
  struct connection *connections;
  bool stopping;
};

/** http_call.c: an empty call, NULL without memory; its last request_release() ends it. */
struct call *call_new(struct http *http);
/** Free those that are kept; none is in use. */
void calls_close(struct http *http);

/** http_accept.c: new connections. false: there is no thread for it. */
bool accept_open(struct http *http);
/** Once the daemon drains: who comes from now on is refused at once. */
void accept_close(struct http *http);

/** http_watch.c: deadlines and vanished clients. */
enum boltz_status watch_open(struct http *http);
void watch_close(struct http *http);
void watch_connection(void *cls, struct MHD_Connection *mhd, void **context,
                      enum MHD_ConnectionNotificationCode code);
/** A request of this connection is suspended (call), or begins, or its reply does (NULL). */
void watch_suspended(struct http *http, struct connection *connection, struct call *call);
/** The client of a stream took a part of it. */
void watch_progress(struct http *http, struct connection *connection);
/** Cancel whatever is suspended, end or cut every stream. */
void watch_cancel_all(struct http *http);
/** End the streams that have no end of their own. */
void watch_end_streams(struct http *http);

/** http_stream.c: a reply made while it is sent. */
struct MHD_Response *stream_response(struct call *call);
/** The client has gone, or the daemon goes: the next read ends the stream. */
void stream_end(struct call *call);

#endif
