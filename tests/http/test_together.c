/* test_together.c - small requests that are drawn in one tile get the replies they get alone. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/http/client.h"

static const char *const paths[] = {"/v1/models/example-double-well/sample",
                                    "/v1/models/example-harmonic-pair/sample"};

static const char *const bodies[] = {
    "{\"n\":1,\"seed\":1}",
    "{\"n\":1,\"seed\":2}",
    "{\"n\":1,\"seed\":1,\"first\":1}",
    "{\"n\":1,\"seed\":\"18446744073709551615\",\"first\":9223372036854775807}",
    "{\"n\":1,\"seed\":1,\"temperature\":2.5}",
    "{\"n\":2,\"seed\":1,\"include\":[]}",
    "{\"n\":3,\"seed\":4,\"include\":[\"z\"]}",
    "{\"n\":32,\"seed\":5,\"include\":[\"log_weight\",\"z\",\"energy\"],\"temperature\":0.5}",
    "{\"n\":33,\"seed\":5}",
    "{\"n\":1,\"seed\":6,\"version\":1}",
    "{\"n\":0}",
    "{\"n\":1,\"seed\":6,\"version\":77}",
};

enum { PATHS = 2, BODIES = sizeof bodies / sizeof *bodies, CLIENTS = 12, EACH = 150 };

/** What every request was answered when nobody else asked. */
struct world {
  const struct daemon *daemon;
  struct answer alone[PATHS][BODIES];
  atomic_int wrong, client;
};

static struct answer ask(const struct daemon *daemon, int path, int body, bool npy) {
  static const char *const headers[] = {"Content-Type: application/json",
                                        "Accept: application/x-npy", NULL};
  if (!npy) return call(daemon, "POST", paths[path], bodies[body]);
  return call_with(daemon, "POST", paths[path], bodies[body], strlen(bodies[body]), headers);
}

static void *ask_many(void *argument) {
  struct world *world = argument;
  int client = atomic_fetch_add(&world->client, 1);
  for (int k = 0; k < EACH; k++) {
    int at = client * 7 + k, path = at % PATHS, body = at / PATHS % BODIES;
    const struct answer *alone = &world->alone[path][body];
    struct answer answer = ask(world->daemon, path, body, false);
    if (answer.status != alone->status || answer.size != alone->size ||
        memcmp(answer.body, alone->body, alone->size) != 0)
      atomic_fetch_add(&world->wrong, 1);
    answer_free(&answer);
  }
  return NULL;
}

static void a_reply_does_not_depend_on_who_asks_at_the_same_time(void) {
  struct daemon daemon;
  struct world world = {.daemon = &daemon};
  pthread_t clients[CLIENTS];
  daemon_begin(&daemon);
  for (int p = 0; p < PATHS; p++)
    for (int b = 0; b < BODIES; b++) {
      world.alone[p][b] = ask(&daemon, p, b, false);
      CHECK_INT(world.alone[p][b].status, b < 10 ? 200 : b == 10 ? 422 : 404);
    }
  for (int k = 0; k < CLIENTS; k++)
    CHECK_INT(pthread_create(&clients[k], NULL, ask_many, &world), 0);
  for (int k = 0; k < CLIENTS; k++) pthread_join(clients[k], NULL);
  CHECK_INT(atomic_load(&world.wrong), 0);
  for (int p = 0; p < PATHS; p++)
    for (int b = 0; b < BODIES; b++) answer_free(&world.alone[p][b]);
  daemon_end(&daemon);
}

/* Of an array of rows, or of numbers when `column` is negative; NaN when it is not there. */
static double number_at(const struct answer *answer, const char *array, int row, int column) {
  char path[40];
  snprintf(path, sizeof path, column < 0 ? "%s" : "%s.%d", array, row);
  const struct boltz_json *list = answer_member(answer, path);
  size_t at = (size_t)(column < 0 ? row : column);
  return list && list->numbers && at < list->n ? list->numbers[at] : NAN;
}

static void a_small_request_is_the_same_rows_of_a_large_one(void) {
  struct daemon daemon;
  daemon_begin(&daemon);
  struct answer large = call(&daemon, "POST", paths[0], "{\"n\":700,\"seed\":3}");
  for (int first = 0; first < 700; first += 23) {
    char body[80];
    int n = 1 + first % 3;
    snprintf(body, sizeof body, "{\"n\":%d,\"seed\":3,\"first\":%d}", n, first);
    struct answer small = call(&daemon, "POST", paths[0], body);
    for (int i = 0; i < n && first + i < 700; i++) {
      for (int j = 0; j < 2; j++)
        CHECK(number_at(&small, "x", i, j) == number_at(&large, "x", first + i, j));
      CHECK(number_at(&small, "energy", i, -1) == number_at(&large, "energy", first + i, -1));
      CHECK(number_at(&small, "log_q", i, -1) == number_at(&large, "log_q", first + i, -1));
    }
    answer_free(&small);
  }
  answer_free(&large);
  daemon_end(&daemon);
}

