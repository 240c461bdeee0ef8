/* store.h - what must survive: rows in SQLite, tensors in files by digest. One thread owns both.
 *
 * Changes are made by operations: closures that run on the store thread, one after the other. So
 * whoever changes models, versions, datasets or jobs does it inside an operation (check, write,
 * commit, then publish in memory) and two changes never race. */
#ifndef SERVER_STORE_H
#define SERVER_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boltz/status.h"
#include "server/server.h"

/** Collections of rows: a key, and a JSON object as body. */
enum store_table {
  STORE_META,     /* key: a name */
  STORE_MODELS,   /* key: name */
  STORE_VERSIONS, /* key: "model/00000003" */
  STORE_DATASETS, /* key: name */
  STORE_JOBS,     /* key: id */
  STORE_EVENTS,   /* key: "job/00000017" */
  STORE_KEYS,     /* key: Idempotency-Key */
  STORE_TABLES
};

struct store;

/**
 * Lock DIR (flock on DIR/lock; a second opener fails and names the pid), open DIR/boltzd.db,
 * migrate or refuse its schema, remove temporary files, start the thread. Errors: IO, naming the
 * path and what to do.
 */
enum boltz_status store_open(struct server *server, const char *dir, struct store **store);

/** Run what has been posted, stop the thread, close. NULL is harmless. */
void store_close(struct store *store);

/** Post an operation: run(argument) on the store thread, in order. Never blocks. Threads: any.
 * Returns false once closing: the operation will not run. */
bool store_post(struct store *store, void (*run)(void *argument), void *argument);

/** Wait until everything posted so far has run. Not from the store thread. */
void store_flush(struct store *store);

/* What follows is for operations, and for main before the first request. */

/** begin … commit makes several writes one. Outside of it each write commits by itself.
 * Errors: IO (the sentence is SQLite's); after a failed commit nothing of it is there. */
enum boltz_status store_begin(struct store *store);
enum boltz_status store_commit(struct store *store);
void store_rollback(struct store *store);

/** Is a transaction open? */
bool store_in_transaction(const struct store *store);

/** Insert or replace; delete (absent is fine); delete every key that starts with a prefix. */
enum boltz_status store_put(struct store *store, enum store_table table, const char *key,
                            const char *body);
enum boltz_status store_delete(struct store *store, enum store_table table, const char *key);
enum boltz_status store_delete_prefix(struct store *store, enum store_table table,
                                      const char *prefix);

/** Call each(key, body) for every row whose key starts with prefix ("": all), in order of keys. */
enum boltz_status store_each(struct store *store, enum store_table table, const char *prefix,
                             void (*each)(void *argument, const char *key, const char *body),
                             void *argument);

#define STORE_DIGEST_SIZE 65 /* 64 hex digits of SHA-256 and a NUL */

/** Write a file by its digest: temporary, fsync, rename, fsync of the directory. An equal file that
 * is there already is kept. */
enum boltz_status store_write_blob(struct store *store, const void *bytes, size_t size,
                                   char digest[STORE_DIGEST_SIZE]);

/** Remove a blob (absent is fine); the caller knows that no row names it. */
void store_remove_blob(struct store *store, const char *digest);

/** Read a blob into malloc'ed memory and check its digest. Errors: IO, BAD_CHECKPOINT (digest). */
enum boltz_status store_read_blob(struct store *store, const char *digest, void **bytes,
                                  size_t *size);

/** A job's resume file DIR/jobs/<id>.resume: replaced atomically and durably; read into malloc'ed
 * memory (absent: OK, and *bytes NULL); removed. */
enum boltz_status store_write_resume(struct store *store, const char *job, const void *bytes,
                                     size_t size);
enum boltz_status store_read_resume(struct store *store, const char *job, void **bytes,
                                    size_t *size);
void store_remove_resume(struct store *store, const char *job);

/** Remove blobs that no id in `keep` (sorted digests) names, and resume files of no job in `jobs`
 * (sorted ids). For start-up. */
void store_sweep(struct store *store, const char *const *keep, size_t nkeep,
                 const char *const *jobs, size_t njobs);

/** SHA-256 in hex. Threads: pure. */
void store_digest(const void *bytes, size_t size, char digest[STORE_DIGEST_SIZE]);

/** False after a write has failed, until one succeeds; for /readyz. */
bool store_healthy(const struct store *store);

#endif
