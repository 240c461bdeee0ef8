/* test_checkpoint.c - a flow to and from its file; every way the file can be wrong is refused. */
#include "boltz/checkpoint.h"
#include "check.h"

#define FLOW                                                                           \
  "{\"base\":\"normal\",\"layers\":[{\"type\":\"realnvp\",\"blocks\":1,\"hidden\":[5," \
  "3]},{\"type\":\"actnorm\"}]}"

static struct boltz_json *json(const char *text, struct boltz_arena *arena) {
  struct boltz_json *root = NULL;
  CHECK_INT(boltz_json_parse(text, strlen(text), 16, arena, &root), BOLTZ_OK);
  return root;
}

/* A double well of dim 3 at T = 0.75 and a small flow with weights from a seed. */
static struct boltz_checkpoint make(struct boltz_arena *arena) {
  struct boltz_checkpoint c = {.model = "dw-\"1\"",
                               .step = 1200,
                               .seed = 18446744073709551615u,
                               .producer = "test 1.0",
                               .metrics = "{\"ess_fraction\":0.5}"};
  struct boltz_flow_spec spec;
  CHECK_INT(boltz_energy_parse(json("{\"kind\":\"double_well\",\"b\":5.5,\"dim\":3}", arena), 0.75,
                               arena, &c.energy),
            BOLTZ_OK);
  CHECK_INT(boltz_flow_spec_parse(json(FLOW, arena), 3, arena, &spec), BOLTZ_OK);
  CHECK_INT(boltz_flow_new(&spec, 3, arena, &c.flow), BOLTZ_OK);
  CHECK_INT(boltz_weights_new(&c.flow, arena, &c.weights), BOLTZ_OK);
  boltz_flow_init(&c.flow, 7, &c.weights);
  for (size_t k = 0; k < c.flow.nw; k++) c.weights.flat[k] += 0.01f * (float)(k % 11);
  boltz_flow_pack(&c.flow, &c.weights);
  return c;
}

static void a_checkpoint_reads_back_to_the_same_flow(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  const struct boltz_checkpoint a = make(arena);
  struct boltz_checkpoint b;
  struct boltz_text bytes = {0};
  CHECK_INT(boltz_checkpoint_write(&a, arena, &bytes), BOLTZ_OK);
  CHECK_MSG(boltz_checkpoint_read(bytes.data, bytes.size, arena, &b) == BOLTZ_OK, "%s",
            boltz_error());
  CHECK_TEXT(b.model, a.model);
  CHECK_INT(b.weights.precision, a.weights.precision);
  CHECK_TEXT(b.producer, a.producer);
  CHECK_TEXT(b.metrics, a.metrics);
  CHECK_INT(b.step, 1200);
  CHECK(b.seed == a.seed);
  CHECK(b.energy.temperature == 0.75);
  CHECK_INT(b.energy.dim, 3);
  CHECK_INT(b.flow.nw, a.flow.nw);
  CHECK(memcmp(b.weights.flat, a.weights.flat, a.flow.nw * sizeof(float)) == 0);
  CHECK(memcmp(b.weights.packed, a.weights.packed, a.flow.npacked * sizeof(float)) == 0);
  boltz_text_free(&bytes);
  boltz_arena_close(arena);
}

