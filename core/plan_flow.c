/* plan_flow.c - the flow of a training when nobody said. It sees domains, dimension, energy and
 * temperature, never the kind's name. */
#include "boltz/plan.h"
#include "core/trait/alike.h"
#include "core/trait/lattice.h"
#include "core/trait/quadratic.h"
#include "core/trait/rotation.h"
#include "core/trait/translation.h"
#include "core/trait/trial.h"

/* Couplings: in the plane every one moves half of what there is. */
static int couplings(const struct boltz_energy *energy) {
  return energy->dim == 2 ? 6 : 8;
}

/* A network has three outputs a bin for every coordinate that a spline moves. */
#define SPLINES_MOST 256 /* coordinates, where affine maps will do */
#define FINE_MOST 1024   /* coordinates whose curves have as many bins as usual */

/* What coupling k does with coordinate j; `trait` is what was found in the energy, or NULL. */
enum role { FIXED, MOVED, LEFT_OUT };
typedef enum role mask(const struct boltz_energy *energy, const void *trait, int k, int j);

/* Of two couplings that share a mask the even one moves the first part. */
static enum role part(bool first, int k) {
  return first == (k % 2 == 0) ? MOVED : FIXED;
}

/* Of two couplings each half in turn, of the next two every second one. */
static enum role halves(const struct boltz_energy *energy, const void *trait, int k, int j) {
  (void)trait;
  return part(k % 4 < 2 ? j >= (energy->dim + 1) / 2 : j % 2 == 1, k);
}

/* The sum of a site's places along the axes is odd. */
static bool is_odd(const struct boltz_lattice *lattice, int64_t site) {
  int64_t sum = 0;
  for (int axis = lattice->axes - 1; axis >= 0; site /= lattice->side[axis--])
    sum += site % lattice->side[axis];
  return sum % 2 == 1;
}

/* Every second site, then the others; then of sites that have several coordinates each in turn. */
static enum role sites(const struct boltz_energy *energy, const void *trait, int k, int j) {
  const struct boltz_lattice *lattice = trait;
  (void)energy;
  const int64_t width = lattice->width, turn = k % (width > 1 ? 2 + width : 2);
  const bool moved = turn < 2 ? is_odd(lattice, j / width) == (turn == 1) : j % width == turn - 2;
  return moved ? MOVED : FIXED;
}

static void print_list(struct boltz_text *text, const char *name, const struct boltz_energy *energy,
                       const void *trait, mask *of, int k, enum role role) {
  bool any = false;
  boltz_text_printf(text, "\"%s\":[", name);
  for (int j = 0; j < energy->dim; j++) {
    if (of(energy, trait, k, j) != role) continue;
    boltz_text_printf(text, any ? ",%d" : "%d", j);
    any = true;
  }
  boltz_text_puts(text, "],");
}

static void print_coupling(struct boltz_text *text, const struct boltz_energy *energy,
                           const void *trait, mask *of, int k) {
  boltz_text_puts(text, "{\"type\":\"spline_coupling\",");
  print_list(text, "fixed", energy, trait, of, k, FIXED);
  print_list(text, "moved", energy, trait, of, k, MOVED);
}

/* Of the coordinates that are periodic, or are not: their numbers, or one end of each. */
static void print_coordinates(struct boltz_text *text, const struct boltz_energy *energy,
                              bool periodic, const char *member) {
  bool any = false;
  boltz_text_printf(text, "\"%s\":[", member);
  for (int j = 0; j < energy->dim; j++) {
    const struct boltz_domain *domain = &energy->domain[j];
    if ((domain->type == BOLTZ_PERIODIC) != periodic) continue;
    if (any) boltz_text_puts(text, ",");
    boltz_text_number(text, member[0] == 'c' ? j : member[0] == 'l' ? domain->low : domain->high);
    any = true;
  }
  boltz_text_puts(text, "]");
}

static int count_periodic(const struct boltz_energy *energy) {
  int n = 0;
  for (int j = 0; j < energy->dim; j++) n += energy->domain[j].type == BOLTZ_PERIODIC;
  return n;
}

static void print_circular_base(struct boltz_text *text, const struct boltz_energy *energy) {
  boltz_text_puts(text, "{\"base\":{\"type\":\"circular\",");
  print_coordinates(text, energy, true, "coordinates");
  boltz_text_puts(text, ",");
  print_coordinates(text, energy, true, "low");
  boltz_text_puts(text, ",");
  print_coordinates(text, energy, true, "high");
  boltz_text_puts(text, "},\"layers\":[");
}

