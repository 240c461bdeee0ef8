/* file.h - whole files, written so that a crash leaves the old one or the new one. */
#ifndef SERVER_FILE_H
#define SERVER_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "boltz/status.h"

#define FILE_NAME_SIZE 96

/** Make a directory and those above it, for their owner alone. Errors: IO. */
enum boltz_status file_make_directory(const char *path);

/** Write dir/name: a temporary file, fsync, rename, fsync of the directory. Errors: IO; then the
 * file is as it was. */
enum boltz_status file_write(const char *dir, const char *name, const void *bytes, size_t size);

/** Read dir/name into malloc'ed memory; an absent file is OK with *bytes NULL. Errors: IO,
 * NO_MEMORY. */
enum boltz_status file_read(const char *dir, const char *name, void **bytes, size_t *size);

/** Remove dir/name; absent is fine. */
void file_remove(const char *dir, const char *name);

/** Remove temporary files, and every other one that keep(argument, name) does not want. NULL keeps
 * all. */
void file_sweep(const char *dir, bool (*keep)(const void *argument, const char *name),
                const void *argument);

#endif
