/* http_stream.c - replies made while they are sent: the reader sleeps suspended until it is woken.
 */
#include "server/http_private.h"

#define DEADLINE_SHIFT 20 /* a client has a deadline for every MiB of what it must read whole */

static struct call *call_of(struct stream *stream) {
  return (struct call *)exchange_of(stream->request);
}

/* libmicrohttpd spins when a reader returns 0, so it is suspended first; under the mutex, so that a
   wake-up between the two is not lost. */
static ssize_t read_stream(void *argument, uint64_t position, char *buffer, size_t max) {
  struct call *call = argument;
  struct stream *stream = call->exchange.reply.stream;
  pthread_mutex_lock(&call->mutex);
  call->woken = false;
  bool ended = call->ended || atomic_load(&call->http->closing);
  pthread_mutex_unlock(&call->mutex);
  int early = stream->whole ? STREAM_CUT : STREAM_END;
  ssize_t n = ended ? early : stream->read(stream, buffer, max);
  if (n == STREAM_CUT) return MHD_CONTENT_READER_END_WITH_ERROR;
  if (n == STREAM_END) return MHD_CONTENT_READER_END_OF_STREAM;
  if (position >> DEADLINE_SHIFT != (position + (uint64_t)n) >> DEADLINE_SHIFT)
    watch_progress(call->http, call->connection);
  if (n > 0) return n;
  pthread_mutex_lock(&call->mutex);
  if (!call->woken && !call->ended && !atomic_load(&call->http->closing)) {
    call->asleep = true;
    MHD_suspend_connection(call->mhd);
  }
  pthread_mutex_unlock(&call->mutex);
  return 0;
}

static void wake(struct call *call, bool end) {
  pthread_mutex_lock(&call->mutex);
  call->woken = true;
  if (end) call->ended = true;
  if (call->asleep) {
    call->asleep = false;
    MHD_resume_connection(call->mhd);
  }
  pthread_mutex_unlock(&call->mutex);
}

void stream_wake(struct stream *stream) {
  wake(call_of(stream), false);
}

void stream_end(struct call *call) {
  wake(call, true);
}

struct MHD_Response *stream_response(struct call *call) {
  const struct stream *stream = call->exchange.reply.stream;
  struct MHD_Response *response =
      MHD_create_response_from_callback(stream->size ? stream->size : MHD_SIZE_UNKNOWN,
                                        stream->whole ? 65536 : 16384, read_stream, call, NULL);
  call->streaming = response != NULL;
  return response;
}