static void equal_content_gives_equal_bytes(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  const struct boltz_checkpoint a = make(arena);
  struct boltz_checkpoint b;
  struct boltz_text first = {0}, second = {0};
  CHECK_INT(boltz_checkpoint_write(&a, arena, &first), BOLTZ_OK);
  CHECK_INT(boltz_checkpoint_read(first.data, first.size, arena, &b), BOLTZ_OK);
  CHECK_INT(boltz_checkpoint_write(&b, arena, &second), BOLTZ_OK);
  CHECK_INT(second.size, first.size);
  CHECK(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
  boltz_text_free(&first);
  boltz_text_free(&second);
  boltz_arena_close(arena);
}

static void the_file_holds_what_the_document_says(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  const struct boltz_checkpoint a = make(arena);
  struct boltz_safetensors file;
  struct boltz_text bytes = {0};
  CHECK_INT(boltz_checkpoint_write(&a, arena, &bytes), BOLTZ_OK);
  CHECK_INT(boltz_safetensors_read(bytes.data, bytes.size, arena, &file), BOLTZ_OK);
  CHECK_INT(file.nmeta, 11);
  CHECK_TEXT(boltz_safetensors_meta(&file, "format"), "boltz");
  CHECK_TEXT(boltz_safetensors_meta(&file, "format_version"), "1");
  CHECK_TEXT(boltz_safetensors_meta(&file, "energy"),
             "{\"kind\":\"double_well\",\"a\":1,\"b\":5.5,\"c\":1,\"d\":1,\"dim\":3}");
  CHECK_TEXT(boltz_safetensors_meta(&file, "temperature"), "0.75");
  CHECK_TEXT(boltz_safetensors_meta(&file, "step"), "1200");
  CHECK_TEXT(boltz_safetensors_meta(&file, "seed"), "18446744073709551615");
  static const char start[] = "{\"base\":\"normal\",\"layers\":[{\"type\":\"affine_coupling\",";
  const char *flow = boltz_safetensors_meta(&file, "flow");
  CHECK(flow && strncmp(flow, start, sizeof start - 1) == 0);

  /* two couplings of two nets of three linear maps, weight and bias each; actnorm's two */
  CHECK_INT(file.ntensors, 2 * 2 * 3 * 2 + 2);
  const struct boltz_safetensor *w = boltz_safetensors_tensor(&file, "layers.1.shift.0.weight");
  CHECK(w != NULL);
  if (w) { /* the second coupling fixes one coordinate of three: [out, in] = [5, 1] */
    CHECK_TEXT(w->dtype, "F32");
    CHECK(w->rank == 2 && w->shape[0] == 5 && w->shape[1] == 1);
  }
  CHECK(boltz_safetensors_tensor(&file, "layers.0.scale.2.bias") != NULL);
  CHECK(boltz_safetensors_tensor(&file, "layers.2.log_scale") != NULL);
  boltz_text_free(&bytes);
  boltz_arena_close(arena);
}

/* One way to spoil a good file; `word` must appear in the refusal. */
struct spoil {
  const char *key, *value; /* this metadata gets this value; NULL: it goes */
  const char *word;
};

static void expect_refusal(const struct boltz_safetensors *file, struct boltz_arena *arena,
                           const char *word) {
  struct boltz_text bytes = {0};
  struct boltz_checkpoint c;
  boltz_safetensors_write(file, &bytes);
  const enum boltz_status status = boltz_checkpoint_read(bytes.data, bytes.size, arena, &c);
  CHECK_MSG(status == BOLTZ_BAD_CHECKPOINT, "\"%s\": %s", word, boltz_status_name(status));
  CHECK_MSG(status == BOLTZ_OK || strstr(boltz_error(), word) != NULL, "\"%s\" lacks \"%s\"",
            boltz_error(), word);
  boltz_text_free(&bytes);
}

/* A good file as tensors and metadata that may be changed. */
static struct boltz_safetensors good(struct boltz_arena *arena, struct boltz_text *bytes) {
  const struct boltz_checkpoint a = make(arena);
  struct boltz_safetensors file;
  CHECK_INT(boltz_checkpoint_write(&a, arena, bytes), BOLTZ_OK);
  CHECK_INT(boltz_safetensors_read(bytes->data, bytes->size, arena, &file), BOLTZ_OK);
  return file;
}

static void wrong_metadata_is_refused_by_name(void) {
  static const struct spoil spoils[] = {
      {"format", "pt", "format"},
      {"format_version", "2", "format_version"},
      {"format", NULL, "format"},
      {"model", NULL, "model"},
      {"precision", NULL, "precision"},
      {"metrics", "[]", "metrics"},
      {"metrics", "{", "metrics"},
      {"producer", NULL, "producer"},
      {"step", "-1", "step"},
      {"step", "9223372036854775808", "step"},
      {"step", "", "step"},
      {"seed", "18446744073709551616", "seed"},
      {"seed", "1.5", "seed"},
      {"temperature", "hot", "temperature"},
      {"temperature", "1e999", "temperature"},
      {"temperature", "1x", "temperature"},
      {"temperature", "-1", "temperature"},
      {"energy", "{\"kind\":\"triple_well\"}", "triple_well"},
      {"energy", "{\"kind\":\"double_well\",\"e\":1}", "energy"},
      {"energy", "7", "energy"},
      {"energy", "{\"kind\":\"double_well\",\"dim\":2}", "layers"},
      {"flow", "{\"layers\":[]}", "empty"},
      {"flow", "{\"layers\":[{\"type\":\"glow\"}]}", "glow"},
      {"flow", "{\"layers\":[{\"type\":\"actnorm\"}]}", "layers"},
      {"flow",
       "{\"layers\":[{\"type\":\"realnvp\",\"blocks\":128,\"hidden\":[4096,4096,4096,4096]}]}",
       "layers"},
      {"flow",
       "{\"layers\":[{\"type\":\"interval\",\"coordinates\":[0],\"low\":[0],\"high\":[1]}]}",
       "real"},
  };
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_text bytes = {0};
  const struct boltz_safetensors file = good(arena, &bytes);
  for (size_t k = 0; k < sizeof spoils / sizeof spoils[0]; k++) {
    struct boltz_safetensors spoilt = file;
    spoilt.meta = BOLTZ_NEW_ARRAY(arena, file.nmeta, struct boltz_meta);
    spoilt.nmeta = 0;
    for (size_t m = 0; m < file.nmeta; m++) {
      struct boltz_meta meta = file.meta[m];
      if (strcmp(meta.key, spoils[k].key) == 0) meta.value = spoils[k].value;
      if (meta.value) spoilt.meta[spoilt.nmeta++] = meta;
    }
    expect_refusal(&spoilt, arena, spoils[k].word);
  }
  boltz_text_free(&bytes);
  boltz_arena_close(arena);
}

/* A copy of the file's list of tensors with room for one more. */
static struct boltz_safetensors copy_tensors(const struct boltz_safetensors *file,
                                             struct boltz_arena *arena) {
  struct boltz_safetensors copy = *file;
  copy.tensors = BOLTZ_NEW_ARRAY(arena, file->ntensors + 1, struct boltz_safetensor);
  memcpy(copy.tensors, file->tensors, file->ntensors * sizeof *copy.tensors);
  return copy;
}

static void wrong_tensors_are_refused_by_name(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_text bytes = {0};
  const struct boltz_safetensors file = good(arena, &bytes);
  const size_t last = file.ntensors - 1;
  const char *name = file.tensors[last].name;

  struct boltz_safetensors missing = copy_tensors(&file, arena);
  missing.ntensors--;
  expect_refusal(&missing, arena, name);

  struct boltz_safetensors renamed = copy_tensors(&file, arena);
  renamed.tensors[last].name = "layers.9.shift";
  expect_refusal(&renamed, arena, name);

  static const float more[1] = {1};
  struct boltz_safetensors extra = copy_tensors(&file, arena);
  extra.tensors[extra.ntensors++] = (struct boltz_safetensor){
      .name = "optimizer", .dtype = "F32", .rank = 1, .shape = {1}, .data = more, .size = 4};
  expect_refusal(&extra, arena, "optimizer");

  struct boltz_safetensors shape = copy_tensors(&file, arena);
  CHECK_INT(shape.tensors[last].shape[0], 3); /* actnorm's shift [3] */
  shape.tensors[last].rank = 2;
  shape.tensors[last].shape[1] = 1;
  expect_refusal(&shape, arena, name);

  static const double wide[3] = {1, 2, 3};
  struct boltz_safetensors dtype = copy_tensors(&file, arena);
  dtype.tensors[last].dtype = "F64";
  dtype.tensors[last].data = wide;
  dtype.tensors[last].size = sizeof wide;
  expect_refusal(&dtype, arena, name);

  const float bad[2][3] = {{0, NAN, 0}, {0, 0, INFINITY}};
  for (int k = 0; k < 2; k++) {
    struct boltz_safetensors weights = copy_tensors(&file, arena);
    weights.tensors[last].data = bad[k];
    expect_refusal(&weights, arena, "not finite");
  }
  boltz_text_free(&bytes);
  boltz_arena_close(arena);
}

static void unknown_metadata_and_another_order_of_tensors_are_read(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_text bytes = {0}, changed = {0};
  struct boltz_checkpoint c;
  const struct boltz_safetensors file = good(arena, &bytes);
  struct boltz_safetensors other = copy_tensors(&file, arena);
  const struct boltz_safetensor first = other.tensors[0];
  other.tensors[0] = other.tensors[other.ntensors - 1];
  other.tensors[other.ntensors - 1] = first;
  other.meta = BOLTZ_NEW_ARRAY(arena, file.nmeta + 1, struct boltz_meta);
  memcpy(other.meta, file.meta, file.nmeta * sizeof *other.meta);
  other.meta[other.nmeta++] = (struct boltz_meta){"note", "made on a Tuesday"};
  boltz_safetensors_write(&other, &changed);
  CHECK_MSG(boltz_checkpoint_read(changed.data, changed.size, arena, &c) == BOLTZ_OK, "%s",
            boltz_error());
  const struct boltz_checkpoint a = make(arena);
  CHECK(c.flow.nw == a.flow.nw &&
        memcmp(c.weights.flat, a.weights.flat, a.flow.nw * sizeof(float)) == 0);
  boltz_text_free(&bytes);
  boltz_text_free(&changed);
  boltz_arena_close(arena);
}

static void no_shortened_file_is_read(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_text bytes = {0};
  good(arena, &bytes);
  for (size_t size = 0; size < bytes.size; size += size < 64 ? 1 : 37) {
    struct boltz_checkpoint c;
    char *copy = malloc(size ? size : 1); /* its own block, so that reading past it is seen */
    memcpy(copy, bytes.data, size);
    CHECK_INT(boltz_checkpoint_read(copy, size, arena, &c), BOLTZ_BAD_CHECKPOINT);
    free(copy);
  }
  boltz_text_free(&bytes);
  boltz_arena_close(arena);
}

static void an_energy_parses_with_its_defaults_and_prints_every_setting(void) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy energy;
  struct boltz_text text = {0};
  CHECK_INT(
      boltz_energy_parse(json("{\"L\":3,\"kind\":\"harmonic_pair\"}", arena), 2, arena, &energy),
      BOLTZ_OK);
  boltz_energy_print(&energy, arena, &text);
  CHECK_TEXT(text.data, "{\"kind\":\"harmonic_pair\",\"k\":1,\"L\":3,\"confine_both\":false}");
  CHECK(energy.domain[0].type == BOLTZ_INTERVAL && energy.domain[0].high == 3);
  boltz_text_free(&text);
  boltz_arena_close(arena);
}

