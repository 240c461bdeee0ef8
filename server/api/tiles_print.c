/* tiles_print.c - the numbers of a tile, as JSON and as they lie in NPY. */
#include "server/api/tiles_private.h"

void tiles_open_array(struct boltz_text *text, const struct tiles *tiles, int array) {
  boltz_text_printf(text, "%s\"%s\":[", array ? "]," : "", tiles->arrays[array].name);
}

static void print_rows(struct boltz_text *text, const struct boltz_batch *batch, size_t n) {
  char *at = boltz_text_room(text, n * ((size_t)batch->dim * BOLTZ_NUMBER_SIZE + 3));
  if (!at) return;
  for (size_t i = 0; i < n; i++) {
    if (i) *at++ = ',';
    *at++ = '[';
    for (int j = 0; j < batch->dim; j++) {
      if (j) *at++ = ',';
      at += boltz_number_print(batch->col[j][i], at);
    }
    *at++ = ']';
  }
  boltz_text_grow(text, at);
}

static void print_column(struct boltz_text *text, const double *column, size_t n) {
  char *at = boltz_text_room(text, n * BOLTZ_NUMBER_SIZE);
  if (!at) return;
  for (size_t i = 0; i < n; i++) {
    if (i) *at++ = ',';
    at += boltz_number_print(column[i], at);
  }
  boltz_text_grow(text, at);
}

void tiles_print_array(struct boltz_text *text, const struct api_array *array,
                       const struct api_columns *columns, size_t n) {
  if (array->width)
    print_rows(text, columns->batch, n);
  else
    print_column(text, columns->column, n);
}

/* In the byte order of every machine we run on: little-endian. */
void tiles_copy_rows(double *rows, const struct tiles *tiles, const struct api_columns *columns,
                     size_t n) {
  for (size_t i = 0; i < n; i++)
    for (int k = 0; k < tiles->narrays; k++) {
      if (!tiles->arrays[k].width) *rows++ = columns[k].column[i];
      for (int j = 0; j < tiles->arrays[k].width; j++) *rows++ = columns[k].batch->col[j][i];
    }
}
