/* torus.h - sites of a periodic lattice, numbered row by row: N a side, along an axis whose
 * neighbours are `stride` numbers apart (1, N, N^2). */
#ifndef BOLTZ_ENERGY_TORUS_H
#define BOLTZ_ENERGY_TORUS_H

/** The site `steps` >= 0 further along an axis, around the end. */
static inline int boltz_torus_step(int N, int stride, int site, int steps) {
  const int at = site / stride % N, to = (at + steps) % N;
  return site + (to - at) * stride;
}

/** The next site along an axis, and the one before; with N = 2 they are one. */
static inline int boltz_torus_next(int N, int stride, int site) {
  return boltz_torus_step(N, stride, site, 1);
}

static inline int boltz_torus_previous(int N, int stride, int site) {
  return boltz_torus_step(N, stride, site, N - 1);
}

#endif
