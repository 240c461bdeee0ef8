/* store.c - what must survive: rows in SQLite, tensors in files by digest, one thread for both. */
#include "server/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "server/file.h"
#include "server/log.h"
#include "server/metrics.h"

#define BUSY_MS 5000
#define RESUME ".resume"

struct operation {
  void (*run)(void *argument);
  void *argument;
  struct operation *next;
};

struct store {
  struct server *server;
  char *dir, *database, *blobs, *jobs; /* paths */
  int lock;                            /* descriptor of DIR/lock; -1: none */
  sqlite3 *db;
  bool in_transaction;
  bool spoiled; /* a write of the open transaction has failed: it cannot be committed */
  atomic_bool healthy;
  bool has_thread;
  pthread_t thread;
  pthread_mutex_t mutex; /* guards the members below */
  pthread_cond_t posted, ran;
  struct operation *first, **end;
  uint64_t nposted, nran;
  bool closing;
};

static const char *const tables[STORE_TABLES] = {
    [STORE_META] = "meta",         [STORE_MODELS] = "models", [STORE_VERSIONS] = "versions",
    [STORE_DATASETS] = "datasets", [STORE_JOBS] = "jobs",     [STORE_EVENTS] = "events",
    [STORE_KEYS] = "keys"};

/* What brings schema k to schema k + 1. */
#define TABLE(name) \
  "CREATE TABLE " name " (key TEXT PRIMARY KEY NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;"
static const char *const migrations[] = {
    TABLE("meta") TABLE("models") TABLE("versions") TABLE("datasets") TABLE("jobs") TABLE("events")
        TABLE("keys"),
};
#define SCHEMA ((int)(sizeof migrations / sizeof *migrations))

/* ---- the thread ---- */

static void *run_operations(void *argument) {
  struct store *store = argument;
  pthread_mutex_lock(&store->mutex);
  for (;;) {
    while (!store->first && !store->closing) pthread_cond_wait(&store->posted, &store->mutex);
    struct operation *operation = store->first;
    if (!operation) break;
    store->first = operation->next;
    if (!store->first) store->end = &store->first;
    pthread_mutex_unlock(&store->mutex);
    operation->run(operation->argument);
    free(operation);
    pthread_mutex_lock(&store->mutex);
    store->nran++;
    pthread_cond_broadcast(&store->ran);
  }
  pthread_mutex_unlock(&store->mutex);
  return NULL;
}

bool store_post(struct store *store, void (*run)(void *argument), void *argument) {
  struct operation *operation = malloc(sizeof *operation);
  if (!operation) return false;
  *operation = (struct operation){run, argument, NULL};
  pthread_mutex_lock(&store->mutex);
  bool taken = !store->closing;
  if (taken) {
    *store->end = operation;
    store->end = &operation->next;
    store->nposted++;
    pthread_cond_signal(&store->posted);
  }
  pthread_mutex_unlock(&store->mutex);
  if (!taken) free(operation);
  return taken;
}

void store_flush(struct store *store) {
  pthread_mutex_lock(&store->mutex);
  uint64_t until = store->nposted;
  while (store->nran < until) pthread_cond_wait(&store->ran, &store->mutex);
  pthread_mutex_unlock(&store->mutex);
}

/* ---- SQLite ---- */

bool store_healthy(const struct store *store) {
  return atomic_load(&store->healthy);
}

static enum boltz_status note(struct store *store, enum boltz_status status) {
  if (status == BOLTZ_OK) {
    atomic_store(&store->healthy, true);
    return status;
  }
  if (status == BOLTZ_IO) {
    atomic_store(&store->healthy, false);
    if (store->server->metrics) metrics_add(store->server->metrics, METRIC_STORE_ERRORS, 1);
    log_event(store->server->log, LOG_ERROR, "store", "s:error", boltz_error(), NULL);
  }
  return status;
}

static enum boltz_status refused(struct store *store, const char *doing) {
  return boltz_fail(BOLTZ_IO, "%s: cannot %s: %s", store->database, doing,
                    sqlite3_errmsg(store->db));
}

static enum boltz_status execute(struct store *store, const char *sql, const char *doing) {
  if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK) return BOLTZ_OK;
  return refused(store, doing);
}

/* Some failures have rolled the transaction back already. */
static void undo(struct store *store) {
  if (!sqlite3_get_autocommit(store->db)) sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
  store->in_transaction = store->spoiled = false;
}

bool store_in_transaction(const struct store *store) {
  return store->in_transaction;
}

