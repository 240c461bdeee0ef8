/* npy.c - arrays to and from NPY: the magic, a version, the length of a Python literal, the
 * literal, the numbers. */
#include "boltz/npy.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define MAGIC "\x93NUMPY"

size_t boltz_npy_header(size_t n, size_t dim, char header[BOLTZ_NPY_HEADER]) {
  char text[BOLTZ_NPY_HEADER];
  int length = snprintf(text, sizeof text,
                        "{'descr': '<f8', 'fortran_order': False, 'shape': (%zu, %zu), }", n, dim);
  size_t size = (10 + (size_t)length + 1 + 63) / 64 * 64;
  memset(header, ' ', size);
  memcpy(header, MAGIC "\x01\x00", 8);
  header[8] = (char)((size - 10) & 0xff);
  header[9] = (char)((size - 10) >> 8);
  memcpy(header + 10, text, (size_t)length);
  header[size - 1] = '\n';
  return size;
}

/* What the literal says. */
struct array {
  char descr[16];
  int fortran; /* -1: not said */
  uint64_t shape[2];
  int rank; /* -1: not said */
};

struct literal {
  const char *at, *end;
};

static void skip(struct literal *l) {
  while (l->at < l->end && (*l->at == ' ' || *l->at == '\n' || *l->at == '\t')) l->at++;
}

static int take(struct literal *l, char c) {
  skip(l);
  if (l->at >= l->end || *l->at != c) return 0;
  l->at++;
  return 1;
}

/* A quoted word into `out`, cut to fit. */
static int quoted(struct literal *l, char *out, size_t size) {
  skip(l);
  if (l->at >= l->end || (*l->at != '\'' && *l->at != '"')) return 0;
  char quote = *l->at++;
  size_t n = 0;
  for (; l->at < l->end && *l->at != quote; l->at++)
    if (n + 1 < size) out[n++] = *l->at;
  out[n] = 0;
  return take(l, quote);
}

static int word(struct literal *l, const char *text) {
  skip(l);
  size_t n = strlen(text);
  if ((size_t)(l->end - l->at) < n || memcmp(l->at, text, n) != 0) return 0;
  l->at += n;
  return 1;
}

/* A tuple: "()", "(5,)" or "(5, 2)". "(5)" is an integer to Python and is refused. */
static int shape(struct literal *l, struct array *array) {
  if (array->rank >= 0 || !take(l, '(')) return 0;
  for (array->rank = 0; !take(l, ')'); array->rank++) {
    if (array->rank > 0 && !take(l, ',')) return 0;
    if (array->rank > 0 && take(l, ')')) return 1;
    skip(l);
    uint64_t number = 0;
    const char *first = l->at;
    for (; l->at < l->end && *l->at >= '0' && *l->at <= '9'; l->at++)
      if (__builtin_mul_overflow(number, 10, &number) ||
          __builtin_add_overflow(number, (uint64_t)(*l->at - '0'), &number))
        return 0;
    if (l->at == first) return 0;
    if (array->rank < 2) array->shape[array->rank] = number;
  }
  return array->rank != 1;
}

static int entry(struct literal *l, struct array *array) {
  char key[16];
  if (!quoted(l, key, sizeof key) || !take(l, ':')) return 0;
  if (strcmp(key, "descr") == 0)
    return !array->descr[0] && quoted(l, array->descr, sizeof array->descr);
  if (strcmp(key, "shape") == 0) return shape(l, array);
  if (strcmp(key, "fortran_order") != 0 || array->fortran >= 0) return 0;
  array->fortran = word(l, "True") ? 1 : word(l, "False") ? 0 : -1;
  return array->fortran >= 0;
}

static enum boltz_status parse(const char *text, size_t size, struct array *array) {
  struct literal l = {.at = text, .end = text + size};
  *array = (struct array){.fortran = -1, .rank = -1};
  int good = take(&l, '{');
  while (good && !take(&l, '}')) {
    good = entry(&l, array);
    if (good && !take(&l, ',')) {
      good = take(&l, '}');
      break;
    }
  }
  skip(&l);
  if (!good || l.at != l.end || !array->descr[0] || array->fortran < 0 || array->rank < 0)
    return boltz_fail(BOLTZ_MALFORMED_NPY, "the NPY header is not understood: %.*s",
                      size < 120 ? (int)size : 120, text);
  return BOLTZ_OK;
}

static enum boltz_status check(const struct array *array, size_t size, size_t *width, size_t *n,
                               size_t *dim) {
  *width = strcmp(array->descr, "<f8") == 0 ? 8 : strcmp(array->descr, "<f4") == 0 ? 4 : 0;
  if (*width == 0)
    return boltz_fail(BOLTZ_MALFORMED_NPY, "the NPY dtype is '%s': <f8 and <f4 are read",
                      array->descr);
  if (array->fortran)
    return boltz_fail(BOLTZ_MALFORMED_NPY, "the NPY array is in Fortran order: C order is read");
  if (array->rank != 1 && array->rank != 2)
    return boltz_fail(BOLTZ_MALFORMED_NPY, "the NPY array has rank %d: 1 and 2 are read",
                      array->rank);
  uint64_t columns = array->rank == 2 ? array->shape[1] : 1, bytes;
  if (__builtin_mul_overflow(array->shape[0], columns, &bytes) ||
      __builtin_mul_overflow(bytes, (uint64_t)*width, &bytes) || bytes != size)
    return boltz_fail(BOLTZ_MALFORMED_NPY,
                      "the NPY shape (%llu, %llu) of %s does not fit the %zu bytes that follow",
                      (unsigned long long)array->shape[0], (unsigned long long)columns,
                      array->descr, size);
  *n = array->shape[0];
  *dim = columns;
  return BOLTZ_OK;
}

enum boltz_status boltz_npy_read(const void *bytes, size_t size, struct boltz_arena *arena,
                                 double **rows, size_t *n, size_t *dim) {
  const unsigned char *head = bytes;
  if (size < 10 || memcmp(head, MAGIC, 6) != 0)
    return boltz_fail(BOLTZ_MALFORMED_NPY, "the body does not begin as an NPY file does");
  if ((head[6] != 1 && head[6] != 2) || head[7] != 0 || (head[6] == 2 && size < 12))
    return boltz_fail(BOLTZ_MALFORMED_NPY, "NPY version %d.%d: 1.0 and 2.0 are read", head[6],
                      head[7]);
  size_t start = head[6] == 1 ? 10 : 12;
  size_t length = (size_t)head[8] | (size_t)head[9] << 8;
  if (head[6] == 2) length |= (size_t)head[10] << 16 | (size_t)head[11] << 24;
  if (length > size - start)
    return boltz_fail(BOLTZ_MALFORMED_NPY, "the NPY header ends after %zu bytes of %zu",
                      size - start, length);
  struct array array;
  size_t width;
  BOLTZ_TRY(parse((const char *)head + start, length, &array));
  const unsigned char *data = head + start + length;
  BOLTZ_TRY(check(&array, size - start - length, &width, n, dim));
  double *out = boltz_arena_scratch(arena, *n * *dim, sizeof *out);
  if (!out) return BOLTZ_NO_MEMORY;
  if (width == 8) {
    memcpy(out, data, *n * *dim * sizeof *out);
  } else {
    for (size_t k = 0; k < *n * *dim; k++) {
      float value;
      memcpy(&value, data + k * sizeof value, sizeof value);
      out[k] = value;
    }
  }
  *rows = out;
  return BOLTZ_OK;
}
