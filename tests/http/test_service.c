/* test_service.c - the daemon itself: its start and stop, what it says of itself, its data
 * directory. */
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/http/answers.h"

static struct daemon server;

static void the_daemon_is_alive_ready_and_says_what_it_is(void) {
  struct answer live = call(&server, "GET", "/livez", NULL);
  struct answer ready = call(&server, "GET", "/readyz", NULL);
  struct answer info = call(&server, "GET", "/v1/info", NULL);
  struct answer catalog = call(&server, "GET", "/v1/catalog", NULL);
  CHECK_INT(live.status, 200);
  CHECK_INT(ready.status, 200);
  CHECK(answer_member(&ready, "ready") && answer_member(&ready, "ready")->truth);
  CHECK_TEXT(answer_text(&info, "version"), BOLTZ_VERSION);
  CHECK_INT(answer_number(&info, "limits.samples"), 1000000);
  CHECK_INT(answer_number(&info, "limits.estimate_samples"), 100000000);
  CHECK(length(&catalog, "energies") >= 2);
  CHECK(length(&catalog, "layers") >= 5);
  CHECK(length(&catalog, "bases") >= 1);
  CHECK(length(&catalog, "moves") >= 1);
  CHECK(length(&catalog, "jobs") == 2);
  CHECK(answer_text(&catalog, "energies.0.doc") && answer_text(&catalog, "energies.0.source"));
  answer_free(&live);
  answer_free(&ready);
  answer_free(&info);
  answer_free(&catalog);
}

static void a_new_data_directory_serves_samples_at_once(void) {
  struct daemon fresh;
  daemon_directory(&fresh);
  double start = seconds_now();
  CHECK(daemon_start(&fresh, 2, NULL));
  struct answer sample = call(&fresh, "POST", WELL "/sample", "{\"n\":3}");
  double seconds = seconds_now() - start;
  CHECK_INT(sample.status, 200);
  CHECK_INT(length(&sample, "x"), 3);
  printf("     first sample %.0f ms after the start on an empty directory\n", 1e3 * seconds);
  answer_free(&sample);
  struct answer pair = call(&fresh, "POST", PAIR "/sample", "{\"n\":3}");
  CHECK_INT(pair.status, 200);
  answer_free(&pair);
  daemon_end(&fresh);
}

static void examples_are_not_put_back_once_deleted(void) {
  struct daemon fresh;
  daemon_directory(&fresh);
  CHECK(daemon_start(&fresh, 1, NULL));
  struct answer gone = call(&fresh, "DELETE", PAIR, NULL);
  CHECK_INT(gone.status, 204);
  answer_free(&gone);
  CHECK_INT(daemon_stop(&fresh), 0);
  CHECK(daemon_start(&fresh, 1, NULL));
  struct answer pair = call(&fresh, "GET", PAIR, NULL);
  struct answer well = call(&fresh, "GET", WELL, NULL);
  CHECK_INT(pair.status, 404);
  CHECK_INT(well.status, 200);
  answer_free(&pair);
  answer_free(&well);
  daemon_end(&fresh);
}

static void head_options_and_request_ids_work(void) {
  const char *const id[] = {"X-Request-Id: my-id_1", NULL};
  struct answer head = call_with(&server, "HEAD", "/v1/info", NULL, 0, id);
  char value[128] = "";
  CHECK_INT(head.status, 200);
  CHECK_INT(head.size, 0);
  CHECK(answer_header(&head, "X-Request-Id", value, sizeof value));
  CHECK_TEXT(value, "my-id_1");
  struct answer options = call(&server, "OPTIONS", WELL, NULL);
  CHECK_INT(options.status, 204);
  CHECK(answer_header(&options, "Allow", value, sizeof value) && strstr(value, "PATCH"));
  const char *const bad[] = {"X-Request-Id: not good!", NULL};
  struct answer replaced = call_with(&server, "GET", "/livez", NULL, 0, bad);
  CHECK(answer_header(&replaced, "X-Request-Id", value, sizeof value) && !strchr(value, ' '));
  answer_free(&head);
  answer_free(&options);
  answer_free(&replaced);
}

