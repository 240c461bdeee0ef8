/* pointer.h - a member's name as a JSON pointer. */
#ifndef BASE_POINTER_H
#define BASE_POINTER_H

#include <stddef.h>

/** "/" and the key with RFC 6901's escapes, cut to `size`. */
static inline void pointer_to(const char *key, char *pointer, size_t size) {
  size_t used = 0;
  pointer[used++] = '/';
  for (; *key && used + 3 < size; key++) {
    if (*key == '~' || *key == '/') {
      pointer[used++] = '~';
      pointer[used++] = *key == '~' ? '0' : '1';
    } else {
      pointer[used++] = *key;
    }
  }
  pointer[used] = 0;
}

#endif
