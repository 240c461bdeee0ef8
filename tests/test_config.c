/* test_config.c - where a setting may come from, who wins, and what is said about a wrong one. */
#include <unistd.h>

#include "server/config.h"
#include "server/listen.h"
#include "tests/check.h"

/** A loaded configuration with what it was loaded from. */
struct loaded {
  struct boltz_arena *arena;
  struct config config;
  enum config_action action;
  enum boltz_status status;
};

/* Flags and environment are NULL-ended. */
static struct loaded load(const char *const *flags, const char *const *environment) {
  struct loaded loaded = {.arena = boltz_arena_open(0)};
  char *argv[16] = {"boltzd"}, *empty[] = {NULL};
  int argc = 1;
  for (; flags && *flags; flags++) argv[argc++] = (char *)*flags;
  loaded.status = config_load(argc, argv, environment ? (char **)environment : empty, loaded.arena,
                              &loaded.config, &loaded.action);
  return loaded;
}

#define FLAGS(...)        \
  (const char *const[]) { \
    __VA_ARGS__, NULL     \
  }

static void unload(struct loaded *loaded) {
  boltz_arena_close(loaded->arena);
}

/* A file of that text; the caller unlinks it. */
static void write_file(char path[64], const char *text) {
  const char *dir = getenv("TMPDIR");
  snprintf(path, 64, "%.40s/config.XXXXXX", dir ? dir : "/tmp");
  int fd = mkstemp(path);
  CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
  close(fd);
}

static void nothing_given_means_the_documented_defaults(void) {
  struct loaded loaded = load(NULL, NULL);
  CHECK_INT(loaded.status, BOLTZ_OK);
  CHECK_INT(loaded.action, CONFIG_RUN);
  CHECK_TEXT(loaded.config.data, "./var");
  CHECK_TEXT(loaded.config.listen, "127.0.0.1:8000"); /* API.md, as all that follow */
  CHECK_INT(loaded.config.jobs, 1);
  CHECK_INT(loaded.config.keep_jobs, 90);
  CHECK_INT(loaded.config.samples, 1000000);
  CHECK_INT(loaded.config.estimate_samples, 100000000);
  CHECK_NEAR(loaded.config.background_share, 0.05, 0);
  unload(&loaded);
}

static void the_command_line_wins_over_the_environment_over_the_file(void) {
  char path[64], config[80];
  write_file(path, "# a comment\n\n queue = 1\nworkers = 2  # and another\nkeep-jobs=3\n");
  snprintf(config, sizeof config, "BOLTZD_CONFIG=%s", path);
  struct loaded loaded =
      load(FLAGS("--keep-jobs=30"),
           FLAGS("BOLTZD_KEEP_JOBS=20", "HOME=/", config, "BOLTZD_WORKERS=20", "BOLTZD_DATA=/a b"));
  CHECK_INT(loaded.status, BOLTZ_OK);
  CHECK_INT(loaded.config.keep_jobs, 30);
  CHECK_INT(loaded.config.workers, 20);
  CHECK_INT(loaded.config.queue, 1);
  CHECK_TEXT(loaded.config.data, "/a b");
  unload(&loaded);
  loaded = load(FLAGS("--queue", "7", "--config", path), NULL);
  CHECK_INT(loaded.config.queue, 7);
  CHECK_INT(loaded.config.workers, 2);
  unload(&loaded);
  unlink(path);
}

