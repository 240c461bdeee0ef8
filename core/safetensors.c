/* safetensors.c - named tensors and strings in one file: an 8-byte length, a JSON header, the data.
 */
#include "boltz/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boltz/json.h"

#define HEADER_MAX ((uint64_t)1 << 20)
#define TENSORS_MAX 65536
#define NAME_MAX_BYTES 256
#define RANK_MAX 8
#define INTEGER_MAX 9007199254740992.0 /* 2^53 */

static const struct {
  const char *name;
  size_t size;
} dtypes[] = {{"F64", 8},  {"F32", 4}, {"I64", 8}, {"U64", 8}, {"I32", 4}, {"U32", 4}, {"F16", 2},
              {"BF16", 2}, {"I16", 2}, {"U16", 2}, {"I8", 1},  {"U8", 1},  {"BOOL", 1}};

static size_t dtype_size(const char *name) {
  for (size_t k = 0; k < sizeof dtypes / sizeof *dtypes; k++)
    if (strcmp(dtypes[k].name, name) == 0) return dtypes[k].size;
  return 0;
}

/* ---- writing ---- */

void boltz_safetensors_write(const struct boltz_safetensors *file, struct boltz_text *out) {
  struct boltz_text header = {0};
  uint64_t offset = 0;
  boltz_text_puts(&header, file->nmeta ? "{\"__metadata__\":{" : "{");
  for (size_t k = 0; k < file->nmeta; k++) {
    if (k) boltz_text_puts(&header, ",");
    boltz_text_quoted(&header, file->meta[k].key);
    boltz_text_puts(&header, ":");
    boltz_text_quoted(&header, file->meta[k].value);
  }
  if (file->nmeta) boltz_text_puts(&header, "}");
  for (size_t k = 0; k < file->ntensors; k++) {
    const struct boltz_safetensor *t = &file->tensors[k];
    if (k || file->nmeta) boltz_text_puts(&header, ",");
    boltz_text_quoted(&header, t->name);
    boltz_text_printf(&header, ":{\"dtype\":\"%s\",\"shape\":[", t->dtype);
    for (int r = 0; r < t->rank; r++)
      boltz_text_printf(&header, "%s%llu", r ? "," : "", (unsigned long long)t->shape[r]);
    boltz_text_printf(&header, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)offset,
                      (unsigned long long)(offset + t->size));
    offset += t->size;
  }
  boltz_text_puts(&header, "}");
  while (!header.failed && header.size % 8 != 0) boltz_text_puts(&header, " ");
  unsigned char length[8];
  for (int k = 0; k < 8; k++) length[k] = (unsigned char)((uint64_t)header.size >> (8 * k));
  boltz_text_bytes(out, length, sizeof length);
  if (header.failed)
    out->failed = 1;
  else
    boltz_text_bytes(out, header.data, header.size);
  for (size_t k = 0; k < file->ntensors; k++)
    boltz_text_bytes(out, file->tensors[k].data, file->tensors[k].size);
  boltz_text_free(&header);
}

/* ---- reading ---- */

static enum boltz_status bad_header(const char *what) {
  return boltz_fail(BOLTZ_BAD_CHECKPOINT, "safetensors header: %s", what);
}

static enum boltz_status bad_tensor(const char *name, const char *what) {
  return boltz_fail(BOLTZ_BAD_CHECKPOINT, "tensor %.64s: %s", name, what);
}

static bool is_natural(double number) {
  return number >= 0 && number <= INTEGER_MAX && number == (double)(uint64_t)number;
}

static enum boltz_status read_meta(const struct boltz_json *node, struct boltz_arena *arena,
                                   struct boltz_safetensors *file) {
  if (node->type != BOLTZ_JSON_OBJECT) return bad_header("__metadata__ is not an object");
  file->meta = BOLTZ_NEW_ARRAY(arena, node->n, struct boltz_meta);
  if (!file->meta) return BOLTZ_NO_MEMORY;
  for (const struct boltz_json *child = node->child; child; child = child->next) {
    if (child->type != BOLTZ_JSON_STRING) return bad_header("a metadata value is not a string");
    file->meta[file->nmeta++] = (struct boltz_meta){.key = child->key, .value = child->text};
  }
  return BOLTZ_OK;
}

static enum boltz_status check_name(const char *name) {
  if (strlen(name) > NAME_MAX_BYTES || !*name)
    return bad_tensor(name, "its name is too long or empty");
  for (const unsigned char *c = (const unsigned char *)name; *c; c++)
    if (*c < 0x20 || *c == 0x7f) return bad_tensor("?", "a control character in its name");
  return BOLTZ_OK;
}

static enum boltz_status read_shape(const struct boltz_json *shape, struct boltz_safetensor *t,
                                    uint64_t *count) {
  *count = 1;
  if (!shape || shape->type != BOLTZ_JSON_ARRAY || (shape->n && !shape->numbers) ||
      shape->n > RANK_MAX)
    return bad_tensor(t->name, "its shape is not a list of at most 8 integers");
  t->rank = (int)shape->n;
  for (int r = 0; r < t->rank; r++) {
    if (!is_natural(shape->numbers[r])) return bad_tensor(t->name, "its shape is not of integers");
    t->shape[r] = (uint64_t)shape->numbers[r];
    if (__builtin_mul_overflow(*count, t->shape[r], count))
      return bad_tensor(t->name, "its shape is too large");
  }
  return BOLTZ_OK;
}

