/* test_safetensors.c - files are read back, and files that lie are refused. */
#include "boltz/safetensors.h"

#include "check.h"

static struct boltz_arena *arena;

/* Read from a block of exactly `size` bytes, so that a sanitizer sees a byte too many. The block
 * is handed out to be freed: the file is a view of it. */
static enum boltz_status read_exact(const void *bytes, size_t size, void **block,
                                    struct boltz_safetensors *file) {
  *block = malloc(size ? size : 1);
  memcpy(*block, bytes, size);
  return boltz_safetensors_read(*block, size, arena, file);
}

/* The 8 bytes of length, the header, `ndata` bytes 0, 1, 2 … */
static struct boltz_text file_of(const char *header, size_t ndata) {
  struct boltz_text file = {0};
  unsigned char length[8];
  for (int k = 0; k < 8; k++) length[k] = (unsigned char)((uint64_t)strlen(header) >> (8 * k));
  boltz_text_bytes(&file, length, 8);
  boltz_text_puts(&file, header);
  for (size_t k = 0; k < ndata; k++) boltz_text_bytes(&file, &(unsigned char){(unsigned char)k}, 1);
  return file;
}

static enum boltz_status read_header(const char *header, size_t ndata) {
  struct boltz_text text = file_of(header, ndata);
  struct boltz_safetensors file;
  void *block;
  enum boltz_status status = read_exact(text.data, text.size, &block, &file);
  free(block);
  boltz_text_free(&text);
  return status;
}

static void accepts(const char *header, size_t ndata) {
  CHECK_MSG(read_header(header, ndata) == BOLTZ_OK, "%s: %s", header, boltz_error());
}

static void refuses(const char *header, size_t ndata, const char *because) {
  CHECK_MSG(read_header(header, ndata) == BOLTZ_BAD_CHECKPOINT, "%s", header);
  CHECK_MSG(strstr(boltz_error(), because) != NULL, "%s: %s", header, boltz_error());
}

#define A8 "\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}"
#define B4 "\"b\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[8,12]}"

static const double doubles[] = {1, -2.5, 1e300};
static const float floats[] = {1, 2, 3, 4};
static struct boltz_meta meta[] = {{"format", "boltzd"}, {"note", "a \"b\" \\ \xc3\xa9\n"}};
static struct boltz_safetensor tensors[] = {
    {"weights", "F64", 1, {3}, doubles, sizeof doubles},
    {"empty", "F64", 2, {0, 7}, NULL, 0},
    {"layer.0.w", "F32", 2, {2, 2}, floats, sizeof floats},
    {"step", "U64", 0, {0}, "\x01\x02\x03\x04\x05\x06\x07\x08", 8}};

static struct boltz_text written(void) {
  struct boltz_text text = {0};
  struct boltz_safetensors file = {2, meta, 4, tensors};
  boltz_safetensors_write(&file, &text);
  CHECK(!text.failed);
  return text;
}

static void what_is_written_reads_back_bit_identical(void) {
  struct boltz_text text = written();
  struct boltz_safetensors file;
  void *block;
  CHECK_INT(read_exact(text.data, text.size, &block, &file), BOLTZ_OK);
  CHECK_INT(file.ntensors, 4);
  for (int k = 0; k < 4; k++) {
    const struct boltz_safetensor *t = boltz_safetensors_tensor(&file, tensors[k].name);
    CHECK(t != NULL);
    if (!t) continue;
    CHECK_TEXT(t->dtype, tensors[k].dtype);
    CHECK_INT(t->rank, tensors[k].rank);
    for (int r = 0; r < t->rank; r++) CHECK_INT(t->shape[r], tensors[k].shape[r]);
    CHECK_INT(t->size, tensors[k].size);
    CHECK(t->size == 0 || memcmp(t->data, tensors[k].data, t->size) == 0);
  }
  CHECK_TEXT(boltz_safetensors_meta(&file, "format"), "boltzd");
  CHECK_TEXT(boltz_safetensors_meta(&file, "note"), meta[1].value);
  CHECK(boltz_safetensors_meta(&file, "absent") == NULL);
  CHECK(boltz_safetensors_tensor(&file, "absent") == NULL);
  free(block);
  boltz_text_free(&text);
}

static void data_starts_on_a_multiple_of_8_and_equal_input_gives_equal_bytes(void) {
  struct boltz_text a = written(), b = written();
  CHECK(a.size == b.size && memcmp(a.data, b.data, a.size) == 0);
  uint64_t length = 0;
  for (int k = 0; k < 8; k++) length |= (uint64_t)(unsigned char)a.data[k] << (8 * k);
  CHECK_INT(length % 8, 0);
  CHECK_INT(a.size - 8 - length, 24 + 16 + 8);
  boltz_text_free(&a);
  boltz_text_free(&b);
}