static void a_wrong_setting_is_refused_and_its_place_is_named(void) {
  static const struct {
    const char *flags[3], *environment;
    enum boltz_status status;
    const char *words[2]; /* that the sentence has */
  } cases[] = {
      {{"--wrokers", "2"}, NULL, BOLTZ_UNKNOWN_MEMBER, {"wrokers", "workers"}},
      {{"--sample=5"}, NULL, BOLTZ_UNKNOWN_MEMBER, {"sample", "samples"}},
      {{NULL}, "BOLTZD_KEEPJOBS=1", BOLTZ_UNKNOWN_MEMBER, {"KEEPJOBS", "keep-jobs"}},
      {{"--workers"}, NULL, BOLTZ_MISSING_MEMBER, {"--workers", "value"}},
      {{"--workers", "many"}, NULL, BOLTZ_WRONG_TYPE, {"--workers", "many"}},
      {{"--workers", "1.5"}, NULL, BOLTZ_WRONG_TYPE, {"--workers", "1.5"}},
      {{"--workers", "-1"}, NULL, BOLTZ_OUT_OF_RANGE, {"--workers", "-1"}},
      {{"--background-share", "1.01"}, NULL, BOLTZ_OUT_OF_RANGE, {"background", "1.01"}},
      {{"--log-level", "loud"}, NULL, BOLTZ_UNKNOWN_NAME, {"loud", "debug"}},
      {{NULL}, "BOLTZD_QUEUE=0", BOLTZ_OUT_OF_RANGE, {"BOLTZD_QUEUE", "0"}},
      {{"serve"}, NULL, BOLTZ_UNKNOWN_MEMBER, {"serve", "--help"}},
      {{"--config", "/does/not/exist"}, NULL, BOLTZ_IO, {"/does/not/exist", ""}},
      {{"--config", "/"}, NULL, BOLTZ_IO, {"/", "directory"}},
  };
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    const char *environment[] = {cases[k].environment, NULL};
    struct loaded loaded = load(cases[k].flags, environment);
    CHECK_MSG(loaded.status == cases[k].status, "case %zu: %s: %s", k,
              boltz_status_name(loaded.status), boltz_error());
    for (int w = 0; w < 2; w++)
      CHECK_MSG(strstr(boltz_error(), cases[k].words[w]), "case %zu: %s", k, boltz_error());
    unload(&loaded);
  }
}

static void a_line_of_the_file_that_is_wrong_is_named_by_its_number(void) {
  static const struct {
    const char *text;
    enum boltz_status status;
  } cases[] = {{"jobs = 1\n\nlisten 1\n", BOLTZ_WRONG_TYPE},
               {"jobs = 1\n# x\nlisen = 1\n", BOLTZ_UNKNOWN_MEMBER},
               {"jobs = 1\n#\nqueue = none\n", BOLTZ_WRONG_TYPE},
               {"jobs = 1\n#\nqueue = 0", BOLTZ_OUT_OF_RANGE}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    char path[64], where[80];
    write_file(path, cases[k].text);
    snprintf(where, sizeof where, "%s:3: ", path);
    struct loaded loaded = load(FLAGS("--config", path), NULL);
    CHECK_INT(loaded.status, cases[k].status);
    CHECK_MSG(strncmp(boltz_error(), where, strlen(where)) == 0, "%s", boltz_error());
    unload(&loaded);
    unlink(path);
  }
}

static void a_line_that_is_too_long_is_not_read_as_two(void) {
  char path[64], text[3000];
  memset(text, ' ', sizeof text);
  memcpy(text, "data = x", 8);
  strcpy(text + sizeof text - 16, "jobs = 7\n");
  write_file(path, text);
  struct loaded loaded = load(FLAGS("--config", path), NULL);
  CHECK_INT(loaded.status, BOLTZ_OUT_OF_RANGE);
  CHECK(strstr(boltz_error(), ":1: ") != NULL);
  unload(&loaded);
  unlink(path);
}

static void the_shown_configuration_reads_back_equal(void) {
  char path[64] = "";
  struct loaded loaded =
      load(FLAGS("--data", "/srv/boltz", "--background-share", "0.1", "--reply-bytes=123456789",
                 "--log-level=warn", "--samples", "1e5", "--show-config"),
           NULL);
  CHECK_INT(loaded.status, BOLTZ_OK);
  CHECK_INT(loaded.action, CONFIG_SHOW);
  write_file(path, "");
  FILE *out = fopen(path, "w");
  config_print(&loaded.config, out);
  fclose(out);
  struct loaded again = load(FLAGS("--config", path), NULL);
  CHECK_INT(again.status, BOLTZ_OK);
  CHECK_TEXT(again.config.data, "/srv/boltz");
  CHECK_TEXT(again.config.log_level, "warn");
  CHECK_INT(again.config.samples, 100000);
  CHECK_INT(again.config.reply_bytes, 123456789);
  CHECK(again.config.background_share == 0.1);
  unload(&loaded);
  unload(&again);
  unlink(path);
}

