/* log.c - one JSON line an event on stderr, in one write. */
#include "server/log.h"

#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "boltz/text.h"
#include "server/json.h"

struct log {
  enum log_level level;
};

struct log *log_open(enum log_level level) {
  struct log *log = malloc(sizeof *log);
  if (log) log->level = level;
  return log;
}

void log_close(struct log *log) {
  free(log);
}

static void member(struct boltz_text *line, const char *name, va_list *arguments) {
  boltz_text_puts(line, ",");
  boltz_text_quoted(line, name + 2);
  boltz_text_puts(line, ":");
  if (name[0] == 's') {
    const char *text = va_arg(*arguments, const char *);
    if (text)
      boltz_text_quoted(line, text);
    else
      boltz_text_puts(line, "null");
  } else if (name[0] == 'i') {
    boltz_text_printf(line, "%lld", va_arg(*arguments, long long));
  } else {
    boltz_text_number(line, va_arg(*arguments, double));
  }
}

void log_event(struct log *log, enum log_level level, const char *event, ...) {
  static const char *const levels[] = {"debug", "info", "warn", "error"};
  if (!log || level < log->level) return;
  struct boltz_text line = {0};
  char time[JSON_TIME_SIZE];
  json_time(json_now_ms(), time);
  boltz_text_printf(&line, "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"", time,
                    levels[level], event);
  va_list arguments;
  va_start(arguments, event);
  for (const char *name; (name = va_arg(arguments, const char *)) != NULL;)
    member(&line, name, &arguments);
  va_end(arguments);
  boltz_text_puts(&line, "}\n");
  if (!line.failed && write(STDERR_FILENO, line.data, line.size) < 0) {
    /* nowhere to say it */
  }
  boltz_text_free(&line);
}
