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
#include "cli/json.h"
#include "cli/options.h"
#include "cli/output.h"
#include "gateway/cleanup.h"

#define TIMEOUT_MS 5000

struct asking {
    kith_loop *loop;
    kith_socket *socket;
    char problem[KITH_ERROR_TEXT_MAX]; /* the last one that was told */
    bool over;                         /* and there is nothing to wait for */
};

/* Asking ------------------------------------------------------------------------------------------------------------- */

static void on_event(kith_socket *socket, const struct kith_event *event, void *userdata) {
    struct asking *asking = userdata;
    if (event->type == KITH_EVENT_CONNECTED)
        return;
    if (event->type == KITH_EVENT_RETRY)
        snprintf(asking->problem, sizeof(asking->problem), "nobody to ask: %s", kith_error_name(event->error));
    else
        snprintf(asking->problem, sizeof(asking->problem), "%s", event->text);
    asking->over |= event->type == KITH_EVENT_REFUSED || event->type == KITH_EVENT_HANDSHAKE_FAILED ||
                    (event->type == KITH_EVENT_RETRY && event->error != -EAGAIN);
    if (asking->over)
        kith_loop_stop(asking->loop);
}

static int send_and_receive(struct asking *asking, const char *endpoint, kith_msg **ret_reply, struct kith_error *error) {
    static const struct kith_socket_handler handler = {.event = on_event};
    _cleanup_(kith_msg_freep) kith_msg *request = NULL;
    int r = kith_loop_new(&asking->loop);
    if (r >= 0)
        r = kith_socket_new(asking->loop, KITH_REQ, &asking->socket);
    if (r >= 0)
        r = kith_msg_new(&request);
    if (r >= 0)
        r = kith_msg_add(request, "status", strlen("status"));
    if (r < 0)
        return kith_error_set(error, r, "cannot start: %s", kith_error_name(r));
    kith_socket_set_handler(asking->socket, &handler, asking);
    r = kith_socket_connect(asking->socket, endpoint, error);
    if (r < 0)
        return r;
    r = kith_socket_send(asking->socket, request, TIMEOUT_MS);
    if (r >= 0) {
        KITH_STEAL(request);
        r = kith_socket_recv(asking->socket, ret_reply, TIMEOUT_MS);
    }
    if (r == -EAGAIN && !asking->problem[0])
        return kith_error_set(error, r, "%s: no answer within %d ms: is it a gateway's?", endpoint, TIMEOUT_MS);
    return r < 0 ? kith_error_set(error, r, "%s: %s", endpoint, asking->problem[0] ? asking->problem : kith_error_name(r)) : 0;
}

static void asking_deinit(struct asking *asking) {
    kith_socket_free(asking->socket);
    kith_loop_free(asking->loop);
}

static int ask(const char *endpoint, json_t **ret_object, struct kith_error *error) {
    _cleanup_(asking_deinit) struct asking asking = {.loop = NULL};
    _cleanup_(kith_msg_freep) kith_msg *reply = NULL;
    int r = send_and_receive(&asking, endpoint, &reply, error);
    if (r < 0)
        return r;
    size_t size;
    const char *text = (const char *)kith_msg_frame(reply, 0, &size);
    json_t *object = json_loadb(text, size, 0, NULL);
    if (!json_is_integer(json_object_get(object, "gateway"))) {
        json_decref(object);
        return kith_error_set(error, -EBADMSG, "%s: what answers there is no status service: write builtin = \"status\" (kith.conf(5))",
                              endpoint);
    }
    *ret_object = object;
    return 0;
}

/* Telling ------------------------------------------------------------------------------------------------------------ */

static long long number(const json_t *object, const char *name) {
    return (long long)json_integer_value(json_object_get(object, name));
}

/* In one of a few buffers, for a line's worth of them. */
static const char *word(const json_t *object, const char *name) {
    static char buffers[4][512];
    static size_t next;
    const char *value = json_string_value(json_object_get(object, name));
    char *buffer = buffers[next++ % KITH_ARRAY_SIZE(buffers)];
    struct kith_text text = kith_text_init(buffer, sizeof(buffers[0]));
    kith_text_put_printable(&text, value ? value : "", value ? strlen(value) : 0);
    return buffer;
}

/* ", 3 refused"; nothing for none. */
static void print_some(const json_t *object, const char *name, const char *what) {
    if (number(object, name) > 0)
        cli_print(", %lld %s", number(object, name), what);
}

static void print_services(const json_t *all) {
    size_t i;
    json_t *service;
    json_array_foreach(json_object_get(all, "services"), i, service) {
        cli_print("service %s: %lld clients, %lld workers; %lld requests, %lld waiting, %lld in flight", word(service, "name"),
                  number(service, "clients"), number(service, "workers"), number(service, "requests"), number(service, "waiting"),
                  number(service, "in_flight"));
        print_some(service, "dropped", "dropped");
        cli_print("\n");
    }
    json_array_foreach(json_object_get(all, "proxies"), i, service) {
        cli_print("proxy %s: %lld peers in front, %lld behind; %lld messages to the back, %lld to the front", word(service, "name"),
                  number(service, "frontend_peers"), number(service, "backend_peers"), number(service, "to_backend"),
                  number(service, "to_frontend"));
        print_some(service, "dropped", "dropped");
        cli_print("\n");
    }
}

static void print_source(const json_t *source) {
    cli_print("    from %s: %lld peers, %lld received", word(source, "endpoint"), number(source, "peers"), number(source, "received"));
    print_some(source, "refused", "refused");
    print_some(source, "again", "not for the first time");
    cli_print("%s\n", json_is_true(json_object_get(source, "waiting_for_room")) ? ", not read from: there is no room" : "");
}

static void print_target(const json_t *target) {
    cli_print("    to %s: %s, %lld delivered, %lld in flight", word(target, "name"), word(target, "state"), number(target, "delivered"),
              number(target, "in_flight"));
    if (number(target, "lag") > 0)
        cli_print(", %lld behind (%.1f s)", number(target, "lag"), (double)number(target, "lag_ms") / 1000);
    print_some(target, "retried", "sent again");
    print_some(target, "refused", "refused");
    print_some(target, "reconnects", "reconnects");
    const char *problem = word(target, "last_error");
    cli_print("%s%s\n", *problem ? "; last error: " : "", problem);
}

static void print_route(const json_t *route) {
    const char *spool = word(route, "spool"), *problem = word(route, "last_error");
    size_t i;
    json_t *end;
    cli_print("route %s: %s%s: %lld messages, %lld octets, the oldest %.1f s old", word(route, "name"), *spool ? "spool " : "in memory",
              spool, number(route, "messages"), number(route, "bytes"), (double)number(route, "oldest_ms") / 1000);
    print_some(route, "pending", "not durable yet");
    print_some(route, "dropped", "dropped");
    print_some(route, "expired", "expired");
    print_some(route, "damaged", "damaged");
    cli_print("%s%s\n", *problem ? "; last error: " : "", problem);
    json_array_foreach(json_object_get(route, "sources"), i, end) print_source(end);
    json_array_foreach(json_object_get(route, "targets"), i, end) print_target(end);
}

int cli_status_gateway(const char *endpoint, bool json) {
    struct kith_error error = KITH_ERROR_NONE;
    json_t *all = NULL;
    size_t i;
    json_t *route;
    if (ask(endpoint, &all, &error) < 0)
        return cli_fail(&error);
    if (json) {
        cli_json_print(all);
    } else {
        print_services(all);
        json_array_foreach(json_object_get(all, "routes"), i, route) print_route(route);
    }
    json_decref(all);
    return CLI_OK;
}