/* One entry; `begin` is where its data start. */
static enum boltz_status read_tensor(const struct boltz_json *node, struct boltz_safetensor *t,
                                     uint64_t *begin) {
  t->name = node->key;
  BOLTZ_TRY(check_name(node->key));
  if (node->type != BOLTZ_JSON_OBJECT || node->n != 3)
    return bad_tensor(t->name, "its entry must have dtype, shape and data_offsets alone");
  const struct boltz_json *dtype = boltz_json_member(node, "dtype");
  const struct boltz_json *offsets = boltz_json_member(node, "data_offsets");
  uint64_t count, bytes;
  if (!dtype || dtype->type != BOLTZ_JSON_STRING || !dtype_size(dtype->text))
    return bad_tensor(t->name, "its dtype is missing or not one that is read");
  t->dtype = dtype->text;
  BOLTZ_TRY(read_shape(boltz_json_member(node, "shape"), t, &count));
  if (!offsets || offsets->type != BOLTZ_JSON_ARRAY || offsets->n != 2 || !offsets->numbers ||
      !is_natural(offsets->numbers[0]) || !is_natural(offsets->numbers[1]) ||
      offsets->numbers[1] < offsets->numbers[0])
    return bad_tensor(t->name, "its data_offsets are not [begin, end]");
  *begin = (uint64_t)offsets->numbers[0];
  if (__builtin_mul_overflow(count, (uint64_t)dtype_size(t->dtype), &bytes) ||
      bytes != (uint64_t)offsets->numbers[1] - *begin)
    return bad_tensor(t->name, "its shape and data_offsets disagree");
  t->size = bytes;
  return BOLTZ_OK;
}

struct place {
  uint64_t begin, end;
  size_t index;
};

static int by_begin(const void *a, const void *b) {
  const struct place *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  if (x->end != y->end) return x->end < y->end ? -1 : 1; /* empty tensors first */
  return (x->index > y->index) - (x->index < y->index);
}

/* Data lie without holes or overlaps up to the end of the file. */
static enum boltz_status lay_out(struct boltz_safetensors *file, struct place *places,
                                 const char *data, size_t size, struct boltz_arena *arena) {
  uint64_t end = 0;
  qsort(places, file->ntensors, sizeof *places, by_begin);
  for (size_t k = 0; k < file->ntensors; k++) {
    struct boltz_safetensor *t = &file->tensors[places[k].index];
    if (places[k].begin != end) return bad_tensor(t->name, "a hole or an overlap before its data");
    if (t->size > size - end) return bad_tensor(t->name, "its data end beyond the file");
    const char *at = data + end;
    end += t->size;
    if ((uintptr_t)at % dtype_size(t->dtype) != 0) {
      void *copy = boltz_arena_scratch(arena, t->size, 1);
      if (!copy) return BOLTZ_NO_MEMORY;
      memcpy(copy, at, t->size);
      at = copy;
    }
    t->data = at;
  }
  if (end != size)
    return boltz_fail(BOLTZ_BAD_CHECKPOINT, "%zu bytes follow the last tensor", size - (size_t)end);
  return BOLTZ_OK;
}

static enum boltz_status read_header(const char *text, size_t size, struct boltz_arena *arena,
                                     struct boltz_json **root) {
  if (size == 0 || text[0] != '{') return bad_header("it does not begin with {");
  enum boltz_status status = boltz_json_parse(text, size, 4, arena, root);
  if (status == BOLTZ_NO_MEMORY) return status;
  if (status != BOLTZ_OK)
    return boltz_fail(BOLTZ_BAD_CHECKPOINT, "safetensors header: %.300s", boltz_error());
  if ((*root)->type != BOLTZ_JSON_OBJECT) return bad_header("it is not an object");
  if ((*root)->n > TENSORS_MAX + 1) return bad_header("it names more than 65536 tensors");
  size_t last = size;
  while (last > 0 && text[last - 1] == ' ') last--;
  return text[last - 1] == '}' ? BOLTZ_OK : bad_header("something but spaces follows the }");
}

enum boltz_status boltz_safetensors_read(const void *bytes, size_t size, struct boltz_arena *arena,
                                         struct boltz_safetensors *file) {
  const unsigned char *head = bytes;
  uint64_t length = 0;
  if (size < 8) return bad_header("the file is shorter than 8 bytes");
  for (int k = 0; k < 8; k++) length |= (uint64_t)head[k] << (8 * k);
  if (length > HEADER_MAX) return bad_header("its length is over 1 MiB");
  if (length > size - 8) return bad_header("its length is beyond the file");
  const char *text = (const char *)bytes + 8;
  struct boltz_json *root;
  BOLTZ_TRY(read_header(text, (size_t)length, arena, &root));
  *file = (struct boltz_safetensors){0};
  file->tensors = BOLTZ_NEW_ARRAY(arena, root->n, struct boltz_safetensor);
  struct place *places = BOLTZ_NEW_ARRAY(arena, root->n, struct place);
  if (!file->tensors || !places) return BOLTZ_NO_MEMORY;
  for (const struct boltz_json *child = root->child; child; child = child->next) {
    if (strcmp(child->key, "__metadata__") == 0) {
      BOLTZ_TRY(read_meta(child, arena, file));
      continue;
    }
    size_t k = file->ntensors++;
    places[k].index = k;
    BOLTZ_TRY(read_tensor(child, &file->tensors[k], &places[k].begin));
    places[k].end = places[k].begin + file->tensors[k].size;
  }
  return lay_out(file, places, text + length, size - 8 - (size_t)length, arena);
}

const char *boltz_safetensors_meta(const struct boltz_safetensors *file, const char *key) {
  for (size_t k = 0; k < file->nmeta; k++)
    if (strcmp(file->meta[k].key, key) == 0) return file->meta[k].value;
  return NULL;
}

const struct boltz_safetensor *boltz_safetensors_tensor(const struct boltz_safetensors *file,
                                                        const char *name) {
  for (size_t k = 0; k < file->ntensors; k++)
    if (strcmp(file->tensors[k].name, name) == 0) return &file->tensors[k];
  return NULL;
}
