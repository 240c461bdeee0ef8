/* main.c - options; open everything; wait for a signal; close in reverse. */
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "boltz/boltz.h"
#include "core/kernel/kernel.h"
#include "server/config.h"
#include "server/gather.h"
#include "server/http.h"
#include "server/job.h"
#include "server/json.h"
#include "server/listen.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/model.h"
#include "server/notify.h"
#include "server/plugin.h"
#include "server/pool.h"
#include "server/self_check.h"
#include "server/store.h"

extern char **environ;

#define SCRATCH_LIMIT ((size_t)2 << 30) /* of one worker */

/* ---- --healthcheck ---- */

/* GET /readyz from the daemon at `listen`; 0 when it answers 200. */
static int healthcheck(const char *listen) {
  char reply[16] = "";
  struct sockaddr_storage address;
  socklen_t size;
  if (listen_parse(listen, &address, &size) != BOLTZ_OK) {
    fprintf(stderr, "boltzd: %s\n", boltz_error());
    return 2;
  }
  struct sockaddr_in *four = (struct sockaddr_in *)&address;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)&address;
  bool is_four = address.ss_family == AF_INET;
  if (is_four && four->sin_addr.s_addr == INADDR_ANY)
    four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (!is_four && IN6_IS_ADDR_UNSPECIFIED(&six->sin6_addr)) six->sin6_addr = in6addr_loopback;
  int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct timeval patience = {.tv_sec = 2};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  static const char get[] = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  bool ready = fd >= 0 && connect(fd, (struct sockaddr *)&address, size) == 0 &&
               send(fd, get, sizeof get - 1, MSG_NOSIGNAL) == sizeof get - 1 &&
               recv(fd, reply, sizeof reply - 1, MSG_WAITALL) > 12 &&
               strncmp(reply + 8, " 200", 4) == 0;
  if (fd >= 0) close(fd);
  puts(ready ? "ready" : "not ready");
  return !ready;
}

/* ---- open and close ---- */

/* Before any thread: the library reads it when a flow is made. */
static enum boltz_status choose_kernel(const char *name) {
  if (strcmp(name, "auto") == 0) return BOLTZ_OK;
  if (!boltz_kernel_find(name)) {
    char known[128] = "auto";
    for (int k = 0; boltz_kernel_at(k); k++) {
      size_t used = strlen(known);
      if (boltz_kernel_at(k)->present())
        snprintf(known + used, sizeof known - used, ", %s", boltz_kernel_at(k)->name);
    }
    return boltz_fail(BOLTZ_UNKNOWN_NAME, "kernel = \"%s\" is none that this processor runs: %s",
                      name, known);
  }
  setenv("BOLTZ_KERNEL", name, 1);
  return BOLTZ_OK;
}

static enum boltz_status open_parts(struct server *server) {
  const struct config *config = server->config;
  int cores = (int)sysconf(_SC_NPROCESSORS_ONLN);
  int workers = config->workers ? (int)config->workers : cores > 0 ? cores : 1;
  BOLTZ_TRY(choose_kernel(config->kernel));
  BOLTZ_TRY(plugins_open(server, config->plugin_dir, &server->plugins));
  BOLTZ_TRY(store_open(server, config->data, &server->store));
  BOLTZ_TRY(registry_open(server, &server->registry));
  server->pool = pool_open(workers, config->background_share, SCRATCH_LIMIT);
  if (!server->pool) return boltz_fail(BOLTZ_IO, "the system gives no %d worker threads", workers);
  server->gather = gather_open(server->pool);
  if (!server->gather) return boltz_fail(BOLTZ_NO_MEMORY, "no memory for the workers");
  BOLTZ_TRY(jobs_open(server, &server->jobs));
  BOLTZ_TRY(http_open(server, &server->http));
  jobs_start(server->jobs);
  return BOLTZ_OK;
}

static void close_parts(struct server *server) {
  http_close(server->http);
  pool_close(server->pool);
  gather_close(server->gather);
  jobs_close(server->jobs);
  registry_close(server->registry);
  store_close(server->store);
  plugins_close(server->plugins);
}

/* Wait for requests in flight, at most drain_ms, or until a second signal. */
static void drain(struct server *server, const sigset_t *signals) {
  http_drain(server->http);
  for (int64_t waited = 0; http_in_flight(server->http) > 0; waited += 10) {
    struct timespec pause = {.tv_nsec = 10000000};
    if (waited >= server->config->drain_ms || sigtimedwait(signals, NULL, &pause) > 0) break;
  }
  jobs_drain(server->jobs);
}

static int run(struct server *server, const sigset_t *signals) {
  int got = 0;
  enum boltz_status status = open_parts(server);
  if (status != BOLTZ_OK) {
    log_event(server->log, LOG_ERROR, "failed", "s:reason", boltz_status_name(status), "s:detail",
              boltz_error(), NULL);
    close_parts(server);
    return 1;
  }
  log_event(server->log, LOG_INFO, "ready", "s:listen", http_address(server->http), "s:version",
            BOLTZ_VERSION, "i:workers", (long long)pool_workers(server->pool), "s:data",
            server->config->data, "s:kernel", boltz_kernel_auto()->name, NULL);
  notify_manager("READY=1");
  sigwait(signals, &got);
  notify_manager("STOPPING=1");
  log_event(server->log, LOG_INFO, "draining", "i:signal", (long long)got, "i:in_flight",
            (long long)http_in_flight(server->http), NULL);
  drain(server, signals);
  close_parts(server);
  log_event(server->log, LOG_INFO, "stopped", NULL);
  return 0;
}

static enum log_level level_of(const char *name) {
  static const char *const names[] = {"debug", "info", "warn", "error"};
  for (int k = 0; k < 4; k++)
    if (strcmp(names[k], name) == 0) return (enum log_level)k;
  return LOG_INFO;
}

static void prepare_process(sigset_t *signals) {
  struct rlimit files;
  umask(077);
  signal(SIGPIPE, SIG_IGN);
  sigemptyset(signals);
  sigaddset(signals, SIGTERM);
  sigaddset(signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, signals, NULL); /* every thread inherits it; main waits for them */
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
}

int main(int argc, char **argv) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct config config;
  enum config_action action;
  if (!arena || config_load(argc, argv, environ, arena, &config, &action) != BOLTZ_OK) {
    fprintf(stderr, "boltzd: %s\n", boltz_error());
    return 2;
  }
  int code = 0;
  sigset_t signals;
  struct server server = {.config = &config, .started_ms = json_now_ms()};
  switch (action) {
    case CONFIG_SHOW:
      config_print(&config, stdout);
      break;
    case CONFIG_VERSION:
      puts("boltzd " BOLTZ_VERSION);
      break;
    case CONFIG_HELP:
      config_help(stdout);
      break;
    case CONFIG_HEALTHCHECK:
      code = healthcheck(config.listen);
      break;
    case CONFIG_SELF_CHECK:
      code = self_check(stdout, stderr);
      break;
    case CONFIG_RUN:
      prepare_process(&signals);
      server.log = log_open(level_of(config.log_level));
      server.metrics = metrics_open();
      code = server.log && server.metrics ? run(&server, &signals) : 1;
      metrics_close(server.metrics);
      log_close(server.log);
  }
  boltz_arena_close(arena);
  return code;
}
