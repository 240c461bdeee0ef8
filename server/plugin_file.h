/* plugin_file.h - the bytes of plug-ins: whose they are, and that those which are loaded are those
 * which were looked at. For plugin.c. */
#ifndef SERVER_PLUGIN_FILE_H
#define SERVER_PLUGIN_FILE_H

#include "boltz/arena.h"
#include "boltz/status.h"

/** Open the directory and list its ….so in order of names, in the arena. *fd stays open. Errors:
 * IO (it is not there, or others may write it), NO_MEMORY. */
enum boltz_status plugin_list(const char *dir, struct boltz_arena *arena, int *fd,
                              const char *const **names, size_t *n);

/** Read dir/name, open as `fd`, into malloc'ed memory. Errors: IO (it is no file, or others may
 * write it), NO_MEMORY. */
enum boltz_status plugin_read(int fd, const char *dir, const char *name, void **bytes,
                              size_t *size);

/** Load these bytes, which nobody can change any more: *memory is their file, to be closed after
 * *handle. Errors: IO, in the words of the dynamic linker. */
enum boltz_status plugin_load(const char *name, const void *bytes, size_t size, int *memory,
                              void **handle);

#endif
