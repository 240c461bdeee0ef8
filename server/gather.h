/* gather.h - small pieces of work that wait together and are done together. */
#ifndef SERVER_GATHER_H
#define SERVER_GATHER_H

#include "server/pool.h"

struct piece;

/**
 * Do pieces of one kind, `rows` in all, as one slice of work. They are linked by `next`, which is
 * read before a piece is answered: it may be gone afterwards.
 */
typedef void (*gather_run)(struct piece *first, size_t rows, struct worker *worker);

/** Embed it in what the work needs. */
struct piece {
  struct piece *next; /* the gatherer's, until run() gets it */
  gather_run run;
  const void *kind; /* pieces of equal kind and run() may be done together */
  size_t rows;      /* 1 … most */
  size_t most;      /* rows of one slice; equal for equal kinds */
};

struct gather;

/** On the interactive queue of this pool. NULL: no memory. */
struct gather *gather_open(struct pool *pool);

/** After the pool is closed. NULL is harmless. */
void gather_close(struct gather *gather);

/**
 * Do a piece soon: at once when a worker is free, else with those of its kind that wait by then.
 * Nothing waits for more to come, and who came first is in the next slice. Never blocks.
 */
void gather_add(struct gather *gather, struct piece *piece);

#endif
