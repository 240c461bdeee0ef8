/* checkpoint.c - a flow to and from a safetensors file. */
#include "boltz/checkpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boltz/json.h"

#define FORMAT "boltz"
#define FORMAT_VERSION "1"
#define JSON_DEPTH 16

/* ---- Writing ------------------------------------------------------------------------------- */

/* The metadata that is more than a word, printed; one text each. */
struct printed {
  struct boltz_text energy, flow;
  char temperature[BOLTZ_NUMBER_SIZE], step[24], seed[24];
};

static void print_metadata(const struct boltz_checkpoint *checkpoint, struct boltz_arena *scratch,
                           struct printed *printed) {
  boltz_energy_print(&checkpoint->energy, scratch, &printed->energy);
  boltz_flow_spec_print(&checkpoint->flow.spec, scratch, &printed->flow);
  boltz_number_print(checkpoint->energy.temperature, printed->temperature);
  snprintf(printed->step, sizeof printed->step, "%" PRId64, checkpoint->step);
  snprintf(printed->seed, sizeof printed->seed, "%" PRIu64, checkpoint->seed);
}

static size_t count_tensors(const struct boltz_flow *flow) {
  struct boltz_tensor tensor;
  int k = 0;
  while (boltz_flow_tensor(flow, k, &tensor)) k++;
  return (size_t)k;
}

static size_t tensor_elements(const struct boltz_tensor *tensor) {
  size_t n = 1;
  for (int r = 0; r < tensor->rank; r++) n *= (size_t)tensor->shape[r];
  return n;
}

/* The flow's tensors as the file holds them: names and a view of the weights. */
static enum boltz_status list_tensors(const struct boltz_checkpoint *checkpoint,
                                      struct boltz_arena *scratch, struct boltz_safetensors *file) {
  file->ntensors = count_tensors(&checkpoint->flow);
  file->tensors = BOLTZ_NEW_ARRAY(scratch, file->ntensors, struct boltz_safetensor);
  if (!file->tensors) return BOLTZ_NO_MEMORY;
  struct boltz_tensor tensor;
  for (int k = 0; boltz_flow_tensor(&checkpoint->flow, k, &tensor); k++) {
    struct boltz_safetensor *out = &file->tensors[k];
    *out = (struct boltz_safetensor){.name = boltz_arena_strdup(scratch, tensor.name),
                                     .dtype = "F32",
                                     .rank = tensor.rank,
                                     .data = checkpoint->weights.flat + tensor.offset,
                                     .size = tensor_elements(&tensor) * sizeof(float)};
    if (!out->name) return BOLTZ_NO_MEMORY;
    for (int r = 0; r < tensor.rank; r++) out->shape[r] = (uint64_t)tensor.shape[r];
  }
  return BOLTZ_OK;
}

static enum boltz_status write_file(const struct boltz_checkpoint *checkpoint,
                                    const struct printed *printed, struct boltz_arena *scratch,
                                    struct boltz_text *out) {
  if (printed->energy.failed || printed->flow.failed)
    return boltz_fail(BOLTZ_NO_MEMORY, "no memory left for a checkpoint's header");
  struct boltz_meta meta[] = {
      {"format", FORMAT},
      {"format_version", FORMAT_VERSION},
      {"model", checkpoint->model},
      {"energy", printed->energy.data},
      {"temperature", printed->temperature},
      {"flow", printed->flow.data},
      {"precision", boltz_precision_names[checkpoint->weights.precision]},
      {"step", printed->step},
      {"seed", printed->seed},
      {"producer", checkpoint->producer},
      {"metrics", checkpoint->metrics},
  };
  struct boltz_safetensors file = {.nmeta = sizeof meta / sizeof meta[0], .meta = meta};
  BOLTZ_TRY(list_tensors(checkpoint, scratch, &file));
  boltz_safetensors_write(&file, out);
  if (out->failed) return boltz_fail(BOLTZ_NO_MEMORY, "no memory left for a checkpoint's bytes");
  return BOLTZ_OK;
}

enum boltz_status boltz_checkpoint_write(const struct boltz_checkpoint *checkpoint,
                                         struct boltz_arena *scratch, struct boltz_text *out) {
  const struct boltz_mark mark = boltz_arena_mark(scratch);
  struct printed printed = {0};
  print_metadata(checkpoint, scratch, &printed);
  const enum boltz_status status = write_file(checkpoint, &printed, scratch, out);
  boltz_text_free(&printed.energy);
  boltz_text_free(&printed.flow);
  boltz_arena_release(scratch, mark);
  return status;
}

/* ---- Reading ------------------------------------------------------------------------------- */

/* A failure of the parts, as a failure of the file: what was wrong, and in which part of it. */
static enum boltz_status fail_in(const char *part, enum boltz_status status) {
  if (status == BOLTZ_OK || status == BOLTZ_NO_MEMORY) return status;
  char pointer[128], sentence[512];
  snprintf(pointer, sizeof pointer, "%s", boltz_error_pointer());
  snprintf(sentence, sizeof sentence, "%s", boltz_error());
  return boltz_fail(BOLTZ_BAD_CHECKPOINT, "the checkpoint's %s%s%s: %s", part,
                    pointer[0] ? " at " : "", pointer, sentence);
}