enum boltz_status store_begin(struct store *store) {
  assert(!store->in_transaction);
  BOLTZ_TRY(note(store, execute(store, "BEGIN IMMEDIATE", "begin")));
  store->in_transaction = true;
  return BOLTZ_OK;
}

enum boltz_status store_commit(struct store *store) {
  assert(store->in_transaction);
  enum boltz_status status =
      store->spoiled
          ? boltz_fail(BOLTZ_IO, "%s: a write of the transaction failed before", store->database)
          : note(store, execute(store, "COMMIT", "commit"));
  undo(store); /* nothing is left to undo after a good commit */
  return status;
}

void store_rollback(struct store *store) {
  undo(store);
}

/* A statement with the name of its table put in and up to two texts bound; NULL: refused. */
static sqlite3_stmt *prepare(struct store *store, const char *format, enum store_table table,
                             const char *first, const char *second) {
  char sql[160];
  sqlite3_stmt *statement = NULL;
  sqlite3_snprintf(sizeof sql, sql, format, tables[table]);
  if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) == SQLITE_OK &&
      sqlite3_bind_text(statement, 1, first, -1, SQLITE_STATIC) == SQLITE_OK &&
      (!second || sqlite3_bind_text(statement, 2, second, -1, SQLITE_STATIC) == SQLITE_OK))
    return statement;
  sqlite3_finalize(statement);
  return NULL;
}

static enum boltz_status change(struct store *store, const char *format, enum store_table table,
                                const char *first, const char *second) {
  sqlite3_stmt *statement = prepare(store, format, table, first, second);
  enum boltz_status status =
      statement && sqlite3_step(statement) == SQLITE_DONE ? BOLTZ_OK : refused(store, "write");
  sqlite3_finalize(statement);
  if (status != BOLTZ_OK) store->spoiled = store->in_transaction;
  return note(store, status);
}

enum boltz_status store_put(struct store *store, enum store_table table, const char *key,
                            const char *body) {
  return change(store, "INSERT OR REPLACE INTO %s VALUES (?1, ?2)", table, key, body);
}

enum boltz_status store_delete(struct store *store, enum store_table table, const char *key) {
  return change(store, "DELETE FROM %s WHERE key = ?1", table, key, NULL);
}

/* The smallest text above all that start with the prefix, malloc'ed. Keys are ASCII. */
static char *above(const char *prefix) {
  char *end = strdup(*prefix ? prefix : "\x7f");
  if (end && *prefix) end[strlen(end) - 1]++;
  return end;
}

enum boltz_status store_delete_prefix(struct store *store, enum store_table table,
                                      const char *prefix) {
  char *end = above(prefix);
  if (!end) {
    store->spoiled = store->in_transaction;
    return boltz_fail(BOLTZ_NO_MEMORY, "no memory to remove rows");
  }
  enum boltz_status status =
      change(store, "DELETE FROM %s WHERE key >= ?1 AND key < ?2", table, prefix, end);
  free(end);
  return status;
}

enum boltz_status store_each(struct store *store, enum store_table table, const char *prefix,
                             void (*each)(void *argument, const char *key, const char *body),
                             void *argument) {
  char *end = above(prefix);
  if (!end) return boltz_fail(BOLTZ_NO_MEMORY, "no memory to read rows");
  sqlite3_stmt *statement =
      prepare(store, "SELECT key, body FROM %s WHERE key >= ?1 AND key < ?2 ORDER BY key", table,
              prefix, end);
  int step = statement ? sqlite3_step(statement) : SQLITE_ERROR;
  for (; step == SQLITE_ROW; step = sqlite3_step(statement)) {
    const char *key = (const char *)sqlite3_column_text(statement, 0);
    const char *body = (const char *)sqlite3_column_text(statement, 1);
    if (!key || !body) {
      step = SQLITE_NOMEM;
      break;
    }
    each(argument, key, body);
  }
  enum boltz_status status = step == SQLITE_DONE ? BOLTZ_OK : refused(store, "read");
  sqlite3_finalize(statement);
  free(end);
  return status;
}

/* ---- files ---- */

void store_digest(const void *bytes, size_t size, char digest[STORE_DIGEST_SIZE]) {
  uint8_t sum[SHA256_DIGEST_SIZE];
  struct sha256_ctx context;
  sha256_init(&context);
  sha256_update(&context, size, bytes);
  sha256_digest(&context, sizeof sum, sum);
  for (size_t k = 0; k < sizeof sum; k++) snprintf(digest + 2 * k, 3, "%02x", sum[k]);
}

