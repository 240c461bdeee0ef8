/* test_registry.c - models and datasets: what is shown, what is kept, what is refused. */
#include <pthread.h>

#include "registry_world.h"
#include "server/examples.h"

static void a_model_is_shown_with_every_default_filled_in(void) {
  struct registry *registry = open_new();
  CHECK_INT(add_model(registry, "dw", DW, 1), REGISTRY_CREATED);
  CHECK(record_has(registry_model_record(registry, "dw"),
                   "{\"name\":\"dw\",\"energy\":{\"kind\":\"double_well\",\"a\":1,\"b\":6,\"c\":1,"
                   "\"d\":1,\"dim\":2},\"temperature\":1,\"dim\":2,\"coordinates\":[{\"name\":"
                   "\"x1\",\"domain\":\"real\"},{\"name\":\"x2\",\"domain\":\"real\"}],"
                   "\"variables\":[],\"serving\":null,\"versions\":[],\"created_at\":\"20"));
  CHECK_INT(add_model(registry, "pair", "{\"kind\":\"harmonic_pair\",\"L\":3}", 0.5),
            REGISTRY_CREATED);
  CHECK(record_has(registry_model_record(registry, "pair"),
                   "{\"name\":\"x1\",\"domain\":\"interval\",\"low\":0,\"high\":3}"));
  CHECK(registry_model_record(registry, "absent") == NULL);
  remove_all(registry);
}

static void the_same_model_again_is_the_same_and_another_one_a_conflict(void) {
  struct registry *registry = open_new();
  CHECK_INT(add_model(registry, "dw", DW, 1), REGISTRY_CREATED);
  CHECK_INT(add_model(registry, "dw", "{\"kind\":\"double_well\",\"a\":1.0}", 1), REGISTRY_SAME);
  CHECK_INT(add_model(registry, "dw", DW, nextafter(1, 2)), REGISTRY_CONFLICT);
  CHECK_INT(add_model(registry, "dw", "{\"kind\":\"double_well\",\"a\":2}", 1), REGISTRY_CONFLICT);
  shut(registry);
  registry = reopen();
  CHECK_INT(add_model(registry, "dw", DW, 1), REGISTRY_SAME);
  remove_all(registry);
}

struct names {
  char text[200];
};

static void gather(void *argument, const char *name) {
  struct names *names = argument;
  strcat(strcat(names->text, name), " ");
}

static void models_are_listed_by_name_page_by_page(void) {
  struct registry *registry = open_new();
  const char *const all[] = {"c", "a", "e", "b", "d"};
  for (int k = 0; k < 5; k++) add_model(registry, all[k], DW, 1);
  struct names names = {0};
  bool more;
  registry_each_model(registry, NULL, 2, &more, gather, &names);
  CHECK_TEXT(names.text, "a b ");
  CHECK(more);
  registry_each_model(registry, "b", 2, &more, gather, &names);
  CHECK_TEXT(names.text, "a b c d ");
  CHECK(more);
  registry_each_model(registry, "cc", 2, &more, gather, &names);
  CHECK_TEXT(names.text, "a b c d d e ");
  CHECK(!more);
  remove_all(registry);
}

static void what_a_rolled_back_transaction_added_is_not_shown(void) {
  struct registry *registry = open_new();
  int64_t number;
  struct registry_counts counts;
  const double rows[4] = {1, 2, 3, 4};
  add_model(registry, "dw", DW, 1);
  CHECK_INT(store_begin(server.store), BOLTZ_OK);
  CHECK_INT(add_version(registry, "dw", 1, true, &number), REGISTRY_CREATED);
  CHECK_INT(registry_add_dataset(registry, "d", "dw", rows, 2, 2, NULL), REGISTRY_CREATED);
  CHECK_INT(serving(registry, "dw"), 0);
  store_rollback(server.store);
  registry_discard(registry);
  registry_counts(registry, &counts);
  CHECK(counts.versions == 0 && counts.datasets == 0 && counts.loaded[BOLTZ_FP32] == 0);

  CHECK_INT(store_begin(server.store), BOLTZ_OK);
  CHECK_INT(add_version(registry, "dw", 1, false, &number), REGISTRY_CREATED);
  CHECK_INT(add_version(registry, "dw", 2, true, &number), REGISTRY_CREATED);
  CHECK_INT(number, 2);
  CHECK_INT(store_commit(server.store), BOLTZ_OK);
  registry_publish(registry);
  CHECK_INT(serving(registry, "dw"), 2);
  shut(registry);
  registry = reopen();
  registry_counts(registry, &counts);
  CHECK(counts.versions == 2 && counts.datasets == 0);
  CHECK_INT(serving(registry, "dw"), 2);
  remove_all(registry);
}