static enum boltz_status read_text(const struct boltz_safetensors *file, const char *key,
                                   const char **text) {
  *text = boltz_safetensors_meta(file, key);
  if (!*text)
    return boltz_fail(BOLTZ_BAD_CHECKPOINT, "the checkpoint's metadata lacks \"%s\"", key);
  return BOLTZ_OK;
}

static enum boltz_status read_expected(const struct boltz_safetensors *file, const char *key,
                                       const char *expected) {
  const char *text;
  BOLTZ_TRY(read_text(file, key, &text));
  if (strcmp(text, expected) != 0)
    return boltz_fail(BOLTZ_BAD_CHECKPOINT, "the checkpoint's %s is \"%.64s\"; \"%s\" is read", key,
                      text, expected);
  return BOLTZ_OK;
}

/* Digits alone, at most `high`. */
static enum boltz_status read_decimal(const struct boltz_safetensors *file, const char *key,
                                      uint64_t high, uint64_t *value) {
  const char *text;
  BOLTZ_TRY(read_text(file, key, &text));
  errno = 0;
  const size_t digits = strspn(text, "0123456789");
  *value = digits > 0 ? strtoull(text, NULL, 10) : 0;
  if (digits == 0 || text[digits] != '\0' || errno != 0 || *value > high)
    return boltz_fail(BOLTZ_BAD_CHECKPOINT,
                      "the checkpoint's %s is \"%.64s\", not a whole number up to %" PRIu64, key,
                      text, high);
  return BOLTZ_OK;
}

static enum boltz_status read_temperature(const struct boltz_safetensors *file,
                                          double *temperature) {
  const char *text;
  BOLTZ_TRY(read_text(file, "temperature", &text));
  const char *end = text + strlen(text);
  if (boltz_number_read(text, end, temperature) != end || !isfinite(*temperature))
    return boltz_fail(BOLTZ_BAD_CHECKPOINT,
                      "the checkpoint's temperature is \"%.64s\", not a number", text);
  return BOLTZ_OK;
}

static enum boltz_status read_json(const struct boltz_safetensors *file, const char *key,
                                   struct boltz_arena *arena, struct boltz_json **root) {
  const char *text;
  BOLTZ_TRY(read_text(file, key, &text));
  BOLTZ_TRY(fail_in(key, boltz_json_parse(text, strlen(text), JSON_DEPTH, arena, root)));
  if ((*root)->type != BOLTZ_JSON_OBJECT)
    return boltz_fail(BOLTZ_BAD_CHECKPOINT, "the checkpoint's %s is not an object", key);
  return BOLTZ_OK;
}

/* The metadata that is kept as it stands. */
static enum boltz_status read_facts(const struct boltz_safetensors *file, struct boltz_arena *arena,
                                    struct boltz_checkpoint *checkpoint) {
  uint64_t step;
  struct boltz_json *metrics;
  BOLTZ_TRY(read_text(file, "model", &checkpoint->model));
  BOLTZ_TRY(read_decimal(file, "step", INT64_MAX, &step));
  BOLTZ_TRY(read_decimal(file, "seed", UINT64_MAX, &checkpoint->seed));
  BOLTZ_TRY(read_text(file, "producer", &checkpoint->producer));
  BOLTZ_TRY(read_json(file, "metrics", arena, &metrics));
  BOLTZ_TRY(read_text(file, "metrics", &checkpoint->metrics));
  checkpoint->step = (int64_t)step;
  return BOLTZ_OK;
}

static enum boltz_status read_energy(const struct boltz_safetensors *file,
                                     struct boltz_arena *arena, struct boltz_energy *energy) {
  struct boltz_json *root;
  double temperature;
  BOLTZ_TRY(read_temperature(file, &temperature));
  BOLTZ_TRY(read_json(file, "energy", arena, &root));
  return fail_in("energy", boltz_energy_parse(root, temperature, arena, energy));
}

/* The architecture. Layers that leave a coordinate in another domain than the energy's are refused;
   layers that stop short of an interval are not: samples outside of it have weight 0. */
static enum boltz_status read_flow(const struct boltz_safetensors *file, struct boltz_arena *arena,
                                   const struct boltz_energy *energy, struct boltz_flow *flow) {
  struct boltz_json *root;
  struct boltz_flow_spec spec, completed;
  BOLTZ_TRY(read_json(file, "flow", arena, &root));
  BOLTZ_TRY(fail_in("flow", boltz_flow_spec_parse(root, energy->dim, arena, &spec)));
  completed = spec;
  BOLTZ_TRY(fail_in("flow", boltz_flow_spec_complete(&completed, energy, arena)));
  return fail_in("flow", boltz_flow_new(&spec, energy->dim, arena, flow));
}

/* "[2, 3]" */
static const char *print_shape(int rank, const uint64_t *shape, char out[256]) {
  size_t used = (size_t)snprintf(out, 256, "[");
  for (int r = 0; r < rank; r++)
    used += (size_t)snprintf(out + used, 256 - used, "%s%" PRIu64, r ? ", " : "", shape[r]);
  snprintf(out + used, 256 - used, "]");
  return out;
}