static void print_shift(struct boltz_text *text, const struct boltz_energy *energy) {
  boltz_text_puts(text, "{\"type\":\"circular_shift\",");
  print_coordinates(text, energy, true, "coordinates");
  boltz_text_puts(text, "}");
}

/* Splines bend where affine maps only stretch: of many coordinates they need fewer layers. */
static void print_splines(struct boltz_text *text, const struct boltz_energy *energy) {
  const bool periodic = count_periodic(energy) > 0;
  if (periodic)
    print_circular_base(text, energy);
  else
    boltz_text_puts(text, "{\"base\":\"normal\",\"layers\":[");
  for (int k = 0; k < couplings(energy); k++) {
    if (k > 0) boltz_text_puts(text, ",");
    print_coupling(text, energy, NULL, halves, k);
    boltz_text_printf(text, "\"hidden\":[64,64],\"bins\":%d}", energy->dim > FINE_MOST ? 4 : 8);
    if (!periodic || k % 2 == 0) continue;
    boltz_text_puts(text, ",");
    print_shift(text, energy);
  }
  boltz_text_puts(text, periodic ? "]}" : ",{\"type\":\"actnorm\"}]}");
}

/* A covariance of so many coordinates takes more data to know than there are, and long to take
   apart. */
#define WHITENED_MOST 512

/* A Gaussian with the data's covariance, then couplings whose small network serves every site: it
   learns from all of them what is the same everywhere. */
static void print_sites(struct boltz_text *text, const struct boltz_energy *energy,
                        const struct boltz_lattice *lattice) {
  const int periodic = count_periodic(energy);
  const int masks = (int)(lattice->width > 1 ? 2 + lattice->width : 2);
  const int turns = (couplings(energy) + masks - 1) / masks;
  if (periodic > 0)
    print_circular_base(text, energy);
  else
    boltz_text_puts(text, "{\"base\":\"normal\",\"layers\":[");
  if (periodic < energy->dim && energy->dim - periodic <= WHITENED_MOST) {
    boltz_text_puts(text, "{\"type\":\"whitening\",");
    print_coordinates(text, energy, false, "coordinates");
    boltz_text_puts(text, "},");
  }
  for (int k = 0; k < turns * masks; k++) {
    if (k > 0) boltz_text_puts(text, ",");
    print_coupling(text, energy, lattice, sites, k);
    boltz_text_puts(text, "\"lattice\":[");
    for (int axis = 0; axis < lattice->axes; axis++)
      boltz_text_printf(text, axis ? ",%lld" : "%lld", (long long)lattice->side[axis]);
    boltz_text_puts(text, "],\"reach\":1,\"hidden\":[32,32]}");
    if (periodic == 0 || (k + 1) % masks != 0) continue;
    boltz_text_puts(text, ",");
    print_shift(text, energy);
  }
  boltz_text_puts(text, periodic > 0 ? "]}" : ",{\"type\":\"actnorm\"}]}");
}

/* ---- Vectors in the plane ---- */

#define PLANAR_MASKS 6
#define PLANAR_COUPLINGS (3 * PLANAR_MASKS)

/* Of coordinates 2 p, a radius, and 2 p + 1, an angle: radii and angles in turn, then the first
   half of the vectors and the others, then every second one and the others. */
static enum role vectors(const struct boltz_energy *energy, const void *trait, int k, int j) {
  const int n = energy->dim / 2, turn = k % PLANAR_MASKS;
  (void)trait;
  if (j == 1) return LEFT_OUT;
  return part(turn < 2 ? j % 2 == 0 : turn < 4 ? j / 2 < (n + 1) / 2 : j / 2 % 2 == 0, k);
}

/* A number for every angle from number `first` on: its coordinate, or the same text for all. */
static void print_angles(struct boltz_text *text, const struct boltz_energy *energy,
                         const char *name, int first, const char *same) {
  boltz_text_printf(text, "\"%s\":[", name);
  for (int j = 2 * first + 1; j < energy->dim; j += 2) {
    if (j > 2 * first + 1) boltz_text_puts(text, ",");
    if (same)
      boltz_text_puts(text, same);
    else
      boltz_text_printf(text, "%d", j);
  }
  boltz_text_puts(text, "]");
}

