/* health.c - is the process turning, can it serve, and its counters. */
#include <stdlib.h>

#include "server/api/api.h"
#include "server/http.h"

static void handle_live(struct request *request) {
  cJSON *body = cJSON_CreateObject();
  cJSON_AddTrueToObject(body, "live");
  reply_json(request, 200, body);
}

static void handle_ready(struct request *request) {
  cJSON *body = cJSON_CreateObject();
  if (http_draining(request->server->http)) {
    cJSON_AddFalseToObject(body, "ready");
    cJSON_AddItemToArray(cJSON_AddArrayToObject(body, "reasons"),
                         cJSON_CreateString("the daemon is stopping"));
    reply_json(request, 503, body);
    return;
  }
  cJSON_AddTrueToObject(body, "ready");
  if (!store_healthy(request->server->store)) {
    cJSON *degraded = cJSON_AddArrayToObject(body, "degraded");
    cJSON_AddItemToArray(degraded, cJSON_CreateString("store"));
  }
  reply_json(request, 200, body);
}

static void handle_metrics(struct request *request) {
  struct boltz_text text = {0};
  metrics_print(request->server, &text);
  if (text.failed)
    reply_status(request, boltz_fail(BOLTZ_NO_MEMORY, "no memory for the metrics"), "");
  else
    reply_text(request, 200, "text/plain; version=0.0.4; charset=utf-8",
               text.data ? text.data : "");
  boltz_text_free(&text);
}

const struct route api_health[] = {
    {"GET", "/livez", ROUTE_HERE, BODY_NONE, handle_live, NULL, "Does the process turn?"},
    {"GET", "/readyz", ROUTE_HERE, BODY_NONE, handle_ready, NULL, "Can it serve?"},
    {"GET", "/metrics", ROUTE_HERE, BODY_NONE, handle_metrics, NULL,
     "Counters and gauges as Prometheus reads them."},
    {0}};
