/* json_tree.c - a JSON tree copied to another arena, and printed. */
#include <string.h>

#include "boltz/json.h"

static bool copy_text(const char **text, struct boltz_arena *arena) {
  if (*text) *text = boltz_arena_strdup(arena, *text);
  return *text != NULL;
}

static bool copy_children(struct boltz_json *copy, struct boltz_arena *arena) {
  const struct boltz_json *child = copy->child;
  struct boltz_json **end = &copy->child;
  for (*end = NULL; child; child = child->next) {
    struct boltz_json *one = boltz_json_copy(child, arena);
    if (!one) return false;
    one->key = child->key;
    if (one->key && !copy_text(&one->key, arena)) return false;
    *end = one;
    end = &one->next;
  }
  return true;
}

struct boltz_json *boltz_json_copy(const struct boltz_json *node, struct boltz_arena *arena) {
  struct boltz_json *copy = BOLTZ_NEW(arena, struct boltz_json);
  if (!copy) return NULL;
  *copy = *node;
  copy->key = NULL;
  copy->next = NULL;
  if (copy->text && !copy_text(&copy->text, arena)) return NULL;
  if (copy->numbers) {
    double *numbers = BOLTZ_NEW_ARRAY(arena, copy->n, double);
    if (!numbers) return NULL;
    copy->numbers = memcpy(numbers, copy->numbers, copy->n * sizeof *numbers);
  }
  return copy_children(copy, arena) ? copy : NULL;
}

static void print_members(const struct boltz_json *node, struct boltz_text *text) {
  for (const struct boltz_json *child = node->child; child; child = child->next) {
    if (child != node->child) boltz_text_puts(text, ",");
    if (node->type == BOLTZ_JSON_OBJECT) {
      boltz_text_quoted(text, child->key);
      boltz_text_puts(text, ":");
    }
    boltz_json_print(child, text);
  }
}

void boltz_json_print(const struct boltz_json *node, struct boltz_text *text) {
  switch (node->type) {
    case BOLTZ_JSON_NULL:
      boltz_text_puts(text, "null");
      break;
    case BOLTZ_JSON_BOOL:
      boltz_text_puts(text, node->truth ? "true" : "false");
      break;
    case BOLTZ_JSON_NUMBER:
      boltz_text_number(text, node->number);
      break;
    case BOLTZ_JSON_STRING:
      boltz_text_quoted(text, node->text);
      break;
    case BOLTZ_JSON_ARRAY:
      boltz_text_puts(text, "[");
      for (size_t k = 0; node->numbers && k < node->n; k++) {
        if (k) boltz_text_puts(text, ",");
        boltz_text_number(text, node->numbers[k]);
      }
      print_members(node, text);
      boltz_text_puts(text, "]");
      break;
    case BOLTZ_JSON_OBJECT:
      boltz_text_puts(text, "{");
      print_members(node, text);
      boltz_text_puts(text, "}");
      break;
  }
}