static void a_checkpoint_of_another_energy_does_not_fit(void) {
  static const struct {
    const char *energy;
    double temperature;
    const char *word; /* NULL: it fits */
  } cases[] = {{DW, 1, NULL},
               {"{\"kind\":\"double_well\",\"b\":6}", 1, NULL},
               {DW, 2, "temperature"},
               {"{\"kind\":\"double_well\",\"b\":5}", 1, "settings"},
               {"{\"kind\":\"double_well\",\"dim\":3}", 1, "dim"},
               {"{\"kind\":\"harmonic_pair\"}", 1, "kind"}};
  struct registry *registry = open_new();
  struct boltz_text file = make_checkpoint(DW, 1);
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_checkpoint checkpoint;
  CHECK_INT(boltz_checkpoint_read(file.data, file.size, arena, &checkpoint), BOLTZ_OK);
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    char name[8];
    snprintf(name, sizeof name, "m%zu", k);
    CHECK_INT(add_model(registry, name, cases[k].energy, cases[k].temperature), REGISTRY_CREATED);
    struct model *model = registry_model(registry, name);
    enum boltz_status status = checkpoint_fits_model(&checkpoint, model);
    CHECK_INT(status, cases[k].word ? BOLTZ_BAD_CHECKPOINT : BOLTZ_OK);
    CHECK(!cases[k].word || strstr(boltz_error(), cases[k].word));
    model_release(model);
  }
  boltz_text_free(&file);
  boltz_arena_close(arena);
  remove_all(registry);
}

/* As after a newer boltzd, or one that had a plug-in: this one has not that energy. */
static void a_model_whose_energy_is_not_there_is_shown_and_keeps_its_row(void) {
  static const char future[] =
      "{\"energy\":{\"kind\":\"future\",\"k\":0.1},\"temperature\":0.5,\"serving\":3,"
      "\"next_version\":4,\"created_ms\":1000,\"plugin\":{\"file\":\"f.so\",\"sha256\":\"ab\"},"
      "\"dim\":1,\"coordinates\":[{\"name\":\"x1\",\"domain\":\"interval\",\"low\":0.1,"
      "\"high\":0.7}],\"variables\":[]}";
  struct registry *registry = open_new();
  CHECK_INT(store_put(server.store, STORE_MODELS, "f", future), BOLTZ_OK);
  CHECK_INT(store_put(server.store, STORE_MODELS, "g",
                      "{\"energy\":{\"kind\":\"future\"},\"temperature\":1}"),
            BOLTZ_OK);
  CHECK_INT(add_model(registry, "dw", DW, 1), REGISTRY_CREATED);
  for (int again = 0; again < 2; again++) {
    shut(registry);
    registry = reopen();
    CHECK(record_has(registry_model_record(registry, "f"),
                     "{\"name\":\"f\",\"energy\":{\"kind\":\"future\",\"k\":0.1},\"temperature\":"
                     "0.5,\"dim\":1,\"coordinates\":[{\"name\":\"x1\",\"domain\":\"interval\","
                     "\"low\":0.1,\"high\":0.7}],\"variables\":[],\"plugin\":{\"file\":\"f.so\","
                     "\"sha256\":\"ab\"},\"serving\":"));
    CHECK(record_has(registry_model_record(registry, "f"),
                     "of plug-in f.so with SHA-256 ab, and is not loaded now"));
    CHECK(record_has(registry_model_record(registry, "g"), "\"dim\":null"));
    CHECK(record_has(registry_model_record(registry, "g"), "\"reason\":\"PLUGIN_CHANGED\""));
    struct model *model = registry_model(registry, "dw");
    CHECK(model && !model->withheld);
    model_release(model);
    CHECK_INT(add_model(registry, "f", DW, 0.5), REGISTRY_CONFLICT);
    /* writes the row anew */
    CHECK_INT(registry_serve(registry, "f", 0), again ? REGISTRY_SAME : REGISTRY_CREATED);
  }
  CHECK_INT(registry_delete_model(registry, "f"), REGISTRY_CREATED);
  remove_all(registry);
}

