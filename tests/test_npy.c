/* test_npy.c - arrays written by NumPy are read; what is not such an array is refused. */
#include "boltz/npy.h"

#include <stdint.h>

#include "check.h"

/* numpy.save of NumPy 1.24, version 1.0: magic, 118 = 0x76, the literal, spaces, a newline. */
#define HEAD "\x93NUMPY\x01\x00v\x00"

static struct boltz_arena *arena;

struct file {
  unsigned char bytes[1024];
  size_t size;
};

/* A version 1.0 file around a literal, padded to 128 bytes as NumPy does, then `size` data. */
static struct file file_of(const char *literal, const void *data, size_t size) {
  struct file file = {.size = 128 + size};
  int length = snprintf((char *)file.bytes + 10, 119, "%-117s\n", literal);
  CHECK_INT(length, 118);
  memcpy(file.bytes, HEAD, 10);
  if (size) memcpy(file.bytes + 128, data, size);
  return file;
}

static enum boltz_status read_exact(const void *bytes, size_t size, double **rows, size_t *n,
                                    size_t *dim) {
  char *copy = malloc(size ? size : 1); /* so that reading beyond the end is seen by a sanitizer */
  memcpy(copy, bytes, size);
  enum boltz_status status = boltz_npy_read(copy, size, arena, rows, n, dim);
  free(copy);
  return status;
}

static void refuses(struct file file, const char *because) {
  double *rows;
  size_t n, dim;
  CHECK_INT(read_exact(file.bytes, file.size, &rows, &n, &dim), BOLTZ_MALFORMED_NPY);
  CHECK_MSG(strstr(boltz_error(), because) != NULL, "%s", boltz_error());
}

/* numpy.save(f, [[1, 2.5], [-3, 4], [0, 1e300]]) */
static void a_matrix_saved_by_numpy_is_read(void) {
  static const char data[] =
      "\x00\x00\x00\x00\x00\x00\xf0\x3f\x00\x00\x00\x00\x00\x00\x04@"
      "\x00\x00\x00\x00\x00\x00\x08\xc0"
      "\x00\x00\x00\x00\x00\x00\x10@\x00\x00\x00\x00\x00\x00\x00\x00\x9cu\x00\x88<\xe4\x37~";
  struct file file =
      file_of("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }", data, 48);
  double *rows;
  size_t n, dim;
  CHECK_INT(read_exact(file.bytes, file.size, &rows, &n, &dim), BOLTZ_OK);
  CHECK(n == 3 && dim == 2);
  CHECK(rows[0] == 1 && rows[1] == 2.5 && rows[2] == -3 && rows[4] == 0 && rows[5] == 1e300);
}

/* numpy.save(f, arange(3, dtype='<f4')) */
static void a_vector_of_floats_is_one_column(void) {
  struct file file = file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }",
                             "\x00\x00\x00\x00\x00\x00\x80?\x00\x00\x00@", 12);
  double *rows;
  size_t n, dim;
  CHECK_INT(read_exact(file.bytes, file.size, &rows, &n, &dim), BOLTZ_OK);
  CHECK(n == 3 && dim == 1);
  CHECK(rows[0] == 0 && rows[1] == 1 && rows[2] == 2);
}

/* numpy.lib.format.write_array(f, [1.5, 2.5], version=(2, 0)) */
static void version_2_has_a_longer_length(void) {
  unsigned char bytes[144];
  memcpy(bytes, "\x93NUMPY\x02\x00t\x00\x00\x00", 12);
  snprintf((char *)bytes + 12, 117, "%-115s\n",
           "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }");
  memcpy(bytes + 128, "\x00\x00\x00\x00\x00\x00\xf8?\x00\x00\x00\x00\x00\x00\x04@", 16);
  double *rows;
  size_t n, dim;
  CHECK_INT(read_exact(bytes, sizeof bytes, &rows, &n, &dim), BOLTZ_OK);
  CHECK(n == 2 && dim == 1 && rows[0] == 1.5 && rows[1] == 2.5);
}

