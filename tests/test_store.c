/* test_store.c - rows and files survive what they must, and what failed leaves nothing behind. */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "full_disk.h"
#include "server/log.h"
#include "server/store.h"

static char dir[64];
static struct server server;

static struct store *reopen(void) {
  struct store *store = NULL;
  CHECK_MSG(store_open(&server, dir, &store) == BOLTZ_OK, "%s", boltz_error());
  return store;
}

static void run_shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void run_shell(const char *format, ...) {
  char command[300];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(command, sizeof command, format, arguments);
  va_end(arguments);
  CHECK_INT(system(command), 0);
}

static void new_directory(void) {
  snprintf(dir, sizeof dir, P_tmpdir "/boltz-store-XXXXXX");
  CHECK(mkdtemp(dir) != NULL);
}

static void remove_directory(void) {
  run_shell("rm -rf %s", dir);
}

struct rows {
  char text[400];
};

static void gather(void *argument, const char *key, const char *body) {
  struct rows *rows = argument;
  size_t n = strlen(rows->text);
  snprintf(rows->text + n, sizeof rows->text - n, "%s=%s;", key, body);
}

static const char *all(struct store *store, enum store_table table, const char *prefix) {
  static struct rows rows;
  rows.text[0] = 0;
  CHECK_INT(store_each(store, table, prefix, gather, &rows), BOLTZ_OK);
  return rows.text;
}

static int files_in(const char *name) {
  char path[128];
  int n = 0;
  snprintf(path, sizeof path, "%s/%s", dir, name);
  DIR *stream = opendir(path);
  if (!stream) return -1;
  for (struct dirent *entry; (entry = readdir(stream));) n += entry->d_name[0] != '.';
  closedir(stream);
  return n;
}

static void rows_come_back_in_order_of_keys_after_reopening(void) {
  new_directory();
  struct store *store = reopen();
  CHECK_INT(store_put(store, STORE_MODELS, "b", "2"), BOLTZ_OK);
  CHECK_INT(store_put(store, STORE_MODELS, "a", "1"), BOLTZ_OK);
  CHECK_INT(store_put(store, STORE_MODELS, "b", "3"), BOLTZ_OK);
  CHECK_INT(store_put(store, STORE_JOBS, "c", "4"), BOLTZ_OK);
  store_close(store);
  store = reopen();
  CHECK_TEXT(all(store, STORE_MODELS, ""), "a=1;b=3;");
  CHECK_TEXT(all(store, STORE_JOBS, ""), "c=4;");
  CHECK_TEXT(all(store, STORE_EVENTS, ""), "");
  store_close(store);
  remove_directory();
}

static void a_prefix_takes_its_keys_and_no_others(void) {
  new_directory();
  struct store *store = reopen();
  const char *const keys[] = {"m", "m.x/1", "m/1", "m/2", "m0/1", "l/9"};
  for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
    CHECK_INT(store_put(store, STORE_VERSIONS, keys[k], "v"), BOLTZ_OK);
  CHECK_TEXT(all(store, STORE_VERSIONS, "m/"), "m/1=v;m/2=v;");
  CHECK_INT(store_delete_prefix(store, STORE_VERSIONS, "m/"), BOLTZ_OK);
  CHECK_TEXT(all(store, STORE_VERSIONS, ""), "l/9=v;m=v;m.x/1=v;m0/1=v;");
  CHECK_INT(store_delete(store, STORE_VERSIONS, "absent"), BOLTZ_OK);
  CHECK_INT(store_delete(store, STORE_VERSIONS, "m"), BOLTZ_OK);
  CHECK_INT(store_delete_prefix(store, STORE_VERSIONS, ""), BOLTZ_OK);
  CHECK_TEXT(all(store, STORE_VERSIONS, ""), "");
  store_close(store);
  remove_directory();
}

