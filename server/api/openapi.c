/* openapi.c - the machine-readable form of the contract, made from the route tables and the
 * settings tables. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/api/api.h"

#define API(name) extern const struct route api_##name[];
#include "server/api/list.h"
#undef API

static const struct route *const tables[] = {
#define API(name) api_##name,
#include "server/api/list.h"
#undef API
};

#define TABLES (int)(sizeof tables / sizeof *tables)

/* ---- What the tables do not say ---- */

#define ROWS "{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":{\"type\":\"number\"}}}"
#define NAMES "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"
#define REGION                                                               \
  "{\"type\":\"array\",\"minItems\":2,\"maxItems\":2,\"items\":{\"anyOf\":[" \
  "{\"type\":\"number\"},{\"enum\":[\"-Infinity\",\"Infinity\"]}]}}"

/* A body: its settings table, further members as JSON, and which of those are required. */
static const struct body_doc {
  const char *method, *path;
  const struct boltz_field *fields;
  const char *more, *required;
} bodies[] = {
    {"POST", "/v1/models", api_model_fields,
     "{\"energy\":{\"$ref\":\"#/components/schemas/Energy\"}}", "energy"},
    {"PATCH", "/v1/models/{model}", NULL,
     "{\"serving\":{\"type\":[\"integer\",\"null\"],\"minimum\":1}}", NULL},
    {"POST", "/v1/models/{model}/versions", api_copy_fields, NULL, NULL},
    {"POST", "/v1/models/{model}/sample", api_sample_fields,
     "{\"include\":{\"type\":\"array\",\"uniqueItems\":true,\"items\":{\"enum\":[\"energy\","
     "\"log_q\",\"log_weight\",\"z\"]}}}",
     NULL},
    {"POST", "/v1/models/{model}/weights", api_weights_fields, "{\"x\":" ROWS "}", "x"},
    {"POST", "/v1/models/{model}/energy", api_energy_fields, "{\"x\":" ROWS "}", "x"},
    {"POST", "/v1/models/{model}/transform", api_transform_fields,
     "{\"x\":" ROWS ",\"z\":" ROWS "}", NULL},
    {"POST", "/v1/models/{model}/estimate", api_estimate_fields,
     "{\"averages\":" NAMES
     ",\"differences\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":["
     "\"coordinate\",\"a\",\"b\"],\"additionalProperties\":false,\"properties\":{\"coordinate\":{"
     "\"type\":\"string\"},\"a\":" REGION ",\"b\":" REGION
     "}}},\"profiles\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Profile\"}}}",
     NULL},
    {"PUT", "/v1/datasets/{dataset}", api_dataset_fields, "{\"x\":" ROWS "}", "x"},
    {"POST", "/v1/jobs", NULL, NULL, NULL},
};

#define MODEL "name energy temperature dim coordinates variables serving versions"

/* A reply: its codes but for problems, its type, and the members that are always there. */
static const struct reply_doc {
  const char *method, *path;
  int status, other_status;
  const char *type, *other_type;
  const char *members;
} replies[] = {
    {"GET", "/livez", .members = "live"},
    {"GET", "/readyz", .members = "ready"},
    {"GET", "/metrics", .type = "text/plain"},
    {"GET", "/", .type = "text/html"},
    {"GET", "/openapi.json", .members = "openapi info paths"},
    {"GET", "/v1/info", .members = "version limits kernels uptime_seconds config"},
    {"GET", "/v1/catalog", .members = "energies layers bases moves jobs"},
    {"POST", "/v1/models", 201, 200, .members = MODEL},
    {"GET", "/v1/models/{model}", .members = MODEL},
    {"PATCH", "/v1/models/{model}", .members = MODEL},
    {"POST", "/v1/models/{model}/versions", 201,
     .members = "model version digest size flow precision"},
    {"GET", "/v1/models/{model}/versions/{version}",
     .members = "model version digest size flow precision job metrics serving created_at"},
    {"GET", "/v1/models/{model}/versions/{version}/checkpoint", .type = "application/octet-stream"},
    {"POST", "/v1/models/{model}/sample", .other_type = "application/x-npy",
     .members = "model version precision seed first n dim x ess ess_fraction non_finite"},
    {"POST", "/v1/models/{model}/weights", .other_type = "application/x-npy",
     .members =
         "n dim version precision energy log_q log_weight weight ess ess_fraction non_finite"},
    {"POST", "/v1/models/{model}/energy", .other_type = "application/x-npy", .members = "energy"},
    {"POST", "/v1/models/{model}/transform", .other_type = "application/x-npy",
     .members = "n dim version precision log_det"},
    {"POST", "/v1/models/{model}/estimate",
     .members =
         "n seed version precision ess ess_fraction pareto_k verdict log_z averages differences "
         "profiles"},
    {"POST", "/v1/jobs", 202, .members = "id kind status model seed spec progress"},
    {"GET", "/v1/jobs/{job}", .members = "id kind status model seed spec progress"},
    {"GET", "/v1/jobs/{job}/events", .other_type = "text/event-stream",
     .members = "items next_page_token"},
    {"GET", "/v1/jobs/{job}/metrics", .members = "step series"},
    {"PUT", "/v1/datasets/{dataset}", 201, 200, .members = "name model n dim digest"},
    {"GET", "/v1/datasets/{dataset}", .other_type = "application/x-npy",
     .members = "name model n dim"},
};

static bool same_route(const struct route *route, const char *method, const char *path) {
  return strcmp(route->method, method) == 0 && strcmp(route->path, path) == 0;
}

/* ---- Schemas from settings tables ---- */

static cJSON *parsed(const char *json) {
  return cJSON_Parse(json);
}

static cJSON *object_schema(void) {
  cJSON *schema = cJSON_CreateObject();
  json_add_text(schema, "type", "object");
  return schema;
}

static void add_bounds(cJSON *schema, const struct boltz_field *field) {
  bool integer = field->type == BOLTZ_FIELD_INT || field->type == BOLTZ_FIELD_INTS;
  double most = integer ? 0x1p62 : 1e300; /* beyond it a bound says nothing */
  if (field->low > -most)
    json_add_number(schema, field->low_open ? "exclusiveMinimum" : "minimum", field->low);
  if (field->high < most) json_add_number(schema, "maximum", field->high);
}

static void add_choices(cJSON *schema, const struct boltz_field *field) {
  cJSON *list = cJSON_AddArrayToObject(schema, "enum");
  for (int k = 0; field->choices[k]; k++)
    cJSON_AddItemToArray(list, cJSON_CreateString(field->choices[k]));
}

/* The type of a field and its bounds; a list bounds its elements. */
static cJSON *value_schema(const struct boltz_field *field) {
  cJSON *schema = cJSON_CreateObject();
  switch (field->type) {
    case BOLTZ_FIELD_DOUBLE:
    case BOLTZ_FIELD_DOUBLES:
      json_add_text(schema, "type", "number");
      add_bounds(schema, field);
      break;
    case BOLTZ_FIELD_INT:
    case BOLTZ_FIELD_INTS:
      json_add_text(schema, "type", "integer");
      add_bounds(schema, field);
      break;
    case BOLTZ_FIELD_SEED:
      cJSON_AddItemToObject(schema, "type", parsed("[\"integer\",\"string\"]"));
      json_add_integer(schema, "minimum", 0);
      json_add_text(schema, "pattern", "^[0-9]+$");
      break;
    case BOLTZ_FIELD_BOOL:
      json_add_text(schema, "type", "boolean");
      break;
    case BOLTZ_FIELD_TEXT:
      json_add_text(schema, "type", "string");
      break;
    case BOLTZ_FIELD_CHOICE:
      json_add_text(schema, "type", "string");
      add_choices(schema, field);
      break;
    case BOLTZ_FIELD_JSON: /* anything; the description says what */
      break;
  }
  return schema;
}

static cJSON *field_schema(const struct boltz_field *field) {
  cJSON *schema = value_schema(field);
  if (field->type == BOLTZ_FIELD_INTS || field->type == BOLTZ_FIELD_DOUBLES) {
    cJSON *list = cJSON_CreateObject();
    json_add_text(list, "type", "array");
    cJSON_AddItemToObject(list, "items", schema);
    schema = list;
  }
  if (field->nullable) {
    cJSON *either = cJSON_CreateObject();
    cJSON *any = cJSON_AddArrayToObject(either, "anyOf");
    cJSON_AddItemToArray(any, schema);
    cJSON_AddItemToArray(any, parsed("{\"type\":\"null\"}"));
    schema = either;
  }
  char doc[512];
  snprintf(doc, sizeof doc, "%s%s%s%s", field->doc ? field->doc : "", field->unit ? " [" : "",
           field->unit ? field->unit : "", field->unit ? "]" : "");
  json_add_text(schema, "description", doc);
  return schema;
}

static void add_fields(cJSON *properties, cJSON *required, const struct boltz_field *field) {
  for (; field && field->name; field++) {
    cJSON_AddItemToObject(properties, field->name, field_schema(field));
    if (field->required) cJSON_AddItemToArray(required, cJSON_CreateString(field->name));
  }
}

static cJSON *schema_of(const struct boltz_field *fields, const char *more, const char *also,
                        bool closed) {
  cJSON *schema = object_schema();
  cJSON *properties = cJSON_AddObjectToObject(schema, "properties");
  cJSON *required = cJSON_AddArrayToObject(schema, "required");
  add_fields(properties, required, fields);
  cJSON *extra = more ? parsed(more) : NULL;
  while (extra && extra->child) {
    cJSON *member = cJSON_DetachItemViaPointer(extra, extra->child);
    cJSON_AddItemToObject(properties, member->string, member);
  }
  cJSON_Delete(extra);
  if (also) cJSON_AddItemToArray(required, cJSON_CreateString(also));
  if (closed) cJSON_AddFalseToObject(schema, "additionalProperties");
  return schema;
}

/* A member of a family: an object whose `tag` is its name, with its settings. */
static void add_kind(cJSON *list, const char *tag, const char *name, const char *doc,
                     const struct boltz_field *fields, bool closed) {
  char more[160];
  snprintf(more, sizeof more, "{\"%s\":{\"const\":\"%s\"}}", tag, name);
  cJSON *schema = schema_of(fields, more, tag, closed);
  json_add_text(schema, "title", name);
  json_add_text(schema, "description", doc);
  cJSON_AddItemToArray(list, schema);
}

static cJSON *add_family(cJSON *schemas, const char *name) {
  return cJSON_AddArrayToObject(cJSON_AddObjectToObject(schemas, name), "oneOf");
}

static void add_families(cJSON *schemas) {
  cJSON *energies = add_family(schemas, "Energy"), *layers = add_family(schemas, "Layer");
  cJSON *bases = add_family(schemas, "Base"), *moves = add_family(schemas, "Move");
  cJSON *jobs = add_family(schemas, "Job");
  const struct boltz_energy_kind *energy;
  for (int k = 0; (energy = boltz_energy_kind_at(k)); k++)
    add_kind(energies, "kind", energy->name, energy->doc, energy->fields, true);
  const struct boltz_layer_kind *layer;
  for (int k = 0; (layer = boltz_layer_kind_at(k)); k++)
    add_kind(layers, "type", layer->name, layer->doc, layer->fields, true);
  const struct boltz_base_kind *base;
  for (int k = 0; (base = boltz_base_kind_at(k)); k++)
    add_kind(bases, "type", base->name, base->doc, base->fields, true);
  const struct boltz_move_kind *move;
  for (int k = 0; (move = boltz_move_kind_at(k)); k++)
    add_kind(moves, "type", move->name, move->doc, move->fields, true);
  /* A job's structured members are not in its table. */
  const struct job_kind *job;
  for (int k = 0; (job = job_kind_at(k)); k++)
    add_kind(jobs, "kind", job->name, job->doc, job->fields, false);
}

/* ---- Operations ---- */

static cJSON *reference(const char *to) {
  cJSON *object = cJSON_CreateObject();
  json_add_text(object, "$ref", to);
  return object;
}

static void add_content(cJSON *owner, const char *type, cJSON *schema) {
  cJSON *content = cJSON_GetObjectItemCaseSensitive(owner, "content");
  if (!content) content = cJSON_AddObjectToObject(owner, "content");
  cJSON *media = cJSON_AddObjectToObject(content, type);
  if (schema) cJSON_AddItemToObject(media, "schema", schema);
}

static void add_parameter(cJSON *list, const char *name, size_t length, const char *in,
                          cJSON *schema) {
  char text[64];
  snprintf(text, sizeof text, "%.*s", (int)length, name);
  cJSON *parameter = cJSON_CreateObject();
  json_add_text(parameter, "name", text);
  json_add_text(parameter, "in", in);
  if (strcmp(in, "path") == 0) cJSON_AddTrueToObject(parameter, "required");
  cJSON_AddItemToObject(parameter, "schema", schema);
  cJSON_AddItemToArray(list, parameter);
}

static cJSON *query_schema(const char *name) {
  static const struct {
    const char *name, *schema;
  } known[] = {
      {"page_size", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":500,\"default\":50}"},
      {"max_points", "{\"type\":\"integer\",\"minimum\":2,\"maximum\":10000,\"default\":500}"},
      {"n", "{\"type\":\"integer\",\"minimum\":1}"},
      {"first", "{\"type\":\"integer\",\"minimum\":0}"},
      {"version", "{\"type\":\"integer\",\"minimum\":1}"},
      {"temperature", "{\"type\":\"number\",\"exclusiveMinimum\":0}"},
      {"serve", "{\"type\":\"boolean\"}"},
      {"gradient", "{\"type\":\"boolean\"}"},
      {"to", "{\"enum\":[\"x\",\"z\"]}"}};
  for (size_t k = 0; k < sizeof known / sizeof *known; k++)
    if (strcmp(name, known[k].name) == 0) return parsed(known[k].schema);
  return parsed("{\"type\":\"string\"}");
}

static void add_parameters(cJSON *operation, const struct route *route) {
  cJSON *list = cJSON_AddArrayToObject(operation, "parameters");
  for (const char *open = strchr(route->path, '{'); open; open = strchr(open + 1, '{'))
    add_parameter(
        list, open + 1, strcspn(open + 1, "}"), "path",
        parsed("{\"type\":\"string\",\"pattern\":\"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$\"}"));
  for (int k = 0; route->query && route->query[k]; k++)
    add_parameter(list, route->query[k], strlen(route->query[k]), "query",
                  query_schema(route->query[k]));
}

static void add_body(cJSON *operation, const struct route *route) {
  if (route->body == BODY_NONE) return;
  cJSON *body = cJSON_AddObjectToObject(operation, "requestBody");
  cJSON *schema = NULL;
  for (size_t k = 0; k < sizeof bodies / sizeof *bodies; k++)
    if (same_route(route, bodies[k].method, bodies[k].path))
      schema = bodies[k].fields || bodies[k].more
                   ? schema_of(bodies[k].fields, bodies[k].more, bodies[k].required, true)
                   : reference("#/components/schemas/Job");
  if (route->body != BODY_BYTES)
    add_content(body, "application/json", schema ? schema : object_schema());
  if (route->body == BODY_ARRAY) add_content(body, "application/x-npy", NULL);
  if (route->body == BODY_BYTES || route->body == BODY_BYTES_OR_JSON)
    add_content(body, "application/octet-stream", NULL);
}

/* An object with the members named in `members`, separated by blanks. */
static cJSON *reply_schema(const char *members) {
  cJSON *schema = object_schema();
  cJSON *required = members ? cJSON_AddArrayToObject(schema, "required") : NULL;
  for (const char *at = members; at && *at; at += strspn(at, " ")) {
    char name[32];
    size_t size = strcspn(at, " ");
    snprintf(name, sizeof name, "%.*s", (int)size, at);
    cJSON_AddItemToArray(required, cJSON_CreateString(name));
    at += size;
  }
  return schema;
}

static void add_success(cJSON *responses, const struct reply_doc *doc, int status) {
  char code[16];
  snprintf(code, sizeof code, "%d", status);
  cJSON *response = cJSON_AddObjectToObject(responses, code);
  json_add_text(response, "description", status == 204 ? "Done." : "The reply.");
  if (status == 204) return;
  if (doc->type)
    add_content(response, doc->type, NULL);
  else
    add_content(response, "application/json", reply_schema(doc->members));
  if (doc->other_type) add_content(response, doc->other_type, NULL);
}

static void add_responses(cJSON *operation, const struct route *route) {
  struct reply_doc doc = {.members = "items next_page_token"};
  if (strcmp(route->method, "GET") != 0) doc.members = NULL;
  for (size_t k = 0; k < sizeof replies / sizeof *replies; k++)
    if (same_route(route, replies[k].method, replies[k].path)) doc = replies[k];
  cJSON *responses = cJSON_AddObjectToObject(operation, "responses");
  bool delete = strcmp(route->method, "DELETE") == 0;
  add_success(responses, &doc, doc.status ? doc.status : delete ? 204 : 200);
  if (doc.other_status) add_success(responses, &doc, doc.other_status);
  cJSON_AddItemToObject(responses, "default", reference("#/components/responses/Problem"));
}

/* "get_v1_models_model": the method and the words of the path. */
static void add_operation_id(cJSON *operation, const struct route *route) {
  char id[160], *end = id + sizeof id - 1;
  char *to = id;
  for (const char *from = route->method; *from && to < end; from++) *to++ = *from | 0x20;
  bool word = false;
  for (const char *from = route->path; *from && to < end; from++) {
    bool letter = strchr("/{}.", *from) == NULL;
    if (letter && !word) *to++ = '_';
    if (letter && to < end) *to++ = *from;
    word = letter;
  }
  *to = 0;
  json_add_text(operation, "operationId", id);
}

static void add_operation(cJSON *paths, const struct route *route) {
  cJSON *path = cJSON_GetObjectItemCaseSensitive(paths, route->path);
  if (!path) path = cJSON_AddObjectToObject(paths, route->path);
  char method[8] = {0};
  for (int k = 0; route->method[k] && k < 7; k++) method[k] = (char)(route->method[k] | 0x20);
  cJSON *operation = cJSON_AddObjectToObject(path, method);
  add_operation_id(operation, route);
  json_add_text(operation, "summary", route->summary);
  add_parameters(operation, route);
  add_body(operation, route);
  add_responses(operation, route);
}

static void add_components(cJSON *document) {
  cJSON *components = cJSON_AddObjectToObject(document, "components");
  cJSON *schemas = cJSON_AddObjectToObject(components, "schemas");
  add_families(schemas);
  cJSON_AddItemToObject(schemas, "Profile", schema_of(api_profile_fields, NULL, NULL, true));
  cJSON_AddItemToObject(
      schemas, "Problem",
      parsed("{\"type\":\"object\",\"required\":[\"type\",\"title\",\"status\",\"detail\","
             "\"reason\",\"error\"],\"properties\":{\"type\":{\"type\":\"string\"},\"title\":{"
             "\"type\":\"string\"},\"status\":{\"type\":\"integer\"},\"detail\":{\"type\":"
             "\"string\"},\"reason\":{\"type\":\"string\"},\"error\":{\"type\":\"string\"},"
             "\"limit\":{\"type\":\"integer\"},\"errors\":{\"type\":\"array\",\"items\":{\"type\":"
             "\"object\",\"required\":[\"pointer\",\"detail\"],\"properties\":{\"pointer\":{"
             "\"type\":\"string\"},\"detail\":{\"type\":\"string\"}}}}}}"));
  cJSON *problem =
      cJSON_AddObjectToObject(cJSON_AddObjectToObject(components, "responses"), "Problem");
  json_add_text(problem, "description", "A problem (RFC 9457).");
  add_content(problem, "application/problem+json", reference("#/components/schemas/Problem"));
}

cJSON *api_openapi(void) {
  cJSON *document = cJSON_CreateObject();
  json_add_text(document, "openapi", "3.1.0");
  cJSON *info = cJSON_AddObjectToObject(document, "info");
  json_add_text(info, "title", "boltzd");
  json_add_text(info, "version", BOLTZ_VERSION);
  json_add_text(info, "description",
                "Boltzmann generators as a service: train flows, draw equilibrium samples with "
                "importance weights, estimate free energies.");
  cJSON *paths = cJSON_AddObjectToObject(document, "paths");
  for (int t = 0; t < TABLES; t++)
    for (const struct route *route = tables[t]; route->method; route++) add_operation(paths, route);
  add_components(document);
  return document;
}