static void order_quotes_and_spaces_do_not_matter(void) {
  const double one = 7;
  static const char *const literals[] = {
      "{'shape':(1,1),'fortran_order':False,'descr':'<f8'}",
      "  { \"descr\" :\"<f8\" , \"shape\": ( 1 , 1 , ) , 'fortran_order' : False , }  ",
      "{'fortran_order': False, 'descr': '<f8', 'shape': (1,)}"};
  for (size_t k = 0; k < sizeof literals / sizeof *literals; k++) {
    struct file file = file_of(literals[k], &one, 8);
    double *rows;
    size_t n, dim;
    CHECK_MSG(read_exact(file.bytes, file.size, &rows, &n, &dim) == BOLTZ_OK, "%s", boltz_error());
    CHECK(n == 1 && dim == 1 && rows[0] == 7);
  }
}

static void an_empty_array_has_no_rows(void) {
  struct file file =
      file_of("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 3), }", NULL, 0);
  double *rows;
  size_t n, dim;
  CHECK_INT(read_exact(file.bytes, file.size, &rows, &n, &dim), BOLTZ_OK);
  CHECK(n == 0 && dim == 3);
}

static void other_dtypes_orders_and_ranks_are_refused_by_name(void) {
  static const char zeros[64];
  refuses(file_of("{'descr': '>f8', 'fortran_order': False, 'shape': (2,), }", zeros, 16), ">f8");
  refuses(file_of("{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }", zeros, 16), "<i8");
  refuses(file_of("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", zeros, 16), "|O");
  refuses(file_of("{'descr': '<f8', 'fortran_order': True, 'shape': (2, 2), }", zeros, 32),
          "Fortran");
  refuses(file_of("{'descr': '<f8', 'fortran_order': False, 'shape': (), }", zeros, 8), "rank 0");
  refuses(file_of("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2, 2), }", zeros, 64),
          "rank 3");
}

static void a_literal_that_is_not_one_is_refused(void) {
  static const char *const literals[] = {
      "",
      "{",
      "{}",
      "(1,)",
      "{'descr': '<f8', 'fortran_order': False}",
      "{'descr': '<f8', 'shape': (1,)}",
      "{'fortran_order': False, 'shape': (1,)}",
      "{'descr': '<f8', 'fortran_order': False, 'shape': (1)}",
      "{'descr': '<f8', 'fortran_order': False, 'shape': (,)}",
      "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}",
      "{'descr': '<f8', 'fortran_order': False, 'shape': (1L,)}",
      "{'descr': '<f8', 'fortran_order': False, 'shape': [1]}",
      "{'descr': '<f8', 'fortran_order': 0, 'shape': (1,)}",
      "{'descr': '<f8', 'fortran_order': Falsey, 'shape': (1,)}",
      "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'x': 1}",
      "{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (1,)}",
      "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'shape': (1,)}",
      "{'descr': '<f8', 'fortran_order': False, 'shape': (1,)} x",
      "{'descr': '<f8' 'fortran_order': False, 'shape': (1,)}",
      "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,)}",
      "{'descr': '<f8, 'fortran_order': False, 'shape': (1,)}",
      "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999999,)}"};
  static const char zeros[8];
  for (size_t k = 0; k < sizeof literals / sizeof *literals; k++)
    refuses(file_of(literals[k], zeros, 8), "header");
}

static void a_size_that_does_not_fit_the_shape_is_refused(void) {
  static const char zeros[64];
  const char *two = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }";
  refuses(file_of(two, zeros, 15), "does not fit");
  refuses(file_of(two, zeros, 17), "does not fit");
  refuses(file_of(two, zeros, 0), "does not fit");
  /* 2^61 times 8 and 2^32 times 2^32 wrap to 0 */
  refuses(file_of("{'descr': '<f8', 'fortran_order': False, 'shape': (2305843009213693952,), }",
                  zeros, 0),
          "does not fit");
  refuses(file_of("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
                  zeros, 0),
          "does not fit");
}

static void other_versions_and_magics_are_refused(void) {
  const double one = 1;
  struct file good = file_of("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", &one, 8);
  struct file bad = good;
  bad.bytes[6] = 3;
  refuses(bad, "3.0");
  bad = good;
  bad.bytes[7] = 1;
  refuses(bad, "1.1");
  bad = good;
  bad.bytes[0] = 0x92;
  refuses(bad, "begin");
  bad = good;
  bad.bytes[9] = 0xff; /* a header longer than the file */
  refuses(bad, "header");
}

