/* api.h - what the resources share: lookups that answer for themselves, lists, operations on the
 * store, and work cut into tiles. */
#ifndef SERVER_API_API_H
#define SERVER_API_API_H

#include <stdatomic.h>

#include "boltz/boltz.h"
#include "server/config.h"
#include "server/job.h"
#include "server/json.h"
#include "server/metrics.h"
#include "server/model.h"
#include "server/request.h"
#include "server/round.h"
#include "server/store.h"

/* ---- Lookups: false or NULL means that the reply is given ---- */

/** The model named by the path's first parameter, with a reference: to use its energy; or only to
 * show it, be it withheld or not. */
struct model *api_model(struct request *request);
struct model *api_shown_model(struct request *request);

/** Is a model served? false: the reply is given, with that pointer, and the reference given back.
 */
bool api_is_served(struct request *request, struct model *model, const char *pointer);

/**
 * A version of the model with a reference; number 0: the one that serves. When its file must be
 * read first, the route's handler is run again afterwards: the caller gives back what it holds and
 * returns.
 */
bool api_version(struct request *request, struct model *model, int64_t number,
                 struct version **version);

/** The path's second parameter as a version's number. */
bool api_version_number(struct request *request, int64_t *number);

/** Fill settings from the body through a table. */
bool api_fields(struct request *request, const struct boltz_field *fields,
                const char *const *others, void *settings);

/** A query parameter as an integer; `def` when it is absent. */
bool api_query_int(struct request *request, const char *name, int64_t low, int64_t high,
                   int64_t def, int64_t *value);

/** The seed member of the body, or one picked from the system's randomness (53 bits). */
bool api_seed(struct request *request, uint64_t given, uint64_t *seed);

/** A member of the body that is there and not null. */
const struct boltz_json *api_member(const struct boltz_json *object, const char *name);

/* ---- Lists ---- */

#define API_PAGE_MOST 500

/** The names of a page, gathered first and shown afterwards. */
struct api_page {
  struct request *request;
  int size;
  const char *after; /* the last name of the page before, or NULL */
  size_t n;
  const char *names[API_PAGE_MOST];
  bool more;
};

/** page_size and page_token of the query; NULL: the reply is given. */
struct api_page *api_page_new(struct request *request);

/** Add a name; fits the registry's and the jobs' each(). */
void api_page_add(void *page, const char *name);

/** Answer with the records of the page; one that has gone since is left out. */
void api_page_reply(struct api_page *page,
                    cJSON *(*record)(struct request *request, const char *name));

/* ---- Changes ---- */

/** Run an operation on the store thread; 503 DRAINING when it is closing. false: it will not run.
 */
bool api_post(struct request *request, void (*run)(void *argument), void *argument);

/** Run a slice on a worker. */
void api_on_worker(struct request *request, void (*run)(struct request *request));

/** Answer a change that was refused: not CREATED, not SAME. `what` names the thing: "model dw". */
void api_refused(struct request *request, enum registry_outcome outcome, const char *not_found,
                 const char *what);

/* ---- Work in tiles ---- */

#define API_ARRAYS 16

/** An array of the reply. */
struct api_array {
  const char *name;   /* member of the JSON reply */
  const char *symbol; /* its columns in NPY are <symbol>1 … <symbol><width>; NULL: its name */
  int width;          /* columns; 0: one number a row */
};

/** Where the numbers of an array lie for the rows of one tile. */
struct api_columns {
  const struct boltz_batch *batch; /* width > 0 */
  const double *column;            /* width 0 */
};

/** Rows that are worked on tile by tile, and printed as they are finished. A small reply is printed
 * into `texts` and sent at once; a large one is kept as numbers, as far as that is reasonable, and
 * printed while it is sent: see tiles_stream.c. */
struct tiles {
  struct round round;
  struct request *request;
  size_t n, rows, count; /* rows in all, rows a tile, tiles */
  atomic_size_t next, non_finite;
  atomic_bool stopped; /* the client has gone, or the deadline has passed */
  atomic_bool starved; /* memory ran out */
  int narrays;
  struct api_array arrays[API_ARRAYS];
  bool held; /* each() copies what is in memory already: it costs nothing to call it again */
  struct boltz_text *texts;    /* of a small reply: [count, narrays] JSON, or [count] NPY */
  struct tiles_stream *stream; /* of a large one */

  /* Rows first … first+n-1, tile number `tile`; false: memory ran out. It is called again for a
   * tile that a large reply did not keep, and prints the same numbers again. */
  bool (*each)(struct tiles *tiles, size_t tile, size_t first, size_t n, struct worker *worker);

