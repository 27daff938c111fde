/* gateway/gateway.c: see gateway.h. */
#include "gateway/gateway.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/time.h"
#include "gateway/announce.h"
#include "gateway/cleanup.h"
#include "gateway/control.h"
#include "gateway/forward.h"
#include "gateway/route.h"
#include "gateway/service.h"
#include "gateway/status.h"

/* The status line need not follow each request. */
#define STATUS_MS 1000
#define POLL_MS 10

struct gateway {
    kith_loop *loop;
    struct gateway_log *log;
    struct gateway_audit *audit;
    struct gateway_control *control; /* NULL: there is none */
    struct gateway_config *config;   /* what it runs with: services point into it */
    const char *path;
    int announcement; /* of our sockets; -1: none */
    struct gateway_service **services;
    size_t service_count;
    struct gateway_forward **forwards;
    size_t forward_count;
    struct gateway_route **routes;
    size_t route_count;
    kith_timer *poll; /* armed while stopping: nobody tells when a proxy has handed on what waits */
    kith_signal *signals[3];
    kith_timer *deadline; /* armed while stopping */
    kith_timer *status;   /* armed while the status line is out of date */
    char told[512];       /* the status line */
    bool stopping;
    uint64_t end; /* of the drain, CLOCK_MONOTONIC nanoseconds */
};

static bool busy(const struct gateway *gateway) {
    for (size_t i = 0; i < gateway->service_count; i++)
        if (gateway_service_busy(gateway->services[i]))
            return true;
    for (size_t i = 0; i < gateway->forward_count; i++)
        if (gateway_forward_busy(gateway->forwards[i]))
            return true;
    for (size_t i = 0; i < gateway->route_count; i++)
        if (gateway_route_busy(gateway->routes[i]))
            return true;
    return false;
}

static void tell_status(kith_timer *timer, void *userdata) {
    struct gateway *gateway = userdata;
    struct gateway_service_counts all = {0};
    for (size_t i = 0; i < gateway->service_count; i++) {
        struct gateway_service_counts counts;
        gateway_service_counts(gateway->services[i], &counts);
        all.clients += counts.clients;
        all.workers += counts.workers;
        all.waiting += counts.waiting;
        all.in_flight += counts.in_flight;
        all.dropped += counts.dropped;
    }
    uint64_t forwarded = 0;
    for (size_t i = 0; i < gateway->forward_count; i++) {
        struct gateway_forward_counts counts;
        gateway_forward_counts(gateway->forwards[i], &counts);
        forwarded += counts.proxy.to_backend.messages + counts.proxy.to_frontend.messages;
        all.dropped += counts.proxy.dropped;
    }
    uint64_t routed = 0;
    for (size_t i = 0; i < gateway->route_count; i++)
        routed += gateway_route_delivered(gateway->routes[i]);
    char text[sizeof(gateway->told)];
    snprintf(text, sizeof(text),
             "STATUS=%zu services, %zu proxies, %zu routes, %zu clients, %zu workers; requests: %zu waiting, %zu in flight; "
             "%llu messages handed on, %llu delivered by routes, %llu dropped",
             gateway->service_count, gateway->forward_count, gateway->route_count, all.clients, all.workers, all.waiting, all.in_flight,
             (unsigned long long)forwarded, (unsigned long long)routed, (unsigned long long)all.dropped);
    /* sd_notify(3) waits for a manager that does not read: it is not told the same again. */
    if (strcmp(text, gateway->told) != 0)
        sd_notify(0, text);
    memcpy(gateway->told, text, sizeof(text));
    if (gateway->forward_count + gateway->route_count > 0 && !gateway->stopping)
        kith_timer_arm(gateway->status, STATUS_MS, 0); /* proxies and routes do not tell of each message */
}

static void service_changed(void *userdata) {
    struct gateway *gateway = userdata;
    if (gateway->stopping && !busy(gateway))
        kith_loop_stop(gateway->loop);
    if (!kith_timer_armed(gateway->status))
        kith_timer_arm(gateway->status, STATUS_MS, 0);
}