static void every_truncation_is_refused(void) {
  const double two[] = {1, 2};
  struct file file = file_of("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", two, 16);
  double *rows;
  size_t n, dim;
  for (size_t size = 0; size < file.size; size++)
    CHECK_INT(read_exact(file.bytes, size, &rows, &n, &dim), BOLTZ_MALFORMED_NPY);
}

static void no_changed_byte_does_more_than_fail(void) {
  const double two[] = {1, 2};
  struct file file = file_of("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", two, 16);
  for (size_t k = 0; k < 128; k++)
    for (int byte = 0; byte < 256; byte++) {
      struct file changed = file;
      double *rows;
      size_t n, dim;
      changed.bytes[k] = (unsigned char)byte;
      if (read_exact(changed.bytes, changed.size, &rows, &n, &dim) != BOLTZ_OK)
        CHECK_INT(read_exact(changed.bytes, changed.size, &rows, &n, &dim), BOLTZ_MALFORMED_NPY);
      else
        CHECK(n * dim == 2 || n * dim == 4); /* 4: <f4 */
    }
}

static void a_written_header_is_read_back(void) {
  static const size_t shapes[][2] = {{1, 1}, {3, 2}, {1000, 7}, {0, 5}};
  for (size_t k = 0; k < 4; k++) {
    size_t n = shapes[k][0], dim = shapes[k][1], n2, dim2;
    char header[BOLTZ_NPY_HEADER];
    size_t length = boltz_npy_header(n, dim, header);
    CHECK(length % 64 == 0 && length <= BOLTZ_NPY_HEADER);
    CHECK(memcmp(header, "\x93NUMPY\x01\x00", 8) == 0);
    CHECK_INT((unsigned char)header[8] + 256 * (unsigned char)header[9], length - 10);
    CHECK_INT(header[length - 1], '\n');
    char *file = calloc(1, length + n * dim * 8);
    memcpy(file, header, length);
    for (size_t i = 0; i < n * dim; i++) {
      double value = (double)i / 3;
      memcpy(file + length + 8 * i, &value, 8);
    }
    double *rows;
    CHECK_INT(read_exact(file, length + n * dim * 8, &rows, &n2, &dim2), BOLTZ_OK);
    CHECK(n2 == n && dim2 == dim);
    for (size_t i = 0; i < n * dim; i++) CHECK(rows[i] == (double)i / 3);
    free(file);
  }
}

static void the_largest_shape_fits_the_header(void) {
  char header[BOLTZ_NPY_HEADER + 1];
  header[BOLTZ_NPY_HEADER] = 'x';
  CHECK_INT(boltz_npy_header(SIZE_MAX, SIZE_MAX, header), BOLTZ_NPY_HEADER);
  CHECK(strstr(header + 10, "(18446744073709551615, 18446744073709551615), }") != NULL);
  CHECK_INT(header[BOLTZ_NPY_HEADER], 'x');
}

static void an_array_too_large_for_the_arena_is_no_memory(void) {
  static double zeros[100];
  struct boltz_arena *small = boltz_arena_open(256);
  struct file file =
      file_of("{'descr': '<f8', 'fortran_order': False, 'shape': (100,), }", zeros, 800);
  double *rows;
  size_t n, dim;
  CHECK_INT(boltz_npy_read(file.bytes, file.size, small, &rows, &n, &dim), BOLTZ_NO_MEMORY);
  boltz_arena_close(small);
}

int main(int argc, char **argv) {
  arena = boltz_arena_open(0);
  RUN(a_matrix_saved_by_numpy_is_read);
  RUN(a_vector_of_floats_is_one_column);
  RUN(version_2_has_a_longer_length);
  RUN(order_quotes_and_spaces_do_not_matter);
  RUN(an_empty_array_has_no_rows);
  RUN(other_dtypes_orders_and_ranks_are_refused_by_name);
  RUN(a_literal_that_is_not_one_is_refused);
  RUN(a_size_that_does_not_fit_the_shape_is_refused);
  RUN(other_versions_and_magics_are_refused);
  RUN(every_truncation_is_refused);
  RUN(no_changed_byte_does_more_than_fail);
  RUN(a_written_header_is_read_back);
  RUN(the_largest_shape_fits_the_header);
  RUN(an_array_too_large_for_the_arena_is_no_memory);
  boltz_arena_close(arena);
  return check_report();
}
