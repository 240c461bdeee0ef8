/* test_plugin.c - energies from shared objects: who is let in, and who is told why not. */
#include <sys/stat.h>
#include <unistd.h>

#include "boltz/boltz.h"
#include "server/log.h"
#include "server/plugin.h"
#include "tests/check.h"

static char build[256]; /* where this test's plug-ins are */
static char dir[64];
static struct server server;

static void new_directory(void) {
  snprintf(dir, sizeof dir, P_tmpdir "/boltz-plugins-XXXXXX");
  CHECK(mkdtemp(dir) != NULL);
}

static void remove_directory(void) {
  char command[100];
  snprintf(command, sizeof command, "rm -rf %s", dir);
  CHECK_INT(system(command), 0);
}

/* Put a plug-in of tests/plugins into the directory under a name. */
static void put(const char *plugin, const char *as) {
  char command[640];
  snprintf(command, sizeof command, "cp %s/%s.so %s/%s && chmod 644 %s/%s", build, plugin, dir, as,
           dir, as);
  CHECK_INT(system(command), 0);
}

static void shell(const char *format, const char *what) {
  char command[512];
  snprintf(command, sizeof command, format, dir, what);
  CHECK_MSG(system(command) == 0, "%s", command);
}

static struct plugins *load(void) {
  struct plugins *plugins = NULL;
  CHECK_MSG(plugins_open(&server, dir, &plugins) == BOLTZ_OK, "%s", boltz_error());
  return plugins;
}

static int count_kinds(void) {
  int n = 0;
  while (boltz_energy_kind_at(n)) n++;
  return n;
}

/* It is refused, in these words, and nothing of it stays. */
static void check_refused(const char *file, const char *words) {
  struct plugins *plugins;
  const int before = count_kinds();
  CHECK_MSG(plugins_open(&server, dir, &plugins) != BOLTZ_OK, "%s", file);
  CHECK(!plugins);
  CHECK_MSG(strstr(boltz_error(), dir) && strstr(boltz_error(), file), "%s", boltz_error());
  CHECK_MSG(strstr(boltz_error(), words), "\"%s\" lacks \"%s\"", boltz_error(), words);
  CHECK_INT(count_kinds(), before);
}

static void no_directory_is_no_plug_in(void) {
  struct plugins *plugins = (struct plugins *)&server;
  CHECK_INT(plugins_open(&server, "", &plugins), BOLTZ_OK);
  CHECK(!plugins);
  CHECK(!plugins_of(NULL, boltz_energy_kind_at(0)));
  plugins_close(NULL);
}

static void kinds_come_in_order_of_files_with_the_digest_of_their_bytes(void) {
  char command[300], expected[STORE_DIGEST_SIZE] = "";
  new_directory();
  put("springs", "b.so");
  put("guest", "a.so");
  put("wrong_abi", "c.so.old"); /* these are none */
  put("wrong_abi", ".so");
  put("wrong_abi", ".d.so");
  const int before = count_kinds();
  struct plugins *plugins = load();
  CHECK_TEXT(boltz_energy_kind_at(before)->name, "guest");
  CHECK_TEXT(boltz_energy_kind_at(before + 1)->name, "springs");
  CHECK_TEXT(boltz_energy_kind_at(before + 2)->name, "more_springs");
  CHECK_INT(count_kinds(), before + 3);
  const struct plugin *plugin = plugins_of(plugins, boltz_energy_kind_find("more_springs"));
  CHECK(plugin && plugin == plugins_of(plugins, boltz_energy_kind_find("springs")));
  CHECK(!plugins_of(plugins, boltz_energy_kind_find("double_well")));
  CHECK_TEXT(plugin->file, "b.so");
  snprintf(command, sizeof command, "sha256sum %s/b.so", dir);
  FILE *sum = popen(command, "r");
  CHECK(sum && fscanf(sum, "%64s", expected) == 1);
  if (sum) pclose(sum);
  CHECK_TEXT(plugin->sha256, expected);
  plugins_close(plugins);
  CHECK_INT(count_kinds(), before);
  remove_directory();
}

