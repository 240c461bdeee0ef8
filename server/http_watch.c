/* http_watch.c - the thread that knows every connection: total deadlines, headers included, and
 * clients that have gone while their request is suspended, which libmicrohttpd does not see. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "server/config.h"
#include "server/http_private.h"

#define ROUND_MS 50
#define STREAM_WAKE_MS 5000

void watch_connection(void *cls, struct MHD_Connection *mhd, void **context,
                      enum MHD_ConnectionNotificationCode code) {
  struct http *http = cls;
  struct connection *connection = *context;
  if (code == MHD_CONNECTION_NOTIFY_STARTED) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    connection = calloc(1, sizeof *connection);
    *context = connection;
    if (!connection) return;
    connection->fd = info ? info->connect_fd : -1;
    connection->since_ms = monotonic_ms();
    pthread_mutex_lock(&http->mutex);
    connection->next = http->connections;
    connection->link = &http->connections;
    if (connection->next) connection->next->link = &connection->next;
    http->connections = connection;
    pthread_mutex_unlock(&http->mutex);
    return;
  }
  atomic_fetch_sub(&http->open, 1);
  if (connection) {
    pthread_mutex_lock(&http->mutex);
    *connection->link = connection->next;
    if (connection->next) connection->next->link = connection->link;
    pthread_mutex_unlock(&http->mutex);
    free(connection);
    *context = NULL;
  }
}

void watch_suspended(struct http *http, struct connection *connection, struct call *call) {
  if (!connection) return;
  pthread_mutex_lock(&http->mutex);
  connection->suspended = call;
  connection->since_ms = monotonic_ms();
  pthread_mutex_unlock(&http->mutex);
}

void watch_progress(struct http *http, struct connection *connection) {
  if (!connection) return;
  pthread_mutex_lock(&http->mutex);
  connection->since_ms = monotonic_ms();
  pthread_mutex_unlock(&http->mutex);
}

static bool has_gone(int fd) {
  struct pollfd poller = {.fd = fd, .events = POLLRDHUP};
  return fd >= 0 && poll(&poller, 1, 0) > 0 &&
         (poller.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
}

static void look_at_stream(struct connection *connection, bool late, bool wake) {
  struct call *call = connection->suspended;
  struct stream *stream = call->exchange.reply.stream;
  late = late && stream->whole;
  if (late) shutdown(connection->fd, SHUT_RDWR);
  if (late || has_gone(connection->fd))
    stream_end(call);
  else if (wake)
    stream_wake(stream);
}

static void look_at(struct connection *connection, int64_t now, int64_t deadline, bool wake) {
  struct call *call = connection->suspended;
  bool late = now - connection->since_ms > deadline;
  if (!call) {
    if (late) shutdown(connection->fd, SHUT_RDWR);
    return;
  }
  if (call->streaming) {
    look_at_stream(connection, late, wake);
    return;
  }
  bool gone = has_gone(connection->fd);
  if (gone || now > call->exchange.request.deadline_ms)
    atomic_store(&call->exchange.request.cancelled, true);
}

static void *watch(void *argument) {
  struct http *http = argument;
  int64_t deadline = http->server->config->request_deadline_ms, woken = monotonic_ms();
  pthread_mutex_lock(&http->mutex);
  while (!http->stopping) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ROUND_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&http->stop, &http->mutex, &until);
    int64_t now = monotonic_ms();
    bool wake = now - woken >= STREAM_WAKE_MS;
    if (wake) woken = now;
    for (struct connection *c = http->connections; c; c = c->next) look_at(c, now, deadline, wake);
  }
  pthread_mutex_unlock(&http->mutex);
  return NULL;
}

void watch_end_streams(struct http *http) {
  pthread_mutex_lock(&http->mutex);
  for (struct connection *c = http->connections; c; c = c->next)
    if (c->suspended && c->suspended->streaming && !c->suspended->exchange.reply.stream->whole)
      stream_end(c->suspended);
  pthread_mutex_unlock(&http->mutex);
}

void watch_cancel_all(struct http *http) {
  pthread_mutex_lock(&http->mutex);
  for (struct connection *c = http->connections; c; c = c->next) {
    if (!c->suspended) continue;
    atomic_store(&c->suspended->exchange.request.cancelled, true);
    if (c->suspended->streaming) stream_end(c->suspended);
  }
  pthread_mutex_unlock(&http->mutex);
}

enum boltz_status watch_open(struct http *http) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_mutex_init(&http->mutex, NULL);
  pthread_cond_init(&http->stop, &attributes);
  pthread_condattr_destroy(&attributes);
  if (pthread_create(&http->watch, NULL, watch, http) == 0) return BOLTZ_OK;
  return boltz_fail(BOLTZ_IO, "the system gives no thread for the watch");
}

void watch_close(struct http *http) {
  pthread_mutex_lock(&http->mutex);
  http->stopping = true;
  pthread_cond_signal(&http->stop);
  pthread_mutex_unlock(&http->mutex);
  pthread_join(http->watch, NULL);
  pthread_cond_destroy(&http->stop);
  pthread_mutex_destroy(&http->mutex);
}
