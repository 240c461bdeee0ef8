/* client.c - a daemon of one's own, and HTTP to it: for scenarios and the demo. */
#include "tests/http/client.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void sleep_ms(int ms) {
  nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

/* ---- the daemon ---- */

void daemon_directory(struct daemon *daemon) {
  const char *tmp = getenv("TMPDIR");
  memset(daemon, 0, sizeof *daemon);
  snprintf(daemon->data, sizeof daemon->data, "%s/boltzd-XXXXXX", tmp ? tmp : "/tmp");
  if (!mkdtemp(daemon->data)) {
    perror(daemon->data);
    exit(1);
  }
}

/* The address in the ready line that the daemon wrote to its log after `offset`. */
static bool read_address(struct daemon *daemon, const char *path, off_t offset) {
  static _Thread_local char log[65536];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : pread(fd, log, sizeof log - 1, offset);
  if (fd >= 0) close(fd);
  log[n > 0 ? n : 0] = 0;
  const char *ready = strstr(log, "\"event\":\"ready\"");
  const char *line = ready;
  while (line && line > log && line[-1] != '\n') line--;
  const char *listen = line ? strstr(line, "\"listen\":\"") : NULL;
  if (!listen || !strchr(ready, '\n')) return false;
  if (sscanf(listen, "\"listen\":\"%63[^\"]\"", daemon->address) != 1) return false;
  snprintf(daemon->url, sizeof daemon->url, "http://%s", daemon->address);
  return true;
}

bool daemon_start(struct daemon *daemon, int workers, const char *const *arguments) {
  const char *binary = getenv("BOLTZD") ? getenv("BOLTZD") : "build/boltzd";
  char count[16], path[300];
  const char *argv[32] = {binary,        "--data",    daemon->data, "--listen",
                          "127.0.0.1:0", "--workers", count};
  int argc = 7;
  snprintf(count, sizeof count, "%d", workers);
  snprintf(path, sizeof path, "%s/log", daemon->data);
  for (; arguments && *arguments && argc < 31; arguments++) argv[argc++] = *arguments;
  argv[argc] = NULL;
  int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  off_t offset = log < 0 ? 0 : lseek(log, 0, SEEK_END);
  daemon->workers = workers;
  daemon->pid = fork();
  if (daemon->pid == 0) {
    dup2(log, 2);
    execv(binary, (char *const *)argv);
    perror(binary);
    _exit(127);
  }
  close(log);
  double end = seconds_now() + 60;
  while (seconds_now() < end) {
    if (read_address(daemon, path, offset)) return true;
    if (waitpid(daemon->pid, NULL, WNOHANG) != 0) {
      daemon->pid = 0;
      return false;
    }
    sleep_ms(2);
  }
  daemon_kill(daemon);
  return false;
}

void daemon_begin(struct daemon *daemon) {
  daemon_directory(daemon);
  if (daemon_start(daemon, 2, NULL)) return;
  printf("the daemon does not start; see %s/log\n", daemon->data);
  exit(1);
}

int daemon_stop(struct daemon *daemon) {
  if (daemon->pid <= 0) return -1;
  int status = 0;
  kill(daemon->pid, SIGTERM);
  double end = seconds_now() + 30;
  while (waitpid(daemon->pid, &status, WNOHANG) == 0) {
    if (seconds_now() > end) {
      daemon_kill(daemon);
      return -1;
    }
    sleep_ms(10);
  }
  daemon->pid = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void daemon_kill(struct daemon *daemon) {
  if (daemon->pid <= 0) return;
  kill(daemon->pid, SIGKILL);
  waitpid(daemon->pid, NULL, 0);
  daemon->pid = 0;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where) {
  (void)info;
  (void)type;
  (void)where;
  return remove(path);
}

void daemon_end(struct daemon *daemon) {
  if (daemon->pid > 0) daemon_stop(daemon);
  if (!daemon->keep_data) nftw(daemon->data, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- HTTP ---- */

struct growing {
  char *data;
  size_t size;
};

static size_t grow(char *bytes, size_t size, size_t count, void *argument) {
  struct growing *growing = argument;
  size *= count;
  char *data = realloc(growing->data, growing->size + size + 1);
  if (!data) return 0;
  memcpy(data + growing->size, bytes, size);
  growing->data = data;
  growing->size += size;
  data[growing->size] = 0;
  return size;
}

static void set_method(CURL *curl, const char *method, const void *body, size_t size) {
  if (body) {
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
  } else if (strcmp(method, "HEAD") == 0) {
    curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  }
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
}

/* One easy handle a thread keeps its connection alive between calls, and goes with the thread. */
static pthread_key_t handles;
static pthread_once_t handles_once = PTHREAD_ONCE_INIT;

static void make_handles(void) {
  pthread_key_create(&handles, curl_easy_cleanup);
}

static CURL *handle(void) {
  pthread_once(&handles_once, make_handles);
  CURL *curl = pthread_getspecific(handles);
  if (curl) {
    curl_easy_reset(curl);
    return curl;
  }
  curl = curl_easy_init();
  pthread_setspecific(handles, curl);
  return curl;
}

struct answer call_with(const struct daemon *daemon, const char *method, const char *path,
                        const void *body, size_t size, const char *const *headers) {
  struct answer answer = {0};
  struct growing head = {0}, got = {0};
  CURL *curl = handle();
  struct curl_slist *list = curl_slist_append(NULL, "Expect:");
  if (body && !headers) list = curl_slist_append(list, "Content-Type: application/json");
  for (; headers && *headers; headers++) list = curl_slist_append(list, *headers);
  char url[2048];
  snprintf(url, sizeof url, "%s%s", daemon->url, path);
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, daemon->patience ? daemon->patience : 300L);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, grow);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &got);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, grow);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &head);
  set_method(curl, method, body, size);
  double start = seconds_now();
  if (curl_easy_perform(curl) == CURLE_OK)
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
  answer.seconds = seconds_now() - start;
  curl_slist_free_all(list);
  answer.headers = head.data ? head.data : calloc(1, 1);
  answer.body = got.data ? got.data : calloc(1, 1);
  answer.size = got.size;
  answer.arena = boltz_arena_open(0);
  if (got.size && (got.data[0] == '{' || got.data[0] == '['))
    if (boltz_json_parse(got.data, got.size, 64, answer.arena, &answer.json) != BOLTZ_OK)
      answer.json = NULL;
  return answer;
}

