/* test_registry_versions.c - versions and their files: which one serves, which are loaded, how long
 * they are kept. */
#include "full_disk.h"
#include "registry_world.h"

static bool blob_is_there(const char *digest) {
  char path[200];
  snprintf(path, sizeof path, "%s/blobs/%s", dir, digest);
  return access(path, F_OK) == 0;
}

static void a_version_is_there_bit_for_bit_after_reopening(void) {
  struct registry *registry = open_new();
  int64_t number;
  add_model(registry, "dw", DW, 1);
  CHECK_INT(add_version(registry, "dw", 3, false, &number), REGISTRY_CREATED);
  CHECK_INT(number, 1);
  shut(registry);
  registry = reopen();
  struct model *model = registry_model(registry, "dw");
  struct version *version;
  CHECK_INT(registry_version(registry, model, 0, &version), VERSION_READY);
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_text file = make_checkpoint(DW, 3);
  struct boltz_checkpoint expected;
  char digest[STORE_DIGEST_SIZE], stored[STORE_DIGEST_SIZE];
  size_t size;
  CHECK_INT(boltz_checkpoint_read(file.data, file.size, arena, &expected), BOLTZ_OK);
  store_digest(file.data, file.size, digest);
  CHECK(registry_version_digest(registry, "dw", 1, stored, &size));
  CHECK_TEXT(stored, digest);
  CHECK_INT(version->number, 1);
  CHECK_INT(version->checkpoint.flow.nw, expected.flow.nw);
  CHECK(memcmp(version->checkpoint.weights.flat, expected.weights.flat,
               expected.flow.nw * sizeof(float)) == 0);
  CHECK(record_has(registry_version_record(registry, "dw", 1), digest));
  CHECK(record_has(registry_version_record(registry, "dw", 1),
                   "\"precision\":\"fp32\",\"job\":\"job_1\",\"metrics\":{\"ess_fraction\":0.25},"
                   "\"serving\":true,\"created_at\":\"20"));
  CHECK(record_has(registry_version_record(registry, "dw", 1),
                   "\"flow\":{\"base\":\"normal\",\"layers\":[{\"type\":\"affine_coupling\""));
  version_release(version);
  model_release(model);
  boltz_text_free(&file);
  boltz_arena_close(arena);
  remove_all(registry);
}

static void a_version_is_served_in_its_precision_also_after_reopening(void) {
  struct registry *registry = open_new();
  int64_t number;
  add_model(registry, "dw", DW, 1);
  for (int k = 0; k < BOLTZ_PRECISIONS; k++)
    CHECK_INT(add_version_in(registry, "dw", 3, (enum boltz_precision)k, false, &number),
              REGISTRY_CREATED);
  for (int round = 0; round < 2; round++) {
    struct model *model = registry_model(registry, "dw");
    for (int k = 0; k < BOLTZ_PRECISIONS; k++) {
      struct version *version = NULL;
      char member[32];
      CHECK_INT(registry_load(registry, model, k + 1), BOLTZ_OK);
      CHECK_INT(registry_version(registry, model, k + 1, &version), VERSION_READY);
      CHECK_TEXT(version->precision, boltz_precision_names[k]);
      CHECK_INT(version->checkpoint.weights.precision, k);
      CHECK((version->checkpoint.weights.served != NULL) == (k != BOLTZ_FP32));
      snprintf(member, sizeof member, "\"precision\":\"%s\"", boltz_precision_names[k]);
      CHECK(record_has(registry_version_record(registry, "dw", k + 1), member));
      version_release(version);
    }
    struct registry_counts counts;
    registry_counts(registry, &counts);
    for (int k = 0; k < BOLTZ_PRECISIONS; k++) CHECK_INT(counts.loaded[k], 1);
    model_release(model);
    if (round) break;
    shut(registry);
    registry = reopen();
  }
  remove_all(registry);
}