static void metrics_openapi_and_the_page_are_served(void) {
  struct answer metrics = call(&server, "GET", "/metrics", NULL);
  CHECK_INT(metrics.status, 200);
  CHECK(strstr(metrics.body, "# TYPE boltzd_requests_total counter"));
  CHECK(strstr(metrics.body, "boltzd_samples_total"));
  struct answer openapi = call(&server, "GET", "/openapi.json", NULL);
  CHECK_INT(openapi.status, 200);
  CHECK(answer_text(&openapi, "openapi") &&
        strncmp(answer_text(&openapi, "openapi"), "3.1", 3) == 0);
  const struct boltz_json *paths = answer_member(&openapi, "paths");
  CHECK(boltz_json_member(paths, "/v1/models/{model}/sample") != NULL);
  struct answer page = call(&server, "GET", "/", NULL);
  CHECK_INT(page.status, 200);
  CHECK(strstr(page.body, "<html"));
  answer_free(&metrics);
  answer_free(&openapi);
  answer_free(&page);
}

static void a_signal_drains_and_exits_with_0(void) {
  struct daemon fresh;
  daemon_directory(&fresh);
  CHECK(daemon_start(&fresh, 1, NULL));
  struct answer sample = call(&fresh, "POST", WELL "/sample", "{\"n\":10}");
  CHECK_INT(sample.status, 200);
  answer_free(&sample);
  CHECK_INT(daemon_stop(&fresh), 0);
  daemon_end(&fresh);
}

static int healthcheck_of(const char *listen) {
  char command[512];
  const char *binary = getenv("BOLTZD") ? getenv("BOLTZD") : "build/boltzd";
  snprintf(command, sizeof command, "BOLTZD_LISTEN=%s %s --healthcheck >/dev/null", listen, binary);
  return system(command);
}

static void the_health_check_of_the_binary_tells_ready_from_gone(void) {
  CHECK_INT(healthcheck_of(server.address), 0);
  CHECK(healthcheck_of("127.0.0.1:1") != 0);
}

/* What a service manager hears (sd_notify). */
static void the_service_manager_hears_of_start_and_stop(void) {
  struct daemon fresh;
  daemon_directory(&fresh);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%.90s/notify", fresh.data);
  int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
  setenv("NOTIFY_SOCKET", address.sun_path, 1);
  CHECK(daemon_start(&fresh, 1, NULL));
  unsetenv("NOTIFY_SOCKET");
  CHECK_INT(daemon_stop(&fresh), 0);
  char said[64] = "";
  CHECK(recv(fd, said, sizeof said - 1, MSG_DONTWAIT) > 0);
  CHECK(strncmp(said, "READY=1", 7) == 0);
  memset(said, 0, sizeof said);
  CHECK(recv(fd, said, sizeof said - 1, MSG_DONTWAIT) > 0);
  CHECK(strncmp(said, "STOPPING=1", 10) == 0);
  close(fd);
  daemon_end(&fresh);
}

static void a_second_daemon_on_the_same_data_is_refused(void) {
  struct daemon second = server;
  CHECK(!daemon_start(&second, 1, NULL));
  struct answer live = call(&server, "GET", "/livez", NULL);
  CHECK_INT(live.status, 200);
  answer_free(&live);
}

int main(int argc, char **argv) {
  daemon_begin(&server);
  RUN(the_daemon_is_alive_ready_and_says_what_it_is);
  RUN(a_new_data_directory_serves_samples_at_once);
  RUN(examples_are_not_put_back_once_deleted);
  RUN(head_options_and_request_ids_work);
  RUN(metrics_openapi_and_the_page_are_served);
  RUN(a_signal_drains_and_exits_with_0);
  RUN(the_health_check_of_the_binary_tells_ready_from_gone);
  RUN(the_service_manager_hears_of_start_and_stop);
  RUN(a_second_daemon_on_the_same_data_is_refused);
  daemon_end(&server);
  return check_report();
}
