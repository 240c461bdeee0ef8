/* listen.c - the address that the daemon listens on: text to a socket and back. */
#include "server/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum boltz_status listen_parse(const char *text, struct sockaddr_storage *address,
                               socklen_t *size) {
  char host[80];
  const char *colon = strrchr(text, ':');
  size_t n = colon ? (size_t)(colon - text) : 0;
  char *end = NULL;
  long port = colon ? strtol(colon + 1, &end, 10) : -1;
  if (!colon || n >= sizeof host || !colon[1] || *end || port < 0 || port > 65535)
    return boltz_fail(BOLTZ_OUT_OF_RANGE, "listen = \"%s\" is not address:port, as 127.0.0.1:8000",
                      text);
  bool brackets = n >= 2 && text[0] == '[' && text[n - 1] == ']';
  snprintf(host, sizeof host, "%.*s", (int)(brackets ? n - 2 : n), text + brackets);
  memset(address, 0, sizeof *address);
  struct sockaddr_in *four = (struct sockaddr_in *)address;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
  if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons((uint16_t)port);
    *size = sizeof *four;
  } else if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons((uint16_t)port);
    *size = sizeof *six;
  } else {
    return boltz_fail(BOLTZ_OUT_OF_RANGE, "listen = \"%s\": %s is not an IP address", text, host);
  }
  return BOLTZ_OK;
}

/* The address that the system gave the socket. */
static void print_address(int fd, char out[LISTEN_ADDRESS_SIZE]) {
  struct sockaddr_storage address;
  socklen_t size = sizeof address;
  char host[64] = "";
  getsockname(fd, (struct sockaddr *)&address, &size);
  const struct sockaddr_in *four = (const struct sockaddr_in *)&address;
  const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&address;
  if (address.ss_family == AF_INET) {
    inet_ntop(AF_INET, &four->sin_addr, host, sizeof host);
    snprintf(out, LISTEN_ADDRESS_SIZE, "%s:%d", host, ntohs(four->sin_port));
  } else {
    inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof host);
    snprintf(out, LISTEN_ADDRESS_SIZE, "[%s]:%d", host, ntohs(six->sin6_port));
  }
}

enum boltz_status listen_open(const char *text, int *fd, char address[LISTEN_ADDRESS_SIZE]) {
  struct sockaddr_storage wanted;
  socklen_t size;
  int on = 1;
  BOLTZ_TRY(listen_parse(text, &wanted, &size));
  *fd = socket(wanted.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (*fd < 0) return boltz_fail(BOLTZ_IO, "no socket: %s", strerror(errno));
  setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(*fd, (struct sockaddr *)&wanted, size) == 0 && listen(*fd, 1024) == 0) {
    print_address(*fd, address);
    return BOLTZ_OK;
  }
  enum boltz_status status =
      boltz_fail(BOLTZ_IO, "cannot listen on %s: %s (another port: --listen 127.0.0.1:8001)", text,
                 strerror(errno));
  close(*fd);
  return status;
}