static void a_dataset_is_the_same_by_its_bytes_and_outlives_its_model(void) {
  struct registry *registry = open_new();
  const double rows[6] = {1, -0.0, 0.1, 1e300, 5e-324, -7}, other[2] = {1, 2};
  double *read = NULL;
  size_t n;
  int dim;
  add_model(registry, "dw", DW, 1);
  CHECK_INT(registry_add_dataset(registry, "d", "no", rows, 3, 2, NULL), REGISTRY_NOT_FOUND);
  CHECK_INT(registry_add_dataset(registry, "d", "dw", rows, 3, 2, "job_7"), REGISTRY_CREATED);
  CHECK_INT(registry_add_dataset(registry, "d", "dw", rows, 3, 2, NULL), REGISTRY_SAME);
  CHECK_INT(registry_add_dataset(registry, "d", "dw", other, 1, 2, NULL), REGISTRY_CONFLICT);
  CHECK_INT(registry_delete_model(registry, "dw"), REGISTRY_CREATED);
  shut(registry);
  registry = reopen();
  CHECK_INT(registry_read_dataset(registry, "d", &read, &n, &dim), BOLTZ_OK);
  CHECK(n == 3 && dim == 2 && memcmp(read, rows, sizeof rows) == 0);
  free(read);
  CHECK(record_has(registry_dataset_record(registry, "d"),
                   "{\"name\":\"d\",\"model\":\"dw\",\"n\":3,\"dim\":2,\"digest\":\""));
  CHECK(record_has(registry_dataset_record(registry, "d"), "\"job\":\"job_7\""));
  CHECK_INT(registry_delete_dataset(registry, "d"), REGISTRY_CREATED);
  CHECK_INT(registry_delete_dataset(registry, "d"), REGISTRY_NOT_FOUND);
  CHECK_INT(registry_read_dataset(registry, "d", &read, &n, &dim), BOLTZ_IO);
  remove_all(registry);
}

static void a_new_directory_has_the_examples_and_none_comes_back(void) {
  new_directory();
  struct registry *registry = reopen();
  CHECK(examples[0].model != NULL);
  for (const struct example *example = examples; example->model; example++) {
    CHECK_INT(serving(registry, example->model), 1);
    CHECK_INT(registry_delete_model(registry, example->model), REGISTRY_CREATED);
  }
  shut(registry);
  registry = reopen();
  for (const struct example *example = examples; example->model; example++)
    CHECK(registry_model(registry, example->model) == NULL);
  remove_all(registry);
}

/* ---- many threads ---- */

struct readers {
  struct registry *registry;
  atomic_bool stop;
};

static void *read_all_the_time(void *argument) {
  struct readers *readers = argument;
  long wrong = 0;
  while (!atomic_load(&readers->stop)) {
    struct version *version = NULL;
    struct model *model = registry_model(readers->registry, "dw");
    if (model && registry_version(readers->registry, model, 0, &version) == VERSION_READY) {
      wrong += version->checkpoint.flow.dim != 2;
      cJSON_Delete(registry_version_record(readers->registry, "dw", version->number));
      version_release(version);
    }
    cJSON_Delete(registry_model_record(readers->registry, "dw"));
    model_release(model);
  }
  return (void *)wrong;
}

struct changes {
  struct registry *registry;
  int failures;
};

static void swap_versions(void *argument) {
  struct changes *changes = argument;
  for (uint64_t k = 0; k < 40; k++) {
    int64_t number = 0;
    changes->failures += add_version(changes->registry, "dw", k, true, &number) != REGISTRY_CREATED;
    if (number > 1)
      changes->failures +=
          registry_delete_version(changes->registry, "dw", number - 1) != REGISTRY_CREATED;
    if (k % 10 != 9) continue;
    changes->failures += registry_delete_model(changes->registry, "dw") != REGISTRY_CREATED;
    changes->failures += add_model(changes->registry, "dw", DW, 1) != REGISTRY_CREATED;
  }
}

static void readers_never_see_a_version_that_is_half_there(void) {
  struct registry *registry = open_new();
  struct readers readers = {.registry = registry};
  struct changes changes = {registry, 0};
  pthread_t threads[3];
  add_model(registry, "dw", DW, 1);
  for (int k = 0; k < 3; k++) pthread_create(&threads[k], NULL, read_all_the_time, &readers);
  CHECK(store_post(server.store, swap_versions, &changes));
  store_flush(server.store);
  atomic_store(&readers.stop, true);
  for (int k = 0; k < 3; k++) {
    void *wrong;
    pthread_join(threads[k], &wrong);
    CHECK(wrong == NULL);
  }
  CHECK_INT(changes.failures, 0);
  remove_all(registry);
}

int main(int argc, char **argv) {
  server.log = log_open(LOG_ERROR);
  RUN(a_model_is_shown_with_every_default_filled_in);
  RUN(the_same_model_again_is_the_same_and_another_one_a_conflict);
  RUN(models_are_listed_by_name_page_by_page);
  RUN(what_a_rolled_back_transaction_added_is_not_shown);
  RUN(a_checkpoint_of_another_energy_does_not_fit);
  RUN(a_model_whose_energy_is_not_there_is_shown_and_keeps_its_row);
  RUN(a_dataset_is_the_same_by_its_bytes_and_outlives_its_model);
  RUN(a_new_directory_has_the_examples_and_none_comes_back);
  RUN(readers_never_see_a_version_that_is_half_there);
  log_close(server.log);
  return check_report();
}
