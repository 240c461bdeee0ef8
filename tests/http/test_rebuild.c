/* test_rebuild.c - a page of numpy rebuilds flows from their checkpoints, in float64, and agrees.
 */
#include "tests/check.h"
#include "tests/http/client.h"

static struct daemon server;
static const char *python; /* an interpreter that has numpy, or NULL */

enum { N = 10000 };

/* ---- Flows that have every layer and every base of the catalog between them ---- */

#define TURN "6.283185307179586"

/* JSON, with ' for ". */
static const struct example {
  const char *name, *energy, *base, *layers[10];
  bool data;  /* learns from data, not from the energy */
  bool alike; /* has particles whose names a sample deals at random */
} examples[] = {
    {"line",
     "{'kind':'expression','variables':['a'],'u':'(a^2 - 1)^2 + a/2'}",
     "'normal'",
     {"{'type':'spline','bins':5,'bound':3}", "{'type':'actnorm'}"},
     .data = true},
    {"torus",
     "{'kind':'expression','variables':['a','b','c'],'u':'cos(a) + sin(b - a) + cos(c)','domain':{"
     "'a':{'low':0,'high':6.3,'periodic':true},'b':{'low':0,'high':6.3,'periodic':true},"
     "'c':{'low':0,'high':6.3,'periodic':true}}}",
     "{'type':'uniform','low':[0,0,0],'high':[6.3,6.3,6.3],'periodic':[0,1,2]}",
     {"{'type':'spline'}", "{'type':'circular_shift','coordinates':[0,1]}",
      "{'type':'relative','coordinates':[1,2],'to':[0,1]}"}},
    {"triangle",
     "{'kind':'expression','variables':['a','b','c'],"
     "'u':'(a^2 - 1)^2 + (b - a)^2 + (c + b)^2/2'}",
     "{'type':'mixture','components':3}",
     {"{'type':'spline_coupling','fixed':[0,2],'moved':[1],'hidden':[16]}",
      "{'type':'spline_coupling','fixed':[1],'moved':[2,0],'hidden':[16],'activation':'tanh',"
      "'bins':5,'bound':2}",
      "{'type':'spline','coordinates':[2,0]}",
      "{'type':'linear','coordinates':[2,0,1],'permutation':[1,2,0]}",
      "{'type':'permute','order':[1,2,0]}", "{'type':'whitening'}"},
     .data = true},
    {"box",
     "{'kind':'expression','variables':['a','b','c'],'u':'a^2 + a*cos(b) + (c - sin(b))^2',"
     "'domain':{'a':{'low':-1,'high':2},'b':{'low':-3.1,'high':3.1,'periodic':true}}}",
     "{'type':'uniform','low':[-3.1,-1,0],'high':[3.1,2,4],'periodic':[0]}",
     {"{'type':'circular_shift','coordinates':[0]}", "{'type':'permute','order':[1,0,2]}",
      "{'type':'spline_coupling','fixed':[1,2],'moved':[0],'hidden':[16]}",
      "{'type':'spline_coupling','fixed':[0],'moved':[2,1],'hidden':[16]}",
      "{'type':'affine_coupling','fixed':[1,0],'moved':[2],'hidden':[16]}", "{'type':'spline'}",
      "{'type':'spline_coupling','fixed':[1,0],'moved':[2],'hidden':[16],'activation':'relu',"
      "'bins':3}"}},
    {"lattice",
     "{'kind':'phi4','L':4}",
     "{'type':'circular','coordinates':[1,3,5,7,9,11,13,15],'low':[0,0,0,0,0,0,0,0],"
     "'high':[" TURN "," TURN "," TURN "," TURN "," TURN "," TURN "," TURN "," TURN "]}",
     {"{'type':'spline_coupling','fixed':[0,2,3,4,5,9],'moved':[7,13,12,6],'hidden':[16],"
      "'lattice':[4,2]}",
      "{'type':'spline_coupling','fixed':[6,7,14,15],'moved':[0,1,2,3,4,5,8,9,10,11],"
      "'hidden':[16],'lattice':[4,2]}",
      "{'type':'polar','coordinates':[2,3,0,1,4,5]}",
      "{'type':'polar','coordinates':[6,7,8,9,10,11,12,13,14,15],'relative':false}"}},
    {"bath",
     "{'kind':'particle_dimer','n_solvent':4}",
     "'normal'",
     {"{'type':'additive_coupling','fixed':[0,1,2,3],'moved':[8,7],'hidden':[16]}",
      "{'type':'mean_free','space':2}",
      "{'type':'affine_coupling','fixed':[1,3,5],'moved':[0,2,4,9],'hidden':[16],'scale_cap':0}",
      "{'type':'actnorm'}", "{'type':'exchange','particles':[4,6,8],'width':2}",
      "{'type':'exchange','particles':[0,2],'width':2}"},
     .data = true,
     .alike = true},
    {"pair",
     "{'kind':'harmonic_pair'}",
     "'laplace'",
     {"{'type':'realnvp','blocks':1,'hidden':[16]}",
      "{'type':'interval','coordinates':[0],'low':[0],'high':[4]}",
      "{'type':'spline','coordinates':[0]}"}},
};

