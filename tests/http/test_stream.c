/* test_stream.c - large replies are made while they are read: what they hold, what a slow or a
 * vanished client costs, and how they end when the daemon does. */
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/http/client.h"

/* The sanitizers' shadow memory is not the daemon's. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define SAMPLE "/v1/models/example-double-well/sample"
#define NPY "application/x-npy"
#define JSON "application/json"
#define MIB 1048576.0

/* Rows of seven columns of which a reply keeps a part and draws the rest again. Under a sanitizer
 * all are kept: a million would take minutes. */
#if SANITIZED
#define MANY 100000
#define MANY_TEXT "100000"
#else
#define MANY 1000000
#define MANY_TEXT "1000000"
#endif
#define COLUMNS 7
#define INCLUDE "\"include\":[\"energy\",\"log_q\",\"log_weight\",\"z\"]"
#define MANY_BODY "{\"n\":" MANY_TEXT ",\"seed\":7," INCLUDE "}"

/* ---- A client that reads when it likes ---- */

struct reader {
  int fd;
  char head[4096];
  size_t size; /* bytes of the body in `body` */
  char *body;
};

static void ask(const struct daemon *daemon, const char *accept, const char *body,
                struct reader *reader) {
  struct timeval patience = {.tv_sec = 120};
  char request[1024];
  int n = snprintf(request, sizeof request,
                   "POST " SAMPLE
                   " HTTP/1.1\r\nHost: localhost\r\nAccept: %s\r\n"
                   "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                   accept, strlen(body), body);
  memset(reader, 0, sizeof *reader);
  reader->fd = call_connect(daemon);
  setsockopt(reader->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(reader->fd, SOL_SOCKET, SO_RCVBUF, &(int){65536}, sizeof(int));
  CHECK(send(reader->fd, request, (size_t)n, MSG_NOSIGNAL) == n);
}

/* The head, and the first bytes of the body if they came along. */
static void read_head(struct reader *reader) {
  size_t used = 0;
  char *end = NULL;
  while (!end && used + 1 < sizeof reader->head) {
    ssize_t n = recv(reader->fd, reader->head + used, 1, 0);
    if (n <= 0) break;
    used += (size_t)n;
    reader->head[used] = 0;
    end = strstr(reader->head, "\r\n\r\n");
  }
  CHECK_MSG(end && strncmp(reader->head, "HTTP/1.1 200", 12) == 0, "%s", reader->head);
}

static size_t announced(const struct reader *reader) {
  const char *line = strstr(reader->head, "Content-Length: ");
  return line ? strtoull(line + 16, NULL, 10) : 0;
}

/* Read the body until it has `most` bytes or the connection ends. */
static void read_body(struct reader *reader, size_t most) {
  char *body = realloc(reader->body, most + 1);
  if (!body) exit(1);
  reader->body = body;
  while (reader->size < most) {
    ssize_t n = recv(reader->fd, body + reader->size, most - reader->size, 0);
    if (n <= 0) break;
    reader->size += (size_t)n;
  }
  body[reader->size] = 0;
}

/* Take a body out of its chunks, up to the last; false: it does not end as it should. */
static bool read_chunks(struct reader *reader, size_t most) {
  read_body(reader, 0);
  for (;;) {
    char line[32] = "", *end;
    for (size_t k = 0; k + 1 < sizeof line && !strchr(line, '\n'); k++)
      if (recv(reader->fd, line + k, 1, 0) <= 0) return false;
    size_t size = strtoull(line, &end, 16);
    if (end == line || reader->size + size > most) return false;
    if (size == 0) return true;
    size_t before = reader->size;
    char crlf[2];
    read_body(reader, before + size);
    if (reader->size != before + size || recv(reader->fd, crlf, 2, MSG_WAITALL) != 2) return false;
  }
}

static void hang_up(struct reader *reader) {
  close(reader->fd);
  free(reader->body);
}

/* ---- What the daemon says of itself ---- */

static double memory(const struct daemon *daemon, const char *name) {
  char path[64], line[256];
  double kib = NAN;
  snprintf(path, sizeof path, "/proc/%d/status", (int)daemon->pid);
  FILE *file = fopen(path, "r");
  while (file && fgets(line, sizeof line, file))
    if (strncmp(line, name, strlen(name)) == 0) kib = atof(line + strlen(name) + 1);
  if (file) fclose(file);
  return kib / 1024;
}

static double metric(const struct daemon *daemon, const char *name) {
  struct answer metrics = call(daemon, "GET", "/metrics", NULL);
  const char *line = metrics.body ? strstr(metrics.body, name) : NULL;
  double value = line ? atof(line + strlen(name)) : NAN;
  answer_free(&metrics);
  return value;
}

#define IN_FLIGHT "\nboltzd_requests_in_flight "
#define SLICES "\nboltzd_slices_total{class=\"interactive\"} "

/* Wait until nobody but the asker is in flight; false: that does not come. */
static bool comes_to_rest(const struct daemon *daemon) {
  double end = seconds_now() + 60;
  while (seconds_now() < end) {
    if (metric(daemon, IN_FLIGHT) == 1) return true;
    usleep(20000);
  }
  return false;
}

/* Wait until the workers stand still for half a second; false: they do not. */
static bool workers_rest(const struct daemon *daemon) {
  double end = seconds_now() + 60, before = -1;
  while (seconds_now() < end) {
    double now = metric(daemon, SLICES);
    if (now == before) return true;
    before = now;
    usleep(500000);
  }
  return false;
}

/* ---- Memory ---- */

static void check_peak(const char *accept, double most) {
  struct daemon fresh;
  struct reader reader;
  daemon_begin(&fresh);
  struct answer warm = call(&fresh, "POST", SAMPLE, "{\"n\":1000}");
  answer_free(&warm);
  double idle = memory(&fresh, "VmRSS");
  double start = seconds_now();
  ask(&fresh, accept, "{\"n\":" MANY_TEXT ",\"seed\":1}", &reader);
  char bytes[65536];
  size_t got = 0;
  for (ssize_t n = 1; n > 0; got += n > 0 ? (size_t)n : 0) {
    n = recv(reader.fd, bytes, sizeof bytes, 0);
    if (n > 0 && got == 0) CHECK(strncmp(bytes, "HTTP/1.1 200", 12) == 0);
    if (n >= 5 && memcmp(bytes + n - 5, "0\r\n\r\n", 5) == 0) break;
    if (strcmp(accept, NPY) == 0 && got + (size_t)n > 128 + (size_t)MANY * 40) break;
  }
  double peak = memory(&fresh, "VmHWM") - idle;
  printf("     " MANY_TEXT " rows as %s: %.1f MiB above idle, %.2f s\n", accept, peak,
         seconds_now() - start);
  CHECK(got > (size_t)MANY * 39);
  if (!SANITIZED) CHECK_MSG(peak < most, "%g MiB", peak);
  close(reader.fd);
  daemon_end(&fresh);
}

static void a_million_rows_take_less_than_64_mib(void) {
  check_peak(NPY, 64);
  check_peak(JSON, 80); /* the same and the window's text */
}

/* ---- The same numbers ---- */

static struct daemon server;

static const size_t looked_at[] = {0, 511, 512, MANY / 2, MANY / 4 * 3, MANY - 999, MANY - 700};

static void rows_of_a_large_npy_reply_are_those_of_small_ones(void) {
  struct reader large;
  ask(&server, NPY, MANY_BODY, &large);
  read_head(&large);
  size_t size = 128 + (size_t)MANY * COLUMNS * 8;
  CHECK_INT(announced(&large), size);
  CHECK(strstr(large.head, "Boltz-Ess: ") && strstr(large.head, "Boltz-Seed: 7"));
  read_body(&large, size);
  CHECK_INT(large.size, size);
  for (size_t k = 0; k < sizeof looked_at / sizeof *looked_at; k++) {
    char body[160];
    snprintf(body, sizeof body, "{\"n\":700,\"seed\":7,\"first\":%zu," INCLUDE "}", looked_at[k]);
    const char *const headers[] = {"Accept: " NPY, "Content-Type: " JSON, NULL};
    struct answer small = call_with(&server, "POST", SAMPLE, body, strlen(body), headers);
    CHECK_INT(small.size, 128 + 700 * COLUMNS * 8);
    CHECK_MSG(
        small.size > 128 && memcmp(small.body + 128, large.body + 128 + looked_at[k] * COLUMNS * 8,
                                   small.size - 128) == 0,
        "rows from %zu differ", looked_at[k]);
    answer_free(&small);
  }
  hang_up(&large);
}

/* The text of an array, its brackets left out. */
static char *array_text(const char *json, const char *name, size_t *size) {
  char open[32];
  snprintf(open, sizeof open, "\"%s\":[", name);
  char *from = strstr(json, open);
  if (!from) return NULL;
  from += strlen(open);
  const char *end = strstr(from, *from == '[' ? "]]" : "]");
  *size = end ? (size_t)(end - from) + (*from == '[') : 0;
  return from;
}

/* Skip rows of an array's text. */
static const char *skip_rows(const char *at, size_t rows) {
  bool wide = *at == '[';
  for (; rows && *at; at++) rows -= wide ? at[0] == ']' && at[1] == ',' : *at == ',';
  return wide && *at == ',' ? at + 1 : at;
}

static void rows_of_a_large_json_reply_are_those_of_small_ones(void) {
  static const char *const names[] = {"x", "energy", "log_q", "log_weight", "z"};
  struct reader large;
  ask(&server, JSON, MANY_BODY, &large);
  read_head(&large);
  CHECK(strstr(large.head, "Transfer-Encoding: chunked"));
  CHECK(read_chunks(&large, (size_t)MANY * COLUMNS * 25));
  for (size_t k = 0; k < sizeof looked_at / sizeof *looked_at; k++) {
    char body[160];
    snprintf(body, sizeof body, "{\"n\":700,\"seed\":7,\"first\":%zu," INCLUDE "}", looked_at[k]);
    struct answer small = call(&server, "POST", SAMPLE, body);
    for (int a = 0; a < 5; a++) {
      size_t size = 0, all = 0;
      const char *part = array_text(small.body, names[a], &size);
      const char *whole = array_text(large.body, names[a], &all);
      whole = whole ? skip_rows(whole, looked_at[k]) : "";
      CHECK_MSG(part && size > 700 && strncmp(whole, part, size) == 0,
                "%s from %zu: %.60s is not %.60s", names[a], looked_at[k], whole, part ? part : "");
    }
    answer_free(&small);
  }
  const char *tail = large.size > 100 ? large.body + large.size - 100 : "";
  CHECK_MSG(strstr(tail, "],\"ess\":") && strstr(tail, "\"non_finite\":0}"), "%s", tail);
  hang_up(&large);
}

/* ---- Slow clients, and those who go ---- */

static void a_client_that_does_not_read_costs_no_work_and_little_memory(void) {
  struct reader slow[2];
  char first[1024];
  double idle = memory(&server, "VmRSS");
  for (int k = 0; k < 2; k++) {
    ask(&server, NPY, MANY_BODY, &slow[k]);
    read_head(&slow[k]);
    CHECK(recv(slow[k].fd, first, sizeof first, MSG_WAITALL) == sizeof first);
  }
  CHECK(workers_rest(&server));
  double growth = memory(&server, "VmRSS") - idle;
  double all = 2 * (MANY * (COLUMNS + 1) * 8 / MIB); /* log weights too */
  printf("     two of %.0f MiB each that stand still: %.1f MiB\n", all / 2, growth);
  if (!SANITIZED) CHECK_MSG(growth < all - 16, "%g MiB", growth);
  double worst = 0;
  for (int k = 0; k < 50; k++) {
    struct answer one = call(&server, "POST", SAMPLE, "{\"n\":1}");
    CHECK_INT(one.status, 200);
    if (one.seconds > worst) worst = one.seconds;
    answer_free(&one);
  }
  printf("     n = 1 beside them: at most %.1f ms\n", 1e3 * worst);
  CHECK(worst < 5); /* not: after they have read */
  /* The rest is there for who reads on. */
  size_t left = announced(&slow[0]) - sizeof first;
  read_body(&slow[0], left);
  CHECK_INT(slow[0].size, left);
  hang_up(&slow[0]);
  hang_up(&slow[1]);
  CHECK(comes_to_rest(&server));
}

static void a_client_that_goes_frees_the_work(void) {
  for (int k = 0; k < 2; k++) {
    struct reader reader;
    ask(&server, k ? JSON : NPY, MANY_BODY, &reader);
    read_head(&reader);
    read_body(&reader, 1000000);
    CHECK(metric(&server, IN_FLIGHT) == 2);
    double before = metric(&server, SLICES);
    hang_up(&reader);
    CHECK(comes_to_rest(&server));
    CHECK(workers_rest(&server));
    /* JSON had most of the tiles of its five arrays to print. */
    if (k) CHECK(metric(&server, SLICES) - before < MANY / 512 * 3);
  }
}

/* ---- The end of the daemon ---- */

static void a_reply_on_its_way_is_finished_by_a_drain(void) {
  struct daemon fresh;
  struct reader reader;
  daemon_begin(&fresh);
  ask(&fresh, NPY, MANY_BODY, &reader);
  read_head(&reader);
  kill(fresh.pid, SIGTERM);
  usleep(300000);
  read_body(&reader, announced(&reader));
  CHECK_INT(reader.size, 128 + (size_t)MANY * COLUMNS * 8);
  hang_up(&reader);
  CHECK_INT(daemon_stop(&fresh), 0);
  daemon_end(&fresh);
}

static void a_reply_that_is_not_read_is_cut_at_the_end_of_a_drain(void) {
  for (int k = 0; k < 2; k++) {
    struct daemon fresh;
    struct reader reader;
    daemon_directory(&fresh);
    CHECK(daemon_start(&fresh, 2, (const char *const[]){"--drain-ms", "200", NULL}));
    ask(&fresh, k ? JSON : NPY, MANY_BODY, &reader);
    read_head(&reader);
    double start = seconds_now();
    CHECK_INT(daemon_stop(&fresh), 0);
    CHECK_MSG(seconds_now() - start < 20, "%g s", seconds_now() - start);
    /* What was sent is there, and then an end that no client takes for the end of the reply. */
    if (k) CHECK(!read_chunks(&reader, (size_t)MANY * COLUMNS * 25));
    if (!k) read_body(&reader, announced(&reader));
    if (!k) CHECK(reader.size < announced(&reader));
    hang_up(&reader);
    daemon_end(&fresh);
  }
}

static void a_reply_that_is_not_read_in_time_is_cut(void) {
  struct daemon fresh;
  struct reader reader;
  daemon_directory(&fresh);
  CHECK(daemon_start(&fresh, 2, (const char *const[]){"--request-deadline-ms", "20000", NULL}));
  ask(&fresh, JSON, "{\"n\":100000," INCLUDE "}", &reader);
  read_head(&reader);
  CHECK(comes_to_rest(&fresh));
  CHECK(!read_chunks(&reader, (size_t)100000 * COLUMNS * 25));
  hang_up(&reader);
  daemon_end(&fresh);
}

int main(int argc, char **argv) {
  RUN(a_million_rows_take_less_than_64_mib);
  daemon_begin(&server);
  RUN(rows_of_a_large_npy_reply_are_those_of_small_ones);
  RUN(rows_of_a_large_json_reply_are_those_of_small_ones);
  RUN(a_client_that_does_not_read_costs_no_work_and_little_memory);
  RUN(a_client_that_goes_frees_the_work);
  RUN(a_reply_on_its_way_is_finished_by_a_drain);
  RUN(a_reply_that_is_not_read_is_cut_at_the_end_of_a_drain);
  RUN(a_reply_that_is_not_read_in_time_is_cut);
  daemon_end(&server);
  return check_report();
}
