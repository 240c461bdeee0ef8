/* arena.h - memory that lives and dies together. */
#ifndef BOLTZ_ARENA_H
#define BOLTZ_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct boltz_arena;

/** A new arena that will hold at most `limit` bytes (0: no limit). NULL when memory is exhausted.
 */
struct boltz_arena *boltz_arena_open(size_t limit);

/** Free everything at once. NULL is harmless. */
void boltz_arena_close(struct boltz_arena *arena);

/**
 * `count` objects of `size` bytes, zeroed, aligned to 64 bytes. The product is checked.
 * Errors: NULL when the limit or memory is exhausted; a sentence is left in boltz_error().
 */
void *boltz_arena_alloc(struct boltz_arena *arena, size_t count, size_t size);

/** The same without zeroing: for scratch that is written before it is read. */
void *boltz_arena_scratch(struct boltz_arena *arena, size_t count, size_t size);

/** A copy of `text` in the arena; NULL when exhausted. */
char *boltz_arena_strdup(struct boltz_arena *arena, const char *text);

/** A place to come back to. */
struct boltz_mark {
  void *chunk;
  size_t used;
};

/** Scratch taken after a mark is given back by its release; chunks are kept for the next use. */
struct boltz_mark boltz_arena_mark(struct boltz_arena *arena);
void boltz_arena_release(struct boltz_arena *arena, struct boltz_mark mark);

/** Has it refused anything since this was last asked? Arithmetic that returns nothing shows
 * exhausted scratch as non-finite numbers: who must not take them for results asks here. */
bool boltz_arena_exhausted(struct boltz_arena *arena);

/** Bytes the arena holds from the system. */
size_t boltz_arena_size(const struct boltz_arena *arena);

#define BOLTZ_NEW(arena, type) ((type *)boltz_arena_alloc((arena), 1, sizeof(type)))
#define BOLTZ_NEW_ARRAY(arena, count, type) \
  ((type *)boltz_arena_alloc((arena), (count), sizeof(type)))

#endif
