/* config.c - one settings table for the file, the environment and the command line. */
#include "server/config.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "boltz/text.h"

#define CONFIG(member) offsetof(struct config, member)
#define MIB (1024.0 * 1024.0)

static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};

const struct boltz_field config_fields[] = {
    {.name = "data",
     .type = BOLTZ_FIELD_TEXT,
     .offset = CONFIG(data),
     .def_text = "./var",
     .high = 200,
     .doc = "directory of everything that survives a restart"},
    {.name = "listen",
     .type = BOLTZ_FIELD_TEXT,
     .offset = CONFIG(listen),
     .def_text = "127.0.0.1:8000",
     .high = 200,
     .doc = "address:port; port 0 takes any free one"},
    {.name = "workers",
     .type = BOLTZ_FIELD_INT,
     .offset = CONFIG(workers),
     .def = 0,
     .low = 0,
     .high = 1024,
     .doc = "worker threads; 0: one a core"},
    {.name = "jobs",
     .type = BOLTZ_FIELD_INT,
     .offset = CONFIG(jobs),
     .def = 1,
     .low = 1,
     .high = 64,
     .doc = "training and Monte Carlo jobs that run at once"},
    {.name = "keep_jobs",
     .type = BOLTZ_FIELD_INT,
     .offset = CONFIG(keep_jobs),
     .def = 90,
     .low = 0,
     .high = 36500,
     .unit = "days",
     .doc = "how long finished jobs are kept"},
    {.name = "background_share",
     .type = BOLTZ_FIELD_DOUBLE,
     .offset = CONFIG(background_share),
     .def = 0.05,
     .low = 0,
     .high = 1,
     .doc = "share of slices that training gets however many requests wait"},
    {.name = "queue",
     .type = BOLTZ_FIELD_INT,
     .offset = CONFIG(queue),
     .def = 1024,
     .low = 1,
     .high = 1e6,
     .unit = "requests",
     .doc = "requests that may wait; more are answered 503"},
    {.name = "connections",
     .type = BOLTZ_FIELD_INT,
     .offset = CONFIG(connections),
     .def = 512,
     .low = 2,
     .high = 65536,
     .doc = "open connections"},
    {.name = "body_bytes",
     .type = BOLTZ_FIELD_INT,
     .offset = CONFIG(body_bytes),
     .def = 64 * MIB,
     .low = 1024,
     .high = 4096 * MIB,
     .unit = "bytes",
     .doc = "largest body of a request"},
    {.name = "header_bytes",
     .type = BOLTZ_FIELD_INT,
     .offset = CONFIG(header_bytes),
     .def = 32768,
     .low = 8192,
     .high = MIB,
     .unit = "bytes",
     .doc = "largest request line with headers"},
    {.name = "json_depth",
     .type = BOLTZ_FIELD_INT,
     .offset = CONFIG(json_depth),
     .def = 32,
     .low = 8,
     .high = 256,
     .doc = "deepest nesting of a JSON body"},
    {.name = "reply_bytes",
     .type = BOLTZ_FIELD_INT,
     .offset = CONFIG(reply_bytes),
     .def = 1024 * MIB,
     .low = 65536,
     .high = 65536 * MIB,
     .unit = "bytes",
     .doc = "largest body of a reply"},
    {.name = "samples",
     .type = BOLTZ_FIELD_INT,
     .offset = CONFIG(samples),
     .def = 1e6,
     .low = 1,
     .high = 1e9,
     .doc = "most n of a sample request"},
    {.name = "estimate_samples",
     .type = BOLTZ_FIELD_INT,
     .offset = CONFIG(estimate_samples),
     .def = 1e8,
     .low = 1,
     .high = 1e12,
     .doc = "most n of an estimate request"},
    {.name = "request_deadline_ms",
     .type = BOLTZ_FIELD_INT,
     .offset = CONFIG(request_deadline_ms),
     .def = 120000,
     .low = 100,
     .high = 86400000,
     .unit = "ms",
     .doc = "from a request's first byte to its reply"},
    {.name = "drain_ms",
     .type = BOLTZ_FIELD_INT,
     .offset = CONFIG(drain_ms),
     .def = 20000,
     .low = 0,
     .high = 86400000,
     .unit = "ms",
     .doc = "how long SIGTERM waits for requests in flight"},
    {.name = "kernel",
     .type = BOLTZ_FIELD_TEXT,
     .offset = CONFIG(kernel),
     .def_text = "auto",
     .high = 32,
     .doc = "matrix kernel, changes no result: auto, or one of avx512, avx2, portable"},
    {.name = "plugin_dir",
     .type = BOLTZ_FIELD_TEXT,
     .offset = CONFIG(plugin_dir),
     .def_text = "",
     .high = 200,
     .doc = "directory of plug-ins, energies as *.so, read at start; empty: none"},
    {.name = "log_level",
     .type = BOLTZ_FIELD_CHOICE,
     .offset = CONFIG(log_level),
     .def_text = "info",
     .choices = log_levels,
     .doc = "least level that is logged"},
    BOLTZ_FIELDS_END};

