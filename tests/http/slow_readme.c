/* slow_readme.c - every command that the README prints is run, and works. */
#include <unistd.h>

#include "tests/check.h"
#include "tests/exact.h"
#include "tests/http/client.h"

static struct daemon server;

/* The n-th block of shell commands of README.md into `block`; false past the last. */
static bool shell_block(int n, char *block, size_t size) {
  FILE *readme = fopen("README.md", "r");
  char line[1024];
  bool inside = false;
  int count = -1;
  size_t used = 0;
  block[0] = 0;
  while (readme && fgets(line, sizeof line, readme)) {
    if (strncmp(line, "```", 3) == 0) {
      inside = !inside && strncmp(line, "```sh", 5) == 0;
      count += inside;
      continue;
    }
    if (inside && count == n && used + strlen(line) < size) {
      strcpy(block + used, line);
      used += strlen(line);
    }
  }
  if (readme) fclose(readme);
  return used > 0;
}

/* What the README's relative paths mean, for a block that is run in the data directory. */
static void link_sources(void) {
  char command[700];
  snprintf(command, sizeof command,
           "ln -sfn \"$PWD/etc\" %s/etc && ln -sfn \"$PWD/include\" %s/include", server.data,
           server.data);
  CHECK_INT(system(command), 0);
}

/* The plug-in is loaded at start alone: what `BOLTZD_PLUGIN_DIR=plugins make run` says, with this
   daemon. */
static void restart_with_plugins(void) {
  char path[300];
  snprintf(path, sizeof path, "%s/plugins", server.data);
  const char *const arguments[] = {"--plugin-dir", path, NULL};
  CHECK_INT(daemon_stop(&server), 0);
  CHECK(daemon_start(&server, 2, arguments));
}

/* Run a block with the daemon's address in place of the README's; curl fails on any 4xx or 5xx. */
static int run_block(const char *block) {
  char path[300], command[800];
  snprintf(path, sizeof path, "%s/block.sh", server.data);
  FILE *script = fopen(path, "w");
  if (!script) return -1;
  fprintf(script, "set -e\ncurl() { command curl --fail-with-body \"$@\"; echo; }\n");
  for (const char *at = block; *at;) {
    static const char theirs[] = "127.0.0.1:8000";
    if (strncmp(at, theirs, sizeof theirs - 1) == 0) {
      fputs(server.address, script);
      at += sizeof theirs - 1;
    } else {
      fputc(*at++, script);
    }
  }
  fclose(script);
  snprintf(command, sizeof command, "cd %s && sh block.sh > block.out 2>&1", server.data);
  return system(command);
}

/* Wait for the newest job to end. */
static void wait_for_job(void) {
  double end = seconds_now() + 280;
  while (seconds_now() < end) {
    struct answer jobs = call(&server, "GET", "/v1/jobs?page_size=1", NULL);
    const char *status = answer_text(&jobs, "items.0.status");
    bool over = !status || (strcmp(status, "queued") != 0 && strcmp(status, "running") != 0);
    answer_free(&jobs);
    if (over) return;
    usleep(200000);
  }
}

static void every_command_of_the_readme_works(void) {
  static char block[4096];
  int curls = 0, makes = 0;
  link_sources();
  for (int n = 0; shell_block(n, block, sizeof block); n++) {
    if (strncmp(block, "make ", 5) == 0) {
      for (const char *line = block; *line; line += strcspn(line, "\n") + 1, makes++) {
        char command[128];
        snprintf(command, sizeof command, "make -n %.*s >/dev/null 2>&1",
                 (int)strcspn(line + 5, "\n"), line + 5);
        CHECK_MSG(system(command) == 0, "%s", line);
      }
      continue;
    }
    if (strcmp(block, "BOLTZD_PLUGIN_DIR=plugins make run\n") == 0) {
      restart_with_plugins();
      continue;
    }
    if (strstr(block, "/models/dw/sample")) wait_for_job();
    int status = run_block(block);
    CHECK_MSG(status == 0, "status %d, see %s/block.out:\n%s", status, server.data, block);
    if (status != 0) server.keep_data = true;
    curls++;
  }
  CHECK(curls >= 5 && makes >= 2);
}

