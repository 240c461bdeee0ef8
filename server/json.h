/* json.h - replies as cJSON trees whose numbers read back bit-identical. */
#ifndef SERVER_JSON_H
#define SERVER_JSON_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "boltz/field.h"
#include "boltz/json.h"

/** A number in shortest form; NaN and infinities become the strings "NaN", "Infinity", "-Infinity".
 */
cJSON *json_number(double value);
void json_add_number(cJSON *object, const char *key, double value);

/** The same, but NaN becomes null. */
void json_add_number_or_null(cJSON *object, const char *key, double value);

void json_add_integer(cJSON *object, const char *key, int64_t value);
void json_add_text(cJSON *object, const char *key, const char *text_or_null);

/** A seed: a decimal string. */
void json_add_seed(cJSON *object, const char *key, uint64_t seed);

/** Text that is JSON already; NULL becomes null. */
void json_add_raw(cJSON *object, const char *key, const char *json);

/** Settings of a table as members of the object. */
void json_add_fields(cJSON *object, const struct boltz_field *fields, const void *settings);

/** The rows of a table for the catalog: [{name, type, default, low, high, unit, doc}]. */
cJSON *json_field_rows(const struct boltz_field *fields);

/** Print and free; malloc'ed text, NULL when memory is exhausted. */
char *json_take_text(cJSON *tree);

/** RFC 3339 UTC with milliseconds, "2026-01-31T12:00:00.123Z"; the clock is wall time in ms. */
#define JSON_TIME_SIZE 32
void json_time(long long ms, char out[JSON_TIME_SIZE]);
long long json_now_ms(void);

#endif