static void a_transaction_is_all_or_nothing(void) {
  new_directory();
  struct store *store = reopen();
  CHECK_INT(store_put(store, STORE_META, "x", "old"), BOLTZ_OK);
  CHECK_INT(store_begin(store), BOLTZ_OK);
  CHECK(store_in_transaction(store));
  store_put(store, STORE_META, "x", "new");
  store_put(store, STORE_META, "y", "new");
  store_rollback(store);
  CHECK(!store_in_transaction(store));
  CHECK_TEXT(all(store, STORE_META, ""), "x=old;");
  CHECK_INT(store_begin(store), BOLTZ_OK);
  store_put(store, STORE_META, "y", "new");
  CHECK_INT(store_commit(store), BOLTZ_OK);
  CHECK_TEXT(all(store, STORE_META, ""), "x=old;y=new;");
  store_close(store);
  remove_directory();
}

static void a_full_disk_leaves_everything_as_before(void) {
  new_directory();
  struct store *store = reopen();
  static char large[300000];
  char digest[STORE_DIGEST_SIZE];
  memset(large, 'x', sizeof large - 1);
  CHECK_INT(store_put(store, STORE_META, "x", "old"), BOLTZ_OK);
  CHECK_INT(store_write_resume(store, "job", "old", 3), BOLTZ_OK);
  CHECK(store_healthy(store));

  limit_files(100000);
  CHECK_INT(store_begin(store), BOLTZ_OK);
  store_put(store, STORE_META, "x", "new");
  store_put(store, STORE_META, "y", large);
  CHECK_INT(store_commit(store), BOLTZ_IO);
  CHECK(!store_in_transaction(store));
  CHECK(!store_healthy(store));
  CHECK_INT(store_write_blob(store, large, sizeof large, digest), BOLTZ_IO);
  CHECK(strstr(boltz_error(), digest) != NULL);
  CHECK_INT(store_write_resume(store, "job", large, sizeof large), BOLTZ_IO);
  limit_files(RLIM_INFINITY);

  CHECK_TEXT(all(store, STORE_META, ""), "x=old;");
  CHECK_INT(files_in("blobs"), 0);
  void *bytes;
  size_t size;
  CHECK_INT(store_read_resume(store, "job", &bytes, &size), BOLTZ_OK);
  CHECK(size == 3 && memcmp(bytes, "old", 3) == 0);
  free(bytes);
  CHECK_INT(store_put(store, STORE_META, "y", "new"), BOLTZ_OK);
  CHECK(store_healthy(store));
  store_close(store);
  remove_directory();
}