/* Radii and angles: a ring is a line there, and u does not depend on the angle of all. */
static void print_planar(struct boltz_text *text, const struct boltz_energy *energy) {
  boltz_text_puts(text, "{\"base\":{\"type\":\"circular\",");
  print_angles(text, energy, "coordinates", 0, NULL);
  boltz_text_puts(text, ",");
  print_angles(text, energy, "low", 0, "0");
  boltz_text_puts(text, ",");
  print_angles(text, energy, "high", 0, "6.283185307179586");
  boltz_text_puts(text, "},\"layers\":[");
  for (int k = 0; k < PLANAR_COUPLINGS; k++) {
    print_coupling(text, energy, NULL, vectors, k);
    boltz_text_puts(text, "\"hidden\":[64,64]},");
    if ((k + 1) % PLANAR_MASKS != 0) continue;
    boltz_text_puts(text, "{\"type\":\"circular_shift\",");
    print_angles(text, energy, "coordinates", 1, NULL);
    boltz_text_puts(text, "},");
  }
  boltz_text_puts(text, "{\"type\":\"polar\"}]}");
}

/* ---- Particles that are all alike ---- */

#define CROWD 3 /* so many have more orders than a flow learns for itself */
#define CROWD_COUPLINGS 12

static bool is_crowded(const struct boltz_energy *energy, const struct boltz_alike *alike) {
  int64_t most = 0;
  for (int c = 0; c < alike->classes; c++)
    if (alike->of[c].n > most) most = alike->of[c].n;
  return most >= CROWD && alike->width > 1 && boltz_trial_is_real(energy);
}

/* Half of the particles, by each of the lowest bits of their numbers, and between them one axis of
   all. Numbers say nothing of places: particles that are near each other part sooner or later. */
static enum role particles(const struct boltz_energy *energy, const void *trait, int k, int j) {
  const struct boltz_alike *alike = trait;
  const int64_t turn = k / 2, third = turn % 3, particle = j / alike->width;
  const int64_t bits = energy->dim > 4 * alike->width ? 3 : 2;
  const int64_t bit = third == 1 ? 0 : (turn / 3 * 2 + third / 2) % bits;
  return part(third == 1 ? j % alike->width == turn / 3 % alike->width : (particle >> bit & 1) == 0,
              k);
}

/* Below the layers that tell which particle is which, couplings that see them all. */
static void print_crowd(struct boltz_text *text, const struct boltz_energy *energy,
                        const struct boltz_alike *alike) {
  boltz_text_puts(text, "{\"base\":\"normal\",\"layers\":[");
  for (int k = 0; k < CROWD_COUPLINGS; k++) {
    print_coupling(text, energy, alike, particles, k);
    boltz_text_puts(text, "\"hidden\":[128,128]},");
  }
  boltz_text_puts(text, "{\"type\":\"actnorm\"}");
  for (int c = 0; c < alike->classes; c++) {
    boltz_text_printf(text, ",{\"type\":\"exchange\",\"width\":%lld,\"particles\":[",
                      (long long)alike->width);
    for (int64_t i = 0; i < alike->of[c].n; i++)
      boltz_text_printf(text, i ? ",%lld" : "%lld",
                        (long long)(alike->of[c].site[i] * alike->width));
    boltz_text_puts(text, "]}");
  }
  boltz_text_puts(text, "]}");
}

/* ---- Particles in a periodic box that know nothing but each other ---- */

/* A pair has one displacement. */
static int box_couplings(const struct boltz_translation *translation) {
  return translation->sites > 2 ? 24 : 8;
}

static int bits_of(int64_t n) {
  int bits = 1;
  while (n > 1LL << bits) bits++;
  return bits;
}

/* One axis of all displacements and the others, then half of the displacements, by each of the bits
   of their numbers, and the others. The first particle has none: nothing moves or sees it. */
static enum role displacements(const struct boltz_energy *energy, const void *trait, int k, int j) {
  const struct boltz_translation *translation = trait;
  const int64_t width = translation->width, n = translation->sites - 1, turn = k / 2;
  const bool axis = n == 1 || (width > 1 && turn % 2 == 0);
  const int64_t step = n == 1 || width == 1 ? turn : turn / 2;
  (void)energy;
  if (j < width) return LEFT_OUT;
  return part(axis ? j % width == step % width : ((j / width - 1) >> step % bits_of(n) & 1) == 0,
              k);
}

/* A displacement in the plane at least: a coupling has something to see. */
static bool is_boxed(const struct boltz_translation *translation) {
  return (translation->sites - 1) * translation->width >= 2;
}

/* Coordinates of all sites but the first, parents before those that hang on them; or of what
   site_of names in their stead. */
static void print_ordered(struct boltz_text *text, const char *name,
                          const struct boltz_translation *translation, const int64_t *site_of) {
  boltz_text_printf(text, "\"%s\":[", name);
  for (int64_t k = 0; k < translation->sites - 1; k++)
    for (int64_t c = 0; c < translation->width; c++) {
      const int64_t site = translation->order[k];
      boltz_text_printf(text, k + c > 0 ? ",%lld" : "%lld",
                        (long long)((site_of ? site_of[site] : site) * translation->width + c));
    }
  boltz_text_puts(text, "]");
}