enum boltz_status store_read_blob(struct store *store, const char *digest, void **bytes,
                                  size_t *size) {
  char found[STORE_DIGEST_SIZE];
  BOLTZ_TRY(file_read(store->blobs, digest, bytes, size));
  if (!*bytes) return boltz_fail(BOLTZ_IO, "%s/%s is missing", store->blobs, digest);
  store_digest(*bytes, *size, found);
  if (strcmp(found, digest) == 0) return BOLTZ_OK;
  free(*bytes);
  *bytes = NULL;
  return boltz_fail(BOLTZ_BAD_CHECKPOINT, "%s/%s is damaged: its bytes have the digest %s",
                    store->blobs, digest, found);
}

enum boltz_status store_write_blob(struct store *store, const void *bytes, size_t size,
                                   char digest[STORE_DIGEST_SIZE]) {
  void *there = NULL;
  size_t length = 0;
  store_digest(bytes, size, digest);
  if (store_read_blob(store, digest, &there, &length) == BOLTZ_OK) {
    free(there);
    return BOLTZ_OK;
  }
  return note(store, file_write(store->blobs, digest, bytes, size));
}

void store_remove_blob(struct store *store, const char *digest) {
  file_remove(store->blobs, digest);
}

static void resume_name(const char *job, char name[FILE_NAME_SIZE]) {
  snprintf(name, FILE_NAME_SIZE, "%.64s" RESUME, job);
}

enum boltz_status store_write_resume(struct store *store, const char *job, const void *bytes,
                                     size_t size) {
  char name[FILE_NAME_SIZE];
  resume_name(job, name);
  return note(store, file_write(store->jobs, name, bytes, size));
}

enum boltz_status store_read_resume(struct store *store, const char *job, void **bytes,
                                    size_t *size) {
  char name[FILE_NAME_SIZE];
  resume_name(job, name);
  return file_read(store->jobs, name, bytes, size);
}

void store_remove_resume(struct store *store, const char *job) {
  char name[FILE_NAME_SIZE];
  resume_name(job, name);
  file_remove(store->jobs, name);
}

struct names {
  const char *const *sorted;
  size_t n;
};

