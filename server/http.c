/* http.c - libmicrohttpd: requests in, replies out.
 *
 * A call goes through four phases: its head is looked at, its body collected, work done on it, at
 * once or by others while the connection is suspended, its reply queued. The rule of the hand-over:
 * suspend first, publish second; whoever answers resumes. */
#include "server/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/config.h"
#include "server/http_private.h"
#include "server/log.h"
#include "server/metrics.h"

#define THREADS 2
#define IDLE_SECONDS 120

/* ---- the life of a call ---- */

/* The reply is there; from any thread. */
static void answer(struct exchange *exchange) {
  struct call *call = (struct call *)exchange;
  if (!call->suspended) return; /* the HTTP thread is still there and queues it */
  struct http *http = call->http;
  struct MHD_Connection *mhd = call->mhd;
  watch_suspended(http, call->connection, NULL);
  atomic_store(&call->answered, true); /* from here on the call belongs to the HTTP thread */
  MHD_resume_connection(mhd);
  atomic_fetch_sub(&http->waiting, 1); /* last: http_close() waits for it */
}

/* The first that is heard of a request: its raw target. */
static void *begin_call(void *cls, const char *uri, struct MHD_Connection *mhd) {
  struct http *http = cls;
  struct call *call = call_new(http);
  if (!call) return NULL;
  struct request *request = &call->exchange.request;
  call->mhd = mhd;
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  call->connection = info ? info->socket_context : NULL;
  call->exchange.uri = boltz_arena_strdup(request->arena, uri);
  call->exchange.answer = answer;
  call->exchange.pattern = "";
  call->exchange.started_us = monotonic_us();
  request->deadline_ms =
      call->exchange.started_us / 1000 + http->server->config->request_deadline_ms;
  watch_suspended(http, call->connection, NULL);
  return call;
}

static void end_call(void *cls, struct MHD_Connection *mhd, void **context,
                     enum MHD_RequestTerminationCode code) {
  (void)mhd;
  (void)code;
  struct http *http = cls;
  struct call *call = *context;
  if (!call) return;
  (void)atomic_load(&call->answered); /* what a worker wrote before it is seen here */
  struct stream *stream = call->exchange.reply.stream;
  if (stream) {
    watch_suspended(http, call->connection, NULL);
    stream->close(stream);
    if (call->streaming) atomic_fetch_sub(&http->streams, 1);
  }
  if (call->counted) atomic_fetch_sub(&http->in_flight, 1);
  reply_free(&call->exchange.reply);
  request_release(&call->exchange.request);
  *context = NULL;
}

static enum MHD_Result keep_header(void *argument, enum MHD_ValueKind kind, const char *name,
                                   const char *value) {
  (void)kind;
  struct exchange *exchange = argument;
  struct header *header = BOLTZ_NEW(exchange->request.arena, struct header);
  if (!header) return MHD_NO;
  *header =
      (struct header){.name = boltz_arena_strdup(exchange->request.arena, name),
                      .value = boltz_arena_strdup(exchange->request.arena, value ? value : ""),
                      .next = exchange->headers};
  if (!header->name || !header->value) return MHD_NO;
  exchange->headers = header;
  return MHD_YES;
}

/* ---- replies ---- */

/* Where a reply of several chunks stands. */
struct reader {
  struct reply reply; /* owns the chunks */
  size_t chunk, offset;
};

static ssize_t read_chunks(void *argument, uint64_t position, char *buffer, size_t max) {
  (void)position;
  struct reader *reader = argument;
  size_t used = 0;
  while (used < max && reader->chunk < reader->reply.nchunks) {
    struct chunk *chunk = &reader->reply.chunks[reader->chunk];
    size_t n = chunk->size - reader->offset;
    if (n > max - used) n = max - used;
    memcpy(buffer + used, chunk->data + reader->offset, n);
    used += n;
    reader->offset += n;
    if (reader->offset < chunk->size) continue;
    free(chunk->data); /* sent: memory falls as the client reads */
    *chunk = (struct chunk){0};
    reader->chunk++;
    reader->offset = 0;
  }
  return used ? (ssize_t)used : MHD_CONTENT_READER_END_OF_STREAM;
}

