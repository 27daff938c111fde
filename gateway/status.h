/*
 * gateway/status.h: what a gateway counts, as one JSON object: kith status ENDPOINT shows it.
 *
 *     {"gateway":1, "services":[{"name","clients","workers","waiting","in_flight","requests","replies","dropped"}],
 *      "proxies":[{"name","frontend_peers","backend_peers","to_backend","to_frontend","dropped"}],
 *      "routes":[{"name","spool","received","queued","refused","again","waiting_for_room","messages","bytes","pending","oldest_ms",
 *                 "dropped","expired","damaged","set_aside","commit_failures","last_error","sources":[...],"targets":[...]}],
 *      "audit":{"written","suppressed","lost"}}
 *
 * Times are in milliseconds. "gateway" is the version of the form: members may be added without a new one.
 */
#ifndef KITH_GATEWAY_STATUS_H
#define KITH_GATEWAY_STATUS_H

#include "gateway/audit.h"
#include "gateway/forward.h"
#include "gateway/route.h"
#include "gateway/service.h"

struct gateway_status_parts {
    struct gateway_service *const *services;
    size_t service_count;
    struct gateway_forward *const *forwards;
    size_t forward_count;
    struct gateway_route *const *routes;
    size_t route_count;
    const struct gateway_audit *audit;
};

/* To free(). May read from the disk. Errors: -ENOMEM. */
int gateway_status_json(const struct gateway_status_parts *parts, char **ret_json);

#endif
