/* server.h - the parts of a running daemon, by name. main.c opens them in this order and closes
 * them in reverse. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <stdatomic.h>

struct config;
struct log;
struct metrics;
struct pool;
struct store;
struct registry;
struct jobs;
struct http;
struct gather;
struct plugins;

/** Everything a handler may reach. The pointers are set once, before the first request. */
struct server {
  const struct config *config;
  struct log *log;
  struct metrics *metrics;
  struct plugins *plugins;   /* energies from shared objects; NULL: none */
  struct pool *pool;         /* worker threads */
  struct gather *gather;     /* small requests that are answered together */
  struct store *store;       /* the thread that owns SQLite and every fsync */
  struct registry *registry; /* models and versions in memory */
  struct jobs *jobs;
  struct http *http;
  long long started_ms;         /* wall clock, for uptime */
  atomic_size_t estimate_bytes; /* that estimates under way may take: api/estimate.c */
  atomic_size_t kept_bytes;     /* that streamed replies keep: api/tiles_stream.c */
};

#endif
