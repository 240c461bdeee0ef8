/* events.c - what happened to a job: a list, or a stream of server-sent events. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/api.h"
#include "server/clock.h"

#define BURST 64 /* events fetched at once */
/* Then a comment shows that the stream is alive; it is looked at every five seconds. */
#define SILENCE_MS 10000

static void not_found(struct request *request) {
  reply_problem(request, 404, "JOB_NOT_FOUND", NULL, "there is no job %s", request->parameters[0]);
}

/* A whole number from 0 on, or -1. */
static int64_t sequence_of(const char *text) {
  size_t digits = strspn(text, "0123456789");
  return digits && digits < 19 && !text[digits] ? atoll(text) : -1;
}

/* ---- A list ---- */

struct list {
  cJSON *items;
  int size, n;
  int64_t last;
  bool more;
};

/* One event more than fits tells that there is a next page. */
static void list_event(void *argument, int64_t seq, const char *type, long long time_ms,
                       const char *data) {
  struct list *list = argument;
  list->more = list->n == list->size;
  if (list->more) return;
  char time[JSON_TIME_SIZE];
  json_time(time_ms, time);
  cJSON *item = cJSON_CreateObject();
  json_add_integer(item, "id", seq);
  json_add_text(item, "event", type);
  json_add_text(item, "time", time);
  json_add_raw(item, "data", data);
  cJSON_AddItemToArray(list->items, item);
  list->n++;
  list->last = seq;
}

static void list_events(struct request *request) {
  const char *token = NULL;
  struct list list = {0};
  bool finished = false;
  if (!request_page(request, &list.size, &token)) return;
  int64_t after = token ? sequence_of(token) : 0;
  if (after < 0) {
    reply_problem(request, 400, "BAD_PAGE_TOKEN", NULL,
                  "page_token is not one that a list gave as next_page_token");
    return;
  }
  list.items = cJSON_CreateArray();
  if (!jobs_events(request->server->jobs, request->parameters[0], after, list.size + 1, &finished,
                   list_event, &list)) {
    cJSON_Delete(list.items);
    not_found(request);
    return;
  }
  char next[24];
  snprintf(next, sizeof next, "%lld", (long long)list.last);
  cJSON *body = cJSON_CreateObject();
  cJSON_AddItemToObject(body, "items", list.items);
  json_add_text(body, "next_page_token", list.more ? next : NULL);
  reply_json(request, 200, body);
}

/* ---- A stream ---- */

struct event_stream {
  struct stream stream; /* first: the frame knows this part */
  struct jobs *jobs;
  char id[REQUEST_NAME_MAX + 1];
  bool watching;
  int64_t last;              /* sequence number already printed */
  struct boltz_text pending; /* printed, not sent */
  size_t sent;               /* of pending */
  int64_t spoke_ms;          /* when something was sent, monotonic */
};

static void print_event(void *argument, int64_t seq, const char *type, long long time_ms,
                        const char *data) {
  (void)time_ms;
  struct event_stream *events = argument;
  boltz_text_printf(&events->pending, "id: %lld\nevent: %s\ndata: ", (long long)seq, type);
  boltz_text_puts(&events->pending, data);
  boltz_text_puts(&events->pending, "\n\n");
  events->last = seq;
}

/* Print what is new; false at the end of the job. */
static bool fetch(struct event_stream *events) {
  bool finished = false;
  int64_t before = events->last;
  boltz_text_free(&events->pending);
  events->pending = (struct boltz_text){0};
  events->sent = 0;
  if (!jobs_events(events->jobs, events->id, before, BURST, &finished, print_event, events))
    return false;
  if (events->last == before && finished) return false;
  if (events->last == before && monotonic_ms() - events->spoke_ms >= SILENCE_MS)
    boltz_text_puts(&events->pending, ": still here\n\n");
  return !events->pending.failed;
}

static ssize_t read_events(struct stream *stream, char *buffer, size_t max) {
  struct event_stream *events = (struct event_stream *)stream;
  /* Only now can the stream be woken. What came before the watch is fetched below. */
  if (!events->watching) {
    events->watching = true;
    if (!jobs_watch(events->jobs, events->id, stream)) return -1;
  }
  if (events->sent == events->pending.size && !fetch(events)) return -1;
  size_t left = events->pending.size - events->sent;
  size_t size = left < max ? left : max;
  if (!size) return 0;
  memcpy(buffer, events->pending.data + events->sent, size);
  events->sent += size;
  events->spoke_ms = monotonic_ms();
  return (ssize_t)size;
}

static void close_events(struct stream *stream) {
  struct event_stream *events = (struct event_stream *)stream;
  if (events->watching) jobs_unwatch(events->jobs, stream);
  boltz_text_free(&events->pending);
  free(events);
}

static void ignore_event(void *argument, int64_t seq, const char *type, long long time_ms,
                         const char *data) {
  (void)argument, (void)seq, (void)type, (void)time_ms, (void)data;
}

static void stream_events(struct request *request) {
  const char *id = request->parameters[0];
  bool finished;
  if (!jobs_events(request->server->jobs, id, 0, 1, &finished, ignore_event, NULL)) {
    not_found(request);
    return;
  }
  struct event_stream *events = calloc(1, sizeof *events);
  if (!events) {
    reply_status(request, boltz_fail(BOLTZ_NO_MEMORY, "no memory for a stream"), "");
    return;
  }
  /* An id that we did not give starts from the beginning, as if there were none. */
  int64_t last = request->last_event_id ? sequence_of(request->last_event_id) : 0;
  events->stream = (struct stream){.read = read_events, .close = close_events};
  events->jobs = request->server->jobs;
  events->last = last < 0 ? 0 : last;
  events->spoke_ms = monotonic_ms();
  snprintf(events->id, sizeof events->id, "%s", id);
  request_header(request, "Cache-Control", "no-store");
  request_header(request, "X-Accel-Buffering", "no");
  reply_stream(request, 200, "text/event-stream", &events->stream);
}

void api_handle_events(struct request *request) {
  if (request->accept == ACCEPT_EVENTS)
    stream_events(request);
  else
    list_events(request);
}
