/* http.h - libmicrohttpd and nothing else: requests in, replies out, deadlines. */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

#include <stdbool.h>

#include "boltz/status.h"
#include "server/server.h"

/** Listen and answer. Errors: IO, naming the address. */
enum boltz_status http_open(struct server *server, struct http **http);

/** The address that is listened on, with its real port: "127.0.0.1:38211". */
const char *http_address(const struct http *http);

/** Stop accepting; new requests on open connections, but those for health, are answered 503
 * DRAINING. */
void http_drain(struct http *http);
bool http_draining(const struct http *http);

/** Requests that are being answered now; streams do not count. */
int http_in_flight(struct http *http);

/** End streams, cancel and resume whatever is suspended, stop. NULL is harmless. */
void http_close(struct http *http);

#endif