/* The model that the README trains by the default job is good, against quadrature. */
static void the_default_job_trains_well(void) {
  struct exact_well well = exact_well(1, 5, 1, 1, 1);
  struct answer estimate = call(&server, "POST", "/v1/models/dw/estimate",
                                "{\"n\":1000000,\"seed\":7,\"version\":1,\"averages\":[\"x1\"],"
                                "\"differences\":[{\"coordinate\":"
                                "\"x1\",\"a\":[\"-Infinity\",0],\"b\":[0,\"Infinity\"]}]}");
  CHECK_INT(estimate.status, 200);
  printf("     ess_fraction %.4f, log Z off by %.5f, dF off by %.4f (stderr %.4f)\n",
         answer_number(&estimate, "ess_fraction"),
         answer_number(&estimate, "log_z.value") - well.log_z,
         answer_number(&estimate, "differences.0.value") - exact_difference(&well),
         answer_number(&estimate, "differences.0.stderr"));
  CHECK(answer_number(&estimate, "ess_fraction") >= 0.97);
  CHECK_NEAR(answer_number(&estimate, "log_z.value"), well.log_z, 0.005);
  /* 4 standard errors: once in 16 000 */
  CHECK_NEAR(answer_number(&estimate, "differences.0.value"), exact_difference(&well),
             4 * answer_number(&estimate, "differences.0.stderr"));
  CHECK_NEAR(answer_number(&estimate, "averages.0.value"), well.mean,
             4 * answer_number(&estimate, "averages.0.stderr"));
  answer_free(&estimate);
}

/* `make run` ends in this script: it prints the address and three lines to paste. */
static void the_run_script_says_how_to_talk_to_it(void) {
  char command[900];
  snprintf(
      command, sizeof command,
      "here=$(pwd); cd %s && rm -rf run && mkdir run && cd run && "
      "(BOLTZD=$(cd $here && readlink -f ${BOLTZD:-build/boltzd}) BOLTZD_LISTEN=127.0.0.1:18231 "
      "timeout 5 sh $here/etc/run.sh > out 2> err; true); "
      "grep -q 'http://127.0.0.1:18231' out && [ $(grep -c '^  curl ' out) = 3 ] && [ -d var ]",
      server.data);
  CHECK(system(command) == 0);
}

/* etc/boltzd.conf shows every setting with its default, and is read. */
static void the_configuration_file_shows_the_defaults(void) {
  char command[900];
  snprintf(command, sizeof command,
           "sed -n 's/^#\\([a-z-]* = \\)/\\1/p' etc/boltzd.conf > %s/conf && "
           "${BOLTZD:-build/boltzd} --config %s/conf --show-config | cmp - %s/conf",
           server.data, server.data, server.data);
  CHECK(system(command) == 0);
}

/* Rows of the benchmark's table whose work starts so and that have a figure of ours. */
static int rows_measured(const struct boltz_json *report, const char *work) {
  const struct boltz_json *rows = boltz_json_member(report, "rows");
  int count = 0;
  for (const struct boltz_json *row = rows ? rows->child : NULL; row; row = row->next) {
    const struct boltz_json *name = boltz_json_member(row, "work");
    const struct boltz_json *ours = boltz_json_member(row, "ours");
    count += name && ours && ours->type == BOLTZ_JSON_NUMBER && ours->number > 0 &&
             strncmp(name->text, work, strlen(work)) == 0;
  }
  return count;
}

/* `make bench` in its short form: what needs no peer is measured; no figure is judged. */
static void the_benchmark_measures_its_rows(void) {
  static const char *const works[] = {"limit",         "sample + log q", "one sample",
                                      "training step", "cold start",     "resident memory",
                                      "effective"};
  static char text[1 << 20];
  char command[1000], path[300];
  snprintf(command, sizeof command,
           "env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make bench QUICK=1 BENCH_OUT=%s/bench "
           "BUILD=$(dirname ${BOLTZD:-build/boltzd}) > %s/bench.out 2>&1",
           server.data, server.data);
  CHECK_INT(system(command), 0);
  snprintf(path, sizeof path, "%s/bench/bench.json", server.data);
  FILE *file = fopen(path, "r");
  const size_t size = file ? fread(text, 1, sizeof text, file) : 0;
  if (file) fclose(file);
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_json *report = NULL;
  CHECK_INT(boltz_json_parse(text, size, 16, arena, &report), BOLTZ_OK);
  for (size_t i = 0; i < sizeof works / sizeof *works; i++)
    CHECK_MSG(rows_measured(report, works[i]) > 0, "no row of: %s", works[i]);
  boltz_arena_close(arena);
}

int main(int argc, char **argv) {
  daemon_begin(&server);
  RUN(every_command_of_the_readme_works);
  RUN(the_default_job_trains_well);
  RUN(the_run_script_says_how_to_talk_to_it);
  RUN(the_configuration_file_shows_the_defaults);
  RUN(the_benchmark_measures_its_rows);
  daemon_end(&server);
  return check_report();
}
