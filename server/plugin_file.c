/* plugin_file.c - the bytes of plug-ins: whose they are, and that those which are loaded are those
 * which were looked at.
 *
 * A file is opened once; owner, mode and bytes are read from what was opened, and the bytes are
 * loaded from a sealed copy in memory. So it does not matter who renames or overwrites the file
 * meanwhile, or later while the daemon runs. */
#include "server/plugin_file.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BYTES_MOST ((off_t)64 << 20)
#define FILES_MOST 256

/* Who may write it decides what the daemon does. */
static enum boltz_status check_trust(const char *what, const char *path, const struct stat *is) {
  if (is->st_uid != 0 && is->st_uid != geteuid())
    return boltz_fail(BOLTZ_IO,
                      "%s %s is owned by user %u: it must be owned by root or by user %u, which "
                      "boltzd runs as; chown it",
                      what, path, (unsigned)is->st_uid, (unsigned)geteuid());
  if (is->st_mode & (S_IWGRP | S_IWOTH))
    return boltz_fail(BOLTZ_IO,
                      "%s %s may be written by others than its owner (mode %03o): chmod go-w %s",
                      what, path, (unsigned)is->st_mode & 0777, path);
  return BOLTZ_OK;
}

/* ---- the directory ---- */

static bool is_plugin(const char *name) {
  size_t n = strlen(name);
  return name[0] != '.' && n > 3 && strcmp(name + n - 3, ".so") == 0;
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum boltz_status read_names(DIR *stream, const char *dir, struct boltz_arena *arena,
                                    const char **names, size_t *n) {
  const struct dirent *entry;
  while (errno = 0, (entry = readdir(stream))) {
    if (!is_plugin(entry->d_name)) continue;
    if (*n == FILES_MOST)
      return boltz_fail(BOLTZ_OUT_OF_RANGE, "plugin_dir %s holds more than %d plug-ins", dir,
                        FILES_MOST);
    names[*n] = boltz_arena_strdup(arena, entry->d_name);
    if (!names[(*n)++]) return BOLTZ_NO_MEMORY;
  }
  if (errno) return boltz_fail(BOLTZ_IO, "plugin_dir %s: %s", dir, strerror(errno));
  qsort(names, *n, sizeof *names, compare_names);
  return BOLTZ_OK;
}

enum boltz_status plugin_list(const char *dir, struct boltz_arena *arena, int *fd,
                              const char *const **names, size_t *n) {
  struct stat is;
  *n = 0;
  *fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (*fd < 0 || fstat(*fd, &is) != 0)
    return boltz_fail(BOLTZ_IO, "plugin_dir %s: %s", dir, strerror(errno));
  BOLTZ_TRY(check_trust("plugin_dir", dir, &is));
  const char **list = BOLTZ_NEW_ARRAY(arena, FILES_MOST, const char *);
  if (!list) return BOLTZ_NO_MEMORY;
  *names = list;
  int own = openat(*fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *stream = own < 0 ? NULL : fdopendir(own);
  if (!stream) {
    enum boltz_status status = boltz_fail(BOLTZ_IO, "plugin_dir %s: %s", dir, strerror(errno));
    if (own >= 0) close(own);
    return status;
  }
  enum boltz_status status = read_names(stream, dir, arena, list, n);
  closedir(stream);
  return status;
}

/* ---- a file ---- */

static enum boltz_status read_all(int file, const char *path, size_t size, void **bytes) {
  char *data = malloc(size);
  if (!data) return boltz_fail(BOLTZ_NO_MEMORY, "plug-in %s: no memory for %zu bytes", path, size);
  for (size_t done = 0; done < size;) {
    ssize_t got = read(file, data + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      free(data);
      return boltz_fail(BOLTZ_IO, "plug-in %s: %s", path,
                        got < 0 ? strerror(errno) : "it grew shorter while it was read");
    }
    done += (size_t)got;
  }
  *bytes = data;
  return BOLTZ_OK;
}

static enum boltz_status read_open(int file, const char *path, void **bytes, size_t *size) {
  struct stat is;
  if (fstat(file, &is) != 0) return boltz_fail(BOLTZ_IO, "plug-in %s: %s", path, strerror(errno));
  if (!S_ISREG(is.st_mode))
    return boltz_fail(BOLTZ_IO, "plug-in %s is no regular file: put the shared object itself there",
                      path);
  BOLTZ_TRY(check_trust("plug-in", path, &is));
  if (is.st_size < 1 || is.st_size > BYTES_MOST)
    return boltz_fail(BOLTZ_IO, "plug-in %s has %lld bytes, which is not in [1, %lld]", path,
                      (long long)is.st_size, (long long)BYTES_MOST);
  *size = (size_t)is.st_size;
  return read_all(file, path, *size, bytes);
}

enum boltz_status plugin_read(int fd, const char *dir, const char *name, void **bytes,
                              size_t *size) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  /* a pipe of that name does not hold the start up */
  int file = openat(fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (file < 0 && errno == ELOOP)
    return boltz_fail(BOLTZ_IO, "plug-in %s is a symbolic link: put the shared object itself there",
                      path);
  if (file < 0) return boltz_fail(BOLTZ_IO, "plug-in %s: %s", path, strerror(errno));
  enum boltz_status status = read_open(file, path, bytes, size);
  close(file);
  return status;
}

/* ---- loading ---- */

/* Do n entries of `each` bytes at an offset lie within the file? */
static bool lies_within(uint64_t size, uint64_t offset, uint64_t n, uint64_t each) {
  return offset <= size && (n == 0 || (size - offset) / n >= each);
}

/* The dynamic linker maps what the headers speak of, and touching what a file cut short does not
   have is a crash. What is no ELF of ours at all it refuses itself. */
static bool is_whole(const void *bytes, size_t size) {
  ElfW(Ehdr) head;
  ElfW(Phdr) part;
  if (size < sizeof head) return true;
  memcpy(&head, bytes, sizeof head);
  if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_phentsize != sizeof part) return true;
  if (!lies_within(size, head.e_shoff, head.e_shnum, head.e_shentsize) ||
      !lies_within(size, head.e_phoff, head.e_phnum, sizeof part))
    return false;
  for (int k = 0; k < head.e_phnum; k++) {
    memcpy(&part, (const char *)bytes + head.e_phoff + (size_t)k * sizeof part, sizeof part);
    if (!lies_within(size, part.p_offset, 1, part.p_filesz)) return false;
  }
  return true;
}

static bool write_all(int file, const char *bytes, size_t size) {
  for (ssize_t n; size > 0; bytes += n, size -= (size_t)n)
    if ((n = write(file, bytes, size)) < 0) return false;
  return true;
}

enum boltz_status plugin_load(const char *name, const void *bytes, size_t size, int *memory,
                              void **handle) {
  char copy[64], path[48];
  *memory = -1;
  if (!is_whole(bytes, size))
    return boltz_fail(
        BOLTZ_IO, "it is cut short: its headers speak of more than %zu bytes; copy it again", size);
  snprintf(copy, sizeof copy, "%s", name); /* for debuggers alone */
  *memory = memfd_create(copy, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (*memory < 0 || !write_all(*memory, bytes, size) ||
      fcntl(*memory, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return boltz_fail(BOLTZ_IO, "no memory file for its bytes: %s", strerror(errno));
  /* the linker takes an equal path for the same object: every plug-in's file stays open */
  snprintf(path, sizeof path, "/proc/self/fd/%d", *memory);
  *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (*handle) return BOLTZ_OK;
  const char *why = dlerror();
  size_t known = strlen(path);
  if (why && strncmp(why, path, known) == 0 && why[known] == ':') why += known + 2;
  return boltz_fail(BOLTZ_IO, "the dynamic linker refuses it: %s", why ? why : "it does not say");
}
