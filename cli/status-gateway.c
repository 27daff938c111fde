/*
 * cli/status-gateway.c: see status-gateway.h. The answer's form is that of gateway/status.h; it comes from somebody else, so nothing in it
 * is taken for granted: what is not there is 0 or "", and names are made fit for a terminal.
 */
#include "cli/status-gateway.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <kith/socket.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/control.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/output.h"
#include "gateway/cleanup.h"

/* Asking ------------------------------------------------------------------------------------------------------------- */

static int ask(const char *endpoint, json_t **ret_object, struct kith_error *error) {
    json_auto_t *object = NULL;
    int r = cli_control_ask(endpoint, "status", &object, error);
    if (r < 0 && r != -EBADMSG)
        return r;
    if (r < 0 || !json_is_integer(json_object_get(object, "gateway")))
        return kith_error_set(error, -EBADMSG,
                              "%s: what answers there is no status service: write builtin = \"status\" or control = {...} (kith.conf(5))",
                              endpoint);
    *ret_object = json_incref(object);
    return 0;
}

/* Telling ------------------------------------------------------------------------------------------------------------ */

/* ", 3 refused"; nothing for none. */
static void print_some(const json_t *object, const char *name, const char *what) {
    if (cli_control_number(object, name) > 0)
        cli_print(", %lld %s", cli_control_number(object, name), what);
}

static void print_services(const json_t *all) {
    size_t i;
    json_t *service;
    json_array_foreach(json_object_get(all, "services"), i, service) {
        cli_print("service %s: %lld clients, %lld workers; %lld requests, %lld waiting, %lld in flight", cli_control_word(service, "name"),
                  cli_control_number(service, "clients"), cli_control_number(service, "workers"), cli_control_number(service, "requests"),
                  cli_control_number(service, "waiting"), cli_control_number(service, "in_flight"));
        print_some(service, "dropped", "dropped");
        cli_print("\n");
    }
    json_array_foreach(json_object_get(all, "proxies"), i, service) {
        cli_print("proxy %s: %lld peers in front, %lld behind; %lld messages to the back, %lld to the front",
                  cli_control_word(service, "name"), cli_control_number(service, "frontend_peers"),
                  cli_control_number(service, "backend_peers"), cli_control_number(service, "to_backend"),
                  cli_control_number(service, "to_frontend"));
        print_some(service, "dropped", "dropped");
        cli_print("\n");
    }
}

static void print_source(const json_t *source) {
    cli_print("    from %s: %lld peers, %lld received", cli_control_word(source, "endpoint"), cli_control_number(source, "peers"),
              cli_control_number(source, "received"));
    print_some(source, "refused", "refused");
    print_some(source, "again", "not for the first time");
    cli_print("%s\n", json_is_true(json_object_get(source, "waiting_for_room")) ? ", not read from: there is no room" : "");
}

static void print_target(const json_t *target) {
    cli_print("    to %s: %s, %lld delivered, %lld in flight", cli_control_word(target, "name"), cli_control_word(target, "state"),
              cli_control_number(target, "delivered"), cli_control_number(target, "in_flight"));
    if (cli_control_number(target, "lag") > 0)
        cli_print(", %lld behind (%.1f s)", cli_control_number(target, "lag"), (double)cli_control_number(target, "lag_ms") / 1000);
    print_some(target, "retried", "sent again");
    print_some(target, "refused", "refused");
    print_some(target, "reconnects", "reconnects");
    const char *problem = cli_control_word(target, "last_error");
    cli_print("%s%s\n", *problem ? "; last error: " : "", problem);
}

static void print_route(const json_t *route) {
    const char *spool = cli_control_word(route, "spool"), *problem = cli_control_word(route, "last_error");
    size_t i;
    json_t *end;
    cli_print("route %s: %s%s: %lld messages, %lld octets, the oldest %.1f s old", cli_control_word(route, "name"),
              *spool ? "spool " : "in memory", spool, cli_control_number(route, "messages"), cli_control_number(route, "bytes"),
              (double)cli_control_number(route, "oldest_ms") / 1000);
    print_some(route, "pending", "not durable yet");
    print_some(route, "dropped", "dropped");
    print_some(route, "expired", "expired");
    print_some(route, "damaged", "damaged");
    cli_print("%s%s\n", *problem ? "; last error: " : "", problem);
    json_array_foreach(json_object_get(route, "sources"), i, end) print_source(end);
    json_array_foreach(json_object_get(route, "targets"), i, end) print_target(end);
}

/* Of an audit that is off, or has nothing to say, nothing is said. */
static void print_audit(const json_t *audit) {
    if (cli_control_number(audit, "written") + cli_control_number(audit, "suppressed") + cli_control_number(audit, "lost") == 0)
        return;
    cli_print("audit: %lld lines", cli_control_number(audit, "written"));
    print_some(audit, "suppressed", "suppressed");
    print_some(audit, "lost", "lost");
    cli_print("\n");
}

int cli_status_gateway(const char *endpoint, bool json) {
    struct kith_error error = KITH_ERROR_NONE;
    json_t *all = NULL;
    size_t i;
    json_t *route;
    if (ask(endpoint, &all, &error) < 0)
        return cli_control_fail(&error);
    if (json) {
        cli_json_print(all);
    } else {
        print_services(all);
        json_array_foreach(json_object_get(all, "routes"), i, route) print_route(route);
        print_audit(json_object_get(all, "audit"));
    }
    json_decref(all);
    return CLI_OK;
}
