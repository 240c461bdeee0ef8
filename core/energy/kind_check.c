/* kind_check.c - is the table of a kind well-formed? For those that no test of ours has seen. */
#include <math.h>
#include <string.h>

#include "boltz/energy.h"

#define NAME_MOST 64

/* What the complaints are about: "the energy kind rod", and which part of it. */
static enum boltz_status ill(const struct boltz_energy_kind *kind, const char *part,
                             const char *name, const char *what) {
  return boltz_fail(BOLTZ_OUT_OF_RANGE, "energy kind %.64s: %s%s%.64s %s", kind->name, part,
                    *name ? " " : "", name, what);
}

static bool is_word(const char *name) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  static const char rest[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
  size_t n = strlen(name);
  return n > 0 && n <= NAME_MOST && strchr(letters, name[0]) && strspn(name, rest) == n;
}

static size_t size_of(enum boltz_field_type type) {
  switch (type) {
    case BOLTZ_FIELD_DOUBLE:
      return sizeof(double);
    case BOLTZ_FIELD_INT:
    case BOLTZ_FIELD_SEED:
      return sizeof(int64_t);
    case BOLTZ_FIELD_BOOL:
      return sizeof(bool);
    case BOLTZ_FIELD_TEXT:
    case BOLTZ_FIELD_CHOICE:
    case BOLTZ_FIELD_JSON:
      return sizeof(void *);
    case BOLTZ_FIELD_INTS:
      return sizeof(struct boltz_ints);
    case BOLTZ_FIELD_DOUBLES:
      return sizeof(struct boltz_doubles);
  }
  return 0;
}

/* The default is taken without a question, so it must be one that is allowed. */
static bool default_fits(const struct boltz_field *f) {
  if (f->required || (f->type != BOLTZ_FIELD_DOUBLE && f->type != BOLTZ_FIELD_INT)) return true;
  if (f->nullable && isnan(f->def)) return true;
  return f->def <= f->high && (f->low_open ? f->def > f->low : f->def >= f->low);
}

static enum boltz_status check_field(const struct boltz_energy_kind *kind,
                                     const struct boltz_field *f) {
  const size_t size = size_of(f->type), room = kind->settings_size;
  if (!is_word(f->name) || strcmp(f->name, "kind") == 0)
    return ill(kind, "setting", f->name,
               "needs a name of letters, digits and _, beginning with a letter, and not kind");
  if (boltz_field_find(kind->fields, f->name) != f)
    return ill(kind, "setting", f->name, "is there twice");
  if (!f->doc || !*f->doc) return ill(kind, "setting", f->name, "has no doc");
  if (size == 0) return ill(kind, "setting", f->name, "has a type that is not known");
  if (size > room || f->offset > room - size)
    return ill(kind, "setting", f->name, "lies outside settings_size");
  if (f->type == BOLTZ_FIELD_CHOICE && (!f->choices || !f->choices[0]))
    return ill(kind, "setting", f->name, "has no choices");
  if (!default_fits(f)) return ill(kind, "setting", f->name, "has a default that is out of bounds");
  return BOLTZ_OK;
}

/* Formulas know these names already. */
static bool is_taken(const char *name) {
  static const char *const taken[] = {"energy", "pi", "log_q", "log_weight", "x", "z"};
  for (size_t k = 0; k < sizeof taken / sizeof taken[0]; k++)
    if (strcmp(name, taken[k]) == 0) return true;
  return name[0] == 'x' && name[1] && strspn(name + 1, "0123456789") == strlen(name + 1);
}

static enum boltz_status check_variable(const struct boltz_energy_kind *kind,
                                        const struct boltz_variable *variable) {
  const char *name = variable->name;
  if (!is_word(name) || is_taken(name))
    return ill(kind, "variable", name,
               "needs a name of letters, digits and _, beginning with a letter, and none of "
               "energy, log_q, log_weight, pi, x, z, x1, x2, …");
  for (const struct boltz_variable *other = kind->variables; other < variable; other++)
    if (strcmp(other->name, name) == 0) return ill(kind, "variable", name, "is there twice");
  if (!variable->doc || !*variable->doc) return ill(kind, "variable", name, "has no doc");
  if (!variable->eval) return ill(kind, "variable", name, "has no eval()");
  return BOLTZ_OK;
}

enum boltz_status boltz_energy_kind_check(const struct boltz_energy_kind *kind) {
  if (!kind->name || !is_word(kind->name))
    return boltz_fail(BOLTZ_OUT_OF_RANGE,
                      "an energy kind needs a name of letters, digits and _, beginning with a "
                      "letter, at most %d",
                      NAME_MOST);
  if (!kind->doc || !*kind->doc) return ill(kind, "its doc", "", "is missing");
  if (!kind->source || !*kind->source) return ill(kind, "its source", "", "is missing");
  if (!kind->dim) return ill(kind, "dim()", "", "is missing");
  if (!kind->energy == !kind->reduced)
    return ill(kind, "one of energy() and reduced()", "", "is needed, and not both");
  if (!kind->site_width != !kind->difference)
    return ill(kind, "site_width() and difference()", "", "go together");
  for (const struct boltz_field *f = kind->fields; f && f->name; f++)
    BOLTZ_TRY(check_field(kind, f));
  for (const struct boltz_variable *v = kind->variables; v && v->name; v++)
    BOLTZ_TRY(check_variable(kind, v));
  return BOLTZ_OK;
}