static void a_plug_in_calls_what_it_is_given(void) {
  static const struct {
    const char *text;
    enum boltz_status status;
    const char *pointer;
  } cases[] = {
      {"{\"kind\":\"guest\"}", BOLTZ_OK, ""},
      {"{\"kind\":\"guest\",\"table\":{\"k\":3}}", BOLTZ_OK, ""},
      {"{\"kind\":\"guest\",\"table\":{}}", BOLTZ_MISSING_MEMBER, "/table/k"},
      {"{\"kind\":\"guest\",\"table\":{\"k\":0.1}}", BOLTZ_OUT_OF_RANGE, "/table/k"},
      {"{\"kind\":\"guest\",\"table\":{\"k\":7}}", BOLTZ_OUT_OF_RANGE, ""},
  };
  new_directory();
  put("guest", "guest.so");
  struct plugins *plugins = load();
  struct boltz_arena *arena = boltz_arena_open(0);
  for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
    struct boltz_json *json;
    struct boltz_energy energy;
    CHECK_INT(boltz_json_parse(cases[k].text, strlen(cases[k].text), 9, arena, &json), BOLTZ_OK);
    CHECK_MSG(boltz_energy_parse(json, 1, arena, &energy) == cases[k].status, "case %zu: %s", k,
              boltz_error());
    if (cases[k].status != BOLTZ_OK) CHECK_TEXT(boltz_error_pointer(), cases[k].pointer);
    if (k != 1) continue;
    struct boltz_batch x, value;
    double u;
    CHECK_INT(boltz_batch_new(arena, 1, 2, &x), BOLTZ_OK);
    CHECK_INT(boltz_batch_new(arena, 1, 1, &value), BOLTZ_OK);
    x.col[0][0] = 2;
    boltz_energy_eval(&energy, 1, &x, &u, NULL, arena);
    CHECK_NEAR(u, 6, 0); /* 3 * 2^2 / 2 */
    boltz_variable_eval(&energy, boltz_energy_variable(&energy, "coin"), 1, 5, 9, &x, &value,
                        arena);
    double expected[2];
    boltz_rng_uniform(5, BOLTZ_STREAM_HIDDEN, 9, 0, expected);
    CHECK_NEAR(value.col[0][0], expected[0], 0);
  }
  boltz_arena_close(arena);
  plugins_close(plugins);
  remove_directory();
}

/* The bytes that were loaded stay what they are, whatever happens to the file. */
static void a_file_that_is_overwritten_does_no_harm(void) {
  new_directory();
  put("springs", "springs.so");
  struct plugins *plugins = load();
  shell("dd if=/dev/zero of=%s/%s bs=64k count=4 conv=notrunc 2>/dev/null", "springs.so");
  const struct boltz_energy_kind *kind = boltz_energy_kind_find("springs");
  double point[] = {3, 4}, u, *col[] = {&point[0], &point[1]};
  struct boltz_batch x = {.n = 1, .dim = 2, .col = col};
  kind->energy(NULL, &x, &u, NULL, NULL);
  CHECK_NEAR(u, 12.5, 0);
  plugins_close(plugins);
  remove_directory();
}

static void what_is_wrong_with_a_plug_in_is_said(void) {
  static const struct {
    const char *plugin, *words;
  } cases[] = {
      {"wrong_abi", "ABI 77, and this boltzd has ABI 1"},
      {"taken_name", "double_well has the name of one that is built in"},
      {"wrong_gradient", "energy kind lost_sign: its gradient is wrong"},
      {"no_table", "exports no boltz_plugin"},
      {"foreign_call", "undefined symbol: boltz_energy_kind_find"},
      {"newer_host", "built for a newer one"},
      {"grown_used", "does not know yet"},
  };
  for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
    char file[64];
    snprintf(file, sizeof file, "%s.so", cases[k].plugin);
    new_directory();
    put("guest", "a.so"); /* loaded before it, and given up with it */
    put(cases[k].plugin, file);
    check_refused(file, cases[k].words);
    remove_directory();
  }
}

