/* http_stream.c - replies of unknown length: the reader sleeps suspended until it is woken. */
#include "server/http_private.h"

static struct call *call_of(struct stream *stream) {
  return (struct call *)exchange_of(stream->request);
}

/* libmicrohttpd spins when a reader returns 0, so it is suspended first; under the mutex, so that a
   wake-up between the two is not lost. */
static ssize_t read_stream(void *argument, uint64_t position, char *buffer, size_t max) {
  (void)position;
  struct call *call = argument;
  struct stream *stream = call->exchange.reply.stream;
  pthread_mutex_lock(&call->mutex);
  call->woken = false;
  bool ended = call->ended || atomic_load(&call->http->closing);
  pthread_mutex_unlock(&call->mutex);
  ssize_t n = ended ? -1 : stream->read(stream, buffer, max);
  if (n < 0) return MHD_CONTENT_READER_END_OF_STREAM;
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
  struct MHD_Response *response =
      MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, read_stream, call, NULL);
  call->streaming = response != NULL;
  return response;
}