static void the_first_version_serves_and_a_later_one_when_it_is_told_to(void) {
  struct registry *registry = open_new();
  int64_t number;
  add_model(registry, "dw", DW, 1);
  CHECK_INT(serving(registry, "dw"), 0);
  add_version(registry, "dw", 1, false, &number);
  CHECK_INT(serving(registry, "dw"), 1);
  add_version(registry, "dw", 2, false, &number);
  CHECK_INT(serving(registry, "dw"), 1);
  add_version(registry, "dw", 3, true, &number);
  CHECK_INT(serving(registry, "dw"), 3);
  CHECK_INT(registry_serve(registry, "dw", 2), REGISTRY_CREATED);
  CHECK_INT(registry_serve(registry, "dw", 2), REGISTRY_SAME);
  CHECK_INT(registry_serve(registry, "dw", 9), REGISTRY_NOT_FOUND);
  CHECK_INT(registry_serve(registry, "nobody", 1), REGISTRY_NOT_FOUND);
  CHECK_INT(serving(registry, "dw"), 2);
  CHECK_INT(registry_serve(registry, "dw", 0), REGISTRY_CREATED);
  CHECK_INT(serving(registry, "dw"), 0);
  CHECK_INT(registry_serve(registry, "dw", 2), REGISTRY_CREATED);
  shut(registry);
  registry = reopen();
  CHECK_INT(serving(registry, "dw"), 2);
  remove_all(registry);
}

static void a_number_is_never_given_again(void) {
  struct registry *registry = open_new();
  int64_t number;
  add_model(registry, "dw", DW, 1);
  for (uint64_t k = 1; k <= 3; k++) add_version(registry, "dw", k, false, &number);
  CHECK_INT(number, 3);
  CHECK_INT(registry_delete_version(registry, "dw", 3), REGISTRY_CREATED);
  CHECK_INT(registry_delete_version(registry, "dw", 3), REGISTRY_NOT_FOUND);
  shut(registry);
  registry = reopen();
  add_version(registry, "dw", 4, false, &number);
  CHECK_INT(number, 4);
  remove_all(registry);
}

static void the_serving_version_cannot_be_removed(void) {
  struct registry *registry = open_new();
  int64_t number;
  add_model(registry, "dw", DW, 1);
  add_version(registry, "dw", 1, true, &number);
  CHECK_INT(registry_delete_version(registry, "dw", 1), REGISTRY_IN_USE);
  CHECK(strstr(boltz_error(), "version 1") != NULL);
  CHECK_INT(serving(registry, "dw"), 1);
  CHECK_INT(registry_serve(registry, "dw", 0), REGISTRY_CREATED);
  CHECK_INT(registry_delete_version(registry, "dw", 1), REGISTRY_CREATED);
  remove_all(registry);
}

static void a_shared_file_lives_until_the_last_version_goes(void) {
  struct registry *registry = open_new();
  int64_t number;
  char digest[STORE_DIGEST_SIZE];
  size_t size;
  add_model(registry, "one", DW, 1);
  add_model(registry, "two", DW, 1);
  add_version(registry, "one", 7, true, &number);
  add_version(registry, "two", 7, true, &number);
  CHECK(registry_version_digest(registry, "one", 1, digest, &size));
  CHECK_INT(registry_delete_model(registry, "one"), REGISTRY_CREATED);
  CHECK(blob_is_there(digest));
  CHECK_INT(registry_delete_model(registry, "two"), REGISTRY_CREATED);
  CHECK(!blob_is_there(digest));
  CHECK_INT(registry_delete_model(registry, "two"), REGISTRY_NOT_FOUND);
  remove_all(registry);
}

static void who_holds_a_version_keeps_it_after_its_model_is_gone(void) {
  struct registry *registry = open_new();
  int64_t number;
  add_model(registry, "dw", DW, 1);
  add_version(registry, "dw", 5, true, &number);
  struct model *model = registry_model(registry, "dw");
  struct version *version, *none;
  CHECK_INT(registry_version(registry, model, 1, &version), VERSION_READY);
  CHECK_INT(registry_delete_model(registry, "dw"), REGISTRY_CREATED);
  CHECK(registry_model(registry, "dw") == NULL);
  CHECK_INT(registry_version(registry, model, 0, &none), VERSION_NONE);
  CHECK_INT(registry_version(registry, model, 1, &none), VERSION_NOT_FOUND);
  CHECK_INT(version->checkpoint.flow.dim, 2);
  CHECK_TEXT(model->energy.kind->name, "double_well");
  version_release(version);
  model_release(model);
  remove_all(registry);
}