enum { EXAMPLES = sizeof examples / sizeof *examples };

static const char *quoted(struct boltz_text *text) {
  for (char *at = text->data; (at = strchr(at, '\'')) != NULL;) *at = '"';
  return text->data;
}

/* Few steps, but fast ones: no weight stays where it began. */
static const char stage[] =
    "'stages':[{'%s':1,'steps':20,'batch':64,'learning_rate':0.02}],'precision':'fp32'";

static void train(const struct example *of) {
  struct boltz_text model = {0}, job = {0};
  boltz_text_printf(&model, "{'name':'%s','energy':%s}", of->name, of->energy);
  struct answer made = call(&server, "POST", "/v1/models", quoted(&model));
  CHECK_MSG(made.status == 201, "%s: %s", of->name, made.body);
  boltz_text_printf(&job, "{'kind':'train','model':'%s','seed':3,", of->name);
  boltz_text_printf(&job, "'data':{'walkers':16,'burn_in':50,'stride':4,'steps':%d},",
                    of->data ? 200 : 0);
  boltz_text_printf(&job, stage, of->data ? "ml" : "kl");
  boltz_text_printf(&job, ",'flow':{'base':%s,'layers':[%s", of->base, of->layers[0]);
  for (int k = 1; of->layers[k]; k++) boltz_text_printf(&job, ",%s", of->layers[k]);
  boltz_text_puts(&job, "]}}");
  struct answer trained = run_job(&server, quoted(&job), 60, NULL);
  const char *status = answer_text(&trained, "status");
  CHECK_MSG(status && strcmp(status, "succeeded") == 0, "%s: %s", of->name, trained.body);
  answer_free(&trained);
  answer_free(&made);
  boltz_text_free(&job);
  boltz_text_free(&model);
}

/* ---- What the daemon says, and what the script ---- */

/* Samples of a model; or, of one with particles that are alike, what their latents go to. */
struct drawn {
  const char *model;
  size_t dim;
  double *x, *log_q; /* [N, dim], [N] */
  char *z;           /* the latents as an NPY file */
  size_t size;
  struct boltz_arena *arena;
};

/* POST for rows [N, *dim] of NPY; NULL when they are not there. */
static double *post(const struct drawn *drawn, const char *what, const char *type, const void *body,
                    size_t size, size_t *dim) {
  char path[128], content[64];
  snprintf(path, sizeof path, "/v1/models/%s/%s", drawn->model, what);
  snprintf(content, sizeof content, "Content-Type: %s", type);
  const char *const headers[] = {content, "Accept: application/x-npy", NULL};
  struct answer answer = call_with(&server, "POST", path, body, size, headers);
  double *rows = NULL;
  size_t n = 0;
  const bool good =
      boltz_npy_read(answer.body, answer.size, drawn->arena, &rows, &n, dim) == BOLTZ_OK && n == N;
  CHECK_MSG(good, "%s: %s", path, answer.body);
  answer_free(&answer);
  return good ? rows : NULL;
}