/* "keep_jobs" as a flag: "keep-jobs". */
static void dashes(const char *name, char *out, size_t size) {
  size_t n = 0;
  for (; name[n] && n + 1 < size; n++) out[n] = name[n] == '_' ? '-' : name[n];
  out[n] = 0;
}

/* The field of a name written with dashes, underscores or capitals. */
static const struct boltz_field *find(const char *name, size_t length) {
  for (const struct boltz_field *field = config_fields; field->name; field++) {
    if (strlen(field->name) != length) continue;
    size_t k = 0;
    while (k < length && (field->name[k] == tolower((unsigned char)name[k]) ||
                          (field->name[k] == '_' && name[k] == '-')))
      k++;
    if (k == length) return field;
  }
  return NULL;
}

/* Edit distance of two short names. */
static int distance(const char *a, const char *b) {
  int row[64], n = (int)strlen(b);
  if (n > 63) return 99;
  for (int j = 0; j <= n; j++) row[j] = j;
  for (int i = 1; *a; a++, i++) {
    int diagonal = row[0];
    row[0] = i;
    for (int j = 1; j <= n; j++) {
      int replace = diagonal + (tolower((unsigned char)*a) != b[j - 1]);
      int insert = row[j - 1] + 1, remove = row[j] + 1;
      diagonal = row[j];
      row[j] = replace < insert ? replace : insert;
      if (remove < row[j]) row[j] = remove;
    }
  }
  return row[n];
}

static enum boltz_status unknown(const char *where, const char *name) {
  char best[64] = "", candidate[64];
  int least = 99;
  for (const struct boltz_field *field = config_fields; field->name; field++) {
    dashes(field->name, candidate, sizeof candidate);
    int d = distance(name, candidate);
    if (d < least) {
      least = d;
      memcpy(best, candidate, sizeof best);
    }
  }
  return boltz_fail(BOLTZ_UNKNOWN_MEMBER,
                    "%s: there is no setting \"%.64s\"; the nearest is %s (see --help)", where,
                    name, best);
}

static enum boltz_status set(const struct boltz_field *field, const char *text, const char *where,
                             struct config *config, struct boltz_arena *arena) {
  struct boltz_value value = {.type = BOLTZ_VALUE_TEXT, .text = text};
  if (field->type == BOLTZ_FIELD_INT || field->type == BOLTZ_FIELD_DOUBLE) {
    const char *end = text + strlen(text);
    value.type = BOLTZ_VALUE_NUMBER;
    if (boltz_number_read(text, end, &value.number) != end)
      return boltz_fail(BOLTZ_WRONG_TYPE, "%s: %s = \"%.64s\" is not a number", where, field->name,
                        text);
  }
  enum boltz_status status = boltz_field_set(field, config, &value, arena);
  if (status == BOLTZ_OK) return status;
  char sentence[400];
  snprintf(sentence, sizeof sentence, "%s", boltz_error());
  return boltz_fail(status, "%s: %s", where, sentence);
}

/* ---- the file: `name = value` lines, # comments ---- */

static char *trim(char *text) {
  while (isspace((unsigned char)*text)) text++;
  size_t n = strlen(text);
  while (n > 0 && isspace((unsigned char)text[n - 1])) text[--n] = 0;
  return text;
}

