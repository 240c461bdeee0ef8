/* full_disk.h - a limit on the size of files, which refuses writes just as a full disk does. */
#ifndef TESTS_FULL_DISK_H
#define TESTS_FULL_DISK_H

#include <signal.h>
#include <sys/resource.h>

/* The limit there was before, to be set again once there is room. */
static inline struct rlimit limit_files(rlim_t most) {
  struct rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  struct rlimit tight = {.rlim_cur = most, .rlim_max = before.rlim_max};
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &tight);
  return before;
}

/* A limit that no write of the store can keep. */
static inline struct rlimit fill_the_disk(void) {
  return limit_files(100);
}

#endif