  /* After the last tile, unless the work ended early; answers. */
  void (*end)(struct tiles *tiles, struct worker *worker);

  /* Give back what the work holds; called once, after the last each(). */
  void (*release)(struct tiles *tiles);
};

/** Declare an array of the reply; before api_tiles_start. */
void api_tiles_array(struct tiles *tiles, const char *name, const char *symbol, int width);

/** Does the reply fit the limits, as far as can be known now? false: 413 is given. */
bool api_tiles_fit(struct tiles *tiles);

/** Put the work on the pool; callable again from end() for another pass over the rows. */
void api_tiles_start(struct tiles *tiles);

/** The same for who runs the tiles otherwise: make room for what is printed; false: the reply is
 * given. After the last tile, or once `stopped` or `starved` is set: the reply. */
bool api_tiles_prepare(struct tiles *tiles);
void api_tiles_finish(struct tiles *tiles, struct worker *worker);

/** Print the rows of a tile: one api_columns an array. */
bool api_tiles_print(struct tiles *tiles, size_t tile, size_t n, const struct api_columns *columns);

/** Answer 200 with the printed arrays between the members of `head` and `tail` (both are taken;
 * NPY leaves them out). Releases, now or when the last tile is printed. */
void api_tiles_reply(struct tiles *tiles, cJSON *head, cJSON *tail);

/** The same for members that are text already, `"a":1,"b":2` or nothing: it is cheaper. */
void api_tiles_reply_text(struct tiles *tiles, struct boltz_text *head, struct boltz_text *tail);

/* ---- Samples and their weights ---- */

/** One tile of configurations and what is known of them. */
struct api_drawn {
  struct boltz_batch x, z;
  double *u, *log_q, *log_w;
};

/** What a tile of a flow's passes may take: about 4 ms of one core. Of the reference architecture
 * that is 48 rows. */
#define API_TILE_FLOPS 2.1e8
#define API_ENERGY_FLOPS 2e7 /* of a tile of api_energy_tile() rows */

/** Rows of a version's tile. */
size_t api_flow_tile(const struct version *version);

/** Columns for n rows in scratch; z only if asked for. */
bool api_drawn_new(struct boltz_arena *scratch, size_t n, int dim, bool with_z,
                   struct api_drawn *drawn);

/** A view of rows first … first+n-1; false: scratch ran out. */
bool api_drawn_view(struct boltz_arena *scratch, const struct api_drawn *drawn, size_t first,
                    size_t n, struct api_drawn *view);

/** Draw rows first … of (version, seed), with energies at `temperature` and log weights. Returns
 * the number of rows whose weight is not finite. */
size_t api_draw(const struct version *version, const struct boltz_energy *energy,
                double temperature, uint64_t seed, uint64_t first, struct api_drawn *drawn,
                struct boltz_arena *scratch);

/** Its three steps, of which the second may take rows of several seeds at once: latents into x and
 * z; x through the flow; energies and log weights, and how many of these are not finite. */
void api_draw_latents(const struct version *version, uint64_t seed, uint64_t first,
                      struct api_drawn *drawn, struct boltz_arena *scratch);
void api_draw_push(const struct version *version, struct api_drawn *drawn,
                   struct boltz_arena *scratch);
size_t api_draw_weigh(const struct boltz_energy *energy, double temperature,
                      struct api_drawn *drawn, struct boltz_arena *scratch);

/** Log q and log weights of the given rows drawn->x; false: scratch ran out. */
bool api_weigh(const struct version *version, const struct boltz_energy *energy, double temperature,
               struct api_drawn *drawn, size_t *non_finite, struct boltz_arena *scratch);

/** Index of the first of the rows [n, dim] outside the domain; n: none is. */
size_t api_first_outside(const struct boltz_energy *energy, const double *rows, size_t n);

/** Rows of a tile for energies alone, of about 4 ms whatever the energy. */
size_t api_energy_tile(int dim);

/** POST /v1/models/{model}/versions. */
void api_handle_upload(struct request *request);

/** GET /v1/jobs/{job}/events. */
void api_handle_events(struct request *request);

/* ---- For the documents ---- */

/** The OpenAPI document. */
cJSON *api_openapi(void);

extern const struct boltz_field api_model_fields[], api_patch_fields[], api_copy_fields[],
    api_sample_fields[], api_weights_fields[], api_energy_fields[], api_transform_fields[],
    api_estimate_fields[], api_difference_fields[], api_profile_fields[], api_dataset_fields[];

#endif