static enum boltz_status read_line(char *line, const char *where, struct config *config,
                                   struct boltz_arena *arena) {
  char *hash = line[strspn(line, " \t")] == '#' ? line : strstr(line, " #");
  if (hash) *hash = 0;
  char *name = trim(line);
  if (!*name) return BOLTZ_OK;
  char *equals = strchr(name, '=');
  if (!equals)
    return boltz_fail(BOLTZ_WRONG_TYPE, "%s: \"%.64s\" is not of the form name = value", where,
                      name);
  *equals = 0;
  char *value = trim(equals + 1);
  name = trim(name);
  const struct boltz_field *field = find(name, strlen(name));
  return field ? set(field, value, where, config, arena) : unknown(where, name);
}

static enum boltz_status read_file(const char *path, struct config *config,
                                   struct boltz_arena *arena) {
  FILE *file = fopen(path, "r");
  char line[1024], where[300];
  enum boltz_status status = BOLTZ_OK;
  if (!file) return boltz_fail(BOLTZ_IO, "%s: %s", path, strerror(errno));
  for (int k = 1; status == BOLTZ_OK && fgets(line, sizeof line, file); k++) {
    snprintf(where, sizeof where, "%s:%d", path, k);
    if (!strchr(line, '\n') && !feof(file))
      status =
          boltz_fail(BOLTZ_OUT_OF_RANGE, "%s: a line of over %zu bytes", where, sizeof line - 2);
    else
      status = read_line(line, where, config, arena);
  }
  if (status == BOLTZ_OK && ferror(file))
    status = boltz_fail(BOLTZ_IO, "%s: %s", path, strerror(errno));
  fclose(file);
  return status;
}

/* ---- the environment and the command line ---- */

/* What Kubernetes sets for a service that is called boltzd: BOLTZD_SERVICE_HOST, BOLTZD_PORT, ...
 */
static bool is_service_link(const char *name) {
  return strncmp(name, "SERVICE_HOST", 12) == 0 || strncmp(name, "SERVICE_PORT", 12) == 0 ||
         strncmp(name, "PORT=", 5) == 0 || strncmp(name, "PORT_", 5) == 0;
}

static enum boltz_status read_environment(char **environment, struct config *config,
                                          struct boltz_arena *arena) {
  static const char prefix[] = "BOLTZD_";
  for (; *environment; environment++) {
    if (strncmp(*environment, prefix, sizeof prefix - 1) != 0) continue;
    const char *name = *environment + sizeof prefix - 1, *equals = strchr(name, '=');
    if (!equals || strncmp(name, "CONFIG=", 7) == 0 || is_service_link(name)) continue;
    char where[96];
    snprintf(where, sizeof where, "%.*s", (int)(equals - *environment), *environment);
    const struct boltz_field *field = find(name, (size_t)(equals - name));
    BOLTZ_TRY(field ? set(field, equals + 1, where, config, arena)
                    : unknown("environment", where + sizeof prefix - 1));
  }
  return BOLTZ_OK;
}

static bool is_action(const char *argument, enum config_action *action) {
  static const struct {
    const char *flag;
    enum config_action action;
  } actions[] = {{"--show-config", CONFIG_SHOW},
                 {"--version", CONFIG_VERSION},
                 {"--help", CONFIG_HELP},
                 {"-h", CONFIG_HELP},
                 {"--healthcheck", CONFIG_HEALTHCHECK},
                 {"--self-check", CONFIG_SELF_CHECK},
                 {"-V", CONFIG_VERSION}};
  for (size_t k = 0; k < sizeof actions / sizeof *actions; k++) {
    if (strcmp(argument, actions[k].flag) != 0) continue;
    *action = actions[k].action;
    return true;
  }
  return false;
}

/* One flag at argv[*k]; moves *k past a value of its own. `config` NULL: look for --config alone.
 */
