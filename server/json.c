/* json.c - replies as cJSON trees whose numbers read back bit-identical. */
#include "server/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

cJSON *json_number(double value) {
  char text[BOLTZ_NUMBER_SIZE];
  boltz_number_print(value, text);
  return cJSON_CreateRaw(text);
}

void json_add_number(cJSON *object, const char *key, double value) {
  cJSON_AddItemToObject(object, key, json_number(value));
}

void json_add_number_or_null(cJSON *object, const char *key, double value) {
  cJSON_AddItemToObject(object, key, isnan(value) ? cJSON_CreateNull() : json_number(value));
}

void json_add_integer(cJSON *object, const char *key, int64_t value) {
  char text[24];
  snprintf(text, sizeof text, "%lld", (long long)value);
  cJSON_AddRawToObject(object, key, text);
}

void json_add_text(cJSON *object, const char *key, const char *text_or_null) {
  if (text_or_null)
    cJSON_AddStringToObject(object, key, text_or_null);
  else
    cJSON_AddNullToObject(object, key);
}

void json_add_seed(cJSON *object, const char *key, uint64_t seed) {
  char text[24];
  snprintf(text, sizeof text, "%llu", (unsigned long long)seed);
  cJSON_AddStringToObject(object, key, text);
}

void json_add_raw(cJSON *object, const char *key, const char *json) {
  if (json)
    cJSON_AddRawToObject(object, key, json);
  else
    cJSON_AddNullToObject(object, key);
}

static cJSON *tree_item(const struct boltz_json *tree) {
  struct boltz_text text = {0};
  boltz_json_print(tree, &text);
  cJSON *item = text.failed ? cJSON_CreateNull() : cJSON_CreateRaw(text.data);
  boltz_text_free(&text);
  return item;
}

static cJSON *value_item(const struct boltz_field *field, const struct boltz_value *value) {
  cJSON *list;
  char text[24];
  switch (value->type) {
    case BOLTZ_VALUE_BOOL:
      return cJSON_CreateBool(value->truth);
    case BOLTZ_VALUE_NUMBER:
      if (field->type != BOLTZ_FIELD_INT) return json_number(value->number);
      snprintf(text, sizeof text, "%lld", (long long)value->number);
      return cJSON_CreateRaw(text);
    case BOLTZ_VALUE_TEXT:
      return cJSON_CreateString(value->text);
    case BOLTZ_VALUE_NUMBERS:
      list = cJSON_CreateArray();
      for (size_t k = 0; k < value->n; k++)
        cJSON_AddItemToArray(list, json_number(value->numbers[k]));
      return list;
    case BOLTZ_VALUE_JSON:
      return tree_item(value->tree);
    default:
      return cJSON_CreateNull();
  }
}

void json_add_fields(cJSON *object, const struct boltz_field *fields, const void *settings) {
  struct boltz_arena *arena = boltz_arena_open(0);
  for (const struct boltz_field *field = fields; arena && field && field->name; field++) {
    struct boltz_value value;
    if (boltz_field_get(field, settings, arena, &value) == BOLTZ_OK)
      cJSON_AddItemToObject(object, field->name, value_item(field, &value));
  }
  boltz_arena_close(arena);
}

static void add_default(cJSON *row, const struct boltz_field *field) {
  bool number = field->type == BOLTZ_FIELD_DOUBLE || field->type == BOLTZ_FIELD_INT;
  if (field->required)
    cJSON_AddNullToObject(row, "default");
  else if (number)
    json_add_number_or_null(row, "default", field->def);
  else if (field->type == BOLTZ_FIELD_SEED)
    json_add_seed(row, "default", (uint64_t)field->def);
  else if (field->type == BOLTZ_FIELD_BOOL)
    cJSON_AddBoolToObject(row, "default", field->def != 0);
  else
    json_add_text(row, "default", field->def_text);
}

cJSON *json_field_rows(const struct boltz_field *fields) {
  cJSON *rows = cJSON_CreateArray();
  for (const struct boltz_field *field = fields; field && field->name; field++) {
    cJSON *row = cJSON_CreateObject();
    bool bounded = field->low < field->high;
    cJSON_AddStringToObject(row, "name", field->name);
    cJSON_AddStringToObject(row, "type", boltz_field_type_name(field->type));
    add_default(row, field);
    json_add_number_or_null(row, "low", bounded ? field->low : NAN);
    json_add_number_or_null(row, "high", bounded ? field->high : NAN);
    json_add_text(row, "unit", field->unit);
    json_add_text(row, "doc", field->doc);
    cJSON_AddBoolToObject(row, "required", field->required);
    if (field->choices) {
      cJSON *choices = cJSON_AddArrayToObject(row, "choices");
      for (const char *const *choice = field->choices; *choice; choice++)
        cJSON_AddItemToArray(choices, cJSON_CreateString(*choice));
    }
    cJSON_AddItemToArray(rows, row);
  }
  return rows;
}

char *json_take_text(cJSON *tree) {
  char *text = cJSON_PrintUnformatted(tree);
  cJSON_Delete(tree);
  return text;
}

void json_time(long long ms, char out[JSON_TIME_SIZE]) {
  time_t seconds = (time_t)(ms / 1000);
  struct tm utc;
  gmtime_r(&seconds, &utc);
  size_t n = strftime(out, JSON_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
  snprintf(out + n, JSON_TIME_SIZE - n, ".%03dZ", (int)(ms % 1000));
}

long long json_now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