static void a_longer_table_is_read_as_far_as_it_is_known(void) {
  new_directory();
  put("grown_empty", "grown.so");
  struct plugins *plugins = load();
  CHECK(boltz_energy_kind_find("grown") != NULL);
  plugins_close(plugins);
  remove_directory();
}

static void two_plug_ins_of_one_name_are_refused(void) {
  new_directory();
  put("springs", "a.so");
  put("springs", "b.so");
  check_refused("b.so", "springs is there already, from plug-in a.so");
  remove_directory();
}

static void what_others_may_write_is_refused(void) {
  static const struct {
    const char *command, *file, *words;
  } cases[] = {
      {"chmod g+w %s/%s", "springs.so", "chmod go-w"},
      {"chmod o+w %s/%s", "springs.so", "chmod go-w"},
      {"chmod g+w %s # %s", "", "chmod go-w"},
      {"chmod 1777 %s # %s", "", "chmod go-w"},
  };
  for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
    new_directory();
    put("springs", "springs.so");
    shell(cases[k].command, "springs.so");
    check_refused(cases[k].file, cases[k].words);
    remove_directory();
  }
}

static void what_another_user_owns_is_refused(void) {
  if (geteuid() != 0) SKIP("only root can give files away");
  new_directory();
  put("springs", "springs.so");
  shell("chown 12345 %s/%s", "springs.so");
  check_refused("springs.so", "owned by user 12345");
  shell("chown 0 %s/%s", "springs.so");
  shell("chown 12345 %s # %s", "");
  check_refused("", "owned by user 12345");
  remove_directory();
}

static void what_is_no_shared_object_is_refused(void) {
  static const struct {
    const char *command, *words;
  } cases[] = {
      {"ln -s springs %s/%s", "symbolic link"},
      {"mkdir %s/%s", "no regular file"},
      {"mkfifo %s/%s", "no regular file"},
      {"touch %s/%s", "0 bytes"},
      {"echo text > %s/%s", "the dynamic linker refuses it: file too short"},
      {"cd %s && head -c 4000 springs > %s", "cut short"},
      {"cd %s && head -c -1 springs > %s", "cut short"},
      {"cd %s && cp springs x.so && printf '\\1' | dd of=%s bs=1 seek=4 conv=notrunc 2>/dev/null",
       "wrong ELF class"},
  };
  for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
    new_directory();
    put("springs", "springs");
    shell(cases[k].command, "x.so");
    check_refused("x.so", cases[k].words);
    remove_directory();
  }
  snprintf(dir, sizeof dir, "/does/not/exist");
  check_refused("", "No such file or directory");
  snprintf(dir, sizeof dir, "/etc/passwd");
  check_refused("", "Not a directory");
}

int main(int argc, char **argv) {
  const char *slash = strrchr(argv[0], '/');
  snprintf(build, sizeof build, "%.*s/plugins", slash ? (int)(slash - argv[0]) : 1,
           slash ? argv[0] : ".");
  server.log = log_open(LOG_ERROR);
  umask(022);
  RUN(no_directory_is_no_plug_in);
  RUN(kinds_come_in_order_of_files_with_the_digest_of_their_bytes);
  RUN(a_plug_in_calls_what_it_is_given);
  RUN(a_file_that_is_overwritten_does_no_harm);
  RUN(what_is_wrong_with_a_plug_in_is_said);
  RUN(a_longer_table_is_read_as_far_as_it_is_known);
  RUN(two_plug_ins_of_one_name_are_refused);
  RUN(what_others_may_write_is_refused);
  RUN(what_another_user_owns_is_refused);
  RUN(what_is_no_shared_object_is_refused);
  log_close(server.log);
  return check_report();
}