static void a_blob_is_found_by_its_sha256_and_a_damaged_one_is_refused(void) {
  new_directory();
  struct store *store = reopen();
  char digest[STORE_DIGEST_SIZE], path[200];
  void *bytes;
  size_t size;
  CHECK_INT(store_write_blob(store, "abc", 3, digest), BOLTZ_OK);
  /* FIPS 180-2, appendix B.1 */
  CHECK_TEXT(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK_INT(store_write_blob(store, "abc", 3, digest), BOLTZ_OK);
  CHECK_INT(files_in("blobs"), 1);
  CHECK_INT(store_read_blob(store, digest, &bytes, &size), BOLTZ_OK);
  CHECK(size == 3 && memcmp(bytes, "abc", 3) == 0);
  free(bytes);

  snprintf(path, sizeof path, "%s/blobs/%s", dir, digest);
  FILE *file = fopen(path, "w");
  fputs("abd", file);
  fclose(file);
  CHECK_INT(store_read_blob(store, digest, &bytes, &size), BOLTZ_BAD_CHECKPOINT);
  CHECK_INT(store_write_blob(store, "abc", 3, digest), BOLTZ_OK); /* mends it */
  CHECK_INT(store_read_blob(store, digest, &bytes, &size), BOLTZ_OK);
  free(bytes);
  store_remove_blob(store, digest);
  CHECK_INT(store_read_blob(store, digest, &bytes, &size), BOLTZ_IO);
  store_close(store);
  remove_directory();
}

static void a_resume_file_is_replaced_and_an_absent_one_is_none(void) {
  new_directory();
  struct store *store = reopen();
  void *bytes;
  size_t size;
  CHECK_INT(store_read_resume(store, "j", &bytes, &size), BOLTZ_OK);
  CHECK(bytes == NULL);
  CHECK_INT(store_write_resume(store, "j", "one", 3), BOLTZ_OK);
  CHECK_INT(store_write_resume(store, "j", "second", 6), BOLTZ_OK);
  CHECK_INT(store_read_resume(store, "j", &bytes, &size), BOLTZ_OK);
  CHECK(size == 6 && memcmp(bytes, "second", 6) == 0);
  free(bytes);
  store_remove_resume(store, "j");
  CHECK_INT(files_in("jobs"), 0);
  store_close(store);
  remove_directory();
}

static void start_removes_temporary_files_and_the_sweep_unnamed_ones(void) {
  new_directory();
  store_close(reopen());
  run_shell(
      "touch %s/blobs/a.tmp %s/blobs/a %s/blobs/b %s/jobs/j.resume.tmp %s/jobs/j.resume "
      "%s/jobs/k.resume",
      dir, dir, dir, dir, dir, dir);
  struct store *store = reopen();
  CHECK_INT(files_in("blobs"), 2);
  CHECK_INT(files_in("jobs"), 2);
  const char *const keep[] = {"b", "c"}, *const jobs[] = {"k"};
  store_sweep(store, keep, 2, jobs, 1);
  CHECK_INT(files_in("blobs"), 1);
  CHECK_INT(files_in("jobs"), 1);
  run_shell("test -e %s/blobs/b && test -e %s/jobs/k.resume", dir, dir);
  store_sweep(store, NULL, 0, NULL, 0);
  CHECK_INT(files_in("blobs") + files_in("jobs"), 0);
  store_close(store);
  remove_directory();
}

static void a_second_opener_is_refused_and_told_the_pid(void) {
  new_directory();
  char pid[24];
  struct store *store = reopen(), *second;
  snprintf(pid, sizeof pid, "process %ld ", (long)getpid());
  CHECK_INT(store_open(&server, dir, &second), BOLTZ_IO);
  CHECK(second == NULL);
  CHECK_MSG(strstr(boltz_error(), pid) != NULL, "%s", boltz_error());
  store_close(store);
  store_close(reopen());
  remove_directory();
}

static void a_newer_schema_is_refused_with_both_versions(void) {
  new_directory();
  char path[128];
  sqlite3 *db = NULL;
  struct store *store;
  store_close(reopen());
  snprintf(path, sizeof path, "%s/boltzd.db", dir);
  CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
  CHECK_INT(sqlite3_exec(db, "PRAGMA user_version = 77", NULL, NULL, NULL), SQLITE_OK);
  sqlite3_close(db);
  CHECK_INT(store_open(&server, dir, &store), BOLTZ_IO);
  CHECK_MSG(strstr(boltz_error(), "schema 77") && strstr(boltz_error(), "up to 1"), "%s",
            boltz_error());
  remove_directory();
}

static void a_directory_that_cannot_be_is_refused_by_name(void) {
  struct store *store;
  CHECK_INT(store_open(&server, "/dev/null/boltz", &store), BOLTZ_IO);
  CHECK(strstr(boltz_error(), "/dev/null/boltz") != NULL);
  CHECK(store == NULL);
}

static void the_directory_is_for_its_owner_alone(void) {
  new_directory();
  size_t n = strlen(dir);
  snprintf(dir + n, sizeof dir - n, "/deep/er");
  store_close(reopen());
  struct stat status;
  CHECK_INT(stat(dir, &status), 0);
  CHECK_INT(status.st_mode & 0777, 0700);
  dir[n] = 0;
  remove_directory();
}

/* ---- operations ---- */

struct counter {
  struct store *store;
  int n;
  bool in_order;
};

struct turn {
  struct counter *counter;
  int turn;
};

static void take_turn(void *argument) {
  struct turn *turn = argument;
  if (turn->counter->n++ != turn->turn) turn->counter->in_order = false;
}

static void operations_run_one_after_the_other_in_order(void) {
  new_directory();
  struct store *store = reopen();
  struct counter counter = {store, 0, true};
  struct turn turns[1000];
  for (int k = 0; k < 1000; k++) {
    turns[k] = (struct turn){&counter, k};
    CHECK(store_post(store, take_turn, &turns[k]));
  }
  store_flush(store);
  CHECK_INT(counter.n, 1000);
  CHECK(counter.in_order);
  store_close(store);
  remove_directory();
}

static void add_one(void *argument) {
  ((struct counter *)argument)->n++; /* no lock: operations do not meet */
}

static void *post_many(void *argument) {
  struct counter *counter = argument;
  for (int k = 0; k < 1000; k++) store_post(counter->store, add_one, counter);
  store_flush(counter->store);
  return NULL;
}

static void operations_of_many_threads_all_run(void) {
  new_directory();
  struct counter counter = {reopen(), 0, true};
  pthread_t threads[4];
  for (int k = 0; k < 4; k++) pthread_create(&threads[k], NULL, post_many, &counter);
  for (int k = 0; k < 4; k++) pthread_join(threads[k], NULL);
  store_close(counter.store);
  CHECK_INT(counter.n, 4000);
  remove_directory();
}

struct late {
  struct store *store;
  bool taken, ran;
};

static void run_late(void *argument) {
  ((struct late *)argument)->ran = true;
}

static void wait_and_post(void *argument) {
  struct late *late = argument;
  usleep(200000); /* by then store_close() has begun */
  late->taken = store_post(late->store, run_late, late);
}

static void closing_runs_what_was_posted_and_takes_no_more(void) {
  new_directory();
  struct late late = {.store = reopen(), .taken = true};
  struct counter counter = {0};
  CHECK(store_post(late.store, wait_and_post, &late));
  CHECK(store_post(late.store, add_one, &counter));
  store_close(late.store);
  CHECK_INT(counter.n, 1);
  CHECK(!late.taken && !late.ran);
  remove_directory();
}

/* Writes row after row, telling the number of each acknowledged one, until it is killed. */
static void write_until_killed(int out) {
  struct store *store;
  if (store_open(&server, dir, &store) != BOLTZ_OK) _exit(1);
  for (int k = 0;; k++) {
    char key[16], digest[STORE_DIGEST_SIZE];
    snprintf(key, sizeof key, "%08d", k);
    if (store_write_blob(store, key, strlen(key), digest) != BOLTZ_OK ||
        store_put(store, STORE_META, key, digest) != BOLTZ_OK ||
        write(out, &k, sizeof k) != sizeof k)
      _exit(1);
  }
}

static void check_row(void *argument, const char *key, const char *digest) {
  struct counter *counter = argument;
  void *bytes = NULL;
  size_t size;
  CHECK_INT(atoi(key), counter->n++);
  CHECK_INT(store_read_blob(counter->store, digest, &bytes, &size), BOLTZ_OK);
  free(bytes);
}

static void every_acknowledged_row_is_there_after_a_kill(void) {
  new_directory();
  int ends[2], last = -1, k;
  CHECK_INT(pipe(ends), 0);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    write_until_killed(ends[1]);
  }
  close(ends[1]);
  while (last < 20 && read(ends[0], &k, sizeof k) == sizeof k) last = k;
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  while (read(ends[0], &k, sizeof k) == sizeof k) last = k;
  close(ends[0]);
  CHECK(last >= 20);
  struct counter counter = {.store = reopen()};
  CHECK_INT(store_each(counter.store, STORE_META, "", check_row, &counter), BOLTZ_OK);
  CHECK(counter.n > last);
  store_close(counter.store);
  remove_directory();
}

int main(int argc, char **argv) {
  server.log = log_open(LOG_ERROR);
  RUN(every_acknowledged_row_is_there_after_a_kill);
  RUN(rows_come_back_in_order_of_keys_after_reopening);
  RUN(a_prefix_takes_its_keys_and_no_others);
  RUN(a_transaction_is_all_or_nothing);
  RUN(a_full_disk_leaves_everything_as_before);
  RUN(a_blob_is_found_by_its_sha256_and_a_damaged_one_is_refused);
  RUN(a_resume_file_is_replaced_and_an_absent_one_is_none);
  RUN(start_removes_temporary_files_and_the_sweep_unnamed_ones);
  RUN(a_second_opener_is_refused_and_told_the_pid);
  RUN(a_newer_schema_is_refused_with_both_versions);
  RUN(a_directory_that_cannot_be_is_refused_by_name);
  RUN(the_directory_is_for_its_owner_alone);
  RUN(operations_run_one_after_the_other_in_order);
  RUN(operations_of_many_threads_all_run);
  RUN(closing_runs_what_was_posted_and_takes_no_more);
  log_close(server.log);
  return check_report();
}
