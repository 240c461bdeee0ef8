/* tiles_private.h - what the tiles files share. */
#ifndef SERVER_API_TILES_PRIVATE_H
#define SERVER_API_TILES_PRIVATE_H

#include "server/api/api.h"

/** tiles.c */
bool tiles_are_npy(const struct tiles *tiles);
/** Numbers of a row. */
size_t tiles_columns(const struct tiles *tiles);
/** Rows of a tile; the last one may be shorter. */
size_t tiles_rows(const struct tiles *tiles, size_t tile);

/** tiles_print.c: what stands before an array of the JSON reply. */
void tiles_open_array(struct boltz_text *text, const struct tiles *tiles, int array);
/** The numbers of n rows of an array, with commas between the rows. */
void tiles_print_array(struct boltz_text *text, const struct api_array *array,
                       const struct api_columns *columns, size_t n);
/** The numbers of n rows, all arrays side by side, as they stand in NPY. */
void tiles_copy_rows(double *rows, const struct tiles *tiles, const struct api_columns *columns,
                     size_t n);

/** tiles_stream.c: make the work's reply a streamed one; false: no memory. */
bool tiles_stream_open(struct tiles *tiles);
/** Keep what each() printed. */
void tiles_stream_keep(struct tiles *tiles, size_t tile, size_t n,
                       const struct api_columns *columns);
/** Send it all between two texts, which it takes. */
void tiles_stream_reply(struct tiles *tiles, struct boltz_text *before, struct boltz_text *after);
/** Forget it: there will be another reply. */
void tiles_stream_drop(struct tiles *tiles);

#endif
