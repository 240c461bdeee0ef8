/* train_state.c - resume files of trainings: the state between two steps. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/jobs/train_work.h"

/* The state between two steps as a safetensors file; NULL when memory is exhausted. */
char *train_save_state(const struct work *work, size_t *size) {
  struct boltz_train_report report;
  boltz_train_report(work->train, &report);
  char step[24], skipped[24];
  snprintf(step, sizeof step, "%lld", (long long)report.step);
  snprintf(skipped, sizeof skipped, "%llu", (unsigned long long)boltz_train_skipped(work->train));
  uint64_t nw = work->flow.nw;
  struct boltz_safetensor tensors[] = {
      {.name = "moments",
       .dtype = "F32",
       .rank = 2,
       .shape = {2, nw},
       .data = boltz_train_moments(work->train),
       .size = 2 * nw * sizeof(float)},
      {.name = "weights",
       .dtype = "F32",
       .rank = 1,
       .shape = {nw},
       .data = work->weights.flat,
       .size = nw * sizeof(float)},
  };
  struct boltz_meta meta[] = {{"format", "boltz-resume"}, {"skipped", skipped}, {"step", step}};
  struct boltz_safetensors file = {.nmeta = 3, .meta = meta, .ntensors = 2, .tensors = tensors};
  struct boltz_text out = {0};
  boltz_safetensors_write(&file, &out);
  if (out.failed) {
    boltz_text_free(&out);
    return NULL;
  }
  *size = out.size;
  return out.data;
}

enum boltz_status train_load_state(struct work *work, const void *bytes, size_t size) {
  struct boltz_safetensors file;
  BOLTZ_TRY(boltz_safetensors_read(bytes, size, work->arena, &file));
  const struct boltz_safetensor *moments = boltz_safetensors_tensor(&file, "moments");
  const struct boltz_safetensor *weights = boltz_safetensors_tensor(&file, "weights");
  const char *step = boltz_safetensors_meta(&file, "step");
  const char *skipped = boltz_safetensors_meta(&file, "skipped");
  size_t nw = work->flow.nw;
  if (!moments || !weights || !step || !skipped || moments->size != 2 * nw * sizeof(float) ||
      weights->size != nw * sizeof(float))
    return boltz_fail(BOLTZ_BAD_CHECKPOINT, "the resume file is not of this job's flow");
  memcpy(work->weights.flat, weights->data, weights->size);
  work->resume_moments = BOLTZ_NEW_ARRAY(work->arena, 2 * nw, float);
  if (!work->resume_moments) return BOLTZ_NO_MEMORY;
  memcpy(work->resume_moments, moments->data, moments->size);
  work->resume_step = strtoll(step, NULL, 10);
  work->resume_skipped = strtoull(skipped, NULL, 10);
  boltz_flow_pack(&work->flow, &work->weights);
  return BOLTZ_OK;
}

void train_rest(struct work *work) {
  size_t size = 0;
  char *bytes = NULL;
  if (work->train && job_stopping(work->job) != JOB_STOP_CANCEL)
    bytes = train_save_state(work, &size);
  job_rested(work->job, bytes, size);
}