struct answer call(const struct daemon *daemon, const char *method, const char *path,
                   const char *body) {
  return call_with(daemon, method, path, body, body ? strlen(body) : 0, NULL);
}

void answer_free(struct answer *answer) {
  free(answer->headers);
  free(answer->body);
  boltz_arena_close(answer->arena);
  memset(answer, 0, sizeof *answer);
}

bool answer_header(const struct answer *answer, const char *name, char *value, size_t size) {
  size_t length = strlen(name);
  for (const char *line = answer->headers; line && *line; line = strchr(line, '\n')) {
    if (*line == '\n') line++;
    if (strncasecmp(line, name, length) != 0 || line[length] != ':') continue;
    const char *start = line + length + 1 + strspn(line + length + 1, " ");
    size_t n = strcspn(start, "\r\n");
    if (n >= size) n = size - 1;
    memcpy(value, start, n);
    value[n] = 0;
    return true;
  }
  return false;
}

const struct boltz_json *answer_member(const struct answer *answer, const char *path) {
  const struct boltz_json *node = answer->json;
  char part[64];
  while (node && *path) {
    size_t n = strcspn(path, ".");
    if (n >= sizeof part) return NULL;
    memcpy(part, path, n);
    part[n] = 0;
    path += path[n] ? n + 1 : n;
    if (node->type == BOLTZ_JSON_OBJECT) {
      node = boltz_json_member(node, part);
    } else {
      const struct boltz_json *child = node->child;
      for (long k = strtol(part, NULL, 10); child && k > 0; k--) child = child->next;
      node = child;
    }
  }
  return node;
}

double answer_number(const struct answer *answer, const char *path) {
  const struct boltz_json *node = answer_member(answer, path);
  return node && node->type == BOLTZ_JSON_NUMBER ? node->number : NAN;
}

const char *answer_text(const struct answer *answer, const char *path) {
  const struct boltz_json *node = answer_member(answer, path);
  return node && node->type == BOLTZ_JSON_STRING ? node->text : NULL;
}

static bool has_ended(const struct answer *job) {
  const char *status = answer_text(job, "status");
  return !status || strcmp(status, "succeeded") == 0 || strcmp(status, "failed") == 0 ||
         strcmp(status, "cancelled") == 0;
}

struct answer run_job(const struct daemon *daemon, const char *body, double seconds,
                      void (*tick)(const struct answer *job)) {
  struct answer job = call(daemon, "POST", "/v1/jobs", body);
  if (job.status != 202) return job;
  char path[96];
  snprintf(path, sizeof path, "/v1/jobs/%s", answer_text(&job, "id"));
  double end = seconds_now() + seconds;
  do {
    answer_free(&job);
    sleep_ms(50);
    job = call(daemon, "GET", path, NULL);
    if (tick) tick(&job);
  } while (job.status == 200 && !has_ended(&job) && seconds_now() < end);
  return job;
}

int call_connect(const struct daemon *daemon) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  char host[64];
  snprintf(host, sizeof host, "%s", daemon->address);
  char *colon = strrchr(host, ':');
  if (!colon) return -1;
  *colon = 0;
  address.sin_port = htons((uint16_t)atoi(colon + 1));
  inet_pton(AF_INET, host, &address.sin_addr);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

size_t call_raw(const struct daemon *daemon, const void *bytes, size_t size, char *reply,
                size_t reply_size, int ms) {
  int fd = call_connect(daemon);
  size_t got = 0;
  if (fd >= 0 && send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size) {
    double end = seconds_now() + ms / 1000.0;
    while (seconds_now() < end && got < reply_size - 1) {
      struct pollfd poller = {.fd = fd, .events = POLLIN};
      if (poll(&poller, 1, 20) <= 0) continue;
      ssize_t n = read(fd, reply + got, reply_size - 1 - got);
      if (n <= 0) break;
      got += (size_t)n;
    }
  }
  if (fd >= 0) close(fd);
  reply[got] = 0;
  return got;
}