/* Columns of samples: x, z, log_q. */
static bool draw(struct drawn *drawn, bool alike) {
  static const char body[] = "{\"n\":10000,\"seed\":3,\"include\":[\"z\",\"log_q\"]}";
  size_t columns, dim;
  double *rows = post(drawn, "sample", "application/json", body, sizeof body - 1, &columns);
  if (!rows) return false;
  dim = drawn->dim = columns / 2;
  drawn->x = boltz_arena_alloc(drawn->arena, N * dim, sizeof(double));
  drawn->log_q = boltz_arena_alloc(drawn->arena, N, sizeof(double));
  drawn->z = boltz_arena_alloc(drawn->arena, BOLTZ_NPY_HEADER + N * dim * sizeof(double), 1);
  const size_t row = dim * sizeof(double), head = boltz_npy_header(N, dim, drawn->z);
  drawn->size = head + N * row;
  for (size_t i = 0; i < N; i++) {
    memcpy(drawn->x + i * dim, rows + i * columns, row);
    memcpy(drawn->z + head + i * row, rows + i * columns + dim, row);
    drawn->log_q[i] = rows[i * columns + 2 * dim];
  }
  if (!alike) return true;
  rows = post(drawn, "transform?to=x", "application/x-npy", drawn->z, drawn->size, &columns);
  for (size_t i = 0; rows && i < N; i++) memcpy(drawn->x + i * dim, rows + i * columns, row);
  return rows;
}

static void write_file(const char *path, const void *bytes, size_t size) {
  FILE *file = fopen(path, "wb");
  if (!file) return;
  fwrite(bytes, 1, size, file);
  fclose(file);
}

/* An NPY file as rows [N, dim]; NULL when it is not there. */
static double *read_rows(const char *path, size_t dim, struct boltz_arena *arena) {
  const size_t most = BOLTZ_NPY_HEADER + N * dim * sizeof(double);
  char *bytes = boltz_arena_alloc(arena, most, 1);
  FILE *file = fopen(path, "rb");
  const size_t size = file ? fread(bytes, 1, most, file) : 0;
  if (file) fclose(file);
  double *rows = NULL;
  size_t n = 0, columns = 0;
  const bool good = boltz_npy_read(bytes, size, arena, &rows, &n, &columns) == BOLTZ_OK;
  return good && n == N && columns == dim ? rows : NULL;
}

/* Give the script the flow's file and latents; read what it makes of them. */
static bool rebuild(const struct drawn *drawn, double **x, double **log_q) {
  static const char *const ends[] = {"flow", "z.npy", "x.npy", "log_q.npy"};
  char names[4][300], path[128], command[1400];
  for (int k = 0; k < 4; k++) snprintf(names[k], sizeof names[k], "%s/%s", server.data, ends[k]);
  snprintf(path, sizeof path, "/v1/models/%s/versions/1/checkpoint", drawn->model);
  struct answer file = call(&server, "GET", path, NULL);
  write_file(names[0], file.body, file.size);
  write_file(names[1], drawn->z, drawn->size);
  answer_free(&file);
  snprintf(command, sizeof command, "%s tests/golden/rebuild_flow.py %s %s %s %s", python, names[0],
           names[1], names[2], names[3]);
  if (system(command) != 0) return false;
  *x = read_rows(names[2], drawn->dim, drawn->arena);
  *log_q = read_rows(names[3], 1, drawn->arena);
  return *x && *log_q;
}

/* +infinity is what both say of a latent that has no weight. */
static double distance(double a, double b) {
  return a == b ? 0 : fabs(a - b);
}

/* Networks are float, the rest double: what they say is off by some 1e-7, a knot of a curve by as
   much, and a slope by that over the width of a bin, most often a tenth, never under 1e-3. */
#define CLOSE 1e-5
#define FAR 1e-3