static void deadline_passed(kith_timer *timer, void *userdata) {
    struct gateway *gateway = userdata;
    gateway_log(gateway->log, LOG_WARNING, "stopping with requests unanswered, or messages undelivered: %llu ms have passed (drain)",
                (unsigned long long)gateway->config->drain_ms);
    kith_loop_stop(gateway->loop);
}

static void look_again(kith_timer *timer, void *userdata) {
    struct gateway *gateway = userdata;
    if (!busy(gateway))
        kith_loop_stop(gateway->loop);
}

static void stop(kith_signal *sig, int signo, void *userdata) {
    struct gateway *gateway = userdata;
    if (gateway->stopping) {
        gateway->end = kith_time_now();
        kith_loop_stop(gateway->loop);
        return;
    }
    sd_notify(0, "STOPPING=1");
    gateway_log(gateway->log, LOG_NOTICE, "%s: stopping", strsignal(signo));
    gateway->stopping = true;
    gateway->end = kith_time_now() + gateway->config->drain_ms * KITH_NS_PER_MS;
    for (size_t i = 0; i < gateway->service_count; i++)
        gateway_service_stop(gateway->services[i]);
    for (size_t i = 0; i < gateway->forward_count; i++)
        gateway_forward_stop(gateway->forwards[i]);
    for (size_t i = 0; i < gateway->route_count; i++)
        gateway_route_stop(gateway->routes[i], gateway->config->drain_ms, service_changed, gateway);
    if (gateway->forward_count > 0)
        kith_timer_arm(gateway->poll, POLL_MS, POLL_MS);
    if (!busy(gateway))
        kith_loop_stop(gateway->loop);
    else
        kith_timer_arm(gateway->deadline, gateway->config->drain_ms, 0);
}

static const struct gateway_service_config *find_config(const struct gateway_config *config, const char *name) {
    for (size_t i = 0; i < config->service_count; i++)
        if (strcmp(config->services[i].name, name) == 0)
            return &config->services[i];
    return NULL;
}

static const struct gateway_forward_config *find_forward_config(const struct gateway_config *config, const char *name) {
    for (size_t i = 0; i < config->forward_count; i++)
        if (strcmp(config->forwards[i].name, name) == 0)
            return &config->forwards[i];
    return NULL;
}

static void apply_forwards(struct gateway *gateway, const struct gateway_config *config) {
    for (size_t i = 0; i < gateway->forward_count; i++) {
        const char *name = gateway_forward_name(gateway->forwards[i]);
        const struct gateway_forward_config *forward = find_forward_config(config, name);
        if (!forward)
            gateway_log(gateway->log, LOG_WARNING, "proxy %s is no longer in %s: it goes on until a restart", name, gateway->path);
        else if (!gateway_forward_reload(gateway->forwards[i], forward))
            gateway_log(gateway->log, LOG_WARNING,
                        "proxy %s: pattern, endpoints, modes or socket options have changed, or its policy is gone: that needs a restart",
                        name);
    }
    for (size_t i = 0; i < config->forward_count; i++)
        if (!find_forward_config(gateway->config, config->forwards[i].name))
            gateway_log(gateway->log, LOG_WARNING, "proxy %s is new: it needs a restart", config->forwards[i].name);
}

static const struct gateway_route_config *find_route_config(const struct gateway_config *config, const char *name) {
    for (size_t i = 0; i < config->route_count; i++)
        if (strcmp(config->routes[i].name, name) == 0)
            return &config->routes[i];
    return NULL;
}

static void apply_routes(struct gateway *gateway, const struct gateway_config *config) {
    for (size_t i = 0; i < gateway->route_count; i++) {
        const char *name = gateway_route_name(gateway->routes[i]);
        const struct gateway_route_config *route = find_route_config(config, name);
        if (!route)
            gateway_log(gateway->log, LOG_WARNING, "route %s is no longer in %s: it goes on until a restart", name, gateway->path);
        else if (!gateway_route_reload(gateway->routes[i], route))
            gateway_log(gateway->log, LOG_WARNING,
                        "route %s: more than its policy has changed, or the policy is gone: that needs a restart", name);
    }
    for (size_t i = 0; i < config->route_count; i++)
        if (!find_route_config(gateway->config, config->routes[i].name))
            gateway_log(gateway->log, LOG_WARNING, "route %s is new: it needs a restart", config->routes[i].name);
}