static void free_reader(void *argument) {
  struct reader *reader = argument;
  reply_free(&reader->reply);
  free(reader);
}

static struct MHD_Response *body_response(struct reply *reply) {
  uint64_t total = 0;
  for (size_t k = 0; k < reply->nchunks; k++) total += reply->chunks[k].size;
  if (total == 0) return MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
  if (reply->nchunks == 1) {
    struct MHD_Response *response = MHD_create_response_from_buffer(
        reply->chunks[0].size, reply->chunks[0].data, MHD_RESPMEM_MUST_FREE);
    if (response) reply->chunks[0].data = NULL;
    return response;
  }
  struct reader *reader = malloc(sizeof *reader);
  if (!reader) return NULL;
  *reader = (struct reader){.reply = *reply};
  struct MHD_Response *response =
      MHD_create_response_from_callback(total, 65536, read_chunks, reader, free_reader);
  if (!response) {
    free(reader);
    return NULL;
  }
  reply->chunks = NULL;
  reply->nchunks = 0;
  return response;
}

static void add_headers(struct call *call, struct MHD_Response *response) {
  const struct reply *reply = &call->exchange.reply;
  if (reply->content_type)
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
  MHD_add_response_header(response, "X-Request-Id", call->exchange.request.id);
  for (const struct header *header = reply->headers; header; header = header->next)
    MHD_add_response_header(response, header->name, header->value);
  if (reply->close || atomic_load(&call->http->draining))
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
}

static uint64_t reply_size(const struct reply *reply) {
  uint64_t total = 0;
  for (size_t k = 0; k < reply->nchunks; k++) total += reply->chunks[k].size;
  return total;
}

static void refuse_size(struct call *call) {
  struct exchange *exchange = &call->exchange;
  int64_t limit = call->http->server->config->reply_bytes;
  unsigned long long total = reply_size(&exchange->reply);
  reply_free(&exchange->reply);
  exchange->reply = (struct reply){.close = exchange->reply.close};
  reply_too_large(&exchange->request, NULL, limit,
                  "the reply has %llu bytes, over the limit of %lld: ask for fewer rows at a time, "
                  "or for application/x-npy",
                  total, (long long)limit);
}

/* The library would end the chunks that HEAD never began. */
static void drop_stream(struct reply *reply) {
  if (reply->stream) reply->stream->close(reply->stream);
  reply->stream = NULL;
}

static enum MHD_Result send_reply(struct call *call) {
  struct exchange *exchange = &call->exchange;
  struct http *http = call->http;
  call->phase = PHASE_ANSWERED;
  call->suspended = false;
  if (reply_size(&exchange->reply) > (uint64_t)http->server->config->reply_bytes) refuse_size(call);
  if (exchange->request.head) drop_stream(&exchange->reply);
  bool stream = exchange->reply.stream != NULL;
  struct MHD_Response *response = stream ? stream_response(call) : body_response(&exchange->reply);
  if (!response) return MHD_NO;
  if (stream) atomic_fetch_add(&http->streams, 1);
  add_headers(call, response);
  watch_suspended(http, call->connection, stream ? call : NULL);
  metrics_request(http->server->metrics, exchange->method, exchange->pattern,
                  exchange->reply.status, 1e-6 * (double)(monotonic_us() - exchange->started_us));
  if (stream && call->counted && !exchange->reply.stream->whole) {
    call->counted = false;
    atomic_fetch_sub(&http->in_flight, 1);
  }
  enum MHD_Result result =
      MHD_queue_response(call->mhd, (unsigned)exchange->reply.status, response);
  MHD_destroy_response(response);
  return result;
}

/* ---- the phases ---- */

static enum task_next parse_on_worker(struct task *task, struct worker *worker) {
  (void)worker;
  struct call *call = (struct call *)((char *)task - offsetof(struct call, parse));
  exchange_handle(&call->exchange);
  return TASK_DONE;
}

void request_later(struct request *request) {
  struct call *call = (struct call *)request;
  struct http *http = call->http;
  if (call->suspended) return;
  call->suspended = true;
  atomic_fetch_add(&http->waiting, 1);
  MHD_suspend_connection(call->mhd);
  watch_suspended(http, call->connection, call);
}