static void what_is_no_energy_is_refused_by_name_and_place(void) {
  static const struct {
    const char *text;
    enum boltz_status status;
    const char *pointer;
  } cases[] = {
      {"[1]", BOLTZ_WRONG_TYPE, ""},
      {"{}", BOLTZ_MISSING_MEMBER, "/kind"},
      {"{\"kind\":1}", BOLTZ_WRONG_TYPE, "/kind"},
      {"{\"kind\":\"triple_well\"}", BOLTZ_UNKNOWN_KIND, "/kind"},
      {"{\"kind\":\"double_well\",\"e\":1}", BOLTZ_UNKNOWN_MEMBER, "/e"},
      {"{\"kind\":\"double_well\",\"dim\":\"2\"}", BOLTZ_WRONG_TYPE, "/dim"},
  };
  struct boltz_arena *arena = boltz_arena_open(0);
  for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
    struct boltz_energy energy;
    CHECK_INT(boltz_energy_parse(json(cases[k].text, arena), 1, arena, &energy), cases[k].status);
    CHECK_TEXT(boltz_error_pointer(), cases[k].pointer);
  }
  boltz_arena_close(arena);
}

int main(int argc, char **argv) {
  RUN(a_checkpoint_reads_back_to_the_same_flow);
  RUN(equal_content_gives_equal_bytes);
  RUN(the_file_holds_what_the_document_says);
  RUN(wrong_metadata_is_refused_by_name);
  RUN(wrong_tensors_are_refused_by_name);
  RUN(unknown_metadata_and_another_order_of_tensors_are_read);
  RUN(no_shortened_file_is_read);
  RUN(an_energy_parses_with_its_defaults_and_prints_every_setting);
  RUN(what_is_no_energy_is_refused_by_name_and_place);
  return check_report();
}