static struct gateway_audit_options audit_options(const struct gateway *gateway, const struct gateway_config *config) {
    return (struct gateway_audit_options){
        .level = config->audit, .path = config->audit_file, .journal = gateway_log_is_journal(gateway->log)};
}

static int open_audit(struct gateway *gateway, struct kith_error *ret_error) {
    const struct gateway_audit_options options = audit_options(gateway, gateway->config);
    int r = gateway_audit_new(gateway->loop, gateway->log, &options, &gateway->audit, ret_error);
    if (r >= 0)
        gateway_log_set_audit(gateway->log, gateway->audit);
    return r;
}

static void apply_audit(struct gateway *gateway, const struct gateway_config *config) {
    const struct gateway_audit_options options = audit_options(gateway, config);
    struct kith_error error = KITH_ERROR_NONE;
    if (gateway_audit_reconfigure(gateway->audit, &options, &error) < 0)
        gateway_log(gateway->log, LOG_ERR, "%s (the audit goes on as before)", error.text);
}

static void apply_control(struct gateway *gateway, const struct gateway_control_config *config) {
    bool same = gateway->control ? gateway_control_reload(gateway->control, config) : !config->listen;
    if (!same)
        gateway_log(gateway->log, LOG_WARNING, "control: its endpoints or mode have changed: that needs a restart");
}

/* Takes over what may change; says what needs a restart. */
static void apply(struct gateway *gateway, const struct gateway_config *config) {
    for (size_t i = 0; i < gateway->service_count; i++) {
        const char *name = gateway_service_name(gateway->services[i]);
        const struct gateway_service_config *service = find_config(config, name);
        if (!service)
            gateway_log(gateway->log, LOG_WARNING, "service %s is no longer in %s: it goes on until a restart", name, gateway->path);
        else if (!gateway_service_reload(gateway->services[i], service))
            gateway_log(gateway->log, LOG_WARNING,
                        "service %s: endpoints, builtin, modes or socket options have changed, or its policy is gone: that needs a restart",
                        name);
    }
    for (size_t i = 0; i < config->service_count; i++)
        if (!find_config(gateway->config, config->services[i].name))
            gateway_log(gateway->log, LOG_WARNING, "service %s is new: it needs a restart", config->services[i].name);
    apply_forwards(gateway, config);
    apply_routes(gateway, config);
    apply_audit(gateway, config);
    apply_control(gateway, &config->control);
    gateway->config->drain_ms = config->drain_ms;
}

static void reload(kith_signal *sig, int signo, void *userdata) {
    struct gateway *gateway = userdata;
    if (gateway->stopping)
        return; /* READY=1 would take STOPPING=1 back */
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)(kith_time_now() / 1000));
    if (!gateway->path) {
        gateway_log(gateway->log, LOG_NOTICE, "nothing to read again: the default configuration is used (start with -c FILE)");
        sd_notify(0, "READY=1"); /* whoever asked for the reload waits for its end */
        return;
    }
    _cleanup_(gateway_config_freep) struct gateway_config *config = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    int r = gateway_config_load(gateway->path, &config, &error);
    if (r < 0) {
        gateway_log(gateway->log, LOG_ERR, "%s (nothing was changed)", error.text);
    } else {
        apply(gateway, config);
        gateway_log(gateway->log, LOG_NOTICE, "%s: read again", gateway->path);
    }
    *gateway->told = '\0';
    sd_notifyf(0, "READY=1\nSTATUS=%s", r < 0 ? error.text : "configuration read again");
}

/* For the service that answers with it. */
static int make_status(void *userdata, char **ret_json) {
    struct gateway *gateway = userdata;
    struct gateway_status_parts parts = {.services = gateway->services,
                                         .service_count = gateway->service_count,
                                         .forwards = gateway->forwards,
                                         .forward_count = gateway->forward_count,
                                         .routes = gateway->routes,
                                         .route_count = gateway->route_count,
                                         .audit = gateway->audit};
    return gateway_status_json(&parts, ret_json);
}