static enum MHD_Result start_work(struct call *call) {
  struct exchange *exchange = &call->exchange;
  struct http *http = call->http;
  call->phase = PHASE_WORK;
  enum route_place place = exchange->request.route->place;
  bool on_worker = place != ROUTE_HERE && exchange->request.nbytes > EXCHANGE_SMALL_BODY;
  int64_t limit = http->server->config->queue;
  if (place != ROUTE_HERE && atomic_load(&http->waiting) >= limit) {
    reply_problem(&exchange->request, 503, "QUEUE_FULL", NULL,
                  "%lld requests wait already: try again in a second", (long long)limit);
    return send_reply(call);
  }
  if (place == ROUTE_LATER || on_worker) request_later(&exchange->request);
  if (on_worker) {
    call->parse = (struct task){.run = parse_on_worker};
    pool_submit(http->server->pool, POOL_INTERACTIVE, &call->parse);
    return MHD_YES;
  }
  exchange_handle(exchange);
  /* Suspended, it is answered by others, and ends on this thread only. */
  return call->suspended ? MHD_YES : send_reply(call);
}

/* Health is answered to the end. */
static bool is_health(const struct request *request) {
  const char *path = request->route->path;
  return strcmp(path, "/livez") == 0 || strcmp(path, "/readyz") == 0 ||
         strcmp(path, "/metrics") == 0;
}

static enum MHD_Result look_at_head(struct call *call, const char *method) {
  struct exchange *exchange = &call->exchange;
  struct http *http = call->http;
  if (!exchange->uri) return MHD_NO;
  exchange->method = boltz_arena_strdup(exchange->request.arena, method);
  if (!exchange->method) return MHD_NO;
  MHD_get_connection_values(call->mhd, MHD_HEADER_KIND, keep_header, exchange);
  call->phase = PHASE_BODY;
  call->counted = true;
  atomic_fetch_add(&http->in_flight, 1);
  call->refused = !exchange_head(exchange);
  if (!call->refused && atomic_load(&http->draining) && !is_health(&exchange->request)) {
    reply_problem(&exchange->request, 503, "DRAINING", NULL, "the daemon is about to stop");
    call->refused = true;
  }
  /* What cannot be read any further is answered at once; else after the body, so that the
     connection may go on. */
  return call->refused && exchange->reply.close ? send_reply(call) : MHD_YES;
}

static enum MHD_Result take_body(struct call *call, const char *bytes, size_t size) {
  struct exchange *exchange = &call->exchange;
  struct request *request = &exchange->request;
  size_t limit = (size_t)request->server->config->body_bytes;
  if (call->refused) { /* read on, so that the reply can be read; but not for ever */
    call->dropped += size;
    return call->dropped > limit ? MHD_NO : MHD_YES;
  }
  if (size > limit - request->nbytes) {
    exchange->reply.close = true;
    reply_too_large(request, NULL, (int64_t)limit, "the body is over the limit of %zu bytes",
                    limit);
    call->refused = true;
    return MHD_YES;
  }
  size_t need = request->nbytes + size + 1;
  if (need > exchange->body_capacity) {
    size_t capacity = exchange->body_capacity ? exchange->body_capacity * 2 : 4096;
    if (exchange->content_length >= 0 && capacity < (size_t)exchange->content_length + 1)
      capacity = (size_t)exchange->content_length + 1;
    while (capacity < need) capacity *= 2;
    char *body = realloc(exchange->body, capacity);
    if (!body) return MHD_NO;
    exchange->body = body;
    exchange->body_capacity = capacity;
  }
  memcpy(exchange->body + request->nbytes, bytes, size);
  request->nbytes += size;
  exchange->body[request->nbytes] = 0;
  return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *size, void **context) {
  (void)cls;
  (void)mhd;
  (void)url;
  (void)version;
  struct call *call = *context;
  if (!call) return MHD_NO;
  switch (call->phase) {
    case PHASE_HEAD:
      return look_at_head(call, method);
    case PHASE_BODY:
      if (*size) {
        enum MHD_Result result = take_body(call, bytes, *size);
        *size = 0;
        return result;
      }
      return call->refused ? send_reply(call) : start_work(call);
    case PHASE_WORK:
      return atomic_load(&call->answered) ? send_reply(call) : MHD_YES;
    case PHASE_ANSWERED:
      break;
  }
  return MHD_YES;
}

