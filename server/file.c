/* file.c - whole files, written so that a crash leaves the old one or the new one. */
#include "server/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPORARY ".tmp"

static enum boltz_status refused(const char *dir, const char *name, const char *doing) {
  return boltz_fail(BOLTZ_IO, "%s/%s: cannot %s: %s", dir, name, doing, strerror(errno));
}

/* ---- directories ---- */

static bool make_one(const char *path) {
  return mkdir(path, 0700) == 0 || errno == EEXIST;
}

enum boltz_status file_make_directory(const char *path) {
  char *copy = strdup(path);
  if (!copy) return boltz_fail(BOLTZ_NO_MEMORY, "no memory to make %s", path);
  bool made = true;
  for (char *at = copy + 1; *copy && made && *at; at++) {
    if (*at != '/') continue;
    *at = 0;
    made = make_one(copy);
    *at = '/';
  }
  made = made && make_one(copy);
  free(copy);
  struct stat status;
  if (made && stat(path, &status) == 0 && S_ISDIR(status.st_mode)) return BOLTZ_OK;
  return boltz_fail(BOLTZ_IO, "%s: cannot make the directory: %s", path,
                    made ? strerror(ENOTDIR) : strerror(errno));
}

static int open_directory(const char *dir) {
  return open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* ---- writing ---- */

static bool write_all(int file, const char *bytes, size_t size) {
  while (size > 0) {
    ssize_t n = write(file, bytes, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes += n;
    size -= (size_t)n;
  }
  return true;
}

static bool write_temporary(int directory, const char *name, const void *bytes, size_t size) {
  int file = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return false;
  bool written = write_all(file, bytes, size) && fsync(file) == 0;
  int error = errno;
  if (close(file) != 0 && written) return false;
  errno = error;
  return written;
}

enum boltz_status file_write(const char *dir, const char *name, const void *bytes, size_t size) {
  char temporary[FILE_NAME_SIZE + sizeof TEMPORARY];
  snprintf(temporary, sizeof temporary, "%.*s" TEMPORARY, FILE_NAME_SIZE - 1, name);
  int directory = open_directory(dir);
  if (directory < 0) return refused(dir, name, "open the directory");
  enum boltz_status status = BOLTZ_OK;
  if (!write_temporary(directory, temporary, bytes, size) ||
      renameat(directory, temporary, directory, name) != 0) {
    status = refused(dir, name, "write");
    unlinkat(directory, temporary, 0);
  } else if (fsync(directory) != 0) {
    status = refused(dir, name, "fsync the directory of");
  }
  close(directory);
  return status;
}

/* ---- reading ---- */

static bool read_all(int file, char *bytes, size_t size) {
  while (size > 0) {
    ssize_t n = read(file, bytes, size);
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) errno = ENODATA; /* it has shrunk */
    if (n <= 0) return false;
    bytes += n;
    size -= (size_t)n;
  }
  return true;
}

static enum boltz_status read_open(int file, const char *dir, const char *name, void **bytes,
                                   size_t *size) {
  struct stat status;
  if (fstat(file, &status) != 0) return refused(dir, name, "stat");
  *size = (size_t)status.st_size;
  *bytes = malloc(*size ? *size : 1);
  if (!*bytes)
    return boltz_fail(BOLTZ_NO_MEMORY, "no memory for the %zu bytes of %s/%s", *size, dir, name);
  if (read_all(file, *bytes, *size)) return BOLTZ_OK;
  enum boltz_status failed = refused(dir, name, "read");
  free(*bytes);
  *bytes = NULL;
  return failed;
}

enum boltz_status file_read(const char *dir, const char *name, void **bytes, size_t *size) {
  *bytes = NULL;
  *size = 0;
  int directory = open_directory(dir);
  if (directory < 0) return refused(dir, name, "open the directory");
  int file = openat(directory, name, O_RDONLY | O_CLOEXEC);
  int error = errno;
  close(directory);
  errno = error;
  if (file < 0) return errno == ENOENT ? BOLTZ_OK : refused(dir, name, "open");
  enum boltz_status status = read_open(file, dir, name, bytes, size);
  close(file);
  return status;
}

/* ---- removing ---- */

void file_remove(const char *dir, const char *name) {
  int directory = open_directory(dir);
  if (directory < 0) return;
  unlinkat(directory, name, 0);
  close(directory);
}

static bool is_temporary(const char *name) {
  size_t length = strlen(name), end = strlen(TEMPORARY);
  return length > end && strcmp(name + length - end, TEMPORARY) == 0;
}

void file_sweep(const char *dir, bool (*keep)(const void *argument, const char *name),
                const void *argument) {
  DIR *stream = opendir(dir);
  if (!stream) return;
  for (struct dirent *entry; (entry = readdir(stream));) {
    if (entry->d_name[0] == '.') continue;
    if (is_temporary(entry->d_name) || (keep && !keep(argument, entry->d_name)))
      unlinkat(dirfd(stream), entry->d_name, 0);
  }
  closedir(stream);
}