static int compare_names(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_named(const void *argument, const char *name) {
  const struct names *names = argument;
  return names->n > 0 && bsearch(&name, names->sorted, names->n, sizeof name, compare_names);
}

static bool is_of_named_job(const void *argument, const char *name) {
  char job[FILE_NAME_SIZE];
  snprintf(job, sizeof job, "%s", name);
  char *end = strstr(job, RESUME);
  if (end) *end = 0;
  return is_named(argument, job);
}

void store_sweep(struct store *store, const char *const *keep, size_t nkeep,
                 const char *const *jobs, size_t njobs) {
  file_sweep(store->blobs, is_named, &(struct names){keep, nkeep});
  file_sweep(store->jobs, is_of_named_job, &(struct names){jobs, njobs});
}

/* ---- opening ---- */

static bool set_paths(struct store *store, const char *dir) {
  store->dir = strdup(dir);
  if (asprintf(&store->database, "%s/boltzd.db", dir) < 0) store->database = NULL;
  if (asprintf(&store->blobs, "%s/blobs", dir) < 0) store->blobs = NULL;
  if (asprintf(&store->jobs, "%s/jobs", dir) < 0) store->jobs = NULL;
  return store->dir && store->database && store->blobs && store->jobs;
}

static enum boltz_status make_directories(struct store *store) {
  BOLTZ_TRY(file_make_directory(store->dir));
  BOLTZ_TRY(file_make_directory(store->blobs));
  return file_make_directory(store->jobs);
}

/* One daemon a directory. The lock goes with the process, however it ends. */
static enum boltz_status take_lock(struct store *store) {
  char path[4096], pid[24] = "";
  if (snprintf(path, sizeof path, "%s/lock", store->dir) >= (int)sizeof path)
    return boltz_fail(BOLTZ_IO, "the path %.64s… is too long", store->dir);
  store->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (store->lock < 0) return boltz_fail(BOLTZ_IO, "%s: cannot open: %s", path, strerror(errno));
  if (flock(store->lock, LOCK_EX | LOCK_NB) != 0) {
    int error = errno;
    if (error != EWOULDBLOCK)
      return boltz_fail(BOLTZ_IO, "%s: cannot lock: %s", path, strerror(error));
    ssize_t n = pread(store->lock, pid, sizeof pid - 1, 0);
    pid[n > 0 ? strspn(pid, "0123456789") : 0] = 0;
    return boltz_fail(BOLTZ_IO,
                      "%s is in use by process %s (%s): stop it, or take another directory with "
                      "--data",
                      store->dir, *pid ? pid : "of unknown number", path);
  }
  int length = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
  if (ftruncate(store->lock, 0) != 0 || pwrite(store->lock, pid, (size_t)length, 0) != length)
    return boltz_fail(BOLTZ_IO, "%s: cannot write: %s", path, strerror(errno));
  return BOLTZ_OK;
}

static enum boltz_status migrate(struct store *store, int schema) {
  BOLTZ_TRY(store_begin(store));
  char version[48];
  snprintf(version, sizeof version, "PRAGMA user_version = %d", SCHEMA);
  enum boltz_status status = BOLTZ_OK;
  for (int k = schema; k < SCHEMA && status == BOLTZ_OK; k++)
    status = execute(store, migrations[k], "bring the schema up to date");
  if (status == BOLTZ_OK) status = execute(store, version, "set the schema's version");
  if (status == BOLTZ_OK) return store_commit(store);
  store_rollback(store);
  return status;
}

static enum boltz_status read_schema(struct store *store, int *schema) {
  sqlite3_stmt *statement = NULL;
  bool good =
      sqlite3_prepare_v2(store->db, "PRAGMA user_version", -1, &statement, NULL) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW;
  if (good) *schema = sqlite3_column_int(statement, 0);
  enum boltz_status status = good ? BOLTZ_OK : refused(store, "read the schema's version");
  sqlite3_finalize(statement);
  return status;
}

static enum boltz_status open_database(struct store *store) {
  /* EXTRA is FULL, and an fsync of the directory once the journal is gone: without it a power cut
     may bring the journal back and undo what was acknowledged. */
  static const char pragmas[] =
      "PRAGMA locking_mode = EXCLUSIVE;"
      "PRAGMA journal_mode = DELETE;"
      "PRAGMA synchronous = EXTRA;";
  int schema = 0;
  if (sqlite3_open_v2(store->database, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                      NULL) != SQLITE_OK)
    return refused(store, "open");
  sqlite3_busy_timeout(store->db, BUSY_MS);
  BOLTZ_TRY(execute(store, pragmas, "configure"));
  BOLTZ_TRY(read_schema(store, &schema));
  if (schema > SCHEMA)
    return boltz_fail(BOLTZ_IO,
                      "%s has schema %d and this boltzd knows schemas up to %d: start the boltzd "
                      "that wrote it, or a newer one",
                      store->database, schema, SCHEMA);
  return schema < SCHEMA ? migrate(store, schema) : BOLTZ_OK;
}

static enum boltz_status open_parts(struct store *store, const char *dir) {
  if (!set_paths(store, dir)) return boltz_fail(BOLTZ_NO_MEMORY, "no memory for the store");
  BOLTZ_TRY(make_directories(store));
  BOLTZ_TRY(take_lock(store));
  BOLTZ_TRY(open_database(store));
  file_sweep(store->blobs, NULL, NULL);
  file_sweep(store->jobs, NULL, NULL);
  int error = pthread_create(&store->thread, NULL, run_operations, store);
  if (error) return boltz_fail(BOLTZ_IO, "cannot start the store's thread: %s", strerror(error));
  store->has_thread = true;
  return BOLTZ_OK;
}

enum boltz_status store_open(struct server *server, const char *dir, struct store **out) {
  *out = NULL;
  struct store *store = calloc(1, sizeof *store);
  if (!store) return boltz_fail(BOLTZ_NO_MEMORY, "no memory for the store");
  store->server = server;
  store->lock = -1;
  store->end = &store->first;
  atomic_init(&store->healthy, true);
  pthread_mutex_init(&store->mutex, NULL);
  pthread_cond_init(&store->posted, NULL);
  pthread_cond_init(&store->ran, NULL);
  enum boltz_status status = open_parts(store, dir);
  if (status == BOLTZ_OK)
    *out = store;
  else
    store_close(store);
  return status;
}

void store_close(struct store *store) {
  if (!store) return;
  pthread_mutex_lock(&store->mutex);
  store->closing = true;
  pthread_cond_signal(&store->posted);
  pthread_mutex_unlock(&store->mutex);
  if (store->has_thread) pthread_join(store->thread, NULL);
  sqlite3_close(store->db);
  if (store->lock >= 0) close(store->lock);
  pthread_cond_destroy(&store->posted);
  pthread_cond_destroy(&store->ran);
  pthread_mutex_destroy(&store->mutex);
  free(store->dir);
  free(store->database);
  free(store->blobs);
  free(store->jobs);
  free(store);
}