/* ---- the daemon ---- */

static size_t leave_escaped(void *cls, struct MHD_Connection *mhd, char *text) {
  (void)cls;
  (void)mhd;
  return strlen(text);
}

static void log_library(void *cls, const char *format, va_list arguments) {
  char text[512];
  vsnprintf(text, sizeof text, format, arguments);
  text[strcspn(text, "\r\n")] = 0;
  log_event(((struct http *)cls)->server->log, LOG_DEBUG, "http", "s:message", text, NULL);
}

enum boltz_status http_open(struct server *server, struct http **out) {
  struct http *http = calloc(1, sizeof *http);
  if (!http) return boltz_fail(BOLTZ_NO_MEMORY, "no memory for the HTTP server");
  http->server = server;
  pthread_mutex_init(&http->spare_mutex, NULL);
  const struct config *config = server->config;
  enum boltz_status status = listen_open(config->listen, &http->listen_fd, http->address);
  if (status == BOLTZ_OK && (status = watch_open(http)) != BOLTZ_OK) close(http->listen_fd);
  if (status != BOLTZ_OK) {
    free(http);
    return status;
  }
  server->http = http;
  *out = http;
  /* The acceptor keeps the limit. The library, which would give each thread its part of it, must
     have room for all on one: a thread that finds itself full hangs (0.9.75, a mutex is kept). */
  http->daemon = MHD_start_daemon(
      MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME |
          MHD_USE_ITC | MHD_USE_ERROR_LOG,
      0, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, log_library, http,
      MHD_OPTION_THREAD_POOL_SIZE, (unsigned)THREADS, MHD_OPTION_CONNECTION_LIMIT,
      (unsigned)config->connections * THREADS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
      (size_t)config->header_bytes, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
      MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, begin_call, http,
      MHD_OPTION_NOTIFY_COMPLETED, end_call, http, MHD_OPTION_NOTIFY_CONNECTION, watch_connection,
      http, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
      MHD_OPTION_END);
  if (http->daemon && accept_open(http)) return BOLTZ_OK;
  if (http->daemon) MHD_stop_daemon(http->daemon);
  server->http = *out = NULL;
  watch_close(http);
  calls_close(http);
  close(http->listen_fd);
  free(http);
  return boltz_fail(BOLTZ_IO, "libmicrohttpd does not start on %s", config->listen);
}

const char *http_address(const struct http *http) {
  return http->address;
}

void http_drain(struct http *http) {
  atomic_store(&http->draining, true);
  accept_close(http);
  watch_end_streams(http);
}

bool http_draining(const struct http *http) {
  return atomic_load(&http->draining);
}

int http_in_flight(struct http *http) {
  return atomic_load(&http->in_flight);
}

void http_close(struct http *http) {
  if (!http) return;
  if (!atomic_load(&http->draining)) http_drain(http);
  int64_t end = monotonic_ms() + 15000;
  atomic_store(&http->closing, true);
  watch_cancel_all(http);
  /* A connection that is still suspended would make the library abort: wait for its work to see
     that it is cancelled, and leave at once rather than in the library when it does not. */
  while (atomic_load(&http->waiting) > 0) {
    if (monotonic_ms() > end) {
      log_event(http->server->log, LOG_ERROR, "stuck", "i:requests",
                (long long)atomic_load(&http->waiting), NULL);
      _exit(1);
    }
    usleep(2000);
    watch_cancel_all(http);
  }
  /* A moment for the streams' last bytes. */
  for (int k = 0; k < 500 && atomic_load(&http->streams) > 0; k++) usleep(2000);
  MHD_stop_daemon(http->daemon);
  /* Workers see at their next tile that nobody reads it any more. */
  while (atomic_load(&http->calls) > 0) usleep(2000);
  watch_close(http);
  calls_close(http);
  free(http);
}
