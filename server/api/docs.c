/* docs.c - the OpenAPI document and the dashboard. */
#include "server/api/api.h"

/* The dashboard's file, embedded; paths count from the root of the source tree. */
__asm__(
    ".pushsection .rodata\n"
    "api_dashboard_html:\n"
    ".incbin \"server/web/index.html\"\n"
    ".byte 0\n"
    ".popsection\n");
extern const char api_dashboard_html[] __attribute__((visibility("hidden")));

/* On a worker: it takes a millisecond. */
static void print_openapi(struct request *request) {
  reply_json(request, 200, api_openapi());
}

static void handle_openapi(struct request *request) {
  api_on_worker(request, print_openapi);
}

static void handle_dashboard(struct request *request) {
  /* Nothing from elsewhere; scripts and styles are the page's own. */
  request_header(request, "Content-Security-Policy",
                 "default-src 'none'; connect-src 'self'; img-src data:; style-src "
                 "'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; frame-ancestors "
                 "'none'");
  reply_text(request, 200, "text/html; charset=utf-8", api_dashboard_html);
}

const struct route api_docs[] = {
    {"GET", "/openapi.json", ROUTE_LATER, BODY_NONE, handle_openapi, NULL,
     "This document, in OpenAPI 3.1."},
    {"GET", "/", ROUTE_HERE, BODY_NONE, handle_dashboard, NULL, "The dashboard."},
    {0}};
