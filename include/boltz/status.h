/* status.h - what can go wrong, and the one sentence that says how. */
#ifndef BOLTZ_STATUS_H
#define BOLTZ_STATUS_H

/** Every status of the library: name and the meaning in a few words. */
#define BOLTZ_STATUSES(X)                                             \
  X(OK, "all is well")                                                \
  X(NO_MEMORY, "memory or a configured limit is exhausted")           \
  X(MALFORMED_JSON, "the text is not strict JSON")                    \
  X(MALFORMED_NPY, "the bytes are not an NPY array that can be read") \
  X(UNKNOWN_MEMBER, "a member that nobody asked for")                 \
  X(MISSING_MEMBER, "a required member is absent")                    \
  X(DUPLICATE_MEMBER, "a member is given twice")                      \
  X(WRONG_TYPE, "a value of the wrong type")                          \
  X(OUT_OF_RANGE, "a value of the right type that is not allowed")    \
  X(UNKNOWN_KIND, "no energy or job of that kind")                    \
  X(UNKNOWN_NAME, "no layer, move, coordinate, … of that name")       \
  X(BAD_ROW, "a configuration of the wrong length or not finite")     \
  X(OUT_OF_DOMAIN, "a configuration outside the model's domain")      \
  X(BAD_CHECKPOINT, "the checkpoint cannot be trusted")               \
  X(IO, "the operating system refused to read or write")

enum boltz_status {
#define X(name, doc) BOLTZ_##name,
  BOLTZ_STATUSES(X)
#undef X
};

/** The status as text: "OUT_OF_RANGE". Never NULL. */
const char *boltz_status_name(enum boltz_status status);

/**
 * Leave one sentence for this thread and return `status`, so that a constructor can say
 * `return boltz_fail(BOLTZ_OUT_OF_RANGE, "dim = %d is not in [1, 4096]", dim);`.
 * The sentence names the thing, the value and what is allowed. Clears the pointer.
 */
enum boltz_status boltz_fail(enum boltz_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** The same, with the place at fault as a JSON pointer (RFC 6901): "/hidden/2". */
enum boltz_status boltz_fail_at(enum boltz_status status, const char *pointer, const char *format,
                                ...) __attribute__((format(printf, 3, 4)));

/**
 * Put a prefix before the pointer of the last failure on its way up: a list that parses its third
 * member calls `return boltz_fail_under(status, "/layers/%d", 2);`. BOLTZ_OK passes untouched.
 */
enum boltz_status boltz_fail_under(enum boltz_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** This thread's last sentence, and its pointer ("" when the failure has no place). */
const char *boltz_error(void);
const char *boltz_error_pointer(void);

/** Pass a failure on to the caller. */
#define BOLTZ_TRY(expression)                                    \
  do {                                                           \
    enum boltz_status boltz_try_status_ = (expression);          \
    if (boltz_try_status_ != BOLTZ_OK) return boltz_try_status_; \
  } while (0)

#endif