/* Displacements along bonds, or whatever holds particles together; the first particle is anywhere.
 */
static void print_box(struct boltz_text *text, const struct boltz_energy *energy,
                      const struct boltz_translation *translation) {
  print_circular_base(text, energy);
  for (int k = 0; k < box_couplings(translation); k++) {
    print_coupling(text, energy, translation, displacements, k);
    boltz_text_puts(text, "\"hidden\":[64,64]},");
    if (k % 2 == 0) continue;
    boltz_text_puts(text, "{\"type\":\"circular_shift\",");
    print_ordered(text, "coordinates", translation, NULL);
    boltz_text_puts(text, "},");
  }
  boltz_text_puts(text, "{\"type\":\"relative\",");
  print_ordered(text, "coordinates", translation, NULL);
  boltz_text_puts(text, ",");
  print_ordered(text, "to", translation, translation->parent);
  boltz_text_puts(text, "}]}");
}

/* Of very many coordinates networks of affine maps have a bearable number of outputs. */
static const char affine[] =
    "{\"base\":\"normal\",\"layers\":["
    "{\"type\":\"realnvp\",\"blocks\":4,\"hidden\":[64,64],\"scale_cap\":2},"
    "{\"type\":\"actnorm\"}]}";

/* A quadratic form needs no training. */
static const char harmonic[] = "{\"base\":\"laplace\",\"layers\":[]}";

#define HARMONIC_MOST 1024 /* a matrix of so many coordinates is taken apart */

/* Alone a coordinate needs no network. */
static void print_curves(struct boltz_text *text, const struct boltz_energy *energy) {
  const bool periodic = count_periodic(energy) > 0;
  if (periodic)
    print_circular_base(text, energy);
  else
    boltz_text_puts(text, "{\"base\":\"normal\",\"layers\":[");
  boltz_text_puts(text, "{\"type\":\"spline\",\"bins\":32}");
  boltz_text_puts(text, periodic ? "]}" : ",{\"type\":\"actnorm\"}]}");
}

/* What is told by trying, no longer than it takes to know. */
static enum boltz_status print_flow(const struct boltz_energy *energy, struct boltz_arena *scratch,
                                    struct boltz_text *text) {
  struct boltz_lattice lattice = {0};
  struct boltz_alike alike = {0};
  struct boltz_translation translation = {0};
  bool quadratic = false, rotation = false;
  if (energy->dim <= HARMONIC_MOST) BOLTZ_TRY(boltz_quadratic_find(energy, scratch, &quadratic));
  if (!quadratic) BOLTZ_TRY(boltz_lattice_find(energy, scratch, &lattice));
  if (!quadratic && lattice.axes == 0 && energy->dim <= SPLINES_MOST) {
    BOLTZ_TRY(boltz_rotation_find(energy, scratch, &rotation));
    if (!rotation) BOLTZ_TRY(boltz_alike_find(energy, scratch, &alike));
    BOLTZ_TRY(boltz_translation_find(energy, scratch, &translation));
  }
  if (quadratic)
    boltz_text_puts(text, harmonic);
  else if (energy->dim == 1)
    print_curves(text, energy);
  else if (lattice.axes > 0)
    print_sites(text, energy, &lattice);
  else if (rotation)
    print_planar(text, energy);
  else if (is_crowded(energy, &alike))
    print_crowd(text, energy, &alike);
  else if (is_boxed(&translation))
    print_box(text, energy, &translation);
  else if (count_periodic(energy) == 0 && energy->dim > SPLINES_MOST)
    boltz_text_puts(text, affine);
  else
    print_splines(text, energy);
  return text->failed ? BOLTZ_NO_MEMORY : BOLTZ_OK;
}

enum boltz_status boltz_plan_flow(const struct boltz_energy *energy, struct boltz_arena *arena,
                                  struct boltz_flow_spec *spec) {
  struct boltz_text text = {0};
  struct boltz_json *object;
  enum boltz_status status = print_flow(energy, arena, &text);
  if (status == BOLTZ_OK) status = boltz_json_parse(text.data, text.size, 8, arena, &object);
  boltz_text_free(&text);
  BOLTZ_TRY(status);
  BOLTZ_TRY(boltz_flow_spec_parse(object, energy->dim, arena, spec));
  return boltz_flow_spec_complete(spec, energy, arena);
}
