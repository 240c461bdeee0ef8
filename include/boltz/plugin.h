/* plugin.h - an energy as a shared object: what it exports, and what it is given.
 *
 *   #include <boltz/plugin.h>
 *   … an energy, written as those of core/energy/ are …
 *   static const struct boltz_energy_kind three_hole = {.name = "three_hole", …};
 *   BOLTZ_PLUGIN(&three_hole)
 *
 *   cc -shared -fPIC -O3 -ffp-contract=off -Iinclude -o three_hole.so three_hole.c -lm
 *
 * It links nothing of boltzd: boltz_fail(), boltz_arena_alloc() and the others that are named below
 * are calls through the table that it is given when it is loaded. Only these can be called.
 *
 * What a plug-in owes: its functions are called from many threads at once, so that everything they
 * know is in `settings`; numbers depend on their arguments alone, to the last bit and whatever the
 * batch; scratch comes from the arena that is handed in; nothing is printed, exits or jumps out.
 * It runs inside the daemon and can do whatever the daemon can: load what you trust.
 *
 * Not part of boltz.h: it gives the names of functions another meaning. */
#ifndef BOLTZ_PLUGIN_H
#define BOLTZ_PLUGIN_H

#include <stdint.h>

#include "boltz/energy.h"
#include "boltz/json.h"
#include "boltz/rng.h"

/** Goes up when anything below, or a struct that it is made of, changes other than by growing at
 * the end of struct boltz_plugin, boltz_host or boltz_energy_kind. A plug-in of another number is
 * refused. */
#define BOLTZ_PLUGIN_ABI 1

/** What a plug-in is given: the functions of libboltz that an energy may call, each as its own
 * header describes it. New ones are added at the end. */
struct boltz_host {
  uint32_t abi, size; /* BOLTZ_PLUGIN_ABI and sizeof(struct boltz_host) of the host */
  __typeof__(&boltz_fail) fail;
  __typeof__(&boltz_fail_at) fail_at;
  __typeof__(&boltz_fail_under) fail_under;
  __typeof__(&boltz_arena_alloc) arena_alloc;
  __typeof__(&boltz_arena_scratch) arena_scratch;
  __typeof__(&boltz_arena_strdup) arena_strdup;
  __typeof__(&boltz_arena_mark) arena_mark;
  __typeof__(&boltz_arena_release) arena_release;
  __typeof__(&boltz_batch_new) batch_new;
  __typeof__(&boltz_batch_view) batch_view;
  __typeof__(&boltz_rng_bits) rng_bits;
  __typeof__(&boltz_rng_uniform) rng_uniform;
  __typeof__(&boltz_rng_normal) rng_normal;
  __typeof__(&boltz_rng_uniforms) rng_uniforms;
  __typeof__(&boltz_rng_normals) rng_normals;
  __typeof__(&boltz_json_member) json_member;
  __typeof__(&boltz_json_fields) json_fields;
};

/** What a plug-in exports under the name boltz_plugin: made by BOLTZ_PLUGIN. */
struct boltz_plugin {
  uint32_t abi, size; /* BOLTZ_PLUGIN_ABI and sizeof(struct boltz_plugin) it was built with */
  uint32_t host_size, energy_size; /* and those of struct boltz_host, struct boltz_energy_kind */

  /* Called once, first of all, from one thread. */
  void (*open)(const struct boltz_host *host);

  const struct boltz_energy_kind *const *energies; /* NULL-ended */
};

#ifndef BOLTZ_PLUGIN_LOADER /* this is for plug-ins, not for who loads them */

/** The host's table, in every file of the plug-in. */
extern __attribute__((visibility("hidden"))) const struct boltz_host *boltz_host;

#define boltz_fail boltz_host->fail
#define boltz_fail_at boltz_host->fail_at
#define boltz_fail_under boltz_host->fail_under
#define boltz_arena_alloc boltz_host->arena_alloc
#define boltz_arena_scratch boltz_host->arena_scratch
#define boltz_arena_strdup boltz_host->arena_strdup
#define boltz_arena_mark boltz_host->arena_mark
#define boltz_arena_release boltz_host->arena_release
#define boltz_batch_new boltz_host->batch_new
#define boltz_batch_view boltz_host->batch_view
#define boltz_rng_bits boltz_host->rng_bits
#define boltz_rng_uniform boltz_host->rng_uniform
#define boltz_rng_normal boltz_host->rng_normal
#define boltz_rng_uniforms boltz_host->rng_uniforms
#define boltz_rng_normals boltz_host->rng_normals
#define boltz_json_member boltz_host->json_member
#define boltz_json_fields boltz_host->json_fields

/** Once a plug-in, outside of functions: the kinds that it brings, as pointers to their tables. */
#define BOLTZ_PLUGIN(...)                                                                     \
  const struct boltz_host *boltz_host;                                                        \
  static void boltz_plugin_open(const struct boltz_host *host) {                              \
    boltz_host = host;                                                                        \
  }                                                                                           \
  static const struct boltz_energy_kind *const boltz_plugin_energies[] = {__VA_ARGS__, NULL}; \
  extern __attribute__((visibility("default"))) const struct boltz_plugin boltz_plugin;       \
  const struct boltz_plugin boltz_plugin = {.abi = BOLTZ_PLUGIN_ABI,                          \
                                            .size = sizeof(struct boltz_plugin),              \
                                            .host_size = sizeof(struct boltz_host),           \
                                            .energy_size = sizeof(struct boltz_energy_kind),  \
                                            .open = boltz_plugin_open,                        \
                                            .energies = boltz_plugin_energies};

#endif
#endif
