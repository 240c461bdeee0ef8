/* arena.c - memory that lives and dies together: a list of chunks, each filled from its start. */
#include "boltz/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "boltz/status.h"

#define ALIGNMENT ((size_t)64)
#define FIRST_CHUNK ((size_t)16 << 10)
#define LARGEST_STEP ((size_t)8 << 20) /* chunks double up to here */
#define HUGE_PAGE ((size_t)2 << 20)

/* Its bytes follow the header, which fills one unit of alignment. */
struct chunk {
  struct chunk *next;
  size_t size, used;
};

struct boltz_arena {
  struct chunk *first, *current;
  size_t limit, held;
  bool exhausted;
};

_Static_assert(sizeof(struct chunk) <= 64, "a chunk's header fills one unit of alignment");

struct boltz_arena *boltz_arena_open(size_t limit) {
  struct boltz_arena *arena = calloc(1, sizeof *arena);
  if (arena) arena->limit = limit;
  return arena;
}

void boltz_arena_close(struct boltz_arena *arena) {
  if (!arena) return;
  for (struct chunk *chunk = arena->first; chunk;) {
    struct chunk *next = chunk->next;
    free(chunk);
    chunk = next;
  }
  free(arena);
}

/* Memory for a chunk. Weights of megabytes are read from end to end for every tile: on huge pages
   the processor need not look up an address every 4 KiB. */
static struct chunk *allocate(size_t size) {
  if (size < 2 * HUGE_PAGE) return aligned_alloc(ALIGNMENT, size);
  struct chunk *chunk = aligned_alloc(HUGE_PAGE, (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
  if (chunk) madvise(chunk, size, MADV_HUGEPAGE); /* where the system has them */
  return chunk;
}

static struct chunk *new_chunk(struct boltz_arena *arena, size_t need) {
  size_t size = arena->current ? arena->current->size * 2 : FIRST_CHUNK;
  if (size > LARGEST_STEP) size = LARGEST_STEP;
  if (size < need) size = need;
  size_t left = arena->limit ? arena->limit - arena->held : SIZE_MAX;
  if (size > left) size = left / ALIGNMENT * ALIGNMENT; /* all that is left, in one chunk */
  if (size < need) {
    arena->exhausted = true;
    boltz_fail(BOLTZ_NO_MEMORY, "%zu bytes more than the %zu in use are over the limit of %zu",
               need, arena->held, arena->limit);
    return NULL;
  }
  struct chunk *chunk =
      size > SIZE_MAX / 2 ? NULL : allocate(ALIGNMENT + size / ALIGNMENT * ALIGNMENT);
  if (!chunk) {
    arena->exhausted = true;
    boltz_fail(BOLTZ_NO_MEMORY, "the system has no %zu bytes left", size);
    return NULL;
  }
  *chunk = (struct chunk){.size = size};
  arena->held += size;
  return chunk;
}

/* The chunk to take `need` bytes from: the current one, a later one kept by a release, or a new
 * one. */
static struct chunk *room(struct boltz_arena *arena, size_t need) {
  struct chunk *chunk = arena->current;
  while (chunk && chunk->size - chunk->used < need) {
    if (!chunk->next) break;
    chunk = chunk->next;
    chunk->used = 0;
  }
  if (chunk && chunk->size - chunk->used >= need) return chunk;
  struct chunk *fresh = new_chunk(arena, need);
  if (!fresh) return NULL;
  if (chunk)
    chunk->next = fresh;
  else
    arena->first = fresh;
  return fresh;
}

void *boltz_arena_scratch(struct boltz_arena *arena, size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2) {
    boltz_fail(BOLTZ_NO_MEMORY, "%zu objects of %zu bytes cannot be held", count, size);
    return NULL;
  }
  bytes = bytes ? (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT : ALIGNMENT;
  struct chunk *chunk = room(arena, bytes);
  if (!chunk) return NULL;
  void *memory = (char *)chunk + ALIGNMENT + chunk->used;
  chunk->used += bytes;
  arena->current = chunk;
  return memory;
}

void *boltz_arena_alloc(struct boltz_arena *arena, size_t count, size_t size) {
  void *memory = boltz_arena_scratch(arena, count, size);
  if (memory) memset(memory, 0, count * size);
  return memory;
}

char *boltz_arena_strdup(struct boltz_arena *arena, const char *text) {
  size_t size = strlen(text) + 1;
  char *copy = boltz_arena_scratch(arena, size, 1);
  if (copy) memcpy(copy, text, size);
  return copy;
}

struct boltz_mark boltz_arena_mark(struct boltz_arena *arena) {
  return (struct boltz_mark){.chunk = arena->current,
                             .used = arena->current ? arena->current->used : 0};
}

void boltz_arena_release(struct boltz_arena *arena, struct boltz_mark mark) {
  arena->current = mark.chunk ? mark.chunk : arena->first;
  if (arena->current) arena->current->used = mark.used;
}

bool boltz_arena_exhausted(struct boltz_arena *arena) {
  bool exhausted = arena->exhausted;
  arena->exhausted = false;
  return exhausted;
}

size_t boltz_arena_size(const struct boltz_arena *arena) {
  return arena->held;
}
