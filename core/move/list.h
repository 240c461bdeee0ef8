/* list.h - every kind of move: a line here and a file beside it. */
BOLTZ_MOVE(metropolis)