static void a_small_array_has_the_numbers_of_the_text(void) {
  struct daemon daemon;
  daemon_begin(&daemon);
  struct answer text = ask(&daemon, 0, 7, false), array = ask(&daemon, 0, 7, true);
  const double *values = NULL;
  double *rows = NULL;
  size_t n = 0, columns = 0;
  struct boltz_arena *arena = boltz_arena_open(0);
  CHECK(boltz_npy_read(array.body, array.size, arena, &rows, &n, &columns) == BOLTZ_OK);
  CHECK_INT(n, 32);
  CHECK_INT(columns, 6); /* x1, x2, log_weight, z1, z2, energy */
  values = rows;
  for (int i = 0; values && n == 32 && columns == 6 && i < 32; i++, values += 6) {
    CHECK(values[1] == number_at(&text, "x", i, 1));
    CHECK(values[2] == number_at(&text, "log_weight", i, -1));
    CHECK(values[3] == number_at(&text, "z", i, 0));
    CHECK(values[5] == number_at(&text, "energy", i, -1));
  }
  boltz_arena_close(arena);
  answer_free(&text);
  answer_free(&array);
  daemon_end(&daemon);
}

/* After a start only what serves is in memory: the first request for another version waits for its
   file. A second one, of the same rows, does not. */
static void a_version_that_is_not_in_memory_answers_all_the_same(void) {
  static const char versions[] = "/v1/models/example-double-well/versions";
  struct daemon daemon;
  daemon_begin(&daemon);
  struct answer made =
      call(&daemon, "POST", versions, "{\"from_version\":1,\"precision\":\"table\"}");
  CHECK_INT(made.status, 201);
  CHECK_INT(answer_number(&made, "version"), 2);
  CHECK_INT(daemon_stop(&daemon), 0);
  CHECK(daemon_start(&daemon, 2, NULL));
  for (int n = 1; n <= 100; n += 99) {
    char body[64];
    snprintf(body, sizeof body, "{\"n\":%d,\"seed\":3,\"version\":2}", n);
    struct answer first = call(&daemon, "POST", paths[0], body);
    struct answer again = call(&daemon, "POST", paths[0], body);
    CHECK_INT(first.status, 200);
    CHECK_TEXT(answer_text(&first, "precision"), "table");
    CHECK(first.size == again.size && memcmp(first.body, again.body, first.size) == 0);
    answer_free(&first);
    answer_free(&again);
  }
  answer_free(&made);
  daemon_end(&daemon);
}

/* Those that hold a connection say nothing; who comes after the last one waits until it is free. */
static void a_connection_too_many_waits_for_one_to_close(void) {
  static const char *const few[] = {"--connections", "4", NULL};
  static const char live[] = "GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
  struct daemon daemon;
  char reply[1024];
  daemon_directory(&daemon);
  CHECK(daemon_start(&daemon, 2, few));
  int held[4];
  for (int k = 0; k < 4; k++) {
    held[k] = call_connect(&daemon);
    CHECK(held[k] >= 0);
  }
  usleep(100000);
  CHECK_INT(call_raw(&daemon, live, sizeof live - 1, reply, sizeof reply, 200), 0);
  for (int k = 0; k < 4; k++) {
    close(held[k]);
    call_raw(&daemon, live, sizeof live - 1, reply, sizeof reply, 5000);
    CHECK_MSG(strncmp(reply, "HTTP/1.1 200", 12) == 0, "%s", reply);
  }
  daemon_end(&daemon);
}

/* The daemon ends one connection, the client the next. */
static bool lives(const struct daemon *daemon, int k) {
  const char *live = k % 2 ? "GET /livez HTTP/1.1\r\nHost: h\r\n\r\n"
                           : "GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
  const struct timeval patience = {.tv_sec = 3};
  char reply[1024] = "";
  int fd = call_connect(daemon);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  send(fd, live, strlen(live), MSG_NOSIGNAL);
  ssize_t n = recv(fd, reply, sizeof reply - 1, 0);
  close(fd);
  return n > 0 && strncmp(reply, "HTTP/1.1 200", 12) == 0;
}

static void *ask_whether_it_lives(void *argument) {
  struct world *world = argument;
  for (int k = 0; k < EACH && atomic_load(&world->wrong) == 0; k++)
    if (!lives(world->daemon, k)) atomic_fetch_add(&world->wrong, 1);
  return NULL;
}

/* More come at once than there may be; they fall unevenly on the library's threads, which must
   never find that they have too many. */
static void a_crowd_is_answered_through_few_connections(void) {
  static const char *const fewest[] = {"--connections", "2", NULL};
  struct daemon daemon;
  struct world world = {.daemon = &daemon};
  pthread_t clients[CLIENTS];
  daemon_directory(&daemon);
  CHECK(daemon_start(&daemon, 2, fewest));
  for (int k = 0; k < CLIENTS; k++)
    CHECK_INT(pthread_create(&clients[k], NULL, ask_whether_it_lives, &world), 0);
  for (int k = 0; k < CLIENTS; k++) pthread_join(clients[k], NULL);
  CHECK_INT(atomic_load(&world.wrong), 0);
  daemon_end(&daemon);
}

int main(int argc, char **argv) {
  RUN(a_reply_does_not_depend_on_who_asks_at_the_same_time);
  RUN(a_small_request_is_the_same_rows_of_a_large_one);
  RUN(a_small_array_has_the_numbers_of_the_text);
  RUN(a_version_that_is_not_in_memory_answers_all_the_same);
  RUN(a_connection_too_many_waits_for_one_to_close);
  RUN(a_crowd_is_answered_through_few_connections);
  return check_report();
}
