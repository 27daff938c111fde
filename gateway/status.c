/* gateway/status.c: see status.h. */
#include "gateway/status.h"

#include <errno.h>

#include "gateway/cleanup.h"
#include "view/jsontext.h"

#define NUMBER(value) ((json_int_t)(value))

/* NULL, and nothing said, are null. */
static json_t *text(const char *value) {
    return view_json_text(value && *value ? value : NULL);
}

static json_t *service_json(const struct gateway_service *service) {
    struct gateway_service_counts counts;
    gateway_service_counts(service, &counts);
    return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "name", text(gateway_service_name(service)), "clients",
                     NUMBER(counts.clients), "workers", NUMBER(counts.workers), "waiting", NUMBER(counts.waiting), "in_flight",
                     NUMBER(counts.in_flight), "requests", NUMBER(counts.requests), "replies", NUMBER(counts.replies), "dropped",
                     NUMBER(counts.dropped));
}

static json_t *forward_json(const struct gateway_forward *forward) {
    struct gateway_forward_counts counts;
    gateway_forward_counts(forward, &counts);
    return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I}", "name", text(gateway_forward_name(forward)), "frontend_peers",
                     NUMBER(counts.frontend_peers), "backend_peers", NUMBER(counts.backend_peers), "to_backend",
                     NUMBER(counts.proxy.to_backend.messages), "to_frontend", NUMBER(counts.proxy.to_frontend.messages), "dropped",
                     NUMBER(counts.proxy.dropped));
}

static json_t *source_json(const struct gateway_route *route, size_t index) {
    struct route_source_counts counts;
    gateway_route_source_counts(route, index, &counts);
    return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "endpoint", text(counts.endpoint), "peers", NUMBER(counts.peers),
                     "received", NUMBER(counts.received), "queued", NUMBER(counts.queued), "refused", NUMBER(counts.refused), "again",
                     NUMBER(counts.again), "acknowledged", NUMBER(counts.acknowledged), "waits", NUMBER(counts.waits), "waiting_for_room",
                     (int)counts.waiting);
}

static json_t *target_json(const struct gateway_route *route, size_t index) {
    struct route_target_counts counts;
    gateway_route_target_counts(route, index, &counts);
    return json_pack("{s:o, s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "name", text(counts.name), "to",
                     text(counts.to), "state", counts.state, "sent", NUMBER(counts.sent), "delivered", NUMBER(counts.delivered), "retried",
                     NUMBER(counts.retried), "refused", NUMBER(counts.refused), "in_flight", NUMBER(counts.in_flight), "in_flight_bytes",
                     NUMBER(counts.in_flight_bytes), "lag", NUMBER(counts.lag), "lag_ms", NUMBER(counts.lag_ms), "reconnects",
                     NUMBER(counts.reconnects), "failures", NUMBER(counts.failures), "up_ms", NUMBER(counts.up_ms), "last_error",
                     text(counts.last_error));
}

/* An array of what `make` makes of each of `count`. */
static json_t *array_of(const struct gateway_route *route, size_t count, json_t *(*make)(const struct gateway_route *route, size_t index)) {
    json_t *array = json_array();
    for (size_t i = 0; array && i < count; i++) {
        if (json_array_append_new(array, make(route, i)) < 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *route_json(struct gateway_route *route) {
    struct gateway_route_counts counts;
    gateway_route_counts(route, &counts);
    return json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "name",
                     text(counts.name), "spool", text(counts.spool), "received", NUMBER(counts.received), "queued", NUMBER(counts.queued),
                     "refused", NUMBER(counts.refused), "again", NUMBER(counts.again), "waiting_for_room", (int)counts.waiting, "messages",
                     NUMBER(counts.queue.messages), "bytes", NUMBER(counts.queue.bytes), "pending", NUMBER(counts.queue.pending),
                     "oldest_ms", NUMBER(counts.queue.oldest_age_ms), "dropped", NUMBER(counts.queue.dropped), "expired",
                     NUMBER(counts.queue.expired), "damaged", NUMBER(counts.queue.damaged), "set_aside", NUMBER(counts.queue.set_aside),
                     "commit_failures", NUMBER(counts.queue.failures), "last_error", text(counts.last_error), "sources",
                     array_of(route, counts.source_count, source_json), "targets", array_of(route, counts.target_count, target_json));
}

static json_t *audit_json(const struct gateway_audit *audit) {
    struct gateway_audit_counts counts;
    gateway_audit_counts(audit, &counts);
    return json_pack("{s:I, s:I, s:I}", "written", NUMBER(counts.written), "suppressed", NUMBER(counts.suppressed), "lost",
                     NUMBER(counts.lost));
}

int gateway_status_json(const struct gateway_status_parts *parts, char **ret_json) {
    json_auto_t *services = json_array(), *forwards = json_array(), *routes = json_array();
    int failed = 0;
    for (size_t i = 0; i < parts->service_count; i++)
        failed |= json_array_append_new(services, service_json(parts->services[i]));
    for (size_t i = 0; i < parts->forward_count; i++)
        failed |= json_array_append_new(forwards, forward_json(parts->forwards[i]));
    for (size_t i = 0; i < parts->route_count; i++)
        failed |= json_array_append_new(routes, route_json(parts->routes[i]));
    json_auto_t *all = failed ? NULL
                              : json_pack("{s:i, s:O, s:O, s:O, s:o}", "gateway", 1, "services", services, "proxies", forwards, "routes",
                                          routes, "audit", audit_json(parts->audit));
    char *json = all ? json_dumps(all, JSON_COMPACT) : NULL;
    if (!json)
        return -ENOMEM;
    *ret_json = json;
    return 0;
}