static int visit_sockets(void *userdata, gateway_visit_fn fn, void *fn_userdata) {
    struct gateway *gateway = userdata;
    int r = 0;
    for (size_t i = 0; r == 0 && i < gateway->service_count; i++)
        r = gateway_service_visit(gateway->services[i], fn, fn_userdata);
    for (size_t i = 0; r == 0 && i < gateway->forward_count; i++)
        r = gateway_forward_visit(gateway->forwards[i], fn, fn_userdata);
    for (size_t i = 0; r == 0 && i < gateway->route_count; i++)
        r = gateway_route_visit(gateway->routes[i], fn, fn_userdata);
    return r;
}

static void tell_control(kith_socket *socket, const struct kith_event *event, void *userdata) {
    gateway_control_tell(userdata, socket, event);
}

/* Last of all: what it is asked about is there. */
static int open_control(struct gateway *gateway, struct kith_error *ret_error) {
    const struct gateway_control_host host = {.status = make_status, .visit = visit_sockets, .userdata = gateway};
    if (!gateway->config->control.listen)
        return 0;
    int r = gateway_control_new(gateway->loop, gateway->log, &gateway->config->control, &host, &gateway->control, ret_error);
    if (r >= 0)
        gateway_log_set_told(gateway->log, tell_control, gateway->control);
    return r;
}

static int open_services(struct gateway *gateway, struct kith_error *ret_error) {
    const struct gateway_config *config = gateway->config;
    gateway->services = calloc(config->service_count ? config->service_count : 1, sizeof(*gateway->services));
    if (!gateway->services)
        return kith_error_set(ret_error, -ENOMEM, "out of memory");
    for (size_t i = 0; i < config->service_count; i++) {
        int r = gateway_service_new(gateway->loop, gateway->log, &config->services[i], &gateway->services[i], ret_error);
        if (r < 0)
            return r;
        gateway->service_count++;
        gateway_service_set_changed(gateway->services[i], service_changed, gateway);
        gateway_service_set_status(gateway->services[i], make_status, gateway);
        if (!config->services[i].policy)
            gateway_log(gateway->log, LOG_NOTICE, "service %s has no policy: whoever can connect may send", config->services[i].name);
    }
    return 0;
}

static int open_forwards(struct gateway *gateway, struct kith_error *ret_error) {
    const struct gateway_config *config = gateway->config;
    gateway->forwards = calloc(config->forward_count ? config->forward_count : 1, sizeof(*gateway->forwards));
    if (!gateway->forwards)
        return kith_error_set(ret_error, -ENOMEM, "out of memory");
    for (size_t i = 0; i < config->forward_count; i++) {
        int r = gateway_forward_new(gateway->loop, gateway->log, &config->forwards[i], &gateway->forwards[i], ret_error);
        if (r < 0)
            return r;
        gateway->forward_count++;
        const struct gateway_side_config *frontend = &config->forwards[i].sides[GATEWAY_SIDE_FRONTEND];
        if (frontend->bind && !frontend->policy)
            gateway_log(gateway->log, LOG_NOTICE, "proxy %s has no frontend_policy: whoever can connect may send",
                        config->forwards[i].name);
    }
    return 0;
}

static int open_routes(struct gateway *gateway, struct kith_error *ret_error) {
    const struct gateway_config *config = gateway->config;
    gateway->routes = calloc(config->route_count ? config->route_count : 1, sizeof(*gateway->routes));
    if (!gateway->routes)
        return kith_error_set(ret_error, -ENOMEM, "out of memory");
    for (size_t i = 0; i < config->route_count; i++) {
        int r = gateway_route_new(gateway->loop, gateway->log, &config->routes[i], &gateway->routes[i], ret_error);
        if (r < 0)
            return r;
        gateway->route_count++;
        if (config->routes[i].from_bind && !config->routes[i].policy)
            gateway_log(gateway->log, LOG_NOTICE, "route %s has no policy: whoever can connect may send", config->routes[i].name);
    }
    return 0;
}

