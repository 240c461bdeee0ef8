/* test_registry.c - models, versions and datasets: what is shown, what is kept, what is refused. */
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "boltz/boltz.h"
#include "check.h"
#include "server/examples.h"
#include "server/json.h"
#include "server/log.h"
#include "server/model.h"

#define DW "{\"kind\":\"double_well\"}"
#define FLOW "{\"base\":\"normal\",\"layers\":[{\"type\":\"realnvp\",\"blocks\":1,\"hidden\":[4]}]}"

static char dir[64];
static struct server server;

static struct registry *reopen(void) {
  struct registry *registry = NULL;
  CHECK_MSG(store_open(&server, dir, &server.store) == BOLTZ_OK, "%s", boltz_error());
  CHECK_MSG(registry_open(&server, &registry) == BOLTZ_OK, "%s", boltz_error());
  return registry;
}

static void new_directory(void) {
  snprintf(dir, sizeof dir, P_tmpdir "/boltz-registry-XXXXXX");
  CHECK(mkdtemp(dir) != NULL);
}

/* A directory that has had its examples: they are not there. */
static struct registry *open_new(void) {
  new_directory();
  CHECK_INT(store_open(&server, dir, &server.store), BOLTZ_OK);
  CHECK_INT(store_put(server.store, STORE_META, "examples", "{}"), BOLTZ_OK);
  store_close(server.store);
  return reopen();
}

static void shut(struct registry *registry) {
  registry_close(registry);
  store_close(server.store);
}

static void remove_all(struct registry *registry) {
  char command[100];
  shut(registry);
  snprintf(command, sizeof command, "rm -rf %s", dir);
  CHECK_INT(system(command), 0);
}

static bool blob_is_there(const char *digest) {
  char path[200];
  snprintf(path, sizeof path, "%s/blobs/%s", dir, digest);
  return access(path, F_OK) == 0;
}

static struct boltz_json *json(const char *text, struct boltz_arena *arena) {
  struct boltz_json *root = NULL;
  CHECK_INT(boltz_json_parse(text, strlen(text), 16, arena, &root), BOLTZ_OK);
  return root;
}

static enum registry_outcome add_model(struct registry *registry, const char *name,
                                       const char *energy, double temperature) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_energy made;
  CHECK_INT(boltz_energy_parse(json(energy, arena), temperature, arena, &made), BOLTZ_OK);
  return registry_add_model(registry, name, &made, arena);
}

/* A checkpoint of a small flow for an energy at T = 1. */
static struct boltz_text make_checkpoint_in(const char *energy, uint64_t seed,
                                            enum boltz_precision precision) {
  struct boltz_arena *arena = boltz_arena_open(0);
  struct boltz_checkpoint c = {
      .model = "any", .seed = seed, .producer = "test", .metrics = "{\"ess_fraction\":0.5}"};
  struct boltz_flow_spec spec;
  struct boltz_text out = {0};
  CHECK_INT(boltz_energy_parse(json(energy, arena), 1, arena, &c.energy), BOLTZ_OK);
  CHECK_INT(boltz_flow_spec_parse(json(FLOW, arena), c.energy.dim, arena, &spec), BOLTZ_OK);
  CHECK_INT(boltz_flow_new(&spec, c.energy.dim, arena, &c.flow), BOLTZ_OK);
  CHECK_INT(boltz_weights_new(&c.flow, arena, &c.weights), BOLTZ_OK);
  boltz_flow_init(&c.flow, seed, &c.weights);
  c.weights.precision = precision;
  CHECK_INT(boltz_checkpoint_write(&c, arena, &out), BOLTZ_OK);
  boltz_arena_close(arena);
  return out;
}

static struct boltz_text make_checkpoint(const char *energy, uint64_t seed) {
  return make_checkpoint_in(energy, seed, BOLTZ_FP32);
}

static enum registry_outcome add_version_in(struct registry *registry, const char *model,
                                            uint64_t seed, enum boltz_precision precision,
                                            bool serve, int64_t *number) {
  struct boltz_text file = make_checkpoint_in(DW, seed, precision);
  struct version_draft draft = {.bytes = file.data,
                                .size = file.size,
                                .job = "job_1",
                                .metrics = "{\"ess_fraction\":0.25}",
                                .serve = serve,
                                .serve_first = true};
  enum registry_outcome outcome = registry_add_version(registry, model, &draft, number);
  boltz_text_free(&file);
  return outcome;
}

static enum registry_outcome add_version(struct registry *registry, const char *model,
                                         uint64_t seed, bool serve, int64_t *number) {
  return add_version_in(registry, model, seed, BOLTZ_FP32, serve, number);
}

static bool record_has(struct cJSON *record, const char *part) {
  char *text = record ? json_take_text(record) : NULL;
  bool has = text && strstr(text, part);
  if (!has) printf("    %s lacks %s\n", text ? text : "(no record)", part);
  free(text);
  return has;
}

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

static int64_t serving(struct registry *registry, const char *name) {
  struct version *version;
  struct model *model = registry_model(registry, name);
  int64_t number =
      registry_version(registry, model, 0, &version) == VERSION_READY ? version->number : 0;
  version_release(version);
  model_release(model);
  return number;
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

static void a_full_disk_adds_no_version(void) {
  struct registry *registry = open_new();
  int64_t number;
  struct registry_counts counts;
  struct rlimit limit;
  add_model(registry, "dw", DW, 1);
  getrlimit(RLIMIT_FSIZE, &limit);
  struct rlimit tight = {.rlim_cur = 64, .rlim_max = limit.rlim_max};
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &tight);
  CHECK_INT(add_version(registry, "dw", 1, true, &number), REGISTRY_FAILED);
  setrlimit(RLIMIT_FSIZE, &limit);
  registry_counts(registry, &counts);
  CHECK_INT(counts.versions, 0);
  CHECK_INT(serving(registry, "dw"), 0);
  CHECK_INT(add_version(registry, "dw", 1, true, &number), REGISTRY_CREATED);
  CHECK_INT(number, 1);
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
  RUN(a_version_is_there_bit_for_bit_after_reopening);
  RUN(a_version_is_served_in_its_precision_also_after_reopening);
  RUN(the_first_version_serves_and_a_later_one_when_it_is_told_to);
  RUN(a_number_is_never_given_again);
  RUN(the_serving_version_cannot_be_removed);
  RUN(a_shared_file_lives_until_the_last_version_goes);
  RUN(who_holds_a_version_keeps_it_after_its_model_is_gone);
  RUN(eight_idle_versions_stay_loaded_and_others_are_read_when_asked_for);
  RUN(a_damaged_file_is_never_served);
  RUN(what_a_rolled_back_transaction_added_is_not_shown);
  RUN(a_full_disk_adds_no_version);
  RUN(a_checkpoint_of_another_energy_does_not_fit);
  RUN(a_model_whose_energy_is_not_there_is_shown_and_keeps_its_row);
  RUN(a_dataset_is_the_same_by_its_bytes_and_outlives_its_model);
  RUN(a_new_directory_has_the_examples_and_none_comes_back);
  RUN(readers_never_see_a_version_that_is_half_there);
  log_close(server.log);
  return check_report();
}
