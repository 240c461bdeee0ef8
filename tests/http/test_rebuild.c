/* test_rebuild.c - thirty lines of numpy rebuild a flow from its checkpoint, in float64, and agree.
 */
#include "tests/check.h"
#include "tests/http/client.h"

static struct daemon server;

enum { N = 10000 };

static void write_file(const char *path, const void *bytes, size_t size) {
  FILE *file = fopen(path, "wb");
  if (!file) return;
  fwrite(bytes, 1, size, file);
  fclose(file);
}

/* An NPY file as rows; NULL when it is not there. */
static double *read_npy(const char *path, struct boltz_arena *arena, size_t *n, size_t *dim) {
  static char bytes[1 << 20];
  FILE *file = fopen(path, "rb");
  size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
  if (file) fclose(file);
  double *rows = NULL;
  return boltz_npy_read(bytes, size, arena, &rows, n, dim) == BOLTZ_OK ? rows : NULL;
}

/* An interpreter that has numpy, or NULL. */
static const char *find_python(void) {
  static const char *const names[] = {"python3", "/usr/bin/python3"};
  for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
    char command[128];
    snprintf(command, sizeof command, "%s -c 'import numpy' >/dev/null 2>&1", names[k]);
    if (system(command) == 0) return names[k];
  }
  return NULL;
}

/* Columns of samples: x1, x2, z1, z2, log_q. */
static double *draw(const char *model, struct boltz_arena *arena) {
  static const char body[] = "{\"n\":10000,\"seed\":3,\"include\":[\"z\",\"log_q\"]}";
  const char *const npy[] = {"Content-Type: application/json", "Accept: application/x-npy", NULL};
  char path[128];
  snprintf(path, sizeof path, "/v1/models/%s/sample", model);
  struct answer answer = call_with(&server, "POST", path, body, sizeof body - 1, npy);
  double *rows = NULL;
  size_t n = 0, dim = 0;
  bool good = boltz_npy_read(answer.body, answer.size, arena, &rows, &n, &dim) == BOLTZ_OK &&
              n == N && dim == 5;
  answer_free(&answer);
  return good ? rows : NULL;
}

/* Give the script the flow's file and latents; read what it makes of them. */
static bool rebuild(const char *python, const char *model, const double *rows,
                    struct boltz_arena *arena, double **x, double **log_q) {
  static const char *const ends[] = {"flow", "z", "x.npy", "log_q.npy"};
  static char z[BOLTZ_NPY_HEADER + N * 2 * sizeof(double)];
  char names[4][300], path[128], command[1400];
  size_t head = boltz_npy_header(N, 2, z), n, columns;
  for (size_t i = 0; i < N; i++) memcpy(z + head + i * 16, rows + i * 5 + 2, 16);
  for (int k = 0; k < 4; k++) snprintf(names[k], sizeof names[k], "%s/%s", server.data, ends[k]);
  snprintf(path, sizeof path, "/v1/models/%s/versions/1/checkpoint", model);
  struct answer file = call(&server, "GET", path, NULL);
  write_file(names[0], file.body, file.size);
  write_file(names[1], z, head + N * 16);
  answer_free(&file);
  snprintf(command, sizeof command, "%s tests/golden/rebuild_flow.py %s %s %s %s", python, names[0],
           names[1], names[2], names[3]);
  if (system(command) != 0) return false;
  *x = read_npy(names[2], arena, &n, &columns);
  *log_q = read_npy(names[3], arena, &n, &columns);
  return *x && *log_q;
}

static void compare(const char *model) {
  const char *python = find_python();
  if (!python) SKIP("no python3 with numpy (Debian: python3-numpy)");
  struct boltz_arena *arena = boltz_arena_open(0);
  double *rows = draw(model, arena), *x = NULL, *log_q = NULL;
  CHECK(rows && rebuild(python, model, rows, arena, &x, &log_q));
  double within = 0, worst = 0;
  for (size_t i = 0; x && log_q && i < N; i++) {
    double miss = fmax(fabs(x[2 * i] - rows[5 * i]), fabs(x[2 * i + 1] - rows[5 * i + 1]));
    miss = fmax(miss, fabs(log_q[i] - rows[5 * i + 4]));
    within += miss <= 1e-5;
    worst = fmax(worst, miss);
  }
  printf("     %s: %.2f %% within 1e-5, all within %.1e\n", model, 100 * within / N, worst);
  CHECK(within >= 0.99 * N);
  CHECK(worst <= 1e-3);
  boltz_arena_close(arena);
}

static void the_double_well_is_rebuilt_from_its_checkpoint(void) {
  compare("example-double-well");
}

static void the_harmonic_pair_is_rebuilt_from_its_checkpoint(void) {
  compare("example-harmonic-pair");
}

int main(int argc, char **argv) {
  daemon_begin(&server);
  RUN(the_double_well_is_rebuilt_from_its_checkpoint);
  RUN(the_harmonic_pair_is_rebuilt_from_its_checkpoint);
  daemon_end(&server);
  return check_report();
}