static void every_action_has_its_flag(void) {
  static const struct {
    const char *flag;
    enum config_action action;
  } cases[] = {{"--help", CONFIG_HELP},
               {"-h", CONFIG_HELP},
               {"--version", CONFIG_VERSION},
               {"--healthcheck", CONFIG_HEALTHCHECK},
               {"--self-check", CONFIG_SELF_CHECK}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    struct loaded loaded = load(FLAGS(cases[k].flag, "--listen", "127.0.0.1:9"), NULL);
    CHECK_INT(loaded.status, BOLTZ_OK);
    CHECK_INT(loaded.action, cases[k].action);
    CHECK_TEXT(loaded.config.listen, "127.0.0.1:9");
    unload(&loaded);
  }
}

/* A service called boltzd gets variables of our prefix that nobody meant for us. */
static void what_kubernetes_says_of_a_service_is_not_taken_for_settings(void) {
  struct loaded loaded =
      load(NULL, FLAGS("BOLTZD_SERVICE_HOST=10.0.0.1", "BOLTZD_SERVICE_PORT=8000",
                       "BOLTZD_SERVICE_PORT_HTTP=8000", "BOLTZD_PORT=tcp://10.0.0.1:8000",
                       "BOLTZD_PORT_8000_TCP_ADDR=10.0.0.1"));
  CHECK_INT(loaded.status, BOLTZ_OK);
  unload(&loaded);
}

static void the_help_names_every_setting(void) {
  char path[64], flag[64], text[16384];
  write_file(path, "");
  FILE *out = fopen(path, "w+");
  config_help(out);
  rewind(out);
  text[fread(text, 1, sizeof text - 1, out)] = 0;
  fclose(out);
  unlink(path);
  for (const struct boltz_field *field = config_fields; field->name; field++) {
    snprintf(flag, sizeof flag, "--%s ", field->name);
    for (char *c = flag; *c; c++)
      if (*c == '_') *c = '-';
    CHECK_MSG(strstr(text, flag) && strstr(text, field->doc), "%s", flag);
  }
}

static void an_address_is_read_or_refused(void) {
  static const char *const good[] = {"127.0.0.1:8000", "0.0.0.0:0", "[::1]:65535", "[::]:80"};
  static const char *const bad[] = {"",
                                    "8000",
                                    "127.0.0.1",
                                    "127.0.0.1:",
                                    ":8000",
                                    "localhost:1",
                                    "1.2.3:4",
                                    "127.0.0.1:65536",
                                    "127.0.0.1:x",
                                    "[::1]",
                                    "[::1:80",
                                    "127.0.0.1:-1"};
  struct sockaddr_storage address;
  socklen_t size;
  for (size_t k = 0; k < sizeof good / sizeof *good; k++) {
    CHECK_MSG(listen_parse(good[k], &address, &size) == BOLTZ_OK, "%s", good[k]);
    CHECK_INT(address.ss_family, good[k][0] == '[' ? AF_INET6 : AF_INET);
  }
  for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
    CHECK_MSG(listen_parse(bad[k], &address, &size) == BOLTZ_OUT_OF_RANGE, "%s", bad[k]);
}

static void port_0_takes_a_free_port_and_a_taken_one_is_refused(void) {
  char address[LISTEN_ADDRESS_SIZE], other[LISTEN_ADDRESS_SIZE];
  int fd = -1, second = -1;
  CHECK_INT(listen_open("127.0.0.1:0", &fd, address), BOLTZ_OK);
  CHECK(strncmp(address, "127.0.0.1:", 10) == 0 && atoi(address + 10) > 0);
  CHECK_INT(listen_open(address, &second, other), BOLTZ_IO);
  CHECK(strstr(boltz_error(), address) != NULL);
  close(fd);
}

int main(int argc, char **argv) {
  RUN(nothing_given_means_the_documented_defaults);
  RUN(the_command_line_wins_over_the_environment_over_the_file);
  RUN(a_wrong_setting_is_refused_and_its_place_is_named);
  RUN(a_line_of_the_file_that_is_wrong_is_named_by_its_number);
  RUN(a_line_that_is_too_long_is_not_read_as_two);
  RUN(the_shown_configuration_reads_back_equal);
  RUN(every_action_has_its_flag);
  RUN(what_kubernetes_says_of_a_service_is_not_taken_for_settings);
  RUN(the_help_names_every_setting);
  RUN(an_address_is_read_or_refused);
  RUN(port_0_takes_a_free_port_and_a_taken_one_is_refused);
  return check_report();
}
