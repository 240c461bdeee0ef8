/* log.h - one JSON line an event on stderr. */
#ifndef SERVER_LOG_H
#define SERVER_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log;

struct log *log_open(enum log_level level);
void log_close(struct log *log);

/**
 * Write {"time":…,"level":…,"event":event, …} in one write(2). Members follow as pairs, NULL ends
 * them; the first letter of a name tells the type of its value and is not printed: "s:" const
 * char * (NULL prints null), "i:" long long, "d:" double.
 *     log_event(log, LOG_INFO, "ready", "s:listen", address, "i:workers", 2LL, NULL);
 * Threads: any.
 */
void log_event(struct log *log, enum log_level level, const char *event, ...)
    __attribute__((sentinel));

#endif