static enum boltz_status check_tensor(const struct boltz_tensor *expected,
                                      const struct boltz_safetensor *found) {
  const char *name = expected->name;
  if (!found) return boltz_fail(BOLTZ_BAD_CHECKPOINT, "the tensor %s is missing", name);
  if (strcmp(found->dtype, "F32") != 0)
    return boltz_fail(BOLTZ_BAD_CHECKPOINT, "the tensor %s is %.16s, not F32", name, found->dtype);
  uint64_t shape[2] = {0};
  for (int r = 0; r < expected->rank; r++) shape[r] = (uint64_t)expected->shape[r];
  if (found->rank != expected->rank ||
      memcmp(shape, found->shape, (size_t)expected->rank * sizeof shape[0]) != 0) {
    char is[256], must[256];
    return boltz_fail(BOLTZ_BAD_CHECKPOINT, "the tensor %s is %s, not %s", name,
                      print_shape(found->rank, found->shape, is),
                      print_shape(expected->rank, shape, must));
  }
  return BOLTZ_OK;
}

static enum boltz_status copy_tensor(const struct boltz_tensor *expected,
                                     const struct boltz_safetensor *found, float *flat) {
  const size_t n = tensor_elements(expected);
  float *w = flat + expected->offset;
  memcpy(w, found->data, n * sizeof *w);
  for (size_t i = 0; i < n; i++)
    if (!isfinite(w[i]))
      return boltz_fail(BOLTZ_BAD_CHECKPOINT, "the tensor %s is not finite at element %zu",
                        expected->name, i);
  return BOLTZ_OK;
}

/* A tensor of the file that the architecture does not name. */
static enum boltz_status fail_extra(const struct boltz_safetensors *file,
                                    const struct boltz_flow *flow) {
  for (size_t k = 0; k < file->ntensors; k++) {
    struct boltz_tensor tensor;
    bool known = false;
    for (int e = 0; !known && boltz_flow_tensor(flow, e, &tensor); e++)
      known = strcmp(tensor.name, file->tensors[k].name) == 0;
    if (!known)
      return boltz_fail(BOLTZ_BAD_CHECKPOINT, "the tensor %.64s is no part of the flow",
                        file->tensors[k].name);
  }
  return boltz_fail(BOLTZ_BAD_CHECKPOINT, "a tensor is in the checkpoint twice");
}

/* Every tensor is checked before anything of the flow's size is allocated, so that a short file
   cannot ask for much memory. */
static enum boltz_status read_weights(const struct boltz_safetensors *file,
                                      const struct boltz_flow *flow, struct boltz_arena *arena,
                                      struct boltz_weights *weights) {
  struct boltz_tensor tensor;
  size_t expected = 0;
  for (int k = 0; boltz_flow_tensor(flow, k, &tensor); k++, expected++)
    BOLTZ_TRY(check_tensor(&tensor, boltz_safetensors_tensor(file, tensor.name)));
  if (expected != file->ntensors) return fail_extra(file, flow);
  BOLTZ_TRY(boltz_weights_new(flow, arena, weights));
  for (int k = 0; boltz_flow_tensor(flow, k, &tensor); k++)
    BOLTZ_TRY(copy_tensor(&tensor, boltz_safetensors_tensor(file, tensor.name), weights->flat));
  boltz_flow_pack(flow, weights);
  return BOLTZ_OK;
}

static enum boltz_status read_precision(const struct boltz_safetensors *file,
                                        enum boltz_precision *precision) {
  const char *text;
  BOLTZ_TRY(read_text(file, "precision", &text));
  if (boltz_precision_find(text, precision)) return BOLTZ_OK;
  return boltz_fail(BOLTZ_BAD_CHECKPOINT,
                    "the checkpoint's precision is \"%.64s\"; fp32, bf16, int8 and table are read",
                    text);
}

enum boltz_status boltz_checkpoint_read(const void *bytes, size_t size, struct boltz_arena *arena,
                                        struct boltz_checkpoint *checkpoint) {
  struct boltz_safetensors file;
  memset(checkpoint, 0, sizeof *checkpoint);
  BOLTZ_TRY(boltz_safetensors_read(bytes, size, arena, &file));
  BOLTZ_TRY(read_expected(&file, "format", FORMAT));
  BOLTZ_TRY(read_expected(&file, "format_version", FORMAT_VERSION));
  BOLTZ_TRY(read_facts(&file, arena, checkpoint));
  BOLTZ_TRY(read_energy(&file, arena, &checkpoint->energy));
  BOLTZ_TRY(read_flow(&file, arena, &checkpoint->energy, &checkpoint->flow));
  enum boltz_precision precision;
  BOLTZ_TRY(read_precision(&file, &precision));
  BOLTZ_TRY(read_weights(&file, &checkpoint->flow, arena, &checkpoint->weights));
  return fail_in("precision",
                 boltz_flow_serve(&checkpoint->flow, &checkpoint->weights, precision, arena));
}
