/* move.c - the list of moves. */
#include "boltz/move.h"

#include <string.h>

#define BOLTZ_MOVE(kind) extern const struct boltz_move_kind boltz_move_##kind;
#include "core/move/list.h"
#undef BOLTZ_MOVE

static const struct boltz_move_kind *const kinds[] = {
#define BOLTZ_MOVE(kind) &boltz_move_##kind,
#include "core/move/list.h"
#undef BOLTZ_MOVE
};

#define KINDS ((int)(sizeof(kinds) / sizeof(kinds[0])))

const struct boltz_move_kind *boltz_move_kind_at(int index) {
  return index >= 0 && index < KINDS ? kinds[index] : NULL;
}

const struct boltz_move_kind *boltz_move_kind_find(const char *name) {
  for (int k = 0; k < KINDS; k++)
    if (strcmp(kinds[k]->name, name) == 0) return kinds[k];
  return NULL;
}
