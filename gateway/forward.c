/* gateway/forward.c: see forward.h. */
#include "gateway/forward.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "gateway/cleanup.h"
#include "gateway/endpoints.h"

struct gateway_forward {
    const struct gateway_forward_config *config; /* what it was made with */
    struct gateway_log *log;
    char who[sizeof("proxy ") + GATEWAY_SERVICE_NAME_MAX]; /* "proxy weather", for log lines */
    kith_loop *loop;
    kith_socket *sockets[GATEWAY_SIDE_COUNT];
    bool guarded[GATEWAY_SIDE_COUNT]; /* it is under a policy */
    kith_proxy *proxy;
};

static const enum kith_socket_type types[][GATEWAY_SIDE_COUNT] = {
    [GATEWAY_FORWARD_PUBLISH] = {KITH_XSUB, KITH_XPUB},
    [GATEWAY_FORWARD_PIPELINE] = {KITH_PULL, KITH_PUSH},
    [GATEWAY_FORWARD_REQUESTS] = {KITH_ROUTER, KITH_DEALER},
};

enum kith_socket_type gateway_forward_type(enum gateway_forward_pattern pattern, enum gateway_side side) {
    return types[pattern][side];
}

static void on_event(kith_socket *socket, const struct kith_event *event, void *userdata) {
    struct gateway_forward *forward = userdata;
    gateway_log_told(forward->log, socket, event);
    gateway_log_event(forward->log, forward->who, event);
}

static int open_side(struct gateway_forward *forward, enum gateway_side which, struct kith_error *ret_error) {
    const struct gateway_side_config *side = &forward->config->sides[which];
    kith_socket **socket = &forward->sockets[which];
    int r = kith_socket_new(forward->loop, gateway_forward_type(forward->config->pattern, which), socket);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s: cannot make a socket: %s", forward->who, kith_error_name(r));
    kith_socket_set_policy(*socket, side->policy);
    forward->guarded[which] = side->policy != NULL;
    gateway_endpoints_make_directories(side->bind, side->mode);
    r = gateway_endpoints_set_options(*socket, forward->config->name, forward->config->options, forward->config->option_count, side->mode,
                                      ret_error);
    /* Telling that a client has gone is better than dropping its reply in silence. */
    if (r >= 0 && forward->config->pattern == GATEWAY_FORWARD_REQUESTS)
        r = kith_socket_set_number(*socket, KITH_OPTION_ROUTER_MANDATORY, 1, ret_error);
    if (r >= 0)
        r = gateway_endpoints_bind(*socket, side->bind, ret_error);
    return r < 0 ? r : gateway_endpoints_connect(*socket, side->connect, ret_error);
}

static int join(struct gateway_forward *forward, struct kith_error *ret_error) {
    struct kith_proxy_options options = {.frontend = forward->sockets[GATEWAY_SIDE_FRONTEND],
                                         .backend = forward->sockets[GATEWAY_SIDE_BACKEND],
                                         .event = on_event,
                                         .userdata = forward};
    int r = kith_proxy_new(&options, &forward->proxy);
    return r < 0 ? kith_error_set(ret_error, r, "%s: %s", forward->who, kith_error_name(r)) : 0;
}

int gateway_forward_new(kith_loop *loop, struct gateway_log *log, const struct gateway_forward_config *config,
                        struct gateway_forward **ret_forward, struct kith_error *ret_error) {
    _cleanup_(gateway_forward_freep) struct gateway_forward *forward = calloc(1, sizeof(*forward));
    if (!forward)
        return kith_error_set(ret_error, -ENOMEM, "proxy %s: out of memory", config->name);
    forward->loop = loop;
    forward->log = log;
    forward->config = config;
    snprintf(forward->who, sizeof(forward->who), "proxy %s", config->name);
    /* The far side first: when messages come, they find it. */
    int r = open_side(forward, GATEWAY_SIDE_BACKEND, ret_error);
    if (r >= 0)
        r = open_side(forward, GATEWAY_SIDE_FRONTEND, ret_error);
    if (r >= 0)
        r = join(forward, ret_error);
    if (r < 0)
        return r;
    *ret_forward = KITH_STEAL(forward);
    return 0;
}

struct gateway_forward *gateway_forward_free(struct gateway_forward *forward) {
    if (!forward)
        return NULL;
    kith_proxy_free(forward->proxy);
    for (size_t i = 0; i < GATEWAY_SIDE_COUNT; i++)
        kith_socket_free(forward->sockets[i]);
    free(forward);
    return NULL;
}

const char *gateway_forward_name(const struct gateway_forward *forward) {
    return forward->config->name;
}

int gateway_forward_visit(struct gateway_forward *forward, gateway_visit_fn fn, void *userdata) {
    static const char *const sides[] = {[GATEWAY_SIDE_FRONTEND] = "frontend", [GATEWAY_SIDE_BACKEND] = "backend"};
    char where[GATEWAY_WHERE_MAX];
    int r = 0;
    for (size_t i = 0; r == 0 && i < GATEWAY_SIDE_COUNT; i++) {
        snprintf(where, sizeof(where), "proxy/%s/%s", forward->config->name, sides[i]);
        r = fn(where, forward->sockets[i], userdata);
    }
    return r;
}

/* As with services: a policy comes and changes at once, and does not go before a restart. */
static bool reload_policy(struct gateway_forward *forward, enum gateway_side which, kith_policy *policy) {
    if (policy)
        kith_socket_set_policy(forward->sockets[which], policy);
    bool gone = forward->guarded[which] && !policy;
    forward->guarded[which] |= policy != NULL;
    return !gone;
}

bool gateway_forward_reload(struct gateway_forward *forward, const struct gateway_forward_config *config) {
    bool same = gateway_forward_config_same_sockets(forward->config, config);
    for (size_t i = 0; i < GATEWAY_SIDE_COUNT; i++)
        same &= reload_policy(forward, i, config->sides[i].policy);
    return same;
}

void gateway_forward_stop(struct gateway_forward *forward) {
    for (size_t i = 0; i < GATEWAY_SIDE_COUNT; i++)
        for (char **endpoint = forward->config->sides[i].bind; endpoint && *endpoint; endpoint++)
            (void)kith_socket_unbind(forward->sockets[i], *endpoint); /* one whose port the kernel chose stays: it is closed soon */
}

bool gateway_forward_busy(const struct gateway_forward *forward) {
    struct kith_proxy_stats stats;
    kith_proxy_stats(forward->proxy, &stats);
    return stats.waiting > 0;
}

void gateway_forward_drain(struct gateway_forward *forward, int timeout_ms) {
    if (gateway_forward_busy(forward))
        gateway_log(forward->log, LOG_WARNING, "%s: a message was lost: there was no room for it in time (drain)", forward->who);
    kith_proxy_pause(forward->proxy);
    for (size_t i = GATEWAY_SIDE_COUNT; i-- > 0;)
        if (kith_socket_drain(forward->sockets[i], timeout_ms) < 0)
            gateway_log(forward->log, LOG_WARNING, "%s: stopped before all messages were taken by their receivers", forward->who);
}

void gateway_forward_counts(const struct gateway_forward *forward, struct gateway_forward_counts *ret_counts) {
    ret_counts->frontend_peers = kith_socket_peer_count(forward->sockets[GATEWAY_SIDE_FRONTEND]);
    ret_counts->backend_peers = kith_socket_peer_count(forward->sockets[GATEWAY_SIDE_BACKEND]);
    kith_proxy_stats(forward->proxy, &ret_counts->proxy);
}
