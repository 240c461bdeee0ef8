/* coordinates.c - checks of lists of coordinates, and of where each of them ends. */
#include "core/base/coordinates.h"

#include <math.h>
#include <stdio.h>

enum boltz_status boltz_coordinates_check(const char *name, const struct boltz_ints *list, int dim,
                                          bool *seen) {
  char pointer[64];
  if (list->n == 0) {
    snprintf(pointer, sizeof pointer, "/%s", name);
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "%s names no coordinate", name);
  }
  for (size_t k = 0; k < list->n; k++) {
    const int64_t j = list->v[k];
    snprintf(pointer, sizeof pointer, "/%s/%zu", name, k);
    if (!(j >= 0 && j < dim))
      return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "coordinate %lld of %s is not in [0, %d]",
                           (long long)j, name, dim - 1);
    if (seen[j])
      return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "coordinate %lld is named twice",
                           (long long)j);
    seen[j] = true;
  }
  return BOLTZ_OK;
}

enum boltz_status boltz_coordinates_or_all(const char *name, const struct boltz_ints *list, int dim,
                                           struct boltz_arena *arena, struct boltz_ints *named) {
  bool *seen = BOLTZ_NEW_ARRAY(arena, (size_t)dim, bool);
  if (!seen) return BOLTZ_NO_MEMORY;
  *named = *list;
  if (list->n > 0) return boltz_coordinates_check(name, list, dim, seen);
  *named = (struct boltz_ints){(size_t)dim, BOLTZ_NEW_ARRAY(arena, (size_t)dim, int64_t)};
  if (!named->v) return BOLTZ_NO_MEMORY;
  for (int j = 0; j < dim; j++) named->v[j] = j;
  return BOLTZ_OK;
}

enum boltz_status boltz_coordinates_check_ends(const struct boltz_ints *coordinates,
                                               const struct boltz_doubles *low,
                                               const struct boltz_doubles *high) {
  const size_t n = coordinates->n;
  if (low->n != n || high->n != n)
    return boltz_fail_at(BOLTZ_OUT_OF_RANGE, low->n != n ? "/low" : "/high",
                         "%zu coordinates have %zu low and %zu high ends", n, low->n, high->n);
  for (size_t k = 0; k < n; k++) {
    const double a = low->v[k], b = high->v[k];
    char pointer[64];
    snprintf(pointer, sizeof pointer, "/high/%zu", k);
    if (!(a < b && isfinite(b - a) && nextafter(a, b) < nextafter(b, a)))
      return boltz_fail_at(BOLTZ_OUT_OF_RANGE, pointer, "high = %g is not well above low = %g", b,
                           a);
  }
  return BOLTZ_OK;
}
