/* train_pieces.c - the weights cut into pieces: small layers together, large ones in equal parts.
 */
#include "core/train_pieces.h"

#define PIECE ((size_t)65536) /* weights of a piece, at most */

static size_t parts_of(const struct boltz_layer *layer) {
  return layer->nw == 0 ? 1 : (layer->nw - 1) / PIECE + 1;
}

static size_t cut_layer(const struct boltz_layer *layer, size_t parts, struct boltz_piece *piece) {
  for (size_t k = 0; k < parts; k++) {
    const size_t at = layer->nw * k / parts, end = layer->nw * (k + 1) / parts;
    piece[k] = (struct boltz_piece){.at = layer->w_offset + at,
                                    .n = end - at,
                                    .layer = layer->index,
                                    .layers = 1,
                                    .of = (int)parts};
  }
  return parts;
}

struct boltz_piece *boltz_pieces_cut(const struct boltz_flow *flow, struct boltz_arena *arena,
                                     size_t *n) {
  size_t most = 0;
  for (int i = 0; i < flow->nlayers; i++) most += parts_of(&flow->layers[i]);
  struct boltz_piece *pieces = BOLTZ_NEW_ARRAY(arena, most, struct boltz_piece);
  *n = 0;
  for (int i = 0; pieces && i < flow->nlayers; i++) {
    const struct boltz_layer *layer = &flow->layers[i];
    struct boltz_piece *last = *n > 0 ? &pieces[*n - 1] : NULL;
    if (last && last->of == 1 && last->n + layer->nw <= PIECE) {
      last->n += layer->nw;
      last->layers++;
    } else {
      *n += cut_layer(layer, parts_of(layer), pieces + *n);
    }
  }
  return pieces;
}