static int watch_signals(struct gateway *gateway, struct kith_error *ret_error) {
    int r = kith_signal_new(gateway->loop, SIGTERM, stop, gateway, &gateway->signals[0]);
    if (r >= 0)
        r = kith_signal_new(gateway->loop, SIGINT, stop, gateway, &gateway->signals[1]);
    if (r >= 0)
        r = kith_signal_new(gateway->loop, SIGHUP, reload, gateway, &gateway->signals[2]);
    if (r >= 0)
        r = kith_timer_new(gateway->loop, deadline_passed, gateway, &gateway->deadline);
    if (r >= 0)
        r = kith_timer_new(gateway->loop, tell_status, gateway, &gateway->status);
    if (r >= 0)
        r = kith_timer_new(gateway->loop, look_again, gateway, &gateway->poll);
    return r < 0 ? kith_error_set(ret_error, r, "cannot watch signals: %s", kith_error_name(r)) : 0;
}

int gateway_new(kith_loop *loop, struct gateway_log *log, struct gateway_config *config, const char *path, struct gateway **ret_gateway,
                struct kith_error *ret_error) {
    _cleanup_(gateway_freep) struct gateway *gateway = calloc(1, sizeof(*gateway));
    if (!gateway)
        return kith_error_set(ret_error, -ENOMEM, "out of memory");
    gateway->loop = loop;
    gateway->log = log;
    gateway->path = path;
    gateway->config = config;
    gateway->announcement = -1;
    /* Signals first: one that comes while services open is seen, not deadly. */
    int r = watch_signals(gateway, ret_error);
    if (r >= 0)
        r = open_audit(gateway, ret_error);
    if (r >= 0)
        r = open_services(gateway, ret_error);
    if (r >= 0)
        r = open_forwards(gateway, ret_error);
    if (r >= 0)
        r = open_routes(gateway, ret_error);
    if (r >= 0)
        r = open_control(gateway, ret_error);
    if (r < 0) {
        gateway->config = NULL; /* stays the caller's */
        return r;
    }
    /* Only whoever looks from outside misses it. */
    int announced = gateway_announce_new(config, &gateway->announcement);
    if (announced < 0)
        gateway_log(log, LOG_WARNING, "kith map will not know the names of these sockets: %s", kith_error_name(announced));
    *ret_gateway = KITH_STEAL(gateway);
    return 0;
}

static int time_left(const struct gateway *gateway) {
    uint64_t now = kith_time_now();
    return now < gateway->end ? (int)((gateway->end - now) / KITH_NS_PER_MS) : 0;
}

int gateway_run(struct gateway *gateway) {
    sd_notify(0, "READY=1");
    tell_status(NULL, gateway);
    gateway_log(gateway->log, LOG_NOTICE, "ready: %zu services, %zu proxies, %zu routes", gateway->service_count, gateway->forward_count,
                gateway->route_count);
    int r = kith_loop_run(gateway->loop);
    for (size_t i = 0; r >= 0 && i < gateway->service_count; i++)
        gateway_service_drain(gateway->services[i], time_left(gateway));
    for (size_t i = 0; r >= 0 && i < gateway->forward_count; i++)
        gateway_forward_drain(gateway->forwards[i], time_left(gateway));
    return r;
}

struct gateway *gateway_free(struct gateway *gateway) {
    if (!gateway)
        return NULL;
    gateway_log_set_told(gateway->log, NULL, NULL);
    gateway_control_free(gateway->control);
    for (size_t i = 0; i < gateway->service_count; i++)
        gateway_service_free(gateway->services[i]);
    free(gateway->services);
    for (size_t i = 0; i < gateway->forward_count; i++)
        gateway_forward_free(gateway->forwards[i]);
    free(gateway->forwards);
    for (size_t i = 0; i < gateway->route_count; i++)
        gateway_route_free(gateway->routes[i]);
    free(gateway->routes);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(gateway->signals); i++)
        kith_signal_free(gateway->signals[i]);
    kith_timer_free(gateway->deadline);
    kith_timer_free(gateway->status);
    kith_timer_free(gateway->poll);
    gateway_config_free(gateway->config);
    gateway_log_set_audit(gateway->log, NULL);
    gateway_audit_free(gateway->audit);
    kith_close(gateway->announcement);
    free(gateway);
    return NULL;
}
