/* listen.h - the address that the daemon listens on. */
#ifndef SERVER_LISTEN_H
#define SERVER_LISTEN_H

#include <sys/socket.h>

#include "boltz/status.h"

/** Read "address:port" or "[address]:port". Errors: OUT_OF_RANGE, naming what is meant. */
enum boltz_status listen_parse(const char *text, struct sockaddr_storage *address, socklen_t *size);

#define LISTEN_ADDRESS_SIZE 80

/** A listening socket, and its address with its real port. Errors: OUT_OF_RANGE, IO. */
enum boltz_status listen_open(const char *text, int *fd, char address[LISTEN_ADDRESS_SIZE]);

#endif