static void compare(const char *model, bool alike) {
  struct drawn drawn = {.model = model, .arena = boltz_arena_open(0)};
  double *x = NULL, *log_q = NULL, worst = 0;
  size_t close = 0, far = 0, without = 0;
  const bool there = draw(&drawn, alike) && rebuild(&drawn, &x, &log_q);
  CHECK_MSG(there, "%s", model);
  for (size_t i = 0; there && i < N; i++) {
    double miss = distance(log_q[i], drawn.log_q[i]);
    for (size_t j = 0; j < drawn.dim; j++) {
      const double own = distance(x[i * drawn.dim + j], drawn.x[i * drawn.dim + j]);
      if (!(own <= miss)) miss = own;
    }
    close += miss <= CLOSE;
    far += !(miss <= FAR);
    without += isinf(drawn.log_q[i]);
    worst = fmax(worst, miss);
  }
  printf("     %s: %.2f %% within 1e-5, all within %.1e\n", model, 100.0 * (double)close / N,
         worst);
  CHECK_MSG(close >= 0.99 * N, "%s", model);
  CHECK_MSG(there && far == 0, "%s", model);
  CHECK_MSG(alike ? without > 0 && without < N : without == 0, "%s: %zu", model, without);
  boltz_arena_close(drawn.arena);
}

/* ---- Tests ---- */

#define NO_PYTHON "no python3 with numpy (Debian: python3-numpy)"

static void the_double_well_is_rebuilt_from_its_checkpoint(void) {
  if (!python) SKIP(NO_PYTHON);
  compare("example-double-well", false);
}

static void the_harmonic_pair_is_rebuilt_from_its_checkpoint(void) {
  if (!python) SKIP(NO_PYTHON);
  compare("example-harmonic-pair", false);
}

static void trained_flows_of_all_sorts_are_rebuilt_from_their_checkpoints(void) {
  if (!python) SKIP(NO_PYTHON);
  for (int k = 0; k < EXAMPLES; k++) {
    train(&examples[k]);
    compare(examples[k].name, examples[k].alike);
  }
}

/* Of some flow that is rebuilt? A short form is, by what it stands for. */
static bool is_layer(const char *name) {
  char text[96];
  snprintf(text, sizeof text, "{'type':'%s'", name);
  for (int k = 0; k < EXAMPLES; k++)
    for (int i = 0; examples[k].layers[i]; i++)
      if (strstr(examples[k].layers[i], text)) return true;
  return false;
}

static bool is_base(const char *name) {
  char text[96];
  snprintf(text, sizeof text, "'%s'", name);
  for (int k = 0; k < EXAMPLES; k++)
    if (strstr(examples[k].base, text)) return true;
  return false;
}

static void no_layer_and_no_base_of_the_catalog_is_left_out(void) {
  struct answer catalog = call(&server, "GET", "/v1/catalog", NULL);
  const struct boltz_json *layers = answer_member(&catalog, "layers");
  const struct boltz_json *bases = answer_member(&catalog, "bases");
  CHECK(layers && layers->n > 0 && bases && bases->n > 0);
  for (const struct boltz_json *kind = layers ? layers->child : NULL; kind; kind = kind->next) {
    const char *name = boltz_json_member(kind, "name")->text;
    CHECK_MSG(is_layer(name), "the layer %s: a flow above and rebuild_flow.py need it", name);
  }
  for (const struct boltz_json *kind = bases ? bases->child : NULL; kind; kind = kind->next) {
    const char *name = boltz_json_member(kind, "name")->text;
    CHECK_MSG(is_base(name), "the base %s: a flow above and rebuild_flow.py need it", name);
  }
  answer_free(&catalog);
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

int main(int argc, char **argv) {
  daemon_begin(&server);
  python = find_python();
  RUN(the_double_well_is_rebuilt_from_its_checkpoint);
  RUN(the_harmonic_pair_is_rebuilt_from_its_checkpoint);
  RUN(trained_flows_of_all_sorts_are_rebuilt_from_their_checkpoints);
  RUN(no_layer_and_no_base_of_the_catalog_is_left_out);
  daemon_end(&server);
  return check_report();
}