static void files_without_metadata_or_tensors_are_files(void) {
  struct boltz_text text = {0};
  struct boltz_safetensors file = {0};
  void *block;
  boltz_safetensors_write(&file, &text);
  CHECK_INT(read_exact(text.data, text.size, &block, &file), BOLTZ_OK);
  CHECK(file.ntensors == 0 && file.nmeta == 0);
  free(block);
  boltz_text_free(&text);
  file = (struct boltz_safetensors){.ntensors = 4, .tensors = tensors};
  boltz_safetensors_write(&file, &text);
  CHECK_INT(read_exact(text.data, text.size, &block, &file), BOLTZ_OK);
  CHECK(file.ntensors == 4 && file.nmeta == 0);
  free(block);
  boltz_text_free(&text);
  accepts("{}", 0);
  accepts("{\"__metadata__\":{}}", 0);
}

static void data_that_is_not_aligned_is_copied(void) {
  const char *header =
      "{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
      "\"b\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[3,11]}} ";
  struct boltz_text text = file_of(header, 11);
  struct boltz_safetensors file;
  void *block;
  CHECK_INT(read_exact(text.data, text.size, &block, &file), BOLTZ_OK);
  const struct boltz_safetensor *b = boltz_safetensors_tensor(&file, "b");
  CHECK((uintptr_t)b->data % 8 == 0);
  CHECK(memcmp(b->data, "\3\4\5\6\7\10\11\12", 8) == 0);
  free(block);
  boltz_text_free(&text);
}

static void tensors_may_come_in_any_order_in_the_header(void) {
  accepts("{" A8 "," B4 "}", 12);
  accepts("{" B4 "," A8 "}   ", 12);
  accepts("{" A8 ",\"e\":{\"dtype\":\"F64\",\"shape\":[0],\"data_offsets\":[8,8]}," B4 "}", 12);
}

