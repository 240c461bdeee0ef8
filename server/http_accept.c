/* http_accept.c - the thread that accepts connections and deals them to libmicrohttpd's threads in
 * turn. Left to itself the library lets whichever thread wakes first take what has come: one may
 * get three quarters of the connections of a busy client. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/config.h"
#include "server/http_private.h"
#include "server/log.h"

#define FULL_MS 5 /* between looks at whether a connection has closed */

/* The library deals by the socket's number; sockets of one burst have neighbouring ones. */
static void deal(struct http *http, int fd, const struct sockaddr_storage *address,
                 socklen_t size) {
  atomic_fetch_add(&http->open, 1);
  if (MHD_add_connection(http->daemon, fd, (const struct sockaddr *)address, size) == MHD_YES)
    return;
  atomic_fetch_sub(&http->open, 1); /* the library has closed it */
  log_event(http->server->log, LOG_WARN, "not_accepted", NULL);
}

/* false: nobody listens any more. */
static bool accept_one(struct http *http) {
  struct sockaddr_storage address;
  socklen_t size = sizeof address;
  int fd =
      accept4(http->listen_fd, (struct sockaddr *)&address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0)
    deal(http, fd, &address, size);
  else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
    poll(NULL, 0, FULL_MS);
  else
    return errno != EINVAL && errno != EBADF;
  return true;
}

static void *accept_all(void *argument) {
  struct http *http = argument;
  const int limit = (int)http->server->config->connections;
  struct pollfd listening = {.fd = http->listen_fd, .events = POLLIN};
  for (bool on = true; on && !atomic_load(&http->draining);) {
    if (atomic_load(&http->open) >= limit) /* who comes now waits in the backlog */
      poll(NULL, 0, FULL_MS);
    else if (poll(&listening, 1, -1) > 0)
      on = accept_one(http);
  }
  return NULL;
}

bool accept_open(struct http *http) {
  return pthread_create(&http->acceptor, NULL, accept_all, http) == 0;
}

void accept_close(struct http *http) {
  shutdown(http->listen_fd, SHUT_RDWR);
  pthread_join(http->acceptor, NULL);
  close(http->listen_fd);
}
