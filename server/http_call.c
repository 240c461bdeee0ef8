/* http_call.c - the memory of requests: kept when they end, for those that come. */
#include <stdlib.h>

#include "server/config.h"
#include "server/http_private.h"

#define ARENA_BASE ((size_t)64 << 20) /* of a request, beside what its body needs */
#define ARENA_FACTOR 64               /* a JSON row of two digits becomes a node */
#define SPARES 128                    /* requests whose memory is kept */
#define SPARE_ARENA ((size_t)128 << 10)
#define SPARE_BODY ((size_t)8 << 10)

static struct call *take_spare(struct http *http) {
  pthread_mutex_lock(&http->spare_mutex);
  struct call *call = http->spares;
  if (call) {
    http->spares = call->spare;
    http->nspares--;
  }
  pthread_mutex_unlock(&http->spare_mutex);
  return call;
}

static bool keep_spare(struct http *http, struct call *call) {
  if (boltz_arena_size(call->exchange.request.arena) > SPARE_ARENA) return false;
  if (call->exchange.body_capacity > SPARE_BODY) return false;
  boltz_arena_release(call->exchange.request.arena, (struct boltz_mark){0});
  boltz_arena_exhausted(call->exchange.request.arena); /* that was the request before */
  pthread_mutex_lock(&http->spare_mutex);
  bool room = http->nspares < SPARES;
  if (room) {
    call->spare = http->spares;
    http->spares = call;
    http->nspares++;
  }
  pthread_mutex_unlock(&http->spare_mutex);
  return room;
}

static void free_call(struct call *call) {
  free(call->exchange.body);
  boltz_arena_close(call->exchange.request.arena);
  free(call);
}

static struct call *make_call(const struct http *http) {
  struct call *call = calloc(1, sizeof *call);
  if (!call) return NULL;
  call->exchange.request.arena =
      boltz_arena_open(ARENA_BASE + ARENA_FACTOR * (size_t)http->server->config->body_bytes);
  if (call->exchange.request.arena) return call;
  free(call);
  return NULL;
}

struct call *call_new(struct http *http) {
  struct call *call = take_spare(http);
  if (!call) call = make_call(http);
  if (!call) return NULL;
  *call = (struct call){
      .http = http,
      .exchange = {.request = {.server = http->server, .arena = call->exchange.request.arena},
                   .body = call->exchange.body,
                   .body_capacity = call->exchange.body_capacity,
                   .entropy = call->exchange.entropy}};
  pthread_mutex_init(&call->mutex, NULL);
  atomic_store(&call->holders, 1);
  atomic_fetch_add(&http->calls, 1);
  return call;
}

void request_hold(struct request *request) {
  atomic_fetch_add(&((struct call *)request)->holders, 1);
}

void request_release(struct request *request) {
  struct call *call = (struct call *)request;
  struct http *http = call->http;
  if (atomic_fetch_sub(&call->holders, 1) > 1) return;
  pthread_mutex_destroy(&call->mutex);
  if (!keep_spare(http, call)) free_call(call);
  atomic_fetch_sub(&http->calls, 1); /* last: http_close() waits for it */
}

void calls_close(struct http *http) {
  for (struct call *call; (call = take_spare(http));) free_call(call);
  pthread_mutex_destroy(&http->spare_mutex);
}