static void holes_overlaps_and_bytes_left_over_are_refused(void) {
  refuses("{" A8 "}", 9, "1 bytes follow");
  refuses("{" A8 "}", 7, "tensor a");
  refuses("{}", 1, "1 bytes follow");
  refuses("{" B4 "}", 12, "tensor b"); /* nothing before it */
  refuses("{" A8 ",\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[12,16]}}", 16,
          "tensor b");
  refuses("{" A8 ",\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "tensor b");
  refuses("{" A8 ",\"b\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "tensor");
  /* an empty tensor in the midst of another, and one beyond the end */
  refuses("{" A8 ",\"e\":{\"dtype\":\"F64\",\"shape\":[0],\"data_offsets\":[4,4]}}", 8, "tensor e");
  refuses("{" A8 ",\"e\":{\"dtype\":\"F64\",\"shape\":[0],\"data_offsets\":[9,9]}}", 8, "tensor e");
}

static void a_shape_that_does_not_fit_its_bytes_is_refused(void) {
  refuses("{\"a\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "tensor a");
  refuses("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "tensor a");
  refuses("{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[8,0]}}", 8, "tensor a");
  /* 2^32 2^32 and 8 2^61 wrap to 0 */
  refuses("{\"a\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
          "tensor a");
  refuses("{\"a\":{\"dtype\":\"F64\",\"shape\":[2147483648,1073741824],\"data_offsets\":[0,0]}}", 0,
          "tensor a");
  refuses(
      "{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[9007199254740984,9007199254740992]"
      "}}",
      8, "tensor a");
}

static void integers_are_natural_numbers_up_to_2_to_the_53(void) {
  refuses("{\"a\":{\"dtype\":\"F64\",\"shape\":[-1],\"data_offsets\":[0,8]}}", 8, "tensor a");
  refuses("{\"a\":{\"dtype\":\"F64\",\"shape\":[1.5],\"data_offsets\":[0,12]}}", 12, "tensor a");
  refuses("{\"a\":{\"dtype\":\"F64\",\"shape\":[\"1\"],\"data_offsets\":[0,8]}}", 8, "tensor a");
  refuses("{\"a\":{\"dtype\":\"F64\",\"shape\":[1e999],\"data_offsets\":[0,8]}}", 8, "tensor a");
  refuses("{\"a\":{\"dtype\":\"F64\",\"shape\":[9007199254740994,0],\"data_offsets\":[0,0]}}", 0,
          "tensor a");
  refuses("{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[-8,0]}}", 0, "tensor a");
}

static void entries_have_exactly_their_three_members(void) {
  refuses("{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8],\"x\":1}}", 8,
          "tensor a");
  refuses("{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"offsets\":[0,8]}}", 8, "tensor a");
  refuses("{\"a\":{\"dtype\":\"F64\",\"shape\":[1]}}", 0, "tensor a");
  refuses("{\"a\":{\"dtype\":\"F65\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "tensor a");
  refuses("{\"a\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "tensor a");
  refuses("{\"a\":{\"dtype\":\"F64\",\"shape\":1,\"data_offsets\":[0,8]}}", 8, "tensor a");
  refuses("{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0]}}", 8, "tensor a");
  refuses("{\"a\":[1,2,3]}", 0, "tensor a");
  refuses("{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1,
          "tensor a");
  accepts("{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1);
}

static void names_are_text_of_at_most_256_bytes_each_once(void) {
  char header[600], name[300];
  memset(name, 'n', sizeof name);
  snprintf(header, sizeof header,
           "{\"%.256s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", name);
  accepts(header, 1);
  snprintf(header, sizeof header,
           "{\"%.257s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", name);
  refuses(header, 1, "name");
  refuses("{\"a\\nb\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "name");
  refuses("{" A8 "," A8 "}", 8, "given twice");
  refuses("{" A8 ",\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[8,16]}}", 16,
          "given twice");
}

static void metadata_is_text_alone(void) {
  accepts("{\"__metadata__\":{\"a\":\"b\"}}", 0);
  refuses("{\"__metadata__\":{\"a\":1}}", 0, "metadata");
  refuses("{\"__metadata__\":[]}", 0, "metadata");
  refuses("{\"__metadata__\":{\"a\":\"b\",\"a\":\"c\"}}", 0, "given twice");
}

static void only_spaces_surround_the_header(void) {
  accepts("{" A8 "}        ", 8);
  refuses(" {" A8 "}", 8, "begin");
  refuses("{" A8 "}\n", 8, "spaces");
  refuses("{" A8 "} x", 8, "byte");
  refuses("{" A8 "}{}", 8, "byte");
  refuses("[]", 0, "begin");
  refuses("", 0, "begin");
}

static void a_header_longer_than_the_file_or_a_mebibyte_is_refused(void) {
  struct boltz_text text = written();
  struct boltz_safetensors file;
  void *block;
  for (int k = 1; k < 8; k++) { /* a length with one high byte set */
    unsigned char kept = (unsigned char)text.data[k];
    text.data[k] = (char)0xff;
    CHECK_INT(read_exact(text.data, text.size, &block, &file), BOLTZ_BAD_CHECKPOINT);
    text.data[k] = (char)kept;
    free(block);
  }
  boltz_text_free(&text);
  char *header = malloc((1 << 20) + 2);
  memset(header, ' ', (1 << 20) + 1);
  memcpy(header, "{}", 2);
  header[(1 << 20) + 1] = 0;
  refuses(header, 0, "1 MiB");
  header[1 << 20] = 0;
  accepts(header, 0);
  free(header);
}

static void every_truncation_is_refused(void) {
  struct boltz_text text = written();
  for (size_t size = 0; size < text.size; size++) {
    struct boltz_safetensors file;
    void *block;
    CHECK_INT(read_exact(text.data, size, &block, &file), BOLTZ_BAD_CHECKPOINT);
    free(block);
  }
  boltz_text_free(&text);
}

/* Whatever byte of length or header changes, the file is refused or its tensors still fill it. */
static void no_changed_byte_does_more_than_fail(void) {
  struct boltz_text text = written();
  size_t header = text.size - 48;
  struct boltz_mark mark = boltz_arena_mark(arena);
  for (size_t k = 0; k < header; k++)
    for (int bit = 0; bit < 8; bit++) {
      struct boltz_safetensors file;
      void *block;
      text.data[k] ^= (char)(1 << bit);
      enum boltz_status status = read_exact(text.data, text.size, &block, &file);
      size_t total = 0, sum = 0;
      for (size_t t = 0; status == BOLTZ_OK && t < file.ntensors; t++) {
        total += file.tensors[t].size;
        for (size_t b = 0; b < file.tensors[t].size; b++)
          sum += ((const unsigned char *)file.tensors[t].data)[b];
      }
      CHECK(status == BOLTZ_BAD_CHECKPOINT || (status == BOLTZ_OK && total == 48 && sum > 0));
      text.data[k] ^= (char)(1 << bit);
      free(block);
      boltz_arena_release(arena, mark);
    }
  boltz_text_free(&text);
}

int main(int argc, char **argv) {
  arena = boltz_arena_open(0);
  RUN(what_is_written_reads_back_bit_identical);
  RUN(data_starts_on_a_multiple_of_8_and_equal_input_gives_equal_bytes);
  RUN(files_without_metadata_or_tensors_are_files);
  RUN(data_that_is_not_aligned_is_copied);
  RUN(tensors_may_come_in_any_order_in_the_header);
  RUN(holes_overlaps_and_bytes_left_over_are_refused);
  RUN(a_shape_that_does_not_fit_its_bytes_is_refused);
  RUN(integers_are_natural_numbers_up_to_2_to_the_53);
  RUN(entries_have_exactly_their_three_members);
  RUN(names_are_text_of_at_most_256_bytes_each_once);
  RUN(metadata_is_text_alone);
  RUN(only_spaces_surround_the_header);
  RUN(a_header_longer_than_the_file_or_a_mebibyte_is_refused);
  RUN(every_truncation_is_refused);
  RUN(no_changed_byte_does_more_than_fail);
  boltz_arena_close(arena);
  return check_report();
}