static enum boltz_status read_flag(int argc, char **argv, int *k, const char **config_path,
                                   struct config *config, struct boltz_arena *arena) {
  const char *argument = argv[*k];
  if (strncmp(argument, "--", 2) != 0)
    return boltz_fail(BOLTZ_UNKNOWN_MEMBER, "\"%.64s\" is not an option; see --help", argument);
  const char *name = argument + 2, *equals = strchr(name, '=');
  size_t length = equals ? (size_t)(equals - name) : strlen(name);
  bool is_config = length == 6 && strncmp(name, "config", 6) == 0;
  const struct boltz_field *field = is_config ? NULL : find(name, length);
  char where[72];
  snprintf(where, sizeof where, "%.*s", (int)(length < 60 ? length + 2 : 62), argument);
  if (!field && !is_config) return unknown("command line", where + 2);
  const char *value = equals ? equals + 1 : *k + 1 < argc ? argv[++*k] : NULL;
  if (!value) return boltz_fail(BOLTZ_MISSING_MEMBER, "%s needs a value", where);
  if (is_config) {
    *config_path = value;
    return BOLTZ_OK;
  }
  return config ? set(field, value, where, config, arena) : BOLTZ_OK;
}

static enum boltz_status read_flags(int argc, char **argv, const char **config_path,
                                    struct config *config, struct boltz_arena *arena,
                                    enum config_action *action) {
  for (int k = 1; k < argc; k++)
    if (!is_action(argv[k], action))
      BOLTZ_TRY(read_flag(argc, argv, &k, config_path, config, arena));
  return BOLTZ_OK;
}

enum boltz_status config_load(int argc, char **argv, char **environment, struct boltz_arena *arena,
                              struct config *config, enum config_action *action) {
  const char *path = NULL;
  *action = CONFIG_RUN;
  boltz_field_defaults(config_fields, config);
  for (char **entry = environment; *entry; entry++)
    if (strncmp(*entry, "BOLTZD_CONFIG=", 14) == 0) path = *entry + 14;
  BOLTZ_TRY(read_flags(argc, argv, &path, NULL, arena, action));
  if (path && *path) BOLTZ_TRY(read_file(path, config, arena));
  BOLTZ_TRY(read_environment(environment, config, arena));
  return read_flags(argc, argv, &path, config, arena, action);
}

/* ---- printing ---- */

static void print_value(const struct boltz_field *field, const struct config *config, FILE *out) {
  const void *at = (const char *)config + field->offset;
  char number[BOLTZ_NUMBER_SIZE];
  if (field->type == BOLTZ_FIELD_INT) {
    fprintf(out, "%lld", (long long)*(const int64_t *)at);
  } else if (field->type == BOLTZ_FIELD_DOUBLE) {
    boltz_number_print(*(const double *)at, number);
    fputs(number, out);
  } else {
    fputs(*(const char *const *)at, out);
  }
}

void config_print(const struct config *config, FILE *out) {
  for (const struct boltz_field *field = config_fields; field->name; field++) {
    char name[64];
    dashes(field->name, name, sizeof name);
    fprintf(out, "%s = ", name);
    print_value(field, config, out);
    fputc('\n', out);
  }
}

void config_help(FILE *out) {
  struct config defaults;
  boltz_field_defaults(config_fields, &defaults);
  fputs(
      "Usage: boltzd [--option value] ...\n\n"
      "Serves independent samples of Boltzmann distributions over HTTP.\n"
      "Every option is also BOLTZD_OPTION in the environment (BOLTZD_KEEP_JOBS) and a line\n"
      "`option = value` of a file; the command line wins over the environment over the file.\n\n"
      "  --config FILE            read settings from a file\n"
      "  --show-config            print the settings in effect, as such a file\n"
      "  --healthcheck            ask the daemon at --listen whether it is ready; exit 0 or 1\n"
      "  --self-check             find the exact numbers of every kind of energy, print them "
      "beside\n"
      "                           what is known; needs no daemon and no data; exit 0 or 1\n"
      "  --version, --help\n\n",
      out);
  for (const struct boltz_field *field = config_fields; field->name; field++) {
    char name[64];
    dashes(field->name, name, sizeof name);
    fprintf(out, "  --%-22s %s%s%s%s [", name, field->doc, field->unit ? " (" : "",
            field->unit ? field->unit : "", field->unit ? ")" : "");
    print_value(field, &defaults, out);
    fputs("]\n", out);
  }
}