static void eight_idle_versions_stay_loaded_and_others_are_read_when_asked_for(void) {
  struct registry *registry = open_new();
  int64_t number;
  struct registry_counts counts;
  struct version *version;
  add_model(registry, "dw", DW, 1);
  for (uint64_t k = 1; k <= 12; k++) add_version(registry, "dw", k, k == 1, &number);
  registry_counts(registry, &counts);
  CHECK_INT(counts.models, 1);
  CHECK_INT(counts.versions, 12);
  CHECK_INT(counts.loaded[BOLTZ_FP32], 9); /* the serving one and eight more */
  struct model *model = registry_model(registry, "dw");
  CHECK_INT(registry_version(registry, model, 2, &version), VERSION_NOT_LOADED);
  CHECK_INT(registry_version(registry, model, 12, &version), VERSION_READY);
  version_release(version);
  CHECK_INT(registry_load(registry, model, 2), BOLTZ_OK);
  CHECK_INT(registry_version(registry, model, 2, &version), VERSION_READY);
  CHECK_INT(version->number, 2);
  version_release(version);
  CHECK_INT(registry_version(registry, model, 5, &version), VERSION_NOT_LOADED);
  CHECK_INT(registry_load(registry, model, 99), BOLTZ_OK);
  CHECK_INT(registry_version(registry, model, 99, &version), VERSION_NOT_FOUND);
  registry_counts(registry, &counts);
  CHECK_INT(counts.loaded[BOLTZ_FP32], 9);
  model_release(model);
  remove_all(registry);
}

static void a_damaged_file_is_never_served(void) {
  struct registry *registry = open_new();
  int64_t number;
  char digest[STORE_DIGEST_SIZE], command[300];
  size_t size;
  struct version *version;
  add_model(registry, "dw", DW, 1);
  add_version(registry, "dw", 1, true, &number);
  CHECK(registry_version_digest(registry, "dw", 1, digest, &size));
  shut(registry);
  snprintf(command, sizeof command,
           "printf X | dd of=%s/blobs/%s bs=1 seek=%zu conv=notrunc 2>/dev/null", dir, digest,
           size - 3);
  CHECK_INT(system(command), 0);
  registry = reopen();
  struct model *model = registry_model(registry, "dw");
  CHECK_INT(registry_version(registry, model, 0, &version), VERSION_NOT_LOADED);
  CHECK_INT(registry_load(registry, model, 0), BOLTZ_BAD_CHECKPOINT);
  model_release(model);
  remove_all(registry);
}

static void a_full_disk_adds_no_version(void) {
  struct registry *registry = open_new();
  int64_t number;
  struct registry_counts counts;
  add_model(registry, "dw", DW, 1);
  struct rlimit limit = limit_files(64);
  CHECK_INT(add_version(registry, "dw", 1, true, &number), REGISTRY_FAILED);
  setrlimit(RLIMIT_FSIZE, &limit);
  registry_counts(registry, &counts);
  CHECK_INT(counts.versions, 0);
  CHECK_INT(serving(registry, "dw"), 0);
  CHECK_INT(add_version(registry, "dw", 1, true, &number), REGISTRY_CREATED);
  CHECK_INT(number, 1);
  remove_all(registry);
}

int main(int argc, char **argv) {
  server.log = log_open(LOG_ERROR);
  RUN(a_version_is_there_bit_for_bit_after_reopening);
  RUN(a_version_is_served_in_its_precision_also_after_reopening);
  RUN(the_first_version_serves_and_a_later_one_when_it_is_told_to);
  RUN(a_number_is_never_given_again);
  RUN(the_serving_version_cannot_be_removed);
  RUN(a_shared_file_lives_until_the_last_version_goes);
  RUN(who_holds_a_version_keeps_it_after_its_model_is_gone);
  RUN(eight_idle_versions_stay_loaded_and_others_are_read_when_asked_for);
  RUN(a_damaged_file_is_never_served);
  RUN(a_full_disk_adds_no_version);
  log_close(server.log);
  return check_report();
}
